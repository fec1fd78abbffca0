#include "cli/run_model.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>

#include "base/mem.h"
#include "base/size.h"
#include "cli/cli.h"
#include "kernel/kernel.h"

int run_model_create(struct run_model **out, struct loaded *l, int64_t n_ctx, struct err *e)
{
    *out = NULL;
    if (n_ctx > l->model->n_ctx)
        return err_set(e, ERR_CONTEXT, "there are %lld tokens, the model's context holds %d",
                       (long long)n_ctx, l->model->n_ctx);
    struct run_model *r = mem_calloc(1, sizeof *r);
    if (!r) return err_oom(e, "model run", sizeof *r);
    r->m = l->model;
    r->n_ctx = n_ctx;
    r->max_rows = size_min((size_t)load_opts.batch, (size_t)n_ctx);
    r->n_block = (int32_t)((n_ctx + ATTN_BLOCK - 1) / ATTN_BLOCK);
    struct kv_layout layout;
    model_kv_layout(r->m, l->engine_opts.cache_dt, &layout);
    size_t bytes;
    if (kv_open(&r->kv, &layout, r->n_block, e) ||
        model_step_bytes(r->m, kernels(), l->pool, r->max_rows, r->max_rows, &bytes, e) ||
        arena_init_fixed(&r->arena, bytes, e))
        goto fail;
    arena_init(&r->heads, 1 << 20, 0);
    size_t per_thread = model_scratch_bytes(r->m);
    r->step = (struct step){.arena = &r->arena,
                            .heads = &r->heads,
                            .pool = l->pool,
                            .k = kernels(),
                            .act = r->m->opts.act,
                            .scratch_bytes = per_thread};
    r->step.scratch = mem_alloc(per_thread * (size_t)pool_threads(l->pool));
    r->block = mem_alloc((size_t)r->n_block * sizeof *r->block);
    r->row_seq = mem_calloc(r->max_rows, sizeof *r->row_seq);
    r->row_pos = mem_calloc(r->max_rows, sizeof *r->row_pos);
    r->row_out = mem_calloc(r->max_rows, sizeof *r->row_out);
    if (!r->step.scratch || !r->block || !r->row_seq || !r->row_pos || !r->row_out) {
        err_oom(e, "model run", bytes);
        goto fail;
    }
    for (int32_t i = 0; i < r->n_block; i++) r->block[i] = kv_take(r->kv);
    *out = r;
    return 0;
fail:
    run_model_free(r);
    return -1;
}

void run_model_free(struct run_model *r)
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

void run_model_restart(struct run_model *r)
{
    r->n_done = 0;
}

int run_model_rows(struct run_model *r, const tok_id *ids, size_t n, size_t n_out,
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

int cli_parse_ids(const char *text, struct tok_list *out, struct err *e)
{
    const char *p = text;
    for (;;) {
        while (*p && (isspace((unsigned char)*p) || *p == ',')) p++;
        if (!*p) break;
        char *end;
        errno = 0;
        long v = strtol(p, &end, 10);
        if (end == p || errno || v < 0 || v > INT32_MAX) {
            tok_list_release(out);
            return err_set(e, ERR_USAGE, "\"%.20s\" is not a token id", p);
        }
        if (tok_list_add(out, (tok_id)v, e)) return -1;
        p = end;
    }
    if (out->n == 0) return err_set(e, ERR_USAGE, "there are no token ids");
    return 0;
}
