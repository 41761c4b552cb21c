/* SPDX-License-Identifier: GPL-2.0-only */
/* Answers about steering. Each is the caller's. */
#ifndef BRAID_AGENT_REPORT_STEERING_H
#define BRAID_AGENT_REPORT_STEERING_H

#include <jansson.h>

#include "agent.h"

json_t *report_rules(struct agent *a);
json_t *report_budgets(struct agent *a);
/* The classes of a line and of its bindings, added to a list. */
void report_steering(struct agent *a, const struct peer *p, json_t *out);
/* What the engine says of a flow of that class; rule: that it fell under, or CLASSIFY_NO_RULE. */
json_t *report_flow(struct agent *a, const char *flow, uint32_t rule, uint8_t klass,
		    const struct engine_flow_info *f);

#endif
