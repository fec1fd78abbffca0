/* check_attn.c - kernel/attn.h: every level equals ref bit for bit; ref is near softmax attention
 * in double; a row's bits depend on nothing but the row. */
#include "check.h"

#include "base/mem.h"

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
    static const size_t reps[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 16, 32};
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
    static const size_t reps[] = {1, 3, 7, 16};
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
    set_up(&s, 5, 48, 576, 512, 130, DT_F16, MLA, CHECK_NORMAL);
    compare(&s, "latent");
    check_free(0);
}

static void odd_dims(void)
{
    struct setup s;
    for (size_t d = 1; d < 68; d += d < 20 ? 1 : 7) {
        for (size_t rep = 3; rep <= 16; rep += 13) {
            set_up(&s, 3, rep, d, 68 - d, 33 + d, types[d % 3], KV, CHECK_NORMAL);
            compare(&s, "odd dims");
            check_free(0);
        }
    }
}

/* Zeros, denormals, huge numbers; then also Inf and NaN. */
static void strange_numbers(void)
{
    struct setup s;
    for (int i = 0; i < 24; i++) {
        enum check_fill fill = i % 2 ? CHECK_EXTREME : CHECK_FINITE;
        set_up(&s, (size_t)(1 + i), i % 5 ? 2 : 16, i % 3 ? 8 : 32, 32, 90,
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
                double w[256], top = -HUGE_VAL, sum = 0;
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
    for (int i = 0; i < 9; i++) {
        enum dtype dt = types[i % 4];
        set_up(&s, 37, i < 6 ? 3 : 16, 64, 64, (size_t)(36 + 41 * (i / 2)), dt, KV,
               CHECK_FINITE);
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

/* Rows of several sequences that share their first positions, named by a list out of order: every
 * level as ref, and every row as it is alone. */
static void shared(void)
{
    static const struct {
        size_t n_row, n_rep, d_k, d_v, common;
        enum mode mode;
    } shapes[] = {
        {3, 4, 80, 64, 64, MLA},   {2, 1, 64, 64, 128, KV},   {9, 6, 128, 128, 64, KV},
        {5, 16, 96, 64, 128, MLA}, {4, 2, 40, 24, 64, KV},    {11, 4, 80, 64, 0, MLA},
        {3, 48, 64, 64, 64, MLA},  {5, 7, 64, 96, 0, KV},     {6, 13, 64, 64, 128, KV},
        {21, 8, 192, 128, 64, KV}, {2, 32, 576, 512, 64, MLA}};
    enum { MOST = 21, MORE = 150 };
    struct setup s, other;
    const void *k[MOST][32], *v[MOST][32];
    struct attn_own own[MOST];
    int32_t list[MOST], pos[MOST];
    for (size_t i = 0; i < 2 * countof(shapes); i++) {
        size_t at = i % countof(shapes), n = shapes[at].n_row, common = shapes[at].common;
        size_t n_rep = shapes[at].n_rep, d_k = shapes[at].d_k, d_v = shapes[at].d_v;
        enum dtype dt = types[i % 4];
        if (dt == DT_Q8_0 && (d_k % 32 || d_v % 32)) dt = DT_F16;
        set_up(&s, n, n_rep, d_k, d_v, common + MORE, dt, shapes[at].mode, CHECK_NORMAL);
        struct attn_job *job = &s.job;
        for (size_t r = 0; r < n; r++) {
            /* the i-th in the list is row n - 1 - i; one sees only what is common, and one less */
            size_t last = common + r * 37 % MORE;
            if (r == 1 && common) last = common - 1;
            if (r == 2 && common) last = common - 30;
            list[r] = (int32_t)(n - 1 - r);
            pos[list[r]] = (int32_t)last;
            set_up(&other, 1, n_rep, d_k, d_v, last, dt, shapes[at].mode, CHECK_NORMAL);
            for (size_t b = 0; b < last / ATTN_BLOCK + 1; b++) {
                bool mine = b * ATTN_BLOCK >= common;
                k[r][b] = mine ? other.job.k[b] : s.k[b];
                v[r][b] = mine ? other.job.v[b] : job->v[b];
            }
            own[r] = (struct attn_own){k[r], v[r]};
        }
        job->row = list;
        job->pos = pos;
        job->own = own;
        job->common = common;
        memset(s.want, 0, n * job->out_stride * 4);
        memset(s.got, 0, n * job->out_stride * 4);
        compare(&s, "shared");
        for (size_t r = 0; r < n; r++) {
            struct setup one = s;
            one.job.row = &list[r];
            one.job.n_row = 1;
            one.job.own = NULL;
            one.job.k = k[r];
            one.job.v = v[r];
            run_one(kernels(), &one, s.got, s.got_lse);
            size_t row = (size_t)list[r];
            check_same(s.want + row * job->out_stride, s.got + row * job->out_stride,
                       n_rep * d_v, "shared row %zu alone", r);
            check_same(s.want_lse + row * n_rep, s.got_lse + row * n_rep, n_rep,
                       "lse of shared row %zu alone", r);
        }
        check_free(0);
    }
}

/* ---- backward ------------------------------------------------------------------------------ */

struct back_setup {
    struct attn_back_job job;
    int32_t pos[400];
    size_t nq, nk, nv, no; /* lengths of the arrays q, k, v, out */
};

static void set_up_back(struct back_setup *s, size_t n_row, size_t n_rep, size_t n_key,
                        size_t d_k, size_t d_v, enum check_fill fill)
{
    s->job = (struct attn_back_job){.n_row = n_row,
                                    .n_rep = n_rep,
                                    .n_key = n_key,
                                    .d_k = d_k,
                                    .d_v = d_v,
                                    .pos = s->pos,
                                    .scale = 1 / sqrtf((float)d_k),
                                    .q_head = d_k + 1,
                                    .q_stride = n_rep * (d_k + 1) + 2,
                                    .out_head = d_v,
                                    .out_stride = n_rep * d_v + 1,
                                    .k_stride = d_k + 3,
                                    .v_stride = d_v};
    struct attn_back_job *job = &s->job;
    for (size_t r = 0; r < n_row; r++)
        s->pos[r] = (int32_t)(n_key >= n_row ? n_key - n_row + r : r * n_key / n_row);
    s->nq = n_row * job->q_stride;
    s->nk = n_key * job->k_stride;
    s->nv = n_key * job->v_stride;
    s->no = n_row * job->out_stride;
    job->q = check_f32(s->nq, CHECK_TAIL, fill);
    job->k = check_f32(s->nk, CHECK_TAIL, fill);
    job->v = check_f32(s->nv, CHECK_TAIL, fill);
    job->dout = check_f32(s->no, CHECK_TAIL, fill);
}

/* out and lse by the forward kernel; keys and values as one block table. */
static void forward(struct back_setup *s, const struct kernels *k, float *out, float *lse)
{
    const struct attn_back_job *b = &s->job;
    const void *kb[32], *vb[32];
    for (size_t i = 0; i * ATTN_BLOCK < b->n_key; i++) {
        kb[i] = b->k + i * ATTN_BLOCK * b->k_stride;
        vb[i] = b->v + i * ATTN_BLOCK * b->v_stride;
    }
    void *scratch = mem_alloc(attn_scratch_bytes(b->d_k, b->d_v, b->n_rep));
    struct attn_job job = {.out = out,
                           .out_stride = b->out_stride,
                           .q = b->q,
                           .q_stride = b->q_stride,
                           .q_head = b->q_head,
                           .n_row = b->n_row,
                           .n_rep = b->n_rep,
                           .d_k = b->d_k,
                           .d_v = b->d_v,
                           .pos = b->pos,
                           .k = kb,
                           .v = vb,
                           .k_stride = b->k_stride * 4,
                           .v_stride = b->v_stride * 4,
                           .k_dt = DT_F32,
                           .v_dt = DT_F32,
                           .scale = b->scale,
                           .lse = lse,
                           .scratch = scratch};
    k->attn.run(&job);
    mem_free(scratch);
}

static void run_back(const struct kernels *k, struct back_setup *s, float *dq, float *dk,
                     float *dv)
{
    struct attn_back_job *job = &s->job;
    size_t bytes = attn_back_scratch_bytes(job->n_row * job->n_rep, job->d_k, job->d_v);
    job->scratch = check_alloc(bytes, CHECK_ALIGN);
    memset(job->scratch, 0xff, bytes);
    job->dq = dq;
    job->dk = dk;
    job->dv = dv;
    k->attn.back(job);
}

static void compare_back(struct back_setup *s)
{
    struct attn_back_job *job = &s->job;
    float *out = check_alloc(s->no * 4, CHECK_TAIL);
    float *lse = check_alloc(job->n_row * job->n_rep * 4, CHECK_TAIL);
    forward(s, check_ref(), out, lse);
    job->out = out;
    job->lse = lse;
    float *dq[2], *dk[2], *dv[2];
    for (int i = 0; i < 2; i++) {
        dq[i] = check_alloc(s->nq * 4, CHECK_TAIL);
        dk[i] = check_alloc(s->nk * 4, CHECK_TAIL);
        dv[i] = check_alloc(s->nv * 4, CHECK_TAIL);
    }
    run_back(check_ref(), s, dq[0], dk[0], dv[0]);
    for (int i = 0; i < check_n_level(); i++) {
        const char *level = cpu_level_name(check_level(i)->level);
        run_back(check_level(i), s, dq[1], dk[1], dv[1]);
        check_same(dq[0], dq[1], s->nq, "dq: %s %zux%zu d=%zu,%zu", level, job->n_row,
                   job->n_rep, job->d_k, job->d_v);
        check_same(dk[0], dk[1], s->nk, "dk: %s %zux%zu", level, job->n_row, job->n_rep);
        check_same(dv[0], dv[1], s->nv, "dv: %s %zux%zu", level, job->n_row, job->n_rep);
    }
    check_free(0);
}

static void backward(void)
{
    struct back_setup s;
    static const size_t rows[] = {1, 2, 9, 16, 33, 64, 65, 100, 150};
    for (size_t i = 0; i < countof(rows); i++) {
        set_up_back(&s, rows[i], 1 + i % 3, rows[i], 32, 32, CHECK_NORMAL);
        compare_back(&s);
        set_up_back(&s, rows[i], 1 + (i + 1) % 3, rows[i] + 20, 24 + i, 40 - i, CHECK_NORMAL);
        compare_back(&s);
        set_up_back(&s, rows[i], 2, 1 + rows[i] / 2, 64, 16,
                    i % 2 ? CHECK_FINITE : CHECK_EXTREME);
        compare_back(&s);
    }
    set_up_back(&s, 70, 1, 70, 192, 128, CHECK_NORMAL);
    compare_back(&s);
}

/* sum of dout * out in double, with one number of q, k or v moved by `by`. */
static double loss(const struct back_setup *s, const float *what, size_t at, double by)
{
    const struct attn_back_job *job = &s->job;
    double total = 0;
    for (size_t r = 0; r < job->n_row; r++)
        for (size_t h = 0; h < job->n_rep; h++) {
            size_t q0 = r * job->q_stride + h * job->q_head;
            size_t o0 = r * job->out_stride + h * job->out_head;
            double w[64], sum = 0, dot = 0;
            for (size_t t = 0; t <= (size_t)job->pos[r]; t++) {
                w[t] = 0;
                for (size_t d = 0; d < job->d_k; d++) {
                    size_t k0 = t * job->k_stride + d;
                    double a = (double)job->q[q0 + d], b = (double)job->k[k0];
                    if (what == job->q && at == q0 + d) a += by;
                    if (what == job->k && at == k0) b += by;
                    w[t] += a * b;
                }
                sum += w[t] = exp(w[t] * (double)job->scale);
            }
            for (size_t t = 0; t <= (size_t)job->pos[r]; t++)
                for (size_t d = 0; d < job->d_v; d++) {
                    size_t v0 = t * job->v_stride + d;
                    double v = (double)job->v[v0];
                    if (what == job->v && at == v0) v += by;
                    dot += w[t] * v * (double)job->dout[o0 + d];
                }
            total += dot / sum;
        }
    return total;
}

static void gradient(const struct back_setup *s, const char *name, const float *x,
                     const float *grad, size_t rows, size_t stride, size_t dims, size_t first)
{
    for (size_t r = 0; r < rows; r++)
        for (size_t d = 0; d < dims; d++) {
            size_t at = first + r * stride + d;
            double h = 1e-4, want = (loss(s, x, at, h) - loss(s, x, at, -h)) / (2 * h);
            double got = (double)grad[at];
            if (fabs(got - want) > 2e-6 * fmax(1, fabs(want)))
                check_fail("%s[%zu][%zu] is %g, differences say %g", name, r, d, got, want);
        }
}

/* Central differences in double. */
static void backward_is_the_gradient(void)
{
    struct back_setup s;
    for (int i = 0; i < 2; i++) {
        set_up_back(&s, 7, 2, i ? 19 : 7, 5, 6, CHECK_NORMAL);
        float *out = check_alloc(s.no * 4, CHECK_TAIL), lse[14];
        float *dq = check_alloc(s.nq * 4, CHECK_TAIL), *dk = check_alloc(s.nk * 4, CHECK_TAIL);
        float *dv = check_alloc(s.nv * 4, CHECK_TAIL);
        forward(&s, kernels(), out, lse);
        s.job.out = out;
        s.job.lse = lse;
        run_back(kernels(), &s, dq, dk, dv);
        gradient(&s, "dq", s.job.q, dq, 7, s.job.q_stride, 5, 0);
        gradient(&s, "dq of head 1", s.job.q, dq, 7, s.job.q_stride, 5, s.job.q_head);
        gradient(&s, "dk", s.job.k, dk, s.job.n_key, s.job.k_stride, 5, 0);
        gradient(&s, "dv", s.job.v, dv, s.job.n_key, s.job.v_stride, 6, 0);
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
        {"shared", shared},
        {"backward", backward},
        {"backward_is_the_gradient", backward_is_the_gradient},
    };
    return check_main("attn", cases, countof(cases));
}
