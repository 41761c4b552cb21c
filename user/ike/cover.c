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

		if (c[i].wanted || c[i].barred)
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

size_t cover_choose(struct cover *c, size_t n, enum ike_clone_pairs which, size_t max)
{
	struct cover *more;
	size_t have = 0;

	for (size_t i = 0; i < n; i++) {
		c[i].wanted = c[i].taken;
		have += c[i].taken;
	}
	while (have < max && (more = next(c, n, which))) {
		more->wanted = true;
		have++;
	}
	return have;
}
