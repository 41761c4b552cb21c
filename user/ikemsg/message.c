/* SPDX-License-Identifier: GPL-2.0-only */
/* Whole messages: the chain of payloads (RFC 7296 sections 3.2 and 3.14, RFC 7383 section 2.5).
 *
 *                        1                   2                   3
 *    0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 *   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *   | Next Payload  |C|  RESERVED   |         Payload Length        |
 *   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *
 * Next Payload names the type of the following payload; that of SK and SKF names the first one
 * inside, and ends the chain.
 */
#include <string.h>

#include "decode.h"

enum { CRITICAL = 0x80, HDR_NEXT_OFF = 16, HDR_LENGTH_OFF = 24 };

/* ---- decoding ---- */

/* Where a chain stands. */
struct chain {
	struct rd r;
	uint8_t type;	     /* of the payload at r */
	bool inner;	     /* of SK */
	const uint8_t *base; /* of the datagram */
};

/* The second of what may be there once is an error (2.5 lets only the order be free). */
static bool first_of(bool *seen, struct rd *body)
{
	if (*seen)
		rd_bad(body);
	*seen = true;
	return !body->err;
}

static void bytes_get(struct rd *body, struct bytes *arr, uint8_t *n, uint8_t max)
{
	struct bytes b = rd_rest(body);

	if (*n < max)
		arr[(*n)++] = b;
}

/* The body of SK, or of SKF after Fragment Number and Total Fragments. */
static void sk_get(struct chain *c, struct rd *body, uint8_t next, struct ike_msg *m)
{
	if (c->inner || rd_left(&c->r)) {
		/* "the Encrypted payload MUST be the last payload in the message" (3.14), and
		 * nothing but payloads may be inside it. */
		rd_bad(body);
		return;
	}
	m->sk_next = next;
	m->sk_body_off = (size_t)(body->p - c->base);
	m->sk = rd_rest(body);
}

static void skf_get(struct chain *c, struct rd *body, uint8_t next, struct ike_msg *m)
{
	m->skf_number = rd_u16(body);
	m->skf_total = rd_u16(body);
	/* "Fragment Number MUST be less than or equal to Total Fragments", both from 1; the type of
	 * the first inner payload stands in the first fragment only (RFC 7383 2.5). */
	if (!m->skf_number || m->skf_number > m->skf_total || (m->skf_number > 1 && next))
		rd_bad(body);
	if (!body->err)
		sk_get(c, body, next, m);
}

/* Those that a message has once. False: another one. */
static bool single_get(uint8_t type, struct rd *body, struct ike_msg *m)
{
	switch (type) {
	case PLD_SA:
		if (first_of(&m->has_sa, body))
			sa_get(body, &m->sa);
		return true;
	case PLD_KE:
		if (first_of(&m->has_ke, body))
			ke_get(body, m);
		return true;
	case PLD_NONCE:
		if (first_of(&m->has_nonce, body))
			nonce_get(body, m);
		return true;
	case PLD_IDI:
		if (first_of(&m->has_idi, body))
			id_get(body, &m->idi);
		return true;
	case PLD_IDR:
		if (first_of(&m->has_idr, body))
			id_get(body, &m->idr);
		return true;
	case PLD_AUTH:
		if (first_of(&m->has_auth, body))
			auth_get(body, m);
		return true;
	case PLD_TSI:
		if (first_of(&m->has_tsi, body))
			ts_get(body, &m->tsi);
		return true;
	case PLD_TSR:
		if (first_of(&m->has_tsr, body))
			ts_get(body, &m->tsr);
		return true;
	case PLD_CP:
		if (first_of(&m->has_cp, body))
			cp_get(body, &m->cp);
		return true;
	}
	return false;
}

/* False: not a type we know. */
static bool payload_get(struct chain *c, struct rd *body, uint8_t next, struct ike_msg *m)
{
	switch (c->type) {
	case PLD_NOTIFY:
		notify_get(body, m);
		return true;
	case PLD_DELETE:
		delete_get(body, m);
		return true;
	case PLD_VENDOR:
		bytes_get(body, m->vendors, &m->n_vendors, MSG_VENDORS_MAX);
		return true;
	case PLD_CERT:
		if (m->n_certs == MSG_CERTS_MAX)
			rd_bad(body);
		bytes_get(body, m->certs, &m->n_certs, MSG_CERTS_MAX);
		return true;
	case PLD_CERTREQ:
		/* "not a constraint", a hint only (3.7): what is too much is not read. */
		bytes_get(body, m->certreqs, &m->n_certreqs, MSG_CERTS_MAX);
		return true;
	case PLD_EAP:
		m->has_eap = true;
		rd_skip(body, rd_left(body));
		return true;
	case PLD_SK:
		m->has_sk = true;
		sk_get(c, body, next, m);
		return true;
	case PLD_SKF:
		m->has_skf = true;
		skf_get(c, body, next, m);
		return true;
	}
	return single_get(c->type, body, m);
}

static enum msg_verdict chain_get(struct chain *c, struct ike_msg *m, uint8_t *ret_critical)
{
	bool end_of_chain = c->type == PLD_NONE;

	for (unsigned count = 0; !end_of_chain; count++) {
		uint8_t next = rd_u8(&c->r), flags = rd_u8(&c->r);
		uint16_t len = rd_u16(&c->r);
		struct rd body;

		if (len < IKE_PAYLOAD_HEADER_OCTETS || m->n_order == MSG_PAYLOADS_MAX)
			rd_bad(&c->r);
		body = rd_sub(&c->r, c->r.err ? 0 : len - (size_t)IKE_PAYLOAD_HEADER_OCTETS);
		if (c->r.err)
			return MSG_INVALID_SYNTAX;
		m->order[m->n_order++] = c->type;
		if (payload_get(c, &body, next, m)) {
			if (body.err || rd_left(&body))
				return MSG_INVALID_SYNTAX;
		} else if (flags & CRITICAL) {
			/* The bit asks about the type only; it is ignored for types we know (2.5).
			 */
			*ret_critical = c->type;
			return MSG_UNSUPPORTED_CRITICAL;
		}
		end_of_chain = next == PLD_NONE || c->type == PLD_SK || c->type == PLD_SKF;
		c->type = next;
	}
	return rd_left(&c->r) ? MSG_INVALID_SYNTAX : MSG_OK;
}

enum msg_verdict msg_decode(const uint8_t *buf, size_t len, struct ike_msg *ret_msg,
			    uint8_t *ret_critical)
{
	struct chain c = { .r = rd_init(buf, len), .base = buf };

	memset(ret_msg, 0, sizeof(*ret_msg));
	if (ike_hdr_get(&c.r, &ret_msg->hdr) || ret_msg->hdr.length != len)
		return MSG_INVALID_SYNTAX;
	c.type = ret_msg->hdr.next_payload;
	return chain_get(&c, ret_msg, ret_critical);
}

enum msg_verdict msg_decode_inner(uint8_t first, const uint8_t *buf, size_t len,
				  struct ike_msg *msg, uint8_t *ret_critical)
{
	struct chain c = { .r = rd_init(buf, len), .type = first, .inner = true, .base = buf };

	return chain_get(&c, msg, ret_critical);
}

/* ---- building ---- */

struct msg_wr msg_begin(void *buf, size_t cap, const struct ike_hdr *hdr)
{
	struct msg_wr m = { .w = wr_init(buf, cap), .next_off = HDR_NEXT_OFF };
	struct ike_hdr h = *hdr;

	h.next_payload = PLD_NONE;
	ike_hdr_put(&m.w, &h);
	return m;
}

struct msg_wr msg_begin_inner(void *buf, size_t cap)
{
	return (struct msg_wr){ .w = wr_init(buf, cap), .next_off = SIZE_MAX, .inner = true };
}

size_t msg_end(struct msg_wr *m)
{
	if (!m->w.err && m->w.len > IKE_MSG_MAX)
		m->w.err = -EMSGSIZE;
	if (m->w.err)
		return 0;
	if (!m->inner)
		wr_put_u32_at(&m->w, HDR_LENGTH_OFF, (uint32_t)m->w.len);
	return m->w.len;
}

void msg_pld_begin(struct msg_wr *m, uint8_t type)
{
	if (m->w.err)
		return;
	if (m->next_off == SIZE_MAX)
		m->first = type;
	else
		wr_put_u8_at(&m->w, m->next_off, type);
	m->next_off = m->pld_start = m->w.len;
	wr_u8(&m->w, PLD_NONE);
	wr_u8(&m->w, 0); /* critical: "MUST be set to zero" for every type of RFC 7296 (3.2) */
	wr_u16(&m->w, 0);
}

void msg_pld_end(struct msg_wr *m)
{
	size_t len = m->w.len - m->pld_start;

	if (!m->w.err && len > UINT16_MAX)
		m->w.err = -EMSGSIZE;
	if (!m->w.err)
		wr_put_u16_at(&m->w, m->pld_start + 2, (uint16_t)len);
}

void msg_put_raw(struct msg_wr *m, uint8_t type, const void *body, size_t len)
{
	msg_pld_begin(m, type);
	wr_bytes(&m->w, body, len);
	msg_pld_end(m);
}

void msg_put_vendor(struct msg_wr *m, const void *data, size_t len)
{
	msg_put_raw(m, PLD_VENDOR, data, len);
}
