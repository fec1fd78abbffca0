/* pretok.c - pre-tokeniser rules as scanners.
 *
 * Two shapes of rule exist. A single expression (gpt-2, llama3, qwen2) is tried at the place where
 * the last piece ended. A list of expressions (the deepseek rules) means: cut by the first, then
 * every part by the next, and so on; here that becomes one pass in which each character knows
 * which of the expressions claims it, the earlier one first. A stretch nobody claims is a piece.
 *
 * `\s+(?!\S)` always means: the whole run of white space, less its last character when something
 * else follows, unless the run has length one. In the multi-pass rules "follows" ends where an
 * earlier expression has cut.
 *
 * Each scanner looks at a character a bounded number of times, so time is linear.
 */
#include "text/pretok.h"

#include "base/utf8.h"
#include "text/unicode.h"

struct chr {
    uint32_t cp;
    unsigned props;
    size_t len; /* 0 at the end of the text */
};

#define CHR_END UINT32_MAX

static inline struct chr chr_at(const struct pretok_scan *s, size_t at)
{
    if (at >= s->n) return (struct chr){CHR_END, 0, 0};
    unsigned char b = (unsigned char)s->p[at];
    if (likely(b < 0x80)) return (struct chr){b, unicode_props(b), 1};
    struct chr c;
    c.cp = utf8_decode(s->p + at, s->n - at, &c.len);
    c.props = unicode_props(c.cp);
    return c;
}

static inline bool is_newline(uint32_t cp)
{
    return cp == '\n' || cp == '\r';
}

static inline bool is_ascii_letter(uint32_t cp)
{
    return (cp | 32) - 'a' < 26;
}

static inline bool within(uint32_t cp, uint32_t lo, uint32_t hi)
{
    return cp - lo <= hi - lo;
}

/* End of the run of characters that have one of these properties. */
static size_t run_of(const struct pretok_scan *s, size_t at, unsigned props)
{
    for (struct chr c; (c = chr_at(s, at)).props & props;) at += c.len;
    return at;
}

/* End of the run of characters that have none of these properties. */
static size_t run_without(const struct pretok_scan *s, size_t at, unsigned props)
{
    for (struct chr c; (c = chr_at(s, at)).len && !(c.props & props);) at += c.len;
    return at;
}

static size_t run_of_newlines(const struct pretok_scan *s, size_t at)
{
    while (at < s->n && is_newline((unsigned char)s->p[at])) at++;
    return at;
}

static size_t digits(const struct pretok_scan *s, size_t at, int most)
{
    for (struct chr c; most-- > 0 && (c = chr_at(s, at)).props & UC_NUMBER;) at += c.len;
    return at;
}

struct blanks {
    size_t end;           /* of the run */
    size_t last;          /* where its last character starts */
    size_t after_newline; /* behind its last CR or LF; 0: there is none */
};

static struct blanks blanks_at(const struct pretok_scan *s, size_t at)
{
    struct blanks b = {at, at, 0};
    for (struct chr c; (c = chr_at(s, b.end)).props & UC_SPACE;) {
        b.last = b.end;
        b.end += c.len;
        if (is_newline(c.cp)) b.after_newline = b.end;
    }
    return b;
}

/* \s+(?!\S)|\s+ */
static size_t give_back(struct blanks b, size_t at, bool more_follows)
{
    return more_follows && b.last > at ? b.last : b.end;
}

/* 's 't 're 've 'm 'll 'd: its length, or 0. */
static size_t contraction(const struct pretok_scan *s, size_t at, bool any_case)
{
    if (s->p[at] != '\'' || at + 1 >= s->n) return 0;
    int fold = any_case ? 32 : 0;
    int a = (unsigned char)s->p[at + 1] | fold;
    if (a == 's' || a == 't' || a == 'm' || a == 'd') return 2;
    if (at + 2 >= s->n) return 0;
    int b = (unsigned char)s->p[at + 2] | fold;
    bool two = (a == 'r' && b == 'e') || (a == 'v' && b == 'e') || (a == 'l' && b == 'l');
    return two ? 3 : 0;
}

/* 's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+ */
static size_t next_gpt2(const struct pretok_scan *s, size_t at)
{
    size_t k = contraction(s, at, false);
    if (k) return at + k;
    size_t from = at + (s->p[at] == ' ');
    struct chr c = chr_at(s, from);
    if (c.props & UC_LETTER) return run_of(s, from, UC_LETTER);
    if (c.props & UC_NUMBER) return run_of(s, from, UC_NUMBER);
    if (c.len && !(c.props & UC_SPACE))
        return run_without(s, from, UC_SPACE | UC_LETTER | UC_NUMBER);
    struct blanks b = blanks_at(s, at);
    return give_back(b, at, b.end < s->n);
}

/* (?:'[sS]|'[tT]|...)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,k}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|
 * \s+(?!\S)|\s+      with k = 1 for qwen2, 3 for llama3 */
static size_t next_llama3(const struct pretok_scan *s, size_t at, int max_digits)
{
    size_t k = contraction(s, at, true);
    if (k) return at + k;
    struct chr c = chr_at(s, at);
    if (c.props & UC_LETTER) return run_of(s, at, UC_LETTER);
    if (c.props & UC_NUMBER) return digits(s, at, max_digits);
    if (!is_newline(c.cp)) {
        struct chr d = chr_at(s, at + c.len);
        if (d.props & UC_LETTER) return run_of(s, at + c.len, UC_LETTER);
    }
    size_t from = at + (c.cp == ' ');
    c = chr_at(s, from);
    unsigned not_other = UC_SPACE | UC_LETTER | UC_NUMBER;
    if (c.len && !(c.props & not_other))
        return run_of_newlines(s, run_without(s, from, not_other));
    struct blanks b = blanks_at(s, at);
    return b.after_newline ? b.after_newline : give_back(b, at, b.end < s->n);
}

/* ---- deepseek-v3 and tarn ---------------------------------------------------------------- */

static bool is_v3_cjk(uint32_t cp)
{
    return within(cp, 0x4e00, 0x9fa5) || within(cp, 0x3040, 0x30ff);
}

/* A character as the third expression sees it: where the first two have cut, its text ends. */
static struct chr v3_chr(const struct pretok_scan *s, size_t at)
{
    struct chr c = chr_at(s, at);
    if (c.props & UC_NUMBER || is_v3_cjk(c.cp)) return (struct chr){CHR_END, 0, 0};
    return c;
}

static size_t v3_run(const struct pretok_scan *s, size_t at, unsigned props)
{
    for (struct chr c; (c = v3_chr(s, at)).props & props;) at += c.len;
    return at;
}

/* What none of the alternatives can start with: not even as the character in front of letters. */
static bool v3_is_loose(const struct pretok_scan *s, size_t at, struct chr c)
{
    if (!c.len || c.props) return false;
    return !(v3_chr(s, at + c.len).props & (UC_LETTER | UC_MARK));
}

/* \p{N}{1,k}, then [CJK]+, then [!-/:-@[-`{-~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+|
 *  ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+ */
static size_t next_v3(const struct pretok_scan *s, size_t at, int max_digits)
{
    const unsigned word = UC_LETTER | UC_MARK, sign = UC_PUNCT | UC_SYMBOL;
    struct chr c = chr_at(s, at);
    if (c.props & UC_NUMBER) return digits(s, at, max_digits);
    if (is_v3_cjk(c.cp)) {
        while (is_v3_cjk(c.cp)) {
            at += c.len;
            c = chr_at(s, at);
        }
        return at;
    }
    if (c.props & word) return v3_run(s, at, word);
    if (c.props & sign && c.cp < 0x80) {
        size_t end = at + 1;
        while (end < s->n && is_ascii_letter((unsigned char)s->p[end])) end++;
        if (end > at + 1) return end;
    }
    if (!(c.props & sign) && !is_newline(c.cp) && v3_chr(s, at + c.len).props & word)
        return v3_run(s, at + c.len, word);
    size_t from = at + (c.cp == ' ');
    if (v3_chr(s, from).props & sign) return run_of_newlines(s, v3_run(s, from, sign));
    if (c.props & UC_SPACE) {
        struct blanks b = blanks_at(s, at);
        return b.after_newline ? b.after_newline : give_back(b, at, v3_chr(s, b.end).len != 0);
    }
    do {
        at += c.len;
        c = v3_chr(s, at);
    } while (v3_is_loose(s, at, c));
    return at;
}

/* ---- deepseek-coder and deepseek-llm ----------------------------------------------------- */

/* Which expression claims a character; in the order of the passes. */
enum claim { CLAIM_NEWLINE, CLAIM_WORD, CLAIM_PUNCT, CLAIM_CJK, CLAIM_DIGIT, CLAIM_NONE };

static bool is_word(const struct pretok_scan *s, struct chr c)
{
    return c.props & (s->rule == PRETOK_DEEPSEEK_LLM ? UC_CASED : UC_LETTER);
}

static bool is_sign(const struct pretok_scan *s, struct chr c)
{
    if (s->rule != PRETOK_DEEPSEEK_LLM) return c.props & UC_PUNCT;
    return within(c.cp, 0x21, 0x2f) || within(c.cp, 0x3a, 0x7e) ||
           within(c.cp, 0xff01, 0xff0f) || within(c.cp, 0xff1a, 0xff5e) ||
           within(c.cp, 0x2018, 0x201f) || within(c.cp, 0x3000, 0x3002);
}

static bool is_cjk(uint32_t cp)
{
    return within(cp, 0x0800, 0x9fa5) || within(cp, 0xac00, 0xd7ff);
}

/* White space belongs to the word, or else the punctuation, that it stands directly in front of;
 * U+3000 is white space and punctuation at once in deepseek-llm, hence the look two ahead. */
static enum claim claim_of(const struct pretok_scan *s, size_t at, struct chr c)
{
    if (is_newline(c.cp)) return CLAIM_NEWLINE;
    if (is_word(s, c)) return CLAIM_WORD;
    if (c.props & UC_SPACE) {
        struct chr d = chr_at(s, at + c.len);
        if (is_word(s, d)) return CLAIM_WORD;
        if (is_sign(s, c)) return CLAIM_PUNCT;
        if (is_sign(s, d) && !(d.props & UC_SPACE && is_word(s, chr_at(s, at + c.len + d.len))))
            return CLAIM_PUNCT;
    }
    if (is_sign(s, c)) return CLAIM_PUNCT;
    if (is_cjk(c.cp)) return CLAIM_CJK;
    return c.props & UC_NUMBER ? CLAIM_DIGIT : CLAIM_NONE;
}

/* deepseek-llm's fourth pass, \s+$: the end of the white space at `at` when the first three
 * passes cut right behind it, else 0. */
static size_t closing_blanks(struct pretok_scan *s, size_t at, struct chr c)
{
    if (s->rule != PRETOK_DEEPSEEK_LLM || !(c.props & UC_SPACE) || at < s->blank_end) return 0;
    size_t end = at;
    while (c.props & UC_SPACE && claim_of(s, end, c) >= CLAIM_CJK) {
        end += c.len;
        c = chr_at(s, end);
    }
    if (!c.len || claim_of(s, end, c) < CLAIM_CJK) return end;
    s->blank_end = end;
    return 0;
}

/* coder: [\r\n], \s?\p{L}+, \s?\p{P}+, [CJK]+, \p{N}
 * llm:   [\r\n], \s?[CASED]+, \s?[signs]+, \s+$, [CJK]+, \p{N} */
static size_t next_passes(struct pretok_scan *s, size_t at)
{
    struct chr c = chr_at(s, at);
    enum claim claim = claim_of(s, at, c);
    switch (claim) {
    case CLAIM_NEWLINE: return at + c.len;
    case CLAIM_WORD:
        do at += c.len;
        while (is_word(s, c = chr_at(s, at)));
        return at;
    case CLAIM_PUNCT:
        do {
            at += c.len;
            c = chr_at(s, at);
        } while (is_sign(s, c) && claim_of(s, at, c) == CLAIM_PUNCT);
        return at;
    case CLAIM_CJK:
    case CLAIM_NONE: {
        size_t end = closing_blanks(s, at, c);
        if (end) return end;
        do {
            at += c.len;
            c = chr_at(s, at);
        } while (c.len && claim_of(s, at, c) == claim && !closing_blanks(s, at, c));
        return at;
    }
    case CLAIM_DIGIT: return at + c.len;
    }
    return s->n;
}

void pretok_begin(struct pretok_scan *s, enum pretok rule, struct span text)
{
    *s = (struct pretok_scan){.p = text.p, .n = text.n, .rule = rule};
}

static size_t next_end(struct pretok_scan *s, size_t at)
{
    switch (s->rule) {
    case PRETOK_NONE: return s->n;
    case PRETOK_GPT2: return next_gpt2(s, at);
    case PRETOK_LLAMA3: return next_llama3(s, at, 3);
    case PRETOK_QWEN2: return next_llama3(s, at, 1);
    case PRETOK_DEEPSEEK_LLM:
    case PRETOK_DEEPSEEK_CODER: return next_passes(s, at);
    case PRETOK_DEEPSEEK_V3: return next_v3(s, at, 3);
    case PRETOK_TARN: return next_v3(s, at, 1);
    }
    return s->n;
}

bool pretok_next(struct pretok_scan *s, struct span *piece)
{
    if (s->at >= s->n) return false;
    size_t end = next_end(s, s->at);
    *piece = (struct span){s->p + s->at, end - s->at};
    s->at = end;
    return true;
}

static const struct {
    const char *name;
    enum pretok rule;
} pretok_names[] = {
    /* the first name of a rule is the one it is written with */
    {"none", PRETOK_NONE},
    {"gpt-2", PRETOK_GPT2},
    {"llama-bpe", PRETOK_LLAMA3},
    {"llama3", PRETOK_LLAMA3},
    {"llama-v3", PRETOK_LLAMA3},
    {"qwen2", PRETOK_QWEN2},
    {"deepseek-r1-qwen", PRETOK_QWEN2},
    {"deepseek-llm", PRETOK_DEEPSEEK_LLM},
    {"deepseek-coder", PRETOK_DEEPSEEK_CODER},
    {"deepseek-v3", PRETOK_DEEPSEEK_V3},
    {"joyai-llm", PRETOK_DEEPSEEK_V3},
    {"tarn", PRETOK_TARN},
};

bool pretok_parse(struct span name, enum pretok *out)
{
    for (size_t i = 0; i < countof(pretok_names); i++) {
        if (!span_is(name, pretok_names[i].name)) continue;
        *out = pretok_names[i].rule;
        return true;
    }
    return false;
}

const char *pretok_name(enum pretok p)
{
    for (size_t i = 0; i < countof(pretok_names); i++)
        if (pretok_names[i].rule == p) return pretok_names[i].name;
    return "";
}
