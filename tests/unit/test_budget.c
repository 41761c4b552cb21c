/* SPDX-License-Identifier: GPL-2.0-only */
/* What an uplink may carry in a period: time is a variable. */
#include <criterion/criterion.h>
#include <time.h>

#include "steer/budget.h"

static int64_t at(int year, int month, int day, int hour)
{
	struct tm tm = {
		.tm_year = year - 1900, .tm_mon = month - 1, .tm_mday = day, .tm_hour = hour
	};

	return (int64_t)timegm(&tm);
}

static struct budget_cfg cfg(enum budget_period period, uint8_t day)
{
	return (struct budget_cfg){
		.octets = 1000, .period = period, .warn_percent = 80, .day = day
	};
}

Test(budget, periods_begin_at_midnight_of_their_day)
{
	static const struct {
		enum budget_period period;
		uint8_t day;
		int now[4], start[3];
	} cases[] = {
		{ BUDGET_DAY, 1, { 2026, 11, 22, 23 }, { 2026, 11, 22 } },
		{ BUDGET_DAY, 1, { 2024, 2, 29, 0 }, { 2024, 2, 29 } },
		/* 2026-11-22 is a Sunday */
		{ BUDGET_WEEK, 1, { 2026, 11, 22, 12 }, { 2026, 11, 16 } },
		{ BUDGET_WEEK, 7, { 2026, 11, 22, 12 }, { 2026, 11, 22 } },
		{ BUDGET_WEEK, 1, { 2026, 11, 23, 0 }, { 2026, 11, 23 } },
		{ BUDGET_MONTH, 1, { 2026, 11, 1, 0 }, { 2026, 11, 1 } },
		{ BUDGET_MONTH, 1, { 2024, 2, 29, 23 }, { 2024, 2, 1 } },
		{ BUDGET_MONTH, 15, { 2026, 3, 14, 23 }, { 2026, 2, 15 } },
		{ BUDGET_MONTH, 28, { 2026, 1, 27, 23 }, { 2025, 12, 28 } },
		{ BUDGET_MONTH, 28, { 2026, 1, 28, 0 }, { 2026, 1, 28 } },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct budget_cfg c = cfg(cases[i].period, cases[i].day);
		const int *n = cases[i].now, *s = cases[i].start;

		cr_assert_eq(budget_period_start(&c, at(n[0], n[1], n[2], n[3])),
			     at(s[0], s[1], s[2], 0), "case %zu", i);
	}
}

/* What a file says counts before the first look at a counter, and no number wraps. */
Test(budget, what_was_used_up_before_stays_so)
{
	struct budget_cfg c = cfg(BUDGET_MONTH, 1);
	struct budget b = { .period = at(2026, 11, 1, 0), .used = 1000 };

	cr_assert(budget_spent(&b, &c));
	b.used = 999;
	cr_assert_not(budget_spent(&b, &c));
	b.used = UINT64_MAX - 1;
	budget_add(&b, &c, 5, at(2026, 11, 22, 12));
	cr_assert(budget_spent(&b, &c));
	budget_add(&b, &c, 5, at(2026, 12, 1, 0));
	cr_assert_not(budget_spent(&b, &c), "a new period");
	c.octets = 0;
	b.used = UINT64_MAX;
	cr_assert_not(budget_spent(&b, &c), "no budget");
}

/* Against the C library, for a hundred years. */
Test(budget, months_begin_when_the_calendar_says)
{
	for (int64_t t = at(1999, 12, 1, 5); t < at(2100, 3, 5, 0); t += 86400 * 5) {
		time_t when = (time_t)t;
		struct budget_cfg c = cfg(BUDGET_MONTH, 1);
		struct tm tm;

		gmtime_r(&when, &tm);
		cr_assert_eq(budget_period_start(&c, t),
			     at(tm.tm_year + 1900, tm.tm_mon + 1, 1, 0));
	}
}

Test(budget, warns_once_then_tells_that_it_is_used_up)
{
	struct budget_cfg c = cfg(BUDGET_MONTH, 1);
	int64_t now = at(2026, 11, 5, 3);
	struct budget b = { 0 };

	cr_assert_eq(budget_add(&b, &c, 799, now), 0);
	cr_assert_eq(budget_add(&b, &c, 1, now), BUDGET_WARN);
	cr_assert_eq(budget_add(&b, &c, 100, now), 0);
	cr_assert(!b.out);
	cr_assert_eq(budget_add(&b, &c, 100, now), BUDGET_OUT);
	cr_assert(b.out);
	cr_assert_eq(budget_add(&b, &c, 100, now), 0);
	cr_assert_eq(b.used, 1100);
}

Test(budget, all_at_once_is_no_warning)
{
	struct budget_cfg c = cfg(BUDGET_DAY, 1);
	struct budget b = { 0 };

	cr_assert_eq(budget_add(&b, &c, 5000, at(2026, 11, 5, 3)), BUDGET_OUT);
	c.warn_percent = 0;
	b = (struct budget){ 0 };
	cr_assert_eq(budget_add(&b, &c, 900, at(2026, 11, 5, 3)), 0);
}

Test(budget, a_new_period_begins_with_nothing)
{
	struct budget_cfg c = cfg(BUDGET_WEEK, 1);
	struct budget b = { 0 };

	budget_add(&b, &c, 2000, at(2026, 11, 22, 23));
	cr_assert(b.out);
	cr_assert_eq(budget_add(&b, &c, 7, at(2026, 11, 23, 0)), BUDGET_NEW_PERIOD);
	cr_assert(!b.out);
	cr_assert_eq(b.used, 7);
	cr_assert_eq(budget_add(&b, &c, 793, at(2026, 11, 23, 1)), BUDGET_WARN);
}

Test(budget, a_clock_set_back_gives_nothing_back)
{
	struct budget_cfg c = cfg(BUDGET_DAY, 1);
	struct budget b = { 0 };

	budget_add(&b, &c, 2000, at(2026, 11, 22, 1));
	cr_assert_eq(budget_add(&b, &c, 0, at(2026, 11, 20, 1)), 0);
	cr_assert(b.out);
	cr_assert_eq(b.used, 2000);
}

/* A host whose clock was once in 2038 and is right now: it does not wait until then. */
Test(budget, a_clock_that_was_ahead_for_once_holds_nothing_up)
{
	struct budget_cfg c = cfg(BUDGET_MONTH, 1);
	struct budget b = { 0 };

	budget_add(&b, &c, 2000, at(2038, 1, 19, 3));
	cr_assert_eq(budget_add(&b, &c, 5, at(2026, 11, 22, 12)), 0);
	cr_assert_eq(b.used, 2005, "it gives nothing back at once");
	cr_assert_eq(budget_add(&b, &c, 5, at(2026, 11, 30, 23)), 0);
	cr_assert(b.out);
	cr_assert_eq(budget_add(&b, &c, 5, at(2026, 12, 1, 0)), BUDGET_NEW_PERIOD);
	cr_assert_eq(b.used, 5);
	cr_assert_eq(b.period, at(2026, 12, 1, 0));
	cr_assert_eq(b.behind, 0);
	cr_assert_eq(budget_add(&b, &c, 0, at(2027, 1, 1, 0)), BUDGET_NEW_PERIOD);
}

/* A host without a clock of its own begins in 1970, and hears the time some seconds later; a clock
 * that was some seconds fast at midnight is set right. */
Test(budget, a_clock_that_is_behind_for_a_moment_gives_nothing_back)
{
	struct budget_cfg c = cfg(BUDGET_MONTH, 1);
	struct budget b = { 0 };

	budget_add(&b, &c, 2000, at(2026, 11, 5, 3));
	cr_assert_eq(budget_add(&b, &c, 0, at(1970, 1, 1, 0)), 0);
	cr_assert_eq(budget_add(&b, &c, 0, at(1970, 1, 1, 1)), 0);
	cr_assert_eq(budget_add(&b, &c, 0, at(2026, 11, 5, 4)), 0);
	cr_assert_eq(b.used, 2000);
	cr_assert_eq(budget_add(&b, &c, 0, at(2026, 10, 31, 23)), 0);
	cr_assert_eq(budget_add(&b, &c, 0, at(2026, 11, 1, 0)), 0, "where it was before");
	cr_assert_eq(b.used, 2000);
	cr_assert_eq(b.behind, 0);
}

Test(budget, another_budget_counts_at_once)
{
	struct budget_cfg c = cfg(BUDGET_DAY, 1);
	int64_t now = at(2026, 11, 22, 1);
	struct budget b = { 0 };

	budget_add(&b, &c, 2000, now);
	c.octets = 10000;
	cr_assert_eq(budget_add(&b, &c, 0, now), 0);
	cr_assert(!b.out);
	cr_assert_eq(budget_add(&b, &c, 6000, now), BUDGET_WARN);
}
