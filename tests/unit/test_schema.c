/* JSON schemas: values that follow and do not, schemas that are refused, and answers drawn at
 * random under masks, which must parse and satisfy the schema by a checker of its own. */
#include "../test.h"

#include <time.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/rng.h"
#include "engine/automaton.h"
#include "engine/constraint.h"
#include "engine/schema.h"
#include "model/config.h"
#include "model/synth.h"
#include "text/think.h"

static struct vocab *vocab;

static int setup(void **state)
{
    (void)state;
    struct model_config c;
    struct err e;
    if (!config_shape("v3", &c)) return -1;
    return synth_vocab(&vocab, &c, &e);
}

static int teardown(void **state)
{
    (void)state;
    vocab_free(vocab);
    return 0;
}

static struct automaton *compile(const char *schema, struct grammar **g)
{
    struct err e;
    struct buf text;
    struct automaton *a;
    buf_init(&text, GRAMMAR_TEXT_MAX);
    if (schema)
        must(schema_grammar(span_of(schema), &text, &e));
    else
        schema_any_object(&text);
    if (grammar_parse(g, buf_span(&text), &e))
        fail_msg("%s: %s\n%s", schema, e.msg, buf_str(&text));
    must(automaton_create(&a, *g, &e));
    buf_release(&text);
    return a;
}

static bool follows(struct automaton *a, const char *word)
{
    uint32_t s = auto_start(a);
    for (const char *p = word; *p; p++) s = auto_next(a, s, (unsigned char)*p);
    assert_false(a->full);
    return a->state[s].done;
}

static void values(void **state)
{
    (void)state;
    static const struct {
        const char *s, *yes[6], *no[6];
    } t[] = {
        {NULL,
         {"{}", "{\"a\": [1, -2.5e3, {\"b\": null}]}", "{ }"},
         {"[]", "1", "{\"a\"}", "{,}", "{\"a\":01}"}},
        {"true", {"1", "\"x\\u00e9\"", "[]"}, {"\"\\ud800\"", "tru", "\"\n\""}},
        {"{\"type\":\"integer\"}", {"0", "-12"}, {"01", "1.5", ""}},
        {"{\"type\":\"integer\",\"minimum\":7,\"maximum\":1234}",
         {"7", "10", "99", "1234", "1000"},
         {"6", "1235", "07", "-7", "2000"}},
        {"{\"type\":\"integer\",\"minimum\":-15,\"exclusiveMaximum\":3}",
         {"-15", "-1", "0", "2"},
         {"-16", "3", "-0"}},
        {"{\"type\":\"number\",\"minimum\":0,\"maximum\":1}",
         {"0", "1", "0.5", "0.001"},
         {"1.5", "-0.5", "2"}},
        {"{\"type\":\"number\",\"minimum\":-2,\"maximum\":-1}",
         {"-2", "-1", "-1.5"},
         {"-2.5", "-0.5", "0"}},
        {"{\"type\":[\"string\",\"null\"],\"maxLength\":3}",
         {"null", "\"\"", "\"abc\""},
         {"\"abcd\"", "nul"}},
        {"{\"minLength\":2}", {"\"ab\"", "\"abcdef\""}, {"\"a\""}},
        {"{\"enum\":[\"a\\\"b\",1,null,{\"x\":[1]}]}",
         {"\"a\\\"b\"", "1", "null", "{\"x\":[1]}"},
         {"2", "\"a\""}},
        {"{\"const\":\"x\"}", {"\"x\""}, {"\"y\""}},
        {"{\"type\":\"string\",\"pattern\":\"^[a-c]+\\\\d{2}$\"}",
         {"\"ab12\""},
         {"\"12\"", "\"ab1\"", "\"ab123\""}},
        {"{\"type\":\"string\",\"pattern\":\"^(a|b\\\\.)?[^x]$\"}",
         {"\"ay\"", "\"b.y\"", "\"y\""},
         {"\"x\"", "\"by\""}},
        {"{\"type\":\"string\",\"pattern\":\"b\"}", {"\"b\"", "\"abc\""}, {"\"ac\""}},
        {"{\"type\":\"string\",\"pattern\":\"^[\\\"a]$\"}",
         {"\"\\\"\"", "\"a\""},
         {"\"\"\"", "\"b\""}},
        {"{\"type\":\"string\",\"format\":\"date\"}",
         {"\"2024-02-28\""},
         {"\"2024-13-01\"", "\"2024-1-1\""}},
        {"{\"type\":\"string\",\"format\":\"uuid\"}",
         {"\"01234567-89ab-cdef-0123-456789abcdef\""},
         {"\"0123\""}},
        {"{\"type\":\"string\",\"format\":\"ipv4\"}",
         {"\"10.0.255.1\""},
         {"\"256.1.1.1\"", "\"1.1.1\""}},
        {"{\"type\":\"array\",\"items\":{\"type\":\"integer\"},\"minItems\":2,\"maxItems\":3}",
         {"[1,2]", "[1, 2, 3]"},
         {"[1]", "[1,2,3,4]", "[1,\"a\"]"}},
        {"{\"type\":\"array\",\"prefixItems\":[{\"const\":1},{\"const\":2}],\"items\":{"
         "\"const\":3}}",
         {"[]", "[1]", "[1,2]", "[1,2,3,3]"},
         {"[2]", "[1,3]"}},
        {"{\"type\":\"array\",\"maxItems\":0}", {"[]"}, {"[1]"}},
        {"{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"integer\"},\"b\":{\"type\":"
         "\"null\"},\"c\":true},\"required\":[\"b\"]}",
         {"{\"b\":null}", "{\"a\":1,\"b\":null}", "{\"b\":null,\"c\":[]}"},
         {"{}", "{\"a\":1}", "{\"b\":1}", "{\"b\":null,\"d\":1}", "{\"b\":null,}"}},
        {"{\"properties\":{\"ab\":{\"const\":1},\"ac\":{\"const\":2}},\"additionalProperties\":"
         "{\"const\":3}}",
         {"{}", "{\"ab\":1,\"x\":3}", "{\"a\":3}", "{\"abc\":3,\"ad\":3}", "{\"ac\":2}",
          "{\"\":3}"},
         {"{\"ab\":3}", "{\"x\":1}", "{\"\\u0061b\":3}", "{\"ac\":3}"}},
        {"{\"type\":\"object\",\"additionalProperties\":{\"type\":\"integer\"},"
         "\"minProperties\":1,\"maxProperties\":2}",
         {"{\"q\":1}", "{\"q\":1,\"r\":2}"},
         {"{}", "{\"q\":1,\"r\":2,\"s\":3}", "{\"q\":null}"}},
        {"{\"type\":\"object\",\"properties\":{},\"additionalProperties\":false}",
         {"{}"},
         {"{\"a\":1}"}},
        {"{\"anyOf\":[{\"type\":\"null\"},{\"type\":\"boolean\"}]}", {"null", "true"}, {"1"}},
        {"{\"type\":\"object\",\"properties\":{\"k\":{\"const\":1}},\"required\":[\"k\"],"
         "\"oneOf\":[{\"properties\":{\"l\":{\"const\":2}},\"required\":[\"l\"]},{}]}",
         {"{\"k\":1,\"l\":2}", "{\"k\":1}"},
         {"{\"l\":2}"}},
        {"{\"allOf\":[{\"properties\":{\"a\":{\"const\":1}},\"required\":[\"a\"]},{\"$ref\":\"#"
         "/$defs/"
         "b\"}],\"$defs\":{\"b\":{\"properties\":{\"b\":{\"const\":2}},\"required\":[\"b\"]}}}",
         {"{\"a\":1,\"b\":2}"},
         {"{\"a\":1}", "{\"b\":2}"}},
        {"{\"$ref\":\"#/definitions/"
         "n\",\"definitions\":{\"n\":{\"type\":\"object\",\"properties\":{\"v\":{\"type\":"
         "\"integer\"},\"next\":{\"anyOf\":[{\"$ref\":\"#/definitions/"
         "n\"},{\"type\":\"null\"}]}},\"required\":[\"v\",\"next\"]}}}",
         {"{\"v\":1,\"next\":{\"v\":2,\"next\":null}}"},
         {"{\"v\":1}", "{\"v\":1,\"next\":{}}"}},
    };
    for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
        struct grammar *g;
        struct automaton *a = compile(t[i].s, &g);
        for (int k = 0; k < 6; k++) {
            if (t[i].yes[k] && !follows(a, t[i].yes[k]))
                fail_msg("%s refuses %s", t[i].s, t[i].yes[k]);
            if (t[i].no[k] && follows(a, t[i].no[k]))
                fail_msg("%s accepts %s", t[i].s, t[i].no[k]);
        }
        automaton_free(a);
        grammar_free(g);
    }
}

static void refused(void **state)
{
    (void)state;
    static const struct {
        const char *s;
        enum err_code code;
        const char *words;
    } t[] = {
        {"{", ERR_FORMAT, "the schema"},
        {"[]", ERR_FORMAT, "the schema"},
        {"false", ERR_UNSUPPORTED, "false"},
        {"{\"type\":\"int\"}", ERR_FORMAT, "'type'"},
        {"{\"not\":{}}", ERR_UNSUPPORTED, "'not'"},
        {"{\"patternProperties\":{}}", ERR_UNSUPPORTED, "'patternProperties'"},
        {"{\"properties\":{\"a\":{\"type\":\"array\",\"uniqueItems\":true}}}", ERR_UNSUPPORTED,
         "/a: 'uniqueItems'"},
        {"{\"type\":\"string\",\"format\":\"iri\"}", ERR_UNSUPPORTED, "'iri'"},
        {"{\"type\":\"string\",\"pattern\":\"^(?=a)$\"}", ERR_UNSUPPORTED, "look-around"},
        {"{\"type\":\"string\",\"pattern\":\"^(a)\\\\1$\"}", ERR_UNSUPPORTED, "escape"},
        {"{\"type\":\"integer\",\"multipleOf\":3}", ERR_UNSUPPORTED, "'multipleOf'"},
        {"{\"type\":\"number\",\"minimum\":0.2,\"maximum\":0.8}", ERR_UNSUPPORTED,
         "whole number"},
        {"{\"$ref\":\"http://x/y\"}", ERR_UNSUPPORTED, "'$ref' outside"},
        {"{\"$ref\":\"#/$defs/x\"}", ERR_FORMAT, "leads nowhere"},
        {"{\"allOf\":[{\"minLength\":1},{\"minLength\":2}]}", ERR_UNSUPPORTED, "'minLength'"},
        {"{\"allOf\":[{\"type\":\"array\",\"uniqueItems\":true}]}", ERR_UNSUPPORTED,
         "'uniqueItems'"},
        {"{\"type\":\"string\",\"pattern\":\"^\\u0001$\"}", ERR_UNSUPPORTED, "control"},
        {"{\"enum\":[1],\"minimum\":0}", ERR_UNSUPPORTED, "'minimum' beside 'enum'"},
    };
    struct err e;
    for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
        struct buf out;
        buf_init(&out, 1 << 20);
        must_fail(schema_grammar(span_of(t[i].s), &out, &e), t[i].code, t[i].words);
        buf_release(&out);
    }
    /* A reference to itself is a circle that the grammar refuses. */
    struct buf out;
    struct grammar *g;
    buf_init(&out, 1 << 20);
    must(schema_grammar(span_of("{\"$ref\":\"#\"}"), &out, &e));
    must_fail(grammar_parse(&g, buf_span(&out), &e), ERR_FORMAT, "left-recursive");
    buf_release(&out);
}

/* ---- drawing at random --------------------------------------------------------------------- */

/* The few keywords that the walks below use, checked without a grammar. */
static bool satisfies(const json_t *s, const json_t *v, const json_t *root)
{
    const json_t *ref = json_object_get(s, "$ref"), *k;
    const char *name;
    json_t *p, *o;
    if (json_is_true(s)) return true;
    if (ref)
        return satisfies(json_object_get(json_object_get(root, "$defs"),
                                         strrchr(json_string_value(ref), '/') + 1),
                         v, root);
    if ((k = json_object_get(s, "anyOf"))) {
        for (size_t i = 0; i < json_array_size(k); i++)
            if (satisfies(json_array_get(k, i), v, root)) return true;
        return false;
    }
    if ((k = json_object_get(s, "enum"))) {
        for (size_t i = 0; i < json_array_size(k); i++)
            if (json_equal(json_array_get(k, i), v)) return true;
        return false;
    }
    const char *type = json_string_value(json_object_get(s, "type"));
    if (!type) return true;
    if (!strcmp(type, "integer")) {
        if (!json_is_integer(v)) return false;
        k = json_object_get(s, "minimum");
        if (k && json_integer_value(v) < json_integer_value(k)) return false;
        k = json_object_get(s, "maximum");
        return !k || json_integer_value(v) <= json_integer_value(k);
    }
    if (!strcmp(type, "number")) return json_is_number(v);
    if (!strcmp(type, "boolean")) return json_is_boolean(v);
    if (!strcmp(type, "null")) return json_is_null(v);
    if (!strcmp(type, "string")) {
        size_t n = 0;
        if (!json_is_string(v)) return false;
        for (const char *c = json_string_value(v); *c; c++) n += (*c & 0xC0) != 0x80;
        k = json_object_get(s, "minLength");
        if (k && n < (size_t)json_integer_value(k) &&
            strlen(json_string_value(v)) == json_string_length(v))
            return false;
        k = json_object_get(s, "maxLength");
        return !k || n <= (size_t)json_integer_value(k) ||
               strlen(json_string_value(v)) < json_string_length(v);
    }
    if (!strcmp(type, "array")) {
        if (!json_is_array(v)) return false;
        k = json_object_get(s, "maxItems");
        if (k && (json_int_t)json_array_size(v) > json_integer_value(k)) return false;
        k = json_object_get(s, "minItems");
        if (k && (json_int_t)json_array_size(v) < json_integer_value(k)) return false;
        for (size_t i = 0; i < json_array_size(v); i++)
            if (!satisfies(json_object_get(s, "items"), json_array_get(v, i), root))
                return false;
        return true;
    }
    if (!json_is_object(v)) return false;
    k = json_object_get(s, "required");
    for (size_t i = 0; i < json_array_size(k); i++)
        if (!json_object_get(v, json_string_value(json_array_get(k, i)))) return false;
    o = (json_t *)(uintptr_t)v;
    json_object_foreach(o, name, p)
    {
        const json_t *sub = json_object_get(json_object_get(s, "properties"), name);
        if (!sub) sub = json_object_get(s, "additionalProperties");
        if (sub && !satisfies(sub, p, root)) return false;
    }
    return true;
}

/* Processor time: other programs on the machine do not count. */
static int64_t cpu_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* A random token, now and then by place in the vocabulary, else by a few first letters: the walk
 * must end, so characters that close are liked more and more. */
static tok_id draw(const uint32_t *mask, struct rng *rng, int step)
{
    static const char *const closing[] = {"\"", "}", "]", "0", ",", ":", "1"};
    size_t n = vocab_size(vocab), seen = 0;
    tok_id id = TOK_NONE;
    if ((int)rng_below(rng, 60) < step)
        for (size_t i = 0; i < sizeof closing / sizeof *closing; i++) {
            for (tok_id t = 0; i == 0 && t < (tok_id)n; t++)
                if (vocab_is_stop(vocab, t) && mask_has(mask, t)) return t;
            tok_id t = vocab_find(vocab, span_of(closing[i]));
            if (mask_has(mask, t)) return t;
        }
    for (size_t w = 0; w < (n + 31) / 32; w++)
        for (uint32_t b = mask[w]; b; b &= b - 1)
            if (rng_below(rng, ++seen) == 0) id = (tok_id)(w * 32 + (size_t)__builtin_ctz(b));
    return id;
}

static const char person[] =
    "{\"type\":\"object\",\"properties\":{\"name\":{\"type\":\"string\"},\"age\":{\"type\":"
    "\"integer\",\"minimum\":0,\"maximum\":130},"
    "\"tags\":{\"type\":\"array\",\"items\":{\"enum\":[\"red\",\"green\",\"blue\"]},"
    "\"maxItems\":4},\"note\":{\"type\":\"string\"},"
    "\"home\":{\"$ref\":\"#/$defs/"
    "place\"}},\"required\":[\"name\",\"age\",\"home\"],\"$defs\":{\"place\":{\"type\":"
    "\"object\","
    "\"properties\":{\"street\":{\"type\":\"string\"},\"near\":{\"anyOf\":[{\"$ref\":\"#/$defs/"
    "place\"},{\"type\":\"null\"}]}},\"required\":[\"street\",\"near\"]}}}";

static void random_answers(void **state)
{
    (void)state;
    static const char *const schema[] = {
        NULL,
        person,
        "{\"type\":\"array\",\"items\":{\"type\":\"number\"},\"minItems\":3,\"maxItems\":60}",
        "{\"type\":\"object\",\"properties\":{\"s\":{\"type\":\"string\",\"maxLength\":90}},"
        "\"required\":[\"s\"],\"additionalProperties\":{\"type\":\"boolean\"}}",
        "{\"type\":\"array\",\"minItems\":2,\"maxItems\":40,\"items\":{\"type\":\"string\","
        "\"minLength\":20,\"maxLength\":400}}",
        "{\"type\":\"array\",\"minItems\":9,\"items\":{\"type\":\"string\","
        "\"pattern\":\"^[A-Z]{2,5}-[a-z ]{3,60}[0-9]{4}$\"}}"};
    struct err e;
    struct constraints *all;
    must(constraints_create(&all, vocab, vocab_size(vocab), &e));
    for (size_t k = 0; k < sizeof schema / sizeof *schema; k++) {
        json_t *s = schema[k] ? json_parse(span_of(schema[k]), "schema", &e)
                              : json_pack("{s:s}", "type", "object");
        int64_t spent = 0, tokens = 0, worst = 0, first = cpu_ns();
        for (int round = 0; round < 12; round++) {
            struct rng rng = rng_init(99, k * 100 + (size_t)round);
            struct constrained c;
            struct think t;
            struct buf text;
            int step = 0;
            buf_init(&text, 1 << 20);
            must(constraint_get(all, schema[k] ? GEN_JSON_SCHEMA : GEN_JSON, span_of(schema[k]),
                                &c, &e));
            if (round == 0) first = cpu_ns() - first;
            think_init(&t, vocab, false);
            think_close(&t);
            for (; step < 2000; step++) {
                const uint32_t *mask;
                int64_t t0 = cpu_ns();
                must(constraint_mask(&c, &t, &mask, &e));
                int64_t dt = cpu_ns() - t0;
                tok_id id = draw(mask, &rng, step);
                assert_int_not_equal(id, TOK_NONE);
                if (vocab_is_stop(vocab, id)) break;
                t0 = cpu_ns();
                must(constraint_push(&c, vocab, id, THINK_ANSWER, &t, (struct span){0}, &e));
                dt += cpu_ns() - t0;
                spent += dt;
                if (dt > worst) worst = dt;
                tokens++;
                buf_add_span(&text, vocab_bytes(vocab, id));
            }
            if (step == 2000)
                fail_msg("schema %zu, round %d: no end: %.200s", k, round, buf_str(&text));
            json_error_t je;
            json_t *v = json_loadb(text.data, text.len, JSON_DECODE_ANY | JSON_ALLOW_NUL, &je);
            if (!v)
                fail_msg("schema %zu, round %d: %s in %s", k, round, je.text, buf_str(&text));
            if (!satisfies(s, v, s))
                fail_msg("schema %zu, round %d: %s", k, round, buf_str(&text));
            json_decref(v);
            constraint_put(all, &c);
            buf_release(&text);
        }
        printf("schema %zu: %zu ids, compiled in %.2f ms, %lld tokens, %.1f us a token, worst "
               "%.2f ms\n",
               k, vocab_size(vocab), (double)first * 1e-6, (long long)tokens,
               (double)spent * 1e-3 / (double)tokens, (double)worst * 1e-6);
        json_decref(s);
    }
    constraints_free(all);
}

/* Every allocation may fail: an error and nothing left behind. */
static void out_of_memory(void **state)
{
    (void)state;
    struct err e;
    int64_t before = mem_live_blocks();
    for (int64_t n = 1;; n++) {
        struct constraints *all = NULL;
        struct constrained c = {0};
        mem_fail_at(n);
        int rc = constraints_create(&all, vocab, 1000, &e);
        if (rc == 0) rc = constraint_get(all, GEN_JSON_SCHEMA, span_of(person), &c, &e);
        bool fired = mem_fail_fired();
        mem_fail_at(0);
        if (rc == 0) constraint_put(all, &c);
        constraints_free(all);
        assert_int_equal(mem_live_blocks(), before);
        if (!fired) {
            assert_int_equal(rc, 0);
            break;
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(values), cmocka_unit_test(refused),
                                       cmocka_unit_test(random_answers),
                                       cmocka_unit_test(out_of_memory)};
    return cmocka_run_group_tests(tests, setup, teardown);
}
