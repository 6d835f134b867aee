/* SPDX-License-Identifier: MIT */
/* The allow list: networks with where they come from and why. Asked often, changed seldom. */
#ifndef GP_GUARD_ALLOW_H
#define GP_GUARD_ALLOW_H

#include "guard/netset.h"

struct allow_entry {
    struct key_net net;
    enum guard_allow_source source;
    uint32_t since;
    char *note; /* the list's */
};

struct allow;
struct allow *allow_make(uint32_t max);
void allow_free(struct allow **allow);

/* Adds an entry; one by command replaces another of the same network. False when the list is full. */
bool allow_put(struct allow *allow, const struct key_net *net, enum guard_allow_source source, uint32_t since,
               const char *note);
/* Takes out the entry by command of exactly this network. False if there is none. */
bool allow_remove(struct allow *allow, const struct key_net *net);
/* Takes out those of one source for which gone says so. */
void allow_remove_if(struct allow *allow, enum guard_allow_source source,
                     bool (*gone)(const void *arg, const char *note), const void *arg);

/* All of them as a set; valid until the next change. */
const struct netset *allow_set(struct allow *allow);
uint32_t allow_count(const struct allow *allow);
const struct allow_entry *allow_at(const struct allow *allow, uint32_t i); /* i < allow_count */
size_t allow_bytes(const struct allow *allow);

#endif
