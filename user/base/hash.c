/* SPDX-License-Identifier: GPL-2.0-only */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/hash.h"

enum { FEW = sizeof(((struct hash *)0)->few) / sizeof(void *) };

static uint64_t mix(uint64_t x)
{
	x ^= x >> 32;
	x *= UINT64_C(0xd6e8feb86659fd93);
	x ^= x >> 32;
	x *= UINT64_C(0xd6e8feb86659fd93);
	return x ^ x >> 32;
}

static struct hash_node **bucket(const struct hash *h, uint64_t key)
{
	return (struct hash_node **)&h->first[mix(mix(key ^ h->seed) + h->seed) & (h->size - 1)];
}

static uint64_t octets_seed;

static void seed_octets(void)
{
	if (getrandom(&octets_seed, sizeof(octets_seed), GRND_NONBLOCK) != sizeof(octets_seed))
		octets_seed = (uintptr_t)&octets_seed;
}

void hash_init(struct hash *h)
{
	memset(h, 0, sizeof(*h));
	h->first = h->few;
	h->size = FEW;
	/* without randomness only the protection against chosen numbers is missing */
	if (getrandom(&h->seed, sizeof(h->seed), GRND_NONBLOCK) != sizeof(h->seed))
		h->seed = (uintptr_t)h;
}

void hash_clear(struct hash *h)
{
	uint64_t seed = h->seed;

	if (h->first != h->few)
		free(h->first);
	memset(h, 0, sizeof(*h));
	h->first = h->few;
	h->size = FEW;
	h->seed = seed;
}

void hash_empty(struct hash *h, void (*fn)(struct hash_node *n))
{
	for (size_t i = 0; i < h->size; i++) {
		for (struct hash_node *n = h->first[i], *next; n; n = next) {
			next = n->next;
			n->next = NULL;
			n->link = NULL;
			fn(n);
		}
	}
	hash_clear(h);
}

static void put(struct hash *h, struct hash_node *n)
{
	struct hash_node **b = bucket(h, n->key);

	n->next = *b;
	n->link = b;
	if (n->next)
		n->next->link = &n->next;
	*b = n;
}

static void resize(struct hash *h, size_t size)
{
	struct hash_node **old = h->first, **fresh = h->few;
	size_t old_size = h->size;

	if (size > FEW)
		fresh = calloc(size, sizeof(*fresh));
	else
		size = FEW;
	if (!fresh || fresh == old)
		return;
	if (fresh == h->few)
		memset(h->few, 0, sizeof(h->few));
	h->first = fresh;
	h->size = size;
	for (size_t i = 0; i < old_size; i++) {
		for (struct hash_node *n = old[i], *next; n; n = next) {
			next = n->next;
			put(h, n);
		}
	}
	if (old != h->few)
		free(old);
}

void hash_add(struct hash *h, struct hash_node *n, uint64_t key)
{
	if (h->n >= h->size)
		resize(h, 2 * h->size);
	n->key = key;
	put(h, n);
	h->n++;
}

void hash_remove(struct hash *h, struct hash_node *n)
{
	if (!n->link)
		return;
	*n->link = n->next;
	if (n->next)
		n->next->link = n->link;
	n->next = NULL;
	n->link = NULL;
	h->n--;
	if (h->size > FEW && h->n < h->size / 8)
		resize(h, h->size / 4);
}

static struct hash_node *same(struct hash_node *n, uint64_t key)
{
	while (n && n->key != key)
		n = n->next;
	return n;
}

struct hash_node *hash_find(const struct hash *h, uint64_t key)
{
	return same(*bucket(h, key), key);
}

struct hash_node *hash_next(const struct hash_node *n)
{
	return n ? same(n->next, n->key) : NULL;
}

uint64_t hash_octets(const void *p, size_t n)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	const uint8_t *b = p;
	uint64_t h;

	pthread_once(&once, seed_octets);
	h = octets_seed ^ n;

	for (size_t i = 0; i < n; i += 8) {
		uint64_t w = 0;

		memcpy(&w, b + i, n - i < 8 ? n - i : 8);
		h = mix(h ^ w) * UINT64_C(0x9e3779b97f4a7c15);
	}
	return h;
}
