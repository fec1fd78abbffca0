/* Chat templates: the golden prompts, the worked examples of the model cards, marks and ids,
 * what is recognised, and errors. */
#include "../test.h"

#include "../naive_bpe.h"
#include "base/json.h"
#include "base/mem.h"
#include "text/chat.h"
#include "text/marks.h"

enum { MAX_MSG = 16, MAX_CALL = 4 };

struct talk {
    struct chat_msg msg[MAX_MSG];
    struct chat_call call[MAX_MSG][MAX_CALL];
    size_t n;
    struct span tool[4];
    char *tool_text[4];
    struct chat_opts o;
};

static struct span str_of(const json_t *o, const char *key)
{
    const json_t *v = json_object_get(o, key);
    if (!json_is_string(v)) return (struct span){NULL, 0};
    return (struct span){json_string_value(v), json_string_length(v)};
}

static void read_talk(const json_t *c, struct talk *t)
{
    static const char *const roles[] = {"system", "developer", "user", "assistant", "tool"};
    *t = (struct talk){0};
    const json_t *m, *k, *tools = json_object_get(c, "tools");
    size_t i, j;
    json_array_foreach(json_object_get(c, "messages"), i, m)
    {
        struct chat_msg *x = &t->msg[t->n++];
        for (size_t r = 0; r < countof(roles); r++)
            if (span_is(str_of(m, "role"), roles[r])) x->role = (enum chat_role)r;
        x->content = str_of(m, "content");
        x->reasoning = str_of(m, "reasoning_content");
        x->tool_call_id = str_of(m, "tool_call_id");
        x->call = t->call[i];
        json_array_foreach(json_object_get(m, "tool_calls"), j, k)
        {
            const json_t *f = json_object_get(k, "function");
            t->call[i][x->n_call++] =
                (struct chat_call){str_of(k, "id"), str_of(f, "name"), str_of(f, "arguments")};
        }
    }
    json_array_foreach(tools, i, m)
    {
        t->tool_text[i] = json_dumps(m, JSON_COMPACT); /* respaced by the template */
        t->tool[t->o.n_tool++] = span_of(t->tool_text[i]);
    }
    t->o.tool = t->tool;
    struct span th = str_of(c, "thinking");
    t->o.thinking = span_is(th, "on")    ? CHAT_THINK_ON
                    : span_is(th, "off") ? CHAT_THINK_OFF
                                         : CHAT_THINK_DEFAULT;
    t->o.add_generation_prompt = json_is_true(json_object_get(c, "add_generation_prompt"));
    t->o.date = str_of(c, "date");
}

static void test_golden(void **state)
{
    (void)state;
    struct err e = {0};
    json_t *all = json_parse_file("tests/golden/chat/cases.json", 1 << 24, &e);
    if (!all) fail_msg("%s", e.msg);
    size_t i, bad = 0;
    json_t *c;
    json_array_foreach(all, i, c)
    {
        struct talk t;
        struct buf got;
        enum chat_template tpl;
        bool inside;
        read_talk(c, &t);
        buf_init(&got, 1 << 20);
        must(chat_template_parse(str_of(c, "template"), &tpl, &e));
        must(chat_render_text(tpl, t.msg, t.n, &t.o, &got, &inside, &e));
        struct span want = str_of(c, "expected");
        if (!span_eq(buf_span(&got), want)) {
            print_message("%s, %s, thinking %s:\n--- got\n%s\n--- want\n%s\n---\n",
                          json_string_value(json_object_get(c, "template")),
                          json_string_value(json_object_get(c, "name")),
                          json_string_value(json_object_get(c, "thinking")), buf_str(&got),
                          want.p);
            bad++;
        }
        /* An open <think> at the end is what starts_inside says. */
        size_t tail = want.n;
        while (tail && want.p[tail - 1] == '\n') tail--;
        bool open = tail >= 7 && memcmp(want.p + tail - 7, "<think>", 7) == 0;
        assert_int_equal(inside, open);
        buf_release(&got);
        for (size_t k = 0; k < t.o.n_tool; k++) free(t.tool_text[k]);
    }
    print_message("%zu golden prompts\n", json_array_size(all));
    assert_true(json_array_size(all) > 200);
    assert_int_equal(bad, 0);
    json_decref(all);
}

/* ---- by hand ----------------------------------------------------------------------------- */

#define U(s)                                               \
    {                                                      \
        .role = CHAT_USER, .content = { s, sizeof(s) - 1 } \
    }
#define S(s)                                                 \
    {                                                        \
        .role = CHAT_SYSTEM, .content = { s, sizeof(s) - 1 } \
    }
#define A(s)                                                    \
    {                                                           \
        .role = CHAT_ASSISTANT, .content = { s, sizeof(s) - 1 } \
    }
#define T(s)                                               \
    {                                                      \
        .role = CHAT_TOOL, .content = { s, sizeof(s) - 1 } \
    }
#define BOS MARK_BOS
#define EOS MARK_EOS
#define USR MARK_USER
#define AST MARK_ASSISTANT

static bool expect(enum chat_template tpl, const struct chat_msg *m, size_t n,
                   const struct chat_opts *o, const char *want)
{
    struct err e = {0};
    struct buf b;
    bool inside;
    buf_init(&b, 1 << 20);
    must(chat_render_text(tpl, m, n, o, &b, &inside, &e));
    assert_string_equal(buf_str(&b), want);
    buf_release(&b);
    return inside;
}

static void test_model_cards(void **state)
{
    (void)state;
    const struct chat_msg m[] = {S("You are a helpful assistant"), U("Who are you?"),
                                 A("<think>Hmm</think>I am DeepSeek"), U("1+1=?")};
    struct chat_opts on = {.thinking = CHAT_THINK_ON, .add_generation_prompt = true};
    struct chat_opts off = {.thinking = CHAT_THINK_OFF, .add_generation_prompt = true};
    struct chat_opts gen = {.add_generation_prompt = true};
#define CARD BOS "You are a helpful assistant" USR "Who are you?" AST
    assert_true(expect(CHAT_DEEPSEEK_V31, m, 4, &on,
                       CARD "</think>I am DeepSeek" EOS USR "1+1=?" AST "<think>"));
    assert_false(expect(CHAT_DEEPSEEK_V31, m, 4, &off,
                        CARD "</think>I am DeepSeek" EOS USR "1+1=?" AST "</think>"));
    assert_true(expect(CHAT_TARN, m, 4, &gen,
                       CARD "</think>I am DeepSeek" EOS USR "1+1=?" AST "<think>"));
    assert_true(expect(CHAT_DEEPSEEK_V32, m, 4, &on,
                       CARD "</think>I am DeepSeek" EOS USR "1+1=?" AST "<think>"));
    assert_true(expect(CHAT_DEEPSEEK_V4, m, 4, &on,
                       CARD "</think>I am DeepSeek" EOS USR "1+1=?" AST "<think>"));
    assert_true(expect(CHAT_DEEPSEEK_R1, m, 4, &gen,
                       CARD "I am DeepSeek" EOS USR "1+1=?" AST "<think>\n"));
    assert_false(
        expect(CHAT_DEEPSEEK_R1_0528, m, 4, &gen, CARD "I am DeepSeek" EOS USR "1+1=?" AST));
    assert_false(
        expect(CHAT_DEEPSEEK_V3, m, 4, &gen, CARD "I am DeepSeek" EOS USR "1+1=?" AST));
    assert_false(expect(CHAT_DEEPSEEK_R1_0528, m + 3, 1, &off,
                        BOS USR "1+1=?" AST "<think>\n\n</think>\n\n"));
    const struct chat_msg v2[] = {S("Sys"), U("q"), A("a"), U("r")};
    expect(CHAT_DEEPSEEK_V2, v2, 4, &gen,
           BOS "Sys\n\nUser: q\n\nAssistant: a" EOS "User: r\n\nAssistant:");
    expect(CHAT_DEEPSEEK_V2, v2 + 1, 1, &gen, BOS "User: q\n\nAssistant:");
    expect(CHAT_DEEPSEEK_V25, v2, 4, &gen, BOS "Sys" USR "q" AST "a" EOS USR "r" AST);
    expect(CHAT_LLAMA2, v2, 4, &gen,
           "<s>[INST] <<SYS>>\nSys\n<</SYS>>\n\nq [/INST] a </s><s>[INST] r [/INST]");
    expect(CHAT_LLAMA3, v2, 2, &gen,
           "<|begin_of_text|><|start_header_id|>system<|end_header_id|>\n\nSys<|eot_id|>"
           "<|start_header_id|>user<|end_header_id|>\n\nq<|eot_id|>"
           "<|start_header_id|>assistant<|end_header_id|>\n\n");
    expect(CHAT_CHATML, v2 + 1, 1, &gen,
           "<|im_start|>user\nq<|im_end|>\n<|im_start|>assistant\n");
    expect(CHAT_RAW, v2, 2, &gen, "Sysq");
    expect(CHAT_RAW, NULL, 0, &gen, "");
}

static void test_r1_zero(void **state)
{
    (void)state;
    struct chat_opts gen = {.add_generation_prompt = true};
    const struct chat_msg m[] = {U("What is 2+2?")};
    expect(
        CHAT_R1_ZERO, m, 1, &gen,
        BOS
        "A conversation between User and Assistant. The user asks a question, and the "
        "Assistant solves it. The assistant first thinks about the reasoning process in the "
        "mind and then provides the user with the answer. The reasoning process and answer "
        "are enclosed within <think> </think> and <answer> </answer> tags, respectively, "
        "i.e., <think> reasoning process here </think> <answer> answer here </answer>. User: "
        "What is 2+2?. Assistant:");
}

static void test_prefix(void **state)
{
    (void)state;
    struct chat_opts on = {.thinking = CHAT_THINK_ON, .add_generation_prompt = true};
    struct chat_opts off = {.thinking = CHAT_THINK_OFF, .add_generation_prompt = true};
    struct chat_msg m[] = {U("q"), A("I w")};
    m[1].prefix = true;
    assert_true(expect(CHAT_DEEPSEEK_V31, m, 2, &on, BOS USR "q" AST "<think>I w"));
    assert_false(expect(CHAT_DEEPSEEK_V31, m, 2, &off, BOS USR "q" AST "</think>I w"));
    assert_true(expect(CHAT_DEEPSEEK_V32, m, 2, &on, BOS USR "q" AST "<think>I w"));
    assert_false(expect(CHAT_DEEPSEEK_V3, m, 2, &off, BOS USR "q" AST "I w"));
    assert_false(expect(CHAT_QWEN3, m, 2, &on,
                        "<|im_start|>user\nq<|im_end|>\n<|im_start|>assistant\nI w"));
    m[1].reasoning = span_of("hm");
    assert_false(expect(CHAT_DEEPSEEK_V31, m, 2, &on, BOS USR "q" AST "<think>hm</think>I w"));
    assert_false(
        expect(CHAT_DEEPSEEK_R1, m, 2, &on, BOS USR "q" AST "<think>\nhm\n</think>\n\nI w"));
    m[1].content = (struct span){NULL, 0};
    assert_true(expect(CHAT_DEEPSEEK_R1, m, 2, &on, BOS USR "q" AST "<think>\nhm"));
    assert_true(expect(CHAT_DEEPSEEK_V4, m, 2, &on, BOS USR "q" AST "<think>hm"));
    struct err e = {0};
    struct buf b;
    buf_init(&b, 1000);
    m[0].prefix = true;
    must_fail(chat_render_text(CHAT_QWEN3, m, 2, &on, &b, NULL, &e), ERR_USAGE, "message 1");
    buf_release(&b);
}

/* Two rounds of calls, results in the wrong order, and a call whose arguments are broken. */
static void test_tool_rounds(void **state)
{
    (void)state;
    const struct chat_call first[] = {{span_of("x"), span_of("f"), span_of("{\"a\": 1}")},
                                      {span_of("y"), span_of("g"), span_of("{}")}};
    const struct chat_call second[] = {{span_of("z"), span_of("h"), span_of("{\"a\": ")}};
    struct chat_msg m[] = {U("q"), A("Look."), T("r-y"),   T("r-x"),
                           A(""),  T("r-z"),   A("Done."), U("w")};
    m[1].call = first;
    m[1].n_call = 2;
    m[1].reasoning = span_of("R1");
    m[2].tool_call_id = span_of("y");
    m[3].tool_call_id = span_of("x");
    m[4].call = second;
    m[4].n_call = 1;
    m[5].tool_call_id = span_of("z");
    struct chat_opts gen = {.add_generation_prompt = true, .thinking = CHAT_THINK_ON};
    expect(CHAT_DEEPSEEK_R1, m, 6, &gen,
           BOS USR
           "q" AST "Look." MARK_CALLS MARK_CALL "function" MARK_TOOL_SEP
           "f\n```json\n{\"a\": 1}\n```" MARK_CALL_END "\n" MARK_CALL "function" MARK_TOOL_SEP
           "g\n```json\n{}\n```" MARK_CALL_END MARK_CALLS_END EOS MARK_OUTPUTS MARK_OUTPUT
           "r-x" MARK_OUTPUT_END "\n" MARK_OUTPUT
           "r-y" MARK_OUTPUT_END MARK_OUTPUTS_END MARK_CALLS MARK_CALL "function" MARK_TOOL_SEP
           "h\n```json\n{\"a\": \n```" MARK_CALL_END MARK_CALLS_END EOS MARK_OUTPUTS MARK_OUTPUT
           "r-z" MARK_OUTPUT_END MARK_OUTPUTS_END);
#define D  "<" MARK_DSML
#define DE "</" MARK_DSML
#define DSML_CALLS(block)                                                        \
    "Look.\n\n" D block ">\n" D "invoke name=\"f\">\n" D                         \
    "parameter name=\"a\" string=\"false\">1" DE "parameter>\n" DE "invoke>\n" D \
    "invoke name=\"g\">\n" DE "invoke>\n" DE block ">" EOS
    expect(CHAT_DEEPSEEK_V32, m, 6, &gen,
           BOS USR "q" AST "<think>R1</think>" DSML_CALLS(
               "function_calls") "\n\n<function_results>\n<result>r-x</result>\n<result>r-y</"
                                 "result>\n"
                                 "</function_results>\n\n<think></think>\n\n" D
                                 "function_calls>\n" D "invoke name=\"h\">\n" D
                                 "parameter name=\"arguments\" string=\"true\">{\"a\": " DE
                                 "parameter>\n" DE "invoke>\n" DE "function_calls>" EOS
                                 "\n\n<function_results>\n<result>r-z</result>\n</"
                                 "function_results>\n\n<think>");
    expect(CHAT_DEEPSEEK_V4, m, 4, &gen,
           BOS USR "q" AST "</think>" DSML_CALLS("tool_calls") USR
           "<tool_result>r-x</tool_result>\n\n<tool_result>r-y</tool_result>" AST "<think>");
    struct span tool = span_of("{\"name\":\"f\",\"parameters\":{}}");
    gen.tool = &tool;
    gen.n_tool = 1;
    struct err e = {0};
    struct buf b;
    buf_init(&b, 1 << 20);
    must(chat_render_text(CHAT_DEEPSEEK_V4, m, 8, &gen, &b, NULL, &e));
    assert_non_null(
        strstr(buf_str(&b), "<think>R1</think>Look.")); /* kept: tools are in play */
    assert_non_null(strstr(buf_str(&b), "### Available Tool Schemas\n\n{\"name\": \"f\", "));
    buf_clear(&b);
    must(chat_render_text(CHAT_DEEPSEEK_V31, m, 1, &gen, &b, NULL, &e));
    assert_non_null(strstr(buf_str(&b),
                           BOS "## Tools\nYou have access to the following tools:\n\n"
                               "### f\nDescription: \n\nParameters: {}\n\nIMPORTANT:"));
    buf_release(&b);
}

static void test_errors(void **state)
{
    (void)state;
    struct err e = {0};
    struct buf b;
    const struct chat_msg m[] = {U("q")};
    const struct span bad[] = {span_of("{"), span_of("[]"), span_of("{\"name\": 3}"),
                               span_of("{\"function\": {}}"), span_of("{} x")};
    buf_init(&b, 1000);
    for (size_t i = 0; i < countof(bad); i++) {
        struct chat_opts o = {.tool = &bad[i], .n_tool = 1};
        must_fail(chat_render_text(CHAT_QWEN3, m, 1, &o, &b, NULL, &e), ERR_FORMAT, "tool 1");
    }
    struct span tool = span_of("{\"name\": \"f\"}");
    struct chat_opts o = {.tool = &tool, .n_tool = 1};
    must_fail(chat_render_text(CHAT_LLAMA2, m, 1, &o, &b, NULL, &e), ERR_UNSUPPORTED, "llama2");
    o = (struct chat_opts){.response_schema = span_of("{")};
    must_fail(chat_render_text(CHAT_DEEPSEEK_V32, m, 1, &o, &b, NULL, &e), ERR_FORMAT,
              "schema");
    enum chat_template t;
    must_fail(chat_template_parse(span_of("gpt-9"), &t, &e), ERR_USAGE, "gpt-9");
    assert_non_null(strstr(e.hint, "deepseek-r1"));
    for (int i = 0; i <= CHAT_LLAMA31; i++) {
        must(chat_template_parse(span_of(chat_template_name((enum chat_template)i)), &t, &e));
        assert_int_equal(t, i);
    }
    buf_release(&b);
}

/* ---- ids --------------------------------------------------------------------------------- */

static void test_ids(void **state)
{
    (void)state;
    const char *const *marks;
    size_t n_mark = chat_tarn_marks(&marks);
    struct naive_model *nm =
        naive_train(span_of("the the the"), PRETOK_TARN, marks, (int)n_mark, 20, 2, 16);
    struct vocab *v = naive_vocab(nm, PRETOK_TARN);
    struct err e = {0};
    struct tok_list ids = {0};
    struct buf text;
    buf_init(&text, 1 << 16);
    const struct chat_msg m[] = {S("the"), U("a" USR "<think>\nb"), A("</think>c" EOS), U("d")};
    struct chat_opts gen = {.add_generation_prompt = true};
    bool inside;
    must(chat_render_ids(v, CHAT_TARN, m, 4, &gen, &ids, &inside, &e));
    assert_true(inside);
    size_t seen[64] = {0};
    for (size_t i = 0; i < ids.n; i++)
        if ((size_t)ids.id[i] < n_mark) seen[ids.id[i]]++;
    assert_int_equal(ids.id[0], vocab_find(v, span_of(BOS)));
    assert_int_equal(seen[vocab_find(v, span_of(BOS))], 1);
    assert_int_equal(seen[vocab_find(v, span_of(USR))], 2); /* not the one a user wrote */
    assert_int_equal(seen[vocab_find(v, span_of(AST))], 2);
    assert_int_equal(seen[vocab_find(v, span_of(EOS))], 1);
    assert_int_equal(seen[vocab_find(v, span_of("<think>"))], 1);
    assert_int_equal(ids.id[ids.n - 1], vocab_find(v, span_of("<think>")));
    vocab_decode(v, ids.id, ids.n, true, &text);
    expect(CHAT_TARN, m, 4, &gen, buf_str(&text));
    /* What the template needs and the vocabulary lacks is an error, not a guess. */
    must_fail(chat_render_ids(v, CHAT_QWEN3, m, 1, &gen, &ids, NULL, &e), ERR_UNSUPPORTED,
              "<|im_start|>");
    ids.n = 0;
    must(chat_render_ids(v, CHAT_RAW, m, 1, &gen, &ids, NULL, &e));
    assert_int_equal(ids.n, 1);
    tok_list_release(&ids);
    buf_release(&text);
    vocab_free(v);
    naive_free(nm);
}

static void test_memory_runs_out(void **state)
{
    (void)state;
    const struct chat_call call = {span_of("x"), span_of("f"), span_of("{\"a\": \"b\\n\"}")};
    struct chat_msg m[] = {S("s"), U("q"), A("Look."), T("r"), A("Done."), U("w")};
    m[2].call = &call;
    m[2].n_call = 1;
    struct span tool = span_of("{\"name\": \"f\", \"description\": \"d\", \"parameters\": {}}");
    int64_t live = mem_live_blocks();
    for (int t = 0; t <= CHAT_LLAMA31; t++) {
        bool tools = chat_template_tools((enum chat_template)t) != TOOLS_NONE;
        struct chat_opts o = {.add_generation_prompt = true, .tool = &tool, .n_tool = tools};
        for (int64_t n = 1;; n++) {
            struct err e = {0};
            struct chat_prompt p;
            mem_fail_at(n);
            int rc = chat_render(&p, (enum chat_template)t, m, countof(m), &o, &e);
            bool fired = mem_fail_fired();
            mem_fail_at(0);
            chat_prompt_release(&p);
            assert_int_equal(mem_live_blocks(), live);
            if (rc) assert_true(e.code == ERR_MEMORY || e.code == ERR_LIMIT);
            if (!fired) {
                assert_int_equal(rc, 0);
                break;
            }
            assert_int_equal(rc, -1);
        }
    }
}

/* ---- recognising ------------------------------------------------------------------------- */

static void test_recognise(void **state)
{
    (void)state;
    static const struct {
        const char *file;
        enum chat_template want;
    } files[] = {
        {"Qwen-QwQ-32B", CHAT_QWQ},
        {"Qwen-Qwen2.5-7B-Instruct", CHAT_QWEN25},
        {"Qwen-Qwen3-0.6B", CHAT_QWEN3},
        {"deepseek-ai-DeepSeek-R1-Distill-Llama-8B", CHAT_DEEPSEEK_R1},
        {"deepseek-ai-DeepSeek-R1-Distill-Qwen-32B", CHAT_DEEPSEEK_R1},
        {"deepseek-ai-DeepSeek-V3.1", CHAT_DEEPSEEK_V31},
        {"deepseek-ai-DeepSeek-V3.2", CHAT_DEEPSEEK_V32},
        {"llama-cpp-deepseek-r1", CHAT_DEEPSEEK_R1},
        {"meta-llama-Llama-3.2-3B-Instruct", CHAT_LLAMA31},
    };
    for (size_t i = 0; i < countof(files); i++) {
        char rel[200];
        snprintf(rel, sizeof rel, "chat-templates/%s.jinja", files[i].file);
        need_data(path, rel);
        struct err e = {0};
        struct buf b;
        enum chat_template t;
        buf_init(&b, 1 << 16);
        must(file_read(path, &b, &e));
        must(chat_template_recognise(buf_span(&b), &t, &e));
        print_message("%s: %s\n", files[i].file, chat_template_name(t));
        assert_int_equal(t, files[i].want);
        buf_release(&b);
    }
}

static void test_recognise_others(void **state)
{
    (void)state;
    struct err e = {0};
    enum chat_template t;
    must_fail(chat_template_recognise(span_of("{{ messages }}"), &t, &e), ERR_UNSUPPORTED,
              "not one of those");
    assert_non_null(strstr(e.hint, "--template"));
    must_fail(chat_template_recognise(span_of("[INST]{{m}}[/INST]"), &t, &e), ERR_UNSUPPORTED,
              "");
    must(chat_template_recognise(span_of("'<|im_start|>' + role"), &t, &e));
    assert_int_equal(t, CHAT_CHATML);
    must(chat_template_recognise(span_of("[INST] <<SYS>>"), &t, &e));
    assert_int_equal(t, CHAT_LLAMA2);
    must(
        chat_template_recognise(span_of("'User: ' + m 'Assistant: ' + a + eos_token"), &t, &e));
    assert_int_equal(t, CHAT_DEEPSEEK_V2);
    must(chat_template_recognise(span_of("{{'" USR "' + q}}{{'" AST "' + a}}"), &t, &e));
    assert_int_equal(t, CHAT_DEEPSEEK_V3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_golden),
        cmocka_unit_test(test_model_cards),
        cmocka_unit_test(test_r1_zero),
        cmocka_unit_test(test_prefix),
        cmocka_unit_test(test_tool_rounds),
        cmocka_unit_test(test_errors),
        cmocka_unit_test(test_ids),
        cmocka_unit_test(test_recognise),
        cmocka_unit_test(test_recognise_others),
        cmocka_unit_test(test_memory_runs_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
