/* SPDX-License-Identifier: GPL-2.0-only */
/* Flow slots by quota.
 *
 * Each member has as many slots as its weight gives, by the largest remainder: shares are exact to
 * one slot. A slot keeps its path as long as that has not more than its quota; what is left over is
 * dealt out in one fixed random order, so that the slots of a member have nothing in common: when
 * it fails, they are spread over the others by their number.
 */
#include <string.h>

#include "dp/dp.h"

/* splitmix64 */
static uint64_t mix(uint64_t x)
{
	x += UINT64_C(0x9e3779b97f4a7c15);
	x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
	return x ^ x >> 31;
}

/* All slots, in an order that is always the same. */
static void shuffled(uint8_t ret_slot[STEER_FLOW_SLOTS])
{
	for (unsigned i = 0; i < STEER_FLOW_SLOTS; i++) {
		unsigned k = (unsigned)(mix(i) % (i + 1));

		ret_slot[i] = ret_slot[k];
		ret_slot[k] = (uint8_t)i;
	}
}

struct share {
	uint32_t weight, quota, rest, held;
};

/* Of members with equal claims to an odd slot the one that has it keeps it. */
static bool claims_more(const struct share *a, const struct share *b)
{
	return a->rest != b->rest ? a->rest > b->rest : (a->held > a->quota) > (b->held > b->quota);
}

/* Largest remainder: the quotas add up to STEER_FLOW_SLOTS and each is within one of exact. */
static void quotas(struct share *m, size_t n)
{
	uint32_t left = STEER_FLOW_SLOTS, total = 0;

	for (size_t i = 0; i < n; i++)
		total += m[i].weight;
	for (size_t i = 0; i < n; i++) {
		m[i].quota = STEER_FLOW_SLOTS * m[i].weight / total;
		m[i].rest = STEER_FLOW_SLOTS * m[i].weight % total;
		left -= m[i].quota;
	}
	for (; left; left--) {
		struct share *best = &m[0];

		for (size_t i = 1; i < n; i++)
			if (claims_more(&m[i], best))
				best = &m[i];
		best->quota++;
		best->rest = 0;
	}
}

static size_t member_of(const uint32_t *path_ids, size_t n, uint16_t path)
{
	size_t i = 0;

	while (i < n && path_ids[i] != path)
		i++;
	return i;
}

void flowtab_update(uint16_t flow[STEER_FLOW_SLOTS], const uint32_t *path_ids,
		    const uint16_t *weights, size_t n)
{
	struct share m[STEER_MEMBERS_MAX + 1] = { { 0 } }; /* and of paths that are none */
	uint8_t order[STEER_FLOW_SLOTS], free[STEER_FLOW_SLOTS];
	size_t n_free = 0;
	bool any = false;

	n = n < STEER_MEMBERS_MAX ? n : STEER_MEMBERS_MAX;
	if (!n) {
		memset(flow, 0, STEER_FLOW_SLOTS * sizeof(*flow));
		return;
	}
	for (size_t i = 0; i < n; i++)
		any |= (m[i].weight = weights[i]) > 0;
	for (size_t i = 0; !any && i < n; i++) /* standbys only: they share */
		m[i].weight = 1;
	for (size_t s = 0; s < STEER_FLOW_SLOTS; s++)
		m[member_of(path_ids, n, flow[s])].held++;
	quotas(m, n);
	shuffled(order);
	for (size_t i = 0; i < STEER_FLOW_SLOTS; i++) {
		struct share *has = &m[member_of(path_ids, n, flow[order[i]])];

		if (has->held <= has->quota)
			continue;
		has->held--;
		free[n_free++] = order[i];
	}
	for (size_t i = 0; i < n; i++)
		for (; m[i].held < m[i].quota; m[i].held++)
			flow[free[--n_free]] = (uint16_t)path_ids[i];
}
