/* SPDX-License-Identifier: GPL-2.0-only */
/* Keys, SPIs and the digest of Child SAs that are derived for an added interface (MMX ADD_IF).
 *
 * A is who adds the interface, B the other; both compute the same. Everything comes from a key of
 * its own, K = prf(SK_d, label), SK_d being that of the IKE SA which carries the exchange, and from
 * a fresh nonce of each side: no key of a parent is used, or could be found from what is derived.
 * Thread: any.
 */
#ifndef BRAID_IKE_MMX_KEYS_H
#define BRAID_IKE_MMX_KEYS_H

#include "base/secret.h"
#include "ikemsg/mmx.h"

/* Wiped by mmx_keys_clear. */
struct mmx_keys {
	uint16_t prf; /* of the IKE SA */
	struct secret k;
	uint8_t na[MMX_NONCE_OCTETS], nb[MMX_NONCE_OCTETS]; /* the caller's to set */
};

/* 0, -EINVAL (no such PRF) or -EIO. */
int mmx_keys_init(struct mmx_keys *ret_k, uint16_t prf, const struct secret *sk_d);
void mmx_keys_clear(struct mmx_keys *k);

/* The SPI of the j-th derived SA (from 1, those that are kept) that is inbound at A, from that of
 * its parent. It may be one that is in use, or reserved: A then takes another nonce. Needs na. */
int mmx_spi_a(const struct mmx_keys *k, uint32_t j, uint32_t parent_spi_a, uint32_t *ret_spi);
/* The one inbound at B. Needs both nonces. */
int mmx_spi_b(const struct mmx_keys *k, uint32_t j, uint32_t parent_spi_b, uint32_t *ret_spi);

struct mmx_derived {
	uint32_t j;
	uint8_t protocol; /* enum proto_id */
	uint32_t parent_spi_a, parent_spi_b;
	uint32_t spi_a, spi_b; /* computed, or as SPIS said */
};

/* KEYMAT: first what A sends with, then B; of each the key for encryption (with salt) before that
 * for integrity. -EMSGSIZE if the PRF does not give as much. */
int mmx_keymat(const struct mmx_keys *k, const struct mmx_derived *d, uint8_t *ret_keymat,
	       size_t len);

struct mmx_sa_entry {
	uint8_t protocol; /* enum proto_id */
	bool transport;
	uint32_t spi_a, spi_b;
};

/* By this both find out whether they have the same SAs and would derive from the same parents: all
 * established Child SAs of the IKE SA, ascending by spi_a, and spi_a of the parents in their order.
 * -EINVAL: not ascending. -EMSGSIZE: more than 65535 of either. -ENOMEM, -EIO. */
int mmx_parents_digest(const struct mmx_keys *k, const struct mmx_sa_entry *all, size_t n_all,
		       const uint32_t *parents, size_t n_parents,
		       uint8_t ret_digest[MMX_DIGEST_OCTETS]);

#endif
