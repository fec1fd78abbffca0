/* tape.h - what a step remembers so that it can be walked back.
 *
 * With st->tape set every op appends a node: who computed what from what. tape_back walks the nodes
 * from the last to the first; each adds its part to the gradients of its inputs (tensor->g) and of
 * its weights (weight->grad). The walk begins where the caller has put a gradient: usually into the
 * result of op_nll.
 *
 * Rules
 *   - a tensor's g is complete when the node that made the tensor is reached; a node whose result
 *     has no g does nothing
 *   - weights without grad are frozen: their gradient is not computed
 *   - sums over rows run in ascending order inside parts fixed by the shape, parts are added in
 *     order: the number of threads changes no bit
 *   - attention reads keys and values from the tensors op_kv_store was given, not from a cache, so
 *     a taped step needs no pool; all rows of a sequence, from position 0 on, must be in the step
 *   - everything a node needs stays in the step's arena; in a dry step the walk back counts its
 *     memory too, so forward and backward are planned by their own text
 *
 * Segments bound memory. A segment is a function from one tensor to another (a transformer block).
 * Gradients inside it are let go when the walk leaves it. With `recompute` its activations are too:
 * only its input is kept, and the walk back runs the segment again before it goes through it.
 *
 * With st->keep a segment lets its values go too, but instead of running again it keeps, in few
 * bits, what its ops will read (tensor_keep): operands of products in their precision, the rest as
 * bf16. Results of SwiGLU are made again from its inputs. The walk back makes f32 values of them,
 * one segment at a time.
 *
 * Threads: the step's.
 */
#ifndef NN_TAPE_H
#define NN_TAPE_H

#include "nn/step.h"

struct tape_node;
typedef void (*tape_fn)(struct step *st, struct tape_node *n);

/* First member of every node. */
struct tape_node {
    tape_fn back;
    struct tape_node *before;
};

struct tape {
    bool recompute; /* segments keep their input only; set by the owner */
    bool replay;    /* this pass repeats one that has been counted (op_moe's watch) */
    struct tape_node *last;
    struct tensor *k, *v; /* of the last op_kv_store */
    int32_t layer;
};

/* A zeroed node of `bytes` at the end of the tape, in step memory; NULL after step_fail. */
void *tape_record(struct step *st, size_t bytes, tape_fn back);

/* Walks back over st->tape and leaves it empty. Failures are in the step. */
void tape_back(struct step *st);

/* The gradient of t, made when it is not there: then *add is false and the caller writes every
 * number of it, else it adds. */
float *tensor_grad(struct step *st, struct tensor *t, bool *add);
/* The same, made as zeros: the caller adds. */
float *tensor_grad_zeroed(struct step *st, struct tensor *t);

/* fn(st, x, ctx) as one segment; ctx_bytes of ctx are copied. Without a tape it is just the call. */
typedef struct tensor *(*segment_fn)(struct step *st, struct tensor *x, void *ctx);
struct tensor *tape_segment(struct step *st, struct tensor *x, segment_fn fn, void *ctx,
                            size_t ctx_bytes);

#endif
