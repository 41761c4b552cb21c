/* SPDX-License-Identifier: GPL-2.0-only */
/* Key material with a fixed bound, wiped when done with.
 *
 * A secret lives inside its owner (no heap), is copied only by secret_copy and wiped by
 * secret_clear on every way out. Never logged, never in a BPF map. Thread: the caller's.
 */
#ifndef BRAID_BASE_SECRET_H
#define BRAID_BASE_SECRET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { SECRET_MAX = 640 }; /* a MODP-4096 shared secret and more */

struct secret {
	uint8_t b[SECRET_MAX];
	size_t len; /* octets in use */
};

/* Wipe: a memset the compiler may not drop. */
void secret_wipe(void *p, size_t n);
void secret_clear(struct secret *s);
/* 0, or -EMSGSIZE when n > SECRET_MAX (s unchanged). */
int secret_set(struct secret *s, const void *p, size_t n);
void secret_copy(struct secret *dst, const struct secret *src);
/* Constant-time comparison of n octets. */
bool secret_equal(const void *a, const void *b, size_t n);

#endif
