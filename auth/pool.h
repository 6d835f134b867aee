/* SPDX-License-Identifier: MIT */
/*
 * The verifiers: threads that check passwords, so that no loop ever waits for a hash. Their queue is bounded,
 * and fair by network: each network has a lane, lanes take turns, and lanes of logins that were good lately
 * come before the others (but never all the time). The pool knows nothing of stores: what a check is, its
 * maker says.
 */
#ifndef GP_AUTH_POOL_H
#define GP_AUTH_POOL_H

#include "auth/auth.h"

struct pool;

/*
 * One check, on a verifier's thread. account is cut to "" when it is too long to be one; password is NULL
 * when its bytes can be nobody's. Fills the verdict and what belongs to it; *answer_r is zeroed before.
 */
typedef void pool_check(void *ctx, struct span account, const char *password, struct auth_answer *answer_r);

/* threads > 0. NULL with a text in *error when not a single thread could be started. */
struct pool *pool_make(unsigned threads, pool_check *check, void *ctx, struct buf *error);
/* Waits for the checks under way, drops those that wait. Their done is not called. */
void pool_close(struct pool **pool);

struct pool_order {
    struct loop *loop;
    const struct addr *from;
    struct span account, password; /* copied */
    void (*done)(void *arg, const struct auth_answer *answer);
    void *arg;
};
/*
 * Queues a check; limit is how many may wait in all: a quarter of it for one network, three quarters for
 * those without a good login lately. NULL when there is no room.
 */
struct auth_ticket *pool_submit(struct pool *pool, const struct pool_order *order, uint64_t limit);

/* Fills queued, waiting and busy. */
void pool_stats(struct pool *pool, struct auth_stats *out_r);

#endif
