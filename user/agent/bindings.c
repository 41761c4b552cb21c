/* SPDX-License-Identifier: GPL-2.0-only */
/* What Child SAs are bound to by MMX, as paths and groups of the maps. A binding has a group, which
 * all its Child SAs share, so that a change costs one store whatever their number. Members are what
 * the core knows to be received by the peer: pairs of the binding with a weight, its alternates
 * behind them without one, so that the steering takes the first of these as soon as nothing else
 * works; as long as there is none, the pair that carries the traffic meanwhile. Without any nothing
 * is sent.
 *
 * A path may be in several of them, and be the IKE SA's, too: it is one record, and one state.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "bindings.h"
#include "steer.h"

/* ---- numbers ---- */

static uint16_t number_of(const struct mmx_iface *l, unsigned n, const struct addr *a, bool current)
{
	uint16_t marked = 0;

	for (unsigned i = 0; l && i < n; i++)
		for (unsigned e = 0; e < l[i].n; e++) {
			if (addr_equal(&l[i].ep[e].addr, a))
				return l[i].ep[e].epid;
			if (current && l[i].ep[e].flags & MMX_IFACE_EP_CURRENT)
				marked = l[i].ep[e].epid;
		}
	return marked;
}

bool bindings_epids(struct agent *a, const struct path *p, uint16_t *ret_epid_i,
		    uint16_t *ret_epid_r)
{
	const struct peer *peer = p->peer;
	const struct ike_path pair = { p->local, p->remote, p->ifindex };
	bool is_ike = same_pair(&pair, &peer->ike_path);
	uint16_t own, theirs;
	uint32_t generation;
	unsigned n = 0;
	const struct mmx_iface *l;

	if (!ike_mmx_on(a->ike, peer->line, NULL))
		return false;
	l = ike_mmx_ifaces(a->ike, peer->line, false, &n, &generation);
	own = number_of(l, n, &p->local.ip, is_ike);
	l = ike_mmx_ifaces(a->ike, peer->line, true, &n, &generation);
	theirs = number_of(l, n, &p->remote.ip, is_ike);
	*ret_epid_i = peer->role_i ? own : theirs;
	*ret_epid_r = peer->role_i ? theirs : own;
	return true;
}

void bindings_relabel(struct agent *a, struct peer *p)
{
	list_for_each (it, &p->paths) {
		struct path *path = list_entry(it, struct path, node);
		uint16_t i, r;

		if (path->bound || !bindings_epids(a, path, &i, &r) ||
		    (i == path->epid_i && r == path->epid_r))
			continue;
		path->epid_i = i;
		path->epid_r = r;
		path_rename(a, path);
		path_publish(a, path, -1);
		if (path->probed)
			path_probe(a, path);
	}
}

/* ---- which there are ---- */

struct binding *binding_find(const struct peer *p, uint32_t id)
{
	list_for_each (it, &p->bindings) {
		struct binding *b = list_entry(it, struct binding, node);

		if (b->id == id)
			return b;
	}
	return NULL;
}

static struct binding *binding_get(struct peer *p, uint32_t id)
{
	struct binding *b = binding_find(p, id);

	if (b)
		return b;
	b = calloc(1, sizeof(*b));
	if (!b)
		return NULL;
	b->id = id;
	list_append(&p->bindings, &b->node);
	return b;
}

/* One that no binding has any more goes, unless IKE or others use it. */
static void path_release(struct agent *a, struct path *p)
{
	if (--p->bound)
		return;
	p->usable = p->plain = false;
	if (p->main && !p->peer->probes) { /* IKE looks after it again */
		path_unprobe(a, p);
		p->unproven = false;
		path_judge(a, p);
	}
	if (p->main || p->learned)
		return;
	strcpy(p->why, "no Child SA is bound to it any more");
	p->by = BY_IKE;
	path_free(a, p);
}

static void let_go(struct agent *a, struct binding *b)
{
	struct bound *paths = b->paths;
	uint8_t n = b->n;

	b->n = 0;
	b->paths = NULL;
	for (uint8_t i = 0; i < n; i++)
		if (paths[i].path)
			path_release(a, paths[i].path);
	free(paths);
}

static void binding_free(struct agent *a, struct binding *b)
{
	let_go(a, b);
	if (b->group)
		dp_group_del(a->dp, b->group);
	steer_free(b->classes);
	list_remove(&b->node);
	free(b);
}

void bindings_free(struct agent *a, struct peer *p)
{
	list_for_each (it, &p->children)
		list_entry(it, struct child, node)->binding = NULL;
	list_for_each_safe (it, tmp, &p->bindings)
		binding_free(a, list_entry(it, struct binding, node));
}

/* ---- their records ---- */

static bool may_send(const struct ike_binding_path *is)
{
	return is->verified || is->boot;
}

static size_t candidates(const struct agent *a, const struct binding *b,
			 struct candidate c[IKE_BINDING_PATHS_MAX])
{
	size_t n = 0;

	for (uint8_t i = 0; i < b->n; i++) {
		const struct path *p = b->paths[i].path;

		if (!p || !may_send(&b->paths[i].is))
			continue;
		c[n++] = (struct candidate){
			.path = p->id,
			.line = (uint32_t)p->peer->line,
			.local = &p->local.ip,
			.remote = &p->remote.ip,
			.weight = p->weight,
			.rank = path_rank(a, p),
			.usable = true,
			.works = path_works(p),
			.same = true,
			.alternate = b->paths[i].is.alternate,
			.metered = p->uplink >= 0 && a->uplinks[p->uplink].cfg.metered,
			.peer_standby = p->peer_standby,
			.preferred = p->peer->family->prefer[0] &&
				     !strcmp(p->name, p->peer->family->prefer),
		};
	}
	members_choose(c, n);
	return n;
}

/* Where one carries all traffic those that stand by follow it in their order. */
static void members_of(struct agent *a, const struct candidate *c, size_t n,
		       struct dp_member m[STEER_MEMBERS_MAX], struct dp_group_want *ret_want)
{
	size_t members = 0, shares = 0;

	for (size_t i = 0; i < n; i++) {
		struct path *p = path_find(a, c[i].path);

		if (p && !p->in_group) {
			p->standby = c[i].why;
			p->share = c[i].share;
		}
		if (!c[i].member)
			continue;
		m[members++] = (struct dp_member){ c[i].path, c[i].line, c[i].share };
		shares += c[i].share > 0;
	}
	*ret_want = (struct dp_group_want){
		.mode = shares == 1 && m[0].weight ? STEER_MODE_ACTIVE_STANDBY
						   : STEER_MODE_FLOW_HASH,
		.n = members,
		.members = m,
	};
}

static void shares_are(const struct binding *b)
{
	for (uint8_t i = 0; i < b->n; i++) {
		struct path *p = b->paths[i].path;

		if (p && !p->in_group)
			p->share = steer_share(b->classes, p->id);
	}
}

static void put(struct agent *a, struct peer *p, struct binding *b)
{
	struct candidate c[IKE_BINDING_PATHS_MAX];
	struct dp_member m[STEER_MEMBERS_MAX] = { 0 };
	struct steer_group_in in = {
		.p = p,
		.steer = &b->classes,
		.list = c,
		.n = candidates(a, b, c),
		.group = b->group,
	};
	struct dp_group_want want;
	int err;

	members_of(a, c, in.n, m, &want);
	if (steer_plan(a, &in, 0, m, &want))
		shares_are(b);
	err = dp_group_put(a->dp, b->group, &want, &b->group);
	if (err)
		log_error("%s: paths cannot be grouped: %s", p->conn, strerror(-err));
	in.group = b->group;
	steer_classes(a, &in);
}

/* ---- in UDP or not ---- */

/* Is ESP in UDP where there is no NAT? What was agreed on shows where IKE has met none. */
static bool udp_anyway(struct agent *a, const struct peer *p)
{
	const struct ike_conn_cfg *c = agent_conn(a, p->conn);
	bool here, there;

	if (ike_nats(a->ike, p->line, &here, &there) && !here && !there)
		return p->encap;
	return !c || c->encap;
}

static enum engine_encap encap_of(const struct binding *b)
{
	bool udp = false, plain = false;

	for (uint8_t i = 0; i < b->n; i++) {
		const struct path *p = b->paths[i].path;

		if (p && may_send(&b->paths[i].is))
			*(p->plain ? &plain : &udp) = true;
	}
	return udp && plain ? ENGINE_ENCAP_BY_PATH : plain ? ENGINE_ENCAP_NONE : ENGINE_ENCAP_UDP;
}

static void tell_encap(struct agent *a, const struct peer *p, struct binding *b,
		       enum engine_encap how)
{
	struct engine_group_encap m = { .group = b->group, .encap = how };
	int err = engine_request(a, &m.h, ENGINE_GROUP_ENCAP, sizeof(m));

	if (err)
		log_error("%s: which ESP goes in UDP is not known to the engine: %s", p->conn,
			  strerror(-err));
	else
		b->encap = how;
}

/* In UDP before they meet a NAT, and as long as they do. */
static void binding_write(struct agent *a, struct peer *p, struct binding *b)
{
	enum engine_encap how = encap_of(b);
	bool fresh = !b->group;

	if (!fresh && how != b->encap && how != ENGINE_ENCAP_NONE)
		tell_encap(a, p, b, how);
	put(a, p, b);
	if (b->group && (fresh || how != b->encap))
		tell_encap(a, p, b, how);
}

void bindings_write(struct agent *a, struct peer *p)
{
	list_for_each (it, &p->bindings)
		binding_write(a, p, list_entry(it, struct binding, node));
}

static uint32_t room_of(const struct binding *b)
{
	uint32_t room = UINT32_MAX;

	for (uint8_t i = 0; i < b->n; i++) {
		const struct path *p = b->paths[i].path;
		uint32_t header = p && p->local.ip.family == 6 ? 40 : 20;

		if (p && may_send(&b->paths[i].is) && path_works(p) && path_mtu(p) > header &&
		    path_mtu(p) - header < room)
			room = path_mtu(p) - header;
	}
	return room == UINT32_MAX ? 0 : room;
}

void bindings_room(struct agent *a, struct peer *p)
{
	list_for_each (it, &p->bindings) {
		struct binding *b = list_entry(it, struct binding, node);
		struct engine_group_room m = { .group = b->group, .room = room_of(b) };

		if (m.room == b->room)
			continue;
		b->room = m.room;
		/* the first Child SA brings it along */
		if (b->sas)
			engine_request(a, &m.h, ENGINE_GROUP_ROOM, sizeof(m));
	}
}

uint32_t bindings_group(const struct path *p)
{
	if (p->in_group)
		return p->peer->group;
	list_for_each (it, &p->peer->bindings) {
		const struct binding *b = list_entry(it, struct binding, node);

		for (uint8_t i = 0; i < b->n; i++)
			if (b->paths[i].path == p)
				return b->group;
	}
	return p->peer->group;
}

/* ---- what the core tells ---- */

/* What all bindings together say of it. */
static void sum(struct agent *a, struct path *p)
{
	bool nat = false, verified = false;

	p->usable = false;
	list_for_each (it, &p->peer->bindings) {
		const struct binding *b = list_entry(it, struct binding, node);

		for (uint8_t i = 0; i < b->n; i++) {
			if (b->paths[i].path != p)
				continue;
			p->usable |= may_send(&b->paths[i].is);
			verified |= b->paths[i].is.verified;
			nat |= b->paths[i].is.nat;
		}
	}
	p->verified |= verified;
	p->plain = !nat && !udp_anyway(a, p->peer);
	path_publish(a, p, -1);
	if (!p->usable && !p->main)
		path_unprobe(a, p);
	path_judge(a, p);
}

static uint32_t ifindex_of(const struct agent *a, const struct peer *p, const struct addr *local)
{
	for (size_t i = 0; i < a->n_uplinks; i++)
		for (size_t e = 0; e < a->uplinks[i].n_eps; e++)
			if (addr_equal(&a->uplinks[i].eps[e].addr, local))
				return a->uplinks[i].ifindex;
	return p->ike_path.ifindex;
}

static struct bound *paths_of(struct agent *a, struct peer *p, const struct ike_binding *in)
{
	struct bound *paths = calloc(in->n + 1u, sizeof(*paths));

	for (uint8_t i = 0; paths && i < in->n; i++) {
		struct ike_path pair = in->paths[i].path;
		struct path *path;

		pair.ifindex = ifindex_of(a, p, &pair.local.ip);
		path = path_bound(a, p, &pair, in->paths[i].id);
		paths[i] = (struct bound){ path, in->paths[i] };
		if (path)
			path->bound++;
	}
	return paths;
}

static void probe(struct agent *a, struct peer *p)
{
	list_for_each (it, &p->paths) {
		struct path *path = list_entry(it, struct path, node);

		if (p->path_probes && path->bound && path->usable && !path->probed)
			path_probe(a, path);
	}
}

/* The new ones are in place before the old ones go. */
static void take(struct agent *a, struct peer *p, struct binding *b, const struct ike_binding *in)
{
	struct bound *paths = paths_of(a, p, in);
	struct binding old = { .n = b->n, .paths = b->paths };

	if (!paths) {
		log_error("%s: no memory for the paths of a binding: it stays as it was", p->conn);
		return;
	}
	b->n = in->n;
	b->paths = paths;
	for (uint8_t i = 0; i < b->n; i++)
		if (b->paths[i].path)
			sum(a, b->paths[i].path);
	binding_write(a, p, b);
	let_go(a, &old);
	bindings_room(a, p);
	probe(a, p);
	standby_plan(a, p); /* what IKE may go to are paths now, or no more */
}

void binding_told(struct agent *a, const struct ike_output *o)
{
	const struct ike_binding *in = o->binding;
	struct peer *p =
		in->gone ? peer_find(a, o->line) : peer_get(a, o->family, o->line, o->conn);
	struct binding *b = p ? binding_find(p, in->id) : NULL;

	if (in->gone) {
		if (b)
			binding_free(a, b);
		if (p)
			standby_plan(a, p);
		return;
	}
	b = p ? binding_get(p, in->id) : NULL;
	if (!b) {
		log_error("%s: no memory for a binding: its Child SAs go where IKE does", o->conn);
		return;
	}
	p->role_i = o->role_i;
	if (!p->ike_path.local.ip.family) {
		p->ike_path = o->path;
		p->encap = o->encap;
	}
	take(a, p, b, in);
}

/* ---- Child SAs ---- */

void binding_enter(struct agent *a, struct binding *b, struct child *c)
{
	c->binding = b;
	if (!b)
		return;
	b->sas++;
	/* an SA tells of its own */
	if (b->sas == 1 && b->encap == ENGINE_ENCAP_BY_PATH)
		tell_encap(a, c->peer, b, b->encap);
	probe(a, c->peer);
}

void binding_leave(struct child *c)
{
	if (c->binding)
		c->binding->sas--;
	c->binding = NULL;
}

void binding_of_child(struct agent *a, uint32_t child, uint32_t id)
{
	struct engine_sa_group m = { .id = child };
	struct peer *p;
	struct child *c = agent_child_find(a, child, &p);
	struct binding *b = c ? binding_find(p, id) : NULL;
	int err;

	if (!c || c->binding == b)
		return;
	m.group = b ? b->group : p->group;
	err = m.group ? engine_request(a, &m.h, ENGINE_SA_GROUP, sizeof(m)) : -ENOENT;
	if (!err)
		err = dp_sa_regroup(a->dp, child, m.group);
	if (err) {
		/* the group that it is in may go, and another one get its number */
		log_error("%s: Child SA %s cannot get other paths: %s; telling the peer to delete "
			  "it",
			  p->conn, c->name, strerror(-err));
		binding_leave(c);
		ike_child_install_failed(a->ike, child, agent_now());
		return;
	}
	binding_leave(c);
	binding_enter(a, b, c);
	if (b && b->sas == 1 && b->room) {
		struct engine_group_room room = { .group = b->group, .room = b->room };

		engine_request(a, &room.h, ENGINE_GROUP_ROOM, sizeof(room));
	}
}

/* ---- after a restart ---- */

void bindings_adopt(struct agent *a, struct peer *p)
{
	for (const struct mmx_shared *s = NULL; (s = ike_mmx_next(a->ike, p->line, s));) {
		struct ike_binding in;
		unsigned sas;

		ike_mmx_look(a->ike, p->line, s, &in, &sas);
		if (!binding_get(p, in.id))
			log_error("%s: no memory for a binding", p->conn);
	}
}

void bindings_adopted(struct agent *a, struct peer *p)
{
	for (const struct mmx_shared *s = NULL; (s = ike_mmx_next(a->ike, p->line, s));) {
		struct ike_binding in;
		struct binding *b;
		unsigned sas;

		ike_mmx_look(a->ike, p->line, s, &in, &sas);
		b = binding_find(p, in.id);
		if (!b)
			continue;
		take(a, p, b, &in);
		if (b->group) /* whatever it was told last */
			tell_encap(a, p, b, b->encap);
	}
}
