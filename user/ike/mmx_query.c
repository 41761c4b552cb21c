/* SPDX-License-Identifier: GPL-2.0-only */
/* Digests of what SAs are bound to: see mmx_query.h. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/prf.h"
#include "mmx_query.h"

enum { ENTRY_MAX = 1 + 4 + 4 + 1 + 1 + 2 * 2 * MMX_SIDE_MAX };

/* ---- the digest ---- */

static int by_number(const void *a, const void *b)
{
	return (int)*(const uint16_t *)a - (int)*(const uint16_t *)b;
}

static void put_ends(struct wr *w, const struct mmx_ends *e)
{
	struct mmx_ends sorted = *e;

	qsort(sorted.epid, sorted.n, sizeof(sorted.epid[0]), by_number);
	for (unsigned i = 0; i < sorted.n; i++)
		wr_u16(w, sorted.epid[i]);
}

static uint32_t spi_of(const struct mmx_apply *c, const struct mmx_sa *sa, enum mmx_owner owner)
{
	return c->sender == owner ? sa->spi_sender : sa->spi_receiver;
}

static void put_sa(const struct mmx_apply *c, const struct mmx_sa *sa, struct wr *w)
{
	struct mmx_binding b = mmx_effective(c, sa);

	wr_u8(w, sa->ike ? PROTO_NONE : sa->protocol);
	wr_u32(w, sa->ike ? 0 : spi_of(c, sa, MMX_I));
	wr_u32(w, sa->ike ? 0 : spi_of(c, sa, MMX_R));
	wr_u8(w, b.ends[MMX_I].n);
	wr_u8(w, b.ends[MMX_R].n);
	put_ends(w, &b.ends[MMX_I]);
	put_ends(w, &b.ends[MMX_R]);
}

struct ref {
	uint32_t spi_i;
	const struct mmx_sa *sa;
};

static int by_spi(const void *a, const void *b)
{
	const struct ref *x = a, *y = b;

	return x->spi_i < y->spi_i ? -1 : x->spi_i > y->spi_i;
}

int mmx_query_digest(const struct mmx_keys *k, const struct mmx_apply *c, struct mmx_digest *ret)
{
	struct ref *refs = calloc(c->n + 1, sizeof(*refs));
	uint8_t *list = malloc((c->n + 1) * ENTRY_MAX), out[PRF_MAX_OCTETS];
	static const uint8_t label[] = { 'q', 'u', 'e', 'r', 'y' };
	struct wr w;
	size_t n = 0;
	int r = -ENOMEM;

	if (!refs || !list)
		goto out;
	for (size_t i = 0; i < c->n; i++)
		if (c->sas[i].chosen)
			refs[n++] = (struct ref){ c->sas[i].ike ? 0 : spi_of(c, &c->sas[i], MMX_I),
						  &c->sas[i] };
	qsort(refs, n, sizeof(*refs), by_spi);
	w = wr_init(list, (c->n + 1) * ENTRY_MAX);
	for (size_t i = 0; i < n; i++)
		put_sa(c, refs[i].sa, &w);
	struct chunk in[] = { { label, sizeof(label) }, { list, w.len } };
	r = prf_compute(k->prf, k->k.b, k->k.len, in, 2, out);
	if (!r) {
		ret->count = (uint16_t)n;
		memcpy(ret->b, out, MMX_DIGEST_OCTETS);
	}
out:
	free(refs);
	free(list);
	return r;
}

/* ---- the answer ---- */

static bool any_left(const struct mmx_apply *c, const struct mmx_shared *s, size_t before)
{
	for (size_t i = 0; i < before; i++)
		if (c->sas[i].asked && c->sas[i].binding == s)
			return false;
	return true;
}

/* Side 0 is the responder's, who is not c->sender. */
static bool add_ends(const struct mmx_apply *c, const struct mmx_binding *b, struct mmx_tlvs *t)
{
	for (unsigned owner = MMX_I; owner <= MMX_R; owner++) {
		const struct mmx_ends *e = &b->ends[owner];

		for (unsigned i = 0; i < e->n; i++) {
			struct mmx_tlv *tlv = mmx_add(t, MMX_TLV_EP);

			if (!tlv)
				return false;
			tlv->ep = (struct mmx_ep){ .role = MMX_ROLE_NEW,
						   .side = owner == c->sender,
						   .epid = e->epid[i] };
		}
	}
	return true;
}

/* The SAs of one binding after its endpoints. */
static bool add_group(const struct mmx_apply *c, size_t first, struct wr *spis, struct mmx_tlvs *t)
{
	const struct mmx_shared *s = c->sas[first].binding;
	struct mmx_binding b = mmx_effective(c, &c->sas[first]);
	size_t from = spis->len;
	struct mmx_tlv *sel;

	if (!add_ends(c, &b, t))
		return false;
	sel = mmx_add(t, MMX_TLV_SEL);
	if (!sel)
		return false;
	for (size_t i = first; i < c->n; i++)
		if (c->sas[i].asked && c->sas[i].binding == s && !c->sas[i].ike)
			wr_u32(spis, c->sas[i].spi_receiver);
	if (c->sas[first].ike)
		sel->sel = (struct mmx_sel){ .kind = MMX_SEL_IKE };
	else
		sel->sel = (struct mmx_sel){ MMX_SEL_SPIS,
					     PROTO_ESP,
					     { spis->base + from, spis->len - from } };
	return !spis->err;
}

/* Either all of them or none. */
static void add_groups(const struct mmx_apply *c, struct mmx_answer *ret)
{
	struct mmx_tlvs with = ret->result.tlvs;
	struct wr spis = wr_init(ret->spis, sizeof(ret->spis));

	for (size_t i = 0; i < c->n; i++)
		if (c->sas[i].asked && any_left(c, c->sas[i].binding, i) &&
		    !add_group(c, i, &spis, &with))
			return;
	ret->result.tlvs = with;
}

enum mmx_status mmx_query_answer(const struct mmx_keys *k, const struct mmx_apply *c,
				 const struct mmx_action *a, struct mmx_answer *ret_answer)
{
	struct mmx_result *r = &ret_answer->result;
	size_t n = 0;

	*r = (struct mmx_result){ .id = a->id };
	for (size_t i = 0; i < c->n; i++)
		c->sas[i].asked = false;
	for (const struct mmx_tlv *t = NULL; (t = mmx_next(&a->tlvs, MMX_TLV_SEL, t));) {
		struct mmx_digest d;
		struct mmx_tlv *tlv;
		enum mmx_status status = mmx_select(c, a, t);

		for (size_t i = 0; status == MMX_OK && i < c->n; i++)
			c->sas[i].asked |= c->sas[i].chosen;
		if (status == MMX_OK && mmx_query_digest(k, c, &d))
			status = MMX_BUSY;
		tlv = status == MMX_OK ? mmx_add(&r->tlvs, MMX_TLV_DIGEST) : NULL;
		if (!tlv) {
			*r = (struct mmx_result){ .id = a->id };
			r->status = (uint16_t)(status == MMX_OK ? MMX_TOO_MANY : status);
			return (enum mmx_status)r->status;
		}
		tlv->digest = d;
	}
	for (size_t i = 0; i < c->n; i++)
		n += c->sas[i].asked;
	r->affected = (uint16_t)n;
	if (n <= MMX_SPIS_SHOWN_MAX)
		add_groups(c, ret_answer);
	return MMX_OK;
}

bool mmx_query_agrees(const struct mmx_keys *k, const struct mmx_apply *c,
		      const struct mmx_action *a, const struct mmx_result *r)
{
	const struct mmx_tlv *theirs = NULL;

	for (const struct mmx_tlv *t = NULL; (t = mmx_next(&a->tlvs, MMX_TLV_SEL, t));) {
		struct mmx_digest d;

		theirs = mmx_next(&r->tlvs, MMX_TLV_DIGEST, theirs);
		if (!theirs || mmx_select(c, a, t) != MMX_OK || mmx_query_digest(k, c, &d) ||
		    d.count != theirs->digest.count ||
		    memcmp(d.b, theirs->digest.b, MMX_DIGEST_OCTETS) != 0)
			return false;
	}
	return true;
}
