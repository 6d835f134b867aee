/* SPDX-License-Identifier: MIT */
/* What commands work with. Of this room only. */
#ifndef GP_SERVER_COMMANDS_H
#define GP_SERVER_COMMANDS_H

#include "auth/auth.h"
#include "courier/courier.h"
#include "journal/journal.h"
#include "server/server.h"
#include "smtp/smtp.h"
#include "spool/spool.h"

struct command_context {
    struct settings_cell *settings;
    struct auth *auth;
    struct spool *spool;
    /* only within a running server: */
    struct journal *journal;
    struct smtp *smtp;
    int64_t started_at;
    void (*reload)(void *arg); /* any thread: asks for the settings to be read again */
    void *arg;
    /* only without one: */
    int lock;
};

/*
 * Takes data_dir's lock, so that no two programs work on its files; waits at most wait_ms for one that holds
 * it. The descriptor, or -1 with a text (errno EWOULDBLOCK: another has it).
 */
int data_dir_lock(const char *data_dir, uint64_t wait_ms, struct buf *error);

/* The control socket: a thread that answers one request at a time. */
struct control;
struct control *control_start(const char *path, struct command_context *context, struct buf *error);
void control_stop(struct control **control);

#endif
