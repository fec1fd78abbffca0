#include "text/detok.h"

#include <string.h>

#include "base/utf8.h"

static const char replacement[] = "\xef\xbf\xbd"; /* U+FFFD */

void detok_init(struct detok *d, const struct vocab *v, bool special, bool at_start)
{
    *d = (struct detok){.v = v, .special = special};
    d->drop_space =
        at_start && vocab_kind(v) == VOCAB_SPM && vocab_special(v)->add_space_prefix;
}

/* Gives the held bytes the next one. False when they cannot go together: the held ones are
 * replaced and the byte is still to be looked at. */
static bool extend_tail(struct detok *d, char byte, struct buf *out)
{
    d->tail[d->n_tail] = byte;
    size_t n = d->n_tail + 1;
    if (utf8_seq_len(d->tail, n) == n) {
        buf_add(out, d->tail, n);
        d->n_tail = 0;
        return true;
    }
    if (utf8_incomplete_tail(d->tail, n) == n) {
        d->n_tail = n;
        return true;
    }
    buf_add_str(out, replacement);
    bool alone = d->n_tail == 0; /* a byte that begins nothing */
    d->n_tail = 0;
    return alone;
}

static void feed_bytes(struct detok *d, struct span s, struct buf *out)
{
    size_t i = 0;
    while (i < s.n) {
        if (d->n_tail == 0) {
            size_t ok = utf8_valid_prefix(s.p + i, s.n - i);
            buf_add(out, s.p + i, ok);
            i += ok;
            if (i == s.n) break;
        }
        i += extend_tail(d, s.p[i], out);
    }
}

void detok_feed(struct detok *d, tok_id id, struct buf *out)
{
    enum tok_kind kind = vocab_tok_kind(d->v, id);
    bool hidden = kind == TOK_CONTROL || kind == TOK_UNKNOWN || kind == TOK_UNUSED;
    struct span s = vocab_bytes(d->v, id);
    if (hidden && !d->special) return;
    if (d->drop_space && !hidden && s.n) {
        bool drop = s.p[0] == ' ' && kind != TOK_USER_DEFINED;
        s.p += drop;
        s.n -= drop;
        d->drop_space = false;
    }
    feed_bytes(d, s, out);
}

void detok_flush(struct detok *d, struct buf *out)
{
    if (d->n_tail) buf_add_str(out, replacement);
    d->n_tail = 0;
}
