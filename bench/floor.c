/* SPDX-License-Identifier: MIT */
/*
 * bench-floor: what any SMTP server over TLS costs at least. One thread, epoll and OpenSSL; it takes every
 * login and every message and keeps nothing. TLS is as a fair server has it: TLS 1.3 by default, the default
 * two session tickets, buffers released while idle. Gatepost is measured against this in the same run.
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#define LINE_MAX_BYTES 1024
#define REPLY_MAX_BYTES                                                                                      \
    2048 /* all replies to what one read brought; a client that pipelines more is closed */
#define READ_MAX_BYTES    16384
#define ACCEPTS_PER_EVENT 64
#define EVENTS_MAX        256

static const char end_of_data[] = "\r\n.\r\n";

struct connection {
    int fd;
    SSL *ssl; /* NULL while plain */
    bool in_data;
    bool start_tls; /* the next byte is TLS */
    bool quit;
    bool greeted;
    uint8_t mark; /* how many bytes of end_of_data the message so far ends with */
    uint16_t line_n;
    char line[LINE_MAX_BYTES]; /* a command whose end has not come yet */
};

struct replies {
    size_t n;
    char text[REPLY_MAX_BYTES];
};

struct floor {
    int epoll, listener, signals;
    bool implicit; /* TLS from the first byte */
    SSL_CTX *tls;
};

struct floor_options {
    uint16_t port;
    bool implicit;
    const char *cert, *key;
};

static void fail(const char *what)
{
    fprintf(stderr, "bench-floor: %s: %s\n", what, strerror(errno));
    exit(EXIT_FAILURE);
}

static void fail_tls(const char *what)
{
    fprintf(stderr, "bench-floor: %s: ", what);
    ERR_print_errors_fp(stderr);
    exit(EXIT_FAILURE);
}

/* ---- SMTP ---- */

static bool reply(struct replies *out, const char *text)
{
    size_t n = strlen(text);
    if (n > sizeof out->text - out->n) {
        return false;
    }
    memcpy(out->text + out->n, text, n);
    out->n += n;
    return true;
}

static const char *do_ehlo(struct connection *c)
{
    return c->ssl ? "250-floor\r\n250-PIPELINING\r\n250-SIZE 52428800\r\n250-8BITMIME\r\n"
                    "250-ENHANCEDSTATUSCODES\r\n250 AUTH PLAIN\r\n"
                  : "250-floor\r\n250-PIPELINING\r\n250-SIZE 52428800\r\n250-8BITMIME\r\n"
                    "250-ENHANCEDSTATUSCODES\r\n250 STARTTLS\r\n";
}

static const char *do_starttls(struct connection *c)
{
    if (c->ssl) {
        return "503 5.5.1 TLS is on already\r\n";
    }
    c->start_tls = true;
    return "220 2.0.0 Go ahead\r\n";
}

static const char *do_auth(struct connection *c)
{
    (void)c;
    return "235 2.7.0 Accepted\r\n";
}

static const char *do_ok(struct connection *c)
{
    (void)c;
    return "250 2.1.0 OK\r\n";
}

static const char *do_data(struct connection *c)
{
    c->in_data = true;
    c->mark = 2; /* the CRLF of the command: a first line of one dot ends the message (RFC 5321, 4.1.1.4) */
    return "354 Go ahead\r\n";
}

static const char *do_quit(struct connection *c)
{
    c->quit = true;
    return "221 2.0.0 Bye\r\n";
}

static const struct verb {
    const char *name;
    const char *(*run)(struct connection *c);
} verbs[] = {
    {"EHLO", do_ehlo}, {"STARTTLS", do_starttls}, {"AUTH", do_auth}, {"MAIL", do_ok},   {"RCPT", do_ok},
    {"DATA", do_data}, {"RSET", do_ok},           {"NOOP", do_ok},   {"QUIT", do_quit},
};

static const char *run_command(struct connection *c, const char *line, size_t n)
{
    for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++) {
        size_t length = strlen(verbs[i].name);
        bool whole = n == length || (n > length && (line[length] == ' ' || line[length] == '\r'));
        if (whole && strncasecmp(line, verbs[i].name, length) == 0) {
            return verbs[i].run(c);
        }
    }
    return "500 5.5.1 Unknown command\r\n";
}

/* Takes message bytes up to the end-of-data mark; returns how many of them were taken. */
static size_t take_data(struct connection *c, const char *p, size_t n, struct replies *out, bool *ok_r)
{
    size_t i = 0;
    while (i < n) {
        if (c->mark == 0) { /* nothing of the mark yet: jump to where it can begin */
            const char *cr = memchr(p + i, '\r', n - i);
            if (!cr) {
                return n;
            }
            i = (size_t)(cr - p);
        }
        char byte = p[i++];
        if (byte == end_of_data[c->mark]) {
            c->mark++;
        } else {
            c->mark = byte == '\r' ? 1 : 0;
        }
        if (c->mark == sizeof end_of_data - 1) {
            c->in_data = false;
            *ok_r = reply(out, "250 2.0.0 OK\r\n");
            return i;
        }
    }
    return n;
}

/* Takes one command line, or keeps what there is of it; returns how many bytes were taken. */
static size_t take_line(struct connection *c, const char *p, size_t n, struct replies *out, bool *ok_r)
{
    const char *end = memchr(p, '\n', n);
    size_t taken = end ? (size_t)(end - p) + 1 : n;
    if (end && c->line_n == 0) { /* the usual case: a whole line, used where it lies */
        *ok_r = reply(out, run_command(c, p, taken - 1));
        return taken;
    }
    if (taken > sizeof c->line - c->line_n) {
        *ok_r = false;
        return n;
    }
    memcpy(c->line + c->line_n, p, taken);
    c->line_n = (uint16_t)(c->line_n + taken);
    if (end) {
        *ok_r = reply(out, run_command(c, c->line, c->line_n - 1U));
        c->line_n = 0;
    }
    return taken;
}

static bool take(struct connection *c, const char *p, size_t n, struct replies *out)
{
    bool ok = true;
    while (ok && n > 0 && !c->quit) {
        if (c->start_tls) {
            return false; /* plain bytes behind STARTTLS (RFC 3207, 4) */
        }
        size_t taken = c->in_data ? take_data(c, p, n, out, &ok) : take_line(c, p, n, out, &ok);
        p += taken;
        n -= taken;
    }
    return ok;
}

/* ---- connections ---- */

static void connection_close(struct connection **cp)
{
    struct connection *c = *cp;
    *cp = NULL;
    if (c->ssl) {
        SSL_free(c->ssl);
    }
    close(c->fd); /* leaves the epoll set with it */
    free(c);
}

/* Replies are short and the client waits for them: a full socket buffer means a client that does not read. */
static bool connection_write(struct connection *c, const struct replies *out)
{
    if (out->n == 0) {
        return true;
    }
    if (c->ssl) {
        return SSL_write(c->ssl, out->text, (int)out->n) == (int)out->n;
    }
    return send(c->fd, out->text, out->n, MSG_NOSIGNAL) == (ssize_t)out->n;
}

/* Returns bytes read, 0 when there are none now, -1 at the end or on an error. Shakes hands on the way. */
static ssize_t connection_read(struct connection *c, char *buffer, size_t size)
{
    if (!c->ssl) {
        ssize_t n = recv(c->fd, buffer, size, 0);
        return n > 0 ? n : n < 0 && (errno == EAGAIN || errno == EINTR) ? 0 : -1;
    }
    ERR_clear_error();
    int n = SSL_read(c->ssl, buffer, (int)size);
    if (n > 0) {
        return n;
    }
    int error = SSL_get_error(c->ssl, n);
    return error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE ? 0 : -1;
}

static bool connection_start_tls(struct connection *c, SSL_CTX *tls)
{
    c->start_tls = false;
    c->ssl = SSL_new(tls);
    if (!c->ssl || SSL_set_fd(c->ssl, c->fd) != 1) {
        return false;
    }
    SSL_set_accept_state(c->ssl);
    return true;
}

static bool connection_greet(struct connection *c)
{
    struct replies out = {.n = 0};
    c->greeted = true;
    return reply(&out, "220 floor ESMTP\r\n") && connection_write(c, &out);
}

/* Returns false when the connection is over. */
static bool connection_serve(const struct floor *f, struct connection *c, char *buffer)
{
    do {
        ssize_t n = connection_read(c, buffer, READ_MAX_BYTES);
        if (n == 0 && !c->greeted &&
            SSL_is_init_finished(c->ssl)) { /* TLS from the first byte: it stands now */
            return connection_greet(c);
        }
        if (n <= 0) {
            return n == 0;
        }
        struct replies out = {.n = 0};
        if (!take(c, buffer, (size_t)n, &out) || !connection_write(c, &out)) {
            return false;
        }
        if (c->quit) {
            if (c->ssl) {
                SSL_shutdown(c->ssl);
            }
            return false;
        }
        if (c->start_tls) {
            return connection_start_tls(c, f->tls);
        }
    } while (c->ssl && SSL_has_pending(c->ssl)); /* else level-triggered epoll wakes us again */
    return true;
}

static void connection_open(const struct floor *f, int fd)
{
    int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    struct connection *c = calloc(1, sizeof *c);
    if (!c) {
        close(fd);
        return;
    }
    c->fd = fd;
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
    bool ok = epoll_ctl(f->epoll, EPOLL_CTL_ADD, fd, &event) == 0 &&
              (f->implicit ? connection_start_tls(c, f->tls) : connection_greet(c));
    if (!ok) {
        connection_close(&c);
    }
} // NOLINT(clang-analyzer-unix.Malloc): the epoll set holds it

/* ---- the loop ---- */

static void floor_accept(const struct floor *f)
{
    for (int i = 0; i < ACCEPTS_PER_EVENT; i++) {
        int fd = accept4(f->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0) {
            return;
        }
        connection_open(f, fd);
    }
}

static void floor_run(const struct floor *f)
{
    char buffer[READ_MAX_BYTES];
    struct epoll_event events[EVENTS_MAX];
    for (;;) {
        int n = epoll_wait(f->epoll, events, EVENTS_MAX, -1);
        if (n < 0 && errno != EINTR) {
            fail("epoll_wait");
        }
        for (int i = 0; i < n; i++) {
            void *who = events[i].data.ptr;
            if (who == &f->signals) {
                return;
            }
            if (who == &f->listener) {
                floor_accept(f);
                continue;
            }
            struct connection *c = who;
            if (!connection_serve(f, c, buffer)) {
                connection_close(&c);
            }
        }
    }
}

static SSL_CTX *open_tls(const char *cert, const char *key)
{
    SSL_CTX *tls = SSL_CTX_new(TLS_server_method());
    if (!tls || SSL_CTX_use_certificate_chain_file(tls, cert) != 1 ||
        SSL_CTX_use_PrivateKey_file(tls, key, SSL_FILETYPE_PEM) != 1) {
        fail_tls("certificate and key");
    }
    SSL_CTX_set_min_proto_version(tls, TLS1_2_VERSION);
    SSL_CTX_set_mode(tls, SSL_MODE_RELEASE_BUFFERS);
    return tls;
}

/* Listens on loopback; *port is the port wanted, 0 for any, and becomes the one that it is. */
static int open_listener(uint16_t *port)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int on = 1;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(*port)};
    socklen_t n = sizeof address;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
        bind(fd, (struct sockaddr *)&address, sizeof address) != 0 || listen(fd, 4096) != 0 ||
        getsockname(fd, (struct sockaddr *)&address, &n) != 0) {
        fail("listen");
    }
    *port = ntohs(address.sin_port);
    return fd;
}

static int open_signals(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigprocmask(SIG_BLOCK, &set, NULL);
    signal(SIGPIPE, SIG_IGN);
    int fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    if (fd < 0) {
        fail("signalfd");
    }
    return fd;
}

static void watch(const struct floor *f, const int *fd)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = (void *)fd};
    if (epoll_ctl(f->epoll, EPOLL_CTL_ADD, *fd, &event) != 0) {
        fail("epoll_ctl");
    }
}

static void raise_descriptor_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

static void usage(void)
{
    fputs("usage: bench-floor --cert FILE --key FILE [--port N] [--implicit]\n"
          "A sink for mail on 127.0.0.1: STARTTLS, or with --implicit TLS from the first byte. Prints "
          "\"ready PORT\".\n",
          stderr);
    exit(64);
}

static struct floor_options read_options(int argc, char **argv)
{
    struct floor_options o = {0};
    for (int i = 1; i < argc; i++) {
        const char *value = argv[i + 1]; /* argv ends with a NULL */
        if (strcmp(argv[i], "--implicit") == 0) {
            o.implicit = true;
            continue;
        }
        if (!value) {
            usage();
        }
        if (strcmp(argv[i], "--cert") == 0) {
            o.cert = value;
        } else if (strcmp(argv[i], "--key") == 0) {
            o.key = value;
        } else if (strcmp(argv[i], "--port") == 0) {
            char *end;
            unsigned long port = strtoul(value, &end, 10);
            if (*end || port > UINT16_MAX) {
                usage();
            }
            o.port = (uint16_t)port;
        } else {
            usage();
        }
        i++;
    }
    if (!o.cert || !o.key) {
        usage();
    }
    return o;
}

int main(int argc, char **argv)
{
    struct floor_options o = read_options(argc, argv);
    raise_descriptor_limit();
    struct floor f = {.implicit = o.implicit, .tls = open_tls(o.cert, o.key)};
    f.epoll = epoll_create1(EPOLL_CLOEXEC);
    f.signals = open_signals();
    f.listener = open_listener(&o.port);
    watch(&f, &f.signals);
    watch(&f, &f.listener);
    printf("ready %u\n", o.port);
    fflush(stdout);
    floor_run(&f);
    SSL_CTX_free(f.tls);
    return EXIT_SUCCESS;
}
