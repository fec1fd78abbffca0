/* check_math_eval.c - are two values equal? Four evaluators walk the same tree, each for what it
 * can decide:
 *
 *   rational   fmpq: numbers and + - * / and whole powers. Decides both ways.
 *   modular    the same with variables, at random points modulo two primes: equal rational
 *              functions agree everywhere; different ones agree at all points with a chance
 *              below 2^-300. Points where one side divides by zero are drawn again.
 *   interval   acb, 256 bits: constants and functions; disjoint intervals differ for certain.
 *   Calcium    ca: proves that constants which look equal are equal, or fails to.
 *
 * Variables under roots or functions are compared by intervals at real points: agreement on all
 * of them is taken as equality and said so ("at points"). Nodes are evaluated in the order of the
 * array, operands first, so nothing recurses. */
#include <string.h>

#include <acb.h>
#include <calcium/ca.h>
#include <calcium/ca_vec.h>
#include <flint/fmpq.h>
#include <flint/fmpz.h>

#include "base/rng.h"
#include "task/check_math_int.h"

enum { PREC = 256, MAX_VARS = 12, MAX_BITS = 20000, MAX_CA_NODES = 60 };

struct vars {
    struct span name[MAX_VARS];
    int n;
};

/* ---- the nodes a value needs -------------------------------------------------------------- */

static void mark(const struct math_tree *t, int root, bool *need)
{
    memset(need, 0, sizeof *need * (size_t)t->n);
    need[root] = true;
    for (int i = root; i >= 0; i--) {
        const struct math_node *n = &t->node[i];
        if (!need[i]) continue;
        if (n->a >= 0) need[n->a] = true;
        if (n->b >= 0) need[n->b] = true;
        if (n->kind == MK_NUM) continue;
        for (int k = n->first; k >= 0; k = t->node[k].next) need[k] = true;
    }
}

bool math_has(const struct math_tree *t, int node, enum math_kind kind)
{
    bool need[MATH_NODES];
    mark(t, node, need);
    for (int i = 0; i <= node; i++)
        if (need[i] && t->node[i].kind == kind) return true;
    return false;
}

bool math_is_value(const struct math_tree *t, int node)
{
    bool need[MATH_NODES];
    mark(t, node, need);
    for (int i = 0; i <= node; i++) {
        if (!need[i]) continue;
        switch ((enum math_kind)t->node[i].kind) {
        case MK_NUM:
        case MK_VAR:
        case MK_PI:
        case MK_E:
        case MK_I:
        case MK_ADD:
        case MK_SUB:
        case MK_MUL:
        case MK_DIV:
        case MK_POW:
        case MK_NEG:
        case MK_PM:
        case MK_FUN:
        case MK_PERCENT:
        case MK_DEGREE:
        case MK_UNIT: break;
        case MK_INF:
        case MK_BASE:
        case MK_TEXT:
        case MK_BRACKET:
        case MK_SET:
        case MK_LIST:
        case MK_UNION:
        case MK_REL:
        case MK_IN:
        case MK_RATIO:
        case MK_MATRIX: return false;
        }
    }
    return true;
}

static bool collect(struct vars *v, const struct math_side *s)
{
    bool need[MATH_NODES];
    mark(s->t, s->node, need);
    for (int i = 0; i <= s->node; i++) {
        const struct math_node *n = &s->t->node[i];
        int k = 0;
        if (!need[i] || n->kind != MK_VAR) continue;
        while (k < v->n && !span_eq(v->name[k], n->text)) k++;
        if (k < v->n) continue;
        if (v->n == MAX_VARS) return false;
        v->name[v->n++] = n->text;
    }
    return true;
}

static int var_index(const struct vars *v, struct span name)
{
    int k = 0;
    while (k < v->n && !span_eq(v->name[k], name)) k++;
    return k < v->n ? k : 0;
}

/* ---- rational ----------------------------------------------------------------------------- */

/* Digits of the pool as an integer. */
static void digits_fmpz(fmpz_t out, const struct math_tree *t, int at, int n)
{
    fmpz_zero(out);
    for (int i = 0; i < n; i++) {
        fmpz_mul_ui(out, out, 10);
        fmpz_add_ui(out, out, (ulong)(t->pool[at + i] - '0'));
    }
}

/* All digits less those before the repeating ones, over 10^frac - 10^(frac - rep). */
static void number_fmpq(fmpq_t out, const struct math_tree *t, const struct math_node *n)
{
    fmpz_t a, b, d, ten;
    fmpz_init(a);
    fmpz_init(b);
    fmpz_init(d);
    fmpz_init_set_ui(ten, 10);
    digits_fmpz(a, t, n->at, n->n);
    fmpz_pow_ui(d, ten, (ulong)n->frac);
    if (n->rep) {
        digits_fmpz(b, t, n->at, n->n - n->rep);
        fmpz_sub(a, a, b);
        fmpz_pow_ui(b, ten, (ulong)(n->frac - n->rep));
        fmpz_sub(d, d, b);
    }
    fmpz_pow_ui(b, ten, (ulong)(n->exp < 0 ? -n->exp : n->exp));
    if (n->exp < 0)
        fmpz_mul(d, d, b);
    else
        fmpz_mul(a, a, b);
    fmpq_set_fmpz_frac(out, a, d);
    fmpz_clear(a);
    fmpz_clear(b);
    fmpz_clear(d);
    fmpz_clear(ten);
}

static bool small_q(const fmpq_t x)
{
    return fmpz_bits(fmpq_numref(x)) < MAX_BITS && fmpz_bits(fmpq_denref(x)) < MAX_BITS;
}

static bool pow_q(fmpq_t r, const fmpq_t a, const fmpq_t b)
{
    if (!fmpz_is_one(fmpq_denref(b)) || !fmpz_fits_si(fmpq_numref(b))) return false;
    slong k = fmpz_get_si(fmpq_numref(b));
    slong bits = (slong)(fmpz_bits(fmpq_numref(a)) + fmpz_bits(fmpq_denref(a)));
    if (k > 4096 || k < -4096 || (k < 0 ? -k : k) * bits > MAX_BITS) return false;
    if (fmpq_is_zero(a) && k <= 0) return false;
    fmpq_pow_si(r, a, k);
    return true;
}

static bool fun_q(fmpq_t r, const struct math_node *n, const fmpq_t a, const fmpq_t b)
{
    fmpz_t z;
    bool ok = false;
    fmpz_init(z);
    switch ((enum math_fun)n->op) {
    case MF_SQRT:
        if (fmpq_sgn(a) >= 0 && fmpz_is_square(fmpq_numref(a)) &&
            fmpz_is_square(fmpq_denref(a))) {
            fmpz_sqrt(fmpq_numref(r), fmpq_numref(a));
            fmpz_sqrt(fmpq_denref(r), fmpq_denref(a));
            ok = true;
        }
        break;
    case MF_ABS:
        fmpq_abs(r, a);
        ok = true;
        break;
    case MF_FACT:
        if (fmpz_is_one(fmpq_denref(a)) && fmpz_sgn(fmpq_numref(a)) >= 0 &&
            fmpz_cmp_ui(fmpq_numref(a), 1000) <= 0) {
            fmpz_fac_ui(z, fmpz_get_ui(fmpq_numref(a)));
            fmpq_set_fmpz(r, z);
            ok = true;
        }
        break;
    case MF_BINOM:
        if (fmpz_is_one(fmpq_denref(a)) && fmpz_is_one(fmpq_denref(b)) &&
            fmpz_sgn(fmpq_numref(a)) >= 0 && fmpz_sgn(fmpq_numref(b)) >= 0 &&
            fmpz_cmp_ui(fmpq_numref(a), 5000) <= 0 && fmpz_cmp_ui(fmpq_numref(b), 5000) <= 0) {
            fmpz_bin_uiui(z, fmpz_get_ui(fmpq_numref(a)), fmpz_get_ui(fmpq_numref(b)));
            fmpq_set_fmpz(r, z);
            ok = true;
        }
        break;
    case MF_FLOOR:
    case MF_CEIL:
        if (n->op == MF_FLOOR)
            fmpz_fdiv_q(z, fmpq_numref(a), fmpq_denref(a));
        else
            fmpz_cdiv_q(z, fmpq_numref(a), fmpq_denref(a));
        fmpq_set_fmpz(r, z);
        ok = true;
        break;
    case MF_ROOT:
    case MF_SIN:
    case MF_COS:
    case MF_TAN:
    case MF_COT:
    case MF_SEC:
    case MF_CSC:
    case MF_ASIN:
    case MF_ACOS:
    case MF_ATAN:
    case MF_SINH:
    case MF_COSH:
    case MF_TANH:
    case MF_EXP:
    case MF_LN:
    case MF_LOG: break;
    }
    fmpz_clear(z);
    return ok;
}

/* The value of a tree without variables as a rational; false when it is none, or is not defined,
 * or is too large. */
static bool eval_q(const struct math_side *s, fmpq_t out)
{
    bool need[MATH_NODES], ok = true;
    fmpq v[MATH_NODES];
    mark(s->t, s->node, need);
    int i = 0, n_done;
    for (; i <= s->node && ok; i++) {
        const struct math_node *n = &s->t->node[i];
        fmpq *a = n->a >= 0 ? &v[n->a] : NULL, *b = n->b >= 0 ? &v[n->b] : NULL;
        if (!need[i]) continue;
        fmpq_init(&v[i]);
        switch ((enum math_kind)n->kind) {
        case MK_NUM: number_fmpq(&v[i], s->t, n); break;
        case MK_ADD: fmpq_add(&v[i], a, b); break;
        case MK_SUB: fmpq_sub(&v[i], a, b); break;
        case MK_MUL: fmpq_mul(&v[i], a, b); break;
        case MK_DIV:
            ok = !fmpq_is_zero(b);
            if (ok) fmpq_div(&v[i], a, b);
            break;
        case MK_POW: ok = pow_q(&v[i], a, b); break;
        case MK_NEG: fmpq_neg(&v[i], a); break;
        case MK_PM:
            if (a) fmpq_set(&v[i], a);
            if (s->sign > 0)
                fmpq_add(&v[i], &v[i], b);
            else
                fmpq_sub(&v[i], &v[i], b);
            break;
        case MK_FUN: ok = fun_q(&v[i], n, a, b ? b : a); break;
        case MK_PERCENT:
            fmpq_set_si(&v[i], 100, 1);
            fmpq_div(&v[i], a, &v[i]);
            break;
        case MK_DEGREE:
        case MK_UNIT: fmpq_set(&v[i], a); break;
        case MK_VAR:
        case MK_PI:
        case MK_E:
        case MK_I:
        case MK_INF:
        case MK_BASE:
        case MK_TEXT:
        case MK_BRACKET:
        case MK_SET:
        case MK_LIST:
        case MK_UNION:
        case MK_REL:
        case MK_IN:
        case MK_RATIO:
        case MK_MATRIX: ok = false; break;
        }
        ok = ok && small_q(&v[i]);
    }
    n_done = i;
    if (ok) fmpq_set(out, &v[s->node]);
    for (i = 0; i < n_done; i++)
        if (need[i]) fmpq_clear(&v[i]);
    return ok;
}

/* ---- modular ------------------------------------------------------------------------------ */

__extension__ typedef unsigned __int128 u128;

static uint64_t mul_mod(uint64_t a, uint64_t b, uint64_t p)
{
    return (uint64_t)((u128)a * b % p);
}

static uint64_t pow_mod(uint64_t a, uint64_t k, uint64_t p)
{
    uint64_t r = 1;
    for (; k; k >>= 1, a = mul_mod(a, a, p))
        if (k & 1) r = mul_mod(r, a, p);
    return r;
}

enum mod_state { MOD_OK, MOD_UNDEFINED, MOD_UNSUPPORTED };

static uint64_t digits_mod(const struct math_tree *t, int at, int n, uint64_t p)
{
    uint64_t x = 0;
    for (int i = 0; i < n; i++) x = (mul_mod(x, 10, p) + (uint64_t)(t->pool[at + i] - '0')) % p;
    return x;
}

static uint64_t number_mod(const struct math_tree *t, const struct math_node *n, uint64_t p)
{
    uint64_t a = digits_mod(t, n->at, n->n, p), d = pow_mod(10, (uint64_t)n->frac, p);
    if (n->rep) {
        a = (a + p - digits_mod(t, n->at, n->n - n->rep, p)) % p;
        d = (d + p - pow_mod(10, (uint64_t)(n->frac - n->rep), p)) % p;
    }
    uint64_t e = pow_mod(10, (uint64_t)(n->exp < 0 ? -n->exp : n->exp), p);
    if (n->exp < 0)
        d = mul_mod(d, e, p);
    else
        a = mul_mod(a, e, p);
    return mul_mod(a, pow_mod(d, p - 2, p), p);
}

/* A whole exponent in reach, from the tree itself: a number or a negated one. */
static bool small_exponent(const struct math_tree *t, int k, long *out)
{
    struct math_side s = {t, k, 1};
    fmpq_t q;
    fmpq_init(q);
    bool ok = !math_has(t, k, MK_VAR) && eval_q(&s, q) && fmpz_is_one(fmpq_denref(q)) &&
              fmpz_cmpabs(fmpq_numref(q), (const fmpz[]){100000}) <= 0;
    if (ok) *out = fmpz_get_si(fmpq_numref(q));
    fmpq_clear(q);
    return ok;
}

static enum mod_state eval_mod(const struct math_side *s, const struct vars *vars,
                               const uint64_t *value, uint64_t p, uint64_t *out)
{
    bool need[MATH_NODES];
    uint64_t v[MATH_NODES];
    mark(s->t, s->node, need);
    for (int i = 0; i <= s->node; i++) {
        const struct math_node *n = &s->t->node[i];
        uint64_t a = n->a >= 0 ? v[n->a] : 0, b = n->b >= 0 ? v[n->b] : 0;
        long k;
        if (!need[i]) continue;
        switch ((enum math_kind)n->kind) {
        case MK_NUM: v[i] = number_mod(s->t, n, p); break;
        case MK_VAR: v[i] = value[var_index(vars, n->text)]; break;
        case MK_ADD: v[i] = (a + b) % p; break;
        case MK_SUB: v[i] = (a + p - b) % p; break;
        case MK_MUL: v[i] = mul_mod(a, b, p); break;
        case MK_DIV:
            if (b == 0) return MOD_UNDEFINED;
            v[i] = mul_mod(a, pow_mod(b, p - 2, p), p);
            break;
        case MK_POW:
            if (!small_exponent(s->t, n->b, &k)) return MOD_UNSUPPORTED;
            if (a == 0 && k <= 0) return MOD_UNDEFINED;
            v[i] = pow_mod(k < 0 ? pow_mod(a, p - 2, p) : a, (uint64_t)(k < 0 ? -k : k), p);
            break;
        case MK_NEG: v[i] = (p - a) % p; break;
        case MK_PM: v[i] = s->sign > 0 ? (a + b) % p : (a + p - b) % p; break;
        case MK_PERCENT: v[i] = mul_mod(a, pow_mod(100, p - 2, p), p); break;
        case MK_DEGREE:
        case MK_UNIT: v[i] = a; break;
        case MK_PI:
        case MK_E:
        case MK_I:
        case MK_INF:
        case MK_FUN:
        case MK_BASE:
        case MK_TEXT:
        case MK_BRACKET:
        case MK_SET:
        case MK_LIST:
        case MK_UNION:
        case MK_REL:
        case MK_IN:
        case MK_RATIO:
        case MK_MATRIX: return MOD_UNSUPPORTED;
        }
    }
    *out = v[s->node];
    return MOD_OK;
}

/* ---- intervals ---------------------------------------------------------------------------- */

static bool fun_acb(acb_t r, const struct math_node *n, const acb_t a, const acb_t b,
                    bool degree)
{
    acb_t x;
    bool ok = true;
    acb_init(x);
    acb_set(x, a);
    if (degree) { /* 180 degrees are pi */
        acb_const_pi(r, PREC);
        acb_mul(x, x, r, PREC);
        acb_div_ui(x, x, 180, PREC);
    }
    switch ((enum math_fun)n->op) {
    case MF_SQRT: acb_sqrt(r, x, PREC); break;
    case MF_ROOT: {
        fmpz_t k;
        fmpz_init(k);
        ok = acb_get_unique_fmpz(k, b) && fmpz_cmp_ui(k, 1) > 0 && fmpz_cmp_ui(k, 1000) < 0;
        if (ok && acb_is_real(x) && arb_is_negative(acb_realref(x)) && fmpz_is_odd(k)) {
            acb_neg(x, x); /* the real root */
            acb_root_ui(r, x, fmpz_get_ui(k), PREC);
            acb_neg(r, r);
        } else if (ok) {
            acb_root_ui(r, x, fmpz_get_ui(k), PREC);
        }
        fmpz_clear(k);
        break;
    }
    case MF_SIN: acb_sin(r, x, PREC); break;
    case MF_COS: acb_cos(r, x, PREC); break;
    case MF_TAN: acb_tan(r, x, PREC); break;
    case MF_COT: acb_cot(r, x, PREC); break;
    case MF_SEC: acb_sec(r, x, PREC); break;
    case MF_CSC: acb_csc(r, x, PREC); break;
    case MF_ASIN: acb_asin(r, x, PREC); break;
    case MF_ACOS: acb_acos(r, x, PREC); break;
    case MF_ATAN: acb_atan(r, x, PREC); break;
    case MF_SINH: acb_sinh(r, x, PREC); break;
    case MF_COSH: acb_cosh(r, x, PREC); break;
    case MF_TANH: acb_tanh(r, x, PREC); break;
    case MF_EXP: acb_exp(r, x, PREC); break;
    case MF_LN: acb_log(r, x, PREC); break;
    case MF_LOG: {
        acb_t base;
        acb_init(base);
        if (n->b >= 0)
            acb_set(base, b);
        else
            acb_set_ui(base, 10);
        acb_log(r, x, PREC);
        acb_log(base, base, PREC);
        acb_div(r, r, base, PREC);
        acb_clear(base);
        break;
    }
    case MF_ABS:
        acb_abs(acb_realref(r), x, PREC);
        arb_zero(acb_imagref(r));
        break;
    case MF_FACT:
        acb_add_ui(x, x, 1, PREC);
        ok = arf_cmpabs_ui(arb_midref(acb_realref(x)), 100000) < 0;
        if (ok) acb_gamma(r, x, PREC);
        break;
    case MF_BINOM:
    case MF_FLOOR:
    case MF_CEIL: ok = false; break;
    }
    acb_clear(x);
    return ok;
}

static bool eval_acb(const struct math_side *s, const struct vars *vars, acb_srcptr value,
                     acb_t out)
{
    bool need[MATH_NODES], ok = true;
    mark(s->t, s->node, need);
    acb_ptr v = _acb_vec_init(s->node + 1);
    for (int i = 0; i <= s->node && ok; i++) {
        const struct math_node *n = &s->t->node[i];
        acb_srcptr a = n->a >= 0 ? v + n->a : NULL, b = n->b >= 0 ? v + n->b : NULL;
        acb_ptr r = v + i;
        fmpq_t q;
        long k;
        if (!need[i]) continue;
        switch ((enum math_kind)n->kind) {
        case MK_NUM:
            fmpq_init(q);
            number_fmpq(q, s->t, n);
            acb_set_fmpq(r, q, PREC);
            fmpq_clear(q);
            break;
        case MK_VAR:
            ok = vars != NULL;
            if (ok) acb_set(r, value + var_index(vars, n->text));
            break;
        case MK_PI: acb_const_pi(r, PREC); break;
        case MK_E: arb_const_e(acb_realref(r), PREC); break;
        case MK_I: acb_onei(r); break;
        case MK_ADD: acb_add(r, a, b, PREC); break;
        case MK_SUB: acb_sub(r, a, b, PREC); break;
        case MK_MUL: acb_mul(r, a, b, PREC); break;
        case MK_DIV: acb_div(r, a, b, PREC); break;
        case MK_POW:
            if (small_exponent(s->t, n->b, &k))
                acb_pow_si(r, a, k, PREC);
            else
                acb_pow(r, a, b, PREC);
            break;
        case MK_NEG: acb_neg(r, a); break;
        case MK_PM:
            if (a) acb_set(r, a);
            if (s->sign > 0)
                acb_add(r, r, b, PREC);
            else
                acb_sub(r, r, b, PREC);
            break;
        case MK_FUN:
            ok = fun_acb(r, n, a, b ? b : a,
                         s->t->node[n->a].kind == MK_DEGREE && n->op >= MF_SIN &&
                             n->op <= MF_CSC);
            break;
        case MK_PERCENT: acb_div_ui(r, a, 100, PREC); break;
        case MK_DEGREE:
        case MK_UNIT: acb_set(r, a); break;
        case MK_INF:
        case MK_BASE:
        case MK_TEXT:
        case MK_BRACKET:
        case MK_SET:
        case MK_LIST:
        case MK_UNION:
        case MK_REL:
        case MK_IN:
        case MK_RATIO:
        case MK_MATRIX: ok = false; break;
        }
        ok = ok && acb_is_finite(r);
    }
    if (ok) acb_set(out, v + s->node);
    _acb_vec_clear(v, s->node + 1);
    return ok;
}

/* ---- Calcium ------------------------------------------------------------------------------ */

static bool fun_ca(ca_t r, const struct math_node *n, const ca_t a, const ca_t b, bool degree,
                   ca_ctx_t ctx)
{
    ca_t x, y;
    bool ok = true;
    ca_init(x, ctx);
    ca_init(y, ctx);
    ca_set(x, a, ctx);
    if (degree) {
        ca_pi(y, ctx);
        ca_mul(x, x, y, ctx);
        ca_div_ui(x, x, 180, ctx);
    }
    switch ((enum math_fun)n->op) {
    case MF_SQRT: ca_sqrt(r, x, ctx); break;
    case MF_ROOT:
        ca_inv(y, b, ctx);
        if (ca_check_is_negative_real(x, ctx) == T_TRUE) {
            ca_neg(x, x, ctx);
            ca_pow(r, x, y, ctx);
            ca_neg(r, r, ctx);
        } else {
            ca_pow(r, x, y, ctx);
        }
        break;
    case MF_SIN: ca_sin_cos(r, NULL, x, ctx); break;
    case MF_COS: ca_sin_cos(NULL, r, x, ctx); break;
    case MF_TAN: ca_tan(r, x, ctx); break;
    case MF_COT: ca_cot(r, x, ctx); break;
    case MF_SEC:
        ca_sin_cos(NULL, y, x, ctx);
        ca_inv(r, y, ctx);
        break;
    case MF_CSC:
        ca_sin_cos(y, NULL, x, ctx);
        ca_inv(r, y, ctx);
        break;
    case MF_ASIN: ca_asin(r, x, ctx); break;
    case MF_ACOS: ca_acos(r, x, ctx); break;
    case MF_ATAN: ca_atan(r, x, ctx); break;
    case MF_EXP: ca_exp(r, x, ctx); break;
    case MF_LN: ca_log(r, x, ctx); break;
    case MF_LOG:
        if (n->b >= 0)
            ca_log(y, b, ctx);
        else {
            ca_set_ui(y, 10, ctx);
            ca_log(y, y, ctx);
        }
        ca_log(x, x, ctx);
        ca_div(r, x, y, ctx);
        break;
    case MF_ABS: ca_abs(r, x, ctx); break;
    case MF_SINH:
    case MF_COSH:
    case MF_TANH:
    case MF_FACT:
    case MF_BINOM:
    case MF_FLOOR:
    case MF_CEIL: ok = false; break;
    }
    ca_clear(x, ctx);
    ca_clear(y, ctx);
    return ok;
}

static bool eval_ca(const struct math_side *s, ca_t out, ca_ctx_t ctx)
{
    bool need[MATH_NODES], ok = true;
    int n_need = 0;
    mark(s->t, s->node, need);
    for (int i = 0; i <= s->node; i++) n_need += need[i];
    if (n_need > MAX_CA_NODES) return false;
    ca_ptr v = _ca_vec_init(s->node + 1, ctx);
    for (int i = 0; i <= s->node && ok; i++) {
        const struct math_node *n = &s->t->node[i];
        ca_srcptr a = n->a >= 0 ? v + n->a : NULL, b = n->b >= 0 ? v + n->b : NULL;
        ca_ptr r = v + i;
        fmpq_t q;
        long k;
        if (!need[i]) continue;
        switch ((enum math_kind)n->kind) {
        case MK_NUM:
            fmpq_init(q);
            number_fmpq(q, s->t, n);
            ca_set_fmpq(r, q, ctx);
            fmpq_clear(q);
            break;
        case MK_PI: ca_pi(r, ctx); break;
        case MK_E:
            ca_one(r, ctx);
            ca_exp(r, r, ctx);
            break;
        case MK_I: ca_i(r, ctx); break;
        case MK_ADD: ca_add(r, a, b, ctx); break;
        case MK_SUB: ca_sub(r, a, b, ctx); break;
        case MK_MUL: ca_mul(r, a, b, ctx); break;
        case MK_DIV: ca_div(r, a, b, ctx); break;
        case MK_POW:
            if (!small_exponent(s->t, n->b, &k))
                ca_pow(r, a, b, ctx);
            else if (k <= 64 && k >= -64)
                ca_pow_si(r, a, k, ctx);
            else
                ok = false;
            break;
        case MK_NEG: ca_neg(r, a, ctx); break;
        case MK_PM:
            if (a) ca_set(r, a, ctx);
            if (s->sign > 0)
                ca_add(r, r, b, ctx);
            else
                ca_sub(r, r, b, ctx);
            break;
        case MK_FUN:
            ok = fun_ca(
                r, n, a, b ? b : a,
                s->t->node[n->a].kind == MK_DEGREE && n->op >= MF_SIN && n->op <= MF_CSC, ctx);
            break;
        case MK_PERCENT: ca_div_ui(r, a, 100, ctx); break;
        case MK_DEGREE:
        case MK_UNIT: ca_set(r, a, ctx); break;
        case MK_VAR:
        case MK_INF:
        case MK_BASE:
        case MK_TEXT:
        case MK_BRACKET:
        case MK_SET:
        case MK_LIST:
        case MK_UNION:
        case MK_REL:
        case MK_IN:
        case MK_RATIO:
        case MK_MATRIX: ok = false; break;
        }
        ok = ok && ca_check_is_number(r, ctx) == T_TRUE;
    }
    if (ok) ca_set(out, v + s->node, ctx);
    _ca_vec_clear(v, s->node + 1, ctx);
    return ok;
}

static enum math_equal prove_equal(struct math_side g, struct math_side a)
{
    enum math_equal r = MATH_UNKNOWN;
    ca_ctx_t ctx;
    ca_t x, y;
    ca_ctx_init(ctx);
    ca_ctx_set_option(ctx, CA_OPT_PREC_LIMIT, 1024);
    ca_ctx_set_option(ctx, CA_OPT_QQBAR_DEG_LIMIT, 40);
    ca_ctx_set_option(ctx, CA_OPT_GROEBNER_LENGTH_LIMIT, 20);
    ca_init(x, ctx);
    ca_init(y, ctx);
    if (eval_ca(&g, x, ctx) && eval_ca(&a, y, ctx)) {
        truth_t t = ca_check_equal(x, y, ctx);
        r = t == T_TRUE ? MATH_EQUAL : t == T_FALSE ? MATH_DIFFERENT : MATH_UNKNOWN;
    }
    ca_clear(x, ctx);
    ca_clear(y, ctx);
    ca_ctx_clear(ctx);
    return r;
}

/* ---- comparing ---------------------------------------------------------------------------- */

static const uint64_t prime[2] = {2305843009213693951u, 4611686018427387847u};

enum { N_POINT = 5, N_TRY = 40 };

static void random_point(uint64_t *value, int n, int point, uint64_t p)
{
    for (int i = 0; i < n; i++)
        value[i] = rng_at(0x7a, (uint64_t)point, (uint64_t)i) % (p - 1) + 1;
}

/* 1 equal, 0 different, -1 not decidable so. */
static int equal_mod(const struct math_side *g, const struct math_side *a, const struct vars *v)
{
    int good = 0;
    uint64_t value[MAX_VARS], x, y;
    for (int k = 0; k < N_TRY && good < N_POINT; k++) {
        uint64_t p = prime[k % 2];
        random_point(value, v->n, k, p);
        enum mod_state s = eval_mod(g, v, value, p, &x), t = eval_mod(a, v, value, p, &y);
        if (s == MOD_UNSUPPORTED || t == MOD_UNSUPPORTED) return -1;
        if (s != MOD_OK || t != MOD_OK) continue;
        if (x != y) return 0;
        good++;
    }
    return good == N_POINT ? 1 : -1;
}

/* Real values off the integers, of both signs. */
static acb_ptr real_point(int n, int point)
{
    acb_ptr v = _acb_vec_init(n);
    for (int i = 0; i < n; i++) {
        int64_t x = (int64_t)(rng_at(0x7b, (uint64_t)point, (uint64_t)i) % 4000000) + 100003;
        if (point % 2) x = -x;
        acb_set_si(v + i, x);
        acb_div_ui(v + i, v + i, 999983, PREC);
    }
    return v;
}

static int equal_points(const struct math_side *g, const struct math_side *a,
                        const struct vars *v)
{
    int good = 0, differ = 0;
    for (int k = 0; k < 12 && good < 6 && !differ; k++) {
        acb_ptr at = real_point(v->n, k);
        acb_t x, y;
        acb_init(x);
        acb_init(y);
        if (eval_acb(g, v, at, x) && eval_acb(a, v, at, y)) {
            differ = !acb_overlaps(x, y);
            good++;
        }
        acb_clear(x);
        acb_clear(y);
        _acb_vec_clear(at, v->n);
    }
    return differ ? 0 : good >= 3 ? 1 : -1;
}

static enum math_equal equal_constants(struct math_side g, struct math_side a, const char **how)
{
    fmpq_t x, y;
    acb_t u, w;
    enum math_equal r = MATH_UNKNOWN;
    fmpq_init(x);
    fmpq_init(y);
    acb_init(u);
    acb_init(w);
    if (eval_q(&g, x) && eval_q(&a, y)) {
        r = fmpq_equal(x, y) ? MATH_EQUAL : MATH_DIFFERENT;
        *how = "exact rationals";
    } else if (!eval_acb(&g, NULL, NULL, u) || !eval_acb(&a, NULL, NULL, w)) {
        *how = "a value is not defined or too large";
    } else if (!acb_overlaps(u, w)) {
        r = MATH_DIFFERENT;
        *how = "disjoint intervals";
    } else {
        r = prove_equal(g, a);
        *how = r == MATH_UNKNOWN ? "equal to 70 digits, not proven" : "proven constants";
    }
    fmpq_clear(x);
    fmpq_clear(y);
    acb_clear(u);
    acb_clear(w);
    return r;
}

enum math_equal math_equal_values(struct math_side g, struct math_side a, const char **how)
{
    struct vars v = {.n = 0};
    if (!collect(&v, &g) || !collect(&v, &a)) {
        *how = "too many letters";
        return MATH_UNKNOWN;
    }
    if (v.n == 0) return equal_constants(g, a, how);
    int r = equal_mod(&g, &a, &v);
    *how = "rational functions modulo primes";
    if (r < 0) {
        r = equal_points(&g, &a, &v);
        *how = "at points";
    }
    if (r < 0) *how = "not defined at enough points";
    return r < 0 ? MATH_UNKNOWN : r ? MATH_EQUAL : MATH_DIFFERENT;
}

/* The sign of the constant factor between two differences, by one rational point: the value of
 * (g1 - g2) / (a1 - a2) there; 0 when it cannot be told. */
static int factor_sign(const struct math_side *side, const struct vars *v)
{
    int sign = 0;
    acb_ptr at = real_point(v->n, 2);
    acb_t x[4];
    bool ok = true;
    for (int i = 0; i < 4; i++) acb_init(x[i]);
    for (int i = 0; i < 4; i++) ok = ok && eval_acb(&side[i], v, at, x[i]);
    if (ok) {
        acb_sub(x[0], x[0], x[1], PREC);
        acb_sub(x[2], x[2], x[3], PREC);
        acb_mul(x[0], x[0], x[2], PREC);
        if (arb_is_positive(acb_realref(x[0]))) sign = 1;
        if (arb_is_negative(acb_realref(x[0]))) sign = -1;
    }
    for (int i = 0; i < 4; i++) acb_clear(x[i]);
    _acb_vec_clear(at, v->n);
    return sign;
}

/* f(x) g(y) = f(y) g(x) for all x and a fixed y, f and g the differences of the two equations. */
enum math_equal math_equal_relations(struct math_side g1, struct math_side g2,
                                     struct math_side a1, struct math_side a2, bool ordered,
                                     const char **how)
{
    struct math_side side[4] = {g1, g2, a1, a2};
    struct vars v = {.n = 0};
    uint64_t value[MAX_VARS], x[4], f0 = 0, h0 = 0;
    int good = 0;
    *how = "relations up to a factor";
    for (int i = 0; i < 4; i++)
        if (!collect(&v, &side[i])) return MATH_UNKNOWN;
    if (v.n == 0) return MATH_UNKNOWN;
    for (int k = 0; k < N_TRY && good <= N_POINT; k++) {
        bool ok = true;
        random_point(value, v.n, k, prime[0]);
        for (int i = 0; i < 4 && ok; i++) {
            enum mod_state s = eval_mod(&side[i], &v, value, prime[0], &x[i]);
            if (s == MOD_UNSUPPORTED) return MATH_UNKNOWN;
            ok = s == MOD_OK;
        }
        if (!ok) continue;
        uint64_t f = (x[0] + prime[0] - x[1]) % prime[0],
                 h = (x[2] + prime[0] - x[3]) % prime[0];
        if (good++ == 0) {
            if (f == 0 || h == 0) return f == h ? MATH_EQUAL : MATH_DIFFERENT;
            f0 = f;
            h0 = h;
        } else if (mul_mod(f, h0, prime[0]) != mul_mod(f0, h, prime[0])) {
            return MATH_DIFFERENT;
        }
    }
    if (good <= N_POINT) return MATH_UNKNOWN;
    if (!ordered) return MATH_EQUAL;
    int sign = factor_sign(side, &v);
    return sign > 0 ? MATH_EQUAL : sign < 0 ? MATH_DIFFERENT : MATH_UNKNOWN;
}

bool math_rounds_to(struct math_side g, struct math_side a, int places)
{
    acb_t u, w;
    arb_t d, lim;
    bool ok = false;
    acb_init(u);
    acb_init(w);
    arb_init(d);
    arb_init(lim);
    if (eval_acb(&g, NULL, NULL, u) && eval_acb(&a, NULL, NULL, w) && acb_is_real(u) &&
        acb_is_real(w)) {
        arb_sub(d, acb_realref(u), acb_realref(w), PREC);
        arb_abs(d, d);
        arb_set_ui(lim, 10);
        arb_pow_ui(lim, lim, (ulong)places, PREC);
        arb_mul(d, d, lim, PREC);
        arb_mul_2exp_si(d, d, 1);
        arb_set_ui(lim, 1);
        ok = !arb_gt(d, lim);
    }
    acb_clear(u);
    acb_clear(w);
    arb_clear(d);
    arb_clear(lim);
    return ok;
}

bool math_is_multiple(struct math_side g, struct math_side a, int num, int den)
{
    fmpq_t x, y;
    fmpq_init(x);
    fmpq_init(y);
    bool ok = eval_q(&g, x) && eval_q(&a, y);
    if (ok) {
        fmpq_mul_si(x, x, num);
        fmpq_mul_si(y, y, den);
        ok = fmpq_equal(x, y);
    }
    fmpq_clear(x);
    fmpq_clear(y);
    return ok;
}

void math_values_done(void)
{
    flint_cleanup();
}
