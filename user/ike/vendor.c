/* SPDX-License-Identifier: GPL-2.0-only */
/* Vendor IDs of the peer (RFC 7296 3.12): kept to be shown, some of them, each up to a length.
 * Ours go out where the private form they stand for is configured: parts.c. What is unknown means
 * nothing. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ike_private.h"
#include "ikemsg/mmx.h"
#include "parts.h"

enum { VENDOR_OCTETS_MAX = 32 };

struct vendor_ids {
	unsigned n;
	struct {
		uint8_t len;
		bool cut;
		uint8_t b[VENDOR_OCTETS_MAX];
	} id[IKE_VENDORS_MAX];
};

static bool have(const struct vendor_ids *v, const struct bytes *id)
{
	for (unsigned i = 0; i < v->n; i++)
		if (v->id[i].len == id->len && !memcmp(v->id[i].b, id->p, id->len))
			return true;
	return false;
}

static void add(struct ike_sa *sa, struct bytes id, bool cut)
{
	struct vendor_ids *v = sa->vendors;

	if (!v)
		v = sa->vendors =
			calloc(1, sizeof(*v)); /* only shown: without memory it goes without */
	if (!v || !id.len || v->n == IKE_VENDORS_MAX || have(v, &id))
		return;
	v->id[v->n].len = (uint8_t)id.len;
	v->id[v->n].cut = cut;
	memcpy(v->id[v->n++].b, id.p, id.len);
}

void vendors_process(struct part_ctx *c)
{
	for (unsigned i = 0; i < c->in->n_vendors; i++) {
		struct bytes id = c->in->vendors[i];
		bool cut = id.len > VENDOR_OCTETS_MAX;

		id.len = cut ? VENDOR_OCTETS_MAX : id.len;
		add(c->sa, id, cut);
	}
}

void vendors_move(struct ike_sa *from, struct ike_sa *to)
{
	free(to->vendors);
	to->vendors = from->vendors;
	from->vendors = NULL;
}

void vendors_copy(const struct ike_sa *from, struct ike_sa *to)
{
	if (!from->vendors)
		return;
	to->vendors = malloc(sizeof(*to->vendors)); /* as above */
	if (to->vendors)
		*to->vendors = *from->vendors;
}

/* In the image: how many, then of each its octets, how many, and whether there were more. */
void vendors_put(const struct ike_sa *sa, struct wr *w)
{
	const struct vendor_ids *v = sa->vendors;

	wr_u8(w, v ? (uint8_t)v->n : 0);
	for (unsigned i = 0; v && i < v->n; i++) {
		wr_u8(w, v->id[i].len);
		wr_u8(w, v->id[i].cut);
		wr_bytes(w, v->id[i].b, v->id[i].len);
	}
}

void vendors_get(struct ike_sa *sa, struct rd *r)
{
	uint8_t n = rd_u8(r);

	if (n > IKE_VENDORS_MAX)
		r->err = -EBADMSG;
	for (unsigned i = 0; i < n && !r->err; i++) {
		struct bytes id = { .len = rd_u8(r) };
		bool cut = rd_u8(r);

		if (id.len > VENDOR_OCTETS_MAX)
			r->err = -EBADMSG;
		id.p = rd_bytes(r, id.len);
		if (!r->err)
			add(sa, id, cut);
	}
}

static const char *known(const struct ike *ike, const uint8_t *b, size_t len)
{
	/* MD5 of "strongSwan" */
	static const uint8_t strongswan[] = { 0x88, 0x2f, 0xe5, 0x6d, 0x6f, 0xd2, 0x0d, 0xbc,
					      0x22, 0x51, 0x61, 0x3b, 0x2e, 0xbe, 0x5b, 0xeb };

	if (len != VID_OCTETS)
		return NULL;
	return !memcmp(b, ike->probe_vid, len) ? "braid path probes"
	       : !memcmp(b, ike->udp_vid, len) ? "braid ESP in UDP"
	       : !memcmp(b, mmx_vid, len)      ? "MMX"
	       : !memcmp(b, strongswan, len)   ? "strongSwan"
					       : NULL;
}

/* As text if it is one, else as hex. */
static void format(const uint8_t *b, size_t len, bool cut, char out[IKE_VENDOR_STR])
{
	bool text = true;
	size_t n = 0;

	for (size_t i = 0; i < len; i++)
		text = text && b[i] >= 0x20 && b[i] < 0x7f;
	for (size_t i = 0; i < len; i++)
		n += (size_t)snprintf(out + n, IKE_VENDOR_STR - n, text ? "%c" : "%02x", b[i]);
	snprintf(out + n, IKE_VENDOR_STR - n, "%s", cut ? "..." : "");
}

uint8_t vendors_look(const struct ike_sa *sa, char out[IKE_VENDORS_MAX][IKE_VENDOR_STR])
{
	const struct vendor_ids *v = sa->vendors;

	for (unsigned i = 0; v && i < v->n; i++) {
		const char *name = known(sa->ike, v->id[i].b, v->id[i].len);

		if (name)
			snprintf(out[i], IKE_VENDOR_STR, "%s", name);
		else
			format(v->id[i].b, v->id[i].len, v->id[i].cut, out[i]);
	}
	return v ? (uint8_t)v->n : 0;
}
