#include "train/plan.h"

#include <math.h>
#include <string.h>

#include "base/err.h"

/* ---- devices ------------------------------------------------------------------------------- */

static const struct device devices[] = {
    {"h800", 989e12, 1979e12, 80e9, 3.35e12, 2}, /* training.md 6.1 has the price */
    {"h100", 989e12, 1979e12, 80e9, 3.35e12, 0},    {"h200", 989e12, 1979e12, 141e9, 4.8e12, 0},
    {"a100", 312e12, 0, 80e9, 2.039e12, 0},         {"b200", 2250e12, 4500e12, 180e9, 8e12, 0},
    {"mi300x", 1307e12, 2615e12, 192e9, 5.3e12, 0},
};

const struct device *device_at(size_t i)
{
    return i < countof(devices) ? &devices[i] : NULL;
}

const struct device *device_find(const char *name)
{
    for (size_t i = 0; i < countof(devices); i++)
        if (strcmp(devices[i].name, name) == 0) return &devices[i];
    return NULL;
}

/* ---- work ---------------------------------------------------------------------------------- */

/* Key and value widths of a head, as attention multiplies them (the expanded form for MLA). */
static double head_widths(const struct model_config *c)
{
    return config_is_mla(c) ? c->qk_nope_head_dim + c->qk_rope_head_dim + c->v_head_dim
                            : 2 * c->head_dim;
}

double plan_forward_ops(const struct model_config *c, double n_ctx)
{
    struct config_count n;
    config_count(c, &n);
    /* Rows of the embedding are looked up, not multiplied; a tied head is. */
    double weights = (double)n.active - (c->tie_embeddings ? 0 : (double)n.embedding);
    return 2 * weights + 2 * c->n_layer * c->n_head * head_widths(c) * n_ctx / 2;
}

double plan_train_ops(const struct model_config *c, double n_ctx)
{
    struct config_count n;
    config_count(c, &n);
    double mtp = c->n_layer_mtp > 0 ? (double)n.mtp_active - (double)n.embedding : 0;
    return 3 * (plan_forward_ops(c, n_ctx) + 2 * mtp);
}

/* ---- training ------------------------------------------------------------------------------ */

/* Bytes kept of a token for the way back, one layer of each kind averaged: what goes into the
 * matrices, and queries, keys and values. */
static double act_per_token(const struct model_config *c, double bytes)
{
    double attn = config_is_mla(c) ? c->n_embd + c->q_lora_rank + c->kv_lora_rank +
                                         (double)c->n_head * c->v_head_dim
                                   : c->n_embd + (double)c->n_head * c->head_dim;
    double qkv = (double)c->n_head * head_widths(c) * 1.5;
    double dense = c->n_embd + 3.0 * c->n_ff, moe = dense;
    if (c->n_expert > 0)
        moe = c->n_embd + 3.0 * c->n_ff_expert * (c->n_expert_used + c->n_expert_shared);
    double n_dense = c->n_expert > 0 ? c->n_layer_dense : c->n_layer;
    return c->n_layer * (attn * bytes + qkv * 2) +
           (n_dense * dense + (c->n_layer - n_dense) * moe) * bytes;
}

static void train_memory(struct plan_train *p)
{
    const struct model_config *c = p->c;
    struct config_count n;
    config_count(c, &n);
    double dp = p->n_device / p->pp;
    double experts = (double)n.expert * c->n_expert *
                     (c->n_expert > 0 ? c->n_layer - c->n_layer_dense + c->n_layer_mtp : 0);
    double all = (double)n.total + (double)n.mtp, other = all - experts;
    double here = other / p->pp + experts / (p->pp * p->ep);
    p->bytes_work = here * (p->fp8 ? 1 : 2);
    p->bytes_grad = here * 4;
    p->bytes_state = 8 * (other / p->pp / dp + experts / (p->pp * p->ep) / (dp / p->ep));
    p->bytes_act = p->tokens_in_flight * act_per_token(c, p->fp8 ? 1 : 2) / p->pp;
    p->bytes = p->bytes_work + p->bytes_grad + p->bytes_state + p->bytes_act;
    p->fits = p->bytes <= p->device.bytes;
}

int plan_train(struct plan_train *p, struct err *e)
{
    double peak = p->fp8 ? p->device.fp8 : p->device.bf16;
    if (!(p->share > 0) == !(p->hours_per_t > 0))
        return err_set(e, ERR_USAGE, "give a share of peak or device hours per 10^12 tokens");
    if (!(peak > 0))
        return err_set(e, ERR_UNSUPPORTED, "%s has no 8-bit floating point", p->device.name);
    if (fmod(p->n_device, p->pp * p->ep) != 0)
        return err_set(e, ERR_USAGE, "%.0f devices do not divide by %.0f stages of %.0f",
                       p->n_device, p->pp, p->ep);
    p->ops_per_token = plan_train_ops(p->c, p->n_ctx);
    p->ops = p->ops_per_token * p->tokens;
    p->device_hours = p->hours_per_t > 0 ? p->tokens * 1e-12 * p->hours_per_t
                                         : p->ops / (peak * p->share) / 3600;
    p->share_found = p->ops / (p->device_hours * 3600) / peak;
    p->days = p->device_hours / p->n_device / 24;
    p->dollars = p->device_hours * p->per_hour;
    train_memory(p);
    return 0;
}

/* ---- serving ------------------------------------------------------------------------------- */

/* Weights read in a step: with many sequences every expert is somebody's. */
static double weights_read(const struct plan_serve *p)
{
    const struct model_config *c = p->c;
    struct config_count n;
    config_count(c, &n);
    double total = (double)n.total - (c->tie_embeddings ? 0 : (double)n.embedding);
    if (c->n_expert == 0) return total * p->weight_bits / 8;
    double layers = c->n_layer - c->n_layer_dense;
    double unused = pow(1 - (double)c->n_expert_used / c->n_expert, p->batch);
    return (total - layers * (double)n.expert * c->n_expert * unused) * p->weight_bits / 8;
}

void plan_serve(struct plan_serve *p)
{
    struct config_count n;
    config_count(p->c, &n);
    double peak = (p->weight_bits <= 8 && p->device.fp8 > 0 ? p->device.fp8 : p->device.bf16) *
                  p->n_device;
    p->bytes_weights = (double)n.total * p->weight_bits / 8;
    p->bytes_kv_token = (double)n.kv_elems * p->kv_bytes;
    p->bytes_kv = p->bytes_kv_token * p->n_ctx * p->batch;
    p->bytes = p->bytes_weights + p->bytes_kv;
    p->least_devices = ceil(p->bytes / p->device.bytes);
    p->fits = p->bytes <= p->device.bytes * p->n_device;
    p->read_per_step = weights_read(p) + p->bytes_kv;
    double by_read = p->read_per_step / (p->device.bandwidth * p->n_device);
    double by_work = p->batch * plan_forward_ops(p->c, 2 * p->n_ctx) / peak;
    p->by_bandwidth = by_read >= by_work;
    p->tokens_per_s = p->batch / (p->by_bandwidth ? by_read : by_work);
    p->prefill_per_s = peak / plan_forward_ops(p->c, p->n_ctx);
    double per_s = p->per_hour * p->n_device / 3600;
    p->dollars_out = per_s / p->tokens_per_s * 1e6;
    p->dollars_in = per_s / p->prefill_per_s * 1e6;
}

/* ---- published bills and prices ------------------------------------------------------------ */

static const struct plan_bill bills[] = {
    {.name = "v3",
     .title = "DeepSeek-V3 (its report, table 1)",
     .device = "h800",
     .left_out =
         "earlier research, ablations, data, salaries, and the purchase of the machines",
     .per_hour = 2,
     .tokens = 14.8e12,
     .hours_per_t = 180e3,
     .phase = {{"pretraining", 0}, {"longer context", 119e3}, {"post-training", 5e3}}},
    {.name = "r1",
     .title = "DeepSeek-R1, on top of V3-Base (Nature supplement)",
     .device = "h800",
     .left_out = "V3-Base itself, pilots on smaller models, data people wrote, salaries",
     .per_hour = 2,
     .phase = {{"R1-Zero", 101e3}, {"SFT data", 5e3}, {"R1", 41e3}}},
};

const struct plan_bill *plan_bill_find(const char *name)
{
    for (size_t i = 0; i < countof(bills); i++)
        if (strcmp(bills[i].name, name) == 0) return &bills[i];
    return NULL;
}

double plan_bill_hours(const struct plan_bill *b, size_t i)
{
    return i == 0 && b->tokens > 0 ? b->tokens * 1e-12 * b->hours_per_t
                                   : b->phase[i].device_hours;
}

double plan_bill_total(const struct plan_bill *b)
{
    double sum = 0;
    for (size_t i = 0; i < countof(b->phase) && b->phase[i].name; i++)
        sum += plan_bill_hours(b, i);
    return sum;
}

static const struct plan_price prices[] = {
    {"DeepSeek-R1", "2025-01-20", 0.14, 0.55, 2.19},
    {"DeepSeek-V3", "2025-02-09", 0.07, 0.27, 1.10},
    {"o1", "2024-12", 7.50, 15, 60},
};

const struct plan_price *plan_price_at(size_t i)
{
    return i < countof(prices) ? &prices[i] : NULL;
}
