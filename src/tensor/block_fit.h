/* block_fit.h - searches for the scales of quantised sub-blocks.
 *
 * Each function takes n_sub sub-blocks of n numbers each, one after the other, and looks for
 * the scale (and minimum) with the least weighted error in every one of them. Sub-blocks do
 * not influence each other, so four of them run side by side in vector lanes, while each
 * lane's sums run over its own elements in ascending order. That order is why our files equal
 * those of the reference quantiser byte for byte, and it costs no speed.
 *
 * Inputs must be finite. If they are not, scales and codes are meaningless but codes stay in
 * their range. Threads: any. Source: models.md 13.8; the method is that of ggml's k-quants.
 */
#ifndef TENSOR_BLOCK_FIT_H
#define TENSOR_BLOCK_FIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { FIT_MAX = 32 }; /* longest sub-block */

/* x ~ scale * q - min with q = 0..top and min >= 0. Tried are the inverse scales
 * (top + from + step * t) / (max - min) for t = 0..n_try, each refined by least squares. */
struct fit_affine {
    float top, from, step;
    int n_try;
    bool absolute; /* the error that decides is |diff|, not diff^2 */
};

/* fit_affine - scale, min (n_sub), codes (n_sub, n); w (n_sub, n) > 0. A sub-block whose
 * numbers are all equal and not positive gets scale 0, min -x and codes 0. */
void fit_affine(const struct fit_affine *p, const float *x, const float *w, size_t n_sub,
                size_t n, float *scale, float *min, uint8_t *codes);

/* fit_signed - x ~ scale * (q - top), q = 0..2 top - 1. An all-zero sub-block gets scale 0 and
 * codes 0. */
void fit_signed(int top, const float *x, const float *w, size_t n_sub, size_t n, float *scale,
                uint8_t *codes);

/* fit_descent - the same for sub-blocks of 16 and weights x^2, by improving one code at a time:
 * better than a search over scales when there are only a few codes. */
void fit_descent(int top, const float *x, size_t n_sub, float *scale, uint8_t *codes);

/* fit_iq4 - x ~ scale * block_iq4_value[q]; sub-blocks of 32, scales only. */
void fit_iq4(const float *x, const float *w, size_t n_sub, float *scale);
/* Codes of n numbers for a given inverse scale: the nearest values. */
void fit_iq4_codes(const float *x, size_t n, float inverse, uint8_t *codes);

/* fit_positive - one group x ~ result * q, x >= 0, q = 0..top: the second level of scales. */
float fit_positive(int top, const float *x, const float *w, size_t n, uint8_t *codes);

/* Nearest integer, halves to even, within [lo, hi]; NaN gives lo. |lo|, |hi| < 2^22. */
static inline int fit_round(float v, int lo, int hi)
{
    v = v > (float)lo ? v : (float)lo;
    v = v < (float)hi ? v : (float)hi;
    return (int)(v + 0x1.8p23f - 0x1.8p23f);
}

#endif
