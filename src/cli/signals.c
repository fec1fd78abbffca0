#include "cli/signals.h"

#include <signal.h>
#include <stddef.h>

volatile int stop_asked, stop_now;
static volatile int interrupts, patience;

static void on_signal(int sig)
{
    stop_asked = 1;
    if (sig != SIGINT) return;
    if (++interrupts > 1) stop_now = 1;
    if (interrupts >= patience) signal(SIGINT, SIG_DFL);
}

void stop_on_signals(bool has_now)
{
    static const int which[] = {SIGINT, SIGTERM, SIGHUP};
    struct sigaction old, act = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    patience = has_now ? 2 : 1;
    for (size_t i = 0; i < sizeof which / sizeof *which; i++)
        if (sigaction(which[i], NULL, &old) == 0 && old.sa_handler != SIG_IGN)
            sigaction(which[i], &act, NULL);
}
