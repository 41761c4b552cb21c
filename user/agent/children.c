/* SPDX-License-Identifier: GPL-2.0-only */
/* Peers and their Child SAs: from the core's outputs into the steering maps and the engine. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/secret.h"
#include "agent.h"

/* Longer than a packet can stay under way, on the slowest path, where others are quick. */
enum { RETIRED_SEC = 5 };

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
	list_for_each_safe (it, tmp2, &p->paths)
		path_free(a, list_entry(it, struct path, node));
	if (p->group)
		dp_group_del(a->dp, p->group);
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

			if (c->id != but && !strcmp(c->name, child))
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

static int engine_sa_add(struct agent *a, const struct child_sa_out *o, uint32_t out_index,
			 const struct peer *p, uint8_t family)
{
	struct engine_sa sa = {
		.id = o->id,
		.replaces = o->replaces,
		.spi_in = o->spi_in,
		.spi_out = o->spi_out,
		.mark = STEER_MARK(0, 0, out_index),
		.flags = (o->esn ? ENGINE_SA_ESN : 0) | (o->encap ? ENGINE_SA_ENCAP : 0) |
			 (o->mode == CHILD_TRANSPORT ? ENGINE_SA_TRANSPORT : 0) |
			 (o->out_deferred ? ENGINE_SA_DEFER_OUT : 0) |
			 (o->peer_probes ? ENGINE_SA_PROBES : 0) |
			 (o->role_i ? ENGINE_SA_ROLE_I : 0) |
			 (o->dscp_out ? ENGINE_SA_DSCP_OUT : 0) |
			 (o->dscp_in ? ENGINE_SA_DSCP_IN : 0) | df_flags(o->df),
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
		.room = p->room,
		.tfc = o->tfc,
		.group = p->group,
		.line = (uint32_t)p->line,
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

static struct child *agent_child_new(struct agent *a, struct peer *p, const struct child_sa_out *o,
				     uint32_t out_index, uint64_t auth)
{
	struct child *c = calloc(1, sizeof(*c) + o->n_ts_remote * sizeof(c->ts_remote[0]));

	if (!c)
		return NULL;
	c->id = o->id;
	c->spi_in = o->spi_in;
	c->spi_out = o->spi_out;
	c->out_index = out_index;
	snprintf(c->name, sizeof(c->name), "%s", o->name);
	c->selectors = family_selectors(o->ts_local, o->n_ts_local, o->ts_remote, o->n_ts_remote);
	c->n_ts_remote = o->n_ts_remote;
	memcpy(c->ts_remote, o->ts_remote, o->n_ts_remote * sizeof(c->ts_remote[0]));
	c->n_vips = o->n_vips;
	memcpy(c->vips, o->vips, sizeof(c->vips));
	agent_child_link(a, p, c);
	session_child(a, c, auth, p->family->n_lines);
	return c;
}

void agent_child_add(struct agent *a, const struct ike_output *out)
{
	const struct child_sa_out *o = out->child;
	struct peer *p = peer_get(a, out->family, out->line, out->conn);
	struct path *main = NULL;
	struct child *c = NULL;
	uint32_t index = 0;
	int err = -ENOMEM;

	if (!p)
		goto fail;
	p->role_i = o->role_i;
	p->probes |= o->peer_probes;
	p->encap = o->encap;
	p->ike_path = out->path;
	main = path_main(a, p, &out->path);
	if (!main)
		goto fail;
	/* the engine takes ESP as it comes, and knows by group what goes in UDP: no flags */
	err = dp_sa_add(a->dp, o->id, o->spi_in, o->spi_out, p->group, 0, &index);
	if (err)
		goto fail;
	peer_room(a, p);
	err = engine_sa_add(a, o, index, p, main->local.ip.family);
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
	inner_add(a, c, o->ts_local, o->n_ts_local);
	family_child_changed(a, p);
	paths_sync(a, p);
	move_plan(a, p);
	return;
fail:
	log_error("%s: Child SA %s (SPIs %08x, %08x) cannot be installed: %s; telling the peer to "
		  "delete it",
		  out->conn, o->name, o->spi_in, o->spi_out, strerror(-err));
	ike_child_install_failed(a->ike, o->id, agent_now());
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
	family_child_changed(a, p); /* before it is gone: nobody chooses it any more */
	if (!list_empty(&p->children))
		probes_move(a, p, id);
	session_child_gone(a, c);
	sa_gone(a, c->id);
	inner_del(a, c);
	free(c);
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
	family_child_changed(a, p);
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
		free(c);
	}
}
