/* SPDX-License-Identifier: GPL-2.0-only */
/* base/slept: time that passed unseen, and readings that only look like it. */
#include <criterion/criterion.h>

#include "base/slept.h"

enum { SEC = 1000 * 1000 };

Test(slept, awake)
{
	struct slept s = { 0 };
	usec_t t = 100 * (usec_t)SEC, ahead = 3600 * (usec_t)SEC;

	cr_assert_eq(slept_look(&s, t, t + ahead), 0, "slept before the first look");
	for (unsigned i = 1; i < 1000; i++)
		cr_assert_eq(slept_look(&s, t + i * SEC, t + i * SEC + ahead + i % 50), 0);
	/* read with a pause between, in both orders */
	cr_assert_eq(slept_look(&s, t, t + ahead + 90 * 1000), 0);
	cr_assert_eq(slept_look(&s, t, t + ahead - 90 * 1000), 0);
	cr_assert_eq(slept_look(&s, t, t + ahead), 0);
}

Test(slept, asleep)
{
	struct slept s = { 0 };
	usec_t t = 100 * (usec_t)SEC, night = 8 * 3600 * (usec_t)SEC;

	cr_assert_eq(slept_look(&s, t, t), 0);
	cr_assert_eq(slept_look(&s, t + SEC, t + SEC + night), night);
	cr_assert_eq(slept_look(&s, t + SEC, t + SEC + night), 0, "told twice");
	cr_assert_eq(slept_look(&s, t + 2 * SEC, t + 2 * SEC + night + 5 * SEC), 5 * SEC);
	/* short ones add up */
	for (unsigned i = 1; i < 4; i++)
		cr_assert_eq(slept_look(&s, t + 2 * SEC, t + 2 * SEC + night + 5 * SEC + i * 30000),
			     0);
	cr_assert_eq(slept_look(&s, t + 2 * SEC, t + 2 * SEC + night + 5 * SEC + 120000), 120000);
}

/* Nothing it is told makes it wrap. */
Test(slept, strange_readings)
{
	struct slept s = { 0 };

	cr_assert_eq(slept_look(&s, 50, 0), 0);
	cr_assert_eq(slept_look(&s, 100 * (usec_t)SEC, 0), 0);
	cr_assert_eq(slept_look(&s, 0, SEC), SEC);
}
