/* sse.h - server-sent events: `data: ` + one line of JSON + a blank line. The writers make sure
 * that no raw newline gets into the JSON (buf_add_json escapes them). */
#ifndef SERVE_SSE_H
#define SERVE_SSE_H

#include "base/buf.h"

static inline void sse_open(struct buf *out)
{
    buf_add_str(out, "data: ");
}

/* With an event name, as the Responses and Anthropic formats want it. */
static inline void sse_open_named(struct buf *out, const char *event)
{
    buf_add_str(out, "event: ");
    buf_add_str(out, event);
    buf_add_str(out, "\ndata: ");
}

static inline void sse_close(struct buf *out)
{
    buf_add(out, "\n\n", 2);
}

static inline void sse_done(struct buf *out)
{
    buf_add_str(out, "data: [DONE]\n\n");
}

static inline void sse_keep_alive(struct buf *out)
{
    buf_add_str(out, ": keep-alive\n\n");
}

#endif
