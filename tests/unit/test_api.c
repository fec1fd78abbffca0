/* The public library: options of any size, ownership, errors as sentences, several answers at
 * once, cancelling, and the same answer whatever else runs. */
#include "../test.h"

#include <unistd.h>

#include "base/thread.h"
#include "model/config.h"
#include "model/layout.h"
#include "model/synth.h"
#include "tarn.h"

struct heard {
    int n_token, n_done, n_progress, stop_after;
    int64_t first_prompt;
    char text[4096];
    size_t n_text;
    int32_t id[256];
    float logprob[256];
};

static int hear(void *ctx, const struct tarn_event *ev)
{
    struct heard *h = ctx;
    assert_int_equal(ev->size, sizeof *ev);
    if (ev->type == TARN_EVENT_PROGRESS) h->n_progress++;
    if (ev->type == TARN_EVENT_DONE) h->n_done++;
    if (ev->type != TARN_EVENT_TOKEN) return 0;
    if (h->n_text + ev->text_bytes < sizeof h->text) {
        memcpy(h->text + h->n_text, ev->text, ev->text_bytes);
        h->n_text += ev->text_bytes;
    }
    if (ev->token >= 0 && h->n_token < (int)countof(h->id)) {
        h->id[h->n_token] = ev->token;
        h->logprob[h->n_token++] = ev->logprob;
    }
    return h->stop_after && h->n_token >= h->stop_after;
}

static char model_path[64];
static struct tarn_model *model;

#define done(call)                                              \
    do {                                                        \
        if ((call) != 0) fail_msg("%s: %s", #call, te.message); \
    } while (0)
#define refused(call, want, text)                                       \
    do {                                                                \
        memset(&te, 0, sizeof te);                                      \
        assert_int_equal((call), -1);                                   \
        if (te.code != (want) || !strstr(te.message, (text)))           \
            fail_msg("%s: code %d \"%s\"", #call, te.code, te.message); \
    } while (0)

static int setup(void **state)
{
    (void)state;
    struct model_config c;
    struct type_mix mix;
    struct synth_options so = {.seed = 9};
    struct pool *pool;
    struct tarn_model_options o;
    struct tarn_error te;
    struct err e;
    snprintf(model_path, sizeof model_path, "/tmp/test_api_%d.gguf", (int)getpid());
    assert_true(config_shape("v3-tiny", &c));
    assert_true(type_mix_parse("f32", &mix));
    must(pool_create(&pool, 1, &e));
    must(synth_write(model_path, &c, &mix, &so, pool, &e));
    pool_free(pool);
    tarn_model_options_init(&o, sizeof o);
    o.threads = 2;
    o.parallel = 4;
    o.context = 512;
    done(tarn_open(&model, model_path, &o, &te));
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    tarn_close(model);
    unlink(model_path);
    return 0;
}

static void test_open_errors(void **state)
{
    (void)state;
    struct tarn_error te;
    struct tarn_model *m = model;
    struct tarn_model_options o;
    refused(tarn_open(&m, "/tmp/no-such-model.gguf", NULL, &te), TARN_NOT_FOUND,
            "no-such-model");
    assert_null(m);
    refused(tarn_open(&m, NULL, NULL, &te), TARN_USAGE, "no path");
    tarn_model_options_init(&o, sizeof o);
    o.parallel = 0;
    refused(tarn_open(&m, model_path, &o, &te), TARN_USAGE, "parallel is 0");
    tarn_model_options_init(&o, sizeof o);
    o.cache_type = "q9";
    refused(tarn_open(&m, model_path, &o, &te), TARN_USAGE, "cache_type is \"q9\"");
    tarn_model_options_init(&o, sizeof o);
    o.chat_template = "nonsense";
    refused(tarn_open(&m, model_path, &o, &te), TARN_USAGE, "nonsense");
    assert_true(te.hint[0] != 0);
    assert_int_equal(tarn_open(&m, "/tmp/no-such-model.gguf", NULL, NULL), -1);
    assert_string_equal(tarn_code_name(TARN_FORMAT), "malformed data");
    assert_string_equal(tarn_code_name(-5), "unknown");
}

/* A caller of an older release has a shorter struct: what it does not have keeps its default. */
static void test_sizes(void **state)
{
    (void)state;
    struct tarn_generate_options full, part;
    struct tarn_model_info info;
    memset(&part, 0xee, sizeof part);
    tarn_generate_options_init(&full, sizeof full);
    size_t old = offsetof(struct tarn_generate_options, top_p);
    tarn_generate_options_init(&part, old);
    assert_int_equal(part.size, old);
    assert_int_equal(part.max_tokens, -1);
    assert_int_equal(((unsigned char *)&part)[old], 0xee);
    assert_float_equal(full.top_p, 1, 0);
    tarn_model_get_info(model, &info, sizeof info);
    assert_int_equal(info.size, sizeof info);
    assert_int_equal(info.context, 512);
    assert_true(info.n_vocab > 0 && info.weight_bytes > 0 && info.cache_bytes > 0);
    assert_non_null(info.chat_template);
    assert_int_equal(tarn_api_version(), TARN_API_VERSION);
    assert_string_equal(tarn_version(), TARN_VERSION);
}

static void test_text(void **state)
{
    (void)state;
    static const char text[] = "A tarn is a lake.\n\xc3\xa4\xff <think> \0 end";
    struct tarn_error te;
    int32_t *ids;
    size_t n, bytes;
    char *back;
    done(tarn_tokenize(model, text, sizeof text - 1, 0, &ids, &n, &te));
    done(tarn_detokenize(model, ids, n, TARN_SPECIAL, &back, &bytes, &te));
    assert_int_equal(bytes, sizeof text - 1);
    assert_memory_equal(back, text, bytes);
    assert_int_equal(back[bytes], 0);
    tarn_free(back);
    tarn_free(ids);
    done(tarn_tokenize(model, "", 0, 0, &ids, &n, &te));
    assert_int_equal(n, 0);
    assert_non_null(ids);
    done(tarn_detokenize(model, ids, 0, 0, &back, &bytes, &te));
    assert_string_equal(back, "");
    tarn_free(back);
    tarn_free(ids);
    const int32_t wrong[] = {1, 1 << 24};
    refused(tarn_detokenize(model, wrong, 2, 0, &back, &bytes, &te), TARN_USAGE, "at 1");
    const struct tarn_message m = {.role = "narrator", .content = "x"};
    refused(tarn_render(model, &m, 1, NULL, &ids, &n, NULL, &te), TARN_USAGE, "narrator");
    assert_null(ids);
    refused(tarn_render(model, &m, 0, NULL, &ids, &n, NULL, &te), TARN_USAGE, "0 messages");
}

static void ask(const char *question, int max, int stop_after, struct heard *h,
                struct tarn_generation **g)
{
    struct tarn_error te;
    struct tarn_generate_options o;
    const struct tarn_message m = {.role = "user", .content = question};
    int32_t *ids;
    size_t n;
    *h = (struct heard){.stop_after = stop_after};
    tarn_generate_options_init(&o, sizeof o);
    o.max_tokens = max;
    o.temperature = 1;
    o.seed = 11;
    o.logprobs = 1;
    o.ignore_end = 1;
    o.detect_loops = 0;
    done(tarn_render(model, &m, 1, NULL, &ids, &n, &o.starts_inside, &te));
    done(tarn_generate(model, ids, n, &o, hear, h, g, &te));
    tarn_free(ids);
}

static void test_answers(void **state)
{
    (void)state;
    enum { N = 6 };
    static struct heard alone, h[N];
    struct tarn_error te;
    struct tarn_generation *g[N];
    struct tarn_result r = {.size = sizeof r};
    ask("hello", 20, 0, &alone, &g[0]);
    done(tarn_wait(g[0], &r, &te));
    done(tarn_wait(g[0], NULL, &te));
    tarn_release(g[0]);
    assert_int_equal(r.reason, TARN_STOP_LENGTH);
    assert_int_equal(r.counts.answer_tokens, 20);
    assert_int_equal(alone.n_token, 20);
    assert_int_equal(alone.n_done, 1);
    assert_true(r.counts.prompt_tokens > 0 && r.times.decode > 0);
    for (int i = 0; i < 20; i++) assert_true(alone.logprob[i] < 0);
    /* the same among others */
    for (int i = 0; i < N; i++) ask(i == 3 ? "hello" : "another one", 20, 0, &h[i], &g[i]);
    for (int i = 0; i < N; i++) {
        done(tarn_wait(g[i], NULL, &te));
        tarn_release(g[i]);
    }
    assert_memory_equal(alone.id, h[3].id, sizeof alone.id);
    assert_memory_equal(alone.logprob, h[3].logprob, sizeof alone.logprob);
    assert_memory_equal(alone.text, h[3].text, alone.n_text);
}

static void test_cancel(void **state)
{
    (void)state;
    static struct heard h;
    struct tarn_error te;
    struct tarn_generation *g;
    struct tarn_result r = {.size = sizeof r};
    ask("hello", 400, 5, &h, &g); /* by the callback */
    done(tarn_wait(g, &r, &te));
    assert_int_equal(r.reason, TARN_STOP_CANCELLED);
    assert_int_equal(h.n_token, 5);
    tarn_release(g);
    ask("hello", 400, 0, &h, &g); /* by the caller */
    tarn_end_thinking(g);
    tarn_cancel(g);
    done(tarn_wait(g, &r, &te));
    tarn_release(g);
    ask("hello", 400, 0, &h, &g); /* by letting go */
    tarn_release(g);
    assert_int_equal(h.n_done, 1);
    tarn_release(NULL);
    tarn_close(NULL);
    tarn_free(NULL);
}

static void test_generate_errors(void **state)
{
    (void)state;
    struct tarn_error te;
    struct tarn_generation *g;
    struct tarn_generate_options o;
    int32_t ids[600];
    for (int i = 0; i < 600; i++) ids[i] = 5;
    refused(tarn_generate(model, ids, 600, NULL, NULL, NULL, &g, &te), TARN_CONTEXT, "600");
    assert_null(g);
    ids[1] = -7;
    refused(tarn_generate(model, ids, 4, NULL, NULL, NULL, &g, &te), TARN_USAGE, "-7");
    ids[1] = 5;
    tarn_generate_options_init(&o, sizeof o);
    o.top_p = 7;
    refused(tarn_generate(model, ids, 4, &o, NULL, NULL, &g, &te), TARN_USAGE, "top_p");
    tarn_generate_options_init(&o, sizeof o);
    o.n_stop = 99;
    refused(tarn_generate(model, ids, 4, &o, NULL, NULL, &g, &te), TARN_USAGE, "99 stop");
    tarn_generate_options_init(&o, sizeof o);
    o.max_tokens = 3;
    done(tarn_generate(model, ids, 4, &o, NULL, NULL, &g, &te)); /* without a callback */
    done(tarn_wait(g, NULL, &te));
    tarn_release(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_open_errors), cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_text),        cmocka_unit_test(test_answers),
        cmocka_unit_test(test_cancel),      cmocka_unit_test(test_generate_errors),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
