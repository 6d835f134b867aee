/* SPDX-License-Identifier: MIT */
/* accounts.db as SQL: schema, connection, statements, rows. */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "auth/fingerprint.h"
#include "auth/store_inside.h"

enum {
    APPLICATION_ID = 0x47506163, /* "GPac", for file(1) and against another program's file */
    SCHEMA_VERSION = 1,
    BUSY_MS = 200, /* the lock of this process is held meanwhile; longer waits are store.c's */
};

/*
 * One row has all that is known of an account, so that a check reads one row, and a change writes one. No
 * second index that could disagree with the table. `sum` is row_sum() of the rest, against damage that leaves
 * SQLite's own structures whole: a password must not be called wrong because a disk changed its hash. Who
 * edits a row by hand leaves NULL there by the trigger, and the server fills it in.
 */
static const char schema[] =
    "CREATE TABLE accounts ("
    " address TEXT NOT NULL COLLATE NOCASE PRIMARY KEY,"
    " hash TEXT NOT NULL,"
    " disabled INTEGER NOT NULL DEFAULT 0 CHECK (disabled IN (0, 1)),"
    " created_at INTEGER NOT NULL,"
    " changed_at INTEGER NOT NULL,"     /* of the password */
    " old1_hash TEXT, old1_at INTEGER," /* the password before, and when it was replaced */
    " old2_hash TEXT, old2_at INTEGER," /* the one before that */
    " sum INTEGER"
    ") STRICT, WITHOUT ROWID;"
    "CREATE TRIGGER by_hand AFTER UPDATE ON accounts WHEN new.sum IS old.sum BEGIN"
    " UPDATE accounts SET sum = NULL WHERE address = new.address;"
    "END;";

#define COLUMNS "address, hash, disabled, created_at, changed_at, old1_hash, old1_at, old2_hash, old2_at"
#define VALUES  "?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9"
#define SELECT  "SELECT " COLUMNS ", sum IS NULL OR sum = row_sum(" COLUMNS ") FROM accounts"

static const char *const texts[SQL_STATEMENTS] = {
    [SQL_DATA_VERSION] = "PRAGMA data_version",
    [SQL_FIND] = SELECT " WHERE address = ?1",
    [SQL_NEXT] = SELECT " WHERE address > ?1 ORDER BY address LIMIT 1",
    [SQL_ALL] = SELECT,
    [SQL_ADD] = "INSERT INTO accounts (" COLUMNS ", sum) VALUES (" VALUES ", row_sum(" VALUES "))",
    [SQL_SET] = "UPDATE accounts SET (" COLUMNS ", sum) = (" VALUES ", row_sum(" VALUES
                ")) WHERE address = ?1 AND hash = ?10",
    [SQL_REMOVE] = "DELETE FROM accounts WHERE address = ?1",
    /* The second is never younger than the first. The trigger leaves the sum to SQL_SUM. */
    [SQL_FORGET] = "UPDATE accounts SET old1_hash = iif(old1_at < ?1, NULL, old1_hash),"
                   " old1_at = iif(old1_at < ?1, NULL, old1_at), old2_hash = NULL, old2_at = NULL"
                   " WHERE old1_at < ?1 OR old2_at < ?1",
    [SQL_SUM] = "UPDATE accounts SET sum = row_sum(" COLUMNS ") WHERE sum IS NULL",
};

/* The sum of a row: of the kinds and bytes of its values. */
static void row_sum(sqlite3_context *context, int n, sqlite3_value **values)
{
    uint64_t sum = 0;
    for (int i = 0; i < n; i++) {
        uint64_t kind = (uint64_t)sqlite3_value_type(values[i]); /* before the value is turned into text */
        const void *bytes = sqlite3_value_text(values[i]);
        sum = fingerprint(sum + kind, bytes, (size_t)sqlite3_value_bytes(values[i]));
    }
    sqlite3_result_int64(context, (int64_t)sum);
}

/* ---- the connection ---- */

void store_sql_close(struct store_sql *sql)
{
    for (size_t i = 0; i < SQL_STATEMENTS; i++) {
        sqlite3_finalize(sql->statements[i]);
        sql->statements[i] = NULL;
    }
    sqlite3_close(sql->db);
    sql->db = NULL;
}

static int say(struct store_sql *sql, struct buf *why, int code)
{
    bool by_system = code == SQLITE_CANTOPEN || code == SQLITE_IOERR;
    int error = sql->db != NULL ? sqlite3_system_errno(sql->db) : 0;
    buf_add_str(why, sqlite3_errstr(code));
    if (by_system && error != 0)
        buf_printf(why, " (%s)", strerror(error));
    return code;
}

static int pragma_int(struct store_sql *sql, const char *text, int *out_r)
{
    sqlite3_stmt *statement = NULL;
    int code = sqlite3_prepare_v2(sql->db, text, -1, &statement, NULL);
    if (code == SQLITE_OK)
        code = sqlite3_step(statement) == SQLITE_ROW ? SQLITE_OK : sqlite3_errcode(sql->db);
    if (code == SQLITE_OK)
        *out_r = sqlite3_column_int(statement, 0);
    sqlite3_finalize(statement);
    return code;
}

/* Is it a store of ours, of a kind that we know? */
static int check_kind(struct store_sql *sql, struct buf *why)
{
    int application = 0, version = 0;
    int code = pragma_int(sql, "PRAGMA application_id", &application);
    if (code == SQLITE_OK)
        code = pragma_int(sql, "PRAGMA user_version", &version);
    if (code != SQLITE_OK)
        return say(sql, why, code);
    if (application != APPLICATION_ID) {
        buf_add_str(why, "not a store of accounts");
        return SQLITE_NOTADB;
    }
    if (version != SCHEMA_VERSION) {
        buf_printf(why, "made by another version of Gatepost (store version %d, known is %d)", version,
                   SCHEMA_VERSION);
        return SQLITE_NOTADB;
    }
    return SQLITE_OK;
}

static int check_integrity(struct store_sql *sql, struct buf *why)
{
    sqlite3_stmt *statement = NULL;
    int code = sqlite3_prepare_v2(sql->db, "PRAGMA integrity_check(1)", -1, &statement, NULL);
    if (code == SQLITE_OK)
        code = sqlite3_step(statement) == SQLITE_ROW ? SQLITE_OK : sqlite3_errcode(sql->db);
    if (code == SQLITE_OK) {
        const char *verdict = (const char *)sqlite3_column_text(statement, 0);
        if (verdict == NULL || strcmp(verdict, "ok") != 0) {
            const char *line = verdict != NULL ? strrchr(verdict, '\n') : NULL; /* behind SQLite's heading */
            buf_printf(why, "damaged: %s", line != NULL ? line + 1 : verdict != NULL ? verdict : "?");
            code = SQLITE_CORRUPT;
        }
    } else {
        say(sql, why, code);
    }
    sqlite3_finalize(statement);
    return code;
}

static int prepare_all(struct store_sql *sql, struct buf *why)
{
    for (size_t i = 0; i < SQL_STATEMENTS; i++) {
        int code =
            sqlite3_prepare_v3(sql->db, texts[i], -1, SQLITE_PREPARE_PERSISTENT, &sql->statements[i], NULL);
        if (code != SQLITE_OK)
            return say(sql, why, code);
    }
    return SQLITE_OK;
}

/* secure_delete: hashes that are replaced or removed are overwritten in the file, too. */
static const char setup[] = "PRAGMA journal_mode = WAL;"
                            "PRAGMA synchronous = FULL;"
                            "PRAGMA secure_delete = ON;"
                            "PRAGMA cell_size_check = ON;"
                            "PRAGMA trusted_schema = OFF;"
                            "PRAGMA mmap_size = 0;"
                            "PRAGMA temp_store = MEMORY;";

static int open_connection(struct store_sql *sql, const char *path, int flags)
{
    *sql = (struct store_sql){.db = NULL};
    int code = sqlite3_open_v2(path, &sql->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | flags, NULL);
    if (code == SQLITE_OK)
        code = sqlite3_busy_timeout(sql->db, BUSY_MS);
    if (code == SQLITE_OK)
        code = sqlite3_create_function(sql->db, "row_sum", OLD_PASSWORDS * 2 + 5,
                                       SQLITE_UTF8 | SQLITE_DETERMINISTIC, NULL, row_sum, NULL, NULL);
    return code;
}

int store_sql_open(struct store_sql *sql, const char *path, struct buf *why)
{
    int code = open_connection(sql, path, 0);
    code = code != SQLITE_OK ? say(sql, why, code) : check_kind(sql, why);
    if (code == SQLITE_OK && (code = sqlite3_exec(sql->db, setup, NULL, NULL, NULL)) != SQLITE_OK)
        say(sql, why, code);
    if (code == SQLITE_OK) {
        store_sql_checkpoint(sql); /* if another process holds it up, the next tick sees to it */
        code = check_integrity(sql, why);
    }
    if (code == SQLITE_OK)
        code = prepare_all(sql, why);
    if (code != SQLITE_OK)
        store_sql_close(sql);
    return code;
}

bool store_sql_checkpoint(struct store_sql *sql)
{
    return sqlite3_wal_checkpoint_v2(sql->db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL) == SQLITE_OK;
}

/* ---- a new file ---- */

static int fill_new(const char *path)
{
    struct store_sql sql;
    char header[128];
    snprintf(header, sizeof header, "PRAGMA application_id = %d; PRAGMA user_version = %d;", APPLICATION_ID,
             SCHEMA_VERSION);
    int code = open_connection(&sql, path, 0);
    if (code == SQLITE_OK)
        code = sqlite3_exec(sql.db, header, NULL, NULL, NULL);
    if (code == SQLITE_OK)
        code = sqlite3_exec(sql.db, schema, NULL, NULL, NULL);
    if (code == SQLITE_OK) /* here, where nobody else can be in the way; the file remembers it */
        code = sqlite3_exec(sql.db, setup, NULL, NULL, NULL);
    store_sql_close(&sql);
    return code;
}

/* Takes the name only if nobody has it: another process may be making the same store. */
static int take_name(const char *made, const char *path)
{
    int r = link(made, path) == 0 || errno == EEXIST ? 0 : -errno;
    unlink(made);
    struct buf folder = BUF_INIT(4096);
    const char *slash = strrchr(path, '/');
    if (r == 0 && slash != NULL && buf_add(&folder, path, (size_t)(slash - path) + 1))
        r = dir_sync(buf_str(&folder));
    buf_free(&folder);
    return r;
}

bool store_sql_create(const char *path, struct buf *error)
{
    struct buf made = BUF_INIT(4096);
    if (!buf_printf(&made, "%s.%ld.new", path, (long)getpid())) {
        buf_add_str(error, "path too long");
        return false;
    }
    unlink(buf_str(&made));
    int fd = open(buf_str(&made), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    int r = fd >= 0 ? 0 : -errno;
    fd_close(&fd);
    if (r == 0) {
        int code = fill_new(buf_str(&made));
        if (code != SQLITE_OK) {
            unlink(buf_str(&made));
            buf_printf(error, "cannot make %s: %s", path, sqlite3_errstr(code));
            buf_free(&made);
            return false;
        }
        r = take_name(buf_str(&made), path);
    }
    if (r != 0)
        buf_printf(error, "cannot make %s: %s", path, strerror(-r));
    buf_free(&made);
    return r == 0;
}

/* ---- statements ---- */

void store_sql_reset(sqlite3_stmt *statement)
{
    sqlite3_reset(statement);
    sqlite3_clear_bindings(statement);
}

int store_sql_data_version(struct store_sql *sql, int64_t *version_r)
{
    sqlite3_stmt *statement = sql->statements[SQL_DATA_VERSION];
    int code = sqlite3_step(statement);
    if (code == SQLITE_ROW) {
        *version_r = sqlite3_column_int64(statement, 0);
        code = SQLITE_OK;
    }
    store_sql_reset(statement);
    return code;
}

static bool read_text(sqlite3_stmt *statement, int column, char *out, size_t size)
{
    const char *text = (const char *)sqlite3_column_text(statement, column);
    size_t n = (size_t)sqlite3_column_bytes(statement, column);
    out[0] = '\0';
    if (text == NULL)
        return sqlite3_column_type(statement, column) == SQLITE_NULL;
    if (n >= size || strlen(text) != n)
        return false;
    memcpy(out, text, n + 1);
    return true;
}

static bool read_row(sqlite3_stmt *s, struct store_row *row)
{
    bool ok =
        read_text(s, 0, row->address, sizeof row->address) && read_text(s, 1, row->hash, sizeof row->hash);
    row->disabled = sqlite3_column_int(s, 2) != 0;
    row->created_at = sqlite3_column_int64(s, 3);
    row->changed_at = sqlite3_column_int64(s, 4);
    for (int i = 0; i < OLD_PASSWORDS; i++) {
        ok = ok && read_text(s, 5 + 2 * i, row->old[i].hash, sizeof row->old[i].hash);
        row->old[i].replaced_at = sqlite3_column_int64(s, 6 + 2 * i);
    }
    return ok && row->address[0] != '\0' && sqlite3_column_int(s, 5 + 2 * OLD_PASSWORDS) != 0;
}

int store_sql_read(struct store_sql *sql, enum statement which, struct span address, struct store_row *row_r)
{
    sqlite3_stmt *s = sql->statements[which];
    if (address.n > ADDRESS_MAX)
        return SQLITE_DONE;
    int code = sqlite3_bind_text(s, 1, address.n > 0 ? address.p : "", (int)address.n, SQLITE_STATIC);
    if (code == SQLITE_OK)
        code = sqlite3_step(s);
    if (code == SQLITE_ROW && !read_row(s, row_r))
        code = SQLITE_CORRUPT;
    store_sql_reset(s);
    return code;
}

int store_sql_load(struct store_sql *sql, const struct directory *dir, struct directory_table *table)
{
    sqlite3_stmt *s = sql->statements[SQL_ALL];
    struct store_row row;
    int code;
    while ((code = sqlite3_step(s)) == SQLITE_ROW) {
        if (!read_row(s, &row)) {
            code = SQLITE_CORRUPT;
            break;
        }
        struct directory_entry entry = {directory_version(dir, row.hash), row.disabled, ""};
        memcpy(entry.address, row.address, sizeof entry.address);
        directory_table_put(table, &entry);
    }
    store_sql_reset(s);
    explicit_bzero(&row, sizeof row);
    return code == SQLITE_DONE ? SQLITE_OK : code;
}

static int bind_old(sqlite3_stmt *s, int at, const char *hash, int64_t replaced_at)
{
    if (hash[0] == '\0')
        return SQLITE_OK; /* not bound is NULL */
    int code = sqlite3_bind_text(s, at, hash, -1, SQLITE_STATIC);
    return code == SQLITE_OK ? sqlite3_bind_int64(s, at + 1, replaced_at) : code;
}

static int bind_row(sqlite3_stmt *s, const struct store_row *row, const char *was_hash)
{
    int code = sqlite3_bind_text(s, 2, row->hash, -1, SQLITE_STATIC);
    if (code == SQLITE_OK)
        code = sqlite3_bind_int(s, 3, row->disabled);
    if (code == SQLITE_OK)
        code = sqlite3_bind_int64(s, 4, row->created_at);
    if (code == SQLITE_OK)
        code = sqlite3_bind_int64(s, 5, row->changed_at);
    for (int i = 0; i < OLD_PASSWORDS && code == SQLITE_OK; i++)
        code = bind_old(s, 6 + 2 * i, row->old[i].hash, row->old[i].replaced_at);
    if (code == SQLITE_OK && was_hash != NULL)
        code = sqlite3_bind_text(s, 10, was_hash, -1, SQLITE_STATIC);
    return code;
}

static int run(struct store_sql *sql, sqlite3_stmt *s, int code, int *changed_r)
{
    if (code == SQLITE_OK)
        code = sqlite3_step(s);
    *changed_r = code == SQLITE_DONE ? sqlite3_changes(sql->db) : 0;
    store_sql_reset(s);
    return code == SQLITE_DONE ? SQLITE_OK : code;
}

int store_sql_change(struct store_sql *sql, enum statement which, const struct store_row *row,
                     const char *was_hash, int *changed_r)
{
    sqlite3_stmt *s = sql->statements[which];
    int code = sqlite3_bind_text(s, 1, row->address, -1, SQLITE_STATIC);
    if (code == SQLITE_OK && which != SQL_REMOVE)
        code = bind_row(s, row, was_hash);
    return run(sql, s, code, changed_r);
}

int store_sql_forget(struct store_sql *sql, int64_t before, int *changed_r)
{
    sqlite3_stmt *s = sql->statements[SQL_FORGET];
    return run(sql, s, sqlite3_bind_int64(s, 1, before), changed_r);
}

int store_sql_sum(struct store_sql *sql, int *changed_r)
{
    return run(sql, sql->statements[SQL_SUM], SQLITE_OK, changed_r);
}
