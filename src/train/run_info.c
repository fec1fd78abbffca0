#include "train/run_info.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/file.h"
#include "base/opt.h"
#include "base/yaml.h"

enum { QUIET_S = 120, PATH_MAX_BYTES = 1100 };

bool run_info_is(const char *dir)
{
    char path[PATH_MAX_BYTES];
    snprintf(path, sizeof path, "%s/metrics.jsonl", dir);
    if (!file_exists(path)) return false;
    snprintf(path, sizeof path, "%s/run.yaml", dir);
    return file_exists(path);
}

static void last_part(const char *dir, char out[256])
{
    size_t n = strlen(dir);
    while (n > 1 && dir[n - 1] == '/') n--;
    size_t from = n;
    while (from > 0 && dir[from - 1] != '/') from--;
    snprintf(out, 256, "%.*s", (int)(n - from), dir + from);
}

static int64_t count_ckpt(const char *dir)
{
    int64_t n = 0;
    DIR *d = opendir(dir);
    for (struct dirent *f; d && (f = readdir(d));) n += strncmp(f->d_name, "ckpt-", 5) == 0;
    if (d) closedir(d);
    return n;
}

static bool set(const struct yaml *y, const char *path)
{
    const char *t = yaml_text(y, path);
    return t && *t;
}

int run_info_read(struct run_info *r, const char *dir, int64_t step, struct err *e)
{
    char path[PATH_MAX_BYTES];
    struct yaml *y;
    struct stat st;
    *r = (struct run_info){.step = step, .n_ckpt = count_ckpt(dir)};
    last_part(dir, r->name);
    snprintf(path, sizeof path, "%s/run.yaml", dir);
    if (yaml_open(&y, path, e)) return -1;
    const char *steps = yaml_text(y, "train.steps"), *cost = yaml_text(y, "cost.per_hour");
    if (steps && !opt_parse_count(steps, &r->steps)) r->steps = 0;
    r->per_hour = cost ? strtod(cost, NULL) : 0;
    snprintf(r->kind, sizeof r->kind, "%s",
             set(y, "rollout.group")     ? "rl"
             : set(y, "distill.teacher") ? "distill"
             : set(y, "init")            ? "sft"
                                         : "train");
    yaml_close(y);
    snprintf(path, sizeof path, "%s/metrics.jsonl", dir);
    if (stat(path, &st) == 0) r->age_s = clock_wall_ms() / 1000 - (int64_t)st.st_mtime;
    r->state = r->steps && step >= r->steps ? RUN_DONE
               : r->age_s <= QUIET_S        ? RUN_RUNNING
                                            : RUN_STOPPED;
    return 0;
}

const char *run_state_name(enum run_state s)
{
    switch (s) {
    case RUN_RUNNING: return "running";
    case RUN_DONE: return "done";
    case RUN_STOPPED: return "stopped";
    }
    return "";
}
