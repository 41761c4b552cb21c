/* SPDX-License-Identifier: GPL-2.0-only */
/* Sessions: from an authentication to the end of the last IKE SA that came of it (RFC 7791 8). */
#include "clone_assert.h"

static struct ike *core(struct sim *s, unsigned side)
{
	return s->side[side].ike;
}

static const struct sim_event *ended(const struct sim *s, unsigned side, unsigned times)
{
	cr_assert_eq(sim_count(&s->side[side], IKE_EV_SESSION, 0), times);
	return sim_last_event(&s->side[side], IKE_EV_SESSION);
}

/* [CLONE-28] [CLONE-48]: said once, by both ends, when the last one goes, however it goes. */
Test(session, with_the_last)
{
	for (unsigned way = 0; way < 3; way++) {
		struct sim *s = cloneable(1 + way);
		struct ike_sa_info first;
		usec_t began;

		s->side[B].conn[0].dpd_delay = way == 2 ? 20 * USEC_PER_SEC : 0;
		up_with(s);
		first = nth(s, A, 0);
		began = s->now;
		sim_run(s, 100 * USEC_PER_SEC);
		cloned(s, A, 7);
		cr_assert_eq(ike_down_line(core(s, A), first.line, 8, s->now), 0);
		sim_run(s, USEC_PER_SEC);
		for (unsigned side = 0; side < SIM_SIDES; side++)
			ended(s, side, 0);
		sim_run(s, 100 * USEC_PER_SEC);
		if (way == 0)
			cr_assert_eq(ike_down(core(s, A), "c", NULL, 9, s->now), 0);
		else if (way == 1)
			cr_assert_eq(ike_rekey_line(core(s, B), nth(s, B, 0).line, 9, s->now), 0);
		else
			s->cut[A] = true;
		sim_run(s, 400 * USEC_PER_SEC);
		if (way == 1) {
			ike_shutdown(core(s, B), s->now);
			sim_run(s, USEC_PER_SEC);
		}
		for (unsigned side = way == 2 ? B : A; side < SIM_SIDES; side++) {
			const struct sim_event *e = ended(s, side, 1);

			cr_assert_gt(e->session, 199 * USEC_PER_SEC);
			cr_assert_leq(e->session, s->now - began + USEC_PER_SEC);
			cr_assert(strstr(e->text, side == A ? "b.example" : "a.example"), "%s",
				  e->text);
		}
		sim_free(s);
	}
}

/* [CLONE-48]: authentication anew ends one session and begins another, for all lines. */
Test(session, authenticated_anew)
{
	struct sim *s = cloneable(5);
	uint64_t family[SIM_SIDES];
	struct ike_sa_info clone;

	s->side[A].conn[0].reauth_time = 1000 * USEC_PER_SEC;
	up_with(s);
	clone = cloned(s, A, 7);
	cr_assert_eq(ike_up_line(core(s, A), clone.line, "more", 8, s->now), 0);
	sim_run(s, USEC_PER_SEC);
	for (unsigned side = 0; side < SIM_SIDES; side++)
		family[side] = nth(s, side, 0).auth;
	sim_run(s, 1030 * USEC_PER_SEC);
	paired(s, 2, 2);
	for (unsigned side = 0; side < SIM_SIDES; side++) {
		const struct sim_event *e = ended(s, side, 1);

		cr_assert_eq(e->auth, family[side]);
		cr_assert_gt(e->session, 990 * USEC_PER_SEC);
		cr_assert_lt(e->session, 1010 * USEC_PER_SEC);
		cr_assert_neq(nth(s, side, 0).auth, family[side]);
	}
	cr_assert_eq(ike_down(core(s, A), "c", NULL, 9, s->now), 0);
	sim_run(s, USEC_PER_SEC);
	for (unsigned side = 0; side < SIM_SIDES; side++)
		cr_assert_lt(ended(s, side, 2)->session, 60 * USEC_PER_SEC);
	sim_free(s);
}

/* [CLONE-48]: what was carried is known after restarts and rekeys, and not that of another family.
 */
Test(session, carried)
{
	const struct ike_carried sum = { 1, 2, 3, UINT64_C(1) << 40 };
	struct sim *s = up_with(cloneable(6));

	cloned(s, A, 7);
	for (unsigned side = 0; side < SIM_SIDES; side++) {
		ike_carried_keep(core(s, side), nth(s, side, 0).auth, &sum);
		ike_carried_keep(core(s, side), 99, &(struct ike_carried){ 9, 9, 9, 9 });
		cr_assert_eq(ike_rekey_line(core(s, side), nth(s, side, 0).line, 8, s->now), 0);
		sim_settle(s, 5 * USEC_PER_SEC);
		sim_restart(s, side);
		for (unsigned i = 0; i < 2; i++) {
			struct ike_sa_info sa = nth(s, side, i);

			cr_assert_eq(sa.carried.rx_octets, 1);
			cr_assert_eq(sa.carried.rx_packets, 2);
			cr_assert_eq(sa.carried.tx_octets, 3);
			cr_assert_eq(sa.carried.tx_packets, UINT64_C(1) << 40);
		}
	}
	sim_free(s);
}
