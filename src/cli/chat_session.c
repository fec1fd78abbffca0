#include "cli/chat_session.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/err.h"
#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"

enum { SESSION_MAX = 256 << 20, MAX_MESSAGES = 100000 };

void session_init(struct session *s, const char *model)
{
    *s = (struct session){.n = 0};
    arena_init(&s->arena, 1 << 16, 0);
    s->model = arena_strndup(&s->arena, model, strlen(model));
    session_new_name(s->name);
    s->n = 1; /* place 0 is kept for the system message */
}

void session_release(struct session *s)
{
    mem_free(s->msg);
    arena_release(&s->arena);
    *s = (struct session){.n = 0};
}

static bool grow(struct session *s)
{
    if (s->n < s->size) return true;
    size_t size = s->size ? s->size * 2 : 64;
    struct chat_msg *p = mem_realloc(s->msg, s->size * sizeof *p, size * sizeof *p);
    if (!p) return false;
    s->msg = p;
    s->size = size;
    return true;
}

static bool keep(struct session *s, struct span in, struct span *out)
{
    *out = (struct span){NULL, 0};
    if (!in.n) return true;
    out->p = arena_strndup(&s->arena, in.p, in.n);
    out->n = in.n;
    return out->p != NULL;
}

int session_add(struct session *s, enum chat_role role, struct span content,
                struct span reasoning, struct err *e)
{
    struct chat_msg m = {.role = role};
    if (s->n >= MAX_MESSAGES)
        return err_set(e, ERR_LIMIT, "the conversation has %zu messages, the most there can be",
                       s->n);
    if (!grow(s) || !keep(s, content, &m.content) || !keep(s, reasoning, &m.reasoning))
        return err_oom(e, "the conversation", content.n + reasoning.n);
    s->msg[s->n++] = m;
    return 0;
}

int session_set_system(struct session *s, const char *text, struct err *e)
{
    s->system = NULL;
    if (!text || !*text) return 0;
    s->system = arena_strndup(&s->arena, text, strlen(text));
    return s->system ? 0 : err_oom(e, "the system message", strlen(text));
}

const struct chat_msg *session_messages(struct session *s, size_t *n)
{
    if (!grow(s)) {
        *n = 0;
        return NULL;
    }
    s->msg[0] = (struct chat_msg){.role = CHAT_SYSTEM, .content = span_of(s->system)};
    *n = s->system ? s->n : s->n - 1;
    return s->system ? s->msg : s->msg + 1;
}

/* ---- files --------------------------------------------------------------------------------- */

void session_new_name(char out[SESSION_NAME])
{
    time_t now = time(NULL);
    struct tm tm;
    localtime_r(&now, &tm);
    strftime(out, SESSION_NAME, "%Y%m%d-%H%M%S", &tm);
}

bool session_name_ok(const char *name)
{
    size_t n = strlen(name);
    return n > 0 && n < SESSION_NAME && name[0] != '.' &&
           strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.") ==
               n;
}

int session_dir(char *out, size_t size, struct err *e)
{
    const char *home = getenv("HOME");
    if (!home || !*home) return err_set(e, ERR_IO, "HOME is not set, sessions have no place");
    snprintf(out, size, "%s/.local/share/tarn/chats", home);
    if (file_make_dirs(out, e)) return -1;
    return chmod(out, 0700) == 0 ? 0 : err_set(e, ERR_IO, "cannot make %s private", out);
}

static int session_path(const char *name, char *out, size_t size, struct err *e)
{
    char dir[2048];
    if (!session_name_ok(name))
        return err_set(e, ERR_USAGE, "\"%s\" is no name of a session: letters, digits, - _ .",
                       name);
    if (session_dir(dir, sizeof dir, e)) return -1;
    snprintf(out, size, "%s/%s.json", dir, name);
    return 0;
}

static const char *role_name(enum chat_role r)
{
    switch (r) {
    case CHAT_SYSTEM: return "system";
    case CHAT_DEVELOPER: return "developer";
    case CHAT_USER: return "user";
    case CHAT_ASSISTANT: return "assistant";
    case CHAT_TOOL: return "tool";
    }
    return "";
}

int session_save(const struct session *s, struct err *e)
{
    char path[4096];
    struct buf b;
    if (session_path(s->name, path, sizeof path, e)) return -1;
    buf_init(&b, SESSION_MAX);
    buf_add_str(&b, "{\"name\":");
    buf_add_json(&b, span_of(s->name));
    buf_add_str(&b, ",\"model\":");
    buf_add_json(&b, span_of(s->model));
    if (s->system) {
        buf_add_str(&b, ",\"system\":");
        buf_add_json(&b, span_of(s->system));
    }
    buf_printf(&b, ",\"prompt_tokens\":%lld,\"completion_tokens\":%lld,\"messages\":[",
               (long long)s->prompt_tokens, (long long)s->completion_tokens);
    for (size_t i = 1; i < s->n; i++) {
        buf_printf(&b, "%s{\"role\":\"%s\",\"content\":", i > 1 ? ",\n" : "\n",
                   role_name(s->msg[i].role));
        buf_add_json(&b, s->msg[i].content);
        if (s->msg[i].reasoning.n) {
            buf_add_str(&b, ",\"reasoning\":");
            buf_add_json(&b, s->msg[i].reasoning);
        }
        buf_add_char(&b, '}');
    }
    buf_add_str(&b, "]}\n");
    mode_t old = umask(077);
    int rc = buf_ok(&b, "the session", e);
    if (rc == 0) rc = file_replace(path, b.data, b.len, e);
    umask(old);
    buf_release(&b);
    return rc;
}

static int read_message(struct session *s, const json_t *m, const char *path, struct err *e)
{
    struct span role, content = {NULL, 0}, reasoning = {NULL, 0};
    if (json_get_str(m, "role", &role, path, e) ||
        json_get_str_opt(m, "content", &content, path, e) ||
        json_get_str_opt(m, "reasoning", &reasoning, path, e))
        return -1;
    bool user = span_is(role, "user");
    if (!user && !span_is(role, "assistant"))
        return err_set(e, ERR_FORMAT, "%s: a message has the role \"%.*s\"", path, (int)role.n,
                       role.p);
    return session_add(s, user ? CHAT_USER : CHAT_ASSISTANT, content, reasoning, e);
}

int session_load(struct session *s, const char *name, struct err *e)
{
    char path[4096];
    if (session_path(name, path, sizeof path, e)) return -1;
    json_t *j = json_parse_file(path, SESSION_MAX, e);
    if (!j) return -1;
    struct session old = *s;
    session_init(s, old.model);
    snprintf(s->name, sizeof s->name, "%s", name);
    struct span system = {NULL, 0};
    size_t i;
    json_t *m;
    int rc = json_get_str_opt(j, "system", &system, path, e);
    if (rc == 0)
        rc = json_get_i64_opt(j, "prompt_tokens", 0, INT64_MAX, &s->prompt_tokens, path, e);
    if (rc == 0)
        rc = json_get_i64_opt(j, "completion_tokens", 0, INT64_MAX, &s->completion_tokens, path,
                              e);
    if (rc == 0 && system.n) rc = session_set_system(s, system.p, e);
    json_array_foreach(json_object_get(j, "messages"), i, m)
    {
        if (rc == 0) rc = read_message(s, m, path, e);
    }
    json_decref(j);
    if (rc) {
        session_release(s);
        *s = old;
        return -1;
    }
    session_release(&old);
    return 0;
}

bool session_latest(char out[SESSION_NAME])
{
    char dir[2048];
    struct err ignored;
    if (session_dir(dir, sizeof dir, &ignored)) return false;
    DIR *d = opendir(dir);
    struct timespec best = {0, 0};
    bool found = false;
    for (struct dirent *de; d && (de = readdir(d));) {
        size_t n = strlen(de->d_name);
        struct stat st;
        if (n < 6 || n - 5 >= SESSION_NAME || strcmp(de->d_name + n - 5, ".json") != 0)
            continue;
        if (fstatat(dirfd(d), de->d_name, &st, 0) != 0) continue;
        struct timespec t = st.st_mtim;
        if (found &&
            (t.tv_sec < best.tv_sec || (t.tv_sec == best.tv_sec && t.tv_nsec <= best.tv_nsec)))
            continue;
        best = t;
        found = true;
        memcpy(out, de->d_name, n - 5);
        out[n - 5] = 0;
    }
    if (d) closedir(d);
    return found;
}

int session_export(const struct session *s, const char *path, struct err *e)
{
    struct buf b;
    buf_init(&b, SESSION_MAX);
    buf_printf(&b, "# %s\n\nmodel: %s\n", s->name, s->model);
    if (s->system) buf_printf(&b, "\nsystem: %s\n", s->system);
    for (size_t i = 1; i < s->n; i++) {
        buf_printf(&b, "\n## %s\n\n", s->msg[i].role == CHAT_USER ? "You" : "Answer");
        if (s->msg[i].reasoning.n) {
            buf_add_str(&b, "<details><summary>thinking</summary>\n\n");
            buf_add_span(&b, s->msg[i].reasoning);
            buf_add_str(&b, "\n\n</details>\n\n");
        }
        buf_add_span(&b, s->msg[i].content);
        buf_add_char(&b, '\n');
    }
    int rc = buf_ok(&b, "the export", e);
    if (rc == 0) rc = file_replace(path, b.data, b.len, e);
    buf_release(&b);
    return rc;
}
