/* energy.h - joules: read from the processor's RAPL counters where the kernel shows them, else a
 * stated estimate (a number of watts for the time in which tokens were produced).
 *
 * The file descriptors are opened at the start, before the sandbox closes the file system.
 * Threads: one caller.
 */
#ifndef METER_ENERGY_H
#define METER_ENERGY_H

#include <stdbool.h>
#include <stdint.h>

enum { ENERGY_ZONES = 8 };

struct energy {
    int fd[ENERGY_ZONES]; /* package zones */
    uint64_t last[ENERGY_ZONES], range[ENERGY_ZONES];
    int n; /* 0: estimate */
    double watts;
    int64_t last_ns;
};

/* watts: the estimate used where nothing can be read. root: "/sys/class/powercap", or a test's. */
void energy_open(struct energy *en, const char *root, double watts);
void energy_close(struct energy *en);
/* Microjoules since the last call. `busy`: tokens were produced meanwhile; the estimate counts
 * only such intervals. */
uint64_t energy_since(struct energy *en, bool busy);
/* "rapl" or "estimate". */
const char *energy_source(const struct energy *en);

#endif
