/* SPDX-License-Identifier: MIT */
/*
 * Failed logins by address. All of them lie in one ring, oldest first: what is older than the window, or
 * finds no space, goes at the old end, and an address is known for as long as one of its failures lies there.
 * So time and flood are bounded by the same step, and the numbers of an address are exact at any time.
 */
#ifndef GP_GUARD_COUNTS_H
#define GP_GUARD_COUNTS_H

#include "guard/key.h"

enum failure_kind { FAILURE_COUNTED, FAILURE_SPARED, FAILURE_KINDS };
enum { FAILURE_NO_PASSWORD = 0xffff };

struct failure {
    uint32_t at;
    uint32_t address;  /* index + 1; 0: used up by a block, or cleared */
    uint32_t before;   /* of the same address and kind: index + 1 */
    uint32_t account;  /* part of its print */
    uint16_t password; /* pwhash, or FAILURE_NO_PASSWORD */
    uint8_t kind;
    bool unknown : 1; /* no such account */
    bool used : 1;    /* led to the refusal of a pair: counts for its address only */
};

struct counts;
/* print_key: that of the prints in places. */
struct counts *counts_make(uint32_t addresses, uint32_t failures, const uint8_t print_key[16]);
void counts_free(struct counts **counts);

/* Forgets what came at or before that second. */
void counts_expire(struct counts *counts, uint32_t until);
/* failure: at (never before that of the last one), account, password, kind, unknown. */
void counts_add(struct counts *counts, const struct place *place, const struct failure *failure);
/* Takes all failures of an address out of its numbers. */
void counts_clear(struct counts *counts, const struct place *place);
void counts_clear_all(struct counts *counts);
void counts_clear_net(struct counts *counts, const struct key_net *net);
/* How many lie in the window. */
uint32_t counts_of(const struct counts *counts, const struct place *place, enum failure_kind kind);

/* The failures of an address, newest first: NULL at the end. */
struct counts_walk {
    struct counts *counts;
    uint32_t next, left;
};
struct counts_walk counts_walk(struct counts *counts, const struct place *place, enum failure_kind kind);
struct failure *counts_next(struct counts_walk *walk);

void counts_prefetch(const struct counts *counts, const struct place *place, enum key_look look);

struct counts_size {
    size_t bytes;
    uint32_t addresses, failures;
    uint64_t displaced; /* failures that went before their time */
};
struct counts_size counts_size(const struct counts *counts);

#endif
