/* SPDX-License-Identifier: GPL-2.0-only */
/* Source routes: what we send from an uplink's address takes that uplink, and what comes back is
 * let in, where the host's own routes lead elsewhere: two default routes, routes into the tunnel
 * that cover the peer, guards, strict reverse path filters. Nothing of it where they do not. */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "agent.h"

enum { WARN_BURST = 4, WARN_SEC = 60, ROUTES_MAX = 64 };

struct source {
	struct hash_node node;	/* agent.sources */
	struct list asked_node; /* agent.sources_asked */
	uint32_t ifindex;
	struct addr remote, hop;
	uint8_t len;	/* of the prefix that remote is */
	unsigned users; /* paths */
	bool listed;	/* in sources_asked */
	bool asked;	/* needed before there is a path */
	uint32_t round; /* agent.sources_round when it was set */
};

static struct source *find(struct agent *a, uint32_t ifindex, const struct addr *remote,
			   uint8_t len, uint64_t *ret_key)
{
	*ret_key = hash_octets(remote->b, addr_len(remote)) + ifindex + ((uint64_t)len << 32);
	hash_for_each (it, tmp, &a->sources, *ret_key) {
		struct source *s = hash_entry(it, struct source, node);

		if (s->ifindex == ifindex && s->len == len && addr_equal(&s->remote, remote))
			return s;
	}
	return NULL;
}

static struct endpoint *endpoint_of(struct agent *a, uint32_t ifindex, const struct addr *local)
{
	struct uplink *u = uplink_of(a, ifindex);

	for (size_t i = 0; u && i < u->n_eps; i++)
		if (addr_equal(&u->eps[i].addr, local))
			return &u->eps[i];
	return NULL;
}

/* The rule of an address, once; after somebody took one away, again. */
static int rule_set(struct agent *a, uint32_t ifindex, const struct addr *local)
{
	struct endpoint *ep = endpoint_of(a, ifindex, local);
	int err;

	if (!ep || ep->ruled == a->sources_round)
		return 0;
	err = rtnl_source_rule_add(a->rtnl, local, ifindex);
	if (!err)
		ep->ruled = a->sources_round;
	return err;
}

static void set(struct agent *a, struct source *s, const struct addr *local, const struct addr *hop)
{
	char from[ADDR_STR], to[ADDR_STR];
	int err = rule_set(a, s->ifindex, local);
	uint32_t suppressed;

	if (!err && (s->round != a->sources_round || !addr_equal(&s->hop, hop))) {
		err = rtnl_source_route_add(a->rtnl, &s->remote, s->len, hop, s->ifindex);
		if (!err) {
			s->hop = *hop;
			s->round = a->sources_round;
		}
	}
	if (err && log_limit_ok(&a->unrouted, agent_now(), WARN_BURST, WARN_SEC * USEC_PER_SEC,
				&suppressed))
		log_warning("no source route from %s to %s: %s; with strict reverse path filtering "
			    "nothing arrives there",
			    addr_format(local, from), addr_format(&s->remote, to), strerror(-err));
}

static struct source *get(struct agent *a, uint32_t ifindex, const struct addr *remote, uint8_t len)
{
	uint64_t key;
	struct source *s = find(a, ifindex, remote, len, &key);

	if (s)
		return s;
	s = calloc(1, sizeof(*s));
	if (!s)
		return NULL;
	s->ifindex = ifindex;
	s->remote = *remote;
	s->len = len;
	hash_add(&a->sources, &s->node, key);
	return s;
}

static void drop_unused(struct agent *a, struct source *s)
{
	if (s->users || s->listed)
		return;
	rtnl_source_route_del(a->rtnl, &s->remote, s->len, s->ifindex);
	hash_remove(&a->sources, &s->node);
	free(s);
}

static uint8_t host_len(const struct addr *a)
{
	return (uint8_t)(addr_len(a) * 8);
}

void source_leave(struct agent *a, struct path *p)
{
	struct source *s = p->source;

	p->source = NULL;
	if (!s)
		return;
	s->users--;
	drop_unused(a, s);
}

void source_use(struct agent *a, struct path *p)
{
	struct source *s = get(a, p->ifindex, &p->remote.ip, host_len(&p->remote.ip));

	if (p->source != s) {
		source_leave(a, p);
		p->source = s;
		if (s)
			s->users++;
	}
	if (s)
		set(a, s, &p->local.ip, &p->hop);
}

/* ---- before there is a path ---- */

static void ask_by(struct agent *a, const struct uplink *u, const struct addr *local,
		   const struct addr *remote, uint8_t len, const struct addr *hop)
{
	struct source *s = get(a, u->ifindex, remote, len);

	if (!s)
		return;
	s->asked = true;
	if (!s->listed)
		list_append(&a->sources_asked, &s->asked_node);
	s->listed = true;
	set(a, s, local, hop);
}

/* always: guards over all addresses stand, or will. */
static void ask(struct agent *a, const struct uplink *u, const struct addr *local,
		const struct addr *remote, bool always)
{
	struct addr hop = { 0 };
	bool elsewhere = true;
	int err = rtnl_next_hop(a->rtnl, remote, local, u->ifindex, &hop, &elsewhere);

	if (u->cfg.gateway.family == remote->family)
		hop = u->cfg.gateway;
	else if (err)
		return; /* no way there, now */
	if (always || elsewhere)
		ask_by(a, u, local, remote, host_len(remote), &hop);
}

static void ask_conn(struct agent *a, const struct ike_conn_cfg *c, bool always)
{
	for (size_t i = 0; i < a->n_uplinks; i++) {
		const struct uplink *u = &a->uplinks[i];

		for (size_t e = 0; u->up && e < u->n_eps; e++)
			for (size_t r = 0; r < c->n_remote_addrs; r++)
				if (c->remote_addrs[r].family == u->eps[e].addr.family &&
				    path_pair_wanted(a, c, u, &c->remote_addrs[r]))
					ask(a, u, &u->eps[e].addr, &c->remote_addrs[r], always);
	}
}

/* Neighbours, and networks that the link has another way to, do not go by its default route. */
static void ask_nets(struct agent *a, const struct uplink *u, const struct addr *local)
{
	struct rtnl_route routes[ROUTES_MAX];
	size_t n = rtnl_link_routes(a->rtnl, local->family, u->ifindex, routes, ROUTES_MAX);
	uint32_t suppressed;

	if (n > ROUTES_MAX && log_limit_ok(&a->unrouted, agent_now(), WARN_BURST,
					   WARN_SEC * USEC_PER_SEC, &suppressed))
		log_warning("uplink %s has %zu routes; behind the first %d, source routes take "
			    "its default route",
			    u->name, n, ROUTES_MAX);
	for (size_t i = 0; i < n && i < ROUTES_MAX; i++)
		ask_by(a, u, local, &routes[i].net, routes[i].len, &routes[i].hop);
}

/* Of those who may come from anywhere nothing is known before they do. */
static void ask_any(struct agent *a, uint8_t family, bool always)
{
	struct addr hops[CONF_UPLINKS_MAX] = { 0 }, any = { .family = family };
	size_t n = always;

	for (size_t i = 0; i < a->n_uplinks; i++) {
		const struct uplink *u = &a->uplinks[i];

		if (u->up && u->cfg.gateway.family == family)
			hops[i] = u->cfg.gateway;
		else if (u->up)
			rtnl_default_hop(a->rtnl, family, u->ifindex, &hops[i]);
		n += hops[i].family != 0;
	}
	for (size_t i = 0; n > 1 && i < a->n_uplinks; i++) {
		const struct uplink *u = &a->uplinks[i];

		for (size_t e = 0; hops[i].family && e < u->n_eps; e++)
			if (u->eps[e].addr.family == family) {
				ask_by(a, u, &u->eps[e].addr, &any, 0, &hops[i]);
				ask_nets(a, u, &u->eps[e].addr);
			}
	}
}

static void unask(struct agent *a)
{
	list_for_each_safe (it, tmp, &a->sources_asked) {
		struct source *s = list_entry(it, struct source, asked_node);

		if (s->asked)
			continue;
		list_remove(&s->asked_node);
		s->listed = false;
		drop_unused(a, s);
	}
}

static void forget_asked(struct agent *a)
{
	list_for_each (it, &a->sources_asked)
		list_entry(it, struct source, asked_node)->asked = false;
}

void sources_load(struct agent *a)
{
	const struct ike_cfg *cfg = &a->conf->ike;
	bool anybody = false, always = false;

	forget_asked(a);
	for (uint16_t i = 0; i < cfg->n_conns; i++) {
		anybody |= cfg->conns[i].n_remote_addrs == 0;
		always |= guards_cover_all(&cfg->conns[i]);
	}
	for (uint16_t i = 0; i < cfg->n_conns; i++)
		ask_conn(a, &cfg->conns[i], always);
	for (uint8_t family = 4; anybody && family <= 6; family += 2)
		ask_any(a, family, always);
	unask(a);
}

/* ---- the rest ---- */

void source_rule_leave(struct agent *a, uint32_t ifindex, const struct endpoint *ep)
{
	if (ep->ruled)
		rtnl_source_rule_del(a->rtnl, &ep->addr, ifindex);
}

/* What an earlier agent left, and nobody needs any more. */
static bool wanted(void *ctx, const struct rtnl_source *s)
{
	const struct endpoint *ep = endpoint_of(ctx, s->ifindex, &s->addr);
	uint64_t key;

	if (s->rule)
		return ep && ep->ruled;
	return find(ctx, s->ifindex, &s->addr, s->prefix_len, &key) != NULL;
}

void sources_sift(struct agent *a)
{
	int err = rtnl_source_sift(a->rtnl, wanted, a);

	if (err)
		log_warning("source routes that an earlier agent left may stay: %s",
			    strerror(-err));
}

void sources_clean(struct agent *a)
{
	forget_asked(a);
	unask(a);
	for (size_t i = 0; i < a->n_uplinks; i++)
		for (size_t e = 0; e < a->uplinks[i].n_eps; e++)
			source_rule_leave(a, a->uplinks[i].ifindex, &a->uplinks[i].eps[e]);
}

static void drop(struct hash_node *n)
{
	free(hash_entry(n, struct source, node));
}

void sources_close(struct agent *a)
{
	hash_empty(&a->sources, drop);
}
