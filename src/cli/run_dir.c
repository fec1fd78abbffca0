#include "cli/run_dir.h"

#include <stdio.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"
#include "train/ckpt.h"

int run_read_yaml(struct yaml **y, const char *path, const struct opt_list *set, struct err *e)
{
    if (yaml_open(y, path, e)) return -1;
    for (int i = 0; i < set->n; i++)
        if (yaml_set(*y, set->item[i], e)) return -1;
    return 0;
}

int run_check_new(const char *dir, struct err *e)
{
    char path[CKPT_PATH];
    if (!file_is_dir(dir) || ckpt_latest(dir, path, NULL)) return 0;
    return err_set(e, ERR_USAGE, "%s has checkpoints: --resume, or another --run", dir);
}

int run_write_recipe(const char *dir, const struct yaml_field *field, struct err *e)
{
    struct buf b;
    if (file_make_dirs(dir, e)) return -1;
    char *path = file_join(dir, "run.yaml");
    buf_init(&b, 1 << 20);
    yaml_print(field, &b);
    int rc = buf_ok(&b, "run.yaml", e);
    if (rc == 0) rc = path ? file_replace(path, buf_str(&b), b.len, e) : err_oom(e, dir, 256);
    mem_free(path);
    buf_release(&b);
    return rc;
}

void run_print_keys(const struct yaml_field *field)
{
    for (const struct yaml_field *f = field; f->type != YAML_END; f++)
        printf("%-28s %s\n", f->path, f->help);
}
