/* route.c - choosing experts for a token. Plain C for all ISAs: a row has at most 512 scores, and
 * one pass that keeps the few best in order costs about a microsecond. */
#include "kernel/route.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#include "kernel/kernel.h"

/* Whether a takes the place of b, which has the lower index. */
static bool beats(float a, float b)
{
    return a > b || (isnan(b) && !isnan(a));
}

/* The two largest of n > 0 numbers; -inf where there is no second. */
static void top_two(const float *x, size_t n, float *first, float *second)
{
    *first = x[0];
    *second = -INFINITY;
    for (size_t i = 1; i < n; i++) {
        if (beats(x[i], *first)) {
            *second = *first;
            *first = x[i];
        } else if (beats(x[i], *second)) {
            *second = x[i];
        }
    }
}

/* Indices of the n best of n_all scores, best first, without those marked in `out` (may be NULL).
 * Fewer when fewer are left; returns how many. */
static size_t choose(int32_t *best, size_t n, const float *score, const bool *out, size_t n_all)
{
    size_t have = 0;
    for (size_t i = 0; i < n_all; i++) {
        if (out && out[i]) continue;
        if (have == n && !beats(score[i], score[best[n - 1]])) continue;
        size_t at = have < n ? have++ : n - 1;
        for (; at && beats(score[i], score[best[at - 1]]); at--) best[at] = best[at - 1];
        best[at] = (int32_t)i;
    }
    return have;
}

/* Marks the experts of all but the group_used best groups. */
static void drop_groups(const struct route_opts *o, const float *score, bool *out)
{
    float of_group[ROUTE_MAX_EXPERT];
    int32_t kept[ROUTE_MAX_EXPERT];
    size_t n_expert = (size_t)o->n_expert, n_group = (size_t)o->n_group;
    size_t size = n_expert / n_group;
    for (size_t g = 0; g < n_group; g++) {
        float first, second;
        top_two(score + g * size, size, &first, &second);
        of_group[g] = o->group_max || size == 1 ? first : first + second;
    }
    for (size_t i = 0; i < n_expert; i++) out[i] = true;
    size_t n = choose(kept, (size_t)o->topk_group, of_group, NULL, n_group);
    for (size_t j = 0; j < n; j++)
        for (size_t i = 0; i < size; i++) out[(size_t)kept[j] * size + i] = false;
}

void route_row(const struct route_opts *o, const struct kernels *k, const float *logits,
               int32_t *expert, float *weight)
{
    float s[ROUTE_MAX_EXPERT], biased[ROUTE_MAX_EXPERT], sum = 0.0f;
    bool out[ROUTE_MAX_EXPERT] = {false};
    size_t n_expert = (size_t)o->n_expert, n_used = (size_t)o->n_used;
    memcpy(s, logits, n_expert * sizeof *s);
    if (o->sigmoid)
        k->elem.sigmoid(s, s, n_expert);
    else
        (void)k->elem.softmax(s, n_expert);
    for (size_t i = 0; i < n_expert; i++) biased[i] = o->bias ? s[i] + o->bias[i] : s[i];
    if (o->n_group > 1) drop_groups(o, biased, out);
    size_t n = choose(expert, n_used, biased, out, n_expert);
    assert(n == n_used);
    (void)n;
    for (size_t j = 0; j < n_used; j++) {
        weight[j] = s[expert[j]];
        sum = sum + weight[j];
    }
    for (size_t j = 0; j < n_used; j++) {
        if (o->normalise) weight[j] = weight[j] / (sum + 1e-20f);
        weight[j] = weight[j] * o->scale;
    }
}
