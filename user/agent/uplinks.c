/* SPDX-License-Identifier: GPL-2.0-only */
/* Uplinks: interfaces that the configuration names, or finds by pattern or kind, followed through
 * rtnetlink. */
#include <net/if_arp.h>
#include <stdio.h>
#include <string.h>

#include <event2/event.h>

#include "base/ids.h"
#include "base/log.h"
#include "bindings.h"
#include "mmx_agent.h"
#include "consent.h"
#include "net/linkkind.h"

int uplink_index(const struct agent *a, const struct uplink *u)
{
	return (int)(u - a->uplinks);
}

struct uplink *uplink_of(struct agent *a, uint32_t ifindex)
{
	for (size_t i = 0; i < a->n_uplinks; i++)
		if (ifindex && a->uplinks[i].ifindex == ifindex)
			return &a->uplinks[i];
	return NULL;
}

int uplink_cmp(const struct uplink *a, const struct uplink *b)
{
	if (a->cfg.preference != b->cfg.preference)
		return a->cfg.preference < b->cfg.preference ? -1 : 1;
	if (a->cfg.metered != b->cfg.metered)
		return a->cfg.metered ? 1 : -1;
	return (a->cfg.cost > b->cfg.cost) - (a->cfg.cost < b->cfg.cost);
}

static void uplink_event(struct agent *a, const struct uplink *u, enum ctl_event kind,
			 const char *what)
{
	char text[320];

	snprintf(text, sizeof(text), "uplink %s (%s): %s", u->name, u->cfg.interface, what);
	log_info("%s", text);
	decision_publish(a,
			 control_event_new(a, kind, NULL, NULL, NULL, u->name,
					   u->up ? "up" : "down", what, text),
			 &(struct decision){ .by = BY_NETLINK });
}

/* Paths over a link that cannot carry them go first: one word each, before anything else. */
static void paths_down(struct agent *a, const struct uplink *u, const char *why)
{
	list_for_each (it, &a->peers) {
		struct peer *p = list_entry(it, struct peer, node);

		list_for_each (pi, &p->paths) {
			struct path *path = list_entry(pi, struct path, node);

			if (path->uplink != uplink_index(a, u) || path->disabled)
				continue;
			if (!path->gone)
				consent_path_gone(a, path, why);
			path->gone = true;
			path_down(a, path, BY_NETLINK, why);
		}
	}
}

static const char *const rank_texts[RTNL_ADDR_RANKS] = {
	[RTNL_ADDR_STABLE] = "",
	[RTNL_ADDR_TEMPORARY] = ", temporary",
	[RTNL_ADDR_DEPRECATED] = ", deprecated",
	[RTNL_ADDR_DEPRECATED_TEMPORARY] = ", temporary and deprecated",
};

/* Peers know endpoints by these, also those whose address is gone while a path has it. */
uint16_t uplinks_epid(struct agent *a)
{
	struct ids used = { 0 };

	for (size_t i = 0; i < a->n_uplinks; i++)
		for (size_t e = 0; e < a->uplinks[i].n_eps; e++)
			ids_use(&used, a->uplinks[i].eps[e].epid);
	list_for_each (it, &a->peers) {
		struct peer *p = list_entry(it, struct peer, node);

		/* a responder's are numbered by the peer */
		list_for_each (pi, &p->paths)
			if (p->role_i)
				ids_use(&used, list_entry(pi, struct path, node)->epid_i);
	}
	return ids_take(&used, &a->next_epid);
}

static void endpoints_sync(struct agent *a, struct uplink *u)
{
	struct rtnl_addr now[AGENT_EPS_MAX];
	struct endpoint eps[AGENT_EPS_MAX] = { 0 };
	size_t n = u->ifindex ? rtnl_addrs(a->rtnl, u->ifindex, now, AGENT_EPS_MAX) : 0;
	char text[ADDR_STR], what[96];

	for (size_t i = 0; i < n; i++) {
		eps[i] = (struct endpoint){ .addr = now[i].addr, .rank = now[i].rank };
		for (size_t k = 0; k < u->n_eps; k++)
			if (addr_equal(&u->eps[k].addr, &now[i].addr))
				eps[i] = u->eps[k];
		if (eps[i].epid && eps[i].rank == now[i].rank)
			continue;
		snprintf(what, sizeof(what), "has address %s%s", addr_format(&now[i].addr, text),
			 rank_texts[now[i].rank]);
		eps[i].rank = now[i].rank;
		if (!eps[i].epid)
			eps[i].epid = uplinks_epid(a);
		uplink_event(a, u, CTL_EV_UPLINK_CHANGED, what);
		conns_uplink_changed(a);
	}
	for (size_t k = 0; k < u->n_eps; k++) {
		bool kept = false;

		for (size_t i = 0; i < n; i++)
			kept |= eps[i].epid == u->eps[k].epid;
		if (!kept) {
			snprintf(what, sizeof(what), "lost address %s",
				 addr_format(&u->eps[k].addr, text));
			uplink_event(a, u, CTL_EV_UPLINK_CHANGED, what);
			source_rule_leave(a, u->ifindex, &u->eps[k]);
		}
	}
	memcpy(u->eps, eps, n * sizeof(*eps));
	u->n_eps = (uint8_t)n;
}

static bool xdp_asked(const struct agent *a)
{
	return a->conf->attach == CONF_ATTACH_XDP || a->conf->attach == CONF_ATTACH_XDP_GENERIC;
}

/* Our ingress program, as far as others leave room: also once one has taken the device's only XDP
 * place from us by force, or has left it. Quiet while nothing changes. */
static void ingress_sync(struct agent *a, struct uplink *u, uint32_t ifindex)
{
	char why[sizeof(u->attach_why)] = "";
	int err = dp_uplink_attach(a->dp, ifindex, why, sizeof(why));

	if (err && !why[0])
		snprintf(why, sizeof(why), "not attached: %s", strerror(-err));
	if (ifindex == u->ifindex && !strcmp(why, u->attach_why))
		return;
	memcpy(u->attach_why, why, sizeof(why));
	uplink_event(a, u, CTL_EV_UPLINK_CHANGED, why);
	if (err)
		log_warning("uplink %s (%s): without an ingress program its packets are not "
			    "counted per path",
			    u->name, u->cfg.interface);
}

/* ---- which interface ---- */

static enum uplink_kind kind_of(const struct rtnl_link *link)
{
	switch (linkkind_of(link, LINKKIND_SYSFS)) {
	case LINK_KIND_WLAN:
		return UPLINK_WLAN;
	case LINK_KIND_RAN:
		return UPLINK_RAN;
	case LINK_KIND_WIRED:
		return UPLINK_WIRED;
	case LINK_KIND_OTHER:
		break;
	}
	return UPLINK_ANY;
}

enum uplink_kind uplink_kind(struct agent *a, struct uplink *u)
{
	struct rtnl_link link;

	if (u->cfg.kind != UPLINK_ANY)
		return u->cfg.kind;
	if (u->ifindex && u->kind_of != u->ifindex &&
	    rtnl_link_by_index(a->rtnl, u->ifindex, &link)) {
		u->kind = kind_of(&link);
		u->kind_of = u->ifindex;
	}
	return u->kind;
}

/* What we send would come back to us. They may have other names than the configuration says now. */
static bool is_ours(const struct agent *a, const struct rtnl_link *link)
{
	char peer[16];

	dp_steer_peer(a->conf->steer, peer);
	return link->ifindex == a->tun_ifindex || link->ifindex == dp_steer_ifindex(a->dp) ||
	       !strcmp(link->name, a->conf->tun) || !strcmp(link->name, a->conf->steer) ||
	       !strcmp(link->name, peer);
}

/* Ports of a bridge have no addresses; the bridge has. */
static bool may_be_found(const struct agent *a, const struct rtnl_link *link)
{
	struct rtnl_link lower;

	if (link->type == ARPHRD_LOOPBACK || link->port || is_ours(a, link))
		return false;
	return !link->lower || !rtnl_link_by_index(a->rtnl, link->lower, &lower) ||
	       !is_ours(a, &lower);
}

/* The section that this interface is found by, or NULL; none if one names it. */
static const struct conf_uplink *found_by(const struct agent *a, const struct rtnl_link *link)
{
	const struct conf_uplink *u;

	if (!may_be_found(a, link))
		return NULL;
	u = conf_uplink_of(a->conf, link->name, kind_of(link));
	return u && conf_uplink_many(u) ? u : NULL;
}

/* Its interface as it is now. One that was found may have another name meanwhile, and one that was
 * made anew the old one. */
static bool uplink_link(struct agent *a, const struct uplink *u, struct rtnl_link *ret)
{
	const struct conf_uplink *by;
	struct uplink *other;

	if (!u->found)
		return rtnl_link_by_name(a->rtnl, u->cfg.interface, ret);
	if (!rtnl_link_by_index(a->rtnl, u->ifindex, ret) &&
	    !rtnl_link_by_name(a->rtnl, u->cfg.interface, ret))
		return false;
	other = uplink_of(a, ret->ifindex);
	by = found_by(a, ret);
	return (!other || other == u) && by && !strcmp(by->name, u->cfg.name);
}

static void uplink_name(struct uplink *u, const struct rtnl_link *link)
{
	memcpy(u->cfg.interface, link->name, sizeof(u->cfg.interface));
	snprintf(u->name, sizeof(u->name), "%s", link->name);
}

/* Paths over its interface are its, whichever uplink that was before, and have its name. */
static void paths_take(struct agent *a, const struct uplink *u)
{
	list_for_each (it, &a->peers) {
		struct peer *p = list_entry(it, struct peer, node);

		list_for_each (pi, &p->paths) {
			struct path *path = list_entry(pi, struct path, node);

			if (path->ifindex != u->ifindex)
				continue;
			path->uplink = uplink_index(a, u);
			path_rename(a, path);
		}
	}
}

static void follow_name(struct agent *a, struct uplink *u, const struct rtnl_link *link)
{
	char what[96];

	if (!u->found || !strcmp(u->cfg.interface, link->name))
		return;
	snprintf(what, sizeof(what), "is called %s now", link->name);
	uplink_event(a, u, CTL_EV_UPLINK_CHANGED, what);
	uplink_name(u, link);
	paths_take(a, u);
}

/* The interface it had is another's, or gone. */
static void leave_link(struct agent *a, struct uplink *u)
{
	struct rtnl_link link;

	for (size_t i = 0; i < u->n_eps; i++) {
		source_rule_leave(a, u->ifindex, &u->eps[i]);
		u->eps[i].ruled = 0;
	}
	if (!rtnl_link_by_index(a->rtnl, u->ifindex, &link))
		return;
	shield_leave(a, u);
	dp_uplink_detach(a->dp, u->ifindex);
}

static void uplink_sync(struct agent *a, struct uplink *u)
{
	struct rtnl_link link;
	bool found = uplink_link(a, u, &link), other = !found || link.ifindex != u->ifindex;
	bool up = found && link.up;

	if (u->up && (!up || other)) {
		u->up = false;
		a->sources_round++; /* the kernel's routes by it went silently */
		paths_down(a, u, found ? "link is down" : "interface is gone");
		uplink_event(a, u, CTL_EV_UPLINK_DOWN,
			     found ? "link is down" : "interface is gone");
	}
	if (found)
		follow_name(a, u, &link);
	if (u->ifindex && other)
		leave_link(a, u);
	if (found && (other || xdp_asked(a)))
		ingress_sync(a, u, link.ifindex);
	if (!u->ifid)
		u->ifid = ifaces_number(a);
	u->ifindex = found ? link.ifindex : 0;
	u->mtu = found ? link.mtu : 0;
	if (found && other) {
		paths_take(a, u);
		shield_soon(a);
	}
	endpoints_sync(a, u);
	if (up && !u->up) {
		u->up = true;
		uplink_event(a, u, CTL_EV_UPLINK_UP, "link is up");
		conns_uplink_changed(a);
	}
}

static void uplink_init(struct uplink *u, const struct conf_uplink *c)
{
	*u = (struct uplink){ .cfg = *c };
	memcpy(u->name, c->name, sizeof(u->name));
}

/* A place for an interface found by a section; NULL: there is none. */
static struct uplink *uplink_find(struct agent *a, const struct rtnl_link *link)
{
	const struct conf_uplink *by = found_by(a, link);
	struct uplink *u;

	if (!by)
		return NULL;
	if (a->n_uplinks == CONF_UPLINKS_MAX) {
		if (!a->uplinks_full)
			log_warning("%s is not used: %d uplinks is the limit; exclude keeps out "
				    "those that are none",
				    link->name, CONF_UPLINKS_MAX);
		a->uplinks_full = true;
		return NULL;
	}
	u = &a->uplinks[a->n_uplinks++];
	uplink_init(u, by);
	uplink_name(u, link);
	u->found = true;
	return u;
}

/* Interfaces that are no uplink yet; ifindex 0: any. */
static void uplinks_find(struct agent *a, uint32_t ifindex)
{
	struct rtnl_link link;
	struct uplink *u;

	for (size_t i = 0; rtnl_link_at(a->rtnl, i, &link); i++) {
		if ((ifindex && link.ifindex != ifindex) || uplink_of(a, link.ifindex))
			continue;
		u = uplink_find(a, &link);
		if (u)
			uplink_sync(a, u);
	}
}

/* An address that is gone cannot send: its paths leave at once, one word each. */
static void lost_addresses(struct agent *a)
{
	list_for_each (it, &a->peers) {
		struct peer *p = list_entry(it, struct peer, node);

		list_for_each (pi, &p->paths) {
			struct path *path = list_entry(pi, struct path, node);

			if (path->gone || path_has_address(a, path))
				continue;
			consent_path_gone(a, path, "its address is gone");
			path->gone = true;
			path_down(a, path, BY_NETLINK, "its address is gone");
		}
	}
}

/* Found ones, which are last, leave a name before the one that names it takes it. */
static void links_changed(struct agent *a, uint32_t ifindex)
{
	struct rtnl_link link;
	bool known = ifindex && rtnl_link_by_index(a->rtnl, ifindex, &link);

	for (size_t i = a->n_uplinks; i--;) {
		struct uplink *u = &a->uplinks[i];

		if (!ifindex || u->ifindex == ifindex ||
		    (known && !strcmp(link.name, u->cfg.interface)))
			uplink_sync(a, u);
	}
	if (known || !ifindex)
		uplinks_find(a, ifindex);
}

void paths_soon(struct agent *a)
{
	const struct timeval soon = { 0, 20 * 1000 };

	if (!event_pending(a->settle_timer, EV_TIMEOUT, NULL))
		event_add(a->settle_timer, &soon);
}

void uplinks_on_change(void *ctx, enum rtnl_change what, uint32_t ifindex)
{
	struct agent *a = ctx;

	switch (what) {
	case RTNL_CHANGE_LINK:
	case RTNL_CHANGE_ADDR:
		links_changed(a, ifindex);
		a->sources_round += !ifindex; /* some words were lost */
		lost_addresses(a);
		list_for_each (it, &a->peers)
			move_run(a, list_entry(it, struct peer, node));
		/* an action names no endpoint that the peer does not hear of */
		if (!list_empty(&a->mmx_steers))
			conns_addrs(a, NULL);
		mmx_steer_changed(a);
		break;
	case RTNL_CHANGE_ROUTE:
		break;
	case RTNL_CHANGE_SOURCE:
		a->sources_round++;
		break;
	case RTNL_CHANGE_TAKEN:
		restore_soon(a);
		return;
	case RTNL_CHANGE_NEIGH:
		if (!uplink_of(a, ifindex))
			return;
		break;
	}
	/* New paths, next hops and MACs once the burst of events is over. */
	paths_soon(a);
}

static void uplink_leave(struct agent *a, struct uplink *u)
{
	for (size_t i = 0; i < u->n_eps; i++)
		source_rule_leave(a, u->ifindex, &u->eps[i]);
	shield_leave(a, u);
	dp_uplink_detach(a->dp, u->ifindex);
}

/* Uplinks of another number, each path's by moved[]; -1: of none. */
static void paths_renumber(struct agent *a, const int moved[CONF_UPLINKS_MAX])
{
	list_for_each (it, &a->peers) {
		struct peer *p = list_entry(it, struct peer, node);

		list_for_each (pi, &p->paths) {
			struct path *path = list_entry(pi, struct path, node);

			if (path->uplink >= 0)
				path->uplink = moved[path->uplink];
		}
	}
}

/* What is known of an interface stays, whatever the uplink is called now: so do its paths. */
static void carry_over(struct uplink *u, const struct uplink *old)
{
	struct uplink fresh = *u;

	*u = *old;
	u->cfg = fresh.cfg;
	u->found = fresh.found;
	memcpy(u->name, fresh.name, sizeof(u->name));
}

static void paths_renamed(struct agent *a)
{
	list_for_each (it, &a->peers) {
		struct peer *p = list_entry(it, struct peer, node);

		list_for_each (pi, &p->paths)
			path_rename(a, list_entry(pi, struct path, node));
	}
}

static bool is_planned(const struct agent *a, const char *interface)
{
	for (size_t i = 0; i < a->n_uplinks; i++)
		if (!strcmp(a->uplinks[i].cfg.interface, interface))
			return true;
	return false;
}

/* The configuration's, and of the interfaces those it finds: those first that are uplinks already,
 * should there not be room for all. */
static void uplinks_plan(struct agent *a, const struct uplink *old, size_t n_old)
{
	struct rtnl_link link;

	memset(a->uplinks, 0, sizeof(a->uplinks));
	a->n_uplinks = 0;
	a->uplinks_full = false;
	for (size_t i = 0; i < a->conf->n_uplinks; i++)
		if (!conf_uplink_many(&a->conf->uplinks[i]))
			uplink_init(&a->uplinks[a->n_uplinks++], &a->conf->uplinks[i]);
	for (size_t k = 0; k < n_old; k++)
		if (rtnl_link_by_index(a->rtnl, old[k].ifindex, &link))
			uplink_find(a, &link);
	for (size_t i = 0; rtnl_link_at(a->rtnl, i, &link); i++)
		if (!is_planned(a, link.name))
			uplink_find(a, &link);
}

void uplinks_load(struct agent *a)
{
	struct uplink old[CONF_UPLINKS_MAX];
	uint8_t n_old = a->n_uplinks;
	int moved[CONF_UPLINKS_MAX];
	bool renamed = false;

	memcpy(old, a->uplinks, sizeof(old));
	uplinks_plan(a, old, n_old);
	for (size_t k = 0; k < n_old; k++) {
		moved[k] = -1;
		for (size_t i = 0; i < a->n_uplinks; i++) {
			if (strcmp(old[k].cfg.interface, a->uplinks[i].cfg.interface))
				continue;
			renamed |= strcmp(old[k].name, a->uplinks[i].name) != 0;
			carry_over(&a->uplinks[i], &old[k]);
			moved[k] = (int)i;
		}
		if (moved[k] < 0 && old[k].ifindex)
			uplink_leave(a, &old[k]);
	}
	paths_renumber(a, moved);
	if (renamed)
		paths_renamed(a);
	for (size_t i = 0; i < a->n_uplinks; i++)
		uplink_sync(a, &a->uplinks[i]);
}

static bool has_paths(const struct agent *a, size_t uplink)
{
	list_for_each (it, &a->peers) {
		struct peer *p = list_entry(it, struct peer, node);

		list_for_each (pi, &p->paths)
			if (list_entry(pi, struct path, node)->uplink == (int)uplink)
				return true;
	}
	return false;
}

void uplinks_forget(struct agent *a)
{
	int moved[CONF_UPLINKS_MAX];
	uint8_t n = 0;

	for (size_t i = 0; i < a->n_uplinks; i++) {
		struct uplink *u = &a->uplinks[i];

		moved[i] = -1;
		if (u->found && !u->ifindex && !has_paths(a, i))
			continue;
		moved[i] = n;
		a->uplinks[n++] = *u;
	}
	if (n == a->n_uplinks)
		return;
	a->n_uplinks = n;
	paths_renumber(a, moved);
	a->uplinks_full = false;
	uplinks_find(a, 0); /* one that found no place */
}
