/* browser.h - shows an address in the reader's browser, from a server that may start no program.
 *
 * The sandbox refuses programs and connections, so a small process is made before it closes. It waits
 * for the address and then becomes xdg-open; when the server ends first, or never says an address,
 * it ends too. Without a display there is no such process. Nothing here can fail the server.
 */
#ifndef CLI_BROWSER_H
#define CLI_BROWSER_H

struct browser {
    int to; /* -1: none */
};

/* Before any thread is started. */
void browser_prepare(struct browser *b);
/* At most once. */
void browser_show(struct browser *b, const char *url);
void browser_drop(struct browser *b);

#endif
