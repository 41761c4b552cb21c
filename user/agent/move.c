/* SPDX-License-Identifier: GPL-2.0-only */
/* A relation with one path, to any peer that knows MOBIKE (RFC 4555): which pair of addresses it
 * uses. The initiator decides. The Child SAs go with the path's record, by one store; the peer
 * hears of it afterwards. Between braid peers with several paths the probes decide instead. */
#include "base/log.h"
#include "agent.h"

static struct path *main_path(const struct peer *p)
{
	struct path *only = NULL;

	list_for_each (it, &p->paths) {
		struct path *path = list_entry(it, struct path, node);

		if (only)
			return NULL;
		only = path;
	}
	return only;
}

static bool same_pair(const struct ike_path *a, const struct ike_path *b)
{
	return addr_equal(&a->local.ip, &b->local.ip) && addr_equal(&a->remote.ip, &b->remote.ip);
}

static void move(struct agent *a, struct peer *p, const struct ike_path *pair, const char *why)
{
	char from[ADDR_STR], to[ADDR_STR];
	struct ike_path now = *pair;

	/* ports as they are: 4500, but for peers without NAT traversal */
	now.local.port = p->ike_path.local.port;
	now.remote.port = p->ike_path.remote.port;
	log_info("%s: %s; it moves to %s, %s", p->conn, why, addr_format(&now.local.ip, from),
		 addr_format(&now.remote.ip, to));
	if (ike_path_change(a->ike, p->family, &now, agent_now()) == 0)
		p->ike_path = now;
}

void move_run(struct agent *a, struct peer *p)
{
	const struct path *path = main_path(p);
	const struct ike_conn_cfg *c = path && path->gone ? agent_conn(a, p->conn) : NULL;
	struct ike_path pairs[CONN_PAIRS_MAX];
	size_t n;

	if (!c || !ike_can_move(a->ike, p->family))
		return;
	n = conns_pairs(a, c, pairs);
	for (size_t i = 0; i < n; i++) {
		if (same_pair(&pairs[i], &p->ike_path))
			continue;
		move(a, p, &pairs[i], path->why);
		return;
	}
}
