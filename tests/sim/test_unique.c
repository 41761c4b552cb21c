/* SPDX-License-Identifier: GPL-2.0-only */
/* Older IKE SAs of a peer that sets up another one (RFC 7296 2.4) [AUT-13]: user/ike/unique.c. */
#include <string.h>

#include "sim_assert.h"

/* A sets up its first IKE SA, loses it all, and sets up a second one, from elsewhere if moved.
 * anew: it says that it begins anew. */
static struct sim *twice(uint64_t seed, enum ike_unique unique, bool anew, bool moved)
{
	struct sim *s = sim_new(seed, false);

	s->side[A].conn[0].unique = anew ? IKE_UNIQUE_NO : IKE_UNIQUE_NEVER;
	s->side[B].conn[0].unique = unique;
	s->side[B].conn[0].n_remote_addrs = 0;
	up_with(s);
	sim_fresh(s, A);
	s->nat = moved;
	cr_assert_eq(sim_up(s, A, NULL, 2), 0);
	sim_run(s, 2 * USEC_PER_SEC);
	return s;
}

static size_t of(const struct sim *s, unsigned side)
{
	return ike_sa_count(s->side[side].ike);
}

static bool ended_by(const struct sim *s, const char *why)
{
	for (unsigned i = 0; i < s->side[B].n_events; i++)
		if (s->side[B].events[i].kind == IKE_EV_IKE_DOWN &&
		    strstr(s->side[B].events[i].text, why))
			return true;
	return false;
}

/* What B has of A after two seconds and after half a minute. */
Test(unique, every_policy)
{
	static const struct {
		enum ike_unique unique;
		bool anew, moved;
		size_t soon, later, at_a;
	} rows[] = {
		{ IKE_UNIQUE_NO, false, false, 2, 2, 1 },
		{ IKE_UNIQUE_NO, false, true, 2, 2, 1 },
		{ IKE_UNIQUE_NO, true, false, 1, 1, 1 },
		{ IKE_UNIQUE_NO, true, true, 1, 1, 1 },
		{ IKE_UNIQUE_NEVER, false, true, 2, 2, 1 },
		{ IKE_UNIQUE_NEVER, true, false, 2, 2, 1 },
		/* may be a reauthentication: the old one has ten seconds */
		{ IKE_UNIQUE_REPLACE, false, false, 2, 1, 1 },
		{ IKE_UNIQUE_REPLACE, true, false, 1, 1, 1 },
		{ IKE_UNIQUE_REPLACE, true, true, 1, 1, 1 },
		{ IKE_UNIQUE_KEEP, false, false, 2, 1, 1 },
		{ IKE_UNIQUE_KEEP, false, true, 1, 1, 0 }, /* refused */
		{ IKE_UNIQUE_KEEP, true, true, 1, 1, 1 },
	};

	for (unsigned i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct sim *s = twice(1 + i, rows[i].unique, rows[i].anew, rows[i].moved);

		cr_assert_eq(of(s, B), rows[i].soon, "row %u: %zu", i, of(s, B));
		cr_assert_eq(of(s, A), rows[i].at_a, "row %u", i);
		sim_run(s, 30 * USEC_PER_SEC);
		cr_assert_eq(of(s, B), rows[i].later, "row %u: %zu", i, of(s, B));
		cr_assert_eq(of(s, A), rows[i].at_a, "row %u", i);
		cr_assert_eq(ended_by(s, "INITIAL_CONTACT"),
			     rows[i].anew && rows[i].unique != IKE_UNIQUE_NEVER, "row %u", i);
		sim_free(s);
	}
}

/* replace, from elsewhere: the old one is deleted at once, and whoever has it hears of it. */
Test(unique, replaced_from_elsewhere)
{
	struct sim *s = twice(30, IKE_UNIQUE_REPLACE, false, true);

	sim_run(s, 10 * USEC_PER_SEC);
	cr_assert_eq(of(s, B), 1);
	cr_assert_eq(of(s, A), 1);
	cr_assert_geq(s->exchanges[B][INFORMATIONAL & 63], 1, "no Delete");
	sim_free(s);
}

/* keep: who is refused hears AUTHENTICATION_FAILED, and the older one goes on. */
Test(unique, refused)
{
	struct sim *s = twice(31, IKE_UNIQUE_KEEP, false, true);

	cr_assert_eq(sim_count(&s->side[A], IKE_EV_FAILED, 2), 1);
	cr_assert(strstr(sim_text(&s->side[A], IKE_EV_FAILED), "AUTHENTICATION_FAILED"), "%s",
		  sim_text(&s->side[A], IKE_EV_FAILED));
	cr_assert_eq(sim_count(&s->side[B], IKE_EV_IKE_DOWN, 0), 0);
	cr_assert_eq(s->side[B].n_children, 1);
	sim_free(s);
}

/* Who has the identity counts, not the address: another host behind the NAT of the first is another
 * one, and the same host, which comes from the same port, is not. [AUT-13] */
Test(unique, behind_one_nat)
{
	for (unsigned other = 0; other < 2; other++) {
		struct sim *s = sim_new(34 + other, false);

		s->side[A].conn[0].unique = IKE_UNIQUE_NEVER;
		s->side[B].conn[0].unique = IKE_UNIQUE_KEEP;
		s->nat = true;
		s->nat_shift = 1000;
		up_with(s);
		sim_fresh(s, A);
		s->nat_shift += other ? 2000 : 0;
		cr_assert_eq(sim_up(s, A, NULL, 2), 0);
		sim_run(s, 30 * USEC_PER_SEC);
		cr_assert_eq(of(s, B), 1);
		cr_assert_eq(of(s, A), !other);
		cr_assert_eq(sim_count(&s->side[B], IKE_EV_IKE_DOWN, 0), !other);
		sim_free(s);
	}
}

/* A reauthentication is admitted, and nothing is down in between. */
Test(unique, reauthentication_where_one_is_kept)
{
	struct sim *s = sim_new(36, false);

	s->side[A].conn[0].reauth_time = 100 * USEC_PER_SEC;
	s->side[B].conn[0].unique = IKE_UNIQUE_KEEP;
	s->nat = true;
	up_with(s);
	sim_run(s, 150 * USEC_PER_SEC);
	cr_assert_eq(sim_count(&s->side[A], IKE_EV_IKE_UP, 0), 2);
	cr_assert_eq(sim_count(&s->side[A], IKE_EV_FAILED, 0), 0);
	cr_assert_eq(of(s, B), 1);
	cr_assert_eq(s->side[B].n_children, 1);
	sim_free(s);
}

/* Another identity is not concerned, whatever it says. */
Test(unique, others_stay)
{
	struct sim *s = sim_new(32, false);

	s->side[B].conn[0].unique = IKE_UNIQUE_REPLACE;
	s->side[B].conn[0].remote_id.type = 0;
	up_with(s);
	sim_fresh(s, A);
	s->side[A].conn[0].local_id.data[0] = 'z';
	sim_reload(s, A);
	cr_assert_eq(sim_up(s, A, NULL, 2), 0);
	sim_run(s, 30 * USEC_PER_SEC);
	cr_assert_eq(of(s, A), 1);
	cr_assert_eq(of(s, B), 2);
	sim_free(s);
}

/* A reauthentication after a reload: the old IKE SA has the old configuration, and is not ended by
 * an INITIAL_CONTACT before its Child SAs have their successors (2.8.3). */
Test(unique, no_initial_contact_beside_another_ike_sa)
{
	struct sim *s = sim_new(33, false);

	s->side[A].conn[0].reauth_time = 100 * USEC_PER_SEC;
	s->side[A].conn[0].over_time = 10 * USEC_PER_SEC;
	up_with(s);
	sim_reload(s, A);
	sim_run(s, 130 * USEC_PER_SEC);
	cr_assert_eq(sim_count(&s->side[A], IKE_EV_IKE_UP, 0), 2);
	cr_assert(!ended_by(s, "INITIAL_CONTACT"));
	cr_assert_eq(of(s, B), 1);
	sim_free(s);
}
