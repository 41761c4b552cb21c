/* SPDX-License-Identifier: GPL-2.0-only */
/* The one seam for randomness. Tests install a deterministic source. Thread: any, once set up. */
#ifndef BRAID_CRYPTO_RNG_H
#define BRAID_CRYPTO_RNG_H

#include <stddef.h>
#include <stdint.h>

/* Fills buf with n octets; 0 or -EIO. */
typedef int rng_fn(void *ctx, void *buf, size_t n);

/* NULL restores the CSPRNG of OpenSSL. */
void rng_set_source(rng_fn *fn, void *ctx);
/* 0 or -EIO; buf is zeroed on failure. */
int rng_bytes(void *buf, size_t n);

#endif
