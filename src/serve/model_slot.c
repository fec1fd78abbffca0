#include "serve/model_slot.h"

#include "serve/api_err.h"

bool name_in(const char *list, struct span name)
{
    if (!list || name.n == 0) return false;
    for (const char *p = list; *p;) {
        size_t n = strcspn(p, " ");
        if (n == name.n && memcmp(p, name.p, n) == 0) return true;
        p += n;
        p += strspn(p, " ");
    }
    return false;
}

struct model_slot *model_find(const struct model_set *s, struct span name)
{
    for (size_t i = 0; i < s->n; i++)
        if (span_is(name, s->slot[i].id) || name_in(s->slot[i].aliases, name))
            return &s->slot[i];
    if (s->n &&
        (s->accept_any || span_is(name, "deepseek-chat") || span_is(name, "deepseek-reasoner")))
        return &s->slot[0];
    return NULL;
}

const char *model_state_name(const struct model_slot *m)
{
    static const char *const names[] = {[MODEL_LOADING] = "loading",
                                        [MODEL_LOADED] = "loaded",
                                        [MODEL_UNLOADED] = "unloaded",
                                        [MODEL_FAILED] = "failed"};
    return names[m->state];
}

const struct engine_iface *model_engine(struct model_slot *m, struct api_err *a)
{
    const struct engine_iface *en = m->engine;
    if (en && m->state == MODEL_LOADED) return en;
    bool loading = m->state == MODEL_LOADING;
    api_fail(a, 503, loading ? "model_loading" : "model_not_loaded", "model",
             loading ? "Loading model %s (%d %%)" : "Model %s is not loaded (%d %%)", m->id,
             m->progress_permille / 10);
    if (loading)
        a->retry_after_s = 5;
    else
        a->no_retry = true;
    return NULL;
}

int64_t model_n_ctx(const struct model_slot *m)
{
    const struct engine_iface *en = m->engine;
    return en ? en->n_ctx(en->self) : m->meta.n_ctx;
}

int64_t model_n_vocab(const struct model_slot *m)
{
    const struct engine_iface *en = m->engine;
    return en ? (int64_t)vocab_size(en->vocab(en->self)) : 0;
}

double model_temperature(const struct model_slot *m, double dflt)
{
    return m->meta.temperature > 0 ? m->meta.temperature : dflt;
}

double model_top_p(const struct model_slot *m, double dflt)
{
    return m->meta.top_p > 0 ? m->meta.top_p : dflt;
}

bool model_alias_thinking(const struct model_slot *m, struct span asked, bool dflt)
{
    (void)m;
    if (span_is(asked, "deepseek-chat")) return false;
    if (span_is(asked, "deepseek-reasoner")) return true;
    return dflt;
}
