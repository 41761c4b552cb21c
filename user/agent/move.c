/* SPDX-License-Identifier: GPL-2.0-only */
/* A relation with one path, to any peer that knows MOBIKE (RFC 4555): which pair of addresses it
 * uses. The initiator decides: another pair when link or address of the present one go, when
 * requests stay unanswered on it and are answered on another, and when a better uplink is back and
 * has answered tests for a while. The Child SAs go with the path's record, by one store; the peer
 * hears of it afterwards. Between braid peers with several paths the probes decide instead. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent.h"
#include "mmx_agent.h"

/* A better uplink is there again: wait as its fail_back says, then ask it so often in a row. After
 * silence wait longer. */
#define BACK_LEAST (100 * USEC_PER_MSEC)
#define BACK_LAST  (60 * USEC_PER_SEC)
#define BACK_NEXT  (500 * USEC_PER_MSEC)
enum {
	PAIRS_AT_ONCE = 3,
	BACK_ANSWERS = 3,
	MOVE_LABEL_MAX = 2 * IKE_NAME_MAX + 2 * ADDR_PORT_STR + 8
};

/* One that fails so soon after it was taken again, although it has answered, is left alone for a
 * while: what answers a short request may not carry traffic. Longer each time. */
#define FLAP_SOON  (60 * USEC_PER_SEC)
#define FLAP_FIRST (10 * USEC_PER_SEC)
#define FLAP_LAST  (600 * USEC_PER_SEC)
/* A pair that the peer refuses is asked for again after a while, longer each time; one that was not
 * refused for so long begins anew. */
#define REFUSED_FIRST (2 * USEC_PER_SEC)
#define REFUSED_LAST  (300 * USEC_PER_SEC)
#define REFUSED_OLD   (600 * USEC_PER_SEC)
enum { REFUSALS_MAX = 8 };

struct refusal {
	struct ike_path pair;
	usec_t until, wait;
};

static struct path *main_path(const struct peer *p)
{
	struct path *only = NULL;

	list_for_each (it, &p->paths) {
		struct path *path = list_entry(it, struct path, node);

		if (path->bound && !path->main) /* IKE does not go there */
			continue;
		if (only)
			return NULL;
		only = path;
	}
	return only;
}

/* Ports as they are: 4500, but for peers without NAT traversal. */
struct ike_path move_with_ports(const struct agent *a, const struct peer *p,
				const struct ike_path *pair)
{
	struct ike_path to = *pair;
	bool us, peer;

	to.local.port = p->ike_path.local.port;
	to.remote.port = p->ike_path.remote.port;
	if (!p->role_i && !addr_equal(&to.remote.ip, &p->ike_path.remote.ip) &&
	    ike_nats(a->ike, p->line, &us, &peer) && peer)
		to.remote.port = PORT_NATT;
	return to;
}

/* ---- pairs ---- */

static void plan(struct agent *a, struct peer *p, usec_t at)
{
	p->back_at = at;
	if (a->back_wake && a->back_wake <= at)
		return;
	a->back_wake = at;
	agent_timer(a->back_timer, at > agent_now() ? at - agent_now() : 0);
}

static struct refusal *refusal_of(const struct peer *p, const struct ike_path *pair)
{
	for (size_t i = 0; p->refusals && i < REFUSALS_MAX; i++)
		if (p->refusals[i].until && same_pair(&p->refusals[i].pair, pair))
			return &p->refusals[i];
	return NULL;
}

bool move_refused(const struct peer *p, const struct ike_path *pair)
{
	const struct refusal *r = refusal_of(p, pair);

	return r && r->until > agent_now();
}

/* Takes the place of the one that is over first. */
static struct refusal *refusal_new(struct peer *p, const struct ike_path *pair)
{
	struct refusal *r;

	if (!p->refusals)
		p->refusals = calloc(REFUSALS_MAX, sizeof(*p->refusals));
	if (!p->refusals)
		return NULL;
	r = &p->refusals[0];
	for (size_t i = 1; i < REFUSALS_MAX; i++)
		if (p->refusals[i].until < r->until)
			r = &p->refusals[i];
	*r = (struct refusal){ .pair = *pair, .wait = REFUSED_FIRST };
	return r;
}

/* Our addresses towards that one of the peer. */
static size_t pairs_to(const struct agent *a, const struct ike_conn_cfg *c,
		       const struct addr *remote, size_t max, struct ike_path *pairs)
{
	size_t n = 0;

	for (size_t i = 0; i < a->n_uplinks; i++) {
		const struct uplink *u = &a->uplinks[i];

		for (size_t e = 0; u->up && e < u->n_eps && n < max; e++)
			if (u->eps[e].addr.family == remote->family &&
			    conns_local_new(a, c, u, &u->eps[e]))
				pairs[n++] = (struct ike_path){
					.local.ip = u->eps[e].addr,
					.remote.ip = *remote,
					.ifindex = u->ifindex,
				};
	}
	return n;
}

/* The responder's: its own addresses, and the peer where it is or says that it could be. An address
 * that is on no uplink of ours and is still there serves on. */
static size_t own_pairs(struct agent *a, const struct peer *p, const struct ike_conn_cfg *c,
			const struct addrs *told, struct ike_path pairs[CONN_PAIRS_MAX])
{
	const struct addr *local = &p->ike_path.local.ip;
	struct addr found;
	size_t n = 0;

	if (rtnl_addr_in_range(a->rtnl, local, local, p->ike_path.ifindex, &found))
		return 0;
	for (size_t k = 0; k < 1 + told->n; k++) {
		const struct addr *remote = k ? &told->list[k - 1] : &p->ike_path.remote.ip;

		if (k && addr_equal(remote, &p->ike_path.remote.ip))
			continue;
		n += pairs_to(a, c, remote, CONN_PAIRS_MAX - n, pairs + n);
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

static bool is_told(const struct addrs *told, const struct addr *remote)
{
	for (size_t i = 0; i < told->n; i++)
		if (addr_equal(&told->list[i], remote))
			return true;
	return false;
}

/* Best first; 0: it cannot move. A list of the peer's is complete, so what is not on it comes last.
 */
static size_t all_pairs(struct agent *a, const struct peer *p, const struct addrs *told,
			struct ike_path pairs[CONN_PAIRS_MAX])
{
	const struct ike_conn_cfg *c = agent_conn(a, p->conn);
	struct ike_path all[CONN_PAIRS_MAX];
	size_t n, kept = 0;

	if (!c || !ike_can_move(a->ike, p->line))
		return 0;
	n = p->role_i ? conns_pairs(a, c, told, all) : own_pairs(a, p, c, told, all);
	for (int last = 0; last < 2; last++)
		for (size_t i = 0; i < n; i++)
			if (is_told(told, &all[i].remote.ip) == !last)
				pairs[kept++] = all[i];
	prefer_first(p, pairs, kept);
	return kept;
}

size_t move_pairs(struct agent *a, const struct peer *p, struct ike_path pairs[CONN_PAIRS_MAX])
{
	const struct addrs none = { .n = 0 };

	return all_pairs(a, p, &none, pairs);
}

/* Also to addresses that only the peer has told of, and none that it has refused lately. */
static size_t open_pairs(struct agent *a, const struct peer *p,
			 struct ike_path pairs[CONN_PAIRS_MAX])
{
	struct addrs told;
	size_t n, kept = 0;

	told.n = ike_peer_addrs(a->ike, p->line, told.list);
	n = all_pairs(a, p, &told, pairs);
	for (size_t i = 0; i < n; i++)
		if (!move_refused(p, &pairs[i]))
			pairs[kept++] = pairs[i];
	return kept;
}

/* ---- the move ---- */

/* "ran-2 (198.51.100.2:4500 to 198.51.100.66:4500)" */
static void label(const struct peer *p, const struct ike_path *pair, char buf[MOVE_LABEL_MAX])
{
	const struct standby *s = standby_of(p, pair);
	char from[ADDR_PORT_STR], to[ADDR_PORT_STR];

	snprintf(buf, MOVE_LABEL_MAX, "%s%s%s to %s%s", s ? s->name : "", s ? " (" : "",
		 udp_addr_format(&pair->local, from), udp_addr_format(&pair->remote, to),
		 s ? ")" : "");
}

void move_now(struct agent *a, struct peer *p, const struct ike_path *pair, enum decided_by by,
	      const char *why)
{
	const struct path *path = main_path(p);
	struct ike_path now = move_with_ports(a, p, pair);
	char from[MOVE_LABEL_MAX], to[MOVE_LABEL_MAX];
	struct decision d = { .by = by, .from = from, .to = to };
	usec_t heard = path ? path_heard(a, path) : 0;

	label(p, &p->ike_path, from);
	label(p, &now, to);
	if (by != BY_OPERATOR && heard && heard + USEC_PER_SEC < agent_now())
		d.silent = agent_now() - heard;
	relation_moves(a, p, "the relation moves", &d, why);
	/* the peer hears of it in the same request */
	if (p->role_i)
		conns_addrs(a, p->conn);
	if (ike_path_change(a->ike, p->line, &now, agent_now()) == 0) {
		p->ike_path = now;
		p->tries = 0;
		p->fled = false;
		p->hasty = by == BY_NETLINK;
		p->moving = path && (!addr_equal(&path->local.ip, &now.local.ip) ||
				     !addr_equal(&path->remote.ip, &now.remote.ip));
	}
	move_plan(a, p);
}

void move_settled(struct agent *a, struct peer *p)
{
	const struct ike_path where_it_is = { .ifindex = 0 };

	if (p->hasty)
		ike_try_path(a->ike, p->line, &where_it_is, agent_now());
	p->hasty = false;
}

/* The pair does not work any more, whatever interface and address say. */
static void leave(struct agent *a, struct peer *p, const struct ike_path *pair, const char *why)
{
	usec_t now = agent_now();

	if (!p->back_since || now - p->back_since > FLAP_SOON + p->back_penalty) {
		p->back_penalty = 0;
	} else {
		p->back_penalty = p->back_penalty ? 2 * p->back_penalty : FLAP_FIRST;
		if (p->back_penalty > FLAP_LAST)
			p->back_penalty = FLAP_LAST;
		relation_said(a, p, BY_IKE,
			      "the better uplink has failed again after %" PRIu64
			      " s; it has to wait %" PRIu64 " s this time",
			      (now - p->back_since) / USEC_PER_SEC, p->back_penalty / USEC_PER_SEC);
	}
	p->back_since = 0;
	move_now(a, p, pair, BY_IKE, why);
}

/* No pair is left but those that were refused: when is the first of them tried again? */
static void wait_for_refused(struct agent *a, struct peer *p)
{
	usec_t first = 0;

	for (size_t i = 0; p->refusals && i < REFUSALS_MAX; i++)
		if (p->refusals[i].until > agent_now() && (!first || p->refusals[i].until < first))
			first = p->refusals[i].until;
	if (first)
		plan(a, p, first);
}

void move_run(struct agent *a, struct peer *p)
{
	const struct path *path = main_path(p);
	struct ike_path pairs[CONN_PAIRS_MAX];
	size_t n;

	if (!path || mmx_steers(a, p))
		return;
	if (!path->gone) {
		struct ike_path home = { path->local, path->remote, path->ifindex };

		if (p->moving && p->fled)
			move_now(a, p, &home, path->by, path->why);
		return;
	}
	if (clones_wait(a, p))
		return;
	n = open_pairs(a, p, pairs);
	for (size_t i = 0; i < n; i++) {
		if (same_pair(&pairs[i], &p->ike_path) && pairs[i].ifindex == p->ike_path.ifindex)
			return; /* on its way there */
	}
	if (!n) {
		wait_for_refused(a, p);
		return;
	}
	move_now(a, p, &pairs[0], path->by, path->why);
	p->fled = true;
}

void move_on_refused(struct agent *a, struct peer *p, const struct ike_path *pair)
{
	struct refusal *r = refusal_of(p, pair);
	usec_t now = agent_now();
	char text[MOVE_LABEL_MAX];

	if (same_pair(pair, &p->ike_path))
		return; /* it has moved on since */
	if (r && now - r->until > REFUSED_OLD)
		r->wait = REFUSED_FIRST;
	else if (r)
		r->wait = 2 * r->wait < REFUSED_LAST ? 2 * r->wait : REFUSED_LAST;
	else
		r = refusal_new(p, pair);
	if (!r)
		return;
	r->until = now + r->wait;
	label(p, pair, text);
	relation_said(a, p, BY_PEER, "%s was refused; it is not tried again for %" PRIu64 " s",
		      text, r->wait / USEC_PER_SEC);
	p->back_answers = 0;
	move_run(a, p);
	move_plan(a, p);
}

void move_on_peer_addrs(struct agent *a, struct peer *p)
{
	struct ike_path pairs[CONN_PAIRS_MAX];
	struct addrs told;
	size_t n;

	if (!p->role_i || !main_path(p) || mmx_steers(a, p))
		return;
	told.n = ike_peer_addrs(a->ike, p->line, told.list);
	if (is_told(&told, &p->ike_path.remote.ip) || clones_wait(a, p))
		return;
	n = open_pairs(a, p, pairs);
	/* its request came from the first: there it is */
	for (size_t k = 0; k < told.n; k++)
		for (size_t i = 0; i < n; i++)
			if (addr_equal(&pairs[i].remote.ip, &told.list[k])) {
				move_now(a, p, &pairs[i], BY_PEER, "the peer has left its address");
				return;
			}
}

/* ---- requests without an answer ---- */

void move_on_unanswered(struct agent *a, struct peer *p)
{
	struct ike_path pairs[CONN_PAIRS_MAX], to;
	size_t n = main_path(p) ? open_pairs(a, p, pairs) : 0;

	/* some of them, the next time others, the present one too: it may only have been slow */
	if (clones_ask(a, p) || n < 2)
		return;
	if (!p->tries && same_pair(&pairs[0], &p->ike_path))
		p->tries++; /* it has just been asked */
	for (unsigned i = 0; i < PAIRS_AT_ONCE && i < n; i++) {
		to = move_with_ports(a, p, &pairs[p->tries++ % n]);
		ike_try_path(a->ike, p->line, &to, agent_now());
	}
}

void move_on_answered(struct agent *a, struct peer *p, const struct ike_path *pair)
{
	const struct path *path = main_path(p);

	if (path && (p->role_i || path->gone) && !same_pair(pair, &p->ike_path) &&
	    !clones_wait(a, p))
		leave(a, p, pair, "nobody answered on the old addresses");
}

/* ---- back to a better uplink ---- */

/* A test that ends with its IKE SA says nothing. */
static bool testing(const struct peer *p)
{
	return p->back_asked && agent_now() - p->back_asked < BACK_LAST;
}

static bool better(struct agent *a, const struct peer *p, const struct ike_path *pair)
{
	const struct uplink *now = uplink_of(a, p->ike_path.ifindex);
	const struct uplink *then = uplink_of(a, pair->ifindex);

	if (standby_preferred(p, pair) != standby_preferred(p, &p->ike_path))
		return standby_preferred(p, pair);
	if (family_uses(p, pair)) /* two lines on it are no better than each on its own */
		return false;
	return now && then && uplink_cmp(then, now) < 0;
}

static usec_t fail_back(struct agent *a, const struct peer *p, const struct ike_path *pair)
{
	usec_t wait = uplink_fail_back(a, uplink_of(a, pair->ifindex));

	if (wait < p->back_penalty)
		wait = p->back_penalty;
	return wait > BACK_LEAST ? wait : BACK_LEAST;
}

void move_plan(struct agent *a, struct peer *p)
{
	struct ike_path pairs[CONN_PAIRS_MAX];
	size_t n;

	standby_plan(a, p);
	n = p->role_i && main_path(p) && !clones_steer(a, p) && !mmx_steers(a, p)
		    ? open_pairs(a, p, pairs)
		    : 0;

	if (!n || !better(a, p, &pairs[0])) {
		if (n || !p->refusals)
			p->back_at = 0;
	} else if (!p->back_at && !testing(p)) {
		p->back_wait = fail_back(a, p, &pairs[0]);
		p->back_answers = 0;
		plan(a, p, agent_now() + p->back_wait);
	}
}

void move_on_rekeyed(struct agent *a, struct peer *p)
{
	p->back_asked = 0;
	move_plan(a, p);
}

static void back_try(struct agent *a, struct peer *p)
{
	struct ike_path pairs[CONN_PAIRS_MAX], to;
	size_t n = main_path(p) ? open_pairs(a, p, pairs) : 0;

	if (p->back_at || !n || !better(a, p, &pairs[0]))
		return;
	to = move_with_ports(a, p, &pairs[0]);
	if (!ike_path_test(a->ike, p->line, &to, 0, agent_now()))
		p->back_asked = agent_now();
	else /* another one is under way, say */
		plan(a, p, agent_now() + p->back_wait);
}

void move_on_tested(struct agent *a, struct peer *p, const struct ike_path *pair, usec_t rtt)
{
	p->back_asked = 0;
	if (!main_path(p) || !p->role_i || !better(a, p, pair))
		return;
	p->back_answers = rtt ? p->back_answers + 1 : 0;
	if (p->back_answers >= BACK_ANSWERS) {
		p->back_since = agent_now();
		move_now(a, p, pair, BY_IKE, "a better uplink is back, 3 tests were answered");
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

		if (p->back_at && p->back_at <= now) {
			p->back_at = 0;
			move_run(a, p);
			back_try(a, p);
		}
		if (p->back_at && p->back_at < next)
			next = p->back_at;
	}
	if (next == USEC_NEVER)
		return;
	a->back_wake = next;
	agent_timer(a->back_timer, next > now ? next - now : 0);
}
