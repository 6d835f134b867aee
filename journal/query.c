/* SPDX-License-Identifier: MIT */
/* History in SQLite: answering questions, over a connection that can only read. */
#include <sqlite3.h>

#include "journal/history.h"

enum { QUERY_WAIT_MS = 2000 };

static const char COLUMNS[] =
    "SELECT time_ms, type, cause, address, account, helo, id, sender, recipient, more FROM event WHERE 1";

static void build(struct buf *sql, const struct history_filter *filter)
{
    buf_add_str(sql, COLUMNS);
    if (filter->address != NULL)
        buf_add_str(sql, " AND address = :address");
    if (filter->account != NULL && *filter->account != '\0')
        buf_add_str(sql, " AND account = :account");
    if (filter->id != NULL && *filter->id != '\0')
        buf_add_str(sql, " AND id = :id");
    if (filter->since_ms != 0)
        buf_add_str(sql, " AND time_ms >= :since");
    buf_add_str(sql, " ORDER BY seq DESC LIMIT :limit");
}

/* Parameters that the statement has not (index 0) are refused by SQLite and do no harm. */
static void bind_filter(sqlite3_stmt *sql, const struct history_filter *filter)
{
    char address[ADDR_TEXT_MAX], account[ACCOUNT_KEY_MAX];
    if (filter->address != NULL)
        sqlite3_bind_text(sql, sqlite3_bind_parameter_index(sql, ":address"),
                          addr_text(filter->address, address), -1, SQLITE_TRANSIENT);
    if (filter->account != NULL)
        sqlite3_bind_text(sql, sqlite3_bind_parameter_index(sql, ":account"),
                          history_account_key(filter->account, account), -1, SQLITE_TRANSIENT);
    if (filter->id != NULL)
        sqlite3_bind_text(sql, sqlite3_bind_parameter_index(sql, ":id"), filter->id, -1, SQLITE_TRANSIENT);
    sqlite3_bind_int64(sql, sqlite3_bind_parameter_index(sql, ":since"), filter->since_ms);
    sqlite3_bind_int(sql, sqlite3_bind_parameter_index(sql, ":limit"), filter->limit > 0 ? filter->limit : 1);
}

static const char *column(sqlite3_stmt *sql, int i)
{
    const unsigned char *text = sqlite3_column_text(sql, i);
    return text != NULL ? (const char *)text : "";
}

static void give(sqlite3_stmt *sql, void (*row)(void *arg, const struct history_row *row), void *arg)
{
    const struct history_row r = {
        .time_ms = sqlite3_column_int64(sql, 0),
        .type = column(sql, 1),
        .cause = column(sql, 2),
        .address = column(sql, 3),
        .account = column(sql, 4),
        .helo = column(sql, 5),
        .id = column(sql, 6),
        .sender = column(sql, 7),
        .recipient = column(sql, 8),
        .more = column(sql, 9),
    };
    row(arg, &r);
}

int history_query(const char *path, const struct history_filter *filter,
                  void (*row)(void *arg, const struct history_row *row), void *arg, struct buf *error)
{
    sqlite3 *db = NULL;
    sqlite3_stmt *sql = NULL;
    struct buf text = BUF_INIT(4096);
    int count = 0;
    build(&text, filter);
    int rc = sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX, NULL);
    if (rc == SQLITE_OK) {
        sqlite3_busy_timeout(db, QUERY_WAIT_MS);
        rc = sqlite3_prepare_v2(db, buf_str(&text), -1, &sql, NULL);
    }
    if (rc == SQLITE_OK) {
        bind_filter(sql, filter);
        for (; (rc = sqlite3_step(sql)) == SQLITE_ROW; count++)
            give(sql, row, arg);
    } else {
        rc = rc == SQLITE_DONE ? SQLITE_ERROR : rc;
    }
    if (rc != SQLITE_DONE)
        buf_printf(error, "%s: %s", path, db != NULL ? sqlite3_errmsg(db) : sqlite3_errstr(rc));
    sqlite3_finalize(sql);
    sqlite3_close(db);
    buf_free(&text);
    return rc == SQLITE_DONE ? count : -1;
}
