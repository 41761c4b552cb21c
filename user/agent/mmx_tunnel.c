/* SPDX-License-Identifier: GPL-2.0-only */
/* tunnels = each, where the peer has given several inner addresses at set-up: the first Child SA
 * has the first of them and is bound to the pair of addresses that IKE begins with; each other
 * uplink gets Child SAs of its own with the next one. So it is in transport mode, with the uplink's
 * own address. What comes later is derived (mmx_plan.h). */
#include <errno.h>
#include <string.h>

#include "mmx_steer_impl.h"

static bool is_each(const struct ike_conn_cfg *c)
{
	return c && c->multipath == IKE_MULTIPATH_MMX && c->tunnels == IKE_TUNNELS_EACH;
}

static bool several(const struct ike_conn_cfg *c)
{
	return is_each(c) && c->n_vips > 1 && !ike_conn_transport(c);
}

static bool transport(const struct ike_conn_cfg *c)
{
	return is_each(c) && ike_conn_transport(c);
}

static uint64_t line_of(const struct agent *a, const char *conn)
{
	list_for_each (it, &a->peers) {
		const struct peer *p = list_entry(it, struct peer, node);

		if (p->role_i && !strcmp(p->conn, conn))
			return p->line;
	}
	return 0;
}

int mmx_tunnel_first(struct agent *a, const char *conn, const char *child_or_null,
		     const struct ike_path *path, uint32_t op)
{
	const struct ike_conn_cfg *c = agent_conn(a, conn);
	struct ike_outer_wish w = { .mode = MMX_OUTER_SINGLE };
	bool bound = several(c) || transport(c);
	uint64_t line = bound ? line_of(a, conn) : 0;
	int err = -EOPNOTSUPP;

	if (line && child_or_null && ike_mmx_on(a->ike, line, NULL)) {
		if (agent_child_up(a, conn, child_or_null))
			return -EALREADY;
		w.inner = several(c);
		err = ike_up_line_outer(a->ike, line, child_or_null, &w, op, agent_now());
	} else if (bound && !line) {
		err = ike_up_outer(a->ike, conn, child_or_null, path, &w, op, agent_now());
	}
	return err == -EOPNOTSUPP || err == -EALREADY
		       ? ike_up(a->ike, conn, child_or_null, path, op, agent_now())
		       : err;
}

static bool has_inner(const struct peer *p, const struct addr *inner)
{
	list_for_each (it, &p->children) {
		const struct child *c = list_entry(it, struct child, node);

		for (uint8_t i = 0; i < c->n_ts_local; i++)
			if (c->ts_local[i].first.family == inner->family &&
			    addr_cmp(&c->ts_local[i].first, inner) <= 0 &&
			    addr_cmp(inner, &c->ts_local[i].last) <= 0)
				return true;
	}
	return false;
}

/* The first that no Child SA has, counted from 1; 0: all have. */
static uint8_t free_inner(const struct agent *a, const struct peer *p)
{
	struct ike_sa_info i;

	for (const struct ike_sa *sa = ike_sa_of(a->ike, p->conn, NULL); sa;
	     sa = ike_sa_of(a->ike, p->conn, sa)) {
		ike_sa_look(sa, &i);
		for (uint8_t k = 0; i.line == p->line && k < i.n_vips; k++)
			if (!has_inner(p, &i.vips[k]))
				return (uint8_t)(k + 1);
	}
	return 0;
}

/* Was it there when the relation began? */
static bool from_the_start(const struct mmx_look *k, uint16_t own)
{
	for (size_t i = 0; i < k->s->n_up; i++)
		if (k->s->up[i].epid == own)
			return !k->s->up[i].since;
	return false;
}

static bool is_there(const struct mmx_look *k, uint16_t own, const char *name)
{
	uint16_t ifid = 0;

	for (unsigned i = 0; i < k->n_own; i++)
		if (k->own[i].epid == own)
			ifid = k->uplinks[i]->ifid;
	list_for_each (it, &k->p->children) {
		const struct child *c = list_entry(it, struct child, node);

		if (c->home == ifid && !strcmp(c->name, name))
			return true;
	}
	return false;
}

int mmx_tunnel_new(struct agent *a, const struct mmx_look *k, uint16_t own, uint16_t peer,
		   uint32_t op)
{
	const struct ike_conn_cfg *c = agent_conn(a, k->p->conn);
	struct ike_outer_wish w = {
		.mode = MMX_OUTER_SINGLE,
		.strict = true,
		.n_own = 1,
		.n_peer = 1,
		.own = { own },
		.peer = { peer },
		.inner = several(c) ? free_inner(a, k->p) : 0,
	};
	int err = -ENOENT, first = -ENOENT;

	if (!(k->plan.caps & MMX_CAP_OUTER) ||
	    (!w.inner && !(transport(c) && from_the_start(k, own))))
		return -ENOENT;
	for (uint8_t i = 0; i < c->n_children; i++) {
		const char *name = c->children[i].name;

		if (!agent_child_up(a, c->name, name) || conns_held(a, c->name, name) ||
		    (transport(c) && is_there(k, own, name)))
			continue;
		err = ike_up_line_outer(a->ike, k->p->line, name, &w, op, k->now);
		first = first == -ENOENT ? err : first;
	}
	return first;
}
