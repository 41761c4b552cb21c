/* SPDX-License-Identifier: GPL-2.0-only */
/* Child SAs for each CPU (RFC 9611): beside the first one, which is for all, others with the same
 * selectors, mode and algorithms, and keys of their own.
 *
 *   I: SK{ SA, Ni, [KEi,] TSi, TSr, N(SA_RESOURCE_INFO) }  -->
 *   R:                          <--  SK{ SA, Nr, [KEr,] TSi, TSr, N(SA_RESOURCE_INFO) }
 *                         or    <--  SK{ N(TS_MAX_QUEUE) }
 *
 * The first one, in IKE_AUTH or CREATE_CHILD_SA, has the notification too, by which the two learn
 * that there may be others. Each end says for itself which of its CPUs sends on which of them; all
 * of them receive. One more is made when a CPU without its own has something to send (ike_up_cpu),
 * by either end. What is rekeyed stays what it was.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "child_sa.h"
#include "exchange.h"
#include "ike_private.h"
#include "mmx.h"

/* Peers that delete what they find idle are not asked again at once: each CPU once in that time. */
enum { ASK_AGAIN_SEC = 60 };

static bool same_ts(const struct ike_ts *a, uint8_t n_a, const struct ike_ts *b, uint8_t n_b)
{
	if (n_a != n_b)
		return false;
	for (unsigned i = 0; i < n_a; i++)
		if (a[i].protocol != b[i].protocol || a[i].port_first != b[i].port_first ||
		    a[i].port_last != b[i].port_last || !addr_equal(&a[i].first, &b[i].first) ||
		    !addr_equal(&a[i].last, &b[i].last))
			return false;
	return true;
}

/* For a pair of its own (MMX): it is neither the first of several nor one of the others. */
static bool apart(const struct child_sa *c)
{
	return !c->resources && c->binding && c->binding->b.own;
}

static bool like_deal(const struct child_sa *c, const struct child_deal *d)
{
	return child_in_use(c) && !apart(c) && c->mode == d->mode &&
	       same_ts(c->ts_local, c->n_ts_local, d->ts_local, d->n_ts_local) &&
	       same_ts(c->ts_remote, c->n_ts_remote, d->ts_remote, d->n_ts_remote);
}

static bool alike(const struct child_sa *a, const struct child_sa *b)
{
	return child_in_use(a) && apart(a) == apart(b) && a->mode == b->mode &&
	       !strcmp(a->name, b->name) &&
	       same_ts(a->ts_local, a->n_ts_local, b->ts_local, b->n_ts_local) &&
	       same_ts(a->ts_remote, a->n_ts_remote, b->ts_remote, b->n_ts_remote);
}

/* What tells resources apart, for whoever debugs: "opaque". */
static void put_info(uint16_t cpu, struct msg_wr *m)
{
	uint8_t number[4];
	struct wr w = wr_init(number, sizeof(number));

	wr_u32(&w, cpu - 1u);
	msg_put_notify(m, PROTO_NONE, NULL, 0, N_SA_RESOURCE_INFO, number, cpu ? w.len : 0);
}

/* ---- requester ---- */

void resource_offer(const struct ike_sa *sa, const struct ike_child_cfg *cfg, const struct task *t,
		    const struct child_sa *rekeyed, struct msg_wr *m)
{
	if (t->cpu)
		put_info(t->cpu, m);
	else if (rekeyed ? rekeyed->resources : cfg->per_cpu && sa->ike->env.cpus && !t->wish)
		put_info(rekeyed ? rekeyed->cpu : 0, m);
}

void resource_answer(const struct child_deal *d, struct msg_wr *m)
{
	if (d->resources)
		put_info(d->cpu, m);
}

static void keep(const struct child_sa *rekeyed, struct child_deal *d)
{
	d->resources = rekeyed->resources;
	d->additional = rekeyed->additional;
	d->cpu = rekeyed->cpu;
}

bool resource_answered(const struct ike_sa *sa, const struct task *t,
		       const struct child_sa *rekeyed, const struct ike_msg *in,
		       struct child_deal *d)
{
	if (t->kind == TASK_CHILD_REKEY) {
		if (rekeyed)
			keep(rekeyed, d);
		return true;
	}
	d->resources = msg_notify(in, N_SA_RESOURCE_INFO) && sa->ike->env.cpus && d->cfg->per_cpu &&
		       !t->wish;
	d->additional = t->cpu != 0;
	d->cpu = t->cpu;
	return !t->cpu || (rekeyed && like_deal(rekeyed, d));
}

struct child_sa *resource_like(const struct ike_sa *sa, const struct task *t)
{
	struct child_sa *c = t->cpu ? child_find(sa, t->child_id) : NULL;

	while (c && !child_in_use(c))
		c = c->successor ? child_find(sa, c->successor) : NULL;
	return c;
}

void resource_refused(struct ike_sa *sa, const struct task *t, const char *why)
{
	struct child_sa *c = resource_like(sa, t);

	if (!c || c->no_more)
		return;
	resource_no_more(c, true);
	ike_sa_touch(sa);
	log_ike(sa, LOG_WARN_, "no further Child SA %s for CPUs: %s; it goes on with those it has",
		t->child_name, why);
}

void resource_no_more(struct child_sa *c, bool no_more)
{
	if (c->sa)
		c->sa->n_no_more += no_more - c->no_more;
	c->no_more = no_more;
}

void resource_gone(struct ike_sa *sa)
{
	if (!sa->n_no_more) /* thousands may go at once */
		return;
	list_for_each (it, &sa->children)
		resource_no_more(list_entry(it, struct child_sa, node), false);
	ike_sa_touch(sa);
}

void resource_inherit(struct child_sa *c, const struct child_sa *old)
{
	resource_no_more(c, old->no_more);
	c->asked = old->asked;
	c->asked_since = old->asked_since;
}

/* ---- responder ---- */

static bool in_use(const struct ike_sa *sa, const struct child_deal *d, uint16_t cpu)
{
	const struct list *both[] = { &sa->inflight, &sa->pending };

	list_for_each (it, &sa->children) {
		const struct child_sa *c = list_entry(it, struct child_sa, node);

		if (c->cpu == cpu && like_deal(c, d))
			return true;
	}
	for (unsigned i = 0; i < 2; i++) {
		list_for_each (it, both[i]) {
			const struct task *t = list_entry(it, struct task, node);

			if (t->cpu == cpu && !strcmp(t->child_name, d->cfg->name))
				return true;
		}
	}
	return false;
}

/* The first of our CPUs that has none; 0: all have. */
static uint16_t free_cpu(const struct ike_sa *sa, const struct child_deal *d)
{
	for (uint16_t cpu = 1; cpu <= sa->ike->env.cpus; cpu++)
		if (!in_use(sa, d, cpu))
			return cpu;
	return 0;
}

uint16_t resource_choose(const struct ike_sa *sa, const struct child_sa *rekeyed,
			 const struct ike_msg *in, struct child_deal *d)
{
	bool first = false;
	unsigned n = 0;

	if (rekeyed) {
		keep(rekeyed, d);
		return 0;
	}
	if (!msg_notify(in, N_SA_RESOURCE_INFO) || d->binding)
		return 0;
	list_for_each (it, &sa->children) {
		const struct child_sa *c = list_entry(it, struct child_sa, node);

		if (!like_deal(c, d))
			continue;
		first |= !c->additional;
		n++;
	}
	if (n > d->cfg->per_cpu_max)
		return N_TS_MAX_QUEUE;
	d->resources = d->cfg->per_cpu_max > 0;
	d->additional = first;
	d->cpu = first ? free_cpu(sa, d) : 0;
	return 0;
}

uint16_t resource_refusal(const struct child_sa *rekeyed, const struct child_deal *d)
{
	return d->additional && !rekeyed ? N_TS_MAX_QUEUE : N_NO_ADDITIONAL_SAS;
}

struct child_sa *resource_first(const struct ike_sa *sa, const struct child_deal *d)
{
	list_for_each (it, &sa->children) {
		struct child_sa *c = list_entry(it, struct child_sa, node);

		if (d->additional && !c->additional && like_deal(c, d))
			return c;
	}
	return NULL;
}

/* ---- asking for more ---- */

bool resource_asks(const struct ike_sa *sa, const struct child_sa *c)
{
	return c->resources && sa->ike->env.cpus;
}

static struct child_sa *first_like(const struct child_sa *c)
{
	list_for_each (it, &c->sa->children) {
		struct child_sa *o = list_entry(it, struct child_sa, node);

		if (!o->additional && alike(o, c))
			return o;
	}
	return NULL;
}

/* Those that there are and are being made, up to that CPU's own: -EALREADY. */
static int count(const struct child_sa *first, uint16_t cpu)
{
	const struct list *both[] = { &first->sa->inflight, &first->sa->pending };
	int n = 0;

	list_for_each (it, &first->sa->children) {
		const struct child_sa *c = list_entry(it, struct child_sa, node);

		if (!c->cpu || !alike(c, first))
			continue;
		if (c->cpu == cpu)
			return -EALREADY;
		n++;
	}
	for (unsigned i = 0; i < 2; i++) {
		list_for_each (it, both[i]) {
			const struct task *t = list_entry(it, struct task, node);

			if (!t->cpu || strcmp(t->child_name, first->name))
				continue;
			if (t->cpu == cpu)
				return -EALREADY;
			n++;
		}
	}
	return n;
}

static bool too_often(struct child_sa *first, uint16_t most_asked, usec_t now)
{
	if (!first->asked || now - first->asked_since >= ASK_AGAIN_SEC * USEC_PER_SEC) {
		first->asked_since = now;
		first->asked = 0;
	}
	return first->asked++ >= most_asked;
}

static int ask(struct ike *ike, struct child_sa *first, uint16_t cpu)
{
	const struct ike_child_cfg *cfg = child_policy(first->sa, first);
	struct task *t;
	int n;

	if (!cfg || !first->resources || first->no_more || first->sa->state != IKE_ESTABLISHED ||
	    cpu >= ike->env.cpus)
		return -EOPNOTSUPP;
	n = count(first, cpu + 1);
	if (n < 0)
		return n;
	if (n >= cfg->per_cpu)
		return -EOPNOTSUPP;
	if (too_often(first, cfg->per_cpu, ike->now))
		return -EAGAIN;
	t = task_new(first->sa, TASK_CHILD_NEW, 0);
	if (!t)
		return -ENOMEM;
	t->cpu = cpu + 1;
	t->child_id = first->id;
	snprintf(t->child_name, sizeof(t->child_name), "%s", first->name);
	window_run(ike, first->sa);
	return 0;
}

int ike_up_cpu(struct ike *ike, uint32_t child_id, uint16_t cpu, usec_t now)
{
	struct hash_node *n = hash_find(&ike->children, child_id);
	struct child_sa *first = n ? first_like(hash_entry(n, struct child_sa, by_id)) : NULL;
	int ret;

	ike->now = now;
	if (!first)
		return -ENOENT;
	ret = ask(ike, first, cpu);
	ike_reap(ike);
	return ret;
}
