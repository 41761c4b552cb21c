/* SPDX-License-Identifier: GPL-2.0-only */
/* What two peers agreed on, who may ask for what, and whose request counts when two cross (MMX
 * 2, 7.1, 10). Looks at messages and lists only; whether SAs and policies allow it is looked at
 * elsewhere. Thread: the agent's.
 */
#ifndef BRAID_IKE_MMX_RULES_H
#define BRAID_IKE_MMX_RULES_H

#include "mmx_binding.h"

/* Zero if MMX is off. */
struct mmx_deal {
	uint8_t major;
	uint32_t caps; /* of both */
	/* How much the peer takes: it binds us. What we take is what we announced. */
	uint8_t ifaces_max, side_max, alts_max, actions_max;
	uint16_t derived_max;
	uint8_t window;
};

/* From what we announced and the peer's IKE_AUTH message. Off unless that has MOBIKE_SUPPORTED, the
 * Vendor ID and an MMX_SUPPORTED, and takes at least an interface with an endpoint. */
struct mmx_deal mmx_negotiate(const struct mmx_supported *ours, const struct ike_msg *theirs);

/* The capabilities that an action needs. */
uint32_t mmx_needs(const struct mmx_action *a);
/* Capability, then authority, of a request that came. from_i: its sender is I. ours: what the
 * receiver announced. OK, UNSUPPORTED, NOT_OWNER. Whether a FAILOVER is onto an alternate:
 * mmx_failover_check. */
enum mmx_status mmx_authority(const struct mmx_action *a, uint32_t caps, bool from_i,
			      const struct mmx_list *ours);
/* The list the sender relied on is the one we have. OK or STATE_MISMATCH. */
enum mmx_status mmx_generation_check(const struct mmx_action *a, const struct mmx_list *theirs);
/* Whether an address of a new endpoint may be one: LOCAL_POLICY (MMX_POLICY_ADDRESS) if not of a
 * host, not reachable from elsewhere, or the receiver's own. */
enum mmx_status mmx_address_check(const struct mmx_ep *ep, const struct mmx_list *ours);
/* OK, UNKNOWN_ADDRESS: old is not bound, NOT_OWNER: new is no alternate of it. */
enum mmx_status mmx_failover_check(const struct mmx_binding *b, const struct mmx_lists *l,
				   enum mmx_owner owner, uint16_t old, uint16_t new);

/* What is answered to a request of the peer's that crossed one of ours, both unanswered: OK, it is
 * processed; SUPERSEDED, ours is about an endpoint of our own and counts; BUSY, both add an
 * interface and I's goes first. own: what we announced. */
enum mmx_status mmx_crossing(const struct mmx_action *ours, const struct mmx_action *theirs,
			     bool we_are_i, const struct mmx_list *own);

/* What is done of theirs is about an endpoint that ours, not answered yet, is about too: it may
 * find that one no more. */
bool mmx_overtakes(const struct mmx_action *ours, const struct mmx_action *theirs,
		   const struct mmx_list *own, const struct mmx_list *peers);

#endif
