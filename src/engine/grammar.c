#include "engine/grammar.h"

#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/map.h"
#include "base/mem.h"

#define NONE UINT32_MAX

enum { RANGES_MAX = 256, UNICODE_MAX = 0x10FFFF };

struct frag {
    uint32_t start, end; /* end is a JUMP that leads nowhere yet */
};

/* One open parenthesis, or the rule's own alternatives. */
struct level {
    uint32_t alts;   /* start of the alternatives so far, or NONE */
    uint32_t out;    /* where they all end */
    struct frag seq; /* the present alternative without its last item */
    struct frag item;
    bool has_item;
};

struct range {
    uint32_t lo, hi;
};

struct parser {
    struct grammar *g;
    struct map names;
    const char *p, *end;
    uint32_t line;
    struct err *e;
    struct level level[GRAMMAR_NEST_MAX + 1];
    int depth;
    struct range range[RANGES_MAX];
    size_t n_range;
};

/* ---- tables -------------------------------------------------------------------------------- */

static bool grow(void **p, size_t *cap, size_t each, size_t most)
{
    size_t want = *cap ? *cap * 2 : 256;
    if (want > most) want = most;
    if (want <= *cap) return false;
    void *q = mem_realloc(*p, *cap * each, want * each);
    if (!q) return false;
    *p = q;
    *cap = want;
    return true;
}

static int add_node(struct parser *ps, uint32_t op, uint32_t next, uint32_t arg, uint32_t *out)
{
    struct grammar *g = ps->g;
    void *p = g->node;
    if (g->n_node == g->cap_node && !grow(&p, &g->cap_node, sizeof *g->node, GRAMMAR_NODES_MAX))
        return err_set(ps->e, ERR_LIMIT, "the grammar is too large: more than %d nodes",
                       g->n_node < GRAMMAR_NODES_MAX ? (int)g->n_node : GRAMMAR_NODES_MAX);
    g->node = p;
    *out = (uint32_t)g->n_node;
    g->node[g->n_node++] = (struct gram_node){op, next, arg};
    return 0;
}

static int add_set(struct parser *ps, const struct gram_set *s, uint32_t *out)
{
    struct grammar *g = ps->g;
    /* Most sets repeat one of the last few: UTF-8's tail bytes, a class used twice. */
    for (size_t i = g->n_set; i-- > 0 && g->n_set - i <= 64;) {
        if (memcmp(&g->set[i], s, sizeof *s) != 0) continue;
        *out = (uint32_t)i;
        return 0;
    }
    void *p = g->set;
    if (g->n_set == g->cap_set && !grow(&p, &g->cap_set, sizeof *g->set, GRAMMAR_NODES_MAX))
        return err_set(ps->e, ERR_LIMIT, "the grammar is too large: more than %zu byte sets",
                       g->n_set);
    g->set = p;
    *out = (uint32_t)g->n_set;
    g->set[g->n_set++] = *s;
    return 0;
}

static int add_rule(struct parser *ps, struct span name, uint32_t *out)
{
    struct grammar *g = ps->g;
    void *p = g->rule;
    if (g->n_rule == g->cap_rule && !grow(&p, &g->cap_rule, sizeof *g->rule, GRAMMAR_RULES_MAX))
        return err_set(ps->e, ERR_LIMIT, "the grammar has more than %zu rules", g->n_rule);
    g->rule = p;
    *out = (uint32_t)g->n_rule;
    g->rule[g->n_rule++] = (struct gram_rule){.start = NONE, .name = name};
    return 0;
}

static int rule_named(struct parser *ps, struct span name, uint32_t *out)
{
    uint64_t at = map_get(&ps->names, name);
    if (at != MAP_NONE) {
        *out = (uint32_t)at;
        return 0;
    }
    if (add_rule(ps, name, out)) return -1;
    if (!map_put(&ps->names, name, *out)) return err_oom(ps->e, "grammar", name.n);
    return 0;
}

/* ---- pieces -------------------------------------------------------------------------------- */

static int empty_frag(struct parser *ps, struct frag *f)
{
    if (add_node(ps, GRAM_JUMP, NONE, 0, &f->start)) return -1;
    f->end = f->start;
    return 0;
}

static int one_node(struct parser *ps, uint32_t op, uint32_t arg, struct frag *f)
{
    if (add_node(ps, GRAM_JUMP, NONE, 0, &f->end)) return -1;
    return add_node(ps, op, f->end, arg, &f->start);
}

static void join(struct parser *ps, struct frag *a, struct frag b)
{
    ps->g->node[a->end].next = b.start;
    a->end = b.end;
}

static int either(struct parser *ps, uint32_t *alts, uint32_t start)
{
    if (*alts == NONE) {
        *alts = start;
        return 0;
    }
    return add_node(ps, GRAM_SPLIT, *alts, start, alts);
}

static int byte_range(struct parser *ps, unsigned lo, unsigned hi, struct frag *f)
{
    struct gram_set s = {{0}};
    uint32_t id;
    for (unsigned b = lo; b <= hi; b++) s.bits[b >> 6] |= UINT64_C(1) << (b & 63);
    return add_set(ps, &s, &id) || one_node(ps, GRAM_SET, id, f) ? -1 : 0;
}

static int utf8_put(uint32_t c, unsigned char out[4])
{
    if (c < 0x80) {
        out[0] = (unsigned char)c;
        return 1;
    }
    int n = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    static const unsigned char lead[] = {0, 0, 0xC0, 0xE0, 0xF0};
    for (int i = n - 1; i > 0; i--) {
        out[i] = (unsigned char)(0x80 | (c & 0x3F));
        c >>= 6;
    }
    out[0] = (unsigned char)(lead[n] | c);
    return n;
}

/* Bytes of lo and hi have the same length and differ like two numbers whose low digits run through
 * everything below the first that differs: one set per byte. */
static int bytes_frag(struct parser *ps, uint32_t lo, uint32_t hi, struct frag *f)
{
    unsigned char a[4], b[4];
    int n = utf8_put(lo, a);
    (void)utf8_put(hi, b);
    if (byte_range(ps, a[0], b[0], f)) return -1;
    for (int i = 1; i < n; i++) {
        struct frag next;
        if (byte_range(ps, a[i], b[i], &next)) return -1;
        join(ps, f, next);
    }
    return 0;
}

/* A range of characters, none below 0x80, as alternatives of byte sequences. The cutting is that
 * of Thompson's and Cox's UTF-8 automata: at lengths, then where low digits are not full. */
static int wide_range(struct parser *ps, struct range all, uint32_t *alts, uint32_t out)
{
    static const struct range length[] = {
        {0x80, 0x7FF}, {0x800, 0xD7FF}, {0xE000, 0xFFFF}, {0x10000, UNICODE_MAX}};
    for (size_t l = 0; l < countof(length); l++) {
        struct range todo[16];
        int n = 0;
        todo[n++] = (struct range){all.lo > length[l].lo ? all.lo : length[l].lo,
                                   all.hi < length[l].hi ? all.hi : length[l].hi};
        while (n) {
            struct range r = todo[--n];
            if (r.lo > r.hi) continue;
            bool cut = false;
            for (int i = 1; i < 4 && !cut; i++) {
                uint32_t m = (UINT32_C(1) << 6 * i) - 1;
                if ((r.lo & ~m) == (r.hi & ~m)) continue;
                cut = (r.lo & m) != 0 || (r.hi & m) != m;
                if (!cut) continue;
                uint32_t at = (r.lo & m) != 0 ? (r.lo | m) + 1 : r.hi & ~m;
                todo[n++] = (struct range){at, r.hi};
                todo[n++] = (struct range){r.lo, at - 1};
            }
            if (cut) continue;
            struct frag f;
            if (bytes_frag(ps, r.lo, r.hi, &f) || either(ps, alts, f.start)) return -1;
            ps->g->node[f.end].next = out;
        }
    }
    return 0;
}

/* The class in ps->range. */
static int class_frag(struct parser *ps, bool negated, struct frag *f)
{
    struct range *r = ps->range;
    size_t n = ps->n_range;
    for (size_t i = 1; i < n; i++)
        for (size_t k = i; k > 0 && r[k].lo < r[k - 1].lo; k--) {
            struct range t = r[k];
            r[k] = r[k - 1];
            r[k - 1] = t;
        }
    struct gram_set ascii = {{0}};
    uint32_t alts = NONE, id, start;
    if (add_node(ps, GRAM_JUMP, NONE, 0, &f->end)) return -1;
    uint32_t from = 0; /* first character not yet looked at */
    for (size_t i = 0; i <= n; i++) {
        struct range piece;
        if (negated) {
            uint32_t before = i < n ? r[i].lo : UNICODE_MAX + 1;
            if (before > from)
                piece = (struct range){from, before - 1};
            else
                piece = (struct range){1, 0};
            if (i < n && r[i].hi + 1 > from) from = r[i].hi + 1;
        } else {
            if (i == n) break;
            piece = (struct range){r[i].lo > from ? r[i].lo : from, r[i].hi};
            if (r[i].hi + 1 > from) from = r[i].hi + 1;
        }
        if (piece.lo > piece.hi) continue;
        for (uint32_t c = piece.lo; c < 0x80 && c <= piece.hi; c++)
            ascii.bits[c >> 6] |= UINT64_C(1) << (c & 63);
        if (piece.hi < 0x80) continue;
        if (piece.lo < 0x80) piece.lo = 0x80;
        if (wide_range(ps, piece, &alts, f->end)) return -1;
    }
    bool has_ascii = ascii.bits[0] || ascii.bits[1];
    if (has_ascii || alts == NONE) { /* an empty class stays, and matches nothing */
        if (add_set(ps, &ascii, &id) || add_node(ps, GRAM_SET, f->end, id, &start) ||
            either(ps, &alts, start))
            return -1;
    }
    f->start = alts;
    return 0;
}

/* ---- counts -------------------------------------------------------------------------------- */

/* f* and f+ without a copy of f. */
static int star(struct parser *ps, struct frag *f, bool may_be_none)
{
    uint32_t fork, out;
    if (add_node(ps, GRAM_JUMP, NONE, 0, &out) ||
        add_node(ps, GRAM_SPLIT, f->start, out, &fork))
        return -1;
    ps->g->node[f->end].next = fork;
    f->end = out;
    if (may_be_none) f->start = fork;
    return 0;
}

static int maybe(struct parser *ps, struct frag *f)
{
    uint32_t out;
    if (add_node(ps, GRAM_JUMP, NONE, 0, &out) ||
        add_node(ps, GRAM_SPLIT, f->start, out, &f->start))
        return -1;
    ps->g->node[f->end].next = out;
    f->end = out;
    return 0;
}

/* What is to be repeated as a rule: one of its own unless it is a call. */
static int as_rule(struct parser *ps, struct frag f, uint32_t *rule)
{
    struct gram_node n = ps->g->node[f.start];
    if (n.op == GRAM_CALL && n.next == f.end) {
        *rule = n.arg;
        return 0;
    }
    uint32_t end;
    if (add_rule(ps, (struct span){"(...)", 5}, rule) || add_node(ps, GRAM_END, NONE, 0, &end))
        return -1;
    ps->g->node[f.end].next = end;
    ps->g->rule[*rule].start = f.start;
    ps->g->rule[*rule].defined = true;
    return 0;
}

/* f{lo,hi}; hi GRAM_MANY: no upper limit. */
static int repeat(struct parser *ps, struct frag *f, uint32_t lo, uint32_t hi)
{
    struct grammar *g = ps->g;
    if (hi == 0) return empty_frag(ps, f);
    if (hi == GRAM_MANY && lo <= 1) return star(ps, f, lo == 0);
    if (hi == 1) return lo == 1 ? 0 : maybe(ps, f);
    struct gram_count c = {.lo = lo, .hi = hi};
    if (as_rule(ps, *f, &c.rule)) return -1;
    void *p = g->count;
    if (g->n_count == g->cap_count &&
        !grow(&p, &g->cap_count, sizeof *g->count, GRAMMAR_NODES_MAX))
        return err_set(ps->e, ERR_LIMIT, "the grammar has more than %zu counts", g->n_count);
    g->count = p;
    g->count[g->n_count] = c;
    return one_node(ps, GRAM_COUNT, (uint32_t)g->n_count++, f);
}

/* ---- text ---------------------------------------------------------------------------------- */

static int fail(struct parser *ps, const char *what)
{
    return err_set(ps->e, ERR_FORMAT, "the grammar, line %u: %s", ps->line, what);
}

static void skip_blanks(struct parser *ps, bool lines)
{
    for (; ps->p < ps->end; ps->p++) {
        char c = *ps->p;
        if (c == '#') {
            while (ps->p < ps->end && *ps->p != '\n') ps->p++;
            if (ps->p == ps->end) return;
            c = '\n';
        }
        if (c == '\n' && !lines) return;
        if (c == '\n')
            ps->line++;
        else if (c != ' ' && c != '\t' && c != '\r')
            return;
    }
}

static bool is_name(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           c == '-' || c == '_';
}

static struct span read_name(struct parser *ps)
{
    const char *from = ps->p;
    while (ps->p < ps->end && is_name(*ps->p)) ps->p++;
    return (struct span){from, (size_t)(ps->p - from)};
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static int read_escape(struct parser *ps, uint32_t *out)
{
    static const char from[] = "nrt\\\"[]-^/'", to[] = "\n\r\t\\\"[]-^/'";
    if (ps->p == ps->end) return fail(ps, "the text ends in an escape");
    char c = *ps->p++;
    int digits = c == 'x' ? 2 : c == 'u' ? 4 : c == 'U' ? 8 : 0;
    const char *at = strchr(from, c);
    if (!digits && (!at || !c)) return fail(ps, "an escape is not known");
    *out = digits ? 0 : (uint32_t)(unsigned char)to[at - from];
    for (int i = 0; i < digits; i++) {
        int d = ps->p < ps->end ? hex_digit(*ps->p++) : -1;
        if (d < 0) return fail(ps, "an escape needs more hexadecimal digits");
        *out = *out << 4 | (uint32_t)d;
    }
    if (*out > UNICODE_MAX || (*out >= 0xD800 && *out <= 0xDFFF))
        return fail(ps, "an escape names no character");
    return 0;
}

/* One character of a literal or class, escapes undone. */
static int read_char(struct parser *ps, uint32_t *out)
{
    unsigned char c = (unsigned char)*ps->p++;
    if (c == '\n') return fail(ps, "a literal or class is not closed");
    if (c == '\\') return read_escape(ps, out);
    int more = c < 0x80 ? 0 : c >= 0xC2 && c < 0xE0 ? 1 : (c & 0xF0) == 0xE0 ? 2 : 3;
    static const uint32_t mask[] = {0x7F, 0x1F, 0x0F, 0x07},
                          least[] = {0, 0x80, 0x800, 0x10000};
    uint32_t v = c & mask[more];
    bool ok = c < 0x80 || (c >= 0xC2 && c < 0xF5);
    for (int i = 0; ok && i < more; i++) {
        ok = ps->p < ps->end && ((unsigned char)*ps->p & 0xC0) == 0x80;
        if (ok) v = v << 6 | ((unsigned char)*ps->p++ & 0x3F);
    }
    if (!ok || v < least[more] || v > UNICODE_MAX || (v >= 0xD800 && v <= 0xDFFF))
        return fail(ps, "the text is not UTF-8");
    *out = v;
    return 0;
}

static int read_literal(struct parser *ps, struct frag *f)
{
    if (empty_frag(ps, f)) return -1;
    for (ps->p++;;) {
        if (ps->p == ps->end) return fail(ps, "a literal is not closed");
        if (*ps->p == '"') break;
        uint32_t c;
        struct frag one;
        if (read_char(ps, &c) || bytes_frag(ps, c, c, &one)) return -1;
        join(ps, f, one);
    }
    ps->p++;
    return 0;
}

static int read_class(struct parser *ps, struct frag *f)
{
    ps->n_range = 0;
    ps->p++;
    bool negated = ps->p < ps->end && *ps->p == '^';
    if (negated) ps->p++;
    for (;;) {
        if (ps->p == ps->end) return fail(ps, "a class is not closed");
        if (*ps->p == ']') break;
        struct range r;
        if (read_char(ps, &r.lo)) return -1;
        r.hi = r.lo;
        if (ps->end - ps->p >= 2 && ps->p[0] == '-' && ps->p[1] != ']') {
            ps->p++;
            if (read_char(ps, &r.hi)) return -1;
            if (r.hi < r.lo) return fail(ps, "a class has a range that ends before it starts");
        }
        if (ps->n_range == RANGES_MAX) return fail(ps, "a class has more than 256 ranges");
        ps->range[ps->n_range++] = r;
    }
    ps->p++;
    return class_frag(ps, negated, f);
}

static int read_count(struct parser *ps, uint32_t *out)
{
    uint32_t v = 0;
    if (ps->p == ps->end || *ps->p < '0' || *ps->p > '9')
        return fail(ps, "a count needs a number");
    while (ps->p < ps->end && *ps->p >= '0' && *ps->p <= '9') {
        v = v * 10 + (uint32_t)(*ps->p++ - '0');
        if (v > GRAMMAR_COUNT_MAX)
            return err_set(ps->e, ERR_LIMIT, "the grammar, line %u: a count is above %d",
                           ps->line, GRAMMAR_COUNT_MAX);
    }
    *out = v;
    return 0;
}

/* <[id]>: the bytes that mask.h has for a special token. */
static int read_token(struct parser *ps, struct frag *f)
{
    uint32_t id;
    char text[16];
    if (ps->end - ps->p < 2 || ps->p[1] != '[') return fail(ps, "a token is written <[id]>");
    ps->p += 2;
    if (read_count(ps, &id)) return -1;
    if (ps->end - ps->p < 2 || ps->p[0] != ']' || ps->p[1] != '>')
        return fail(ps, "a token is not closed");
    ps->p += 2;
    int n = snprintf(text, sizeof text, "\xff%u\xff", id);
    if (empty_frag(ps, f)) return -1;
    for (int i = 0; i < n; i++) {
        struct frag one;
        unsigned byte = (unsigned char)text[i];
        if (byte_range(ps, byte, byte, &one)) return -1;
        join(ps, f, one);
    }
    return 0;
}

/* {m}, {m,}, {m,n}, {,n} */
static int read_counts(struct parser *ps, struct frag *f)
{
    uint32_t lo = 0, hi;
    ps->p++;
    skip_blanks(ps, false);
    bool has_lo = ps->p < ps->end && *ps->p != ',';
    if (has_lo && read_count(ps, &lo)) return -1;
    hi = lo;
    skip_blanks(ps, false);
    if (ps->p < ps->end && *ps->p == ',') {
        ps->p++;
        skip_blanks(ps, false);
        hi = GRAM_MANY;
        if ((!has_lo || (ps->p < ps->end && *ps->p != '}')) && read_count(ps, &hi)) return -1;
        skip_blanks(ps, false);
    }
    if (ps->p == ps->end || *ps->p != '}') return fail(ps, "a count is not closed");
    ps->p++;
    if (hi < lo) return fail(ps, "a count's upper limit is below its lower one");
    return repeat(ps, f, lo, hi);
}

/* ---- rules --------------------------------------------------------------------------------- */

static int open_level(struct parser *ps)
{
    if (ps->depth > GRAMMAR_NEST_MAX)
        return err_set(ps->e, ERR_LIMIT,
                       "the grammar, line %u: more than %d parentheses are open", ps->line,
                       GRAMMAR_NEST_MAX);
    struct level *l = &ps->level[ps->depth++];
    *l = (struct level){.alts = NONE};
    return add_node(ps, GRAM_JUMP, NONE, 0, &l->out) || empty_frag(ps, &l->seq) ? -1 : 0;
}

static void put_item(struct parser *ps, struct level *l)
{
    if (l->has_item) join(ps, &l->seq, l->item);
    l->has_item = false;
}

static int end_alternative(struct parser *ps, struct level *l)
{
    put_item(ps, l);
    ps->g->node[l->seq.end].next = l->out;
    return either(ps, &l->alts, l->seq.start);
}

static int new_item(struct parser *ps, struct level *l, char c)
{
    put_item(ps, l);
    l->has_item = true;
    if (c == '"') return read_literal(ps, &l->item);
    if (c == '[') return read_class(ps, &l->item);
    if (c == '<') return read_token(ps, &l->item);
    if (c == '.') {
        ps->p++;
        ps->n_range = 0;
        return class_frag(ps, true, &l->item);
    }
    uint32_t rule;
    if (rule_named(ps, read_name(ps), &rule)) return -1;
    if (!ps->g->rule[rule].line) ps->g->rule[rule].line = ps->line;
    return one_node(ps, GRAM_CALL, rule, &l->item);
}

static int close_level(struct parser *ps, struct frag *f)
{
    struct level *l = &ps->level[ps->depth - 1];
    if (end_alternative(ps, l)) return -1;
    *f = (struct frag){l->alts, l->out};
    ps->depth--;
    return 0;
}

static int postfix(struct parser *ps, struct level *l, char c)
{
    if (!l->has_item) return fail(ps, "a repetition has nothing in front of it");
    if (c == '{') return read_counts(ps, &l->item);
    ps->p++;
    if (c == '?') return maybe(ps, &l->item);
    return star(ps, &l->item, c == '*');
}

/* True at the end of the rule: its line is over and no "|" goes on. */
static bool at_rule_end(struct parser *ps)
{
    skip_blanks(ps, ps->depth > 1);
    if (ps->depth > 1) return false;
    if (ps->p == ps->end) return true;
    if (*ps->p != '\n') return false;
    const char *p = ps->p;
    uint32_t line = ps->line;
    skip_blanks(ps, true);
    if (ps->p < ps->end && *ps->p == '|') return false;
    ps->p = p;
    ps->line = line;
    return true;
}

static int read_body(struct parser *ps, struct frag *f)
{
    ps->depth = 0;
    if (open_level(ps)) return -1;
    while (!at_rule_end(ps)) {
        struct level *l = &ps->level[ps->depth - 1];
        if (ps->p == ps->end) return fail(ps, "a parenthesis is not closed");
        char c = *ps->p;
        int rc = 0;
        if (c == '|') {
            ps->p++;
            rc = end_alternative(ps, l) || empty_frag(ps, &l->seq) ? -1 : 0;
            skip_blanks(ps, true);
            /* "a |" at the end of a line goes on in the next. */
        } else if (c == '(') {
            ps->p++;
            put_item(ps, l);
            rc = open_level(ps);
        } else if (c == ')') {
            struct frag group = {0};
            if (ps->depth == 1) return fail(ps, "a parenthesis is closed but not open");
            ps->p++;
            rc = close_level(ps, &group);
            ps->level[ps->depth - 1].item = group;
            ps->level[ps->depth - 1].has_item = true;
        } else if (c == '*' || c == '+' || c == '?' || c == '{') {
            rc = postfix(ps, l, c);
        } else if (c == '"' || c == '[' || c == '<' || c == '.' || is_name(c)) {
            rc = new_item(ps, l, c);
        } else {
            return fail(ps, "a character stands where none is expected");
        }
        if (rc) return -1;
    }
    return close_level(ps, f);
}

static int read_rule(struct parser *ps)
{
    uint32_t line = ps->line, rule, end;
    struct span name = read_name(ps);
    if (!name.n) return fail(ps, "a rule's name is expected");
    skip_blanks(ps, false);
    if (ps->end - ps->p < 3 || memcmp(ps->p, "::=", 3) != 0)
        return fail(ps, "\"::=\" is expected after a rule's name");
    ps->p += 3;
    /* The first line of a rule may be empty. */
    skip_blanks(ps, true);
    if (rule_named(ps, name, &rule)) return -1;
    if (ps->g->rule[rule].defined)
        return err_set(ps->e, ERR_FORMAT, "the grammar, line %u: rule '%.*s' is defined twice",
                       line, (int)(name.n < 64 ? name.n : 64), name.p);
    struct frag f = {0};
    if (read_body(ps, &f) || add_node(ps, GRAM_END, NONE, 0, &end)) return -1;
    ps->g->node[f.end].next = end;
    ps->g->rule[rule].start = f.start;
    ps->g->rule[rule].line = line;
    ps->g->rule[rule].defined = true;
    return 0;
}

/* ---- checks -------------------------------------------------------------------------------- */

static int check_defined(struct parser *ps)
{
    const struct grammar *g = ps->g;
    uint64_t root = map_get(&ps->names, span_of("root"));
    for (size_t i = 0; i < g->n_rule; i++) {
        const struct gram_rule *r = &g->rule[i];
        if (!r->defined)
            return err_set(ps->e, ERR_FORMAT,
                           "the grammar, line %u: rule '%.*s' is used but not defined", r->line,
                           (int)(r->name.n < 64 ? r->name.n : 64), r->name.p);
    }
    if (root == MAP_NONE) return err_set(ps->e, ERR_FORMAT, "the grammar has no rule 'root'");
    ps->g->root = (uint32_t)root;
    return 0;
}

static uint32_t past_jumps(const struct grammar *g, uint32_t at)
{
    while (at != NONE && g->node[at].op == GRAM_JUMP) at = g->node[at].next;
    return at;
}

/* Chains of JUMPs are shortened, so that a call in last place is seen as one. */
static void shorten(struct grammar *g)
{
    for (size_t i = 0; i < g->n_node; i++) {
        struct gram_node *n = &g->node[i];
        if (n->op == GRAM_END) continue;
        n->next = past_jumps(g, n->next);
        if (n->op == GRAM_SPLIT) n->arg = past_jumps(g, n->arg);
    }
    for (size_t i = 0; i < g->n_rule; i++) g->rule[i].start = past_jumps(g, g->rule[i].start);
}

struct walk {
    uint32_t *stack, *mark; /* (n_node) */
    uint32_t stamp;
};

/* What a rule reaches before it reads a byte: whether its end, and which rules it calls there (to
 * `calls`). The walk stays inside the rule, stepping over calls of rules that may be empty. */
static bool first_calls(const struct grammar *g, struct walk *w, uint32_t rule, uint32_t *calls,
                        size_t *n_calls)
{
    size_t n = 0;
    bool ends = false;
    *n_calls = 0;
    w->stamp++;
    w->stack[n++] = g->rule[rule].start;
    w->mark[g->rule[rule].start] = w->stamp;
    while (n) {
        const struct gram_node *at = &g->node[w->stack[--n]];
        uint32_t to[2] = {NONE, NONE};
        switch ((enum gram_op)at->op) {
        case GRAM_SET: break;
        case GRAM_END: ends = true; break;
        case GRAM_JUMP: to[0] = at->next; break;
        case GRAM_SPLIT:
            to[0] = at->next;
            to[1] = at->arg;
            break;
        case GRAM_CALL:
            calls[(*n_calls)++] = at->arg;
            if (g->rule[at->arg].nullable) to[0] = at->next;
            break;
        case GRAM_COUNT: {
            struct gram_count c = g->count[at->arg];
            calls[(*n_calls)++] = c.rule;
            if (c.lo == 0 || g->rule[c.rule].nullable) to[0] = at->next;
            break;
        }
        }
        for (int i = 0; i < 2; i++) {
            if (to[i] == NONE || w->mark[to[i]] == w->stamp) continue;
            w->mark[to[i]] = w->stamp;
            w->stack[n++] = to[i];
        }
    }
    return ends;
}

/* A rule that reaches itself before a byte would be followed for ever. Rules are taken off one by
 * one when all they call first is off already; what stays is a circle or leads into one. */
static int check_left(struct parser *ps, struct walk *w, uint32_t *calls)
{
    struct grammar *g = ps->g;
    size_t n_calls, left = g->n_rule;
    bool *off = mem_calloc(g->n_rule, sizeof *off);
    if (!off) return err_oom(ps->e, "grammar", g->n_rule);
    /* Up and down in turn: whichever way the rules are written, few rounds are needed. */
    for (bool again = true, up = false; again; up = !up) {
        again = false;
        for (size_t k = 0; k < g->n_rule; k++) {
            uint32_t r = (uint32_t)(up ? k : g->n_rule - 1 - k);
            if (off[r]) continue;
            (void)first_calls(g, w, r, calls, &n_calls);
            bool clear = true;
            for (size_t i = 0; i < n_calls && clear; i++) clear = off[calls[i]];
            if (!clear) continue;
            off[r] = again = true;
            left--;
        }
    }
    int rc = 0;
    if (left) {
        /* From any rule that stays, going on into rules that stay ends up in a circle. */
        uint32_t r = 0;
        while (off[r]) r++;
        for (size_t i = 0; i <= 2 * g->n_rule; i++) {
            (void)first_calls(g, w, r, calls, &n_calls);
            size_t c = 0;
            while (off[calls[c]]) c++;
            r = calls[c];
            if (i >= g->n_rule && g->rule[r].name.p[0] != '(') break;
        }
        const struct gram_rule *bad = &g->rule[r];
        rc = err_set(ps->e, ERR_FORMAT,
                     "the grammar, line %u: rule '%.*s' is left-recursive: it can call itself "
                     "before it reads anything",
                     bad->line, (int)(bad->name.n < 64 ? bad->name.n : 64), bad->name.p);
    }
    mem_free(off);
    return rc;
}

/* Marks the nodes of rules that have a way back to a node of their own. */
static int find_loops(struct parser *ps, struct walk *w)
{
    struct grammar *g = ps->g;
    g->loops = mem_calloc(g->n_node, sizeof *g->loops);
    if (!g->loops) return err_oom(ps->e, "grammar", g->n_node);
    for (size_t r = 0; r < g->n_rule; r++) {
        /* Iterative depth-first search; a way back to a node still open is a loop. `mark` is the
         * stamp for open and stamp + 1 for done. */
        size_t n = 0;
        bool loop = false;
        uint32_t open = w->stamp + 1, done = w->stamp + 2;
        w->stamp += 2;
        w->stack[n++] = g->rule[r].start;
        while (n) {
            uint32_t at = w->stack[n - 1];
            const struct gram_node *nd = &g->node[at];
            if (w->mark[at] == open || w->mark[at] == done) {
                w->mark[at] = done;
                n--;
                continue;
            }
            w->mark[at] = open;
            uint32_t to[2] = {nd->op == GRAM_END ? NONE : nd->next,
                              nd->op == GRAM_SPLIT ? nd->arg : NONE};
            for (int i = 0; i < 2; i++) {
                if (to[i] == NONE || w->mark[to[i]] == done) continue;
                if (w->mark[to[i]] == open)
                    loop = true;
                else
                    w->stack[n++] = to[i];
            }
        }
        if (!loop) continue;
        w->stamp++;
        w->stack[n++] = g->rule[r].start;
        while (n) {
            uint32_t at = w->stack[--n];
            if (g->loops[at]) continue;
            g->loops[at] = true;
            const struct gram_node *nd = &g->node[at];
            if (nd->op == GRAM_SPLIT) w->stack[n++] = nd->arg;
            if (nd->op != GRAM_END) w->stack[n++] = nd->next;
        }
    }
    return 0;
}

static int check_rules(struct parser *ps)
{
    struct grammar *g = ps->g;
    struct gram_set none = {{0}};
    uint32_t set;
    if (check_defined(ps) || add_set(ps, &none, &set) ||
        add_node(ps, GRAM_SET, NONE, set, &g->dead))
        return -1;
    shorten(g);
    struct walk w = {0};
    w.stack = mem_calloc(2 * g->n_node + 2, sizeof *w.stack);
    w.mark = mem_calloc(g->n_node, sizeof *w.mark);
    uint32_t *calls = mem_calloc(g->n_node, sizeof *calls);
    int rc = -1;
    if (!w.stack || !w.mark || !calls) {
        rc = err_oom(ps->e, "grammar", 4 * g->n_node * sizeof *calls);
        goto out;
    }
    for (bool again = true, up = false; again; up = !up) {
        again = false;
        for (size_t k = 0; k < g->n_rule; k++) {
            size_t r = up ? k : g->n_rule - 1 - k, n_calls;
            if (g->rule[r].nullable || !first_calls(g, &w, (uint32_t)r, calls, &n_calls))
                continue;
            g->rule[r].nullable = again = true;
        }
    }
    if (check_left(ps, &w, calls)) goto out;
    rc = find_loops(ps, &w);
out:
    mem_free(w.stack);
    mem_free(w.mark);
    mem_free(calls);
    return rc;
}

int grammar_parse(struct grammar **out, struct span text, struct err *e)
{
    *out = NULL;
    if (text.n > GRAMMAR_TEXT_MAX)
        return err_set(e, ERR_LIMIT, "the grammar has %zu bytes, the limit is %d", text.n,
                       GRAMMAR_TEXT_MAX);
    struct parser *ps = mem_calloc(1, sizeof *ps);
    struct grammar *g = mem_calloc(1, sizeof *g);
    int rc = -1;
    if (!ps || !g) {
        (void)err_oom(e, "grammar", sizeof *ps);
        goto out;
    }
    g->names = mem_strndup(text.p ? text.p : "", text.n);
    if (!g->names) {
        (void)err_oom(e, "grammar", text.n);
        goto out;
    }
    map_init(&ps->names);
    ps->g = g;
    ps->p = g->names;
    ps->end = g->names + text.n;
    ps->line = 1;
    ps->e = e;
    rc = 0;
    for (skip_blanks(ps, true); rc == 0 && ps->p < ps->end; skip_blanks(ps, true))
        rc = read_rule(ps);
    if (rc == 0) rc = check_rules(ps);
    map_release(&ps->names);
out:
    mem_free(ps);
    if (rc) {
        grammar_free(g);
        return -1;
    }
    *out = g;
    return 0;
}

void grammar_free(struct grammar *g)
{
    if (!g) return;
    mem_free(g->node);
    mem_free(g->set);
    mem_free(g->rule);
    mem_free(g->loops);
    mem_free(g->count);
    mem_free(g->names);
    mem_free(g);
}
