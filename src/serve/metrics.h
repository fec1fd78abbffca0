/* metrics.h - counters and histograms of the server, in Prometheus' text format 0.0.4.
 *
 * All intervals come from one monotonic clock. Labels are route, status, reason and model, never
 * a key or a user.
 * Threads: any; counters are atomic, histograms too.
 */
#ifndef SERVE_METRICS_H
#define SERVE_METRICS_H

#include <stdatomic.h>
#include <stdint.h>

#include "base/buf.h"

struct serve;

enum { HIST_BUCKETS = 20, METRIC_ROUTES = 64, METRIC_STATUS = 24, METRIC_REASONS = 12 };

struct histogram {
    _Atomic uint64_t bucket[HIST_BUCKETS + 1];
    _Atomic uint64_t sum; /* in the unit of the bounds, times 1e6 */
};

struct metrics {
    _Atomic uint64_t prompt, hit, output, reasoning, drafted, accepted, cancelled;
    _Atomic uint64_t route_status[METRIC_ROUTES][METRIC_STATUS];
    _Atomic uint64_t reason[METRIC_REASONS];
    struct histogram first_token, inter_token, duration, queue, prefill, decode, prompt_len,
        output_len;
};

struct metrics_sample { /* one generating request that ended */
    int64_t prompt, hit, output, reasoning, drafted, accepted;
    int64_t queue_ns, prefill_ns, decode_ns, first_ns, total_ns;
    const char *reason;
};

void metrics_request(struct metrics *m, const struct metrics_sample *s);
void metrics_inter_token(struct metrics *m, int64_t ns);
void metrics_http(struct metrics *m, int route, int status);
void metrics_write(struct serve *s, struct buf *out);

#endif
