/* sudoku4.c - 4x4 sudoku whose cells are all forced one after another: some cell has one digit
 * left at every step. Key: 16 signs, a point for a blank. Rows, columns and 2x2 boxes hold 1 to 4
 * once. */
#include <stdio.h>
#include <string.h>

#include "task/gen.h"

static const char *const ask[TASK_PHRASINGS] = {
    "Fill the 4x4 sudoku:\n$1",
    "Solve this 4x4 sudoku (rows, columns and 2x2 boxes hold 1-4 once):\n$1",
    "Complete the grid so that each row, column and 2x2 box has 1, 2, 3, 4:\n$1",
    "Mini sudoku:\n$1\nFill in the blanks.",
    "Put the missing digits into this 4x4 sudoku:\n$1",
    "Find the full grid of this mini sudoku:\n$1",
    "Each row, column and 2x2 block takes 1 to 4 once. Finish it:\n$1",
    "Work out the empty cells of this small sudoku:\n$1",
};

/* The digits that cell k's row, column and box hold, as bits 1 to 4. */
static int seen(const char *c, int k)
{
    int bits = 0, r = k / 4, q = k % 4;
    for (int i = 0; i < 16; i++) {
        bool peer = i / 4 == r || i % 4 == q || (i / 8 == r / 2 && i % 4 / 2 == q / 2);
        if (peer && i != k && c[i] != '.') bits |= 1 << (c[i] - '0');
    }
    return bits;
}

static int only_left(int bits)
{
    int left = 0;
    for (int d = 1; d <= 4; d++)
        if (!(bits >> d & 1)) left = left ? -1 : d;
    return left > 0 ? left : 0;
}

/* Fills forced cells in place, first in reading order each time; with lines when g is given. */
static bool solve(struct gen *g, char *c)
{
    while (strchr(c, '.')) {
        int k = 0, d = 0;
        for (; k < 16; k++)
            if (c[k] == '.' && (d = only_left(seen(c, k))) != 0) break;
        if (k == 16) return false;
        if (g) {
            char lhs[48];
            int n = snprintf(lhs, sizeof lhs, "r%dc%d sees", k / 4 + 1, k % 4 + 1);
            for (int i = 1; i <= 4; i++)
                if (i != d) n += snprintf(lhs + n, sizeof lhs - (size_t)n, " %d", i);
            snprintf(lhs + n, sizeof lhs - (size_t)n, ": ");
            gen_line(g, lhs, num(d).s, num(d % 4 + 1).s);
        }
        c[k] = (char)('0' + d);
    }
    return true;
}

/* A full grid: the base grid with digits, rows in bands, columns in stacks and bands shuffled. */
static void full_grid(struct rng *r, char *c)
{
    static const char base[] = "1234341221434321";
    int digit[4], row[4], col[4];
    gen_distinct(r, 4, digit, 4);
    for (int k = 0; k < 2; k++) {
        int *v = k ? row : col, flip = (int)rng_below(r, 8);
        v[0] = flip & 1 ? 2 : 0;
        v[2] = 2 - v[0];
        v[1] = v[0] + 1;
        v[3] = v[2] + 1;
        for (int i = 0; i < 4; i += 2)
            if (flip >> (1 + i / 2) & 1) {
                v[i]++;
                v[i + 1]--;
            }
    }
    for (int i = 0; i < 16; i++)
        c[i] = (char)('1' + digit[base[row[i / 4] * 4 + col[i % 4]] - '1']);
    c[16] = 0;
}

static bool make(struct gen *g)
{
    static const int blanks[] = {0, 4, 6, 8, 9, 10, 11};
    char full[17], cell[17], work[17], text[48];
    int order[16];
    full_grid(g->variant == TASK_TWIN ? &g->t : &g->r, full);
    if (g->variant == TASK_TWIN) full_grid(&g->r, work); /* the same draws as the plain item */
    memcpy(cell, full, sizeof cell);
    for (int i = 0; i < 16; i++) order[i] = i;
    gen_shuffle(g, order, 16);
    for (int i = 0; i < blanks[g->level]; i++) cell[order[i]] = '.';
    int clash = -1;
    if (g->variant == TASK_ILL) { /* a given repeats a digit of its row */
        int k = order[15 - twin_below(g, 16 - blanks[g->level])],
            j = k / 4 * 4 + twin_below(g, 4);
        if (j == k || cell[j] == '.') return false;
        cell[k] = cell[j];
        clash = k;
    }
    for (int i = 0, at = 0; i < 16; i++)
        at += snprintf(text + at, sizeof text - (size_t)at, "%c%s",
                       cell[i] == '.' ? '_' : cell[i],
                       i == 15      ? ""
                       : i % 4 == 3 ? "\n"
                                    : " ");
    gen_key(g, "%s", cell);
    gen_ask(g, ask, text);
    if (clash >= 0) {
        gen_say(g, "row %d has %c twice", clash / 4 + 1, cell[clash]);
        gen_none(g);
        return true;
    }
    memcpy(work, cell, sizeof work);
    if (!solve(NULL, work)) return false;
    (void)solve(g, cell);
    gen_check(g, "rows %.4s %.4s %.4s %.4s", cell, cell + 4, cell + 8, cell + 12);
    gen_answer(g, "%.4s %.4s %.4s %.4s", cell, cell + 4, cell + 8, cell + 12);
    return true;
}

static const char *check(const struct task_item *it, struct span a)
{
    char c[17];
    int n = 0;
    const char *given = buf_str(&it->key);
    if (it->key.len != 16) return "the item's key is not 16 signs";
    for (size_t i = 0; i < a.n; i++) {
        if (strchr(" ,\n|", a.p[i])) continue;
        if (a.p[i] < '1' || a.p[i] > '4' || n == 16) return "not 16 digits from 1 to 4";
        c[n++] = a.p[i];
    }
    if (n != 16) return "not 16 digits from 1 to 4";
    c[16] = 0;
    for (int i = 0; i < 16; i++) {
        if (given[i] != '.' && given[i] != c[i]) return "a given digit is changed";
        if (seen(c, i) >> (c[i] - '0') & 1) return "a digit stands twice";
    }
    return NULL;
}

const struct task_family task_sudoku4 = {
    "sudoku4", "4x4 sudoku", "four rows such as 1234 3412 ...", 'C', 5, 0.01, 0xb6bbb641,
    make,      check};
