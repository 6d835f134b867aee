/* SPDX-License-Identifier: MIT */
/*
 * causes: why it happened, and what fixes it. Pure data: one table (causes/table.h). Whatever the server
 * refuses is a cause and parameters; the reply, the log line, commands and pages are made from that.
 */
#ifndef GP_CAUSES_H
#define GP_CAUSES_H

#include "base/base.h"

/* Who can mend it. */
enum cause_who { WHO_USER, WHO_ADMINISTRATOR, WHO_NETWORK, WHO_NOBODY };

/* Whether the reply carries the user's fix as further lines, or only its first line. */
enum cause_tell { TELL_FIX, TELL_TEXT };

enum cause_id {
    CAUSE_NONE,
#define CAUSE(name, id, title, who, code, enhanced, text, tell, user_fix, admin_fix) CAUSE_##name,
#include "causes/table.h"
#undef CAUSE
    CAUSE_COUNT
};

struct cause {
    const char *id; /* stable: "auth-stale-password" */
    const char *title;
    enum cause_who who;
    int code;             /* SMTP reply code (RFC 5321, section 4.2); 0: nothing is answered */
    const char *enhanced; /* RFC 3463; "" where none belongs: greetings, answers to EHLO (RFC 2034) */
    const char *text;     /* first line; {name} stands for a parameter */
    enum cause_tell tell;
    const char *user_fix;  /* plain words, lines separated by \n */
    const char *admin_fix; /* names the setting */
};

/* id must be below CAUSE_COUNT. CAUSE_NONE has the id "" and no code. Never NULL. */
const struct cause *cause_get(enum cause_id id);
/* By stable id, or CAUSE_NONE. */
enum cause_id cause_find(const char *id);
/*
 * The cause whose id a client may see (in `Help:` lines): auth-wrong in place of auth-stale-password, since
 * whoever guesses must not learn that a password was right once; every other one itself. Both have the same
 * reply.
 */
enum cause_id cause_told(enum cause_id id);
/* "user", "administrator", "network", "nobody". */
const char *cause_who_text(enum cause_who who);

struct cause_arg {
    const char *name;  /* as in {name} */
    const char *value; /* from outside: is escaped when filled in */
};
/*
 * Appends the template with its parameters filled in: escaped (pure ASCII, no line ends, also where they held
 * UTF-8) and cut to 200 bytes. A parameter that is missing, or NULL, appears as "-".
 */
void cause_fill(struct buf *out, const char *text, const struct cause_arg *args, size_t n);

#endif
