#include "train/text_file.h"

#include <zlib.h>
#include <zstd.h>

#include "base/err.h"
#include "base/size.h"

enum { CHUNK = 1 << 18, IN_MAX = 1 << 30 };

static int damaged(const char *path, const char *kind, const char *why, struct err *e)
{
    return err_set(e, ERR_FORMAT, "%s: damaged %s data (%s)", path, kind, why ? why : "cut");
}

/* Members of a gzip file follow one another. */
static int unpack_gzip(struct text_file *f, const char *path, struct err *e)
{
    z_stream z = {0};
    if (inflateInit2(&z, 15 + 16) != Z_OK) return err_set(e, ERR_MEMORY, "%s: no memory", path);
    size_t at = 0;
    int rc = Z_OK;
    while (rc == Z_OK && buf_reserve(&f->unpacked, CHUNK)) {
        size_t in = size_min(f->map.size - at, IN_MAX);
        z.next_in = (Bytef *)(uintptr_t)(f->map.data + at); /* not written through */
        z.avail_in = (uInt)in;
        z.next_out = (Bytef *)(f->unpacked.data + f->unpacked.len);
        z.avail_out = CHUNK;
        rc = inflate(&z, Z_NO_FLUSH);
        at += in - z.avail_in;
        f->unpacked.len += CHUNK - z.avail_out;
        if (rc == Z_STREAM_END && at < f->map.size) rc = inflateReset(&z);
    }
    const char *why = z.msg;
    inflateEnd(&z);
    if (f->unpacked.failed) return buf_ok(&f->unpacked, path, e);
    return rc == Z_STREAM_END ? 0 : damaged(path, "gzip", why, e);
}

static int unpack_zstd(struct text_file *f, const char *path, struct err *e)
{
    ZSTD_DCtx *z = ZSTD_createDCtx();
    if (!z) return err_set(e, ERR_MEMORY, "%s: no memory", path);
    ZSTD_inBuffer in = {f->map.data, f->map.size, 0};
    size_t left = 1;
    bool ok = true;
    while (ok && (in.pos < in.size || left)) {
        if (!buf_reserve(&f->unpacked, CHUNK)) break;
        ZSTD_outBuffer out = {f->unpacked.data + f->unpacked.len, CHUNK, 0};
        size_t before = in.pos;
        left = ZSTD_decompressStream(z, &out, &in);
        f->unpacked.len += out.pos;
        ok = !ZSTD_isError(left) && (out.pos || in.pos > before || !left);
    }
    const char *why = ZSTD_isError(left) ? ZSTD_getErrorName(left) : NULL;
    ZSTD_freeDCtx(z);
    if (f->unpacked.failed) return buf_ok(&f->unpacked, path, e);
    return ok ? 0 : damaged(path, "zstd", why, e);
}

int text_file_open(struct text_file *f, const char *path, struct err *e)
{
    static const unsigned char gzip[] = {0x1f, 0x8b}, zstd[] = {0x28, 0xb5, 0x2f, 0xfd};
    *f = (struct text_file){0};
    buf_init(&f->unpacked, TEXT_FILE_MAX);
    if (file_map_open(&f->map, path, e)) return -1;
    int rc = 0;
    if (f->map.size > 2 && memcmp(f->map.data, gzip, sizeof gzip) == 0)
        rc = unpack_gzip(f, path, e);
    else if (f->map.size > 4 && memcmp(f->map.data, zstd, sizeof zstd) == 0)
        rc = unpack_zstd(f, path, e);
    else
        f->text = (struct span){(const char *)f->map.data, f->map.size};
    if (f->unpacked.data) f->text = buf_span(&f->unpacked);
    if (rc) text_file_close(f);
    return rc;
}

void text_file_close(struct text_file *f)
{
    file_map_close(&f->map);
    buf_release(&f->unpacked);
}

bool text_line(struct span text, size_t *at, size_t *line_no, struct span *line)
{
    if (*at >= text.n) return false;
    size_t end = span_find(text, *at, span_of("\n"));
    if (end == (size_t)-1) end = text.n;
    *line = (struct span){text.p + *at, end - *at};
    if (line->n && line->p[line->n - 1] == '\r') line->n--;
    *at = end + 1;
    if (line_no) ++*line_no;
    return true;
}
