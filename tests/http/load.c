/* load.c - many streams at once against the fake server on this machine: delay from the making of
 * a token to its arrival here, and the server's memory.
 *   load PORT STREAMS TOKENS DELAY_MS SERVER_PID
 * Each token's text is the time it was made (fake_engine.h, [[stamp:N]]). Without arguments it only
 * says so, because the test runner starts every program once. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"

enum { MAX_STREAMS = 2000, MAX_SAMPLES = 4 << 20, LIMIT_S = 60 };

struct stream {
    int fd;
    uint64_t digits; /* a run of digits that is not over yet */
    int n_digits, tail;
    int done;
};

static struct stream streams[MAX_STREAMS];
static double *sample;
static size_t n_sample;

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void end_run(struct stream *s, int64_t now, int64_t start)
{
    int64_t t = (int64_t)s->digits;
    if (s->n_digits >= 10 && s->n_digits < 19 && t >= start && t <= now &&
        n_sample < MAX_SAMPLES)
        sample[n_sample++] = (double)(now - t) * 1e-6;
    s->digits = 0;
    s->n_digits = 0;
}

static void take(struct stream *s, const char *p, ssize_t n, int64_t now, int64_t start)
{
    static const char mark[] = "[DONE]";
    for (ssize_t i = 0; i < n; i++) {
        if (p[i] >= '0' && p[i] <= '9') {
            if (s->n_digits++ < 19) s->digits = s->digits * 10 + (uint64_t)(p[i] - '0');
        } else if (s->n_digits) {
            end_run(s, now, start);
        }
        s->tail = p[i] == mark[s->tail] ? s->tail + 1 : p[i] == '[';
        if (s->tail == 6) {
            s->done = 1;
            s->tail = 0;
        }
    }
}

static long memory_kib(const char *pid)
{
    char path[64], line[256];
    long kib = -1;
    snprintf(path, sizeof path, "/proc/%s/status", pid);
    FILE *f = fopen(path, "r");
    while (f && fgets(line, sizeof line, f)) sscanf(line, "VmRSS: %ld", &kib);
    if (f) fclose(f);
    return kib;
}

static int open_stream(int port, int tokens, double delay_ms)
{
    struct sockaddr_in sa = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    char body[256], head[512];
    sa.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&sa, sizeof sa)) return -1;
    int nb = snprintf(
        body, sizeof body,
        "{\"model\":\"local-r1\",\"stream\":true,\"max_tokens\":30000,\"messages\":[{\"role\":"
        "\"user\",\"content\":\"[[think:a]][[stamp:%d]][[delay:%g]]\"}]}",
        tokens, delay_ms);
    int n = snprintf(head, sizeof head,
                     "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: "
                     "application/json\r\nContent-Length: %d\r\n\r\n%s",
                     nb, body);
    return write(fd, head, (size_t)n) == n ? fd : -1;
}

int main(int argc, char **argv)
{
    if (argc < 6) {
        puts("a program for the HTTP tests; see tests/http");
        return 0;
    }
    int port = atoi(argv[1]), n = atoi(argv[2]), tokens = atoi(argv[3]), left = 0;
    double delay = strtod(argv[4], NULL);
    sample = malloc(MAX_SAMPLES * sizeof *sample);
    int ep = epoll_create1(0);
    if (!sample || n > MAX_STREAMS) return 2;
    int64_t start = clock_ns(), stop = start + (int64_t)LIMIT_S * 1000000000;
    for (int i = 0; i < n; i++) {
        streams[i].fd = open_stream(port, tokens, delay);
        if (streams[i].fd < 0) {
            fprintf(stderr, "stream %d could not be opened\n", i);
            return 1;
        }
        struct epoll_event ev = {.events = EPOLLIN, .data.u32 = (uint32_t)i};
        epoll_ctl(ep, EPOLL_CTL_ADD, streams[i].fd, &ev);
        left++;
    }
    long most = 0;
    int64_t next_look = 0;
    while (left && clock_ns() < stop) {
        struct epoll_event ev[256];
        char buf[65536];
        int k = epoll_wait(ep, ev, 256, 100);
        int64_t now = clock_ns();
        for (int i = 0; i < k; i++) {
            struct stream *s = &streams[ev[i].data.u32];
            ssize_t got = read(s->fd, buf, sizeof buf);
            if (got > 0) take(s, buf, got, now, start);
            if (got > 0 && !s->done) continue;
            close(s->fd);
            left--;
        }
        if (now < next_look) continue;
        next_look = now + 200000000;
        long kib = memory_kib(argv[5]);
        if (kib > most) most = kib;
    }
    qsort(sample, n_sample, sizeof *sample, by_size);
    if (!n_sample) return 1;
    double p50 = sample[n_sample / 2], p99 = sample[n_sample * 99 / 100];
    printf("%d streams, %zu tokens: delay p50 %.2f ms, p99 %.2f ms, most %.2f ms; server "
           "memory %.1f MB; "
           "%d streams cut\n",
           n, n_sample, p50, p99, sample[n_sample - 1], (double)most / 1024.0, left);
    return left || n_sample < (size_t)n * (size_t)tokens * 99 / 100;
}
