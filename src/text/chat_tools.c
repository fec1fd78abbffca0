/* chat_tools.c - how each family is told of its tools, and how past calls are written.
 *
 * The wording is protocol: the models were trained on it. V3 and R1 have no published form for
 * declaring tools; theirs here is V3.1's text around V3's call format.
 *
 * Arguments are written as they stand, not reformatted: a call the model has made before must
 * come back as the same tokens, or the prompt cache is lost.
 */
#include "base/err.h"
#include "text/chat_int.h"
#include "text/json_text.h"

/* The function object of a tool, which may be given bare. */
static struct span function_of(struct span tool)
{
    struct span f;
    return json_text_get(tool, "function", &f) ? f : tool;
}

int chat_check_tools(const struct chat_opts *o, struct err *e)
{
    for (size_t i = 0; i < o->n_tool; i++) {
        struct span name;
        bool ok = json_text_check_object(o->tool[i]) &&
                  json_text_check_object(function_of(o->tool[i])) &&
                  json_text_get(function_of(o->tool[i]), "name", &name) && name.n > 2 &&
                  name.p[0] == '"';
        if (!ok)
            return err_set(e, ERR_FORMAT, "tool %zu is not a JSON object with a function name",
                           i + 1);
    }
    return 0;
}

static void put_json(struct chat_ctx *c, struct span json, int indent)
{
    struct buf b;
    buf_init(&b, 8 * json.n * (size_t)(1 + indent) + 64);
    json_text_respace(json, indent, &b);
    chat_put(c, buf_span(&b));
    c->p->text.failed |= b.failed;
    buf_release(&b);
}

/* A member as text: a string without its quotes, anything else as JSON. */
static void put_member(struct chat_ctx *c, struct span object, const char *key)
{
    struct span v;
    if (!json_text_get(object, key, &v)) return;
    if (v.p[0] != '"') {
        put_json(c, v, 0);
        return;
    }
    struct buf b;
    buf_init(&b, v.n + 1);
    json_text_unquote(v, &b);
    chat_put(c, buf_span(&b));
    c->p->text.failed |= b.failed;
    buf_release(&b);
}

/* ---- declarations ------------------------------------------------------------------------ */

/* clang-format off */
#define WHERE                                                                                   \
    "\n\nWhere:\n"                                                                              \
    "- `tool_call_name` must be an exact match to one of the available tools\n"                 \
    "- `tool_call_arguments` must be valid JSON that strictly follows the tool's Parameters Schema\n"

static const char format_v31[] =
    "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>tool_call_name<｜tool▁sep｜>tool_call_arguments"
    "<｜tool▁call▁end｜>{{additional_tool_calls}}<｜tool▁calls▁end｜>"
    WHERE
    "- For multiple tool calls, chain them directly without separators or spaces\n";

static const char format_v3[] =
    "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>tool_call_name\n"
    "```json\ntool_call_arguments\n```"
    "<｜tool▁call▁end｜>{{additional_tool_calls}}<｜tool▁calls▁end｜>"
    WHERE
    "- For multiple tool calls, put each on a new line\n";

static const char dsml_head[] =
    "## Tools\n\n"
    "You have access to a set of tools you can use to answer the user's question.\n"
    "You can invoke functions by writing a \"<｜DSML｜function_calls>\" block like the following "
    "as part of your reply to the user:\n"
    "<｜DSML｜function_calls>\n"
    "<｜DSML｜invoke name=\"$FUNCTION_NAME\">\n"
    "<｜DSML｜parameter name=\"$PARAMETER_NAME\" string=\"true|false\">$PARAMETER_VALUE"
    "</｜DSML｜parameter>\n"
    "...\n"
    "</｜DSML｜invoke>\n"
    "<｜DSML｜invoke name=\"$FUNCTION_NAME2\">\n"
    "...\n"
    "</｜DSML｜invoke>\n"
    "</｜DSML｜function_calls>\n\n"
    "String and scalar parameters should be specified as is without any escaping or quotes, while "
    "lists and objects should use JSON format. The \"string\" attribute should be set to \"true\" "
    "for string type parameters and \"false\" for other types (numbers, booleans, arrays, "
    "objects).\n\n"
    "If the thinking_mode is enabled, then after function results you should strongly consider "
    "outputting a thinking block. Here is an example:\n\n"
    "<｜DSML｜function_calls>\n...\n</｜DSML｜function_calls>\n\n"
    "<function_results>\n...\n</function_results>\n\n"
    "<think>...thinking about results</think>\n\n"
    "Here are the functions available in JSONSchema format:\n<functions>\n";

static const char dsml_v4_head[] =
    "## Tools\n\n"
    "You have access to a set of tools to help answer the user's question. You can invoke tools by "
    "writing a \"<｜DSML｜tool_calls>\" block like the following:\n\n"
    "<｜DSML｜tool_calls>\n"
    "<｜DSML｜invoke name=\"$TOOL_NAME\">\n"
    "<｜DSML｜parameter name=\"$PARAMETER_NAME\" string=\"true|false\">$PARAMETER_VALUE"
    "</｜DSML｜parameter>\n"
    "...\n"
    "</｜DSML｜invoke>\n"
    "<｜DSML｜invoke name=\"$TOOL_NAME2\">\n"
    "...\n"
    "</｜DSML｜invoke>\n"
    "</｜DSML｜tool_calls>\n\n"
    "String parameters should be specified as is and set `string=\"true\"`. For all other types "
    "(numbers, booleans, arrays, objects), pass the value in JSON format and set "
    "`string=\"false\"`.\n\n"
    "If thinking_mode is enabled (triggered by <think>), you MUST output your complete reasoning "
    "inside <think>...</think> BEFORE any tool calls or final response.\n\n"
    "Otherwise, output directly after </think> with tool calls or final response.\n\n"
    "### Available Tool Schemas\n\n";

static const char dsml_v4_tail[] =
    "\n\nYou MUST strictly follow the above defined tool name and parameter schemas to invoke tool "
    "calls.\n";

static const char qwen_head[] =
    "# Tools\n\n"
    "You may call one or more functions to assist with the user query.\n\n"
    "You are provided with function signatures within <tools></tools> XML tags:\n"
    "<tools>";

static const char qwen_tail[] =
    "\n</tools>\n\n"
    "For each function call, return a json object with function name and arguments within "
    "<tool_call></tool_call> XML tags:\n"
    "<tool_call>\n"
    "{\"name\": <function-name>, \"arguments\": <args-json-object>}\n"
    "</tool_call>";

static const char llama3_head[] =
    "Given the following functions, please respond with a JSON for a function call with its proper "
    "arguments that best answers the given prompt.\n\n"
    "Respond in the format {\"name\": function name, \"parameters\": dictionary of argument name and "
    "its value}.Do not use variables.\n\n";
/* clang-format on */

static void tools_by_name(struct chat_ctx *c, const char *format)
{
    chat_lit(c, "## Tools\nYou have access to the following tools:\n\n");
    for (size_t i = 0; i < c->o->n_tool; i++) {
        struct span f = function_of(c->o->tool[i]);
        chat_lit(c, "### ");
        put_member(c, f, "name");
        chat_lit(c, "\nDescription: ");
        put_member(c, f, "description");
        chat_lit(c, "\n\nParameters: ");
        put_member(c, f, "parameters");
        chat_lit(c, "\n\n");
    }
    chat_lit(c, "IMPORTANT: ALWAYS adhere to this exact format for tool use:\n");
    chat_lit(c, format);
}

void chat_tools_v31(struct chat_ctx *c)
{
    tools_by_name(c, format_v31);
}

void chat_tools_v3(struct chat_ctx *c)
{
    tools_by_name(c, format_v3);
}

static void put_schemas(struct chat_ctx *c)
{
    for (size_t i = 0; i < c->o->n_tool; i++) {
        if (i) chat_lit(c, "\n");
        put_json(c, function_of(c->o->tool[i]), 0);
    }
}

void chat_tools_dsml(struct chat_ctx *c)
{
    chat_lit(c, dsml_head);
    put_schemas(c);
    chat_lit(c, "\n</functions>\n");
}

void chat_tools_dsml_v4(struct chat_ctx *c)
{
    chat_lit(c, dsml_v4_head);
    put_schemas(c);
    chat_lit(c, dsml_v4_tail);
}

/* A whole tool object, put around a function that came bare. */
static void put_tool(struct chat_ctx *c, struct span tool, int indent)
{
    struct span f;
    if (json_text_get(tool, "function", &f)) {
        put_json(c, tool, indent);
        return;
    }
    struct buf b;
    buf_init(&b, tool.n + 64);
    buf_add_str(&b, "{\"type\": \"function\", \"function\": ");
    buf_add_span(&b, tool);
    buf_add_str(&b, "}");
    put_json(c, buf_span(&b), indent);
    c->p->text.failed |= b.failed;
    buf_release(&b);
}

void chat_tools_qwen(struct chat_ctx *c)
{
    chat_lit(c, qwen_head);
    for (size_t i = 0; i < c->o->n_tool; i++) {
        chat_lit(c, "\n");
        put_tool(c, c->o->tool[i], 0);
    }
    chat_lit(c, qwen_tail);
}

void chat_tools_llama3(struct chat_ctx *c)
{
    chat_lit(c, llama3_head);
    for (size_t i = 0; i < c->o->n_tool; i++) {
        put_tool(c, c->o->tool[i], 4);
        chat_lit(c, "\n\n");
    }
}

/* ---- past calls -------------------------------------------------------------------------- */

void chat_calls_v3(struct chat_ctx *c, const struct chat_msg *m)
{
    chat_lit(c, MARK_CALLS);
    for (size_t k = 0; k < m->n_call; k++) {
        chat_lit(c, k ? "\n" MARK_CALL "function" MARK_TOOL_SEP
                      : MARK_CALL "function" MARK_TOOL_SEP);
        chat_put(c, m->call[k].name);
        chat_lit(c, "\n```json\n");
        chat_put(c, m->call[k].arguments);
        chat_lit(c, "\n```" MARK_CALL_END);
    }
    chat_lit(c, MARK_CALLS_END);
}

void chat_calls_v31(struct chat_ctx *c, const struct chat_msg *m)
{
    chat_lit(c, MARK_CALLS);
    for (size_t k = 0; k < m->n_call; k++) {
        chat_lit(c, MARK_CALL);
        chat_put(c, m->call[k].name);
        chat_lit(c, MARK_TOOL_SEP);
        chat_put(c, m->call[k].arguments);
        chat_lit(c, MARK_CALL_END);
    }
    chat_lit(c, MARK_CALLS_END);
}

static void put_parameter(struct chat_ctx *c, struct span key, struct span value,
                          bool is_string)
{
    chat_lit(c, "<" MARK_DSML "parameter name=\"");
    chat_put(c, key);
    chat_lit(c, is_string ? "\" string=\"true\">" : "\" string=\"false\">");
    chat_put(c, value);
    chat_lit(c, "</" MARK_DSML "parameter>\n");
}

/* What is not an object becomes one parameter named "arguments", as the model's encoder does it. */
static void put_arguments_dsml(struct chat_ctx *c, struct span args)
{
    struct span k, v;
    struct buf key, text;
    if (!json_text_check_object(args)) {
        put_parameter(c, span_of("arguments"), args, true);
        return;
    }
    buf_init(&key, args.n);
    buf_init(&text, args.n);
    for (size_t at = 0; json_text_member(args, &at, &k, &v);) {
        bool is_string = v.p[0] == '"';
        buf_clear(&key);
        buf_clear(&text);
        json_text_unquote(k, &key);
        if (is_string) json_text_unquote(v, &text);
        put_parameter(c, buf_span(&key), is_string ? buf_span(&text) : v, is_string);
        c->p->text.failed |= key.failed || text.failed;
    }
    buf_release(&key);
    buf_release(&text);
}

void chat_calls_dsml(struct chat_ctx *c, const struct chat_msg *m, const char *block)
{
    chat_lit(c, "\n\n<" MARK_DSML);
    chat_lit(c, block);
    chat_lit(c, ">\n");
    for (size_t k = 0; k < m->n_call; k++) {
        chat_lit(c, "<" MARK_DSML "invoke name=\"");
        chat_put(c, m->call[k].name);
        chat_lit(c, "\">\n");
        put_arguments_dsml(c, m->call[k].arguments);
        chat_lit(c, "</" MARK_DSML "invoke>\n");
    }
    chat_lit(c, "</" MARK_DSML);
    chat_lit(c, block);
    chat_lit(c, ">");
}

void chat_call_qwen(struct chat_ctx *c, const struct chat_call *call)
{
    chat_lit(c, MARK_QWEN_CALL "\n{\"name\": \"");
    chat_put(c, call->name);
    chat_lit(c, "\", \"arguments\": ");
    chat_put(c, call->arguments);
    chat_lit(c, "}\n" MARK_QWEN_END);
}
