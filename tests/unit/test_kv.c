/* The paged cache: blocks, sharing, the prefix tree, eviction. A random walk is held against a
 * model that keeps whole texts. */
#include "../test.h"

#include "base/mem.h"
#include "base/rng.h"
#include "engine/kv.h"
#include "kernel/attn.h"

static struct kv *open_small(int32_t n_block)
{
    struct err e;
    struct kv *kv;
    struct kv_layout l = {.n_layer = 2, .n_head_kv = 2, .d_k = 32, .d_v = 32, .dt = DT_F32};
    kv_layout_finish(&l);
    must(kv_open(&kv, &l, n_block, &e));
    return kv;
}

static void fill(tok_id *t, int from, int n, int which)
{
    for (int i = 0; i < n; i++) t[from + i] = which * 1000 + i;
}

static void test_layout(void **state)
{
    (void)state;
    struct kv_layout l = {
        .n_layer = 3, .n_head_kv = 1, .d_k = 576, .d_v = 512, .latent = true, .dt = DT_BF16};
    kv_layout_finish(&l);
    assert_int_equal(l.k_row, 1152); /* models.md 2.4: 31,104 bytes a token over 27 layers */
    assert_int_equal(l.v_row, 0);
    assert_int_equal(l.block_bytes, 3 * 16 * 1152);
    l = (struct kv_layout){.n_layer = 1, .n_head_kv = 2, .d_k = 128, .d_v = 128, .dt = DT_Q8_0};
    kv_layout_finish(&l);
    assert_int_equal(l.k_row, 4 * 34);
    /* every (head, part, token) row is its own place inside the block */
    struct kv_view v = {.layout = &l, .pool = NULL};
    unsigned char *base = kv_rows(&v, 0, 0, 0, false);
    assert_int_equal(kv_rows(&v, 0, 0, 1, false) - base, 16 * 136);
    assert_int_equal(kv_rows(&v, 0, 0, 0, true) - base, 2 * 16 * 136);
    assert_int_equal(kv_rows(&v, 0, 0, 1, true) - base, 3 * 16 * 136);
    assert_int_equal(kv_rows(&v, 1, 0, 0, false) - base, l.block_bytes);
}

static void test_share_and_miss(void **state)
{
    (void)state;
    struct kv *kv = open_small(8);
    tok_id t[64];
    fill(t, 0, 64, 1);
    int32_t a = kv_take(kv), b = kv_take(kv);
    a = kv_publish(kv, 0, KV_NONE, a, t);
    b = kv_publish(kv, 0, a, b, t + 16);
    kv_unref(kv, b);
    kv_unref(kv, a);
    assert_int_equal(kv_idle(kv), 2);
    assert_int_equal(kv_available(kv), 8);

    int32_t got[8];
    struct kv_match m;
    kv_match(kv, 0, t, 64, got, &m);
    assert_int_equal(m.n_block, 2);
    assert_int_equal(got[0], a);
    assert_int_equal(got[1], b);
    assert_int_equal(m.miss, KV_MISS_NEW);
    assert_int_equal(m.at, 32);
    for (int i = 0; i < m.n_block; i++) kv_unref(kv, got[i]);

    kv_match(kv, 0, t, 32, got, &m); /* one token is always left to compute */
    assert_int_equal(m.n_block, 1);
    kv_unref(kv, got[0]);

    kv_match(kv, 9, t, 64, got, &m); /* another group sees nothing */
    assert_int_equal(m.n_block, 0);

    t[20] = -5;
    kv_match(kv, 0, t, 64, got, &m);
    assert_int_equal(m.n_block, 1);
    assert_int_equal(m.miss, KV_MISS_DIFFERS);
    assert_int_equal(m.at, 20);
    assert_int_equal(m.cached, 1020);
    assert_int_equal(m.asked, -5);
    kv_unref(kv, got[0]);

    /* publishing the same text again hands back the block that is there */
    t[20] = 1020;
    int32_t c = kv_take(kv);
    assert_int_equal(kv_publish(kv, 0, KV_NONE, c, t), a);
    kv_unref(kv, a);
    assert_int_equal(kv_forget(kv, false, 9), 0);
    assert_int_equal(kv_forget(kv, true, 0), 2);
    assert_int_equal(kv_idle(kv), 0);
    assert_int_equal(kv_available(kv), 8);
    kv_close(kv);
}

static void test_eviction_takes_leaves_first(void **state)
{
    (void)state;
    struct kv *kv = open_small(4);
    tok_id t[64];
    int32_t chain[3], parent = KV_NONE;
    fill(t, 0, 64, 1);
    for (int i = 0; i < 3; i++) {
        chain[i] = kv_publish(kv, 0, parent, kv_take(kv), t + 16 * i);
        parent = chain[i];
    }
    for (int i = 3; i-- > 0;) kv_unref(kv, chain[i]);
    int32_t x = kv_take(kv), y = kv_take(kv); /* one free block, then the chain's end */
    assert_int_not_equal(x, KV_NONE);
    assert_int_equal(y, chain[2]);
    int32_t got[8];
    struct kv_match m;
    kv_match(kv, 0, t, 64, got, &m);
    assert_int_equal(m.n_block, 2);
    assert_int_equal(kv_take(kv), KV_NONE); /* the two are in use now */
    for (int i = 0; i < 2; i++) kv_unref(kv, got[i]);
    assert_int_equal(kv_take(kv), chain[1]);
    assert_int_equal(kv_take(kv), chain[0]);
    assert_int_equal(kv_take(kv), KV_NONE);
    kv_close(kv);
}

/* Sequences come and go at random; every block is counted, and a match never gives a block whose
 * recorded text differs. */
static void test_random_walk(void **state)
{
    (void)state;
    enum { SEQS = 6, LEN = 8, ROUNDS = 4000 };
    struct kv *kv = open_small(24);
    struct rng r = rng_init(11, 0);
    struct {
        int32_t block[LEN];
        int n;
        tok_id tok[LEN * ATTN_BLOCK + 1];
    } s[SEQS];
    tok_id seen[24][ATTN_BLOCK];
    memset(s, 0, sizeof s);
    for (int round = 0; round < ROUNDS; round++) {
        size_t i = (size_t)rng_below(&r, SEQS);
        if (s[i].n > 0 && rng_below(&r, 3) == 0) {
            for (int k = s[i].n; k-- > 0;) kv_unref(kv, s[i].block[k]);
            s[i].n = 0;
        } else if (s[i].n == 0) {
            for (int k = 0; k < LEN; k++) {
                int which = (int)rng_below(&r, 2);
                fill(s[i].tok, k * ATTN_BLOCK, ATTN_BLOCK, which + 10 * k);
            }
            struct kv_match m;
            kv_match(kv, 0, s[i].tok, LEN * ATTN_BLOCK + 1, s[i].block, &m);
            s[i].n = m.n_block;
            for (int k = 0; k < m.n_block; k++)
                assert_memory_equal(seen[s[i].block[k]], s[i].tok + k * ATTN_BLOCK,
                                    sizeof seen[0]);
        } else if (s[i].n < LEN) {
            int32_t b = kv_take(kv);
            if (b == KV_NONE) continue;
            int k = s[i].n;
            memcpy(seen[b], s[i].tok + k * ATTN_BLOCK, sizeof seen[0]);
            s[i].block[k] = kv_publish(kv, 0, k ? s[i].block[k - 1] : KV_NONE, b,
                                       s[i].tok + k * ATTN_BLOCK);
            s[i].n++;
        }
        bool used[24] = {false};
        int n_used = 0;
        for (size_t q = 0; q < SEQS; q++)
            for (int k = 0; k < s[q].n; k++) {
                n_used += !used[s[q].block[k]];
                used[s[q].block[k]] = true;
            }
        assert_int_equal(kv_available(kv), 24 - n_used);
    }
    kv_close(kv);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_layout),
        cmocka_unit_test(test_share_and_miss),
        cmocka_unit_test(test_eviction_takes_leaves_first),
        cmocka_unit_test(test_random_walk),
    };
    return cmocka_run_group_tests_name("kv", tests, NULL, NULL);
}
