/* SPDX-License-Identifier: GPL-2.0-only */
/* Rules of traffic classes (steer/class.h) as the table that packets are looked up in
 * (abi/classify.h), and the same question for a packet that is only described. Pure. Thread: any.
 */
#ifndef BRAID_STEER_RULES_H
#define BRAID_STEER_RULES_H

#include <stddef.h>
#include <stdint.h>

#include <linux/types.h>

#include "abi/classify.h"

struct class_rule;

/* cgroups[i]: the id of the cgroup that rule i names; 0: it is not there, and nothing falls under
 * the rule. n: up to CLASSIFY_RULES_MAX. */
void rules_build(const struct class_rule *rules, size_t n, const uint64_t *cgroups,
		 struct classify_table *ret_table);

/* cgroups: of the application, with those above it. Returns the rule, or CLASSIFY_NO_RULE. */
uint32_t rules_lookup(const struct classify_table *t, const struct classify_packet *p,
		      const uint64_t *cgroups, size_t n);
/* Of that rule, or 0: the default class. */
uint8_t rules_class(const struct classify_table *t, uint32_t rule);

#endif
