/* model_slot.h - the models a server offers: id, aliases, state, the engine behind each.
 *
 * A slot exists from the start; its engine may come later (loading) or go (unloaded). Aliases
 * "deepseek-chat" and "deepseek-reasoner" always name the first slot, thinking off and on.
 *
 * Threads: the set is fixed after serve_open; a slot's engine and state are atomic. What a handler
 * finds in a slot stays while it runs (serve's models_lock); what a request goes on using behind
 * that is counted in users, and a model is unloaded when there are none.
 */
#ifndef SERVE_MODEL_SLOT_H
#define SERVE_MODEL_SLOT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/buf.h"
#include "engine/request.h"

struct api_err;
struct err;
struct render;

enum model_state { MODEL_LOADING, MODEL_LOADED, MODEL_UNLOADED, MODEL_FAILED };

struct model_meta { /* what /models and /props tell; zero: not known */
    const char *name, *arch, *quantization, *file, *fingerprint;
    const char *chat_template; /* known once the model is read; wins over the slot's */
    int64_t n_params, n_bytes, n_ctx_train, n_ctx, max_output;
    int64_t mem_weights, mem_cache, mem_scratch;
    double temperature, top_p; /* the model's own defaults; 0: none */
    int n_parallel;
    bool can_think, can_fim;
    double (*cache_usage)(void *ctx); /* share of cache blocks in use; NULL: not known */
    void *cache_ctx;
};

struct model_slot {
    const char *id;
    const char *aliases;       /* separated by blanks; NULL: none */
    const char *chat_template; /* a name text/chat knows; NULL: by the vocabulary */
    struct model_meta meta;
    int64_t created_s;
    _Atomic(const struct engine_iface *) engine;
    _Atomic(struct render *) render;
    _Atomic int state;
    _Atomic int progress_permille;
    _Atomic int running, waiting;
    _Atomic int users;  /* requests whose memory still points into the engine */
    _Atomic int wanted; /* enum model_state that an admin asked for, or -1 */
};

struct model_set {
    struct model_slot *slot;
    size_t n;
    bool accept_any; /* unknown names mean the first model */
};

/* By id or alias; NULL when unknown (and accept_any is off). */
struct model_slot *model_find(const struct model_set *s, struct span name);
/* The engine, or NULL with 503 model_loading (or what its state is) in *a. */
const struct engine_iface *model_engine(struct model_slot *m, struct api_err *a);
int64_t model_n_ctx(const struct model_slot *m);
int64_t model_n_vocab(const struct model_slot *m);
double model_temperature(const struct model_slot *m, double dflt);
double model_top_p(const struct model_slot *m, double dflt);
/* What the name asked for says about thinking. */
bool model_alias_thinking(const struct model_slot *m, struct span asked, bool dflt);
const char *model_state_name(const struct model_slot *m);
/* True when `name` is in a list separated by blanks. */
bool name_in(const char *list, struct span name);

#endif
