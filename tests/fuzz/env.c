/* SPDX-License-Identifier: GPL-2.0-only */
/* What all fuzz targets want of their surroundings: an input means the same in every run, and an
 * execution costs little. */
#include <string.h>
#include <sys/random.h>

const char *__asan_default_options(void);
ssize_t __wrap_getrandom(void *buf, size_t n, unsigned flags);
int __wrap_RAND_bytes(unsigned char *buf, int n);

/* What was freed is kept from use for long enough, not for a gigabyte of allocations. */
const char *__asan_default_options(void)
{
	return "quarantine_size_mb=16:malloc_context_size=8";
}

static void numbers(unsigned char *p, size_t n)
{
	static unsigned long long x = 0x9e3779b97f4a7c15;

	for (size_t i = 0; i < n; i++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		p[i] = (unsigned char)(x >> 24);
	}
}

/* Of the tables of hashes, several in every new core. */
ssize_t __wrap_getrandom(void *buf, size_t n, unsigned flags)
{
	(void)flags;
	numbers(buf, n);
	return (ssize_t)n;
}

/* Keys, nonces, SPIs. */
int __wrap_RAND_bytes(unsigned char *buf, int n)
{
	numbers(buf, (size_t)n);
	return 1;
}
