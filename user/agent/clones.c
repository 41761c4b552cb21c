/* SPDX-License-Identifier: GPL-2.0-only */
/* An IKE SA for each path (multipath = clone), where we are I: the first one is cloned (RFC 7791)
 * for every further pair of addresses that shall have one, the clone gets the Child SAs, its pair
 * is tested, and it moves there (RFC 4555); or it moves before it has Child SAs.
 *
 * What happens only marks a connection to be looked at; the look compares which lines of IKE SAs
 * there are, and where, with which there should be, and takes the next step of each. What is not
 * answered with an event is seen at the next look, and a new agent goes on where it finds things:
 * what it has to remember is what each line is for, and when what failed is tried again.
 *
 * A line whose pair is silent waits for it while others work; one whose address is gone is deleted
 * over another one's pair. Nobody else moves them: move.c asks here. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <event2/event.h>

#include "base/log.h"
#include "ike/cover.h"
#include "clones_impl.h"

#define WAIT_FIRST CLONES_WAIT_FIRST
#define SOON	   (200 * USEC_PER_MSEC) /* another request is in the way */

static void arm(struct agent *a)
{
	usec_t at = USEC_NEVER, now = agent_now();

	list_for_each (it, &a->clones)
		if (list_entry(it, struct clones, node)->next < at)
			at = list_entry(it, struct clones, node)->next;
	if (at == USEC_NEVER)
		event_del(a->clones_timer);
	else
		agent_timer(a->clones_timer, at > now ? at - now : 0);
}

static struct clones *clones_find(const struct agent *a, const char *conn)
{
	list_for_each (it, &a->clones) {
		struct clones *k = list_entry(it, struct clones, node);

		if (!strcmp(k->conn, conn))
			return k;
	}
	return NULL;
}

static struct clones *clones_get(struct agent *a, const char *conn)
{
	struct clones *k = clones_find(a, conn);

	if (k || !clones_asked(agent_conn(a, conn)))
		return k;
	k = calloc(1, sizeof(*k));
	if (!k) {
		log_error("%s: out of memory; its IKE SA is not cloned", conn);
		return NULL;
	}
	snprintf(k->conn, sizeof(k->conn), "%s", conn);
	k->next = USEC_NEVER;
	list_append(&a->clones, &k->node);
	return k;
}

static void look_at(struct agent *a, struct clones *k)
{
	k->next = 0;
	arm(a);
}

/* ---- lines ---- */

static struct aim *aim_of(struct clones *k, uint64_t line)
{
	for (size_t i = 0; i < k->n_aims; i++)
		if (k->aims[i].line == line)
			return &k->aims[i];
	return NULL;
}

static struct aim *aim_get(struct clones *k, uint64_t line)
{
	struct aim *m = aim_of(k, line);

	if (!m && k->n_aims < IKE_SAS_MAX) {
		m = &k->aims[k->n_aims++];
		*m = (struct aim){ .line = line };
	}
	return m;
}

static void aim_set(struct aim *m, const struct ike_path *goal)
{
	m->aimed = true;
	m->goal = *goal;
	m->tested = false;
	m->next = 0;
}

static void aim_drop(struct clones *k, struct aim *m)
{
	clones_bar(k, &m->goal);
	m->aimed = false;
}

static bool has_child(const struct peer *p, const char *name)
{
	if (!p)
		return false;
	list_for_each (it, &p->children)
		if (!strcmp(list_entry(it, struct child, node)->name, name))
			return true;
	return false;
}

/* ---- the look: what each line is for ---- */

/* One that ended, and not by us, is made again, but not at once. */
static void forget_ended(struct clones *k, const struct clones_view *v)
{
	size_t kept = 0;

	for (size_t i = 0; i < k->n_aims; i++) {
		struct aim *m = &k->aims[i];

		if (clones_view_find(v, m->line) < v->n || clones_view_ends(v, m->line))
			k->aims[kept++] = *m;
		else if (m->aimed && !m->leaving)
			clones_bar(k, &m->goal);
	}
	k->n_aims = kept;
}

/* The line that is for a pair. */
static struct aim *taker(struct clones *k, const struct ike_path *pair)
{
	for (size_t i = 0; i < k->n_aims; i++)
		if (k->aims[i].aimed && same_pair(&k->aims[i].goal, pair))
			return &k->aims[i];
	return NULL;
}

/* A spare one may have moved to a pair that nobody wants one for. */
static bool may_take(const struct clones_view *v, size_t line)
{
	const struct peer *p = v->lines[line].p;

	return (p && !list_empty(&p->children)) || clones_view_has(v, &v->lines[line].pair);
}

/* Also those that another agent, the peer or the operator made: one that is where nobody else is
 * for that pair. */
static void take_lines(struct agent *a, struct clones *k, const struct clones_view *v)
{
	for (size_t i = 0; i < v->n; i++) {
		struct aim *m = aim_get(k, v->lines[i].line);
		const struct ike_path *own = &v->lines[i].pair;

		if (!m)
			return;
		if (m->aimed && !clones_pair_stays(a, v, &m->goal))
			m->aimed = false;
		if (!m->aimed && !m->leaving && clones_pair_stays(a, v, own) && may_take(v, i) &&
		    !taker(k, own))
			aim_set(m, own);
	}
}

/* ---- the look: steps ---- */

static void say_of(struct agent *a, struct peer *p, const struct ike_path *pair, const char *what)
{
	char name[2 * IKE_NAME_MAX], from[ADDR_STR], to[ADDR_STR];

	path_pair_name(a, p, pair, name);
	relation_said(a, p, BY_AGENT, "%s (%s to %s): %s", name, addr_format(&pair->local.ip, from),
		      addr_format(&pair->remote.ip, to), what);
}

static void say(struct agent *a, const struct clones_view *v, const struct ike_path *pair,
		const char *what)
{
	for (size_t i = 0; i < v->n; i++) {
		if (!v->lines[i].p)
			continue;
		say_of(a, v->lines[i].p, pair, what);
		return;
	}
}

/* With an authentication of its own, and one Child SA; the others follow as on a clone. */
static int set_up_beside(struct agent *a, const struct clones *k, uint64_t line,
			 const struct clones_view *v, const struct ike_path *goal, uint32_t op)
{
	struct ike_path to = *goal;

	to.local.port = to.remote.port = 0; /* as every set-up begins */
	for (uint8_t i = 0; i < v->c->n_children; i++) {
		const char *name = v->c->children[i].name;

		if (agent_child_up(a, k->conn, name) && !conns_held(a, k->conn, name))
			return ike_up_beside(a->ike, line, name, &to, op, agent_now());
	}
	return -ENOENT;
}

static void make_clone(struct agent *a, struct clones *k, const struct clones_view *v,
		       const struct ike_path *goal)
{
	size_t from = clones_view_source(v);
	uint32_t op = ++a->next_op;
	int err;

	for (size_t i = 0; i < k->n_asked; i++)
		if (same_pair(&k->asked[i].goal, goal))
			return;
	if (from == v->n || k->n_asked == IKE_SAS_MAX)
		return;
	if (v->beside)
		err = set_up_beside(a, k, v->lines[from].line, v, goal, op);
	else
		err = ike_clone(a->ike, v->lines[from].line, op, agent_now());
	if (!err) {
		k->asked[k->n_asked].op = op;
		k->asked[k->n_asked++].goal = *goal;
		say(a, v, goal,
		    v->beside ? "an IKE SA is set up for it" : "an IKE SA is cloned for it");
		return;
	}
	if (err == -EDQUOT)
		snprintf(k->why, sizeof(k->why), "there are as many IKE SAs as may be, by %s",
			 v->n + k->n_asked >= v->c->ike_sas_max ? "ike_sas_max"
								: "the peer's word");
	else
		snprintf(k->why, sizeof(k->why), "not %s: %s", v->beside ? "set up" : "cloned",
			 strerror(-err));
	clones_look_by(k, agent_now() + (err == -EDQUOT ? CLONES_SLOW : WAIT_FIRST));
}

/* True: it has all that the connection has. */
static bool add_children(struct agent *a, struct clones *k, const struct clones_view *v,
			 struct aim *m, size_t line)
{
	bool all = true;

	for (uint8_t i = 0; i < v->c->n_children; i++) {
		const char *name = v->c->children[i].name;
		int err;

		if (!agent_child_up(a, k->conn, name) || conns_held(a, k->conn, name) ||
		    has_child(v->lines[line].p, name))
			continue;
		all = false;
		err = ike_up_line(a->ike, m->line, name, 0, agent_now());
		if (err && err != -EALREADY)
			m->next = agent_now() + WAIT_FIRST;
	}
	return all;
}

static void go(struct agent *a, const struct clones_view *v, struct aim *m, size_t line)
{
	struct peer *p = v->lines[line].p;
	struct ike_path to = m->goal;

	m->tested = false;
	to.local.port = v->lines[line].pair.local.port;
	to.remote.port = v->lines[line].pair.remote.port;
	if (p)
		move_now(a, p, &m->goal, BY_IKE, "its own pair of addresses has answered a test");
	else
		ike_path_change(a->ike, m->line, &to, agent_now());
}

/* True: it is where it should be. ready: it may go there, once the pair has been tested. */
static bool arrive(struct agent *a, const struct clones_view *v, struct aim *m, size_t line,
		   bool ready)
{
	const struct ike_path *at = &v->lines[line].pair;
	struct ike_path to = m->goal;
	uint32_t op;
	int err;

	if (same_pair(at, &m->goal))
		return true;
	if (m->tested) {
		if (ready)
			go(a, v, m, line);
		return false;
	}
	if (m->test)
		return false;
	to.local.port = at->local.port;
	to.remote.port = at->remote.port;
	op = ++a->next_op;
	err = ike_path_test(a->ike, m->line, &to, op, agent_now());
	if (!err)
		m->test = op;
	else
		m->next = agent_now() + (err == -EALREADY ? SOON : WAIT_FIRST);
	return false;
}

static void step(struct agent *a, struct clones *k, const struct clones_view *v, struct aim *m)
{
	size_t line = clones_view_find(v, m->line);

	if (line == v->n || m->leaving)
		return;
	if (m->next <= agent_now()) {
		m->next = 0;
		/* requests go in that order, and together where the window allows */
		if (v->c->clone_order == IKE_CLONE_CHILD_FIRST)
			arrive(a, v, m, line, add_children(a, k, v, m, line));
		else if (arrive(a, v, m, line, true))
			add_children(a, k, v, m, line);
	}
	if (m->next)
		clones_look_by(k, m->next);
}

/* Over the pair of one that works and stays: its own may be gone. The last one moves instead, if it
 * can: move.c. */
static void leave(struct agent *a, struct clones *k, const struct clones_view *v, struct aim *m)
{
	size_t own = clones_view_find(v, m->line), i = 0;
	struct ike_path over;

	for (; i < v->n; i++) {
		const struct aim *o = aim_of(k, v->lines[i].line);

		if (i != own && o && o->aimed && clones_view_works(v, i))
			break;
	}
	if (m->leaving || i == v->n)
		return;
	over = v->lines[i].pair;
	if (family_close_line(a, m->line, ++a->next_op))
		return;
	m->leaving = true;
	say(a, v, &v->lines[own].pair, "its IKE SA is deleted, there is no use for it any more");
	ike_path_change(a->ike, m->line, &over, agent_now());
}

/* ---- the look: what is missing, and what is too much ---- */

/* It is where it should be, and works. */
static bool arrived(const struct clones_view *v, const struct aim *m)
{
	size_t line = clones_view_find(v, m->line);

	return line < v->n && same_pair(&m->goal, &v->lines[line].pair) &&
	       clones_view_works(v, line);
}

/* Are all there, so that nobody has to stand in for them? */
static bool settled(const struct clones *k, const struct clones_view *v)
{
	size_t aimed = 0;

	for (size_t i = 0; i < k->n_aims; i++) {
		if (!k->aims[i].aimed)
			continue;
		aimed++;
		if (!arrived(v, &k->aims[i]))
			return false;
	}
	return aimed && !k->n_asked;
}

/* Of those that are for no pair one is kept for the next, if no packets go over it because another
 * one is there. Those whose own pair is gone are not, nor those that stood in for another. With an
 * inner address of its own each is needed, and has moved. */
static void leave_spares(struct agent *a, struct clones *k, const struct clones_view *v)
{
	size_t spares = 0, most = v->c->clone_spare ? v->c->clone_spare : 1;

	for (size_t i = 0; i < k->n_aims; i++) {
		struct aim *m = &k->aims[i];
		size_t line = clones_view_find(v, m->line);
		const struct ike_path *own = &v->lines[line].pair;

		if (line == v->n || m->aimed || m->leaving || v->c->vips_per_line)
			continue;
		if (!clones_pair_stays(a, v, own) || (taker(k, own) && m->ours && spares >= most) ||
		    (!taker(k, own) && settled(k, v)))
			leave(a, k, v, m);
		else
			spares += m->ours;
	}
}

/* One that carries nothing before one that stood in for another. */
static struct aim *spare_line(const struct agent *a, struct clones *k, const struct clones_view *v)
{
	struct aim *found = NULL;

	for (size_t i = 0; i < k->n_aims; i++) {
		struct aim *m = &k->aims[i];
		size_t line = clones_view_find(v, m->line);

		if (line == v->n || m->aimed || m->leaving || !ike_can_move(a->ike, m->line))
			continue;
		found = m;
		if (taker(k, &v->lines[line].pair))
			return m;
	}
	return found;
}

static bool paths_named(const struct agent *a, const char *conn)
{
	for (size_t i = 0; i < a->conf->n_paths; i++)
		if (!strcmp(a->conf->paths[i].conn, conn))
			return true;
	return false;
}

static size_t pairs_choose(struct agent *a, struct clones *k, const struct clones_view *v,
			   struct cover c[CONN_PAIRS_MAX + IKE_SAS_MAX])
{
	enum ike_clone_pairs which = paths_named(a, k->conn) ? IKE_CLONE_ALL : v->c->clone_pairs;
	size_t n = 0;

	for (size_t i = 0; i < v->n_pairs; i++) {
		const struct aim *m = taker(k, &v->pairs[i]);

		/* nobody is to stand in for what the operator took down, or has failed once */
		c[n++] = (struct cover){ .pair = v->pairs[i],
					 .taken = m ? m->line : 0,
					 .works = m && arrived(v, m),
					 .waits = !m && clones_held(k, &v->pairs[i]),
					 .barred = clones_barred(k, &v->pairs[i]) };
	}
	for (size_t i = 0; i < k->n_aims; i++)
		if (k->aims[i].aimed && !clones_view_has(v, &k->aims[i].goal))
			c[n++] = (struct cover){ .pair = k->aims[i].goal,
						 .taken = k->aims[i].line,
						 .works = arrived(v, &k->aims[i]) };
	k->wanted = cover_choose(c, n, which, v->c->ike_sas_max);
	for (size_t i = 0; i < n; i++) {
		struct aim *m = taker(k, &c[i].pair);

		if (m && !c[i].wanted)
			m->aimed = false;
	}
	return n;
}

static void fill(struct agent *a, struct clones *k, const struct clones_view *v)
{
	struct cover c[CONN_PAIRS_MAX + IKE_SAS_MAX];
	size_t n = pairs_choose(a, k, v, c);

	k->why[0] = '\0';
	for (size_t i = 0; i < n; i++) {
		struct aim *spare = c[i].wanted && !c[i].taken ? spare_line(a, k, v) : NULL;

		if (spare) {
			aim_set(spare, &c[i].pair);
			spare->ours = true;
		} else if (c[i].wanted && !c[i].taken) {
			make_clone(a, k, v, &c[i].pair);
		}
	}
	leave_spares(a, k, v);
	clones_look_by(k, clones_spare(a, k, v));
	for (size_t i = 0; i < k->n_aims; i++)
		if (k->aims[i].aimed)
			step(a, k, v, &k->aims[i]);
	clones_bars_wait(k);
}

/* Said once: with such a peer it is one path, or several authentications. */
static void tell_alone(struct agent *a, struct clones *k, const struct clones_view *v)
{
	char why[sizeof(k->why)];

	snprintf(why, sizeof(why),
		 "the peer does not clone IKE SAs (RFC 7791) or does not know MOBIKE: %s",
		 v->beside ? "an IKE SA of its own is set up for each path"
			   : "one path is used at a time");
	if (!k->alone && v->lines[0].p)
		relation_said(a, v->lines[0].p, BY_PEER, "%s", why);
	k->alone = true;
	snprintf(k->why, sizeof(k->why), "%s", why);
}

/* The oldest that works, else the oldest. */
static uint64_t line_to_keep(struct agent *a, const struct clones *k)
{
	uint64_t keep = UINT64_MAX, working = UINT64_MAX;

	for (size_t i = 0; i < k->n_aims; i++) {
		uint64_t line = k->aims[i].line;
		const struct peer *p = peer_find(a, line);

		if (line < keep)
			keep = line;
		if (line < working && p && clones_line_works(p))
			working = line;
	}
	return working == UINT64_MAX ? keep : working;
}

/* The configuration has another way for several paths now, or none: one line is enough. */
static void give_up(struct agent *a, struct clones *k)
{
	uint64_t keep = line_to_keep(a, k);

	for (size_t i = 0; i < k->n_aims; i++)
		if (k->aims[i].line != keep)
			family_close_line(a, k->aims[i].line, ++a->next_op);
	list_remove(&k->node);
	free(k);
}

static void look(struct agent *a, struct clones *k)
{
	const struct ike_conn_cfg *c = agent_conn(a, k->conn);
	struct conn_state st;
	struct clones_view v;
	bool up = false, can = false;

	k->next = USEC_NEVER;
	if (!clones_asked(c)) {
		give_up(a, k);
		return;
	}
	conns_state(a, k->conn, &st);
	clones_view(a, c, &v);
	forget_ended(k, &v);
	if (!v.n) {
		k->n_asked = k->n_bars = k->wanted = 0;
		k->alone = false;
		k->why[0] = '\0';
	}
	for (size_t i = 0; i < v.n; i++) {
		up |= v.lines[i].p && !list_empty(&v.lines[i].p->children);
		can |= v.lines[i].can;
	}
	if (!up || !st.wanted || v.mmx)
		return;
	v.beside = !can && c->clone_fallback == IKE_FALLBACK_IKE_SAS;
	if (!can)
		tell_alone(a, k, &v);
	if (!can && !v.beside)
		return;
	for (size_t i = 0; i < v.n; i++)
		if (v.lines[i].p)
			move_run(a, v.lines[i].p); /* if none works */
	clones_bars_forget(a, k, &v);
	take_lines(a, k, &v);
	fill(a, k, &v);
}

static void on_timer(evutil_socket_t fd, short what, void *ctx)
{
	struct agent *a = ctx;
	usec_t now = agent_now();

	(void)fd;
	(void)what;
	if (a->stopping)
		return;
	list_for_each_safe (it, tmp, &a->clones) {
		struct clones *k = list_entry(it, struct clones, node);

		if (k->next <= now)
			look(a, k);
	}
	agent_drain(a);
	arm(a);
}

/* ---- what happens ---- */

/* What was asked for is there. */
static void on_made(struct clones *k, const struct ike_output *o)
{
	for (size_t i = 0; i < k->n_asked; i++) {
		struct aim *m;

		if (k->asked[i].op != o->op)
			continue;
		m = aim_get(k, o->line);
		if (m)
			m->ours = true;
		if (m && k->asked[i].goal.remote.ip.family)
			aim_set(m, &k->asked[i].goal);
		k->asked[i] = k->asked[--k->n_asked];
		return;
	}
}

/* A Child SA was refused, or has ended and not by us. */
static void child_failed(struct aim *m)
{
	usec_t now = agent_now();

	if (now - m->failed > CLONES_OLD)
		m->fails = 0;
	m->failed = now;
	m->next = now + (WAIT_FIRST << (m->fails < 7 ? m->fails++ : 7));
}

static void on_failed(struct clones *k, const struct ike_output *o)
{
	struct aim *m = aim_of(k, o->line);

	for (size_t i = 0; o->op && i < k->n_asked; i++) {
		if (k->asked[i].op != o->op)
			continue;
		if (k->asked[i].goal.remote.ip.family)
			clones_bar(k, &k->asked[i].goal);
		else
			k->spare_at = agent_now() + CLONES_SLOW;
		k->asked[i] = k->asked[--k->n_asked];
		return;
	}
	if (m && o->op && o->op == m->test) {
		m->test = 0;
		m->next = agent_now() + WAIT_FIRST;
	} else if (m && !o->op) {
		child_failed(m);
	}
}

static void on_tested(struct agent *a, struct clones *k, struct aim *m, const struct ike_output *o)
{
	struct peer *p = peer_find(a, m->line);

	if (!o->op || o->op != m->test)
		return;
	m->test = 0;
	m->tested = o->rtt;
	if (o->rtt || !m->aimed)
		return;
	if (p)
		say_of(a, p, &m->goal, "it does not answer, and is tested again later");
	aim_drop(k, m);
}

/* Somebody else's word on one line: the peer's is for a while, the operator's until he says up. */
static void on_down(struct clones *k, struct aim *m, const struct ike_output *o)
{
	if (o->op && m->aimed && !m->leaving) {
		clones_bar_get(k, &m->goal)->until = USEC_NEVER;
		m->leaving = true;
	}
}

void clones_on_event(struct agent *a, const struct ike_output *o)
{
	bool begin = o->event == IKE_EV_IKE_UP || o->event == IKE_EV_CLONED;
	struct clones *k = !o->role_i ? NULL
			   : begin    ? clones_get(a, o->conn)
				      : clones_find(a, o->conn);
	struct aim *m = k ? aim_of(k, o->line) : NULL;

	if (!k)
		return;
	if (o->event == IKE_EV_CHILD_DOWN && m)
		child_failed(m);
	if (o->event == IKE_EV_IKE_DOWN) /* there is room; but one that was not wanted there? */
		k->spare_at =
			m && m->ours && !m->aimed && !m->leaving ? agent_now() + CLONES_SLOW : 0;
	if (o->event == IKE_EV_CLONED && o->op)
		on_made(k, o);
	else if (o->event == IKE_EV_FAILED)
		on_failed(k, o);
	else if (o->event == IKE_EV_PATH_TESTED && m)
		on_tested(a, k, m, o);
	else if (o->event == IKE_EV_IKE_DOWN && m)
		on_down(k, m, o);
	else if (o->event == IKE_EV_IKE_REKEYED && m)
		m->test = 0;
	else if (o->event == IKE_EV_CHILD_UP && o->op)
		on_made(k, o); /* beside the others */
	else if (o->event == IKE_EV_MOVE_REFUSED && m && m->aimed && !same_pair(&m->goal, &o->path))
		aim_drop(k, m);
	look_at(a, k);
}

void clones_changed(struct agent *a)
{
	for (size_t i = 0; i < a->conf->ike.n_conns; i++) {
		const struct ike_conn_cfg *c = &a->conf->ike.conns[i];

		if (clones_asked(c) &&
		    ike_conn_progress(a->ike, c->name) == IKE_PROGRESS_ESTABLISHED)
			clones_get(a, c->name);
	}
	list_for_each (it, &a->clones)
		list_entry(it, struct clones, node)->next = 0;
	arm(a);
}

void clones_path_changed(struct agent *a, const struct peer *p)
{
	struct clones *k = p->role_i ? clones_find(a, p->conn) : NULL;

	if (k)
		look_at(a, k);
	else if (!p->role_i && p->family->n_lines > 1 && !clones_line_works(p))
		paths_soon(a); /* was it the last one? */
}

void clones_up(struct agent *a, const char *conn)
{
	struct clones *k = clones_find(a, conn);

	if (!k)
		return;
	k->n_bars = 0;
	look_at(a, k);
}

json_t *clones_report(const struct agent *a, const char *conn)
{
	const struct clones *k = clones_find(a, conn);
	size_t there = 0;

	if (!k)
		return json_null();
	for (size_t i = 0; i < k->n_aims; i++)
		there += k->aims[i].aimed;
	return json_pack("{s:i, s:i, s:s?}", "wanted", (int)k->wanted, "there", (int)there, "why",
			 k->why[0] ? k->why : NULL);
}

int clones_open(struct agent *a)
{
	a->clones_timer = evtimer_new(a->base, on_timer, a);
	return a->clones_timer ? 0 : -ENOMEM;
}

void clones_close(struct agent *a)
{
	list_for_each_safe (it, tmp, &a->clones) {
		list_remove(it);
		free(list_entry(it, struct clones, node));
	}
}
