/* SPDX-License-Identifier: GPL-2.0-only */
/* Which paths of a family of lines carry the traffic of one of them. [CLONE-60] [CLONE-61] */
#include <criterion/criterion.h>

#include "dp/members.h"

enum { MOST = 40 };

static struct addr ours[MOST], theirs;
static struct candidate c[MOST];
static size_t n;

/* The path of a line, numbered from 1 in the order in which they are added, on an address. */
static struct candidate *add(uint8_t host, uint16_t weight)
{
	ours[n] = (struct addr){ .family = 4, .b = { 192, 0, 2, host } };
	theirs = (struct addr){ .family = 4, .b = { 198, 51, 100, 1 } };
	c[n] = (struct candidate){
		.path = (uint32_t)n + 1,
		.line = (uint32_t)n + 1,
		.local = &ours[n],
		.remote = &theirs,
		.weight = weight,
		.usable = true,
		.same = true,
	};
	return &c[n++];
}

static void begin(void)
{
	n = 0;
}

TestSuite(members, .init = begin);

static void is(size_t i, uint16_t share, enum member_why why)
{
	cr_assert_eq(c[i].share, share, "%zu has %u", i, c[i].share);
	cr_assert_eq(c[i].why, why, "%zu: %d", i, c[i].why);
}

Test(members, lines_for_the_same_traffic_share_it_by_weight)
{
	add(1, 3);
	add(2, 1);
	cr_assert_eq(members_choose(c, n), 2);
	is(0, 3, MEMBER_SHARES);
	is(1, 1, MEMBER_SHARES);
}

Test(members, lines_for_other_traffic_stand_by)
{
	add(1, 3);
	add(2, 1)->same = false;
	cr_assert_eq(members_choose(c, n), 2);
	is(0, 3, MEMBER_SHARES);
	is(1, 0, MEMBER_SELECTORS);
	cr_assert(c[1].member, "for when there is nothing else");
}

Test(members, a_pair_of_addresses_counts_once)
{
	add(1, 1);
	add(1, 1);
	add(2, 1);
	cr_assert_eq(members_choose(c, n), 3);
	is(0, 1, MEMBER_SHARES);
	is(1, 0, MEMBER_SAME_PAIR);
	is(2, 1, MEMBER_SHARES);
}

Test(members, a_pair_counts_though_its_first_line_is_for_other_traffic_or_not_usable)
{
	add(1, 1)->same = false;
	add(2, 1)->usable = false;
	add(1, 1);
	add(2, 1);
	cr_assert_eq(members_choose(c, n), 3);
	is(2, 1, MEMBER_SHARES);
	is(3, 1, MEMBER_SHARES);
	cr_assert_not(c[1].member);
	is(1, 0, MEMBER_NOT_YET);
}

Test(members, metered_ones_stand_by_while_their_traffic_has_others)
{
	add(1, 1)->metered = true;
	add(2, 1);
	members_choose(c, n);
	is(0, 0, MEMBER_METERED);
	is(1, 1, MEMBER_SHARES);

	c[1].same = false; /* one inner address each: it is needed */
	members_choose(c, n);
	is(0, 1, MEMBER_SHARES);
	is(1, 0, MEMBER_SELECTORS);

	c[1].same = true;
	c[1].usable = false;
	members_choose(c, n);
	is(0, 1, MEMBER_SHARES);
}

Test(members, what_the_operator_prefers_carries_all_of_every_line)
{
	add(1, 1);
	add(2, 2)->preferred = true;
	add(3, 1)->metered = true;
	c[1].metered = true;
	members_choose(c, n);
	is(0, 0, MEMBER_OTHER_FIRST);
	is(1, 2, MEMBER_SHARES);
	is(2, 0, MEMBER_OTHER_FIRST);

	c[1].same = false; /* also that of other Child SAs */
	members_choose(c, n);
	is(0, 0, MEMBER_OTHER_FIRST);
	is(1, 2, MEMBER_SHARES);

	c[1].usable = false;
	members_choose(c, n);
	is(0, 1, MEMBER_SHARES);
}

Test(members, the_peers_word_counts_unless_it_is_about_all)
{
	add(1, 1)->peer_standby = true;
	add(2, 2);
	add(3, 4)->same = false;
	members_choose(c, n);
	is(0, 0, MEMBER_PEER);
	is(1, 2, MEMBER_SHARES);

	c[1].peer_standby = true;
	members_choose(c, n);
	is(0, 1, MEMBER_PEER);
	is(1, 2, MEMBER_PEER);
	is(2, 0, MEMBER_SELECTORS);
}

Test(members, of_one_that_ends_the_others_take_over)
{
	add(1, 1)->ending = true;
	add(1, 1);
	add(2, 2);
	c[0].preferred = true;
	members_choose(c, n);
	is(0, 0, MEMBER_ENDING);
	is(1, 1, MEMBER_SHARES);
	is(2, 2, MEMBER_SHARES);
	cr_assert(c[0].member, "for when there is nothing else");

	c[1].same = c[2].same = false; /* nobody else is for its traffic */
	members_choose(c, n);
	is(0, 1, MEMBER_ENDING);
}

Test(members, of_too_many_the_best_stay)
{
	for (uint8_t i = 0; i < STEER_MEMBERS_MAX; i++)
		add(i, 1)->rank = 5;
	add(100, 1)->rank = 4;
	add(101, 1)->rank = 6;
	add(102, 1)->same = false;
	add(0, 1);
	cr_assert_eq(members_choose(c, n), STEER_MEMBERS_MAX);
	for (size_t i = 0; i < n; i++) {
		bool in = i < STEER_MEMBERS_MAX - 1 || i == STEER_MEMBERS_MAX;

		cr_assert_eq(c[i].member, in, "%zu", i);
		if (!in)
			is(i, 0, MEMBER_FULL);
	}
	c[0].works = c[1].works = c[9].works = true;
	for (size_t i = 2; i < 8; i++)
		c[i].works = i != 3;
	members_choose(c, n);
	cr_assert(c[9].member, "it works");
	cr_assert_not(c[3].member || c[8].member);
	c[9].preferred = true;
	cr_assert_eq(members_choose(c, n), STEER_MEMBERS_MAX);
	cr_assert(c[9].member);
	is(9, 1, MEMBER_SHARES);
}
