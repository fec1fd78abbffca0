#include "train/pass.h"

#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/size.h"
#include "base/thread.h"
#include "kernel/gemm.h"
#include "kernel/kernel.h"
#include "train/precision.h"

/* ---- multi-token prediction ---------------------------------------------------------------- */

/* The token `ahead` places after row r of its own sequence, or -1: another row's id, or the last
 * row's target. */
static int32_t token_after(const struct train_batch *b, size_t r, size_t ahead)
{
    size_t at = r + ahead;
    if (at < b->n && b->row_seq[at] == b->row_seq[r]) return b->id[at];
    at--;
    return at < b->n && b->row_seq[at] == b->row_seq[r] ? b->target[at] : -1;
}

/* Depth k sees the token k + 1 after a row and predicts the one after that. */
static void mtp_rows(struct pass *s, const struct train_batch *b, int32_t k)
{
    size_t n = 0, ahead = (size_t)k + 1;
    for (size_t r = 0; r < b->n; r++) {
        int32_t seen = token_after(b, r, ahead);
        bool inside = r + ahead < b->n && b->row_seq[r + ahead] == b->row_seq[r];
        s->mtp[k].id[r] = seen < 0 ? 0 : seen;
        if (!inside || b->target[r + ahead] < 0) continue;
        s->mtp[k].out[n] = (int32_t)r;
        s->mtp[k].target[n++] = b->target[r + ahead];
    }
    s->mtp[k].n_out = n;
}

/* ---- forward ------------------------------------------------------------------------------- */

static void run_forward(struct pass *s, const struct train_batch *b)
{
    struct step *st = &s->step;
    struct kv_view *kv = step_small(st, sizeof *kv);
    if (!kv) return;
    *kv = (struct kv_view){.layout = &s->layout, .row_seq = b->row_seq, .row_pos = b->pos};
    struct batch rows = {
        .n = b->n, .id = b->id, .pos = b->pos, .out = s->out, .n_out = s->n_out, .kv = kv};
    struct tensor *hidden = NULL;
    s->logits = model_forward(s->p->m, st, &rows, &hidden);
    if (s->sharp != 1 && s->n_out && !st->dry &&
        s->logits) /* in place: the head needs no values */
        st->k->elem.scale(s->logits->v, s->logits->v, s->sharp, s->logits->n * s->logits->c);
    s->nll = s->n_out ? op_nll(st, s->logits, s->out_target) : NULL;
    for (int32_t k = 0; k < s->n_mtp; k++) {
        rows.id = s->mtp[k].id;
        rows.out = s->mtp[k].out;
        rows.n_out = s->mtp[k].n_out;
        struct tensor *logits = model_mtp(s->p->m, st, &rows, hidden, k, &hidden);
        s->mtp[k].nll = rows.n_out ? op_nll(st, logits, s->mtp[k].target) : NULL;
    }
}

static void begin(struct pass *s)
{
    step_reset(&s->step);
    low_begin(&s->low, s->seed + s->n_forward++ * 0x9e3779b9u);
    s->tape = (struct tape){.recompute = s->tape.recompute};
}

int pass_forward(struct pass *s, const struct train_batch *b, struct err *e)
{
    if (b->n == 0 || b->n > s->max_rows)
        return err_set(e, ERR_LIMIT, "a batch of %zu rows, at most %zu were planned", b->n,
                       s->max_rows);
    begin(s);
    if (s->p->low && s->p->low_stale) {
        low_params_fill(s->p->low, s->step.pool);
        s->p->low_stale = false;
    }
    s->n_out = 0;
    for (size_t r = 0; r < b->n; r++) {
        if (b->target[r] < 0) continue;
        s->out[s->n_out] = (int32_t)r;
        s->out_target[s->n_out++] = b->target[r];
    }
    for (int32_t k = 0; k < s->n_mtp; k++) mtp_rows(s, b, k);
    s->watch.row_seq = b->row_seq;
    s->watch.n_seq = b->n_seq;
    run_forward(s, b);
    return step_failed(&s->step, e);
}

/* ---- back ---------------------------------------------------------------------------------- */

/* dL/dlogits is `factor` times what the loss of scaled logits gives. */
static void seed(struct pass *s, struct tensor *nll, const float *d, float factor)
{
    if (!nll || !d) return;
    bool add;
    float *g = tensor_grad(&s->step, nll, &add);
    if (!g || s->step.dry) return;
    for (size_t i = 0; i < nll->n; i++) g[i] = d[i] * factor;
}

int pass_backward(struct pass *s, const float *d, const float *const *d_mtp, struct err *e)
{
    seed(s, s->nll, d, s->sharp);
    for (int32_t k = 0; d_mtp && k < s->n_mtp; k++) seed(s, s->mtp[k].nll, d_mtp[k], 1);
    tape_back(&s->step);
    return step_failed(&s->step, e);
}

int pass_backward_logits(struct pass *s, const float *const *d_mtp, struct err *e)
{
    if (s->n_out) s->logits->g = s->logits->v;
    return pass_backward(s, NULL, d_mtp, e);
}

/* ---- create -------------------------------------------------------------------------------- */

static int take_rows(struct pass *s, size_t n, struct err *e)
{
    size_t arrays = 2 + 3 * (size_t)s->n_mtp;
    int32_t *at = mem_calloc(arrays * n, sizeof *at);
    if (!at) return err_oom(e, "a training pass", arrays * n * sizeof *at);
    s->out = at;
    s->out_target = at + n;
    for (int32_t k = 0; k < s->n_mtp; k++) {
        int32_t *own = at + (2 + 3 * (size_t)k) * n;
        s->mtp[k].id = own;
        s->mtp[k].out = own + n;
        s->mtp[k].target = own + 2 * n;
    }
    return 0;
}

/* Forward and back without numbers: st->plan_bytes has the peak. */
static int dry_pass(struct pass *s, size_t n, struct err *e)
{
    int32_t *zero = mem_calloc(n, sizeof *zero);
    float *d = mem_calloc(n, sizeof *d);
    const float *d_mtp[CONFIG_MAX_MTP] = {d, d, d, d};
    struct train_batch b = {
        .n = n, .id = zero, .pos = zero, .target = zero, .row_seq = zero, .n_seq = 1};
    int rc = -1;
    if (!zero || !d) {
        err_oom(e, "a training plan", n * 8);
        goto out;
    }
    s->step.dry = true;
    begin(s);
    s->n_out = n;
    for (int32_t k = 0; k < s->n_mtp; k++) s->mtp[k].n_out = n;
    run_forward(s, &b);
    rc = pass_backward(s, d, d_mtp, e);
    /* When fewer rows than n have a target, each head picks them: values and gradients. */
    s->bytes = s->step.plan_bytes +
               2 * (1 + (size_t)s->n_mtp) * round_up(n * (size_t)s->p->m->c.n_embd * 4, 64);
    s->keep_bytes = s->step.plan_keep;
    s->bytes += s->keep_bytes + low_taken_bytes(&s->low);
    s->step.dry = false;
out:
    mem_free(zero);
    mem_free(d);
    return rc;
}

static struct pass *new_pass(struct params *p, struct pool *pool, size_t n, bool recompute,
                             struct err *e)
{
    struct pass *s = mem_calloc(1, sizeof *s);
    if (!s) {
        err_oom(e, "a training pass", sizeof *s);
        return NULL;
    }
    s->p = p;
    s->max_rows = n;
    s->sharp = 1;
    s->n_mtp = p->m->n_layer_all - p->m->c.n_layer;
    s->tape.recompute = recompute;
    s->watch.by_sequence = true;
    model_kv_layout(p->m, DT_F32, &s->layout);
    arena_init(&s->heads, 1 << 22, 0);
    s->step = (struct step){.arena = &s->arena,
                            .heads = &s->heads,
                            .pool = pool,
                            .k = kernels(),
                            .tape = &s->tape,
                            .watch = &s->watch,
                            .act = ACT_F32,
                            .scratch_bytes = model_scratch_bytes(p->m)};
    if (p->low) {
        s->low.kind = params_precision(p);
        s->low.random = s->low.kind == PRECISION_INT8;
        s->step.low = &s->low;
        if (s->low.kind != PRECISION_INT8) s->step.keep = &s->keep;
        s->step.scratch_bytes =
            round_up(size_max(s->step.scratch_bytes, low_scratch_bytes(s->low.kind)), 64);
    }
    if (take_rows(s, n, e) || dry_pass(s, n, e)) {
        pass_free(s);
        return NULL;
    }
    return s;
}

int pass_plan(struct params *p, struct pool *pool, size_t max_rows, bool recompute,
              size_t *bytes, struct err *e)
{
    struct pass *s = new_pass(p, pool, max_rows, recompute, e);
    if (!s) return -1;
    *bytes = s->bytes;
    pass_free(s);
    return 0;
}

int pass_create(struct pass **out, struct params *p, struct pool *pool, size_t max_rows,
                bool recompute, struct err *e)
{
    *out = NULL;
    struct pass *s = new_pass(p, pool, max_rows, recompute, e);
    if (!s) return -1;
    size_t scratch = s->step.scratch_bytes * (size_t)pool_threads(pool);
    s->step.scratch = mem_alloc(scratch);
    if (!s->step.scratch) {
        pass_free(s);
        return err_oom(e, "kernel scratch", scratch);
    }
    if (low_take(&s->low, e)) {
        pass_free(s);
        return -1;
    }
    size_t values = s->bytes - s->keep_bytes - low_taken_bytes(&s->low);
    if (arena_init_fixed(&s->arena, values, e) ||
        (s->keep_bytes && arena_init_fixed(&s->keep, s->keep_bytes, e))) {
        pass_free(s);
        return err_wrap(e, "activations of %zu rows", max_rows);
    }
    *out = s;
    return 0;
}

void pass_free(struct pass *s)
{
    if (!s) return;
    arena_release(&s->arena);
    arena_release(&s->heads);
    arena_release(&s->keep);
    low_release(&s->low);
    mem_free(s->step.scratch);
    mem_free(s->out);
    mem_free(s);
}
