#include "task/check_choice.h"

#include <string.h>

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static char upper(char c)
{
    return c >= 'a' && c <= 'z' ? (char)(c - 32) : c;
}

static struct span strip(struct span s)
{
    while (s.n && strchr(" \t\r\n*$`(.\"'", s.p[0])) s = (struct span){s.p + 1, s.n - 1};
    while (s.n && strchr(" \t\r\n*$`).:\"'", s.p[s.n - 1])) s.n--;
    return s;
}

char choice_only(struct span text)
{
    static const char *const lead[] = {"option",  "Option",    "choice",    "Choice",
                                       "\\text{", "\\mathrm{", "\\textbf{", "answer",
                                       "Answer:", "answer:",   "Answer"};
    text = strip(text);
    for (size_t i = 0; i < sizeof lead / sizeof *lead; i++)
        if (span_starts(text, lead[i])) {
            size_t n = strlen(lead[i]);
            text = (struct span){text.p + n, text.n - n};
            if (text.n && text.p[text.n - 1] == '}') text.n--;
            text = strip(text);
            break;
        }
    if (text.n != 1) return 0;
    char c = upper(text.p[0]);
    return c >= 'A' && c <= 'J' ? c : 0;
}

char choice_letter(struct span s)
{
    char only = choice_only(s), in_parens = 0, alone = 0;
    if (only) return only;
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i], before = i ? s.p[i - 1] : ' ', after = i + 1 < s.n ? s.p[i + 1] : ' ';
        if (c < 'A' || c > 'J' || is_letter(before) || is_letter(after) || before == '\\')
            continue;
        if (before == '(' && after == ')') {
            in_parens = c;
            continue;
        }
        bool word = (c == 'A' || c == 'I') && (after == ' ' || after == '\'') && i + 2 < s.n &&
                    is_letter(s.p[i + 2]) &&
                    !span_starts((struct span){s.p + i + 2, s.n - i - 2}, "is ");
        if (!word) alone = c;
    }
    return in_parens ? in_parens : alone;
}

bool choice_equal(struct span gold, struct span answer)
{
    char g = choice_only(gold);
    return g && g == choice_letter(answer);
}
