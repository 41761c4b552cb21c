/* SPDX-License-Identifier: GPL-2.0-only */
#include <criterion/criterion.h>

#include "base/permit.h"

enum { US = 77 };

static const struct permit lists = {
	.n = 5,
	.list = {
		{ .id = 1000, .level = PERMIT_READ },
		{ .id = 1000, .group = true, .level = PERMIT_ADMIN },
		{ .id = 50, .group = true, .level = PERMIT_READ },
		{ .id = 1001, .level = PERMIT_ADMIN },
		{ .id = 1001, .level = PERMIT_READ },
	},
};

static enum permit_level level(uint32_t uid, uint32_t gid, size_t n, const uint32_t *groups)
{
	const struct permit_who who = { uid, gid, n, groups };

	return permit_level(&lists, US, &who);
}

Test(permit, the_highest_that_any_entry_gives)
{
	static const uint32_t groups[] = { 9, 50, 8 }, more[] = { 50, 1000 };

	cr_assert_eq(level(2000, 2000, 0, NULL), PERMIT_NONE);
	cr_assert_eq(level(50, 2000, 0, NULL), PERMIT_NONE, "a group's number is no user's");
	cr_assert_eq(level(1000, 2000, 0, NULL), PERMIT_READ, "nor the other way round");
	cr_assert_eq(level(2000, 50, 0, NULL), PERMIT_READ, "his first group");
	cr_assert_eq(level(2000, 2000, 3, groups), PERMIT_READ, "another one");
	cr_assert_eq(level(2000, 2000, 1, groups), PERMIT_NONE);
	cr_assert_eq(level(2000, 2000, 2, more), PERMIT_ADMIN, "the second of two");
	cr_assert_eq(level(1001, 2000, 0, NULL), PERMIT_ADMIN, "whatever else is said of him");
}

Test(permit, root_and_we_ourselves_need_no_entry)
{
	static const struct permit empty = { 0 };
	const struct permit_who root = { .uid = 0 }, us = { .uid = US }, other = { .uid = 1000 };

	cr_assert_eq(permit_level(&empty, US, &root), PERMIT_ADMIN);
	cr_assert_eq(permit_level(&empty, US, &us), PERMIT_ADMIN);
	cr_assert_eq(permit_level(&empty, US, &other), PERMIT_NONE);
	cr_assert_eq(permit_level(&empty, US, &(struct permit_who){ .uid = 9, .gid = 0 }),
		     PERMIT_NONE, "root's group is not root");
}
