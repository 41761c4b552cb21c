/* SPDX-License-Identifier: GPL-2.0-only */
/* The Child SAs of an added interface: see mmx_derive.h. */
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "mmx_derive.h"

void mmx_add_default_src(struct mmx_add *add, const struct mmx_list *of_a)
{
	const struct mmx_iface *own = NULL;

	mmx_list_ep(of_a, add->new, &own);
	add->n_src = 0;
	for (unsigned i = 0; i < of_a->n; i++)
		if (&of_a->iface[i] != own)
			add->src[add->n_src++] = of_a->iface[i].ifid;
}

/* ---- parents ---- */

struct ranked {
	uint32_t at;  /* place in all */
	uint32_t spi; /* spi_a */
	uint8_t rank; /* of the first source that it is bound to */
};

static uint8_t rank_of_iface(const struct mmx_add *add, uint16_t ifid)
{
	uint8_t i = 0;

	while (i < add->n_src && add->src[i] != ifid)
		i++;
	return i;
}

/* n_src: bound to none of them. */
static uint8_t rank_of(const struct mmx_child *c, const struct mmx_add *add,
		       const struct mmx_list *of_a)
{
	const struct mmx_ends *e = &c->binding->ends[add->a];
	uint8_t best = add->n_src;

	for (unsigned i = 0; i < e->n; i++) {
		const struct mmx_iface *f;

		if (!mmx_list_ep(of_a, e->epid[i], &f))
			continue;
		uint8_t rank = rank_of_iface(add, f->ifid);
		best = rank < best ? rank : best;
	}
	return best;
}

static int by_spi(const void *x, const void *y)
{
	const struct ranked *a = x, *b = y;

	return a->spi < b->spi ? -1 : a->spi > b->spi;
}

static int by_rank(const void *x, const void *y)
{
	const struct ranked *a = x, *b = y;

	return a->rank != b->rank ? (a->rank < b->rank ? -1 : 1) : by_spi(x, y);
}

/* Leaves those of r whose SPI is listed. */
static enum mmx_status restrict_to(struct ranked *r, size_t *n, struct bytes only)
{
	size_t kept = 0, found = 0, n_only = mmx_spi_count(only);
	bool *listed = calloc(*n ? *n : 1, sizeof(*listed));

	if (!listed)
		return MMX_BUSY;
	qsort(r, *n, sizeof(*r), by_spi);
	for (size_t i = 0; i < n_only; i++) {
		struct ranked want = { .spi = mmx_spi(only, i) };
		struct ranked *hit = bsearch(&want, r, *n, sizeof(*r), by_spi);

		found += !!hit;
		if (hit)
			listed[hit - r] = true;
	}
	for (size_t i = 0; i < *n; i++)
		if (listed[i])
			r[kept++] = r[i];
	*n = kept;
	free(listed);
	return found == n_only ? MMX_OK : MMX_UNKNOWN_SA;
}

enum mmx_status mmx_derive_parents(const struct mmx_child *all, size_t n, const struct mmx_add *add,
				   const struct mmx_list *of_a, uint32_t *ret_order, size_t *ret_n)
{
	struct ranked *r = calloc(n ? n : 1, sizeof(*r));
	enum mmx_status status = r ? MMX_OK : MMX_BUSY;
	size_t k = n, parents = 0;

	for (size_t i = 0; r && i < n; i++)
		r[i] = (struct ranked){ (uint32_t)i, all[i].spi_a, rank_of(&all[i], add, of_a) };
	if (r && add->only.len)
		status = restrict_to(r, &k, add->only);
	if (status == MMX_OK)
		qsort(r, k, sizeof(*r), by_rank);
	for (size_t i = 0; status == MMX_OK && i < k && r[i].rank < add->n_src; i++) {
		const struct mmx_child *c = &all[r[i].at];

		if (c->suspended)
			continue;
		if (c->busy)
			status = MMX_BUSY;
		else
			ret_order[parents++] = r[i].at;
	}
	if (status == MMX_OK)
		*ret_n = parents;
	free(r);
	return status;
}

/* ---- selectors ---- */

static bool is_one_of(const struct addr *a, const struct addr *list, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		if (addr_equal(a, &list[i]))
			return true;
	return false;
}

static const struct addr *of_family(const struct addr *list, unsigned n, uint8_t family)
{
	for (unsigned i = 0; i < n; i++)
		if (list[i].family == family)
			return &list[i];
	return NULL;
}

/* A range that is exactly an old inner address is the new one's. */
static void replace_inner(struct ike_ts *ts, const struct mmx_add *add)
{
	const struct addr *new = of_family(add->inner_new, add->n_inner_new, ts->first.family);

	if (new &&addr_equal(&ts->first, &ts->last) &&
	    is_one_of(&ts->first, add->inner_old, add->n_inner_old))
		ts->first = ts->last = *new;
}

void mmx_derive_ts(const struct mmx_child *parent, const struct mmx_add *add,
		   struct ike_ts ret_a[IKE_TS_MAX], struct ike_ts ret_b[IKE_TS_MAX])
{
	memcpy(ret_a, parent->ts_a, parent->n_ts_a * sizeof(*ret_a));
	memcpy(ret_b, parent->ts_b, parent->n_ts_b * sizeof(*ret_b));
	for (unsigned i = 0; i < parent->n_ts_a; i++) {
		if (parent->transport)
			ret_a[i].first = ret_a[i].last = add->new_addr;
		else
			replace_inner(&ret_a[i], add);
	}
	for (unsigned i = 0; parent->transport && i < parent->n_ts_b; i++)
		ret_b[i].first = ret_b[i].last = add->to_addr;
}

/* ---- what is there already ---- */

enum { TS_OCTETS = 1 + 2 + 2 + 1 + 2 * 16, ENDS_OCTETS = 1 + 2 * MMX_SIDE_MAX };

/* What makes two SAs the same: mode, protocol and selectors as sets. In transport mode the
 * endpoints stand for their addresses, which may look different from here. */
struct shape {
	size_t len;
	uint8_t b[2 + 2 * (1 + IKE_TS_MAX * TS_OCTETS + ENDS_OCTETS)];
};

static int by_octets(const void *x, const void *y)
{
	return memcmp(x, y, TS_OCTETS);
}

static void put_ts(struct wr *w, const struct ike_ts *ts, uint8_t n, bool addresses)
{
	uint8_t sorted[IKE_TS_MAX * TS_OCTETS];
	struct wr s = wr_init(sorted, sizeof(sorted));
	size_t kept = 0;

	for (unsigned i = 0; i < n; i++) {
		wr_u8(&s, ts[i].protocol);
		wr_u16(&s, ts[i].port_first);
		wr_u16(&s, ts[i].port_last);
		wr_u8(&s, addresses ? ts[i].first.family : 0);
		if (addresses) {
			wr_bytes(&s, ts[i].first.b, 16);
			wr_bytes(&s, ts[i].last.b, 16);
		} else {
			wr_zero(&s, 32);
		}
	}
	qsort(sorted, n, TS_OCTETS, by_octets);
	for (unsigned i = 0; i < n; i++)
		if (!i || memcmp(sorted + i * TS_OCTETS, sorted + (i - 1) * TS_OCTETS, TS_OCTETS))
			memmove(sorted + kept++ * TS_OCTETS, sorted + i * TS_OCTETS, TS_OCTETS);
	wr_u8(w, (uint8_t)kept);
	wr_bytes(w, sorted, kept * TS_OCTETS);
}

static int by_number(const void *x, const void *y)
{
	const uint16_t *a = x, *b = y;

	return *a < *b ? -1 : *a > *b;
}

static void put_ends(struct wr *w, struct mmx_ends e)
{
	qsort(e.epid, e.n, sizeof(e.epid[0]), by_number);
	wr_u8(w, e.n);
	for (unsigned i = 0; i < e.n; i++)
		wr_u16(w, e.epid[i]);
}

static void shape_of(const struct mmx_child *c, const struct ike_ts *ts_a,
		     const struct ike_ts *ts_b, const struct mmx_ends *a, const struct mmx_ends *b,
		     struct shape *ret)
{
	struct wr w = wr_init(ret->b, sizeof(ret->b));

	wr_u8(&w, c->protocol);
	wr_u8(&w, c->transport);
	put_ts(&w, ts_a, c->n_ts_a, !c->transport);
	put_ts(&w, ts_b, c->n_ts_b, !c->transport);
	if (c->transport) {
		put_ends(&w, *a);
		put_ends(&w, *b);
	}
	ret->len = w.len;
}

static void shape_there(const struct mmx_child *c, const struct mmx_add *add, struct shape *ret)
{
	shape_of(c, c->ts_a, c->ts_b, &c->binding->ends[add->a],
		 &c->binding->ends[add->a == MMX_I ? MMX_R : MMX_I], ret);
}

static void shape_derived(const struct mmx_child *c, const struct mmx_add *add, struct shape *ret)
{
	struct mmx_ends a = { 1, { add->new } }, b = { 1, { add->to } };
	struct ike_ts ts_a[IKE_TS_MAX], ts_b[IKE_TS_MAX];

	mmx_derive_ts(c, add, ts_a, ts_b);
	shape_of(c, ts_a, ts_b, &a, &b, ret);
}

/* An SA that is there, or is to be derived from one. */
struct known {
	struct hash_node node;
	const struct mmx_child *c;
	bool derived;
};

static bool is_known(const struct hash *h, const struct shape *s, const struct mmx_add *add)
{
	struct shape other;

	hash_for_each (it, next, h, hash_octets(s->b, s->len)) {
		const struct known *k = hash_entry(it, struct known, node);

		if (k->derived)
			shape_derived(k->c, add, &other);
		else
			shape_there(k->c, add, &other);
		if (other.len == s->len && !memcmp(other.b, s->b, s->len))
			return true;
	}
	return false;
}

enum mmx_status mmx_derive_kept(const struct mmx_child *all, size_t n, const struct mmx_add *add,
				uint32_t *order, size_t *n_order)
{
	struct known *known;
	struct shape s;
	struct hash h;
	size_t kept = 0;

	if (add->parallel || !*n_order)
		return MMX_OK;
	known = calloc(n + *n_order, sizeof(*known));
	if (!known)
		return MMX_BUSY;
	hash_init(&h);
	for (size_t i = 0; i < n; i++) {
		known[i].c = &all[i];
		shape_there(&all[i], add, &s);
		hash_add(&h, &known[i].node, hash_octets(s.b, s.len));
	}
	for (size_t i = 0; i < *n_order; i++) {
		struct known *k = &known[n + i];

		k->c = &all[order[i]];
		k->derived = true;
		shape_derived(k->c, add, &s);
		if (is_known(&h, &s, add))
			continue;
		hash_add(&h, &k->node, hash_octets(s.b, s.len));
		order[kept++] = order[i];
	}
	*n_order = kept;
	hash_clear(&h);
	free(known);
	return MMX_OK;
}
