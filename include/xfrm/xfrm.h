/* SPDX-License-Identifier: GPL-2.0-only */
/* The kernel's ESP by netlink (XFRM, rtnetlink for its interface), on libmnl: states, policies, the
 * interface, dumps, expiries. Knows neither IKE nor paths: what it installs is on the addresses it
 * is given. Everything of ours has the interface's if_id, and nothing else has: by that it is found
 * again and removed. What is for the host's own routes, or where the kernel has no such interfaces,
 * has none: a reqid of ours (xfrm_direct_reqid) tells it from others'.
 *
 * Requests block until the kernel has answered, which it does at once. Keys are wiped from every
 * buffer. Errors are -errno; *ret_error, where there is one, gets a sentence that names what is
 * missing. Thread: one.
 */
#ifndef BRAID_XFRM_XFRM_H
#define BRAID_XFRM_XFRM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"

struct xfrm;

/* Of a state or policy without if_id, the n-th. */
#define XFRM_DIRECT_N 0x000fffffu
static inline uint32_t xfrm_direct_reqid(uint32_t if_id, uint32_t n)
{
	return (if_id & ~XFRM_DIRECT_N) | 0x80000000u | (n & XFRM_DIRECT_N);
}
/* Is that one of the instance with that interface? its: 0 without if_id. Of if_id 0 are all
 * without.
 */
static inline bool xfrm_is_of(uint32_t if_id, uint32_t its, uint32_t reqid)
{
	return its ? its == if_id : !if_id || reqid == xfrm_direct_reqid(if_id, reqid);
}

enum {
	XFRM_KEY_MAX = 64,
	XFRM_REPLAY_MAX = 4096, /* packets, the kernel's limit */
	XFRM_REPLAY_LEAST = 32, /* of an SA with ESN: the kernel does not go without a window */
};

int xfrm_open(struct xfrm **ret_x, char *ret_error, size_t error_len);
void xfrm_close(struct xfrm *x); /* the kernel keeps what it has; NULL is fine */

/* What of the kernel is needed and is not there, found by trying: an SA with AES-GCM, ESN and a
 * window of XFRM_REPLAY_MAX, an output mark; whether it has XFRM interfaces goes to *ret_iface. All
 * of it is gone again afterwards.
 * 0, or -errno with a sentence about the first such thing. */
int xfrm_probe(struct xfrm *x, bool *ret_iface, char *ret_error, size_t error_len);
/* An algorithm by its IKEv2 numbers (encryption, key bits, integrity or 0): 0 or -ENOSYS. */
int xfrm_has_algorithm(struct xfrm *x, uint16_t encr_id, uint16_t key_bits, uint16_t integ_id);
/* Does it know outbound states of one CPU? */
bool xfrm_has_cpus(struct xfrm *x);

/* ---- the interface ---- */

/* Made, or taken over if it is ours (its alias says so) and has that if_id; up. if_id 0: a plain
 * device (dummy), which drops what no policy takes. -EEXIST: another
 * one's. */
int xfrm_iface_make(struct xfrm *x, const char *name, uint32_t if_id, uint32_t mtu,
		    uint32_t *ret_ifindex, char *ret_error, size_t error_len);
/* Only if it is ours. 0, -ENODEV, -EPERM: it is not. */
int xfrm_iface_del(struct xfrm *x, const char *name);

/* ---- states: one direction of an SA (RFC 4301 4.4.2) ---- */

enum xfrm_sa_flags {
	XFRM_F_OUT = 1 << 0,  /* outbound; else inbound */
	XFRM_F_BEET = 1 << 1, /* no inner IP header, as in transport mode; else tunnel mode */
	XFRM_F_ESN = 1 << 2,
	XFRM_F_NO_DSCP_OUT = 1 << 3, /* the outer header does not get the inner DSCP */
	XFRM_F_DSCP_IN = 1 << 4,     /* the inner header gets the outer DSCP */
	XFRM_F_DF_CLEAR = 1 << 5,    /* else the outer DF is the inner one */
};

struct xfrm_sa {
	uint32_t spi; /* host order */
	uint32_t reqid;
	uint32_t if_id;
	uint32_t flags;	      /* enum xfrm_sa_flags */
	struct addr src, dst; /* as ESP has them when XFRM sees it */
	/* XFRM_F_BEET: of the header that what comes in gets, and by its family of what is sent */
	struct addr inner_src, inner_dst;
	uint32_t mark, mark_mask; /* outbound: bits put into skb->mark of what it makes */
	uint16_t cpu; /* outbound: only for what that CPU sends, + 1; 0: any (xfrm_has_cpus) */
	uint16_t encr_id, key_bits, integ_id; /* IKEv2 Transform IDs; integ_id 0 with AEAD */
	uint16_t key_len, integ_len;	      /* octets; key with the salt of AEADs (RFC 4106) */
	uint32_t replay_window; /* packets, inbound; 0: none, XFRM_REPLAY_LEAST with ESN */
	uint64_t soft_octets, hard_octets, soft_packets, hard_packets; /* 0: none */
	const uint8_t *key, *integ;				       /* borrowed */
};

/* What the kernel says of one. It does not know the direction: XFRM_F_OUT stands for an output
 * mark, which ours have in that direction only. */
struct xfrm_sa_info {
	uint32_t spi, reqid, if_id, flags;
	uint32_t mark, mark_mask;
	uint16_t cpu;
	struct addr src, dst;
	uint64_t octets, packets;
	uint64_t add_sec, use_sec; /* CLOCK_REALTIME; use: of the first packet, 0: none yet */
	uint64_t last_used_sec; /* CLOCK_REALTIME; 0: never, or not told (6.1: of what is sent) */
	uint64_t seq;		/* out: last sent; in: highest accepted; with ESN 64 bits */
	uint32_t window;	/* of the replay check, packets; 0: none */
	uint32_t left_behind;	/* packets dropped: older than the window, */
	uint32_t replayed;	/* seen before (or older, the kernel does not always tell), */
	uint32_t integrity_failed; /* not authentic */
};

/* -ENOSYS: an algorithm or ESP itself is not there; -EINVAL: not an SA (the length of a key).
 * -EEXIST: one with that SPI goes to dst already. Outbound SPIs are chosen by peers, two of which
 * may choose the same: then they need another dst each. */
int xfrm_sa_add(struct xfrm *x, const struct xfrm_sa *sa);
/* -ESRCH: there is none. */
int xfrm_sa_del(struct xfrm *x, const struct addr *dst, uint32_t spi);
int xfrm_sa_get(struct xfrm *x, const struct addr *dst, uint32_t spi,
		struct xfrm_sa_info *ret_info);
typedef void xfrm_sa_fn(void *ctx, const struct xfrm_sa_info *info);
/* All that are of that interface's instance; fn must not call into x. */
int xfrm_sa_dump(struct xfrm *x, uint32_t if_id, xfrm_sa_fn *fn, void *ctx);

/* ---- policies ---- */

enum xfrm_dir { XFRM_IN, XFRM_OUT, XFRM_FWD };

/* Of the packet, in its direction: src is ours in XFRM_OUT. A selector of the kernel is a prefix
 * and a port with a mask: a range needs several. (struct xfrm_selector is the kernel's.) */
struct xfrm_sel {
	struct addr src, dst;
	uint8_t src_len, dst_len; /* prefix lengths */
	uint8_t protocol;	  /* 0: any */
	uint16_t sport, sport_mask, dport,
		dport_mask; /* host order; mask 0: any. ICMP: type, code */
};
struct xfrm_policy {
	enum xfrm_dir dir;
	struct xfrm_sel sel;
	uint32_t if_id, priority;
	uint32_t dev; /* only what is routed to that device, its index; 0: whatever its route */
	uint32_t mark, mark_mask; /* only packets that have it; mask 0: any */
	bool block;		  /* drop instead */
	bool beet;		  /* of the template */
	uint32_t reqid;		  /* of the template */
	struct addr src, dst;	  /* of the template: outer addresses */
};
/* In place of one with the same selector, direction, mark and if_id, in one step. */
int xfrm_policy_put(struct xfrm *x, const struct xfrm_policy *p);
/* Looks at dir, sel, mark, if_id. -ENOENT: there is none. */
int xfrm_policy_del(struct xfrm *x, const struct xfrm_policy *p);
/* All that are of it. */
typedef void xfrm_policy_fn(void *ctx, const struct xfrm_policy *p);
int xfrm_policy_dump(struct xfrm *x, uint32_t if_id, xfrm_policy_fn *fn, void *ctx);

/* A range of addresses and of ports (host order) as the kernel's selectors: fn for each, with src's
 * part or dst's filled in as `src` says. Returns how many there are; more than max are not told:
 * -E2BIG. Pure. */
struct xfrm_range {
	struct addr first, last;
	uint8_t protocol;
	uint16_t port_first, port_last;
};
int xfrm_selectors(const struct xfrm_range *src, const struct xfrm_range *dst, struct xfrm_sel *ret,
		   size_t max);

/* States and policies of that instance: all go, and x hears of no ACQUIRE any more. 0 or the first
 * -errno. */
int xfrm_flush(struct xfrm *x, uint32_t if_id);

/* ---- what the kernel tells ---- */

struct xfrm_event {
	enum { XFRM_EV_EXPIRE, XFRM_EV_ACQUIRE } kind;
	uint32_t if_id;	     /* of the state or the policy: others' are told as well */
	uint32_t spi;	     /* EXPIRE */
	bool hard;	     /* EXPIRE: the kernel has deleted it */
	struct addr dst;     /* of the state, or where its policy wants one to */
	struct xfrm_sel sel; /* ACQUIRE: of the packet that no SA was there for */
};
typedef void xfrm_event_fn(void *ctx, const struct xfrm_event *ev);
int xfrm_events_fd(const struct xfrm *x); /* readable: drain it */
/* No more ACQUIRE: where nobody listens the kernel drops the packet, and makes no state that waits
 * for an SA, which nobody could remove. */
void xfrm_acquires_end(struct xfrm *x);
/* 0, or -ENOBUFS: some were lost, look at all. fn may call into x. */
int xfrm_events_drain(struct xfrm *x, xfrm_event_fn *fn, void *ctx);

#endif
