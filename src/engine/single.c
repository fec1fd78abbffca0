#include "engine/single.h"

#include "base/err.h"
#include "base/mem.h"
#include "base/size.h"
#include "base/thread.h"
#include "kernel/kernel.h"

int single_create(struct single **out, struct model *m, struct pool *pool, enum dtype cache_dt,
                  size_t max_rows, int64_t n_ctx, struct err *e)
{
    *out = NULL;
    if (n_ctx > m->n_ctx)
        return err_set(e, ERR_CONTEXT, "there are %lld tokens, the model's context holds %d",
                       (long long)n_ctx, m->n_ctx);
    struct single *r = mem_calloc(1, sizeof *r);
    if (!r) return err_oom(e, "a run of the model", sizeof *r);
    r->m = m;
    r->n_ctx = n_ctx;
    r->max_rows = size_min(max_rows, (size_t)n_ctx);
    r->n_block = (int32_t)((n_ctx + ATTN_BLOCK - 1) / ATTN_BLOCK);
    struct kv_layout layout;
    model_kv_layout(r->m, cache_dt, &layout);
    size_t bytes;
    if (kv_open(&r->kv, &layout, r->n_block, e) ||
        model_step_bytes(r->m, kernels(), pool, r->max_rows, r->max_rows, &bytes, e) ||
        arena_init_fixed(&r->arena, bytes, e))
        goto fail;
    arena_init(&r->heads, 1 << 20, 0);
    size_t per_thread = model_scratch_bytes(r->m);
    r->step = (struct step){.arena = &r->arena,
                            .heads = &r->heads,
                            .pool = pool,
                            .k = kernels(),
                            .act = r->m->opts.act,
                            .scratch_bytes = per_thread};
    r->step.scratch = mem_alloc(per_thread * (size_t)pool_threads(pool));
    r->block = mem_alloc((size_t)r->n_block * sizeof *r->block);
    r->row_seq = mem_calloc(r->max_rows, sizeof *r->row_seq);
    r->row_pos = mem_calloc(r->max_rows, sizeof *r->row_pos);
    r->row_out = mem_calloc(r->max_rows, sizeof *r->row_out);
    if (!r->step.scratch || !r->block || !r->row_seq || !r->row_pos || !r->row_out) {
        err_oom(e, "a run of the model", bytes);
        goto fail;
    }
    for (int32_t i = 0; i < r->n_block; i++) r->block[i] = kv_take(r->kv);
    *out = r;
    return 0;
fail:
    single_free(r);
    return -1;
}

void single_free(struct single *r)
{
    if (!r) return;
    kv_close(r->kv);
    arena_release(&r->arena);
    arena_release(&r->heads);
    mem_free(r->step.scratch);
    mem_free(r->block);
    mem_free(r->row_seq);
    mem_free(r->row_pos);
    mem_free(r->row_out);
    mem_free(r);
}

void single_restart(struct single *r)
{
    r->n_done = 0;
}

int single_rows(struct single *r, const tok_id *ids, size_t n, size_t n_out,
                const float **logits, struct err *e)
{
    *logits = NULL;
    if (n > r->max_rows || r->n_done + (int64_t)n > r->n_ctx)
        return err_set(e, ERR_CONTEXT, "%zu tokens more do not fit a context of %lld", n,
                       (long long)r->n_ctx);
    for (size_t i = 0; i < n; i++) r->row_pos[i] = (int32_t)(r->n_done + (int64_t)i);
    for (size_t i = 0; i < n_out; i++) r->row_out[i] = (int32_t)(n - n_out + i);
    struct kv_seq seq = {r->block, r->n_block};
    struct kv_view kv = {.layout = kv_layout(r->kv),
                         .pool = kv_pool(r->kv),
                         .seq = &seq,
                         .row_seq = r->row_seq,
                         .row_pos = r->row_pos};
    struct batch b = {
        .n = n, .id = ids, .pos = r->row_pos, .out = r->row_out, .n_out = n_out, .kv = &kv};
    step_reset(&r->step);
    struct tensor *t = model_forward(r->m, &r->step, &b, NULL);
    if (step_failed(&r->step, e)) return -1;
    r->n_done += (int64_t)n;
    if (t) *logits = t->v;
    return 0;
}
