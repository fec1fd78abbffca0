/* encode.c - text to ids and back: special tokens, then pieces, then merges.
 *
 * A text is first cut at tokens that are matched as a whole: at each position the longest one that
 * may be matched there. User-defined tokens always count; control tokens, and user-defined ones
 * that are template marks, only when the caller says that the text is trusted. What lies between
 * is encoded by bpe.c or spm.c.
 */
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/size.h"
#include "text/vocab_int.h"

void tok_list_release(struct tok_list *l)
{
    mem_free(l->id);
    *l = (struct tok_list){0};
}

int tok_list_add(struct tok_list *l, tok_id id, struct err *e)
{
    if (unlikely(l->n == l->size)) {
        size_t size = l->size ? 2 * l->size : 64;
        tok_id *p = mem_realloc(l->id, l->n * sizeof *p, size * sizeof *p);
        if (!p) return err_oom(e, "list of tokens", size * sizeof *p);
        l->id = p;
        l->size = size;
    }
    l->id[l->n++] = id;
    return 0;
}

/* The longest mark that starts at `at`, or TOK_NONE. The sorted list is narrowed one byte at a
 * time, so the work is bounded by the length of the longest mark. */
static tok_id mark_at(const struct vocab *v, struct span text, size_t at, bool special,
                      size_t *len)
{
    size_t lo = 0, hi = v->mark.n;
    tok_id best = TOK_NONE;
    for (size_t k = 0; lo < hi && at + k < text.n; k++) {
        unsigned char c = (unsigned char)text.p[at + k];
        for (int upper = 0; upper < 2; upper++) { /* first entry with byte k >= c, then > c */
            size_t a = lo, b = hi;
            while (a < b) {
                size_t mid = a + (b - a) / 2;
                struct span t = tok_text(v, (uint32_t)v->mark.id[mid]);
                if (t.n <= k || (unsigned char)t.p[k] < c + upper)
                    a = mid + 1;
                else
                    b = mid;
            }
            if (upper)
                hi = a;
            else
                lo = a;
        }
        for (size_t i = lo; i < hi; i++) { /* entries that end here come first */
            uint32_t id = (uint32_t)v->mark.id[i];
            if (v->tok[id].text_n != k + 1) break;
            if (!special && v->tok[id].flags & TOK_IS_GUARDED) continue;
            best = (tok_id)id;
            *len = k + 1;
            break;
        }
    }
    return best;
}

static int encode_plain(const struct vocab *v, struct span text, bool after_mark,
                        struct merge_scratch *s, struct tok_list *out, struct err *e)
{
    if (v->type == VOCAB_BPE) return bpe_encode(v, text, s, out, e);
    return spm_encode(v, text, after_mark && v->special.add_space_prefix, s, out, e);
}

static int encode_text(const struct vocab *v, struct span text, bool special,
                       struct merge_scratch *s, struct tok_list *out, struct err *e)
{
    const bool *first = special ? v->mark.first_any : v->mark.first_open;
    size_t from = 0, at = special || v->mark.has_open ? 0 : text.n;
    while (at < text.n) {
        size_t len = 0;
        tok_id id = TOK_NONE;
        if (first[(unsigned char)text.p[at]]) id = mark_at(v, text, at, special, &len);
        if (id == TOK_NONE) {
            at++;
            continue;
        }
        struct span before = {text.p + from, at - from};
        if (encode_plain(v, before, true, s, out, e) || tok_list_add(out, id, e)) return -1;
        from = at += len;
    }
    return encode_plain(v, (struct span){text.p + from, text.n - from}, true, s, out, e);
}

int vocab_encode(const struct vocab *v, struct span text, bool special, bool bos_eos,
                 struct tok_list *out, struct err *e)
{
    /* Positions inside a piece are 32-bit; SentencePiece may triple the text first. */
    if (text.n > UINT32_MAX / 4)
        return err_set(e, ERR_LIMIT, "a text of %zu bytes in one piece, the limit is %u",
                       text.n, UINT32_MAX / 4);
    struct merge_scratch s = {0};
    int rc = bos_eos && v->special.add_bos ? tok_list_add(out, v->special.bos, e) : 0;
    if (!rc) rc = encode_text(v, text, special, &s, out, e);
    if (!rc && bos_eos && v->special.add_eos) rc = tok_list_add(out, v->special.eos, e);
    merge_scratch_release(&s);
    return rc;
}

/* Output of a control token is for programs, of a user-defined one for readers. */
static bool is_hidden(enum tok_kind kind)
{
    return kind == TOK_CONTROL || kind == TOK_UNKNOWN || kind == TOK_UNUSED;
}

void vocab_decode(const struct vocab *v, const tok_id *id, size_t n, bool special,
                  struct buf *out)
{
    bool fresh = v->type == VOCAB_SPM && v->special.add_space_prefix;
    bool after_mark = true;
    for (size_t i = 0; i < n; i++) {
        enum tok_kind kind = vocab_tok_kind(v, id[i]);
        bool mark = is_hidden(kind) || kind == TOK_USER_DEFINED;
        if (special || !is_hidden(kind)) {
            struct span b = vocab_bytes(v, id[i]);
            bool drop = fresh && after_mark && !mark && b.n && b.p[0] == ' ';
            buf_add(out, b.p + drop, b.n - drop);
        }
        after_mark = mark;
    }
}
