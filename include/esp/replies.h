/* SPDX-License-Identifier: GPL-2.0-only */
/* By which line of IKE SAs the packets of a flow come, so that what answers them goes by the same
 * one: a flow both of whose directions use one path has nothing to do with what becomes of another.
 * Only where siblings (esp/siblings.h) carry a family's packets, and only the end that is not I of
 * the family follows: with both, no flow would ever return to where its table wants it.
 *
 * A table of fixed size, which may forget. A flow that is in another one's place is not known, and
 * gets the place when nothing of the other one has come for a second.
 *
 * Packet threads, all of them, without locks.
 */
#ifndef BRAID_ESP_REPLIES_H
#define BRAID_ESP_REPLIES_H

#include <stdatomic.h>
#include <stdint.h>

#include "base/usec.h"

struct replies {
	_Atomic uint64_t *flow; /* LINE_REPLIES (abi/lines.h) */
};

int replies_init(struct replies *r); /* 0 or -ENOMEM */
void replies_clear(struct replies *r);

/* flow: a number of the flow in the direction of the replies, well mixed (flow_hash); of: whose
 * flows these are. A packet of it came by that line. */
void replies_heard(struct replies *r, uint64_t of, uint64_t flow, uint32_t line, usec_t now);
/* The line it came by last; 0: not known. */
uint32_t replies_line(const struct replies *r, uint64_t of, uint64_t flow);

#endif
