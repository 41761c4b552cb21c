/* SPDX-License-Identifier: GPL-2.0-only */
/* What commands about interfaces are understood by, and what braid mmx list shows: what both sides
 * have announced, and what the Child SAs of each binding use. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bindings.h"
#include "mmx_agent.h"

/* ---- what commands are understood by ---- */

static int view_children(const struct agent *a, uint64_t line, struct mmx_view *view)
{
	const struct peer *p = peer_find((struct agent *)a, line);
	size_t n = 0;

	if (!p)
		return 0;
	list_for_each (it, &p->children)
		n++;
	view->children = calloc(n ? n : 1, sizeof(*view->children));
	if (!view->children)
		return -ENOMEM;
	list_for_each (it, &p->children) {
		const struct child *c = list_entry(it, struct child, node);

		view->children[view->v.n_children++] = (struct ctl_mmx_child){ c->name, c->spi_in };
	}
	view->v.children = view->children;
	return 0;
}

int mmx_view_init(struct agent *a, uint64_t line, struct mmx_view *ret)
{
	uint32_t generation;

	*ret = (struct mmx_view){ 0 };
	if (!ike_mmx_on(a->ike, line, NULL))
		return -ENOENT;
	ret->v.own.ifaces = ike_mmx_ifaces(a->ike, line, false, &ret->v.own.n, &generation);
	ret->v.peer.ifaces = ike_mmx_ifaces(a->ike, line, true, &ret->v.peer.n, &generation);
	for (unsigned i = 0; ret->v.own.ifaces && i < ret->v.own.n; i++) {
		const struct uplink *u = ifaces_uplink(a, ret->v.own.ifaces[i].ifid);

		ret->names[i] = u ? u->name : NULL;
	}
	ret->v.own.names = ret->names;
	return view_children(a, line, ret);
}

void mmx_view_clear(struct mmx_view *view)
{
	free(view->children);
}

/* ---- the report ---- */

static json_t *paths_json(const struct ike_binding *b)
{
	json_t *out = json_array();

	for (unsigned i = 0; i < b->n; i++) {
		const struct ike_binding_path *p = &b->paths[i];
		char id[16], local[ADDR_PORT_STR], remote[ADDR_PORT_STR];

		snprintf(id, sizeof(id), "%u-%u", p->id >> 16, p->id & 0xffff);
		json_array_append_new(out,
				      json_pack("{s:s, s:s, s:s, s:b, s:b, s:b, s:b}", "id", id,
						"local", udp_addr_format(&p->path.local, local),
						"remote", udp_addr_format(&p->path.remote, remote),
						"verified", p->verified, "nat", p->nat, "boot",
						p->boot, "alternate", p->alternate));
	}
	return out;
}

static void append_binding(struct agent *a, uint64_t line, const struct mmx_shared *s_or_null,
			   json_t *out)
{
	struct ike_binding b = { 0 };
	unsigned sas = 0;

	ike_mmx_look(a->ike, line, s_or_null, &b, &sas);
	if (s_or_null || sas)
		json_array_append_new(out, json_pack("{s:I, s:i, s:o}", "id", (json_int_t)b.id,
						     "sas", (int)sas, "paths", paths_json(&b)));
}

/* First those that follow the IKE SA, if there are any. */
static json_t *bindings_json(struct agent *a, uint64_t line)
{
	json_t *out = json_array();

	append_binding(a, line, NULL, out);
	for (const struct mmx_shared *s = NULL; (s = ike_mmx_next(a->ike, line, s));)
		append_binding(a, line, s, out);
	return out;
}

static json_t *relation_json(struct agent *a, const struct peer *p)
{
	json_t *mmx = report_mmx(a, p->line);
	json_t *o = json_pack("{s:s, s:I, s:b, s:b}", "conn", p->conn, "line", (json_int_t)p->line,
			      "initiator", p->role_i, "on", mmx != NULL);

	if (!mmx)
		return o;
	json_object_update(o, mmx);
	json_decref(mmx);
	json_object_set_new(o, "bindings", bindings_json(a, p->line));
	return o;
}

enum { PIECE = 32 };

void mmx_list(struct agent *a, struct ctl_req *req, const char *conn)
{
	json_t *list = json_array();

	list_for_each (it, &a->peers) {
		const struct peer *p = list_entry(it, struct peer, node);

		if (conn && strcmp(p->conn, conn) != 0)
			continue;
		json_array_append_new(list, relation_json(a, p));
		if (json_array_size(list) < PIECE)
			continue;
		ctl_reply_data(req, json_pack("{s:o}", "relations", list));
		list = json_array();
	}
	ctl_reply_data(req, json_pack("{s:I, s:o}", "now_usec", (json_int_t)agent_now(),
				      "relations", list));
}
