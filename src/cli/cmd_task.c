/* tarn task, tarn verify, tarn grade: questions with exact checkers, and answers held against them. */
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/lines.h"
#include "task/check_math.h"
#include "task/task.h"

extern const struct command cmd_task, cmd_verify, cmd_grade;

enum { GRADER_MEMORY_MB = 512, GRADER_MS = 2000 };

static struct {
    int64_t seed, count, level, index;
    const char *variant, *style, *split;
    bool list, held_out, mix, no_slips;
} o = {.count = 1, .level = 1};

static const struct opt task_opts[] = {
    {"list", 0, OPT_FLAG, &o.list, NULL, "the families, with levels and chance", 0, 0},
    {"seed", 0, OPT_INT, &o.seed, "N", "seed of the sequence of items", 0, 9e15},
    {"count", 'n', OPT_INT, &o.count, "N", "items to print", 1, 1e9},
    {"index", 0, OPT_INT, &o.index, "N", "first item", 0, 9e15},
    {"level", 'l', OPT_INT, &o.level, "L", "difficulty; the one above the last is held out", 1,
     99},
    {"split", 0, OPT_STR, &o.split, "NAME", "train (default) or eval", 0, 0},
    {"variant", 0, OPT_STR, &o.variant, "NAME", "plain, twin or ill", 0, 0},
    {"style", 0, OPT_STR, &o.style, "NAME", "steps, brief or bare", 0, 0},
    {"mix", 0, OPT_FLAG, &o.mix, NULL, "variants and styles as a training mixture has them", 0,
     0},
    {"held-out-phrasing", 0, OPT_FLAG, &o.held_out, NULL, "wordings never trained on (eval)", 0,
     0},
    {"no-slips", 0, OPT_FLAG, &o.no_slips, NULL, "no deliberate slips in the chain", 0, 0},
    {.type = OPT_END},
};

static void print_families(void)
{
    for (const struct task_family *const *f = task_list(); *f; f++) {
        if (cli.json)
            printf("{\"task\":\"%s\",\"title\":\"%s\",\"tier\":\"%c\",\"levels\":%d,\"held_out_"
                   "level\":%d,"
                   "\"chance\":%.3f,\"version\":\"%08x\"}\n",
                   (*f)->name, (*f)->title, (*f)->tier, (*f)->levels, (*f)->levels + 1,
                   (*f)->chance, (*f)->version);
        else
            printf("%-16s %c  levels 1-%d  chance %4.1f%%  %s\n", (*f)->name, (*f)->tier,
                   (*f)->levels, (*f)->chance * 100, (*f)->title);
    }
}

/* The value whose name it is; an error with the names when it is none. */
static int choose(const char *option, const char *given, const char *(*name)(int), int n,
                  int *out, struct err *e)
{
    if (!given) return 0;
    for (int i = 0; i < n; i++) {
        if (strcmp(given, name(i)) != 0) continue;
        *out = i;
        return 0;
    }
    return err_set(e, ERR_USAGE, "--%s is \"%s\", allowed are %s, %s%s%s", option, given,
                   name(0), name(1), n > 2 ? ", " : "", n > 2 ? name(2) : "");
}

static const char *split_name(int i)
{
    return task_split_name((enum task_split)i);
}

static const char *variant_name(int i)
{
    return task_variant_name((enum task_variant)i);
}

static const char *style_name(int i)
{
    return task_style_name((enum task_style)i);
}

static int print_items(const struct task_family *f, struct task_ask ask, struct err *e)
{
    struct task_item it;
    int rc = 0;
    task_item_init(&it);
    for (int64_t i = 0; i < o.count && rc == 0; i++) {
        ask.index = (uint64_t)(o.index + i);
        if (o.mix) task_ask_mix(f, &ask);
        rc = task_make(f, &ask, &it, e);
        if (rc) break;
        json_t *j = task_item_to_json(&it);
        char *text = j ? json_dumps(j, JSON_COMPACT) : NULL;
        if (text)
            puts(text);
        else
            rc = err_set(e, ERR_MEMORY, "out of memory: an item as JSON");
        (free)(text); /* jansson's own memory */
        json_decref(j);
    }
    task_item_release(&it);
    return rc;
}

static int run_task(int argc, char **argv, struct err *e)
{
    int split = TASK_TRAIN, variant = TASK_PLAIN, style = TASK_STEPS;
    if (o.list && argc == 0) {
        print_families();
        return 0;
    }
    if (argc != 1) return cli_usage(&cmd_task, e);
    const struct task_family *f = task_find(span_of(argv[0]));
    if (!f) {
        err_set(e, ERR_USAGE, "there is no task \"%s\"", argv[0]);
        return err_hint(e, "`tarn task --list` shows them");
    }
    if (choose("split", o.split, split_name, 2, &split, e) ||
        choose("variant", o.variant, variant_name, 3, &variant, e) ||
        choose("style", o.style, style_name, 3, &style, e))
        return -1;
    return print_items(f,
                       (struct task_ask){.split = (enum task_split)split,
                                         .seed = (uint64_t)o.seed,
                                         .level = (int)o.level,
                                         .variant = (enum task_variant)variant,
                                         .style = (enum task_style)style,
                                         .held_out_phrasing = o.held_out,
                                         .no_slips = o.no_slips},
                       e);
}

const struct command cmd_task = {
    .verb = "task",
    .args = "NAME | --list",
    .summary = "reasoning tasks as JSON lines: prompt, worked chain, answer",
    .details = "The same seed, index and level give the same item on every machine.\n"
               "  tarn task addition --seed 7 --count 3 --level 2\n"
               "  tarn task countdown --split eval --held-out-phrasing",
    .opts = (const struct opt *const[]){task_opts, NULL},
    .run = run_task,
};

static int verify_line(void *ctx, struct span line, struct buf *out, struct err *e)
{
    (void)ctx;
    return task_verify_line(line, out, e);
}

static int run_verify(int argc, char **argv, struct err *e)
{
    (void)argv;
    return argc ? cli_usage(&cmd_verify, e) : lines_run(verify_line, NULL, e);
}

const struct command cmd_verify = {
    .verb = "verify",
    .args = "< lines {task, item, response}",
    .summary = "scores responses to tasks: {score, reason} a line",
    .run = run_verify,
};

static int grade_line(void *ctx, struct span line, struct buf *out, struct err *e)
{
    return math_grade_line(ctx, line, out, e);
}

static int run_grade(int argc, char **argv, struct err *e)
{
    struct math_server *s;
    (void)argv;
    if (argc) return cli_usage(&cmd_grade, e);
    if (math_server_open(&s, GRADER_MEMORY_MB, GRADER_MS, e)) return -1;
    int rc = lines_run(grade_line, s, e);
    math_server_close(s);
    return rc;
}

const struct command cmd_grade = {
    .verb = "grade",
    .args = "< lines {gold, answer}",
    .summary = "whether mathematical answers are equal: {equal, how} a line",
    .details = "  echo '{\"gold\":\"\\\\frac{1}{2}\",\"answer\":\"0.5\"}' | tarn grade",
    .run = run_grade,
};
