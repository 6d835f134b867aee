/* SPDX-License-Identifier: MIT */
/*
 * The control socket: one JSON object and a line end to the server, one back: {"command","args"} and
 * {"exit","error","data"}. Mode 0600: root and the server's own user only.
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "server/commands.h"

enum {
    REQUEST_MAX = 65536,
    ANSWER_MAX = 256 << 20,
    REQUEST_S = 5, /* for a request to come in whole, and for an answer to be taken */
    ANSWER_S = 60, /* for the server to answer */
    TEXT_MAX = 8192,
};

struct control {
    pthread_t thread;
    int socket, stop; /* stop: an eventfd that wakes the thread */
    char *path;
    struct command_context *context;
};

/* ---- lines of JSON ---- */

static void set_timeout(int fd, int seconds)
{
    struct timeval wait = {.tv_sec = seconds};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof wait);
}

/* Reads up to a line end. */
static bool read_line(int fd, struct buf *line)
{
    char chunk[8192];
    while (memchr(buf_str(line), '\n', line->len) == NULL) {
        ssize_t n = recv(fd, chunk, sizeof chunk, 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0 || !buf_add(line, chunk, (size_t)n))
            return false;
    }
    explicit_bzero(chunk, sizeof chunk); /* requests may carry a password */
    return true;
}

static bool write_json(int fd, const json_t *json)
{
    char *text = json_dumps(json, JSON_COMPACT);
    bool ok = text != NULL && file_write_all(fd, text, strlen(text)) == 0 && file_write_all(fd, "\n", 1) == 0;
    if (text != NULL)
        explicit_bzero(text, strlen(text));
    free(text);
    return ok;
}

/* ---- server's side ---- */

static json_t *answer(struct control *control, const char *text, size_t n)
{
    json_error_t why;
    struct buf error = BUF_INIT(TEXT_MAX);
    json_t *request = json_loadb(text, n, 0, &why), *data = NULL;
    const char *name = json_string_value(json_object_get(request, "command"));
    int code = EXIT_USAGE;
    if (name == NULL)
        buf_add_str(&error, "not a request");
    else
        code = command_run(control->context, name, json_object_get(request, "args"), &data, &error);
    json_t *reply =
        json_pack("{s:i, s:s%, s:o?}", "exit", code, "error", buf_str(&error), error.len, "data", data);
    if (reply == NULL) /* a text that is not UTF-8 */
        reply = json_pack("{s:i, s:s}", "exit", code, "error", "failed, with a text that cannot be shown");
    buf_free(&error);
    json_decref(request);
    return reply;
}

static void serve_one(struct control *control, int fd)
{
    struct buf line = BUF_INIT(REQUEST_MAX);
    set_timeout(fd, REQUEST_S);
    if (read_line(fd, &line)) {
        json_t *reply = answer(control, line.data, line.len);
        write_json(fd, reply);
        json_decref(reply);
    }
    buf_cleanse(&line);
}

static void *thread_main(void *arg)
{
    struct control *control = arg;
    pthread_setname_np(pthread_self(), "control");
    struct pollfd fds[2] = {{control->socket, POLLIN, 0}, {control->stop, POLLIN, 0}};
    for (;;) {
        if (poll(fds, 2, -1) < 0 && errno != EINTR)
            break;
        if (fds[1].revents != 0)
            break;
        int fd = accept4(control->socket, NULL, NULL, SOCK_CLOEXEC);
        if (fd >= 0)
            serve_one(control, fd);
        fd_close(&fd);
    }
    return NULL;
}

static bool fill_address(const char *path, struct sockaddr_un *address, struct buf *error)
{
    *address = (struct sockaddr_un){.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof address->sun_path) {
        buf_printf(error, "control.socket: %s is longer than the system allows (%zu bytes)", path,
                   sizeof address->sun_path - 1);
        return false;
    }
    memcpy(address->sun_path, path, strlen(path) + 1);
    return true;
}

static int listen_at(const char *path, struct buf *error)
{
    struct sockaddr_un address;
    if (!fill_address(path, &address, error))
        return -1;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    unlink(path); /* the lock of data_dir says that nobody else uses it */
    mode_t mask = umask(0177);
    bool ok = fd >= 0 && bind(fd, (struct sockaddr *)&address, sizeof address) == 0 && listen(fd, 16) == 0;
    umask(mask);
    if (!ok) {
        buf_printf(error, "control.socket: cannot listen on %s: %s", path, strerror(errno));
        fd_close(&fd);
    }
    return fd;
}

struct control *control_start(const char *path, struct command_context *context, struct buf *error)
{
    int fd = listen_at(path, error);
    if (fd < 0)
        return NULL;
    struct control *control = xcalloc(1, sizeof *control);
    *control = (struct control){
        .socket = fd, .stop = eventfd(0, EFD_CLOEXEC), .path = xstrdup(path), .context = context};
    if (control->stop < 0 || pthread_create(&control->thread, NULL, thread_main, control) != 0) {
        buf_add_str(error, "control.socket: no thread for it");
        fd_close(&control->socket);
        fd_close(&control->stop);
        free(control->path);
        free(control);
        return NULL;
    }
    return control;
}

void control_stop(struct control **control)
{
    struct control *c = *control;
    if (c == NULL)
        return;
    *control = NULL;
    uint64_t one = 1;
    file_write_all(c->stop, &one, sizeof one);
    pthread_join(c->thread, NULL);
    unlink(c->path);
    fd_close(&c->socket);
    fd_close(&c->stop);
    free(c->path);
    free(c);
}

/* ---- command line's side ---- */

static int connect_to(const char *path, struct buf *error)
{
    struct sockaddr_un address;
    if (!fill_address(path, &address, error))
        return -1;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof address) != 0) {
        buf_printf(error, "no server answers on %s (%s)", path, strerror(errno));
        fd_close(&fd);
    }
    return fd;
}

static int read_answer(int fd, json_t **data_r, struct buf *error)
{
    struct buf line = BUF_INIT(ANSWER_MAX);
    json_error_t why;
    json_t *reply = read_line(fd, &line) ? json_loadb(line.data, line.len, 0, &why) : NULL;
    buf_free(&line);
    if (!json_is_object(reply)) {
        json_decref(reply);
        buf_add_str(error, "the server did not answer in time");
        return EXIT_NO_SERVER;
    }
    const char *text = json_string_value(json_object_get(reply, "error"));
    buf_add_str(error, text != NULL ? text : "");
    *data_r = json_incref(json_object_get(reply, "data"));
    int code = (int)json_integer_value(json_object_get(reply, "exit"));
    json_decref(reply);
    return code;
}

int control_ask(const char *path, const char *name, const json_t *args, json_t **data_r, struct buf *error)
{
    *data_r = NULL;
    int fd = connect_to(path, error);
    if (fd < 0)
        return EXIT_NO_SERVER;
    set_timeout(fd, ANSWER_S);
    json_t *request = json_pack("{s:s, s:O?}", "command", name, "args", args);
    int code = EXIT_NO_SERVER;
    if (request != NULL && write_json(fd, request))
        code = read_answer(fd, data_r, error);
    else
        buf_add_str(error, "the server took no request");
    json_decref(request);
    close(fd);
    return code;
}
