/* SPDX-License-Identifier: GPL-2.0-only */
/* Cloned IKE SAs (RFC 7791): two whole peers. */
#include <errno.h>
#include <stdio.h>

#include "clone_assert.h"

static struct ike *core(struct sim *s, unsigned side)
{
	return s->side[side].ike;
}

/* [CLONE-6] [CLONE-9] [CLONE-12] [CLONE-14]: the old one and its Child SA stay as they are, nothing
 * is authenticated, and both ends tell which came of which. */
Test(clone, beside_the_old_one)
{
	for (unsigned side = 0; side < SIM_SIDES; side++) {
		struct sim *s = up_with(cloneable(1));
		struct ike_sa_info before = nth(s, side, 0), clone, there;
		struct child_sa_out child = s->side[side].children[0];
		const struct sim_event *e;

		cr_assert(before.clone_ok);
		clone = cloned(s, side, 7);
		paired(s, 2, 1);
		cr_assert_eq(nth(s, side, 0).spi_i, before.spi_i);
		cr_assert_eq(nth(s, side, 0).n_children, 1);
		cr_assert_eq(s->side[side].children[0].id, child.id);
		cr_assert_eq(clone.n_children, 0);
		cr_assert_eq(clone.clone_of, before.line);
		cr_assert_eq(clone.family, before.family);
		cr_assert_neq(clone.line, before.line);
		cr_assert(clone.initiator, "of the exchange that made it");
		cr_assert_eq(clone.session, before.session);
		cr_assert(clone.clone_ok && clone.mobike);
		cr_assert(same_sa(s, !side, &clone, &there));
		e = sim_last_event(&s->side[!side], IKE_EV_CLONED);
		cr_assert(e && e->line == there.line && e->clone_of == there.clone_of);
		for (unsigned i = 0; i < SIM_SIDES; i++) {
			cr_assert_eq(s->exchanges[i][IKE_SA_INIT], 1);
			cr_assert_eq(s->exchanges[i][IKE_AUTH], 1);
			cr_assert_eq(s->exchanges[i][CREATE_CHILD_SA], 1);
			cr_assert_eq(sim_count(&s->side[i], IKE_EV_CHILD_DOWN, 0), 0);
			cr_assert_eq(sim_count(&s->side[i], IKE_EV_IKE_REKEYED, 0), 0);
		}
		all_alive(s, 2, 1);
		sim_free(s);
	}
}

/* [CLONE-4]: what one of them says of MOBIKE does not matter. */
Test(clone, without_mobike)
{
	for (unsigned side = 0; side < SIM_SIDES; side++) {
		struct sim *s = cloneable(2);

		s->side[side].conn[0].mobike = false;
		up_with(s);
		cr_assert_not(cloned(s, A, 7).mobike);
		paired(s, 2, 1);
		all_alive(s, 2, 1);
		sim_free(s);
	}
}

/* [CLONE-7]: unless both announced it there is no clone. */
Test(clone, both_or_none)
{
	for (unsigned side = 0; side < SIM_SIDES; side++) {
		struct sim *s = cloneable(3);

		s->side[side].conn[0].clone = false;
		up_with(s);
		for (unsigned i = 0; i < SIM_SIDES; i++) {
			cr_assert_not(info(s, i).clone_ok);
			cr_assert_eq(clone_of(s, i, info(s, i).line, 1), -EOPNOTSUPP);
		}
		sound(s, 1);
		sim_free(s);
	}
}

/* A clone that is under way when its family is taken down is not what is left of it, whoever asked
 * for it. */
Test(clone, none_is_left_behind)
{
	for (unsigned asker = 0; asker < SIM_SIDES; asker++) {
		for (unsigned steps = 0; steps < 3; steps++) {
			struct sim *s = up_with(cloneable(5));

			cr_assert_eq(clone_of(s, asker, nth(s, asker, 0).line, 7), 0);
			sim_steps(s, steps);
			cr_assert_eq(ike_down(core(s, A), "c", NULL, 8, s->now), 0);
			sim_settle(s, 60 * USEC_PER_SEC);
			for (unsigned i = 0; i < SIM_SIDES; i++)
				cr_assert_null(ike_sa_first(core(s, i)), "asker %u, %u, %u", asker,
					       steps, i);
			sim_free(s);
		}
	}
}

/* Child SAs are made on a clone, also of the name that another line has, are deleted and rekeyed
 * there, and what happens to one line is nothing to the other. [CLONE-3] [CLONE-5] */
Test(clone, child_sas_of_its_own)
{
	struct sim *s = up_with(cloneable(4));
	struct ike_sa_info first = nth(s, A, 0), clone = cloned(s, A, 7);

	cr_assert_eq(ike_up_line(core(s, A), clone.line, "net", 8, s->now), 0);
	sim_settle(s, USEC_PER_SEC);
	cr_assert_eq(sim_count(&s->side[A], IKE_EV_CHILD_UP, 8), 1);
	paired(s, 2, 2);
	cr_assert_eq(nth(s, A, 1).n_children, 1);
	cr_assert_eq(ike_up_line(core(s, A), clone.line, "net", 8, s->now), -EALREADY);
	cr_assert_eq(ike_up_line(core(s, A), clone.line, "nothing", 8, s->now), -ENOENT);
	cr_assert_eq(ike_up_line(core(s, A), 99, "net", 8, s->now), -ENOENT);
	/* from the other side, too */
	cr_assert_eq(ike_up_line(core(s, B), other_line(s, B, &clone), "more", 9, s->now), 0);
	sim_settle(s, USEC_PER_SEC);
	paired(s, 2, 3);
	/* one Child SA of it: new keys, and its end, with those of the same name left alone */
	cr_assert_eq(ike_rekey_child(core(s, A), clone.line, "net", 11, s->now), 0);
	sim_settle(s, USEC_PER_SEC);
	cr_assert_eq(sim_count(&s->side[A], IKE_EV_CHILD_REKEYED, 11), 1);
	paired(s, 2, 3);
	cr_assert_eq(ike_down_child(core(s, A), clone.line, "net", 12, s->now), 0);
	sim_settle(s, USEC_PER_SEC);
	cr_assert_eq(sim_count(&s->side[A], IKE_EV_CHILD_DOWN, 12), 1);
	paired(s, 2, 2);
	cr_assert_eq(nth(s, A, 0).n_children, 1);
	cr_assert_eq(ike_rekey_child(core(s, A), clone.line, "net", 13, s->now), -ENOENT);
	cr_assert_eq(ike_down_child(core(s, A), clone.line, "net", 13, s->now), -ENOENT);
	cr_assert_eq(ike_down_child(core(s, A), 99, "net", 13, s->now), -ENOENT);
	cr_assert_eq(ike_rekey_child(core(s, A), 99, "net", 13, s->now), -ENOENT);
	cr_assert_eq(ike_up_line(core(s, A), clone.line, "net", 14, s->now), 0);
	sim_settle(s, USEC_PER_SEC);
	paired(s, 2, 3);
	cr_assert_eq(ike_down_line(core(s, A), first.line, 10, s->now), 0);
	sim_settle(s, USEC_PER_SEC);
	cr_assert_eq(sim_count(&s->side[A], IKE_EV_IKE_DOWN, 10), 1);
	paired(s, 1, 2);
	cr_assert_eq(nth(s, A, 0).line, clone.line);
	cr_assert_eq(nth(s, A, 0).clone_of, first.line);
	all_alive(s, 1, 2);
	sim_free(s);
}

/* [CLONE-5]: the peer is silent on one of them only. That one ends. */
static uint64_t unheard; /* SPI */

static void drop_of(struct sim *s, struct sim_packet *p)
{
	uint64_t spi = 0;

	(void)s;
	for (unsigned i = 0; i < 8; i++)
		spi = spi << 8 | p->buf[i];
	p->used = spi != unheard;
}

Test(clone, liveness_of_its_own)
{
	for (unsigned which = 0; which < 2; which++) {
		struct sim *s = cloneable(5);
		struct ike_sa_info lost;

		for (unsigned i = 0; i < SIM_SIDES; i++)
			s->side[i].conn[0].dpd_delay = 10 * USEC_PER_SEC;
		up_with(s);
		cloned(s, A, 7);
		lost = nth(s, A, which);
		unheard = lost.spi_i;
		s->on_wire = drop_of;
		sim_run(s, 600 * USEC_PER_SEC);
		paired(s, 1, which);
		cr_assert_neq(nth(s, A, 0).spi_i, lost.spi_i);
		sim_free(s);
	}
}

/* [CLONE-29]: of a clone, and after a rekey of either. */
Test(clone, of_a_clone)
{
	struct sim *s = up_with(cloneable(6));
	struct ike_sa_info first = nth(s, A, 0), clone = cloned(s, A, 7), other;

	cr_assert_eq(clone_of(s, A, clone.line, 8), 0);
	sim_settle(s, USEC_PER_SEC);
	paired(s, 3, 1);
	cr_assert_eq(nth(s, A, 2).clone_of, clone.line);
	cr_assert_eq(nth(s, A, 2).family, first.family);
	for (unsigned i = 0; i < 3; i++) {
		other = nth(s, A, 0);
		cr_assert_eq(ike_rekey_line(core(s, i & 1),
					    i & 1 ? other_line(s, B, &other) : other.line, 9,
					    s->now),
			     0);
		sim_settle(s, 10 * USEC_PER_SEC);
		paired(s, 3, 1);
		cr_assert_eq(nth(s, A, 2).line, other.line, "a rekey stays in the line");
		cr_assert_eq(nth(s, A, 2).clone_of, other.clone_of);
	}
	for (unsigned side = 0; side < SIM_SIDES; side++) {
		cr_assert_eq(clone_of(s, side, nth(s, side, side).line, 10 + side), 0);
		sim_settle(s, USEC_PER_SEC);
		cr_assert_eq(sim_count(&s->side[side], IKE_EV_CLONED, 10 + side), 1);
	}
	all_alive(s, 5, 1);
	sim_free(s);
}

/* [CLONE-16]: Message IDs, Initiator flag and rekey are the clone's own; what it was
 * authenticated by is not. */
Test(clone, times)
{
	struct sim *s = cloneable(7);
	struct ike_sa_info first, clone;

	for (unsigned i = 0; i < SIM_SIDES; i++) {
		s->side[i].conn[0].rekey_time = 1000 * USEC_PER_SEC;
		s->side[i].conn[0].over_time = 100 * USEC_PER_SEC;
		s->side[i].conn[0].reauth_time = 100000 * USEC_PER_SEC;
	}
	up_with(s);
	sim_run(s, 500 * USEC_PER_SEC);
	first = nth(s, A, 0);
	clone = cloned(s, A, 7);
	cr_assert_geq(clone.rekey_at, first.rekey_at + 500 * USEC_PER_SEC);
	cr_assert_eq(clone.reauth_at, first.reauth_at);
	sim_run(s, 800 * USEC_PER_SEC);
	paired(s, 2, 1);
	cr_assert_eq(sim_count(&s->side[A], IKE_EV_IKE_REKEYED, 0), 1, "the first one's");
	cr_assert_eq(nth(s, A, 0).spi_i, clone.spi_i);
	sim_run(s, 500 * USEC_PER_SEC);
	paired(s, 2, 1);
	for (unsigned i = 0; i < 2; i++)
		cr_assert_neq(nth(s, A, i).spi_i, clone.spi_i);
	sim_free(s);
}

/* [CLONE-17]: an authentication that is too old ends all that came of it. */
Test(clone, no_longer_than_the_authentication)
{
	struct sim *s = cloneable(8);

	s->side[B].conn[0].reauth_time = 1000 * USEC_PER_SEC;
	s->side[B].conn[0].over_time = 100 * USEC_PER_SEC;
	up_with(s);
	sim_run(s, 900 * USEC_PER_SEC);
	cloned(s, A, 7);
	cr_assert_leq(nth(s, B, 1).ends_at, nth(s, B, 0).ends_at);
	sim_run(s, 250 * USEC_PER_SEC);
	for (unsigned i = 0; i < SIM_SIDES; i++) {
		cr_assert_eq(ike_sa_count(core(s, i)), 0);
		cr_assert_eq(s->side[i].spis, 0);
	}
	sim_free(s);
}

/* [CLONE-18]: one of them authenticates anew, and all of the old family are replaced. */
Test(clone, authenticated_anew)
{
	struct sim *s = cloneable(9);
	struct ike_sa_info first, clone;

	s->side[A].conn[0].reauth_time = 1000 * USEC_PER_SEC;
	up_with(s);
	first = nth(s, A, 0);
	clone = cloned(s, A, 7);
	cr_assert_eq(ike_up_line(core(s, A), clone.line, "more", 8, s->now), 0);
	sim_settle(s, USEC_PER_SEC);
	paired(s, 2, 2);
	while (s->now < first.reauth_at + 20 * USEC_PER_SEC) {
		sim_run(s, 50 * USEC_PER_MSEC);
		cr_assert_geq(s->side[A].n_children, 1);
	}
	paired(s, 2, 2);
	cr_assert_eq(nth(s, A, 0).line, first.line);
	cr_assert_neq(nth(s, A, 0).family, first.family);
	cr_assert_eq(nth(s, A, 0).clone_of, 0);
	cr_assert_eq(nth(s, A, 1).line, clone.line);
	cr_assert_eq(s->exchanges[A][IKE_AUTH], 2, "one for all");
	cr_assert_eq(sim_count(&s->side[A], IKE_EV_IKE_DOWN, 0), 0);
	/* it can be cloned as the other one was */
	cloned(s, A, 9);
	all_alive(s, 3, 2);
	sim_free(s);
}

/* [CLONE-19]: the peer begins anew. */
Test(clone, initial_contact)
{
	struct sim *s = up_with(cloneable(10));

	cloned(s, A, 7);
	sim_fresh(s, A);
	s->side[A].n_children = 0;
	s->side[A].spis = 0;
	cr_assert_eq(sim_up(s, A, NULL, 8), 0);
	sim_settle(s, 5 * USEC_PER_SEC);
	paired(s, 1, 1);
	sim_free(s);
}

/* A second authentication from where one of the family is replaces all of it, and is not refused
 * for where another one of it is. */
Test(clone, unique_is_the_family)
{
	for (unsigned unique = IKE_UNIQUE_KEEP; unique <= IKE_UNIQUE_REPLACE; unique++) {
		struct sim *s = cloneable(11);
		struct ike_path far = { .local = { .ip = sim_addr("203.0.113.44") } };
		struct ike_sa_info clone;

		s->side[A].conn[0].reauth_time = 1000 * USEC_PER_SEC;
		s->side[B].conn[0].unique = unique;
		up_with(s);
		clone = cloned(s, A, 7);
		cr_assert_eq(ike_path_change(core(s, A), clone.line, &far, s->now), 0);
		sim_settle(s, 5 * USEC_PER_SEC);
		sim_run(s, 1010 * USEC_PER_SEC);
		paired(s, 2, 1);
		cr_assert_eq(s->exchanges[A][IKE_AUTH], 2);
		cr_assert_eq(sim_count(&s->side[A], IKE_EV_CHILD_DOWN, 0), 0);
		sim_free(s);
	}
}

/* [CLONE-28]: the session is that of the family. */
Test(clone, session)
{
	struct sim *s = up_with(cloneable(12));
	usec_t began = nth(s, A, 0).session;
	struct ike_sa_info clone;

	sim_run(s, 100 * USEC_PER_SEC);
	clone = cloned(s, A, 7);
	cr_assert_eq(clone.session, began);
	cr_assert_eq(ike_down_line(core(s, A), clone.clone_of, 8, s->now), 0);
	sim_settle(s, USEC_PER_SEC);
	for (unsigned i = 0; i < SIM_SIDES; i++)
		cr_assert_eq(sim_last_event(&s->side[i], IKE_EV_IKE_DOWN)->session, 0);
	sim_run(s, 100 * USEC_PER_SEC);
	cr_assert_eq(nth(s, A, 0).session, began);
	cr_assert_eq(ike_down(core(s, B), "c", NULL, 9, s->now), 0);
	sim_settle(s, USEC_PER_SEC);
	for (unsigned i = 0; i < SIM_SIDES; i++) {
		cr_assert_eq(ike_sa_count(core(s, i)), 0);
		cr_assert_geq(sim_last_event(&s->side[i], IKE_EV_IKE_DOWN)->session,
			      200 * USEC_PER_SEC);
	}
	sim_free(s);
}

/* [CLONE-20]: the virtual address is the family's, and goes when the last of it does. */
Test(clone, leases)
{
	struct sim *s = cloneable(13);
	struct ike_sa_info clone;

	s->side[A].conn[0].n_vips = 1;
	s->side[A].conn[0].vips[0] = sim_addr("0.0.0.0");
	s->side[A].child[0][0].local_ts[0] = sim_ts("dynamic");
	s->side[A].child[0][1].local_ts[0] = sim_ts("dynamic");
	s->side[B].conn[0].n_pools = 1;
	snprintf(s->side[B].conn[0].pools[0], IKE_NAME_MAX, "p");
	s->side[B].child[0][0].remote_ts[0] = sim_ts("dynamic");
	s->side[B].child[0][1].remote_ts[0] = sim_ts("dynamic");
	s->side[B].cfg.n_pools = 1;
	snprintf(s->side[B].pool[0].name, IKE_NAME_MAX, "p");
	s->side[B].pool[0].first = s->side[B].pool[0].last = sim_addr("10.3.0.1");
	up_with(s);
	clone = cloned(s, A, 7);
	cr_assert_eq(clone.n_vips, 1);
	cr_assert_eq(ike_up_line(core(s, A), clone.line, "more", 8, s->now), 0);
	cr_assert_eq(ike_down_line(core(s, A), clone.clone_of, 9, s->now), 0);
	sim_settle(s, USEC_PER_SEC);
	paired(s, 1, 1);
	cr_assert(addr_is(s->side[A].children[0].ts_local[0].first, "10.3.0.1"));
	/* whoever comes while the clone is there does not get it */
	sim_restart(s, B);
	cr_assert_eq(nth(s, B, 0).n_vips, 1);
	cr_assert_eq(ike_down(core(s, A), "c", NULL, 10, s->now), 0);
	sim_settle(s, USEC_PER_SEC);
	cr_assert_eq(sim_up(s, A, NULL, 11), 0);
	sim_settle(s, 5 * USEC_PER_SEC);
	cr_assert(addr_is(nth(s, A, 0).vips[0], "10.3.0.1"));
	paired(s, 1, 1);
	sim_free(s);
}

/* [CLONE-27]: Child SAs are counted over the family. */
Test(clone, quota_of_child_sas)
{
	static struct ike_child_cfg many[SIM_SIDES][IKE_CHILDREN_MAX + 1];
	struct sim *s = cloneable(14);
	struct ike_sa_info first, clone;
	char name[IKE_NAME_MAX];

	for (unsigned side = 0; side < SIM_SIDES; side++) {
		for (unsigned i = 0; i <= IKE_CHILDREN_MAX; i++) {
			struct ike_child_cfg *c = &many[side][i];

			*c = s->side[side].child[0][0];
			snprintf(c->name, IKE_NAME_MAX, "net%u", i);
			c->local_ts[0].protocol = c->remote_ts[0].protocol = 17;
			c->local_ts[0].port_first = c->local_ts[0].port_last = (uint16_t)(1 + i);
			c->remote_ts[0].port_first = c->remote_ts[0].port_last = (uint16_t)(1 + i);
		}
		s->side[side].conn[0].children = many[side];
		s->side[side].conn[0].n_children = IKE_CHILDREN_MAX + 1;
	}
	up_with(s);
	first = nth(s, A, 0);
	clone = cloned(s, A, 7);
	for (unsigned i = 1; i <= IKE_CHILDREN_MAX; i++) {
		snprintf(name, sizeof(name), "net%u", i);
		cr_assert_eq(ike_up_line(core(s, A), i & 1 ? clone.line : first.line, name, 100 + i,
					 s->now),
			     0);
		s->side[A].n_events = s->side[B].n_events = 0; /* there is no room for all */
		sim_settle(s, USEC_PER_SEC / 2);
	}
	paired(s, 2, IKE_CHILDREN_MAX);
	cr_assert_eq(sim_count(&s->side[A], IKE_EV_FAILED, 100 + IKE_CHILDREN_MAX), 1);
	cr_assert_eq(sim_last_event(&s->side[A], IKE_EV_FAILED)->notify, N_NO_ADDITIONAL_SAS);
	/* a rekey takes the place of another */
	cr_assert_eq(ike_rekey(core(s, A), "c", "net1", 50, s->now), 0);
	sim_settle(s, USEC_PER_SEC);
	cr_assert_eq(sim_count(&s->side[A], IKE_EV_CHILD_REKEYED, 50), 1);
	cr_assert_eq(ike_down_line(core(s, A), first.line, 51, s->now), 0);
	sim_settle(s, USEC_PER_SEC);
	cr_assert_eq(ike_up_line(core(s, A), clone.line, name, 52, s->now), 0);
	sim_settle(s, USEC_PER_SEC);
	cr_assert_eq(sim_count(&s->side[A], IKE_EV_CHILD_UP, 52), 1);
	sim_free(s);
}

/* [CLONE-24] [CLONE-25]: more than the peer allows; no more is asked for until one is deleted, by
 * whomever. */
Test(clone, limit_of_the_peer)
{
	for (unsigned deleter = 0; deleter < SIM_SIDES; deleter++) {
		struct sim *s = cloneable(15);
		struct ike_sa_info clone;
		const struct sim_event *e;

		s->side[B].conn[0].ike_sas_max = 3;
		up_with(s);
		cloned(s, A, 7);
		clone = cloned(s, A, 8);
		cr_assert_eq(clone_of(s, A, nth(s, A, 0).line, 9), 0);
		sim_run(s, 600 * USEC_PER_SEC);
		cr_assert_eq(s->exchanges[A][CREATE_CHILD_SA], 3, "once");
		e = sim_last_event(&s->side[A], IKE_EV_FAILED);
		cr_assert(e && e->op == 9 && e->notify == N_NO_ADDITIONAL_SAS &&
			  e->failure == IKE_FAIL_REFUSED);
		paired(s, 3, 1);
		for (size_t i = 0; i < 3; i++)
			cr_assert_eq(clone_of(s, A, nth(s, A, i).line, 10), -EDQUOT);
		cr_assert_eq(clone_of(s, B, nth(s, B, 0).line, 10), -EDQUOT, "its own limit");
		/* a rekey makes no room, nor does a Child SA */
		cr_assert_eq(ike_rekey_line(core(s, A), clone.line, 11, s->now), 0);
		sim_settle(s, 5 * USEC_PER_SEC);
		cr_assert_eq(clone_of(s, A, nth(s, A, 0).line, 12), -EDQUOT);
		sim_restart(s, A);
		cr_assert_eq(clone_of(s, A, nth(s, A, 0).line, 12), -EDQUOT);
		clone = nth(s, A, 2);
		cr_assert_eq(ike_down_line(core(s, deleter),
					   deleter ? other_line(s, B, &clone) : clone.line, 13,
					   s->now),
			     0);
		sim_settle(s, 5 * USEC_PER_SEC);
		paired(s, 2, 1);
		cloned(s, A, 14);
		all_alive(s, 3, 1);
		sim_free(s);
	}
}

/* Two that cross, where there is room for one: one of them is made. [CLONE-24] */
Test(clone, limit_met_from_both_sides)
{
	for (unsigned i = 0; i < 20; i++) {
		struct sim *s = cloneable(20 + i);

		for (unsigned side = 0; side < SIM_SIDES; side++)
			s->side[side].conn[0].ike_sas_max = 2;
		up_with(s);
		for (unsigned side = 0; side < SIM_SIDES; side++)
			cr_assert_eq(clone_of(s, side, nth(s, side, 0).line, 7), 0);
		sim_run(s, 300 * USEC_PER_SEC);
		paired(s, 2, 1);
		cr_assert_eq(sim_count(&s->side[A], IKE_EV_CLONED, 7) +
				     sim_count(&s->side[B], IKE_EV_CLONED, 7),
			     1);
		cr_assert_eq(sim_op_ends(&s->side[A], 7), 1);
		cr_assert_eq(sim_op_ends(&s->side[B], 7), 1);
		all_alive(s, 2, 1);
		sim_free(s);
	}
}

/* The time that the machine sleeps is time of the session, too; what never was up has none.
 * [CLONE-28] */
Test(clone, session_over_a_sleep)
{
	struct sim *s = cloneable(87);

	s->now += 4000 * USEC_PER_SEC; /* later than it is to sleep */
	up_with(s);
	sim_run(s, 8000 * USEC_PER_SEC);
	cloned(s, A, 7);
	ike_slept(core(s, A), 3600 * USEC_PER_SEC, s->now);
	sim_drain(s, A);
	sim_settle(s, USEC_PER_SEC);
	cr_assert_gt(nth(s, A, 1).session, 0);
	cr_assert_leq(nth(s, A, 1).session, s->now - 11600 * USEC_PER_SEC);
	cr_assert_eq(ike_down(core(s, A), "c", NULL, 8, s->now), 0);
	sim_settle(s, USEC_PER_SEC);
	cr_assert_geq(sim_last_event(&s->side[A], IKE_EV_IKE_DOWN)->session, 11600 * USEC_PER_SEC);
	s->cut[B] = true;
	cr_assert_eq(sim_up(s, A, NULL, 9), 0);
	sim_run(s, USEC_PER_SEC);
	cr_assert_eq(ike_down(core(s, A), "c", NULL, 10, s->now), 0);
	sim_drain(s, A);
	cr_assert_eq(sim_count(&s->side[A], IKE_EV_IKE_DOWN, 10), 1);
	cr_assert_eq(sim_last_event(&s->side[A], IKE_EV_IKE_DOWN)->session, 0);
	sim_free(s);
}

/* Several at once, one after the other on the wire; no more than there may be. */
Test(clone, several)
{
	struct sim *s = up_with(cloneable(16));

	for (unsigned i = 0; i < 7; i++)
		cr_assert_eq(clone_of(s, A, nth(s, A, 0).line, 10 + i), 0);
	cr_assert_eq(clone_of(s, A, nth(s, A, 0).line, 20), -EDQUOT);
	sim_settle(s, USEC_PER_SEC);
	paired(s, 8, 1);
	for (unsigned i = 0; i < 7; i++)
		cr_assert_eq(sim_count(&s->side[A], IKE_EV_CLONED, 10 + i), 1);
	all_alive(s, 8, 1);
	sim_free(s);
}

/* What is asked by the connection's name goes to its first line, or the last that is left. */
Test(clone, by_name)
{
	struct sim *s = up_with(cloneable(85));
	struct ike_sa_info clone = cloned(s, A, 7);

	cr_assert_eq(sim_up(s, A, "more", 8), 0);
	sim_settle(s, USEC_PER_SEC);
	cr_assert_eq(nth(s, A, 0).n_children, 2);
	cr_assert_eq(ike_down_line(core(s, A), nth(s, A, 0).line, 9, s->now), 0);
	sim_settle(s, USEC_PER_SEC);
	cr_assert_eq(sim_up(s, A, "more", 10), 0);
	sim_settle(s, USEC_PER_SEC);
	cr_assert_eq(nth(s, A, 0).line, clone.line);
	paired(s, 1, 1);
	cr_assert_eq(ike_down_line(core(s, A), 99, 9, s->now), -ENOENT);
	cr_assert_eq(ike_rekey_line(core(s, A), 99, 9, s->now), -ENOENT);
	cr_assert_eq(clone_of(s, A, 99, 9), -ENOENT);
	cr_assert_eq(ike_conn_progress(core(s, A), "c"), IKE_PROGRESS_ESTABLISHED);
	cloned(s, A, 11);
	cr_assert_eq(ike_down(core(s, A), "c", NULL, 12, s->now), 0);
	sim_settle(s, USEC_PER_SEC);
	paired(s, 0, 0);
	sim_free(s);
}

/* Made and deleted as fast as they can be, within what there may be: those that are gone stay for
 * what comes late, but not any number of them. The same with rekeys. [CLONE-22] */
Test(clone, made_and_deleted)
{
	for (unsigned rekey = 0; rekey < 2; rekey++) {
		struct sim *s = up_with(cloneable(86));
		unsigned made = 0;

		while (made < 1000) {
			uint64_t line = nth(s, B, 0).line;
			uint32_t op = 100 + made;

			s->side[A].n_events = s->side[B].n_events = 0;
			cr_assert_eq(rekey ? ike_rekey_line(core(s, B), line, op, s->now)
					   : clone_of(s, B, line, op),
				     0);
			sim_settle(s, USEC_PER_SEC / 5);
			if (!sim_count(&s->side[B], rekey ? IKE_EV_IKE_REKEYED : IKE_EV_CLONED, op))
				break;
			made++;
			if (!rekey)
				cr_assert_eq(
					ike_down_line(core(s, B), nth(s, B, 1).line, 1, s->now), 0);
			sim_settle(s, USEC_PER_SEC / 5);
		}
		cr_assert_geq(made, 200);
		cr_assert_lt(made, 300);
		/* it only has to wait */
		sim_run(s, 60 * USEC_PER_SEC);
		cr_assert_eq(sim_count(&s->side[B], rekey ? IKE_EV_IKE_REKEYED : IKE_EV_CLONED,
				       100 + made),
			     1);
		paired(s, rekey ? 1 : 2, 1);
		sim_free(s);
	}
}
