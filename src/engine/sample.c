#include "engine/sample.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/rng.h"
#include "kernel/kernel.h"

struct cand {
    tok_id id;
    float logit; /* divided by the temperature */
    double p, key;
};

enum { DRY_WINDOW = 8192, BINS = 1024, PART = 64 };
static const float BINS_PER_UNIT = 32; /* the last bin holds what is 32 or more away */

struct sample_work {
    size_t n_vocab;
    float *logit;      /* (n_vocab) changed copy */
    float *p;          /* (n_vocab) probabilities */
    struct cand *cand; /* (n_vocab) */
    int32_t *count;    /* (n_vocab) zero between calls */
    int32_t *match; /* DRY: longest match length each token would extend; zero between calls */
    int32_t *z;     /* DRY: Z values */
    size_t z_size;
    double *part;       /* (n_vocab / PART + 1) */
    uint16_t *bin;      /* (n_vocab) */
    double bin_p[BINS]; /* by distance to the best logit */
    uint32_t bin_n[BINS];
};

int sample_work_create(struct sample_work **out, size_t n_vocab, struct err *e)
{
    *out = NULL;
    struct sample_work *w = mem_calloc(1, sizeof *w);
    if (w) {
        *w = (struct sample_work){.n_vocab = n_vocab,
                                  .logit = mem_alloc(n_vocab * sizeof *w->logit),
                                  .p = mem_alloc(n_vocab * sizeof *w->p),
                                  .cand = mem_alloc(n_vocab * sizeof *w->cand),
                                  .count = mem_calloc(n_vocab, sizeof *w->count),
                                  .match = mem_calloc(n_vocab, sizeof *w->match),
                                  .z = mem_alloc(DRY_WINDOW * sizeof *w->z),
                                  .part = mem_alloc((n_vocab / PART + 1) * sizeof *w->part),
                                  .bin = mem_alloc(n_vocab * sizeof *w->bin),
                                  .z_size = DRY_WINDOW};
        if (w->logit && w->p && w->cand && w->count && w->match && w->z && w->part && w->bin) {
            *out = w;
            return 0;
        }
    }
    sample_work_free(w);
    return err_oom(e, "sampling", n_vocab * (sizeof *w->cand + 16));
}

void sample_work_free(struct sample_work *w)
{
    if (!w) return;
    mem_free(w->logit);
    mem_free(w->p);
    mem_free(w->cand);
    mem_free(w->count);
    mem_free(w->match);
    mem_free(w->z);
    mem_free(w->part);
    mem_free(w->bin);
    mem_free(w);
}

/* ---- penalties ----------------------------------------------------------------------------- */

static void penalise(struct sample_work *w, const struct gen_sampling *o,
                     const struct sample_in *in)
{
    size_t v = in->n_vocab;
    if (o->repeat_penalty != 1.0f && o->repeat_last_n != 0) {
        int64_t last = o->repeat_last_n < 0 ? in->n_history : o->repeat_last_n;
        int64_t from = in->n_history > last ? in->n_history - last : 0;
        for (int64_t i = from; i < in->n_history; i++) {
            tok_id id = in->history[i];
            if ((size_t)id >= v || w->count[id]++) continue; /* once per token */
            float *l = &w->logit[id];
            *l = *l > 0 ? *l / o->repeat_penalty : *l * o->repeat_penalty;
        }
        for (int64_t i = from; i < in->n_history; i++)
            if ((size_t)in->history[i] < v) w->count[in->history[i]] = 0;
    }
    if (o->presence_penalty != 0 || o->frequency_penalty != 0) {
        for (int64_t i = in->n_prompt; i < in->n_history; i++)
            if ((size_t)in->history[i] < v) w->count[in->history[i]]++;
        for (int64_t i = in->n_prompt; i < in->n_history; i++) {
            tok_id id = in->history[i];
            if ((size_t)id >= v || !w->count[id]) continue;
            w->logit[id] -= o->presence_penalty + o->frequency_penalty * (float)w->count[id];
            w->count[id] = 0;
        }
    }
}

static bool bit(const uint32_t *set, tok_id id)
{
    return set && (set[id >> 5] >> (id & 31) & 1);
}

/* DRY (p-e-w, text-generation-webui 5677): a token that would extend the repetition of an earlier
 * passage by its n-th token pays multiplier * base^(n - allowed_length). With the history
 * reversed, Z[i] is how many tokens before position i equal the latest ones, so token i - 1 of the
 * reversed text would extend a match of that length. */
static void dry(struct sample_work *w, const struct gen_sampling *o, const struct sample_in *in)
{
    if (o->dry_multiplier <= 0) return;
    int64_t n = in->n_history;
    if (o->dry_last_n >= 0 && n > o->dry_last_n) n = o->dry_last_n;
    if (n > (int64_t)w->z_size) n = (int64_t)w->z_size;
    const tok_id *end = in->history + in->n_history; /* reversed text: end[-1], end[-2], ... */
    int64_t stop = 0; /* the latest tokens up to the nearest breaker */
    while (stop < n && !bit(in->breaker, end[-1 - stop])) stop++;
    if (stop < o->dry_allowed_length) return;
    for (int64_t i = 1, l = 0, r = 0; i < n; i++) {
        int64_t z = i < r && w->z[i - l] < r - i ? w->z[i - l] : i < r ? r - i : 0;
        while (z < stop && i + z < n && end[-1 - z] == end[-1 - i - z]) z++;
        w->z[i] = (int32_t)z;
        if (i + z > r) {
            l = i;
            r = i + z;
        }
        tok_id next = end[-i];
        if ((size_t)next < in->n_vocab && z > w->match[next]) w->match[next] = (int32_t)z;
    }
    for (int64_t i = 1; i < n; i++) {
        tok_id next = end[-i];
        if ((size_t)next >= in->n_vocab || !w->match[next]) continue;
        int32_t len = w->match[next];
        w->match[next] = 0;
        if (len >= o->dry_allowed_length)
            w->logit[next] -=
                o->dry_multiplier * powf(o->dry_base, (float)(len - o->dry_allowed_length));
    }
}

/* ---- choosing ------------------------------------------------------------------------------ */

static int by_logit(const void *a, const void *b)
{
    const struct cand *x = a, *y = b;
    if (x->logit != y->logit) return x->logit < y->logit ? 1 : -1;
    return (x->id > y->id) - (x->id < y->id);
}

/* The last token that is kept, in the order best first and smaller ids first: a filter keeps what is
 * not behind it. */
struct last {
    float logit;
    tok_id id;
};

static bool is_kept(const struct last *l, float logit, size_t id)
{
    return logit > l->logit || (logit == l->logit && id <= (size_t)l->id);
}

/* The tokens' probabilities and numbers by distance to the best one, so that a cut need not sort more
 * than the bin it falls into. */
static void fill_bins(struct sample_work *w, size_t v, float best)
{
    memset(w->bin_p, 0, sizeof w->bin_p);
    memset(w->bin_n, 0, sizeof w->bin_n);
    for (size_t i = 0; i < v; i++) {
        float d = (best - w->logit[i]) * BINS_PER_UNIT;
        unsigned b = d < (float)(BINS - 1) ? (unsigned)d : BINS - 1;
        w->bin[i] = (uint16_t)b;
        w->bin_p[b] += (double)w->p[i];
        w->bin_n[b]++;
    }
}

/* Where the running number reaches `most`, or the running probability reaches `need`. */
static struct last cut(struct sample_work *w, size_t v, size_t most, double need)
{
    size_t bin = 0, n = 0, n_cand = 0, last = 0;
    double p = 0;
    while (bin + 1 < BINS && n + w->bin_n[bin] < most && p + w->bin_p[bin] < need) {
        n += w->bin_n[bin];
        p += w->bin_p[bin++];
    }
    for (size_t i = 0; i < v; i++)
        if (w->bin[i] == bin)
            w->cand[n_cand++] = (struct cand){(tok_id)i, w->logit[i], (double)w->p[i], 0};
    if (n_cand == 0) return (struct last){-INFINITY, (tok_id)v};
    qsort(w->cand, n_cand, sizeof *w->cand, by_logit);
    for (size_t i = 0; i < n_cand; i++) {
        last = i;
        p += w->cand[i].p;
        if (++n >= most || p >= need) break;
    }
    return (struct last){w->cand[last].logit, w->cand[last].id};
}

/* Probability 0 for what is behind the cut. */
static void drop(struct sample_work *w, size_t v, const struct last *l)
{
    for (size_t i = 0; i < v; i++) w->p[i] = is_kept(l, w->logit[i], i) ? w->p[i] : 0;
}

/* Sums of PART tokens each, every one in eight lanes; their sum is returned. The order is fixed. */
static double sum_parts(struct sample_work *w, size_t v)
{
    double sum = 0;
    for (size_t at = 0; at < v; at += PART) {
        double lane[8] = {0};
        size_t end = at + PART <= v ? at + PART : v, i = at;
        for (; i + 8 <= end; i += 8)
            for (size_t k = 0; k < 8; k++) lane[k] += (double)w->p[i + k];
        for (; i < end; i++) lane[0] += (double)w->p[i];
        double part = ((lane[0] + lane[4]) + (lane[1] + lane[5])) +
                      ((lane[2] + lane[6]) + (lane[3] + lane[7]));
        w->part[at / PART] = part;
        sum += part;
    }
    return sum;
}

static double mass(const struct cand *c, size_t n)
{
    double s = 0;
    for (size_t i = 0; i < n; i++) s += c[i].p;
    return s;
}

static int by_key(const void *a, const void *b)
{
    const struct cand *x = a, *y = b;
    if (x->key != y->key) return x->key > y->key ? 1 : -1;
    return (x->id > y->id) - (x->id < y->id);
}

/* Locally typical sampling (Meister et al. 2022): keep the tokens whose surprise is nearest to the
 * entropy until their mass reaches the share. */
static void typical(struct sample_work *w, size_t v, double share)
{
    size_t n = 0, m = 0;
    for (size_t i = 0; i < v; i++)
        if (w->p[i] > 0)
            w->cand[n++] = (struct cand){(tok_id)i, w->logit[i], (double)w->p[i], 0};
    struct cand *c = w->cand;
    double total = mass(c, n), entropy = 0, kept = 0;
    for (size_t i = 0; i < n; i++) entropy -= c[i].p / total * log(c[i].p / total);
    for (size_t i = 0; i < n; i++) c[i].key = fabs(-log(c[i].p / total) - entropy);
    qsort(c, n, sizeof *c, by_key);
    while (m < n && kept < share * total) kept += c[m++].p;
    for (size_t i = m; i < n; i++) {
        w->p[c[i].id] = 0;
        w->logit[c[i].id] = -INFINITY;
    }
}

/* The place of u in the running sum, in order of ids: nothing is sorted. */
static tok_id place(struct sample_work *w, size_t v, double u01)
{
    double u = u01 * sum_parts(w, v);
    size_t part = 0, n_part = (v + PART - 1) / PART;
    for (size_t k = 0; k < n_part; k++) {
        if (w->part[k] <= 0) continue;
        part = k;
        if (u < w->part[k]) break;
        u -= w->part[k];
    }
    tok_id last = TOK_NONE;
    for (size_t i = part * PART; i < v && i < (part + 1) * PART; i++) {
        if (w->p[i] <= 0) continue;
        last = (tok_id)i;
        u -= (double)w->p[i];
        if (u < 0) break;
    }
    return last;
}

static tok_id first_equal(const float *x, size_t n, float value)
{
    for (size_t i = 0; i < n; i++)
        if (x[i] == value) return (tok_id)i;
    return TOK_NONE;
}

static tok_id draw(struct sample_work *w, const struct kernels *k, const struct gen_sampling *o,
                   const struct sample_in *in)
{
    size_t v = in->n_vocab;
    float best = k->elem.max(w->logit, v);
    if (!isfinite(best)) return TOK_NONE;
    if (o->temperature <= 0) return first_equal(w->logit, v, best);
    k->elem.scale(w->logit, w->logit, 1 / o->temperature, v);
    best = k->elem.max(w->logit, v);
    if (!isfinite(best)) return TOK_NONE;
    memcpy(w->p, w->logit, v * sizeof *w->p);
    k->elem.softmax(w->p, v);
    double u01 = (double)(rng_at(o->seed, in->stream, in->index) >> 11) * 0x1p-53;
    bool some = o->top_k > 0 && (size_t)o->top_k < v;
    if (some) {
        fill_bins(w, v, best);
        struct last l = cut(w, v, (size_t)o->top_k, (double)INFINITY);
        drop(w, v, &l);
    }
    if (o->typical_p < 1) typical(w, v, (double)o->typical_p);
    if (o->top_p < 1) {
        fill_bins(w, v, best);
        struct last l = cut(w, v, v, sum_parts(w, v) * (double)o->top_p);
        drop(w, v, &l);
    }
    if (o->min_p > 0) {
        float least = o->min_p * k->elem.max(w->p, v);
        for (size_t i = 0; i < v; i++)
            if (w->p[i] < least) w->p[i] = 0;
    }
    return place(w, v, u01);
}

/* ---- log-probabilities --------------------------------------------------------------------- */

void sample_score(struct sample_work *w, const struct kernels *k, const float *logits,
                  size_t n_logits, size_t n_vocab, tok_id id, int n_top, struct sample_out *out)
{
    (void)w;
    float lse = k->elem.logsumexp(logits, n_logits);
    out->id = id;
    out->logprob = (size_t)id < n_vocab ? logits[id] - lse : -INFINITY;
    out->n_top = 0;
    if (n_top > SAMPLE_TOP_MAX) n_top = SAMPLE_TOP_MAX;
    for (size_t i = 0; n_top > 0 && i < n_vocab; i++) {
        int at = out->n_top;
        if (at == n_top && !(logits[i] > out->top[at - 1].logprob)) continue;
        if (at < n_top)
            out->n_top++;
        else
            at--;
        for (; at > 0 && logits[i] > out->top[at - 1].logprob; at--)
            out->top[at] = out->top[at - 1];
        out->top[at] = (struct gen_alt){(tok_id)i, logits[i]};
    }
    for (int i = 0; i < out->n_top; i++) out->top[i].logprob -= lse;
}

void sample_token(struct sample_work *w, const struct kernels *k, const struct gen_sampling *o,
                  const struct sample_in *in, struct sample_out *out)
{
    memcpy(w->logit, in->logits, in->n_vocab * sizeof *w->logit);
    penalise(w, o, in);
    dry(w, o, in);
    for (int i = 0; i < o->n_bias; i++)
        if ((size_t)o->bias[i].id < in->n_vocab) w->logit[o->bias[i].id] += o->bias[i].bias;
    for (size_t i = 0; in->mask && i < in->n_vocab; i++)
        if (!bit(in->mask, (tok_id)i)) w->logit[i] = -INFINITY;
    tok_id id = draw(w, k, o, in);
    *out = (struct sample_out){.id = id};
    if (id == TOK_NONE || o->n_top < 0) return;
    const float *row = in->logits;
    size_t n = in->n_logits ? in->n_logits : in->n_vocab;
    if (o->tempered && o->temperature > 0 && o->temperature != 1) {
        k->elem.scale(w->logit, row, 1 / o->temperature, n);
        row = w->logit;
    }
    sample_score(w, k, row, n, in->n_vocab, id, o->n_top, out);
}

/* ---- limits -------------------------------------------------------------------------------- */

int sample_check(const struct gen_sampling *o, struct err *e)
{
    const struct {
        const char *name;
        float v, lo, hi;
    } range[] = {
        {"temperature", o->temperature, 0, 100},
        {"top_p", o->top_p, 0, 1},
        {"min_p", o->min_p, 0, 1},
        {"typical_p", o->typical_p, 0, 1},
        {"top_k", (float)o->top_k, 0, 1e9f},
        {"repeat_penalty", o->repeat_penalty, 0.01f, 100},
        {"presence_penalty", o->presence_penalty, -100, 100},
        {"frequency_penalty", o->frequency_penalty, -100, 100},
        {"dry_multiplier", o->dry_multiplier, 0, 100},
        {"n_top", (float)o->n_top, -1, SAMPLE_TOP_MAX},
    };
    for (size_t i = 0; i < countof(range); i++)
        if (!(range[i].v >= range[i].lo && range[i].v <= range[i].hi))
            return err_set(e, ERR_USAGE, "%s is %g, allowed is %g to %g", range[i].name,
                           (double)range[i].v, (double)range[i].lo, (double)range[i].hi);
    return 0;
}
