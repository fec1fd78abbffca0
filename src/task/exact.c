#include "task/exact.h"

#include <string.h>

static i128 gcd128(i128 a, i128 b)
{
    if (a < 0) a = -a;
    if (b < 0) b = -b;
    while (b) {
        i128 t = a % b;
        a = b;
        b = t;
    }
    return a;
}

/* Values stay below 2^120, so that a negation can never overflow. */
static bool small(i128 v)
{
    const i128 lim = (i128)1 << 120;
    return v < lim && v > -lim;
}

bool rat_make(i128 n, i128 d, struct rat *out)
{
    if (d == 0 || !small(n) || !small(d)) return false;
    i128 g = gcd128(n, d);
    if (d < 0) g = -g;
    *out = (struct rat){n / g, d / g};
    return true;
}

static bool mul(i128 a, i128 b, i128 *out)
{
    return !__builtin_mul_overflow(a, b, out) && small(*out);
}

bool rat_op(char op, struct rat a, struct rat b, struct rat *out)
{
    i128 x, y, d;
    switch (op) {
    case '+':
    case '-':
        if (!mul(a.n, b.d, &x) || !mul(b.n, a.d, &y) || !mul(a.d, b.d, &d)) return false;
        return rat_make(op == '+' ? x + y : x - y, d, out);
    case '*': return mul(a.n, b.n, &x) && mul(a.d, b.d, &d) && rat_make(x, d, out);
    case '/': return mul(a.n, b.d, &x) && mul(a.d, b.n, &d) && rat_make(x, d, out);
    }
    return false;
}

bool rat_eq(struct rat a, struct rat b)
{
    return a.n == b.n && a.d == b.d;
}

bool rat_cmp(struct rat a, struct rat b, int *out)
{
    i128 x, y;
    if (!mul(a.n, b.d, &x) || !mul(b.n, a.d, &y)) return false;
    *out = x < y ? -1 : x > y;
    return true;
}

/* Digits from *p on, at most 18. */
static bool digits(const char **p, const char *end, int64_t *out)
{
    const char *q = *p;
    int64_t v = 0;
    while (q < end && *q >= '0' && *q <= '9' && q - *p < 18) v = v * 10 + (*q++ - '0');
    if (q == *p || (q < end && *q >= '0' && *q <= '9')) return false;
    *p = q;
    *out = v;
    return true;
}

bool rat_parse(struct span s, struct rat *out)
{
    const char *p = s.p, *end = s.p + s.n;
    int64_t whole, n = 0, d = 1;
    bool neg = p < end && *p == '-';
    if (p < end && (*p == '-' || *p == '+')) p++;
    if (!digits(&p, end, &whole)) return false;
    if (p < end && *p == '/') {
        p++;
        n = whole;
        whole = 0;
        if (!digits(&p, end, &d)) return false;
    } else if (p < end && *p == ' ') {
        p++;
        if (!digits(&p, end, &n) || p == end || *p++ != '/' || !digits(&p, end, &d))
            return false;
    } else if (p < end && *p == '.') {
        const char *from = ++p;
        if (!digits(&p, end, &n)) return false;
        for (; from < p; from++) d *= 10;
    }
    if (p != end || d == 0) return false;
    i128 top = (i128)whole * d + n;
    return rat_make(neg ? -top : top, d, out);
}

/* Operator precedence by two stacks, both of fixed size. */
struct eval {
    struct rat val[EXPR_MAX_NUMBERS];
    char op[EXPR_MAX_BYTES];
    size_t n_val, n_op;
};

static int rank(char op)
{
    return op == '(' ? 0 : op == '+' || op == '-' ? 1 : 2;
}

static bool reduce(struct eval *v)
{
    char op = v->op[--v->n_op];
    if (v->n_val < 2) return false;
    v->n_val--;
    return rat_op(op, v->val[v->n_val - 1], v->val[v->n_val], &v->val[v->n_val - 1]);
}

/* The operator at p in ASCII, or 0; *n its bytes. */
static char operator_at(const char *p, const char *end, size_t *n)
{
    static const struct {
        const char *text;
        char op;
    } alias[] = {
        {"\xc3\x97", '*'}, {"\xc2\xb7", '*'}, {"\xc3\xb7", '/'}, {"\xe2\x88\x92", '-'}};
    *n = 1;
    if (memchr("+-*/", *p, 4)) return *p;
    for (size_t i = 0; i < sizeof alias / sizeof alias[0]; i++) {
        *n = strlen(alias[i].text);
        if ((size_t)(end - p) >= *n && memcmp(p, alias[i].text, *n) == 0) return alias[i].op;
    }
    return 0;
}

bool expr_eval(struct span text, struct expr_value *out, const char **why)
{
    struct eval v = {.n_val = 0};
    const char *p = text.p, *end = text.p + text.n;
    bool want_operand = true;
    out->n_used = 0;
    *why = "not an expression of whole numbers, + - * / and parentheses";
    if (text.n > EXPR_MAX_BYTES) {
        *why = "too long";
        return false;
    }
    while (p < end) {
        size_t n;
        char op;
        if (*p == ' ') {
            p++;
        } else if (want_operand && *p == '(') {
            v.op[v.n_op++] = '(';
            p++;
        } else if (want_operand && *p >= '0' && *p <= '9') {
            int64_t x;
            if (out->n_used == EXPR_MAX_NUMBERS || !digits(&p, end, &x)) return false;
            out->used[out->n_used++] = x;
            v.val[v.n_val++] = rat_int(x);
            want_operand = false;
        } else if (!want_operand && *p == ')') {
            while (v.n_op && v.op[v.n_op - 1] != '(')
                if (!reduce(&v)) goto arithmetic;
            if (!v.n_op) return false;
            v.n_op--;
            p++;
        } else if (!want_operand && (op = operator_at(p, end, &n)) != 0) {
            while (v.n_op && rank(v.op[v.n_op - 1]) >= rank(op))
                if (!reduce(&v)) goto arithmetic;
            v.op[v.n_op++] = op;
            want_operand = true;
            p += n;
        } else {
            return false;
        }
    }
    if (want_operand) return false;
    while (v.n_op) {
        if (v.op[v.n_op - 1] == '(') return false;
        if (!reduce(&v)) goto arithmetic;
    }
    out->value = v.val[0];
    return true;
arithmetic:
    *why = "divides by zero or grows too large";
    return false;
}
