/* SPDX-License-Identifier: MIT */
/* What connections need of TLS; of this room only. */
#ifndef GP_NET_TLS_H
#define GP_NET_TLS_H

#include <openssl/ssl.h>

#include "net/net.h"

/* A server-side SSL on fd; its ClientHello will be read into *offer_r, which must live as long as the SSL.
 * NULL when out of memory. */
SSL *tls_server(struct tls_policy *policy, int fd, struct tls_offer **offer);
/* Fills reason and cause from OpenSSL's error queue (and empties it). */
void tls_explain(struct tls_failure *failure);

#endif
