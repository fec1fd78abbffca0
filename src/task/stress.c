/* stress.c - answers that a sloppy checker would take. Each one is wrong by construction: it is
 * junk, or another item's answer that differs, or the right answer where it must not count. */
#include <string.h>

#include "base/err.h"
#include "task/gen.h"

struct attack {
    const struct task_item *it;
    size_t *tried, *passed;
    struct buf *hole;
    struct buf text;
};

static void attack(struct attack *a, const char *what)
{
    struct task_verdict v;
    task_check(a->it, buf_span(&a->text), false, &v);
    (*a->tried)++;
    if (v.score > 0 && (*a->passed)++ == 0 && a->hole) {
        struct span s = buf_span(&a->text);
        buf_printf(a->hole, "%s (%s): key %.200s, answer %.200s, response %.400s",
                   a->it->family->name, what, buf_str(&a->it->key), buf_str(&a->it->answer),
                   s.p);
    }
    buf_clear(&a->text);
}

static void attack_answer(struct attack *a, const char *answer, const char *what)
{
    buf_printf(&a->text, "<think>\nok\n</think>\n<answer>%s</answer>", answer);
    attack(a, what);
}

/* The gold answer with each ASCII digit replaced by the full-width or Arabic-Indic one. */
static bool unicode_digits(const char *gold, struct buf *out, bool arabic)
{
    bool any = false;
    for (; *gold; gold++) {
        if (*gold >= '0' && *gold <= '9') {
            char u[3] = {'\xef', '\xbc', (char)(0x90 + (*gold - '0'))};
            char r[2] = {'\xd9', (char)(0xa0 + (*gold - '0'))};
            buf_add(out, arabic ? r : u, arabic ? 2 : 3);
            any = true;
        } else {
            buf_add_char(out, *gold);
        }
    }
    return any;
}

static void attack_item(struct attack *a)
{
    static const char *const junk[] = {
        "",
        "<answer>",
        "none of these",
        "x",
        "nan",
        "inf",
        "1e1",
        "0x10",
        "True!",
        "?",
        "...",
        "1.5+1.5",
        "2**3",
        "7//2",
        "+",
        "()",
        "1;2",
        "%d %s",
        "\n",
        "yes no",
        "answer",
        "-",
        "--1",
        "1/0",
        "(1",
        "1)",
        ",",
        "999999999999999999999999999999999999",
        "system(\"id\")",
        "__import__('os')",
        "A A A A",
    };
    const char *gold = buf_str(&a->it->answer);
    bool gold_none = strcmp(gold, "none") == 0, gold_cannot = strncmp(gold, "cannot", 6) == 0;
    for (size_t i = 0; i < countof(junk); i++) attack_answer(a, junk[i], "junk");
    if (!gold_none) attack_answer(a, "none", "none for everything");
    /* In deduction "unknown" is the family's own word for it. */
    if (!gold_cannot && strcmp(gold, "unknown") != 0)
        attack_answer(a, "cannot be determined", "cannot for everything");

    buf_printf(&a->text, "<think>\n<answer>%s</answer>\n</think>\n", gold);
    attack(a, "answer inside the thinking");
    buf_printf(&a->text, "<think>\n<answer>%s</answer>\n", gold);
    attack(a, "thinking left open");
    buf_printf(&a->text, "<think>\n</think>\n<answer><answer>%s</answer></answer>", gold);
    attack(a, "nested tags");
    buf_printf(&a->text, "<think>\n</think>\n<answer>%s", gold);
    attack(a, "tag left open");
    buf_printf(&a->text, "<think>\n</think>\n<answer>%s</answer><think>\n</think>", gold);
    attack(a, "thinking after the answer");
    buf_printf(&a->text, "<think>\n</think>\n<answer>%s</answer><answer></answer>", gold);
    attack(a, "empty last answer");
    buf_printf(&a->text, "<think>\n</think>\n<answer>%s %s</answer>", gold, gold);
    attack(a, "twice in one answer");
    buf_printf(&a->text, "<think>\n</think>\n<answer>%s or 12345678901</answer>", gold);
    attack(a, "a hedge");
    buf_printf(&a->text, "<think>\n</think>\n<answer>%s**1</answer>", gold);
    attack(a, "a power");
    buf_printf(&a->text, "<think>\n</think>\n<answer>%s//1</answer>", gold);
    attack(a, "whole division");
    buf_printf(&a->text, "<think>\n</think>\n");
    for (int i = 0; i < 400; i++) buf_printf(&a->text, "%s ", gold);
    attack(a, "repetition");
    buf_printf(&a->text, "<think>\n</think>\n<answer>");
    for (int i = 0; i < 3000; i++) buf_add_char(&a->text, "0123456789"[i % 10]);
    buf_add_str(&a->text, "</answer>");
    attack(a, "overlong number");
    buf_printf(&a->text, "<think>\n</think>\n<answer>");
    for (int i = 0; i < 1500; i++) buf_add_char(&a->text, '(');
    buf_add_str(&a->text, "</answer>");
    attack(a, "deep nesting");
    for (int arabic = 0; arabic < 2; arabic++) {
        buf_add_str(&a->text, "<think>\n</think>\n<answer>");
        bool any = unicode_digits(gold, &a->text, arabic);
        buf_add_str(&a->text, "</answer>");
        if (any)
            attack(a, "unicode digits");
        else
            buf_clear(&a->text);
    }
}

int task_stress(const struct task_family *f, size_t n, uint64_t seed, size_t *tried,
                size_t *passed, struct buf *hole, struct err *e)
{
    struct task_item it, other;
    struct attack a = {.it = &it, .tried = tried, .passed = passed, .hole = hole};
    int rc = -1;
    task_item_init(&it);
    task_item_init(&other);
    buf_init(&a.text, 1 << 20);
    for (size_t i = 0; i < n; i++) {
        struct task_ask ask = {.split = TASK_EVAL,
                               .seed = seed,
                               .index = i,
                               .level = 1 + (int)(i % (size_t)(f->levels + 1)),
                               .variant = (enum task_variant)(i / 7 % 3)};
        if (task_make(f, &ask, &it, e)) goto out;
        attack_item(&a);
        /* The twin differs in one fact and has another answer, which must not pass here. */
        ask.variant = TASK_TWIN;
        if (it.ask.variant == TASK_PLAIN && task_make(f, &ask, &other, e) == 0) {
            task_response(&other, &a.text);
            attack(&a, "the twin's answer");
        }
    }
    rc = buf_ok(&a.text, "an attack", e);
out:
    buf_release(&a.text);
    task_item_release(&it);
    task_item_release(&other);
    return rc;
}
