/* SPDX-License-Identifier: GPL-2.0-only */
/* Authenticated encryption for IKE's SK payload and for ESP: one interface over AEAD ciphers and
 * over encrypt-then-MAC pairs (AES-CBC + HMAC). Drivers stand behind one ops table; the caller
 * picks by name or takes the best for this CPU.
 *
 * A context belongs to one SA direction and one thread. seal and open work in place, allocate
 * nothing (but for BRIEF) and take no lock. RFC 4106, 5282, 7634, 3602, 4868.
 */
#ifndef BRAID_CRYPTO_AEAD_H
#define BRAID_CRYPTO_AEAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct aead; /* opaque */

struct aead_spec {
	uint16_t encr_id;
	uint16_t key_bits; /* 0 for fixed-length ciphers */
	uint16_t integ_id; /* INTEG_NONE with an AEAD */
};

struct aead_sizes {
	size_t key; /* octets of encryption key, without salt */
	size_t salt;
	size_t integ; /* octets of integrity key, 0 with an AEAD */
	size_t iv;    /* octets on the wire */
	size_t icv;
	size_t block; /* padding granularity: 1 for stream-like ciphers */
};

/* BRIEF: OpenSSL with as little memory as can be while nothing is sealed or opened; with AEAD
 * ciphers seal and open make a context of the provider's each time. For IKE. */
enum aead_driver {
	AEAD_DRIVER_BEST,
	AEAD_DRIVER_OPENSSL,
	AEAD_DRIVER_IPSEC_MB,
	AEAD_DRIVER_BRIEF,
};

bool aead_sizes(const struct aead_spec *spec, struct aead_sizes *ret_sizes);
/* "openssl", "ipsec-mb"; what BEST resolves to here. Static string. */
const char *aead_driver_name(enum aead_driver d);
/* Present on this CPU and in this build, for that cipher? */
bool aead_driver_available(enum aead_driver d, const struct aead_spec *spec);

/* key: encryption key followed by salt; integ_key may be NULL with an AEAD. Copied inside.
 * NULL when the spec is unknown or the provider fails. Owned by the caller. */
struct aead *aead_new(enum aead_driver d, const struct aead_spec *spec, bool encrypt,
		      const uint8_t *key, size_t key_len, const uint8_t *integ_key,
		      size_t integ_len);
void aead_free(struct aead *a); /* wipes; NULL is fine */
const char *aead_driver_of(const struct aead *a);

/* One packet. The message is aad | iv | text | icv, of which iv, text and icv are adjacent
 * in memory in that order: text points at the plaintext (a multiple of block), iv at spec.iv octets
 * directly before it, the ICV is written directly after it. aad ends where the caller says; for the
 * encrypt-then-MAC pairs the MAC covers aad | iv | text | aad_tail, where aad_tail is the high half
 * of an ESN (RFC 4303 2.8) and is NULL/0 otherwise; AEAD callers put the ESN into aad and pass no
 * tail. For CBC the IV must be unpredictable: seal() makes it (from a keyed counter) and writes it
 * to iv; for counter-like ciphers the caller has written it.
 * seal: 0 or -EIO. open: 0, -EBADMSG (ICV wrong; text is garbage), -EIO. */
int aead_seal(struct aead *a, const uint8_t *aad, size_t aad_len, uint8_t *iv, uint8_t *text,
	      size_t text_len, const uint8_t *aad_tail, size_t tail_len);
int aead_open(struct aead *a, const uint8_t *aad, size_t aad_len, const uint8_t *iv, uint8_t *text,
	      size_t text_len, const uint8_t *aad_tail, size_t tail_len);

#endif
