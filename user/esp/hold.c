/* SPDX-License-Identifier: GPL-2.0-only */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "esp/hold.h"

enum { BUF = HOLD_PACKETS * HOLD_OCTETS };

int hold_init(struct hold *h)
{
	memset(h, 0, sizeof(*h));
	h->buf = mmap(NULL, BUF, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (h->buf == MAP_FAILED) {
		h->buf = NULL;
		return -ENOMEM;
	}
	for (unsigned i = 0; i < HOLD_PACKETS; i++)
		h->order[i] = (uint16_t)i;
	return 0;
}

void hold_clear(struct hold *h)
{
	if (h->buf)
		munmap(h->buf, BUF);
	h->buf = NULL;
	h->n = 0;
}

bool hold_put(struct hold *h, const struct held *m, const uint8_t *pkt)
{
	unsigned i;

	if (h->n == HOLD_PACKETS || m->len > HOLD_OCTETS)
		return false;
	i = h->order[h->n++];
	h->slot[i] = *m;
	memcpy(h->buf + (size_t)i * HOLD_OCTETS, pkt, m->len);
	return true;
}

void hold_sift(struct hold *h, bool (*judge)(void *ctx, const struct held *m, uint8_t *pkt),
	       void *ctx)
{
	uint16_t left[HOLD_PACKETS] = { 0 };
	unsigned stay = 0, leave = 0;

	for (unsigned k = 0; k < h->n; k++) {
		uint16_t i = h->order[k];

		if (judge(ctx, &h->slot[i], h->buf + (size_t)i * HOLD_OCTETS))
			h->order[stay++] = i;
		else
			left[leave++] = i;
	}
	memcpy(h->order + stay, left, leave * sizeof(*left));
	h->n = stay;
}
