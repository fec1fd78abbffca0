/* calendar.c - clock times plus minutes, the minutes between two times, weekdays after days.
 * Keys: "18:45+137", "18:45-20:10", "2+10" (Tuesday and 10 days; Sunday is 0). */
#include <stdio.h>
#include <string.h>

#include "task/gen.h"

static const char *const end_time[TASK_PHRASINGS] = {
    "A film starts at $1 and lasts $2 minutes. When does it end?",
    "It is $1. What time is it in $2 minutes?",
    "A train leaves at $1 and needs $2 minutes. When does it arrive?",
    "What time is $2 minutes after $1?",
    "A cake goes into the oven at $1 for $2 minutes. When is it done?",
    "Add $2 minutes to $1.",
    "School begins at $1 and takes $2 minutes. When is it over?",
    "At $1 a clock is set to ring after $2 minutes. At what time does it ring?",
};
static const char *const between[TASK_PHRASINGS] = {
    "How many minutes are there from $1 to $2?",
    "A lesson lasts from $1 to $2. How many minutes is that?",
    "How long is it from $1 until $2, in minutes?",
    "A bus leaves at $1 and arrives at $2. How many minutes does it take?",
    "Count the minutes between $1 and $2.",
    "From $1 to $2: how many minutes?",
    "Someone sleeps from $1 to $2. For how many minutes?",
    "What is the time from $1 to $2 in minutes?",
};
static const char *const weekday[TASK_PHRASINGS] = {
    "Today is $1. What day is it in $2 days?",
    "It is $1. Which weekday comes $2 days later?",
    "What weekday is $2 days after $1?",
    "If today is $1, what day of the week is it after $2 days?",
    "A parcel is sent on $1 and takes $2 days. On which weekday does it come?",
    "Count $2 days on from $1. Which weekday is that?",
    "$1 plus $2 days: which weekday?",
    "Which day of the week follows $1 by $2 days?",
};
static const char *const day[7] = {"Sunday",   "Monday", "Tuesday", "Wednesday",
                                   "Thursday", "Friday", "Saturday"};

static struct txt clock_text(int m)
{
    struct txt t;
    snprintf(t.s, sizeof t.s, "%02d:%02d", m / 60 % 24, m % 60);
    return t;
}

static void say_end(struct gen *g, int t, int add)
{
    int h = t / 60, m = t % 60, dh = add / 60, dm = add % 60;
    if (dh) gen_say(g, "%d minutes = %d h %d min", add, dh, dm);
    if (dh) gen_eq(g, h + dh, "%d+%d", h, dh);
    h += dh;
    gen_eq(g, m + dm, "%d+%d", m, dm);
    m += dm;
    if (m >= 60) {
        gen_say(g, "%d-60=%d, %d+1=%d", m, m - 60, h, h + 1);
        m -= 60;
        h++;
    }
    if (h >= 24) {
        gen_eq(g, h - 24, "%d-24", h);
        h -= 24;
    }
    gen_answer(g, "%s", clock_text(h * 60 + m).s);
}

static void say_between(struct gen *g, int t, int u)
{
    int h = u / 60 - t / 60;
    if (u < t) gen_say(g, "over midnight: %d+24=%d", u / 60, u / 60 + 24);
    if (u < t) h += 24;
    gen_say(g, "%d h", h);
    gen_eq(g, h * 60, "%d*60", h);
    gen_eq(g, u % 60 - t % 60, "%d-%d", u % 60, t % 60);
    int d = h * 60 + u % 60 - t % 60;
    gen_eq(g, d, "%d%+d", h * 60, u % 60 - t % 60);
    gen_check(g, "%s plus %d is %s", clock_text(t).s, d, clock_text(u).s);
    gen_answer(g, "%d", d);
}

static bool make(struct gen *g)
{
    static const int hi[] = {0, 59, 120, 300, 600, 900, 1300};
    int kind = gen_below(g, 3), t = gen_int(g, 0, 1439), add = gen_int(g, 5, hi[g->level]);
    int start = gen_below(g, 7), days = gen_int(g, 2, g->level * g->level * 10);
    if (g->level < 3 && t + add >= 1440) return false;
    if (g->level == 1 && t % 5) return false;
    if (g->variant == TASK_TWIN) {
        add += twin_int(g, 1, 59);
        days += twin_int(g, 1, 40);
    }
    bool ill = g->variant == TASK_ILL;
    if (ill) {
        t = twin_below(g, 1440);
        if (kind == 2) kind = 0;
    }
    if (kind == 2) {
        gen_key(g, "%d+%d", start, days);
        gen_ask(g, weekday, day[start], num(days).s);
        if (days >= 7) gen_say(g, "%d=%d*7+%d", days, days / 7, days % 7);
        g->detail = true;
        for (int i = 1; i <= days % 7; i++) gen_say(g, "%d: %s", i, day[(start + i) % 7]);
        g->detail = false;
        gen_line(g, "so ", day[(start + days) % 7], day[(start + days + 1) % 7]);
        gen_answer(g, "%s", day[(start + days) % 7]);
        return true;
    }
    int u = (t + add) % 1440;
    struct txt u_text = clock_text(u), add_text = num(add);
    const char *second = ill ? (kind ? "later" : "some") : kind ? u_text.s : add_text.s;
    gen_key(g, "%s%c%s", clock_text(t).s, kind ? '-' : '+', second);
    gen_ask(g, kind ? between : end_time, clock_text(t).s, second);
    if (ill) {
        gen_say(g, "%s is not given", kind ? "the later time" : "the number of minutes");
        gen_unknown(g);
    } else if (kind) {
        say_between(g, t, u);
    } else {
        say_end(g, t, add);
    }
    return true;
}

/* h:mm or hh:mm; a number of minutes; a weekday. */
static const char *check(const struct task_item *it, struct span a)
{
    struct span gold = buf_span(&it->answer);
    if (!memchr(gold.p, ':', gold.n))
        return gold.p[0] >= 'A' ? check_words(it, a) : check_int(it, a);
    if (a.n == 4 && a.p[1] == ':' && gold.p[0] == '0') gold = (struct span){gold.p + 1, 4};
    return span_eq(a, gold) ? NULL : "another time";
}

const struct task_family task_calendar = {"calendar",
                                          "Clock and calendar",
                                          "hh:mm, a number or a weekday",
                                          'B',
                                          5,
                                          0.06,
                                          0xfd714219,
                                          make,
                                          check};
