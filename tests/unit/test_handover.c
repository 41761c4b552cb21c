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

/* The SPI is the peer's number, too. */
static bool give(uint32_t spi, uint32_t number)
{
	struct handover_item *i = handover_claim(&ring, spi);

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

/* As many as it gets. */
static uint32_t fill(uint32_t peer)
{
	uint32_t n = 0;

	while (give(peer, n))
		n++;
	return n;
}

/* A place is not given out again before it is given back. */
Test(handover, full)
{
	struct handover_item *first;
	uint32_t n = 0;

	for (uint32_t peer = 0; n < HANDOVER_PLACES && peer < HANDOVER_PEERS - 1; peer++)
		n += fill(peer);
	cr_assert_eq(n, HANDOVER_PLACES);
	cr_assert_not(give(HANDOVER_PEERS - 1, 0));
	first = handover_take(&ring);
	cr_assert_eq(first->spi, 0);
	cr_assert_not(give(HANDOVER_PEERS - 1, 0));
	handover_done(&ring);
	cr_assert_eq(fill(HANDOVER_PEERS - 1), 1);
	for (uint32_t i = 1; i < HANDOVER_PLACES; i++)
		cr_assert_not_null(handover_take(&ring));
	cr_assert_eq(handover_take(&ring)->spi, HANDOVER_PEERS - 1);
	cr_assert_null(handover_take(&ring));
	handover_done(&ring);
	for (uint32_t peer = 0; peer < HANDOVER_PEERS; peer++)
		cr_assert_eq(ring.held[peer], 0);
}

/* Who floods leaves room for others, and they for others still. */
Test(handover, flood)
{
	cr_assert_eq(fill(7), HANDOVER_PLACES / 2);
	cr_assert_eq(fill(8), HANDOVER_PLACES / 4);
	cr_assert_not(give(7, 0));
	for (int i = 0; i < HANDOVER_PLACES / 2; i++)
		cr_assert_eq(handover_take(&ring)->spi, 7);
	handover_done(&ring);
	cr_assert_eq(fill(9), HANDOVER_PLACES * 3 / 8);
}

/* Published later than another one: it is waited for. */
Test(handover, in_the_order_of_claims)
{
	struct handover_item *a = handover_claim(&ring, 1), *b = handover_claim(&ring, 2);

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
