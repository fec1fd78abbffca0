/* Any bytes as a training recipe: refused with a sentence, or values whose printed form reads back
 * as the same values and which make a config or a sentence. */
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "model/config.h"
#include "train/recipe.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void need(bool ok)
{
    if (!ok) abort();
}

static void print_again(const struct recipe *r)
{
    static struct recipe second;
    struct err e = {0};
    struct yaml *y;
    struct buf one, two;
    buf_init(&one, 4 << 20);
    buf_init(&two, 4 << 20);
    recipe_init(&second, r->use);
    yaml_print(r->field, &one);
    need(yaml_parse(&y, one.data, one.len, "printed", &e) == 0);
    need(recipe_read(&second, y, &e) == 0);
    yaml_print(second.field, &two);
    need(one.len == two.len && memcmp(one.data, two.data, one.len) == 0);
    yaml_close(y);
    buf_release(&one);
    buf_release(&two);
}

static void read_as(const struct yaml *y, enum recipe_use use)
{
    static struct recipe r;
    struct model_config c;
    struct model_opts m;
    struct trainer_opts t;
    struct err e = {0};
    recipe_init(&r, use);
    if (recipe_read(&r, y, &e)) {
        need(e.msg[0]);
        return;
    }
    print_again(&r);
    if (recipe_config(&r, 1000, 0, &c, &e) == 0) {
        struct config_count n;
        config_count(&c, &n);
        need(n.total > 0);
        if (recipe_model_opts(&r, &c, &m, &e)) need(e.msg[0]);
    } else {
        need(e.msg[0]);
    }
    e.msg[0] = 0;
    if (recipe_trainer(&r, &t, &e)) need(e.msg[0]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct yaml *y;
    struct err e = {0};
    if (yaml_parse(&y, (const char *)data, size, "fuzz", &e)) {
        need(e.code != ERR_OK && e.msg[0]);
        return 0;
    }
    read_as(y, RECIPE_TRAIN);
    read_as(y, RECIPE_SFT);
    read_as(y, RECIPE_DISTILL);
    yaml_close(y);
    return 0;
}
