/* SPDX-License-Identifier: GPL-2.0-only */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/heap.h"

enum { HEAP_MIN = 64 };

static void place(struct heap *h, size_t at, struct heap_node *n)
{
	h->node[at] = n;
	n->at = at;
}

static void up(struct heap *h, struct heap_node *n)
{
	size_t at = n->at;

	for (; at > 1 && h->node[at / 2]->due > n->due; at /= 2)
		place(h, at, h->node[at / 2]);
	place(h, at, n);
}

static void down(struct heap *h, struct heap_node *n)
{
	size_t at = n->at;

	for (size_t k; (k = 2 * at) <= h->n; at = k) {
		if (k < h->n && h->node[k + 1]->due < h->node[k]->due)
			k++;
		if (h->node[k]->due >= n->due)
			break;
		place(h, at, h->node[k]);
	}
	place(h, at, n);
}

static int resize(struct heap *h, size_t cap)
{
	struct heap_node **node = reallocarray(h->node, cap, sizeof(struct heap_node *));

	if (!node)
		return -ENOMEM;
	h->node = node;
	h->cap = cap;
	return 0;
}

int heap_reserve(struct heap *h, size_t nodes)
{
	size_t cap = h->cap ? h->cap : HEAP_MIN;

	while (cap <= nodes)
		cap *= 2;
	return cap == h->cap ? 0 : resize(h, cap);
}

void heap_trim(struct heap *h, size_t nodes)
{
	if (nodes < h->n)
		nodes = h->n;
	if (h->cap > HEAP_MIN && nodes < h->cap / 8)
		resize(h, h->cap / 4);
}

void heap_clear(struct heap *h)
{
	free(h->node);
	memset(h, 0, sizeof(*h));
}

void heap_set(struct heap *h, struct heap_node *n, usec_t due)
{
	if (due == USEC_NEVER) {
		heap_remove(h, n);
		return;
	}
	n->due = due;
	if (!n->at)
		place(h, ++h->n, n);
	up(h, n);
	down(h, n);
}

void heap_remove(struct heap *h, struct heap_node *n)
{
	size_t at = n->at;
	struct heap_node *last;

	if (!at)
		return;
	last = h->node[h->n--];
	n->at = 0;
	if (last == n)
		return;
	place(h, at, last);
	up(h, last);
	down(h, last);
}
