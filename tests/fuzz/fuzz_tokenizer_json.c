/* Any text as tokenizer.json: a vocabulary that encodes and decodes, or a sentence. */
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "format/hf_tokenizer.h"
#include "text/vocab.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char text[] = "The answer is 42.\n";
    struct vocab *v;
    struct err e = {0};
    struct tok_list ids = {0};
    struct buf b;
    if (vocab_from_tokenizer_json(&v, (struct span){(const char *)data, size}, NULL, "fuzz",
                                  &e)) {
        if (!e.msg[0]) abort();
        return 0;
    }
    buf_init(&b, 64 << 20);
    if (vocab_encode(v, span_of(text), true, false, &ids, &e) == 0) {
        vocab_decode(v, ids.id, ids.n, true, &b);
        if (strcmp(buf_str(&b), text) != 0) abort();
    }
    buf_clear(&b);
    if (vocab_to_tokenizer_json(v, &b, &e) && e.code != ERR_LIMIT) abort();
    tok_list_release(&ids);
    buf_release(&b);
    vocab_free(v);
    return 0;
}
