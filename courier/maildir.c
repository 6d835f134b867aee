/* SPDX-License-Identifier: MIT */
/* Batches into Maildirs. */
#include "courier/maildir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/sha.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "courier/crlf.h"

enum { READ_SIZE = 32768, WRITE_SIZE = 65536, PLACE_MAX = MAILDIR_NAME_MAX + 8 };

/* One Maildir of a batch. */
struct folder {
    const char *path;
    int fd;         /* -1: not to be used, see error */
    int error;      /* errno of what was done for all of it */
    bool new_dirty; /* a name appeared in new/, or may have before a crash */
    bool cur_dirty; /* a message was found in cur/ */
    bool look;      /* some item of it asks for a look into cur/ */
};

struct entry {
    struct maildir_item *item;
    struct folder *folder;
    char name[MAILDIR_NAME_MAX];
    int fd;       /* of the file in tmp/, or -1 */
    bool there;   /* found: delivered before */
    bool written; /* in tmp/, whole */
};

struct batch {
    struct spool *spool;
    const char *hostname;
    struct folder *folders;
    size_t folder_count;
    struct entry *entries;
    size_t n;
    struct spool_body
        *body; /* of the message with the id below: recipients of one message come one behind the other */
    const char *body_id;
    char *in, *out; /* READ_SIZE, WRITE_SIZE */
};

/* ---- names ---- */

/* The host part of a name: no slash, which ends a component, and no colon, which begins the flags. */
static void copy_host(char *out, size_t n, const char *hostname)
{
    snprintf(out, n, "%s", hostname);
    for (char *p = out; *p != '\0'; p++)
        if (*p == '/' || *p == ':' || *p <= ' ' || *p > '~')
            *p = '_';
}

void maildir_name(const struct delivery *delivery, const char *hostname, char out[MAILDIR_NAME_MAX])
{
    enum { DIGEST_SHOWN = 12 };
    static const char digits[] = "0123456789abcdef";
    unsigned char digest[SHA256_DIGEST_LENGTH];
    char hex[2 * DIGEST_SHOWN + 1] = "", host[128];
    SHA256((const unsigned char *)delivery->recipient, strlen(delivery->recipient), digest);
    for (size_t i = 0; i < DIGEST_SHOWN; i++) {
        hex[2 * i] = digits[digest[i] >> 4];
        hex[2 * i + 1] = digits[digest[i] & 15];
    }
    copy_host(host, sizeof host, hostname);
    snprintf(out, MAILDIR_NAME_MAX, "%lld.%s.%s.%s", (long long)delivery->queued_at, delivery->id, hex, host);
}

static const char *place(char out[PLACE_MAX], const char *sub, const char *name)
{
    snprintf(out, PLACE_MAX, "%s/%s", sub, name);
    return out;
}

/* ---- failures ---- */

static void fail(struct entry *e, int error)
{
    struct outcome *o = e->item->outcome;
    outcome_set(o, VERDICT_DEFERRED, CAUSE_DELIVERY_MAILDIR, "%s: %s", e->folder->path, strerror(error));
    o->error = error;
    if (error == EMFILE || error == ENFILE)
        o->again_s = 1; /* a matter of this moment, not of the mailbox */
    if (error == ENOSPC || error == EDQUOT)
        snprintf(o->status, sizeof o->status, "4.2.2"); /* RFC 3463, section 3.3: mailbox full */
    char at[PLACE_MAX];
    if (e->folder->fd >= 0)
        unlinkat(e->folder->fd, place(at, "tmp", e->name), 0);
    fd_close(&e->fd);
    e->written = false;
}

static bool failed(const struct entry *e)
{
    return e->item->outcome->verdict == VERDICT_DEFERRED;
}

/* ---- folders ---- */

static int make_subfolders(const char *path)
{
    static const char *const subs[] = {"tmp", "new", "cur"};
    int r = 0;
    for (size_t i = 0; i < COUNT_OF(subs) && r == 0; i++) {
        char sub[PATH_MAX];
        int n = snprintf(sub, sizeof sub, "%s/%s", path, subs[i]);
        r = n > 0 && (size_t)n < sizeof sub ? dir_make(sub, 0700) : -ENAMETOOLONG;
    }
    return r;
}

static void open_folder(struct folder *f)
{
    f->fd = open(f->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool whole = f->fd >= 0 && faccessat(f->fd, "cur", F_OK, 0) == 0 &&
                 faccessat(f->fd, "new", F_OK, 0) == 0 && faccessat(f->fd, "tmp", F_OK, 0) == 0;
    if (whole)
        return;
    int r = f->fd < 0 && errno != ENOENT ? -errno : make_subfolders(f->path);
    if (r == 0 && f->fd < 0 && (f->fd = open(f->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0)
        r = -errno;
    if (r != 0)
        fd_close(&f->fd);
    f->error = -r;
}

static struct folder *folder_of(struct batch *b, const char *path)
{
    for (size_t i = b->folder_count; i > 0; i--) /* the last one is the likeliest */
        if (strcmp(b->folders[i - 1].path, path) == 0)
            return &b->folders[i - 1];
    struct folder *f = &b->folders[b->folder_count++];
    *f = (struct folder){.path = path, .fd = -1};
    open_folder(f);
    return f;
}

/* ---- was it delivered before? ---- */

static int compare_names(const void *a, const void *b)
{
    return strcmp((*(struct entry *const *)a)->name, (*(struct entry *const *)b)->name);
}

/* Marks those of wanted (sorted by name) that are in cur/, under whatever flags. */
static int read_cur(struct folder *f, struct entry **wanted, size_t n)
{
    int fd = openat(f->fd, "cur", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
    if (dir == NULL) {
        int error = errno;
        fd_close(&fd);
        return error;
    }
    struct dirent *d;
    while (errno = 0, (d = readdir(dir)) != NULL) {
        struct entry key, *at = &key;
        size_t len = strcspn(d->d_name, ":");
        if (len >= sizeof key.name)
            continue;
        memcpy(key.name, d->d_name, len);
        key.name[len] = '\0';
        struct entry **hit = bsearch(&at, wanted, n, sizeof(struct entry *), compare_names);
        if (hit != NULL)
            (*hit)->there = f->cur_dirty = true;
    }
    int error = errno;
    closedir(dir);
    return error;
}

/* new/ first: what a mail program moves to cur/ meanwhile is then seen there. */
static void look_in_folder(struct batch *b, struct folder *f, struct entry **wanted)
{
    size_t n = 0;
    char at[PLACE_MAX];
    struct stat st;
    for (size_t i = 0; i < b->n; i++) {
        struct entry *e = &b->entries[i];
        if (e->folder != f || !e->item->look)
            continue;
        if (fstatat(f->fd, place(at, "new", e->name), &st, AT_SYMLINK_NOFOLLOW) == 0)
            e->there = f->new_dirty = true;
        else
            wanted[n++] = e;
    }
    if (n == 0)
        return;
    qsort(wanted, n, sizeof(struct entry *), compare_names);
    int error = read_cur(f, wanted, n);
    for (size_t i = 0; i < n && error != 0; i++)
        fail(wanted[i], error); /* better later than twice */
}

static void look_for_earlier(struct batch *b)
{
    struct entry **wanted = xcalloc(b->n, sizeof(struct entry *));
    for (size_t i = 0; i < b->folder_count; i++)
        if (b->folders[i].look && b->folders[i].fd >= 0)
            look_in_folder(b, &b->folders[i], wanted);
    free(wanted);
}

/* ---- writing ---- */

static void fail_body(struct entry *e, const char *why)
{
    outcome_set(e->item->outcome, VERDICT_DEFERRED, CAUSE_SPOOL_BROKEN,
                "the message cannot be read from the queue: %s", why);
}

static bool open_body(struct batch *b, struct entry *e)
{
    const char *id = e->item->delivery->id;
    struct buf error = BUF_INIT(512);
    if (b->body != NULL && strcmp(b->body_id, id) == 0 && spool_body_rewind(b->body) == 0)
        return true;
    spool_body_close(&b->body);
    b->body = spool_body_open(b->spool, id, &error);
    b->body_id = id;
    if (b->body == NULL)
        fail_body(e, buf_str(&error));
    buf_free(&error);
    return b->body != NULL;
}

/* Return-Path as RFC 5321, section 4.4 asks of the last server; Delivered-To as other servers do, for whoever
 * looks for loops. */
static size_t write_head(const struct delivery *d, char *out)
{
    int len = snprintf(out, READ_SIZE, "Return-Path: <%s>\nDelivered-To: %s\n", d->sender, d->recipient);
    return len > 0 && len < READ_SIZE ? (size_t)len : 0;
}

enum { BODY_UNREADABLE = -1 };

/* Files have LF line ends, as Dovecot and Exim write them. A small message goes to the disk in one call. 0,
 * errno, or BODY_UNREADABLE. */
static int write_file(struct batch *b, struct entry *e)
{
    struct crlf_folder folder = {0};
    size_t n = write_head(e->item->delivery, b->out);
    ssize_t got;
    int r = 0;
    while (r == 0 && (got = spool_body_read(b->body, b->in, READ_SIZE)) != 0) {
        if (got < 0)
            return BODY_UNREADABLE;
        if (n + (size_t)got + 1 > WRITE_SIZE) {
            r = -file_write_all(e->fd, b->out, n);
            n = 0;
        }
        n += crlf_fold(&folder, b->in, (size_t)got, b->out + n);
    }
    if (r == 0)
        r = -file_write_all(e->fd, b->out, n);
    if (r == 0 && crlf_fold_end(&folder, b->out) > 0)
        r = -file_write_all(e->fd, b->out, 1);
    return r;
}

static void write_entry(struct batch *b, struct entry *e)
{
    char at[PLACE_MAX];
    if (!open_body(b, e))
        return;
    /* A file of that name in tmp/ is what a crash left of an earlier attempt. */
    e->fd = openat(e->folder->fd, place(at, "tmp", e->name),
                   O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
    int error = e->fd < 0 ? errno : write_file(b, e);
    e->written = error == 0;
    if (error != 0)
        fail(e, error == BODY_UNREADABLE ? EIO : error);
    if (error == BODY_UNREADABLE)
        fail_body(e, "it ended early");
    /* Starts writing, so that the blocks of all files get their place before the first fsync, whose commit of
       the file system's journal then serves all of them: three times as fast as without. */
    if (e->written)
        sync_file_range(e->fd, 0, 0, SYNC_FILE_RANGE_WRITE);
}

static void write_all(struct batch *b)
{
    b->in = xmalloc(READ_SIZE);
    b->out = xmalloc(WRITE_SIZE);
    for (size_t i = 0; i < b->n; i++) {
        struct entry *e = &b->entries[i];
        if (!failed(e) && !e->there)
            write_entry(b, e);
    }
    spool_body_close(&b->body);
    free(b->in);
    free(b->out);
    for (size_t i = 0; i < b->n; i++) {
        struct entry *e = &b->entries[i];
        if (!e->written)
            continue;
        if (fsync(e->fd) != 0)
            fail(e, errno);
        fd_close(&e->fd);
    }
}

/* ---- publishing ---- */

/* 0, EEXIST when the name is taken, or another errno. */
static int rename_to_new(struct entry *e)
{
    char from[PLACE_MAX], to[PLACE_MAX];
    int fd = e->folder->fd;
    place(from, "tmp", e->name);
    place(to, "new", e->name);
    if (renameat2(fd, from, fd, to, RENAME_NOREPLACE) == 0)
        return 0;
    if (errno != EINVAL && errno != ENOSYS)
        return errno;
    if (linkat(fd, from, fd, to, 0) != 0) /* file systems that cannot rename without overwriting */
        return errno;
    unlinkat(fd, from, 0);
    return 0;
}

static void publish(struct batch *b)
{
    char at[PLACE_MAX];
    for (size_t i = 0; i < b->n; i++) {
        struct entry *e = &b->entries[i];
        if (!e->written)
            continue;
        int error = rename_to_new(e);
        if (error == EEXIST) /* delivered before a crash or a failed sync: the name tells the same message */
            unlinkat(e->folder->fd, place(at, "tmp", e->name), 0);
        else if (error != 0)
            fail(e, error);
        if (!failed(e))
            e->there = e->folder->new_dirty = true;
    }
}

static int sync_sub(int folder_fd, const char *sub)
{
    int fd = openat(folder_fd, sub, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int error = fd < 0 || fsync(fd) != 0 ? errno : 0;
    fd_close(&fd);
    return error;
}

static void sync_folders(struct batch *b)
{
    for (size_t i = 0; i < b->folder_count; i++) {
        struct folder *f = &b->folders[i];
        if (f->new_dirty)
            f->error = sync_sub(f->fd, "new");
        if (f->cur_dirty && f->error == 0)
            f->error = sync_sub(f->fd, "cur");
    }
    for (size_t i = 0; i < b->n; i++) {
        struct entry *e = &b->entries[i];
        if (!e->there || failed(e))
            continue;
        if (e->folder->error != 0)
            fail(e, e->folder->error);
        else
            e->item->outcome->verdict = VERDICT_DELIVERED;
    }
}

void maildir_deliver(struct spool *spool, const char *hostname, struct maildir_item *items, size_t n)
{
    struct batch b = {.spool = spool, .hostname = hostname, .n = n};
    b.folders = xcalloc(n, sizeof *b.folders);
    b.entries = xcalloc(n, sizeof *b.entries);
    for (size_t i = 0; i < n; i++) {
        struct entry *e = &b.entries[i];
        *e = (struct entry){.item = &items[i], .folder = folder_of(&b, items[i].folder), .fd = -1};
        maildir_name(items[i].delivery, hostname, e->name);
        e->folder->look = e->folder->look || items[i].look;
        if (e->folder->fd < 0)
            fail(e, e->folder->error);
    }
    look_for_earlier(&b);
    write_all(&b);
    publish(&b);
    sync_folders(&b);
    for (size_t i = 0; i < b.folder_count; i++)
        fd_close(&b.folders[i].fd);
    free(b.folders);
    free(b.entries);
}
