/* rl_session.h - a recipe of tarn rl, opened: what `tarn rl` and `tarn bench rl` share. */
#ifndef CLI_RL_SESSION_H
#define CLI_RL_SESSION_H

#include "base/opt.h"
#include "rl/learner.h"

struct rl_session {
    struct rl_recipe r; /* the learner points at it: it must stay where it is */
    struct yaml *yaml;
    struct learner l;
    bool open;
};

int rl_session_open(struct rl_session *s, const char *recipe, const struct opt_list *set,
                    struct err *e) must_check;
void rl_session_close(struct rl_session *s); /* also after a failed open */

#endif
