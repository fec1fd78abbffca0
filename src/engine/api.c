/* api.c - the public C library (include/tarn.h) over source, model, engine and text.
 *
 * Nothing here decides anything: arguments are checked, translated, and handed to the functions
 * the program itself uses. A tarn_generation collects what its callback needs: the caller's
 * function, and how it ended, under one lock for tarn_wait.
 *
 * Structs with a size field are read with take_struct: fields that the caller's release did not
 * know keep this release's defaults.
 */
#include "tarn.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/size.h"
#include "base/thread.h"
#include "engine/engine.h"
#include "model/model.h"
#include "model/source.h"
#include "text/chat.h"
#include "text/vocab.h"

enum { MAX_MESSAGES = 1 << 16, MAX_STOPS = 16, MAX_TOOLS = 1024, TEXT_MAX = 1 << 30 };

struct tarn_model {
    struct vocab *vocab;
    struct pool *pool;
    struct model *model;
    struct engine *engine;
    struct engine_opts opts;
    struct engine_plan plan;
    enum chat_template chat;
    struct source_sampling advice;
};

struct tarn_generation {
    struct engine *engine;
    tarn_event_fn fn;
    void *ctx;
    atomic_uint_least64_t id;
    pthread_mutex_t lock; /* what follows: written by the engine thread, read by waiters */
    pthread_cond_t ended;
    bool is_over, has_failed;
    struct tarn_result result;
    struct tarn_error error;
};

/* ---- versions, errors, memory -------------------------------------------------------------- */

const char *tarn_version(void)
{
    return TARN_VERSION;
}

int tarn_api_version(void)
{
    return TARN_API_VERSION;
}

static int public_code(enum err_code c)
{
    switch (c) {
    case ERR_OK: return TARN_OK;
    case ERR_FAILED: return TARN_FAILED;
    case ERR_USAGE: return TARN_USAGE;
    case ERR_LIMIT: return TARN_LIMIT;
    case ERR_IO: return TARN_IO;
    case ERR_FORMAT: return TARN_FORMAT;
    case ERR_NOT_FOUND: return TARN_NOT_FOUND;
    case ERR_MEMORY: return TARN_MEMORY;
    case ERR_CONTEXT: return TARN_CONTEXT;
    case ERR_UNSUPPORTED: return TARN_UNSUPPORTED;
    case ERR_NUMERIC: return TARN_NUMERIC;
    case ERR_BUSY: return TARN_BUSY;
    case ERR_CANCELLED: return TARN_CANCELLED;
    case ERR_AUTH:
    case ERR_QUOTA:
    case ERR_RATE:
    case ERR_DEVICE: return TARN_FAILED;
    case ERR_BUG: return TARN_BUG;
    }
    return TARN_BUG;
}

const char *tarn_code_name(int code)
{
    static const char *const name[] = {
        [TARN_OK] = "ok",
        [TARN_FAILED] = "failed",
        [TARN_USAGE] = "usage",
        [TARN_LIMIT] = "limit reached",
        [TARN_IO] = "input or output",
        [TARN_FORMAT] = "malformed data",
        [TARN_NOT_FOUND] = "not found",
        [TARN_MEMORY] = "does not fit",
        [TARN_CONTEXT] = "context too long",
        [TARN_UNSUPPORTED] = "unsupported",
        [TARN_NUMERIC] = "not a finite number",
        [TARN_BUSY] = "busy",
        [TARN_CANCELLED] = "cancelled",
        [TARN_BUG] = "internal error",
    };
    return code >= 0 && code < (int)countof(name) ? name[code] : "unknown";
}

static void public_error(struct tarn_error *out, const struct err *e)
{
    if (!out) return;
    memset(out, 0, sizeof *out);
    out->code = public_code(e->code);
    memcpy(out->message, e->msg, size_min(sizeof e->msg, sizeof out->message - 1));
    memcpy(out->hint, e->hint, size_min(sizeof e->hint, sizeof out->hint - 1));
}

static int fail(struct tarn_error *out, const struct err *e)
{
    public_error(out, e);
    return -1;
}

void tarn_free(void *p)
{
    mem_free(p);
}

/* ---- structs that grow --------------------------------------------------------------------- */

/* The caller's struct over our defaults; mine->size stays ours. */
static void take_struct(void *mine, size_t mine_size, const void *theirs)
{
    size_t size;
    if (!theirs) return;
    memcpy(&size, theirs, sizeof size);
    size = size_min(size, mine_size);
    if (size > sizeof size)
        memcpy((char *)mine + sizeof size, (const char *)theirs + sizeof size,
               size - sizeof size);
}

/* Our struct to a caller whose own has `size` bytes. */
static void give_struct(void *theirs, size_t size, const void *mine, size_t mine_size)
{
    memset(theirs, 0, size);
    memcpy(theirs, mine, size_min(size, mine_size));
    if (size >= sizeof size) memcpy(theirs, &size, sizeof size);
}

void tarn_model_options_init(struct tarn_model_options *o, size_t size)
{
    struct engine_opts d;
    engine_opts_defaults(&d);
    struct tarn_model_options mine = {
        .size = sizeof mine,
        .parallel = d.n_parallel,
        .queue = d.n_queue,
        .batch = d.n_batch,
        .share_prefixes = d.share_prefixes,
    };
    give_struct(o, size, &mine, sizeof mine);
}

void tarn_render_options_init(struct tarn_render_options *o, size_t size)
{
    const struct tarn_render_options mine = {.size = sizeof mine, .add_generation_prompt = 1};
    give_struct(o, size, &mine, sizeof mine);
}

static void generate_defaults(struct tarn_generate_options *o, const struct tarn_model *m)
{
    struct gen_request d;
    gen_request_defaults(&d);
    *o = (struct tarn_generate_options){
        .size = sizeof *o,
        .max_tokens = d.max_tokens,
        .temperature = d.sampling.temperature,
        .top_p = d.sampling.top_p,
        .typical_p = d.sampling.typical_p,
        .repeat_penalty = d.sampling.repeat_penalty,
        .repeat_last_n = 64,
        .think_budget = d.thinking.budget,
        .detect_loops = 1,
    };
    if (!m) return;
    const struct source_sampling *a = &m->advice;
    o->temperature = (float)(a->temperature >= 0 ? a->temperature : 0.6);
    o->top_p = (float)(a->top_p >= 0 ? a->top_p : 0.95);
    o->top_k = (int32_t)(a->top_k >= 0 && a->top_k <= INT32_MAX ? a->top_k : 0);
}

void tarn_generate_options_init(struct tarn_generate_options *o, size_t size)
{
    tarn_generate_options_init_for(o, size, NULL);
}

void tarn_generate_options_init_for(struct tarn_generate_options *o, size_t size,
                                    const struct tarn_model *m)
{
    struct tarn_generate_options mine;
    generate_defaults(&mine, m);
    give_struct(o, size, &mine, sizeof mine);
}

/* ---- models -------------------------------------------------------------------------------- */

static int in_range(const char *name, int64_t v, int64_t lo, int64_t hi, struct err *e)
{
    if (v >= lo && v <= hi) return 0;
    return err_set(e, ERR_USAGE, "%s is %lld, allowed is %lld to %lld", name, (long long)v,
                   (long long)lo, (long long)hi);
}

static int read_model_options(const struct tarn_model_options *o, struct model_opts *mo,
                              struct engine_opts *eo, struct err *e)
{
    *mo = (struct model_opts){.act = ACT_Q8, .with_mtp = o->draft > 0};
    engine_opts_defaults(eo);
    if (in_range("threads", o->threads, 0, 256, e) ||
        in_range("parallel", o->parallel, 1, 1024, e) ||
        in_range("queue", o->queue, 0, 1 << 20, e) || in_range("batch", o->batch, 1, 8192, e) ||
        in_range("draft", o->draft, 0, 15, e) ||
        in_range("context", o->context, 0, 1 << 24, e) ||
        in_range("cache", o->cache, 0, (int64_t)1 << 34, e))
        return -1;
    if (o->activation && strcmp(o->activation, "f32") == 0)
        mo->act = ACT_F32;
    else if (o->activation && strcmp(o->activation, "q8") != 0)
        return err_set(e, ERR_USAGE, "activation is \"%.40s\", allowed are f32 and q8",
                       o->activation);
    if (o->cache_type && (!dtype_parse(o->cache_type, &eo->cache_dt) ||
                          (eo->cache_dt != DT_F32 && eo->cache_dt != DT_F16 &&
                           eo->cache_dt != DT_BF16 && eo->cache_dt != DT_Q8_0)))
        return err_set(e, ERR_USAGE, "cache_type is \"%.40s\", allowed are f32 f16 bf16 q8_0",
                       o->cache_type);
    eo->n_ctx = o->context;
    eo->n_cache = o->cache ? o->cache : o->context * o->parallel;
    eo->n_parallel = o->parallel;
    eo->n_batch = o->batch;
    eo->n_queue = o->queue;
    eo->n_draft = o->draft;
    eo->share_prefixes = o->share_prefixes != 0;
    return 0;
}

static int find_template(struct tarn_model *m, const struct model_source *s, const char *name,
                         struct err *e)
{
    m->chat = CHAT_RAW;
    if (name) return chat_template_parse(span_of(name), &m->chat, e);
    struct span jinja = source_chat_template(s);
    return jinja.n ? chat_template_recognise(jinja, &m->chat, e) : 0;
}

static int open_parts(struct tarn_model *m, const char *path,
                      const struct tarn_model_options *o, struct err *e)
{
    struct model_opts mo;
    struct model_source *source;
    if (read_model_options(o, &mo, &m->opts, e) || source_open(&source, path, e)) return -1;
    source_sampling(source, &m->advice);
    if (source_vocab(source, &m->vocab, e) || find_template(m, source, o->chat_template, e) ||
        pool_create(&m->pool, o->threads ? o->threads : thread_cores(), e)) {
        source_close(source);
        return -1;
    }
    struct model_progress p = {o->progress, o->progress_ctx};
    if (model_open(&m->model, source, &mo, e) || /* takes the source */
        engine_make_plan(m->model, m->pool, &m->opts, &m->plan, e) ||
        model_load(m->model, m->pool, o->progress ? &p : NULL, e))
        return -1;
    return engine_open(&m->engine, m->model, m->vocab, m->pool, &m->opts, e);
}

int tarn_open(struct tarn_model **out, const char *path, const struct tarn_model_options *o,
              struct tarn_error *te)
{
    struct err e = {0};
    struct tarn_model_options mine;
    tarn_model_options_init(&mine, sizeof mine);
    take_struct(&mine, sizeof mine, o);
    *out = NULL;
    if (!path) {
        err_set(&e, ERR_USAGE, "there is no path to a model");
        return fail(te, &e);
    }
    struct tarn_model *m = mem_calloc(1, sizeof *m);
    if (!m) {
        err_oom(&e, "a model handle", sizeof *m);
        return fail(te, &e);
    }
    if (open_parts(m, path, &mine, &e)) {
        tarn_close(m);
        return fail(te, &e);
    }
    *out = m;
    return 0;
}

void tarn_close(struct tarn_model *m)
{
    if (!m) return;
    engine_close(m->engine);
    model_free(m->model);
    vocab_free(m->vocab);
    pool_free(m->pool);
    mem_free(m);
}

void tarn_model_get_info(const struct tarn_model *m, struct tarn_model_info *info, size_t size)
{
    const struct model_config *c = &m->model->c;
    const struct vocab_special *s = vocab_special(m->vocab);
    struct tarn_generate_options d;
    generate_defaults(&d, m);
    const struct tarn_model_info mine = {
        .size = sizeof mine,
        .n_vocab = (int32_t)vocab_size(m->vocab),
        .n_layer = c->n_layer,
        .n_embd = c->n_embd,
        .context = m->opts.n_ctx,
        .weight_bytes = m->plan.weights,
        .cache_bytes = m->plan.cache,
        .chat_template = chat_template_name(m->chat),
        .bos = s->bos,
        .eos = s->eos,
        .temperature = d.temperature,
        .top_p = d.top_p,
        .top_k = d.top_k,
    };
    give_struct(info, size, &mine, sizeof mine);
}

/* ---- text ---------------------------------------------------------------------------------- */

/* The list becomes the caller's; an empty one is a block too, so that NULL means failure. */
static int give_ids(struct tok_list *l, int rc, int32_t **ids, size_t *count,
                    struct tarn_error *te, struct err *e)
{
    if (rc == 0 && !l->id && !(l->id = mem_alloc(sizeof *l->id)))
        rc = err_oom(e, "token ids", sizeof *l->id);
    if (rc) {
        tok_list_release(l);
        return fail(te, e);
    }
    *ids = l->id;
    *count = l->n;
    return 0;
}

int tarn_tokenize(const struct tarn_model *m, const char *text, size_t n, int flags,
                  int32_t **ids, size_t *count, struct tarn_error *te)
{
    struct err e = {0};
    struct tok_list l = {0};
    *ids = NULL;
    *count = 0;
    int rc = vocab_encode(m->vocab, (struct span){text, n}, flags & TARN_SPECIAL,
                          flags & TARN_BOS_EOS, &l, &e);
    return give_ids(&l, rc, ids, count, te, &e);
}

int tarn_detokenize(const struct tarn_model *m, const int32_t *ids, size_t n, int flags,
                    char **text, size_t *bytes, struct tarn_error *te)
{
    struct err e = {0};
    struct buf b;
    *text = NULL;
    *bytes = 0;
    for (size_t i = 0; i < n; i++) {
        if (ids[i] >= 0 && (size_t)ids[i] < vocab_size(m->vocab)) continue;
        err_set(&e, ERR_USAGE, "token %d at %zu is not in the vocabulary of %zu", ids[i], i,
                vocab_size(m->vocab));
        return fail(te, &e);
    }
    buf_init(&b, TEXT_MAX);
    vocab_decode(m->vocab, ids, n, flags & TARN_SPECIAL, &b);
    if (buf_ok(&b, "the text", &e)) {
        buf_release(&b);
        return fail(te, &e);
    }
    *text = buf_take(&b, bytes);
    return 0;
}

static int read_role(const char *s, enum chat_role *out, struct err *e)
{
    static const char *const name[] = {
        [CHAT_SYSTEM] = "system",       [CHAT_DEVELOPER] = "developer", [CHAT_USER] = "user",
        [CHAT_ASSISTANT] = "assistant", [CHAT_TOOL] = "tool",
    };
    for (size_t i = 0; s && i < countof(name); i++) {
        if (strcmp(s, name[i]) == 0) {
            *out = (enum chat_role)i;
            return 0;
        }
    }
    return err_set(e, ERR_USAGE,
                   "role is \"%.40s\", allowed are system developer user assistant tool",
                   s ? s : "");
}

/* Without a template a conversation is the texts of its messages, one after the other. */
static int render_raw(const struct tarn_model *m, const struct chat_msg *msg, size_t n,
                      struct tok_list *l, struct err *e)
{
    struct buf b;
    buf_init(&b, TEXT_MAX);
    for (size_t i = 0; i < n; i++) buf_add_span(&b, msg[i].content);
    int rc = buf_ok(&b, "the prompt", e);
    if (rc == 0) rc = vocab_encode(m->vocab, buf_span(&b), false, true, l, e);
    buf_release(&b);
    return rc;
}

static int render(const struct tarn_model *m, const struct chat_msg *msg, size_t n,
                  const struct tarn_render_options *o, struct tok_list *l, bool *inside,
                  struct err *e)
{
    struct span tool[MAX_TOOLS];
    if (in_range("thinking", o->thinking, TARN_THINK_DEFAULT, TARN_THINK_OFF, e)) return -1;
    if (o->n_tools > MAX_TOOLS)
        return err_set(e, ERR_LIMIT, "there are %zu tools, allowed are %d", o->n_tools,
                       MAX_TOOLS);
    if (m->chat == CHAT_RAW && o->n_tools == 0) return render_raw(m, msg, n, l, e);
    for (size_t i = 0; i < o->n_tools; i++) tool[i] = span_of(o->tools[i]);
    const struct chat_opts co = {.thinking = (enum chat_thinking)o->thinking,
                                 .add_generation_prompt = o->add_generation_prompt && !o->go_on,
                                 .tool = tool,
                                 .n_tool = o->n_tools};
    return chat_render_ids(m->vocab, m->chat, msg, n, &co, l, inside, e);
}

int tarn_render(const struct tarn_model *m, const struct tarn_message *messages, size_t n,
                const struct tarn_render_options *o, int32_t **ids, size_t *count,
                int *starts_inside, struct tarn_error *te)
{
    struct err e = {0};
    struct tok_list l = {0};
    bool inside = false;
    struct tarn_render_options mine;
    tarn_render_options_init(&mine, sizeof mine);
    take_struct(&mine, sizeof mine, o);
    *ids = NULL;
    *count = 0;
    if (n == 0 || n > MAX_MESSAGES) {
        err_set(&e, ERR_USAGE, "there are %zu messages, allowed is 1 to %d", n, MAX_MESSAGES);
        return fail(te, &e);
    }
    struct chat_msg *msg = mem_calloc(n, sizeof *msg);
    int rc = msg ? 0 : err_oom(&e, "messages", n * sizeof *msg);
    for (size_t i = 0; rc == 0 && i < n; i++) {
        msg[i].content = span_of(messages[i].content);
        msg[i].reasoning = span_of(messages[i].reasoning);
        msg[i].tool_call_id = span_of(messages[i].tool_call_id);
        msg[i].prefix = mine.go_on && i + 1 == n;
        rc = read_role(messages[i].role, &msg[i].role, &e);
    }
    if (rc == 0) rc = render(m, msg, n, &mine, &l, &inside, &e);
    mem_free(msg);
    if (starts_inside) *starts_inside = inside;
    return give_ids(&l, rc, ids, count, te, &e);
}

/* ---- generation ---------------------------------------------------------------------------- */

static void public_counts(const struct gen_event *ev, struct tarn_counts *c,
                          struct tarn_times *t)
{
    *c = (struct tarn_counts){
        .prompt_tokens = ev->counts.prompt_tokens,
        .prompt_done = ev->counts.prompt_done,
        .cached_tokens = ev->counts.cached_tokens,
        .answer_tokens = ev->counts.completion_tokens,
        .reasoning_tokens = ev->counts.reasoning_tokens,
        .draft_tokens = ev->counts.draft_tokens,
        .draft_accepted = ev->counts.draft_accepted,
    };
    *t = (struct tarn_times){
        .queue = ev->times.queue_ns,
        .prefill = ev->times.prefill_ns,
        .decode = ev->times.decode_ns,
        .think = ev->times.think_ns,
    };
}

static int public_reason(enum gen_reason r)
{
    switch (r) {
    case GEN_STOP_EOS: return TARN_STOP_END;
    case GEN_STOP_STRING: return TARN_STOP_STRING;
    case GEN_STOP_LENGTH: return TARN_STOP_LENGTH;
    case GEN_STOP_CANCEL: return TARN_STOP_CANCELLED;
    case GEN_STOP_LOOP: return TARN_STOP_LOOP;
    }
    return TARN_STOP_END;
}

static void end_generation(struct tarn_generation *g, const struct tarn_event *ev)
{
    pthread_mutex_lock(&g->lock);
    g->result.reason = ev->reason;
    g->result.counts = ev->counts;
    g->result.times = ev->times;
    g->has_failed = ev->type == TARN_EVENT_ERROR;
    g->is_over = true;
    /* Inside the lock: a waiter may free g as soon as it has it. */
    pthread_cond_broadcast(&g->ended);
    pthread_mutex_unlock(&g->lock);
}

static bool on_event(void *ctx, const struct gen_event *in)
{
    struct tarn_generation *g = ctx;
    struct tarn_event ev = {.size = sizeof ev, .token = TOK_NONE};
    switch (in->type) {
    case GEN_START: atomic_store(&g->id, in->request_id); return true;
    case GEN_PROMPT_TOKEN: return true;
    case GEN_PROGRESS: ev.type = TARN_EVENT_PROGRESS; break;
    case GEN_TOKEN:
        ev.type = TARN_EVENT_TOKEN;
        ev.token = in->id;
        ev.text = in->text.p;
        ev.text_bytes = in->text.n;
        ev.thinking = in->thinking;
        ev.logprob = in->logprob;
        break;
    case GEN_DONE:
        ev.type = TARN_EVENT_DONE;
        ev.reason = public_reason(in->reason);
        break;
    case GEN_ERROR:
        ev.type = TARN_EVENT_ERROR;
        public_error(&g->error, &in->err);
        ev.error = &g->error;
        break;
    }
    public_counts(in, &ev.counts, &ev.times);
    bool go_on = !g->fn || g->fn(g->ctx, &ev) == 0;
    if (in->type == GEN_DONE || in->type == GEN_ERROR) end_generation(g, &ev);
    return go_on;
}

static int submit(struct tarn_model *m, const int32_t *ids, size_t n,
                  const struct tarn_generate_options *o, struct tarn_generation *g,
                  struct err *e)
{
    struct gen_request r;
    struct span stop[MAX_STOPS];
    uint64_t id;
    gen_request_defaults(&r);
    if (n > INT32_MAX)
        return err_set(e, ERR_CONTEXT, "the prompt has %zu tokens, the context holds %lld", n,
                       (long long)m->opts.n_ctx);
    if (o->n_stop > MAX_STOPS)
        return err_set(e, ERR_USAGE, "there are %zu stop strings, allowed are %d", o->n_stop,
                       MAX_STOPS);
    for (size_t i = 0; i < o->n_stop; i++) stop[i] = span_of(o->stop[i]);
    struct gen_bias *bias = NULL;
    if (in_range("n_bias", (int64_t)size_min(o->n_bias, INT32_MAX), 0, 1024, e)) return -1;
    if (o->n_bias && !(bias = mem_calloc(o->n_bias, sizeof *bias)))
        return err_oom(e, "biases", o->n_bias * sizeof *bias);
    for (size_t i = 0; i < o->n_bias; i++)
        bias[i] = (struct gen_bias){o->bias[i].token, o->bias[i].bias};
    r.prompt = ids;
    r.n_prompt = (int64_t)n;
    r.max_tokens = o->max_tokens;
    r.sampling.temperature = o->temperature;
    r.sampling.top_p = o->top_p;
    r.sampling.min_p = o->min_p;
    r.sampling.typical_p = o->typical_p;
    r.sampling.top_k = o->top_k;
    r.sampling.repeat_penalty = o->repeat_penalty;
    r.sampling.repeat_last_n = o->repeat_last_n;
    r.sampling.presence_penalty = o->presence_penalty;
    r.sampling.frequency_penalty = o->frequency_penalty;
    r.sampling.dry_multiplier = o->dry_multiplier;
    r.sampling.seed = o->seed;
    r.sampling.bias = bias;
    r.sampling.n_bias = (int)o->n_bias;
    r.sampling.n_top = o->logprobs ? 0 : -1;
    r.thinking.starts_inside = o->starts_inside != 0;
    r.thinking.budget = o->think_budget;
    r.thinking.detect_loops = o->detect_loops != 0;
    r.stop = stop;
    r.n_stop = (int)o->n_stop;
    r.ignore_eos = o->ignore_end != 0;
    r.priority = o->priority;
    r.fn = on_event;
    r.ctx = g;
    int rc = engine_submit(m->engine, &r, &id, e);
    if (rc == 0) atomic_store(&g->id, id);
    mem_free(bias);
    return rc;
}

static void free_generation(struct tarn_generation *g)
{
    pthread_mutex_destroy(&g->lock);
    pthread_cond_destroy(&g->ended);
    mem_free(g);
}

int tarn_generate(struct tarn_model *m, const int32_t *ids, size_t n,
                  const struct tarn_generate_options *o, tarn_event_fn fn, void *ctx,
                  struct tarn_generation **out, struct tarn_error *te)
{
    struct err e = {0};
    struct tarn_generate_options mine;
    generate_defaults(&mine, NULL);
    take_struct(&mine, sizeof mine, o);
    *out = NULL;
    struct tarn_generation *g = mem_calloc(1, sizeof *g);
    if (!g) {
        err_oom(&e, "a generation handle", sizeof *g);
        return fail(te, &e);
    }
    g->engine = m->engine;
    g->fn = fn;
    g->ctx = ctx;
    g->result.size = sizeof g->result;
    pthread_mutex_init(&g->lock, NULL);
    pthread_cond_init(&g->ended, NULL);
    *out = g; /* before the first event, so that the callback may cancel */
    if (submit(m, ids, n, &mine, g, &e)) {
        *out = NULL;
        free_generation(g);
        return fail(te, &e);
    }
    return 0;
}

int tarn_wait(struct tarn_generation *g, struct tarn_result *result, struct tarn_error *te)
{
    pthread_mutex_lock(&g->lock);
    while (!g->is_over) pthread_cond_wait(&g->ended, &g->lock);
    if (result) give_struct(result, result->size, &g->result, sizeof g->result);
    if (g->has_failed && te) *te = g->error;
    int rc = g->has_failed ? -1 : 0;
    pthread_mutex_unlock(&g->lock);
    return rc;
}

void tarn_cancel(struct tarn_generation *g)
{
    engine_cancel(g->engine, atomic_load(&g->id));
}

void tarn_end_thinking(struct tarn_generation *g)
{
    engine_end_thinking(g->engine, atomic_load(&g->id));
}

void tarn_release(struct tarn_generation *g)
{
    if (!g) return;
    tarn_cancel(g);
    (void)tarn_wait(g, NULL, NULL);
    free_generation(g);
}
