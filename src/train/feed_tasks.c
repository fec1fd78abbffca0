/* feed_tasks.c - fresh items of reasoning tasks as training sequences.
 *
 * Item k of the feed is a function of (seed, k): the family, the level, variant and style are drawn
 * from it, and the item is number k of its family. Nothing is kept, so the place is k alone. Items
 * belong to the training split; evaluation never meets them (task/task.h).
 *
 * The answer stands behind the chain, plain or in <answer> tags. Families come equally often.
 */
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/rng.h"
#include "task/task.h"
#include "text/vocab.h"
#include "train/example.h"
#include "train/feed.h"

enum { MAX_FAMILY = 64, MAX_VAIN = 1000 };

struct tasks {
    struct feed f;
    struct feed_opts o;
    struct feed_task_opts t;
    struct example_form form;
    const struct task_family *family[MAX_FAMILY];
    size_t n_family;
    int lo, hi; /* levels */
    int64_t at, skipped_long;
    bool ready; /* x holds item `at` */
    struct task_item item;
    struct example x;
    struct buf answer;
    unsigned char *learn;
    size_t learn_room;
};

/* ---- options ------------------------------------------------------------------------------- */

static int add_family(struct tasks *t, const struct task_family *f, struct err *e)
{
    if (f->levels < t->lo) return 0;
    if (t->n_family == MAX_FAMILY)
        return err_set(e, ERR_LIMIT, "%s: too many families", t->f.name);
    t->family[t->n_family++] = f;
    return 0;
}

static int add_families(struct tasks *t, const char *names, struct err *e)
{
    if (strcmp(names, "all") == 0) {
        for (const struct task_family *const *f = task_list(); *f; f++)
            if (add_family(t, *f, e)) return -1;
        return 0;
    }
    if (strcmp(names, "core") == 0) names = task_core();
    while (*names) {
        size_t n = strcspn(names, ", ");
        const struct task_family *f = task_find((struct span){names, n});
        if (!f && n) {
            err_set(e, ERR_USAGE, "%s: there is no task \"%.*s\"", t->f.name, (int)n, names);
            return err_hint(e, "core, all, or names of `tarn task --list` with commas");
        }
        if (f && add_family(t, f, e)) return -1;
        names += n + (names[n] != 0);
    }
    return 0;
}

static int read_levels(struct tasks *t, const char *text, struct err *e)
{
    char *end;
    long lo = strtol(text, &end, 10), hi = lo;
    if (end != text && *end == '-') {
        text = end + 1;
        hi = strtol(text, &end, 10);
    }
    if (end == text || *end || lo < 1 || hi < lo || hi > 99)
        return err_set(e, ERR_USAGE, "%s: levels are like 2 or 1-3, not \"%s\"", t->f.name,
                       text);
    t->lo = (int)lo;
    t->hi = (int)hi;
    return 0;
}

/* ---- items --------------------------------------------------------------------------------- */

static struct task_ask draw(const struct tasks *t, const struct task_family **f)
{
    struct rng r = rng_init(t->o.seed, (uint64_t)t->at);
    *f = t->family[rng_below(&r, t->n_family)];
    int hi = t->hi < (*f)->levels ? t->hi : (*f)->levels;
    struct task_ask a = {.split = TASK_TRAIN,
                         .seed = t->o.seed,
                         .index = (uint64_t)t->at,
                         .level = (int)rng_between(&r, t->lo, hi)};
    double v = rng_f64(&r), s = rng_f64(&r) * (t->t.steps + t->t.brief + t->t.bare);
    a.variant = v < t->t.ill ? TASK_ILL : v < t->t.ill + t->t.twin ? TASK_TWIN : TASK_PLAIN;
    a.style = s < t->t.steps                ? TASK_STEPS
              : s < t->t.steps + t->t.brief ? TASK_BRIEF
                                            : TASK_BARE;
    return a;
}

static int make(struct tasks *t, struct err *e)
{
    const struct task_family *f;
    struct task_ask a = draw(t, &f);
    if (task_make(f, &a, &t->item, e)) {
        /* A family without this variant gives its plain item. */
        if (a.variant == TASK_PLAIN) return -1;
        a.variant = TASK_PLAIN;
        if (task_make(f, &a, &t->item, e)) return -1;
    }
    struct span chain = buf_span(&t->item.chain);
    while (chain.n && chain.p[chain.n - 1] == '\n') chain.n--;
    buf_clear(&t->answer);
    buf_printf(&t->answer, t->t.tagged ? "<answer>%s</answer>" : "%s",
               buf_str(&t->item.answer));
    struct chat_msg m[2] = {
        {.role = CHAT_USER, .content = buf_span(&t->item.prompt)},
        {.role = CHAT_ASSISTANT, .reasoning = chain, .content = buf_span(&t->answer)}};
    struct rng off = rng_init(t->o.seed ^ 0x6f6666, (uint64_t)t->at);
    if (buf_ok(&t->answer, "an answer", e)) return -1;
    return example_make(&t->x, &t->form, m, 2, rng_f64(&off) < t->o.think_off, e);
}

static int mark(struct tasks *t, struct err *e)
{
    size_t n = t->x.ids.n;
    if (n > t->learn_room) {
        mem_free(t->learn);
        t->learn = mem_alloc(n);
        t->learn_room = t->learn ? n : 0;
        if (!t->learn) return err_oom(e, "a mask", n);
    }
    memset(t->learn, t->o.learn_prompts, t->x.prompt);
    memset(t->learn + t->x.prompt, 1, n - t->x.prompt);
    return 0;
}

static int tasks_peek(struct feed *f, size_t most, struct feed_seq *out, struct err *e)
{
    struct tasks *t = (struct tasks *)f;
    (void)most;
    for (int vain = 0; !t->ready; vain++) {
        if (vain == MAX_VAIN)
            return err_set(e, ERR_LIMIT, "%s: %d items in a row are longer than %zu rows",
                           f->name, MAX_VAIN, t->o.seq_rows);
        if (make(t, e) || mark(t, e))
            return err_wrap(e, "%s: item %lld", f->name, (long long)t->at);
        t->ready = t->x.ids.n - 1 <= t->o.seq_rows;
        if (t->ready) break;
        t->skipped_long++;
        t->at++;
    }
    *out = (struct feed_seq){t->x.ids.id, t->learn, t->x.ids.n};
    return 0;
}

static int tasks_take(struct feed *f, size_t rows, struct err *e)
{
    struct tasks *t = (struct tasks *)f;
    (void)rows;
    (void)e;
    t->at++;
    t->ready = false;
    return 0;
}

static json_t *tasks_place(const struct feed *f)
{
    return json_pack("{s:I}", "item", (json_int_t)((const struct tasks *)f)->at);
}

static int tasks_seek(struct feed *f, const json_t *place, struct err *e)
{
    struct tasks *t = (struct tasks *)f;
    t->ready = false;
    return json_get_i64(place, "item", 0, INT64_MAX, &t->at, f->name, e);
}

static void tasks_counts(const struct feed *f, struct feed_counts *out)
{
    *out = (struct feed_counts){
        .records = -1, .tokens = -1, .skipped_long = ((const struct tasks *)f)->skipped_long};
}

static void tasks_close(struct feed *f)
{
    struct tasks *t = (struct tasks *)f;
    task_item_release(&t->item);
    example_release(&t->x);
    example_form_release(&t->form);
    buf_release(&t->answer);
    mem_free(t->learn);
    mem_free(t);
}

int feed_tasks(struct feed **out, const struct feed_task_opts *to, const struct feed_opts *o,
               struct err *e)
{
    static const struct feed_kind kind = {tasks_peek, tasks_take,   tasks_place,
                                          tasks_seek, tasks_counts, tasks_close};
    *out = NULL;
    if (!(to->steps + to->brief + to->bare > 0))
        return err_set(e, ERR_USAGE, "%s: steps, brief and bare are all 0", o->name);
    struct tasks *t = mem_calloc(1, sizeof *t);
    if (!t) return err_oom(e, "a feed of tasks", sizeof *t);
    t->f = (struct feed){.kind = &kind,
                         .name = o->name,
                         .whole = true,
                         .n_vocab = (uint32_t)vocab_size(o->vocab),
                         .doc_end = (uint32_t)vocab_special(o->vocab)->eos};
    t->o = *o;
    t->t = *to;
    task_item_init(&t->item);
    buf_init(&t->answer, 1 << 20);
    int rc = read_levels(t, to->levels, e) || add_families(t, to->families, e) ||
             example_form_init(&t->form, o->vocab, o->form, e);
    if (rc == 0 && t->n_family == 0)
        rc = err_set(e, ERR_USAGE, "%s: no family of \"%s\" has level %d", o->name,
                     to->families, t->lo);
    if (rc) {
        tasks_close(&t->f);
        return -1;
    }
    *out = &t->f;
    return 0;
}
