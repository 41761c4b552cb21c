/* SPDX-License-Identifier: GPL-2.0-only */
/* Uplinks: interfaces named in the configuration, followed through rtnetlink. */
#include <stdio.h>
#include <string.h>

#include <event2/event.h>

#include "base/log.h"
#include "agent.h"

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

static void uplink_event(struct agent *a, const struct uplink *u, enum ctl_event kind,
			 const char *what)
{
	char text[320];

	snprintf(text, sizeof(text), "uplink %s (%s): %s", u->cfg.name, u->cfg.interface, what);
	log_info("%s", text);
	control_event(a, kind, NULL, NULL, NULL, u->cfg.name, u->up ? "up" : "down", what, text);
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
			path->gone = true;
			path_down(a, path, why);
		}
	}
}

static void endpoints_sync(struct agent *a, struct uplink *u)
{
	struct addr now[AGENT_EPS_MAX];
	struct endpoint eps[AGENT_EPS_MAX] = { 0 };
	size_t n = u->ifindex ? rtnl_addrs(a->rtnl, u->ifindex, now, AGENT_EPS_MAX) : 0;
	char text[ADDR_STR], what[96];

	for (size_t i = 0; i < n; i++) {
		eps[i] = (struct endpoint){ .addr = now[i] };
		for (size_t k = 0; k < u->n_eps; k++)
			if (addr_equal(&u->eps[k].addr, &now[i]))
				eps[i] = u->eps[k];
		if (!eps[i].epid) {
			eps[i].epid = a->next_epid++;
			snprintf(what, sizeof(what), "has address %s", addr_format(&now[i], text));
			uplink_event(a, u, CTL_EV_UPLINK_CHANGED, what);
			conns_uplink_changed(a);
		}
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
			    u->cfg.name, u->cfg.interface);
}

static void uplink_sync(struct agent *a, struct uplink *u)
{
	struct rtnl_link link;
	bool found = rtnl_link_by_name(a->rtnl, u->cfg.interface, &link);
	bool up = found && link.up;

	if (u->up && (!up || link.ifindex != u->ifindex)) {
		u->up = false;
		a->sources_round++; /* the kernel's routes by it went silently */
		paths_down(a, u, found ? "link is down" : "interface is gone");
		uplink_event(a, u, CTL_EV_UPLINK_DOWN,
			     found ? "link is down" : "interface is gone");
	}
	if (found && (link.ifindex != u->ifindex || xdp_asked(a)))
		ingress_sync(a, u, link.ifindex);
	for (size_t i = 0; u->ifindex && (!found || link.ifindex != u->ifindex) && i < u->n_eps;
	     i++) {
		source_rule_leave(a, u->ifindex, &u->eps[i]);
		u->eps[i].ruled = 0;
	}
	u->ifindex = found ? link.ifindex : 0;
	u->mtu = found ? link.mtu : 0;
	endpoints_sync(a, u);
	if (up && !u->up) {
		u->up = true;
		uplink_event(a, u, CTL_EV_UPLINK_UP, "link is up");
		conns_uplink_changed(a);
	}
}

/* An address that is gone cannot send: its paths leave at once, one word each. */
static void lost_addresses(struct agent *a)
{
	list_for_each (it, &a->peers) {
		struct peer *p = list_entry(it, struct peer, node);

		list_for_each (pi, &p->paths) {
			struct path *path = list_entry(pi, struct path, node);
			struct uplink *u = path->uplink < 0 ? NULL : &a->uplinks[path->uplink];
			bool have = false;

			for (size_t i = 0; u && i < u->n_eps; i++)
				have |= addr_equal(&u->eps[i].addr, &path->local.ip);
			if (!u || have || path->gone)
				continue;
			path->gone = true;
			path_down(a, path, "its address is gone");
		}
	}
}

void uplinks_on_change(void *ctx, enum rtnl_change what, uint32_t ifindex)
{
	const struct timeval soon = { 0, 20 * 1000 }, later = { 1, 0 };
	struct agent *a = ctx;

	switch (what) {
	case RTNL_CHANGE_LINK:
	case RTNL_CHANGE_ADDR:
		for (size_t i = 0; i < a->n_uplinks; i++) {
			struct rtnl_link link;
			struct uplink *u = &a->uplinks[i];

			if (!ifindex || u->ifindex == ifindex ||
			    (rtnl_link_by_index(a->rtnl, ifindex, &link) &&
			     !strcmp(link.name, u->cfg.interface)))
				uplink_sync(a, u);
		}
		a->sources_round += !ifindex; /* some words were lost */
		lost_addresses(a);
		list_for_each (it, &a->peers)
			move_run(a, list_entry(it, struct peer, node));
		break;
	case RTNL_CHANGE_ROUTE:
		break;
	case RTNL_CHANGE_SOURCE:
		a->sources_round++;
		if (event_pending(a->settle_timer, EV_TIMEOUT, NULL))
			return;
		a->settle_slow = true; /* no fight over them */
		event_add(a->settle_timer, &later);
		return;
	case RTNL_CHANGE_NEIGH:
		if (!uplink_of(a, ifindex))
			return;
		break;
	}
	/* New paths, next hops and MACs once the burst of events is over. */
	if (a->settle_slow || !event_pending(a->settle_timer, EV_TIMEOUT, NULL))
		event_add(a->settle_timer, &soon);
	a->settle_slow = false;
}

static void uplink_leave(struct agent *a, const struct uplink *u)
{
	for (size_t i = 0; i < u->n_eps; i++)
		source_rule_leave(a, u->ifindex, &u->eps[i]);
	dp_uplink_detach(a->dp, u->ifindex);
}

void uplinks_load(struct agent *a)
{
	struct uplink old[CONF_UPLINKS_MAX];
	uint8_t n_old = a->n_uplinks;
	int moved[CONF_UPLINKS_MAX];

	memcpy(old, a->uplinks, sizeof(old));
	memset(a->uplinks, 0, sizeof(a->uplinks));
	a->n_uplinks = a->conf->n_uplinks;
	for (size_t k = 0; k < n_old; k++)
		moved[k] = -1;
	for (size_t i = 0; i < a->n_uplinks; i++) {
		for (size_t k = 0; k < n_old; k++) {
			if (!strcmp(old[k].cfg.name, a->conf->uplinks[i].name) &&
			    !strcmp(old[k].cfg.interface, a->conf->uplinks[i].interface)) {
				a->uplinks[i] = old[k];
				moved[k] = (int)i;
			}
		}
		a->uplinks[i].cfg = a->conf->uplinks[i];
	}
	for (size_t k = 0; k < n_old; k++)
		if (moved[k] < 0 && old[k].ifindex)
			uplink_leave(a, &old[k]);
	list_for_each (it, &a->peers) {
		struct peer *p = list_entry(it, struct peer, node);

		list_for_each (pi, &p->paths) {
			struct path *path = list_entry(pi, struct path, node);

			if (path->uplink >= 0)
				path->uplink = moved[path->uplink];
		}
	}
	for (size_t i = 0; i < a->n_uplinks; i++)
		uplink_sync(a, &a->uplinks[i]);
}
