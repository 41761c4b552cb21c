/* SPDX-License-Identifier: GPL-2.0-only */
/* From many threads to one: nothing is lost, changed or put in another order. */
#include <pthread.h>
#include <sched.h>
#include <string.h>

#include <criterion/criterion.h>

#include "esp/handover.h"

enum { OCTETS = 256, THREADS = 4, EACH = 50000 };

static struct handover ring;

static void setup(void)
{
	cr_assert_eq(handover_init(&ring, OCTETS), 0);
}

static void teardown(void)
{
	handover_clear(&ring);
}

TestSuite(handover, .init = setup, .fini = teardown);

static bool give(uint32_t spi, uint32_t number)
{
	struct handover_item *i = handover_claim(&ring);

	if (!i)
		return false;
	i->spi = spi;
	i->place.number = number;
	i->len = OCTETS;
	memset(i->data, (int)(spi + number), OCTETS);
	handover_publish(&ring, i);
	return true;
}

Test(handover, empty)
{
	cr_assert_null(handover_take(&ring));
	handover_done(&ring);
	cr_assert_null(handover_take(&ring));
}

/* A place is not given out again before it is given back. */
Test(handover, full)
{
	struct handover_item *first;

	for (uint32_t i = 0; i < HANDOVER_PLACES; i++)
		cr_assert(give(1, i));
	cr_assert_not(give(1, 0));
	first = handover_take(&ring);
	cr_assert_eq(first->place.number, 0);
	cr_assert_not(give(1, 0));
	handover_done(&ring);
	cr_assert(give(1, HANDOVER_PLACES));
	cr_assert_not(give(1, 0));
	for (uint32_t i = 1; i <= HANDOVER_PLACES; i++)
		cr_assert_eq(handover_take(&ring)->place.number, i);
	cr_assert_null(handover_take(&ring));
}

/* Published later than another one: it is waited for. */
Test(handover, in_the_order_of_claims)
{
	struct handover_item *a = handover_claim(&ring), *b = handover_claim(&ring);

	a->place.number = 1;
	b->place.number = 2;
	handover_publish(&ring, b);
	cr_assert_null(handover_take(&ring));
	handover_publish(&ring, a);
	cr_assert_eq(handover_take(&ring)->place.number, 1);
	cr_assert_eq(handover_take(&ring)->place.number, 2);
}

static void *give_many(void *arg)
{
	uint32_t spi = (uint32_t)(size_t)arg;

	for (uint32_t i = 0; i < EACH; i++)
		while (!give(spi, i))
			sched_yield();
	return NULL;
}

Test(handover, threads)
{
	uint32_t next[THREADS] = { 0 }, left = THREADS * EACH;
	pthread_t t[THREADS];

	for (size_t i = 0; i < THREADS; i++)
		cr_assert_eq(pthread_create(&t[i], NULL, give_many, (void *)i), 0);
	while (left) {
		struct handover_item *i = handover_take(&ring);

		if (!i) {
			handover_done(&ring);
			sched_yield();
			continue;
		}
		cr_assert_eq(i->place.number, next[i->spi]++);
		cr_assert_eq(i->data[0], (uint8_t)(i->spi + i->place.number));
		cr_assert_eq(i->data[OCTETS - 1], (uint8_t)(i->spi + i->place.number));
		left--;
	}
	for (size_t i = 0; i < THREADS; i++)
		pthread_join(t[i], NULL);
}
