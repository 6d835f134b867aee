/* SPDX-License-Identifier: MIT */
/* CRLF to LF, for files of Unix mail programs. Pure. */
#ifndef GP_COURIER_CRLF_H
#define GP_COURIER_CRLF_H

#include <stdbool.h>
#include <stddef.h>

struct crlf_folder {
    bool cr; /* a CR was read whose next byte is not known yet */
};

/* Writes n bytes of in to out (room for n + 1) with LF in place of CRLF; other CRs stay. in and out must not
   overlap. Returns how many were written. */
size_t crlf_fold(struct crlf_folder *f, const char *in, size_t n, char *out);
/* At the end: a CR that was kept back. Returns 0 or 1. */
size_t crlf_fold_end(struct crlf_folder *f, char *out);

#endif
