/* SPDX-License-Identifier: MIT */
/* TLS policy: what settings and PEM texts make of it; and handshakes that fail, each with its cause and what
 * the client offered. */
#include "net_help.h"

static struct identity identity, stranger;

/* ---- a handshake, seen from our side ---- */

struct server {
    struct loop *loop;
    struct conn *conn;
    struct tls_policy *policy;
    int fd;
    enum conn_end end;
    struct tls_failure failure;
    struct tls_offer offer;
    bool has_offer;
    char tls[TLS_TEXT_MAX];
    struct signpost ready, timeout, closed;
};

static size_t on_data(void *arg, const char *bytes, size_t n)
{
    struct server *s = arg;
    conn_write(s->conn, bytes, n);
    return n;
}

static void on_ready(void *arg)
{
    struct server *s = arg;
    conn_tls_text(s->conn, s->tls);
    conn_resume(s->conn);
    signpost_raise(&s->ready);
}

static void on_timeout(void *arg)
{
    struct server *s = arg;
    conn_abort(s->conn);
}

static void on_closed(void *arg, enum conn_end end)
{
    struct server *s = arg;
    s->end = end;
    s->failure = *conn_tls_failure(s->conn);
    assert_true(end != CONN_TLS_FAILED || !conn_is_tls(s->conn));
    s->has_offer = s->failure.offer != NULL;
    if (s->has_offer)
        s->offer = *s->failure.offer;
    signpost_raise(&s->closed);
}

static const struct conn_events EVENTS = {NULL, on_data, on_ready, on_timeout, on_closed};

static void open_conn(void *arg)
{
    struct server *s = arg;
    s->conn = conn_open(s->loop, s->fd, &EVENTS, s);
    assert_non_null(s->conn);
    conn_set_timeout(s->conn, 300);
    conn_start_tls(s->conn, s->policy);
}

static void start(struct server *s, struct client *c, const char *settings)
{
    int fds[2];
    struct signpost post = SIGNPOST_INIT;
    tcp_pair(fds, 0);
    *s = (struct server){.loop = start_loop(), .fd = fds[0], .policy = policy_of(settings, &identity)};
    s->ready = s->timeout = s->closed = post;
    *c = (struct client){.fd = fds[1]};
    on_loop(s->loop, open_conn, s);
}

static void finish(struct server *s, struct client *c)
{
    client_close(c);
    signpost_wait(&s->closed, 1);
    end_loop(&s->loop);
    tls_policy_release(&s->policy);
}

/* ---- good ones ---- */

struct good {
    const char *settings;
    int version; /* the client's newest */
    const char *text;
};

static void old_client(SSL_CTX *ctx, int version)
{
    SSL_CTX_set_min_proto_version(ctx, TLS1_VERSION);
    SSL_CTX_set_max_proto_version(ctx, version);
    assert_int_equal(SSL_CTX_set_cipher_list(ctx, "ALL:@SECLEVEL=0"), 1);
}

static void handshakes_that_succeed(void **state)
{
    (void)state;
    static const struct good rows[] = {
        {"", TLS1_3_VERSION, "TLS1.3:TLS_AES_256_GCM_SHA384:256"},
        {"", TLS1_2_VERSION, "TLS1.2:ECDHE-ECDSA-AES256-GCM-SHA384:256"},
        {"tls.ciphersuites = TLS_CHACHA20_POLY1305_SHA256\n", TLS1_3_VERSION,
         "TLS1.3:TLS_CHACHA20_POLY1305_SHA256:256"},
        {"tls.ciphers = ECDHE-ECDSA-AES128-GCM-SHA256\n", TLS1_2_VERSION,
         "TLS1.2:ECDHE-ECDSA-AES128-GCM-SHA256:128"},
        {"tls.min_version = 1.1\n", TLS1_1_VERSION, "TLS1.1:ECDHE-ECDSA-AES256-SHA:256"},
        {"tls.min_version = 1.0\n", TLS1_VERSION, "TLS1:ECDHE-ECDSA-AES256-SHA:256"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct server s;
        struct client c;
        char word[8];
        SSL_CTX *ctx = client_context();
        start(&s, &c, rows[i].settings);
        old_client(ctx, rows[i].version);
        client_prepare(&c, ctx);
        SSL_CTX_free(ctx);
        assert_int_equal(SSL_connect(c.ssl), 1);
        client_say(&c, "echo\n");
        client_line(&c, word, sizeof word);
        assert_string_equal(word, "echo");
        signpost_wait(&s.ready, 1);
        assert_string_equal(s.tls, rows[i].text);
        finish(&s, &c);
    }
}

/* ---- bad ones ---- */

struct bad {
    const char *name, *settings;
    int version;         /* the client's newest */
    const char *ciphers; /* NULL: old_client's */
    bool verifies;       /* the client checks the certificate */
    enum cause_id cause;
    const char *reason, *versions, *cipher; /* cipher: one of those offered */
};

static const struct bad BAD[] = {
    {"TLS 1.1 for a server of today", "", TLS1_1_VERSION, NULL, false, CAUSE_TLS_TOO_OLD,
     "unsupported protocol", "TLSv1.1", "ECDHE-ECDSA-AES256-SHA"},
    {"TLS 1.2 where 1.3 is asked for", "tls.min_version = 1.3\n", TLS1_2_VERSION, NULL, false,
     CAUSE_TLS_TOO_OLD, "unsupported protocol", "TLSv1.2", "ECDHE-ECDSA-AES256-GCM-SHA384"},
    {"RSA only for an ECDSA certificate", "", TLS1_2_VERSION, "AES128-SHA:@SECLEVEL=0", false,
     CAUSE_TLS_NO_SHARED_CIPHER, "no shared cipher", "TLSv1.2", "AES128-SHA"},
    {"other ciphers", "tls.ciphers = ECDHE-ECDSA-AES128-GCM-SHA256\n", TLS1_2_VERSION,
     "ECDHE-ECDSA-CHACHA20-POLY1305", false, CAUSE_TLS_NO_SHARED_CIPHER, "no shared cipher", "TLSv1.2",
     "ECDHE-ECDSA-CHACHA20-POLY1305"},
    {"a client that does not know the authority", "", TLS1_3_VERSION, "DEFAULT", true, CAUSE_TLS_UNKNOWN_CA,
     "tlsv1 alert unknown ca", "TLSv1.2 TLSv1.3", "TLS_AES_256_GCM_SHA384"},
    {"the same in TLS 1.2", "", TLS1_2_VERSION, "DEFAULT", true, CAUSE_TLS_UNKNOWN_CA,
     "tlsv1 alert unknown ca", "TLSv1.2", "ECDHE-ECDSA-AES256-GCM-SHA384"},
};

static bool has_word(const char *list, const char *word)
{
    size_t n = strlen(word);
    for (const char *p = list; (p = strstr(p, word)) != NULL; p++)
        if ((p == list || p[-1] == ' ') && (p[n] == ' ' || p[n] == '\0'))
            return true;
    return false;
}

static void try_bad(const struct bad *row)
{
    struct server s;
    struct client c;
    SSL_CTX *ctx = client_context();
    start(&s, &c, row->settings);
    old_client(ctx, row->version);
    if (row->verifies)
        SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
    else if (row->version < TLS1_2_VERSION)
        SSL_CTX_set_min_proto_version(ctx, row->version);
    if (row->ciphers != NULL)
        assert_int_equal(SSL_CTX_set_cipher_list(ctx, row->ciphers), 1);
    SSL_CTX_set_verify(ctx, row->verifies ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, NULL);
    client_prepare(&c, ctx);
    SSL_CTX_free(ctx);
    SSL_set_tlsext_host_name(c.ssl, "mail.example.com");
    assert_int_not_equal(SSL_connect(c.ssl), 1);
    signpost_wait(&s.closed, 1);
    assert_int_equal(s.end, CONN_TLS_FAILED);
    if (s.failure.cause != row->cause)
        fail_msg("%s: %s (%s)", row->name, cause_get(s.failure.cause)->id, s.failure.reason);
    assert_string_equal(s.failure.reason, row->reason);
    assert_true(s.has_offer);
    assert_string_equal(s.offer.versions, row->versions);
    assert_string_equal(s.offer.server_name, "mail.example.com");
    if (!has_word(s.offer.ciphers, row->cipher))
        fail_msg("%s: %s", row->name, s.offer.ciphers);
    finish(&s, &c);
}

static void handshakes_that_fail_say_why(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(BAD); i++)
        try_bad(&BAD[i]);
}

/* ---- clients that speak no TLS, or not to the end ---- */

static struct server talk(const char *bytes, size_t n, bool hard, bool wait)
{
    struct server s;
    struct client c;
    start(&s, &c, "");
    assert_int_equal(send(c.fd, bytes, n, MSG_NOSIGNAL), n);
    if (wait)
        signpost_wait(&s.closed, 1);
    else if (hard)
        close_hard(&c.fd);
    finish(&s, &c);
    return s;
}

static const char HELLO_START[] = "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03";

static void other_talk_is_recognized(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum cause_id cause;
        const char *reason;
    } rows[] = {
        {"EHLO laptop.example.com\r\n", CAUSE_PLAIN_ON_TLS_PORT, "wrong version number"},
        {"GET / HTTP/1.1\r\nHost: x\r\n\r\n", CAUSE_HTTP_ON_MAIL_PORT, "http request"},
        {"\x16\x03\x01\x01\x05garbage and more of it, garbage and more of it", CAUSE_NONE, NULL},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct server s = talk(rows[i].text, strlen(rows[i].text), false, i < 2);
        assert_int_equal(s.end, CONN_TLS_FAILED);
        assert_false(s.has_offer);
        if (rows[i].reason != NULL) {
            assert_int_equal(s.failure.cause, rows[i].cause);
            assert_string_equal(s.failure.reason, rows[i].reason);
        }
    }
}

static void a_client_that_leaves_early(void **state)
{
    (void)state;
    struct server s = talk(HELLO_START, sizeof HELLO_START - 1, false, false);
    assert_int_equal(s.end, CONN_TLS_FAILED);
    assert_int_equal(s.failure.cause, CAUSE_TLS_GAVE_UP);
    assert_string_equal(s.failure.reason, "unexpected eof while reading");
    assert_false(s.has_offer);
}

static void a_client_that_resets(void **state)
{
    (void)state;
    struct server s = talk(HELLO_START, sizeof HELLO_START - 1, true, false);
    assert_true(s.end == CONN_RESET || s.end == CONN_TLS_FAILED);
    assert_int_equal(s.failure.cause, CAUSE_TLS_GAVE_UP);
    assert_true(strstr(s.failure.reason, "by peer") != NULL);
}

static void a_client_that_says_nothing_more(void **state)
{
    (void)state;
    struct server s = talk(HELLO_START, sizeof HELLO_START - 1, false, true);
    assert_int_equal(s.end, CONN_DONE); /* given up by us */
    assert_int_equal(s.failure.cause, CAUSE_TLS_TIMEOUT);
    assert_string_equal(s.failure.reason, "timed out");
}

/* ---- ClientHellos by hand: what is shown of strange ones ---- */

struct hello {
    unsigned char bytes[2048];
    size_t n;
};

static void add(struct hello *h, const void *data, size_t n)
{
    assert_true(h->n + n <= sizeof h->bytes);
    memcpy(h->bytes + h->n, data, n);
    h->n += n;
}

static void add_number(struct hello *h, size_t value, int bytes)
{
    for (int i = bytes - 1; i >= 0; i--)
        add(h, &(unsigned char){(unsigned char)(value >> 8 * i)}, 1);
}

static void make_hello(struct hello *out, unsigned version, const struct hello *ciphers,
                       const struct hello *extensions)
{
    static const unsigned char random[32];
    struct hello body = {.n = 0};
    add_number(&body, version, 2);
    add(&body, random, 32);
    add_number(&body, 0, 1);
    add_number(&body, ciphers->n, 2);
    add(&body, ciphers->bytes, ciphers->n);
    add_number(&body, 0x0100, 2); /* one compression method: none */
    add_number(&body, extensions->n, 2);
    add(&body, extensions->bytes, extensions->n);
    out->n = 0;
    add_number(out, 0x160301, 3);
    add_number(out, body.n + 4, 2);
    add_number(out, 0x01, 1);
    add_number(out, body.n, 3);
    add(out, body.bytes, body.n);
}

static void add_extension(struct hello *h, unsigned type, const void *data, size_t n)
{
    add_number(h, type, 2);
    add_number(h, n, 2);
    add(h, data, n);
}

static void offers_are_shown_with_care(void **state)
{
    (void)state;
    struct hello hello, ciphers = {.n = 0}, extensions = {.n = 0};
    for (unsigned i = 0; i < 400; i++)
        add_number(&ciphers,
                   i == 1   ? 0x0A0A
                   : i == 2 ? 0x00FF
                            : 0xFE00 + (i & 0xFF),
                   2);                                                 /* unknown, GREASE, SCSV */
    static const char versions[] = "\x07\x7A\x7A\x03\x02\x03\x01\xFF"; /* GREASE, 1.1, 1.0, half a one */
    static const char name[] = "\x00\x11\x00\x00\x0E"
                               "evil\r\n250 OK <>"; /* no host name */
    add_extension(&extensions, 43, versions, sizeof versions - 1);
    add_extension(&extensions, 0, name, sizeof name - 1);
    make_hello(&hello, 0x0303, &ciphers, &extensions);
    struct server s = talk((const char *)hello.bytes, hello.n, false, true);
    assert_int_equal(s.end, CONN_TLS_FAILED);
    assert_true(s.has_offer);
    assert_string_equal(s.offer.versions, "TLSv1.0 TLSv1.1");
    assert_string_equal(s.offer.server_name, "");
    assert_memory_equal(s.offer.ciphers, "0xFE00 0xFE03 0xFE04 ", 21);
    assert_true(strlen(s.offer.ciphers) < sizeof s.offer.ciphers);
    assert_string_equal(s.offer.ciphers + strlen(s.offer.ciphers) - 4, " ...");
}

static void an_old_hello_without_extensions(void **state)
{
    (void)state;
    struct hello hello, ciphers = {.n = 0}, extensions = {.n = 0};
    add_number(&ciphers, 0x002F, 2); /* TLS_RSA_WITH_AES_128_CBC_SHA */
    make_hello(&hello, 0x0301, &ciphers, &extensions);
    struct server s = talk((const char *)hello.bytes, hello.n, false, true);
    assert_int_equal(s.failure.cause, CAUSE_TLS_TOO_OLD);
    assert_string_equal(s.offer.versions, "TLSv1.0");
    assert_string_equal(s.offer.ciphers, "AES128-SHA");
}

/* ---- policies that cannot be ---- */

static void make_encrypted(char out[4096])
{
    BIO *in = BIO_new_mem_buf(identity.key, -1), *bio = BIO_new(BIO_s_mem());
    EVP_PKEY *key = PEM_read_bio_PrivateKey(in, NULL, NULL, NULL);
    assert_int_equal(
        PEM_write_bio_PrivateKey(bio, key, EVP_aes_128_cbc(), (const unsigned char *)"secret", 6, NULL, NULL),
        1);
    read_bio(bio, out);
    EVP_PKEY_free(key);
    BIO_free(in);
}

static void bad_policies_are_refused(void **state)
{
    (void)state;
    static char encrypted[4096], chain[8192], broken_chain[8192], both[8192];
    make_encrypted(encrypted);
    snprintf(chain, sizeof chain, "%s%s", identity.certificate, stranger.certificate);
    snprintf(broken_chain, sizeof broken_chain,
             "%s-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", identity.certificate);
    snprintf(both, sizeof both, "%s%s", identity.key, identity.certificate);
    const struct {
        const char *settings, *certificate, *key, *error; /* error NULL: good */
    } rows[] = {
        {"", identity.certificate, identity.key, NULL},
        {"", chain, identity.key, NULL},
        {"", both, both, NULL}, /* one file for both */
        {"", "", identity.key, "tls.certificate: no usable PEM certificate"},
        {"", "no PEM at all", identity.key, "tls.certificate: no usable PEM certificate"},
        {"", identity.key, identity.key, "tls.certificate: no usable PEM certificate"},
        {"", broken_chain, identity.key, "tls.certificate: no usable PEM certificate"},
        {"", identity.certificate, "", "tls.key: no usable PEM private key (without pass phrase)"},
        {"", identity.certificate, encrypted, "tls.key: no usable PEM private key (without pass phrase)"},
        {"", identity.certificate, identity.certificate,
         "tls.key: no usable PEM private key (without pass phrase)"},
        {"", identity.certificate, stranger.key, "tls.key: does not belong to tls.certificate"},
        {"tls.ciphers = NO-SUCH-CIPHER\n", identity.certificate, identity.key,
         "tls.ciphers: no cipher of it is known"},
        {"tls.ciphersuites = NO_SUCH_SUITE\n", identity.certificate, identity.key,
         "tls.ciphersuites: no cipher suite of it is known"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        const struct settings *settings = settings_of(rows[i].settings);
        struct buf error = BUF_INIT(1024);
        struct tls_policy *policy =
            tls_policy_make(settings, span_of(rows[i].certificate), span_of(rows[i].key), &error);
        if ((policy != NULL) != (rows[i].error == NULL) ||
            !span_starts_nocase(span_of(buf_str(&error)), rows[i].error != NULL ? rows[i].error : ""))
            fail_msg("row %zu: %s", i, buf_str(&error));
        if (rows[i].error == NULL)
            assert_string_equal(buf_str(&error), "");
        assert_int_equal(ERR_peek_error(), 0); /* nothing is left for the next one to find */
        tls_policy_release(&policy);
        settings_release(&settings);
        buf_free(&error);
    }
}

static void old_versions_are_warned_of(void **state)
{
    (void)state;
    const struct settings *settings = settings_of("tls.min_version = 1.1\n");
    struct buf text = BUF_INIT(1024);
    struct tls_policy *policy =
        tls_policy_make(settings, span_of(identity.certificate), span_of(identity.key), &text);
    assert_non_null(policy);
    assert_true(strstr(buf_str(&text), "unsafe") != NULL);
    struct tls_policy *other = tls_policy_hold(policy);
    tls_policy_release(&policy);
    assert_null(policy);
    tls_policy_release(&other);
    tls_policy_release(&other); /* nothing to do */
    settings_release(&settings);
    buf_free(&text);
}

static int setup(void **state)
{
    (void)state;
    signal(SIGPIPE, SIG_IGN);
    make_identity(&identity);
    make_identity(&stranger);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(handshakes_that_succeed),    cmocka_unit_test(handshakes_that_fail_say_why),
        cmocka_unit_test(other_talk_is_recognized),   cmocka_unit_test(a_client_that_leaves_early),
        cmocka_unit_test(a_client_that_resets),       cmocka_unit_test(a_client_that_says_nothing_more),
        cmocka_unit_test(offers_are_shown_with_care), cmocka_unit_test(an_old_hello_without_extensions),
        cmocka_unit_test(bad_policies_are_refused),   cmocka_unit_test(old_versions_are_warned_of),
    };
    return cmocka_run_group_tests_name("net_tls", tests, setup, NULL);
}
