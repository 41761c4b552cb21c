/* SPDX-License-Identifier: GPL-2.0-only */
#include <errno.h>
#include <string.h>

#include "base/secret.h"

void secret_wipe(void *p, size_t n)
{
	if (p && n)
		explicit_bzero(p, n);
}

void secret_clear(struct secret *s)
{
	secret_wipe(s, sizeof(*s));
}

int secret_set(struct secret *s, const void *p, size_t n)
{
	if (n > SECRET_MAX)
		return -EMSGSIZE;
	if (n)
		memcpy(s->b, p, n);
	/* not only what s->len says is in use: s may be a result nobody initialised */
	secret_wipe(s->b + n, SECRET_MAX - n);
	s->len = n;
	return 0;
}

void secret_copy(struct secret *dst, const struct secret *src)
{
	secret_set(dst, src->b, src->len);
}

bool secret_equal(const void *a, const void *b, size_t n)
{
	const volatile uint8_t *x = a, *y = b;
	uint8_t diff = 0;

	for (size_t i = 0; i < n; i++)
		diff |= x[i] ^ y[i];
	return diff == 0;
}
