#include "cli/chat_input.h"

#include <histedit.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "base/mem.h"

enum { PASTES = 32, PASTE_MAX = 64 << 20, LINE_MAX_BYTES = 64 << 20, HISTORY_LINES = 1000 };

struct input {
    EditLine *el;
    History *history;
    const char *history_file, *prompt;
    bool tty, unfold; /* unfold: Ctrl-O ended the line */
    void (*on_unfold)(void *ctx);
    void *ctx;
    struct buf paste[PASTES];
    int n_paste;
};

static volatile sig_atomic_t interrupted;

static void on_interrupt(int sig)
{
    (void)sig;
    interrupted = 1;
}

static char *prompt_of(EditLine *el)
{
    static char text[64];
    struct input *in;
    el_get(el, EL_CLIENTDATA, &in);
    snprintf(text, sizeof text, "%s", in->prompt);
    return text;
}

static void mark_of(const struct input *in, int i, char *out, size_t size)
{
    size_t lines = 1;
    for (size_t k = 0; k < in->paste[i].len; k++) lines += in->paste[i].data[k] == '\n';
    snprintf(out, size, "[pasted %zu lines #%d]", lines, i + 1);
}

/* ESC [ 200 ~ has come: everything up to ESC [ 201 ~ is one paste. */
static unsigned char begin_paste(EditLine *el, int key)
{
    static const char end[] = "\033[201~";
    struct input *in;
    (void)key;
    el_get(el, EL_CLIENTDATA, &in);
    if (in->n_paste == PASTES) return CC_ERROR;
    struct buf *b = &in->paste[in->n_paste];
    char c;
    buf_clear(b);
    while (el_getc(el, &c) == 1) {
        buf_add_char(b, c == '\r' ? '\n' : c);
        if (b->len >= sizeof end - 1 &&
            memcmp(b->data + b->len - (sizeof end - 1), end, sizeof end - 1) == 0) {
            b->len -= sizeof end - 1;
            b->data[b->len] = 0;
            break;
        }
        if (b->failed) return CC_ERROR;
    }
    if (b->len && !memchr(b->data, '\n', b->len)) {
        el_insertstr(el, b->data); /* a single line is simply typed */
        return CC_REFRESH;
    }
    char mark[64];
    mark_of(in, in->n_paste++, mark, sizeof mark);
    el_insertstr(el, mark);
    return CC_REFRESH;
}

static unsigned char end_for_unfold(EditLine *el, int key)
{
    struct input *in;
    (void)key;
    el_get(el, EL_CLIENTDATA, &in);
    in->unfold = true;
    return CC_NEWLINE;
}

int input_open(struct input **out, const char *file, struct err *e)
{
    struct input *in = mem_calloc(1, sizeof *in);
    if (!in) return err_oom(e, "line editor", sizeof *in);
    for (int i = 0; i < PASTES; i++) buf_init(&in->paste[i], PASTE_MAX);
    in->tty = isatty(STDIN_FILENO) && isatty(STDOUT_FILENO);
    in->history_file = file;
    *out = in;
    if (!in->tty) return 0;
    in->el = el_init("tarn", stdin, stdout, stderr);
    in->history = history_init();
    if (!in->el || !in->history) {
        input_close(in);
        *out = NULL;
        return err_set(e, ERR_IO, "the terminal cannot be set up for editing");
    }
    HistEvent ev;
    history(in->history, &ev, H_SETSIZE, HISTORY_LINES);
    if (in->history_file) history(in->history, &ev, H_LOAD, in->history_file);
    el_set(in->el, EL_CLIENTDATA, in);
    el_set(in->el, EL_PROMPT, prompt_of);
    el_set(in->el, EL_EDITOR, "emacs");
    el_set(in->el, EL_HIST, history, in->history);
    el_set(in->el, EL_SIGNAL, 0);
    el_set(in->el, EL_ADDFN, "tarn-paste", "take a paste as a whole", begin_paste);
    el_set(in->el, EL_BIND, "\033[200~", "tarn-paste", NULL);
    el_set(in->el, EL_ADDFN, "tarn-unfold", "show the last thought", end_for_unfold);
    el_set(in->el, EL_BIND, "^O", "tarn-unfold", NULL);
    el_source(in->el, NULL);
    return 0;
}

void input_on_unfold(struct input *in, void (*fn)(void *ctx), void *ctx)
{
    in->on_unfold = fn;
    in->ctx = ctx;
}

void input_close(struct input *in)
{
    if (!in) return;
    HistEvent ev;
    if (in->history && in->history_file) history(in->history, &ev, H_SAVE, in->history_file);
    if (in->history) history_end(in->history);
    if (in->el) el_end(in->el);
    for (int i = 0; i < PASTES; i++) buf_release(&in->paste[i]);
    mem_free(in);
}

/* The line with pastes in place of their marks. */
static void expand(struct input *in, struct span line, struct buf *out)
{
    size_t at = 0;
    for (int i = 0; i < in->n_paste; i++) {
        char mark[64];
        mark_of(in, i, mark, sizeof mark);
        size_t found = span_find(line, at, span_of(mark));
        if (found == (size_t)-1) continue;
        buf_add(out, line.p + at, found - at);
        buf_add(out, in->paste[i].data, in->paste[i].len);
        at = found + strlen(mark);
    }
    buf_add(out, line.p + at, line.n - at);
    in->n_paste = 0;
}

static bool read_plain(struct buf *line)
{
    int c;
    while ((c = getchar()) != EOF && c != '\n') buf_add_char(line, (char)c);
    return c != EOF || line->len > 0;
}

/* A line from libedit, NULL at the end of input; *n its bytes. Ctrl-O may come in between, any number
 * of times: what was typed so far is typed again. */
static const char *edit(struct input *in, const char *preset, struct buf *typed, int *n)
{
    for (;;) {
        in->unfold = false;
        if (preset && *preset) el_push(in->el, preset);
        const char *text = el_gets(in->el, n);
        if (!in->unfold || interrupted) return text;
        buf_clear(typed);
        if (text && *n > 0) buf_add(typed, text, (size_t)*n);
        preset = buf_str(typed);
        fputs("\r\033[K", stdout);
        if (in->on_unfold) in->on_unfold(in->ctx);
    }
}

static bool read_edited(struct input *in, const char *preset, struct buf *line)
{
    int n = 0;
    struct sigaction old, act = {.sa_handler = on_interrupt};
    interrupted = 0;
    sigaction(SIGINT, &act, &old);
    fputs("\033[?2004h", stdout); /* bracketed paste on */
    fflush(stdout);
    struct buf typed;
    buf_init(&typed, LINE_MAX_BYTES);
    const char *text = edit(in, preset, &typed, &n);
    buf_release(&typed);
    fputs("\033[?2004l", stdout);
    fflush(stdout);
    sigaction(SIGINT, &old, NULL);
    if (interrupted) {
        putchar('\n');
        el_set(in->el, EL_PREP_TERM, 0);
        in->n_paste = 0;
        return true;
    }
    if (!text || n <= 0) return false;
    buf_add(line, text, (size_t)n - (text[n - 1] == '\n'));
    HistEvent ev;
    if (line->len) history(in->history, &ev, H_ENTER, buf_str(line));
    return true;
}

bool input_read(struct input *in, const char *prompt, const char *preset, struct buf *out)
{
    struct buf line;
    bool more = true, ok = true;
    buf_init(&line, LINE_MAX_BYTES);
    buf_clear(out);
    for (in->prompt = prompt; more && ok; in->prompt = "  ") {
        buf_clear(&line);
        ok = in->tty ? read_edited(in, preset, &line) : read_plain(&line);
        preset = NULL;
        more = ok && line.len && line.data[line.len - 1] == '\\';
        if (more) line.data[line.len - 1] = '\n';
        expand(in, buf_span(&line), out);
    }
    buf_release(&line);
    return ok || out->len > 0;
}
