/* SPDX-License-Identifier: GPL-2.0-only */
/* MMX_OUTER: endpoints of a new Child SA.
 *
 *    0                   1                   2                   3
 *    0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 *   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *   |     Mode      |     Flags     |            RESERVED           |
 *   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *   ~                             TLVs                              ~
 *   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 */
#include "mmx_impl.h"

static const struct tlv_rules rules = { .wanted = TLV(EP) | TLV(TOKEN) | TLV(TEXT) };

/* A request names who asks and may leave the other side open; a response names both. */
static enum mmx_status check(const struct mmx_outer *o, bool response)
{
	unsigned own = mmx_count_eps(&o->tlvs, MMX_ROLE_NEW, 0);
	unsigned other = mmx_count_eps(&o->tlvs, MMX_ROLE_NEW, 1);

	if (own + other != mmx_count(&o->tlvs, MMX_TLV_EP) || !own || (response && !other) ||
	    o->flags & ~MMX_OUTER_FLAGS)
		return MMX_MALFORMED;
	if (o->mode < MMX_OUTER_SINGLE || o->mode > MMX_OUTER_ALTERNATES)
		return MMX_UNSUPPORTED;
	if (response && o->mode == MMX_OUTER_SINGLE && own + other != 2)
		return MMX_MALFORMED;
	return own > MMX_SIDE_MAX || other > MMX_SIDE_MAX ? MMX_TOO_MANY : MMX_OK;
}

enum mmx_status mmx_outer_get(const struct notify *n, bool response, struct mmx_outer *ret_o)
{
	struct rd r = mmx_open(n);

	ret_o->mode = rd_u8(&r);
	ret_o->flags = rd_u8(&r) & MMX_OUTER_FLAGS;
	rd_skip(&r, 2);
	enum mmx_status status = mmx_tlvs_get(&r, &rules, &ret_o->tlvs);
	return status == MMX_OK ? check(ret_o, response) : status;
}

void mmx_outer_put(struct msg_wr *m, bool response, const struct mmx_outer *o)
{
	enum mmx_status status = mmx_tlvs_check(&o->tlvs, &rules);

	mmx_begin(m, N_MMX_OUTER, status == MMX_OK ? check(o, response) : status);
	wr_u8(&m->w, o->mode);
	wr_u8(&m->w, o->flags);
	wr_u16(&m->w, 0);
	mmx_tlvs_put(&m->w, &o->tlvs);
	msg_pld_end(m);
}
