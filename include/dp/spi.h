/* SPDX-License-Identifier: GPL-2.0-only */
/* Inbound SPIs: an index into sa_in and a generation (abi/steer.h). Indices are handed out in turn,
 * so that one is reused as late as possible; the generation is random and differs from the index's
 * last one. Index 0 is not used: mark 0 means no mark. Thread: the owner's.
 */
#ifndef BRAID_DP_SPI_H
#define BRAID_DP_SPI_H

#include <stdint.h>

struct spi_alloc {
	uint32_t size, cursor;
	uint16_t *gen; /* per index: bit 15 in use, low 12 bits last generation */
};

/* size: power of two. 0 or -ENOMEM. */
int spi_alloc_init(struct spi_alloc *a, uint32_t size);
/* Begin somewhere below `below` (at most size): the kernel's ESP has one outbound SA for each SPI
 * and stable address, and hosts that all begin at 1 give a common peer the same SPIs. */
void spi_alloc_scatter(struct spi_alloc *a, uint32_t below);
void spi_alloc_clear(struct spi_alloc *a);
/* 0 or -ENOSPC */
int spi_alloc_take(struct spi_alloc *a, uint32_t *ret_spi);
/* A specific one: 0 (also again), -EINVAL (out of range), -EEXIST (other SPI on its index). */
int spi_alloc_reserve(struct spi_alloc *a, uint32_t spi);
/* A stale SPI frees nothing. */
void spi_alloc_free(struct spi_alloc *a, uint32_t spi);

#endif
