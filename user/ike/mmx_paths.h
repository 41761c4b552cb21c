/* SPDX-License-Identifier: GPL-2.0-only */
/* Paths that probes came over (MMX 6): from which address the peer was seen on each, and whether it
 * is known to receive there.
 *
 * Where packets go is never what was only seen: an address that is verified stays the one until
 * another has shown itself, or the peer says that it moved there.
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

enum {
	MMX_PATHS_KEPT = 64,
	MMX_RR_LIFE_SEC = 600,
	MMX_RR_RENEW_SEC = 30, /* before its end */
	MMX_RETRY_SEC = 5,     /* doubled each time, up to 64 times that */
	MMX_RETRY_DOUBLED = 6,
	MMX_RR_DOUBT_SEC = 12, /* as long as a probe may take to be given up, and a little */
};

struct mmx_path_seen {
	uint32_t path;		   /* number of I's endpoint in the upper half */
	struct udp_addr peer, own; /* peer: where packets for it go */
	struct udp_addr seen;	   /* where it was seen last; maybe another one */
	bool nat;		   /* on this path */
	bool nat_own;		   /* and it is we who are behind one */
	bool keep;		   /* it is to stay open */
	bool dead;		   /* probes were not answered there since */
	usec_t at;		   /* the last time */
	usec_t sent;		   /* by IKE: probes, keepalives */
	usec_t verified;	   /* peer: until then; 0: not */
	bool renewing;		   /* before that it was seen to */
	bool shown;		   /* peer: at some time it was */
	usec_t retry;		   /* dead: when it is to be probed again */
	uint8_t retries;	   /* as often in vain */
};

struct mmx_paths {
	unsigned n;
	struct mmx_path_seen p[MMX_PATHS_KEPT];
};

/* A probe, or the answer to one of ours, came over that path from p->peer; p->at says when. Moves
 * no SA. *ret_moved: the peer was seen elsewhere before. UNKNOWN_ADDRESS: no such path. */
enum mmx_status mmx_paths_see(struct mmx_paths *t, const struct mmx_lists *l,
			      const struct mmx_path_seen *p, bool *ret_moved);
/* NULL: not seen yet. */
const struct mmx_path_seen *mmx_paths_find(const struct mmx_paths *t, uint32_t path);
/* Is the peer known to receive at that address, by whichever path? */
bool mmx_paths_receives(const struct mmx_paths *t, const struct udp_addr *peer, usec_t now);
/* The peer has shown that it receives at peer on that path: packets go there. Nothing, if it was
 * seen elsewhere since. */
void mmx_paths_verify(struct mmx_paths *t, uint32_t path, const struct udp_addr *peer, usec_t now);
/* Whether ESP may be sent over that path. */
bool mmx_paths_verified(const struct mmx_paths *t, uint32_t path, usec_t now);
/* The peer says that it is where it was seen last, on the paths of that endpoint of its. */
void mmx_paths_moved(struct mmx_paths *t, enum mmx_owner owner, uint16_t epid);
/* Something says that the peer is not there (any more): it has to show it again within seconds,
 * unless it just did. Anybody may say so, and nothing stops for that alone. */
void mmx_paths_doubt(struct mmx_paths *t, const struct udp_addr *peer, usec_t now);
/* Probes of that path are not answered. If they ever were, they may be again. */
void mmx_paths_lost(struct mmx_paths *t, uint32_t path, usec_t now);
/* An endpoint is gone: its paths are. */
void mmx_paths_forget(struct mmx_paths *t, enum mmx_owner owner, uint16_t epid);
/* The next of those whose time comes: to be renewed or tried again, which is for the caller to do
 * if he needs it, or over. NULL: there is none yet. */
struct mmx_path_seen *mmx_paths_due(struct mmx_paths *t, usec_t now);
/* When there will be one. */
usec_t mmx_paths_due_at(const struct mmx_paths *t);

#endif
