/* SPDX-License-Identifier: GPL-2.0-only */
/* Certificate and Certificate Request payloads (RFC 7296 sections 3.6 and 3.7), and the hash
 * algorithms of signatures (RFC 7427 section 4).
 *
 *                        1                   2                   3
 *    0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 *   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *   | Cert Encoding |                                               |
 *   +-+-+-+-+-+-+-+-+                                               +
 *   ~          Certificate Data, or Certification Authority         ~
 *   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 */
#include "decode.h"

bool msg_cert(struct bytes body, uint8_t encoding, struct bytes *ret_data)
{
	if (!body.len || body.p[0] != encoding)
		return false;
	*ret_data = (struct bytes){ body.p + 1, body.len - 1 };
	return true;
}

void msg_put_cert(struct msg_wr *m, uint8_t pld_type, uint8_t encoding, const void *data,
		  size_t len)
{
	msg_pld_begin(m, pld_type);
	wr_u8(&m->w, encoding);
	wr_bytes(&m->w, data, len);
	msg_pld_end(m);
}

uint32_t msg_hashes(const struct notify *n)
{
	struct rd r = rd_init(n->data.p, n->data.len);
	uint32_t mask = 0;

	while (rd_left(&r) >= 2) {
		uint16_t id = rd_u16(&r);

		if (id < 32)
			mask |= 1u << id;
	}
	return mask;
}

void msg_put_hashes(struct msg_wr *m, uint32_t mask)
{
	uint8_t buf[64];
	struct wr w = wr_init(buf, sizeof(buf));

	for (unsigned id = 0; id < 32; id++)
		if (mask & 1u << id)
			wr_u16(&w, (uint16_t)id);
	msg_put_notify(m, PROTO_NONE, NULL, 0, N_SIGNATURE_HASH_ALGORITHMS, buf, w.len);
}
