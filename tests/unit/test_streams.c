/* SPDX-License-Identifier: GPL-2.0-only */
/* Many peers' bonded packets in one packet thread: who takes everything takes it from himself. */
#include <string.h>

#include <criterion/criterion.h>

#include "esp/streams.h"

enum { PATH = 1, OTHER_PATH = 2, HONEST = 7, HOSTILE = 9, SAS = 4096 };
#define MSEC USEC_PER_MSEC

/* A packet is its SA and number. */
struct packet {
	uint32_t sa, number;
};

static struct streams all;
static struct stream *stream[SAS]; /* by SA */
static bool gone[SAS];
static usec_t now;
static struct packet hand, place[STREAMS_PLACES];
static bool unwritten[STREAMS_PLACES];
static unsigned delivered, written, ends;
static uint32_t got[1 << 16]; /* numbers of the honest peer's first SA, as delivered */
static unsigned n_got;

static bool keep(void *ctx, uint32_t i)
{
	(void)ctx;
	cr_assert_not(unwritten[i], "place %u is taken before it was written", i);
	place[i] = hand;
	return true;
}

static void deliver(void *ctx, uint32_t i)
{
	const struct packet *p = i == REORDER_IN_HAND ? &hand : &place[i];

	(void)ctx;
	if (i != REORDER_IN_HAND)
		unwritten[i] = true;
	delivered++;
	if (p->sa == HONEST)
		got[n_got++] = p->number;
}

static void write_out(void *ctx)
{
	(void)ctx;
	memset(unwritten, 0, sizeof(unwritten));
	written++;
	streams_written(&all);
}

static bool there(void *ctx, const struct stream *st)
{
	(void)ctx;
	return !gone[st->sa_id];
}

static void ended(void *ctx, struct stream *st)
{
	(void)ctx;
	stream[st->sa_id] = NULL;
	ends++;
}

static const struct streams_ops ops = { keep, deliver, write_out, there, ended };

static void setup(void)
{
	cr_assert_eq(streams_init(&all, &ops, NULL), 0);
	now = 1000 * MSEC;
}

static void teardown(void)
{
	streams_clear(&all);
}

TestSuite(streams, .init = setup, .fini = teardown);

static bool begin(uint32_t peer, uint32_t sa)
{
	stream[sa] = streams_begin(&all, peer, sa, 0, now);
	return stream[sa];
}

static void put(uint32_t sa, uint32_t number, uint64_t from)
{
	const struct bond_place p = { .number = number, .ways = 2 };

	hand = (struct packet){ sa, number };
	cr_assert(streams_put(&all, stream[sa], &p, from, now));
}

/* Packets that wait for the first one, which does not come. */
static void fill(uint32_t sa, uint32_t n)
{
	for (uint32_t i = 1; i <= n; i++)
		put(sa, i, PATH);
}

static void in_order(uint32_t n)
{
	cr_assert_eq(n_got, n, "%u of %u", n_got, n);
	for (uint32_t i = 0; i < n; i++)
		cr_assert_eq(got[i], i, "%u. is %u", i, got[i]);
}

/* By two paths, the first of which is 100 packets ahead. */
static void honest(uint32_t n)
{
	for (uint32_t i = 1; i < n + 100; i += 2) {
		if (i < n)
			put(HONEST, i, PATH);
		if (i > 100)
			put(HONEST, i - 101, OTHER_PATH);
	}
}

Test(streams, alone)
{
	begin(1, HONEST);
	honest(4000);
	in_order(4000);
	cr_assert_eq(all.stats.yielded + all.stats.full, 0);
}

/* Every place is one hostile peer's, of one SA or of many, before and while the other one needs
 * some: that one's order is whole. */
static void against(unsigned sas)
{
	uint32_t each = STREAMS_PLACES / sas;

	cr_assert(begin(1, HONEST));
	if (each >= REORDER_PACKETS)
		each = REORDER_PACKETS - 1;
	for (uint32_t i = 0; i < sas; i++) {
		cr_assert(begin(2, HOSTILE + i));
		fill(HOSTILE + i, each);
	}
	for (uint32_t i = 1; i < 4000 + 100; i += 2) {
		put(HOSTILE + i % sas, each + 1 + i, PATH);
		if (i < 4000)
			put(HONEST, i, PATH);
		if (i > 100)
			put(HONEST, i - 101, OTHER_PATH);
	}
	in_order(4000);
	cr_assert_gt(all.stats.yielded, 0);
	/* not for each packet */
	cr_assert_lt(written, 1000, "%u times", written);
}

Test(streams, a_few_hostile_sas_fill_all_places)
{
	against(3);
}

Test(streams, many_hostile_sas_fill_all_places)
{
	against(STREAMS_MAX - 1);
}

/* Nothing is lost, whoever gives way. */
Test(streams, every_packet_is_delivered_once)
{
	unsigned n = 0;

	for (uint32_t i = 0; i < 8; i++) {
		begin(i / 4, HOSTILE + i);
		fill(HOSTILE + i, 3000);
		n += 3000;
	}
	cr_assert_gt(all.stats.yielded, 0);
	now += 200 * MSEC;
	streams_run(&all, now);
	cr_assert_eq(delivered, n, "%u of %u", delivered, n);
	cr_assert_eq(streams_deadline(&all), USEC_NEVER);
	for (uint32_t i = 0; i < STREAMS_MAX; i++)
		cr_assert_eq(all.holder[i].places, 0);
}

/* What waits behind the stream that wants a place cannot give way to it: the SA after it. */
Test(streams, no_place_is_taken_from_the_sa_that_comes_after)
{
	begin(1, 1);
	put(1, 0, PATH);
	put(1, 1, OTHER_PATH);
	for (uint32_t i = 2; i < 4; i++) {
		stream[i] = streams_begin(&all, 1, i, i - 1, now);
		fill(i, REORDER_PACKETS - 1);
	}
	begin(1, 10);
	fill(10, 2);
	put(1, 3, PATH);
	cr_assert_eq(all.stats.yielded, 0);
	cr_assert_eq(all.stats.full, 1);
	put(1, 2, OTHER_PATH);
	now += 200 * MSEC;
	streams_run(&all, now);
	cr_assert_eq(delivered, 2 + 2 * (REORDER_PACKETS - 1) + 2 + 2);
}

Test(streams, one_peer_has_all_streams_until_another_comes)
{
	for (uint32_t i = 0; i < STREAMS_MAX; i++)
		cr_assert(begin(1, i));
	cr_assert_not(begin(1, 100), "it took one from itself");
	for (uint32_t i = 0; i < STREAMS_MAX / 2; i++)
		cr_assert(begin(2, 200 + i), "the %u.", i);
	cr_assert_not(begin(2, 300), "more than its half");
	cr_assert(begin(3, 400));
	cr_assert_not(begin(1, 100));
	cr_assert_eq(ends, STREAMS_MAX / 2 + 1);
	cr_assert_eq(all.ended, ends);
}

Test(streams, the_most_silent_one_ends)
{
	for (uint32_t i = 0; i < STREAMS_MAX; i++) {
		begin(i, i);
		put(i, 0, PATH);
	}
	cr_assert_not(begin(100, 100), "each has one");
	now += STREAMS_SILENT_USEC;
	for (uint32_t i = 0; i < STREAMS_MAX; i++)
		if (i != 5)
			put(i, 1, PATH);
	cr_assert(begin(100, 100));
	cr_assert_null(stream[5]);
	cr_assert_not(begin(101, 101));
}

/* Of one that ends for another all packets are delivered, and it may begin in the middle. */
Test(streams, what_ended_begins_again)
{
	begin(1, HONEST);
	put(HONEST, 0, PATH);
	put(HONEST, 2, PATH);
	for (uint32_t i = 1; i < STREAMS_MAX; i++)
		begin(1, HOSTILE + i);
	now += 1;
	for (uint32_t i = 1; i < STREAMS_MAX; i++)
		put(HOSTILE + i, 0, PATH);
	cr_assert(begin(2, 200));
	cr_assert_null(stream[HONEST]);
	cr_assert_eq(n_got, 2);
	gone[HOSTILE + 1] = true;
	streams_sweep(&all);
	cr_assert(begin(1, HONEST));
	reorder_begin_at(&stream[HONEST]->r, 5000);
	n_got = 0;
	put(HONEST, 5000, PATH);
	put(HONEST, 5002, PATH);
	cr_assert_eq(n_got, 1);
	put(HONEST, 5001, OTHER_PATH);
	cr_assert_eq(n_got, 3);
	put(HONEST, 4999, OTHER_PATH);
	cr_assert_eq(n_got, 4);
}
