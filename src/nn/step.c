#include "nn/step.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/size.h"
#include "base/thread.h"
#include "nn/low.h"

void *step_fail(struct step *st, enum err_code code, const char *fmt, ...)
{
    if (st->failed) return NULL;
    char msg[512];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(msg, sizeof msg, fmt, ap);
    va_end(ap);
    st->failed = true;
    err_set(&st->err, code, "%s", msg);
    return NULL;
}

void *step_scratch(const struct step *st)
{
    return st->scratch + (size_t)pool_self() * st->scratch_bytes;
}

int step_failed(const struct step *st, struct err *e)
{
    if (!st->failed) return 0;
    if (e) *e = st->err;
    return -1;
}

void *step_alloc(struct step *st, size_t bytes)
{
    static unsigned char nowhere[64]; /* dry steps: an address that is not NULL */
    if (st->failed) return NULL;
    if (st->dry) {
        st->plan_now += round_up(bytes ? bytes : 1, 64);
        if (st->plan_now > st->plan_bytes) st->plan_bytes = st->plan_now;
        return nowhere;
    }
    void *p = arena_alloc(st->arena, bytes);
    if (!p)
        return step_fail(st, ERR_MEMORY,
                         "the step needs %zu bytes more than the %zu that were planned", bytes,
                         st->arena->cap);
    return p;
}

void *step_keep(struct step *st, size_t bytes)
{
    if (!st->keep || !st->tape) return step_alloc(st, bytes);
    if (st->failed) return NULL;
    if (st->dry) {
        st->plan_keep += round_up(bytes ? bytes : 1, 64);
        return step_alloc(st, 0);
    }
    void *p = arena_alloc(st->keep, bytes);
    if (!p)
        return step_fail(st, ERR_MEMORY, "a step keeps %zu bytes more than the %zu planned",
                         bytes, st->keep->cap);
    return p;
}

void *step_small(struct step *st, size_t bytes)
{
    if (st->failed) return NULL;
    void *p = arena_calloc(st->heads, bytes ? bytes : 1, 1);
    if (!p)
        return step_fail(st, ERR_MEMORY, "out of memory: a step's index of %zu bytes", bytes);
    return p;
}

struct tensor *step_tensor(struct step *st, size_t n, size_t c)
{
    size_t elems, bytes;
    if (st->failed) return NULL;
    if (size_mul(n, c, &elems) || size_mul(elems, sizeof(float), &bytes))
        return step_fail(st, ERR_LIMIT, "a matrix of %zu by %zu is too large", n, c);
    struct tensor *t = step_small(st, sizeof *t);
    if (!t) return NULL;
    *t = (struct tensor){.v = step_alloc(st, bytes), .n = n, .c = c};
    if (st->keep && st->tape) {
        t->next = st->made;
        st->made = t;
    }
    return t->v ? t : NULL;
}

struct step_mark step_mark(const struct step *st)
{
    return (struct step_mark){arena_mark(st->arena), arena_mark(st->heads), st->plan_now};
}

void step_rewind(struct step *st, struct step_mark m)
{
    if (st->tape) return;
    if (st->low) low_forget(st->low); /* another tensor may get the place of one it knows */
    if (!st->dry) arena_rewind(st->arena, m.arena);
    arena_rewind(st->heads, m.heads);
    st->plan_now = m.plan_now;
}

void step_reset(struct step *st)
{
    if (st->arena) arena_reset(st->arena);
    arena_reset(st->heads);
    if (st->keep) arena_reset(st->keep);
    st->made = NULL;
    st->plan_now = st->plan_keep = 0;
    st->failed = false;
    err_clear(&st->err);
}
