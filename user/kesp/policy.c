/* SPDX-License-Identifier: GPL-2.0-only */
#include "policy.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { DIRECTIONS = 3, ALL_DIRECTIONS = 7, IPPROTO_ICMP_ = 1, IPPROTO_ICMPV6_ = 58 };

struct use {
	struct list node; /* the newest last */
	struct policy_to to;
	unsigned n; /* SAs */
};

struct entry {
	struct hash_node node;
	struct xfrm_sel sel;
	struct list uses;
	struct policy_to left;	 /* of the last use, while rest lasts */
	struct policy_rest rest; /* without a use; 0: it is over */
	unsigned have;		 /* a bit for each direction that the kernel has as it is to be */
};

void policies_init(struct policies *ps, uint32_t if_id, policy_fn *put, policy_fn *del, void *ctx)
{
	*ps = (struct policies){ .if_id = if_id, .put = put, .del = del, .ctx = ctx };
	hash_init(&ps->by_selector);
}

static void entry_free(struct hash_node *n)
{
	struct entry *e = hash_entry(n, struct entry, node);

	list_for_each_safe (it, tmp, &e->uses)
		free(list_entry(it, struct use, node));
	free(e);
}

void policies_clear(struct policies *ps)
{
	hash_empty(&ps->by_selector, entry_free);
}

/* ---- selectors ---- */

/* Addresses by their prefixes, without what else is in the structure. */
static uint64_t key_of(const struct xfrm_sel *s)
{
	return hash_octets(s->src.b, sizeof(s->src.b)) * 5 +
	       hash_octets(s->dst.b, sizeof(s->dst.b)) * 3 +
	       ((uint64_t)s->src_len << 56 | (uint64_t)s->dst_len << 48 |
		(uint64_t)s->protocol << 40) +
	       ((uint64_t)s->sport << 16 | s->dport);
}

static bool same(const struct xfrm_sel *a, const struct xfrm_sel *b)
{
	return addr_equal(&a->src, &b->src) && addr_equal(&a->dst, &b->dst) &&
	       a->src_len == b->src_len && a->dst_len == b->dst_len && a->protocol == b->protocol &&
	       a->sport == b->sport && a->sport_mask == b->sport_mask && a->dport == b->dport &&
	       a->dport_mask == b->dport_mask;
}

/* As packets of the other direction have it. Types and codes of ICMP are no ports. */
static struct xfrm_sel turned(const struct xfrm_sel *s)
{
	struct xfrm_sel t = *s;

	t.src = s->dst;
	t.src_len = s->dst_len;
	t.dst = s->src;
	t.dst_len = s->src_len;
	if (s->protocol == IPPROTO_ICMP_ || s->protocol == IPPROTO_ICMPV6_)
		return t;
	t.sport = s->dport;
	t.sport_mask = s->dport_mask;
	t.dport = s->sport;
	t.dport_mask = s->sport_mask;
	return t;
}

static unsigned special(const struct xfrm_sel *s)
{
	return 4u * (s->src_len + s->dst_len) + 2u * (s->sport_mask || s->dport_mask) +
	       !!s->protocol;
}

static struct entry *find(const struct policies *ps, const struct xfrm_sel *sel)
{
	hash_for_each (it, tmp, &ps->by_selector, key_of(sel)) {
		struct entry *e = hash_entry(it, struct entry, node);

		if (same(&e->sel, sel))
			return e;
	}
	return NULL;
}

/* ---- the kernel's ---- */

static struct use *newest(const struct entry *e)
{
	return list_empty(&e->uses) ? NULL : list_entry(e->uses.prev, struct use, node);
}

/* The most special one first: RFC 4301 4.4.1.1 wants an order, the kernel takes the lowest. */
static struct xfrm_policy policy_of(const struct policies *ps, const struct entry *e,
				    enum xfrm_dir dir)
{
	const struct use *u = newest(e);
	const struct policy_to *to = u ? &u->to : &e->left;
	struct xfrm_policy p = { .dir = dir, .if_id = ps->if_id };

	p.sel = dir == XFRM_OUT ? e->sel : turned(&e->sel);
	p.priority = 4096 - special(&e->sel);
	p.block = !u && dir == XFRM_OUT;
	if (!p.block) {
		p.reqid = to->reqid;
		p.beet = to->beet;
		p.src = dir == XFRM_OUT ? to->local : to->remote;
		p.dst = dir == XFRM_OUT ? to->remote : to->local;
	}
	return p;
}

static bool lasts(const struct entry *e, enum xfrm_dir dir)
{
	return !list_empty(&e->uses) ||
	       (dir == XFRM_OUT ? e->rest.block_until : e->rest.in_until) != 0;
}

static int entry_put(struct policies *ps, struct entry *e)
{
	for (int dir = 0; dir < DIRECTIONS; dir++) {
		struct xfrm_policy p = policy_of(ps, e, (enum xfrm_dir)dir);
		int err = 0;

		if (!(e->have & 1u << dir) && lasts(e, (enum xfrm_dir)dir))
			err = ps->put(ps->ctx, &p);
		if (err)
			return err;
		e->have |= 1u << dir;
	}
	return 0;
}

static bool is_left(const struct entry *e)
{
	return e->rest.in_until || e->rest.block_until;
}

static void entry_del(struct policies *ps, struct entry *e)
{
	for (int dir = 0; dir < DIRECTIONS; dir++) {
		struct xfrm_policy p = policy_of(ps, e, (enum xfrm_dir)dir);

		ps->del(ps->ctx, &p);
	}
	ps->n_left -= is_left(e);
	hash_remove(&ps->by_selector, &e->node);
	entry_free(&e->node);
}

static struct use *use_find(const struct entry *e, uint32_t reqid)
{
	list_for_each (it, &e->uses) {
		struct use *u = list_entry(it, struct use, node);

		if (u->to.reqid == reqid)
			return u;
	}
	return NULL;
}

/* The last SA has gone from it. */
static void leave(struct policies *ps, struct entry *e, const struct policy_to *to,
		  const struct policy_rest *rest)
{
	e->left = *to;
	e->rest = *rest;
	ps->n_left++;
	e->have = 0;
	if (!ps->quiet && entry_put(ps, e))
		ps->unsettled = true;
}

static void drop_one(struct policies *ps, const struct xfrm_sel *sel, uint32_t reqid,
		     const struct policy_rest *rest)
{
	struct entry *e = find(ps, sel);
	struct use *u = e ? use_find(e, reqid) : NULL;
	bool was = u && u == newest(e);

	if (!u || --u->n)
		return;
	list_remove(&u->node);
	if (list_empty(&e->uses)) {
		if (rest)
			leave(ps, e, &u->to, rest);
		else
			entry_del(ps, e);
		free(u);
		return;
	}
	free(u);
	if (was) {
		e->have = 0;
		if (!ps->quiet && entry_put(ps, e))
			ps->unsettled = true;
	}
}

static struct entry *entry_get(struct policies *ps, const struct xfrm_sel *sel)
{
	struct entry *e = find(ps, sel);

	if (e)
		return e;
	e = calloc(1, sizeof(*e));
	if (!e)
		return NULL;
	e->sel = *sel;
	list_init(&e->uses);
	hash_add(&ps->by_selector, &e->node, key_of(sel));
	return e;
}

static int take_one(struct policies *ps, const struct xfrm_sel *sel, const struct policy_to *to)
{
	struct entry *e = entry_get(ps, sel);
	struct use *u = e ? use_find(e, to->reqid) : NULL;
	int err;

	if (!e)
		return -ENOMEM;
	if (u && u == newest(e)) {
		u->n++;
		return 0;
	}
	if (!u) {
		u = calloc(1, sizeof(*u));
		if (!u) {
			if (list_empty(&e->uses) && !is_left(e))
				entry_del(ps, e);
			return -ENOMEM;
		}
		u->to = *to;
		list_init(&u->node);
	}
	list_remove(&u->node);
	list_append(&e->uses, &u->node);
	u->n++;
	ps->n_left -= is_left(e);
	e->rest = (struct policy_rest){ 0 };
	e->have = 0;
	err = ps->quiet ? 0 : entry_put(ps, e);
	if (err)
		drop_one(ps, sel, to->reqid, NULL);
	return err;
}

int policies_take(struct policies *ps, const struct xfrm_sel *sel, size_t n,
		  const struct policy_to *to)
{
	for (size_t i = 0; i < n; i++) {
		int err = take_one(ps, &sel[i], to);

		if (err) {
			policies_drop(ps, sel, i, to->reqid);
			return err;
		}
	}
	return 0;
}

void policies_drop(struct policies *ps, const struct xfrm_sel *sel, size_t n, uint32_t reqid)
{
	for (size_t i = 0; i < n; i++)
		drop_one(ps, &sel[i], reqid, NULL);
}

void policies_leave(struct policies *ps, const struct xfrm_sel *sel, size_t n, uint32_t reqid,
		    const struct policy_rest *rest)
{
	for (size_t i = 0; i < n; i++)
		drop_one(ps, &sel[i], reqid, rest);
}

static void dir_del(struct policies *ps, struct entry *e, enum xfrm_dir dir)
{
	struct xfrm_policy p = policy_of(ps, e, dir);

	ps->del(ps->ctx, &p);
	e->have &= ~(1u << dir);
}

static void expire(struct policies *ps, struct entry *e, usec_t now)
{
	if (!is_left(e))
		return;
	if (e->rest.in_until <= now && e->rest.block_until <= now) {
		entry_del(ps, e);
	} else if (e->rest.in_until && e->rest.in_until <= now) {
		dir_del(ps, e, XFRM_IN);
		dir_del(ps, e, XFRM_FWD);
		e->rest.in_until = 0;
	} else if (e->rest.block_until && e->rest.block_until <= now) {
		dir_del(ps, e, XFRM_OUT);
		e->rest.block_until = 0;
	}
}

void policies_expire(struct policies *ps, usec_t now)
{
	for (size_t i = 0; i < ps->by_selector.size && ps->n_left; i++)
		for (struct hash_node *n = ps->by_selector.first[i], *next; n; n = next) {
			next = n->next;
			expire(ps, hash_entry(n, struct entry, node), now);
		}
}

/* ---- after a restart ---- */

/* What an SA had that has moved since, whose agent has died. */
static struct entry *block_found(struct policies *ps, const struct xfrm_policy *p, usec_t until)
{
	struct entry *e = p->dir == XFRM_OUT && p->block ? entry_get(ps, &p->sel) : NULL;

	if (!e)
		return NULL;
	e->rest.block_until = until;
	ps->n_left++;
	return e;
}

bool policies_found(struct policies *ps, const struct xfrm_policy *p, usec_t block_until)
{
	struct xfrm_sel sel = p->dir == XFRM_OUT ? p->sel : turned(&p->sel);
	struct entry *e = find(ps, &sel);
	struct xfrm_policy want;

	if (!e)
		e = block_found(ps, p, block_until);
	if (!e)
		return false;
	want = policy_of(ps, e, p->dir);
	if (want.reqid == p->reqid && want.priority == p->priority && want.block == p->block &&
	    want.beet == p->beet && addr_equal(&want.src, &p->src) &&
	    addr_equal(&want.dst, &p->dst))
		e->have |= 1u << p->dir;
	return true;
}

static int settle(struct policies *ps, struct hash_node *n)
{
	int first = 0;

	for (; n; n = n->next) {
		int err = entry_put(ps, hash_entry(n, struct entry, node));

		first = first ? first : err;
	}
	return first;
}

int policies_settle(struct policies *ps)
{
	int first = 0;

	ps->quiet = false;
	for (size_t i = 0; i < ps->by_selector.size; i++) {
		int err = settle(ps, ps->by_selector.first[i]);

		first = first ? first : err;
	}
	ps->unsettled = first != 0;
	return first;
}

/* ---- a packet ---- */

static bool in_prefix(const struct addr *a, const struct addr *net, uint8_t len)
{
	struct addr first, last;

	if (a->family != net->family)
		return false;
	addr_prefix_range(net, len, &first, &last);
	return addr_cmp(a, &first) >= 0 && addr_cmp(a, &last) <= 0;
}

static bool covers(const struct xfrm_sel *s, const struct xfrm_sel *p)
{
	return in_prefix(&p->src, &s->src, s->src_len) && in_prefix(&p->dst, &s->dst, s->dst_len) &&
	       (!s->protocol || s->protocol == p->protocol) &&
	       !((s->sport ^ p->sport) & s->sport_mask) && !((s->dport ^ p->dport) & s->dport_mask);
}

uint32_t policies_reqid(const struct policies *ps, const struct xfrm_sel *packet)
{
	const struct entry *best = NULL;

	for (size_t i = 0; i < ps->by_selector.size; i++) {
		for (struct hash_node *n = ps->by_selector.first[i]; n; n = n->next) {
			const struct entry *e = hash_entry(n, struct entry, node);

			if (covers(&e->sel, packet) &&
			    (!best || special(&e->sel) > special(&best->sel)))
				best = e;
		}
	}
	return best && newest(best) ? newest(best)->to.reqid : 0;
}
