/* SPDX-License-Identifier: GPL-2.0-only */
/* Paths that probes came over (MMX 6): from which address the peer was seen on each, and whether it
 * is known to receive there.
 *
 * What is verified is an address with its port: without a NAT all paths to an endpoint share that,
 * behind one each path has a mapping of its own. Only endpoints that were announced have paths, and
 * of more than can be kept the one that was not seen for the longest time goes. Thread: the
 * agent's.
 */
#ifndef BRAID_IKE_MMX_PATHS_H
#define BRAID_IKE_MMX_PATHS_H

#include "base/usec.h"
#include "mmx_binding.h"

enum { MMX_PATHS_KEPT = 64, MMX_RR_LIFE_SEC = 600 };

struct mmx_path_seen {
	uint32_t path; /* number of I's endpoint in the upper half */
	struct udp_addr peer, own;
	bool nat;
	usec_t at;	 /* the last time */
	usec_t verified; /* until then; 0: not */
};

struct mmx_paths {
	unsigned n;
	struct mmx_path_seen p[MMX_PATHS_KEPT];
};

/* A probe, or the answer to one of ours, came over that path from there; p->at says when. Moves no
 * SA. *ret_moved: the peer was seen elsewhere before. UNKNOWN_ADDRESS: no such path. */
enum mmx_status mmx_paths_see(struct mmx_paths *t, const struct mmx_lists *l,
			      const struct mmx_path_seen *p, bool *ret_moved);
/* NULL: not seen yet. */
const struct mmx_path_seen *mmx_paths_find(const struct mmx_paths *t, uint32_t path);
/* The peer has shown that it receives at peer on that path. Nothing, if it was seen elsewhere
 * since. */
void mmx_paths_verify(struct mmx_paths *t, uint32_t path, const struct udp_addr *peer, usec_t now);
/* Whether ESP may be sent over that path. */
bool mmx_paths_verified(const struct mmx_paths *t, uint32_t path, usec_t now);
/* Something says that the peer is not there (any more): it has to show it again. */
void mmx_paths_doubt(struct mmx_paths *t, const struct udp_addr *peer);
/* An endpoint is gone: its paths are. */
void mmx_paths_forget(struct mmx_paths *t, enum mmx_owner owner, uint16_t epid);
/* When what is verified has to be verified again, the earliest of those; USEC_NEVER: nothing is. */
usec_t mmx_paths_expire(const struct mmx_paths *t);

#endif
