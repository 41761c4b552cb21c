/* SPDX-License-Identifier: GPL-2.0-only */
/* Tunnel, transport, or stable transport: what is asked for, what it becomes, and addresses in
 * transport mode behind a NAT (RFC 7296 1.3.1, 2.23.1).
 *
 * Stable transport is ours alone: no inner header, and the addresses that applications see are
 * those of the selectors, whatever path is used. It is asked for by a status notification of the
 * private range, with 16 octets that say whose it is; who does not know it makes a tunnel of the
 * same selectors, as RFC 7296 wants when USE_TRANSPORT_MODE is missing. */
#include <string.h>

#include "child_sa.h"
#include "exchange.h"
#include "ike_private.h"

static enum child_mode wanted(const struct ike_child_cfg *cfg, const struct child_sa *rekeyed)
{
	/* a rekey repeats the mode of the SA it replaces (1.3.3) */
	return rekeyed ? rekeyed->mode : cfg->mode;
}

static void put(const struct ike_sa *sa, enum child_mode mode, struct msg_wr *m)
{
	if (mode == CHILD_TRANSPORT)
		msg_put_notify(m, PROTO_NONE, NULL, 0, N_USE_TRANSPORT_MODE, NULL, 0);
	else if (mode == CHILD_STABLE)
		msg_put_notify(m, PROTO_NONE, NULL, 0, N_STABLE_TRANSPORT, sa->ike->stable_vid,
			       VID_OCTETS);
}

void mode_offer(const struct ike_sa *sa, const struct ike_child_cfg *cfg,
		const struct child_sa *rekeyed, struct msg_wr *m)
{
	put(sa, wanted(cfg, rekeyed), m);
}

void mode_answer(const struct ike_sa *sa, const struct child_deal *d, struct msg_wr *m)
{
	put(sa, d->mode, m);
}

/* What the other side's message says; a private number of somebody else says nothing. */
static enum child_mode said(const struct ike_sa *sa, const struct ike_msg *in)
{
	const struct notify *n = msg_notify(in, N_STABLE_TRANSPORT);

	if (msg_notify(in, N_USE_TRANSPORT_MODE))
		return CHILD_TRANSPORT;
	if (n && n->data.len == VID_OCTETS && !memcmp(n->data.p, sa->ike->stable_vid, VID_OCTETS))
		return CHILD_STABLE;
	return CHILD_TUNNEL;
}

static bool falls_back(const struct ike_sa *sa, const struct ike_child_cfg *cfg)
{
	log_ike(sa, LOG_INFO_, "the peer does not do stable transport: %s",
		cfg->stable_fallback ? "Child SA is a tunnel between the same addresses"
				     : "refused, as configured (stable_fallback = no)");
	return cfg->stable_fallback;
}

bool mode_answered(const struct ike_sa *sa, const struct child_sa *rekeyed,
		   const struct ike_msg *in, struct child_deal *d)
{
	enum child_mode want = wanted(d->cfg, rekeyed);

	d->mode = said(sa, in);
	if (d->mode == want)
		return true;
	/* without USE_TRANSPORT_MODE the peer made a tunnel: not what we want (1.3.1) */
	return want == CHILD_STABLE && d->mode == CHILD_TUNNEL && !rekeyed &&
	       falls_back(sa, d->cfg);
}

bool mode_choose(const struct ike_sa *sa, const struct ike_child_cfg *cfg,
		 const struct child_sa *rekeyed, const struct ike_msg *in, struct child_deal *d)
{
	enum child_mode want = wanted(cfg, rekeyed), asked = said(sa, in);

	d->mode = want;
	/* asked for another mode, we may always make a tunnel */
	if (want == CHILD_TUNNEL || asked == want)
		return true;
	d->mode = CHILD_TUNNEL;
	return want == CHILD_STABLE && !rekeyed && falls_back(sa, cfg);
}

/* "Store the original Traffic Selector IP addresses ... If the client is behind a NAT, substitute
 * the IP address in the TSi entries with the remote address of the IKE SA" (2.23.1), and so on, for
 * either end in either role: the peer's, behind a NAT of its, and ours behind one of ours. */
static void substitute(struct ts_list *l, bool nat, const struct addr *by, struct addr *ret_told)
{
	for (unsigned i = 0; nat && i < l->n; i++) {
		struct ts *t = &l->ts[i];

		if (!addr_equal(&t->first, &t->last) || t->first.family != by->family)
			continue;
		if (!ret_told->family)
			*ret_told = t->first;
		t->first = t->last = *by;
	}
}

void mode_ts(const struct ike_sa *sa, enum child_mode mode, struct ts_list *local,
	     struct ts_list *remote, struct child_deal *d)
{
	memset(&d->told_local, 0, sizeof(d->told_local));
	memset(&d->told_remote, 0, sizeof(d->told_remote));
	if (mode != CHILD_TRANSPORT)
		return;
	substitute(local, sa->nat_local, &sa->path.local.ip, &d->told_local);
	substitute(remote, sa->nat_remote, &sa->path.remote.ip, &d->told_remote);
}

static bool ranges_meet(uint16_t af, uint16_t al, uint16_t bf, uint16_t bl)
{
	/* OPAQUE, first > last, is no port at all: said of both, it is the same */
	if (af > al || bf > bl)
		return true;
	return af <= bl && bf <= al;
}

static bool meet(const struct ike_ts *a, uint8_t n_a, const struct ike_ts *b, uint8_t n_b)
{
	for (unsigned i = 0; i < n_a; i++)
		for (unsigned k = 0; k < n_b; k++)
			if (a[i].first.family == b[k].first.family &&
			    addr_cmp(&a[i].first, &b[k].last) <= 0 &&
			    addr_cmp(&b[k].first, &a[i].last) <= 0 &&
			    (!a[i].protocol || !b[k].protocol || a[i].protocol == b[k].protocol) &&
			    ranges_meet(a[i].port_first, a[i].port_last, b[k].port_first,
					b[k].port_last))
				return true;
	return false;
}

/* RFC 3948 5: what leaves for an address that two hosts have could be for either. The first one
 * keeps it. */
bool mode_taken(const struct ike_sa *sa, const struct child_deal *d)
{
	if (d->mode != CHILD_TRANSPORT || !sa->nat_remote)
		return false;
	list_for_each (it, &sa->ike->sas) {
		const struct ike_sa *o = list_entry(it, struct ike_sa, node);

		if (o->family == sa->family || id_equal(o->remote_id, sa->remote_id))
			continue;
		list_for_each (jt, &o->children) {
			const struct child_sa *c = list_entry(jt, struct child_sa, node);

			if (c->mode != CHILD_TRANSPORT || !child_in_use(c) ||
			    !meet(c->ts_local, c->n_ts_local, d->ts_local, d->n_ts_local) ||
			    !meet(c->ts_remote, c->n_ts_remote, d->ts_remote, d->n_ts_remote))
				continue;
			log_ike(sa, LOG_INFO_,
				"another peer behind the same NAT has an SA in transport mode for "
				"this "
				"traffic: refused");
			return true;
		}
	}
	return false;
}

const char *child_mode_name(enum child_mode mode)
{
	switch (mode) {
	case CHILD_TUNNEL:
		return "tunnel";
	case CHILD_TRANSPORT:
		return "transport";
	case CHILD_STABLE:
		return "stable-transport";
	}
	return "tunnel";
}
