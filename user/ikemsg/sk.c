/* SPDX-License-Identifier: GPL-2.0-only */
/* The Encrypted payload (RFC 7296 section 3.14, RFC 5282).
 *
 *                        1                   2                   3
 *    0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 *   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *   | Next Payload  |C|  RESERVED   |         Payload Length        |
 *   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *   |                     Initialization Vector                     |
 *   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *   ~                    Encrypted IKE Payloads                     ~
 *   +               +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *   |               |             Padding (0-255 octets)            |
 *   +-+-+-+-+-+-+-+-+                               +-+-+-+-+-+-+-+-+
 *   |                                               |  Pad Length   |
 *   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *   ~                    Integrity Checksum Data                    ~
 *   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *
 * What precedes the IV, from the first octet of the IKE header on, is authenticated and not
 * encrypted: "the associated data MUST start from the first octet of the Fixed IKE Header through
 * the last octet of the Payload Header of the Encrypted Payload" (RFC 5282 5.1). For the
 * encrypt-then-MAC pairs it is the first part of what the checksum covers.
 */
#include <errno.h>

#include "base/secret.h"
#include "crypto/aead.h"
#include "ikemsg/ikemsg.h"
#include "ikemsg/sk.h"

enum { SK_AAD_OCTETS = IKE_HEADER_OCTETS + IKE_PAYLOAD_HEADER_OCTETS, AEAD_IV_OCTETS = 8 };

/* Payloads, the fewest octets of padding, Pad Length. */
static size_t text_octets(const struct aead_sizes *s, size_t inner_len)
{
	size_t n = inner_len + 1;

	return (n + s->block - 1) / s->block * s->block;
}

size_t sk_sealed_octets(const struct aead_sizes *s, size_t inner_len)
{
	return SK_AAD_OCTETS + s->iv + text_octets(s, inner_len) + s->icv;
}

size_t sk_seal_as(struct aead *a, const struct aead_sizes *s, const struct ike_hdr *hdr,
		  const struct sk_form *form, const uint8_t *inner, size_t inner_len,
		  uint64_t iv_counter, uint8_t *out, size_t cap)
{
	struct wr w = wr_init(out, cap);
	struct ike_hdr h = *hdr;
	size_t total, text_len, aad;
	uint8_t *iv, *text;

	if (inner_len > IKE_MSG_MAX)
		return 0;
	text_len = text_octets(s, inner_len);
	total = sk_sealed_octets(s, inner_len) + form->head_len;
	if (total > IKE_MSG_MAX || total > cap)
		return 0;

	h.next_payload = form->type;
	h.length = (uint32_t)total;
	ike_hdr_put(&w, &h);
	wr_u8(&w, form->inner_first);
	wr_u8(&w, 0);
	wr_u16(&w, (uint16_t)(total - IKE_HEADER_OCTETS));
	wr_bytes(&w, form->head, form->head_len);

	aad = w.len;
	iv = out + w.len;
	if (s->iv == AEAD_IV_OCTETS)
		wr_u64(&w, iv_counter);
	else
		wr_zero(&w, s->iv); /* the cipher makes it */
	text = out + w.len;
	wr_bytes(&w, inner, inner_len);
	wr_zero(&w, text_len - inner_len - 1);
	wr_u8(&w, (uint8_t)(text_len - inner_len - 1));
	wr_zero(&w, s->icv);
	if (w.err)
		return 0;
	if (aead_seal(a, out, aad, iv, text, text_len, NULL, 0)) {
		secret_wipe(out, total); /* no plaintext is left where a datagram was expected */
		return 0;
	}
	return total;
}

size_t sk_seal(struct aead *a, const struct aead_sizes *s, const struct ike_hdr *hdr,
	       uint8_t inner_first, const uint8_t *inner, size_t inner_len, uint64_t iv_counter,
	       uint8_t *out, size_t cap)
{
	struct sk_form sk = { .type = PLD_SK, .inner_first = inner_first };

	return sk_seal_as(a, s, hdr, &sk, inner, inner_len, iv_counter, out, cap);
}

int sk_open(struct aead *a, const struct aead_sizes *s, uint8_t *buf, size_t len,
	    const struct ike_msg *m, uint8_t **ret_inner, size_t *ret_len)
{
	size_t off = m->sk_body_off, text_len, pad_len;
	uint8_t *iv, *text;
	int r;

	if (off > len || m->sk.len != len - off || m->sk.len < s->iv + s->icv + 1)
		return -EBADMSG;
	text_len = m->sk.len - s->iv - s->icv;
	if (text_len % s->block)
		return -EBADMSG;
	iv = buf + off;
	text = iv + s->iv;
	r = aead_open(a, buf, off, iv, text, text_len, NULL, 0);
	if (r)
		return r;

	/* "The recipient MUST accept any length that results in proper alignment" (3.14), and any
	 * content. */
	pad_len = text[text_len - 1];
	if (pad_len + 1 > text_len)
		return -EBADMSG;
	*ret_inner = text;
	*ret_len = text_len - pad_len - 1;
	return 0;
}
