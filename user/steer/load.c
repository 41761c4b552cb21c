/* SPDX-License-Identifier: GPL-2.0-only */
#include "steer/load.h"

enum { LEAST_BPS = 16000, CARRIES_BPS = 64000, PART = 64 };

static bool moved(uint64_t told, uint64_t now)
{
	uint64_t by = now > told ? now - told : told - now;

	return by > LEAST_BPS + told / PART;
}

bool load_moved(const struct load *told, const struct load *now, uint8_t classes)
{
	bool carries = false;

	for (unsigned k = 0; k < STEER_CLASSES; k++) {
		if (!(classes >> k & 1))
			continue;
		if (moved(told->class_bps[k], now->class_bps[k]))
			return true;
		carries |= now->class_bps[k] > CARRIES_BPS;
	}
	return carries && moved(told->uplink_bps, now->uplink_bps);
}
