/* SPDX-License-Identifier: GPL-2.0-only */
/* What the files of the clones share: see clones.c. */
#ifndef BRAID_AGENT_CLONES_IMPL_H
#define BRAID_AGENT_CLONES_IMPL_H

#include "agent.h"

#define CLONES_WAIT_FIRST (2 * USEC_PER_SEC) /* after something has failed once */

enum { CLONE_BARS_MAX = CONN_PAIRS_MAX };

/* What did not fail for so long begins anew. */
#define CLONES_OLD (600 * USEC_PER_SEC)
/* No room: an IKE SA may have ended that is not ours. Or the peer deleted a spare one. */
#define CLONES_SLOW (60 * USEC_PER_SEC)

/* What a line is for. */
struct aim {
	uint64_t line;
	bool aimed, ours, leaving, tested;
	struct ike_path goal;
	uint32_t test; /* under way; 0: none */
	usec_t next;
	usec_t failed;	/* a Child SA of it, last */
	unsigned fails; /* in a row */
};

struct bar {
	struct ike_path pair;
	usec_t until, wait; /* USEC_NEVER: the operator took it down */
};

struct clones {
	struct list node;
	char conn[IKE_NAME_MAX];
	usec_t next; /* when it is looked at; USEC_NEVER: when something happens */
	size_t n_aims, n_asked, n_bars;
	struct aim aims[IKE_SAS_MAX];
	struct {
		uint32_t op;
		struct ike_path goal; /* remote family 0: a spare one */
	} asked[IKE_SAS_MAX];	      /* clones under way */
	struct bar bars[CLONE_BARS_MAX];
	size_t wanted;
	usec_t spare_at; /* no spare one before, the last was refused */
	char why[160];	 /* it has not what is wanted; "": it has */
	bool alone;	 /* the peer cannot do it, which was said */
};

/* What is there, at one look. */
struct clones_view {
	const struct ike_conn_cfg *c;
	size_t n;
	struct {
		uint64_t line;
		struct ike_path pair;
		struct peer *p; /* NULL: there was no memory */
		bool can;	/* be cloned, and move */
	} lines[IKE_SAS_MAX];
	bool mmx;    /* the peer has that, and clones are not needed */
	bool beside; /* none can: an IKE SA is set up beside them for each pair */
	size_t n_ending;
	uint64_t ending[IKE_SAS_MAX]; /* lines whose IKE SA is being deleted, or replaced */
	struct addrs told;
	size_t n_pairs;
	struct ike_path pairs[CONN_PAIRS_MAX];
};

/* Does the connection want one IKE SA for each path, at least with a peer without MMX, and do we
 * begin? */
bool clones_asked(const struct ike_conn_cfg *c_or_null);
/* c is borrowed. */
void clones_view(struct agent *a, const struct ike_conn_cfg *c, struct clones_view *ret_view);
/* Does that line work: clones_line_works. */
bool clones_view_works(const struct clones_view *v, size_t line);
/* What is cloned: the first line that works, else that could; v->n: none. */
size_t clones_view_source(const struct clones_view *v);
/* Make spare clones as far as some are missing. Returns when to look again, USEC_NEVER. */
usec_t clones_spare(struct agent *a, struct clones *k, const struct clones_view *v);
/* May a line be there now: link and address are up, and the configuration wants it? */
bool clones_view_has(const struct clones_view *v, const struct ike_path *pair);
/* Interface and address are there, the link may be down: a line that is for it may stay. */
bool clones_pair_stays(struct agent *a, const struct clones_view *v, const struct ike_path *pair);
/* Its place in the view; v->n: it is not there. */
size_t clones_view_find(const struct clones_view *v, uint64_t line);
/* It is no more in the view, but there is an end to come. */
bool clones_view_ends(const struct clones_view *v, uint64_t line);
/* Has it Child SAs, and carries its own pair packets, as far as anybody knows? */
bool clones_line_works(const struct peer *p);

/* Look at it no later than that. */
static inline void clones_look_by(struct clones *k, usec_t at)
{
	if (at < k->next)
		k->next = at;
}

/* ---- clones_bars.c ---- */

/* It has failed: not before a while, longer each time. */
void clones_bar(struct clones *k, const struct ike_path *pair);
/* Made if it is not there. */
struct bar *clones_bar_get(struct clones *k, const struct ike_path *pair);
bool clones_barred(struct clones *k, const struct ike_path *pair);
/* By the operator, or it has failed once and is tried again soon. */
bool clones_held(struct clones *k, const struct ike_path *pair);
/* A pair that goes and comes back is as good as new. */
void clones_bars_forget(struct agent *a, struct clones *k, const struct clones_view *v);
/* Look at it when the first is over, and say how many there are. */
void clones_bars_wait(struct clones *k);

#endif
