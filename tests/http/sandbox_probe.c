/* sandbox_probe.c - tries what the sandbox must refuse, after the server has closed it. */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "fake_engine.c"
#include "serve/serve.h"

static int bad;

static void must_refuse(const char *what, int rc)
{
    if (rc >= 0 || (errno != EPERM && errno != EACCES)) {
        printf("FAILED: %s was not refused (%s)\n", what, rc >= 0 ? "done" : strerror(errno));
        bad = 1;
    }
}

static void *probe(void *arg)
{
    const struct sockaddr_in sa = {
        .sin_family = AF_INET, .sin_port = htons(80), .sin_addr.s_addr = htonl(0x01010101)};
    char path[512];
    char *const no_args[] = {NULL};
    snprintf(path, sizeof path, "%s/inside", (const char *)arg);
    must_refuse("opening /etc/passwd", open("/etc/passwd", O_RDONLY));
    must_refuse("writing to /tmp", open("/tmp/tarn-probe-outside", O_WRONLY | O_CREAT, 0600));
    must_refuse("opening the home directory", open("/root", O_RDONLY | O_DIRECTORY));
    must_refuse("a TCP socket", socket(AF_INET, SOCK_STREAM, 0));
    must_refuse("a UDP socket", socket(AF_INET, SOCK_DGRAM, 0));
    must_refuse("a Unix socket", socket(AF_UNIX, SOCK_STREAM, 0));
    must_refuse("connecting", connect(0, (const struct sockaddr *)&sa, sizeof sa));
    must_refuse("starting a program", execve("/bin/true", no_args, no_args));
    int fd = open(path, O_WRONLY | O_CREAT, 0600);
    if (fd < 0) {
        printf("FAILED: the state directory is closed too: %s\n", strerror(errno));
        bad = 1;
    }
    return NULL;
}

int main(int argc, char **argv)
{
    char dir[] = "/tmp/tarn-sandbox-XXXXXX";
    struct serve *s;
    struct err e = {0};
    (void)argv;
    if (argc < 2) {
        puts("a program for the HTTP tests; see tests/http");
        return 0;
    }
    if (!mkdtemp(dir)) return 2;
    log_setup(LOG_WARN, false);
    const struct serve_opts o = {
        .sandbox = true, .listen = {"127.0.0.1:0"}, .n_listen = 1, .state_dir = dir};
    const struct serve_model m = {.id = "m"};
    if (serve_open(&s, &o, &m, 1, &e)) {
        printf("FAILED: %s\n", e.msg);
        return 1;
    }
    probe(dir);
    pthread_t t; /* a thread that is started later, as the engine's are */
    if (pthread_create(&t, NULL, probe, dir)) return 2;
    pthread_join(t, NULL);
    struct fake_engine *f = fake_engine_open(&(struct fake_opts){0});
    if (serve_model_ready(s, 0, fake_engine_iface(f), NULL, &e)) bad = 1;
    serve_close(s);
    fake_engine_close(f);
    puts(bad ? "the sandbox leaks" : "the sandbox holds");
    return bad;
}
