/* cpu.c - what the CPU can do, and the table filled for it. */
#if defined(__x86_64__)
#    include <cpuid.h>
#endif
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/kernel.h"

#if defined(__x86_64__)
#    define HAVE_X86 1
#elif defined(__aarch64__)
#    define HAVE_ARM 1
#    include <sys/auxv.h>
#endif
#ifndef HAVE_X86
#    define HAVE_X86 0
#endif
#ifndef HAVE_ARM
#    define HAVE_ARM 0
#endif

static const char *const level_names[] = {
    [CPU_REF] = "ref",   [CPU_AVX2] = "avx2", [CPU_AVX512] = "avx512",
    [CPU_VNNI] = "vnni", [CPU_NEON] = "neon", [CPU_DOTPROD] = "dotprod",
};

enum cpu_level cpu_detect(void)
{
#if HAVE_X86
    __builtin_cpu_init(); /* also checks that the system saves the wide registers */
    /* clang 14 has no name for F16C: cpuid leaf 1, ecx bit 29. */
    unsigned a, b, c = 0, d;
    bool f16c = __get_cpuid(1, &a, &b, &c, &d) && (c >> 29 & 1);
    if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma") || !f16c)
        return CPU_REF;
    if (!__builtin_cpu_supports("avx512f") || !__builtin_cpu_supports("avx512bw") ||
        !__builtin_cpu_supports("avx512dq") || !__builtin_cpu_supports("avx512vl"))
        return CPU_AVX2;
    if (!__builtin_cpu_supports("avx512vnni") || !__builtin_cpu_supports("avx512vbmi"))
        return CPU_AVX512;
    return CPU_VNNI;
#elif HAVE_ARM
#    ifdef __linux__
    enum { HWCAP_DOT = 1 << 20 }; /* HWCAP_ASIMDDP */
    return getauxval(AT_HWCAP) & HWCAP_DOT ? CPU_DOTPROD : CPU_NEON;
#    else
    return CPU_DOTPROD;
#    endif
#else
    return CPU_REF;
#endif
}

const char *cpu_level_name(enum cpu_level level)
{
    return level_names[level];
}

bool cpu_level_parse(const char *name, enum cpu_level *out)
{
    for (int i = CPU_REF; i <= CPU_DOTPROD; i++) {
        bool arm = i >= CPU_NEON, x86 = i > CPU_REF && !arm;
        if (strcmp(name, level_names[i]) != 0 || (arm && !HAVE_ARM) || (x86 && !HAVE_X86))
            continue;
        *out = (enum cpu_level)i;
        return true;
    }
    return false;
}

void kernels_init(struct kernels *k, enum cpu_level level)
{
    enum cpu_level have = cpu_detect();
    if (level > have) level = have;
    *k = (struct kernels){.level = level};
    gemm_init_ref(&k->gemm);
    q8_init_ref(&k->q8);
    i8_init_ref(&k->i8);
    attn_init_ref(&k->attn);
    elem_init_ref(&k->elem);
#if HAVE_X86
    if (level >= CPU_AVX2) {
        gemm_init_avx2(&k->gemm);
        q8_init_avx2(&k->q8);
        i8_init_avx2(&k->i8);
        attn_init_avx2(&k->attn);
        elem_init_avx2(&k->elem);
    }
    if (level >= CPU_AVX512) {
        gemm_init_avx512(&k->gemm);
        q8_init_avx512(&k->q8);
        attn_init_avx512(&k->attn);
        elem_init_avx512(&k->elem);
    }
    if (level >= CPU_VNNI) {
        q8_init_vnni(&k->q8);
        i8_init_vnni(&k->i8);
    }
#elif HAVE_ARM
    if (level >= CPU_NEON) {
        gemm_init_neon(&k->gemm);
        q8_init_neon(&k->q8);
        attn_init_neon(&k->attn);
        elem_init_neon(&k->elem);
    }
    if (level >= CPU_DOTPROD) q8_init_dotprod(&k->q8);
#endif
}

static struct kernels table;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void fill(void)
{
    enum cpu_level level = cpu_detect();
    const char *want = getenv("TARN_CPU");
    if (want && *want) (void)cpu_level_parse(want, &level); /* the program checks the name */
    kernels_init(&table, level);
}

const struct kernels *kernels(void)
{
    pthread_once(&once, fill);
    return &table;
}
