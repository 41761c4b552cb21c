/* SPDX-License-Identifier: GPL-2.0-only */
/* base/ids: numbers that come round. */
#include <criterion/criterion.h>

#include "base/ids.h"

Test(ids, in_order_and_round)
{
	uint16_t next = 65534;
	struct ids s = { 0 };

	ids_use(&s, 1);
	ids_use(&s, 2);
	cr_assert_eq(ids_take(&s, &next), 65534);
	cr_assert_eq(ids_take(&s, &next), 65535);
	cr_assert_eq(ids_take(&s, &next), 3, "0 is none, others are in use");
	cr_assert_eq(ids_take(&s, &next), 4);
}

Test(ids, all_in_use)
{
	uint16_t next = 1;
	struct ids s = { 0 };

	for (unsigned i = 1; i <= UINT16_MAX; i++)
		cr_assert_eq(ids_take(&s, &next), i);
	cr_assert_eq(ids_take(&s, &next), 0);
	s.used[1000 / 64] &= ~(UINT64_C(1) << 1000 % 64);
	cr_assert_eq(ids_take(&s, &next), 1000);
	cr_assert_eq(ids_take(&s, &next), 0);
}
