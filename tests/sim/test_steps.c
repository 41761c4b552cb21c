/* SPDX-License-Identifier: GPL-2.0-only */
/* What an operator is told while it goes on, and of what kind a failure is. */
#include <criterion/criterion.h>
#include <string.h>

#include "sim.h"

enum { OP = 7 };

/* Texts of the operation's steps and its end begin with these, in this order; NULL ends it. */
static void told(const struct sim_side *d, const char *const *want)
{
	for (unsigned i = 0; i < d->n_events; i++) {
		const struct sim_event *e = &d->events[i];

		if (e->op != OP)
			continue;
		cr_assert(*want, "one more: %s", e->text);
		cr_assert(!strncmp(e->text, *want, strlen(*want)), "%s, and not: %s", e->text,
			  *want);
		want++;
	}
	cr_assert(!*want, "missing: %s", *want);
}

static const struct sim_event *failure(const struct sim_side *d)
{
	const struct sim_event *e = NULL;

	for (unsigned i = 0; i < d->n_events && !e; i++)
		if (d->events[i].kind == IKE_EV_FAILED && d->events[i].op == OP)
			e = &d->events[i];
	cr_assert(e, "nothing failed");
	return e;
}

static void up(struct sim *s)
{
	sim_start(s);
	cr_assert_eq(sim_up(s, A, NULL, OP), 0);
	sim_settle(s, 200 * USEC_PER_SEC);
}

Test(steps, set_up)
{
	static const char *const want[] = {
		"IKE_SA_INIT sent to 198.51.100.1:500",
		"IKE_SA_INIT answered: ",
		"IKE_AUTH sent to 198.51.100.1:4500",
		"IKE_AUTH answered: the peer is b.example",
		"Child SA net up",
		NULL,
	};
	struct sim *s = sim_new(1, false);

	up(s);
	told(&s->side[A], want);
	cr_assert_eq(s->side[B].n_events,
		     sim_count(&s->side[B], IKE_EV_IKE_UP, 0) +
			     sim_count(&s->side[B], IKE_EV_CHILD_UP, 0),
		     "the side that only answers has no steps");
	sim_free(s);
}

/* The first two requests are lost. */
Test(steps, retransmission)
{
	static const char *const want[] = {
		"IKE_SA_INIT sent to 198.51.100.1:500",
		"no answer from 198.51.100.1:500 to IKE_SA_INIT, sent again, 1 of 6",
		"no answer from 198.51.100.1:500 to IKE_SA_INIT, sent again, 2 of 6",
		"IKE_SA_INIT answered: ",
		"IKE_AUTH sent to 198.51.100.1:4500",
		"IKE_AUTH answered: ",
		"Child SA net up",
		NULL,
	};
	struct sim *s = sim_new(2, false);

	s->lose = 3;
	up(s);
	told(&s->side[A], want);
	sim_free(s);
}

Test(steps, cookie)
{
	static const char *const want[] = {
		"IKE_SA_INIT sent to 198.51.100.1:500",
		"the peer asks for a cookie",
		"IKE_SA_INIT sent to 198.51.100.1:500",
		"IKE_SA_INIT answered: ",
		"IKE_AUTH sent to 198.51.100.1:4500",
		"IKE_AUTH answered: ",
		"Child SA net up",
		NULL,
	};
	struct sim *s = sim_new(3, false);

	/* another half-open IKE SA makes B busy */
	s->side[B].cfg.cookie_threshold = 1;
	sim_start(s);
	s->cut[B] = true;
	sim_up(s, A, NULL, 1);
	sim_run(s, USEC_PER_SEC / 2);
	ike_down(s->side[A].ike, "c", NULL, 0, s->now);
	sim_drain(s, A);
	s->cut[B] = false;
	cr_assert_eq(sim_up(s, A, NULL, OP), 0);
	sim_settle(s, 5 * USEC_PER_SEC);
	told(&s->side[A], want);
	sim_free(s);
}

Test(steps, nobody_there)
{
	struct sim *s = sim_new(4, false);
	const struct sim_event *e;

	s->cut[B] = true;
	up(s);
	e = failure(&s->side[A]);
	cr_assert_eq(e->failure, IKE_FAIL_NO_ANSWER);
	cr_assert_eq(e->notify, 0);
	cr_assert(strstr(e->text, "after 7 tries in "), "%s", e->text);
	sim_free(s);
}

Test(steps, no_proposal)
{
	struct sim *s = sim_new(5, false);
	const struct sim_event *e;

	for (unsigned i = 0; i < SIM_SIDES; i++) {
		s->side[i].conn[0].n_proposals = 1;
		s->side[i].conn[0].proposals[0] = (struct ike_proposal){
			.n_encr = 1,
			.n_prf = 1,
			.n_ke = 1,
			.encr = { { ENCR_AES_GCM_16, i == A ? 128 : 256 } },
			.prf = { PRF_HMAC_SHA2_256 },
			.ke = { KE_X25519 },
		};
	}
	up(s);
	e = failure(&s->side[A]);
	cr_assert_eq(e->failure, IKE_FAIL_REFUSED);
	cr_assert_eq(e->notify, N_NO_PROPOSAL_CHOSEN);
	sim_free(s);
}

/* Either side's secret may be the wrong one; who notices first is the responder. */
Test(steps, wrong_secret)
{
	struct sim *s = sim_new(6, false);
	const struct sim_event *e;

	secret_set(&s->side[A].conn[0].psk, "wrong!", 6);
	up(s);
	e = failure(&s->side[A]);
	cr_assert_eq(e->failure, IKE_FAIL_AUTH);
	cr_assert_eq(e->notify, N_AUTHENTICATION_FAILED);
	sim_free(s);
}

/* The Child SA is refused, the IKE SA is not: what fails later is not blamed on that. */
Test(steps, selectors)
{
	struct sim *s = sim_new(7, false);
	const struct sim_event *e;

	s->side[B].child[0][0].local_ts[0] = sim_ts("10.99.0.0/24");
	s->side[B].child[0][1].local_ts[0] = sim_ts("10.99.0.0/24");
	up(s);
	e = failure(&s->side[A]);
	cr_assert_eq(e->failure, IKE_FAIL_REFUSED);
	cr_assert_eq(e->notify, N_TS_UNACCEPTABLE);
	cr_assert_eq(ike_down(s->side[A].ike, "c", NULL, 9, s->now), 0);
	sim_settle(s, 200 * USEC_PER_SEC);
	for (unsigned i = 0; i < s->side[A].n_events; i++)
		if (s->side[A].events[i].kind == IKE_EV_IKE_DOWN)
			cr_assert_eq(s->side[A].events[i].failure, IKE_FAIL_OTHER);
	cr_assert_eq(sim_count(&s->side[A], IKE_EV_IKE_DOWN, 9), 1);
	sim_free(s);
}
