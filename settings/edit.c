/* SPDX-License-Identifier: MIT */
/* Changing one setting in a file: comments and order stay, and the file is whole at every moment. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "settings/rows.h"

enum { LOCK_WAIT_MS = 5000, LOCK_STEP_MS = 20 };

/* ---- the text ---- */

/* Whether the row is set somewhere, and if not, behind which line (counted from 1) its commented form stands;
 * 0: none. */
static bool find_place(struct span text, const char *name, size_t *behind_r)
{
    struct span end;
    struct line line;
    *behind_r = 0;
    for (size_t n = 1; text.n > 0; n++) {
        struct span bytes = line_take(&text, &end);
        line_parse(bytes, &line);
        if (line.kind == LINE_SETTING && span_equal(line.name, name))
            return true;
        if (line.kind == LINE_COMMENT && *behind_r == 0 && span_equal(line_commented_name(bytes), name))
            *behind_r = n;
    }
    return false;
}

static void add_span(struct buf *out, struct span s)
{
    buf_add(out, s.p, s.n);
}

/* The line with another value; what stands before and behind it (blanks, a comment) stays. */
static void add_changed(struct span bytes, const struct line *line, const char *value, struct buf *out)
{
    size_t at = (size_t)(line->value.p - bytes.p);
    struct span tail = span_skip(bytes, at + line->value.n);
    buf_add(out, bytes.p, at);
    if (at > 0 && bytes.p[at - 1] == '=')
        buf_add_char(out, ' ');
    value_quote(span_of(value), out);
    if (tail.n > 0 && !ascii_is_blank(tail.p[0]))
        buf_add_char(out, ' ');
    add_span(out, tail);
}

static void add_new(const char *name, const char *value, struct buf *out)
{
    buf_printf(out, "%s = ", name);
    value_quote(span_of(value), out);
}

void settings_edit(struct span text, enum row_index i, const char *value, struct buf *out)
{
    const char *name = SETTING_ROWS[i].name;
    struct span end = {NULL, 0};
    size_t behind = 0;
    bool there = find_place(text, name, &behind);
    bool done = value == NULL;
    for (size_t n = 1; text.n > 0; n++) {
        struct line line;
        struct span bytes = line_take(&text, &end);
        line_parse(bytes, &line);
        bool ours = there && line.kind == LINE_SETTING && span_equal(line.name, name);
        if (ours && done)
            continue; /* taken out, or a further line of a list */
        if (ours) {
            add_changed(bytes, &line, value, out);
            done = true;
        } else {
            add_span(out, bytes);
        }
        add_span(out, end);
        if (!done && !there && n == behind) {
            if (end.n == 0)
                buf_add_char(out, '\n');
            add_new(name, value, out);
            buf_add_str(out, end.n == 2 ? "\r\n" : "\n");
            done = true;
        }
    }
    if (!done) {
        if (out->len > 0 && out->data[out->len - 1] != '\n')
            buf_add_char(out, '\n');
        add_new(name, value, out);
        buf_add_str(out, end.n == 2 ? "\r\n" : "\n");
    }
}

/* ---- the file ---- */

static int fail(struct buf *error, const char *path, int code)
{
    buf_printf(error, "%s: %s", path, strerrordesc_np(code));
    return -1;
}

static bool lock_wait(int fd)
{
    const struct timespec step = {.tv_nsec = LOCK_STEP_MS * 1000000L};
    for (int waited = 0; waited <= LOCK_WAIT_MS; waited += LOCK_STEP_MS) {
        if (flock(fd, LOCK_EX | LOCK_NB) == 0)
            return true;
        if (errno != EWOULDBLOCK && errno != EINTR)
            return false;
        nanosleep(&step, NULL);
    }
    errno = EBUSY;
    return false;
}

/*
 * Opens and locks the file that now has this name: two changes at a time must not undo each other. Whoever
 * waited may hold a file that was replaced meanwhile, and begins again.
 */
static int open_locked(const char *path, struct stat *st_r)
{
    enum { TRIES = 100 };
    for (int i = 0; i < TRIES; i++) {
        struct stat named;
        int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
        if (fd < 0)
            return -errno;
        if (!lock_wait(fd) || fstat(fd, st_r) != 0 || stat(path, &named) != 0) {
            int error = -errno;
            close(fd);
            return error;
        }
        if (named.st_ino == st_r->st_ino && named.st_dev == st_r->st_dev)
            return fd;
        close(fd);
    }
    return -EBUSY;
}

/* Gives a file that root replaced back to its owner. */
static int restore_owner(const char *path, const struct stat *st)
{
    if (geteuid() != 0)
        return 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return -errno;
    int r = fchown(fd, st->st_uid, st->st_gid) == 0 && fchmod(fd, st->st_mode & 07777) == 0 ? 0 : -errno;
    close(fd);
    return r;
}

static bool value_is_clean(const char *value, struct buf *error)
{
    for (size_t i = 0; value != NULL && value[i] != '\0'; i++) {
        unsigned char c = (unsigned char)value[i];
        if ((c < ' ' && c != '\t') || c == 0x7F) {
            buf_add_str(error, "the value has a line end or another control character");
            return false;
        }
    }
    return true;
}

static int change(int fd, const struct stat *st, const char *path, enum row_index i, const char *value,
                  struct buf *error)
{
    struct buf old, text = BUF_INIT(FILE_SIZE_MAX);
    const struct settings *checked = NULL;
    int r = file_read_fd(fd, FILE_SIZE_MAX, &old);
    if (r == 0) {
        settings_edit(span_from(buf_str(&old), old.len), i, value, &text);
        checked = text.overflow ? NULL : settings_parse(span_from(buf_str(&text), text.len), path, error);
        if (text.overflow)
            r = -EFBIG;
    }
    if (checked != NULL)
        r = file_replace(path, buf_str(&text), text.len, st->st_mode & 07777);
    if (checked != NULL && r == 0)
        r = restore_owner(path, st);
    if (r != 0)
        fail(error, path, -r);
    r = checked != NULL && r == 0 ? 0 : -1;
    settings_release(&checked);
    buf_free(&old);
    buf_free(&text);
    return r;
}

int settings_file_set(const char *path, const char *name, const char *value, struct buf *error)
{
    const char *near = NULL;
    int i = settings_find(name, &near);
    if (i < 0) {
        buf_printf(error, "unknown setting \"%s\"", name);
        if (near != NULL)
            buf_printf(error, "; did you mean %s?", near);
        return -1;
    }
    if (!value_is_clean(value, error))
        return -1;
    char *real = realpath(path, NULL); /* the file itself is replaced, not a link to it */
    if (real == NULL)
        return fail(error, path, errno);
    struct stat st = {0};
    int fd = open_locked(real, &st);
    int r = fd >= 0 ? change(fd, &st, real, (enum row_index)i, value, error) : fail(error, path, -fd);
    fd_close(&fd);
    free(real);
    return r;
}
