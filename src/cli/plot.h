/* plot.h - curves in a terminal, in Braille dots: two across and four down in every cell.
 *
 *   loss 2.134                      title, and the last number
 *   4.20 ⠤⡀                         plot, with the largest and smallest number at its left
 *        ⠈⠢⣀⣀⣀⣀
 *   2.13
 *        0                     800  steps
 */
#ifndef CLI_PLOT_H
#define CLI_PLOT_H

#include <stddef.h>

#include "base/buf.h"
#include "train/run_log.h"

enum { PLOT_MIN_COLS = 20, PLOT_MIN_ROWS = 4, PLOT_MAX_COLS = 400, PLOT_MAX_ROWS = 200 };

/* plot_panel - one curve as `rows` lines of exactly `cols` cells.
 *
 *   line  (rows) initialised; the lines' text is appended
 *   color an SGR number for the curve, 0 for none
 */
void plot_panel(const struct run_log *l, const char *name, const double *v, size_t cols,
                size_t rows, int color, struct buf *line);

/* A number in at most 7 characters: 1234, 0.0123, 1.2e-5, 45.2k. */
void plot_number(double x, char out[16]);

#endif
