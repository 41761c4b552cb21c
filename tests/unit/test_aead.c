/* SPDX-License-Identifier: GPL-2.0-only */
/* crypto/aead: published vectors, drivers against each other, tampering. [AEA-1] [AEA-3] [KEY-9] */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>

#include "base/secret.h"
#include "crypto/aead.h"
#include "crypto/alg.h"

static const struct aead_spec specs[] = {
	{ ENCR_AES_GCM_16, 128, INTEG_NONE },
	{ ENCR_AES_GCM_16, 192, INTEG_NONE },
	{ ENCR_AES_GCM_16, 256, INTEG_NONE },
	{ ENCR_AES_GCM_12, 256, INTEG_NONE },
	{ ENCR_AES_GCM_8, 128, INTEG_NONE },
	{ ENCR_CHACHA20_POLY1305, 0, INTEG_NONE },
	{ ENCR_AES_CBC, 128, INTEG_HMAC_SHA2_256_128 },
	{ ENCR_AES_CBC, 256, INTEG_HMAC_SHA2_384_192 },
	{ ENCR_AES_CBC, 256, INTEG_HMAC_SHA2_512_256 },
	{ ENCR_AES_CBC, 128, INTEG_HMAC_SHA1_96 },
	{ ENCR_NULL, 0, INTEG_HMAC_SHA2_256_128 },
};
enum { N_SPECS = sizeof(specs) / sizeof(*specs) };

static size_t unhex(const char *hex, uint8_t *out)
{
	size_t n = 0;
	unsigned v;

	for (; hex[0] && hex[1]; hex += 2) {
		cr_assert_eq(sscanf(hex, "%2x", &v), 1);
		out[n++] = (uint8_t)v;
	}
	return n;
}

struct vector {
	const char *source;
	struct aead_spec spec;
	const char *key, *salt, *iv, *aad, *plain, *sealed; /* sealed: ciphertext and ICV */
};

static const struct vector vectors[] = {
	/* draft-mcgrew-gcm-test-01, the RFC 4106 packets */
	{ "gcm-test packet 1",
	  { ENCR_AES_GCM_16, 128, INTEG_NONE },
	  "4c80cdefbb5d10da906ac73c3613a634",
	  "2e443b68",
	  "4956ed7e3b244cfe",
	  "000043218765432100000000",
	  "45000048699a000080114db7c0a80102c0a801010a9bf15638d3010000010000000000"
	  "00045f736970045f756470037369700963796265726369747902646b00002100010102"
	  "0201",
	  "fecf537e729d5b07dc30df528dd22b768d1b98736696a6fd348509fa13ceac34cfa2436f"
	  "14a3f3cf65925bf1f4a13c5d15b21e1884f5ff6247aeabb786b93bce61bc17d768fd9732"
	  "459018148f6cbe722fd04796562dfdb4" },
	/* RFC 7634 appendix A: ESP with ChaCha20-Poly1305 */
	{ "RFC 7634 A",
	  { ENCR_CHACHA20_POLY1305, 0, INTEG_NONE },
	  "808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f",
	  "a0a1a2a3",
	  "1011121314151617",
	  "0102030400000005",
	  "45000054a6f200004001e778c6336405c000020508005b7a3a080000553bec100007362708"
	  "090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f"
	  "303132333435363701020204",
	  "24039428b97f417e3c13753a4f05087b67c352e6a7fab1b982d466ef407ae5c614ee8099d5284"
	  "4eb61aa95dfab4c02f72aa71e7c4c4f64c9befe2facc638e8f3cbec163fac469b502773f6fb94e6"
	  "64da9165b82829f641e0"
	  "76aaa8266b7fb0f7b11b369907e1ad43" },
};

static enum aead_driver drivers[] = { AEAD_DRIVER_OPENSSL, AEAD_DRIVER_IPSEC_MB,
				      AEAD_DRIVER_BRIEF };

static void check_vector(const struct vector *v, enum aead_driver d)
{
	uint8_t key[64], aad[32], buf[512], want[512];
	size_t key_len = unhex(v->key, key), aad_len = unhex(v->aad, aad);
	size_t iv_len = unhex(v->iv, buf), len, want_len = unhex(v->sealed, want);

	key_len += unhex(v->salt, key + key_len);
	len = unhex(v->plain, buf + iv_len);
	cr_assert_eq(want_len, len + 16, "%s: %zu %zu", v->source, want_len, len);
	struct aead *e = aead_new(d, &v->spec, true, key, key_len, NULL, 0);
	struct aead *o = aead_new(d, &v->spec, false, key, key_len, NULL, 0);
	cr_assert(e && o);
	cr_assert_eq(aead_seal(e, aad, aad_len, buf, buf + iv_len, len, NULL, 0), 0);
	cr_assert_arr_eq(buf + iv_len, want, want_len, "%s by %s", v->source, aead_driver_of(e));
	cr_assert_eq(aead_open(o, aad, aad_len, buf, buf + iv_len, len, NULL, 0), 0);
	unhex(v->plain, want);
	cr_assert_arr_eq(buf + iv_len, want, len);
	aead_free(e);
	aead_free(o);
}

Test(aead, published_vectors)
{
	for (size_t i = 0; i < sizeof(vectors) / sizeof(*vectors); i++)
		for (size_t d = 0; d < 2; d++)
			if (aead_driver_available(drivers[d], &vectors[i].spec))
				check_vector(&vectors[i], drivers[d]);
}

/* RFC 3602 section 4 case 1 gives AES-CBC itself; here the way back: a packet made by hand. */
Test(aead, cbc_opens_rfc3602_case1)
{
	static const struct aead_spec spec = { ENCR_AES_CBC, 128, INTEG_HMAC_SHA2_256_128 };
	static const struct aead_spec null = { ENCR_NULL, 0, INTEG_HMAC_SHA2_256_128 };
	uint8_t key[16], mac_key[32] = { 7 }, aad[8] = { 1 }, buf[16 + 16 + 16];

	unhex("06a9214036b8a15b512e03d534120006", key);
	unhex("3dafba429d9eb430b422da802c9fac41", buf);
	unhex("e353779c1079aeb82708942dbe77181a", buf + 16);
	/* the MAC by the integrity-only suite: covers aad and then the 32 octets */
	struct aead *mac = aead_new(AEAD_DRIVER_OPENSSL, &null, true, NULL, 0, mac_key, 32);
	cr_assert_eq(aead_seal(mac, aad, 8, buf, buf, 32, NULL, 0), 0);
	struct aead *a = aead_new(AEAD_DRIVER_OPENSSL, &spec, false, key, 16, mac_key, 32);
	cr_assert_eq(aead_open(a, aad, 8, buf, buf + 16, 16, NULL, 0), 0);
	cr_assert_arr_eq(buf + 16, "Single block msg", 16);
	aead_free(a);
	aead_free(mac);
}

struct box {
	struct aead_sizes s;
	uint8_t key[64], integ[64], aad[12], tail[4];
	uint8_t plain[9100], buf[9200];
	size_t len, tail_len, aad_len;
};

static void box_fill(struct box *b, const struct aead_spec *spec, size_t len)
{
	cr_assert(aead_sizes(spec, &b->s));
	for (size_t i = 0; i < sizeof(b->key); i++) {
		b->key[i] = (uint8_t)(i * 7 + len);
		b->integ[i] = (uint8_t)(i * 13 + 1);
	}
	for (size_t i = 0; i < sizeof(b->plain); i++)
		b->plain[i] = (uint8_t)(i * 31 + (i >> 8));
	b->len = len - len % b->s.block;
	b->aad_len = spec->integ_id == INTEG_NONE ? 12 : 8;
	b->tail_len = spec->integ_id == INTEG_NONE ? 0 : 4;
	memset(b->aad, 0x5a, sizeof(b->aad));
	memset(b->tail, 0xa5, sizeof(b->tail));
	memset(b->buf, 0x11, b->s.iv);
	memcpy(b->buf + b->s.iv, b->plain, b->len);
}

static struct aead *box_aead(struct box *b, const struct aead_spec *spec, enum aead_driver d,
			     bool encrypt)
{
	struct aead *a = aead_new(d, spec, encrypt, b->key, b->s.key + b->s.salt,
				  b->s.integ ? b->integ : NULL, b->s.integ);

	cr_assert(a);
	return a;
}

static int box_seal(struct box *b, struct aead *a)
{
	return aead_seal(a, b->aad, b->aad_len, b->buf, b->buf + b->s.iv, b->len,
			 b->tail_len ? b->tail : NULL, b->tail_len);
}

static int box_open(struct box *b, struct aead *a)
{
	return aead_open(a, b->aad, b->aad_len, b->buf, b->buf + b->s.iv, b->len,
			 b->tail_len ? b->tail : NULL, b->tail_len);
}

/* What one driver seals the other opens, at every interesting length. */
Test(aead, drivers_agree)
{
	static struct box b;

	for (size_t i = 0; i < N_SPECS; i++) {
		for (size_t from = 0; from < 2; from++) {
			for (size_t to = 0; to < 2; to++) {
				if (!aead_driver_available(drivers[from], &specs[i]) ||
				    !aead_driver_available(drivers[to], &specs[i]))
					continue;
				for (size_t len = 0; len <= 9000; len += len < 130 ? 1 : 443) {
					box_fill(&b, &specs[i], len);
					struct aead *e =
						box_aead(&b, &specs[i], drivers[from], true);
					struct aead *o =
						box_aead(&b, &specs[i], drivers[to], false);

					cr_assert_eq(box_seal(&b, e), 0);
					cr_assert_eq(box_open(&b, o), 0, "spec %zu len %zu", i,
						     len);
					cr_assert_arr_eq(b.buf + b.s.iv, b.plain, b.len);
					aead_free(e);
					aead_free(o);
				}
			}
		}
	}
}

Test(aead, every_tampered_region_is_refused)
{
	static struct box b;
	enum { LEN = 64 };

	for (size_t i = 0; i < N_SPECS; i++) {
		for (size_t d = 0; d < 2; d++) {
			if (!aead_driver_available(drivers[d], &specs[i]))
				continue;
			box_fill(&b, &specs[i], LEN);
			struct aead *e = box_aead(&b, &specs[i], drivers[d], true);
			struct aead *o = box_aead(&b, &specs[i], drivers[d], false);
			cr_assert_eq(box_seal(&b, e), 0);
			size_t whole = b.s.iv + b.len + b.s.icv;
			uint8_t sealed[256];
			memcpy(sealed, b.buf, whole);
			for (size_t bit = 0; bit < whole * 8; bit++) {
				memcpy(b.buf, sealed, whole);
				b.buf[bit / 8] ^= (uint8_t)(1u << bit % 8);
				cr_assert_eq(box_open(&b, o), -EBADMSG, "spec %zu bit %zu", i, bit);
			}
			memcpy(b.buf, sealed, whole);
			b.aad[3] ^= 1;
			cr_assert_eq(box_open(&b, o), -EBADMSG);
			b.aad[3] ^= 1;
			memcpy(b.buf, sealed, whole);
			if (b.tail_len) {
				b.tail[0] ^= 1;
				cr_assert_eq(box_open(&b, o), -EBADMSG);
				b.tail[0] ^= 1;
				memcpy(b.buf, sealed, whole);
			}
			cr_assert_eq(box_open(&b, o), 0);
			aead_free(e);
			aead_free(o);
		}
	}
}

/* RFC 3602 2.1: the IV is unpredictable; at least it is new each time and differs between SAs. */
Test(aead, cbc_iv_is_fresh)
{
	static const struct aead_spec spec = { ENCR_AES_CBC, 128, INTEG_HMAC_SHA2_256_128 };
	static struct box b;
	uint8_t seen[64][16];

	box_fill(&b, &spec, 32);
	for (size_t i = 0; i < 64; i += 32) {
		struct aead *e = box_aead(&b, &spec, AEAD_DRIVER_OPENSSL, true);

		for (size_t k = 0; k < 32; k++) {
			cr_assert_eq(box_seal(&b, e), 0);
			memcpy(seen[i + k], b.buf, 16);
		}
		aead_free(e);
	}
	for (size_t i = 0; i < 64; i++)
		for (size_t k = 0; k < i; k++)
			cr_assert_neq(memcmp(seen[i], seen[k], 16), 0);
}

/* [AEA-1] [AEA-2] [AEA-3] [KEY-9]: octets of key, salt, integrity key, IV and checksum. */
Test(aead, sizes)
{
	static const struct {
		struct aead_spec spec;
		size_t key, salt, integ, iv, icv;
	} rows[] = {
		{ { ENCR_AES_GCM_16, 128, INTEG_NONE }, 16, 4, 0, 8, 16 },
		{ { ENCR_AES_GCM_16, 192, INTEG_NONE }, 24, 4, 0, 8, 16 },
		{ { ENCR_AES_GCM_16, 256, INTEG_NONE }, 32, 4, 0, 8, 16 },
		{ { ENCR_AES_GCM_12, 256, INTEG_NONE }, 32, 4, 0, 8, 12 },
		{ { ENCR_AES_GCM_8, 128, INTEG_NONE }, 16, 4, 0, 8, 8 },
		{ { ENCR_CHACHA20_POLY1305, 0, INTEG_NONE }, 32, 4, 0, 8, 16 },
		{ { ENCR_AES_CBC, 192, INTEG_HMAC_SHA1_96 }, 24, 0, 20, 16, 12 },
		{ { ENCR_AES_CBC, 128, INTEG_HMAC_SHA2_256_128 }, 16, 0, 32, 16, 16 },
		{ { ENCR_AES_CBC, 256, INTEG_HMAC_SHA2_384_192 }, 32, 0, 48, 16, 24 },
		{ { ENCR_AES_CBC, 256, INTEG_HMAC_SHA2_512_256 }, 32, 0, 64, 16, 32 },
	};
	struct aead_sizes s;

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		cr_assert(aead_sizes(&rows[i].spec, &s));
		cr_expect_eq(s.key, rows[i].key, "row %zu", i);
		cr_expect_eq(s.salt, rows[i].salt, "row %zu", i);
		cr_expect_eq(s.integ, rows[i].integ, "row %zu", i);
		cr_expect_eq(s.iv, rows[i].iv, "row %zu", i);
		cr_expect_eq(s.icv, rows[i].icv, "row %zu", i);
	}
}

Test(aead, wrong_specs_and_key_lengths_are_refused)
{
	static const struct aead_spec bad[] = {
		{ ENCR_AES_GCM_16, 0, INTEG_NONE },		   /* [PRO-6] key length missing */
		{ ENCR_CHACHA20_POLY1305, 256, INTEG_NONE },	   /* [PRO-6] forbidden */
		{ ENCR_AES_GCM_16, 128, INTEG_HMAC_SHA2_256_128 }, /* [PRO-5] */
		{ ENCR_AES_CBC, 128, INTEG_NONE },
		{ ENCR_AES_CBC, 100, INTEG_HMAC_SHA2_256_128 },
		{ 999, 128, INTEG_NONE },
	};
	struct aead_sizes s;
	uint8_t key[64] = { 0 };

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		cr_assert_not(aead_sizes(&bad[i], &s));
		cr_assert_null(aead_new(AEAD_DRIVER_BEST, &bad[i], true, key, 20, key, 32));
	}
	cr_assert_null(aead_new(AEAD_DRIVER_BEST, &specs[0], true, key, 16, NULL, 0));
	cr_assert_null(aead_new(AEAD_DRIVER_BEST, &specs[6], true, key, 16, key, 20));
}
