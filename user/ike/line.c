/* SPDX-License-Identifier: GPL-2.0-only */
/* Lines and families of IKE SAs: who belongs together, and how many they are.
 *
 * A line is one IKE SA and those that took its place when it was rekeyed. A family is all lines
 * that come of one authentication: its first, and the clones (clone.c). Addresses, Child SAs and
 * requests are a line's; leases, quotas and the session are the family's.
 */
#include "exchange.h"
#include "ike_private.h"

struct ike_sa *line_owner(const struct ike *ike, uint64_t line)
{
	struct ike_sa *newest = NULL;

	/* two, while it is authenticated anew */
	hash_for_each (it, tmp, &ike->lines, line) {
		struct ike_sa *sa = hash_entry(it, struct ike_sa, by_line);

		if (sa->state == IKE_ESTABLISHED && !sa->redundant &&
		    (!newest || sa->serial > newest->serial))
			newest = sa;
	}
	return newest;
}

/* One that its peer has too, and that is not replaced: until its Delete is answered. */
static bool counts(const struct ike_sa *sa)
{
	return (sa->state == IKE_ESTABLISHED || sa->state == IKE_DELETING) && !sa->redundant;
}

unsigned family_lines(const struct ike *ike, uint64_t family)
{
	unsigned n = 0;

	hash_for_each (it, tmp, &ike->families, family)
		n += counts(hash_entry(it, struct ike_sa, by_family));
	return n;
}

bool family_crowded(const struct ike *ike, uint64_t family)
{
	unsigned n = 0;

	hash_for_each (it, tmp, &ike->families, family)
		n++;
	return n >= 4 * IKE_SAS_MAX;
}

void ike_carried_keep(struct ike *ike, uint64_t family, const struct ike_carried *carried)
{
	hash_for_each (it, tmp, &ike->families, family) {
		struct ike_sa *sa = hash_entry(it, struct ike_sa, by_family);

		sa->carried = *carried;
		ike_sa_touch(sa);
	}
	ike_reap(ike);
}

unsigned family_children(const struct ike *ike, uint64_t family)
{
	unsigned n = 0;

	hash_for_each (it, tmp, &ike->families, family)
		n += hash_entry(it, struct ike_sa, by_family)->n_children;
	return n;
}

bool family_others(const struct ike *ike, const struct ike_sa *sa)
{
	hash_for_each (it, tmp, &ike->families, sa->family) {
		const struct ike_sa *o = hash_entry(it, struct ike_sa, by_family);

		if (o != sa && counts(o))
			return true;
	}
	return false;
}

struct ike_sa *family_first(const struct ike *ike, uint64_t family)
{
	struct ike_sa *first = NULL;

	hash_for_each (it, tmp, &ike->families, family) {
		struct ike_sa *o = hash_entry(it, struct ike_sa, by_family);

		if (o->state == IKE_ESTABLISHED && !o->redundant && o->n_children &&
		    (!first || o->line < first->line))
			first = o;
	}
	return first;
}
