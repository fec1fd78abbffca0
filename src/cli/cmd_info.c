/* tarn info: what a file holds, and the memory it would take; tensor bytes are never touched. */
#include <inttypes.h>
#include <string.h>

#include "base/file.h"
#include "cli/cli.h"
#include "cli/load.h"
#include "kernel/kernel.h"

extern const struct command cmd_info;

static struct {
    bool tensors, plan;
    int64_t limit;
} o;

static const struct opt opts[] = {
    {"tensors", 0, OPT_FLAG, &o.tensors, NULL, "list every tensor", 0, 0},
    {"plan", 0, OPT_FLAG, &o.plan, NULL, "memory that running it would take", 0, 0},
    {.type = OPT_END},
};

static const char *pairing(const struct model_config *c)
{
    return c->rope_pairing == ROPE_INTERLEAVED ? "interleaved" : "halves";
}

static void print_config(const struct model_source *s, const struct model_config *c)
{
    struct config_count n;
    char size[32];
    config_count(c, &n);
    printf("%s\n", source_path(s));
    printf("  format        %s, %s\n", source_kind(s) == SOURCE_GGUF ? "GGUF" : "safetensors",
           cli_bytes(source_bytes(s), size));
    printf("  architecture  %s%s%s\n", arch_name(c->arch), c->name[0] ? ", " : "", c->name);
    printf("  parameters    %" PRIu64 " (%" PRIu64 " for one token)\n", n.total, n.active);
    printf("  layers        %d%s, width %d, vocabulary %d, context %d\n", c->n_layer,
           c->n_layer_mtp ? " and a multi-token-prediction layer" : "", c->n_embd, c->n_vocab,
           c->n_ctx);
    if (config_is_mla(c))
        printf("  attention     latent: %d heads, kv_lora_rank %d, q_lora_rank %d, head %d + "
               "%d, value "
               "%d\n",
               c->n_head, c->kv_lora_rank, c->q_lora_rank, c->qk_nope_head_dim,
               c->qk_rope_head_dim, c->v_head_dim);
    else
        printf("  attention     %d heads of %d, %d key/value heads%s%s\n", c->n_head,
               c->head_dim, c->n_head_kv, c->qkv_bias ? ", biases" : "",
               c->qk_norm ? ", head norms" : "");
    if (c->n_expert)
        printf("  experts       %d of %d + %d shared, width %d, %s gate, %d of %d groups; "
               "first %d "
               "layers dense (%d)\n",
               c->n_expert_used, c->n_expert, c->n_expert_shared, c->n_ff_expert,
               c->score_func == SCORE_SIGMOID ? "sigmoid" : "softmax", c->topk_group,
               c->n_group, c->n_layer_dense, c->n_ff);
    else
        printf("  feed forward  %d\n", c->n_ff);
    printf("  rotary        %s, theta %g%s\n", pairing(c), (double)c->rope_theta,
           c->rope_scaling == ROPE_SCALING_YARN     ? ", YaRN"
           : c->rope_scaling == ROPE_SCALING_LINEAR ? ", linear"
           : c->rope_scaling != ROPE_SCALING_NONE   ? ", Llama-3 scaling"
                                                    : "");
    printf("  cache         %" PRIu64 " numbers a token, %" PRIu64 " bytes in 16 bits\n",
           n.kv_elems, n.kv_elems * 2);
    if (c->n_index_head)
        printf("  not built     the sparse-attention indexer: contexts end at %d tokens, where "
               "sparse "
               "and dense attention are the same\n",
               c->index_topk);
}

/* Bytes by type, largest first. */
static void print_types(const struct model_source *s)
{
    static const uint32_t ids[] = {
#define X(name, id, text, len, bytes) id,
        DTYPE_MAP(X)
#undef X
    };
    for (size_t t = 0; t < countof(ids); t++) {
        uint64_t bytes = 0;
        size_t n = 0;
        for (size_t i = 0; i < source_n_entry(s); i++) {
            struct source_entry e;
            source_entry(s, i, &e);
            if ((uint32_t)e.dtype != ids[t]) continue;
            bytes += e.bytes;
            n++;
        }
        char size[32];
        if (n)
            printf("  tensors       %4zu %-8s %s\n", n, dtype_name((enum dtype)ids[t]),
                   cli_bytes(bytes, size));
    }
    if (source_n_extra(s))
        printf("  tensors       %4zu that no part of the model uses\n", source_n_extra(s));
}

static void print_tensors(const struct model_source *s)
{
    for (size_t i = 0; i < source_n_entry(s); i++) {
        struct source_entry e;
        char shape[96];
        source_entry(s, i, &e);
        shape_text(&e.shape, shape);
        printf("  %-48.*s %-8s %s\n", (int)e.name.n, e.name.p, dtype_name(e.dtype), shape);
    }
}

static int print_plan(struct model_source *s, struct err *e)
{
    struct pool *pool;
    struct model *m = NULL;
    struct engine_plan p;
    struct model_opts mo;
    struct engine_opts eo;
    if (pool_create(&pool, cli_threads(), e)) {
        source_close(s);
        return -1;
    }
    int rc = load_read_opts(&mo, &eo, e);
    if (rc)
        source_close(s);
    else
        rc = model_open(&m, s, &mo, e);
    if (rc == 0) rc = engine_make_plan(m, pool, &eo, &p, e);
    if (rc == 0) {
        char a[32], b[32], c[32], d[32];
        printf(cli.json ? "{\"weights\":%zu,\"cache\":%zu,\"scratch\":%zu,\"total\":%zu,"
                          "\"cache_per_token\":%zu,\"ctx\":%lld,\"active_bytes\":%zu}\n"
                        : "",
               p.weights, p.cache, p.scratch, p.total, p.cache_per_token, (long long)p.n_ctx,
               model_active_bytes(m));
        if (!cli.json)
            printf("  memory        %s: weights %s, cache %s for %lld tokens, scratch %s\n",
                   cli_bytes(p.total, a), cli_bytes(p.weights, b), cli_bytes(p.cache, c),
                   (long long)p.n_cache, cli_bytes(p.scratch, d));
        if (!cli.json)
            printf("  per token     reads %s of weights, %s form%s\n",
                   cli_bytes(model_active_bytes(m), a),
                   config_is_mla(&m->c) ? mo.mla == MLA_ABSORBED ? "absorbed" : "expanded"
                                        : "grouped-query",
                   "");
    }
    model_free(m);
    pool_free(pool);
    return rc;
}

static void print_json(const struct model_source *s, const struct model_config *c)
{
    struct config_count n;
    struct buf b;
    config_count(c, &n);
    buf_init(&b, 1 << 16);
    buf_add_str(&b, "{\"path\":");
    buf_add_json(&b, span_of(source_path(s)));
    buf_add_str(&b, ",\"name\":");
    buf_add_json(&b, span_of(c->name));
    buf_printf(&b,
               ",\"format\":\"%s\",\"bytes\":%" PRIu64
               ",\"architecture\":\"%s\",\"parameters\":%" PRIu64 ",\"active\":%" PRIu64
               ",\"parameters_in_file\":%" PRIu64
               ",\"n_layer\":%d,\"n_embd\":%d,\"n_vocab\":%d,\"n_ctx\":%d,\"n_head\":%d,"
               "\"n_head_kv\":%d,\"n_expert\":%d,\"n_expert_used\":%d,\"tensors\":%zu,"
               "\"kv_numbers_per_token\":%" PRIu64 "}",
               source_kind(s) == SOURCE_GGUF ? "gguf" : "safetensors", source_bytes(s),
               arch_name(c->arch), n.total, n.active, n.file, c->n_layer, c->n_embd, c->n_vocab,
               c->n_ctx, c->n_head, c->n_head_kv, c->n_expert, c->n_expert_used,
               source_n_entry(s), n.kv_elems);
    puts(buf_str(&b));
    buf_release(&b);
}

static int run(int argc, char **argv, struct err *e)
{
    struct model_source *s;
    if (argc != 1) return cli_usage(&cmd_info, e);
    if (cli_open_source(argv[0], &s, e)) return -1;
    const struct model_config *c = source_config(s);
    if (cli.json && !o.plan)
        print_json(s, c);
    else if (!cli.json) {
        print_config(s, c);
        print_types(s);
        enum chat_template t;
        struct err ignored;
        bool known = load_template(s, &t, &ignored) == 0;
        printf("  chat          %s\n",
               known ? chat_template_name(t)
                     : "a template this program does not know (--template NAME)");
        if (o.tensors) print_tensors(s);
        printf("  kernels       %s\n", cpu_level_name(kernels()->level));
    }
    if (o.plan) return print_plan(s, e);
    source_close(s);
    return 0;
}

const struct command cmd_info = {
    .verb = "info",
    .args = "MODEL [--tensors] [--plan --ctx N --parallel N]",
    .summary = "what a model file holds, and the memory it needs",
    .details = "  tarn info model.gguf --plan --ctx 8192",
    .opts = (const struct opt *const[]){opts, load_opt_table, NULL},
    .run = run,
};
