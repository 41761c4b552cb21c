/* SPDX-License-Identifier: GPL-2.0-only */
/* Lists of interfaces (MMX 4): each side tells which it has, all of them whenever one changes.
 *
 *   SK{ N(MMX_IFACE)*, ... }  -->   <--  SK{ [N(MMX_RESULT)] }
 *
 * and R's in its IKE_AUTH response. It is TASK_ADDRS that brings it (addrlist.c), in place of the
 * notifications of RFC 4555; requests with actions take it along. Which there are is the word of
 * the core's owner; the address that the IKE SA uses is always in the list. Nothing moves by it.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "mmx.h"

/* ---- ours ---- */

/* The number that it was announced by, or 0. */
static uint16_t number_of(const struct mmx_list *l, const struct addr *a)
{
	for (unsigned i = 0; i < l->n; i++)
		for (unsigned k = 0; k < l->iface[i].n; k++)
			if (addr_equal(&l->iface[i].ep[k].addr, a))
				return l->iface[i].ep[k].epid;
	for (unsigned i = 0; i < l->n_gone; i++)
		if (addr_equal(&l->gone[i].ep.addr, a))
			return l->gone[i].ep.epid;
	return 0;
}

/* An address that our owner did not tell of, which the IKE SA uses all the same: as an interface
 * of its own. */
static void add_unnumbered(struct mmx *x, const struct mmx_list *former, struct mmx_list *l,
			   const struct addr *a)
{
	uint16_t number = number_of(former, a);

	if (!number && x->next_own != UINT16_MAX)
		number = x->next_own++;
	if (l->n && (l->n == MMX_IFACES_MAX || l->n == x->deal.ifaces_max))
		l->n--;
	l->iface[l->n++] = (struct mmx_iface){
		.ifid = number,
		.flags = MMX_IFACE_UP,
		.n = 1,
		.ep = { { .epid = number, .flags = MMX_IFACE_EP_CURRENT, .addr = *a } },
	};
}

/* At most as many as the peer takes. */
static void copy_iface(struct mmx_iface *to, const struct mmx_iface *from, uint8_t side_max,
		       const struct addr *current, bool *has_current)
{
	*to = *from;
	to->flags &= MMX_IFACE_UP | MMX_IFACE_METERED | MMX_IFACE_NAT | MMX_IFACE_BACKUP;
	if (to->n > side_max)
		to->n = side_max;
	for (unsigned k = 0; k < to->n; k++) {
		bool is = addr_equal(&to->ep[k].addr, current);

		to->ep[k].flags &= MMX_IFACE_EP_LOCAL;
		to->ep[k].flags |= is ? MMX_IFACE_EP_CURRENT : 0;
		*has_current |= is;
	}
}

/* Of one direction. */
static void add_classes(struct mmx_classes *to, const struct mmx_classes *from, bool asked)
{
	for (unsigned i = 0; i < from->n; i++)
		if ((from->s[i].state == MMX_CLASS_ASKED) == asked)
			mmx_classes_add(to, &from->s[i]);
}

bool mmx_list_renew(struct ike_sa *sa, struct mmx *x)
{
	const struct tally *own = sa->conn->tally;
	struct mmx_list *l = &x->list[mmx_we(sa)];
	struct mmx_list new = { .known = true, .n = 0 };
	/* after a restart, until our owner has looked, they are those that it told of before */
	const struct mmx_iface *f = own->ifaces ? own->ifaces : l->iface;
	unsigned n = own->ifaces ? own->n_ifaces : l->n;
	bool has_current = false;

	for (unsigned i = 0; i < n && new.n < x->deal.ifaces_max; i++)
		if (f[i].n && f[i].ifid < IKE_MMX_OWN_NUMBERS)
			copy_iface(&new.iface[new.n++], &f[i], x->deal.side_max, &sa->path.local.ip,
				   &has_current);
	if (!has_current)
		add_unnumbered(x, l, &new, &sa->path.local.ip);
	add_classes(&new.classes, own->asked ? own->asked : &l->classes, true);
	add_classes(&new.classes, &l->classes, false);
	return mmx_list_replace(l, &new);
}

void mmx_list_put(const struct ike_sa *sa, struct mmx *x, struct msg_wr *m)
{
	const struct mmx_list *l = &x->list[mmx_we(sa)];
	const struct mmx_classes none = { .n = 0 };

	for (unsigned i = 0; i < l->n; i++) {
		struct mmx_iface f = l->iface[i];

		f.generation = l->generation;
		f.flags |= i + 1u == l->n ? MMX_IFACE_LAST : 0;
		mmx_iface_put_classes(m, &f, i ? &none : &l->classes);
	}
}

/* Another list than what IKE SAs of that connection were told. */
static void changed(struct ike *ike, const char *conn)
{
	hash_for_each (it, tmp, &ike->named, conn_key(conn)) {
		struct ike_sa *sa = hash_entry(it, struct ike_sa, by_conn);

		if (strcmp(sa->conn->c.name, conn) || !sa->mmx || sa->state != IKE_ESTABLISHED ||
		    !mmx_list_renew(sa, sa->mmx))
			continue;
		addrs_queue_along(sa);
		mmx_ike_moved(ike, sa);
		window_run(ike, sa);
	}
	ike_reap(ike);
}

int ike_ifaces_set(struct ike *ike, const char *conn, const struct mmx_iface *ifaces, unsigned n,
		   usec_t now)
{
	struct conn *c = conn_find(ike, conn);
	struct mmx_iface *copy;

	ike->now = now;
	if (!c)
		return -ENOENT;
	if (n > MMX_IFACES_MAX)
		n = MMX_IFACES_MAX;
	copy = calloc(n + 1, sizeof(*copy));
	if (!copy)
		return -ENOMEM;
	if (n)
		memcpy(copy, ifaces, n * sizeof(*copy));
	free(c->tally->ifaces);
	c->tally->ifaces = copy;
	c->tally->n_ifaces = (uint8_t)n;
	changed(ike, conn);
	return 0;
}

int ike_classes_ask(struct ike *ike, const char *conn, const struct mmx_classes *asked, usec_t now)
{
	struct conn *c = conn_find(ike, conn);

	ike->now = now;
	if (!c)
		return -ENOENT;
	if (!c->tally->asked)
		c->tally->asked = calloc(1, sizeof(*c->tally->asked));
	if (!c->tally->asked)
		return -ENOMEM;
	*c->tally->asked = *asked;
	changed(ike, conn);
	return 0;
}

int ike_classes_answer(struct ike *ike, uint64_t line, const struct mmx_classes *answers,
		       usec_t now)
{
	struct ike_sa *sa = line_owner(ike, line);
	struct mmx_list *l, new;

	ike->now = now;
	if (!sa || !sa->mmx)
		return -ENOENT;
	l = &sa->mmx->list[mmx_we(sa)];
	new = *l;
	new.classes.n = new.n_gone = 0;
	add_classes(&new.classes, &l->classes, true);
	add_classes(&new.classes, answers, false);
	if (!mmx_list_replace(l, &new))
		return 0;
	/* before that it goes along with the first list */
	if (sa->state == IKE_ESTABLISHED) {
		addrs_queue(sa);
		window_run(ike, sa);
	}
	ike_sa_touch(sa);
	ike_reap(ike);
	return 1;
}

void ike_mmx_numbers(const struct ike *ike, uint16_t *ret_ifid, uint16_t *ret_epid)
{
	*ret_ifid = *ret_epid = 0;
	list_for_each (it, &ike->sas) {
		const struct ike_sa *sa = list_entry(it, struct ike_sa, node);
		const struct mmx_list *l = sa->mmx ? &sa->mmx->list[mmx_we(sa)] : NULL;

		for (unsigned i = 0; l && i < l->n; i++) {
			if (l->iface[i].ifid < IKE_MMX_OWN_NUMBERS && l->iface[i].ifid > *ret_ifid)
				*ret_ifid = l->iface[i].ifid;
			for (unsigned k = 0; k < l->iface[i].n; k++)
				if (l->iface[i].ep[k].epid < IKE_MMX_OWN_NUMBERS &&
				    l->iface[i].ep[k].epid > *ret_epid)
					*ret_epid = l->iface[i].ep[k].epid;
		}
		for (unsigned i = 0; l && i < l->n_gone; i++) {
			if (l->gone[i].ifid < IKE_MMX_OWN_NUMBERS && l->gone[i].ifid > *ret_ifid)
				*ret_ifid = l->gone[i].ifid;
			if (l->gone[i].ep.epid < IKE_MMX_OWN_NUMBERS &&
			    l->gone[i].ep.epid > *ret_epid)
				*ret_epid = l->gone[i].ep.epid;
		}
	}
}

/* ---- of either ---- */

const struct mmx_classes *ike_classes(const struct ike *ike, uint64_t line, bool of_peer)
{
	const struct ike_sa *sa = line_owner(ike, line);
	const struct mmx *x = sa ? sa->mmx : NULL;

	return x ? &x->list[of_peer ? mmx_peer(sa) : mmx_we(sa)].classes : NULL;
}

const struct mmx_iface *ike_mmx_ifaces(const struct ike *ike, uint64_t line, bool of_peer,
				       unsigned *ret_n, uint32_t *ret_generation)
{
	const struct ike_sa *sa = line_owner(ike, line);
	const struct mmx_list *l;

	if (!sa || !sa->mmx)
		return NULL;
	l = &sa->mmx->list[of_peer ? mmx_peer(sa) : mmx_we(sa)];
	if (!l->known)
		return NULL;
	*ret_n = l->n;
	*ret_generation = l->generation;
	return l->iface;
}

/* The peer's address as we see it may be a NAT's: then it has told which one is in use. */
static uint16_t marked_current(const struct mmx_list *l)
{
	for (unsigned i = 0; i < l->n; i++)
		for (unsigned k = 0; k < l->iface[i].n; k++)
			if (l->iface[i].ep[k].flags & MMX_IFACE_EP_CURRENT)
				return l->iface[i].ep[k].epid;
	return 0;
}

uint16_t mmx_current(const struct ike_sa *sa, const struct mmx *x, enum mmx_owner owner)
{
	const struct mmx_list *l = &x->list[owner];
	bool us = owner == mmx_we(sa);
	uint16_t number = number_of(l, us ? &sa->path.local.ip : &sa->path.remote.ip);

	return number || us ? number : marked_current(l);
}

/* One endpoint of each side is the pair in use; of several the one in use comes first. */
static void follow_pair(const struct ike_sa *sa, struct mmx *x)
{
	struct mmx_binding b = x->ike->b;
	bool same = true;

	for (unsigned owner = MMX_I; owner <= MMX_R; owner++) {
		uint16_t now = mmx_current(sa, x, (enum mmx_owner)owner);
		struct mmx_ends *e = &b.ends[owner];

		if (!now || e->epid[0] == now)
			continue;
		same = false;
		for (unsigned i = 1; i < e->n; i++)
			if (e->epid[i] == now)
				e->epid[i] = e->epid[0];
		e->epid[0] = now;
	}
	if (!same) /* it has one reference, so it stays the same object */
		mmx_shared_change(&x->table, x->ike, 1, &b, NULL);
}

void mmx_ike_moved(struct ike *ike, struct ike_sa *sa)
{
	if (!sa->mmx || sa->mmx->moving)
		return;
	follow_pair(sa, sa->mmx);
	mmx_publish(ike, sa);
}

void mmx_send_elsewhere(struct ike *ike, struct ike_sa *sa, struct task *t)
{
	uint32_t paths[MMX_PATHS_MAX];
	struct mmx *x = sa->mmx;
	struct mmx_lists l;
	struct ike_path to;
	unsigned n;

	if (!x)
		return;
	l = mmx_lists_of(x);
	n = mmx_binding_paths(&x->ike->b, &l, paths);
	/* the first one is the pair in use */
	if (n > 1 && mmx_path_addrs(sa, x, paths[1 + t->tries % (n - 1)], &to))
		window_send_via(ike, sa, t, &to);
}

void mmx_list_taken(struct ike *ike, struct ike_sa *sa, uint32_t generation_before)
{
	const struct mmx_list *l = &sa->mmx->list[mmx_peer(sa)];

	if (!l->known || l->generation == generation_before)
		return;
	follow_pair(sa, sa->mmx);
	ike_sa_touch(sa);
	out_event(ike, sa, IKE_EV_MMX_PEER_IFACES, 0, 0, "the peer has %u interface%s", l->n,
		  l->n == 1 ? "" : "s");
	out_event(ike, sa, IKE_EV_PEER_ADDRS, 0, 0, "the peer has other addresses");
}

unsigned mmx_peer_addrs(const struct ike_sa *sa, struct addr ret_addrs[IKE_PEER_ADDRS_MAX])
{
	const struct mmx_list *l = &sa->mmx->list[mmx_peer(sa)];
	unsigned n = 1;

	ret_addrs[0] = sa->path.remote.ip;
	for (unsigned i = 0; i < l->n; i++) {
		const struct mmx_iface *f = &l->iface[i];

		for (unsigned k = 0; f->flags & MMX_IFACE_UP && k < f->n; k++)
			if (n < IKE_PEER_ADDRS_MAX && !(f->ep[k].flags & MMX_IFACE_EP_LOCAL) &&
			    !addr_equal(&f->ep[k].addr, &ret_addrs[0]))
				ret_addrs[n++] = f->ep[k].addr;
	}
	return n;
}
