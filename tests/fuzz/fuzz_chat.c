/* A conversation made from bytes, through every template: rendering never fails but for tools that
 * are not JSON, marks are in order and inside the text, and control tokens among the ids are
 * exactly the marks: nothing from a message becomes one. */
#include "fuzz_vocab.h"

#include <string.h>

#include "text/chat.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MAX_MSG = 12 };

struct input {
    const uint8_t *p;
    size_t n;
};

static unsigned take(struct input *in)
{
    if (!in->n) return 0;
    in->n--;
    return *in->p++;
}

static struct span take_span(struct input *in)
{
    size_t n = take(in);
    if (n > in->n) n = in->n;
    struct span s = {(const char *)in->p, n};
    in->p += n;
    in->n -= n;
    return s;
}

static void check(bool ok)
{
    if (!ok) abort();
}

/* Of the marks, those the vocabulary has as control tokens. */
static size_t count_marks(const struct chat_prompt *p, const struct vocab *v)
{
    size_t n = 0, end = 0;
    for (size_t i = 0; i < p->n_mark; i++) {
        const struct chat_mark *m = &p->mark[i];
        check(m->at >= end && m->at + m->n <= p->text.len);
        end = m->at + m->n;
        tok_id id = vocab_find(v, (struct span){buf_str(&p->text) + m->at, m->n});
        n += id != TOK_NONE && vocab_tok_kind(v, id) == TOK_CONTROL;
    }
    return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct vocab *v;
    struct input in = {data, size};
    struct chat_msg msg[MAX_MSG] = {0};
    struct chat_call call[MAX_MSG][2];
    struct err e = {0};
    if (!v) v = fuzz_vocab(PRETOK_DEEPSEEK_V3);
    enum chat_template t = (enum chat_template)(take(&in) % (CHAT_LLAMA31 + 1));
    unsigned flags = take(&in);
    struct span tool = take_span(&in);
    struct chat_opts o = {.thinking = (enum chat_thinking)(flags % 3),
                          .effort_max = flags & 4,
                          .add_generation_prompt = flags & 8,
                          .tool = &tool,
                          .n_tool = flags >> 4 & 1};
    size_t n = 0;
    while (in.n && n < MAX_MSG) {
        unsigned kind = take(&in);
        struct chat_msg *m = &msg[n];
        m->role = (enum chat_role)(kind % 5);
        m->content = take_span(&in);
        if (kind & 8) m->reasoning = take_span(&in);
        if (kind & 16) m->tool_call_id = take_span(&in);
        m->n_call = m->role == CHAT_ASSISTANT ? kind >> 5 & 1 ? 1 + (kind >> 6 & 1) : 0 : 0;
        m->call = call[n];
        for (size_t k = 0; k < m->n_call; k++)
            call[n][k] = (struct chat_call){take_span(&in), take_span(&in), take_span(&in)};
        n++;
    }
    if (n && flags & 128 && msg[n - 1].role == CHAT_ASSISTANT) msg[n - 1].prefix = true;
    struct chat_prompt p;
    struct tok_list ids = {0};
    if (chat_render(&p, t, msg, n, &o, &e)) {
        check(o.n_tool);
    } else {
        size_t n_mark = count_marks(&p, v), n_control = 0;
        if (chat_prompt_ids(&p, v, &ids, &e)) {
            check(e.code == ERR_UNSUPPORTED);
        } else {
            for (size_t i = 0; i < ids.n; i++)
                n_control += vocab_tok_kind(v, ids.id[i]) == TOK_CONTROL;
            check(n_mark == n_control);
        }
    }
    tok_list_release(&ids);
    chat_prompt_release(&p);
    return 0;
}
