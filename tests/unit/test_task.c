/* Every task family: chains end in answers their own checker takes, damaged answers fail, items
 * are random access, training and evaluation share no instance, versions match their output. */
#include "../test.h"

#include "base/hash.h"
#include "base/json.h"
#include "base/map.h"
#include "base/rng.h"
#include "task/task.h"

static struct task_item item;

static void make(const struct task_family *f, const struct task_ask *a, struct task_item *it)
{
    struct err e;
    must(task_make(f, a, it, &e));
}

static double score(const struct task_item *it, const char *response)
{
    struct task_verdict v;
    task_check(it, span_of(response), false, &v);
    return v.score;
}

static double score_answer(const struct task_item *it, const char *answer)
{
    char r[4096];
    snprintf(r, sizeof r, "<think>\nx\n</think>\n<answer>%s</answer>", answer);
    return score(it, r);
}

static int by_size(const void *a, const void *b)
{
    size_t x = *(const size_t *)a, y = *(const size_t *)b;
    return x < y ? -1 : x > y;
}

enum { CHAIN_LEVEL_1 = 160 }; /* bytes, median */

/* 2,000 items of each family over levels, variants, styles and phrasings. */
static void test_chains(void **state)
{
    (void)state;
    size_t len[2000];
    for (const struct task_family *const *f = task_list(); *f; f++) {
        size_t n_len = 0, n_slip = 0, n_check = 0, n_steps = 0;
        for (uint64_t i = 0; i < 2000; i++) {
            struct task_ask a = {i % 2 ? TASK_EVAL : TASK_TRAIN,
                                 3,
                                 i,
                                 1 + (int)(i / 2 % (uint64_t)(*f)->levels),
                                 TASK_PLAIN,
                                 TASK_STEPS,
                                 i % 8 == 3,
                                 false};
            task_ask_mix(*f, &a);
            if (i % 10 == 9) a.variant = TASK_TWIN;
            make(*f, &a, &item);
            struct buf r;
            buf_init(&r, 1 << 20);
            task_response(&item, &r);
            if (score(&item, buf_str(&r)) < 1)
                fail_msg("%s item %d level %d: the chain fails: %s\n%s", (*f)->name, (int)i,
                         a.level, buf_str(&item.prompt), buf_str(&r));
            assert_true(item.answer.len > 0 && item.key.len > 0 && item.prompt.len > 0);
            if ((a.style == TASK_BARE) != (item.chain.len == 0))
                fail_msg("%s: style %d has a chain of %zu bytes", (*f)->name, (int)a.style,
                         item.chain.len);
            if (item.has_slip != (strstr(buf_str(&item.chain), "Wait,") != NULL))
                fail_msg("%s: slip flag", (*f)->name);
            if (a.style == TASK_STEPS) {
                n_steps++;
                n_slip += item.has_slip;
                n_check += item.has_check;
                if (a.level == 1) len[n_len++] = item.chain.len;
            }
            buf_release(&r);
        }
        qsort(len, n_len, sizeof *len, by_size);
        printf("%-16s level 1 median %3zu, slips %4.1f%%, checks %4.1f%%\n", (*f)->name,
               len[n_len / 2], 100.0 * (double)n_slip / (double)n_steps,
               100.0 * (double)n_check / (double)n_steps);
        if (len[n_len / 2] > CHAIN_LEVEL_1)
            fail_msg("%s: level 1 median chain %zu", (*f)->name, len[n_len / 2]);
        if ((double)n_slip > 0.1 * (double)n_steps) fail_msg("%s: too many slips", (*f)->name);
    }
}

/* The gold with one byte changed to another digit or letter is not the gold; families with many
 * right answers judge it themselves, so only single-answer families are asked. */
static void test_damaged(void **state)
{
    (void)state;
    struct rng r = rng_init(9, 9);
    for (const struct task_family *const *f = task_list(); *f; f++) {
        size_t n = 0, ok = 0;
        for (uint64_t i = 0; i < 300; i++) {
            char s[2100];
            struct task_ask a = {
                .seed = 4, .index = i, .level = 1 + (int)(i % (uint64_t)(*f)->levels)};
            make(*f, &a, &item);
            snprintf(s, sizeof s, "%s", buf_str(&item.answer));
            size_t at = rng_below(&r, item.answer.len);
            if (s[at] >= '0' && s[at] <= '9')
                s[at] = (char)('0' + (s[at] - '0' + 1 + (int)rng_below(&r, 8)) % 10);
            else
                s[at] = s[at] == 'q' ? 'z' : 'q';
            n++;
            ok += score_answer(&item, s) > 0;
            if (score_answer(&item, buf_str(&item.answer)) < 1)
                fail_msg("%s: %s: gold %s fails", (*f)->name, buf_str(&item.key),
                         buf_str(&item.answer));
        }
        /* A changed digit may still be right where many answers are (countdown: 1*5 and 5/1). */
        if (ok > n / 50) fail_msg("%s: %zu of %zu damaged answers pass", (*f)->name, ok, n);
    }
}

static void test_random_access(void **state)
{
    (void)state;
    struct task_item other;
    task_item_init(&other);
    for (const struct task_family *const *f = task_list(); *f; f++)
        for (uint64_t i = 40; i-- > 0;) {
            struct err e;
            char id[128];
            const struct task_family *g;
            struct task_ask b, a = {.split = i % 2 ? TASK_EVAL : TASK_TRAIN,
                                    .seed = 77,
                                    .index = i,
                                    .level = 1 + (int)(i % 3),
                                    .variant = (enum task_variant)(i % 3)};
            make(*f, &a, &item);
            task_id(&item, id);
            must(task_parse_id(id, &g, &b, &e));
            assert_ptr_equal(g, *f);
            make(g, &b, &other);
            assert_string_equal(buf_str(&item.prompt), buf_str(&other.prompt));
            assert_string_equal(buf_str(&item.chain), buf_str(&other.chain));
            assert_string_equal(buf_str(&item.answer), buf_str(&other.answer));
            assert_string_equal(buf_str(&item.key), buf_str(&other.key));
        }
    task_item_release(&other);
}

/* No key of an evaluation item is the key of a training item; phrasings that are held out start
 * with other words; training may not ask for what is held out. */
static void test_splits(void **state)
{
    (void)state;
    struct err e;
    for (const struct task_family *const *f = task_list(); *f; f++) {
        struct map keys, top; /* of all levels, of the top one */
        map_init(&keys);
        map_init(&top);
        size_t dup = 0, n = 0;
        for (int split = 0; split < 2; split++)
            for (uint64_t i = 0; i < 600; i++) {
                struct task_ask a = {.split = (enum task_split)split,
                                     .seed = 11,
                                     .index = i,
                                     .level = 1 + (int)(i % (uint64_t)(*f)->levels),
                                     .variant =
                                         (enum task_variant)(i % 7 == 0 ? i / 7 % 3 : 0)};
                make(*f, &a, &item);
                uint64_t had = map_get(&keys, buf_span(&item.key));
                if (had != MAP_NONE && had != (uint64_t)split)
                    fail_msg("%s: \"%s\" is in both splits", (*f)->name, buf_str(&item.key));
                if (a.level == (*f)->levels && split == 0) {
                    n++;
                    dup += map_get(&top, buf_span(&item.key)) != MAP_NONE;
                    assert_true(map_put(&top, buf_span(&item.key), 1));
                }
                assert_true(map_put(&keys, buf_span(&item.key), (uint64_t)split));
            }
        /* 1,820 sets of four numbers exist, few pairs of jugs, 243 positions of four disks. */
        static const char *const small[] = {"game24", "jugs", "hanoi"};
        size_t most = n / 10;
        for (size_t i = 0; i < countof(small); i++)
            if (strcmp((*f)->name, small[i]) == 0) most = n / 2;
        if (dup > most)
            fail_msg("%s: %zu of %zu items repeat at the top level", (*f)->name, dup, n);
        map_release(&keys);
        map_release(&top);
        struct task_ask held = {.seed = 1, .level = (*f)->levels + 1};
        must_fail(task_make(*f, &held, &item, &e), ERR_USAGE, "levels 1 to");
        held.level = 1;
        held.held_out_phrasing = true;
        must_fail(task_make(*f, &held, &item, &e), ERR_USAGE, "evaluation only");
    }
}

/* The same instances in ordinary and in held-out words never give the same prompt. */
static void test_phrasings(void **state)
{
    (void)state;
    for (const struct task_family *const *f = task_list(); *f; f++) {
        struct map seen;
        map_init(&seen);
        size_t n_seen = 0;
        for (int held = 0; held < 2; held++)
            for (uint64_t i = 0; i < 200; i++) {
                struct task_ask a = {.split = TASK_EVAL,
                                     .seed = 5,
                                     .index = i,
                                     .level = 2,
                                     .held_out_phrasing = held,
                                     .style = TASK_BARE};
                make(*f, &a, &item);
                uint64_t h = hash64(buf_str(&item.prompt), item.prompt.len, 0);
                char k[24];
                snprintf(k, sizeof k, "%016llx", (unsigned long long)h);
                if (held && map_get(&seen, span_of(k)) != MAP_NONE)
                    fail_msg("%s: a held-out prompt is also an ordinary one: %s", (*f)->name,
                             buf_str(&item.prompt));
                if (!held) {
                    n_seen += map_get(&seen, span_of(k)) == MAP_NONE;
                    assert_true(map_put(&seen, span_of(k), 1));
                }
            }
        assert_true(n_seen > 20);
        map_release(&seen);
    }
}

/* The twin shares the wording, differs in the instance, and neither answer fits the other. */
static void test_twins(void **state)
{
    (void)state;
    struct task_item twin;
    task_item_init(&twin);
    for (const struct task_family *const *f = task_list(); *f; f++)
        for (uint64_t i = 0; i < 100; i++) {
            struct task_ask a = {.split = TASK_EVAL,
                                 .seed = 21,
                                 .index = i,
                                 .level = 1 + (int)(i % (uint64_t)(*f)->levels)};
            make(*f, &a, &item);
            a.variant = i % 2 ? TASK_TWIN : TASK_ILL;
            make(*f, &a, &twin);
            assert_string_not_equal(buf_str(&item.prompt), buf_str(&twin.prompt));
            if (a.variant == TASK_TWIN && (score_answer(&item, buf_str(&twin.answer)) > 0 ||
                                           score_answer(&twin, buf_str(&item.answer)) > 0))
                fail_msg("%s: \"%s\" and \"%s\" share an answer", (*f)->name,
                         buf_str(&item.key), buf_str(&twin.key));
            const char *t = buf_str(&twin.answer);
            if (a.variant == TASK_ILL && strcmp(t, "none") != 0 &&
                strcmp(t, "cannot be determined") != 0 && strcmp(t, "unknown") != 0)
                fail_msg("%s: the ill-posed answer is %s", (*f)->name, t);
        }
    task_item_release(&twin);
}

static void test_attacks(void **state)
{
    (void)state;
    struct err e;
    struct buf hole;
    buf_init(&hole, 1 << 16);
    for (const struct task_family *const *f = task_list(); *f; f++) {
        size_t tried = 0, passed = 0;
        must(task_stress(*f, 60, 13, &tried, &passed, &hole, &e));
        assert_true(tried > 60 * 30);
        if (passed)
            fail_msg("%zu of %zu attacks pass, the first: %s", passed, tried, buf_str(&hole));
    }
    buf_release(&hole);
}

static void test_versions(void **state)
{
    (void)state;
    int bad = 0;
    for (const struct task_family *const *f = task_list(); *f; f++) {
        uint32_t v = task_fingerprint(*f);
        if (v == (*f)->version) continue;
        printf("version of %s is 0x%08x\n", (*f)->name, v);
        bad++;
    }
    assert_int_equal(bad, 0);
}

static void test_extract(void **state)
{
    (void)state;
    static const struct {
        const char *response, *want;
        bool in_think;
    } t[] = {
        {"<think>\n1\n</think>\n<answer>5</answer>", "5", false},
        {"1</think><answer> 5 \n</answer>", "5", true},
        {"1\n<answer>5</answer>", NULL, true},
        {"<answer>5</answer>", "5", false},
        {"5", "5", false},
        {"5\n6", NULL, false},
        {"<think>5", NULL, false},
        {"<think></think>", NULL, false},
        {"<think></think> 7 ", "7", false},
        {"<think></think><answer>1</answer> no, <answer>2</answer>", "2", false},
        {"<think></think><answer>1<answer>2</answer>", NULL, false},
        {"<think></think><answer>1</answer></answer>", NULL, false},
        {"<think></think></answer>1<answer>", NULL, false},
        {"<think><answer>1</answer></think>", NULL, false},
        {"<think></think><answer>1</answer><think></think>", NULL, false},
        {"<think></think><answer>1</answer><think>", NULL, false},
        {"<think></think><answer></answer>", NULL, false},
        {"", NULL, false},
    };
    for (size_t i = 0; i < countof(t); i++) {
        struct span a;
        bool tagged;
        const char *why = "";
        bool ok = task_extract(span_of(t[i].response), t[i].in_think, &a, &tagged, &why);
        if (ok != (t[i].want != NULL) || (ok && !span_is(a, t[i].want)))
            fail_msg("%s: %s", t[i].response, ok ? "an answer" : why);
    }
}

static void test_json(void **state)
{
    (void)state;
    struct err e;
    struct buf line, out;
    buf_init(&line, 1 << 16);
    buf_init(&out, 1 << 16);
    for (const struct task_family *const *f = task_list(); *f; f++) {
        struct task_ask a = {.seed = 8, .index = 1, .level = 2};
        make(*f, &a, &item);
        json_t *o = task_item_to_json(&item), *all = json_object();
        assert_non_null(o);
        struct buf r;
        buf_init(&r, 1 << 16);
        task_response(&item, &r);
        json_object_set_new(all, "item", o);
        json_object_set_new(all, "response", json_string(buf_str(&r)));
        char *text = json_dumps(all, 0);
        buf_clear(&out);
        must(task_verify_line(span_of(text), &out, &e));
        assert_non_null(strstr(buf_str(&out), "\"score\":1,"));
        json_object_set_new(all, "response", json_string("<answer>zzz</answer>"));
        json_object_del(o, "answer"); /* the id alone makes the item again */
        free(text);
        text = json_dumps(all, 0);
        buf_clear(&out);
        must(task_verify_line(span_of(text), &out, &e));
        assert_non_null(strstr(buf_str(&out), "\"score\":0,"));
        free(text);
        json_decref(all);
        buf_release(&r);
    }
    must_fail(task_verify_line(span_of("{}"), &out, &e), ERR_FORMAT, "task, answer and key");
    must_fail(task_verify_line(span_of("{\"item\":{\"id\":\"addition:1\"}}"), &out, &e),
              ERR_FORMAT, "not an item id");
    must_fail(task_verify_line(span_of("[1"), &out, &e), ERR_FORMAT, "line 1");
    buf_release(&line);
    buf_release(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_chains),    cmocka_unit_test(test_damaged),
        cmocka_unit_test(test_splits),    cmocka_unit_test(test_random_access),
        cmocka_unit_test(test_phrasings), cmocka_unit_test(test_twins),
        cmocka_unit_test(test_attacks),   cmocka_unit_test(test_versions),
        cmocka_unit_test(test_extract),   cmocka_unit_test(test_json),
    };
    task_item_init(&item);
    int rc = cmocka_run_group_tests(tests, NULL, NULL);
    task_item_release(&item);
    return rc;
}
