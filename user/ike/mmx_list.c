/* SPDX-License-Identifier: GPL-2.0-only */
/* Lists of interfaces: see mmx_list.h. */
#include <string.h>

#include "mmx_list.h"

/* ---- looking ---- */

const struct mmx_iface_ep *mmx_list_ep(const struct mmx_list *l, uint16_t epid,
				       const struct mmx_iface **ret_iface)
{
	for (unsigned i = 0; i < l->n; i++)
		for (unsigned k = 0; k < l->iface[i].n; k++)
			if (l->iface[i].ep[k].epid == epid) {
				if (ret_iface)
					*ret_iface = &l->iface[i];
				return &l->iface[i].ep[k];
			}
	return NULL;
}

const struct mmx_iface *mmx_list_iface(const struct mmx_list *l, uint16_t ifid)
{
	for (unsigned i = 0; i < l->n; i++)
		if (l->iface[i].ifid == ifid)
			return &l->iface[i];
	return NULL;
}

const struct mmx_iface_ep *mmx_list_had_ep(const struct mmx_list *l, uint16_t epid)
{
	const struct mmx_iface_ep *ep = mmx_list_ep(l, epid, NULL);

	for (unsigned i = 0; !ep && i < l->n_gone; i++)
		if (l->gone[i].ep.epid == epid)
			ep = &l->gone[i].ep;
	return ep;
}

unsigned mmx_list_eps_of(const struct mmx_list *l, uint16_t ifid, uint16_t ret_epids[MMX_SIDE_MAX])
{
	const struct mmx_iface *f = mmx_list_iface(l, ifid);
	unsigned n = 0;

	for (unsigned i = 0; f && i < f->n; i++)
		ret_epids[n++] = f->ep[i].epid;
	for (unsigned i = 0; i < l->n_gone && n < MMX_SIDE_MAX; i++)
		if (l->gone[i].ifid == ifid)
			ret_epids[n++] = l->gone[i].ep.epid;
	return n;
}

enum mmx_status mmx_list_check(const struct mmx_list *l, const struct mmx_ep *ep)
{
	if (ep->flags & MMX_EP_IFID)
		return mmx_list_iface(l, ep->epid) ? MMX_OK : MMX_UNKNOWN_ADDRESS;
	if (!ep->epid)
		return ep->addr.family ? MMX_UNKNOWN_ADDRESS : MMX_OK;
	const struct mmx_iface_ep *have = mmx_list_ep(l, ep->epid, NULL);
	if (!have) /* it is told of here, if the address stands beside it */
		return ep->addr.family && (!l->known || ep->flags & MMX_EP_HERE)
			       ? MMX_OK
			       : MMX_UNKNOWN_ADDRESS;
	if (ep->addr.family && !addr_equal(&ep->addr, &have->addr))
		return ep->flags & MMX_EP_HERE ? MMX_OK : MMX_STATE_MISMATCH;
	return MMX_OK;
}

bool mmx_list_define(struct mmx_list *l, const struct mmx_ep *ep)
{
	for (unsigned i = 0; i < l->n; i++)
		for (unsigned k = 0; k < l->iface[i].n; k++)
			if (l->iface[i].ep[k].epid == ep->epid) {
				l->iface[i].ep[k].addr = ep->addr;
				return true;
			}
	if (l->n == MMX_IFACES_MAX)
		return false;
	l->iface[l->n++] = (struct mmx_iface){ .flags = MMX_IFACE_UP,
					       .n = 1,
					       .ep = { { .epid = ep->epid, .addr = ep->addr } } };
	return true;
}

/* ---- a new one ---- */

static bool has_any_ep_of(const struct mmx_list *l, const struct mmx_iface *i)
{
	for (unsigned k = 0; k < i->n; k++)
		if (mmx_list_ep(l, i->ep[k].epid, NULL))
			return true;
	return false;
}

static bool has_current(const struct mmx_list *l)
{
	for (unsigned i = 0; i < l->n; i++)
		for (unsigned k = 0; k < l->iface[i].n; k++)
			if (l->iface[i].ep[k].flags & MMX_IFACE_EP_CURRENT)
				return true;
	return false;
}

/* Whether i may come after what is in l: of the same list, nothing twice, nothing after the last.
 */
static bool follows(const struct mmx_list *l, bool ended, const struct mmx_iface *i)
{
	bool first = !l->known;

	if (!first && (ended || i->generation != l->generation))
		return false;
	if (i->flags & MMX_IFACE_EMPTY)
		return first;
	return !mmx_list_iface(l, i->ifid) && !has_any_ep_of(l, i);
}

/* Of more than are remembered the oldest are forgotten. */
static void remember(struct mmx_list *l, const struct mmx_gone *g)
{
	if (mmx_list_ep(l, g->ep.epid, NULL))
		return;
	if (l->n_gone == MMX_GONE_MAX)
		memmove(&l->gone[0], &l->gone[1], --l->n_gone * sizeof(l->gone[0]));
	l->gone[l->n_gone++] = *g;
}

static void replace(struct mmx_list *l, struct mmx_list *new)
{
	for (unsigned i = 0; i < l->n_gone; i++)
		remember(new, &l->gone[i]);
	for (unsigned i = 0; i < l->n; i++)
		for (unsigned k = 0; k < l->iface[i].n; k++)
			remember(new, &(struct mmx_gone){ l->iface[i].ifid, l->iface[i].ep[k] });
	*l = *new;
}

static bool says_same(const struct mmx_iface *a, const struct mmx_iface *b)
{
	bool same = a->ifid == b->ifid && a->preference == b->preference && a->flags == b->flags &&
		    a->link == b->link && a->mtu == b->mtu && a->n == b->n && a->attrs == b->attrs;

	for (unsigned k = 0; same && k < a->n; k++)
		same = a->ep[k].epid == b->ep[k].epid && a->ep[k].flags == b->ep[k].flags &&
		       addr_equal(&a->ep[k].addr, &b->ep[k].addr);
	for (unsigned k = 0; same && k <= MMX_ATTR_RTT; k++)
		same = !(a->attrs & 1u << k) || a->attr[k] == b->attr[k];
	return same;
}

bool mmx_list_replace(struct mmx_list *l, struct mmx_list *new)
{
	bool same = l->known && l->n == new->n;

	for (unsigned i = 0; same && i < l->n; i++)
		same = says_same(&l->iface[i], &new->iface[i]);
	if (same && mmx_classes_same(&l->classes, &new->classes))
		return false;
	new->known = true;
	new->generation = l->generation + 1;
	replace(l, new);
	return true;
}

enum mmx_status mmx_list_take(struct mmx_list *l, const struct ike_msg *m, uint8_t ifaces_max,
			      enum mmx_limit_which *ret_limit)
{
	struct mmx_list new = { .n = 0 };
	bool ended = false, empty = false, cut = false, many = false;

	for (unsigned k = 0; k < m->n_notifies; k++) {
		struct mmx_iface i;
		enum mmx_status status;

		if (m->notifies[k].type != N_MMX_IFACE)
			continue;
		status = mmx_iface_get(&m->notifies[k], &i);
		if (status != MMX_OK)
			return status;
		if (!follows(&new, ended, &i))
			return MMX_MALFORMED;
		new.known = true;
		new.generation = i.generation;
		ended = i.flags & (MMX_IFACE_LAST | MMX_IFACE_EMPTY);
		empty |= !!(i.flags & MMX_IFACE_EMPTY);
		cut |= i.cut;
		i.cut = false;
		mmx_iface_get_classes(&m->notifies[k], &new.classes);
		if (new.n >= ifaces_max || new.n == MMX_IFACES_MAX)
			many = true;
		else if (!empty)
			new.iface[new.n++] = i;
	}
	if (!new.known || (l->known && new.generation <= l->generation))
		return MMX_OK;
	/* what IKE runs over must be in it, unless it was cut off */
	if (!empty && ended && !cut && !many && !has_current(&new))
		return MMX_MALFORMED;
	replace(l, &new);
	if (many || !ended || cut)
		*ret_limit = cut && !many ? MMX_LIMIT_SIDE : MMX_LIMIT_IFACES;
	return many || !ended || cut ? MMX_TOO_MANY : MMX_OK;
}

/* ---- alternates ---- */

struct candidate {
	uint16_t epid;
	uint16_t rank; /* less is better */
};

unsigned mmx_list_alternates(const struct mmx_list *l, uint16_t old, unsigned families,
			     uint16_t ret_epids[MMX_ALTS_MAX])
{
	struct candidate best[MMX_ALTS_MAX];
	unsigned n = 0;

	for (unsigned i = 0; i < l->n; i++) {
		const struct mmx_iface *f = &l->iface[i];
		uint16_t rank = (uint16_t)(f->preference + (f->flags & MMX_IFACE_BACKUP ? 256 : 0));

		for (unsigned k = 0; f->flags & MMX_IFACE_UP && k < f->n; k++) {
			unsigned at = n;

			if (f->ep[k].epid == old || !(families & 1u << f->ep[k].addr.family))
				continue;
			while (at && best[at - 1].rank > rank)
				at--;
			if (at == MMX_ALTS_MAX)
				continue;
			n += n < MMX_ALTS_MAX;
			memmove(&best[at + 1], &best[at], (n - 1 - at) * sizeof(best[0]));
			best[at] = (struct candidate){ f->ep[k].epid, rank };
		}
	}
	for (unsigned i = 0; i < n; i++)
		ret_epids[i] = best[i].epid;
	return n;
}
