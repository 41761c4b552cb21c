/* SPDX-License-Identifier: GPL-2.0-only */
/* What a path carries, found out from what leaves by it and from its probes. A path whose round
 * trip stays above its least, and comes and goes, has a queue that is never empty: what leaves
 * meanwhile, less what the queue has grown by, is what it carries. One that has no queue carries
 * at least what it did. Loss without a queue says nothing of capacity: radio loses, too; so it
 * makes nothing smaller.
 *
 * Not told: what traffic that heeds no loss overloads a path by, where probes fit into a queue that
 * larger packets do not fit into; and for at most a minute a queue from a round trip that has got
 * longer and unsteady for another reason.
 *
 * Pure: no clock. Thread: one.
 */
#ifndef BRAID_STEER_CAPACITY_H
#define BRAID_STEER_CAPACITY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/usec.h"

enum { CAPACITY_LOOKS = 4 };

/* Of a path. Zeroed: nothing is known. */
struct capacity {
	uint64_t bps; /* bit/s: what it carries, or as long as it was never full what it has carried
		       */
	usec_t full_at; /* when it last was; 0: never */

	/* from one look to the next */
	usec_t at, measured;
	uint64_t tx;
	uint32_t rtt[CAPACITY_LOOKS]; /* of looks with a queue, ring */
	unsigned queued;	      /* how many in a row */
	uint64_t before;	      /* bit/s of the last look, without a queue; 0: it had one */
	uint32_t least[2];	      /* round trips: in this window, in the one before */
	usec_t least_at;
};

/* Of a path: octets that have left by it since ever, and its youngest probe. */
struct capacity_look {
	uint64_t tx_octets;
	usec_t measured; /* when that was; 0: never, and nothing is told */
	uint32_t rtt_usec, loss_permille;
};

/* As often as there may be another probe. */
void capacity_look(struct capacity *c, const struct capacity_look *l, usec_t now);

#endif
