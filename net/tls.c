/* SPDX-License-Identifier: MIT */
/* TLS policy, and what can be said of a handshake: what the client offered, why it failed. */
#include "net/tls.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdatomic.h>
#include <stdlib.h>

struct tls_policy {
    atomic_uint holders;
    SSL_CTX *ctx;
};

/* ---- what the client offered ---- */

/* Where an SSL keeps its offer and its count of idle records: OpenSSL hands out the slots, once a process. */
static int offer_slot = -1, count_slot = -1;
static CRYPTO_ONCE slots_once = CRYPTO_ONCE_STATIC_INIT;

static void make_slots(void)
{
    offer_slot = SSL_get_ex_new_index(0, NULL, NULL, NULL, NULL);
    count_slot = SSL_get_ex_new_index(0, NULL, NULL, NULL, NULL);
}

struct word_list {
    char *out;
    size_t size, len;
};

static void add_word(struct word_list *list, const char *word)
{
    static const char more[] = " ...";
    size_t n = strlen(word) + (list->len > 0 ? 1 : 0);
    if (list->len + n + sizeof more <= list->size)
        list->len += (size_t)snprintf(list->out + list->len, list->size - list->len, "%s%s",
                                      list->len > 0 ? " " : "", word);
    else if (list->len > 0 && list->out[list->len - 1] != '.' && list->len + sizeof more <= list->size)
        list->len += (size_t)snprintf(list->out + list->len, list->size - list->len, "%s", more);
}

struct version_name {
    unsigned number;
    const char *name;
};
static const struct version_name VERSIONS[] = {
    {0x0300, "SSLv3"}, {0x0301, "TLSv1.0"}, {0x0302, "TLSv1.1"}, {0x0303, "TLSv1.2"}, {0x0304, "TLSv1.3"},
};

/* Unknown numbers are GREASE (RFC 8701) or yet to come: not shown. */
static void add_version(struct word_list *list, unsigned number)
{
    for (size_t i = 0; i < COUNT_OF(VERSIONS); i++)
        if (VERSIONS[i].number == number)
            add_word(list, VERSIONS[i].name);
}

/* supported_versions (RFC 8446, section 4.2.1) lists them; without it the legacy version is the newest one.
 */
static void read_versions(SSL *ssl, struct tls_offer *offer)
{
    struct word_list list = {offer->versions, sizeof offer->versions, 0};
    const unsigned char *p = NULL;
    size_t n = 0;
    if (SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_supported_versions, &p, &n) && n >= 1) {
        size_t count = (p[0] < n - 1 ? p[0] : n - 1) / 2;
        for (size_t i = count; i > 0; i--) /* clients list the newest first */
            add_version(&list, (unsigned)p[2 * i - 1] << 8 | p[2 * i]);
        return;
    }
    add_version(&list, SSL_client_hello_get0_legacy_version(ssl));
}

static void read_ciphers(SSL *ssl, struct tls_offer *offer)
{
    struct word_list list = {offer->ciphers, sizeof offer->ciphers, 0};
    const unsigned char *p = NULL;
    size_t n = SSL_client_hello_get0_ciphers(ssl, &p);
    for (size_t i = 0; i + 1 < n; i += 2) {
        const SSL_CIPHER *cipher = SSL_CIPHER_find(ssl, p + i);
        char hex[8];
        snprintf(hex, sizeof hex, "0x%02X%02X", p[i], p[i + 1]);
        bool grease = p[i] == p[i + 1] && (p[i] & 0x0F) == 0x0A;                                /* RFC 8701 */
        bool signal = (p[i] == 0x00 && p[i + 1] == 0xFF) || (p[i] == 0x56 && p[i + 1] == 0x00); /* SCSVs */
        if (!grease && !signal)
            add_word(&list, cipher != NULL ? SSL_CIPHER_get_name(cipher) : hex);
    }
}

/* server_name (RFC 6066, section 3): list length, then type 0, length, name. */
static void read_server_name(SSL *ssl, struct tls_offer *offer)
{
    const unsigned char *p = NULL;
    size_t n = 0;
    if (!SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_server_name, &p, &n) || n < 5 || p[2] != 0)
        return;
    size_t len = (size_t)p[3] << 8 | p[4];
    if (len > n - 5 || len >= sizeof offer->server_name)
        return;
    for (size_t i = 0; i < len; i++)
        if (!ascii_is_alnum((char)p[5 + i]) && p[5 + i] != '.' && p[5 + i] != '-' && p[5 + i] != '_')
            return;
    memcpy(offer->server_name, p + 5, len);
    offer->server_name[len] = '\0';
}

static int on_client_hello(SSL *ssl, int *alert, void *arg)
{
    (void)alert;
    (void)arg;
    struct tls_offer **slot = SSL_get_ex_data(ssl, offer_slot);
    if (slot != NULL && *slot == NULL) {
        *slot = xcalloc(1, sizeof **slot);
        read_versions(ssl, *slot);
        read_ciphers(ssl, *slot);
        read_server_name(ssl, *slot);
    }
    return SSL_CLIENT_HELLO_SUCCESS;
}

/* ---- records that carry no data ---- */

/*
 * A handshake takes a handful, and a client that changes its keys (RFC 8446, section 4.6.3) does so after
 * gigabytes. OpenSSL answers each one within a single read for as long as they come, and the loop's other
 * connections would wait.
 */
enum { IDLE_RECORDS_MAX = 200 };

static void on_record(int written, int version, int type, const void *data, size_t n, SSL *ssl, void *arg)
{
    (void)version;
    (void)arg;
    const unsigned char *p = data; /* its first byte is a content type */
    bool head = type == SSL3_RT_HEADER || type == SSL3_RT_INNER_CONTENT_TYPE;
    if (written || !head || n == 0 || p[0] == SSL3_RT_APPLICATION_DATA)
        return;
    uintptr_t count = (uintptr_t)SSL_get_ex_data(ssl, count_slot) + 1;
    SSL_set_ex_data(ssl, count_slot, (void *)count);
    if (count == IDLE_RECORDS_MAX)
        shutdown(SSL_get_fd(ssl), SHUT_RDWR);
}

/* ---- policy ---- */

static const int MIN_VERSIONS[] = {TLS1_2_VERSION, TLS1_3_VERSION, TLS1_1_VERSION,
                                   TLS1_VERSION}; /* as tls.min_version's words */

static bool fail(struct buf *error, const char *setting, const char *what)
{
    unsigned long code = ERR_peek_last_error();
    const char *reason = code != 0 ? ERR_reason_error_string(code) : NULL;
    buf_printf(error, "%s: %s%s%s", setting, what, reason != NULL ? ": " : "", reason != NULL ? reason : "");
    ERR_clear_error();
    return false;
}

static int no_passphrase(char *out, int size, int writing, void *arg)
{
    (void)out, (void)size, (void)writing, (void)arg;
    return -1; /* a server that starts by itself cannot ask */
}

static bool use_certificate(SSL_CTX *ctx, struct span pem, struct buf *error)
{
    BIO *bio = BIO_new_mem_buf(pem.p, (int)pem.n);
    X509 *leaf = bio != NULL ? PEM_read_bio_X509_AUX(bio, NULL, no_passphrase, NULL) : NULL;
    bool ok = leaf != NULL && SSL_CTX_use_certificate(ctx, leaf) == 1;
    X509_free(leaf);
    X509 *next = NULL;
    while (ok && (next = PEM_read_bio_X509(bio, NULL, no_passphrase, NULL)) != NULL) {
        ok = SSL_CTX_add0_chain_cert(ctx, next) == 1;
        if (!ok)
            X509_free(next);
    }
    BIO_free(bio);
    if (ok && ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE)
        ERR_clear_error(); /* the end of the file */
    return (ok && ERR_peek_error() == 0) || fail(error, "tls.certificate", "no usable PEM certificate");
}

static bool use_key(SSL_CTX *ctx, struct span pem, struct buf *error)
{
    BIO *bio = BIO_new_mem_buf(pem.p, (int)pem.n);
    EVP_PKEY *key = bio != NULL ? PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL) : NULL;
    BIO_free(bio);
    if (key == NULL)
        return fail(error, "tls.key", "no usable PEM private key (without pass phrase)");
    bool ok = SSL_CTX_use_PrivateKey(ctx, key) == 1 && SSL_CTX_check_private_key(ctx) == 1;
    EVP_PKEY_free(key);
    return ok || fail(error, "tls.key", "does not belong to tls.certificate");
}

static bool use_versions(SSL_CTX *ctx, const struct settings *s, struct buf *error)
{
    int min = MIN_VERSIONS[s->tls_min_version % COUNT_OF(MIN_VERSIONS)];
    if (SSL_CTX_set_min_proto_version(ctx, min) != 1)
        return fail(error, "tls.min_version", "this OpenSSL cannot do it");
    const char *ciphers = s->tls_ciphers;
    struct buf list = BUF_INIT(8192);
    if (min < TLS1_2_VERSION) { /* OpenSSL 3 signs with SHA-1 only at security level 0 */
        buf_printf(&list, "%s:@SECLEVEL=0", ciphers[0] != '\0' ? ciphers : "DEFAULT");
        ciphers = buf_str(&list);
        buf_add_str(error, "tls.min_version: versions below 1.2 are unsafe; raise it to 1.2 as soon as the "
                           "last old device is gone");
    }
    bool ok = ciphers[0] == '\0' || SSL_CTX_set_cipher_list(ctx, ciphers) == 1;
    buf_free(&list);
    if (!ok)
        return fail(error, "tls.ciphers", "no cipher of it is known");
    if (s->tls_ciphersuites[0] != '\0' && SSL_CTX_set_ciphersuites(ctx, s->tls_ciphersuites) != 1)
        return fail(error, "tls.ciphersuites", "no cipher suite of it is known");
    return true;
}

struct tls_policy *tls_policy_make(const struct settings *settings, struct span certificate, struct span key,
                                   struct buf *error)
{
    CRYPTO_THREAD_run_once(&slots_once, make_slots);
    ERR_clear_error();
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
    if (ctx == NULL) {
        fail(error, "tls", "OpenSSL cannot start");
        return NULL;
    }
    SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                              SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_CIPHER_SERVER_PREFERENCE |
                                 SSL_OP_NO_COMPRESSION | SSL_OP_CLEANSE_PLAINTEXT);
    SSL_CTX_set_read_ahead(ctx, 1); /* header and content of a record in one system call */
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF); /* tickets need no memory here */
    SSL_CTX_set_num_tickets(ctx, 1); /* a mail program resumes at most one connection */
    SSL_CTX_set_client_hello_cb(ctx, on_client_hello, NULL);
    SSL_CTX_set_msg_callback(ctx, on_record);
    if (!use_versions(ctx, settings, error) || !use_certificate(ctx, certificate, error) ||
        !use_key(ctx, key, error)) {
        SSL_CTX_free(ctx);
        return NULL;
    }
    struct tls_policy *policy = xcalloc(1, sizeof *policy);
    atomic_init(&policy->holders, 1);
    policy->ctx = ctx;
    return policy;
}

struct tls_policy *tls_policy_hold(struct tls_policy *policy)
{
    if (policy != NULL)
        atomic_fetch_add(&policy->holders, 1);
    return policy;
}

void tls_policy_release(struct tls_policy **policy)
{
    struct tls_policy *p = *policy;
    *policy = NULL;
    if (p != NULL && atomic_fetch_sub(&p->holders, 1) == 1) {
        SSL_CTX_free(p->ctx);
        free(p);
    }
}

SSL *tls_server(struct tls_policy *policy, int fd, struct tls_offer **offer)
{
    SSL *ssl = SSL_new(policy->ctx);
    if (ssl == NULL || SSL_set_fd(ssl, fd) != 1 || SSL_set_ex_data(ssl, offer_slot, offer) != 1) {
        SSL_free(ssl);
        return NULL;
    }
    SSL_set_accept_state(ssl);
    return ssl;
}

/* ---- why it failed ---- */

struct reason_cause {
    int reason;
    enum cause_id cause;
};
static const struct reason_cause REASONS[] = {
    {SSL_R_UNSUPPORTED_PROTOCOL, CAUSE_TLS_TOO_OLD},
    {SSL_R_VERSION_TOO_LOW, CAUSE_TLS_TOO_OLD},
    {SSL_R_TLSV1_ALERT_PROTOCOL_VERSION, CAUSE_TLS_TOO_OLD},
    {SSL_R_NO_SHARED_CIPHER, CAUSE_TLS_NO_SHARED_CIPHER},
    {SSL_R_NO_SUITABLE_SIGNATURE_ALGORITHM, CAUSE_TLS_NO_SHARED_CIPHER},
    {SSL_R_NO_SUITABLE_KEY_SHARE, CAUSE_TLS_NO_SHARED_CIPHER},
    {SSL_R_SSLV3_ALERT_HANDSHAKE_FAILURE, CAUSE_TLS_NO_SHARED_CIPHER},
    {SSL_R_TLSV1_ALERT_UNKNOWN_CA, CAUSE_TLS_UNKNOWN_CA},
    {SSL_R_SSLV3_ALERT_BAD_CERTIFICATE, CAUSE_TLS_BAD_CERTIFICATE},
    {SSL_R_SSLV3_ALERT_CERTIFICATE_UNKNOWN, CAUSE_TLS_BAD_CERTIFICATE},
    {SSL_R_SSLV3_ALERT_CERTIFICATE_EXPIRED, CAUSE_TLS_CERTIFICATE_EXPIRED},
    {SSL_R_UNEXPECTED_EOF_WHILE_READING, CAUSE_TLS_GAVE_UP},
    {SSL_R_WRONG_VERSION_NUMBER, CAUSE_PLAIN_ON_TLS_PORT},
    {SSL_R_HTTP_REQUEST, CAUSE_HTTP_ON_MAIL_PORT},
};

void tls_explain(struct tls_failure *failure)
{
    unsigned long code = ERR_peek_last_error();
    const char *text = code != 0 ? ERR_reason_error_string(code) : NULL;
    failure->cause = code == 0 ? CAUSE_TLS_GAVE_UP : CAUSE_TLS_OTHER;
    for (size_t i = 0; i < COUNT_OF(REASONS); i++)
        if (code != 0 && ERR_GET_LIB(code) == ERR_LIB_SSL && ERR_GET_REASON(code) == REASONS[i].reason)
            failure->cause = REASONS[i].cause;
    snprintf(failure->reason, sizeof failure->reason, "%s",
             text != NULL ? text : "connection closed by peer");
    ERR_clear_error();
}
