/* limit.h - rates and concurrency per key. Money is the ledger's.
 *
 * Requests per minute and tokens per minute are buckets that hold one minute's worth and fill
 * steadily. A request takes its prompt's tokens when it is admitted and pays the rest of what it
 * used when it ends, so a bucket may go below zero and later requests wait until it is full again.
 *
 * Threads: any.
 */
#ifndef SERVE_LIMIT_H
#define SERVE_LIMIT_H

#include <stdint.h>

#include "base/attr.h"
#include "meter/keys.h"

struct api_err;
struct err;
struct limiter;

int limiter_create(struct limiter **out, struct err *e) must_check;
void limiter_free(struct limiter *l);
/* key NULL: no limits. 0, or -1 with a 429 in *a that says how long to wait. */
int limit_admit(struct limiter *l, const struct key_info *key, int64_t prompt_tokens,
                struct api_err *a) must_check;
void limit_release(struct limiter *l, int64_t key_id);
void limit_spend(struct limiter *l, int64_t key_id, int64_t tokens);
/* What is left of this minute's requests and tokens; -1: no limit. */
void limit_left(struct limiter *l, const struct key_info *key, int64_t *requests,
                int64_t *tokens);
/* For tests: the clock that buckets read; NULL: the real one. */
void limiter_set_clock(struct limiter *l, int64_t (*now_ns)(void));

#endif
