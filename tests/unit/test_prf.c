/* SPDX-License-Identifier: GPL-2.0-only */
/* crypto/prf: RFC 4231 vectors; prf+ against its definition. [KEY-4] [KEY-9] */
#include <errno.h>
#include <string.h>

#include <criterion/criterion.h>

#include "../lib/hex.h"
#include "crypto/alg.h"
#include "crypto/prf.h"

/* RFC 4231 test case 2: key "Jefe" */
Test(prf, hmac_of_rfc4231_case_2)
{
	static const struct {
		uint16_t id;
		const char *want;
	} rows[] = {
		{ PRF_HMAC_SHA2_256,
		  "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843" },
		{ PRF_HMAC_SHA2_384,
		  "af45d2e376484031617f78d2b58a6b1b9c7ef464f5a01b47e42ec3736322445e"
		  "8e2240ca5e69e2c78b3239ecfab21649" },
		{ PRF_HMAC_SHA2_512,
		  "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea250554"
		  "9758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737" },
	};
	/* the same octets in one chunk and in three, one of them empty */
	struct chunk one[] = { { "what do ya want for nothing?", 28 } };
	struct chunk parts[] = { { "what do ya ", 11 }, { "", 0 }, { "want for nothing?", 17 } };

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		uint8_t want[64], out[64];
		size_t len;

		cr_assert(prf_lookup(rows[i].id, &len));
		cr_assert(unhex(rows[i].want, want, sizeof(want)));
		cr_assert_eq(prf_compute(rows[i].id, "Jefe", 4, one, 1, out), 0);
		cr_assert_arr_eq(out, want, len);
		cr_assert_eq(prf_compute(rows[i].id, "Jefe", 4, parts, 3, out), 0);
		cr_assert_arr_eq(out, want, len);
	}
}

/* RFC 7296 2.13: T1 = prf(K, S | 1), Tn = prf(K, Tn-1 | S | n) */
Test(prf, plus_is_what_the_rfc_says)
{
	uint8_t out[32 * 3 + 5], t[32], n = 1;
	struct chunk seed[] = { { "seed", 4 }, { "more", 4 } };

	cr_assert_eq(prf_plus(PRF_HMAC_SHA2_256, "key", 3, seed, 2, out, sizeof(out)), 0);
	for (size_t at = 0; at < sizeof(out); at += 32, n++) {
		struct chunk in[] = { { t, n == 1 ? 0 : 32 }, { "seedmore", 8 }, { &n, 1 } };
		uint8_t next[32];

		cr_assert_eq(prf_compute(PRF_HMAC_SHA2_256, "key", 3, in, 3, next), 0);
		memcpy(t, next, 32);
		cr_assert_arr_eq(out + at, t, sizeof(out) - at < 32 ? sizeof(out) - at : 32);
	}
}

Test(prf, plus_ends_after_255_blocks)
{
	static uint8_t out[255 * 32 + 1];
	struct chunk seed[] = { { "s", 1 } };

	cr_assert_eq(prf_plus(PRF_HMAC_SHA2_256, "k", 1, seed, 1, out, 255 * 32), 0);
	cr_assert_eq(prf_plus(PRF_HMAC_SHA2_256, "k", 1, seed, 1, out, sizeof(out)), -EMSGSIZE);
	cr_assert_eq(prf_compute(99, "k", 1, seed, 1, out), -EINVAL);
}
