#include "train/feed.h"

int feed_peek(struct feed *f, size_t most, struct feed_seq *out, struct err *e)
{
    return f->kind->peek(f, most, out, e);
}

int feed_take(struct feed *f, size_t rows, struct err *e)
{
    return f->kind->take(f, rows, e);
}

json_t *feed_place(const struct feed *f)
{
    return f->kind->place(f);
}

int feed_seek(struct feed *f, const json_t *place, struct err *e)
{
    return f->kind->seek(f, place, e);
}

void feed_counts(const struct feed *f, struct feed_counts *out)
{
    f->kind->counts(f, out);
}

void feed_close(struct feed *f)
{
    if (f) f->kind->close(f);
}
