/* SPDX-License-Identifier: MIT */
/*
 * Supplies: the descriptors that only root may open (settings, certificate, key, relay password, listening
 * sockets) and how they travel from the keeper to the worker: one fixed-size message each over a
 * SOCK_SEQPACKET pair, with the descriptor beside it.
 */
#ifndef GP_SERVER_SUPPLIES_H
#define GP_SERVER_SUPPLIES_H

#include "server/server.h"

enum supply_kind {
    SUPPLY_SETTINGS,
    SUPPLY_CERTIFICATE,
    SUPPLY_KEY,
    SUPPLY_PASSWORD,
    SUPPLY_FILES, /* how many kinds of file there are */
    SUPPLY_LISTENER = SUPPLY_FILES,
    SUPPLY_COMPLETE, /* all of a start or a reload was sent */
    SUPPLY_READY,    /* worker to keeper: it serves */
    SUPPLY_RELOAD,   /* worker to keeper: please send the files again */
    SUPPLY_KINDS
};

enum { LISTENERS_MAX = 3 * 64 };

struct supply_listener {
    int fd;
    uint32_t kind; /* enum listener_kind */
    uint32_t loop;
};
struct supplies {
    int files[SUPPLY_FILES];           /* -1: none, or it could not be opened */
    int errors[SUPPLY_FILES];          /* errno of the latter */
    struct supply_listener *listeners; /* each loop has a socket of its own for each address */
    size_t listener_count;
};

void supplies_init(struct supplies *s);
void supplies_close(struct supplies *s);
/* Opens the files that the settings name (the settings file itself by path). What cannot be opened is noted
 * in errors. */
void supplies_open_files(struct supplies *s, const struct settings *settings, const char *settings_path);
/* Binds listen.* for n loops. False with a text. */
bool supplies_listen(struct supplies *s, const struct settings *settings, size_t n, struct buf *error);
/* How many loops the settings ask for. */
size_t supplies_loops(const struct settings *settings);

/* One message. 0, or -errno; fd -1 for none. */
int supply_send(int socket, enum supply_kind kind, uint32_t a, uint32_t b, int fd);
/* All of it, then SUPPLY_COMPLETE. */
int supplies_send(int socket, const struct supplies *s);
/* Receives one message into *s (nothing is done for READY, RELOAD). 1: done, 0: the other side is gone,
 * -errno (-EPROTO: not one of ours). */
int supply_receive(int socket, struct supplies *s, enum supply_kind *kind_r);

#endif
