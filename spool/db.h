/* SPDX-License-Identifier: MIT */
/*
 * The queue's database: connections, kept statements, and what an error of SQLite means for the spool. A
 * connection belongs to one thread at a time; whoever shares one says which lock guards it.
 *
 * Keys: a message's key counts up and is never used twice in the life of a process. A recipient's key is its
 * message's key and a number, so that those of one message lie side by side and need no index of their own.
 */
#ifndef GP_SPOOL_DB_H
#define GP_SPOOL_DB_H

#include <sqlite3.h>

#include "spool/spool.h"

enum statement {
#define STATEMENT(name, sql) DO_##name,
#include "spool/statements.h"
#undef STATEMENT
    STATEMENT_COUNT
};

struct db {
    sqlite3 *handle; /* NULL: closed */
    sqlite3_stmt *statements[STATEMENT_COUNT];
};

enum db_use {
    DB_CREATE, /* read and write; made when it is not there */
    DB_WRITE,  /* read and write; it must be there: what a mount point hides must not be replaced by an empty
                  queue */
    DB_READ,
};
/* Opens, sets up and checks it. False with a text in *error; then nothing is open. */
bool db_open(struct db *db, const char *path, enum db_use use, struct buf *error);
/* Closes it; may be called again. With checkpoint the last connection moves the log into the database. */
void db_close(struct db *db, bool checkpoint);

/* What became of a step. */
enum db_outcome {
    DB_OK,
    DB_FULL,    /* no space: this transaction cannot be, a smaller one perhaps can */
    DB_REFUSED, /* this statement cannot be, the database is sound */
    DB_LOST,    /* the connection is not to be trusted any more: close it and open another */
};
/* The meaning of the connection's last error. Ask before anything else is done with it. */
enum db_outcome db_outcome(const struct db *db);
/* What the caller of the spool is told. */
enum spool_result db_result(enum db_outcome outcome);

/* ---- statements ---- */
struct db_value {
    enum { VALUE_NULL, VALUE_INT, VALUE_TEXT, VALUE_BLOB } kind;
    int64_t number;
    const void *data; /* must stay valid until the statement ended */
    size_t n;
};
static inline struct db_value db_null(void)
{
    return (struct db_value){.kind = VALUE_NULL};
}
static inline struct db_value db_int(int64_t number)
{
    return (struct db_value){.kind = VALUE_INT, .number = number};
}
static inline struct db_value db_text(const char *text)
{
    return (struct db_value){.kind = VALUE_TEXT, .data = text, .n = strlen(text)};
}
static inline struct db_value db_blob(const void *data, size_t n)
{
    return (struct db_value){.kind = VALUE_BLOB, .data = data, .n = n};
}
#define DB_NONE NULL, 0
#define DB_ARGS(...)                                                                                         \
    (const struct db_value[]){__VA_ARGS__}, sizeof((struct db_value[]){__VA_ARGS__}) / sizeof(struct db_value)

/* Runs a statement that gives no rows. */
enum db_outcome db_run(struct db *db, enum statement which, const struct db_value *args, size_t n);
/* Starts one that does; NULL: see db_outcome. Rows come from db_next until it is not DB_ROW; then, or
 * earlier, db_end. */
sqlite3_stmt *db_query(struct db *db, enum statement which, const struct db_value *args, size_t n);
enum db_row { DB_ROW, DB_END, DB_ERROR /* see db_outcome */ };
enum db_row db_next(sqlite3_stmt *rows);
void db_end(sqlite3_stmt *rows);
/* The text of column i; "" for NULL. Valid until the next row. */
const char *db_column_text(sqlite3_stmt *rows, int i);
/* The first column of the only row, a number; *value_r is untouched when there is no row (still DB_OK). */
enum db_outcome db_number(struct db *db, enum statement which, const struct db_value *args, size_t n,
                          int64_t *value_r);

/* ---- keys ---- */
#define RECIPIENT_BITS 17
#define RECIPIENTS_MAX (1 << RECIPIENT_BITS) /* of one message */
static inline int64_t key_recipient(int64_t message, int64_t number)
{
    return message * RECIPIENTS_MAX + number;
}
static inline int64_t key_message(int64_t recipient)
{
    return recipient / RECIPIENTS_MAX;
}
/* The keys of all recipients of a message, as two arguments of a statement. */
#define KEY_RANGE(message)                                                                                   \
    db_int(key_recipient(message, 0)), db_int(key_recipient(message, RECIPIENTS_MAX - 1))

#endif
