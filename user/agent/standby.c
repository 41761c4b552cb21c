/* SPDX-License-Identifier: GPL-2.0-only */
/* The pairs of addresses of a relation with one path (MOBIKE), each with a name as a path would
 * have it: which the operator prefers, and what IKE's tests of them say (RFC 4555 3.10), now and
 * then and one at a time. Where the engine probes there are paths instead. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent.h"

/* After silence a pair is left alone for longer and longer. */
#define WAIT_MOST (3600 * USEC_PER_SEC)
#define PAUSE	  (200 * USEC_PER_MSEC)

struct standby *standby_of(const struct peer *p, const struct ike_path *pair)
{
	for (size_t i = 0; p->standbys && i < p->standbys->n; i++)
		if (same_pair(&p->standbys->list[i].pair, pair))
			return &p->standbys->list[i];
	return NULL;
}

bool standby_in_use(const struct peer *p, const struct standby *s)
{
	return same_pair(&s->pair, &p->ike_path);
}

const struct standby *standby_by_name(struct agent *a, const char *conn, const char *name,
				      struct peer **ret_peer)
{
	list_for_each (it, &a->peers) {
		struct peer *p = list_entry(it, struct peer, node);

		for (size_t i = 0; p->standbys && i < p->standbys->n; i++) {
			if (strcmp(p->standbys->list[i].name, name) ||
			    (conn && strcmp(conn, p->conn)))
				continue;
			*ret_peer = p;
			return &p->standbys->list[i];
		}
	}
	return NULL;
}

bool standby_preferred(const struct peer *p, const struct ike_path *pair)
{
	const struct standby *s = p->prefer[0] ? standby_of(p, pair) : NULL;

	return s && !strcmp(s->name, p->prefer);
}

void standby_free(struct peer *p)
{
	free(p->standbys);
	p->standbys = NULL;
}

/* ---- which there are ---- */

static int pair_cmp(const struct ike_path *a, const struct ike_path *b)
{
	int r = memcmp(a->local.ip.b, b->local.ip.b, sizeof(a->local.ip.b));

	return r ? r : memcmp(a->remote.ip.b, b->remote.ip.b, sizeof(a->remote.ip.b));
}

/* Two addresses of one uplink: the same number at every look. */
static void name_pairs(struct agent *a, struct peer *p, struct standbys *all)
{
	unsigned number[CONN_PAIRS_MAX];

	for (size_t i = 0; i < all->n; i++)
		path_pair_name(a, p, &all->list[i].pair, all->list[i].name);
	for (size_t i = 0; i < all->n; i++) {
		number[i] = 1;
		for (size_t k = 0; k < all->n; k++)
			number[i] += !strcmp(all->list[k].name, all->list[i].name) &&
				     pair_cmp(&all->list[k].pair, &all->list[i].pair) < 0;
	}
	for (size_t i = 0; i < all->n; i++) {
		size_t n = strlen(all->list[i].name);

		if (number[i] > 1)
			snprintf(all->list[i].name + n, sizeof(all->list[i].name) - n, ".%u",
				 number[i]);
	}
}

/* 0: never, nor where the peer is never to be asked whether it lives: a test that nobody answers on
 * any pair ends as such a question does. */
static usec_t interval(const struct agent *a, const struct peer *p)
{
	const struct ike_conn_cfg *c = agent_conn(a, p->conn);

	return c && c->dpd_delay ? (usec_t)a->conf->standby_sec * USEC_PER_SEC : 0;
}

/* What costs is not asked for nothing, nor where another line shows whether it works. */
static bool worth_it(struct agent *a, const struct peer *p, const struct standby *s)
{
	const struct uplink *u = uplink_of(a, s->pair.ifindex);

	return standby_in_use(p, s) || ((!u || !u->cfg.metered) && !family_uses(p, &s->pair));
}

static void plan(struct agent *a, const struct peer *p)
{
	usec_t at = USEC_NEVER, now = agent_now();

	for (size_t i = 0; p->standbys && i < p->standbys->n; i++)
		if (worth_it(a, p, &p->standbys->list[i]) && p->standbys->list[i].next < at)
			at = p->standbys->list[i].next;
	if (!interval(a, p))
		at = USEC_NEVER;
	if (p->standbys && p->standbys->prefer_waits)
		at = now;
	if (p->standbys && at < p->standbys->pause)
		at = p->standbys->pause;
	if (at == USEC_NEVER || (a->standby_wake && a->standby_wake <= at))
		return;
	a->standby_wake = at;
	agent_timer(a->standby_timer, at > now ? at - now : 0);
}

void standby_plan(struct agent *a, struct peer *p)
{
	struct path *only =
		list_empty(&p->paths) ? NULL : list_entry(p->paths.next, struct path, node);
	struct ike_path pairs[CONN_PAIRS_MAX];
	struct standbys *all;
	size_t n;

	if (only &&
	    (clones_steer(a, p) || p->probes || only->probed || only->node.next != &p->paths))
		only = NULL;
	n = only && p->role_i ? move_pairs(a, p, pairs) : 0;

	all = n ? calloc(1, sizeof(*all) + n * sizeof(all->list[0])) : NULL;
	for (size_t i = 0; all && i < n; i++) {
		struct standby *s = &all->list[i], *was = standby_of(p, &pairs[i]);

		if (was)
			*s = *was;
		else
			s->next = agent_now() + interval(a, p);
		s->pair = pairs[i];
		all->n++;
	}
	if (all)
		name_pairs(a, p, all);
	if (all && p->standbys) {
		all->prefer_op = p->standbys->prefer_op;
		all->pause = p->standbys->pause;
		all->prefer_waits = p->standbys->prefer_waits;
		memcpy(all->prefer_name, p->standbys->prefer_name, sizeof(all->prefer_name));
	}
	standby_free(p);
	p->standbys = all;
	if (all)
		path_rename(a, only);
	plan(a, p);
}

/* ---- tests ---- */

/* It is asked before anything moves there: what does not answer is not preferred. */
int standby_prefer(struct agent *a, struct peer *p, const struct standby *s, uint32_t op)
{
	struct ike_path to = move_with_ports(a, p, &s->pair);
	int err = ike_path_test(a->ike, p->line, &to, op, agent_now());

	if (err == -EALREADY) {
		/* one at a time: soon */
		p->standbys->pause = agent_now() + PAUSE;
		p->standbys->prefer_waits = op;
		memcpy(p->standbys->prefer_name, s->name, sizeof(s->name));
		plan(a, p);
		return 0;
	}
	if (!err)
		p->standbys->prefer_op = op;
	return err;
}

static void prefer_again(struct agent *a, struct peer *p)
{
	uint32_t op = p->standbys->prefer_waits;

	p->standbys->prefer_waits = 0;
	for (size_t i = 0; i < p->standbys->n; i++)
		if (!strcmp(p->standbys->list[i].name, p->standbys->prefer_name)) {
			standby_prefer(a, p, &p->standbys->list[i], op);
			return;
		}
}

/* The one that has waited longest. */
static void run(struct agent *a, struct peer *p, usec_t now)
{
	struct standby *due = NULL;
	struct ike_path to;

	for (size_t i = 0; i < p->standbys->n; i++) {
		struct standby *s = &p->standbys->list[i];

		if (s->next <= now && worth_it(a, p, s) && (!due || s->next < due->next))
			due = s;
	}
	if (!due || p->standbys->pause > now)
		return;
	to = move_with_ports(a, p, &due->pair);
	if (!ike_path_test(a->ike, p->line, &to, ++a->next_op, now))
		due->next = now + interval(a, p);
	/* one at a time, and not while another test is under way */
	p->standbys->pause = now + PAUSE;
}

void standbys_run(struct agent *a)
{
	usec_t now = agent_now();

	a->standby_wake = 0;
	list_for_each (it, &a->peers) {
		struct peer *p = list_entry(it, struct peer, node);

		if (!p->standbys)
			continue;
		if (p->standbys->prefer_waits)
			prefer_again(a, p);
		else if (interval(a, p))
			run(a, p, now);
		plan(a, p);
	}
}

static void measure(struct standby *s, uint32_t rtt)
{
	uint32_t d = rtt > s->rtt ? rtt - s->rtt : s->rtt - rtt;

	if (!s->rtt_min || rtt < s->rtt_min)
		s->rtt_min = rtt;
	/* RFC 6298 2.2, 2.3 */
	s->jitter = s->rtt ? (uint32_t)((3ull * s->jitter + d) / 4) : rtt / 2;
	s->rtt = s->rtt ? (uint32_t)((7ull * s->rtt + rtt) / 8) : rtt;
}

void standby_on_tested(struct agent *a, struct peer *p, uint32_t op, const struct ike_path *pair,
		       usec_t rtt)
{
	const struct ike_conn_cfg *c = agent_conn(a, p->conn);
	struct standby *s = standby_of(p, pair);
	usec_t now = agent_now(), wait = interval(a, p);

	if (!s)
		return;
	s->tested = now;
	s->silent = rtt ? 0 : s->silent + 1;
	if (rtt)
		s->answered = now;
	/* of one that was sent again nobody knows which was answered (RFC 6298 3) */
	if (rtt && c && rtt < c->retransmit_timeout)
		measure(s, (uint32_t)rtt);
	for (unsigned i = 0; i < s->silent && wait < WAIT_MOST; i++)
		wait *= 2;
	s->next = now + wait;
	plan(a, p);
	if (!op || op != p->standbys->prefer_op)
		return;
	p->standbys->prefer_op = 0;
	if (!rtt)
		return;
	snprintf(p->prefer, sizeof(p->prefer), "%s", s->name);
	relation_preferred(a, p, s->name, true);
	if (!standby_in_use(p, s))
		move_now(a, p, &s->pair, BY_OPERATOR, "preferred by the operator");
}

/* ---- the operator's word ---- */

void standby_prefer_none(struct agent *a, struct peer *p)
{
	if (!p->prefer[0])
		return;
	relation_preferred(a, p, p->prefer, false);
	p->prefer[0] = '\0';
	move_plan(a, p);
}
