/* SPDX-License-Identifier: GPL-2.0-only */
/* What there is of a relation with MMX, as ike/mmx_plan.h wants to know it. */
#include <stdlib.h>
#include <string.h>

#include "bindings.h"
#include "mmx_steer_impl.h"

/* ---- endpoints ---- */

static void order_uplinks(const struct agent *a, const struct uplink *order[CONF_UPLINKS_MAX])
{
	for (size_t i = 0; i < a->n_uplinks; i++) {
		size_t k = i;

		for (; k && uplink_cmp(order[k - 1], &a->uplinks[i]) > 0; k--)
			order[k] = order[k - 1];
		order[k] = &a->uplinks[i];
	}
}

/* By the last probe from there that was answered. */
static bool behind_nat(const struct mmx_look *k, uint16_t epid)
{
	for (size_t i = 0; i < k->s->n_tried; i++) {
		uint32_t path = k->s->tried[i].path;

		if (k->s->tried[i].nat && (uint16_t)(k->p->role_i ? path >> 16 : path) == epid)
			return true;
	}
	return false;
}

/* Metered ones stand by while another one is up. */
static void own_ends(struct mmx_look *k, const struct ike_conn_cfg *c)
{
	const struct uplink *order[CONF_UPLINKS_MAX];
	bool other = false;

	order_uplinks(k->a, order);
	for (size_t i = 0; i < k->a->n_uplinks; i++) {
		const struct uplink *u = order[i];

		for (size_t e = 0; e < u->n_eps; e++) {
			if (!u->eps[e].epid || u->eps[e].epid >= IKE_MMX_OWN_NUMBERS ||
			    !conns_local_new(k->a, c, u, &u->eps[e]))
				continue;
			k->uplinks[k->n_own] = u;
			k->own[k->n_own++] = (struct mmx_plan_end){
				.epid = u->eps[e].epid,
				.family = u->eps[e].addr.family,
				.up = u->up,
				.backup = u->cfg.metered,
				.nat = behind_nat(k, u->eps[e].epid),
			};
			other |= u->up && !u->cfg.metered;
		}
	}
	for (unsigned i = 0; i < k->n_own; i++)
		k->own[i].backup &= other;
}

/* Sorted by preference; among equals their order counts. */
static unsigned peer_ends(struct mmx_look *k, const struct mmx_iface *list, unsigned n)
{
	unsigned have = 0;

	for (unsigned level = 0; level <= UINT8_MAX; level++)
		for (unsigned i = 0; i < n; i++) {
			const struct mmx_iface *f = &list[i];

			for (unsigned e = 0; f->preference == level && e < f->n; e++) {
				if (f->ep[e].flags & MMX_IFACE_EP_LOCAL)
					continue;
				k->peer[have++] = (struct mmx_plan_end){
					.epid = f->ep[e].epid,
					.family = f->ep[e].addr.family,
					.up = f->flags & MMX_IFACE_UP,
					.backup = f->flags & MMX_IFACE_BACKUP ||
						  f->preference == UINT8_MAX,
				};
			}
		}
	return have;
}

static uint16_t current(const struct mmx_iface *list, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		for (unsigned e = 0; e < list[i].n; e++)
			if (list[i].ep[e].flags & MMX_IFACE_EP_CURRENT)
				return list[i].ep[e].epid;
	return 0;
}

/* ---- bindings and Child SAs ---- */

/* 0: what the IKE SA uses. */
static uint32_t bound_to(const struct child *c)
{
	return c->binding ? c->binding->id : 0;
}

static bool follows_ike(const struct peer *p)
{
	list_for_each (it, &p->children)
		if (!bound_to(list_entry(it, struct child, node)))
			return true;
	return false;
}

static bool put_bindings(struct mmx_look *k)
{
	unsigned n = 0, have = 0, sas;

	for (const struct mmx_shared *s = NULL; (s = ike_mmx_next(k->a->ike, k->p->line, s));)
		n++;
	k->bindings = calloc(n + 1u, sizeof(*k->bindings));
	if (!k->bindings)
		return false;
	for (const struct mmx_shared *s = NULL;
	     have < n && (s = ike_mmx_next(k->a->ike, k->p->line, s));)
		ike_mmx_look(k->a->ike, k->p->line, s, &k->bindings[have++], &sas);
	have += follows_ike(k->p);
	k->plan.bindings = k->bindings;
	k->plan.n_bindings = have;
	return true;
}

static const struct uplink *uplink_at(const struct mmx_look *k, uint16_t epid)
{
	for (unsigned i = 0; i < k->n_own; i++)
		if (k->own[i].epid == epid)
			return k->uplinks[i];
	return NULL;
}

/* Where it is now: the first of ours; 0: not known. */
static uint16_t place_of(const struct mmx_look *k, const struct child *c)
{
	for (unsigned i = 0; i < k->plan.n_bindings; i++) {
		const struct ike_binding *b = &k->bindings[i];

		for (unsigned n = 0; b->id == bound_to(c) && n < b->n; n++)
			if (!b->paths[n].boot && !b->paths[n].alternate)
				return (uint16_t)(k->p->role_i ? b->paths[n].id >> 16
							       : b->paths[n].id);
	}
	return bound_to(c) ? 0 : k->plan.ike_own;
}

/* The endpoint of its interface, of the family that it uses. */
static uint16_t home_of(const struct mmx_look *k, const struct child *c)
{
	for (unsigned i = 0; i < k->n_own; i++)
		if (k->uplinks[i]->ifid == c->home)
			return k->own[i].epid;
	return 0;
}

static unsigned service_of(const struct ike_conn_cfg *c, const struct child *child)
{
	unsigned i = 0;

	while (i < c->n_children && strcmp(c->children[i].name, child->name) != 0)
		i++;
	return i;
}

static struct addr inner_of(const struct child *c)
{
	for (uint8_t i = 0; c->mode != CHILD_TRANSPORT && i < c->n_ts_local; i++)
		if (addr_equal(&c->ts_local[i].first, &c->ts_local[i].last))
			return c->ts_local[i].first;
	return (struct addr){ .family = 0 };
}

/* Is another one for the same there? */
static bool occupied(const struct mmx_look *k, const struct child *c, uint16_t ifid)
{
	list_for_each (it, &k->p->children) {
		const struct child *o = list_entry(it, struct child, node);

		if (o != c && o->home == ifid && !strcmp(o->name, c->name))
			return true;
	}
	return false;
}

/* One that is seen for the first time belongs where it is, unless it may be away from home since
 * before another start of the agent: then one after the other to an uplink that has none yet. */
static void find_homes(struct mmx_look *k)
{
	const struct uplink *order[CONF_UPLINKS_MAX];

	order_uplinks(k->a, order);
	for (unsigned pass = 0; pass < 2; pass++)
		list_for_each (it, &k->p->children) {
			struct child *c = list_entry(it, struct child, node);
			const struct uplink *u = c->home ? NULL : uplink_at(k, place_of(k, c));
			bool away = u && c->adopted && k->plan.tunnels == IKE_TUNNELS_EACH &&
				    occupied(k, c, u->ifid);

			if (!u || (away && !pass))
				continue;
			c->home = u->ifid;
			for (size_t i = 0; away && i < k->a->n_uplinks; i++)
				if (order[i]->ifid && !occupied(k, c, order[i]->ifid)) {
					c->home = order[i]->ifid;
					break;
				}
		}
}

static bool put_children(struct mmx_look *k, const struct ike_conn_cfg *cfg)
{
	unsigned n = 0;

	list_for_each (it, &k->p->children)
		n++;
	k->children = calloc(n + 1u, sizeof(*k->children));
	if (!k->children)
		return false;
	find_homes(k);
	n = 0;
	list_for_each (it, &k->p->children) {
		struct child *c = list_entry(it, struct child, node);

		k->children[n++] = (struct mmx_plan_child){
			.spi = c->spi_in,
			.binding = bound_to(c),
			.home = home_of(k, c),
			.retired = c->home && !ifaces_uplink(k->a, c->home),
			.service = service_of(cfg, c),
			.transport = c->mode == CHILD_TRANSPORT,
			.inner = inner_of(c),
		};
	}
	k->plan.children = k->children;
	k->plan.n_children = n;
	return true;
}

bool mmx_look_bound(const struct mmx_look *k, uint16_t epid)
{
	for (unsigned i = 0; i < k->plan.n_bindings; i++)
		for (unsigned n = 0; n < k->bindings[i].n; n++) {
			const struct ike_binding_path *p = &k->bindings[i].paths[n];

			if (!p->boot && !p->alternate &&
			    (uint16_t)(k->p->role_i ? p->id >> 16 : p->id) == epid)
				return true;
		}
	return epid == k->plan.ike_own;
}

/* ---- all of it ---- */

bool mmx_look_new(struct mmx_look *k)
{
	const struct ike_conn_cfg *c = agent_conn(k->a, k->p->conn);
	const struct mmx_iface *own, *peer;
	uint32_t caps = 0, generation;
	unsigned n_own = 0, n_peer = 0;

	if (!c || !ike_mmx_on(k->a->ike, k->p->line, &caps))
		return false;
	own = ike_mmx_ifaces(k->a->ike, k->p->line, false, &n_own, &generation);
	peer = ike_mmx_ifaces(k->a->ike, k->p->line, true, &n_peer, &generation);
	if (!own || !peer)
		return false;
	k->plan = (struct mmx_plan){
		.we_are_i = k->p->role_i,
		.caps = caps,
		.tunnels = c->tunnels,
		.own = k->own,
		.peer = k->peer,
		.ike_own = current(own, n_own),
		.ike_peer = current(peer, n_peer),
		.n_peer = peer_ends(k, peer, n_peer),
	};
	own_ends(k, c);
	k->plan.n_own = k->n_own;
	if (put_bindings(k) && put_children(k, c))
		return true;
	mmx_look_free(k);
	return false;
}

void mmx_look_free(struct mmx_look *k)
{
	free(k->bindings);
	free(k->children);
}

/* ---- for people ---- */

/* "wlan (192.0.2.2)", or a number for what is not there any more. */
static void label(struct agent *a, const struct peer *p, bool of_peer, uint16_t epid, char buf[128])
{
	uint32_t generation;
	unsigned n = 0;
	const struct mmx_iface *l = ike_mmx_ifaces(a->ike, p->line, of_peer, &n, &generation);
	char text[ADDR_STR];

	snprintf(buf, 128, "%sendpoint %u", of_peer ? "the peer's " : "", epid);
	for (unsigned i = 0; l && i < n; i++)
		for (unsigned e = 0; e < l[i].n; e++) {
			const struct uplink *u = ifaces_uplink(a, l[i].ifid);

			if (l[i].ep[e].epid != epid)
				continue;
			addr_format(&l[i].ep[e].addr, text);
			if (!of_peer && u)
				snprintf(buf, 128, "%s (%s)", u->name, text);
			else
				snprintf(buf, 128, "%s%s", of_peer ? "the peer's " : "", text);
		}
}

/* "update wlan (192.0.2.2) by ran (198.51.100.2)" */
static void wording(struct agent *a, struct peer *p, const struct mmx_asked *what, char buf[320])
{
	char old[128] = "", new[128] = "", word[32];

	if (what->old)
		label(a, p, what->peers, what->old, old);
	if (what->new)
		label(a, p, what->peers, what->new, new);
	snprintf(buf, 320, "%s %s%s%s", ctl_mmx_code_word(what->code, word), old,
		 what->old && what->new ? " by " : "", new);
}

void mmx_steer_say(struct agent *a, struct peer *p, const struct mmx_asked *what, const char *why)
{
	char text[320];

	wording(a, p, what, text);
	relation_said(a, p, BY_AGENT, "the peer is asked to %s: %s", text, why);
}

void mmx_steer_say_refused(struct agent *a, struct peer *p, const struct mmx_asked *what,
			   const struct ike_mmx_result *r, const char *text_or_null)
{
	const char *why = r ? ctl_mmx_refusal_text(r->status, r->detail) : text_or_null;
	char text[320], word[32];

	wording(a, p, what, text);
	if (r && r->status == MMX_SUPERSEDED)
		relation_said(a, p, BY_PEER, "%s is not needed any more: %s", text, why);
	else
		relation_said(a, p, BY_PEER, "%s was refused%s%s%s%s", text, r ? ", " : "",
			      r ? ctl_mmx_status_word(r->status, word) : "", why ? ": " : "",
			      why ? why : "");
}
