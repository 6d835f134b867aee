/* SPDX-License-Identifier: MIT */
/* TLS and login at the smarthost: what is demanded is demanded, and a password never goes where others can
 * read it. */
#include "courier/client.h"

#include "test_courier_peer.h"

static const struct client_waits PATIENT = {.lookup = 20000,
                                            .connect = 20000,
                                            .handshake = 20000,
                                            .greeting = 20000,
                                            .command = 20000,
                                            .data_start = 20000,
                                            .data_block = 20000,
                                            .data_end = 20000,
                                            .quit = 20000};

struct shop {
    struct identity ca, good, stranger;
    char ca_path[WORLD_PATH_MAX];
};

static int make_shop(void **state)
{
    struct shop *s = test_calloc(1, sizeof *s);
    snprintf(s->ca_path, sizeof s->ca_path, "%s/gp-ca-XXXXXX",
             getenv("TMPDIR") != NULL ? getenv("TMPDIR") : "/tmp");
    int fd = mkstemp(s->ca_path);
    assert_true(fd >= 0);
    fd_close(&fd);
    s->ca = identity_make("test authority", NULL, 10);
    s->good = identity_make("127.0.0.1", &s->ca, 10);
    s->stranger = identity_make("127.0.0.1", NULL, 10);
    identity_save(&s->ca, s->ca_path);
    *state = s;
    return 0;
}

static int free_shop(void **state)
{
    struct shop *s = *state;
    unlink(s->ca_path);
    identity_free(&s->ca);
    identity_free(&s->good);
    identity_free(&s->stranger);
    test_free(s);
    return 0;
}

/*
 * Opens a connection by the policy against the script. wanted NULL: it must work; else the text of the
 * failure. Returns what was left over of features, and closes.
 */
static void open_against(const struct shop *s, enum client_tls tls, const char *user, const char *password,
                         const struct identity *identity, enum cause_id cause, const char *wanted,
                         const char *const *script)
{
    struct peer p;
    struct outcome why = {.verdict = VERDICT_NONE};
    peer_start(&p, NULL, identity, script);
    const struct client_target target = {
        .protocol = CLIENT_SMTP, .path = "", .host = "127.0.0.1", .port = p.port};
    const struct client_policy policy = {.tls = tls,
                                         .ca_file = s->ca_path,
                                         .hostname = "mail.example.com",
                                         .user = user,
                                         .password = span_of(password),
                                         .cancel_fd = -1,
                                         .waits = &PATIENT};
    struct client *client = client_open(&target, &policy, &why, NULL);
    if (wanted == NULL && client == NULL)
        fail_msg("%s", why.text);
    if (wanted != NULL) {
        assert_null(client);
        assert_int_equal(why.verdict, VERDICT_DEFERRED); /* whatever a server says before MAIL */
        assert_string_equal(cause_get(why.cause)->id, cause_get(cause)->id);
        assert_string_equal(why.text, wanted);
        assert_null(password[0] != '\0' ? strstr(why.text, password) : NULL);
    }
    client_close(&client);
    outcome_clear(&why);
    peer_end(&p);
    peer_free(&p);
}

#define EHLO    "< EHLO mail.example.com"
#define GREET   "> 220 mx", EHLO
#define OFFERS  GREET, "> 250-mx", "> 250 STARTTLS"
#define UPGRADE OFFERS, "< STARTTLS", "> 220 go", "tls", EHLO
#define BYE     "< QUIT", "> 221 bye"

static void starttls_is_demanded(void **state)
{
    const struct shop *s = *state;
    static const char *const good[] = {UPGRADE, "> 250 mx", BYE, NULL};
    static const char *const stripped[] = {GREET, "> 250-mx", "> 250 XXXXXXXX", BYE, NULL};
    static const char *const refused[] = {OFFERS, "< STARTTLS", "> 454 4.7.0 no", BYE, NULL};
    static const char *const stranger[] = {OFFERS, "< STARTTLS", "> 220 go", "tls", NULL};
    static const char *const injected[] = {OFFERS, "< STARTTLS", "raw 220 go\r\n250 mx\r\n", "stay", NULL};
    open_against(s, CLIENT_TLS_STARTTLS, "", "", &s->good, CAUSE_NONE, NULL, good);
    open_against(s, CLIENT_TLS_STARTTLS, "", "", &s->good, CAUSE_DELIVERY_TLS,
                 "the server does not offer STARTTLS", stripped);
    open_against(s, CLIENT_TLS_STARTTLS, "", "", &s->good, CAUSE_DELIVERY_TLS, "after STARTTLS: 454 4.7.0 no",
                 refused);
    open_against(s, CLIENT_TLS_STARTTLS, "", "", &s->stranger, CAUSE_DELIVERY_TLS,
                 "TLS: the certificate is not to be trusted: self-signed certificate", stranger);
    open_against(s, CLIENT_TLS_STARTTLS, "", "", &s->good, CAUSE_DELIVERY_TLS,
                 "TLS: the server sent something before the handshake", injected);
}

static void implicit_tls_comes_first(void **state)
{
    const struct shop *s = *state;
    static const char *const good[] = {"tls", GREET, "> 250 mx", BYE, NULL};
    static const char *const plain[] = {"> 220 mx", "stay", NULL};
    static const char *const stranger[] = {"tls", NULL};
    open_against(s, CLIENT_TLS_IMPLICIT, "", "", &s->good, CAUSE_NONE, NULL, good);
    open_against(s, CLIENT_TLS_IMPLICIT, "", "", &s->good, CAUSE_DELIVERY_TLS, "TLS: wrong version number",
                 plain);
    open_against(s, CLIENT_TLS_IMPLICIT, "", "", &s->stranger, CAUSE_DELIVERY_TLS,
                 "TLS: the certificate is not to be trusted: self-signed certificate", stranger);
}

static void opportunistic_takes_what_it_gets(void **state)
{
    const struct shop *s = *state;
    static const char *const stranger[] = {UPGRADE, "> 250 mx", BYE, NULL};
    static const char *const none[] = {GREET, "> 250 mx", BYE, NULL};
    static const char *const broken[] = {OFFERS,   "< STARTTLS", "> 220 go", "close",
                                         "accept", OFFERS,       BYE,        NULL};
    open_against(s, CLIENT_TLS_OPPORTUNISTIC, "", "", &s->stranger, CAUSE_NONE, NULL, stranger);
    open_against(s, CLIENT_TLS_OPPORTUNISTIC, "", "", NULL, CAUSE_NONE, NULL, none);
    open_against(s, CLIENT_TLS_OPPORTUNISTIC, "", "", NULL, CAUSE_NONE, NULL, broken);
}

static void none_does_not_even_ask(void **state)
{
    static const char *const script[] = {OFFERS, BYE, NULL};
    open_against(*state, CLIENT_TLS_NONE, "", "", NULL, CAUSE_NONE, NULL, script);
}

/* base64 of NUL user NUL secret, of user, of secret */
#define SAYS_PLAIN  "< AUTH PLAIN AHVzZXIAc2VjcmV0"
#define SAYS_USER   "< dXNlcg=="
#define SAYS_SECRET "< c2VjcmV0"

static void logins_work(void **state)
{
    const struct shop *s = *state;
    static const char *const plain[] = {UPGRADE, "> 250-mx", "> 250 AUTH LOGIN PLAIN", SAYS_PLAIN, "> 235 ok",
                                        BYE,     NULL};
    static const char *const login[] = {
        UPGRADE,   "> 250-mx",           "> 250 AUTH LOGIN", "< AUTH LOGIN", "> 334 VXNlcm5hbWU6",
        SAYS_USER, "> 334 UGFzc3dvcmQ6", SAYS_SECRET,        "> 235 ok",     BYE,
        NULL};
    static const char *const old[] = {
        UPGRADE, "> 250-mx", "> 250 AUTH=PLAIN CRAM-MD5", SAYS_PLAIN, "> 235 ok", BYE, NULL};
    open_against(s, CLIENT_TLS_STARTTLS, "user", "secret", &s->good, CAUSE_NONE, NULL, plain);
    open_against(s, CLIENT_TLS_STARTTLS, "user", "secret", &s->good, CAUSE_NONE, NULL, login);
    open_against(s, CLIENT_TLS_STARTTLS, "user", "secret", &s->good, CAUSE_NONE, NULL, old);
}

static void logins_fail_with_the_servers_words(void **state)
{
    const struct shop *s = *state;
    static const char *const wrong[] = {
        UPGRADE, "> 250-mx", "> 250 AUTH PLAIN", "< AUTH PLAIN *", "> 535 5.7.8 wrong", BYE, NULL};
    static const char *const asks[] = {
        UPGRADE, "> 250-mx", "> 250 AUTH PLAIN", "< AUTH PLAIN *", "> 334 more", BYE, NULL};
    static const char *const step[] = {UPGRADE, "> 250-mx", "> 250 AUTH LOGIN", "< AUTH LOGIN", "> 504 no",
                                       BYE,     NULL};
    static const char *const other[] = {UPGRADE, "> 250-mx", "> 250 AUTH CRAM-MD5", BYE, NULL};
    open_against(s, CLIENT_TLS_STARTTLS, "user", "secret", &s->good, CAUSE_DELIVERY_LOGIN,
                 "after AUTH: 535 5.7.8 wrong", wrong);
    open_against(s, CLIENT_TLS_STARTTLS, "user", "secret", &s->good, CAUSE_DELIVERY_LOGIN,
                 "after AUTH: 334 more", asks);
    open_against(s, CLIENT_TLS_STARTTLS, "user", "secret", &s->good, CAUSE_DELIVERY_LOGIN,
                 "after AUTH: 504 no", step);
    open_against(s, CLIENT_TLS_STARTTLS, "user", "secret", &s->good, CAUSE_DELIVERY_LOGIN,
                 "no login: the server offers neither AUTH PLAIN nor AUTH LOGIN, but relay.user is set",
                 other);
}

/* The script fails if the client says anything but QUIT. */
static void no_password_without_tls(void **state)
{
    const struct shop *s = *state;
    static const char *const offered[] = {GREET, "> 250-mx", "> 250 AUTH PLAIN LOGIN", BYE, NULL};
    static const char *const broken[] = {OFFERS, "< STARTTLS", "> 220 go", "some", "> this is no TLS",
                                         "stay", NULL};
    static const char *const no_password[] = {UPGRADE, "> 250-mx", "> 250 AUTH PLAIN", BYE, NULL};
    open_against(
        s, CLIENT_TLS_OPPORTUNISTIC, "user", "secret", NULL, CAUSE_DELIVERY_LOGIN,
        "no login: the server offers no TLS, and without it the password would be readable by others",
        offered);
    open_against(s, CLIENT_TLS_OPPORTUNISTIC, "user", "secret", NULL, CAUSE_DELIVERY_TLS,
                 "TLS: wrong version number", broken);
    open_against(s, CLIENT_TLS_STARTTLS, "user", "", &s->good, CAUSE_DELIVERY_LOGIN,
                 "no login: there is no password (relay.password_file)", no_password);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(starttls_is_demanded),
        cmocka_unit_test(implicit_tls_comes_first),
        cmocka_unit_test(opportunistic_takes_what_it_gets),
        cmocka_unit_test(none_does_not_even_ask),
        cmocka_unit_test(logins_work),
        cmocka_unit_test(logins_fail_with_the_servers_words),
        cmocka_unit_test(no_password_without_tls),
    };
    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests_name("courier.login", tests, make_shop, free_shop);
}
