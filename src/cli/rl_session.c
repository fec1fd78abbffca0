#include "cli/rl_session.h"

#include "cli/cli.h"
#include "cli/load.h"
#include "cli/run_dir.h"
#include "format/vocab_load.h"
#include "text/chat.h"

static int open_vocab(const struct rl_session *s, const struct model_source *from,
                      struct vocab **vocab, enum chat_template *chat, struct err *e)
{
    struct span own = source_chat_template(from);
    const char *form = s->r.model.form;
    *chat = CHAT_TARN;
    if (*form && chat_template_parse(span_of(form), chat, e)) return -1;
    if (!*form && own.n && chat_template_recognise(own, chat, e))
        return err_hint(e, "model.form names the nearest one");
    return *s->r.model.tokenizer ? vocab_load(vocab, s->r.model.tokenizer, e)
                                 : source_vocab(from, vocab, e);
}

int rl_session_open(struct rl_session *s, const char *recipe, const struct opt_list *set,
                    struct err *e)
{
    struct model_source *from = NULL;
    struct vocab *vocab = NULL;
    enum chat_template chat = CHAT_RAW;
    rl_recipe_init(&s->r);
    if (run_read_yaml(&s->yaml, recipe, set, e) || rl_recipe_apply(&s->r, s->yaml, e) ||
        cli_open_source(s->r.init, &from, e))
        return -1;
    int rc = open_vocab(s, from, &vocab, &chat, e);
    if (rc == 0) {
        s->open = true;
        rc = learner_open(&s->l, &s->r, from, vocab, chat, cli_threads(), e);
    }
    source_close(from);
    return rc;
}

void rl_session_close(struct rl_session *s)
{
    if (s->open) learner_close(&s->l);
    yaml_close(s->yaml);
}
