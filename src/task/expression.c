/* expression.c - arithmetic expressions with parentheses; the chain rewrites the whole
 * expression with its first ready operation done. Key: the expression.
 *
 * A tree is an array of nodes in postfix order: children stand before their parent, so no walk
 * needs recursion. */
#include <stdio.h>
#include <string.h>

#include "task/gen.h"

enum { MAX_NODE = 32, MAX_TEXT = 160 };

struct node {
    char op; /* 'n': a number */
    int value, left, right;
    int at; /* place in the text: of its first number */
};

struct tree {
    struct node node[MAX_NODE];
    int n;
};

static int rank(const struct node *n)
{
    return n->op == 'n' ? 3 : n->op == '*' ? 2 : 1;
}

static void render(const struct tree *t, char out[MAX_TEXT])
{
    char text[MAX_NODE][MAX_TEXT];
    for (int i = 0; i < t->n; i++) {
        const struct node *n = &t->node[i];
        if (n->op == 'n') {
            snprintf(text[i], MAX_TEXT, n->value < 0 && i + 1 < t->n ? "(%d)" : "%d", n->value);
            continue;
        }
        bool lp = rank(&t->node[n->left]) < rank(n);
        bool rp = rank(&t->node[n->right]) <= rank(n); /* the text shows the tree */
        char joined[2 * MAX_TEXT + 8];
        snprintf(joined, sizeof joined, "%s%s%s%c%s%s%s", lp ? "(" : "", text[n->left],
                 lp ? ")" : "", n->op, rp ? "(" : "", text[n->right], rp ? ")" : "");
        memcpy(text[i], joined, MAX_TEXT - 1);
        text[i][MAX_TEXT - 1] = 0;
    }
    memcpy(out, text[t->n - 1], MAX_TEXT);
}

/* Random trees with `ops` operations: join two of the parts until one is left. */
static void grow(struct gen *g, struct tree *t, int ops, int hi)
{
    int part[MAX_NODE], n_part = ops + 1;
    t->n = 0;
    for (int i = 0; i < n_part; i++) {
        t->node[t->n] = (struct node){'n', gen_int(g, 1, hi), 0, 0, i};
        part[i] = t->n++;
    }
    while (n_part > 1) {
        int k = gen_below(g, n_part - 1);
        t->node[t->n] = (struct node){"+-*+-"[gen_below(g, 5)], 0, part[k], part[k + 1],
                                      t -> node[part[k]].at};
        part[k] = t->n++;
        for (int i = k + 1; i + 1 < n_part; i++) part[i] = part[i + 1];
        n_part--;
    }
}

static int apply(char op, int a, int b)
{
    return op == '+' ? a + b : op == '-' ? a - b : a * b;
}

static int value_of(const struct tree *t)
{
    int v[MAX_NODE];
    for (int i = 0; i < t->n; i++) {
        const struct node *n = &t->node[i];
        v[i] = n->op == 'n' ? n->value : apply(n->op, v[n->left], v[n->right]);
    }
    return v[t->n - 1];
}

/* The leftmost operation on two numbers; there is one while any operation is left. */
static struct node *first_ready(struct tree *t)
{
    struct node *first = NULL;
    for (int i = 0; i < t->n; i++) {
        struct node *n = &t->node[i];
        if (n->op != 'n' && t->node[n->left].op == 'n' && t->node[n->right].op == 'n' &&
            (!first || n->at < first->at))
            first = n;
    }
    return first;
}

static const char *const ask[TASK_PHRASINGS] = {
    "Evaluate $1.",
    "What is $1?",
    "Work out $1.",
    "Calculate $1.",
    "$1 = ?",
    "Find the value of $1.",
    "How much is $1?",
    "Compute the result of $1.",
    "What does $1 come to?",
    "Please compute $1.",
    "Tell me what $1 is.",
    "What do you get for $1?",
    "Simplify $1 to one number.",
    "$1",
    "Determine $1.",
    "I need the result of $1.",
};

static bool make(struct gen *g)
{
    struct tree t;
    char text[MAX_TEXT], key[MAX_TEXT];
    int ops = g->level + 1;
    grow(g, &t, ops, g->level < 3 ? 9 : 12);
    if (g->variant == TASK_TWIN) {
        struct node *n = &t.node[twin_below(g, ops + 1)];
        n->value += twin_int(g, 1, 20);
    }
    render(&t, key);
    if (g->variant == TASK_ILL) {
        /* The first number, node 0, becomes x; its value must matter. */
        struct tree u = t;
        u.node[0].value++;
        if (value_of(&t) == value_of(&u)) return false;
        char *p = key + strcspn(key, "123456789");
        size_t n = strspn(p, "0123456789");
        *p = 'x';
        memmove(p + 1, p + n, strlen(p + n) + 1);
        gen_key(g, "%s", key);
        gen_ask(g, ask, key);
        gen_text(g, " The value of x is not given.");
        gen_say(g, "x is not given.");
        gen_say(g, "Other x give other results.");
        gen_unknown(g);
        return true;
    }
    gen_key(g, "%s", key);
    gen_ask(g, ask, key);
    gen_say(g, "%s", key);
    for (int left = ops; left > 0; left--) {
        struct node *n = first_ready(&t);
        int a = t.node[n->left].value, b = t.node[n->right].value, v = apply(n->op, a, b);
        if (v > 100000 || v < -100000) return false;
        g->detail = left > 1;
        gen_eq(g, v, "%d%c%s%d%s", a, n->op, b < 0 ? "(" : "", b, b < 0 ? ")" : "");
        char op = n->op;
        *n = (struct node){'n', v, 0, 0, n->at};
        g->detail = false;
        if (left == 1) {
            if (strchr("+-", op))
                gen_check(g, b < 0 ? "%d%c(%d)=%d" : "%d%c%d=%d", v, op == '+' ? '-' : '+', b,
                          a);
            break;
        }
        render(&t, text);
        gen_say(g, "%s", text);
    }
    gen_answer(g, "%d", t.node[t.n - 1].value);
    return true;
}

const struct task_family task_expression = {
    "expression", "Expression evaluation", "a whole number", 'B', 5, 0.02, 0xcfabda46, make,
    check_int};
