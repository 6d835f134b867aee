/* SPDX-License-Identifier: MIT */
/*
 * settings: one table (settings/table.h) of name, type, default, range and text. The parser, the sample file,
 * doc/settings.md and `gatepost settings` are made from it. A set of settings never changes once it was read;
 * a reload makes a new one, and whoever still holds the old one keeps it until released.
 */
#ifndef GP_SETTINGS_H
#define GP_SETTINGS_H

#include "base/base.h"

struct setting_list {
    char **items;
    size_t n;
};

#define SETTING_TYPE_TEXT  char *              /* free text; "" when not set */
#define SETTING_TYPE_FLAG  bool                /* yes | no */
#define SETTING_TYPE_COUNT uint64_t            /* a number */
#define SETTING_TYPE_SIZE  uint64_t            /* bytes */
#define SETTING_TYPE_TIME  uint64_t            /* seconds */
#define SETTING_TYPE_LIST  struct setting_list /* words, separated by spaces or commas */
#define SETTING_TYPE_WORD  unsigned /* one of the words of the default column, "a|b|c": index of the word */

struct settings {
#define SETTING(kind, field, name, fallback, min, max, when, text) SETTING_TYPE_##kind field;
#include "settings/table.h"
#undef SETTING
    char *path; /* the file it was read from; "" for defaults only */
};

/*
 * Reads the file and checks every row, and what rows demand of each other. Returns a set that the caller
 * holds (release it), or NULL with one line per mistake in *error ("FILE:LINE: reason", with "did you mean"
 * for an unknown name).
 */
const struct settings *settings_load(const char *path, struct buf *error);
/* The same from an open descriptor (the worker gets one from the keeper); path is only for messages. */
const struct settings *settings_load_fd(int fd, const char *path, struct buf *error);

/* A set of all defaults, which the caller holds. */
const struct settings *settings_defaults(void);

/* One more holder, one less; the last one frees. Any thread. settings_release nulls the pointer. */
const struct settings *settings_hold(const struct settings *s);
void settings_release(const struct settings **s);

/* The place where the settings in force are found: one a process. Any thread. */
struct settings_cell;
struct settings_cell *settings_cell_make(const struct settings *first); /* takes over the caller's hold */
void settings_cell_free(struct settings_cell **cell);
const struct settings *settings_cell_get(struct settings_cell *cell); /* the caller holds the result */
void settings_cell_set(struct settings_cell *cell,
                       const struct settings *next); /* takes over the caller's hold */

/*
 * "*:587", "192.0.2.1:587", "[2001:db8::1]:587" or "name:587", as in listen.*: the host without brackets
 * ("*": all addresses, IPv4 and IPv6) and the port. False, and nothing written, when text is none of these.
 */
bool settings_parse_listen(const char *text, char host_r[64], uint16_t *port_r);
/* "HOST", "HOST:PORT" or "[v6]:PORT", as in relay.smarthost and behind lmtp:. fallback_port 0: the port must
 * be there. */
bool settings_parse_host(struct span text, uint16_t fallback_port, char host_r[256], uint16_t *port_r);

/*
 * "192.0.2.7", "192.0.2.0/24", "2001:db8::/32" (or IPv4 in its IPv6 form), as in guard.allow: the address
 * with all bits behind the network's cleared, and how many bits count (0 to 32, 0 to 128). False, and nothing
 * written, when text is none of these.
 */
bool settings_parse_network(struct span text, struct addr *address_r, unsigned *bits_r);

/* ---- what the command line needs of the table ---- */
enum setting_when {
    WHEN_RELOAD,
    WHEN_RESTART,
    WHEN_LATER, /* read and checked, but what it governs is not part of the server yet */
};
struct setting_info {
    /*
     * kind in words for people: "text", "yes or no", "number", "size", "duration", "list", "choice". fallback
     * is the table's default column, for a choice all its words; settings_value of settings_defaults() gives
     * the default alone.
     */
    const char *name, *kind, *fallback, *text;
    enum setting_when when;
};
size_t settings_count(void);
const struct setting_info *settings_info(size_t i); /* i < settings_count() */
/* Appends what row i allows: "1s to 5m", "1.2, 1.3, 1.1 or 1.0"; nothing when it has no bounds. */
void settings_bounds(size_t i, struct buf *out);
/* Writes the value of row i as it would stand in the file. */
void settings_value(const struct settings *s, size_t i, struct buf *out);
/* Row of that name, or -1; then *near_r names the most similar one, or NULL. near_r may be NULL. */
int settings_find(const char *name, const char **near_r);
/*
 * Sets name to value in the file at path: checked as a whole first, comments and order kept, replaced
 * atomically, mode and owner kept; value NULL takes the line out again. 0, or -1 with the reason in *error
 * and the file untouched.
 */
int settings_file_set(const char *path, const char *name, const char *value, struct buf *error);
/* The sample file with a comment per setting, and doc/settings.md. */
void settings_sample(struct buf *out);
void settings_manual(struct buf *out);

#endif
