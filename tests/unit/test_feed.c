/* Training sequences: what the assistant's answer looks like in every template, records of JSON
 * lines, fresh task items, mixtures, places, packed files. */
#include "../test.h"

#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include "../naive_bpe.h"
#include "base/json.h"
#include "format/token_shard.h"
#include "text/chat_answer.h"
#include "text/marks.h"
#include "train/data.h"
#include "train/text_file.h"

static char dir[64];
static struct vocab *vocab;
static struct naive_model *model;

static int setup(void **state)
{
    (void)state;
    const char *const *marks;
    size_t n = chat_tarn_marks(&marks);
    strcpy(dir, "/tmp/tarn-feed-XXXXXX");
    assert_non_null(mkdtemp(dir));
    model = naive_train(span_of("the the the answer answer"), PRETOK_TARN, marks, (int)n, 20, 2,
                        16);
    vocab = naive_vocab(model, PRETOK_TARN);
    struct vocab_special s = *vocab_special(vocab);
    s.bos = vocab_find(vocab, span_of(MARK_BOS));
    s.eos = vocab_find(vocab, span_of(MARK_EOS));
    assert_true(s.bos >= 0 && s.eos >= 0);
    vocab_set_special(vocab, &s);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    char cmd[96];
    vocab_free(vocab);
    naive_free(model);
    snprintf(cmd, sizeof cmd, "rm -rf %s", dir);
    return system(cmd);
}

/* ---- answers of templates ------------------------------------------------------------------ */

/* From the models' own papers and cards: what follows the prompt when R was thought and C said. */
static const struct {
    enum chat_template t;
    const char *thought, *plain; /* plain: thinking off, nothing thought */
} forms[] = {
    {CHAT_TARN, "R</think>C<｜end▁of▁sentence｜>", "C<｜end▁of▁sentence｜>"},
    {CHAT_DEEPSEEK_V31, "R</think>C<｜end▁of▁sentence｜>", "C<｜end▁of▁sentence｜>"},
    {CHAT_DEEPSEEK_R1, "R\n</think>\n\nC<｜end▁of▁sentence｜>", "C<｜end▁of▁sentence｜>"},
    {CHAT_DEEPSEEK_R1_0528, "<think>\nR\n</think>\n\nC<｜end▁of▁sentence｜>", NULL},
    {CHAT_DEEPSEEK_V3, "<think>\nR\n</think>\n\nC<｜end▁of▁sentence｜>",
     "C<｜end▁of▁sentence｜>"},
    {CHAT_QWQ, "R\n</think>\n\nC<|im_end|>", "C<|im_end|>"},
    {CHAT_QWEN3, "<think>\nR\n</think>\n\nC<|im_end|>", "C<|im_end|>"},
    {CHAT_CHATML, "<think>\nR\n</think>\n\nC<|im_end|>", "C<|im_end|>"},
    {CHAT_LLAMA3, "<think>\nR\n</think>\n\nC<|eot_id|>", "C<|eot_id|>"},
    {CHAT_LLAMA2, NULL, " C </s>"},
    {CHAT_DEEPSEEK_V2, NULL, " C<｜end▁of▁sentence｜>"},
    {CHAT_RAW, NULL, "C"},
};

static void add(struct buf *b, const struct chat_prompt *p)
{
    for (size_t i = 0; i < p->n_mark; i++)
        assert_true(p->mark[i].at + p->mark[i].n <= p->text.len);
    buf_add_span(b, buf_span(&p->text));
}

static void test_forms(void **state)
{
    (void)state;
    struct err e;
    struct buf b;
    buf_init(&b, 4096);
    for (size_t i = 0; i < countof(forms); i++) {
        struct chat_answer a;
        must(chat_answer_init(&a, forms[i].t, CHAT_THINK_ON, &e));
        buf_clear(&b);
        if (!a.inside) add(&b, &a.open);
        buf_add_str(&b, "R");
        add(&b, &a.close);
        buf_add_str(&b, "C");
        add(&b, &a.end);
        if (forms[i].thought) assert_string_equal(buf_str(&b), forms[i].thought);
        assert_int_equal(a.end.n_mark, 1);
        chat_answer_release(&a);
        must(chat_answer_init(&a, forms[i].t, CHAT_THINK_OFF, &e));
        buf_clear(&b);
        add(&b, &a.lead);
        buf_add_str(&b, "C");
        add(&b, &a.end);
        if (forms[i].plain) assert_string_equal(buf_str(&b), forms[i].plain);
        chat_answer_release(&a);
    }
#define X(id, name, tools)                                      \
    {                                                           \
        struct chat_answer a;                                   \
        must(chat_answer_init(&a, id, CHAT_THINK_ON, &e));      \
        assert_true(a.end.n_mark == 1 && a.close.text.len > 0); \
        chat_answer_release(&a);                                \
    }
    CHAT_TEMPLATES(X)
#undef X
    buf_release(&b);
}

static void test_split(void **state)
{
    (void)state;
    struct span r, c;
    assert_true(chat_answer_split(span_of("<think>\na b\n</think>\n\nyes"), &r, &c));
    assert_true(span_is(r, "a b") && span_is(c, "yes"));
    assert_true(chat_answer_split(span_of("a</think>b</think>c"), &r, &c));
    assert_true(span_is(r, "a") && span_is(c, "b</think>c"));
    assert_false(chat_answer_split(span_of("yes"), &r, &c));
    assert_true(r.n == 0 && span_is(c, "yes"));
}

/* The tarn text is recognised as tarn's, with thinking on by default. */
static void test_tarn_text(void **state)
{
    (void)state;
    struct err e;
    enum chat_template t;
    must(chat_template_recognise(chat_template_text(CHAT_TARN), &t, &e));
    assert_int_equal(t, CHAT_TARN);
    assert_int_equal(chat_template_text(CHAT_QWEN3).n, 0);
}

/* ---- examples ------------------------------------------------------------------------------ */

static const char *write_file(const char *name, const void *p, size_t n)
{
    static char path[128];
    struct err e;
    snprintf(path, sizeof path, "%s/%s", dir, name);
    must(file_replace(path, p, n, &e));
    return path;
}

static struct data_opts options(void)
{
    return (struct data_opts){.seed = 3,
                              .batch_rows = 256,
                              .seq_rows = 200,
                              .vocab = vocab,
                              .form = CHAT_TARN,
                              .think_off = 0};
}

/* Text of a sequence, what is learned in [brackets]; returns the row behind it. */
static size_t show(const struct train_batch *b, size_t row, struct buf *out)
{
    int32_t seq = b->row_seq[row];
    bool open = false;
    buf_clear(out);
    vocab_decode(vocab, &b->id[row], 1, true, out);
    for (; row < b->n && b->row_seq[row] == seq; row++) {
        bool last = row + 1 == b->n || b->row_seq[row + 1] != seq;
        if (!last && b->target[row] >= 0) assert_int_equal(b->target[row], b->id[row + 1]);
        if (open != (b->target[row] >= 0)) buf_add_char(out, open ? ']' : '[');
        open = b->target[row] >= 0;
        int32_t next = last ? b->target[row] : b->id[row + 1];
        if (next >= 0) vocab_decode(vocab, &next, 1, true, out);
    }
    if (open) buf_add_char(out, ']');
    return row;
}

#define U   "<｜begin▁of▁sentence｜><｜User｜>"
#define A   "<｜Assistant｜>"
#define END "<｜end▁of▁sentence｜>"

static void expect(const char *record, double think_off, const char *const *want, int n)
{
    struct err e;
    struct data *d;
    struct train_batch b;
    struct buf text;
    struct data_opts o = options();
    o.path = write_file("one.jsonl", record, strlen(record));
    o.think_off = think_off;
    o.strict = true;
    buf_init(&text, 1 << 16);
    must(data_open(&d, &o, &e));
    must(data_next(d, 0, &b, &e));
    size_t row = 0;
    for (int i = 0; i < n; i++) {
        row = show(&b, row, &text);
        assert_string_equal(buf_str(&text), want[i]);
    }
    data_close(d);
    buf_release(&text);
}

static void test_records(void **state)
{
    (void)state;
    expect("{\"prompt\":\"a?\",\"think\":\"1+1=2\\n\",\"answer\":\"2\"}", 0,
           (const char *const[]){U "a?" A "<think>[1+1=2</think><answer>2</answer>" END "]"},
           1);
    expect("{\"prompt\":\"a?\",\"response\":\"<think>\\nhm\\n</think>\\n\\nb\"}", 0,
           (const char *const[]){U "a?" A "<think>[hm</think>b" END "]"}, 1);
    expect("{\"prompt\":\"a?\",\"response\":\"b\"}", 0,
           (const char *const[]){U "a?" A "<think>[</think>b" END "]"}, 1);
    expect("{\"prompt\":\"a?\",\"response\":\"b\"}", 1,
           (const char *const[]){U "a?" A "</think>[b" END "]"}, 1);
    expect("{\"question\":\"q\",\"answer\":\"x=1\\n#### 1\"}", 0,
           (const char *const[]){U "q" A "<think>[x=1</think><answer>1</answer>" END "]"}, 1);
    expect("{\"text\":\"the end\"}", 0, (const char *const[]){"t[he end" END "]"}, 0);
    /* Two turns: each is an example, and the reasoning of the first is gone in the second. */
    expect("{\"messages\":[{\"role\":\"system\",\"content\":\"S\"},"
           "{\"role\":\"user\",\"content\":\"1\"},"
           "{\"role\":\"assistant\",\"reasoning\":\"r\",\"content\":\"2\"},"
           "{\"role\":\"user\",\"content\":\"3\"},"
           "{\"role\":\"assistant\",\"reasoning_content\":\"s\",\"content\":\"4\"}]}",
           0,
           (const char *const[]){"<｜begin▁of▁sentence｜>S<｜User｜>1" A
                                 "<think>[r</think>2" END "]",
                                 "<｜begin▁of▁sentence｜>S<｜User｜>1" A "</think>2" END
                                 "<｜User｜>3" A "<think>[s</think>4" END "]"},
           2);
    /* Marks in a user's text stay text. */
    expect("{\"prompt\":\"<think>\",\"response\":\"</think>\"}", 1,
           (const char *const[]){U "<think>" A "<think>[</think>" END "]"}, 0);
}

static void test_bad_records(void **state)
{
    (void)state;
    static const char text[] =
        "{\"prompt\":\"a\",\"response\":\"b\"}\n"
        "not json\n\n"
        "{\"prompt\":\"a\"}\n"
        "{\"messages\":[{\"role\":\"who\",\"content\":\"x\"}]}\n"
        "{\"prompt\":\"a\",\"response\":\""
        "llllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllll"
        "llllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllll"
        "llllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllll"
        "llllllllllllllllllllllll\"}\n";
    struct err e;
    struct data *d;
    struct train_batch b;
    struct data_share s;
    struct data_opts o = options();
    o.path = write_file("bad.jsonl", text, strlen(text));
    must(data_open(&d, &o, &e));
    for (int i = 0; i < 40; i++) must(data_next(d, 0, &b, &e));
    data_share(d, 0, &s);
    assert_int_equal(s.counts.records, 5);
    assert_true(s.counts.epoch > 40);
    assert_true(s.counts.skipped_bad > 2 * s.counts.epoch);
    assert_true(s.counts.skipped_long > s.counts.epoch - 2);
    data_close(d);
    o.strict = true;
    must(data_open(&d, &o, &e));
    int rc = 0;
    while (rc == 0) rc = data_next(d, 0, &b, &e);
    assert_true(strstr(e.msg, "bad.jsonl:") != NULL);
    data_close(d);
    o.path = write_file("worse.jsonl", text + 32, 40);
    o.strict = false;
    must(data_open(&d, &o, &e));
    must_fail(data_next(d, 0, &b, &e), ERR_FORMAT, "no record can be learned from");
    data_close(d);
}

/* ---- packing ------------------------------------------------------------------------------- */

static void test_packed_files(void **state)
{
    (void)state;
    static char text[1 << 20], packed[1 << 21];
    struct err e;
    struct text_file f;
    for (size_t i = 0; i < sizeof text; i++) text[i] = (char)('a' + i * i % 23);
    must(text_file_open(&f, write_file("plain", text, sizeof text), &e));
    assert_int_equal(f.text.n, sizeof text);
    text_file_close(&f);
    size_t n = ZSTD_compress(packed, sizeof packed, text, sizeof text, 1);
    must(text_file_open(&f, write_file("z", packed, n), &e));
    assert_int_equal(f.text.n, sizeof text);
    assert_memory_equal(f.text.p, text, sizeof text);
    text_file_close(&f);
    must_fail(text_file_open(&f, write_file("z", packed, n - 9), &e), ERR_FORMAT,
              "damaged zstd");
    z_stream z = {0};
    assert_int_equal(deflateInit2(&z, 1, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
    z.next_in = (Bytef *)text;
    z.avail_in = sizeof text;
    z.next_out = (Bytef *)packed;
    z.avail_out = sizeof packed;
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    n = sizeof packed - z.avail_out;
    deflateEnd(&z);
    memcpy(packed + n, packed, n); /* two members, one after the other */
    must(text_file_open(&f, write_file("g", packed, 2 * n), &e));
    assert_int_equal(f.text.n, 2 * sizeof text);
    assert_memory_equal(f.text.p + sizeof text, text, sizeof text);
    text_file_close(&f);
    packed[n / 2] ^= 0x55;
    must_fail(text_file_open(&f, write_file("g", packed, n), &e), ERR_FORMAT, "damaged gzip");
    must_fail(text_file_open(&f, "/nowhere/at/all", &e), ERR_NOT_FOUND, "/nowhere");
}

/* ---- tasks and mixtures -------------------------------------------------------------------- */

static const char *write_shard(void)
{
    static char path[128];
    static uint32_t id[6000];
    struct err e;
    size_t n = vocab_size(vocab);
    uint32_t end = (uint32_t)vocab_special(vocab)->eos;
    for (size_t i = 0; i < countof(id); i++) {
        id[i] = (uint32_t)(20 + i * 7919 % (n - 20));
        if (i % 1000 == 999) id[i] = end;
    }
    snprintf(path, sizeof path, "%s/x.shard", dir);
    must(token_shard_write(path, id, countof(id), (uint32_t)n, end, vocab_hash(vocab), &e));
    return path;
}

static void test_mixture(void **state)
{
    (void)state;
    struct err e;
    struct data *d, *again;
    struct train_batch b, c;
    static const char lines[] = "{\"prompt\":\"a\",\"response\":\"b\"}\n"
                                "{\"prompt\":\"c\",\"response\":\"d e f g\"}\n"
                                "{\"messages\":[{\"role\":\"user\",\"content\":\"1\"},"
                                "{\"role\":\"assistant\",\"content\":\"2\"},"
                                "{\"role\":\"user\",\"content\":\"3\"},"
                                "{\"role\":\"assistant\",\"content\":\"4\"}]}\n"
                                "{\"text\":\"just a text that goes on and on\"}\n";
    struct data_part part[] = {
        {.name = "books", .path = write_shard(), .weight = 1},
        {.name = "talks", .path = write_file("t.jsonl", lines, strlen(lines)), .weight = 2},
        {.name = "sums",
         .tasks = {.families = "addition,boolean",
                   .levels = "1-2",
                   .steps = 1,
                   .brief = 1,
                   .bare = 1,
                   .ill = 0.1,
                   .twin = 0.2},
         .weight = 5},
    };
    struct data_opts o = options();
    o.part = part;
    o.n_part = 3;
    o.seq_rows = 128;
    o.think_off = 0.5;
    must(data_open(&d, &o, &e));
    must(data_open(&again, &o, &e));
    json_t *at = NULL;
    int64_t rows = 0;
    for (int i = 0; i < 200; i++) {
        if (i == 77) at = data_place(d);
        must(data_next(d, i % 3, &b, &e));
        assert_true(b.n > 128 && b.n <= 256);
        rows += (int64_t)b.n;
    }
    for (size_t i = 0; i < 3; i++) {
        struct data_share s;
        data_share(d, i, &s);
        assert_string_equal(s.name, part[i].name);
        assert_true(fabs((double)s.rows / (double)rows - part[i].weight / 8) < 0.01);
        assert_int_equal(s.counts.skipped_bad, 0);
    }
    /* The place, also through JSON text, brings back the same batches. */
    char *text = json_dumps(at, 0);
    json_decref(at);
    at = json_parse(span_of(text), "place", &e);
    assert_non_null(at);
    must(data_seek(d, at, &e));
    must(data_seek(again, at, &e));
    for (int i = 0; i < 60; i++) {
        must(data_next(d, 0, &b, &e));
        must(data_next(again, 1, &c, &e));
        assert_int_equal(b.n, c.n);
        assert_memory_equal(b.id, c.id, b.n * sizeof *b.id);
        assert_memory_equal(b.target, c.target, b.n * sizeof *b.id);
    }
    must(data_rewind(d, &e));
    must(data_rewind(again, &e));
    must(data_next(again, 0, &c, &e));
    must(data_next(d, 0, &b, &e));
    assert_memory_equal(b.id, c.id, b.n * sizeof *b.id);
    json_decref(at);
    free(text);
    data_close(d);
    part[0].name = "other";
    must(data_open(&d, &o, &e));
    at = data_place(again);
    must_fail(data_seek(d, at, &e), ERR_FORMAT, "the recipe has other");
    json_decref(at);
    data_close(d);
    data_close(again);
}

/* Every example begins with the prompt's start, teaches an answer and ends with the end of turn. */
static void test_tasks(void **state)
{
    (void)state;
    struct err e;
    struct data *d;
    struct train_batch b;
    struct buf text;
    int thought = 0, off = 0, bare = 0, n = 0;
    struct data_part part = {
        .name = "t",
        .tasks = {.families = "core", .levels = "1", .steps = 1, .brief = 0, .bare = 1},
        .weight = 1};
    struct data_opts o = options();
    o.part = &part;
    o.n_part = 1;
    o.batch_rows = 4096;
    o.seq_rows = 2048;
    o.think_off = 0.5;
    buf_init(&text, 1 << 16);
    must(data_open(&d, &o, &e));
    for (int i = 0; i < 20; i++) {
        must(data_next(d, 0, &b, &e));
        for (size_t row = 0; row < b.n; n++) {
            row = show(&b, row, &text);
            const char *s = buf_str(&text), *open = strstr(s, A "<think>[");
            assert_int_equal(strncmp(s, U, strlen(U)), 0);
            assert_string_equal(s + strlen(s) - strlen("</answer>" END "]"),
                                "</answer>" END "]");
            if (open && strncmp(open + strlen(A "<think>["), "</think>", 8) == 0)
                bare++;
            else if (open)
                thought++;
            else if (strstr(s, A "</think>[<answer>"))
                off++;
            else
                fail_msg("%s", s);
        }
    }
    assert_true(abs(thought - n / 2) < n / 10 && abs(off - n / 4) < n / 10);
    assert_int_equal(thought + off + bare, n);
    data_close(d);
    buf_release(&text);
    part.tasks.families = "addition,adition";
    must_fail(data_open(&d, &o, &e), ERR_USAGE, "no task \"adition\"");
    part.tasks.families = "addition";
    part.tasks.levels = "3-2";
    must_fail(data_open(&d, &o, &e), ERR_USAGE, "levels are like");
    part.path = "x.jsonl";
    must_fail(data_open(&d, &o, &e), ERR_USAGE, "not both");
    o.n_part = 0;
    o.path = write_shard();
    o.vocab = NULL;
    must(data_open(&d, &o, &e)); /* shards alone need no vocabulary */
    data_close(d);
    o.path = "x.jsonl";
    must_fail(data_open(&d, &o, &e), ERR_USAGE, "without a tokenizer");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_forms),       cmocka_unit_test(test_split),
        cmocka_unit_test(test_tarn_text),   cmocka_unit_test(test_records),
        cmocka_unit_test(test_bad_records), cmocka_unit_test(test_packed_files),
        cmocka_unit_test(test_mixture),     cmocka_unit_test(test_tasks),
    };
    return cmocka_run_group_tests_name("training sequences", tests, setup, teardown);
}
