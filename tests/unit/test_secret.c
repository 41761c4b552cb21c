/* SPDX-License-Identifier: GPL-2.0-only */
/* base/secret: bounded, and nothing of an older key stays behind a shorter one. */
#include <errno.h>
#include <string.h>

#include <criterion/criterion.h>

#include "base/secret.h"

static bool zero_from(const struct secret *s, size_t at)
{
	for (size_t i = at; i < SECRET_MAX; i++)
		if (s->b[i])
			return false;
	return true;
}

Test(secret, a_shorter_one_leaves_nothing_of_the_longer)
{
	uint8_t key[SECRET_MAX];
	struct secret s, t;

	memset(key, 0xa5, sizeof(key));
	memset(&s, 0xee, sizeof(s)); /* whatever was there */
	cr_assert_eq(secret_set(&s, key, SECRET_MAX), 0);
	cr_assert_eq(s.len, SECRET_MAX);
	cr_assert_eq(secret_set(&s, "0123456789abcdef", 16), 0);
	cr_assert_eq(s.len, 16);
	cr_assert_arr_eq(s.b, "0123456789abcdef", 16);
	cr_assert(zero_from(&s, 16));
	memset(&t, 0xee, sizeof(t));
	secret_copy(&t, &s);
	cr_assert_eq(memcmp(&t, &s, sizeof(t)), 0);
	cr_assert_eq(secret_set(&s, NULL, 0), 0);
	cr_assert(s.len == 0 && zero_from(&s, 0));
}

Test(secret, too_long_changes_nothing)
{
	static const uint8_t key[SECRET_MAX + 1];
	struct secret s;

	cr_assert_eq(secret_set(&s, "key", 3), 0);
	cr_assert_eq(secret_set(&s, key, sizeof(key)), -EMSGSIZE);
	cr_assert_eq(s.len, 3);
	cr_assert_arr_eq(s.b, "key", 3);
}

Test(secret, cleared)
{
	struct secret s;

	cr_assert_eq(secret_set(&s, "key", 3), 0);
	secret_clear(&s);
	cr_assert(s.len == 0 && zero_from(&s, 0));
	secret_wipe(NULL, 3);
}

Test(secret, every_octet_counts)
{
	uint8_t a[33], b[33];

	for (size_t i = 0; i < sizeof(a); i++)
		a[i] = b[i] = (uint8_t)i;
	cr_assert(secret_equal(a, b, sizeof(a)));
	for (size_t i = 0; i < sizeof(a); i++) {
		for (int bit = 0; bit < 8; bit++) {
			b[i] ^= (uint8_t)(1 << bit);
			cr_assert_not(secret_equal(a, b, sizeof(a)));
			cr_assert(secret_equal(a, b, i), "only what comes before");
			b[i] ^= (uint8_t)(1 << bit);
		}
	}
	cr_assert(secret_equal(a, b, 0));
}
