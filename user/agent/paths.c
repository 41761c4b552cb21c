/* SPDX-License-Identifier: GPL-2.0-only */
/* Paths of a peer: which there are, what is written about them into the maps, and what engine,
 * interfaces and operator say of them. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <arpa/inet.h>

#include "base/log.h"
#include "bindings.h"
#include "consent.h"
#include "mmx_agent.h"
#include "steer.h"

enum { PATHS_PER_PEER = STEER_MEMBERS_MAX, LEFT_SEC = 60 };

const char *path_state_name(enum steer_path_state s)
{
	switch (s) {
	case STEER_PATH_UNKNOWN:
		return "unknown";
	case STEER_PATH_UP:
		return "up";
	case STEER_PATH_DEGRADED:
		return "degraded";
	case STEER_PATH_DOWN:
		return "down";
	case STEER_PATH_DISABLED:
		return "disabled";
	}
	return "?";
}

struct path *path_find(struct agent *a, uint32_t id)
{
	struct hash_node *n = hash_find(&a->paths, id);

	return n ? hash_entry(n, struct path, by_id) : NULL;
}

void path_index(struct agent *a, struct path *p)
{
	hash_remove(&a->paths, &p->by_id);
	hash_add(&a->paths, &p->by_id, p->id);
}

/* The engine left the last path of a group that fell silent in the maps as unknown, to be used for
 * want of a better one: that stays. */
static bool last_resort(const struct agent *a, const struct path *p)
{
	enum steer_path_state state;
	struct steer_path rec;

	return p->probed && !p->gone && !dp_path_get(a->dp, p->id, &rec, &state) &&
	       state == STEER_PATH_UNKNOWN;
}

/* The agent's word on a state: one store. */
static void path_set(struct agent *a, struct path *p, enum steer_path_state s, enum decided_by by,
		     const char *why)
{
	struct decision d = { .by = by, .from = path_state_name(p->state) };
	usec_t now = agent_now(), heard;

	if (why != p->why)
		snprintf(p->why, sizeof(p->why), "%s", why);
	p->by = by;
	if (p->state == s)
		return;
	d.to = path_state_name(s);
	d.lasted = now - p->since;
	if (s != STEER_PATH_DOWN || !last_resort(a, p))
		dp_path_state(a->dp, p->id, s);
	heard = s == STEER_PATH_DOWN ? path_heard(a, p) : 0;
	if (heard && heard < now)
		d.silent = now - heard;
	p->state = s;
	p->since = now;
	path_decided(a, p, CTL_EV_PATH_STATE, &d);
	if (p->peer->family->crowded) /* another one may have its place */
		family_sync(a, p->peer->family);
	steer_soon(a, p->peer->family);
	clones_path_changed(a, p->peer);
	mmx_steer_path(a, p->peer);
}

void path_down(struct agent *a, struct path *p, enum decided_by by, const char *why)
{
	path_set(a, p, p->disabled ? STEER_PATH_DISABLED : STEER_PATH_DOWN, by, why);
}

static void path_reason(struct path *p, enum decided_by by, const char *why)
{
	snprintf(p->why, sizeof(p->why), "%s", why);
	p->by = by;
}

static void path_added(struct agent *a, struct path *p)
{
	const struct decision d = { .by = p->by };

	path_decided(a, p, CTL_EV_PATH_ADDED, &d);
}

static enum steer_path_state state_wanted(const struct path *p)
{
	if (p->disabled || !(p->peer_use || p->bound))
		return STEER_PATH_DISABLED;
	if (p->gone)
		return STEER_PATH_DOWN;
	if (!p->probed)
		return (p->main && !p->unproven) || p->usable ? STEER_PATH_UP : STEER_PATH_UNKNOWN;
	/* until the first answer the IKE SA's own pair counts as usable, as do those that the peer
	 * is known to receive on */
	if ((p->main || p->usable) && p->info.state == STEER_PATH_UNKNOWN)
		return STEER_PATH_UP;
	return p->info.state;
}

/* ---- the record ---- */

static void next_hop(struct agent *a, struct path *p)
{
	const struct uplink *u = p->uplink >= 0 ? &a->uplinks[p->uplink] : NULL;
	bool elsewhere = true;
	int err;

	if (u && !u->up) { /* nothing leaves there; asked again when it is back */
		p->hop.family = 0;
		return;
	}
	err = rtnl_next_hop(a->rtnl, &p->remote.ip, &p->local.ip, p->ifindex, &p->hop, &elsewhere);

	if (u && u->cfg.gateway.family == p->remote.ip.family)
		p->hop = u->cfg.gateway;
	else if (err)
		p->hop.family = 0;
	if (!elsewhere)
		source_leave(a, p);
	else if (u && u->up && p->hop.family)
		source_use(a, p);
}

static void record_fill(struct agent *a, struct path *p, struct steer_path *rec)
{
	struct rtnl_link link;

	*rec = (struct steer_path){
		.id = p->id,
		.epids = (uint32_t)p->epid_i << 16 | p->epid_r,
		.ifindex = p->ifindex,
		.family = p->local.ip.family,
		.flags = STEER_PATH_ENCAP | (p->plain ? STEER_PATH_PLAIN : 0),
		.sport = htons(p->local.port),
		.dport = htons(p->remote.port),
	};
	memcpy(rec->src.b, p->local.ip.b, addr_len(&p->local.ip));
	memcpy(rec->dst.b, p->remote.ip.b, addr_len(&p->remote.ip));
	if (!rtnl_link_by_index(a->rtnl, p->ifindex, &link))
		return;
	rec->mtu = path_mtu(p);
	if (!link.has_mac) {
		rec->flags |= STEER_PATH_NOARP;
		return;
	}
	memcpy(rec->smac, link.mac, 6);
	if (p->hop.family && rtnl_neigh(a->rtnl, p->ifindex, &p->hop, rec->dmac))
		rec->flags |= STEER_PATH_MAC;
	else if (p->hop.family)
		rtnl_neigh_keep(a->rtnl, p->ifindex, &p->hop);
}

void path_publish(struct agent *a, struct path *p, int state)
{
	enum steer_path_state was;
	struct steer_path rec, old;
	int err;

	next_hop(a, p);
	mtu_sync(a, p);
	record_fill(a, p, &rec);
	if (p->id && state < 0 && !dp_path_get(a->dp, p->id, &old, &was) &&
	    !memcmp(&old, &rec, sizeof(rec)))
		return;
	err = dp_path_put(a->dp, &rec, state, &p->id);
	if (err) {
		log_error("path %s: %s; it is not used", p->name, strerror(-err));
		return;
	}
	path_index(a, p);
	if (state >= 0)
		p->state = (enum steer_path_state)state;
}

/* ---- probing ---- */

void path_probe(struct agent *a, struct path *p)
{
	struct engine_path m = {
		.id = p->id,
		.epids = (uint32_t)p->epid_i << 16 | p->epid_r,
		.join = !p->bound, /* what is bound was agreed on otherwise */
		.manage = 1,
		.group = bindings_group(p),
		.line = (uint32_t)p->peer->line,
		.local = p->local,
		.remote = p->remote,
		.ifindex = p->ifindex,
		.mtu = p->limit,
		.raise_sec = a->conf->mtu_raise_sec,
		.rate_bps = p->uplink >= 0 ? a->uplinks[p->uplink].cfg.rate_bps : 0,
		.measured = steer_measures(a, p),
	};
	int err;

	if (list_empty(&p->peer->children))
		return;
	path_quality(a, p, &m);
	/* the youngest Child SA lives longest */
	m.sa_id = list_entry(p->peer->children.prev, struct child, node)->id;
	p->info.sa_id = m.sa_id;
	err = engine_request(a, &m.h, ENGINE_PATH_ADD, sizeof(m));
	if (err)
		log_error("path %s cannot be probed: %s", p->name, strerror(-err));
	p->probed = !err;
	p->unproven = false;
	path_tell_want(a, p);
}

void path_unprobe(struct agent *a, struct path *p)
{
	struct engine_id del = { .id = p->id };

	if (!p->probed)
		return;
	engine_request(a, &del.h, ENGINE_PATH_DEL, sizeof(del));
	p->probed = false;
	p->unproven = true;
	p->peer_use = true;
	p->peer_standby = false;
	p->want = ENGINE_WANT_USE;
	path_set(a, p, state_wanted(p), BY_IKE, "no Child SA probes it");
}

/* ---- making and ending ---- */

static size_t path_count(const struct peer *p)
{
	size_t n = 0;

	list_for_each (it, &p->paths)
		n++;
	return n;
}

static struct path *path_alloc(struct agent *a, struct peer *p, const struct udp_addr *local,
			       const struct udp_addr *remote, uint32_t ifindex)
{
	struct uplink *u = uplink_of(a, ifindex);
	struct path *path = calloc(1, sizeof(*path));

	if (!path)
		return NULL;
	path->peer = p;
	path->local = *local;
	path->remote = *remote;
	path->ifindex = ifindex;
	path->uplink = u ? uplink_index(a, u) : -1;
	path->peer_use = true;
	path->want = ENGINE_WANT_USE;
	path->since = agent_now();
	list_init(&path->mtu_node);
	list_append(&p->paths, &path->node);
	silence_plan(a);
	return path;
}

static struct path *path_new(struct agent *a, struct peer *p, const struct udp_addr *local,
			     const struct udp_addr *remote, uint32_t ifindex)
{
	return path_count(p) < PATHS_PER_PEER ? path_alloc(a, p, local, remote, ifindex) : NULL;
}

static struct path *path_same(struct peer *p, const struct udp_addr *local,
			      const struct udp_addr *remote)
{
	list_for_each (it, &p->paths) {
		struct path *path = list_entry(it, struct path, node);

		if (addr_equal(&path->local.ip, &local->ip) &&
		    udp_addr_equal(&path->remote, remote))
			return path;
	}
	return NULL;
}

struct path *path_main(struct agent *a, struct peer *p, const struct ike_path *ike)
{
	struct path *path = path_same(p, &ike->local, &ike->remote);

	if (!path) {
		path = path_new(a, p, &ike->local, &ike->remote, ike->ifindex);
		if (!path)
			return NULL;
		path_label(a, path);
		path->main = path->in_group = true;
		path_reason(path, BY_IKE, "the IKE SA uses it");
		path_publish(a, path, STEER_PATH_UP);
		path_added(a, path);
	} else if (list_empty(&p->children) && !path->main) { /* the first one was bound to it */
		path->main = path->in_group = true;
		path_judge(a, path);
	}
	family_sync(a, p->family);
	return p->group ? path : NULL;
}

struct path *path_bound(struct agent *a, struct peer *p, const struct ike_path *pair, uint32_t id)
{
	struct path *path = path_same(p, &pair->local, &pair->remote);

	if (!path) {
		path = path_alloc(a, p, &pair->local, &pair->remote, pair->ifindex);
		if (!path)
			return NULL;
		path_reason(path, BY_IKE, "bound to by MMX, not verified yet");
	}
	if (!path->id || path->epid_i != id >> 16 || path->epid_r != (uint16_t)id) {
		path->epid_i = (uint16_t)(id >> 16);
		path->epid_r = (uint16_t)id;
		path_rename(a, path);
	}
	if (path->id)
		return path;
	path->gone = !path_has_address(a, path);
	path_publish(a, path, STEER_PATH_UNKNOWN);
	if (!path->id) { /* no device to send on, say */
		source_leave(a, path);
		mtu_forget(path);
		hash_remove(&a->path_names, &path->by_name);
		list_remove(&path->node);
		free(path);
		return NULL;
	}
	path_added(a, path);
	return path;
}

void path_judge(struct agent *a, struct path *p)
{
	enum steer_path_state want = state_wanted(p);

	if (want == p->state)
		return;
	path_set(a, p, want, p->gone ? BY_NETLINK : BY_IKE,
		 p->gone     ? "link or address is gone"
		 : p->usable ? "the peer is known to receive there"
			     : "the peer is not known to receive there");
}

/* A gateway may be reached by an address of a link inside of it, or of none: whatever arrives for
 * it is for us (the weak host model), and is answered from there. */
static bool is_elsewhere(const struct agent *a, const struct path *p)
{
	const struct addr *local = &p->local.ip;
	struct addr found;

	return !p->peer->role_i && rtnl_addr_in_range(a->rtnl, local, local, 0, &found);
}

bool path_has_address(const struct agent *a, const struct path *p)
{
	const struct uplink *u = p->uplink >= 0 ? &a->uplinks[p->uplink] : NULL;

	if (!u)
		return true; /* not one of ours to judge */
	for (size_t i = 0; i < u->n_eps; i++)
		if (addr_equal(&u->eps[i].addr, &p->local.ip))
			return u->up;
	return u->up && is_elsewhere(a, p);
}

/* The analyzer takes a path that path_free has unlinked for one of the list: here and below. */
static void main_is(struct peer *p, const struct path *now)
{
	list_for_each (it, &p->paths) {
		struct path *path = list_entry(it, struct path, node);

		/* NOLINTNEXTLINE(clang-analyzer-unix.Malloc) */
		path->main = path == now;
	}
}

/* What is bound stays where it is: the Child SAs that follow IKE leave it, by the group's record.
 */
static void main_moves(struct agent *a, struct peer *p, const struct ike_path *to)
{
	struct path *path = path_same(p, &to->local, &to->remote), *old = NULL;

	list_for_each (it, &p->paths)
		if (list_entry(it, struct path, node)->main)
			old = list_entry(it, struct path, node);
	if (path && path == old)
		return;
	if (!path) {
		path = path_alloc(a, p, &to->local, &to->remote, to->ifindex);
		if (!path)
			return;
		path_label(a, path);
		path->main = true;
		path_reason(path, BY_IKE, "the IKE SA moved here");
		path_publish(a, path, STEER_PATH_UP);
		path_added(a, path);
	}
	main_is(p, path);
	path->in_group = true;
	path_judge(a, path);
	if (old)
		old->in_group = false;
	family_sync(a, p->family);
	if (!old || old->bound)
		return;
	path_reason(old, BY_IKE, "the IKE SA has left it");
	path_free(a, old);
}

/* All SAs go with the record, by one store. */
void path_follow(struct agent *a, struct peer *p, const struct ike_path *to)
{
	struct uplink *u = uplink_of(a, to->ifindex);
	struct path *path = path_same(p, &to->local, &to->remote);

	if (!list_empty(&p->bindings)) {
		main_moves(a, p, to);
		return;
	}
	/* a line that is at one pair at a time has asked there before it said that it moves */
	if (path && p->family->n_lines > 1)
		main_is(p, path);
	if (path || (p->probes && path_count(p) > 1))
		return;
	list_for_each (it, &p->paths) {
		path = list_entry(it, struct path, node);
		if (!path->main)
			continue;
		path->local = to->local;
		path->remote = to->remote;
		if (to->ifindex) {
			path->ifindex = to->ifindex;
			path->uplink = u ? uplink_index(a, u) : -1;
		}
		path->gone = !path_has_address(a, path);
		path_label(a, path);
		path_publish(a, path, -1);
		mtu_recheck(a, path);
		if (path->probed) /* the engine watches its link and address */
			path_probe(a, path);
		path_set(a, path, state_wanted(path), path->gone ? BY_NETLINK : BY_IKE,
			 path->gone ? "link or address is gone" : "the IKE SA moved here");
		family_sync(
			a,
			p->family); /* another uplink; a pair that others have, or have no more */
		return;
	}
}

void path_free(struct agent *a, struct path *p)
{
	struct engine_id del = { .id = p->id };
	const struct decision gone = {
		.by = p->by,
		.from = path_state_name(p->state),
		.lasted = agent_now() - p->since,
	};

	traffic_path_gone(a, p);
	path_decided(a, p, CTL_EV_PATH_REMOVED, &gone);
	dp_path_state(a->dp, p->id, STEER_PATH_DOWN);
	source_leave(a, p);
	if (p->probed)
		engine_request(a, &del.h, ENGINE_PATH_DEL, sizeof(del));
	mtu_forget(p);
	list_remove(&p->node);
	hash_remove(&a->paths, &p->by_id);
	hash_remove(&a->path_names, &p->by_name);
	p->in_group = false;
	family_sync(a, p->peer->family);
	dp_path_del(a->dp, p->id);
	free(p);
}

/* ---- what there should be ---- */

bool path_pair_wanted(const struct agent *a, const struct ike_conn_cfg *c, const struct uplink *u,
		      const struct addr *remote)
{
	bool listed = false;

	for (size_t i = 0; i < a->conf->n_paths; i++) {
		const struct conf_path *cp = &a->conf->paths[i];

		if (strcmp(cp->conn, c->name))
			continue;
		if (!strcmp(cp->uplink, u->cfg.name) && addr_equal(&cp->remote, remote))
			return true;
		listed = true;
	}
	return !listed; /* none named: every pair of one family */
}

static void pair_add(struct agent *a, struct peer *p, const struct uplink *u,
		     const struct addr *local, const struct addr *remote)
{
	struct udp_addr l = { *local, PORT_NATT }, r = { *remote, PORT_NATT };
	struct path *path = path_same(p, &l, &r);

	if (path)
		return;
	path = path_new(a, p, &l, &r, u->ifindex);
	if (!path)
		return; /* the group is full */
	path_label(a, path);
	path_reason(path, BY_AGENT, "not probed yet");
	path_publish(a, path, STEER_PATH_UNKNOWN);
	path_added(a, path);
}

/* The pair number nth of an uplink and the addresses of the peer. */
static bool pair_at(struct agent *a, const struct ike_conn_cfg *c, const struct uplink *u,
		    unsigned nth, const struct addr **ret_local, const struct addr **ret_remote)
{
	for (size_t e = 0; u->up && e < u->n_eps; e++) {
		for (size_t r = 0; r < c->n_remote_addrs; r++) {
			if (c->remote_addrs[r].family != u->eps[e].addr.family ||
			    !conns_local_new(a, c, u, &u->eps[e]) ||
			    !path_pair_wanted(a, c, u, &c->remote_addrs[r]) || nth--)
				continue;
			*ret_local = &u->eps[e].addr;
			*ret_remote = &c->remote_addrs[r];
			return true;
		}
	}
	return false;
}

/* An uplink with many addresses leaves room for a path of each other one, also of those that come
 * later. */
static bool uplink_full(const struct agent *a, const struct peer *p, size_t uplink)
{
	size_t others = a->n_uplinks - 1, n = 0;

	list_for_each (it, &p->paths)
		n += list_entry(it, struct path, node)->uplink == (int)uplink;
	return n && n + others >= PATHS_PER_PEER;
}

static void pairs_add(struct agent *a, struct peer *p, const struct ike_conn_cfg *c)
{
	const struct addr *local, *remote;
	bool more = true;

	/* a first pair of every uplink before a second one of any */
	for (unsigned nth = 0; more; nth++) {
		more = false;
		for (size_t i = 0; i < a->n_uplinks; i++) {
			if (!pair_at(a, c, &a->uplinks[i], nth, &local, &remote))
				continue;
			more = true;
			if (!uplink_full(a, p, i))
				pair_add(a, p, &a->uplinks[i], local, remote);
		}
	}
}

static const char not_configured[] = "its uplink is not configured any more";

/* Of an uplink that the configuration has no more: it serves until another one does. */
static bool left_behind(struct agent *a, const struct path *p)
{
	const struct peer *peer = p->peer;
	struct ike_path pairs[CONN_PAIRS_MAX];

	if (p->uplink >= 0 || !peer->role_i || p->bound)
		return false;
	if (!peer->probes)
		return move_pairs(a, peer, pairs) > 0;
	list_for_each (it, &peer->paths) {
		const struct path *o = list_entry(it, struct path, node);

		if (o != p && o->uplink >= 0 && o->in_group && path_works(o))
			return true;
	}
	return false;
}

/* Programs are asked before that. */
static bool is_left(struct agent *a, struct path *p)
{
	if (left_behind(a, p))
		return consent_path_may_go(a, p, not_configured);
	if (p->uplink >= 0)
		p->leaving = PATH_STAYS;
	return false;
}

/* Those that were probed before each had an IKE SA of its own. */
static void only_its_own(struct agent *a, struct peer *p)
{
	if (path_count(p) < 2 || !clones_steer(a, p))
		return;
	list_for_each_safe (it, tmp, &p->paths) {
		struct path *path = list_entry(it, struct path, node);
		const struct ike_path pair = { path->local, path->remote, path->ifindex };

		if (path->bound)
			continue;
		if (same_pair(&pair, &p->ike_path)) {
			main_is(p, path);
			continue;
		}
		path_reason(path, BY_AGENT, "an IKE SA of its own is for it now");
		path_free(a, path);
	}
}

void paths_sync(struct agent *a, struct peer *p)
{
	const struct ike_conn_cfg *c = agent_conn(a, p->conn);

	only_its_own(a, p);
	if (p->role_i && p->probes && c && c->multipath == IKE_MULTIPATH_PROBES &&
	    !list_empty(&p->children))
		pairs_add(a, p, c);
	/* NOLINTNEXTLINE(clang-analyzer-unix.Malloc) */
	list_for_each_safe (it, tmp, &p->paths) {
		struct path *path = list_entry(it, struct path, node);
		struct uplink *u = path->uplink >= 0 ? &a->uplinks[path->uplink] : NULL;
		bool was_gone = path->gone;
		uint32_t limit = path->limit, ifindex = path->ifindex;

		if (u && u->ifindex && u->ifindex != path->ifindex)
			path->ifindex = u->ifindex; /* the same interface, made anew */
		path->gone = !path_has_address(a, path) || is_left(a, path);
		if (was_gone && !path->gone)
			path_reason(path, BY_NETLINK, "link and address are back");
		if (path->gone && !path->bound && (!u || u->up || (u->found && !u->ifindex)) &&
		    path_count(p) > 1) {
			path_reason(path, u ? BY_NETLINK : BY_AGENT,
				    !u	    ? not_configured
				    : u->up ? "its address is gone"
					    : "its interface is gone");
			path_free(a, path);
			continue;
		}
		path_publish(a, path, -1);
		if (was_gone && !path->gone)
			mtu_recheck(a, path);
		if (path->probed ? path->limit != limit || path->ifindex != ifindex
				 : p->role_i && p->probes && !list_empty(&p->children))
			path_probe(a, path);
		if (path->gone && path->state != STEER_PATH_DOWN)
			path_reason(path, u ? BY_NETLINK : BY_AGENT,
				    u ? "link or address is gone" : not_configured);
		path_set(a, path, state_wanted(path), path->by, path->why);
	}
	peer_room(a, p);
	ike_follow(a, p);
	move_run(a, p);
}

void paths_sync_all(struct agent *a)
{
	list_for_each_safe (it, tmp, &a->peers)
		paths_sync(a, list_entry(it, struct peer, node));
	agent_drain(a);
}

static bool is_silent(const struct agent *a, const struct path *p, usec_t now)
{
	return p->state == STEER_PATH_DOWN && !p->info.returning &&
	       now - path_heard(a, p) >= LEFT_SEC * USEC_PER_SEC;
}

/* The line has gone elsewhere. With one line alone it may be the operator's word over there. */
static bool is_disowned(const struct path *p)
{
	return !p->main && !p->peer_use && !p->disabled && p->peer->family->n_lines > 1;
}

/* What the initiator does not use any more it does not probe. Should it return, its first probe
 * makes the path anew. */
void paths_prune(struct agent *a)
{
	usec_t now = agent_now();

	list_for_each_safe (it, tmp, &a->peers) {
		struct peer *p = list_entry(it, struct peer, node);
		bool left = false;
		size_t up = 0;

		list_for_each (pi, &p->paths) {
			const struct path *path = list_entry(pi, struct path, node);

			up += path_works(path);
			left |= left_behind(a, path);
		}
		if (left)
			paths_sync(a, p);
		if (p->role_i)
			continue;
		list_for_each_safe (pi, tmp2, &p->paths) {
			struct path *path = list_entry(pi, struct path, node);

			if (path->bound || !up || now - path->since < LEFT_SEC * USEC_PER_SEC ||
			    !(is_silent(a, path, now) || is_disowned(path)))
				continue;
			path_reason(path, BY_AGENT,
				    is_disowned(path) ? "left by the peer" : "silent for a minute");
			path_free(a, path);
		}
		ike_follow(a, p);
	}
}

/* ---- what engine and peer say ---- */

/* A learned path that proved itself replaces one with the same endpoints and an older mapping, that
 * of the IKE SA, too. */
static void replace_older(struct agent *a, struct path *fresh)
{
	list_for_each_safe (it, tmp, &fresh->peer->paths) {
		struct path *p = list_entry(it, struct path, node);

		if (p == fresh || p->bound || !(p->learned || p->main) || !fresh->learned ||
		    p->epid_i != fresh->epid_i || p->epid_r != fresh->epid_r ||
		    p->ifindex != fresh->ifindex)
			continue;
		fresh->main |= p->main;
		path_reason(p, BY_PROBES, "the peer's address changed");
		path_free(a, p);
	}
}

void path_info(struct agent *a, const struct engine_path_info *info)
{
	struct path *p = path_find(a, info->id);
	uint32_t mtu;

	if (!p)
		return;
	mtu = p->info.mtu;
	p->info = *info;
	p->info.mtu = mtu; /* a change is for path_on_engine to see */
}

static void peer_standby(struct agent *a, struct path *p, bool standby)
{
	if (standby == p->peer_standby)
		return;
	p->peer_standby = standby;
	family_sync(a, p->peer->family);
	path_said(a, p, CTL_EV_PATH_PREFERRED, BY_PEER,
		  standby ? "stands by: the peer prefers another one"
			  : "stands by no more: the peer prefers no other one");
}

void path_on_engine(struct agent *a, const struct engine_path_info *info)
{
	struct path *p = path_find(a, info->id);
	enum steer_path_state want;
	uint32_t mtu;
	bool proved;
	enum decided_by by;
	char why[PATH_WHY_MAX];

	if (!p)
		return;
	mtu = path_mtu(p);
	p->info = *info;
	/* before the peer has made its own path of it, its engine knows nothing of it */
	if (p->bound && p->info.peer_want == ENGINE_WANT_NOT)
		p->info.peer_want = ENGINE_WANT_USE;
	p->peer_use = p->info.peer_want != ENGINE_WANT_NOT;
	peer_standby(a, p, info->peer_want == ENGINE_WANT_STANDBY);
	proved = info->verified && !p->verified;
	p->verified |= info->verified;
	if (!info->returning && info->state == STEER_PATH_DOWN)
		p->back_since = 0;
	else if (!p->back_since)
		p->back_since = agent_now();
	want = state_wanted(p);
	by = path_why(a, p, want, why);
	path_set(a, p, want, by, why);
	if (p->verified && !p->in_group && !p->bound && path_works(p)) {
		p->in_group = true;
		family_sync(a, p->peer->family);
	}
	if (proved)
		replace_older(a, p);
	if (path_mtu(p) != mtu)
		path_mtu_told(a, p);
	ike_follow(a, p->peer);
}

/* Room for a new one: a learned path that is down the longest goes. */
static void make_room(struct agent *a, struct peer *p)
{
	struct path *oldest = NULL;

	if (path_count(p) < PATHS_PER_PEER)
		return;
	list_for_each (it, &p->paths) {
		struct path *path = list_entry(it, struct path, node);

		if (!path->bound && !path_works(path) && path->state != STEER_PATH_DISABLED &&
		    (!oldest || path->since < oldest->since))
			oldest = path;
	}
	if (!oldest)
		return;
	path_reason(oldest, BY_PEER, "the peer asked for another one");
	path_free(a, oldest);
}

void path_on_join(struct agent *a, const struct engine_join *j)
{
	struct peer *p;
	struct child *c = agent_child_find(a, j->sa_id, &p);
	const struct ike_conn_cfg *conf = c ? agent_conn(a, p->conn) : NULL;
	struct udp_addr local = j->local, remote = j->remote;
	struct path *path;

	if (!c || !conf || !conf->multipath || p->role_i || !j->use)
		return; /* the initiator names the paths */
	p->probes = true;
	/* ESP without UDP has no ports; what IKE takes over that path has these */
	if (!local.port)
		local.port = remote.port = PORT_NATT;
	path = path_same(p, &local, &remote);
	if (!path) {
		make_room(a, p);
		path = path_new(a, p, &local, &remote, j->ifindex);
		if (!path)
			return;
		path->learned = true;
		path->epid_i = (uint16_t)(j->epids >> 16);
		path_label(a, path);
		path_reason(path, BY_PEER, "asked for by the peer, not verified yet");
		path_publish(a, path, STEER_PATH_UNKNOWN);
		path_added(a, path);
	}
	if (path->epid_i != j->epids >> 16 || path->epid_r != (uint16_t)j->epids) {
		path->epid_i = (uint16_t)(j->epids >> 16);
		path->epid_r = (uint16_t)j->epids;
		path_rename(a, path);
	}
	path_publish(a, path, -1);
	path_probe(a, path);
}

void path_disable(struct agent *a, struct path *p, bool disable)
{
	p->disabled = disable;
	/* Packets on their way still arrive: both ends only choose another path for new ones. */
	path_set(a, p, state_wanted(p), BY_OPERATOR,
		 disable ? "disabled by the operator" : "enabled again");
	path_tell_want(a, p);
	peer_room(a, p->peer);
	ike_follow(a, p->peer);
}
