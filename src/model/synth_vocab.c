/* synth_vocab.c - a made-up vocabulary with a family's real special tokens.
 *
 * Ids: the family's special tokens where they are published (tokens.md 4); all other ids below
 * the family's end in ascending order get the 256 bytes and then joins; the rest is unused. Joins
 * are all strings over a..z, with and without a space in front, by length: "ab" = "a" + "b",
 * "abc" = "ab" + "c", so every one has exactly one merge, after the merge of its left half.
 */
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "model/config.h"
#include "model/synth.h"
#include "text/marks.h"
#include "text/vocab.h"

enum { LEAST_VOCAB = 300, MAX_MARKS = 48, MAX_JOIN = 16 };

struct mark {
    tok_id id;
    const char *text;
    enum tok_kind kind;
};

struct family {
    enum pretok pre;
    tok_id first_plain, end_plain; /* ids that bytes and joins may take */
    tok_id bos, eos, pad;
    bool ignore_merges;
    struct mark mark[MAX_MARKS];
};

#define FIM(name) "<｜fim▁" name "｜>"

/* tokens.md 4.1 */
static const struct family v3 = {PRETOK_DEEPSEEK_V3,
                                 3,
                                 128000,
                                 0,
                                 1,
                                 2,
                                 false,
                                 {{0, MARK_BOS, TOK_CONTROL},
                                  {1, MARK_EOS, TOK_CONTROL},
                                  {2, "<｜▁pad▁｜>", TOK_CONTROL},
                                  {128796, "<｜search▁begin｜>", TOK_CONTROL},
                                  {128797, "<｜search▁end｜>", TOK_CONTROL},
                                  {128798, MARK_THINK, TOK_USER_DEFINED},
                                  {128799, MARK_THINK_END, TOK_USER_DEFINED},
                                  {128800, FIM("hole"), TOK_CONTROL},
                                  {128801, FIM("begin"), TOK_CONTROL},
                                  {128802, FIM("end"), TOK_CONTROL},
                                  {128803, MARK_USER, TOK_CONTROL},
                                  {128804, MARK_ASSISTANT, TOK_CONTROL},
                                  {128805, "<|EOT|>", TOK_CONTROL},
                                  {128806, MARK_CALLS, TOK_CONTROL},
                                  {128807, MARK_CALLS_END, TOK_CONTROL},
                                  {128808, MARK_CALL, TOK_CONTROL},
                                  {128809, MARK_CALL_END, TOK_CONTROL},
                                  {128810, MARK_OUTPUTS, TOK_CONTROL},
                                  {128811, MARK_OUTPUTS_END, TOK_CONTROL},
                                  {128812, MARK_OUTPUT, TOK_CONTROL},
                                  {128813, MARK_OUTPUT_END, TOK_CONTROL},
                                  {128814, MARK_TOOL_SEP, TOK_CONTROL}}};

/* tokens.md 4.3 */
static const struct family v2 = {
    PRETOK_DEEPSEEK_LLM,
    0,
    100000,
    100000,
    100001,
    100001,
    false,
    {{100000, MARK_BOS, TOK_CONTROL}, {100001, MARK_EOS, TOK_CONTROL}}};

/* tokens.md 4.4 */
static const struct family qwen = {PRETOK_QWEN2,
                                   0,
                                   151643,
                                   151646,
                                   151643,
                                   151643,
                                   false,
                                   {{151643, MARK_EOS, TOK_CONTROL},
                                    {151644, MARK_USER, TOK_CONTROL},
                                    {151645, MARK_ASSISTANT, TOK_CONTROL},
                                    {151646, MARK_BOS, TOK_CONTROL},
                                    {151647, "<|EOT|>", TOK_CONTROL},
                                    {151648, MARK_THINK, TOK_USER_DEFINED},
                                    {151649, MARK_THINK_END, TOK_USER_DEFINED}}};

static const struct family llama = {PRETOK_LLAMA3,
                                    0,
                                    128000,
                                    128000,
                                    128001,
                                    128001,
                                    true,
                                    {{128000, MARK_BOS, TOK_CONTROL},
                                     {128001, MARK_EOS, TOK_CONTROL},
                                     {128011, MARK_USER, TOK_CONTROL},
                                     {128012, MARK_ASSISTANT, TOK_CONTROL},
                                     {128013, MARK_THINK, TOK_USER_DEFINED},
                                     {128014, MARK_THINK_END, TOK_USER_DEFINED}}};

static const struct family qwen3 = {PRETOK_QWEN2,
                                    0,
                                    151643,
                                    151643,
                                    151645,
                                    151645,
                                    false,
                                    {{151643, MARK_BOS, TOK_CONTROL},
                                     {151645, MARK_EOS, TOK_CONTROL},
                                     {151667, MARK_THINK, TOK_USER_DEFINED},
                                     {151668, MARK_THINK_END, TOK_USER_DEFINED},
                                     {151669, MARK_USER, TOK_CONTROL},
                                     {151670, MARK_ASSISTANT, TOK_CONTROL}}};

/* Shapes of our own, any size. The rule is one that other programs know too. */
static const struct family small = {PRETOK_DEEPSEEK_V3,
                                    7,
                                    CONFIG_MAX_VOCAB,
                                    0,
                                    1,
                                    2,
                                    false,
                                    {{0, MARK_BOS, TOK_CONTROL},
                                     {1, MARK_EOS, TOK_CONTROL},
                                     {2, "<｜▁pad▁｜>", TOK_CONTROL},
                                     {3, MARK_USER, TOK_CONTROL},
                                     {4, MARK_ASSISTANT, TOK_CONTROL},
                                     {5, MARK_THINK, TOK_USER_DEFINED},
                                     {6, MARK_THINK_END, TOK_USER_DEFINED}}};

static const struct family *family_of(const struct model_config *c)
{
    static const struct family *const all[] = {&v3, &v2, &qwen, &llama, &qwen3};
    /* a family's shape has its ids: bos, eos, and rows for all of them */
    for (size_t i = 0; i < countof(all); i++) {
        const struct family *f = all[i];
        bool rows = c->n_vocab > f->end_plain && c->n_vocab < f->end_plain + 4096;
        if (rows && c->bos == f->bos && c->n_eos > 0 && c->eos[0] == f->eos) return f;
    }
    return &small;
}

/* ---- texts -------------------------------------------------------------------------------- */

/* The character of GPT-2's byte alphabet for a byte. */
static size_t byte_text(unsigned byte, char out[4])
{
    bool own = (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
    unsigned cp = byte, other = 0;
    for (unsigned b = 0; !own && b < byte; b++)
        other += !((b >= 33 && b <= 126) || (b >= 161 && b <= 172) || b >= 174);
    if (!own) cp = 256 + other;
    if (cp < 128) {
        out[0] = (char)cp;
        return 1;
    }
    out[0] = (char)(0xc0 | cp >> 6);
    out[1] = (char)(0x80 | (cp & 63));
    return 2;
}

/* The n-th join: even n are words after a space, odd ones are not; n / 2 counts all strings of the
 * shortest length, then of the next. Written at the end of out. */
static struct span join_text(uint64_t n, char out[MAX_JOIN])
{
    char *p = out + MAX_JOIN;
    bool space = n % 2 == 0;
    uint64_t k = n / 2, all = space ? 26 : 26 * 26;
    size_t letters = space ? 1 : 2;
    while (k >= all) {
        k -= all;
        all *= 26;
        letters++;
    }
    for (size_t i = 0; i < letters; i++, k /= 26) *--p = (char)('a' + k % 26);
    if (space) {
        *--p = (char)0xa0; /* U+0120 stands for the space */
        *--p = (char)0xc4;
    }
    return (struct span){p, (size_t)(out + MAX_JOIN - p)};
}

static int set_plain(struct vocab *v, tok_id id, uint64_t n, struct err *e)
{
    char byte[4], join[MAX_JOIN];
    if (n >= 256) return vocab_set_token(v, id, join_text(n - 256, join), 0, TOK_NORMAL, e);
    return vocab_set_token(v, id, (struct span){byte, byte_text((unsigned)n, byte)}, 0,
                           TOK_NORMAL, e);
}

static const struct mark *mark_at(const struct family *f, tok_id id)
{
    for (size_t i = 0; i < MAX_MARKS && f->mark[i].text; i++)
        if (f->mark[i].id == id) return &f->mark[i];
    return NULL;
}

static int set_tokens(struct vocab *v, const struct family *f, tok_id n_vocab,
                      uint64_t *n_plain, struct err *e)
{
    *n_plain = 0;
    for (tok_id id = 0; id < n_vocab; id++) {
        char text[48];
        const struct mark *m = mark_at(f, id);
        bool hole = f == &v3 && id >= 128000 && id < 128798; /* the published placeholders */
        int rc;
        snprintf(text, sizeof text, hole ? "<｜place▁holder▁no▁%d｜>" : "[PAD%d]",
                 hole ? id - 128000 : id);
        if (m)
            rc = vocab_set_token(v, id, span_of(m->text), 0, m->kind, e);
        else if (id >= f->first_plain && id < f->end_plain)
            rc = set_plain(v, id, (*n_plain)++, e);
        else
            rc = vocab_set_token(v, id, span_of(text), 0, hole ? TOK_CONTROL : TOK_UNUSED, e);
        if (rc) return -1;
    }
    return 0;
}

/* A join is its all but last letter, and that letter. */
static int add_merges(struct vocab *v, uint64_t n_plain, struct err *e)
{
    for (uint64_t n = 0; n + 256 < n_plain; n++) {
        char text[MAX_JOIN];
        struct span t = join_text(n, text);
        if (vocab_add_merge(v, (struct span){t.p, t.n - 1}, (struct span){t.p + t.n - 1, 1}, e))
            return -1;
    }
    return 0;
}

int synth_vocab(struct vocab **out, const struct model_config *c, struct err *e)
{
    const struct family *f = family_of(c);
    struct vocab *v;
    uint64_t n_plain;
    *out = NULL;
    if (c->n_vocab < LEAST_VOCAB)
        return err_set(e, ERR_LIMIT, "a made-up vocabulary needs %d ids, n_vocab is %d",
                       LEAST_VOCAB, c->n_vocab);
    if (vocab_create(&v, VOCAB_BPE, f->pre, (size_t)c->n_vocab, e)) return -1;
    struct vocab_special s = *vocab_special(v);
    s.bos = f->bos;
    s.eos = f->eos;
    s.pad = f->pad;
    s.add_bos = true;
    s.ignore_merges = f->ignore_merges;
    vocab_set_special(v, &s);
    if (set_tokens(v, f, c->n_vocab, &n_plain, e) || add_merges(v, n_plain, e) ||
        vocab_finish(v, "the made-up vocabulary", e)) {
        vocab_free(v);
        return -1;
    }
    *out = v;
    return 0;
}

struct span synth_chat_template(const struct model_config *c)
{
    /* Ours; the strings are the marks the families' own templates write. */
    static const char r1[] =
        "{{ bos_token }}{% for m in messages %}{% if m['role'] == 'user' %}{{ '" MARK_USER
        "' + m['content'] }}{% elif m['role'] == 'assistant' %}{{ '" MARK_ASSISTANT
        "' + m['content'] + '" MARK_EOS
        "' }}{% else %}{{ m['content'] }}{% endif %}{% endfor %}"
        "{% if add_generation_prompt %}{{ '" MARK_ASSISTANT MARK_THINK "\\n' }}{% endif %}";
    static const char v2_text[] =
        "{{ bos_token }}{% for m in messages %}{% if m['role'] == 'user' %}{{ 'User: ' + "
        "m['content'] + "
        "'\n\n' }}{% elif m['role'] == 'assistant' %}{{ 'Assistant: ' + m['content'] + "
        "'" MARK_EOS "' }}{% else %}{{ m['content'] + '\n\n' }}{% endif %}{% endfor %}"
        "{% if add_generation_prompt %}{{ 'Assistant:' }}{% endif %}";
    return span_of(family_of(c) == &v2 ? v2_text : r1);
}
