/* report.h - RUN/report.html: a run's curves, numbers, recipe and samples on one page.
 *
 * The page stands alone: no script, font or picture from elsewhere, and no script at all. Curves are
 * SVG: the numbers of all steps in the background (means over pieces of the run, where there are
 * many), and a running mean. It follows the reader's light or dark setting, and prints.
 *
 * It needs nothing but the directory: metrics.jsonl, run.yaml, and samples.jsonl if there is one.
 */
#ifndef TRAIN_REPORT_H
#define TRAIN_REPORT_H

#include "base/attr.h"

struct err;

/* path (1100 bytes) gets the file's name. Written at once or not at all. */
int report_write(const char *run, char *path, struct err *e) must_check;

#endif
