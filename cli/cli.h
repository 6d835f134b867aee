/* SPDX-License-Identifier: MIT */
/*
 * cli: the subcommands. Each is a row of the table in main.c; what it asks of the server it asks through
 * cli_ask, which works on the files when no server runs. Answers are JSON; text for people is made here.
 */
#ifndef GP_CLI_H
#define GP_CLI_H

#include "server/server.h"

enum cli_option {
    OPTION_JSON = 1 << 0,
    OPTION_PASSWORD_STDIN = 1 << 1,
    OPTION_ALL = 1 << 2,
};

struct cli {
    const char *settings_path;
    unsigned options; /* enum cli_option */
    char **args;      /* behind the subcommand's words */
    int n;
};

typedef int cli_fn(const struct cli *cli);
cli_fn cli_serve, cli_worker, cli_status, cli_help, cli_version;
cli_fn cli_account_add, cli_account_password, cli_account_list, cli_account_remove, cli_account_disable,
    cli_account_enable;
cli_fn cli_queue_list, cli_queue_show, cli_queue_retry, cli_queue_hold, cli_queue_remove;
cli_fn cli_settings_list, cli_settings_get, cli_settings_set, cli_settings_unset, cli_settings_check,
    cli_settings_sample, cli_settings_manual;

/* The settings of -c, or NULL after saying what is wrong with them (then the exit code is EXIT_SETTINGS).
 * Release them. */
const struct settings *cli_settings(const struct cli *cli);
/*
 * Runs a command of the server, or without one on its files. args (may be NULL) is taken over. Returns the
 * exit code, after saying what went wrong; *data_r is the answer or NULL, to be released.
 */
int cli_ask(const struct cli *cli, const char *name, json_t *args, json_t **data_r);
/* The same, on a running server only, and silent when there is none. */
int cli_ask_server(const struct settings *settings, const char *name);
/* Prints the answer as JSON. */
void cli_print_json(const json_t *data);
/* Text of a member, "" when there is none. */
const char *cli_text(const json_t *object, const char *key);
/* Prints to standard error, "gatepost: " in front; returns code. */
int cli_fail(int code, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Asks twice on the terminal without echo, or reads one line of standard input. False after saying why.
 * Cleanse *out_r. */
bool cli_password(const struct cli *cli, struct buf *out_r);

#endif
