/* check_math_lex.c - LaTeX or plain text to tokens: blanks, dollars, spacing and size commands
 * are dropped, numbers keep their thousands separators, text commands become one token. */
#include "task/check_math_lex.h"

#include <string.h>

int lex_fail(struct parser *p, const char *why)
{
    if (!p->failed) p->tree->why = why;
    p->failed = true;
    p->t = (struct tok){.type = T_END};
    p->pos = p->s.n;
    return 0;
}

bool lex_is_digit(int c)
{
    return c >= '0' && c <= '9';
}

bool lex_is_letter(int c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

int lex_at(const struct parser *p, size_t i)
{
    return i < p->s.n ? (unsigned char)p->s.p[i] : 0;
}

bool lex_in(struct span w, const char *const *list)
{
    for (; *list; list++)
        if (span_is(w, *list)) return true;
    return false;
}

static bool digits_at(const struct parser *p, size_t i, int n)
{
    for (int k = 0; k < n; k++)
        if (!lex_is_digit(lex_at(p, i + (size_t)k))) return false;
    return !lex_is_digit(lex_at(p, i + (size_t)n));
}

/* Bytes of a thousands separator at i that is followed by exactly three digits, or 0. */
static size_t separator(const struct parser *p, size_t i)
{
    size_t n = 0;
    if (lex_at(p, i) == ',' && p->bracket == 0)
        n = 1;
    else if (lex_at(p, i) == '{' && lex_at(p, i + 1) == ',' && lex_at(p, i + 2) == '}')
        n = 3;
    else if (lex_at(p, i) == '\\' && (lex_at(p, i + 1) == ',' || lex_at(p, i + 1) == '!'))
        n = 2;
    else if (lex_at(p, i) == ' ')
        n = 1;
    if (lex_at(p, i) == ',' && lex_at(p, i + 1) == '\\' && lex_at(p, i + 2) == '!' &&
        p->bracket == 0)
        n = 3;
    return n && digits_at(p, i + n, 3) ? n : 0;
}

static void lex_number(struct parser *p)
{
    size_t i = p->pos, first = i;
    while (lex_is_digit(lex_at(p, i))) i++;
    if (i - first <= 3 && i > first)
        for (size_t n; (n = separator(p, i)) != 0;) i += n + 3;
    struct span rest = {p->s.p + i, p->s.n - i};
    if ((lex_at(p, i) == '.' && lex_is_digit(lex_at(p, i + 1))) ||
        span_starts(rest, ".\\overline"))
        for (i++; lex_is_digit(lex_at(p, i));) i++;
    int e = lex_at(p, i);
    if ((e == 'e' || e == 'E') && (lex_is_digit(lex_at(p, i + 1)) ||
                                   ((lex_at(p, i + 1) == '-' || lex_at(p, i + 1) == '+') &&
                                    lex_is_digit(lex_at(p, i + 2)))))
        for (i += 2; lex_is_digit(lex_at(p, i));) i++;
    p->t.type = T_NUM;
    p->pos = i;
}

/* The group { ... } at i, braces balanced; *end is behind it. */
bool lex_group(const struct parser *p, size_t i, struct span *in, size_t *end)
{
    int depth = 0;
    if (lex_at(p, i) != '{') return false;
    for (size_t k = i; k < p->s.n; k++) {
        if (p->s.p[k] == '{') depth++;
        if (p->s.p[k] == '}' && --depth == 0) {
            *in = (struct span){p->s.p + i + 1, k - i - 1};
            *end = k + 1;
            return true;
        }
    }
    return false;
}

struct span lex_strip(struct span s)
{
    while (s.n && strchr(" \t\r\n~", s.p[0])) s = (struct span){s.p + 1, s.n - 1};
    while (s.n && strchr(" \t\r\n~", s.p[s.n - 1])) s.n--;
    return s;
}

static void set_char(struct parser *p, int c)
{
    p->t.type = T_CHAR;
    p->t.c = c;
}

static const char *const skipped_cmd[] = {
    "left",   "right",   "big",          "Big",       "bigg",   "Bigg", "bigl",  "bigr",
    "Bigl",   "Bigr",    "displaystyle", "textstyle", "limits", "quad", "qquad", "mathstrut",
    "hspace", "phantom", "bf",           "rm",        "it",     NULL};
static const char *const text_cmd[] = {
    "text",         "mathrm", "mbox",   "textbf",     "textit", "textrm", "textnormal",
    "operatorname", "mathsf", "mathbf", "boldsymbol", "mathit", "mathbb", NULL};

static bool lex_escape(struct parser *p);

/* One token, or false when what stands here is skipped. */
static bool lex_one(struct parser *p)
{
    static const struct {
        const char *utf8;
        int c;
        const char *cmd;
    } sign[] = {
        {"\xe2\x88\x92", '-', NULL},  {"\xe2\x80\x93", '-', NULL},
        {"\xc3\x97", '*', NULL},      {"\xc2\xb7", '*', NULL},
        {"\xe2\x8b\x85", '*', NULL},  {"\xc3\xb7", '/', NULL},
        {"\xc2\xb0", C_DEGREE, NULL}, {"\xe2\x89\xa4", C_LE, NULL},
        {"\xe2\x89\xa5", C_GE, NULL}, {"\xe2\x89\xa0", C_NE, NULL},
        {"\xc2\xb2", C_POW2, NULL},   {"\xc2\xb3", C_POW3, NULL},
        {"\xe2\x88\x9a", 0, "sqrt"},  {"\xcf\x80", 0, "pi"},
        {"\xe2\x88\x9e", 0, "infty"}, {"\xc2\xb1", 0, "pm"},
        {"\xe2\x88\xaa", 0, "cup"},   {"\xe2\x88\x88", 0, "in"},
        {"\xe2\x82\xac", -1, NULL},   {"\xc2\xa3", -1, NULL},
        {"\xc2\xa0", -1, NULL},
    };
    int c = lex_at(p, p->pos), d = lex_at(p, p->pos + 1);
    p->t.start = p->pos;
    if (c == '$' || c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '~') {
        p->t.space = true;
        p->pos++;
        return false;
    }
    if (lex_is_digit(c) || (c == '.' && lex_is_digit(d))) {
        lex_number(p);
        return true;
    }
    if (lex_is_letter(c)) {
        while (lex_is_letter(lex_at(p, p->pos))) p->pos++;
        p->t.type = T_WORD;
        return true;
    }
    if (c == '\\') return lex_escape(p);
    if (c >= 0x80) {
        struct span rest = {p->s.p + p->pos, p->s.n - p->pos};
        for (size_t i = 0; i < countof(sign); i++) {
            if (!span_starts(rest, sign[i].utf8)) continue;
            p->pos += strlen(sign[i].utf8);
            if (sign[i].c < 0) return false;
            if (sign[i].cmd) {
                p->t.type = T_CMD;
                p->t.text = span_of(sign[i].cmd);
                p->t.end = p->pos;
            } else {
                set_char(p, sign[i].c);
            }
            return true;
        }
        lex_fail(p, "a character that no answer has");
        return true;
    }
    p->pos++;
    if (c == '*' && d == '*') {
        p->pos++;
        if (p->mode == MATH_REWARD) lex_fail(p, "** is no operator");
        set_char(p, C_POWER);
    } else if ((c == '<' || c == '>' || c == '!') && d == '=') {
        p->pos++;
        set_char(p, c == '<' ? C_LE : c == '>' ? C_GE : C_NE);
    } else {
        set_char(p, c == ';' ? C_SEP : c);
    }
    return true;
}

static bool lex_escape(struct parser *p)
{
    int d = lex_at(p, p->pos + 1);
    if (d == '\\') {
        if (p->matrix || !lex_is_letter(lex_at(p, p->pos + 2))) {
            p->pos += 2;
            set_char(p, C_ROW);
            return true;
        }
        p->pos++; /* a doubled backslash, as in a string that was escaped twice */
        return false;
    }
    if (!lex_is_letter(d)) {
        p->pos += 2;
        switch (d) {
        case '{': set_char(p, C_SET_OPEN); return true;
        case '}': set_char(p, C_SET_CLOSE); return true;
        case '%': set_char(p, '%'); return true;
        case '|': set_char(p, '|'); return true;
        case '(':
        case ')':
        case '[':
        case ']':
        case ',':
        case '!':
        case ';':
        case ':':
        case '$':
        case ' ':
        case '\n': p->t.space = true; return false;
        }
        lex_fail(p, "an unknown command");
        return true;
    }
    size_t i = p->pos + 1;
    while (lex_is_letter(lex_at(p, i))) i++;
    struct span name = {p->s.p + p->pos + 1, i - p->pos - 1}, in;
    size_t end = i;
    p->pos = i;
    if (span_is(name, "lbrace") || span_is(name, "rbrace")) {
        set_char(p, name.p[0] == 'l' ? C_SET_OPEN : C_SET_CLOSE);
        return true;
    }
    if (lex_in(name, skipped_cmd)) {
        if ((span_is(name, "left") || span_is(name, "right")) && lex_at(p, i) == '.') p->pos++;
        if ((span_is(name, "hspace") || span_is(name, "phantom")) && lex_group(p, i, &in, &end))
            p->pos = end;
        return false;
    }
    if (lex_in(name, text_cmd)) {
        while (lex_at(p, i) == ' ') i++;
        if (!lex_group(p, i, &in, &end)) {
            lex_fail(p, "a text command without its text");
            return true;
        }
        p->pos = end;
        p->t.type = T_TEXT;
        p->t.text = lex_strip(in);
        p->t.end = end;
        return p->t.text.n > 0;
    }
    p->t.type = T_CMD;
    p->t.text = name;
    p->t.end = i;
    return true;
}

void lex_advance(struct parser *p)
{
    p->t = (struct tok){.type = T_END};
    while (!p->failed && p->pos < p->s.n)
        if (lex_one(p)) {
            if (p->failed) return;
            p->t.end = p->pos;
            if (p->t.type != T_CMD && p->t.type != T_TEXT)
                p->t.text = (struct span){p->s.p + p->t.start, p->t.end - p->t.start};
            return;
        } else {
            bool space = p->t.space;
            p->t = (struct tok){.type = T_END, .space = space};
        }
}
