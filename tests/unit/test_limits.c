/* SPDX-License-Identifier: GPL-2.0-only */
#include <criterion/criterion.h>

#include "base/hash.h"
#include "base/limits.h"

static uint64_t key(uint32_t source)
{
	return hash_octets(&source, sizeof(source));
}

static unsigned allowed(struct limits *l, uint32_t source, usec_t now, unsigned asked)
{
	unsigned n = 0;

	while (asked--)
		n += limits_ok(l, key(source), now, 4, USEC_PER_SEC);
	return n;
}

/* [ROB-3]: as often as it may, and again in the next second. */
Test(limits, of_one)
{
	static struct limits l;

	cr_assert_eq(allowed(&l, 1, 5 * USEC_PER_SEC, 1000), 4);
	cr_assert_eq(allowed(&l, 1, 5 * USEC_PER_SEC + 999999, 1000), 0);
	cr_assert_eq(allowed(&l, 1, 6 * USEC_PER_SEC, 1000), 4);
}

/* One that asks without end takes what is its own: of a thousand others nearly all are served. */
Test(limits, one_does_not_silence_others)
{
	unsigned served = 0;

	for (uint32_t source = 2; source < 1002; source++) {
		static struct limits l;

		l = (struct limits){ 0 };
		allowed(&l, 1, USEC_PER_SEC, 1000);
		served += allowed(&l, source, USEC_PER_SEC, 1) == 1;
	}
	cr_assert_geq(served, 950, "%u", served);
	cr_assert_lt(served, 1000, "in fixed memory some must share");
}

/* However many there are, all together have a bound. */
Test(limits, of_all)
{
	static struct limits l;
	unsigned n = 0;

	for (uint32_t source = 0; source < 100000; source++)
		n += allowed(&l, source, USEC_PER_SEC, 2);
	cr_assert_eq(n, 4 * LIMITS_MAX, "%u", n);
}
