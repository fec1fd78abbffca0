/* tarn chat: a conversation in the terminal.
 *
 * Sessions are kept (chat_session.h) and resumed with --resume. Thinking is shown dim and folded to
 * a line when the answer begins. The first Ctrl-C ends the thinking, the second the answer.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "cli/answer.h"
#include "cli/chat_input.h"
#include "cli/chat_screen.h"
#include "cli/chat_session.h"
#include "cli/cli.h"

extern const struct command cmd_chat;

enum { TEXT_MAX_BYTES = 256 << 20 };

static struct {
    const char *system, *resume_name;
    bool resume, no_history, unfolded, plain;
} o;

static const struct opt own_opts[] = {
    {"system", 's', OPT_STR, &o.system, "TEXT", "system message", 0, 0},
    {"resume", 'r', OPT_FLAG, &o.resume, NULL, "go on with the latest session", 0, 0},
    {"session", 0, OPT_STR, &o.resume_name, "NAME", "go on with this session", 0, 0},
    {"no-history", 0, OPT_FLAG, &o.no_history, NULL, "keep neither typed lines nor the session",
     0, 0},
    {"plain", 0, OPT_FLAG, &o.plain, NULL, "show Markdown as it is written", 0, 0},
    {"unfolded", 0, OPT_FLAG, &o.unfolded, NULL, "leave the thinking on the screen", 0, 0},
    {.type = OPT_END},
};

struct chat {
    struct loaded l;
    struct session s;
    struct input *in;
    enum chat_template t;
    struct source_sampling advice;
    struct buf line, files; /* files: text of /file, put in front of the next message */
    char preset[1024];      /* text to begin the next line with, after /edit */
    bool quit;
};

static void complain(const struct err *e)
{
    fprintf(stderr, "%s\n", e->msg);
    if (e->hint[0]) fprintf(stderr, "%s\n", e->hint);
}

/* ---- answering ----------------------------------------------------------------------------- */

static void show(void *ctx, struct span text, bool thinking)
{
    screen_text(ctx, text, thinking);
}

static void reading(void *ctx, int64_t done, int64_t total)
{
    screen_reading(ctx, done, total);
}

static int save(const struct chat *c, struct err *e)
{
    return o.no_history ? 0 : session_save(&c->s, e);
}

/* The next answer to the conversation as it stands. */
static int respond(struct chat *c, struct err *e)
{
    struct tok_list ids = {0};
    struct gen_request r;
    struct span stop[16];
    size_t n;
    gen_request_defaults(&r);
    const struct chat_msg *msg = session_messages(&c->s, &n);
    struct chat_opts co = {.thinking = sampling_thinking(), .add_generation_prompt = true};
    if (chat_render_ids(c->l.vocab, c->t, msg, n, &co, &ids, &r.thinking.starts_inside, e) ||
        sampling_fill(&r, &c->advice, c->t, stop, e)) {
        tok_list_release(&ids);
        return -1;
    }
    r.prompt = ids.id;
    r.n_prompt = (int64_t)ids.n;
    struct screen screen;
    screen_begin(&screen, !o.unfolded, !o.plain);
    struct answer a = {.show = show, .reading = reading, .ctx = &screen};
    int rc = answer_run(&a, c->l.engine, &r, e);
    screen_end(&screen);
    if (rc == 0) {
        if (a.reason == GEN_STOP_LENGTH)
            fputs("(cut: the context or --max is used up)\n", stderr);
        if (a.reason == GEN_STOP_LOOP) fputs("(ended: the answer repeated itself)\n", stderr);
        if (a.reason == GEN_STOP_CANCEL) fputs("(stopped)\n", stderr);
        c->s.prompt_tokens += a.counts.prompt_tokens;
        c->s.completion_tokens += a.counts.completion_tokens;
        rc = session_add(&c->s, CHAT_ASSISTANT, buf_span(&a.text), buf_span(&a.reasoning), e);
        if (rc == 0) rc = save(c, e);
        sampling_opts
            .seed++; /* the next answer draws other numbers, the run stays repeatable */
    }
    answer_release(&a);
    tok_list_release(&ids);
    return rc;
}

static int say(struct chat *c, struct span text, struct err *e)
{
    struct buf all;
    buf_init(&all, TEXT_MAX_BYTES);
    buf_add(&all, c->files.data, c->files.len);
    buf_add_span(&all, text);
    int rc = buf_ok(&all, "the message", e);
    if (rc == 0) rc = session_add(&c->s, CHAT_USER, buf_span(&all), (struct span){NULL, 0}, e);
    buf_release(&all);
    buf_clear(&c->files);
    if (rc) return -1;
    size_t before = c->s.n;
    rc = save(c, e); /* a killed program loses the answer only */
    if (rc == 0) rc = respond(c, e);
    if (rc && c->s.n == before) c->s.n--; /* nothing was answered: as if it had not been said */
    return rc;
}

/* ---- commands ------------------------------------------------------------------------------ */

static const char help[] =
    "  /think off | low | high | N   thinking, or a budget of N tokens\n"
    "  /system TEXT             the system message (nothing: none)\n"
    "  /file PATH               put a text file in front of the next message\n"
    "  /retry                   another answer to the last message\n"
    "  /edit                    take the last message back into the line\n"
    "  /branch [NAME]           go on in a copy of this conversation\n"
    "  /save NAME, /load NAME   rename-and-keep this session, open another\n"
    "  /export FILE.md          the conversation as Markdown\n"
    "  /set temp|top-p|top-k|min-p|max|seed VALUE\n"
    "  /copy                    the last answer into the terminal's clipboard\n"
    "  /usage                   tokens so far, context used\n"
    "  Ctrl-O                   the last thought in full\n"
    "  /help, /quit             Ctrl-C ends the thinking, then the answer; Ctrl-D leaves\n";

static bool drop_last(struct session *s, enum chat_role role)
{
    if (s->n <= 1 || s->msg[s->n - 1].role != role) return false;
    s->n--;
    return true;
}

static int cmd_file(struct chat *c, const char *path, struct err *e)
{
    struct buf b;
    buf_init(&b, TEXT_MAX_BYTES);
    int rc = file_read(path, &b, e);
    if (rc == 0) {
        const char *name = strrchr(path, '/');
        struct tok_list ids = {0};
        buf_printf(&c->files, "[file name]: %s\n[file content begin]\n",
                   name ? name + 1 : path);
        buf_add(&c->files, b.data, b.len);
        buf_add_str(&c->files, "\n[file content end]\n");
        rc = vocab_encode(c->l.vocab, buf_span(&b), false, false, &ids, e);
        if (rc == 0) fprintf(stderr, "%s: %zu bytes, %zu tokens\n", path, b.len, ids.n);
        tok_list_release(&ids);
    }
    buf_release(&b);
    return rc;
}

static int set_value(const char *arg, struct err *e)
{
    char name[32];
    double v;
    if (sscanf(arg, "%31s %lf", name, &v) != 2)
        return err_set(e, ERR_USAGE, "/set wants a name and a number, such as /set temp 0.6");
    if (strcmp(name, "temp") == 0)
        sampling_opts.temp = v;
    else if (strcmp(name, "top-p") == 0)
        sampling_opts.top_p = v;
    else if (strcmp(name, "top-k") == 0)
        sampling_opts.top_k = (int64_t)v;
    else if (strcmp(name, "min-p") == 0)
        sampling_opts.min_p = v;
    else if (strcmp(name, "max") == 0)
        sampling_opts.max_tokens = (int64_t)v;
    else if (strcmp(name, "seed") == 0)
        sampling_opts.seed = (int64_t)v;
    else
        return err_set(e, ERR_USAGE, "/set knows temp, top-p, top-k, min-p, max and seed");
    return 0;
}

static int set_thinking(const char *arg, struct err *e)
{
    static char value[32];
    int64_t budget;
    if (!*arg) arg = "on";
    if (sampling_budget(arg, &budget, e)) return -1;
    snprintf(value, sizeof value, "%s", arg);
    sampling_opts.think = value;
    return 0;
}

static int rename_session(struct chat *c, const char *name, struct err *e)
{
    if (!session_name_ok(name))
        return err_set(e, ERR_USAGE, "\"%s\" is no name of a session: letters, digits, - _ .",
                       name);
    snprintf(c->s.name, sizeof c->s.name, "%s", name);
    return session_save(&c->s, e);
}

static int branch(struct chat *c, const char *name, struct err *e)
{
    char fresh[SESSION_NAME];
    session_new_name(fresh);
    int rc = rename_session(c, *name ? name : fresh, e);
    if (rc == 0) fprintf(stderr, "now in %s\n", c->s.name);
    return rc;
}

static int edit(struct chat *c, struct err *e)
{
    drop_last(&c->s, CHAT_ASSISTANT);
    if (c->s.n <= 1) return err_set(e, ERR_USAGE, "there is no message to edit");
    struct span last = c->s.msg[c->s.n - 1].content;
    snprintf(c->preset, sizeof c->preset, "%.*s", (int)last.n, last.p ? last.p : "");
    c->s.n--;
    return 0;
}

static const struct chat_msg *last_answer(const struct chat *c)
{
    for (size_t i = c->s.n; i-- > 1;)
        if (c->s.msg[i].role == CHAT_ASSISTANT) return &c->s.msg[i];
    return NULL;
}

static int copy(const struct chat *c, struct err *e)
{
    const struct chat_msg *last = last_answer(c);
    if (!last) return err_set(e, ERR_USAGE, "there is no answer to copy");
    if (!isatty(STDOUT_FILENO)) return err_set(e, ERR_USAGE, "/copy needs a terminal");
    screen_copy(last->content);
    fprintf(stderr, "%zu bytes sent to the terminal's clipboard\n", last->content.n);
    return 0;
}

static void unfold(void *ctx)
{
    const struct chat_msg *last = last_answer(ctx);
    if (last && last->reasoning.n)
        screen_thought(last->reasoning);
    else
        fputs("there is no thought to show\n", stderr);
}

static int usage(const struct chat *c)
{
    struct engine_stats st;
    engine_get_stats(c->l.engine, &st);
    fprintf(stderr, "%s: %zu messages; %lld tokens read, %lld written; context %lld tokens\n",
            c->s.name, c->s.n - 1, (long long)c->s.prompt_tokens,
            (long long)c->s.completion_tokens, (long long)c->l.plan.n_ctx);
    return 0;
}

static int command(struct chat *c, char *line, struct err *e)
{
    char *arg = line + strcspn(line, " \t");
    if (*arg) *arg++ = 0;
    arg += strspn(arg, " \t");
    if (strcmp(line, "/quit") == 0 || strcmp(line, "/bye") == 0) {
        c->quit = true;
        return 0;
    }
    if (strcmp(line, "/help") == 0 || strcmp(line, "/?") == 0) return fputs(help, stderr) < 0;
    if (strcmp(line, "/think") == 0) return set_thinking(arg, e);
    if (strcmp(line, "/system") == 0) return session_set_system(&c->s, arg, e);
    if (strcmp(line, "/file") == 0) return cmd_file(c, arg, e);
    if (strcmp(line, "/set") == 0) return set_value(arg, e);
    if (strcmp(line, "/usage") == 0) return usage(c);
    if (strcmp(line, "/copy") == 0) return copy(c, e);
    if (strcmp(line, "/edit") == 0) return edit(c, e);
    if (strcmp(line, "/branch") == 0) return branch(c, arg, e);
    if (strcmp(line, "/save") == 0) return rename_session(c, arg, e);
    if (strcmp(line, "/load") == 0) return session_load(&c->s, arg, e);
    if (strcmp(line, "/export") == 0)
        return *arg ? session_export(&c->s, arg, e)
                    : err_set(e, ERR_USAGE, "/export wants a file name");
    if (strcmp(line, "/retry") == 0) {
        drop_last(&c->s, CHAT_ASSISTANT);
        return c->s.n > 1 ? respond(c, e) : err_set(e, ERR_USAGE, "there is nothing to retry");
    }
    err_set(e, ERR_USAGE, "there is no command %s", line);
    return err_hint(e, "/help lists them; begin with a blank to send such a text");
}

/* ---- the loop ------------------------------------------------------------------------------ */

/* Where a resumed conversation stands: its last message, as it looked. */
static void show_last(const struct chat *c)
{
    struct screen screen;
    if (c->s.n <= 1) return;
    const struct chat_msg *last = &c->s.msg[c->s.n - 1];
    if (last->role == CHAT_USER) {
        fputs("the last message has no answer; /retry gets one\n", stderr);
        return;
    }
    if (!isatty(STDOUT_FILENO)) return;
    screen_begin(&screen, false, !o.plain);
    screen_text(&screen, last->content, false);
    screen_end(&screen);
}

static int start(struct chat *c, const char *model, struct err *e)
{
    char path[2048], name[SESSION_NAME];
    if (load_engine(&c->l, model, e)) return -1;
    if (load_template(c->l.model->source, &c->t, e)) return -1;
    if (c->t == CHAT_RAW) {
        err_set(e, ERR_UNSUPPORTED, "%s has no chat template", model);
        return err_hint(e, "--template NAME gives it one; `tarn ask` continues plain text");
    }
    source_sampling(c->l.model->source, &c->advice);
    session_init(&c->s, model);
    if (o.resume_name || (o.resume && session_latest(name))) {
        if (session_load(&c->s, o.resume_name ? o.resume_name : name, e)) return -1;
        fprintf(stderr, "resumed %s, %zu messages\n", c->s.name, c->s.n - 1);
        show_last(c);
    }
    if (o.system && session_set_system(&c->s, o.system, e)) return -1;
    static char lines[4096];
    if (!o.no_history) {
        if (session_dir(path, sizeof path, e)) return -1;
        snprintf(lines, sizeof lines, "%s/.lines", path);
    }
    if (input_open(&c->in, o.no_history ? NULL : lines, e)) return -1;
    input_on_unfold(c->in, unfold, c);
    return 0;
}

static int run(int argc, char **argv, struct err *e)
{
    static struct chat c;
    if (argc > 1) return cli_usage(&cmd_chat, e);
    const char *model = cli_model_arg(argc, argv);
    buf_init(&c.line, TEXT_MAX_BYTES);
    buf_init(&c.files, TEXT_MAX_BYTES);
    int rc = start(&c, model, e);
    bool tty = isatty(STDIN_FILENO);
    if (rc == 0 && tty) fprintf(stderr, "%s; /help for commands\n", model);
    while (rc == 0 && !c.quit && input_read(c.in, tty ? "> " : "", c.preset, &c.line)) {
        struct err turn = {0};
        c.preset[0] = 0;
        if (c.line.len == 0) continue;
        int bad = c.line.data[0] == '/' ? command(&c, c.line.data, &turn)
                                        : say(&c, buf_span(&c.line), &turn);
        if (bad) complain(&turn); /* the conversation goes on */
        if (bad && !tty) {
            *e = turn;
            rc = -1;
        }
    }
    input_close(c.in);
    session_release(&c.s);
    loaded_release(&c.l);
    buf_release(&c.line);
    buf_release(&c.files);
    return rc;
}

const struct command cmd_chat = {
    .verb = "chat",
    .args = "[MODEL]",
    .summary = "a conversation in the terminal, with its thinking",
    .details = "Sessions are kept under ~/.local/share/tarn/chats and resumed with --resume.\n"
               "  tarn chat model.gguf --think 512",
    .opts = (const struct opt *const[]){own_opts, sampling_opt_table, load_opt_table, NULL},
    .run = run,
};
