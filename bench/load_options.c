/* SPDX-License-Identifier: MIT */
/* The command line of the load generator: one table of options with types and ranges, from which the help is
 * made. */
#include "load_options.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum kind { KIND_FLAG, KIND_TEXT, KIND_NUMBER, KIND_SIZE, KIND_TLS, KIND_HOLD };

struct option_row {
    const char *name;
    enum kind kind;
    size_t offset;
    uint64_t min, max;
    const char *values;
    const char *text;
};

#define AT(field) offsetof(struct load_options, field)

static const struct option_row rows[] = {
    {"host", KIND_TEXT, AT(host), 0, 0, "ADDRESS", "numeric address of the server (127.0.0.1)"},
    {"port", KIND_NUMBER, AT(port), 1, 65535, "N", "port of the server (2587)"},
    {"tls", KIND_TLS, AT(tls), 0, 0, "KIND", "starttls (default), implicit or none"},
    {"connections", KIND_NUMBER, AT(connections), 1, 60000, "N", "connections at once (20)"},
    {"sessions", KIND_NUMBER, AT(sessions), 1, 1000000000, "N", "sessions in all (1000)"},
    {"messages", KIND_NUMBER, AT(messages), 1, 1000000000, "N", "messages a session (1)"},
    {"size", KIND_SIZE, AT(size), 512, 1 << 30, "BYTES",
     "header and body of a message, K and M may follow (4096)"},
    {"user", KIND_TEXT, AT(user), 0, 0, "NAME", "login by AUTH PLAIN (without it: no login)"},
    {"password-file", KIND_TEXT, AT(password_file), 0, 0, "FILE", "its first line is the password"},
    {"from", KIND_TEXT, AT(from), 0, 0, "ADDRESS", "sender (the user, else bench@example.com)"},
    {"to", KIND_TEXT, AT(to), 0, 0, "ADDRESS", "recipient (bench@example.com)"},
    {"resume", KIND_FLAG, AT(resume), 0, 0, "", "resume TLS sessions, as a client does that comes back"},
    {"no-pipelining", KIND_FLAG, AT(no_pipelining), 0, 0, "",
     "wait for every reply even if PIPELINING is offered"},
    {"hold", KIND_HOLD, AT(hold), 1, 60000, "N SECONDS",
     "open N connections, log in, print \"held N\", keep them until stdin closes"},
    {"duration", KIND_NUMBER, AT(duration), 1, 86400, "SECONDS", "sessions without end for so long"},
    {"timeout", KIND_NUMBER, AT(timeout), 1, 3600, "SECONDS", "without progress a session has failed (30)"},
    {"max-errors", KIND_NUMBER, AT(max_errors), 1, 1000000000, "N",
     "failed sessions that end the run (1000)"},
    {"json", KIND_FLAG, AT(json), 0, 0, "", "report as one JSON object"},
};
#define ROWS (sizeof rows / sizeof rows[0])

static const char *const tls_names[] = {
    [LOAD_TLS_STARTTLS] = "starttls", [LOAD_TLS_IMPLICIT] = "implicit", [LOAD_TLS_NONE] = "none"};

static void usage(void)
{
    fputs("usage: bench-load [OPTIONS]\nHands in mail by SMTP and reports how long each step took.\n",
          stderr);
    for (size_t i = 0; i < ROWS; i++) {
        char left[64];
        snprintf(left, sizeof left, "--%s %s", rows[i].name, rows[i].values);
        fprintf(stderr, "  %-24s %s\n", left, rows[i].text);
    }
}

static bool read_number(const char *text, uint64_t min, uint64_t max, bool units, uint64_t *out_r)
{
    if (text[0] < '0' || text[0] > '9' || strlen(text) > 12) {
        return false;
    }
    char *end;
    uint64_t n = strtoull(text, &end, 10);
    if (units && (*end == 'K' || *end == 'M')) {
        n *= *end == 'K' ? 1024U : 1024U * 1024U;
        end++;
    }
    if (*end || n < min || n > max) {
        return false;
    }
    *out_r = n;
    return true;
}

static bool read_tls(const char *text, enum load_tls *out_r)
{
    for (size_t i = 0; i < sizeof tls_names / sizeof tls_names[0]; i++) {
        if (strcmp(text, tls_names[i]) == 0) {
            *out_r = (enum load_tls)i;
            return true;
        }
    }
    return false;
}

static int values_of(enum kind kind)
{
    return kind == KIND_FLAG ? 0 : kind == KIND_HOLD ? 2 : 1;
}

/* values has as many texts as the kind wants. */
static bool read_row(struct load_options *o, const struct option_row *row, char *const *values)
{
    void *field = (char *)o + row->offset;
    switch (row->kind) {
    case KIND_FLAG: *(bool *)field = true; return true;
    case KIND_TEXT: *(const char **)field = values[0]; return true;
    case KIND_NUMBER: return read_number(values[0], row->min, row->max, false, field);
    case KIND_SIZE: return read_number(values[0], row->min, row->max, true, field);
    case KIND_TLS: return read_tls(values[0], field);
    case KIND_HOLD:
        return read_number(values[0], row->min, row->max, false, field) &&
               read_number(values[1], 1, 86400, false, &o->hold_seconds);
    }
    return false;
}

static const struct option_row *find_row(const char *argument)
{
    for (size_t i = 0; i < ROWS; i++) {
        if (strncmp(argument, "--", 2) == 0 && strcmp(argument + 2, rows[i].name) == 0) {
            return &rows[i];
        }
    }
    return NULL;
}

static bool read_all(struct load_options *o, int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        const struct option_row *row = find_row(argv[i]);
        if (!row || argc - 1 - i < values_of(row->kind) || !read_row(o, row, argv + i + 1)) {
            usage();
            if (strcmp(argv[i], "--help") != 0) {
                fprintf(stderr, "bench-load: cannot use %s\n", argv[i]);
            }
            return false;
        }
        i += values_of(row->kind);
    }
    return true;
}

bool load_options_read(struct load_options *o, int argc, char **argv)
{
    *o = (struct load_options){.host = "127.0.0.1",
                               .port = 2587,
                               .connections = 20,
                               .sessions = 1000,
                               .messages = 1,
                               .size = 4096,
                               .to = "bench@example.com",
                               .timeout = 30,
                               .max_errors = 1000};
    if (!read_all(o, argc, argv)) {
        return false;
    }
    if (!o->user != !o->password_file) {
        fputs("bench-load: --user and --password-file belong together\n", stderr);
        return false;
    }
    if (!o->from) {
        o->from = o->user ? o->user : "bench@example.com";
    }
    if (o->hold) {
        o->connections = o->hold;
    }
    return true;
}
