/* SPDX-License-Identifier: GPL-2.0-only */
/* ike/mmx_keys: the specification's vector of a derived Child SA, and others that a few lines of
 * Python's hmac computed from its formulas. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/alg.h"
#include "crypto/prf.h"
#include "../../user/ike/mmx_keys.h"
#include "../lib/hex.h"

static struct mmx_keys k;

/* SK_d counts from 0. */
static void keys(uint16_t prf)
{
	struct secret sk_d;
	size_t octets;

	cr_assert(prf_lookup(prf, &octets));
	for (size_t i = 0; i < octets; i++)
		sk_d.b[i] = (uint8_t)i;
	sk_d.len = octets;
	cr_assert_eq(mmx_keys_init(&k, prf, &sk_d), 0);
	cr_assert_eq(k.k.len, octets);
}

static void assert_hex(const void *got, const char *hex)
{
	uint8_t want[256];
	size_t len = unhex(hex, want, sizeof(want));

	cr_assert_neq(len, 0);
	cr_assert_arr_eq(got, want, len);
}

/* [MMX-15] [MMX-16]: AES-GCM-256 under HMAC-SHA-256, the only Child SA. */
Test(mmx_keys, vector_of_the_specification)
{
	struct mmx_sa_entry all[] = { { PROTO_ESP, false, 0x11111111, 0x22222222 } };
	struct mmx_derived d = { .j = 1,
				 .protocol = PROTO_ESP,
				 .parent_spi_a = 0x11111111,
				 .parent_spi_b = 0x22222222 };
	uint8_t digest[MMX_DIGEST_OCTETS], keymat[2 * 36];

	keys(PRF_HMAC_SHA2_256);
	memset(k.na, 0xa1, sizeof(k.na));
	memset(k.nb, 0xb2, sizeof(k.nb));
	assert_hex(k.k.b, "ad73259a033beb0c1a7222344e39cb174985b00f7065fdd66fc9b999f3615f97");
	cr_assert_eq(mmx_parents_digest(&k, all, 1, &all[0].spi_a, 1, digest), 0);
	assert_hex(digest, "111b8c704300ad787747f6d34032907c");
	cr_assert_eq(mmx_spi_a(&k, 1, 0x11111111, &d.spi_a), 0);
	cr_assert_eq(mmx_spi_b(&k, 1, 0x22222222, &d.spi_b), 0);
	cr_assert_eq(d.spi_a, 0xf9a1dab3);
	cr_assert_eq(d.spi_b, 0xba0cfced);
	cr_assert_eq(mmx_keymat(&k, &d, keymat, sizeof(keymat)), 0);
	assert_hex(keymat, "a28a7fce31102c348a3a125572e26b4410fe805af9d6189073ca6c2cc31c5efe"
			   "5a88db6e"
			   "754fe1dceae21cbff81e106b8fa30ea46a274dd81d73a079a3531c6f8d1407bb"
			   "2ebc637c");
	mmx_keys_clear(&k);
	for (size_t i = 0; i < sizeof(k); i++)
		cr_assert_eq(((uint8_t *)&k)[i], 0);
}

/* [MMX-15] [MMX-16]: two parents of three SAs, not in the order of their SPIs, HMAC-SHA-512, keys
 * of AES-CBC-128 with HMAC-SHA-256. */
Test(mmx_keys, two_of_three)
{
	static const struct mmx_sa_entry all[] = { { PROTO_ESP, false, 0xc0000001, 0xd0000001 },
						   { PROTO_ESP, true, 0xc0000002, 0xd0000002 },
						   { PROTO_ESP, false, 0xc0000003, 0xd0000003 } };
	static const uint32_t parents[] = { 0xc0000002, 0xc0000001 };
	static const struct {
		uint32_t a, b;
		const char *keymat;
	} want[] = {
		{ 0x85724163, 0xdd118ef8,
		  "2aadf4c6c8793b319ddc1a51df4e18354a1e9ed18a114005aa732d12579242f0"
		  "e0761e7f7435fe0c9536d165cd74d6d98cee55a887ebf8a9ab5b980fa2c79b75"
		  "27e4d9b98ddc4081343e46f97083ac35a607ce1d7e17a66a729d9312515eba5a" },
		{ 0x5459e518, 0x13329bee,
		  "9ec2c27785b6acd14488a45d6ac0bbf116e9e6328c54e8326409098a13578c3f"
		  "55630d07d31f3c0b8c88286bbc57247b706d9dcbedb8b79fc17d271bfe2d8937"
		  "6efb5d72bac0858beab4764ac4150e687b6170390dcac738a9ad4886ca0e7018" },
	};
	uint8_t digest[MMX_DIGEST_OCTETS], keymat[2 * (16 + 32)];

	keys(PRF_HMAC_SHA2_512);
	for (size_t i = 0; i < MMX_NONCE_OCTETS; i++) {
		k.na[i] = (uint8_t)(0x40 + i);
		k.nb[i] = (uint8_t)(0x80 + i);
	}
	assert_hex(k.k.b, "6a04ee01ae0b05dc7d0af45dcb1f37339f1c46bf455d891fa26686761c4d44b2"
			  "04b9d4c287ec0370432b197b1364f5e4b98bbf0fe64f65fccb014578a0c7915a");
	cr_assert_eq(mmx_parents_digest(&k, all, 3, parents, 2, digest), 0);
	assert_hex(digest, "e5b9091dd14274ad11ac91d41632f3dc");
	for (uint32_t j = 1; j <= 2; j++) {
		struct mmx_derived d = { .j = j,
					 .protocol = PROTO_ESP,
					 .parent_spi_a = parents[j - 1],
					 .parent_spi_b = parents[j - 1] + 0x10000000 };

		cr_assert_eq(mmx_spi_a(&k, j, d.parent_spi_a, &d.spi_a), 0);
		cr_assert_eq(mmx_spi_b(&k, j, d.parent_spi_b, &d.spi_b), 0);
		cr_expect_eq(d.spi_a, want[j - 1].a);
		cr_expect_eq(d.spi_b, want[j - 1].b);
		cr_assert_eq(mmx_keymat(&k, &d, keymat, sizeof(keymat)), 0);
		assert_hex(keymat, want[j - 1].keymat);
	}
}

/* [MMX-15]: without any SA, under the shortest PRF. */
Test(mmx_keys, digest_of_nothing)
{
	uint8_t digest[MMX_DIGEST_OCTETS];

	keys(PRF_HMAC_SHA1);
	assert_hex(k.k.b, "b4d959228a094852c0cdcc4cc4a537b91aa22d21");
	cr_assert_eq(mmx_parents_digest(&k, NULL, 0, NULL, 0, digest), 0);
	assert_hex(digest, "db97a49a291a14e3854c644981eb0e2d");
}

/* [MMX-15]: whatever differs between the two ends makes another digest. */
Test(mmx_keys, digest_tells_differences)
{
	struct mmx_sa_entry all[] = { { PROTO_ESP, false, 1000, 2000 },
				      { PROTO_ESP, false, 1001, 2001 } };
	static const uint32_t both[] = { 1000, 1001 }, swapped[] = { 1001, 1000 };
	uint8_t first[MMX_DIGEST_OCTETS], digest[MMX_DIGEST_OCTETS];

	keys(PRF_HMAC_SHA2_256);
	cr_assert_eq(mmx_parents_digest(&k, all, 2, both, 2, first), 0);
#define DIFFERS(how)                                                                               \
	do {                                                                                       \
		memset(digest, 0, sizeof(digest));                                                 \
		cr_assert_eq(how, 0);                                                              \
		cr_expect(memcmp(digest, first, sizeof(digest)) != 0, #how);                       \
	} while (0)
	DIFFERS(mmx_parents_digest(&k, all, 2, swapped, 2, digest));
	DIFFERS(mmx_parents_digest(&k, all, 2, both, 1, digest));
	DIFFERS(mmx_parents_digest(&k, all, 1, both, 2, digest));
	all[1].spi_b++;
	DIFFERS(mmx_parents_digest(&k, all, 2, both, 2, digest));
	all[1].spi_b--;
	all[0].transport = true;
	DIFFERS(mmx_parents_digest(&k, all, 2, both, 2, digest));
	all[0].transport = false;
	all[0].protocol = PROTO_AH;
	DIFFERS(mmx_parents_digest(&k, all, 2, both, 2, digest));
	all[0].protocol = PROTO_ESP;
	k.k.b[0] ^= 1;
	DIFFERS(mmx_parents_digest(&k, all, 2, both, 2, digest));
	k.k.b[0] ^= 1;
	/* and what is not a list in its order is nobody's */
	all[1].spi_a = 1000;
	cr_assert_eq(mmx_parents_digest(&k, all, 2, both, 2, digest), -EINVAL);
	cr_assert_eq(mmx_parents_digest(&k, all, 65536, both, 2, digest), -EMSGSIZE);
	cr_assert_eq(mmx_parents_digest(&k, all, 1, both, 65536, digest), -EMSGSIZE);
}

/* [MMX-16]: each input counts, and no two derivations share a key or an SPI. */
Test(mmx_keys, every_input_counts)
{
	const struct mmx_derived d = { 1, PROTO_ESP, 1000, 2000, 3000, 4000 };
	struct mmx_derived others[] = {
		{ 2, PROTO_ESP, 1000, 2000, 3000, 4000 }, { 1, PROTO_AH, 1000, 2000, 3000, 4000 },
		{ 1, PROTO_ESP, 1001, 2000, 3000, 4000 }, { 1, PROTO_ESP, 1000, 2001, 3000, 4000 },
		{ 1, PROTO_ESP, 1000, 2000, 3001, 4000 }, { 1, PROTO_ESP, 1000, 2000, 3000, 4001 },
	};
	uint8_t first[32], keymat[32];
	uint32_t spi[2], again[2];

	keys(PRF_HMAC_SHA2_256);
	cr_assert_eq(mmx_keymat(&k, &d, first, sizeof(first)), 0);
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		cr_assert_eq(mmx_keymat(&k, &others[i], keymat, sizeof(keymat)), 0);
		cr_expect(memcmp(first, keymat, sizeof(first)) != 0, "%zu", i);
	}
	cr_assert_eq(mmx_spi_a(&k, 1, 1000, &spi[0]), 0);
	cr_assert_eq(mmx_spi_b(&k, 1, 1000, &spi[1]), 0);
	cr_expect_neq(spi[0], spi[1]);
	for (size_t i = 0; i < 2; i++) {
		uint8_t *nonce = i ? k.nb : k.na;

		nonce[31] ^= 1;
		cr_assert_eq(mmx_keymat(&k, &d, keymat, sizeof(keymat)), 0);
		cr_expect(memcmp(first, keymat, sizeof(first)) != 0, "nonce %zu", i);
		cr_assert_eq(mmx_spi_a(&k, 1, 1000, &again[0]), 0);
		cr_assert_eq(mmx_spi_b(&k, 1, 1000, &again[1]), 0);
		/* A's must be known before B's nonce is */
		cr_expect_eq(again[0] == spi[0], i == 1);
		cr_expect_neq(again[1], spi[1]);
		nonce[31] ^= 1;
	}
}

Test(mmx_keys, refused)
{
	struct secret sk_d = { .len = 32 };
	struct mmx_derived d = { .j = 1 };
	static uint8_t keymat[255 * 32 + 1];

	cr_assert_eq(mmx_keys_init(&k, 999, &sk_d), -EINVAL);
	keys(PRF_HMAC_SHA2_256);
	cr_assert_eq(mmx_keymat(&k, &d, keymat, sizeof(keymat)), -EMSGSIZE);
}
