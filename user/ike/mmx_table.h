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
	struct list in; /* mmx_table.all, or gone */
	unsigned refs;	/* SAs */
	uint32_t id;	/* of the table, never used again */
	/* mmx_publish.c: */
	uint64_t told;	      /* hash of what was told of it; 0: nothing */
	uint32_t was;	      /* mmx_apply.c: the path that it had before, by number; 0: none */
	bool was_dead;	      /* and that one does not work any more */
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
	struct list all;
	struct list gone; /* without SAs; but somebody was told of them, and is to hear of it */
	uint32_t last_id;
};

void mmx_table_init(struct mmx_table *t);
void mmx_table_clear(struct mmx_table *t);
/* The one that is equal, or a new one; a reference of the caller's. NULL: no memory. */
struct mmx_shared *mmx_shared_get(struct mmx_table *t, const struct mmx_binding *b);
/* One as it was, number included, without references. NULL: no memory. */
struct mmx_shared *mmx_shared_restore(struct mmx_table *t, uint32_t id,
				      const struct mmx_binding *b);
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
