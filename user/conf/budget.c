/* SPDX-License-Identifier: GPL-2.0-only */
/* uplink { rate trusted budget { } }: what it can carry, what it may, and whether it is trusted. */
#include <string.h>
#include <strings.h>

#include "conf_impl.h"

/* As tc(8) writes it: decimal units. */
static int val_rate(struct parse *p, const struct val *v, uint64_t *ret_bps)
{
	static const struct val_unit units[] = {
		{ "bit", 1 }, { "kbit", 1000 }, { "mbit", 1000000 }, { "gbit", 1000000000 }
	};
	uint64_t n;

	if (!v)
		return 0;
	if (val_in_units(v, units, sizeof(units) / sizeof(*units), strcasecmp, &n) && n &&
	    n <= UINT64_C(1000000000000)) {
		*ret_bps = n;
		return 0;
	}
	return val_fail(p, v,
			"found \"%.60s\", expected a rate up to 1000gbit (as 500kbit, 50mbit)",
			v->text);
}

static int build_budget(struct parse *p, const struct sec *s, struct budget_cfg *b)
{
	static const char *const periods[] = { "", "day", "week", "month", NULL };
	static const char *const actions[] = { "standby", "stop", NULL };
	unsigned period = BUDGET_MONTH, action = BUDGET_STANDBY;
	uint64_t octets = 0, warn = 80, start = 1;
	int r;

	if (!s->cfg)
		return 0;
	r = val_octets(p, sec_get(s, "octets"), UINT64_C(1) << 50, &octets);
	if (r == 0 && !octets)
		r = conf_fail(p, s->file, s->line, "found budget without octets, expected them");
	if (r == 0)
		r = val_word(p, sec_get(s, "period"), periods + 1, &period);
	if (r == 0 && sec_get(s, "period"))
		period++;
	if (r == 0)
		r = val_word(p, sec_get(s, "action"), actions, &action);
	if (r == 0)
		r = val_uint(p, sec_get(s, "warn"), 0, 99, &warn);
	if (r == 0 && period == BUDGET_DAY && sec_get(s, "start"))
		r = val_fail(p, sec_get(s, "start"),
			     "found start beside period = day, expected week or month");
	if (r == 0)
		r = val_uint(p, sec_get(s, "start"), 1, period == BUDGET_WEEK ? 7 : 28, &start);
	*b = (struct budget_cfg){
		.octets = octets,
		.period = (enum budget_period)period,
		.action = (enum budget_action)action,
		.warn_percent = (uint8_t)warn,
		.day = (uint8_t)start,
	};
	return r;
}

int conf_build_budget(struct parse *p, const struct sec *s, struct conf_uplink *u)
{
	struct sec sub = sec_sub(s, "budget", 0);
	int r = val_bool(p, sec_get(s, "trusted"), &u->trusted);

	if (r == 0)
		r = val_rate(p, sec_get(s, "rate"), &u->rate_bps);
	return r < 0 ? r : build_budget(p, &sub, &u->budget);
}
