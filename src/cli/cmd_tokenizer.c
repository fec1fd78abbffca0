/* tarn tokenizer train: a byte-level BPE vocabulary from text. */
#include <string.h>

#include "base/file.h"
#include "base/thread.h"
#include "cli/cli.h"
#include "format/vocab_load.h"
#include "text/bpe_train.h"
#include "text/chat.h"
#include "text/marks.h"

extern const struct command cmd_tokenizer;

enum { MAX_MARKS = 256 };

static struct {
    int64_t vocab, reserve, min_count;
    const char *out, *rule;
    bool fim;
} o = {.vocab = 8192, .rule = "tarn"};

static const struct opt opts[] = {
    {"vocab", 0, OPT_INT, &o.vocab, "N", "ids in all (default 8192)", 300, 1 << 20},
    {"out", 'o', OPT_STR, &o.out, "DIR", "where tokenizer.json goes", 0, 0},
    {"rule", 0, OPT_STR, &o.rule, "NAME",
     "pre-tokeniser: tarn (single digits, default), deepseek-v3, qwen2, llama3, gpt-2", 0, 0},
    {"reserve", 0, OPT_INT, &o.reserve, "N", "spare special tokens for later", 0, 128},
    {"fim", 0, OPT_FLAG, &o.fim, NULL, "marks for filling in the middle", 0, 0},
    {"min-count", 0, OPT_INT, &o.min_count, "N", "pairs rarer than this are not joined", 1,
     1e9},
    {.type = OPT_END},
};

static bool progress(void *ctx, const struct bpe_train_progress *p)
{
    cli_progress(ctx, (uint64_t)p->tokens, (uint64_t)p->wanted);
    return true;
}

static size_t list_marks(struct span *mark, char (*spare)[40])
{
    const char *const *names;
    size_t n = chat_tarn_marks(&names);
    for (size_t i = 0; i < n; i++) mark[i] = span_of(names[i]);
    static const char *const fim[] = {MARK_FIM_BEGIN, MARK_FIM_HOLE, MARK_FIM_END};
    for (size_t i = 0; o.fim && i < countof(fim); i++) mark[n++] = span_of(fim[i]);
    for (int64_t i = 0; i < o.reserve; i++) {
        snprintf(spare[i], sizeof spare[i], "<|reserved_%lld|>", (long long)i);
        mark[n++] = span_of(spare[i]);
    }
    return n;
}

static int train(int n_file, char **file, struct pool *pool, struct vocab **v, struct err *e)
{
    static char spare[128][40];
    struct span mark[MAX_MARKS];
    struct cli_progress bar;
    struct bpe_train_opts to = {.n_vocab = (size_t)o.vocab,
                                .special = mark,
                                .n_special = list_marks(mark, spare),
                                .min_count = o.min_count,
                                .pool = pool,
                                .progress = progress,
                                .ctx = &bar};
    struct bpe_trainer *t;
    if (!pretok_parse(span_of(o.rule), &to.rule))
        return err_set(e, ERR_USAGE, "--rule is \"%s\", which is no pre-tokeniser", o.rule);
    cli_progress_begin(&bar, "learning");
    if (bpe_trainer_create(&t, &to, e)) return -1;
    int rc = 0;
    for (int i = 0; i < n_file && rc == 0; i++) {
        struct file_map m;
        rc = file_map_open(&m, file[i], e);
        if (rc) break;
        rc = bpe_trainer_add(t, (struct span){(const char *)m.data, m.size}, e);
        if (rc) err_wrap(e, "%s", file[i]);
        file_map_close(&m);
    }
    if (rc == 0) rc = bpe_trainer_finish(t, v, e);
    bpe_trainer_free(t);
    cli_progress_end(&bar);
    return rc;
}

static int run(int argc, char **argv, struct err *e)
{
    struct pool *pool;
    struct vocab *v = NULL;
    if (argc < 2 || strcmp(argv[0], "train") != 0 || !o.out)
        return cli_usage(&cmd_tokenizer, e);
    if (pool_create(&pool, cli_threads(), e)) return -1;
    int rc = train(argc - 1, argv + 1, pool, &v, e);
    if (rc == 0) rc = file_make_dirs(o.out, e);
    if (rc == 0) rc = vocab_save(v, o.out, (struct span){NULL, 0}, e);
    if (rc == 0) fprintf(stderr, "%s: %zu ids\n", o.out, vocab_size(v));
    vocab_free(v);
    pool_free(pool);
    return rc;
}

const struct command cmd_tokenizer = {
    .verb = "tokenizer",
    .args = "train FILES --vocab N -o DIR",
    .summary = "a byte-level BPE vocabulary from text",
    .details = "  tarn tokenizer train books/*.txt --vocab 8192 -o mytok\n"
               "  echo Hello | tarn tokenize mytok --ids",
    .opts = (const struct opt *const[]){opts, NULL},
    .run = run,
};
