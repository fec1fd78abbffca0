/* The checkers on any response: first byte chooses the family, second the variant and level, the
 * rest is the response, once as it is and once as the content of an answer. What must hold: they
 * return, with a reason; only the item's own checker's grammar decides. */
#include <stdlib.h>
#include <string.h>

#include "task/task.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct task_item item[64][3];
    static size_t n_family;
    if (n_family == 0)
        for (const struct task_family *const *f = task_list(); *f && n_family < 64;
             f++, n_family++)
            for (int k = 0; k < 3; k++) {
                struct task_ask a = {.seed = 1, .index = (uint64_t)k, .level = 1 + k};
                task_item_init(&item[n_family][k]);
                if (task_make(*f, &a, &item[n_family][k], NULL)) abort();
            }
    if (size < 2 || size > 65536) return 0;
    const struct task_item *it = &item[data[0] % n_family][data[1] % 3];
    struct task_verdict v;
    struct buf b;
    struct span s = {(const char *)data + 2, size - 2};
    task_check(it, s, data[1] & 4, &v);
    if (!v.reason) abort();
    buf_init(&b, 1 << 20);
    buf_add_str(&b, "<think>\n</think>\n<answer>");
    buf_add_span(&b, s);
    buf_add_str(&b, "</answer>");
    task_check(it, buf_span(&b), false, &v);
    if (!v.reason || (v.score != 0 && v.score != 1)) abort();
    buf_release(&b);
    return 0;
}
