/* feed_shards.c - documents of token shards, in an order given by the seed.
 *
 * In every epoch the shards come in a shuffled order, and inside a shard the documents do. The last
 * id of a document is a target only. The place is (epoch, shard's turn, document's turn, ids of it
 * used).
 */
#include "train/feed.h"

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
#include "text/vocab.h"

enum { MAX_SHARD = 4096 };

struct place {
    int64_t epoch, shard, doc, used;
};

struct shards {
    struct feed f;
    struct feed_opts o;
    struct token_shard *shard;
    char **path;
    size_t n_shard;
    uint64_t tokens, documents;
    struct place at;
    uint32_t *shard_order; /* of the epoch */
    uint64_t *doc;         /* of the open shard: beginnings, in order of turn */
    size_t n_doc, doc_room;
    int64_t doc_epoch, doc_shard; /* what doc holds, -1: nothing */
};

/* ---- shards -------------------------------------------------------------------------------- */

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static int add_path(struct shards *d, char *path, struct err *e)
{
    if (!path) return err_oom(e, "a file name", 256);
    if (d->n_shard == MAX_SHARD) {
        mem_free(path);
        return err_set(e, ERR_LIMIT, "%s: more than %d shards", d->f.name, MAX_SHARD);
    }
    d->path[d->n_shard++] = path;
    return 0;
}

static int list_shards(struct shards *d, const char *path, struct err *e)
{
    if (!file_is_dir(path)) return add_path(d, mem_strdup(path), e);
    DIR *dir = opendir(path);
    if (!dir) return err_errno(e, errno, "cannot read %s", path);
    int rc = 0;
    for (struct dirent *f; rc == 0 && (f = readdir(dir));) {
        size_t n = strlen(f->d_name);
        if (n > 6 && strcmp(f->d_name + n - 6, ".shard") == 0)
            rc = add_path(d, file_join(path, f->d_name), e);
    }
    closedir(dir);
    if (rc == 0 && d->n_shard == 0)
        rc = err_set(e, ERR_NOT_FOUND, "%s: there are no .shard files", path);
    if (rc == 0) qsort(d->path, d->n_shard, sizeof *d->path, by_name);
    return rc;
}

static int open_shards(struct shards *d, struct err *e)
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
        d->documents += s->n_doc;
        d->doc_room = size_max(d->doc_room, (size_t)s->n_doc);
    }
    d->doc = mem_alloc((d->doc_room + 1) * sizeof *d->doc);
    return d->doc ? 0 : err_oom(e, "document index", d->doc_room * sizeof *d->doc);
}

/* The ids mean what the run's vocabulary says they mean. */
static int check_vocab(const struct shards *d, const struct vocab *v, struct err *e)
{
    const struct token_shard *s = d->shard;
    if (!v) return 0;
    if (s->n_vocab == vocab_size(v) && (!s->tokenizer || s->tokenizer == vocab_hash(v)))
        return 0;
    return err_set(e, ERR_FORMAT, "%s: made with another tokenizer than the run's", d->path[0]);
}

/* ---- order --------------------------------------------------------------------------------- */

/* The documents of the shard whose turn it is, shuffled; shards too at the epoch's beginning. */
static int load_turn(struct shards *d, struct err *e)
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

static void next_doc(struct shards *d)
{
    d->at.used = 0;
    if (++d->at.doc < (int64_t)d->n_doc) return;
    d->at.doc = 0;
    if (++d->at.shard < (int64_t)d->n_shard) return;
    d->at.shard = 0;
    d->at.epoch++;
}

/* ---- the feed ------------------------------------------------------------------------------ */

static int shards_peek(struct feed *f, size_t most, struct feed_seq *out, struct err *e)
{
    struct shards *d = (struct shards *)f;
    int64_t since = d->at.epoch;
    most = size_min(most, d->o.seq_rows);
    for (;;) {
        if (load_turn(d, e)) return -1;
        if (d->at.epoch > since + 1)
            return err_set(e, ERR_FORMAT, "%s: no document has two tokens", f->name);
        const struct token_shard *s = &d->shard[d->shard_order[d->at.shard]];
        uint64_t from = d->doc[d->at.doc] + (uint64_t)d->at.used;
        size_t m = 0;
        while (m < most && s->id[from + m] != s->doc_end) m++;
        if (m == 0) {
            next_doc(d);
            continue;
        }
        *out = (struct feed_seq){(const int32_t *)(const void *)(s->id + from), NULL, m + 1};
        return 0;
    }
}

static int shards_take(struct feed *f, size_t rows, struct err *e)
{
    struct shards *d = (struct shards *)f;
    if (load_turn(d, e)) return -1;
    const struct token_shard *s = &d->shard[d->shard_order[d->at.shard]];
    d->at.used += (int64_t)rows;
    if (s->id[d->doc[d->at.doc] + (uint64_t)d->at.used] == s->doc_end) next_doc(d);
    return 0;
}

static json_t *shards_place(const struct feed *f)
{
    const struct place *p = &((const struct shards *)f)->at;
    return json_pack("{s:I, s:I, s:I, s:I}", "epoch", (json_int_t)p->epoch, "shard",
                     (json_int_t)p->shard, "doc", (json_int_t)p->doc, "used",
                     (json_int_t)p->used);
}

static int shards_seek(struct feed *f, const json_t *place, struct err *e)
{
    struct shards *d = (struct shards *)f;
    struct place p;
    if (json_get_i64(place, "epoch", 0, INT64_MAX / 8192, &p.epoch, f->name, e) ||
        json_get_i64(place, "shard", 0, INT64_MAX, &p.shard, f->name, e) ||
        json_get_i64(place, "doc", 0, INT64_MAX, &p.doc, f->name, e) ||
        json_get_i64(place, "used", 0, INT64_MAX / 2, &p.used, f->name, e))
        return -1;
    bool fits = p.shard < (int64_t)d->n_shard;
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
                          f->name);
}

static void shards_counts(const struct feed *f, struct feed_counts *out)
{
    const struct shards *d = (const struct shards *)f;
    *out = (struct feed_counts){
        .records = (int64_t)d->documents, .tokens = (int64_t)d->tokens, .epoch = d->at.epoch};
}

static void shards_close(struct feed *f)
{
    struct shards *d = (struct shards *)f;
    for (size_t i = 0; d->path && i < d->n_shard; i++) mem_free(d->path[i]);
    for (size_t i = 0; d->shard && i < d->n_shard; i++)
        if (d->shard[i].map.data) token_shard_close(&d->shard[i]);
    mem_free(d->path);
    mem_free(d->shard);
    mem_free(d->shard_order);
    mem_free(d->doc);
    mem_free(d);
}

int feed_shards(struct feed **out, const char *path, const struct feed_opts *o, struct err *e)
{
    static const struct feed_kind kind = {shards_peek, shards_take,   shards_place,
                                          shards_seek, shards_counts, shards_close};
    *out = NULL;
    struct shards *d = mem_calloc(1, sizeof *d);
    if (!d) return err_oom(e, "training data", sizeof *d);
    d->f = (struct feed){.kind = &kind, .name = o->name};
    d->o = *o;
    d->doc_epoch = d->doc_shard = -1;
    d->path = mem_calloc(MAX_SHARD, sizeof *d->path);
    int rc = d->path ? list_shards(d, path, e) : err_oom(e, "training data", MAX_SHARD * 8);
    if (rc == 0) rc = open_shards(d, e);
    if (rc == 0) rc = check_vocab(d, o->vocab, e);
    if (rc) {
        shards_close(&d->f);
        return -1;
    }
    d->f.n_vocab = d->shard[0].n_vocab;
    d->f.doc_end = d->shard[0].doc_end;
    *out = &d->f;
    return 0;
}
