#include "cli/chat_math.h"

#include <string.h>

#include "base/size.h"

/* ---- finding ------------------------------------------------------------------------------- */

static bool at(struct span t, size_t i, const char *what)
{
    size_t n = strlen(what);
    return i + n <= t.n && memcmp(t.p + i, what, n) == 0;
}

/* Behind a run of backticks that begins at i and its partner; i + run when it has none. */
static size_t skip_code(struct span t, size_t i)
{
    size_t run = 0;
    while (i + run < t.n && t.p[i + run] == '`') run++;
    for (size_t k = i + run; k < t.n;) {
        size_t n = 0;
        while (k + n < t.n && t.p[k + n] == '`') n++;
        if (n == run) return k + n;
        k += n ? n : 1;
    }
    return i + run;
}

static bool find_close(struct span t, size_t from, const char *mark, bool same_line,
                       size_t *end)
{
    for (size_t i = from; i < t.n; i++) {
        if (same_line && t.p[i] == '\n') return false;
        if (t.p[i] == '\\' && mark[0] == '$') {
            i++; /* an escaped sign */
            continue;
        }
        if (at(t, i, mark)) {
            *end = i;
            return true;
        }
    }
    return false;
}

static bool blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n';
}

bool math_find(struct span t, size_t from, struct math_place *out)
{
    static const struct {
        const char *open, *close;
        bool display;
    } kind[] = {
        {"\\[", "\\]", true}, {"\\(", "\\)", false}, {"$$", "$$", true}, {"$", "$", false}};
    for (size_t i = from; i < t.n;) {
        if (t.p[i] == '`') {
            i = skip_code(t, i);
            continue;
        }
        for (size_t k = 0; k < countof(kind); k++) {
            size_t open = strlen(kind[k].open), end;
            bool dollar = k == 3;
            if (!at(t, i, kind[k].open) ||
                !find_close(t, i + open, kind[k].close, dollar, &end))
                continue;
            if (end == i + open) break;
            if (dollar && (blank(t.p[i + 1]) || blank(t.p[end - 1]) ||
                           (end + 1 < t.n && t.p[end + 1] >= '0' && t.p[end + 1] <= '9')))
                break;
            *out = (struct math_place){i, end + strlen(kind[k].close), i + open, end,
                                       kind[k].display};
            return true;
        }
        i += t.p[i] == '\\' ? 2 : 1;
    }
    return false;
}

/* ---- showing ------------------------------------------------------------------------------- */

static const char *const names[][2] = {
    {"alpha", "α"},     {"beta", "β"},       {"gamma", "γ"},     {"delta", "δ"},
    {"epsilon", "ε"},   {"varepsilon", "ε"}, {"zeta", "ζ"},      {"eta", "η"},
    {"theta", "θ"},     {"iota", "ι"},       {"kappa", "κ"},     {"lambda", "λ"},
    {"mu", "μ"},        {"nu", "ν"},         {"xi", "ξ"},        {"pi", "π"},
    {"rho", "ρ"},       {"sigma", "σ"},      {"tau", "τ"},       {"phi", "φ"},
    {"varphi", "φ"},    {"chi", "χ"},        {"psi", "ψ"},       {"omega", "ω"},
    {"Gamma", "Γ"},     {"Delta", "Δ"},      {"Theta", "Θ"},     {"Lambda", "Λ"},
    {"Xi", "Ξ"},        {"Pi", "Π"},         {"Sigma", "Σ"},     {"Phi", "Φ"},
    {"Psi", "Ψ"},       {"Omega", "Ω"},      {"times", "×"},     {"cdot", "·"},
    {"div", "÷"},       {"pm", "±"},         {"mp", "∓"},        {"le", "≤"},
    {"leq", "≤"},       {"ge", "≥"},         {"geq", "≥"},       {"neq", "≠"},
    {"ne", "≠"},        {"approx", "≈"},     {"equiv", "≡"},     {"sim", "∼"},
    {"infty", "∞"},     {"sum", "∑"},        {"prod", "∏"},      {"int", "∫"},
    {"partial", "∂"},   {"nabla", "∇"},      {"in", "∈"},        {"notin", "∉"},
    {"subset", "⊂"},    {"subseteq", "⊆"},   {"cup", "∪"},       {"cap", "∩"},
    {"emptyset", "∅"},  {"forall", "∀"},     {"exists", "∃"},    {"neg", "¬"},
    {"land", "∧"},      {"lor", "∨"},        {"to", "→"},        {"rightarrow", "→"},
    {"leftarrow", "←"}, {"Rightarrow", "⇒"}, {"implies", "⇒"},   {"iff", "⇔"},
    {"ldots", "…"},     {"dots", "…"},       {"cdots", "⋯"},     {"angle", "∠"},
    {"circ", "°"},      {"degree", "°"},     {"mid", "|"},       {"perp", "⊥"},
    {"parallel", "∥"},  {"therefore", "∴"},  {"because", "∵"},   {"quad", "  "},
    {"qquad", "    "},  {"left", ""},        {"right", ""},      {"displaystyle", ""},
    {"big", ""},        {"Big", ""},         {"limits", ""},     {"bmod", "mod"},
    {"sin", "sin"},     {"cos", "cos"},      {"tan", "tan"},     {"log", "log"},
    {"ln", "ln"},       {"exp", "exp"},      {"lim", "lim"},     {"max", "max"},
    {"min", "min"},     {"gcd", "gcd"},      {"langle", "⟨"},    {"rangle", "⟩"},
    {"lfloor", "⌊"},    {"rfloor", "⌋"},     {"lceil", "⌈"},     {"rceil", "⌉"},
    {"mathbb{R}", "ℝ"}, {"mathbb{N}", "ℕ"},  {"mathbb{Z}", "ℤ"}, {"mathbb{Q}", "ℚ"},
};

/* Commands that show their argument alone. */
static const char *const plain[] = {"text",   "mathrm", "mathbf",       "textbf",
                                    "mathit", "mbox",   "operatorname", "mathsf"};

static const char *const raised = "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁽⁾ⁿ";
static const char *const lowered = "₀₁₂₃₄₅₆₇₈₉₊₋₍₎ₙ";
static const char scriptable[] = "0123456789+-()n";

/* Bytes of the UTF-8 sequence at p. */
static size_t unit(const char *p)
{
    unsigned char c = (unsigned char)*p;
    return c < 0x80 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
}

static bool add_scripts(struct span t, const char *set, struct buf *out)
{
    for (size_t i = 0; i < t.n; i++)
        if (!strchr(scriptable, t.p[i])) return false;
    for (size_t i = 0; i < t.n; i++) {
        const char *p = set;
        for (ptrdiff_t k = strchr(scriptable, t.p[i]) - scriptable; k > 0; k--) p += unit(p);
        buf_add(out, p, unit(p));
    }
    return true;
}

/* The argument at i: a group, a command, or one sign. *end: behind it. */
static struct span argument(struct span t, size_t i, size_t *end)
{
    while (i < t.n && t.p[i] == ' ') i++;
    if (i < t.n && t.p[i] == '{') {
        int depth = 0;
        for (size_t k = i; k < t.n; k++) {
            depth += t.p[k] == '{' ? 1 : t.p[k] == '}' ? -1 : 0;
            if (depth > 0) continue;
            *end = k + 1;
            return (struct span){t.p + i + 1, k - i - 1};
        }
    }
    size_t k = i;
    if (k < t.n && t.p[k] == '\\') {
        k++;
        while (k < t.n && ((t.p[k] | 32) >= 'a' && (t.p[k] | 32) <= 'z')) k++;
    } else if (k < t.n) {
        k += unit(t.p + k);
    }
    *end = k < t.n ? k : t.n;
    return (struct span){t.p + i, *end - i};
}

static bool simple(struct span t)
{
    for (size_t i = 0; i < t.n; i++)
        if (strchr(" +-*/=<>\\{}^_", t.p[i])) return false;
    return true;
}

enum { DEPTH_MAX = 12 };

static void render(struct span t, int depth, struct buf *out);

static void grouped(struct span t, int depth, struct buf *out)
{
    if (!simple(t)) buf_add_char(out, '(');
    render(t, depth + 1, out);
    if (!simple(t)) buf_add_char(out, ')');
}

static size_t script(struct span t, size_t i, int depth, struct buf *out)
{
    size_t end;
    bool up = t.p[i] == '^';
    struct span a = argument(t, i + 1, &end);
    if (up && span_is(a, "\\circ")) {
        buf_add_str(out, "°");
    } else if (a.n == 0 || !add_scripts(a, up ? raised : lowered, out)) {
        buf_add_char(out, t.p[i]);
        if (simple(a) && a.n <= 1) {
            render(a, depth + 1, out);
        } else {
            buf_add_char(out, '{');
            render(a, depth + 1, out);
            buf_add_char(out, '}');
        }
    }
    return end;
}

/* The command at i, a backslash. Returns what is behind it. */
static size_t command(struct span t, size_t i, int depth, struct buf *out)
{
    size_t k = i + 1, end;
    while (k < t.n && ((t.p[k] | 32) >= 'a' && (t.p[k] | 32) <= 'z')) k++;
    struct span name = {t.p + i + 1, k - i - 1};
    if (name.n == 0) { /* \, \; \{ \\ and such */
        if (k < t.n && t.p[k] == '\\') buf_add_str(out, "\n");
        if (k < t.n && strchr(",;: ", t.p[k])) buf_add_char(out, ' ');
        if (k < t.n && strchr("{}%$#&_|", t.p[k])) buf_add_char(out, t.p[k]);
        return k + 1;
    }
    if (span_is(name, "frac") || span_is(name, "dfrac") || span_is(name, "tfrac")) {
        struct span a = argument(t, k, &end), b = argument(t, end, &end);
        grouped(a, depth, out);
        buf_add_char(out, '/');
        grouped(b, depth, out);
        return end;
    }
    if (span_is(name, "sqrt") && k < t.n && t.p[k] != '[') {
        struct span a = argument(t, k, &end);
        buf_add_str(out, "√");
        grouped(a, depth, out);
        return end;
    }
    for (size_t n = 0; n < countof(plain); n++) {
        if (!span_is(name, plain[n])) continue;
        struct span a = argument(t, k, &end);
        render(a, depth + 1, out);
        return end;
    }
    for (size_t n = 0; n < countof(names); n++) {
        size_t len = strlen(names[n][0]);
        bool whole =
            strchr(names[n][0], '{') ? at(t, i + 1, names[n][0]) : span_is(name, names[n][0]);
        if (!whole) continue;
        buf_add_str(out, names[n][1]);
        return i + 1 + len;
    }
    buf_add(out, t.p + i, k - i);
    return k;
}

static void render(struct span t, int depth, struct buf *out)
{
    if (depth > DEPTH_MAX) {
        buf_add_span(out, t);
        return;
    }
    for (size_t i = 0; i < t.n;) {
        if (t.p[i] == '\\') {
            i = command(t, i, depth, out);
        } else if ((t.p[i] == '^' || t.p[i] == '_') && i + 1 < t.n) {
            i = script(t, i, depth, out);
        } else if (t.p[i] == '&') {
            i++; /* a column of an aligned formula */
        } else {
            buf_add_char(out, t.p[i++]);
        }
    }
}

void math_render(struct span formula, struct buf *out)
{
    render(formula, 0, out);
}
