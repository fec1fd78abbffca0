/* encode then decode is the identity on any bytes, for every pre-tokeniser, specials on or off;
 * and no token of a control kind appears when specials are off. */
#include "fuzz_vocab.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct vocab *vocab[PRETOK_TARN + 1];
    struct err e = {0};
    if (size < 1) return 0;
    enum pretok rule = (enum pretok)((data[0] & 127) % (PRETOK_TARN + 1));
    bool special = data[0] >> 7;
    if (!vocab[rule]) vocab[rule] = fuzz_vocab(rule);
    const struct vocab *v = vocab[rule];
    struct span text = {(const char *)data + 1, size - 1};
    struct tok_list ids = {0};
    struct buf back;
    buf_init(&back, size + 1);
    fuzz_must(vocab_encode(v, text, special, false, &ids, &e), &e);
    vocab_decode(v, ids.id, ids.n, true, &back);
    if (back.failed || back.len != text.n || memcmp(buf_str(&back), text.p, text.n) != 0)
        abort();
    for (size_t i = 0; i < ids.n; i++)
        if (!special && vocab_tok_kind(v, ids.id[i]) == TOK_CONTROL) abort();
    buf_release(&back);
    tok_list_release(&ids);
    return 0;
}
