/* single.h - one sequence straight through a model, without an engine: for what looks at logits
 * (logits, perplexity, imatrix, tests). Its bits are those of the engine. */
#ifndef ENGINE_SINGLE_H
#define ENGINE_SINGLE_H

#include "engine/kv.h"
#include "model/model.h"

struct single {
    struct model *m;
    struct kv *kv;
    struct arena arena, heads;
    struct step step;
    int32_t *block, *row_seq, *row_pos, *row_out;
    int32_t n_block;
    size_t max_rows;
    int64_t n_done, n_ctx;
};

/* Room for n_ctx tokens, at most max_rows in one step. Model and pool must outlive it. */
int single_create(struct single **out, struct model *m, struct pool *pool, enum dtype cache_dt,
                  size_t max_rows, int64_t n_ctx, struct err *e) must_check;
void single_free(struct single *r);
/* The next n tokens (n <= max_rows); *logits gets the last n_out rows, valid until the next call. */
int single_rows(struct single *r, const tok_id *ids, size_t n, size_t n_out,
                const float **logits, struct err *e) must_check;
/* Back to an empty sequence. */
void single_restart(struct single *r);

#endif
