/* SPDX-License-Identifier: GPL-2.0-only */
/* Packets of several paths in one order, with time as a variable. */
#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>

#include "esp/reorder.h"

enum { WIFI = 1, RAN = 2, SAT = 3, MEMORY = 8192 };
#define MSEC USEC_PER_MSEC

/* Handles are numbers of a packet in pkt; the one in hand is the last. */
static struct run {
	usec_t now;
	unsigned n, out, room;
	uint32_t pkt[1 << 17]; /* numbers, as put */
	usec_t at[1 << 17];
	uint32_t got[1 << 17]; /* numbers, as delivered */
	usec_t most;	       /* that one waited */
} run;
static struct reorder reorder, older;
static uint8_t ways, run_of; /* of the packets */

static bool keep(void *ctx, uint32_t *ret_handle)
{
	struct run *r = ctx;

	if (r->room == 0)
		return false;
	r->room--;
	*ret_handle = r->n - 1;
	return true;
}

static void deliver(void *ctx, uint32_t handle)
{
	struct run *r = ctx;
	uint32_t i = handle == REORDER_IN_HAND ? r->n - 1 : handle;

	if (handle != REORDER_IN_HAND) {
		r->room++;
		if (r->now - r->at[i] > r->most)
			r->most = r->now - r->at[i];
	}
	r->got[r->out++] = r->pkt[i];
}

static const struct reorder_ops ops = { keep, deliver };

static void setup(void)
{
	memset(&run, 0, sizeof(run));
	run.now = 1000 * MSEC;
	run.room = MEMORY;
	ways = 2;
	run_of = 0;
	reorder_init(&reorder, NULL);
}

TestSuite(reorder, .init = setup);

static bool put_in(struct reorder *r, uint32_t number, uint64_t from)
{
	const struct bond_place p = { .number = number, .run = run_of, .ways = ways };

	run.pkt[run.n] = number;
	run.at[run.n++] = run.now;
	return reorder_put(r, &p, from, run.now, &ops, &run);
}

static bool put(uint32_t number, uint64_t from)
{
	return put_in(&reorder, number, from);
}

static void tick(usec_t later)
{
	run.now += later;
	reorder_run(&reorder, run.now, &ops, &run);
}

/* What was delivered since the last call. */
static void got(unsigned n, const uint32_t *numbers)
{
	cr_assert_eq(run.out, n, "%u delivered, not %u", run.out, n);
	for (unsigned i = 0; i < n; i++)
		cr_assert_eq(run.got[i], numbers[i], "%u. is %u, not %u", i, run.got[i],
			     numbers[i]);
	run.out = 0;
}
#define GOT(...)                                                                                   \
	got(sizeof((uint32_t[]){ __VA_ARGS__ }) / sizeof(uint32_t), (uint32_t[]){ __VA_ARGS__ })
#define NOTHING() got(0, NULL)

Test(reorder, in_order_nothing_waits)
{
	for (uint32_t i = 0; i < 10; i++)
		put(i, i & 1 ? WIFI : RAN);
	GOT(0, 1, 2, 3, 4, 5, 6, 7, 8, 9);
	cr_assert_eq(reorder_deadline(&reorder), USEC_NEVER);
	cr_assert_eq(reorder.stats.waited, 0);
}

Test(reorder, those_of_the_shorter_path_wait_for_the_longer)
{
	put(0, WIFI);
	put(1, RAN);
	GOT(0, 1);
	put(4, WIFI);
	put(5, WIFI);
	NOTHING();
	put(2, RAN);
	GOT(2);
	put(3, RAN);
	GOT(3, 4, 5);
	cr_assert_eq(reorder.stats.waited, 2);
	cr_assert_eq(reorder.stats.missed, 0);
}

/* Every path that is heard has brought a later one. */
Test(reorder, a_gap_is_given_up_when_all_paths_are_past_it)
{
	put(0, WIFI);
	put(1, RAN);
	put(3, WIFI); /* 2 is missing: RAN may bring it */
	put(4, WIFI);
	GOT(0, 1);
	put(5, RAN); /* it has not */
	GOT(3, 4, 5);
	cr_assert_eq(reorder.stats.missed, 1);
	put(2, RAN);
	GOT(2);
	cr_assert_eq(reorder.stats.late, 1);
	put(6, RAN);
	GOT(6);
}

/* Of two gaps the first may be past, the second not. */
Test(reorder, only_what_all_are_past_is_given_up)
{
	put(0, WIFI);
	put(1, RAN);
	run.out = 0;
	put(3, WIFI);
	put(7, WIFI);
	put(5, RAN); /* 2 and 4 are lost, 6 may come with RAN */
	GOT(3, 5);
	put(6, RAN);
	GOT(6, 7);
	cr_assert_eq(reorder.stats.missed, 2);
}

Test(reorder, one_path_alone_never_waits)
{
	ways = 1;
	put(0, WIFI);
	put(2, WIFI);
	put(5, WIFI);
	GOT(0, 2, 5);
	cr_assert_eq(reorder.stats.missed, 3);
}

/* 5 and 6 went by the same path as 7 and are lost, 4 may come. */
Test(reorder, what_is_missing_of_a_run_is_lost)
{
	put(0, WIFI);
	put(1, RAN);
	put(2, WIFI);
	run_of = 1;
	put(3, WIFI);
	run_of = 2;
	put(7, WIFI);
	GOT(0, 1, 2, 3);
	run_of = 0;
	put(4, RAN);
	GOT(4, 7);
	cr_assert_eq(reorder.stats.missed, 2);
	run_of = 4;
	put(9, WIFI); /* 8 was of that run */
	GOT(9);
	cr_assert_eq(reorder.stats.missed, 3);
}

/* Its path has not kept its order: it is not lost, and comes in time. */
Test(reorder, lost_and_found)
{
	put(0, WIFI);
	put(1, RAN);
	put(4, WIFI);
	run_of = 3;
	put(6, WIFI); /* 5 is missing, 3 and 2 may come with RAN */
	run_of = 0;
	put(5, WIFI);
	run.out = 0;
	put(2, RAN);
	put(3, RAN);
	GOT(2, 3, 4, 5, 6);
	cr_assert_eq(reorder.stats.missed, 0);
	cr_assert_eq(reorder.lost, 0);
}

/* One that no run tells of: a path that was not heard yet must have it. */
Test(reorder, a_path_that_begins)
{
	put(0, WIFI);
	put(4, WIFI);
	run_of = 1;
	put(5, WIFI);
	tick(30 * MSEC);
	GOT(0);
	run_of = 0;
	put(1, RAN);
	run_of = 1;
	put(2, RAN);
	run_of = 2;
	put(3, RAN);
	GOT(1, 2, 3, 4, 5);
	cr_assert_eq(reorder.stats.missed, 0);
}

/* It may have been taken into use again. */
Test(reorder, who_is_silent_is_waited_for_as_one_that_begins)
{
	put(0, RAN);
	put(1, WIFI);
	run.out = 0;
	tick(2 * REORDER_PATIENCE_USEC);
	put(3, WIFI);
	NOTHING();
	tick(2 * MSEC);
	put(2, RAN);
	GOT(2, 3);
	cr_assert_eq(reorder.stats.missed, 0);
}

Test(reorder, none_waits_longer_than_the_patience)
{
	put(0, WIFI);
	put(1, RAN);
	put(3, WIFI);
	tick(60 * MSEC);
	put(6, WIFI);
	run.out = 0;
	cr_assert_eq(reorder_deadline(&reorder), 1100 * MSEC);
	tick(40 * MSEC - 1);
	NOTHING();
	tick(1);
	GOT(3);
	cr_assert_eq(reorder_deadline(&reorder), 1160 * MSEC);
	tick(60 * MSEC);
	GOT(6);
	cr_assert_eq(reorder_deadline(&reorder), USEC_NEVER);
	cr_assert_eq(run.most, REORDER_PATIENCE_USEC);
}

/* One in front that came later than those behind it: they do not wait for its time. */
Test(reorder, a_young_one_in_front_holds_nobody)
{
	ways = 3;
	put(0, WIFI);
	put(1, RAN);
	put(2, SAT);
	put(7, WIFI);
	run.out = 0;
	tick(90 * MSEC);
	put(5, RAN); /* 3 and 4 may come with SAT */
	NOTHING();
	tick(10 * MSEC);
	GOT(5, 7);
	cr_assert_leq(run.most, REORDER_PATIENCE_USEC);
}

Test(reorder, the_sender_says_how_long)
{
	const struct bond_place p = { .number = 3, .ways = 2, .patience_usec = 8000 };

	put(0, WIFI);
	put(1, RAN);
	run.pkt[run.n] = 3;
	run.at[run.n++] = run.now;
	reorder_put(&reorder, &p, WIFI, run.now, &ops, &run);
	GOT(0, 1);
	cr_assert_eq(reorder_deadline(&reorder), run.now + 8000);
	tick(8000);
	GOT(3);
}

Test(reorder, twice_is_once)
{
	put(0, WIFI);
	put(1, RAN);
	cr_assert(put(4, WIFI));
	cr_assert_not(put(4, RAN));
	tick(REORDER_PATIENCE_USEC);
	GOT(0, 1, 4);
}

Test(reorder, no_more_than_so_many_wait)
{
	put(0, WIFI);
	put(1, RAN);
	for (uint32_t i = 0; i < REORDER_PACKETS; i++)
		put(3 + i, WIFI);
	cr_assert_eq(run.out, 2 + REORDER_PACKETS); /* the last found no room, 2 was given up */
	for (uint32_t i = 2; i < run.out; i++)
		cr_assert_eq(run.got[i], i + 1);
	cr_assert_eq(reorder.stats.full, 1);
}

/* A jump past all there is room for delivers what waits, in order, before it. */
Test(reorder, a_jump)
{
	put(0, WIFI);
	put(1, RAN);
	put(3, WIFI);
	put(100000, WIFI);
	GOT(0, 1, 3);
	tick(REORDER_PATIENCE_USEC);
	GOT(100000);
}

Test(reorder, without_memory_nothing_is_lost)
{
	run.room = 1;
	put(0, WIFI);
	put(1, RAN);
	put(4, WIFI);
	put(6, WIFI); /* no room: those in front go before it */
	GOT(0, 1, 4, 6);
	cr_assert_eq(reorder.stats.full, 1);
	put(3, RAN);
	GOT(3);
}

Test(reorder, numbers_wrap)
{
	reorder.next = UINT32_MAX - 1;
	put(UINT32_MAX - 1, WIFI);
	put(0, WIFI);
	put(1, WIFI);
	setup();
	reorder.next = UINT32_MAX - 1;
	put(UINT32_MAX - 1, RAN);
	put(0, WIFI);
	put(1, WIFI);
	put(UINT32_MAX, RAN);
	GOT(UINT32_MAX - 1, UINT32_MAX, 0, 1);
	cr_assert_eq(reorder.stats.missed, 0);
}

Test(reorder, a_sender_that_begins_anew)
{
	reorder.next = 3000000;
	put(3000000, WIFI);
	put(3000002, RAN);
	put(0, WIFI);
	put(1, WIFI);
	GOT(3000000, 3000002, 0, 1);
}

/* A new SA: those of the one before go first. */
Test(reorder, rekeying)
{
	reorder_init(&older, NULL);
	put_in(&older, 50, WIFI); /* its first that came: what was before is past */
	put_in(&older, 51, RAN);
	put_in(&older, 53, WIFI);
	GOT(50, 51);
	reorder_init(&reorder, &older);
	put(1, WIFI);
	put(0, WIFI); /* of the new one, and RAN has not brought any */
	NOTHING();
	put_in(&older, 52, RAN);
	GOT(52, 53);
	put(2, RAN);
	GOT(0, 1, 2);
	cr_assert_null(reorder.before);
}

Test(reorder, rekeying_waits_no_longer_than_for_a_packet)
{
	reorder_init(&older, NULL);
	put_in(&older, 0, WIFI);
	put_in(&older, 1, RAN);
	put_in(&older, 3, WIFI);
	reorder_init(&reorder, &older);
	put(0, WIFI);
	GOT(0, 1);
	tick(REORDER_PATIENCE_USEC);
	GOT(3, 0);
	put_in(&older, 2, RAN);
	GOT(2);
	cr_assert_eq(older.stats.late, 1);
}

Test(reorder, all_of_it)
{
	reorder_init(&older, NULL);
	put_in(&older, 0, WIFI);
	put_in(&older, 1, RAN);
	put_in(&older, 3, WIFI);
	reorder_init(&reorder, &older);
	put(0, WIFI);
	put(4, WIFI);
	run.out = 0;
	reorder_flush(&reorder, &ops, &run);
	GOT(3, 0, 4);
	cr_assert_eq(reorder_deadline(&older), USEC_NEVER);
}

/* A network: three paths that keep their order, take their time and lose. */
struct wire {
	usec_t delay, loss; /* permille */
};

static int by_arrival(const void *a, const void *b)
{
	const usec_t *x = a, *y = b;

	return x[0] < y[0] ? -1 : x[0] > y[0] ? 1 : x[1] < y[1] ? -1 : 1;
}

Test(reorder, a_network_that_loses)
{
	enum { N = 100000 };
	static const struct wire wire[] = { { 10000, 5 }, { 40000, 20 }, { 25000, 0 } };
	static usec_t flight[N][4]; /* arrival, number, wire, run */
	unsigned n = 0, lost = 0, backwards = 0;
	uint32_t x = 12345, top = 0;

	ways = 3;
	for (uint32_t i = 0; i < N; i++) {
		unsigned w = i / 8 % 3;

		x = x * 1664525 + 1013904223;
		if ((x >> 16) % 1000 < wire[w].loss) {
			lost++;
			continue;
		}
		flight[n][0] = run.now + 50ull * i + wire[w].delay;
		flight[n][1] = i;
		flight[n][2] = w;
		flight[n++][3] = i % 8;
	}
	qsort(flight, n, sizeof(flight[0]), by_arrival);
	for (unsigned i = 0; i < n; i++) {
		while (reorder_deadline(&reorder) <= flight[i][0]) {
			run.now = reorder_deadline(&reorder);
			reorder_run(&reorder, run.now, &ops, &run);
		}
		run.now = flight[i][0];
		run_of = (uint8_t)flight[i][3];
		cr_assert(put((uint32_t)flight[i][1], 1 + flight[i][2]));
	}
	reorder_flush(&reorder, &ops, &run);
	cr_assert_eq(run.out, n, "each is delivered once: %u of %u", run.out, n);
	for (unsigned i = 0; i < run.out; i++) {
		backwards += run.got[i] < top;
		top = run.got[i] > top ? run.got[i] : top;
	}
	cr_assert_eq(backwards, 0);
	cr_assert_eq(reorder.stats.late, 0);
	/* those lost at the very end nobody misses */
	cr_assert_leq(lost - reorder.stats.missed, 8u);
	/* the wires differ by 30 ms, and a loss shows with the next burst of the slowest */
	cr_assert_lt(run.most, 40 * MSEC);
	cr_assert_eq(run.room, MEMORY);
}
