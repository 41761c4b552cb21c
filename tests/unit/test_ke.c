/* SPDX-License-Identifier: GPL-2.0-only */
/* crypto/ke: vectors of RFC 7748 and 5903, RFC 3526 by arithmetic of our own, both ends agree, bad
 * values are refused. [INI-10] [INI-11] [INI-12]
 */
#include <errno.h>
#include <string.h>

#include <criterion/criterion.h>

#include "../lib/hex.h"
#include "base/secret.h"
#include "crypto/alg.h"
#include "crypto/ke.h"

static const uint16_t groups[] = { KE_MODP_2048, KE_MODP_3072, KE_MODP_4096, KE_ECP_256,
				   KE_ECP_384,	 KE_ECP_521,   KE_X25519,    KE_X448 };
enum { N_GROUPS = sizeof(groups) / sizeof(*groups) };

/* RFC 7748 6.1 */
Test(ke, x25519_of_rfc7748)
{
	uint8_t b[32], b_pub[32], a_pub[32], want[32];
	struct secret s = { .len = 0 };
	size_t len;

	cr_assert(unhex("5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb", b,
			sizeof(b)));
	cr_assert(unhex("de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f", b_pub,
			sizeof(b_pub)));
	cr_assert(unhex("8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a", a_pub,
			sizeof(a_pub)));
	cr_assert(unhex("4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742", want,
			sizeof(want)));
	struct ke *ke = ke_from_private(KE_X25519, b, sizeof(b));
	cr_assert(ke);
	cr_assert_arr_eq(ke_public(ke, &len), b_pub, 32);
	cr_assert_eq(ke_derive(ke, a_pub, 32, &s), 0);
	cr_assert_eq(s.len, 32);
	cr_assert_arr_eq(s.b, want, 32);
	/* RFC 7748 5: the top bit of the received value is masked */
	a_pub[31] |= 0x80;
	cr_assert_eq(ke_derive(ke, a_pub, 32, &s), 0);
	cr_assert_arr_eq(s.b, want, 32);
	ke_free(ke);
}

/* RFC 5903 8: private values, public values x | y, and what both sides get, which is x alone. */
static const struct {
	uint16_t group;
	const char *i, *gi, *r, *gr, *gir;
} ecp[] = {
	{ KE_ECP_256, "c88f01f510d9ac3f70a292daa2316de544e9aab8afe84049c62a9c57862d1433",
	  "dad0b65394221cf9b051e1feca5787d098dfe637fc90b9ef945d0c37725811805271a046"
	  "1cdb8252d61f1c456fa3e59ab1f45b33accf5f58389e0577b8990bb3",
	  "c6ef9c5d78ae012a011164acb397ce2088685d8f06bf9be0b283ab46476bee53",
	  "d12dfb5289c8d4f81208b70270398c342296970a0bccb74c736fc7554494bf6356fbf3ca"
	  "366cc23e8157854c13c58d6aac23f046ada30f8353e74f33039872ab",
	  "d6840f6b42f6edafd13116e0e12565202fef8e9ece7dce03812464d04b9442de" },
	{ KE_ECP_384,
	  "099f3c7034d4a2c699884d73a375a67f7624ef7c6b3c0f160647b67414dce655e35b5380"
	  "41e649ee3faef896783ab194",
	  "667842d7d180ac2cde6f74f37551f55755c7645c20ef73e31634fe72b4c55ee6de3ac808"
	  "acb4bdb4c88732aee95f41aa9482ed1fc0eeb9cafc4984625ccfc23f65032149e0e144ad"
	  "a024181535a0f38eeb9fcff3c2c947dae69b4c634573a81c",
	  "41cb0779b4bdb85d47846725fbec3c9430fab46cc8dc5060855cc9bda0aa2942e0308312"
	  "916b8ed2960e4bd55a7448fc",
	  "e558dbef53eecde3d3fccfc1aea08a89a987475d12fd950d83cfa41732bc509d0d1ac43a"
	  "0336def96fda41d0774a3571dcfbec7aacf3196472169e838430367f66eebe3c6e70c416"
	  "dd5f0c68759dd1fff83fa40142209dff5eaad96db9e6386c",
	  "11187331c279962d93d604243fd592cb9d0a926f422e47187521287e7156c5c4d6031355"
	  "69b9e9d09cf5d4a270f59746" },
	{ KE_ECP_521,
	  "0037ade9319a89f4dabdb3ef411aaccca5123c61acab57b5393dce47608172a095aa85a3"
	  "0fe1c2952c6771d937ba9777f5957b2639bab072462f68c27a57382d4a52",
	  "0015417e84dbf28c0ad3c278713349dc7df153c897a1891bd98bab4357c9ecbee1e3bf42"
	  "e00b8e380aeae57c2d107564941885942af5a7f4601723c4195d176ced3e017cae20b664"
	  "1d2eeb695786d8c946146239d099e18e1d5a514c739d7cb4a10ad8a788015ac405d7799d"
	  "c75e7b7d5b6cf2261a6a7f1507438bf01beb6ca3926f9582",
	  "0145ba99a847af43793fdd0e872e7cdfa16be30fdc780f97bccc3f078380201e9c677d60"
	  "0b343757a3bdbf2a3163e4c2f869cca7458aa4a4effc311f5cb151685eb9",
	  "00d0b3975ac4b799f5bea16d5e13e9af971d5e9b984c9f39728b5e5739735a219b97c356"
	  "436adc6e95bb0352f6be64a6c2912d4ef2d0433ced2b6171640012d9460f015c68226383"
	  "956e3bd066e797b623c27ce0eac2f551a10c2c724d9852077b87220b6536c5c408a1d2ae"
	  "bb8e86d678ae49cb57091f4732296579ab44fcd17f0fc56a",
	  "01144c7d79ae6956bc8edb8e7c787c4521cb086fa64407f97894e5e6b2d79b04d1427e73"
	  "ca4baa240a34786859810c06b3c715a3a8cc3151f2bee417996d19f3ddea" },
};

Test(ke, ecp_of_rfc5903)
{
	for (size_t n = 0; n < sizeof(ecp) / sizeof(*ecp); n++) {
		uint8_t priv[2][66], pub[2][132], want[66];
		size_t priv_len = unhex(ecp[n].i, priv[0], sizeof(priv[0]));
		size_t pub_len = unhex(ecp[n].gi, pub[0], sizeof(pub[0])), len;
		size_t want_len = unhex(ecp[n].gir, want, sizeof(want));

		cr_assert_eq(unhex(ecp[n].r, priv[1], sizeof(priv[1])), priv_len);
		cr_assert_eq(unhex(ecp[n].gr, pub[1], sizeof(pub[1])), pub_len);
		cr_assert(priv_len && pub_len == 2 * want_len);
		for (int side = 0; side < 2; side++) {
			struct ke *ke = ke_from_private(ecp[n].group, priv[side], priv_len);
			struct secret s = { .len = 0 };

			cr_assert(ke, "group %u", ecp[n].group);
			const uint8_t *own = ke_public(ke, &len);
			cr_assert_eq(len, pub_len);
			cr_assert_arr_eq(own, pub[side], pub_len);
			cr_assert_eq(ke_derive(ke, pub[!side], pub_len, &s), 0);
			cr_assert_eq(s.len, want_len);
			cr_assert_arr_eq(s.b, want, want_len);
			ke_free(ke);
		}
	}
}

/* ---- the 2048-bit group by school arithmetic, without any library ------------------------------
 */

enum { LIMBS = 2048 / 32 };

/* Least significant limb first. */
struct num {
	uint32_t v[LIMBS];
};

/* RFC 3526 3: 2^2048 - 2^1984 - 1 + 2^64 * { [2^1918 pi] + 124476 } */
static const char modp_2048[] =
	"ffffffffffffffffc90fdaa22168c234c4c6628b80dc1cd129024e088a67cc74020bbea6"
	"3b139b22514a08798e3404ddef9519b3cd3a431b302b0a6df25f14374fe1356d6d51c245"
	"e485b576625e7ec6f44c42e9a637ed6b0bff5cb6f406b7edee386bfb5a899fa5ae9f2411"
	"7c4b1fe649286651ece45b3dc2007cb8a163bf0598da48361c55d39a69163fa8fd24cf5f"
	"83655d23dca3ad961c62f356208552bb9ed529077096966d670c354e4abc9804f1746c08"
	"ca18217c32905e462e36ce3be39e772c180e86039b2783a2ec07a28fb5c55df06f4c52c9"
	"de2bcbf6955817183995497cea956ae515d2261898fa051015728e5a8aacaa68ffffffff"
	"ffffffff";

static struct num num_of(const uint8_t b[256])
{
	struct num n = { { 0 } };

	for (int i = 0; i < 256; i++)
		n.v[(255 - i) / 4] |= (uint32_t)b[i] << (255 - i) % 4 * 8;
	return n;
}

static void num_put(const struct num *n, uint8_t ret_b[256])
{
	for (int i = 0; i < 256; i++)
		ret_b[i] = (uint8_t)(n->v[(255 - i) / 4] >> (255 - i) % 4 * 8);
}

static bool num_less(const struct num *a, const struct num *b)
{
	for (int i = LIMBS; i-- > 0;)
		if (a->v[i] != b->v[i])
			return a->v[i] < b->v[i];
	return false;
}

/* a = (a + b) mod p, for a and b below p. */
static void num_add(struct num *a, const struct num *b, const struct num *p)
{
	uint64_t carry = 0, borrow = 0;

	for (int i = 0; i < LIMBS; i++) {
		carry += (uint64_t)a->v[i] + b->v[i];
		a->v[i] = (uint32_t)carry;
		carry >>= 32;
	}
	if (!carry && num_less(a, p))
		return;
	for (int i = 0; i < LIMBS; i++) {
		uint64_t d = (uint64_t)a->v[i] - p->v[i] - borrow;

		a->v[i] = (uint32_t)d;
		borrow = d >> 63;
	}
}

static struct num num_mul(const struct num *a, const struct num *b, const struct num *p)
{
	struct num r = { { 0 } };

	for (int i = 2048; i-- > 0;) {
		num_add(&r, &r, p);
		if (a->v[i / 32] >> i % 32 & 1)
			num_add(&r, b, p);
	}
	return r;
}

static struct num num_pow(const struct num *base, uint64_t e, const struct num *p)
{
	struct num r = { { 1 } };

	for (int i = 64; i-- > 0;) {
		r = num_mul(&r, &r, p);
		if (e >> i & 1)
			r = num_mul(&r, base, p);
	}
	return r;
}

/* The test is the other end: its public value is 2^x mod p, what both get is the value received,
 * to the x, mod p. */
Test(ke, modp_2048_by_other_arithmetic)
{
	const uint64_t x = UINT64_C(0xb7e151628aed2a6b);
	const struct num two = { { 2 } };
	struct ke *ke = ke_new(KE_MODP_2048);
	struct secret s = { .len = 0 };
	uint8_t b[256];
	size_t len;

	cr_assert(ke);
	cr_assert_eq(unhex(modp_2048, b, sizeof(b)), sizeof(b));
	const struct num p = num_of(b);
	const struct num own = num_of(ke_public(ke, &len));
	cr_assert_eq(len, 256);
	cr_assert(num_less(&own, &p));
	struct num n = num_pow(&two, x, &p);
	num_put(&n, b);
	cr_assert_eq(ke_derive(ke, b, sizeof(b), &s), 0);
	n = num_pow(&own, x, &p);
	num_put(&n, b);
	cr_assert_eq(s.len, 256);
	cr_assert_arr_eq(s.b, b, 256);
	ke_free(ke);
}

Test(ke, both_ends_agree_in_every_group)
{
	for (size_t i = 0; i < N_GROUPS; i++) {
		struct ke *a = ke_new(groups[i]), *b = ke_new(groups[i]);
		struct secret sa = { .len = 0 }, sb = { .len = 0 };
		size_t la, lb, want;

		cr_assert(a && b && ke_lookup(groups[i], &want));
		const uint8_t *pa = ke_public(a, &la), *pb = ke_public(b, &lb);
		cr_assert_eq(la, want);
		cr_assert_eq(lb, want);
		cr_assert_neq(memcmp(pa, pb, la), 0);
		cr_assert_eq(ke_derive(a, pb, lb, &sa), 0);
		cr_assert_eq(ke_derive(b, pa, la, &sb), 0);
		cr_assert_eq(sa.len, sb.len);
		cr_assert_arr_eq(sa.b, sb.b, sa.len);
		/* 7296 2.14: MODP results keep the modulus length; ECP ones are x alone */
		cr_assert_eq(sa.len, groups[i] <= KE_MODP_4096 ? want
				     : groups[i] <= KE_ECP_521 ? want / 2
							       : want);
		ke_free(a);
		ke_free(b);
	}
}

static void refused(struct ke *ke, const uint8_t *value, size_t len, const char *what)
{
	struct secret s;

	memset(&s, 0x77, sizeof(s));
	cr_assert_eq(ke_derive(ke, value, len, &s), -EBADMSG, "group %u: %s", ke_group(ke), what);
	cr_assert_eq(s.b[0], 0x77, "the result was touched");
}

/* [VUL-20] */
Test(ke, bad_values_are_refused)
{
	static uint8_t value[512];

	for (size_t i = 0; i < N_GROUPS; i++) {
		struct ke *ke = ke_new(groups[i]);
		size_t len;
		const uint8_t *own = ke_public(ke, &len);

		memcpy(value, own, len);
		refused(ke, value, len - 1, "short");
		memset(value, 0, sizeof(value));
		refused(ke, value, len + 1 > sizeof(value) ? 0 : len + 1, "long");
		refused(ke, value, len, "zero");
		if (groups[i] <= KE_MODP_4096) {
			value[len - 1] = 1;
			refused(ke, value, len, "one");
			memset(value, 0xff, len);
			refused(ke, value, len, "above p");
		} else if (groups[i] <= KE_ECP_521) {
			memcpy(value, own, len);
			value[len - 1] ^= 1;
			refused(ke, value, len, "not on the curve");
		}
		ke_free(ke);
	}
	cr_assert_null(ke_new(2)); /* MODP-1024 is not offered */
}

/* RFC 6989 2.1: 1 < y < p - 1. */
Test(ke, bounds_of_modp_values)
{
	struct ke *ke = ke_new(KE_MODP_2048);
	struct secret s;
	uint8_t b[256];

	cr_assert_eq(unhex(modp_2048, b, sizeof(b)), sizeof(b));
	refused(ke, b, sizeof(b), "p");
	b[255]--;
	refused(ke, b, sizeof(b), "p - 1");
	b[255]--;
	cr_assert_eq(ke_derive(ke, b, sizeof(b), &s), 0, "p - 2");
	memset(b, 0, sizeof(b));
	b[255] = 2;
	cr_assert_eq(ke_derive(ke, b, sizeof(b), &s), 0, "2");
	ke_free(ke);
}
