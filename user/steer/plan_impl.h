/* SPDX-License-Identifier: GPL-2.0-only */
/* Between the files of the plan: plan.c, order.c. */
#ifndef BRAID_STEER_PLAN_IMPL_H
#define BRAID_STEER_PLAN_IMPL_H

#include "steer/plan.h"

/* All that one decision looks at. */
struct plan_view {
	struct plan *p;
	const struct class_cfg *c;
	struct plan_path *paths;
	size_t n;
	usec_t now;
};

/* ---- weights.c ---- */

/* Shares of those that have one, by what they carry as far as that was told or found out. */
void plan_weigh(const struct plan_view *v);

/* ---- order.c ---- */

struct plan_memory *plan_memory_of(struct plan *p, uint32_t id);
/* Take in what was measured, and judge it. */
void plan_measure(const struct plan_view *v);
/* Look again then. */
void plan_ask_at(struct plan *p, usec_t when);
/* What makes a path one to leave at once: less than 0 if a is better. */
int plan_urgent_cmp(const struct plan_path *a, const struct plan_path *b);
/* Place in the list of preferred ones; those not listed come behind. */
unsigned plan_preference(const struct class_cfg *c, const struct plan_path *p);
/* Indices of paths, best first, the present one where it is to stay. */
void plan_order(const struct plan_view *v);
/* The first that is to carry: with hold, and why. */
void plan_choose(const struct plan_view *v);

uint64_t plan_cfg_hash(const struct class_cfg *c);
/* Something has changed. */
void plan_changed(struct plan *p, const struct plan_reason *why, uint32_t from, uint32_t to,
		  usec_t now);

#endif
