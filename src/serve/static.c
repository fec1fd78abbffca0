#include "serve/static.h"

#include <strings.h>

#include "serve/router.h"
#include "serve/serve_int.h"

/* Everything from here and nothing inline; markup reaches the document through two named policies. */
static const char policy[] =
    "default-src 'self'; connect-src 'self'; img-src 'self' data:; style-src 'self'; "
    "font-src 'self'; object-src 'none'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'; require-trusted-types-for 'script'; "
    "trusted-types dompurify tarn";

static const char empty_page[] =
    "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>tarn</title>"
    "<meta name=\"viewport\" content=\"width=device-width\"><body><h1>tarn</h1><p>The API "
    "answers here; "
    "this build has no chat page. See <a "
    "href=\"/openapi.json\">/openapi.json</a>.</body></html>\n";

static const struct static_file *find(struct span path)
{
    for (size_t i = 0; i < n_static_files; i++)
        if (span_is(path, static_files[i].path)) return &static_files[i];
    return NULL;
}

/* A word of a comma-separated list, without ";q=0". */
static bool accepts(struct span list, const char *coding)
{
    size_t at = span_find(list, 0, span_of(coding));
    if (at == (size_t)-1) return false;
    struct span rest = {list.p + at + strlen(coding), list.n - at - strlen(coding)};
    return !(span_starts(rest, ";q=0") &&
             (rest.n == 4 || rest.p[4] == ',' || rest.p[4] == ' '));
}

static void send_file(struct http_req *r, const struct static_file *f)
{
    struct span accept = http_header(r, "Accept-Encoding"),
                match = http_header(r, "If-None-Match");
    struct span body = {(const char *)f->plain, f->n_plain};
    http_set_header(r, "ETag", f->etag);
    http_set_header(r, "Vary", "Accept-Encoding");
    http_set_header(r, "Cache-Control",
                    f->hashed ? "public, max-age=31536000, immutable" : "no-cache");
    if (match.n && span_is(match, f->etag)) {
        http_reply(r, 304, NULL, (struct span){"", 0});
        return;
    }
    if (f->brotli && accepts(accept, "br")) {
        http_set_header(r, "Content-Encoding", "br");
        body = (struct span){(const char *)f->brotli, f->n_brotli};
    } else if (f->gzip && accepts(accept, "gzip")) {
        http_set_header(r, "Content-Encoding", "gzip");
        body = (struct span){(const char *)f->gzip, f->n_gzip};
    }
    http_reply_static(r, 200, f->type, body);
}

void api_static(struct serve *s, struct http_req *r, const struct caller *c)
{
    struct api_err a;
    struct span path = http_path(r);
    (void)s;
    (void)c;
    http_set_header(r, "Content-Security-Policy", policy);
    http_set_header(r, "X-Content-Type-Options", "nosniff");
    http_set_header(r, "Referrer-Policy", "no-referrer");
    http_set_header(r, "Cross-Origin-Opener-Policy", "same-origin");
    if (span_is(path, "/")) path = span_of("/index.html");
    const struct static_file *f = find(path);
    if (f) {
        send_file(r, f);
    } else if (span_is(path, "/index.html")) {
        http_reply_static(r, 200, "text/html; charset=utf-8", span_of(empty_page));
    } else {
        api_fail(&a, 404, "unknown_url", NULL, "there is nothing at %.*s; see /openapi.json",
                 (int)(path.n < 200 ? path.n : 200), path.p);
        api_err_reply(r, &a, STYLE_OPENAI);
    }
}
