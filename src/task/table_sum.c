/* table_sum.c - sums and differences of cells of a small table. Key: rows and columns, the
 * cells row by row, then the question: "p r c c" sum of columns of a row, "m c" sum of a column,
 * "d c r r" difference of two rows; a row or column that is not there makes it unanswerable. */
#include <stdio.h>

#include "task/gen.h"

static const char *const month[8] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug"};

static const char *const row_sum[TASK_PHRASINGS] = {
    "$1\nHow many did $2 sell in $3 and $4 together?",
    "$1\nWhat is $2's total for $3 and $4?",
    "$1\nAdd up what $2 has in $3 and $4.",
    "$1\nIn $3 and $4, how many did $2 sell?",
    "$1\nGive the sum of $2's numbers in $3 and $4.",
    "$1\nTogether, what are the entries of $2 for $3 and $4?",
    "$1\nHow much do $3 and $4 make for $2?",
    "$1\nFind the total of $2 over $3 and $4.",
};
static const char *const column_sum[TASK_PHRASINGS] = {
    "$1\nHow many were sold in $2 in all?",
    "$1\nWhat is the total of $2?",
    "$1\nAdd up the column $2.",
    "$1\nHow many is that for everyone in $2?",
    "$1\nGive the sum of all numbers for $2.",
    "$1\nIn $2, how many did they sell together?",
    "$1\nFind the total for the month $2.",
    "$1\nWhat do all entries of $2 add up to?",
};
static const char *const difference[TASK_PHRASINGS] = {
    "$1\nHow many more did $3 sell than $4 in $2?",
    "$1\nIn $2, by how much is $3 ahead of $4?",
    "$1\nWhat is $3's number minus $4's in $2?",
    "$1\nFor $2, subtract the entry of $4 from that of $3.",
    "$1\nBy how many does $3 exceed $4 in $2?",
    "$1\nTake $4's number in $2 away from $3's.",
    "$1\nIn the month $2, how many more has $3 than $4?",
    "$1\nFind the lead of $3 over $4 in $2.",
};

enum { MAX_ROW = 6, MAX_COL = 6 };

static bool make(struct gen *g)
{
    int rows = g->level < 3 ? 2 : g->level, cols = g->level < 2   ? 2
                                                   : g->level < 4 ? 3
                                                                  : g->level;
    int cell[MAX_ROW][MAX_COL], name[MAX_ROW + 1], hi = g->level < 3 ? 20 : 99;
    int kind = gen_below(g, 3), r = gen_below(g, rows),
        s = (r + gen_int(g, 1, rows - 1)) % rows;
    int c = gen_below(g, cols), d = (c + gen_int(g, 1, cols - 1)) % cols;
    char text[512];
    size_t at = 0;
    for (int i = 0; i < rows; i++)
        for (int j = 0; j < cols; j++) cell[i][j] = gen_int(g, 1, hi);
    if (kind == 0 && c > d) {
        int t = c;
        c = d;
        d = t;
    }
    if (g->variant == TASK_TWIN) cell[r][c] += twin_int(g, 1, 60);
    if (kind == 2 && cell[r][c] < cell[s][c]) return false;
    bool ill = g->variant == TASK_ILL;
    if (ill) { /* a month behind the last one */
        if (kind == 0)
            d = cols;
        else
            c = cols;
        cell[r][0] += twin_int(g, 0, 60);
    }
    gen_distinct(&g->w, N_NAME, name, rows);
    at += (size_t)snprintf(text, sizeof text, "name");
    for (int j = 0; j < cols; j++)
        at += (size_t)snprintf(text + at, sizeof text - at, " %s", month[j]);
    gen_key(g, "%d %d:", rows, cols);
    for (int i = 0; i < rows; i++) {
        at += (size_t)snprintf(text + at, sizeof text - at, "\n%s", name_list[name[i]]);
        for (int j = 0; j < cols; j++) {
            at += (size_t)snprintf(text + at, sizeof text - at, " %d", cell[i][j]);
            gen_key(g, " %d", cell[i][j]);
        }
    }
    const char *who = name_list[name[r]], *other = name_list[name[s]];
    if (kind == 0) {
        gen_key(g, " p %d %d %d", r, c, d);
        gen_ask(g, row_sum, text, who, month[c], month[d]);
    } else if (kind == 1) {
        gen_key(g, " m %d", c);
        gen_ask(g, column_sum, text, month[c]);
    } else {
        gen_key(g, " d %d %d %d", c, r, s);
        gen_ask(g, difference, text, month[c], who, other);
    }
    if (ill) {
        gen_say(g, "%s is not in the table", month[cols]);
        gen_unknown(g);
    } else if (kind == 0) {
        gen_say(g, "%s: %s %d, %s %d", who, month[c], cell[r][c], month[d], cell[r][d]);
        gen_eq(g, cell[r][c] + cell[r][d], "%d+%d", cell[r][c], cell[r][d]);
        gen_check(g, "%d-%d=%d", cell[r][c] + cell[r][d], cell[r][d], cell[r][c]);
        gen_answer(g, "%d", cell[r][c] + cell[r][d]);
    } else if (kind == 1) {
        int sum = 0;
        for (int i = 0; i < rows; i++) {
            if (i)
                gen_eq(g, sum + cell[i][c], "%s %d: %d+%d", name_list[name[i]], cell[i][c], sum,
                       cell[i][c]);
            else
                gen_say(g, "%s %d", name_list[name[i]], cell[i][c]);
            sum += cell[i][c];
        }
        gen_answer(g, "%d", sum);
    } else {
        gen_say(g, "%s: %s %d, %s %d", month[c], who, cell[r][c], other, cell[s][c]);
        gen_eq(g, cell[r][c] - cell[s][c], "%d-%d", cell[r][c], cell[s][c]);
        gen_check(g, "%d+%d=%d", cell[r][c] - cell[s][c], cell[s][c], cell[r][c]);
        gen_answer(g, "%d", cell[r][c] - cell[s][c]);
    }
    return true;
}

const struct task_family task_table_sum = {
    "table_sum", "Table look-up and sum", "a whole number", 'B', 5, 0.02, 0x04dd8ee2, make,
    check_int};
