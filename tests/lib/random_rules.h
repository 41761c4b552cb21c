/* SPDX-License-Identifier: GPL-2.0-only */
/* Random rules of traffic classes, and packets of which many are near their borders. The same for
 * the same seed. */
#ifndef BRAID_TESTS_RANDOM_RULES_H
#define BRAID_TESTS_RANDOM_RULES_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "abi/classify.h"
#include "steer/class.h"

struct random_rules {
	struct class_rule rule[CLASS_RULES_MAX];
	size_t n;
	uint64_t cgroup[CLASS_RULES_MAX];
	unsigned seed;
};

/* The protocols that have ports come first. */
static const uint8_t random_protocols[] = { 6, 17, 132, 33, 136, 1, 58, 47 };
enum { RANDOM_WITH_PORTS = 5 };

static inline unsigned random_below(struct random_rules *r, unsigned n)
{
	return (unsigned)rand_r(&r->seed) % n;
}

static inline void random_addr(struct random_rules *r, uint8_t family, struct addr *a)
{
	/* few values, so that prefixes meet */
	static const uint8_t values[] = { 0, 1, 2, 0x7f, 0x80, 0xc0, 0xfe, 0xff };

	*a = (struct addr){ .family = family };
	for (size_t i = 0; i < (family == 4 ? 4u : 16u); i++)
		a->b[i] = i < 2 ? 10 : values[random_below(r, sizeof(values))];
}

static inline void random_range(struct random_rules *r, uint16_t range[2])
{
	unsigned first = random_below(r, 200), last = first + random_below(r, 40);

	range[0] = 0;
	range[1] = UINT16_MAX;
	if (random_below(r, 3) == 0)
		return;
	if (random_below(r, 8) == 0)
		first += 65300;
	range[0] = (uint16_t)first;
	range[1] = (uint16_t)(first > 65000 || last < first ? UINT16_MAX : last);
}

static inline uint8_t random_len(struct random_rules *r, uint8_t family)
{
	unsigned bits = family == 4 ? 32 : 128;

	return (uint8_t)(random_below(r, 3) ? 8 + random_below(r, bits - 7) : random_below(r, 18));
}

/* marks, cgroups: with rules that ask for one. Each property is asked for by some of them. */
static inline void random_rule(struct random_rules *r, size_t i, bool cgroups)
{
	struct class_rule *c = &r->rule[i];
	uint8_t family = random_below(r, 2) ? 4 : 6;

	*c = (struct class_rule){ .klass = (uint8_t)random_below(r, STEER_CLASSES),
				  .local_port = { 0, UINT16_MAX },
				  .remote_port = { 0, UINT16_MAX } };
	if (random_below(r, 3) == 0)
		c->protocol = random_protocols[random_below(r, sizeof(random_protocols))];
	if (random_below(r, 3) == 0) {
		random_addr(r, family, &c->local);
		c->local_len = random_len(r, family);
	}
	if (random_below(r, 3) == 0) {
		random_addr(r, family, &c->remote);
		c->remote_len = random_len(r, family);
	}
	if (random_below(r, 4) == 0)
		random_range(r, c->local_port);
	if (random_below(r, 4) == 0)
		random_range(r, c->remote_port);
	if (random_below(r, 4) == 0)
		c->dscp = UINT64_C(1) << random_below(r, 64) | UINT64_C(1) << random_below(r, 64);
	if (random_below(r, 4) == 0) {
		c->mark_mask = random_below(r, 2) ? UINT32_MAX : 3u << random_below(r, 4);
		c->mark = random_below(r, 16);
	}
	if (cgroups && random_below(r, 4) == 0) {
		unsigned which = random_below(r, 12);

		snprintf(c->cgroup, sizeof(c->cgroup), "group%u", which);
		r->cgroup[i] =
			which ? UINT64_C(0x100000000) + which : 0; /* the first is not there */
	}
}

static inline void random_rules(struct random_rules *r, unsigned seed, bool cgroups)
{
	memset(r, 0, sizeof(*r));
	r->seed = seed;
	r->n = seed % 8 ? 1 + random_below(r, CLASS_RULES_MAX) : CLASS_RULES_MAX;
	for (size_t i = 0; i < r->n; i++)
		random_rule(r, i, cgroups);
}

static inline uint16_t random_port(struct random_rules *r, const uint16_t range[2])
{
	switch (random_below(r, 4)) {
	case 0:
		return range[0];
	case 1:
		return range[1];
	case 2:
		return (uint16_t)(range[1] + 1u);
	default:
		return (uint16_t)random_below(r, 65536);
	}
}

/* Of the rule's prefix, or a bit beside it. */
static inline void random_near(struct random_rules *r, const struct addr *a, uint8_t len,
			       uint8_t family, uint8_t ret_b[16])
{
	struct addr other;
	unsigned bit;

	random_addr(r, family, &other);
	if (a->family == family) {
		unsigned whole = len / 8, rest = len % 8;

		memcpy(other.b, a->b, whole);
		if (rest)
			other.b[whole] = (uint8_t)((a->b[whole] & (0xff00 >> rest)) |
						   (other.b[whole] & (0xff >> rest)));
		if (len && random_below(r, 4) == 0) {
			bit = random_below(r, len);
			other.b[bit / 8] ^= (uint8_t)(0x80 >> bit % 8);
		}
	}
	memcpy(ret_b, other.b, 16);
}

/* A packet that some rule had in mind, more or less. */
static inline struct classify_packet random_packet(struct random_rules *r)
{
	const struct class_rule *c = &r->rule[random_below(r, (unsigned)r->n)];
	struct classify_packet p = { .family = random_below(r, 2) ? 4 : 6 };
	unsigned k = random_below(r, sizeof(random_protocols));

	if (c->local.family)
		p.family = c->local.family;
	else if (c->remote.family)
		p.family = c->remote.family;
	p.protocol = c->protocol && random_below(r, 8) ? c->protocol : random_protocols[k];
	random_near(r, &c->local, c->local_len, p.family, p.local);
	random_near(r, &c->remote, c->remote_len, p.family, p.remote);
	for (k = 0; k < RANDOM_WITH_PORTS; k++)
		p.has_ports |= p.protocol == random_protocols[k];
	if (p.has_ports) {
		p.local_port = random_port(r, c->local_port);
		p.remote_port = random_port(r, c->remote_port);
	}
	p.dscp = (uint8_t)random_below(r, 64);
	for (k = 0; k < 64 && c->dscp && random_below(r, 16); k++)
		if (c->dscp >> k & 1)
			p.dscp = (uint8_t)k;
	p.mark = random_below(r, 4) ? c->mark : random_below(r, 16);
	return p;
}

#endif
