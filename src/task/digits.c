/* digits.c - written arithmetic, one single-digit operation per line, from the right to the
 * left with the carry named; then the whole line "487+96=583". */
#include <stdio.h>

#include "task/gen.h"

int gcd_int(int a, int b)
{
    while (b) {
        int t = a % b;
        a = b;
        b = t;
    }
    return a < 0 ? -a : a;
}

/* "sum write 3 carry 1" of a column; the wrong form is one too much. */
static void column(struct gen *g, const char *lhs, int sum)
{
    char right[48], wrong[48];
    for (int k = 0; k < 2; k++) {
        char *out = k ? wrong : right;
        int s = sum + k;
        if (s >= 10)
            snprintf(out, sizeof right, "%d write %d carry %d", s, s % 10, s / 10);
        else
            snprintf(out, sizeof right, "%d write %d", s, s);
    }
    gen_line(g, lhs, right, wrong);
}

void work_add(struct gen *g, int a, int b)
{
    bool was = g->detail;
    int x = a, y = b, carry = 0;
    char lhs[48];
    g->detail = true;
    if (a >= 10 || b >= 10) {
        while (x || y) {
            if (x == 0 || y == 0) {
                int rest = x + y;
                if (!carry) {
                    gen_say(g, "keep %d", rest);
                    break;
                }
                snprintf(lhs, sizeof lhs, "%d+1=", rest % 10);
            } else if (carry) {
                snprintf(lhs, sizeof lhs, "%d+%d+1=", x % 10, y % 10);
            } else {
                snprintf(lhs, sizeof lhs, "%d+%d=", x % 10, y % 10);
            }
            int sum = x % 10 + y % 10 + carry;
            column(g, lhs, sum);
            carry = sum / 10;
            x /= 10;
            y /= 10;
        }
    }
    g->detail = was;
    gen_eq(g, (int64_t)a + b, "%d+%d", a, b);
}

void work_sub(struct gen *g, int a, int b)
{
    bool was = g->detail;
    g->detail = true;
    int x = a > b ? a : b, y = a > b ? b : a, borrow = 0;
    if (a < b) gen_say(g, "%d<%d, so %d-%d with a minus", a, b, b, a);
    if (x >= 10) {
        while (x) {
            if (y == 0 && !borrow) {
                gen_say(g, "keep %d", x);
                break;
            }
            int d = x % 10, s = y % 10, top = d < s + borrow ? d + 10 : d;
            char lhs[64];
            int n = top > d ? snprintf(lhs, sizeof lhs, "borrow, ") : 0;
            if (borrow)
                snprintf(lhs + n, sizeof lhs - (size_t)n, "%d-%d-1=", top, s);
            else
                snprintf(lhs + n, sizeof lhs - (size_t)n, "%d-%d=", top, s);
            int v = top - s - borrow;
            gen_line(g, lhs, num(v).s, num(v ? v - 1 : 1).s);
            borrow = top > d;
            x /= 10;
            y /= 10;
        }
    }
    g->detail = was;
    gen_eq(g, (int64_t)a - b, "%d-%d", a, b);
}

/* a times one digit, with its place value: "37*4" from 7*4 and 30*4. */
static int times_digit(struct gen *g, int a, int d, int place)
{
    int sum = 0, n_part = 0;
    g->detail = true;
    if (a >= 10 && d > 1) {
        for (int p = 1; p <= a; p *= 10) {
            int part = a / p % 10 * p;
            if (!part) continue;
            gen_eq(g, (int64_t)part * d, "%d*%d", part, d);
            if (n_part++) gen_eq(g, (int64_t)sum + (int64_t)part * d, "%d+%d", sum, part * d);
            sum += part * d;
        }
    }
    g->detail = false;
    gen_eq(g, (int64_t)a * d * place, "%d*%d", a, d * place);
    return a * d * place;
}

void work_mul(struct gen *g, int a, int b)
{
    int sum = 0, n_part = 0;
    for (int p = 1; p <= b; p *= 10) {
        int d = b / p % 10;
        if (!d) continue;
        int part = times_digit(g, a, d, p);
        if (n_part++) gen_eq(g, (int64_t)sum + part, "%d+%d", sum, part);
        sum += part;
    }
    if (n_part > 1) gen_say(g, "%d*%d=%d", a, b, sum);
    if (b == 0) gen_eq(g, 0, "%d*0", a);
}

void work_div(struct gen *g, int a, int b)
{
    char d[16];
    int n = snprintf(d, sizeof d, "%d", a), rem = 0;
    bool started = false;
    g->detail = true;
    for (int i = 0; i < n && n > 1; i++) {
        rem = rem * 10 + (d[i] - '0');
        if (!started && rem < b && i + 1 < n) continue;
        started = true;
        char lhs[32], right[32], wrong[32];
        snprintf(lhs, sizeof lhs, "%d/%d=", rem, b);
        snprintf(right, sizeof right, "%d r %d", rem / b, rem % b);
        snprintf(wrong, sizeof wrong, "%d r %d", rem / b + 1, rem % b);
        gen_line(g, lhs, right, wrong);
        rem %= b;
    }
    g->detail = false;
    gen_say(g, "%d/%d=%d r %d", a, b, a / b, a % b);
}
