/* SPDX-License-Identifier: MIT */
/* The password for the smarthost. */
#include <pthread.h>
#include <stdlib.h>

#include "courier/deliver.h"

enum { PASSWORD_MAX = 1024, FILE_MAX = 4096 };

struct relay_password {
    pthread_mutex_t lock; /* guards the rest */
    struct buf text;
    bool is_set;
};

struct relay_password *relay_password_make(void)
{
    struct relay_password *p = xcalloc(1, sizeof *p);
    pthread_mutex_init(&p->lock, NULL);
    buf_init(&p->text, PASSWORD_MAX);
    return p;
}

void relay_password_free(struct relay_password **password)
{
    struct relay_password *p = *password;
    if (p == NULL)
        return;
    *password = NULL;
    buf_cleanse(&p->text);
    pthread_mutex_destroy(&p->lock);
    free(p);
}

void relay_password_set(struct relay_password *password, struct span text)
{
    pthread_mutex_lock(&password->lock);
    buf_cleanse(&password->text);
    password->is_set = buf_add(&password->text, text.p, text.n);
    pthread_mutex_unlock(&password->lock);
}

static void read_first_line(const char *path, struct buf *out)
{
    struct buf file;
    if (path[0] == '\0' || file_read(path, FILE_MAX, &file) != 0)
        return;
    struct span rest = span_from(file.data, file.len);
    struct span line = span_take(&rest, '\n');
    if (line.n > 0 && line.p[line.n - 1] == '\r')
        line.n--;
    buf_add(out, line.p, line.n);
    buf_cleanse(&file);
}

void relay_password_get(struct relay_password *password, const char *path, struct buf *out)
{
    pthread_mutex_lock(&password->lock);
    bool is_set = password->is_set;
    if (is_set)
        buf_add(out, password->text.data, password->text.len);
    pthread_mutex_unlock(&password->lock);
    if (!is_set)
        read_first_line(path, out);
}
