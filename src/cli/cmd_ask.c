/* tarn ask: one question, one answer; the answer on stdout, the thinking on stderr. */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "cli/answer.h"
#include "cli/cli.h"

extern const struct command cmd_ask;

enum { QUESTION_MAX = 64 << 20 };

static struct {
    const char *system;
    bool raw, hide_thinking, stats;
} o;

static const struct opt own_opts[] = {
    {"system", 's', OPT_STR, &o.system, "TEXT", "system message", 0, 0},
    {"raw", 0, OPT_FLAG, &o.raw, NULL, "no chat template: continue the text", 0, 0},
    {"hide-thinking", 0, OPT_FLAG, &o.hide_thinking, NULL, "do not show the thinking", 0, 0},
    {"stats", 0, OPT_FLAG, &o.stats, NULL, "counts, speeds and seed on stderr", 0, 0},
    {.type = OPT_END},
};

/* Standard input is context when something was piped or redirected into it. */
static int add_stdin(struct buf *b, struct err *e)
{
    struct stat st;
    if (fstat(STDIN_FILENO, &st) != 0 || !(S_ISFIFO(st.st_mode) || S_ISREG(st.st_mode)))
        return 0;
    char chunk[65536];
    size_t n, before = b->len;
    if (b->len) buf_add_str(b, "\n\n");
    while ((n = fread(chunk, 1, sizeof chunk, stdin)) > 0) buf_add(b, chunk, n);
    if (ferror(stdin)) return err_errno(e, errno, "cannot read standard input");
    if (b->len == before + 2) b->len = before; /* nothing came */
    return buf_ok(b, "the question", e);
}

static void show(void *ctx, struct span text, bool thinking)
{
    bool *was_thinking = ctx;
    if (cli.json) return;
    if (thinking) {
        if (o.hide_thinking) return;
        if (cli_color() && !*was_thinking) fputs("\033[2m", stderr);
        fwrite(text.p, 1, text.n, stderr);
    } else {
        if (*was_thinking && !o.hide_thinking)
            fputs(cli_color() ? "\033[0m\n\n" : "\n\n", stderr);
        fwrite(text.p, 1, text.n, stdout);
        fflush(stdout);
    }
    *was_thinking = thinking;
}

static const char *reason_name(enum gen_reason r)
{
    switch (r) {
    case GEN_STOP_EOS:
    case GEN_STOP_STRING: return "stop";
    case GEN_STOP_LENGTH: return "length";
    case GEN_STOP_CANCEL: return "cancelled";
    case GEN_STOP_LOOP: return "loop";
    }
    return "";
}

static void print_json(const struct answer *a, const struct gen_request *r)
{
    struct buf b;
    buf_init(&b, QUESTION_MAX * 8UL);
    const struct gen_counts *c = &a->counts;
    buf_add_str(&b, "{\"answer\":");
    buf_add_json(&b, buf_span(&a->text));
    buf_add_str(&b, ",\"reasoning\":");
    buf_add_json(&b, buf_span(&a->reasoning));
    buf_printf(
        &b,
        ",\"finish_reason\":\"%s\",\"usage\":{\"prompt_tokens\":%lld,\"cached_tokens\":%lld,"
        "\"completion_tokens\":%lld,\"reasoning_tokens\":%lld,\"draft_tokens\":%lld,"
        "\"draft_accepted\":%lld},\"timings\":{\"prefill_s\":%.4f,"
        "\"decode_s\":%.4f,\"think_s\":%.4f,\"tokens_per_s\":%.2f},\"seed\":%llu}\n",
        reason_name(a->reason), (long long)c->prompt_tokens, (long long)c->cached_tokens,
        (long long)c->completion_tokens, (long long)c->reasoning_tokens,
        (long long)c->draft_tokens, (long long)c->draft_accepted, ns_to_s(a->times.prefill_ns),
        ns_to_s(a->times.decode_ns), ns_to_s(a->times.think_ns),
        a->times.decode_ns > 0
            ? (double)(c->completion_tokens - 1) / ns_to_s(a->times.decode_ns)
            : 0.0,
        (unsigned long long)r->sampling.seed);
    fwrite(buf_str(&b), 1, b.len, stdout);
    buf_release(&b);
}

static void print_stats(const struct answer *a, const struct gen_request *r)
{
    const struct gen_counts *c = &a->counts;
    double pre = ns_to_s(a->times.prefill_ns), dec = ns_to_s(a->times.decode_ns);
    fprintf(
        stderr,
        "\n%lld prompt tokens (%lld cached) in %.2f s, %lld tokens in %.2f s: %.1f tokens/s; "
        "drafts %lld of %lld; seed %llu\n",
        (long long)c->prompt_tokens, (long long)c->cached_tokens, pre,
        (long long)c->completion_tokens, dec,
        dec > 0 ? (double)(c->completion_tokens - 1) / dec : 0.0, (long long)c->draft_accepted,
        (long long)c->draft_tokens, (unsigned long long)r->sampling.seed);
}

static int make_prompt(const struct loaded *l, struct span question, enum chat_template t,
                       struct tok_list *ids, bool *inside, struct err *e)
{
    *inside = false;
    if (t == CHAT_RAW) return vocab_encode(l->vocab, question, false, true, ids, e);
    struct chat_msg msg[2];
    size_t n = 0;
    if (o.system)
        msg[n++] = (struct chat_msg){.role = CHAT_SYSTEM, .content = span_of(o.system)};
    msg[n++] = (struct chat_msg){.role = CHAT_USER, .content = question};
    struct chat_opts co = {.thinking = sampling_thinking(), .add_generation_prompt = true};
    return chat_render_ids(l->vocab, t, msg, n, &co, ids, inside, e);
}

static int ask(struct loaded *l, struct span question, struct err *e)
{
    struct tok_list ids = {0};
    struct gen_request r;
    struct span stop[16];
    struct source_sampling advice;
    enum chat_template t = CHAT_RAW;
    gen_request_defaults(&r);
    source_sampling(l->model->source, &advice);
    if ((!o.raw && load_template(l->model->source, &t, e)) ||
        make_prompt(l, question, t, &ids, &r.thinking.starts_inside, e) ||
        sampling_fill(&r, &advice, t, stop, e)) {
        tok_list_release(&ids);
        return -1;
    }
    r.prompt = ids.id;
    r.n_prompt = (int64_t)ids.n;
    bool was_thinking = false;
    struct answer a = {.show = show, .ctx = &was_thinking};
    int rc = answer_run(&a, l->engine, &r, e);
    if (was_thinking && cli_color()) fputs("\033[0m", stderr);
    if (rc == 0 && cli.json) print_json(&a, &r);
    if (rc == 0 && !cli.json) {
        if (a.text.len && a.text.data[a.text.len - 1] != '\n') putchar('\n');
        fflush(stdout);
        if (o.stats) print_stats(&a, &r);
    }
    if (rc == 0 && a.reason == GEN_STOP_CANCEL) rc = err_set(e, ERR_CANCELLED, "interrupted");
    if (rc == 0 && a.reason == GEN_STOP_LENGTH)
        rc = err_set(e, ERR_LIMIT, "the answer was cut after %lld tokens",
                     (long long)a.counts.completion_tokens);
    if (rc == 0 && a.reason == GEN_STOP_LOOP)
        rc = err_set(e, ERR_LIMIT, "the answer repeated itself and was ended after %lld tokens",
                     (long long)a.counts.completion_tokens);
    answer_release(&a);
    tok_list_release(&ids);
    return rc;
}

static int run(int argc, char **argv, struct err *e)
{
    struct loaded l;
    struct buf question;
    if (argc < 1) return cli_usage(&cmd_ask, e);
    buf_init(&question, QUESTION_MAX);
    for (int i = 1; i < argc; i++) {
        if (i > 1) buf_add_char(&question, ' ');
        buf_add_str(&question, argv[i]);
    }
    int rc = add_stdin(&question, e);
    if (rc == 0 && question.len == 0) rc = cli_usage(&cmd_ask, e);
    if (rc == 0) rc = load_engine(&l, argv[0], e);
    if (rc == 0) {
        rc = ask(&l, buf_span(&question), e);
        loaded_release(&l);
    }
    buf_release(&question);
    return rc;
}

static const struct opt *const tables[] = {own_opts, sampling_opt_table, load_opt_table, NULL};

const struct command cmd_ask = {
    .verb = "ask",
    .args = "MODEL \"question\"",
    .summary = "one answer: stdout holds the answer, stderr the thinking",
    .details = "Standard input, when piped, is added to the question.\n"
               "  tarn ask model.gguf \"What is 17 * 23?\"\n"
               "  tarn ask model.gguf \"Summarise this\" < notes.txt",
    .opts = tables,
    .run = run,
};
