/* SPDX-License-Identifier: MIT */
/*
 * accounts.db as a file that others may touch: when it is trusted, how it is found broken and good again;
 * changes.
 */
#include "auth/store.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>

#include "auth/store_inside.h"

enum {
    FORGET_EVERY_MS = 3600 * 1000,
    CHANGE_WAIT_MS = 5000, /* for a lock of another process */
    CHANGE_PAUSE_MS = 20,
    TRIES = 3, /* to read a file that keeps changing */
};

/* What stat(2) tells of a file's content. */
struct mark {
    dev_t device;
    ino_t inode;
    off_t size;
    struct timespec changed, modified;
};

struct store {
    char *path;
    struct directory *dir;
    atomic_bool good;
    pthread_mutex_t lock; /* guards all below */
    struct store_sql sql; /* open while good */
    struct mark mark;     /* of the file that was checked */
    int64_t data_version; /* when the directory was filled */
    bool checkpoint_due, sum_due;
    uint64_t forget_at_ms;
    struct buf trouble;
};

/* ---- trust; all with the lock held ---- */

static int take_mark(const char *path, struct mark *mark_r)
{
    struct stat st;
    *mark_r = (struct mark){.size = -1}; /* that of no file */
    if (stat(path, &st) != 0)
        return -errno;
    if (!S_ISREG(st.st_mode))
        return -EINVAL;
    *mark_r = (struct mark){st.st_dev, st.st_ino, st.st_size, st.st_ctim, st.st_mtim};
    return 0;
}

static bool time_equal(struct timespec a, struct timespec b)
{
    return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

static bool same_file(const struct mark *a, const struct mark *b)
{
    return a->device == b->device && a->inode == b->inode;
}

static bool still_marked(const struct store *s)
{
    struct mark now;
    return take_mark(s->path, &now) == 0 && same_file(&now, &s->mark) && now.size == s->mark.size &&
           time_equal(now.changed, s->mark.changed) && time_equal(now.modified, s->mark.modified);
}

static void set_trouble(struct store *s, const char *what)
{
    buf_clear(&s->trouble);
    buf_printf(&s->trouble, "%s: %s", s->path, what);
}

static int fill_directory(struct store *s)
{
    int64_t version = 0; /* read first: what is committed from now on shows at the next tick */
    int code = store_sql_data_version(&s->sql, &version);
    struct directory_table *table = directory_table_make(s->dir);
    if (code == SQLITE_OK)
        code = store_sql_load(&s->sql, s->dir, table);
    if (code == SQLITE_OK) {
        directory_replace(s->dir, &table);
        s->data_version = version;
    }
    directory_table_free(&table);
    return code;
}

/*
 * Opens and checks the file from scratch. The mark is taken around the check: what changed meanwhile was not
 * checked.
 */
static bool check_once(struct store *s, struct buf *why)
{
    store_sql_close(&s->sql);
    int r = take_mark(s->path, &s->mark);
    if (r != 0) {
        buf_add_str(why, r == -EINVAL ? "not a regular file" : strerror(-r));
        return false;
    }
    if (store_sql_open(&s->sql, s->path, why) != SQLITE_OK)
        return false;
    int code = fill_directory(s);
    if (code == SQLITE_OK && still_marked(s))
        return true;
    buf_add_str(why, code != SQLITE_OK ? sqlite3_errstr(code) : "it changes while it is read");
    store_sql_close(&s->sql);
    return false;
}

/*
 * Decides anew whether the store is good. Opening may itself change the file (what a process that died had
 * left in the WAL), and others may just be writing: hence a few tries.
 */
static bool check(struct store *s)
{
    struct buf why = BUF_INIT(512);
    bool good = false;
    for (int i = 0; i < TRIES && !good; i++) {
        buf_clear(&why);
        good = check_once(s, &why);
    }
    if (!good)
        set_trouble(s, buf_str(&why));
    buf_free(&why);
    s->checkpoint_due = s->sum_due = good;
    atomic_store(&s->good, good);
    return good;
}

/* Changes the file itself, so the mark is taken anew; it was good a moment ago. */
static void checkpoint(struct store *s)
{
    struct mark now;
    s->checkpoint_due = !store_sql_checkpoint(&s->sql);
    if (take_mark(s->path, &now) == 0 && same_file(&now, &s->mark))
        s->mark = now;
    else
        check(s);
}

/* ---- life ---- */

/*
 * A write-ahead log without its file is the rest of a store that was lost: a new store must not be built over
 * it.
 */
static bool make_file(const char *path, struct buf *error)
{
    struct buf wal = BUF_INIT(4096);
    struct stat st;
    bool lost = buf_printf(&wal, "%s-wal", path) && stat(buf_str(&wal), &st) == 0 && st.st_size > 0;
    if (lost)
        buf_printf(error,
                   "%s is gone, but %s is there: put the file back, or remove both to begin with no accounts",
                   path, buf_str(&wal));
    buf_free(&wal);
    return !lost && store_sql_create(path, error);
}

static bool ready_file(const char *path, struct buf *error)
{
    struct stat st;
    int r = stat(path, &st) == 0 ? 0 : -errno;
    if (r == -ENOENT)
        return make_file(path, error);
    if (r == 0 && (st.st_mode & 077) != 0 && chmod(path, 0600) != 0)
        r = -errno;
    if (r != 0)
        buf_printf(error, "%s: %s", path, strerror(-r));
    return r == 0;
}

struct store *store_open(const char *path, struct directory *dir, struct buf *error)
{
    if (!ready_file(path, error))
        return NULL;
    struct store *s = xcalloc(1, sizeof *s);
    s->path = xstrdup(path);
    s->dir = dir;
    pthread_mutex_init(&s->lock, NULL);
    buf_init(&s->trouble, 8192);
    pthread_mutex_lock(&s->lock);
    bool good = check(s);
    pthread_mutex_unlock(&s->lock);
    if (!good) {
        buf_add_str(error, buf_str(&s->trouble));
        store_close(&s);
    }
    return s;
}

void store_close(struct store **store)
{
    struct store *s = *store;
    if (s == NULL)
        return;
    *store = NULL;
    store_sql_close(&s->sql);
    pthread_mutex_destroy(&s->lock);
    buf_free(&s->trouble);
    free(s->path);
    free(s);
}

bool store_good(const struct store *s)
{
    return atomic_load(&s->good);
}

void store_trouble(struct store *s, struct buf *out)
{
    pthread_mutex_lock(&s->lock);
    buf_add_str(out, buf_str(&s->trouble));
    pthread_mutex_unlock(&s->lock);
}

/*
 * Once an hour passwords that are too old go; rows that were changed without their sum get it. A change that
 * fails comes again.
 */
static void tidy(struct store *s)
{
    uint64_t now = clock_mono_ms();
    int forgotten = 0, summed = 0;
    if (now >= s->forget_at_ms &&
        store_sql_forget(&s->sql, clock_wall() - OLD_PASSWORDS_KEPT_S, &forgotten) == SQLITE_OK)
        s->forget_at_ms = now + FORGET_EVERY_MS;
    s->sum_due |= forgotten > 0;
    if (s->sum_due && store_sql_sum(&s->sql, &summed) == SQLITE_OK)
        s->sum_due = false;
    s->checkpoint_due |= forgotten + summed > 0;
    if (s->checkpoint_due)
        checkpoint(s);
}

void store_tick(struct store *s)
{
    pthread_mutex_lock(&s->lock);
    int64_t version = s->data_version;
    bool good =
        atomic_load(&s->good) && still_marked(s) && store_sql_data_version(&s->sql, &version) == SQLITE_OK;
    if (good && version != s->data_version) {
        good = fill_directory(s) == SQLITE_OK;
        s->checkpoint_due = s->sum_due = true;
    }
    if (good || check(s))
        tidy(s);
    pthread_mutex_unlock(&s->lock);
}

/* ---- reading ---- */

static enum store_result read_result(int code)
{
    switch (code & 0xff) { /* the primary code of an extended one */
    case SQLITE_ROW: return STORE_OK;
    case SQLITE_DONE: return STORE_NONE;
    case SQLITE_BUSY: return STORE_BUSY;
    default: return STORE_BROKEN;
    }
}

/* An answer counts only if the file is still the one that was checked when it has been read. */
static enum store_result read_row(struct store *s, enum statement which, struct span address,
                                  struct store_row *row_r)
{
    for (int i = 0; i < TRIES && atomic_load(&s->good); i++) {
        enum store_result result = read_result(store_sql_read(&s->sql, which, address, row_r));
        if (result != STORE_BROKEN && still_marked(s))
            return result;
        check(s);
    }
    return STORE_BROKEN;
}

static enum store_result locked_read(struct store *s, enum statement which, struct span address,
                                     struct store_row *row_r)
{
    pthread_mutex_lock(&s->lock);
    enum store_result result = read_row(s, which, address, row_r);
    pthread_mutex_unlock(&s->lock);
    return result;
}

enum store_result store_find(struct store *s, struct span account, struct store_row *row_r)
{
    return locked_read(s, SQL_FIND, account, row_r);
}

enum store_result store_next(struct store *s, const char *address, struct store_row *row_r)
{
    return locked_read(s, SQL_NEXT, span_of(address), row_r);
}

/* ---- changing ---- */

static enum store_result change_result(int code, int changed)
{
    switch (code & 0xff) {
    case SQLITE_OK: return changed > 0 ? STORE_OK : STORE_NONE;
    case SQLITE_CONSTRAINT: return STORE_EXISTS;
    case SQLITE_BUSY: return STORE_BUSY;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB: return STORE_BROKEN;
    default: return STORE_FAILED;
    }
}

static void tell_directory(struct store *s, enum statement which, const struct store_row *row)
{
    if (which == SQL_REMOVE) {
        directory_remove(s->dir, row->address);
        return;
    }
    struct directory_entry entry = {directory_version(s->dir, row->hash), row->disabled, ""};
    memcpy(entry.address, row->address, sizeof entry.address);
    directory_put(s->dir, &entry);
}

static enum store_result change_once(struct store *s, enum statement which, const struct store_row *row,
                                     const char *was)
{
    if (!atomic_load(&s->good) || (!still_marked(s) && !check(s)))
        return STORE_BROKEN;
    int changed = 0;
    int code = store_sql_change(&s->sql, which, row, was, &changed);
    enum store_result result = change_result(code, changed);
    if (result == STORE_OK) {
        tell_directory(s, which, row);
        checkpoint(s);
    } else if (result == STORE_FAILED) {
        set_trouble(s, sqlite3_errstr(code));
    } else if (result == STORE_BROKEN) {
        check(s);
    }
    return result;
}

static enum store_result change(struct store *s, enum statement which, const struct store_row *row,
                                const char *was)
{
    uint64_t until = clock_mono_ms() + CHANGE_WAIT_MS;
    for (;;) {
        pthread_mutex_lock(&s->lock);
        enum store_result result = change_once(s, which, row, was);
        pthread_mutex_unlock(&s->lock);
        if (result != STORE_BUSY || clock_mono_ms() >= until)
            return result;
        nanosleep(&(struct timespec){.tv_nsec = CHANGE_PAUSE_MS * 1000000L},
                  NULL); /* checks go on meanwhile */
    }
}

enum store_result store_add(struct store *s, const struct store_row *row)
{
    return change(s, SQL_ADD, row, NULL);
}

enum store_result store_set(struct store *s, const struct store_row *row, const char *was_hash)
{
    return change(s, SQL_SET, row, was_hash);
}

enum store_result store_remove(struct store *s, const char *address)
{
    struct store_row row = {.disabled = false};
    snprintf(row.address, sizeof row.address, "%s", address);
    return change(s, SQL_REMOVE, &row, NULL);
}
