/* SPDX-License-Identifier: MIT */
/* Threads without signals. */
#include "auth/thread.h"

#include <signal.h>

int thread_start(pthread_t *thread_r, const char *name, void *(*main)(void *arg), void *arg)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before); /* the new thread inherits it */
    int error = pthread_create(thread_r, NULL, main, arg);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (error == 0)
        pthread_setname_np(*thread_r, name);
    return -error;
}
