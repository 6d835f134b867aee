/* SPDX-License-Identifier: MIT */
/* Growable buffers with a cap. */
#include "base/base.h"

#include <stdarg.h>
#include <stdlib.h>

enum { FIRST_SIZE = 256 };

void buf_init(struct buf *b, size_t max)
{
    *b = BUF_INIT(max);
}

void buf_free(struct buf *b)
{
    free(b->data);
    *b = (struct buf){.max = b->max, .secret = b->secret};
}

void buf_cleanse(struct buf *b)
{
    if (b->data != NULL)
        explicit_bzero(b->data, b->size);
    buf_free(b);
}

void buf_clear(struct buf *b)
{
    b->len = 0;
    b->overflow = false;
    if (b->data != NULL)
        b->data[0] = '\0';
}

static void grow(struct buf *b, size_t size)
{
    char *old = b->data;
    if (b->secret && old != NULL) {
        b->data = xmalloc(size);
        memcpy(b->data, old, b->len + 1);
        explicit_bzero(old, b->size);
        free(old);
    } else {
        b->data = xrealloc(old, size);
    }
    b->size = size;
    b->data[b->len] = '\0';
}

char *buf_reserve(struct buf *b, size_t n)
{
    if (n > b->max - b->len || n > PTRDIFF_MAX - 1 - b->len) {
        b->overflow = true;
        return NULL;
    }
    size_t need = b->len + n + 1;
    if (need > b->size) {
        size_t size = b->size < FIRST_SIZE ? FIRST_SIZE : b->size;
        while (size < need)
            size *= 2; /* need is at most PTRDIFF_MAX */
        grow(b, size - 1 > b->max ? b->max + 1 : size);
    }
    return b->data + b->len;
}

void buf_commit(struct buf *b, size_t n)
{
    b->len += n;
    b->data[b->len] = '\0';
}

bool buf_add(struct buf *b, const void *data, size_t n)
{
    char *to = buf_reserve(b, n);
    if (to == NULL)
        return false;
    if (n > 0)
        memcpy(to, data, n);
    buf_commit(b, n);
    return true;
}

bool buf_add_str(struct buf *b, const char *s)
{
    return buf_add(b, s, strlen(s));
}

bool buf_add_char(struct buf *b, char c)
{
    return buf_add(b, &c, 1);
}

bool buf_vprintf(struct buf *b, const char *format, va_list ap)
{
    va_list again;
    va_copy(again, ap);
    char small[512];
    /* NOLINTNEXTLINE(clang-analyzer-valist.Uninitialized): the analyzer loses the caller's va_start */
    int n = vsnprintf(small, sizeof small, format, ap);
    bool ok = n >= 0;
    if (ok && (size_t)n < sizeof small) {
        ok = buf_add(b, small, (size_t)n);
    } else if (ok) {
        char *to = buf_reserve(b, (size_t)n);
        ok = to != NULL;
        if (ok) {
            vsnprintf(to, (size_t)n + 1, format, again);
            buf_commit(b, (size_t)n);
        }
    }
    va_end(again);
    return ok;
}

bool buf_printf(struct buf *b, const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    bool ok = buf_vprintf(b, format, ap);
    va_end(ap);
    return ok;
}

void buf_consume(struct buf *b, size_t n)
{
    if (n >= b->len) {
        b->len = 0;
    } else if (n > 0) {
        memmove(b->data, b->data + n, b->len - n);
        b->len -= n;
    }
    if (b->data != NULL)
        b->data[b->len] = '\0';
}

const char *buf_str(const struct buf *b)
{
    return b->data != NULL ? b->data : "";
}
