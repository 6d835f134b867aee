/* SPDX-License-Identifier: MIT */
/* What all subcommands share: reaching the server or its files, printing, asking for a password. */
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <termios.h>
#include <unistd.h>

#include "cli/cli.h"

enum { ERROR_MAX = 65536, PASSWORD_MAX = 1024 };

int cli_fail(int code, const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    fputs("gatepost: ", stderr);
    vfprintf(stderr, format, ap);
    fputc('\n', stderr);
    va_end(ap);
    return code;
}

const struct settings *cli_settings(const struct cli *cli)
{
    struct buf error = BUF_INIT(ERROR_MAX);
    const struct settings *settings = settings_load(cli->settings_path, &error);
    if (settings == NULL)
        fprintf(stderr, "%s\n", buf_str(&error));
    buf_free(&error);
    return settings;
}

static int ask_files(const struct settings *settings, const char *name, const json_t *args, json_t **data_r,
                     bool *locked_r, struct buf *error)
{
    int code = EXIT_SETTINGS;
    struct command_context *context = command_context_open(settings, &code, error);
    *locked_r = context == NULL && code == EXIT_TRY_AGAIN;
    if (context != NULL)
        code = command_run(context, name, args, data_r, error);
    command_context_close(&context);
    return code;
}

/* EXIT_NO_SERVER with *data_r NULL: nobody answered. */
static int ask_socket(const struct settings *settings, const char *name, const json_t *args, json_t **data_r,
                      struct buf *error)
{
    struct buf path = BUF_INIT(4096);
    int code = control_ask(control_path(settings, &path), name, args, data_r, error);
    buf_free(&path);
    return code;
}

/* The server, or its files; a server that has them already and does not answer yet gets some time. */
static int ask_either(const struct settings *settings, const char *name, const json_t *args, json_t **data_r,
                      struct buf *error)
{
    enum { WAIT_MS = 5000, STEP_US = 50000 };
    uint64_t end = clock_mono_ms() + WAIT_MS;
    for (;;) {
        bool locked = false;
        int code = ask_socket(settings, name, args, data_r, error);
        if (code != EXIT_NO_SERVER)
            return code;
        buf_clear(error);
        code = ask_files(settings, name, args, data_r, &locked, error);
        if (!locked || clock_mono_ms() >= end)
            return code;
        buf_clear(error);
        usleep(STEP_US);
    }
}

int cli_ask(const struct cli *cli, const char *name, json_t *args, json_t **data_r)
{
    struct buf error = BUF_INIT(ERROR_MAX);
    const struct settings *settings = cli_settings(cli);
    int code = EXIT_SETTINGS;
    *data_r = NULL;
    if (settings != NULL) {
        code = ask_either(settings, name, args, data_r, &error);
        if (error.len > 0)
            cli_fail(code, "%s", buf_str(&error));
    }
    if (json_is_null(*data_r)) {
        json_decref(*data_r);
        *data_r = NULL;
    }
    settings_release(&settings);
    buf_free(&error);
    json_decref(args);
    return code;
}

int cli_ask_server(const struct settings *settings, const char *name)
{
    struct buf error = BUF_INIT(ERROR_MAX);
    json_t *data = NULL;
    int code = ask_socket(settings, name, NULL, &data, &error);
    json_decref(data);
    buf_free(&error);
    return code;
}

void cli_print_json(const json_t *data)
{
    json_dumpf(data, stdout, JSON_INDENT(2));
    putchar('\n');
}

const char *cli_text(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text != NULL ? text : "";
}

/* ---- passwords ---- */

/* One line without its end. */
static bool read_line(int fd, struct buf *out)
{
    char c = '\0';
    ssize_t n = 0;
    while ((n = read(fd, &c, 1)) == 1 && c != '\n')
        if (!buf_add_char(out, c))
            return false;
    if (out->len > 0 && out->data[out->len - 1] == '\r')
        out->data[--out->len] = '\0';
    return n >= 0 && out->len > 0;
}

static bool read_hidden(const char *prompt, struct buf *out)
{
    struct termios before, hidden;
    if (tcgetattr(STDIN_FILENO, &before) != 0)
        return false;
    hidden = before;
    hidden.c_lflag &= ~(tcflag_t)ECHO;
    fputs(prompt, stderr);
    tcsetattr(STDIN_FILENO, TCSAFLUSH, &hidden);
    bool ok = read_line(STDIN_FILENO, out);
    tcsetattr(STDIN_FILENO, TCSAFLUSH, &before);
    fputc('\n', stderr);
    return ok;
}

bool cli_password(const struct cli *cli, struct buf *out_r)
{
    buf_init(out_r, PASSWORD_MAX);
    if (cli->options & OPTION_PASSWORD_STDIN) {
        if (read_line(STDIN_FILENO, out_r))
            return true;
        cli_fail(EXIT_USAGE, "standard input holds no password (1 to %d bytes on its first line)",
                 PASSWORD_MAX);
        return false;
    }
    if (!isatty(STDIN_FILENO)) {
        cli_fail(EXIT_USAGE, "there is no terminal to ask for the password on; use --password-stdin");
        return false;
    }
    struct buf again = BUF_INIT(PASSWORD_MAX);
    bool ok = read_hidden("Password: ", out_r) && read_hidden("Again: ", &again);
    bool same = ok && strcmp(buf_str(out_r), buf_str(&again)) == 0;
    buf_cleanse(&again);
    if (!same)
        cli_fail(EXIT_USAGE, ok ? "the two are not the same" : "no password was typed");
    return same;
}
