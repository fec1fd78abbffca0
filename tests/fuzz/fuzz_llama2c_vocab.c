/* Any bytes as tokenizer.bin: refused, or a vocabulary that is written back as the same bytes. */
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "format/llama2c_vocab.h"
#include "text/vocab.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span in = {(const char *)data, size};
    struct vocab *v;
    struct err e = {0};
    struct buf b;
    if (vocab_from_llama2c(&v, in, "fuzz", &e)) {
        if (!e.msg[0]) abort();
        return 0;
    }
    buf_init(&b, 3 * size + 4096);
    if (vocab_to_llama2c(v, &b, &e)) abort();
    struct vocab *again;
    if (vocab_from_llama2c(&again, buf_span(&b), "again", &e) ||
        vocab_size(again) != vocab_size(v))
        abort();
    vocab_free(again);
    vocab_free(v);
    buf_release(&b);
    return 0;
}
