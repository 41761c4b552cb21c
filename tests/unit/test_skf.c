/* SPDX-License-Identifier: GPL-2.0-only */
/* The Encrypted Fragment payload: user/ikemsg/skf.c. */
#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include "crypto/aead.h"
#include "crypto/alg.h"
#include "ikemsg/ikemsg.h"
#include "ikemsg/sk.h"
#include "ikemsg/skf.h"

static const struct aead_spec specs[] = {
	{ ENCR_AES_GCM_16, 256, INTEG_NONE },
	{ ENCR_CHACHA20_POLY1305, 0, INTEG_NONE },
	{ ENCR_AES_CBC, 128, INTEG_HMAC_SHA2_256_128 },
	{ ENCR_AES_CBC, 256, INTEG_HMAC_SHA2_512_256 },
};
enum { N_SPECS = sizeof(specs) / sizeof(specs[0]) };

static const struct ike_hdr hdr = {
	.spi_i = 0x1111111111111111,
	.spi_r = 0x2222222222222222,
	.version = IKE_VERSION_2_0,
	.exchange = IKE_AUTH,
	.flags = IKE_FLAG_INITIATOR,
	.msg_id = 1,
};

static uint8_t inner[2000], buf[2100];
static struct ike_msg msg;

static struct aead *context(const struct aead_spec *spec, bool encrypt, struct aead_sizes *ret_s)
{
	uint8_t key[64], integ[64];
	struct aead *a;

	memset(key, 0x5a, sizeof(key));
	memset(integ, 0xa5, sizeof(integ));
	cr_assert(aead_sizes(spec, ret_s));
	a = aead_new(AEAD_DRIVER_OPENSSL, spec, encrypt, key, ret_s->key + ret_s->salt, integ,
		     ret_s->integ);
	cr_assert(a);
	return a;
}

/* [FRG-2] [FRG-3]: the type of the first inner payload in the first only; the header is SK's but
 * for Next Payload and Length. */
Test(skf, round_trip)
{
	for (size_t i = 0; i < sizeof(inner); i++)
		inner[i] = (uint8_t)i;
	for (size_t i = 0; i < N_SPECS; i++) {
		struct aead_sizes s;
		struct aead *out = context(&specs[i], true, &s),
			    *in = context(&specs[i], false, &s);

		for (uint16_t number = 1; number <= 3; number++) {
			for (size_t n = 0; n < 100; n++) {
				uint8_t critical, *got;
				size_t got_len, len;

				len = skf_seal(out, &s, &hdr, number, 3, PLD_IDI, inner, n, n, buf,
					       sizeof(buf));
				cr_assert_gt(len, n);
				cr_assert_eq(msg_decode(buf, len, &msg, &critical), MSG_OK);
				cr_assert(msg.has_skf && !msg.has_sk);
				cr_assert_eq(buf[16], PLD_SKF);
				cr_assert_eq(msg.sk_next, number == 1 ? PLD_IDI : PLD_NONE);
				cr_assert_eq(msg.skf_number, number);
				cr_assert_eq(msg.skf_total, 3);
				cr_assert_eq(msg.hdr.msg_id, hdr.msg_id);
				cr_assert_eq(msg.hdr.flags, hdr.flags);
				cr_assert_eq(sk_open(in, &s, buf, len, &msg, &got, &got_len), 0);
				cr_assert_eq(got_len, n);
				cr_assert_eq(memcmp(got, inner, n), 0);
			}
		}
		aead_free(out);
		aead_free(in);
	}
}

/* [FRG-3] [FRG-4]: Fragment Number and Total Fragments are authentic, as every other bit is. */
Test(skf, any_change_is_noticed)
{
	for (size_t i = 0; i < N_SPECS; i++) {
		struct aead_sizes s;
		struct aead *out = context(&specs[i], true, &s),
			    *in = context(&specs[i], false, &s);
		size_t len =
			skf_seal(out, &s, &hdr, 2, 300, PLD_IDI, inner, 40, 7, buf, sizeof(buf));

		cr_assert_gt(len, 0);
		for (size_t bit = 0; bit < len * 8; bit++) {
			uint8_t copy[300], critical, *got;
			size_t got_len;

			memcpy(copy, buf, len);
			copy[bit / 8] ^= (uint8_t)(1 << bit % 8);
			if (msg_decode(copy, len, &msg, &critical) == MSG_OK && msg.has_skf)
				cr_assert_eq(sk_open(in, &s, copy, len, &msg, &got, &got_len),
					     -EBADMSG, "bit %zu", bit);
			else
				cr_assert_lt(bit / 8, 36, "bit %zu", bit);
		}
		aead_free(out);
		aead_free(in);
	}
}

/* What has room is as large as it may be, and one octet more is too much. */
Test(skf, room)
{
	for (size_t i = 0; i < N_SPECS; i++) {
		struct aead_sizes s;
		struct aead *out = context(&specs[i], true, &s);

		for (size_t max = 0; max < 400; max++) {
			size_t room = skf_room(&s, max);

			if (!room)
				continue;
			cr_assert_leq(skf_seal(out, &s, &hdr, 1, 2, PLD_IDI, inner, room, 7, buf,
					       sizeof(buf)),
				      max);
			cr_assert_gt(skf_seal(out, &s, &hdr, 1, 2, PLD_IDI, inner, room + 1, 7, buf,
					      sizeof(buf)),
				     max);
		}
		cr_assert_eq(skf_room(&s, 40), 0);
		cr_assert_gt(skf_room(&s, 400), 300);
		/* no room to write it */
		cr_assert_eq(skf_seal(out, &s, &hdr, 1, 2, PLD_IDI, inner, 100, 7, buf, 100), 0);
		aead_free(out);
	}
}

/* [FRG-2]: numbers that cannot be. [VUL-19] */
Test(skf, numbers)
{
	static const struct {
		uint16_t number, total;
		uint8_t first;
		bool ok;
	} rows[] = {
		{ 0, 0, 0, false }, { 0, 2, 0, false },	       { 1, 0, 35, false },
		{ 3, 2, 0, false }, { 1, 1, 35, true },	       { 2, 2, 35, false },
		{ 2, 2, 0, true },  { 65535, 65535, 0, true },
	};
	struct aead_sizes s;
	struct aead *out = context(&specs[0], true, &s);

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint8_t critical;
		size_t len = skf_seal(out, &s, &hdr, rows[i].number, rows[i].total, PLD_IDI, inner,
				      40, 7, buf, sizeof(buf));

		buf[28] = rows[i].first;
		cr_assert_eq(msg_decode(buf, len, &msg, &critical) == MSG_OK, rows[i].ok, "%u/%u",
			     rows[i].number, rows[i].total);
	}
	aead_free(out);
}
