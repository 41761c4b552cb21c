/* SPDX-License-Identifier: GPL-2.0-only */
/* What peers that know MMX are told of this host's interfaces: the uplinks that they may see, with
 * the addresses that are for new paths. The numbers stay what they are, whatever happens to the
 * interface or to the agent: peers have bound SAs to them. */
#include <string.h>

#include "base/ids.h"
#include "net/linkkind.h"
#include "bindings.h"

/* Worse than all that have a place in the configuration. */
enum { PREFERENCE_MOST = 254 };

uint16_t ifaces_number(struct agent *a)
{
	struct ids used = { 0 };

	for (size_t i = 0; i < a->n_uplinks; i++)
		ids_use(&used, a->uplinks[i].ifid);
	return ids_take(&used, &a->next_ifid);
}

const struct uplink *ifaces_uplink(const struct agent *a, uint16_t ifid)
{
	for (size_t i = 0; i < a->n_uplinks; i++)
		if (ifid && a->uplinks[i].ifid == ifid)
			return &a->uplinks[i];
	return NULL;
}

static uint8_t link_of(const struct agent *a, const struct uplink *u)
{
	struct rtnl_link link;

	switch (u->cfg.kind) {
	case UPLINK_WLAN:
		return MMX_LINK_WLAN;
	case UPLINK_RAN:
		return MMX_LINK_CELLULAR;
	case UPLINK_WIRED:
		return MMX_LINK_WIRED;
	case UPLINK_SATELLITE:
		return MMX_LINK_SATELLITE;
	case UPLINK_ANY:
		break;
	}
	if (!rtnl_link_by_index(a->rtnl, u->ifindex, &link))
		return MMX_LINK_UNKNOWN;
	switch (linkkind_of(&link, LINKKIND_SYSFS)) {
	case LINK_KIND_WLAN:
		return MMX_LINK_WLAN;
	case LINK_KIND_RAN:
		return MMX_LINK_CELLULAR;
	case LINK_KIND_WIRED:
		return MMX_LINK_WIRED;
	case LINK_KIND_OTHER:
		break;
	}
	return MMX_LINK_UNKNOWN;
}

static uint32_t mtu_of(const struct uplink *u)
{
	uint32_t mtu = u->cfg.mtu && u->cfg.mtu < u->mtu ? u->cfg.mtu : u->mtu;

	return mtu < UINT16_MAX ? mtu : UINT16_MAX;
}

static void fill(struct agent *a, const struct ike_conn_cfg *c, const struct uplink *u,
		 struct mmx_iface *f)
{
	*f = (struct mmx_iface){
		.ifid = u->ifid,
		.preference = (uint8_t)(u->cfg.preference < PREFERENCE_MOST ? u->cfg.preference
									    : PREFERENCE_MOST),
		.flags = (uint8_t)((u->up ? MMX_IFACE_UP : 0) |
				   (u->cfg.metered ? MMX_IFACE_METERED : 0)),
		.link = link_of(a, u),
		.mtu = (uint16_t)mtu_of(u),
	};
	if (u->cfg.cost) {
		f->attrs = 1u << MMX_ATTR_COST;
		f->attr[MMX_ATTR_COST] = u->cfg.cost;
	}
	for (size_t e = 0; e < u->n_eps && f->n < MMX_SIDE_MAX; e++)
		if (u->eps[e].epid && u->eps[e].epid < IKE_MMX_OWN_NUMBERS &&
		    conns_local_new(a, c, u, &u->eps[e]))
			f->ep[f->n++] = (struct mmx_iface_ep){ .epid = u->eps[e].epid,
							       .addr = u->eps[e].addr };
}

void ifaces_tell(struct agent *a, const struct ike_conn_cfg *c,
		 const struct uplink *const order[CONF_UPLINKS_MAX])
{
	struct mmx_iface list[CONF_UPLINKS_MAX];
	unsigned n = 0;

	if (c->mmx == IKE_MMX_NO)
		return;
	asks_tell(a, c);
	for (size_t i = 0; i < a->n_uplinks; i++) {
		if (!order[i]->ifid || order[i]->ifid >= IKE_MMX_OWN_NUMBERS)
			continue;
		fill(a, c, order[i], &list[n]);
		n += list[n].n > 0;
	}
	ike_ifaces_set(a->ike, c->name, list, n, agent_now());
}

/* ---- after a restart ---- */

/* The endpoint keeps that number; whichever this start gave it to gets another one. */
static void keep(struct agent *a, struct uplink *u, const struct mmx_iface *f,
		 const struct mmx_iface_ep *ep)
{
	for (size_t i = 0; i < u->n_eps; i++) {
		if (!addr_equal(&u->eps[i].addr, &ep->addr))
			continue;
		for (size_t k = 0; k < a->n_uplinks; k++) {
			struct uplink *o = &a->uplinks[k];

			for (size_t e = 0; e < o->n_eps; e++)
				if (o->eps[e].epid == ep->epid)
					o->eps[e].epid = u->eps[i].epid;
			if (o->ifid == f->ifid)
				o->ifid = u->ifid;
		}
		u->eps[i].epid = ep->epid;
		u->ifid = f->ifid;
	}
}

static void keep_list(struct agent *a, uint64_t line)
{
	uint32_t generation;
	unsigned n = 0;
	const struct mmx_iface *l = ike_mmx_ifaces(a->ike, line, false, &n, &generation);

	for (unsigned i = 0; l && i < n; i++)
		for (unsigned e = 0; e < l[i].n; e++)
			for (size_t k = 0; k < a->n_uplinks; k++)
				if (l[i].ifid < IKE_MMX_OWN_NUMBERS &&
				    l[i].ep[e].epid < IKE_MMX_OWN_NUMBERS)
					keep(a, &a->uplinks[k], &l[i], &l[i].ep[e]);
}

/* What is not kept gets a number that no peer has ever heard. */
static void renumber(struct agent *a, uint16_t ifid, uint16_t epid)
{
	uint16_t first_ifid = a->next_ifid, first_epid = a->next_epid;

	if (a->next_ifid <= ifid)
		a->next_ifid = (uint16_t)(ifid + 1);
	if (a->next_epid <= epid)
		a->next_epid = (uint16_t)(epid + 1);
	if (!ifid && !epid)
		return;
	for (size_t i = 0; i < a->n_uplinks; i++) {
		struct uplink *u = &a->uplinks[i];

		if (u->ifid < first_ifid)
			u->ifid = ifaces_number(a);
		for (size_t e = 0; e < u->n_eps; e++)
			if (u->eps[e].epid < first_epid)
				u->eps[e].epid = uplinks_epid(a);
	}
}

void ifaces_adopt(struct agent *a)
{
	uint16_t ifid, epid;

	ike_mmx_numbers(a->ike, &ifid, &epid);
	renumber(a, ifid, epid);
	for (const struct ike_sa *sa = ike_sa_first(a->ike); sa; sa = ike_sa_next(a->ike, sa)) {
		struct ike_sa_info info;

		ike_sa_look(sa, &info);
		keep_list(a, info.line);
	}
	conns_addrs(a, NULL);
}
