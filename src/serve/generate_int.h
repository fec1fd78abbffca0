/* generate_int.h - the inside of a generating request, shared by generate.c (admission, engine, HTTP) and
 * generate_read.c (records to pieces). */
#ifndef SERVE_GENERATE_INT_H
#define SERVE_GENERATE_INT_H

#include <pthread.h>
#include <stdatomic.h>

#include "serve/generate.h"
#include "serve/render.h"
#include "serve/serve_int.h"

enum rec_type { REC_TOKEN, REC_PROGRESS, REC_DONE, REC_ERROR };

struct rec { /* followed by n_top alternatives and n_text bytes, padded to 8 */
    uint8_t type;
    bool thinking, prompt;
    int32_t choice;
    tok_id id;
    float logprob;
    uint32_t n_top, n_text;
};

struct gpart { /* one prompt of the request */
    struct gen *g;
    size_t index;
    uint64_t engine_id;
    bool submitted, ended;
    int n_done;
    int64_t hit, miss; /* so far */
};

struct gchoice {
    /* engine side, under the lock */
    bool done;
    enum gen_reason reason;
    struct gen_counts counts;
    struct gen_times times;
    char stop_string[256];
    size_t n_stop;
    /* consumer side */
    struct reply_parser *parser;
    int n_call;
    bool skip_calls, ended, had_text;
    char call_id[64];
    char call_name[128];
    struct buf reasoning, args; /* of this turn and its latest call, for the replay memory */
};

struct gen {
    struct serve *s;
    struct gen *next, *prev; /* s->gens, under s->lock */
    pthread_mutex_t lock;    /* guards what the engine, io and watcher threads share */
    int refs;
    struct http_req *req; /* NULL after its release */
    struct ask *k;
    struct gen_input *in;
    struct gpart *part;
    size_t n_part, next_part;
    int in_flight;
    struct gchoice *choice; /* n_part * k->n */
    size_t n_choice, n_done;
    struct gen_sink sink;
    struct model_slot *m;
    const struct engine_iface *en;
    const struct vocab *vocab;
    const struct render *render;
    char id[48];
    char route[48];
    int64_t key_id;
    struct meter_run *run;
    struct usage_counts sum;
    bool admitted, counted_waiting, began, got_first; /* began: the engine took it up */
    bool cancelled, failed, gone, closed;
    const char *cancel_reason;
    struct api_err fail;
    struct gen_counts progress;
    int64_t start_ns, first_ns, last_ns, begin_ns;

    struct buf fresh; /* records of the engine thread */
    bool is_stream;
    bool sent_headers, want_keep_alive, work_queued;
    bool body_ready;
    struct buf body; /* of a plain answer whose headers are out already */
    int64_t last_out_ns;

    /* consumer only */
    struct buf records;
    bool started, finished;
    size_t n_ended;
    struct gen_piece pend; /* the piece being merged */
    bool has_pend;
    struct buf pend_text;
    struct gen_lp *lp;
    size_t n_lp, lp_size;
    struct gen_alt *alt;
    size_t n_alt, alt_size;
    struct tok_list ids;
};

/* Turns the records into the sink's bytes. True when every choice has ended or the request
 * failed, and the sink wrote its last bytes. */
bool gen_consume(struct gen *g, struct buf *out);
void gen_usage_of(struct gen *g, struct gen_usage *u);
const char *gen_finish_reason(const struct gen *g, const struct gchoice *c);

#endif
