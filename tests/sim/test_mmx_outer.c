/* SPDX-License-Identifier: GPL-2.0-only */
/* Which endpoints a new Child SA is bound to: user/ike/mmx_outer.c, in IKE_AUTH and in
 * CREATE_CHILD_SA, asked for by either side. */
#include <errno.h>

#include "../../user/ike/mmx.h"
#include "mmx_sim.h"
#include "sim_assert.h"

/* ---- what is bound to what ---- */

static const struct child_sa *child(const struct sim *s, unsigned side, uint32_t spi_in)
{
	list_for_each (it, &s->side[side].ike->sas) {
		const struct ike_sa *sa = list_entry(it, struct ike_sa, node);

		list_for_each (jt, &sa->children) {
			const struct child_sa *c = list_entry(jt, struct child_sa, node);

			if (c->spi_in == spi_in)
				return c;
		}
	}
	return NULL;
}

/* Both ends have n Child SAs, and of each the same binding. */
static void same_bindings(const struct sim *s, unsigned n)
{
	cr_assert(sim_mirrored(s, n));
	for (unsigned i = 0; i < n; i++) {
		const struct child_sa_out *o = &s->side[A].children[i];
		const struct child_sa *a = child(s, A, o->spi_in), *b = child(s, B, o->spi_out);

		cr_assert_not_null(a);
		cr_assert_not_null(b);
		cr_assert_not_null(a->binding);
		cr_assert(mmx_binding_equal(&a->binding->b, &b->binding->b));
	}
}

/* That of the newest Child SA. */
static const struct mmx_binding *newest(const struct sim *s)
{
	const struct sim_side *a = &s->side[A];
	const struct child_sa *c = NULL;

	for (unsigned i = 0; i < a->n_children; i++) {
		const struct child_sa *o = child(s, A, a->children[i].spi_in);

		c = !c || o->id > c->id ? o : c;
	}
	return &c->binding->b;
}

static void assert_ends(const struct mmx_binding *b, enum mmx_owner owner, unsigned n,
			const uint16_t *epids)
{
	cr_assert(b->own);
	cr_assert_eq(b->ends[owner].n, n, "%u endpoints instead of %u", b->ends[owner].n, n);
	for (unsigned i = 0; i < n; i++)
		cr_assert_eq(b->ends[owner].epid[i], epids[i]);
}

static struct ike_outer_wish pair(uint16_t own, uint16_t peer)
{
	return (struct ike_outer_wish){ .mode = MMX_OUTER_SINGLE,
					.n_own = 1,
					.n_peer = peer != 0,
					.own = { own },
					.peer = { peer } };
}

static int wish(struct sim *s, unsigned side, const struct ike_outer_wish *w, uint32_t op)
{
	return ike_up_line_outer(s->side[side].ike, mmx_sim_line(s, side), "more", w, op, s->now);
}

static void get(struct sim *s, unsigned side, const struct ike_outer_wish *w, uint32_t op)
{
	cr_assert_eq(wish(s, side, w, op), 0);
	sim_settle(s, 20 * USEC_PER_SEC);
	cr_assert_eq(sim_count(&s->side[side], IKE_EV_CHILD_UP, op), 1);
}

/* ---- CREATE_CHILD_SA ---- */

/* [MMX-120, MIF-3.1.1-5, MIF-3.1.2-4] Both ends bind the new Child SA to the pair that was named,
 * whoever asked; the first one follows the IKE SA, which stays where it was. */
Test(mmx_outer, one_pair)
{
	for (unsigned side = A; side <= B; side++) {
		struct sim *s = mmx_sim_up(10 + side, 3, 3);
		struct ike_outer_wish w = pair(2, 3);

		get(s, side, &w, 2);
		same_bindings(s, 2);
		assert_ends(newest(s), MMX_I, 1, (uint16_t[]){ side == A ? 2 : 3 });
		assert_ends(newest(s), MMX_R, 1, (uint16_t[]){ side == A ? 3 : 2 });
		cr_assert_not(child(s, A, s->side[A].children[0].spi_in)->binding->b.own);
		cr_assert(addr_is(info(s, B).path.remote.ip, "192.0.2.1"));
		alive(s, 2);
		sim_free(s);
	}
}

/* The other side is left to who answers: where IKE runs. */
Test(mmx_outer, the_peer_chooses)
{
	struct sim *s = mmx_sim_up(12, 3, 3);
	struct ike_outer_wish w = pair(3, 0);

	get(s, A, &w, 2);
	same_bindings(s, 2);
	assert_ends(newest(s), MMX_I, 1, (uint16_t[]){ 3 });
	assert_ends(newest(s), MMX_R, 1, (uint16_t[]){ 1 });
	w.n_own = 0; /* and ours: where IKE runs, too */
	get(s, A, &w, 3);
	same_bindings(s, 3);
	assert_ends(newest(s), MMX_I, 1, (uint16_t[]){ 1 });
	sim_free(s);
}

Test(mmx_outer, several_at_once)
{
	struct sim *s = mmx_sim_up(13, 3, 2);
	struct ike_outer_wish w = { .mode = MMX_OUTER_SIMULTANEOUS,
				    .n_own = 3,
				    .n_peer = 3,
				    .own = { 3, 1, 2 },
				    .peer = { 2, 9, 1 } };

	get(s, A, &w, 2);
	same_bindings(s, 2);
	assert_ends(newest(s), MMX_I, 3, (uint16_t[]){ 3, 1, 2 });
	/* narrowed to what there is */
	assert_ends(newest(s), MMX_R, 2, (uint16_t[]){ 2, 1 });
	sim_free(s);
}

/* Whether others are alternates is agreed on; who cannot store them makes it one pair. */
Test(mmx_outer, alternates)
{
	struct sim *s = mmx_sim_up(14, 3, 2);
	struct ike_outer_wish w = { .mode = MMX_OUTER_ALTERNATES,
				    .n_own = 2,
				    .n_peer = 2,
				    .own = { 3, 2 },
				    .peer = { 2, 1 } };
	uint32_t caps;

	cr_assert(ike_mmx_on(s->side[A].ike, mmx_sim_line(s, A), &caps));
	get(s, A, &w, 2);
	same_bindings(s, 2);
	assert_ends(newest(s), MMX_I, 1, (uint16_t[]){ 3 });
	assert_ends(newest(s), MMX_R, 1, (uint16_t[]){ 2 });
	cr_assert_eq(newest(s)->n_alts, caps & MMX_CAP_ALT ? 2 : 0);
	if (caps & MMX_CAP_ALT) {
		cr_assert_eq(newest(s)->alts[0].epid, 2);
		cr_assert_eq(newest(s)->alts[1].epid, 1);
	}
	sim_free(s);
}

/* Endpoints of the peer that it does not have: the Child SA follows the IKE SA; if that is not
 * wanted there is none. [MMX-121] */
Test(mmx_outer, what_is_not_there)
{
	for (unsigned side = A; side <= B; side++) {
		struct sim *s = mmx_sim_up(16 + side, 2, 2);
		struct ike_outer_wish w = pair(2, 7);

		get(s, side, &w, 2);
		same_bindings(s, 2);
		cr_assert_not(newest(s)->own);
		w.strict = true;
		cr_assert_eq(wish(s, side, &w, 3), 0);
		sim_settle(s, 20 * USEC_PER_SEC);
		cr_assert_eq(sim_count(&s->side[side], IKE_EV_FAILED, 3), 1);
		cr_assert_eq(sim_last_event(&s->side[side], IKE_EV_FAILED)->notify,
			     N_NO_PROPOSAL_CHOSEN);
		cr_assert(strstr(sim_text(&s->side[side], IKE_EV_FAILED), "IKE SA stays up"));
		alive(s, 2);
		w.peer[0] = 2;
		get(s, side, &w, 4);
		same_bindings(s, 3);
		assert_ends(newest(s), side == A ? MMX_R : MMX_I, 1, (uint16_t[]){ 2 });
		alive(s, 3);
		sim_free(s);
	}
}

/* What is not up, or only a backup, is for nobody else to choose. */
Test(mmx_outer, only_what_is_offered)
{
	struct sim *s = mmx_sim_up(18, 2, 2);
	struct mmx_iface ifaces[3] = { mmx_sim_iface(B, 1), mmx_sim_iface(B, 2),
				       mmx_sim_iface(B, 3) };
	struct ike_outer_wish w = pair(2, 2);

	ifaces[1].flags = 0;
	ifaces[2].flags |= MMX_IFACE_BACKUP;
	cr_assert_eq(ike_ifaces_set(s->side[B].ike, "c", ifaces, 3, s->now), 0);
	sim_settle(s, 20 * USEC_PER_SEC);
	w.strict = true;
	for (uint16_t epid = 2; epid <= 3; epid++) {
		w.peer[0] = epid;
		cr_assert_eq(wish(s, A, &w, epid), 0);
		sim_settle(s, 20 * USEC_PER_SEC);
		cr_assert_eq(sim_count(&s->side[A], IKE_EV_FAILED, epid), 1);
	}
	alive(s, 1);
	sim_free(s);
}

Test(mmx_outer, what_cannot_be_asked)
{
	struct sim *s = mmx_sim_up(19, 2, 2);
	struct ike_outer_wish w = pair(2, 2);
	struct sim *off = mmx_sim_new(20);

	w.inner = 1;
	cr_assert_eq(wish(s, A, &w, 2), -EINVAL);
	w.inner = 0;
	cr_assert_eq(wish(s, A, &w, 2), 0);
	cr_assert_eq(wish(s, A, &w, 3), -EALREADY);
	w.own[0] = 1;
	cr_assert_eq(wish(s, A, &w, 4), 0);
	cr_assert_eq(ike_rekey_outer(s->side[A].ike, 999, &w, 5, s->now), -ENOENT);
	sim_settle(s, 20 * USEC_PER_SEC);
	same_bindings(s, 3);
	sim_free(s);
	off->side[B].conn[0].mmx = IKE_MMX_NO;
	up_with(off);
	cr_assert_eq(wish(off, A, &w, 2), -EOPNOTSUPP);
	sim_free(off);
}

/* ---- where ESP goes ---- */

static const struct ike_binding_path *told(const struct sim *s, unsigned side, uint32_t path)
{
	const struct sim_side *d = &s->side[side];
	const struct ike_binding *b = NULL;

	for (unsigned i = 0; i < d->n_children; i++)
		if (d->children[i].binding)
			b = sim_binding(d, d->children[i].binding);
	cr_assert_not_null(b);
	for (unsigned i = 0; i < b->n; i++)
		if (b->paths[i].id == path)
			return &b->paths[i];
	return NULL;
}

/* [MMX-132] Until the peer has shown that it receives there what has to goes where IKE runs, or
 * with NO_BOOT nowhere. */
Test(mmx_outer, not_before_the_peer_is_there)
{
	for (unsigned no_boot = 0; no_boot < 2; no_boot++) {
		struct sim *s = mmx_sim_up(40 + no_boot, 3, 3);
		struct ike_outer_wish w = pair(2, 3);

		w.no_boot = no_boot;
		cr_assert_eq(wish(s, A, &w, 2), 0);
		sim_run(s, s->delay); /* B has answered */
		sim_drain(s, B);
		cr_assert_not(told(s, B, 2u << 16 | 3)->verified);
		cr_assert_eq(told(s, B, 1u << 16 | 1) && told(s, B, 1u << 16 | 1)->boot, !no_boot);
		sim_run(s, s->delay); /* and A knows */
		cr_assert_not(told(s, A, 2u << 16 | 3)->verified);
		cr_assert_eq(told(s, A, 1u << 16 | 1) && told(s, A, 1u << 16 | 1)->boot, !no_boot);
		sim_settle(s, 20 * USEC_PER_SEC);
		for (unsigned side = A; side <= B; side++) {
			cr_assert(told(s, side, 2u << 16 | 3)->verified);
			cr_assert(!told(s, side, 1u << 16 | 1) ||
				  !told(s, side, 1u << 16 | 1)->boot);
		}
		alive(s, 2);
		sim_free(s);
	}
}

/* ---- rekeys ---- */

/* [MMX-122] The new one takes over what the old one had, alternates too, whoever rekeys. */
Test(mmx_outer, a_rekey_keeps_it)
{
	for (unsigned side = A; side <= B; side++) {
		struct sim *s = mmx_sim_up(21 + side, 3, 3);
		struct ike_outer_wish w = { .mode = MMX_OUTER_SIMULTANEOUS,
					    .n_own = 2,
					    .n_peer = 1,
					    .own = { 2, 3 },
					    .peer = { 3 } };
		struct mmx_binding before;

		get(s, A, &w, 2);
		before = *newest(s);
		cr_assert_eq(ike_rekey(s->side[side].ike, "c", "more", 3, s->now), 0);
		sim_settle(s, 20 * USEC_PER_SEC);
		cr_assert_eq(sim_count(&s->side[side], IKE_EV_CHILD_REKEYED, 3), 1);
		same_bindings(s, 2);
		cr_assert(mmx_binding_equal(newest(s), &before));
		/* and a rekey of the IKE SA changes nothing */
		cr_assert_eq(ike_rekey(s->side[side].ike, "c", NULL, 4, s->now), 0);
		sim_settle(s, 20 * USEC_PER_SEC);
		same_bindings(s, 2);
		cr_assert(mmx_binding_equal(newest(s), &before));
		alive(s, 2);
		sim_free(s);
	}
}

/* Both at the same time: one is left, and it has it. */
Test(mmx_outer, two_rekeys_that_cross)
{
	struct sim *s = mmx_sim_up(23, 3, 3);
	struct ike_outer_wish w = pair(2, 3);
	struct mmx_binding before;

	get(s, A, &w, 2);
	before = *newest(s);
	for (unsigned side = A; side <= B; side++)
		cr_assert_eq(ike_rekey(s->side[side].ike, "c", "more", 3, s->now), 0);
	sim_settle(s, 20 * USEC_PER_SEC);
	same_bindings(s, 2);
	cr_assert(mmx_binding_equal(newest(s), &before));
	alive(s, 2);
	sim_free(s);
}

/* With MMX_OUTER it is replaced; if that is not accepted the old one stays as it was. */
Test(mmx_outer, a_rekey_replaces_it)
{
	for (unsigned side = A; side <= B; side++) {
		struct sim *s = mmx_sim_up(24 + side, 3, 3);
		struct ike_outer_wish w = pair(2, 3);
		struct mmx_binding before;
		uint32_t id;

		get(s, A, &w, 2);
		id = s->side[side].children[1].id;
		w = pair(3, 1);
		cr_assert_eq(ike_rekey_outer(s->side[side].ike, id, &w, 3, s->now), 0);
		cr_assert_eq(ike_rekey_outer(s->side[side].ike, id, &w, 4, s->now), -EALREADY);
		sim_settle(s, 20 * USEC_PER_SEC);
		cr_assert_eq(sim_count(&s->side[side], IKE_EV_CHILD_REKEYED, 3), 1);
		same_bindings(s, 2);
		assert_ends(newest(s), MMX_I, 1, (uint16_t[]){ side == A ? 3 : 1 });
		assert_ends(newest(s), MMX_R, 1, (uint16_t[]){ side == A ? 1 : 3 });
		before = *newest(s);
		w = pair(3, 8);
		w.strict = true;
		id = s->side[side].children[1].id;
		cr_assert_eq(ike_rekey_outer(s->side[side].ike, id, &w, 5, s->now), 0);
		sim_settle(s, 20 * USEC_PER_SEC);
		cr_assert_eq(sim_count(&s->side[side], IKE_EV_FAILED, 5), 1);
		cr_assert(mmx_binding_equal(newest(s), &before));
		alive(s, 2);
		sim_free(s);
	}
}

/* ---- whatever is lost, comes twice or late ---- */

static struct sim *asked(uint64_t seed, uint64_t lose, uint64_t duplicate, uint64_t late)
{
	struct sim *s = mmx_sim_up(seed, 3, 3);
	struct ike_outer_wish w[2] = { pair(2, 2), pair(3, 3) };

	s->sent = 0;
	s->lose = lose;
	s->duplicate = duplicate;
	s->late = late;
	cr_assert_eq(wish(s, A, &w[0], 2), 0);
	cr_assert_eq(wish(s, A, &w[1], 3), 0);
	cr_assert_eq(wish(s, B, &w[1], 4), 0);
	sim_settle(s, 60 * USEC_PER_SEC);
	return s;
}

Test(mmx_outer, any_datagram)
{
	for (unsigned bit = 0; bit < 6; bit++) {
		uint64_t mask = UINT64_C(1) << bit;

		for (unsigned k = 0; k < 4; k++) {
			struct sim *s = asked(100 + 4 * bit + k, k == 0 ? mask : 0,
					      k == 1   ? mask
					      : k == 3 ? UINT64_MAX
						       : 0,
					      k == 2 ? mask : 0);

			cr_assert_eq(sim_count(&s->side[A], IKE_EV_CHILD_UP, 2), 1);
			cr_assert_eq(sim_count(&s->side[A], IKE_EV_CHILD_UP, 3), 1);
			cr_assert_eq(sim_count(&s->side[B], IKE_EV_CHILD_UP, 4), 1);
			same_bindings(s, 4);
			alive(s, 4);
			sim_free(s);
		}
	}
}

/* ---- IKE_AUTH ---- */

/* The gateway has as many inner addresses as are asked for. */
static struct sim *inner_new(uint64_t seed, uint8_t n)
{
	struct sim *s = mmx_sim_new(seed);
	struct sim_side *a = &s->side[A], *b = &s->side[B];

	a->conn[0].n_vips = n;
	for (unsigned i = 0; i < n; i++)
		a->conn[0].vips[i] = sim_addr("0.0.0.0");
	b->conn[0].n_pools = b->cfg.n_pools = 1;
	snprintf(b->conn[0].pools[0], IKE_NAME_MAX, "p");
	snprintf(b->pool[0].name, IKE_NAME_MAX, "p");
	b->pool[0].first = sim_addr("10.3.0.1");
	b->pool[0].last = sim_addr("10.3.0.9");
	for (unsigned i = 0; i < 2; i++) {
		a->child[0][i].local_ts[0] = sim_ts("dynamic");
		b->child[0][i].remote_ts[0] = sim_ts("dynamic");
		a->child[0][i].remote_ts[0] = sim_ts("0.0.0.0/0");
		b->child[0][i].local_ts[0] = sim_ts("0.0.0.0/0");
	}
	return s;
}

static int first(struct sim *s, const struct ike_outer_wish *w)
{
	struct ike_path p = sim_path(s, A);

	sim_start(s);
	mmx_sim_ifaces(s, A, 1, 3);
	mmx_sim_ifaces(s, B, 1, 3);
	return ike_up_outer(s->side[A].ike, "c", "net", &p, w, 1, s->now);
}

static bool one_inner(const struct child_sa_out *c, const char *text)
{
	return c->n_ts_local == 1 && addr_is(c->ts_local[0].first, text) &&
	       addr_is(c->ts_local[0].last, text);
}

/* [MMX-123, MIF-3.1.1-1, MIF-3.1.1-2, MIF-3.1.1-3, MIF-3.1.3-1, MIF-3.1.3-2, SLIDE-4-1, SLIDE-5-1]
 * S1: one IKE SA, one authentication, three inner addresses, and a tunnel for each interface. */
static void three_tunnels(struct sim *s)
{
	struct ike_outer_wish w = pair(1, 0);

	cr_assert_eq(first(s, &w), 0);
	sim_settle(s, 60 * USEC_PER_SEC);
	same_bindings(s, 1);
	cr_assert_eq(s->side[A].children[0].n_vips, 3);
	cr_assert(one_inner(&s->side[A].children[0], "10.3.0.1"));
	for (uint16_t k = 2; k <= 3; k++) {
		w = pair(k, k);
		w.inner = (uint8_t)k;
		cr_assert_eq(
			ike_up_line_outer(s->side[A].ike, mmx_sim_line(s, A), "net", &w, k, s->now),
			0);
	}
	sim_settle(s, 60 * USEC_PER_SEC);
	same_bindings(s, 3);
	for (uint16_t k = 1; k <= 3; k++) {
		const struct child_sa *c = NULL;
		char text[ADDR_STR];

		snprintf(text, sizeof(text), "10.3.0.%u", k);
		for (unsigned i = 0; i < 3; i++)
			if (one_inner(&s->side[A].children[i], text))
				c = child(s, A, s->side[A].children[i].spi_in);
		cr_assert_not_null(c, "no tunnel for %s", text);
		assert_ends(&c->binding->b, MMX_I, 1, &k);
		assert_ends(&c->binding->b, MMX_R, 1, &k);
	}
	cr_assert_eq(ike_sa_count(s->side[A].ike), 1);
	cr_assert_eq(ike_sa_count(s->side[B].ike), 1);
}

static unsigned elsewhere; /* than over the IKE SA's pair */

static void count_elsewhere(struct sim *s, struct sim_packet *p)
{
	(void)s;
	if (p->buf[18] != INFORMATIONAL) /* a probe */
		elsewhere += !addr_is(p->to == B ? p->src.ip : p->dst.ip, "192.0.2.1");
}

Test(mmx_outer, three_interfaces)
{
	struct sim *s = inner_new(30, 3);

	elsewhere = 0;
	s->on_wire = count_elsewhere;
	three_tunnels(s);
	cr_assert_eq(s->exchanges[A][IKE_AUTH], 1);
	cr_assert_eq(s->exchanges[A][CREATE_CHILD_SA], 2);
	cr_assert_eq(elsewhere, 0);
	alive(s, 3);
	sim_free(s);
}

Test(mmx_outer, three_interfaces_whatever_is_lost)
{
	for (unsigned bit = 0; bit < 12; bit++) {
		uint64_t mask = UINT64_C(1) << bit;

		for (unsigned k = 0; k < 3; k++) {
			struct sim *s = inner_new(200 + 3 * bit + k, 3);

			s->lose = k == 0 ? mask : 0;
			s->duplicate = k == 1 ? UINT64_MAX : 0;
			s->late = k == 2 ? mask : 0;
			three_tunnels(s);
			alive(s, 3);
			sim_free(s);
		}
	}
}

/* With other endpoints than that of the IKE SA, in each mode. */
Test(mmx_outer, in_ike_auth)
{
	struct ike_outer_wish w = { .mode = MMX_OUTER_SIMULTANEOUS, .n_own = 2, .own = { 3, 2 } };
	struct sim *s = mmx_sim_new(31);
	struct ike_path p;

	cr_assert_eq(first(s, &w), 0);
	p = sim_path(s, A);
	cr_assert_eq(ike_up_outer(s->side[A].ike, "c", "net", &p, &w, 2, s->now), -EALREADY);
	sim_settle(s, 60 * USEC_PER_SEC);
	same_bindings(s, 1);
	assert_ends(newest(s), MMX_I, 2, (uint16_t[]){ 3, 2 });
	assert_ends(newest(s), MMX_R, 1, (uint16_t[]){ 1 });
	alive(s, 1);
	sim_free(s);
}

/* An address that nobody gave a number is told with one. */
Test(mmx_outer, in_ike_auth_without_numbers)
{
	struct ike_outer_wish w = { .mode = MMX_OUTER_SINGLE };
	struct ike_path p;
	struct sim *s = mmx_sim_new(32);

	sim_start(s);
	p = sim_path(s, A);
	cr_assert_eq(ike_up_outer(s->side[A].ike, "c", "net", &p, &w, 1, s->now), 0);
	sim_settle(s, 60 * USEC_PER_SEC);
	same_bindings(s, 1);
	cr_assert(newest(s)->own);
	cr_assert_eq(newest(s)->ends[MMX_I].epid[0], IKE_MMX_OWN_NUMBERS);
	cr_assert_eq(newest(s)->ends[MMX_R].epid[0], IKE_MMX_OWN_NUMBERS);
	alive(s, 1);
	sim_free(s);
}

/* [MMX-124] S12: whose peer knows nothing of it, or does not want it, has what RFC 4555 gives (with
 * losses: test_mmx_without.c). */
Test(mmx_outer, a_peer_without)
{
	for (unsigned off = A; off <= B; off++) {
		struct ike_outer_wish w = pair(2, 0);
		struct sim *s = inner_new(33 + off, 3);

		s->side[off].conn[0].mmx = IKE_MMX_NO;
		cr_assert_eq(first(s, &w), 0);
		sim_settle(s, 60 * USEC_PER_SEC);
		cr_assert(sim_mirrored(s, 1));
		cr_assert_eq(s->side[A].children[0].n_ts_local, 3, "all of them");
		cr_assert_null(child(s, A, s->side[A].children[0].spi_in)->binding);
		alive(s, 1);
		sim_free(s);
	}
}

/* Strictly so or not at all: then the IKE SA has no Child SA yet. */
Test(mmx_outer, strict_in_ike_auth)
{
	for (unsigned off = 0; off < 2; off++) {
		struct ike_outer_wish w = pair(1, 0);
		struct mmx_iface v6 = mmx_sim_iface(A, 6);
		struct ike_path p;
		struct sim *s = mmx_sim_new(35 + off);

		v6.ep[0].addr = sim_addr("2001:db8::6");
		w.strict = true;
		w.own[0] = 6; /* B has nothing of that family */
		if (off)
			s->side[B].conn[0].mmx = IKE_MMX_NO;
		sim_start(s);
		p = sim_path(s, A);
		cr_assert_eq(ike_ifaces_set(s->side[A].ike, "c", &v6, 1, s->now), 0);
		cr_assert_eq(ike_up_outer(s->side[A].ike, "c", "net", &p, &w, 1, s->now), 0);
		sim_settle(s, 60 * USEC_PER_SEC);
		cr_assert_eq(sim_count(&s->side[A], IKE_EV_FAILED, 1), 1);
		sound(s, 0);
		cr_assert_eq(sim_up(s, A, "net", 2), 0);
		sim_settle(s, 60 * USEC_PER_SEC);
		alive(s, 1);
		sim_free(s);
	}
}

/* ESP of an SA with endpoints of its own comes from there, and says nothing about the IKE SA's
 * pair; from elsewhere it is no evidence of life, and moves nothing. */
Test(mmx_outer, where_its_packets_come_from)
{
	struct sim *s = mmx_sim_up(37, 3, 2);
	struct ike_outer_wish w = pair(2, 1);
	struct ike_path from = { .local = { mmx_sim_addr(B, 1), 4500 },
				 .remote = { mmx_sim_addr(A, 2), 4500 } };
	uint32_t id;

	get(s, A, &w, 2);
	id = s->side[B].children[1].id;
	cr_assert(ike_esp_from(s->side[B].ike, id, &from, s->now));
	from.remote.port = 1024;
	cr_assert(ike_esp_from(s->side[B].ike, id, &from, s->now));
	from.remote.ip = mmx_sim_addr(A, 3);
	cr_assert_not(ike_esp_from(s->side[B].ike, id, &from, s->now));
	sim_settle(s, 20 * USEC_PER_SEC);
	cr_assert_eq(sim_count(&s->side[B], IKE_EV_PEER_MOVED, 0), 0);
	cr_assert(addr_is(info(s, B).path.remote.ip, "192.0.2.1"));
	alive(s, 2);
	sim_free(s);
}
