#include "train/ckpt.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/size.h"
#include "format/safetensors.h"
#include "format/vocab_load.h"
#include "model/source.h"

enum { STATE_MAX = 16 << 20, MAX_CKPT = 4096 };

static const char prefix[] = "ckpt-", writing[] = ".writing";

/* ---- directories --------------------------------------------------------------------------- */

static int join(char out[CKPT_PATH], const char *dir, const char *name, struct err *e)
{
    int n = snprintf(out, CKPT_PATH, "%s/%s", dir, name);
    if (n < 0 || n >= CKPT_PATH)
        return err_set(e, ERR_LIMIT, "%s: the path is longer than %d bytes", dir, CKPT_PATH);
    return 0;
}

/* A directory of plain files and itself. Not being there is fine. */
static int remove_dir(const char *path, struct err *e)
{
    DIR *d = opendir(path);
    if (!d) return errno == ENOENT ? 0 : err_errno(e, errno, "cannot remove %s", path);
    int rc = 0;
    for (struct dirent *f; rc == 0 && (f = readdir(d));) {
        char name[CKPT_PATH];
        if (strcmp(f->d_name, ".") == 0 || strcmp(f->d_name, "..") == 0) continue;
        rc = join(name, path, f->d_name, e);
        if (rc == 0 && unlink(name) != 0) rc = err_errno(e, errno, "cannot remove %s", name);
    }
    closedir(d);
    if (rc == 0 && rmdir(path) != 0) rc = err_errno(e, errno, "cannot remove %s", path);
    return rc;
}

static int by_number(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/* The steps of all complete checkpoints, ascending. */
static int list_steps(const char *run, int64_t *step, int *n, struct err *e)
{
    *n = 0;
    DIR *d = opendir(run);
    if (!d) return err_errno(e, errno, "cannot read %s", run);
    for (struct dirent *f; (f = readdir(d)) && *n < MAX_CKPT;) {
        char *end;
        if (strncmp(f->d_name, prefix, sizeof prefix - 1) != 0) continue;
        const char *digits = f->d_name + sizeof prefix - 1;
        long long v = strtoll(digits, &end, 10);
        if (*digits && !*end && v >= 0) step[(*n)++] = v;
    }
    closedir(d);
    qsort(step, (size_t)*n, sizeof *step, by_number);
    return 0;
}

static int step_path(char out[CKPT_PATH], const char *run, int64_t step, struct err *e)
{
    char name[64];
    snprintf(name, sizeof name, "%s%09" PRId64, prefix, step);
    return join(out, run, name, e);
}

int ckpt_latest(const char *run, char path[CKPT_PATH], struct err *e)
{
    int64_t *step = mem_alloc(MAX_CKPT * sizeof *step);
    int n = 0, rc = step ? list_steps(run, step, &n, e) : err_oom(e, "a list", MAX_CKPT * 8);
    if (rc == 0 && n == 0) rc = err_set(e, ERR_NOT_FOUND, "%s: there is no checkpoint", run);
    if (rc == 0) rc = step_path(path, run, step[n - 1], e);
    mem_free(step);
    return rc;
}

int ckpt_prune(const char *run, int keep, struct err *e)
{
    int64_t *step = mem_alloc(MAX_CKPT * sizeof *step);
    char path[CKPT_PATH];
    int n = 0, rc = step ? list_steps(run, step, &n, e) : err_oom(e, "a list", MAX_CKPT * 8);
    for (int i = 0; rc == 0 && i < n - keep; i++) {
        rc = step_path(path, run, step[i], e);
        if (rc == 0) rc = remove_dir(path, e);
    }
    mem_free(step);
    return rc;
}

/* ---- saving -------------------------------------------------------------------------------- */

static int save_config(const char *dir, const struct trainer *t, struct err *e)
{
    char path[CKPT_PATH];
    struct buf b;
    buf_init(&b, STATE_MAX);
    int rc = config_to_hf(&t->p->m->c, "float32", &b, e) || join(path, dir, "config.json", e) ||
             file_replace(path, buf_str(&b), b.len, e);
    buf_release(&b);
    return rc ? -1 : 0;
}

static uint64_t hash_weights(const struct params *p)
{
    return hash64(p->data, p->total * sizeof(float), 0);
}

static uint64_t hash_moments(const struct optim *a)
{
    size_t bytes = a->p->total * a->moment_bytes;
    return hash64(a->v, bytes, hash64(a->m, bytes, 0));
}

static json_t *hex(uint64_t x)
{
    char text[24];
    snprintf(text, sizeof text, "%016" PRIx64, x);
    return json_string(text);
}

static const char *optimizer_name(const struct trainer *t)
{
    return t->o.optim.muon ? "muon" : "adamw";
}

static int save_state(const char *dir, const struct trainer *t, const json_t *extra,
                      struct err *e)
{
    char path[CKPT_PATH], mean[48];
    snprintf(mean, sizeof mean, "%a", t->mean_loss); /* every bit */
    json_t *copy = extra ? json_deep_copy(extra) : json_object();
    json_t *o = json_pack("{s:i, s:I, s:I, s:I, s:s, s:s, s:s, s:s, s:o, s:o, s:o}", "format",
                          1, "step", (json_int_t)t->step, "rows", (json_int_t)t->rows,
                          "updates", (json_int_t)t->optim->t, "mean_loss", mean, "optimizer",
                          optimizer_name(t), "moments", dtype_name(t->o.optim.moment), "mla",
                          t->p->m->opts.mla == MLA_ABSORBED ? "absorbed" : "expanded",
                          "weights_xxh3", hex(hash_weights(t->p)), "optim_xxh3",
                          hex(hash_moments(t->optim)), "run", copy);
    char *text = o ? json_dumps(o, JSON_INDENT(1)) : NULL;
    int rc = text
                 ? join(path, dir, "state.json", e) || file_replace(path, text, strlen(text), e)
                 : err_oom(e, "state.json", 4096);
    (free)(text); /* jansson's */
    json_decref(o);
    return rc ? -1 : 0;
}

static int save_weights(const char *dir, const struct params *p, struct err *e)
{
    struct safetensors_writer *w;
    struct params_part q;
    float *work = NULL;
    if (safetensors_writer_create(&w, dir, "weights", 0, e)) return -1;
    int rc = safetensors_put_meta(w, "format", span_of("pt"), e);
    for (size_t i = 0; rc == 0 && i < p->n; i++)
        for (size_t k = 0; rc == 0 && k < params_n_part(p, i); k++)
            rc = params_part(p, i, k, &q, e) ||
                 safetensors_add(w, q.name, DT_F32, q.shape.n_dim, q.shape.dim, e);
    for (size_t i = 0; rc == 0 && i < p->n; i++)
        for (size_t k = 0; rc == 0 && k < params_n_part(p, i); k++) {
            rc = params_part(p, i, k, &q, e);
            if (rc == 0 && !q.data) {
                work = mem_alloc(q.elems * sizeof *work);
                if (work)
                    params_part_rows(p, i, work);
                else
                    rc = err_oom(e, q.name, q.elems * sizeof *work);
            }
            if (rc == 0)
                rc = safetensors_write_data(w, q.data ? q.data : work, q.elems * sizeof *work,
                                            e);
            mem_free(work);
            work = NULL;
        }
    if (rc == 0) rc = safetensors_writer_commit(w, e);
    safetensors_writer_free(w);
    return rc ? -1 : 0;
}

static void moment_name(const struct param *q, char which, char out[160])
{
    snprintf(out, 160, "%c.%d.%s", which, (int)q->layer, role_text(q->role));
}

static int save_moments(const char *dir, const struct optim *a, struct err *e)
{
    struct safetensors_writer *w;
    char name[160];
    if (safetensors_writer_create(&w, dir, "optim", 0, e)) return -1;
    int rc = 0;
    for (int pass = 0; pass < 2; pass++)
        for (size_t i = 0; rc == 0 && i < a->p->n; i++)
            for (int v = 0; rc == 0 && v < 2; v++) {
                const struct param *q = &a->p->param[i];
                uint64_t dim = q->n;
                if (!q->by_gradient) continue;
                moment_name(q, "mv"[v], name);
                rc =
                    pass == 0
                        ? safetensors_add(w, name, a->o.moment, 1, &dim, e)
                        : safetensors_write_data(w, (v ? a->v : a->m) + q->at * a->moment_bytes,
                                                 q->n * a->moment_bytes, e);
            }
    if (rc == 0) rc = safetensors_writer_commit(w, e);
    safetensors_writer_free(w);
    return rc;
}

int ckpt_save(const char *run, const struct trainer *t, const json_t *extra,
              const struct vocab *vocab, struct span chat_template, char path[CKPT_PATH],
              struct err *e)
{
    char tmp[CKPT_PATH];
    if (file_make_dirs(run, e) || join(tmp, run, writing, e) || remove_dir(tmp, e) ||
        step_path(path, run, t->step, e) || file_make_dirs(tmp, e))
        return -1;
    /* Small files first: what is wrong with the directory shows before much is written. */
    if (save_config(tmp, t, e) || (vocab && vocab_save(vocab, tmp, chat_template, e)) ||
        save_state(tmp, t, extra, e) || save_weights(tmp, t->p, e) ||
        save_moments(tmp, t->optim, e) || file_sync_dir(tmp, e))
        return err_wrap(e, "checkpoint %s", path);
    /* A checkpoint of this step that is already there holds the same numbers. */
    if (file_is_dir(path)) return remove_dir(tmp, e);
    if (rename(tmp, path) != 0) return err_errno(e, errno, "cannot rename %s", tmp);
    return file_sync_dir(run, e);
}

/* ---- loading ------------------------------------------------------------------------------- */

static int load_moments(const char *dir, struct optim *a, struct err *e)
{
    char path[CKPT_PATH], name[160];
    struct safetensors *s;
    if (join(path, dir, "optim.safetensors", e) || safetensors_open(&s, path, e)) return -1;
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < a->p->n; i++)
        for (int v = 0; rc == 0 && v < 2; v++) {
            const struct param *q = &a->p->param[i];
            if (!q->by_gradient) continue;
            moment_name(q, "mv"[v], name);
            const struct safetensors_tensor *x = safetensors_find(s, span_of(name));
            if (!x || x->dtype != a->o.moment || x->bytes != q->n * a->moment_bytes)
                rc = err_set(e, ERR_FORMAT, "%s: tensor %s is missing or of another size", path,
                             name);
            else
                memcpy((v ? a->v : a->m) + q->at * a->moment_bytes, x->data, x->bytes);
        }
    safetensors_close(s);
    return rc;
}

static int load_weights(const char *dir, struct params *p, struct err *e)
{
    struct model_source *s;
    if (source_open(&s, dir, e)) return -1;
    int rc = params_load(p, s, e);
    source_close(s);
    return rc;
}

/* Checkpoints of before 0.2 do not say what a later key says: they pass. */
static int check_text(const json_t *o, const char *key, const char *want, const char *path,
                      struct err *e)
{
    struct span have = {NULL, 0};
    if (json_get_str_opt(o, key, &have, path, e)) return -1;
    if (!have.p || span_is(have, want)) return 0;
    return err_set(e, ERR_FORMAT, "%s: %s is %.*s, the run has %s", path, key, (int)have.n,
                   have.p, want);
}

static int check_hash(const json_t *o, const char *key, uint64_t have, const char *path,
                      struct err *e)
{
    char text[24];
    struct span want;
    snprintf(text, sizeof text, "%016" PRIx64, have);
    if (json_get_str(o, key, &want, path, e)) return -1;
    if (span_is(want, text)) return 0;
    return err_set(e, ERR_FORMAT, "%s: the numbers are not those that were written (%s)", path,
                   key);
}

int ckpt_load(const char *dir, struct trainer *t, json_t **extra, struct err *e)
{
    char path[CKPT_PATH];
    *extra = NULL;
    if (join(path, dir, "state.json", e)) return -1;
    json_t *o = json_parse_file(path, STATE_MAX, e);
    if (!o) return -1;
    struct span mean;
    int64_t format, step, rows, updates;
    json_t *run = json_object_get(o, "run");
    int rc = -1;
    if (json_get_i64(o, "format", 1, 1, &format, path, e) ||
        json_get_i64(o, "step", 0, INT64_MAX, &step, path, e) ||
        json_get_i64(o, "rows", 0, INT64_MAX, &rows, path, e) ||
        json_get_i64(o, "updates", 0, INT64_MAX, &updates, path, e) ||
        json_get_str(o, "mean_loss", &mean, path, e) ||
        check_text(o, "optimizer", optimizer_name(t), path, e) ||
        check_text(o, "moments", dtype_name(t->o.optim.moment), path, e) ||
        check_text(o, "mla", t->p->m->opts.mla == MLA_ABSORBED ? "absorbed" : "expanded", path,
                   e) ||
        load_weights(dir, t->p, e) || load_moments(dir, t->optim, e) ||
        check_hash(o, "weights_xxh3", hash_weights(t->p), path, e) ||
        check_hash(o, "optim_xxh3", hash_moments(t->optim), path, e))
        goto out;
    t->step = step;
    t->rows = rows;
    t->optim->t = updates;
    t->mean_loss = strtod(mean.p, NULL);
    *extra = run ? json_incref(run) : json_object();
    rc = 0;
out:
    json_decref(o);
    return rc;
}
