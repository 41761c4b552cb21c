/* SPDX-License-Identifier: GPL-2.0-only */
/* Lifetimes of IKE SAs and Child SAs: keys, defaults and contradictions. The names are swanctl's.
 */
#include <stdio.h>

#include "conf_impl.h"

#define TIME_MAX (366 * 86400 * USEC_PER_SEC)

typedef int (*amount_fn)(struct parse *p, const struct val *v, uint64_t *ret);

static int amount_time(struct parse *p, const struct val *v, uint64_t *ret)
{
	return val_duration(p, v, 0, TIME_MAX, ret);
}

static int amount_octets(struct parse *p, const struct val *v, uint64_t *ret)
{
	return val_octets(p, v, UINT64_MAX / 16, ret);
}

static int amount_packets(struct parse *p, const struct val *v, uint64_t *ret)
{
	return val_uint(p, v, 0, UINT64_MAX / 16, ret);
}

/* What stands between two limits unless it is said otherwise. */
static uint64_t tenth(uint64_t n)
{
	return n && n < 10 ? 1 : n / 10;
}

static uint64_t least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static int too_late(struct parse *p, const struct val *v, const char *key, const char *than)
{
	return val_fail(p, v, "found %s = %.60s, expected less than %s", key, v->text, than);
}

/* One measure of a Child SA: "rekey_" and "life_" and "rand_" and its name. */
static int build_life(struct parse *p, const struct sec *s, const char *what, amount_fn amount,
		      struct ike_life *l)
{
	char soft[32], hard[32], rand[32];
	const struct val *vs, *vh, *vr;
	int r;

	snprintf(soft, sizeof(soft), "rekey_%s", what);
	snprintf(hard, sizeof(hard), "life_%s", what);
	snprintf(rand, sizeof(rand), "rand_%s", what);
	vs = sec_get(s, soft);
	vh = sec_get(s, hard);
	vr = sec_get(s, rand);
	r = amount(p, vs, &l->soft);
	if (r == 0)
		r = amount(p, vh, &l->hard);
	if (r < 0)
		return r;
	if (!vs && vh && l->hard)
		l->soft = l->hard - l->hard / 11; /* life is then 110 % of it */
	if (!vh)
		l->hard = l->soft + tenth(l->soft);
	if (vh && l->soft && l->hard && l->hard <= l->soft)
		return val_fail(p, vh, "found %s = %.60s, expected more than %s%s%.60s", hard,
				vh->text, soft, vs ? " = " : "", vs ? vs->text : "");
	l->rand = least(l->hard > l->soft ? l->hard - l->soft : tenth(l->soft), l->soft / 2);
	r = amount(p, vr, &l->rand);
	if (r == 0 && vr && l->soft && l->rand >= l->soft)
		r = too_late(p, vr, rand, soft);
	return r;
}

int conf_build_child_life(struct parse *p, const struct sec *s, struct ike_child_cfg *c)
{
	int r;

	c->time.soft = 3600 * USEC_PER_SEC;
	r = build_life(p, s, "time", amount_time, &c->time);
	if (r == 0)
		r = build_life(p, s, "bytes", amount_octets, &c->octets);
	if (r == 0)
		r = build_life(p, s, "packets", amount_packets, &c->packets);
	return r;
}

int conf_build_ike_life(struct parse *p, const struct sec *s, struct ike_conn_cfg *c)
{
	const struct val *rand = sec_get(s, "rand_time");
	uint64_t first;
	int r;

	r = amount_time(p, sec_get(s, "reauth_time"), &c->reauth_time);
	c->rekey_time = c->reauth_time ? 0 : 4 * 3600 * USEC_PER_SEC;
	if (r == 0)
		r = amount_time(p, sec_get(s, "rekey_time"), &c->rekey_time);
	first = c->rekey_time && (!c->reauth_time || c->rekey_time < c->reauth_time)
			? c->rekey_time
			: c->reauth_time;
	c->over_time = tenth(c->rekey_time > c->reauth_time ? c->rekey_time : c->reauth_time);
	if (r == 0)
		r = amount_time(p, sec_get(s, "over_time"), &c->over_time);
	c->rand_time = least(c->over_time, first / 2);
	if (r == 0)
		r = amount_time(p, rand, &c->rand_time);
	if (r == 0 && rand && first && c->rand_time >= first)
		r = too_late(p, rand, "rand_time",
			     first == c->rekey_time ? "rekey_time" : "reauth_time");
	return r;
}
