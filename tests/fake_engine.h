/* fake_engine.h - an engine that thinks nothing: it speaks the events of engine/event.h by a script
 * that stands in the prompt. For tests of the server, without weights.
 *
 * A prompt may hold directives; the last of each kind counts (calls add up):
 *
 *   [[think:TEXT]] [[say:TEXT]] [[raw:TEXT]]   reasoning, answer, answer with special tokens
 *   [[call:NAME|JSON]]                         a tool call in the tarn template's markup
 *   [[after:TEXT]]                             the answer instead, once results of calls are there
 *   [[tokens:N]]                               an answer of N words
 *   [[stamp:N]]                                N tokens that say when they were made (ns)
 *   [[delay:MS]] [[prefill:MS]]                time per token; time of the prompt
 *   [[error:N]]                                fails after N tokens
 *
 * Prefixes of earlier prompts of the same cache group count as cached.
 */
#ifndef TESTS_FAKE_ENGINE_H
#define TESTS_FAKE_ENGINE_H

#include "engine/request.h"

struct fake_engine;

struct fake_opts {
    int64_t n_ctx;   /* 0: 32768 */
    int n_parallel;  /* 0: no limit */
    int n_queue;     /* 0: 64; counts those that wait beyond n_parallel */
    double delay_ms; /* per token, unless the script says otherwise */
};

struct fake_engine *fake_engine_open(const struct fake_opts *o);
void fake_engine_close(struct fake_engine *f);
struct engine_iface *fake_engine_iface(struct fake_engine *f);
/* Tokens produced so far, over all requests: what must be billed. */
int64_t fake_engine_produced(struct fake_engine *f);
int fake_engine_running(struct fake_engine *f);

#endif
