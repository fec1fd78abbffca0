/* tarn shard: texts to token shards (format/token_shard.h).
 *
 * A file is one document, or with --split many: they are separated by lines that hold the given
 * text alone ("" for empty lines). In a .jsonl file every line is an exchange: prompt, think and
 * answer, as `tarn task` prints them; it is written as the tarn chat template has it, with an
 * empty think as an answer given without thinking. Each document ends with the vocabulary's
 * end-of-text id.
 */
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"
#include "cli/cli.h"
#include "format/token_shard.h"
#include "format/vocab_load.h"
#include "text/chat.h"
#include "text/vocab.h"

extern const struct command cmd_shard;

static struct {
    const char *tokenizer, *out, *split;
    int64_t tokens;
} o = {.tokens = 100 << 20};

static const struct opt opts[] = {
    {"tokenizer", 0, OPT_STR, &o.tokenizer, "MODEL", "whose vocabulary to use", 0, 0},
    {"out", 'o', OPT_STR, &o.out, "DIR", "where the shards go", 0, 0},
    {"split", 0, OPT_STR, &o.split, "LINE", "a line that separates documents in a file", 0, 0},
    {"tokens", 0, OPT_INT, &o.tokens, "N", "begin a new shard after so many (default 100M)", 1,
     4e9},
    {.type = OPT_END},
};

struct shards {
    struct vocab *v;
    struct tok_list ids;
    uint64_t tokenizer;
    int n_file;
    int64_t n_doc, n_tok;
};

static int flush(struct shards *s, struct err *e)
{
    char name[32];
    if (s->ids.n == 0) return 0;
    snprintf(name, sizeof name, "%05d.shard", s->n_file++);
    char *path = file_join(o.out, name);
    if (!path) return err_oom(e, "a file name", strlen(o.out));
    int rc = token_shard_write(path, (const uint32_t *)s->ids.id, s->ids.n,
                               (uint32_t)vocab_size(s->v), (uint32_t)vocab_special(s->v)->eos,
                               s->tokenizer, e);
    mem_free(path);
    s->n_tok += (int64_t)s->ids.n;
    s->ids.n = 0;
    return rc;
}

static int add_document(struct shards *s, struct span text, struct err *e)
{
    tok_id end = vocab_special(s->v)->eos;
    size_t from = s->ids.n;
    if (text.n == 0) return 0;
    if (vocab_encode(s->v, text, false, false, &s->ids, e)) return -1;
    for (size_t i = from; i < s->ids.n; i++)
        if (s->ids.id[i] == end)
            return err_set(e, ERR_FORMAT, "a document holds the id %d, which ends documents",
                           end);
    if (tok_list_add(&s->ids, end, e)) return -1;
    s->n_doc++;
    return (int64_t)s->ids.n >= o.tokens ? flush(s, e) : 0;
}

static struct span text_of(const json_t *line, const char *key)
{
    const char *p = json_string_value(json_object_get(line, key));
    return p ? (struct span){p, json_string_length(json_object_get(line, key))}
             : (struct span){NULL, 0};
}

static int add_exchange(struct shards *s, const json_t *line, struct err *e)
{
    struct span think = text_of(line, "think"), answer = text_of(line, "answer");
    struct chat_msg ask = {.role = CHAT_USER, .content = text_of(line, "prompt")};
    struct chat_opts co = {.thinking = think.n ? CHAT_THINK_ON : CHAT_THINK_OFF,
                           .add_generation_prompt = true};
    if (!ask.content.n || !answer.n)
        return err_set(e, ERR_FORMAT, "no text in \"%s\"", answer.n ? "prompt" : "answer");
    if (chat_render_ids(s->v, CHAT_TARN, &ask, 1, &co, &s->ids, NULL, e)) return -1;
    if (think.n && (vocab_encode(s->v, think, false, false, &s->ids, e) ||
                    vocab_encode(s->v, span_of("</think>"), true, false, &s->ids, e)))
        return -1;
    return add_document(s, answer, e);
}

static int add_lines(struct shards *s, struct span all, struct err *e)
{
    size_t n_line = 0;
    for (size_t at = 0; at < all.n; n_line++) {
        size_t end = span_find(all, at, span_of("\n"));
        json_error_t je;
        if (end == (size_t)-1) end = all.n;
        json_t *line = json_loadb(all.p + at, end - at, 0, &je);
        int rc = line ? add_exchange(s, line, e) : err_set(e, ERR_FORMAT, "%s", je.text);
        json_decref(line);
        if (rc) return err_wrap(e, "line %zu", n_line + 1);
        at = end + 1;
    }
    return 0;
}

static int add_file(struct shards *s, const char *path, struct err *e)
{
    struct file_map m;
    if (file_map_open(&m, path, e)) return -1;
    struct span all = {(const char *)m.data, m.size};
    size_t len = strlen(path);
    if (len > 6 && strcmp(path + len - 6, ".jsonl") == 0) {
        int bad = add_lines(s, all, e);
        file_map_close(&m);
        return bad ? err_wrap(e, "%s", path) : 0;
    }
    size_t begin = 0, n = o.split ? strlen(o.split) : 0;
    int rc = 0;
    for (size_t at = 0; o.split && at < all.n && rc == 0;) {
        size_t end = span_find(all, at, span_of("\n"));
        if (end == (size_t)-1) end = all.n;
        if (end - at == n && memcmp(all.p + at, o.split, n) == 0) {
            rc = add_document(s, (struct span){all.p + begin, at - begin}, e);
            begin = end + 1;
        }
        at = end + 1;
    }
    if (rc == 0 && begin < all.n)
        rc = add_document(s, (struct span){all.p + begin, all.n - begin}, e);
    file_map_close(&m);
    return rc ? err_wrap(e, "%s", path) : 0;
}

static int run(int argc, char **argv, struct err *e)
{
    struct shards s = {0};
    char path[1024];
    if (argc < 1 || !o.tokenizer || !o.out) return cli_usage(&cmd_shard, e);
    if (cli_model_path(o.tokenizer, path, sizeof path, e) || vocab_load(&s.v, path, e))
        return -1;
    int rc = -1;
    if (vocab_special(s.v)->eos < 0) {
        err_set(e, ERR_UNSUPPORTED, "%s: the vocabulary names no id that ends a text", path);
        goto out;
    }
    s.tokenizer = vocab_hash(s.v);
    if (file_make_dirs(o.out, e)) goto out;
    for (int i = 0; i < argc; i++)
        if (add_file(&s, argv[i], e)) goto out;
    if (flush(&s, e)) goto out;
    if (cli.json)
        printf("{\"shards\":%d,\"documents\":%lld,\"tokens\":%lld}\n", s.n_file,
               (long long)s.n_doc, (long long)s.n_tok);
    else
        printf("%d shards, %lld documents, %lld tokens\n", s.n_file, (long long)s.n_doc,
               (long long)s.n_tok);
    rc = 0;
out:
    tok_list_release(&s.ids);
    vocab_free(s.v);
    return rc;
}

const struct command cmd_shard = {
    .verb = "shard",
    .args = "FILES --tokenizer MODEL -o DIR",
    .summary = "texts to token shards for training",
    .details = "  tarn shard corpus/*.txt --tokenizer tok/ --split '' -o data/english\n",
    .opts = (const struct opt *const[]){opts, NULL},
    .run = run,
};
