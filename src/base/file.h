/* file.h - whole files: mapped, read, and replaced atomically.
 *
 * file_replace_* writes NAME under a temporary name in the same directory, flushes it to the
 * disk, and renames it over the old file: a reader sees the old bytes or the new ones, never a
 * mixture, also after a power cut.
 */
#ifndef BASE_FILE_H
#define BASE_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/attr.h"

struct err;
struct buf;

struct file_map {
    const unsigned char *data; /* read-only pages of the file */
    size_t size;
    int fd;
};

/* Maps a whole regular file. Opening does not read it. Fails: ERR_NOT_FOUND, ERR_IO. */
int file_map_open(struct file_map *m, const char *path, struct err *e) must_check;
void file_map_close(struct file_map *m);
/* True while the file still has the size it was mapped with. A file that shrank under the map
 * would raise SIGBUS when touched; long-lived maps ask this before each step. */
bool file_map_intact(const struct file_map *m);
/* Advice on a byte range: read ahead, or let the pages go. */
void file_map_will_need(const struct file_map *m, size_t off, size_t len);
void file_map_drop(const struct file_map *m, size_t off, size_t len);

/* The whole file appended to *out; fails with ERR_LIMIT if that exceeds out's cap. */
int file_read(const char *path, struct buf *out, struct err *e) must_check;

struct file_writer {
    FILE *f;
    char *path, *tmp;
    uint64_t written;
    int failed; /* the first errno met, 0 if none */
};

int file_replace_open(struct file_writer *w, const char *path, struct err *e) must_check;
/* As file_replace_open, for what nobody else may read: mode 0600 whatever the umask. */
int file_replace_private(struct file_writer *w, const char *path, struct err *e) must_check;
/* Errors are kept and reported by file_replace_commit. */
void file_replace_write(struct file_writer *w, const void *p, size_t n);
/* Flush, fsync, rename, fsync of the directory. On failure the old file is untouched and the
 * temporary one is removed. */
int file_replace_commit(struct file_writer *w, struct err *e) must_check;
void file_replace_abort(struct file_writer *w);
/* The three steps in one. */
int file_replace(const char *path, const void *p, size_t n, struct err *e) must_check;

bool file_exists(const char *path);
bool file_is_dir(const char *path);
int file_size(const char *path, uint64_t *size, struct err *e) must_check;
/* Creates the directory and its parents; mode 0777 less the umask. */
int file_make_dirs(const char *path, struct err *e) must_check;
/* dir "/" name in a new string (mem_free), or NULL. */
char *file_join(const char *dir, const char *name) must_check;
/* Makes the directory's entries durable. */
int file_sync_dir(const char *path, struct err *e) must_check;

#endif
