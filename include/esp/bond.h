/* SPDX-License-Identifier: GPL-2.0-only */
/* Bonding, the sender: one flow over several paths, packet by packet. Each burst takes the path by
 * which it will have arrived first:
 *
 *	max(now, when the path has sent what it was given) + octets / rate + delay
 *
 * so that nothing takes a longer path that the shortest one carries alone. But no path counts as
 * longer than the shortest by more than BOND_SPILL_USEC: a flow that a longer one is not given to
 * before the shorter one has a queue as long as they differ never gets so far, since it takes that
 * queue for congestion. The disorder which that makes the receiver's engine puts right
 * (esp/reorder.h), by a number behind each packet:
 *
 *	inner packet | magic (2) | run (1) | ways, patience (1) | number (4) | padding ..
 *
 * It stands inside what RFC 4303 2.7 calls padding for traffic flow confidentiality: who does not
 * know it does not see it. Numbers are those of an SA, begin at 0, and wrap. run: so many numbers
 * right before this one went by the same path, which keeps its order: those of them that did not
 * come are lost. ways (3 bits): so many paths may bring packets, less one. patience (5 bits): how
 * long to wait for one that may still come, in units of 16 ms; 0: as the receiver likes.
 *
 * A path's rate is what its uplink is configured for, or else what bond_meter finds. No allocation,
 * no I/O, no clock. Thread: bond_take any; a meter one.
 */
#ifndef BRAID_ESP_BOND_H
#define BRAID_ESP_BOND_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/usec.h"

enum {
	BOND_TRAILER = 8, /* octets */
	/* Packets that go by one path at once: 1 ms of 100 Mbit/s. */
	BOND_BURST = 8,
	BOND_PATIENCE_USEC = 16000,			   /* unit */
	BOND_PATIENCE_MOST_USEC = 31 * BOND_PATIENCE_USEC, /* that can be said */
	BOND_SPILL_USEC = 5000,
};

/* Of a path nothing is known about: 50 Mbit/s, in octets. */
#define BOND_RATE_FIRST UINT64_C(6250000)

/* What the bursts of all packet threads know of a path. */
struct bond_path {
	_Atomic uint64_t busy_until; /* nsec: it has sent what it was given */
	_Atomic uint64_t given;	     /* octets, in all */
	_Atomic uint64_t rate;	     /* octets a second; 0: not known */
	_Atomic uint32_t delay_usec; /* one way */
};

/* One of the paths that a burst may take. */
struct bond_way {
	struct bond_path *path;
	uint32_t id;
};

/* The best of 1 to n for a burst of so many octets, which is added to its backlog. now: nsec. */
unsigned bond_take(const struct bond_way *way, unsigned n, size_t octets, uint64_t now);

/* A probe found that so much is queued in the path, in time. What is thought of its backlog
 * follows, at once where it was too good; what was just given to it no probe has seen. Any thread.
 */
void bond_queued(struct bond_path *path, uint32_t queue_usec, uint64_t now);

/* What a packet says of its place. */
struct bond_place {
	uint32_t number;
	uint8_t run, ways;
	uint32_t patience_usec;
};

/* The next n numbers of an SA, for a burst that goes by that path: number and run of the first. */
void bond_number(_Atomic uint64_t *next, uint32_t path, uint32_t n, struct bond_place *ret_place);
/* What the receiver should be ready to wait, by what the paths differ, but not more than most_usec.
 */
uint32_t bond_patience(const struct bond_way *way, unsigned n, uint32_t most_usec);

void bond_trailer_put(uint8_t *p, const struct bond_place *place);
/* The trailer of a packet whose own length ended before p, with so many octets left. False: there
 * is none. */
bool bond_trailer_get(const uint8_t *p, size_t left, struct bond_place *ret_place);

/* What a path carries, found by what it was given and how its round trip grew meanwhile: a queue
 * that grows by q in the time t, while s octets came to it, has sent s / (t + q) a second. Where
 * none grows the path carries what it was given at least, and more is tried; where it stays long,
 * less. */
struct bond_meter {
	usec_t at; /* of the last look; 0: none yet */
	uint64_t given;
	uint32_t rtt;
	uint64_t rate; /* octets a second; 0: not known */
};

/* A probe was answered. Returns the rate. */
uint64_t bond_meter_look(struct bond_meter *m, uint64_t given, uint32_t rtt_usec,
			 uint32_t rtt_min_usec, usec_t now);

#endif
