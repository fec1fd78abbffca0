#include "text/think.h"

#include <string.h>

#include "text/marks.h"

void think_init(struct think *t, const struct vocab *v, bool starts_inside)
{
    *t = (struct think){.state = starts_inside ? THINK_REASONING : THINK_UNDECIDED,
                        .open = TOK_NONE,
                        .close = TOK_NONE,
                        .at_start = true};
    if (!v) return;
    t->open = vocab_special(v)->think_open;
    t->close = vocab_special(v)->think_close;
    if (t->open == TOK_NONE || t->close == TOK_NONE) t->open = t->close = TOK_NONE;
}

static void enter(struct think *t, enum think_state state)
{
    t->state = state;
    t->at_start = true;
    t->n_held = 0;
}

void think_close(struct think *t)
{
    if (t->state != THINK_ANSWER) enter(t, THINK_ANSWER);
}

/* Text of the present part; newlines at its start are dropped. */
static void pass(struct think *t, const char *p, size_t n, struct buf *reasoning,
                 struct buf *answer)
{
    while (t->at_start && n && (*p == '\n' || *p == '\r')) {
        p++;
        n--;
    }
    if (!n) return;
    t->at_start = false;
    buf_add(t->state == THINK_REASONING ? reasoning : answer, p, n);
}

static void release(struct think *t, struct buf *reasoning, struct buf *answer)
{
    char held[sizeof t->held];
    size_t n = t->n_held;
    memcpy(held, t->held, n);
    t->n_held = 0;
    pass(t, held, n, reasoning, answer);
}

/* One byte while it is open whether reasoning or an answer begins. */
static void feed_undecided(struct think *t, char c, bool by_text, struct buf *reasoning,
                           struct buf *answer)
{
    size_t blanks = 0;
    while (blanks < t->n_held && t->held[blanks] == ' ') blanks++;
    size_t of_tag = t->n_held - blanks;
    if (of_tag == 0 && (c == '\n' || c == '\r')) {
        t->n_held = 0;
        return;
    }
    bool fits = t->n_held < sizeof t->held;
    if (of_tag == 0 && c == ' ' && t->n_held < sizeof t->held - sizeof MARK_THINK) {
        t->held[t->n_held++] = c;
        return;
    }
    if (by_text && fits && c == MARK_THINK[of_tag]) {
        t->held[t->n_held++] = c;
        if (of_tag + 1 == strlen(MARK_THINK)) enter(t, THINK_REASONING);
        return;
    }
    t->state = THINK_ANSWER;
    release(t, reasoning, answer);
    pass(t, &c, 1, reasoning, answer);
}

/* Reasoning by text, up to the closing tag; returns how many bytes were used. */
static size_t feed_reasoning(struct think *t, struct span s, struct buf *reasoning,
                             struct buf *answer)
{
    const char *tag = MARK_THINK_END;
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == tag[t->n_held]) {
            t->held[t->n_held++] = s.p[i];
            if (t->n_held < strlen(tag)) continue;
            enter(t, THINK_ANSWER);
            return i + 1;
        }
        /* "<" occurs in the tag only at its start, so nothing held can begin another one. */
        release(t, reasoning, answer);
        if (s.p[i] == tag[0])
            t->held[t->n_held++] = s.p[i];
        else
            pass(t, s.p + i, 1, reasoning, answer);
    }
    return s.n;
}

bool think_feed(struct think *t, tok_id id, struct span text, struct buf *reasoning,
                struct buf *answer)
{
    bool by_text = t->open == TOK_NONE;
    if (!by_text && t->state != THINK_ANSWER && (id == t->open || id == t->close)) {
        if (id == t->close)
            enter(t, THINK_ANSWER);
        else if (t->state == THINK_UNDECIDED)
            enter(t, THINK_REASONING);
        return true;
    }
    size_t i = 0;
    while (i < text.n && t->state == THINK_UNDECIDED)
        feed_undecided(t, text.p[i++], by_text, reasoning, answer);
    if (i < text.n && t->state == THINK_REASONING && by_text)
        i += feed_reasoning(t, (struct span){text.p + i, text.n - i}, reasoning, answer);
    pass(t, text.p + i, text.n - i, reasoning, answer);
    return false;
}

void think_flush(struct think *t, struct buf *reasoning, struct buf *answer)
{
    if (t->state == THINK_UNDECIDED) t->state = THINK_ANSWER;
    release(t, reasoning, answer);
}
