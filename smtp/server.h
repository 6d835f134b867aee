/* SPDX-License-Identifier: MIT */
/* What the sessions of all loops share. Of this room only. */
#ifndef GP_SMTP_SERVER_H
#define GP_SMTP_SERVER_H

#include <pthread.h>
#include <stdatomic.h>

#include "smtp/session.h"

struct smtp {
    struct smtp_parts parts;
    struct smtp_loop *loops;
    size_t n, running;
    atomic_size_t ended; /* loops that accept and talk no more */
    struct census *census;
    bool draining;            /* of the thread that drains and stops */
    pthread_mutex_t tls_lock; /* guards the pointer below it */
    struct tls_policy *tls;
};

/* The policy for a handshake that begins now; the caller releases it. NULL: there is none. */
struct tls_policy *smtp_tls(struct smtp *smtp);

#endif
