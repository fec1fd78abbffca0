/* price_list.c - hosted prices as they were published, per million tokens.
 *
 * Used to say what a request would have cost elsewhere, and as examples for a price file
 * (`tarn usage --prices` prints them in that form). Nothing here is charged unless an operator
 * copies it into the table in force.
 *
 * Sources: the price pages of DeepSeek (history from May 2024 to September 2026) and of OpenAI
 * (list prices at each model's introduction; o3 after its cut of June 2025). A change of one
 * model's price is a further row with a later beginning.
 */
#include "meter/price.h"

/* Wall milliseconds of a UTC date and time as a constant (the civil calendar in integers). */
#define YEAR(y, m)             ((int64_t)(y) - ((m) <= 2))
#define YEAR_DAYS(y)           ((y)*365 + (y) / 4 - (y) / 100 + (y) / 400)
#define MONTH_DAYS(m)          ((153 * ((m) + ((m) > 2 ? -3 : 9)) + 2) / 5)
#define DAYS(y, m, d)          (YEAR_DAYS(YEAR(y, m)) + MONTH_DAYS(m) + (d)-1 - 719468)
#define UTC(y, m, d, hour, mi) ((DAYS(y, m, d) * 1440 + (hour)*60 + (mi)) * 60000)
#define DATE(y, m, d)          UTC(y, m, d, 0, 0)
/* Prices: millionths of a unit per million tokens = pico-units per token; 0.55 is 550000. */

#define ROW(model, cur, from, to, hit, miss, out)                                      \
    {                                                                                  \
        model, "standard", cur, from, to, {{0, 0}}, 0, PRICE_EVERY_DAY, hit, miss, out \
    }
#define NIGHT(model, cur, from, to, hit, miss, out)                                         \
    {                                                                                       \
        model, "night", cur, from, to, {{16 * 60 + 30, 30}}, 1, PRICE_EVERY_DAY, hit, miss, \
            out                                                                             \
    }
#define PEAK(model, cur, from, to, days, hit, miss, out)                               \
    {                                                                                  \
        model, "peak", cur, from, to, {{60, 240}, {360, 600}}, 2, days, hit, miss, out \
    }

#define NIGHT_FROM UTC(2025, 2, 26, 16, 30)
#define V31        UTC(2025, 9, 5, 16, 0)
#define V32        DATE(2025, 9, 29)
#define V4         DATE(2026, 4, 24)
#define V4_CUT     UTC(2026, 4, 26, 12, 15)
#define V4_PEAK    UTC(2026, 8, 16, 16, 0)
#define V41        DATE(2026, 9, 10)
#define MON_FRI    0x1f

const struct price_row price_published[] = {
    ROW("deepseek-chat", "USD", DATE(2024, 5, 6), DATE(2024, 8, 2), 140000, 140000, 280000),
    ROW("deepseek-chat", "USD", DATE(2024, 8, 2), 0, 14000, 140000, 280000),
    ROW("deepseek-chat", "USD", DATE(2025, 2, 9), 0, 70000, 270000, 1100000),
    NIGHT("deepseek-chat", "USD", NIGHT_FROM, V31, 35000, 135000, 550000),
    ROW("deepseek-chat", "USD", V31, 0, 70000, 560000, 1680000),
    ROW("deepseek-chat", "USD", V32, V4, 28000, 280000, 420000),
    ROW("deepseek-reasoner", "USD", DATE(2025, 1, 20), 0, 140000, 550000, 2190000),
    NIGHT("deepseek-reasoner", "USD", NIGHT_FROM, V31, 35000, 135000, 550000),
    ROW("deepseek-reasoner", "USD", V31, 0, 70000, 560000, 1680000),
    ROW("deepseek-reasoner", "USD", V32, V4, 28000, 280000, 420000),
    ROW("deepseek-v4-flash", "USD", V4, 0, 28000, 140000, 280000),
    ROW("deepseek-v4-flash", "USD", V4_CUT, 0, 2800, 140000, 280000),
    ROW("deepseek-v4-flash", "USD", V4_PEAK, V41, 7000, 220000, 660000),
    PEAK("deepseek-v4-flash", "USD", V4_PEAK, V41, PRICE_EVERY_DAY, 14000, 440000, 1320000),
    ROW("deepseek-v4-pro", "USD", V4, 0, 145000, 1740000, 3480000),
    ROW("deepseek-v4-pro", "USD", V4_CUT, 0, 14500, 1740000, 3480000),
    ROW("deepseek-v4-pro", "USD", DATE(2026, 5, 1), 0, 3625, 435000, 870000),
    ROW("deepseek-v4-pro", "USD", V4_PEAK, 0, 22000, 660000, 1980000),
    PEAK("deepseek-v4-pro", "USD", V4_PEAK, 0, PRICE_EVERY_DAY, 44000, 1320000, 3960000),
    ROW("deepseek-flash", "USD", V41, 0, 3000, 150000, 600000),
    PEAK("deepseek-flash", "USD", V41, 0, MON_FRI, 6000, 300000, 1200000),
    ROW("gpt-4o", "USD", DATE(2024, 10, 1), 0, 1250000, 2500000, 10000000),
    ROW("gpt-4o-mini", "USD", DATE(2024, 10, 1), 0, 75000, 150000, 600000),
    ROW("gpt-4.1", "USD", DATE(2025, 4, 14), 0, 500000, 2000000, 8000000),
    ROW("gpt-4.1-mini", "USD", DATE(2025, 4, 14), 0, 100000, 400000, 1600000),
    ROW("o1", "USD", DATE(2024, 12, 17), 0, 7500000, 15000000, 60000000),
    ROW("o3-mini", "USD", DATE(2025, 1, 31), 0, 550000, 1100000, 4400000),
    ROW("o3", "USD", DATE(2025, 6, 10), 0, 500000, 2000000, 8000000),
    ROW("o4-mini", "USD", DATE(2025, 4, 16), 0, 275000, 1100000, 4400000),
    ROW("gpt-5", "USD", DATE(2025, 8, 7), 0, 125000, 1250000, 10000000),
    ROW("gpt-5-mini", "USD", DATE(2025, 8, 7), 0, 25000, 250000, 2000000),
    ROW("gpt-5-nano", "USD", DATE(2025, 8, 7), 0, 5000, 50000, 400000),
};
const size_t price_n_published = countof(price_published);
