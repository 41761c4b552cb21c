/* SPDX-License-Identifier: GPL-2.0-only */
#include "steer/budget.h"

enum { DAY_SEC = 86400, EPOCH_WEEKDAY = 4 }; /* 1970-01-01 was a Thursday; Monday is 1 */

static int64_t floor_div(int64_t a, int64_t b)
{
	return a / b - (a % b < 0);
}

/* Days since 1970 of a month's first day, by years that begin in March: leap days are at their end.
 */
static int64_t month_days(int64_t year, unsigned month)
{
	int64_t y = month < 3 ? year - 1 : year;
	int64_t era = floor_div(y, 400);
	int64_t of_era = y - 400 * era, shifted = (month + 9) % 12;

	return 146097 * era + 365 * of_era + of_era / 4 - of_era / 100 + (153 * shifted + 2) / 5 -
	       719468;
}

static int64_t month_start(int64_t day, unsigned first)
{
	/* within a month of it; then the last one that is not later */
	int64_t months = floor_div((day + 719468) * 4800, 146097) + 3;
	int64_t start;

	do {
		int64_t year = floor_div(months, 12);

		start = month_days(year, (unsigned)(months - 12 * year) + 1) + first - 1;
		months--;
	} while (start > day);
	return start;
}

int64_t budget_period_start(const struct budget_cfg *c, int64_t local_sec)
{
	int64_t day = floor_div(local_sec, DAY_SEC), first = c->day ? c->day : 1;
	int64_t past;

	switch (c->period) {
	case BUDGET_NONE:
	case BUDGET_DAY:
		break;
	case BUDGET_WEEK:
		past = (day + EPOCH_WEEKDAY - first) % 7;
		day -= past < 0 ? past + 7 : past;
		break;
	case BUDGET_MONTH:
		day = month_start(day, (unsigned)first);
		break;
	}
	return day * DAY_SEC;
}

bool budget_spent(const struct budget *b, const struct budget_cfg *c)
{
	return c->octets && b->used >= c->octets;
}

unsigned budget_add(struct budget *b, const struct budget_cfg *c, uint64_t octets,
		    int64_t local_sec)
{
	int64_t period = budget_period_start(c, local_sec);
	unsigned told = 0;
	bool out;

	if (!b->period)
		b->period = period;
	if (period > b->period || (b->behind && period > b->behind && period < b->period)) {
		told = BUDGET_NEW_PERIOD;
		*b = (struct budget){ .period = period };
	}
	if (period == b->period)
		b->behind = 0;
	else if (!b->behind || period < b->behind)
		b->behind = period;
	b->used = octets > UINT64_MAX - b->used ? UINT64_MAX : b->used + octets;
	out = budget_spent(b, c);
	if (out && !b->out)
		told |= BUDGET_OUT;
	b->out = out;
	if (!c->warn_percent || (double)b->used < (double)c->octets * c->warn_percent / 100) {
		b->warned = false;
		return told;
	}
	if (!b->warned && !out)
		told |= BUDGET_WARN;
	b->warned = true;
	return told;
}
