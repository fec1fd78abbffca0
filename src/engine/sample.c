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

struct sample_work {
    size_t n_vocab;
    float *logit;      /* (n_vocab) changed copy */
    float *tmp;        /* (n_vocab) exponentials */
    struct cand *cand; /* (n_vocab) */
    int32_t *count;    /* (n_vocab) zero between calls */
    int32_t *match; /* DRY: longest match length each token would extend; zero between calls */
    int32_t *z;     /* DRY: Z values */
    size_t z_size;
};

enum { DRY_WINDOW = 8192 };

int sample_work_create(struct sample_work **out, size_t n_vocab, struct err *e)
{
    *out = NULL;
    struct sample_work *w = mem_calloc(1, sizeof *w);
    if (w) {
        *w = (struct sample_work){.n_vocab = n_vocab,
                                  .logit = mem_alloc(n_vocab * sizeof *w->logit),
                                  .tmp = mem_alloc(n_vocab * sizeof *w->tmp),
                                  .cand = mem_alloc(n_vocab * sizeof *w->cand),
                                  .count = mem_calloc(n_vocab, sizeof *w->count),
                                  .match = mem_calloc(n_vocab, sizeof *w->match),
                                  .z = mem_alloc(DRY_WINDOW * sizeof *w->z),
                                  .z_size = DRY_WINDOW};
        if (w->logit && w->tmp && w->cand && w->count && w->match && w->z) {
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
    mem_free(w->tmp);
    mem_free(w->cand);
    mem_free(w->count);
    mem_free(w->match);
    mem_free(w->z);
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

/* The candidates, best first. All tokens take part, but only those that the filters can keep are
 * sorted: the cut is lowered until enough of the probability (or enough tokens) lie above it. */
static size_t candidates(struct sample_work *w, const struct gen_sampling *o,
                         const struct sample_in *in, float best, double *total)
{
    size_t v = in->n_vocab;
    double sum = 0;
    for (size_t i = 0; i < v; i++) sum += (double)w->tmp[i];
    *total = sum;
    double need = o->typical_p < 1 || o->top_p >= 1 ? sum : sum * (double)o->top_p;
    size_t need_n = o->top_k > 0 ? (size_t)o->top_k : v;
    for (float cut = 8;; cut *= 2) {
        size_t n = 0;
        double got = 0;
        for (size_t i = 0; i < v; i++) {
            if (!(w->logit[i] >= best - cut) || w->logit[i] == -INFINITY) continue;
            w->cand[n++] = (struct cand){(tok_id)i, w->logit[i], (double)w->tmp[i], 0};
            got += (double)w->tmp[i];
        }
        if (got >= need || n >= need_n || cut > 1e4f) {
            qsort(w->cand, n, sizeof *w->cand, by_logit);
            return n;
        }
    }
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
 * entropy until their mass reaches the share; then back into order by probability. */
static size_t typical(struct cand *c, size_t n, double share)
{
    double total = mass(c, n), entropy = 0, kept = 0;
    for (size_t i = 0; i < n; i++)
        if (c[i].p > 0) entropy -= c[i].p / total * log(c[i].p / total);
    for (size_t i = 0; i < n; i++)
        c[i].key = c[i].p > 0 ? fabs(-log(c[i].p / total) - entropy) : (double)INFINITY;
    qsort(c, n, sizeof *c, by_key);
    size_t m = 0;
    while (m < n && kept < share * total) kept += c[m++].p;
    m = m ? m : 1;
    qsort(c, m, sizeof *c, by_logit);
    return m;
}

/* The place of u in the running sum, in order of ids: nothing is filtered, nothing sorted. */
static tok_id draw_from_all(const float *p, size_t v, double u01)
{
    double sum = 0;
    for (size_t i = 0; i < v; i++) sum += (double)p[i];
    double u = u01 * sum;
    tok_id last = 0;
    for (size_t i = 0; i < v; i++) {
        if (p[i] <= 0) continue;
        last = (tok_id)i;
        u -= (double)p[i];
        if (u < 0) break;
    }
    return last;
}

static tok_id draw(struct sample_work *w, const struct kernels *k, const struct gen_sampling *o,
                   const struct sample_in *in)
{
    size_t v = in->n_vocab;
    float best = -INFINITY;
    tok_id arg = TOK_NONE;
    for (size_t i = 0; i < v; i++) {
        if (!(w->logit[i] > best)) continue;
        best = w->logit[i];
        arg = (tok_id)i;
    }
    if (arg == TOK_NONE || !isfinite(best) || o->temperature <= 0)
        return isfinite(best) ? arg : TOK_NONE;
    float inv = 1 / o->temperature;
    for (size_t i = 0; i < v; i++) {
        w->logit[i] *= inv;
        w->tmp[i] = w->logit[i] - best * inv;
    }
    k->elem.exp(w->tmp, w->tmp, v);
    double u01 = (double)(rng_at(o->seed, in->stream, in->index) >> 11) * 0x1p-53;
    if (o->top_k <= 0 && o->typical_p >= 1 && o->top_p >= 1 && o->min_p <= 0)
        return draw_from_all(w->tmp, v, u01);
    double total;
    size_t n = candidates(w, o, in, best * inv, &total);
    if (o->top_k > 0 && n > (size_t)o->top_k) {
        n = (size_t)o->top_k;
        total = mass(w->cand, n);
    }
    if (o->typical_p < 1) {
        n = typical(w->cand, n, (double)o->typical_p);
        total = mass(w->cand, n);
    }
    if (o->top_p < 1) {
        double sum = 0, need = total * (double)o->top_p;
        size_t m = 0;
        while (m < n && sum < need) sum += w->cand[m++].p;
        n = m ? m : 1;
    }
    if (o->min_p > 0) {
        size_t m = 1;
        while (m < n && w->cand[m].p >= (double)o->min_p * w->cand[0].p) m++;
        n = m;
    }
    double u = u01 * mass(w->cand, n);
    for (size_t i = 0; i + 1 < n; i++) {
        u -= w->cand[i].p;
        if (u < 0) return w->cand[i].id;
    }
    return w->cand[n - 1].id;
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
    if (id != TOK_NONE && o->n_top >= 0)
        sample_score(w, k, in->logits, in->n_logits ? in->n_logits : in->n_vocab, in->n_vocab,
                     id, o->n_top, out);
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
