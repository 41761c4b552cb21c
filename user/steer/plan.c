/* SPDX-License-Identifier: GPL-2.0-only */
/* Modes: what is written into the maps for a class, once it is known which path comes first. */
#include <stdio.h>
#include <string.h>

#include "base/hash.h"
#include "plan_impl.h"

static const char *const whys[] = {
#define X(n, text) text,
	FOREACH_PLAN_WHY(X)
#undef X
};

const char *plan_why_text(enum plan_why why)
{
	return whys[why];
}

/* ---- what is allowed at all ---- */

static bool listed(const struct class_where *list, uint8_t n, const struct plan_path *p)
{
	for (uint8_t i = 0; i < n; i++)
		if (list[i].name[0] ? !strcmp(list[i].name, p->uplink) : list[i].kind == p->kind)
			return true;
	return false;
}

bool plan_may(const struct class_cfg *c, const struct plan_path *p, enum plan_why *ret_why)
{
	enum plan_why why = PLAN_CARRIES;

	if (listed(c->never, c->n_never, p))
		why = PLAN_NEVER;
	else if (c->never_metered && p->metered)
		why = PLAN_NEVER_METERED;
	else if (c->only_trusted && !p->trusted)
		why = PLAN_NOT_TRUSTED;
	else if (p->budget == PLAN_BUDGET_STOPPED)
		why = PLAN_BUDGET_STOP;
	if (why == PLAN_CARRIES)
		return true;
	*ret_why = why;
	return false;
}

bool plan_restricts(const struct class_cfg *c)
{
	return c->n_never || c->never_metered || c->only_trusted;
}

bool plan_needs_measures(const struct class_cfg *c)
{
	return c->mode == CLASS_DELAY || c->weights_measured || c->sla.delay_usec ||
	       c->sla.jitter_usec || c->sla.loss_permille ||
	       (c->mode == CLASS_REDUNDANT && (c->copies_loss_permille || c->copies_jitter_usec));
}

bool plan_needs_rates(const struct class_cfg *c)
{
	return (c->mode == CLASS_PRIORITY && c->overflow_permille) || c->weights_measured;
}

/* ---- one at a time: why the others wait ---- */

static enum plan_why why_waits(const struct plan_view *v, const struct plan_path *p,
			       const struct plan_path *first)
{
	if (p->state != STEER_PATH_UP && p->state != STEER_PATH_DEGRADED)
		return PLAN_DOES_NOT_WORK;
	if (first->preferred && !p->preferred)
		return PLAN_OPERATOR;
	if (p->spare)
		return PLAN_SPARE;
	if (p->state > first->state)
		return PLAN_DEGRADED;
	if (p->budget != PLAN_BUDGET_LEFT)
		return PLAN_BUDGET;
	if (p->broken)
		return PLAN_SLA;
	if (p->id == v->p->challenger)
		return PLAN_HELD;
	if (v->c->mode == CLASS_DELAY)
		return PLAN_SLOWER;
	if (plan_preference(v->c, p) > plan_preference(v->c, first))
		return PLAN_NOT_PREFERRED;
	if (p->peer_place > first->peer_place)
		return PLAN_PEER;
	if (p->metered && !first->metered)
		return PLAN_METERED;
	if (p->peer_standby && !first->peer_standby)
		return PLAN_PEER;
	return PLAN_STANDS_BY;
}

static void one_carries(const struct plan_view *v)
{
	const struct plan_path *first = &v->paths[v->p->order[0]];

	v->p->mode = STEER_MODE_ACTIVE_STANDBY;
	v->p->copies = 1;
	for (size_t i = 0; i < v->n; i++) {
		struct plan_path *p = &v->paths[v->p->order[i]];

		p->share = !i;
		p->why = i ? why_waits(v, p, first) : PLAN_CARRIES;
	}
}

/* ---- priority with overflow ---- */

static bool may_overflow(const struct plan_path *p)
{
	return p->state == STEER_PATH_UP && !p->spare && p->budget == PLAN_BUDGET_LEFT &&
	       !p->broken;
}

static uint64_t room_of(const struct plan_view *v, const struct plan_path *p)
{
	uint64_t full = p->capacity_bps / 1000 * v->c->overflow_permille;
	uint64_t others = p->uplink_bps > p->class_bps ? p->uplink_bps - p->class_bps : 0;

	if (!p->capacity_bps)
		return UINT64_MAX;
	return full > others ? full - others : 0;
}

/* Slots are counted by place: with other paths, or in another order, each keeps its own, and the
 * first gets what those had that are gone. */
static void same_places(struct plan *p, const uint32_t ids[STEER_MEMBERS_MAX], size_t n)
{
	struct overflow old = p->overflow;

	if (!memcmp(p->filled, ids, sizeof(p->filled)))
		return;
	overflow_reset(&p->overflow, n);
	for (size_t i = 1; i < n; i++)
		for (size_t k = 0; k < old.n; k++)
			if (p->filled[k] == ids[i] && k) {
				p->overflow.share[i] = old.share[k];
				p->overflow.share[0] -= old.share[k];
			}
	memcpy(p->filled, ids, sizeof(p->filled));
}

static void with_overflow(const struct plan_view *v)
{
	struct overflow_load load[STEER_MEMBERS_MAX];
	struct plan_path *at[STEER_MEMBERS_MAX];
	uint32_t ids[STEER_MEMBERS_MAX] = { 0 };
	struct plan_reason why = { .by = PLAN_BY_FULL };
	uint16_t first;
	usec_t next;
	size_t n = 0;

	one_carries(v);
	for (size_t i = 0; i < v->n; i++) {
		struct plan_path *p = &v->paths[v->p->order[i]];

		why.rate_bps += p->class_bps;
		if (i && !may_overflow(p))
			continue;
		ids[n] = p->id;
		at[n] = p;
		load[n++] = (struct overflow_load){ room_of(v, p), p->class_bps };
	}
	same_places(v->p, ids, n);
	first = v->p->overflow.share[0];
	if (overflow_update(&v->p->overflow, load, n, v->c->hold_usec, v->now, &next)) {
		if (v->p->overflow.share[0] >= first) {
			why.by = PLAN_BY_ROOM;
			why.lasted = v->c->hold_usec;
		}
		plan_changed(v->p, &why, at[0]->id, at[0]->id, v->now);
	}
	plan_ask_at(v->p, next);
	for (size_t i = 1; i < n; i++)
		at[i]->why = v->p->overflow.share[i]	     ? PLAN_SPILLED
			     : at[i]->id == v->p->challenger ? PLAN_HELD
							     : PLAN_NOT_FULL;
	if (v->p->overflow.share[0] == STEER_FLOW_SLOTS)
		return;
	v->p->mode = STEER_MODE_FLOW_HASH;
	for (size_t i = 0; i < n; i++)
		at[i]->share = v->p->overflow.share[i];
}

/* ---- several copies ---- */

static bool copies_due(const struct plan_view *v)
{
	const struct plan_path *best = &v->paths[v->p->order[0]];
	const struct class_cfg *c = v->c;
	struct sla_config limits = {
		.most = { 0, c->copies_jitter_usec, c->copies_loss_permille },
		.ease = c->sla.hysteresis < 100 ? c->sla.hysteresis : 99,
		.hold = c->sla.hold_usec,
		.clear = c->sla.clear_usec,
	};
	struct sla_values values = { 0, best->jitter_usec, best->loss_permille };
	struct sla *s = &v->p->copying;
	struct plan_reason why = { .by = PLAN_BY_COPIES };

	if (!c->copies_loss_permille && !c->copies_jitter_usec)
		return true;
	if (sla_update(s, &limits, &values, v->now)) {
		bool loss = s->worse & SLA_LOSS;

		why.by = s->worse ? PLAN_BY_COPIES : PLAN_BY_CLEAR;
		why.sla = s->worse;
		why.value = loss ? best->loss_permille : best->jitter_usec;
		why.limit = loss ? c->copies_loss_permille : c->copies_jitter_usec;
		why.lasted = s->worse ? limits.hold : limits.clear;
		plan_changed(v->p, &why, best->id, best->id, v->now);
	}
	if (s->since)
		plan_ask_at(v->p, s->since + (s->worse ? limits.clear : limits.hold));
	return s->worse;
}

static bool uplink_taken(const struct plan_view *v, const struct plan_path *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!strcmp(v->paths[v->p->order[i]].uplink, p->uplink))
			return true;
	return false;
}

/* A copy by the same uplink is lost with it: of those that are as good another one's come first. */
static void uplinks_apart(const struct plan_view *v)
{
	uint8_t *order = v->p->order;

	for (size_t i = 1; i < v->n && i < v->c->copies; i++) {
		size_t k = i;

		while (k < v->n && uplink_taken(v, &v->paths[order[k]], i))
			k++;
		if (k < v->n && !plan_urgent_cmp(&v->paths[order[k]], &v->paths[order[i]])) {
			uint8_t index = order[k];

			memmove(order + i + 1, order + i, k - i);
			order[i] = index;
		}
	}
}

static void with_copies(const struct plan_view *v)
{
	uplinks_apart(v);
	one_carries(v);
	if (!copies_due(v) || v->n < 2)
		return;
	v->p->mode = STEER_MODE_REDUNDANT;
	v->p->copies = v->c->copies < v->n ? v->c->copies : (uint8_t)v->n;
	for (size_t i = 0; i < v->p->copies; i++) {
		struct plan_path *p = &v->paths[v->p->order[i]];

		p->share = 1;
		if (p->state == STEER_PATH_UP)
			p->why = PLAN_COPIES;
	}
}

/* ---- all at once ---- */

/* Why it does not share with others; PLAN_CARRIES: it does. What is down keeps its share: the maps
 * know what to do meanwhile. */
static enum plan_why why_not(const struct plan_view *v, const struct plan_path *p,
			     const struct plan_path *first)
{
	bool named = plan_preference(v->c, first) < v->c->n_prefer;

	if (first->preferred && !p->preferred)
		return PLAN_OPERATOR;
	if (p->spare && !first->spare)
		return PLAN_SPARE;
	if (p->budget > first->budget)
		return PLAN_BUDGET;
	if (p->broken)
		return PLAN_SLA;
	if (named)
		return plan_preference(v->c, p) < v->c->n_prefer ? PLAN_CARRIES
								 : PLAN_NOT_PREFERRED;
	if (p->metered && !first->metered)
		return PLAN_METERED;
	if (p->peer_standby && !first->peer_standby)
		return PLAN_PEER;
	return PLAN_CARRIES;
}

/* By what they can carry, where that is known of all. */
static void weigh_by_capacity(const struct plan_view *v)
{
	uint64_t most = 0;

	for (size_t i = 0; i < v->n; i++) {
		if (v->paths[i].share && !v->paths[i].capacity_bps)
			return;
		if (v->paths[i].share && v->paths[i].capacity_bps > most)
			most = v->paths[i].capacity_bps;
	}
	for (size_t i = 0; i < v->n; i++) {
		struct plan_path *p = &v->paths[i];
		double part = most ? (double)p->capacity_bps / (double)most : 0;

		if (p->share)
			p->share = (uint16_t)(part * 1000 + 1);
	}
}

static void all_carry(const struct plan_view *v)
{
	const struct plan_path *first = &v->paths[v->p->order[0]];
	bool bond = v->c->mode == CLASS_BOND;

	v->p->mode = bond ? STEER_MODE_BOND : STEER_MODE_FLOW_HASH;
	v->p->copies = 1;
	for (size_t i = 0; i < v->n; i++) {
		struct plan_path *p = &v->paths[i];

		p->why = p == first ? PLAN_CARRIES : why_not(v, p, first);
		p->share = p->why == PLAN_CARRIES ? p->weight : 0;
	}
	if (bond)
		weigh_by_capacity(v);
	else if (v->c->weights_measured)
		plan_weigh(v);
	for (size_t i = 0; i < v->n; i++) {
		struct plan_path *p = &v->paths[i];

		if (p->why == PLAN_CARRIES && p->state != STEER_PATH_UP &&
		    p->state != STEER_PATH_DEGRADED)
			p->why = PLAN_DOES_NOT_WORK;
	}
}

/* ---- all of it ---- */

uint64_t plan_cfg_hash(const struct class_cfg *c)
{
	return hash_octets(c, sizeof(*c));
}

void plan_adopt(struct plan *p, const struct class_cfg *c, const struct steer_group *record,
		usec_t now)
{
	const struct plan_reason why = { .by = PLAN_BY_ADOPTED };
	unsigned n = record->n_members, slots = 0;

	for (unsigned i = 0; i < n; i++) {
		slots += record->weight[i];
		if (c->weights_measured && record->mode == STEER_MODE_FLOW_HASH)
			p->carries[i] = (struct plan_carries){ record->path[i], record->weight[i] };
	}
	if (!n || (record->mode == STEER_MODE_FLOW_HASH &&
		   !(c->mode == CLASS_PRIORITY && slots == STEER_FLOW_SLOTS)))
		return;
	plan_changed(p, &why, 0, record->path[0], now);
	p->current = record->path[0];
	p->cfg = plan_cfg_hash(c);
	if (record->mode == STEER_MODE_REDUNDANT)
		p->copying.worse = SLA_LOSS;
	if (record->mode != STEER_MODE_FLOW_HASH)
		return;
	p->overflow.n = n;
	for (unsigned i = 0; i < n; i++) {
		p->overflow.share[i] = record->weight[i];
		p->filled[i] = record->path[i];
	}
}

/* The present one before those that are better, but not for long enough. */
static void current_first(struct plan *p, const struct plan_path *paths)
{
	size_t at = 0;

	while (at + 1u < p->n && paths[p->order[at]].id != p->current)
		at++;
	if (p->n && paths[p->order[at]].id == p->current) {
		uint8_t index = p->order[at];

		memmove(p->order + 1, p->order, at);
		p->order[0] = index;
	}
}

static void decide(const struct plan_view *v)
{
	switch (v->c->mode) {
	case CLASS_BALANCE:
	case CLASS_BOND:
		all_carry(v);
		break;
	case CLASS_STANDBY:
	case CLASS_DELAY:
	case CLASS_MODES:
		one_carries(v);
		break;
	case CLASS_PRIORITY:
		if (v->c->overflow_permille)
			with_overflow(v);
		else
			one_carries(v);
		break;
	case CLASS_REDUNDANT:
		with_copies(v);
		break;
	}
}

bool plan_make(struct plan *p, const struct class_cfg *c, struct plan_path *paths, size_t n,
	       usec_t now)
{
	const struct plan_view v = { p, c, paths, n < STEER_MEMBERS_MAX ? n : STEER_MEMBERS_MAX,
				     now };
	uint64_t before = p->changes;

	p->next = USEC_NEVER;
	plan_measure(&v);
	plan_order(&v);
	plan_choose(&v);
	p->cfg = plan_cfg_hash(c);
	p->n = (uint8_t)v.n;
	if (!v.n) {
		p->mode = STEER_MODE_FLOW_HASH; /* with no member: nothing leaves */
		p->copies = 0;
	} else {
		current_first(p, paths);
		decide(&v);
	}
	return p->changes != before;
}

/* ---- in words ---- */

static void number(char *buf, size_t len, uint8_t sla, uint32_t value)
{
	if (sla & SLA_LOSS)
		snprintf(buf, len, "%.1f %%", (double)value / 10);
	else
		snprintf(buf, len, "%.1f ms", (double)value / 1000);
}

static const char *measured(const struct plan_reason *r)
{
	return r->sla & SLA_LOSS ? "loss" : r->sla & SLA_DELAY ? "round trip" : "jitter";
}

const char *plan_reason_text(const struct plan_reason *r, char buf[PLAN_REASON_MAX])
{
	char value[24], limit[24];
	double sec = (double)r->lasted / USEC_PER_SEC;

	number(value, sizeof(value), r->sla, r->value);
	number(limit, sizeof(limit), r->sla, r->limit);
	switch (r->by) {
	case PLAN_BY_BEGIN:
		snprintf(buf, PLAN_REASON_MAX, "the first choice");
		break;
	case PLAN_BY_ADOPTED:
		snprintf(buf, PLAN_REASON_MAX, "taken over as it was");
		break;
	case PLAN_BY_CONFIG:
		snprintf(buf, PLAN_REASON_MAX, "the configuration has changed");
		break;
	case PLAN_BY_OPERATOR:
		snprintf(buf, PLAN_REASON_MAX, "preferred by the operator");
		break;
	case PLAN_BY_GONE:
		snprintf(buf, PLAN_REASON_MAX, "the former one cannot be used any more");
		break;
	case PLAN_BY_STATE:
		snprintf(buf, PLAN_REASON_MAX, "the former one does not work, or badly");
		break;
	case PLAN_BY_BUDGET:
		snprintf(buf, PLAN_REASON_MAX, "the former one's budget is used up");
		break;
	case PLAN_BY_SLA:
		snprintf(buf, PLAN_REASON_MAX, "%s %s above %s for %.1f s", measured(r), value,
			 limit, sec);
		break;
	case PLAN_BY_BETTER:
		snprintf(buf, PLAN_REASON_MAX, "better, for %.1f s", sec);
		break;
	case PLAN_BY_DELAY:
		snprintf(buf, PLAN_REASON_MAX, "round trip %s, before %s", value, limit);
		break;
	case PLAN_BY_FULL:
		snprintf(buf, PLAN_REASON_MAX, "full: %.1f Mbit/s are sent",
			 (double)r->rate_bps / 1e6);
		break;
	case PLAN_BY_ROOM:
		snprintf(buf, PLAN_REASON_MAX, "has room again for %.1f s: %.1f Mbit/s are sent",
			 sec, (double)r->rate_bps / 1e6);
		break;
	case PLAN_BY_COPIES:
		snprintf(buf, PLAN_REASON_MAX, "copies: %s %s above %s for %.1f s", measured(r),
			 value, limit, sec);
		break;
	case PLAN_BY_CARRIES:
		snprintf(buf, PLAN_REASON_MAX, "measured: all paths together carry %.1f Mbit/s",
			 (double)r->rate_bps / 1e6);
		break;
	case PLAN_BY_CLEAR:
		snprintf(buf, PLAN_REASON_MAX, "no copies: loss and jitter are low for %.1f s",
			 sec);
		break;
	}
	return buf;
}
