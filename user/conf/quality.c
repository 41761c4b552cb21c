/* SPDX-License-Identifier: GPL-2.0-only */
/* uplink { probe_interval fail_back sla { } }: how its paths are watched, and what is good enough.
 */
#include <errno.h>

#include "conf_impl.h"

enum { MSEC = 1000, HOUR_SEC = 3600 };

int conf_build_sla(struct parse *p, const struct sec *s, struct class_sla *ret)
{
	const uint64_t hour = HOUR_SEC * USEC_PER_SEC, most = 60 * USEC_PER_SEC;
	uint64_t delay = 0, jitter = 0, percent = 0, hold = 3 * USEC_PER_SEC,
		 clear = 10 * USEC_PER_SEC, hysteresis = 20;
	int r = val_duration(p, sec_get(s, "delay"), MSEC, most, &delay);

	if (r == 0)
		r = val_duration(p, sec_get(s, "jitter"), MSEC, most, &jitter);
	if (r == 0)
		r = val_uint(p, sec_get(s, "loss"), 1, 99, &percent);
	if (r == 0)
		r = val_duration(p, sec_get(s, "hold"), 0, hour, &hold);
	if (r == 0)
		r = val_duration(p, sec_get(s, "clear"), 0, hour, &clear);
	if (r == 0)
		r = val_uint(p, sec_get(s, "hysteresis"), 0, 90, &hysteresis);
	if (r == 0 && s->cfg && !delay && !jitter && !percent)
		r = conf_fail(p, s->file, s->line,
			      "found sla without a limit, expected delay, jitter or loss");
	*ret = (struct class_sla){
		.delay_usec = (uint32_t)delay,
		.jitter_usec = (uint32_t)jitter,
		.loss_permille = (uint32_t)percent * 10,
		.hold_usec = (uint32_t)hold,
		.clear_usec = (uint32_t)clear,
		.hysteresis = (uint8_t)hysteresis,
	};
	return r;
}

int conf_build_quality(struct parse *p, const struct sec *s, struct conf_uplink *u)
{
	struct sec sub = sec_sub(s, "sla", 0);
	uint64_t interval = 0, back = CONF_UNSET;
	struct class_sla sla = { 0 };
	int r = val_duration(p, sec_get(s, "probe_interval"), CONF_PROBE_MIN, CONF_PROBE_MAX,
			     &interval);

	if (r == 0)
		r = val_duration(p, sec_get(s, "fail_back"), 0, HOUR_SEC * USEC_PER_SEC, &back);
	if (r == 0)
		r = conf_build_sla(p, &sub, &sla);
	u->probe_interval_usec = (uint32_t)interval;
	u->fail_back_usec = (uint32_t)back;
	u->sla_delay_usec = sla.delay_usec;
	u->sla_jitter_usec = sla.jitter_usec;
	u->sla_loss_permille = sla.loss_permille;
	u->sla_hold_usec = sla.hold_usec;
	u->sla_clear_usec = sla.clear_usec;
	u->sla_hysteresis = sla.hysteresis;
	return r;
}
