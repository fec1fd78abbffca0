#include "kernel/route.h"

#include <math.h>
#include <string.h>

#include "kernel/kernel.h"

/* The index of the largest value; the lower one of equals. -1 when all are -inf. */
static int32_t best(const float *x, int32_t n)
{
    int32_t at = -1;
    float top = -INFINITY;
    for (int32_t i = 0; i < n; i++) {
        if (!(x[i] > top)) continue;
        top = x[i];
        at = i;
    }
    return at;
}

static float group_score(const float *z, int32_t n, bool group_max)
{
    float first = -INFINITY, second = -INFINITY;
    for (int32_t i = 0; i < n; i++) {
        if (z[i] > first) {
            second = first;
            first = z[i];
        } else if (z[i] > second) {
            second = z[i];
        }
    }
    return group_max || n == 1 ? first : first + second;
}

/* Sets the scores of all but the best groups to -inf. */
static void keep_groups(const struct route_opts *o, float *z)
{
    float score[ROUTE_MAX_EXPERT];
    bool kept[ROUTE_MAX_EXPERT] = {false};
    int32_t size = o->n_expert / o->n_group;
    for (int32_t g = 0; g < o->n_group; g++)
        score[g] = group_score(z + g * size, size, o->group_max);
    for (int32_t i = 0; i < o->topk_group; i++) {
        int32_t g = best(score, o->n_group);
        if (g < 0) break;
        kept[g] = true;
        score[g] = -INFINITY;
    }
    for (int32_t i = 0; i < o->n_expert; i++)
        if (!kept[i / size]) z[i] = -INFINITY;
}

void route_row(const struct route_opts *o, const struct kernels *k, const float *logits,
               int32_t *expert, float *weight)
{
    float s[ROUTE_MAX_EXPERT], z[ROUTE_MAX_EXPERT];
    size_t n = (size_t)o->n_expert;
    memcpy(s, logits, n * sizeof *s);
    if (o->sigmoid)
        k->elem.sigmoid(s, s, n);
    else
        (void)k->elem.softmax(s, n);
    for (size_t i = 0; i < n; i++) z[i] = o->bias ? s[i] + o->bias[i] : s[i];
    if (o->n_group > 1 && o->topk_group < o->n_group) keep_groups(o, z);
    float sum = 0;
    for (int32_t i = 0; i < o->n_used; i++) {
        int32_t e = best(z, o->n_expert);
        if (e < 0) e = i; /* every score is NaN: some expert, and the NaN goes on */
        expert[i] = e;
        weight[i] = s[e];
        sum += s[e];
        z[e] = -INFINITY;
    }
    float scale = o->normalise ? o->scale / (sum + 1e-20f) : o->scale;
    for (int32_t i = 0; i < o->n_used; i++) weight[i] *= scale;
}
