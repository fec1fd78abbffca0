/* tarn render: what the chat template makes of a conversation. */
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "cli/answer.h"
#include "cli/cli.h"

extern const struct command cmd_render;

enum { MESSAGES_MAX = 64 << 20, MAX_MSG = 4096, MAX_CALL = 4096, MAX_TOOL = 256 };

static struct {
    const char *messages;
    bool ids, no_prompt;
} o;

static const struct opt opts[] = {
    {"messages", 0, OPT_STR, &o.messages, "FILE",
     "JSON: an array of messages, or {\"messages\", \"tools\"}", 0, 0},
    {"ids", 0, OPT_FLAG, &o.ids, NULL, "token ids instead of text", 0, 0},
    {"no-generation-prompt", 0, OPT_FLAG, &o.no_prompt, NULL, "end after the last message", 0,
     0},
    {"template", 0, OPT_STR, &load_opts.template_name, "NAME", "instead of the model's own", 0,
     0},
    {"tokenizer", 0, OPT_STR, &load_opts.tokenizer, "FILE", "another vocabulary", 0, 0},
    {"think", 0, OPT_STR, &sampling_opts.think, "HOW", "on or off", 0, 0},
    {.type = OPT_END},
};

struct conversation {
    struct chat_msg msg[MAX_MSG];
    size_t n;
    struct chat_call call[MAX_CALL];
    size_t n_call;
    struct buf json; /* tools and arguments that came as objects */
    struct span tool[MAX_TOOL];
    size_t n_tool;
};

static int role_of(struct span s, enum chat_role *out, struct err *e)
{
    static const char *const name[] = {[CHAT_SYSTEM] = "system",
                                       [CHAT_DEVELOPER] = "developer",
                                       [CHAT_USER] = "user",
                                       [CHAT_ASSISTANT] = "assistant",
                                       [CHAT_TOOL] = "tool"};
    for (size_t i = 0; i < countof(name); i++) {
        if (!span_is(s, name[i])) continue;
        *out = (enum chat_role)i;
        return 0;
    }
    return err_set(e, ERR_FORMAT, "%s: \"role\" is \"%.*s\", which no message can have",
                   o.messages, (int)(s.n < 64 ? s.n : 64), s.p);
}

/* The text of a JSON value, kept in c->json. Offsets, because the buffer moves while it grows: the
 * caller reserves enough first. */
static struct span keep_json(struct conversation *c, const json_t *v)
{
    char *text = json_dumps(v, JSON_COMPACT | JSON_ENCODE_ANY);
    size_t at = c->json.len;
    if (text) buf_add_str(&c->json, text);
    size_t n = c->json.len - at;
    (free)(text); /* jansson's own memory */
    return (struct span){buf_str(&c->json) + at, n};
}

static int read_calls(struct conversation *c, struct chat_msg *m, const json_t *calls,
                      struct err *e)
{
    size_t i;
    json_t *v;
    m->call = c->call + c->n_call;
    json_array_foreach(calls, i, v)
    {
        if (c->n_call == MAX_CALL)
            return err_set(e, ERR_LIMIT, "%s: too many tool calls", o.messages);
        struct chat_call *k = &c->call[c->n_call++];
        const json_t *f = json_object_get(v, "function"),
                     *args = json_object_get(f, "arguments");
        *k = (struct chat_call){.name = {NULL, 0}};
        if (json_get_str_opt(v, "id", &k->id, o.messages, e) ||
            json_get_str(f, "name", &k->name, o.messages, e))
            return -1;
        k->arguments = json_is_string(args)
                           ? (struct span){json_string_value(args), json_string_length(args)}
                           : keep_json(c, args);
        m->n_call++;
    }
    return 0;
}

static int read_messages(struct conversation *c, const json_t *root, struct err *e)
{
    const json_t *list = json_is_array(root) ? root : json_object_get(root, "messages");
    const json_t *tools = json_object_get(root, "tools"), *v;
    size_t i;
    if (!json_is_array(list))
        return err_set(e, ERR_FORMAT, "%s: there is no array of messages", o.messages);
    json_array_foreach(list, i, v)
    {
        struct span role, text = {NULL, 0};
        if (c->n == MAX_MSG)
            return err_set(e, ERR_LIMIT, "%s: more than %d messages", o.messages, MAX_MSG);
        struct chat_msg *m = &c->msg[c->n++];
        *m = (struct chat_msg){.role = CHAT_USER};
        if (json_get_str(v, "role", &role, o.messages, e) || role_of(role, &m->role, e) ||
            json_get_str_opt(v, "content", &text, o.messages, e) ||
            json_get_str_opt(v, "reasoning_content", &m->reasoning, o.messages, e) ||
            json_get_str_opt(v, "tool_call_id", &m->tool_call_id, o.messages, e) ||
            json_get_str_opt(v, "name", &m->name, o.messages, e) ||
            json_get_bool_opt(v, "prefix", &m->prefix, o.messages, e) ||
            read_calls(c, m, json_object_get(v, "tool_calls"), e))
            return -1;
        m->content = text;
    }
    json_array_foreach(tools, i, v)
    {
        if (c->n_tool == MAX_TOOL)
            return err_set(e, ERR_LIMIT, "%s: more than %d tools", o.messages, MAX_TOOL);
        c->tool[c->n_tool++] = keep_json(c, v);
    }
    return 0;
}

static int render(const struct loaded *l, const struct conversation *c, struct err *e)
{
    enum chat_template t;
    struct chat_prompt p;
    struct tok_list ids = {0};
    struct chat_opts co = {.thinking = sampling_thinking(),
                           .add_generation_prompt = !o.no_prompt,
                           .tool = c->tool,
                           .n_tool = c->n_tool};
    if (load_template(l->source, &t, e)) return -1;
    int rc = chat_render(&p, t, c->msg, c->n, &co, e);
    if (rc == 0 && o.ids) rc = chat_prompt_ids(&p, l->vocab, &ids, e);
    if (rc == 0 && o.ids)
        for (size_t i = 0; i < ids.n; i++) printf("%s%d", i ? " " : "", ids.id[i]);
    else if (rc == 0)
        fwrite(buf_str(&p.text), 1, p.text.len, stdout);
    if (rc == 0 && o.ids) putchar('\n');
    tok_list_release(&ids);
    chat_prompt_release(&p);
    return rc;
}

static int run(int argc, char **argv, struct err *e)
{
    static struct conversation c; /* large; one per process */
    struct loaded l;
    if (argc != 1 || !o.messages) return cli_usage(&cmd_render, e);
    json_t *root = json_parse_file(o.messages, MESSAGES_MAX, e);
    if (!root) return -1;
    buf_init(&c.json, MESSAGES_MAX);
    int rc = buf_reserve(&c.json, MESSAGES_MAX - 1) ? 0 : err_oom(e, "messages", MESSAGES_MAX);
    if (rc == 0) rc = read_messages(&c, root, e);
    if (rc == 0) {
        rc = load_vocab(&l, argv[0], e);
        if (rc == 0) rc = render(&l, &c, e);
        loaded_release(&l);
    }
    buf_release(&c.json);
    json_decref(root);
    return rc;
}

const struct command cmd_render = {
    .verb = "render",
    .args = "MODEL --messages FILE.json [--ids]",
    .summary = "what the chat template makes of a conversation",
    .details = "  tarn render model.gguf --messages chat.json --ids",
    .opts = (const struct opt *const[]){opts, NULL},
    .run = run,
};
