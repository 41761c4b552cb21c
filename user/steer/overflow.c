/* SPDX-License-Identifier: GPL-2.0-only */
#include <string.h>

#include "steer/overflow.h"

/* Less by fewer slots is not worth a flow that moves. */
enum { WORTH_SLOTS = STEER_FLOW_SLOTS / 32 };

void overflow_reset(struct overflow *o, size_t n)
{
	*o = (struct overflow){ .share = { STEER_FLOW_SLOTS }, .n = n };
}

static uint64_t demand_of(const struct overflow_load *load, size_t n)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += load[i].class_bps;
	return sum;
}

static uint16_t slots(uint64_t part, uint64_t whole)
{
	return part >= whole ? STEER_FLOW_SLOTS
			     : (uint16_t)((double)part / (double)whole * STEER_FLOW_SLOTS);
}

/* Where all are full each gets in proportion to its room. */
static void share_full(const struct overflow_load *load, size_t n, uint64_t room,
		       uint16_t share[STEER_MEMBERS_MAX])
{
	uint16_t left = STEER_FLOW_SLOTS;

	for (size_t i = 1; i < n; i++) {
		share[i] = room ? slots(load[i].room_bps, room) : 0;
		left -= share[i];
	}
	share[0] = left;
}

static void shares_for(const struct overflow_load *load, size_t n, uint64_t demand,
		       uint16_t share[STEER_MEMBERS_MAX])
{
	uint16_t left = STEER_FLOW_SLOTS;
	uint64_t room = 0;

	memset(share, 0, STEER_MEMBERS_MAX * sizeof(*share));
	for (size_t i = 0; i < n && room < demand; i++)
		room = load[i].room_bps > UINT64_MAX - room ? UINT64_MAX : room + load[i].room_bps;
	if (room < demand) {
		share_full(load, n, room, share);
		return;
	}
	for (size_t i = 0; i < n && left; i++) {
		uint16_t most = demand ? slots(load[i].room_bps, demand) : STEER_FLOW_SLOTS;

		share[i] = most < left ? most : left;
		left -= share[i];
	}
	/* what rounding down has left */
	for (size_t i = n; left && i-- > 0;)
		if (share[i] || !i) {
			share[i] += left;
			left = 0;
		}
}

/* Does every path but the last have room for its share? */
static bool fits(const struct overflow *o, const struct overflow_load *load, size_t n,
		 uint64_t demand)
{
	size_t last = 0;

	for (size_t i = 0; i < n; i++)
		if (o->share[i])
			last = i;
	for (size_t i = 0; i < n; i++) {
		double part = (double)demand * o->share[i] / STEER_FLOW_SLOTS;

		/* one that more could go past is not the last */
		if (o->share[i] && (i != last || i + 1 < n) && part > (double)load[i].room_bps)
			return false;
	}
	return true;
}

static bool take(struct overflow *o, const uint16_t share[STEER_MEMBERS_MAX])
{
	bool changed = memcmp(o->share, share, sizeof(o->share)) != 0;

	memcpy(o->share, share, sizeof(o->share));
	o->since = 0;
	return changed;
}

bool overflow_update(struct overflow *o, const struct overflow_load *load, size_t n,
		     usec_t hold_usec, usec_t now, usec_t *ret_next)
{
	uint16_t want[STEER_MEMBERS_MAX];
	uint64_t demand = demand_of(load, n);

	*ret_next = USEC_NEVER;
	if (o->n != n)
		overflow_reset(o, n);
	shares_for(load, n, demand, want);
	if (want[0] < o->share[0] || !fits(o, load, n, demand)) {
		/* all are full: as they are */
		if (want[0] >= o->share[0] && want[0] - o->share[0] < WORTH_SLOTS) {
			o->since = 0;
			return false;
		}
		return take(o, want);
	}
	if (want[0] < o->share[0] + WORTH_SLOTS &&
	    !(want[0] == STEER_FLOW_SLOTS && o->share[0] < want[0])) {
		o->since = 0;
		return false;
	}
	if (!o->since) {
		o->since = now;
		memcpy(o->worst, want, sizeof(want));
	} else if (want[0] < o->worst[0]) {
		memcpy(o->worst, want, sizeof(want));
	}
	if (now - o->since >= hold_usec)
		return take(o, o->worst);
	*ret_next = o->since + hold_usec;
	return false;
}
