/* fingerprint.h - which weights a model holds, in 64 bits: for files that are only true for one. */
#ifndef MODEL_FINGERPRINT_H
#define MODEL_FINGERPRINT_H

#include <stdint.h>

struct model;
struct pool;

/* Reads all packed weights (at the speed of memory), vectors, and a sample of rows that are looked
 * up in the file. The same weights give the same number in any process; others another. */
uint64_t model_fingerprint(const struct model *m, struct pool *pool);

#endif
