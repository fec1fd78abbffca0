/* Any bytes as a GGUF file: opened or refused with a sentence; what is opened can be walked whole,
 * lies inside the bytes, and gives a config and a vocabulary or a sentence. */
#include <stdlib.h>

#include "base/err.h"
#include "format/gguf_read.h"
#include "format/gguf_vocab.h"
#include "model/config.h"
#include "text/vocab.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void need(bool ok)
{
    if (!ok) abort();
}

static void walk(const struct gguf *g, const uint8_t *data, size_t size)
{
    struct buf text;
    struct span s;
    size_t sum = 0;
    buf_init(&text, 1 << 20);
    for (size_t i = 0; i < gguf_n_kv(g); i++) {
        const struct gguf_kv *kv = gguf_kv_at(g, i);
        need(kv->p >= data && kv->bytes <= size && kv->p + kv->bytes <= data + size);
        struct gguf_strings it = gguf_strings(kv);
        while (gguf_next_string(&it, &s)) sum += s.n ? (unsigned char)s.p[s.n - 1] : 0;
        gguf_value_text(kv, &text);
    }
    for (size_t i = 0; i < gguf_n_tensor(g); i++) {
        const struct gguf_tensor *t = gguf_tensor_at(g, i);
        need(t->data >= data && t->bytes <= size && t->data + t->bytes <= data + size);
        need(gguf_find_tensor(g, t->name) == t);
        if (t->bytes) sum += t->data[t->bytes - 1];
    }
    need(sum < SIZE_MAX);
    buf_release(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct gguf *g;
    struct model_config c;
    struct vocab *v;
    struct err e = {0};
    if (gguf_open_bytes(&g, data, size, "fuzz", &e)) {
        need(e.code != ERR_OK && e.msg[0]);
        return 0;
    }
    walk(g, data, size);
    if (config_from_gguf(&c, g, &e) == 0) {
        struct config_count n;
        config_count(&c, &n);
        need(n.total > 0);
    } else {
        need(e.msg[0]);
    }
    if (vocab_from_gguf(&v, g, &e) == 0) vocab_free(v);
    gguf_close(g);
    return 0;
}
