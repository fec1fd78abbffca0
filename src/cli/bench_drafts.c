/* bench_drafts.c - do drafts pay: each text is generated with and without, turn by turn.
 *
 * Two engines stand on one model. A text is timed from its first to its last token, and runs come
 * in pairs, one after the other: "times" is the median of the pairs' ratios, which holds still where
 * the machine's own speed does not. The first round warms up and counts nowhere. Nothing is shared between
 * runs: a draft of the MTP layer starts from states that a cached prompt does not give.
 */
#include "cli/bench_drafts.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "cli/bench_run.h"
#include "cli/cli.h"
#include "cli/load.h"
#include "task/task.h"

enum { QUESTIONS = 13, LEVEL = 2 };

/* What is written: how each text comes about. */
static const struct text {
    const char *name, *grammar;
    float temperature;
    bool ends; /* where the model ends it */
    int n;     /* questions */
} texts[] = {
    {"its own answers", NULL, 0.6f, true, QUESTIONS},
    {"a text that repeats itself",
     "root ::= \"the lake is deep, the lake is cold, and the lake is still. \" root", 0.6f,
     false, 2},
    {"a text that never does", NULL, 100, false, 2}, /* nearly equal chances for all tokens */
};

struct side {
    struct engine *engine;
    int64_t ns, tokens; /* of all its runs */
    int64_t last_ns;    /* of the last one, */
    uint64_t hash;      /* and of its tokens */
};

/* The q-th of the core tasks, round and round. */
static const struct task_family *core_task(int q)
{
    for (const char *at = task_core();; q--) {
        size_t n = strcspn(at, ",");
        if (q == 0) return task_find((struct span){at, n});
        at = at[n] ? at + n + 1 : task_core();
    }
}

/* Question q of a text as the model's template has it. */
static int question(const struct loaded *l, const struct text *t, int q, struct tok_list *ids,
                    bool *inside, struct err *e)
{
    struct task_item it;
    enum chat_template tmpl;
    task_item_init(&it);
    struct task_ask ask = {.seed = 5, .index = (uint64_t)q, .level = LEVEL};
    int rc = task_make(core_task(q), &ask, &it, e) || load_template(l->model->source, &tmpl, e)
                 ? -1
                 : 0;
    if (rc == 0) {
        struct chat_msg msg = {.role = CHAT_USER, .content = buf_span(&it.prompt)};
        struct chat_opts co = {.thinking = t->grammar ? CHAT_THINK_OFF : CHAT_THINK_DEFAULT,
                               .add_generation_prompt = true};
        *inside = false;
        rc = tmpl == CHAT_RAW
                 ? vocab_encode(l->vocab, buf_span(&it.prompt), true, false, ids, e)
                 : chat_render_ids(l->vocab, tmpl, &msg, 1, &co, ids, inside, e);
    }
    task_item_release(&it);
    return rc;
}

static int one(const struct loaded *l, const struct text *t, int q, int64_t most,
               uint64_t group, struct side *s, struct err *e)
{
    struct tok_list ids = {0};
    struct gen_request r;
    struct bench_run run = {0};
    uint64_t id;
    gen_request_defaults(&r);
    if (question(l, t, q, &ids, &r.thinking.starts_inside, e)) {
        tok_list_release(&ids);
        return -1;
    }
    r.prompt = ids.id;
    r.n_prompt = (int64_t)ids.n;
    r.max_tokens = most;
    r.ignore_eos = !t->ends;
    r.cache_group = group;
    r.sampling.temperature = t->temperature;
    r.sampling.top_p = t->temperature < 1 ? 0.95f : 1;
    r.sampling.seed = (uint64_t)q;
    if (t->grammar) {
        r.constraint = GEN_GRAMMAR;
        r.schema = span_of(t->grammar);
    }
    r.fn = bench_run_note;
    r.ctx = &run;
    int rc = engine_submit(s->engine, &r, &id, e);
    engine_wait(s->engine);
    tok_list_release(&ids);
    if (rc == 0 && run.failed) {
        *e = run.err;
        rc = -1;
    }
    if (rc) return rc;
    s->last_ns = run.last_ns - run.first_ns;
    s->ns += s->last_ns;
    s->tokens += run.tokens - 1;
    s->hash = run.hash;
    return 0;
}

static double tokens_s(const struct side *s)
{
    return s->ns > 0 ? (double)s->tokens / ns_to_s(s->ns) : 0;
}

static int by_size(const void *x, const void *y)
{
    const double *a = x, *b = y;
    return (*a > *b) - (*a < *b);
}

static void print(const struct text *t, double plain, double with, double times,
                  const struct engine_stats *st)
{
    double right = st->drafted ? (double)st->accepted / (double)st->drafted : 0;
    double mtp = st->mtp_drafted ? (double)st->mtp_accepted / (double)st->mtp_drafted : 0;
    if (cli.json)
        printf("{\"test\":\"drafts: %s\",\"plain_tokens_s\":%.3f,\"tokens_s\":%.3f,"
               "\"times_plain\":%.4f,\"tokens\":%llu,\"drafted\":%llu,\"accepted\":%llu,"
               "\"mtp_drafted\":%llu,\"mtp_accepted\":%llu}\n",
               t->name, plain, with, times, (unsigned long long)st->completion_tokens,
               (unsigned long long)st->drafted, (unsigned long long)st->accepted,
               (unsigned long long)st->mtp_drafted, (unsigned long long)st->mtp_accepted);
    else
        printf("  %-28s %9.2f %9.2f   %5.3f   %6llu of %6llu (%3.0f %%)   %6llu of %6llu "
               "(%3.0f %%)   %llu\n",
               t->name, plain, with, times, (unsigned long long)st->accepted,
               (unsigned long long)st->drafted, right * 100,
               (unsigned long long)st->mtp_accepted, (unsigned long long)st->mtp_drafted,
               mtp * 100, (unsigned long long)st->completion_tokens);
    fflush(stdout);
}

static int one_text(const struct loaded *l, const struct text *t, int64_t most, int64_t repeat,
                    bool always, struct err *e)
{
    struct side side[2] = {{0}, {0}}; /* without, with */
    size_t n = 0, size = (size_t)(repeat * t->n);
    double *times = mem_alloc(size * sizeof *times);
    if (!times) return err_oom(e, "the pairs' times", size * sizeof *times);
    struct engine_opts plain = l->engine_opts;
    plain.n_draft = 0;
    struct engine_opts with = l->engine_opts;
    with.draft_always = always;
    int rc = engine_open(&side[0].engine, l->model, l->vocab, l->pool, &plain, e) ||
                     engine_open(&side[1].engine, l->model, l->vocab, l->pool, &with, e)
                 ? -1
                 : 0;
    for (int64_t i = 0; i < (repeat + 1) * t->n * 2 && rc == 0; i++) {
        int q = (int)(i / 2 % t->n);
        int who = (int)((i + i / 2 / t->n) % 2); /* who begins changes from round to round */
        if (i == t->n * 2) side[0].ns = side[0].tokens = side[1].ns = side[1].tokens = 0;
        rc = one(l, t, q, most, (uint64_t)i + 1, &side[who], e);
        if (i % 2 && i >= t->n * 2 && side[1].last_ns > 0)
            times[n++] = (double)side[0].last_ns / (double)side[1].last_ns;
        if (rc == 0 && i % 2 && side[0].hash != side[1].hash)
            rc = err_set(e, ERR_BUG, "drafts have changed the tokens of %s, question %d",
                         t->name, q);
    }
    if (rc == 0) {
        struct engine_stats st;
        engine_get_stats(side[1].engine, &st);
        qsort(times, n, sizeof *times, by_size);
        print(t, tokens_s(&side[0]), tokens_s(&side[1]), n ? times[n / 2] : 0, &st);
    }
    engine_close(side[0].engine);
    engine_close(side[1].engine);
    mem_free(times);
    return rc;
}

int bench_drafts(const char *model, int64_t most, int64_t repeat, bool always, struct err *e)
{
    struct loaded l;
    if (!load_opts.ctx) load_opts.ctx = most + 512;
    if (load_weights(&l, model, e)) return -1;
    int rc = l.vocab
                 ? 0
                 : err_set(e, ERR_NOT_FOUND, "%s carries no vocabulary to write with", model);
    if (rc == 0 && !cli.json)
        printf(
            "%s: tokens/s with up to %d drafts, the same tokens without\n"
            "  text                            without      with   times   right of drafted  "
            "          of them by the MTP layer     tokens\n",
            model, l.engine_opts.n_draft);
    for (size_t i = 0; i < sizeof texts / sizeof *texts && rc == 0; i++)
        rc = one_text(&l, &texts[i], most, repeat, always, e);
    loaded_release(&l);
    return rc;
}
