/* SPDX-License-Identifier: GPL-2.0-only */
/* Whether what a path carries has changed by so much that its classes are to be planned anew: of
 * thousands of relations mostly few send anything, and probes and keepalives are nothing.
 *
 * Pure. Thread: one.
 */
#ifndef BRAID_STEER_LOAD_H
#define BRAID_STEER_LOAD_H

#include <stdbool.h>
#include <stdint.h>

#include "abi/steer.h"

/* bit/s: of each class on a path, and of all on its uplink. */
struct load {
	uint64_t class_bps[STEER_CLASSES], uplink_bps;
};

/* Since it was told? classes: a bit for each that asks for rates. What others send on the uplink
 * counts for a path that carries something. */
bool load_moved(const struct load *told, const struct load *now, uint8_t classes);

#endif
