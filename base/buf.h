/* SPDX-License-Identifier: MIT */
/*
 * A growable buffer with a cap that is given when it is made. What would pass the cap is refused as a whole
 * and remembered, so that a caller may check once at the end.
 */
#ifndef GP_BUF_H
#define GP_BUF_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

struct buf {
    char *data; /* NULL while nothing was added; else NUL-terminated behind len */
    size_t len;
    size_t size;   /* bytes allocated */
    size_t max;    /* len never passes this */
    bool overflow; /* something did not fit since buf_init or buf_clear */
    bool secret;   /* memory that it outgrows is overwritten before it is given back */
};

/* An empty buffer that holds at most max bytes. Allocates nothing. */
void buf_init(struct buf *b, size_t max);
#define BUF_INIT(limit)        ((struct buf){.max = (limit)})
#define BUF_INIT_SECRET(limit) ((struct buf){.max = (limit), .secret = true}) /* for passwords and keys */
/* Frees the memory; the buffer is empty and may be used again. */
void buf_free(struct buf *b);
/* The same for secrets: overwrites the bytes first (what it grew out of: only with BUF_INIT_SECRET). */
void buf_cleanse(struct buf *b);
/* Forgets the content (and an overflow), keeps the memory. */
void buf_clear(struct buf *b);

/* Each appends and returns true, or returns false, appends nothing and sets overflow. */
bool buf_add(struct buf *b, const void *data, size_t n);
bool buf_add_str(struct buf *b, const char *s);
bool buf_add_char(struct buf *b, char c);
bool buf_printf(struct buf *b, const char *format, ...) __attribute__((format(printf, 2, 3)));
bool buf_vprintf(struct buf *b, const char *format, va_list ap) __attribute__((format(printf, 2, 0)));

/*
 * Makes room for n more bytes and returns where they may be written, or NULL past the cap. buf_commit then
 * says how many were: 0 if none are to be kept.
 */
char *buf_reserve(struct buf *b, size_t n);
void buf_commit(struct buf *b, size_t n);
/* Removes the first n bytes (n <= len). */
void buf_consume(struct buf *b, size_t n);
/* The content as a C string; "" when empty. Valid until the next change. */
const char *buf_str(const struct buf *b);

#endif
