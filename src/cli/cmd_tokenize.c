/* tarn tokenize, tarn detokenize: text to ids and back, through stdin and stdout. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "cli/cli.h"
#include "cli/load.h"

extern const struct command cmd_tokenize, cmd_detokenize;

enum { STDIN_MAX = 1 << 30 };

static struct {
    bool ids, special, bos;
} o;

static const struct opt tokenize_opts[] = {
    {"ids", 0, OPT_FLAG, &o.ids, NULL, "ids only, on one line, space separated", 0, 0},
    {"special", 0, OPT_FLAG, &o.special, NULL, "recognise special tokens in the text", 0, 0},
    {"bos", 0, OPT_FLAG, &o.bos, NULL, "add the begin and end tokens the vocabulary asks for",
     0, 0},
    {"tokenizer", 0, OPT_STR, &load_opts.tokenizer, "FILE", "another vocabulary", 0, 0},
    {.type = OPT_END},
};

static int read_stdin(struct buf *text, struct err *e)
{
    char chunk[65536];
    size_t n;
    while ((n = fread(chunk, 1, sizeof chunk, stdin)) > 0) buf_add(text, chunk, n);
    if (ferror(stdin)) return err_errno(e, errno, "cannot read standard input");
    return buf_ok(text, "the text on standard input", e);
}

static void print_tokens(const struct vocab *v, const struct tok_list *ids)
{
    struct buf b;
    buf_init(&b, SIZE_MAX / 2);
    for (size_t i = 0; i < ids->n; i++) {
        if (cli.json) {
            buf_printf(&b, "%s{\"id\":%d,\"text\":", i ? "," : "[", ids->id[i]);
            buf_add_json(&b, vocab_bytes(v, ids->id[i]));
            buf_add_char(&b, '}');
        } else if (o.ids) {
            buf_printf(&b, "%s%d", i ? " " : "", ids->id[i]);
        } else {
            buf_printf(&b, "%7d  ", ids->id[i]);
            buf_add_json(&b, vocab_bytes(v, ids->id[i]));
            buf_add_char(&b, '\n');
        }
    }
    if (cli.json)
        buf_add_str(&b, ids->n ? "]\n" : "[]\n");
    else if (o.ids)
        buf_add_char(&b, '\n');
    fwrite(buf_str(&b), 1, b.len, stdout);
    buf_release(&b);
}

static int run_tokenize(int argc, char **argv, struct err *e)
{
    struct loaded l;
    if (argc != 1) return cli_usage(&cmd_tokenize, e);
    int rc = load_vocab_only(&l, argv[0], e);
    struct buf text;
    buf_init(&text, STDIN_MAX);
    struct tok_list ids = {0};
    if (rc == 0) rc = read_stdin(&text, e);
    if (rc == 0) rc = vocab_encode(l.vocab, buf_span(&text), o.special, o.bos, &ids, e);
    if (rc == 0) print_tokens(l.vocab, &ids);
    tok_list_release(&ids);
    buf_release(&text);
    loaded_release(&l);
    return rc;
}

static int run_detokenize(int argc, char **argv, struct err *e)
{
    struct loaded l;
    if (argc != 1) return cli_usage(&cmd_detokenize, e);
    int rc = load_vocab_only(&l, argv[0], e);
    struct buf text, out;
    buf_init(&text, STDIN_MAX);
    buf_init(&out, SIZE_MAX / 2);
    struct tok_list ids = {0};
    if (rc == 0) rc = read_stdin(&text, e);
    if (rc == 0 && text.len) rc = cli_parse_ids(buf_str(&text), &ids, e);
    for (size_t i = 0; rc == 0 && i < ids.n; i++)
        if ((size_t)ids.id[i] >= vocab_size(l.vocab))
            rc = err_set(e, ERR_FORMAT, "token id %d is outside the vocabulary of %zu",
                         ids.id[i], vocab_size(l.vocab));
    if (rc == 0) {
        vocab_decode(l.vocab, ids.id, ids.n, true, &out);
        fwrite(buf_str(&out), 1, out.len, stdout);
    }
    tok_list_release(&ids);
    buf_release(&text);
    buf_release(&out);
    loaded_release(&l);
    return rc;
}

const struct command cmd_tokenize = {
    .verb = "tokenize",
    .args = "MODEL < text",
    .summary = "text to token ids",
    .details = "  printf 'Hello world' | tarn tokenize model.gguf --ids",
    .opts = (const struct opt *const[]){tokenize_opts, NULL},
    .run = run_tokenize,
};

static const struct opt detokenize_opts[] = {
    {"tokenizer", 0, OPT_STR, &load_opts.tokenizer, "FILE", "another vocabulary", 0, 0},
    {.type = OPT_END},
};

const struct command cmd_detokenize = {
    .verb = "detokenize",
    .args = "MODEL < ids",
    .summary = "token ids to text",
    .details = "  echo 9707 1879 | tarn detokenize model.gguf",
    .opts = (const struct opt *const[]){detokenize_opts, NULL},
    .run = run_detokenize,
};
