/* SPDX-License-Identifier: GPL-2.0-only */
/* Brown-out: a path that answers, but worse than its uplink should, is degraded. It is told apart
 * from one that is down: it still carries traffic when nothing better does.
 *
 * Worse than a limit for the time of `hold` makes it degraded; all of it better than the limits by
 * `ease` percent for the time of `clear` ends that. What lasts shorter changes nothing, and between
 * the two thresholds everything stays as it is. Without a clock. Thread: one.
 */
#ifndef BRAID_ESP_SLA_H
#define BRAID_ESP_SLA_H

#include <stdbool.h>
#include <stdint.h>

#include "base/usec.h"

enum sla_what { SLA_DELAY = 1 << 0, SLA_JITTER = 1 << 1, SLA_LOSS = 1 << 2 };

struct sla_values {
	uint32_t delay, jitter; /* usec, round trip */
	uint32_t loss;		/* permille */
};

struct sla_config {
	struct sla_values most; /* 0: no limit */
	uint8_t ease;		/* percent */
	usec_t hold, clear;
};

struct sla {
	uint8_t worse; /* enum sla_what: why it is degraded, or 0 */
	usec_t since;  /* when what speaks against the present state began; 0: nothing does */
};

/* What was measured at this time. Returns true if it became degraded or ceased to be. */
bool sla_update(struct sla *s, const struct sla_config *c, const struct sla_values *v, usec_t now);

#endif
