#include "meter/price.h"

#include <stdio.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"

enum { MAX_ROWS = 4096, DAY_MIN = 1440 };
static const int64_t MAX_PICO = 1000000000000;

/* Days since 1970 of a civil date, proleptic Gregorian (Hinnant's days_from_civil). */
static int64_t days_from_civil(int64_t y, int m, int d)
{
    y -= m <= 2;
    int64_t era = (y >= 0 ? y : y - 399) / 400;
    int64_t yoe = y - era * 400;
    int64_t doy = (153 * (m + (m > 2 ? -3 : 9)) + 2) / 5 + d - 1;
    return era * 146097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719468;
}

static bool digits(struct span *s, int n, int *out)
{
    if (s->n < (size_t)n) return false;
    *out = 0;
    for (int i = 0; i < n; i++) {
        if (s->p[i] < '0' || s->p[i] > '9') return false;
        *out = *out * 10 + (s->p[i] - '0');
    }
    s->p += n;
    s->n -= (size_t)n;
    return true;
}

static bool skip(struct span *s, char c)
{
    if (s->n == 0 || s->p[0] != c) return false;
    s->p++;
    s->n--;
    return true;
}

int price_parse_time(struct span s, int64_t *wall_ms, struct err *e)
{
    static const int month_days[] = {31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    struct span t = s;
    int y, mo, d, h = 0, mi = 0, sec = 0;
    bool ok = digits(&t, 4, &y) && skip(&t, '-') && digits(&t, 2, &mo) && skip(&t, '-') &&
              digits(&t, 2, &d) && mo >= 1 && mo <= 12 && d >= 1 && d <= month_days[mo - 1];
    if (ok && t.n) {
        ok = skip(&t, 'T') && digits(&t, 2, &h) && skip(&t, ':') && digits(&t, 2, &mi);
        if (ok && skip(&t, ':')) ok = digits(&t, 2, &sec);
        ok = ok && skip(&t, 'Z') && t.n == 0 && h < 24 && mi < 60 && sec < 61;
    }
    if (!ok)
        return err_set(e, ERR_FORMAT, "'%.*s' is not a time such as 2026-01-31T16:30:00Z",
                       (int)(s.n < 40 ? s.n : 40), s.p);
    *wall_ms = ((days_from_civil(y, mo, d) * 24 + h) * 60 + mi) * 60000 + (int64_t)sec * 1000;
    return 0;
}

/* digits[.digits] times 10^scale as an exact integer. */
static int parse_fixed(struct span s, int scale, const char *unit, int64_t *out, struct err *e)
{
    int64_t v = 0;
    int decimals = 0;
    bool point = false, any = false;
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == '.' && !point) {
            point = true;
            continue;
        }
        if (s.p[i] < '0' || s.p[i] > '9') goto bad;
        any = true;
        if (point && decimals == scale) {
            if (s.p[i] != '0') goto bad;
            continue;
        }
        if (__builtin_mul_overflow(v, 10, &v) || __builtin_add_overflow(v, s.p[i] - '0', &v))
            goto bad;
        decimals += point;
    }
    if (!any) goto bad;
    for (; decimals < scale; decimals++)
        if (__builtin_mul_overflow(v, 10, &v)) goto bad;
    *out = v;
    return 0;
bad:
    return err_set(e, ERR_FORMAT,
                   "'%.*s' is not %s: a decimal number with at most %d digits after the point",
                   (int)(s.n < 40 ? s.n : 40), s.p, unit, scale);
}

int price_parse_per_million(struct span s, int64_t *pico, struct err *e)
{
    return parse_fixed(s, 6, "a price per million tokens", pico, e);
}

int price_parse_amount(struct span s, int64_t *pico, struct err *e)
{
    return parse_fixed(s, 12, "an amount of money", pico, e);
}

static void split(int64_t pico, bool *negative, uint64_t *mag)
{
    *negative = pico < 0;
    *mag = *negative ? -(uint64_t)pico : (uint64_t)pico;
}

void price_format(int64_t pico, char out[32])
{
    bool neg;
    uint64_t mag;
    split(pico, &neg, &mag);
    uint64_t cents = (mag + 5000000000u) / 10000000000u;
    snprintf(out, 32, "%s%llu.%02llu", neg && cents ? "-" : "",
             (unsigned long long)(cents / 100), (unsigned long long)(cents % 100));
}

void price_format_exact(int64_t pico, char out[32])
{
    bool neg;
    uint64_t mag;
    split(pico, &neg, &mag);
    int n = snprintf(out, 32, "%s%llu.%012llu", neg ? "-" : "",
                     (unsigned long long)(mag / 1000000000000u),
                     (unsigned long long)(mag % 1000000000000u));
    while (n > 3 && out[n - 1] == '0' && out[n - 3] != '.') out[--n] = 0;
}

/* ---- rows ------------------------------------------------------------------------------------ */

static bool in_window(const struct price_row *p, int64_t wall_ms)
{
    int64_t minute = wall_ms / 60000;
    int of_day = (int)(minute % DAY_MIN);
    int weekday = (int)((minute / DAY_MIN + 3) % 7); /* 1970-01-01 was a Thursday */
    for (int i = 0; i < p->n_win; i++) {
        int from = p->win[i].from, to = p->win[i].to;
        if (from < to) {
            if (of_day >= from && of_day < to && (p->days >> weekday & 1)) return true;
        } else {
            if (of_day >= from && (p->days >> weekday & 1)) return true;
            if (of_day < to && (p->days >> (weekday + 6) % 7 & 1)) return true;
        }
    }
    return false;
}

static bool valid_at(const struct price_row *p, int64_t wall_ms)
{
    return p->from_ms <= wall_ms && (p->to_ms == 0 || wall_ms < p->to_ms);
}

static const struct price_row *find_named(const struct price_table *t, struct span model,
                                          int64_t wall_ms, bool *named)
{
    const struct price_row *plain = NULL, *window = NULL;
    for (size_t i = 0; i < t->n; i++) {
        const struct price_row *p = &t->row[i];
        if (!span_is(model, p->model)) continue;
        *named = true;
        if (!valid_at(p, wall_ms)) continue;
        if (p->n_win == 0) {
            if (!plain || p->from_ms >= plain->from_ms) plain = p;
        } else if (in_window(p, wall_ms)) {
            if (!window || p->from_ms >= window->from_ms) window = p;
        }
    }
    return window ? window : plain;
}

const struct price_row *price_find(const struct price_table *t, struct span model,
                                   int64_t wall_ms)
{
    bool named = false;
    const struct price_row *p = find_named(t, model, wall_ms, &named);
    return named ? p : find_named(t, span_of("*"), wall_ms, &named);
}

int price_cost(const struct price_row *p, const struct usage_counts *n, int64_t *cost,
               struct err *e)
{
    int64_t a, b, c;
    *cost = 0;
    if (!p) return 0;
    if (__builtin_mul_overflow(n->hit, p->hit, &a) ||
        __builtin_mul_overflow(n->miss, p->miss, &b) ||
        __builtin_mul_overflow(n->output, p->out, &c) || __builtin_add_overflow(a, b, &a) ||
        __builtin_add_overflow(a, c, &a))
        return err_set(e, ERR_LIMIT,
                       "the cost of %lld + %lld + %lld tokens at the prices of %s is more than "
                       "9.2 million %s",
                       (long long)n->hit, (long long)n->miss, (long long)n->output, p->model,
                       p->currency);
    *cost = a;
    return 0;
}

/* ---- the file form --------------------------------------------------------------------------- */

static int parse_window(struct span s, struct price_window *w, struct err *e)
{
    struct span t = s;
    int h1, m1, h2, m2;
    if (!(digits(&t, 2, &h1) && skip(&t, ':') && digits(&t, 2, &m1) && skip(&t, '-') &&
          digits(&t, 2, &h2) && skip(&t, ':') && digits(&t, 2, &m2) && t.n == 0 && h1 < 24 &&
          m1 < 60 && h2 <= 24 && m2 < 60 && h2 * 60 + m2 <= DAY_MIN))
        return err_set(e, ERR_FORMAT, "window '%.*s' is not of the form 16:30-00:30",
                       (int)(s.n < 40 ? s.n : 40), s.p);
    *w = (struct price_window){(int16_t)(h1 * 60 + m1), (int16_t)(h2 * 60 + m2)};
    if (w->to == 0) w->to = DAY_MIN;
    return 0;
}

static int copy_text(const json_t *o, const char *key, const char *dflt, char *out, size_t size,
                     const char *what, struct err *e)
{
    struct span s = span_of(dflt ? dflt : "");
    if (dflt ? json_get_str_opt(o, key, &s, what, e) : json_get_str(o, key, &s, what, e))
        return -1;
    if (s.n == 0 || s.n >= size || memchr(s.p, 0, s.n))
        return err_set(e, ERR_FORMAT, "%s: \"%s\" needs 1 to %zu characters", what, key,
                       size - 1);
    memcpy(out, s.p, s.n);
    out[s.n] = 0;
    return 0;
}

static int parse_money(const json_t *o, const char *key, int64_t *out, const char *what,
                       struct err *e)
{
    struct span s;
    if (json_get_str(o, key, &s, what, e)) return -1;
    if (price_parse_per_million(s, out, e)) return err_wrap(e, "%s: \"%s\"", what, key);
    if (*out > MAX_PICO)
        return err_set(e, ERR_FORMAT, "%s: \"%s\" is above one million per million tokens",
                       what, key);
    return 0;
}

static int parse_row(const json_t *o, struct price_row *r, const char *what, struct err *e)
{
    struct span s = {0};
    *r = (struct price_row){.days = PRICE_EVERY_DAY};
    if (!json_is_object(o)) return err_set(e, ERR_FORMAT, "%s is not an object", what);
    if (copy_text(o, "model", NULL, r->model, sizeof r->model, what, e) ||
        copy_text(o, "tariff", "standard", r->tariff, sizeof r->tariff, what, e) ||
        copy_text(o, "currency", "USD", r->currency, sizeof r->currency, what, e) ||
        parse_money(o, "hit", &r->hit, what, e) || parse_money(o, "miss", &r->miss, what, e) ||
        parse_money(o, "output", &r->out, what, e))
        return -1;
    if (json_get_str_opt(o, "from", &s, what, e)) return -1;
    if (s.n && price_parse_time(s, &r->from_ms, e)) return err_wrap(e, "%s: \"from\"", what);
    s = (struct span){0};
    if (json_get_str_opt(o, "to", &s, what, e)) return -1;
    if (s.n && price_parse_time(s, &r->to_ms, e)) return err_wrap(e, "%s: \"to\"", what);
    s = (struct span){0};
    if (json_get_str_opt(o, "days", &s, what, e)) return -1;
    if (s.n) r->days = 0;
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] < '1' || s.p[i] > '7')
            return err_set(e, ERR_FORMAT, "%s: \"days\" holds digits 1 (Monday) to 7 (Sunday)",
                           what);
        r->days |= (uint8_t)(1 << (s.p[i] - '1'));
    }
    const json_t *wins = json_object_get(o, "windows");
    if (!wins || json_is_null(wins)) return 0;
    if (!json_is_array(wins) || json_array_size(wins) > PRICE_WINDOWS)
        return err_set(e, ERR_FORMAT, "%s: \"windows\" is an array of at most %d strings", what,
                       PRICE_WINDOWS);
    for (size_t i = 0; i < json_array_size(wins); i++) {
        const json_t *w = json_array_get(wins, i);
        if (!json_is_string(w))
            return err_set(e, ERR_FORMAT, "%s: \"windows\" holds something not a string", what);
        s = (struct span){json_string_value(w), json_string_length(w)};
        if (parse_window(s, &r->win[r->n_win++], e)) return err_wrap(e, "%s", what);
    }
    return 0;
}

int price_parse(struct price_table *t, struct span json, const char *what, struct err *e)
{
    *t = (struct price_table){0};
    json_t *j = json_parse(json, what, e);
    if (!j) return -1;
    int rc = -1;
    const json_t *rows = json_object_get(j, "prices");
    if (!json_is_array(rows) || json_array_size(rows) > MAX_ROWS) {
        err_set(e, ERR_FORMAT, "%s: \"prices\" must be an array of at most %d rows", what,
                MAX_ROWS);
        goto out;
    }
    size_t n = json_array_size(rows);
    t->row = mem_calloc(n ? n : 1, sizeof *t->row);
    if (!t->row) {
        err_oom(e, "the price table", n * sizeof *t->row);
        goto out;
    }
    for (; t->n < n; t->n++) {
        char name[160];
        snprintf(name, sizeof name, "%.100s: prices[%zu]", what, t->n);
        if (parse_row(json_array_get(rows, t->n), &t->row[t->n], name, e)) goto out;
    }
    rc = 0;
out:
    json_decref(j);
    if (rc) price_release(t);
    return rc;
}

int price_load(struct price_table *t, const char *path, struct err *e)
{
    struct buf b;
    buf_init(&b, 4 << 20);
    int rc = file_read(path, &b, e);
    if (rc == 0) rc = price_parse(t, buf_span(&b), path, e);
    buf_release(&b);
    return rc;
}

void price_release(struct price_table *t)
{
    mem_free(t->row);
    *t = (struct price_table){0};
}

static void write_money(struct buf *out, const char *key, int64_t pico_per_token)
{
    char s[32];
    /* per token in pico-units = per million tokens in micro-units */
    price_format_exact(pico_per_token * 1000000, s);
    buf_printf(out, ",\"%s\":\"%s\"", key, s);
}

void price_write(const struct price_table *t, struct buf *out)
{
    price_write_rows(t->row, t->n, out);
}

void price_write_rows(const struct price_row *row, size_t n, struct buf *out)
{
    buf_add_str(out, "{\"prices\":[");
    for (size_t i = 0; i < n; i++) {
        const struct price_row *p = &row[i];
        char when[24];
        buf_add_str(out, i ? ",\n{\"model\":" : "\n{\"model\":");
        buf_add_json(out, span_of(p->model));
        buf_add_str(out, ",\"tariff\":");
        buf_add_json(out, span_of(p->tariff));
        buf_add_str(out, ",\"currency\":");
        buf_add_json(out, span_of(p->currency));
        clock_iso8601(p->from_ms, when);
        buf_printf(out, ",\"from\":\"%s\"", when);
        if (p->to_ms) {
            clock_iso8601(p->to_ms, when);
            buf_printf(out, ",\"to\":\"%s\"", when);
        }
        for (int w = 0; w < p->n_win; w++)
            buf_printf(out, "%s\"%02d:%02d-%02d:%02d\"%s", w ? "," : ",\"windows\":[",
                       p->win[w].from / 60, p->win[w].from % 60, p->win[w].to / 60,
                       p->win[w].to % 60, w + 1 == p->n_win ? "]" : "");
        if (p->days != PRICE_EVERY_DAY) {
            buf_add_str(out, ",\"days\":\"");
            for (int d = 0; d < 7; d++)
                if (p->days >> d & 1) buf_add_char(out, (char)('1' + d));
            buf_add_char(out, '"');
        }
        write_money(out, "hit", p->hit);
        write_money(out, "miss", p->miss);
        write_money(out, "output", p->out);
        buf_add_char(out, '}');
    }
    buf_add_str(out, "]}\n");
}
