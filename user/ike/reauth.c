/* SPDX-License-Identifier: GPL-2.0-only */
/* Reauthentication, make before break (RFC 7296 2.8.3): a new IKE SA with IKE_SA_INIT and IKE_AUTH
 * of its own beside the old one, then the Child SAs again, then the old one's Delete.
 *
 * Whoever set the family up does it; the new IKE SA begins another family, but belongs to the same
 * line here, and its Child SAs replace those of the same name, so that traffic goes over to them at
 * once and the old ones still take packets in. The responder cannot know what it is, and need not:
 * it sends on the old Child SAs until these are deleted. Without INITIAL_CONTACT, which would end
 * the old one. Clones of the old one end with it: whoever wants some has the new one cloned.
 */
#include <errno.h>
#include <stdio.h>

#include "child_sa.h"
#include "exchange.h"
#include "ike_private.h"

static bool other(const struct ike_sa *sa, const struct ike_sa *o)
{
	return o->family == sa->reauth_of && o->state == IKE_ESTABLISHED && !o->redundant;
}

static int wish_children(const struct ike_sa *old, struct ike_sa *sa, struct task *init)
{
	list_for_each (it, &old->children) {
		const struct child_sa *c = list_entry(it, struct child_sa, node);
		struct task *t = init->child_name[0] ? NULL : init;

		if (!child_in_use(c))
			continue;
		if (!t)
			t = task_new(sa, TASK_CHILD_NEW, 0);
		if (!t)
			return -ENOMEM;
		snprintf(t->child_name, sizeof(t->child_name), "%s", c->name);
	}
	return init->child_name[0] ? 0 : -ENOENT;
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
		old->expires = ike->now + 4 * LINGER_USEC;
	}
	if (!t) {
		ike_sa_close(ike, old, false, "authenticated anew");
		return;
	}
	task_first(old, t);
	window_run(ike, old);
}

void reauth_run(struct ike *ike, struct ike_sa *sa)
{
	uint64_t of = sa->reauth_of;

	if (!of || sa->state != IKE_ESTABLISHED || sa->n_inflight)
		return;
	list_for_each (it, &sa->pending)
		if (list_entry(it, struct task, node)->kind == TASK_CHILD_NEW)
			return;
	hash_for_each (it, tmp, &ike->families, of) {
		struct ike_sa *o = hash_entry(it, struct ike_sa, by_family);

		if (other(sa, o))
			supersede(ike, sa, o);
	}
	sa->reauth_of = 0;
	ike_sa_touch(sa);
	out_event(ike, sa, IKE_EV_IKE_REKEYED, 0, 0, "IKE SA authenticated anew");
}
