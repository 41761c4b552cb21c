/* SPDX-License-Identifier: GPL-2.0-only */
#include <string.h>

#include "esp/bond.h"

#define NSEC UINT64_C(1000000000)

/* No queue is longer than that: what is given beyond it is lost on its way. */
#define BACKLOG_MAX (NSEC / 2)

static const uint8_t magic[2] = { 0xb0, 0x4d };

static uint64_t load(_Atomic uint64_t *v)
{
	return atomic_load_explicit(v, memory_order_relaxed);
}

static uint64_t later(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

static uint64_t time_of(struct bond_path *p, size_t octets)
{
	uint64_t rate = load(&p->rate);

	return octets * NSEC / (rate ? rate : BOND_RATE_FIRST);
}

/* Who offers more than all paths carry must not be in debt for it afterwards. All are moved by the
 * same, which keeps what they differ by; two threads at once forgive too much, which is soon made
 * up for. */
static void forgive(const struct bond_way *way, unsigned n, uint64_t now)
{
	uint64_t least = UINT64_MAX;

	for (unsigned i = 0; i < n; i++) {
		uint64_t until = load(&way[i].path->busy_until);

		least = until < least ? until : least;
	}
	if (least <= now + BACKLOG_MAX)
		return;
	for (unsigned i = 0; i < n; i++)
		atomic_fetch_sub_explicit(&way[i].path->busy_until, least - now - BACKLOG_MAX,
					  memory_order_relaxed);
}

static uint32_t delay_of(const struct bond_way *way)
{
	return atomic_load_explicit(&way->path->delay_usec, memory_order_relaxed);
}

/* By how much it is longer than the shortest, nsec. */
static uint64_t longer_by(const struct bond_way *way, uint32_t shortest)
{
	uint32_t delay = delay_of(way), by = delay > shortest ? delay - shortest : 0;

	return (by < BOND_SPILL_USEC ? by : BOND_SPILL_USEC) * UINT64_C(1000);
}

unsigned bond_take(const struct bond_way *way, unsigned n, size_t octets, uint64_t now)
{
	uint64_t best = UINT64_MAX, until, took = 0;
	uint32_t shortest = UINT32_MAX;
	struct bond_path *p;
	unsigned k = 0;

	for (unsigned i = 0; i < n; i++)
		shortest = delay_of(&way[i]) < shortest ? delay_of(&way[i]) : shortest;
	for (unsigned i = 0; i < n; i++) {
		uint64_t took_i = time_of(way[i].path, octets);
		uint64_t arrival = later(now, load(&way[i].path->busy_until)) + took_i +
				   longer_by(&way[i], shortest);

		if (arrival >= best)
			continue;
		best = arrival;
		took = took_i;
		k = i;
	}
	p = way[k].path;
	until = load(&p->busy_until);
	while (!atomic_compare_exchange_weak_explicit(&p->busy_until, &until,
						      later(now, until) + took,
						      memory_order_relaxed, memory_order_relaxed))
		;
	atomic_fetch_add_explicit(&p->given, octets, memory_order_relaxed);
	if (later(now, until) + took > now + BACKLOG_MAX)
		forgive(way, n, now);
	return k;
}

void bond_queued(struct bond_path *path, uint32_t queue_usec, uint64_t now)
{
	uint64_t queue = queue_usec * UINT64_C(1000), until = load(&path->busy_until);
	uint64_t thought = until > now ? until - now : 0;

	if (queue > thought) {
		atomic_store_explicit(&path->busy_until, now + thought + (queue - thought) / 2,
				      memory_order_relaxed);
		return;
	}
	atomic_fetch_sub_explicit(&path->busy_until, (thought - queue) / 8, memory_order_relaxed);
}

/* In one word: number (32), run (8), path (24). */
void bond_number(_Atomic uint64_t *next, uint32_t path, uint32_t n, struct bond_place *ret_place)
{
	uint64_t was = load(next), is;
	uint32_t run, more;

	do {
		run = (was & 0xffffff) == path ? was >> 24 & 0xff : 0;
		more = run + n < UINT8_MAX ? run + n : UINT8_MAX;
		is = ((was >> 32) + n) << 32 | (uint64_t)more << 24 | path;
	} while (!atomic_compare_exchange_weak_explicit(next, &was, is, memory_order_relaxed,
							memory_order_relaxed));
	ret_place->number = (uint32_t)(was >> 32);
	ret_place->run = (uint8_t)run;
}

uint32_t bond_patience(const struct bond_way *way, unsigned n, uint32_t most_usec)
{
	enum { LEAST_USEC = 6 * BOND_PATIENCE_USEC };
	uint32_t least = UINT32_MAX, most = 0, need;

	for (unsigned i = 0; i < n; i++) {
		uint32_t delay = delay_of(&way[i]);

		least = delay < least ? delay : least;
		most = delay > most ? delay : most;
	}
	need = LEAST_USEC + 2 * (most - least);
	return need < most_usec ? need : most_usec;
}

enum { PATIENCE_MAX = BOND_PATIENCE_MOST_USEC / BOND_PATIENCE_USEC };

void bond_trailer_put(uint8_t *p, const struct bond_place *place)
{
	uint32_t patience = (place->patience_usec + BOND_PATIENCE_USEC - 1) / BOND_PATIENCE_USEC;
	uint32_t number = __builtin_bswap32(place->number);

	if (patience > PATIENCE_MAX)
		patience = PATIENCE_MAX;
	memcpy(p, magic, sizeof(magic));
	p[2] = place->run;
	p[3] = (uint8_t)((place->ways - 1u) << 5 | patience);
	memcpy(p + 4, &number, sizeof(number));
}

bool bond_trailer_get(const uint8_t *p, size_t left, struct bond_place *ret_place)
{
	uint32_t number;

	if (left < BOND_TRAILER || memcmp(p, magic, sizeof(magic)) != 0)
		return false;
	memcpy(&number, p + 4, sizeof(number));
	*ret_place = (struct bond_place){
		.number = __builtin_bswap32(number),
		.run = p[2],
		.ways = (uint8_t)((p[3] >> 5) + 1),
		.patience_usec = (p[3] & PATIENCE_MAX) * (uint32_t)BOND_PATIENCE_USEC,
	};
	return true;
}

/* A look is good for something if it spans that much; one at a path that was hardly used is not. */
enum {
	LOOK_MIN_USEC = 10 * 1000,
	QUEUE_USEC = 5 * 1000,
	QUEUE_LONG_USEC = 25 * 1000,
	OCTETS_MIN = 32 << 10
};

uint64_t bond_meter_look(struct bond_meter *m, uint64_t given, uint32_t rtt, uint32_t rtt_min,
			 usec_t now)
{
	struct bond_meter was = *m;
	uint64_t octets = given - was.given, span = now - was.at, rate;
	int64_t grew = (int64_t)rtt - was.rtt, taken;
	uint32_t queue = rtt > rtt_min ? rtt - rtt_min : 0;

	if (was.at && span < LOOK_MIN_USEC)
		return m->rate;
	m->at = now;
	m->given = given;
	m->rtt = rtt;
	if (!was.at || octets < OCTETS_MIN)
		return m->rate;
	rate = octets * USEC_PER_SEC / span;
	if (queue < QUEUE_USEC) { /* it could carry all of it: try an eighth more */
		rate += rate / 8;
		m->rate = rate > was.rate ? rate : was.rate;
		return m->rate;
	}
	taken = (int64_t)span + grew;
	/* one sample is little: the queue was not empty all the time, other traffic came too */
	if (taken < (int64_t)span / 4)
		taken = (int64_t)span / 4;
	rate = octets * USEC_PER_SEC / (uint64_t)taken;
	m->rate = was.rate ? was.rate - was.rate / 4 + rate / 4 : rate;
	/* a full queue grows no more: what comes is lost */
	if (queue > QUEUE_LONG_USEC)
		m->rate -= m->rate / 16;
	return m->rate;
}
