/* SPDX-License-Identifier: GPL-2.0-only */
/* The classifier with the rule for a verdict, for tests only: of table 1. */
#include "lib/classify.h"

char LICENSE[] SEC("license") = "GPL";

SEC("tc")
int rule_of(struct __sk_buff *skb)
{
	__u32 slot = 1, klass, rule;
	const struct classify_table *t = bpf_map_lookup_elem(&class_table, &slot);

	if (!t)
		return -1;
	rule = classify_rule(skb, t, &klass);
	return (int)(klass << 8 | rule);
}
