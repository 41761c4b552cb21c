/* SPDX-License-Identifier: GPL-2.0-only */
/* Both ends move their endpoints whenever they like, dead ones at once, while datagrams are lost
 * and agents restart: when it is quiet again both have the same pair, bindings and selectors, if
 * everything that was asked for was done. */
#include "mmx_act.h"

enum { PLAYS = 600, STEPS_MAX = 5 };

static struct addr dead[SIM_SIDES]; /* what is from there or to there is lost; family 0: none */
static uint64_t dice;
static unsigned per_mille; /* of the others */

static unsigned roll(unsigned n)
{
	dice ^= dice << 13;
	dice ^= dice >> 7;
	dice ^= dice << 17;
	return (unsigned)(dice >> 11) % n;
}

static void lossy(struct sim *s, struct sim_packet *p)
{
	(void)s;
	for (unsigned i = 0; i < SIM_SIDES; i++)
		if (dead[i].family &&
		    (addr_equal(&p->src.ip, &dead[i]) || addr_equal(&p->dst.ip, &dead[i])))
			p->used = false;
	if (roll(1000) < per_mille)
		p->used = false;
}

static struct sim *begin(uint64_t seed, bool transport)
{
	struct sim *s = mmx_sim_new(seed);

	for (unsigned side = A; side <= B && transport; side++) {
		struct ike_child_cfg *c = &s->side[side].child[0][0];

		c->mode = CHILD_TRANSPORT;
		c->local_ts[0] = c->remote_ts[0] = sim_ts("dynamic");
	}
	sim_start(s);
	mmx_sim_ifaces(s, A, 1, 3);
	mmx_sim_ifaces(s, B, 1, 3);
	cr_assert_eq(sim_up(s, A, "net", 1), 0);
	sim_settle(s, 60 * USEC_PER_SEC);
	cr_assert(sim_mirrored(s, 1));
	dead[A].family = dead[B].family = 0;
	s->on_wire = lossy;
	return s;
}

static struct ike_path pair_of(const struct sim *s, unsigned side)
{
	struct ike_sa_info i;

	cr_assert(ike_sa_at(s->side[side].ike, 0, &i));
	return i.path;
}

/* Endpoint k of a side ends in k. */
static uint16_t at(const struct sim *s, unsigned side)
{
	return pair_of(s, side).local.ip.b[3];
}

static bool same_ts(const struct ike_ts *a, unsigned n_a, const struct ike_ts *b, unsigned n_b)
{
	for (unsigned i = 0; n_a == n_b && i < n_a; i++)
		if (!addr_equal(&a[i].first, &b[i].first) || !addr_equal(&a[i].last, &b[i].last))
			return false;
	return n_a == n_b;
}

static bool same(const struct sim *s)
{
	const struct child_sa_out *a = &s->side[A].children[0], *b = &s->side[B].children[0];
	uint32_t at_a[IKE_BINDING_PATHS_MAX], at_b[IKE_BINDING_PATHS_MAX];
	struct ike_path p = pair_of(s, A), q = pair_of(s, B);
	unsigned n = paths_of(s, A, 0, at_a);

	return same_ts(a->ts_local, a->n_ts_local, b->ts_remote, b->n_ts_remote) &&
	       same_ts(a->ts_remote, a->n_ts_remote, b->ts_local, b->n_ts_local) &&
	       paths_of(s, B, 0, at_b) == n && !memcmp(at_a, at_b, n * sizeof(at_a[0])) &&
	       addr_equal(&p.local.ip, &q.remote.ip) && addr_equal(&p.remote.ip, &q.local.ip);
}

/* Then whoever asked has to ask for something else. */
static bool refused(const struct sim *s)
{
	for (unsigned side = A; side <= B; side++)
		for (unsigned i = 0; i < s->side[side].n_events; i++) {
			const struct sim_event *e = &s->side[side].events[i];

			if ((e->kind == IKE_EV_MMX_ANSWERED && !strstr(e->text, ": OK")) ||
			    (e->kind == IKE_EV_MMX_CHANGED && strstr(e->text, "cannot reach")))
				return true;
		}
	return false;
}

/* how: 0 always dead, with the IKE SA and from there, as an agent does it; 1 anything. */
static void move_some(struct sim *s, unsigned side, unsigned how)
{
	uint16_t old = at(s, side), new = (uint16_t)(1 + roll(3));
	bool hard = !how || roll(3), with_ike = !how || roll(4), here = !how || roll(2);
	struct mmx_action a = act_update(hard ? MMX_ACTION_HARD : 0, OWN, old, new);

	if (old == new)
		return;
	if (with_ike) {
		act_sel(&a, MMX_SEL_IKE);
		act_sel(&a, MMX_SEL_OLD);
		a.tlvs.t[1].ep.flags = here ? MMX_EP_HERE : 0;
	}
	if (hard && roll(2))
		dead[side] = mmx_sim_addr(side, old);
	ask(s, side, &a, 1, 100);
	if (getenv("SIM_LOG"))
		fprintf(stderr, "---- %c: %u to %u,%s%s%s\n", "AB"[side], old, new,
			hard ? " dead" : "", with_ike ? " IKE" : "", here ? " here" : "");
}

static void play(unsigned seed, unsigned how, bool restarts)
{
	struct sim *s = begin(seed, seed & 1);
	unsigned steps = 1 + seed / 2 % STEPS_MAX;

	dice = (seed + 1) * UINT64_C(0x9e3779b97f4a7c15);
	per_mille = roll(3) ? roll(400) : 0;
	for (unsigned i = 0; i < steps; i++) {
		for (unsigned k = 0; k < 2; k++) {
			move_some(s, i ? roll(2) : k, how);
			if (roll(2))
				sim_run(s, roll(60) * USEC_PER_MSEC);
		}
		sim_run(s, roll(roll(3) ? 100 : 5000) * USEC_PER_MSEC);
		if (restarts && roll(2)) {
			sim_drain(s, A);
			sim_drain(s, B);
			sim_restart(s, roll(2));
		}
		if (roll(2))
			dead[roll(2)].family = 0;
	}
	per_mille = dead[A].family = dead[B].family = 0;
	sim_run(s, 200 * USEC_PER_SEC);
	cr_assert(s->side[A].n_children == 1 && s->side[B].n_children == 1);
	cr_assert(same(s) || (how && refused(s)), "%u, %u, %u", seed, how, restarts);
	sim_free(s);
}

static void all(unsigned how, bool restarts)
{
	for (unsigned seed = 0; seed < PLAYS; seed++)
		play(seed, how, restarts);
}

Test(mmx_cross, dead_endpoints, .timeout = 120)
{
	all(0, false);
}

Test(mmx_cross, dead_endpoints_and_restarts, .timeout = 120)
{
	all(0, true);
}

Test(mmx_cross, any_moves, .timeout = 120)
{
	all(1, false);
}

Test(mmx_cross, any_moves_and_restarts, .timeout = 120)
{
	all(1, true);
}
