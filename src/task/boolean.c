/* boolean.c - expressions of True, False, not, and, or. The chain rewrites the innermost part.
 * Key: the expression. Precedence: not, and, or, as in most languages; level 1 has no mixture. */
#include <stdio.h>
#include <string.h>

#include "task/gen.h"

enum { MAX_NODE = 32, MAX_TEXT = 320 };

struct node {
    char op; /* 'v' value, 'p' unknown, 'n' not, '&', '|' */
    int value, left, right;
};

struct tree {
    struct node node[MAX_NODE];
    int n;
};

static const char *value_name(int v)
{
    return v ? "True" : "False";
}

static void render(const struct tree *t, char out[MAX_TEXT])
{
    static char const *const word[] = {"and", "or"};
    char text[MAX_NODE][MAX_TEXT], joined[2 * MAX_TEXT + 16];
    for (int i = 0; i < t->n; i++) {
        const struct node *n = &t->node[i];
        const struct node *l = &t->node[n->left], *r = &t->node[n->right];
        if (n->op == 'v' || n->op == 'p') {
            snprintf(text[i], MAX_TEXT, "%s", n->op == 'p' ? "p" : value_name(n->value));
        } else if (n->op == 'n') {
            bool p = l->op == '&' || l->op == '|';
            snprintf(joined, sizeof joined, p ? "not (%s)" : "not %s", text[n->left]);
            snprintf(text[i], MAX_TEXT, "%.*s", MAX_TEXT - 1, joined);
        } else {
            bool lp = strchr("&|", l->op) && l->op != n->op;
            bool rp = strchr("&|", r->op) != NULL;
            snprintf(joined, sizeof joined, "%s%s%s %s %s%s%s", lp ? "(" : "", text[n->left],
                     lp ? ")" : "", word[n->op == '|'], rp ? "(" : "", text[n->right],
                     rp ? ")" : "");
            snprintf(text[i], MAX_TEXT, "%.*s", MAX_TEXT - 1, joined);
        }
    }
    memcpy(out, text[t->n - 1], MAX_TEXT);
}

static void grow(struct gen *g, struct tree *t, int ops)
{
    int part[MAX_NODE], n_part = ops + 1;
    t->n = 0;
    for (int i = 0; i < n_part; i++) {
        t->node[t->n] = (struct node){'v', (int)gen_coin(g), 0, 0};
        part[i] = t->n++;
    }
    while (n_part > 1) {
        int k = gen_below(g, n_part - 1);
        t->node[t->n] = (struct node){gen_coin(g) ? '&' : '|', 0, part[k], part[k + 1]};
        part[k] = t->n++;
        for (int i = k + 1; i + 1 < n_part; i++) part[i] = part[i + 1];
        n_part--;
        if (gen_below(g, 3) == 0) {
            t->node[t->n] = (struct node){'n', 0, part[k], part[k]};
            part[k] = t->n++;
        }
    }
}

static int apply(const struct tree *t, const struct node *n)
{
    int a = t->node[n->left].value, b = t->node[n->right].value;
    return n->op == 'n' ? !a : n->op == '&' ? a && b : a || b;
}

static int value_of(const struct tree *t, int p)
{
    struct tree u = *t;
    for (int i = 0; i < u.n; i++) {
        if (u.node[i].op == 'p') u.node[i].value = p;
        if (strchr("n&|", u.node[i].op)) u.node[i].value = apply(&u, &u.node[i]);
    }
    return u.node[u.n - 1].value;
}

static const char *const ask[TASK_PHRASINGS] = {
    "$1 is what?",
    "Evaluate: $1. Is it True or False?",
    "True or False: $1?",
    "What is the value of $1?",
    "Is this True or False? $1",
    "Work out the truth value of $1.",
    "Decide if $1 is True or False.",
    "Give the result, True or False, of $1.",
    "What does $1 come out as, True or False?",
    "Please evaluate $1.",
    "$1",
    "Is $1 True? Answer True or False.",
    "Tell me if $1 is True or False.",
    "Compute the logical value of $1.",
    "Simplify $1 to True or False.",
    "Does $1 give True or False?",
};

static bool make(struct gen *g)
{
    struct tree t;
    char text[MAX_TEXT];
    int ops = g->level + 1;
    grow(g, &t, ops);
    for (int k = 0; g->variant == TASK_TWIN && k < g->changes; k++) {
        struct node *n = &t.node[twin_below(g, t.n)];
        if (n->op == 'v') n->value ^= 1;
        if (n->op == '&' || n->op == '|') n->op ^= '&' ^ '|';
    }
    if (g->variant == TASK_ILL) {
        t.node[twin_below(g, ops + 1)].op = 'p';
        if (value_of(&t, 0) == value_of(&t, 1)) return false;
    }
    render(&t, text);
    gen_key(g, "%s", text);
    gen_ask(g, ask, text);
    if (g->variant == TASK_ILL) {
        gen_text(g, " The value of p is not given.");
        gen_say(g, "p is not given.");
        gen_say(g, "p True: %s", value_name(value_of(&t, 1)));
        gen_say(g, "p False: %s", value_name(value_of(&t, 0)));
        gen_unknown(g);
        return true;
    }
    for (;;) {
        int i = 0;
        while (i < t.n && (t.node[i].op == 'v' || t.node[t.node[i].left].op != 'v' ||
                           t.node[t.node[i].right].op != 'v'))
            i++;
        if (i == t.n) break;
        struct node *n = &t.node[i];
        int a = t.node[n->left].value, b = t.node[n->right].value, v = apply(&t, n);
        char lhs[48];
        if (n->op == 'n')
            snprintf(lhs, sizeof lhs, "not %s = ", value_name(a));
        else
            snprintf(lhs, sizeof lhs, "%s %s %s = ", value_name(a), n->op == '&' ? "and" : "or",
                     value_name(b));
        gen_line(g, lhs, value_name(v), value_name(!v));
        *n = (struct node){'v', v, 0, 0};
        if (i == t.n - 1) break;
        render(&t, text);
        g->detail = true;
        gen_say(g, "%s", text);
        g->detail = false;
    }
    gen_answer(g, "%s", value_name(t.node[t.n - 1].value));
    return true;
}

const struct task_family task_boolean = {
    "boolean",  "Boolean expressions", "True or False", 'A', 5, 0.5, 0x7132a421, make,
    check_words};
