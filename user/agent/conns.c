/* SPDX-License-Identifier: GPL-2.0-only */
/* Which connections shall be up, by whose word, and when one that is not is tried again.
 *
 * A child is wanted by the configuration (start_action = start) or by the operator, whose word
 * counts more: `up` wants it until `down`, `down` holds it back until `up`. Both words outlive a
 * change of the configuration, not the agent. What is wanted and ends, or cannot be set up, is
 * tried again after 1, 2, 4 seconds and so on up to a minute, each time by the next pair of
 * addresses. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <event2/event.h>

#include "base/log.h"
#include "bindings.h"
#include "mmx_agent.h"

enum {
	RETRY_SEC = 1,	    /* before the first new attempt; doubled by each one that fails */
	RETRY_MAX_SEC = 60, /* and no longer than this */
	STABLE_SEC = 10,    /* up for so long: the next failure is a first one again */
};

enum word { WORD_NONE, WORD_UP, WORD_DOWN };

struct want {
	char child[IKE_NAME_MAX];
	enum word word; /* the operator's */
	bool start;	/* the configuration's */
	bool guarded;	/* in clear text it must not leave: since it was first asked for */
};

struct conn {
	struct list node;
	char name[IKE_NAME_MAX];
	bool no_path;	/* waits for an uplink */
	bool at_once;	/* to be set up again without a pause */
	unsigned fails; /* since it was last up for a while */
	unsigned pair;	/* the pair of addresses the next attempt takes */
	usec_t next;	/* no attempt before this */
	usec_t up_since;
	char error[CONN_ERROR_MAX];
	usec_t error_at;
	size_t n_wants;
	struct want *wants; /* in the order of the configuration */
};

const struct ike_conn_cfg *agent_conn(const struct agent *a, const char *name)
{
	for (size_t i = 0; i < a->conf->ike.n_conns; i++)
		if (!strcmp(a->conf->ike.conns[i].name, name))
			return &a->conf->ike.conns[i];
	return NULL;
}

static struct conn *conn_find(const struct agent *a, const char *name)
{
	list_for_each (it, &a->conns) {
		struct conn *n = list_entry(it, struct conn, node);

		if (!strcmp(n->name, name))
			return n;
	}
	return NULL;
}

static struct want *want_find(const struct conn *n, const char *child)
{
	for (size_t i = 0; n && i < n->n_wants; i++)
		if (!strcmp(n->wants[i].child, child))
			return &n->wants[i];
	return NULL;
}

static bool wanted(const struct want *w)
{
	return w->word == WORD_UP || (w->word == WORD_NONE && w->start);
}

/* ---- what the configuration says ---- */

static bool starts(const struct ike_child_cfg *c)
{
	return c->start == START_START;
}

static int conn_load(struct agent *a, const struct ike_conn_cfg *c)
{
	struct conn *n = conn_find(a, c->name);
	struct want *wants = calloc(c->n_children ? c->n_children : 1, sizeof(*wants));

	if (!n && wants) {
		n = calloc(1, sizeof(*n));
		if (n) {
			snprintf(n->name, sizeof(n->name), "%s", c->name);
			list_append(&a->conns, &n->node);
		}
	}
	if (!n || !wants) {
		free(wants);
		return -ENOMEM;
	}
	for (size_t i = 0; i < c->n_children; i++) {
		const struct want *old = want_find(n, c->children[i].name);

		if (old)
			wants[i] = *old;
		memcpy(wants[i].child, c->children[i].name, sizeof(wants[i].child));
		wants[i].start = starts(&c->children[i]);
	}
	free(n->wants);
	n->wants = wants;
	n->n_wants = c->n_children;
	return 0;
}

static void conn_free(struct conn *n)
{
	list_remove(&n->node);
	free(n->wants);
	free(n);
}

void conns_load(struct agent *a)
{
	list_for_each_safe (it, tmp, &a->conns) {
		struct conn *n = list_entry(it, struct conn, node);

		if (!agent_conn(a, n->name))
			conn_free(n);
	}
	for (size_t i = 0; i < a->conf->ike.n_conns; i++)
		if (conn_load(a, &a->conf->ike.conns[i]))
			log_error("%s: out of memory; it is not started by itself",
				  a->conf->ike.conns[i].name);
}

void conns_close(struct agent *a)
{
	list_for_each_safe (it, tmp, &a->conns)
		conn_free(list_entry(it, struct conn, node));
}

/* Nobody knows any more who asked for what an earlier agent set up: it is wanted. */
void conns_adopted(struct agent *a)
{
	const struct child_sa *child;
	struct ike_sa_info info;
	struct ike_child_info ci;

	for (const struct ike_sa *sa = ike_sa_first(a->ike); sa; sa = ike_sa_next(a->ike, sa)) {
		ike_sa_look(sa, &info);
		for (child = info.role_i ? ike_child_next(sa, NULL) : NULL; child;
		     child = ike_child_next(sa, child)) {
			struct want *w;

			ike_child_look(child, &ci);
			w = want_find(conn_find(a, info.conn), ci.name);

			if (!w)
				continue;
			if (!w->start)
				w->word = WORD_UP;
			w->guarded = true;
		}
	}
}

bool conns_guarded(const struct agent *a, const char *conn, const char *child)
{
	const struct want *w = want_find(conn_find(a, conn), child);

	return w && w->guarded;
}

/* ---- where to begin ---- */

bool conns_local_allowed(const struct agent *a, const struct ike_conn_cfg *c,
			 const struct uplink *u, const struct addr *local)
{
	bool named = false, here = false;

	for (size_t i = 0; i < a->conf->n_paths; i++) {
		if (strcmp(a->conf->paths[i].conn, c->name))
			continue;
		named = true;
		here |= !strcmp(a->conf->paths[i].uplink, u->cfg.name);
	}
	if (named && !here)
		return false;
	for (size_t i = 0; i < c->n_local_addrs; i++)
		if (addr_equal(&c->local_addrs[i], local))
			return true;
	return c->n_local_addrs == 0;
}

bool conns_local_new(const struct agent *a, const struct ike_conn_cfg *c, const struct uplink *u,
		     const struct endpoint *ep)
{
	for (size_t i = 0; i < u->n_eps; i++)
		if (u->eps[i].rank < ep->rank && u->eps[i].addr.family == ep->addr.family &&
		    conns_local_allowed(a, c, u, &u->eps[i].addr))
			return false;
	return conns_local_allowed(a, c, u, &ep->addr);
}

static bool conn_names(const struct ike_conn_cfg *c, const struct addr *remote)
{
	for (size_t i = 0; i < c->n_remote_addrs; i++)
		if (addr_equal(&c->remote_addrs[i], remote))
			return true;
	return false;
}

/* The pairs that an uplink could begin with if there is a route, best remote address first. */
static size_t uplink_pairs(struct agent *a, const struct ike_conn_cfg *c, const struct uplink *u,
			   const struct addrs *told, struct ike_path ret_pairs[CONN_PAIRS_MAX])
{
	size_t n = 0;

	for (size_t r = 0; u->up && r < c->n_remote_addrs + told->n; r++) {
		bool known = r < c->n_remote_addrs;
		const struct addr *remote =
			known ? &c->remote_addrs[r] : &told->list[r - c->n_remote_addrs];

		if (!known && conn_names(c, remote))
			continue;
		for (size_t e = 0; e < u->n_eps && n < CONN_PAIRS_MAX; e++) {
			const struct addr *local = &u->eps[e].addr;

			if (remote->family != local->family ||
			    !conns_local_new(a, c, u, &u->eps[e]) ||
			    !path_pair_wanted(a, c, u, remote))
				continue;
			ret_pairs[n++] = (struct ike_path){
				.local = { *local, PORT_IKE },
				.remote = { *remote, c->remote_port ? c->remote_port : PORT_IKE },
				.ifindex = u->ifindex,
			};
		}
	}
	return n;
}

/* The pair number nth that an uplink can begin with. */
static bool uplink_pair(struct agent *a, const struct ike_conn_cfg *c, const struct uplink *u,
			const struct addrs *told, unsigned nth, struct ike_path *ret_path)
{
	struct ike_path pairs[CONN_PAIRS_MAX];
	size_t n = uplink_pairs(a, c, u, told, pairs);

	/* the kernel is not asked for what cannot be there */
	for (size_t i = 0; nth < n && i < n; i++) {
		const struct ike_path *p = &pairs[i];
		struct addr hop;
		bool elsewhere;

		if (rtnl_next_hop(a->rtnl, &p->remote.ip, &p->local.ip, u->ifindex, &hop,
				  &elsewhere) ||
		    nth--)
			continue;
		*ret_path = *p;
		return true;
	}
	return false;
}

static void by_preference(const struct agent *a, const struct uplink *order[CONF_UPLINKS_MAX])
{
	for (size_t i = 0; i < a->n_uplinks; i++) {
		size_t k = i;

		for (; k && uplink_cmp(order[k - 1], &a->uplinks[i]) > 0; k--)
			order[k] = order[k - 1];
		order[k] = &a->uplinks[i];
	}
}

size_t conns_pairs(struct agent *a, const struct ike_conn_cfg *c, const struct addrs *told,
		   struct ike_path ret_pairs[CONN_PAIRS_MAX])
{
	const struct uplink *order[CONF_UPLINKS_MAX];
	size_t have = 0, before = 0;

	by_preference(a, order);
	/* another uplink before another address of the same */
	for (unsigned nth = 0; nth == 0 || have > before; nth++) {
		before = have;
		for (size_t i = 0; i < a->n_uplinks && have < CONN_PAIRS_MAX; i++)
			have += uplink_pair(a, c, order[i], told, nth, &ret_pairs[have]);
	}
	return have;
}

void conns_addrs(struct agent *a, const char *conn_or_null)
{
	const struct uplink *order[CONF_UPLINKS_MAX];

	by_preference(a, order);
	for (uint16_t i = 0; i < a->conf->ike.n_conns; i++) {
		const struct ike_conn_cfg *c = &a->conf->ike.conns[i];
		struct addr addrs[IKE_ADDRS_MAX];
		unsigned n = 0;

		if (conn_or_null && strcmp(conn_or_null, c->name))
			continue;

		for (size_t k = 0; k < a->n_uplinks; k++)
			for (size_t e = 0; order[k]->up && e < order[k]->n_eps; e++)
				if (n < IKE_ADDRS_MAX &&
				    conns_local_new(a, c, order[k], &order[k]->eps[e]))
					addrs[n++] = order[k]->eps[e].addr;
		ike_addrs_set(a->ike, c->name, addrs, n, agent_now());
		ifaces_tell(a, c, order);
	}
}

bool conns_first_path(struct agent *a, const struct ike_conn_cfg *c, struct ike_path *ret_path)
{
	const struct conn *n = conn_find(a, c->name);
	struct ike_path all[CONN_PAIRS_MAX];
	const struct addrs none = { .n = 0 };
	size_t have = conns_pairs(a, c, &none, all);

	if (!have)
		return false;
	*ret_path = all[n ? n->pair % have : 0];
	return true;
}

bool conns_other_path(struct agent *a, const char *conn, struct ike_path *ret_path)
{
	const struct ike_conn_cfg *c = agent_conn(a, conn);
	struct conn *n = conn_find(a, conn);

	if (!c || !n)
		return false;
	n->pair++;
	return conns_first_path(a, c, ret_path);
}

/* ---- when ---- */

static void wake(struct agent *a, usec_t at)
{
	usec_t now = agent_now();

	if (a->conns_wake && a->conns_wake <= at)
		return;
	a->conns_wake = at > now ? at : now;
	agent_timer(a->conns_timer, a->conns_wake - now);
}

static bool any_wanted(const struct conn *n)
{
	for (size_t i = 0; i < n->n_wants; i++)
		if (wanted(&n->wants[i]))
			return true;
	return false;
}

/* going: id of a Child SA that is about to go, or 0. Another line may have one for the same. */
static bool any_missing(const struct agent *a, const struct conn *n, uint32_t going)
{
	for (size_t i = 0; i < n->n_wants; i++) {
		const struct want *w = &n->wants[i];

		if (wanted(w) && !agent_child_up_but(a, n->name, w->child, going))
			return true;
	}
	return false;
}

static void note_error(struct conn *n, const char *why)
{
	snprintf(n->error, sizeof(n->error), "%s", why);
	n->error_at = agent_now();
}

static void tell_pause(struct agent *a, const struct conn *n, unsigned pause_sec)
{
	char text[64 + IKE_NAME_MAX];

	snprintf(text, sizeof(text), "%s: next attempt in %u s", n->name, pause_sec);
	log_info("%s", text);
	control_event(a, CTL_EV_PROGRESS, n->name, NULL, NULL, NULL, NULL, NULL, text);
}

/* Something that is wanted is not there: another attempt, later each time. */
static void try_again(struct agent *a, struct conn *n, uint32_t going, bool tell)
{
	usec_t now = agent_now();
	unsigned pause = RETRY_SEC;

	if (a->stopping || n->next > now || !any_missing(a, n, going))
		return;
	if (n->up_since && now - n->up_since >= STABLE_SEC * USEC_PER_SEC)
		n->fails = 0;
	n->up_since = 0;
	for (unsigned i = 0; i < n->fails && pause < RETRY_MAX_SEC; i++)
		pause *= 2;
	if (pause > RETRY_MAX_SEC)
		pause = RETRY_MAX_SEC;
	n->fails++;
	if (n->at_once)
		pause = 0;
	n->at_once = false;
	n->next = now + pause * USEC_PER_SEC;
	wake(a, n->next);
	if (tell && pause)
		tell_pause(a, n, pause);
}

/* ---- what happens ---- */

void conns_on_event(struct agent *a, const struct ike_output *o, const char *child)
{
	struct conn *n = conn_find(a, o->conn);
	struct want *w = child ? want_find(n, child) : NULL;

	if (!n)
		return;
	switch (o->event) {
	case IKE_EV_IKE_UP:
		if (!o->role_i)
			break;
		n->up_since = agent_now();
		n->pair = 0;
		n->at_once = false;
		wake(a, 0); /* its other children */
		break;
	case IKE_EV_CHILD_UP:
		if (w && o->op && w->word == WORD_NONE) {
			w->word = WORD_UP;
			w->guarded = true;
		}
		break;
	case IKE_EV_FAILED:
		note_error(n, o->text);
		n->pair += !n->up_since;
		try_again(a, n, 0, true);
		break;
	case IKE_EV_IKE_DOWN:
		if (!o->op && o->role_i && !a->stopping)
			note_error(n, o->text);
		try_again(a, n, 0, true);
		break;
	case IKE_EV_CHILD_DOWN:
		try_again(a, n, o->child_id, true);
		break;
	case IKE_EV_IKE_REKEYED:
		wake(a, 0); /* what had to wait for its end */
		break;
	case IKE_EV_CLONED:
	case IKE_EV_CHILD_REKEYED:
	case IKE_EV_PEER_MOVED:
	case IKE_EV_MOVED:
	case IKE_EV_MOVE_REFUSED:
	case IKE_EV_PEER_ADDRS:
	case IKE_EV_UNANSWERED:
	case IKE_EV_PATH_ANSWERED:
	case IKE_EV_PATH_TESTED:
	case IKE_EV_SESSION:
	case IKE_EV_MMX_ANSWERED:
	case IKE_EV_MMX_PROBED:
	case IKE_EV_MMX_PEER_IFACES:
	case IKE_EV_MMX_CHANGED:
	case IKE_EV_STEP:
		break;
	}
}

void conns_engine_lost(struct agent *a)
{
	list_for_each (it, &a->conns)
		list_entry(it, struct conn, node)->at_once = true;
}

void conns_uplink_changed(struct agent *a)
{
	list_for_each (it, &a->conns)
		list_entry(it, struct conn, node)->next = 0;
}

/* ---- attempts ---- */

/* Also true for one that is being deleted: its end is an event. */
static bool conn_busy(struct agent *a, const char *name, bool *ret_established)
{
	enum ike_progress p = ike_conn_progress(a->ike, name);

	*ret_established = p == IKE_PROGRESS_ESTABLISHED;
	return p != IKE_PROGRESS_NONE;
}

static void attempt(struct agent *a, struct conn *n, const struct want *w)
{
	const struct ike_conn_cfg *c = agent_conn(a, n->name);
	struct ike_path path;
	int err;

	if (!conns_first_path(a, c, &path)) {
		/* said once, looked at after every change of the interfaces */
		if (!n->no_path)
			note_error(n, "no uplink has link, address and a route to the peer");
		try_again(a, n, 0, !n->no_path);
		n->no_path = true;
		return;
	}
	n->no_path = false;
	err = mmx_tunnel_first(a, n->name, w->child, &path, 0);
	if (err && err != -EALREADY) {
		log_warning("%s: cannot be started: %s", n->name, strerror(-err));
		note_error(n, strerror(-err));
		try_again(a, n, 0, true);
	}
	agent_drain(a);
}

static void conn_run(struct agent *a, struct conn *n)
{
	bool established;

	for (size_t i = 0; i < n->n_wants; i++) {
		struct want *w = &n->wants[i];

		if (!wanted(w) || agent_child_up(a, n->name, w->child))
			continue;
		if (n->next > agent_now()) {
			wake(a, n->next);
			return;
		}
		/* one at a time sets the IKE SA up; the others follow when it is */
		if (conn_busy(a, n->name, &established) && !established)
			return;
		attempt(a, n, w);
	}
}

void conns_run(struct agent *a)
{
	if (a->stopping || !engine_ready(a))
		return;
	list_for_each (it, &a->conns)
		conn_run(a, list_entry(it, struct conn, node));
}

void conns_settled(struct agent *a)
{
	list_for_each (it, &a->conns) {
		struct conn *n = list_entry(it, struct conn, node);

		if (n->no_path)
			n->next = 0;
	}
	conns_run(a);
}

static void on_timer(evutil_socket_t fd, short what, void *ctx)
{
	struct agent *a = ctx;

	(void)fd;
	(void)what;
	a->conns_wake = 0;
	conns_run(a);
}

int conns_open(struct agent *a)
{
	a->conns_timer = evtimer_new(a->base, on_timer, a);
	return a->conns_timer ? 0 : -ENOMEM;
}

/* ---- the operator's word ---- */

void conns_up(struct agent *a, const char *conn, const char *child)
{
	struct conn *n = conn_find(a, conn);

	for (size_t i = 0; n && i < n->n_wants; i++) {
		struct want *w = &n->wants[i];

		if (child && strcmp(w->child, child))
			continue;
		if (w->word == WORD_DOWN)
			w->word = WORD_NONE;
		w->guarded = true;
	}
	if (n) {
		n->fails = 0;
		n->next = 0;
	}
	clones_up(a, conn);
	guards_conn(a, conn);
}

void conns_up_already(struct agent *a, const char *conn, const char *child)
{
	struct conn *n = conn_find(a, conn);
	struct want *w = child ? want_find(n, child) : n && n->n_wants ? &n->wants[0] : NULL;

	if (w)
		w->word = WORD_UP;
}

void conns_down(struct agent *a, const char *conn, const char *child)
{
	struct conn *n = conn_find(a, conn);

	for (size_t i = 0; n && i < n->n_wants; i++) {
		if (child && strcmp(n->wants[i].child, child))
			continue;
		n->wants[i].word = WORD_DOWN;
		n->wants[i].guarded = false;
	}
	guards_conn(a, conn);
}

void conns_state(const struct agent *a, const char *conn, struct conn_state *ret)
{
	const struct conn *n = conn_find(a, conn);

	memset(ret, 0, sizeof(*ret));
	if (!n)
		return;
	ret->wanted = any_wanted(n);
	ret->held = n->n_wants > 0;
	for (size_t i = 0; i < n->n_wants; i++)
		ret->held &= n->wants[i].word == WORD_DOWN;
	ret->next = ret->wanted && n->next > agent_now() ? n->next : 0;
	memcpy(ret->error, n->error, sizeof(ret->error));
	ret->error_at = n->error_at;
}

bool conns_held(const struct agent *a, const char *conn, const char *child)
{
	const struct want *w = want_find(conn_find(a, conn), child);

	return w && w->word == WORD_DOWN;
}
