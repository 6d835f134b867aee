/* SPDX-License-Identifier: MIT */
/*
 * courier: takes what is due out of the spool and delivers it: into Maildirs, over LMTP, or to a smarthost by
 * SMTP; puts off what cannot be delivered now, and tells the sender of what cannot be delivered at all.
 *
 * One thread claims and routes, others deliver; they may wait, the server's loops never wait for them. At
 * most courier.connections deliveries are under way, and at most courier.per_destination for one destination.
 * Settings are read again for each delivery.
 *
 * Delivery is at least once. A message is twice at its destination only when the connection broke between the
 * end of the message and the server's answer (RFC 1047), or when this process died then; into a Maildir
 * never, as names there come from queue id and recipient.
 */
#ifndef GP_COURIER_H
#define GP_COURIER_H

#include "journal/journal.h"
#include "settings/settings.h"
#include "spool/spool.h"

struct courier;

/*
 * Starts delivering. spool, journal and cell must live until courier_stop; hostname (this server's name, for
 * EHLO, Maildir names and bounces) is copied. NULL with a text in *error when the system gives no threads.
 */
struct courier *courier_start(struct spool *spool, struct journal *journal, struct settings_cell *cell,
                              const char *hostname, struct buf *error);
/*
 * Claims nothing more, lets deliveries under way end, but waits at most wait_ms for them; then they are
 * broken off. What was claimed and not delivered is due again. Frees the courier and nulls the pointer.
 * Blocks: not from a loop.
 */
void courier_stop(struct courier **courier, uint64_t wait_ms);

/*
 * The password for relay.user, copied; from the next connection on. Until it is called, the first line of
 * relay.password_file is read for each connection. For a process that may not read that file. Any thread.
 */
void courier_set_password(struct courier *courier, struct span password);

struct courier_stats {
    uint64_t delivered, deferred, failed, bounces; /* recipients since the start; bounces are messages */
    uint64_t waiting;                              /* recipients claimed, not yet under way */
    uint64_t under_way;                            /* jobs: a transaction, or a batch into Maildirs */
    uint64_t idle_connections;                     /* kept for the next message */
};
void courier_stats(struct courier *courier, struct courier_stats *out_r); /* any thread */

#endif
