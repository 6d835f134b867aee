/* SPDX-License-Identifier: MIT */
/*
 * History in SQLite: the writing side; of this room only, and of one thread. Table event, one row an event,
 * seq in the order of writing. WAL with synchronous=NORMAL: a crash of the machine may take the last moments,
 * never the whole.
 */
#ifndef GP_JOURNAL_HISTORY_H
#define GP_JOURNAL_HISTORY_H

#include "journal/event.h"

struct history;

/* Opens or makes history.db in data_dir. NULL with the reason in *error. */
struct history *history_open(const char *data_dir, struct buf *error);
void history_close(struct history **history);

struct history_limits {
    uint64_t keep_s; /* older rows go */
    uint64_t events; /* so many rows stay at most */
};
/*
 * Adds the items (NULL: none) and takes away a few of the rows that are over the limits, in one transaction.
 * False with the reason in *error when nothing was stored; it opens the file anew the next time.
 */
bool history_store(struct history *history, const struct item *items, const struct history_limits *limits,
                   struct buf *error);
/* A damaged file was set aside since the last call: appends what the administrator should know. */
void history_take_note(struct history *history, struct buf *out);
const char *history_path(const struct history *history);

/* Folds an account for the column and for questions: lower case, no blanks around it. Returns out. */
#define ACCOUNT_KEY_MAX 384
const char *history_account_key(const char *account, char out[ACCOUNT_KEY_MAX]);

/* The reading side (query.c), over a connection of its own. See history_each. */
int history_query(const char *path, const struct history_filter *filter,
                  void (*row)(void *arg, const struct history_row *row), void *arg, struct buf *error);

#endif
