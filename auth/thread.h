/* SPDX-License-Identifier: MIT */
/* Threads of this room: they take no signals (those are for the process' main thread). */
#ifndef GP_AUTH_THREAD_H
#define GP_AUTH_THREAD_H

#include <pthread.h>

/* Starts main(arg) under a name of at most 15 bytes. 0 or -errno. */
int thread_start(pthread_t *thread_r, const char *name, void *(*main)(void *arg), void *arg);

#endif
