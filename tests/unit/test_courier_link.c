/* SPDX-License-Identifier: MIT */
/* Client connections: lines, deadlines, cancelling, TLS and what must not pass as TLS. */
#include "net/link.h"

#include <sys/eventfd.h>

#include "test_courier_peer.h"

enum { SOON_MS = 100, LATE_MS = 10000 };

static struct link *connect_peer(const struct peer *p, int cancel_fd)
{
    struct addr to;
    struct buf error = BUF_INIT(512);
    assert_true(addr_parse("127.0.0.1", &to));
    to.port = p->port;
    struct link *link = link_connect(&to, LATE_MS, cancel_fd, &error);
    assert_string_equal(buf_str(&error), "");
    buf_free(&error);
    return link;
}

static void lines_are_read_and_written(void **state)
{
    (void)state;
    static const char *const script[] = {"> one",  "raw two\nthr", "pause 20", "raw ee\r\n",
                                         "< four", "< five",       NULL};
    struct peer p;
    struct span line;
    peer_start(&p, NULL, NULL, script);
    struct link *link = connect_peer(&p, -1);
    static const char *const wanted[] = {"one", "two", "three"};
    for (size_t i = 0; i < COUNT_OF(wanted); i++) {
        assert_int_equal(link_read_line(link, 512, LATE_MS, &line), LINK_OK);
        assert_true(span_equal(line, wanted[i]));
    }
    assert_true(link_is_quiet(link));
    assert_int_equal(link_write(link, "four\r\nfive\r\n", 12, LATE_MS), LINK_OK);
    assert_int_equal(link_read_line(link, 512, LATE_MS, &line), LINK_CLOSED);
    assert_false(link_is_quiet(link));
    assert_string_equal(link_tls_text(link), "");
    link_close(&link);
    assert_null(link);
    peer_end(&p);
    peer_free(&p);
}

static void a_long_line_is_refused(void **state)
{
    (void)state;
    static const char *const script[] = {"raw 0123456789", "stay", NULL};
    struct peer p;
    struct span line;
    peer_start(&p, NULL, NULL, script);
    struct link *link = connect_peer(&p, -1);
    assert_int_equal(link_read_line(link, 9, LATE_MS, &line), LINK_TOO_LONG);
    link_close(&link);
    peer_end(&p);
    peer_free(&p);
}

static void silence_times_out(void **state)
{
    (void)state;
    static const char *const script[] = {"raw half", "stay", NULL};
    struct peer p;
    struct span line;
    peer_start(&p, NULL, NULL, script);
    struct link *link = connect_peer(&p, -1);
    uint64_t before = clock_mono_ms();
    assert_int_equal(link_read_line(link, 512, SOON_MS, &line), LINK_TIMEOUT);
    assert_in_range(clock_mono_ms() - before, SOON_MS - 1, LATE_MS);
    assert_string_equal(link_error(link), "timed out");
    link_close(&link);
    peer_end(&p);
    peer_free(&p);
}

static void a_peer_that_does_not_read_times_out(void **state)
{
    (void)state;
    static const char *const script[] = {"pause 500", NULL};
    static const char much[16 << 20];
    struct peer p;
    peer_start(&p, NULL, NULL, script);
    struct link *link = connect_peer(&p, -1);
    assert_int_equal(link_write(link, much, sizeof much, SOON_MS), LINK_TIMEOUT);
    link_close(&link);
    peer_end(&p);
    peer_free(&p);
}

static void cancelling_ends_a_wait(void **state)
{
    (void)state;
    static const char *const script[] = {"stay", NULL};
    struct peer p;
    struct span line;
    int cancel = eventfd(0, EFD_CLOEXEC);
    peer_start(&p, NULL, NULL, script);
    struct link *link = connect_peer(&p, cancel);
    assert_int_equal(eventfd_write(cancel, 1), 0);
    assert_int_equal(link_read_line(link, 512, LATE_MS, &line), LINK_CANCELLED);
    link_close(&link);
    fd_close(&cancel);
    peer_end(&p);
    peer_free(&p);
}

static void a_refused_connection_says_so(void **state)
{
    (void)state;
    struct addr to;
    struct buf error = BUF_INIT(512);
    assert_true(addr_parse("127.0.0.1", &to));
    to.port = 1; /* nobody listens there */
    assert_null(link_connect(&to, LATE_MS, -1, &error));
    assert_string_equal(buf_str(&error), "Connection refused");
    buf_clear(&error);
    assert_null(link_connect_unix("/nowhere/socket", LATE_MS, -1, &error));
    assert_string_equal(buf_str(&error), "No such file or directory");
    buf_free(&error);
}

static void names_are_looked_up(void **state)
{
    (void)state;
    struct addr found[LINK_ADDRESSES_MAX];
    char text[ADDR_TEXT_MAX];
    struct buf error = BUF_INIT(512);
    int n = link_resolve("localhost", 25, LATE_MS, -1, found, COUNT_OF(found), &error);
    assert_in_range(n, 1, LINK_ADDRESSES_MAX);
    assert_true(addr_is_loopback(&found[0]));
    assert_int_equal(found[0].port, 25);
    assert_int_equal(link_resolve("2001:db8::1", 587, LATE_MS, -1, found, COUNT_OF(found), &error), 1);
    assert_string_equal(addr_text(&found[0], text), "2001:db8::1");
    assert_int_equal(link_resolve("no such name.invalid", 25, LATE_MS, -1, found, COUNT_OF(found), &error),
                     -1);
    assert_true(error.len > 0);
    int cancel = eventfd(1, EFD_CLOEXEC); /* the answer is not waited for, and comes to nobody */
    assert_int_equal(link_resolve("localhost", 25, LATE_MS, cancel, found, 0, &error), -1);
    fd_close(&cancel);
    buf_free(&error);
}

/* ---- TLS ---- */

struct certificates {
    char ca_path[WORLD_PATH_MAX];
    struct identity ca, good, other_name, expired, self_signed;
};

static int make_certificates(void **state)
{
    struct certificates *c = test_calloc(1, sizeof *c);
    int fd;
    snprintf(c->ca_path, sizeof c->ca_path, "%s/gp-ca-XXXXXX",
             getenv("TMPDIR") != NULL ? getenv("TMPDIR") : "/tmp");
    fd = mkstemp(c->ca_path);
    assert_true(fd >= 0);
    fd_close(&fd);
    c->ca = identity_make("test authority", NULL, 10);
    c->good = identity_make("127.0.0.1", &c->ca, 10);
    c->other_name = identity_make("other.example.com", &c->ca, 10);
    c->expired = identity_make("127.0.0.1", &c->ca, -1);
    c->self_signed = identity_make("127.0.0.1", NULL, 10);
    identity_save(&c->ca, c->ca_path);
    *state = c;
    return 0;
}

static int free_certificates(void **state)
{
    struct certificates *c = *state;
    unlink(c->ca_path);
    identity_free(&c->ca);
    identity_free(&c->good);
    identity_free(&c->other_name);
    identity_free(&c->expired);
    identity_free(&c->self_signed);
    test_free(c);
    return 0;
}

static enum link_result shake(const struct identity *id, const char *name, enum link_check check,
                              const char *ca, char error_r[256])
{
    static const char *const script[] = {"tls", "> inside", "stay", NULL};
    struct peer p;
    struct span line;
    peer_start(&p, NULL, id, script);
    struct link *link = connect_peer(&p, -1);
    enum link_result r = link_start_tls(link, name, check, ca, LATE_MS);
    snprintf(error_r, 256, "%s", link_error(link));
    if (r == LINK_OK) {
        assert_int_equal(link_read_line(link, 512, LATE_MS, &line), LINK_OK);
        assert_true(span_equal(line, "inside"));
        assert_true(link_is_quiet(link));
        assert_true(strncmp(link_tls_text(link), "TLS1.3:TLS_", 11) == 0);
    }
    link_close(&link);
    peer_end(&p);
    peer_free(&p);
    return r;
}

static void only_the_right_certificate_is_taken(void **state)
{
    const struct certificates *c = *state;
    const struct {
        const struct identity *id;
        const char *name, *ca, *error;
    } cases[] = {
        {&c->good, "127.0.0.1", c->ca_path, NULL},
        {&c->good, "127.0.0.2", c->ca_path, "the certificate is not to be trusted: IP address mismatch"},
        {&c->other_name, "other.example.com", c->ca_path, NULL},
        {&c->other_name, "OTHER.example.com", c->ca_path, NULL},
        {&c->other_name, "mx.example.com", c->ca_path,
         "the certificate is not to be trusted: hostname mismatch"},
        {&c->other_name, "127.0.0.1", c->ca_path,
         "the certificate is not to be trusted: IP address mismatch"},
        {&c->expired, "127.0.0.1", c->ca_path,
         "the certificate is not to be trusted: certificate has expired"},
        {&c->self_signed, "127.0.0.1", c->ca_path,
         "the certificate is not to be trusted: self-signed certificate"},
        {&c->good, "127.0.0.1", "",
         "the certificate is not to be trusted: unable to get local issuer certificate"},
        {&c->good, "127.0.0.1", "/nowhere", "the file of trusted authorities cannot be read"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        char error[256];
        enum link_result r = shake(cases[i].id, cases[i].name, LINK_CHECK, cases[i].ca, error);
        assert_string_equal(error, cases[i].error != NULL ? cases[i].error : "");
        assert_int_equal(r, cases[i].error != NULL ? LINK_ERROR : LINK_OK);
    }
}

static void unchecked_tls_takes_any(void **state)
{
    const struct certificates *c = *state;
    char error[256];
    assert_int_equal(shake(&c->self_signed, "mx.example.com", LINK_CHECK_NONE, "", error), LINK_OK);
}

static void bytes_before_the_handshake_are_an_attack(void **state)
{
    const struct certificates *c = *state;
    static const char *const script[] = {"raw 220 go\r\n250 injected\r\n", "stay", NULL};
    struct peer p;
    struct span line;
    peer_start(&p, NULL, &c->good, script);
    struct link *link = connect_peer(&p, -1);
    assert_int_equal(link_read_line(link, 512, LATE_MS, &line), LINK_OK);
    assert_int_equal(link_start_tls(link, "127.0.0.1", LINK_CHECK_NONE, "", LATE_MS), LINK_ERROR);
    assert_string_equal(link_error(link), "the server sent something before the handshake");
    link_close(&link);
    peer_end(&p);
    peer_free(&p);
}

static void a_peer_without_tls_fails_the_handshake(void **state)
{
    (void)state;
    static const char *const script[] = {"> 220 plain text", "stay", NULL};
    static const char *const silent[] = {"stay", NULL};
    struct peer p;
    peer_start(&p, NULL, NULL, script);
    struct link *link = connect_peer(&p, -1);
    assert_int_equal(link_start_tls(link, "127.0.0.1", LINK_CHECK_NONE, "", LATE_MS), LINK_ERROR);
    assert_string_equal(link_error(link), "wrong version number");
    link_close(&link);
    peer_end(&p);
    peer_free(&p);
    peer_start(&p, NULL, NULL, silent);
    link = connect_peer(&p, -1);
    assert_int_equal(link_start_tls(link, "127.0.0.1", LINK_CHECK_NONE, "", SOON_MS), LINK_TIMEOUT);
    link_close(&link);
    peer_end(&p);
    peer_free(&p);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_are_read_and_written),
        cmocka_unit_test(a_long_line_is_refused),
        cmocka_unit_test(silence_times_out),
        cmocka_unit_test(a_peer_that_does_not_read_times_out),
        cmocka_unit_test(cancelling_ends_a_wait),
        cmocka_unit_test(a_refused_connection_says_so),
        cmocka_unit_test(names_are_looked_up),
        cmocka_unit_test(only_the_right_certificate_is_taken),
        cmocka_unit_test(unchecked_tls_takes_any),
        cmocka_unit_test(bytes_before_the_handshake_are_an_attack),
        cmocka_unit_test(a_peer_without_tls_fails_the_handshake),
    };
    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests_name("courier.link", tests, make_certificates, free_certificates);
}
