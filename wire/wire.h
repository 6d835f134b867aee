/* SPDX-License-Identifier: MIT */
/*
 * wire: the language that the server's and the courier's conversations share: reply lines, addresses,
 * parameters, base64, dots, headers, dates. Bounded parsers over spans; no I/O, no state outside what the
 * caller holds.
 */
#ifndef GP_WIRE_H
#define GP_WIRE_H

#include "base/base.h"

/* ---- base64 (RFC 4648, section 4): strict alphabet, padding required, no line breaks, no stray bits ---- */

/* False: malformed, or out is full (then out->overflow); nothing was appended. */
bool base64_decode(struct span text, struct buf *out);
bool base64_encode(struct span bytes, struct buf *out);

/* ---- addresses (RFC 5321, section 4.1.2) ---- */
enum { LOCAL_PART_MAX = 64, DOMAIN_MAX = 255, ADDRESS_MAX = LOCAL_PART_MAX + 1 + DOMAIN_MAX };

struct address {
    char text[ADDRESS_MAX + 1]; /* as sent, without angle brackets and source route; "" is the null address */
    uint16_t local_len;         /* of the local part as written (quotes included) */
};
/* Start of the domain in text; "" when there is none ("postmaster" alone). */
const char *address_domain(const struct address *a);

enum path_kind { PATH_REVERSE, PATH_FORWARD };
/*
 * Takes a path off the start of *rest: "<a@b>", "<>" (reverse only), "<postmaster>" (forward only),
 * "<@x,@y:a@b>" (the route is checked and dropped). Lenient where clients are: blanks before it, and no
 * brackets at all. Local part: dot-string or quoted string; domain: labels or an address literal; 8-bit bytes
 * are refused (no SMTPUTF8). Afterwards *rest is empty or starts with a blank.
 * On false *rest is as before and *why_r is a short text ("no closing bracket") for the reply.
 */
bool path_parse(struct span *rest, enum path_kind kind, struct address *out_r, const char **why_r);
/* An address as it stands in settings and on the command line (no brackets; needs a domain). */
bool address_parse(struct span text, struct address *out_r, const char **why_r);
/* Lower-case domain, local part kept: for comparing addresses where the local part has case. */
void address_fold_domain(struct address *a);
/* All lower-case: the form in which accounts and mailboxes are compared here. */
void address_fold(struct address *a);

/*
 * Next "KEY" or "KEY=VALUE" behind a path (RFC 5321, section 4.1.2: esmtp-param). A key alone has an empty
 * value. False at the end (*why_r is NULL) or when malformed (then it is a short text).
 */
bool param_next(struct span *rest, struct span *key_r, struct span *value_r, const char **why_r);
/*
 * Undoes xtext (RFC 3461, section 4); any byte may come out. False when malformed, or when out is full (then
 * out->overflow); nothing was appended.
 */
bool xtext_decode(struct span text, struct buf *out);

/*
 * A host name or address literal as clients say in EHLO: any printable ASCII without spaces, 1 to 255 bytes
 * (we log it, we never rely on it; old Android says "[2001:db8::1]" without "IPv6:").
 */
bool helo_valid(struct span text);

/* ---- replies (RFC 5321, section 4.2) ---- */
/*
 * Appends text as a reply, one line per \n in it, each with code (200 to 599) and enhanced code ("" for
 * none): "550-5.7.1 ..." and "550 5.7.1 ...". A line that would pass 512 bytes goes on in a further one; what
 * is not printable ASCII or a tab becomes "?". False when out is full; nothing was appended.
 */
bool reply_format(struct buf *out, int code, const char *enhanced, const char *text);

/* Reads a peer's reply line by line (without line ends). */
struct reply {
    int code;          /* 0 until the first line */
    char enhanced[12]; /* "5.1.1" or "" */
    struct buf text;   /* the whole reply, lines joined with \n, codes kept; init with REPLY_INIT */
    bool complete;
    unsigned lines;
};
#define REPLY_INIT ((struct reply){.text = BUF_INIT(16384)})
/* For the next one; keeps memory (which buf_free(&r->text) frees). */
void reply_clear(struct reply *r);
/* False: not a reply (no three digits, codes differ, over 200 lines or 16 KiB, a line behind the last). */
bool reply_add_line(struct reply *r, struct span line);

/* ---- end of data and dots (RFC 5321, sections 4.5.2 and 2.3.8) ---- */
/*
 * What a client sends after DATA, turned into the message. Only CRLF . CRLF ends it; a dot is unstuffed only
 * behind a real CRLF (or at the start). Line ends come out as CRLF. A bare CR or LF sets the flag, and is
 * turned into CRLF after dots were dealt with.
 */
struct dot_decoder {
    unsigned state;
    bool bare_lf, bare_cr; /* were there any? */
    size_t line_len;       /* bytes of the line under way, as decoded */
    size_t line_max_seen;  /* bytes of the longest line so far, as decoded, without its CRLF */
};
void dot_decoder_init(struct dot_decoder *d);
/*
 * Decodes up to n bytes at in into out (room for 2 * n + 4 bytes; must not overlap); *out_n_r bytes were
 * written. Returns how many bytes of in were used: less than n only when the end mark was found, then *end_r
 * is true (else false) and what follows belongs to the next command. After the end nothing more is used.
 */
size_t dot_decode(struct dot_decoder *d, const char *in, size_t n, char *out, size_t *out_n_r, bool *end_r);

/* The other direction: message (CRLF lines; stray CR or LF are made CRLF) to the bytes behind DATA. */
struct dot_encoder {
    unsigned state;
};
void dot_encoder_init(struct dot_encoder *e);
/* Both: false when out is full; it then ends amid the message, and the transaction is to be given up. */
bool dot_encode(struct dot_encoder *e, const char *in, size_t n, struct buf *out);
/* Adds CRLF if the last line lacks it, then ".\r\n". */
bool dot_encode_end(struct dot_encoder *e, struct buf *out);

/* ---- header of a message that comes in (RFC 5322; RFC 6409, section 8) ---- */
struct header_filter; /* reads the decoded message as it arrives, lets the body pass */

struct header_rules {
    size_t max_header;     /* bytes of header fields in all, as they came in */
    size_t max_line;       /* bytes of one line with its CRLF, in header and body */
    unsigned max_received; /* Received fields allowed */
    bool complete; /* submission: add Date and Message-ID if missing, drop Bcc, Resent-Bcc, Return-Path */
    const char *hostname; /* for Message-ID */
    const char *id;       /* queue id, for Message-ID */
    int64_t now;          /* for Date: wall seconds */
};
enum header_result {
    HEADER_OK,
    HEADER_TOO_LARGE,
    HEADER_LINE_TOO_LONG,
    HEADER_LOOP,
    HEADER_FULL, /* out's cap */
};

/* rules is copied, its strings must stay valid. */
struct header_filter *header_filter_make(const struct header_rules *rules);
void header_filter_free(struct header_filter **f);
/*
 * Takes decoded bytes (CRLF lines only) and appends what is to be kept to out. The header ends at the first
 * empty line; a line that is no field ends it, too, and then an empty one is put before it. Once it returned
 * anything but OK it stays so, and what is in out is to be dropped.
 */
enum header_result header_filter_add(struct header_filter *f, const char *data, size_t n, struct buf *out);
/* At the end of the message. Appends what is still missing. */
enum header_result header_filter_end(struct header_filter *f, struct buf *out);
/* The first Message-ID (with brackets; ours if added) and Subject, unfolded, cut to 255 bytes, or "". */
const char *header_filter_message_id(const struct header_filter *f);
const char *header_filter_subject(const struct header_filter *f);

/* "Tue, 24 Nov 2026 21:57:52 +0000" (RFC 5322, section 3.3), in UTC, whatever the locale. */
#define DATE_TEXT_MAX 40
void date_rfc5322(int64_t wall_s, char out[DATE_TEXT_MAX]);

#endif
