/* replay.h - exact replay of sampled tool calls (api.md 9.5): call id -> the arguments as the
 * model wrote them, and the reasoning of that turn.
 *
 * A client sends a tool call back as JSON that some library has written anew; a blank more or
 * another order of keys and the prompt's prefix differs, and the whole context is computed again.
 * So the server remembers what was sampled and writes exactly that into the next prompt, as long
 * as what came back means the same.
 *
 * Bounded by entries and bytes, least recently used goes first. Entries of different keys never
 * meet. Threads: any.
 */
#ifndef SERVE_REPLAY_H
#define SERVE_REPLAY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/buf.h"

struct err;
struct replay;

/* max_entries 0: 100000, max_bytes 0: 64 MiB. */
int replay_create(struct replay **out, size_t max_entries, size_t max_bytes,
                  struct err *e) must_check;
void replay_free(struct replay *r);
void replay_put(struct replay *r, int64_t key_id, struct span call_id, struct span args,
                struct span reasoning);
/* True when the id is known; appends to args and reasoning. */
bool replay_get(struct replay *r, int64_t key_id, struct span call_id, struct buf *args,
                struct buf *reasoning);

#endif
