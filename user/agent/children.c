/* SPDX-License-Identifier: GPL-2.0-only */
/* Peers and their Child SAs: from the core's outputs into the steering maps and the engine. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/secret.h"
#include "bindings.h"
#include "mmx_agent.h"
#include "steer.h"

/* Longer than a packet can stay under way, on the slowest path, where others are quick. */
enum { RETIRED_SEC = 5 };

/* How long packets of an SA's former selectors are taken in, and kept from leaving. */
enum { TS_GRACE_SEC = 10, TS_BLOCK_SEC = 120 };

struct peer *peer_find(struct agent *a, uint64_t line)
{
	struct hash_node *n = hash_find(&a->lines, line);

	return n ? hash_entry(n, struct peer, by_line) : NULL;
}

struct peer *peer_get(struct agent *a, uint64_t family, uint64_t line, const char *conn)
{
	struct peer *p = peer_find(a, line);

	if (p) {
		family_renumber(a, p, family);
		return p;
	}
	p = calloc(1, sizeof(*p));
	if (!p)
		return NULL;
	p->line = line;
	snprintf(p->conn, sizeof(p->conn), "%s", conn);
	list_init(&p->paths);
	list_init(&p->children);
	list_init(&p->bindings);
	if (!family_join(a, p, family)) {
		free(p);
		return NULL;
	}
	list_append(&a->peers, &p->node);
	hash_add(&a->lines, &p->by_line, line);
	if (a->lines.n > a->most_peers)
		a->most_peers = a->lines.n;
	hash_add(&a->peers_of, &p->by_conn, hash_octets(p->conn, strlen(p->conn)));
	return p;
}

void peer_free(struct agent *a, struct peer *p)
{
	struct family *family = p->family;

	family_leave(a, p); /* first: nobody sends on what ends now */
	list_for_each_safe (c, tmp, &p->children)
		agent_child_del(a, list_entry(c, struct child, node)->id);
	mmx_steer_leave(p);
	bindings_free(a, p);
	list_for_each_safe (it, tmp2, &p->paths)
		path_free(a, list_entry(it, struct path, node));
	if (p->group)
		dp_group_del(a->dp, p->group);
	steer_free(p->classes);
	standby_free(p);
	list_remove(&p->node);
	hash_remove(&a->lines, &p->by_line);
	hash_remove(&a->peers_of, &p->by_conn);
	free(p->refusals);
	free(p);
	family_unref(a, family);
}

void agent_child_link(struct agent *a, struct peer *p, struct child *c)
{
	c->peer = p;
	list_append(&p->children, &c->node);
	hash_add(&a->children, &c->by_id, c->id);
}

struct child *agent_child_find(struct agent *a, uint32_t id, struct peer **ret_peer)
{
	struct hash_node *n = hash_find(&a->children, id);
	struct child *c = n ? hash_entry(n, struct child, by_id) : NULL;

	if (c)
		*ret_peer = c->peer;
	return c;
}

bool agent_child_up_but(const struct agent *a, const char *conn, const char *child, uint32_t but)
{
	hash_for_each (it, tmp, &a->peers_of, hash_octets(conn, strlen(conn))) {
		const struct peer *p = hash_entry(it, struct peer, by_conn);

		if (strcmp(p->conn, conn))
			continue;
		list_for_each (ci, &p->children) {
			const struct child *c = list_entry(ci, struct child, node);

			if (c->id != but && !c->additional && !strcmp(c->name, child))
				return true;
		}
	}
	return false;
}

bool agent_child_up(const struct agent *a, const char *conn, const char *child)
{
	return agent_child_up_but(a, conn, child, 0);
}

static void copy_ts(struct engine_ts *to, const struct ike_ts *from, uint8_t n)
{
	for (uint8_t i = 0; i < n && i < ENGINE_TS_MAX; i++)
		to[i] = (struct engine_ts){ .protocol = from[i].protocol,
					    .port_first = from[i].port_first,
					    .port_last = from[i].port_last,
					    .first = from[i].first,
					    .last = from[i].last };
}

static uint32_t df_flags(enum child_df df)
{
	switch (df) {
	case CHILD_DF_SET:
		return 0;
	case CHILD_DF_COPY:
		return ENGINE_SA_DF_COPY;
	case CHILD_DF_CLEAR:
		return ENGINE_SA_DF_CLEAR;
	}
	return 0;
}

static bool direct_of(const struct agent *a, const struct child_sa_out *o)
{
	const struct direct_child d = { o->mode, o->n_ts_local, o->n_ts_remote, o->ts_local,
					o->ts_remote };

	return direct_wanted(a, o->conn, &d);
}

static int engine_sa_add(struct agent *a, const struct child_sa_out *o, uint32_t out_index,
			 const struct peer *p, const struct binding *b, uint8_t family)
{
	bool encap = b ? b->encap != ENGINE_ENCAP_NONE : o->encap;
	struct engine_sa sa = {
		.id = o->id,
		.replaces = o->replaces,
		.spi_in = o->spi_in,
		.spi_out = o->spi_out,
		.mark = STEER_MARK(0, 0, out_index),
		.flags = (o->esn ? ENGINE_SA_ESN : 0) | (encap ? ENGINE_SA_ENCAP : 0) |
			 (o->mode != CHILD_TUNNEL ? ENGINE_SA_TRANSPORT : 0) |
			 (o->out_deferred ? ENGINE_SA_DEFER_OUT : 0) |
			 (o->peer_probes ? ENGINE_SA_PROBES : 0) |
			 (o->role_i ? ENGINE_SA_ROLE_I : 0) |
			 (o->dscp_out ? ENGINE_SA_DSCP_OUT : 0) |
			 (o->dscp_in ? ENGINE_SA_DSCP_IN : 0) | df_flags(o->df) |
			 (direct_of(a, o) ? ENGINE_SA_DIRECT : 0),
		.encr_id = o->encr_id,
		.key_bits = o->encr_key_bits,
		.integ_id = o->integ_id,
		.family = family,
		.n_ts_local = o->n_ts_local,
		.n_ts_remote = o->n_ts_remote,
		.key_len = (uint8_t)o->key_in.len,
		.integ_len = (uint8_t)o->integ_in.len,
		.soft_octets = o->soft_octets,
		.hard_octets = o->hard_octets,
		.soft_packets = o->soft_packets,
		.hard_packets = o->hard_packets,
		.room = b ? b->room : p->room,
		.tfc = o->tfc,
		.group = b ? b->group : p->group,
		.line = (uint32_t)p->line,
		.told_local = o->told_local,
		.told_remote = o->told_remote,
		.cpu = o->cpu,
	};
	int err;

	if (o->key_in.len > ENGINE_KEY_MAX || o->integ_in.len > ENGINE_KEY_MAX)
		return -EMSGSIZE;
	memcpy(sa.key_in, o->key_in.b, o->key_in.len);
	memcpy(sa.key_out, o->key_out.b, o->key_out.len);
	memcpy(sa.integ_in, o->integ_in.b, o->integ_in.len);
	memcpy(sa.integ_out, o->integ_out.b, o->integ_out.len);
	copy_ts(sa.ts_local, o->ts_local, o->n_ts_local);
	copy_ts(sa.ts_remote, o->ts_remote, o->n_ts_remote);
	snprintf(sa.name, sizeof(sa.name), "%.46s/%.46s", o->conn, o->name);
	err = engine_request(a, &sa.h, ENGINE_SA_ADD, sizeof(sa));
	secret_wipe(&sa, sizeof(sa));
	return err;
}

static void sa_gone(struct agent *a, uint32_t id)
{
	struct engine_id del = { .id = id };

	engine_request(a, &del.h, ENGINE_SA_DEL, sizeof(del));
	dp_sa_del(a->dp, id);
}

void peer_encap(struct agent *a, struct peer *p, bool encap)
{
	struct engine_group_encap m = { .group = p->group, .encap = encap };
	int err;

	if (!p->group || p->encap == encap)
		return;
	err = engine_request(a, &m.h, ENGINE_GROUP_ENCAP, sizeof(m));
	if (err) {
		log_error("%s: ESP stays %s UDP: %s", p->conn, encap ? "without" : "in",
			  strerror(-err));
		return;
	}
	p->encap = encap;
}

/* Both in one block, with room for them. */
static void put_ts(struct child *c, struct ike_ts *room, const struct ike_ts *local,
		   uint8_t n_local, const struct ike_ts *remote, uint8_t n_remote)
{
	c->n_ts_local = n_local;
	c->n_ts_remote = n_remote;
	c->ts_remote = room;
	c->ts_local = room + n_remote;
	memcpy(c->ts_remote, remote, n_remote * sizeof(*remote));
	memcpy(c->ts_local, local, n_local * sizeof(*local));
}

struct child *child_alloc(const struct ike_ts *local, uint8_t n_local, const struct ike_ts *remote,
			  uint8_t n_remote)
{
	struct child *c = calloc(1, sizeof(*c) + ((size_t)n_local + n_remote) * sizeof(c->came[0]));

	if (c)
		put_ts(c, c->came, local, n_local, remote, n_remote);
	return c;
}

void agent_child_free(struct child *c)
{
	free(c->ts_own);
	free(c);
}

/* Also where the peer made a tunnel of it. */
static bool is_stable(const struct agent *a, const struct child *c)
{
	const struct ike_conn_cfg *conn = agent_conn(a, c->peer->conn);

	for (uint8_t i = 0; conn && i < conn->n_children; i++)
		if (!strcmp(conn->children[i].name, c->name))
			return conn->children[i].mode == CHILD_STABLE;
	return c->mode == CHILD_STABLE;
}

/* Stable transport: the address that applications have is on the host, or comes to be. */
void child_fixed_addr(struct agent *a, struct child *c)
{
	const struct ike_ts *ts = c->ts_local;
	struct addr have;

	if (c->n_vips == IKE_VIPS_MAX || !c->n_ts_local || !is_stable(a, c))
		return;
	for (uint8_t i = 0; i < c->n_vips; i++)
		if (addr_equal(&c->vips[i], &ts->first))
			return;
	if (!rtnl_addr_in_range(a->rtnl, &ts->first, &ts->last, a->tun_ifindex, &have))
		c->vips[c->n_vips++] = ts->first;
}

/* One that replaces another is for what that was. */
static uint16_t home_of(const struct peer *p, uint32_t replaces)
{
	list_for_each (it, &p->children) {
		const struct child *c = list_entry(it, struct child, node);

		if (replaces && c->id == replaces)
			return c->home;
	}
	return 0;
}

static struct child *agent_child_new(struct agent *a, struct peer *p, const struct child_sa_out *o,
				     uint32_t out_index, uint64_t auth)
{
	struct child *c = child_alloc(o->ts_local, o->n_ts_local, o->ts_remote, o->n_ts_remote);

	if (!c)
		return NULL;
	c->mode = o->mode;
	c->additional = o->additional;
	c->home = home_of(p, o->replaces);
	c->id = o->id;
	c->spi_in = o->spi_in;
	c->spi_out = o->spi_out;
	c->out_index = out_index;
	c->direct = direct_of(a, o);
	snprintf(c->name, sizeof(c->name), "%s", o->name);
	c->selectors = family_selectors(o->ts_local, o->n_ts_local, o->ts_remote, o->n_ts_remote);
	c->n_vips = o->n_vips;
	memcpy(c->vips, o->vips, sizeof(c->vips));
	agent_child_link(a, p, c);
	child_fixed_addr(a, c);
	session_child(a, c, auth, p->family->n_lines);
	return c;
}

void peer_probes(struct agent *a, struct peer *p, bool knows)
{
	const struct ike_conn_cfg *c = agent_conn(a, p->conn);

	bool mmx = ike_mmx_on(a->ike, p->line, NULL);

	/* what shall have MMX, and has not, has clones */
	p->probes |= knows && c && c->multipath != IKE_MULTIPATH_NO &&
		     !(c->multipath == IKE_MULTIPATH_MMX && mmx);
	p->path_probes |= knows && mmx;
}

/* Beside the first one, made or rekeyed by us, one for each CPU: at once and not when a CPU sends,
 * although Linux can tell that (XFRM_POLICY_CPU_ACQUIRE): from its question to the answer 6.18
 * drops what that CPU sends, and where a peer takes no more, for minutes. */
static void fill_cpus(struct agent *a, const struct child_sa_out *o)
{
	int err = 0;

	if (!o->ask_cpus || !o->initiator || o->additional)
		return;
	for (uint16_t cpu = 0; err != -EOPNOTSUPP && err != -ENOENT; cpu++)
		err = ike_up_cpu(a->ike, o->id, cpu, agent_now());
}

void agent_child_add(struct agent *a, const struct ike_output *out)
{
	const struct child_sa_out *o = out->child;
	struct peer *p = peer_get(a, out->family, out->line, out->conn);
	struct binding *b = p ? binding_find(p, o->binding) : NULL;
	struct path *main = NULL;
	struct child *c = NULL;
	struct dp_sa sa = { .id = o->id, .spi_in = o->spi_in, .spi_out = o->spi_out };
	uint32_t index = 0;
	int err = -ENOMEM;

	if (!p)
		goto fail;
	p->role_i = o->role_i;
	peer_probes(a, p, o->peer_probes);
	p->encap = o->encap;
	if (!p->moving) /* until the peer knows of a move, ESP is where it was */
		p->ike_path = out->path;
	main = path_main(a, p, &out->path);
	if (!main)
		goto fail;
	/* what goes in UDP the engine knows by group, and kesp says to the maps: no flags */
	sa.group = b ? b->group : p->group;
	sa.family = main->local.ip.family;
	err = dp_sa_add(a->dp, &sa, &index);
	if (err)
		goto fail;
	peer_room(a, p);
	err = shield_ahead(a, o->mode, o->ts_local, o->n_ts_local, o->ts_remote, o->n_ts_remote);
	if (!err)
		err = engine_sa_add(a, o, index, p, b, main->local.ip.family);
	if (err) {
		dp_sa_del(a->dp, o->id);
		goto fail;
	}
	c = agent_child_new(a, p, o, index, out->auth);
	if (!c) {
		err = -ENOMEM;
		sa_gone(a, o->id);
		goto fail;
	}
	binding_enter(a, b, c);
	inner_add(a, c, o->ts_local, o->n_ts_local);
	shield_child(a, c, 0);
	family_child_changed(a, p);
	paths_sync(a, p);
	move_plan(a, p);
	fill_cpus(a, o);
	return;
fail:
	log_error("%s: Child SA %s (SPIs %08x, %08x) cannot be installed: %s; telling the peer to "
		  "delete it",
		  out->conn, o->name, o->spi_in, o->spi_out, strerror(-err));
	agent_spi_free(a, o->spi_in);
	ike_child_install_failed(a->ike, o->id, agent_now());
}

static int engine_sa_ts(struct agent *a, uint32_t id, const struct ike_child_ts *ts)
{
	struct engine_sa_ts m = {
		.id = id,
		.grace_msec = TS_GRACE_SEC * 1000,
		.block_msec = TS_BLOCK_SEC * 1000,
		.n_ts_local = ts->n_local,
		.n_ts_remote = ts->n_remote,
		.told_local = ts->told_local,
		.told_remote = ts->told_remote,
	};

	copy_ts(m.ts_local, ts->local, ts->n_local);
	copy_ts(m.ts_remote, ts->remote, ts->n_remote);
	return engine_request(a, &m.h, ENGINE_SA_TS, sizeof(m));
}

/* First the host's own packets of the new selectors are taken, then what was there is blocked, then
 * the SA changes: at no time are any of both in clear text. */
void agent_child_ts(struct agent *a, uint32_t id, const struct ike_child_ts *ts)
{
	struct peer *p;
	struct child *c = agent_child_find(a, id, &p);
	struct ike_ts *room;
	int err;

	if (!c)
		return;
	room = calloc((size_t)ts->n_local + ts->n_remote, sizeof(*room));
	err = room ? shield_ahead(a, c->mode, ts->local, ts->n_local, ts->remote, ts->n_remote)
		   : -ENOMEM;
	if (!err)
		err = engine_sa_ts(a, id, ts);
	if (err) {
		free(room);
		log_error("%s: Child SA %s cannot get other selectors: %s; telling the peer to "
			  "delete "
			  "it",
			  p->conn, c->name, strerror(-err));
		ike_child_install_failed(a->ike, id, agent_now());
		return;
	}
	shield_child(a, c, TS_BLOCK_SEC * USEC_PER_SEC);
	free(c->ts_own);
	c->ts_own = room;
	put_ts(c, room, ts->local, ts->n_local, ts->remote, ts->n_remote);
	c->selectors = family_selectors(ts->local, ts->n_local, ts->remote, ts->n_remote);
	family_child_changed(a, p);
}

/* Its SA protected the probes of the peer's paths? Then another of its Child SAs does now. */
static void probes_move(struct agent *a, struct peer *p, uint32_t gone)
{
	list_for_each (it, &p->paths) {
		struct path *path = list_entry(it, struct path, node);

		if (path->probed && path->info.sa_id == gone)
			path_probe(a, path);
	}
}

void agent_line_add(struct agent *a, const struct ike_output *o)
{
	const struct ike_path pair = o->path;
	struct peer *p = peer_get(a, o->family, o->line, o->conn);

	if (!p)
		return; /* its first Child SA tries again */
	p->role_i = o->role_i;
	p->encap = o->encap;
	p->ike_path = pair;
	path_main(a, p, &pair);
}

/* The path of a line that has others beside it stands by for these. */
static void last_child_gone(struct agent *a, struct peer *p)
{
	bool stays = p->family->n_lines > 1 && !list_empty(&p->in_family);

	list_for_each_safe (it, tmp, &p->paths) {
		struct path *path = list_entry(it, struct path, node);
		const struct ike_path pair = { path->local, path->remote, path->ifindex };

		if (path->bound) /* goes with its binding */
			continue;
		if (stays && same_pair(&pair, &p->ike_path)) {
			path_unprobe(a, path);
			continue;
		}
		snprintf(path->why, sizeof(path->why), "the connection is down");
		path->by = BY_IKE;
		path_free(a, path);
	}
	family_sync(a, p->family);
}

void agent_child_del(struct agent *a, uint32_t id)
{
	struct peer *p;
	struct child *c = agent_child_find(a, id, &p);

	if (!c)
		return;
	list_remove(&c->node);
	hash_remove(&a->children, &c->by_id);
	binding_leave(c);
	family_child_changed(a, p); /* before it is gone: nobody chooses it any more */
	shield_child_gone(a, c);
	if (!list_empty(&p->children))
		probes_move(a, p, id);
	session_child_gone(a, c);
	sa_gone(a, c->id);
	inner_del(a, c);
	agent_child_free(c);
	if (list_empty(&p->children))
		last_child_gone(a, p);
}

void agent_child_retire(struct agent *a, uint32_t id)
{
	struct engine_id retire = { .id = id };
	struct peer *p;
	struct child *c = agent_child_find(a, id, &p);

	if (!c)
		return;
	list_remove(&c->node);
	hash_remove(&a->children, &c->by_id);
	binding_leave(c);
	family_child_changed(a, p);
	shield_child_gone(a, c);
	if (engine_request(a, &retire.h, ENGINE_SA_RETIRE, sizeof(retire))) {
		session_child_gone(a, c);
		sa_gone(a, id);
	}
	inner_del(a, c);
	if (list_empty(&p->children))
		last_child_gone(a, p);
	else
		probes_move(a, p, id);
	c->until = agent_now() + RETIRED_SEC * USEC_PER_SEC;
	if (list_empty(&a->retired))
		agent_timer(a->retired_timer, RETIRED_SEC * USEC_PER_SEC);
	list_append(&a->retired, &c->node);
}

void agent_retired_run(struct agent *a, bool all)
{
	usec_t now = agent_now();

	while (!list_empty(&a->retired)) {
		struct child *c = list_entry(a->retired.next, struct child, node);

		if (!all && c->until > now) {
			agent_timer(a->retired_timer, c->until - now);
			return;
		}
		list_remove(&c->node);
		session_child_gone(a, c);
		sa_gone(a, c->id);
		agent_child_free(c);
	}
}
