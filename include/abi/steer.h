/* SPDX-License-Identifier: GPL-2.0-only */
/* What BPF programs and user space share: keys, values, events, reasons, limits.
 *
 * With abi/pick.h what both sides include. In BPF it follows vmlinux.h, in user space
 * <linux/types.h>; never both. Addresses and ports are in network order, everything else in host
 * order. Padding is explicit and zero.
 *
 * Torn reads: path and group records are written once into a slot of a ring and then published by
 * one aligned word (path_cur, group_cur). A slot is reused a second after it was left, at the
 * earliest. SA entries are added and removed; in place changes only the group of an outbound one,
 * one word. The arrays the agent writes are mmapable; entries in a mapping are STEER_STRIDE apart.
 */
#ifndef BRAID_ABI_STEER_H
#define BRAID_ABI_STEER_H

#ifndef __VMLINUX_H__
#include <linux/types.h>
#endif

#define STEER_ABI_VERSION 9

/* The kernel rounds array elements up to 8 octets: the distance of entries in a mapping. */
#define STEER_STRIDE(type) ((sizeof(type) + 7) & ~7ul)

enum {
	STEER_MEMBERS_MAX = 8,	     /* paths in a group */
	STEER_FLOW_SLOTS = 256,	     /* flow table of a group */
	STEER_PATHS_MAX = 16384,     /* path ids: 0 is never used */
	STEER_PATH_SLOTS = 32768,    /* write-once records behind them */
	STEER_CLASSES = 7,	     /* traffic classes; 0: what no rule is for */
	STEER_CLASS_NONE = 7,	     /* of what counts for none */
	STEER_PATIENCE_USEC = 16000, /* unit */
	STEER_PATIENCE_MAX = 31,     /* units */
	STEER_GROUP_BLOCK = 8, /* ids of a group: that of class c is c behind that of class 0 */
	STEER_GROUPS_MAX = 131072,
	STEER_GROUP_SLOTS = 32768,
	/* the last record is never written: it has no members. For classes that may go nowhere,
	 * and those there is no record left for */
	STEER_GROUP_NOWHERE = STEER_GROUP_SLOTS - 1,
	STEER_SA_MAX = 1 << 20, /* upper limit of both SA arrays */
	STEER_SA_STAT_MAX = 1 << 16,
	STEER_IFACES_MAX = 64,
	STEER_FRAG_IDS = 256,
	STEER_FRAG_ID_IN = STEER_FRAG_IDS, /* of datagrams that arrive in fragments */
	STEER_FRAGS_MAX = 1024,
	STEER_CPUS_MAX = 64, /* that ESP is spread over, and the highest number of one plus 1 */
	STEER_RX_HINT_BITS = 11,
	STEER_RX_HINTS = 1 << STEER_RX_HINT_BITS,
};

/* skb->mark on the steering device: kind/class 4 bits, flow slot 8 bits, index 20 bits.
 * kind 0..6: the traffic class (STEER_CLASSES); index is an index into sa_out.
 * kind 8..14: the same, and routers may fragment the packet: no DF in an outer IPv4 header.
 * kind 15: index is a path id; the packet goes out on that path whatever its state (probes, copies,
 * what the engine has chosen a path for). Its slot says what the kind says of others, for counters
 * and fragmentation, and of ESP of the kernel's whether it goes in UDP (STEER_MARK_WRAPPED). */
#define STEER_MARK_INDEX_BITS 20
#define STEER_MARK_SLOT_BITS  8
#define STEER_MARK_KIND_PATH  15u
#define STEER_MARK_KIND_CUT   8u
#define STEER_MARK_WRAPPED    16u
#define STEER_MARK(kind, slot, index)                                                              \
	(((__u32)(kind) << 28) | (((__u32)(slot)&0xffu) << 20) | ((__u32)(index)&0xfffffu))
#define STEER_MARK_KIND(m) ((__u32)(m) >> 28)
#define STEER_MARK_WHAT(m)                                                                         \
	(STEER_MARK_KIND(m) == STEER_MARK_KIND_PATH ? STEER_MARK_SLOT(m) : STEER_MARK_KIND(m))
#define STEER_MARK_MAY_CUT(m) (STEER_MARK_WHAT(m) & STEER_MARK_KIND_CUT)
#define STEER_MARK_CLASS(m)   (STEER_MARK_WHAT(m) & 7u) /* STEER_CLASS_NONE is one of them */
#define STEER_MARK_SLOT(m)    (((__u32)(m) >> 20) & 0xffu)
#define STEER_MARK_INDEX(m)   ((__u32)(m)&0xfffffu)
/* Before the kernel's ESP, where no SA is known yet: the line of IKE SAs whose SA is to carry the
 * packet stands in the place of the index; 0: any. */
#define STEER_LINE(line) ((__u32)(line)&0xfffffu)

/* An inbound SPI we chose: index in the low 20 bits, generation (random, never 0) above, so it is
 * always > 255 and a stale one does not match. */
#define STEER_SPI(gen, index) (((__u32)(gen) << 20) | ((__u32)(index)&0xfffffu))
#define STEER_SPI_INDEX(spi)  ((__u32)(spi)&0xfffffu)

enum steer_owner { STEER_OWNER_NONE = 0, STEER_OWNER_ENGINE = 1, STEER_OWNER_KERNEL = 2 };

enum steer_sa_flags {
	STEER_SA_ENCAP = 1 << 0,       /* UDP encapsulation (RFC 3948) on the stable pair */
	STEER_SA_RESTORE_DST = 1 << 1, /* ingress: write the stable destination back */
	STEER_SA_RESTORE_SRC = 1 << 2, /* and the stable source */
	/* egress, of an SA of the kernel's: ESP is put in UDP (RFC 3948), by the path's ports, with
	 * BY_PATH only where the path is not STEER_PATH_PLAIN. Ingress takes it off again, of any
	 * SA that STEER_OWNER_KERNEL owns. */
	STEER_SA_WRAP = 1 << 3,
	STEER_SA_WRAP_BY_PATH = 1 << 4,
};

struct steer_addr {
	__u8 b[16]; /* network order; IPv4 in the first four octets */
};

/* sa_in: array, key __u32 index of the SPI. spi 0 = free. */
struct steer_sa_in {
	__u32 spi;   /* host order, whole value to compare */
	__u32 sa_id; /* agent's Child SA id */
	__u8 owner;  /* enum steer_owner */
	__u8 family; /* of the stable pair: 4, 6 */
	__u8 flags;  /* enum steer_sa_flags */
	__u8 pad;
	__be16 sport, dport;	    /* restored ports with STEER_SA_ENCAP */
	struct steer_addr src, dst; /* stable pair as it is on packets towards us */
};

/* sa_out: array, key __u32 index carried in the mark. */
struct steer_sa_out {
	__u32 sa_id; /* 0 = free */
	__u32 group; /* id */
	__u8 flags;  /* enum steer_sa_flags */
	__u8 pad[3];
	__u32 spi; /* the peer's, host order, for readers of the map */
};

/* What is done with a packet, once its class and flow slot are known. What is decided less often
 * than per packet (priority, overflow, smallest delay) is one of these with other members. */
enum steer_mode {
	STEER_MODE_FLOW_HASH = 0,      /* the path of its flow slot */
	STEER_MODE_ACTIVE_STANDBY = 1, /* the first that can be used */
	/* The first that can be used, and copies on others with a weight that are up, then on
	 * degraded ones, in their order: `copies` packets in all. */
	STEER_MODE_REDUNDANT = 2,
	STEER_MODE_BOND = 3, /* any path, packet by packet: the engine says which; for others as
			      * FLOW_HASH */
};

/* The group of a class: where there is none of that class it goes as class 0. */
#define STEER_GROUP_OF(group, klass) ((__u32)(group) + (__u32)(klass))

/* group_cur: array, key __u32 group id: a multiple of STEER_GROUP_BLOCK and a class. 0 = no such
 * group. */
struct steer_group_cur {
	__u32 slot; /* into group; slot 0 is never used */
};

/* group: ring of write-once records. */
struct steer_group {
	__u32 id;
	__u32 version;
	__u8 mode; /* enum steer_mode */
	__u8 n_members;
	__u8 copies; /* REDUNDANT: of each packet, in all */
	/* BOND: what a packet may wait at the peer at most, in units of STEER_PATIENCE_USEC; 0: as
	 * long as the paths need. The engine's; steering programs do not look. */
	__u8 patience;
	__u32 path[STEER_MEMBERS_MAX]; /* path ids in order of preference */
	/* Whose SA goes with the path: low 32 bits of the number of a line of IKE SAs. The
	 * engine's; steering programs do not look. */
	__u32 line[STEER_MEMBERS_MAX];
	__u16 weight[STEER_MEMBERS_MAX];
	__u16 flow[STEER_FLOW_SLOTS]; /* flow slot -> path id, of a member */
};

/* DEGRADED works, but badly: taken when no path of the group is UP. UNKNOWN is taken when no other
 * can be: one that is not proven yet, or the last that fell silent. */
enum steer_path_state {
	STEER_PATH_UNKNOWN = 0,
	STEER_PATH_UP = 1,
	STEER_PATH_DEGRADED = 2,
	STEER_PATH_DOWN = 3,
	STEER_PATH_DISABLED = 4,
};

/* path_cur: array, key __u32 path id: one word says where the record is and whether the
 * path may be used, so either changes by one atomic store. word 0 = no such path. */
struct steer_path_cur {
	__u16 slot; /* into path; slot 0 is never used */
	__u8 state; /* enum steer_path_state */
	__u8 gen;   /* +1 per change */
} __attribute__((aligned(4)));

union steer_path_word {
	__u32 word;
	struct steer_path_cur cur;
};

enum steer_path_flags {
	STEER_PATH_MAC = 1 << 0,   /* smac, dmac valid: bpf_redirect; else bpf_redirect_neigh */
	STEER_PATH_ENCAP = 1 << 1, /* sport/dport are written into UDP encapsulated packets */
	STEER_PATH_NOARP = 1 << 2, /* device without link-layer header */
	STEER_PATH_PLAIN = 1 << 3, /* the engine's: where SAs have paths of both kinds, ESP goes
				    * here without UDP */
};

/* path: ring of write-once records. */
struct steer_path {
	__u32 id;
	__u32 epids; /* EPID_I << 16 | EPID_R */
	__u32 ifindex;
	__u32 mtu;   /* octets of IP packet */
	__u8 family; /* 4, 6 */
	__u8 flags;  /* enum steer_path_flags */
	__be16 sport, dport;
	__u8 dmac[6], smac[6]; /* as in an Ethernet header */
	__u8 pad[2];
	struct steer_addr src, dst;
};

/* path_stat: per-CPU array, key __u32 path id. */
struct steer_path_stat {
	__u64 tx_packets, tx_octets; /* ESP as sent: GSO segments, octets of IP packets */
	__u64 rx_packets, rx_octets;
	__u64 rx_last_nsec; /* CLOCK_MONOTONIC of the last packet with a known SPI */
	__u64 rx_last_tick; /* the kernel's tick in which that was read: not again in the same one
			     */
	struct steer_class_stat {
		__u64 packets, octets; /* of tx_packets, tx_octets */
	} tx_class[STEER_CLASSES];     /* probes are of none */
};

/* rx_path: hash that finds the path of a received packet for its counters. */
struct steer_rx_key {
	__u32 ifindex;
	__u8 family;
	__u8 pad[3];
	struct steer_addr local, remote;
};

/* rx_hint: array, key steer_rx_hash. Entries of rx_path where the cheap hash finds them in one
 * look; path 0 = none. The path id is written last and cleared first. */
struct steer_rx_hint {
	__u32 path;
	struct steer_rx_key key;
};

/* Of the last octets of both addresses: IPv4's only word, IPv6's last. */
static inline __u32 steer_rx_hash(__u32 ifindex, __u32 local, __u32 remote)
{
	return (ifindex * 0x9e3779b1u ^ local * 0x85ebca6bu ^ remote * 0xc2b2ae35u) >>
	       (32 - STEER_RX_HINT_BITS);
}

/* On which CPU ESP of the kernel's is decrypted that came by XDP. */
enum steer_spread {
	STEER_SPREAD_OFF = 0,	 /* on the one that has received it */
	STEER_SPREAD_SA = 1,	 /* each SA's on one of its own: its packets stay in order */
	STEER_SPREAD_PACKET = 2, /* an SA's on all: out of order as far as CPUs differ */
};

/* intake: array of one. What the programs are told beside what is steered. */
struct steer_intake {
	__u8 spread;	   /* enum steer_spread */
	__u8 n_cpus;	   /* of cpu */
	__u8 drop_unknown; /* ESP for an SPI that is not ours is dropped, in UDP or not */
	/* the classifier has made the marks of what the kernel's ESP has: otherwise class and slot
	 * are 0, whatever others have left there */
	__u8 classified;
	__u8 cpu[STEER_CPUS_MAX]; /* numbers: keys of the map cpus */
};

/* frag_in: LRU hash of fragments of ESP, in UDP or not: the IPv4 header's fields. */
struct steer_frag_key {
	__be32 src, dst;
	__be16 id;
	__u8 proto;
	__u8 pad;
};
struct steer_frag {
	__u32 index; /* into sa_in */
	__be16 id;   /* which the kernel puts it together by */
	__u16 pad;
};

/* sa_stat: array, key __u32 CPU * entries per CPU + index of sa_in / sa_out. Of the engine's SAs:
 * XFRM counts its own. Indices from STEER_SA_STAT_MAX are not counted here (the engine counts every
 * SA): with a million SAs at random the counters alone cost a cache miss for each packet. */
struct steer_sa_stat {
	__u64 in_packets, in_octets, out_packets, out_octets;
};

#define FOREACH_DROP(X)                                                                            \
	X(NO_MARK, "packet on the steering device without an SA's mark")                           \
	X(NO_SA, "no SA for this SPI or mark")                                                     \
	X(NO_GROUP, "SA has no group")                                                             \
	X(NO_PATH, "no usable path in the group")                                                  \
	X(BAD_PACKET, "not ESP, truncated or malformed")                                           \
	X(FAMILY, "path of the other IP version and the packet cannot be converted")               \
	X(REWRITE, "the packet could not be rewritten")                                            \
	X(UNKNOWN_SPI, "ESP for an SPI that is not ours")                                          \
	X(STALE_SPI, "ESP for a deleted SA")                                                       \
	X(COPY, "a copy, in redundant mode, for a path that it does not fit, or no memory")        \
	X(NO_ENGINE, "protected in transport mode, and no engine to carry it")                     \
	X(CLEAR_IN, "received in clear though policy protects it in transport mode")

enum drop_reason {
#define X(n, text) DROP_##n,
	FOREACH_DROP(X)
#undef X
		DROP_MAX
};

enum steer_event_kind {
	STEER_EV_NEW_SOURCE = 1, /* valid SPI from an address no path has: a hint only */
	STEER_EV_UNKNOWN_SPI = 2,
	/* Somebody says of ESP of ours, quoting it: that is larger than a link on its way, or does
	 * not arrive. src, dst and spi are the quoted ones; spi 0: not quoted. */
	STEER_EV_TOO_BIG = 3,
	STEER_EV_UNREACHABLE = 4,
	STEER_EV_MAX,
};

/* events: ring buffer; at most one of a kind in 10 ms and CPU. Hints for people: what they say is
 * not authenticated. An egress device that is gone makes none: a redirection fails after the
 * program has returned. Asking before each burst (bpf_check_mtu, 5 ns) would tell that a device is
 * no more, and nothing tells a program that one is down or without a link. The kernel closes a
 * device before it forgets it and says so by rtnetlink: agent and engine know before a program
 * could. */
struct steer_event {
	__u32 kind; /* enum steer_event_kind */
	__u32 ifindex;
	__u32 spi;
	__u8 family;
	__u8 pad;
	__be16 sport;
	struct steer_addr src, dst;
	__u32 mtu; /* TOO_BIG: of that link; 0: not said */
};

enum steer_uplink_mode {
	STEER_UPLINK_NONE = 0,
	STEER_UPLINK_TC = 1,
	STEER_UPLINK_XDP = 2,
	STEER_UPLINK_XDP_GENERIC = 3,
};

/* uplink: hash, key __u32 ifindex. Kept by the loader: where the ingress program is attached. */
struct steer_uplink {
	__u8 mode;	 /* enum steer_uplink_mode */
	__u8 own_clsact; /* the qdisc was created by us: remove it with the last filter */
	__u8 pad[2];
};

/* abi: array of one, written before anything attaches. */
struct steer_abi {
	__u32 version;
	__u32 sa_max; /* entries of sa_in and sa_out: a power of two */
	__u32 paths_max;
	__u32 groups_max;
};

#ifndef __VMLINUX_H__
_Static_assert(sizeof(struct steer_sa_in) == 48, "sa_in");
_Static_assert(sizeof(struct steer_sa_out) == 16, "sa_out");
_Static_assert(sizeof(struct steer_group) == 12 + 32 + 32 + 16 + 512, "group");
_Static_assert(sizeof(struct steer_path_cur) == 4, "path_cur");
_Static_assert(sizeof(struct steer_path) == 68, "path");
#endif

#endif
