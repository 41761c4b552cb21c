/* SPDX-License-Identifier: GPL-2.0-only */
/* Asymmetric keys that sign: RSA, ECDSA on the NIST curves, Ed25519, Ed448. Thread: one. */
#ifndef BRAID_CRYPTO_PKEY_H
#define BRAID_CRYPTO_PKEY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct secret;
struct pkey; /* opaque: a public key, or one with its private part */

enum key_type { KEY_RSA, KEY_ECDSA, KEY_ED25519, KEY_ED448 };

/* Larger RSA keys cost too much of whoever verifies with them; shorter ones are broken soon. */
enum { KEY_RSA_BITS_MIN = 2048, KEY_RSA_BITS_MAX = 8192, KEY_RSA_EXPONENT_BITS_MAX = 64 };

enum { KEY_WHY_MAX = 128 };

struct key_info {
	enum key_type type;
	uint16_t bits; /* RSA: of the modulus; 256, 384, 521; 256 and 456 */
};

/* A private key from a file's octets: PEM (PKCS#1, SEC 1, PKCS#8, also encrypted) or DER. pass:
 * passphrase or NULL. 0; -EBADMSG (no key in it), -EKEYREJECTED (encrypted, and the passphrase is
 * missing or wrong), -ENOTSUP (a kind, curve or size that is not supported). The caller owns it. */
int pkey_load(const uint8_t *file, size_t len, const struct secret *pass, struct pkey **ret_key);
/* A private key in a PKCS#11 token: module is the path of the library; key is "id_HEX" for any
 * token, or "slot_N-id_HEX" (CKA_ID). It signs in the token, which may take its time. 0; -ENOSYS
 * (OpenSSL has no engine "pkcs11" here); -EBUSY (another module is in use, of which there can be
 * one in a process); -ENAMETOOLONG; -EIO with why, in the engine's words (no such module, no such
 * key, PIN incorrect); -ENOTSUP (kind of key), -ENOMEM. */
int pkey_token(const char *module, const char *key, const struct secret *pin, struct pkey **ret_key,
	       char why[KEY_WHY_MAX]);
/* Wipes; NULL is fine. */
void pkey_drop(struct pkey *k);
struct key_info pkey_info(const struct pkey *k);
/* "RSA 3072", "ECDSA P-256", "Ed25519" */
const char *key_info_format(const struct key_info *i, char buf[32]);

#endif
