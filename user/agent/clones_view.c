/* SPDX-License-Identifier: GPL-2.0-only */
/* An IKE SA for each path: which lines and which pairs of addresses there are, and which lines
 * work. */
#include <string.h>

#include "clones_impl.h"
#include "mmx_agent.h"

bool clones_asked(const struct ike_conn_cfg *c)
{
	return c && c->n_remote_addrs &&
	       (c->multipath == IKE_MULTIPATH_CLONE || c->multipath == IKE_MULTIPATH_MMX);
}

bool clones_line_works(const struct peer *p)
{
	if (list_empty(&p->children))
		return false;
	list_for_each (it, &p->paths) {
		const struct path *path = list_entry(it, struct path, node);

		if (path->main && !path->gone && path_works(path))
			return true;
	}
	return false;
}

bool clones_steer(const struct agent *a, const struct peer *p)
{
	const struct ike_conn_cfg *c = agent_conn(a, p->conn);

	return p->role_i && clones_asked(c) && !mmx_steers(a, p) &&
	       (c->clone_fallback == IKE_FALLBACK_IKE_SAS ||
		(ike_can_move(a->ike, p->line) && ike_can_clone(a->ike, p->line)));
}

bool clones_wait(const struct agent *a, const struct peer *p)
{
	/* R cannot know what I has in mind for them; the flows of an inner address are its line's
	 * alone */
	if (p->role_i && (!clones_steer(a, p) || agent_conn(a, p->conn)->vips_per_line))
		return false;
	list_for_each (it, &p->family->lines) {
		const struct peer *o = list_entry(it, struct peer, in_family);

		if (o != p && family_shares(o, p) && clones_line_works(o))
			return true;
	}
	return false;
}

bool clones_ask(struct agent *a, const struct peer *p)
{
	if (!clones_wait(a, p))
		return false;
	list_for_each (it, &p->family->lines) {
		const struct peer *o = list_entry(it, struct peer, in_family);
		struct ike_path to;

		if (o == p || !family_shares(o, p) || !clones_line_works(o))
			continue;
		to = move_with_ports(a, p, &o->ike_path);
		ike_try_path(a->ike, p->line, &to, agent_now());
		break;
	}
	return true;
}

static void view_line(struct agent *a, const struct ike_sa *sa, struct clones_view *v)
{
	struct ike_sa_info info;
	size_t i = 0;

	ike_sa_look(sa, &info);
	if (!info.role_i || v->n == IKE_SAS_MAX)
		return;
	if (strcmp(info.state, "ESTABLISHED") && strcmp(info.state, "REKEYING")) {
		if (v->n_ending < IKE_SAS_MAX)
			v->ending[v->n_ending++] = info.line;
		return;
	}
	while (i < v->n && v->lines[i].line < info.line)
		i++;
	if (i < v->n && v->lines[i].line == info.line)
		return;
	memmove(&v->lines[i + 1], &v->lines[i], (v->n - i) * sizeof(v->lines[0]));
	v->lines[i].line = info.line;
	v->lines[i].pair = info.path;
	v->lines[i].p = peer_find(a, info.line);
	v->lines[i].can = info.clone_ok && info.mobike;
	v->mmx |= v->c->multipath == IKE_MULTIPATH_MMX && ike_mmx_on(a->ike, info.line, NULL);
	v->n++;
}

void clones_view(struct agent *a, const struct ike_conn_cfg *c, struct clones_view *v)
{
	const struct addrs none = { .n = 0 };

	*v = (struct clones_view){ .c = c };
	for (const struct ike_sa *sa = ike_sa_of(a->ike, c->name, NULL); sa;
	     sa = ike_sa_of(a->ike, c->name, sa))
		view_line(a, sa, v);
	if (!v->n)
		return;
	v->told.n = ike_peer_addrs(a->ike, v->lines[0].line, v->told.list);
	/* what the peer tells of is for moves, not for more of them */
	v->n_pairs = conns_pairs(a, c, &none, v->pairs);
}

bool clones_view_works(const struct clones_view *v, size_t line)
{
	return v->lines[line].p && clones_line_works(v->lines[line].p);
}

size_t clones_view_source(const struct clones_view *v)
{
	size_t any = v->n;

	for (size_t i = 0; i < v->n; i++) {
		if (clones_view_works(v, i))
			return i;
		if (any == v->n && v->lines[i].p)
			any = i;
	}
	return any;
}

bool clones_view_has(const struct clones_view *v, const struct ike_path *pair)
{
	for (size_t i = 0; i < v->n_pairs; i++)
		if (same_pair(&v->pairs[i], pair) && v->pairs[i].ifindex == pair->ifindex)
			return true;
	return false;
}

static bool remote_known(const struct clones_view *v, const struct addr *remote)
{
	for (size_t i = 0; i < v->c->n_remote_addrs; i++)
		if (addr_equal(&v->c->remote_addrs[i], remote))
			return true;
	for (size_t i = 0; i < v->told.n; i++)
		if (addr_equal(&v->told.list[i], remote))
			return true;
	return false;
}

bool clones_pair_stays(struct agent *a, const struct clones_view *v, const struct ike_path *pair)
{
	const struct uplink *u = uplink_of(a, pair->ifindex);

	if (clones_view_has(v, pair))
		return true;
	if (!u || !remote_known(v, &pair->remote.ip) ||
	    !path_pair_wanted(a, v->c, u, &pair->remote.ip) ||
	    !conns_local_allowed(a, v->c, u, &pair->local.ip))
		return false;
	for (size_t i = 0; i < u->n_eps; i++)
		if (addr_equal(&u->eps[i].addr, &pair->local.ip))
			return true;
	return false;
}

bool clones_view_ends(const struct clones_view *v, uint64_t line)
{
	for (size_t i = 0; i < v->n_ending; i++)
		if (v->ending[i] == line)
			return true;
	return false;
}

size_t clones_view_find(const struct clones_view *v, uint64_t line)
{
	size_t i = 0;

	while (i < v->n && v->lines[i].line != line)
		i++;
	return i;
}
