/* SPDX-License-Identifier: GPL-2.0-only */
/* The Encrypted payload: user/ikemsg/sk.c. */
#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include "crypto/aead.h"
#include "crypto/alg.h"
#include "ikemsg/ikemsg.h"
#include "ikemsg/sk.h"
#include "../lib/hex.h"

static const struct suite {
	const char *name;
	struct aead_spec spec;
	size_t empty_octets; /* a whole message without inner payloads, counted by hand */
} suites[] = {
	{ "aes128gcm16", { ENCR_AES_GCM_16, 128, INTEG_NONE }, 28 + 4 + 8 + 1 + 16 },
	{ "aes256gcm16", { ENCR_AES_GCM_16, 256, INTEG_NONE }, 28 + 4 + 8 + 1 + 16 },
	{ "chacha20poly1305", { ENCR_CHACHA20_POLY1305, 0, INTEG_NONE }, 28 + 4 + 8 + 1 + 16 },
	{ "aes128-sha256", { ENCR_AES_CBC, 128, INTEG_HMAC_SHA2_256_128 }, 28 + 4 + 16 + 16 + 16 },
	{ "aes256-sha384", { ENCR_AES_CBC, 256, INTEG_HMAC_SHA2_384_192 }, 28 + 4 + 16 + 16 + 24 },
	{ "aes256-sha512", { ENCR_AES_CBC, 256, INTEG_HMAC_SHA2_512_256 }, 28 + 4 + 16 + 16 + 32 },
};
enum { N_SUITES = sizeof(suites) / sizeof(suites[0]) };

static const struct ike_hdr hdr = {
	.spi_i = 0x1111111111111111,
	.spi_r = 0x2222222222222222,
	.version = IKE_VERSION_2_0,
	.exchange = INFORMATIONAL,
	.flags = IKE_FLAG_INITIATOR,
	.msg_id = 7,
};

struct ends {
	struct aead_sizes s;
	struct aead *out, *in;
};

static struct ends ends_new(const struct aead_spec *spec)
{
	uint8_t key[64], integ[64];
	struct ends e;

	memset(key, 0x5a, sizeof(key));
	memset(integ, 0xa5, sizeof(integ));
	cr_assert(aead_sizes(spec, &e.s));
	e.out = aead_new(AEAD_DRIVER_OPENSSL, spec, true, key, e.s.key + e.s.salt, integ,
			 e.s.integ);
	e.in = aead_new(AEAD_DRIVER_OPENSSL, spec, false, key, e.s.key + e.s.salt, integ,
			e.s.integ);
	cr_assert(e.out && e.in);
	return e;
}

static void ends_free(struct ends *e)
{
	aead_free(e->out);
	aead_free(e->in);
}

static int open_copy(struct ends *e, const uint8_t *buf, size_t len, uint8_t *ret_inner,
		     size_t *ret_len)
{
	static uint8_t copy[4096];
	static struct ike_msg msg;
	uint8_t critical, *inner;
	int r;

	memcpy(copy, buf, len);
	if (msg_decode(copy, len, &msg, &critical) != MSG_OK || !msg.has_sk)
		return -ENOMSG;
	r = sk_open(e->in, &e->s, copy, len, &msg, &inner, ret_len);
	if (!r)
		memcpy(ret_inner, inner, *ret_len);
	return r;
}

/* [SK-1] [SK-3] for every suite and every residue of the block size. */
Test(sk, round_trip)
{
	uint8_t inner[64], buf[256], got[256];

	for (size_t i = 0; i < sizeof(inner); i++)
		inner[i] = (uint8_t)i;
	for (size_t i = 0; i < N_SUITES; i++) {
		struct ends e = ends_new(&suites[i].spec);

		cr_assert_eq(sk_sealed_octets(&e.s, 0), suites[i].empty_octets, "%s",
			     suites[i].name);
		for (size_t n = 0; n <= sizeof(inner); n++) {
			size_t got_len = 0;
			size_t len = sk_seal(e.out, &e.s, &hdr, PLD_NOTIFY, inner, n, n + 1, buf,
					     sizeof(buf));

			cr_assert_eq(len, sk_sealed_octets(&e.s, n), "%s %zu", suites[i].name, n);
			cr_assert_eq(buf[16], PLD_SK);
			cr_assert_eq(buf[28], PLD_NOTIFY);
			cr_assert_eq(open_copy(&e, buf, len, got, &got_len), 0, "%s %zu",
				     suites[i].name, n);
			cr_assert_eq(got_len, n);
			cr_assert_eq(memcmp(got, inner, n), 0);
		}
		ends_free(&e);
	}
}

/* [SK-1] [SK-3] [SK-5]: every bit from the first of the header to the last of the ICV counts. */
Test(sk, any_change_is_noticed)
{
	uint8_t inner[24] = { 1, 2, 3 }, buf[256], got[256];
	size_t got_len;

	for (size_t i = 0; i < N_SUITES; i++) {
		struct ends e = ends_new(&suites[i].spec);
		size_t len = sk_seal(e.out, &e.s, &hdr, PLD_NOTIFY, inner, sizeof(inner), 9, buf,
				     sizeof(buf));

		cr_assert_gt(len, 0);
		for (size_t bit = 0; bit < len * 8; bit++) {
			buf[bit / 8] ^= (uint8_t)(1 << bit % 8);
			int r = open_copy(&e, buf, len, got, &got_len);
			/* A change of Length or of a payload type stops the decoder already. */
			cr_assert(r == -EBADMSG || (r == -ENOMSG && bit / 8 < 32), "%s bit %zu: %d",
				  suites[i].name, bit, r);
			buf[bit / 8] ^= (uint8_t)(1 << bit % 8);
		}
		cr_assert_eq(open_copy(&e, buf, len, got, &got_len), 0);
		ends_free(&e);
	}
}

/* [PLD-2]: cut short with all lengths adjusted, so that only sk_open can refuse. */
Test(sk, too_short)
{
	uint8_t buf[256], got[256];
	size_t got_len;

	for (size_t i = 0; i < N_SUITES; i++) {
		struct ends e = ends_new(&suites[i].spec);
		size_t len = sk_seal(e.out, &e.s, &hdr, PLD_NONE, NULL, 0, 9, buf, sizeof(buf));

		for (size_t n = 32; n < len; n++) {
			uint8_t cut[256];

			memcpy(cut, buf, n);
			cut[27] = (uint8_t)n;
			cut[31] = (uint8_t)(n - 28);
			cr_assert_eq(open_copy(&e, cut, n, got, &got_len), -EBADMSG, "%s %zu",
				     suites[i].name, n);
		}
		ends_free(&e);
	}
}

/* A message with any text the test likes, padding included, sealed properly. */
static size_t seal_text(struct ends *e, const uint8_t *text, size_t text_len, uint8_t *buf)
{
	size_t total = 32 + e->s.iv + text_len + e->s.icv;
	struct wr w = wr_init(buf, total);
	struct ike_hdr h = hdr;

	h.next_payload = PLD_SK;
	h.length = (uint32_t)total;
	ike_hdr_put(&w, &h);
	wr_u16(&w, PLD_VENDOR << 8);
	wr_u16(&w, (uint16_t)(total - 28));
	wr_zero(&w, e->s.iv);
	wr_bytes(&w, text, text_len);
	wr_zero(&w, e->s.icv);
	cr_assert_eq(w.err, 0);
	cr_assert_eq(aead_seal(e->out, buf, 32, buf + 32, buf + 32 + e->s.iv, text_len, NULL, 0),
		     0);
	return total;
}

/* [SK-2]: any padding length that aligns, whatever the padding holds; more padding than there is
 * text is refused. */
Test(sk, padding_is_the_senders_choice)
{
	uint8_t text[288], buf[512], got[512];
	size_t got_len;

	for (size_t i = 0; i < N_SUITES; i++) {
		struct ends e = ends_new(&suites[i].spec);

		for (size_t text_len = 16; text_len <= sizeof(text); text_len += 16) {
			for (unsigned pad = 0; pad<256; pad += text_len> 32 ? 17 : 1) {
				bool fits = pad + 1 <= text_len;
				size_t len;
				int r;

				memset(text, 0xee, sizeof(text));
				text[text_len - 1] = (uint8_t)pad;
				len = seal_text(&e, text, text_len, buf);
				r = open_copy(&e, buf, len, got, &got_len);
				cr_assert_eq(r, fits ? 0 : -EBADMSG, "%s text %zu pad %u",
					     suites[i].name, text_len, pad);
				if (fits)
					cr_assert_eq(got_len, text_len - pad - 1);
			}
		}
		ends_free(&e);
	}
}

/* [SK-1]: a text that is no multiple of the block never reaches the cipher. */
Test(sk, unaligned_text)
{
	struct ends e = ends_new(&suites[3].spec);
	uint8_t buf[256], got[256];
	size_t got_len, len = sk_seal(e.out, &e.s, &hdr, PLD_NONE, NULL, 0, 0, buf, sizeof(buf));

	buf[len] = 0;
	buf[27]++;
	buf[31]++;
	cr_assert_eq(open_copy(&e, buf, len + 1, got, &got_len), -EBADMSG);
	ends_free(&e);
}

/* [SK-3] [SK-4]: the IV of an AEAD is the counter given; that of CBC is the cipher's and new each
 * time (SK-1). */
Test(sk, initialization_vector)
{
	static const uint8_t counter[8] = { 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08 };
	uint8_t one[256], two[256];

	for (size_t i = 0; i < N_SUITES; i++) {
		struct ends e = ends_new(&suites[i].spec);

		sk_seal(e.out, &e.s, &hdr, PLD_NONE, NULL, 0, 0x0102030405060708, one, sizeof(one));
		sk_seal(e.out, &e.s, &hdr, PLD_NONE, NULL, 0, 0x0102030405060708, two, sizeof(two));
		if (e.s.iv == 8)
			cr_assert_arr_eq(one + 32, counter, 8);
		else
			cr_assert_neq(memcmp(one + 32, two + 32, e.s.iv), 0);
		ends_free(&e);
	}
}

/* Payloads in clear before SK are authenticated with the header (RFC 5282 5.1). */
Test(sk, outer_payloads_are_covered)
{
	uint8_t buf[256], got[256];
	size_t got_len;

	for (size_t i = 0; i < N_SUITES; i++) {
		struct ends e = ends_new(&suites[i].spec);
		size_t text_len = e.s.block == 1 ? 1 : 16;
		size_t total = 28 + 8 + 4 + e.s.iv + text_len + e.s.icv;
		struct wr w = wr_init(buf, sizeof(buf));
		struct ike_hdr h = hdr;

		h.next_payload = PLD_VENDOR;
		h.length = (uint32_t)total;
		ike_hdr_put(&w, &h);
		wr_u32(&w, (uint32_t)PLD_SK << 24 | 8);
		wr_u32(&w, 0x01020304);
		wr_u32(&w, (uint32_t)(total - 36));
		wr_zero(&w, e.s.iv + text_len - 1);
		wr_u8(&w, (uint8_t)(text_len - 1));
		cr_assert_eq(
			aead_seal(e.out, buf, 40, buf + 40, buf + 40 + e.s.iv, text_len, NULL, 0),
			0);
		cr_assert_eq(open_copy(&e, buf, total, got, &got_len), 0);
		cr_assert_eq(got_len, 0);
		buf[35] ^= 1; /* in the Vendor ID */
		cr_assert_eq(open_copy(&e, buf, total, got, &got_len), -EBADMSG);
		ends_free(&e);
	}
}

Test(sk, no_room)
{
	static uint8_t big[66000], inner[66000];

	for (size_t i = 0; i < N_SUITES; i++) {
		struct ends e = ends_new(&suites[i].spec);

		for (size_t cap = 0; cap < suites[i].empty_octets; cap++)
			cr_assert_eq(sk_seal(e.out, &e.s, &hdr, 0, NULL, 0, 1, big, cap), 0);
		cr_assert_gt(sk_seal(e.out, &e.s, &hdr, 0, NULL, 0, 1, big, suites[i].empty_octets),
			     0);
		cr_assert_eq(sk_seal(e.out, &e.s, &hdr, PLD_VENDOR, inner, IKE_MSG_MAX, 1, big,
				     sizeof(big)),
			     0);
		cr_assert_eq(sk_seal(e.out, &e.s, &hdr, PLD_VENDOR, inner, SIZE_MAX, 1, big,
				     sizeof(big)),
			     0);
		ends_free(&e);
	}
}
