/* SPDX-License-Identifier: GPL-2.0-only */
#include <criterion/criterion.h>
#include <string.h>

#include "base/heap.h"

enum { MANY = 5000 };

static struct heap_node nodes[MANY];

/* Every node is where it says it is, and no later than those below. */
static void check(const struct heap *h)
{
	for (size_t i = 1; i <= h->n; i++) {
		cr_assert_eq(h->node[i]->at, i);
		cr_assert_leq(h->node[i / 2 ? i / 2 : 1]->due, h->node[i]->due);
	}
}

static uint32_t next(uint32_t *seed)
{
	*seed = *seed * 1664525u + 1013904223u;
	return *seed >> 8;
}

static usec_t earliest(void)
{
	usec_t d = USEC_NEVER;

	for (unsigned i = 0; i < MANY; i++)
		if (nodes[i].at && nodes[i].due < d)
			d = nodes[i].due;
	return d;
}

Test(heap, gives_them_in_order_whatever_moved_or_left)
{
	struct heap h = { 0 };
	uint32_t seed = 1;
	usec_t last = 0;
	size_t n = 0;

	cr_assert_eq(heap_reserve(&h, MANY), 0);
	cr_assert_null(heap_first(&h));
	for (unsigned i = 0; i < MANY; i++)
		heap_set(&h, &nodes[i], next(&seed) % 1000);
	check(&h);
	for (unsigned i = 0; i < MANY; i++) {
		struct heap_node *m = &nodes[next(&seed) % MANY];

		if (i % 3)
			heap_set(&h, m, next(&seed) % 1000);
		else
			heap_remove(&h, m);
		if (i % 256 == 0)
			check(&h);
	}
	cr_assert_eq(heap_first(&h)->due, earliest());
	check(&h);
	for (unsigned i = 0; i < MANY; i++)
		n += nodes[i].at != 0;
	cr_assert_eq(n, h.n);
	for (; h.n; n--) {
		struct heap_node *m = heap_first(&h);

		cr_assert_geq(m->due, last);
		last = m->due;
		heap_remove(&h, m);
		cr_assert_eq(m->at, 0);
	}
	cr_assert_eq(n, 0);
	heap_clear(&h);
}

Test(heap, never_is_not_in_it)
{
	struct heap_node n = { 0 };
	struct heap h = { 0 };

	cr_assert_eq(heap_reserve(&h, 1), 0);
	heap_set(&h, &n, USEC_NEVER);
	cr_assert_null(heap_first(&h));
	heap_set(&h, &n, 5);
	cr_assert_eq(heap_first(&h), &n);
	heap_set(&h, &n, USEC_NEVER);
	cr_assert_null(heap_first(&h));
	heap_remove(&h, &n);
	cr_assert_eq(h.n, 0);
	heap_clear(&h);
}

Test(heap, memory_follows_their_number)
{
	struct heap h = { 0 };
	size_t most;

	cr_assert_eq(heap_reserve(&h, MANY), 0);
	cr_assert_gt(h.cap, MANY);
	most = h.cap;
	for (unsigned i = 0; i < MANY; i++)
		heap_set(&h, &nodes[i], i);
	heap_trim(&h, 0); /* they are there still */
	cr_assert_eq(h.cap, most);
	for (unsigned i = 0; i < MANY; i++) {
		heap_remove(&h, &nodes[i]);
		heap_trim(&h, h.n);
		cr_assert_gt(h.cap, h.n);
	}
	cr_assert_lt(h.cap, most / 8);
	heap_clear(&h);
}
