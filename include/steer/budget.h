/* SPDX-License-Identifier: GPL-2.0-only */
/* What an uplink may carry in a day, a week or a month: counts, and tells when a warning is due,
 * when it is used up, and when a new period begins.
 *
 * Pure: no clock. Times are seconds since 1970 in the calendar of the place, so that a month begins
 * there at midnight. Thread: one.
 */
#ifndef BRAID_STEER_BUDGET_H
#define BRAID_STEER_BUDGET_H

#include <stdbool.h>
#include <stdint.h>

#include "steer/class.h"

/* Zeroed: nothing is used, and the period is the first one that is seen. */
struct budget {
	int64_t period; /* when it began */
	int64_t behind; /* the clock is before that: the period it was in when that was noticed */
	uint64_t used;	/* octets */
	bool warned, out;
};

/* What budget_add has to tell. */
enum { BUDGET_NEW_PERIOD = 1 << 0, BUDGET_WARN = 1 << 1, BUDGET_OUT = 1 << 2 };

/* When the period began that this time is in. */
int64_t budget_period_start(const struct budget_cfg *c, int64_t local_sec);
/* So much more was carried; also with 0, for the calendar. Returns flags. A clock that is set back
 * begins no period; what was used counts on until the calendar is in the period after the one that
 * it was set back to, so that a clock which was once years ahead holds nothing up for years.
 * Another budget in the configuration counts at once. */
unsigned budget_add(struct budget *b, const struct budget_cfg *c, uint64_t octets,
		    int64_t local_sec);
/* Is nothing left? Also of what was read from a file, before anything is added. */
bool budget_spent(const struct budget *b, const struct budget_cfg *c);

#endif
