/* SPDX-License-Identifier: MIT */
/*
 * The table of blocks: addresses, networks, and pairs of address and account. Found by network, by covered
 * address, and by which ends soonest. Decides nothing.
 */
#ifndef GP_GUARD_BLOCKS_H
#define GP_GUARD_BLOCKS_H

#include "guard/key.h"

/* Connections within a minute are counted in pieces of so many seconds. */
enum { BLOCK_HITS_PIECES = 6, BLOCK_HITS_SECONDS = 60 / BLOCK_HITS_PIECES };

struct block {
    struct key_net net;
    uint64_t account;      /* print, of a pair; else 0 */
    uint32_t since, until; /* until GUARD_FOREVER: no end */
    uint32_t failures, hits, times;
    uint32_t hits_at;                        /* the piece of time that the newest of hits_lately is */
    uint16_t hits_lately[BLOCK_HITS_PIECES]; /* connections by piece of time, in turn */
    uint16_t cause;                          /* enum cause_id */
    bool dropped : 1;
    bool part : 1;    /* counts towards the block of a wider network */
    bool present : 1; /* the table's, as what stands below reason */
    char account_text[GUARD_ACCOUNT_MAX], helo[GUARD_HELO_MAX];
    char *reason; /* or NULL; the table frees it */
    uint32_t next_part, place;
};

struct blocks;
/* print_key: that of the prints in places. */
struct blocks *blocks_make(uint32_t max, const uint8_t print_key[16]);
void blocks_free(struct blocks **blocks);

/*
 * Blocks stay until they are removed; whoever asks with a time does not see those that ended then or before.
 * The block of exactly this network (and account, if not 0), ended or not, or NULL.
 */
struct block *blocks_find(const struct blocks *blocks, const struct key_net *net, uint64_t account);
/*
 * The block of the smallest network with this address; if there is none, that of this account at this place.
 * account 0: pairs do not count. place: the address, or one that it is in.
 */
struct block *blocks_cover(const struct blocks *blocks, const struct key *address, const struct place *place,
                           uint64_t account, uint32_t now);
void blocks_prefetch(const struct blocks *blocks, const struct place *place, enum key_look look);
/* How many accounts are refused at exactly this network. */
uint32_t blocks_pairs(const struct blocks *blocks, const struct key_net *net, uint32_t now);
/* How many blocks that are parts of it does the wider network have. */
uint32_t blocks_parts(const struct blocks *blocks, const struct key_net *wide, uint32_t now);
/* The network that a block of this one is a part of: /56, /48 or /32 of IPv6. False: of none. */
bool blocks_wider(const struct key_net *net, struct key_net *wide_r);

/* Copies *block in; there must be none like it yet. NULL when the table is full. */
struct block *blocks_add(struct blocks *blocks, const struct block *block);
void blocks_remove(struct blocks *blocks, struct block *block);
/* After a change of until. */
void blocks_moved(struct blocks *blocks, struct block *block);
/* The one that ends soonest, or NULL. */
struct block *blocks_first(const struct blocks *blocks);

uint32_t blocks_count(const struct blocks *blocks);
/* All of them, *cursor 0 at first, NULL at the end; any may be removed meanwhile. */
struct block *blocks_next(const struct blocks *blocks, uint32_t *cursor);
size_t blocks_bytes(const struct blocks *blocks);

#endif
