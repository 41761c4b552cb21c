/* SPDX-License-Identifier: GPL-2.0-only */
/* The Encrypted Fragment payload (RFC 7383 section 2.5).
 *
 *                        1                   2                   3
 *    0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 *   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *   | Next Payload  |C|  RESERVED   |         Payload Length        |
 *   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *   |        Fragment Number        |        Total Fragments        |
 *   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *   ~            Initialization Vector, and on as in SK             ~
 *   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *
 * The two numbers are part of what is authenticated and not encrypted.
 */
#include "base/wire.h"
#include "crypto/aead.h"
#include "ikemsg/ikemsg.h"
#include "ikemsg/sk.h"
#include "ikemsg/skf.h"

enum { SKF_NUMBERS_OCTETS = 4 };

size_t skf_room(const struct aead_sizes *s, size_t message_octets)
{
	size_t around =
		IKE_HEADER_OCTETS + IKE_PAYLOAD_HEADER_OCTETS + SKF_NUMBERS_OCTETS + s->iv + s->icv;
	size_t text;

	if (message_octets < around)
		return 0;
	text = (message_octets - around) / s->block * s->block;
	return text ? text - 1 : 0; /* Pad Length */
}

size_t skf_seal(struct aead *a, const struct aead_sizes *s, const struct ike_hdr *hdr,
		uint16_t number, uint16_t total, uint8_t inner_first, const uint8_t *part,
		size_t part_len, uint64_t iv_counter, uint8_t *out, size_t cap)
{
	struct sk_form skf = { .type = PLD_SKF,
			       .inner_first = number == 1 ? inner_first : PLD_NONE,
			       .head_len = SKF_NUMBERS_OCTETS };
	struct wr w = wr_init(skf.head, sizeof(skf.head));

	wr_u16(&w, number);
	wr_u16(&w, total);
	return sk_seal_as(a, s, hdr, &skf, part, part_len, iv_counter, out, cap);
}
