#include "cli/chat_markdown.h"

#include <md4c.h>
#include <stdio.h>
#include <string.h>

#include <utf8proc.h>

#include "base/mem.h"
#include "base/size.h"
#include "base/utf8.h"
#include "cli/chat_math.h"

enum {
    OUT_MAX = 16 << 20,
    LEVELS = 16,
    COLS = 16,
    CELLS = 1024,
    FORMULAS = 4096,
    PRIVATE = 0xE000, /* a formula stands in the text as one private character */
    WIDTH_MIN = 10,
    CELL_MIN = 4
};

/* ---- cutting into blocks ------------------------------------------------------------------- */

struct line {
    size_t begin, end, next; /* next: behind the line end */
    size_t indent;
    bool blank, whole;
};

static struct line line_at(struct span t, size_t at)
{
    struct line l = {.begin = at, .end = at};
    while (l.end < t.n && t.p[l.end] != '\n') l.end++;
    l.whole = l.end < t.n;
    l.next = l.whole ? l.end + 1 : l.end;
    while (l.begin + l.indent < l.end && t.p[l.begin + l.indent] == ' ') l.indent++;
    l.blank = l.begin + l.indent >= l.end;
    return l;
}

/* The fence that a line opens or closes: its sign, and how many. */
static char fence_of(struct span t, const struct line *l, size_t *n)
{
    const char *p = t.p + l->begin + l->indent;
    size_t left = l->end - l->begin - l->indent;
    *n = 0;
    if (left < 3 || (*p != '`' && *p != '~')) return 0;
    while (*n < left && p[*n] == *p) ++*n;
    return *n >= 3 ? *p : 0;
}

/* Whether a display formula is open at the line's end. */
static bool math_open(struct span t, const struct line *l, bool open)
{
    for (size_t i = l->begin; i + 1 < l->end; i++) {
        if (t.p[i] == '$' && t.p[i + 1] == '$') open = !open, i++;
        if (t.p[i] == '\\' && t.p[i + 1] == '[') open = true, i++;
        if (t.p[i] == '\\' && t.p[i + 1] == ']') open = false, i++;
    }
    return open;
}

size_t markdown_block(struct span t, bool at_end)
{
    char fence = 0;
    size_t fence_n = 0, n;
    bool math = false, any = false;
    for (size_t i = 0; i < t.n;) {
        struct line l = line_at(t, i);
        if (!l.whole && !at_end) return 0;
        i = l.next;
        if (l.blank && any && !fence && !math) {
            while (i < t.n) { /* blank lines go with the block, but the next one must be seen */
                struct line b = line_at(t, i);
                if (!b.blank) return i;
                if (!b.whole) break;
                i = b.next;
            }
            return at_end ? t.n : 0;
        }
        any |= !l.blank;
        char f = math ? 0 : fence_of(t, &l, &n);
        if (fence) {
            if (f == fence && n >= fence_n) {
                fence = 0;
                if (i < t.n || at_end)
                    return i; /* a line of its own behind code is a new block */
            }
        } else if (f) {
            fence = f;
            fence_n = n;
        } else {
            math = math_open(t, &l, math);
        }
    }
    return at_end ? t.n : 0;
}

/* ---- rendering ----------------------------------------------------------------------------- */

enum style { BOLD = 1, ITALIC = 2, CODE = 4, STRIKE = 8, UNDER = 16, MATH = 32, DIM = 64 };

struct level { /* what stands in front of lines: first line, further ones */
    char first[16], rest[16];
    bool used; /* the first was printed */
    bool ordered;
    unsigned number;
};

struct md {
    struct buf *out, text; /* text: the leaf block's, with colours */
    int width;
    bool color;
    unsigned style;
    int count[8]; /* of each style bit, for nesting */
    struct level level[LEVELS];
    int depth, lists;
    bool ordered[LEVELS];
    unsigned number[LEVELS];
    struct buf formula;
    size_t f_at[FORMULAS];
    size_t n_formula;
    /* a table */
    struct buf cell;
    size_t cell_at[CELLS + 1];
    int n_cell, n_col, align[COLS];
};

static void set_style(struct md *m, unsigned bit, bool on)
{
    for (unsigned i = 0; i < 8; i++)
        if (bit == 1u << i) m->count[i] += on ? 1 : -1;
    unsigned style = 0;
    for (unsigned i = 0; i < 8; i++)
        if (m->count[i] > 0) style |= 1u << i;
    if (style == m->style || !m->color) {
        m->style = style;
        return;
    }
    m->style = style;
    buf_add_str(&m->text, "\033[0");
    if (style & BOLD) buf_add_str(&m->text, ";1");
    if (style & DIM) buf_add_str(&m->text, ";2");
    if (style & ITALIC) buf_add_str(&m->text, ";3");
    if (style & UNDER) buf_add_str(&m->text, ";4");
    if (style & STRIKE) buf_add_str(&m->text, ";9");
    if (style & CODE) buf_add_str(&m->text, ";36");
    if (style & MATH) buf_add_str(&m->text, ";35");
    buf_add_char(&m->text, 'm');
}

/* Length of a colour at p, 0 if there is none. */
static size_t escape(const char *p, size_t n)
{
    if (n < 2 || p[0] != '\033') return 0;
    size_t k = 1;
    while (k < n && p[k] != 'm') k++;
    return k < n ? k + 1 : n;
}

static int width_of(uint32_t cp)
{
    int w = utf8proc_charwidth((utf8proc_int32_t)cp);
    return w < 0 ? 0 : w;
}

static int text_width(struct span t)
{
    int w = 0;
    for (size_t i = 0, n; i < t.n; i += n) {
        n = escape(t.p + i, t.n - i);
        if (!n) w += width_of(utf8_decode(t.p + i, t.n - i, &n));
    }
    return w;
}

/* Cuts text at blanks (and around wide characters) into lines of at most `avail`; each line ends in
 * the plain style and the next takes the style up again. */
struct wrapper {
    struct buf *out;
    int avail, col;
    char style[32], word_style[32];
    struct buf word;
    int word_w;
    bool blank;
};

static void new_line(struct wrapper *w)
{
    if (w->style[0]) buf_add_str(w->out, "\033[0m");
    buf_add_char(w->out, '\n');
    if (w->style[0]) buf_add_str(w->out, w->style);
    w->col = 0;
}

static void note_style(struct wrapper *w, const char *p, size_t n)
{
    bool off = n == 4 && memcmp(p, "\033[0m", 4) == 0;
    snprintf(w->style, sizeof w->style, "%.*s", off ? 0 : (int)n, p);
}

static void end_word(struct wrapper *w)
{
    if (!w->word.len) return;
    if (w->col > 0 && w->col + w->blank + w->word_w > w->avail)
        new_line(w);
    else if (w->blank && w->col > 0) {
        buf_add_char(w->out, ' ');
        w->col++;
    }
    struct span t = buf_span(&w->word);
    for (size_t i = 0, n; i < t.n; i += n) {
        n = escape(t.p + i, t.n - i);
        if (n) {
            note_style(w, t.p + i, n);
        } else {
            int cw = width_of(utf8_decode(t.p + i, t.n - i, &n));
            if (w->col + cw > w->avail && w->col > 0) new_line(w);
            w->col += cw;
        }
        buf_add(w->out, t.p + i, n);
    }
    buf_clear(&w->word);
    w->word_w = 0;
    w->blank = false;
}

static void wrap(struct span t, int avail, struct buf *out)
{
    struct wrapper w = {.out = out, .avail = avail < 1 ? 1 : avail};
    buf_init(&w.word, OUT_MAX);
    for (size_t i = 0, n; i < t.n; i += n) {
        n = escape(t.p + i, t.n - i);
        if (n) {
            buf_add(&w.word, t.p + i, n);
            continue;
        }
        if (t.p[i] == ' ' || t.p[i] == '\n') {
            end_word(&w);
            w.blank = true;
            n = 1;
            if (t.p[i] == '\n') {
                new_line(&w);
                w.blank = false;
            }
            continue;
        }
        int cw = width_of(utf8_decode(t.p + i, t.n - i, &n));
        if (cw > 1) end_word(&w);
        buf_add(&w.word, t.p + i, n);
        w.word_w += cw;
        if (cw > 1) end_word(&w);
    }
    end_word(&w);
    if (w.style[0]) buf_add_str(out, "\033[0m");
    buf_release(&w.word);
}

/* ---- lines with what stands in front ------------------------------------------------------- */

static int prefix_width(const struct md *m)
{
    int w = 0;
    for (int i = 0; i < m->depth; i++) w += text_width(span_of(m->level[i].rest));
    return w;
}

static void add_prefix(struct md *m)
{
    for (int i = 0; i < m->depth; i++) {
        struct level *l = &m->level[i];
        buf_add_str(m->out, l->used ? l->rest : l->first);
        l->used = true;
    }
}

static void add_lines(struct md *m, struct span t)
{
    for (size_t i = 0; i <= t.n;) {
        size_t end = i;
        while (end < t.n && t.p[end] != '\n') end++;
        add_prefix(m);
        buf_add(m->out, t.p + i, end - i);
        buf_add_char(m->out, '\n');
        i = end + 1;
    }
}

static void flush(struct md *m)
{
    if (!m->text.len) return;
    struct buf lines;
    buf_init(&lines, OUT_MAX);
    int avail = m->width - prefix_width(m);
    wrap(buf_span(&m->text), avail < WIDTH_MIN ? WIDTH_MIN : avail, &lines);
    add_lines(m, buf_span(&lines));
    buf_release(&lines);
    buf_clear(&m->text);
    if (m->style) { /* a style goes on into the next block: cannot be, but costs nothing */
        m->style = 0;
        memset(m->count, 0, sizeof m->count);
    }
}

static void push_level(struct md *m, const char *first, const char *rest)
{
    flush(m);
    if (m->depth == LEVELS) return;
    struct level *l = &m->level[m->depth++];
    *l = (struct level){.used = false};
    snprintf(l->first, sizeof l->first, "%s", first);
    snprintf(l->rest, sizeof l->rest, "%s", rest);
}

static void pop_level(struct md *m)
{
    flush(m);
    if (m->depth > 0) m->depth--;
}

/* ---- tables -------------------------------------------------------------------------------- */

static struct span cell_text(const struct md *m, int row, int col)
{
    int i = row * m->n_col + col;
    if (i >= m->n_cell) return (struct span){"", 0};
    return (struct span){m->cell.data + m->cell_at[i], m->cell_at[i + 1] - m->cell_at[i]};
}

/* Widths that fit: what is wider than its share gives way. */
static void column_widths(const struct md *m, int rows, int avail, int *w)
{
    int sum = 0;
    for (int c = 0; c < m->n_col; c++) {
        w[c] = 1;
        for (int r = 0; r < rows; r++) {
            int n = text_width(cell_text(m, r, c));
            if (n > w[c]) w[c] = n;
        }
        sum += w[c];
    }
    while (sum > avail) {
        int widest = 0;
        for (int c = 1; c < m->n_col; c++)
            if (w[c] > w[widest]) widest = c;
        if (w[widest] <= CELL_MIN) return;
        w[widest]--;
        sum--;
    }
}

static void pad(struct buf *b, int n)
{
    for (; n > 0; n--) buf_add_char(b, ' ');
}

/* Line `n` of a cell that was wrapped; empty behind its end. */
static struct span nth_line(struct span t, int n)
{
    size_t i = 0;
    for (; n > 0 && i < t.n; n--) {
        while (i < t.n && t.p[i] != '\n') i++;
        i++;
    }
    if (i >= t.n) return (struct span){"", 0};
    size_t end = i;
    while (end < t.n && t.p[end] != '\n') end++;
    return (struct span){t.p + i, end - i};
}

static void table_row(struct md *m, int row, const int *w, struct buf *line)
{
    struct buf cell[COLS];
    int high = 1;
    for (int c = 0; c < m->n_col; c++) {
        buf_init(&cell[c], OUT_MAX);
        wrap(cell_text(m, row, c), w[c], &cell[c]);
        int n = 1;
        for (size_t i = 0; i < cell[c].len; i++) n += cell[c].data[i] == '\n';
        if (n > high) high = n;
    }
    for (int n = 0; n < high; n++) {
        buf_clear(line);
        for (int c = 0; c < m->n_col; c++) {
            struct span t = nth_line(buf_span(&cell[c]), n);
            int gap = w[c] - text_width(t);
            int left = m->align[c] == MD_ALIGN_RIGHT    ? gap
                       : m->align[c] == MD_ALIGN_CENTER ? gap / 2
                                                        : 0;
            if (c) buf_add_str(line, " │ ");
            pad(line, left);
            buf_add_span(line, t);
            if (c + 1 < m->n_col) pad(line, gap - left);
        }
        add_lines(m, buf_span(line));
    }
    for (int c = 0; c < m->n_col; c++) buf_release(&cell[c]);
}

static void end_table(struct md *m)
{
    int w[COLS], rows = m->n_col ? (m->n_cell + m->n_col - 1) / m->n_col : 0;
    struct buf line;
    buf_init(&line, OUT_MAX);
    column_widths(m, rows, m->width - prefix_width(m) - 3 * (m->n_col - 1), w);
    for (int r = 0; r < rows; r++) {
        table_row(m, r, w, &line);
        if (r > 0) continue;
        buf_clear(&line);
        for (int c = 0; c < m->n_col; c++) {
            if (c) buf_add_str(&line, "─┼─");
            for (int i = 0; i < w[c]; i++) buf_add_str(&line, "─");
        }
        add_lines(m, buf_span(&line));
    }
    buf_release(&line);
    buf_clear(&m->cell);
    m->n_cell = m->n_col = 0;
}

static void end_cell(struct md *m)
{
    if (m->n_cell < CELLS) {
        m->cell_at[m->n_cell++] = m->cell.len;
        buf_add(&m->cell, m->text.data, m->text.len);
        m->cell_at[m->n_cell] = m->cell.len;
    }
    buf_clear(&m->text);
}

/* ---- what the parser says ------------------------------------------------------------------ */

static int enter_block(MD_BLOCKTYPE type, void *detail, void *ctx)
{
    struct md *m = ctx;
    char first[16];
    switch (type) {
    case MD_BLOCK_QUOTE: push_level(m, "│ ", "│ "); break;
    case MD_BLOCK_UL:
    case MD_BLOCK_OL:
        flush(m);
        if (m->lists < LEVELS) {
            m->ordered[m->lists] = type == MD_BLOCK_OL;
            m->number[m->lists] =
                type == MD_BLOCK_OL ? ((MD_BLOCK_OL_DETAIL *)detail)->start : 0;
        }
        m->lists++;
        break;
    case MD_BLOCK_LI: {
        const MD_BLOCK_LI_DETAIL *d = detail;
        int at = m->lists - 1;
        if (d->is_task)
            snprintf(first, sizeof first, "%s", d->task_mark == ' ' ? "☐ " : "☑ ");
        else if (at >= 0 && at < LEVELS && m->ordered[at])
            snprintf(first, sizeof first, "%u. ", m->number[at]++);
        else
            snprintf(first, sizeof first, "• ");
        char rest[16] = "               ";
        int w = text_width(span_of(first));
        rest[w < 15 ? w : 15] = 0;
        push_level(m, first, rest);
        break;
    }
    case MD_BLOCK_H:
        flush(m);
        set_style(m, BOLD, true);
        if (((MD_BLOCK_H_DETAIL *)detail)->level == 1) set_style(m, UNDER, true);
        break;
    case MD_BLOCK_CODE: flush(m); break;
    case MD_BLOCK_TABLE: {
        flush(m);
        unsigned n = ((MD_BLOCK_TABLE_DETAIL *)detail)->col_count;
        m->n_col = n < COLS ? (int)n : COLS;
        break;
    }
    case MD_BLOCK_TH:
    case MD_BLOCK_TD: {
        if (type == MD_BLOCK_TH) set_style(m, BOLD, true);
        int col = m->n_col ? m->n_cell % m->n_col : 0;
        m->align[col] = (int)((MD_BLOCK_TD_DETAIL *)detail)->align;
        break;
    }
    case MD_BLOCK_DOC:
    case MD_BLOCK_HR:
    case MD_BLOCK_HTML:
    case MD_BLOCK_P:
    case MD_BLOCK_THEAD:
    case MD_BLOCK_TBODY:
    case MD_BLOCK_TR: break;
    }
    return 0;
}

/* Code is not wrapped: it could no longer be copied. */
static void end_code(struct md *m)
{
    struct span t = buf_span(&m->text);
    while (t.n && t.p[t.n - 1] == '\n') t.n--;
    struct buf b;
    buf_init(&b, OUT_MAX);
    for (size_t i = 0; i <= t.n;) {
        size_t end = i;
        while (end < t.n && t.p[end] != '\n') end++;
        if (i) buf_add_char(&b, '\n');
        buf_add_str(&b, m->color ? "  \033[36m" : "  ");
        buf_add(&b, t.p + i, end - i);
        if (m->color) buf_add_str(&b, "\033[0m");
        i = end + 1;
    }
    add_lines(m, buf_span(&b));
    buf_release(&b);
    buf_clear(&m->text);
}

static int leave_block(MD_BLOCKTYPE type, void *detail, void *ctx)
{
    struct md *m = ctx;
    (void)detail;
    switch (type) {
    case MD_BLOCK_QUOTE:
    case MD_BLOCK_LI: pop_level(m); break;
    case MD_BLOCK_UL:
    case MD_BLOCK_OL: m->lists--; break;
    case MD_BLOCK_HR:
        for (int i = 0; i < m->width && i < 40; i++) buf_add_str(&m->text, "─");
        flush(m);
        break;
    case MD_BLOCK_H:
        set_style(m, BOLD, false);
        if (m->style & UNDER) set_style(m, UNDER, false);
        flush(m);
        break;
    case MD_BLOCK_CODE: end_code(m); break;
    case MD_BLOCK_TABLE: end_table(m); break;
    case MD_BLOCK_TH:
    case MD_BLOCK_TD:
        if (type == MD_BLOCK_TH) set_style(m, BOLD, false);
        end_cell(m);
        break;
    case MD_BLOCK_P:
    case MD_BLOCK_HTML:
    case MD_BLOCK_DOC: flush(m); break;
    case MD_BLOCK_THEAD:
    case MD_BLOCK_TBODY:
    case MD_BLOCK_TR: break;
    }
    return 0;
}

static void style_span(struct md *m, MD_SPANTYPE type, bool on)
{
    switch (type) {
    case MD_SPAN_EM: set_style(m, ITALIC, on); break;
    case MD_SPAN_STRONG: set_style(m, BOLD, on); break;
    case MD_SPAN_CODE:
        if (!m->color) buf_add_char(&m->text, '`');
        set_style(m, CODE, on);
        break;
    case MD_SPAN_DEL: set_style(m, STRIKE, on); break;
    case MD_SPAN_A:
    case MD_SPAN_IMG:
    case MD_SPAN_U: set_style(m, UNDER, on); break;
    case MD_SPAN_LATEXMATH:
    case MD_SPAN_LATEXMATH_DISPLAY:
    case MD_SPAN_WIKILINK: break;
    }
}

static int enter_span(MD_SPANTYPE type, void *detail, void *ctx)
{
    (void)detail;
    style_span(ctx, type, true);
    return 0;
}

static int leave_span(MD_SPANTYPE type, void *detail, void *ctx)
{
    struct md *m = ctx;
    style_span(m, type, false);
    if (type == MD_SPAN_A) {
        const MD_ATTRIBUTE *href = &((MD_SPAN_A_DETAIL *)detail)->href;
        struct span url = {href->text, href->size};
        if (url.n == 0) return 0;
        if (url.n <= m->text.len &&
            memcmp(m->text.data + m->text.len - url.n, url.p, url.n) == 0)
            return 0; /* the text is the address */
        if (!memchr(url.p, '\033', url.n)) buf_printf(&m->text, " (%.*s)", (int)url.n, url.p);
    }
    return 0;
}

/* Characters that must not reach the terminal are left out; private ones are formulas. */
static void add_text(struct md *m, struct span t)
{
    for (size_t i = 0, n; i < t.n; i += n) {
        uint32_t cp = utf8_decode(t.p + i, t.n - i, &n);
        if (cp >= PRIVATE && cp - PRIVATE < m->n_formula) {
            size_t k = cp - PRIVATE,
                   end = k + 1 < m->n_formula ? m->f_at[k + 1] : m->formula.len;
            set_style(m, MATH, true);
            buf_add(&m->text, m->formula.data + m->f_at[k], end - m->f_at[k]);
            set_style(m, MATH, false);
        } else if (cp == '\t') {
            buf_add_str(&m->text, "    ");
        } else if ((cp >= 0x20 && cp != 0x7f && !(cp >= 0x80 && cp < 0xa0)) || cp == '\n') {
            buf_add(&m->text, t.p + i, n);
        }
    }
}

static void add_entity(struct md *m, struct span t)
{
    static const char *const known[][2] = {
        {"&amp;", "&"}, {"&lt;", "<"}, {"&gt;", ">"}, {"&quot;", "\""}, {"&nbsp;", " "}};
    for (size_t i = 0; i < countof(known); i++)
        if (span_is(t, known[i][0])) t = span_of(known[i][1]);
    add_text(m, t);
}

static int on_text(MD_TEXTTYPE type, const MD_CHAR *text, MD_SIZE size, void *ctx)
{
    struct md *m = ctx;
    switch (type) {
    case MD_TEXT_BR: buf_add_char(&m->text, '\n'); break;
    case MD_TEXT_SOFTBR: buf_add_char(&m->text, ' '); break;
    case MD_TEXT_NULLCHAR: break;
    case MD_TEXT_ENTITY: add_entity(m, (struct span){text, size}); break;
    case MD_TEXT_NORMAL:
    case MD_TEXT_CODE:
    case MD_TEXT_HTML:
    case MD_TEXT_LATEXMATH: add_text(m, (struct span){text, size}); break;
    }
    return 0;
}

/* ---- a block ------------------------------------------------------------------------------- */

/* Formulas become private characters, so that their signs mean nothing to Markdown. */
static void take_formulas(struct md *m, struct span t, struct buf *out)
{
    size_t i = 0;
    struct math_place p;
    while (m->n_formula < FORMULAS && math_find(t, i, &p)) {
        buf_add(out, t.p + i, p.begin - i);
        m->f_at[m->n_formula] = m->formula.len;
        math_render((struct span){t.p + p.inner, p.inner_end - p.inner}, &m->formula);
        for (size_t k = m->f_at[m->n_formula]; k < m->formula.len; k++) {
            unsigned char c = (unsigned char)m->formula.data[k];
            if (c < 0x20 || c == 0x7f) m->formula.data[k] = ' ';
        }
        uint32_t cp = PRIVATE + (uint32_t)m->n_formula++;
        char sign[3] = {(char)(0xe0 | cp >> 12), (char)(0x80 | (cp >> 6 & 63)),
                        (char)(0x80 | (cp & 63))};
        buf_add(out, sign, sizeof sign);
        i = p.end;
    }
    buf_add(out, t.p + i, t.n - i);
}

/* The line under a table's head may have short rules (|-|:-|); the parser wants three signs. */
static void widen_rules(struct buf *b)
{
    struct buf wide;
    buf_init(&wide, OUT_MAX);
    struct span t = buf_span(b);
    for (size_t i = 0; i < t.n;) {
        struct line l = line_at(t, i);
        bool rule = memchr(t.p + l.begin, '|', l.end - l.begin) != NULL;
        for (size_t k = l.begin; k < l.end && rule; k++) rule = strchr("|:- ", t.p[k]) != NULL;
        for (size_t k = l.begin; k < l.next; k++) {
            buf_add_char(&wide, t.p[k]);
            if (rule && t.p[k] == '-') buf_add_str(&wide, "--");
        }
        i = l.next;
    }
    buf_clear(b);
    buf_add(b, wide.data, wide.len);
    buf_release(&wide);
}

static bool is_list_item(struct span t)
{
    size_t i = 0;
    while (i < t.n && t.p[i] == ' ') i++;
    if (i + 1 < t.n && strchr("-*+", t.p[i]) && t.p[i + 1] == ' ') return true;
    size_t digits = i;
    while (digits < t.n && t.p[digits] >= '0' && t.p[digits] <= '9') digits++;
    return digits > i && digits + 1 < t.n && strchr(".)", t.p[digits]) &&
           t.p[digits + 1] == ' ';
}

static const size_t NO_INDENT = SIZE_MAX;

/* Blanks that every line begins with; NO_INDENT when all are blank. */
static size_t common_indent(struct span t)
{
    size_t least = NO_INDENT;
    for (size_t i = 0; i < t.n;) {
        struct line l = line_at(t, i);
        if (!l.blank && l.indent < least) least = l.indent;
        i = l.next;
    }
    return least;
}

static void outdent(struct span t, size_t n, struct buf *out)
{
    for (size_t i = 0; i < t.n;) {
        struct line l = line_at(t, i);
        size_t from = l.begin + (l.indent < n ? l.indent : n);
        buf_add(out, t.p + from, l.next - from);
        i = l.next;
    }
}

void markdown_render(struct span block, int width, bool color, bool *in_list, struct buf *out)
{
    static const MD_PARSER parser = {.flags = MD_FLAG_TABLES | MD_FLAG_STRIKETHROUGH |
                                              MD_FLAG_TASKLISTS | MD_FLAG_NOHTML |
                                              MD_FLAG_PERMISSIVEURLAUTOLINKS,
                                     .enter_block = enter_block,
                                     .leave_block = leave_block,
                                     .enter_span = enter_span,
                                     .leave_span = leave_span,
                                     .text = on_text};
    struct md *m = mem_calloc(1, sizeof *m);
    if (!m) {
        buf_add_span(out, block);
        return;
    }
    m->out = out;
    m->width = width < WIDTH_MIN ? WIDTH_MIN : width;
    m->color = color;
    struct buf flat, marked;
    buf_init(&m->text, OUT_MAX);
    buf_init(&m->cell, OUT_MAX);
    buf_init(&m->formula, OUT_MAX);
    buf_init(&flat, OUT_MAX);
    buf_init(&marked, OUT_MAX);
    size_t indent = common_indent(block), n;
    struct line top = line_at(block, 0);
    if (indent == NO_INDENT) { /* nothing but blank lines */
        indent = 0;
    } else if (top.blank) {
        buf_add_char(out, '\n');
    }
    bool item = is_list_item(block);
    if (indent > 0 && (*in_list || item || indent < 4)) {
        char margin[16] = "               ";
        margin[indent < 15 ? indent : 15] = 0;
        outdent(block, indent, &flat);
        if (*in_list || item) push_level(m, margin, margin);
    } else {
        buf_add_span(&flat, block);
    }
    if (indent == 0) *in_list = item;
    struct line first = line_at(buf_span(&flat), 0);
    if (fence_of(buf_span(&flat), &first, &n)) {
        buf_add_span(&marked, buf_span(&flat));
    } else {
        take_formulas(m, buf_span(&flat), &marked);
        widen_rules(&marked);
    }
    if (md_parse(buf_str(&marked), (MD_SIZE)marked.len, &parser, m) != 0)
        buf_add_span(out, block);
    struct line last = {0};
    for (size_t i = 0; i < block.n; i = last.next) last = line_at(block, i);
    if (block.n && last.blank && last.whole) buf_add_char(out, '\n');
    buf_release(&m->text);
    buf_release(&m->cell);
    buf_release(&m->formula);
    buf_release(&flat);
    buf_release(&marked);
    mem_free(m);
}
