/* run_dir.h - what every long run does with its recipe and its directory. */
#ifndef CLI_RUN_DIR_H
#define CLI_RUN_DIR_H

#include "base/opt.h"
#include "base/yaml.h"

struct err;

/* The recipe's file with --set on top. yaml_close(*y), also after an error. */
int run_read_yaml(struct yaml **y, const char *path, const struct opt_list *set,
                  struct err *e) must_check;
/* ERR_USAGE when the directory has checkpoints already: a run is not written over. */
int run_check_new(const char *dir, struct err *e) must_check;
/* DIR/run.yaml: the recipe in force. The directory is made. */
int run_write_recipe(const char *dir, const struct yaml_field *field, struct err *e) must_check;
/* One line a key, for --keys. */
void run_print_keys(const struct yaml_field *field);

#endif
