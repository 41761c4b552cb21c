/* SPDX-License-Identifier: GPL-2.0-only */
/* How often probes from new addresses are announced, and that no peer takes it all. */
#include <criterion/criterion.h>

#include "esp/joins.h"

enum { MALLORY = 7, ALICE = 8 };

static const usec_t begin = 5 * USEC_PER_SEC;

static struct udp_addr from(uint8_t host, uint16_t port)
{
	struct udp_addr a = { .ip = { .family = 4, .b = { 192, 0, 2, host } }, .port = port };

	return a;
}

Test(joins, each_is_announced_once_a_second)
{
	struct udp_addr a = from(1, 4500), b = from(2, 4500);
	struct joins j = { 0 };

	cr_assert(joins_take(&j, ALICE, 1, &a, begin));
	cr_assert_not(joins_take(&j, ALICE, 1, &a, begin + USEC_PER_SEC - 1));
	cr_assert(joins_take(&j, ALICE, 1, &b, begin), "another address");
	cr_assert(joins_take(&j, ALICE, 2, &a, begin), "another pair of endpoint ids");
	cr_assert(joins_take(&j, MALLORY, 1, &a, begin), "another peer");
	cr_assert(joins_take(&j, ALICE, 1, &a, begin + USEC_PER_SEC));
}

Test(joins, one_peer_does_not_silence_the_others)
{
	struct udp_addr a = from(1, 4500);
	unsigned announced = 0, heard = 0;
	struct joins j = { 0 };

	/* ten seconds of new addresses, one a millisecond; the other peer asks ten times a second
	 */
	for (unsigned i = 0; i < 10000; i++) {
		struct udp_addr m = from((uint8_t)i, (uint16_t)(1 + i));
		usec_t now = begin + i * USEC_PER_MSEC;

		announced += joins_take(&j, MALLORY, i, &m, now);
		if (i % 100 == 50)
			heard += joins_take(&j, ALICE, 1, &a, now);
	}
	cr_assert_eq(heard, 10, "%u times heard", heard);
	cr_assert_leq(announced, 10 * JOINS_SHARE, "%u announced", announced);
}

Test(joins, all_together_are_few)
{
	struct joins j = { 0 };
	unsigned announced = 0;

	for (unsigned i = 0; i < 1000; i++) {
		struct udp_addr m = from(1, (uint16_t)i);

		announced += joins_take(&j, i, 1, &m, begin + i);
	}
	cr_assert_eq(announced, JOINS_MAX);
}
