/* SPDX-License-Identifier: GPL-2.0-only */
/* The kernel's policies of our SAs: for each selector one in each direction, for all SAs that have
 * it; the SA that came last says which states it goes to, and when that one is gone the one before
 * it. Where several lines of IKE SAs can send for a selector, each has a policy more, for packets
 * that the classifier has marked with that line; what has no such mark goes by the one for all.
 * Does not ask the kernel by itself: put and del do.
 */
#ifndef BRAID_KESP_POLICY_H
#define BRAID_KESP_POLICY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/hash.h"
#include "base/usec.h"
#include "xfrm/xfrm.h"

typedef int policy_fn(void *ctx, const struct xfrm_policy *p);

struct policies {
	struct hash by_selector;
	policy_fn *put, *del;
	void *ctx;
	uint32_t if_id; /* 0: of the host's own routes; what cannot be sent has no policy, then */
	uint32_t dev;	/* only what is routed there is sent by them; 0: whatever its route */
	bool quiet;	/* takes are noted, and put by policies_settle */
	bool unsettled; /* the kernel refused to have one back: policies_settle tries again */
	size_t n_left;	/* that no SA has any more: policies_expire ends them */
};

/* Where a policy leads: the states with that reqid on these addresses. */
struct policy_to {
	uint32_t reqid; /* of inbound states; of outbound ones, too, where there is no reqid_out */
	struct addr local, remote;
	struct addr remote_out; /* of outbound states, in place of remote */
	bool beet;
	uint32_t reqid_out;
	uint32_t line; /* STEER_LINE; 0: none, and no policy of its own */
};

void policies_init(struct policies *ps, uint32_t if_id, policy_fn *put, policy_fn *del, void *ctx);
void policies_clear(struct policies *ps); /* the kernel keeps what it has */

/* Another SA with these selectors (of what we send). 0 or -errno, and then nothing has changed. */
int policies_take(struct policies *ps, const struct xfrm_sel *sel, size_t n,
		  const struct policy_to *to);
/* One SA less; reqid: of its outbound state. */
void policies_drop(struct policies *ps, const struct xfrm_sel *sel, size_t n, uint32_t reqid);
/* One of these SAs has an outbound state from now on; or is about to have none. */
void policies_sender(struct policies *ps, const struct xfrm_sel *sel, size_t n, uint32_t reqid,
		     bool on);
/* The states that they lead to have changed: what the kernel remembers of these is forgotten. */
void policies_again(struct policies *ps, const struct xfrm_sel *sel, size_t n, uint32_t reqid);

/* One SA less, which has other selectors now: for a while what comes in is taken from it still, and
 * nothing is sent in any other way, unless another SA has these. */
struct policy_rest {
	usec_t in_until, block_until;
};
void policies_leave(struct policies *ps, const struct xfrm_sel *sel, size_t n, uint32_t reqid,
		    const struct policy_rest *rest);
void policies_expire(struct policies *ps, usec_t now);

/* After a restart: the kernel has that one. A block lasts until then. False: it is of no SA of
 * ours, and is to go. */
bool policies_found(struct policies *ps, const struct xfrm_policy *p, usec_t block_until);
/* What the kernel did not have, or not so. 0 or the first -errno. */
int policies_settle(struct policies *ps);

/* Where the policy for a packet leads that has the mark of no line: of those that cover it, the
 * most special one. The reqid of outbound states; 0: none. */
uint32_t policies_reqid(const struct policies *ps, const struct xfrm_sel *packet);

#endif
