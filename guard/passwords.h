/* SPDX-License-Identifier: MIT */
/*
 * Prints of the passwords that were right for one account, the one that was right last first. Two are the
 * same by the print of the password where both have one, else by Dovecot's pwhash, whose 12 bits leave a
 * doubt.
 */
#ifndef GP_GUARD_PASSWORDS_H
#define GP_GUARD_PASSWORDS_H

#include "base/base.h"

enum {
    PASSWORDS_MAX = 4,
    PASSWORD_NO_PWHASH = 0xffff,
    PASSWORD_KEPT_FOR = 90 * 24 * 3600, /* seconds; as long as the local store keeps replaced hashes */
};

struct password {
    uint32_t print;       /* of the password alone; 0: unknown */
    uint32_t first, last; /* when it was right; last 0: none */
    uint16_t pwhash;      /* or PASSWORD_NO_PWHASH */
};
struct passwords {
    struct password list[PASSWORDS_MAX];
};

/*
 * It was right at its `last` (and `first`). *seen becomes what is known of it now. True if it was not known,
 * or less was. One without any print is not taken in.
 */
bool passwords_mark(struct passwords *known, struct password *seen);
/*
 * Was it right, not too long ago? *surely_r: without the doubt of pwhash. *replaced_r: when the next one was
 * first seen; 0 if it is the one that was right last.
 */
bool passwords_have(const struct passwords *known, const struct password *tried, uint32_t now, bool *surely_r,
                    uint32_t *replaced_r);

#endif
