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

/* How long since the look before; 0: not at all. The clocks, read one after the other. */
usec_t slept_look(struct slept *s, usec_t monotonic, usec_t boottime);

#endif
