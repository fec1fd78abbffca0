#include "cli/version.h"

#include "kernel/kernel.h"

#ifndef TARN_COMMIT
#    define TARN_COMMIT "unknown"
#    define TARN_MODE   "unknown"
#endif

const char *version_text(void)
{
    return TARN_VERSION;
}

const char *version_commit(void)
{
    return TARN_COMMIT;
}

#ifdef __clang__
static const char compiler[] = "clang " __clang_version__;
#else
static const char compiler[] = "gcc " __VERSION__;
#endif

void version_print(FILE *to)
{
    fprintf(to, "tarn %s (%s, %s)\ncompiler: %s\ncpu: %s, using %s\n", TARN_VERSION,
            TARN_COMMIT, TARN_MODE, compiler, cpu_level_name(cpu_detect()),
            cpu_level_name(kernels()->level));
}
