/* vocab.c - building a vocabulary and asking about its entries.
 *
 * Life: vocab_create, one vocab_set_token per id, vocab_add_merge in order of rank,
 * vocab_set_special, vocab_finish. Tokens come before merges, because a merge is resolved to ids
 * when it is added. After vocab_finish nothing changes any more, so any thread may read.
 *
 * All texts live in one pool; the piece table finds an ordinary token by its bytes; everything
 * else (control, user-defined, byte tokens ...) is in `named`, sorted by text.
 */
#include "text/vocab.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/hash.h"
#include "base/mem.h"
#include "base/size.h"
#include "base/utf8.h"
#include "text/marks.h"
#include "text/vocab_int.h"

enum { MAX_TOKENS = 1 << 21, MAX_TEXT = 1 << 16, MAX_POOL = 1 << 29, MAX_MERGES = 1 << 23 };

/* ---- GPT-2's byte alphabet ------------------------------------------------------------------
 * Bytes 33-126, 161-172 and 174-255 stand for themselves; the other 68, in order, are U+0100 on:
 * 0-32 are U+0100-0120, 127-160 are U+0121-0142, 173 is U+0143. */

static uint32_t letter_of(unsigned char b)
{
    if (b <= 32) return 0x100u + b;
    if (b >= 127 && b <= 160) return 0x121u + b - 127;
    return b == 173 ? 0x143 : b;
}

/* The byte a letter stands for, or -1. */
static int byte_of(uint32_t cp)
{
    if (cp >= 0x100 && cp <= 0x120) return (int)(cp - 0x100);
    if (cp >= 0x121 && cp <= 0x142) return (int)(cp - 0x121 + 127);
    if (cp == 0x143) return 173;
    return cp < 256 && letter_of((unsigned char)cp) == cp ? (int)cp : -1;
}

void vocab_alphabet(struct span bytes, struct buf *out)
{
    char utf8[4];
    for (size_t i = 0; i < bytes.n; i++)
        buf_add(out, utf8, utf8_encode(letter_of((unsigned char)bytes.p[i]), utf8));
}

/* Bytes of a text in the alphabet, appended to out; false when a character is not in it. */
static bool undo_alphabet(struct span text, struct buf *out)
{
    if (!buf_reserve(out, text.n)) return false;
    for (size_t i = 0, len; i < text.n; i += len) {
        int b = byte_of(utf8_decode(text.p + i, text.n - i, &len));
        if (b < 0) return false;
        buf_add_char(out, (char)b);
    }
    return true;
}

/* ---- building ---------------------------------------------------------------------------- */

int vocab_create(struct vocab **out, enum vocab_type type, enum pretok pre, size_t n_token,
                 struct err *e)
{
    *out = NULL;
    if (n_token == 0 || n_token > MAX_TOKENS)
        return err_set(e, ERR_LIMIT, "a vocabulary of %zu tokens, allowed is 1 to %d", n_token,
                       MAX_TOKENS);
    struct vocab *v = mem_calloc(1, sizeof *v);
    size_t slots = 64;
    while (slots < 2 * n_token) slots *= 2;
    if (v) {
        v->tok = mem_calloc(n_token, sizeof *v->tok);
        v->piece = mem_calloc(slots, sizeof *v->piece);
    }
    if (!v || !v->tok || !v->piece) {
        vocab_free(v);
        return err_oom(e, "vocabulary", n_token * sizeof *v->tok + slots * sizeof *v->piece);
    }
    v->type = type;
    v->pre = pre;
    v->n_token = n_token;
    v->piece_mask = slots - 1;
    buf_init(&v->pool, MAX_POOL);
    map64_init(&v->chars);
    struct vocab_special *s = &v->special;
    s->bos = s->eos = s->eot = s->eom = s->unk = s->pad = TOK_NONE;
    s->fim_pre = s->fim_suf = s->fim_mid = s->think_open = s->think_close = TOK_NONE;
    *out = v;
    return 0;
}

void vocab_free(struct vocab *v)
{
    if (!v) return;
    mem_free(v->tok);
    mem_free(v->piece);
    mem_free(v->merge);
    mem_free(v->named);
    mem_free(v->mark.id);
    pair_release(&v->pair);
    map64_release(&v->chars);
    buf_release(&v->pool);
    mem_free(v);
}

/* The slot of a key in the piece table: the token's own, or a free one. */
static uint64_t *piece_slot(const struct vocab *v, struct span key, uint64_t h)
{
    for (size_t i = (size_t)h & v->piece_mask;; i = (i + 1) & v->piece_mask) {
        uint64_t *s = &v->piece[i];
        if (*s == 0) return s;
        if (*s >> 32 == h >> 32 && span_eq(tok_key(v, (uint32_t)*s - 1), key)) return s;
    }
}

tok_id vocab_piece(const struct vocab *v, struct span key)
{
    uint64_t s = *piece_slot(v, key, hash64(key.p, key.n, 0));
    return s ? (tok_id)((uint32_t)s - 1) : TOK_NONE;
}

/* Of two tokens with the same bytes the lower id counts. */
static void piece_put(struct vocab *v, uint32_t id)
{
    struct span key = tok_key(v, id);
    uint64_t h = hash64(key.p, key.n, 0), *s = piece_slot(v, key, h);
    if (*s && (uint32_t)*s - 1 < id) return;
    if (*s) v->tok[(uint32_t)*s - 1].flags &= (uint8_t)~TOK_IS_PIECE;
    *s = (h >> 32 << 32) | (id + 1);
    v->tok[id].flags |= TOK_IS_PIECE;
}

/* "<0x0A>" */
static bool byte_token_value(struct span text, unsigned char *out)
{
    if (text.n != 6 || memcmp(text.p, "<0x", 3) != 0 || text.p[5] != '>') return false;
    unsigned v = 0;
    for (int i = 3; i < 5; i++) {
        unsigned c = (unsigned char)text.p[i];
        if (c - '0' < 10)
            v = v * 16 + (c - '0');
        else if ((c | 32) - 'a' < 6)
            v = v * 16 + ((c | 32) - 'a' + 10);
        else
            return false;
    }
    *out = (unsigned char)v;
    return true;
}

int vocab_set_token(struct vocab *v, tok_id id, struct span text, float score,
                    enum tok_kind kind, struct err *e)
{
    if (id < 0 || (size_t)id >= v->n_token)
        return err_set(e, ERR_FORMAT, "token id %d is outside the vocabulary of %zu", id,
                       v->n_token);
    if (kind < TOK_NORMAL || kind > TOK_BYTE)
        return err_set(e, ERR_FORMAT, "token %d has the unknown kind %d", id, (int)kind);
    if (text.n > MAX_TEXT)
        return err_set(e, ERR_LIMIT, "token %d has %zu bytes, the limit is %d", id, text.n,
                       MAX_TEXT);
    if (!(score == score))
        return err_set(e, ERR_FORMAT, "token %d has a score that is not a number", id);
    struct tok *t = &v->tok[id];
    if (t->flags & TOK_IS_SET) return err_set(e, ERR_FORMAT, "token %d is set twice", id);
    *t = (struct tok){.text_at = (uint32_t)v->pool.len,
                      .text_n = (uint32_t)text.n,
                      .score = score,
                      .kind = (uint8_t)kind,
                      .flags = TOK_IS_SET};
    buf_add_span(&v->pool, text);
    t->bytes_at = (uint32_t)v->pool.len;
    unsigned char byte;
    bool is_piece = kind == TOK_NORMAL && text.n > 0;
    if (kind == TOK_BYTE) {
        if (!byte_token_value(text, &byte))
            return err_set(e, ERR_FORMAT, "byte token %d is not of the form <0x00>", id);
        buf_add_char(&v->pool, (char)byte);
    } else if (kind == TOK_NORMAL && v->type == VOCAB_BPE) {
        /* A text outside the alphabet stays as it is: it can be decoded, but no input encodes to
         * it. Old converters wrote some added tokens so. */
        is_piece = is_piece && undo_alphabet(text, &v->pool);
        if (!is_piece) {
            v->pool.len = t->bytes_at;
            buf_add_span(&v->pool, text);
        }
    } else if (kind == TOK_NORMAL) {
        for (size_t i = 0; i < text.n;) { /* U+2581 is a space */
            bool mark = text.n - i >= 3 && memcmp(text.p + i, "\xe2\x96\x81", 3) == 0;
            buf_add_char(&v->pool, mark ? ' ' : text.p[i]);
            i += mark ? 3 : 1;
        }
    } else {
        t->bytes_at = t->text_at;
    }
    if (buf_ok(&v->pool, "the text of all tokens", e)) return -1;
    t->bytes_n = (uint32_t)(t->bytes_at == t->text_at ? text.n : v->pool.len - t->bytes_at);
    if (is_piece) piece_put(v, (uint32_t)id);
    v->n_set++;
    return 0;
}

/* The token with the bytes at the end of the pool, which are taken off again. */
static tok_id take_piece(struct vocab *v, size_t from)
{
    struct span bytes = {buf_str(&v->pool) + from, v->pool.len - from};
    v->pool.len = from;
    return vocab_piece(v, bytes);
}

static int not_a_token(size_t rank, struct span text, struct err *e)
{
    return err_set(e, ERR_FORMAT, "merge %zu: \"%.*s\" is not a token", rank,
                   (int)size_min(text.n, 100), text.p);
}

/* A merge's half, which is a text in the byte alphabet, as a token. */
static int merge_half(struct vocab *v, struct span text, uint32_t *out, struct err *e)
{
    size_t from = v->pool.len;
    bool ok = undo_alphabet(text, &v->pool);
    if (buf_ok(&v->pool, "the text of all tokens", e)) return -1;
    tok_id id = take_piece(v, from);
    if (!ok || id == TOK_NONE) return not_a_token(v->n_merge, text, e);
    *out = (uint32_t)id;
    return 0;
}

static int merge_join(struct vocab *v, struct merge *m, struct err *e)
{
    size_t from = v->pool.len, n = tok_bytes(v, m->left).n + tok_bytes(v, m->right).n;
    if (buf_reserve(&v->pool, n)) { /* now the pool stays where it is */
        buf_add_span(&v->pool, tok_bytes(v, m->left));
        buf_add_span(&v->pool, tok_bytes(v, m->right));
    }
    if (buf_ok(&v->pool, "the text of all tokens", e)) return -1;
    struct span joined = {v->pool.data + from, n};
    tok_id id = take_piece(v, from);
    if (id == TOK_NONE) return not_a_token(v->n_merge, joined, e);
    m->sym = (uint32_t)id;
    return 0;
}

int vocab_add_merge(struct vocab *v, struct span left, struct span right, struct err *e)
{
    struct merge m;
    if (v->type != VOCAB_BPE)
        return err_set(e, ERR_FORMAT, "a SentencePiece vocabulary has scores, not merges");
    if (v->n_merge >= MAX_MERGES)
        return err_set(e, ERR_LIMIT, "more than %d merges", MAX_MERGES);
    if (merge_half(v, left, &m.left, e) || merge_half(v, right, &m.right, e) ||
        merge_join(v, &m, e))
        return -1;
    if (v->n_merge == v->merge_size) {
        size_t size = v->merge_size ? 2 * v->merge_size : 4096;
        struct merge *p = mem_realloc(v->merge, v->n_merge * sizeof *p, size * sizeof *p);
        if (!p) return err_oom(e, "merges", size * sizeof *p);
        v->merge = p;
        v->merge_size = size;
    }
    v->merge[v->n_merge++] = m;
    return 0;
}

void vocab_set_special(struct vocab *v, const struct vocab_special *s)
{
    v->special = *s;
}

/* ---- finishing --------------------------------------------------------------------------- */

/* qsort has no context argument, so what it sorts carries the text. */
struct named {
    struct span text;
    tok_id id;
};

static int by_text(const void *a, const void *b)
{
    const struct named *x = a, *y = b;
    int c = memcmp(x->text.p, y->text.p, size_min(x->text.n, y->text.n));
    if (c) return c;
    if (x->text.n != y->text.n) return x->text.n < y->text.n ? -1 : 1;
    return x->id < y->id ? -1 : x->id > y->id;
}

static bool is_mark(const struct tok *t)
{
    return t->text_n > 0 &&
           (t->kind == TOK_CONTROL || t->kind == TOK_USER_DEFINED || t->kind == TOK_UNKNOWN);
}

/* Control tokens, and user-defined ones that templates use: DeepSeek's distills declare even
 * <｜User｜> as user-defined, and a user's text must not be able to write that. */
static bool is_guarded(const struct tok *t, struct span text)
{
    static const char *const marks[] = {MARK_THINK,    MARK_THINK_END,   MARK_QWEN_CALL,
                                        MARK_QWEN_END, MARK_QWEN_RESULT, MARK_QWEN_RES_END};
    if (t->kind != TOK_USER_DEFINED) return true;
    for (size_t i = 0; i < countof(marks); i++)
        if (span_is(text, marks[i])) return true;
    if (span_is(text, MARK_DSML)) return true;
    return text.n > 4 && text.p[text.n - 1] == '>' &&
           (span_starts(text, "<|") || span_starts(text, "<｜"));
}

static int collect_named(struct vocab *v, struct err *e)
{
    size_t n = 0;
    for (size_t i = 0; i < v->n_token; i++) n += !(v->tok[i].flags & TOK_IS_PIECE);
    struct named *list = mem_alloc((n + 1) * sizeof *list);
    v->named = mem_alloc((n + 1) * sizeof *v->named);
    v->mark.id = mem_alloc((n + 1) * sizeof *v->mark.id);
    if (!list || !v->named || !v->mark.id) {
        mem_free(list);
        return err_oom(e, "special tokens", n * sizeof *list);
    }
    for (size_t i = 0; i < v->n_token; i++)
        if (!(v->tok[i].flags & TOK_IS_PIECE))
            list[v->n_named++] = (struct named){tok_text(v, (uint32_t)i), (tok_id)i};
    qsort(list, n, sizeof *list, by_text);
    for (size_t i = 0; i < n; i++) {
        const struct tok *t = &v->tok[list[i].id];
        v->named[i] = list[i].id;
        if (!is_mark(t)) continue;
        bool open = !is_guarded(t, list[i].text);
        if (!open) v->tok[list[i].id].flags |= TOK_IS_GUARDED;
        unsigned char first = (unsigned char)list[i].text.p[0];
        v->mark.id[v->mark.n++] = list[i].id;
        v->mark.first_any[first] = true;
        v->mark.first_open[first] |= open;
        v->mark.has_open |= open;
    }
    mem_free(list);
    return 0;
}

static int check_special(const struct vocab *v, const char *what, struct err *e)
{
    const struct vocab_special *s = &v->special;
    const struct {
        const char *name;
        tok_id id;
    } role[] = {{"bos", s->bos},         {"eos", s->eos},         {"eot", s->eot},
                {"eom", s->eom},         {"unk", s->unk},         {"pad", s->pad},
                {"fim_pre", s->fim_pre}, {"fim_suf", s->fim_suf}, {"fim_mid", s->fim_mid}};
    for (size_t i = 0; i < countof(role); i++)
        if (role[i].id < TOK_NONE || role[i].id >= (tok_id)v->n_token)
            return err_set(e, ERR_FORMAT,
                           "%s: the %s token is %d, outside the vocabulary of %zu", what,
                           role[i].name, role[i].id, v->n_token);
    if (s->add_bos && s->bos == TOK_NONE)
        return err_set(e, ERR_FORMAT, "%s: add_bos is set but there is no bos token", what);
    if (s->add_eos && s->eos == TOK_NONE)
        return err_set(e, ERR_FORMAT, "%s: add_eos is set but there is no eos token", what);
    return 0;
}

/* The bytes C0, C1 and F5 to FF are in no valid UTF-8, and DeepSeek-LLM, V2 and Coder have no token
 * for them. All others need a symbol: a token in BPE; in SentencePiece a byte token, or else the
 * unknown token. */
static int collect_bytes(struct vocab *v, const char *what, struct err *e)
{
    if (v->type == VOCAB_BPE) {
        for (unsigned b = 0; b < 256; b++) {
            char c = (char)b;
            tok_id id = vocab_piece(v, (struct span){&c, 1});
            bool may_lack = b == 0xc0 || b == 0xc1 || b >= 0xf5;
            if (id == TOK_NONE && !may_lack)
                return err_set(e, ERR_FORMAT, "%s: no token stands for byte 0x%02x", what, b);
            v->byte_sym[b] = id == TOK_NONE ? NO_SYM : (uint32_t)id;
            v->lacks_bytes |= id == TOK_NONE;
        }
        return 0;
    }
    for (unsigned b = 0; b < 256; b++) v->byte_sym[b] = NO_SYM;
    for (size_t i = 0; i < v->n_token; i++)
        if (v->tok[i].kind == TOK_BYTE)
            v->byte_sym[(unsigned char)*tok_bytes(v, (uint32_t)i).p] = (uint32_t)i;
    for (unsigned b = 0; b < 256; b++) {
        if (v->byte_sym[b] != NO_SYM) continue;
        if (v->special.unk == TOK_NONE)
            return err_set(e, ERR_FORMAT, "%s: byte 0x%02x has no token and there is no unk",
                           what, b);
        v->byte_sym[b] = (uint32_t)v->special.unk;
    }
    return 0;
}

/* Which entries merge to themselves: encoding then needs one look for most words. */
static int mark_whole(struct vocab *v, struct err *e)
{
    struct merge_scratch s = {0};
    int rc = 0;
    for (uint32_t id = 0; id < v->n_token && !rc; id++) {
        if (!(v->tok[id].flags & TOK_IS_PIECE)) continue;
        struct span key = tok_key(v, id);
        size_t n = key.n;
        rc = merge_scratch_syms(&s, n, e);
        if (rc) break;
        if (v->type == VOCAB_SPM)
            n = spm_symbols(v, key, s.sym);
        else
            for (size_t i = 0; i < n; i++) s.sym[i] = v->byte_sym[(unsigned char)key.p[i]];
        rc = merge_symbols(&v->pair, s.sym, &n, &s, e);
        if (!rc && n == 1 && s.sym[0] == id) v->tok[id].flags |= TOK_IS_WHOLE;
    }
    merge_scratch_release(&s);
    return rc;
}

/* docs/text.md, "stop set" */
static void collect_stops(struct vocab *v)
{
    static const char *const stop[] = {MARK_EOS,         MARK_USER,    MARK_ASSISTANT,
                                       MARK_IM_END,      "<|eot_id|>", "<|endoftext|>",
                                       "<|end_of_text|>"};
    const struct vocab_special *s = &v->special;
    const tok_id role[] = {s->eos, s->eot, s->eom};
    for (size_t i = 0; i < countof(role); i++)
        if (role[i] != TOK_NONE) v->tok[role[i]].flags |= TOK_IS_STOP;
    for (size_t i = 0; i < v->mark.n; i++) {
        struct span text = tok_text(v, (uint32_t)v->mark.id[i]);
        bool is_stop = v->pre == PRETOK_DEEPSEEK_CODER && span_is(text, "<|EOT|>");
        for (size_t k = 0; k < countof(stop); k++) is_stop |= span_is(text, stop[k]);
        if (is_stop) v->tok[v->mark.id[i]].flags |= TOK_IS_STOP;
    }
}

static int fill_pairs(struct vocab *v, struct err *e)
{
    if (v->type == VOCAB_SPM) return spm_finish(v, e);
    if (pair_reserve(&v->pair, v->n_merge, e)) return -1;
    for (size_t i = 0; i < v->n_merge; i++)
        pair_put(&v->pair, v->merge[i].left, v->merge[i].right, (uint32_t)i, v->merge[i].sym);
    return 0;
}

int vocab_finish(struct vocab *v, const char *what, struct err *e)
{
    if (v->finished) return err_set(e, ERR_BUG, "%s: the vocabulary is finished already", what);
    if (v->n_set != v->n_token)
        for (size_t i = 0; i < v->n_token; i++)
            if (!(v->tok[i].flags & TOK_IS_SET))
                return err_set(e, ERR_FORMAT, "%s: token %zu of %zu is not set", what, i,
                               v->n_token);
    if (check_special(v, what, e) || collect_bytes(v, what, e)) return -1;
    if (collect_named(v, e) || fill_pairs(v, e) || mark_whole(v, e))
        return err_wrap(e, "%s", what);
    v->special.think_open = vocab_find(v, span_of(MARK_THINK));
    v->special.think_close = vocab_find(v, span_of(MARK_THINK_END));
    collect_stops(v);
    v->finished = true;
    return 0;
}

/* ---- asking ------------------------------------------------------------------------------ */

size_t vocab_size(const struct vocab *v)
{
    return v->n_token;
}

enum vocab_type vocab_kind(const struct vocab *v)
{
    return v->type;
}

enum pretok vocab_pretok(const struct vocab *v)
{
    return v->pre;
}

const struct vocab_special *vocab_special(const struct vocab *v)
{
    return &v->special;
}

static bool is_id(const struct vocab *v, tok_id id)
{
    return id >= 0 && (size_t)id < v->n_token;
}

struct span vocab_bytes(const struct vocab *v, tok_id id)
{
    return is_id(v, id) ? tok_bytes(v, (uint32_t)id) : (struct span){"", 0};
}

struct span vocab_text(const struct vocab *v, tok_id id)
{
    return is_id(v, id) ? tok_text(v, (uint32_t)id) : (struct span){"", 0};
}

float vocab_score(const struct vocab *v, tok_id id)
{
    return is_id(v, id) ? v->tok[id].score : 0.0f;
}

enum tok_kind vocab_tok_kind(const struct vocab *v, tok_id id)
{
    return is_id(v, id) ? (enum tok_kind)v->tok[id].kind : TOK_UNUSED;
}

size_t vocab_n_merge(const struct vocab *v)
{
    return v->n_merge;
}

void vocab_merge(const struct vocab *v, size_t rank, struct span *left, struct span *right)
{
    *left = tok_text(v, v->merge[rank].left);
    *right = tok_text(v, v->merge[rank].right);
}

static tok_id find_named(const struct vocab *v, struct span text)
{
    size_t lo = 0, hi = v->n_named;
    struct named want = {text, 0};
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        struct named at = {tok_text(v, (uint32_t)v->named[mid]), 0};
        int c = by_text(&at, &want);
        if (c < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    if (lo < v->n_named && span_eq(tok_text(v, (uint32_t)v->named[lo]), text))
        return v->named[lo];
    return TOK_NONE;
}

tok_id vocab_find(const struct vocab *v, struct span text)
{
    if (text.n == 0 || text.n > MAX_TEXT) return TOK_NONE;
    tok_id named = find_named(v, text);
    if (named != TOK_NONE) return named;
    if (v->type == VOCAB_SPM) return vocab_piece(v, text);
    struct buf bytes;
    buf_init(&bytes, MAX_TEXT);
    tok_id id = TOK_NONE;
    if (undo_alphabet(text, &bytes) && !bytes.failed) id = vocab_piece(v, buf_span(&bytes));
    buf_release(&bytes);
    return id;
}

uint64_t vocab_hash(const struct vocab *v)
{
    uint64_t h = 0;
    for (size_t i = 0; i < vocab_size(v); i++) {
        struct span t = vocab_text(v, (tok_id)i);
        h = hash64(t.p, t.n, h);
    }
    return h;
}

bool vocab_is_stop(const struct vocab *v, tok_id id)
{
    return is_id(v, id) && v->tok[id].flags & TOK_IS_STOP;
}
