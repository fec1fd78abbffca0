/* run_model.h - one sequence straight through the model, without an engine: for commands that
 * look at logits (logits, perplexity, imatrix). */
#ifndef CLI_RUN_MODEL_H
#define CLI_RUN_MODEL_H

#include "cli/load.h"
#include "engine/kv.h"

struct run_model {
    struct model *m;
    struct kv *kv;
    struct arena arena, heads;
    struct step step;
    int32_t *block, *row_seq, *row_pos, *row_out;
    int32_t n_block;
    size_t max_rows;
    int64_t n_done, n_ctx;
};

/* Room for n_ctx tokens. */
int run_model_create(struct run_model **out, struct loaded *l, int64_t n_ctx,
                     struct err *e) must_check;
void run_model_free(struct run_model *r);
/* The next n tokens (n <= max_rows); *logits gets the last n_out rows, valid until the next call. */
int run_model_rows(struct run_model *r, const tok_id *ids, size_t n, size_t n_out,
                   const float **logits, struct err *e) must_check;
/* Back to an empty sequence. */
void run_model_restart(struct run_model *r);

/* "1,2,3" or "1 2 3" to ids. */
int cli_parse_ids(const char *text, struct tok_list *out, struct err *e) must_check;

#endif
