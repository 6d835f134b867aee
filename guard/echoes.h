/* SPDX-License-Identifier: MIT */
/*
 * Logins that come twice: by the session that asked the store, and by the store's own report. Whichever comes
 * second within a minute is the echo. Of fixed size; old ones give way.
 */
#ifndef GP_GUARD_ECHOES_H
#define GP_GUARD_ECHOES_H

#include "base/base.h"

enum echo_side { ECHO_SESSION, ECHO_REPORT };

struct echoes;
struct echoes *echoes_make(void);
void echoes_free(struct echoes **echoes);
/* name: a print of address, account, password and outcome. True: the other side told of it already. */
bool echoes_heard(struct echoes *echoes, uint64_t name, enum echo_side side, uint32_t now);
size_t echoes_bytes(const struct echoes *echoes);

#endif
