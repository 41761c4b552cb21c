/* SPDX-License-Identifier: GPL-2.0-only */
/* Which paths are members of a steering group, with which weights: those of all lines that steer
 * together, as one of these lines sees them. Lines whose Child SAs have equal selectors get equal
 * answers, in the same order, so their flow tables are the same. Pure: no maps, no state.
 */
#ifndef BRAID_DP_MEMBERS_H
#define BRAID_DP_MEMBERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "abi/steer.h"
#include "base/addr.h"

/* Why a path carries no flows while others work. */
enum member_why {
	MEMBER_SHARES,	    /* it does carry some */
	MEMBER_METERED,	    /* others cost nothing */
	MEMBER_PEER,	    /* the peer prefers another one */
	MEMBER_OTHER_FIRST, /* the operator does */
	MEMBER_SAME_PAIR,   /* an earlier line has the same pair of addresses */
	MEMBER_SELECTORS,   /* the Child SAs of its line are for other traffic, or there are none */
	MEMBER_ALTERNATE,   /* agreed on with the peer for when others do not work */
	MEMBER_ENDING,	    /* its line is being closed */
	MEMBER_FULL,	    /* there is no room in the group */
	MEMBER_NOT_YET,	    /* not known to work, or not any more */
};

struct candidate {
	uint32_t path, line;
	const struct addr *local, *remote;
	uint16_t weight;   /* as configured */
	uint16_t rank;	   /* of its uplink: where there is no room for all the lowest stay */
	bool usable;	   /* it may be a member */
	bool works;	   /* now; where there is no room for all those that do not go first */
	bool ending;	   /* what can go elsewhere does not go there any more */
	bool same;	   /* its line has Child SAs for the same selectors */
	bool alternate;	   /* it stands in for others */
	bool metered;	   /* of equal ones those that are not go first */
	bool peer_standby; /* the peer has better ones */
	bool preferred;	   /* by the operator, before all others */

	/* what came of it */
	bool member;
	uint16_t share; /* the weight it has in the group */
	enum member_why why;
};

/* Fill what came of each: at most STEER_MEMBERS_MAX are members. Returns how many. */
size_t members_choose(struct candidate *c, size_t n);

#endif
