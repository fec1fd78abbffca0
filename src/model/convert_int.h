/* convert_int.h - between convert.c (what to write) and convert_rows.c (its bytes). */
#ifndef MODEL_CONVERT_INT_H
#define MODEL_CONVERT_INT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "model/config.h"
#include "model/names.h"
#include "tensor/dtype.h"

struct err;
struct imatrix;
struct model_source;
struct pool;

/* One tensor of the target. */
struct convert_tensor {
    enum tensor_role role;
    int32_t layer;
    int32_t part; /* safetensors: the expert; else -1, all of them */
    enum dtype dtype;
    struct tensor_shape shape; /* as stored */
    bool has_scale;            /* a scale tensor follows */
};

/* Takes n bytes of the tensor being made, in order. */
typedef int (*convert_sink)(void *ctx, const void *p, size_t n, struct err *e);

struct convert_rows;

int convert_rows_create(struct convert_rows **out, const struct model_source *s,
                        const struct model_config *target, const struct imatrix *imatrix,
                        struct pool *pool, struct err *e) must_check;
void convert_rows_free(struct convert_rows *w);

/* Makes the bytes of one tensor (and its scales) and gives them to the sink. */
int convert_tensor_rows(struct convert_rows *w, const struct convert_tensor *t,
                        convert_sink sink, void *ctx, struct err *e) must_check;

/* Whether every value of a vector or small matrix survives in this type. */
int convert_is_exact(struct convert_rows *w, enum tensor_role r, int32_t layer, enum dtype dt,
                     bool *exact, struct err *e) must_check;

#endif
