/* SPDX-License-Identifier: GPL-2.0-only */
/* Which pairs of addresses get an IKE SA of their own. */
#include "ike/cover.h"

static size_t uses_of_uplink(const struct cover *c, size_t n, const struct ike_path *pair)
{
	size_t uses = 0;

	for (size_t i = 0; i < n; i++)
		uses += c[i].wanted && c[i].pair.ifindex == pair->ifindex;
	return uses;
}

static size_t uses_of_remote(const struct cover *c, size_t n, const struct ike_path *pair)
{
	size_t uses = 0;

	for (size_t i = 0; i < n; i++)
		uses += c[i].wanted && addr_equal(&c[i].pair.remote.ip, &pair->remote.ip);
	return uses;
}

/* The one that reaches both ends of what none reaches yet, else one of the two, over what is used
 * the least otherwise. NULL: all is reached. */
static struct cover *next(struct cover *c, size_t n, enum ike_clone_pairs which)
{
	struct cover *best = NULL;
	size_t best_uses = 0;

	for (size_t i = 0; i < n; i++) {
		size_t up = uses_of_uplink(c, n, &c[i].pair);
		size_t to = uses_of_remote(c, n, &c[i].pair);

		if (c[i].wanted || c[i].barred || c[i].waits)
			continue;
		if (which == IKE_CLONE_ALL)
			return &c[i];
		if ((up && to) || (best && up + to >= best_uses))
			continue;
		best = &c[i];
		best_uses = up + to;
	}
	return best;
}

/* Lines up to the last stay. wait: what waits counts as reached, though it is no more than that. */
static size_t choose(struct cover *c, size_t n, enum ike_clone_pairs which, size_t max, bool wait,
		     uint64_t last)
{
	struct cover *more;
	size_t have = 0;

	for (size_t i = 0; i < n; i++) {
		bool stays = c[i].taken && c[i].taken <= last;

		c[i].wanted = stays || (wait && c[i].waits);
		have += stays;
	}
	while (have < max && (more = next(c, n, which))) {
		more->wanted = true;
		have++;
	}
	return have;
}

static bool all_work(const struct cover *c, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (c[i].taken && !c[i].works)
			return false;
	return true;
}

/* The youngest line up to that one; 0: there is none. */
static uint64_t youngest(const struct cover *c, size_t n, uint64_t last)
{
	uint64_t line = 0;

	for (size_t i = 0; i < n; i++)
		if (c[i].taken > line && c[i].taken <= last)
			line = c[i].taken;
	return line;
}

/* Without the youngest ones, down to none: when are the fewest wanted? As many as possible stay. */
size_t cover_choose(struct cover *c, size_t n, enum ike_clone_pairs which, size_t max)
{
	size_t best = choose(c, n, which, max, false, UINT64_MAX);
	uint64_t last = UINT64_MAX, line = youngest(c, n, last);
	bool try = all_work(c, n);

	while (try && line) {
		size_t without;

		line--;
		without = choose(c, n, which, max, false, line);
		if (without < best) {
			best = without;
			last = line;
		}
		line = youngest(c, n, line);
	}
	best = choose(c, n, which, max, true, last);
	for (size_t i = 0; i < n; i++)
		c[i].wanted = c[i].wanted && !c[i].waits;
	return best;
}
