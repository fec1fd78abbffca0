#include "cli/server_state.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/err.h"
#include "base/file.h"

struct server_state server_state;

const struct opt server_state_opts[] = {
    {"state", 0, OPT_STR, &server_state.dir, "DIR",
     "keys, usage and conversations (default: ~/.local/share/tarn/server)", 0, 0},
    {"pgsql", 0, OPT_STR, &server_state.pgsql, "CONNINFO", "a shared ledger in PostgreSQL", 0,
     0},
    {.type = OPT_END},
};

int server_state_dir(char *out, size_t size, struct err *e)
{
    const char *home = getenv("HOME");
    int n = 0;
    if (server_state.dir)
        n = snprintf(out, size, "%s", server_state.dir);
    else if (home && *home)
        n = snprintf(out, size, "%s/.local/share/tarn/server", home);
    else
        return err_set(e, ERR_USAGE, "HOME is not set; name a directory with --state");
    return (size_t)n < size ? 0
                            : err_set(e, ERR_USAGE, "the state directory's path is too long");
}

int server_ledger_open(struct ledger **out, struct err *e)
{
    char dir[1024], path[1100];
    if (server_state_dir(dir, sizeof dir, e)) return -1;
    if (!server_state.pgsql && file_make_dirs(dir, e)) return -1;
    snprintf(path, sizeof path, "%s/ledger.db", dir);
    const struct ledger_opts o = {.path = path, .pgsql = server_state.pgsql, .tool = true};
    return ledger_open(out, &o, e);
}
