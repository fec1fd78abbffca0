/* chat_answer.h - what the assistant writes after a prompt, as ids: the part a model learns.
 *
 * A prompt of chat_render ends where the assistant begins, for some templates inside the thinking.
 * What follows has one form per template:
 *
 *   after a prompt that ends inside      reasoning CLOSE content END
 *   after another one                    LEAD OPEN reasoning CLOSE content END, or
 *                                        LEAD content END
 *
 * The pieces are not written down a second time: they are found by rendering a short conversation
 * with the very functions that make prompts, the last message being one to go on from. A template
 * without a form for reasoning gets R1's: <think>\n ... \n</think>\n\n.
 *
 * Prompt and answer are encoded apart, as they are when a model answers.
 *
 * Threads: a finished form is read-only.
 */
#ifndef TEXT_CHAT_ANSWER_H
#define TEXT_CHAT_ANSWER_H

#include "text/chat.h"

struct chat_answer {
    struct chat_prompt lead, open, close, end;
    bool inside; /* the template's prompts end inside the thinking */
};

int chat_answer_init(struct chat_answer *a, enum chat_template t, enum chat_thinking thinking,
                     struct err *e) must_check;
void chat_answer_release(struct chat_answer *a);

/* chat_answer_ids - appends the ids of an answer, its end of turn included.
 *
 *   inside  starts_inside_thinking of the prompt it follows. Where a template opens no thinking (V3.1
 *           behind tool results) the reasoning is left out.
 */
int chat_answer_ids(const struct chat_answer *a, const struct vocab *v, bool inside,
                    struct span reasoning, struct span content, struct tok_list *out,
                    struct err *e) must_check;

/* Splits "<think>reasoning</think>content" at its first </think>, newlines around both dropped. False
 * when there is none: then content is the whole text. */
bool chat_answer_split(struct span text, struct span *reasoning, struct span *content);

#endif
