/* SPDX-License-Identifier: GPL-2.0-only */
/* Intrusive hash table: numbers of 64 bits to objects, several of them under one number.
 *
 * Adding and finding cost the same whatever the number of entries. The table grows and shrinks with
 * them; without memory it stays as it is and gets slower. Seeded at random: strangers who choose
 * the numbers (addresses) cannot make them meet. Thread: the owner's.
 */
#ifndef BRAID_BASE_HASH_H
#define BRAID_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

#include "base/list.h"

struct hash_node {
	struct hash_node *next, **link; /* link NULL: in no table */
	uint64_t key;
};

struct hash {
	struct hash_node **first; /* size of them; few, if there is no memory for more */
	struct hash_node *few[16];
	size_t size, n;
	uint64_t seed;
};

#define hash_entry(ptr, type, member) list_entry(ptr, type, member)
/* Every entry with that key. The table must not change meanwhile. */
#define hash_for_each(it, tmp, h, k)                                                               \
	for (struct hash_node *it = hash_find(h, k), *tmp = hash_next(it); it;                     \
	     it = tmp, tmp = hash_next(it))

void hash_init(struct hash *h);
void hash_clear(struct hash *h); /* the entries are the owner's */
/* Take all out, and hand each to fn, which may free it. */
void hash_empty(struct hash *h, void (*fn)(struct hash_node *n));
void hash_add(struct hash *h, struct hash_node *n, uint64_t key);
/* Also safe on a node that is zeroed or was removed. */
void hash_remove(struct hash *h, struct hash_node *n);
/* One of those with that key, or NULL. */
struct hash_node *hash_find(const struct hash *h, uint64_t key);
/* Another one with the same key, or NULL. */
struct hash_node *hash_next(const struct hash_node *n);

/* A number for octets (a name, an address), another one in each process. Different ones may share
 * it: compare them. */
uint64_t hash_octets(const void *p, size_t n);

#endif
