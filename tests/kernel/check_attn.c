/* check_attn.c - kernel/attn.h: every level equals ref bit for bit; ref is near softmax attention
 * in double; a row's bits depend on nothing but the row. */
#include "check.h"

/* One job with its own arrays. Blocks are separate allocations that end at a guard page: the last
 * block holds only the tokens that some row sees. */
struct setup {
    struct attn_job job;
    const void *k[64], *v[64];
    int32_t pos[600];
    float *want, *got, *want_lse, *got_lse;
};

enum mode { KV, MLA /* values are the first d_v of the keys */ };

static size_t row_bytes(enum dtype dt, size_t n)
{
    size_t bytes = 0;
    if (dtype_row_bytes(dt, n, &bytes)) check_fail("no row of %zu", n);
    return bytes;
}

static void fill_block(void *dst, enum dtype dt, size_t n, size_t d, enum check_fill fill)
{
    float *x = check_f32(d, CHECK_TAIL, fill);
    for (size_t t = 0; t < n; t++) {
        check_fill(x, d, fill);
        check_ref()->elem.from_f32(dt, (unsigned char *)dst + t * row_bytes(dt, d), x, d);
    }
}

static void set_up(struct setup *s, size_t n_row, size_t n_rep, size_t d_k, size_t d_v,
                   size_t last, enum dtype dt, enum mode mode, enum check_fill fill)
{
    size_t kb = row_bytes(dt, d_k), vb = mode == MLA ? kb : row_bytes(dt, d_v);
    s->job = (struct attn_job){.n_row = n_row,
                               .n_rep = n_rep,
                               .d_k = d_k,
                               .d_v = d_v,
                               .pos = s->pos,
                               .k = s->k,
                               .v = mode == MLA ? s->k : s->v,
                               .k_stride = kb,
                               .v_stride = vb,
                               .k_dt = dt,
                               .v_dt = dt,
                               .scale = 0.7f / sqrtf((float)d_k),
                               .out_stride = n_rep * d_v + 3,
                               .q_head = d_k + 1};
    struct attn_job *job = &s->job;
    job->q_stride = n_rep * job->q_head + 2;
    for (size_t r = 0; r < n_row; r++)
        s->pos[r] = (int32_t)(last >= n_row ? last - n_row + 1 + r : r * last / n_row);
    size_t n_key = (size_t)s->pos[n_row - 1] + 1;
    for (size_t b = 0; b * ATTN_BLOCK < n_key; b++) {
        size_t n = size_min(n_key - b * ATTN_BLOCK, ATTN_BLOCK);
        void *k = check_alloc(n * kb, CHECK_TAIL), *v = check_alloc(n * vb, CHECK_TAIL);
        fill_block(k, dt, n, d_k, fill);
        if (mode == KV) fill_block(v, dt, n, d_v, fill);
        s->k[b] = k;
        s->v[b] = v;
    }
    job->q = check_f32(n_row * job->q_stride, CHECK_TAIL, fill);
    job->scratch = check_alloc(attn_scratch_bytes(d_k, d_v, n_rep), CHECK_ALIGN);
    s->want = check_alloc(n_row * job->out_stride * 4, CHECK_TAIL);
    s->got = check_alloc(n_row * job->out_stride * 4, CHECK_TAIL);
    s->want_lse = check_alloc(n_row * n_rep * 4, CHECK_TAIL);
    s->got_lse = check_alloc(n_row * n_rep * 4, CHECK_TAIL);
}

static void run_one(const struct kernels *k, struct setup *s, float *out, float *lse)
{
    memset(s->job.scratch, 0xff, attn_scratch_bytes(s->job.d_k, s->job.d_v, s->job.n_rep));
    s->job.out = out;
    s->job.lse = lse;
    k->attn.run(&s->job);
}

static void compare(struct setup *s, const char *what)
{
    const struct attn_job *job = &s->job;
    run_one(check_ref(), s, s->want, s->want_lse);
    for (int i = 0; i < check_n_level(); i++) {
        const struct kernels *k = check_level(i);
        const char *level = cpu_level_name(k->level);
        run_one(k, s, s->got, s->got_lse);
        check_same(s->want, s->got, job->n_row * job->out_stride, "%s: %s %s %zux%zu d=%zu,%zu",
                   what, level, dtype_name(job->k_dt), job->n_row, job->n_rep, job->d_k,
                   job->d_v);
        check_same(s->want_lse, s->got_lse, job->n_row * job->n_rep, "%s lse: %s %zux%zu", what,
                   level, job->n_row, job->n_rep);
    }
}

static const enum dtype types[] = {DT_F32, DT_F16, DT_BF16, DT_Q8_0};

static void decode(void)
{
    static const size_t reps[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 16};
    static const size_t lasts[] = {0, 1, 15, 16, 40, 63, 64, 65, 130, 207};
    struct setup s;
    for (size_t t = 0; t < countof(types); t++)
        for (size_t i = 0; i < countof(reps); i++)
            for (size_t j = i % 2; j < countof(lasts); j += 2) {
                set_up(&s, 1, reps[i], 64, 96, lasts[j], types[t], KV, CHECK_NORMAL);
                compare(&s, "decode");
                check_free(0);
            }
}

static void prefill(void)
{
    static const size_t rows[] = {2, 5, 8, 17, 33, 70, 150};
    static const size_t reps[] = {1, 3, 7};
    struct setup s;
    for (size_t i = 0; i < countof(rows); i++)
        for (size_t j = 0; j < countof(reps); j++) {
            set_up(&s, rows[i], reps[j], 32, 32, rows[i] + 20 * j, types[(i + j) % 4], KV,
                   CHECK_NORMAL);
            compare(&s, "prefill");
            check_free(0);
            set_up(&s, rows[i], reps[j], 64, 32, 170, types[(i + j + 1) % 4], KV, CHECK_NORMAL);
            compare(&s, "chunk");
            check_free(0);
        }
}

static void latent(void)
{
    struct setup s;
    for (size_t t = 0; t < countof(types); t++) {
        set_up(&s, 1, 16, 576, 512, 100, types[t], MLA, CHECK_NORMAL);
        compare(&s, "latent");
        check_free(0);
    }
    set_up(&s, 2, 70, 576, 512, 70, DT_F16, MLA, CHECK_NORMAL);
    compare(&s, "latent");
    check_free(0);
}

static void odd_dims(void)
{
    struct setup s;
    for (size_t d = 1; d < 68; d += d < 20 ? 1 : 7) {
        set_up(&s, 3, 3, d, 68 - d, 33 + d, types[d % 3], KV, CHECK_NORMAL);
        compare(&s, "odd dims");
        check_free(0);
    }
}

/* Zeros, denormals, huge numbers; then also Inf and NaN. */
static void strange_numbers(void)
{
    struct setup s;
    for (int i = 0; i < 24; i++) {
        enum check_fill fill = i % 2 ? CHECK_EXTREME : CHECK_FINITE;
        set_up(&s, (size_t)(1 + i), 2, i % 3 ? 8 : 32, 32, 90,
               types[i % 4 == 3 && i % 3 ? 0 : i % 4], KV, fill);
        if (fill == CHECK_EXTREME && i % 4 == 1) s.job.scale = 1e-30f;
        compare(&s, "strange numbers");
        check_free(0);
    }
}

/* Against softmax attention in double. */
static void near_truth(void)
{
    struct setup s;
    for (int i = 0; i < 3; i++) {
        set_up(&s, 9, 2, 48, 40, 150, DT_F32, KV, CHECK_NORMAL);
        if (i == 2) s.job.scale = 30; /* sharp */
        run_one(kernels(), &s, s.got, s.got_lse);
        const struct attn_job *job = &s.job;
        for (size_t r = 0; r < job->n_row; r++)
            for (size_t h = 0; h < job->n_rep; h++) {
                const float *q = job->q + r * job->q_stride + h * job->q_head;
                double w[256], top = -INFINITY, sum = 0;
                size_t n = (size_t)job->pos[r] + 1;
                for (size_t t = 0; t < n; t++) {
                    const float *k = (const float *)job->k[t / 16] + t % 16 * job->d_k;
                    w[t] = 0;
                    for (size_t d = 0; d < job->d_k; d++) w[t] += (double)q[d] * (double)k[d];
                    w[t] *= (double)job->scale;
                    top = fmax(top, w[t]);
                }
                for (size_t t = 0; t < n; t++) sum += w[t] = exp(w[t] - top);
                for (size_t d = 0; d < job->d_v; d++) {
                    double o = 0;
                    for (size_t t = 0; t < n; t++)
                        o += w[t] *
                             (double)((const float *)job->v[t / 16])[t % 16 * job->d_v + d];
                    double got = (double)s.got[r * job->out_stride + h * job->d_v + d];
                    /* errors of the scores, up to 2e-7 of their size, are errors of log w */
                    if (fabs(got - o / sum) > (i == 2 ? 3e-4 : 3e-6))
                        check_fail("row %zu dim %zu: %g, want %g", r, d, got, o / sum);
                }
                double lse = log(sum) + top, got = (double)s.got_lse[r * job->n_rep + h];
                if (fabs(got - lse) > 1e-6 * fmax(1, fabs(lse)))
                    check_fail("lse %g, %g", got, lse);
            }
        check_free(0);
    }
}

/* Rows cut into other jobs, other neighbours, other garbage past the row's own position: the same
 * bits. A NaN that a later row may see must not reach an earlier one. */
static void row_alone(void)
{
    struct setup s;
    for (int i = 0; i < 6; i++) {
        enum dtype dt = types[i % 4];
        set_up(&s, 37, 3, 64, 64, (size_t)(36 + 41 * (i / 2)), dt, KV, CHECK_FINITE);
        struct attn_job *job = &s.job;
        const struct kernels *k = kernels();
        run_one(k, &s, s.want, s.want_lse);
        for (size_t r = 0; r < 37; r++) {
            struct setup one = s;
            size_t b = (size_t)s.pos[r] / ATTN_BLOCK, in = (size_t)s.pos[r] % ATTN_BLOCK + 1;
            /* the same block with NaN behind the row's position */
            unsigned char *kb = check_alloc(ATTN_BLOCK * job->k_stride, CHECK_TAIL);
            unsigned char *vb = check_alloc(ATTN_BLOCK * job->v_stride, CHECK_TAIL);
            memset(kb, 0xff, ATTN_BLOCK * job->k_stride);
            memset(vb, 0xff, ATTN_BLOCK * job->v_stride);
            memcpy(kb, job->k[b], in * job->k_stride);
            memcpy(vb, job->v[b], in * job->v_stride);
            one.k[b] = kb;
            one.v[b] = vb;
            one.job.k = one.k;
            one.job.v = one.v;
            one.job.q = job->q + r * job->q_stride;
            one.job.pos = s.pos + r;
            one.job.n_row = 1;
            run_one(k, &one, s.got, s.got_lse);
            check_same(s.want + r * job->out_stride, s.got, job->n_rep * job->d_v,
                       "row %zu of %s alone", r, dtype_name(dt));
            check_same(s.want_lse + r * job->n_rep, s.got_lse, job->n_rep, "lse alone");
            /* one head alone */
            one.job.n_rep = 1;
            one.job.q += job->q_head;
            run_one(k, &one, s.got, NULL);
            check_same(s.want + r * job->out_stride + job->d_v, s.got, job->d_v,
                       "head 1 of row %zu alone", r);
            check_free(check_state.n_array - 2);
        }
        /* rows in another order: two copies of one block table's rows, backwards */
        struct setup back = s;
        float *q = check_alloc(37 * job->q_stride * 4, CHECK_TAIL);
        for (size_t r = 0; r < 37; r++) {
            back.pos[r] = s.pos[36 - r];
            memcpy(q + r * job->q_stride, job->q + (36 - r) * job->q_stride, job->q_stride * 4);
        }
        back.job.q = q;
        back.job.pos = back.pos;
        run_one(k, &back, s.got, s.got_lse);
        for (size_t r = 0; r < 37; r++)
            check_same(s.want + (36 - r) * job->out_stride, s.got + r * job->out_stride,
                       job->n_rep * job->d_v, "row %zu backwards", r);
        check_free(0);
    }
}

int main(void)
{
    static const struct check_case cases[] = {
        {"decode", decode},
        {"prefill", prefill},
        {"latent", latent},
        {"odd_dims", odd_dims},
        {"strange_numbers", strange_numbers},
        {"near_truth", near_truth},
        {"row_alone", row_alone},
    };
    return check_main("attn", cases, countof(cases));
}
