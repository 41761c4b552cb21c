/* SPDX-License-Identifier: GPL-2.0-only */
/* MMX_PATH: a probe of a path, and its answer.
 *
 *    0                   1                   2                   3
 *    0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 *   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *   |     Kind      |     Flags     |            RESERVED           |
 *   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *   |            EPID of I          |           EPID of R           |
 *   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *   |                         Nonce (8 octets)                      |
 *   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *   ~                             TLVs                              ~
 *   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 */
#include "mmx_impl.h"

static const struct tlv_rules of_probe = { .wanted = TLV(TEXT) };
static const struct tlv_rules of_answer = { .wanted = TLV(EP) | TLV(TOKEN) | TLV(TEXT) };

static const struct tlv_rules *rules(uint8_t kind)
{
	return kind == MMX_PATH_PROBE ? &of_probe : &of_answer;
}

static enum mmx_status check(const struct mmx_path *p)
{
	const struct mmx_tlv *token = mmx_next(&p->tlvs, MMX_TLV_TOKEN, NULL);
	unsigned eps = mmx_count(&p->tlvs, MMX_TLV_EP);

	/* what the sender of the probe looks like: one of the receiver's of this answer */
	if (eps > 1 || mmx_count_eps(&p->tlvs, MMX_ROLE_OBSERVED, 1) != eps ||
	    p->flags & ~MMX_PATH_FLAGS)
		return MMX_MALFORMED;
	if (token && (token->token.epid_i != p->epid_i || token->token.epid_r != p->epid_r ||
		      mmx_next(&p->tlvs, MMX_TLV_TOKEN, token)))
		return MMX_MALFORMED;
	return p->kind == MMX_PATH_PROBE || p->kind == MMX_PATH_ANSWER ? MMX_OK : MMX_UNSUPPORTED;
}

enum mmx_status mmx_path_get(const struct notify *n, struct mmx_path *ret_p)
{
	struct rd r = mmx_open(n);

	ret_p->kind = rd_u8(&r);
	ret_p->flags = rd_u8(&r) & MMX_PATH_FLAGS;
	rd_skip(&r, 2);
	ret_p->epid_i = rd_u16(&r);
	ret_p->epid_r = rd_u16(&r);
	rd_copy(&r, ret_p->nonce, sizeof(ret_p->nonce));
	enum mmx_status status = mmx_tlvs_get(&r, rules(ret_p->kind), &ret_p->tlvs);
	return status == MMX_OK ? check(ret_p) : status;
}

void mmx_path_put(struct msg_wr *m, const struct mmx_path *p)
{
	enum mmx_status status = mmx_tlvs_check(&p->tlvs, rules(p->kind));

	mmx_begin(m, N_MMX_PATH, status == MMX_OK ? check(p) : status);
	wr_u8(&m->w, p->kind);
	wr_u8(&m->w, p->flags);
	wr_u16(&m->w, 0);
	wr_u16(&m->w, p->epid_i);
	wr_u16(&m->w, p->epid_r);
	wr_bytes(&m->w, p->nonce, sizeof(p->nonce));
	mmx_tlvs_put(&m->w, &p->tlvs);
	msg_pld_end(m);
}
