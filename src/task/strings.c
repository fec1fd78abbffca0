/* strings.c - spell backward, count a letter, name the n-th letter, sort words, shift letters
 * (Caesar). Keys: "rev word", "count r word", "nth 3 word", "sort a b c", "caesar 3 word". */
#include <stdio.h>
#include <string.h>

#include "task/gen.h"

enum { REVERSE, COUNT, NTH, SORT, CAESAR, MAX_WORDS = 8, MAX_LETTERS = 16 };

static const char *const ask[5][TASK_PHRASINGS] = {
    {"Spell \"$1\" backward.", "Write $1 in reverse.", "What is $1 backwards?",
     "Reverse the word $1.", "Turn the letters of $1 around.", "Read $1 from right to left.",
     "Say $1 from the end to the start.", "Give the letters of $1 in opposite order."},
    {"How many $2's are in \"$1\"?", "Count the letter $2 in $1.",
     "How often does $2 occur in $1?", "How many times is $2 in the word $1?",
     "In $1, how many letters are $2?", "Tell how many $2 you find in $1.",
     "What is the number of $2 in the spelling of $1?",
     "The word $1: how many times does it use $2?"},
    {"What is letter $2 of \"$1\"?", "Which letter is number $2 in $1?",
     "Name letter number $2 of $1.", "In the word $1, what is letter $2?",
     "Give the letter at place $2 of $1.", "What letter stands at position $2 in $1?",
     "Counting from the left, which is letter $2 of $1?",
     "Take $1. Which letter has number $2?"},
    {"Sort these words: $1.", "Put in alphabetical order: $1.",
     "Order the words $1 from a to z.", "Arrange $1 alphabetically.",
     "Write $1 in the order of a dictionary.", "Alphabetize: $1.",
     "Which order would $1 have in a dictionary?", "List $1 from a to z."},
    {"Shift each letter of $1 by $2 (a Caesar cipher).", "Encode $1 with a Caesar shift of $2.",
     "Move every letter of $1 forward by $2.", "Caesar cipher, shift $2: encode $1.",
     "Replace each letter of $1 by the one $2 places later.",
     "Apply a Caesar cipher with key $2 to $1.",
     "Write $1 with all letters moved $2 on in the alphabet.",
     "Encrypt $1; each letter goes on by $2."},
};

/* A word of the list at low levels, random letters at high ones. */
static void draw_word(struct rng *r, int level, char out[MAX_LETTERS])
{
    static const int upto[] = {0, 50, 92, N_WORD};
    if (level <= 3) {
        snprintf(out, MAX_LETTERS, "%s", word_list[rng_below(r, (uint64_t)upto[level])]);
        return;
    }
    int n = (int)rng_between(r, 5, level + 5);
    for (int i = 0; i < n; i++) out[i] = (char)('a' + rng_below(r, rng_below(r, 2) ? 26 : 8));
    out[n] = 0;
}

static void say_reverse(struct gen *g, const char *w)
{
    char made[MAX_LETTERS] = "", lhs[8], wrong[MAX_LETTERS + 1];
    int n = (int)strlen(w);
    for (int i = n - 1; i >= 0; i--) {
        made[n - 1 - i] = w[i];
        made[n - i] = 0;
        snprintf(lhs, sizeof lhs, "%c: ", w[i]);
        snprintf(wrong, sizeof wrong, "%c%.14s", w[i], made);
        gen_line(g, lhs, made, wrong);
    }
    gen_check(g, "%d letters, %d letters", n, (int)strlen(made));
    gen_answer(g, "%s", made);
}

static void say_count(struct gen *g, const char *w, char c)
{
    int k = 0;
    for (const char *p = w; *p; p++) {
        char lhs[8];
        k += *p == c;
        snprintf(lhs, sizeof lhs, "%c ", *p);
        g->detail = *p != c;
        gen_line(g, lhs, num(k).s, num(k + 1).s);
        g->detail = false;
    }
    gen_answer(g, "%d", k);
}

static void say_nth(struct gen *g, const char *w, int k)
{
    int n = (int)strlen(w);
    for (int i = 0; i < n && i < k; i++) gen_say(g, "%d %c", i + 1, w[i]);
    if (k > n) {
        gen_say(g, "there is no letter %d", k);
        gen_none(g);
    } else {
        gen_answer(g, "%c", w[k - 1]);
    }
}

static void say_sort(struct gen *g, char word[][MAX_LETTERS], int n)
{
    for (int i = 0; i < n; i++) {
        int low = i;
        for (int j = i + 1; j < n; j++)
            if (strcmp(word[j], word[low]) < 0) low = j;
        char t[MAX_LETTERS];
        memcpy(t, word[i], sizeof t);
        memcpy(word[i], word[low], sizeof t);
        memcpy(word[low], t, sizeof t);
        gen_line(g, i ? "next: " : "first: ", word[i], i + 1 < n ? word[i + 1] : word[i]);
        gen_answer(g, "%s%s", i ? " " : "", word[i]);
    }
}

static void say_caesar(struct gen *g, const char *w, int k)
{
    for (const char *p = w; *p; p++) {
        char lhs[8], right[2] = {(char)('a' + (*p - 'a' + k) % 26), 0};
        char wrong[2] = {(char)('a' + (*p - 'a' + k + 1) % 26), 0};
        snprintf(lhs, sizeof lhs, "%c>", *p);
        gen_line(g, lhs, right, wrong);
        gen_answer(g, "%s", right);
    }
}

static bool make(struct gen *g)
{
    int kind = gen_below(g, 5), n = kind == SORT ? g->level + 2 : 1, k = 0;
    char word[MAX_WORDS][MAX_LETTERS], list[160], c = 0;
    size_t at = 0;
    for (int i = 0; i < n; i++) draw_word(&g->r, g->level, word[i]);
    int pick = gen_below(g, MAX_LETTERS), shift = gen_int(g, 1, g->level < 2 ? 3 : 12);
    for (int j = 0; g->variant == TASK_TWIN && j < g->changes; j++) {
        if (kind == NTH && j == 0)
            pick = twin_below(g, MAX_LETTERS);
        else
            draw_word(&g->t, g->level, word[twin_below(g, n)]);
    }
    if (g->variant == TASK_ILL) {
        kind = NTH;
        draw_word(&g->t, g->level, word[0]);
    }
    for (int i = 0; i < n; i++)
        for (int j = 0; j < i; j++)
            if (strcmp(word[i], word[j]) == 0) return false;
    int len = (int)strlen(word[0]);
    if (kind == NTH) k = g->variant == TASK_ILL ? len + twin_int(g, 1, 9) : pick % len + 1;
    if (kind == COUNT) c = word[0][pick % len];
    if (kind == CAESAR) k = shift;
    for (int i = 0; i < (kind == SORT ? n : 1); i++)
        at += (size_t)snprintf(list + at, sizeof list - at, "%s%s", i ? " " : "", word[i]);
    static const char *const kind_name[] = {"rev", "count", "nth", "sort", "caesar"};
    gen_key(g, "%s ", kind_name[kind]);
    if (c) gen_key(g, "%c ", c);
    if (k) gen_key(g, "%d ", k);
    gen_key(g, "%s", list);
    gen_ask(g, ask[kind], list, c ? (char[]){c, 0} : num(k).s);
    switch (kind) {
    case REVERSE: say_reverse(g, word[0]); break;
    case COUNT: say_count(g, word[0], c); break;
    case NTH: say_nth(g, word[0], k); break;
    case SORT: say_sort(g, word, n); break;
    default: say_caesar(g, word[0], k);
    }
    return true;
}

/* Words may stand with commas. */
static const char *check(const struct task_item *it, struct span a)
{
    struct span gold = buf_span(&it->answer), x, y;
    if (gold.p[0] >= '0' && gold.p[0] <= '9') return check_int(it, a);
    for (;;) {
        bool more = next_word(&gold, " ", &x), got = next_word(&a, ", \n", &y);
        if (!more && !got) return NULL;
        if (!more || !got || x.n != y.n) return "other words";
        for (size_t i = 0; i < x.n; i++)
            if (x.p[i] != (y.p[i] >= 'A' && y.p[i] <= 'Z' ? y.p[i] + 32 : y.p[i]))
                return "other words";
    }
}

const struct task_family task_strings = {
    "strings", "Letters and words", "a word, words or a number", 'A', 5, 0.05, 0xe1f309b9, make,
    check};
