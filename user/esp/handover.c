/* SPDX-License-Identifier: GPL-2.0-only */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "base/secret.h"
#include "esp/handover.h"

/* turn[i] counts up: as many as the claim that may fill the place, one more when it is filled, and
 * a round of the ring more than it was when it is free again (the bounded queue of D. Vyukov). */

int handover_init(struct handover *h, size_t octets)
{
	memset(h, 0, sizeof(*h));
	h->stride = (sizeof(struct handover_item) + octets + 63) & ~(size_t)63;
	h->octets = h->stride * HANDOVER_PLACES;
	h->mem = mmap(NULL, h->octets, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (h->mem == MAP_FAILED) {
		h->mem = NULL;
		return -ENOMEM;
	}
	for (uint32_t i = 0; i < HANDOVER_PLACES; i++)
		atomic_init(&h->turn[i], i);
	return 0;
}

void handover_clear(struct handover *h)
{
	uint32_t used = atomic_load(&h->tail);

	if (!h->mem)
		return;
	if (used > HANDOVER_PLACES)
		used = HANDOVER_PLACES;
	secret_wipe(h->mem, used * h->stride);
	munmap(h->mem, h->octets);
	h->mem = NULL;
}

static struct handover_item *item_at(const struct handover *h, uint32_t i)
{
	return (void *)(h->mem + i * h->stride);
}

/* A stale count is an old one of `done`: fewer are left than there are. */
static uint32_t left(struct handover *h)
{
	uint32_t done = atomic_load_explicit(&h->done, memory_order_acquire);
	uint32_t used = atomic_load_explicit(&h->tail, memory_order_relaxed) - done;

	return used < HANDOVER_PLACES ? HANDOVER_PLACES - used : 0;
}

static struct handover_item *claim(struct handover *h)
{
	uint32_t n = atomic_load_explicit(&h->tail, memory_order_relaxed);

	for (;;) {
		uint32_t i = n % HANDOVER_PLACES;
		int32_t ahead =
			(int32_t)(atomic_load_explicit(&h->turn[i], memory_order_acquire) - n);

		if (ahead < 0)
			return NULL;
		if (ahead > 0) { /* another thread has it */
			n = atomic_load_explicit(&h->tail, memory_order_relaxed);
			continue;
		}
		if (atomic_compare_exchange_weak_explicit(&h->tail, &n, n + 1, memory_order_relaxed,
							  memory_order_relaxed)) {
			item_at(h, i)->turn = n;
			return item_at(h, i);
		}
	}
}

struct handover_item *handover_claim(struct handover *h, uint32_t peer)
{
	_Atomic uint32_t *held = &h->held[peer % HANDOVER_PEERS];
	struct handover_item *item = NULL;

	if (atomic_fetch_add_explicit(held, 1, memory_order_relaxed) < left(h))
		item = claim(h);
	if (!item)
		atomic_fetch_sub_explicit(held, 1, memory_order_relaxed);
	else
		item->peer = peer;
	return item;
}

void handover_publish(struct handover *h, struct handover_item *item)
{
	uint32_t n = item->turn;

	atomic_store_explicit(&h->turn[n % HANDOVER_PLACES], n + 1, memory_order_release);
}

struct handover_item *handover_take(struct handover *h)
{
	uint32_t i = h->head % HANDOVER_PLACES;

	if (atomic_load_explicit(&h->turn[i], memory_order_acquire) != h->head + 1)
		return NULL;
	h->head++;
	return item_at(h, i);
}

void handover_done(struct handover *h)
{
	uint32_t n = atomic_load_explicit(&h->done, memory_order_relaxed);

	for (; n != h->head; n++) {
		uint32_t peer = item_at(h, n % HANDOVER_PLACES)->peer;

		atomic_fetch_sub_explicit(&h->held[peer % HANDOVER_PEERS], 1, memory_order_relaxed);
		atomic_store_explicit(&h->turn[n % HANDOVER_PLACES], n + HANDOVER_PLACES,
				      memory_order_release);
	}
	atomic_store_explicit(&h->done, n, memory_order_release);
}
