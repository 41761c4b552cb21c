/* SPDX-License-Identifier: GPL-2.0-only */
/* A new agent takes over from a dead one: IKE SAs from the images that engine or files kept, SAs
 * and paths from engine, kernel and maps. Traffic went on all the time and notices nothing. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <arpa/inet.h>

#include "base/log.h"
#include "base/secret.h"
#include "esp/blobs.h"
#include "esp/client.h"
#include "bindings.h"
#include "steer.h"

enum { ADOPT_SAS_MAX = 65536, ADOPT_REFUSED_MAX = 1024 };

struct harvest {
	struct agent *a;
	size_t n_sas, cap_sas, n_paths;
	struct engine_sa_info *sas;
	struct engine_path_info paths[STEER_PATHS_MAX];
	bool group_used[STEER_GROUPS_MAX];
	struct blob_parts coming;
	size_t images, refused;
	uint64_t refused_keys[ADOPT_REFUSED_MAX];
};

static void take_image(struct harvest *v, const struct engine_blob *b, size_t len)
{
	int err = blob_parts_add(&v->coming, b, len);

	if (err == -EAGAIN)
		return;
	if (!err)
		err = ike_import(v->a->ike, v->coming.data, v->coming.len, agent_now());
	blob_parts_clear(&v->coming);
	if (err)
		log_warning("an IKE SA cannot be taken over: %s", strerror(-err));
	if (err && v->refused < ADOPT_REFUSED_MAX)
		v->refused_keys[v->refused++] = b->key;
	if (!err)
		v->images++;
}

static void on_msg(void *ctx, const struct engine_hdr *h, size_t len)
{
	struct harvest *v = ctx;

	switch (h->type) {
	case ENGINE_SA_INFO:
		if (v->n_sas == v->cap_sas) {
			size_t cap = v->cap_sas ? 2 * v->cap_sas : 64;
			void *sas = cap <= ADOPT_SAS_MAX
					    ? reallocarray(v->sas, cap, sizeof(*v->sas))
					    : NULL;
			if (!sas)
				return;
			v->sas = sas;
			v->cap_sas = cap;
		}
		v->sas[v->n_sas++] = *(const struct engine_sa_info *)h;
		break;
	case ENGINE_PATH_INFO:
		if (v->n_paths < STEER_PATHS_MAX)
			v->paths[v->n_paths++] = *(const struct engine_path_info *)h;
		break;
	case ENGINE_BLOB:
		take_image(v, (const struct engine_blob *)h, len);
		break;
	}
}

static int by_id(const void *pa, const void *pb)
{
	const struct engine_sa_info *a = pa, *b = pb;

	return a->id < b->id ? -1 : a->id > b->id;
}

static struct engine_sa_info *sa_info(struct harvest *v, uint32_t id)
{
	struct engine_sa_info key = { .id = id };

	return v->n_sas ? bsearch(&key, v->sas, v->n_sas, sizeof(*v->sas), by_id) : NULL;
}

/* The peer knows our endpoints by these ids: they stay, and are not given to others. */
static void keep_epid(struct agent *a, struct uplink *u, uint16_t epid, const struct addr *local)
{
	if (a->next_epid <= epid)
		a->next_epid = (uint16_t)(epid + 1);
	for (size_t k = 0; k < a->n_uplinks; k++) {
		struct uplink *o = &a->uplinks[k];

		for (size_t i = 0; i < o->n_eps; i++) {
			if (o == u && addr_equal(&o->eps[i].addr, local))
				o->eps[i].epid = epid;
			else if (o->eps[i].epid == epid) /* as this start numbered it */
				o->eps[i].epid = uplinks_epid(a);
		}
	}
}

/* A path of the maps becomes one of ours again, with what the engine knows of it. */
static void adopt_path(struct agent *a, struct harvest *v, struct peer *p, uint32_t id)
{
	struct steer_path rec;
	enum steer_path_state state;
	struct path *path;
	struct uplink *u;

	if (path_find(a, id) || dp_path_get(a->dp, id, &rec, &state))
		return;
	path = calloc(1, sizeof(*path));
	if (!path)
		return;
	path->peer = p;
	path->id = id;
	path->ifindex = rec.ifindex;
	path->local = (struct udp_addr){ addr_from_bytes(rec.family, rec.src.b), ntohs(rec.sport) };
	path->remote =
		(struct udp_addr){ addr_from_bytes(rec.family, rec.dst.b), ntohs(rec.dport) };
	path->epid_i = (uint16_t)(rec.epids >> 16);
	path->epid_r = (uint16_t)rec.epids;
	u = uplink_of(a, rec.ifindex);
	path->uplink = u ? uplink_index(a, u) : -1;
	path->main = addr_equal(&path->local.ip, &p->ike_path.local.ip) &&
		     addr_equal(&path->remote.ip, &p->ike_path.remote.ip);
	path->learned = !p->role_i && !path->main;
	path->peer_use = true;
	path->want = ENGINE_WANT_USE;
	path->state = state;
	path->disabled = state == STEER_PATH_DISABLED;
	path->since = agent_now();
	path->mtu_before = rec.mtu;
	list_init(&path->mtu_node);
	strcpy(path->why, "taken over");
	for (size_t i = 0; i < v->n_paths; i++) {
		if (v->paths[i].id == id) {
			path->info = v->paths[i];
			path->probed = true;
			path->verified = v->paths[i].verified;
			path->peer_use = v->paths[i].peer_want != ENGINE_WANT_NOT;
			path->peer_standby = v->paths[i].peer_want == ENGINE_WANT_STANDBY;
			path->want = v->paths[i].want;
			path->disabled = path->want == ENGINE_WANT_NOT;
			peer_probes(a, p, true);
		}
	}
	list_append(&p->paths, &path->node);
	silence_plan(a);
	path_index(a, path);
	path_rename(a, path);
	traffic_adopt(a, path);
	keep_epid(a, u, p->role_i ? path->epid_i : path->epid_r, &path->local.ip);
}

/* The line of that family whose path a member of a group is. NULL: it is no more. */
static struct peer *owner(const struct family *f, uint32_t line)
{
	list_for_each (li, &f->lines) {
		struct peer *p = list_entry(li, struct peer, in_family);

		if ((uint32_t)p->line == line)
			return p;
	}
	return NULL;
}

static void adopt_member(struct agent *a, struct harvest *v, const struct peer *p,
			 const struct child *c, uint32_t line, uint32_t id)
{
	struct peer *o = owner(p->family, line);
	struct path *path;

	if (!o)
		return;
	adopt_path(a, v, o, id);
	path = path_find(a, id);
	if (!path || path->peer != o)
		return;
	if (c->binding)
		path->learned = false;
	else
		path->in_group = true;
}

/* The members of a line's groups are paths of all lines of its family. */
static void adopt_group(struct agent *a, struct harvest *v, struct peer *p, const struct child *c)
{
	uint32_t *id = c->binding ? &c->binding->group : &p->group;
	struct steer_group group;

	if (dp_sa_group(a->dp, c->out_index, id, &group))
		return;
	for (uint8_t klass = 0; klass < STEER_CLASSES; klass++) {
		if (dp_group_get(a->dp, *id, klass, &group))
			continue;
		for (size_t i = 0; i < group.n_members; i++)
			adopt_member(a, v, p, c, group.line[i], group.path[i]);
	}
}

/* False: the engine lost it (or never had it), and the peer is to be told. */
static bool adopt_child(struct agent *a, struct harvest *v, const struct ike_sa_info *sa,
			const struct ike_child_info *ci)
{
	struct engine_sa_info *si = sa_info(v, ci->id);
	struct peer *p = peer_find(a, sa->line);
	struct child *c;

	if (!si || !p)
		return false;
	si->h.type = 0; /* claimed */
	p->encap = ci->encap;
	c = child_alloc(ci->ts_local, ci->n_ts_local, ci->ts_remote, ci->n_ts_remote);
	if (!c)
		return true;
	c->id = ci->id;
	c->spi_in = ci->spi_in;
	c->spi_out = ci->spi_out;
	memcpy(c->name, ci->name, sizeof(c->name));
	c->selectors =
		family_selectors(ci->ts_local, ci->n_ts_local, ci->ts_remote, ci->n_ts_remote);
	c->mode = ci->mode;
	c->adopted = true;
	c->additional = ci->additional;
	c->direct = si->flags & ENGINE_SA_DIRECT;
	if (sa->role_i) {
		c->n_vips = sa->n_vips;
		memcpy(c->vips, sa->vips, sizeof(c->vips));
	}
	agent_child_link(a, p, c);
	peer_probes(a, p, si->flags & ENGINE_SA_PROBES);
	binding_enter(a, binding_find(p, ci->binding), c);
	session_child(a, c, sa->auth, sa->family_lines);
	child_fixed_addr(a, c);
	inner_adopt(a, c);
	if (!dp_sa_find(a->dp, c->id, &c->out_index))
		adopt_group(a, v, p, c);
	return true;
}

/* Before what they have, which refers to others of their family: lines with Child SAs, and those
 * that have none beside them. */
static void adopt_lines(struct agent *a)
{
	struct ike_sa_info info;

	for (const struct ike_sa *sa = ike_sa_first(a->ike); sa; sa = ike_sa_next(a->ike, sa)) {
		struct peer *p;

		ike_sa_look(sa, &info);
		session_restore(a, &info);
		if (!info.n_children &&
		    (info.family_lines < 2 || strcmp(info.state, "ESTABLISHED") != 0))
			continue;
		p = peer_get(a, info.family, info.line, info.conn);
		if (!p)
			continue;
		p->role_i = info.role_i;
		p->ike_path = info.path;
	}
}

/* What the engine has lost ends, which must not be while the core is walked over. */
static void adopt_children(struct agent *a, struct harvest *v)
{
	const struct ike_sa *sa = ike_sa_first(a->ike), *next;
	struct ike_child_info ci;
	struct ike_sa_info info;

	for (; sa; sa = next) {
		uint64_t serial = ike_sa_serial(sa);
		size_t n = 0;
		uint32_t *ids;

		ike_sa_look(sa, &info);
		ids = calloc(info.n_children + 1u, sizeof(*ids));
		for (const struct child_sa *c = ike_child_next(sa, NULL); c;
		     c = ike_child_next(sa, c)) {
			ike_child_look(c, &ci);
			if (!adopt_child(a, v, &info, &ci) && ids)
				ids[n++] = ci.id;
		}
		next = n ? NULL : ike_sa_next(a->ike, sa);
		for (size_t i = 0; i < n; i++)
			ike_child_install_failed(a->ike, ids[n - 1 - i], agent_now());
		if (n)
			next = ike_sa_after(a->ike, serial);
		free(ids);
	}
}

/* What the engine told of while there was no agent to hear it. */
static void adopt_limits(struct agent *a, const struct harvest *v)
{
	for (size_t i = 0; i < v->n_sas; i++) {
		const struct engine_sa_info *si = &v->sas[i];

		if (si->flags & ENGINE_SA_SOFT_HIT)
			ike_child_soft_limit(a->ike, si->id, agent_now());
		if (si->flags & ENGINE_SA_HARD_HIT)
			ike_child_hard_limit(a->ike, si->id, agent_now());
	}
}

/* The operator's choice: the record gives all flows to one path, and without a choice there would
 * be more that carry some, or another one. */
static void adopt_preference(struct agent *a, struct peer *p)
{
	struct family *f = p->family;
	struct steer_group group;
	uint32_t id, only = 0, now;
	const struct path *path;
	size_t n = 0;

	/* the default class has reasons of its own for that */
	if (f->prefer[0] || list_empty(&p->children) || steer_wanted(a, p->conn, 0) ||
	    dp_sa_group(a->dp, list_entry(p->children.next, struct child, node)->out_index, &id,
			&group))
		return;
	for (size_t i = 0; i < group.n_members; i++) {
		if (!group.weight[i])
			continue;
		only = group.path[i];
		n++;
	}
	path = n == 1 ? path_find(a, only) : NULL;
	if (path && path->peer->family == f && (group_shares(a, p, &now) != 1 || now != only))
		snprintf(f->prefer, sizeof(f->prefer), "%s", path->name);
}

/* One that had no place in a group, say. */
static void adopt_main(struct agent *a, struct peer *p)
{
	const struct ike_path pair = p->ike_path;

	if (list_empty(&p->paths) && (p->family->n_lines > 1 || !list_empty(&p->children)))
		path_main(a, p, &pair);
}

static void adopt_ike(struct agent *a, struct harvest *v)
{
	ifaces_adopt(a);
	adopt_lines(a);
	list_for_each (it, &a->peers)
		bindings_adopt(a, list_entry(it, struct peer, node));
	adopt_children(a, v);
	adopt_limits(a, v);
	/* Paths that are probed, but in no group yet. */
	for (size_t i = 0; i < v->n_paths; i++) {
		struct peer *p;

		if (agent_child_find(a, v->paths[i].sa_id, &p))
			adopt_path(a, v, p, v->paths[i].id);
	}
	list_for_each (it, &a->peers)
		family_kinds(list_entry(it, struct peer, node)->family);
	list_for_each (it, &a->peers)
		adopt_preference(a, list_entry(it, struct peer, node));
	asks_reload(a);
	list_for_each (it, &a->peers)
		adopt_main(a, list_entry(it, struct peer, node));
	list_for_each (it, &a->peers)
		bindings_adopted(a, list_entry(it, struct peer, node));
	list_for_each (it, &a->peers) {
		struct peer *p = list_entry(it, struct peer, node);

		if (family_is_first(p))
			family_sync(a, p->family);
	}
}

/* What nobody claims has no IKE SA any more: it could never be rekeyed or deleted. */
static void remove_orphans(struct agent *a, struct harvest *v)
{
	for (size_t i = 0; i < v->n_sas; i++) {
		struct engine_id del = { .id = v->sas[i].id };

		if (!v->sas[i].h.type)
			continue;
		engine_request(a, &del.h, ENGINE_SA_DEL, sizeof(del));
		dp_sa_del(a->dp, del.id);
	}
	for (size_t i = 0; i < v->n_paths; i++) {
		struct engine_id del = { .id = v->paths[i].id };

		if (path_find(a, del.id))
			continue;
		engine_request(a, &del.h, ENGINE_PATH_DEL, sizeof(del));
		dp_path_del(a->dp, del.id);
	}
}

/* What the maps hold is ours now, or nobody's: its engine and its agent have died together. */
static bool claimed(void *ctx, enum dp_kind kind, uint32_t id)
{
	struct harvest *v = ctx;
	struct peer *p;

	switch (kind) {
	case DP_SA:
		return agent_child_find(v->a, id, &p) != NULL;
	case DP_PATH:
		return path_find(v->a, id) != NULL;
	case DP_GROUP:
		return v->group_used[id];
	}
	return true;
}

/* Their SAs are orphans: the images would only be refused again. */
static void remove_refused(struct agent *a, const struct harvest *v)
{
	for (size_t i = 0; i < v->refused; i++)
		engine_keep_image(a, v->refused_keys[i], NULL, 0);
}

static void groups_of(const struct peer *p, bool used[STEER_GROUPS_MAX])
{
	used[p->group] = true;
	list_for_each (it, &p->bindings)
		used[list_entry(it, struct binding, node)->group] = true;
}

int adopt(struct agent *a)
{
	struct harvest *v = calloc(1, sizeof(*v));
	int err;

	if (!v)
		return -ENOMEM;
	v->a = a;
	err = engine_list(a, on_msg, v);
	if (err) {
		log_error("what an earlier braidd has left cannot be read: %s", strerror(-err));
		goto out;
	}
	if (v->n_sas)
		qsort(v->sas, v->n_sas, sizeof(*v->sas), by_id);
	for (size_t i = 0; i < v->n_sas; i++)
		dp_spi_reserve(a->dp, v->sas[i].spi_in);
	adopt_ike(a, v);
	conns_adopted(a);
	guards_load(a, NULL);
	remove_orphans(a, v);
	remove_refused(a, v);
	list_for_each (it, &a->peers)
		groups_of(list_entry(it, struct peer, node), v->group_used);
	dp_sweep(a->dp, claimed, v);
	if (v->images)
		log_info("took over %zu IKE SAs, %zu Child SAs and %zu paths from the %s",
			 v->images, v->n_sas, a->kesp ? a->paths.n : v->n_paths,
			 a->kesp ? "kernel" : "engine");
out:
	blob_parts_clear(&v->coming);
	free(v->sas);
	free(v);
	return err;
}
