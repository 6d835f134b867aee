/* SPDX-License-Identifier: MIT */
/* What store.c (file, trust, changes) and store_sql.c (schema, statements, rows) share. */
#ifndef GP_AUTH_STORE_INSIDE_H
#define GP_AUTH_STORE_INSIDE_H

#include <sqlite3.h>

#include "auth/store.h"

enum statement {
    SQL_DATA_VERSION, /* changes when another connection committed */
    SQL_FIND,         /* ?1 address */
    SQL_NEXT,         /* ?1 address */
    SQL_ALL,
    SQL_ADD,    /* a row */
    SQL_SET,    /* a row, ?10 the hash that it had */
    SQL_REMOVE, /* ?1 address */
    SQL_SUM,    /* rows without a sum get one */
    SQL_FORGET, /* ?1 wall seconds: older passwords go */
    SQL_STATEMENTS,
};

/*
 * A connection with its statements. Functions give SQLite's result codes; SQLITE_CORRUPT also for rows that
 * make no sense.
 */
struct store_sql {
    sqlite3 *db;
    sqlite3_stmt *statements[SQL_STATEMENTS];
};

/*
 * Makes a new file at path with the schema in it and nothing else. It appears under that name only when it is
 * complete.
 */
bool store_sql_create(const char *path, struct buf *error);
/*
 * Opens the file, which must be there, be ours and be sound; SQLITE_OK, or the connection is closed and *why
 * says it.
 */
int store_sql_open(struct store_sql *sql, const char *path, struct buf *why);
void store_sql_close(struct store_sql *sql);

/* Resets a statement and forgets its bindings. */
void store_sql_reset(sqlite3_stmt *statement);
int store_sql_data_version(struct store_sql *sql, int64_t *version_r);
/* SQLITE_ROW (row_r filled), SQLITE_DONE, or an error. which: SQL_FIND or SQL_NEXT. */
int store_sql_read(struct store_sql *sql, enum statement which, struct span address, struct store_row *row_r);
/* Every row into the table. SQLITE_OK or an error. */
int store_sql_load(struct store_sql *sql, const struct directory *dir, struct directory_table *table);
/*
 * SQLITE_OK or an error; *changed_r rows were changed. row is used by SQL_ADD, SQL_SET and (its address)
 * SQL_REMOVE.
 */
int store_sql_change(struct store_sql *sql, enum statement which, const struct store_row *row,
                     const char *was_hash, int *changed_r);
/* Takes out the passwords that were replaced before then. */
int store_sql_forget(struct store_sql *sql, int64_t before, int *changed_r);
/* Seals what was changed by hand (or by store_sql_forget). */
int store_sql_sum(struct store_sql *sql, int *changed_r);
/* Moves the WAL into the file. False: somebody was in the way, try again later. */
bool store_sql_checkpoint(struct store_sql *sql);

#endif
