/* SPDX-License-Identifier: MIT */
/* A connection's TLS: the handshake, and what can be said of it. */
#include <stdlib.h>

#include "net/conn_impl.h"

void conn_start_tls(struct conn *c, struct tls_policy *policy)
{
    c->policy = tls_policy_hold(policy);
    c->state = CONN_TO_TLS;
    if (!c->in_callback)
        conn_post(c);
}

void conn_handshake(struct conn *c)
{
    enum stream_step step = stream_handshake(&c->stream);
    if (step == STREAM_OK) {
        free(c->offer);
        c->offer = NULL;
        c->encrypted = true;
        c->state = CONN_OPEN;
        c->in_callback = true;
        c->events->tls_ready(c->arg);
        c->in_callback = false;
        conn_go_on(c);
        return;
    }
    if (step == STREAM_BLOCKED)
        return;
    tls_explain(&c->failure);
    c->failure.offer = c->offer;
    conn_finish(c, CONN_TLS_FAILED);
}

void conn_begin_handshake(struct conn *c)
{
    buf_cleanse(&c->unused);
    c->stream.ssl = tls_server(c->policy, c->stream.fd, &c->offer);
    tls_policy_release(&c->policy);
    if (c->stream.ssl == NULL) {
        c->failure = (struct tls_failure){CAUSE_TLS_OTHER, "out of memory", NULL};
        conn_finish(c, CONN_TLS_FAILED);
        return;
    }
    c->state = CONN_HANDSHAKE;
    conn_handshake(c);
}

bool conn_is_tls(const struct conn *c)
{
    return c->encrypted;
}

const char *conn_tls_text(const struct conn *c, char out[TLS_TEXT_MAX])
{
    out[0] = '\0';
    if (conn_is_tls(c)) {
        SSL *ssl = c->stream.ssl;
        const char *version = SSL_get_version(ssl); /* "TLSv1.3": Exim writes it without the v */
        snprintf(out, TLS_TEXT_MAX, "TLS%s:%s:%d", version + (strncmp(version, "TLSv", 4) == 0 ? 4 : 0),
                 SSL_get_cipher_name(ssl), SSL_get_cipher_bits(ssl, NULL));
    }
    return out;
}

const struct tls_failure *conn_tls_failure(struct conn *c)
{
    if (c->failure.cause == CAUSE_NONE)
        c->failure = (struct tls_failure){CAUSE_TLS_TIMEOUT, "timed out", c->offer};
    return &c->failure;
}
