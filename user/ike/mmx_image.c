/* SPDX-License-Identifier: GPL-2.0-only */
/* MMX in the image of an IKE SA, for a restarted agent: see export.c.
 *
 * Bindings keep their numbers, by which the data plane knows them. What is asked of the peer is
 * kept as it was sent, for its answer says what the SAs are bound to. Tokens and probes are not:
 * what they would have shown is asked for again.
 */
#include <stdlib.h>
#include <string.h>

#include "child_sa.h"
#include "image.h"
#include "mmx.h"

/* Of our own actions in one request. */
enum { ASK_OCTETS_MAX = IKE_MSG_MAX };

/* ---- lists ---- */

static void put_ep(struct wr *w, const struct mmx_iface_ep *ep)
{
	wr_u16(w, ep->epid);
	wr_u8(w, ep->flags);
	put_addr(w, &ep->addr);
}

static void get_ep(struct rd *r, struct mmx_iface_ep *ep)
{
	ep->epid = rd_u16(r);
	ep->flags = rd_u8(r);
	get_addr(r, &ep->addr);
}

static void put_iface(struct wr *w, const struct mmx_iface *f)
{
	wr_u32(w, f->generation);
	wr_u16(w, f->ifid);
	wr_u8(w, f->preference);
	wr_u8(w, f->flags);
	wr_u8(w, f->link);
	wr_u16(w, f->mtu);
	wr_u8(w, f->n);
	for (unsigned k = 0; k < f->n; k++)
		put_ep(w, &f->ep[k]);
	wr_u32(w, f->attrs);
	for (unsigned k = 0; k <= MMX_ATTR_RTT; k++)
		wr_u32(w, f->attr[k]);
}

static void get_iface(struct rd *r, struct mmx_iface *f)
{
	f->generation = rd_u32(r);
	f->ifid = rd_u16(r);
	f->preference = rd_u8(r);
	f->flags = rd_u8(r);
	f->link = rd_u8(r);
	f->mtu = rd_u16(r);
	f->n = rd_u8(r);
	if (f->n > MMX_SIDE_MAX)
		r->err = -EBADMSG;
	for (unsigned k = 0; k < f->n && !r->err; k++)
		get_ep(r, &f->ep[k]);
	f->attrs = rd_u32(r);
	for (unsigned k = 0; k <= MMX_ATTR_RTT; k++)
		f->attr[k] = rd_u32(r);
}

static void put_classes(struct wr *w, const struct mmx_classes *s)
{
	wr_u8(w, s->n);
	for (unsigned i = 0; i < s->n; i++) {
		const struct mmx_class *k = &s->s[i];

		wr_u8(w, k->state);
		wr_u8(w, k->mode);
		wr_u8(w, k->copies);
		wr_u8(w, k->n_prefer);
		for (unsigned j = 0; j < k->n_prefer; j++)
			wr_u16(w, k->prefer[j]);
		wr_bytes(w, k->name, sizeof(k->name));
	}
}

static void get_classes(struct rd *r, struct mmx_classes *s)
{
	s->n = rd_u8(r);
	if (s->n > MMX_CLASSES_MAX)
		r->err = -EBADMSG;
	for (unsigned i = 0; i < s->n && !r->err; i++) {
		struct mmx_class *k = &s->s[i];

		k->state = rd_u8(r);
		k->mode = rd_u8(r);
		k->copies = rd_u8(r);
		k->n_prefer = rd_u8(r);
		if (k->n_prefer > MMX_PREFER_MAX)
			r->err = -EBADMSG;
		for (unsigned j = 0; j < k->n_prefer && !r->err; j++)
			k->prefer[j] = rd_u16(r);
		rd_copy(r, k->name, sizeof(k->name));
		k->name[sizeof(k->name) - 1] = '\0';
	}
}

static void put_list(struct wr *w, const struct mmx_list *l)
{
	wr_u8(w, l->known);
	wr_u32(w, l->generation);
	wr_u8(w, l->n);
	for (unsigned i = 0; i < l->n; i++)
		put_iface(w, &l->iface[i]);
	put_classes(w, &l->classes);
	wr_u8(w, l->n_gone);
	for (unsigned i = 0; i < l->n_gone; i++) {
		wr_u16(w, l->gone[i].ifid);
		put_ep(w, &l->gone[i].ep);
	}
}

static void get_list(struct rd *r, struct mmx_list *l)
{
	l->known = rd_u8(r);
	l->generation = rd_u32(r);
	l->n = rd_u8(r);
	if (l->n > MMX_IFACES_MAX)
		r->err = -EBADMSG;
	for (unsigned i = 0; i < l->n && !r->err; i++)
		get_iface(r, &l->iface[i]);
	get_classes(r, &l->classes);
	l->n_gone = rd_u8(r);
	if (l->n_gone > MMX_GONE_MAX)
		r->err = -EBADMSG;
	for (unsigned i = 0; i < l->n_gone && !r->err; i++) {
		l->gone[i].ifid = rd_u16(r);
		get_ep(r, &l->gone[i].ep);
	}
}

/* ---- what was agreed on ---- */

static void put_deal(struct wr *w, const struct mmx *x)
{
	wr_u8(w, x->deal.major);
	wr_u32(w, x->deal.caps);
	wr_u8(w, x->deal.ifaces_max);
	wr_u8(w, x->deal.side_max);
	wr_u8(w, x->deal.alts_max);
	wr_u8(w, x->deal.actions_max);
	wr_u16(w, x->deal.derived_max);
	wr_u8(w, x->deal.window);
	wr_u8(w, x->announced.major);
	wr_u32(w, x->announced.caps);
	wr_u8(w, x->announced.ifaces_max);
	wr_u8(w, x->announced.side_max);
	wr_u8(w, x->announced.alts_max);
	wr_u8(w, x->announced.actions_max);
	wr_u16(w, x->announced.derived_max);
	wr_u8(w, x->announced.window);
}

static void get_deal(struct rd *r, struct mmx_deal *d, struct mmx_supported *s)
{
	d->major = rd_u8(r);
	d->caps = rd_u32(r);
	d->ifaces_max = rd_u8(r);
	d->side_max = rd_u8(r);
	d->alts_max = rd_u8(r);
	d->actions_max = rd_u8(r);
	d->derived_max = rd_u16(r);
	d->window = rd_u8(r);
	s->major = rd_u8(r);
	s->caps = rd_u32(r);
	s->ifaces_max = rd_u8(r);
	s->side_max = rd_u8(r);
	s->alts_max = rd_u8(r);
	s->actions_max = rd_u8(r);
	s->derived_max = rd_u16(r);
	s->window = rd_u8(r);
	if (s->ifaces_max > MMX_IFACES_MAX || s->side_max > MMX_SIDE_MAX)
		r->err = -EBADMSG;
}

/* ---- bindings ---- */

static void put_binding(struct wr *w, const struct mmx_shared *s)
{
	const struct mmx_binding *b = &s->b;

	wr_u32(w, s->id);
	wr_u8(w, s->told != 0);
	wr_u32(w, s->was);
	wr_u8(w, s->was_dead);
	wr_u8(w, b->own);
	wr_u8(w, b->no_boot);
	wr_u8(w, b->ike);
	for (unsigned o = MMX_I; o <= MMX_R; o++) {
		wr_u8(w, b->ends[o].n);
		for (unsigned i = 0; i < b->ends[o].n; i++)
			wr_u16(w, b->ends[o].epid[i]);
	}
	wr_u8(w, b->n_alts);
	for (unsigned i = 0; i < b->n_alts; i++) {
		wr_u8(w, b->alts[i].owner);
		wr_u16(w, b->alts[i].of);
		wr_u16(w, b->alts[i].epid);
		wr_u16(w, b->alts[i].port);
		put_addr(w, &b->alts[i].addr);
	}
}

static void get_alts(struct rd *r, struct mmx_binding *b)
{
	b->n_alts = rd_u8(r);
	if (b->n_alts > MMX_ALTS_STORED)
		r->err = -EBADMSG;
	for (unsigned i = 0; i < b->n_alts && !r->err; i++) {
		b->alts[i].owner = rd_u8(r);
		b->alts[i].of = rd_u16(r);
		b->alts[i].epid = rd_u16(r);
		b->alts[i].port = rd_u16(r);
		get_addr(r, &b->alts[i].addr);
		if (b->alts[i].owner > MMX_R)
			r->err = -EBADMSG;
	}
}

/* Without a reference yet. */
static void get_binding(struct rd *r, struct mmx *x)
{
	struct mmx_binding b = { .own = false };
	uint32_t id = rd_u32(r);
	bool told = rd_u8(r);
	uint32_t was = rd_u32(r);
	bool was_dead = rd_u8(r);
	struct mmx_shared *s;

	b.own = rd_u8(r);
	b.no_boot = rd_u8(r);
	b.ike = rd_u8(r);
	for (unsigned o = MMX_I; o <= MMX_R; o++) {
		b.ends[o].n = rd_u8(r);
		if (b.ends[o].n > MMX_SIDE_MAX || (b.own && !b.ends[o].n))
			r->err = -EBADMSG;
		for (unsigned i = 0; i < b.ends[o].n && !r->err; i++)
			b.ends[o].epid[i] = rd_u16(r);
	}
	get_alts(r, &b);
	if (r->err || !id) {
		r->err = r->err ? r->err : -EBADMSG;
		return;
	}
	s = mmx_shared_restore(&x->table, id, &b);
	if (!s) {
		r->err = -ENOMEM;
		return;
	}
	s->told = told;
	s->was = was;
	s->was_dead = was_dead;
}

static struct mmx_shared *ref(struct rd *r, struct mmx *x, uint32_t id)
{
	list_for_each (it, &x->table.all) {
		struct mmx_shared *s = list_entry(it, struct mmx_shared, in);

		if (s->id == id) {
			s->refs++;
			return s;
		}
	}
	r->err = -EBADMSG;
	return NULL;
}

static void put_bindings(struct wr *w, const struct mmx *x)
{
	uint16_t n = 0;

	list_for_each (it, &x->table.all)
		n++;
	wr_u16(w, n);
	list_for_each (it, &x->table.all)
		put_binding(w, list_entry(it, struct mmx_shared, in));
	wr_u32(w, x->table.last_id);
	wr_u32(w, x->ike->id);
	wr_u32(w, x->inherited->id);
}

static void get_bindings(struct rd *r, struct mmx *x)
{
	uint16_t n = rd_u16(r);

	for (unsigned i = 0; i < n && !r->err; i++)
		get_binding(r, x);
	x->table.last_id = rd_u32(r);
	x->ike = ref(r, x, rd_u32(r));
	x->inherited = ref(r, x, rd_u32(r));
	if (!r->err && (!x->ike->b.ike || !x->ike->b.own || x->inherited->b.own))
		r->err = -EBADMSG;
}

/* ---- paths ---- */

static void put_paths(struct wr *w, const struct mmx_paths *t, usec_t now)
{
	wr_u8(w, (uint8_t)t->n);
	for (unsigned i = 0; i < t->n; i++) {
		const struct mmx_path_seen *p = &t->p[i];

		wr_u32(w, p->path);
		put_udp(w, &p->peer);
		put_udp(w, &p->own);
		put_udp(w, &p->seen);
		wr_u8(w, p->nat);
		wr_u8(w, p->nat_own);
		wr_u8(w, p->keep);
		wr_u8(w, (uint8_t)(p->dead | p->shown << 1));
		wr_u64(w, now - p->at);
		wr_u64(w, now - p->sent);
		wr_u64(w, p->verified > now ? p->verified - now : 0);
	}
}

static void get_paths(struct rd *r, struct mmx_paths *t, usec_t then)
{
	t->n = rd_u8(r);
	if (t->n > MMX_PATHS_KEPT)
		r->err = -EBADMSG;
	for (unsigned i = 0; i < t->n && !r->err; i++) {
		struct mmx_path_seen *p = &t->p[i];
		usec_t left;
		uint8_t how;

		p->path = rd_u32(r);
		get_udp(r, &p->peer);
		get_udp(r, &p->own);
		get_udp(r, &p->seen);
		p->nat = rd_u8(r);
		p->nat_own = rd_u8(r);
		p->keep = rd_u8(r);
		how = rd_u8(r);
		p->dead = how & 1;
		p->shown = how & 2;
		p->retry = then;
		p->at = then - rd_u64(r);
		p->sent = then - rd_u64(r);
		left = rd_u64(r);
		if (left > MMX_RR_LIFE_SEC * USEC_PER_SEC)
			r->err = -EBADMSG;
		p->verified = left ? then + left : 0;
	}
}

/* ---- the line's ---- */

static void put_moved(struct wr *w, const struct mmx *x)
{
	wr_u8(w, x->n_moved);
	for (unsigned i = 0; i < x->n_moved; i++) {
		wr_u16(w, x->moved[i].id);
		wr_u16(w, x->moved[i].ends.old);
		wr_u16(w, x->moved[i].ends.new);
	}
}

static void get_moved(struct rd *r, struct mmx *x)
{
	x->n_moved = rd_u8(r);
	if (x->n_moved > MMX_MOVED_KEPT)
		r->err = -EBADMSG;
	for (unsigned i = 0; i < x->n_moved && !r->err; i++) {
		x->moved[i].id = rd_u16(r);
		x->moved[i].ends.old = rd_u16(r);
		x->moved[i].ends.new = rd_u16(r);
	}
}

void put_mmx(struct wr *w, const struct ike_sa *sa, usec_t now)
{
	const struct mmx *x = sa->mmx;

	wr_u8(w, x != NULL);
	if (!x)
		return;
	put_deal(w, x);
	put_list(w, &x->list[MMX_I]);
	put_list(w, &x->list[MMX_R]);
	wr_u16(w, x->next_own);
	wr_u16(w, x->next_action);
	put_bindings(w, x);
	put_paths(w, &x->paths, now);
	put_moved(w, x);
}

void get_mmx(struct rd *r, struct ike_sa *sa, usec_t then)
{
	struct mmx_supported announced = { .major = 0 };
	struct mmx_deal deal = { .major = 0 };
	struct mmx *x;

	if (!rd_u8(r))
		return;
	get_deal(r, &deal, &announced);
	if (r->err)
		return;
	x = sa->mmx = mmx_empty();
	if (!x) {
		r->err = -ENOMEM;
		return;
	}
	x->deal = deal;
	x->announced = announced;
	get_list(r, &x->list[MMX_I]);
	get_list(r, &x->list[MMX_R]);
	x->next_own = rd_u16(r);
	x->next_action = rd_u16(r);
	get_bindings(r, x);
	get_paths(r, &x->paths, then);
	get_moved(r, x);
	if (!sa->mobike)
		r->err = -EBADMSG;
}

/* ---- Child SAs ---- */

void put_mmx_child(struct wr *w, const struct child_sa *c)
{
	wr_u32(w, c->binding ? c->binding->id : 0);
	wr_u32(w, c->told_binding);
	wr_u32(w, c->successor);
	wr_u32(w, c->replaced_out);
}

void get_mmx_child(struct rd *r, struct child_sa *c)
{
	uint32_t id = rd_u32(r);
	struct mmx *x = c->sa->mmx;

	if (!id != !x)
		r->err = -EBADMSG;
	if (x && !r->err)
		c->binding = ref(r, x, id);
	if (c->binding)
		x->n_transport += c->mode == CHILD_TRANSPORT;
	c->told_binding = rd_u32(r);
	c->successor = rd_u32(r);
	c->replaced_out = rd_u32(r);
}

/* ---- tasks ---- */

static void put_wish(struct wr *w, const struct mmx_wish *wish)
{
	wr_u8(w, wish != NULL);
	if (!wish)
		return;
	wr_u8(w, wish->w.mode);
	wr_u8(w, wish->w.strict);
	wr_u8(w, wish->w.no_boot);
	wr_u8(w, wish->w.n_own);
	wr_u8(w, wish->w.n_peer);
	wr_u8(w, wish->w.inner);
	wr_u8(w, wish->asked.n);
	for (unsigned i = 0; i < MMX_SIDE_MAX; i++) {
		wr_u16(w, wish->w.own[i]);
		wr_u16(w, wish->w.peer[i]);
		wr_u16(w, wish->asked.epid[i]);
	}
}

static void get_wish(struct rd *r, struct task *t)
{
	struct mmx_wish *wish;

	if (!rd_u8(r))
		return;
	wish = t->wish = calloc(1, sizeof(*wish));
	if (!wish) {
		r->err = -ENOMEM;
		return;
	}
	wish->w.mode = rd_u8(r);
	wish->w.strict = rd_u8(r);
	wish->w.no_boot = rd_u8(r);
	wish->w.n_own = rd_u8(r);
	wish->w.n_peer = rd_u8(r);
	wish->w.inner = rd_u8(r);
	wish->asked.n = rd_u8(r);
	for (unsigned i = 0; i < MMX_SIDE_MAX; i++) {
		wish->w.own[i] = rd_u16(r);
		wish->w.peer[i] = rd_u16(r);
		wish->asked.epid[i] = rd_u16(r);
	}
	if (wish->w.n_own > MMX_SIDE_MAX || wish->w.n_peer > MMX_SIDE_MAX ||
	    wish->asked.n > MMX_SIDE_MAX)
		r->err = -EBADMSG;
}

/* As on the wire. Octets, or 0: what cannot be put there is not asked any more. */
static size_t encode(const struct mmx_ask *ask, uint8_t *octets, uint8_t *ret_first)
{
	struct msg_wr m = msg_begin_inner(octets, ASK_OCTETS_MAX);
	size_t len;

	for (unsigned i = ask->first; i < ask->n; i++) {
		struct mmx_action a = ask->a[i];

		if (!a.id)
			a.id = (uint16_t)(i + 1); /* not sent yet: any, to be read back */
		mmx_action_put(&m, &a);
	}
	len = msg_end(&m);
	*ret_first = m.first;
	return m.w.err ? 0 : len;
}

static void put_ask(struct wr *w, const struct mmx_ask *ask)
{
	uint8_t *octets = ask ? malloc(ASK_OCTETS_MAX) : NULL;
	uint8_t first;
	size_t len = octets ? encode(ask, octets, &first) : 0;

	wr_u8(w, len != 0);
	if (len) {
		wr_u8(w, ask->ike_moved);
		wr_u8(w, first);
		wr_u32(w, (uint32_t)len);
		wr_bytes(w, octets, len);
	}
	free(octets);
}

static struct mmx_ask *actions_of(struct ike_sa *sa, uint8_t first, uint8_t *octets, size_t len)
{
	struct ike_msg *in = calloc(1, sizeof(*in));
	struct mmx_action *a = calloc(MMX_ACTIONS_MAX, sizeof(*a));
	struct mmx_ask *ask = NULL;
	uint8_t critical;
	unsigned n = 0;

	if (in && a && msg_decode_inner(first, octets, len, in, &critical) == MSG_OK) {
		for (unsigned i = 0; i < in->n_notifies && n < MMX_ACTIONS_MAX; i++)
			if (mmx_action_get(&in->notifies[i], &a[n]) == MMX_OK)
				n++;
		ask = n ? mmx_ask_new(sa, a, n) : NULL;
	}
	free(a);
	free(in);
	return ask;
}

static void get_ask(struct rd *r, struct ike_sa *sa, struct task *t)
{
	uint8_t *octets;
	const uint8_t *p;
	uint8_t first;
	uint32_t len;
	bool moved;

	if (!rd_u8(r))
		return;
	moved = rd_u8(r);
	first = rd_u8(r);
	len = rd_u32(r);
	p = len <= ASK_OCTETS_MAX ? rd_bytes(r, len) : NULL;
	octets = p ? malloc(len + 1) : NULL;
	if (octets) {
		memcpy(octets, p, len);
		t->mmx = sa->mmx ? actions_of(sa, first, octets, len) : NULL;
	}
	free(octets);
	if (!t->mmx)
		r->err = r->err ? r->err : -EBADMSG;
	else
		t->mmx->ike_moved = moved;
}

static void put_probing(struct wr *w, const struct mmx_probing *p)
{
	wr_u8(w, p != NULL);
	if (p)
		wr_u32(w, p->path);
}

/* Its answer shows nothing any more, and makes room in the window. */
static void get_probing(struct rd *r, struct task *t)
{
	if (!rd_u8(r))
		return;
	t->probing = calloc(1, sizeof(*t->probing));
	if (!t->probing) {
		r->err = -ENOMEM;
		return;
	}
	t->probing->path = rd_u32(r);
	t->probing->lost = true;
}

void put_mmx_task(struct wr *w, const struct task *t)
{
	put_ask(w, t->mmx);
	put_wish(w, t->wish);
	put_probing(w, t->probing);
}

void get_mmx_task(struct rd *r, struct ike_sa *sa, struct task *t)
{
	get_ask(r, sa, t);
	get_wish(r, t);
	get_probing(r, t);
	if ((t->kind == TASK_MMX_PROBE) != (t->probing != NULL))
		r->err = r->err ? r->err : -EBADMSG;
}

void mmx_resume(struct ike *ike, struct ike_sa *sa)
{
	static const struct mmx_rr nobody_waits;
	struct mmx *x = sa->mmx;

	if (!x)
		return;
	list_for_each_safe (it, tmp, &sa->pending) {
		struct task *t = list_entry(it, struct task, node);

		if (t->probing)
			task_free(ike, t);
	}
	mmx_leave_dead(sa, x);
	list_for_each (it, &x->table.all) {
		const struct mmx_shared *s = list_entry(it, struct mmx_shared, in);

		if (mmx_told_id(s))
			mmx_routability(ike, sa, x, &s->b, &nobody_waits);
	}
}
