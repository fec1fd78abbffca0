/* ui.c - terminal manners: colour, progress, sizes. */
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/thread.h"
#include "cli/cli.h"

enum { LINE_EVERY_S = 5, BAR_MAX = 28, BAR_REST = 34 /* label, per cent, time */ };

bool cli_color(void)
{
    const char *no = getenv("NO_COLOR"), *term = getenv("TERM");
    return isatty(STDERR_FILENO) && !(no && *no) && !(term && strcmp(term, "dumb") == 0);
}

int cli_threads(void)
{
    if (cli.threads > 0) return (int)cli.threads;
    const char *env = getenv("TARN_THREADS");
    int64_t n;
    if (env && opt_parse_count(env, &n) && n >= 1 && n <= 256) return (int)n;
    return thread_cores();
}

void cli_progress_begin(struct cli_progress *p, const char *label)
{
    *p = (struct cli_progress){.label = label, .started_ns = clock_ns()};
}

void cli_progress(struct cli_progress *p, uint64_t done, uint64_t total)
{
    int64_t now = clock_ns();
    bool tty = isatty(STDERR_FILENO);
    int64_t every = tty ? 100000000 : (int64_t)LINE_EVERY_S * 1000000000;
    if (now - (p->shown_ns ? p->shown_ns : p->started_ns) < every) return;
    p->shown_ns = now;
    double share = total ? (double)done / (double)total : 0;
    double left = share > 0 ? ns_to_s(now - p->started_ns) * (1 - share) / share : 0;
    if (!tty) {
        fprintf(stderr, "%s: %.0f%%, %.0f s left\n", p->label, share * 100, left);
        return;
    }
    struct winsize w = {.ws_col = 80};
    (void)ioctl(STDERR_FILENO, TIOCGWINSZ, &w);
    int n = w.ws_col >= BAR_REST + BAR_MAX ? BAR_MAX
            : w.ws_col > BAR_REST          ? w.ws_col - BAR_REST
                                           : 0;
    char bar[BAR_MAX + 1];
    for (int i = 0; i < n; i++) bar[i] = (double)i < share * n ? '#' : '-';
    bar[n] = 0;
    fprintf(stderr, "\r%.12s %s%s%s %3.0f%% %4.0f s left ", p->label, n ? "[" : "", bar,
            n ? "]" : "", share * 100, left);
}

void cli_progress_end(struct cli_progress *p)
{
    if (p->shown_ns && isatty(STDERR_FILENO)) fputs("\r\033[K", stderr);
}

const char *cli_bytes(uint64_t n, char out[32])
{
    static const char *const unit[] = {"B", "kB", "MB", "GB", "TB"};
    double v = (double)n;
    size_t u = 0;
    while (v >= 999.5 && u + 1 < countof(unit)) {
        v /= 1000;
        u++;
    }
    snprintf(out, 32,
             u && v < 9.995   ? "%.2f %s"
             : u && v < 99.95 ? "%.1f %s"
                              : "%.0f %s",
             v, unit[u]);
    return out;
}
