/* SPDX-License-Identifier: GPL-2.0-only */
/* Which pairs of addresses get an IKE SA of their own, of those that there are: all of them, or as
 * few as reach every uplink and every address of the peer. Pure: no state. */
#ifndef BRAID_IKE_COVER_H
#define BRAID_IKE_COVER_H

#include <stdbool.h>
#include <stddef.h>

#include "ike/ike.h"

struct cover {
	struct ike_path pair;
	uint64_t taken; /* it has one: which, the older the less; 0: none */
	bool works;	/* that is there and works */
	bool waits;	/* it has none, and will soon: nobody is to stand in for it */
	bool barred;	/* it gets none now: another one is to stand in for it */
	bool wanted;	/* what came of it */
};

/* c: best first. What is taken stays, unless all of it works and there are more than max or it is
 * needed no more: one that stood in for another, say. Returns how many are wanted. */
size_t cover_choose(struct cover *c, size_t n, enum ike_clone_pairs which, size_t max);

#endif
