/* SPDX-License-Identifier: GPL-2.0-only */
/* Which of two paths has the smaller round trip, told from single probes. A step is to be seen
 * within four of them, and noise is never to be taken for one, so it is told in two ways:
 *
 * clearly: each of the last four round trips of one path was smaller than each of the other's, by
 *	the margin and by as much as either path went up and down before, its extremes left out.
 * in the long run: smoothed, it is smaller by the margin, by what neighbouring ones of a path
 *	differ and by half of that up and down, for as long as what is remembered took.
 *
 * Pure: no clock. Thread: one.
 */
#ifndef BRAID_STEER_DELAY_H
#define BRAID_STEER_DELAY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/usec.h"

enum { DELAY_SAMPLES = 16, DELAY_CLEAR = 4 };

/* Of a path. Zeroed: nothing is known. */
struct delay_track {
	uint32_t rtt[DELAY_SAMPLES]; /* ring: usec */
	usec_t at[DELAY_SAMPLES];
	uint64_t n;	 /* ever */
	uint64_t smooth; /* 16 times usec */
};

struct delay_margin {
	uint8_t percent; /* of the path that is left */
	uint32_t usec;
};

enum delay_told { DELAY_NOT_SMALLER, DELAY_SMALLER_SMOOTHED, DELAY_SMALLER_CLEARLY };

void delay_push(struct delay_track *t, uint32_t rtt_usec, usec_t at);
/* Has `path` a smaller delay than `than`? ret_since: since when that is so, as far as it is told
 * clearly; ret_span: how long smoothed ones have to differ. */
enum delay_told delay_smaller(const struct delay_track *path, const struct delay_track *than,
			      const struct delay_margin *margin, usec_t *ret_since,
			      usec_t *ret_span);
/* Smoothed, usec; 0: not known. */
uint32_t delay_of(const struct delay_track *t);

#endif
