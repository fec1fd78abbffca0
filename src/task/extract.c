/* extract.c - finding the answer in a response, and the small grammars most families share. */
#include <stdio.h>
#include <string.h>

#include "task/exact.h"
#include "task/gen.h"

enum { RESPONSE_MAX = 1 << 20, ANSWER_MAX = 2048, BARE_ANSWER_MAX = 128 };

struct span trim(struct span s)
{
    while (s.n && memchr(" \t\r\n", s.p[0], 4)) s = (struct span){s.p + 1, s.n - 1};
    while (s.n && memchr(" \t\r\n", s.p[s.n - 1], 4)) s.n--;
    return s;
}

/* Offset of the last occurrence, or -1. */
static size_t find_last(struct span s, struct span needle)
{
    size_t at = (size_t)-1;
    for (size_t i = 0; (i = span_find(s, i, needle)) != (size_t)-1; i++) at = i;
    return at;
}

bool task_visible(struct span s, bool in_think, struct span *out, const char **why)
{
    struct span end_think = span_of("</think>"), open_think = span_of("<think>");
    if (s.n > RESPONSE_MAX) {
        *why = "the response is too long";
        return false;
    }
    size_t at = find_last(s, end_think);
    if (at != (size_t)-1) {
        s.p += at + end_think.n;
        s.n -= at + end_think.n;
    } else if (in_think || span_find(s, 0, open_think) != (size_t)-1) {
        *why = "the thinking does not end";
        return false;
    }
    if (span_find(s, 0, open_think) != (size_t)-1) {
        *why = "thinking after the thinking";
        return false;
    }
    *out = s;
    return true;
}

bool task_extract(struct span response, bool in_think, struct span *answer, bool *tagged,
                  const char **why)
{
    struct span s;
    *tagged = false;
    if (!task_visible(response, in_think, &s, why)) return false;
    size_t start = 0;
    bool is_open = false;
    for (size_t i = 0; i < s.n; i++) {
        struct span rest = {s.p + i, s.n - i};
        if (span_starts(rest, "<answer>")) {
            if (is_open) goto crossed;
            is_open = true;
            start = i + strlen("<answer>");
        } else if (span_starts(rest, "</answer>")) {
            if (!is_open) goto crossed;
            is_open = false;
            *tagged = true;
            *answer = trim((struct span){s.p + start, i - start});
        }
    }
    if (is_open) goto crossed;
    if (*tagged) {
        if (answer->n <= ANSWER_MAX && answer->n > 0) return true;
        *why = answer->n ? "the answer is too long" : "the answer is empty";
        return false;
    }
    *answer = trim(s);
    if (answer->n > 0 && answer->n <= BARE_ANSWER_MAX && !memchr(answer->p, '\n', answer->n))
        return true;
    *why = "no answer after the thinking";
    return false;
crossed:
    *tagged = false;
    *why = "answer tags are nested, crossed or left open";
    return false;
}

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}

bool span_is_nocase(struct span a, const char *s)
{
    if (a.n != strlen(s)) return false;
    for (size_t i = 0; i < a.n; i++)
        if (lower(a.p[i]) != lower(s[i])) return false;
    return true;
}

bool next_word(struct span *rest, const char *seps, struct span *word)
{
    size_t n_sep = strlen(seps);
    while (rest->n && memchr(seps, rest->p[0], n_sep)) {
        rest->p++;
        rest->n--;
    }
    size_t n = 0;
    while (n < rest->n && !memchr(seps, rest->p[n], n_sep)) n++;
    *word = (struct span){rest->p, n};
    rest->p += n;
    rest->n -= n;
    return n > 0;
}

bool parse_int(struct span s, int64_t *out)
{
    size_t i = 0, group = 0;
    bool commas = false;
    int n_digit = 0;
    int64_t v = 0;
    bool neg = s.n && s.p[0] == '-';
    if (s.n && (s.p[0] == '-' || s.p[0] == '+')) i = 1;
    for (; i < s.n; i++) {
        char c = s.p[i];
        if (c == ',') {
            if (group == 0 || group > 3 || (commas && group != 3)) return false;
            commas = true;
            group = 0;
            continue;
        }
        if (c < '0' || c > '9' || ++n_digit > 18) return false;
        v = v * 10 + (c - '0');
        group++;
    }
    if (n_digit == 0 || (commas && group != 3)) return false;
    *out = neg ? -v : v;
    return true;
}

const char *check_int(const struct task_item *it, struct span a)
{
    int64_t want, got;
    if (!parse_int(buf_span(&it->answer), &want)) return "the item has no whole number";
    if (!parse_int(a, &got)) return "not a whole number";
    if (got == want) return NULL;
    return "wrong number";
}

const char *check_rational(const struct task_item *it, struct span a)
{
    struct rat want, got;
    if (!rat_parse(buf_span(&it->answer), &want)) return "the item has no fraction";
    if (!rat_parse(a, &got)) return "not a number or a fraction";
    if (rat_eq(want, got)) return NULL;
    return "wrong number";
}

const char *check_words(const struct task_item *it, struct span a)
{
    struct span gold = buf_span(&it->answer), x, y;
    for (;;) {
        bool more = next_word(&gold, " ", &x), got = next_word(&a, " ", &y);
        if (!more && !got) return NULL;
        if (!more || !got || x.n != y.n) return "other words";
        for (size_t i = 0; i < x.n; i++)
            if (lower(x.p[i]) != lower(y.p[i])) return "other words";
    }
}

/* The words of one part that count, joined by single spaces. */
static bool part_words(struct span part, char out[64])
{
    static const char *const filler[] = {"is", "a", "an", "the", "and"};
    struct span w;
    size_t at = 0;
    while (next_word(&part, " ", &w)) {
        bool skip = false;
        for (size_t i = 0; i < countof(filler); i++) skip |= span_is_nocase(w, filler[i]);
        if (skip) continue;
        if (at + w.n + 2 > 64) return false;
        if (at) out[at++] = ' ';
        for (size_t i = 0; i < w.n; i++) out[at++] = lower(w.p[i]);
    }
    out[at] = 0;
    return at > 0;
}

const char *check_pairs(const struct task_item *it, struct span a)
{
    enum { MAX_PART = 16 };
    char want[MAX_PART][64], got[64];
    bool met[MAX_PART] = {false};
    struct span gold = buf_span(&it->answer), part;
    size_t n = 0, n_got = 0;
    while (n < MAX_PART && next_word(&gold, ",", &part))
        if (!part_words(part, want[n++])) return "the item's answer is not a list";
    while (next_word(&a, ",;\n", &part)) {
        size_t i = 0;
        if (!part_words(part, got)) return "not a list of pairs";
        while (i < n && (met[i] || strcmp(want[i], got) != 0)) i++;
        if (i == n) return "a pair is wrong";
        met[i] = true;
        n_got++;
    }
    if (n_got == n) return NULL;
    return "pairs are missing";
}

bool key_ints(const struct task_item *it, int *out, int n)
{
    struct span s = buf_span(&it->key);
    int k = 0;
    for (size_t i = 0; i < s.n && k < n;) {
        if (s.p[i] < '0' || s.p[i] > '9') {
            i++;
            continue;
        }
        bool neg = i > 0 && s.p[i - 1] == '-';
        int v = 0;
        for (; i < s.n && s.p[i] >= '0' && s.p[i] <= '9' && v < 100000000; i++)
            v = v * 10 + (s.p[i] - '0');
        out[k++] = neg ? -v : v;
    }
    return k == n;
}

/* An ill-posed item, or one without a solution, is right when the response says so. */
static bool says_no(struct span a, bool missing)
{
    static const char *const cannot[] = {"cannot be determined", "cannot tell", "unknown",
                                         "not enough information", NULL};
    static const char *const none[] = {"none", "no solution", "impossible", NULL};
    if (a.n && a.p[a.n - 1] == '.') a.n--;
    for (const char *const *s = missing ? cannot : none; *s; s++)
        if (span_is_nocase(a, *s)) return true;
    return false;
}

/* NULL when right. */
static const char *judge(const struct task_item *it, struct span response, bool in_think,
                         bool *tagged)
{
    struct span a, gold = buf_span(&it->answer);
    const char *why = "";
    if (!task_extract(response, in_think, &a, tagged, &why)) return why;
    if (span_is(gold, "cannot be determined"))
        return says_no(a, true) ? NULL : "a fact is missing and the answer does not say so";
    if (span_is(gold, "none"))
        return says_no(a, false) ? NULL : "there is no solution and the answer does not say so";
    return it->family->check(it, a);
}

void task_check(const struct task_item *it, struct span response, bool in_think,
                struct task_verdict *v)
{
    *v = (struct task_verdict){.score = 0};
    v->reason = judge(it, response, in_think, &v->tagged);
    if (v->reason) return;
    v->score = 1;
    v->reason = "right";
}

const char *task_instructions(void)
{
    return "Think first, between <think> and </think>. Then write the answer alone between "
           "<answer> and </answer>. If there is no solution, answer: none. If a fact that is "
           "needed is missing, answer: cannot be determined.";
}
