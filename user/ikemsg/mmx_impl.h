/* SPDX-License-Identifier: GPL-2.0-only */
/* Private to the MMX notifications: their list of TLVs, and how a payload is opened and closed. */
#ifndef BRAID_IKEMSG_MMX_IMPL_H
#define BRAID_IKEMSG_MMX_IMPL_H

#include <errno.h>

#include "decode.h"
#include "ikemsg/mmx.h"

#define TLV(name) (1u << MMX_TLV_##name)

/* What a notification may have. */
struct tlv_rules {
	uint32_t wanted; /* TLV() of each; another known type is malformed */
	bool groups;	 /* endpoints, selections and digests may come again: answer to QUERY */
};

/* All that is left of r. OK, UNSUPPORTED, TOO_MANY or MALFORMED; of several the one whose check
 * comes first: syntax, then what is supported, then limits. */
enum mmx_status mmx_tlvs_get(struct rd *r, const struct tlv_rules *rules, struct mmx_tlvs *ret_t);
/* The same of a list that is to be written. */
enum mmx_status mmx_tlvs_check(const struct mmx_tlvs *t, const struct tlv_rules *rules);
void mmx_tlvs_put(struct wr *w, const struct mmx_tlvs *t);
/* How many endpoints there are in that role, on that side (-1: on either). */
unsigned mmx_count_eps(const struct mmx_tlvs *t, uint8_t role, int side);
unsigned mmx_count(const struct mmx_tlvs *t, uint8_t type);
/* Appends the address without its family; -EINVAL for none that has one. */
void mmx_addr_put(struct wr *w, const struct addr *a);
/* An address of the family that was read, which must be 4 or 6. */
struct addr mmx_addr_get(struct rd *r, uint8_t family);

/* Octets of MMX_ATTR_CLASS at most, without the attribute's number. */
enum { CLASS_OCTETS_MAX = 4 + 2 * MMX_PREFER_MAX + MMX_CLASS_NAME_MAX - 1 };
bool mmx_class_get(struct bytes b, struct mmx_class *ret_s); /* false: malformed */
void mmx_class_put(struct wr *w, const struct mmx_class *s);

/* Data of a notification; an error if it has an SPI. */
static inline struct rd mmx_open(const struct notify *n)
{
	struct rd r = rd_init(n->data.p, n->data.len);

	if (n->spi.len)
		rd_bad(&r);
	return r;
}

/* The head of a payload, unless what is to be written is a mistake. */
static inline void mmx_begin(struct msg_wr *m, uint16_t type, enum mmx_status status)
{
	if (status != MMX_OK && !m->w.err)
		m->w.err = -EINVAL;
	msg_pld_begin(m, PLD_NOTIFY);
	wr_u16(&m->w, 0); /* Protocol ID, SPI Size */
	wr_u16(&m->w, type);
}

#endif
