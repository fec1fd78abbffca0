/* tarn list, tarn rm: the models on this machine. */
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/file.h"
#include "base/mem.h"
#include "cli/cli.h"
#include "model/config.h"
#include "model/source.h"

extern const struct command cmd_list, cmd_rm;

static bool ends_with(const char *s, const char *end)
{
    size_t n = strlen(s), m = strlen(end);
    return n >= m && strcmp(s + n - m, end) == 0;
}

/* A later shard of a split file is not a model of its own. */
static bool is_later_shard(const char *name)
{
    const char *of = strstr(name, "-of-");
    return of && of - name >= 6 && strncmp(of - 5, "00001", 5) != 0;
}

static void show(const char *dir, const char *name, int *count)
{
    struct err e;
    struct model_source *s;
    char *path = file_join(dir, name);
    if (!path) return;
    bool gguf = ends_with(name, ".gguf") && !is_later_shard(name);
    char *config = file_join(path, "config.json");
    bool hf = config && file_exists(config);
    mem_free(config);
    if ((gguf || hf) && source_open(&s, path, &e) == 0) {
        struct config_count n;
        char size[32];
        config_count(source_config(s), &n);
        int len = (int)strlen(name) - (gguf ? 5 : 0);
        if (cli.json) {
            struct buf b;
            buf_init(&b, 1 << 14);
            buf_add_str(&b, "{\"name\":");
            buf_add_json(&b, (struct span){name, (size_t)len});
            buf_add_str(&b, ",\"path\":");
            buf_add_json(&b, span_of(path));
            buf_printf(&b, ",\"bytes\":%llu,\"architecture\":\"%s\",\"parameters\":%llu}",
                       (unsigned long long)source_bytes(s), arch_name(source_config(s)->arch),
                       (unsigned long long)n.total);
            puts(buf_str(&b));
            buf_release(&b);
        } else {
            printf("%-40.*s %10s  %8.2fM  %s\n", len, name, cli_bytes(source_bytes(s), size),
                   (double)n.total * 1e-6, arch_name(source_config(s)->arch));
        }
        source_close(s);
        ++*count;
    }
    mem_free(path);
}

static int run_list(int argc, char **argv, struct err *e)
{
    (void)argv;
    const char *dir;
    int count = 0;
    if (argc != 0) return cli_usage(&cmd_list, e);
    for (int i = 0; (dir = cli_model_dir(i)); i++) {
        struct dirent **entry;
        int n = scandir(dir, &entry, NULL, alphasort);
        for (int k = 0; k < n; k++) {
            if (entry[k]->d_name[0] != '.') show(dir, entry[k]->d_name, &count);
            (free)(entry[k]); /* scandir's own memory */
        }
        if (n >= 0) (free)(entry);
    }
    if (count == 0 && !cli.json) {
        fputs("no models here; looked in", stderr);
        for (int i = 0; (dir = cli_model_dir(i)); i++) fprintf(stderr, " %s", dir);
        fputs("\n", stderr);
    }
    return 0;
}

const struct command cmd_list = {
    .verb = "list",
    .args = "",
    .summary = "models on this machine",
    .run = run_list,
};

static bool yes;
static const struct opt rm_opts[] = {
    {"yes", 'y', OPT_FLAG, &yes, NULL, "do not ask", 0, 0},
    {.type = OPT_END},
};

/* Only what `tarn list` shows can be removed: a GGUF file, or a directory with config.json, right
 * inside a model directory. */
static int run_rm(int argc, char **argv, struct err *e)
{
    char path[4096];
    if (argc != 1) return cli_usage(&cmd_rm, e);
    if (strchr(argv[0], '/'))
        return err_set(e, ERR_USAGE,
                       "`tarn rm` takes a name that `tarn list` shows, not a path");
    if (file_exists(argv[0]))
        return err_set(e, ERR_USAGE,
                       "%s is a file here, not a name of the model directory; remove it "
                       "yourself",
                       argv[0]);
    if (cli_model_path(argv[0], path, sizeof path, e)) return -1;
    if (file_is_dir(path))
        return err_set(e, ERR_UNSUPPORTED, "%s is a directory; remove it yourself", path);
    if (!yes) {
        fprintf(stderr, "remove %s? [y/N] ", path);
        int c = getchar();
        if (c != 'y' && c != 'Y') return err_set(e, ERR_CANCELLED, "nothing was removed");
    }
    if (unlink(path) != 0) return err_errno(e, errno, "cannot remove %s", path);
    return 0;
}

const struct command cmd_rm = {
    .verb = "rm",
    .args = "NAME",
    .summary = "remove a model from the model directory",
    .opts = (const struct opt *const[]){rm_opts, NULL},
    .run = run_rm,
};
