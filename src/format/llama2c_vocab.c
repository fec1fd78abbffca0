#include "format/llama2c_vocab.h"

#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/size.h"
#include "tensor/dtype.h"
#include "text/vocab.h"

enum { ID_UNK, ID_BOS, ID_EOS, ID_BYTES, ID_TEXTS = ID_BYTES + 256, MAX_TEXT = 4096 };

#define SPACE_MARK "\xe2\x96\x81" /* U+2581 */

static const char *const special_text[] = {"<unk>", "<s>", "</s>"};
static const char *const special_file[] = {"<unk>", "\n<s>\n", "\n</s>\n"};
static const enum tok_kind special_kind[] = {TOK_UNKNOWN, TOK_CONTROL, TOK_CONTROL};

/* Steps over one token; false when the file ends inside it. */
static bool next(struct span *left, float *score, struct span *text)
{
    if (left->n < 8) return false;
    *score = f32_from_bits(load_le32(left->p));
    size_t n = load_le32(left->p + 4);
    if (n > MAX_TEXT || n > left->n - 8) return false;
    *text = (struct span){left->p + 8, n};
    *left = (struct span){left->p + 8 + n, left->n - 8 - n};
    return true;
}

static int count(struct span left, const char *what, size_t *n, struct err *e)
{
    float score;
    struct span text, all = left;
    for (*n = 0; left.n > 0; (*n)++)
        if (!next(&left, &score, &text))
            return err_set(e, ERR_FORMAT,
                           "%s: token %zu at byte %zu is cut off or longer than %d", what, *n,
                           all.n - left.n + 4, MAX_TEXT);
    if (*n <= ID_TEXTS)
        return err_set(e, ERR_FORMAT,
                       "%s holds %zu tokens, too few for 3 special ones and 256 bytes", what,
                       *n);
    return 0;
}

static int set_token(struct vocab *v, size_t id, struct span text, float score,
                     struct buf *work, struct err *e)
{
    char byte[8];
    if (id < ID_BYTES) {
        if (!span_is(text, special_file[id]) && !span_is(text, special_text[id]))
            return err_set(e, ERR_FORMAT, "token %zu is not %s", id, special_text[id]);
        return vocab_set_token(v, (tok_id)id, span_of(special_text[id]), score,
                               special_kind[id], e);
    }
    snprintf(byte, sizeof byte, "<0x%02X>", (unsigned)(id - ID_BYTES) & 255);
    if (id < ID_TEXTS) {
        if (!span_is(text, byte))
            return err_set(e, ERR_FORMAT, "token %zu is not %s", id, byte);
        return vocab_set_token(v, (tok_id)id, text, score, TOK_BYTE, e);
    }
    buf_clear(work);
    for (size_t i = 0; i < text.n; i++) {
        if (text.p[i] == ' ')
            buf_add_str(work, SPACE_MARK);
        else
            buf_add_char(work, text.p[i]);
    }
    if (buf_ok(work, "a token", e)) return -1;
    return vocab_set_token(v, (tok_id)id, buf_span(work), score, TOK_NORMAL, e);
}

int vocab_from_llama2c(struct vocab **out, struct span bytes, const char *what, struct err *e)
{
    struct vocab *v;
    struct buf work;
    struct span text, left = {bytes.p + 4, bytes.n - 4};
    float score;
    size_t n;
    *out = NULL;
    if (bytes.n < 4)
        return err_set(e, ERR_FORMAT, "%s is no tokenizer.bin: it is too short", what);
    if (count(left, what, &n, e)) return -1;
    if (vocab_create(&v, VOCAB_SPM, PRETOK_NONE, n, e)) return err_wrap(e, "%s", what);
    buf_init(&work, 3 * MAX_TEXT);
    int rc = 0;
    for (size_t id = 0; id < n && rc == 0 && next(&left, &score, &text); id++)
        rc = set_token(v, id, text, score, &work, e);
    buf_release(&work);
    struct vocab_special s = *vocab_special(v);
    s.unk = ID_UNK;
    s.bos = ID_BOS;
    s.eos = ID_EOS;
    s.add_bos = s.add_space_prefix = true;
    vocab_set_special(v, &s);
    if (rc) err_wrap(e, "%s", what);
    if (rc || vocab_finish(v, what, e)) {
        vocab_free(v);
        return -1;
    }
    *out = v;
    return 0;
}

/* The token's text as the file has it, in *work. */
static void file_text(const struct vocab *v, tok_id id, struct buf *work)
{
    struct span t = vocab_text(v, id);
    buf_clear(work);
    if (id < ID_BYTES) {
        buf_add_str(work, special_file[id]);
        return;
    }
    for (size_t i = 0; i < t.n; i++) {
        bool mark = id >= ID_TEXTS && t.n - i >= 3 && memcmp(t.p + i, SPACE_MARK, 3) == 0;
        buf_add_char(work, mark ? ' ' : t.p[i]);
        if (mark) i += 2;
    }
}

int vocab_to_llama2c(const struct vocab *v, struct buf *out, struct err *e)
{
    const struct vocab_special *s = vocab_special(v);
    bool bytes = vocab_size(v) > ID_TEXTS;
    for (tok_id id = ID_BYTES; bytes && id < ID_TEXTS; id++)
        bytes = vocab_tok_kind(v, id) == TOK_BYTE;
    if (vocab_kind(v) != VOCAB_SPM || s->unk != ID_UNK || s->bos != ID_BOS ||
        s->eos != ID_EOS || !bytes)
        return err_set(e, ERR_UNSUPPORTED,
                       "tokenizer.bin holds SentencePiece vocabularies with unk, "
                       "bos, eos and the bytes as the first 259 ids only");
    struct buf work;
    uint32_t longest = 0;
    size_t at = out->len;
    buf_init(&work, 1 << 16);
    buf_add_zeros(out, 4);
    for (tok_id id = 0; (size_t)id < vocab_size(v); id++) {
        float score = vocab_score(v, id);
        file_text(v, id, &work);
        uint32_t n = (uint32_t)work.len;
        longest = n > longest ? n : longest;
        buf_add(out, &score, 4);
        buf_add(out, &n, 4);
        buf_add_span(out, buf_span(&work));
    }
    buf_release(&work);
    if (buf_ok(out, "tokenizer.bin", e)) return -1;
    memcpy(out->data + at, &longest, 4);
    return 0;
}
