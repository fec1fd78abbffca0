/* ckpt.h - checkpoints: everything a run needs to go on, in one directory.
 *
 *   RUN/ckpt-000001000/
 *     config.json            as Hugging Face has it: the directory is a model (tarn ask, convert)
 *     tokenizer.json         when the run has a vocabulary
 *     state.json             step, place in the data, moments' type, hashes of the numbers
 *     weights.safetensors    f32, published names
 *     optim.safetensors      m.<parameter>, v.<parameter>: moments as the optimizer keeps them
 *
 * A checkpoint is written under RUN/.writing, every file flushed to the disk, and renamed when it
 * is complete: a kill at any moment leaves the checkpoints that were there, and perhaps the new
 * one. Leftovers are removed by the next save. Going on from a checkpoint gives the bits of not
 * having stopped.
 */
#ifndef TRAIN_CKPT_H
#define TRAIN_CKPT_H

#include "base/json.h"
#include "train/trainer.h"

struct vocab;

enum { CKPT_PATH = 1024 };

/* extra: the caller's own state (place in the data, seed), kept in state.json. vocab may be
 * NULL, chat_template empty.
 * path gets the directory's name. */
int ckpt_save(const char *run, const struct trainer *t, const json_t *extra,
              const struct vocab *vocab, struct span chat_template, char path[CKPT_PATH],
              struct err *e) must_check;

/* The newest complete checkpoint of a run; ERR_NOT_FOUND when there is none. */
int ckpt_latest(const char *run, char path[CKPT_PATH], struct err *e) must_check;

/* ckpt_load - weights, moments and counters into a trainer made with the checkpoint's own config
 * (params_config). *extra: a new reference. Fails: ERR_FORMAT naming what does not fit, or when the
 * numbers are not those that were written. */
int ckpt_load(const char *path, struct trainer *t, json_t **extra, struct err *e) must_check;

/* Removes all checkpoints of a run but the newest `keep`. */
int ckpt_prune(const char *run, int keep, struct err *e) must_check;

#endif
