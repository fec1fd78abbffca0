#include "train/data.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/rng.h"
#include "base/size.h"
#include "format/token_shard.h"

enum { MAX_SHARD = 4096 };

struct data {
    struct data_opts o;
    struct token_shard *shard;
    char **path;
    size_t n_shard;
    uint64_t tokens;
    struct data_place at;
    uint32_t *shard_order; /* of the epoch */
    uint64_t *doc;         /* of the open shard: beginnings, in order of turn */
    size_t n_doc, doc_room;
    int64_t doc_epoch, doc_shard; /* what doc holds, -1: nothing */
    int32_t *rows[DATA_BUFFERS];  /* id, pos, target, seq */
};

/* ---- shards -------------------------------------------------------------------------------- */

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static int add_path(struct data *d, char *path, struct err *e)
{
    if (!path) return err_oom(e, "a file name", 256);
    if (d->n_shard == MAX_SHARD) {
        mem_free(path);
        return err_set(e, ERR_LIMIT, "%s: more than %d shards", d->o.path, MAX_SHARD);
    }
    d->path[d->n_shard++] = path;
    return 0;
}

static int list_shards(struct data *d, struct err *e)
{
    if (!file_is_dir(d->o.path)) return add_path(d, mem_strdup(d->o.path), e);
    DIR *dir = opendir(d->o.path);
    if (!dir) return err_errno(e, errno, "cannot read %s", d->o.path);
    int rc = 0;
    for (struct dirent *f; rc == 0 && (f = readdir(dir));) {
        size_t n = strlen(f->d_name);
        if (n > 6 && strcmp(f->d_name + n - 6, ".shard") == 0)
            rc = add_path(d, file_join(d->o.path, f->d_name), e);
    }
    closedir(dir);
    if (rc == 0 && d->n_shard == 0)
        rc = err_set(e, ERR_NOT_FOUND, "%s: there are no .shard files", d->o.path);
    if (rc == 0) qsort(d->path, d->n_shard, sizeof *d->path, by_name);
    return rc;
}

static int open_shards(struct data *d, struct err *e)
{
    size_t n = d->n_shard;
    d->shard = mem_calloc(n, sizeof *d->shard);
    d->shard_order = mem_alloc(n * sizeof *d->shard_order);
    if (!d->shard || !d->shard_order) return err_oom(e, "shards", n * sizeof *d->shard);
    for (size_t i = 0; i < n; i++) {
        struct token_shard *s = &d->shard[i];
        if (token_shard_open(s, d->path[i], e)) return -1;
        if (d->o.verify && token_shard_verify(s, d->path[i], e)) return -1;
        if (s->n_vocab != d->shard[0].n_vocab || s->doc_end != d->shard[0].doc_end ||
            s->tokenizer != d->shard[0].tokenizer)
            return err_set(e, ERR_FORMAT, "%s: made with another tokenizer than %s", d->path[i],
                           d->path[0]);
        d->tokens += s->n;
        d->doc_room = size_max(d->doc_room, (size_t)s->n_doc);
    }
    d->doc = mem_alloc((d->doc_room + 1) * sizeof *d->doc);
    return d->doc ? 0 : err_oom(e, "document index", d->doc_room * sizeof *d->doc);
}

int data_open(struct data **out, const struct data_opts *o, struct err *e)
{
    *out = NULL;
    if (o->batch_rows == 0 || o->seq_rows == 0)
        return err_set(e, ERR_USAGE, "batches and sequences need at least one row");
    struct data *d = mem_calloc(1, sizeof *d);
    if (!d) return err_oom(e, "training data", sizeof *d);
    d->o = *o;
    d->doc_epoch = d->doc_shard = -1;
    d->path = mem_calloc(MAX_SHARD, sizeof *d->path);
    int rc = d->path ? list_shards(d, e) : err_oom(e, "training data", MAX_SHARD * 8);
    if (rc == 0) rc = open_shards(d, e);
    if (rc) {
        data_close(d);
        return -1;
    }
    *out = d;
    return 0;
}

void data_close(struct data *d)
{
    if (!d) return;
    for (size_t i = 0; d->path && i < d->n_shard; i++) mem_free(d->path[i]);
    for (size_t i = 0; d->shard && i < d->n_shard; i++)
        if (d->shard[i].map.data) token_shard_close(&d->shard[i]);
    for (int i = 0; i < DATA_BUFFERS; i++) mem_free(d->rows[i]);
    mem_free(d->path);
    mem_free(d->shard);
    mem_free(d->shard_order);
    mem_free(d->doc);
    mem_free(d);
}

uint64_t data_tokens(const struct data *d)
{
    return d->tokens;
}

uint32_t data_n_vocab(const struct data *d)
{
    return d->shard[0].n_vocab;
}

uint32_t data_doc_end(const struct data *d)
{
    return d->shard[0].doc_end;
}

/* ---- order --------------------------------------------------------------------------------- */

/* The documents of the shard whose turn it is, shuffled; shards too at the epoch's beginning. */
static int load_turn(struct data *d, struct err *e)
{
    if (d->doc_epoch == d->at.epoch && d->doc_shard == d->at.shard) return 0;
    uint64_t stream = (uint64_t)d->at.epoch * (MAX_SHARD + 1);
    struct rng r = rng_init(d->o.seed, stream + MAX_SHARD);
    for (size_t i = 0; i < d->n_shard; i++) d->shard_order[i] = (uint32_t)i;
    for (size_t i = d->n_shard; i > 1; i--) {
        size_t k = (size_t)rng_below(&r, i);
        uint32_t t = d->shard_order[i - 1];
        d->shard_order[i - 1] = d->shard_order[k];
        d->shard_order[k] = t;
    }
    size_t which = d->shard_order[d->at.shard];
    const struct token_shard *s = &d->shard[which];
    if (!file_map_intact(&s->map))
        return err_set(e, ERR_IO, "%s became shorter while it was read", d->path[which]);
    d->n_doc = 0;
    uint64_t begin = 0;
    for (uint64_t i = 0; i < s->n; i++) {
        if (s->id[i] != s->doc_end) continue;
        if (d->n_doc == s->n_doc)
            return err_set(e, ERR_FORMAT, "%s: more documents than its header says",
                           d->path[which]);
        d->doc[d->n_doc++] = begin;
        begin = i + 1;
    }
    r = rng_init(d->o.seed, stream + which);
    for (size_t i = d->n_doc; i > 1; i--) {
        size_t k = (size_t)rng_below(&r, i);
        uint64_t t = d->doc[i - 1];
        d->doc[i - 1] = d->doc[k];
        d->doc[k] = t;
    }
    d->doc_epoch = d->at.epoch;
    d->doc_shard = d->at.shard;
    return 0;
}

static void next_doc(struct data *d)
{
    d->at.used = 0;
    if (++d->at.doc < (int64_t)d->n_doc) return;
    d->at.doc = 0;
    if (++d->at.shard < (int64_t)d->n_shard) return;
    d->at.shard = 0;
    d->at.epoch++;
}

/* ---- batches ------------------------------------------------------------------------------- */

static int buffer(struct data *d, int i, struct err *e)
{
    size_t bytes = 4 * d->o.batch_rows * sizeof(int32_t);
    if (!d->rows[i]) d->rows[i] = mem_alloc(bytes);
    return d->rows[i] ? 0 : err_oom(e, "a batch", bytes);
}

/* Rows of one sequence from ids [from, from + n] of a document. */
static int fill_rows(const struct data *d, const struct token_shard *s, uint64_t from, size_t n,
                     int32_t seq, int32_t *rows, size_t at, struct err *e)
{
    size_t all = d->o.batch_rows;
    for (size_t i = 0; i < n; i++) {
        uint32_t id = s->id[from + i], next = s->id[from + i + 1];
        if (id >= s->n_vocab || next >= s->n_vocab)
            return err_set(e, ERR_FORMAT, "a shard holds an id outside its vocabulary of %u",
                           s->n_vocab);
        rows[at + i] = (int32_t)id;
        rows[all + at + i] = (int32_t)i;
        rows[2 * all + at + i] = (int32_t)next;
        rows[3 * all + at + i] = seq;
    }
    return 0;
}

int data_next(struct data *d, int i, struct train_batch *out, struct err *e)
{
    if (buffer(d, i, e)) return -1;
    size_t all = d->o.batch_rows, n = 0;
    int32_t *rows = d->rows[i], seq = 0;
    int64_t empty_since = d->at.epoch;
    while (n < all) {
        if (load_turn(d, e)) return -1;
        if (n == 0 && d->at.epoch > empty_since + 1)
            return err_set(e, ERR_FORMAT, "%s: no document has two tokens", d->o.path);
        const struct token_shard *s = &d->shard[d->shard_order[d->at.shard]];
        uint64_t from = d->doc[d->at.doc] + (uint64_t)d->at.used;
        size_t most = size_min(all - n, d->o.seq_rows), m = 0;
        while (m < most && s->id[from + m] != s->doc_end) m++;
        if (m > 0 && fill_rows(d, s, from, m, seq++, rows, n, e)) return -1;
        n += m;
        d->at.used += (int64_t)m;
        if (s->id[from + m] == s->doc_end) next_doc(d);
    }
    *out = (struct train_batch){.n = n,
                                .id = rows,
                                .pos = rows + all,
                                .target = rows + 2 * all,
                                .row_seq = rows + 3 * all,
                                .n_seq = (size_t)seq};
    return 0;
}

struct data_place data_place(const struct data *d)
{
    return d->at;
}

int data_seek(struct data *d, struct data_place p, struct err *e)
{
    bool fits = p.epoch >= 0 && p.shard >= 0 && p.shard < (int64_t)d->n_shard && p.doc >= 0 &&
                p.used >= 0;
    if (fits) {
        d->at = p;
        if (load_turn(d, e)) return -1;
        fits = p.doc < (int64_t)d->n_doc;
    }
    if (fits) {
        const struct token_shard *s = &d->shard[d->shard_order[p.shard]];
        fits = d->doc[p.doc] + (uint64_t)p.used < s->n;
    }
    return fits ? 0
                : err_set(e, ERR_FORMAT, "%s: the checkpoint's place is not in this data",
                          d->o.path);
}
