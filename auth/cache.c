/* SPDX-License-Identifier: MIT */
/* The cache of verified logins: a ring of entries, the oldest overwritten first, with a hash index over it.
 */
#include "auth/cache.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <pthread.h>
#include <stdlib.h>

enum { DIGEST_SIZE = 32, KEY_SIZE = 32 };

struct entry {
    uint8_t digest[DIGEST_SIZE];
    uint64_t version;
    uint64_t verified_ms;
    uint32_t next; /* in its bucket: index + 1, 0 at the end */
};

struct cache {
    pthread_mutex_t lock; /* guards all below */
    EVP_MAC_CTX *mac;     /* has the key */
    size_t max, n, oldest;
    struct entry *ring; /* max of them, n used, the oldest at `oldest` once full */
    size_t buckets;     /* a power of two */
    uint32_t *bucket;   /* index + 1, 0 when empty */
};

static EVP_MAC_CTX *make_mac(void)
{
    uint8_t key[KEY_SIZE];
    random_bytes(key, sizeof key);
    char digest[] = "SHA256";
    OSSL_PARAM params[] = {OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
                           OSSL_PARAM_construct_end()};
    EVP_MAC *hmac = EVP_MAC_fetch(NULL, "HMAC", NULL);
    EVP_MAC_CTX *mac = hmac != NULL ? EVP_MAC_CTX_new(hmac) : NULL;
    EVP_MAC_free(hmac); /* the context keeps it */
    if (mac != NULL && EVP_MAC_init(mac, key, sizeof key, params) != 1) {
        EVP_MAC_CTX_free(mac);
        mac = NULL;
    }
    explicit_bzero(key, sizeof key);
    return mac;
}

struct cache *cache_make(size_t max)
{
    EVP_MAC_CTX *mac = make_mac();
    if (mac == NULL)
        return NULL;
    struct cache *c = xcalloc(1, sizeof *c);
    c->mac = mac;
    c->max = max;
    c->ring = xcalloc(max, sizeof *c->ring);
    for (c->buckets = 1; c->buckets < max;)
        c->buckets *= 2;
    c->bucket = xcalloc(c->buckets, sizeof *c->bucket);
    pthread_mutex_init(&c->lock, NULL);
    return c;
}

void cache_free(struct cache **cache)
{
    struct cache *c = *cache;
    if (c == NULL)
        return;
    *cache = NULL;
    EVP_MAC_CTX_free(c->mac);
    explicit_bzero(c->ring, c->n * sizeof *c->ring);
    free(c->ring);
    free(c->bucket);
    pthread_mutex_destroy(&c->lock);
    free(c);
}

/* The account in lower case, piece by piece: no copy of it needs room or cleansing. */
static bool mac_account(EVP_MAC_CTX *mac, struct span account)
{
    unsigned char piece[64];
    while (account.n > 0) {
        size_t n = account.n < sizeof piece ? account.n : sizeof piece;
        for (size_t i = 0; i < n; i++)
            piece[i] = (unsigned char)ascii_lower(account.p[i]);
        if (EVP_MAC_update(mac, piece, n) != 1)
            return false;
        account = span_skip(account, n);
    }
    return true;
}

/* With the lock held. Starting again with no key keeps the one that the context has. */
static bool digest_of(struct cache *c, struct span account, struct span password, uint8_t out[DIGEST_SIZE])
{
    static const unsigned char nul[1] = {0};
    size_t n = 0;
    return EVP_MAC_init(c->mac, NULL, 0, NULL) == 1 && mac_account(c->mac, account) &&
           EVP_MAC_update(c->mac, nul, 1) == 1 &&
           EVP_MAC_update(c->mac, (const unsigned char *)password.p, password.n) == 1 &&
           EVP_MAC_final(c->mac, out, &n, DIGEST_SIZE) == 1 && n == DIGEST_SIZE;
}

static uint32_t *bucket_of(struct cache *c, const uint8_t digest[DIGEST_SIZE])
{
    uint64_t bits;
    memcpy(&bits, digest, sizeof bits);
    return &c->bucket[bits & (c->buckets - 1)];
}

static struct entry *find(struct cache *c, const uint8_t digest[DIGEST_SIZE])
{
    for (uint32_t i = *bucket_of(c, digest); i != 0; i = c->ring[i - 1].next) {
        if (CRYPTO_memcmp(c->ring[i - 1].digest, digest, DIGEST_SIZE) == 0)
            return &c->ring[i - 1];
    }
    return NULL;
}

static void unlink_entry(struct cache *c, struct entry *entry)
{
    uint32_t self = (uint32_t)(entry - c->ring) + 1;
    uint32_t *link = bucket_of(c, entry->digest);
    while (*link != self)
        link = &c->ring[*link - 1].next;
    *link = entry->next;
}

static struct entry *add(struct cache *c, const uint8_t digest[DIGEST_SIZE])
{
    struct entry *entry = NULL;
    if (c->n < c->max) {
        entry = &c->ring[c->n++];
    } else {
        entry = &c->ring[c->oldest];
        c->oldest = (c->oldest + 1) % c->max;
        unlink_entry(c, entry);
    }
    memcpy(entry->digest, digest, DIGEST_SIZE);
    uint32_t *first = bucket_of(c, digest);
    entry->next = *first;
    *first = (uint32_t)(entry - c->ring) + 1;
    return entry;
}

void cache_put(struct cache *c, struct span account, struct span password, uint64_t version, uint64_t now_ms)
{
    uint8_t digest[DIGEST_SIZE];
    pthread_mutex_lock(&c->lock);
    if (digest_of(c, account, password, digest)) {
        struct entry *entry = find(c, digest);
        if (entry == NULL)
            entry = add(c, digest);
        entry->version = version;
        entry->verified_ms = now_ms;
    }
    pthread_mutex_unlock(&c->lock);
    explicit_bzero(digest, sizeof digest);
}

bool cache_has(struct cache *c, struct span account, struct span password, uint64_t version, uint64_t now_ms,
               uint64_t lifetime_ms)
{
    uint8_t digest[DIGEST_SIZE];
    bool good = false;
    pthread_mutex_lock(&c->lock);
    if (digest_of(c, account, password, digest)) {
        const struct entry *entry = find(c, digest);
        good = entry != NULL && entry->version == version && now_ms - entry->verified_ms < lifetime_ms;
    }
    pthread_mutex_unlock(&c->lock);
    explicit_bzero(digest, sizeof digest);
    return good;
}
