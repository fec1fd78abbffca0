#include "task/search.h"

#include <stdio.h>
#include <string.h>

#include "task/exact.h"

struct part {
    int value;
    bool joined; /* an operation, so it may need parentheses */
    char text[SEARCH_TEXT];
};

struct tries {
    struct gen *g;
    int target, n_line, max_line;
    const char *ops;
    char *found;
};

/* a op b for a >= b; false when the step is not taken. */
static bool join(char op, const struct part *a, const struct part *b, struct part *out)
{
    switch (op) {
    case '+': out->value = a->value + b->value; break;
    case '-': out->value = a->value - b->value; break;
    case '*': out->value = a->value * b->value; break;
    case '/':
        if (b->value == 0 || a->value % b->value) return false;
        out->value = a->value / b->value;
        break;
    default: return false;
    }
    if (out->value > 9999) return false;
    bool l = a->joined && strchr("*/", op), r = b->joined && op != '+';
    snprintf(out->text, SEARCH_TEXT, "%s%.20s%s%c%s%.20s%s", l ? "(" : "", a->text,
             l ? ")" : "", op, r ? "(" : "", b->text, r ? ")" : "");
    out->joined = true;
    return true;
}

static void sort_parts(struct part *p, int n)
{
    for (int i = 1; i < n; i++)
        for (int j = i; j > 0 && p[j].value > p[j - 1].value; j--) {
            struct part t = p[j];
            p[j] = p[j - 1];
            p[j - 1] = t;
        }
}

/* Two numbers are left: every operation on them, on one line. */
static bool try_two(struct tries *t, const char *lhs, const struct part *made,
                    const struct part *rest)
{
    struct part two[2] = {*made, *rest}, last;
    char line[128], wrong[16];
    int at = snprintf(line, sizeof line, "%d, %d:", made->value, rest->value);
    sort_parts(two, 2);
    for (const char *op = t->ops; *op; op++) {
        if (!join(*op, &two[0], &two[1], &last)) continue;
        at += snprintf(line + at, sizeof line - (size_t)at, " %d%c%d=%d", two[0].value, *op,
                       two[1].value, last.value);
        if (last.value == t->target) {
            at += snprintf(line + at, sizeof line - (size_t)at, " yes");
            memcpy(t->found, last.text, SEARCH_TEXT);
            break;
        }
    }
    if (!t->found[0]) snprintf(line + at, sizeof line - (size_t)at, " no");
    snprintf(wrong, sizeof wrong, "%d", made->value + 1);
    gen_line(t->g, lhs, line, wrong);
    t->n_line++;
    return t->found[0] != 0;
}

static bool try_three(struct tries *t, const struct part *p)
{
    for (int i = 0; i < 3; i++)
        for (int j = i + 1; j < 3; j++)
            for (const char *op = t->ops; *op; op++) {
                struct part made;
                char lhs[32];
                if (t->n_line > t->max_line) return false;
                if (!join(*op, &p[i], &p[j], &made)) continue;
                snprintf(lhs, sizeof lhs, "%d%c%d=", p[i].value, *op, p[j].value);
                if (try_two(t, lhs, &made, &p[3 - i - j])) return true;
            }
    return false;
}

static bool try_four(struct tries *t, const struct part *p)
{
    for (int i = 0; i < 4; i++)
        for (int j = i + 1; j < 4; j++)
            for (const char *op = t->ops; *op; op++) {
                struct part left[3];
                int n = 1;
                if (t->n_line > t->max_line) return false;
                if (!join(*op, &p[i], &p[j], &left[0])) continue;
                for (int k = 0; k < 4; k++)
                    if (k != i && k != j) left[n++] = p[k];
                gen_say(t->g, "%d%c%d=%d, %d %d", p[i].value, *op, p[j].value, left[0].value,
                        left[1].value, left[2].value);
                t->n_line++;
                sort_parts(left, 3);
                if (try_three(t, left)) return true;
            }
    return false;
}

int search_write(struct gen *g, int *num_, int n, int target, const char *ops, int max_line,
                 char found[SEARCH_TEXT])
{
    struct tries t = {g, target, 0, max_line, ops, found};
    struct part p[4];
    for (int i = 0; i < n; i++) {
        p[i] = (struct part){.value = num_[i]};
        snprintf(p[i].text, SEARCH_TEXT, "%d", num_[i]);
    }
    sort_parts(p, n);
    for (int i = 0; i < n; i++) num_[i] = p[i].value;
    found[0] = 0;
    char list[64] = "";
    for (int i = 0, at = 0; i < n; i++)
        at += snprintf(list + at, sizeof list - (size_t)at, " %d", num_[i]);
    gen_say(g, "Target %d of%s", target, list);
    bool ok = n == 3 ? try_three(&t, p) : try_four(&t, p);
    return t.n_line > max_line ? -1 : ok;
}

/* All values of ordered pairs are covered by + and * once and - and / both ways. */
static int pair_values(struct rat a, struct rat b, const char *ops, struct rat out[6])
{
    int n = 0;
    for (const char *op = ops; *op; op++) {
        if (rat_op(*op, a, b, &out[n])) n++;
        if (strchr("-/", *op) && rat_op(*op, b, a, &out[n])) n++;
    }
    return n;
}

static bool exists_three(const struct rat *v, struct rat target, const char *ops)
{
    struct rat made[6], last[6];
    for (int k = 0; k < 3; k++) {
        int n = pair_values(v[(k + 1) % 3], v[(k + 2) % 3], ops, made);
        for (int i = 0; i < n; i++)
            for (int m = pair_values(made[i], v[k], ops, last); m-- > 0;)
                if (rat_eq(last[m], target)) return true;
    }
    return false;
}

bool search_exists(const int *num_, int n, int target, const char *ops)
{
    struct rat v[4], t = rat_int(target), made[6], left[6];
    for (int i = 0; i < n; i++) v[i] = rat_int(num_[i]);
    if (n == 3) return exists_three(v, t, ops);
    for (int i = 0; i < 4; i++)
        for (int j = i + 1; j < 4; j++) {
            int a = 0;
            struct rat three[3], two[2];
            for (int k = 0; k < 4; k++)
                if (k != i && k != j) two[a++] = v[k];
            for (int m = pair_values(v[i], v[j], ops, made); m-- > 0;) {
                three[0] = made[m];
                three[1] = two[0];
                three[2] = two[1];
                if (exists_three(three, t, ops)) return true;
            }
        }
    /* Both pairs joined first: (a op b) op (c op d). */
    for (int j = 1; j < 4; j++) {
        int c = j == 1 ? 2 : 1, d = j == 3 ? 2 : 3;
        int n1 = pair_values(v[0], v[j], ops, made);
        for (int i = 0; i < n1; i++)
            for (int m = pair_values(v[c], v[d], ops, left); m-- > 0;) {
                struct rat last[6];
                for (int k = pair_values(made[i], left[m], ops, last); k-- > 0;)
                    if (rat_eq(last[k], t)) return true;
            }
    }
    return false;
}

const char *search_check(struct span a, const int *num_, int n, int target, const char *ops)
{
    struct expr_value x;
    const char *why;
    int64_t said;
    bool used[EXPR_MAX_NUMBERS] = {false};
    const char *eq = memchr(a.p, '=', a.n);
    if (eq) {
        struct span right = trim((struct span){eq + 1, (size_t)(a.p + a.n - eq - 1)});
        if (!parse_int(right, &said) || said != target)
            return "what follows the = is not the target";
        a.n = (size_t)(eq - a.p);
    }
    if (!expr_eval(a, &x, &why)) return why;
    if (x.n_used != (size_t)n) return "not every number is used exactly once";
    for (size_t i = 0; i < x.n_used; i++) {
        int j = 0;
        while (j < n && (used[j] || num_[j] != x.used[i])) j++;
        if (j == n) return "a number that is not given, or given fewer times";
        used[j] = true;
    }
    for (size_t i = 0; i < a.n; i++)
        if (memchr("+-*/", a.p[i], 4) && !strchr(ops, a.p[i]))
            return "an operator that is not allowed";
    if (!rat_eq(x.value, rat_int(target))) return "another value than the target";
    return NULL;
}
