/* SPDX-License-Identifier: MIT */
/* One message over a client connection: envelope, data, and what became of each recipient (RFC 5321,
 * section 3.3; RFC 2033). */
#ifndef GP_COURIER_TRANSACTION_H
#define GP_COURIER_TRANSACTION_H

#include "courier/client.h"
#include "spool/spool.h"

struct message {
    const char *sender; /* "" for the null sender */
    uint64_t size;
    bool eight_bit;
    struct spool_body *body; /* at its beginning */
};

struct addressee {
    const char *address;
    struct outcome *outcome; /* verdict NONE before */
};

enum { TRANSACTION_RECIPIENTS_MAX = 100 }; /* RFC 5321, section 4.5.3.1.8: what every server takes */

/*
 * Sends it to n recipients (1 to TRANSACTION_RECIPIENTS_MAX). True: each outcome is set (or NONE, if it was
 * cancelled). False: nothing was said yet, a connection that had been idle was gone; the body is at its
 * beginning: try on a new one. After it client->broken tells whether the connection can be used again.
 */
bool transaction_run(struct client *client, const struct message *message, struct addressee *to, size_t n);

#endif
