#include "rl/harvest.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/size.h"
#include "rl/rl_recipe.h"

enum { CHUNK = 32, TEXT_MAX = 64 << 20, STATE_MAX = 4096 };

int harvest_init(struct harvest *h, const struct recipe *r, enum chat_template chat,
                 struct err *e)
{
    struct rl_recipe rl;
    struct rl_opts o;
    *h = (struct harvest){.keep = r->distill.keep,
                          .reject = r->distill.reject,
                          .batch_rows = (size_t)r->train.micro_rows};
    rl_recipe_init(&rl);
    rl.task.families = r->distill.tasks;
    rl.task.levels = r->distill.levels;
    rl.task.data = r->distill.data;
    rl.task.seed = r->distill.seed;
    rl.task.instructions = r->distill.instructions;
    rl.task.variant = "mix";
    rl.rollout.max_prompt = r->distill.max_prompt;
    rl.rollout.max_tokens = r->distill.max_tokens;
    rl.rollout.temperature = r->distill.temperature;
    rl.rollout.seed = r->distill.seed;
    if (!*r->distill.tasks && !*r->distill.data)
        return err_set(e, ERR_USAGE, "the recipe has no distill.tasks and no distill.data");
    if (rl_recipe_opts(&rl, &o, e) ||
        rl_recipe_problems(&rl, &o, TASK_TRAIN, &h->problems, e)) {
        curriculum_release(&h->problems);
        return -1;
    }
    h->o = o.rollout;
    h->o.chat = chat;
    h->o.group = (int)r->distill.samples;
    h->o.in_flight = (int)r->distill.parallel;
    return 0;
}

void harvest_release(struct harvest *h)
{
    curriculum_release(&h->problems);
    for (int i = 0; i < DATA_BUFFERS; i++) mem_free(h->buffer[i]);
}

/* Problems [first, first + n) asked and judged. g: (n), zeroed; the caller releases them. */
static int ask(struct harvest *h, struct group *g, uint64_t first, size_t n, struct engine *en,
               const struct vocab *v, const volatile int *stop, struct harvest_counts *c,
               struct err *e)
{
    struct rollout_times t = {0};
    for (size_t i = 0; i < n; i++) {
        uint64_t index;
        int stage;
        curriculum_choose(&h->problems, first + i, &stage, &index);
        if (group_create(&g[i], (size_t)h->o.group, e)) return -1;
        g[i].number = first + i;
        if (rollout_prompt(&g[i], h->problems.stage[stage].source, index, v, &h->o, e))
            return -1;
    }
    if (rollout_run(g, n, en, v, &h->o, stop, &t, e)) return -1;
    c->prompts += (int64_t)n;
    c->tokens += t.tokens;
    c->ns += t.wall_ns;
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < g[i].n; k++) {
            const struct rollout *r = &g[i].r[k];
            c->answers++;
            c->right += r->reward.judged && r->reward.score >= 1 && !r->truncated;
            c->errored += !r->reward.judged;
            c->truncated += r->truncated;
        }
    return 0;
}

/* ---- to a file ----------------------------------------------------------------------------- */

static bool wanted(const struct harvest *h, const struct group *g, const struct rollout *r)
{
    bool closed = span_find(buf_span(&r->text), 0, span_of("</think>")) != (size_t)-1;
    if (r->truncated || (g->inside && !closed)) return false;
    return !h->reject || (r->reward.judged && r->reward.score >= 1);
}

/* The same text twice teaches nothing new. */
static bool seen(const struct group *g, size_t k, const bool *taken)
{
    for (size_t i = 0; i < k; i++)
        if (taken[i] && span_eq(buf_span(&g->r[i].text), buf_span(&g->r[k].text))) return true;
    return false;
}

static void write_group(const struct harvest *h, const struct group *g, struct buf *out,
                        struct harvest_counts *c)
{
    bool taken[64] = {false};
    int64_t n = 0;
    for (size_t k = 0; k < g->n && n < h->keep; k++) {
        const struct rollout *r = &g->r[k];
        taken[k] = wanted(h, g, r) && !seen(g, k, taken);
        if (!taken[k]) continue;
        n++;
        buf_add_str(out, "{\"id\":");
        buf_add_json(out, span_of(g->problem.id));
        buf_add_str(out, ",\"task\":");
        buf_add_json(out, span_of(g->problem.task));
        buf_printf(out, ",\"level\":%d,\"prompt\":", g->problem.level);
        buf_add_json(out, buf_span(&g->problem.prompt));
        buf_add_str(out, ",\"response\":");
        buf_add_json(out, buf_span(&r->text));
        buf_printf(out, ",\"score\":%g,\"tokens\":%zu}\n", r->reward.score, r->n);
    }
    c->kept += n;
}

static int read_state(const char *path, struct harvest_counts *c, int64_t *bytes, struct err *e)
{
    *bytes = 0;
    if (!file_exists(path)) return 0;
    json_t *o = json_parse_file(path, STATE_MAX, e);
    if (!o) return -1;
    int rc = json_get_i64(o, "bytes", 0, INT64_MAX, bytes, path, e) ||
             json_get_i64(o, "prompts", 0, INT64_MAX, &c->prompts, path, e) ||
             json_get_i64(o, "answers", 0, INT64_MAX, &c->answers, path, e) ||
             json_get_i64(o, "right", 0, INT64_MAX, &c->right, path, e) ||
             json_get_i64(o, "errored", 0, INT64_MAX, &c->errored, path, e) ||
             json_get_i64(o, "truncated", 0, INT64_MAX, &c->truncated, path, e) ||
             json_get_i64(o, "kept", 0, INT64_MAX, &c->kept, path, e) ||
             json_get_i64(o, "tokens", 0, INT64_MAX, &c->tokens, path, e);
    json_decref(o);
    return rc ? -1 : 0;
}

static int write_state(const char *path, const struct harvest_counts *c, int64_t bytes,
                       struct err *e)
{
    char text[512];
    int n = snprintf(text, sizeof text,
                     "{\"bytes\":%" PRId64 ",\"prompts\":%" PRId64 ",\"answers\":%" PRId64
                     ",\"right\":%" PRId64 ",\"errored\":%" PRId64 ",\"truncated\":%" PRId64
                     ",\"kept\":%" PRId64 ",\"tokens\":%" PRId64 "}\n",
                     bytes, c->prompts, c->answers, c->right, c->errored, c->truncated, c->kept,
                     c->tokens);
    return file_replace(path, text, (size_t)n, e);
}

/* One handful: asked, written, and made durable before the state speaks of it. */
static int harvest_chunk(struct harvest *h, FILE *f, struct engine *en, const struct vocab *v,
                         size_t n, const volatile int *stop, struct harvest_counts *c,
                         int64_t *bytes, struct err *e)
{
    struct buf b;
    struct group *g = mem_calloc(n, sizeof *g);
    if (!g) return err_oom(e, "answers", n * sizeof *g);
    buf_init(&b, TEXT_MAX);
    int rc = ask(h, g, (uint64_t)c->prompts, n, en, v, stop, c, e);
    for (size_t i = 0; i < n; i++) {
        if (rc == 0) write_group(h, &g[i], &b, c);
        group_release(&g[i]);
    }
    if (rc == 0) rc = buf_ok(&b, "a teacher's answers", e);
    if (rc == 0 &&
        (fwrite(buf_str(&b), 1, b.len, f) != b.len || fflush(f) != 0 || fsync(fileno(f)) != 0))
        rc = err_errno(e, errno, "cannot write answers");
    *bytes += (int64_t)b.len;
    buf_release(&b);
    mem_free(g);
    return rc;
}

int harvest_file(struct harvest *h, const char *path, struct engine *en, const struct vocab *v,
                 int64_t prompts, const volatile int *stop,
                 void (*tick)(void *ctx, const struct harvest_counts *c), void *ctx,
                 struct harvest_counts *c, struct err *e)
{
    char state[1024];
    int64_t bytes;
    *c = (struct harvest_counts){0};
    if (snprintf(state, sizeof state, "%s.state", path) >= (int)sizeof state)
        return err_set(e, ERR_LIMIT, "%s: the path is too long", path);
    if (read_state(state, c, &bytes, e)) return -1;
    if (c->prompts >= prompts) return 0;
    FILE *f = fopen(path, "ab");
    if (!f || ftruncate(fileno(f), bytes) != 0) {
        if (f) fclose(f);
        return err_errno(e, errno, "cannot write %s", path);
    }
    int rc = 0;
    while (rc == 0 && c->prompts < prompts) {
        size_t n = size_min(CHUNK, (size_t)(prompts - c->prompts));
        rc = harvest_chunk(h, f, en, v, n, stop, c, &bytes, e);
        if (rc == 0) rc = write_state(state, c, bytes, e);
        if (rc == 0 && tick) tick(ctx, c);
    }
    if (fclose(f) != 0 && rc == 0) rc = err_errno(e, errno, "cannot write %s", path);
    return rc;
}

/* ---- to batches ---------------------------------------------------------------------------- */

/* Prompt and answer as one sequence behind row `at`; returns its rows. */
static size_t put_answer(int32_t *rows, size_t all, size_t at, int32_t seq,
                         const struct group *g, const struct rollout *r)
{
    size_t n = g->prompt.n + r->n - 1;
    for (size_t i = 0; i < n; i++) {
        size_t next = i + 1;
        bool learned = next >= g->prompt.n;
        rows[at + i] = i < g->prompt.n ? g->prompt.id[i] : r->id[i - g->prompt.n];
        rows[all + at + i] = (int32_t)i;
        rows[2 * all + at + i] = learned ? r->id[next - g->prompt.n] : -1;
        rows[3 * all + at + i] = seq;
    }
    return n;
}

struct packing {
    struct harvest *h;
    struct train_batch *out;
    size_t n, at; /* batches begun, rows of the last */
    int32_t seq;
};

static int pack(struct packing *p, const struct group *g, const struct rollout *r,
                struct err *e)
{
    size_t all = p->h->batch_rows, rows = g->prompt.n + r->n - 1;
    if (r->n == 0 || rows > all) return 0;
    if (p->n == 0 || p->at + rows > all) {
        if (p->n == DATA_BUFFERS)
            return err_set(e, ERR_LIMIT, "a step's answers fill more than %d batches",
                           DATA_BUFFERS);
        if (!p->h->buffer[p->n]) p->h->buffer[p->n] = mem_alloc(4 * all * sizeof(int32_t));
        if (!p->h->buffer[p->n]) return err_oom(e, "a batch", 16 * all);
        p->n++;
        p->at = 0;
        p->seq = 0;
    }
    int32_t *b = p->h->buffer[p->n - 1];
    p->at += put_answer(b, all, p->at, p->seq++, g, r);
    p->out[p->n - 1] = (struct train_batch){.n = p->at,
                                            .id = b,
                                            .pos = b + all,
                                            .target = b + 2 * all,
                                            .row_seq = b + 3 * all,
                                            .n_seq = (size_t)p->seq};
    return 0;
}

int harvest_batches(struct harvest *h, struct engine *en, const struct vocab *v, uint64_t first,
                    size_t n, const volatile int *stop, struct train_batch *out,
                    size_t *n_batch, struct harvest_counts *c, struct err *e)
{
    struct packing p = {.h = h, .out = out};
    struct group *g = mem_calloc(n, sizeof *g);
    if (!g) return err_oom(e, "answers", n * sizeof *g);
    int rc = ask(h, g, first, n, en, v, stop, c, e);
    for (size_t i = 0; i < n && rc == 0; i++)
        for (size_t k = 0; k < g[i].n && rc == 0; k++) rc = pack(&p, &g[i], &g[i].r[k], e);
    for (size_t i = 0; i < n; i++) group_release(&g[i]);
    mem_free(g);
    *n_batch = p.n;
    return rc;
}
