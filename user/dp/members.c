/* SPDX-License-Identifier: GPL-2.0-only */
#include "dp/members.h"

static bool same_pair(const struct candidate *a, const struct candidate *b)
{
	return addr_equal(a->local, b->local) && addr_equal(a->remote, b->remote);
}

static const struct candidate *preferred(const struct candidate *c, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (c[i].usable && c[i].preferred && !c[i].ending)
			return &c[i];
	return NULL;
}

/* A pair of addresses counts once, however many lines use it. */
static bool counted_before(const struct candidate *c, size_t i)
{
	for (size_t k = 0; k < i; k++)
		if (c[k].usable && c[k].same && !c[k].ending && same_pair(&c[k], &c[i]))
			return true;
	return false;
}

static bool any_unmetered(const struct candidate *c, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (c[i].usable && c[i].same && !c[i].ending && !c[i].metered && !c[i].alternate)
			return true;
	return false;
}

static enum member_why why(const struct candidate *c, size_t i, const struct candidate *first,
			   bool unmetered)
{
	if (c[i].ending)
		return MEMBER_ENDING;
	if (first)
		return &c[i] == first ? MEMBER_SHARES : MEMBER_OTHER_FIRST;
	if (!c[i].same)
		return MEMBER_SELECTORS;
	if (counted_before(c, i))
		return MEMBER_SAME_PAIR;
	if (c[i].alternate)
		return MEMBER_ALTERNATE;
	if (c[i].metered && unmetered)
		return MEMBER_METERED;
	return c[i].peer_standby ? MEMBER_PEER : MEMBER_SHARES;
}

/* What is to stay, best first, where there is no room for all. */
static unsigned class_of(const struct candidate *c)
{
	if (c->share)
		return 0;
	if (!c->same)
		return 2;
	return c->why == MEMBER_SAME_PAIR || c->ending ? 3 : 1;
}

static bool better(const struct candidate *a, const struct candidate *b)
{
	unsigned ca = class_of(a), cb = class_of(b);

	if (ca != cb)
		return ca < cb;
	return a->works != b->works ? a->works : a->rank < b->rank; /* else the earlier one */
}

static void leave_out_worst(struct candidate *c, size_t n)
{
	struct candidate *worst = NULL;

	for (size_t i = 0; i < n; i++)
		if (c[i].member && (!worst || !better(&c[i], worst)))
			worst = &c[i];
	if (!worst)
		return;
	worst->member = false;
	worst->share = 0;
	worst->why = MEMBER_FULL;
}

/* Standbys only: of those for this traffic all carry it. */
static void share_anyway(struct candidate *c, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (c[i].share)
			return;
	for (size_t i = 0; i < n; i++)
		if (c[i].usable && c[i].same && c[i].why != MEMBER_SAME_PAIR && !c[i].alternate)
			c[i].share = c[i].weight;
}

size_t members_choose(struct candidate *c, size_t n)
{
	const struct candidate *first = preferred(c, n);
	bool unmetered = any_unmetered(c, n);
	size_t members = 0;

	for (size_t i = 0; i < n; i++) {
		c[i].why = why(c, i, first, unmetered);
		c[i].member = c[i].usable;
		c[i].share = c[i].usable && c[i].why == MEMBER_SHARES ? c[i].weight : 0;
		if (!c[i].usable && c[i].why == MEMBER_SHARES)
			c[i].why = MEMBER_NOT_YET;
		members += c[i].member;
	}
	share_anyway(c, n);
	for (; members > STEER_MEMBERS_MAX; members--)
		leave_out_worst(c, n);
	return members;
}
