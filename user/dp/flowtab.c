/* SPDX-License-Identifier: GPL-2.0-only */
/* Flow slots by weighted rendezvous hashing with quotas.
 *
 * Every (member, slot) pair has a score that depends on the path id, the slot and the weight only:
 * -ln(u) / weight with u a hash in (0, 1]; the lowest score wins a slot, in proportion to the
 * weights. Quotas (largest remainder) make the shares exact to one slot. Pairs are served in order
 * of score, so a change to one member moves that member's slots and the few its quota pushes aside.
 */
#include <math.h>
#include <string.h>

#include "dp/dp.h"

/* A score and, in the lowest bits of its fraction, for which slot and by which member. Scores are
 * not negative: as integers they have the same order. */
typedef uint64_t bid_t;
enum { MEMBER_BITS = 3, SLOT_BITS = 8, BID_BITS = MEMBER_BITS + SLOT_BITS };
_Static_assert(STEER_MEMBERS_MAX == 1 << MEMBER_BITS && STEER_FLOW_SLOTS == 1 << SLOT_BITS,
	       "a bid has room for them");
#define BID_MASK (((bid_t)1 << BID_BITS) - 1)

/* splitmix64 finalizer */
static uint64_t mix(uint64_t x)
{
	x += UINT64_C(0x9e3779b97f4a7c15);
	x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
	return x ^ x >> 31;
}

static bid_t bid(uint32_t path_id, uint32_t slot, uint32_t weight, uint32_t member)
{
	double u = (double)((mix((uint64_t)path_id << 32 | slot) >> 11) + 1) * 0x1p-53;
	double score = fabs(log(u)) / weight;
	bid_t b;

	memcpy(&b, &score, sizeof(b));
	return (b & ~BID_MASK) | slot << MEMBER_BITS | member;
}

/* By digits, the lowest first; an even number of them, so that it ends in a. A group is made anew
 * at each change of a path, for each line: qsort makes all of it take four times as long. */
static void bids_sort(bid_t *a, bid_t *b, size_t n)
{
	enum { DIGIT = 8, DIGITS = 1 << DIGIT };

	for (unsigned shift = 0; shift < 64; shift += DIGIT) {
		uint32_t at[DIGITS + 1] = { 0 };
		bid_t *from = a;

		for (size_t i = 0; i < n; i++)
			at[(from[i] >> shift) % DIGITS + 1]++;
		for (size_t d = 1; d < DIGITS; d++)
			at[d] += at[d - 1];
		for (size_t i = 0; i < n; i++)
			b[at[(from[i] >> shift) % DIGITS]++] = from[i];
		a = b;
		b = from;
	}
}

/* Largest remainder: the shares add up to STEER_FLOW_SLOTS and each is within one of exact. */
static void quotas(const uint32_t *weights, size_t n, uint32_t total, uint32_t *ret_quota)
{
	uint32_t left = STEER_FLOW_SLOTS, rest[STEER_MEMBERS_MAX];

	for (size_t i = 0; i < n; i++) {
		ret_quota[i] = STEER_FLOW_SLOTS * weights[i] / total;
		rest[i] = STEER_FLOW_SLOTS * weights[i] % total;
		left -= ret_quota[i];
	}
	for (; left; left--) {
		size_t best = 0;

		for (size_t i = 1; i < n; i++)
			if (rest[i] > rest[best])
				best = i;
		ret_quota[best]++;
		rest[best] = 0;
	}
}

void flowtab_fill(__u8 flow[STEER_FLOW_SLOTS], const uint32_t *path_ids, const uint16_t *weights,
		  size_t n)
{
	bid_t bids[STEER_MEMBERS_MAX * STEER_FLOW_SLOTS],
		sorting[STEER_MEMBERS_MAX * STEER_FLOW_SLOTS];
	uint32_t w[STEER_MEMBERS_MAX], quota[STEER_MEMBERS_MAX], total = 0;
	bool taken[STEER_FLOW_SLOTS] = { false };
	size_t n_bids = 0;

	memset(flow, 0, STEER_FLOW_SLOTS);
	if (n > STEER_MEMBERS_MAX)
		n = STEER_MEMBERS_MAX;
	if (n < 2)
		return;
	for (size_t i = 0; i < n; i++)
		total += w[i] = weights[i];
	for (size_t i = 0; !total && i < n; i++) /* standbys only: they share */
		w[i] = 1;
	quotas(w, n, total ? total : n, quota);
	for (size_t i = 0; i < n; i++)
		for (uint32_t s = 0; w[i] && s < STEER_FLOW_SLOTS; s++)
			bids[n_bids++] = bid(path_ids[i], s, w[i], (uint32_t)i);
	bids_sort(bids, sorting, n_bids);
	for (size_t i = 0; i < n_bids; i++) {
		uint32_t slot = (bids[i] & BID_MASK) >> MEMBER_BITS;
		uint8_t member = bids[i] & (STEER_MEMBERS_MAX - 1);

		if (taken[slot] || !quota[member])
			continue;
		taken[slot] = true;
		quota[member]--;
		flow[slot] = member;
	}
}
