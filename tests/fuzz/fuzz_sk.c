/* SPDX-License-Identifier: GPL-2.0-only */
/* An Encrypted payload from a peer that has the keys and no manners: the input is the plaintext,
 * padding included. First octet: bit 0 the suite, bit 1 leave the ICV wrong; second: type of the
 * first inner payload. */
#include <stdlib.h>

#include "crypto/aead.h"
#include "crypto/alg.h"
#include "ikemsg/sk.h"
#include "touch.h"

enum { AAD = IKE_HEADER_OCTETS + IKE_PAYLOAD_HEADER_OCTETS };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct aead_spec specs[2] = {
	{ ENCR_AES_GCM_16, 128, INTEG_NONE },
	{ ENCR_AES_CBC, 128, INTEG_HMAC_SHA2_256_128 },
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct aead *out[2], *in[2];
	static struct aead_sizes s[2];
	static const uint8_t key[64];
	static struct ike_msg msg;
	static uint8_t buf[70000];
	uint8_t critical, *inner;
	size_t inner_len;

	for (int i = 0; i < 2 && !in[1]; i++) {
		aead_sizes(&specs[i], &s[i]);
		out[i] = aead_new(AEAD_DRIVER_OPENSSL, &specs[i], true, key, s[i].key + s[i].salt,
				  key, s[i].integ);
		in[i] = aead_new(AEAD_DRIVER_OPENSSL, &specs[i], false, key, s[i].key + s[i].salt,
				 key, s[i].integ);
	}
	if (size < 3 || size > IKE_MSG_MAX)
		return 0;

	int k = data[0] & 1;
	size_t text_len = (size - 2) / s[k].block * s[k].block;
	size_t len = AAD + s[k].iv + text_len + s[k].icv;
	struct ike_hdr h = { .next_payload = PLD_SK, .length = (uint32_t)len };
	struct wr w = wr_init(buf, sizeof(buf));

	ike_hdr_put(&w, &h);
	wr_u16(&w, (uint16_t)(data[1] << 8));
	wr_u16(&w, (uint16_t)(len - IKE_HEADER_OCTETS));
	wr_zero(&w, s[k].iv);
	wr_bytes(&w, data + 2, text_len);
	wr_zero(&w, s[k].icv);
	if (text_len)
		aead_seal(out[k], buf, AAD, buf + AAD, buf + AAD + s[k].iv, text_len, NULL, 0);
	buf[len - 1] ^= data[0] >> 1 & 1;
	if (msg_decode(buf, len, &msg, &critical) != MSG_OK)
		abort();
	if (sk_open(in[k], &s[k], buf, len, &msg, &inner, &inner_len))
		return 0;
	if (data[0] & 2)
		abort();
	if (msg_decode_inner(msg.sk_next, inner, inner_len, &msg, &critical) == MSG_OK)
		touch_msg(&msg);
	return 0;
}
