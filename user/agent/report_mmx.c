/* SPDX-License-Identifier: GPL-2.0-only */
/* What both ends have told of their interfaces, and what the Child SAs of a line are bound to. */
#include <stdio.h>

#include "bindings.h"
#include "report_impl.h"

static json_t *caps_json(uint32_t caps)
{
	static const struct {
		uint32_t bit;
		const char *word;
	} words[] = {
		{ MMX_CAP_IFACE, "iface" },	    { MMX_CAP_OUTER, "outer" },
		{ MMX_CAP_UPDATE, "update" },	    { MMX_CAP_ADDREMOVE, "addremove" },
		{ MMX_CAP_CHECK, "check" },	    { MMX_CAP_ALT, "alt" },
		{ MMX_CAP_DERIVE, "derive" },	    { MMX_CAP_DELIF, "delif" },
		{ MMX_CAP_TRANSPORT, "transport" }, { MMX_CAP_RESP_MOVE, "resp_move" },
		{ MMX_CAP_TOKEN, "token" },	    { MMX_CAP_QUERY, "query" },
	};
	json_t *l = json_array();

	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
		if (caps & words[i].bit)
			json_array_append_new(l, json_string(words[i].word));
	return l;
}

static const char *link_word(uint8_t link)
{
	static const char *const words[] = {
		[MMX_LINK_UNKNOWN] = "unknown",	    [MMX_LINK_WIRED] = "wired",
		[MMX_LINK_WLAN] = "wlan",	    [MMX_LINK_CELLULAR] = "cellular",
		[MMX_LINK_SATELLITE] = "satellite", [MMX_LINK_VIRTUAL] = "virtual",
	};

	return link < sizeof(words) / sizeof(*words) ? words[link] : words[MMX_LINK_UNKNOWN];
}

static json_t *endpoints_json(const struct mmx_iface *f)
{
	json_t *l = json_array();
	char text[ADDR_STR];

	for (unsigned e = 0; e < f->n; e++) {
		json_t *o = json_object();

		set_int(o, "id", f->ep[e].epid);
		set_str(o, "address", addr_format(&f->ep[e].addr, text));
		set(o, "current", json_boolean(f->ep[e].flags & MMX_IFACE_EP_CURRENT));
		json_array_append_new(l, o);
	}
	return l;
}

/* Names are ours alone: the peer tells none. */
static json_t *iface_json(const struct agent *a, const struct mmx_iface *f, bool of_peer)
{
	const struct uplink *u = of_peer ? NULL : ifaces_uplink(a, f->ifid);
	json_t *o = json_object();

	set_int(o, "id", f->ifid);
	set_str(o, "name", u ? u->name : NULL);
	set_str(o, "link", link_word(f->link));
	set(o, "up", json_boolean(f->flags & MMX_IFACE_UP));
	set(o, "metered", json_boolean(f->flags & MMX_IFACE_METERED));
	set(o, "backup", json_boolean(f->flags & MMX_IFACE_BACKUP));
	set(o, "nat", json_boolean(f->flags & MMX_IFACE_NAT));
	set_int(o, "preference", f->preference);
	set_or_null(o, "mtu", f->mtu);
	set(o, "endpoints", endpoints_json(f));
	return o;
}

static json_t *list_json(struct agent *a, uint64_t line, bool of_peer)
{
	uint32_t generation = 0;
	unsigned n = 0;
	const struct mmx_iface *f = ike_mmx_ifaces(a->ike, line, of_peer, &n, &generation);
	json_t *o, *l;

	if (!f)
		return NULL;
	o = json_object();
	l = json_array();
	for (unsigned i = 0; i < n; i++)
		json_array_append_new(l, iface_json(a, &f[i], of_peer));
	set_int(o, "generation", generation);
	set(o, "interfaces", l);
	return o;
}

/* ---- bindings ---- */

static json_t *path_json(const struct bound *e)
{
	json_t *o = json_object();
	char id[16];

	snprintf(id, sizeof(id), "%u-%u", e->is.id >> 16, e->is.id & 0xffff);
	set_str(o, "id", id);
	set_str(o, "name", e->path ? e->path->name : NULL);
	set_udp(o, "local", &e->is.path.local);
	set_udp(o, "remote", &e->is.path.remote);
	set_str(o, "state", e->path ? path_state_name(e->path->state) : NULL);
	set(o, "verified", json_boolean(e->is.verified));
	set(o, "nat", json_boolean(e->is.nat));
	set(o, "alternate", json_boolean(e->is.alternate));
	set(o, "boot", json_boolean(e->is.boot));
	return o;
}

static json_t *children_json(const struct peer *p, const struct binding *b)
{
	json_t *l = json_array();
	char spi[9];

	list_for_each (it, &p->children) {
		const struct child *c = list_entry(it, struct child, node);

		if (c->binding != b)
			continue;
		snprintf(spi, sizeof(spi), "%08x", c->spi_in);
		json_array_append_new(l, json_pack("{s:s, s:s}", "name", c->name, "spi_in", spi));
	}
	return l;
}

static json_t *bindings_json(struct agent *a, uint64_t line)
{
	const struct peer *p = peer_find(a, line);
	json_t *l = json_array();

	if (!p)
		return l;
	list_for_each (it, &p->bindings) {
		const struct binding *b = list_entry(it, struct binding, node);
		json_t *o = json_object(), *paths = json_array();

		for (uint8_t i = 0; i < b->n; i++)
			json_array_append_new(paths, path_json(&b->paths[i]));
		set_int(o, "id", b->id);
		set_int(o, "sas", b->sas);
		set(o, "paths", paths);
		set(o, "children", children_json(p, b));
		json_array_append_new(l, o);
	}
	return l;
}

json_t *report_mmx(struct agent *a, uint64_t line)
{
	uint32_t caps;
	json_t *o;

	if (!ike_mmx_on(a->ike, line, &caps))
		return NULL;
	o = json_object();
	set(o, "caps", caps_json(caps));
	set(o, "ours", list_json(a, line, false));
	set(o, "peer", list_json(a, line, true));
	set(o, "asks", report_asks(a, line));
	set(o, "bindings", bindings_json(a, line));
	return o;
}
