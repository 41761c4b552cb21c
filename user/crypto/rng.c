/* SPDX-License-Identifier: GPL-2.0-only */
#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <string.h>

#include <openssl/rand.h>

#include "crypto/rng.h"

static rng_fn *source;
static void *source_ctx;

void rng_set_source(rng_fn *fn, void *ctx)
{
	source = fn;
	source_ctx = ctx;
}

int rng_bytes(void *buf, size_t n)
{
	bool ok;

	if (source)
		ok = source(source_ctx, buf, n) == 0;
	else
		ok = n <= INT_MAX && RAND_bytes(buf, (int)n) == 1;
	if (!ok) {
		memset(buf, 0, n);
		return -EIO;
	}
	return 0;
}
