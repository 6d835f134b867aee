/* SPDX-License-Identifier: MIT */
/*
 * The table of blocks: records in an array; over it a hash table by network, one by the wider network that
 * they are parts of, and a heap with the one on top that ends soonest. Only lengths that are in use are
 * looked for.
 */
#include "guard/blocks.h"

#include <stdlib.h>

#include "guard/siphash.h"

enum { FAMILIES = 2 };

/* Which lengths of networks have blocks of theirs, longest first. */
struct lengths {
    uint32_t blocks[KEY_BITS + 1];
    uint8_t used[KEY_BITS + 1];
    unsigned n;
};

/* A record's place in its bucket. Beside the records, which are large: who is not blocked touches none of
 * them. */
struct link {
    uint32_t next; /* index + 1; of free records, too */
    uint32_t tag;  /* part of the hash */
};

struct blocks {
    uint8_t print_key[16];
    struct block *records;
    struct link *links;
    uint32_t max, fresh, freed; /* fresh: never used from there on; freed: index + 1 */
    uint32_t *bucket, *part_bucket;
    uint32_t buckets; /* of each; a power of two */
    uint32_t *heap;   /* indexes; n of them */
    uint32_t n, pairs;
    struct lengths lengths[FAMILIES];
};

struct blocks *blocks_make(uint32_t max, const uint8_t print_key[16])
{
    struct blocks *b = xcalloc(1, sizeof *b);
    memcpy(b->print_key, print_key, sizeof b->print_key);
    b->max = max;
    b->records = xcalloc(max, sizeof *b->records);
    b->links = xcalloc(max, sizeof *b->links);
    for (b->buckets = 1; b->buckets < max && b->buckets < 1U << 31;)
        b->buckets *= 2;
    b->bucket = xcalloc(b->buckets, sizeof *b->bucket);
    b->part_bucket = xcalloc(b->buckets, sizeof *b->part_bucket);
    b->heap = xcalloc(max, sizeof *b->heap);
    return b;
}

void blocks_free(struct blocks **blocks)
{
    struct blocks *b = *blocks;
    if (b == NULL)
        return;
    *blocks = NULL;
    for (uint32_t i = 0; i < b->n; i++)
        free(b->records[b->heap[i]].reason);
    free(b->records);
    free(b->links);
    free(b->bucket);
    free(b->part_bucket);
    free(b->heap);
    free(b);
}

/* ---- hashing ---- */

/* From the print of its key, which whoever asks may have at hand. */
static uint64_t hash_of_print(uint64_t print, unsigned bits)
{
    return (print ^ bits) * UINT64_C(0x9e3779b97f4a7c15);
}

static uint64_t hash_of(const struct blocks *b, const struct key_net *net)
{
    return hash_of_print(siphash(b->print_key, net->key.bytes, sizeof net->key.bytes), net->bits);
}

static uint32_t *bucket_of(const struct blocks *b, uint64_t hash)
{
    return &b->bucket[(hash >> 32) & (b->buckets - 1)];
}

static uint32_t *part_bucket_of(const struct blocks *b, const struct key_net *wide)
{
    return &b->part_bucket[(hash_of(b, wide) >> 32) & (b->buckets - 1)];
}

static uint32_t tag_of(uint64_t hash)
{
    return (uint32_t)hash;
}

static uint32_t index_of(const struct blocks *b, const struct block *block)
{
    return (uint32_t)(block - b->records);
}

static bool same_net(const struct key_net *a, const struct key_net *b)
{
    return a->bits == b->bits && key_equal(&a->key, &b->key);
}

/* From *i on (index + 1) in its bucket: the next block of this network, of any account; NULL at the end. */
static struct block *next_of(const struct blocks *b, const struct key_net *net, uint64_t hash, uint32_t *i)
{
    while (*i != 0) {
        uint32_t self = *i - 1;
        *i = b->links[self].next;
        if (b->links[self].tag == tag_of(hash) && same_net(&b->records[self].net, net))
            return &b->records[self];
    }
    return NULL;
}

static struct block *find(const struct blocks *b, const struct key_net *net, uint64_t hash, uint64_t account)
{
    uint32_t i = *bucket_of(b, hash);
    struct block *block;
    while ((block = next_of(b, net, hash, &i)) != NULL && block->account != account)
        ;
    return block;
}

struct block *blocks_find(const struct blocks *b, const struct key_net *net, uint64_t account)
{
    return find(b, net, hash_of(b, net), account);
}

uint32_t blocks_pairs(const struct blocks *b, const struct key_net *net, uint32_t now)
{
    uint64_t hash = hash_of(b, net);
    uint32_t i = *bucket_of(b, hash), pairs = 0;
    const struct block *block;
    while ((block = next_of(b, net, hash, &i)) != NULL)
        pairs += block->account != 0 && block->until > now;
    return pairs;
}

struct block *blocks_cover(const struct blocks *b, const struct key *address, const struct place *place,
                           uint64_t account, uint32_t now)
{
    const struct lengths *lengths = &b->lengths[key_is_v4(address)];
    uint64_t at_place = hash_of_print(place->print, place->net.bits);
    struct block *found = NULL;
    for (unsigned i = 0; i < lengths->n; i++) {
        struct key_net net = {key_cut(address, lengths->used[i]), lengths->used[i]};
        found = find(b, &net, same_net(&net, &place->net) ? at_place : hash_of(b, &net), 0);
        if (found != NULL && found->until > now)
            return found;
    }
    found = account != 0 && b->pairs > 0 ? find(b, &place->net, at_place, account) : NULL;
    return found != NULL && found->until > now ? found : NULL;
}

void blocks_prefetch(const struct blocks *b, const struct place *place, enum key_look look)
{
    const uint32_t *bucket = bucket_of(b, hash_of_print(place->print, place->net.bits));
    if (look == LOOK_BUCKET)
        __builtin_prefetch(bucket);
    else if (*bucket != 0)
        __builtin_prefetch(&b->links[*bucket - 1]);
}

/* ---- parts of wider networks ---- */

bool blocks_wider(const struct key_net *net, struct key_net *wide_r)
{
    static const uint8_t STEPS[] = {56, 48, 32};
    if (key_net_is_v4(net))
        return false;
    for (size_t i = 0; i < COUNT_OF(STEPS); i++) {
        if (STEPS[i] < net->bits) {
            *wide_r = (struct key_net){key_cut(&net->key, STEPS[i]), STEPS[i]};
            return true;
        }
    }
    return false;
}

uint32_t blocks_parts(const struct blocks *b, const struct key_net *wide, uint32_t now)
{
    uint32_t parts = 0;
    for (uint32_t i = *part_bucket_of(b, wide); i != 0; i = b->records[i - 1].next_part) {
        const struct block *block = &b->records[i - 1];
        struct key_net of;
        parts += block->until > now && blocks_wider(&block->net, &of) && same_net(&of, wide);
    }
    return parts;
}

/* The head of the list that a part stands in, or NULL. */
static uint32_t *part_list(const struct blocks *b, const struct block *block)
{
    struct key_net wide;
    return block->part && blocks_wider(&block->net, &wide) ? part_bucket_of(b, &wide) : NULL;
}

/* ---- the heap ---- */

static void put(struct blocks *b, uint32_t place, uint32_t index)
{
    b->heap[place] = index;
    b->records[index].place = place;
}

static bool sooner(const struct blocks *b, uint32_t index, uint32_t than)
{
    return b->records[index].until < b->records[than].until;
}

static void sift_up(struct blocks *b, uint32_t place)
{
    uint32_t index = b->heap[place];
    for (; place > 0 && sooner(b, index, b->heap[(place - 1) / 2]); place = (place - 1) / 2)
        put(b, place, b->heap[(place - 1) / 2]);
    put(b, place, index);
}

static void sift_down(struct blocks *b, uint32_t place)
{
    uint32_t index = b->heap[place];
    for (;;) {
        uint64_t child = 2 * (uint64_t)place + 1;
        if (child >= b->n)
            break;
        if (child + 1 < b->n && sooner(b, b->heap[child + 1], b->heap[child]))
            child++;
        if (!sooner(b, b->heap[child], index))
            break;
        put(b, place, b->heap[child]);
        place = (uint32_t)child;
    }
    put(b, place, index);
}

void blocks_moved(struct blocks *b, struct block *block)
{
    sift_up(b, block->place);
    sift_down(b, block->place);
}

struct block *blocks_first(const struct blocks *b)
{
    return b->n > 0 ? &b->records[b->heap[0]] : NULL;
}

/* ---- lengths ---- */

static void count_length(struct blocks *b, const struct key_net *net, bool more)
{
    struct lengths *l = &b->lengths[key_net_is_v4(net)];
    l->blocks[net->bits] += more ? 1U : UINT32_MAX;
    if (l->blocks[net->bits] != (more ? 1U : 0U))
        return;
    l->n = 0;
    for (unsigned bits = KEY_BITS + 1; bits-- > 0;)
        if (l->blocks[bits] > 0)
            l->used[l->n++] = (uint8_t)bits;
}

/* ---- in and out ---- */

struct block *blocks_add(struct blocks *b, const struct block *block)
{
    if (b->n == b->max)
        return NULL;
    uint32_t i = b->freed;
    if (i != 0)
        b->freed = b->links[i - 1].next;
    else
        i = ++b->fresh;
    struct block *added = &b->records[i - 1];
    uint64_t hash = hash_of(b, &block->net);
    uint32_t *bucket = bucket_of(b, hash);
    *added = *block;
    added->present = true;
    b->links[i - 1] = (struct link){*bucket, tag_of(hash)};
    *bucket = i;
    uint32_t *parts = part_list(b, added);
    if (parts != NULL) {
        added->next_part = *parts;
        *parts = i;
    }
    if (added->account == 0)
        count_length(b, &added->net, true);
    else
        b->pairs++;
    b->n++;
    put(b, b->n - 1, i - 1);
    sift_up(b, b->n - 1);
    return added;
}

static void unlink_block(struct blocks *b, const struct block *block)
{
    uint32_t self = index_of(b, block) + 1, *link = bucket_of(b, hash_of(b, &block->net));
    while (*link != self)
        link = &b->links[*link - 1].next;
    *link = b->links[self - 1].next;
}

static void unlink_part(struct blocks *b, const struct block *block)
{
    uint32_t self = index_of(b, block) + 1, *link = part_list(b, block);
    if (link == NULL)
        return;
    while (*link != self)
        link = &b->records[*link - 1].next_part;
    *link = block->next_part;
}

static void unlink_heap(struct blocks *b, const struct block *block)
{
    uint32_t place = block->place, last = b->heap[--b->n];
    if (place == b->n)
        return;
    put(b, place, last);
    blocks_moved(b, &b->records[last]);
}

void blocks_remove(struct blocks *b, struct block *block)
{
    uint32_t self = index_of(b, block);
    unlink_block(b, block);
    unlink_part(b, block);
    unlink_heap(b, block);
    if (block->account == 0)
        count_length(b, &block->net, false);
    else
        b->pairs--;
    free(block->reason);
    *block = (struct block){.present = false};
    b->links[self].next = b->freed;
    b->freed = self + 1;
}

uint32_t blocks_count(const struct blocks *b)
{
    return b->n;
}

struct block *blocks_next(const struct blocks *b, uint32_t *cursor)
{
    while (*cursor < b->fresh)
        if (b->records[(*cursor)++].present)
            return &b->records[*cursor - 1];
    return NULL;
}

size_t blocks_bytes(const struct blocks *b)
{
    return sizeof *b + b->max * (sizeof *b->records + sizeof *b->links + sizeof *b->heap) +
           b->buckets * (sizeof *b->bucket + sizeof *b->part_bucket);
}
