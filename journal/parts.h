/* SPDX-License-Identifier: MIT */
/* The pieces that log lines are made of; of this room only. Each appends to out, and nothing where the event
 * has nothing. */
#ifndef GP_JOURNAL_PARTS_H
#define GP_JOURNAL_PARTS_H

#include "journal/journal.h"

/* How many bytes of a text a line shows. */
enum { SHOW_WORD = 320, SHOW_SUBJECT = 100, SHOW_TEXT = 512, SHOW_ANSWER = 1024, SHOW_LIST = 8192 };

bool part_set(const char *text); /* neither NULL nor "" */

/* Text of a stranger, escaped; blanks and UTF-8 stay. For the last place before our own `"` or line end. */
void part_text(struct buf *out, const char *text, size_t max);
/*
 * The same as one word: blanks are escaped, so that it cannot pose as further fields of the line. So is all
 * that is not ASCII: Python, and with it fail2ban, takes some of that for blanks.
 */
void part_word(struct buf *out, const char *text);
void part_field(struct buf *out, const char *name, const char *text); /* name, then the word */
void part_number(struct buf *out, const char *before, uint64_t value, const char *behind);

void part_host(struct buf *out, const struct event *e);    /* "(helo) [ip]:port" */
void part_tls(struct buf *out, const struct event *e);     /* " X=TLS1.3:...:256 CV=no" */
void part_login(struct buf *out, const struct event *e);   /* " A=plain:user" */
void part_sender(struct buf *out, const struct event *e);  /* " F=<a@b>"; the null sender is "<>" */
void part_elapsed(struct buf *out, const struct event *e); /* " D=1m30s" */

/* The first line that was answered, without codes: reply, else the cause's text filled in, else detail. */
void part_reply(struct buf *out, const struct event *e);
int part_reply_code(const struct event *e); /* 0: none */

#endif
