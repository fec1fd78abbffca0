#include "train/data.h"

#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/rng.h"
#include "base/size.h"
#include "text/vocab.h"

struct data {
    struct data_opts o;
    struct feed *feed[DATA_MAX_FEED];
    double weight[DATA_MAX_FEED];
    int64_t rows[DATA_MAX_FEED]; /* given */
    size_t n_feed;
    json_t *start;                 /* the place before the first batch */
    int32_t *buffer[DATA_BUFFERS]; /* id, pos, target, seq */
};

/* ---- opening ------------------------------------------------------------------------------- */

static bool is_lines(const char *path)
{
    static const char *const end[] = {".jsonl", ".jsonl.gz", ".jsonl.zst", ".json", ".ndjson"};
    size_t n = strlen(path);
    for (size_t i = 0; i < countof(end); i++)
        if (n > strlen(end[i]) && strcmp(path + n - strlen(end[i]), end[i]) == 0) return true;
    return false;
}

static int open_part(struct data *d, const struct data_part *p, struct err *e)
{
    size_t k = d->n_feed;
    struct feed_opts f = {.name = p->name,
                          /* each part has an order of its own; the only part has the seed's */
                          .seed = k ? rng_at(d->o.seed, 0x66656564, k) : d->o.seed,
                          .seq_rows = size_min(d->o.seq_rows, d->o.batch_rows),
                          .verify = d->o.verify,
                          .strict = d->o.strict,
                          .vocab = d->o.vocab,
                          .form = d->o.form,
                          .learn_prompts = d->o.learn_prompts,
                          .think_off = d->o.think_off};
    bool tasks = p->tasks.families && *p->tasks.families, path = p->path && *p->path;
    if (tasks == path)
        return err_set(e, ERR_USAGE, "data %s: give a path or tasks%s", p->name,
                       tasks ? ", not both" : "");
    if (k == DATA_MAX_FEED)
        return err_set(e, ERR_LIMIT, "data: more than %d sources", DATA_MAX_FEED);
    bool shards = path && !is_lines(p->path);
    if (!shards && !d->o.vocab)
        return err_set(e, ERR_USAGE, "data %s: only shards can be read without a tokenizer",
                       p->name);
    if (!shards && vocab_special(d->o.vocab)->eos < 0)
        return err_set(e, ERR_UNSUPPORTED, "the vocabulary names no id that ends a text");
    int rc = tasks    ? feed_tasks(&d->feed[k], &p->tasks, &f, e)
             : shards ? feed_shards(&d->feed[k], p->path, &f, e)
                      : feed_examples(&d->feed[k], p->path, &f, e);
    if (rc) return -1;
    d->weight[k] = p->weight;
    d->n_feed++;
    const struct feed *a = d->feed[0], *b = d->feed[k];
    if (a->n_vocab == b->n_vocab && a->doc_end == b->doc_end) return 0;
    return err_set(e, ERR_FORMAT, "data %s: made with another tokenizer than %s", p->name,
                   a->name);
}

static int open_parts(struct data *d, struct err *e)
{
    struct data_part only = {.name = d->o.path, .path = d->o.path, .weight = 1};
    double sum = 0;
    if (d->o.n_part == 0 && open_part(d, &only, e)) return -1;
    for (size_t i = 0; i < d->o.n_part; i++) {
        if (d->o.part[i].weight > 0 && open_part(d, &d->o.part[i], e)) return -1;
        sum += d->o.part[i].weight;
    }
    if (d->n_feed == 0) return err_set(e, ERR_USAGE, "data: no source has a weight above 0");
    for (size_t i = 0; d->o.n_part && i < d->n_feed; i++) d->weight[i] /= sum;
    d->start = data_place(d);
    return d->start ? 0 : err_oom(e, "training data", 256);
}

int data_open(struct data **out, const struct data_opts *o, struct err *e)
{
    *out = NULL;
    if (o->batch_rows == 0 || o->seq_rows == 0)
        return err_set(e, ERR_USAGE, "batches and sequences need at least one row");
    struct data *d = mem_calloc(1, sizeof *d);
    if (!d) return err_oom(e, "training data", sizeof *d);
    d->o = *o;
    if (open_parts(d, e)) {
        data_close(d);
        return -1;
    }
    *out = d;
    return 0;
}

void data_close(struct data *d)
{
    if (!d) return;
    for (size_t i = 0; i < d->n_feed; i++) feed_close(d->feed[i]);
    for (int i = 0; i < DATA_BUFFERS; i++) mem_free(d->buffer[i]);
    json_decref(d->start);
    mem_free(d);
}

uint32_t data_n_vocab(const struct data *d)
{
    return d->feed[0]->n_vocab;
}

uint32_t data_doc_end(const struct data *d)
{
    return d->feed[0]->doc_end;
}

size_t data_n_feed(const struct data *d)
{
    return d->n_feed;
}

void data_share(const struct data *d, size_t i, struct data_share *out)
{
    *out = (struct data_share){
        .name = d->feed[i]->name, .weight = d->weight[i], .rows = d->rows[i]};
    feed_counts(d->feed[i], &out->counts);
}

/* ---- batches ------------------------------------------------------------------------------- */

/* The feed that is furthest behind its share; the first of equals. */
static size_t choose(const struct data *d)
{
    size_t best = 0;
    for (size_t i = 1; i < d->n_feed; i++)
        if ((double)d->rows[i] / d->weight[i] < (double)d->rows[best] / d->weight[best])
            best = i;
    return best;
}

static int fill_rows(const struct data *d, const struct feed *f, const struct feed_seq *s,
                     size_t n, int32_t seq, int32_t *rows, size_t at, struct err *e)
{
    size_t all = d->o.batch_rows;
    for (size_t i = 0; i < n; i++) {
        int32_t id = s->id[i], next = s->id[i + 1];
        if ((uint32_t)id >= f->n_vocab || (uint32_t)next >= f->n_vocab)
            return err_set(e, ERR_FORMAT, "%s holds an id outside its vocabulary of %u",
                           f->name, f->n_vocab);
        rows[at + i] = id;
        rows[all + at + i] = (int32_t)i;
        rows[2 * all + at + i] = s->learn && !s->learn[i + 1] ? -1 : next;
        rows[3 * all + at + i] = seq;
    }
    return 0;
}

int data_next(struct data *d, int i, struct train_batch *out, struct err *e)
{
    size_t all = d->o.batch_rows, n = 0, bytes = 4 * all * sizeof(int32_t);
    if (!d->buffer[i]) d->buffer[i] = mem_alloc(bytes);
    if (!d->buffer[i]) return err_oom(e, "a batch", bytes);
    int32_t *rows = d->buffer[i], seq = 0;
    while (n < all) {
        struct feed_seq s;
        size_t k = choose(d);
        struct feed *f = d->feed[k];
        if (feed_peek(f, all - n, &s, e)) return -1;
        size_t m = s.n - 1;
        if (m > all - n) break; /* a whole one, for the next batch */
        if (fill_rows(d, f, &s, m, seq++, rows, n, e) || feed_take(f, m, e)) return -1;
        n += m;
        d->rows[k] += (int64_t)m;
    }
    *out = (struct train_batch){.n = n,
                                .id = rows,
                                .pos = rows + all,
                                .target = rows + 2 * all,
                                .row_seq = rows + 3 * all,
                                .n_seq = (size_t)seq};
    return 0;
}

int data_step(struct data *d, int n, struct train_batch *out, struct err *e)
{
    if (n > DATA_BUFFERS)
        return err_set(e, ERR_LIMIT, "a step of %d passes, %d at most", n, DATA_BUFFERS);
    for (int i = 0; i < n; i++)
        if (data_next(d, i, &out[i], e)) return -1;
    return 0;
}

/* ---- place --------------------------------------------------------------------------------- */

json_t *data_place(const struct data *d)
{
    if (d->o.n_part == 0) return feed_place(d->feed[0]);
    json_t *list = json_array();
    for (size_t i = 0; i < d->n_feed; i++) {
        json_t *one = json_pack("{s:s, s:I, s:o}", "name", d->feed[i]->name, "rows",
                                (json_int_t)d->rows[i], "place", feed_place(d->feed[i]));
        if (json_array_append_new(list, one)) {
            json_decref(list);
            return NULL;
        }
    }
    return json_pack("{s:o}", "feeds", list);
}

static int seek_one(struct data *d, size_t i, const json_t *o, struct err *e)
{
    struct span name;
    if (json_get_str(o, "name", &name, "the checkpoint's place", e) ||
        json_get_i64(o, "rows", 0, INT64_MAX, &d->rows[i], d->feed[i]->name, e))
        return -1;
    if (!span_is(name, d->feed[i]->name))
        return err_set(e, ERR_FORMAT,
                       "the checkpoint's place is in \"%.*s\", the recipe has %s", (int)name.n,
                       name.p, d->feed[i]->name);
    return feed_seek(d->feed[i], json_object_get(o, "place"), e);
}

int data_seek(struct data *d, const json_t *place, struct err *e)
{
    if (d->o.n_part == 0) return feed_seek(d->feed[0], place, e);
    const json_t *list = json_object_get(place, "feeds");
    if (json_array_size(list) != d->n_feed)
        return err_set(e, ERR_FORMAT,
                       "the checkpoint's place is in %zu sources, the recipe has %zu",
                       json_array_size(list), d->n_feed);
    for (size_t i = 0; i < d->n_feed; i++)
        if (seek_one(d, i, json_array_get(list, i), e)) return -1;
    return 0;
}

int data_rewind(struct data *d, struct err *e)
{
    return data_seek(d, d->start, e);
}
