/* server_state.h - where the server keeps keys, usage and conversations; shared by `tarn serve`,
 * `tarn keys` and `tarn usage`. */
#ifndef CLI_SERVER_STATE_H
#define CLI_SERVER_STATE_H

#include "base/opt.h"
#include "meter/ledger.h"

/* --state and --pgsql. */
extern const struct opt server_state_opts[];
struct server_state {
    const char *dir, *pgsql;
};
extern struct server_state server_state;

/* The directory: --state, else ~/.local/share/tarn/server. */
int server_state_dir(char *out, size_t size, struct err *e) must_check;
/* The ledger beside a server that may be running. */
int server_ledger_open(struct ledger **out, struct err *e) must_check;

#endif
