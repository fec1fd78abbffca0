/* openapi.c - the OpenAPI 3.1 document, written from the route table and the field tables that
 * the server itself runs on, so it says what the server does. */
#include <math.h>
#include <stdio.h>

#include "serve/router.h"
#include "serve/serve.h"

static void write_field(const struct field *f, struct buf *out)
{
    static const char *const types[] = {
        [FT_BOOL] = "boolean", [FT_INT] = "integer", [FT_NUM] = "number", [FT_STR] = "string",
        [FT_OBJ] = "object",   [FT_ARR] = "array",   [FT_ANY] = NULL};
    static const char *const policy[] = {
        [FP_HONOUR] = "", [FP_IGNORE] = "Accepted and ignored: ", [FP_REJECT] = "Rejected: "};
    buf_add_json(out, span_of(f->name));
    buf_add_str(out, ":{");
    if (types[f->type] && f->policy == FP_HONOUR)
        buf_printf(out, "\"type\":\"%s\",", types[f->type]);
    if (f->policy == FP_HONOUR && (f->type == FT_INT || f->type == FT_NUM) &&
        fabs(f->hi) < 1e15)
        buf_printf(out, "\"%s\":%.17g,\"maximum\":%.17g,",
                   f->lo_open ? "exclusiveMinimum" : "minimum", f->lo, f->hi);
    char doc[256];
    snprintf(doc, sizeof doc, "%s%s", policy[f->policy], f->doc);
    buf_add_str(out, "\"description\":");
    buf_add_json(out, span_of(doc));
    buf_add_char(out, '}');
}

static void write_body(const struct body_table *t, struct buf *out)
{
    bool any = false;
    buf_add_str(out, ",\"requestBody\":{\"required\":true,\"content\":{\"application/json\":{"
                     "\"schema\":{\"type\":\"object\",\"properties\":{");
    for (size_t i = 0; i < t->n; i++) {
        if (i) buf_add_str(out, ",\n");
        write_field(&t->field[i], out);
    }
    buf_add_str(out, "},\"required\":[");
    for (size_t i = 0; i < t->n; i++) {
        if (!t->field[i].required) continue;
        if (any) buf_add_char(out, ',');
        buf_add_json(out, span_of(t->field[i].name));
        any = true;
    }
    buf_add_str(out, "]}}}}");
}

static void write_operation(const struct route *rt, struct span path, struct buf *out)
{
    static const char *const methods[] = {
        [HTTP_GET] = "get",    [HTTP_HEAD] = "head",     [HTTP_POST] = "post",
        [HTTP_PUT] = "put",    [HTTP_DELETE] = "delete", [HTTP_OPTIONS] = "options",
        [HTTP_OTHER] = "trace"};
    buf_printf(out, "\"%s\":{\"summary\":", methods[rt->method]);
    buf_add_json(out, span_of(rt->doc));
    if (path.n && path.p[path.n - 1] == '*')
        buf_add_str(out, ",\"parameters\":[{\"name\":\"id\",\"in\":\"path\",\"required\":true,"
                         "\"schema\":{\"type\":\"string\"}}]");
    if (rt->auth == AUTH_NONE) buf_add_str(out, ",\"security\":[]");
    if (rt->body)
        write_body(rt->body, out);
    else if (rt->method == HTTP_POST || rt->method == HTTP_PUT)
        buf_add_str(out, ",\"requestBody\":{\"content\":{\"application/json\":{\"schema\":{"
                         "\"type\":\"object\"}}}}");
    buf_add_str(out,
                ",\"responses\":{\"200\":{\"description\":\"Done\"},\"default\":{"
                "\"description\":\"An error object that names the JSON path at fault\"}}}");
}

/* Writes one path with every method that has it, once. */
static void write_path(struct span path, struct buf *out)
{
    bool any = false;
    buf_add_char(out, '"');
    for (size_t i = 0; i < path.n; i++) {
        if (path.p[i] == '*')
            buf_add_str(out, "{id}");
        else
            buf_add_char(out, path.p[i]);
    }
    buf_add_str(out, "\":{");
    for (size_t i = 0; i < n_routes; i++) {
        for (const char *p = routes[i].paths; *p; p += strspn(p, " ")) {
            struct span one = {p, strcspn(p, " ")};
            p += one.n;
            if (!span_eq(one, path)) continue;
            if (any) buf_add_str(out, ",\n");
            write_operation(&routes[i], path, out);
            any = true;
        }
    }
    buf_add_char(out, '}');
}

static bool seen_before(size_t route, const char *at, struct span path)
{
    for (size_t i = 0; i <= route; i++) {
        for (const char *p = routes[i].paths; *p; p += strspn(p, " ")) {
            if (i == route && p >= at) return false;
            struct span one = {p, strcspn(p, " ")};
            p += one.n;
            if (span_eq(one, path)) return true;
        }
    }
    return false;
}

void serve_openapi(const char *version, struct buf *out)
{
    bool any = false;
    buf_add_str(out, "{\"openapi\":\"3.1.0\",\"info\":{\"title\":\"tarn\",\"version\":");
    buf_add_json(out, span_of(version));
    buf_add_str(
        out, ",\"description\":\"Inference server for reasoning models: chat completions, text "
             "completions, Responses, Anthropic Messages, token utilities, metering.\"},"
             "\"components\":{\"securitySchemes\":{\"key\":{\"type\":\"http\",\"scheme\":"
             "\"bearer\"}}},\"security\":[{\"key\":[]}],\n\"paths\":{");
    for (size_t i = 0; i < n_routes; i++) {
        for (const char *p = routes[i].paths; *p; p += strspn(p, " ")) {
            struct span path = {p, strcspn(p, " ")};
            if (!seen_before(i, p, path)) {
                buf_add_str(out, any ? ",\n" : "\n");
                write_path(path, out);
                any = true;
            }
            p += path.n;
        }
    }
    buf_add_str(out, "}}\n");
}
