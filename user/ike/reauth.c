/* SPDX-License-Identifier: GPL-2.0-only */
/* Reauthentication, make before break (RFC 7296 2.8.3): a new IKE SA with IKE_SA_INIT and IKE_AUTH
 * of its own beside the old one, then the Child SAs again, then the old one's Delete.
 *
 * Whoever set the family up does it; the new IKE SA begins another family, but belongs to the same
 * line here, and its Child SAs replace those of the same name, so that traffic goes over to them at
 * once and the old ones still take packets in. The responder cannot know what it is, and need not:
 * it sends on the old Child SAs until these are deleted. Without INITIAL_CONTACT, which would end
 * the old one.
 *
 * The old family's other lines then go on one by one: the new IKE SA (the leader) is cloned for
 * each, the clone takes its line's number here, moves to its pair of addresses, makes its Child SAs
 * again, and only then the old one is deleted. So nobody above has to do anything about it, whoever
 * made the clones once. A line that the peer does not let us have again ends.
 */
#include <errno.h>
#include <stdio.h>

#include "child_sa.h"
#include "exchange.h"
#include "ike_private.h"
#include "mobike.h"

static bool other(const struct ike_sa *sa, const struct ike_sa *o)
{
	return o->family == sa->reauth_of && o->state == IKE_ESTABLISHED && !o->redundant;
}

/* Those for CPUs are asked for again later, but one stands for the first one, where that is gone.
 */
static bool wished(const struct ike_sa *old, const struct child_sa *c)
{
	return child_in_use(c) && (!c->additional || child_by_name(old, c->name) == c);
}

/* init: of sa's, which asks for the first one; NULL: it is up. */
static int wish_children(const struct ike_sa *old, struct ike_sa *sa, struct task *init)
{
	list_for_each (it, &old->children) {
		const struct child_sa *c = list_entry(it, struct child_sa, node);
		struct task *t = init && !init->child_name[0] ? init : NULL;

		if (!wished(old, c))
			continue;
		if (!t)
			t = task_new(sa, TASK_CHILD_NEW, 0);
		if (!t)
			return -ENOMEM;
		snprintf(t->child_name, sizeof(t->child_name), "%s", c->name);
	}
	return !init || init->child_name[0] ? 0 : -ENOENT;
}

int reauth_start(struct ike *ike, struct ike_sa *old)
{
	struct ike_sa *sa;
	struct task *t;
	int ret = -ENOMEM;

	hash_for_each (it, tmp, &ike->named, conn_key(old->conn->c.name)) {
		const struct ike_sa *o = hash_entry(it, struct ike_sa, by_conn);

		if (o->reauth_of == old->family && ike_sa_alive(o))
			return -EALREADY;
	}
	sa = ike_sa_new(ike, old->conn, true, old);
	if (!sa)
		return -ENOMEM;
	sa->family = ++ike->last_line;
	sa->reauth_of = old->family;
	sa->session_before = old->session;
	sa->bundle = old->bundle;
	sa->path = old->path;
	t = task_new(sa, TASK_IKE_INIT, 0);
	if (t)
		ret = wish_children(old, sa, t);
	if (!ret)
		ret = ike_spi_new(ike, &sa->spi_i);
	if (ret) {
		ike_sa_free(ike, sa);
		return ret;
	}
	ike_sa_insert(ike, sa);
	log_ike(old, LOG_INFO_, "time to authenticate anew: another IKE SA is set up beside it");
	window_run(ike, sa);
	return 0;
}

const struct ike_sa *reauth_old(const struct ike *ike, const struct ike_sa *sa)
{
	if (!sa->reauth_of)
		return NULL;
	hash_for_each (it, tmp, &ike->lines, sa->line) {
		const struct ike_sa *o = hash_entry(it, struct ike_sa, by_line);

		if (other(sa, o))
			return o;
	}
	return NULL;
}

uint32_t reauth_replaces(const struct ike *ike, const struct ike_sa *sa, const char *child)
{
	if (!sa->reauth_of)
		return 0;
	hash_for_each (it, tmp, &ike->lines, sa->line) {
		const struct ike_sa *o = hash_entry(it, struct ike_sa, by_line);
		struct child_sa *c = other(sa, o) ? child_by_name(o, child) : NULL;

		if (c)
			return c->id;
	}
	return 0;
}

static void supersede(struct ike *ike, const struct ike_sa *sa, struct ike_sa *old)
{
	struct task *t = task_new(old, TASK_IKE_DELETE, 0);

	if (old->line == sa->line) {
		list_for_each (it, &old->children) {
			struct child_sa *c = list_entry(it, struct child_sa, node);

			c->replaced = true;
			child_state(old, c, CHILD_REKEYED, "authenticated anew");
		}
		ike_sa_state(ike, old, IKE_REKEYED, "authenticated anew");
		/* its pair may have failed meanwhile, and the peer sends on the old Child SAs until
		 * it hears of their end */
		if (!path_same(&old->path, &sa->path))
			mobike_pair(ike, old->line, &sa->path);
		old->expires = ike->now + 4 * LINGER_USEC;
	}
	if (!t) {
		ike_sa_close(ike, old, false, "authenticated anew");
		return;
	}
	task_first(old, t);
	window_run(ike, old);
}

/* ---- the other lines ---- */

static bool leads(const struct ike_sa *sa)
{
	return sa->reauth_of && !sa->clone_of;
}

/* Is there one of the new family for that line, or will be? */
static bool continued(const struct ike *ike, const struct ike_sa *lead, uint64_t line)
{
	const struct list *both[] = { &lead->inflight, &lead->pending };

	for (unsigned i = 0; i < 2; i++)
		list_for_each (it, both[i])
			if (list_entry(it, struct task, node)->reauth_line == line)
				return true;
	hash_for_each (it, tmp, &ike->lines, line) {
		const struct ike_sa *o = hash_entry(it, struct ike_sa, by_line);

		if (o->family == lead->family && ike_sa_alive(o))
			return true;
	}
	return false;
}

/* Of the old family's the first one that nobody goes on with. */
static struct ike_sa *waiting(const struct ike *ike, const struct ike_sa *lead)
{
	struct ike_sa *first = NULL;

	hash_for_each (it, tmp, &ike->families, lead->reauth_of) {
		struct ike_sa *o = hash_entry(it, struct ike_sa, by_family);

		if (other(lead, o) && o->line != lead->line && !task_find(o, TASK_IKE_DELETE, 0) &&
		    !continued(ike, lead, o->line) && (!first || o->line < first->line))
			first = o;
	}
	return first;
}

static void continue_line(struct ike *ike, struct ike_sa *lead, struct ike_sa *old)
{
	struct task *t = NULL;

	if (lead->clone_ok && !lead->clones_refused)
		t = task_new(lead, TASK_IKE_CLONE, 0);
	if (t)
		t->reauth_line = old->line;
	else
		supersede(ike, lead, old);
}

void reauth_cloned(struct ike *ike, struct ike_sa *clone)
{
	const struct ike_sa *old = reauth_old(ike, clone);

	/* ended meanwhile; or no memory: then it ends with what it has */
	if (!old || wish_children(old, clone, NULL)) {
		if (!task_new(clone, TASK_IKE_DELETE, 0))
			ike_sa_close(ike, clone, false, "its line ended meanwhile");
		window_run(ike, clone);
		return;
	}
	clone->nat_local = old->nat_local;
	clone->nat_remote = old->nat_remote;
	if (clone->mobike && !path_same(&clone->path, &old->path))
		mobike_go(ike, clone, &old->path);
	window_run(ike, clone);
}

void reauth_superseded(struct ike *ike, struct ike_sa *sa, uint64_t line)
{
	hash_for_each (it, tmp, &ike->lines, line) {
		struct ike_sa *o = hash_entry(it, struct ike_sa, by_line);

		if (other(sa, o))
			supersede(ike, sa, o);
	}
}

/* ---- when it is done ---- */

static bool busy(const struct ike_sa *sa)
{
	if (sa->n_inflight)
		return true;
	list_for_each (it, &sa->pending) {
		const struct task *t = list_entry(it, struct task, node);

		if (t->kind == TASK_CHILD_NEW || t->kind == TASK_UPDATE)
			return true;
	}
	return false;
}

static void step(struct ike *ike, struct ike_sa *sa)
{
	struct ike_sa *next;
	bool left = false;

	if (!sa->reauth_of || sa->state != IKE_ESTABLISHED || busy(sa))
		return;
	reauth_superseded(ike, sa, sa->line);
	while (leads(sa) && (next = waiting(ike, sa)))
		continue_line(ike, sa, next);
	hash_for_each (it, tmp, &ike->families, sa->reauth_of) {
		const struct ike_sa *o = hash_entry(it, struct ike_sa, by_family);

		left |= leads(sa) && other(sa, o) && !task_find(o, TASK_IKE_DELETE, 0);
	}
	window_run(ike, sa);
	if (left)
		return;
	if (leads(sa))
		out_session(ike, sa, sa->reauth_of, sa->session_before, "authenticated anew");
	sa->reauth_of = 0;
	ike_sa_touch(sa);
	out_event(ike, sa, IKE_EV_IKE_REKEYED, 0, 0, "IKE SA authenticated anew");
}

void reauth_run(struct ike *ike, struct ike_sa *sa)
{
	if (!sa->reauth_of)
		return;
	step(ike, sa);
	hash_for_each (it, tmp, &ike->families, sa->family) {
		struct ike_sa *lead = hash_entry(it, struct ike_sa, by_family);

		if (lead != sa && leads(lead))
			step(ike, lead);
	}
}
