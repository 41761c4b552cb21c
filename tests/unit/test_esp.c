/* SPDX-License-Identifier: GPL-2.0-only */
/* ESP packets: published vectors, an independent implementation's packets, and what must be
 * refused. [ESP-2] [ESP-4] [ESP-6] [ESP-7] [ESP-8] [ESP-9] [AEA-1] [AEA-3] */
#include <errno.h>
#include <string.h>

#include <criterion/criterion.h>

#include "../lib/hex.h"
#include "crypto/aead.h"
#include "crypto/alg.h"
#include "esp/esp.h"

struct end {
	struct esp_format f;
	struct aead *seal, *open;
	struct aead_sizes size;
};

static const struct aead_spec gcm128 = { ENCR_AES_GCM_16, 128, INTEG_NONE };
static const struct aead_spec chacha = { ENCR_CHACHA20_POLY1305, 0, INTEG_NONE };
static const struct aead_spec cbc = { ENCR_AES_CBC, 128, INTEG_HMAC_SHA2_256_128 };

static const struct aead_spec all[] = {
	{ ENCR_AES_GCM_16, 128, INTEG_NONE },
	{ ENCR_AES_GCM_16, 256, INTEG_NONE },
	{ ENCR_AES_GCM_12, 256, INTEG_NONE },
	{ ENCR_AES_GCM_8, 128, INTEG_NONE },
	{ ENCR_CHACHA20_POLY1305, 0, INTEG_NONE },
	{ ENCR_AES_CBC, 128, INTEG_HMAC_SHA2_256_128 },
	{ ENCR_AES_CBC, 256, INTEG_HMAC_SHA2_384_192 },
	{ ENCR_AES_CBC, 256, INTEG_HMAC_SHA2_512_256 },
};
enum { N_ALL = sizeof(all) / sizeof(*all) };

static struct end end_new(const struct aead_spec *spec, uint32_t spi, bool esn, const uint8_t *key,
			  const uint8_t *integ)
{
	struct end e;

	cr_assert(aead_sizes(spec, &e.size));
	e.f = esp_format_init(spi, esn, spec->integ_id == INTEG_NONE, &e.size);
	e.seal = aead_new(AEAD_DRIVER_BEST, spec, true, key, e.size.key + e.size.salt, integ,
			  e.size.integ);
	e.open = aead_new(AEAD_DRIVER_BEST, spec, false, key, e.size.key + e.size.salt, integ,
			  e.size.integ);
	cr_assert(e.seal && e.open);
	return e;
}

static void end_free(struct end *e)
{
	aead_free(e->seal);
	aead_free(e->open);
}

/* RFC 7634, appendix A. */
Test(esp, rfc7634_appendix_a)
{
	uint8_t key[36], pkt[256], inner[128];
	size_t n, len, inner_len;
	uint8_t nh;
	struct end e;

	unhex("808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f a0a1a2a3", key,
	      sizeof(key));
	inner_len = unhex("45000054a6f200004001e778c6336405c0000205"
			  "08005b7a3a080000553bec100007362708090a0b0c0d0e0f"
			  "101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f"
			  "3031323334353637",
			  inner, sizeof(inner));
	n = unhex("01020304000000051011121314151617"
		  "24039428b97f417e3c13753a4f05087b67c352e6a7fab1b982d466ef407ae5c6"
		  "14ee8099d52844eb61aa95dfab4c02f72aa71e7c4c4f64c9befe2facc638e8f3"
		  "cbec163fac469b502773f6fb94e664da9165b82829f641e076aaa8266b7fb0f7"
		  "b11b369907e1ad43",
		  pkt, sizeof(pkt));
	cr_assert_eq(inner_len, 84);
	cr_assert_eq(n, 120);
	e = end_new(&chacha, 0x01020304, false, key, NULL);
	cr_assert_eq(esp_decap(e.open, &e.f, 5, pkt, n, &len, &nh), 0);
	cr_assert_eq(len, inner_len);
	cr_assert_eq(nh, ESP_NH_IPV4);
	cr_assert_arr_eq(pkt + e.f.hdr, inner, inner_len);
	end_free(&e);
}

/* Made with Scapy's ESP (python cryptography below it), sequence number 7, ESN 0x1_00000007. */
static const char scapy_inner[] = "4500002e00010000401166ba0a0100010a01000203e807d0001a1c96696e6465"
				  "70656e64656e74206f7261636c65";
static const struct {
	const struct aead_spec *spec;
	bool esn;
	const char *pkt;
} scapy[] = {
	{ &gcm128, false,
	  "0102030400000007000000000000000763867af95d2522be987be68d2b9c2d73dd7ba57c5242d26486f0cc4e"
	  "6f02f5f5e03c5d69e101d63fb4080ab255ec185991410b2c99f5dea4d8edb112e04be10c" },
	{ &gcm128, true,
	  "010203040000000700000001000000070e9df59cc9e083dc48f27e24ade2a8f8183eec715d19b0b2cf22a2fe"
	  "e26b70468f5a8469cf239ab7088d96aa238a8db78f7e0d6673c7003e052779eb133e7f4b" },
	{ &chacha, false,
	  "0102030400000007000000000000000730a8163387f4d8daa754c7c43d50ec0422dd89e61c52b40cfa79a3cc"
	  "80e155470ab9a990533abe1595e17a57d0849a383ae1e826dd8b45517c98fcd939e51225" },
	{ &chacha, true,
	  "01020304000000070000000100000007e95f9dafb969eb2971992afbbe25cf0bb440f155078e1c1314ffd35e"
	  "6ea3959af9972454a5ed4f93bee2a71cb2604ed123477b8c68b698910912ad576e8b26c3" },
	{ &cbc, false,
	  "0102030400000007505152535455565758595a5b5c5d5e5f68e9264c6ab229594c7e7c14097092fdeb4aba22"
	  "9b674783c457775a2afc81334b4e69465b422f07aabd10bfe079585e24f380bdab576fdc37f54f7acce386e"
	  "1" },
};

Test(esp, packets_of_an_independent_implementation)
{
	uint8_t inner[64], key[36], integ[32], want[128], pkt[128];
	size_t inner_len = unhex(scapy_inner, inner, sizeof(inner));

	for (size_t i = 0; i < 32; i++)
		key[i] = integ[i] = (uint8_t)(0x20 + i);
	for (size_t i = 0; i < sizeof(scapy) / sizeof(*scapy); i++) {
		size_t n = unhex(scapy[i].pkt, want, sizeof(want)), len, salt_at;
		uint64_t seq = scapy[i].esn ? UINT64_C(0x100000007) : 7;
		struct aead_sizes size;
		struct end e;
		uint8_t nh;

		aead_sizes(scapy[i].spec, &size);
		salt_at = size.key;
		for (size_t k = 0; k < 32; k++)
			key[k] = (uint8_t)(0x20 + k);
		if (size.salt)
			memcpy(key + salt_at, "\1\2\3\4", 4);
		e = end_new(scapy[i].spec, 0x01020304, scapy[i].esn, key, integ);
		if (scapy[i].spec != &cbc) {
			memcpy(pkt + e.f.hdr, inner, inner_len);
			cr_assert_eq(esp_len(&e.f, inner_len), n);
			cr_assert_eq(esp_encap(e.seal, &e.f, seq, pkt, inner_len, ESP_NH_IPV4), 0);
			cr_assert_arr_eq(pkt, want, n, "vector %zu", i);
		}
		cr_assert_eq(esp_decap(e.open, &e.f, seq, want, n, &len, &nh), 0, "vector %zu", i);
		cr_assert_eq(len, inner_len);
		cr_assert_eq(nh, ESP_NH_IPV4);
		cr_assert_arr_eq(want + e.f.hdr, inner, inner_len);
		end_free(&e);
	}
}

static const uint8_t some_key[64] = { 9, 8, 7, 6, 5, 4, 3, 2, 1 };

/* Every length: alignment, padding 1 2 3 .., and back. [ESP-6] */
Test(esp, round_trip_all_suites_and_lengths)
{
	for (int k = 0; k < N_ALL; k++)
		for (int esn = 0; esn < 2; esn++) {
			struct end e = end_new(&all[k], 0x1234, esn, some_key, some_key);

			for (size_t n = 0; n < 70; n++) {
				uint8_t pkt[256], inner[128];
				uint64_t seq = 0x300000000 + n;
				size_t len, total = esp_len(&e.f, n);
				uint8_t nh;

				memset(inner, (int)n, n);
				memcpy(pkt + e.f.hdr, inner, n);
				memset(pkt + total, 0xee, 8);
				cr_assert_eq(esp_encap(e.seal, &e.f, seq, pkt, n, 41), 0);
				cr_assert_eq(pkt[total], 0xee);
				cr_assert_eq((total - e.f.icv) % 4, 0);
				cr_assert_eq(esp_spi(pkt), 0x1234);
				cr_assert_eq(esp_seq_low(pkt), (uint32_t)seq);
				cr_assert_leq(n, esp_inner_max(&e.f, total));
				cr_assert_gt(esp_len(&e.f, esp_inner_max(&e.f, total) + 1), total);
				cr_assert(esp_shape_ok(&e.f, total));
				cr_assert_eq(esp_decap(e.open, &e.f, seq, pkt, total, &len, &nh),
					     0);
				cr_assert_eq(len, n);
				cr_assert_eq(nh, 41);
				cr_assert_arr_eq(pkt + e.f.hdr, inner, n);
			}
			end_free(&e);
		}
}

Test(esp, any_changed_octet_fails)
{
	for (int k = 0; k < N_ALL; k++) {
		struct end e = end_new(&all[k], 0x1234, true, some_key, some_key);
		uint8_t good[256], pkt[256];
		size_t total = esp_len(&e.f, 40), len = 777;
		uint8_t nh = 77;

		memset(good, 5, sizeof(good));
		cr_assert_eq(esp_encap(e.seal, &e.f, 9, good, 40, 4), 0);
		/* The SPI of an AEAD with ESN is authenticated as we know it, not as received. */
		for (size_t i = 4; i < total; i++) {
			uint64_t seq = 9;

			memcpy(pkt, good, total);
			pkt[i] ^= 0x10;
			if (i < 8)
				seq = (seq & ~UINT64_C(0xffffffff)) | esp_seq_low(pkt);
			cr_assert_eq(esp_decap(e.open, &e.f, seq, pkt, total, &len, &nh), -EBADMSG,
				     "suite %d octet %zu", k, i);
		}
		/* The high half travels in no octet and counts all the same. [ESP-4] */
		memcpy(pkt, good, total);
		cr_assert_eq(esp_decap(e.open, &e.f, 0x100000009, pkt, total, &len, &nh), -EBADMSG);
		cr_assert_eq(len, 777);
		cr_assert_eq(nh, 77);
		end_free(&e);
	}
}

Test(esp, shapes)
{
	for (int k = 0; k < N_ALL; k++) {
		struct end e = end_new(&all[k], 0x1234, false, some_key, some_key);
		size_t total = esp_len(&e.f, 40), len;
		uint8_t pkt[256], nh;

		memset(pkt, 5, sizeof(pkt));
		cr_assert_eq(esp_encap(e.seal, &e.f, 9, pkt, 40, 4), 0);
		for (size_t n = 0; n < total; n++) {
			uint8_t cut[256];
			int r;

			memcpy(cut, pkt, n);
			r = esp_decap(e.open, &e.f, 9, cut, n, &len, &nh);
			cr_assert(r == -EMSGSIZE || r == -EBADMSG, "suite %d length %zu: %d", k, n,
				  r);
			cr_assert_eq(r == -EMSGSIZE, !esp_shape_ok(&e.f, n));
		}
		end_free(&e);
	}
}

/* A packet whose trailer is as given, correctly encrypted: only its peer can make it. */
static int with_trailer(const uint8_t *text, size_t text_len, size_t *ret_len, uint8_t *ret_nh)
{
	struct end e = end_new(&gcm128, 0x1234, false, some_key, NULL);
	uint8_t pkt[512] = { 0, 0, 0x12, 0x34, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0, 9 };
	int r;

	memcpy(pkt + 16, text, text_len);
	cr_assert_eq(aead_seal(e.seal, pkt, 8, pkt + 8, pkt + 16, text_len, NULL, 0), 0);
	r = esp_decap(e.open, &e.f, 9, pkt, 16 + text_len + 16, ret_len, ret_nh);
	end_free(&e);
	return r;
}

/* [ESP-6] [ESP-7] */
Test(esp, trailers)
{
	size_t len;
	uint8_t nh, big[300];

	cr_assert_eq(with_trailer((const uint8_t *)"\1\2\2\4", 4, &len, &nh), 0);
	cr_assert_eq(len, 0);
	/* Pad length beyond the text. */
	cr_assert_eq(with_trailer((const uint8_t *)"\1\2\3\4", 4, &len, &nh), -EPROTO);
	cr_assert_eq(with_trailer((const uint8_t *)"\1\2\377\4", 4, &len, &nh), -EPROTO);
	/* Pad octets other than 1, 2, 3 .. */
	cr_assert_eq(with_trailer((const uint8_t *)"\1\1\2\4", 4, &len, &nh), -EPROTO);
	cr_assert_eq(with_trailer((const uint8_t *)"\0\0\2\4", 4, &len, &nh), -EPROTO);
	/* The longest padding. */
	for (int i = 0; i < 255; i++)
		big[i + 3] = (uint8_t)(i + 1);
	big[258] = 255;
	big[259] = 59;
	cr_assert_eq(with_trailer(big, 260, &len, &nh), 0);
	cr_assert_eq(len, 3);
	cr_assert_eq(nh, ESP_NH_DUMMY);
}

/* [ESP-9] What is added is zero, whatever was there before, and nothing is ever cut off. */
Test(esp, tfc_padding)
{
	uint8_t p[64];

	memset(p, 0xaa, sizeof(p));
	cr_assert_eq(esp_tfc(p, 20, 50), 50);
	for (int i = 0; i < 64; i++)
		cr_assert_eq(p[i], i < 20 || i >= 50 ? 0xaa : 0);
	cr_assert_eq(esp_tfc(p, 20, 20), 20);
	cr_assert_eq(esp_tfc(p, 20, 0), 20);
	cr_assert_eq(p[20], 0);
	cr_assert_eq(p[19], 0xaa);
}
