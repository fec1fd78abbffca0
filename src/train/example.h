/* example.h - a conversation as ids with a mask: what the assistant wrote last is learned.
 *
 * The prompt is rendered exactly as it is when a model is asked, so a model that learned from
 * examples meets nothing new. Reasoning belongs to the answer and is learned.
 *
 * Threads: one owner; the options are shared read-only.
 */
#ifndef TRAIN_EXAMPLE_H
#define TRAIN_EXAMPLE_H

#include "text/chat_answer.h"

struct example_form {
    const struct vocab *vocab;
    enum chat_template form;
    struct chat_answer on, off; /* with thinking, and with it turned off */
};

struct example {
    struct tok_list ids;
    size_t prompt; /* ids of the prompt; the rest is the answer */
};

int example_form_init(struct example_form *f, const struct vocab *v, enum chat_template form,
                      struct err *e) must_check;
void example_form_release(struct example_form *f);

/* example_make - msg[n - 1] is the assistant's answer to those before it.
 *
 *   think_off  render the prompt with thinking turned off; only looked at without reasoning
 *   x          written; earlier content is dropped, memory kept
 */
int example_make(struct example *x, const struct example_form *f, const struct chat_msg *msg,
                 size_t n, bool think_off, struct err *e) must_check;
void example_release(struct example *x);

#endif
