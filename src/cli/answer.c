#include "cli/answer.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "cli/cli.h"

enum { ANSWER_MAX = 64 << 20, POLL_MS = 50, THINK_LOW = 1024 };

struct sampling_opts sampling_opts = {.temp = -1,
                                      .top_p = -1,
                                      .top_k = -1,
                                      .seed = -1,
                                      .max_tokens = -1,
                                      .typical = 1,
                                      .repeat = 1};

const struct opt sampling_opt_table[] = {
    {"temp", 0, OPT_REAL, &sampling_opts.temp, "T", "temperature, 0 for greedy", 0, 100},
    {"top-p", 0, OPT_REAL, &sampling_opts.top_p, "P",
     "keep the likeliest tokens up to this share", 0, 1},
    {"top-k", 0, OPT_INT, &sampling_opts.top_k, "K", "keep the K likeliest tokens, 0 for all",
     0, 1e9},
    {"min-p", 0, OPT_REAL, &sampling_opts.min_p, "P", "drop tokens below P times the likeliest",
     0, 1},
    {"typical", 0, OPT_REAL, &sampling_opts.typical, "P", "locally typical sampling", 0, 1},
    {"repeat-penalty", 0, OPT_REAL, &sampling_opts.repeat, "X", "1 for none", 0.01, 100},
    {"presence-penalty", 0, OPT_REAL, &sampling_opts.presence, "X", "0 for none", -100, 100},
    {"frequency-penalty", 0, OPT_REAL, &sampling_opts.frequency, "X", "0 for none", -100, 100},
    {"dry", 0, OPT_REAL, &sampling_opts.dry, "X", "penalty on repeating passages, 0 for none",
     0, 100},
    {"seed", 0, OPT_INT, &sampling_opts.seed, "N", "random seed (default: the clock)", 0, 9e15},
    {"max", 'n', OPT_INT, &sampling_opts.max_tokens, "N", "most tokens to produce", 0, 1e9},
    {"think", 0, OPT_STR, &sampling_opts.think, "HOW",
     "off, low (1024 tokens), high, or a budget in tokens", 0, 0},
    {"stop", 0, OPT_LIST, &sampling_opts.stop, "TEXT", "end the answer before this text", 0, 0},
    {.type = OPT_END},
};

enum chat_thinking sampling_thinking(void)
{
    const char *t = sampling_opts.think;
    if (!t) return CHAT_THINK_DEFAULT;
    return strcmp(t, "off") == 0 ? CHAT_THINK_OFF : CHAT_THINK_ON;
}

int sampling_budget(const char *how, int64_t *out, struct err *e)
{
    *out = -1;
    if (!how || strcmp(how, "on") == 0 || strcmp(how, "off") == 0 || strcmp(how, "high") == 0)
        return 0;
    if (strcmp(how, "low") == 0) {
        *out = THINK_LOW;
        return 0;
    }
    if (opt_parse_count(how, out) && *out >= 0 && *out <= 1 << 30) return 0;
    return err_set(e, ERR_USAGE,
                   "\"%s\" is no way to think: off, low, high, on, or a number of tokens", how);
}

int sampling_fill(struct gen_request *r, const struct source_sampling *advice,
                  enum chat_template t, struct span *stop, struct err *e)
{
    const struct sampling_opts *o = &sampling_opts;
    struct gen_sampling *s = &r->sampling;
    double temp = o->temp >= 0 ? o->temp : advice->temperature >= 0 ? advice->temperature : 0.6;
    double top_p = o->top_p >= 0 ? o->top_p : advice->top_p >= 0 ? advice->top_p : 0.95;
    if (t == CHAT_RAW && o->temp < 0 && advice->temperature < 0) temp = 0.8;
    s->temperature = (float)temp;
    s->top_p = (float)top_p;
    s->top_k = (int)(o->top_k >= 0 ? o->top_k : advice->top_k >= 0 ? advice->top_k : 0);
    s->min_p = (float)o->min_p;
    s->typical_p = (float)o->typical;
    s->repeat_penalty = (float)o->repeat;
    s->repeat_last_n = 64;
    s->presence_penalty = (float)o->presence;
    s->frequency_penalty = (float)o->frequency;
    s->dry_multiplier = (float)o->dry;
    if (sampling_opts.seed < 0) sampling_opts.seed = clock_wall_ms() % 1000000007;
    s->seed = (uint64_t)sampling_opts.seed;
    r->max_tokens = o->max_tokens;
    r->thinking.detect_loops = true;
    int64_t budget;
    if (sampling_budget(o->think, &budget, e)) return -1;
    r->thinking.budget = (int)budget;
    if (o->stop.n > 16)
        return err_set(e, ERR_USAGE, "--stop is given %d times, allowed are 16", o->stop.n);
    for (int i = 0; i < o->stop.n; i++) stop[i] = span_of(o->stop.item[i]);
    r->stop = stop;
    r->n_stop = o->stop.n;
    return 0;
}

/* ---- running ------------------------------------------------------------------------------- */

static volatile sig_atomic_t interrupts;

static void on_interrupt(int sig)
{
    (void)sig;
    interrupts++;
}

static bool on_event(void *ctx, const struct gen_event *ev)
{
    struct answer *a = ctx;
    if (ev->type == GEN_TOKEN && ev->text.n) {
        buf_add_span(ev->thinking ? &a->reasoning : &a->text, ev->text);
        if (a->show) a->show(a->ctx, ev->text, ev->thinking);
    }
    if (ev->type == GEN_PROGRESS && a->reading)
        a->reading(a->ctx, ev->counts.prompt_done, ev->counts.prompt_tokens);
    if (ev->type != GEN_DONE && ev->type != GEN_ERROR) return true;
    pthread_mutex_lock(&a->lock);
    a->counts = ev->counts;
    a->times = ev->times;
    a->reason = ev->reason;
    a->failed = ev->type == GEN_ERROR;
    if (a->failed) a->err = ev->err;
    a->done = true;
    pthread_cond_signal(&a->changed);
    pthread_mutex_unlock(&a->lock);
    return true;
}

int answer_run(struct answer *a, struct engine *en, struct gen_request *r, struct err *e)
{
    uint64_t id;
    buf_init(&a->text, ANSWER_MAX);
    buf_init(&a->reasoning, ANSWER_MAX);
    pthread_mutex_init(&a->lock, NULL);
    pthread_cond_init(&a->changed, NULL);
    a->done = a->failed = false;
    r->fn = on_event;
    r->ctx = a;
    struct sigaction old, act = {.sa_handler = on_interrupt};
    sigaction(SIGINT, &act, &old);
    interrupts = 0;
    int rc = engine_submit(en, r, &id, e), seen = 0;
    pthread_mutex_lock(&a->lock);
    while (rc == 0 && !a->done) {
        struct timespec until;
        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_nsec += POLL_MS * 1000000L;
        until.tv_sec += until.tv_nsec / 1000000000;
        until.tv_nsec %= 1000000000;
        pthread_cond_timedwait(&a->changed, &a->lock, &until);
        if (interrupts == seen) continue;
        pthread_mutex_unlock(&a->lock);
        if (seen == 0 && a->text.len == 0 && a->reasoning.len > 0 && interrupts == 1)
            engine_end_thinking(en, id);
        else
            engine_cancel(en, id);
        seen = interrupts;
        pthread_mutex_lock(&a->lock);
    }
    pthread_mutex_unlock(&a->lock);
    sigaction(SIGINT, &old, NULL);
    if (rc == 0 && a->failed) {
        if (e) *e = a->err;
        rc = -1;
    }
    return rc;
}

void answer_release(struct answer *a)
{
    buf_release(&a->text);
    buf_release(&a->reasoning);
    pthread_mutex_destroy(&a->lock);
    pthread_cond_destroy(&a->changed);
}
