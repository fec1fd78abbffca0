/* feedback.h - thumbs, corrections and preferences, one JSON line each in STATE/feedback/kID.jsonl
 * (mode 0600), in a form that training can read:
 *
 *   {"time":..., "type":"rating", "rating":1 or -1, "messages":[...], "comment":...}
 *   {"time":..., "type":"correction", "messages":[...], "corrected":"..."}
 *   {"time":..., "type":"preference", "messages":[...], "chosen":"...", "rejected":"..."}
 *
 * "chosen_reasoning" and "rejected_reasoning" may stand beside a preference's answers.
 *
 * Threads: any.
 */
#ifndef SERVE_FEEDBACK_H
#define SERVE_FEEDBACK_H

#include "base/json.h"
#include <stdint.h>

#include "base/attr.h"
#include "base/buf.h"

struct api_err;
struct err;
struct feedback;

int feedback_open(struct feedback **out, const char *dir, struct err *e) must_check;
void feedback_close(struct feedback *f);
/* As stored; as examples that `tarn sft` reads, {"messages": [...]} ending with what the reader liked,
 * wrote or chose; or as pairs, {"messages": [...], "chosen": ..., "rejected": ...}, where a corrected
 * answer is the one that was passed over. */
enum feedback_form { FEEDBACK_STORED, FEEDBACK_SFT, FEEDBACK_PAIRS };

/* Checks the body and appends it. */
int feedback_add(struct feedback *f, int64_t owner, const json_t *body,
                 struct api_err *a) must_check;
int feedback_export(struct feedback *f, int64_t owner, enum feedback_form form, struct buf *out,
                    struct err *e) must_check;

#endif
