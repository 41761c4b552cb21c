/* SPDX-License-Identifier: GPL-2.0-only */
#include "esp/joins.h"

bool joins_take(struct joins *j, uint32_t group, uint32_t epids, const struct udp_addr *remote,
		usec_t now)
{
	int place = -1, share = 0;

	for (int i = 0; i < JOINS_MAX; i++) {
		if (!j->recent[i].when || j->recent[i].when + USEC_PER_SEC <= now) {
			place = i;
			continue;
		}
		if (j->recent[i].group != group)
			continue;
		if (++share == JOINS_SHARE ||
		    (j->recent[i].epids == epids && udp_addr_equal(&j->recent[i].remote, remote)))
			return false;
	}
	if (place < 0)
		return false;
	j->recent[place].remote = *remote;
	j->recent[place].group = group;
	j->recent[place].epids = epids;
	j->recent[place].when = now;
	return true;
}
