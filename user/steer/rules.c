/* SPDX-License-Identifier: GPL-2.0-only */
/* See steer/rules.h. Every vector begins empty; a rule sets its bit wherever it fits. */
#include <string.h>

#include "steer/class.h"
#include "steer/rules.h"

_Static_assert((int)CLASS_RULES_MAX == (int)CLASSIFY_RULES_MAX, "a rule is a bit");
_Static_assert(CLASSIFY_CGROUP_SLOTS == 1 << (64 - 55), "classify_cgroup_slot");

static void set_dscp(struct classify_table *t, const struct class_rule *r, uint64_t bit)
{
	for (int d = 0; d < 64; d++)
		if (!r->dscp || r->dscp >> d & 1)
			t->dscp[d] |= bit;
}

static void set_protocol(struct classify_table *t, const struct class_rule *r, uint64_t bit)
{
	for (int p = 0; p < 256; p++)
		if (!r->protocol || r->protocol == p)
			t->protocol[p] |= bit;
}

static void set_octet(__u64 by_value[256], uint8_t value, uint8_t mask, uint64_t bit)
{
	for (unsigned v = 0; v < 256; v++)
		if (((v ^ value) & mask) == 0)
			by_value[v] |= bit;
}

/* The octets of a prefix: those before its last are one value each, of the last a range. Behind it
 * everything fits, as far as any rule looks. */
static void set_prefix(__u64 (*table)[256], unsigned octets, const uint8_t *addr, unsigned bits,
		       uint64_t bit)
{
	for (unsigned i = 0; i < octets; i++) {
		unsigned left = bits > i * 8 ? bits - i * 8 : 0;

		set_octet(table[i], addr[i], (uint8_t)(left >= 8 ? 0xff : 0xff00 >> left), bit);
	}
}

static bool of_family(const struct addr *a, uint8_t family)
{
	return !a->family || a->family == family;
}

static void set_addresses(struct classify_table *t, const struct class_rule *r, uint64_t bit)
{
	static const uint8_t none[16];
	bool any_local = !r->local.family, any_remote = !r->remote.family;
	const uint8_t *local = any_local ? none : r->local.b;
	const uint8_t *remote = any_remote ? none : r->remote.b;
	unsigned local_len = any_local ? 0 : r->local_len;
	unsigned remote_len = any_remote ? 0 : r->remote_len;

	if (of_family(&r->local, 4) && of_family(&r->remote, 4)) {
		t->family[0] |= bit;
		set_prefix(t->local4, 4, local, local_len, bit);
		set_prefix(t->remote4, 4, remote, remote_len, bit);
	}
	if (of_family(&r->local, 6) && of_family(&r->remote, 6)) {
		t->family[1] |= bit;
		set_prefix(t->local6, 16, local, local_len, bit);
		set_prefix(t->remote6, 16, remote, remote_len, bit);
	}
}

/* How far packets have to be looked at: as far as the longest prefix goes. */
static void set_octets(struct classify_table *t, const struct class_rule *r)
{
	const struct {
		const struct addr *a;
		uint8_t bits;
		enum classify_side v4, v6;
	} sides[] = { { &r->local, r->local_len, CLASSIFY_LOCAL4, CLASSIFY_LOCAL6 },
		      { &r->remote, r->remote_len, CLASSIFY_REMOTE4, CLASSIFY_REMOTE6 } };

	for (int i = 0; i < 2; i++) {
		uint8_t octets = (uint8_t)((sides[i].bits + 7) / 8);
		enum classify_side side = sides[i].a->family == 4 ? sides[i].v4 : sides[i].v6;

		if (sides[i].a->family && t->octets[side] < octets)
			t->octets[side] = octets;
	}
}

static bool any_ports(const uint16_t range[2])
{
	return range[0] == 0 && range[1] == UINT16_MAX;
}

static const uint16_t *range_of(const struct class_rule *r, bool local)
{
	return local ? r->local_port : r->remote_port;
}

/* Does any rule begin here, or has one just ended? */
static bool boundary(const struct class_rule *rules, size_t n, bool local, uint32_t port)
{
	for (size_t i = 0; i < n; i++) {
		const uint16_t *range = range_of(&rules[i], local);

		if (port == range[0] || port == range[1] + 1u)
			return true;
	}
	return port == 0;
}

static uint64_t rules_at(const struct class_rule *rules, size_t n, bool local, uint32_t port)
{
	uint64_t fit = 0;

	for (size_t i = 0; i < n; i++) {
		const uint16_t *range = range_of(&rules[i], local);

		if (port >= range[0] && port <= range[1])
			fit |= UINT64_C(1) << i;
	}
	return fit;
}

/* Ports between two boundaries fall under the same rules: 129 intervals at most. */
static void set_ports(const struct class_rule *rules, size_t n, bool local, uint8_t *interval,
		      __u64 *ports)
{
	uint8_t at = 0;

	for (uint32_t port = 0; port <= UINT16_MAX; port++) {
		if (boundary(rules, n, local, port))
			ports[++at] = rules_at(rules, n, local, port);
		interval[port] = at;
	}
	for (size_t i = 0; i < n; i++)
		if (any_ports(range_of(&rules[i], local)))
			ports[0] |= UINT64_C(1) << i;
}

static void set_mark(struct classify_table *t, const struct class_rule *r, uint64_t bit)
{
	for (int i = 0; i < 4; i++)
		set_octet(t->mark[i], (uint8_t)(r->mark >> i * 8), (uint8_t)(r->mark_mask >> i * 8),
			  bit);
}

/* False: two of them want the same place. */
static bool place_cgroups(struct classify_table *t, const struct class_rule *rules, size_t n,
			  const uint64_t *cgroups)
{
	memset(t->cgroup, 0, sizeof(t->cgroup));
	t->n_cgroups = 0;
	for (size_t i = 0; i < n; i++) {
		struct classify_cgroup *c;

		if (!rules[i].cgroup[0] || !cgroups[i])
			continue;
		c = &t->cgroup[classify_cgroup_slot(t, cgroups[i])];
		if (c->id && c->id != cgroups[i])
			return false;
		t->n_cgroups += !c->id;
		c->id = cgroups[i];
		c->rules |= UINT64_C(1) << i;
	}
	return true;
}

/* 64 ids in 512 places: one multiplier of 50 or so will do. */
static void set_cgroups(struct classify_table *t, const struct class_rule *rules, size_t n,
			const uint64_t *cgroups)
{
	for (size_t i = 0; i < n; i++)
		if (!rules[i].cgroup[0])
			t->any_cgroup |= UINT64_C(1) << i;
	t->cgroup_mul = UINT64_C(0x9e3779b97f4a7c15);
	while (!place_cgroups(t, rules, n, cgroups))
		t->cgroup_mul = t->cgroup_mul * UINT64_C(6364136223846793005) + 2;
}

void rules_build(const struct class_rule *rules, size_t n, const uint64_t *cgroups,
		 struct classify_table *ret_table)
{
	struct classify_table *t = ret_table;

	memset(t, 0, sizeof(*t));
	t->n_rules = (__u32)n;
	for (size_t i = 0; i < n; i++) {
		const struct class_rule *r = &rules[i];
		uint64_t bit = UINT64_C(1) << i;

		t->klass[i] = r->klass;
		set_dscp(t, r, bit);
		set_protocol(t, r, bit);
		set_addresses(t, r, bit);
		set_octets(t, r);
		set_mark(t, r, bit);
	}
	set_ports(rules, n, true, t->local_port, t->local_ports);
	set_ports(rules, n, false, t->remote_port, t->remote_ports);
	set_cgroups(t, rules, n, cgroups);
}

uint32_t rules_lookup(const struct classify_table *t, const struct classify_packet *p,
		      const uint64_t *cgroups, size_t n)
{
	uint64_t by_cgroup = t->any_cgroup;

	for (size_t i = 0; i < n; i++)
		if (cgroups[i])
			by_cgroup |= classify_in_cgroup(t, cgroups[i]);
	return classify_first(classify_rules(t, p) & by_cgroup);
}

uint8_t rules_class(const struct classify_table *t, uint32_t rule)
{
	return rule < t->n_rules ? t->klass[rule] : 0;
}
