/* SPDX-License-Identifier: MIT */
/*
 * What the files of this room share: the guard itself, and a try as it looks it up. All functions here are
 * called with the guard's lock held. Moments are seconds that only go forward (guard.h), never 0.
 */
#ifndef GP_GUARD_INSIDE_H
#define GP_GUARD_INSIDE_H

#include <pthread.h>

#include "guard/allow.h"
#include "guard/blocks.h"
#include "guard/changes.h"
#include "guard/counts.h"
#include "guard/crowds.h"
#include "guard/desks.h"
#include "guard/echoes.h"
#include "guard/grants.h"
#include "guard/memory.h"
#include "guard/past.h"

struct net_list {
    struct key_net *nets;
    size_t n;
};

struct guard {
    pthread_mutex_t lock; /* guards all below */
    uint8_t key[GUARD_KEY_SIZE];
    struct guard_rules rules; /* without their lists */
    uint64_t start_ms;
    uint32_t now;
    int64_t wall_offset; /* wall seconds less moments */
    uint64_t random;
    struct counts *counts;
    struct blocks *blocks;
    struct past *past;
    struct crowds *attacked; /* accounts, with the places that failed on them */
    struct crowds *sprayed;  /* passwords, with the accounts that they failed on */
    struct memory *memory;
    struct grants *grants;
    struct allow *allow;
    struct desks *desks;
    struct echoes *echoes;
    struct changes *changes;
    struct net_list never_listed, own;
    bool never_has_own;
    struct netset never, own_set;
    uint32_t tickets, waiting; /* those that wait are among the tickets */
    uint64_t blocks_made, blocks_displaced;
};

/* ---- time (guard.c) ---- */
/* Takes the lock, lets time pass. */
void guard_enter(struct guard *g, uint64_t now_ms);
void guard_leave(struct guard *g);
/* The moment that lies so many seconds back: what came after it is not that old yet. */
uint32_t moment_before(const struct guard *g, uint32_t seconds);
int64_t wall_of(const struct guard *g, uint32_t moment);
/* At most now; at least 1. */
uint32_t moment_of(const struct guard *g, int64_t wall_s);
uint64_t guard_random(struct guard *g, uint64_t below);

/* ---- a try, looked up (visit.c) ---- */
enum standing { STANDING_ORDINARY, STANDING_ALLOWED, STANDING_NEVER };

struct visit {
    enum standing standing;
    bool has_address; /* else it is nobody to block: STANDING_NEVER */
    struct key exact;
    struct place place;       /* for one that is allowed, itself alone */
    uint64_t home;            /* print of the ordinary place, for what is remembered of accounts */
    uint64_t account;         /* print */
    struct password password; /* print and pwhash of what was tried */
    char account_text[GUARD_ACCOUNT_MAX], helo[GUARD_HELO_MAX];
};
/* A network taken for one place. */
struct place place_of(const struct guard *g, const struct key_net *net);
void visit_address(struct guard *g, struct visit *v, const struct addr *from);
void visit_make(struct guard *g, struct visit *v, const struct guard_try *attempt);
/* Lists may have changed since. */
void visit_again(struct guard *g, struct visit *v);

/* Is this account at home there? */
bool visit_is_known(struct guard *g, const struct visit *v);
/* Was the tried password right before, so that a failure with it is not to be counted? */
struct spare {
    bool spared, surely; /* surely: without the doubt that 12 bits leave */
    bool last;           /* it is the one that was right last */
    uint32_t replaced;   /* when the next one was first seen; 0: unknown */
};
struct spare visit_spare(struct guard *g, const struct visit *v);

/* ---- rules (verdict.c) ---- */
/* How many logins may be under way at each of its desks; 0 at DESK_ADDRESS: none, too many failed lately. */
void verdict_room(struct guard *g, const struct visit *v, uint32_t room_r[DESK_KINDS]);
/* Does it come in a crowd, so that it is a guess without looking at it? Why, or CAUSE_NONE. */
enum cause_id verdict_crowd(struct guard *g, const struct visit *v);
/* A failure was counted: blocks what it is time to block. */
void verdict_failure(struct guard *g, const struct visit *v);
/* The failures of this account there led to the refusal of the pair: they count for the address only. */
void verdict_use_up(struct guard *g, const struct place *place, uint64_t account);
/* Blocks the address of a guess that comes in a crowd. */
void verdict_bar_crowd(struct guard *g, const struct visit *v, enum cause_id cause);

/* ---- blocks (barrier.c) ---- */
struct block_order {
    struct key_net net;
    uint64_t account; /* of a pair, or 0 */
    enum cause_id cause;
    uint32_t failures;
    uint32_t seconds; /* 0: by the rules */
    bool by_hand;
    const char *account_text, *helo, *reason;
};
/* Blocks it, or adds to the block that is there. */
void barrier_raise(struct guard *g, const struct block_order *order);
void barrier_lower(struct guard *g, struct block *block, enum guard_end why);
/* Ends at most max that are over. */
void barrier_expire(struct guard *g, uint32_t max);
/* Ends all that lie within what is allowed, or never looked at. */
void barrier_lift_listed(struct guard *g);
/* The block of its address, or of its account there, or NULL. Valid until blocks change. */
struct block *barrier_of(const struct guard *g, const struct visit *v);
void barrier_show(const struct guard *g, const struct block *block, struct guard_block *out_r);
/* A print of what is blocked, for its past. */
uint64_t barrier_name(const struct guard *g, const struct key_net *net, uint64_t account);

/* ---- what an outcome means (outcome.c) ---- */
void outcome_apply(struct guard *g, struct visit *v, enum guard_outcome outcome,
                   const struct guard_facts *facts, enum echo_side side, struct guard_result *result_r);
/* The wait until a failure from there is answered. */
uint64_t outcome_delay_ms(struct guard *g, const struct visit *v);

/* ---- small ---- */
void text_cut(char *out, size_t size, struct span text); /* what is cut ends with "..." */
void notice_block(struct guard *g, enum guard_change_kind kind, const struct block *block,
                  enum guard_end why);

#endif
