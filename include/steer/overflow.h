/* SPDX-License-Identifier: GPL-2.0-only */
/* Priority with overflow: how a class's packets are shared among paths that are filled one after
 * the other. Of what is demanded each path takes what is left of its uplink; the rest goes to the
 * next. More is spilled at once; less only when that was enough for the whole of a hold, and then
 * what was enough at its worst moment, so that a load that comes and goes moves no flows to and
 * fro. Shares are computed from the sum of what is carried, not from the first path's load: flows
 * that take whatever they get would be driven off it one after the other.
 *
 * Pure: no clock. Thread: one.
 */
#ifndef BRAID_STEER_OVERFLOW_H
#define BRAID_STEER_OVERFLOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "abi/steer.h"
#include "base/usec.h"

/* Of a path, in order of preference. */
struct overflow_load {
	uint64_t room_bps;  /* for this class, before it counts as full; UINT64_MAX: without end */
	uint64_t class_bps; /* what of this class goes there now */
};

/* Zeroed: nothing spills. */
struct overflow {
	uint16_t share[STEER_MEMBERS_MAX]; /* of STEER_FLOW_SLOTS, in the same order */
	uint16_t worst[STEER_MEMBERS_MAX]; /* with the least for the first, since `since` */
	usec_t since;			   /* less would do; 0: it would not */
	size_t n;			   /* shares; 0: none yet */
};

/* What goes where from now on. Returns true if shares have changed. ret_next: when to ask again at
 * the latest, USEC_NEVER: with other loads only. */
bool overflow_update(struct overflow *o, const struct overflow_load *load, size_t n,
		     usec_t hold_usec, usec_t now, usec_t *ret_next);
/* Other paths, or in another order: all goes to the first again. */
void overflow_reset(struct overflow *o, size_t n);

#endif
