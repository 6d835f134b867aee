/* SPDX-License-Identifier: MIT */
/*
 * server: the processes. Started as root: the keeper (root, one thread, reads nothing from the network) and
 * the worker (the setting `user`, no capabilities), joined by a socketpair. Started by an ordinary user: one
 * process. Also the control socket by which commands reach a running server, and the commands themselves.
 */
#ifndef GP_SERVER_H
#define GP_SERVER_H

#include <jansson.h>

#include "base/base.h"
#include "settings/settings.h"

/* sysexits(3), as DESIGN says; the first also "1 nothing found". */
enum exit_code {
    EXIT_DONE = 0,
    EXIT_NOTHING = 1,
    EXIT_USAGE = 64,
    EXIT_NO_SERVER = 69,
    EXIT_SYSTEM = 71,
    EXIT_TRY_AGAIN = 75,
    EXIT_SETTINGS = 78,
};

/* `gatepost serve`: keeper, or the one process. Returns the exit code when the server has ended. */
int server_run(const char *settings_path);
/* `gatepost worker`, started by the keeper only, with the keeper's socket as descriptor 3. */
int server_run_worker(const char *settings_path);

/* Becomes `user` for good: groups, ids, no new privileges. False with a text when that fails. */
bool become_user(const char *user, struct buf *error);
/* Makes data_dir if it is missing; as root, for `user`. False with a text. */
bool prepare_data_dir(const struct settings *settings, struct buf *error);
/* control.socket, or its default. Returns out. */
const char *control_path(const struct settings *settings, struct buf *out);

/* ---- commands: the same whether the server runs them or, without one, the command line itself ---- */
struct command_context; /* what they work with */
/*
 * Runs the command of that name ("queue.list") with its arguments (an object, may be NULL). Returns the exit
 * code; *data_r is the answer (caller releases; NULL when there is none), error the text for people when it
 * failed.
 */
int command_run(struct command_context *context, const char *name, const json_t *args, json_t **data_r,
                struct buf *error);
/* A context on the files of a server that does not run: takes the lock of data_dir. NULL with text and exit
   code when it cannot (EXIT_TRY_AGAIN: another program has the lock, and may be a server that does not answer
   yet). */
struct command_context *command_context_open(const struct settings *settings, int *exit_r, struct buf *error);
void command_context_close(struct command_context **context);

/* Asks the running server. Like command_run; EXIT_NO_SERVER when nobody listens at path. */
int control_ask(const char *path, const char *name, const json_t *args, json_t **data_r, struct buf *error);

#endif
