/* SPDX-License-Identifier: GPL-2.0-only */
/* Equal bindings are one object, which all SAs that have it share: what happens to an endpoint of
 * thousands of SAs happens to a few bindings. Who keeps something for a binding (a group of paths)
 * keeps it for the object, which stays the same one when all its SAs go the same way. Thread: the
 * agent's.
 */
#ifndef BRAID_IKE_MMX_TABLE_H
#define BRAID_IKE_MMX_TABLE_H

#include "base/hash.h"
#include "mmx_binding.h"

struct mmx_shared {
	struct hash_node node;
	unsigned refs;	      /* SAs */
	struct mmx_binding b; /* changes by mmx_shared_change only */
	/* mmx_apply.c's, while an action is looked at: */
	struct mmx_shared *next;
	struct mmx_binding want;
	unsigned chosen; /* SAs that the action is about */
	enum mmx_status status;
	bool doomed;	       /* its SAs are to be deleted */
	bool quiet;	       /* only alternates of its SAs change, by the way */
	struct mmx_shared *to; /* what those go to */
};

struct mmx_table {
	struct hash h;
};

void mmx_table_init(struct mmx_table *t);
void mmx_table_clear(struct mmx_table *t);
/* The one that is equal, or a new one; a reference of the caller's. NULL: no memory. */
struct mmx_shared *mmx_shared_get(struct mmx_table *t, const struct mmx_binding *b);
/* Give n references back; s may be NULL. */
void mmx_shared_put(struct mmx_table *t, struct mmx_shared *s, unsigned n);
/* n of the SAs of s get another binding: s itself if those are all and no other object is equal, or
 * else that one, or else spare, which was allocated by mmx_shared_spare and is the table's then.
 * What is returned has the references of those n. s stays, if without references, until
 * mmx_shared_put(t, s, 0).
 */
struct mmx_shared *mmx_shared_change(struct mmx_table *t, struct mmx_shared *s, unsigned n,
				     const struct mmx_binding *b, struct mmx_shared *spare);
/* One in no table; free() it if it is not used. NULL: no memory. */
struct mmx_shared *mmx_shared_spare(void);

#endif
