/* SPDX-License-Identifier: GPL-2.0-only */
/* Bonding, the receiver (the sender: esp/bond.h): the packets of one SA, which came over several
 * paths, in the order of their numbers.
 *
 * One that is missing is lost if a later one of the same run came, for each path keeps its order,
 * or if a later one came by every path. Else it is waited for: no packet waits longer than the
 * patience, and no more than REORDER_PACKETS wait. What comes after it was given up is delivered
 * all the same, late: whoever sent it knows what to do with that. A path that was silent for as
 * long as the patience does not count, but is waited for as one that has only begun.
 *
 * A new SA, by rekeying, begins new numbers: its packets are held back until every path that
 * brought packets of the one before has brought one of it, or time is over; then those of the one
 * before go first.
 *
 * Where packets wait is the caller's affair: a number (handle) stands for one. No allocation, no
 * clock, no I/O. Thread: one at a time.
 */
#ifndef BRAID_ESP_REORDER_H
#define BRAID_ESP_REORDER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/usec.h"
#include "esp/bond.h"

enum {
	REORDER_PACKETS = 4096, /* a power of two: at 250 Mbit/s those of 160 ms */
	REORDER_SOURCES = 8,	/* paths, as in a group */
};
#define REORDER_PATIENCE_USEC (100 * USEC_PER_MSEC)
/* Farther back than any replay window reaches: the sender has begun anew. */
#define REORDER_BACK_MAX (1 << 20)

/* The packet in hand, where others have the handle they were kept under. */
#define REORDER_IN_HAND UINT32_MAX

struct reorder_ops {
	/* Keep the packet in hand, under a handle. False: no room. */
	bool (*keep)(void *ctx, uint32_t *ret_handle);
	/* It is its turn. */
	void (*deliver)(void *ctx, uint32_t handle);
};

struct reorder_stats {
	uint64_t waited;  /* packets that had to */
	uint64_t missed;  /* numbers given up */
	uint64_t late;	  /* of those, came after all */
	uint64_t full;	  /* packets that would have waited, but there was no room */
	uint64_t yielded; /* packets whose place another one needed */
};

struct reorder_source {
	uint64_t from; /* 0: none */
	usec_t heard;
	uint32_t newest; /* number */
	bool here;	 /* it has brought packets of this SA, not only of the one before */
};

struct reorder {
	uint32_t next; /* to be delivered */
	uint32_t waiting;
	uint32_t lost; /* numbers from next on that will not come */
	usec_t oldest; /* nothing waits since before that */
	uint8_t ways;  /* paths that may bring packets */
	usec_t patience;
	struct reorder *before; /* borrowed: of the SA before, its packets go first; NULL */
	struct reorder_stats stats;
	struct reorder_source source[REORDER_SOURCES];
	struct {
		uint8_t is; /* nothing, waiting, lost */
		uint32_t handle;
		usec_t since;
	} slot[REORDER_PACKETS]; /* by number */
};

/* before: of the SA that this one replaces, or NULL. reorder_flush of that one ends the relation,
 * and must be called before it goes, on what is after it, or its `before` be set to NULL. */
void reorder_init(struct reorder *r, struct reorder *before);
/* What is before that number is nothing to wait for. Right after reorder_init. */
void reorder_begin_at(struct reorder *r, uint32_t number);

/* A packet is in hand: its place, and where it came from (never 0). It and others are delivered or
 * it is kept. False: it is there twice, drop it. */
bool reorder_put(struct reorder *r, const struct bond_place *place, uint64_t from, usec_t now,
		 const struct reorder_ops *ops, void *ctx);

/* When to call reorder_run; USEC_NEVER: nothing waits. */
usec_t reorder_deadline(const struct reorder *r);
/* Deliver what has waited too long. */
void reorder_run(struct reorder *r, usec_t now, const struct reorder_ops *ops, void *ctx);
/* Deliver so many of those that wait, or more, the first ones: their places are needed. */
void reorder_yield(struct reorder *r, uint32_t n, const struct reorder_ops *ops, void *ctx);
/* Deliver all. */
void reorder_flush(struct reorder *r, const struct reorder_ops *ops, void *ctx);

#endif
