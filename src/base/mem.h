/* mem.h - the only malloc and free in the tree.
 *
 * Blocks are aligned to 64 bytes (a cache line, a ZMM register). All functions return NULL when
 * memory is out; callers turn that into ERR_MEMORY with err_oom, which names what was asked for.
 *
 * Two aids for tests: mem_fail_at(n) makes the n-th allocation from now fail, and between
 * mem_guard(true) and mem_guard(false) any allocation by this thread is a bug that stops a debug
 * build (nothing is allocated inside a step).
 *
 * Threads: all functions may be called from any thread.
 */
#ifndef BASE_MEM_H
#define BASE_MEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"

struct err;

void *mem_alloc(size_t size) must_check;
/* Zeroed; n * size is checked for overflow. */
void *mem_calloc(size_t n, size_t size) must_check;
/* Grows or shrinks; on failure the old block stays valid. */
void *mem_realloc(void *p, size_t old_size, size_t new_size) must_check;
void mem_free(void *p);
char *mem_strdup(const char *s) must_check;
char *mem_strndup(const char *s, size_t n) must_check;

/* Anonymous pages straight from the system, zeroed, page aligned, huge pages asked for when the
 * size is 2 MiB or more. Freed with mem_unmap and the same size. For weights, caches and arenas. */
void *mem_map(size_t size) must_check;
void mem_unmap(void *p, size_t size);

/* err_oom - "out of memory: <what> needs <size> bytes"; returns -1. */
int err_oom(struct err *e, const char *what, size_t size);

/* Test aids. */
void mem_fail_at(int64_t n); /* 1: the next one; 0: off */
bool mem_fail_fired(void);
void mem_guard(bool on);
int64_t mem_live_blocks(void); /* blocks allocated and not freed; for leak tests */
size_t mem_largest(void);      /* the largest size asked for since the last call of this */

#endif
