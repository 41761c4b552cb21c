/* SPDX-License-Identifier: GPL-2.0-only */
/* A relation with one path, to any peer that knows MOBIKE (RFC 4555): which pair of addresses it
 * uses. The initiator decides: another pair when link or address of the present one go, when
 * requests stay unanswered on it and are answered on another, and when a better uplink is back and
 * has answered tests for a while. The Child SAs go with the path's record, by one store; the peer
 * hears of it afterwards. Between braid peers with several paths the probes decide instead. */
#include <string.h>

#include "base/log.h"
#include "agent.h"

/* A better uplink is there again: wait as its fail_back says, then ask it so often in a row. After
 * silence wait longer. */
#define BACK_LEAST (100 * USEC_PER_MSEC)
#define BACK_LAST  (60 * USEC_PER_SEC)
#define BACK_NEXT  (500 * USEC_PER_MSEC)
enum { BACK_ANSWERS = 3 };

static struct path *main_path(const struct peer *p)
{
	struct path *only = NULL;

	list_for_each (it, &p->paths) {
		if (only)
			return NULL;
		only = list_entry(it, struct path, node);
	}
	return only;
}

static bool same_pair(const struct ike_path *a, const struct ike_path *b)
{
	return addr_equal(&a->local.ip, &b->local.ip) && addr_equal(&a->remote.ip, &b->remote.ip);
}

/* Ports as they are: 4500, but for peers without NAT traversal. */
struct ike_path move_with_ports(const struct peer *p, const struct ike_path *pair)
{
	struct ike_path to = *pair;

	to.local.port = p->ike_path.local.port;
	to.remote.port = p->ike_path.remote.port;
	return to;
}

/* The responder's: its own addresses, the peer where it is. One that is on no uplink of ours and is
 * still there serves on. */
static size_t own_pairs(struct agent *a, const struct peer *p, const struct ike_conn_cfg *c,
			struct ike_path pairs[CONN_PAIRS_MAX])
{
	const struct addr *local = &p->ike_path.local.ip;
	struct addr found;
	size_t n = 0;

	if (rtnl_addr_in_range(a->rtnl, local, local, p->ike_path.ifindex, &found))
		return 0;
	for (size_t i = 0; i < a->n_uplinks; i++) {
		const struct uplink *u = &a->uplinks[i];

		for (size_t e = 0; u->up && e < u->n_eps && n < CONN_PAIRS_MAX; e++)
			if (u->eps[e].addr.family == p->ike_path.remote.ip.family &&
			    conns_local_new(a, c, u, &u->eps[e]))
				pairs[n++] = (struct ike_path){
					.local.ip = u->eps[e].addr,
					.remote = p->ike_path.remote,
					.ifindex = u->ifindex,
				};
	}
	return n;
}

/* The operator's choice comes first, if it is there. */
static void prefer_first(const struct peer *p, struct ike_path *pairs, size_t n)
{
	for (size_t i = 1; i < n; i++) {
		struct ike_path pair = pairs[i];

		if (!standby_preferred(p, &pair))
			continue;
		memmove(pairs + 1, pairs, i * sizeof(*pairs));
		pairs[0] = pair;
		return;
	}
}

size_t move_pairs(struct agent *a, const struct peer *p, struct ike_path pairs[CONN_PAIRS_MAX])
{
	const struct ike_conn_cfg *c = agent_conn(a, p->conn);
	size_t n;

	if (!c || !ike_can_move(a->ike, p->family))
		return 0;
	n = p->role_i ? conns_pairs(a, c, pairs) : own_pairs(a, p, c, pairs);
	prefer_first(p, pairs, n);
	return n;
}

void move_now(struct agent *a, struct peer *p, const struct ike_path *pair, const char *why)
{
	char from[ADDR_STR], to[ADDR_STR];
	struct ike_path now = move_with_ports(p, pair);

	log_info("%s: %s; it moves to %s, %s", p->conn, why, addr_format(&now.local.ip, from),
		 addr_format(&now.remote.ip, to));
	if (ike_path_change(a->ike, p->family, &now, agent_now()) == 0)
		p->ike_path = now;
	move_plan(a, p);
}

void move_run(struct agent *a, struct peer *p)
{
	const struct path *path = main_path(p);
	struct ike_path pairs[CONN_PAIRS_MAX];
	size_t n = path && path->gone ? move_pairs(a, p, pairs) : 0;

	for (size_t i = 0; i < n; i++) {
		if (same_pair(&pairs[i], &p->ike_path) && pairs[i].ifindex == p->ike_path.ifindex)
			return; /* on its way there */
	}
	if (n)
		move_now(a, p, &pairs[0], path->why);
}

/* ---- requests without an answer ---- */

void move_on_unanswered(struct agent *a, struct peer *p)
{
	struct ike_path pairs[CONN_PAIRS_MAX], to;
	size_t n = main_path(p) ? move_pairs(a, p, pairs) : 0;

	/* each in turn, the present one too: it may only have been slow */
	if (n < 2)
		return;
	to = move_with_ports(p, &pairs[p->tries++ % n]);
	ike_try_path(a->ike, p->family, &to, agent_now());
}

void move_on_answered(struct agent *a, struct peer *p, const struct ike_path *pair)
{
	const struct path *path = main_path(p);

	if (path && (p->role_i || path->gone) && !same_pair(pair, &p->ike_path))
		move_now(a, p, pair, "nobody answered on the old addresses");
}

/* ---- back to a better uplink ---- */

static bool better(struct agent *a, const struct peer *p, const struct ike_path *pair)
{
	const struct uplink *now = uplink_of(a, p->ike_path.ifindex);
	const struct uplink *then = uplink_of(a, pair->ifindex);

	if (standby_preferred(p, pair) != standby_preferred(p, &p->ike_path))
		return standby_preferred(p, pair);
	return now && then && uplink_cmp(then, now) < 0;
}

static void plan(struct agent *a, struct peer *p, usec_t at)
{
	p->back_at = at;
	if (a->back_wake && a->back_wake <= at)
		return;
	a->back_wake = at;
	agent_timer(a->back_timer, at > agent_now() ? at - agent_now() : 0);
}

static usec_t fail_back(struct agent *a, const struct ike_path *pair)
{
	usec_t wait = uplink_fail_back(a, uplink_of(a, pair->ifindex));

	return wait > BACK_LEAST ? wait : BACK_LEAST;
}

void move_plan(struct agent *a, struct peer *p)
{
	struct ike_path pairs[CONN_PAIRS_MAX];
	size_t n;

	standby_plan(a, p);
	n = p->role_i && main_path(p) ? move_pairs(a, p, pairs) : 0;

	if (!n || !better(a, p, &pairs[0])) {
		p->back_at = 0;
	} else if (!p->back_at) {
		p->back_wait = fail_back(a, &pairs[0]);
		p->back_answers = 0;
		plan(a, p, agent_now() + p->back_wait);
	}
}

static void back_try(struct agent *a, struct peer *p)
{
	struct ike_path pairs[CONN_PAIRS_MAX], to;
	size_t n = main_path(p) ? move_pairs(a, p, pairs) : 0;

	p->back_at = 0;
	if (!n || !better(a, p, &pairs[0]))
		return;
	to = move_with_ports(p, &pairs[0]);
	if (ike_path_test(a->ike, p->family, &to, 0,
			  agent_now())) /* another one is under way, say */
		plan(a, p, agent_now() + p->back_wait);
}

void move_on_tested(struct agent *a, struct peer *p, const struct ike_path *pair, usec_t rtt)
{
	if (!main_path(p) || !p->role_i || !better(a, p, pair))
		return;
	p->back_answers = rtt ? p->back_answers + 1 : 0;
	if (p->back_answers >= BACK_ANSWERS) {
		move_now(a, p, pair, "a better uplink is back");
		return;
	}
	if (!rtt && p->back_wait < BACK_LAST)
		p->back_wait *= 2;
	plan(a, p, agent_now() + (rtt ? BACK_NEXT : p->back_wait));
}

void moves_run(struct agent *a)
{
	usec_t now = agent_now(), next = USEC_NEVER;

	a->back_wake = 0;
	list_for_each (it, &a->peers) {
		struct peer *p = list_entry(it, struct peer, node);

		if (p->back_at && p->back_at <= now)
			back_try(a, p);
		if (p->back_at && p->back_at < next)
			next = p->back_at;
	}
	if (next == USEC_NEVER)
		return;
	a->back_wake = next;
	agent_timer(a->back_timer, next > now ? next - now : 0);
}
