/* bench_drafts.h - `tarn bench --drafts`. */
#ifndef CLI_BENCH_DRAFTS_H
#define CLI_BENCH_DRAFTS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

/* Three texts, each with drafts and without: the model's own answers to made-up questions, a text
 * that repeats itself, one that never does. most: tokens of a text; repeat: pairs of runs, whose
 * median counts; always: drafts are made also where they do not pay. ERR_BUG when drafts changed a token. */
int bench_drafts(const char *model, int64_t most, int64_t repeat, bool always,
                 struct err *e) must_check;

#endif
