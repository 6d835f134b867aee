/* SPDX-License-Identifier: MIT */
/* CRLF to LF. */
#include "courier/crlf.h"

#include <string.h>

size_t crlf_fold(struct crlf_folder *f, const char *in, size_t n, char *out)
{
    size_t written = 0;
    for (size_t i = 0; i < n;) {
        if (f->cr && in[i] != '\n')
            out[written++] = '\r';
        const char *cr = memchr(in + i, '\r', n - i);
        size_t len = cr != NULL ? (size_t)(cr - (in + i)) : n - i;
        memcpy(out + written, in + i, len);
        written += len;
        i += len;
        f->cr = cr != NULL;
        if (f->cr)
            i++;
    }
    return written;
}

size_t crlf_fold_end(struct crlf_folder *f, char *out)
{
    size_t n = f->cr ? 1 : 0;
    if (n > 0)
        out[0] = '\r';
    f->cr = false;
    return n;
}
