/* Every op's walk back against central differences (grad.h), alone and in use several times. */
#include "grad.h"

static void run(const char *what, void (*fill)(struct grad_rig *g),
                struct tensor *(*build)(struct grad_case *c), double h)
{
    struct grad_rig g;
    grad_open(&g, 2);
    fill(&g);
    g.c.build = build;
    grad_check(&g, what, h);
    grad_close(&g);
}

/* ---- rows ---------------------------------------------------------------------------------- */

static void fill_embed(struct grad_rig *g)
{
    grad_weight(g, 1, 11, 20, 1);
}
static struct tensor *embed(struct grad_case *c)
{
    static const int32_t ids[] = {3, 0, 3, 10, 3, 7};
    return op_embed(c->st, &c->w[0], ids, countof(ids));
}

static void fill_norm(struct grad_rig *g)
{
    grad_input(g, 130, 33, 1);
    grad_weight(g, 1, 0, 33, 0.2f);
}
static struct tensor *norm(struct grad_case *c)
{
    return op_rmsnorm(c->st, c->in[0].t, &c->w[0], 1e-5f);
}

static void fill_head_norm(struct grad_rig *g)
{
    grad_input(g, 70, 48, 1);
    grad_weight(g, 1, 0, 16, 0.2f);
}
/* Two readers: the second adds to a gradient that is there. */
static struct tensor *head_norm(struct grad_case *c)
{
    struct tensor *x = c->in[0].t;
    return op_add(c->st, op_rmsnorm(c->st, x, &c->w[0], 1e-5f), x);
}

static void fill_two(struct grad_rig *g)
{
    grad_input(g, 9, 24, 1);
    grad_input(g, 9, 24, 1);
}
static struct tensor *add(struct grad_case *c)
{
    struct tensor *a = c->in[0].t, *b = c->in[1].t;
    return op_add(c->st, op_add(c->st, a, b), op_add(c->st, b, a));
}
static struct tensor *swiglu(struct grad_case *c)
{
    struct tensor *a = c->in[0].t, *b = c->in[1].t;
    return op_swiglu(c->st, a, b);
}
static struct tensor *swiglu_shared(struct grad_case *c)
{
    struct tensor *a = c->in[0].t, *b = c->in[1].t;
    struct tensor *one = op_swiglu(c->st, a, b), *two = op_swiglu(c->st, b, a);
    return op_add(c->st, one, two);
}
static struct tensor *concat(struct grad_case *c)
{
    struct tensor *a = c->in[0].t, *b = c->in[1].t;
    struct tensor *both = op_concat(c->st, a, b), *again = op_concat(c->st, b, a);
    return op_add(c->st, both, again);
}
static struct tensor *cols(struct grad_case *c)
{
    struct tensor *left = op_cols(c->st, c->in[0].t, 0, 10);
    struct tensor *mid = op_cols(c->st, c->in[0].t, 5, 10);
    return op_add(c->st, op_add(c->st, left, mid), op_cols(c->st, c->in[1].t, 14, 10));
}
static struct tensor *pick(struct grad_case *c)
{
    static const int32_t idx[] = {8, 0, 0, 3, 8};
    return op_add(c->st, op_pick_rows(c->st, c->in[0].t, idx, countof(idx)),
                  op_pick_rows(c->st, c->in[1].t, idx, countof(idx)));
}

static struct tensor *rope(struct grad_case *c)
{
    static struct rope_freq f = {
        .freq = {1, 0.3f, 0.1f, 0.01f}, .n_pair = 4, .magnitude = 1.2f};
    static const int32_t pos[] = {0, 1, 2, 3, 4, 9, 20, 100, 1000};
    f.interleaved = !f.interleaved;
    const struct rope *r = op_rope_table(c->st, &f, pos, 9);
    f.interleaved = !f.interleaved;
    const struct rope *s = op_rope_table(c->st, &f, pos, 9);
    struct tensor *a = op_rope(c->st, c->in[0].t, 1, 11, 2, r);
    return op_add(c->st, a, op_rope(c->st, c->in[1].t, 0, 8, 3, s));
}

static void test_rows(void **state)
{
    (void)state;
    run("embed", fill_embed, embed, 1e-2);
    run("rmsnorm", fill_norm, norm, 3e-3);
    run("rmsnorm of heads", fill_head_norm, head_norm, 3e-3);
    run("add", fill_two, add, 1e-2);
    run("swiglu", fill_two, swiglu, 1e-2);
    run("swiglu shared", fill_two, swiglu_shared, 1e-2);
    run("concat", fill_two, concat, 1e-2);
    run("cols", fill_two, cols, 1e-2);
    run("pick", fill_two, pick, 1e-2);
    run("rope", fill_two, rope, 1e-2);
}

/* ---- products ------------------------------------------------------------------------------ */

static void fill_linear(struct grad_rig *g)
{
    grad_input(g, 37, 50, 1);
    grad_weight(g, 1, 70, 50, 0.2f);
    grad_weight(g, 1, 0, 70, 1);
    grad_weight(g, 1, 70, 50, 0.2f);
}
static struct tensor *linear(struct grad_case *c)
{
    struct tensor *x = c->in[0].t, *y = op_linear(c->st, x, &c->w[0], &c->w[1]);
    return op_add(c->st, y, op_linear(c->st, x, &c->w[2], NULL));
}

static void fill_few(struct grad_rig *g)
{
    grad_input(g, 3, 300, 1);
    grad_weight(g, 1, 40, 300, 0.2f);
}
static struct tensor *linear_few(struct grad_case *c)
{
    return op_linear(c->st, c->in[0].t, &c->w[0], NULL);
}

static void fill_heads(struct grad_rig *g)
{
    grad_input(g, 19, 3 * 20, 1);
    grad_weight(g, 3, 24, 12, 0.3f);
    grad_weight(g, 3, 24, 20, 0.3f);
}
static struct tensor *heads(struct grad_case *c)
{
    struct tensor *x = c->in[0].t, *y = op_linear_heads(c->st, x, 20, 5, &c->w[0]);
    return op_add(c->st, y, op_linear_heads(c->st, x, 20, 0, &c->w[1]));
}

static void test_products(void **state)
{
    (void)state;
    run("linear", fill_linear, linear, 1e-2);
    run("linear, few rows", fill_few, linear_few, 1e-2);
    run("linear of heads", fill_heads, heads, 1e-2);
}

/* ---- attention ----------------------------------------------------------------------------- */

enum { ROWS = 90 }; /* two sequences: 70, which needs two tiles, and 20 */
static int32_t row_seq[ROWS], row_pos[ROWS];

static void set_rows(void)
{
    for (int r = 0; r < ROWS; r++) {
        row_seq[r] = r >= 70;
        row_pos[r] = r < 70 ? r : r - 70;
    }
}

static void fill_gqa(struct grad_rig *g)
{
    set_rows();
    grad_input(g, ROWS, 4 * 16, 1);
    grad_input(g, ROWS, 2 * 16, 1);
    grad_input(g, ROWS, 2 * 24, 1);
}
static struct tensor *gqa(struct grad_case *c)
{
    static struct kv_layout l = {
        .n_layer = 1, .n_head_kv = 2, .d_k = 16, .d_v = 24, .dt = DT_F32};
    static struct kv_view kv = {.layout = &l, .row_seq = row_seq, .row_pos = row_pos};
    kv_layout_finish(&l);
    op_kv_store(c->st, &kv, 0, c->in[1].t, c->in[2].t);
    return op_attn(c->st, c->in[0].t, &kv, 0, 0.25f);
}

static void fill_latent(struct grad_rig *g)
{
    set_rows();
    grad_input(g, ROWS, 32 * 24, 1); /* two groups of heads */
    grad_input(g, ROWS, 24, 1);
}
/* The keys have another reader, and attention is used twice. */
static struct tensor *latent(struct grad_case *c)
{
    static struct kv_layout l = {
        .n_layer = 2, .n_head_kv = 1, .d_k = 24, .d_v = 16, .latent = true, .dt = DT_F32};
    static struct kv_view kv = {.layout = &l, .row_seq = row_seq, .row_pos = row_pos};
    kv_layout_finish(&l);
    op_kv_store(c->st, &kv, 1, c->in[1].t, NULL);
    struct tensor *y = op_attn(c->st, c->in[0].t, &kv, 1, 0.2f);
    struct tensor *z = op_attn(c->st, c->in[0].t, &kv, 1, 0.1f);
    return op_add(c->st, y, z);
}

static void fill_split(struct grad_rig *g)
{
    grad_input(g, 11, 3 * (8 + 6), 1);
    grad_input(g, 11, 4, 1);
}
static struct tensor *split(struct grad_case *c)
{
    struct tensor *k, *v, *k2, *v2;
    op_mla_split(c->st, c->in[0].t, c->in[1].t, 3, 8, 6, &k, &v);
    op_mla_split(c->st, c->in[0].t, c->in[1].t, 3, 8, 6, &k2, &v2);
    return op_add(c->st, op_concat(c->st, k, v), op_concat(c->st, k2, v2));
}

static void fill_query(struct grad_rig *g)
{
    grad_input(g, 11, 3 * 10, 1);
    grad_input(g, 11, 3 * (8 + 4), 1);
}
static struct tensor *query(struct grad_case *c)
{
    struct tensor *a = op_mla_query(c->st, c->in[0].t, c->in[1].t, 3, 4);
    return op_add(c->st, a, op_mla_query(c->st, c->in[0].t, c->in[1].t, 3, 4));
}

static void test_attention(void **state)
{
    (void)state;
    run("attention, grouped", fill_gqa, gqa, 3e-3);
    run("attention, latent", fill_latent, latent, 2e-3);
    run("mla split", fill_split, split, 1e-2);
    run("mla query", fill_query, query, 1e-2);
}

/* ---- experts ------------------------------------------------------------------------------- */

/* The choice of experts is a kink: with this correction every row chooses the same three. */
static float far_apart[8] = {0, 80, 10, 20, 0, 0, 5, 0};
static struct weight correction = {
    .name = "correction", .kind = WEIGHT_VECTOR, .n_in = 8, .data = far_apart};
static bool is_fixed;

static struct moe moe_of(struct grad_case *c, bool sigmoid, bool normalise)
{
    return (struct moe){.router = &c->w[0],
                        .correction = is_fixed ? &correction : NULL,
                        .gate = &c->w[1],
                        .up = &c->w[2],
                        .down = &c->w[3],
                        .n_expert = 8,
                        .n_used = 3,
                        .n_group = 4,
                        .topk_group = 2,
                        .sigmoid = sigmoid,
                        .normalise = normalise,
                        .group_max = !sigmoid,
                        .scale = 2.5f};
}

static void fill_moe(struct grad_rig *g)
{
    grad_input(g, 40, 24, 1);
    grad_weight(g, 8, 8, 24, 0.5f);
    g->c.w[0].n_stack = 1;
    grad_weight(g, 8, 36, 24, 0.3f);
    grad_weight(g, 8, 36, 24, 0.3f);
    grad_weight(g, 8, 24, 36, 0.3f);
}
static struct tensor *moe_v3(struct grad_case *c)
{
    struct moe m = moe_of(c, true, true);
    return op_moe(c->st, c->in[0].t, &m);
}
/* The input has another reader. */
static struct tensor *moe_v2(struct grad_case *c)
{
    struct moe m = moe_of(c, false, false);
    return op_add(c->st, op_moe(c->st, c->in[0].t, &m), c->in[0].t);
}
static struct tensor *moe_soft_norm(struct grad_case *c)
{
    struct moe m = moe_of(c, false, true);
    return op_moe(c->st, c->in[0].t, &m);
}

static void test_experts(void **state)
{
    (void)state;
    is_fixed = true;
    run("experts, sigmoid and normalised", fill_moe, moe_v3, 1e-2);
    run("experts, softmax", fill_moe, moe_v2, 1e-2);
    run("experts, softmax and normalised", fill_moe, moe_soft_norm, 1e-2);
    is_fixed = false; /* with these numbers no row changes its mind within so small a step */
    run("experts, free choice", fill_moe, moe_v3, 3e-4);
}

/* The balance loss alone: its value is reported by the watch, its gradient goes to the router. */
static struct moe_watch watch;

static double balance_loss(void *ctx)
{
    watch.loss = 0;
    (void)grad_forward(ctx);
    return watch.loss;
}

static void check_balance(bool sigmoid, bool by_sequence)
{
    struct grad_rig g;
    int64_t load[8] = {0}, *loads[] = {load};
    static int32_t seq[40];
    for (int i = 0; i < 40; i++) seq[i] = i >= 25;
    grad_open(&g, 2);
    fill_moe(&g);
    g.c.build = sigmoid ? moe_v3 : moe_soft_norm;
    watch = (struct moe_watch){.load = loads,
                               .alpha = 3,
                               .by_sequence = by_sequence,
                               .row_seq = seq,
                               .n_seq = 2,
                               .row_weight = 0.5};
    g.step.watch = &watch;
    is_fixed = true;
    memset(g.scale, 0, (1 << 16) * sizeof(float)); /* nothing but the balance */
    grad_backward(&g);
    int64_t sum = 0;
    for (int i = 0; i < 8; i++) sum += load[i];
    assert_int_equal(sum, 40 * 3);
    double d = grad_compare(g.c.w[0].data, g.c.w[0].grad, 8 * 24, 1e-2, 5, balance_loss, &g);
    if (!(d <= GRAD_TOLERANCE))
        fail_msg("balance, sigmoid %d: router differs by %g", sigmoid, d);
    d = grad_compare(g.c.in[0].value, g.c.in[0].grad, 40 * 24, 1e-2, 6, balance_loss, &g);
    if (!(d <= GRAD_TOLERANCE))
        fail_msg("balance, sigmoid %d: input differs by %g", sigmoid, d);
    grad_close(&g);
}

static void test_balance(void **state)
{
    (void)state;
    check_balance(true, true);
    check_balance(false, false);
}

/* ---- loss and segments --------------------------------------------------------------------- */

static void fill_nll(struct grad_rig *g)
{
    grad_input(g, 21, 40, 2);
}
static struct tensor *nll(struct grad_case *c)
{
    static int32_t target[21];
    for (int i = 0; i < 21; i++) target[i] = i % 5 == 4 ? -1 : i * 7 % 40;
    return op_nll(c->st, c->in[0].t, target);
}

static void test_loss(void **state)
{
    (void)state;
    run("nll", fill_nll, nll, 1e-2);
}

struct seg_ctx {
    struct grad_case *c;
};
static struct tensor *segment(struct step *st, struct tensor *x, void *ctx)
{
    struct grad_case *c = ((struct seg_ctx *)ctx)->c;
    struct tensor *h = op_rmsnorm(st, x, &c->w[0], 1e-5f);
    h = op_linear(st, h, &c->w[1], NULL);
    return op_add(st, x, h);
}
static void fill_segment(struct grad_rig *g)
{
    grad_input(g, 30, 32, 1);
    grad_weight(g, 1, 0, 32, 0.2f);
    grad_weight(g, 1, 32, 32, 0.2f);
}
static struct tensor *segments(struct grad_case *c)
{
    struct seg_ctx s = {c};
    struct tensor *x = tape_segment(c->st, c->in[0].t, segment, &s, sizeof s);
    return tape_segment(c->st, x, segment, &s, sizeof s);
}

/* Recomputing changes no bit, nor does the number of threads. */
static void test_segments(void **state)
{
    (void)state;
    float *want = NULL;
    for (int i = 0; i < 4; i++) {
        struct grad_rig g;
        grad_open(&g, i < 2 ? 1 : 3);
        g.tape.recompute = i % 2;
        fill_segment(&g);
        g.c.build = segments;
        if (i == 1)
            grad_check(&g, "segments", 3e-3);
        else
            grad_backward(&g);
        float *got = g.c.w[1].grad;
        if (!want) {
            want = mem_alloc(32 * 32 * sizeof *want);
            memcpy(want, got, 32 * 32 * sizeof *want);
        }
        assert_memory_equal(want, got, 32 * 32 * sizeof *want);
        grad_close(&g);
    }
    mem_free(want);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),      cmocka_unit_test(test_products),
        cmocka_unit_test(test_attention), cmocka_unit_test(test_experts),
        cmocka_unit_test(test_balance),   cmocka_unit_test(test_loss),
        cmocka_unit_test(test_segments),
    };
    return cmocka_run_group_tests_name("gradients of ops", tests, NULL, NULL);
}
