#include "model/fingerprint.h"

#include "base/hash.h"
#include "base/size.h"
#include "base/thread.h"
#include "model/model.h"

enum { CHUNK = 1 << 22, CHUNKS_AT_ONCE = 64, ROWS_BETWEEN = 16 };

struct chunks {
    const unsigned char *p;
    size_t n;
    uint64_t hash[CHUNKS_AT_ONCE];
};

static void hash_chunk(void *ctx, size_t i)
{
    struct chunks *c = ctx;
    size_t from = i * CHUNK;
    c->hash[i] = hash64(c->p + from, size_min(CHUNK, c->n - from), i);
}

static uint64_t hash_bytes(const unsigned char *p, size_t n, uint64_t h, struct pool *pool)
{
    while (n > 0) {
        struct chunks c = {.p = p, .n = size_min(n, (size_t)CHUNK * CHUNKS_AT_ONCE)};
        size_t k = (c.n + CHUNK - 1) / CHUNK;
        pool_run(pool, hash_chunk, &c, k);
        h = hash64(c.hash, k * sizeof *c.hash, h);
        p += c.n;
        n -= c.n;
    }
    return h;
}

static uint64_t hash_weight(const struct weight *w, uint64_t h)
{
    uint64_t shape[] = {(uint64_t)w->kind, (uint64_t)w->dt, w->n_stack, w->n_out, w->n_in};
    h = hash64(shape, sizeof shape, h);
    if (w->kind == WEIGHT_VECTOR && w->data) h = hash64(w->data, w->n_in * sizeof *w->data, h);
    for (size_t r = 0; w->raw && r < w->n_out; r += ROWS_BETWEEN)
        h = hash64((const unsigned char *)w->raw + r * w->raw_row_bytes, w->raw_row_bytes, h);
    return h;
}

uint64_t model_fingerprint(const struct model *m, struct pool *pool)
{
    uint64_t h = hash64(&m->c.arch, sizeof m->c.arch, (uint64_t)m->c.n_layer);
    h = hash64(m->rope.freq, m->rope.n_pair * sizeof *m->rope.freq, h);
    for (int32_t layer = -1; layer < m->n_layer_all; layer++) {
        const struct weight *w = layer < 0 ? m->w : m->layer[layer].w;
        for (int r = 0; r < ROLE_COUNT; r++)
            if (weight_present(&w[r])) h = hash_weight(&w[r], h * 31 + (uint64_t)r);
    }
    return hash_bytes(m->mem, m->mem_bytes, h, pool);
}
