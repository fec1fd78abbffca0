/* api_completions.c - POST /completions: raw text, token ids, several prompts, scoring, fill in
 * the middle. */
#include <stdio.h>

#include "base/err.h"
#include "base/mem.h"
#include "serve/emit.h"
#include "serve/generate.h"
#include "serve/msgs.h"
#include "serve/render.h"
#include "serve/router.h"
#include "serve/serve_int.h"

enum { MAX_PROMPTS = 2048 };

static int read_ids(struct ask *k, const json_t *v, const char *path, struct ask_prompt *p,
                    struct api_err *a)
{
    int64_t n_vocab = model_n_vocab(k->model);
    size_t n = json_array_size(v);
    tok_id *id = ask_alloc(k, n * sizeof *id, a);
    if (!id) return -1;
    for (size_t i = 0; i < n; i++) {
        const json_t *t = json_array_get(v, i);
        int64_t x = json_is_integer(t) ? json_integer_value(t) : -1;
        if (x < 0 || x >= n_vocab) {
            char at[128];
            snprintf(at, sizeof at, "%.80s[%zu]", path, i);
            return api_fail(a, 400, "invalid_parameter", at,
                            "%s is not a token id of this model (0 to %lld)", at,
                            (long long)n_vocab - 1);
        }
        id[i] = (tok_id)x;
    }
    *p = (struct ask_prompt){.id = id, .n_id = n, .is_ids = true};
    return 0;
}

static int read_one(struct ask *k, const json_t *v, const char *path, struct ask_prompt *p,
                    struct api_err *a)
{
    if (json_is_string(v)) {
        *p = (struct ask_prompt){.text = json_span(v)};
        return 0;
    }
    if (json_is_array(v)) return read_ids(k, v, path, p, a);
    return api_fail(a, 400, "invalid_type", path,
                    "%s is %s; a string or an array of token ids is needed", path,
                    json_kind(v));
}

static int read_prompts(struct ask *k, struct api_err *a)
{
    const json_t *v = k->b.prompt;
    bool many =
        json_is_array(v) && json_array_size(v) && !json_is_integer(json_array_get(v, 0));
    k->n_prompt = many ? json_array_size(v) : 1;
    if (k->n_prompt > MAX_PROMPTS)
        return api_fail(a, 400, "invalid_parameter", "prompt",
                        "%zu prompts, at most %d are possible", k->n_prompt, MAX_PROMPTS);
    k->prompt = ask_alloc(k, k->n_prompt * sizeof *k->prompt, a);
    if (!k->prompt) return -1;
    if (!many) return read_one(k, v, "prompt", &k->prompt[0], a);
    for (size_t i = 0; i < k->n_prompt; i++) {
        char path[48];
        snprintf(path, sizeof path, "prompt[%zu]", i);
        if (read_one(k, json_array_get(v, i), path, &k->prompt[i], a)) return -1;
    }
    return 0;
}

static int tokens_of(struct ask *k, const struct ask_prompt *p, struct tok_list *out,
                     struct api_err *a)
{
    struct err e = {0};
    const struct engine_iface *en = k->model->engine;
    const struct vocab *v = en->vocab(en->self);
    int rc = 0;
    if (k->suffix.p && k->suffix.n) {
        rc = render_fim(k->model->render, p->text, k->suffix, out, &e);
    } else if (p->is_ids) {
        for (size_t i = 0; rc == 0 && i < p->n_id; i++) rc = tok_list_add(out, p->id[i], &e);
    } else {
        rc = vocab_encode(v, p->text, true, true, out, &e);
        /* An empty prompt still needs a token to begin with. */
        const struct vocab_special *sp = vocab_special(v);
        if (rc == 0 && out->n == 0)
            rc = tok_list_add(out, sp->bos != TOK_NONE ? sp->bos : sp->eos, &e);
    }
    if (rc == 0) return 0;
    api_from_err(a, &e);
    if (e.code == ERR_UNSUPPORTED) snprintf(a->param, sizeof a->param, "suffix");
    return -1;
}

void api_completions(struct serve *s, struct http_req *r, const struct caller *c)
{
    struct api_err a;
    struct gen_sink sink;
    struct gen_input *in = NULL;
    size_t n = 0;
    char id[48];
    struct ask *k = ask_create(&a);
    if (!k || ask_read(k, http_body(r), &body_completions, &a) ||
        ask_model(k, s, c, false, &a) || ask_common(k, &s->limits, false, &a) ||
        read_prompts(k, &a))
        goto fail;
    n = k->n_prompt;
    in = mem_calloc(n, sizeof *in);
    if (!in) {
        api_fail(&a, 503, "insufficient_memory", NULL, "no memory for the request");
        goto fail;
    }
    for (size_t i = 0; i < n; i++)
        if (tokens_of(k, &k->prompt[i], &in[i].prompt, &a)) goto fail;
    gen_new_id("cmpl-", id);
    if (emit_completions(&sink, s, k, id, in, n, &a)) goto fail;
    gen_run(s, r, k, in, n, &sink, id, c->route->name);
    return;
fail:
    if (in) gen_input_free(in, n);
    ask_free(k);
    api_err_reply(r, &a, STYLE_OPENAI);
}
