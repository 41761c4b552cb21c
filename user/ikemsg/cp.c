/* SPDX-License-Identifier: GPL-2.0-only */
/* Configuration payload (RFC 7296 section 3.15).
 *
 *                        1                   2                   3
 *    0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 *   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *   |   CFG Type    |                    RESERVED                   |
 *   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *   ~                   Configuration Attributes                    ~
 *   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *
 *   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *   |R|         Attribute Type      |            Length             |
 *   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *   ~                             Value                             ~
 *   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 */
#include "decode.h"

enum { CFG_ATTR_TYPE_MASK = 0x7fff };

/* The table of 3.15.1. A zero length asks for a value and is legal everywhere. */
static bool value_len_ok(uint16_t type, size_t len)
{
	if (!len)
		return true;
	switch (type) {
	case INTERNAL_IP4_ADDRESS:
	case INTERNAL_IP4_NETMASK:
	case INTERNAL_IP4_DNS:
		return len == 4;
	case INTERNAL_IP4_SUBNET:
		return len == 8;
	case INTERNAL_IP6_DNS:
		return len == 16;
	case INTERNAL_IP6_ADDRESS:
	case INTERNAL_IP6_SUBNET:
		return len == 17;
	default:
		return true; /* unknown ones are for the caller to ignore */
	}
}

void cp_get(struct rd *r, struct cfg_payload *cp)
{
	cp->type = rd_u8(r);
	rd_skip(r, 3);
	cp->n = 0;
	while (rd_left(r)) {
		struct cfg_attr a = { .type = rd_u16(r) & CFG_ATTR_TYPE_MASK };
		uint16_t len = rd_u16(r);

		a.value.p = rd_bytes(r, len);
		a.value.len = a.value.p ? len : 0;
		if (cp->n == MSG_CFG_ATTRS_MAX || !value_len_ok(a.type, a.value.len))
			rd_bad(r);
		if (!r->err)
			cp->a[cp->n++] = a;
	}
}

void msg_put_cp(struct msg_wr *m, const struct cfg_payload *cp)
{
	msg_pld_begin(m, PLD_CP);
	wr_u8(&m->w, cp->type);
	wr_zero(&m->w, 3);
	for (uint8_t i = 0; i < cp->n; i++) {
		wr_u16(&m->w, cp->a[i].type);
		wr_u16(&m->w, (uint16_t)cp->a[i].value.len);
		wr_bytes(&m->w, cp->a[i].value.p, cp->a[i].value.len);
	}
	msg_pld_end(m);
}
