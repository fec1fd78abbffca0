/* check.h - what every kernel test includes: levels, guarded arrays, comparison, a main.
 *
 * A kernel test compares every level of this machine with ref, bit for bit, where any NaN equals
 * any NaN. Arrays come from check_alloc: they end exactly at a page that cannot be touched (or
 * begin right behind one), the slack on the other side is filled with a pattern that is verified
 * when the array is freed. So a read past the end stops the test, and so does a stray write.
 *
 * No cmocka: these programs are also cross-built for machines where only the compiler is at hand
 * (tools/check-arm). The lines printed are cmocka's, so that tools/run-tests counts them.
 *
 *   static void rows_f32(void)
 *   {
 *       float *x = check_f32(n, CHECK_TAIL, CHECK_EXTREME);
 *       ... want by check_ref() ...
 *       for (int i = 0; i < check_n_level(); i++) {
 *           const struct kernels *k = check_level(i);
 *           ...
 *           check_same(want, got, n, "rows %s n=%zu", cpu_level_name(k->level), n);
 *       }
 *   }
 *   int main(void)
 *   {
 *       static const struct check_case cases[] = {{"rows_f32", rows_f32}};
 *       return check_main("gemm", cases, countof(cases));
 *   }
 */
#ifndef TESTS_KERNEL_CHECK_H
#define TESTS_KERNEL_CHECK_H

#include <math.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/attr.h"
#include "base/rng.h"
#include "base/size.h"
#include "kernel/kernel.h"

#ifndef MAP_ANONYMOUS /* Linux hides it from strict POSIX programs */
#    define MAP_ANONYMOUS 0x20
#endif

struct check_case {
    const char *name;
    void (*run)(void);
};

/* Where an array lies between its two forbidden pages. */
enum check_place {
    CHECK_TAIL, /* its last byte is the last one before the page behind: start rarely aligned */
    CHECK_HEAD, /* its first byte is the first one after the page in front: page aligned */
    CHECK_ALIGN, /* 64-byte aligned, as near to the page behind as that allows */
};

enum check_fill {
    CHECK_NORMAL,  /* normal numbers around 1 */
    CHECK_EXTREME, /* mixed with zeros of both signs, denormals, huge values, Inf and NaN */
    CHECK_FINITE,  /* as EXTREME without Inf and NaN, and so small that products stay finite */
};

enum { CHECK_MAX_ARRAYS = 1024, CHECK_MAX_SHOWN = 5, CHECK_PATTERN = 0xa5 };

struct check_array {
    unsigned char *map, *data;
    size_t map_bytes, bytes;
};

static struct {
    struct check_array array[CHECK_MAX_ARRAYS];
    int n_array;
    int n_wrong; /* differences found in the running case */
    struct rng rng;
} check_state;

static inline printf_like(1, 2) void check_fail(const char *fmt, ...)
{
    if (check_state.n_wrong++ >= CHECK_MAX_SHOWN) return;
    va_list ap;
    va_start(ap, fmt);
    vprintf(fmt, ap);
    va_end(ap);
    printf("\n");
}

#define check_true(cond)                                                           \
    do {                                                                           \
        if (!(cond)) check_fail("%s:%d: not true: %s", __FILE__, __LINE__, #cond); \
    } while (0)

/* ---- levels ------------------------------------------------------------------------------- */

static inline const struct kernels *check_ref(void)
{
    static struct kernels ref;
    static bool filled;
    if (!filled) kernels_init(&ref, CPU_REF);
    filled = true;
    return &ref;
}

/* The levels above ref that this machine has, lowest first. */
static inline int check_n_level(void)
{
    enum cpu_level have = cpu_detect();
    return have >= CPU_NEON ? have - CPU_NEON + 1 : have - CPU_REF;
}

static inline const struct kernels *check_level(int i)
{
    static struct kernels table[CPU_DOTPROD + 1];
    int level = (cpu_detect() >= CPU_NEON ? CPU_NEON : CPU_AVX2) + i;
    if (table[level].level == CPU_REF) kernels_init(&table[level], (enum cpu_level)level);
    return &table[level];
}

/* ---- arrays ------------------------------------------------------------------------------- */

static inline size_t check_page(void)
{
    return (size_t)sysconf(_SC_PAGESIZE);
}

/* Zeroed; freed with the case. */
static inline void *check_alloc(size_t bytes, enum check_place place)
{
    size_t page = check_page(), body = round_up(bytes + 64, page);
    if (check_state.n_array == CHECK_MAX_ARRAYS) {
        printf("check.h: more than %d arrays in one case\n", CHECK_MAX_ARRAYS);
        exit(1);
    }
    unsigned char *map =
        mmap(NULL, body + 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (map == MAP_FAILED) {
        printf("check.h: no memory for %zu bytes\n", bytes);
        exit(1);
    }
    memset(map + page, CHECK_PATTERN, body);
    mprotect(map, page, PROT_NONE);
    mprotect(map + page + body, page, PROT_NONE);
    size_t at = place == CHECK_HEAD ? 0 : body - bytes;
    if (place == CHECK_ALIGN) at -= at % 64;
    unsigned char *data = map + page + at;
    memset(data, 0, bytes);
    check_state.array[check_state.n_array++] =
        (struct check_array){map, data, body + 2 * page, bytes};
    return data;
}

/* Frees every array after the first `keep`, having looked for stray writes around it. A case with
 * many sizes calls this after each. */
static inline void check_free(int keep)
{
    while (check_state.n_array > keep) {
        int i = --check_state.n_array;
        const struct check_array *a = &check_state.array[i];
        unsigned char *p = a->map + check_page(), *end = a->map + a->map_bytes - check_page();
        while (p < end && (p == a->data || *p == CHECK_PATTERN))
            p = p == a->data && a->bytes ? a->data + a->bytes : p + 1;
        if (p < end)
            check_fail("array %d of %zu bytes: a write at offset %td", i, a->bytes,
                       p - a->data);
        munmap(a->map, a->map_bytes);
    }
}

static inline float check_number(enum check_fill fill)
{
    struct rng *r = &check_state.rng;
    float v = (float)rng_normal(r);
    if (fill == CHECK_NORMAL) return v;
    switch (rng_below(r, fill == CHECK_EXTREME ? 16 : 12)) {
    case 0: return 0.0f;
    case 1: return -0.0f;
    case 2: return f32_from_bits((uint32_t)rng_below(r, 0x800000)); /* denormal */
    case 3: return -f32_from_bits((uint32_t)rng_below(r, 0x800000));
    case 4: return v * 0x1p-70f;
    case 5: return v * (fill == CHECK_EXTREME ? 0x1p100f : 0x1p40f);
    case 12: return INFINITY;
    case 13: return -INFINITY;
    case 14: return NAN;
    case 15: return f32_from_bits((uint32_t)rng_u64(r)); /* any bits */
    default: return v;
    }
}

static inline void check_fill(float *p, size_t n, enum check_fill fill)
{
    for (size_t i = 0; i < n; i++) {
        float v = check_number(fill);
        memcpy((unsigned char *)p + 4 * i, &v, 4);
    }
}

static inline float *check_f32(size_t n, enum check_place place, enum check_fill fill)
{
    float *p = check_alloc(n * sizeof *p, place);
    check_fill(p, n, fill);
    return p;
}

/* Any bytes. */
static inline void check_fill_bytes(void *p, size_t n)
{
    unsigned char *b = p;
    for (size_t i = 0; i < n; i++) b[i] = (unsigned char)rng_u64(&check_state.rng);
}

/* ---- comparison --------------------------------------------------------------------------- */

/* The same bits, or both NaN; reports the first difference. */
static inline printf_like(4, 5) bool check_same(const float *want, const float *got, size_t n,
                                                const char *fmt, ...)
{
    for (size_t i = 0; i < n; i++) {
        uint32_t a, b;
        memcpy(&a, (const unsigned char *)want + 4 * i, 4);
        memcpy(&b, (const unsigned char *)got + 4 * i, 4);
        bool nan_a = (a & 0x7fffffff) > 0x7f800000, nan_b = (b & 0x7fffffff) > 0x7f800000;
        if (a == b || (nan_a && nan_b)) continue;
        char what[256];
        va_list ap;
        va_start(ap, fmt);
        vsnprintf(what, sizeof what, fmt, ap);
        va_end(ap);
        check_fail("%s: [%zu] of %zu is %a (%08x), ref has %a (%08x)", what, i, n,
                   (double)f32_from_bits(b), (unsigned)b, (double)f32_from_bits(a),
                   (unsigned)a);
        return false;
    }
    return true;
}

static inline printf_like(4, 5) bool check_same_bytes(const void *want, const void *got,
                                                      size_t n, const char *fmt, ...)
{
    const unsigned char *a = want, *b = got;
    for (size_t i = 0; i < n; i++) {
        if (a[i] == b[i]) continue;
        char what[256];
        va_list ap;
        va_start(ap, fmt);
        vsnprintf(what, sizeof what, fmt, ap);
        va_end(ap);
        check_fail("%s: byte %zu of %zu is %02x, ref has %02x", what, i, n, b[i], a[i]);
        return false;
    }
    return true;
}

/* ---- main --------------------------------------------------------------------------------- */

static inline int check_main(const char *group, const struct check_case *cases, size_t n)
{
    size_t n_bad = 0;
    setvbuf(stdout, NULL, _IOLBF, 0);
    printf("[==========] %s: Running %zu test(s).\n", group, n);
    if (check_n_level() == 0) printf("skipped: this machine has no level above ref\n");
    for (size_t i = 0; i < n; i++) {
        check_state.n_wrong = 0;
        check_state.rng = rng_init(20240501, i);
        printf("[ RUN      ] %s\n", cases[i].name);
        cases[i].run();
        check_free(0);
        if (check_state.n_wrong > CHECK_MAX_SHOWN)
            printf("%d differences in all\n", check_state.n_wrong);
        printf("%s %s\n", check_state.n_wrong ? "[  FAILED  ]" : "[       OK ]", cases[i].name);
        n_bad += check_state.n_wrong != 0;
    }
    printf("[  PASSED  ] %zu test(s).\n", n - n_bad);
    return n_bad ? 1 : 0;
}

#endif
