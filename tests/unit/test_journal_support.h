/* SPDX-License-Identifier: MIT */
/* What the tests of the journal share: a folder of their own, settings that point into it, files as text. */
#ifndef GP_TEST_JOURNAL_SUPPORT_H
#define GP_TEST_JOURNAL_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "journal/journal.h"

enum { PLACE_TEXT_MAX = 512, FLUSH_MS = 20000, READ_MAX = 256 * 1024 * 1024 };

struct place {
    char dir[PLACE_TEXT_MAX]; /* data_dir, removed at the end */
    char log[PLACE_TEXT_MAX + 16];
    char db[PLACE_TEXT_MAX + 16];
    struct settings_cell *cell;
};

/* more: further lines of the settings file, such as "history.events = 1000\n". */
static inline void place_settings(struct place *p, const char *more)
{
    char path[PLACE_TEXT_MAX + 32];
    struct buf text = BUF_INIT(8192), error = BUF_INIT(8192);
    snprintf(path, sizeof path, "%s/gatepost.conf", p->dir);
    buf_printf(&text, "hostname = mail.example.com\ndata_dir = %s\nlog.file = %s\n%s", p->dir, p->log, more);
    assert_int_equal(file_replace(path, text.data, text.len, 0600), 0);
    const struct settings *s = settings_load(path, &error);
    assert_string_equal(buf_str(&error), "");
    assert_non_null(s);
    if (p->cell == NULL)
        p->cell = settings_cell_make(s);
    else
        settings_cell_set(p->cell, s);
    buf_free(&text);
    buf_free(&error);
}

static inline struct place place_make(const char *more)
{
    struct place p = {.cell = NULL};
    const char *base = getenv("TMPDIR");
    snprintf(p.dir, sizeof p.dir, "%s/gp-journal-XXXXXX", base != NULL ? base : "/tmp");
    assert_non_null(mkdtemp(p.dir));
    snprintf(p.log, sizeof p.log, "%s/main.log", p.dir);
    snprintf(p.db, sizeof p.db, "%s/history.db", p.dir);
    place_settings(&p, more);
    return p;
}

static inline void place_remove(struct place *p)
{
    static const char *const names[] = {"gatepost.conf",
                                        "main.log",
                                        "old.log",
                                        "history.db",
                                        "history.db-wal",
                                        "history.db-shm",
                                        "history.db.damaged",
                                        "history.db.damaged-wal",
                                        "history.db.damaged-shm"};
    char path[PLACE_TEXT_MAX + 64];
    settings_cell_free(&p->cell);
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        snprintf(path, sizeof path, "%s/%s", p->dir, names[i]);
        unlink(path);
    }
    assert_int_equal(rmdir(p->dir), 0);
}

static inline struct journal *place_open(struct place *p)
{
    struct buf error = BUF_INIT(8192);
    struct journal *journal = journal_open(p->cell, &error);
    assert_string_equal(buf_str(&error), "");
    assert_non_null(journal);
    buf_free(&error);
    return journal;
}

/* The file's content; the caller frees it. */
static inline char *slurp(const char *path)
{
    struct buf text = BUF_INIT(READ_MAX);
    assert_int_equal(file_read(path, READ_MAX, &text), 0);
    char *copy = xstrndup(buf_str(&text), text.len);
    buf_free(&text);
    return copy;
}

/* By hand: under AddressSanitizer each strstr looks at the whole text. */
static inline size_t count_of(const char *text, const char *part)
{
    size_t n = 0, length = strlen(part);
    for (const char *p = text; *p != '\0'; p++) {
        size_t i = 0;
        while (i < length && p[i] == part[i])
            i++;
        n += i == length;
    }
    return n;
}

#endif
