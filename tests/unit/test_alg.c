/* SPDX-License-Identifier: GPL-2.0-only */
/* crypto/alg: words of proposals, their numbers and sizes. */
#include <errno.h>
#include <string.h>

#include <criterion/criterion.h>

#include "crypto/aead.h"
#include "crypto/alg.h"
#include "crypto/ke.h"

/* IANA, Internet Key Exchange Version 2 (IKEv2) Parameters. */
static const struct {
	const char *word;
	uint8_t type;
	uint16_t id, key_bits;
} iana[] = {
	{ "aes128", 1, 12, 128 },
	{ "aes256", 1, 12, 256 },
	{ "aes128gcm8", 1, 18, 128 },
	{ "aes256gcm12", 1, 19, 256 },
	{ "aes128gcm16", 1, 20, 128 },
	{ "aes192gcm16", 1, 20, 192 },
	{ "aes256gcm16", 1, 20, 256 },
	{ "chacha20poly1305", 1, 28, 0 },
	{ "null", 1, 11, 0 },
	{ "prfsha1", 2, 2, 0 },
	{ "prfsha256", 2, 5, 0 },
	{ "prfsha384", 2, 6, 0 },
	{ "prfsha512", 2, 7, 0 },
	{ "sha1", 3, 2, 0 },
	{ "sha256", 3, 12, 0 },
	{ "sha384", 3, 13, 0 },
	{ "sha512", 3, 14, 0 },
	{ "modp2048", 4, 14, 0 },
	{ "modp3072", 4, 15, 0 },
	{ "modp4096", 4, 16, 0 },
	{ "ecp256", 4, 19, 0 },
	{ "ecp384", 4, 20, 0 },
	{ "ecp521", 4, 21, 0 },
	{ "x25519", 4, 31, 0 },
	{ "x448", 4, 32, 0 },
	{ "noesn", 5, 0, 0 },
	{ "esn", 5, 1, 0 },
};

Test(alg, words_and_numbers)
{
	for (size_t i = 0; i < sizeof(iana) / sizeof(*iana); i++) {
		uint8_t type = 0;
		uint16_t id = 0, bits = 1;

		cr_assert_eq(alg_from_name(iana[i].word, &type, &id, &bits), 0, "%s", iana[i].word);
		cr_expect_eq(type, iana[i].type, "%s", iana[i].word);
		cr_expect_eq(id, iana[i].id, "%s", iana[i].word);
		cr_expect_eq(bits, iana[i].key_bits, "%s", iana[i].word);
		cr_expect_str_eq(alg_name(type, id, bits), iana[i].word);
	}
}

/* Other spellings are read and shown as the usual one. */
Test(alg, other_spellings)
{
	static const char *const rows[][2] = {
		{ "aes128gcm128", "aes128gcm16" },
		{ "aes", "aes128" },
		{ "sha", "sha1" },
		{ "sha2_256", "sha256" },
		{ "curve25519", "x25519" },
		{ "curve448", "x448" },
		{ "AES256GCM16", "aes256gcm16" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		uint8_t type;
		uint16_t id, bits;

		cr_assert_eq(alg_from_name(rows[i][0], &type, &id, &bits), 0, "%s", rows[i][0]);
		cr_expect_str_eq(alg_name(type, id, bits), rows[i][1]);
	}
}

Test(alg, unknown)
{
	static const char *const bad[] = {
		"", "aes512", "modp1024", "3des", "md5", "aes128gcm16 "
	};
	uint8_t type = 77;
	uint16_t id = 77, bits = 77;

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		cr_expect_eq(alg_from_name(bad[i], &type, &id, &bits), -ENOENT, "\"%s\"", bad[i]);
	cr_assert(type == 77 && id == 77 && bits == 77, "the result was touched");
	cr_assert_str_eq(alg_name(TRANSFORM_ENCR, 3, 0), "?");
	cr_assert_str_eq(alg_name(TRANSFORM_ENCR, ENCR_AES_GCM_16, 0), "?");
}

/* 7296 3.3.5: the key length is required for AES and refused for ciphers with one length. */
Test(alg, key_lengths)
{
	static const struct {
		uint16_t id, bits;
		bool ok;
	} rows[] = {
		{ ENCR_AES_GCM_16, 128, true },
		{ ENCR_AES_GCM_16, 192, true },
		{ ENCR_AES_GCM_16, 256, true },
		{ ENCR_AES_GCM_16, 0, false },
		{ ENCR_AES_GCM_16, 64, false },
		{ ENCR_AES_GCM_16, 512, false },
		{ ENCR_AES_CBC, 128, true },
		{ ENCR_AES_CBC, 0, false },
		{ ENCR_CHACHA20_POLY1305, 0, true },
		{ ENCR_CHACHA20_POLY1305, 256, false },
		{ 3, 0, false },
		{ 65535, 128, false },
	};
	struct encr_info info;

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		cr_expect_eq(encr_lookup(rows[i].id, rows[i].bits, &info), rows[i].ok, "%u %u",
			     rows[i].id, rows[i].bits);
}

/* RFC 4106 8, 7634 2, 3602 2, 4868 2.3: octets of key, salt, IV, ICV, block. */
Test(alg, sizes)
{
	static const struct {
		struct aead_spec spec;
		struct aead_sizes s;
	} rows[] = {
		{ { ENCR_AES_GCM_16, 128, INTEG_NONE }, { 16, 4, 0, 8, 16, 1 } },
		{ { ENCR_AES_GCM_16, 256, INTEG_NONE }, { 32, 4, 0, 8, 16, 1 } },
		{ { ENCR_AES_GCM_8, 256, INTEG_NONE }, { 32, 4, 0, 8, 8, 1 } },
		{ { ENCR_AES_GCM_12, 128, INTEG_NONE }, { 16, 4, 0, 8, 12, 1 } },
		{ { ENCR_CHACHA20_POLY1305, 0, INTEG_NONE }, { 32, 4, 0, 8, 16, 1 } },
		{ { ENCR_AES_CBC, 128, INTEG_HMAC_SHA2_256_128 }, { 16, 0, 32, 16, 16, 16 } },
		{ { ENCR_AES_CBC, 256, INTEG_HMAC_SHA2_384_192 }, { 32, 0, 48, 16, 24, 16 } },
		{ { ENCR_AES_CBC, 256, INTEG_HMAC_SHA2_512_256 }, { 32, 0, 64, 16, 32, 16 } },
	};
	struct aead_sizes s;

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		cr_assert(aead_sizes(&rows[i].spec, &s), "row %zu", i);
		cr_expect_eq(memcmp(&s, &rows[i].s, sizeof(s)), 0, "row %zu", i);
	}
	/* an AEAD with an integrity algorithm, a cipher without one */
	cr_assert_not(aead_sizes(
		&(struct aead_spec){ ENCR_AES_GCM_16, 128, INTEG_HMAC_SHA2_256_128 }, &s));
	cr_assert_not(aead_sizes(&(struct aead_spec){ ENCR_AES_CBC, 128, INTEG_NONE }, &s));
}

/* What can be named can be done, with public values of the length that is announced. */
Test(alg, every_group_is_there)
{
	for (size_t i = 0; i < sizeof(iana) / sizeof(*iana); i++) {
		size_t want = 0, len = 0;

		if (iana[i].type != TRANSFORM_KE)
			continue;
		cr_assert(ke_lookup(iana[i].id, &want), "%s", iana[i].word);
		struct ke *ke = ke_new(iana[i].id);
		cr_assert(ke, "%s", iana[i].word);
		ke_public(ke, &len);
		cr_expect_eq(len, want, "%s", iana[i].word);
		ke_free(ke);
	}
	cr_assert_not(ke_lookup(2, &(size_t){ 0 }));
}
