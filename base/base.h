/* SPDX-License-Identifier: MIT */
/*
 * base: what every room needs and nothing that knows of mail: capped buffers, text, numbers and durations
 * from outside, clocks, addresses, files, random bytes.
 *
 * Memory: xmalloc and friends never return NULL; a process that cannot get a few bytes ends (the keeper
 * starts it again, and nothing that was acknowledged is lost).
 */
#ifndef GP_BASE_H
#define GP_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/text.h"

#define COUNT_OF(a)           (sizeof(a) / sizeof((a)[0]))
#define CONTAINER_OF(p, t, m) ((t *)(void *)((char *)(p)-offsetof(t, m)))

/* ---- memory ---- */
void *xmalloc(size_t n);
void *xcalloc(size_t n, size_t size); /* zeroed */
void *xrealloc(void *p, size_t n);
char *xstrdup(const char *s);
char *xstrndup(const char *s, size_t n);

/* ---- clocks ---- */
uint64_t clock_mono_ms(void); /* milliseconds of CLOCK_MONOTONIC: for waits and ages */
uint64_t clock_mono_us(void); /* microseconds of the same */
int64_t clock_wall(void);     /* seconds since 1970: for what is stored and shown */
int64_t clock_wall_ms(void);  /* milliseconds since 1970 */

/* Writes an RFC 3339 time in UTC ("2026-11-24T21:57:52Z") into out. */
#define TIME_TEXT_MAX 32
void time_rfc3339(int64_t wall_s, char out[TIME_TEXT_MAX]);

/* ---- network addresses ---- */
struct addr {
    uint8_t bytes[16]; /* network order; an IPv4 address fills the first four */
    uint16_t port;     /* host order; 0 when there is none */
    uint8_t family;    /* AF_INET, AF_INET6, or 0: none */
};
#define ADDR_TEXT_MAX 64

/* Takes a socket address; an IPv4-mapped IPv6 address becomes IPv4. Another family gives family 0. */
struct addr addr_from_sockaddr(const struct sockaddr *sa);
/* Fills *sa_r, returns its length; 0 when the family is none. */
socklen_t addr_to_sockaddr(const struct addr *a, struct sockaddr_storage *sa_r);
/*
 * Parses an IP address without port ("192.0.2.7", "2001:db8::1"); IPv4-mapped IPv6 becomes IPv4. False and
 * *a_r untouched when it is none.
 */
bool addr_parse(const char *text, struct addr *a_r);
/* The address alone, "192.0.2.7"; "-" when none. Returns out. */
const char *addr_text(const struct addr *a, char out[ADDR_TEXT_MAX]);
bool addr_equal(const struct addr *a, const struct addr *b); /* ports are not compared */
bool addr_is_loopback(const struct addr *a);

/* ---- files ---- */
/*
 * Reads a whole file of at most max bytes into *out_r, which needs no init (NUL-terminated behind len). 0, or
 * -errno (EFBIG when larger).
 */
int file_read(const char *path, size_t max, struct buf *out_r);
/* The same from an open descriptor, from its beginning; the descriptor stays open. */
int file_read_fd(int fd, size_t max, struct buf *out_r);
/* Writes all n bytes, through short writes and EINTR. 0 or -errno. */
int file_write_all(int fd, const void *data, size_t n);
/* Replaces path by the n bytes at data: written beside it, synced, renamed, folder synced. 0 or -errno. */
int file_replace(const char *path, const void *data, size_t n, mode_t mode);
/* fsync of a folder. 0 or -errno. */
int dir_sync(const char *path);
/* Makes the folder and the missing ones above it, each name synced. 0 (also when it is there) or -errno. */
int dir_make(const char *path, mode_t mode);
/* Closes *fd if it is >= 0 and sets it to -1. */
void fd_close(int *fd);

/* ---- random ---- */
void random_bytes(void *out, size_t n); /* from the kernel; ends the process when there are none */
uint64_t random_below(uint64_t limit);  /* uniform in [0, limit); limit > 0 */

#endif
