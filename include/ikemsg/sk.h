/* SPDX-License-Identifier: GPL-2.0-only */
/* The Encrypted payload: seal a payload chain into a whole message, open one (RFC 7296 3.14,
 * RFC 5282). The IV counter of an AEAD is the caller's: it must never repeat under a key. */
#ifndef BRAID_IKEMSG_SK_H
#define BRAID_IKEMSG_SK_H

#include <stddef.h>
#include <stdint.h>

struct aead;
struct aead_sizes;
struct ike_hdr;
struct ike_msg;

/* Octets the whole message will take for inner_len octets of payloads. */
size_t sk_sealed_octets(const struct aead_sizes *s, size_t inner_len);
/* Writes header, SK and ICV into out. iv_counter is used as the 8-octet IV of an AEAD (ignored for
 * CBC, whose IV the cipher makes). Returns octets, or 0 on overflow or a failing provider. */
size_t sk_seal(struct aead *a, const struct aead_sizes *s, const struct ike_hdr *hdr,
	       uint8_t inner_first, const uint8_t *inner, size_t inner_len, uint64_t iv_counter,
	       uint8_t *out, size_t cap);
/* What stands before the IV: SK, or a payload like it with octets of its own there (skf.h). */
struct sk_form {
	uint8_t type, inner_first;
	uint8_t head_len;
	uint8_t head[4];
};
/* sk_seal for any of them. */
size_t sk_seal_as(struct aead *a, const struct aead_sizes *s, const struct ike_hdr *hdr,
		  const struct sk_form *form, const uint8_t *inner, size_t inner_len,
		  uint64_t iv_counter, uint8_t *out, size_t cap);
/* Of SK and SKF alike. Decrypts in place inside buf (the datagram m was decoded from). On 0 the
 * inner chain is ret_inner/ret_len, without padding. -EBADMSG: integrity failed or too short; -EIO:
 * provider. */
int sk_open(struct aead *a, const struct aead_sizes *s, uint8_t *buf, size_t len,
	    const struct ike_msg *m, uint8_t **ret_inner, size_t *ret_len);

#endif
