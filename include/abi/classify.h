/* SPDX-License-Identifier: GPL-2.0-only */
/* Which rule a packet falls under: the rules as a table of bit vectors, and the one function that
 * looks a packet up in it, compiled into the classifying program and into user space.
 *
 * A rule is a bit, the lowest bit the first rule. Each property of a packet picks one vector: the
 * rules that it does not speak against. What all of them leave is what fits, and the lowest bit of
 * it is the rule that counts. Prefixes and marks are looked up octet by octet, which is exact for
 * any length and mask.
 *
 * class_table is a ring of such tables, class_cur tells by one aligned word which one counts
 * (abi/steer.h on torn reads). Ports and marks in host order, addresses in network order.
 */
#ifndef BRAID_ABI_CLASSIFY_H
#define BRAID_ABI_CLASSIFY_H

#ifndef __VMLINUX_H__
#include <linux/types.h>
#endif

#define CLASSIFY_INLINE static inline __attribute__((always_inline))

enum {
	CLASSIFY_RULES_MAX = 64,
	CLASSIFY_NO_RULE = CLASSIFY_RULES_MAX, /* the default class; its counters, too */
	CLASSIFY_TABLES = 4,		       /* slot 0 is never used: no rules */
	CLASSIFY_CGROUP_SLOTS = 512,
	CLASSIFY_CGROUP_LEVELS = 16, /* below the root of cgroup2; deeper ones are not seen */
};

/* What the classifying program leaves in skb->queue_mapping for the program that chooses a queue
 * of the TUN device. Others leave the number of a queue there, which is never that large. */
#define CLASSIFY_QUEUE	     0x5a00u
#define CLASSIFY_QUEUE_MASK  0xff00u
#define CLASSIFY_QUEUE_CLASS 0x00ffu

/* Of addresses: how many octets any rule looks at. */
enum classify_side {
	CLASSIFY_LOCAL4,
	CLASSIFY_REMOTE4,
	CLASSIFY_LOCAL6,
	CLASSIFY_REMOTE6,
	CLASSIFY_SIDES
};

/* id 0: free. The multiplier is chosen so that no two ids want the same place. */
struct classify_cgroup {
	__u64 id;
	__u64 rules;
};

struct classify_table {
	__u32 n_rules, n_cgroups;
	__u8 octets[CLASSIFY_SIDES];
	__u32 pad;
	__u64 any_cgroup; /* rules that do not ask */
	__u64 cgroup_mul;
	__u64 family[2]; /* IPv4, IPv6 */
	__u8 klass[CLASSIFY_RULES_MAX];
	__u64 dscp[64];
	__u64 protocol[256];
	/* by interval; interval 0: the packet has no ports, or they are not known */
	__u64 local_ports[256], remote_ports[256];
	__u64 mark[4][256]; /* by octet, the lowest first */
	__u64 local4[4][256], remote4[4][256];
	__u64 local6[16][256], remote6[16][256];
	struct classify_cgroup cgroup[CLASSIFY_CGROUP_SLOTS];
	__u8 local_port[65536], remote_port[65536]; /* port -> interval, from 1 */
};

/* class_cur: array of one. */
struct classify_cur {
	__u32 slot;    /* into class_table */
	__u32 workers; /* queues of the TUN device for each class */
	__u64 seed;    /* of classify_flow; random, so that nobody outside can aim */
};

/* class_name: array by class. Of the table that counts, and of the groups; "": the number means
 * none. For agents, and for those who read the other maps. */
struct classify_name {
	char name[32];
};

/* rule_stat: per-CPU array, key __u32 slot * (CLASSIFY_RULES_MAX + 1) + rule. */
struct classify_stat {
	__u64 packets, octets; /* inner; packets as super-packets are cut */
};

/* An inner packet that is about to leave. Fragments have no ports, the first neither: so all of
 * them are of one class. */
struct classify_packet {
	__u8 family; /* 4, 6 */
	__u8 protocol;
	__u8 dscp;
	__u8 has_ports;
	__u16 local_port, remote_port;
	__u32 mark;
	__u8 local[16], remote[16];
};

CLASSIFY_INLINE __u32 classify_cgroup_slot(const struct classify_table *t, __u64 id)
{
	return (__u32)(id * t->cgroup_mul >> 55);
}

/* Rules that name this cgroup; of a packet: of its own and of all above it. */
CLASSIFY_INLINE __u64 classify_in_cgroup(const struct classify_table *t, __u64 id)
{
	const struct classify_cgroup *c =
		&t->cgroup[classify_cgroup_slot(t, id) % CLASSIFY_CGROUP_SLOTS];

	return c->id == id ? c->rules : 0;
}

CLASSIFY_INLINE __u64 classify_by_octets(const __u64 (*table)[256], const __u8 *addr, __u32 max,
					 __u32 n)
{
	__u64 rules = ~0ull;

	for (__u32 i = 0; i < max; i++) {
		if (i >= n)
			break;
		rules &= table[i][addr[i]];
	}
	return rules;
}

/* The rules that fit but for the cgroup that some of them ask for. */
CLASSIFY_INLINE __u64 classify_rules(const struct classify_table *t,
				     const struct classify_packet *p)
{
	__u64 rules = t->dscp[p->dscp & 63] & t->protocol[p->protocol];

	rules &= t->local_ports[p->has_ports ? t->local_port[p->local_port] : 0];
	rules &= t->remote_ports[p->has_ports ? t->remote_port[p->remote_port] : 0];
	if (p->family == 4) {
		rules &= t->family[0];
		rules &= classify_by_octets(t->local4, p->local, 4, t->octets[CLASSIFY_LOCAL4]);
		rules &= classify_by_octets(t->remote4, p->remote, 4, t->octets[CLASSIFY_REMOTE4]);
	} else {
		rules &= t->family[1];
		rules &= classify_by_octets(t->local6, p->local, 16, t->octets[CLASSIFY_LOCAL6]);
		rules &= classify_by_octets(t->remote6, p->remote, 16, t->octets[CLASSIFY_REMOTE6]);
	}
	for (int i = 0; i < 4; i++)
		rules &= t->mark[i][p->mark >> i * 8 & 0xff];
	return rules;
}

/* The finaliser of MurmurHash3: every input bit reaches every output bit. */
CLASSIFY_INLINE __u64 classify_mix(__u64 h)
{
	h ^= h >> 33;
	h *= 0xff51afd7ed558ccdull;
	h ^= h >> 33;
	h *= 0xc4ceb9fe1a85ec53ull;
	return h ^ h >> 33;
}

CLASSIFY_INLINE __u64 classify_word(const __u8 *b)
{
	return (__u64)b[0] << 24 | (__u64)b[1] << 16 | (__u64)b[2] << 8 | b[3];
}

/* The flow of a packet of ESP that is the kernel's, as a number: by the 5-tuple; by addresses alone
 * what has no ports, so that all fragments of a packet are in one. The engine has a function of its
 * own. */
CLASSIFY_INLINE __u64 classify_flow(const struct classify_packet *p, __u64 seed)
{
	__u64 h = classify_mix(seed);

	for (int i = 0; i < 16; i += 4) {
		if (i && p->family == 4)
			break;
		h = classify_mix(h ^ classify_word(p->local + i) << 32 ^
				 classify_word(p->remote + i));
	}
	if (p->has_ports)
		h = classify_mix(h ^ (__u64)p->protocol << 32 ^ (__u64)p->local_port << 16 ^
				 p->remote_port);
	return h;
}

#define CLASSIFY_SLOT(flow) ((__u8)((flow) >> 40)) /* of flows */

/* The number of the lowest bit; CLASSIFY_NO_RULE if there is none. By halves: BPF has no
 * instruction for it. */
CLASSIFY_INLINE __u32 classify_first(__u64 rules)
{
	__u32 n = 0;

	if (!rules)
		return CLASSIFY_NO_RULE;
	if (!(rules & 0xffffffff)) {
		rules >>= 32;
		n += 32;
	}
	if (!(rules & 0xffff)) {
		rules >>= 16;
		n += 16;
	}
	if (!(rules & 0xff)) {
		rules >>= 8;
		n += 8;
	}
	if (!(rules & 0xf)) {
		rules >>= 4;
		n += 4;
	}
	if (!(rules & 3)) {
		rules >>= 2;
		n += 2;
	}
	return n + !(rules & 1);
}

#endif
