/* SPDX-License-Identifier: GPL-2.0-only */
/* What a Child SA, or an IKE SA, is bound to (MMX 1): a set of endpoints of each side, whose pairs
 * of one address family are its paths, and where each of them may fail over to.
 *
 * A binding is a value: many SAs have equal ones. One that is inherited follows the IKE SA and has
 * no sets, and gets some before anything is done with them. Operations change all or nothing.
 * Numbers of endpoints are their owner's, I's or R's. Thread: the agent's.
 */
#ifndef BRAID_IKE_MMX_BINDING_H
#define BRAID_IKE_MMX_BINDING_H

#include "mmx_list.h"

enum { MMX_PATHS_MAX = MMX_SIDE_MAX * MMX_SIDE_MAX, MMX_ALTS_STORED = 32 };

/* Of whom an endpoint is: never of who sends. */
enum mmx_owner { MMX_I = 0, MMX_R = 1 };

/* In the order in which they came. */
struct mmx_ends {
	uint8_t n;
	uint16_t epid[MMX_SIDE_MAX];
};

struct mmx_alt {
	uint8_t owner;
	uint16_t of;	  /* the endpoint that it may replace */
	uint16_t epid;	  /* 0: an address of the future, not announced */
	uint16_t port;	  /* of that address; 0: that of IKE */
	struct addr addr; /* of that address */
};

struct mmx_binding {
	bool own;     /* explicit */
	bool no_boot; /* nothing else carries its traffic while none of its paths is verified */
	bool ike; /* of an IKE SA, whose is never equal to a Child SA's; it has endpoints of its own
		   */
	struct mmx_ends ends[2];
	uint8_t n_alts;
	struct mmx_alt alts[MMX_ALTS_STORED]; /* of one endpoint together, in their order */
};

/* Lists of both, by enum mmx_owner. */
struct mmx_lists {
	const struct mmx_list *of[2];
};

bool mmx_binding_has(const struct mmx_binding *b, enum mmx_owner owner, uint16_t epid);
bool mmx_binding_equal(const struct mmx_binding *a, const struct mmx_binding *b);

/* As bits (1 << 4, 1 << 6), the families of which an endpoint of owner's would form a path. */
unsigned mmx_binding_partners(const struct mmx_binding *b, const struct mmx_lists *l,
			      enum mmx_owner owner);

/* An inherited one gets sets of its own: what the IKE SA uses. */
void mmx_binding_own(struct mmx_binding *b, uint16_t current_i, uint16_t current_r);

/* new takes the place of old; if it is there already the set shrinks. new = 0: the binding is
 * inherited again. UNKNOWN_ADDRESS: old is not bound. FAMILY: new has no partner. */
enum mmx_status mmx_binding_update(struct mmx_binding *b, const struct mmx_lists *l,
				   enum mmx_owner owner, uint16_t old, uint16_t new);
/* OK also if it is there already. TOO_MANY, FAMILY; UNKNOWN_ADDRESS: the binding is inherited. */
enum mmx_status mmx_binding_add(struct mmx_binding *b, const struct mmx_lists *l,
				enum mmx_owner owner, uint16_t new, uint8_t side_max);
/* UNKNOWN_ADDRESS, LAST_ADDRESS. FAMILY: what is left has no path. */
enum mmx_status mmx_binding_remove(struct mmx_binding *b, const struct mmx_lists *l,
				   enum mmx_owner owner, uint16_t old);

/* The alternates of that endpoint, in place of those it had; owner and of are set here. TOO_MANY.
 */
enum mmx_status mmx_binding_set_alts(struct mmx_binding *b, enum mmx_owner owner, uint16_t old,
				     const struct mmx_alt *alts, unsigned n);
/* An endpoint is gone: it is no alternate any more, and has none. */
void mmx_binding_forget(struct mmx_binding *b, enum mmx_owner owner, uint16_t epid);
/* What `old` may be replaced by now, in order: what was set, or else the default; of that what is
 * announced, is up and has a partner. Returns how many. */
unsigned mmx_binding_alternates(const struct mmx_binding *b, const struct mmx_lists *l,
				enum mmx_owner owner, uint16_t old,
				uint16_t ret_epids[MMX_ALTS_MAX]);

/* Path IDs, number of I's endpoint in the upper half; those of I's first endpoint first. Returns
 * how many. */
unsigned mmx_binding_paths(const struct mmx_binding *b, const struct mmx_lists *l,
			   uint32_t ret_paths[MMX_PATHS_MAX]);

#endif
