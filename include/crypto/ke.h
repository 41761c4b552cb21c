/* SPDX-License-Identifier: GPL-2.0-only */
/* Key exchange methods: MODP (RFC 3526), ECP (RFC 5903), X25519/X448 (RFC 8031). Thread: any. */
#ifndef BRAID_CRYPTO_KE_H
#define BRAID_CRYPTO_KE_H

#include <stddef.h>
#include <stdint.h>

struct secret;
struct ke; /* opaque: one private value */

/* A fresh key pair; NULL if the group is unknown or the provider fails. Owned by the caller. */
struct ke *ke_new(uint16_t ke_id);
/* Wipes; NULL is fine. */
void ke_free(struct ke *ke);
uint16_t ke_group(const struct ke *ke);
/* The KE payload's data: MODP padded to the modulus length, ECP x|y, raw for X25519/X448.
 * ret_len in octets; the buffer lives as long as ke. */
const uint8_t *ke_public(const struct ke *ke, size_t *ret_len);
/* g^ir, padded to the full length (7296 2.14; ECP: x only). 0; -EBADMSG for a value of wrong length
 * or one that fails the checks of RFC 6989 / an all-zero result; -EIO when the provider failed.
 * ret_secret is untouched on failure. */
int ke_derive(struct ke *ke, const uint8_t *peer, size_t peer_len, struct secret *ret_secret);

/* Serialised private value for a test vector; not used by the product otherwise. ECP and
 * X25519/X448; NULL for other groups. */
struct ke *ke_from_private(uint16_t ke_id, const uint8_t *priv, size_t len);

#endif
