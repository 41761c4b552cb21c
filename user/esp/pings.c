/* SPDX-License-Identifier: GPL-2.0-only */
#include <string.h>

#include "esp/pings.h"

void pings_sent(struct pings *p, const struct ping *ping)
{
	struct ping *place = &p->open[p->next++ % PINGS_MAX];

	p->n += !place->sent;
	*place = *ping;
}

bool pings_take(struct pings *p, const uint8_t nonce[8], usec_t now, struct ping *ret_ping)
{
	bool found = false;

	for (unsigned i = 0; p->n && i < PINGS_MAX; i++) {
		struct ping *q = &p->open[i];
		bool old = q->sent + PING_KEPT <= now;

		if (!q->sent || (!old && memcmp(q->nonce, nonce, 8) != 0))
			continue;
		if (!old) {
			*ret_ping = *q;
			found = true;
		}
		q->sent = 0;
		p->n--;
	}
	return found;
}
