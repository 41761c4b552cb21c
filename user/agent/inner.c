/* SPDX-License-Identifier: GPL-2.0-only */
/* Addresses and routes on the TUN device: what makes inner traffic reach the engine. */
#include <errno.h>
#include <string.h>

#include "base/log.h"
#include "agent.h"

enum { PREFIXES_MAX = 64 };

struct prefix {
	struct addr addr;
	uint8_t len;
};

/* A range as prefixes. All addresses (0/0) become two halves, so that the host's default route,
 * which the uplinks need, stays. Returns how many; what does not fit is left out (0: nothing). */
static size_t range_prefixes(const struct addr *first, const struct addr *last, struct prefix *out,
			     size_t max)
{
	uint8_t bits = (uint8_t)(addr_len(first) * 8);
	struct addr at = *first;
	size_t n = 0;

	for (;;) {
		struct addr lo, hi;
		uint8_t len = bits;

		/* the largest block that starts here and ends within the range */
		while (len > 1) {
			addr_prefix_range(&at, (uint8_t)(len - 1), &lo, &hi);
			if (!addr_equal(&lo, &at) || addr_cmp(&hi, last) > 0)
				break;
			len--;
		}
		if (n == max)
			return 0;
		out[n++] = (struct prefix){ at, len };
		addr_prefix_range(&at, len, &lo, &hi);
		if (addr_cmp(&hi, last) >= 0 || !addr_next(&hi))
			return n;
		at = hi;
	}
}

static void route(struct agent *a, const struct ike_ts *ts, bool add, const struct addr *src)
{
	struct prefix p[PREFIXES_MAX];
	size_t n = range_prefixes(&ts->first, &ts->last, p, PREFIXES_MAX);
	char text[ADDR_STR];

	if (!n)
		log_warning("remote range from %s has no short list of prefixes: add routes to the "
			    "TUN device by hand",
			    addr_format(&ts->first, text));
	for (size_t i = 0; i < n; i++) {
		int err = add ? rtnl_route_add(a->rtnl, &p[i].addr, p[i].len, a->tun_ifindex, src)
			      : rtnl_route_del(a->rtnl, &p[i].addr, p[i].len, a->tun_ifindex);

		if (err)
			log_warning("route %s/%u by the TUN device: %s",
				    addr_format(&p[i].addr, text), p[i].len, strerror(-err));
	}
}

/* ---- guards ---- */

static bool range_covers(const struct addr *first, const struct addr *last, const struct addr *a)
{
	return a->family == first->family && addr_cmp(a, first) >= 0 && addr_cmp(a, last) <= 0;
}

static void guard_set(struct agent *a, const struct prefix *p, bool add)
{
	char text[ADDR_STR];
	int err = add ? rtnl_guard_add(a->rtnl, &p->addr, p->len)
		      : rtnl_guard_del(a->rtnl, &p->addr, p->len);

	if (err)
		log_warning("guard for %s/%u: %s; without a tunnel traffic to it may leave in "
			    "clear text",
			    addr_format(&p->addr, text), p->len, strerror(-err));
}

/* Told each range of addresses that asks for guards. */
typedef void guard_fn(void *ctx, const struct addr *first, const struct addr *last);

static void each_pool(const struct conf *conf, guard_fn *fn, void *ctx)
{
	for (uint16_t i = 0; i < conf->ike.n_pools; i++)
		fn(ctx, &conf->ike.pools[i].first, &conf->ike.pools[i].last);
}

static void each_selector(const struct ike_conn_cfg *c, const struct ike_child_cfg *child,
			  guard_fn *fn, void *ctx)
{
	for (uint8_t i = 0; i < child->n_remote_ts; i++) {
		const struct ike_ts *ts = &child->remote_ts[i];
		bool peer = ts->dynamic;

		for (uint8_t k = 0; k < c->n_remote_addrs; k++)
			peer |= range_covers(&ts->first, &ts->last, &c->remote_addrs[k]);
		/* Over the peer's own addresses a guard would stop IKE itself. */
		if (!peer)
			fn(ctx, &ts->first, &ts->last);
	}
}

static bool conn_begun(struct agent *a, const char *conn)
{
	struct ike_sa_info info;

	for (size_t i = 0; i < ike_sa_count(a->ike); i++)
		if (ike_sa_at(a->ike, i, &info) && info.role_i && !strcmp(info.conn, conn))
			return true;
	return false;
}

static bool is_child(const struct ike_conn_cfg *c, const struct ike_child_cfg *child,
		     const char *conn, const char *name)
{
	return conn && !strcmp(c->name, conn) && (!name || !strcmp(child->name, name));
}

/* Guards to be put up or taken down; on the way down what somebody else wants stays. */
struct change {
	struct agent *a;
	bool add, any;		  /* any: whatever the configuration names counts as wanted */
	const char *conn, *child; /* taken down by the operator; NULL: nothing, all children */
};

/* Every range that is protected now: by the configuration itself (pools, start_action = start), or
 * since we began the connection. But for what the operator takes down. */
static void each_wanted(const struct change *g, guard_fn *fn, void *ctx)
{
	struct agent *a = g->a;

	each_pool(a->conf, fn, ctx);
	for (uint16_t i = 0; i < a->conf->ike.n_conns; i++) {
		const struct ike_conn_cfg *c = &a->conf->ike.conns[i];
		bool begun = g->any || (!a->stopping && conn_begun(a, c->name));

		for (uint8_t k = 0; k < c->n_children; k++) {
			const struct ike_child_cfg *child = &c->children[k];

			if (child->start == START_START ||
			    (begun && !is_child(c, child, g->conn, g->child)))
				each_selector(c, child, fn, ctx);
		}
	}
}

struct search {
	struct prefix p;
	bool found;
};

static void find_prefix(void *ctx, const struct addr *first, const struct addr *last)
{
	struct prefix p[PREFIXES_MAX];
	struct search *s = ctx;
	size_t n = range_prefixes(first, last, p, PREFIXES_MAX);

	for (size_t i = 0; i < n; i++)
		s->found |= p[i].len == s->p.len && addr_equal(&p[i].addr, &s->p.addr);
}

static void change_range(void *ctx, const struct addr *first, const struct addr *last)
{
	const struct change *g = ctx;
	struct prefix p[PREFIXES_MAX];
	size_t n = range_prefixes(first, last, p, PREFIXES_MAX);

	for (size_t i = 0; i < n; i++) {
		struct search s = { .p = p[i] };

		if (!g->add)
			each_wanted(g, find_prefix, &s);
		if (!s.found)
			guard_set(g->a, &p[i], g->add);
	}
}

void guard_conn(struct agent *a, const char *conn, const char *child, bool add)
{
	struct change g = { .a = a, .add = add, .conn = conn, .child = child };
	const struct ike_conn_cfg *c = agent_conn(a, conn);

	for (uint8_t i = 0; c && i < c->n_children; i++)
		if (is_child(c, &c->children[i], conn, child))
			each_selector(c, &c->children[i], change_range, &g);
}

void guard_wanted(struct agent *a)
{
	struct change g = { .a = a, .add = true };

	each_wanted(&g, change_range, &g);
}

void guard_prune(struct agent *a, const struct conf *old)
{
	struct change g = { .a = a };

	each_pool(old, change_range, &g);
	for (uint16_t i = 0; i < old->ike.n_conns; i++) {
		const struct ike_conn_cfg *c = &old->ike.conns[i];

		for (uint8_t k = 0; k < c->n_children; k++) {
			/* The operator's wish outlives a connection that failed, and a reload. */
			g.any = !a->stopping && c->children[k].start != START_START;
			each_selector(c, &c->children[k], change_range, &g);
		}
	}
}

/* ---- Child SAs ---- */

/* Source address of the host's own traffic into the tunnel: virtual, or one that the local
 * selectors cover. */
static bool source_for(struct agent *a, const struct child *c, const struct ike_ts *local,
		       uint8_t n_local, uint8_t family, struct addr *ret)
{
	for (uint8_t i = 0; i < c->n_vips; i++) {
		if (c->vips[i].family == family) {
			*ret = c->vips[i];
			return true;
		}
	}
	for (uint8_t i = 0; i < n_local; i++)
		if (local[i].first.family == family &&
		    rtnl_addr_in_range(a->rtnl, &local[i].first, &local[i].last, a->tun_ifindex,
				       ret))
			return true;
	return false;
}

void inner_add(struct agent *a, const struct child *c, const struct ike_ts *local, uint8_t n_local)
{
	char text[ADDR_STR];

	for (uint8_t i = 0; i < c->n_vips; i++) {
		uint8_t bits = (uint8_t)(addr_len(&c->vips[i]) * 8);
		int err = rtnl_addr_add(a->rtnl, a->tun_ifindex, &c->vips[i], bits);

		if (err)
			log_warning("virtual address %s: %s", addr_format(&c->vips[i], text),
				    strerror(-err));
	}
	for (uint8_t i = 0; i < c->n_ts_remote; i++) {
		struct addr src;
		bool have = source_for(a, c, local, n_local, c->ts_remote[i].first.family, &src);

		route(a, &c->ts_remote[i], true, have ? &src : NULL);
	}
}

static bool range_used(struct agent *a, const struct ike_ts *ts)
{
	list_for_each (it, &a->peers) {
		struct peer *p = list_entry(it, struct peer, node);

		list_for_each (ci, &p->children) {
			struct child *c = list_entry(ci, struct child, node);

			for (uint8_t i = 0; i < c->n_ts_remote; i++)
				if (addr_equal(&c->ts_remote[i].first, &ts->first) &&
				    addr_equal(&c->ts_remote[i].last, &ts->last))
					return true;
		}
	}
	return false;
}

static bool vip_used(struct agent *a, const struct addr *vip)
{
	list_for_each (it, &a->peers) {
		struct peer *p = list_entry(it, struct peer, node);

		list_for_each (ci, &p->children) {
			struct child *c = list_entry(ci, struct child, node);

			for (uint8_t i = 0; i < c->n_vips; i++)
				if (addr_equal(&c->vips[i], vip))
					return true;
		}
	}
	return false;
}

/* c is out of its peer's list already: a rekeyed twin keeps what it shares. */
void inner_del(struct agent *a, const struct child *c)
{
	for (uint8_t i = 0; i < c->n_ts_remote; i++)
		if (!range_used(a, &c->ts_remote[i]))
			route(a, &c->ts_remote[i], false, NULL);
	for (uint8_t i = 0; i < c->n_vips; i++)
		if (!vip_used(a, &c->vips[i]))
			rtnl_addr_del(a->rtnl, a->tun_ifindex, &c->vips[i],
				      (uint8_t)(addr_len(&c->vips[i]) * 8));
}
