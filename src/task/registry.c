#include "task/task.h"

/* clang-format off */
#define FAMILIES(X)                                                                            \
    X(addition) X(subtraction) X(multiplication) X(division) X(expression) X(fractions)        \
    X(gcd_lcm) X(primes) X(modular) X(base_conversion) X(compare) X(equation) X(calendar)      \
    X(word_problem) X(sequence) X(object_count) X(table_sum) X(countdown) X(game24) X(jugs)    \
    X(shortest_path) X(sudoku4) X(hanoi) X(boolean) X(deduction) X(syllogism) X(knights)       \
    X(ordering) X(zebra) X(tracking) X(navigate) X(kinship) X(strings) X(tiny_program)
/* clang-format on */

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

const char *task_core(void)
{
    return "addition,subtraction,multiplication,expression,primes,equation,word_problem,"
           "object_count,countdown,boolean,deduction,knights,tracking";
}
