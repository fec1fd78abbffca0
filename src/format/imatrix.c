#include "format/imatrix.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "format/gguf_read.h"
#include "format/gguf_write.h"

#define SUM2   ".in_sum2"
#define COUNTS ".counts"

struct imatrix {
    struct gguf *g;
};

/* Every SUM2 tensor is f32 and has its COUNTS beside it. */
static int check_pairs(const struct gguf *g, size_t *n, struct err *e)
{
    *n = 0;
    for (size_t i = 0; i < gguf_n_tensor(g); i++) {
        const struct gguf_tensor *t = gguf_tensor_at(g, i), *count;
        char name[GGUF_MAX_NAME + sizeof COUNTS];
        size_t stem = t->name.n - strlen(SUM2);
        if (t->name.n <= strlen(SUM2) || memcmp(t->name.p + stem, SUM2, strlen(SUM2)) != 0)
            continue;
        snprintf(name, sizeof name, "%.*s" COUNTS, (int)stem, t->name.p);
        count = gguf_find_tensor(g, span_of(name));
        if (t->dtype != DT_F32 || !count || count->dtype != DT_F32 || t->n_dim > 2 ||
            count->bytes != t->dim[1] * sizeof(float))
            return err_set(e, ERR_FORMAT, "%s: %.*s and its counts do not fit together",
                           gguf_path(g), (int)t->name.n, t->name.p);
        (*n)++;
    }
    if (*n == 0) return err_set(e, ERR_FORMAT, "%s holds no importances", gguf_path(g));
    return 0;
}

int imatrix_open(struct imatrix **out, const char *path, struct err *e)
{
    struct span type = {"", 0};
    size_t n;
    *out = NULL;
    struct imatrix *m = mem_calloc(1, sizeof *m);
    if (!m) return err_oom(e, "the importance reader", sizeof *m);
    if (gguf_open(&m->g, path, e) || gguf_get_str_opt(m->g, "general.type", &type, e))
        goto fail;
    if (!span_is(type, "imatrix")) {
        err_set(e, ERR_FORMAT, "%s is no importance matrix: general.type is not \"imatrix\"",
                path);
        goto fail;
    }
    if (check_pairs(m->g, &n, e)) goto fail;
    *out = m;
    return 0;
fail:
    imatrix_close(m);
    return -1;
}

void imatrix_close(struct imatrix *m)
{
    if (!m) return;
    gguf_close(m->g);
    mem_free(m);
}

size_t imatrix_n(const struct imatrix *m)
{
    return gguf_n_tensor(m->g) / 2;
}

static float load_f32(const unsigned char *p, uint64_t i)
{
    float x;
    memcpy(&x, p + i * sizeof x, sizeof x);
    return x;
}

bool imatrix_weights(const struct imatrix *m, const char *name, uint64_t n_in, uint64_t mat,
                     float *out)
{
    char full[GGUF_MAX_NAME + 16];
    snprintf(full, sizeof full, "%.64s" SUM2, name);
    const struct gguf_tensor *sum = gguf_find_tensor(m->g, span_of(full));
    snprintf(full, sizeof full, "%.64s" COUNTS, name);
    const struct gguf_tensor *counts = gguf_find_tensor(m->g, span_of(full));
    if (!sum || !counts || sum->dim[0] != n_in || mat >= sum->dim[1]) return false;
    float count = load_f32(counts->data, mat), largest = 0;
    if (!(count > 0)) return false;
    for (uint64_t i = 0; i < n_in; i++) {
        out[i] = load_f32(sum->data, mat * n_in + i) / count;
        if (!isfinite(out[i]) || out[i] < 0) return false;
        largest = out[i] > largest ? out[i] : largest;
    }
    if (!(largest > 0)) return false;
    /* a channel that was always 0 still has to be stored */
    for (uint64_t i = 0; i < n_in; i++)
        if (out[i] < largest * 1e-8f) out[i] = largest * 1e-8f;
    return true;
}

int imatrix_write(const char *path, const struct imatrix_entry *entry, size_t n,
                  const char *dataset, uint32_t n_chunk, uint32_t chunk_tok, struct err *e)
{
    struct gguf_writer *w;
    if (gguf_writer_create(&w, path, 0, e)) return -1;
    gguf_put_str(w, "general.type", span_of("imatrix"));
    gguf_put_array(w, "imatrix.datasets", GGUF_STRING, 1);
    gguf_elem_str(w, span_of(dataset));
    gguf_put_u32(w, "imatrix.chunk_count", n_chunk);
    gguf_put_u32(w, "imatrix.chunk_size", chunk_tok);
    for (size_t i = 0; i < n; i++) {
        char name[GGUF_MAX_NAME + 16];
        snprintf(name, sizeof name, "%.64s" SUM2, entry[i].name);
        gguf_add_tensor(w, name, DT_F32, 2, (uint64_t[]){entry[i].n_in, entry[i].n_mat});
        snprintf(name, sizeof name, "%.64s" COUNTS, entry[i].name);
        gguf_add_tensor(w, name, DT_F32, 2, (uint64_t[]){1, entry[i].n_mat});
    }
    int rc = 0;
    for (size_t i = 0; i < n && rc == 0; i++) {
        size_t all = (size_t)(entry[i].n_in * entry[i].n_mat);
        rc = gguf_write_data(w, entry[i].sum2, all * sizeof(float), e);
        if (rc == 0)
            rc = gguf_write_data(w, entry[i].counts, (size_t)entry[i].n_mat * sizeof(float), e);
    }
    if (rc == 0) rc = gguf_writer_commit(w, e);
    gguf_writer_free(w);
    return rc;
}
