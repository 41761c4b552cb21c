/* SPDX-License-Identifier: GPL-2.0-only */
/* crypto/ke: RFC 7748 vectors, both ends agree, bad values are refused. [INI-10] [INI-11] [INI-12]
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
