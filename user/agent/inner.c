/* SPDX-License-Identifier: GPL-2.0-only */
/* Addresses and routes on the TUN device: what makes inner traffic reach the engine. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "agent.h"

/* A range that is routed, or a virtual address that is set, as long as Child SAs need it. */
struct inner {
	struct hash_node node; /* agent.inner */
	struct addr first, last;
	bool vip;
	unsigned users;
	struct addr src; /* the virtual address that its route names; family 0: none */
};

static struct inner *inner_find(struct agent *a, const struct addr *first, const struct addr *last,
				bool vip, uint64_t *ret_key)
{
	*ret_key = hash_octets(first->b, addr_len(first)) +
		   hash_octets(last->b, addr_len(last)) * 3 + vip;
	hash_for_each (it, tmp, &a->inner, *ret_key) {
		struct inner *i = hash_entry(it, struct inner, node);

		if (i->vip == vip && addr_equal(&i->first, first) && addr_equal(&i->last, last))
			return i;
	}
	return NULL;
}

static struct inner *use(struct agent *a, const struct addr *first, const struct addr *last,
			 bool vip)
{
	uint64_t key;
	struct inner *i = inner_find(a, first, last, vip, &key);

	if (!i) {
		i = calloc(1, sizeof(*i));
		if (!i)
			return NULL; /* it goes with its first user, then */
		i->first = *first;
		i->last = *last;
		i->vip = vip;
		hash_add(&a->inner, &i->node, key);
	}
	i->users++;
	return i;
}

/* True: nobody needs it any more. */
static bool leave(struct agent *a, const struct addr *first, const struct addr *last, bool vip)
{
	uint64_t key;
	struct inner *i = inner_find(a, first, last, vip, &key);

	if (i && --i->users)
		return false;
	if (i)
		hash_remove(&a->inner, &i->node);
	free(i);
	return true;
}

static bool vip_of(const struct child *c, uint8_t family, struct addr *ret)
{
	for (uint8_t i = 0; i < c->n_vips; i++) {
		if (c->vips[i].family == family) {
			*ret = c->vips[i];
			return true;
		}
	}
	return false;
}

/* In transport mode nothing is routed: shield.c. */
static bool is_routed(const struct child *c)
{
	return c->mode != CHILD_TRANSPORT;
}

void inner_adopt(struct agent *a, const struct child *c)
{
	if (!is_routed(c))
		return;
	for (uint8_t i = 0; i < c->n_vips; i++)
		use(a, &c->vips[i], &c->vips[i], true);
	for (uint8_t i = 0; i < c->n_ts_remote; i++) {
		const struct ike_ts *ts = &c->ts_remote[i];
		struct inner *range = use(a, &ts->first, &ts->last, false);

		if (range && !range->src.family)
			vip_of(c, ts->first.family, &range->src);
	}
}

static void inner_drop(struct hash_node *n)
{
	free(hash_entry(n, struct inner, node));
}

void inner_close(struct agent *a)
{
	hash_empty(&a->inner, inner_drop);
}

/* All addresses (0/0) become two halves, so that the host's default route, which the uplinks need,
 * stays. */
size_t range_prefixes(const struct addr *first, const struct addr *last, struct prefix *out,
		      size_t max)
{
	return addr_range_prefixes(first, last, 1, out, max);
}

/* Of several Child SAs to one range that have virtual addresses of their own, the first one's is
 * the source of what does not choose, as long as it is there. True: another one's is, from now on.
 */
static bool settle_source(struct agent *a, const struct ike_ts *ts, struct addr *src)
{
	uint64_t key;
	struct inner *range = inner_find(a, &ts->first, &ts->last, false, &key);

	if (!range || !range->src.family)
		return false;
	if (inner_find(a, &range->src, &range->src, true, &key)) {
		*src = range->src;
		return false;
	}
	range->src = *src;
	return true;
}

enum route_what { ROUTE_ADD, ROUTE_SET, ROUTE_DEL };

static int route_prefix(struct agent *a, const struct prefix *p, enum route_what what,
			const struct addr *src)
{
	switch (what) {
	case ROUTE_ADD:
		return rtnl_route_add(a->rtnl, &p->addr, p->len, a->tun_ifindex, src);
	case ROUTE_SET:
		return rtnl_route_set(a->rtnl, &p->addr, p->len, a->tun_ifindex, src);
	case ROUTE_DEL:
		return rtnl_route_del(a->rtnl, &p->addr, p->len, a->tun_ifindex);
	}
	return -EINVAL;
}

static void route(struct agent *a, const struct ike_ts *ts, enum route_what what,
		  const struct addr *src)
{
	struct prefix p[RANGE_PREFIXES_MAX];
	size_t n = range_prefixes(&ts->first, &ts->last, p, RANGE_PREFIXES_MAX);
	char text[ADDR_STR];

	if (!n)
		log_warning("remote range from %s has no short list of prefixes: add routes to the "
			    "TUN device by hand",
			    addr_format(&ts->first, text));
	for (size_t i = 0; i < n; i++) {
		int err = route_prefix(a, &p[i], what, src);

		if (err)
			log_warning("route %s/%u by the TUN device: %s",
				    addr_format(&p[i].addr, text), p[i].len, strerror(-err));
	}
}

/* Source address of the host's own traffic into the tunnel: virtual, or one that the local
 * selectors cover. */
static bool source_for(struct agent *a, const struct child *c, const struct ike_ts *local,
		       uint8_t n_local, uint8_t family, struct addr *ret)
{
	if (vip_of(c, family, ret))
		return true;
	for (uint8_t i = 0; i < n_local; i++)
		if (local[i].first.family == family &&
		    rtnl_addr_in_range(a->rtnl, &local[i].first, &local[i].last, a->tun_ifindex,
				       ret))
			return true;
	return false;
}

static void routes(struct agent *a, const struct child *c, const struct ike_ts *local,
		   uint8_t n_local)
{
	for (uint8_t i = 0; i < c->n_ts_remote; i++) {
		const struct ike_ts *ts = &c->ts_remote[i];
		struct addr src;
		bool have = source_for(a, c, local, n_local, ts->first.family, &src);

		bool another = have && settle_source(a, ts, &src);

		route(a, ts, another ? ROUTE_SET : ROUTE_ADD, have ? &src : NULL);
	}
}

void inner_again(struct agent *a)
{
	const struct child_sa *child;
	struct ike_child_info info;
	struct rtnl_link tun;
	struct peer *p;

	if (!rtnl_link_by_index(a->rtnl, a->tun_ifindex, &tun))
		return; /* they come with it */
	for (const struct ike_sa *sa = ike_sa_first(a->ike); sa; sa = ike_sa_next(a->ike, sa)) {
		for (child = ike_child_next(sa, NULL); child; child = ike_child_next(sa, child)) {
			const struct child *c;

			ike_child_look(child, &info);
			c = agent_child_find(a, info.id, &p);
			if (c && is_routed(c))
				routes(a, c, info.ts_local, info.n_ts_local);
		}
	}
}

void inner_add(struct agent *a, const struct child *c, const struct ike_ts *local, uint8_t n_local)
{
	char text[ADDR_STR];

	if (!is_routed(c))
		return;
	inner_adopt(a, c);
	for (uint8_t i = 0; i < c->n_vips; i++) {
		uint8_t bits = (uint8_t)(addr_len(&c->vips[i]) * 8);
		int err = rtnl_addr_add(a->rtnl, a->tun_ifindex, &c->vips[i], bits);

		if (err)
			log_warning("virtual address %s: %s", addr_format(&c->vips[i], text),
				    strerror(-err));
	}
	routes(a, c, local, n_local);
}

void inner_del(struct agent *a, const struct child *c)
{
	bool gone[IKE_VIPS_MAX], any = false;

	if (!is_routed(c))
		return;
	for (uint8_t i = 0; i < c->n_ts_remote; i++)
		if (leave(a, &c->ts_remote[i].first, &c->ts_remote[i].last, false))
			route(a, &c->ts_remote[i], ROUTE_DEL, NULL);
	for (uint8_t i = 0; i < c->n_vips; i++) {
		gone[i] = leave(a, &c->vips[i], &c->vips[i], true);
		any |= gone[i];
	}
	/* a route goes with the source address that it names: another one's first */
	if (any)
		inner_again(a);
	for (uint8_t i = 0; i < c->n_vips; i++)
		if (gone[i])
			rtnl_addr_del(a->rtnl, a->tun_ifindex, &c->vips[i],
				      (uint8_t)(addr_len(&c->vips[i]) * 8));
}
