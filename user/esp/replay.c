/* SPDX-License-Identifier: GPL-2.0-only */
#include <errno.h>
#include <string.h>

#include "esp/pages.h"
#include "esp/replay.h"

/* One window and one block more, so that no two blocks of a window share a word. */
_Static_assert(REPLAY_WORDS * 32 >= REPLAY_WINDOW_MAX + 32, "ring too small");

_Static_assert(REPLAY_WORDS * sizeof(uint64_t) == PAGES_OCTETS, "one page");

int replay_init(struct replay *w, uint32_t window)
{
	if (window == 0 || window > REPLAY_WINDOW_MAX)
		window = REPLAY_WINDOW_MAX;
	memset(w, 0, sizeof(*w));
	w->window = window < 32 ? 32 : window;
	w->ring = pages_take(); /* no memory before the first packet */
	return w->ring ? 0 : -ENOMEM;
}

void replay_clear(struct replay *w)
{
	pages_give(w->ring);
	w->ring = NULL;
}

uint64_t replay_esn(const struct replay *w, uint32_t seq_low)
{
	uint64_t top = atomic_load_explicit(&w->top, memory_order_relaxed);
	uint32_t tl = (uint32_t)top, th = (uint32_t)(top >> 32);
	/* The lower edge of the window; unsigned arithmetic as in RFC 4303 A2.1. */
	uint32_t bottom = tl - w->window + 1;

	if (tl >= w->window - 1) {
		/* Case A: the window lies in one subspace. */
		if (seq_low < bottom)
			th++;
	} else if (seq_low >= bottom && th > 0) {
		/* Case B: it spans two. Before the first wrap there is no lower one. */
		th--;
	}
	return (uint64_t)th << 32 | seq_low;
}

static bool left_of_window(const struct replay *w, uint64_t top, uint64_t seq)
{
	return seq == 0 || (top >= w->window && seq <= top - w->window);
}

bool replay_check(const struct replay *w, uint64_t seq)
{
	uint64_t top = atomic_load_explicit(&w->top, memory_order_relaxed);
	uint64_t block = seq >> 5, word;

	if (left_of_window(w, top, seq))
		return false;
	word = atomic_load_explicit(&w->ring[block % REPLAY_WORDS], memory_order_relaxed);
	return word >> 32 != (uint32_t)block || !(word >> (seq & 31) & 1);
}

bool replay_seen(const struct replay *w, uint64_t seq)
{
	uint64_t top = atomic_load_explicit(&w->top, memory_order_relaxed);

	return !left_of_window(w, top, seq) && !replay_check(w, seq);
}

bool replay_commit(struct replay *w, uint64_t seq)
{
	uint64_t top = atomic_load_explicit(&w->top, memory_order_relaxed);
	uint64_t block = seq >> 5, bit = UINT64_C(1) << (seq & 31), old, new;
	_Atomic uint64_t *word = &w->ring[block % REPLAY_WORDS];

	if (left_of_window(w, top, seq))
		return false;
	old = atomic_load_explicit(word, memory_order_relaxed);
	do {
		uint32_t tag = (uint32_t)(old >> 32);

		if (tag == (uint32_t)block) {
			if (old & bit)
				return false;
			new = old | bit;
		} else {
			/* A word of a later block: another thread has moved the window past us.
			 * Any other word is left over from a block long ago. */
			if (tag - (uint32_t)block < UINT32_C(1) << 24)
				return false;
			new = (uint64_t)(uint32_t)block << 32 | bit;
		}
	} while (!atomic_compare_exchange_weak(word, &old, new));
	while (seq > top)
		if (atomic_compare_exchange_weak(&w->top, &top, seq))
			break;
	return true;
}
