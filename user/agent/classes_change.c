/* SPDX-License-Identifier: GPL-2.0-only */
/* A change of rules. Packets that are under way, and all others while the new rules wait for a free
 * table, have the number that the former rules gave them, which now may mean another class, or
 * none. So groups come before rules, and for a moment more a number goes only where both may that
 * it stands for, and keeps the group that it had. */
#include <errno.h>
#include <string.h>

#include <event2/event.h>

#include "agent.h"
#include "steer.h"

/* From the classifier to an uplink it is a millisecond, without a busy machine. */
enum { UNDER_WAY_MSEC = 250 };

/* ---- counters: of a class, while the paths count by number ---- */

static void count_from_here(struct agent *a, uint8_t klass)
{
	list_for_each (it, &a->peers) {
		struct peer *p = list_entry(it, struct peer, node);

		list_for_each (pi, &p->paths) {
			struct path *path = list_entry(pi, struct path, node);
			struct steer_path_stat stat;

			if (!dp_path_stat(a->dp, path->id, &stat))
				path->class_from[klass] = stat.tx_class[klass];
		}
	}
}

void classes_count(struct agent *a, const struct path *p, uint8_t klass,
		   struct steer_class_stat *ret_stat)
{
	struct steer_path_stat stat;

	*ret_stat = (struct steer_class_stat){ 0 };
	if (dp_path_stat(a->dp, p->id, &stat))
		return;
	ret_stat->packets = stat.tx_class[klass].packets - p->class_from[klass].packets;
	ret_stat->octets = stat.tx_class[klass].octets - p->class_from[klass].octets;
}

/* ---- the change ---- */

const struct class_cfg *classes_former(const struct agent *a, uint8_t klass)
{
	const struct classes_cfg *c = &a->classes_former;

	if (!a->classes_change || klass >= c->n_classes || !c->classes[klass].name[0] ||
	    (!klass && !c->default_given))
		return NULL;
	return &c->classes[klass];
}

static bool same(const struct classes_cfg *c, const struct classes_cfg *d)
{
	for (uint8_t k = 1; k < STEER_CLASSES; k++)
		if (strcmp(c->classes[k].name, d->classes[k].name))
			return false;
	if (c->n_rules != d->n_rules)
		return false;
	for (uint8_t i = 0; i < c->n_rules; i++) {
		struct class_rule r = c->rules[i];

		r.line = d->rules[i].line;
		if (memcmp(&r, &d->rules[i], sizeof(r)))
			return false;
	}
	return true;
}

void classes_begin_change(struct agent *a, const struct classes_cfg *before)
{
	if (a->classes_due) /* the rules from before those count still */
		return;
	evtimer_del(a->change_timer);
	a->classes_change = !same(before, &a->conf->classes);
	if (a->classes_change)
		a->classes_former = *before;
}

void classes_changed(struct agent *a)
{
	const struct classes_cfg *was = &a->classes_former, *is = &a->conf->classes;

	if (!a->classes_change)
		return;
	for (uint8_t k = 1; k < is->n_classes; k++)
		if (strcmp(was->classes[k].name, is->classes[k].name))
			count_from_here(a, k);
	agent_timer(a->change_timer, UNDER_WAY_MSEC * USEC_PER_MSEC);
}

static void on_timer(evutil_socket_t fd, short what, void *ctx)
{
	struct agent *a = ctx;

	(void)fd;
	(void)what;
	a->classes_change = false;
	steer_reload(a);
	agent_drain(a);
}

int classes_change_open(struct agent *a)
{
	a->change_timer = evtimer_new(a->base, on_timer, a);
	return a->change_timer ? 0 : -ENOMEM;
}
