/* signals.h - a long run that is asked to end: by Ctrl-C, by a service manager, by a closed terminal.
 *
 * SIGINT, SIGTERM and SIGHUP ask: the run ends its present step, saves, and says so. Repeated SIGTERM
 * and SIGHUP ask for nothing more: senders often reach a group and its members. Ctrl-C again asks to end
 * without finishing the step where the run has such a way (stop_now), and one more is the system's
 * own end. A signal that was ignored when the program began (nohup, a shell's background) stays
 * ignored.
 *
 * Threads: stop_on_signals is called once, early, before anything that takes time.
 */
#ifndef CLI_SIGNALS_H
#define CLI_SIGNALS_H

#include <stdbool.h>

extern volatile int stop_asked; /* end after this step */
extern volatile int stop_now;   /* leave this step */

/* has_now: the run looks at stop_now; without it the second Ctrl-C is the system's own end. */
void stop_on_signals(bool has_now);

#endif
