/* SPDX-License-Identifier: GPL-2.0-only */
/* An application sends first (MMX 12, S15): a packet from an address of this host to a peer in
 * transport mode, for which there is an SA, but not from that address. It was dropped; the peer is
 * asked to add the address, and the next packet goes. Where it refuses, what is sent from there
 * stays blocked. With multipath = mmx the steering knows which addresses are to be used, and nobody
 * else. */
#include "ike/mmx_plan.h"
#include "mmx_agent.h"

#define WAIT_FIRST USEC_PER_SEC
#define WAIT_LAST  (60 * USEC_PER_SEC)

/* Ours, where the connection may use it; 0: it is not. */
static uint16_t endpoint_of(const struct agent *a, const struct peer *p, const struct addr *local)
{
	const struct ike_conn_cfg *c = agent_conn(a, p->conn);

	for (size_t i = 0; c && i < a->n_uplinks; i++) {
		const struct uplink *u = &a->uplinks[i];

		for (size_t k = 0; u->up && k < u->n_eps; k++)
			if (addr_equal(&u->eps[k].addr, local) &&
			    conns_local_new(a, c, u, &u->eps[k]))
				return u->eps[k].epid;
	}
	return 0;
}

static bool has(const struct ike_ts *ts, uint8_t n, const struct addr *a)
{
	for (uint8_t i = 0; i < n; i++)
		if (addr_equal(&ts[i].first, a) && addr_equal(&ts[i].last, a))
			return true;
	return false;
}

/* Those with that peer that lack the address: how many, and their SPIs. */
static unsigned without(const struct peer *p, const struct engine_no_sa *m,
			uint8_t ret_spis[4 * MMX_PLAN_SPIS_MAX])
{
	unsigned n = 0;

	list_for_each (it, &p->children) {
		const struct child *c = list_entry(it, struct child, node);

		if (c->mode != CHILD_TRANSPORT || c->until || n == MMX_PLAN_SPIS_MAX ||
		    !has(c->ts_remote, c->n_ts_remote, &m->remote) ||
		    has(c->ts_local, c->n_ts_local, &m->local))
			continue;
		for (unsigned b = 0; b < 4; b++)
			ret_spis[4 * n + b] = (uint8_t)(c->spi_in >> (24 - 8 * b));
		n++;
	}
	return n;
}

/* A peer that refused is asked again later and later; about anything not all the time. */
static bool may_ask(struct peer *p, uint16_t epid, usec_t now)
{
	bool again = p->first.epid == epid;

	if (p->first.at && now < p->first.at + (again ? p->first.wait : WAIT_FIRST))
		return false;
	p->first.wait = !again || !p->first.wait	? WAIT_FIRST
			: p->first.wait < WAIT_LAST / 2 ? 2 * p->first.wait
							: WAIT_LAST;
	p->first.epid = epid;
	p->first.at = now;
	return true;
}

static void ask(struct agent *a, struct peer *p, const struct engine_no_sa *m)
{
	uint8_t spis[4 * MMX_PLAN_SPIS_MAX];
	struct mmx_action add = { .code = MMX_ADD };
	uint16_t epid = endpoint_of(a, p, &m->local);
	unsigned n = epid ? without(p, m, spis) : 0;
	usec_t now = agent_now();
	char text[ADDR_STR];

	if (!n || !may_ask(p, epid, now))
		return;
	mmx_add(&add.tlvs, MMX_TLV_EP)->ep = (struct mmx_ep){ .role = MMX_ROLE_NEW, .epid = epid };
	mmx_add(&add.tlvs, MMX_TLV_SEL)->sel = (struct mmx_sel){ .kind = MMX_SEL_SPIS,
								 .protocol = PROTO_ESP,
								 .spis = { spis, 4 * n } };
	addr_format(&m->local, text);
	if (ike_mmx_ask(a->ike, p->line, &add, 1, ++a->next_op, now) == 0)
		relation_said(a, p, BY_AGENT,
			      "the peer is asked to add %s: something is sent from there", text);
}

void first_packet(struct agent *a, const struct engine_no_sa *m)
{
	list_for_each (it, &a->peers) {
		struct peer *p = list_entry(it, struct peer, node);

		if (!p->ending && !mmx_steers(a, p) && ike_mmx_on(a->ike, p->line, NULL))
			ask(a, p, m);
	}
	agent_drain(a);
}
