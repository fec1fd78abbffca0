#include "rl/curriculum.h"

#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/rng.h"

enum { MAX_STAGE = 1024, STREAM_CHOICE = 0x63757272, STREAM_ORDER = 0x6f726465 };

int curriculum_init(struct curriculum *c, const struct curriculum_opts *o, struct err *e)
{
    *c = (struct curriculum){.o = *o};
    c->stage = mem_calloc(MAX_STAGE, sizeof *c->stage);
    c->track = mem_calloc(MAX_STAGE, sizeof *c->track);
    return c->stage && c->track ? 0 : err_oom(e, "a curriculum", MAX_STAGE * sizeof *c->stage);
}

void curriculum_release(struct curriculum *c)
{
    for (int i = 0; i < c->n_stage; i++) problem_source_close(c->stage[i].source);
    mem_free(c->stage);
    mem_free(c->track);
    *c = (struct curriculum){0};
}

static int add_stage(struct curriculum *c, struct problem_source *s, int level, struct err *e)
{
    if (c->n_stage == MAX_STAGE) {
        problem_source_close(s);
        return err_set(e, ERR_LIMIT, "more than %d tasks and levels", MAX_STAGE);
    }
    c->stage[c->n_stage++] = (struct stage){.source = s, .track = c->n_track, .level = level};
    return 0;
}

int curriculum_add_family(struct curriculum *c, const struct task_family *f,
                          const struct task_ask *ask, bool mix, int lo, int hi, struct err *e)
{
    struct track t = {.first = c->n_stage, .level = 1};
    snprintf(t.name, sizeof t.name, "%s", f->name);
    for (int l = lo; l <= hi; l++) {
        struct task_ask own = *ask;
        struct problem_source *s;
        own.level = l;
        if (problem_source_task(&s, f, &own, mix, e) || add_stage(c, s, ++t.n_level, e))
            return -1;
    }
    c->track[c->n_track++] = t;
    return 0;
}

int curriculum_add_source(struct curriculum *c, struct problem_source *s, struct err *e)
{
    struct track t = {.first = c->n_stage,
                      .level = 1,
                      .n_level = 1,
                      .is_file = problem_source_count(s) != UINT64_MAX};
    snprintf(t.name, sizeof t.name, "%s", problem_source_name(s));
    if (add_stage(c, s, 1, e)) return -1;
    c->track[c->n_track++] = t;
    return 0;
}

/* Place n of an endless list that runs through 0..size-1 again and again, shuffled each time: a
 * Feistel network over the next power of four, walked until it lands inside. */
static uint64_t shuffled(uint64_t seed, uint64_t n, uint64_t size)
{
    uint64_t round = n / size, x = n % size;
    int half = 1;
    while ((uint64_t)1 << (2 * half) < size) half++;
    uint64_t mask = ((uint64_t)1 << half) - 1;
    do {
        uint64_t l = x >> half, r = x & mask;
        for (uint64_t i = 0; i < 6; i++) {
            uint64_t f = rng_at(seed ^ STREAM_ORDER, round * 8 + i, r) & mask, old = r;
            r = l ^ f;
            l = old;
        }
        x = l << half | r;
    } while (x >= size);
    return x;
}

void curriculum_choose(struct curriculum *c, uint64_t n, int *stage, uint64_t *index)
{
    struct rng r = rng_init(c->o.seed ^ STREAM_CHOICE, n);
    struct track *t = &c->track[rng_below(&r, (uint64_t)c->n_track)];
    int level = t->n_level;
    if (c->o.on) {
        level = t->level;
        if (level > 1 && rng_below(&r, 2)) level = 1 + (int)rng_below(&r, (uint64_t)level - 1);
    } else if (level > 1) {
        level = 1 + (int)rng_below(&r, (uint64_t)level);
    }
    *stage = t->first + level - 1;
    *index = t->is_file
                 ? shuffled(c->o.seed, t->asked, problem_source_count(c->stage[*stage].source))
                 : n;
    t->asked++;
}

double curriculum_rate(const struct stage *s, int window)
{
    int64_t n = s->n < window ? s->n : window;
    double sum = 0;
    if (n == 0) return -1;
    for (int64_t i = 1; i <= n; i++) sum += s->win[(s->n - i) % STAGE_WINDOW];
    return sum / (double)n;
}

void curriculum_record(struct curriculum *c, int stage, double right)
{
    struct stage *s = &c->stage[stage];
    struct track *t = &c->track[s->track];
    s->win[s->n++ % STAGE_WINDOW] = right;
    if (!c->o.on || s->level != t->level || ++t->since < c->o.window) return;
    double rate = curriculum_rate(s, c->o.window);
    int to = t->level + (rate >= c->o.up) - (rate < c->o.down);
    if (to < 1 || to > t->n_level || to == t->level) return;
    t->level = to;
    t->since = 0;
}

/* ---- records ------------------------------------------------------------------------------- */

static json_t *stage_to_json(const struct stage *s)
{
    json_t *win = json_array();
    int64_t n = s->n < STAGE_WINDOW ? s->n : STAGE_WINDOW;
    for (int64_t i = n; win && i > 0; i--)
        if (json_array_append_new(win, json_real(s->win[(s->n - i) % STAGE_WINDOW]))) {
            json_decref(win);
            return NULL;
        }
    return json_pack("{s:I, s:o}", "n", (json_int_t)s->n, "last", win);
}

json_t *curriculum_to_json(const struct curriculum *c)
{
    json_t *stages = json_array(), *tracks = json_array();
    for (int i = 0; i < c->n_stage; i++)
        if (json_array_append_new(stages, stage_to_json(&c->stage[i]))) goto fail;
    for (int i = 0; i < c->n_track; i++) {
        const struct track *t = &c->track[i];
        json_t *o = json_pack("{s:s, s:i, s:I, s:I}", "name", t->name, "level", t->level,
                              "since", (json_int_t)t->since, "asked", (json_int_t)t->asked);
        if (json_array_append_new(tracks, o)) goto fail;
    }
    return json_pack("{s:o, s:o}", "stages", stages, "tracks", tracks);
fail:
    json_decref(stages);
    json_decref(tracks);
    return NULL;
}

static int read_stage(struct stage *s, const json_t *o, struct err *e)
{
    const json_t *last = json_object_get(o, "last");
    if (json_get_i64(o, "n", 0, INT64_MAX, &s->n, "curriculum", e)) return -1;
    int64_t n = s->n < STAGE_WINDOW ? s->n : STAGE_WINDOW;
    if ((int64_t)json_array_size(last) != n)
        return err_set(e, ERR_FORMAT, "the curriculum's record has %zu entries, it needs %lld",
                       json_array_size(last), (long long)n);
    for (int64_t i = 0; i < n; i++)
        s->win[(s->n - n + i) % STAGE_WINDOW] =
            json_number_value(json_array_get(last, (size_t)i));
    return 0;
}

int curriculum_from_json(struct curriculum *c, const json_t *o, struct err *e)
{
    const json_t *stages = json_object_get(o, "stages"), *tracks = json_object_get(o, "tracks");
    if ((int)json_array_size(stages) != c->n_stage ||
        (int)json_array_size(tracks) != c->n_track)
        return err_set(
            e, ERR_FORMAT,
            "the checkpoint knows %zu tasks with %zu levels, the recipe has %d with %d",
            json_array_size(tracks), json_array_size(stages), c->n_track, c->n_stage);
    for (int i = 0; i < c->n_stage; i++)
        if (read_stage(&c->stage[i], json_array_get(stages, (size_t)i), e)) return -1;
    for (int i = 0; i < c->n_track; i++) {
        const json_t *t = json_array_get(tracks, (size_t)i);
        struct span name;
        int64_t level, asked;
        if (json_get_str(t, "name", &name, "curriculum", e) ||
            json_get_i64(t, "level", 1, c->track[i].n_level, &level, "curriculum", e) ||
            json_get_i64(t, "asked", 0, INT64_MAX, &asked, "curriculum", e) ||
            json_get_i64(t, "since", 0, INT64_MAX, &c->track[i].since, "curriculum", e))
            return -1;
        if (!span_is(name, c->track[i].name))
            return err_set(e, ERR_FORMAT, "the checkpoint's task %d is %.*s, the recipe has %s",
                           i, (int)name.n, name.p, c->track[i].name);
        c->track[i].level = (int)level;
        c->track[i].asked = (uint64_t)asked;
    }
    return 0;
}
