/* ask.c - one question to a model, the answer as it comes.
 * cc ask.c $(pkg-config --cflags --libs tarn) -o ask && ./ask model.gguf "What is 17 * 23?" */
#include <stdio.h>
#include <stdlib.h>
#include <tarn.h>

/* Thinking goes to stderr, the answer to stdout. */
static int show(void *ctx, const struct tarn_event *ev)
{
    (void)ctx;
    if (ev->type == TARN_EVENT_TOKEN) {
        fwrite(ev->text, 1, ev->text_bytes, ev->thinking ? stderr : stdout);
        fflush(stdout);
    }
    return 0;
}

int main(int argc, char **argv)
{
    struct tarn_error e;
    struct tarn_model *model = NULL;
    struct tarn_generation *run = NULL;
    struct tarn_generate_options how;
    struct tarn_result result = {.size = sizeof result};
    int32_t *ids = NULL;
    size_t n = 0;
    if (argc < 3) {
        fprintf(stderr, "usage: ask MODEL QUESTION [MAX_TOKENS]\n");
        return 2;
    }
    struct tarn_message question = {.role = "user", .content = argv[2]};
    int failed = tarn_open(&model, argv[1], NULL, &e);
    if (!failed) {
        tarn_generate_options_init_for(&how, sizeof how, model);
        if (argc > 3) how.max_tokens = atoi(argv[3]);
        failed = tarn_render(model, &question, 1, NULL, &ids, &n, &how.starts_inside, &e) ||
                 tarn_generate(model, ids, n, &how, show, NULL, &run, &e) ||
                 tarn_wait(run, &result, &e);
    }
    if (failed)
        fprintf(stderr, "ask: %s\n", e.message);
    else
        fprintf(stderr, "\n%lld tokens\n", (long long)result.counts.answer_tokens);
    tarn_free(ids);
    tarn_release(run);
    tarn_close(model);
    return failed ? 1 : 0;
}
