/* emit.h - the formats an answer is written in: sinks for generate.h, one per API.
 *
 * Each has a create function that fills a gen_sink; the sink owns its memory (gen frees it by
 * release). The writers format JSON directly: the shapes are fixed, and every text passes
 * buf_add_json.
 */
#ifndef SERVE_EMIT_H
#define SERVE_EMIT_H

#include "serve/generate.h"

struct serve;

struct emit_common { /* what every format repeats */
    char id[48];
    char model[128];
    char fingerprint[24];
    int64_t created;
    const struct ask *k;
    const struct vocab *vocab;
    int64_t reasoning_ms;
};

enum reasoning_field { REASONING_CONTENT, REASONING_PLAIN, REASONING_BOTH };

/* 0, or -1 with *a filled. The ask must outlive the sink, which it does inside gen. */
int emit_chat(struct gen_sink *sink, const struct serve *s, const struct ask *k, const char *id,
              const struct gen_input *in, struct api_err *a) must_check;
int emit_completions(struct gen_sink *sink, const struct serve *s, const struct ask *k,
                     const char *id, const struct gen_input *in, size_t n,
                     struct api_err *a) must_check;
int emit_responses(struct gen_sink *sink, const struct serve *s, const struct ask *k,
                   const char *id, struct api_err *a) must_check;
int emit_messages(struct gen_sink *sink, const struct serve *s, const struct ask *k,
                  const char *id, int64_t n_prompt, struct api_err *a) must_check;

void emit_common_init(struct emit_common *c, const struct serve *s, const struct ask *k,
                      const char *id);
/* A float as the shortest decimal that reads back as the same float; -9999.0 for what is not a
 * finite number. */
void emit_logprob(struct buf *out, float v);
/* {"token","logprob","bytes","top_logprobs":[...]} objects, separated by commas. */
void emit_chat_logprobs(struct buf *out, const struct vocab *v, const struct gen_lp *lp,
                        size_t n, int n_top);
/* ,"timings":{...} */
void emit_timings(struct buf *out, const struct gen_end *end);
/* ,"NAME":[ids] */
void emit_ids(struct buf *out, const char *name, const tok_id *id, size_t n);
/* "usage":{...} in the OpenAI/DeepSeek form. */
void emit_usage(struct buf *out, const struct gen_usage *u);

#endif
