#define _GNU_SOURCE
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"

int file_map_open(struct file_map *m, const char *path, struct err *e)
{
    *m = (struct file_map){.fd = -1};
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) return err_errno(e, errno, "cannot open %s", path);
    struct stat st;
    if (fstat(fd, &st) != 0) {
        err_errno(e, errno, "cannot read %s", path);
        close(fd);
        return -1;
    }
    if (!S_ISREG(st.st_mode)) {
        close(fd);
        return err_set(e, ERR_IO, "%s is not a regular file", path);
    }
    m->fd = fd;
    m->size = (size_t)st.st_size;
    if (m->size == 0) {
        m->data = (const unsigned char *)"";
        return 0;
    }
    void *p = mmap(NULL, m->size, PROT_READ, MAP_SHARED, fd, 0);
    if (p == MAP_FAILED) {
        err_errno(e, errno, "cannot map %s", path);
        close(fd);
        *m = (struct file_map){.fd = -1};
        return -1;
    }
    m->data = p;
    return 0;
}

void file_map_close(struct file_map *m)
{
    if (m->size) munmap((void *)(uintptr_t)m->data, m->size);
    if (m->fd >= 0) close(m->fd);
    *m = (struct file_map){.fd = -1};
}

bool file_map_intact(const struct file_map *m)
{
    struct stat st;
    return fstat(m->fd, &st) == 0 && (uint64_t)st.st_size >= m->size;
}

static void advise(const struct file_map *m, size_t off, size_t len, int advice, bool inside)
{
    if (off >= m->size) return;
    if (len > m->size - off) len = m->size - off;
    size_t page = (size_t)sysconf(_SC_PAGESIZE), end = off + len;
    if (inside) { /* only whole pages: neighbours are still wanted */
        off = (off + page - 1) / page * page;
        end = end / page * page;
    } else {
        off = off / page * page;
    }
    if (end > off) (void)madvise((void *)(uintptr_t)(m->data + off), end - off, advice);
}

void file_map_will_need(const struct file_map *m, size_t off, size_t len)
{
    advise(m, off, len, MADV_WILLNEED, false);
}

void file_map_drop(const struct file_map *m, size_t off, size_t len)
{
    advise(m, off, len, MADV_DONTNEED, true);
}

int file_read(const char *path, struct buf *out, struct err *e)
{
    FILE *f = fopen(path, "rbe");
    if (!f) return err_errno(e, errno, "cannot open %s", path);
    char chunk[16384];
    size_t n;
    while ((n = fread(chunk, 1, sizeof chunk, f)) > 0) {
        buf_add(out, chunk, n);
        if (out->failed) break;
    }
    int bad = ferror(f) ? errno : 0;
    fclose(f);
    if (bad) return err_errno(e, bad, "cannot read %s", path);
    return buf_ok(out, path, e);
}

static int replace_open(struct file_writer *w, const char *path, mode_t mode, struct err *e)
{
    *w = (struct file_writer){0};
    size_t n = strlen(path) + 32;
    w->path = mem_strdup(path);
    w->tmp = mem_alloc(n);
    if (!w->path || !w->tmp) {
        file_replace_abort(w);
        return err_oom(e, path, n);
    }
    snprintf(w->tmp, n, "%s.tmp-%ld", path, (long)getpid());
    int fd = open(w->tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
    w->f = fd >= 0 ? fdopen(fd, "wb") : NULL;
    if (!w->f) {
        err_errno(e, errno, "cannot write %s", w->tmp);
        if (fd >= 0) close(fd);
        w->tmp[0] = 0;
        file_replace_abort(w);
        return -1;
    }
    setvbuf(w->f, NULL, _IOFBF, 1 << 20);
    return 0;
}

int file_replace_open(struct file_writer *w, const char *path, struct err *e)
{
    return replace_open(w, path, 0666, e);
}

int file_replace_private(struct file_writer *w, const char *path, struct err *e)
{
    return replace_open(w, path, 0600, e);
}

void file_replace_write(struct file_writer *w, const void *p, size_t n)
{
    if (w->failed || n == 0) return;
    if (fwrite(p, 1, n, w->f) != n) w->failed = errno ? errno : EIO;
    w->written += n;
}

int file_sync_dir(const char *path, struct err *e)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return err_errno(e, errno, "cannot open directory %s", path);
    /* Some file systems refuse fsync on a directory; there is nothing more to do there. */
    int bad = fsync(fd) != 0 && errno != EINVAL ? errno : 0;
    close(fd);
    return bad ? err_errno(e, bad, "cannot flush directory %s", path) : 0;
}

int file_replace_commit(struct file_writer *w, struct err *e)
{
    if (!w->failed && fflush(w->f) != 0) w->failed = errno;
    if (!w->failed && fsync(fileno(w->f)) != 0) w->failed = errno;
    if (fclose(w->f) != 0 && !w->failed) w->failed = errno;
    w->f = NULL;
    if (!w->failed && rename(w->tmp, w->path) != 0) w->failed = errno;
    if (w->failed) {
        err_errno(e, w->failed, "cannot write %s", w->path);
        file_replace_abort(w);
        return -1;
    }
    char *slash = strrchr(w->path, '/');
    if (slash) slash[slash == w->path ? 1 : 0] = 0;
    int rc = file_sync_dir(slash ? w->path : ".", e);
    w->tmp[0] = 0;
    file_replace_abort(w);
    return rc;
}

void file_replace_abort(struct file_writer *w)
{
    if (w->f) fclose(w->f);
    if (w->tmp && w->tmp[0]) unlink(w->tmp);
    mem_free(w->tmp);
    mem_free(w->path);
    *w = (struct file_writer){0};
}

int file_replace(const char *path, const void *p, size_t n, struct err *e)
{
    struct file_writer w;
    if (file_replace_open(&w, path, e)) return -1;
    file_replace_write(&w, p, n);
    return file_replace_commit(&w, e);
}

bool file_exists(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0;
}

bool file_is_dir(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

int file_size(const char *path, uint64_t *size, struct err *e)
{
    struct stat st;
    if (stat(path, &st) != 0) return err_errno(e, errno, "cannot read %s", path);
    *size = (uint64_t)st.st_size;
    return 0;
}

int file_make_dirs(const char *path, struct err *e)
{
    char *p = mem_strdup(path);
    if (!p) return err_oom(e, path, strlen(path));
    for (char *s = p + 1;; s++) {
        if (*s != '/' && *s != 0) continue;
        char keep = *s;
        *s = 0;
        if (mkdir(p, 0777) != 0 && errno != EEXIST) {
            err_errno(e, errno, "cannot create directory %s", p);
            mem_free(p);
            return -1;
        }
        if (!keep) break;
        *s = keep;
    }
    mem_free(p);
    if (!file_is_dir(path)) return err_set(e, ERR_IO, "%s is not a directory", path);
    return 0;
}

char *file_join(const char *dir, const char *name)
{
    size_t a = strlen(dir), b = strlen(name);
    bool slash = a > 0 && dir[a - 1] != '/';
    char *p = mem_alloc(a + slash + b + 1);
    if (!p) return NULL;
    memcpy(p, dir, a);
    if (slash) p[a] = '/';
    memcpy(p + a + slash, name, b + 1);
    return p;
}
