/* price.h - price tables, and what a request costs, in whole pico-units.
 *
 * A price is pico-units (1e-12 of the currency) per token, an integer: 0.0028 per million tokens
 * is 2800. Every published price is exact in this unit and nothing is ever rounded inside the
 * ledger; display rounds half up to two digits.
 *
 * A table is a list of rows. For a model and a moment the bill uses
 *   1. among rows with daily windows that hold the moment, the one that began last; else
 *   2. among rows without windows, the one that began last.
 * A row may end (valid_to). The model name "*" fits every model that no row names. Windows are
 * minutes of the UTC day and may pass midnight; the weekday is that of the window's beginning.
 *
 * File form (JSON), prices as decimal strings per million tokens:
 *   {"prices":[{"model":"*", "tariff":"standard", "currency":"USD", "from":"2026-01-01T00:00:00Z",
 *     "to":null, "windows":["16:30-00:30"], "days":"1234567", "hit":"0.014", "miss":"0.14",
 *     "output":"0.28"}]}
 */
#ifndef METER_PRICE_H
#define METER_PRICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/buf.h"
#include "meter/usage.h"

struct err;

enum { PRICE_WINDOWS = 4, PRICE_EVERY_DAY = 0x7f };

struct price_window {
    int16_t from, to; /* minutes of the day, from included, to excluded; to <= from: next day */
};

struct price_row {
    char model[64];
    char tariff[24];
    char currency[4];
    int64_t from_ms, to_ms; /* to_ms 0: open */
    struct price_window win[PRICE_WINDOWS];
    int n_win;
    uint8_t days;           /* bit 0 Monday ... bit 6 Sunday */
    int64_t hit, miss, out; /* pico-units per token */
};

struct price_table {
    struct price_row *row;
    size_t n;
    int64_t version; /* the ledger's number for it; 0: not stored */
};

/* Reads the file form. what names the source in messages. */
int price_parse(struct price_table *t, struct span json, const char *what,
                struct err *e) must_check;
int price_load(struct price_table *t, const char *path, struct err *e) must_check;
void price_release(struct price_table *t);
/* Append the file form. */
void price_write(const struct price_table *t, struct buf *out);
void price_write_rows(const struct price_row *row, size_t n, struct buf *out);

/* The row that fits, or NULL. */
const struct price_row *price_find(const struct price_table *t, struct span model,
                                   int64_t wall_ms);
/* hit*hit + miss*miss + out*out; ERR_LIMIT when the sum passes 63 bits. NULL row costs nothing. */
int price_cost(const struct price_row *p, const struct usage_counts *n, int64_t *cost,
               struct err *e) must_check;

/* "0.0028" per million tokens -> 2800 pico-units per token, exactly; more than six decimals,
 * signs and exponents are errors. */
int price_parse_per_million(struct span s, int64_t *pico, struct err *e) must_check;
/* "12.50" units -> pico-units, at most twelve decimals. */
int price_parse_amount(struct span s, int64_t *pico, struct err *e) must_check;
/* Units with two decimals, rounded half up (away from zero): "-0.01". */
void price_format(int64_t pico, char out[32]);
/* All decimals that are not zero, at least two: "0.0000028". */
void price_format_exact(int64_t pico, char out[32]);

/* The published history of hosted prices that ships with the program (price_list.c): DeepSeek's
 * and OpenAI's. For "what the same tokens would have cost there", and as examples. */
extern const struct price_row price_published[];
extern const size_t price_n_published;

/* "2026-01-01", "2026-01-01T16:30Z" or with seconds -> wall milliseconds. */
int price_parse_time(struct span s, int64_t *wall_ms, struct err *e) must_check;

#endif
