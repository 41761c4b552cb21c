/* SPDX-License-Identifier: GPL-2.0-only */
/* ESP packets. First octet: bit 0 the suite, bit 1 with the right ICV over any plaintext, padding
 * included, as a peer with the keys may make it, else the packet as it comes from anybody. What is
 * accepted lies within the packet, and encapsulated again is accepted again. */
#include <stdlib.h>
#include <string.h>

#include "crypto/aead.h"
#include "crypto/alg.h"
#include "esp/esp.h"
#include "esp/flow.h"
#include "esp/probe.h"

enum { PACKET_MAX = 2100 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct aead_spec specs[2] = {
	{ ENCR_AES_GCM_16, 128, INTEG_NONE },
	{ ENCR_AES_CBC, 128, INTEG_HMAC_SHA2_256_128 },
};
static struct aead *out[2], *in[2];
static struct esp_format format[2];

static void prepare(void)
{
	static const uint8_t key[64];
	struct aead_sizes s;

	for (int i = 0; i < 2; i++) {
		aead_sizes(&specs[i], &s);
		out[i] = aead_new(AEAD_DRIVER_OPENSSL, &specs[i], true, key, s.key + s.salt, key,
				  s.integ);
		in[i] = aead_new(AEAD_DRIVER_OPENSSL, &specs[i], false, key, s.key + s.salt, key,
				 s.integ);
		format[i] = esp_format_init(0x10000001, false, s.integ == 0, &s);
	}
	if (!out[1] || !in[1])
		abort();
}

static void accepted(int k, uint8_t *pkt, size_t len, size_t inner_len, uint8_t next)
{
	const struct esp_format *f = &format[k];
	struct probe probe;
	struct inner inner;
	uint8_t next_again;
	size_t again;

	if (f->hdr + inner_len + 2 + f->icv > len)
		abort();
	if (next == ESP_NH_DUMMY)
		probe_decode(pkt + f->hdr, inner_len, &probe);
	else if (!inner_parse(pkt + f->hdr, inner_len, false, &inner) && inner.len > inner_len)
		abort();
	if (esp_len(f, inner_len) > PACKET_MAX)
		return;
	if (esp_encap(out[k], f, 7, pkt, inner_len, next) ||
	    esp_decap(in[k], f, 7, pkt, esp_len(f, inner_len), &again, &next_again) ||
	    again != inner_len || next_again != next)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t pkt[PACKET_MAX + 64];
	const struct esp_format *f;
	size_t len, inner_len = 0;
	uint8_t next = 0;
	int k;

	if (!out[0])
		prepare();
	if (size < 2 || size > PACKET_MAX - 64)
		return 0;
	k = data[0] & 1;
	f = &format[k];
	if (data[0] & 2) {
		size_t text = (size - 1) / f->align * f->align;

		len = f->hdr + text + f->icv;
		memset(pkt, 0, f->hdr);
		memcpy(pkt + f->hdr, data + 1, text);
		if (!text || aead_seal(out[k], pkt, ESP_HEADER, pkt + ESP_HEADER, pkt + f->hdr,
				       text, NULL, 0))
			return 0;
	} else {
		len = size - 1;
		memcpy(pkt, data + 1, len);
	}
	if (!esp_decap(in[k], f, 0, pkt, len, &inner_len, &next))
		accepted(k, pkt, len, inner_len, next);
	return 0;
}
