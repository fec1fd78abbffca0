/* Any text as config.json: a config that passes all checks, or a sentence; a good one comes back
 * the same from what is written of it. */
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "format/hf_config.h"
#include "model/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span text = {(const char *)data, size}, none = {"", 0};
    struct hf_config *h;
    struct model_config c, back;
    struct err e = {0};
    struct buf b;
    if (hf_config_parse(&h, "d/fuzz", text, none, text, &e)) {
        if (!e.msg[0]) abort();
        return 0;
    }
    (void)hf_chat_template(h);
    int rc = config_from_hf(&c, h, &e);
    hf_config_close(h);
    if (rc) {
        if (!e.msg[0]) abort();
        return 0;
    }
    buf_init(&b, 1 << 20);
    if (config_to_hf(&c, "bfloat16", &b, &e) ||
        hf_config_parse(&h, "d/fuzz", buf_span(&b), none, none, &e))
        abort();
    if (config_from_hf(&back, h, &e)) abort();
    hf_config_close(h);
    buf_release(&b);
    if (back.arch != c.arch || back.n_embd != c.n_embd || back.rope_theta != c.rope_theta ||
        back.n_eos != c.n_eos || back.n_expert != c.n_expert)
        abort();
    return 0;
}
