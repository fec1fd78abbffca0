/* check_math.c - from two texts to a verdict: where the answer stands in each, choices, several
 * boxes, and the comparison of their trees. */
#include "task/check_math.h"

#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "task/check_choice.h"
#include "task/check_math_int.h"

enum { MAX_BOXES = 16 };

/* ---- where the answer stands -------------------------------------------------------------- */

static struct span strip(struct span s)
{
    for (bool more = true; more;) {
        more = false;
        while (s.n && strchr(" \t\r\n`", s.p[0])) s = (struct span){s.p + 1, s.n - 1};
        while (s.n && strchr(" \t\r\n.,;:`", s.p[s.n - 1])) s.n--;
        if (s.n > 4 && span_starts(s, "**") && memcmp(s.p + s.n - 2, "**", 2) == 0) {
            s = (struct span){s.p + 2, s.n - 4};
            more = true;
        }
    }
    return s;
}

static size_t find_last(struct span s, const char *needle)
{
    size_t at = (size_t)-1;
    struct span n = span_of(needle);
    for (size_t i = 0; (i = span_find(s, i, n)) != (size_t)-1; i++) at = i;
    return at;
}

static struct span after(struct span s, size_t at, size_t n)
{
    return (struct span){s.p + at + n, s.n - at - n};
}

/* The contents of every \boxed{} and \fbox{}, in order; the last MAX_BOXES count. */
static int find_boxes(struct span s, struct span *box)
{
    int n = 0;
    for (size_t i = 0; (i = span_find(s, i, span_of("box"))) != (size_t)-1; i++) {
        struct span rest = after(s, i, 0);
        size_t k = span_starts(rest, "boxed") ? 5 : 3;
        bool ok =
            i > 0 && (s.p[i - 1] == '\\' || (i > 1 && s.p[i - 1] == 'f' && s.p[i - 2] == '\\'));
        while (k < rest.n && rest.p[k] == ' ') k++;
        if (!ok || k >= rest.n || rest.p[k] != '{') continue;
        size_t depth = 0, j = k;
        for (; j < rest.n; j++) {
            if (rest.p[j] == '{') depth++;
            if (rest.p[j] == '}' && --depth == 0) break;
        }
        if (j == rest.n) continue;
        if (n == MAX_BOXES) {
            memmove(box, box + 1, (MAX_BOXES - 1) * sizeof *box);
            n--;
        }
        box[n++] = (struct span){rest.p + k + 1, j - k - 1};
        i += j;
    }
    return n;
}

/* Up to the end of the sentence: a line end, or a point before a blank. */
static struct span sentence(struct span s)
{
    size_t n = 0;
    while (n < s.n && s.p[n] != '\n' &&
           !(s.p[n] == '.' && (n + 1 == s.n || s.p[n + 1] == ' ' || s.p[n + 1] == '\n')))
        n++;
    return (struct span){s.p, n};
}

/* The last $...$ or \(...\). */
static bool last_math(struct span s, struct span *out)
{
    size_t open = (size_t)-1;
    bool found = false;
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == '\\' && i + 1 < s.n && s.p[i + 1] == '$') {
            i++;
            continue;
        }
        if (s.p[i] != '$') continue;
        if (open == (size_t)-1) {
            open = i + 1;
        } else {
            if (i > open) {
                *out = (struct span){s.p + open, i - open};
                found = true;
            }
            open = (size_t)-1;
        }
    }
    size_t at = find_last(s, "\\(");
    if (!found && at != (size_t)-1) {
        struct span rest = after(s, at, 2);
        size_t end = span_find(rest, 0, span_of("\\)"));
        if (end != (size_t)-1) {
            *out = (struct span){rest.p, end};
            found = true;
        }
    }
    return found;
}

static bool last_number(struct span s, struct span *out)
{
    size_t end = s.n;
    while (end > 0 && !(s.p[end - 1] >= '0' && s.p[end - 1] <= '9')) end--;
    size_t from = end;
    while (from > 0 && (strchr("0123456789.,/", s.p[from - 1]) != NULL)) from--;
    while (from < end && strchr(".,/", s.p[from])) from++;
    if (from > 0 && s.p[from - 1] == '-') from--;
    *out = (struct span){s.p + from, end - from};
    return end > from;
}

static bool by_anchor(struct span s, struct span *out)
{
    static const char *const anchor[] = {"inal answer is", "answer is",
                                         "Answer:", "answer:", "Answer is"};
    size_t best = (size_t)-1, len = 0;
    for (size_t i = 0; i < countof(anchor); i++) {
        size_t at = find_last(s, anchor[i]);
        if (at != (size_t)-1 && (best == (size_t)-1 || at + strlen(anchor[i]) > best + len)) {
            best = at;
            len = strlen(anchor[i]);
        }
    }
    if (best == (size_t)-1) return false;
    struct span rest = after(s, best, len);
    while (rest.n && strchr(" :*\n", rest.p[0])) rest = after(rest, 1, 0);
    *out = strip(sentence(rest));
    return out->n > 0;
}

struct span math_extract(struct span s)
{
    struct span box[MAX_BOXES], out;
    size_t at = find_last(s, "</think>");
    if (at != (size_t)-1) s = after(s, at, 8);
    int n = find_boxes(s, box);
    if (n) return strip(box[n - 1]);
    at = find_last(s, "<answer>");
    if (at != (size_t)-1) {
        out = after(s, at, 8);
        size_t end = span_find(out, 0, span_of("</answer>"));
        if (end != (size_t)-1) return strip((struct span){out.p, end});
    }
    at = find_last(s, "####");
    if (at != (size_t)-1) {
        out = after(s, at, 4);
        const char *nl = memchr(out.p, '\n', out.n);
        if (nl && strip((struct span){out.p, (size_t)(nl - out.p)}).n)
            out.n = (size_t)(nl - out.p);
        return strip(out);
    }
    if (by_anchor(s, &out)) return out;
    return strip(s);
}

/* ---- grading ------------------------------------------------------------------------------ */

struct pair {
    struct math_tree g, a;
};

static void verdict(struct math_verdict *v, enum math_equal r, const char *who, const char *how)
{
    v->equal = r;
    snprintf(v->how, sizeof v->how, "%s%s", who, how);
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '$';
}

static bool is_word_char(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* Blanks and dollars do not matter, but one between two digits or letters does. */
static bool same_text(struct span x, struct span y)
{
    size_t i = 0, j = 0;
    for (char last = ' ';;) {
        bool x_gap = false, y_gap = false;
        for (; i < x.n && is_blank(x.p[i]); i++) x_gap = true;
        for (; j < y.n && is_blank(y.p[j]); j++) y_gap = true;
        if (i == x.n || j == y.n) return i == x.n && j == y.n && x.n > 0;
        if (x.p[i] != y.p[j]) return false;
        if (x_gap != y_gap && is_word_char(last) && is_word_char(x.p[i])) return false;
        last = x.p[i];
        i++;
        j++;
    }
}

/* False when the text cannot be read as an answer. */
static bool try_answer(struct pair *t, struct span answer, enum math_mode mode,
                       struct math_verdict *v)
{
    const char *how = "";
    if (!math_parse(&t->a, strip(answer), mode)) return false;
    enum math_equal r = math_compare(&t->g, &t->a, mode, &how);
    verdict(v, r, "", how);
    return true;
}

/* Several boxes are one list when the gold is a list. */
static bool try_boxes(struct pair *t, struct span text, enum math_mode mode,
                      struct math_verdict *v)
{
    struct span box[MAX_BOXES];
    struct buf all;
    int n = find_boxes(text, box);
    enum math_kind kind = (enum math_kind)t->g.node[t->g.root].kind;
    if (n < 2 || (kind != MK_LIST && kind != MK_SET)) return false;
    buf_init(&all, 4096);
    for (int i = 0; i < n; i++) {
        buf_add_str(&all, i ? ", " : "");
        buf_add_span(&all, box[i]);
    }
    bool ok = !all.failed && try_answer(t, buf_span(&all), mode, v) && v->equal == MATH_EQUAL;
    buf_release(&all);
    return ok;
}

/* Two words side by side, as formulas do not have them. */
static bool is_prose(struct span s)
{
    int letters = 0, words = 0;
    for (size_t i = 0; i < s.n; i++) {
        bool letter = is_word_char(s.p[i]) && s.p[i] > '9';
        if (letter) letters++;
        if (!letter && (!is_blank(s.p[i]) || letters < 2)) words = 0;
        if (!letter && is_blank(s.p[i]) && letters >= 2 && ++words == 2) return true;
        if (!letter) letters = 0;
    }
    return letters >= 2 && words >= 1;
}

/* Words around a formula: the last formula, or the last number. */
static void try_parts(struct pair *t, struct span answer, struct math_verdict *v)
{
    struct math_verdict part;
    struct span s;
    if (math_has(&t->g, t->g.root, MK_TEXT) || !is_prose(answer)) return;
    if ((last_math(answer, &s) && try_answer(t, s, MATH_EVAL, &part)) ||
        (last_number(answer, &s) && try_answer(t, s, MATH_EVAL, &part)))
        *v = part;
}

static void grade(struct pair *t, struct span gold, struct span text, enum math_mode mode,
                  struct math_verdict *v)
{
    struct span answer = math_extract(text);
    gold = math_extract(gold);
    if (gold.n == 0) {
        verdict(v, MATH_UNKNOWN, "the gold is empty", "");
        return;
    }
    if (answer.n == 0) {
        verdict(v, MATH_DIFFERENT, "the answer is empty", "");
        return;
    }
    if (same_text(gold, answer)) {
        verdict(v, MATH_EQUAL, "same text", "");
        return;
    }
    char letter = choice_only(gold), got = 0;
    if (letter && gold.p[0] != 'e' && gold.p[0] != 'i')
        got = mode == MATH_EVAL ? choice_letter(answer) : choice_only(answer);
    if (got) {
        verdict(v, got == letter ? MATH_EQUAL : MATH_DIFFERENT, "choice", "");
        return;
    }
    if (!math_parse(&t->g, gold, mode)) {
        verdict(v, MATH_UNKNOWN, "gold: ", t->g.why);
        return;
    }
    if (try_boxes(t, text, mode, v)) return;
    bool read = try_answer(t, answer, mode, v);
    if (!read) verdict(v, MATH_UNKNOWN, "answer: ", t->a.why);
    if (mode == MATH_EVAL && v->equal != MATH_EQUAL &&
        (!read || math_has(&t->a, t->a.root, MK_TEXT)))
        try_parts(t, answer, v);
}

void math_grade(struct span gold, struct span answer, enum math_mode mode,
                struct math_verdict *v)
{
    struct pair *t = NULL;
    if (gold.n > MATH_MAX_BYTES || answer.n > MATH_MAX_BYTES)
        verdict(v, MATH_UNKNOWN, "too long", "");
    else if ((t = mem_alloc(sizeof *t)) == NULL)
        verdict(v, MATH_UNKNOWN, "out of memory", "");
    else
        grade(t, gold, answer, mode, v);
    mem_free(t);
}

int math_grade_line(struct math_server *s, struct span line, struct buf *out, struct err *e)
{
    struct span gold, answer, mode = {"eval", 4};
    struct math_verdict v;
    int rc = -1;
    json_t *o = json_parse(line, "grade", e);
    if (!o) return -1;
    if (json_get_str(o, "gold", &gold, "grade", e) ||
        json_get_str(o, "answer", &answer, "grade", e) ||
        json_get_str_opt(o, "mode", &mode, "grade", e))
        goto out;
    if (!span_is(mode, "eval") && !span_is(mode, "reward")) {
        err_set(e, ERR_USAGE, "grade: \"mode\" is %.*s, allowed are eval and reward",
                (int)mode.n, mode.p);
        goto out;
    }
    enum math_mode m = span_is(mode, "eval") ? MATH_EVAL : MATH_REWARD;
    if (s)
        math_server_grade(s, gold, answer, m, &v);
    else
        math_grade(gold, answer, m, &v);
    buf_printf(out, "{\"equal\":%s,\"how\":",
               v.equal == MATH_EQUAL       ? "true"
               : v.equal == MATH_DIFFERENT ? "false"
                                           : "null");
    buf_add_json(out, span_of(v.how));
    buf_add_char(out, '}');
    rc = buf_ok(out, "the verdict", e);
out:
    json_decref(o);
    return rc;
}
