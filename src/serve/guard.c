#include "serve/guard.h"

#include <stdio.h>
#include <strings.h>

#include "serve/api_err.h"
#include "serve/listen.h"
#include "serve/serve_int.h"

/* The name part of "name:port" or "[::1]:port". */
static struct span host_name(struct span host)
{
    if (host.n && host.p[0] == '[') {
        for (size_t i = 0; i < host.n; i++)
            if (host.p[i] == ']') return (struct span){host.p, i + 1};
        return host;
    }
    for (size_t i = 0; i < host.n; i++)
        if (host.p[i] == ':') return (struct span){host.p, i};
    return host;
}

static bool same(struct span a, const char *b)
{
    return a.n == strlen(b) && strncasecmp(a.p, b, a.n) == 0;
}

static bool listed(const char *list, struct span name)
{
    for (const char *p = list ? list : ""; *p;) {
        size_t n = strcspn(p, " ");
        if (n == name.n && strncasecmp(p, name.p, n) == 0) return true;
        p += n;
        p += strspn(p, " ");
    }
    return false;
}

static bool host_allowed(const struct serve *s, struct span host)
{
    struct span name = host_name(host);
    if (same(name, "localhost") || same(name, "127.0.0.1") || same(name, "[::1]")) return true;
    if (name.n > 4 && strncmp(name.p, "127.", 4) == 0 &&
        strspn(name.p, "0123456789.") >= name.n)
        return true;
    return listed(s->o.hosts, name) || listed(s->o.hosts, host);
}

/* "http://host:port" of this very server, as the request names it. */
static bool same_origin(struct span origin, struct span host)
{
    struct span rest = origin;
    if (span_starts(origin, "http://"))
        rest = (struct span){origin.p + 7, origin.n - 7};
    else if (span_starts(origin, "https://"))
        rest = (struct span){origin.p + 8, origin.n - 8};
    else
        return false;
    return rest.n == host.n && strncasecmp(rest.p, host.p, host.n) == 0;
}

static void allow(struct http_req *r, struct span origin)
{
    char copy[256];
    snprintf(copy, sizeof copy, "%.*s", (int)origin.n, origin.p);
    http_set_header(r, "Access-Control-Allow-Origin", copy);
    http_set_header(r, "Vary", "Origin");
    http_set_header(r, "Access-Control-Expose-Headers", "x-request-id, retry-after");
    if (http_method(r) != HTTP_OPTIONS) return;
    struct span want = http_header(r, "Access-Control-Request-Headers");
    char headers[512];
    if (want.n && want.n < sizeof headers)
        snprintf(headers, sizeof headers, "%.*s", (int)want.n, want.p);
    else
        snprintf(headers, sizeof headers,
                 "authorization, content-type, x-api-key, anthropic-version, anthropic-beta, "
                 "anthropic-dangerous-direct-browser-access");
    http_set_header(r, "Access-Control-Allow-Headers", headers);
    http_set_header(r, "Access-Control-Allow-Methods", "GET, POST, PUT, DELETE, OPTIONS");
    http_set_header(r, "Access-Control-Max-Age", "600");
}

int guard_check(struct serve *s, struct http_req *r, struct api_err *a)
{
    struct span host = http_header(r, "Host"), origin = http_header(r, "Origin");
    if (s->only_local && host.n && !host_allowed(s, host))
        return api_fail(
            a, 403, NULL, NULL,
            "Host '%.*s' is not a name of this server; it listens on this machine only "
            "and answers to localhost, 127.0.0.1 and [::1] (option --host-name adds one)",
            (int)(host.n < 100 ? host.n : 100), host.p);
    if (!origin.n || same_origin(origin, host)) return 0;
    if (origin.n < 250 && listed(s->o.origins, origin)) {
        allow(r, origin);
        return 0;
    }
    enum http_method m = http_method(r);
    if (m == HTTP_GET || m == HTTP_HEAD || m == HTTP_OPTIONS)
        return 0; /* without CORS headers */
    return api_fail(
        a, 403, NULL, NULL,
        "requests from web pages of %.*s are not allowed (option --origin adds one)",
        (int)(origin.n < 100 ? origin.n : 100), origin.p);
}
