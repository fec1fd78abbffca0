/* tarn shard: texts to token shards (format/token_shard.h).
 *
 * A file (plain, gzip or zstd; text or Markdown) is one document, or with --split many: they are
 * separated by lines that hold the given text alone ("" for empty lines). In a .jsonl file every line
 * is a document {"text": ...}, or an exchange: prompt, think and answer, as `tarn task` prints them;
 * it is written as the tarn chat template has it, with an empty think as an answer given without
 * thinking. Each document ends with the vocabulary's end-of-text id.
 *
 * On the way documents that occur twice, nearly twice, or in a test are left out (train/clean.h), a
 * share is held out for measuring, and a share is turned round for filling in the middle:
 *
 *   <fim begin> prefix <fim hole> suffix <fim end> middle        training.md 1.1; cut at two places
 *                                                                between characters
 *
 * What happens to a document depends on its text and the seed, not on its place.
 */
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/rng.h"
#include "cli/cli.h"
#include "format/token_shard.h"
#include "format/vocab_load.h"
#include "text/chat.h"
#include "text/marks.h"
#include "text/vocab.h"
#include "train/clean.h"
#include "train/text_file.h"

extern const struct command cmd_shard;

static struct {
    const char *tokenizer, *out, *split;
    struct opt_list against;
    int64_t tokens, seed, n_gram;
    double near, held_out, fim;
    bool dedup, strict;
} o = {.tokens = 100 << 20, .n_gram = 10, .seed = 1};

static const struct opt opts[] = {
    {"tokenizer", 0, OPT_STR, &o.tokenizer, "MODEL", "whose vocabulary to use", 0, 0},
    {"out", 'o', OPT_STR, &o.out, "DIR", "where the shards go", 0, 0},
    {"split", 0, OPT_STR, &o.split, "LINE", "a line that separates documents in a file", 0, 0},
    {"tokens", 0, OPT_INT, &o.tokens, "N", "begin a new shard after so many (default 100M)", 1,
     4e9},
    {"dedup", 0, OPT_FLAG, &o.dedup, NULL, "leave out documents that were there already", 0, 0},
    {"near", 0, OPT_REAL, &o.near, "X", "and those that share X of their word runs (0.8)", 0,
     1},
    {"against", 0, OPT_LIST, &o.against, "FILE",
     "leave out what shares a run of words with FILE", 0, 0},
    {"ngram", 0, OPT_INT, &o.n_gram, "N", "words of such a run (default 10)", 1, 64},
    {"held-out", 0, OPT_REAL, &o.held_out, "X", "share of documents that goes to DIR/held-out",
     0, 0.9},
    {"fim", 0, OPT_REAL, &o.fim, "X", "share turned round for filling in the middle (V3: 0.1)",
     0, 1},
    {"seed", 0, OPT_INT, &o.seed, "N", "of the held-out and the turned ones (default 1)", 0,
     9e15},
    {"strict", 0, OPT_FLAG, &o.strict, NULL,
     "a bad record is an error; else skipped and counted", 0, 0},
    {.type = OPT_END},
};

enum { SHOWN_BAD = 5, STREAM_HELD = 1, STREAM_FIM = 2 };

/* One set of shards: for training, or held out. */
struct part {
    const char *dir;
    struct tok_list ids;
    int n_file;
    int64_t n_doc, n_tok;
};

struct shards {
    struct vocab *v;
    uint64_t tokenizer;
    struct part train, held;
    struct clean *clean;
    tok_id fim[3]; /* begin, hole, end */
    int64_t exact, near, contaminated, bad, turned;
    const char *file; /* being read */
    size_t line;      /* of it, 0: none */
};

static int flush(struct shards *s, struct part *p, struct err *e)
{
    char name[32];
    if (p->ids.n == 0) return 0;
    snprintf(name, sizeof name, "%05d.shard", p->n_file++);
    char *path = file_join(p->dir, name);
    if (!path) return err_oom(e, "a file name", strlen(p->dir));
    int rc = token_shard_write(path, (const uint32_t *)p->ids.id, p->ids.n,
                               (uint32_t)vocab_size(s->v), (uint32_t)vocab_special(s->v)->eos,
                               s->tokenizer, e);
    mem_free(path);
    p->n_tok += (int64_t)p->ids.n;
    p->ids.n = 0;
    return rc;
}

/* A document's own random numbers. */
static struct rng rng_of(struct span text, uint64_t stream)
{
    return rng_init((uint64_t)o.seed ^ hash64(text.p, text.n, 0), stream);
}

static struct part *part_of(struct shards *s, struct span text)
{
    struct rng r = rng_of(text, STREAM_HELD);
    return o.held_out > 0 && rng_f64(&r) < o.held_out ? &s->held : &s->train;
}

static int end_document(struct shards *s, struct part *p, size_t from, struct err *e)
{
    tok_id end = vocab_special(s->v)->eos;
    for (size_t i = from; i < p->ids.n; i++)
        if (p->ids.id[i] == end) {
            p->ids.n = from;
            return err_set(e, ERR_FORMAT, "a document holds the id %d, which ends documents",
                           end);
        }
    if (tok_list_add(&p->ids, end, e)) return -1;
    p->n_doc++;
    return (int64_t)p->ids.n >= o.tokens ? flush(s, p, e) : 0;
}

/* A place between two characters. */
static size_t cut_at(struct span text, struct rng *r)
{
    size_t at = (size_t)rng_below(r, text.n + 1);
    while (at < text.n && ((unsigned char)text.p[at] & 0xc0) == 0x80) at++;
    return at;
}

static int add_turned(struct shards *s, struct part *p, struct span text, struct rng *r,
                      struct err *e)
{
    size_t a = cut_at(text, r), b = cut_at(text, r);
    if (a > b) {
        size_t t = a;
        a = b;
        b = t;
    }
    const struct span piece[3] = {{text.p, a},
                                  {text.p + b, text.n - b},
                                  {text.p + a, b - a}}; /* prefix, suffix, middle */
    for (int i = 0; i < 3; i++)
        if (tok_list_add(&p->ids, s->fim[i], e) ||
            (piece[i].n && vocab_encode(s->v, piece[i], false, false, &p->ids, e)))
            return -1;
    s->turned++;
    return 0;
}

static int add_document(struct shards *s, struct span text, struct err *e)
{
    enum clean_verdict v = CLEAN_KEEP;
    if (text.n == 0) return 0;
    if (s->clean && clean_judge(s->clean, text, &v, e)) return -1;
    s->exact += v == CLEAN_EXACT;
    s->near += v == CLEAN_NEAR;
    s->contaminated += v == CLEAN_CONTAMINATED;
    if (v != CLEAN_KEEP) return 0;
    struct part *p = part_of(s, text);
    struct rng r = rng_of(text, STREAM_FIM);
    size_t from = p->ids.n;
    int rc = o.fim > 0 && rng_f64(&r) < o.fim
                 ? add_turned(s, p, text, &r, e)
                 : vocab_encode(s->v, text, false, false, &p->ids, e);
    return rc ? -1 : end_document(s, p, from, e);
}

/* A record that gives nothing: counted, or the end. */
static int skip_bad(struct shards *s, struct err *e)
{
    if (o.strict || e->code == ERR_MEMORY || e->code == ERR_IO || e->code == ERR_UNSUPPORTED)
        return s->line ? err_wrap(e, "%s:%zu", s->file, s->line) : err_wrap(e, "%s", s->file);
    if (s->bad++ < SHOWN_BAD)
        log_warn("shard", "%s:%zu: skipped: %s", s->file, s->line, e->msg);
    err_clear(e);
    return 0;
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
    struct part *p = part_of(s, ask.content);
    size_t from = p->ids.n;
    int rc = chat_render_ids(s->v, CHAT_TARN, &ask, 1, &co, &p->ids, NULL, e);
    if (rc == 0 && think.n)
        rc = vocab_encode(s->v, think, false, false, &p->ids, e) ||
             vocab_encode(s->v, span_of("</think>"), true, false, &p->ids, e);
    if (rc == 0) rc = vocab_encode(s->v, answer, false, false, &p->ids, e);
    if (rc) p->ids.n = from;
    return rc ? -1 : end_document(s, p, from, e);
}

static int add_record(struct shards *s, struct span line, struct err *e)
{
    json_t *o_line = json_parse(line, "a record", e);
    if (!o_line) return -1;
    struct span text = text_of(o_line, "text");
    int rc = text.p ? add_document(s, text, e) : add_exchange(s, o_line, e);
    json_decref(o_line);
    return rc;
}

static int add_lines(struct shards *s, struct span all, struct err *e)
{
    struct span line;
    size_t at = 0;
    s->line = 0;
    while (text_line(all, &at, &s->line, &line))
        if (line.n && add_record(s, line, e) && skip_bad(s, e)) return -1;
    return 0;
}

static int add_texts(struct shards *s, struct span all, struct err *e)
{
    size_t begin = 0, at = 0, line_no = 0;
    struct span line;
    s->line = 1; /* where the document begins */
    while (o.split && text_line(all, &at, &line_no, &line)) {
        if (!span_is(line, o.split)) continue;
        size_t end = (size_t)(line.p - all.p);
        if (add_document(s, (struct span){all.p + begin, end - begin}, e) && skip_bad(s, e))
            return -1;
        begin = at;
        s->line = line_no + 1;
    }
    if (begin >= all.n) return 0;
    return add_document(s, (struct span){all.p + begin, all.n - begin}, e) && skip_bad(s, e)
               ? -1
               : 0;
}

static bool is_lines(const char *path)
{
    static const char *const end[] = {".jsonl", ".jsonl.gz", ".jsonl.zst"};
    size_t n = strlen(path);
    for (size_t i = 0; i < countof(end); i++)
        if (n > strlen(end[i]) && strcmp(path + n - strlen(end[i]), end[i]) == 0) return true;
    return false;
}

static int add_file(struct shards *s, const char *path, struct err *e)
{
    struct text_file f;
    if (text_file_open(&f, path, e)) return -1;
    s->file = path;
    int rc = is_lines(path) ? add_lines(s, f.text, e) : add_texts(s, f.text, e);
    text_file_close(&f);
    return rc;
}

/* ---- before and after ---------------------------------------------------------------------- */

static int open_clean(struct shards *s, struct err *e)
{
    struct clean_opts c = {
        .exact = o.dedup || o.near > 0, .near = o.near, .n_gram = (int)o.n_gram};
    if (!c.exact && o.against.n == 0) return 0;
    if (clean_create(&s->clean, &c, e)) return -1;
    for (int i = 0; i < o.against.n; i++) {
        struct text_file f;
        if (text_file_open(&f, o.against.item[i], e)) return -1;
        int rc = clean_forbid(s->clean, f.text, e);
        text_file_close(&f);
        if (rc) return -1;
    }
    return 0;
}

static int open_vocab(struct shards *s, struct err *e)
{
    char path[1024];
    if (cli_model_path(o.tokenizer, path, sizeof path, e) || vocab_load(&s->v, path, e))
        return -1;
    const struct vocab_special *sp = vocab_special(s->v);
    if (sp->eos < 0)
        return err_set(e, ERR_UNSUPPORTED, "%s: the vocabulary names no id that ends a text",
                       path);
    /* The hole's mark stands in front of the suffix. */
    static const char *const mark[3] = {MARK_FIM_BEGIN, MARK_FIM_HOLE, MARK_FIM_END};
    const tok_id role[3] = {sp->fim_pre, sp->fim_suf, sp->fim_mid};
    for (int i = 0; i < 3; i++)
        s->fim[i] = role[i] >= 0 ? role[i] : vocab_find(s->v, span_of(mark[i]));
    if (o.fim > 0 && (s->fim[0] < 0 || s->fim[1] < 0 || s->fim[2] < 0))
        return err_set(
            e, ERR_UNSUPPORTED,
            "%s: the vocabulary lacks the marks that --fim needs (tarn tokenizer train --fim)",
            path);
    s->tokenizer = vocab_hash(s->v);
    return 0;
}

static void report(const struct shards *s)
{
    const struct part *t = &s->train, *h = &s->held;
    if (cli.json) {
        printf("{\"shards\":%d,\"documents\":%lld,\"tokens\":%lld,\"held_out_documents\":%lld,"
               "\"held_out_tokens\":%lld,\"exact_duplicates\":%lld,\"near_duplicates\":%lld,"
               "\"contaminated\":%lld,\"fim\":%lld,\"bad\":%lld}\n",
               t->n_file, (long long)t->n_doc, (long long)t->n_tok, (long long)h->n_doc,
               (long long)h->n_tok, (long long)s->exact, (long long)s->near,
               (long long)s->contaminated, (long long)s->turned, (long long)s->bad);
        return;
    }
    printf("%d shards, %lld documents, %lld tokens\n", t->n_file, (long long)t->n_doc,
           (long long)t->n_tok);
    if (h->n_doc)
        printf("held out: %lld documents, %lld tokens\n", (long long)h->n_doc,
               (long long)h->n_tok);
    if (s->clean)
        printf("left out: %lld duplicates, %lld near ones, %lld that share words with a test\n",
               (long long)s->exact, (long long)s->near, (long long)s->contaminated);
    if (s->turned) printf("turned round: %lld\n", (long long)s->turned);
    if (s->bad) printf("skipped: %lld bad records\n", (long long)s->bad);
}

static int run(int argc, char **argv, struct err *e)
{
    struct shards s = {.train = {.dir = o.out}};
    if (argc < 1 || !o.tokenizer || !o.out) return cli_usage(&cmd_shard, e);
    int rc = -1;
    char *held = file_join(o.out, "held-out");
    s.held.dir = held;
    if (!held || open_vocab(&s, e) || open_clean(&s, e) || file_make_dirs(o.out, e) ||
        (o.held_out > 0 && file_make_dirs(held, e)))
        goto out;
    for (int i = 0; i < argc; i++)
        if (add_file(&s, argv[i], e)) goto out;
    if (flush(&s, &s.train, e) || flush(&s, &s.held, e)) goto out;
    report(&s);
    rc = 0;
out:
    tok_list_release(&s.train.ids);
    tok_list_release(&s.held.ids);
    clean_free(s.clean);
    vocab_free(s.v);
    mem_free(held);
    return rc;
}

const struct command cmd_shard = {
    .verb = "shard",
    .args = "FILES --tokenizer MODEL -o DIR",
    .summary = "texts to token shards for training",
    .details = "  tarn shard corpus/*.txt --tokenizer tok/ --split '' -o data/english\n"
               "  tarn shard web.jsonl.zst --tokenizer tok/ -o data/web --near 0.8 \\\n"
               "      --against test.jsonl --held-out 0.01\n",
    .opts = (const struct opt *const[]){opts, NULL},
    .run = run,
};
