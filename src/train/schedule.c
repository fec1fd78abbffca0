#include "train/schedule.h"

#include <math.h>

double schedule_at(const struct schedule *s, int64_t step)
{
    if (step < s->warmup) return s->lr * (double)(step + 1) / (double)s->warmup;
    double last = s->steps > 0 ? (double)s->steps : 1,
           at = (double)step < last ? (double)step : last;
    double pi = 3.14159265358979323846;
    switch (s->kind) {
    case SCHEDULE_CONSTANT: break;
    case SCHEDULE_COSINE: {
        double span = last - (double)s->warmup,
               way = span > 0 ? (at - (double)s->warmup) / span : 1;
        return s->lr_end + (s->lr - s->lr_end) * 0.5 * (1 + cos(pi * way));
    }
    case SCHEDULE_WSD: {
        double begin = last * (1 - s->decay);
        if (at <= begin) break;
        return s->lr_end + (s->lr - s->lr_end) * (1 - sqrt((at - begin) / (last - begin)));
    }
    }
    return s->lr;
}

int64_t schedule_ramp(int64_t from, int64_t to, int64_t steps, int64_t unit, int64_t step)
{
    if (steps <= 0 || step >= steps) return to;
    int64_t n = from + (to - from) * step / steps;
    n = n / unit * unit;
    return n < unit ? unit : n;
}
