/* attr.h - the few compiler extensions the tree uses, in one place. */
#ifndef BASE_ATTR_H
#define BASE_ATTR_H

#define must_check        __attribute__((warn_unused_result))
#define printf_like(f, a) __attribute__((format(printf, f, a)))
#define aligned_to(n)     __attribute__((aligned(n)))
#define vector_of(bytes)  __attribute__((vector_size(bytes)))
#define likely(x)         __builtin_expect(!!(x), 1)
#define unlikely(x)       __builtin_expect(!!(x), 0)
#define no_return         __attribute__((noreturn))
#define force_inline      inline __attribute__((always_inline))

/* In front of a loop: unrolled completely (its count is a constant); kept as a loop. */
#ifdef __clang__
#    define unrolled _Pragma("clang loop unroll(full)")
#    define rolled   _Pragma("clang loop unroll(disable)")
#else
#    define unrolled _Pragma("GCC unroll 32")
#    define rolled   _Pragma("GCC unroll 1")
#endif

#define countof(a) (sizeof(a) / sizeof((a)[0]))

#endif
