/* SPDX-License-Identifier: GPL-2.0-only */
#include <criterion/criterion.h>
#include <string.h>

#include "base/hash.h"

struct thing {
	struct hash_node node;
	unsigned number;
};

enum { MANY = 20000 };

static struct thing things[MANY];

static unsigned count(const struct hash *h, uint64_t key)
{
	unsigned n = 0;

	hash_for_each (it, tmp, h, key)
		n++;
	return n;
}

Test(hash, found_by_its_key_and_no_other)
{
	struct hash h;

	hash_init(&h);
	cr_assert_null(hash_find(&h, 0));
	for (unsigned i = 0; i < MANY; i++) {
		things[i].number = i;
		hash_add(&h, &things[i].node, i * UINT64_C(0x100000000));
	}
	cr_assert_eq(h.n, MANY);
	for (unsigned i = 0; i < MANY; i++) {
		struct hash_node *n = hash_find(&h, i * UINT64_C(0x100000000));

		cr_assert_not_null(n);
		cr_assert_eq(hash_entry(n, struct thing, node)->number, i);
		cr_assert_null(hash_next(n));
	}
	cr_assert_null(hash_find(&h, 1));
	hash_clear(&h);
}

Test(hash, grows_and_shrinks_with_its_entries)
{
	struct hash h;

	hash_init(&h);
	for (unsigned i = 0; i < MANY; i++)
		hash_add(&h, &things[i].node, i);
	cr_assert_geq(h.size, MANY);
	for (unsigned i = 0; i < MANY; i += 2)
		hash_remove(&h, &things[i].node);
	for (unsigned i = 0; i < MANY; i++)
		cr_assert_eq(count(&h, i), i % 2);
	for (unsigned i = 1; i < MANY; i += 2)
		hash_remove(&h, &things[i].node);
	cr_assert_eq(h.n, 0);
	cr_assert_eq(h.size, sizeof(h.few) / sizeof(h.few[0]), "no memory is kept");
	hash_clear(&h);
}

Test(hash, several_of_one_key)
{
	struct hash h;

	hash_init(&h);
	for (unsigned i = 0; i < 300; i++)
		hash_add(&h, &things[i].node, i % 3);
	for (unsigned k = 0; k < 3; k++)
		cr_assert_eq(count(&h, k), 100);
	cr_assert_eq(count(&h, 3), 0);
	hash_remove(&h, &things[4].node);
	cr_assert_eq(count(&h, 1), 99);
	hash_clear(&h);
}

Test(hash, removing_twice_or_what_never_was_there)
{
	struct thing one = { .number = 1 };
	struct hash h;

	hash_init(&h);
	hash_remove(&h, &one.node);
	hash_add(&h, &one.node, 7);
	hash_remove(&h, &one.node);
	hash_remove(&h, &one.node);
	cr_assert_eq(h.n, 0);
	cr_assert_null(hash_find(&h, 7));
	hash_clear(&h);
}

static unsigned taken;

static void take(struct hash_node *n)
{
	/* as if it were freed */
	memset(hash_entry(n, struct thing, node), 0xa5, sizeof(struct thing));
	taken++;
}

Test(hash, emptied_at_once)
{
	struct hash h;

	hash_init(&h);
	for (unsigned i = 0; i < MANY; i++)
		hash_add(&h, &things[i].node, i / 3);
	hash_empty(&h, take);
	cr_assert_eq(taken, MANY);
	cr_assert_eq(h.n, 0);
	cr_assert_null(hash_find(&h, 1));
	hash_add(&h, &things[0].node, 1);
	cr_assert_not_null(hash_find(&h, 1), "it can be used again");
	hash_clear(&h);
}

Test(hash, octets_differ)
{
	uint8_t a[16] = { 1 }, b[16] = { 1 };

	cr_assert_eq(hash_octets(a, 16), hash_octets(b, 16));
	b[15] = 1;
	cr_assert_neq(hash_octets(a, 16), hash_octets(b, 16));
	cr_assert_neq(hash_octets(a, 15), hash_octets(a, 16), "the length counts");
	hash_octets(NULL, 0);
}
