/* SPDX-License-Identifier: GPL-2.0-only */
/* Which paths of a peer carry its traffic: the group's record in the maps, which of them the
 * operator prefers, and where the IKE SA itself goes. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "agent.h"

/* ---- preference ---- */

bool path_is_preferred(const struct path *p)
{
	return p->peer->prefer[0] && !strcmp(p->name, p->peer->prefer);
}

/* By name: a path that goes and returns is the same one to the operator. NULL: none is, or it is
 * not in the group now. */
static struct path *preferred(const struct peer *p)
{
	list_for_each (it, &p->paths) {
		struct path *path = list_entry(it, struct path, node);

		if (path->in_group && path_is_preferred(path))
			return path;
	}
	return NULL;
}

/* All but the one the operator prefers stand by (0); without his word what is metered, and what the
 * peer says. */
static uint16_t weight_in_group(const struct path *path, const struct path *first)
{
	if (first)
		return path == first ? path->weight : 0;
	return path->standby || path->peer_standby ? 0 : path->weight;
}

/* Metered paths stand by while the group has others. */
static void standbys(const struct agent *a, struct peer *p)
{
	bool others = false;

	for (int pass = 0; pass < 2; pass++) {
		list_for_each (it, &p->paths) {
			struct path *path = list_entry(it, struct path, node);
			bool metered = path->uplink >= 0 && a->uplinks[path->uplink].cfg.metered;

			path->standby = others && metered;
			others |= path->in_group && !metered;
		}
	}
}

void path_tell_want(struct agent *a, struct path *p)
{
	const struct path *first = preferred(p->peer);
	struct engine_path_want m = { .id = p->id, .want = ENGINE_WANT_USE };

	if (p->disabled)
		m.want = ENGINE_WANT_NOT;
	else if (first ? first != p : p->standby)
		m.want = ENGINE_WANT_STANDBY;
	if (!p->probed || m.want == p->want)
		return;
	if (!engine_request(a, &m.h, ENGINE_PATH_WANT, sizeof(m)))
		p->want = (enum engine_want)m.want;
}

void path_probe_now(struct agent *a, struct path *p)
{
	struct engine_path_want m = { .id = p->id, .want = p->want };

	if (p->probed)
		engine_request(a, &m.h, ENGINE_PATH_WANT, sizeof(m));
}

static void tell_wants(struct agent *a, struct peer *p)
{
	list_for_each (it, &p->paths)
		path_tell_want(a, list_entry(it, struct path, node));
}

/* ---- the record ---- */

void group_sync(struct agent *a, struct peer *p)
{
	const struct path *first = preferred(p);
	struct dp_member members[STEER_MEMBERS_MAX];
	size_t n = 0;
	int err;

	standbys(a, p);
	list_for_each (it, &p->paths) {
		struct path *path = list_entry(it, struct path, node);

		if (!path->in_group || n == STEER_MEMBERS_MAX)
			continue;
		members[n++] = (struct dp_member){ .path = path->id,
						   .line = (uint32_t)p->line,
						   .weight = weight_in_group(path, first) };
	}
	if (!n) {
		if (p->group && list_empty(&p->children)) {
			dp_group_del(a->dp, p->group);
			p->group = 0;
		}
		return; /* with SAs left the old members stay: all of them are down */
	}
	err = dp_group_put(a->dp, p->group, STEER_MODE_FLOW_HASH, members, n, &p->group);
	if (err)
		log_error("%s: paths cannot be grouped: %s", p->conn, strerror(-err));
	tell_wants(a, p);
}

/* ---- what the IKE SA itself uses ---- */

static bool is_ike_pair(const struct peer *p, const struct path *path)
{
	return addr_equal(&path->local.ip, &p->ike_path.local.ip) &&
	       addr_equal(&path->remote.ip, &p->ike_path.remote.ip);
}

/* One that works both ways first, one that is up before one that is degraded, then the one the
 * operator prefers, then the one in use. Two operators may prefer different ones: the initiator's
 * word counts, as in RFC 4555. */
static bool better_for_ike(const struct peer *p, const struct path *path, const struct path *than)
{
	if (than && path->info.one_way != than->info.one_way)
		return than->info.one_way; /* responses come back the same way */
	if (!than || path->state != than->state)
		return !than || path->state < than->state;
	if (p->role_i && path_is_preferred(path) != path_is_preferred(than))
		return path_is_preferred(path);
	return is_ike_pair(p, path);
}

static void ike_moved(struct agent *a, struct peer *p, const struct path *best)
{
	struct decision d = { .by = BY_AGENT, .from = "a path that has gone", .to = best->name };
	char why[PATH_WHY_MAX + 64];

	snprintf(why, sizeof(why), "%s", best->why);
	list_for_each (it, &p->paths) {
		const struct path *path = list_entry(it, struct path, node);

		if (!is_ike_pair(p, path))
			continue;
		d.from = path->name;
		if (path_works(path) && path_is_preferred(best))
			snprintf(why, sizeof(why), "it is preferred");
		else
			snprintf(why, sizeof(why), "the former one is %s: %s",
				 path_state_name(path->state), path->why);
	}
	relation_moves(a, p, "IKE goes on", &d, why);
}

/* Each side moves its own requests; responses go where the request came from. A path that is UP
 * answers probes inside the same relation, so nobody is lured to another address. */
void ike_follow(struct agent *a, struct peer *p)
{
	struct path *best = NULL;

	list_for_each (it, &p->paths) {
		struct path *path = list_entry(it, struct path, node);

		if (path_works(path) && better_for_ike(p, path, best))
			best = path;
	}
	if (!best || is_ike_pair(p, best) || p->moving)
		return;
	struct ike_path to = { best->local, best->remote, best->ifindex };

	if (move_refused(p, &to))
		return;
	if (ike_path_change(a->ike, p->line, &to, agent_now()) == 0) {
		ike_moved(a, p, best);
		p->ike_path = to;
	}
}

/* ---- the operator's word ---- */

void path_prefer(struct agent *a, struct path *p)
{
	struct peer *peer = p->peer;

	if (path_is_preferred(p))
		return;
	snprintf(peer->prefer, sizeof(peer->prefer), "%s", p->name);
	group_sync(a, peer);
	path_said(a, p, CTL_EV_PATH_PREFERRED, BY_OPERATOR,
		  "preferred by the operator: all traffic goes there while it is up");
	ike_follow(a, peer);
}

void path_prefer_none(struct agent *a, struct peer *p)
{
	struct path *was = preferred(p);

	if (!p->prefer[0])
		return;
	p->prefer[0] = '\0';
	group_sync(a, p);
	if (was)
		path_said(a, was, CTL_EV_PATH_PREFERRED, BY_OPERATOR,
			  "preferred no more, by the operator: flows are spread again");
	ike_follow(a, p);
}
