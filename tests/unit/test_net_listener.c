/* SPDX-License-Identifier: MIT */
/* Listeners: IPv4, IPv6, both with one socket, addresses that cannot be had, and a process out of
 * descriptors. */
#include "net_help.h"

#include <sys/resource.h>

/* ---- who came ---- */

struct door {
    struct loop *loop;
    struct listener *listener;
    int fd; /* to be listened on */
    struct addr peer, local;
    int fds[64]; /* accepted; closed at the end */
    struct signpost came;
};

static void on_accepted(void *arg, int fd, const struct addr *peer, const struct addr *local)
{
    struct door *d = arg;
    pthread_mutex_lock(&d->came.lock);
    d->fds[d->came.count] = fd;
    d->peer = *peer;
    d->local = *local;
    pthread_mutex_unlock(&d->came.lock);
    signpost_raise(&d->came);
}

static void open_listener(void *arg)
{
    struct door *d = arg;
    d->listener = listener_open(d->loop, d->fd, on_accepted, d);
}

static void close_listener(void *arg)
{
    struct door *d = arg;
    listener_close(&d->listener);
}

static struct door *open_door(const char *host, uint16_t port)
{
    char address[80];
    struct buf error = BUF_INIT(256);
    struct door *d = xcalloc(1, sizeof *d);
    *d = (struct door){.came = SIGNPOST_INIT, .loop = start_loop()};
    snprintf(address, sizeof address, "%s:%u", host, port);
    d->fd = listener_bind(address, &error);
    if (d->fd < 0)
        fail_msg("%s", buf_str(&error));
    on_loop(d->loop, open_listener, d);
    assert_non_null(d->listener);
    return d;
}

static void close_door(struct door *d)
{
    on_loop(d->loop, close_listener, d);
    assert_null(d->listener);
    end_loop(&d->loop);
    for (int i = 0; i < d->came.count; i++)
        close(d->fds[i]);
    free(d);
}

static bool has_ipv6(void)
{
    int fd = tcp_connect("::1", 9);
    bool refused = errno == ECONNREFUSED;
    fd_close(&fd);
    return refused;
}

/* Connects from ip, whose address is what the listener must see. */
static void come(struct door *d, const char *ip, uint16_t port)
{
    char text[ADDR_TEXT_MAX];
    int before = signpost_count(&d->came);
    int fd = tcp_connect(ip, port);
    assert_true(fd >= 0);
    signpost_wait(&d->came, before + 1);
    assert_string_equal(addr_text(&d->peer, text), ip);
    assert_string_equal(addr_text(&d->local, text), ip);
    assert_int_equal(d->local.port, port);
    assert_int_not_equal(d->peer.port, 0);
    assert_true(fcntl(d->fds[before], F_GETFD) & FD_CLOEXEC);
    assert_true(fcntl(d->fds[before], F_GETFL) & O_NONBLOCK);
    close(fd);
}

static void ipv4(void **state)
{
    (void)state;
    uint16_t port = free_port(AF_INET);
    struct door *d = open_door("127.0.0.1", port);
    come(d, "127.0.0.1", port);
    come(d, "127.0.0.1", port);
    close_door(d);
    assert_int_equal(tcp_connect("127.0.0.1", port), -1);
}

static void ipv6(void **state)
{
    (void)state;
    if (!has_ipv6())
        skip();
    uint16_t port = free_port(AF_INET6);
    struct door *d = open_door("[::1]", port);
    come(d, "::1", port);
    assert_int_equal(tcp_connect("127.0.0.1", port), -1);
    close_door(d);
}

static void both_with_a_star(void **state)
{
    (void)state;
    uint16_t port = free_port(AF_INET);
    struct door *d = open_door("*", port);
    come(d, "127.0.0.1", port); /* an IPv4 address to us, though the socket is IPv6's */
    if (has_ipv6())
        come(d, "::1", port);
    close_door(d);
}

static void many_sockets_may_share_a_port(void **state)
{
    (void)state;
    uint16_t port = free_port(AF_INET);
    struct door *one = open_door("127.0.0.1", port), *two = open_door("127.0.0.1", port);
    int fds[16];
    for (size_t i = 0; i < COUNT_OF(fds); i++)
        fds[i] = tcp_connect("127.0.0.1", port);
    for (int i = 0; i < 1000 && signpost_count(&one->came) + signpost_count(&two->came) < 16; i++)
        pause_ms(10);
    assert_int_equal(signpost_count(&one->came) + signpost_count(&two->came), 16);
    for (size_t i = 0; i < COUNT_OF(fds); i++)
        close(fds[i]);
    close_door(one);
    close_door(two);
}

static void addresses_that_cannot_be_had(void **state)
{
    (void)state;
    static const struct {
        const char *address, *reason;
    } rows[] = {
        {"", "Invalid argument"},
        {"127.0.0.1", "Invalid argument"},
        {"127.0.0.1:0", "Invalid argument"},
        {"127.0.0.1:65536", "Invalid argument"},
        {"192.0.2.1:2525", "Cannot assign requested address"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct buf error = BUF_INIT(256), expected = BUF_INIT(256);
        assert_true(listener_bind(rows[i].address, &error) < 0);
        buf_printf(&expected, "cannot listen on %s: %s", rows[i].address, rows[i].reason);
        assert_string_equal(buf_str(&error), buf_str(&expected));
        buf_free(&error);
        buf_free(&expected);
    }
}

/* ---- no descriptor left ---- */

static double cpu_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void rests_when_there_are_no_descriptors(void **state)
{
    (void)state;
    struct rlimit limit, none;
    uint16_t port = free_port(AF_INET);
    struct door *d = open_door("127.0.0.1", port);
    int fds[3];
    getrlimit(RLIMIT_NOFILE, &limit);
    for (size_t i = 0; i < COUNT_OF(fds); i++)
        fds[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    none = (struct rlimit){(rlim_t)fds[2] + 1, limit.rlim_max}; /* all below are taken */
    int filler[16], fillers = 0;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    while (fillers < 16 && (filler[fillers] = dup(0)) >= 0)
        fillers++;
    struct sockaddr_in sin = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    for (size_t i = 0; i < COUNT_OF(fds); i++)
        assert_int_equal(connect(fds[i], (struct sockaddr *)&sin, sizeof sin),
                         0); /* the backlog takes them */
    double before = cpu_seconds();
    pause_ms(350);
    double used = cpu_seconds() - before;
    int came = signpost_count(&d->came);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    assert_int_equal(came, 0);
    assert_true(used < 0.2); /* it did not spin */
    signpost_wait(&d->came, 3);
    for (int i = 0; i < fillers; i++)
        close(filler[i]);
    for (size_t i = 0; i < COUNT_OF(fds); i++)
        close(fds[i]);
    close_door(d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ipv4),
        cmocka_unit_test(ipv6),
        cmocka_unit_test(both_with_a_star),
        cmocka_unit_test(many_sockets_may_share_a_port),
        cmocka_unit_test(addresses_that_cannot_be_had),
        cmocka_unit_test(rests_when_there_are_no_descriptors),
    };
    return cmocka_run_group_tests_name("net_listener", tests, NULL, NULL);
}
