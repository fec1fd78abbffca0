#include "train/clean.h"

#include <ctype.h>
#include <string.h>

#include "base/err.h"
#include "base/hash.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/rng.h"

enum { MINIMA = 64, BANDS = 16, SHINGLE = 5, MAX_GRAM = 64 };

struct clean {
    struct clean_opts o;
    struct map64 exact, forbidden, band; /* band -> first document with it */
    uint32_t *minima;                    /* (n, MINIMA) of the documents that stayed */
    size_t n, room;
    uint64_t *chain; /* (n, BANDS): the document before it with the same band, MAP_NONE */
    uint64_t salt[MINIMA];
};

int clean_create(struct clean **out, const struct clean_opts *o, struct err *e)
{
    *out = NULL;
    if (o->n_gram < 1 || o->n_gram > MAX_GRAM)
        return err_set(e, ERR_USAGE, "runs of %d words, allowed are 1 to %d", o->n_gram,
                       MAX_GRAM);
    struct clean *c = mem_calloc(1, sizeof *c);
    if (!c) return err_oom(e, "cleaning", sizeof *c);
    c->o = *o;
    map64_init(&c->exact);
    map64_init(&c->forbidden);
    map64_init(&c->band);
    for (uint64_t i = 0; i < MINIMA; i++) c->salt[i] = rng_at(0x6d696e68, 0, i) | 1;
    *out = c;
    return 0;
}

void clean_free(struct clean *c)
{
    if (!c) return;
    map64_release(&c->exact);
    map64_release(&c->forbidden);
    map64_release(&c->band);
    mem_free(c->minima);
    mem_free(c->chain);
    mem_free(c);
}

/* ---- words --------------------------------------------------------------------------------- */

static bool in_word(unsigned char b)
{
    return isalnum(b) || b >= 0x80;
}

/* The hash of the next word, without case; false at the end. */
static bool next_word(struct span text, size_t *at, uint64_t *h)
{
    while (*at < text.n && !in_word((unsigned char)text.p[*at])) ++*at;
    if (*at == text.n) return false;
    *h = 0xcbf29ce484222325u; /* FNV-1a */
    for (; *at < text.n && in_word((unsigned char)text.p[*at]); ++*at)
        *h = (*h ^ (uint64_t)tolower((unsigned char)text.p[*at])) * 0x100000001b3u;
    return true;
}

/* Calls fn with the hash of each run of n words; stops when it returns true, and returns that. */
struct run_of_words {
    int n;
    bool (*fn)(void *ctx, uint64_t h);
    void *ctx;
};

static bool each_run(struct span text, const struct run_of_words *r)
{
    uint64_t ring[MAX_GRAM], h;
    size_t at = 0, count = 0, n = (size_t)r->n;
    while (next_word(text, &at, &h)) {
        ring[count++ % n] = h;
        if (count < n) continue;
        uint64_t all = 0;
        for (size_t i = 0; i < n; i++) all = map64_mix(all * 31 + ring[(count + i) % n]);
        if (r->fn(r->ctx, all)) return true;
    }
    return false;
}

/* ---- forbidden runs ------------------------------------------------------------------------ */

struct forbid {
    struct clean *c;
    bool failed;
};

static bool add_forbidden(void *ctx, uint64_t h)
{
    struct forbid *f = ctx;
    f->failed |= !map64_put(&f->c->forbidden, h, 1);
    return f->failed;
}

int clean_forbid(struct clean *c, struct span text, struct err *e)
{
    struct forbid f = {c, false};
    (void)each_run(text, &(struct run_of_words){c->o.n_gram, add_forbidden, &f});
    return f.failed ? err_oom(e, "forbidden runs of words", 16) : 0;
}

static bool is_forbidden(void *ctx, uint64_t h)
{
    return map64_get(&((struct clean *)ctx)->forbidden, h) != MAP_NONE;
}

/* ---- near-duplicates ----------------------------------------------------------------------- */

struct minhash {
    const struct clean *c;
    uint32_t min[MINIMA];
    bool any;
};

static bool take_shingle(void *ctx, uint64_t h)
{
    struct minhash *m = ctx;
    for (size_t i = 0; i < MINIMA; i++) {
        uint32_t x = (uint32_t)(map64_mix(h * m->c->salt[i]) >> 32);
        if (x < m->min[i]) m->min[i] = x;
    }
    m->any = true;
    return false;
}

static uint64_t band_key(const uint32_t *min, size_t band)
{
    return hash64(min + band * (MINIMA / BANDS), MINIMA / BANDS * sizeof *min, band + 1);
}

static bool alike(const struct clean *c, const uint32_t *min, uint64_t doc)
{
    const uint32_t *other = c->minima + doc * MINIMA;
    int same = 0;
    for (size_t i = 0; i < MINIMA; i++) same += min[i] == other[i];
    return same >= c->o.near * MINIMA;
}

static bool has_near(const struct clean *c, const uint32_t *min)
{
    for (size_t b = 0; b < BANDS; b++) {
        uint64_t doc = map64_get(&c->band, band_key(min, b));
        for (; doc != MAP_NONE; doc = c->chain[doc * BANDS + b])
            if (alike(c, min, doc)) return true;
    }
    return false;
}

static int remember(struct clean *c, const uint32_t *min, struct err *e)
{
    if (c->n == c->room) {
        size_t room = c->room ? 2 * c->room : 1024;
        uint32_t *m =
            mem_realloc(c->minima, c->n * MINIMA * sizeof *m, room * MINIMA * sizeof *m);
        if (m) c->minima = m;
        uint64_t *n =
            m ? mem_realloc(c->chain, c->n * BANDS * sizeof *n, room * BANDS * sizeof *n)
              : NULL;
        if (n) c->chain = n;
        if (!n) return err_oom(e, "documents to compare with", room * MINIMA * sizeof *m);
        c->room = room;
    }
    memcpy(c->minima + c->n * MINIMA, min, MINIMA * sizeof *min);
    for (size_t b = 0; b < BANDS; b++) {
        uint64_t key = band_key(min, b);
        c->chain[c->n * BANDS + b] = map64_get(&c->band, key);
        if (!map64_put(&c->band, key, c->n)) return err_oom(e, "bands of documents", 16);
    }
    c->n++;
    return 0;
}

/* ---- judging ------------------------------------------------------------------------------- */

/* Runs of blanks count as one, none at the ends. */
static uint64_t text_hash(struct span s)
{
    uint64_t h = 0xcbf29ce484222325u;
    bool blank = false, begun = false;
    for (size_t i = 0; i < s.n; i++) {
        if (isspace((unsigned char)s.p[i])) {
            blank = begun;
            continue;
        }
        if (blank) h = (h ^ ' ') * 0x100000001b3u;
        blank = false;
        begun = true;
        h = (h ^ (unsigned char)s.p[i]) * 0x100000001b3u;
    }
    return map64_mix(h);
}

int clean_judge(struct clean *c, struct span text, enum clean_verdict *v, struct err *e)
{
    *v = CLEAN_KEEP;
    if (c->forbidden.n &&
        each_run(text, &(struct run_of_words){c->o.n_gram, is_forbidden, c})) {
        *v = CLEAN_CONTAMINATED;
        return 0;
    }
    uint64_t h = text_hash(text);
    if (c->o.exact && map64_get(&c->exact, h) != MAP_NONE) {
        *v = CLEAN_EXACT;
        return 0;
    }
    if (c->o.near > 0) {
        struct minhash m = {.c = c};
        memset(m.min, 0xff, sizeof m.min);
        (void)each_run(text, &(struct run_of_words){SHINGLE, take_shingle, &m});
        if (m.any && has_near(c, m.min)) {
            *v = CLEAN_NEAR;
            return 0;
        }
        if (m.any && remember(c, m.min, e)) return -1;
    }
    if (c->o.exact && !map64_put(&c->exact, h, 1)) return err_oom(e, "hashes of documents", 16);
    return 0;
}
