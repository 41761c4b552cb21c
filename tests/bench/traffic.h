/* SPDX-License-Identifier: GPL-2.0-only */
/* Packets into a tunnel at a steady rate, and what becomes of them outside: which outer source
 * address each has, and when the last one with it was sent. Two threads of their own; everything in
 * the caller's network namespace. */
#ifndef BRAID_BENCH_TRAFFIC_H
#define BRAID_BENCH_TRAFFIC_H

#include <stdint.h>

enum { TRAFFIC_OLD, TRAFFIC_NEW, TRAFFIC_SIDES };

struct traffic_cfg {
	const char *dev[TRAFFIC_SIDES]; /* uplinks */
	uint32_t source[TRAFFIC_SIDES]; /* outer source addresses, network order */
	uint32_t first_dst, n_dst;	/* inner destinations, host order; taken at random */
	uint32_t per_sec;
	uint32_t payload; /* octets of UDP; outside they are known by their length, with AES-GCM */
};

/* Packets: since it was last resumed. Times: nanoseconds after the last mark; 0: none was seen. */
struct traffic_seen {
	uint64_t sent;
	struct {
		uint64_t packets;
		uint64_t first, last;
		/* the Child SAs among them: how many, and of each its last packet: the earliest of
		 * these */
		uint64_t sas, earliest_last;
	} side[TRAFFIC_SIDES];
};

void traffic_start(const struct traffic_cfg *cfg); /* or ends the program; paused */
void traffic_pause(void);			   /* what was sent is out afterwards */
void traffic_resume(void);
void traffic_mark(void);
void traffic_read(struct traffic_seen *ret_seen);

#endif
