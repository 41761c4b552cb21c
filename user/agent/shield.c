/* SPDX-License-Identifier: GPL-2.0-only */
/* Traffic of this host that policy protects in transport mode. No route leads it to the engine: its
 * addresses are those of the uplinks. The shield on the uplinks (bpf/lib/shield.h) takes it there,
 * whether there is an SA or not, and lets nothing of it in or out in clear text.
 *
 * That is what the guards stand for (guards.c), for the same connections and as long; and, of every
 * Child SA there is, its selectors, for some time longer than it. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <event2/event.h>

#include "base/log.h"
#include "agent.h"

/* Until flows of before have ended. */
#define LINGER_USEC (120 * USEC_PER_SEC)

/* Of as many peers as there may be, several. */
enum { LINGER_MAX = 65536 };

struct rules {
	size_t n, cap;
	bool lacks; /* there was no memory for one */
	struct dp_shield_rule *r;
};

/* Selectors of an SA that is gone or has others. */
struct shield_old {
	struct list node;
	struct hash_node by_rule;
	struct dp_shield_rule rule;
	usec_t until;
};

static bool same_rule(const struct dp_shield_rule *a, const struct dp_shield_rule *b)
{
	return addr_equal(&a->local, &b->local) && addr_equal(&a->remote, &b->remote) &&
	       a->protocol == b->protocol && a->local_first == b->local_first &&
	       a->local_last == b->local_last && a->remote_first == b->remote_first &&
	       a->remote_last == b->remote_last;
}

static void put(struct rules *g, const struct dp_shield_rule *rule)
{
	if (g->n == g->cap) {
		size_t cap = g->cap ? 2 * g->cap : 16;
		struct dp_shield_rule *more = reallocarray(g->r, cap, sizeof(*more));

		if (!more) {
			g->lacks = true;
			return;
		}
		g->r = more;
		g->cap = cap;
	}
	g->r[g->n++] = *rule;
}

/* One selector of each side. False: no packet fits both. */
static bool rule_of(const struct ike_ts *local, const struct ike_ts *remote,
		    struct dp_shield_rule *ret)
{
	if (local->protocol && remote->protocol && local->protocol != remote->protocol)
		return false;
	*ret = (struct dp_shield_rule){
		.protocol = local->protocol ? local->protocol : remote->protocol,
		.local_first = local->port_first,
		.local_last = local->port_last,
		.remote_first = remote->port_first,
		.remote_last = remote->port_last,
	};
	if (!local->dynamic)
		ret->local = local->first;
	if (!remote->dynamic)
		ret->remote = remote->first;
	return true;
}

static void put_pair(struct rules *g, const struct ike_conn_cfg *c, const struct ike_ts *local,
		     const struct ike_ts *remote)
{
	struct dp_shield_rule rule;

	if (!rule_of(local, remote, &rule))
		return;
	if (!remote->dynamic) {
		put(g, &rule);
		return;
	}
	for (uint8_t i = 0; i < c->n_remote_addrs; i++) {
		rule.remote = c->remote_addrs[i];
		put(g, &rule);
	}
}

static void put_child_cfg(struct rules *g, const struct ike_conn_cfg *c,
			  const struct ike_child_cfg *child)
{
	for (uint8_t l = 0; l < child->n_local_ts; l++)
		for (uint8_t r = 0; r < child->n_remote_ts; r++)
			put_pair(g, c, &child->local_ts[l], &child->remote_ts[r]);
}

static void put_configured(struct rules *g, const struct agent *a)
{
	const struct ike_cfg *cfg = &a->conf->ike;

	for (uint16_t i = 0; i < cfg->n_conns; i++)
		for (uint8_t k = 0; k < cfg->conns[i].n_children; k++)
			if (cfg->conns[i].children[k].mode == CHILD_TRANSPORT &&
			    guards_due(a, &cfg->conns[i], &cfg->conns[i].children[k]))
				put_child_cfg(g, &cfg->conns[i], &cfg->conns[i].children[k]);
}

static void put_pairs(struct rules *g, const struct ike_ts *local, uint8_t n_local,
		      const struct ike_ts *remote, uint8_t n_remote)
{
	struct dp_shield_rule rule;

	for (uint8_t l = 0; l < n_local; l++)
		for (uint8_t r = 0; r < n_remote; r++)
			if (rule_of(&local[l], &remote[r], &rule))
				put(g, &rule);
}

static void put_selectors(struct rules *g, const struct child *c)
{
	put_pairs(g, c->ts_local, c->n_ts_local, c->ts_remote, c->n_ts_remote);
}

static void put_installed(struct rules *g, const struct agent *a)
{
	list_for_each (it, &a->peers) {
		const struct peer *p = list_entry(it, struct peer, node);

		list_for_each (ci, &p->children) {
			const struct child *c = list_entry(ci, struct child, node);

			if (c->mode == CHILD_TRANSPORT)
				put_selectors(g, c);
		}
	}
}

/* ---- what was ---- */

static uint64_t rule_key(const struct dp_shield_rule *r)
{
	const uint16_t ports[] = { r->protocol, r->local_first, r->local_last, r->remote_first,
				   r->remote_last };

	return hash_octets(r->remote.b, sizeof(r->remote.b)) +
	       31 * hash_octets(r->local.b, sizeof(r->local.b)) + hash_octets(ports, sizeof(ports));
}

static void linger_one(struct agent *a, const struct dp_shield_rule *rule, usec_t until)
{
	uint64_t key = rule_key(rule);
	struct shield_old *o;

	hash_for_each (it, next, &a->shield_rules, key) {
		o = hash_entry(it, struct shield_old, by_rule);
		if (!same_rule(&o->rule, rule))
			continue;
		o->until = o->until > until ? o->until : until;
		return;
	}
	o = a->n_shield_old < LINGER_MAX ? calloc(1, sizeof(*o)) : NULL;
	if (!o) {
		log_error("transport mode: traffic of a Child SA that is gone may leave in clear "
			  "text: too many have gone at once");
		return;
	}
	o->rule = *rule;
	o->until = until;
	list_append(&a->shield_old, &o->node);
	hash_add(&a->shield_rules, &o->by_rule, key);
	a->n_shield_old++;
}

static void put_old(struct rules *g, struct agent *a, usec_t now)
{
	usec_t next = USEC_NEVER;

	list_for_each_safe (it, tmp, &a->shield_old) {
		struct shield_old *o = list_entry(it, struct shield_old, node);

		if (now >= o->until) {
			list_remove(&o->node);
			hash_remove(&a->shield_rules, &o->by_rule);
			a->n_shield_old--;
			free(o);
			continue;
		}
		put(g, &o->rule);
		next = o->until < next ? o->until : next;
	}
	if (next != USEC_NEVER)
		agent_timer(a->shield_timer, next - now);
}

void shield_child(struct agent *a, const struct child *c, usec_t grace)
{
	struct rules g = { 0 };

	if (c->mode != CHILD_TRANSPORT)
		return;
	if (grace)
		put_selectors(&g, c);
	for (size_t i = 0; i < g.n; i++)
		linger_one(a, &g.r[i], agent_now() + grace);
	free(g.r);
	shield_soon(a);
}

void shield_child_gone(struct agent *a, const struct child *c)
{
	shield_child(a, c, LINGER_USEC);
}

/* ---- into the data plane ---- */

static int attach(struct agent *a, struct uplink *u, bool on)
{
	int err;

	if (!u->ifindex || (u->shield_of == u->ifindex && u->shielded == on))
		return 0;
	err = on ? dp_shield_attach(a->dp, u->ifindex) : dp_shield_detach(a->dp, u->ifindex);
	if (err && on)
		log_error("uplink %s: what transport mode protects may leave in clear text: the "
			  "shield cannot be attached: %s",
			  u->name, strerror(-err));
	u->shield_of = err ? 0 : u->ifindex;
	u->shielded = on;
	return err;
}

void shield_leave(struct agent *a, struct uplink *u)
{
	if (u->shield_of && u->shielded)
		dp_shield_detach(a->dp, u->shield_of);
	u->shield_of = 0;
}

/* The engine's device lets in what its own route does not lead to. */
static void device(struct agent *a, bool on)
{
	uint32_t ifindex = on && !a->stopping ? a->tun_ifindex : 0;
	int err = dp_shield_device(a->dp, ifindex);

	a->shield_device = err ? 0 : ifindex;
	if (!err && ifindex && a->loose_ifindex != ifindex) {
		err = rtnl_link_loose(a->rtnl, ifindex);
		a->loose_ifindex = ifindex;
	}
	if (err)
		log_error("transport mode: the engine's device cannot be prepared: %s",
			  strerror(-err));
}

void shield_sync(struct agent *a)
{
	struct rules g = { 0 };
	int err;

	put_configured(&g, a);
	put_installed(&g, a);
	if (!a->stopping)
		put_old(&g, a, agent_now());
	if (g.lacks) {
		/* better what was in force than a part of what shall be */
		log_error("transport mode: out of memory; policy stays as it was for now");
		agent_timer(a->shield_timer, USEC_PER_SEC);
		free(g.r);
		return;
	}
	device(a, g.n > 0);
	err = dp_shield_rules(a->dp, g.r, g.n);
	if (err)
		log_error("transport mode: policy is not in force: %s; traffic may leave in clear "
			  "text",
			  strerror(-err));
	for (size_t i = 0; i < a->n_uplinks; i++)
		attach(a, &a->uplinks[i], g.n > 0);
	free(g.r);
}

int shield_ahead(struct agent *a, enum child_mode mode, const struct ike_ts *local, uint8_t n_local,
		 const struct ike_ts *remote, uint8_t n_remote)
{
	struct rules g = { 0 };
	int err = 0;

	if (mode != CHILD_TRANSPORT)
		return 0;
	put_pairs(&g, local, n_local, remote, n_remote);
	if (g.lacks)
		err = -ENOMEM;
	for (size_t i = 0; !err && i < g.n; i++)
		err = dp_shield_rule_add(a->dp, &g.r[i]);
	free(g.r);
	if (!err && a->shield_device != a->tun_ifindex)
		device(a, true);
	for (size_t i = 0; !err && i < a->n_uplinks; i++) {
		err = attach(a, &a->uplinks[i], true);
		err = err == -ENODEV ? 0 : err; /* nothing leaves by what has gone */
	}
	shield_soon(a);
	return err;
}

void shield_soon(struct agent *a)
{
	agent_timer(a->shield_timer, 0);
}

static void on_timer(evutil_socket_t fd, short what, void *ctx)
{
	(void)fd;
	(void)what;
	shield_sync(ctx);
}

static void found(void *ctx, const struct dp_shield_rule *rule)
{
	linger_one(ctx, rule, agent_now() + LINGER_USEC);
}

void shield_recall(struct agent *a)
{
	if (a->taken_over)
		dp_shield_each(a->dp, found, a);
}

int shield_open(struct agent *a)
{
	a->shield_timer = evtimer_new(a->base, on_timer, a);
	return a->shield_timer ? 0 : -ENOMEM;
}

void shield_close(struct agent *a)
{
	list_for_each_safe (it, tmp, &a->shield_old)
		free(list_entry(it, struct shield_old, node));
	list_init(&a->shield_old);
	hash_clear(&a->shield_rules);
}
