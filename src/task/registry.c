#include "task/task.h"

#define FAMILIES(X)   \
    X(addition)       \
    X(subtraction)    \
    X(multiplication) \
    X(expression)     \
    X(primes)         \
    X(equation) X(word_problem) X(object_count) X(countdown) X(boolean) X(deduction) X(knights)

#define X(name) extern const struct task_family task_##name;
FAMILIES(X)
#undef X

static const struct task_family *const all[] = {
#define X(name) &task_##name,
    FAMILIES(X)
#undef X
        NULL,
};

const struct task_family *const *task_list(void)
{
    return all;
}

const struct task_family *task_find(struct span name)
{
    for (const struct task_family *const *f = all; *f; f++)
        if (span_is(name, (*f)->name)) return *f;
    return NULL;
}
