/* SPDX-License-Identifier: GPL-2.0-only */
/* Grace periods: packet threads read shared objects through pointers without locks; the one writer
 * swaps a pointer and frees the old object once every reader has been outside since.
 *
 * Readers call epoch_enter and epoch_leave around a batch and keep no pointer across. Thread: each
 * reader index belongs to one thread; epoch_advance and epoch_passed to the writer.
 */
#ifndef BRAID_ESP_EPOCH_H
#define BRAID_ESP_EPOCH_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum { EPOCH_READERS = 16 };

struct epoch {
	_Atomic uint64_t now;
	struct {
		_Alignas(64) _Atomic uint64_t seen; /* UINT64_MAX: outside */
	} reader[EPOCH_READERS];
};

static inline void epoch_init(struct epoch *e)
{
	atomic_init(&e->now, 1);
	for (int i = 0; i < EPOCH_READERS; i++)
		atomic_init(&e->reader[i].seen, UINT64_MAX);
}

static inline void epoch_enter(struct epoch *e, int reader)
{
	atomic_store(&e->reader[reader].seen, atomic_load(&e->now));
	/* Pointers are read after the writer can see that we are inside. */
	atomic_thread_fence(memory_order_seq_cst);
}

static inline void epoch_leave(struct epoch *e, int reader)
{
	atomic_store_explicit(&e->reader[reader].seen, UINT64_MAX, memory_order_release);
}

/* After an object was made unreachable: the mark at which it may be freed. */
static inline uint64_t epoch_advance(struct epoch *e)
{
	return atomic_fetch_add(&e->now, 1) + 1;
}

static inline bool epoch_passed(struct epoch *e, uint64_t mark)
{
	for (int i = 0; i < EPOCH_READERS; i++)
		if (atomic_load(&e->reader[i].seen) < mark)
			return false;
	return true;
}

#endif
