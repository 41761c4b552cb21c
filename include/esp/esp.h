/* SPDX-License-Identifier: GPL-2.0-only */
/* ESP packets (RFC 4303), one at a time and in place: layout, padding, trailer, the AAD of each
 * kind of suite. No I/O, no SA look-up, no replay decision, no allocation.
 *
 *     SPI (4) | sequence number, low 32 bits (4) | IV | inner packet | 1 2 3 .. | pad len | NH |
 * ICV
 *
 * Thread: a context of crypto/aead.h belongs to one thread, so does a call here.
 */
#ifndef BRAID_ESP_ESP_H
#define BRAID_ESP_ESP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct aead;
struct aead_sizes;

enum esp_next_header { ESP_NH_IPV4 = 4, ESP_NH_IPV6 = 41, ESP_NH_DUMMY = 59 };

enum { ESP_HEADER = 8, ESP_OVERHEAD_MAX = 8 + 16 + 16 + 2 + 32 };

/* What the packets of one SA have in common, in one direction. */
struct esp_format {
	uint32_t spi;	 /* host order */
	uint8_t iv, icv; /* octets */
	uint8_t align;	 /* text is a multiple of this, a power of two: cipher block, at least 4 */
	uint8_t hdr;	 /* octets before the inner packet: ESP_HEADER + iv */
	bool esn;
	bool aead; /* ESN belongs into the AAD; else behind the text (RFC 4303 2.2.1) */
};

struct esp_format esp_format_init(uint32_t spi, bool esn, bool aead, const struct aead_sizes *s);

/* Octets that are encrypted: the inner packet, padding, pad length and next header. */
static inline size_t esp_text_len(const struct esp_format *f, size_t inner_len)
{
	return (inner_len + 2 + f->align - 1u) & ~(size_t)(f->align - 1u);
}

/* Octets of the ESP packet that carries inner_len octets. */
static inline size_t esp_len(const struct esp_format *f, size_t inner_len)
{
	return f->hdr + esp_text_len(f, inner_len) + f->icv;
}

/* Largest inner packet for which esp_len is at most len; 0 if there is none. */
size_t esp_inner_max(const struct esp_format *f, size_t len);

/* Encapsulate the inner_len octets that stand at pkt + f->hdr. pkt must have room for
 * esp_len(f, inner_len). seq: taken once, for this packet; also the IV of counter-like ciphers,
 * unique as long as the key lives (RFC 4106 3.1). Returns 0 or -EIO. */
int esp_encap(struct aead *a, const struct esp_format *f, uint64_t seq, uint8_t *pkt,
	      size_t inner_len, uint8_t next_header);

/* Traffic flow confidentiality (RFC 4303 2.7): zeros after an inner packet of n octets at p, up to
 * pad_to. The packet's own header says where it ends. Returns the octets to encapsulate. */
static inline size_t esp_tfc(uint8_t *p, size_t n, size_t pad_to)
{
	if (n >= pad_to)
		return n;
	memset(p + n, 0, pad_to - n);
	return pad_to;
}

/* Shape only: long enough, a multiple of the block. Read before anything costs. */
bool esp_shape_ok(const struct esp_format *f, size_t len);

static inline uint32_t esp_spi(const uint8_t *pkt)
{
	return (uint32_t)pkt[0] << 24 | (uint32_t)pkt[1] << 16 | (uint32_t)pkt[2] << 8 | pkt[3];
}

static inline uint32_t esp_seq_low(const uint8_t *pkt)
{
	return esp_spi(pkt + 4);
}

/* Verify and decrypt in place. seq: with the guessed high half if f->esn. On success the plaintext
 * is *ret_len octets at pkt + f->hdr.
 * Returns 0, -EMSGSIZE (shape), -EBADMSG (ICV), -EPROTO (verified, but pad length or pad octets are
 * wrong), -EIO. */
int esp_decap(struct aead *a, const struct esp_format *f, uint64_t seq, uint8_t *pkt, size_t len,
	      size_t *ret_len, uint8_t *ret_next_header);

#endif
