/* SPDX-License-Identifier: GPL-2.0-only */
/* Bindings of SAs to endpoints: see mmx_binding.h. */
#include <string.h>

#include "mmx_binding.h"

/* ---- sets ---- */

static unsigned find(const struct mmx_ends *e, uint16_t epid)
{
	unsigned i = 0;

	while (i < e->n && e->epid[i] != epid)
		i++;
	return i;
}

static void drop(struct mmx_ends *e, unsigned i)
{
	e->n--;
	memmove(&e->epid[i], &e->epid[i + 1], (e->n - i) * sizeof(e->epid[0]));
}

bool mmx_binding_has(const struct mmx_binding *b, enum mmx_owner owner, uint16_t epid)
{
	return b->own && find(&b->ends[owner], epid) < b->ends[owner].n;
}

static bool ends_equal(const struct mmx_ends *a, const struct mmx_ends *b)
{
	return a->n == b->n && !memcmp(a->epid, b->epid, a->n * sizeof(a->epid[0]));
}

static bool alt_equal(const struct mmx_alt *a, const struct mmx_alt *b)
{
	return a->owner == b->owner && a->of == b->of && a->epid == b->epid && a->port == b->port &&
	       addr_equal(&a->addr, &b->addr);
}

bool mmx_binding_equal(const struct mmx_binding *a, const struct mmx_binding *b)
{
	bool same = a->own == b->own && a->ike == b->ike && a->no_boot == b->no_boot &&
		    a->n_alts == b->n_alts;

	for (unsigned i = 0; a->own && same && i < 2; i++)
		same = ends_equal(&a->ends[i], &b->ends[i]);
	for (unsigned i = 0; same && i < a->n_alts; i++)
		same = alt_equal(&a->alts[i], &b->alts[i]);
	return same;
}

/* Also of one that is not announced any more; 0: never was. */
static uint8_t family_of(const struct mmx_lists *l, enum mmx_owner owner, uint16_t epid)
{
	const struct mmx_iface_ep *ep = mmx_list_had_ep(l->of[owner], epid);

	return ep ? ep->addr.family : 0;
}

unsigned mmx_binding_partners(const struct mmx_binding *b, const struct mmx_lists *l,
			      enum mmx_owner owner)
{
	enum mmx_owner other = owner == MMX_I ? MMX_R : MMX_I;
	unsigned families = 0;

	for (unsigned i = 0; b->own && i < b->ends[other].n; i++)
		families |= 1u << family_of(l, other, b->ends[other].epid[i]);
	return families & (1u << 4 | 1u << 6);
}

static bool has_partner(const struct mmx_binding *b, const struct mmx_lists *l,
			enum mmx_owner owner, uint16_t epid)
{
	return mmx_binding_partners(b, l, owner) & 1u << family_of(l, owner, epid);
}

void mmx_binding_own(struct mmx_binding *b, uint16_t current_i, uint16_t current_r)
{
	if (b->own)
		return;
	b->own = true;
	b->ends[MMX_I] = (struct mmx_ends){ 1, { current_i } };
	b->ends[MMX_R] = (struct mmx_ends){ 1, { current_r } };
}

enum mmx_status mmx_binding_update(struct mmx_binding *b, const struct mmx_lists *l,
				   enum mmx_owner owner, uint16_t old, uint16_t new)
{
	struct mmx_ends *e = &b->ends[owner];
	unsigned at = b->own ? find(e, old) : 0, there = find(e, new);

	if (!b->own || at == e->n)
		return MMX_UNKNOWN_ADDRESS;
	if (!new) { /* what follows the IKE SA has no alternates of its own either */
		b->own = false;
		b->n_alts = 0;
		return MMX_OK;
	}
	if (!has_partner(b, l, owner, new))
		return MMX_FAMILY;
	if (there < e->n && there != at)
		drop(e, at);
	else
		e->epid[at] = new;
	return MMX_OK;
}

enum mmx_status mmx_binding_add(struct mmx_binding *b, const struct mmx_lists *l,
				enum mmx_owner owner, uint16_t new, uint8_t side_max)
{
	struct mmx_ends *e = &b->ends[owner];

	if (!b->own)
		return MMX_UNKNOWN_ADDRESS;
	if (find(e, new) < e->n)
		return MMX_OK;
	if (!has_partner(b, l, owner, new))
		return MMX_FAMILY;
	if (e->n >= side_max || e->n == MMX_SIDE_MAX)
		return MMX_TOO_MANY;
	e->epid[e->n++] = new;
	return MMX_OK;
}

enum mmx_status mmx_binding_remove(struct mmx_binding *b, const struct mmx_lists *l,
				   enum mmx_owner owner, uint16_t old)
{
	uint32_t paths[MMX_PATHS_MAX];
	struct mmx_binding less = *b;
	unsigned at = find(&b->ends[owner], old);

	if (!b->own || at == b->ends[owner].n)
		return MMX_UNKNOWN_ADDRESS;
	if (b->ends[owner].n == 1)
		return MMX_LAST_ADDRESS;
	drop(&less.ends[owner], at);
	if (!mmx_binding_paths(&less, l, paths))
		return MMX_FAMILY;
	*b = less;
	return MMX_OK;
}

/* ---- alternates ---- */

static bool is_of(const struct mmx_alt *a, enum mmx_owner owner, uint16_t old)
{
	return a->owner == owner && a->of == old;
}

static void drop_alts(struct mmx_binding *b, enum mmx_owner owner, uint16_t of, uint16_t naming)
{
	unsigned n = 0;

	for (unsigned i = 0; i < b->n_alts; i++) {
		const struct mmx_alt *a = &b->alts[i];

		if (!(of && is_of(a, owner, of)) &&
		    !(naming && a->owner == owner && a->epid == naming))
			b->alts[n++] = *a;
	}
	b->n_alts = (uint8_t)n;
}

enum mmx_status mmx_binding_set_alts(struct mmx_binding *b, enum mmx_owner owner, uint16_t old,
				     const struct mmx_alt *alts, unsigned n)
{
	unsigned had = 0;

	for (unsigned i = 0; i < b->n_alts; i++)
		had += is_of(&b->alts[i], owner, old);
	if (n > MMX_ALTS_MAX || b->n_alts - had + n > MMX_ALTS_STORED)
		return MMX_TOO_MANY;
	drop_alts(b, owner, old, 0);
	for (unsigned i = 0; i < n; i++) {
		struct mmx_alt *a = &b->alts[b->n_alts++];

		*a = alts[i];
		a->owner = (uint8_t)owner;
		a->of = old;
	}
	return MMX_OK;
}

void mmx_binding_forget(struct mmx_binding *b, enum mmx_owner owner, uint16_t epid)
{
	drop_alts(b, owner, epid, epid);
}

/* An address of the future has a number once it is announced; 0: it is not yet. */
static uint16_t number_of(const struct mmx_list *l, const struct mmx_alt *a)
{
	for (unsigned i = 0; !a->epid && i < l->n; i++)
		for (unsigned k = 0; k < l->iface[i].n; k++)
			if (addr_equal(&l->iface[i].ep[k].addr, &a->addr))
				return l->iface[i].ep[k].epid;
	return a->epid;
}

static bool up(const struct mmx_list *l, uint16_t epid)
{
	const struct mmx_iface *i;

	return mmx_list_ep(l, epid, &i) && i->flags & MMX_IFACE_UP;
}

unsigned mmx_binding_alternates(const struct mmx_binding *b, const struct mmx_lists *l,
				enum mmx_owner owner, uint16_t old,
				uint16_t ret_epids[MMX_ALTS_MAX])
{
	bool set = false;
	unsigned n = 0;

	for (unsigned i = 0; i < b->n_alts; i++) {
		uint16_t epid = number_of(l->of[owner], &b->alts[i]);

		if (!is_of(&b->alts[i], owner, old))
			continue;
		set = true;
		if (up(l->of[owner], epid) && has_partner(b, l, owner, epid))
			ret_epids[n++] = epid;
	}
	return set ? n
		   : mmx_list_alternates(l->of[owner], old, mmx_binding_partners(b, l, owner),
					 ret_epids);
}

/* ---- paths ---- */

unsigned mmx_binding_paths(const struct mmx_binding *b, const struct mmx_lists *l,
			   uint32_t ret_paths[MMX_PATHS_MAX])
{
	unsigned n = 0;

	for (unsigned i = 0; b->own && i < b->ends[MMX_I].n; i++)
		for (unsigned k = 0; k < b->ends[MMX_R].n; k++) {
			uint16_t ei = b->ends[MMX_I].epid[i], er = b->ends[MMX_R].epid[k];
			uint8_t family = family_of(l, MMX_I, ei);

			if (family && family == family_of(l, MMX_R, er))
				ret_paths[n++] = (uint32_t)ei << 16 | er;
		}
	return n;
}
