/* hf_config.h - the small JSON files of a Hugging Face model directory, as they are.
 *
 * config.json must be there; generation_config.json, tokenizer_config.json and
 * chat_template.jinja may be. This file gives access to their members; model/config_hf.c gives
 * them meaning. Limits: 16 MiB a file.
 *
 * Source: models.md 2, tokens.md 2.1. Threads: read-only after open.
 */
#ifndef FORMAT_HF_CONFIG_H
#define FORMAT_HF_CONFIG_H

#include "base/attr.h"
#include "base/buf.h"
#include "base/json.h"

struct err;
struct hf_config;

int hf_config_open(struct hf_config **out, const char *dir, struct err *e) must_check;
/* From texts; generation and tokenizer may be empty spans. `what` stands for the directory. */
int hf_config_parse(struct hf_config **out, const char *what, struct span config,
                    struct span generation, struct span tokenizer, struct err *e) must_check;
void hf_config_close(struct hf_config *h); /* NULL is fine */

const char *hf_config_dir(const struct hf_config *h);
/* For messages: "DIR/config.json". */
const char *hf_config_path(const struct hf_config *h);
const json_t *hf_config_json(const struct hf_config *h);     /* config.json, an object */
const json_t *hf_generation_json(const struct hf_config *h); /* NULL when absent */
const json_t *hf_tokenizer_json(const struct hf_config *h);  /* tokenizer_config.json or NULL */

/* The chat template: chat_template.jinja, else "chat_template" of tokenizer_config.json (a text,
 * or the one named "default" of a list). Empty when there is none. Belongs to h. */
struct span hf_chat_template(const struct hf_config *h);

/* Ids that may be one number, a list of numbers, or null. Appends to id[0..max) those not there
 * yet. Fails with ERR_FORMAT on other types, ERR_LIMIT when there are too many. */
int hf_ids(const json_t *o, const char *key, int32_t *id, int32_t *n, int32_t max,
           const char *what, struct err *e) must_check;

#endif
