/* clean.h - which documents of a corpus are worth learning from: duplicates, near-duplicates, and
 * those that hold what a test will ask.
 *
 *   exact           a hash of the text with runs of blanks as one
 *   near            MinHash over runs of 5 words: 64 minima in 16 bands of 4. Documents that share a
 *                   band are compared by all 64; at `near` (share of equal minima, an estimate of
 *                   the Jaccard index) or above the later one goes
 *   contaminated    it shares a run of n_gram words, letters without case, with a named file
 *
 * Words are runs of letters, digits and bytes of other scripts. The first of equal documents stays, so
 * results depend on the order of the files. Memory: 8 bytes a document for exact, about 520 for near.
 *
 * Sources: Broder, "On the resemblance and containment of documents", 1997; Lee et al., arXiv
 * 2107.06499; 10-word runs for decontamination: training.md 10 (R1).
 */
#ifndef TRAIN_CLEAN_H
#define TRAIN_CLEAN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/buf.h"

struct err;
struct clean;

struct clean_opts {
    bool exact;
    double near; /* 0: off; usual 0.8 */
    int n_gram;  /* words; for clean_forbid */
};

enum clean_verdict { CLEAN_KEEP, CLEAN_EXACT, CLEAN_NEAR, CLEAN_CONTAMINATED };

int clean_create(struct clean **out, const struct clean_opts *o, struct err *e) must_check;
void clean_free(struct clean *c); /* NULL is fine */

/* Every run of n_gram words of the text is forbidden. Shorter texts forbid nothing. */
int clean_forbid(struct clean *c, struct span text, struct err *e) must_check;
/* Judges a document and remembers it when it stays. */
int clean_judge(struct clean *c, struct span text, enum clean_verdict *v,
                struct err *e) must_check;

#endif
