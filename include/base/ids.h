/* SPDX-License-Identifier: GPL-2.0-only */
/* Numbers of 16 bits that others know things by: given one after the other, so that one which is
 * free again is not soon another's, and never one that is in use. Thread: one. */
#ifndef BRAID_BASE_IDS_H
#define BRAID_BASE_IDS_H

#include <stdint.h>

/* Those in use. All zero: none. */
struct ids {
	uint64_t used[1024];
};

void ids_use(struct ids *s, uint16_t id);
/* The first free one from *next on, which becomes the one after it; never 0. 0: all are in use. */
uint16_t ids_take(struct ids *s, uint16_t *next);

#endif
