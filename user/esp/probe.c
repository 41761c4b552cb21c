/* SPDX-License-Identifier: GPL-2.0-only */
#include <errno.h>
#include <linux/types.h>
#include <string.h>

#include "abi/steer.h"
#include "base/wire.h"
#include "esp/probe.h"

#define UNDER_WAY_USEC (5 * USEC_PER_SEC)

static const uint8_t magic[4] = { 'B', 'R', 'P', '1' };

void probe_encode(const struct probe *p, uint8_t *buf)
{
	struct wr w = wr_init(buf, PROBE_LEN);

	wr_bytes(&w, magic, sizeof(magic));
	wr_u8(&w, p->kind);
	wr_u8(&w, p->flags);
	wr_u16(&w, p->count);
	wr_u32(&w, p->epids);
	wr_bytes(&w, p->nonce, sizeof(p->nonce));
	wr_u64(&w, p->t_sent);
	wr_u8(&w, p->observed.ip.family);
	wr_u8(&w, 0);
	wr_u16(&w, p->observed.port);
	wr_bytes(&w, p->observed.ip.b, 16);
}

int probe_decode(const uint8_t *buf, size_t len, struct probe *ret_probe)
{
	struct rd r = rd_init(buf, len);
	struct probe p = { 0 };
	uint8_t m[4];

	rd_copy(&r, m, sizeof(m));
	p.kind = rd_u8(&r);
	p.flags = rd_u8(&r);
	p.count = rd_u16(&r);
	p.epids = rd_u32(&r);
	rd_copy(&r, p.nonce, sizeof(p.nonce));
	p.t_sent = rd_u64(&r);
	p.observed.ip.family = rd_u8(&r);
	rd_skip(&r, 1);
	p.observed.port = rd_u16(&r);
	rd_copy(&r, p.observed.ip.b, 16);
	if (r.err || memcmp(m, magic, sizeof(m)) != 0)
		return -EBADMSG;
	if (p.kind < PROBE_REQUEST || p.kind > PROBE_LOST)
		return -EBADMSG;
	if (p.observed.ip.family != 4 && p.observed.ip.family != 6)
		memset(&p.observed, 0, sizeof(p.observed));
	else if (p.observed.ip.family == 4)
		memset(p.observed.ip.b + 4, 0, 12);
	*ret_probe = p;
	return 0;
}

void probe_path_config(struct probe_path *p, const struct probe_config *cfg)
{
	p->cfg = *cfg;
	if (p->cfg.interval < USEC_PER_MSEC)
		p->cfg.interval = USEC_PER_MSEC;
	if (p->cfg.down_after == 0)
		p->cfg.down_after = 3;
	if (p->cfg.up_after == 0)
		p->cfg.up_after = 2;
}

unsigned probe_pending_for(usec_t interval)
{
	unsigned n = PROBE_PENDING_MIN;

	while (n < PROBE_PENDING && n * interval < UNDER_WAY_USEC)
		n *= 2;
	return n;
}

void probe_path_init(struct probe_path *p, const struct probe_config *cfg,
		     struct probe_pending *ring, unsigned n, usec_t now)
{
	memset(p, 0, sizeof(*p));
	probe_path_config(p, cfg);
	p->pending = ring;
	p->n_pending = n;
	p->state = STEER_PATH_UNKNOWN;
	p->next = p->since = now;
	p->verdict = USEC_NEVER;
	p->open = 1;
}

static bool set_state(struct probe_path *p, uint8_t state, usec_t now)
{
	if (p->state == state)
		return false;
	/* What was lost while it was down says nothing about the path that came back. */
	if (p->state == STEER_PATH_DOWN) {
		memset(p->history, 0, sizeof(p->history));
		p->history_n = p->history_lost = 0;
		p->open = p->last_answered + 1;
		p->count = 0;
	}
	p->state = state;
	p->since = now;
	p->back = 0;
	return true;
}

/* The first answer ever is enough; after a failure the path must show that it stays. */
static bool settle(struct probe_path *p, usec_t now)
{
	if (p->state == STEER_PATH_UNKNOWN)
		return set_state(p, STEER_PATH_UP, now);
	if (p->state != STEER_PATH_DOWN || !p->back || p->answered < p->cfg.up_after ||
	    (!p->needed && now < p->back + p->cfg.back_after))
		return false;
	return set_state(p, STEER_PATH_UP, now);
}

static void remember(struct probe_path *p, bool lost)
{
	uint8_t *h = &p->history[p->history_n % PROBE_HISTORY];

	p->history_lost += lost;
	p->history_lost -= *h;
	*h = lost;
	p->history_n++;
}

/* For the statistics a request is lost when the next one could have been answered: a scheduler that
 * takes a millisecond longer than usual loses nothing. */
static usec_t timeout(const struct probe_path *p)
{
	return p->rtt + p->cfg.interval;
}

/* Until the RTT is known, the one of RFC 6298 2.1: a long path is not down because it is long. */
static usec_t first_wait(const struct probe_path *p)
{
	return p->cfg.interval > USEC_PER_SEC ? p->cfg.interval : USEC_PER_SEC;
}

static struct probe_pending *pending(const struct probe_path *p, uint64_t n)
{
	return &p->pending[n & (p->n_pending - 1)];
}

void probe_path_ring(struct probe_path *p, struct probe_pending *ring, unsigned n)
{
	unsigned least = n < p->n_pending ? n : p->n_pending;
	usec_t oldest = p->tx ? pending(p, p->tx < least ? 1 : p->tx - least + 1)->sent : 0;

	/* Of those before nothing is known, and no answer is waited for. */
	for (unsigned i = 0; i < n; i++)
		ring[i] = (struct probe_pending){ .answered = true, .sent = oldest };
	for (uint64_t k = p->tx; k && p->tx - k < least; k--)
		ring[k & (n - 1)] = *pending(p, k);
	p->pending = ring;
	p->n_pending = n;
	if (p->tx - p->open >= n)
		p->open = p->tx - n + 1;
}

/* The verdict falls one RTT after the last of down_after silent requests, so at most that many
 * intervals and an RTT after the path failed. The requests before it had their intervals to be
 * answered late: one slow answer takes no path out. Silence counts from the youngest request that
 * was answered; how many are under way says nothing where the RTT is longer than an interval. */
static void judge(struct probe_path *p)
{
	uint64_t last = p->last_answered + p->cfg.down_after;

	if (p->tx < last)
		p->verdict = USEC_NEVER;
	else if (p->tx - last < p->n_pending)
		p->verdict = pending(p, last)->sent + (p->rtt ? p->rtt : first_wait(p));
}

/* Requests are in the order of their time: only the oldest open ones need a look. */
static void count_lost(struct probe_path *p, usec_t now)
{
	for (; p->open <= p->tx; p->open++) {
		const struct probe_pending *q = pending(p, p->open);

		if (q->answered)
			continue;
		if (now < q->sent + timeout(p))
			break;
		remember(p, true);
	}
}

bool probe_path_fail(struct probe_path *p, usec_t now)
{
	p->answered = 0;
	p->back = 0;
	return set_state(p, STEER_PATH_DOWN, now);
}

bool probe_path_tick(struct probe_path *p, usec_t now)
{
	if (p->rtt)
		count_lost(p, now);
	return now >= p->verdict && probe_path_fail(p, now);
}

bool probe_path_due(const struct probe_path *p, usec_t now)
{
	return now >= p->next;
}

void probe_path_sent(struct probe_path *p, uint8_t nonce[8], usec_t now)
{
	struct probe_pending *q = pending(p, ++p->tx);

	if (p->tx - p->open >= p->n_pending) /* the path is longer than what is remembered */
		p->open++;
	nonce[0] = (uint8_t)p->tx;
	memcpy(q->nonce_rest, nonce + 1, sizeof(q->nonce_rest));
	q->sent = now;
	q->answered = false;
	judge(p);
	/* Keep the rhythm; do not catch up on what was missed while we slept. */
	p->next += p->cfg.interval;
	if (p->next <= now)
		p->next = now + p->cfg.interval;
}

static void measure(struct probe_path *p, usec_t sample)
{
	uint32_t r = sample > UINT32_MAX ? UINT32_MAX : sample == 0 ? 1 : (uint32_t)sample;
	uint32_t d = r > p->rtt ? r - p->rtt : p->rtt - r;

	p->rtt_last = r;
	if (p->rtt_min == 0 || r < p->rtt_min)
		p->rtt_min = r;
	if (p->rtt == 0) {
		p->rtt = r;
		p->jitter = r / 2;
		return;
	}
	p->jitter = (uint32_t)((3ull * p->jitter + d) / 4);
	p->rtt = (uint32_t)((7ull * p->rtt + r) / 8);
}

/* How many requests in a row were answered, without one between that was not. */
static void count_row(struct probe_path *p, uint64_t n)
{
	if (n < p->last_answered)
		return;
	if (n != p->last_answered + 1)
		p->answered = 0;
	p->last_answered = n;
	if (p->answered < UINT8_MAX)
		p->answered++;
}

/* The answer to request n came back with this count. */
static void count_ways(struct probe_path *p, uint64_t n, uint16_t count)
{
	struct probe_ways *w = &p->ways;
	uint64_t span = n - w->sent;
	uint32_t more = count > p->count ? count - p->count : count + UINT16_MAX - p->count;

	if (!count)
		return;
	if (!p->count) {
		*w = (struct probe_ways){ n, n, n };
		p->past[0] = p->past[1] = *w;
		p->count = count;
		return;
	}
	if (n < w->sent) {
		/* Out of order: if on the way there, it seemed to be lost. */
		if (more <= w->sent - w->there) {
			w->there += more;
			p->count = count;
		}
		w->back += w->back < w->there;
		return;
	}
	if (more > span) {
		/* The peer counts anew: of these nothing is known. */
		more = (uint32_t)span;
		w->back += span - 1;
	}
	w->sent = n;
	w->there += more;
	w->back++;
	p->count = count;
	if (w->sent - p->past[1].sent >= PROBE_HISTORY / 2) {
		p->past[0] = p->past[1];
		p->past[1] = *w;
	}
}

bool probe_path_answer(struct probe_path *p, const uint8_t nonce[8], uint16_t count, usec_t now,
		       bool *ret_ours)
{
	uint64_t n = p->tx - (uint8_t)(p->tx - nonce[0]);
	struct probe_pending *q = pending(p, n);

	*ret_ours = n && n <= p->tx && p->tx - n < p->n_pending && !q->answered &&
		    memcmp(q->nonce_rest, nonce + 1, sizeof(q->nonce_rest)) == 0;
	if (!*ret_ours)
		return false;
	p->rx++;
	p->verified = true;
	/* Before the first answer the other side may not know the path yet: nothing was lost. */
	if (!p->rtt)
		p->open = n;
	measure(p, now - q->sent);
	p->measured = now;
	if (n >= p->open)
		remember(p, false);
	q->answered = true;
	count_row(p, n);
	count_ways(p, n, count);
	judge(p);
	if (p->state == STEER_PATH_DOWN && !p->back)
		p->back = now;
	return settle(p, now);
}

bool probe_path_need(struct probe_path *p, bool needed, usec_t now)
{
	p->needed = needed;
	return p->state == STEER_PATH_DOWN && settle(p, now);
}

usec_t probe_path_deadline(const struct probe_path *p)
{
	usec_t d = p->next;

	if (p->state != STEER_PATH_DOWN && p->verdict < d)
		d = p->verdict;
	for (uint64_t n = p->open; p->rtt && n <= p->tx; n++) {
		const struct probe_pending *q = pending(p, n);

		if (q->answered)
			continue;
		if (q->sent + timeout(p) < d)
			d = q->sent + timeout(p);
		break;
	}
	return d;
}

uint32_t probe_path_loss_permille(const struct probe_path *p)
{
	unsigned n = p->history_n < PROBE_HISTORY ? p->history_n : PROBE_HISTORY;

	return n ? p->history_lost * 1000 / n : 0;
}

uint32_t probe_path_loss_felt(const struct probe_path *p)
{
	uint64_t sent = p->ways.sent - p->past[0].sent, there = p->ways.there - p->past[0].there;

	if (!p->count || sent < PROBE_WAYS_MIN)
		return p->history_lost * 1000 / PROBE_HISTORY;
	if (sent < PROBE_HISTORY / 2) {
		there += PROBE_HISTORY / 2 - sent;
		sent = PROBE_HISTORY / 2;
	}
	return there < sent ? (uint32_t)((sent - there) * 1000 / sent) : 0;
}

bool probe_path_loss_ways(const struct probe_path *p, uint32_t *ret_there, uint32_t *ret_back)
{
	uint64_t sent = p->ways.sent - p->past[0].sent, there = p->ways.there - p->past[0].there,
		 back = p->ways.back - p->past[0].back;

	if (!p->count || sent < PROBE_WAYS_MIN)
		return false;
	/* what came out of order may have been missing when half of the history was full */
	*ret_there = there < sent ? (uint32_t)((sent - there) * 1000 / sent) : 0;
	*ret_back = back < there ? (uint32_t)((there - back) * 1000 / there) : 0;
	return true;
}
