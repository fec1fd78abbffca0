/* engine.c - opening, the thread, and one step: plan rows, run the model, sample, report. */
#include "engine/engine.h"

#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/size.h"
#include "base/thread.h"
#include "engine/engine_int.h"
#include "kernel/kernel.h"
#include "model/source.h"

enum {
    PROMPT_SCORE_ROWS = 32,
    CTX_DEFAULT = 32768,
    /* New blocks from which a snapshot is written: of a prompt just computed, of a request that
     * ends. */
    SAVE_PROMPT_BLOCKS = 64,
    SAVE_BLOCKS = 4
};

static const int64_t DISK_WAIT_NS = 10000000;

void engine_opts_defaults(struct engine_opts *o)
{
    *o = (struct engine_opts){.n_parallel = 1,
                              .n_batch = 512,
                              .n_queue = 256,
                              .n_draft = 4,
                              .cache_dt = DT_F16,
                              .share_prefixes = true};
}

void gen_request_defaults(struct gen_request *r)
{
    *r = (struct gen_request){.n = 1, .max_tokens = -1};
    r->sampling = (struct gen_sampling){.top_p = 1,
                                        .typical_p = 1,
                                        .repeat_penalty = 1,
                                        .dry_base = 1.75f,
                                        .dry_allowed_length = 2,
                                        .dry_last_n = -1,
                                        .n_top = -1};
    r->thinking.budget = -1;
}

/* ---- plan ---------------------------------------------------------------------------------- */

static void fill_defaults(const struct model *m, struct engine_opts *o)
{
    if (o->n_ctx <= 0) o->n_ctx = m->n_ctx < CTX_DEFAULT ? m->n_ctx : CTX_DEFAULT;
    if (o->n_ctx > m->n_ctx) o->n_ctx = m->n_ctx;
    if (o->n_cache < o->n_ctx) o->n_cache = o->n_ctx;
    if (o->n_draft > 15) o->n_draft = 15;
}

/* Rows of a step, and how many of them may want logits. */
static void step_rows(const struct engine_opts *o, size_t *rows, size_t *out)
{
    size_t decode = (size_t)o->n_parallel * (1 + (size_t)o->n_draft);
    *rows = size_max((size_t)o->n_batch, decode);
    *out = size_max(PROMPT_SCORE_ROWS, decode);
    if (*out > *rows) *out = *rows;
}

static int32_t cache_blocks(const struct engine_opts *o)
{
    /* One block more per sequence than its tokens fill: drafts lie past the end for a step. */
    return (int32_t)((o->n_cache + ATTN_BLOCK - 1) / ATTN_BLOCK) + 2 * o->n_parallel;
}

/* Of the arena: what the layers need, or the drafts after them. */
static int step_bytes(struct model *m, struct pool *pool, const struct engine_opts *o,
                      size_t *bytes, struct err *e)
{
    size_t rows, out, mtp;
    step_rows(o, &rows, &out);
    if (model_step_bytes(m, kernels(), pool, rows, out, bytes, e) ||
        mtp_step_bytes(m, o, pool, rows, &mtp, e))
        return -1;
    *bytes = size_max(*bytes, mtp);
    return 0;
}

int engine_make_plan(struct model *m, struct pool *pool, struct engine_opts *o,
                     struct engine_plan *plan, struct err *e)
{
    *plan = (struct engine_plan){0};
    fill_defaults(m, o);
    struct kv_layout layout;
    model_kv_layout(m, o->cache_dt, &layout);
    size_t rows, out, step = 0;
    step_rows(o, &rows, &out);
    if (step_bytes(m, pool, o, &step, e)) return -1;
    plan->weights = model_weight_bytes(m);
    plan->cache = kv_bytes(&layout, cache_blocks(o));
    plan->cache_per_token = layout.block_bytes / ATTN_BLOCK;
    plan->scratch = step + model_scratch_bytes(m) * (size_t)pool_threads(pool) +
                    (size_t)m->c.n_vocab * 52 * (size_t)pool_threads(pool) + rows * 64 +
                    mtp_bytes(m, o, rows);
    plan->total = plan->weights + plan->cache + plan->scratch;
    plan->n_ctx = o->n_ctx;
    plan->n_cache = o->n_cache;
    long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
    size_t have = pages > 0 && page > 0 ? (size_t)pages * (size_t)page : SIZE_MAX;
    if (plan->total > have) {
        err_set(
            e, ERR_MEMORY,
            "the model needs %.2f GB (weights %.2f, cache %.2f, scratch %.2f), this machine "
            "has %.2f",
            (double)plan->total * 1e-9, (double)plan->weights * 1e-9,
            (double)plan->cache * 1e-9, (double)plan->scratch * 1e-9, (double)have * 1e-9);
        return err_hint(e,
                        "a shorter context (--ctx), an 8-bit cache (--cache-type q8_0), or a "
                        "smaller type (tarn quantize)");
    }
    return 0;
}

/* ---- open and close ------------------------------------------------------------------------ */

static void *engine_main(void *arg);

static int iface_submit(void *self, const struct gen_request *r, uint64_t *id, struct err *e)
{
    return engine_submit(self, r, id, e);
}

static void iface_cancel(void *self, uint64_t id)
{
    engine_cancel(self, id);
}

static void iface_end_thinking(void *self, uint64_t id)
{
    engine_end_thinking(self, id);
}

static const struct vocab *iface_vocab(void *self)
{
    return ((struct engine *)self)->vocab;
}

static int64_t iface_n_ctx(void *self)
{
    return ((struct engine *)self)->o.n_ctx;
}

const struct engine_iface *engine_as_iface(struct engine *en)
{
    return &en->iface;
}

static int open_memory(struct engine *en, struct err *e)
{
    struct model *m = en->model;
    struct kv_layout layout;
    model_kv_layout(m, en->o.cache_dt, &layout);
    if (kv_open(&en->kv, &layout, cache_blocks(&en->o), e)) return -1;
    step_rows(&en->o, &en->max_rows, &en->max_out);
    size_t bytes;
    if (step_bytes(m, en->pool, &en->o, &bytes, e) || arena_init_fixed(&en->arena, bytes, e))
        return -1;
    arena_init(&en->heads, 1 << 20, 0);
    size_t per_thread = model_scratch_bytes(m);
    en->step = (struct step){.arena = &en->arena,
                             .heads = &en->heads,
                             .pool = en->pool,
                             .k = kernels(),
                             .stop = &en->interrupt,
                             .act = m->opts.act,
                             .scratch_bytes = per_thread};
    en->step.scratch = mem_alloc(per_thread * (size_t)pool_threads(en->pool));
    en->row_id = mem_calloc(en->max_rows, sizeof *en->row_id);
    en->row_pos = mem_calloc(en->max_rows, sizeof *en->row_pos);
    en->row_seq = mem_calloc(en->max_rows, sizeof *en->row_seq);
    en->row_out = mem_calloc(en->max_rows, sizeof *en->row_out);
    en->kv_seq = mem_calloc((size_t)en->o.n_parallel, sizeof *en->kv_seq);
    en->cap_alive = en->o.n_queue + en->o.n_parallel + MAX_CHOICES;
    en->alive = mem_calloc((size_t)en->cap_alive, sizeof *en->alive);
    en->works = mem_calloc((size_t)pool_threads(en->pool), sizeof *en->works);
    en->ahead = mem_calloc((size_t)en->o.n_parallel, sizeof *en->ahead);
    if (!en->works || !en->ahead || !en->step.scratch || !en->row_id || !en->row_pos ||
        !en->row_seq || !en->row_out || !en->kv_seq || !en->alive)
        return err_oom(e, "engine", bytes);
    if (mtp_open(en, e) || restore_open(en, e)) return -1;
    for (int i = 0; i < pool_threads(en->pool); i++)
        if (sample_work_create(&en->works[i], en->n_sample_vocab, e)) return -1;
    en->work = en->works[0];
    return 0;
}

int engine_open(struct engine **out, struct model *m, const struct vocab *v, struct pool *pool,
                const struct engine_opts *o, struct err *e)
{
    *out = NULL;
    struct engine *en = mem_calloc(1, sizeof *en);
    if (!en) return err_oom(e, "engine", sizeof *en);
    en->model = m;
    en->vocab = v;
    en->pool = pool;
    en->o = *o;
    fill_defaults(m, &en->o);
    en->iface = (struct engine_iface){
        en, iface_submit, iface_cancel, iface_end_thinking, iface_vocab, iface_n_ctx};
    en->n_sample_vocab =
        v ? size_min(vocab_size(v), (size_t)m->c.n_vocab) : (size_t)m->c.n_vocab;
    en->inbox_tail = &en->inbox;
    en->next_id = 1;
    pthread_mutex_init(&en->lock, NULL);
    pthread_cond_init(&en->wake, NULL);
    pthread_cond_init(&en->idle, NULL);
    if (open_memory(en, e) ||
        (v && constraints_create(&en->constraints, v, en->n_sample_vocab, e))) {
        engine_close(en);
        return -1;
    }
    int rc = pthread_create(&en->thread, NULL, engine_main, en);
    if (rc != 0) {
        engine_close(en);
        return err_errno(e, rc, "cannot start the engine's thread");
    }
    en->thread_started = true;
    *out = en;
    return 0;
}

void engine_close(struct engine *en)
{
    if (!en) return;
    if (en->thread_started) {
        pthread_mutex_lock(&en->lock);
        en->stop = true;
        pthread_cond_broadcast(&en->wake);
        pthread_mutex_unlock(&en->lock);
        pthread_join(en->thread, NULL);
    }
    restore_close(en);
    pthread_mutex_destroy(&en->lock);
    pthread_cond_destroy(&en->wake);
    pthread_cond_destroy(&en->idle);
    kv_close(en->kv);
    for (int i = 0; en->works && i < pool_threads(en->pool); i++)
        sample_work_free(en->works[i]);
    mem_free(en->works);
    mem_free(en->ahead);
    constraints_free(en->constraints);
    mtp_close(en);
    arena_release(&en->arena);
    arena_release(&en->heads);
    mem_free(en->step.scratch);
    mem_free(en->row_id);
    mem_free(en->row_pos);
    mem_free(en->row_seq);
    mem_free(en->row_out);
    mem_free(en->kv_seq);
    mem_free(en->alive);
    mem_free(en);
}

/* ---- from other threads -------------------------------------------------------------------- */

static int check_request(const struct engine *en, const struct gen_request *r, struct err *e)
{
    if (r->n < 0 || r->n > MAX_CHOICES)
        return err_set(e, ERR_USAGE, "n is %d, allowed is 1 to %d", r->n, MAX_CHOICES);
    if (r->n_stop < 0 || r->n_stop > MAX_STOP)
        return err_set(e, ERR_USAGE, "there are %d stop strings, allowed are %d", r->n_stop,
                       MAX_STOP);
    if (r->sampling.n_bias < 0 || r->sampling.n_bias > MAX_BIAS)
        return err_set(e, ERR_USAGE, "there are %d logit biases, allowed are %d",
                       r->sampling.n_bias, MAX_BIAS);
    if (r->constraint != GEN_FREE && !en->vocab)
        return err_set(e, ERR_USAGE, "a constraint needs a vocabulary");
    if (r->n_prompt < 1) return err_set(e, ERR_USAGE, "the prompt has no tokens");
    if (r->n_prompt + (r->max_tokens != 0) > en->o.n_ctx)
        return err_set(e, ERR_CONTEXT, "the prompt has %lld tokens, the context holds %lld",
                       (long long)r->n_prompt, (long long)en->o.n_ctx);
    for (int64_t i = 0; i < r->n_prompt; i++)
        if (r->prompt[i] < 0 || r->prompt[i] >= en->model->c.n_vocab)
            return err_set(e, ERR_USAGE,
                           "token id %d at place %lld is outside the vocabulary of %d",
                           r->prompt[i], (long long)i, en->model->c.n_vocab);
    return sample_check(&r->sampling, e);
}

int engine_submit(struct engine *en, const struct gen_request *r, uint64_t *id, struct err *e)
{
    if (check_request(en, r, e)) return -1;
    int n = r->n > 0 ? r->n : 1;
    struct seq *first = NULL, **tail = &first;
    for (int i = 0; i < n; i++) {
        struct seq *s;
        if (seq_create(en, r, i, &s, e)) goto fail;
        *tail = s;
        tail = &s->next;
    }
    pthread_mutex_lock(&en->lock);
    if (en->n_queued + n > en->o.n_queue + en->o.n_parallel ||
        en->n_alive + n > en->cap_alive) {
        int queued = en->n_queued;
        pthread_mutex_unlock(&en->lock);
        err_set(e, ERR_BUSY, "%d requests are waiting already, the queue holds %d", queued,
                en->o.n_queue);
        goto fail;
    }
    *id = en->next_id++;
    for (struct seq *s = first; s; s = s->next) {
        s->id = *id;
        s->order = en->next_order++;
        en->alive[en->n_alive++] = s;
    }
    en->n_queued += n;
    *en->inbox_tail = first;
    en->inbox_tail = tail;
    pthread_cond_broadcast(&en->wake);
    pthread_mutex_unlock(&en->lock);
    return 0;
fail:
    for (struct seq *s = first, *next; s; s = next) {
        next = s->next;
        seq_free(s);
    }
    return -1;
}

void engine_cancel(struct engine *en, uint64_t id)
{
    pthread_mutex_lock(&en->lock);
    for (int i = 0; i < en->n_alive; i++) {
        if (en->alive[i]->id != id) continue;
        atomic_store(&en->alive[i]->cancelled, true);
        if (atomic_load(&en->alive[i]->in_step)) atomic_store(&en->interrupt, true);
    }
    pthread_cond_broadcast(&en->wake);
    pthread_mutex_unlock(&en->lock);
}

void engine_end_thinking(struct engine *en, uint64_t id)
{
    pthread_mutex_lock(&en->lock);
    for (int i = 0; i < en->n_alive; i++)
        if (en->alive[i]->id == id) atomic_store(&en->alive[i]->answer_now, true);
    pthread_mutex_unlock(&en->lock);
}

void engine_wait(struct engine *en)
{
    pthread_mutex_lock(&en->lock);
    while (en->n_alive > 0) pthread_cond_wait(&en->idle, &en->lock);
    pthread_mutex_unlock(&en->lock);
}

void engine_exclusive(struct engine *en, void (*fn)(void *ctx), void *ctx)
{
    pthread_mutex_lock(&en->lock);
    while (en->exclusive) pthread_cond_wait(&en->idle, &en->lock);
    en->exclusive = fn;
    en->exclusive_ctx = ctx;
    en->exclusive_done = false;
    pthread_cond_broadcast(&en->wake);
    while (!en->exclusive_done) pthread_cond_wait(&en->idle, &en->lock);
    pthread_mutex_unlock(&en->lock);
}

void engine_forget(struct engine *en, bool all, uint64_t group)
{
    pthread_mutex_lock(&en->lock);
    while (en->forget) pthread_cond_wait(&en->idle, &en->lock);
    en->forget = true;
    en->forget_all = all;
    en->forget_group = group;
    pthread_cond_broadcast(&en->wake);
    while (en->forget) pthread_cond_wait(&en->idle, &en->lock);
    pthread_mutex_unlock(&en->lock);
}

void engine_get_stats(struct engine *en, struct engine_stats *out)
{
    pthread_mutex_lock(&en->lock);
    *out = en->stats;
    out->waiting = en->n_alive - out->running;
    pthread_mutex_unlock(&en->lock);
}

/* ---- the engine thread --------------------------------------------------------------------- */

/* Out of its list's hands already; the last one wakes those who wait. */
static void retire(struct engine *en, struct seq *s)
{
    restore_save(en, s, SAVE_BLOCKS);
    sched_release(en, s);
    /* Before anybody can wait for this end and ask again: a grammar that met a limit is dropped. */
    if (s->constrained.of) constraint_put(en->constraints, &s->constrained);
    pthread_mutex_lock(&en->lock);
    for (int i = 0; i < en->n_alive; i++) {
        if (en->alive[i] != s) continue;
        en->alive[i] = en->alive[--en->n_alive];
        break;
    }
    if (!s->t_scheduled) en->n_queued--;
    if (en->n_alive == 0) pthread_cond_broadcast(&en->idle);
    pthread_mutex_unlock(&en->lock);
    seq_free(s);
}

/* Takes finished and cancelled sequences out of a list. */
static void sweep(struct engine *en, struct seq **at, bool running)
{
    while (*at) {
        struct seq *s = *at;
        if (!atomic_load(&s->cancelled)) {
            at = &s->next;
            continue;
        }
        *at = s->next;
        if (running) en->n_run--;
        seq_report_done(en, s, GEN_STOP_CANCEL, (struct span){0});
        retire(en, s);
    }
}

static void remove_running(struct engine *en, struct seq *s)
{
    struct seq **at = &en->run;
    while (*at != s) at = &(*at)->next;
    *at = s->next;
    en->n_run--;
    retire(en, s);
}

static void wait_append(struct engine *en, struct seq *s)
{
    struct seq **at = &en->wait;
    while (*at && ((*at)->r.priority > s->r.priority ||
                   ((*at)->r.priority == s->r.priority && (*at)->order < s->order)))
        at = &(*at)->next;
    s->next = *at;
    *at = s;
}

/* Under the lock. */
static void forget(struct engine *en)
{
    bool all = en->forget_all;
    uint64_t group = en->forget_group;
    pthread_mutex_unlock(&en->lock);
    restore_forget(en, all, group); /* first: the writer holds blocks */
    kv_forget(en->kv, all, group);
    pthread_mutex_lock(&en->lock);
    en->forget = false;
    pthread_cond_broadcast(&en->idle);
}

/* New requests into the waiting list. False when the engine is to end. */
static bool receive(struct engine *en)
{
    pthread_mutex_lock(&en->lock);
    for (;;) {
        if (en->exclusive && !en->run) {
            void (*fn)(void *) = en->exclusive;
            void *ctx = en->exclusive_ctx;
            pthread_mutex_unlock(&en->lock);
            fn(ctx);
            restore_rebind(en); /* waits for the writer, who holds blocks */
            kv_forget(en->kv, true, 0);
            pthread_mutex_lock(&en->lock);
            en->exclusive = NULL;
            en->exclusive_done = true;
            pthread_cond_broadcast(&en->idle);
        }
        if (en->forget) forget(en);
        if (en->inbox || en->run || en->wait || en->stop) break;
        pthread_cond_wait(&en->wake, &en->lock);
    }
    bool go_on = !en->stop;
    struct seq *s = en->inbox;
    en->inbox = NULL;
    en->inbox_tail = &en->inbox;
    pthread_mutex_unlock(&en->lock);
    while (s) {
        struct seq *next = s->next;
        wait_append(en, s);
        seq_report_start(en, s);
        s = next;
    }
    return go_on;
}

/* Row arrays of the step; logits rows are the last of each prompt part that reaches the end, all
 * rows of a decoding sequence, and all prompt rows that are to be scored. */
static struct batch fill_batch(struct engine *en, struct kv_view *kv)
{
    size_t n = 0, n_out = 0;
    int32_t slot = 0;
    for (struct seq *s = en->run; s; s = s->next) {
        if (!s->n_row) continue;
        s->first_row = (int64_t)n;
        s->out_row = -1;
        en->kv_seq[slot] = (struct kv_seq){s->block, s->n_block};
        for (int64_t i = 0; i < s->n_row; i++) {
            int64_t at = s->n_done + i;
            bool end = at + 1 >= s->n_tok;
            bool score = s->r.sampling.prompt_logprobs && at < s->n_prompt;
            en->row_id[n] = at < s->n_tok ? s->tok[at] : s->draft[at - s->n_tok];
            en->row_pos[n] = (int32_t)at;
            en->row_seq[n] = slot;
            if (at + 1 == s->n_tok) s->out_row = (int64_t)n_out;
            if (end || score) en->row_out[n_out++] = (int32_t)n;
            n++;
        }
        slot++;
    }
    *kv = (struct kv_view){.layout = kv_layout(en->kv),
                           .pool = kv_pool(en->kv),
                           .seq = en->kv_seq,
                           .row_seq = en->row_seq,
                           .row_pos = en->row_pos};
    return (struct batch){.n = n,
                          .id = en->row_id,
                          .pos = en->row_pos,
                          .out = en->row_out,
                          .n_out = n_out,
                          .kv = kv};
}

static struct sample_in sample_input(const struct engine *en, const struct seq *s,
                                     const float *logits)
{
    return (struct sample_in){.logits = logits,
                              .n_vocab = en->n_sample_vocab,
                              .n_logits = (size_t)en->model->c.n_vocab,
                              .history = s->tok,
                              .n_history = s->n_tok,
                              .n_prompt = s->n_prompt,
                              .stream = (uint64_t)s->index,
                              .index = (uint64_t)(s->n_tok - s->n_prompt)};
}

static bool not_finite(struct engine *en, struct seq *s, bool masked)
{
    struct err e;
    err_set(&e, ERR_NUMERIC, "the model's logits at token %lld are not finite%s",
            (long long)s->n_tok,
            masked ? ", or a bias bans all that the constraint allows" : "");
    seq_report_error(en, s, &e);
    return true;
}

struct ahead {
    struct engine *en;
    const struct tensor *logits;
};

static void sample_one(void *ctx, size_t i)
{
    const struct ahead *a = ctx;
    struct engine *en = a->en;
    struct seq *s = en->ahead[i];
    struct sample_in in = sample_input(en, s, a->logits->v + (size_t)s->out_row * a->logits->c);
    sample_token(en->works[pool_self()], en->step.k, &s->r.sampling, &in, &s->ahead);
}

/* The tokens of all sequences that nothing forces or constrains, over the pool: with many sequences
 * and a small model, choosing takes as long as computing. */
static void sample_ahead(struct engine *en, const struct tensor *logits)
{
    struct ahead a = {en, logits};
    size_t n = 0;
    for (struct seq *s = en->run; s; s = s->next) {
        s->has_ahead = false;
        if (!s->n_row || s->out_row < 0 || s->constrained.of) continue;
        seq_force(en, s);
        if (s->n_forced) continue;
        s->has_ahead = true;
        en->ahead[n++] = s;
    }
    if (n > 0) pool_run(en->pool, sample_one, &a, n);
}

/* The next token after the timeline, from a row of logits. True when the sequence ended. */
static bool next_token(struct engine *en, struct seq *s, const float *logits)
{
    struct sample_out t;
    seq_force(en, s);
    if (s->at_forced < s->n_forced) {
        sample_score(en->work, en->step.k, logits, (size_t)en->model->c.n_vocab,
                     en->n_sample_vocab, s->forced[s->at_forced++], s->r.sampling.n_top, &t);
        if (s->at_forced == s->n_forced) s->at_forced = s->n_forced = 0;
        return seq_push(en, s, &t, true);
    }
    struct sample_in in = sample_input(en, s, logits);
    struct err e;
    if (s->has_ahead) {
        t = s->ahead;
        s->has_ahead = false;
        return t.id == TOK_NONE ? not_finite(en, s, false) : seq_push(en, s, &t, false);
    }
    if (constraint_mask(&s->constrained, &s->think, &in.mask, &e)) {
        seq_report_error(en, s, &e);
        return true;
    }
    sample_token(en->work, en->step.k, &s->r.sampling, &in, &t);
    return t.id == TOK_NONE ? not_finite(en, s, in.mask != NULL) : seq_push(en, s, &t, false);
}

/* What a step computed for one sequence. True when it ended. */
static bool use_rows(struct engine *en, struct seq *s, const struct tensor *logits,
                     size_t *out_at)
{
    int64_t prompt_rows = s->n_tok - s->n_done; /* rows that were in the timeline */
    if (prompt_rows > s->n_row) prompt_rows = s->n_row;
    if (s->r.sampling.prompt_logprobs) {
        for (int64_t i = 0; i < s->n_row && s->n_done + i < s->n_prompt; i++) {
            int64_t at = s->n_done + i;
            const float *row = logits->v + *out_at * logits->c;
            if (at + 1 < s->n_prompt) {
                struct sample_out t;
                sample_score(en->work, en->step.k, row, (size_t)en->model->c.n_vocab,
                             en->n_sample_vocab, s->tok[at + 1], s->r.sampling.n_top, &t);
                seq_report_prompt_token(en, s, at + 1, &t);
                ++*out_at;
            }
        }
    }
    s->n_done += prompt_rows;
    bool prefilling = s->n_done < s->n_tok;
    int drafted = s->n_draft, accepted = 0;
    size_t row = *out_at;
    *out_at += prefilling ? 0 : 1 + (size_t)drafted;
    if (prefilling) {
        seq_report_progress(en, s);
        return false;
    }
    if (s->n_tok >= s->n_limit) return seq_scored(en, s); /* max_tokens is 0 */
    s->counts.draft_tokens += drafted;
    bool ended = next_token(en, s, logits->v + row * logits->c);
    while (!ended && accepted < drafted && s->tok[s->n_tok - 1] == s->draft[accepted]) {
        accepted++;
        s->counts.draft_accepted++;
        s->n_done++; /* the draft's row stands in the cache, and it was right */
        ended = next_token(en, s, logits->v + (row + (size_t)accepted) * logits->c);
    }
    if (drafted && !ended) spec_learn(en, s, drafted, accepted);
    en->stats.drafted += (uint64_t)drafted;
    en->stats.accepted += (uint64_t)accepted;
    if (s->draft_from == DRAFT_MTP) {
        en->stats.mtp_drafted += (uint64_t)drafted;
        en->stats.mtp_accepted += (uint64_t)accepted;
    }
    return ended;
}

static void run_step(struct engine *en, size_t rows)
{
    int64_t t0 = clock_ns();
    struct kv_view kv;
    for (struct seq *s = en->run; s; s = s->next) {
        if (!s->n_row || s->t_scheduled) continue;
        s->t_scheduled = t0;
        s->times.queue_ns = t0 - s->t_submit;
        pthread_mutex_lock(&en->lock);
        en->n_queued--;
        pthread_mutex_unlock(&en->lock);
    }
    struct batch b = fill_batch(en, &kv);
    step_reset(&en->step);
    bool only_decodes = true;
    for (struct seq *s = en->run; s; s = s->next) {
        s->began = s->n_done;
        only_decodes &= s->n_row <= 1 + s->n_draft;
        atomic_store(&s->in_step, s->n_row > 1);
    }
    struct tensor *hidden = NULL, *logits = NULL;
    if (model_intact(en->model))
        logits = model_forward(en->model, &en->step, &b, &hidden);
    else
        step_fail(&en->step, ERR_IO, "%s became shorter while it is in use",
                  source_path(en->model->source));
    for (struct seq *s = en->run; s; s = s->next) atomic_store(&s->in_step, false);
    struct err e;
    bool failed = step_failed(&en->step, &e) != 0;
    if (atomic_exchange(&en->interrupt, false) && failed && e.code == ERR_CANCELLED)
        return; /* the cancelled one goes, the others compute these rows again */
    pthread_mutex_lock(
        &en->lock); /* before anybody is told that this step finished an answer */
    en->stats.steps++;
    en->stats.rows += rows;
    pthread_mutex_unlock(&en->lock);
    size_t out_at = 0;
    if (!failed && logits) sample_ahead(en, logits);
    for (struct seq *s = en->run, *next; s; s = next) {
        next = s->next;
        if (!s->n_row) continue;
        if (failed) {
            seq_report_error(en, s, &e);
            remove_running(en, s);
        } else if (use_rows(en, s, logits, &out_at)) {
            remove_running(en, s);
        }
    }
    if (only_decodes && !failed) spec_measure(en, rows, clock_ns() - t0);
    if (!failed) mtp_step(en, hidden);
    /* Only now: a block in the tree never changes. */
    for (struct seq *s = en->run; s; s = s->next) {
        sched_publish(en, s);
        if (s->began < s->n_prompt && s->n_done >= s->n_prompt)
            restore_save(en, s, SAVE_PROMPT_BLOCKS);
    }
    pthread_mutex_lock(&en->lock);
    en->stats.step_ns += clock_ns() - t0;
    en->stats.running = en->n_run;
    en->stats.blocks = kv_n_block(en->kv);
    en->stats.blocks_idle = kv_idle(en->kv);
    en->stats.blocks_used = kv_n_block(en->kv) - kv_available(en->kv);
    pthread_mutex_unlock(&en->lock);
}

static void *engine_main(void *arg)
{
    struct engine *en = arg;
    while (receive(en)) {
        sweep(en, &en->run, true);
        sweep(en, &en->wait, false);
        pthread_mutex_lock(&en->lock);
        bool hold = en->exclusive != NULL;
        pthread_mutex_unlock(&en->lock);
        restore_collect(en);
        size_t rows = sched_plan(en, !hold);
        if (rows)
            run_step(en, rows);
        else if (en->run && en->n_pinned > 0)
            snapshots_wait(en->snapshots, DISK_WAIT_NS);
    }
    /* Closing: everybody who still waits is told. */
    for (struct seq *s = en->run; s; s = s->next) atomic_store(&s->cancelled, true);
    for (struct seq *s = en->wait; s; s = s->next) atomic_store(&s->cancelled, true);
    sweep(en, &en->run, true);
    sweep(en, &en->wait, false);
    return NULL;
}
