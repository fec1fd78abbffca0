/* text_file.h - the bytes of a text file, plain, gzip or zstd.
 *
 * What a file is shows in its first bytes, not in its name. A plain file is mapped; a compressed one
 * is unpacked into memory, at most TEXT_FILE_MAX bytes, so a small file cannot fill the machine.
 */
#ifndef TRAIN_TEXT_FILE_H
#define TRAIN_TEXT_FILE_H

#include "base/buf.h"
#include "base/file.h"

#define TEXT_FILE_MAX ((size_t)16 << 30)

struct text_file {
    struct span text; /* valid until text_file_close */
    struct file_map map;
    struct buf unpacked;
};

/* Fails: ERR_IO, ERR_NOT_FOUND, ERR_FORMAT for damaged packing, ERR_LIMIT, ERR_MEMORY. */
int text_file_open(struct text_file *f, const char *path, struct err *e) must_check;
void text_file_close(struct text_file *f);

/* The next line of a text, without its newline; false at the end. *at and *line_no (may be NULL)
 * begin as 0. */
bool text_line(struct span text, size_t *at, size_t *line_no, struct span *line);

#endif
