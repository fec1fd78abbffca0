#include "serve/conv.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"
#include "meter/keys.h"
#include "serve/conv_crypt.h"

struct conv_store {
    pthread_mutex_t lock; /* guards the directory */
    char *dir;
    unsigned char key[CRYPT_KEY];
    bool sealed;
};

static int make_private_dir(const char *path, struct err *e)
{
    if (file_make_dirs(path, e)) return -1;
    return chmod(path, 0700) ? err_errno(e, errno, "chmod %s", path) : 0;
}

static int write_private(const char *path, struct span s, struct err *e)
{
    char tmp[1100];
    snprintf(tmp, sizeof tmp, "%s.new", path);
    int fd = open(tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0) return err_errno(e, errno, "writing %s", tmp);
    size_t at = 0;
    while (at < s.n) {
        ssize_t n = write(fd, s.p + at, s.n - at);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) break;
        at += (size_t)n;
    }
    bool ok = at == s.n && fsync(fd) == 0;
    int saved = errno;
    close(fd);
    if (ok && rename(tmp, path) == 0) return 0;
    if (ok) saved = errno;
    unlink(tmp);
    return err_errno(e, saved, "writing %s", path);
}

static int load_salt(const char *dir, unsigned char salt[CRYPT_SALT], struct err *e)
{
    char path[1024];
    struct buf b;
    buf_init(&b, CRYPT_SALT);
    snprintf(path, sizeof path, "%s/salt", dir);
    int rc = 0;
    if (file_exists(path)) {
        rc = file_read(path, &b, e);
        if (rc == 0 && b.len != CRYPT_SALT) rc = err_set(e, ERR_FORMAT, "%s is damaged", path);
        if (rc == 0) memcpy(salt, b.data, CRYPT_SALT);
    } else {
        random_bytes(salt, CRYPT_SALT);
        rc = write_private(path, (struct span){(const char *)salt, CRYPT_SALT}, e);
    }
    buf_release(&b);
    return rc;
}

int conv_open(struct conv_store **out, const char *dir, const char *passphrase, struct err *e)
{
    *out = NULL;
    if (strlen(dir) > 800) return err_set(e, ERR_USAGE, "the path %s is too long", dir);
    struct conv_store *c = mem_calloc(1, sizeof *c);
    if (!c) return err_oom(e, "the conversation store", sizeof *c);
    pthread_mutex_init(&c->lock, NULL);
    c->dir = mem_strdup(dir);
    unsigned char salt[CRYPT_SALT];
    if (!c->dir || make_private_dir(dir, e)) goto fail;
    if (passphrase) {
        if (load_salt(dir, salt, e) || crypt_key(c->key, passphrase, salt, e)) goto fail;
        c->sealed = true;
    }
    *out = c;
    return 0;
fail:
    conv_close(c);
    return -1;
}

void conv_close(struct conv_store *c)
{
    if (!c) return;
    crypt_wipe(c->key, sizeof c->key);
    mem_free(c->dir);
    pthread_mutex_destroy(&c->lock);
    mem_free(c);
}

static bool id_ok(struct span id)
{
    if (id.n == 0 || id.n > 64) return false;
    for (size_t i = 0; i < id.n; i++) {
        char ch = id.p[i];
        if (!((ch >= '0' && ch <= '9') || (ch >= 'a' && ch <= 'z') ||
              (ch >= 'A' && ch <= 'Z') || ch == '-' || ch == '_'))
            return false;
    }
    return true;
}

static void owner_dir(const struct conv_store *c, int64_t owner, char out[900])
{
    snprintf(out, 900, "%s/k%lld", c->dir, (long long)owner);
}

static int path_of(const struct conv_store *c, int64_t owner, struct span id, char out[1024],
                   struct err *e)
{
    char dir[900];
    if (!id_ok(id))
        return err_set(e, ERR_USAGE, "a conversation's id is 1 to 64 of A-Z a-z 0-9 - _");
    owner_dir(c, owner, dir);
    snprintf(out, 1024, "%s/%.*s.json", dir, (int)id.n, id.p);
    return 0;
}

/* Under the lock: the file's JSON, unsealed. */
static int read_conv(struct conv_store *c, const char *path, struct buf *out, struct err *e)
{
    struct buf raw;
    buf_init(&raw, CONV_MAX + 1024);
    int rc = file_read(path, &raw, e);
    if (rc == 0 && crypt_is_sealed(buf_span(&raw))) {
        rc = c->sealed ? crypt_open(c->key, buf_span(&raw), out, e)
                       : err_set(e, ERR_AUTH,
                                 "the conversation is sealed and the server has no passphrase");
    } else if (rc == 0) {
        buf_add_span(out, buf_span(&raw));
    }
    buf_release(&raw);
    return rc;
}

int conv_get(struct conv_store *c, int64_t owner, struct span id, struct buf *out,
             struct err *e)
{
    char path[1024];
    if (path_of(c, owner, id, path, e)) return -1;
    pthread_mutex_lock(&c->lock);
    int rc = read_conv(c, path, out, e);
    pthread_mutex_unlock(&c->lock);
    if (rc && e && e->code == ERR_NOT_FOUND)
        err_set(e, ERR_NOT_FOUND, "there is no conversation '%.*s'", (int)id.n, id.p);
    return rc;
}

int conv_put(struct conv_store *c, int64_t owner, struct span id, struct span json,
             struct err *e)
{
    char path[1024], dir[900];
    struct buf sealed;
    if (path_of(c, owner, id, path, e)) return -1;
    if (json.n > CONV_MAX)
        return err_set(e, ERR_LIMIT, "the conversation has %zu bytes, the limit is %d", json.n,
                       CONV_MAX);
    buf_init(&sealed, CONV_MAX + 1024);
    owner_dir(c, owner, dir);
    int rc = c->sealed ? crypt_seal(c->key, json, &sealed, e) : 0;
    pthread_mutex_lock(&c->lock);
    if (rc == 0) rc = make_private_dir(dir, e);
    if (rc == 0) rc = write_private(path, c->sealed ? buf_span(&sealed) : json, e);
    pthread_mutex_unlock(&c->lock);
    buf_release(&sealed);
    return rc;
}

/* The bytes are overwritten before the name goes, so that they do not linger in free blocks of a
 * file system that writes in place. */
static int shred(const char *path, struct err *e)
{
    static const char zeros[4096];
    struct stat st;
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st)) {
        int saved = errno;
        if (fd >= 0) close(fd);
        return err_errno(e, saved, "deleting %s", path);
    }
    for (off_t at = 0; at < st.st_size; at += (off_t)sizeof zeros) {
        size_t n =
            (size_t)(st.st_size - at) < sizeof zeros ? (size_t)(st.st_size - at) : sizeof zeros;
        if (pwrite(fd, zeros, n, at) < 0) break; /* the unlink below still counts */
    }
    fsync(fd);
    close(fd);
    return unlink(path) ? err_errno(e, errno, "deleting %s", path) : 0;
}

int conv_delete(struct conv_store *c, int64_t owner, struct span id, struct err *e)
{
    char path[1024], dir[900];
    if (path_of(c, owner, id, path, e)) return -1;
    owner_dir(c, owner, dir);
    pthread_mutex_lock(&c->lock);
    int rc = shred(path, e);
    if (rc == 0) rc = file_sync_dir(dir, e);
    pthread_mutex_unlock(&c->lock);
    if (rc && e && e->code == ERR_NOT_FOUND)
        err_set(e, ERR_NOT_FOUND, "there is no conversation '%.*s'", (int)id.n, id.p);
    return rc;
}

/* ---- the list -------------------------------------------------------------------------------- */

struct entry {
    char id[72];
    int64_t updated_ms, bytes;
};

static int newest_first(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;
    return x->updated_ms < y->updated_ms   ? 1
           : x->updated_ms > y->updated_ms ? -1
                                           : strcmp(x->id, y->id);
}

static size_t collect(const char *dir, struct entry *list, size_t max)
{
    DIR *d = opendir(dir);
    size_t n = 0;
    if (!d) return 0;
    for (struct dirent *de; n < max && (de = readdir(d));) {
        size_t len = strlen(de->d_name);
        char path[1200];
        struct stat st;
        if (len < 6 || len > 69 || strcmp(de->d_name + len - 5, ".json") != 0) continue;
        snprintf(path, sizeof path, "%s/%s", dir, de->d_name);
        if (stat(path, &st)) continue;
        memcpy(list[n].id, de->d_name, len - 5);
        list[n].id[len - 5] = 0;
        list[n].updated_ms = (int64_t)st.st_mtim.tv_sec * 1000 + st.st_mtim.tv_nsec / 1000000;
        list[n++].bytes = st.st_size;
    }
    closedir(d);
    qsort(list, n, sizeof *list, newest_first);
    return n;
}

static void write_title(struct conv_store *c, const char *dir, const char *id, struct buf *out)
{
    char path[1200];
    struct buf text;
    struct span title = {"", 0};
    buf_init(&text, CONV_MAX);
    snprintf(path, sizeof path, "%s/%s.json", dir, id);
    json_t *j = read_conv(c, path, &text, NULL) ? NULL : json_parse(buf_span(&text), id, NULL);
    const json_t *t = j ? json_object_get(j, "title") : NULL;
    if (json_is_string(t)) title = (struct span){json_string_value(t), json_string_length(t)};
    if (title.n > 200) title.n = 200;
    buf_add_json(out, title);
    json_decref(j);
    buf_release(&text);
}

int conv_list(struct conv_store *c, int64_t owner, struct buf *out, struct err *e)
{
    char dir[900];
    struct entry *list = mem_calloc(CONV_MAX_FILES, sizeof *list);
    if (!list) return err_oom(e, "the list of conversations", CONV_MAX_FILES * sizeof *list);
    owner_dir(c, owner, dir);
    pthread_mutex_lock(&c->lock);
    size_t n = collect(dir, list, CONV_MAX_FILES);
    buf_add_str(out, "{\"conversations\":[");
    for (size_t i = 0; i < n; i++) {
        char iso[24];
        clock_iso8601(list[i].updated_ms, iso);
        buf_printf(out, "%s\n{\"id\":\"%s\",\"title\":", i ? "," : "", list[i].id);
        write_title(c, dir, list[i].id, out);
        buf_printf(out, ",\"updated\":\"%s\",\"bytes\":%lld}", iso, (long long)list[i].bytes);
    }
    buf_add_str(out, "]}\n");
    pthread_mutex_unlock(&c->lock);
    mem_free(list);
    return buf_ok(out, "the list of conversations", e);
}
