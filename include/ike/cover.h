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
	bool taken;  /* it has one: that stays */
	bool barred; /* it gets none now: another one is to stand in for it */
	bool wanted; /* what came of it; taken ones are */
};

/* c: best first. At most max are wanted, but that all taken ones are. Returns how many. */
size_t cover_choose(struct cover *c, size_t n, enum ike_clone_pairs which, size_t max);

#endif
