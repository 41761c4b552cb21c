/* SPDX-License-Identifier: GPL-2.0-only */
/* Has this machine slept? CLOCK_BOOTTIME goes on meanwhile and CLOCK_MONOTONIC does not, so that
 * what one is ahead of the other grows by the time slept, and by nothing else: nobody sets either.
 * Thread: one. */
#ifndef BRAID_BASE_SLEPT_H
#define BRAID_BASE_SLEPT_H

#include <stdbool.h>

#include "base/usec.h"

/* All zero: before the first look. */
struct slept {
	bool looked;
	usec_t ahead;
};

/* Less is not told before it has become more: the clocks are not read at the same moment. */
#define SLEPT_LEAST (100 * USEC_PER_MSEC)

/* A thread that is preempted between two readings would see a sleep: monotonic is read again after
 * boottime, and may be so much further. */
#define SLEPT_APART (10 * USEC_PER_MSEC)

/* How long since the look before; 0: not at all. The clocks are read in this order. -EAGAIN, and
 * nothing is concluded, when that took too long: read them again. */
int slept_look(struct slept *s, usec_t before, usec_t boottime, usec_t after, usec_t *ret_slept);

#endif
