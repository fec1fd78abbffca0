#include "base/log.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"

static _Atomic int max_level = LOG_WARN;
static _Atomic bool json_lines;

static const char *const level_name[] = {"error", "warn", "info", "debug", "trace"};

void log_setup(enum log_level max, bool as_json)
{
    atomic_store(&max_level, (int)max);
    atomic_store(&json_lines, as_json);
}

bool log_enabled(enum log_level level)
{
    return (int)level <= atomic_load_explicit(&max_level, memory_order_relaxed);
}

void log_event(enum log_level level, const char *part, const char *fmt, ...)
{
    if (!log_enabled(level)) return;
    char msg[1024], when[24];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(msg, sizeof msg, fmt, ap);
    va_end(ap);
    clock_iso8601(clock_wall_ms(), when);
    struct buf b;
    buf_init(&b, 8192);
    if (atomic_load(&json_lines)) {
        buf_printf(&b, "{\"time\":\"%s\",\"level\":\"%s\",\"part\":\"%s\",\"msg\":", when,
                   level_name[level], part);
        buf_add_json(&b, span_of(msg));
        buf_add_str(&b, "}\n");
    } else {
        for (char *p = msg; *p; p++)
            if ((unsigned char)*p < 0x20) *p = '?';
        buf_printf(&b, "%s %-5s %s: %s\n", when, level_name[level], part, msg);
    }
    if (!b.failed) {
        ssize_t n = write(STDERR_FILENO, b.data, b.len);
        (void)n; /* nobody is left to be told */
    }
    buf_release(&b);
}
