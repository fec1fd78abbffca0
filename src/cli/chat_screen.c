#include "cli/chat_screen.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <utf8proc.h>

#include "base/clock.h"
#include "base/utf8.h"
#include "cli/chat_markdown.h"
#include "cli/cli.h"

enum { ANSWER_MAX = 64 << 20 };

static const int64_t READING_EVERY_NS = 200000000;

static void measure(struct screen *s)
{
    struct winsize w;
    if (!s->tty || ioctl(STDOUT_FILENO, TIOCGWINSZ, &w) != 0 || w.ws_col == 0) return;
    s->width = w.ws_col;
    s->height = w.ws_row;
}

void screen_begin(struct screen *s, bool fold, bool markdown)
{
    *s = (struct screen){.width = 80, .height = 24, .started_ns = clock_ns()};
    const char *term = getenv("TERM");
    s->tty = isatty(STDOUT_FILENO) && !(term && strcmp(term, "dumb") == 0);
    s->fold = fold && s->tty;
    s->markdown = markdown && s->tty;
    buf_init(&s->pending, ANSWER_MAX);
    buf_init(&s->lines, ANSWER_MAX);
    measure(s);
}

/* Moves the remembered cursor as the terminal will move the real one. */
static void follow(struct screen *s, struct span text)
{
    for (size_t i = 0; i < text.n;) {
        size_t len;
        uint32_t cp = utf8_decode(text.p + i, text.n - i, &len);
        i += len;
        if (cp == '\n') {
            s->rows++;
            s->column = 0;
            continue;
        }
        int w = cp == '\t' ? 8 - s->column % 8 : utf8proc_charwidth((utf8proc_int32_t)cp);
        if (w <= 0) continue;
        if (s->column + w > s->width) { /* wide characters do not straddle the edge */
            s->rows++;
            s->column = 0;
        }
        s->column += w;
    }
}

/* Control characters of a model's text must not reach the terminal. */
static void put(struct span text)
{
    size_t from = 0;
    for (size_t i = 0; i < text.n; i++) {
        unsigned char c = (unsigned char)text.p[i];
        bool c1 = c == 0xc2 && i + 1 < text.n && (unsigned char)text.p[i + 1] < 0xa0;
        if ((c >= 0x20 && c != 0x7f && !c1) || c == '\n' || c == '\t') continue;
        fwrite(text.p + from, 1, i - from, stdout);
        from = i + 1 + c1;
        i += c1;
    }
    fwrite(text.p + from, 1, text.n - from, stdout);
}

/* Wipes what was written since the cursor's place was last forgotten. False when a part of it has
 * left the screen; then nothing is wiped. */
static bool wipe(struct screen *s)
{
    if (s->rows + s->counted >= s->height) return false; /* the counter has pushed up a row */
    printf("\r");
    if (s->rows > 0) printf("\033[%dA", s->rows);
    printf("\033[J");
    s->rows = s->column = 0;
    return true;
}

static bool color(const struct screen *s)
{
    return s->tty && cli_color();
}

/* The counter under the thinking: drawn after its last word, with the cursor put back. Where a line
 * is full the cursor hangs behind its last column, a place no sequence leads back to; then the next
 * word draws it. */
static void draw_counter(struct screen *s)
{
    if (!s->fold || s->column >= s->width || s->height < 3) return;
    char text[64];
    snprintf(text, sizeof text, "thinking %.0f s, %lld tokens",
             ns_to_s(clock_ns() - s->started_ns), (long long)s->tokens);
    printf("\n\r%.*s\033[A\033[%dG", s->width - 1, text, s->column + 1);
    s->counter = s->counted = true;
}

static void wipe_counter(struct screen *s)
{
    if (s->counter) fputs("\033[J", stdout);
    s->counter = false;
}

static void end_reading(struct screen *s)
{
    if (s->reading) fputs("\r\033[K", stdout);
    if (s->reading) s->started_ns = clock_ns(); /* thinking begins here */
    s->reading = false;
}

void screen_reading(struct screen *s, int64_t done, int64_t total)
{
    int64_t now = clock_ns(), from = s->shown_ns ? s->shown_ns : s->started_ns;
    if (!s->tty || s->thinking || s->pending.len || now - from < READING_EVERY_NS) return;
    s->shown_ns = now;
    s->reading = true;
    double share = total > 0 ? (double)done / (double)total : 0;
    double left = share > 0 ? ns_to_s(now - s->started_ns) * (1 - share) / share : 0;
    char text[64];
    snprintf(text, sizeof text, "reading %lld of %lld, %.0f s left", (long long)done,
             (long long)total, left);
    printf("\r\033[K%s%.*s%s", color(s) ? "\033[2m" : "", s->width - 1, text,
           color(s) ? "\033[0m" : "");
    fflush(stdout);
}

static void end_thinking(struct screen *s)
{
    if (!s->thinking) return;
    s->thinking = false;
    wipe_counter(s);
    if (s->fold && !wipe(s)) {
        printf("\r\033[%dA\033[J", s->height - 1); /* the upper part is in the scrollback */
        s->rows = s->column = 0;
    }
    s->counted = false;
    double secs = ns_to_s(clock_ns() - s->started_ns);
    if (!s->fold) printf("%s\n", color(s) ? "\033[0m" : "");
    printf("%sthought %.*f s, %lld tokens%s\n\n", color(s) ? "\033[0;2m" : "",
           secs < 10 ? 1 : 0, secs, (long long)s->tokens, color(s) ? "\033[0m" : "");
    s->rows = s->column = 0;
}

/* Whole blocks of the answer in their final form. */
static void settle(struct screen *s, bool at_end)
{
    size_t n;
    while ((n = markdown_block(buf_span(&s->pending), at_end)) > 0) {
        struct span block = {s->pending.data, n};
        measure(s);
        buf_clear(&s->lines);
        markdown_render(block, s->width, color(s), &s->in_list, &s->lines);
        if (buf_ok(&s->lines, "the answer", NULL) == 0 && wipe(s)) {
            fwrite(buf_str(&s->lines), 1, s->lines.len, stdout);
            memmove(s->pending.data, s->pending.data + n, s->pending.len - n);
            s->pending.len -= n;
            put(buf_span(&s->pending));
        } else { /* too tall: it stays as it came, the rest is below it */
            memmove(s->pending.data, s->pending.data + n, s->pending.len - n);
            s->pending.len -= n;
            if (at_end && s->column > 0) putchar('\n');
        }
        s->rows = s->column = 0;
        follow(s, buf_span(&s->pending));
    }
}

void screen_text(struct screen *s, struct span text, bool thinking)
{
    end_reading(s);
    if (thinking) {
        if (!s->thinking && color(s)) fputs("\033[2m", stdout);
        s->thinking = true;
        s->tokens++;
        wipe_counter(s);
        put(text);
        follow(s, text);
        draw_counter(s);
    } else if (text.n) {
        end_thinking(s);
        put(text);
        follow(s, text);
        if (s->markdown) {
            buf_add_span(&s->pending, text);
            if (memchr(text.p, '\n', text.n)) settle(s, false);
        }
    }
    fflush(stdout);
}

void screen_end(struct screen *s)
{
    end_reading(s);
    end_thinking(s);
    bool any = s->pending.len > 0;
    if (s->markdown) settle(s, true);
    if (!any || !s->markdown) putchar('\n');
    fflush(stdout);
    buf_release(&s->pending);
    buf_release(&s->lines);
}

void screen_thought(struct span text)
{
    bool dim = isatty(STDOUT_FILENO) && cli_color();
    while (text.n && (text.p[text.n - 1] == '\n' || text.p[text.n - 1] == ' ')) text.n--;
    if (dim) fputs("\033[2m", stdout);
    put(text);
    printf("%s\n\n", dim ? "\033[0m" : "");
    fflush(stdout);
}

/* OSC 52 of xterm's control sequences: the terminal takes base64 (RFC 4648) for its clipboard. */
void screen_copy(struct span text)
{
    static const char digit[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    fputs("\033]52;c;", stdout);
    for (size_t i = 0; i < text.n; i += 3) {
        size_t have = text.n - i < 3 ? text.n - i : 3;
        uint32_t v = 0;
        for (size_t k = 0; k < 3; k++)
            v = v << 8 | (k < have ? (unsigned char)text.p[i + k] : 0U);
        for (size_t k = 0; k < 4; k++) putchar(k <= have ? digit[v >> (18 - 6 * k) & 63] : '=');
    }
    putchar('\a');
    fflush(stdout);
}
