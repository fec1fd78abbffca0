#include "text/chat_answer.h"

#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "text/marks.h"

enum { MAX_ANSWER = 1 << 26 };

/* Stand-ins for the texts of a probe: bytes no template writes or trims. */
#define ASKED    "\x03"
#define REASONED "\x01"
#define ANSWERED "\x02"

static const size_t nowhere = (size_t)-1;

/* ---- pieces -------------------------------------------------------------------------------- */

static void piece_init(struct chat_prompt *p)
{
    *p = (struct chat_prompt){0};
    buf_init(&p->text, MAX_ANSWER);
}

static int add_mark(struct chat_prompt *p, struct chat_mark m, struct err *e)
{
    if (p->n_mark == p->mark_size) {
        size_t size = p->mark_size ? 2 * p->mark_size : 8;
        struct chat_mark *grown =
            mem_realloc(p->mark, p->n_mark * sizeof *grown, size * sizeof *grown);
        if (!grown) return err_oom(e, "marks of an answer", size * sizeof *grown);
        p->mark = grown;
        p->mark_size = size;
    }
    p->mark[p->n_mark++] = m;
    return 0;
}

/* Bytes [from, to) of a rendered text behind what `p` has, marks included. */
static int add_piece(struct chat_prompt *p, const struct chat_prompt *of, size_t from,
                     size_t to, struct err *e)
{
    size_t at = p->text.len;
    for (size_t i = 0; i < of->n_mark; i++) {
        struct chat_mark m = of->mark[i];
        if (m.at < from || m.at + m.n > to) continue;
        m.at = m.at - from + at;
        if (add_mark(p, m, e)) return -1;
    }
    buf_add(&p->text, of->text.data + from, to - from);
    return buf_ok(&p->text, "an answer's form", e);
}

static int add_whole(struct chat_prompt *p, const struct chat_prompt *of, struct err *e)
{
    return of->text.len || of->n_mark ? add_piece(p, of, 0, of->text.len, e) : 0;
}

/* Text that is one mark. */
static int add_lit(struct chat_prompt *p, const char *mark, const char *after, struct err *e)
{
    struct chat_mark m = {p->text.len, strlen(mark), CHAT_MARK_OPTIONAL};
    buf_add_str(&p->text, mark);
    buf_add_str(&p->text, after);
    return add_mark(p, m, e) ? -1 : buf_ok(&p->text, "an answer's form", e);
}

/* ---- probing ------------------------------------------------------------------------------- */

struct probe {
    struct chat_prompt prompt, plain, thought, turn;
};

static int render_probe(struct probe *p, enum chat_template t, enum chat_thinking thinking,
                        struct err *e)
{
    struct chat_opts o = {.thinking = thinking, .add_generation_prompt = true};
    struct chat_msg m[2] = {
        {.role = CHAT_USER, .content = span_of(ASKED)},
        {.role = CHAT_ASSISTANT, .content = span_of(ANSWERED), .prefix = true},
    };
    if (chat_render(&p->prompt, t, m, 1, &o, e) || chat_render(&p->plain, t, m, 2, &o, e))
        return -1;
    m[1].reasoning = span_of(REASONED);
    if (chat_render(&p->thought, t, m, 2, &o, e)) return -1;
    m[1].reasoning = (struct span){0};
    m[1].prefix = false;
    return chat_render(&p->turn, t, m, 2, &o, e);
}

static bool goes_on(const struct chat_prompt *all, const struct chat_prompt *begin)
{
    return all->text.len >= begin->text.len &&
           (begin->text.len == 0 ||
            memcmp(all->text.data, begin->text.data, begin->text.len) == 0);
}

static size_t place(const struct chat_prompt *p, size_t from, const char *what)
{
    return span_find(buf_span(&p->text), from, span_of(what));
}

/* The end of a turn: what stands behind the content, up to its first mark. */
static int find_end(struct chat_answer *a, const struct chat_prompt *turn, struct err *e)
{
    size_t at = 0, from = 0;
    while ((at = place(turn, from, ANSWERED)) != nowhere) from = at + 1;
    for (size_t i = 0; i < turn->n_mark; i++)
        if (turn->mark[i].at >= from)
            return add_piece(&a->end, turn, from, turn->mark[i].at + turn->mark[i].n, e);
    /* raw: the vocabulary's own end */
    return add_mark(&a->end, (struct chat_mark){0, 0, CHAT_MARK_EOS}, e);
}

static int find_thinking(struct chat_answer *a, const struct probe *p, struct err *e)
{
    size_t n = p->prompt.text.len, r = nowhere, c = nowhere;
    if (goes_on(&p->thought, &p->prompt)) {
        r = place(&p->thought, n, REASONED);
        if (r != nowhere) c = place(&p->thought, r, ANSWERED);
    }
    if (c != nowhere)
        return add_piece(&a->open, &p->thought, n, r, e) ||
                       add_piece(&a->close, &p->thought, r + 1, c, e)
                   ? -1
                   : 0;
    if (!a->inside && add_lit(&a->open, MARK_THINK, "\n", e)) return -1;
    buf_add_char(&a->close.text, '\n');
    return add_lit(&a->close, MARK_THINK_END, "\n\n", e);
}

int chat_answer_init(struct chat_answer *a, enum chat_template t, enum chat_thinking thinking,
                     struct err *e)
{
    struct probe p = {0};
    *a = (struct chat_answer){0};
    piece_init(&a->lead);
    piece_init(&a->open);
    piece_init(&a->close);
    piece_init(&a->end);
    int rc = render_probe(&p, t, thinking, e);
    a->inside = p.prompt.starts_inside_thinking;
    if (rc == 0) rc = find_thinking(a, &p, e);
    if (rc == 0 && !a->inside && goes_on(&p.plain, &p.prompt)) {
        size_t c = place(&p.plain, p.prompt.text.len, ANSWERED);
        if (c != nowhere) rc = add_piece(&a->lead, &p.plain, p.prompt.text.len, c, e);
    }
    if (rc == 0) rc = find_end(a, &p.turn, e);
    chat_prompt_release(&p.prompt);
    chat_prompt_release(&p.plain);
    chat_prompt_release(&p.thought);
    chat_prompt_release(&p.turn);
    if (rc) chat_answer_release(a);
    return rc ? -1 : 0;
}

void chat_answer_release(struct chat_answer *a)
{
    chat_prompt_release(&a->lead);
    chat_prompt_release(&a->open);
    chat_prompt_release(&a->close);
    chat_prompt_release(&a->end);
}

/* ---- ids ----------------------------------------------------------------------------------- */

int chat_answer_ids(const struct chat_answer *a, const struct vocab *v, bool inside,
                    struct span reasoning, struct span content, struct tok_list *out,
                    struct err *e)
{
    struct chat_prompt p;
    bool thinks = inside || (reasoning.n && !a->inside);
    piece_init(&p);
    int rc = 0;
    if (thinks) {
        if (!inside) rc = add_whole(&p, &a->open, e);
        buf_add_span(&p.text, reasoning);
        if (rc == 0) rc = add_whole(&p, &a->close, e);
    } else {
        rc = add_whole(&p, &a->lead, e);
    }
    buf_add_span(&p.text, content);
    if (rc == 0) rc = add_whole(&p, &a->end, e);
    if (rc == 0) rc = buf_ok(&p.text, "an answer", e);
    if (rc == 0) rc = chat_prompt_ids(&p, v, out, e);
    chat_prompt_release(&p);
    return rc ? -1 : 0;
}

static struct span trim_newlines(struct span s)
{
    while (s.n && s.p[0] == '\n') s = (struct span){s.p + 1, s.n - 1};
    while (s.n && s.p[s.n - 1] == '\n') s.n--;
    return s;
}

bool chat_answer_split(struct span text, struct span *reasoning, struct span *content)
{
    size_t close = span_find(text, 0, span_of(MARK_THINK_END));
    *reasoning = (struct span){text.p, 0};
    *content = text;
    if (close == nowhere) return false;
    size_t open = span_find((struct span){text.p, close}, 0, span_of(MARK_THINK));
    size_t from = open == nowhere ? 0 : open + strlen(MARK_THINK);
    size_t after = close + strlen(MARK_THINK_END);
    *reasoning = trim_newlines((struct span){text.p + from, close - from});
    *content = trim_newlines((struct span){text.p + after, text.n - after});
    return true;
}
