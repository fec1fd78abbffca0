/* Any text as a grammar or a schema: an error with a sentence, or something that can be followed;
 * a mask then agrees with the automaton, token by token. The first byte chooses; what stands behind
 * a zero byte is read under the grammar. */
#include "fuzz_vocab.h"

#include <string.h>

#include "engine/automaton.h"
#include "engine/mask.h"
#include "engine/schema.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool ok)
{
    if (!ok) abort();
}

static void compare(const struct vocab *v, struct automaton *a, struct mask *m, uint32_t state)
{
    struct auto_mark at = {0};
    check(auto_keep(a, &at, state));
    const uint32_t *bits = mask_of(m, &at);
    if (!bits) {
        check(a->full);
    } else {
        for (tok_id id = 0; (size_t)id < vocab_size(v); id++) {
            uint32_t s = auto_load(a, &at);
            char room[MASK_NAME_SIZE];
            struct span b = mask_token_text(v, id, room);
            bool may = b.n && !vocab_is_stop(v, id) && (b.p == room || !memchr(b.p, 0xff, b.n));
            for (size_t i = 0; may && i < b.n; i++) s = auto_next(a, s, (unsigned char)b.p[i]);
            may = vocab_is_stop(v, id) ? a->state[s].done : may && s != AUTO_DEAD;
            check(a->full || mask_has(bits, id) == may);
        }
    }
    auto_mark_release(&at);
}

static void follow(const struct grammar *g, struct span word)
{
    static struct vocab *v;
    static struct mask_vocab *mv;
    struct err e = {0};
    struct automaton *a;
    struct mask *m;
    if (!v) {
        v = fuzz_vocab(PRETOK_DEEPSEEK_V3);
        fuzz_must(mask_vocab_create(&mv, v, vocab_size(v), &e), &e);
    }
    fuzz_must(automaton_create(&a, g, &e), &e);
    fuzz_must(mask_create(&m, mv, a, &e), &e);
    uint32_t s = auto_start(a);
    for (size_t i = 0; i < word.n && i < 64 && !a->full; i++) {
        if (i % 16 == 0) compare(v, a, m, s);
        if (!a->full) s = auto_next(a, s, (unsigned char)word.p[i]);
    }
    if (!a->full) compare(v, a, m, s);
    mask_free(m);
    automaton_free(a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1) return 0;
    struct span text = {(const char *)data + 1, size - 1}, word = {"", 0};
    const char *end = memchr(text.p, 0, text.n);
    if (end) {
        word = (struct span){end + 1, text.n - (size_t)(end - text.p) - 1};
        text.n = (size_t)(end - text.p);
    }
    struct err e = {0};
    struct buf made;
    struct grammar *g;
    buf_init(&made, GRAMMAR_TEXT_MAX);
    bool is_schema = data[0] == 's';
    if (is_schema && schema_grammar(text, &made, &e)) {
        check(e.msg[0]);
    } else if (grammar_parse(&g, is_schema ? buf_span(&made) : text, &e)) {
        check(e.msg[0]);
        /* What a schema becomes is a grammar, but for references in a circle and for size. */
        check(!is_schema || e.code == ERR_LIMIT || strstr(e.msg, "left-recursive") ||
              strstr(e.msg, "count") || strstr(e.msg, "parenthesis") ||
              strstr(e.msg, "repetition") || strstr(e.msg, "range") || strstr(e.msg, "class"));
    } else {
        follow(g, word);
        grammar_free(g);
    }
    buf_release(&made);
    return 0;
}
