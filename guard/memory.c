/* SPDX-License-Identifier: MIT */
/*
 * Accounts in a chained hash table, each with its passwords (latest first) and a list of its logins. A login
 * (account, place) also stands in two hash tables: by both, and by place alone, the latest first, so that
 * "who else was here" is answered by the first or second of them.
 */
#include "guard/memory.h"

#include <stdlib.h>

enum {
    LOGINS_MAX = 64, /* of an account */
    SAMPLE = 16,     /* as many are looked at to find an old one */
    NONE = 0,        /* of indexes, which are one more than those of arrays */
};

struct account {
    uint64_t name;
    struct passwords passwords;
    uint32_t next;   /* in its bucket, or free */
    uint32_t last;   /* good login */
    uint32_t logins; /* the first */
    uint32_t n_logins;
};

struct login {
    uint64_t place;
    uint32_t account;
    uint32_t last, told; /* when it was good, and when the store heard of it */
    uint32_t next;       /* in its bucket of pairs, or free */
    uint32_t next_of_account;
    uint32_t newer, older; /* in its bucket of places */
};

struct pool { /* of indexes */
    uint32_t max, fresh, freed, used, hand;
};

struct memory {
    struct account *accounts;
    struct login *logins;
    struct pool account_pool, login_pool;
    uint32_t *account_bucket, *pair_bucket, *place_bucket;
    uint32_t account_buckets, login_buckets; /* powers of two */
};

static uint32_t power_of_two(uint32_t at_least)
{
    uint32_t n = 1;
    while (n < at_least && n < 1U << 31)
        n *= 2;
    return n;
}

struct memory *memory_make(uint32_t accounts, uint32_t logins)
{
    struct memory *m = xcalloc(1, sizeof *m);
    m->account_pool.max = accounts;
    m->login_pool.max = logins;
    m->account_buckets = power_of_two(accounts);
    m->login_buckets = power_of_two(logins);
    m->accounts = xcalloc(accounts, sizeof *m->accounts);
    m->logins = xcalloc(logins, sizeof *m->logins);
    m->account_bucket = xcalloc(m->account_buckets, sizeof *m->account_bucket);
    m->pair_bucket = xcalloc(m->login_buckets, sizeof *m->pair_bucket);
    m->place_bucket = xcalloc(m->login_buckets, sizeof *m->place_bucket);
    return m;
}

void memory_free(struct memory **memory)
{
    struct memory *m = *memory;
    if (m == NULL)
        return;
    *memory = NULL;
    free(m->accounts);
    free(m->logins);
    free(m->account_bucket);
    free(m->pair_bucket);
    free(m->place_bucket);
    free(m);
}

static struct account *account_at(const struct memory *m, uint32_t i)
{
    return i != NONE ? &m->accounts[i - 1] : NULL;
}

static struct login *login_at(const struct memory *m, uint32_t i)
{
    return i != NONE ? &m->logins[i - 1] : NULL;
}

static uint32_t *account_bucket(const struct memory *m, uint64_t name)
{
    return &m->account_bucket[name & (m->account_buckets - 1)];
}

/* Both are keyed prints already: mixing them is enough. */
static uint32_t *pair_bucket(const struct memory *m, uint64_t account, uint64_t place)
{
    uint64_t mixed = (account ^ (place << 32 | place >> 32)) * UINT64_C(0x9e3779b97f4a7c15);
    return &m->pair_bucket[(mixed >> 32) & (m->login_buckets - 1)];
}

static uint32_t *place_bucket(const struct memory *m, uint64_t place)
{
    return &m->place_bucket[place & (m->login_buckets - 1)];
}

static uint32_t find_account(const struct memory *m, uint64_t name)
{
    uint32_t i = *account_bucket(m, name);
    while (i != NONE && m->accounts[i - 1].name != name)
        i = m->accounts[i - 1].next;
    return i;
}

static uint32_t find_login(const struct memory *m, uint32_t account, uint64_t place)
{
    uint32_t i = *pair_bucket(m, m->accounts[account - 1].name, place);
    while (i != NONE && (m->logins[i - 1].place != place || m->logins[i - 1].account != account))
        i = m->logins[i - 1].next;
    return i;
}

/* ---- logins ---- */

/* Into the list of its place, which the latest begin. */
static void link_place(struct memory *m, uint32_t self)
{
    struct login *l = login_at(m, self);
    uint32_t *first = place_bucket(m, l->place);
    uint32_t newer = NONE, older = *first;
    while (older != NONE && login_at(m, older)->last > l->last) { /* only where a store puts back old ones */
        newer = older;
        older = login_at(m, older)->older;
    }
    l->newer = newer;
    l->older = older;
    if (older != NONE)
        login_at(m, older)->newer = self;
    *(newer != NONE ? &login_at(m, newer)->older : first) = self;
}

static void unlink_place(struct memory *m, const struct login *l)
{
    if (l->older != NONE)
        login_at(m, l->older)->newer = l->newer;
    *(l->newer != NONE ? &login_at(m, l->newer)->older : place_bucket(m, l->place)) = l->older;
}

static void forget_login(struct memory *m, uint32_t self)
{
    struct login *l = login_at(m, self);
    struct account *owner = account_at(m, l->account);
    uint32_t *link = pair_bucket(m, owner->name, l->place);
    while (*link != self)
        link = &login_at(m, *link)->next;
    *link = l->next;
    for (link = &owner->logins; *link != self;)
        link = &login_at(m, *link)->next_of_account;
    *link = l->next_of_account;
    owner->n_logins--;
    unlink_place(m, l);
    l->next = m->login_pool.freed;
    m->login_pool.freed = self;
    m->login_pool.used--;
}

/* An unused index of the pool, or the next ones to choose the oldest from. */
static bool pool_is_full(const struct pool *p)
{
    return p->used == p->max;
}

static uint32_t pool_hand(struct pool *p)
{
    p->hand = p->hand % p->max + 1;
    return p->hand;
}

static uint32_t take_login(struct memory *m)
{
    struct pool *p = &m->login_pool;
    if (pool_is_full(p)) {
        uint32_t old = pool_hand(p);
        for (int i = 1; i < SAMPLE; i++) {
            uint32_t next = pool_hand(p);
            if (login_at(m, next)->last < login_at(m, old)->last)
                old = next;
        }
        forget_login(m, old);
    }
    uint32_t i = p->freed;
    if (i != NONE)
        p->freed = login_at(m, i)->next;
    else
        i = ++p->fresh;
    p->used++;
    return i;
}

static void forget_oldest_of(struct memory *m, const struct account *a)
{
    uint32_t old = a->logins;
    for (uint32_t i = old; i != NONE; i = login_at(m, i)->next_of_account)
        if (login_at(m, i)->last < login_at(m, old)->last)
            old = i;
    forget_login(m, old);
}

static struct login *add_login(struct memory *m, uint32_t account, uint64_t place, uint32_t last)
{
    struct account *a = account_at(m, account);
    if (a->n_logins == LOGINS_MAX)
        forget_oldest_of(m, a);
    uint32_t self = take_login(m);
    uint32_t *pair = pair_bucket(m, a->name, place);
    *login_at(m, self) = (struct login){
        .place = place, .account = account, .last = last, .next = *pair, .next_of_account = a->logins};
    *pair = self;
    a->logins = self;
    a->n_logins++;
    link_place(m, self);
    return login_at(m, self);
}

static struct login *mark_login(struct memory *m, uint32_t account, uint64_t place, uint32_t last)
{
    uint32_t self = find_login(m, account, place);
    if (self == NONE)
        return add_login(m, account, place, last);
    struct login *l = login_at(m, self);
    if (last > l->last) {
        unlink_place(m, l);
        l->last = last;
        link_place(m, self);
    }
    return l;
}

/* ---- accounts ---- */

static void forget_account(struct memory *m, uint32_t self)
{
    struct account *a = account_at(m, self);
    while (a->logins != NONE)
        forget_login(m, a->logins);
    uint32_t *link = account_bucket(m, a->name);
    while (*link != self)
        link = &account_at(m, *link)->next;
    *link = a->next;
    explicit_bzero(&a->passwords, sizeof a->passwords);
    a->next = m->account_pool.freed;
    m->account_pool.freed = self;
    m->account_pool.used--;
}

static uint32_t take_account(struct memory *m)
{
    struct pool *p = &m->account_pool;
    if (pool_is_full(p)) {
        uint32_t old = pool_hand(p);
        for (int i = 1; i < SAMPLE; i++) {
            uint32_t next = pool_hand(p);
            if (account_at(m, next)->last < account_at(m, old)->last)
                old = next;
        }
        forget_account(m, old);
    }
    uint32_t i = p->freed;
    if (i != NONE)
        p->freed = account_at(m, i)->next;
    else
        i = ++p->fresh;
    p->used++;
    return i;
}

/* The account, which was good at `last`. */
static uint32_t account_of(struct memory *m, uint64_t name, uint32_t last)
{
    uint32_t self = find_account(m, name);
    if (self == NONE) {
        self = take_account(m);
        uint32_t *bucket = account_bucket(m, name);
        *account_at(m, self) = (struct account){.name = name, .next = *bucket};
        *bucket = self;
    }
    struct account *a = account_at(m, self);
    a->last = last > a->last ? last : a->last;
    return self;
}

/* ---- what is learned ---- */

bool memory_login(struct memory *m, uint64_t account, uint64_t place, struct password *used, uint32_t now)
{
    uint32_t self = account_of(m, account, now);
    bool news = passwords_mark(&account_at(m, self)->passwords, used);
    struct login *l = mark_login(m, self, place, now);
    if (!news && l->told != 0 && now - l->told < MEMORY_STORE_EVERY)
        return false;
    l->told = now;
    return true;
}

void memory_put_place(struct memory *m, uint64_t account, uint64_t place, uint32_t last)
{
    struct login *l = mark_login(m, account_of(m, account, last), place, last);
    l->told = l->last;
}

void memory_put_password(struct memory *m, uint64_t account, const struct password *password)
{
    struct password seen = *password;
    passwords_mark(&account_at(m, account_of(m, account, seen.last))->passwords, &seen);
}

/* ---- questions ---- */

bool memory_knows(const struct memory *m, uint64_t account, uint64_t place, uint32_t after)
{
    uint32_t self = find_account(m, account);
    const struct login *l = self != NONE ? login_at(m, find_login(m, self, place)) : NULL;
    return l != NULL && l->last > after;
}

enum memory_who memory_who(const struct memory *m, uint64_t account, uint64_t place, uint32_t after)
{
    enum memory_who who = MEMORY_NOBODY;
    for (uint32_t i = *place_bucket(m, place); i != NONE; i = login_at(m, i)->older) {
        const struct login *l = login_at(m, i);
        if (l->last <= after)
            break;
        if (l->place != place)
            continue;
        if (account_at(m, l->account)->name != account)
            return MEMORY_OTHER;
        who = MEMORY_SAME;
    }
    return who;
}

void memory_prefetch(const struct memory *m, uint64_t account, uint64_t place, enum key_look look)
{
    const uint32_t *name = account_bucket(m, account), *at = place_bucket(m, place);
    if (look == LOOK_BUCKET) {
        __builtin_prefetch(name);
        __builtin_prefetch(at);
        return;
    }
    if (*name != NONE) {
        __builtin_prefetch(&account_at(m, *name)->name);
        __builtin_prefetch(&account_at(m, *name)->passwords.list[PASSWORDS_MAX - 1]);
    }
    if (*at != NONE)
        __builtin_prefetch(login_at(m, *at));
}

bool memory_password(const struct memory *m, uint64_t account, const struct password *tried, uint32_t now,
                     bool *surely_r, uint32_t *replaced_r)
{
    const struct account *a = account_at(m, find_account(m, account));
    return a != NULL && passwords_have(&a->passwords, tried, now, surely_r, replaced_r);
}

struct memory_size memory_size(const struct memory *m)
{
    return (struct memory_size){
        sizeof *m + m->account_pool.max * sizeof *m->accounts + m->login_pool.max * sizeof *m->logins +
            m->account_buckets * sizeof *m->account_bucket + 2 * m->login_buckets * sizeof *m->pair_bucket,
        m->account_pool.used, m->login_pool.used};
}
