/* SPDX-License-Identifier: GPL-2.0-only */
/* Which path comes first, and when another one takes its place. */
#include <string.h>

#include "plan_impl.h"

struct plan_memory *plan_memory_of(struct plan *p, uint32_t id)
{
	for (size_t i = 0; i < STEER_MEMBERS_MAX; i++)
		if (p->memory[i].id == id)
			return &p->memory[i];
	return NULL;
}

void plan_ask_at(struct plan *p, usec_t when)
{
	if (when < p->next)
		p->next = when;
}

void plan_changed(struct plan *p, const struct plan_reason *why, uint32_t from, uint32_t to,
		  usec_t now)
{
	p->changes++;
	p->reason = *why;
	p->from = from;
	p->to = to;
	p->since = now;
}

static bool works(const struct plan_path *p)
{
	return p->state == STEER_PATH_UP || p->state == STEER_PATH_DEGRADED;
}

/* ---- what was measured ---- */

static bool is_there(const struct plan_view *v, uint32_t id)
{
	for (size_t i = 0; i < v->n; i++)
		if (v->paths[i].id == id)
			return true;
	return false;
}

/* A place for each path: those of paths that are gone are free. */
static void remember(const struct plan_view *v)
{
	for (size_t i = 0; i < STEER_MEMBERS_MAX; i++)
		if (!is_there(v, v->p->memory[i].id))
			v->p->memory[i] = (struct plan_memory){ 0 };
	for (size_t i = 0; i < v->n; i++)
		if (!plan_memory_of(v->p, v->paths[i].id))
			plan_memory_of(v->p, 0)->id = v->paths[i].id;
}

static struct sla_config sla_of(const struct class_cfg *c)
{
	const struct class_sla *s = &c->sla;

	return (struct sla_config){
		.most = { s->delay_usec, s->jitter_usec, s->loss_permille },
		.ease = s->hysteresis < 100 ? s->hysteresis : 99,
		.hold = s->hold_usec,
		.clear = s->clear_usec,
	};
}

void plan_measure(const struct plan_view *v)
{
	struct sla_config c = sla_of(v->c);

	remember(v);
	for (size_t i = 0; i < v->n; i++) {
		struct plan_path *path = &v->paths[i];
		struct plan_memory *m = plan_memory_of(v->p, path->id);
		struct sla_values values = { path->rtt_usec, path->jitter_usec,
					     path->loss_permille };
		const struct delay_track *t = &m->delay;

		if (!works(path) || !path->measured) {
			*m = (struct plan_memory){ .id = m->id };
			path->broken = 0;
			continue;
		}
		sla_update(&m->sla, &c, &values, v->now);
		if (m->sla.since)
			plan_ask_at(v->p, m->sla.since + (m->sla.worse ? c.clear : c.hold));
		path->broken = m->sla.worse;
		if (!t->n || path->measured > t->at[(t->n - 1) % DELAY_SAMPLES])
			delay_push(&m->delay, path->rtt_last_usec, path->measured);
	}
}

/* ---- order ---- */

static int state_rank(const struct plan_path *p)
{
	return p->state == STEER_PATH_UP	 ? 0
	       : p->state == STEER_PATH_DEGRADED ? 1
	       : p->state == STEER_PATH_UNKNOWN	 ? 2
						 : 3;
}

int plan_urgent_cmp(const struct plan_path *a, const struct plan_path *b)
{
	bool pa = a->preferred && works(a), pb = b->preferred && works(b);

	if (pa != pb)
		return pa ? -1 : 1;
	if (state_rank(a) != state_rank(b))
		return state_rank(a) - state_rank(b);
	if (a->spare != b->spare)
		return a->spare - b->spare;
	if (a->budget != b->budget)
		return (int)a->budget - (int)b->budget;
	return !!a->broken - !!b->broken;
}

unsigned plan_preference(const struct class_cfg *c, const struct plan_path *p)
{
	for (unsigned i = 0; i < c->n_prefer; i++) {
		const struct class_where *w = &c->prefer[i];

		if (w->name[0] ? !strcmp(w->name, p->uplink) : w->kind == p->kind)
			return i;
	}
	return c->n_prefer;
}

/* By how much the worst of its values is beyond its limit, permille of that. */
static uint64_t excess(const struct class_cfg *c, const struct plan_path *p)
{
	const uint32_t limit[] = { c->sla.delay_usec, c->sla.jitter_usec, c->sla.loss_permille };
	const uint32_t value[] = { p->rtt_usec, p->jitter_usec, p->loss_permille };
	uint64_t most = 0;

	for (size_t i = 0; i < 3; i++)
		if (limit[i] && UINT64_C(1000) * value[i] / limit[i] > most)
			most = UINT64_C(1000) * value[i] / limit[i];
	return most;
}

/* Of two that break it: one has to be better by the hysteresis. */
static int excess_cmp(const struct plan_view *v, const struct plan_path *a,
		      const struct plan_path *b)
{
	uint64_t ea = excess(v->c, a), eb = excess(v->c, b);

	if (a->id == v->p->current)
		ea -= ea * v->c->sla.hysteresis / 100;
	if (b->id == v->p->current)
		eb -= eb * v->c->sla.hysteresis / 100;
	return ea < eb ? -1 : ea > eb;
}

static int fine_cmp(const struct plan_view *v, const struct plan_path *a, const struct plan_path *b)
{
	unsigned pa = plan_preference(v->c, a), pb = plan_preference(v->c, b);
	int by_excess = a->broken && b->broken ? excess_cmp(v, a, b) : 0;

	if (by_excess)
		return by_excess;
	if (pa != pb)
		return pa < pb ? -1 : 1;
	if (a->peer_place != b->peer_place)
		return a->peer_place - b->peer_place;
	if (a->metered != b->metered)
		return a->metered - b->metered;
	if (a->peer_standby != b->peer_standby)
		return a->peer_standby - b->peer_standby;
	if (a->rank != b->rank)
		return a->rank < b->rank ? -1 : 1;
	return a->id < b->id ? -1 : a->id > b->id;
}

/* Those that differ in nothing that counts more. */
static int delay_cmp(const struct plan_view *v, const struct plan_path *a,
		     const struct plan_path *b)
{
	uint32_t da = delay_of(&plan_memory_of(v->p, a->id)->delay);
	uint32_t db = delay_of(&plan_memory_of(v->p, b->id)->delay);

	if (!da != !db)
		return !da - !db;
	return da < db ? -1 : da > db;
}

static int cmp(const struct plan_view *v, const struct plan_path *a, const struct plan_path *b)
{
	int by = plan_urgent_cmp(a, b);

	if (!by && v->c->mode == CLASS_DELAY)
		by = delay_cmp(v, a, b);
	return by ? by : fine_cmp(v, a, b);
}

void plan_order(const struct plan_view *v)
{
	struct plan *p = v->p;

	for (uint8_t i = 0; i < v->n; i++) {
		size_t k = i;

		for (; k && cmp(v, &v->paths[i], &v->paths[p->order[k - 1]]) < 0; k--)
			p->order[k] = p->order[k - 1];
		p->order[k] = i;
	}
	p->n = (uint8_t)v->n;
}

/* ---- the choice ---- */

static const struct plan_path *current(const struct plan_view *v)
{
	for (size_t i = 0; i < v->n; i++)
		if (v->paths[i].id == v->p->current)
			return &v->paths[i];
	return NULL;
}

/* The first thing in which it is worse. */
static struct plan_reason why_left(const struct plan_view *v, const struct plan_path *was,
				   const struct plan_path *best)
{
	struct plan_reason r = { .by = PLAN_BY_SLA, .sla = was->broken };
	const struct class_sla *s = &v->c->sla;

	if (best->preferred && works(best) && !was->preferred)
		return (struct plan_reason){ .by = PLAN_BY_OPERATOR };
	if (state_rank(was) != state_rank(best) || was->spare != best->spare)
		return (struct plan_reason){ .by = PLAN_BY_STATE };
	if (was->budget != best->budget)
		return (struct plan_reason){ .by = PLAN_BY_BUDGET };
	r.value = was->broken & SLA_LOSS    ? was->loss_permille
		  : was->broken & SLA_DELAY ? was->rtt_usec
					    : was->jitter_usec;
	r.limit = was->broken & SLA_LOSS    ? s->loss_permille
		  : was->broken & SLA_DELAY ? s->delay_usec
					    : s->jitter_usec;
	r.lasted = s->hold_usec;
	return r;
}

static void go(const struct plan_view *v, const struct plan_path *to, const struct plan_reason *why)
{
	plan_changed(v->p, why, v->p->current, to ? to->id : 0, v->now);
	v->p->current = to ? to->id : 0;
	v->p->challenger = 0;
}

/* A path with a smaller delay: when that began, and how long it has to last. */
static bool delay_told(const struct plan_view *v, const struct plan_path *was,
		       const struct plan_path *best, usec_t *ret_since, usec_t *ret_hold)
{
	const struct delay_margin margin = { v->c->delay_percent, v->c->delay_usec };
	const struct delay_track *now = &plan_memory_of(v->p, was->id)->delay;
	const struct delay_track *then = &plan_memory_of(v->p, best->id)->delay;
	usec_t span = 0;
	enum delay_told told = delay_smaller(then, now, &margin, ret_since, &span);

	if (told == DELAY_SMALLER_SMOOTHED && span > *ret_hold)
		*ret_hold = span;
	/* what was told in the long run goes on when it is clear for a moment, and the other way */
	if (told != DELAY_NOT_SMALLER && v->p->challenger == best->id)
		*ret_since = v->p->challenged;
	return told != DELAY_NOT_SMALLER;
}

/* Of those that smoothed delays put before the present one, the first that is told to be. */
static const struct plan_path *faster(const struct plan_view *v, const struct plan_path *was,
				      usec_t *ret_since, usec_t *ret_hold)
{
	for (size_t i = 0; i < v->n; i++) {
		const struct plan_path *best = &v->paths[v->p->order[i]];

		if (best != was && !plan_urgent_cmp(best, was) &&
		    delay_told(v, was, best, ret_since, ret_hold))
			return best;
	}
	return NULL;
}

/* A better one, but no reason to hurry. */
static void challenge(const struct plan_view *v, const struct plan_path *was,
		      const struct plan_path *best)
{
	struct plan_reason why = { .by = PLAN_BY_BETTER };
	usec_t since = v->now, hold = v->c->hold_usec;

	if (v->c->mode == CLASS_DELAY) {
		best = faster(v, was, &since, &hold);
		why.by = PLAN_BY_DELAY;
	} else if (v->p->challenger == best->id) {
		since = v->p->challenged;
	}
	if (!best || best == was || !works(best)) {
		v->p->challenger = 0;
		return;
	}
	v->p->challenger = best->id;
	v->p->challenged = since;
	if (v->now - since < hold) {
		plan_ask_at(v->p, since + hold);
		return;
	}
	why.lasted = v->now - since;
	if (why.by == PLAN_BY_DELAY) {
		why.value = best->rtt_usec;
		why.limit = was->rtt_usec;
	}
	go(v, best, &why);
}

void plan_choose(const struct plan_view *v)
{
	const struct plan_path *was = current(v), *best = v->n ? &v->paths[v->p->order[0]] : NULL;
	bool fresh = !v->p->changes, other = v->p->cfg != plan_cfg_hash(v->c);
	struct plan_reason why;

	if (!best || !was) {
		why.by = fresh ? PLAN_BY_BEGIN : other ? PLAN_BY_CONFIG : PLAN_BY_GONE;
		why = (struct plan_reason){ .by = why.by };
		if (fresh || v->p->current != (best ? best->id : 0))
			go(v, best, &why);
	} else if (other && best != was) {
		go(v, best, &(struct plan_reason){ .by = PLAN_BY_CONFIG });
	} else if (plan_urgent_cmp(best, was) < 0) {
		why = why_left(v, was, best);
		go(v, best, &why);
	} else {
		challenge(v, was, best);
	}
}
