/* SPDX-License-Identifier: GPL-2.0-only */
/* Child SAs derived for an added interface, and those of a deleted one: user/ike/mmx_addif.c,
 * mmx_born.c. A has interfaces 1 to 4, B 1 to 3. */
#include "mmx_act.h"

static struct mmx_action add_if(uint8_t flags, uint16_t new)
{
	struct mmx_action a = act(MMX_ADD_IF, flags);

	act_ep(&a, MMX_ROLE_NEW, OWN, new);
	return a;
}

static struct mmx_action assigned(struct mmx_action a)
{
	struct mmx_ep *ep = act_ep(&a, MMX_ROLE_INNER_NEW, OWN, 0);

	ep->flags = MMX_EP_ASSIGN;
	return a;
}

static struct mmx_action literal(struct mmx_action a, const char *inner)
{
	struct mmx_ep *ep = act_ep(&a, MMX_ROLE_INNER_NEW, OWN, 0);

	ep->addr = sim_addr(inner);
	return a;
}

/* Two Child SAs, "net" and "more", of an address that B gave: there are 10.3.0.1 to .n. */
static struct sim *roadwarrior(uint64_t seed, unsigned n)
{
	struct sim *s = mmx_sim_new(seed);

	for (unsigned side = A; side <= B; side++) {
		for (unsigned i = 0; i < 2; i++) {
			struct ike_child_cfg *c = &s->side[side].child[0][i];

			*(side == A ? &c->local_ts[0] : &c->remote_ts[0]) = sim_ts("dynamic");
		}
		s->side[side].conn[0].ike_sas_max = 8;
	}
	s->side[A].conn[0].n_vips = 1;
	s->side[A].conn[0].vips[0] = sim_addr("0.0.0.0");
	s->side[B].conn[0].n_pools = s->side[B].cfg.n_pools = 1;
	snprintf(s->side[B].conn[0].pools[0], IKE_NAME_MAX, "p");
	snprintf(s->side[B].pool[0].name, IKE_NAME_MAX, "p");
	s->side[B].pool[0].first = s->side[B].pool[0].last = sim_addr("10.3.0.1");
	s->side[B].pool[0].last.b[3] = (uint8_t)n;
	return s;
}

static void begin(struct sim *s)
{
	sim_start(s);
	mmx_sim_ifaces(s, A, 1, 4);
	mmx_sim_ifaces(s, B, 1, 3);
	cr_assert_eq(sim_up(s, A, "net", 1), 0);
	sim_settle(s, 20 * USEC_PER_SEC);
	cr_assert_eq(sim_up(s, A, "more", 2), 0);
	sim_settle(s, 20 * USEC_PER_SEC);
	cr_assert(sim_mirrored(s, 2));
}

static struct sim *began(uint64_t seed, unsigned n)
{
	struct sim *s = roadwarrior(seed, n);

	begin(s);
	return s;
}

static const struct child_sa_out *child(const struct sim *s, unsigned side, const char *name,
					const char *inner)
{
	struct addr a = sim_addr(inner);

	for (unsigned i = 0; i < s->side[side].n_children; i++) {
		const struct child_sa_out *c = &s->side[side].children[i];
		const struct ike_ts *ts = side == A ? c->ts_local : c->ts_remote;

		if (!strcmp(c->name, name) && addr_equal(&ts->first, &a) &&
		    addr_equal(&ts->last, &a))
			return c;
	}
	return NULL;
}

static unsigned bound_to(const struct sim *s, uint16_t epid_i, uint16_t epid_r)
{
	uint32_t paths[IKE_BINDING_PATHS_MAX];
	unsigned n = 0;

	for (unsigned i = 0; i < s->side[A].n_children; i++)
		n += paths_of(s, A, i, paths) == 1 && paths[0] == ((uint32_t)epid_i << 16 | epid_r);
	return n;
}

static bool same_key(const struct secret *a, const struct secret *b)
{
	return a->len == b->len && !memcmp(a->b, b->b, a->len);
}

/* S5: one exchange, and there are tunnels of all services on the other interface. [MMX-140]
 * [MIF-3.4.1-5] [MIF-3.4.1-6] [MIF-3.4.1-8] [MIF-3.4.3-2] [MIF-4-2] [MIF-5.4-1] */
Test(mmx_addif, assigned_address)
{
	struct sim *s = began(1, 9);
	struct mmx_action a = assigned(add_if(0, 2));
	const struct child_sa_out *was, *is;

	ask(s, A, &a, 1, 5);
	sim_drain(s, A);
	sim_steps(s, 1);
	cr_assert_eq(s->side[B].n_children, 4);
	cr_assert_eq(s->side[A].n_children, 2);
	sim_steps(s, 1);
	cr_assert_eq(s->side[A].n_children, 4);
	cr_assert_eq(sim_count(&s->side[A], IKE_EV_MMX_ANSWERED, 5), 1);
	cr_assert_eq(s->side[A].mmx.r[0].status, MMX_OK);
	cr_assert_eq(s->side[A].mmx.r[0].affected, 2);
	sim_settle(s, 20 * USEC_PER_SEC);
	agree(s, 4);
	cr_assert_eq(bound_to(s, 2, 1), 2);
	for (unsigned side = A; side <= B; side++)
		for (unsigned i = 0; i < 2; i++) {
			was = child(s, side, i ? "more" : "net", "10.3.0.1");
			is = child(s, side, i ? "more" : "net", "10.3.0.2");
			cr_assert(was && is);
			cr_assert_neq(was->spi_in, is->spi_in);
			cr_assert_neq(was->spi_out, is->spi_out);
			cr_assert_not(same_key(&was->key_in, &is->key_in));
			cr_assert_not(same_key(&was->key_out, &is->key_out));
			cr_assert_not(same_key(&is->key_in, &is->key_out));
			cr_assert_eq(is->out_deferred, side == B);
			cr_assert_eq(is->binding != 0, true);
		}
	cr_assert_eq(s->side[A].children[3].n_vips, 2);
	/* they are Child SAs like any other */
	ike_child_soft_limit(s->side[A].ike, s->side[A].children[3].id, s->now);
	sim_settle(s, 20 * USEC_PER_SEC);
	agree(s, 4);
	cr_assert_eq(bound_to(s, 2, 1), 2);
	sim_free(s);
}

/* Of several for CPUs (RFC 9611) the first one alone is a parent. */
Test(mmx_addif, beside_those_for_cpus)
{
	struct sim *s = roadwarrior(10, 9);
	struct mmx_action a = assigned(add_if(0, 2));

	for (unsigned side = A; side <= B; side++) {
		s->side[side].cpus = 2;
		s->side[side].child[0][0].per_cpu = s->side[side].child[0][0].per_cpu_max = 2;
	}
	begin(s);
	for (uint16_t cpu = 0; cpu < 2; cpu++) {
		cr_assert_eq(
			ike_up_cpu(s->side[A].ike, child(s, A, "net", "10.3.0.1")->id, cpu, s->now),
			0);
		sim_settle(s, 20 * USEC_PER_SEC);
	}
	cr_assert(sim_mirrored(s, 4));
	cr_assert_eq(asked(s, A, &a, 5), MMX_OK);
	cr_assert_eq(s->side[A].mmx.r[0].affected, 2);
	agree(s, 6);
	cr_assert_eq(bound_to(s, 2, 1), 2);
	sim_free(s);
}

/* Whatever is lost, doubled or late, there is one of each at both ends. [MMX-141] */
Test(mmx_addif, loss)
{
	for (unsigned how = 0; how < 3; how++)
		for (unsigned bit = 0; bit < 6; bit++) {
			struct sim *s = began(bit, 9);
			struct mmx_action a = assigned(add_if(0, 2));
			uint64_t mask = UINT64_C(1) << (s->sent + bit);

			cr_assert_lt(s->sent + bit, 64);
			*(how == 0 ? &s->lose : how == 1 ? &s->duplicate : &s->late) = mask;
			cr_assert_eq(asked(s, A, &a, 5), MMX_OK);
			agree(s, 4);
			cr_assert_eq(s->side[A].spis, 4);
			cr_assert_eq(s->side[B].spis, 4);
			cr_assert(child(s, B, "net", "10.3.0.2"));
			sim_free(s);
		}
}

/* What is there already is not made again, unless it is to be: selectors that do not change.
 * [MIF-3.4.1-10] */
Test(mmx_addif, duplicates)
{
	struct sim *s = mmx_sim_up(2, 4, 3);
	struct mmx_action a = add_if(0, 2);

	cr_assert_eq(asked(s, A, &a, 5), MMX_OK);
	cr_assert_eq(s->side[A].mmx.r[0].affected, 0);
	agree(s, 1);
	a = add_if(MMX_ACTION_PARALLEL, 2);
	act_ep(&a, MMX_ROLE_TO, PEERS, 3);
	cr_assert_eq(asked(s, A, &a, 6), MMX_OK);
	agree(s, 2);
	cr_assert_eq(bound_to(s, 2, 3), 1);
	/* R adds one of its own, from I's point of view a peer's */
	a = add_if(MMX_ACTION_PARALLEL, 2);
	cr_assert_eq(asked(s, B, &a, 7), MMX_OK);
	agree(s, 4);
	cr_assert_eq(bound_to(s, 1, 2), 2);
	sim_free(s);
}

/* Sources in order, and some parents only. [MIF-3.4.1-9] [MIF-3.4.1-4] */
Test(mmx_addif, which_parents)
{
	struct sim *s = began(3, 9);
	struct mmx_action a = act_update(0, OWN, 1, 2);
	uint8_t spi[4];

	act_sel_spi(&a, s->side[A].children[0].spi_in, spi);
	cr_assert_eq(asked(s, A, &a, 5), MMX_OK);
	bound(s, 0, 2, 1);
	a = assigned(add_if(0, 3));
	act_ep(&a, MMX_ROLE_SRC, OWN, 2)->flags = MMX_EP_IFID;
	cr_assert_eq(asked(s, A, &a, 6), MMX_OK);
	agree(s, 3);
	cr_assert_eq(bound_to(s, 3, 1), 1);
	cr_assert(child(s, A, s->side[A].children[0].name, "10.3.0.2"));
	a = assigned(add_if(0, 4));
	act_sel_spi(&a, s->side[A].children[1].spi_in, spi);
	cr_assert_eq(asked(s, A, &a, 7), MMX_OK);
	agree(s, 4);
	cr_assert_eq(bound_to(s, 4, 1), 1);
	sim_free(s);
}

/* Nothing is made, at neither end. */
static void refused(struct sim *s, const struct mmx_action *a, enum mmx_status status, uint32_t op)
{
	unsigned n = s->side[A].n_children;
	int spis[] = { s->side[A].spis, s->side[B].spis };

	cr_assert_eq(asked(s, A, a, op), status, "%s", mmx_status_name(s->side[A].mmx.r[0].status));
	agree(s, n);
	for (unsigned side = A; side <= B; side++)
		cr_assert_eq(s->side[side].spis, spis[side]);
}

/* An address that B has not given is not A's to have. [MMX-142] */
Test(mmx_addif, policies)
{
	struct sim *s = began(4, 2);
	struct mmx_action a = literal(add_if(0, 2), "10.3.0.77");

	refused(s, &a, MMX_PAD_DENIED, 5);
	a = assigned(add_if(0, 2));
	cr_assert_eq(asked(s, A, &a, 6), MMX_OK);
	agree(s, 4);
	/* no more are left */
	a = assigned(add_if(0, 3));
	refused(s, &a, MMX_ADDRESS_FAILURE, 7);
	/* one that it has, for another interface */
	a = literal(add_if(MMX_ACTION_PARALLEL, 3), "10.3.0.2");
	act_ep(&a, MMX_ROLE_SRC, OWN, 1);
	cr_assert_eq(asked(s, A, &a, 8), MMX_OK);
	agree(s, 6);
	sim_free(s);
}

Test(mmx_addif, check)
{
	struct sim *s = began(5, 9);
	struct mmx_action a = assigned(add_if(MMX_ACTION_CHECK, 2));

	refused(s, &a, MMX_OK, 5);
	cr_assert_eq(s->side[A].mmx.r[0].valid_sec, 60);
	a = literal(add_if(MMX_ACTION_CHECK, 2), "10.3.0.77");
	refused(s, &a, MMX_PAD_DENIED, 6);
	sim_free(s);
}

/* As many as may be in one action, and as many as may be at all. [MMX-143] */
Test(mmx_addif, limits)
{
	struct sim *s = roadwarrior(6, 9);
	struct mmx_action a = assigned(add_if(0, 2));

	s->side[B].conn[0].child_sas_max = 3;
	begin(s);
	refused(s, &a, MMX_TOO_MANY, 5);
	cr_assert_eq(s->side[A].mmx.r[0].limit_which, MMX_LIMIT_DERIVED);
	cr_assert_eq(s->side[A].mmx.r[0].limit, 1);
	sim_free(s);
	s = roadwarrior(7, 9);
	s->side[B].conn[0].derived_max = 1;
	begin(s);
	/* A knows */
	ask(s, A, &a, 1, 5);
	sim_settle(s, USEC_PER_SEC);
	cr_assert_eq(sim_count(&s->side[A], IKE_EV_FAILED, 5), 1);
	agree(s, 2);
	cr_assert_eq(s->side[A].spis, 2);
	sim_free(s);
}

/* Both add one at once: I's is done, R's waits. [MMX-144] */
Test(mmx_addif, glare)
{
	struct sim *s = mmx_sim_up(8, 4, 3);
	struct mmx_action a = add_if(MMX_ACTION_PARALLEL, 2);

	ask(s, A, &a, 1, 5);
	ask(s, B, &a, 1, 6);
	sim_settle(s, 60 * USEC_PER_SEC);
	cr_assert_eq(sim_count(&s->side[A], IKE_EV_MMX_ANSWERED, 5), 1);
	cr_assert_eq(sim_count(&s->side[B], IKE_EV_MMX_ANSWERED, 6), 1);
	cr_assert_eq(s->side[A].mmx.r[0].status, MMX_OK);
	cr_assert_eq(s->side[A].mmx.r[0].affected, 1);
	cr_assert_eq(s->side[B].mmx.r[0].status, MMX_OK);
	agree(s, s->side[A].n_children);
	cr_assert_eq(bound_to(s, 2, 1), 1);
	sim_free(s);
}

/* It waits until SAs are what both know. [MMX-144] */
Test(mmx_addif, beside_a_rekey)
{
	for (unsigned side = A; side <= B; side++) {
		struct sim *s = began(9 + side, 9);
		struct mmx_action a = assigned(add_if(0, 2));

		cr_assert_eq(ike_rekey(s->side[side].ike, "c", "net", 4, s->now), 0);
		ask(s, A, &a, 1, 5);
		sim_settle(s, 60 * USEC_PER_SEC);
		cr_assert_eq(sim_count(&s->side[A], IKE_EV_MMX_ANSWERED, 5), 1);
		cr_assert_eq(s->side[A].mmx.r[0].status, MMX_OK);
		agree(s, 4);
		cr_assert_eq(bound_to(s, 2, 1), 2);
		sim_free(s);
	}
}

/* S6: one request without an SPI, and the address is free again for the next one. [MMX-145]
 * [MIF-3.5.3-1] */
Test(mmx_addif, deleted)
{
	struct sim *s = began(11, 2);
	struct mmx_action a = assigned(add_if(0, 2)), del = act(MMX_DEL_IF, 0);

	act_ep(&del, MMX_ROLE_OLD, OWN, 2)->flags = MMX_EP_IFID;
	for (unsigned i = 0; i < 6; i++) {
		cr_assert_eq(asked(s, A, &a, 10 + i), MMX_OK);
		agree(s, 4);
		cr_assert_eq(asked(s, A, &del, 20 + i), MMX_OK);
		cr_assert_eq(s->side[A].mmx.r[0].affected, 2);
		agree(s, 2);
		cr_assert_eq(s->side[A].n_bindings + s->side[B].n_bindings, 0);
		cr_assert_eq(s->side[A].spis, 2);
		cr_assert_eq(s->side[B].spis, 2);
	}
	/* that of IKE is not deleted */
	del.tlvs.t[0].ep.epid = 1;
	refused(s, &del, MMX_LAST_ADDRESS, 40);
	sim_free(s);
}

Test(mmx_addif, pruned)
{
	struct sim *s = mmx_sim_up(12, 4, 3);
	struct mmx_action a = act(MMX_ADD, 0);

	act_ep(&a, MMX_ROLE_NEW, OWN, 2);
	act_sel(&a, MMX_SEL_ALL);
	cr_assert_eq(asked(s, A, &a, 5), MMX_OK);
	a = act(MMX_DEL_IF, MMX_ACTION_PRUNE);
	act_ep(&a, MMX_ROLE_OLD, OWN, 2);
	cr_assert_eq(asked(s, A, &a, 6), MMX_OK);
	agree(s, 1);
	bound(s, 0, 1, 1);
	sim_free(s);
}

/* A restarted agent has the answer to what the one before asked for. */
Test(mmx_addif, restart_before_the_answer) /* [MMX-146] */
{
	for (unsigned gone = 0; gone < 2; gone++) {
		struct sim *s = began(13 + gone, 9);
		struct mmx_action a = assigned(add_if(0, 2));

		ask(s, A, &a, 1, 5);
		sim_drain(s, A);
		sim_restart(s, A);
		if (gone) /* a parent of theirs is no more: nobody can tell which they were */
			ike_child_install_failed(s->side[A].ike, s->side[A].children[0].id, s->now);
		sim_settle(s, 60 * USEC_PER_SEC);
		agree(s, gone ? 1 : 4);
		cr_assert_eq(bound_to(s, 2, 1), gone ? 0 : 2);
		sim_free(s);
	}
}

/* A derived SA is rekeyed, and ends, no later than its parent would. [MMX-150] */
Test(mmx_addif, lifetimes)
{
	struct sim *s = roadwarrior(15, 9);
	struct mmx_action a = assigned(add_if(0, 2));
	struct ike_child_info parent, derived;

	for (unsigned side = A; side <= B; side++)
		for (unsigned i = 0; i < 2; i++) {
			s->side[side].child[0][i].time.soft = 1000 * USEC_PER_SEC;
			s->side[side].child[0][i].time.hard = 1100 * USEC_PER_SEC;
		}
	begin(s);
	sim_run(s, 500 * USEC_PER_SEC);
	cr_assert_eq(asked(s, A, &a, 5), MMX_OK);
	agree(s, 4);
	for (unsigned side = A; side <= B; side++) {
		cr_assert(ike_child_at(s->side[side].ike, 0, 0, &parent));
		cr_assert(ike_child_at(s->side[side].ike, 0, 2, &derived));
		cr_assert_leq(derived.rekey_at, parent.rekey_at);
		cr_assert_leq(derived.ends_at, parent.ends_at);
		cr_assert_gt(derived.since, parent.since);
	}
	sim_run(s, 700 * USEC_PER_SEC);
	agree(s, 4);
	cr_assert_eq(bound_to(s, 2, 1), 2);
	sim_free(s);
}
