/* hf_pretok.c - which pre-tokeniser a tokenizer.json describes, and how to describe ours.
 *
 * The file gives a chain of Split expressions, Digits and ByteLevel; text/ has the published rules
 * as scanners. So the chain's expressions are compared, as texts, with those each rule is published
 * with. Nothing is run and nothing is guessed: an unknown chain is an error.
 *
 * Source: tokens.md 3 (expressions), tokenizer.json of the published models (how they are written).
 */
#include "format/hf_pretok.h"

#include <string.h>

#include "base/err.h"

/* clang-format off */
#define CASED \
    "A-Za-zµÀ-ÖØ-öø-ƺƼ-ƿǄ-ʓʕ-ʯͰ-ͳͶͷͻ-ͽͿΆΈ-ΊΌΎ-ΡΣ-ϵϷ-ҁҊ-ԯԱ-ՖႠ-ჅᎠ-Ᏽ" \
    "ᏸ-ᏽᲐ-ᲺᲽ-Ჿᴀ-ᴫᵫ-ᵷᵹ-ᶚḀ-ἕἘ-Ἕἠ-ὅὈ-Ὅὐ-ὗὙὛὝὟ-ώᾀ-ᾴᾶ-ᾼιῂ-ῄῆ-ῌῐ-ΐῖ-Ί" \
    "ῠ-Ῥῲ-ῴῶ-ῼℂℇℊ-ℓℕℙ-ℝℤΩℨK-ℭℯ-ℴℹℼ-ℿⅅ-ⅉⅎↃↄⰀ-ⱻⱾ-ⳤⳫ-ⳮⳲⳳꙀ-ꙭꚀ-ꚛꜢ-ꝯꝱ-ꞇ" \
    "Ꞌ-ꞎꭰ-ꮿﬀ-ﬆﬓ-ﬗＡ-Ｚａ-ｚ𐐀-𐑏𐒰-𐓓𐓘-𐓻𐲀-𐲲𐳀-𐳲𑢠-𑣟𞤀-𞥃"

#define LLM_SIGNS "!-/:-~！-／：-～‘-‟　-。"
#define CJK_COARSE "[一-龥ࠀ-一가-퟿]+"
#define V3_CJK "[一-龥぀-ゟ゠-ヿ]+"
#define V3_LAST                                                                                \
    "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\\r\\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+|" \
    " ?[\\p{P}\\p{S}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"
#define SHORT_I "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
#define LONG_I "(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])"
#define WORDS(digits)                                                                          \
    "|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|" digits "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"
#define GPT2 "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+"
#define GPT2_2 "'(?:[sdmt]|ll|ve|re)| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+"
/* clang-format on */

#define DIGITS "\1" /* stands for {"type": "Digits", "individual_digits": true} */

enum { MAX_STEPS = 6 };

/* The first entry of a rule is the one it is written with. */
static const struct chain {
    enum pretok rule;
    const char *step[MAX_STEPS];
} chain[] = {
    {PRETOK_GPT2, {GPT2}},
    {PRETOK_GPT2, {GPT2_2}},
    {PRETOK_LLAMA3, {SHORT_I WORDS("\\p{N}{1,3}")}},
    {PRETOK_LLAMA3, {LONG_I WORDS("\\p{N}{1,3}")}},
    {PRETOK_QWEN2, {SHORT_I WORDS("\\p{N}")}},
    {PRETOK_QWEN2, {LONG_I WORDS("\\p{N}")}},
    {PRETOK_DEEPSEEK_LLM,
     {"[\\r\\n]", "\\s?[" CASED "]+", "\\s?[" LLM_SIGNS "]+", "\\s+$", CJK_COARSE, DIGITS}},
    {PRETOK_DEEPSEEK_CODER, {"[\\r\\n]", "\\s?\\p{L}+", "\\s?\\p{P}+", CJK_COARSE, DIGITS}},
    {PRETOK_DEEPSEEK_CODER, {"[\\r\\n]", "\\s?\\p{L}+", "\\s?\\p{P}+", CJK_COARSE, "\\p{N}"}},
    {PRETOK_DEEPSEEK_V3, {"\\p{N}{1,3}", V3_CJK, V3_LAST}},
    {PRETOK_TARN, {"\\p{N}", V3_CJK, V3_LAST}},
};

/* ---- reading ------------------------------------------------------------------------------ */

struct steps {
    const char *step[MAX_STEPS];
    size_t n;
    bool bytes; /* a ByteLevel at the end */
};

static const char *text_of(const json_t *o, const char *key)
{
    const char *s = json_string_value(json_object_get(o, key));
    return s ? s : "";
}

/* Some writers put a literal line break where others escape it. */
static bool same(const char *a, const char *b)
{
    for (;; a++, b++) {
        char x = *a, y = *b;
        if (x == '\\' && (a[1] == 'r' || a[1] == 'n')) x = *++a == 'r' ? '\r' : '\n';
        if (y == '\\' && (b[1] == 'r' || b[1] == 'n')) y = *++b == 'r' ? '\r' : '\n';
        if (x != y) return false;
        if (x == 0) return true;
    }
}

static int unknown(const char *what, const char *kind, const char *detail, struct err *e)
{
    err_set(e, ERR_UNSUPPORTED, "%s: pre_tokenizer: %s %.200s is not one of the known rules",
            what, kind, detail);
    return err_hint(
        e, "known are the rules of gpt-2, llama3, qwen2, deepseek-llm, deepseek-coder, "
           "deepseek-v3 and tarn");
}

static int add_step(struct steps *s, const char *text, const char *what, struct err *e)
{
    if (s->bytes) return unknown(what, "a step after", "ByteLevel", e);
    if (s->n == MAX_STEPS) return unknown(what, "a chain of more than", "6 steps", e);
    s->step[s->n++] = text;
    return 0;
}

static int read_step(const json_t *o, struct steps *s, const char *what, struct err *e)
{
    const char *type = text_of(o, "type");
    if (strcmp(type, "ByteLevel") == 0) {
        const json_t *regex = json_object_get(o, "use_regex");
        bool on = !regex || json_is_true(regex); /* its own expression is GPT-2's */
        if (json_is_true(json_object_get(o, "add_prefix_space")))
            return unknown(what, "ByteLevel with", "add_prefix_space", e);
        if (on && s->n > 0)
            return unknown(what, "ByteLevel with", "use_regex after other steps", e);
        if (on && add_step(s, GPT2, what, e)) return -1;
        s->bytes = true;
        return 0;
    }
    if (strcmp(type, "Digits") == 0) {
        if (!json_is_true(json_object_get(o, "individual_digits")))
            return unknown(what, "Digits without", "individual_digits", e);
        return add_step(s, DIGITS, what, e);
    }
    if (strcmp(type, "Split") != 0) return unknown(what, "type", type, e);
    const char *behavior = text_of(o, "behavior");
    /* "Removed" with "invert" keeps the matches, which are all of the text in these rules */
    bool inverted = json_is_true(json_object_get(o, "invert"));
    if (strcmp(behavior, inverted ? "Removed" : "Isolated") != 0)
        return unknown(what, "Split with behavior", behavior, e);
    return add_step(s, text_of(json_object_get(o, "pattern"), "Regex"), what, e);
}

int hf_pretok_read(const json_t *pre, enum pretok *out, const char *what, struct err *e)
{
    struct steps s = {.n = 0};
    const json_t *list = json_object_get(pre, "pretokenizers");
    if (json_is_array(list)) {
        for (size_t i = 0; i < json_array_size(list); i++)
            if (read_step(json_array_get(list, i), &s, what, e)) return -1;
    } else if (read_step(pre, &s, what, e)) {
        return -1;
    }
    if (!s.bytes) return unknown(what, "a chain without", "ByteLevel", e);
    for (size_t i = 0; i < countof(chain); i++) {
        size_t k = 0;
        while (k < s.n && chain[i].step[k] && same(s.step[k], chain[i].step[k])) k++;
        if (k != s.n || (k < MAX_STEPS && chain[i].step[k])) continue;
        *out = chain[i].rule;
        return 0;
    }
    return unknown(what, "the expression", s.n ? s.step[s.n - 1] : "", e);
}

/* ---- writing ------------------------------------------------------------------------------ */

static const struct chain *chain_of(enum pretok rule)
{
    for (size_t i = 0; i < countof(chain); i++)
        if (chain[i].rule == rule) return &chain[i];
    return NULL;
}

int hf_pretok_write(enum pretok rule, struct buf *out, struct err *e)
{
    const struct chain *c = chain_of(rule);
    if (!c)
        return err_set(e, ERR_UNSUPPORTED,
                       "tokenizer.json has no form for the pre-tokeniser \"%s\"",
                       pretok_name(rule));
    bool regex = rule == PRETOK_GPT2; /* that rule is ByteLevel's own */
    buf_add_str(out, "{\"type\": \"Sequence\", \"pretokenizers\": [");
    for (size_t i = 0; i < MAX_STEPS && c->step[i] && !regex; i++) {
        if (strcmp(c->step[i], DIGITS) == 0) {
            buf_add_str(out, "{\"type\": \"Digits\", \"individual_digits\": true}, ");
            continue;
        }
        buf_add_str(out, "{\"type\": \"Split\", \"pattern\": {\"Regex\": ");
        buf_add_json(out, span_of(c->step[i]));
        buf_add_str(out, "}, \"behavior\": \"Isolated\", \"invert\": false}, ");
    }
    buf_printf(out,
               "{\"type\": \"ByteLevel\", \"add_prefix_space\": false, \"trim_offsets\": true, "
               "\"use_regex\": %s}]}",
               regex ? "true" : "false");
    return 0;
}
