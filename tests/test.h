/* test.h - what every cmocka test program includes. */
#ifndef TESTS_TEST_H
#define TESTS_TEST_H

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/err.h"
#include "base/file.h"

/* Outside data lies beside the checkout, in ../shared/data, or where TARN_TEST_DATA points. A
 * test that needs it says so when it is absent. */
static inline const char *test_data(void)
{
    const char *p = getenv("TARN_TEST_DATA");
    return p ? p : "../shared/data";
}

#define need_data(path, name)                                    \
    char path[1024];                                             \
    do {                                                         \
        snprintf(path, sizeof path, "%s/%s", test_data(), name); \
        if (!file_exists(path)) {                                \
            printf("skipped: %s is not here\n", path);           \
            skip();                                              \
        }                                                        \
    } while (0)

/* Success, or the error's own sentence as the test's failure. */
#define must(call)                                         \
    do {                                                   \
        if ((call) != 0) fail_msg("%s: %s", #call, e.msg); \
    } while (0)

/* The call fails, with this code and with this text somewhere in its sentence. */
#define must_fail(call, want_code, want_text)                                                  \
    do {                                                                                       \
        err_clear(&e);                                                                         \
        assert_int_equal((call), -1);                                                          \
        if (e.code != (want_code) || !strstr(e.msg, (want_text)))                              \
            fail_msg("%s: got code %d \"%s\", want code %d \"%s\"", #call, (int)e.code, e.msg, \
                     (int)(want_code), (want_text));                                           \
    } while (0)

#endif
