/* check_route.c - routing against the formulas of models.md 6 written down naively in double, with
 * the masked groups at -inf and a sort that keeps the order of equals. */
#include "check.h"

#include "kernel/route.h"

struct naive {
    double s[512], z[512];
    size_t order[512], n;
};

/* Stable descending order of z. */
static void sort(size_t *order, const double *z, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        size_t at = i;
        while (at && z[order[at - 1]] < z[i]) {
            order[at] = order[at - 1];
            at--;
        }
        order[at] = i;
    }
}

static void naive_route(struct naive *a, const struct route_opts *r, const float *logit,
                        double *weight)
{
    double top = -HUGE_VAL, sum = 0;
    size_t n = (size_t)r->n_expert, n_group = (size_t)r->n_group, size = n / n_group;
    size_t topk = (size_t)r->topk_group, n_used = (size_t)r->n_used;
    for (size_t i = 0; i < n; i++) top = fmax(top, (double)logit[i]);
    for (size_t i = 0; i < n; i++) sum += exp((double)logit[i] - top);
    for (size_t i = 0; i < n; i++) {
        a->s[i] =
            r->sigmoid ? 1 / (1 + exp(-(double)logit[i])) : exp((double)logit[i] - top) / sum;
        a->z[i] = a->s[i] + (r->bias ? (double)r->bias[i] : 0);
    }
    double g[512];
    for (size_t j = 0; j < n_group; j++) {
        size_t order[512];
        sort(order, a->z + j * size, size);
        g[j] = a->z[j * size + order[0]];
        if (!r->group_max) g[j] += a->z[j * size + order[1]];
    }
    size_t groups[512];
    sort(groups, g, n_group);
    for (size_t j = topk; j < n_group; j++)
        for (size_t i = 0; i < size; i++) a->z[groups[j] * size + i] = -HUGE_VAL;
    sort(a->order, a->z, n);
    double chosen = 0;
    for (size_t j = 0; j < n_used; j++) chosen += a->s[a->order[j]];
    for (size_t j = 0; j < n_used; j++) {
        weight[j] = a->s[a->order[j]];
        if (r->normalise) weight[j] /= chosen + 1e-20;
        weight[j] *= (double)r->scale;
    }
}

static void against_naive(const struct route_opts *proto, bool with_bias)
{
    static struct naive a;
    float logit[512], bias[512];
    struct route_opts r = *proto;
    size_t n_used = (size_t)r.n_used;
    if (with_bias) r.bias = bias;
    for (int round = 0; round < 300; round++) {
        /* every third round from few values: many ties */
        for (size_t i = 0; i < (size_t)r.n_expert; i++) {
            logit[i] = check_number(CHECK_NORMAL);
            bias[i] = 0.1f * check_number(CHECK_NORMAL);
            if (round % 3) continue;
            logit[i] = (float)rng_below(&check_state.rng, 3);
            bias[i] = 0;
        }
        int32_t expert[16];
        float weight[16];
        double want[16];
        route_row(&r, kernels(), logit, expert, weight);
        naive_route(&a, &r, logit, want);
        for (size_t j = 0; j < n_used; j++) {
            if ((size_t)expert[j] != a.order[j])
                check_fail("round %d rank %zu: expert %d, want %zu", round, j, (int)expert[j],
                           a.order[j]);
            if (fabs((double)weight[j] - want[j]) > 1e-6 * fabs(want[j]))
                check_fail("round %d rank %zu: weight %g, want %g", round, j, (double)weight[j],
                           want[j]);
        }
        for (int i = 0; i < check_n_level(); i++) {
            int32_t e2[16];
            float w2[16];
            route_row(&r, check_level(i), logit, e2, w2);
            check_same_bytes(expert, e2, n_used * 4, "experts of another level");
            check_same(weight, w2, n_used, "weights of another level");
        }
    }
}

static void v3(void)
{
    struct route_opts r = {256, 8, 8, 4, true, false, true, 2.5f, NULL};
    against_naive(&r, true);
}

static void v2(void)
{
    struct route_opts r = {160, 6, 8, 3, false, true, false, 16, NULL};
    against_naive(&r, false);
}

static void v2_lite(void)
{
    struct route_opts r = {64, 6, 1, 1, false, true, false, 1, NULL};
    against_naive(&r, false);
}

static void small(void)
{
    struct route_opts r = {8, 2, 4, 2, true, false, true, 1, NULL};
    against_naive(&r, true);
    r = (struct route_opts){512, 16, 1, 1, false, true, true, 1, NULL};
    against_naive(&r, false);
}

/* Masked groups are out even when all that is left is negative (models.md 6.3). */
static void masked_means_minus_infinity(void)
{
    float logit[8] = {0}, bias[8] = {-3, -3, -4, -4, -5, -5, -6, -6}, weight[4];
    int32_t expert[4];
    struct route_opts r = {8, 4, 4, 2, true, false, false, 1, bias};
    route_row(&r, kernels(), logit, expert, weight);
    for (int i = 0; i < 4; i++) check_true(expert[i] == i && weight[i] == 0.5f);
}

static void equal_scores(void)
{
    float logit[64] = {0}, weight[6];
    int32_t expert[6];
    struct route_opts r = {64, 6, 8, 3, false, true, true, 1, NULL};
    route_row(&r, kernels(), logit, expert, weight);
    for (int i = 0; i < 6; i++) check_true(expert[i] == i);
}

static void nan_loses(void)
{
    float logit[4] = {NAN, 1, NAN, 2}, weight[4];
    int32_t expert[4];
    struct route_opts r = {4, 4, 1, 1, true, false, false, 1, NULL};
    route_row(&r, kernels(), logit, expert, weight);
    check_true(expert[0] == 3 && expert[1] == 1 && expert[2] == 0 && expert[3] == 2);
    check_true(isnan(weight[2]) && isnan(weight[3]));
}

int main(void)
{
    static const struct check_case cases[] = {
        {"v3", v3},
        {"v2", v2},
        {"v2_lite", v2_lite},
        {"small", small},
        {"masked_means_minus_infinity", masked_means_minus_infinity},
        {"equal_scores", equal_scores},
        {"nan_loses", nan_loses},
    };
    return check_main("route", cases, countof(cases));
}
