#include "train/spend.h"

#include <stdio.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"

/* One number out of a small file; false when it is not there for us. */
static bool read_number(const char *path, double *out)
{
    FILE *f = fopen(path, "r");
    if (!f) return false;
    bool ok = fscanf(f, "%lf", out) == 1;
    fclose(f);
    return ok;
}

/* All packages' counters in joules; *range gets the sum of where they wrap. */
static bool read_counter(double *joules, double *range)
{
    bool any = false;
    *joules = *range = 0;
    for (int i = 0; i < 8; i++) {
        char path[96];
        double uj, max = 0;
        snprintf(path, sizeof path, "/sys/class/powercap/intel-rapl:%d/energy_uj", i);
        if (!read_number(path, &uj)) break;
        snprintf(path, sizeof path, "/sys/class/powercap/intel-rapl:%d/max_energy_range_uj", i);
        if (read_number(path, &max)) *range += max * 1e-6;
        *joules += uj * 1e-6;
        any = true;
    }
    return any;
}

void spend_begin(struct spend *s, double per_hour, double watts)
{
    double range;
    *s = (struct spend){.per_hour = per_hour, .watts = watts, .begun_ns = clock_ns()};
    s->has_counter = watts <= 0 && read_counter(&s->counter, &range);
}

struct spent spend_now(struct spend *s)
{
    double now, range, here = ns_to_s(clock_ns() - s->begun_ns);
    if (s->has_counter && read_counter(&now, &range)) {
        s->counted_joules += now - s->counter + (now < s->counter ? range : 0);
        s->counter = now;
    }
    return (struct spent){.seconds = s->seconds + here,
                          .joules = s->joules +
                                    (s->has_counter ? s->counted_joules : s->watts * here),
                          .dollars = (s->seconds + here) / 3600 * s->per_hour};
}

int spend_save(struct spend *s, json_t *state, struct err *e)
{
    struct spent x = spend_now(s);
    if (json_object_set_new(state, "seconds", json_real(x.seconds)) ||
        json_object_set_new(state, "joules", json_real(x.joules)))
        return err_oom(e, "a run's costs", 64);
    return 0;
}

int spend_load(struct spend *s, const json_t *state, struct err *e)
{
    s->seconds = s->joules = 0;
    return json_get_f64_opt(state, "seconds", &s->seconds, "the checkpoint", e) ||
                   json_get_f64_opt(state, "joules", &s->joules, "the checkpoint", e)
               ? -1
               : 0;
}
