/* The scanners against PCRE2 running the published expressions, on random and adversarial texts,
 * and the split vectors of docs/text.md. PCRE2 is here for this test only.
 *
 * Two things the comparison has to know: PCRE2 refuses invalid UTF-8, so such bytes are shown to
 * it as U+FFFD, which is what the scanners take them for; and its \s includes U+180E, which is not
 * White_Space any more, so that character is not in the alphabet. */
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "../test.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/rng.h"
#include "base/utf8.h"
#include "text/pretok.h"

#define CASED                                                                              \
    "\\x{41}-\\x{5A}\\x{61}-\\x{7A}\\x{B5}\\x{C0}-\\x{D6}\\x{D8}-\\x{F6}\\x{F8}-\\x{1BA}"  \
    "\\x{1BC}-\\x{1BF}\\x{1C4}-\\x{293}\\x{295}-\\x{2AF}\\x{370}-\\x{373}\\x{376}\\x{377}" \
    "\\x{37B}-\\x{37D}\\x{37F}\\x{386}\\x{388}-\\x{38A}\\x{38C}\\x{38E}-\\x{3A1}"          \
    "\\x{3A3}-\\x{3F5}\\x{3F7}-\\x{481}\\x{48A}-\\x{52F}\\x{531}-\\x{556}"                 \
    "\\x{10A0}-\\x{10C5}\\x{13A0}-\\x{13F5}\\x{13F8}-\\x{13FD}\\x{1C90}-\\x{1CBA}"         \
    "\\x{1CBD}-\\x{1CBF}\\x{1D00}-\\x{1D2B}\\x{1D6B}-\\x{1D77}\\x{1D79}-\\x{1D9A}"         \
    "\\x{1E00}-\\x{1F15}\\x{1F18}-\\x{1F1D}\\x{1F20}-\\x{1F45}\\x{1F48}-\\x{1F4D}"         \
    "\\x{1F50}-\\x{1F57}\\x{1F59}\\x{1F5B}\\x{1F5D}\\x{1F5F}-\\x{1F7D}\\x{1F80}-\\x{1FB4}" \
    "\\x{1FB6}-\\x{1FBC}\\x{1FBE}\\x{1FC2}-\\x{1FC4}\\x{1FC6}-\\x{1FCC}"                   \
    "\\x{1FD0}-\\x{1FD3}\\x{1FD6}-\\x{1FDB}\\x{1FE0}-\\x{1FEC}\\x{1FF2}-\\x{1FF4}"         \
    "\\x{1FF6}-\\x{1FFC}\\x{2102}\\x{2107}\\x{210A}-\\x{2113}\\x{2115}\\x{2119}-\\x{211D}" \
    "\\x{2124}\\x{2126}\\x{2128}\\x{212A}-\\x{212D}\\x{212F}-\\x{2134}\\x{2139}"           \
    "\\x{213C}-\\x{213F}\\x{2145}-\\x{2149}\\x{214E}\\x{2183}\\x{2184}\\x{2C00}-\\x{2C7B}" \
    "\\x{2C7E}-\\x{2CE4}\\x{2CEB}-\\x{2CEE}\\x{2CF2}\\x{2CF3}\\x{A640}-\\x{A66D}"          \
    "\\x{A680}-\\x{A69B}\\x{A722}-\\x{A76F}\\x{A771}-\\x{A787}\\x{A78B}-\\x{A78E}"         \
    "\\x{AB70}-\\x{ABBF}\\x{FB00}-\\x{FB06}\\x{FB13}-\\x{FB17}\\x{FF21}-\\x{FF3A}"         \
    "\\x{FF41}-\\x{FF5A}\\x{10400}-\\x{1044F}\\x{104B0}-\\x{104D3}\\x{104D8}-\\x{104FB}"   \
    "\\x{10C80}-\\x{10CB2}\\x{10CC0}-\\x{10CF2}\\x{118A0}-\\x{118DF}\\x{1E900}-\\x{1E943}"
#define SIGNS                                                                                 \
    "\\x{21}-\\x{2f}\\x{3a}-\\x{7e}\\x{ff01}-\\x{ff0f}\\x{ff1a}-\\x{ff5e}\\x{2018}-\\x{201f}" \
    "\\x{3000}-\\x{3002}"
#define CJK "[\\x{4e00}-\\x{9fa5}\\x{0800}-\\x{4e00}\\x{ac00}-\\x{d7ff}]+"
#define LLAMA3(digits)                                                                        \
    "(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+" \
    "|" digits "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"
#define V3                                                                                  \
    "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|"                                \
    "[^\\r\\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+| ?[\\p{P}\\p{S}]+[\\r\\n]*|\\s*[\\r\\n]+|" \
    "\\s+(?!\\S)|\\s+"
#define V3_CJK "[\\x{4e00}-\\x{9fa5}\\x{3040}-\\x{309f}\\x{30a0}-\\x{30ff}]+"

static const struct {
    enum pretok rule;
    const char *pass[8];
} rules[] = {
    {PRETOK_GPT2,
     {"'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+"}},
    {PRETOK_LLAMA3, {LLAMA3("\\p{N}{1,3}")}},
    {PRETOK_QWEN2, {LLAMA3("\\p{N}")}},
    {PRETOK_DEEPSEEK_LLM,
     {"[\\r\\n]", "\\s?[" CASED "]+", "\\s?[" SIGNS "]+", "\\s+$", CJK, "\\p{N}"}},
    {PRETOK_DEEPSEEK_CODER, {"[\\r\\n]", "\\s?\\p{L}+", "\\s?\\p{P}+", CJK, "\\p{N}"}},
    {PRETOK_DEEPSEEK_V3, {"\\p{N}{1,3}", V3_CJK, V3}},
    {PRETOK_TARN, {"\\p{N}", V3_CJK, V3}},
};

/* Cut marks: cut[i] says that a piece starts at byte i. Each pass works inside the parts that are
 * still open, that is, not themselves a match of an earlier pass. */
struct oracle {
    pcre2_code *code[8];
    pcre2_match_data *md;
    int n_pass;
};

static void oracle_open(struct oracle *o, size_t r)
{
    *o = (struct oracle){.md = pcre2_match_data_create(8, NULL)};
    for (; rules[r].pass[o->n_pass]; o->n_pass++) {
        int code;
        PCRE2_SIZE at;
        o->code[o->n_pass] =
            pcre2_compile((PCRE2_SPTR)rules[r].pass[o->n_pass], PCRE2_ZERO_TERMINATED,
                          PCRE2_UTF | PCRE2_UCP | PCRE2_DOLLAR_ENDONLY, &code, &at, NULL);
        assert_non_null(o->code[o->n_pass]);
        pcre2_jit_compile(o->code[o->n_pass], PCRE2_JIT_COMPLETE);
    }
}

static void oracle_close(struct oracle *o)
{
    for (int i = 0; i < o->n_pass; i++) pcre2_code_free(o->code[i]);
    pcre2_match_data_free(o->md);
}

struct part {
    size_t from, to;
    bool closed;
};

static size_t oracle_split(struct oracle *o, const char *p, size_t n, struct part *out)
{
    struct part *a = calloc(n + 1, sizeof *a), *b = calloc(n + 1, sizeof *b);
    size_t na = 0;
    if (n) a[na++] = (struct part){0, n, false};
    for (int k = 0; k < o->n_pass; k++) {
        size_t nb = 0;
        for (size_t i = 0; i < na; i++) {
            if (a[i].closed) {
                b[nb++] = a[i];
                continue;
            }
            const char *s = p + a[i].from;
            size_t len = a[i].to - a[i].from, at = 0, gap = 0;
            while (at < len) {
                int rc = pcre2_match(o->code[k], (PCRE2_SPTR)s, len, at, PCRE2_NO_UTF_CHECK,
                                     o->md, NULL);
                if (rc < 0) break;
                const PCRE2_SIZE *ov = pcre2_get_ovector_pointer(o->md);
                if (ov[0] > gap)
                    b[nb++] = (struct part){a[i].from + gap, a[i].from + ov[0], false};
                b[nb++] = (struct part){a[i].from + ov[0], a[i].from + ov[1], true};
                at = gap = ov[1];
            }
            if (gap < len) b[nb++] = (struct part){a[i].from + gap, a[i].to, false};
        }
        struct part *t = a;
        a = b;
        b = t;
        na = nb;
    }
    memcpy(out, a, na * sizeof *a);
    free(a);
    free(b);
    return na;
}

/* The text as PCRE2 may see it, and for each of its bytes the offset in the original. */
static size_t sanitise(const char *p, size_t n, char *out, size_t *origin)
{
    size_t m = 0;
    for (size_t i = 0; i < n;) {
        size_t len = utf8_seq_len(p + i, n - i);
        const char *from = len ? p + i : "\xef\xbf\xbd";
        for (size_t k = 0; k < (len ? len : 3); k++) {
            origin[m] = i + (len ? k : 0);
            out[m++] = from[k];
        }
        i += len ? len : 1;
    }
    origin[m] = n;
    return m;
}

static void compare(struct oracle *o, size_t r, const char *p, size_t n, uint64_t seed)
{
    char *clean = malloc(3 * n + 1);
    size_t *origin = calloc(3 * n + 2, sizeof *origin);
    struct part *want = calloc(3 * n + 1, sizeof *want);
    size_t m = sanitise(p, n, clean, origin);
    size_t n_want = oracle_split(o, clean, m, want);
    struct pretok_scan s;
    struct span piece;
    size_t k = 0;
    pretok_begin(&s, rules[r].rule, (struct span){p, n});
    while (pretok_next(&s, &piece)) {
        size_t from = (size_t)(piece.p - p), to = from + piece.n;
        if (k >= n_want || origin[want[k].from] != from || origin[want[k].to] != to) {
            struct buf b;
            buf_init(&b, 1 << 20);
            buf_add_json(&b, (struct span){p, n});
            fail_msg("%s, seed %llu: piece %zu is bytes %zu to %zu, PCRE2 has %zu to %zu of %s",
                     pretok_name(rules[r].rule), (unsigned long long)seed, k, from, to,
                     k < n_want ? origin[want[k].from] : 0, k < n_want ? origin[want[k].to] : 0,
                     buf_str(&b));
        }
        k++;
    }
    assert_int_equal(k, n_want);
    free(clean);
    free(origin);
    free(want);
}

/* Code points at the borders of the sets, several scripts, all kinds of space. */
static const uint32_t alphabet[] = {
    'a',     'b',     'S',     't',    'r',    'e',     'v',     'l',     'd',     'm',
    'Z',     '\'',    '\'',    ' ',    ' ',    ' ',     ' ',     '\n',    '\n',    '\r',
    '\t',    '0',     '1',     '9',    '.',    ',',     '-',     '_',     '(',     '$',
    '+',     '<',     '~',     '`',    '^',    0x0,     0x1,     0x7f,    0xb,     0xc,
    0x85,    0xa0,    0xad,    0xaa,   0xb2,   0xb5,    0xbd,    0xd7,    0xe9,    0xdf,
    0x1bb,   0x294,   0x300,   0x301,  0x37e,  0x391,   0x3c9,   0x410,   0x44f,   0x531,
    0x5d0,   0x5b0,   0x627,   0x660,  0x669,  0x6dd,   0x7ff,   0x800,   0x905,   0x93f,
    0x966,   0xe01,   0xe34,   0xe50,  0x1100, 0x1680,  0x17b4,  0x1d2c,  0x1e00,  0x2000,
    0x2003,  0x200b,  0x200d,  0x2018, 0x201f, 0x2028,  0x2029,  0x202f,  0x205f,  0x2070,
    0x20ac,  0x20e3,  0x2102,  0x2160, 0x2183, 0x2460,  0x2581,  0x2c00,  0x3000,  0x3000,
    0x3001,  0x3002,  0x3003,  0x3007, 0x3021, 0x303f,  0x3040,  0x3041,  0x3042,  0x3099,
    0x309b,  0x30a0,  0x30a2,  0x30fb, 0x30ff, 0x3100,  0x3105,  0x3400,  0x4dff,  0x4e00,
    0x4f60,  0x597d,  0x9fa5,  0x9fa6, 0xa640, 0xa6e6,  0xabff,  0xac00,  0xd55c,  0xd7a3,
    0xd7ff,  0xe000,  0xf900,  0xfb00, 0xfe0f, 0xfeff,  0xff01,  0xff0f,  0xff10,  0xff1a,
    0xff21,  0xff5c,  0xff5e,  0xfffd, 0xffff, 0x10400, 0x1d7ce, 0x1f600, 0x1f3fb, 0x1f1e6,
    0x20000, 0xe0041, 0x10ffff};

static size_t random_text(struct rng *g, char *out, size_t n_char)
{
    size_t n = 0;
    /* Half of the texts use few different characters, so that runs and repeats are common. */
    uint32_t few[6];
    for (size_t i = 0; i < countof(few); i++)
        few[i] = alphabet[rng_below(g, countof(alphabet))];
    int mode = (int)rng_below(g, 4);
    for (size_t i = 0; i < n_char; i++) {
        uint64_t kind = rng_below(g, 64);
        if (kind == 0) {
            out[n++] = (char)(0x80 + rng_below(g, 0x80)); /* mostly not valid here */
            continue;
        }
        uint32_t cp = mode < 2    ? few[rng_below(g, countof(few))]
                      : mode == 2 ? alphabet[rng_below(g, countof(alphabet))]
                      : kind < 40 ? (uint32_t)rng_below(g, 0x80)
                                  : (uint32_t)rng_below(g, kind < 60 ? 0x10000 : 0x110000);
        if (cp == 0x180e) cp = ' ';
        n += utf8_encode(cp, out + n);
    }
    return n;
}

static void test_against_pcre2(void **state)
{
    (void)state;
    char text[4096];
    for (size_t r = 0; r < countof(rules); r++) {
        struct oracle o;
        oracle_open(&o, r);
        for (uint64_t seed = 0; seed < 12000; seed++) {
            struct rng g = rng_init(seed, r);
            size_t n = random_text(&g, text, 1 + rng_below(&g, seed % 16 ? 24 : 700));
            compare(&o, r, text, n, seed);
        }
        oracle_close(&o);
    }
}

static void test_every_code_point(void **state)
{
    (void)state;
    for (size_t r = 0; r < countof(rules); r++) {
        struct oracle o;
        oracle_open(&o, r);
        for (uint32_t cp = 1; cp < 0x110000; cp += cp < 0x32000 ? 1 : 257) {
            if ((cp >= 0xd800 && cp < 0xe000) || cp == 0x180e) continue;
            char text[32];
            size_t n = 0;
            text[n++] = 'a';
            n += utf8_encode(cp, text + n);
            text[n++] = ' ';
            n += utf8_encode(cp, text + n);
            n += utf8_encode(cp, text + n);
            text[n++] = 'B';
            compare(&o, r, text, n, cp);
        }
        oracle_close(&o);
    }
}

static void test_books(void **state)
{
    (void)state;
    need_data(path, "text/text-wikitext2/valid.txt");
    struct err e = {0};
    struct file_map m;
    must(file_map_open(&m, path, &e));
    for (size_t r = 0; r < countof(rules); r++) {
        struct oracle o;
        oracle_open(&o, r);
        for (size_t at = 0; at < m.size && at < 200000; at += 4000)
            compare(&o, r, (const char *)m.data + at, m.size - at < 4000 ? m.size - at : 4000,
                    at);
        oracle_close(&o);
    }
    file_map_close(&m);
}

static void expect(enum pretok rule, const char *text, const char *bars)
{
    struct pretok_scan s;
    struct span piece;
    struct buf b;
    buf_init(&b, 1 << 16);
    buf_add_char(&b, '|');
    pretok_begin(&s, rule, span_of(text));
    while (pretok_next(&s, &piece)) {
        buf_add_span(&b, piece);
        buf_add_char(&b, '|');
    }
    assert_string_equal(buf_str(&b), bars);
    buf_release(&b);
}

static void test_v3_vectors(void **state)
{
    (void)state;
    const enum pretok v3 = PRETOK_DEEPSEEK_V3;
    expect(v3, "12345 x", "|123|45| x|");
    expect(v3, "foo.bar()", "|foo|.bar|()|");
    expect(v3, "a,\n\nb", "|a|,\n\n|b|");
    expect(v3, "don't", "|don|'t|");
    expect(v3, "  x", "| | x|");
    expect(v3, "\xe4\xbd\xa0\xe5\xa5\xbdworld", "|\xe4\xbd\xa0\xe5\xa5\xbd|world|");
    expect(v3, "x=1+2", "|x|=|1|+|2|");
    expect(v3, "  \n x", "|  \n| x|");
    expect(v3, " (hello) it's 3.14", "| (|hello|)| it|'s| |3|.|14|");
    expect(v3, "I 1234567", "|I| |123|456|7|");
    expect(PRETOK_TARN, "I 123.4", "|I| |1|2|3|.|4|");
    expect(v3, "", "|");
}

/* A megabyte of whatever is worst must take time in proportion, not squared. */
static void test_hostile_lengths(void **state)
{
    (void)state;
    static const char *const unit[] = {" ",
                                       "a",
                                       "\n",
                                       "1",
                                       "\xe3\x80\x80",
                                       "\xe2\x80\x83 ",
                                       "'",
                                       "\x01",
                                       ".",
                                       "\xe4\xbd\xa0",
                                       "\xff",
                                       " \n",
                                       "\xc2\xa9 ",
                                       "\xe2\x80\x83 \xe0\xa4\xbe"};
    enum { SIZE = 1 << 20 };
    char *text = malloc(SIZE);
    for (size_t u = 0; u < countof(unit); u++) {
        for (size_t i = 0; i < SIZE; i++) text[i] = unit[u][i % strlen(unit[u])];
        for (size_t r = 0; r < countof(rules); r++) {
            struct pretok_scan s;
            struct span piece;
            size_t total = 0;
            pretok_begin(&s, rules[r].rule, (struct span){text, SIZE});
            while (pretok_next(&s, &piece)) total += piece.n;
            assert_int_equal(total, SIZE);
        }
    }
    free(text);
}

static void test_names(void **state)
{
    (void)state;
    static const char *const names[] = {"gpt-2",        "llama3",         "llama-v3",
                                        "llama-bpe",    "qwen2",          "deepseek-r1-qwen",
                                        "deepseek-llm", "deepseek-coder", "deepseek-v3",
                                        "joyai-llm",    "tarn",           "none"};
    enum pretok p;
    for (size_t i = 0; i < countof(names); i++)
        assert_true(pretok_parse(span_of(names[i]), &p));
    assert_false(pretok_parse(span_of("falcon"), &p));
    for (int r = PRETOK_NONE; r <= PRETOK_TARN; r++) {
        assert_true(pretok_parse(span_of(pretok_name((enum pretok)r)), &p));
        assert_int_equal(p, r);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_v3_vectors),      cmocka_unit_test(test_names),
        cmocka_unit_test(test_against_pcre2),   cmocka_unit_test(test_every_code_point),
        cmocka_unit_test(test_hostile_lengths), cmocka_unit_test(test_books),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
