/* bench_model.h - `tarn bench MODEL`. */
#ifndef CLI_BENCH_MODEL_H
#define CLI_BENCH_MODEL_H

#include <stdint.h>

#include "base/err.h"
#include "kernel/roof.h"

enum { BENCH_DEPTHS = 16 };

struct bench_opts {
    int64_t pp, tg, repeat;
    int64_t shared;              /* of a depth: tokens with which all sequences begin alike */
    int64_t depth[BENCH_DEPTHS]; /* rising; 0: one token in the cache */
    int n_depth;                 /* one or more */
};

int bench_model(const char *model, const struct bench_opts *o, struct err *e) must_check;

void bench_print_roof(const struct roof *r);

#endif
