/* SPDX-License-Identifier: MIT */
/* What the two ways to start share. Of this room only. */
#ifndef GP_SERVER_WORKER_H
#define GP_SERVER_WORKER_H

#include "server/server.h"

/* The one process of an ordinary user's server. */
int server_run_single(const char *settings_path, const struct settings *settings);

#endif
