/* SPDX-License-Identifier: GPL-2.0-only */
/* MMX_OUTER: which endpoints a new Child SA is bound to (MMX 5), in IKE_AUTH and CREATE_CHILD_SA.
 *
 *   SK{ ..., SA, TSi, TSr, N(MMX_OUTER) }  -->   <--  SK{ ..., SA, TSi, TSr, N(MMX_OUTER) }
 *
 * The request names endpoints of who sends it, and those of the other side or none; the answer is
 * what is left of both. Without one in the answer the SA follows the IKE SA, or has what the SA had
 * that it replaces.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "mmx.h"

static bool agreed(const struct mmx *x)
{
	return x && x->deal.caps & MMX_CAP_OUTER;
}

static enum mmx_owner other(enum mmx_owner owner)
{
	return owner == MMX_I ? MMX_R : MMX_I;
}

static bool listed(const uint16_t *epids, unsigned n, uint16_t epid)
{
	for (unsigned i = 0; i < n; i++)
		if (epids[i] == epid)
			return true;
	return false;
}

static void add(struct mmx_ends *e, uint16_t epid)
{
	if (e->n < MMX_SIDE_MAX && !listed(e->epid, e->n, epid))
		e->epid[e->n++] = epid;
}

static void put_ep(struct mmx_tlvs *t, uint8_t side, uint16_t epid, const struct addr *literal)
{
	struct mmx_tlv *tlv = mmx_add(t, MMX_TLV_EP);

	if (!tlv)
		return;
	tlv->ep = (struct mmx_ep){ .role = MMX_ROLE_NEW, .side = side, .epid = epid };
	if (literal)
		tlv->ep.addr = *literal;
}

/* ---- what is agreed on ---- */

static struct mmx_binding binding_of(const struct mmx_outer_deal *d)
{
	struct mmx_binding b = { .own = true, .no_boot = d->flags & MMX_OUTER_NO_BOOT };

	for (unsigned owner = MMX_I; owner <= MMX_R; owner++) {
		const struct mmx_ends *e = &d->ends[owner];

		b.ends[owner] = *e;
		if (d->mode != MMX_OUTER_SIMULTANEOUS)
			b.ends[owner].n = 1;
		for (unsigned i = 1; d->mode == MMX_OUTER_ALTERNATES && i < e->n; i++)
			b.alts[b.n_alts++] = (struct mmx_alt){ .owner = (uint8_t)owner,
							       .of = e->epid[0],
							       .epid = e->epid[i] };
	}
	return b;
}

static bool has_path(const struct mmx *x, const struct mmx_binding *b)
{
	const struct mmx_lists l = mmx_lists_of(x);
	uint32_t paths[MMX_PATHS_MAX];

	return mmx_binding_paths(b, &l, paths);
}

/* Whether the other side receives where it is to be sent to. */
static void find_out(struct ike_sa *sa, const struct mmx_binding *b)
{
	mmx_routability(sa->ike, sa, sa->mmx, b, &(struct mmx_rr){ .from = 0 });
}

struct mmx_wish *mmx_wish_new(const struct ike_outer_wish *w)
{
	struct mmx_wish *wish = calloc(1, sizeof(*wish));

	if (!wish)
		return NULL;
	wish->w = *w;
	wish->w.n_own = w->n_own > MMX_SIDE_MAX ? MMX_SIDE_MAX : w->n_own;
	wish->w.n_peer = w->n_peer > MMX_SIDE_MAX ? MMX_SIDE_MAX : w->n_peer;
	return wish;
}

void mmx_outer_drop(struct ike_sa *sa, struct mmx_shared *s)
{
	if (sa->mmx)
		mmx_shared_put(&sa->mmx->table, s, 1);
}

void mmx_outer_undo(struct ike_sa *sa, struct mmx_outer_deal *d, struct mmx_shared **s)
{
	mmx_outer_drop(sa, *s);
	*s = NULL;
	d->ends[MMX_I].n = d->ends[MMX_R].n = 0;
}

/* ---- requester ---- */

static const struct mmx_iface_ep *own_ep(const struct tally *own, uint16_t epid,
					 const struct addr *a_or_null)
{
	for (unsigned i = 0; i < own->n_ifaces; i++)
		for (unsigned k = 0; k < own->ifaces[i].n; k++) {
			const struct mmx_iface_ep *ep = &own->ifaces[i].ep[k];

			if (a_or_null ? addr_equal(&ep->addr, a_or_null) : ep->epid == epid)
				return ep;
		}
	return NULL;
}

/* Nothing was announced yet, so that the addresses stand beside the numbers. An address that has
 * none here gets the one by which the list tells of it. */
static void ask_first(const struct ike_sa *sa, struct mmx_wish *w, struct mmx_outer *o)
{
	const struct tally *own = sa->conn->tally;

	for (unsigned i = 0; i < w->w.n_own; i++) {
		const struct mmx_iface_ep *ep = own_ep(own, w->w.own[i], NULL);

		if (!ep)
			continue;
		put_ep(&o->tlvs, 0, ep->epid, &ep->addr);
		add(&w->asked, ep->epid);
	}
	if (!w->asked.n) {
		const struct addr *a = &sa->path.local.ip;
		const struct mmx_iface_ep *ep = own_ep(own, 0, a);

		add(&w->asked, ep ? ep->epid : IKE_MMX_OWN_NUMBERS);
		put_ep(&o->tlvs, 0, w->asked.epid[0], a);
	}
}

static void ask(const struct ike_sa *sa, struct mmx_wish *w, struct mmx_outer *o)
{
	for (unsigned i = 0; i < w->w.n_own; i++)
		add(&w->asked, w->w.own[i]);
	if (!w->asked.n && mmx_current(sa, sa->mmx, mmx_we(sa)))
		add(&w->asked, mmx_current(sa, sa->mmx, mmx_we(sa)));
	for (unsigned i = 0; i < w->asked.n; i++)
		put_ep(&o->tlvs, 0, w->asked.epid[i], NULL);
	for (unsigned i = 0; i < w->w.n_peer; i++)
		put_ep(&o->tlvs, 1, w->w.peer[i], NULL);
}

void mmx_outer_ask(struct ike_sa *sa, struct task *t, struct msg_wr *m)
{
	struct mmx_wish *w = t->wish;
	struct mmx_outer o = { .mode = 0 };
	bool first = t->kind == TASK_IKE_AUTH;

	if (!w || !(first ? mmx_wanted(sa) : agreed(sa->mmx)))
		return;
	o.mode = w->w.mode;
	o.flags = (w->w.strict ? MMX_OUTER_STRICT : 0) | (w->w.no_boot ? MMX_OUTER_NO_BOOT : 0);
	w->asked.n = 0;
	if (first)
		ask_first(sa, w, &o);
	else
		ask(sa, w, &o);
	if (sa->mmx)
		mmx_tokens_add(sa, sa->mmx, &o.tlvs);
	mmx_outer_put(m, false, &o);
}

/* "mode may be reduced 2 -> 3 -> 1" */
static bool may_become(uint8_t asked, uint8_t mode)
{
	return mode == asked || mode == MMX_OUTER_SINGLE ||
	       (asked == MMX_OUTER_SIMULTANEOUS && mode == MMX_OUTER_ALTERNATES);
}

/* Only what we asked for, and of the peer's, if we left the choice to it, what it has. */
static bool take_answer(const struct ike_sa *sa, const struct mmx_wish *w,
			const struct mmx_outer *o, struct mmx_outer_deal *d)
{
	const struct mmx_list *theirs = &sa->mmx->list[mmx_peer(sa)];

	d->mode = o->mode;
	d->flags = o->flags & ~MMX_OUTER_NO_BOOT;
	d->flags |= w->w.no_boot ? MMX_OUTER_NO_BOOT : 0;
	for (const struct mmx_ep *ep = NULL; (ep = mmx_next_ep(&o->tlvs, MMX_ROLE_NEW, ep));) {
		bool fits = ep->side == 0 ? listed(w->asked.epid, w->asked.n, ep->epid)
			    : w->w.n_peer ? listed(w->w.peer, w->w.n_peer, ep->epid)
					  : mmx_list_ep(theirs, ep->epid, NULL) != NULL;

		if (!fits || ep->flags & MMX_EP_IFID)
			return false;
		add(&d->ends[ep->side == 0 ? mmx_we(sa) : mmx_peer(sa)], ep->epid);
	}
	return may_become(w->w.mode, d->mode);
}

static void log_not_applied(const struct ike_sa *sa, const struct ike_msg *in)
{
	const struct notify *n = msg_notify(in, N_MMX_RESULT);
	struct mmx_result r = { .id = 1 };
	bool told = n && mmx_result_get(n, &r) == MMX_OK && !r.id;

	log_ike(sa, LOG_INFO_, "endpoints asked for a Child SA are not taken (%s)",
		told ? mmx_status_name(r.status) : "no reason given");
}

bool mmx_outer_answered(struct ike_sa *sa, const struct task *t, const struct ike_msg *in,
			struct mmx_shared **ret)
{
	const struct notify *n = msg_notify(in, N_MMX_OUTER);
	struct mmx_outer_deal d = { .mode = 0 };
	struct mmx_binding b;
	struct mmx_outer o;

	*ret = NULL;
	if (!t->wish || !t->wish->asked.n || !n || !agreed(sa->mmx)) {
		if (t->wish && sa->mmx)
			log_not_applied(sa, in);
		return !t->wish || !t->wish->w.strict;
	}
	if (mmx_outer_get(n, true, &o) != MMX_OK || !take_answer(sa, t->wish, &o, &d))
		return false;
	b = binding_of(&d);
	if (!has_path(sa->mmx, &b))
		return false;
	*ret = mmx_shared_get(&sa->mmx->table, &b);
	if (*ret)
		find_out(sa, &b);
	return *ret;
}

/* ---- responder ---- */

bool mmx_outer_asked(const struct ike_sa *sa, const struct ike_msg *in)
{
	return agreed(sa->mmx) && msg_notify(in, N_MMX_OUTER);
}

/* Of the requester's: a number of its list, or one that it tells of here. */
static enum mmx_status take_theirs(const struct ike_sa *sa, struct mmx *x, const struct mmx_ep *ep,
				   struct mmx_ends *e)
{
	struct mmx_list *theirs = &x->list[mmx_peer(sa)];
	uint16_t epid = ep->epid ? ep->epid : mmx_current(sa, x, mmx_peer(sa));
	enum mmx_status status = mmx_list_check(theirs, ep);

	if (status == MMX_OK)
		status = mmx_address_check(ep, &x->list[mmx_we(sa)]);
	if (status != MMX_OK)
		return status;
	if (ep->addr.family && !mmx_list_ep(theirs, ep->epid, NULL) && !mmx_list_define(theirs, ep))
		return MMX_TOO_MANY;
	if (!epid)
		return MMX_UNKNOWN_ADDRESS;
	add(e, epid);
	return MMX_OK;
}

/* Of ours: what is announced and up; as a backup only where there is another one. */
static enum mmx_status take_ours(const struct ike_sa *sa, struct mmx *x, const struct mmx_ep *ep,
				 uint8_t mode, struct mmx_ends *e)
{
	const struct mmx_list *ours = &x->list[mmx_we(sa)];
	uint16_t epid = ep->epid ? ep->epid : mmx_current(sa, x, mmx_we(sa));
	enum mmx_status status = mmx_list_check(ours, ep);
	const struct mmx_iface *f;

	if (status != MMX_OK)
		return status;
	if (!mmx_list_ep(ours, epid, &f))
		return MMX_UNKNOWN_ADDRESS;
	if (!(f->flags & MMX_IFACE_UP) ||
	    (f->flags & MMX_IFACE_BACKUP && (mode != MMX_OUTER_ALTERNATES || !e->n)))
		return MMX_LOCAL_POLICY;
	add(e, epid);
	return MMX_OK;
}

/* Those of an interface, or the one. */
static enum mmx_status take_one(const struct ike_sa *sa, struct mmx *x, const struct mmx_ep *ep,
				uint8_t mode, struct mmx_outer_deal *d)
{
	enum mmx_owner owner = ep->side == 0 ? mmx_peer(sa) : mmx_we(sa);
	enum mmx_status status = MMX_UNKNOWN_ADDRESS;
	uint16_t epids[MMX_SIDE_MAX] = { ep->epid };
	struct mmx_ep one = *ep;
	unsigned n = 1;

	if (ep->flags & MMX_EP_IFID)
		n = mmx_list_iface(&x->list[owner], ep->epid)
			    ? mmx_list_eps_of(&x->list[owner], ep->epid, epids)
			    : 0;
	one.flags &= ~MMX_EP_IFID;
	for (unsigned i = 0; i < n; i++) {
		enum mmx_status s;

		one.epid = epids[i];
		s = owner == mmx_we(sa) ? take_ours(sa, x, &one, mode, &d->ends[owner])
					: take_theirs(sa, x, &one, &d->ends[owner]);
		status = s == MMX_OK || status == MMX_UNKNOWN_ADDRESS ? s : status;
	}
	return status;
}

/* The other side leaves it to us: where IKE runs, or else what we like most, for each of its
 * address families. */
static void choose(const struct ike_sa *sa, const struct mmx *x, struct mmx_outer_deal *d)
{
	const struct mmx_list *ours = &x->list[mmx_we(sa)];
	struct mmx_ends *theirs = &d->ends[mmx_peer(sa)], *e = &d->ends[mmx_we(sa)];
	uint16_t current = mmx_current(sa, x, mmx_we(sa)), best[MMX_ALTS_MAX];

	for (unsigned i = 0; i < theirs->n; i++) {
		const struct mmx_iface_ep *ep =
			mmx_list_ep(&x->list[mmx_peer(sa)], theirs->epid[i], NULL);
		const struct mmx_iface_ep *c = mmx_list_ep(ours, current, NULL);

		if (!ep)
			continue;
		if (c && c->addr.family == ep->addr.family)
			add(e, current);
		else if (mmx_list_alternates(ours, 0, 1u << ep->addr.family, best))
			add(e, best[0]);
	}
}

static unsigned family_of(const struct mmx *x, enum mmx_owner owner, uint16_t epid)
{
	const struct mmx_iface_ep *ep = mmx_list_ep(&x->list[owner], epid, NULL);

	return ep ? 1u << ep->addr.family : 0;
}

static unsigned families_of(const struct mmx *x, const struct mmx_outer_deal *d,
			    enum mmx_owner owner)
{
	unsigned all = 0;

	for (unsigned i = 0; i < d->ends[owner].n; i++)
		all |= family_of(x, owner, d->ends[owner].epid[i]);
	return all;
}

/* What has nothing to pair with on the other side goes. */
static bool pair_up(const struct mmx *x, struct mmx_outer_deal *d)
{
	unsigned both = families_of(x, d, MMX_I) & families_of(x, d, MMX_R);

	for (unsigned owner = MMX_I; owner <= MMX_R; owner++) {
		struct mmx_ends *e = &d->ends[owner], had = *e;

		e->n = 0;
		for (unsigned i = 0; i < had.n; i++)
			if (family_of(x, (enum mmx_owner)owner, had.epid[i]) & both)
				add(e, had.epid[i]);
	}
	return both;
}

/* The first of the requester's is the current one, and with it the first that it can be paired
 * with. */
static void first_pair(const struct mmx *x, struct mmx_outer_deal *d, enum mmx_owner requester)
{
	struct mmx_ends *e = &d->ends[other(requester)], had = *e;
	unsigned family = family_of(x, requester, d->ends[requester].epid[0]);

	e->n = 0;
	for (unsigned i = 0; i < had.n && !e->n; i++)
		if (family_of(x, other(requester), had.epid[i]) & family)
			add(e, had.epid[i]);
	for (unsigned i = 0; i < had.n; i++)
		add(e, had.epid[i]);
	if (d->mode == MMX_OUTER_SINGLE)
		d->ends[MMX_I].n = d->ends[MMX_R].n = 1;
}

static void none_of(struct mmx_outer_deal *d, enum mmx_status status)
{
	d->ends[MMX_I].n = d->ends[MMX_R].n = 0;
	d->status = status;
}

static void narrow(struct ike_sa *sa, const struct mmx_outer *o, struct mmx_outer_deal *d)
{
	enum mmx_status first = MMX_OK;
	struct mmx *x = sa->mmx;
	bool ours_named = false;

	d->mode = o->mode;
	if (d->mode == MMX_OUTER_ALTERNATES && !(x->deal.caps & MMX_CAP_ALT))
		d->mode = MMX_OUTER_SINGLE;
	for (const struct mmx_ep *ep = NULL; (ep = mmx_next_ep(&o->tlvs, MMX_ROLE_NEW, ep));) {
		enum mmx_status status = take_one(sa, x, ep, d->mode, d);

		ours_named |= ep->side == 1;
		if (first == MMX_OK)
			first = status;
	}
	if (!ours_named)
		choose(sa, x, d);
	if (!d->ends[MMX_I].n || !d->ends[MMX_R].n)
		none_of(d, first != MMX_OK ? first : MMX_FAMILY);
	else if (!pair_up(x, d))
		none_of(d, MMX_FAMILY);
	else if (d->mode != MMX_OUTER_SIMULTANEOUS)
		first_pair(x, d, mmx_peer(sa));
}

static bool is_strict(const struct notify *n)
{
	return n->data.len > 1 && n->data.p[1] & MMX_OUTER_STRICT;
}

uint16_t mmx_outer_request(struct ike_sa *sa, const struct ike_msg *in, struct mmx_outer_deal *d,
			   struct mmx_shared **ret)
{
	const struct notify *n = msg_notify(in, N_MMX_OUTER);
	struct mmx_binding b;
	struct mmx_outer o;

	*ret = NULL;
	if (!mmx_outer_asked(sa, in))
		return 0;
	mmx_list_renew(sa, sa->mmx); /* in IKE_AUTH it was not told yet */
	d->status = mmx_outer_get(n, false, &o);
	if (d->status == MMX_OK) {
		d->flags = o.flags;
		narrow(sa, &o, d);
	}
	if (d->status == MMX_OK) {
		b = binding_of(d);
		*ret = mmx_shared_get(&sa->mmx->table, &b);
		if (!*ret)
			none_of(d, MMX_BUSY);
		mmx_tokens_take(sa->ike, sa, sa->mmx, &o.tlvs);
		find_out(sa, &b);
	}
	if (*ret)
		return 0;
	log_ike(sa, LOG_INFO_, "endpoints asked for a Child SA are not taken: %s",
		mmx_status_name(d->status));
	return is_strict(n) ? N_NO_PROPOSAL_CHOSEN : 0;
}

void mmx_outer_reply(const struct ike_sa *sa, const struct mmx_outer_deal *d, struct msg_wr *m)
{
	struct mmx_outer o = { .mode = d->mode, .flags = d->flags };
	enum mmx_owner requester = mmx_peer(sa);

	if (d->status != MMX_OK) {
		struct mmx_result r = { .status = (uint16_t)d->status };

		if (d->status == MMX_TOO_MANY)
			mmx_add(&r.tlvs, MMX_TLV_LIMIT)->limit =
				(struct mmx_limit){ MMX_LIMIT_SIDE, sa->mmx->announced.side_max };
		mmx_result_put(m, &r);
		return;
	}
	if (!d->ends[requester].n)
		return;
	for (unsigned i = 0; i < d->ends[requester].n; i++)
		put_ep(&o.tlvs, 0, d->ends[requester].epid[i], NULL);
	for (unsigned i = 0; i < d->ends[other(requester)].n; i++)
		put_ep(&o.tlvs, 1, d->ends[other(requester)].epid[i], NULL);
	mmx_outer_put(m, true, &o);
}
