/* attr.h - the few compiler extensions the tree uses, in one place. */
#ifndef BASE_ATTR_H
#define BASE_ATTR_H

#define must_check        __attribute__((warn_unused_result))
#define printf_like(f, a) __attribute__((format(printf, f, a)))
#define aligned_to(n)     __attribute__((aligned(n)))
#define likely(x)         __builtin_expect(!!(x), 1)
#define unlikely(x)       __builtin_expect(!!(x), 0)
#define no_return         __attribute__((noreturn))
#define vector_of(bytes)  __attribute__((vector_size(bytes)))

#define countof(a) (sizeof(a) / sizeof((a)[0]))

#endif
