/* SPDX-License-Identifier: GPL-2.0-only */
#include <errno.h>
#include <string.h>

#include "crypto/aead.h"
#include "esp/esp.h"

static void put32(uint8_t *p, uint32_t v)
{
	v = __builtin_bswap32(v);
	memcpy(p, &v, sizeof(v));
}

struct esp_format esp_format_init(uint32_t spi, bool esn, bool aead, const struct aead_sizes *s)
{
	return (struct esp_format){
		.spi = spi,
		.iv = (uint8_t)s->iv,
		.icv = (uint8_t)s->icv,
		/* RFC 4303 2.4: pad length and next header end on a 4-octet boundary. */
		.align = (uint8_t)(s->block < 4 ? 4 : s->block),
		.hdr = (uint8_t)(ESP_HEADER + s->iv),
		.esn = esn,
		.aead = aead,
	};
}

size_t esp_inner_max(const struct esp_format *f, size_t len)
{
	size_t text;

	if (len < (size_t)f->hdr + f->icv)
		return 0;
	text = (len - f->hdr - f->icv) & ~(size_t)(f->align - 1u);
	return text < 2 ? 0 : text - 2;
}

/* The octets that are authenticated and not sent as they are. Three cases:
 * no ESN: AAD is SPI and sequence number as on the wire; AEAD with ESN: SPI and 64 bits (RFC 4106
 * 5, RFC 7634 2.1); encrypt-then-MAC with ESN: as on the wire, the high half after the text. */
struct esp_aad {
	const uint8_t *p, *tail;
	size_t len, tail_len;
	uint8_t b[12];
};

static void make_aad(struct esp_aad *aad, const struct esp_format *f, uint64_t seq,
		     const uint8_t *pkt)
{
	aad->p = pkt;
	aad->len = ESP_HEADER;
	aad->tail = NULL;
	aad->tail_len = 0;
	if (!f->esn)
		return;
	put32(aad->b, f->spi);
	put32(aad->b + 4, (uint32_t)(seq >> 32));
	put32(aad->b + 8, (uint32_t)seq);
	if (f->aead) {
		aad->p = aad->b;
		aad->len = 12;
	} else {
		aad->tail = aad->b + 4;
		aad->tail_len = 4;
	}
}

int esp_encap(struct aead *a, const struct esp_format *f, uint64_t seq, uint8_t *pkt,
	      size_t inner_len, uint8_t next_header)
{
	size_t text_len = esp_text_len(f, inner_len);
	size_t pad = text_len - inner_len - 2;
	uint8_t *text = pkt + f->hdr, *p = text + inner_len;
	struct esp_aad aad;

	put32(pkt, f->spi);
	put32(pkt + 4, (uint32_t)seq);
	for (size_t i = 1; i <= pad; i++)
		*p++ = (uint8_t)i;
	*p++ = (uint8_t)pad;
	*p = next_header;
	if (f->aead && f->iv == 8) {
		put32(pkt + ESP_HEADER, (uint32_t)(seq >> 32));
		put32(pkt + ESP_HEADER + 4, (uint32_t)seq);
	}
	make_aad(&aad, f, seq, pkt);
	return aead_seal(a, aad.p, aad.len, pkt + ESP_HEADER, text, text_len, aad.tail,
			 aad.tail_len);
}

bool esp_shape_ok(const struct esp_format *f, size_t len)
{
	size_t text_len;

	if (len < (size_t)f->hdr + f->align + f->icv)
		return false;
	text_len = len - f->hdr - f->icv;
	return (text_len & (f->align - 1u)) == 0;
}

int esp_decap(struct aead *a, const struct esp_format *f, uint64_t seq, uint8_t *pkt, size_t len,
	      size_t *ret_len, uint8_t *ret_next_header)
{
	uint8_t *text = pkt + f->hdr, *pad;
	size_t text_len, pad_len;
	struct esp_aad aad;
	int r;

	if (!esp_shape_ok(f, len))
		return -EMSGSIZE;
	text_len = len - f->hdr - f->icv;
	make_aad(&aad, f, seq, pkt);
	r = aead_open(a, aad.p, aad.len, pkt + ESP_HEADER, text, text_len, aad.tail, aad.tail_len);
	if (r < 0)
		return r;
	pad_len = text[text_len - 2];
	if (pad_len + 2 > text_len)
		return -EPROTO;
	pad = text + text_len - 2 - pad_len;
	for (size_t i = 0; i < pad_len; i++)
		if (pad[i] != i + 1)
			return -EPROTO;
	*ret_len = text_len - 2 - pad_len;
	*ret_next_header = text[text_len - 1];
	return 0;
}
