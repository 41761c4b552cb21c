/* SPDX-License-Identifier: GPL-2.0-only */
/* Which of several SAs carries a packet. A family of IKE SAs may have one for each path (RFC 7791),
 * with Child SAs of its own whose selectors are all the same: siblings. The policy finds one of
 * them; the steering's own records say over which path the packet's flow goes (abi/pick.h), whose
 * line of IKE SAs that path is, and so which sibling's ESP it has to be.
 *
 * A line is a number the agent gives to an IKE SA and its successors (struct steer_group); no two
 * families share one, so equal selectors of strangers do not make siblings of them. A line's SA to
 * send on is the one the policy knows: not one that is deferred, replaced or about to go. The
 * choice is made by what the maps say at that moment: a path that is lost is avoided by engine and
 * steering alike from the next packet on.
 *
 * One writer, the control thread; packet threads look without locks, between epoch_enter and
 * epoch_leave. Adding and removing costs the same whatever the number of SAs.
 */
#ifndef BRAID_ESP_SIBLINGS_H
#define BRAID_ESP_SIBLINGS_H

#include <linux/types.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "abi/steer.h"
#include "base/hash.h"
#include "base/usec.h"
#include "esp/replies.h"

struct sa;

struct siblings {
	_Atomic(struct sa *) *head; /* by hash of selectors and line */
	struct hash by_selectors;   /* the control thread's */
	uint64_t last_number;
	struct replies replies;
};

/* How long an SA that answers a peer's request leaves its packets to others: our answer is there
 * by then, or has been sent again. */
#define SIBLING_WAIT_USEC USEC_PER_SEC

/* An SA's place among them. */
struct sibling {
	uint32_t line;	    /* of IKE SAs; 0: it has no siblings */
	uint64_t selectors; /* equal ones have the same number, which is not given out again; 0: no
			     * line */
	bool waits;	    /* others send for it until it has brought a valid packet, */
	usec_t waits_until; /* but no longer than that */
	_Atomic(struct sa *) next;
	struct selectors *of; /* this and below: the control thread's */
	struct list node;
};

/* The steering maps as they are mapped, to read. */
struct steer_view {
	_Atomic uint32_t *path_cur;
	const _Atomic uint32_t *group_cur;
	const uint8_t *group, *path;
	uint32_t paths, groups, group_slots, path_slots; /* entries */
};

/* A path's word; NULL: there is none of that number. */
static inline _Atomic uint32_t *steer_path_word(const struct steer_view *v, uint32_t id)
{
	/* entries are STEER_STRIDE apart, in words here */
	size_t i = id * STEER_STRIDE(struct steer_path_cur) / sizeof(*v->path_cur);

	return id < v->paths ? &v->path_cur[i] : NULL;
}

/* A path's record, by its word; NULL: there is none. Good for a second at least. */
static inline const struct steer_path *steer_path_record(const struct steer_view *v, uint32_t word)
{
	uint32_t slot = ((union steer_path_word){ .word = word }).cur.slot;

	if (!slot || slot >= v->path_slots)
		return NULL;
	return (const void *)(v->path + slot * STEER_STRIDE(struct steer_path));
}

/* A group's record; NULL: there is no such group. */
static inline const struct steer_group *steer_group_record(const struct steer_view *v,
							   uint32_t group)
{
	size_t i = group * STEER_STRIDE(struct steer_group_cur) / sizeof(*v->group_cur);
	uint32_t slot = 0;

	if (group < v->groups)
		slot = atomic_load_explicit(&v->group_cur[i], memory_order_acquire);
	if (!slot || slot >= v->group_slots)
		return NULL;
	return (const void *)(v->group + slot * STEER_STRIDE(struct steer_group));
}

/* The group of a class; class 0's where it has none. NULL: there is no such group. */
static inline const struct steer_group *steer_group_of(const struct steer_view *v, uint32_t group,
						       uint8_t klass)
{
	const struct steer_group *g = steer_group_record(v, STEER_GROUP_OF(group, klass));

	return g || !klass ? g : steer_group_record(v, group);
}

/* Any thread: they have the same selectors, in any order. */
bool siblings_equal(const struct sa *a, const struct sa *b);

int siblings_init(struct siblings *t);
void siblings_clear(struct siblings *t); /* no SA may be left */

/* Control thread. An SA is there, whether it sends or not. 0 or -ENOMEM. */
int siblings_join(struct siblings *t, struct sa *sa);
void siblings_leave(struct siblings *t, struct sa *sa);
/* It is to send now, or no longer. */
void siblings_show(struct siblings *t, struct sa *sa);
void siblings_hide(struct siblings *t, struct sa *sa);

/* Packet threads: the SA that carries packets of this class and flow slot, instead of the one the
 * policy has found: that of the path's line. The one that was found, where there is none, unless
 * its key is used up. Ask where sa_has_siblings. One that the peer may not have yet, since it waits
 * for our answer, is left out. */
struct sa *siblings_choose(const struct siblings *t, const struct steer_view *v, struct sa *found,
			   uint8_t klass, uint32_t flow_slot, usec_t now);
/* May it send, as far as its keys and its peer are concerned? */
bool siblings_may_send(const struct sa *sa, usec_t now);
/* The flow slot nearest behind that one whose packets a line's path carries; that one, if there is
 * none or the path is not up. found: as above. */
uint32_t siblings_slot(const struct steer_view *v, const struct sa *found, uint32_t line,
		       uint8_t klass, uint32_t flow_slot);

/* The path that a packet of that group, class and flow slot takes, with its word (abi/pick.h); 0:
 * none. */
uint64_t siblings_pick(const struct steer_view *v, uint32_t group, uint8_t klass,
		       uint32_t flow_slot);

#endif
