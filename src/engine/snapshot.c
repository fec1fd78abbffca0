#define _DEFAULT_SOURCE /* st_mtim, futimens */
#include "engine/snapshot.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/queue.h"
#include "base/size.h"
#include "kernel/attn.h"

enum {
    HEADER = 64,
    VERSION = 1,
    NAME_SIZE = 40, /* 32 hexadecimal digits and ".kv" */
    BLOCKS_MAX = 1 << 20,
    FILES_MAX = 1 << 16,
    JOBS = 4,
    PAGE = 4096
};

static const int64_t FULL_PAUSE_NS = 60 * (int64_t)1000000000;
static const char magic[8] = {'T', 'A', 'R', 'N', 'K', 'V', 0, 1};

struct snap_file {
    char name[NAME_SIZE];
    bool foreign; /* another model's or of other numerics: counted, and removed when old */
    bool ready;   /* written */
    uint64_t group, bytes;
    int64_t used; /* ns of the wall clock */
    int32_t first, n;
    tok_id *tokens; /* ((first + n) * ATTN_BLOCK) */
    uint64_t *sum;  /* (n) hash of each block */
    size_t data_at;
};

struct job {
    struct snap_file *file;
    const unsigned char **block; /* (n) */
    void *owner;
    struct job *next;
};

struct snapshots {
    struct snapshots_opts o;
    char *dir;
    pthread_t thread;
    bool started;
    struct queue jobs;

    pthread_mutex_t lock; /* guards everything below */
    pthread_cond_t changed;
    struct snap_file **file;
    size_t n_file, cap_file;
    struct map64 index; /* chain -> file << 20 | block in it */
    struct job *finished;
    int busy; /* jobs handed out and not finished */
    int64_t full_until;
    struct snapshots_stats stats;

    /* engine thread */
    int fd; /* of the file read last, -1: none */
    char fd_name[NAME_SIZE];
};

static void put32(unsigned char *p, uint32_t v)
{
    for (int i = 0; i < 4; i++) p[i] = (unsigned char)(v >> 8 * i);
}

static void put64(unsigned char *p, uint64_t v)
{
    for (int i = 0; i < 8; i++) p[i] = (unsigned char)(v >> 8 * i);
}

/* ---- names and sums ------------------------------------------------------------------------ */

uint64_t snapshots_chain(uint64_t group)
{
    return hash64(&group, sizeof group, 0x7461726e);
}

uint64_t snapshots_next(uint64_t chain, const tok_id *t)
{
    return hash64(t, ATTN_BLOCK * sizeof *t, chain);
}

static size_t n_tokens(const struct snap_file *f)
{
    return ((size_t)f->first + (size_t)f->n) * ATTN_BLOCK;
}

static size_t table_bytes(const struct snap_file *f)
{
    return n_tokens(f) * sizeof *f->tokens + (size_t)f->n * sizeof *f->sum;
}

static size_t data_at(const struct snap_file *f)
{
    return round_up(HEADER + table_bytes(f), PAGE);
}

static uint64_t table_hash(const unsigned char *header, const struct snap_file *f)
{
    uint64_t h = hash64(header, HEADER - 8, VERSION);
    h = hash64(f->tokens, n_tokens(f) * sizeof *f->tokens, h);
    return hash64(f->sum, (size_t)f->n * sizeof *f->sum, h);
}

static char *path_of(const struct snapshots *s, const char *name)
{
    return file_join(s->dir, name);
}

static void free_file(struct snap_file *f)
{
    mem_free(f->tokens);
    mem_free(f->sum);
    mem_free(f);
}

/* ---- the index ------------------------------------------------------------------------------ */

/* Puts a file's blocks into the index, or takes them out. False when memory is out. */
static bool index_file(struct snapshots *s, size_t at, bool in)
{
    const struct snap_file *f = s->file[at];
    uint64_t chain = snapshots_chain(f->group);
    for (int32_t i = 0; i < f->first + f->n; i++) {
        chain = snapshots_next(chain, f->tokens + (size_t)i * ATTN_BLOCK);
        if (i < f->first) continue;
        uint64_t there = map64_get(&s->index, chain);
        if (in) {
            if (there == MAP_NONE &&
                !map64_put(&s->index, chain, (uint64_t)at << 20 | (uint64_t)(i - f->first)))
                return false;
        } else if (there != MAP_NONE && there >> 20 == at) {
            (void)map64_del(&s->index, chain);
        }
    }
    return true;
}

/* Places stay where they are: the index points at them. */
static bool add_file(struct snapshots *s, struct snap_file *f)
{
    size_t at = 0;
    while (at < s->n_file && s->file[at]) at++;
    if (at >= FILES_MAX) return false;
    if (at == s->cap_file) {
        size_t cap = s->cap_file ? s->cap_file * 2 : 64;
        struct snap_file **p = mem_realloc(s->file, s->cap_file * sizeof *p, cap * sizeof *p);
        if (!p) return false;
        s->file = p;
        s->cap_file = cap;
    }
    s->file[at] = f;
    if (at == s->n_file) s->n_file++;
    if (!f->foreign && !index_file(s, at, true)) {
        (void)index_file(s, at, false);
        s->file[at] = NULL;
        return false;
    }
    if (f->foreign) {
        s->stats.foreign_bytes += f->bytes;
    } else {
        s->stats.files++;
        s->stats.bytes += f->bytes;
    }
    return true;
}

/* Forgets a file and frees it. */
static void drop_file(struct snapshots *s, size_t at, bool remove)
{
    struct snap_file *f = s->file[at];
    if (!f->foreign) (void)index_file(s, at, false);
    s->file[at] = NULL;
    if (f->foreign) {
        s->stats.foreign_bytes -= f->bytes;
    } else {
        s->stats.files--;
        s->stats.bytes -= f->bytes;
    }
    char *path = remove ? path_of(s, f->name) : NULL;
    if (path && unlink(path) == 0) s->stats.removed++;
    mem_free(path);
    free_file(f);
}

/* Under the lock: removes the least recently used until `more` bytes have room. */
static void make_room(struct snapshots *s, uint64_t more)
{
    while (s->stats.bytes + s->stats.foreign_bytes + more > s->o.max_bytes) {
        size_t old = SIZE_MAX;
        for (size_t i = 0; i < s->n_file; i++) {
            const struct snap_file *f = s->file[i];
            if (!f || !f->ready) continue;
            if (old == SIZE_MAX || f->used < s->file[old]->used) old = i;
        }
        if (old == SIZE_MAX) return;
        drop_file(s, old, true);
    }
}

/* Under the lock. The file that holds the block, or NULL. */
static struct snap_file *find(struct snapshots *s, uint64_t chain, uint64_t group,
                              const tok_id *tokens, int32_t at, int32_t *place)
{
    uint64_t v = map64_get(&s->index, chain);
    if (v == MAP_NONE) return NULL;
    struct snap_file *f = s->file[v >> 20];
    *place = (int32_t)(v & 0xfffff);
    if (!f || f->group != group || f->first + *place != at) return NULL;
    size_t n = ((size_t)at + 1) * ATTN_BLOCK;
    return memcmp(f->tokens, tokens, n * sizeof *tokens) == 0 ? f : NULL;
}

bool snapshots_has(struct snapshots *s, uint64_t chain, uint64_t group, const tok_id *tokens,
                   int32_t at)
{
    int32_t place;
    pthread_mutex_lock(&s->lock);
    bool has = find(s, chain, group, tokens, at, &place) != NULL;
    pthread_mutex_unlock(&s->lock);
    return has;
}

/* ---- reading ------------------------------------------------------------------------------- */

static bool read_all(int fd, void *p, size_t n, uint64_t at)
{
    unsigned char *to = p;
    while (n > 0) {
        ssize_t got = pread(fd, to, n, (off_t)at);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) return false;
        to += got;
        at += (uint64_t)got;
        n -= (size_t)got;
    }
    return true;
}

static void close_fd(struct snapshots *s)
{
    if (s->fd >= 0) close(s->fd);
    s->fd = -1;
    s->fd_name[0] = 0;
}

static bool open_fd(struct snapshots *s, const char *name)
{
    if (s->fd >= 0 && strcmp(s->fd_name, name) == 0) return true;
    close_fd(s);
    char *path = path_of(s, name);
    if (!path) return false;
    s->fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    mem_free(path);
    if (s->fd < 0) return false;
    snprintf(s->fd_name, sizeof s->fd_name, "%s", name);
    (void)futimens(s->fd, NULL); /* used just now */
    return true;
}

static void forget_bad(struct snapshots *s, const char *name, const char *why)
{
    log_warn("cache", "snapshot %s/%s %s; it is removed and the prefix computed again", s->dir,
             name, why);
    pthread_mutex_lock(&s->lock);
    for (size_t i = 0; i < s->n_file; i++)
        if (s->file[i] && s->file[i]->ready && strcmp(s->file[i]->name, name) == 0)
            drop_file(s, i, true);
    s->stats.bad++;
    pthread_mutex_unlock(&s->lock);
    close_fd(s);
}

bool snapshots_read(struct snapshots *s, uint64_t chain, uint64_t group, const tok_id *tokens,
                    int32_t at, unsigned char *dst)
{
    int32_t place = 0;
    char name[NAME_SIZE];
    uint64_t offset = 0, sum = 0;
    pthread_mutex_lock(&s->lock);
    struct snap_file *f = find(s, chain, group, tokens, at, &place);
    bool there = f && f->ready;
    if (there) {
        memcpy(name, f->name, sizeof name);
        offset = f->data_at + (uint64_t)place * s->o.block_bytes;
        sum = f->sum[place];
        f->used = clock_wall_ms() * 1000000;
    }
    pthread_mutex_unlock(&s->lock);
    if (!there) return false;
    if (!open_fd(s, name)) {
        forget_bad(s, name, "cannot be opened");
    } else if (!read_all(s->fd, dst, s->o.block_bytes, offset)) {
        forget_bad(s, name, "is shorter than it was");
    } else if (hash64(dst, s->o.block_bytes, 0) != sum) {
        forget_bad(s, name, "has a wrong checksum");
    } else {
        s->stats.read_bytes += s->o.block_bytes;
        return true;
    }
    s->stats.read_fail++;
    return false;
}

/* ---- opening ------------------------------------------------------------------------------- */

/* What is wrong with a file, or NULL; *f is filled as far as it is needed. */
static const char *read_table(const struct snapshots *s, int fd, uint64_t size,
                              struct snap_file *f)
{
    unsigned char h[HEADER];
    if (size < HEADER || !read_all(fd, h, sizeof h, 0)) return "is too short";
    if (memcmp(h, magic, sizeof magic) != 0) return "is no snapshot";
    uint64_t block = load_le64(h + 40);
    f->foreign = load_le32(h + 8) != VERSION || load_le32(h + 12) != ATTN_BLOCK ||
                 load_le64(h + 16) != s->o.model || load_le64(h + 24) != s->o.numerics ||
                 block != s->o.block_bytes;
    if (f->foreign) return NULL;
    f->group = load_le64(h + 32);
    uint32_t first = load_le32(h + 48), n = load_le32(h + 52);
    if (first > BLOCKS_MAX || n == 0 || n > BLOCKS_MAX) return "has an impossible size";
    f->first = (int32_t)first;
    f->n = (int32_t)n;
    f->data_at = data_at(f);
    if (size != f->data_at + (uint64_t)n * block) return "does not have the size it says";
    f->tokens = mem_alloc(n_tokens(f) * sizeof *f->tokens);
    f->sum = mem_alloc((size_t)f->n * sizeof *f->sum);
    if (!f->tokens || !f->sum) return "does not fit memory";
    if (!read_all(fd, f->tokens, n_tokens(f) * sizeof *f->tokens, HEADER) ||
        !read_all(fd, f->sum, (size_t)f->n * sizeof *f->sum,
                  HEADER + n_tokens(f) * sizeof *f->tokens))
        return "cannot be read";
    return table_hash(h, f) == load_le64(h + 56) ? NULL : "has a wrong checksum";
}

static bool is_snapshot_name(const char *name)
{
    size_t n = strlen(name);
    return n == 35 && strspn(name, "0123456789abcdef") == 32 && strcmp(name + 32, ".kv") == 0;
}

/* A temporary file that nobody finished. */
static bool is_leftover(const char *name)
{
    return strspn(name, "0123456789abcdef") == 32 && strncmp(name + 32, ".kv.tmp-", 8) == 0;
}

static void read_one(struct snapshots *s, int dir, const char *name)
{
    struct stat st;
    struct snap_file *f = mem_calloc(1, sizeof *f);
    if (!f) return;
    int fd = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    const char *bad = "cannot be opened";
    if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode)) {
        memcpy(f->name, name, strlen(name) + 1);
        f->bytes = (uint64_t)st.st_size;
        f->used = (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec;
        f->ready = true;
        bad = read_table(s, fd, f->bytes, f);
    }
    if (fd >= 0) close(fd);
    if (bad) {
        log_warn("cache", "snapshot %s/%s %s; it is removed", s->dir, name, bad);
        (void)unlinkat(dir, name, 0);
        s->stats.bad++;
        free_file(f);
    } else if (!add_file(s, f)) {
        free_file(f);
    }
}

static int check_dir(const char *dir, struct err *e)
{
    struct stat st;
    if (!file_exists(dir)) {
        mode_t old = umask(077);
        int rc = file_make_dirs(dir, e);
        umask(old);
        if (rc) return -1;
    }
    if (stat(dir, &st) != 0) return err_errno(e, errno, "cannot use %s", dir);
    if (!S_ISDIR(st.st_mode)) return err_set(e, ERR_IO, "%s is not a directory", dir);
    if (st.st_uid != geteuid() || (st.st_mode & 077) != 0) {
        err_set(e, ERR_USAGE, "%s may be used by others (owner %u, mode %03o)", dir,
                (unsigned)st.st_uid, (unsigned)st.st_mode & 0777);
        return err_hint(e,
                        "snapshots hold what was asked: `chmod 700` on a directory of yours");
    }
    return 0;
}

static int read_dir(struct snapshots *s, struct err *e)
{
    DIR *d = opendir(s->dir);
    if (!d) return err_errno(e, errno, "cannot read %s", s->dir);
    for (struct dirent *de; (de = readdir(d));) {
        if (is_snapshot_name(de->d_name)) read_one(s, dirfd(d), de->d_name);
        if (is_leftover(de->d_name)) (void)unlinkat(dirfd(d), de->d_name, 0);
    }
    closedir(d);
    make_room(s, 0);
    return 0;
}

static void *writer_main(void *arg);

int snapshots_open(struct snapshots **out, const struct snapshots_opts *o, struct err *e)
{
    *out = NULL;
    if (check_dir(o->dir, e)) return -1;
    struct snapshots *s = mem_calloc(1, sizeof *s);
    if (!s) return err_oom(e, "snapshots", sizeof *s);
    s->o = *o;
    s->fd = -1;
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->changed, NULL);
    map64_init(&s->index);
    s->dir = mem_strdup(o->dir);
    if (!s->dir) {
        err_oom(e, "snapshots", strlen(o->dir));
        goto fail;
    }
    s->o.dir = s->dir;
    if (queue_init(&s->jobs, JOBS, e) || read_dir(s, e)) goto fail;
    int rc = pthread_create(&s->thread, NULL, writer_main, s);
    if (rc != 0) {
        err_errno(e, rc, "cannot start the thread that writes snapshots");
        goto fail;
    }
    s->started = true;
    log_info("cache", "snapshots in %s: %llu prefixes, %.2f GB; %.2f GB of other models",
             s->dir, (unsigned long long)s->stats.files, (double)s->stats.bytes * 1e-9,
             (double)s->stats.foreign_bytes * 1e-9);
    *out = s;
    return 0;
fail:
    snapshots_close(s, NULL);
    return -1;
}

void snapshots_close(struct snapshots *s, void (*drop)(void *owner))
{
    if (!s) return;
    if (s->started) {
        queue_close(&s->jobs);
        pthread_join(s->thread, NULL);
    }
    for (void *owner; (owner = snapshots_done(s));)
        if (drop) drop(owner);
    close_fd(s);
    for (size_t i = 0; i < s->n_file; i++)
        if (s->file[i]) free_file(s->file[i]);
    mem_free(s->file);
    map64_release(&s->index);
    queue_release(&s->jobs);
    pthread_mutex_destroy(&s->lock);
    pthread_cond_destroy(&s->changed);
    mem_free(s->dir);
    mem_free(s);
}

void snapshots_rebind(struct snapshots *s, uint64_t model)
{
    pthread_mutex_lock(&s->lock);
    while (s->busy > 0) pthread_cond_wait(&s->changed, &s->lock);
    s->o.model = model;
    for (size_t i = 0; i < s->n_file; i++) {
        struct snap_file *f = s->file[i];
        if (!f || f->foreign) continue;
        (void)index_file(s, i, false);
        f->foreign = true;
        s->stats.files--;
        s->stats.bytes -= f->bytes;
        s->stats.foreign_bytes += f->bytes;
    }
    pthread_mutex_unlock(&s->lock);
}

/* ---- writing ------------------------------------------------------------------------------- */

static int write_file(struct snapshots *s, const struct job *j, struct err *e)
{
    struct snap_file *f = j->file;
    unsigned char h[HEADER] = {0};
    static const unsigned char zero[PAGE];
    struct file_writer w;
    size_t block = s->o.block_bytes;
    for (int32_t i = 0; i < f->n; i++) f->sum[i] = hash64(j->block[i], block, 0);
    memcpy(h, magic, sizeof magic);
    put32(h + 8, VERSION);
    put32(h + 12, ATTN_BLOCK);
    put64(h + 16, s->o.model);
    put64(h + 24, s->o.numerics);
    put64(h + 32, f->group);
    put64(h + 40, block);
    put32(h + 48, (uint32_t)f->first);
    put32(h + 52, (uint32_t)f->n);
    put64(h + 56, table_hash(h, f));
    char *path = path_of(s, f->name);
    if (!path) return err_oom(e, "a snapshot", 0);
    int rc = file_replace_private(&w, path, e);
    mem_free(path);
    if (rc) return -1;
    file_replace_write(&w, h, sizeof h);
    file_replace_write(&w, f->tokens, n_tokens(f) * sizeof *f->tokens);
    file_replace_write(&w, f->sum, (size_t)f->n * sizeof *f->sum);
    file_replace_write(&w, zero, f->data_at - HEADER - table_bytes(f));
    for (int32_t i = 0; i < f->n && !w.failed; i++) file_replace_write(&w, j->block[i], block);
    return file_replace_commit(&w, e);
}

static void *writer_main(void *arg)
{
    struct snapshots *s = arg;
    for (struct job *j; (j = queue_get(&s->jobs));) {
        struct err e;
        pthread_mutex_lock(&s->lock);
        make_room(s, 0); /* this file's bytes are counted already */
        pthread_mutex_unlock(&s->lock);
        int rc = write_file(s, j, &e);
        pthread_mutex_lock(&s->lock);
        size_t at = 0;
        while (at < s->n_file && s->file[at] != j->file) at++;
        if (rc) {
            drop_file(s, at, false);
            s->full_until = clock_ns() + FULL_PAUSE_NS;
        } else {
            j->file->ready = true;
            j->file->used = clock_wall_ms() * 1000000;
            s->stats.saved++;
        }
        j->next = s->finished;
        s->finished = j;
        s->busy--;
        pthread_cond_broadcast(&s->changed);
        pthread_mutex_unlock(&s->lock);
        if (rc)
            log_warn("cache", "%s; no snapshots for %lld s, requests go on", e.msg,
                     (long long)(FULL_PAUSE_NS / 1000000000));
    }
    return NULL;
}

static struct snap_file *make_file(struct snapshots *s, uint64_t group, const tok_id *tokens,
                                   int32_t first, int32_t n)
{
    struct snap_file *f = mem_calloc(1, sizeof *f);
    if (!f) return NULL;
    f->group = group;
    f->first = first;
    f->n = n;
    f->tokens = mem_alloc(n_tokens(f) * sizeof *f->tokens);
    f->sum = mem_calloc((size_t)n, sizeof *f->sum);
    if (!f->tokens || !f->sum) {
        free_file(f);
        return NULL;
    }
    memcpy(f->tokens, tokens, n_tokens(f) * sizeof *f->tokens);
    f->data_at = data_at(f);
    f->bytes = f->data_at + (uint64_t)n * s->o.block_bytes;
    uint64_t id[] = {s->o.model, s->o.numerics, group, (uint64_t)first};
    struct hash128 h =
        hash128(f->tokens, n_tokens(f) * sizeof *f->tokens, hash64(id, sizeof id, 0));
    snprintf(f->name, sizeof f->name, "%016llx%016llx.kv", (unsigned long long)h.hi,
             (unsigned long long)h.lo);
    return f;
}

static void take_back(struct snapshots *s, const struct snap_file *f)
{
    size_t at = 0;
    pthread_mutex_lock(&s->lock);
    while (s->file[at] != f) at++;
    drop_file(s, at, false);
    s->busy--;
    pthread_mutex_unlock(&s->lock);
}

bool snapshots_save(struct snapshots *s, uint64_t group, const tok_id *tokens, int32_t first,
                    int32_t n, const unsigned char *const *block, void *owner)
{
    struct job *j = mem_calloc(1, sizeof *j);
    struct snap_file *f = make_file(s, group, tokens, first, n);
    bool ok = false;
    if (j && f) j->block = mem_alloc((size_t)n * sizeof *j->block);
    if (j && f && j->block && f->bytes <= s->o.max_bytes) {
        memcpy(j->block, block, (size_t)n * sizeof *j->block);
        j->file = f;
        j->owner = owner;
        pthread_mutex_lock(&s->lock);
        ok = clock_ns() >= s->full_until && s->busy < JOBS && add_file(s, f);
        s->busy += ok;
        pthread_mutex_unlock(&s->lock);
    }
    if (ok && queue_put(&s->jobs, j)) return true; /* fewer than JOBS are under way */
    if (ok)
        take_back(s, f);
    else if (f)
        free_file(f);
    if (j) mem_free(j->block);
    mem_free(j);
    return false;
}

void *snapshots_done(struct snapshots *s)
{
    pthread_mutex_lock(&s->lock);
    struct job *j = s->finished;
    if (j) s->finished = j->next;
    pthread_mutex_unlock(&s->lock);
    if (!j) return NULL;
    void *owner = j->owner;
    mem_free(j->block);
    mem_free(j);
    return owner;
}

void snapshots_wait(struct snapshots *s, int64_t timeout_ns)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += (time_t)((until.tv_nsec + timeout_ns) / 1000000000);
    until.tv_nsec = (long)((until.tv_nsec + timeout_ns) % 1000000000);
    pthread_mutex_lock(&s->lock);
    if (!s->finished && s->busy > 0)
        (void)pthread_cond_timedwait(&s->changed, &s->lock, &until);
    pthread_mutex_unlock(&s->lock);
}

int snapshots_forget(struct snapshots *s, bool all, uint64_t group)
{
    int n = 0;
    pthread_mutex_lock(&s->lock);
    while (s->busy > 0) pthread_cond_wait(&s->changed, &s->lock);
    for (size_t i = 0; i < s->n_file; i++) {
        struct snap_file *f = s->file[i];
        if (!f || f->foreign || (!all && f->group != group)) continue;
        drop_file(s, i, true);
        n++;
    }
    pthread_mutex_unlock(&s->lock);
    return n;
}

void snapshots_get_stats(struct snapshots *s, struct snapshots_stats *out)
{
    pthread_mutex_lock(&s->lock);
    *out = s->stats;
    pthread_mutex_unlock(&s->lock);
}
