#include "rl/reward.h"

#include "base/utf8.h"

static bool is_han(uint32_t c)
{
    return (c >= 0x3400 && c <= 0x9fff) || (c >= 0xf900 && c <= 0xfaff) ||
           (c >= 0x20000 && c <= 0x3ffff);
}

/* Letters by block: ASCII, Latin with marks, and everything above that is not punctuation. */
static bool is_latin(uint32_t c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
           (c >= 0xc0 && c <= 0x24f && c != 0xd7 && c != 0xf7);
}

static bool is_other_letter(uint32_t c)
{
    bool sign = (c >= 0x2000 && c <= 0x2bff) || (c >= 0x3000 && c <= 0x303f) ||
                (c >= 0xfe00 && c <= 0xfe6f) || (c >= 0xff00 && c <= 0xff20) ||
                (c >= 0x1f000 && c <= 0x1faff) || c == 0xfffd;
    return c >= 0x250 && !sign && !is_han(c);
}

double reward_language(enum language want, struct span text)
{
    size_t words = 0, good = 0;
    bool inside = false, latin = true;
    for (size_t i = 0; want != LANGUAGE_ANY && i <= text.n;) {
        size_t len = 1;
        uint32_t c = i < text.n ? utf8_decode(text.p + i, text.n - i, &len) : 0;
        i += len;
        bool l = is_latin(c), o = is_other_letter(c);
        if (l || o) {
            latin = inside ? latin && l : l;
            inside = true;
            continue;
        }
        if (inside) {
            words++;
            good += want == LANGUAGE_LATIN && latin;
        }
        inside = false;
        if (!is_han(c)) continue;
        words++;
        good += want == LANGUAGE_HAN;
    }
    return words ? (double)good / (double)words : 1;
}

static double overlong(const struct reward_opts *o, int64_t n)
{
    int64_t from = o->longest - o->margin;
    if (o->margin <= 0 || n <= from) return 0;
    return n >= o->longest ? -1 : (double)(from - n) / (double)o->margin;
}

struct reward reward_of(const struct reward_opts *o, const struct reward_in *in)
{
    struct reward r = {.score = in->score,
                       .form = in->tagged && !in->truncated,
                       .language = reward_language(o->language, in->thinking),
                       .length = overlong(o, in->n_token),
                       .judged = !in->errored};
    if (in->errored) return r;
    switch (o->format) {
    case FORMAT_GATE: r.total = r.form > 0 ? r.score : 0; break;
    case FORMAT_ADD: r.total = r.score + o->format_weight * r.form; break;
    case FORMAT_NONE: r.total = r.score; break;
    }
    r.total += o->language_weight * r.language + r.length;
    return r;
}
