#include "format/vocab_load.h"

#include <string.h>

#include "base/err.h"
#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"
#include "format/gguf_read.h"
#include "format/gguf_vocab.h"
#include "format/hf_tokenizer.h"
#include "format/llama2c_vocab.h"
#include "text/vocab.h"

enum { CONFIG_MAX_BYTES = 16 << 20, TEXT_MAX = 1 << 30 };

/* tokenizer_config.json in the same directory; *out stays NULL when there is none. */
static int load_config(const char *path, json_t **out, struct err *e)
{
    static const char name[] = "tokenizer_config.json";
    const char *slash = strrchr(path, '/');
    size_t n = slash ? (size_t)(slash - path) + 1 : 0;
    char *full = mem_alloc(n + sizeof name);
    if (!full) return err_oom(e, "a file name", n);
    memcpy(full, path, n);
    memcpy(full + n, name, sizeof name);
    int rc = 0;
    if (file_exists(full)) {
        *out = json_parse_file(full, CONFIG_MAX_BYTES, e);
        if (!*out) rc = -1;
    }
    mem_free(full);
    return rc;
}

static int load_json(struct vocab **out, struct span text, const char *path, struct err *e)
{
    json_t *config = NULL;
    if (load_config(path, &config, e)) return -1;
    int rc = vocab_from_tokenizer_json(out, text, config, path, e);
    json_decref(config);
    return rc;
}

static int load_gguf(struct vocab **out, const char *path, struct err *e)
{
    struct gguf *g;
    if (gguf_open(&g, path, e)) return -1;
    int rc = vocab_from_gguf(out, g, e);
    gguf_close(g);
    return rc;
}

/* tokenizer.bin begins with the length of its longest token, which is no brace. */
static bool is_json(const char *path, struct span text)
{
    size_t n = strlen(path);
    return (n > 5 && strcmp(path + n - 5, ".json") == 0) ||
           (text.n > 0 && text.p[0] && strchr("{ \t\r\n", text.p[0]));
}

static int load_file(struct vocab **out, const char *path, struct err *e)
{
    struct file_map m;
    if (file_map_open(&m, path, e)) return -1;
    struct span text = {(const char *)m.data, m.size};
    int rc;
    if (span_starts(text, "GGUF"))
        rc = load_gguf(out, path, e);
    else if (is_json(path, text))
        rc = load_json(out, text, path, e);
    else
        rc = vocab_from_llama2c(out, text, path, e);
    file_map_close(&m);
    return rc;
}

int vocab_load(struct vocab **out, const char *path, struct err *e)
{
    static const char *const name[] = {"tokenizer.json", "tokenizer.bin"};
    *out = NULL;
    if (!file_is_dir(path)) return load_file(out, path, e);
    for (size_t i = 0; i < countof(name); i++) {
        char *full = file_join(path, name[i]);
        if (!full) return err_oom(e, "a file name", strlen(path));
        bool there = file_exists(full);
        int rc = there ? load_file(out, full, e) : 0;
        mem_free(full);
        if (there) return rc;
    }
    return err_set(e, ERR_NOT_FOUND, "%s holds no vocabulary: neither %s nor %s", path, name[0],
                   name[1]);
}

static int save_one(const char *dir, const char *name, const struct buf *b, struct err *e)
{
    char *path = file_join(dir, name);
    if (!path) return err_oom(e, "a file name", strlen(dir));
    int rc = file_replace(path, buf_str(b), b->len, e);
    mem_free(path);
    return rc;
}

int vocab_save(const struct vocab *v, const char *dir, struct span chat_template, struct err *e)
{
    struct buf b;
    int rc;
    buf_init(&b, TEXT_MAX);
    if (vocab_kind(v) == VOCAB_SPM) {
        rc = vocab_to_llama2c(v, &b, e) ? -1 : save_one(dir, "tokenizer.bin", &b, e);
    } else {
        rc = vocab_to_tokenizer_json(v, &b, e) ? -1 : save_one(dir, "tokenizer.json", &b, e);
        buf_clear(&b);
        if (rc == 0) rc = vocab_to_tokenizer_config(v, chat_template, &b, e);
        if (rc == 0) rc = save_one(dir, "tokenizer_config.json", &b, e);
    }
    buf_release(&b);
    return rc;
}
