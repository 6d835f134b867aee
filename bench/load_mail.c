/* SPDX-License-Identifier: MIT */
/* See load_mail.h. */
#include "load_mail.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define WORD_MAX     254 /* of an address or a password */
#define LINE_LENGTH  76
#define END_OF_DATA  ".\r\n"
#define PLAIN_MAX    (2 * WORD_MAX + 2)
#define AUTH_COMMAND "AUTH PLAIN "

__attribute__((format(printf, 1, 2))) static struct load_text text_of(const char *format, ...)
{
    struct load_text text = {0};
    va_list args;
    va_start(args, format);
    int n = vasprintf(&text.p, format, args);
    va_end(args);
    if (n < 0) {
        perror("bench-load");
        exit(EXIT_FAILURE);
    }
    text.n = (size_t)n;
    return text;
}

/* Whether an address can be put into a command as it is. */
static bool good_word(const char *word)
{
    size_t n = strlen(word);
    bool good = n > 0 && n <= WORD_MAX;
    for (size_t i = 0; i < n; i++) {
        good = good && word[i] > ' ' && word[i] != '<' && word[i] != '>' && word[i] != 0x7f;
    }
    if (!good) {
        fprintf(stderr, "bench-load: not an address: %s\n", word);
    }
    return good;
}

static bool read_password(const char *file, char out[WORD_MAX + 2])
{
    FILE *in = fopen(file, "re");
    bool ok = in && fgets(out, WORD_MAX + 2, in);
    if (ok) {
        out[strcspn(out, "\r\n")] = '\0';
    }
    if (!ok || out[0] == '\0') {
        fprintf(stderr, "bench-load: no password in %s\n", file);
        ok = false;
    }
    if (in) {
        fclose(in);
    }
    return ok;
}

/* The initial response NUL user NUL password in base64 (RFC 4616, 2; RFC 4954, 4). */
static bool make_auth(struct load_mail *m, const struct load_options *o)
{
    char password[WORD_MAX + 2], plain[PLAIN_MAX + 1];
    unsigned char encoded[4 * (PLAIN_MAX + 2) / 3 + 1];
    if (!o->user) {
        m->auth = text_of("%s", "");
        return true;
    }
    if (!good_word(o->user) || !read_password(o->password_file, password)) {
        return false;
    }
    int n = snprintf(plain, sizeof plain, "%c%s%c%s", 0, o->user, 0, password);
    EVP_EncodeBlock(encoded, (const unsigned char *)plain, n);
    m->auth = text_of(AUTH_COMMAND "%s\r\n", (const char *)encoded);
    OPENSSL_cleanse(password, sizeof password);
    OPENSSL_cleanse(plain, sizeof plain);
    OPENSSL_cleanse(encoded, sizeof encoded);
    return true;
}

/* Lines of letters and digits: CRLF at the end of each, no dot anywhere. left is at least 2. */
static void fill_body(char *p, size_t left)
{
    static const char alphabet[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+/";
    uint32_t random = 2463534242U; /* xorshift32: the same body in every run */
    while (left > 0) {
        size_t n = left <= LINE_LENGTH + 4 ? left - 2 : LINE_LENGTH; /* never leaves less than a CRLF */
        for (size_t i = 0; i < n; i++) {
            random ^= random << 13;
            random ^= random >> 17;
            random ^= random << 5;
            *p++ = alphabet[random & 63];
        }
        *p++ = '\r';
        *p++ = '\n';
        left -= n + 2;
    }
}

static bool make_body(struct load_mail *m, size_t size)
{
    char head[LOAD_HEAD_MAX];
    size_t header = load_mail_header(m, 0, head);
    if (header >= sizeof head || header + 2 > size) {
        fprintf(stderr, "bench-load: a message of %zu bytes has no room for its header\n", size);
        return false;
    }
    size_t n = size - header;
    m->body = (struct load_text){malloc(n + sizeof END_OF_DATA), n + strlen(END_OF_DATA)};
    if (!m->body.p) {
        perror("bench-load");
        return false;
    }
    fill_body(m->body.p, n);
    memcpy(m->body.p + n, END_OF_DATA, sizeof END_OF_DATA);
    return true;
}

static void make_header_rest(struct load_mail *m, const struct load_options *o)
{
    char date[64];
    time_t now = time(NULL);
    struct tm utc;
    strftime(date, sizeof date, "%a, %d %b %Y %H:%M:%S +0000", gmtime_r(&now, &utc));
    m->header_rest = text_of("From: <%s>\r\nTo: <%s>\r\nDate: %s\r\nSubject: bench\r\nMIME-Version: 1.0\r\n"
                             "Content-Type: text/plain; charset=us-ascii\r\n\r\n",
                             o->from, o->to, date);
    uint64_t nonce = (uint64_t)now << 22 ^ (uint64_t)getpid();
    snprintf(m->nonce, sizeof m->nonce, "%016llx", (unsigned long long)nonce);
}

bool load_mail_open(struct load_mail *m, const struct load_options *o)
{
    *m = (struct load_mail){0};
    if (!good_word(o->from) || !good_word(o->to) || !make_auth(m, o)) {
        return false;
    }
    m->ehlo = text_of("EHLO bench.example.com\r\n");
    m->starttls = text_of("STARTTLS\r\n");
    m->mail = text_of("MAIL FROM:<%s>\r\n", o->from);
    m->rcpt = text_of("RCPT TO:<%s>\r\n", o->to);
    m->data = text_of("DATA\r\n");
    m->quit = text_of("QUIT\r\n");
    m->envelope = text_of("%s%s%s", m->mail.p, m->rcpt.p, m->data.p);
    make_header_rest(m, o);
    return make_body(m, o->size);
}

void load_mail_close(struct load_mail *m)
{
    struct load_text *all[] = {&m->ehlo, &m->starttls, &m->auth,     &m->mail, &m->rcpt,
                               &m->data, &m->quit,     &m->envelope, &m->body, &m->header_rest};
    if (m->auth.p) {
        OPENSSL_cleanse(m->auth.p, m->auth.n);
    }
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        free(all[i]->p);
    }
    *m = (struct load_mail){0};
}

size_t load_mail_header(const struct load_mail *m, uint64_t number, char out[LOAD_HEAD_MAX])
{
    int n = snprintf(out, LOAD_HEAD_MAX, "Message-ID: <%s.%016llx@bench.example.com>\r\n%s", m->nonce,
                     (unsigned long long)number, m->header_rest.p);
    return (size_t)n;
}
