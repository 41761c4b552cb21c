/* SPDX-License-Identifier: GPL-2.0-only */
/* ike/mmx_token: a token proves what it is about, for a minute, unless its answer went elsewhere.
 */
#include <criterion/criterion.h>
#include <string.h>

#include "../../user/ike/mmx_token.h"

static struct mmx_tokens t;
static struct mmx_token_facts f;
static uint8_t token[MMX_TOKEN_OCTETS];
static uint32_t serial;
static usec_t now = 1000 * USEC_PER_SEC;

static void fixture(void)
{
	f = (struct mmx_token_facts){ .family = 7,
				      .path = 3 << 16 | 1,
				      .observed = { addr_v4(0xcb007109), 61234 },
				      .own = { addr_v4(0xc6336401), 4500 } };
	cr_assert_eq(mmx_tokens_init(&t), 0);
	cr_assert_eq(mmx_token_make(&t, &f, now, token, &serial), 0);
}

TestSuite(mmx_token, .init = fixture);

static bool valid(void)
{
	return mmx_token_check(&t, &f, now, (struct bytes){ token, sizeof(token) });
}

/* [MMX-37] */
Test(mmx_token, bound_to_everything)
{
	struct mmx_token_facts right = f;

	cr_assert(valid());
	cr_assert(valid()); /* as often as one likes */
	f.family++;
	cr_expect_not(valid());
	f = right;
	f.path = 3 << 16 | 2;
	cr_expect_not(valid());
	f = right;
	f.observed.port++;
	cr_expect_not(valid());
	f = right;
	f.observed.ip = addr_v4(0xcb00710a);
	cr_expect_not(valid());
	f = right;
	f.own.port = 500;
	cr_expect_not(valid());
	f = right;
	f.own.ip = addr_v4(0xc6336402);
	cr_expect_not(valid());
	f = right;
	cr_expect(valid());
}

/* [MMX-37]: no octet of it can be changed, and no other issuer's is good. */
Test(mmx_token, cannot_be_made_up)
{
	struct mmx_tokens other;
	uint8_t theirs[MMX_TOKEN_OCTETS];

	for (size_t i = 0; i < sizeof(token); i++)
		for (int bit = 0; bit < 8; bit++) {
			token[i] ^= (uint8_t)(1 << bit);
			cr_assert_not(valid(), "octet %zu", i);
			token[i] ^= (uint8_t)(1 << bit);
		}
	cr_assert(valid());
	for (size_t len = 0; len < sizeof(token); len++)
		cr_assert_not(mmx_token_check(&t, &f, now, (struct bytes){ token, len }));
	cr_assert_eq(mmx_tokens_init(&other), 0);
	cr_assert_eq(mmx_token_make(&other, &f, now, theirs, &serial), 0);
	cr_assert_not(mmx_token_check(&t, &f, now, (struct bytes){ theirs, sizeof(theirs) }));
	/* nor any after the secret is gone */
	mmx_tokens_clear(&t);
	cr_assert_not(valid());
}

/* [MMX-38] */
Test(mmx_token, for_a_minute)
{
	now += 59 * USEC_PER_SEC;
	cr_assert(valid());
	now += USEC_PER_SEC;
	cr_assert_not(valid());
	now += 1000000 * USEC_PER_SEC;
	cr_assert_not(valid());
}

/* [MMX-39]: only the one whose answer went elsewhere. */
Test(mmx_token, void_when_sent_elsewhere)
{
	uint8_t second[MMX_TOKEN_OCTETS];
	uint32_t next;

	cr_assert_eq(mmx_token_make(&t, &f, now, second, &next), 0);
	cr_assert(memcmp(token, second, sizeof(token)) != 0);
	mmx_token_void(&t, serial);
	mmx_token_void(&t, serial);
	cr_assert_eq(t.n_void, 1);
	cr_assert_not(valid());
	memcpy(token, second, sizeof(token));
	cr_assert(valid());
}

/* [MMX-39]: more than can be remembered void all that there are; later ones are good again. */
Test(mmx_token, too_many_void_ones)
{
	uint8_t kept[MMX_TOKEN_OCTETS];

	memcpy(kept, token, sizeof(kept));
	for (unsigned i = 0; i <= MMX_TOKENS_VOID_MAX; i++) {
		cr_assert(valid(), "%u", i);
		cr_assert_eq(mmx_token_make(&t, &f, now, token, &serial), 0);
		mmx_token_void(&t, serial);
		memcpy(token, kept, sizeof(kept));
	}
	cr_assert_not(valid());
	cr_assert_eq(mmx_token_make(&t, &f, now, token, &serial), 0);
	cr_assert(valid());
}

/* Numbers come round. */
Test(mmx_token, serial_numbers_wrap)
{
	t.next = t.first = UINT32_MAX;
	for (unsigned i = 0; i < 3; i++) {
		cr_assert_eq(mmx_token_make(&t, &f, now, token, &serial), 0);
		cr_assert(valid(), "%u", i);
	}
	cr_assert_eq(t.next, 2);
	mmx_token_void(&t, serial);
	cr_assert_not(valid());
}
