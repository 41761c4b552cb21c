/* SPDX-License-Identifier: GPL-2.0-only */
/* Which SA carries a flow, and which slot of the flow table is its own. Asked for each packet, and
 * for a flow that an operator wants to have explained. Thread: any; a packet thread within its
 * epoch, or the control thread. */
#ifndef BRAID_ENGINE_DEPART_H
#define BRAID_ENGINE_DEPART_H

#include <linux/types.h>

#include "engine/engine.h"
#include "esp/flow.h"
#include "esp/sad.h"

/* Do answers go by the line of what they answer? */
bool depart_follows(const struct sa *sa);
/* found: the SA by policy. v: NULL where there are no maps. */
struct sa *depart_choose(const struct engine *e, const struct steer_view *v, struct sa *found,
			 const struct inner *in, uint8_t klass, usec_t now, uint32_t *ret_slot);
/* A peer that answers no probes would not put packets in order; in transport mode nothing can stand
 * behind them. */
bool depart_may_bond(const struct sa *sa, usec_t now);
/* explain.c: ENGINE_FLOW. 0 or -EINVAL. */
int explain_flow(struct engine *e, const struct engine_flow *m, struct engine_flow_info *ret_info);

#endif
