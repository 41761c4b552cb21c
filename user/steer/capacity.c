/* SPDX-License-Identifier: GPL-2.0-only */
#include "steer/capacity.h"

enum {
	LOOK_MIN_USEC = 200000,
	WINDOW_SEC = 30,
	QUEUE_USEC = 10000, /* less is none: hosts and radio take a moment, too */
	OCTETS_MIN = 20000, /* of a look that tells anything */
	SHARE = 4,	    /* of what is new */
	LOST_PERMILLE = 10,
	LOSSY_PERMILLE = 50,
};

static uint32_t least(const struct capacity *c)
{
	return c->least[1] && c->least[1] < c->least[0] ? c->least[1] : c->least[0];
}

static void learn_least(struct capacity *c, uint32_t rtt, usec_t now)
{
	if (!c->least_at || now - c->least_at >= WINDOW_SEC * USEC_PER_SEC) {
		c->least[1] = c->least[0];
		c->least[0] = rtt;
		c->least_at = now;
	} else if (rtt < c->least[0]) {
		c->least[0] = rtt;
	}
}

static bool has_queue(const struct capacity *c, uint32_t rtt)
{
	uint32_t by = rtt - least(c);

	return by >= QUEUE_USEC && by >= least(c) / 4;
}

/* All of the last looks had a queue, and not always the same one, or one that loses: a way that has
 * got longer does not. */
static bool is_full(const struct capacity *c, uint32_t loss_permille)
{
	uint32_t low = UINT32_MAX, high = 0;

	if (c->queued < CAPACITY_LOOKS)
		return false;
	for (unsigned i = 0; i < CAPACITY_LOOKS; i++) {
		low = c->rtt[i] < low ? c->rtt[i] : low;
		high = c->rtt[i] > high ? c->rtt[i] : high;
	}
	return loss_permille >= LOST_PERMILLE || high - low >= (high - least(c)) / 32;
}

static void mix(struct capacity *c, uint64_t bps)
{
	c->bps = c->bps && c->full_at ? c->bps - c->bps / SHARE + bps / SHARE : bps;
}

/* grew: by how much longer packets wait than at the last look, usec. */
static void full(struct capacity *c, uint64_t octets, usec_t span, int64_t grew,
		 uint32_t loss_permille, usec_t now)
{
	int64_t took = (int64_t)span + grew;
	uint64_t bps;

	if (took < (int64_t)span / 4)
		took = (int64_t)span / 4;
	bps = (uint64_t)((double)octets * 8 * USEC_PER_SEC / (double)took);
	bps = bps / 1000 * (1000 - loss_permille);
	/* what was lost may be more than the probes tell: no more than that */
	if (loss_permille < LOSSY_PERMILLE || !c->full_at || bps < c->bps)
		mix(c, bps);
	c->full_at = now;
}

/* Carried without a queue, in two looks: at least that, and where it was once less an eighth more
 * is tried. */
static void carried(struct capacity *c, uint64_t bps)
{
	uint64_t both = bps < c->before ? bps : c->before;

	if (c->full_at && both >= c->bps - c->bps / 8)
		both += both / 8;
	if (both > c->bps)
		c->bps = both;
	c->before = bps;
}

void capacity_look(struct capacity *c, const struct capacity_look *l, usec_t now)
{
	const struct capacity was = *c;
	uint64_t octets = l->tx_octets - was.tx;
	usec_t span = now - was.at;
	uint32_t loss = l->loss_permille < 1000 ? l->loss_permille : 1000;

	if (!l->measured || (was.at && (span < LOOK_MIN_USEC || l->measured == was.measured)))
		return;
	c->at = now;
	c->measured = l->measured;
	c->tx = l->tx_octets;
	learn_least(c, l->rtt_usec, now);
	if (!has_queue(c, l->rtt_usec) || !was.at || octets < OCTETS_MIN) {
		c->queued = 0;
		if (was.at && octets >= OCTETS_MIN && loss < LOSSY_PERMILLE)
			carried(c, octets * 8 * USEC_PER_SEC / span);
		else
			c->before = 0;
		return;
	}
	c->before = 0;
	c->rtt[c->queued % CAPACITY_LOOKS] = l->rtt_usec;
	if (c->queued++ >= CAPACITY_LOOKS && is_full(c, loss)) {
		int64_t grew = (int64_t)l->rtt_usec - was.rtt[(was.queued - 1) % CAPACITY_LOOKS];

		full(c, octets, span, grew, loss, now);
	}
}
