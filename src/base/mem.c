#define _GNU_SOURCE /* MADV_HUGEPAGE */
#include "base/mem.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/err.h"
#include "base/size.h"

enum { MEM_ALIGN = 64 };

static _Atomic int64_t fail_countdown;
static _Atomic int64_t live_blocks;
static _Atomic bool fail_fired;
static _Atomic size_t largest;
static _Thread_local bool guarded;

static bool may_allocate(size_t size)
{
    if (unlikely(size > atomic_load_explicit(&largest, memory_order_relaxed)))
        atomic_store_explicit(&largest, size, memory_order_relaxed);
    if (unlikely(guarded)) abort(); /* our own bug: an allocation inside a step */
    if (likely(atomic_load_explicit(&fail_countdown, memory_order_relaxed) == 0)) return true;
    if (atomic_fetch_sub(&fail_countdown, 1) != 1) return true;
    atomic_store(&fail_fired, true);
    return false;
}

void *mem_alloc(size_t size)
{
    if (!may_allocate(size)) return NULL;
    size_t n;
    if (size_round_up(size ? size : 1, MEM_ALIGN, &n)) return NULL;
    void *p = aligned_alloc(MEM_ALIGN, n);
    if (p) atomic_fetch_add_explicit(&live_blocks, 1, memory_order_relaxed);
    return p;
}

void *mem_calloc(size_t n, size_t size)
{
    size_t total;
    if (size_mul(n, size, &total)) return NULL;
    void *p = mem_alloc(total);
    if (p) memset(p, 0, total);
    return p;
}

void *mem_realloc(void *p, size_t old_size, size_t new_size)
{
    void *q = mem_alloc(new_size);
    if (!q) return NULL;
    if (p) {
        memcpy(q, p, size_min(old_size, new_size));
        mem_free(p);
    }
    return q;
}

void mem_free(void *p)
{
    if (!p) return;
    atomic_fetch_sub_explicit(&live_blocks, 1, memory_order_relaxed);
    free(p);
}

char *mem_strndup(const char *s, size_t n)
{
    char *p = mem_alloc(n + 1);
    if (!p) return NULL;
    memcpy(p, s, n);
    p[n] = 0;
    return p;
}

char *mem_strdup(const char *s)
{
    return mem_strndup(s, strlen(s));
}

void *mem_map(size_t size)
{
    if (!may_allocate(size)) return NULL;
    void *p =
        mmap(NULL, size ? size : 1, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED) return NULL;
#ifdef MADV_HUGEPAGE
    if (size >= (size_t)2 << 20) (void)madvise(p, size, MADV_HUGEPAGE);
#endif
    atomic_fetch_add_explicit(&live_blocks, 1, memory_order_relaxed);
    return p;
}

void mem_unmap(void *p, size_t size)
{
    if (!p) return;
    atomic_fetch_sub_explicit(&live_blocks, 1, memory_order_relaxed);
    munmap(p, size ? size : 1);
}

int err_oom(struct err *e, const char *what, size_t size)
{
    return err_set(e, ERR_MEMORY, "out of memory: %s needs %zu bytes", what, size);
}

void mem_fail_at(int64_t n)
{
    atomic_store(&fail_fired, false);
    atomic_store(&fail_countdown, n);
}

bool mem_fail_fired(void)
{
    return atomic_load(&fail_fired);
}

void mem_guard(bool on)
{
#ifdef TARN_DEBUG
    guarded = on;
#else
    (void)on;
#endif
}

size_t mem_largest(void)
{
    return atomic_exchange(&largest, 0);
}

int64_t mem_live_blocks(void)
{
    return atomic_load(&live_blocks);
}
