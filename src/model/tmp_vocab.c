#include "model/source.h"
#include "base/err.h"
int source_vocab(const struct model_source *s, struct vocab **out, struct err *e) { (void)s; *out = 0; return err_set(e, ERR_NOT_FOUND, "no vocab yet"); }
