/* SPDX-License-Identifier: GPL-2.0-only */
/* Which paths the traffic classes of a connection take: asks the plan (steer/plan.h) with all that
 * is known of the paths, and writes down what comes of it: one store for each group that changes.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <event2/event.h>

#include "base/log.h"
#include "bindings.h"
#include "steer.h"

/* ---- what is wanted ---- */

const struct class_cfg *steer_wanted(const struct agent *a, const char *conn, uint8_t klass)
{
	const struct classes_cfg *all = &a->conf->classes;
	const struct ike_conn_cfg *c = agent_conn(a, conn);

	if (!c || !c->steering || klass >= all->n_classes || !all->classes[klass].name[0] ||
	    (!klass && !all->default_given))
		return NULL;
	return &all->classes[klass];
}

/* A packet of class default may be of any class if nobody tells them apart, and of the former one:
 * does it make a difference? */
static bool careful(const struct agent *a, const char *conn)
{
	const struct class_cfg *former = classes_former(a, 0);

	if (former && plan_restricts(former))
		return true;
	for (uint8_t k = 1; a->classes_blind && k < STEER_CLASSES; k++) {
		const struct class_cfg *c = steer_wanted(a, conn, k);

		if (c && plan_restricts(c))
			return true;
	}
	return false;
}

/* A budget that is used up counts for what has no classes, too. */
static const struct class_cfg *cfg_of(struct agent *a, const struct steer_group_in *in,
				      uint8_t klass, struct class_cfg *buf)
{
	static const struct class_cfg plain = { .name = "default", .mode = CLASS_BALANCE };
	const struct class_cfg *c = asks_in_force(a, in->p, klass, buf);

	if (c || klass)
		return c;
	if (careful(a, in->p->conn))
		return &plain;
	for (size_t i = 0; i < in->n; i++) {
		const struct path *p = path_find(a, in->list[i].path);

		if (p && in->list[i].usable && traffic_budget(a, p) != PLAN_BUDGET_LEFT)
			return &plain;
	}
	return NULL;
}

bool steer_measures(const struct agent *a, const struct path *p)
{
	struct class_cfg buf;

	for (uint8_t k = 0; k < STEER_CLASSES; k++) {
		const struct class_cfg *c = asks_in_force(a, p->peer, k, &buf);

		if (c && plan_needs_measures(c))
			return true;
	}
	return false;
}

/* ---- state ---- */

void steer_free(struct steer *s)
{
	for (size_t k = 0; s && k < STEER_CLASSES; k++)
		free(s->of[k]);
	free(s);
}

void steer_inherit(struct peer *p)
{
	if (p->kind != p->line)
		return;
	list_for_each (li, &p->family->lines) {
		struct peer *q = list_entry(li, struct peer, in_family);

		if (q == p || q->kind != p->kind)
			continue;
		steer_free(q->classes);
		q->classes = p->classes;
		p->classes = NULL;
		return;
	}
}

static void drop_class(struct steer *s, uint8_t klass)
{
	if (!s)
		return;
	free(s->of[klass]);
	s->of[klass] = NULL;
}

static struct steer_class *class_get(struct steer **s, uint8_t klass)
{
	if (!*s)
		*s = calloc(1, sizeof(**s));
	if (*s && !(*s)->of[klass])
		(*s)->of[klass] = calloc(1, sizeof(struct steer_class));
	return *s ? (*s)->of[klass] : NULL;
}

const struct steer_class *steer_class_of(struct agent *a, const struct peer *p,
					 const struct binding *b_or_null, uint8_t klass)
{
	const struct peer *first = peer_find(a, p->kind);
	const struct steer *s = b_or_null ? b_or_null->classes
				: first	  ? first->classes
					  : p->classes;

	return s ? s->of[klass] : NULL;
}

uint16_t steer_share(const struct steer *s, uint32_t path)
{
	const struct steer_class *c = s ? s->of[0] : NULL;

	for (size_t i = 0; c && i < c->n; i++)
		if (c->seen[i].path == path)
			return c->seen[i].share;
	return 0;
}

/* ---- what is known of paths ---- */

static struct plan_path look(struct agent *a, const struct candidate *c, uint8_t klass)
{
	const struct path *p = path_find(a, c->path);
	struct uplink *u = p && p->uplink >= 0 ? &a->uplinks[p->uplink] : NULL;

	if (!p)
		return (struct plan_path){ .uplink = "" };
	return (struct plan_path){
		.id = p->id,
		.uplink = u ? u->cfg.name : "",
		.kind = u ? uplink_kind(a, u) : UPLINK_ANY,
		.state = (uint8_t)p->state,
		.metered = c->metered,
		.trusted = u && u->cfg.trusted,
		.spare = !c->same || c->ending || c->alternate || c->why == MEMBER_SAME_PAIR,
		.peer_standby = c->peer_standby,
		.peer_place = asks_place(a, p, klass),
		.preferred = c->preferred,
		.budget = traffic_budget(a, p),
		.weight = c->weight,
		.rank = c->rank,
		.capacity_bps = u ? u->cfg.rate_bps : 0,
		.found_bps = p->traffic.capacity.bps,
		.found_full = p->traffic.capacity.full_at != 0,
		.uplink_bps = traffic_uplink_bps(a, p),
		.class_bps = traffic_class_bps(p, klass),
		.measured = p->info.measured_usec,
		.rtt_usec = p->info.rtt_usec,
		.jitter_usec = p->info.rtt_jitter_usec,
		.loss_permille = p->info.loss_felt_permille,
		.rtt_last_usec = p->info.rtt_last_usec,
	};
}

/* ---- one class ---- */

struct picked {
	size_t n, n_not; /* allowed; not */
	bool limited;	 /* for a moment, by what the number meant before */
	struct plan_path path[STEER_MEMBERS_MAX];
	uint32_t line[STEER_MEMBERS_MAX];
	struct steer_seen not [STEER_MEMBERS_MAX];
};

/* It goes nowhere that it must not; nor where another class must not, if it is that one too. */
static bool may(const struct agent *a, const char *conn, const struct class_cfg *c, uint8_t klass,
		const struct plan_path *p, enum plan_why *ret_why)
{
	const struct class_cfg *former = classes_former(a, klass);

	if (!plan_may(c, p, ret_why) || (former && !plan_may(former, p, ret_why)))
		return false;
	for (uint8_t k = 1; !klass && a->classes_blind && k < STEER_CLASSES; k++) {
		c = steer_wanted(a, conn, k);
		if (c && !plan_may(c, p, ret_why))
			return false;
	}
	return true;
}

/* Where the class may not go at all is no candidate; of the others those that a group has room for
 * are chosen as always. Returns false where none is usable for whatever class. */
static bool pick(struct agent *a, const struct steer_group_in *in, const struct class_cfg *c,
		 uint8_t klass, struct picked *ret)
{
	struct candidate *list = calloc(in->n + 1, sizeof(*list));
	bool usable = false;

	*ret = (struct picked){ 0 };
	for (size_t i = 0; list && i < in->n; i++) {
		struct plan_path p = look(a, &in->list[i], klass);
		enum plan_why why;

		list[i] = in->list[i];
		list[i].preferred = false;
		list[i].usable &= p.id != 0;
		usable |= list[i].usable;
		if (!list[i].usable || may(a, in->p->conn, c, klass, &p, &why))
			continue;
		list[i].usable = false;
		ret->limited |= classes_former(a, klass) && plan_may(c, &p, &(enum plan_why){ 0 });
		if (ret->n_not < STEER_MEMBERS_MAX)
			ret->not [ret->n_not++] = (struct steer_seen){ .path = p.id, .why = why };
	}
	if (list)
		members_choose(list, in->n);
	for (size_t i = 0; list && i < in->n && ret->n < STEER_MEMBERS_MAX; i++) {
		if (!list[i].member)
			continue;
		list[i].preferred = in->list[i].preferred;
		ret->line[ret->n] = list[i].line;
		ret->path[ret->n++] = look(a, &list[i], klass);
	}
	free(list);
	return usable;
}

static void remember(struct steer_class *s, const struct picked *all)
{
	s->n = 0;
	for (size_t i = 0; i < s->plan.n; i++) {
		const struct plan_path *p = &all->path[s->plan.order[i]];

		s->seen[s->n++] = (struct steer_seen){ p->id, p->share, p->why, p->broken, true };
	}
	for (size_t i = 0; i < all->n_not; i++)
		s->seen[s->n++] = all->not [i];
}

static const char *uplink_of_path(struct agent *a, uint32_t id)
{
	const struct path *p = id ? path_find(a, id) : NULL;

	return !p ? "nothing" : p->uplink >= 0 ? a->uplinks[p->uplink].name : p->name;
}

/* "class voice: wlan -> ran: loss 4.1 % above 1.0 % for 3.0 s" */
static void say(struct agent *a, struct peer *p, const struct class_cfg *c, const struct plan *plan)
{
	const char *from = uplink_of_path(a, plan->from), *to = uplink_of_path(a, plan->to);
	struct decision d = { .by = BY_AGENT, .from = from, .to = to };
	char why[PLAN_REASON_MAX], text[448];

	plan_reason_text(&plan->reason, why);
	if (plan->from && plan->from != plan->to)
		snprintf(text, sizeof(text), "class %s: %s -> %s: %s", c->name, from, to, why);
	else
		snprintf(text, sizeof(text), "class %s: %s: %s", c->name, to, why);
	class_said(a, p, c->name, text, why, &d);
}

static void adopt_plan(struct agent *a, const struct steer_group_in *in, uint8_t klass,
		       const struct class_cfg *c, struct plan *plan)
{
	struct steer_group record;

	if (!plan->changes && in->group && !dp_group_get(a->dp, in->group, klass, &record))
		plan_adopt(plan, c, &record, agent_now());
}

bool steer_plan(struct agent *a, const struct steer_group_in *in, uint8_t klass,
		struct dp_member *members, struct dp_group_want *ret_want)
{
	struct class_cfg buf;
	const struct class_cfg *c = cfg_of(a, in, klass, &buf);
	struct steer_class *s;
	struct picked all;

	if (!c) {
		drop_class(*in->steer, klass);
		return false;
	}
	s = class_get(in->steer, klass);
	if (!s) {
		log_error("%s: no memory for class %s", in->p->conn, c->name);
		return false;
	}
	if (!pick(a, in, c, klass, &all))
		return false;
	adopt_plan(a, in, klass, c, &s->plan);
	if (s->limited && !all.limited)
		s->plan.cfg = 0; /* only now it goes as configured */
	s->limited = all.limited;
	if (plan_make(&s->plan, c, all.path, all.n, agent_now()))
		say(a, in->p, c, &s->plan);
	remember(s, &all);
	if (s->plan.next < in->p->family->steer_due) {
		in->p->family->steer_due = s->plan.next;
		steer_at(a, s->plan.next);
	}
	for (size_t i = 0; i < s->plan.n; i++) {
		const struct plan_path *p = &all.path[s->plan.order[i]];

		members[i] = (struct dp_member){ p->id, all.line[s->plan.order[i]], p->share };
	}
	*ret_want = (struct dp_group_want){
		.mode = s->plan.mode,
		.klass = klass,
		.copies = s->plan.copies,
		.patience = (uint8_t)(c->reorder_usec / STEER_PATIENCE_USEC),
		.like = in->like,
		.n = s->plan.n,
		.members = members,
	};
	return true;
}

void steer_classes(struct agent *a, const struct steer_group_in *in)
{
	struct dp_member members[STEER_MEMBERS_MAX];
	struct dp_group_want want;

	for (uint8_t k = 1; k < STEER_CLASSES && in->group; k++) {
		uint32_t id = in->group;
		int err = 0;

		if (steer_plan(a, in, k, members, &want))
			err = dp_group_put(a->dp, id, &want, &id);
		else if (!steer_wanted(a, in->p->conn, k)) {
			if (!classes_former(a, k))
				dp_group_del_class(a->dp, id, k);
		} else if (!(*in->steer) || !(*in->steer)->of[k])
			err = -ENOMEM;
		if (err) { /* where it would go as the default class it must perhaps not go */
			log_error("%s: class %u goes nowhere: %s", in->p->conn, k, strerror(-err));
			dp_group_nowhere(a->dp, id, k);
		}
	}
}

/* ---- when ---- */

void steer_at(struct agent *a, usec_t when)
{
	usec_t now = agent_now();

	if (a->steer_wake && a->steer_wake <= when)
		return;
	a->steer_wake = when;
	agent_timer(a->steer_timer, when > now ? when - now : 0);
}

void steer_soon(struct agent *a, struct family *f)
{
	for (uint8_t k = 0; k < STEER_CLASSES; k++) {
		const struct list *first = f->lines.next;

		if (first == &f->lines ||
		    !steer_wanted(a, list_entry(first, struct peer, in_family)->conn, k))
			continue;
		f->steer_due = agent_now();
		steer_at(a, f->steer_due);
		return;
	}
}

static void on_timer(evutil_socket_t fd, short what, void *ctx)
{
	struct agent *a = ctx;
	usec_t now = agent_now();

	(void)fd;
	(void)what;
	a->steer_wake = 0;
	list_for_each (it, &a->peers) {
		struct peer *p = list_entry(it, struct peer, node);

		if (!family_is_first(p) || p->family->steer_due > now)
			continue;
		p->family->steer_due = USEC_NEVER;
		family_sync(a, p->family);
	}
	list_for_each (it, &a->peers) {
		const struct peer *p = list_entry(it, struct peer, node);

		if (p->family->steer_due != USEC_NEVER)
			steer_at(a, p->family->steer_due);
	}
	agent_drain(a);
}

void steer_measured(struct agent *a, const struct engine_path_info *info)
{
	struct path *p = path_find(a, info->id);

	if (!p)
		return;
	path_info(a, info);
	steer_soon(a, p->peer->family);
}

void steer_again(struct agent *a)
{
	list_for_each (it, &a->peers) {
		struct peer *p = list_entry(it, struct peer, node);

		if (!family_is_first(p))
			continue;
		p->family->steer_due = agent_now();
		steer_at(a, p->family->steer_due);
	}
}

void steer_reload(struct agent *a)
{
	traffic_plan(a);
	list_for_each (it, &a->peers) {
		struct peer *p = list_entry(it, struct peer, node);

		if (family_is_first(p))
			family_sync(a, p->family);
	}
}

int steer_open(struct agent *a)
{
	a->steer_timer = evtimer_new(a->base, on_timer, a);
	return a->steer_timer ? traffic_open(a) : -ENOMEM;
}

void steer_close(struct agent *a)
{
	traffic_close(a);
	if (a->steer_timer)
		event_free(a->steer_timer);
}
