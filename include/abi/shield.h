/* SPDX-License-Identifier: GPL-2.0-only */
/* What the shield of transport mode and user space share: which packets of this host, to and from
 * which peers, policy protects. Included like abi/steer.h.
 *
 * By the peer's address, since packets for anybody else have to get by with one look. Values of the
 * hash are replaced as a whole. Addresses are in network order, everything else in host order.
 */
#ifndef BRAID_ABI_SHIELD_H
#define BRAID_ABI_SHIELD_H

#include "abi/steer.h"

enum { SHIELD_PEERS_MAX = 16384, SHIELD_RULES_MAX = 16 };

/* shield: hash. */
struct shield_key {
	__u8 family; /* 4, 6 */
	__u8 pad[3];
	struct steer_addr remote;
};

struct shield_rule {
	__u8 any_local; /* else from and to `local` only */
	__u8 protocol;	/* 0: any */
	__u8 pad[2];
	/* of ICMP: type and code; first > last: none */
	__u16 local_first, local_last, remote_first, remote_last;
	struct steer_addr local;
};

struct shield_peer {
	__u32 n;
	struct shield_rule rule[SHIELD_RULES_MAX];
};

/* shield_dev: array of one, __u32 ifindex of the engine's device; 0: there is no engine. */

#endif
