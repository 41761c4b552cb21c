/* SPDX-License-Identifier: GPL-2.0-only */
/* Agreement, authority and crossing requests: see mmx_rules.h. */
#include <string.h>

#include "mmx_rules.h"

/* ---- agreement ---- */

static bool has_vid(const struct ike_msg *m)
{
	for (unsigned i = 0; i < m->n_vendors; i++)
		if (m->vendors[i].len == MMX_VID_OCTETS &&
		    !memcmp(m->vendors[i].p, mmx_vid, MMX_VID_OCTETS))
			return true;
	return false;
}

struct mmx_deal mmx_negotiate(const struct mmx_supported *ours, const struct ike_msg *theirs)
{
	const struct notify *n = msg_notify(theirs, N_MMX_SUPPORTED);
	struct mmx_supported s;

	if (!msg_notify(theirs, N_MOBIKE_SUPPORTED) || !has_vid(theirs) || !n ||
	    mmx_supported_get(n, &s) != MMX_OK || !s.ifaces_max || !s.side_max)
		return (struct mmx_deal){ .major = 0 };
	return (struct mmx_deal){
		.major = s.major < ours->major ? s.major : ours->major,
		.caps = s.caps & ours->caps,
		.ifaces_max = s.ifaces_max,
		.side_max = s.side_max,
		.alts_max = s.alts_max,
		.actions_max = s.actions_max,
		.derived_max = s.derived_max,
		.window = s.window,
	};
}

/* ---- authority ---- */

static uint32_t cap_of(uint8_t code)
{
	switch ((enum mmx_code)code) {
	case MMX_UPDATE:
		return MMX_CAP_UPDATE;
	case MMX_ADD:
	case MMX_REMOVE:
		return MMX_CAP_ADDREMOVE;
	case MMX_SET_ALT:
	case MMX_FAILOVER:
		return MMX_CAP_ALT;
	case MMX_ADD_IF:
		return MMX_CAP_DERIVE;
	case MMX_DEL_IF:
		return MMX_CAP_DELIF;
	case MMX_QUERY:
		return MMX_CAP_QUERY;
	}
	return 0;
}

/* The side whose endpoints the action changes; 0 without any. */
static uint8_t side_of(const struct mmx_action *a)
{
	const struct mmx_ep *ep = mmx_next_ep(&a->tlvs, MMX_ROLE_OLD, NULL);

	if (!ep)
		ep = mmx_next_ep(&a->tlvs, MMX_ROLE_NEW, NULL);
	return ep ? ep->side : 0;
}

/* An interface the receiver said may be used: up, and no backup while the old endpoint lives. */
static bool offered(const struct mmx_list *ours, const struct mmx_ep *ep, bool hard)
{
	const struct mmx_iface *i = NULL;

	if (ep->flags & MMX_EP_IFID)
		i = mmx_list_iface(ours, ep->epid);
	else if (!mmx_list_ep(ours, ep->epid, &i) && !ep->epid)
		return true; /* what IKE uses */
	return i && i->flags & MMX_IFACE_UP && (hard || !(i->flags & MMX_IFACE_BACKUP));
}

/* Of endpoints that are the receiver's. */
static bool may_change_receivers(const struct mmx_action *a, bool from_i,
				 const struct mmx_list *ours)
{
	if (a->code == MMX_FAILOVER)
		return true;
	if (!from_i || (a->code != MMX_UPDATE && a->code != MMX_ADD && a->code != MMX_REMOVE))
		return false;
	for (const struct mmx_ep *ep = NULL; (ep = mmx_next_ep(&a->tlvs, MMX_ROLE_NEW, ep));)
		if (!offered(ours, ep, a->flags & MMX_ACTION_HARD))
			return false;
	return true;
}

/* Of its own. R moves them where that was agreed, or where it has to. */
static bool may_change_own(const struct mmx_action *a, bool from_i, uint32_t caps)
{
	if (a->code == MMX_FAILOVER)
		return false;
	if (a->code != MMX_UPDATE && a->code != MMX_ADD && a->code != MMX_REMOVE)
		return true;
	return from_i || caps & MMX_CAP_RESP_MOVE || a->flags & MMX_ACTION_HARD;
}

uint32_t mmx_needs(const struct mmx_action *a)
{
	return cap_of(a->code) | (a->flags & MMX_ACTION_CHECK ? (uint32_t)MMX_CAP_CHECK : 0);
}

enum mmx_status mmx_authority(const struct mmx_action *a, uint32_t caps, bool from_i,
			      const struct mmx_list *ours)
{
	if (~caps & mmx_needs(a))
		return MMX_UNSUPPORTED;
	if (a->code == MMX_QUERY)
		return MMX_OK;
	return (side_of(a) ? may_change_receivers(a, from_i, ours)
			   : may_change_own(a, from_i, caps))
		       ? MMX_OK
		       : MMX_NOT_OWNER;
}

enum mmx_status mmx_generation_check(const struct mmx_action *a, const struct mmx_list *theirs)
{
	if (!a->generation)
		return MMX_OK;
	return theirs->known && a->generation == theirs->generation ? MMX_OK : MMX_STATE_MISMATCH;
}

enum mmx_status mmx_address_check(const struct mmx_ep *ep, const struct mmx_list *ours)
{
	if (!ep->addr.family)
		return MMX_OK;
	if (!addr_usable(&ep->addr, false))
		return MMX_LOCAL_POLICY;
	for (unsigned i = 0; i < ours->n; i++)
		for (unsigned k = 0; k < ours->iface[i].n; k++)
			if (addr_equal(&ours->iface[i].ep[k].addr, &ep->addr))
				return MMX_LOCAL_POLICY;
	return MMX_OK;
}

enum mmx_status mmx_failover_check(const struct mmx_binding *b, const struct mmx_lists *l,
				   enum mmx_owner owner, uint16_t old, uint16_t new)
{
	uint16_t alts[MMX_ALTS_MAX];
	unsigned n = mmx_binding_alternates(b, l, owner, old, alts);

	if (!mmx_binding_has(b, owner, old))
		return MMX_UNKNOWN_ADDRESS;
	for (unsigned i = 0; i < n; i++)
		if (alts[i] == new)
			return MMX_OK;
	return MMX_NOT_OWNER;
}

/* ---- crossing ---- */

/* Endpoints or whole interfaces of the same list, with one in common. */
static bool meet(const struct mmx_ep *a, const struct mmx_ep *b, const struct mmx_list *l)
{
	const struct mmx_iface *i = NULL;

	if ((a->flags & MMX_EP_IFID) == (b->flags & MMX_EP_IFID))
		return a->epid == b->epid;
	const struct mmx_ep *iface = a->flags & MMX_EP_IFID ? a : b, *ep = iface == a ? b : a;
	return mmx_list_ep(l, ep->epid, &i) && i->ifid == iface->epid;
}

static bool same_old(const struct mmx_action *a, const struct mmx_action *b,
		     const struct mmx_list *l)
{
	for (const struct mmx_ep *x = NULL; (x = mmx_next_ep(&a->tlvs, MMX_ROLE_OLD, x));)
		for (const struct mmx_ep *y = NULL; (y = mmx_next_ep(&b->tlvs, MMX_ROLE_OLD, y));)
			if (meet(x, y, l))
				return true;
	return false;
}

enum mmx_status mmx_crossing(const struct mmx_action *ours, const struct mmx_action *theirs,
			     bool we_are_i, const struct mmx_list *own)
{
	bool checks = (ours->flags | theirs->flags) & MMX_ACTION_CHECK;

	if (!checks && ours->code == MMX_ADD_IF && theirs->code == MMX_ADD_IF)
		return we_are_i ? MMX_BUSY : MMX_OK;
	/* theirs is about what is ours, and we have said ourselves what becomes of it */
	if (!checks && side_of(theirs) && !side_of(ours) && theirs->code != MMX_QUERY &&
	    ours->code != MMX_SET_ALT && ours->code != MMX_QUERY && same_old(ours, theirs, own))
		return MMX_SUPERSEDED;
	return MMX_OK;
}

bool mmx_overtakes(const struct mmx_action *ours, const struct mmx_action *theirs,
		   const struct mmx_list *own, const struct mmx_list *peers)
{
	return side_of(ours) != side_of(theirs) && theirs->code != MMX_SET_ALT &&
	       theirs->code != MMX_QUERY && same_old(ours, theirs, side_of(ours) ? peers : own);
}
