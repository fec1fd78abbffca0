#include "meter/energy.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"

static bool read_number(int fd, uint64_t *v)
{
    char s[32];
    ssize_t n = pread(fd, s, sizeof s - 1, 0);
    if (n <= 0) return false;
    *v = 0;
    for (ssize_t i = 0; i < n && s[i] >= '0' && s[i] <= '9'; i++)
        *v = *v * 10 + (uint64_t)(s[i] - '0');
    return true;
}

void energy_open(struct energy *en, const char *root, double watts)
{
    *en = (struct energy){.watts = watts, .last_ns = clock_ns()};
    for (int i = 0; i < ENERGY_ZONES; i++) {
        char path[256];
        uint64_t range = 0;
        snprintf(path, sizeof path, "%s/intel-rapl:%d/max_energy_range_uj", root, i);
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd >= 0) {
            if (!read_number(fd, &range)) range = 0;
            close(fd);
        }
        snprintf(path, sizeof path, "%s/intel-rapl:%d/energy_uj", root, i);
        fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0) continue;
        if (!read_number(fd, &en->last[en->n])) {
            close(fd);
            continue;
        }
        en->range[en->n] = range;
        en->fd[en->n++] = fd;
    }
}

void energy_close(struct energy *en)
{
    for (int i = 0; i < en->n; i++) close(en->fd[i]);
    en->n = 0;
}

uint64_t energy_since(struct energy *en, bool busy)
{
    int64_t now = clock_ns(), dt = now - en->last_ns;
    uint64_t sum = 0;
    en->last_ns = now;
    if (en->n == 0) return busy ? (uint64_t)(en->watts * (double)dt * 1e-3) : 0;
    for (int i = 0; i < en->n; i++) {
        uint64_t v;
        if (!read_number(en->fd[i], &v)) continue;
        sum += v >= en->last[i] ? v - en->last[i] : v + en->range[i] - en->last[i];
        en->last[i] = v;
    }
    return sum;
}

const char *energy_source(const struct energy *en)
{
    return en->n ? "rapl" : "estimate";
}
