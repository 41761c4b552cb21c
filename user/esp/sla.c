/* SPDX-License-Identifier: GPL-2.0-only */
#include "esp/sla.h"

/* What is above so many percent of its limit. */
static uint8_t above(const struct sla_values *most, const struct sla_values *v, uint32_t percent)
{
	const uint32_t limit[] = { most->delay, most->jitter, most->loss };
	const uint32_t value[] = { v->delay, v->jitter, v->loss };
	uint8_t what = 0;

	for (unsigned i = 0; i < 3; i++)
		if (limit[i] && 100ull * value[i] > (uint64_t)percent * limit[i])
			what |= (uint8_t)(1u << i);
	return what;
}

bool sla_update(struct sla *s, const struct sla_config *c, const struct sla_values *v, usec_t now)
{
	uint8_t over = above(&c->most, v, 100);
	bool against = s->worse ? !above(&c->most, v, 100u - c->ease) : over;

	if (s->worse && over)
		s->worse = over;
	if (!against) {
		s->since = 0;
		return false;
	}
	if (!s->since)
		s->since = now;
	if (now - s->since < (s->worse ? c->clear : c->hold))
		return false;
	s->worse = s->worse ? 0 : over;
	s->since = 0;
	return true;
}
