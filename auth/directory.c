/* SPDX-License-Identifier: MIT */
/* The directory: a hash table with open addressing, exchanged or patched under a read-write lock. */
#include "auth/directory.h"

#include <pthread.h>
#include <stdlib.h>

#include "auth/fingerprint.h"

enum { FIRST_SLOTS = 64 };

struct account {
    uint64_t key; /* fingerprint of the address */
    uint64_t version;
    bool disabled;
    char address[];
};

struct directory_table {
    uint64_t seed;
    size_t n, slots; /* slots: a power of two, at most 3/4 full */
    struct account **slot;
};

struct directory {
    uint64_t seed;
    pthread_rwlock_t lock;
    struct directory_table *table; /* guarded by lock */
};

static struct directory_table *table_make(uint64_t seed)
{
    struct directory_table *t = xcalloc(1, sizeof *t);
    t->seed = seed;
    t->slots = FIRST_SLOTS;
    t->slot = xcalloc(t->slots, sizeof(struct account *));
    return t;
}

void directory_table_free(struct directory_table **table)
{
    struct directory_table *t = *table;
    if (t == NULL)
        return;
    *table = NULL;
    for (size_t i = 0; i < t->slots; i++)
        free(t->slot[i]);
    free(t->slot);
    free(t);
}

/* Where the address is, or the free slot where it belongs. */
static size_t place_of(const struct directory_table *t, uint64_t key, struct span address)
{
    size_t i = key & (t->slots - 1);
    while (t->slot[i] != NULL && !(t->slot[i]->key == key && span_equal_nocase(address, t->slot[i]->address)))
        i = (i + 1) & (t->slots - 1);
    return i;
}

static void grow(struct directory_table *t)
{
    struct account **old = t->slot;
    size_t n = t->slots;
    t->slots = n * 2;
    t->slot = xcalloc(t->slots, sizeof(struct account *));
    for (size_t i = 0; i < n; i++) {
        if (old[i] != NULL)
            t->slot[place_of(t, old[i]->key, span_of(old[i]->address))] = old[i];
    }
    free(old);
}

void directory_table_put(struct directory_table *t, const struct directory_entry *entry)
{
    struct span address = span_of(entry->address);
    struct account *a = xmalloc(sizeof *a + address.n + 1);
    a->key = fingerprint_nocase(t->seed, address);
    a->version = entry->version;
    a->disabled = entry->disabled;
    memcpy(a->address, address.p, address.n + 1);
    size_t i = place_of(t, a->key, address);
    if (t->slot[i] == NULL)
        t->n++;
    free(t->slot[i]);
    t->slot[i] = a;
    if (t->n > t->slots / 4 * 3)
        grow(t);
}

static void table_remove(struct directory_table *t, struct span address)
{
    size_t mask = t->slots - 1;
    size_t hole = place_of(t, fingerprint_nocase(t->seed, address), address);
    if (t->slot[hole] == NULL)
        return;
    free(t->slot[hole]);
    t->slot[hole] = NULL;
    t->n--;
    /* Whatever follows without a gap and would now not be found from its home slot moves into the hole. */
    for (size_t i = (hole + 1) & mask; t->slot[i] != NULL; i = (i + 1) & mask) {
        size_t home = t->slot[i]->key & mask;
        if (((i - home) & mask) < ((i - hole) & mask))
            continue;
        t->slot[hole] = t->slot[i];
        t->slot[i] = NULL;
        hole = i;
    }
}

struct directory *directory_make(void)
{
    struct directory *dir = xcalloc(1, sizeof *dir);
    random_bytes(&dir->seed, sizeof dir->seed);
    pthread_rwlock_init(&dir->lock, NULL);
    dir->table = table_make(dir->seed);
    return dir;
}

void directory_free(struct directory **dir)
{
    struct directory *d = *dir;
    if (d == NULL)
        return;
    *dir = NULL;
    directory_table_free(&d->table);
    pthread_rwlock_destroy(&d->lock);
    free(d);
}

uint64_t directory_version(const struct directory *dir, const char *hash)
{
    return fingerprint(dir->seed, hash, strlen(hash));
}

bool directory_find(struct directory *dir, struct span address, struct directory_entry *out_r)
{
    uint64_t key = fingerprint_nocase(dir->seed, address);
    pthread_rwlock_rdlock(&dir->lock);
    const struct account *a = dir->table->slot[place_of(dir->table, key, address)];
    if (a != NULL && out_r != NULL) {
        out_r->version = a->version;
        out_r->disabled = a->disabled;
        snprintf(out_r->address, sizeof out_r->address, "%s", a->address);
    }
    pthread_rwlock_unlock(&dir->lock);
    return a != NULL;
}

void directory_put(struct directory *dir, const struct directory_entry *entry)
{
    pthread_rwlock_wrlock(&dir->lock);
    directory_table_put(dir->table, entry);
    pthread_rwlock_unlock(&dir->lock);
}

void directory_remove(struct directory *dir, const char *address)
{
    pthread_rwlock_wrlock(&dir->lock);
    table_remove(dir->table, span_of(address));
    pthread_rwlock_unlock(&dir->lock);
}

struct directory_table *directory_table_make(const struct directory *dir)
{
    return table_make(dir->seed);
}

void directory_replace(struct directory *dir, struct directory_table **table)
{
    pthread_rwlock_wrlock(&dir->lock);
    struct directory_table *old = dir->table;
    dir->table = *table;
    pthread_rwlock_unlock(&dir->lock);
    *table = NULL;
    directory_table_free(&old);
}
