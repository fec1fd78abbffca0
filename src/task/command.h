/* command.h - a user's own task as a child process that speaks JSON lines.
 *
 *   to it    {"op":"item","split":"train","seed":S,"index":I,"level":L}
 *   from it  {"prompt":"...", ...}                    anything else it wants back in "check"
 *   to it    {"op":"check","item":{...},"response":"..."}
 *   from it  {"score":0.5,"reason":"..."}             0 <= score <= 1; reason may be left out
 *
 * One line each way; the same item request must give the same item. A request that takes too long
 * or a child that ends is an error of that request; the next one starts it again.
 *
 * Threads: one user at a time.
 */
#ifndef TASK_COMMAND_H
#define TASK_COMMAND_H

#include <stdint.h>

#include "base/attr.h"
#include "base/buf.h"
#include "base/json.h"
#include "task/task.h"

struct err;
struct task_command;

/* argv and env must live as long as the task; argv[0] is a path; ms: time for one request. */
int task_command_open(struct task_command **out, const char *const *argv,
                      const char *const *env, int64_t ms, struct err *e) must_check;
void task_command_close(struct task_command *c);
/* A new reference in *item. Only split, seed, index and level of the ask are used. */
int task_command_item(struct task_command *c, const struct task_ask *ask, json_t **item,
                      struct err *e) must_check;
/* reason may be NULL. */
int task_command_check(struct task_command *c, const json_t *item, struct span response,
                       double *score, struct buf *reason, struct err *e) must_check;
/* How many times the child was started again. */
int task_command_restarts(const struct task_command *c);

#endif
