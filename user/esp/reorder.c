/* SPDX-License-Identifier: GPL-2.0-only */
#include <string.h>

#include "esp/reorder.h"

enum { NOTHING, WAITING, LOST };

/* How far a is behind b in the circle of numbers; negative: before it. */
static int32_t ahead(uint32_t a, uint32_t b)
{
	return (int32_t)(a - b);
}

static bool heard(const struct reorder *r, const struct reorder_source *s, usec_t now)
{
	return s->from && now < s->heard + r->patience;
}

void reorder_init(struct reorder *r, struct reorder *before)
{
	memset(r, 0, sizeof(*r));
	r->patience = REORDER_PATIENCE_USEC;
	r->ways = 1;
	if (!before)
		return;
	r->before = before;
	r->patience = before->patience;
	memcpy(r->source, before->source, sizeof(r->source));
	for (int i = 0; i < REORDER_SOURCES; i++)
		r->source[i].here = false;
}

void reorder_begin_at(struct reorder *r, uint32_t number)
{
	r->next = number;
}

static struct reorder_source *source_of(struct reorder *r, uint64_t from)
{
	struct reorder_source *silent = &r->source[0];

	for (int i = 0; i < REORDER_SOURCES; i++) {
		struct reorder_source *s = &r->source[i];

		if (s->from == from)
			return s;
		if (s->heard < silent->heard)
			silent = s;
	}
	*silent = (struct reorder_source){ .from = from };
	return silent;
}

/* Those of its run that did not come before it are lost. */
static void hear(struct reorder *r, uint64_t from, const struct bond_place *p, usec_t now)
{
	struct reorder_source *s = source_of(r, from);
	uint32_t n = p->number - p->run;

	s->heard = now;
	if (s->here && ahead(p->number, s->newest) <= 0)
		return;
	if (s->here && ahead(s->newest, n) >= 0)
		n = s->newest + 1;
	if (ahead(r->next, n) > 0)
		n = r->next;
	s->here = true;
	s->newest = p->number;
	for (; ahead(p->number, n) > 0 && ahead(n, r->next) < REORDER_PACKETS; n++) {
		unsigned i = n % REORDER_PACKETS;

		if (r->slot[i].is != NOTHING)
			continue;
		r->slot[i].is = LOST;
		r->lost++;
	}
}

/* What is missing below that is lost: all paths have brought it, or a later one. */
static uint32_t horizon(const struct reorder *r, usec_t now)
{
	uint32_t low = r->next;
	unsigned n = 0;

	for (int i = 0; i < REORDER_SOURCES; i++) {
		const struct reorder_source *s = &r->source[i];

		if (!heard(r, s, now))
			continue;
		if (!s->here || ahead(s->newest, r->next) <= 0)
			return r->next;
		if (!n++ || ahead(s->newest, low) < 0)
			low = s->newest;
	}
	return n < r->ways ? r->next : low;
}

/* The next one, if it is there or nowhere. */
static bool step(struct reorder *r, const struct reorder_ops *ops, void *ctx)
{
	unsigned i = r->next % REORDER_PACKETS;
	uint8_t is = r->slot[i].is;

	if (is == NOTHING)
		return false;
	r->slot[i].is = NOTHING;
	r->next++;
	if (is == LOST) {
		r->lost--;
		r->stats.missed++;
		return true;
	}
	r->waiting--;
	ops->deliver(ctx, r->slot[i].handle);
	return true;
}

/* All up to that number, and what follows on it. */
static void advance(struct reorder *r, uint32_t to, const struct reorder_ops *ops, void *ctx)
{
	while (ahead(to, r->next) > 0) {
		if (!r->waiting && !r->lost) {
			r->stats.missed += to - r->next;
			r->next = to;
			break;
		}
		if (!step(r, ops, ctx)) {
			r->stats.missed++;
			r->next++;
		}
	}
	while (step(r, ops, ctx))
		;
}

void reorder_flush(struct reorder *r, const struct reorder_ops *ops, void *ctx)
{
	struct reorder *before = r->before;

	r->before = NULL;
	if (before)
		reorder_flush(before, ops, ctx);
	while (r->waiting)
		advance(r, r->next + 1, ops, ctx);
}

static void begin(struct reorder *r, const struct reorder_ops *ops, void *ctx)
{
	struct reorder *before = r->before;

	r->before = NULL;
	reorder_flush(before, ops, ctx);
	advance(r, r->next, ops, ctx);
}

void reorder_yield(struct reorder *r, uint32_t n, const struct reorder_ops *ops, void *ctx)
{
	uint32_t were = r->waiting, left = were > n ? were - n : 0;

	if (r->before)
		begin(r, ops, ctx);
	while (r->waiting > left)
		advance(r, r->next + 1, ops, ctx);
	r->stats.yielded += were - r->waiting;
}

static bool all_here(const struct reorder *r, usec_t now)
{
	for (int i = 0; i < REORDER_SOURCES; i++)
		if (heard(r, &r->source[i], now) && !r->source[i].here)
			return false;
	return true;
}

/* There is room for that number. */
static void make_room(struct reorder *r, uint32_t number, const struct reorder_ops *ops, void *ctx)
{
	if (ahead(number, r->next) < REORDER_PACKETS)
		return;
	r->stats.full++;
	if (r->before)
		begin(r, ops, ctx);
	advance(r, number - REORDER_PACKETS + 1, ops, ctx);
}

static bool keep(struct reorder *r, uint32_t number, usec_t now, const struct reorder_ops *ops,
		 void *ctx)
{
	unsigned i = number % REORDER_PACKETS;

	if (!ops->keep(ctx, &r->slot[i].handle)) {
		r->stats.full++;
		return false;
	}
	r->slot[i].is = WAITING;
	r->slot[i].since = now;
	if (!r->waiting++)
		r->oldest = now;
	r->stats.waited++;
	return true;
}

/* No packet of the SA before is waited for, and those that wait are delivered. */
static bool may_begin(const struct reorder *r, usec_t now)
{
	return r->before && all_here(r, now);
}

/* The sender has forgotten all numbers. */
static void begin_anew(struct reorder *r, uint32_t number, const struct reorder_ops *ops, void *ctx)
{
	reorder_flush(r, ops, ctx);
	memset(r->source, 0, sizeof(r->source));
	memset(r->slot, 0, sizeof(r->slot));
	r->lost = 0;
	r->next = number;
}

bool reorder_put(struct reorder *r, const struct bond_place *p, uint64_t from, usec_t now,
		 const struct reorder_ops *ops, void *ctx)
{
	uint32_t number = p->number;
	unsigned i = number % REORDER_PACKETS;

	if (p->patience_usec)
		r->patience = p->patience_usec;
	r->ways = p->ways;
	if (ahead(number, r->next) < -REORDER_BACK_MAX)
		begin_anew(r, number, ops, ctx);
	make_room(r, number, ops, ctx);
	hear(r, from, p, now);
	if (may_begin(r, now))
		begin(r, ops, ctx);
	if (ahead(number, r->next) < 0) {
		r->stats.late++;
		ops->deliver(ctx, REORDER_IN_HAND);
		return true;
	}
	if (r->slot[i].is == WAITING)
		return false;
	r->lost -= r->slot[i].is == LOST; /* its path has not kept its order */
	r->slot[i].is = NOTHING;
	if (!r->before)
		advance(r, r->next, ops, ctx); /* what it told to be lost */
	if ((number != r->next || r->before) && !keep(r, number, now, ops, ctx)) {
		if (r->before)
			begin(r, ops, ctx);
		advance(r, number, ops, ctx);
	}
	if (r->slot[i].is != WAITING) {
		r->next = number + 1;
		ops->deliver(ctx, REORDER_IN_HAND);
	}
	if (!r->before)
		advance(r, horizon(r, now), ops, ctx);
	return true;
}

usec_t reorder_deadline(const struct reorder *r)
{
	return r->waiting ? r->oldest + r->patience : USEC_NEVER;
}

void reorder_run(struct reorder *r, usec_t now, const struct reorder_ops *ops, void *ctx)
{
	usec_t oldest = now;
	uint32_t to = r->next, left = r->waiting;

	if (now < reorder_deadline(r))
		return;
	for (uint32_t n = r->next; left; n++) {
		usec_t since = r->slot[n % REORDER_PACKETS].since;

		if (r->slot[n % REORDER_PACKETS].is != WAITING)
			continue;
		left--;
		if (now >= since + r->patience)
			to = n + 1;
		else if (since < oldest)
			oldest = since;
	}
	/* perhaps those that are left are younger than that: the next time tells */
	r->oldest = oldest;
	if (to != r->next && r->before)
		begin(r, ops, ctx);
	advance(r, to, ops, ctx);
	if (!r->before)
		advance(r, horizon(r, now), ops, ctx);
}
