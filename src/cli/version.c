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

void version_print(FILE *to)
{
    fprintf(to, "tarn %s (%s, %s)\ncompiler: %s\ncpu: %s, using %s\n", TARN_VERSION,
            TARN_COMMIT, TARN_MODE,
#ifdef __clang__
            "clang " __clang_version__,
#else
            "gcc " __VERSION__,
#endif
            cpu_level_name(cpu_detect()), cpu_level_name(kernels()->level));
}
