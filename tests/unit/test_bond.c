/* SPDX-License-Identifier: GPL-2.0-only */
/* Which path a burst takes, in a network made of numbers. */
#include <pthread.h>
#include <string.h>

#include <criterion/criterion.h>

#include "esp/bond.h"

#define MBIT UINT64_C(125000) /* octets a second */
#define MSEC UINT64_C(1000000)
enum { BURST = 12000 };

static struct bond_path path[3];
static struct bond_way way[3] = { { &path[0], 1 }, { &path[1], 2 }, { &path[2], 3 } };

static void set(unsigned i, uint64_t rate, uint32_t delay_usec)
{
	memset(&path[i], 0, sizeof(path[i]));
	path[i].rate = rate;
	path[i].delay_usec = delay_usec;
}

/* Offer so much for a second. Returns the share of path 0, permille. */
static unsigned offer(uint64_t rate, unsigned n, uint64_t *now)
{
	uint64_t took[3] = { 0 }, gap = BURST * 1000 * MSEC / rate, end = *now + 1000 * MSEC, sum;

	for (; *now < end; *now += gap)
		took[bond_take(way, n, BURST, *now)] += BURST;
	sum = took[0] + took[1] + took[2];
	return (unsigned)(took[0] * 1000 / sum);
}

Test(bond, by_rate_when_all_is_needed)
{
	uint64_t now = 1;

	set(0, 200 * MBIT, 10000);
	set(1, 50 * MBIT, 10000);
	cr_assert_leq(abs((int)offer(250 * MBIT, 2, &now) - 800), 5);
	cr_assert_eq(path[0].given + path[1].given, 31248000 + BURST);
}

/* The longer path is not worth it until the shorter one is that far behind, or full. */
Test(bond, the_shorter_path_first)
{
	uint64_t now = 1;

	set(0, 200 * MBIT, 5000);
	set(1, 50 * MBIT, 20000);
	cr_assert_eq(offer(150 * MBIT, 2, &now), 1000);
	/* 5 ms of it, then all */
	offer(250 * MBIT, 2, &now);
	cr_assert_leq(abs((int)offer(250 * MBIT, 2, &now) - 800), 5);
	cr_assert_leq(path[0].busy_until - path[1].busy_until, 6 * MSEC);
	cr_assert_geq(path[0].busy_until - path[1].busy_until, 4 * MSEC);
}

/* Packets arrive nearly in order, if the paths are what they are said to be. */
Test(bond, arrival_is_nearly_in_order)
{
	uint64_t now = 1, last = 0, most = 0;

	set(0, 200 * MBIT, 5000);
	set(1, 50 * MBIT, 9000);
	for (int i = 0; i < 10000; i++, now += BURST * 1000 * MSEC / (240 * MBIT)) {
		unsigned k = bond_take(way, 2, BURST, now);
		uint64_t arrival = path[k].busy_until + path[k].delay_usec * UINT64_C(1000);

		if (arrival < last && last - arrival > most)
			most = last - arrival;
		last = arrival > last ? arrival : last;
	}
	/* what the slower one takes for a burst, at most */
	cr_assert_leq(most, BURST * 1000 * MSEC / (50 * MBIT));
}

Test(bond, three_paths)
{
	uint64_t now = 1;

	set(0, 100 * MBIT, 10000);
	set(1, 100 * MBIT, 10000);
	set(2, 200 * MBIT, 30000);
	offer(400 * MBIT, 3, &now);
	cr_assert_leq(abs((int)offer(400 * MBIT, 3, &now) - 250), 5);
}

/* What nobody carries is forgotten, what they differ by is not. */
Test(bond, overload_leaves_no_debt)
{
	uint64_t now = 1;

	set(0, 200 * MBIT, 5000);
	set(1, 50 * MBIT, 20000);
	for (int i = 0; i < 10; i++)
		offer(2000 * MBIT, 2, &now);
	cr_assert_leq(path[0].busy_until, now + 600 * MSEC);
	cr_assert_leq(path[1].busy_until, now + 600 * MSEC);
	cr_assert_leq(abs((int)offer(2000 * MBIT, 2, &now) - 800), 5);
}

Test(bond, a_path_nobody_knows_the_rate_of)
{
	uint64_t now = 1;

	set(0, 0, 0);
	set(1, 0, 0);
	cr_assert_leq(abs((int)offer(100 * MBIT, 2, &now) - 500), 2);
	cr_assert_eq(bond_take(way, 1, BURST, now), 0);
}

/* A link that carries a tenth less than it is said to: probes tell of its queue. */
Test(bond, what_is_queued_counts)
{
	double queue[2] = { 0 }, most = 0; /* octets */
	uint64_t now = 1, took[2] = { 0 };

	set(0, 200 * MBIT, 10000);
	set(1, 50 * MBIT, 10000);
	for (int i = 0; i < 400; i++) {				      /* 20 s */
		for (int k = 0; k < 52; k++, now += 50 * MSEC / 52) { /* 100 Mbit/s */
			for (int b = 0; b < 2; b++) {
				unsigned w = bond_take(way, 2, BURST, now);

				took[w] += BURST;
				queue[w] += BURST;
			}
			queue[0] -= (double)(180 * MBIT) * 0.05 / 52;
			queue[1] -= (double)(50 * MBIT) * 0.05 / 52;
			queue[0] = queue[0] < 0 ? 0 : queue[0];
			queue[1] = queue[1] < 0 ? 0 : queue[1];
		}
		for (int b = 0; b < 2; b++) {
			double usec = queue[b] * 1e6 / (double)((b ? 50 : 180) * MBIT);

			bond_queued(&path[b], (uint32_t)usec, now);
			most = usec > most ? usec : most;
		}
	}
	cr_assert_gt(took[1], 0);
	cr_assert_lt(most, 50000, "%f", most);
}

static void *take_many(void *arg)
{
	(void)arg;
	for (int i = 0; i < 100000; i++)
		bond_take(way, 2, 100, 1);
	return NULL;
}

/* Nothing that a thread gives is forgotten. */
Test(bond, threads)
{
	pthread_t t[2];

	set(0, 200 * MBIT, 0);
	set(1, 200 * MBIT, 0);
	for (int i = 0; i < 2; i++)
		cr_assert_eq(pthread_create(&t[i], NULL, take_many, NULL), 0);
	for (int i = 0; i < 2; i++)
		pthread_join(t[i], NULL);
	cr_assert_eq(path[0].given + path[1].given, 20000000);
	cr_assert_eq(path[0].busy_until + path[1].busy_until, 800 * MSEC + 2);
}

Test(bond, trailer)
{
	struct bond_place p = { 0x12345678, 200, 3, 96000 }, q;
	uint8_t b[BOND_TRAILER + 4] = { 0 };

	bond_trailer_put(b, &p);
	cr_assert(bond_trailer_get(b, BOND_TRAILER, &q));
	cr_assert_eq(q.number, 0x12345678);
	cr_assert_eq(q.run, 200);
	cr_assert_eq(q.ways, 3);
	cr_assert_eq(q.patience_usec, 96000);
	cr_assert(bond_trailer_get(b, sizeof(b), &q), "padding may follow");
	cr_assert_not(bond_trailer_get(b, BOND_TRAILER - 1, &q));
	p = (struct bond_place){ UINT32_MAX, 0, 1, 0 };
	bond_trailer_put(b, &p);
	cr_assert(bond_trailer_get(b, BOND_TRAILER, &q));
	cr_assert_eq(q.number, UINT32_MAX);
	cr_assert_eq(q.ways, 1);
	cr_assert_eq(q.patience_usec, 0);
	p = (struct bond_place){ 0, 255, 8, 5 * USEC_PER_SEC };
	bond_trailer_put(b, &p);
	bond_trailer_get(b, BOND_TRAILER, &q);
	cr_assert_eq(q.ways, 8);
	cr_assert_eq(q.patience_usec, 496000);
}

/* Zeros and the octets of ESP's own padding are what stands there else. */
Test(bond, padding_is_no_trailer)
{
	static const uint8_t zeros[64], own[] = { 1, 2, 3, 4, 5, 6, 7, 8, 9 };
	struct bond_place p = { .number = 7 };

	cr_assert_not(bond_trailer_get(zeros, sizeof(zeros), &p));
	cr_assert_not(bond_trailer_get(own, sizeof(own), &p));
	cr_assert_eq(p.number, 7);
}

Test(bond, numbers_and_runs)
{
	static const struct {
		uint32_t path, n, number, run;
	} t[] = { { 1, 8, 0, 0 },    { 1, 8, 8, 8 },	 { 2, 8, 16, 0 },    { 1, 1, 24, 0 },
		  { 1, 250, 25, 1 }, { 1, 8, 275, 251 }, { 1, 8, 283, 255 }, { 2, 1, 291, 0 } };
	_Atomic uint64_t next = 0;
	struct bond_place p;

	for (size_t i = 0; i < sizeof(t) / sizeof(*t); i++) {
		bond_number(&next, t[i].path, t[i].n, &p);
		cr_assert_eq(p.number, t[i].number, "%zu", i);
		cr_assert_eq(p.run, t[i].run, "%zu", i);
	}
	next |= UINT64_C(0xfffffff8) << 32;
	bond_number(&next, 2, 16, &p);
	bond_number(&next, 2, 1, &p);
	cr_assert_lt(p.number, 16, "they wrap");
	cr_assert_eq(p.run, 17);
}

Test(bond, patience_is_what_the_paths_differ_by)
{
	set(0, 0, 10000);
	set(1, 0, 40000);
	cr_assert_eq(bond_patience(way, 2, BOND_PATIENCE_MOST_USEC), 156000);
	cr_assert_eq(bond_patience(way, 1, BOND_PATIENCE_MOST_USEC), 96000);
	cr_assert_eq(bond_patience(way, 2, 144000), 144000, "but not more than is wanted");
	cr_assert_eq(bond_patience(way, 2, 160000), 156000);
}

/* A link of that rate with a queue, given what the meter makes of it times load permille. */
static uint64_t meter(uint64_t rate, unsigned load, unsigned looks)
{
	struct bond_meter m = { 0 };
	uint64_t given = 0, found = 0;
	double queue = 0; /* octets */
	usec_t now = 1;

	for (unsigned i = 0; i < looks; i++, now += 50000) {
		uint64_t give = (found ? found : BOND_RATE_FIRST) / 20 * load / 1000;

		queue += (double)give - (double)rate / 20;
		queue = queue < 0 ? 0 : queue > (double)rate / 10 ? (double)rate / 10 : queue;
		given += give;
		found = bond_meter_look(&m, given, (uint32_t)(20000 + queue * 1e6 / (double)rate),
					20000, now);
	}
	return found;
}

Test(bond, a_meter_finds_the_rate)
{
	for (uint64_t mbit = 20; mbit <= 1000; mbit *= 5) {
		uint64_t found = meter(mbit * MBIT, 1000, 200);

		cr_assert_geq(found, mbit * MBIT * 7 / 10, "%lu of %lu", found, mbit * MBIT);
		cr_assert_leq(found, mbit * MBIT * 14 / 10, "%lu of %lu", found, mbit * MBIT);
	}
}

Test(bond, a_path_hardly_used_tells_nothing)
{
	struct bond_meter m = { 0 };

	for (usec_t now = 1; now < 10 * USEC_PER_SEC; now += 50000)
		cr_assert_eq(bond_meter_look(&m, now / 50, 20000, 20000, now), 0);
}
