#include "train/trainer.h"

#include <math.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/thread.h"
#include "train/precision.h"

struct trainer_opts trainer_default(void)
{
    return (struct trainer_opts){.optim = optim_default(),
                                 .lr = {.kind = SCHEDULE_COSINE, .lr = 1e-3, .lr_end = 1e-4},
                                 .mtp_weight = 0.3,
                                 .mtp_late = 0.1,
                                 .mtp_switch = 10 / 14.8,
                                 .bias_speed = 0.001,
                                 .bias_stop = 14.3 / 14.8,
                                 .balance_weight = 1e-4,
                                 .balance_by_sequence = true,
                                 .spike_factor = 3};
}

int trainer_create(struct trainer **out, struct params *p, struct pool *pool,
                   const struct trainer_opts *o, struct err *e)
{
    *out = NULL;
    struct trainer *t = mem_calloc(1, sizeof *t);
    if (!t) return err_oom(e, "the trainer", sizeof *t);
    t->o = *o;
    t->p = p;
    t->pool = pool;
    size_t n = o->max_rows * (1 + CONFIG_MAX_MTP);
    t->d = mem_calloc(n, sizeof *t->d);
    t->d_mtp = t->d ? t->d + o->max_rows : NULL;
    if (!t->d) err_oom(e, "the trainer", n * sizeof *t->d);
    if (!t->d || params_set_precision(p, o->precision, o->low_head, e) ||
        pass_create(&t->pass, p, pool, o->max_rows, o->recompute, e) ||
        optim_create(&t->optim, p, &o->optim, e) || balance_create(&t->balance, p, e)) {
        trainer_free(t);
        return -1;
    }
    t->pass->watch.load = t->balance->load;
    t->pass->watch.by_sequence = o->balance_by_sequence;
    *out = t;
    return 0;
}

void trainer_free(struct trainer *t)
{
    if (!t) return;
    balance_free(t->balance);
    optim_free(t->optim);
    pass_free(t->pass);
    mem_free(t->d);
    mem_free(t);
}

size_t trainer_bytes(const struct trainer *t)
{
    size_t low = t->p->low ? low_params_bytes(t->p->low) : 0;
    return t->p->total * (2 * sizeof(float) + 2 * t->optim->moment_bytes) + t->pass->bytes +
           low;
}

/* ---- the step ------------------------------------------------------------------------------ */

static bool past(const struct trainer *t, double share)
{
    return t->o.lr.steps > 0 && (double)t->step >= share * (double)t->o.lr.steps;
}

static double mtp_weight(const struct trainer *t)
{
    return past(t, t->o.mtp_switch) ? t->o.mtp_late : t->o.mtp_weight;
}

void trainer_begin(struct trainer *t, double weight, size_t rows)
{
    t->weight = weight;
    t->rows_now = (double)rows;
    t->sum_loss = t->sum_mtp = t->mtp_count = 0;
    t->now = (struct step_metrics){.step = t->step, .lr = schedule_at(&t->o.lr, t->step)};
    t->pass->seed = t->o.seed + (uint32_t)t->step * 0x85ebca6bu;
    t->pass->n_forward = 0;
    t->pass->watch.alpha = t->o.balance_weight;
    t->pass->watch.row_weight = rows ? 1 / (double)rows : 0;
    t->pass->watch.loss = 0;
    t->started = clock_ns();
}

static double row_weight(const struct train_batch *b, size_t row)
{
    return b->weight ? (double)b->weight[row] : 1;
}

double trainer_batch_weight(const struct train_batch *b)
{
    double sum = 0;
    for (size_t r = 0; r < b->n; r++)
        if (b->target[r] >= 0) sum += row_weight(b, r);
    return sum;
}

/* Multiply-adds with weights and keys, three times (forward, and two products back), times 2. */
static double flops_of(const struct trainer *t, const struct train_batch *b)
{
    const struct model *m = t->p->m;
    const struct pass *s = t->pass;
    double head = (double)m->c.n_vocab * (double)m->c.n_embd;
    double body = (double)model_active_macs(m) - head;
    double macs = body * (double)b->n + head * (double)s->n_out, keys = 0;
    for (size_t r = 0; r < b->n; r++) keys += (double)b->pos[r] + 1;
    macs += keys * (double)m->c.n_layer * (double)m->c.n_head *
            (double)(s->layout.d_k + s->layout.d_v);
    if (s->n_mtp) {
        /* A layer of the main stack's last kind, the joining matrix, and the head again. */
        double layer = body / (double)m->c.n_layer;
        for (int32_t k = 0; k < s->n_mtp; k++)
            macs += (layer + 2 * (double)m->c.n_embd * (double)m->c.n_embd) * (double)b->n +
                    head * (double)s->mtp[k].n_out;
    }
    return 6 * macs;
}

static int not_finite(const struct trainer *t, const struct pass *s, struct err *e)
{
    for (size_t i = 0; i < t->p->n; i++) {
        const struct param *a = &t->p->param[i];
        for (size_t k = 0; k < a->n; k++)
            if (!isfinite(a->w->data[k]))
                return err_set(e, ERR_NUMERIC,
                               "step %lld: the loss is not finite, %s has a weight that is not",
                               (long long)t->step, a->w->name);
    }
    for (size_t i = 0; i < s->n_out; i++)
        if (!isfinite(s->nll->v[i]))
            return err_set(e, ERR_NUMERIC,
                           "step %lld: the loss of row %d is not finite, all weights are",
                           (long long)t->step, s->out[i]);
    return err_set(e, ERR_NUMERIC,
                   "step %lld: the loss of the multi-token prediction is not "
                   "finite, all weights are",
                   (long long)t->step);
}

int trainer_add(struct trainer *t, const struct train_batch *b, struct err *e)
{
    struct pass *s = t->pass;
    if (pass_forward(s, b, e)) return -1;
    double sum = 0, mtp = 0, lambda = mtp_weight(t);
    for (size_t i = 0; i < s->n_out && !t->loss.of; i++) {
        double w = row_weight(b, (size_t)s->out[i]);
        sum += w * (double)s->nll->v[i];
        t->d[i] = (float)(w / t->weight);
    }
    const float *d_mtp[CONFIG_MAX_MTP] = {NULL};
    for (int32_t k = 0; k < s->n_mtp; k++) {
        float *d = t->d_mtp + (size_t)k * t->o.max_rows;
        for (size_t i = 0; i < s->mtp[k].n_out; i++) {
            double w = row_weight(b, (size_t)s->mtp[k].out[i] + (size_t)k + 1);
            mtp += w * (double)s->mtp[k].nll->v[i];
            t->mtp_count += w;
            d[i] = (float)(lambda / s->n_mtp * w / t->weight);
        }
        d_mtp[k] = lambda > 0 ? d : NULL;
    }
    if (t->loss.of && t->loss.of(t->loss.ctx, t, b, &sum, e)) return -1;
    if (!isfinite(sum) || !isfinite(mtp)) return not_finite(t, s, e);
    t->sum_loss += sum;
    t->sum_mtp += mtp;
    t->now.rows += (int64_t)b->n;
    t->now.targets += (int64_t)s->n_out;
    t->now.model_flops += flops_of(t, b);
    return t->loss.of ? pass_backward_logits(s, d_mtp, e) : pass_backward(s, t->d, d_mtp, e);
}

static int check_spike(struct trainer *t, double loss, struct err *e)
{
    if (t->o.spike_factor > 0 && t->mean_loss > 0 && loss > t->o.spike_factor * t->mean_loss)
        return err_set(e, ERR_NUMERIC,
                       "step %lld: the loss is %.4g, its running mean %.4g (spike_factor %g)",
                       (long long)t->step, loss, t->mean_loss, t->o.spike_factor);
    t->mean_loss = t->mean_loss > 0 ? 0.95 * t->mean_loss + 0.05 * loss : loss;
    return 0;
}

int trainer_finish(struct trainer *t, struct step_metrics *m, struct err *e)
{
    struct step_metrics *now = &t->now;
    double norm;
    now->loss = t->weight > 0 ? t->sum_loss / t->weight : 0;
    now->mtp_loss = t->mtp_count > 0 ? t->sum_mtp / t->mtp_count : 0;
    now->balance_loss = t->pass->watch.loss;
    if (optim_norm(t->optim, t->pool, &norm, e))
        return err_wrap(e, "step %lld", (long long)t->step);
    if (check_spike(t, now->loss, e)) return -1;
    now->grad_norm = norm;
    optim_step(t->optim, t->pool, now->lr, norm);
    params_changed(t->p);
    now->load_worst = balance_worst(t->balance);
    balance_step(t->balance, past(t, t->o.bias_stop) ? 0 : t->o.bias_speed);
    t->step++;
    t->rows += now->rows;
    now->ns = clock_ns() - t->started;
    if (m) *m = *now;
    return 0;
}

int trainer_step(struct trainer *t, const struct train_batch *b, size_t n,
                 struct step_metrics *m, struct err *e)
{
    double weight = 0;
    size_t rows = 0;
    for (size_t i = 0; i < n; i++) {
        weight += trainer_batch_weight(&b[i]);
        rows += b[i].n;
    }
    if (!(weight > 0)) return err_set(e, ERR_FORMAT, "a step without a token to learn");
    trainer_begin(t, weight, rows);
    for (size_t i = 0; i < n; i++)
        if (trainer_add(t, &b[i], e)) return -1;
    return trainer_finish(t, m, e);
}

int trainer_eval(struct trainer *t, const struct train_batch *b, double *loss, double *weight,
                 struct err *e)
{
    struct moe_watch *watch = t->pass->step.watch;
    t->pass->step.watch = NULL;
    int rc = pass_forward(t->pass, b, e);
    t->pass->step.watch = watch;
    *loss = *weight = 0;
    for (size_t i = 0; rc == 0 && i < t->pass->n_out; i++) {
        double w = row_weight(b, (size_t)t->pass->out[i]);
        *loss += w * (double)t->pass->nll->v[i];
        *weight += w;
    }
    if (*weight > 0) *loss /= *weight;
    return rc;
}
