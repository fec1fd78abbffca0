/* page.h - parts of a page that stands alone: text, numbers, and charts as SVG.
 *
 * No script, font or picture from elsewhere; colours follow the reader's light or dark setting.
 * Everything is appended to a buffer, whose failure the caller looks at once at the end.
 *
 * A chart has its axes fixed before anything is drawn into it: chart_range takes in what will be
 * drawn, chart_begin writes frame, ticks and labels, chart_end closes it.
 */
#ifndef TRAIN_PAGE_H
#define TRAIN_PAGE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"

/* <!doctype html> up to <body>; `more` is added to the style sheet. */
void page_begin(struct buf *b, struct span title, const char *more);
void page_end(struct buf *b);
void page_escape(struct buf *b, struct span s);
void page_number(struct buf *b, double x); /* five figures; "-" when it is not finite */

struct chart {
    double x0, x1, lo, hi; /* what the axes show */
    int w, h, left;        /* of the whole, and of the space for the labels at its left */
    bool percent;          /* labels of y are 100 times the number, with % */
    bool powers;           /* x is a logarithm: labels are 2 to the power of it, one a step */
    bool any;              /* chart_range was called */
};

struct chart chart_new(int w, int h);
void chart_range(struct chart *c, const double *x, const double *y, size_t n);
void chart_begin(struct buf *b, struct chart *c, struct span label);
/* class: "run", "raw", or "s0" ... "s5" of the palette. */
void chart_line(struct buf *b, const struct chart *c, const char *class, const double *x,
                const double *y, size_t n);
void chart_end(struct buf *b);
/* Places in the picture. */
double chart_x(const struct chart *c, double x);
double chart_y(const struct chart *c, double y);

/* y[i] becomes a running mean over about `width` points. */
void page_smooth(double *y, size_t n, double width);

#endif
