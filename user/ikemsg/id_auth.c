/* SPDX-License-Identifier: GPL-2.0-only */
/* Identification and Authentication payloads (RFC 7296 sections 3.5 and 3.8).
 *
 *                        1                   2                   3
 *    0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 *   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *   |   ID Type     |                 RESERVED                      |
 *   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *   ~                   Identification Data                         ~
 *   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *
 *   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *   | Auth Method   |                RESERVED                       |
 *   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *   ~                      Authentication Data                      ~
 *   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 */
#include "decode.h"

void id_get(struct rd *r, struct id_payload *id)
{
	/* "RestOfIDPayload = IDType | RESERVED | IDData" (2.15): as received, reserved octets
	 * included, since AUTH covers them. */
	id->body = (struct bytes){ .p = r->p, .len = rd_left(r) };
	id->type = rd_u8(r);
	rd_skip(r, 3);
	id->data = rd_rest(r);
}

void msg_put_id(struct msg_wr *m, uint8_t pld_type, uint8_t id_type, const void *data, size_t len)
{
	msg_pld_begin(m, pld_type);
	wr_u8(&m->w, id_type);
	wr_zero(&m->w, 3);
	wr_bytes(&m->w, data, len);
	msg_pld_end(m);
}

void auth_get(struct rd *r, struct ike_msg *m)
{
	m->auth_method = rd_u8(r);
	rd_skip(r, 3);
	m->auth = rd_rest(r);
}

void msg_put_auth(struct msg_wr *m, uint8_t method, const void *data, size_t len)
{
	msg_pld_begin(m, PLD_AUTH);
	wr_u8(&m->w, method);
	wr_zero(&m->w, 3);
	wr_bytes(&m->w, data, len);
	msg_pld_end(m);
}
