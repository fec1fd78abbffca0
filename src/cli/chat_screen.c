#include "cli/chat_screen.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <utf8proc.h>

#include "base/clock.h"
#include "base/utf8.h"
#include "cli/cli.h"

void screen_begin(struct screen *s, bool fold)
{
    struct winsize w;
    *s = (struct screen){.width = 80, .height = 24, .started_ns = clock_ns()};
    const char *term = getenv("TERM");
    s->tty = isatty(STDOUT_FILENO) && !(term && strcmp(term, "dumb") == 0);
    s->fold = fold && s->tty;
    if (s->tty && ioctl(STDOUT_FILENO, TIOCGWINSZ, &w) == 0 && w.ws_col > 0) {
        s->width = w.ws_col;
        s->height = w.ws_row;
    }
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

static void end_thinking(struct screen *s)
{
    if (!s->thinking) return;
    s->thinking = false;
    bool color = s->tty && cli_color();
    if (s->fold) {
        int up = s->rows < s->height - 1 ? s->rows : s->height - 1;
        printf("\r");
        if (up > 0) printf("\033[%dA", up);
        printf("\033[J");
    }
    double secs = ns_to_s(clock_ns() - s->started_ns);
    if (!s->fold) printf("%s\n", color ? "\033[0m" : "");
    printf("%sthought %.*f s, %lld tokens%s\n\n", color ? "\033[0;2m" : "", secs < 10 ? 1 : 0,
           secs, (long long)s->tokens, color ? "\033[0m" : "");
}

void screen_text(struct screen *s, struct span text, bool thinking)
{
    if (thinking) {
        if (!s->thinking && s->tty && cli_color()) fputs("\033[2m", stdout);
        s->thinking = true;
        s->tokens++;
        put(text);
        follow(s, text);
    } else if (text.n) {
        end_thinking(s);
        put(text);
    }
    fflush(stdout);
}

void screen_end(struct screen *s)
{
    end_thinking(s);
    putchar('\n');
    fflush(stdout);
}
