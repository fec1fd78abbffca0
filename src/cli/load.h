/* load.h - a MODEL argument to something that answers: source, vocabulary, weights, engine. */
#ifndef CLI_LOAD_H
#define CLI_LOAD_H

#include "base/opt.h"
#include "base/thread.h"
#include "engine/engine.h"
#include "model/model.h"
#include "model/source.h"
#include "text/chat.h"
#include "text/vocab.h"

/* Options of every command that runs a model; their values are in load_opts. */
extern const struct opt load_opt_table[];
struct load_opts {
    const char *act;        /* "f32" or "q8" */
    const char *mla;        /* "absorbed" or "expanded" */
    const char *cache_type; /* "f16", ... */
    const char *tokenizer;  /* file or model whose vocabulary is used instead */
    const char *template_name;
    int64_t ctx, batch;
    int64_t parallel; /* 0: not given; one, and many for commands that ask many things */
    int64_t draft;    /* -1: not given; the engine's default */
    const char *snapshots;
    int64_t snapshots_max;
};
extern struct load_opts load_opts;

struct loaded {
    struct model_source *source; /* until load_weights, then owned by the model */
    struct vocab *vocab;
    struct model *model;
    struct pool *pool;
    struct engine *engine;
    struct engine_plan plan;
    struct engine_opts engine_opts;
};

/* Vocabulary only, of a model, a directory or a tokenizer file. */
int load_vocab_only(struct loaded *l, const char *model, struct err *e) must_check;
/* Source and vocabulary. */
int load_vocab(struct loaded *l, const char *model, struct err *e) must_check;
/* Weights, packed; the vocabulary too when the model has one. */
int load_weights(struct loaded *l, const char *model, struct err *e) must_check;
/* And an engine on it. */
int load_engine(struct loaded *l, const char *model, struct err *e) must_check;
/* The options above as the model and the engine want them. */
int load_read_opts(struct model_opts *m, struct engine_opts *en, struct err *e) must_check;
/* Makes the directory of --snapshots, for who closes the file system before the engine opens. */
int load_snapshot_dir(struct err *e) must_check;
void loaded_release(struct loaded *l);

/* The template of --template, else the one the checkpoint's own text is recognised as, else raw. */
int load_template(const struct model_source *s, enum chat_template *out,
                  struct err *e) must_check;

/* "1,2,3" or "1 2 3" to ids. */
int cli_parse_ids(const char *text, struct tok_list *out, struct err *e) must_check;

#endif
