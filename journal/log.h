/* SPDX-License-Identifier: MIT */
/* The main log as a file or standard error; of this room only, and of one thread. */
#ifndef GP_JOURNAL_LOG_H
#define GP_JOURNAL_LOG_H

#include "base/base.h"

struct log;

/* file: "stderr", or a path to append to (made with mode 0640). NULL with the reason in *error. */
struct log *log_open(const char *file, struct buf *error);
void log_close(struct log **log);
/* Opens the path again; on failure the old file stays in use. 0 or -errno. */
int log_reopen(struct log *log);
/*
 * Writes whole lines. Returns how many of them were lost: the disk is full, or a reader of standard error did
 * not read for a second. What comes after a line that was torn by that starts on a new line. *why_r gets the
 * errno when lines were lost.
 */
size_t log_put(struct log *log, const char *lines, size_t n, int *why_r);

#endif
