/* SPDX-License-Identifier: GPL-2.0-only */
/* Intrusive heap of deadlines: who is due next, whatever their number.
 *
 * Setting, moving and removing one costs the logarithm of their number, asking for the earliest
 * nothing. Room is made beforehand, so that a deadline can always be set. Thread: the owner's.
 */
#ifndef BRAID_BASE_HEAP_H
#define BRAID_BASE_HEAP_H

#include <stddef.h>

#include "base/list.h"
#include "base/usec.h"

struct heap_node {
	usec_t due; /* as it stands in the heap */
	size_t at;  /* index; 0: in no heap */
};

struct heap {
	struct heap_node **node; /* the earliest at 1 */
	size_t n, cap;
};

#define heap_entry(ptr, type, member) list_entry(ptr, type, member)

/* Room for so many nodes, or -ENOMEM. A zeroed heap is an empty one. */
int heap_reserve(struct heap *h, size_t nodes);
/* Give back memory if so few nodes are all there will be; it matters not if that fails. */
void heap_trim(struct heap *h, size_t nodes);
void heap_clear(struct heap *h); /* the nodes are the owner's */
/* Put a node in, or move it, for which there is room; USEC_NEVER takes it out. */
void heap_set(struct heap *h, struct heap_node *n, usec_t due);
/* Also safe on a node that is zeroed or was removed. */
void heap_remove(struct heap *h, struct heap_node *n);

/* The earliest, or NULL. */
static inline struct heap_node *heap_first(const struct heap *h)
{
	return h->n ? h->node[1] : NULL;
}

#endif
