/* SPDX-License-Identifier: GPL-2.0-only */
/* What paths are called: the ids of their endpoints on the wire, and the name that operators use.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "bindings.h"

static uint64_t name_key(const char *name)
{
	return hash_octets(name, strlen(name));
}

struct path *path_by_name(struct agent *a, const char *conn, const char *name)
{
	hash_for_each (it, tmp, &a->path_names, name_key(name)) {
		struct path *path = hash_entry(it, struct path, by_name);

		if (!strcmp(path->name, name) && (!conn || !strcmp(conn, path->peer->conn)))
			return path;
	}
	return NULL;
}

static uint16_t own_epid(struct agent *a, const struct path *p)
{
	const struct uplink *u = p->uplink >= 0 ? &a->uplinks[p->uplink] : NULL;

	for (size_t i = 0; u && i < u->n_eps; i++)
		if (addr_equal(&u->eps[i].addr, &p->local.ip))
			return u->eps[i].epid;
	return 0;
}

/* The initiator numbers the responder's addresses as its configuration lists them. */
static uint16_t remote_epid(const struct agent *a, const struct peer *p, const struct addr *remote)
{
	const struct ike_conn_cfg *c = agent_conn(a, p->conn);

	for (size_t i = 0; c && i < c->n_remote_addrs; i++)
		if (addr_equal(&c->remote_addrs[i], remote))
			return (uint16_t)(i + 1);
	return 0;
}

void path_label(struct agent *a, struct path *p)
{
	if (bindings_epids(a, p, &p->epid_i, &p->epid_r)) {
		/* both ends know them by these */
	} else if (p->peer->role_i) {
		p->epid_i = own_epid(a, p);
		p->epid_r = remote_epid(a, p->peer, &p->remote.ip);
	} else {
		p->epid_r = own_epid(a, p);
	}
	path_rename(a, p);
}

/* What tells paths of one uplink apart: the other side's endpoint. */
static unsigned label_id(const struct path *p)
{
	return p->peer->role_i ? p->epid_r : p->epid_i;
}

/* NULL: the configuration has no name for that pair. */
static const struct conf_path *named(const struct agent *a, const struct peer *p,
				     const struct uplink *u, const struct addr *remote)
{
	for (size_t i = 0; u && i < a->conf->n_paths; i++) {
		const struct conf_path *cp = &a->conf->paths[i];

		if (!strcmp(cp->conn, p->conn) && !strcmp(cp->uplink, u->cfg.name) &&
		    addr_equal(&cp->remote, remote))
			return cp;
	}
	return NULL;
}

static void conf_name(const struct conf_path *cp, const struct uplink *u,
		      char name[2 * IKE_NAME_MAX])
{
	snprintf(name, 2 * IKE_NAME_MAX, "%s%s%s", cp->name, u->found ? "-" : "",
		 u->found ? u->name : "");
}

void path_pair_name(struct agent *a, struct peer *p, const struct ike_path *pair,
		    char ret_name[2 * IKE_NAME_MAX])
{
	const struct uplink *u = uplink_of(a, pair->ifindex);
	const struct conf_path *cp = named(a, p, u, &pair->remote.ip);

	if (cp)
		conf_name(cp, u, ret_name);
	else
		snprintf(ret_name, 2 * IKE_NAME_MAX, "%s-%u", u ? u->name : "?",
			 remote_epid(a, p, &pair->remote.ip));
}

void path_line_name(const struct peer *p, const char *name, char ret_name[2 * IKE_NAME_MAX])
{
	snprintf(ret_name, 2 * IKE_NAME_MAX, "%.100s#%" PRIu64, name, p->line);
}

/* Is it that of another path of the same family? besides: of the same line does not count. */
static bool taken(const struct path *p, const char *name, const struct peer *besides)
{
	list_for_each (li, &p->peer->family->lines) {
		const struct peer *q = list_entry(li, struct peer, in_family);

		list_for_each (it, &q->paths) {
			const struct path *o = list_entry(it, struct path, node);

			if (o != p && q != besides && !strcmp(o->name, name))
				return true;
		}
	}
	return false;
}

/* Of two lines on one pair, say, who came first has the name, and the other one adds its line to
 * it: for as long as it stays there. False: that name is free. */
static bool name_apart(struct path *p, const char *name, const struct peer *besides)
{
	char apart[2 * IKE_NAME_MAX];

	path_line_name(p->peer, name, apart);
	if (strcmp(p->name, apart) != 0 && !taken(p, name, besides))
		return false;
	memcpy(p->name, apart, sizeof(apart));
	return true;
}

void path_weigh(const struct agent *a, struct path *p)
{
	const struct uplink *u = p->uplink >= 0 ? &a->uplinks[p->uplink] : NULL;
	const struct conf_path *cp = named(a, p->peer, u, &p->remote.ip);

	p->weight = cp && cp->weight ? cp->weight : u && u->cfg.weight ? u->cfg.weight : 1;
}

static void name_find(struct agent *a, struct path *p)
{
	const struct uplink *u = p->uplink >= 0 ? &a->uplinks[p->uplink] : NULL;
	const struct conf_path *cp = named(a, p->peer, u, &p->remote.ip);
	const struct ike_path pair = { p->local, p->remote, p->ifindex };
	const struct standby *s = standby_of(p->peer, &pair);
	struct rtnl_link link = { .name = "?" };
	char name[2 * IKE_NAME_MAX];

	if (s)
		memcpy(name, s->name, sizeof(name));
	else if (cp)
		conf_name(cp, u, name);
	if (s || cp) {
		if (!name_apart(p, name, NULL))
			memcpy(p->name, name, sizeof(name));
		return;
	}
	if (!u)
		rtnl_link_by_index(a->rtnl, p->ifindex, &link);
	snprintf(name, sizeof(name), "%s-%u", u ? u->name : link.name, label_id(p));
	if (name_apart(p, name, p->peer))
		return;
	memcpy(p->name, name, sizeof(name));
	for (unsigned k = 2; k < 10; k++) { /* two addresses of one uplink, say */
		if (!path_by_name(a, p->peer->conn, p->name))
			return;
		snprintf(p->name, sizeof(p->name), "%s-%u.%u", u ? u->name : link.name, label_id(p),
			 k);
	}
	/* many peers of one connection: each has a line of its own, and rarely two such paths */
	snprintf(p->name, sizeof(p->name), "%s-%u.f%" PRIu64, u ? u->name : link.name, label_id(p),
		 p->peer->line);
}

void path_rename(struct agent *a, struct path *p)
{
	/* a path that IKE moves is renamed since it is another one */
	bool preferred = path_is_preferred(p) && !p->peer->standbys;

	hash_remove(&a->path_names, &p->by_name);
	name_find(a, p);
	path_weigh(a, p);
	if (preferred)
		memcpy(p->peer->family->prefer, p->name, sizeof(p->name));
	hash_add(&a->path_names, &p->by_name, name_key(p->name));
}
