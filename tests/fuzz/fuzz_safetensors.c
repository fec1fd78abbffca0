/* Any bytes as a safetensors file: opened or refused; tensors tile the data. */
#include <stdlib.h>

#include "base/err.h"
#include "format/safetensors.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct safetensors *s;
    struct err e = {0};
    if (safetensors_open_bytes(&s, data, size, "fuzz", &e)) {
        if (e.code == ERR_OK || !e.msg[0]) abort();
        return 0;
    }
    const uint8_t *end = NULL;
    for (size_t i = 0; i < safetensors_n_tensor(s); i++) {
        const struct safetensors_tensor *t = safetensors_at(s, i);
        if (end && t->data != end) abort();
        end = t->data + t->bytes;
        if (safetensors_find(s, t->name) != t) abort();
    }
    if (end && end != data + size) abort();
    safetensors_close(s);
    return 0;
}
