#include "engine/mask.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "engine/mask_count.h"

enum {
    DEPTH_MAX = 512,
    KEPT_MASKS = 64,
    FRAMES = 3,
    LOCAL_BYTES_MAX = 64 << 20,
    LINE_ENDS = 4
};

/* ---- the vocabulary ------------------------------------------------------------------------ */

struct entry {
    struct span text;
    tok_id id;
};

static int by_text(const void *x, const void *y)
{
    const struct entry *a = x, *b = y;
    size_t n = a->text.n < b->text.n ? a->text.n : b->text.n;
    int c = memcmp(a->text.p, b->text.p, n);
    if (c) return c;
    if (a->text.n != b->text.n) return a->text.n < b->text.n ? -1 : 1;
    return a->id < b->id ? -1 : a->id > b->id;
}

static size_t common(struct span a, struct span b)
{
    size_t n = 0;
    while (n < a.n && n < b.n && a.p[n] == b.p[n]) n++;
    return n;
}

static bool line_ends(struct span s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] != '\n' && s.p[i] != '\r') return false;
    return s.n > 0 && s.n <= LINE_ENDS;
}

static void plant(struct mask_vocab *mv, const struct entry *in, size_t n)
{
    uint32_t open[DEPTH_MAX + 1];
    size_t depth = 0;
    struct span last = {"", 0};
    for (size_t i = 0; i < n; i++) {
        struct span s = in[i].text;
        size_t keep = common(last, s);
        while (depth > keep) mv->node[open[depth--]].skip = (uint32_t)mv->n_node;
        while (depth < s.n) {
            uint8_t byte = (uint8_t)s.p[depth++];
            open[depth] = (uint32_t)mv->n_node;
            mv->node[mv->n_node++] = (struct mask_node){
                .tok = (uint32_t)mv->n_id, .depth = (uint16_t)depth, .byte = byte};
        }
        mv->node[open[depth]].n_tok++;
        mv->id[mv->n_id++] = in[i].id;
        last = s;
    }
    while (depth > 0) mv->node[open[depth--]].skip = (uint32_t)mv->n_node;
}

struct span mask_token_text(const struct vocab *v, tok_id id, char room[MASK_NAME_SIZE])
{
    if (id == TOK_NONE) return (struct span){0};
    enum tok_kind kind = vocab_tok_kind(v, id);
    if (kind == TOK_NORMAL || kind == TOK_BYTE) return vocab_bytes(v, id);
    int n = snprintf(room, MASK_NAME_SIZE, "\xff%d\xff", (int)id);
    return (struct span){room, (size_t)n};
}

/* Half of what stands for a special token must not come by itself. */
static bool is_text(struct span s)
{
    return s.n > 0 && s.n <= DEPTH_MAX && !memchr(s.p, 0xff, s.n);
}

int mask_vocab_create(struct mask_vocab **out, const struct vocab *v, size_t n_vocab,
                      struct err *e)
{
    *out = NULL;
    if (n_vocab > vocab_size(v)) n_vocab = vocab_size(v);
    struct mask_vocab *mv = mem_calloc(1, sizeof *mv);
    struct entry *in = mem_calloc(n_vocab + 1, sizeof *in);
    char(*name)[MASK_NAME_SIZE] = mem_calloc(n_vocab + 1, sizeof *name);
    size_t n = 0, n_node = 0;
    if (!mv || !in || !name) goto oom;
    mv->n_words = (n_vocab + 31) / 32;
    mv->stop = mem_calloc(n_vocab + 1, sizeof *mv->stop);
    mv->line = mem_calloc(n_vocab + 1, sizeof *mv->line);
    mv->id = mem_calloc(n_vocab + 1, sizeof *mv->id);
    if (!mv->stop || !mv->line || !mv->id) goto oom;
    for (tok_id id = 0; (size_t)id < n_vocab; id++) {
        struct span text = mask_token_text(v, id, name[id]);
        if (vocab_is_stop(v, id)) {
            mv->stop[mv->n_stop++] = id;
            continue;
        }
        if (text.p != name[id] && !is_text(text)) continue;
        if (line_ends(text)) mv->line[mv->n_line++] = id;
        in[n++] = (struct entry){text, id};
        mv->max_depth = text.n > mv->max_depth ? text.n : mv->max_depth;
    }
    qsort(in, n, sizeof *in, by_text);
    for (size_t i = 0; i < n; i++)
        n_node += in[i].text.n - (i ? common(in[i - 1].text, in[i].text) : 0);
    mv->node = mem_calloc(n_node + 1, sizeof *mv->node);
    if (!mv->node) goto oom;
    plant(mv, in, n);
    mem_free(in);
    mem_free(name);
    *out = mv;
    return 0;
oom:
    mem_free(in);
    mem_free(name);
    mask_vocab_free(mv);
    return err_oom(e, "token tree", n_vocab * sizeof *in);
}

void mask_vocab_free(struct mask_vocab *mv)
{
    if (!mv) return;
    mem_free(mv->node);
    mem_free(mv->id);
    mem_free(mv->stop);
    mem_free(mv->line);
    mem_free(mv);
}

/* ---- masks --------------------------------------------------------------------------------- */

/* What a position allows when the stack below its frames is not known. */
struct local {
    uint32_t *bits; /* tokens that end inside, or NULL when there are few: */
    tok_id *id;
    uint32_t *exit; /* tree nodes at which the bottom was reached */
    size_t n_id, n_exit, bytes;
    struct mask_count *count; /* all that, when the bottom is a count, */
    struct gram_set lead;     /* with the branches that begin with these bytes */
};

struct kept {
    uint32_t *bits;
    uint32_t state;
};

struct mask {
    const struct mask_vocab *mv;
    struct automaton *a;
    struct map64 at; /* node and truncated stack -> local */
    struct local *local;
    size_t n_local, cap_local, local_bytes;
    uint32_t *state_at; /* (max_depth + 1) for walks */
    uint32_t *bits;     /* scratch */
    tok_id *few;        /* (n_words) */
    uint32_t *exit;     /* scratch */
    size_t n_exit, cap_exit;
    struct kept kept[KEPT_MASKS];
    struct map64 kept_at; /* state -> slot */
    size_t next_kept;
};

static void take(const struct mask_vocab *mv, const struct mask_node *nd, uint32_t *bits)
{
    for (uint32_t i = 0; i < nd->n_tok; i++) mask_set(bits, mv->id[nd->tok + i]);
}

/* The state behind node *i, whose parent's is known; a dead branch is passed over. */
static uint32_t enter(struct mask *m, uint32_t *i)
{
    const struct mask_node *nd = &m->mv->node[*i];
    uint32_t s = auto_next(m->a, m->state_at[nd->depth - 1], nd->byte);
    m->state_at[nd->depth] = s;
    if (s == AUTO_DEAD) *i = nd->skip;
    return s;
}

/* All branches under [from, to), whose parent has the state at its depth, with the whole stack. */
static void walk(struct mask *m, uint32_t from, uint32_t to, uint32_t *bits)
{
    const struct mask_vocab *mv = m->mv;
    for (uint32_t i = from; i < to;) {
        const struct mask_node *nd = &mv->node[i];
        if (enter(m, &i) == AUTO_DEAD) continue;
        take(mv, nd, bits);
        i++;
    }
}

static bool add_exit(struct mask *m, uint32_t node)
{
    if (m->n_exit == m->cap_exit) {
        size_t want = m->cap_exit ? 2 * m->cap_exit : 1024;
        uint32_t *p = mem_realloc(m->exit, m->cap_exit * sizeof *p, want * sizeof *p);
        if (!p) return false;
        m->exit = p;
        m->cap_exit = want;
    }
    m->exit[m->n_exit++] = node;
    return true;
}

/* The whole tree from a position with an open stack: tokens to m->bits, ways out to m->exit. */
static bool walk_local(struct mask *m, struct auto_pos p)
{
    const struct mask_vocab *mv = m->mv;
    m->n_exit = 0;
    memset(m->bits, 0, mv->n_words * sizeof *m->bits);
    m->state_at[0] = auto_at(m->a, p);
    for (uint32_t i = 0; i < mv->n_node;) {
        const struct mask_node *nd = &mv->node[i];
        uint32_t s = enter(m, &i);
        if (s == AUTO_DEAD) continue;
        const struct auto_state *st = &m->a->state[s];
        if (st->done && !add_exit(m, i)) return false;
        if (st->n) take(mv, nd, m->bits);
        i = st->n ? i + 1 : nd->skip;
    }
    return !m->a->full;
}

/* The same inside a count, from a position above its free cell. */
static bool walk_count(struct mask *m, struct auto_pos p, const struct gram_set *lead,
                       struct mask_count *c)
{
    const struct mask_vocab *mv = m->mv;
    m->state_at[0] = auto_at(m->a, p);
    for (uint32_t i = 0; i < mv->n_node;) {
        const struct mask_node *nd = &mv->node[i];
        uint32_t s = enter(m, &i);
        if (s == AUTO_DEAD) continue;
        struct auto_state st = m->a->state[s];
        for (uint32_t k = 0; k < nd->n_tok; k++)
            if (!mask_count_token(c, mv->id[nd->tok + k], st.free)) return false;
        for (uint32_t k = st.n; k-- > 0;) { /* sorted by node, and the dead one is the last */
            struct auto_pos at = m->a->pos[st.first + k];
            if (at.node != m->a->g->dead) break;
            for (uint32_t b = i + 1; b < nd->skip; b = mv->node[b].skip)
                if (gram_set_has(lead, mv->node[b].byte) &&
                    !mask_count_branch(c, b, mv->node[b].byte, m->a->cell[at.cell].free))
                    return false;
        }
        i++;
    }
    return !m->a->full && mask_count_ready(c);
}

static void forget_locals(struct mask *m)
{
    for (size_t i = 0; i < m->n_local; i++) {
        mask_count_free(m->local[i].count);
        mem_free(m->local[i].bits);
        mem_free(m->local[i].id);
        mem_free(m->local[i].exit);
    }
    m->n_local = m->local_bytes = 0;
    map64_release(&m->at);
    map64_init(&m->at);
}

/* Makes a local of m->bits and m->exit: as a list when that is shorter. */
static bool keep_local(struct mask *m, struct local *l)
{
    size_t words = m->mv->n_words, n = 0;
    *l = (struct local){.n_exit = m->n_exit};
    for (size_t w = 0; w < words && n <= words; w++) {
        for (uint32_t b = m->bits[w]; b && n <= words; b &= b - 1) {
            if (n < words) m->few[n] = (tok_id)(w * 32 + (size_t)__builtin_ctz(b));
            n++;
        }
    }
    if (n <= words) {
        l->n_id = n;
        l->id = mem_alloc((n + 1) * sizeof *l->id);
        if (l->id && n) memcpy(l->id, m->few, n * sizeof *l->id);
        l->bytes = n * sizeof *l->id;
    } else {
        l->bits = mem_alloc(words * sizeof *l->bits);
        if (l->bits) memcpy(l->bits, m->bits, words * sizeof *l->bits);
        l->bytes = words * sizeof *l->bits;
    }
    l->exit = mem_alloc((m->n_exit + 1) * sizeof *l->exit);
    if (l->exit && m->n_exit) memcpy(l->exit, m->exit, m->n_exit * sizeof *l->exit);
    l->bytes += m->n_exit * sizeof *l->exit + sizeof *l;
    if (l->exit && (l->bits || l->id)) return true;
    mem_free(l->bits);
    mem_free(l->id);
    mem_free(l->exit);
    return false;
}

/* Where a stack was cut. */
struct cut {
    struct auto_pos p; /* the position above */
    uint32_t rest;     /* the stack below, with the count's cell on top if `counted` */
    bool counted;
    uint32_t after;       /* counted: the state behind the count, */
    struct gram_set lead; /* and the bytes that lead on from it */
};

static bool make_local(struct mask *m, const struct cut *cut, struct local *l)
{
    if (!cut->counted) return walk_local(m, cut->p) && keep_local(m, l);
    *l = (struct local){.count = mask_count_create(m->mv->n_words), .lead = cut->lead};
    if (l->count && walk_count(m, cut->p, &l->lead, l->count)) {
        l->bytes = mask_count_bytes(l->count);
        return true;
    }
    mask_count_free(l->count);
    return false;
}

/* Another stack below may lead on with bytes that were not asked for before. */
static bool widen(struct mask *m, const struct cut *cut, struct local *l)
{
    struct cut both = *cut;
    struct local wide;
    bool lacks = false;
    for (int w = 0; w < 4; w++) {
        lacks |= (cut->lead.bits[w] & ~l->lead.bits[w]) != 0;
        both.lead.bits[w] |= l->lead.bits[w];
    }
    if (!lacks) return true;
    if (!make_local(m, &both, &wide)) return false;
    mask_count_free(l->count);
    m->local_bytes += wide.bytes - l->bytes;
    *l = wide;
    return true;
}

static const struct local *local_of(struct mask *m, const struct cut *cut)
{
    uint64_t key = (uint64_t)cut->p.node << 32 | cut->p.cell, at = map64_get(&m->at, key);
    if (at != MAP_NONE)
        return !cut->counted || widen(m, cut, &m->local[at]) ? &m->local[at] : NULL;
    if (m->n_local == m->cap_local) {
        size_t want = m->cap_local ? 2 * m->cap_local : 64;
        struct local *l = mem_realloc(m->local, m->cap_local * sizeof *l, want * sizeof *l);
        if (!l) return NULL;
        m->local = l;
        m->cap_local = want;
    }
    struct local *l = &m->local[m->n_local];
    if (!map64_put(&m->at, key, m->n_local)) return NULL;
    if (!make_local(m, cut, l)) {
        (void)map64_del(&m->at, key);
        return NULL;
    }
    m->local_bytes += l->bytes;
    m->n_local++;
    return l;
}

/* The state behind the count whose cell is on top of a stack, and its bytes. */
static void look_after(struct mask *m, struct cut *cut)
{
    const struct automaton *a = m->a;
    struct auto_cell c = a->cell[cut->rest];
    cut->after = auto_at(m->a, (struct auto_pos){a->g->node[c.ret].next, c.below});
    struct auto_state s = a->state[cut->after];
    for (uint32_t i = 0; i < s.n; i++) {
        const struct gram_set *set = &a->g->set[a->g->node[a->pos[s.first + i].node].arg];
        for (int w = 0; w < 4; w++) cut->lead.bits[w] |= set->bits[w];
    }
}

/* Cuts a stack inside the first count, or below the first frame whose rule goes round in itself. */
static struct cut cut_stack(struct mask *m, struct auto_pos p)
{
    const struct grammar *g = m->a->g;
    uint32_t frame[FRAMES], cell = p.cell, below = AUTO_OPEN;
    int n = 0;
    bool round = g->loops[p.node], counted = false;
    while (!round && n < FRAMES && cell != AUTO_OPEN) {
        struct auto_cell c = m->a->cell[cell];
        if (c.unit) {
            counted = true;
            below = auto_cell(m->a, c.ret, AUTO_OPEN, AUTO_FREE | 1);
            break;
        }
        frame[n++] = c.ret;
        round = g->loops[c.ret];
        cell = c.below;
    }
    while (n > 0) below = auto_cell(m->a, frame[--n], below, 0);
    struct cut cut = {.p = {p.node, below}, .rest = cell, .counted = counted};
    if (counted) look_after(m, &cut);
    return cut;
}

static void add_count(struct mask *m, const struct mask_count *c, const struct cut *cut,
                      uint32_t *bits)
{
    const struct grammar *g = m->a->g;
    struct auto_cell at = m->a->cell[cut->rest];
    struct gram_count limit = g->count[g->node[at.ret].arg];
    uint32_t done = at.unit - 1, lo = g->rule[limit.rule].nullable ? 0 : limit.lo;
    uint32_t least = lo > done ? lo - done : 0;
    uint32_t most = limit.hi == GRAM_MANY ? GRAM_MANY : limit.hi - done;
    mask_count_add(c, most, bits);
    for (int w = 0; w < 4; w++) {
        for (uint64_t left = cut->lead.bits[w]; left; left &= left - 1) {
            unsigned byte = (unsigned)w * 64 + (unsigned)__builtin_ctzll(left);
            struct mask_branches br = mask_count_branches(c, (uint8_t)byte);
            for (size_t i = 0; i < br.n; i++) {
                if (br.unit[i] < least || br.unit[i] > most) continue;
                const struct mask_node *nd = &m->mv->node[br.node[i]];
                m->state_at[nd->depth - 1] = cut->after;
                walk(m, br.node[i], nd->skip, bits);
            }
        }
    }
}

static bool add_position(struct mask *m, struct auto_pos p, uint32_t *bits)
{
    const struct mask_vocab *mv = m->mv;
    struct cut cut = cut_stack(m, p);
    const struct local *l = local_of(m, &cut);
    if (!l || m->a->full) return false;
    if (l->count) {
        add_count(m, l->count, &cut, bits);
        return !m->a->full;
    }
    if (l->bits)
        for (size_t i = 0; i < mv->n_words; i++) bits[i] |= l->bits[i];
    for (size_t i = 0; i < l->n_id; i++) mask_set(bits, l->id[i]);
    if (!l->n_exit) return true;
    uint32_t after = auto_return(m->a, cut.rest);
    if (after == AUTO_DEAD) return !m->a->full;
    bool more = m->a->state[after].n > 0;
    for (size_t i = 0; i < l->n_exit; i++) {
        const struct mask_node *nd = &mv->node[l->exit[i]];
        take(mv, nd, bits);
        if (!more) continue;
        m->state_at[nd->depth] = after;
        walk(m, l->exit[i] + 1, nd->skip, bits);
    }
    return !m->a->full;
}

static bool build(struct mask *m, uint32_t state, uint32_t *bits)
{
    struct auto_state s = m->a->state[state];
    memset(bits, 0, m->mv->n_words * sizeof *bits);
    for (uint32_t i = 0; i < s.n; i++)
        if (!add_position(m, m->a->pos[s.first + i], bits)) return false;
    for (size_t i = 0; s.done && i < m->mv->n_stop; i++) mask_set(bits, m->mv->stop[i]);
    return !m->a->full;
}

const uint32_t *mask_of(struct mask *m, struct auto_mark *at)
{
    if (auto_trim(m->a)) {
        map64_release(&m->kept_at);
        map64_init(&m->kept_at);
    }
    if (m->local_bytes > LOCAL_BYTES_MAX) forget_locals(m);
    uint32_t state = auto_load(m->a, at);
    uint64_t slot = map64_get(&m->kept_at, state);
    if (slot != MAP_NONE) return m->kept[slot].bits;
    struct kept *k = &m->kept[m->next_kept];
    if (!k->bits) k->bits = mem_alloc(m->mv->n_words * sizeof *k->bits + 4);
    if (!k->bits) return NULL;
    if (map64_get(&m->kept_at, k->state) == m->next_kept)
        (void)map64_del(&m->kept_at, k->state);
    k->state = state;
    if (!build(m, state, k->bits) || !map64_put(&m->kept_at, state, m->next_kept)) return NULL;
    m->next_kept = (m->next_kept + 1) % KEPT_MASKS;
    return k->bits;
}

int mask_create(struct mask **out, const struct mask_vocab *mv, struct automaton *a,
                struct err *e)
{
    *out = NULL;
    struct mask *m = mem_calloc(1, sizeof *m);
    if (!m) return err_oom(e, "token mask", sizeof *m);
    m->mv = mv;
    m->a = a;
    map64_init(&m->at);
    map64_init(&m->kept_at);
    m->state_at = mem_calloc(mv->max_depth + 1, sizeof *m->state_at);
    m->bits = mem_calloc(mv->n_words + 1, sizeof *m->bits);
    m->few = mem_calloc(mv->n_words + 1, sizeof *m->few);
    if (!m->state_at || !m->bits || !m->few) {
        mask_free(m);
        return err_oom(e, "token mask", mv->n_words * sizeof *m->bits);
    }
    *out = m;
    return 0;
}

void mask_free(struct mask *m)
{
    if (!m) return;
    forget_locals(m);
    map64_release(&m->at);
    map64_release(&m->kept_at);
    for (size_t i = 0; i < KEPT_MASKS; i++) mem_free(m->kept[i].bits);
    mem_free(m->local);
    mem_free(m->state_at);
    mem_free(m->bits);
    mem_free(m->few);
    mem_free(m->exit);
    mem_free(m);
}
