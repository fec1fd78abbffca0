/* fuzz_vocab.h - a small vocabulary made by hand for the fuzz targets of text/. */
#ifndef TESTS_FUZZ_VOCAB_H
#define TESTS_FUZZ_VOCAB_H

#include <stdio.h>
#include <stdlib.h>

#include "base/err.h"
#include "base/utf8.h"
#include "text/vocab.h"

#define BAR   "\xef\xbd\x9c"
#define BLOCK "\xe2\x96\x81"

static const char *const fuzz_marks[] = {"<" BAR "begin" BLOCK "of" BLOCK "sentence" BAR ">",
                                         "<" BAR "end" BLOCK "of" BLOCK "sentence" BAR ">",
                                         "<" BAR "User" BAR ">",
                                         "<" BAR "Assistant" BAR ">",
                                         "<think>",
                                         "</think>",
                                         "<|im_start|>",
                                         "<|im_end|>",
                                         "<tool_call>"};
/* Halves of merges in GPT-2's byte alphabet; each join becomes a token. */
static const char *const fuzz_merges[][2] = {{"a", "a"},
                                             {"aa", "aa"},
                                             {"t", "h"},
                                             {"th", "e"},
                                             {"\xc4\xa0", "the"},
                                             {"e", "r"},
                                             {"aaaa", "aaaa"},
                                             {"\xc4\xa0", "a"},
                                             {"\xc4\x8a", "\xc4\x8a"},
                                             {"\xc4\xa0", "\xc4\xa0"},
                                             {"\xc4\xa0\xc4\xa0", "\xc4\xa0\xc4\xa0"},
                                             {"\xc3\xa4", "\xc2\xbd"},
                                             {"n", "d"},
                                             {"a", "nd"},
                                             {"<", "/"}};

static inline void fuzz_must(int rc, const struct err *e)
{
    if (rc == 0) return;
    fprintf(stderr, "%s\n", e->msg);
    abort();
}

static inline struct vocab *fuzz_vocab(enum pretok rule)
{
    enum { N_MARK = sizeof fuzz_marks / sizeof *fuzz_marks };
    enum { N_MERGE = sizeof fuzz_merges / sizeof *fuzz_merges };
    struct err e = {0};
    struct vocab *v;
    tok_id id = 0;
    uint32_t next = 256;
    fuzz_must(vocab_create(&v, VOCAB_BPE, rule, 256 + N_MARK + N_MERGE, &e), &e);
    for (unsigned b = 0; b < 256; b++) {
        bool own = (b >= 33 && b <= 126) || (b >= 161 && b <= 172) || b >= 174;
        char a[4];
        size_t n = utf8_encode(own ? b : next++, a);
        fuzz_must(vocab_set_token(v, id++, (struct span){a, n}, 0, TOK_NORMAL, &e), &e);
    }
    for (int i = 0; i < N_MARK; i++)
        fuzz_must(vocab_set_token(v, id++, span_of(fuzz_marks[i]), 0, TOK_CONTROL, &e), &e);
    for (int i = 0; i < N_MERGE; i++) {
        char a[64];
        snprintf(a, sizeof a, "%s%s", fuzz_merges[i][0], fuzz_merges[i][1]);
        fuzz_must(vocab_set_token(v, id++, span_of(a), 0, TOK_NORMAL, &e), &e);
    }
    for (int i = 0; i < N_MERGE; i++)
        fuzz_must(
            vocab_add_merge(v, span_of(fuzz_merges[i][0]), span_of(fuzz_merges[i][1]), &e), &e);
    fuzz_must(vocab_finish(v, "fuzz", &e), &e);
    return v;
}

#endif
