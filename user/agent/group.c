/* SPDX-License-Identifier: GPL-2.0-only */
/* Which paths of a peer carry its traffic: the group's record in the maps, which of them the
 * operator prefers, and where the IKE SA itself goes. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "agent.h"
#include "mmx_agent.h"
#include "steer.h"

/* ---- preference ---- */

/* By name: a path that goes and returns is the same one to the operator. */
bool path_is_preferred(const struct path *p)
{
	const struct peer *peer = p->peer;
	/* one path that moves, or several at once */
	const char *name =
		peer->standbys && peer->family->n_lines < 2 ? peer->prefer : peer->family->prefer;

	return name[0] && !strcmp(p->name, name);
}

void path_tell_want(struct agent *a, struct path *p)
{
	struct engine_path_want m = { .id = p->id, .want = ENGINE_WANT_USE };

	if (p->disabled)
		m.want = ENGINE_WANT_NOT;
	else if (p->standby == MEMBER_METERED || p->standby == MEMBER_OTHER_FIRST)
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

enum { CANDIDATES_MAX = IKE_SAS_MAX * STEER_MEMBERS_MAX };

struct candidates {
	size_t n;
	struct candidate list[CANDIDATES_MAX];
	struct path *paths[CANDIDATES_MAX];
};

uint16_t path_rank(const struct agent *a, const struct path *p)
{
	uint16_t better = 0;

	for (size_t i = 0; i < a->n_uplinks; i++)
		better += p->uplink < 0 || uplink_cmp(&a->uplinks[i], &a->uplinks[p->uplink]) < 0;
	return better;
}

static void candidate_add(const struct agent *a, const struct peer *p, struct path *path,
			  struct candidates *all)
{
	if (all->n == CANDIDATES_MAX)
		return;
	all->paths[all->n] = path;
	all->list[all->n++] = (struct candidate){
		.path = path->id,
		.line = (uint32_t)path->peer->line,
		.local = &path->local.ip,
		.remote = &path->remote.ip,
		.weight = path->weight,
		.rank = path_rank(a, path),
		.usable = path->in_group,
		.works = path_works(path),
		.ending = path->peer->ending,
		.same = path->peer == p || family_shares(path->peer, p),
		.metered = path->uplink >= 0 && a->uplinks[path->uplink].cfg.metered,
		.peer_standby = path->peer_standby,
		.preferred = p->family->prefer[0] && !strcmp(path->name, p->family->prefer),
	};
}

/* The same order for every line. */
static void candidates_of(const struct agent *a, const struct peer *p, struct candidates *all)
{
	all->n = 0;
	list_for_each (li, &p->family->lines) {
		const struct peer *q = list_entry(li, struct peer, in_family);

		list_for_each (it, &q->paths)
			candidate_add(a, p, list_entry(it, struct path, node), all);
	}
	members_choose(all->list, all->n);
	p->family->crowded = false;
	for (size_t i = 0; i < all->n; i++)
		p->family->crowded |= all->list[i].why == MEMBER_FULL;
}

size_t group_shares(const struct agent *a, const struct peer *p, uint32_t *ret_path)
{
	struct candidates all;
	size_t n = 0;

	candidates_of(a, p, &all);
	for (size_t i = 0; i < all.n; i++) {
		if (!all.list[i].share)
			continue;
		*ret_path = all.list[i].path;
		n++;
	}
	return n;
}

/* Lines for the same traffic have equal tables, and one plan: those of the first of them, which is
 * written first. */
static struct peer *first_of_kind(struct agent *a, struct peer *p)
{
	struct peer *first = peer_find(a, p->kind);

	return first && first->family == p->family ? first : p;
}

static void put(struct agent *a, struct peer *p, struct dp_group_want *want, uint32_t like)
{
	int err;

	want->like = like;
	err = dp_group_put(a->dp, p->group, want, &p->group);
	if (err)
		log_error("%s: paths cannot be grouped: %s", p->conn, strerror(-err));
}

void group_write(struct agent *a, struct peer *p)
{
	struct peer *first = first_of_kind(a, p);
	struct candidates all;
	struct dp_member members[STEER_MEMBERS_MAX];
	struct dp_group_want want = { .members = members };
	struct steer_group_in in = {
		.p = p,
		.steer = &first->classes,
		.list = all.list,
		.group = p->group,
		.like = first != p ? first->group : 0,
	};
	bool planned;

	candidates_of(a, p, &all);
	in.n = all.n;
	planned = steer_plan(a, &in, 0, members, &want);
	for (size_t i = 0; i < all.n; i++) {
		const struct candidate *c = &all.list[i];

		if (all.paths[i]->peer == p) {
			all.paths[i]->standby = c->why;
			all.paths[i]->share =
				planned ? steer_share(first->classes, c->path) : c->share;
		}
		if (c->member && !planned)
			members[want.n++] = (struct dp_member){ c->path, c->line, c->share };
	}
	if ((want.n || planned) && !(list_empty(&p->paths) && list_empty(&p->children))) {
		put(a, p, &want, in.like);
		in.group = p->group;
		steer_classes(a, &in);
		tell_wants(a, p);
	} else if (p->group && list_empty(&p->children)) {
		dp_group_del(a->dp, p->group);
		p->group = 0;
	}
	/* else, with SAs left, the old members stay: all of them are down */
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

	if (mmx_steers(a, p))
		return;
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

static void all_follow(struct agent *a, struct family *f)
{
	list_for_each (li, &f->lines)
		ike_follow(a, list_entry(li, struct peer, in_family));
}

void path_prefer(struct agent *a, struct path *p)
{
	struct family *f = p->peer->family;

	if (!strcmp(f->prefer, p->name))
		return;
	snprintf(f->prefer, sizeof(f->prefer), "%s", p->name);
	family_sync(a, f);
	path_said(a, p, CTL_EV_PATH_PREFERRED, BY_OPERATOR,
		  "preferred by the operator: all traffic goes there while it is up");
	all_follow(a, f);
}

void path_prefer_none(struct agent *a, struct family *f)
{
	struct path *was = f->prefer[0] ? family_path(f, f->prefer) : NULL;

	if (!f->prefer[0])
		return;
	f->prefer[0] = '\0';
	family_sync(a, f);
	if (was)
		path_said(a, was, CTL_EV_PATH_PREFERRED, BY_OPERATOR,
			  "preferred no more, by the operator: flows are spread again");
	all_follow(a, f);
}
