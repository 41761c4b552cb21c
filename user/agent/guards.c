/* SPDX-License-Identifier: GPL-2.0-only */
/* Guards: unreachable routes to what policy protects, for the time without a tunnel. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "agent.h"

/* A set of prefixes, as guards that stand or shall stand. */
struct guards {
	size_t n, cap;
	struct prefix *p;
};

static bool has(const struct guards *g, const struct prefix *p)
{
	for (size_t i = 0; i < g->n; i++)
		if (g->p[i].len == p->len && addr_equal(&g->p[i].addr, &p->addr))
			return true;
	return false;
}

static void put_range(struct guards *g, const struct addr *first, const struct addr *last)
{
	struct prefix p[RANGE_PREFIXES_MAX];
	size_t n = range_prefixes(first, last, p, RANGE_PREFIXES_MAX);

	if (g->n + n > g->cap) {
		size_t cap = 2 * (g->n + n);
		struct prefix *more = reallocarray(g->p, cap, sizeof(*more));

		if (!more) {
			log_error("guards: out of memory; without a tunnel traffic may leave in "
				  "clear text");
			return;
		}
		g->p = more;
		g->cap = cap;
	}
	for (size_t i = 0; i < n; i++)
		g->p[g->n++] = p[i];
}

static bool range_covers(const struct addr *first, const struct addr *last, const struct addr *a)
{
	return a->family == first->family && addr_cmp(a, first) >= 0 && addr_cmp(a, last) <= 0;
}

static bool is_all(const struct ike_ts *ts)
{
	struct addr none = { .family = ts->first.family }, first, last;

	addr_prefix_range(&none, 0, &first, &last);
	return !ts->dynamic && addr_equal(&ts->first, &first) && addr_equal(&ts->last, &last);
}

bool guards_cover_all(const struct ike_conn_cfg *c)
{
	for (uint8_t i = 0; i < c->n_children; i++)
		for (uint8_t k = 0; k < c->children[i].n_remote_ts; k++)
			if (is_all(&c->children[i].remote_ts[k]))
				return true;
	return false;
}

/* A selector of transport mode is about the peer's own addresses: shield.c. */
static void put_child(struct guards *g, const struct ike_conn_cfg *c,
		      const struct ike_child_cfg *child)
{
	if (child->mode == CHILD_TRANSPORT)
		return;
	for (uint8_t i = 0; i < child->n_remote_ts; i++) {
		const struct ike_ts *ts = &child->remote_ts[i];
		bool peer = ts->dynamic;

		for (uint8_t k = 0; k < c->n_remote_addrs; k++)
			peer |= range_covers(&ts->first, &ts->last, &c->remote_addrs[k]);
		/* One that is about the peer's own addresses would keep the kernel from answering
		 * its ARP, where the peer is a neighbour and reverse paths are filtered; all
		 * addresses are less than a neighbour's route. */
		if (!peer || is_all(ts))
			put_range(g, &ts->first, &ts->last);
	}
}

static void put_conn(struct guards *g, const struct ike_conn_cfg *c)
{
	for (uint8_t i = 0; i < c->n_children; i++)
		put_child(g, c, &c->children[i]);
}

static void put_pools(struct guards *g, const struct ike_cfg *cfg)
{
	for (uint16_t i = 0; i < cfg->n_pools; i++)
		put_range(g, &cfg->pools[i].first, &cfg->pools[i].last);
}

/* Everything that a configuration can ask guards for. */
static void put_all(struct guards *g, const struct ike_cfg *cfg)
{
	put_pools(g, cfg);
	for (uint16_t i = 0; i < cfg->n_conns; i++)
		put_conn(g, &cfg->conns[i]);
}

bool guards_due(const struct agent *a, const struct ike_conn_cfg *c,
		const struct ike_child_cfg *child)
{
	return child->start == START_START ||
	       (!a->stopping && conns_guarded(a, c->name, child->name));
}

/* What shall stand now; once we stop, what the configuration itself protects: between two lives of
 * the agent nothing may leave in clear text. */
static void put_due(struct guards *g, struct agent *a)
{
	const struct ike_cfg *cfg = &a->conf->ike;

	sources_load(a); /* or IKE would not get past those over all addresses */
	put_pools(g, cfg);
	for (uint16_t i = 0; i < cfg->n_conns; i++) {
		const struct ike_conn_cfg *c = &cfg->conns[i];

		for (uint8_t k = 0; k < c->n_children; k++)
			if (guards_due(a, c, &c->children[k]))
				put_child(g, c, &c->children[k]);
	}
}

static void tell_error(const struct prefix *p, int err)
{
	char text[ADDR_STR];

	log_warning("guard for %s/%u: %s; without a tunnel traffic to it may leave in clear text",
		    addr_format(&p->addr, text), p->len, strerror(-err));
}

static void raise_all(struct agent *a, const struct guards *g)
{
	for (size_t i = 0; i < g->n; i++) {
		int err = rtnl_guard_add(a->rtnl, &g->p[i].addr, g->p[i].len);

		if (err)
			tell_error(&g->p[i], err);
	}
}

static void drop_others(struct agent *a, const struct guards *old, const struct guards *due)
{
	for (size_t i = 0; i < old->n; i++)
		if (!has(due, &old->p[i]))
			rtnl_guard_del(a->rtnl, &old->p[i].addr, old->p[i].len);
}

void guards_load(struct agent *a, const struct ike_cfg *old)
{
	struct guards due = { 0 }, before = { 0 };

	shield_sync(a);
	put_due(&due, a);
	if (old)
		put_all(&before, old);
	raise_all(a, &due);
	drop_others(a, &before, &due);
	free(due.p);
	free(before.p);
}

void guards_conn(struct agent *a, const char *conn)
{
	const struct ike_conn_cfg *c = agent_conn(a, conn);
	struct guards due = { 0 }, own = { 0 };

	shield_sync(a);
	put_due(&due, a);
	if (c)
		put_conn(&own, c);
	for (size_t i = 0; i < own.n; i++) {
		struct guards one = { .n = 1, .p = &own.p[i] };

		if (has(&due, &own.p[i]))
			raise_all(a, &one);
	}
	drop_others(a, &own, &due);
	free(due.p);
	free(own.p);
}
