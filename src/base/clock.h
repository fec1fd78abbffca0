/* clock.h - monotonic time for intervals, wall time for records. */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stddef.h>
#include <stdint.h>

int64_t clock_ns(void);      /* monotonic */
int64_t clock_cpu_ns(void);  /* CPU time of this process, all threads */
int64_t clock_wall_ms(void); /* milliseconds since 1970, UTC */
void clock_sleep_ns(int64_t ns);
/* "2026-11-22T01:02:03Z" of a wall time; out holds at least 21 bytes. */
void clock_iso8601(int64_t wall_ms, char out[24]);

static inline double ns_to_s(int64_t ns)
{
    return (double)ns * 1e-9;
}

#endif
