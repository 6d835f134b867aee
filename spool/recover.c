/* SPDX-License-Identifier: MIT */
/* What a crash left: body files without a row are removed, rows without their body file are held and told of.
 */
#include <errno.h>
#include <unistd.h>

#include "spool/room.h"

enum { NAMED_MAX = 10 }; /* damaged messages that the report names */

struct recovery {
    struct spool *spool;
    struct buf *report;
    enum db_outcome outcome;
    unsigned damaged;
};

/* A body file that is there, whole? Else *why gets a text. */
static bool check_body(const struct folder *folder, const char *id, uint64_t size, struct buf *why)
{
    uint64_t got = 0;
    int fd = folder_open(folder, id, &got);
    buf_add_str(why, "the body file ");
    folder_path(folder, id, why);
    if (fd < 0)
        buf_printf(why, " cannot be read: %s", strerror(-fd));
    else
        buf_printf(why, " has %llu bytes, not %llu", (unsigned long long)got, (unsigned long long)size);
    bool whole = fd >= 0 && got == size;
    fd_close(&fd);
    return whole;
}

static void hold_damaged(struct recovery *r, int64_t key, const char *id, const char *why)
{
    r->outcome = db_run(&r->spool->writer.db, DO_RECIPIENTS_DAMAGED, DB_ARGS(KEY_RANGE(key), db_text(why)));
    r->damaged++;
    if (r->damaged <= NAMED_MAX)
        buf_printf(r->report, "message %s is held: %s\n", id, why);
}

static void check_rows(struct recovery *r)
{
    struct db *db = &r->spool->writer.db;
    sqlite3_stmt *rows = db_query(db, DO_BODY_FILES, DB_NONE);
    enum db_row row = rows != NULL ? DB_ROW : DB_ERROR;
    while (row == DB_ROW && r->outcome == DB_OK && (row = db_next(rows)) == DB_ROW) {
        struct buf why = BUF_INIT(8192);
        const char *id = db_column_text(rows, 1);
        if (!check_body(&r->spool->folder, id, (uint64_t)sqlite3_column_int64(rows, 2), &why))
            hold_damaged(r, sqlite3_column_int64(rows, 0), id, buf_str(&why));
        buf_free(&why);
    }
    if (row == DB_ERROR && r->outcome == DB_OK)
        r->outcome = db_outcome(db);
    if (rows != NULL)
        db_end(rows);
}

static void remove_if_unknown(void *arg, const char *id)
{
    struct recovery *r = arg;
    int64_t known = 0;
    if (r->outcome == DB_OK)
        r->outcome = db_number(&r->spool->writer.db, DO_BODY_FILE_KNOWN, DB_ARGS(db_text(id)), &known);
    if (r->outcome == DB_OK && known == 0)
        folder_remove(&r->spool->folder, id);
}

bool recover(struct spool *spool, struct buf *report)
{
    struct db *db = &spool->writer.db;
    struct recovery r = {.spool = spool, .report = report};
    r.outcome = db_run(db, DO_BEGIN, DB_NONE);
    if (r.outcome == DB_OK)
        check_rows(&r);
    if (r.outcome == DB_OK)
        r.outcome = db_run(db, DO_COMMIT, DB_NONE);
    int listed = r.outcome == DB_OK ? folder_each(&spool->folder, remove_if_unknown, &r) : 0;
    if (r.outcome != DB_OK || listed < 0) {
        buf_clear(report);
        buf_printf(report, "%s: %s", spool->folder.root,
                   listed < 0 ? strerror(-listed) : sqlite3_errmsg(db->handle));
        return false;
    }
    if (r.damaged > NAMED_MAX)
        buf_printf(report, "and %u more\n", r.damaged - NAMED_MAX);
    return true;
}
