#include "format/hf_config.h"

#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"

enum { FILE_MAX_BYTES = 16 << 20 };

struct hf_config {
    char *dir, *path;
    json_t *config, *generation, *tokenizer;
    struct buf jinja; /* chat_template.jinja */
};

static struct hf_config *create(const char *dir, struct err *e)
{
    struct hf_config *h = mem_calloc(1, sizeof *h);
    if (h) {
        buf_init(&h->jinja, FILE_MAX_BYTES);
        h->dir = mem_strdup(dir);
        h->path = file_join(dir, "config.json");
    }
    if (h && h->dir && h->path) return h;
    hf_config_close(h);
    err_oom(e, "a model's config", sizeof *h);
    return NULL;
}

void hf_config_close(struct hf_config *h)
{
    if (!h) return;
    json_decref(h->config);
    json_decref(h->generation);
    json_decref(h->tokenizer);
    buf_release(&h->jinja);
    mem_free(h->dir);
    mem_free(h->path);
    mem_free(h);
}

static int need_object(const json_t *j, const char *what, struct err *e)
{
    if (!j) return -1;
    return json_is_object(j) ? 0 : err_set(e, ERR_FORMAT, "%s holds no JSON object", what);
}

/* A file that may be absent. */
static int load_opt(const struct hf_config *h, const char *name, json_t **out, struct err *e)
{
    char *path = file_join(h->dir, name);
    int rc = 0;
    if (!path) return err_oom(e, "a file name", strlen(h->dir));
    if (file_exists(path)) {
        *out = json_parse_file(path, FILE_MAX_BYTES, e);
        rc = need_object(*out, path, e);
    }
    mem_free(path);
    return rc;
}

static int load_jinja(struct hf_config *h, struct err *e)
{
    char *path = file_join(h->dir, "chat_template.jinja");
    if (!path) return err_oom(e, "a file name", strlen(h->dir));
    int rc = file_exists(path) ? file_read(path, &h->jinja, e) : 0;
    mem_free(path);
    return rc;
}

int hf_config_open(struct hf_config **out, const char *dir, struct err *e)
{
    *out = NULL;
    struct hf_config *h = create(dir, e);
    if (!h) return -1;
    h->config = json_parse_file(h->path, FILE_MAX_BYTES, e);
    if (need_object(h->config, h->path, e) ||
        load_opt(h, "generation_config.json", &h->generation, e) ||
        load_opt(h, "tokenizer_config.json", &h->tokenizer, e) || load_jinja(h, e)) {
        hf_config_close(h);
        return -1;
    }
    *out = h;
    return 0;
}

int hf_config_parse(struct hf_config **out, const char *what, struct span config,
                    struct span generation, struct span tokenizer, struct err *e)
{
    *out = NULL;
    struct hf_config *h = create(what, e);
    if (!h) return -1;
    struct {
        struct span text;
        json_t **to;
    } part[] = {{config, &h->config}, {generation, &h->generation}, {tokenizer, &h->tokenizer}};
    for (size_t i = 0; i < countof(part); i++) {
        if (i > 0 && part[i].text.n == 0) continue;
        *part[i].to = json_parse(part[i].text, h->path, e);
        if (need_object(*part[i].to, h->path, e)) {
            hf_config_close(h);
            return -1;
        }
    }
    *out = h;
    return 0;
}

const char *hf_config_dir(const struct hf_config *h)
{
    return h->dir;
}

const char *hf_config_path(const struct hf_config *h)
{
    return h->path;
}

const json_t *hf_config_json(const struct hf_config *h)
{
    return h->config;
}

const json_t *hf_generation_json(const struct hf_config *h)
{
    return h->generation;
}

const json_t *hf_tokenizer_json(const struct hf_config *h)
{
    return h->tokenizer;
}

static struct span text_of(const json_t *v)
{
    if (!json_is_string(v)) return (struct span){"", 0};
    return (struct span){json_string_value(v), json_string_length(v)};
}

struct span hf_chat_template(const struct hf_config *h)
{
    if (h->jinja.len) return buf_span(&h->jinja);
    const json_t *t = h->tokenizer ? json_object_get(h->tokenizer, "chat_template") : NULL;
    if (!json_is_array(t)) return text_of(t);
    for (size_t i = 0; i < json_array_size(t); i++) {
        const json_t *o = json_array_get(t, i);
        if (span_is(text_of(json_object_get(o, "name")), "default"))
            return text_of(json_object_get(o, "template"));
    }
    return (struct span){"", 0};
}

int hf_ids(const json_t *o, const char *key, int32_t *id, int32_t *n, int32_t max,
           const char *what, struct err *e)
{
    const json_t *v = json_object_get(o, key);
    if (!v || json_is_null(v)) return 0;
    bool list = json_is_array(v);
    size_t count = list ? json_array_size(v) : 1;
    for (size_t i = 0; i < count; i++) {
        const json_t *one = list ? json_array_get(v, i) : v;
        json_int_t x = json_is_integer(one) ? json_integer_value(one) : -1;
        bool known = false;
        if (x < 0 || x > INT32_MAX)
            return err_set(e, ERR_FORMAT, "%s: \"%s\" holds something that is no token id",
                           what, key);
        for (int32_t k = 0; k < *n; k++) known = known || id[k] == (int32_t)x;
        if (known) continue;
        if (*n == max)
            return err_set(e, ERR_LIMIT, "%s: \"%s\" holds more than %d ids", what, key,
                           (int)max);
        id[(*n)++] = (int32_t)x;
    }
    return 0;
}
