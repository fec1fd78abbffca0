/* chat_session.h - a conversation of the terminal chat: its messages, and the file that keeps them.
 *
 * A session is saved after every turn, atomically, mode 0600, in the user's own data directory as
 * NAME.json: {"name", "model", "system", "messages": [{role, content, reasoning, ...}]}. So a
 * killed program loses at most the answer it was writing.
 */
#ifndef CLI_CHAT_SESSION_H
#define CLI_CHAT_SESSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/attr.h"
#include "base/buf.h"
#include "text/chat.h"

struct err;

enum { SESSION_NAME = 64 };

struct session {
    char name[SESSION_NAME];
    char *model, *system; /* system may be NULL */
    struct chat_msg *msg; /* texts live in `arena` */
    size_t n, size;
    struct arena arena;
    int64_t prompt_tokens, completion_tokens; /* of the whole session */
};

void session_init(struct session *s, const char *model);
void session_release(struct session *s);
int session_add(struct session *s, enum chat_role role, struct span content,
                struct span reasoning, struct err *e) must_check;
int session_set_system(struct session *s, const char *text, struct err *e) must_check;
/* The messages with the system message in front, for rendering; valid until the next change. */
const struct chat_msg *session_messages(struct session *s, size_t *n);

/* "20261122-031415": a name that sorts by time. */
void session_new_name(char out[SESSION_NAME]);
/* Letters, digits, '-', '_' and '.', not beginning with '.'. */
bool session_name_ok(const char *name);

/* Where sessions are; made when absent. */
int session_dir(char *out, size_t size, struct err *e) must_check;
int session_save(const struct session *s, struct err *e) must_check;
int session_load(struct session *s, const char *name, struct err *e) must_check;
/* Name of the session saved last; false if there is none. */
bool session_latest(char out[SESSION_NAME]);
/* The conversation as Markdown. */
int session_export(const struct session *s, const char *path, struct err *e) must_check;

#endif
