/* SPDX-License-Identifier: GPL-2.0-only */
/* Endpoints of ours that requests of ours say are dead (HARD, MMX 7.2): they are left before the
 * peer has heard of it, by packets, and by the IKE SA if that moves too. Until it is answered the
 * two ends know different pairs, so what follows the IKE SA is taken to be where both know it.
 */
#include "mmx.h"

/* What left for old goes on to new; what is new again is not dead any more. */
static void add_swap(struct mmx *x, uint16_t old, uint16_t new)
{
	unsigned n = 0;

	if (!old)
		return;
	for (unsigned i = 0; i < x->n_hard; i++) {
		struct mmx_swap s = x->hard[i];

		if (s.new == old)
			s.new = new;
		if (s.old != old && s.old != new)
			x->hard[n++] = s;
	}
	x->n_hard = (uint8_t)n;
	if (n < MMX_SIDE_MAX)
		x->hard[x->n_hard++] = (struct mmx_swap){ old, new };
}

/* The endpoint of ours that takes the place of old; 0: none does. */
static uint16_t own_new(const struct mmx_list *l, const struct mmx_action *a, uint16_t old)
{
	const struct mmx_ep *ep = mmx_next_ep(&a->tlvs, MMX_ROLE_NEW, NULL);
	const struct mmx_iface_ep *was = mmx_list_had_ep(l, old);
	const struct mmx_iface *f;

	if (!ep || !(ep->flags & MMX_EP_IFID))
		return ep ? ep->epid : 0;
	f = mmx_list_iface(l, ep->epid);
	for (unsigned i = 0; f && was && i < f->n; i++)
		if (f->ep[i].addr.family == was->addr.family)
			return f->ep[i].epid;
	return 0;
}

/* Endpoints of ours that it says are dead; those are left before the peer has heard of it. */
static unsigned dead_of(const struct mmx_list *own, const struct mmx_action *a,
			uint16_t ret_epids[MMX_SIDE_MAX])
{
	uint16_t epids[MMX_SIDE_MAX];
	unsigned n_dead = 0;

	if (!(a->flags & MMX_ACTION_HARD) || a->flags & MMX_ACTION_CHECK ||
	    (a->code != MMX_UPDATE && a->code != MMX_REMOVE))
		return 0;
	for (const struct mmx_ep *ep = NULL; (ep = mmx_next_ep(&a->tlvs, MMX_ROLE_OLD, ep));) {
		unsigned n = 1;

		if (ep->side)
			continue;
		epids[0] = ep->epid;
		if (ep->flags & MMX_EP_IFID)
			n = mmx_list_eps_of(own, ep->epid, epids);
		for (unsigned i = 0; i < n && n_dead < MMX_SIDE_MAX; i++)
			ret_epids[n_dead++] = epids[i];
	}
	return n_dead;
}

static void leave_one(struct mmx *x, const struct mmx_list *own, const struct mmx_action *a)
{
	uint16_t epids[MMX_SIDE_MAX];
	unsigned n = dead_of(own, a, epids);

	for (unsigned i = 0; i < n; i++)
		add_swap(x, epids[i], own_new(own, a, epids[i]));
}

static void leave_dead(struct mmx *x, const struct mmx_list *own, const struct mmx_ask *ask)
{
	for (unsigned i = ask->first; i < ask->n; i++)
		leave_one(x, own, &ask->a[i]);
}

void mmx_leave_dead(const struct ike_sa *sa, struct mmx *x)
{
	const struct list *both[] = { &sa->inflight, &sa->pending };

	x->n_hard = 0;
	for (unsigned i = 0; i < 2; i++)
		list_for_each (it, both[i]) {
			const struct task *t = list_entry(it, struct task, node);

			if (t->mmx)
				leave_dead(x, &x->list[mmx_we(sa)], t->mmx);
		}
}

/* Where the IKE SA goes at once with that request; 0: nowhere. */
static uint16_t ike_goes_to(const struct ike_sa *sa, const struct mmx *x, const struct mmx_ask *ask)
{
	uint16_t now = mmx_current(sa, x, mmx_we(sa)), epids[MMX_SIDE_MAX];
	const struct mmx_list *own = &x->list[mmx_we(sa)];

	for (unsigned i = 0; i < ask->n; i++) {
		unsigned n = mmx_moves_ike(&ask->a[i]) ? dead_of(own, &ask->a[i], epids) : 0;

		for (unsigned k = 0; k < n; k++)
			if (epids[k] == now)
				return own_new(own, &ask->a[i], now);
	}
	return 0;
}

void mmx_leave_dead_ike(struct ike *ike, struct ike_sa *sa, struct mmx_ask *ask)
{
	struct mmx *x = sa->mmx;
	uint16_t own = ike_goes_to(sa, x, ask), peer = mmx_current(sa, x, mmx_peer(sa));
	struct ike_path to;

	if (!own ||
	    !mmx_path_addrs(sa, x,
			    mmx_we(sa) == MMX_I ? mmx_path_id(own, peer) : mmx_path_id(peer, own),
			    &to))
		return;
	ask->ike_moved = true;
	sa->mobike->by_peer = false;
	mobike_pair(ike, sa->line, &to);
	mobike_arrived(ike, sa);
}

/* Where it was before that request moved it at once; 0: the request did not. */
static uint16_t left_at_once(const struct ike_sa *sa, const struct mmx *x,
			     const struct mmx_ask *ask)
{
	const struct mmx_list *own = &x->list[mmx_we(sa)];
	uint16_t epids[MMX_SIDE_MAX];

	for (unsigned i = ask->first; ask->ike_moved && i < ask->n; i++) {
		unsigned n = mmx_moves_ike(&ask->a[i]) ? dead_of(own, &ask->a[i], epids) : 0;

		for (unsigned k = 0; k < n; k++) {
			const struct mmx_iface_ep *ep = mmx_list_had_ep(own, epids[k]);

			if (ep && ep->addr.family == sa->path.local.ip.family)
				return epids[k];
		}
	}
	return 0;
}

struct mmx_binding mmx_ike_told(const struct ike_sa *sa, const struct mmx *x,
				const struct mmx_ask *answered_or_null)
{
	const struct list *both[] = { &sa->inflight, &sa->pending };
	struct mmx_binding b = x->ike->b;
	uint16_t was = answered_or_null ? left_at_once(sa, x, answered_or_null) : 0;

	for (unsigned i = 0; i < 2; i++)
		list_for_each (it, both[i]) {
			const struct task *t = list_entry(it, struct task, node);

			if (!was && t->mmx)
				was = left_at_once(sa, x, t->mmx);
		}
	if (was)
		b.ends[mmx_we(sa)].epid[0] = was;
	return b;
}
