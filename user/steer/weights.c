/* SPDX-License-Identifier: GPL-2.0-only */
/* Measured weights: flows are spread by what their paths carry. What that is changes all the time
 * by a little, and each change moves flows, so it counts only when some path's part would be
 * another one by WORTH for as long as the class's hold. */
#include "plan_impl.h"

enum { WORTH_PERCENT = 20 };

struct parts {
	uint64_t of[STEER_MEMBERS_MAX], sum;
};

static uint64_t known(const struct plan_path *p)
{
	return p->capacity_bps ? p->capacity_bps : p->found_full ? p->found_bps : 0;
}

/* One that was never full, or is not measured, is worth what its configured weight makes of the
 * best of those that were, or what it has carried, if that is more. */
static bool measured(const struct plan_view *v, struct parts *ret)
{
	double unit = 0;

	*ret = (struct parts){ .sum = 0 };
	for (size_t i = 0; i < v->n; i++) {
		const struct plan_path *p = &v->paths[i];
		double each = p->share ? (double)known(p) / p->weight : 0;

		unit = each > unit ? each : unit;
	}
	for (size_t i = 0; i < v->n && unit > 0; i++) {
		const struct plan_path *p = &v->paths[i];
		uint64_t by_weight = (uint64_t)(unit * p->weight);

		if (!p->share)
			continue;
		ret->of[i] = known(p)			? known(p)
			     : p->found_bps > by_weight ? p->found_bps
							: by_weight;
		ret->sum += ret->of[i];
	}
	return unit > 0;
}

static uint64_t taken(const struct plan *p, uint32_t id)
{
	for (size_t i = 0; i < STEER_MEMBERS_MAX; i++)
		if (p->carries[i].id == id)
			return p->carries[i].bps;
	return 0;
}

/* What they are taken to carry until now; a path that came since: what is measured of it, in
 * relation to the others. False: nothing was taken yet. */
static bool before(const struct plan_view *v, const struct parts *now, struct parts *ret)
{
	uint64_t both = 0;

	*ret = (struct parts){ .sum = 0 };
	for (size_t i = 0; i < v->n; i++) {
		ret->of[i] = v->paths[i].share ? taken(v->p, v->paths[i].id) : 0;
		ret->sum += ret->of[i];
		both += ret->of[i] ? now->of[i] : 0;
	}
	if (!ret->sum)
		return false;
	for (size_t i = 0; i < v->n; i++) {
		double each = both ? (double)ret->sum / (double)both : 1;

		if (v->paths[i].share && !ret->of[i])
			ret->of[i] = (uint64_t)(each * (double)now->of[i]) + 1;
	}
	ret->sum = 0;
	for (size_t i = 0; i < v->n; i++)
		ret->sum += ret->of[i];
	return true;
}

static void by_weight(const struct plan_view *v, struct parts *ret)
{
	*ret = (struct parts){ .sum = 0 };
	for (size_t i = 0; i < v->n; i++) {
		ret->of[i] = v->paths[i].share ? v->paths[i].weight : 0;
		ret->sum += ret->of[i];
	}
}

static bool differs(const struct plan_view *v, const struct parts *a, const struct parts *b)
{
	for (size_t i = 0; i < v->n; i++) {
		double pa = (double)a->of[i] / (double)a->sum;
		double pb = (double)b->of[i] / (double)b->sum;

		if (pa > pb * (100 + WORTH_PERCENT) / 100 || pb > pa * (100 + WORTH_PERCENT) / 100)
			return true;
	}
	return false;
}

/* Has the time come? */
static bool lasted(const struct plan_view *v, const struct parts *now)
{
	struct plan_reason why = { .by = PLAN_BY_CARRIES, .rate_bps = now->sum };
	uint32_t first = v->paths[v->p->order[0]].id;

	if (!v->p->carries_since)
		v->p->carries_since = v->now;
	why.lasted = v->now - v->p->carries_since;
	if (why.lasted < v->c->hold_usec) {
		plan_ask_at(v->p, v->p->carries_since + v->c->hold_usec);
		return false;
	}
	v->p->carries_since = 0;
	plan_changed(v->p, &why, first, first, v->now);
	return true;
}

static void take(const struct plan_view *v, const struct parts *parts)
{
	size_t n = 0;

	for (size_t i = 0; i < STEER_MEMBERS_MAX; i++)
		v->p->carries[i] = (struct plan_carries){ 0 };
	for (size_t i = 0; i < v->n; i++)
		if (parts->of[i])
			v->p->carries[n++] = (struct plan_carries){ v->paths[i].id, parts->of[i] };
}

void plan_weigh(const struct plan_view *v)
{
	struct parts now, was;
	bool told = measured(v, &now), had;
	uint64_t most = 0;

	if (!told)
		by_weight(v, &now);
	had = before(v, &now, &was);
	if (!had)
		by_weight(v, &was);
	if (told && differs(v, &now, &was) && lasted(v, &now)) {
		was = now;
		had = true;
	} else if (told && !differs(v, &now, &was)) {
		v->p->carries_since = 0;
	}
	if (had)
		take(v, &was);
	for (size_t i = 0; i < v->n; i++)
		most = was.of[i] > most ? was.of[i] : most;
	for (size_t i = 0; i < v->n && (had || told); i++) {
		double part = (double)was.of[i] / (double)most;

		if (v->paths[i].share)
			v->paths[i].share = (uint16_t)(part * 1000 + 1);
	}
}
