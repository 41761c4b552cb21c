/* SPDX-License-Identifier: GPL-2.0-only */
/* By which line replies go: that of the last packet, whoever has the place in the table. */
#include <criterion/criterion.h>

#include "esp/replies.h"

static struct replies r;

static void setup(void)
{
	cr_assert_eq(replies_init(&r), 0);
}

static void teardown(void)
{
	replies_clear(&r);
}

TestSuite(replies, .init = setup, .fini = teardown);

/* Of one family, in the same place as tag 0, and told from it. */
static uint64_t same_place(uint16_t tag)
{
	return (uint64_t)7 << 32 | (uint64_t)tag << 16;
}

Test(replies, the_line_of_the_last_packet)
{
	cr_assert_eq(replies_line(&r, 0, 1), 0);
	replies_heard(&r, 0, 1, 42, 0);
	cr_assert_eq(replies_line(&r, 0, 1), 42);
	replies_heard(&r, 0, 1, 43, 0);
	cr_assert_eq(replies_line(&r, 0, 1), 43);
	cr_assert_eq(replies_line(&r, 0, UINT64_C(2) << 32), 0);
}

/* The same flow of another family is another flow. */
Test(replies, families_do_not_mix)
{
	for (uint64_t of = 1; of <= 100; of++)
		replies_heard(&r, of, 1, (uint32_t)of, 0);
	for (uint64_t of = 1; of <= 100; of++)
		cr_assert_eq(replies_line(&r, of, 1), of);
	cr_assert_eq(replies_line(&r, 101, 1), 0);
}

/* It keeps its place while packets of it come, and for a second. */
Test(replies, another_flow_has_to_wait)
{
	usec_t now = 1000 * USEC_PER_SEC;

	replies_heard(&r, 0, same_place(1), 42, now);
	replies_heard(&r, 0, same_place(2), 43, now + USEC_PER_SEC / 2);
	cr_assert_eq(replies_line(&r, 0, same_place(1)), 42);
	cr_assert_eq(replies_line(&r, 0, same_place(2)), 0);
	replies_heard(&r, 0, same_place(1), 42, now + USEC_PER_SEC / 2);
	replies_heard(&r, 0, same_place(2), 43, now + USEC_PER_SEC);
	cr_assert_eq(replies_line(&r, 0, same_place(1)), 42, "it still came");
	replies_heard(&r, 0, same_place(2), 43, now + 2 * USEC_PER_SEC);
	cr_assert_eq(replies_line(&r, 0, same_place(1)), 0);
	cr_assert_eq(replies_line(&r, 0, same_place(2)), 43);
}
