#include "rl/rl_log.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "train/train_log.h"

enum { LINE_MAX_BYTES = 16 << 20, SAMPLES_SHOWN = 4 };

/* ---- summary ------------------------------------------------------------------------------- */

static double over(double a, double b)
{
    return b > 0 ? a / b : 0;
}

void rl_summary(const struct learner *l, struct rl_summary *s)
{
    double square = 0, right = 0, wrong = 0, n_right = 0;
    *s = (struct rl_summary){.length_min = SIZE_MAX};
    for (size_t i = 0; i < l->n_group; i++) {
        const struct group *g = &l->group[i];
        size_t solved = 0;
        for (size_t k = 0; k < g->n; k++) {
            const struct rollout *r = &g->r[k];
            bool is = r->reward.judged && r->reward.score >= 1;
            s->n++;
            s->length += (double)r->n;
            s->think += (double)r->n_think;
            s->length_min = r->n < s->length_min ? r->n : s->length_min;
            s->length_max = r->n > s->length_max ? r->n : s->length_max;
            s->truncated += r->truncated;
            s->answered += r->answered;
            solved += is;
            *(is ? &right : &wrong) += (double)r->n;
            n_right += is;
            if (!r->reward.judged) continue;
            s->judged++;
            s->reward += r->reward.total;
            square += r->reward.total * r->reward.total;
            s->accuracy += r->reward.score;
            s->form += r->reward.form;
            s->language += r->reward.language;
        }
        s->flat += g->flat;
        s->solve_all += solved == g->n;
        s->solve_none += solved == 0;
    }
    double n = (double)s->n, j = (double)s->judged, groups = (double)l->n_group;
    s->reward = over(s->reward, j);
    s->reward_std = sqrt(fmax(0, over(square, j) - s->reward * s->reward));
    s->accuracy = over(s->accuracy, j);
    s->form = over(s->form, j);
    s->language = over(s->language, j);
    s->errored = over(n - j, n);
    s->truncated = over(s->truncated, n);
    s->answered = over(s->answered, n);
    s->length = over(s->length, n);
    s->think = over(s->think, n);
    s->length_right = over(right, n_right);
    s->length_wrong = over(wrong, n - n_right);
    s->flat = over(s->flat, groups);
    s->solve_all = over(s->solve_all, groups);
    s->solve_none = over(s->solve_none, groups);
    if (s->n == 0) s->length_min = 0;
}

/* ---- alarms -------------------------------------------------------------------------------- */

static void alarm(struct rl_alarms *a, const char *fmt, ...) printf_like(2, 3);
static void alarm(struct rl_alarms *a, const char *fmt, ...)
{
    va_list ap;
    if (a->n == (int)countof(a->text)) return;
    va_start(ap, fmt);
    vsnprintf(a->text[a->n++], sizeof a->text[0], fmt, ap);
    va_end(ap);
}

static void slow(double *mean, double x, int64_t n)
{
    double w = n < 20 ? 1 / (double)(n + 1) : 0.05;
    *mean += w * (x - *mean);
}

void rl_alarms(struct rl_history *h, const struct rl_summary *s, const struct step_result *r,
               struct rl_alarms *out)
{
    const struct policy_stats *p = &r->update.policy;
    double entropy = p->n > 0 ? r->update.entropy / p->n : h->entropy;
    double clipped = over(p->clip_low + p->clip_high, p->n), ratio = over(p->ratio, p->n);
    out->n = 0;
    if (s->errored > 0.05) alarm(out, "%.0f%% of the checks failed", 100 * s->errored);
    if (s->flat > 0.9)
        alarm(out, "%.0f%% of the groups are flat: the problems are too %s", 100 * s->flat,
              s->solve_all > s->solve_none ? "easy" : "hard");
    if (p->n > 0 && entropy < 0.01)
        alarm(out, "the entropy is %.3g nats: the model no longer tries anything else",
              entropy);
    if (h->n > 10 && entropy > h->first_entropy + 2)
        alarm(out, "the entropy has risen to %.2f nats from %.2f", entropy, h->first_entropy);
    if (h->n > 10 && s->truncated > h->truncated + 0.1 && s->reward <= h->reward)
        alarm(out,
              "truncated answers rose to %.0f%% while the reward did not: length is exploited",
              100 * s->truncated);
    if (s->length_right > 0 && s->length_wrong > 2 * s->length_right && s->accuracy < 0.9)
        alarm(out, "wrong answers have %.0f tokens, right ones %.0f", s->length_wrong,
              s->length_right);
    if (h->n > 10 && s->form > 0.95 && s->accuracy < 0.05)
        alarm(out, "the form is kept (%.0f%%) and nearly nothing is right", 100 * s->form);
    if (clipped > 0.2) alarm(out, "%.0f%% of the tokens are clipped", 100 * clipped);
    if (p->n > 0 && (ratio < 0.5 || ratio > 2))
        alarm(out, "the mean importance ratio is %.2f", ratio);
    if (over(p->kl_old, p->n) > 0.1)
        alarm(out, "the updates of one step moved the policy by %.2f nats",
              over(p->kl_old, p->n));
    if (h->n > 10 && r->update.grad_norm > 10 * h->grad_norm && h->grad_norm > 0)
        alarm(out, "the gradient norm is %.3g, its usual size %.3g", r->update.grad_norm,
              h->grad_norm);
    slow(&h->reward, s->reward, h->n);
    slow(&h->truncated, s->truncated, h->n);
    slow(&h->entropy, entropy, h->n);
    slow(&h->grad_norm, r->update.grad_norm, h->n);
    if (h->n == 0) h->first_entropy = entropy;
    h->n++;
}

/* ---- files --------------------------------------------------------------------------------- */

int rl_log_open(struct rl_log *g, const char *run, int64_t from_step, struct err *e)
{
    *g = (struct rl_log){0};
    return train_log_file(&g->metrics, run, "metrics.jsonl", from_step, e) ||
                   train_log_file(&g->samples, run, "samples.jsonl", from_step, e)
               ? -1
               : 0;
}

void rl_log_close(struct rl_log *g)
{
    if (g->metrics) fclose(g->metrics);
    if (g->samples) fclose(g->samples);
    g->metrics = g->samples = NULL;
}

static void add_stages(struct buf *b, const struct learner *l)
{
    const char *comma = "";
    buf_add_str(b, ",\"tasks\":{");
    for (int s = 0; s < l->train.n_stage; s++) {
        const struct stage *st = &l->train.stage[s];
        double sum = 0, n = 0;
        for (size_t i = 0; i < l->n_group; i++)
            for (size_t k = 0; l->group[i].stage == s && k < l->group[i].n; k++) {
                if (!l->group[i].r[k].reward.judged) continue;
                sum += l->group[i].r[k].reward.score;
                n++;
            }
        if (n == 0) continue;
        buf_printf(b, "%s\"%s/%d\":{\"n\":%.0f,\"accuracy\":%.4f,\"window\":%.4f}", comma,
                   l->train.track[st->track].name, st->level, n, sum / n,
                   curriculum_rate(st, (int)l->r->curriculum.window));
        comma = ",";
    }
    buf_add_char(b, '}');
    if (!l->r->curriculum.on) return;
    buf_add_str(b, ",\"levels\":{");
    for (int t = 0; t < l->train.n_track; t++)
        buf_printf(b, "%s\"%s\":%d", t ? "," : "", l->train.track[t].name,
                   l->train.track[t].level);
    buf_add_char(b, '}');
}

static void add_rewards(struct buf *b, const struct rl_summary *s)
{
    buf_printf(b,
               ",\"reward\":%.6f,\"reward_std\":%.6f,\"accuracy\":%.6f,\"form\":%.6f,"
               "\"language\":%.6f,\"flat\":%.6f,\"solve_all\":%.6f,\"solve_none\":%.6f,"
               "\"errored\":%.6f,\"truncated\":%.6f,\"answered\":%.6f,\"length\":%.3f,"
               "\"length_min\":%zu,\"length_max\":%zu,\"length_right\":%.3f,"
               "\"length_wrong\":%.3f,\"think_length\":%.3f",
               s->reward, s->reward_std, s->accuracy, s->form, s->language, s->flat,
               s->solve_all, s->solve_none, s->errored, s->truncated, s->answered, s->length,
               s->length_min, s->length_max, s->length_right, s->length_wrong, s->think);
}

static void add_policy(struct buf *b, const struct step_result *r)
{
    const struct update_stats *u = &r->update;
    const struct policy_stats *p = &u->policy;
    double n = p->n;
    buf_printf(b, ",\"updates\":%" PRId64 ",\"compared\":%" PRId64 ",\"mismatch\":0",
               u->updates, u->compared);
    if (n > 0)
        buf_printf(b,
                   ",\"entropy\":%.6f,\"surrogate\":%.6g,\"kl\":%.6g,\"kl_k1\":%.6g,"
                   "\"kl_old\":%.6g,\"clip_low\":%.6f,\"clip_high\":%.6f,\"ratio\":%.6f,"
                   "\"ratio_min\":%.6f,\"ratio_max\":%.6f,\"grad_norm\":%.6f,\"lr\":%.8g",
                   u->entropy / n, p->surrogate, p->k3 / n, p->k1 / n, p->kl_old / n,
                   p->clip_low / n, p->clip_high / n, p->ratio / n, p->ratio_min, p->ratio_max,
                   u->grad_norm, u->lr);
    if (u->load_worst > 0) buf_printf(b, ",\"load_worst\":%.4f", u->load_worst);
    buf_printf(b,
               ",\"staleness\":%.3f,\"sequences\":%" PRId64 ",\"skipped\":%" PRId64
               ",\"tokens\":%" PRId64 ",\"skipped_tokens\":%" PRId64,
               u->updates ? (double)(u->updates - 1) / 2 : 0.0, u->sequences, u->skipped,
               u->tokens, u->skipped_tokens);
}

static void add_times(struct buf *b, const struct step_result *r)
{
    const struct step_times *t = &r->times;
    double roll = ns_to_s(t->rollout.wall_ns);
    buf_printf(b,
               ",\"groups\":%zu,\"rounds\":%d,\"rollout_tokens\":%" PRId64
               ",\"prompt_tokens\":%" PRId64 ",\"cached_tokens\":%" PRId64
               ",\"rollout_tokens_per_s\":%.1f,\"update_rows\":%" PRId64
               ",\"rollout_s\":%.4f,\"check_s\":%.4f,\"reference_s\":%.4f,\"update_s\":%.4f,"
               "\"publish_s\":%.4f,\"eval_s\":%.4f,\"save_s\":%.4f,\"total_s\":%.4f",
               r->n_sampled, r->rounds, t->rollout.tokens, t->rollout.prompt_tokens,
               t->rollout.cached_tokens, roll > 0 ? (double)t->rollout.tokens / roll : 0.0,
               r->update.rows, roll, ns_to_s(t->rollout.check_ns), ns_to_s(t->reference_ns),
               ns_to_s(t->update_ns), ns_to_s(t->publish_ns), ns_to_s(t->eval_ns),
               ns_to_s(t->save_ns), ns_to_s(t->total_ns));
    if (isfinite(r->eval)) buf_printf(b, ",\"eval\":%.6f", r->eval);
}

static int put(FILE *f, struct buf *b, const char *name, struct err *e)
{
    int rc = buf_ok(b, name, e);
    if (rc == 0 && (fwrite(buf_str(b), 1, b->len, f) != b->len || fflush(f) != 0))
        rc = err_errno(e, errno, "cannot write %s", name);
    buf_clear(b);
    return rc;
}

static void add_text(struct buf *b, const char *key, struct span s)
{
    buf_printf(b, ",\"%s\":", key);
    buf_add_json(b, s);
}

static void add_sample(struct buf *b, const struct step_result *r, const struct group *g,
                       const struct rollout *a)
{
    buf_printf(b, "{\"step\":%" PRId64, r->step);
    add_text(b, "id", span_of(g->problem.id));
    add_text(b, "task", span_of(g->problem.task));
    buf_printf(b, ",\"level\":%d", g->problem.level);
    add_text(b, "prompt", buf_span(&g->problem.prompt));
    struct span text = buf_span(&a->text), mark = span_of("</think>");
    size_t end = span_find(text, 0, mark);
    if (end != (size_t)-1) {
        add_text(b, "reasoning", (struct span){text.p, end});
        text = (struct span){text.p + end + mark.n, text.n - end - mark.n};
    } else if (g->inside) {
        add_text(b, "reasoning", text);
        text.n = 0;
    }
    add_text(b, "answer", text);
    add_text(b, "extracted", buf_span(&a->answer));
    add_text(b, "gold", buf_span(&g->problem.gold));
    buf_printf(b,
               ",\"score\":%g,\"reward\":%.6g,\"advantage\":%.6g,\"judged\":%s,\"tokens\":%zu,"
               "\"truncated\":%s",
               a->reward.score, a->reward.total, a->advantage,
               a->reward.judged ? "true" : "false", a->n, a->truncated ? "true" : "false");
    add_text(b, "reason", span_of(a->reason));
    buf_add_str(b, "}\n");
}

/* The best and the worst answer of groups in turn. */
static int write_samples(struct rl_log *g, const struct learner *l, const struct step_result *r,
                         struct buf *b, struct err *e)
{
    int shown = 0;
    for (size_t i = 0; i < l->n_group && shown < SAMPLES_SHOWN; i++) {
        const struct group *q = &l->group[i];
        size_t best = 0, worst = 0;
        for (size_t k = 1; k < q->n; k++) {
            if (q->r[k].reward.total > q->r[best].reward.total) best = k;
            if (q->r[k].reward.total < q->r[worst].reward.total) worst = k;
        }
        add_sample(b, r, q, &q->r[best]);
        if (worst != best) add_sample(b, r, q, &q->r[worst]);
        shown += 1 + (worst != best);
    }
    return put(g->samples, b, "samples.jsonl", e);
}

int rl_log_step(struct rl_log *g, const struct learner *l, const struct step_result *r,
                const struct rl_summary *s, const struct rl_alarms *a, struct err *e)
{
    struct buf b;
    char time[24];
    buf_init(&b, LINE_MAX_BYTES);
    clock_iso8601(clock_wall_ms(), time);
    buf_printf(&b, "{\"step\":%" PRId64 ",\"time\":\"%s\",\"version\":%" PRId64, r->step, time,
               r->version);
    add_rewards(&b, s);
    add_policy(&b, r);
    add_times(&b, r);
    add_stages(&b, l);
    buf_add_str(&b, ",\"alarms\":[");
    for (int i = 0; i < a->n; i++) {
        if (i) buf_add_char(&b, ',');
        buf_add_json(&b, span_of(a->text[i]));
    }
    buf_add_str(&b, "]}\n");
    int rc = put(g->metrics, &b, "metrics.jsonl", e);
    if (rc == 0) rc = write_samples(g, l, r, &b, e);
    buf_release(&b);
    return rc;
}
