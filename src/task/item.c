/* item.c - one item from (family, split, seed, index, level): streams of random numbers, the
 * split of the instance space, twins, slips; ids and JSON lines.
 *
 * Draw k of an item has its own streams. The first k whose plain instance lies in the split is
 * the item; for a twin or an ill-posed form, the first change k' of it that lies in the split
 * too. A quarter of the instance space belongs to TASK_EVAL. */
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/size.h"
#include "task/gen.h"

enum { PROMPT_MAX = 1 << 14, CHAIN_MAX = 1 << 15, ANSWER_MAX = 1 << 11, KEY_MAX = 1 << 12 };
/* From FRESH changes on, none of which gave a twin, a fresh instance with the plain item's words
 * stands in for one (below 1 % of twins at all but the smallest levels). */
enum { MAX_DRAWS = 4000, MAX_CHANGES = 60, FRESH = 1500 };
enum stream { STREAM_INSTANCE, STREAM_CHANGE, STREAM_WORDS, STREAM_SLIPS, STREAM_MIX };

static const char *const split_name[] = {"train", "eval"};
static const char *const variant_name[] = {"plain", "twin", "ill"};
static const char *const style_name[] = {"steps", "brief", "bare"};

const char *task_split_name(enum task_split s)
{
    return split_name[s];
}

const char *task_variant_name(enum task_variant v)
{
    return variant_name[v];
}

const char *task_style_name(enum task_style s)
{
    return style_name[s];
}

void task_item_init(struct task_item *it)
{
    *it = (struct task_item){.family = NULL};
    buf_init(&it->prompt, PROMPT_MAX);
    buf_init(&it->chain, CHAIN_MAX);
    buf_init(&it->answer, ANSWER_MAX);
    buf_init(&it->key, KEY_MAX);
}

void task_item_release(struct task_item *it)
{
    buf_release(&it->prompt);
    buf_release(&it->chain);
    buf_release(&it->answer);
    buf_release(&it->key);
}

/* ---- random streams ----------------------------------------------------------------------- */

static struct rng stream(const struct task_family *f, const struct task_ask *a,
                         enum stream what, int draw, int change)
{
    const uint64_t top = (uint64_t)1 << 63;
    uint64_t name = hash64(f->name, strlen(f->name), 0);
    uint64_t where[5] = {a->index, (uint64_t)a->level, (uint64_t)what, (uint64_t)draw,
                         (uint64_t)change};
    uint64_t seed =
        (hash64(&a->seed, sizeof a->seed, name) & ~top) | (a->split == TASK_EVAL ? top : 0);
    return rng_init(seed, hash64(where, sizeof where, name));
}

static bool in_split(const struct task_family *f, const struct buf *key, enum task_split split)
{
    bool eval = hash64(buf_str(key), key->len, hash64(f->name, strlen(f->name), 1)) % 4 == 0;
    return eval == (split == TASK_EVAL);
}

void task_ask_mix(const struct task_family *f, struct task_ask *ask)
{
    struct rng r = stream(f, ask, STREAM_MIX, 0, 0);
    uint64_t x = rng_below(&r, 100), y = rng_below(&r, 100);
    ask->variant = x < 7 ? TASK_ILL : TASK_PLAIN;
    ask->style = y < 80 ? TASK_STEPS : y < 90 ? TASK_BRIEF : TASK_BARE;
}

/* ---- making ------------------------------------------------------------------------------- */

static void clear(struct task_item *it)
{
    buf_clear(&it->prompt);
    buf_clear(&it->chain);
    buf_clear(&it->answer);
    buf_clear(&it->key);
    it->has_check = it->has_slip = false;
}

/* One run of the family's generator with the streams of (draw, change). Returns the number of
 * lines that may slip, or -1 when the draw makes no item. */
static int run(struct task_item *it, enum task_variant variant, int draw, int change,
               int slip_at)
{
    const struct task_ask *a = &it->ask;
    const struct task_family *f = it->family;
    struct gen g = {
        .r = stream(f, a, STREAM_INSTANCE, draw, 0),
        .t = stream(f, a, STREAM_CHANGE, draw, change),
        .w = stream(f, a, STREAM_WORDS, 0, 0),
        .s = stream(f, a, STREAM_SLIPS, 0, 0),
        .level = a->level,
        .changes = 1 + change / 64,
        .variant = variant,
        .style = a->style,
        .held_out = a->held_out_phrasing,
        .opening = a->split == TASK_TRAIN,
        .slip_at = slip_at,
        .prompt = &it->prompt,
        .chain = &it->chain,
        .answer = &it->answer,
        .key = &it->key,
    };
    if (variant == TASK_TWIN && change >= FRESH) {
        g.r = stream(f, a, STREAM_INSTANCE, draw, change);
        g.variant = TASK_PLAIN;
    }
    clear(it);
    g.want_check = rng_at(g.s.seed, g.s.stream, 200) % 100 < 45;
    if (!f->make(&g)) return -1;
    it->has_check = g.checked;
    it->has_slip = g.slipped;
    return g.n_line;
}

static const char *const style_words[3][3] = {
    {"", " Think step by step.", " Show your steps."},
    {" Briefly.", " Be brief.", " In short."},
    {" Answer only.", " Only the answer.", " Just the answer, no steps."},
};

static void copy(struct buf *to, const struct buf *from)
{
    buf_clear(to);
    buf_add_span(to, buf_span(from));
}

static bool accepts(const struct task_item *it, const struct buf *answer)
{
    struct buf r;
    struct task_verdict v;
    buf_init(&r, 2 * ANSWER_MAX);
    buf_printf(&r, "<answer>%s</answer>", buf_str(answer));
    task_check(it, buf_span(&r), false, &v);
    buf_release(&r);
    return v.score > 0;
}

/* A changed form must be another instance, and neither answer may pass for the other. */
static bool differs(const struct task_item *it, const struct task_item *plain)
{
    return !span_eq(buf_span(&it->key), buf_span(&plain->key)) &&
           !accepts(it, &plain->answer) && !accepts(plain, &it->answer);
}

/* The accepted (draw, change); false when none was found. */
static bool find_draw(struct task_item *it, int *draw, int *change)
{
    struct task_item plain;
    bool found = false;
    task_item_init(&plain);
    plain.family = it->family;
    for (int d = 0; d < MAX_DRAWS && !found; d++) {
        if (run(it, TASK_PLAIN, d, 0, -1) < 0 || !in_split(it->family, &it->key, it->ask.split))
            continue;
        *draw = d;
        *change = 0;
        found = it->ask.variant == TASK_PLAIN;
        copy(&plain.key, &it->key);
        copy(&plain.answer, &it->answer);
        /* A twin belongs to this plain item; an ill-posed one may come from the next draw. */
        bool twin = it->ask.variant == TASK_TWIN;
        for (int c = 0; c < (twin ? MAX_DRAWS : MAX_CHANGES) && !found; c++) {
            *change = c;
            found = run(it, it->ask.variant, d, c, -1) >= 0 &&
                    in_split(it->family, &it->key, it->ask.split) && differs(it, &plain);
        }
        if (twin) break;
    }
    task_item_release(&plain);
    return found;
}

int task_make(const struct task_family *f, const struct task_ask *ask, struct task_item *it,
              struct err *e)
{
    bool eval = ask->split == TASK_EVAL;
    if (ask->level < 1 || ask->level > f->levels + (eval ? 1 : 0))
        return err_set(e, ERR_USAGE, "task %s has levels 1 to %d%s, not %d", f->name,
                       f->levels + (eval ? 1 : 0), eval ? "" : " for training", ask->level);
    if (ask->held_out_phrasing && !eval)
        return err_set(e, ERR_USAGE,
                       "the held-out phrasings of task %s are for evaluation only", f->name);
    it->family = f;
    it->ask = *ask;
    int draw, change;
    if (!find_draw(it, &draw, &change))
        return err_set(e, ERR_LIMIT, "task %s found no %s item at level %d in %d draws",
                       f->name, variant_name[ask->variant], ask->level, MAX_DRAWS);
    int n = run(it, ask->variant, draw, change, -1);
    struct rng s = stream(f, ask, STREAM_SLIPS, 1, 0);
    if (n > 0 && ask->style == TASK_STEPS && !ask->no_slips && rng_below(&s, 100) < 8)
        (void)run(it, ask->variant, draw, change, (int)rng_below(&s, (uint64_t)n));
    struct rng w = stream(f, ask, STREAM_WORDS, 1, 0);
    buf_add_str(&it->prompt, style_words[ask->style][rng_below(&w, 3)]);
    if (buf_ok(&it->prompt, "a task's prompt", e) || buf_ok(&it->chain, "a task's chain", e) ||
        buf_ok(&it->answer, "a task's answer", e) || buf_ok(&it->key, "a task's key", e))
        return -1;
    return 0;
}

void task_response(const struct task_item *it, struct buf *out)
{
    buf_printf(out, "<think>\n%s</think>\n<answer>%s</answer>", buf_str(&it->chain),
               buf_str(&it->answer));
}

uint32_t task_fingerprint(const struct task_family *f)
{
    struct task_item it;
    uint64_t h = 0;
    task_item_init(&it);
    for (int level = 1; level <= f->levels + 1; level++)
        for (int k = 0; k < 9; k++) {
            struct task_ask a = {TASK_EVAL,
                                 1,
                                 (uint64_t)k,
                                 level,
                                 (enum task_variant)(k % 3),
                                 (enum task_style)(k / 3),
                                 k == 3,
                                 false};
            if (task_make(f, &a, &it, NULL)) continue;
            h = hash64(buf_str(&it.prompt), it.prompt.len, h);
            h = hash64(buf_str(&it.chain), it.chain.len, h);
            h = hash64(buf_str(&it.answer), it.answer.len, h);
            h = hash64(buf_str(&it.key), it.key.len, h);
        }
    task_item_release(&it);
    return (uint32_t)(h ^ h >> 32);
}

/* ---- ids and JSON ------------------------------------------------------------------------- */

void task_id(const struct task_item *it, char out[128])
{
    const struct task_ask *a = &it->ask;
    snprintf(out, 128, "%s:%08x:%s:%llu:%llu:%d:%s:%s:%s%s", it->family->name,
             it->family->version, split_name[a->split], (unsigned long long)a->seed,
             (unsigned long long)a->index, a->level, variant_name[a->variant],
             style_name[a->style], a->held_out_phrasing ? "h" : "-", a->no_slips ? "n" : "");
}

static int find_name(struct span w, const char *const *names, int n)
{
    for (int i = 0; i < n; i++)
        if (span_is(w, names[i])) return i;
    return -1;
}

static bool parse_u64(struct span w, uint64_t *out)
{
    uint64_t v = 0;
    for (size_t i = 0; i < w.n; i++) {
        if (w.p[i] < '0' || w.p[i] > '9') return false;
        if (__builtin_mul_overflow(v, 10, &v) ||
            __builtin_add_overflow(v, (uint64_t)(w.p[i] - '0'), &v))
            return false;
    }
    *out = v;
    return w.n > 0;
}

int task_parse_id(const char *id, const struct task_family **f, struct task_ask *ask,
                  struct err *e)
{
    struct span rest = span_of(id), w[9];
    char version[16];
    uint64_t level = 0;
    int split, variant, style;
    for (int i = 0; i < 9; i++)
        if (!next_word(&rest, ":", &w[i])) goto bad;
    *f = task_find(w[0]);
    if (!*f)
        return err_set(e, ERR_NOT_FOUND, "item %.80s: there is no task %.*s", id, (int)w[0].n,
                       w[0].p);
    snprintf(version, sizeof version, "%08x", (*f)->version);
    if (!span_is(w[1], version))
        return err_set(e, ERR_UNSUPPORTED,
                       "item %.80s was made by version %.*s of its task, this "
                       "program has %s",
                       id, (int)w[1].n, w[1].p, version);
    *ask = (struct task_ask){.split = TASK_TRAIN};
    split = find_name(w[2], split_name, 2);
    variant = find_name(w[6], variant_name, 3);
    style = find_name(w[7], style_name, 3);
    if (rest.n || split < 0 || variant < 0 || style < 0 || !parse_u64(w[3], &ask->seed) ||
        !parse_u64(w[4], &ask->index) || !parse_u64(w[5], &level) || level > 100)
        goto bad;
    ask->split = (enum task_split)split;
    ask->variant = (enum task_variant)variant;
    ask->style = (enum task_style)style;
    ask->level = (int)level;
    ask->held_out_phrasing = w[8].p[0] == 'h';
    ask->no_slips = w[8].n == 2 && w[8].p[1] == 'n';
    return 0;
bad:
    return err_set(e, ERR_FORMAT,
                   "\"%.100s\" is not an item id "
                   "(task:version:split:seed:index:level:variant:style:flags)",
                   id);
}

json_t *task_item_to_json(const struct task_item *it)
{
    char id[128];
    task_id(it, id);
    return json_pack("{s:s, s:s, s:i, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:f, s:b, s:b}",
                     "id", id, "task", it->family->name, "level", it->ask.level, "split",
                     split_name[it->ask.split], "variant", variant_name[it->ask.variant],
                     "style", style_name[it->ask.style], "prompt", buf_str(&it->prompt),
                     "think", buf_str(&it->chain), "answer", buf_str(&it->answer), "key",
                     buf_str(&it->key), "form", it->family->form, "chance", it->family->chance,
                     "check", it->has_check, "slip", it->has_slip);
}

int task_item_from_json(const json_t *o, struct task_item *it, struct err *e)
{
    struct span task = {NULL, 0}, answer = {NULL, 0}, key = {NULL, 0}, id = {NULL, 0};
    if (!json_is_object(o)) return err_set(e, ERR_FORMAT, "an item must be a JSON object");
    if (json_get_str_opt(o, "task", &task, "item", e) ||
        json_get_str_opt(o, "answer", &answer, "item", e) ||
        json_get_str_opt(o, "key", &key, "item", e) ||
        json_get_str_opt(o, "id", &id, "item", e))
        return -1;
    if (!task.p || !answer.p || !key.p) {
        const struct task_family *f;
        struct task_ask ask;
        if (!id.p)
            return err_set(e, ERR_FORMAT, "an item needs task, answer and key, or an id");
        return task_parse_id(id.p, &f, &ask, e) || task_make(f, &ask, it, e) ? -1 : 0;
    }
    it->family = task_find(task);
    if (!it->family)
        return err_set(e, ERR_NOT_FOUND, "there is no task %.*s", (int)size_min(task.n, 64),
                       task.p);
    clear(it);
    buf_add_span(&it->answer, answer);
    buf_add_span(&it->key, key);
    if (buf_ok(&it->answer, "an item's answer", e) || buf_ok(&it->key, "an item's key", e))
        return -1;
    return 0;
}

int task_verify_line(struct span line, struct buf *out, struct err *e)
{
    struct task_item it;
    struct task_verdict v;
    struct span response;
    bool in_think = false;
    int rc = -1;
    task_item_init(&it);
    json_t *o = json_parse(line, "verify", e);
    if (!o) goto out;
    const json_t *item = json_object_get(o, "item");
    if (task_item_from_json(item ? item : o, &it, e) ||
        json_get_str(o, "response", &response, "verify", e) ||
        json_get_bool_opt(o, "in_think", &in_think, "verify", e))
        goto out;
    task_check(&it, response, in_think, &v);
    buf_printf(out, "{\"score\":%g,\"tagged\":%s,\"reason\":", v.score,
               v.tagged ? "true" : "false");
    buf_add_json(out, span_of(v.reason));
    buf_add_char(out, '}');
    rc = buf_ok(out, "the verdict", e);
out:
    json_decref(o);
    task_item_release(&it);
    return rc;
}
