/* SPDX-License-Identifier: GPL-2.0-only */
/* Anti-replay window of an inbound SA: 64-bit sequence numbers, thousands of packets wide because
 * packets of one SA arrive over several paths (RFC 4303 3.4.3, appendix A2; RFC 6479's idea that
 * the window need not be shifted).
 *
 * A ring of words, each of which names the block of 32 sequence numbers it stands for: a word of an
 * old block is taken over by compare-and-exchange, so nothing needs clearing when the window moves.
 * Thread: any number of threads may check and commit at the same time, without a lock; of two that
 * commit the same number exactly one gets true.
 */
#ifndef BRAID_ESP_REPLAY_H
#define BRAID_ESP_REPLAY_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum { REPLAY_WINDOW_MAX = 8192, REPLAY_WORDS = 512 };

struct replay {
	_Atomic uint64_t top;	/* highest sequence number verified; 0 = none */
	uint32_t window;	/* packets */
	_Atomic uint64_t *ring; /* owned page: block number (low 32 bits) << 32 | 32 bits */
};

/* window: packets; 0 or too large means REPLAY_WINDOW_MAX, at least 32. 0 or -ENOMEM. */
int replay_init(struct replay *w, uint32_t window);
void replay_clear(struct replay *w); /* zeroed is fine */

/* Complete the 32 bits on the wire to the ESN most likely meant (RFC 4303 A2.2). */
uint64_t replay_esn(const struct replay *w, uint32_t seq_low);

/* Tell whether seq may still be accepted. Changes nothing.
 * Returns false if it is 0, left of the window or already seen. */
bool replay_check(const struct replay *w, uint64_t seq);

/* Of one that was refused: has it been seen, within the window? False: it is left of it. */
bool replay_seen(const struct replay *w, uint64_t seq);

/* Mark seq as seen, after its ICV was verified. Returns false if it is left of the window or
 * another thread was first: drop the packet. */
bool replay_commit(struct replay *w, uint64_t seq);

#endif
