/* SPDX-License-Identifier: GPL-2.0-only */
/* The streams of bonded packets (esp/reorder.h) of one packet thread, of many peers. Two things
 *they share: places for packets that wait, and room for so many streams. While there is some,
 *everybody takes what he needs. When there is none, who holds most of it gives:
 *
 *   places   of the peer that holds most, the longest stream delivers its oldest packets before
 *	      their turn. Is it the one that wants a place, it does without;
 *   streams  one that nothing was heard of for a while ends, else the most silent one of the peer
 *	      that has most, if it has two more than the one that wants one.
 *
 * A stream that ended, and one there was no room for, loses its order, and no packet.
 *
 * What a packet is, and where it is, the caller knows: a number (place) stands for one. No
 * allocation after streams_init, no clock, no I/O. Thread: one at a time.
 */
#ifndef BRAID_ESP_STREAMS_H
#define BRAID_ESP_STREAMS_H

#include <stddef.h>

#include "esp/reorder.h"

enum {
	STREAMS_MAX = 64,
	STREAMS_PLACES = 8192, /* two streams' worth */
};
#define STREAMS_SILENT_USEC USEC_PER_SEC

struct stream {
	uint32_t spi, sa_id;
	void *sa;	/* the caller's */
	uint8_t holder; /* of streams.holder */
	usec_t heard;
	struct reorder r;
};

struct streams_ops {
	/* Put the packet in hand into that place. False: it does not fit. */
	bool (*keep)(void *ctx, uint32_t place);
	/* It is the turn of that one, or of the one in hand (REORDER_IN_HAND). The place stays
	 * untouched until streams_written. */
	void (*deliver)(void *ctx, uint32_t place);
	/* Write what was delivered, and call streams_written. */
	void (*write)(void *ctx);
	/* The SA that it was begun for is still there. */
	bool (*there)(void *ctx, const struct stream *st);
	/* It ends for the sake of another one. */
	void (*ended)(void *ctx, struct stream *st);
};

/* What one peer has. */
struct streams_holder {
	uint32_t peer, streams, places;
};

struct streams {
	const struct streams_ops *ops;
	void *ctx;
	struct stream **stream; /* those in use first */
	struct stream *mem;
	unsigned n;
	struct stream *putting;
	struct reorder_stats stats; /* of all */
	uint64_t ended;		    /* for the sake of others */
	struct streams_holder holder[STREAMS_MAX];
	unsigned n_free, n_done; /* done: delivered, and still to be written */
	uint16_t free[STREAMS_PLACES], done[STREAMS_PLACES];
	uint8_t of[STREAMS_PLACES]; /* holder */
};

/* 0 or -ENOMEM. ctx: for the ops. */
int streams_init(struct streams *s, const struct streams_ops *ops, void *ctx);
void streams_clear(struct streams *s);

/* A stream of that peer, for an SA that replaces one (0: none). What the caller wants to keep in it
 * is his to fill in. NULL: there is no room. */
struct stream *streams_begin(struct streams *s, uint32_t peer, uint32_t sa_id, uint32_t replaces,
			     usec_t now);
/* Those whose SA is gone end. */
void streams_sweep(struct streams *s);

/* A packet is in hand: reorder_put. */
bool streams_put(struct streams *s, struct stream *st, const struct bond_place *place,
		 uint64_t from, usec_t now);
/* What was delivered is written: its places are free. */
void streams_written(struct streams *s);

/* When to call streams_run, which delivers what has waited too long; USEC_NEVER: nothing waits. */
usec_t streams_deadline(const struct streams *s);
void streams_run(struct streams *s, usec_t now);

#endif
