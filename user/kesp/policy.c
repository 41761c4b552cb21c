/* SPDX-License-Identifier: GPL-2.0-only */
#include "policy.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "abi/steer.h"

enum { DIRECTIONS = 3, IPPROTO_ICMP_ = 1, IPPROTO_ICMPV6_ = 58 };

#define BLOCKED UINT32_MAX

struct use {
	struct list node; /* the newest last */
	struct policy_to to;
	unsigned n, senders; /* SAs; those that have an outbound state */
	bool has;	     /* the kernel has the policy of its line, for it */
};

struct entry {
	struct hash_node node;
	struct xfrm_sel sel;
	struct list uses;
	struct policy_to left;	  /* of the last use, while rest lasts */
	struct policy_rest rest;  /* without a use; 0: it is over */
	uint32_t has[DIRECTIONS]; /* the reqid that the kernel's policy has, or BLOCKED; 0: not
				     known */
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

/* The newest that can send, of that line or (0) of any. */
static struct use *sender(const struct entry *e, uint32_t line)
{
	struct use *best = NULL;

	list_for_each (it, &e->uses) {
		struct use *u = list_entry(it, struct use, node);

		if (u->senders && (!line || u->to.line == line))
			best = u;
	}
	return best;
}

static bool several_lines(const struct entry *e)
{
	const struct use *first = NULL;

	list_for_each (it, &e->uses) {
		const struct use *u = list_entry(it, struct use, node);

		if (!u->senders || !u->to.line)
			continue;
		if (first && first->to.line != u->to.line)
			return true;
		first = u;
	}
	return false;
}

/* The most special one first: RFC 4301 4.4.1.1 wants an order, the kernel takes the lowest. */
static struct xfrm_policy policy_to(const struct policies *ps, const struct entry *e,
				    enum xfrm_dir dir, const struct use *u)
{
	const struct policy_to *to = u ? &u->to : &e->left;
	struct xfrm_policy p = { .dir = dir, .if_id = ps->if_id };

	if (dir == XFRM_OUT)
		p.dev = ps->dev;

	p.sel = dir == XFRM_OUT ? e->sel : turned(&e->sel);
	p.priority = 8192 - 2 * special(&e->sel);
	p.block = !u && dir == XFRM_OUT;
	if (!p.block) {
		p.reqid = dir == XFRM_OUT ? to->reqid_out : to->reqid;
		p.beet = to->beet;
		p.src = dir == XFRM_OUT ? to->local : to->remote;
		p.dst = dir == XFRM_OUT ? to->remote_out : to->local;
	}
	return p;
}

static bool lasts(const struct entry *e, enum xfrm_dir dir)
{
	return !list_empty(&e->uses) ||
	       (dir == XFRM_OUT ? e->rest.block_until : e->rest.in_until) != 0;
}

/* The one for all packets. */
static struct xfrm_policy policy_of(const struct policies *ps, const struct entry *e,
				    enum xfrm_dir dir)
{
	const struct use *u = dir == XFRM_OUT ? sender(e, 0) : NULL;

	return policy_to(ps, e, dir, u ? u : newest(e));
}

/* The one for packets with the mark of that line: before the other. */
static struct xfrm_policy policy_of_line(const struct policies *ps, const struct entry *e,
					 const struct use *u)
{
	struct xfrm_policy p = policy_to(ps, e, XFRM_OUT, u);

	p.mark = u->to.line;
	p.mark_mask = STEER_MARK(0, 0, UINT32_MAX);
	p.priority--;
	return p;
}

/* Those that are too many last: by then there are others. */
static int lines_put(struct policies *ps, struct entry *e)
{
	bool several = several_lines(e);
	int first = 0;

	list_for_each (it, &e->uses) {
		struct use *u = list_entry(it, struct use, node);
		struct xfrm_policy p = policy_of_line(ps, e, u);
		int err = 0;

		if (several && u->to.line && sender(e, u->to.line) == u && !u->has) {
			err = ps->put(ps->ctx, &p);
			u->has = !err;
		}
		first = first ? first : err;
	}
	list_for_each (it, &e->uses) {
		struct use *u = list_entry(it, struct use, node), *now = sender(e, u->to.line);
		struct xfrm_policy p = policy_of_line(ps, e, u);

		if (!u->has || (several && now == u))
			continue;
		u->has = false;
		if (!several || !now) /* else it is that one's now */
			ps->del(ps->ctx, &p);
	}
	return first;
}

static void dir_del(struct policies *ps, struct entry *e, enum xfrm_dir dir)
{
	struct xfrm_policy p = policy_of(ps, e, dir);

	ps->del(ps->ctx, &p);
	e->has[dir] = 0;
}

/* Without an interface nothing is blocked: by no policy a packet gets to the uplink as it is, and
 * from there to the interface, whose SA carries it or none; or to the plain device, which drops it.
 */
static bool goes_by(const struct policies *ps, const struct entry *e, enum xfrm_dir dir)
{
	return ps->if_id || dir != XFRM_OUT || sender(e, 0);
}

static int entry_put(struct policies *ps, struct entry *e)
{
	for (int dir = 0; dir < DIRECTIONS; dir++) {
		struct xfrm_policy p = policy_of(ps, e, (enum xfrm_dir)dir);
		uint32_t is = p.block ? BLOCKED : p.reqid;
		int err = 0;

		if (!goes_by(ps, e, p.dir)) {
			if (e->has[dir])
				dir_del(ps, e, p.dir);
			continue;
		}
		if (e->has[dir] != is && lasts(e, (enum xfrm_dir)dir))
			err = ps->put(ps->ctx, &p);
		if (err)
			return err;
		e->has[dir] = is;
	}
	return lines_put(ps, e);
}

/* As the uses have changed, which cannot fail. */
static void entry_follow(struct policies *ps, struct entry *e)
{
	if (!ps->quiet && entry_put(ps, e))
		ps->unsettled = true;
}

static void line_del(struct policies *ps, const struct entry *e, struct use *u)
{
	struct xfrm_policy p = policy_of_line(ps, e, u);

	if (u->has)
		ps->del(ps->ctx, &p);
	u->has = false;
}

static bool is_left(const struct entry *e)
{
	return e->rest.in_until || e->rest.block_until;
}

static void entry_del(struct policies *ps, struct entry *e)
{
	for (int dir = 0; dir < DIRECTIONS; dir++) {
		struct xfrm_policy p = policy_of(ps, e, (enum xfrm_dir)dir);

		if (ps->if_id || e->has[dir])
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

		if (u->to.reqid_out == reqid)
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
	if (!ps->if_id)
		e->rest.block_until = 0;
	ps->n_left++;
	if (!ps->quiet && entry_put(ps, e))
		ps->unsettled = true;
}

static void drop_one(struct policies *ps, const struct xfrm_sel *sel, uint32_t reqid,
		     const struct policy_rest *rest)
{
	struct entry *e = find(ps, sel);
	struct use *u = e ? use_find(e, reqid) : NULL;

	if (!u || --u->n)
		return;
	u->senders = 0;
	list_remove(&u->node);
	if (list_empty(&e->uses)) {
		line_del(ps, e, u);
		if (rest)
			leave(ps, e, &u->to, rest);
		else
			entry_del(ps, e);
		free(u);
		return;
	}
	/* the others are in place before its own goes */
	entry_follow(ps, e);
	if (!sender(e, u->to.line) || !several_lines(e))
		line_del(ps, e, u);
	free(u);
}

static void sender_one(struct policies *ps, const struct xfrm_sel *sel, uint32_t reqid, bool on)
{
	struct entry *e = find(ps, sel);
	struct use *u = e ? use_find(e, reqid) : NULL;

	if (!u || (!on && !u->senders))
		return;
	u->senders = on ? u->senders + 1 : u->senders - 1;
	entry_follow(ps, e);
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
	uint32_t reqid = to->reqid_out ? to->reqid_out : to->reqid;
	struct entry *e = entry_get(ps, sel);
	struct use *u = e ? use_find(e, reqid) : NULL;
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
		u->to.reqid_out = reqid;
		list_init(&u->node);
	}
	list_remove(&u->node);
	list_append(&e->uses, &u->node);
	u->n++;
	ps->n_left -= is_left(e);
	e->rest = (struct policy_rest){ 0 };
	err = ps->quiet ? 0 : entry_put(ps, e);
	if (err)
		drop_one(ps, sel, reqid, NULL);
	return err;
}

int policies_take(struct policies *ps, const struct xfrm_sel *sel, size_t n,
		  const struct policy_to *to)
{
	for (size_t i = 0; i < n; i++) {
		int err = take_one(ps, &sel[i], to);

		if (err) {
			policies_drop(ps, sel, i, to->reqid_out ? to->reqid_out : to->reqid);
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

void policies_sender(struct policies *ps, const struct xfrm_sel *sel, size_t n, uint32_t reqid,
		     bool on)
{
	for (size_t i = 0; i < n; i++)
		sender_one(ps, &sel[i], reqid, on);
}

/* By a new policy in its place. */
static void again(struct policies *ps, struct entry *e, struct use *u)
{
	struct xfrm_policy all = policy_of(ps, e, XFRM_OUT), line = policy_of_line(ps, e, u);

	if (all.reqid == u->to.reqid_out)
		ps->put(ps->ctx, &all);
	if (u->has)
		ps->put(ps->ctx, &line);
}

void policies_again(struct policies *ps, const struct xfrm_sel *sel, size_t n, uint32_t reqid)
{
	for (size_t i = 0; i < n && !ps->quiet; i++) {
		struct entry *e = find(ps, &sel[i]);
		struct use *u = e ? use_find(e, reqid) : NULL;

		if (u)
			again(ps, e, u);
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

static bool as_wanted(const struct xfrm_policy *want, const struct xfrm_policy *p)
{
	return want->reqid == p->reqid && want->priority == p->priority &&
	       want->block == p->block && want->beet == p->beet && want->dev == p->dev &&
	       addr_equal(&want->src, &p->src) && addr_equal(&want->dst, &p->dst);
}

static bool line_found(struct policies *ps, struct entry *e, const struct xfrm_policy *p)
{
	struct use *u = p->mark && several_lines(e) ? sender(e, p->mark) : NULL;
	struct xfrm_policy want;

	if (!u)
		return false;
	want = policy_of_line(ps, e, u);
	u->has = as_wanted(&want, p) && p->mark_mask == want.mark_mask;
	return p->mark_mask == want.mark_mask;
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
	if (p->mark_mask)
		return p->dir == XFRM_OUT && line_found(ps, e, p);
	if (!goes_by(ps, e, p->dir) || (p->dir == XFRM_OUT && p->dev != ps->dev))
		return false;
	want = policy_of(ps, e, p->dir);
	if (as_wanted(&want, p))
		e->has[p->dir] = p->block ? BLOCKED : p->reqid;
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
	return best && newest(best) ? policy_of(ps, best, XFRM_OUT).reqid : 0;
}
