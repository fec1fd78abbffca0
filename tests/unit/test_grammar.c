/* Grammars: texts that are accepted and refused, words that follow and do not, masks against the
 * automaton tried token by token, and answers drawn at random under masks. */
#include "../test.h"

#include "base/rng.h"
#include "engine/automaton.h"
#include "engine/constraint.h"
#include "engine/mask.h"
#include "model/config.h"
#include "model/synth.h"
#include "text/think.h"

static struct vocab *vocab;

static int setup(void **state)
{
    (void)state;
    struct model_config c;
    struct err e;
    if (!config_shape("v3-tiny", &c)) return -1;
    return synth_vocab(&vocab, &c, &e);
}

static int teardown(void **state)
{
    (void)state;
    vocab_free(vocab);
    return 0;
}

static bool follows(const char *grammar, const char *word)
{
    struct err e;
    struct grammar *g;
    struct automaton *a;
    must(grammar_parse(&g, span_of(grammar), &e));
    must(automaton_create(&a, g, &e));
    uint32_t s = auto_start(a);
    for (const char *p = word; *p; p++) s = auto_next(a, s, (unsigned char)*p);
    assert_false(a->full);
    bool yes = a->state[s].done;
    automaton_free(a);
    grammar_free(g);
    return yes;
}

static void words(void **state)
{
    (void)state;
    static const struct {
        const char *g, *yes[5], *no[5];
    } t[] = {
        {"root ::= \"a\" | \"bc\"", {"a", "bc"}, {"", "b", "ac", "bca"}},
        {"root ::= [a-c]+ # end\n", {"a", "cab"}, {"", "d", "ad"}},
        {"root ::= (\"a\" | \"b\"){2,3}", {"ab", "bba"}, {"a", "abab"}},
        {"root ::= \"ab\"* \"c\"?", {"", "abab", "abc"}, {"aba", "cc"}},
        {"root ::= \"(\" root \")\" | \"\"", {"", "(())"}, {"(", "())"}},
        {"root ::= x (\",\" x)*\nx ::= [0-9]{2}", {"12", "12,34"}, {"1", "12,", "12,3"}},
        {"root ::= [^a]",
         {"b", "\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x98\x80"},
         {"a", "\xc3", "bb"}},
        {"root ::= [\xc3\xa0-\xe2\x82\xac]",
         {"\xc3\xa0", "\xe2\x82\xac"},
         {"a", "\xe2\x82\xad"}},
        {"root ::= .", {"x", "\n", "\xe4\xbd\xa0"}, {"", "xy", "\xed\xa0\x80"}},
        {"root ::= \"\\x41\\u00e9\\\"\\\\\"", {"A\xc3\xa9\"\\"}, {"A"}},
        {"root ::= (\n  \"a\"\n  | \"b\"\n)\n  | \"c\"", {"a", "b", "c"}, {"ab"}},
        {"root ::= \"a\"{,2}", {"", "aa"}, {"aaa"}},
        {"root ::= \"a\"{2,}", {"aa", "aaaaaa"}, {"a"}},
        {"root ::= [\\]\\-a]+", {"]-a"}, {"\\"}},
    };
    for (size_t i = 0; i < sizeof t / sizeof *t; i++)
        for (int k = 0; k < 5; k++) {
            if (t[i].yes[k] && !follows(t[i].g, t[i].yes[k]))
                fail_msg("%s refuses \"%s\"", t[i].g, t[i].yes[k]);
            if (t[i].no[k] && follows(t[i].g, t[i].no[k]))
                fail_msg("%s accepts \"%s\"", t[i].g, t[i].no[k]);
        }
}

static void counts(void **state)
{
    (void)state;
    static const int limit[][2] = {{0, 49},    {3, 200}, {100, 100},
                                   {49, 1000}, {0, 800}, {97, 98}};
    for (size_t i = 0; i < sizeof limit / sizeof *limit; i++) {
        char text[64];
        struct err e;
        struct grammar *g;
        struct automaton *a;
        snprintf(text, sizeof text, "root ::= \"x\"{%d,%d}", limit[i][0], limit[i][1]);
        must(grammar_parse(&g, span_of(text), &e));
        must(automaton_create(&a, g, &e));
        uint32_t s = auto_start(a);
        for (int n = 0; n <= limit[i][1] + 2; n++, s = auto_next(a, s, 'x'))
            if (a->state[s].done != (n >= limit[i][0] && n <= limit[i][1]))
                fail_msg("%s: wrong at %d", text, n);
        assert_false(a->full);
        automaton_free(a);
        grammar_free(g);
    }
}

static void refused(void **state)
{
    (void)state;
    static const struct {
        const char *g, *words;
    } t[] = {
        {"", "no rule 'root'"},
        {"root ::= x", "'x' is used but not defined"},
        {"root ::= \"a", "not closed"},
        {"root ::= [a", "not closed"},
        {"root ::= (\"a\"", "parenthesis is not closed"},
        {"root ::= \"a\")", "closed but not open"},
        {"root ::= *", "nothing in front"},
        {"root ::= \"a\"{3,2}", "below its lower"},
        {"root ::= \"\\q\"", "escape is not known"},
        {"root := \"a\"", "\"::=\" is expected"},
        {"root ::= \"a\"\nroot ::= \"b\"", "defined twice"},
        {"root ::= expr\nexpr ::= expr \"+\" \"1\" | \"1\"", "rule 'expr' is left-recursive"},
        {"root ::= a\na ::= \"x\"? b\nb ::= a \"y\" | \"z\"", "left-recursive"},
        {"root ::= (\"\" | root) \"a\"", "rule 'root' is left-recursive"},
        {"root ::= \"\\uD800\"", "names no character"},
        {"root ::= \"\xff\"", "not UTF-8"}};
    struct err e;
    for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
        struct grammar *g;
        must_fail(grammar_parse(&g, span_of(t[i].g), &e), ERR_FORMAT, t[i].words);
        assert_null(g);
    }
    char deep[256];
    memset(deep, '(', sizeof deep);
    memcpy(deep, "root ::= ", 9);
    struct grammar *g;
    must_fail(grammar_parse(&g, (struct span){deep, sizeof deep}, &e), ERR_LIMIT,
              "parentheses");
    must_fail(grammar_parse(&g, span_of("root ::= \"a\"{9999999}"), &e), ERR_LIMIT, "count");
}

/* A count is what its units written one by one are; here units that may be empty, that read alike in
 * two ways, that are counted themselves. */
static void counts_written_out(void **state)
{
    (void)state;
    static const char *const unit[] = {"\"a\"",
                                       "(\"a\" | \"aa\" | \"b\")",
                                       "(\"a\"? \"b\"?)",
                                       "(\"ab\"* | \"a\")",
                                       "(\"a\"{2,3} \"b\"{0,2})",
                                       "(\"a\"{0,2} | \"b\"{3})"};
    static const int limit[][2] = {{0, 2}, {2, 2}, {1, 4}, {3, 5}, {2, -1}};
    for (size_t i = 0; i < sizeof unit / sizeof *unit * 5; i++) {
        const char *u = unit[i / 5];
        int lo = limit[i % 5][0], hi = limit[i % 5][1];
        char counted[200], all[800];
        if (hi < 0) {
            snprintf(counted, sizeof counted, "root ::= %s{%d,} \"b\"", u, lo);
            snprintf(all, sizeof all, "root ::= %s %s %s* \"b\"", u, u, u);
        } else {
            int n = snprintf(all, sizeof all, "root ::=");
            snprintf(counted, sizeof counted, "root ::= %s{%d,%d} \"b\"", u, lo, hi);
            for (int k = 0; k < hi; k++)
                n += snprintf(all + n, sizeof all - (size_t)n, k < lo ? " %s" : " (%s", u);
            for (int k = lo; k < hi; k++) n += snprintf(all + n, sizeof all - (size_t)n, ")?");
            snprintf(all + n, sizeof all - (size_t)n, " \"b\"");
        }
        for (int bits = 0; bits < 1 << 10;
             bits++) { /* every word of a and b up to nine letters */
            char word[16];
            int n = 0;
            for (int b = bits; b > 1; b >>= 1) word[n++] = b & 1 ? 'a' : 'b';
            word[n] = 0;
            if (follows(counted, word) != follows(all, word))
                fail_msg("%s and %s differ at \"%s\"", counted, all, word);
        }
    }
    /* An empty unit does not make a hundred thousand ways. */
    assert_true(follows("root ::= (\"a\"?){5,100000}", ""));
    assert_true(follows("root ::= (\"a\"?){5,100000}", "aaaaaaaa"));
}

/* A grammar under way in an answer that has no thinking. */
static void constrain(const char *grammar, struct constraints **all, struct constrained *c,
                      struct think *t)
{
    struct err e;
    must(constraints_create(all, vocab, vocab_size(vocab), &e));
    must(constraint_get(*all, GEN_GRAMMAR, span_of(grammar), c, &e));
    think_init(t, vocab, false);
    think_close(t);
}

/* Too many ways at once is a sentence, not a crash. */
static void ambiguous(void **state)
{
    (void)state;
    struct err e;
    struct constraints *all;
    struct constrained c;
    struct think t;
    const uint32_t *mask;
    constrain("root ::= (\"a\" root \"b\"? | \"a\" root \"c\"? | \"a\")", &all, &c, &t);
    int rc = 0;
    for (int i = 0; i < 64 && rc == 0; i++) {
        rc = constraint_mask(&c, &t, &mask, &e);
        if (rc == 0)
            rc = constraint_push(&c, vocab, vocab_find(vocab, span_of("a")), THINK_ANSWER, &t,
                                 (struct span){0}, &e);
    }
    assert_int_equal(rc, -1);
    assert_int_equal(e.code, ERR_LIMIT);
    constraint_put(all, &c);
    constraints_free(all);
}

/* ---- masks --------------------------------------------------------------------------------- */

struct rig {
    struct grammar *g;
    struct automaton *a;
    struct mask_vocab *mv;
    struct mask *m;
    struct auto_mark at;
};

static void rig_open(struct rig *r, const char *text)
{
    struct err e;
    memset(r, 0, sizeof *r);
    must(grammar_parse(&r->g, span_of(text), &e));
    must(automaton_create(&r->a, r->g, &e));
    must(mask_vocab_create(&r->mv, vocab, vocab_size(vocab), &e));
    must(mask_create(&r->m, r->mv, r->a, &e));
    assert_true(auto_keep(r->a, &r->at, auto_start(r->a)));
}

static void rig_close(struct rig *r)
{
    auto_mark_release(&r->at);
    mask_free(r->m);
    automaton_free(r->a);
    mask_vocab_free(r->mv);
    grammar_free(r->g);
}

/* What the mask must be, by trying every token. */
static bool may_come(struct rig *r, tok_id id)
{
    uint32_t s = auto_load(r->a, &r->at);
    if (vocab_is_stop(vocab, id)) return r->a->state[s].done;
    if (vocab_tok_kind(vocab, id) != TOK_NORMAL) return false;
    struct span b = vocab_bytes(vocab, id);
    for (size_t i = 0; i < b.n; i++) s = auto_next(r->a, s, (unsigned char)b.p[i]);
    return b.n && s != AUTO_DEAD;
}

static tok_id draw(const uint32_t *mask, struct rng *rng)
{
    size_t n = vocab_size(vocab), seen = 0;
    tok_id id = TOK_NONE;
    size_t from = rng_below(rng, n);
    /* Half of the time by place, which likes rare kinds of tokens, else fair. */
    if (rng_below(rng, 2))
        for (size_t i = 0; i < n; i++) {
            tok_id t = (tok_id)((from + i) % n);
            if (mask_has(mask, t)) return t;
        }
    for (size_t w = 0; w < (n + 31) / 32; w++)
        for (uint32_t b = mask[w]; b; b &= b - 1)
            if (rng_below(rng, ++seen) == 0) id = (tok_id)(w * 32 + (size_t)__builtin_ctz(b));
    return id;
}

static void same_as_trying(void **state)
{
    (void)state;
    static const char *const grammar[] = {
        "root ::= \"{\" s (\",\" s)* \"}\"\ns ::= \"'\" c* \"'\"\nc ::= [^'{}]",
        "root ::= [a-z ]{0,70} (\"!\" | root2)\nroot2 ::= \"(\" [a-c]{3} root2? \")\"",
        "root ::= ([a-z]+ \" \"?)+ | [^\\x00-\\x7f]{2,}",
        "root ::= e\ne ::= t ((\"+\" | \" + \") t)*\nt ::= \"(\" e \")\" | [a-z]+",
        /* counts: beside a class that goes on, at least and at most, in one another, of words, of
         * what is longer than a token, of what may be empty, at the end of a rule that goes round */
        "root ::= [a-z]{2,6} [a-z0-9 ]*",
        "root ::= (c{4,9} \"-\"){3} c{0,400} \"\\n\"\nc ::= [^\\n-] | \"\\n\" [xyz]",
        "root ::= ((\"a\" | \"aa\" | [b-z]){2,3} \" \"?){2,5} \".\"",
        "root ::= ([a-z]+ \" \"){1,4} [0-9]{3,}",
        "root ::= ([a-z]? [ .]?){2,12} \"!\"",
        "root ::= w \"!\" (\"x\" w [ .] w)+\nw ::= [a-z]{2,9}",
        "root ::= \"x\" l\nl ::= \"[\" (l | [a-e ]{0,5}) \"]\" l?",
    };
    for (size_t k = 0; k < sizeof grammar / sizeof *grammar; k++) {
        struct rng rng = rng_init(7, k);
        struct rig r;
        rig_open(&r, grammar[k]);
        for (int step = 0; step < 16; step++) {
            const uint32_t *mask = mask_of(r.m, &r.at);
            assert_non_null(mask);
            for (tok_id id = 0; (size_t)id < vocab_size(vocab); id++)
                if (mask_has(mask, id) != may_come(&r, id))
                    fail_msg("grammar %zu, step %d: token %d \"%.*s\" is %s", k, step, id,
                             (int)vocab_bytes(vocab, id).n, vocab_bytes(vocab, id).p,
                             mask_has(mask, id) ? "allowed" : "not allowed");
            tok_id id = draw(mask, &rng);
            if (id == TOK_NONE || vocab_is_stop(vocab, id)) break;
            struct span b = vocab_bytes(vocab, id);
            uint32_t s = auto_load(r.a, &r.at);
            for (size_t i = 0; i < b.n; i++) s = auto_next(r.a, s, (unsigned char)b.p[i]);
            assert_true(auto_keep(r.a, &r.at, s));
        }
        rig_close(&r);
    }
}

/* Thinking first: everything may come, then line ends, then the grammar alone. */
static void after_thinking(void **state)
{
    (void)state;
    struct err e;
    struct constraints *all;
    struct constrained c, d;
    struct think t;
    const uint32_t *mask;
    struct buf a, b;
    buf_init(&a, 1 << 10);
    buf_init(&b, 1 << 10);
    must(constraints_create(&all, vocab, vocab_size(vocab), &e));
    must(constraint_get(all, GEN_GRAMMAR, span_of("root ::= \"ab\""), &c, &e));
    must(constraint_get(all, GEN_GRAMMAR, span_of("root ::= \"ab\""), &d, &e));
    assert_ptr_equal(c.of, d.of);
    constraint_put(all, &d);
    tok_id ab = vocab_find(vocab, span_of("ab")), x = vocab_find(vocab, span_of("x"));
    tok_id open = vocab_special(vocab)->think_open, close = vocab_special(vocab)->think_close;
    tok_id line = vocab_find(vocab, span_of("\xc4\x8a"));
    think_init(&t, vocab, false);
    must(constraint_mask(&c, &t, &mask, &e));
    assert_true(mask_has(mask, open) && mask_has(mask, ab) && !mask_has(mask, x));
    assert_false(mask_has(mask, close));
    think_feed(&t, open, vocab_bytes(vocab, open), &a, &b);
    must(constraint_push(&c, vocab, open, THINK_UNDECIDED, &t, (struct span){0}, &e));
    must(constraint_mask(&c, &t, &mask, &e));
    assert_null(mask);
    must(constraint_push(&c, vocab, x, THINK_REASONING, &t, (struct span){0}, &e));
    think_feed(&t, close, vocab_bytes(vocab, close), &a, &b);
    must(constraint_push(&c, vocab, close, THINK_REASONING, &t, (struct span){0}, &e));
    must(constraint_mask(&c, &t, &mask, &e));
    assert_true(mask_has(mask, ab) && mask_has(mask, line) && !mask_has(mask, open));
    for (int i = 0; i < 4; i++)
        must(constraint_push(&c, vocab, line, THINK_ANSWER, &t, (struct span){0}, &e));
    must(constraint_mask(&c, &t, &mask, &e));
    assert_false(mask_has(mask, line));
    must(constraint_push(&c, vocab, ab, THINK_ANSWER, &t, (struct span){0}, &e));
    assert_true(constraint_over(&c));
    must(constraint_mask(&c, &t, &mask, &e));
    for (tok_id id = 0; (size_t)id < vocab_size(vocab); id++)
        assert_int_equal(mask_has(mask, id), vocab_is_stop(vocab, id));
    constraint_put(all, &c);
    constraints_free(all);
    buf_release(&a);
    buf_release(&b);
}

/* Where the end of the model's text is passed over, the grammar goes on behind it. */
static void end_ignored(void **state)
{
    (void)state;
    struct err e;
    struct constraints *all;
    struct constrained c;
    struct think t;
    const uint32_t *mask;
    tok_id a = vocab_find(vocab, span_of("a")), end = 0;
    while (!vocab_is_stop(vocab, end)) end++;
    constrain("root ::= \"aa\"+", &all, &c, &t);
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < 2; i++)
            must(constraint_push(&c, vocab, a, THINK_ANSWER, &t, (struct span){0}, &e));
        must(constraint_mask(&c, &t, &mask, &e));
        assert_true(mask_has(mask, end) && mask_has(mask, a));
        must(constraint_push(&c, vocab, end, THINK_ANSWER, &t, (struct span){0}, &e));
    }
    must(constraint_push(&c, vocab, a, THINK_ANSWER, &t, (struct span){0}, &e));
    must_fail(constraint_push(&c, vocab, end, THINK_ANSWER, &t, (struct span){0}, &e),
              ERR_FORMAT, "does not follow");
    constraint_put(all, &c);
    constraints_free(all);
}

/* A special token comes where its id is named, and only there; its text stays text. */
static void named_tokens(void **state)
{
    (void)state;
    struct err e;
    struct constraints *all;
    struct constrained c;
    struct think t;
    const uint32_t *mask;
    tok_id mark = TOK_NONE, a = vocab_find(vocab, span_of("a"));
    for (tok_id id = 0; (size_t)id < vocab_size(vocab) && mark == TOK_NONE; id++)
        if (vocab_tok_kind(vocab, id) == TOK_CONTROL && !vocab_is_stop(vocab, id) &&
            id != vocab_special(vocab)->think_open && id != vocab_special(vocab)->think_close)
            mark = id;
    assert_int_not_equal(mark, TOK_NONE);
    char text[64];
    snprintf(text, sizeof text, "root ::= .* (<[%d]> \"a\" <[%d]>)?", mark, mark);
    must(constraints_create(&all, vocab, vocab_size(vocab), &e));
    must(constraint_get(all, GEN_GRAMMAR, span_of(text), &c, &e));
    think_init(&t, vocab, false);
    think_close(&t);
    const struct {
        tok_id came;
        bool mark, a, end;
    } step[] = {{a, true, true, true}, {mark, false, true, false}, {a, true, false, false}};
    for (size_t i = 0; i < sizeof step / sizeof *step; i++) {
        must(constraint_push(&c, vocab, step[i].came, THINK_ANSWER, &t, (struct span){0}, &e));
        must(constraint_mask(&c, &t, &mask, &e));
        for (tok_id id = 0; (size_t)id < vocab_size(vocab); id++) {
            struct span b = vocab_bytes(vocab, id);
            if (vocab_is_stop(vocab, id))
                assert_int_equal(mask_has(mask, id), step[i].end);
            else if (vocab_tok_kind(vocab, id) != TOK_NORMAL || memchr(b.p, 0xff, b.n))
                assert_int_equal(mask_has(mask, id), id == mark && step[i].mark);
        }
        assert_int_equal(mask_has(mask, a), step[i].a);
    }
    must(constraint_push(&c, vocab, mark, THINK_ANSWER, &t, (struct span){0}, &e));
    assert_true(constraint_over(&c));
    constraint_put(all, &c);
    constraints_free(all);
    struct grammar *g;
    must_fail(grammar_parse(&g, span_of("root ::= <[x]>"), &e), ERR_FORMAT, "a number");
    must_fail(grammar_parse(&g, span_of("root ::= <[3>"), &e), ERR_FORMAT, "not closed");
    must_fail(grammar_parse(&g, span_of("root ::= <3>"), &e), ERR_FORMAT, "<[id]>");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words),
        cmocka_unit_test(counts),
        cmocka_unit_test(counts_written_out),
        cmocka_unit_test(refused),
        cmocka_unit_test(ambiguous),
        cmocka_unit_test(same_as_trying),
        cmocka_unit_test(after_thinking),
        cmocka_unit_test(named_tokens),
        cmocka_unit_test(end_ignored),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
