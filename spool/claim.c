/* SPDX-License-Identifier: MIT */
/* The set of claims, and the wait for what is due. */
#include "spool/claim.h"

#include <stdlib.h>
#include <time.h>

enum { FIRST_SIZE = 256 };

void claims_init(struct claims *claims)
{
    *claims = (struct claims){
        .size = FIRST_SIZE, .parked_next = INT64_MAX, .maybe_due = true, .next_due = INT64_MAX};
    claims->places = xcalloc(claims->size, sizeof *claims->places);
    pthread_mutex_init(&claims->lock, NULL);
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&claims->wake, &attr);
    pthread_condattr_destroy(&attr);
}

void claims_free(struct claims *claims)
{
    free(claims->places);
    pthread_cond_destroy(&claims->wake);
    pthread_mutex_destroy(&claims->lock);
}

/* ---- the set: all of it under the lock ---- */

static size_t home(const struct claims *claims, int64_t key)
{
    uint64_t mixed = (uint64_t)key * 0x9E3779B97F4A7C15ULL; /* keys follow each other: spread them (Knuth) */
    return (size_t)(mixed >> 32) & (claims->size - 1);
}

/* The place of the key, or the empty one where it belongs. */
static struct claim *find(const struct claims *claims, int64_t key)
{
    size_t i = home(claims, key);
    while (claims->places[i].key != 0 && claims->places[i].key != key)
        i = (i + 1) & (claims->size - 1);
    return &claims->places[i];
}

static void resize(struct claims *claims, size_t size)
{
    struct claim *old = claims->places;
    size_t n = claims->size;
    claims->places = xcalloc(size, sizeof *claims->places);
    claims->size = size;
    for (size_t i = 0; i < n; i++)
        if (old[i].key != 0)
            *find(claims, old[i].key) = old[i];
    free(old);
}

static void add(struct claims *claims, int64_t key, int64_t until)
{
    if ((claims->used + 1) * 2 > claims->size)
        resize(claims, claims->size * 2);
    *find(claims, key) = (struct claim){key, until};
    claims->used++;
}

/* Takes the place out and moves up those behind it that would no longer be found. */
static void drop(struct claims *claims, struct claim *place)
{
    size_t mask = claims->size - 1;
    size_t hole = (size_t)(place - claims->places);
    for (size_t i = (hole + 1) & mask; claims->places[i].key != 0; i = (i + 1) & mask) {
        size_t from_home = (i - home(claims, claims->places[i].key)) & mask;
        if (from_home >= ((i - hole) & mask)) {
            claims->places[hole] = claims->places[i];
            hole = i;
        }
    }
    claims->places[hole] = (struct claim){0};
    claims->used--;
}

/* Drops the ended ones and those parked until now; finds when the next of the others is due. */
static void sweep(struct claims *claims, int64_t now)
{
    claims->parked_next = INT64_MAX;
    for (size_t i = 0; i < claims->size;) {
        struct claim *place = &claims->places[i];
        if (place->key != 0 && place->until <= now) {
            drop(claims, place); /* another may have moved in: look again */
            continue;
        }
        if (place->key != 0 && place->until < claims->parked_next)
            claims->parked_next = place->until;
        i++;
    }
    claims->ended = 0;
    if (claims->size > FIRST_SIZE && claims->used * 8 < claims->size)
        resize(claims, claims->size / 2);
}

/* ---- scans ---- */

bool claims_scan_begin(struct claims *claims, int64_t now)
{
    pthread_mutex_lock(&claims->lock);
    bool go = !claims->blocked;
    if (go) {
        /* What is committed from here on sets these again; what was before, the scan sees. */
        claims->scanning = true;
        claims->maybe_due = false;
        claims->next_due = INT64_MAX;
        if (claims->parked_next <= now)
            sweep(claims, now);
    }
    pthread_mutex_unlock(&claims->lock);
    return go;
}

bool claims_taken(struct claims *claims, int64_t key)
{
    pthread_mutex_lock(&claims->lock);
    bool taken = find(claims, key)->key != 0;
    pthread_mutex_unlock(&claims->lock);
    return taken;
}

bool claims_take(struct claims *claims, int64_t key)
{
    pthread_mutex_lock(&claims->lock);
    bool is_free = find(claims, key)->key == 0;
    if (is_free) {
        add(claims, key, CLAIM_HELD);
        claims->held++;
    }
    pthread_mutex_unlock(&claims->lock);
    return is_free;
}

void claims_scan_end(struct claims *claims, bool more, int64_t next_due)
{
    pthread_mutex_lock(&claims->lock);
    claims->scanning = false;
    if (claims->ended > 0)
        sweep(claims, INT64_MIN);
    if (more)
        claims->maybe_due = true;
    if (next_due < claims->next_due)
        claims->next_due = next_due;
    pthread_cond_broadcast(&claims->wake);
    pthread_mutex_unlock(&claims->lock);
}

/* ---- claims ---- */

bool claims_has(struct claims *claims, int64_t key)
{
    pthread_mutex_lock(&claims->lock);
    const struct claim *place = find(claims, key);
    bool held = place->key != 0 && place->until == CLAIM_HELD;
    pthread_mutex_unlock(&claims->lock);
    return held;
}

void claims_end(struct claims *claims, int64_t key, int64_t now, int64_t parked_until)
{
    pthread_mutex_lock(&claims->lock);
    struct claim *place = find(claims, key);
    if (place->key != 0 && place->until == CLAIM_HELD) {
        claims->held--;
        if (parked_until > now) {
            place->until = parked_until;
            if (parked_until < claims->parked_next)
                claims->parked_next = parked_until;
            pthread_cond_broadcast(&claims->wake); /* those who wait take the new time into account */
        } else if (claims->scanning) {
            place->until = CLAIM_ENDED;
            claims->ended++;
        } else {
            drop(claims, place);
        }
    }
    pthread_mutex_unlock(&claims->lock);
}

void claims_unpark(struct claims *claims)
{
    pthread_mutex_lock(&claims->lock);
    for (size_t i = 0; i < claims->size; i++) {
        struct claim *place = &claims->places[i];
        if (place->key != 0 && place->until != CLAIM_HELD)
            place->until = CLAIM_ENDED;
    }
    claims->ended++;
    claims->parked_next = INT64_MAX;
    if (!claims->scanning)
        sweep(claims, INT64_MIN);
    claims->maybe_due = true;
    pthread_cond_broadcast(&claims->wake);
    pthread_mutex_unlock(&claims->lock);
}

void claims_block(struct claims *claims, bool blocked)
{
    pthread_mutex_lock(&claims->lock);
    if (claims->blocked && !blocked) {
        claims->maybe_due = true;
        pthread_cond_broadcast(&claims->wake);
    }
    claims->blocked = blocked;
    pthread_mutex_unlock(&claims->lock);
}

/* ---- waiting ---- */

void claims_due(struct claims *claims, int64_t at)
{
    pthread_mutex_lock(&claims->lock);
    if (at == 0 ? !claims->maybe_due : at < claims->next_due) {
        if (at == 0)
            claims->maybe_due = true;
        else
            claims->next_due = at;
        pthread_cond_broadcast(&claims->wake);
    }
    pthread_mutex_unlock(&claims->lock);
}

void claims_poke(struct claims *claims)
{
    pthread_mutex_lock(&claims->lock);
    claims->pokes++;
    pthread_cond_broadcast(&claims->wake);
    pthread_mutex_unlock(&claims->lock);
}

static struct timespec mono_in(uint64_t ms)
{
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    uint64_t ns = (uint64_t)at.tv_nsec + ms % 1000 * 1000000;
    at.tv_sec += (time_t)(ms / 1000 + ns / 1000000000);
    at.tv_nsec = (long)(ns % 1000000000);
    return at;
}

/* Milliseconds until something is due as far as is known, at most max. */
static uint64_t due_in(const struct claims *claims, uint64_t max)
{
    int64_t next = claims->next_due < claims->parked_next ? claims->next_due : claims->parked_next;
    int64_t now =
        clock_wall(); /* the clock by which the courier claims: a little behind that of milliseconds */
    if (claims->blocked)
        return max;
    if (claims->maybe_due || next <= now)
        return 0;
    if (next - now > (int64_t)(max / 1000) + 1)
        return max;
    int64_t ms = next * 1000 - clock_wall_ms();
    if (ms < 1)
        return 1;
    return (uint64_t)ms < max ? (uint64_t)ms : max;
}

void claims_wait(struct claims *claims, uint64_t timeout_ms)
{
    uint64_t end = clock_mono_ms() + timeout_ms;
    pthread_mutex_lock(&claims->lock);
    uint64_t seen = claims->pokes_seen; /* of two who wait, a poke ends both waits */
    for (;;) {
        uint64_t now = clock_mono_ms();
        uint64_t wait = now < end && claims->pokes == seen ? due_in(claims, end - now) : 0;
        if (wait == 0)
            break;
        struct timespec at = mono_in(wait);
        pthread_cond_timedwait(&claims->wake, &claims->lock, &at);
    }
    claims->pokes_seen = claims->pokes;
    pthread_mutex_unlock(&claims->lock);
}
