/* SPDX-License-Identifier: GPL-2.0-only */
/* Lifetimes: rekeys by time, their random part, what happens when they fail, and the end. */
#include <stdio.h>
#include <string.h>

#include "sim_assert.h"

static struct sim *lifetimes(uint64_t seed, usec_t ike_sec, usec_t child_sec)
{
	struct sim *s = sim_new(seed, false);

	for (unsigned i = 0; i < SIM_SIDES; i++) {
		struct ike_conn_cfg *c = &s->side[i].conn[0];

		c->rekey_time = ike_sec * USEC_PER_SEC;
		c->over_time = c->rand_time = c->rekey_time / 10;
		c->children[0].time = (struct ike_life){ child_sec * USEC_PER_SEC,
							 child_sec * USEC_PER_SEC * 11 / 10,
							 child_sec * USEC_PER_SEC / 10 };
	}
	return s;
}

static struct ike_child_info child(const struct sim *s, unsigned side)
{
	struct ike_child_info c;

	cr_assert(ike_child_at(s->side[side].ike, 0, 0, &c));
	return c;
}

static unsigned rekeys(const struct sim *s, enum ike_event_kind kind)
{
	return sim_count(&s->side[A], kind, 0);
}

/* [REK-16] each SA is rekeyed before its time, and there is never none. */
Test(life, child_by_time)
{
	struct sim *s = up_with(lifetimes(1, 0, 100));

	for (unsigned i = 0; i < 100; i++) {
		sim_run(s, 10 * USEC_PER_SEC);
		cr_assert_geq(s->side[A].n_children, 1);
		cr_assert_geq(s->side[B].n_children, 1);
	}
	cr_assert_geq(rekeys(s, IKE_EV_CHILD_REKEYED), 10);
	cr_assert_leq(rekeys(s, IKE_EV_CHILD_REKEYED), 13);
	cr_assert_eq(rekeys(s, IKE_EV_CHILD_DOWN) + sim_count(&s->side[B], IKE_EV_CHILD_DOWN, 0),
		     0);
	sim_settle(s, USEC_PER_SEC);
	sound(s, 1);
	sim_free(s);
}

Test(life, ike_by_time)
{
	struct sim *s = up_with(lifetimes(2, 1000, 0));

	sim_run(s, 10050 * USEC_PER_SEC);
	cr_assert_geq(rekeys(s, IKE_EV_IKE_REKEYED), 10);
	cr_assert_leq(rekeys(s, IKE_EV_IKE_REKEYED), 13);
	cr_assert_eq(rekeys(s, IKE_EV_IKE_DOWN) + sim_count(&s->side[B], IKE_EV_IKE_DOWN, 0), 0);
	cr_assert_eq(rekeys(s, IKE_EV_CHILD_DOWN), 0);
	sound(s, 1);
	sim_free(s);
}

/* Both kinds, both ends, for a simulated day: nothing goes down, nothing is left over. */
Test(life, a_day)
{
	for (uint64_t seed = 10; seed < 14; seed++) {
		struct sim *s = up_with(lifetimes(seed, 3600, 600));

		s->lose = 0x1111111111111111;
		for (unsigned i = 0; i < 24; i++) {
			s->side[A].n_events = s->side[B].n_events = 0;
			sim_run(s, 3600 * USEC_PER_SEC);
			cr_assert_eq(rekeys(s, IKE_EV_CHILD_DOWN) + rekeys(s, IKE_EV_IKE_DOWN), 0);
			cr_assert_geq(rekeys(s, IKE_EV_CHILD_REKEYED), 5);
		}
		sim_settle(s, 5 * USEC_PER_SEC);
		sound(s, 1);
		alive(s, 1);
		sim_free(s);
	}
}

/* The random part is drawn once for each SA, from its whole range. */
Test(life, jitter)
{
	usec_t low = USEC_NEVER, high = 0;

	for (uint64_t seed = 0; seed < 60; seed++) {
		struct sim *s = up_with(lifetimes(100 + seed, 1000, 100));
		struct ike_child_info c = child(s, A);
		struct ike_sa_info sa = info(s, A);
		usec_t in = c.rekey_at - c.since;

		cr_assert(in >= 90 * USEC_PER_SEC && in <= 100 * USEC_PER_SEC);
		cr_assert_eq(c.ends_at - c.since, 110 * USEC_PER_SEC);
		cr_assert(sa.rekey_at - sa.since >= 900 * USEC_PER_SEC);
		cr_assert(sa.rekey_at - sa.since <= 1000 * USEC_PER_SEC);
		cr_assert_eq(sa.ends_at - sa.since, 1100 * USEC_PER_SEC);
		low = in < low ? in : low;
		high = in > high ? in : high;
		sim_run(s, 10 * USEC_PER_SEC);
		cr_assert_eq(child(s, A).rekey_at, c.rekey_at);
		sim_free(s);
	}
	cr_assert(low < 92 * USEC_PER_SEC && high > 98 * USEC_PER_SEC);
}

/* Nothing configured: no deadline. */
Test(life, never)
{
	struct sim *s = up(3);

	cr_assert_eq(child(s, A).rekey_at, USEC_NEVER);
	cr_assert_eq(child(s, A).ends_at, USEC_NEVER);
	cr_assert_eq(info(s, A).rekey_at, USEC_NEVER);
	cr_assert_eq(ike_deadline(s->side[A].ike), USEC_NEVER);
	sim_free(s);
}

/* The peer refuses: tried again, later each time, and at the hard limit the SA is not used any
 * more, before the peer has answered the Delete. It can be set up again. [REK-16] [REK-17] */
Test(life, refused_until_the_end)
{
	struct sim *s = lifetimes(4, 0, 1000);
	unsigned tries;

	s->side[B].child[0][0].time = (struct ike_life){ 0 };
	up_with(s);
	s->side[B].no_spis = true;
	sim_run(s, 890 * USEC_PER_SEC);
	tries = s->exchanges[A][CREATE_CHILD_SA];
	cr_assert_eq(tries, 0);
	sim_run(s, 200 * USEC_PER_SEC);
	tries = s->exchanges[A][CREATE_CHILD_SA];
	cr_assert_geq(tries, 5);
	cr_assert_leq(tries, 10, "%u requests in 200 s", tries);
	cr_assert_eq(s->side[A].n_children, 1);
	s->cut[B] = true;
	sim_run(s, 11 * USEC_PER_SEC);
	cr_assert_eq(s->side[A].n_children, 0);
	cr_assert(strstr(sim_text(&s->side[A], IKE_EV_CHILD_DOWN), "lifetime"));
	s->cut[B] = false;
	s->side[B].no_spis = false;
	sim_settle(s, 10 * USEC_PER_SEC);
	cr_assert_eq(sim_up(s, A, "net", 7), 0);
	sim_settle(s, 5 * USEC_PER_SEC);
	sound(s, 1);
	sim_free(s);
}

/* A refusal that ends before the hard limit does no harm. */
Test(life, refused_for_a_while)
{
	struct sim *s = up_with(lifetimes(5, 0, 1000));

	/* neither has an SPI to give: the requests cannot even be sent */
	s->side[A].no_spis = s->side[B].no_spis = true;
	sim_run(s, 1040 * USEC_PER_SEC);
	cr_assert_eq(s->exchanges[A][CREATE_CHILD_SA] + s->exchanges[B][CREATE_CHILD_SA], 0);
	s->side[A].no_spis = s->side[B].no_spis = false;
	sim_run(s, 50 * USEC_PER_SEC);
	cr_assert_eq(rekeys(s, IKE_EV_CHILD_DOWN), 0);
	cr_assert_geq(rekeys(s, IKE_EV_CHILD_REKEYED), 1);
	sim_run(s, 100 * USEC_PER_SEC);
	sound(s, 1);
	sim_free(s);
}

/* [INF-14] The IKE SA's time is over and its peer silent: a Delete, and without an answer the end.
 */
Test(life, ike_ends)
{
	for (unsigned silent = 0; silent < 2; silent++) {
		struct sim *s = lifetimes(6, 1000, 0);

		s->side[A].conn[0].retransmit_tries = 20;
		s->side[B].conn[0].rekey_time = 0;
		s->side[A].conn[0].rand_time = 1;
		up_with(s);
		if (silent)
			s->cut[B] = true;
		else
			s->cut[A] = true;
		sim_run(s, 1099 * USEC_PER_SEC);
		cr_assert_eq(rekeys(s, IKE_EV_IKE_DOWN), 0);
		s->cut[A] = false;
		sim_run(s, 10 * USEC_PER_SEC);
		cr_assert_eq(rekeys(s, IKE_EV_IKE_DOWN), 1);
		cr_assert_eq(s->side[A].n_children, 0);
		cr_assert_eq(s->side[A].spis, 0);
		sim_free(s);
	}
}

/* What the data plane reports begins a rekey, once; the hard limit ends the SA. */
Test(life, by_volume)
{
	for (unsigned side = 0; side < SIM_SIDES; side++) {
		struct sim *s = lifetimes(7 + side, 0, 0);
		struct child_sa_out *c;
		uint32_t id;

		for (unsigned i = 0; i < SIM_SIDES; i++) {
			s->side[i].child[0][0].octets = (struct ike_life){ 1000, 1100, 100 };
			s->side[i].child[0][0].packets = (struct ike_life){ 50, 60, 0 };
		}
		up_with(s);
		c = &s->side[side].children[0];
		cr_assert(c->soft_octets >= 900 && c->soft_octets <= 1000);
		cr_assert_eq(c->hard_octets, 1100);
		cr_assert_eq(c->soft_packets, 50);
		cr_assert_eq(c->hard_packets, 60);
		id = c->id;
		ike_child_soft_limit(s->side[side].ike, id, s->now);
		ike_child_soft_limit(s->side[side].ike, id, s->now);
		sim_settle(s, 5 * USEC_PER_SEC);
		cr_assert_eq(sim_count(&s->side[side], IKE_EV_CHILD_REKEYED, 0), 1);
		sound(s, 1);
		ike_child_soft_limit(s->side[side].ike, id, s->now); /* it is gone */
		ike_child_hard_limit(s->side[side].ike, id, s->now);
		sim_settle(s, 5 * USEC_PER_SEC);
		sound(s, 1);
		ike_child_hard_limit(s->side[side].ike, s->side[side].children[0].id, s->now);
		sim_drain(s, side);
		cr_assert_eq(s->side[side].n_children, 0);
		sim_settle(s, 5 * USEC_PER_SEC);
		sound(s, 0);
		sim_free(s);
	}
}

/* A restarted agent keeps the deadlines, drawn or counted down, and the limits. */
Test(life, restart)
{
	static uint8_t image[60000];
	struct sim *s = lifetimes(9, 1000, 100);
	size_t n;
	struct ike_child_info c, after;
	struct ike_sa_info sa;

	s->side[A].child[0][0].packets = (struct ike_life){ 50, 60, 10 };
	up_with(s);
	sim_run(s, 30 * USEC_PER_SEC);
	c = child(s, A);
	sa = info(s, A);
	/* no agent for ten seconds: they count */
	n = ike_export(s->side[A].ike, 0, image, sizeof(image), s->now);
	cr_assert(n);
	s->now += 10 * USEC_PER_SEC;
	sim_fresh(s, A);
	cr_assert_eq(ike_import(s->side[A].ike, image, n, s->now), 0);
	s->side[A].spis = 1;
	sim_restart(s, B);
	after = child(s, A);
	cr_assert_eq(after.since, c.since);
	cr_assert_eq(after.rekey_at, c.rekey_at);
	cr_assert_eq(after.ends_at, c.ends_at);
	cr_assert_eq(after.soft_packets, c.soft_packets);
	cr_assert_eq(after.hard_packets, 60);
	cr_assert_eq(info(s, A).rekey_at, sa.rekey_at);
	cr_assert_eq(info(s, A).ends_at, sa.ends_at);
	sim_run(s, 80 * USEC_PER_SEC);
	cr_assert_geq(rekeys(s, IKE_EV_CHILD_REKEYED), 1);
	cr_assert_eq(rekeys(s, IKE_EV_CHILD_DOWN), 0);
	sound(s, 1);
	sim_free(s);
}

/* ---- authenticating anew ---- */

/* A has an address of B's pool and two Child SAs, and authenticates anew every 1,000 s. */
static struct sim *reauths(uint64_t seed)
{
	struct sim *s = sim_new(seed, false);
	struct ike_conn_cfg *a = &s->side[A].conn[0], *b = &s->side[B].conn[0];

	a->reauth_time = b->reauth_time = 1000 * USEC_PER_SEC;
	a->over_time = b->over_time = 100 * USEC_PER_SEC;
	a->rand_time = 100 * USEC_PER_SEC;
	a->n_vips = 1;
	a->vips[0] = (struct addr){ .family = 4 };
	b->n_pools = 1;
	snprintf(b->pools[0], sizeof(b->pools[0]), "p");
	snprintf(s->side[B].pool[0].name, sizeof(s->side[B].pool[0].name), "p");
	s->side[B].pool[0].first = sim_addr("10.9.0.1");
	s->side[B].pool[0].last = sim_addr("10.9.0.9");
	s->side[B].cfg.n_pools = 1;
	s->side[A].child[0][0].local_ts[0] = sim_ts("dynamic");
	s->side[B].child[0][0].remote_ts[0] = sim_ts("dynamic");
	sim_start(s);
	cr_assert_eq(sim_up(s, A, "net", 1), 0);
	sim_settle(s, 5 * USEC_PER_SEC);
	cr_assert_eq(sim_up(s, A, "more", 2), 0);
	sim_settle(s, 5 * USEC_PER_SEC);
	sound(s, 2);
	return s;
}

/* [REK-20] a new IKE SA and its Child SAs, with the same address, before the old ones go; A never
 * says that anything is down, and its new Child SAs replace the old ones. */
Test(reauth, make_before_break)
{
	struct sim *s = reauths(30);
	struct ike_sa_info before = info(s, A), after;

	cr_assert_eq(before.n_vips, 1);
	cr_assert(before.reauth_at > s->now && before.reauth_at <= s->now + 1000 * USEC_PER_SEC);
	while (s->now < 1000 * USEC_PER_SEC + 1100 * USEC_PER_SEC) {
		sim_run(s, 5 * USEC_PER_MSEC + 50 * USEC_PER_MSEC);
		cr_assert_geq(s->side[A].n_children, 2);
		cr_assert_geq(s->side[B].n_children, 2);
	}
	sim_run(s, 40 * USEC_PER_SEC);
	sound(s, 2);
	after = info(s, A);
	cr_assert_neq(after.spi_i, before.spi_i);
	cr_assert_eq(after.line, before.line);
	cr_assert_neq(after.family, before.family);
	cr_assert_eq(after.n_vips, 1);
	cr_assert(addr_equal(&after.vips[0], &before.vips[0]));
	cr_assert(after.reauth_at > before.reauth_at);
	cr_assert_eq(rekeys(s, IKE_EV_IKE_REKEYED), 1);
	cr_assert_eq(rekeys(s, IKE_EV_IKE_DOWN) + rekeys(s, IKE_EV_CHILD_DOWN), 0);
	for (unsigned i = 0; i < 2; i++)
		cr_assert_neq(s->side[A].children[i].replaces, 0);
	alive(s, 2);
	sim_free(s);
}

Test(reauth, under_loss)
{
	for (unsigned i = 0; i < 16; i++) {
		for (unsigned twice = 0; twice < 2; twice++) {
			struct sim *s = reauths(40 + i);
			uint64_t bit = UINT64_C(1) << (s->sent + i);

			*(twice ? &s->duplicate : &s->lose) = bit;
			sim_run(s, 1050 * USEC_PER_SEC);
			sim_run(s, 60 * USEC_PER_SEC);
			sound(s, 2);
			cr_assert_eq(rekeys(s, IKE_EV_IKE_REKEYED), 1);
			cr_assert_eq(rekeys(s, IKE_EV_IKE_DOWN) + rekeys(s, IKE_EV_CHILD_DOWN), 0);
			alive(s, 2);
			sim_free(s);
		}
	}
}

/* It meets the peer's rekeys of both kinds. */
Test(reauth, among_rekeys)
{
	for (unsigned i = 0; i < 24; i++) {
		struct sim *s = reauths(60 + i);
		struct ike_sa_info a = info(s, A);

		sim_run(s, a.reauth_at - s->now - 30 * USEC_PER_MSEC + i * 5 * USEC_PER_MSEC);
		ike_rekey(s->side[B].ike, "c", i & 1 ? NULL : "net", 9, s->now);
		sim_run(s, 300 * USEC_PER_SEC);
		sound(s, 2);
		cr_assert_eq(rekeys(s, IKE_EV_IKE_DOWN) + rekeys(s, IKE_EV_CHILD_DOWN), 0);
		alive(s, 2);
		sim_free(s);
	}
}

/* It is due while a rekey waits for its answer: then it waits too, and the clock is not asked for
 * without end. */
Test(reauth, during_a_rekey)
{
	struct sim *s = reauths(89);
	struct ike_sa_info before = info(s, A);

	sim_run(s, before.reauth_at - s->now - USEC_PER_SEC);
	s->cut[B] = true;
	cr_assert_eq(ike_rekey(s->side[A].ike, "c", NULL, 9, s->now), 0);
	for (unsigned i = 0; i < 5; i++) {
		sim_run(s, USEC_PER_SEC);
		cr_assert_gt(ike_deadline(s->side[A].ike), s->now);
		cr_assert_eq(ike_sa_count(s->side[A].ike), 1);
	}
	s->cut[B] = false;
	sim_run(s, 60 * USEC_PER_SEC);
	sound(s, 2);
	cr_assert_gt(info(s, A).reauth_at, before.reauth_at + 60 * USEC_PER_SEC);
	sim_free(s);
}

/* The secret has changed: tried again until the authentication is too old, then it ends. */
Test(reauth, refused)
{
	struct sim *s = reauths(90);

	secret_set(&s->side[B].conn[0].psk, "another", 7);
	sim_reload(s, B);
	sim_run(s, 1050 * USEC_PER_SEC);
	cr_assert_geq(rekeys(s, IKE_EV_FAILED), 3);
	cr_assert_eq(rekeys(s, IKE_EV_IKE_DOWN), 0);
	cr_assert_geq(s->side[A].n_children, 2);
	sim_run(s, 100 * USEC_PER_SEC);
	cr_assert_eq(rekeys(s, IKE_EV_IKE_DOWN), 1);
	cr_assert_eq(s->side[A].n_children, 0);
	sim_free(s);
}

/* ---- after a suspend ---- */

/* The peer is asked at once, and nothing else happens: nothing was due. */
Test(life, short_sleep)
{
	struct sim *s = up_with(lifetimes(71, 3600, 1000));
	unsigned asked = s->exchanges[A][INFORMATIONAL];
	usec_t before = ike_deadline(s->side[A].ike);

	ike_slept(s->side[A].ike, 60 * USEC_PER_SEC, s->now);
	sim_drain(s, A);
	cr_assert_eq(s->exchanges[A][INFORMATIONAL], asked + 1);
	sim_settle(s, USEC_PER_SEC);
	sound(s, 1);
	cr_assert_eq(sim_count(&s->side[A], IKE_EV_IKE_DOWN, 0) + rekeys(s, IKE_EV_CHILD_REKEYED),
		     0);
	cr_assert_leq(ike_deadline(s->side[A].ike), before);
	sim_free(s);
}

/* What became due meanwhile happens now. [REK-16] */
Test(life, sleep_past_the_rekey)
{
	struct sim *s = up_with(lifetimes(72, 3600, 1000));

	ike_slept(s->side[A].ike, 1050 * USEC_PER_SEC, s->now);
	sim_drain(s, A);
	sim_settle(s, USEC_PER_SEC);
	cr_assert_eq(rekeys(s, IKE_EV_CHILD_REKEYED), 1);
	cr_assert_eq(rekeys(s, IKE_EV_CHILD_DOWN), 0);
	sound(s, 1);
	sim_free(s);
}

/* Keys whose time is over are not used a moment longer. */
Test(life, sleep_past_the_end)
{
	struct sim *s = up_with(lifetimes(73, 36000, 1000));

	ike_slept(s->side[A].ike, 1200 * USEC_PER_SEC, s->now);
	sim_drain(s, A);
	cr_assert_eq(s->side[A].n_children, 0, "still installed");
	cr_assert_eq(rekeys(s, IKE_EV_CHILD_DOWN), 1);
	sim_settle(s, USEC_PER_SEC);
	cr_assert_eq(s->side[B].n_children, 0, "the peer is not told");
	sim_free(s);

	s = up_with(lifetimes(74, 1000, 0));
	ike_slept(s->side[A].ike, 8 * 3600 * USEC_PER_SEC, s->now);
	sim_drain(s, A);
	sim_settle(s, 10 * USEC_PER_SEC);
	cr_assert_eq(rekeys(s, IKE_EV_IKE_DOWN), 1);
	cr_assert_eq(s->side[A].n_children + s->side[B].n_children, 0);
	sim_free(s);
}

/* A request that nobody answered before is sent again, and the peer is not given up for it. */
Test(life, sleep_with_a_request_open)
{
	for (unsigned sec = 0; sec < 400; sec += 10) {
		struct sim *s = sim_new(75, false);
		uint64_t sent;

		s->side[A].conn[0].dpd_delay = 30 * USEC_PER_SEC;
		s->side[A].conn[0].retransmit_tries = 5;
		up_with(s);
		s->cut[B] = true;
		sim_run(s, 30 * USEC_PER_SEC + sec * USEC_PER_SEC); /* and more */
		if (sim_count(&s->side[A], IKE_EV_IKE_DOWN, 0)) {
			sim_free(s);
			cr_assert_gt(sec, 20, "given up too early for this test");
			return;
		}
		s->cut[B] = false;
		sent = s->sent;
		ike_slept(s->side[A].ike, 3600 * USEC_PER_SEC, s->now);
		sim_drain(s, A);
		cr_assert_gt(s->sent, sent);
		sim_settle(s, USEC_PER_SEC);
		cr_assert_eq(sim_count(&s->side[A], IKE_EV_IKE_DOWN, 0), 0, "after %u s", sec);
		sound(s, 1);
		sim_free(s);
	}
	cr_assert_fail("it was never given up");
}
