#include "train/example.h"

#include "base/err.h"

int example_form_init(struct example_form *f, const struct vocab *v, enum chat_template form,
                      struct err *e)
{
    *f = (struct example_form){.vocab = v, .form = form};
    if (chat_answer_init(&f->on, form, CHAT_THINK_ON, e)) return -1;
    if (chat_answer_init(&f->off, form, CHAT_THINK_OFF, e)) {
        chat_answer_release(&f->on);
        return -1;
    }
    return 0;
}

void example_form_release(struct example_form *f)
{
    chat_answer_release(&f->on);
    chat_answer_release(&f->off);
}

int example_make(struct example *x, const struct example_form *f, const struct chat_msg *msg,
                 size_t n, bool think_off, struct err *e)
{
    bool inside;
    if (n < 2 || msg[n - 1].role != CHAT_ASSISTANT)
        return err_set(e, ERR_FORMAT,
                       "the conversation does not end with an assistant's answer");
    struct span reasoning = msg[n - 1].reasoning, content = msg[n - 1].content;
    if (!reasoning.n) chat_answer_split(msg[n - 1].content, &reasoning, &content);
    bool off = think_off && !reasoning.n;
    struct chat_opts o = {.thinking = off ? CHAT_THINK_OFF : CHAT_THINK_ON,
                          .add_generation_prompt = true};
    x->ids.n = 0;
    if (chat_render_ids(f->vocab, f->form, msg, n - 1, &o, &x->ids, &inside, e)) return -1;
    x->prompt = x->ids.n;
    return chat_answer_ids(off ? &f->off : &f->on, f->vocab, inside, reasoning, content,
                           &x->ids, e);
}

void example_release(struct example *x)
{
    tok_list_release(&x->ids);
}
