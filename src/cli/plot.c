#include "cli/plot.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/size.h"
#include "base/utf8.h"

enum { LABEL = 8 }; /* cells left of the plot */

void plot_number(double x, char out[16])
{
    double a = fabs(x);
    if (!isfinite(x))
        snprintf(out, 16, "-");
    else if (a == 0)
        snprintf(out, 16, "0");
    else if (a >= 1e9 || a < 1e-3)
        snprintf(out, 16, "%.1e", x);
    else if (a >= 1e6)
        snprintf(out, 16, "%.1fM", x * 1e-6);
    else if (a >= 1e4)
        snprintf(out, 16, "%.1fk", x * 1e-3);
    else if (a >= 100)
        snprintf(out, 16, "%.0f", x);
    else if (a >= 10)
        snprintf(out, 16, "%.2f", x);
    else
        snprintf(out, 16, "%.3f", x);
}

static void pad(struct buf *b, size_t n)
{
    for (size_t i = 0; i < n; i++) buf_add_char(b, ' ');
}

/* ASCII text of exactly n cells. */
static void cell_text(struct buf *b, const char *s, size_t n)
{
    size_t len = size_min(strlen(s), n);
    buf_add(b, s, len);
    pad(b, n - len);
}

struct dots {
    unsigned char cell[PLOT_MAX_ROWS][PLOT_MAX_COLS];
    size_t cols, rows;
};

static void set_dot(struct dots *d, size_t x, size_t y)
{
    static const unsigned char bit[4][2] = {{1, 8}, {2, 16}, {4, 32}, {64, 128}};
    if (x < 2 * d->cols && y < 4 * d->rows) d->cell[y / 4][x / 2] |= bit[y % 4][x % 2];
}

/* A line from dot to dot: each column gets the dots between its neighbours' heights. */
static void draw(struct dots *d, const double *x, const double *y, size_t n, double x0,
                 double x1, double lo, double hi)
{
    double w = (double)(2 * d->cols - 1), h = (double)(4 * d->rows - 1);
    long px = -1, py = -1;
    for (size_t i = 0; i < n; i++) {
        long cx = lround((x[i] - x0) / (x1 > x0 ? x1 - x0 : 1) * w);
        long cy = lround((hi - y[i]) / (hi > lo ? hi - lo : 1) * h);
        if (px < 0) {
            px = cx;
            py = cy;
        }
        for (long c = px; c <= cx; c++) {
            long at = cx > px ? py + (cy - py) * (c - px) / (cx - px) : cy;
            long before = c > px ? py + (cy - py) * (c - 1 - px) / (cx - px) : at;
            for (long r = at < before ? at : before; r <= (at > before ? at : before); r++)
                set_dot(d, (size_t)c, (size_t)r);
        }
        px = cx;
        py = cy;
    }
}

static void put_row(const struct dots *d, size_t row, int color, struct buf *b)
{
    if (color) buf_printf(b, "\x1b[%dm", color);
    for (size_t c = 0; c < d->cols; c++) {
        char utf8[4];
        unsigned bits = d->cell[row][c];
        if (bits)
            buf_add(b, utf8, utf8_encode(0x2800 + bits, utf8));
        else
            buf_add_char(b, ' ');
    }
    if (color) buf_add_str(b, "\x1b[0m");
}

void plot_panel(const struct run_log *l, const char *name, const double *v, size_t cols,
                size_t rows, int color, struct buf *line)
{
    static struct dots d; /* large; one thread draws */
    static double x[2 * PLOT_MAX_COLS], y[2 * PLOT_MAX_COLS];
    char num[16], text[PLOT_MAX_COLS + 16];
    cols = size_min(cols, PLOT_MAX_COLS);
    rows = size_min(rows, PLOT_MAX_ROWS);
    memset(&d, 0, sizeof d);
    d.cols = cols - LABEL - 1;
    d.rows = rows - 2;
    size_t n = run_log_bins(l, v, 2 * d.cols, x, y);
    double lo = n ? y[0] : 0, hi = lo;
    for (size_t i = 0; i < n; i++) {
        lo = fmin(lo, y[i]);
        hi = fmax(hi, y[i]);
    }
    double x0 = l->n ? l->step[0] : 0, x1 = l->n ? l->step[l->n - 1] : 1;
    if (n) draw(&d, x, y, n, x0, x1, lo, hi);
    plot_number(run_log_last(l, v), num);
    snprintf(text, sizeof text, " %s %s", name, num);
    cell_text(&line[0], text, cols);
    for (size_t r = 0; r < d.rows; r++) {
        plot_number(r == 0 ? hi : lo, num);
        snprintf(text, sizeof text, "%7s ", n && (r == 0 || r + 1 == d.rows) ? num : "");
        cell_text(&line[r + 1], text, LABEL);
        put_row(&d, r, color, &line[r + 1]);
        pad(&line[r + 1], 1);
    }
    char a[16], b[16];
    snprintf(a, sizeof a, "%.0f", x0 + 1);
    snprintf(b, sizeof b, "%.0f", x1 + 1);
    snprintf(text, sizeof text, "%*s%s%*s", LABEL, "", a,
             (int)(cols - 1 - LABEL - size_min(strlen(a), 12)), b);
    cell_text(&line[rows - 1], text, cols);
}
