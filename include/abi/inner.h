/* SPDX-License-Identifier: GPL-2.0-only */
/* What the program on the XFRM interface and user space share: which addresses a packet gets that
 * came in transport mode, where those are not the ones its state was made with. Included like
 * abi/steer.h. Values are replaced as a whole; addresses are in network order.
 */
#ifndef BRAID_ABI_INNER_H
#define BRAID_ABI_INNER_H

#include "abi/steer.h"

enum { INNER_SAS_MAX = 65536 };

struct inner_ends {
	struct steer_addr src, dst; /* the peer's and ours */
	/* added to checksums over addresses, which the peer knows by other names (RFC 3948 3.1.2):
	 * a sum of 16-bit words as they stand in memory */
	__u16 repair;
	__u16 pad[3];
};

/* inner: hash, key __be32 SPI of the inbound SA. */
struct inner_sa {
	struct inner_ends now;
	/* until then (CLOCK_MONOTONIC) also for packets whose checksum fits these alone; 0: none */
	struct inner_ends before;
	__u64 before_until_nsec;
	__u8 family; /* 4, 6 */
	__u8 pad[7];
};

/* inner_any: array of one, __u32: whether there may be any in inner. */

#endif
