/* SPDX-License-Identifier: MIT */
/* Connections to the queue's database, its schema, its statements and its errors. */
#include "spool/db.h"

#include <errno.h>

enum { SCHEMA_VERSION = 1, BUSY_WAIT_MS = 5000 };

static const char *const STATEMENTS[STATEMENT_COUNT] = {
#define STATEMENT(name, sql) sql,
#include "spool/statements.h"
#undef STATEMENT
};

/*
 * body comes last, so that the other columns are read without it; NULL means that it lies in a file. next_at
 * is NULL for a recipient that is held, which keeps it out of the index by which the courier finds what is
 * due.
 */
static const char SCHEMA[] = "CREATE TABLE message ("
                             " key INTEGER PRIMARY KEY,"
                             " id TEXT NOT NULL UNIQUE,"
                             " sender TEXT NOT NULL,"
                             " account TEXT NOT NULL,"
                             " client TEXT NOT NULL,"
                             " queued_at INTEGER NOT NULL,"
                             " size INTEGER NOT NULL,"
                             " eight_bit INTEGER NOT NULL,"
                             " body BLOB);"
                             "CREATE TABLE recipient ("
                             " key INTEGER PRIMARY KEY,"
                             " address TEXT NOT NULL,"
                             " next_at INTEGER,"
                             " attempts INTEGER NOT NULL,"
                             " answer TEXT);"
                             "CREATE INDEX recipient_due ON recipient (next_at) WHERE next_at IS NOT NULL;"
                             "PRAGMA user_version = 1;";

/* Checkpoints are the spool's own business (checkpoint.c); FULL syncs the log at each commit. */
static const char SETUP[] = "PRAGMA synchronous = FULL;"
                            "PRAGMA wal_autocheckpoint = 0;"
                            "PRAGMA temp_store = MEMORY;";
static const char SETUP_WRITE[] = "PRAGMA journal_mode = WAL;"
                                  "PRAGMA secure_delete = FAST;" /* no writes for the sake of zeroes only */
                                  "PRAGMA cache_size = -16384;";

static int read_version(void *arg, int n, char **values, char **names)
{
    (void)names;
    uint64_t version = 0;
    if (n != 1 || values[0] == NULL || !parse_uint(span_of(values[0]), 0, INT32_MAX, &version))
        return 1;
    *(uint64_t *)arg = version;
    return 0;
}

static bool has_wal(sqlite3 *handle)
{
    int frames = 0, moved = 0; /* both are -1 for a database without a log */
    return sqlite3_wal_checkpoint_v2(handle, NULL, SQLITE_CHECKPOINT_PASSIVE, &frames, &moved) != SQLITE_OK ||
           frames >= 0;
}

static bool prepare_schema(sqlite3 *handle, enum db_use use, struct buf *error)
{
    uint64_t version = 0;
    if (sqlite3_exec(handle, "PRAGMA user_version", read_version, &version, NULL) != SQLITE_OK)
        return false;
    if (version == SCHEMA_VERSION)
        return true;
    if (version != 0 || use != DB_CREATE) {
        buf_printf(error, "its version is %llu, not %d", (unsigned long long)version, SCHEMA_VERSION);
        return false;
    }
    return sqlite3_exec(handle, "BEGIN IMMEDIATE", NULL, NULL, NULL) == SQLITE_OK &&
           sqlite3_exec(handle, SCHEMA, NULL, NULL, NULL) == SQLITE_OK &&
           sqlite3_exec(handle, "COMMIT", NULL, NULL, NULL) == SQLITE_OK;
}

static bool set_up(sqlite3 *handle, enum db_use use, struct buf *error)
{
    sqlite3_extended_result_codes(handle, 1);
    sqlite3_busy_timeout(handle, BUSY_WAIT_MS);
    if (sqlite3_exec(handle, SETUP, NULL, NULL, NULL) != SQLITE_OK)
        return false;
    if (use == DB_READ)
        return prepare_schema(handle, use, error);
    /* On a read-only file system SQLite opens it for reading and says nothing. */
    if (sqlite3_db_readonly(handle, "main") != 0) {
        buf_add_str(error, "it cannot be written");
        return false;
    }
    if (sqlite3_exec(handle, SETUP_WRITE, NULL, NULL, NULL) != SQLITE_OK ||
        !prepare_schema(handle, use, error))
        return false;
    if (!has_wal(handle)) {
        buf_add_str(error, "its file system cannot do write-ahead logging");
        return false;
    }
    return true;
}

bool db_open(struct db *db, const char *path, enum db_use use, struct buf *error)
{
    static const int FLAGS[] = {
        [DB_CREATE] = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE,
        [DB_WRITE] = SQLITE_OPEN_READWRITE,
        [DB_READ] = SQLITE_OPEN_READWRITE, /* a reader, too, writes to the log's index */
    };
    *db = (struct db){0};
    struct buf why = BUF_INIT(512);
    bool ok = sqlite3_open_v2(path, &db->handle, FLAGS[use] | SQLITE_OPEN_NOMUTEX, NULL) == SQLITE_OK &&
              set_up(db->handle, use, &why);
    if (!ok) {
        buf_printf(error, "%s: %s", path, why.len > 0 ? buf_str(&why) : sqlite3_errmsg(db->handle));
        db_close(db, false);
    }
    buf_free(&why);
    return ok;
}

void db_close(struct db *db, bool checkpoint)
{
    for (size_t i = 0; i < STATEMENT_COUNT; i++)
        sqlite3_finalize(db->statements[i]);
    if (db->handle != NULL)
        sqlite3_db_config(db->handle, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, checkpoint ? 0 : 1, (int *)NULL);
    sqlite3_close(db->handle);
    *db = (struct db){0};
}

/* ---- errors ---- */

/* What is not named here is taken for the worst. */
static const struct {
    int code;
    enum db_outcome outcome;
} OUTCOMES[] = {
    {SQLITE_OK, DB_OK},          {SQLITE_ROW, DB_OK},        {SQLITE_DONE, DB_OK},
    {SQLITE_FULL, DB_FULL},      {SQLITE_BUSY, DB_REFUSED},  {SQLITE_CONSTRAINT, DB_REFUSED},
    {SQLITE_TOOBIG, DB_REFUSED}, {SQLITE_NOMEM, DB_REFUSED},
};

enum db_outcome db_outcome(const struct db *db)
{
    if (db->handle == NULL)
        return DB_LOST;
    int code = sqlite3_errcode(db->handle) & 0xff;
    for (size_t i = 0; i < COUNT_OF(OUTCOMES); i++)
        if (OUTCOMES[i].code == code)
            return OUTCOMES[i].outcome;
    /* A quota, and space that is missed only when the log's index grows or is synced, come as I/O errors. */
    int cause = sqlite3_system_errno(db->handle);
    if ((code == SQLITE_IOERR || code == SQLITE_CANTOPEN) && (cause == ENOSPC || cause == EDQUOT))
        return DB_FULL;
    return DB_LOST;
}

enum spool_result db_result(enum db_outcome outcome)
{
    static const enum spool_result RESULTS[] = {
        [DB_OK] = SPOOL_OK,
        [DB_FULL] = SPOOL_FULL,
        [DB_REFUSED] = SPOOL_BROKEN,
        [DB_LOST] = SPOOL_BROKEN,
    };
    return RESULTS[outcome];
}

/* ---- statements ---- */

static int bind_value(sqlite3_stmt *statement, int at, const struct db_value *value)
{
    switch (value->kind) {
    case VALUE_INT: return sqlite3_bind_int64(statement, at, value->number);
    case VALUE_TEXT:
        return sqlite3_bind_text64(statement, at, value->data, value->n, SQLITE_STATIC, SQLITE_UTF8);
    case VALUE_BLOB: /* without bytes it would be NULL, which means something else here */
        if (value->n == 0)
            return sqlite3_bind_zeroblob(statement, at, 0);
        return sqlite3_bind_blob64(statement, at, value->data, value->n, SQLITE_STATIC);
    case VALUE_NULL: break;
    }
    return sqlite3_bind_null(statement, at);
}

sqlite3_stmt *db_query(struct db *db, enum statement which, const struct db_value *args, size_t n)
{
    sqlite3_stmt **statement = &db->statements[which];
    if (db->handle == NULL)
        return NULL;
    if (*statement == NULL && sqlite3_prepare_v3(db->handle, STATEMENTS[which], -1, SQLITE_PREPARE_PERSISTENT,
                                                 statement, NULL) != SQLITE_OK)
        return NULL;
    for (size_t i = 0; i < n; i++) {
        if (bind_value(*statement, (int)i + 1, &args[i]) != SQLITE_OK)
            return NULL;
    }
    return *statement;
}

enum db_row db_next(sqlite3_stmt *rows)
{
    switch (sqlite3_step(rows)) {
    case SQLITE_ROW: return DB_ROW;
    case SQLITE_DONE: return DB_END;
    default: return DB_ERROR;
    }
}

void db_end(sqlite3_stmt *rows)
{
    sqlite3_reset(rows); /* values stay bound, but are never read again before new ones are */
}

const char *db_column_text(sqlite3_stmt *rows, int i)
{
    const unsigned char *text = sqlite3_column_text(rows, i);
    return text != NULL ? (const char *)text : "";
}

enum db_outcome db_run(struct db *db, enum statement which, const struct db_value *args, size_t n)
{
    sqlite3_stmt *statement = db_query(db, which, args, n);
    if (statement == NULL)
        return db_outcome(db);
    enum db_outcome outcome = db_next(statement) == DB_ERROR ? db_outcome(db) : DB_OK;
    db_end(statement);
    return outcome;
}

enum db_outcome db_number(struct db *db, enum statement which, const struct db_value *args, size_t n,
                          int64_t *value_r)
{
    sqlite3_stmt *rows = db_query(db, which, args, n);
    if (rows == NULL)
        return db_outcome(db);
    enum db_row row = db_next(rows);
    if (row == DB_ROW)
        *value_r = sqlite3_column_int64(rows, 0);
    enum db_outcome outcome = row == DB_ERROR ? db_outcome(db) : DB_OK;
    db_end(rows);
    return outcome;
}
