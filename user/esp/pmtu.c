/* SPDX-License-Identifier: GPL-2.0-only */
#include <string.h>

#include "esp/pmtu.h"

/* Of links that are common: tried before halving, where they are in between. */
static const uint16_t common[] = { 1500, 1492 };

/* The largest packet of the grid that has at most so many octets. */
static uint16_t on_grid(const struct pmtu_grid *g, uint16_t size)
{
	if (size <= g->offset || g->unit == 0)
		return size;
	return (uint16_t)(size - (size - g->offset) % g->unit);
}

/* The first step of the grid above. */
static uint16_t above(const struct pmtu_grid *g, uint16_t size)
{
	return (uint16_t)(on_grid(g, size) + (g->unit ? g->unit : 1));
}

static bool use(struct pmtu *p, uint16_t size)
{
	bool changed = p->mtu != size;

	p->mtu = size;
	return changed;
}

static void try(struct pmtu *p, enum pmtu_phase phase, uint16_t size)
{
	p->phase = phase;
	p->size = size;
	p->tried = 0;
	p->waiting = false;
}

void pmtu_init(struct pmtu *p, uint16_t limit, uint8_t family, usec_t now)
{
	memset(p, 0, sizeof(*p));
	p->floor = family == 6 ? PMTU_FLOOR6 : PMTU_FLOOR4;
	p->next_confirm = p->next_raise = now;
	pmtu_limit(p, limit, now);
}

bool pmtu_limit(struct pmtu *p, uint16_t limit, usec_t now)
{
	if (limit > PMTU_CEILING)
		limit = PMTU_CEILING;
	if (limit < p->floor)
		limit = p->floor;
	if (limit == p->limit)
		return false;
	/* What was found is still true below the limit; beyond it everything is new. */
	if (p->mtu == p->limit || p->mtu > limit) {
		p->limit = limit;
		p->bad = (uint16_t)(limit + 1);
		try(p, PMTU_CONFIRM, limit);
		return use(p, limit);
	}
	p->limit = limit;
	p->bad = (uint16_t)(limit + 1);
	/* the answer to what is under way may still come: it is not asked for any more */
	if (p->size > limit)
		try(p, PMTU_REST, 0);
	pmtu_recheck(p, now);
	return false;
}

void pmtu_assume(struct pmtu *p, uint16_t mtu, usec_t now)
{
	if (mtu < p->floor || mtu >= p->limit)
		return;
	use(p, mtu);
	try(p, PMTU_CONFIRM, mtu);
	p->next_raise = now;
}

void pmtu_recheck(struct pmtu *p, usec_t now)
{
	p->next_raise = now;
	pmtu_confirm(p, now);
}

void pmtu_confirm(struct pmtu *p, usec_t now)
{
	p->next_confirm = now;
	if (p->phase == PMTU_REST)
		try(p, PMTU_CONFIRM, p->mtu);
}

static void rest(struct pmtu *p, const struct pmtu_view *v, usec_t now)
{
	p->phase = PMTU_REST;
	p->waiting = false;
	p->next_confirm = now + v->confirm;
	p->next_raise = now + v->raise;
}

/* What to try next between a size that passes and one that does not. */
static void search(struct pmtu *p, const struct pmtu_view *v, usec_t now)
{
	uint16_t size;

	for (size_t i = 0; i < sizeof(common) / sizeof(common[0]); i++) {
		size = on_grid(&v->grid, common[i]);
		if (size > p->mtu && size < p->bad) {
			try(p, PMTU_SEARCH, size);
			return;
		}
	}
	size = on_grid(&v->grid, (uint16_t)(p->mtu + (p->bad - p->mtu) / 2));
	if (size <= p->mtu)
		size = above(&v->grid, p->mtu);
	if (size >= p->bad || size > p->limit)
		rest(p, v, now);
	else
		try(p, PMTU_SEARCH, size);
}

/* The size tried does not pass. */
static bool too_large(struct pmtu *p, const struct pmtu_view *v, usec_t now)
{
	p->bad = p->size;
	switch ((enum pmtu_phase)p->phase) {
	case PMTU_CONFIRM:
	case PMTU_FALL: {
		uint16_t less = p->size > PMTU_BASE && PMTU_BASE > p->floor ? PMTU_BASE : p->floor;

		if (p->size <= on_grid(&v->grid, p->floor)) {
			/* Not even that; there is nothing better to use. */
			rest(p, v, now);
			return use(p, p->floor);
		}
		try(p, PMTU_FALL, on_grid(&v->grid, less));
		return use(p, less);
	}
	case PMTU_RISE:
		if (p->step || above(&v->grid, p->mtu) >= p->bad) {
			rest(p, v, now);
		} else {
			p->step = true;
			try(p, PMTU_RISE, above(&v->grid, p->mtu));
		}
		return false;
	case PMTU_SEARCH:
		search(p, v, now);
		return false;
	case PMTU_REST:
		break;
	}
	return false;
}

bool pmtu_answered(struct pmtu *p, const struct pmtu_view *v, usec_t now)
{
	uint16_t size = p->size;
	bool changed;

	if (p->phase == PMTU_CONFIRM) {
		p->phase = PMTU_REST;
		p->waiting = false;
		p->next_confirm = now + v->confirm;
		return use(p, size);
	}
	if (p->phase == PMTU_RISE && p->step)
		p->bad = on_grid(&v->grid, p->limit); /* which was tried before */
	changed = use(p, size);
	search(p, v, now);
	return changed;
}

bool pmtu_lost(struct pmtu *p, const struct pmtu_view *v, usec_t now)
{
	p->waiting = false;
	if (++p->tried < v->tries)
		return false;
	return too_large(p, v, now);
}

void pmtu_void(struct pmtu *p)
{
	p->waiting = false;
}

bool pmtu_tick(struct pmtu *p, const struct pmtu_view *v, usec_t now)
{
	if (!v->usable) {
		p->waiting = false; /* its silence says nothing about sizes */
		p->tried = 0;
		return false;
	}
	return p->waiting && now >= p->deadline && pmtu_lost(p, v, now);
}

uint16_t pmtu_due(struct pmtu *p, const struct pmtu_view *v, usec_t now)
{
	uint16_t top = on_grid(&v->grid, p->limit);

	if (!v->usable || p->waiting)
		return 0;
	if (p->phase != PMTU_REST) {
		/* the grid may have changed with the suite, and before the first probe it was not
		 * known */
		p->size = on_grid(&v->grid, p->size);
		return p->size;
	}
	if (now >= p->next_raise && p->mtu < top) {
		p->bad = (uint16_t)(p->limit + 1);
		p->step = false;
		try(p, PMTU_RISE, top);
	} else if (now >= p->next_confirm && v->idle) {
		p->next_confirm = now + v->confirm;
		return 0;
	} else if (now >= p->next_confirm) {
		try(p, PMTU_CONFIRM, on_grid(&v->grid, p->mtu));
	} else {
		return 0;
	}
	return p->size;
}

void pmtu_sent(struct pmtu *p, const struct pmtu_view *v, const uint8_t nonce[8], usec_t now)
{
	memcpy(p->nonce, nonce, sizeof(p->nonce));
	p->waiting = true;
	p->deadline = now + v->timeout;
}

bool pmtu_asked(const struct pmtu *p, const uint8_t nonce[8])
{
	return p->waiting && memcmp(p->nonce, nonce, sizeof(p->nonce)) == 0;
}

usec_t pmtu_deadline(const struct pmtu *p, const struct pmtu_view *v)
{
	if (!v->usable)
		return USEC_NEVER;
	if (p->waiting)
		return p->deadline;
	if (p->phase != PMTU_REST)
		return 0;
	if (p->mtu < on_grid(&v->grid, p->limit) && p->next_raise < p->next_confirm)
		return p->next_raise;
	return p->next_confirm;
}
