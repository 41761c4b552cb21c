/* SPDX-License-Identifier: GPL-2.0-only */
/* Tunnel, transport, stable transport: what two ends with all combinations of them agree on, what a
 * rekey keeps, and addresses behind a NAT. user/ike/mode.c [TS-10] [TS-11] */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "sim_assert.h"

/* What the sides want is between their own addresses, as they are known here. */
static struct sim *with_modes(enum child_mode a, enum child_mode b, bool nat)
{
	struct sim *s = sim_new(11, false);
	const enum child_mode modes[] = { a, b };

	s->nat = nat;
	for (unsigned side = A; side <= B; side++) {
		struct ike_child_cfg *c = &s->side[side].child[0][0];

		c->mode = modes[side];
		c->stable_fallback = true;
		if (a == CHILD_STABLE)
			continue;
		c->local_ts[0] = c->remote_ts[0] =
			(struct ike_ts){ .dynamic = true, .port_last = 65535 };
	}
	sim_start(s);
	return s;
}

static enum child_mode mode_of(const struct sim *s, unsigned side)
{
	cr_assert_eq(s->side[side].n_children, 1);
	return s->side[side].children[0].mode;
}

static bool comes_up(struct sim *s)
{
	cr_assert_eq(sim_up(s, A, "net", 1), 0);
	sim_settle(s, 5 * USEC_PER_SEC);
	/* behind a NAT selectors are no mirror images */
	return s->side[A].n_children == 1 && s->side[B].n_children == 1 &&
	       (s->nat || sim_mirrored(s, 1));
}

/* A asks for one, B is configured for one; -1: no Child SA comes of it. */
Test(mode, what_becomes_of_two)
{
	static const struct {
		enum child_mode a, b;
		int both;
	} rows[] = {
		{ CHILD_TUNNEL, CHILD_TUNNEL, CHILD_TUNNEL },
		{ CHILD_TRANSPORT, CHILD_TRANSPORT, CHILD_TRANSPORT },
		{ CHILD_STABLE, CHILD_STABLE, CHILD_STABLE },
		/* the responder makes a tunnel, which is not what A wants */
		{ CHILD_TRANSPORT, CHILD_TUNNEL, -1 },
		{ CHILD_TUNNEL, CHILD_TRANSPORT, -1 },
		/* who does not know it, or does not want it, makes a tunnel */
		{ CHILD_STABLE, CHILD_TUNNEL, CHILD_TUNNEL },
		{ CHILD_TUNNEL, CHILD_STABLE, CHILD_TUNNEL },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct sim *s = with_modes(rows[i].a, rows[i].b, false);

		cr_assert_eq(comes_up(s), rows[i].both >= 0, "row %zu", i);
		for (unsigned side = A; side <= B && rows[i].both >= 0; side++)
			cr_assert_eq(mode_of(s, side), (enum child_mode)rows[i].both, "row %zu", i);
		sim_free(s);
	}
}

Test(mode, no_fallback)
{
	for (unsigned strict = A; strict <= B; strict++) {
		struct sim *s = sim_new(12, false);

		s->side[strict].child[0][0].mode = CHILD_STABLE;
		sim_start(s);
		cr_assert_not(comes_up(s), "%c", "AB"[strict]);
		sim_free(s);
	}
}

/* 1.3.3: a rekey keeps the mode, from either side. */
Test(mode, rekeyed)
{
	for (unsigned m = CHILD_TUNNEL; m <= CHILD_STABLE; m++) {
		for (unsigned side = A; side <= B; side++) {
			struct sim *s = with_modes((enum child_mode)m, (enum child_mode)m, false);
			uint32_t id;

			cr_assert(comes_up(s));
			id = s->side[side].children[0].id;
			cr_assert_eq(ike_rekey(s->side[side].ike, "c", "net", 2, s->now), 0);
			sim_settle(s, 5 * USEC_PER_SEC);
			cr_assert(sim_mirrored(s, 1));
			cr_assert_neq(s->side[side].children[0].id, id);
			cr_assert_eq(mode_of(s, A), (enum child_mode)m);
			cr_assert_eq(mode_of(s, B), (enum child_mode)m);
			sim_free(s);
		}
	}
}

/* Behind a NAT each side has the other as it sees it, and is told what the other takes for whom.
 * [TS-10] */
static void addresses_fit(const struct sim *s)
{
	const struct child_sa_out *a = &s->side[A].children[0], *b = &s->side[B].children[0];
	struct ike_sa_info ia = info(s, A), ib = info(s, B);

	cr_assert(ia.nat_local && ib.nat_remote);
	cr_assert(addr_equal(&a->ts_local[0].first, &ia.path.local.ip));
	cr_assert(addr_equal(&a->ts_remote[0].first, &ia.path.remote.ip));
	cr_assert(addr_equal(&b->ts_local[0].first, &ib.path.local.ip));
	cr_assert(addr_equal(&b->ts_remote[0].first, &ib.path.remote.ip));
	cr_assert_not(addr_equal(&a->ts_local[0].first, &b->ts_remote[0].first));
	/* A is B's peer at another address, and so A knows itself */
	cr_assert(addr_equal(&a->told_local, &b->ts_remote[0].first));
	cr_assert(addr_equal(&b->told_remote, &a->ts_local[0].first));
	cr_assert_eq(a->told_remote.family, 0);
	cr_assert_eq(b->told_local.family, 0);
}

Test(mode, behind_a_nat)
{
	struct sim *s = with_modes(CHILD_TRANSPORT, CHILD_TRANSPORT, true);

	cr_assert(comes_up(s));
	addresses_fit(s);
	for (unsigned side = A; side <= B; side++) {
		cr_assert_eq(ike_rekey(s->side[side].ike, "c", "net", 2 + side, s->now), 0);
		sim_settle(s, 5 * USEC_PER_SEC);
		cr_assert_eq(s->side[A].n_children, 1);
		cr_assert_eq(s->side[B].n_children, 1);
		addresses_fit(s);
	}
	sim_free(s);
}

Test(mode, without_a_nat_nobody_is_told_anything)
{
	struct sim *s = with_modes(CHILD_TRANSPORT, CHILD_TRANSPORT, false);

	cr_assert(comes_up(s));
	for (unsigned side = A; side <= B; side++) {
		cr_assert_eq(s->side[side].children[0].told_local.family, 0);
		cr_assert_eq(s->side[side].children[0].told_remote.family, 0);
	}
	sim_free(s);
}

/* Two hosts behind one NAT, which B cannot tell apart by their address. Here A is both: its second
 * connection has another identity. [NAT-12] */
static struct sim *two_behind_a_nat(uint8_t protocol)
{
	struct sim *s = sim_new(13, false);
	struct sim_side *a = &s->side[A], *b = &s->side[B];

	s->nat = true;
	for (unsigned side = A; side <= B; side++) {
		struct ike_child_cfg *c = &s->side[side].child[0][0];

		c->mode = CHILD_TRANSPORT;
		c->local_ts[0] = c->remote_ts[0] =
			(struct ike_ts){ .dynamic = true, .port_last = 65535 };
	}
	a->conn[1] = a->conn[0];
	snprintf(a->conn[1].name, sizeof(a->conn[1].name), "d");
	a->child[1][0] = a->child[0][0];
	a->conn[1].children = a->child[1];
	a->conn[1].n_children = 1;
	a->cfg.n_conns = 2;
	memcpy(a->conn[1].local_id.data, "z.example", 9);
	memcpy(b->conn[0].remote_id.data, "*.example", 9);
	/* and what it wants is of one protocol, beside the other one's */
	a->child[0][0].remote_ts[0].protocol = 17;
	a->child[1][0].remote_ts[0].protocol = protocol;
	sim_start(s);
	return s;
}

Test(mode, two_peers_behind_one_nat_do_not_share_traffic)
{
	for (uint8_t protocol = 6; protocol <= 17; protocol += 11) {
		struct sim *s = two_behind_a_nat(protocol);
		struct ike_path p = sim_path(s, A);
		unsigned both = protocol == 6 ? 2 : 1;

		cr_assert(comes_up(s));
		cr_assert_eq(ike_up(s->side[A].ike, "d", "net", &p, 2, s->now), 0);
		sim_settle(s, 5 * USEC_PER_SEC);
		cr_assert_eq(ike_sa_count(s->side[B].ike), 2, "the second peer is no peer");
		cr_assert_eq(s->side[A].n_children, both, "protocol %u", protocol);
		cr_assert_eq(s->side[B].n_children, both, "protocol %u", protocol);
		/* the first one's rekey is not refused for its own sake */
		cr_assert_eq(ike_rekey(s->side[A].ike, "c", "net", 3, s->now), 0);
		sim_settle(s, 5 * USEC_PER_SEC);
		cr_assert_eq(s->side[B].n_children, both);
		sim_free(s);
	}
}
