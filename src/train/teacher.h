/* teacher.h - learning from another model's distributions: KL divergence at every learned row.
 *
 *   p  the student's distribution, q the teacher's, both of logits / tau
 *
 *   forward    KL(q || p) = sum q (ln q - ln p)     d/dlogit = (p - q) / tau
 *   reverse    KL(p || q) = sum p (ln p - ln q)     d/dlogit = p (ln p - ln q - KL) / tau
 *
 * times tau^2, so that gradients do not shrink with tau (Hinton, Vinyals and Dean, arXiv
 * 1503.02531). With ce > 0 the loss is (1 - ce) KL + ce (-ln p of the token).
 *
 * Forward on the teacher's tokens is word-level distillation; reverse on the student's own tokens is
 * on-policy distillation (training.md 14; MiniLLM, arXiv 2306.08543).
 *
 * Both models must give ids the same meaning: their vocabularies are compared.
 *
 * Threads: one owner; the trainer's pool does the work.
 */
#ifndef TRAIN_TEACHER_H
#define TRAIN_TEACHER_H

#include "train/trainer.h"

struct model_source;
struct vocab;

enum divergence { DIVERGENCE_FORWARD, DIVERGENCE_REVERSE };

struct teacher_opts {
    enum divergence kind;
    double tau, ce;
    size_t max_rows;
    enum mla_form mla;
};

struct teacher;

/* teacher_open - the source's weights as f32; the source is the caller's to close.
 *
 *   student  the vocabulary of the model that learns; teacher's is read from the source
 *
 * Fails: ERR_UNSUPPORTED when the vocabularies differ. */
int teacher_open(struct teacher **out, const struct model_source *s,
                 const struct vocab *student, struct pool *pool, const struct teacher_opts *o,
                 struct err *e) must_check;
void teacher_free(struct teacher *t); /* NULL is fine */
size_t teacher_bytes(const struct teacher *t);

/* For trainer->loss, with the teacher as ctx. */
int teacher_loss(void *teacher, struct trainer *t, const struct train_batch *b, double *sum,
                 struct err *e) must_check;

/* One row: returns its loss, and writes the gradient times `weight` over student[0 .. n).
 * work: (4 n). */
double teacher_row(const struct teacher_opts *o, float *student, const float *of_teacher,
                   size_t n, int32_t token, double weight, float *work);

#endif
