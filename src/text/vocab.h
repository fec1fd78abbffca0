/* vocab.h - a vocabulary: ids, their bytes, how pieces merge, which ids are special.
 *
 * format/ builds one from tokenizer.json or GGUF keys with the builder calls below and ends with
 * vocab_finish; the model owns it; text/ encodes and decodes with it. After vocab_finish it is
 * read-only and may be used by any thread.
 */
#ifndef TEXT_VOCAB_H
#define TEXT_VOCAB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/buf.h"

struct err;
struct vocab;

typedef int32_t tok_id;
#define TOK_NONE (-1)

/* Values as in GGUF's tokenizer.ggml.token_type. */
enum tok_kind {
    TOK_NORMAL = 1,
    TOK_UNKNOWN = 2,
    TOK_CONTROL = 3, /* matched in input only when specials are on */
    TOK_USER_DEFINED =
        4, /* always matched as a whole, but for template marks (<|...|>, <think>) */
    TOK_UNUSED = 5,
    TOK_BYTE = 6 /* "<0x0A>" in SentencePiece vocabularies */
};

enum vocab_type {
    VOCAB_BPE, /* byte-level BPE: texts and merges in GPT-2's byte alphabet */
    VOCAB_SPM  /* SentencePiece: texts with U+2581 for space, scores decide merges */
};

/* Pre-tokeniser rules, tokens.md 3. */
enum pretok {
    PRETOK_NONE,
    PRETOK_GPT2,
    PRETOK_LLAMA3,
    PRETOK_QWEN2,
    PRETOK_DEEPSEEK_LLM,
    PRETOK_DEEPSEEK_CODER,
    PRETOK_DEEPSEEK_V3,
    PRETOK_TARN /* ours: deepseek-v3's rule with single digits */
};

/* The ids that have a role. TOK_NONE where the vocabulary has no such token. */
struct vocab_special {
    tok_id bos, eos, eot, eom, unk, pad;
    tok_id fim_pre, fim_suf, fim_mid;
    tok_id think_open, think_close; /* found by their text in vocab_finish */
    bool add_bos, add_eos;          /* what a plain encode puts around a text by default */
    bool add_space_prefix;          /* SentencePiece: a space in front of the text */
    bool ignore_merges; /* Llama-3: a piece that is a whole entry needs no merging */
};

/* ---- building ---------------------------------------------------------------------------- */

/* n_token: how many ids there are; each must be set once. At most 2^21. */
int vocab_create(struct vocab **out, enum vocab_type type, enum pretok pre, size_t n_token,
                 struct err *e) must_check;
void vocab_free(struct vocab *v);
/* text as it stands in the file (byte alphabet for TOK_NORMAL of BPE, plain for the others). */
int vocab_set_token(struct vocab *v, tok_id id, struct span text, float score,
                    enum tok_kind kind, struct err *e) must_check;
/* Rank is the order of the calls. Both halves and their join must be entries. */
int vocab_add_merge(struct vocab *v, struct span left, struct span right,
                    struct err *e) must_check;
void vocab_set_special(struct vocab *v, const struct vocab_special *s);
/* Checks (every byte encodable, merges complete, special ids in range), builds the tables and the
 * stop set (tokens.md 2.2). Fails with ERR_FORMAT naming `what` and the entry. */
int vocab_finish(struct vocab *v, const char *what, struct err *e) must_check;

/* Selector names: "deepseek-v3", "qwen2", ... (tokens.md 3). False if unknown. */
bool pretok_parse(struct span name, enum pretok *out);
const char *pretok_name(enum pretok p);

/* ---- asking ------------------------------------------------------------------------------ */

size_t vocab_size(const struct vocab *v);
enum vocab_type vocab_kind(const struct vocab *v);
enum pretok vocab_pretok(const struct vocab *v);
const struct vocab_special *vocab_special(const struct vocab *v);
/* The bytes a token stands for (byte alphabet undone); the text itself for special tokens. */
struct span vocab_bytes(const struct vocab *v, tok_id id);
/* The text as the file had it, score and kind: for writing the vocabulary out again. */
struct span vocab_text(const struct vocab *v, tok_id id);
float vocab_score(const struct vocab *v, tok_id id);
enum tok_kind vocab_tok_kind(const struct vocab *v, tok_id id);
size_t vocab_n_merge(const struct vocab *v);
void vocab_merge(const struct vocab *v, size_t rank, struct span *left, struct span *right);
/* The id whose text is exactly this, or TOK_NONE. Where a special and an ordinary token are spelt the
 * same, the special one. */
tok_id vocab_find(const struct vocab *v, struct span text);
/* A hash over all texts: two vocabularies with the same hash give ids the same meaning. */
uint64_t vocab_hash(const struct vocab *v);
/* Ends generation: eos, eot, eom and the control tokens of tokens.md 2.2. */
bool vocab_is_stop(const struct vocab *v, tok_id id);

/* ---- encoding ---------------------------------------------------------------------------- */

struct tok_list {
    tok_id *id;
    size_t n, size;
};

void tok_list_release(struct tok_list *l);
int tok_list_add(struct tok_list *l, tok_id id, struct err *e) must_check;

/* vocab_encode - the ids of a text, appended to *out.
 *
 *   special  match control tokens in the text. Off for text from users: a prompt must not be
 *            able to write template markers.
 *   bos_eos  put bos/eos around the text as the vocabulary's add_bos/add_eos say
 *
 * Invalid UTF-8 is encoded byte by byte, so decoding gives the text back; the few bytes that are
 * in no UTF-8 at all and have no token (DeepSeek-LLM, V2, Coder) become U+FFFD. Time is linear in
 * the length of the text but for a logarithm in pieces without a cut.
 * Threads: any.
 */
int vocab_encode(const struct vocab *v, struct span text, bool special, bool bos_eos,
                 struct tok_list *out, struct err *e) must_check;

/* Appends the bytes of n ids; special tokens as their text, or left out. */
void vocab_decode(const struct vocab *v, const tok_id *id, size_t n, bool special,
                  struct buf *out);

#endif
