/* SPDX-License-Identifier: GPL-2.0-only */
/* Rules as a table: against the rules themselves, read one after the other. */
#include <criterion/criterion.h>

#include "../lib/random_rules.h"
#include "steer/rules.h"

static bool in_prefix(const struct addr *a, unsigned len, uint8_t family, const uint8_t *b)
{
	if (!a->family)
		return true;
	if (a->family != family)
		return false;
	for (unsigned i = 0; i < len; i++)
		if ((a->b[i / 8] ^ b[i / 8]) & 0x80 >> i % 8)
			return false;
	return true;
}

static bool in_range(const uint16_t range[2], bool known, uint16_t port)
{
	if (range[0] == 0 && range[1] == UINT16_MAX)
		return true;
	return known && port >= range[0] && port <= range[1];
}

static bool in_cgroup(const struct class_rule *r, uint64_t id, const uint64_t *cgroups, size_t n)
{
	if (!r->cgroup[0])
		return true;
	for (size_t i = 0; i < n; i++)
		if (id && cgroups[i] == id)
			return true;
	return false;
}

static bool fits(const struct class_rule *r, uint64_t cgroup, const struct classify_packet *p,
		 const uint64_t *cgroups, size_t n)
{
	return (!r->dscp || r->dscp >> p->dscp & 1) &&
	       (!r->protocol || r->protocol == p->protocol) &&
	       in_prefix(&r->local, r->local_len, p->family, p->local) &&
	       in_prefix(&r->remote, r->remote_len, p->family, p->remote) &&
	       in_range(r->local_port, p->has_ports, p->local_port) &&
	       in_range(r->remote_port, p->has_ports, p->remote_port) &&
	       (p->mark & r->mark_mask) == (r->mark & r->mark_mask) &&
	       in_cgroup(r, cgroup, cgroups, n);
}

static uint32_t first_of(const struct random_rules *r, const struct classify_packet *p,
			 const uint64_t *cgroups, size_t n)
{
	for (uint32_t i = 0; i < r->n; i++)
		if (fits(&r->rule[i], r->cgroup[i], p, cgroups, n))
			return i;
	return CLASSIFY_NO_RULE;
}

static struct classify_table table;

Test(rules, answer_as_the_rules_one_after_the_other)
{
	enum { TABLES = 100, PACKETS = 2000, FEW = 20 };
	static struct random_rules r;
	unsigned met[CLASSIFY_NO_RULE + 1] = { 0 }, different = 0;

	for (unsigned k = 0; k < TABLES; k++) {
		random_rules(&r, k, true);
		rules_build(r.rule, r.n, r.cgroup, &table);
		for (int i = 0; i < PACKETS; i++) {
			struct classify_packet p = random_packet(&r);
			/* one at each of two levels; 0: not there */
			uint64_t cgroups[2] = { UINT64_C(0x100000000) + random_below(&r, 12), 0 };
			uint32_t want, got;

			if (random_below(&r, 2))
				cgroups[1] = UINT64_C(0x100000000) + random_below(&r, 12);
			want = first_of(&r, &p, cgroups, 2);
			got = rules_lookup(&table, &p, cgroups, 2);
			cr_assert_eq(got, want, "table %u, packet %d: rule %u, not %u", k, i, got,
				     want);
			cr_assert_eq(rules_class(&table, got), want < r.n ? r.rule[want].klass : 0);
			met[want]++;
		}
	}
	for (size_t i = 0; i <= CLASSIFY_NO_RULE; i++)
		different += met[i] > 0;
	cr_assert_gt(different, FEW, "only %u rules were met", different);
}

static void build(const struct class_rule *rules, size_t n)
{
	static const uint64_t none[CLASS_RULES_MAX];

	rules_build(rules, n, none, &table);
}

static uint32_t look(struct classify_packet p)
{
	return rules_lookup(&table, &p, NULL, 0);
}

static struct classify_packet udp(bool ports, uint16_t local, uint16_t remote)
{
	return (struct classify_packet){ .family = 4,
					 .protocol = 17,
					 .has_ports = ports,
					 .local_port = local,
					 .remote_port = remote };
}

#define ANY_PORTS .local_port = { 0, UINT16_MAX }, .remote_port = { 0, UINT16_MAX }

Test(rules, without_rules_all_is_default)
{
	build(NULL, 0);
	cr_assert_eq(look((struct classify_packet){ .family = 4 }), CLASSIFY_NO_RULE);
	cr_assert_eq(rules_class(&table, CLASSIFY_NO_RULE), 0);
}

Test(rules, the_first_that_fits_counts)
{
	const struct class_rule rules[] = { { .klass = 3, .protocol = 17, ANY_PORTS },
					    { .klass = 2, .dscp = UINT64_C(1) << 46, ANY_PORTS },
					    { .klass = 1, ANY_PORTS } };

	build(rules, 3);
	cr_assert_eq(look((struct classify_packet){ .family = 4, .protocol = 17, .dscp = 46 }), 0);
	cr_assert_eq(look((struct classify_packet){ .family = 6, .protocol = 6, .dscp = 46 }), 1);
	cr_assert_eq(look((struct classify_packet){ .family = 6, .protocol = 6, .dscp = 45 }), 2);
	cr_assert_eq(rules_class(&table, 0), 3);
}

Test(rules, what_has_no_ports_falls_under_no_rule_that_asks_for_some)
{
	const struct class_rule rules[] = {
		{ .protocol = 17, .local_port = { 0, UINT16_MAX }, .remote_port = { 53, 53 } },
		{ .protocol = 17,
		  .local_port = { 1, UINT16_MAX },
		  .remote_port = { 0, UINT16_MAX } },
		{ .protocol = 17, ANY_PORTS },
	};

	build(rules, 3);
	cr_assert_eq(look(udp(true, 9, 53)), 0);
	cr_assert_eq(look(udp(true, 9, 54)), 1);
	cr_assert_eq(look(udp(true, 0, 54)), 2);
	cr_assert_eq(look(udp(false, 9, 53)), 2, "a fragment");
}

Test(rules, a_prefix_of_no_bits_is_a_family)
{
	const struct class_rule rule = { .remote = { .family = 6 }, ANY_PORTS };

	build(&rule, 1);
	cr_assert_eq(look((struct classify_packet){ .family = 6 }), 0);
	cr_assert_eq(look((struct classify_packet){ .family = 4 }), CLASSIFY_NO_RULE);
}

/* 64 of everything that has room for 64. */
Test(rules, sixty_four_intervals_marks_and_cgroups)
{
	static struct class_rule rules[CLASS_RULES_MAX];
	uint64_t ids[CLASS_RULES_MAX];

	for (unsigned i = 0; i < CLASS_RULES_MAX; i++) {
		rules[i] = (struct class_rule){ .klass = 1,
						.local_port = { 0, UINT16_MAX },
						.remote_port = { (uint16_t)(10 + i * 10),
								 (uint16_t)(15 + i * 10) },
						.mark = i,
						.mark_mask = UINT32_MAX };
		snprintf(rules[i].cgroup, sizeof(rules[i].cgroup), "c%u", i);
		ids[i] = 1000 + i;
	}
	rules_build(rules, CLASS_RULES_MAX, ids, &table);
	cr_assert_eq(table.n_cgroups, CLASS_RULES_MAX);
	for (unsigned i = 0; i < CLASS_RULES_MAX; i++) {
		struct classify_packet p = { .family = 4,
					     .has_ports = 1,
					     .remote_port = (uint16_t)(15 + i * 10),
					     .mark = i };

		cr_assert_eq(rules_lookup(&table, &p, &ids[i], 1), i);
		cr_assert_eq(rules_lookup(&table, &p, NULL, 0), CLASSIFY_NO_RULE);
		cr_assert_eq(rules_lookup(&table, &p, &ids[(i + 1) % 64], 1), CLASSIFY_NO_RULE);
		p.remote_port++;
		cr_assert_eq(rules_lookup(&table, &p, &ids[i], 1), CLASSIFY_NO_RULE);
	}
}
