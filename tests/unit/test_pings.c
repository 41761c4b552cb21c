/* SPDX-License-Identifier: GPL-2.0-only */
/* Which answer belongs to which probe of an operator. */
#include <criterion/criterion.h>

#include "esp/pings.h"

static const usec_t begin = 5 * USEC_PER_SEC;

static struct ping ping_of(uint32_t seq)
{
	struct ping p = { .path = 3, .seq = seq, .octets = 120, .sent = begin + seq };

	p.nonce[3] = (uint8_t)(seq >> 8);
	p.nonce[7] = (uint8_t)seq;
	return p;
}

static void put(struct pings *p, uint32_t seq)
{
	struct ping ping = ping_of(seq);

	pings_sent(p, &ping);
}

Test(pings, each_answer_counts_once)
{
	struct pings p = { 0 };
	struct ping a = ping_of(1), b = ping_of(2), stranger = ping_of(3), got = { 0 };

	cr_assert_not(pings_take(&p, a.nonce, begin, &got), "nothing was sent");
	pings_sent(&p, &a);
	pings_sent(&p, &b);
	cr_assert_not(pings_take(&p, stranger.nonce, begin + 10, &got));
	cr_assert(pings_take(&p, b.nonce, begin + 10, &got), "out of order");
	cr_assert_eq(got.seq, 2);
	cr_assert_eq(got.sent, begin + 2);
	cr_assert_eq(got.octets, 120);
	cr_assert_not(pings_take(&p, b.nonce, begin + 11, &got), "a duplicate");
	cr_assert(pings_take(&p, a.nonce, begin + 12, &got));
	cr_assert_eq(p.n, 0);
}

Test(pings, an_answer_that_is_too_late_is_none)
{
	struct pings p = { 0 };
	struct ping a = ping_of(1), got;

	pings_sent(&p, &a);
	cr_assert_not(pings_take(&p, a.nonce, a.sent + PING_KEPT, &got));
	cr_assert_eq(p.n, 0, "and costs nothing any more");
}

Test(pings, the_oldest_gives_way)
{
	struct pings p = { 0 };
	struct ping got;

	for (uint32_t i = 1; i <= PINGS_MAX + 1; i++)
		put(&p, i);
	cr_assert_eq(p.n, PINGS_MAX);
	cr_assert_not(pings_take(&p, ping_of(1).nonce, begin + 1000, &got));
	cr_assert(pings_take(&p, ping_of(2).nonce, begin + 1000, &got));
	cr_assert(pings_take(&p, ping_of(PINGS_MAX + 1).nonce, begin + 1000, &got));
	cr_assert_eq(p.n, PINGS_MAX - 2);
}
