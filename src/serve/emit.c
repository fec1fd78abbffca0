#include "serve/emit.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "serve/serve_int.h"

void emit_common_init(struct emit_common *c, const struct serve *s, const struct ask *k,
                      const char *id)
{
    const struct engine_iface *en = k->model->engine;
    *c = (struct emit_common){.k = k, .created = clock_wall_ms() / 1000};
    c->vocab = en ? en->vocab(en->self) : NULL;
    snprintf(c->id, sizeof c->id, "%s", id);
    snprintf(c->model, sizeof c->model, "%s", k->model->id);
    snprintf(c->fingerprint, sizeof c->fingerprint, "%s",
             k->model->meta.fingerprint ? k->model->meta.fingerprint : s->fingerprint);
}

void emit_logprob(struct buf *out, float v)
{
    char s[32];
    if (!isfinite(v) || v < -9999.0f) {
        buf_add_str(out, "-9999.0");
        return;
    }
    /* Nine digits always read back as the same float; fewer often do. */
    for (int digits = 6; digits <= 9; digits++) {
        snprintf(s, sizeof s, "%.*g", digits, (double)v);
        if (strtof(s, NULL) == v) break;
    }
    buf_add_str(out, s);
}

static void token_text(struct buf *out, const struct vocab *v, tok_id id)
{
    struct span s = vocab_bytes(v, id);
    buf_add_str(out, "{\"token\":");
    buf_add_json(out, s);
}

static void token_bytes(struct buf *out, const struct vocab *v, tok_id id)
{
    struct span s = vocab_bytes(v, id);
    buf_add_str(out, ",\"bytes\":[");
    for (size_t i = 0; i < s.n; i++)
        buf_printf(out, "%s%u", i ? "," : "", (unsigned)(unsigned char)s.p[i]);
    buf_add_char(out, ']');
}

void emit_chat_logprobs(struct buf *out, const struct vocab *v, const struct gen_lp *lp,
                        size_t n, int n_top)
{
    for (size_t i = 0; i < n; i++) {
        if (i) buf_add_char(out, ',');
        token_text(out, v, lp[i].id);
        buf_add_str(out, ",\"logprob\":");
        emit_logprob(out, lp[i].logprob);
        token_bytes(out, v, lp[i].id);
        buf_add_str(out, ",\"top_logprobs\":[");
        for (int t = 0; t < lp[i].n_top && t < n_top; t++) {
            if (t) buf_add_char(out, ',');
            token_text(out, v, lp[i].top[t].id);
            buf_add_str(out, ",\"logprob\":");
            emit_logprob(out, lp[i].top[t].logprob);
            token_bytes(out, v, lp[i].top[t].id);
            buf_add_char(out, '}');
        }
        buf_add_str(out, "]}");
    }
}

void emit_timings(struct buf *out, const struct gen_end *end)
{
    const struct gen_counts *n = &end->counts;
    const struct gen_times *t = &end->times;
    double prompt_ms = (double)t->prefill_ns * 1e-6, decode_ms = (double)t->decode_ns * 1e-6;
    int64_t computed = n->prompt_tokens - n->cached_tokens;
    buf_printf(out,
               ",\"timings\":{\"queue_ms\":%.3f,\"prompt_n\":%lld,\"prompt_ms\":%.3f,"
               "\"prompt_per_second\":%.3f,\"cache_n\":%lld,\"predicted_n\":%lld,"
               "\"predicted_ms\":%.3f,\"predicted_per_second\":%.3f,\"reasoning_ms\":%.3f,"
               "\"draft_n\":%lld,\"draft_n_accepted\":%lld}",
               (double)t->queue_ns * 1e-6, (long long)computed, prompt_ms,
               prompt_ms > 0 ? (double)computed / prompt_ms * 1e3 : 0.0,
               (long long)n->cached_tokens, (long long)n->completion_tokens, decode_ms,
               decode_ms > 0 ? (double)n->completion_tokens / decode_ms * 1e3 : 0.0,
               (double)t->think_ns * 1e-6, (long long)n->draft_tokens,
               (long long)n->draft_accepted);
}

void emit_ids(struct buf *out, const char *name, const tok_id *id, size_t n)
{
    buf_printf(out, ",\"%s\":[", name);
    for (size_t i = 0; i < n; i++) buf_printf(out, "%s%d", i ? "," : "", (int)id[i]);
    buf_add_char(out, ']');
}

void emit_usage(struct buf *out, const struct gen_usage *u)
{
    buf_printf(out,
               "\"usage\":{\"prompt_tokens\":%lld,\"completion_tokens\":%lld,"
               "\"total_tokens\":%lld,\"prompt_tokens_details\":{\"cached_tokens\":%lld},"
               "\"completion_tokens_details\":{\"reasoning_tokens\":%lld},"
               "\"prompt_cache_hit_tokens\":%lld,\"prompt_cache_miss_tokens\":%lld}",
               (long long)u->prompt, (long long)u->completion,
               (long long)(u->prompt + u->completion), (long long)u->hit,
               (long long)u->reasoning, (long long)u->hit, (long long)(u->prompt - u->hit));
}
