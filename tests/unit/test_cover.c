/* SPDX-License-Identifier: GPL-2.0-only */
/* [CLONE-51] Which pairs of addresses get an IKE SA of their own. */
#include <criterion/criterion.h>
#include <stdio.h>

#include "ike/cover.h"

/* Uplinks and remote addresses by number, all pairs as the agent lists them: another uplink before
 * another address. */
static size_t grid(struct cover *c, unsigned uplinks, unsigned remotes)
{
	size_t n = 0;

	for (unsigned r = 0; r < remotes; r++)
		for (unsigned u = 0; u < uplinks; u++)
			c[n++] = (struct cover){
				.pair = { .ifindex = u + 1,
					  .local.ip = { .family = 4,
							.b = { 192, 0, 2, (uint8_t)u } },
					  .remote.ip = { .family = 4,
							 .b = { 203, 0, 113, (uint8_t)r } } },
			};
	return n;
}

static struct cover *at(struct cover *c, size_t n, unsigned uplink, unsigned remote)
{
	size_t i = 0;

	while (i < n && (c[i].pair.ifindex != uplink || c[i].pair.remote.ip.b[3] != remote))
		i++;
	cr_assert_lt(i, n);
	return &c[i];
}

static void take(struct cover *c, size_t n, unsigned uplink, unsigned remote, uint64_t line)
{
	at(c, n, uplink, remote)->taken = line;
	at(c, n, uplink, remote)->works = true;
}

/* "1>0 2>1": uplink and address of those that are wanted */
static void wants(struct cover *c, size_t n, enum ike_clone_pairs which, size_t max,
		  const char *expected)
{
	char got[256] = "";
	size_t len = 0, count = cover_choose(c, n, which, max), told = 0;

	for (size_t i = 0; i < n; i++) {
		if (!c[i].wanted)
			continue;
		told++;
		len += (size_t)snprintf(got + len, sizeof(got) - len, "%s%u>%u", len ? " " : "",
					c[i].pair.ifindex, c[i].pair.remote.ip.b[3]);
	}
	cr_assert_str_eq(got, expected);
	cr_assert_eq(count, told);
}

Test(cover, each_reaches_everything_once)
{
	static const struct {
		unsigned uplinks, remotes;
		const char *wanted;
	} rows[] = {
		{ 1, 1, "1>0" },	     /* nothing to add */
		{ 2, 1, "1>0 2>0" },	     /* an end user with two interfaces */
		{ 1, 2, "1>0 1>1" },	     /* a gateway with two */
		{ 2, 2, "1>0 2>1" },	     /* both */
		{ 3, 2, "1>0 3>0 2>1" },     /* the third shares one */
		{ 2, 3, "1>0 2>1 1>2" },     /* and the reverse */
		{ 4, 2, "1>0 3>0 2>1 4>1" }, /* evenly */
	};
	struct cover c[16];

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		wants(c, grid(c, rows[i].uplinks, rows[i].remotes), IKE_CLONE_EACH, 16,
		      rows[i].wanted);
}

Test(cover, all_pairs_as_far_as_they_may_be)
{
	struct cover c[16];

	wants(c, grid(c, 2, 2), IKE_CLONE_ALL, 16, "1>0 2>0 1>1 2>1");
	wants(c, grid(c, 2, 2), IKE_CLONE_ALL, 3, "1>0 2>0 1>1");
	wants(c, grid(c, 3, 3), IKE_CLONE_ALL, 5, "1>0 2>0 3>0 1>1 2>1");
	wants(c, grid(c, 3, 1), IKE_CLONE_EACH, 2, "1>0 2>0");
}

Test(cover, what_is_there_stays)
{
	struct cover c[16];
	size_t n = grid(c, 2, 2);

	take(c, n, 1, 1, 1);
	wants(c, n, IKE_CLONE_EACH, 16, "2>0 1>1");
	take(c, n, 2, 0, 2);
	wants(c, n, IKE_CLONE_EACH, 16, "2>0 1>1");
	wants(c, n, IKE_CLONE_ALL, 16, "1>0 2>0 1>1 2>1");
	n = grid(c, 3, 2);
	take(c, n, 1, 0, 1);
	take(c, n, 2, 1, 2);
	take(c, n, 3, 1, 3); /* another one would do as well */
	wants(c, n, IKE_CLONE_EACH, 16, "1>0 2>1 3>1");
}

Test(cover, what_stood_in_for_another_goes)
{
	struct cover c[16];
	size_t n = grid(c, 2, 2);

	/* the second uplink was away, and is back */
	take(c, n, 1, 0, 1);
	take(c, n, 1, 1, 2);
	wants(c, n, IKE_CLONE_EACH, 16, "1>0 2>1");
	cr_assert_eq(at(c, n, 1, 1)->taken, 2);
	wants(c, n, IKE_CLONE_ALL, 16, "1>0 2>0 1>1 2>1");
	/* but not before the others work */
	at(c, n, 1, 0)->works = false;
	wants(c, n, IKE_CLONE_EACH, 16, "1>0 2>0 1>1");
	at(c, n, 1, 0)->works = true;
	at(c, n, 2, 1)->waits = true;
	wants(c, n, IKE_CLONE_EACH, 16, "1>0 1>1");
	at(c, n, 2, 1)->waits = false;
	/* two that did: the first line stays, as few as before are enough */
	take(c, n, 2, 0, 3);
	wants(c, n, IKE_CLONE_EACH, 16, "1>0 2>1");
	at(c, n, 2, 0)->taken = 0;
	/* fewer are allowed than before: the youngest go */
	take(c, n, 2, 1, 3);
	wants(c, n, IKE_CLONE_ALL, 2, "1>0 1>1");
}

Test(cover, another_one_stands_in_for_what_is_barred)
{
	struct cover c[16];
	size_t n = grid(c, 2, 2);

	take(c, n, 1, 0, 1);
	at(c, n, 2, 1)->barred = true;
	wants(c, n, IKE_CLONE_EACH, 16, "1>0 2>0 1>1");
	at(c, n, 2, 0)->barred = true;
	wants(c, n, IKE_CLONE_EACH, 16, "1>0 1>1"); /* the second uplink has to wait */
	wants(c, n, IKE_CLONE_ALL, 16, "1>0 1>1");
}

Test(cover, nobody_stands_in_for_what_comes_soon)
{
	struct cover c[16];
	size_t n = grid(c, 2, 2);

	take(c, n, 1, 0, 1);
	at(c, n, 2, 1)->waits = true;
	wants(c, n, IKE_CLONE_EACH, 16, "1>0");
	wants(c, n, IKE_CLONE_ALL, 16, "1>0 2>0 1>1");
}
