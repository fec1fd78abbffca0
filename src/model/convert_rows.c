/* convert_rows.c - the bytes of one target tensor, from whatever the source has.
 *
 * A tensor is made in units of rows; a chunk of units is made by the pool and then given to the
 * sink in order. A unit is: some rows; one band of 128 rows for FP8 output (they share scales);
 * one head where k_b is transposed. How a target row finds its source:
 *
 *   ROWS    row r of part p; the row may be permuted inside its head (rotary pairing), or be a row
 *           of v inside kv_b
 *   K_B     head h of k_b is the transpose of the nope rows of head h in kv_b
 *   KV_B    head h of kv_b is the transpose of k_b's head h, then v_b's head h
 *   DIVISORS  computed from the config
 */
#include <math.h>
#include <stdatomic.h>
#include <string.h>

#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/size.h"
#include "base/thread.h"
#include "format/imatrix.h"
#include "model/convert_int.h"
#include "model/source.h"
#include "tensor/scale.h"

enum { UNIT_ELEMS = 1 << 17, CHUNK_BYTES = 64 << 20, MAX_UNITS = 512 };

enum how { HOW_ROWS, HOW_K_B, HOW_KV_B, HOW_DIVISORS };
enum order { ORDER_SAME, ORDER_TO_INTERLEAVED, ORDER_TO_HALF, ORDER_V_OF_KV };

struct convert_rows {
    const struct model_source *s;
    const struct model_config *from, *to;
    const struct imatrix *imatrix;
    struct pool *pool;
    float *scratch; /* for the units of a chunk */
    unsigned char *out;
    size_t scratch_bytes, out_bytes;
};

struct job {
    struct convert_rows *w;
    const struct convert_tensor *t;
    enum how how;
    enum order order;
    enum tensor_role role;         /* in the source */
    size_t rows, width, row_bytes; /* of the target */
    size_t part_rows;              /* target rows that come from one part */
    size_t unit_rows, unit_floats; /* rows of a unit; scratch it needs */
    size_t n_unit, first;          /* all units; the first of this chunk */
    float *importance;             /* (parts, width), or NULL */
    unsigned char *has_importance; /* per part */
    float *scale;                  /* FP8: (scale rows, scale cols) */
    size_t scale_cols;
    _Atomic int not_finite;
};

/* ---- source rows -------------------------------------------------------------------------- */

/* Row r of a part as f32, scales applied. */
static void load_row(const struct convert_rows *w, const struct source_part *p, size_t r,
                     float *to)
{
    size_t width = (size_t)p->shape.dim[p->shape.n_dim - 1], bytes;
    if (dtype_row_bytes(p->dtype, width, &bytes)) return; /* checked when the file was opened */
    dtype_row_to_f32(p->dtype, (const char *)p->data + r * bytes, to, width);
    if (!p->scale) return;
    size_t br = (size_t)w->from->fp8_block_rows, bc = (size_t)w->from->fp8_block_cols;
    size_t one = dtype_block_bytes(p->scale_dtype), row = r / br * (size_t)p->scale_cols;
    for (size_t at = 0, k = 0; at < width; at += bc, k++) {
        float s;
        dtype_row_to_f32(p->scale_dtype, (const char *)p->scale + (row + k) * one, &s, 1);
        for (size_t i = at; i < size_min(at + bc, width); i++) to[i] *= s;
    }
}

static struct source_part part_of(const struct job *j, enum tensor_role role, size_t part)
{
    struct source_part p = {0};
    int rc = source_part(j->w->s, role, j->t->layer, (int32_t)part, &p, NULL);
    (void)rc; /* the plan asks for parts that are there only */
    return p;
}

/* The source row of target row r of one part. */
static size_t source_row(const struct job *j, size_t r)
{
    const struct model_config *c = j->w->from;
    size_t d = (size_t)c->head_dim, half = d / 2, n = d ? r % d : 0;
    size_t nope = (size_t)c->qk_nope_head_dim, v = (size_t)c->v_head_dim;
    switch (j->order) {
    case ORDER_SAME: break;
    case ORDER_TO_INTERLEAVED: return r - n + n / 2 + half * (n % 2);
    case ORDER_TO_HALF: return r - n + 2 * (n % half) + n / half;
    case ORDER_V_OF_KV: return r / v * (nope + v) + nope + r % v;
    }
    return r;
}

/* ---- target rows -------------------------------------------------------------------------- */

static void store_row(struct job *j, const float *from, size_t part, unsigned char *to)
{
    const float *imp =
        j->importance && j->has_importance[part] ? j->importance + part * j->width : NULL;
    if (dtype_is_block(j->t->dtype)) {
        bool bad = false;
        for (size_t i = 0; i < j->width; i++) bad = bad || !isfinite(from[i]);
        if (bad) {
            atomic_store_explicit(&j->not_finite, 1, memory_order_relaxed);
            memset(to, 0, j->row_bytes);
            return;
        }
    }
    dtype_row_from_f32(j->t->dtype, from, to, j->width, imp);
}

/* The vector of q or k biases is permuted inside its one row. */
static void permute_vector(const struct job *j, float *x, float *work)
{
    memcpy(work, x, j->width * sizeof *x);
    for (size_t i = 0; i < j->width; i++) x[i] = work[source_row(j, i)];
}

static bool is_vector(const struct job *j)
{
    return j->t->shape.n_dim == 1;
}

static void make_rows(struct job *j, size_t unit, float *work, unsigned char *to)
{
    size_t begin = unit * j->unit_rows, end = size_min(begin + j->unit_rows, j->rows);
    size_t first = j->t->part >= 0 ? (size_t)j->t->part : 0, last = SIZE_MAX;
    struct source_part p = {0};
    bool banded = j->t->dtype == DT_F8_E4M3 && j->t->has_scale;
    for (size_t r = begin; r < end; r++, to += banded ? 0 : j->row_bytes) {
        size_t part = first + r / j->part_rows, row = r % j->part_rows;
        if (part != last) p = part_of(j, j->role, part);
        last = part;
        if (!is_vector(j)) row = source_row(j, row);
        if (!banded && p.dtype == j->t->dtype && !p.scale && !(is_vector(j) && j->order)) {
            memcpy(to, (const char *)p.data + row * j->row_bytes, j->row_bytes);
            continue;
        }
        float *x = banded ? work + (r - begin) * j->width : work;
        load_row(j->w, &p, row, x);
        if (is_vector(j) && j->order) permute_vector(j, x, x + j->width);
        if (!banded) store_row(j, x, part - first, to);
    }
    if (banded)
        scale_band_from_f32(to, j->scale + begin / SCALE_BLOCK * j->scale_cols, work,
                            end - begin, j->width, SCALE_F32);
}

/* (rows, cols) to (cols, rows) */
static void transpose(const float *from, float *to, size_t rows, size_t cols)
{
    for (size_t r = 0; r < rows; r++)
        for (size_t c = 0; c < cols; c++) to[c * rows + r] = from[r * cols + c];
}

static void make_k_b(struct job *j, size_t head, float *work, unsigned char *to)
{
    const struct model_config *c = j->w->from;
    size_t nope = (size_t)c->qk_nope_head_dim, dc = (size_t)c->kv_lora_rank;
    struct source_part p = part_of(j, ROLE_KV_B, 0);
    float *turned = work + nope * dc;
    for (size_t a = 0; a < nope; a++)
        load_row(j->w, &p, head * (nope + (size_t)c->v_head_dim) + a, work + a * dc);
    transpose(work, turned, nope, dc);
    for (size_t i = 0; i < dc; i++) store_row(j, turned + i * nope, 0, to + i * j->row_bytes);
}

static void make_kv_b(struct job *j, size_t head, float *work, unsigned char *to)
{
    const struct model_config *c = j->w->from;
    size_t nope = (size_t)c->qk_nope_head_dim, dc = (size_t)c->kv_lora_rank;
    size_t v = (size_t)c->v_head_dim;
    struct source_part kp = part_of(j, ROLE_K_B, 0), vp = part_of(j, ROLE_V_B, 0);
    float *turned = work + nope * dc;
    for (size_t i = 0; i < dc; i++) load_row(j->w, &kp, head * dc + i, work + i * nope);
    transpose(work, turned, dc, nope);
    for (size_t a = 0; a < nope; a++) store_row(j, turned + a * dc, 0, to + a * j->row_bytes);
    for (size_t i = 0; i < v; i++) {
        load_row(j->w, &vp, head * v + i, work);
        store_row(j, work, 0, to + (nope + i) * j->row_bytes);
    }
}

/* kv_b in FP8: heads are joined first, then cut into bands, so all of it is one unit. */
static void make_kv_b_fp8(struct job *j, float *work, unsigned char *to)
{
    size_t heads = (size_t)j->w->from->n_head, each = j->rows / heads;
    struct convert_tensor plain = *j->t;
    struct job f32 = {.w = j->w, .t = &plain, .rows = j->rows, .width = j->width};
    float *whole = work + 2 * each * j->width;
    plain.dtype = DT_F32;
    plain.has_scale = false;
    f32.row_bytes = j->width * sizeof *whole;
    for (size_t h = 0; h < heads; h++)
        make_kv_b(&f32, h, work, (unsigned char *)(whole + h * each * j->width));
    scale_matrix_from_f32(to, j->scale, whole, j->rows, j->width, SCALE_F32);
}

static void make_unit(void *ctx, size_t i)
{
    struct job *j = ctx;
    size_t unit = j->first + i;
    float *work = j->w->scratch + i * j->unit_floats;
    unsigned char *to = j->w->out + i * j->unit_rows * j->row_bytes;
    switch (j->how) {
    case HOW_ROWS: make_rows(j, unit, work, to); break;
    case HOW_K_B: make_k_b(j, unit, work, to); break;
    case HOW_KV_B:
        if (j->t->dtype == DT_F8_E4M3)
            make_kv_b_fp8(j, work, to);
        else
            make_kv_b(j, unit, work, to);
        break;
    case HOW_DIVISORS: config_rope_divisors(j->w->from, (float *)(void *)to); break;
    }
}

/* ---- one tensor --------------------------------------------------------------------------- */

static enum order order_of(const struct convert_rows *w, enum tensor_role r)
{
    bool turned = r == ROLE_Q || r == ROLE_K || r == ROLE_Q_BIAS || r == ROLE_K_BIAS;
    if (!turned || w->from->rope_pairing == w->to->rope_pairing) return ORDER_SAME;
    return w->to->rope_pairing == ROPE_INTERLEAVED ? ORDER_TO_INTERLEAVED : ORDER_TO_HALF;
}

static int set_source(struct job *j, struct err *e)
{
    const struct convert_tensor *t = j->t;
    j->role = t->role;
    j->order = order_of(j->w, t->role);
    bool there = source_has(j->w->s, t->role, t->layer);
    if (t->role == ROLE_ROPE_FREQS && !there) {
        j->how = HOW_DIVISORS;
    } else if (t->role == ROLE_K_B && !there) {
        j->how = HOW_K_B;
    } else if (t->role == ROLE_KV_B && !there) {
        j->how = HOW_KV_B;
    } else if (t->role == ROLE_V_B && !there) {
        j->role = ROLE_KV_B;
        j->order = ORDER_V_OF_KV;
    } else if (!there) {
        return err_set(e, ERR_BUG, "the source has no %s in layer %d", role_text(t->role),
                       t->layer);
    }
    return 0;
}

static int set_sizes(struct job *j, struct err *e)
{
    const struct convert_tensor *t = j->t;
    const struct model_config *c = j->w->from;
    size_t heads = (size_t)c->n_head,
           nope_dc = (size_t)c->qk_nope_head_dim * (size_t)c->kv_lora_rank;
    j->width = (size_t)t->shape.dim[t->shape.n_dim - 1];
    j->rows = (size_t)shape_elems(&t->shape) / j->width;
    bool stack = role_is_expert(t->role) && t->part < 0;
    j->part_rows = stack ? j->rows / (size_t)c->n_expert : j->rows;
    if (dtype_row_bytes(t->dtype, j->width, &j->row_bytes))
        return err_set(e, ERR_BUG, "%s does not fit %s", role_text(t->role),
                       dtype_name(t->dtype));
    j->unit_rows = size_max(1, UNIT_ELEMS / j->width);
    if (t->has_scale) j->unit_rows = SCALE_BLOCK;
    j->unit_floats = (t->has_scale ? j->unit_rows : 2) * j->width;
    if (j->how == HOW_K_B || j->how == HOW_KV_B) {
        j->unit_rows = j->rows / heads;
        j->unit_floats = 2 * nope_dc + j->width;
    }
    if (j->how == HOW_KV_B && t->has_scale) {
        j->unit_floats = (j->rows + 2 * j->unit_rows) * j->width + 2 * nope_dc;
        j->unit_rows = j->rows;
    }
    j->n_unit = (j->rows + j->unit_rows - 1) / j->unit_rows;
    j->scale_cols = scale_count(j->width);
    return 0;
}

static bool grow(void **p, size_t *have, size_t need)
{
    if (need <= *have) return true;
    mem_free(*p);
    *p = mem_alloc(need);
    *have = *p ? need : 0;
    return *p != NULL;
}

static int load_importance(struct job *j, struct err *e)
{
    char name[TENSOR_NAME_MAX];
    size_t parts = j->rows / j->part_rows;
    int32_t first = j->t->part >= 0 ? j->t->part : 0;
    if (!j->w->imatrix || !dtype_is_block(j->t->dtype)) return 0;
    role_name_gguf(j->t->role, j->t->layer, name);
    j->importance = mem_alloc(parts * j->width * sizeof *j->importance);
    j->has_importance = mem_calloc(parts, 1);
    if (!j->importance || !j->has_importance)
        return err_oom(e, "importances", parts * j->width * sizeof *j->importance);
    for (size_t i = 0; i < parts; i++)
        j->has_importance[i] = imatrix_weights(j->w->imatrix, name, j->width, (size_t)first + i,
                                               j->importance + i * j->width);
    return 0;
}

static int run(struct job *j, convert_sink sink, void *ctx, struct err *e)
{
    struct convert_rows *w = j->w;
    size_t per_unit = j->unit_floats * sizeof(float) + j->unit_rows * j->row_bytes;
    size_t chunk =
        size_min(size_max(1, CHUNK_BYTES / per_unit), size_min(MAX_UNITS, j->n_unit));
    if (!grow((void **)&w->scratch, &w->scratch_bytes,
              chunk * j->unit_floats * sizeof(float)) ||
        !grow((void **)&w->out, &w->out_bytes, chunk * j->unit_rows * j->row_bytes))
        return err_oom(e, "rows of a tensor", chunk * per_unit);
    for (j->first = 0; j->first < j->n_unit; j->first += chunk) {
        size_t n = size_min(chunk, j->n_unit - j->first);
        size_t rows = size_min(n * j->unit_rows, j->rows - j->first * j->unit_rows);
        pool_run(w->pool, make_unit, j, n);
        if (atomic_load(&j->not_finite))
            return err_set(e, ERR_NUMERIC, "%s of layer %d holds values that are not finite",
                           role_text(j->t->role), j->t->layer);
        if (sink(ctx, w->out, rows * j->row_bytes, e)) return -1;
    }
    return 0;
}

/* The source's pages of this tensor are not needed again. */
static void drop_pages(const struct job *j)
{
    int32_t n = role_parts(j->w->from, j->role), first = 0;
    if (j->how != HOW_ROWS) return;
    if (j->t->part >= 0) first = j->t->part, n = first + 1;
    for (int32_t i = first; i < n; i++) {
        struct source_part p = part_of(j, j->role, (size_t)i);
        if (p.map) file_map_drop(p.map, p.offset, p.bytes);
    }
}

int convert_tensor_rows(struct convert_rows *w, const struct convert_tensor *t,
                        convert_sink sink, void *ctx, struct err *e)
{
    struct job j = {.w = w, .t = t};
    int rc = -1;
    if (set_source(&j, e) || set_sizes(&j, e)) return -1;
    size_t n_scale = t->has_scale ? scale_count(j.rows) * j.scale_cols : 0;
    if (t->has_scale) j.scale = mem_alloc(n_scale * sizeof *j.scale);
    if (t->has_scale && !j.scale) {
        err_oom(e, "scales", n_scale * sizeof *j.scale);
        goto out;
    }
    if (load_importance(&j, e) || run(&j, sink, ctx, e)) goto out;
    if (t->has_scale && sink(ctx, j.scale, n_scale * sizeof *j.scale, e)) goto out;
    drop_pages(&j);
    rc = 0;
out:
    mem_free(j.scale);
    mem_free(j.importance);
    mem_free(j.has_importance);
    return rc;
}

int convert_is_exact(struct convert_rows *w, enum tensor_role r, int32_t layer, enum dtype dt,
                     bool *exact, struct err *e)
{
    struct source_part p;
    *exact = true;
    if (dt == DT_F32) return 0;
    if (source_part(w->s, r, layer, 0, &p, e)) return -1;
    size_t width = (size_t)p.shape.dim[p.shape.n_dim - 1];
    size_t rows = (size_t)shape_elems(&p.shape) / width;
    if (!grow((void **)&w->scratch, &w->scratch_bytes, 3 * width * sizeof(float)))
        return err_oom(e, "a row", 3 * width * sizeof(float));
    float *x = w->scratch, *back = x + width;
    for (size_t i = 0; i < rows && *exact; i++) {
        load_row(w, &p, i, x);
        dtype_row_from_f32(dt, x, back + width, width, NULL);
        dtype_row_to_f32(dt, back + width, back, width);
        *exact = memcmp(x, back, width * sizeof *x) == 0;
    }
    return 0;
}

int convert_rows_create(struct convert_rows **out, const struct model_source *s,
                        const struct model_config *target, const struct imatrix *imatrix,
                        struct pool *pool, struct err *e)
{
    *out = mem_calloc(1, sizeof **out);
    if (!*out) return err_oom(e, "the converter", sizeof **out);
    **out = (struct convert_rows){
        .s = s, .from = source_config(s), .to = target, .imatrix = imatrix, .pool = pool};
    return 0;
}

void convert_rows_free(struct convert_rows *w)
{
    if (!w) return;
    mem_free(w->scratch);
    mem_free(w->out);
    mem_free(w);
}
