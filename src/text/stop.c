#include "text/stop.h"

#include <string.h>

#include "base/err.h"
#include "base/mem.h"

int stop_init(struct stop *s, const struct span *text, size_t n, struct err *e)
{
    *s = (struct stop){0};
    if (n > STOP_MAX_STRINGS)
        return err_set(e, ERR_USAGE, "%zu stop strings, at most %d are allowed", n,
                       STOP_MAX_STRINGS);
    size_t total = 0;
    for (size_t i = 0; i < n; i++) {
        if (text[i].n == 0 || text[i].n > STOP_MAX_BYTES)
            return err_set(e, ERR_USAGE, "stop string %zu has %zu bytes, allowed is 1 to %d",
                           i + 1, text[i].n, STOP_MAX_BYTES);
        total += text[i].n;
    }
    if (n == 0) return 0;
    s->block = mem_alloc(total * (1 + sizeof(uint16_t)));
    if (!s->block) return err_oom(e, "stop strings", total * (1 + sizeof(uint16_t)));
    uint16_t *border = s->block;
    char *copy = (char *)(border + total);
    for (size_t i = 0; i < n; i++) {
        memcpy(copy, text[i].p, text[i].n);
        s->str[i] = (struct stop_string){{copy, text[i].n}, border, 0};
        border[0] = 0;
        for (size_t k = 1, b = 0; k < text[i].n; k++) {
            while (b && copy[k] != copy[b]) b = border[b - 1];
            b += copy[k] == copy[b];
            border[k] = (uint16_t)b;
        }
        copy += text[i].n;
        border += text[i].n;
    }
    s->n = n;
    return 0;
}

void stop_release(struct stop *s)
{
    mem_free(s->block);
    *s = (struct stop){0};
}

/* The string the stream ends with the most of: what is held back is its first bytes. */
static struct span held(const struct stop *s)
{
    struct span best = {"", 0};
    for (size_t i = 0; i < s->n; i++)
        if (s->str[i].state > best.n) best = (struct span){s->str[i].text.p, s->str[i].state};
    return best;
}

static void reset(struct stop *s)
{
    for (size_t i = 0; i < s->n; i++) s->str[i].state = 0;
}

static void drop_end(struct buf *out, size_t n)
{
    if (out->failed) return;
    out->len -= n;
    if (out->data) out->data[out->len] = 0;
}

/* Moves every automaton by one byte; the longest string that ends here, or -1. */
static int step(struct stop *s, char c)
{
    int met = -1;
    for (size_t i = 0; i < s->n; i++) {
        struct stop_string *t = &s->str[i];
        while (t->state && t->text.p[t->state] != c) t->state = t->border[t->state - 1];
        t->state += t->text.p[t->state] == c;
        if (t->state == t->text.n && (met < 0 || t->text.n > s->str[met].text.n)) met = (int)i;
    }
    return met;
}

int stop_feed(struct stop *s, struct span text, struct buf *out)
{
    buf_add_span(out, held(s));
    for (size_t i = 0; i < text.n; i++) {
        int met = step(s, text.p[i]);
        if (met < 0) continue;
        buf_add(out, text.p, i + 1);
        drop_end(out, s->str[met].text.n);
        reset(s);
        return met;
    }
    buf_add_span(out, text);
    drop_end(out, held(s).n);
    return -1;
}

void stop_flush(struct stop *s, struct buf *out)
{
    buf_add_span(out, held(s));
    reset(s);
}
