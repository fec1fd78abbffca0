/* Any text, in any style, cut anywhere: the same events as uncut, calls properly nested, and
 * complete DSML calls are JSON objects. */
#include "fuzz_vocab.h"

#include <string.h>

#include "text/json_text.h"
#include "text/tool_parse.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct seen {
    struct buf all, args;
    bool open, is_dsml;
};

static void check(bool ok)
{
    if (!ok) abort();
}

static void note(void *ctx, const struct tool_event *ev)
{
    struct seen *s = ctx;
    switch (ev->type) {
    case TOOL_TEXT: check(!s->open); break;
    case TOOL_CALL:
        check(!s->open);
        s->open = true;
        buf_clear(&s->args);
        buf_add_char(&s->all, '\1');
        break;
    case TOOL_ARGS:
        check(s->open);
        buf_add_span(&s->args, ev->text);
        break;
    case TOOL_END:
        check(s->open);
        s->open = false;
        if (s->is_dsml && ev->complete) check(json_text_check_object(buf_span(&s->args)));
        buf_add_char(&s->all, ev->complete ? '\2' : '\3');
        break;
    }
    buf_add_span(&s->all, ev->text);
}

static void run(struct seen *s, enum tool_style style, struct span text, size_t step)
{
    struct err e = {0};
    struct tool_parser *p;
    *s = (struct seen){.is_dsml = style == TOOLS_DSML || style == TOOLS_DSML_V4};
    buf_init(&s->all, 1 << 24);
    buf_init(&s->args, 1 << 24);
    fuzz_must(tool_parser_create(&p, style, note, s, &e), &e);
    for (size_t i = 0; i < text.n; i += step) {
        size_t n = text.n - i < step ? text.n - i : step;
        fuzz_must(tool_parser_feed(p, (struct span){text.p + i, n}, &e), &e);
    }
    fuzz_must(tool_parser_finish(p, &e), &e);
    check(!s->open);
    tool_parser_free(p);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct seen whole, cut;
    if (size < 2) return 0;
    enum tool_style style = (enum tool_style)(data[0] % (TOOLS_LLAMA3 + 1));
    struct span text = {(const char *)data + 2, size - 2};
    run(&whole, style, text, text.n + 1);
    run(&cut, style, text, 1 + data[1] % 16);
    check(span_eq(buf_span(&whole.all), buf_span(&cut.all)));
    buf_release(&whole.all);
    buf_release(&whole.args);
    buf_release(&cut.all);
    buf_release(&cut.args);
    return 0;
}
