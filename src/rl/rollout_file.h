/* rollout_file.h - a step's answers on disk, to be read by people and taught again.
 *
 *   RUN/rollouts/step-000000012.jsonl     one line for each answer, groups one after the other
 *   {step, version, group, sample, stage, number, id, task, level, inside, prompt, response, answer,
 *    gold, reason, score, reward, form, language, length_penalty, judged, truncated, finish,
 *    prompt_ids, prompt_hash, ids, logprobs}
 *
 * Log-probabilities are written with nine digits, which give back the same floats. So teaching the
 * file (tarn rl --replay) makes the very weights that the run made of it. */
#ifndef RL_ROLLOUT_FILE_H
#define RL_ROLLOUT_FILE_H

#include "rl/learner.h"

/* Writes the groups that went into the update, removes files older than `keep` steps. */
int rollout_file_write(const char *run, const struct learner *l, const struct step_result *r,
                       int64_t keep, struct err *e) must_check;
/* Into l->group. Fails: ERR_FORMAT with the line; a group with two prompts is an error. */
int rollout_file_read(struct learner *l, const char *path, struct err *e) must_check;

#endif
