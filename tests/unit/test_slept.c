/* SPDX-License-Identifier: GPL-2.0-only */
/* base/slept: time that passed unseen, and readings that only look like it. */
#include <errno.h>

#include <criterion/criterion.h>

#include "base/slept.h"

enum { SEC = 1000 * 1000 };

/* Without a pause between the readings. */
static usec_t look(struct slept *s, usec_t monotonic, usec_t boottime)
{
	usec_t slept;

	cr_assert_eq(slept_look(s, monotonic, boottime, monotonic, &slept), 0);
	return slept;
}

Test(slept, awake)
{
	struct slept s = { 0 };
	usec_t t = 100 * (usec_t)SEC, ahead = 3600 * (usec_t)SEC;

	cr_assert_eq(look(&s, t, t + ahead), 0, "slept before the first look");
	for (unsigned i = 1; i < 1000; i++)
		cr_assert_eq(look(&s, t + i * SEC, t + i * SEC + ahead + i % 50), 0);
	/* read with a pause between, in both orders */
	cr_assert_eq(look(&s, t, t + ahead + 90 * 1000), 0);
	cr_assert_eq(look(&s, t, t + ahead - 90 * 1000), 0);
	cr_assert_eq(look(&s, t, t + ahead), 0);
}

Test(slept, asleep)
{
	struct slept s = { 0 };
	usec_t t = 100 * (usec_t)SEC, night = 8 * 3600 * (usec_t)SEC;

	cr_assert_eq(look(&s, t, t), 0);
	cr_assert_eq(look(&s, t + SEC, t + SEC + night), night);
	cr_assert_eq(look(&s, t + SEC, t + SEC + night), 0, "told twice");
	cr_assert_eq(look(&s, t + 2 * SEC, t + 2 * SEC + night + 5 * SEC), 5 * SEC);
	/* short ones add up */
	for (unsigned i = 1; i < 4; i++)
		cr_assert_eq(look(&s, t + 2 * SEC, t + 2 * SEC + night + 5 * SEC + i * 30000), 0);
	cr_assert_eq(look(&s, t + 2 * SEC, t + 2 * SEC + night + 5 * SEC + 120000), 120000);
}

/* Nothing it is told makes it wrap. */
Test(slept, strange_readings)
{
	struct slept s = { 0 };

	cr_assert_eq(look(&s, 50, 0), 0);
	cr_assert_eq(look(&s, 100 * (usec_t)SEC, 0), 0);
	cr_assert_eq(look(&s, 0, SEC), SEC);
}

/* Preempted between the readings: that is no sleep, nor is anything remembered of it. */
Test(slept, read_far_apart)
{
	usec_t t = 100 * (usec_t)SEC, late = 300 * 1000, told = 42;
	struct slept s = { 0 };

	cr_assert_eq(slept_look(&s, t, t + late, t + late, &told), -EAGAIN);
	cr_assert_not(s.looked);
	cr_assert_eq(look(&s, t, t), 0);
	cr_assert_eq(slept_look(&s, t, t + late, t + late, &told), -EAGAIN);
	cr_assert_eq(told, 42);
	cr_assert_eq(look(&s, t + SEC, t + SEC), 0);
	/* asleep between the readings: seen as any other */
	cr_assert_eq(slept_look(&s, t + SEC, t + SEC + late, t + SEC + 20, &told), 0);
	cr_assert_eq(told, late);
}
