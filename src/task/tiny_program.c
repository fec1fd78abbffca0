/* tiny_program.c - what a small program prints, and which brackets close a row of brackets.
 * Keys: the program "x=3;y=x+4;print x-y", the brackets "close ({[". */
#include <stdio.h>
#include <string.h>

#include "task/gen.h"

enum { MAX_LINE = 10 };

static const char *const prints[TASK_PHRASINGS] = {
    "What does this program print? $1",
    "Run: $1. What is printed?",
    "$1 - what does it print?",
    "Follow the program $1 and give its output.",
    "A program: $1. Which number does it print?",
    "Work through $1. What comes out?",
    "Give the number printed by: $1",
    "After running $1, what is the output?",
};
static const char *const closes[TASK_PHRASINGS] = {
    "Close the brackets: $1",
    "Which brackets close $1?",
    "Complete so that all brackets are closed: $1",
    "Write the closing brackets for $1",
    "What must follow $1 to close every bracket?",
    "Finish the bracket row $1",
    "Add the missing closing brackets to $1",
    "These brackets are open: $1 Write what closes them.",
};

struct stmt {
    char to, a, op; /* to = a op b; a 0: to = b */
    int b;          /* a number, or a letter when is_var */
    bool is_var;
    int times; /* repeated so often */
};

static int apply(char op, int a, int b)
{
    return op == '+' ? a + b : op == '-' ? a - b : a * b;
}

static void stmt_text(const struct stmt *s, char *out, size_t size)
{
    char b[16], rep[24] = "";
    if (s->is_var)
        snprintf(b, sizeof b, "%c", s->b);
    else
        snprintf(b, sizeof b, "%d", s->b);
    if (s->times > 1) snprintf(rep, sizeof rep, "repeat %d: ", s->times);
    if (s->a)
        snprintf(out, size, "%s%c=%c%c%s", rep, s->to, s->a, s->op, b);
    else
        snprintf(out, size, "%s%c=%s", rep, s->to, b);
}

static bool program(struct gen *g)
{
    struct stmt s[MAX_LINE];
    int n = g->level + 2, vars = g->level < 3 ? 2 : 3, v[3] = {0};
    char text[256], one[48], pr = 'x', pr2;
    size_t at = 0;
    for (int i = 0; i < n; i++) {
        s[i] = (struct stmt){(char)('x' + i), 0, '+', gen_int(g, 1, 9), false, 1};
        if (i < vars) {
            if (i && gen_coin(g)) s[i].a = (char)('x' + gen_below(g, i));
        } else {
            s[i].to = (char)('x' + gen_below(g, vars));
            s[i].a = (char)('x' + gen_below(g, vars));
            s[i].is_var = gen_coin(g);
            if (s[i].is_var) s[i].b = 'x' + gen_below(g, vars);
            if (g->level >= 4 && gen_below(g, 3) == 0) {
                s[i] = (struct stmt){s[i].to,          s[i].to, '+',
                                     gen_int(g, 1, 9), false,   gen_int(g, 2, 3)};
            }
        }
        s[i].op = s[i].times > 1 ? '+' : "+-*"[gen_below(g, 3)];
    }
    pr = (char)('x' + gen_below(g, vars));
    pr2 = (char)('x' + gen_below(g, vars));
    char pop = "+-"[gen_below(g, 2)];
    if (pr == pr2) return false;
    for (int k = 0; g->variant == TASK_TWIN && k < g->changes; k++) {
        int i = twin_below(g, n);
        if (!s[i].is_var) s[i].b = twin_int(g, 1, 40);
    }
    if (g->variant == TASK_ILL) {
        s[0].b = twin_int(g, 1, 40);
        pr2 = vars == 2 ? 'z' : 'w';
    }
    for (int i = 0; i < n; i++) {
        stmt_text(&s[i], one, sizeof one);
        at += (size_t)snprintf(text + at, sizeof text - at, "%s; ", one);
        gen_key(g, "%s;", one);
    }
    snprintf(text + at, sizeof text - at, "print %c%c%c", pr, pop, pr2);
    gen_key(g, "print %c%c%c", pr, pop, pr2);
    gen_ask(g, prints, text);
    for (int i = 0; i < n; i++)
        for (int k = 0; k < s[i].times; k++) {
            int b = s[i].is_var ? v[s[i].b - 'x'] : s[i].b, a = s[i].a ? v[s[i].a - 'x'] : 0;
            int r = s[i].a ? apply(s[i].op, a, b) : b;
            if (r > 9999 || r < -999) return false;
            v[s[i].to - 'x'] = r;
            if (s[i].a)
                gen_eq(g, r, "%c=%d%c%d", s[i].to, a, s[i].op, b);
            else
                gen_say(g, "%c=%d", s[i].to, r);
        }
    if (g->variant == TASK_ILL) {
        gen_say(g, "%c has no value", pr2);
        gen_none(g);
        return true;
    }
    int a = v[pr - 'x'], b = v[pr2 - 'x'], r = apply(pop, a, b);
    gen_eq(g, r, "%d%c%d", a, pop, b);
    gen_answer(g, "%d", r);
    return true;
}

/* The stack after a row of brackets, or false when a closing one does not fit. */
static bool open_brackets(const char *row, char *stack, int *n, struct gen *g)
{
    static const char left[] = "([{<", right[] = ")]}>";
    *n = 0;
    for (const char *p = row; *p; p++) {
        const char *l = strchr(left, *p);
        char lhs[8], wrong[32];
        snprintf(lhs, sizeof lhs, "%c: ", *p);
        if (l) {
            stack[(*n)++] = *p;
        } else {
            if (*n == 0 || left[strchr(right, *p) - right] != stack[*n - 1]) {
                if (g)
                    gen_say(g, "%s%s", lhs, *n ? "closes another bracket" : "closes nothing");
                return false;
            }
            --*n;
        }
        stack[*n] = 0;
        snprintf(wrong, sizeof wrong, "%s%c", stack, *p);
        if (g) gen_line(g, lhs, *n ? stack : "empty", wrong);
    }
    return true;
}

static bool brackets(struct gen *g)
{
    static const char left[] = "([{<", right[] = ")]}>";
    char row[24], stack[24];
    int n = 2 * g->level + 2 + gen_below(g, 3), depth = 0, open;
    for (int i = 0; i < n; i++) {
        if (depth && gen_below(g, 5) < 2) {
            row[i] = right[strchr(left, stack[--depth]) - left];
        } else {
            row[i] = left[gen_below(g, g->level < 2 ? 3 : 4)];
            stack[depth++] = row[i];
        }
    }
    row[n] = 0;
    for (int k = 0; g->variant != TASK_PLAIN && k < g->changes; k++)
        row[twin_below(g, n)] = "([{<)]}>"[twin_below(g, 8)];
    bool ok = open_brackets(row, stack, &open, NULL);
    if (ok != (g->variant != TASK_ILL) || (ok && open < 1)) return false;
    gen_key(g, "close %s", row);
    gen_ask(g, closes, row);
    (void)open_brackets(row, stack, &open, g);
    if (!ok) {
        gen_none(g);
        return true;
    }
    for (int i = open - 1; i >= 0; i--)
        gen_answer(g, "%c", right[strchr(left, stack[i]) - left]);
    return true;
}

static bool make(struct gen *g)
{
    return gen_below(g, 3) == 0 ? brackets(g) : program(g);
}

/* Brackets may stand with blanks. */
static const char *check(const struct task_item *it, struct span a)
{
    struct span gold = buf_span(&it->answer);
    if (!strchr(")]}>", gold.p[0])) return check_int(it, a);
    size_t k = 0;
    for (size_t i = 0; i < a.n; i++) {
        if (a.p[i] == ' ') continue;
        if (k == gold.n || a.p[i] != gold.p[k++]) return "other brackets";
    }
    return k == gold.n ? NULL : "brackets are missing";
}

const struct task_family task_tiny_program = {"tiny_program",
                                              "Tiny programs and brackets",
                                              "a number, or closing brackets",
                                              'B',
                                              5,
                                              0.03,
                                              0xe4066b4a,
                                              make,
                                              check};
