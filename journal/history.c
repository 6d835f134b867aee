/* SPDX-License-Identifier: MIT */
/* History in SQLite: opening (and setting a damaged file aside), rows in, old rows out. */
#include "journal/history.h"

#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <unistd.h>

/*
 * address is text, so that people can read it with sqlite3(1); account is history_account_key(login or
 * account); more is JSON. An index holds only the rows that have what it is for.
 */
static const char SCHEMA[] =
    "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA wal_autocheckpoint=4000; PRAGMA "
    "journal_size_limit=33554432;"
    "BEGIN IMMEDIATE;"
    "CREATE TABLE IF NOT EXISTS event (seq INTEGER PRIMARY KEY, time_ms INTEGER NOT NULL, type TEXT NOT "
    "NULL, cause TEXT,"
    " address TEXT, account TEXT, helo TEXT, id TEXT, sender TEXT, recipient TEXT, more TEXT NOT NULL) "
    "STRICT;"
    "CREATE INDEX IF NOT EXISTS event_address ON event(address) WHERE address IS NOT NULL;"
    "CREATE INDEX IF NOT EXISTS event_account ON event(account) WHERE account IS NOT NULL;"
    "CREATE INDEX IF NOT EXISTS event_id ON event(id) WHERE id IS NOT NULL;"
    "PRAGMA user_version=1;"
    "COMMIT;";

enum { SCHEMA_VERSION = 1, BUSY_WAIT_MS = 1000, PRUNE_MIN = 500, FILE_MODE = 0600 };
static const int64_t DAY_MS = 86400000;

enum statement { INSERT, OLDEST, NEWEST, PRUNE, BEGIN, COMMIT, STATEMENT_COUNT };
static const char *const SQL[STATEMENT_COUNT] = {
    [INSERT] = "INSERT INTO event (time_ms, type, cause, address, account, helo, id, sender, recipient, more)"
               " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    [OLDEST] = "SELECT seq, time_ms FROM event ORDER BY seq LIMIT 1",
    [NEWEST] = "SELECT coalesce(max(seq), 0) FROM event",
    [PRUNE] = "DELETE FROM event WHERE seq IN (SELECT seq FROM event ORDER BY seq LIMIT ?1)"
              " AND (seq <= ?2 OR time_ms NOT BETWEEN ?3 AND ?4)",
    [BEGIN] = "BEGIN IMMEDIATE",
    [COMMIT] = "COMMIT",
};

struct history {
    char *path;
    sqlite3 *db; /* NULL: to be opened by the next store */
    sqlite3_stmt *sql[STATEMENT_COUNT];
    int64_t newest;                 /* seq of the last row, 0: none */
    int64_t oldest, oldest_time_ms; /* of the first row; oldest 0: none */
    struct buf more;                /* JSON of a row, kept for its memory */
    struct buf note;
};

static void disconnect(struct history *h)
{
    for (size_t i = 0; i < STATEMENT_COUNT; i++) {
        sqlite3_finalize(h->sql[i]);
        h->sql[i] = NULL;
    }
    sqlite3_close(h->db);
    h->db = NULL;
}

/* Runs a statement that has no rows. SQLITE_DONE when it went well. */
static int run(struct history *h, enum statement which)
{
    int rc = sqlite3_step(h->sql[which]);
    sqlite3_reset(h->sql[which]);
    return rc;
}

static int read_oldest(struct history *h)
{
    sqlite3_stmt *sql = h->sql[OLDEST];
    int rc = sqlite3_step(sql);
    h->oldest = rc == SQLITE_ROW ? sqlite3_column_int64(sql, 0) : 0;
    h->oldest_time_ms = rc == SQLITE_ROW ? sqlite3_column_int64(sql, 1) : 0;
    sqlite3_reset(sql);
    return rc == SQLITE_ROW ? SQLITE_DONE : rc;
}

static int read_newest(struct history *h)
{
    sqlite3_stmt *sql = h->sql[NEWEST];
    int rc = sqlite3_step(sql);
    h->newest = rc == SQLITE_ROW ? sqlite3_column_int64(sql, 0) : 0;
    sqlite3_reset(sql);
    return rc == SQLITE_ROW ? SQLITE_DONE : rc;
}

static int check_version(struct history *h)
{
    sqlite3_stmt *ask = NULL;
    int rc = sqlite3_prepare_v2(h->db, "PRAGMA user_version", -1, &ask, NULL);
    if (rc == SQLITE_OK && (rc = sqlite3_step(ask)) == SQLITE_ROW)
        rc = sqlite3_column_int(ask, 0) > SCHEMA_VERSION ? SQLITE_MISMATCH : SQLITE_OK;
    sqlite3_finalize(ask);
    return rc;
}

/* An SQLite result code, SQLITE_OK when all is ready. */
static int connect_once(struct history *h)
{
    /* SQLite itself would let everybody read. Only a new file: closing one that is in use would drop SQLite's
     * locks on it. */
    int fd = open(h->path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, FILE_MODE);
    fd_close(&fd);
    int rc = sqlite3_open_v2(h->path, &h->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);
    if (rc == SQLITE_OK) {
        sqlite3_busy_timeout(h->db, BUSY_WAIT_MS);
        rc = check_version(h);
    }
    if (rc == SQLITE_OK)
        rc = sqlite3_exec(h->db, SCHEMA, NULL, NULL, NULL);
    for (size_t i = 0; rc == SQLITE_OK && i < STATEMENT_COUNT; i++)
        rc = sqlite3_prepare_v3(h->db, SQL[i], -1, SQLITE_PREPARE_PERSISTENT, &h->sql[i], NULL);
    if (rc == SQLITE_OK)
        rc = read_oldest(h) == SQLITE_DONE && read_newest(h) == SQLITE_DONE ? SQLITE_OK
                                                                            : sqlite3_errcode(h->db);
    return rc;
}

static bool is_damage(int rc)
{
    return rc == SQLITE_CORRUPT || rc == SQLITE_NOTADB;
}

/* Renames a damaged file to history.db.damaged (over an older one): history is worth less than a server that
 * goes on. */
static void set_aside(struct history *h)
{
    static const char *const parts[] = {"-wal", "-shm", ""};
    for (size_t i = 0; i < COUNT_OF(parts); i++) {
        struct buf from = BUF_INIT(8192), to = BUF_INIT(8192);
        buf_printf(&from, "%s%s", h->path, parts[i]);
        buf_printf(&to, "%s.damaged%s", h->path, parts[i]);
        if (rename(buf_str(&from), buf_str(&to)) != 0 && errno == ENOENT)
            unlink(buf_str(&to)); /* an older one's would not fit */
        buf_free(&from);
        buf_free(&to);
    }
    buf_clear(&h->note);
    buf_printf(&h->note, "%s was damaged and is kept as %s.damaged; history begins anew", h->path, h->path);
}

static void add_reason(const struct history *h, int rc, struct buf *error)
{
    if (rc == SQLITE_MISMATCH)
        buf_printf(error, "%s was made by a newer version", h->path);
    else
        buf_printf(error, "%s: %s", h->path, h->db != NULL ? sqlite3_errmsg(h->db) : sqlite3_errstr(rc));
}

static bool connect_history(struct history *h, struct buf *error)
{
    int rc = connect_once(h);
    if (is_damage(rc)) {
        disconnect(h);
        set_aside(h);
        rc = connect_once(h);
    }
    if (rc == SQLITE_OK)
        return true;
    add_reason(h, rc, error);
    disconnect(h);
    return false;
}

struct history *history_open(const char *data_dir, struct buf *error)
{
    struct history *h = xcalloc(1, sizeof *h);
    struct buf path = BUF_INIT(4096);
    buf_init(&h->more, (size_t)1 << 20);
    buf_init(&h->note, 16384);
    buf_printf(&path, "%s/history.db", data_dir);
    h->path = xstrdup(buf_str(&path));
    buf_free(&path);
    if (!connect_history(h, error))
        history_close(&h);
    return h;
}

void history_close(struct history **history)
{
    struct history *h = *history;
    *history = NULL;
    if (h == NULL)
        return;
    disconnect(h);
    buf_free(&h->more);
    buf_free(&h->note);
    free(h->path);
    free(h);
}

void history_take_note(struct history *history, struct buf *out)
{
    buf_add_str(out, buf_str(&history->note));
    buf_clear(&history->note);
}

const char *history_path(const struct history *history)
{
    return history->path;
}

const char *history_account_key(const char *account, char out[ACCOUNT_KEY_MAX])
{
    struct span name = span_trim(span_of(account));
    snprintf(out, ACCOUNT_KEY_MAX, "%.*s", name.n < ACCOUNT_KEY_MAX ? (int)name.n : ACCOUNT_KEY_MAX - 1,
             name.p);
    ascii_lower_str(out);
    return out;
}

/* ---- storing ---- */

/* "" is NULL: the indexes leave it out. The text must stay until the statement was run. */
static void bind_text(sqlite3_stmt *sql, int column, const char *text)
{
    sqlite3_bind_text(sql, column, *text != '\0' ? text : NULL, -1, SQLITE_STATIC);
}

static int insert(struct history *h, const struct event *e)
{
    char address[ADDR_TEXT_MAX], account[ACCOUNT_KEY_MAX];
    sqlite3_stmt *sql = h->sql[INSERT];
    buf_clear(&h->more);
    event_json(e, &h->more);
    sqlite3_bind_int64(sql, 1, e->time_ms);
    bind_text(sql, 2, event_type_name(e->type));
    bind_text(sql, 3, cause_get(e->cause)->id);
    bind_text(sql, 4, e->peer.family != 0 ? addr_text(&e->peer, address) : "");
    bind_text(sql, 5, history_account_key(*e->login != '\0' ? e->login : e->account, account));
    bind_text(sql, 6, e->helo);
    bind_text(sql, 7, e->id);
    bind_text(sql, 8, e->sender);
    bind_text(sql, 9, e->recipient);
    bind_text(sql, 10, buf_str(&h->more));
    return run(h, INSERT);
}

/* A time far ahead comes from a clock that was wrong: such rows must not stay in front for ever. */
static int prune(struct history *h, size_t added, const struct history_limits *limits)
{
    int64_t now = clock_wall_ms();
    int64_t last_gone = h->newest - (int64_t)limits->events;
    int64_t first_kept_ms = now - (int64_t)limits->keep_s * 1000;
    bool over = h->oldest != 0 && (h->oldest <= last_gone || h->oldest_time_ms < first_kept_ms ||
                                   h->oldest_time_ms > now + DAY_MS);
    if (!over)
        return SQLITE_DONE;
    sqlite3_stmt *sql = h->sql[PRUNE];
    sqlite3_bind_int64(sql, 1, (int64_t)(added * 2 > PRUNE_MIN ? added * 2 : PRUNE_MIN));
    sqlite3_bind_int64(sql, 2, last_gone);
    sqlite3_bind_int64(sql, 3, first_kept_ms);
    sqlite3_bind_int64(sql, 4, now + DAY_MS);
    int rc = run(h, PRUNE);
    return rc == SQLITE_DONE ? read_oldest(h) : rc;
}

/* SQLITE_DONE when all is in the file. */
static int store(struct history *h, const struct item *items, const struct history_limits *limits)
{
    size_t added = 0;
    int rc = run(h, BEGIN);
    for (; rc == SQLITE_DONE && items != NULL; items = items->next, added++)
        rc = insert(h, &items->event);
    if (rc == SQLITE_DONE && added > 0)
        h->newest = sqlite3_last_insert_rowid(h->db);
    if (rc == SQLITE_DONE && h->oldest == 0)
        rc = read_oldest(h);
    if (rc == SQLITE_DONE)
        rc = prune(h, added, limits);
    return rc == SQLITE_DONE ? run(h, COMMIT) : rc;
}

bool history_store(struct history *history, const struct item *items, const struct history_limits *limits,
                   struct buf *error)
{
    for (bool again = false;; again = true) {
        if (history->db == NULL && !connect_history(history, error))
            return false;
        int rc = store(history, items, limits);
        if (rc == SQLITE_DONE)
            return true;
        bool mend = is_damage(rc) && !again;
        if (!mend)
            add_reason(history, rc, error);
        disconnect(history); /* rolls back */
        if (!mend)
            return false;
        set_aside(history);
    }
}
