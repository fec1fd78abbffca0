/* The generated property table against utf8proc, an independent copy of the Unicode data. Its
 * version may be newer than ours: code points that one of the two calls unassigned are left out. */
#include "../test.h"

#include <utf8proc.h>

#include "text/unicode.h"

static unsigned props_of_category(utf8proc_category_t c)
{
    switch (c) {
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LL:
    case UTF8PROC_CATEGORY_LT:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_LO: return UC_LETTER;
    case UTF8PROC_CATEGORY_MN:
    case UTF8PROC_CATEGORY_MC:
    case UTF8PROC_CATEGORY_ME: return UC_MARK;
    case UTF8PROC_CATEGORY_ND:
    case UTF8PROC_CATEGORY_NL:
    case UTF8PROC_CATEGORY_NO: return UC_NUMBER;
    case UTF8PROC_CATEGORY_PC:
    case UTF8PROC_CATEGORY_PD:
    case UTF8PROC_CATEGORY_PS:
    case UTF8PROC_CATEGORY_PE:
    case UTF8PROC_CATEGORY_PI:
    case UTF8PROC_CATEGORY_PF:
    case UTF8PROC_CATEGORY_PO: return UC_PUNCT;
    case UTF8PROC_CATEGORY_SM:
    case UTF8PROC_CATEGORY_SC:
    case UTF8PROC_CATEGORY_SK:
    case UTF8PROC_CATEGORY_SO: return UC_SYMBOL;
    case UTF8PROC_CATEGORY_ZS:
    case UTF8PROC_CATEGORY_ZL:
    case UTF8PROC_CATEGORY_ZP: return UC_SPACE;
    default: return 0;
    }
}

static void test_all_code_points(void **state)
{
    (void)state;
    int differ = 0, unassigned = 0;
    for (uint32_t cp = 0; cp < 0x110000; cp++) {
        utf8proc_category_t c = utf8proc_category((utf8proc_int32_t)cp);
        unsigned have = unicode_props(cp) & ~(unsigned)UC_CASED, want = props_of_category(c);
        if ((cp >= 9 && cp <= 13) || cp == 0x85) want = UC_SPACE; /* controls, White_Space */
        if (have == want) continue;
        if (have == 0 || c == UTF8PROC_CATEGORY_CN)
            unassigned++;
        else
            differ++;
    }
    assert_int_equal(differ, 0);
    assert_true(unassigned < 6000); /* what one Unicode version adds */
}

static void test_cased_letters(void **state)
{
    (void)state;
    int n = 0;
    for (uint32_t cp = 0; cp < 0x110000; cp++) {
        if (!(unicode_props(cp) & UC_CASED)) continue;
        assert_true(unicode_props(cp) & UC_LETTER);
        n++;
    }
    assert_true(unicode_props('a') & UC_CASED);
    assert_true(unicode_props(0x1e943) & UC_CASED);
    assert_false(unicode_props(0x1bb) & UC_CASED);
    assert_false(unicode_props(0x4f60) & UC_CASED);
    assert_true(n > 2500 && n < 4500);
}

static void test_out_of_range(void **state)
{
    (void)state;
    assert_int_equal(unicode_props(0x110000), 0);
    assert_int_equal(unicode_props(UINT32_MAX), 0);
    assert_int_equal(unicode_props(0x10ffff), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_code_points),
        cmocka_unit_test(test_cased_letters),
        cmocka_unit_test(test_out_of_range),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
