/* feed_examples.c - records of JSON lines as training sequences.
 *
 * A record is one of
 *
 *   {"messages": [{"role": "user", "content": ...}, {"role": "assistant", "content": ...,
 *                 "reasoning": ...}, ...]}     one sequence for each turn of the assistant
 *   {"prompt": ..., "response": ...}           the response may hold <think>...</think>
 *   {"prompt": ..., "think": ..., "answer": ...}    "chain" is another word for think; with "task",
 *                                              as `tarn task` prints them, the answer gets
 *                                              <answer> tags
 *   {"question": ..., "answer": "... #### 72"}      GSM8K: what stands before #### is the chain
 *   {"messages": [...], "chosen": ..., "rejected": ...}    a preference: the chosen answer is learned, with
 *                                              "chosen_reasoning" in front; also with "prompt"
 *   {"text": ...}                              plain text, all of it learned, cut where it is long
 *
 * "reasoning_content" is another word for "reasoning", "completion" for "response", "system" may
 * stand beside "prompt".
 *
 * A record that is none of these, or longer than a sequence may be, is skipped and counted; the
 * first bad ones are logged with file and line. With `strict` they stop the run.
 *
 * Records are shuffled anew in every epoch. The place is (epoch, record's turn, part of it): the
 * message from which the next answer is looked for, or the piece of a plain text.
 */
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/rng.h"
#include "base/size.h"
#include "text/vocab.h"
#include "train/example.h"
#include "train/feed.h"
#include "train/text_file.h"

enum { MAX_TURN = 256, SHOWN_BAD = 5 };

struct record {
    uint64_t at;
    uint32_t n, line;
};

struct examples {
    struct feed f;
    struct feed_opts o;
    char *path;
    struct text_file file;
    struct example_form form;
    struct record *record; /* (n), in the order of the file */
    uint32_t *order;       /* of the epoch */
    size_t n;
    int64_t order_epoch, epoch, turn, part;
    int64_t bad, too_long;
    /* The record whose turn it is. */
    bool loaded;
    json_t *json;
    struct chat_msg msg[MAX_TURN];
    size_t n_msg;
    struct buf answer;
    struct span text; /* of a plain record */
    bool plain;
    size_t answer_at; /* the message that x teaches */
    size_t from;      /* plain: first id of the piece */
    bool ready;       /* x holds the present part */
    struct example x;
    unsigned char *learn;
    size_t learn_room;
};

/* ---- reading records ----------------------------------------------------------------------- */

static struct span text_of(const json_t *o, const char *key, const char *other)
{
    const json_t *v = json_object_get(o, key);
    if (!json_is_string(v) && other) v = json_object_get(o, other);
    if (!json_is_string(v)) return (struct span){NULL, 0};
    return (struct span){json_string_value(v), json_string_length(v)};
}

static int read_role(const json_t *m, enum chat_role *out, struct err *e)
{
    static const char *const name[] = {"system", "developer", "user", "assistant", "tool"};
    struct span r = text_of(m, "role", NULL);
    for (size_t i = 0; i < countof(name); i++)
        if (r.p && span_is(r, name[i])) {
            *out = (enum chat_role)i;
            return 0;
        }
    return err_set(e, ERR_FORMAT, "a message's role is \"%.*s\"", (int)size_min(r.n, 40),
                   r.p ? r.p : "");
}

/* `last`: a further answer, or one without text. */
static int read_messages(struct examples *x, const json_t *list, const struct chat_msg *last,
                         struct err *e)
{
    size_t n = json_array_size(list), answers = 0;
    if (n + 1 > MAX_TURN) return err_set(e, ERR_LIMIT, "more than %d messages", MAX_TURN);
    for (size_t i = 0; i < n; i++) {
        const json_t *m = json_array_get(list, i);
        struct chat_msg *to = &x->msg[i];
        *to = (struct chat_msg){.content = text_of(m, "content", NULL),
                                .reasoning = text_of(m, "reasoning", "reasoning_content")};
        if (read_role(m, &to->role, e)) return -1;
        if (!to->content.p) return err_set(e, ERR_FORMAT, "message %zu has no content", i + 1);
        answers += to->role == CHAT_ASSISTANT && i > 0;
    }
    if (last->content.p) {
        x->msg[n++] = *last;
        answers++;
    }
    x->n_msg = n;
    return answers ? 0 : err_set(e, ERR_FORMAT, "messages: no answer of the assistant");
}

static struct span without_newline(struct span s)
{
    while (s.n && (s.p[s.n - 1] == '\n' || s.p[s.n - 1] == ' ')) s.n--;
    return s;
}

/* System and question, then an answer as it stands or with a chain in front. */
static int set_pair(struct examples *x, struct span prompt, struct span reasoning,
                    struct span content, bool tags, struct err *e)
{
    struct span system = text_of(x->json, "system", NULL);
    size_t n = 0;
    buf_clear(&x->answer);
    if (tags) {
        buf_add_str(&x->answer, "<answer>");
        buf_add_span(&x->answer, content);
        buf_add_str(&x->answer, "</answer>");
        content = buf_span(&x->answer);
    }
    if (system.n) x->msg[n++] = (struct chat_msg){.role = CHAT_SYSTEM, .content = system};
    x->msg[n++] = (struct chat_msg){.role = CHAT_USER, .content = prompt};
    x->msg[n++] = (struct chat_msg){
        .role = CHAT_ASSISTANT, .reasoning = without_newline(reasoning), .content = content};
    x->n_msg = n;
    return buf_ok(&x->answer, "an answer", e);
}

static int read_gsm(struct examples *x, struct span question, struct span answer, struct err *e)
{
    size_t at = span_find(answer, 0, span_of("####"));
    if (at == (size_t)-1) return set_pair(x, question, (struct span){0}, answer, false, e);
    struct span last = {answer.p + at + 4, answer.n - at - 4};
    while (last.n && last.p[0] == ' ') last = (struct span){last.p + 1, last.n - 1};
    return set_pair(x, question, (struct span){answer.p, at}, without_newline(last), true, e);
}

static int read_record(struct examples *x, struct err *e)
{
    const json_t *o = x->json;
    x->plain = false;
    if (!json_is_object(o)) return err_set(e, ERR_FORMAT, "not a JSON object");
    const json_t *messages = json_object_get(o, "messages");
    struct span prompt = text_of(o, "prompt", NULL), question = text_of(o, "question", NULL),
                response = text_of(o, "response", "completion"),
                answer = text_of(o, "answer", NULL), text = text_of(o, "text", NULL);
    const struct chat_msg chosen = {.role = CHAT_ASSISTANT,
                                    .content = text_of(o, "chosen", NULL),
                                    .reasoning = text_of(o, "chosen_reasoning", NULL)};
    if (json_is_array(messages)) return read_messages(x, messages, &chosen, e);
    if (prompt.p && chosen.content.p)
        return set_pair(x, prompt, chosen.reasoning, chosen.content, false, e);
    if (prompt.p && response.p)
        return set_pair(x, prompt, (struct span){0}, response, false, e);
    if (prompt.p && answer.p)
        return set_pair(x, prompt, text_of(o, "think", "chain"), answer,
                        json_object_get(o, "task") != NULL, e);
    if (question.p && answer.p) return read_gsm(x, question, answer, e);
    if (text.n) {
        x->plain = true;
        x->text = text;
        return 0;
    }
    return err_set(e, ERR_FORMAT,
                   "none of: messages; prompt and response, answer or chosen; text");
}

/* ---- one record's turn --------------------------------------------------------------------- */

static void shuffle(struct examples *x)
{
    struct rng r = rng_init(x->o.seed, (uint64_t)x->epoch);
    if (x->order_epoch == x->epoch) return;
    for (size_t i = 0; i < x->n; i++) x->order[i] = (uint32_t)i;
    for (size_t i = x->n; i > 1; i--) {
        size_t k = (size_t)rng_below(&r, i);
        uint32_t t = x->order[i - 1];
        x->order[i - 1] = x->order[k];
        x->order[k] = t;
    }
    x->order_epoch = x->epoch;
}

static const struct record *present(const struct examples *x)
{
    return &x->record[x->order[x->turn]];
}

static void forget(struct examples *x)
{
    json_decref(x->json);
    x->json = NULL;
    x->loaded = x->ready = false;
}

static void next_record(struct examples *x)
{
    forget(x);
    x->part = 0;
    if (++x->turn < (int64_t)x->n) return;
    x->turn = 0;
    x->epoch++;
}

static int say_where(const struct examples *x, struct err *e)
{
    return err_wrap(e, "%s:%u", x->path, present(x)->line);
}

/* A record that gives nothing: counted, or the end of a strict run. */
static int skip_bad(struct examples *x, struct err *e)
{
    if (e->code == ERR_MEMORY || x->o.strict) return say_where(x, e);
    if (x->bad++ < SHOWN_BAD)
        log_warn("data", "%s:%u: skipped: %s", x->path, present(x)->line, e->msg);
    err_clear(e);
    next_record(x);
    return 0;
}

static int skip_long(struct examples *x, size_t n, struct err *e)
{
    if (x->o.strict) {
        err_set(e, ERR_LIMIT, "%zu ids, a sequence may have %zu", n, x->o.seq_rows + 1);
        return say_where(x, e);
    }
    x->too_long++;
    return 0;
}

static int load(struct examples *x, struct err *e)
{
    const struct record *r = present(x);
    struct span line = {x->file.text.p + r->at, r->n};
    x->json = json_parse(line, "a record", e);
    if (!x->json || read_record(x, e)) return skip_bad(x, e);
    if (x->plain) {
        x->x.ids.n = 0;
        if (vocab_encode(x->o.vocab, x->text, false, false, &x->x.ids, e) ||
            tok_list_add(&x->x.ids, vocab_special(x->o.vocab)->eos, e))
            return -1;
    }
    x->loaded = true;
    return 0;
}

/* ---- parts --------------------------------------------------------------------------------- */

static int mark(struct examples *x, struct err *e)
{
    size_t n = x->x.ids.n;
    if (n > x->learn_room) {
        mem_free(x->learn);
        x->learn = mem_alloc(n);
        x->learn_room = x->learn ? n : 0;
        if (!x->learn) return err_oom(e, "a mask", n);
    }
    memset(x->learn, x->o.learn_prompts, x->x.prompt);
    memset(x->learn + x->x.prompt, 1, n - x->x.prompt);
    return 0;
}

/* The next answer of a conversation, or the next record. */
static int next_answer(struct examples *x, struct err *e)
{
    size_t i = size_max((size_t)x->part, 1);
    while (i < x->n_msg && x->msg[i].role != CHAT_ASSISTANT) i++;
    if (i >= x->n_msg) {
        next_record(x);
        return 0;
    }
    struct rng off = rng_init(x->o.seed ^ 0x6f6666, (uint64_t)present(x)->at + i);
    if (example_make(&x->x, &x->form, x->msg, i + 1, rng_f64(&off) < x->o.think_off, e))
        return skip_bad(x, e);
    x->answer_at = i;
    if (x->x.ids.n - 1 > x->o.seq_rows) {
        x->part = (int64_t)i + 1;
        return skip_long(x, x->x.ids.n, e);
    }
    x->ready = true;
    return mark(x, e);
}

/* The next piece of a plain text, or the next record. */
static void next_piece(struct examples *x)
{
    x->ready = (uint64_t)x->part <= x->x.ids.n / x->o.seq_rows;
    if (x->ready) {
        x->from = (size_t)x->part * x->o.seq_rows;
        x->ready = x->from + 1 < x->x.ids.n;
    }
    if (!x->ready) next_record(x);
}

/* Brings the part that the place names into x. */
static int reach(struct examples *x, struct err *e)
{
    int64_t since = x->epoch;
    while (!x->ready) {
        if (x->epoch > since + 1)
            return err_set(e, ERR_FORMAT,
                           "%s: no record can be learned from (%lld bad, %lld too long)",
                           x->path, (long long)x->bad, (long long)x->too_long);
        shuffle(x);
        if (!x->loaded && load(x, e)) return -1;
        if (!x->loaded) continue;
        if (x->plain)
            next_piece(x);
        else if (next_answer(x, e))
            return -1;
    }
    return 0;
}

static int examples_peek(struct feed *f, size_t most, struct feed_seq *out, struct err *e)
{
    struct examples *x = (struct examples *)f;
    (void)most;
    if (reach(x, e)) return -1;
    if (x->plain)
        *out = (struct feed_seq){x->x.ids.id + x->from, NULL,
                                 size_min(x->x.ids.n - x->from, x->o.seq_rows + 1)};
    else
        *out = (struct feed_seq){x->x.ids.id, x->learn, x->x.ids.n};
    return 0;
}

static int examples_take(struct feed *f, size_t rows, struct err *e)
{
    struct examples *x = (struct examples *)f;
    (void)rows;
    (void)e;
    x->part = x->plain ? x->part + 1 : (int64_t)x->answer_at + 1;
    x->ready = false;
    return 0;
}

static json_t *examples_place(const struct feed *f)
{
    const struct examples *x = (const struct examples *)f;
    return json_pack("{s:I, s:I, s:I}", "epoch", (json_int_t)x->epoch, "record",
                     (json_int_t)x->turn, "part", (json_int_t)x->part);
}

static int examples_seek(struct feed *f, const json_t *place, struct err *e)
{
    struct examples *x = (struct examples *)f;
    forget(x);
    if (json_get_i64(place, "epoch", 0, INT64_MAX, &x->epoch, f->name, e) ||
        json_get_i64(place, "record", 0, INT64_MAX, &x->turn, f->name, e) ||
        json_get_i64(place, "part", 0, INT64_MAX, &x->part, f->name, e))
        return -1;
    if (x->turn < (int64_t)x->n) return 0;
    return err_set(e, ERR_FORMAT, "%s: the checkpoint's place is not in this data", x->path);
}

static void examples_counts(const struct feed *f, struct feed_counts *out)
{
    const struct examples *x = (const struct examples *)f;
    *out = (struct feed_counts){.records = (int64_t)x->n,
                                .tokens = -1,
                                .epoch = x->epoch,
                                .skipped_bad = x->bad,
                                .skipped_long = x->too_long};
}

static void examples_close(struct feed *f)
{
    struct examples *x = (struct examples *)f;
    forget(x);
    text_file_close(&x->file);
    example_release(&x->x);
    example_form_release(&x->form);
    buf_release(&x->answer);
    mem_free(x->learn);
    mem_free(x->record);
    mem_free(x->order);
    mem_free(x->path);
    mem_free(x);
}

/* ---- opening ------------------------------------------------------------------------------- */

static int index_records(struct examples *x, struct err *e)
{
    size_t at = 0, line_no = 0, room = 0;
    struct span line;
    while (text_line(x->file.text, &at, &line_no, &line)) {
        if (line.n == 0) continue;
        if (x->n == room) {
            size_t size = room ? 2 * room : 1024;
            struct record *r = mem_realloc(x->record, room * sizeof *r, size * sizeof *r);
            if (!r) return err_oom(e, "an index of records", size * sizeof *r);
            x->record = r;
            room = size;
        }
        if (line.n > UINT32_MAX || line_no > UINT32_MAX)
            return err_set(e, ERR_LIMIT, "%s:%zu: a line of more than 4 GB", x->path, line_no);
        x->record[x->n++] = (struct record){(uint64_t)(line.p - x->file.text.p),
                                            (uint32_t)line.n, (uint32_t)line_no};
    }
    if (x->n == 0) return err_set(e, ERR_FORMAT, "%s: there are no records", x->path);
    x->order = mem_alloc(x->n * sizeof *x->order);
    return x->order ? 0 : err_oom(e, "an order of records", x->n * sizeof *x->order);
}

int feed_examples(struct feed **out, const char *path, const struct feed_opts *o, struct err *e)
{
    static const struct feed_kind kind = {examples_peek, examples_take,   examples_place,
                                          examples_seek, examples_counts, examples_close};
    *out = NULL;
    struct examples *x = mem_calloc(1, sizeof *x);
    if (!x) return err_oom(e, "examples", sizeof *x);
    x->f = (struct feed){.kind = &kind,
                         .name = o->name,
                         .whole = true,
                         .n_vocab = (uint32_t)vocab_size(o->vocab),
                         .doc_end = (uint32_t)vocab_special(o->vocab)->eos};
    x->o = *o;
    x->order_epoch = -1;
    x->file.map.fd = -1;
    buf_init(&x->answer, 1 << 26);
    x->path = mem_strdup(path);
    int rc = x->path ? 0 : err_oom(e, "a file name", 256);
    if (rc == 0) rc = text_file_open(&x->file, path, e);
    if (rc == 0) rc = index_records(x, e);
    if (rc == 0) rc = example_form_init(&x->form, o->vocab, o->form, e);
    if (rc) {
        examples_close(&x->f);
        return -1;
    }
    *out = &x->f;
    return 0;
}
