/* plan.h - what training or serving a model of a given shape needs: work, memory, hours, money.
 *
 * Work of a token, forward: 2 multiply-add operations per active weight, and in attention 2 per head
 * and key for its width (keys on average: half the sequence). Training is three times that. Only the
 * model's own operations count: recomputation, balancing and communication are in the share of peak.
 *
 * Memory of training follows V3's bookkeeping (training.md 3.4): a working copy of 1 (FP8) or 2
 * bytes, an fp32 gradient, and fp32 master weights with two bf16 moments, the latter 8 bytes spread
 * over the data-parallel devices (ZeRO-1). Experts are spread over the expert-parallel ones.
 *
 * Numbers of devices are their makers' data sheets, dense (without sparsity). Prices are the caller's,
 * but for the H800's two dollars, which is the V3 report's.
 *
 * Sources: training.md 3.4, 4, 6, 16; models.md 2.
 */
#ifndef TRAIN_PLAN_H
#define TRAIN_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/config.h"

struct device {
    const char *name;
    double bf16, fp8; /* operations/s, a multiply-add is two; fp8 0: has none */
    double bytes, bandwidth;
    double per_hour; /* dollars; 0: unknown */
};

const struct device *device_find(const char *name); /* NULL when unknown */
const struct device *device_at(size_t i);           /* NULL past the end */

/* Operations of one token in a sequence of n_ctx; MTP modules take part in training. */
double plan_forward_ops(const struct model_config *c, double n_ctx);
double plan_train_ops(const struct model_config *c, double n_ctx);

struct plan_train {
    /* asked */
    const struct model_config *c;
    struct device device;
    double tokens, n_ctx, n_device, per_hour;
    double share;       /* of the device's peak that becomes model work; 0: see hours_per_t */
    double hours_per_t; /* device hours for 10^12 tokens, measured; 0: see share */
    bool fp8;
    double pp, ep;           /* pipeline stages, devices that share a layer's experts */
    double tokens_in_flight; /* per device: micro-batch times those between forward and back */
    /* answers */
    double ops_per_token, ops, device_hours, days, dollars;
    double share_found; /* of peak */
    double bytes_work, bytes_grad, bytes_state, bytes_act, bytes;
    bool fits;
};

/* Fails: ERR_USAGE when the devices do not divide by pp * ep, or neither share nor hours_per_t. */
int plan_train(struct plan_train *p, struct err *e) must_check;

struct plan_serve {
    /* asked */
    const struct model_config *c;
    struct device device;
    double weight_bits, kv_bytes; /* per weight; per cached number */
    double n_ctx, batch, n_device, per_hour;
    /* answers */
    double bytes_weights, bytes_kv_token, bytes_kv, bytes;
    bool fits;
    double least_devices; /* whose memory holds it */
    double read_per_step; /* bytes of weights and cache for one token of each sequence */
    double tokens_per_s;  /* the lower of the two roofs, all sequences */
    bool by_bandwidth;    /* which roof it is */
    double prefill_per_s; /* tokens */
    double dollars_out, dollars_in; /* per million tokens; 0: unknown */
};

void plan_serve(struct plan_serve *p);

/* The bill of a published run. */
struct plan_phase {
    const char *name;
    double device_hours;
};
struct plan_bill {
    const char *name, *title, *device, *left_out;
    double per_hour;
    double tokens, hours_per_t; /* pretraining; 0: its hours stand in a phase */
    struct plan_phase phase[4]; /* name NULL ends */
};
const struct plan_bill *plan_bill_find(const char *name);    /* "v3", "r1"; NULL when unknown */
double plan_bill_hours(const struct plan_bill *b, size_t i); /* of phase i */
double plan_bill_total(const struct plan_bill *b);

/* Prices of services per million tokens, dollars. */
struct plan_price {
    const char *name, *since;
    double hit, miss, out;
};
const struct plan_price *plan_price_at(size_t i); /* NULL past the end */

#endif
