/* check_math_compare.c - what equality means for lists, sets, tuples, intervals, relations,
 * ratios, percent and units. The policy is docs/grader.md; this is its text in C. */
#include <string.h>

#include "task/check_math_int.h"

enum { MAX_ITEMS = 24, MAX_COMPARES = 300 };

struct grade {
    enum math_mode mode;
    const char *how;
    int left; /* comparisons of values that may still be made */
};

static enum math_equal compare(struct grade *c, struct math_side g, struct math_side a,
                               int depth);

static const struct math_node *node_of(struct math_side s)
{
    return &s.t->node[s.node];
}

static enum math_kind kind_of(struct math_side s)
{
    return (enum math_kind)node_of(s)->kind;
}

static struct math_side at_node(struct math_side s, int node)
{
    s.node = node;
    return s;
}

static enum math_equal both(enum math_equal x, enum math_equal y)
{
    if (x == MATH_DIFFERENT || y == MATH_DIFFERENT) return MATH_DIFFERENT;
    return x == MATH_EQUAL && y == MATH_EQUAL ? MATH_EQUAL : MATH_UNKNOWN;
}

static int children(struct math_side s, struct math_side *out)
{
    int n = 0;
    for (int k = node_of(s)->first; k >= 0 && n < MAX_ITEMS; k = s.t->node[k].next)
        out[n++] = at_node(s, k);
    return node_of(s)->n > MAX_ITEMS ? -1 : n;
}

/* f(x) is read as f times x. */
static bool is_name(const struct math_tree *t, int k)
{
    const struct math_node *n = &t->node[k];
    if (n->kind == MK_MUL) {
        const struct math_node *f = &t->node[n->a], *x = &t->node[n->b];
        return f->kind == MK_VAR && x->kind == MK_VAR && f->text.n == 1 &&
               strchr("fghFGPpqQ", f->text.p[0]);
    }
    if (n->kind == MK_BRACKET) {
        for (int i = n->first; i >= 0; i = t->node[i].next)
            if (t->node[i].kind != MK_VAR) return false;
        return n->op == 0;
    }
    return n->kind == MK_VAR;
}

/* "x = 5" names its right side; x = 2+3 = 5 its last one when measuring. -1: no such relation. */
static int named_value(const struct grade *c, struct math_side s)
{
    const struct math_node *n = node_of(s);
    int last = -1, count = 0;
    if (n->kind != MK_REL || !is_name(s.t, n->first)) return -1;
    for (int k = s.t->node[n->first].next; k >= 0; k = s.t->node[k].next) {
        if (s.t->node[k].rel != MR_EQ) return -1;
        last = k;
        count++;
    }
    return count == 1 || c->mode == MATH_EVAL ? last : -1;
}

/* ---- lists and sets ----------------------------------------------------------------------- */

static bool add_item(const struct grade *c, struct math_side s, struct math_side *out, int *n)
{
    int v = named_value(c, s);
    if (v >= 0) s.node = v;
    bool pm = math_has(s.t, s.node, MK_PM) && math_is_value(s.t, s.node);
    if (*n + 2 > MAX_ITEMS) return false;
    s.sign = 1;
    out[(*n)++] = s;
    if (pm) {
        s.sign = -1;
        out[(*n)++] = s;
    }
    return true;
}

/* The members of a list or set, or of a single value; plus-or-minus gives two. -1: too many. */
static int items(const struct grade *c, struct math_side s, struct math_side *out)
{
    struct math_side kid[MAX_ITEMS];
    int n = 0, v = named_value(c, s);
    if (v >= 0) s.node = v;
    if (kind_of(s) != MK_LIST && kind_of(s) != MK_SET) return add_item(c, s, out, &n) ? n : -1;
    int m = children(s, kid);
    for (int i = 0; i < m; i++)
        if (!add_item(c, kid[i], out, &n)) return -1;
    return m < 0 ? -1 : n;
}

typedef enum math_equal (*item_equal)(struct grade *c, const void *g, const void *a, int depth);

/* Each member of one has its own partner in the other. Equality is an equivalence, so the first
 * partner found is as good as any. */
static enum math_equal match(struct grade *c, const void *g, const void *a, size_t size, int n,
                             int m, item_equal eq, int depth)
{
    bool used[MAX_ITEMS] = {false}, unknown = false;
    if (n != m) return MATH_DIFFERENT;
    for (int i = 0; i < n; i++) {
        int j = 0;
        bool maybe = false;
        for (; j < m; j++) {
            if (used[j]) continue;
            enum math_equal r = eq(c, (const char *)g + (size_t)i * size,
                                   (const char *)a + (size_t)j * size, depth);
            if (r == MATH_EQUAL) break;
            maybe |= r == MATH_UNKNOWN;
        }
        if (j == m && !maybe) return MATH_DIFFERENT;
        if (j == m)
            unknown = true;
        else
            used[j] = true;
    }
    return unknown ? MATH_UNKNOWN : MATH_EQUAL;
}

static enum math_equal side_equal(struct grade *c, const void *g, const void *a, int depth)
{
    return compare(c, *(const struct math_side *)g, *(const struct math_side *)a, depth + 1);
}

static enum math_equal compare_sets(struct grade *c, struct math_side g, struct math_side a,
                                    int depth)
{
    struct math_side x[MAX_ITEMS], y[MAX_ITEMS];
    int n = items(c, g, x), m = items(c, a, y);
    if (n < 0 || m < 0) {
        c->how = "a list is too long";
        return MATH_UNKNOWN;
    }
    enum math_equal r = match(c, x, y, sizeof *x, n, m, side_equal, depth);
    c->how = "the same members in any order";
    return r;
}

static enum math_equal in_order(struct grade *c, struct math_side g, struct math_side a,
                                int depth)
{
    struct math_side x[MAX_ITEMS], y[MAX_ITEMS];
    int n = children(g, x), m = children(a, y);
    enum math_equal r = MATH_EQUAL;
    if (n < 0 || m < 0) return MATH_UNKNOWN;
    if (n != m) return MATH_DIFFERENT;
    for (int i = 0; i < n && r != MATH_DIFFERENT; i++)
        r = both(r, compare(c, x[i], y[i], depth + 1));
    c->how = "member by member";
    return r;
}

/* ---- intervals ---------------------------------------------------------------------------- */

struct interval {
    struct math_side lo, hi;
    bool lo_open, hi_open, lo_inf, hi_inf;
};

static int infinity(struct math_side s)
{
    const struct math_node *n = node_of(s);
    if (n->kind == MK_INF) return 1;
    return n->kind == MK_NEG && s.t->node[n->a].kind == MK_INF ? -1 : 0;
}

static void bound(struct interval *v, struct math_side s, bool low, bool open)
{
    int inf = infinity(s);
    if (low) {
        v->lo = s;
        v->lo_inf = inf < 0;
        v->lo_open = open || inf;
    } else {
        v->hi = s;
        v->hi_inf = inf > 0;
        v->hi_open = open || inf;
    }
}

/* x < 3, 2 <= x < 5, 3 > x: one letter between bounds. */
static bool relation_interval(struct math_side s, struct interval *v)
{
    struct math_side k[MAX_ITEMS];
    int n = children(s, k), x = -1;
    *v = (struct interval){
        .lo = s, .hi = s, .lo_inf = true, .hi_inf = true, .lo_open = true, .hi_open = true};
    if (n != 2 && n != 3) return false;
    for (int i = 0; i < n; i++)
        if (kind_of(k[i]) == MK_VAR && (n == 2 || i == 1)) x = i;
    if (x < 0) return false;
    for (int i = 1; i < n; i++) {
        enum math_rel r = (enum math_rel)node_of(k[i])->rel;
        bool less = r == MR_LT || r == MR_LE, open = r == MR_LT || r == MR_GT;
        if (r == MR_EQ || r == MR_NE) return false;
        struct math_side c = i == x ? k[i - 1] : k[i];
        if (math_has(c.t, c.node, MK_VAR)) return false;
        bool low = (i == x) == less; /* c < x, or x > c */
        if (low ? !v->lo_inf : !v->hi_inf) return false;
        bound(v, c, low, open);
    }
    return true;
}

static bool bracket_interval(struct math_side s, struct interval *v)
{
    struct math_side k[MAX_ITEMS];
    if (kind_of(s) != MK_BRACKET || children(s, k) != 2) return false;
    bound(v, k[0], true, !(node_of(s)->op & 1));
    bound(v, k[1], false, !(node_of(s)->op & 2));
    return true;
}

static bool to_interval(struct math_side s, struct interval *v)
{
    if (kind_of(s) == MK_IN) s.node = node_of(s)->b;
    return kind_of(s) == MK_REL ? relation_interval(s, v) : bracket_interval(s, v);
}

static enum math_equal interval_equal(struct grade *c, const void *gp, const void *ap,
                                      int depth)
{
    const struct interval *g = gp, *a = ap;
    enum math_equal r = MATH_EQUAL;
    if (g->lo_inf != a->lo_inf || g->hi_inf != a->hi_inf || g->lo_open != a->lo_open ||
        g->hi_open != a->hi_open)
        return MATH_DIFFERENT;
    if (!g->lo_inf) r = both(r, compare(c, g->lo, a->lo, depth + 1));
    if (!g->hi_inf) r = both(r, compare(c, g->hi, a->hi, depth + 1));
    return r;
}

/* The pieces of a union, of inequalities joined by "or", or of one interval; 0: none of these. */
static int pieces(struct math_side s, struct interval *out)
{
    struct math_side k[MAX_ITEMS];
    if (kind_of(s) == MK_IN) s.node = node_of(s)->b;
    if (kind_of(s) != MK_UNION && kind_of(s) != MK_LIST) return to_interval(s, &out[0]);
    int n = children(s, k);
    for (int i = 0; i < n; i++)
        if (!to_interval(k[i], &out[i])) return 0;
    return n < 0 ? 0 : n;
}

/* ---- relations ---------------------------------------------------------------------------- */

static bool only_two(struct math_side s, struct math_side *l, struct math_side *r,
                     enum math_rel *rel)
{
    struct math_side k[MAX_ITEMS];
    if (kind_of(s) != MK_REL || children(s, k) != 2) return false;
    *l = k[0];
    *r = k[1];
    *rel = (enum math_rel)node_of(k[1])->rel;
    if (*rel == MR_GT || *rel == MR_GE) { /* turned to less */
        *l = k[1];
        *r = k[0];
        *rel = *rel == MR_GT ? MR_LT : MR_LE;
    }
    return math_is_value(s.t, k[0].node) && math_is_value(s.t, k[1].node);
}

static enum math_equal compare_relations(struct grade *c, struct math_side g,
                                         struct math_side a, int depth)
{
    struct math_side gl, gr, al, ar;
    enum math_rel x, y;
    struct interval u, v;
    int ng = named_value(c, g), na = named_value(c, a);
    if (ng >= 0 && na >= 0 &&
        compare(c, at_node(g, ng), at_node(a, na), depth + 1) == MATH_EQUAL) {
        struct math_side g1 = at_node(g, node_of(g)->first), a1 = at_node(a, node_of(a)->first);
        enum math_equal r = compare(c, g1, a1, depth + 1);
        c->how = "equations of the same name";
        return r;
    }
    if (to_interval(g, &u) && to_interval(a, &v)) {
        c->how = "the same interval";
        return interval_equal(c, &u, &v, depth);
    }
    if (!only_two(g, &gl, &gr, &x) || !only_two(a, &al, &ar, &y)) {
        c->how = "relations of a form that is not compared";
        return MATH_UNKNOWN;
    }
    if (x != y) return MATH_DIFFERENT;
    return math_equal_relations(gl, gr, al, ar, x == MR_LT || x == MR_LE, &c->how);
}

/* ---- the other kinds ---------------------------------------------------------------------- */

static bool plain_int(struct math_side s, long *out)
{
    const struct math_node *n = node_of(s);
    *out = 0;
    if (n->kind != MK_NUM || n->frac || n->exp || n->n > 9) return false;
    if (n->n > 1 && s.t->pool[n->at] == '0') return false; /* 05: a time, not a count */
    for (int i = 0; i < n->n; i++) *out = *out * 10 + (s.t->pool[n->at + i] - '0');
    return true;
}

static enum math_equal compare_ratios(struct grade *c, struct math_side g, struct math_side a,
                                      int depth)
{
    long p, q, r, s;
    struct math_side x[MAX_ITEMS], y[MAX_ITEMS];
    if (kind_of(g) == MK_RATIO && kind_of(a) == MK_RATIO) {
        enum math_equal e = in_order(c, g, a, depth);
        if (e == MATH_EQUAL) return e;
    }
    if (kind_of(g) != MK_RATIO || children(g, x) != 2) return MATH_DIFFERENT;
    if (kind_of(a) == MK_RATIO) {
        if (children(a, y) != 2) return MATH_DIFFERENT;
    } else if (kind_of(a) == MK_DIV && c->mode == MATH_EVAL) {
        y[0] = at_node(a, node_of(a)->a);
        y[1] = at_node(a, node_of(a)->b);
    } else {
        return MATH_DIFFERENT;
    }
    c->how = "ratios up to a factor";
    if (!plain_int(x[0], &p) || !plain_int(x[1], &q) || !plain_int(y[0], &r) ||
        !plain_int(y[1], &s))
        return MATH_DIFFERENT;
    return p * s == q * r && q && s ? MATH_EQUAL : MATH_DIFFERENT;
}

static bool same_words(struct span x, struct span y)
{
    size_t i = 0, j = 0;
    for (;;) {
        while (i < x.n && strchr(" .,()'\"-{}\\~", x.p[i])) i++;
        while (j < y.n && strchr(" .,()'\"-{}\\~", y.p[j])) j++;
        if (i == x.n || j == y.n) return i == x.n && j == y.n;
        char p = x.p[i++], q = y.p[j++];
        if (p >= 'A' && p <= 'Z') p = (char)(p + 32);
        if (q >= 'A' && q <= 'Z') q = (char)(q + 32);
        if (p != q) return false;
    }
}

/* Units that have a short and a long name; a unit that is not here equals any. */
static const char *unit_name(struct span u)
{
    static const char *const unit[][6] = {
        {"cm", "centimeter", "centimeters", "centimetre", "centimetres", NULL},
        {"m", "meter", "meters", "metre", "metres", NULL},
        {"km", "kilometer", "kilometers", "kilometre", "kilometres", NULL},
        {"mm", "millimeter", "millimeters", NULL, NULL, NULL},
        {"in", "inch", "inches", NULL, NULL, NULL},
        {"ft", "foot", "feet", NULL, NULL, NULL},
        {"mi", "mile", "miles", NULL, NULL, NULL},
        {"kg", "kilogram", "kilograms", NULL, NULL, NULL},
        {"g", "gram", "grams", NULL, NULL, NULL},
        {"h", "hour", "hours", "hr", "hrs", NULL},
        {"min", "minute", "minutes", "mins", NULL, NULL},
        {"s", "second", "seconds", "sec", "secs", NULL},
        {"day", "days", NULL, NULL, NULL, NULL},
        {"dollar", "dollars", NULL, NULL, NULL, NULL},
        {"cent", "cents", NULL, NULL, NULL, NULL},
        {"degree", "degrees", "deg", NULL, NULL, NULL},
    };
    for (size_t i = 0; i < countof(unit); i++)
        for (int k = 0; k < 6 && unit[i][k]; k++)
            if (same_words(u, span_of(unit[i][k]))) return unit[i][0];
    return NULL;
}

static struct span unit_text(struct span u)
{
    static const char *const wrap[] = {"\\text{", "\\mathrm{", "\\mbox{", "\\textrm{"};
    for (size_t i = 0; i < countof(wrap); i++)
        if (span_starts(u, wrap[i])) {
            u = (struct span){u.p + strlen(wrap[i]), u.n - strlen(wrap[i])};
            const char *end = memchr(u.p, '}', u.n);
            if (end && end == u.p + u.n - 1) u.n--;
        }
    return u;
}

static bool units_clash(struct math_side g, struct math_side a)
{
    if (kind_of(g) != MK_UNIT || kind_of(a) != MK_UNIT) return false;
    const char *x = unit_name(unit_text(node_of(g)->text)),
               *y = unit_name(unit_text(node_of(a)->text));
    return x && y && strcmp(x, y) != 0;
}

static struct math_side without_unit(struct math_side s)
{
    while (kind_of(s) == MK_UNIT || kind_of(s) == MK_DEGREE) s.node = node_of(s)->a;
    return s;
}

/* A number as it is written when it is worked out: 5, -3/4, 2 1/3, 1.2e3, 3 * 10^4. */
static bool is_literal(struct math_side s)
{
    s = without_unit(s);
    const struct math_node *n = node_of(s);
    if (n->kind == MK_PERCENT || n->kind == MK_NEG) {
        s.node = n->a;
        s = without_unit(s);
        n = node_of(s);
    }
    if (n->kind == MK_NUM) return true;
    if (n->kind == MK_PM && n->a < 0) return s.t->node[n->b].kind == MK_NUM;
    if (n->a < 0 || n->b < 0) return false;
    struct math_side a = at_node(s, n->a), b = at_node(s, n->b);
    enum math_kind ka = kind_of(a), kb = kind_of(b);
    bool neg = ka == MK_NEG && s.t->node[node_of(a)->a].kind == MK_NUM;
    if (n->kind == MK_DIV) return (ka == MK_NUM || neg) && kb == MK_NUM;
    if (n->kind == MK_ADD) /* a mixed number */
        return ka == MK_NUM && kb == MK_DIV && s.t->node[node_of(b)->a].kind == MK_NUM &&
               s.t->node[node_of(b)->b].kind == MK_NUM;
    if (n->kind == MK_MUL)
        return ka == MK_NUM && kb == MK_POW && is_literal(at_node(s, node_of(b)->a));
    return n->kind == MK_POW && ka == MK_NUM && (kb == MK_NUM || kb == MK_NEG);
}

/* Decimal places of a gold number such as 3.14; 0 when it is no such number. */
static int places(struct math_side g)
{
    const struct math_node *n = node_of(g);
    if (n->kind == MK_NEG) n = &g.t->node[n->a];
    return n->kind == MK_NUM && n->rep == 0 && n->frac >= 2 ? n->frac - n->exp : 0;
}

static enum math_equal compare_values(struct grade *c, struct math_side g, struct math_side a)
{
    if (c->left-- <= 0) {
        c->how = "too much to compare";
        return MATH_UNKNOWN;
    }
    if (units_clash(g, a)) {
        c->how = "other units";
        return MATH_DIFFERENT;
    }
    if (c->mode == MATH_REWARD && is_literal(g) && !is_literal(a)) {
        c->how = "the answer is not worked out";
        return MATH_DIFFERENT;
    }
    g = without_unit(g);
    a = without_unit(a);
    bool pg = kind_of(g) == MK_PERCENT, pa = kind_of(a) == MK_PERCENT;
    if (pg != pa && c->mode == MATH_REWARD && pa) {
        c->how = "percent where the gold has none";
        return MATH_DIFFERENT;
    }
    if (pg && !pa) {
        enum math_equal r = math_equal_values(at_node(g, node_of(g)->a), a, &c->how);
        if (r == MATH_EQUAL || c->mode == MATH_REWARD) return r;
    }
    enum math_equal r = math_equal_values(g, a, &c->how);
    if (r == MATH_DIFFERENT && c->mode == MATH_EVAL && places(g) > 0 && places(g) < 300 &&
        math_rounds_to(g, a, places(g))) {
        c->how = "rounds to the gold's decimals";
        return MATH_EQUAL;
    }
    return r;
}

static bool is_empty(struct math_side s)
{
    const struct math_node *n = node_of(s);
    return (n->kind == MK_SET && n->n == 0) ||
           (n->kind == MK_VAR &&
            (span_is(n->text, "emptyset") || span_is(n->text, "varnothing")));
}

/* A single letter and the same letter as a word. */
static enum math_equal compare_texts(struct grade *c, struct math_side g, struct math_side a)
{
    const struct math_node *x = node_of(g), *y = node_of(a);
    bool words =
        (x->kind == MK_TEXT || x->kind == MK_VAR) && (y->kind == MK_TEXT || y->kind == MK_VAR);
    c->how = "words";
    return words && same_words(x->text, y->text) ? MATH_EQUAL : MATH_DIFFERENT;
}

static enum math_equal compare(struct grade *c, struct math_side g, struct math_side a,
                               int depth)
{
    struct interval u[MAX_ITEMS], v[MAX_ITEMS];
    if (depth > MATH_DEPTH) return MATH_UNKNOWN;
    if (kind_of(g) == MK_IN) g.node = node_of(g)->b;
    if (kind_of(a) == MK_IN) a.node = node_of(a)->b;
    enum math_kind kg = kind_of(g), ka = kind_of(a);
    if (is_empty(g) || is_empty(a)) {
        c->how = "the empty set";
        return is_empty(g) && is_empty(a) ? MATH_EQUAL : MATH_DIFFERENT;
    }
    int n = pieces(g, u), m = pieces(a, v);
    bool one_is_union = kg == MK_UNION || ka == MK_UNION || kg == MK_REL || kg == MK_LIST;
    bool parrot = ka == MK_REL && kg != MK_REL; /* the question's own inequality */
    if (n > 0 && m > 0 && one_is_union && !parrot) {
        enum math_equal r = match(c, u, v, sizeof *u, n, m, interval_equal, depth);
        c->how = "intervals";
        return r;
    }
    if (kg == MK_REL && ka == MK_REL) return compare_relations(c, g, a, depth);
    if (kg == MK_REL || ka == MK_REL) {
        int ng = named_value(c, g), na = named_value(c, a);
        if (kg == MK_REL && ng >= 0) return compare(c, at_node(g, ng), a, depth + 1);
        if (ka == MK_REL && na >= 0) return compare(c, g, at_node(a, na), depth + 1);
        c->how = "a relation against a value";
        return MATH_DIFFERENT;
    }
    if (kg == MK_BRACKET && ka == MK_LIST && c->mode == MATH_EVAL && node_of(g)->op == 0)
        return in_order(c, g, a, depth);
    if (kg == MK_LIST && ka == MK_BRACKET && c->mode == MATH_EVAL && node_of(a)->op == 0)
        return in_order(c, g, a, depth);
    bool list = kg == MK_LIST || ka == MK_LIST || kg == MK_SET || ka == MK_SET;
    bool values = math_is_value(g.t, g.node) && math_is_value(a.t, a.node);
    bool pm = values && g.sign == 0 && a.sign == 0 &&
              (math_has(g.t, g.node, MK_PM) || math_has(a.t, a.node, MK_PM));
    if (list || pm) {
        if (kg == MK_BRACKET || ka == MK_BRACKET || kg == MK_MATRIX || ka == MK_MATRIX) {
            c->how = "other forms";
            return MATH_DIFFERENT;
        }
        return compare_sets(c, g, a, depth);
    }
    if (kg == MK_TEXT || ka == MK_TEXT) return compare_texts(c, g, a);
    if (values) return compare_values(c, g, a);
    if (kg == MK_RATIO || ka == MK_RATIO) return compare_ratios(c, g, a, depth);
    if (infinity(g) || infinity(a)) {
        c->how = "infinity";
        return infinity(g) == infinity(a) ? MATH_EQUAL : MATH_DIFFERENT;
    }
    if (kg == MK_BASE || ka == MK_BASE) {
        struct math_side x = kg == MK_BASE ? at_node(g, node_of(g)->a) : g;
        struct math_side y = ka == MK_BASE ? at_node(a, node_of(a)->a) : a;
        enum math_equal r = compare(c, x, y, depth + 1);
        if (kg == MK_BASE && ka == MK_BASE)
            return both(
                r, compare(c, at_node(g, node_of(g)->b), at_node(a, node_of(a)->b), depth + 1));
        return c->mode == MATH_EVAL && kg == MK_BASE ? r : MATH_DIFFERENT;
    }
    bool column =
        c->mode == MATH_EVAL && ((kg == MK_MATRIX && node_of(g)->op == 1 && ka == MK_BRACKET) ||
                                 (ka == MK_MATRIX && node_of(a)->op == 1 && kg == MK_BRACKET));
    if ((kg == ka && (kg == MK_BRACKET || kg == MK_MATRIX)) || column) {
        c->how = "other brackets or shapes";
        if (!column && node_of(g)->op != node_of(a)->op) return MATH_DIFFERENT;
        return in_order(c, g, a, depth);
    }
    c->how = "other forms";
    return MATH_DIFFERENT;
}

enum math_equal math_compare(const struct math_tree *g, const struct math_tree *a,
                             enum math_mode mode, const char **how)
{
    struct grade c = {.mode = mode, .how = "", .left = MAX_COMPARES};
    enum math_equal r =
        compare(&c, (struct math_side){g, g->root, 0}, (struct math_side){a, a->root, 0}, 0);
    *how = c.how;
    return r;
}
