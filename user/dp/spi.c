/* SPDX-License-Identifier: GPL-2.0-only */
/* See dp/spi.h. */
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/random.h>

#include "abi/steer.h"
#include "dp/spi.h"

enum { SPI_USED = 0x8000, SPI_GEN = 0x0fff };

int spi_alloc_init(struct spi_alloc *a, uint32_t size)
{
	uint16_t *gen = calloc(size, sizeof(*gen));

	if (!gen)
		return -ENOMEM;
	*a = (struct spi_alloc){ .size = size, .cursor = 1, .gen = gen };
	return 0;
}

void spi_alloc_scatter(struct spi_alloc *a, uint32_t below)
{
	uint32_t r;

	if (below > 2 && getrandom(&r, sizeof(r), 0) == sizeof(r))
		a->cursor = 1 + r % (below - 1);
}

void spi_alloc_clear(struct spi_alloc *a)
{
	free(a->gen);
	*a = (struct spi_alloc){ 0 };
}

/* 1..4095, not `last`. */
static uint16_t new_gen(uint16_t last)
{
	uint16_t g = 0;

	while (getrandom(&g, sizeof(g), 0) != sizeof(g) || !(g & SPI_GEN) || (g & SPI_GEN) == last)
		;
	return g & SPI_GEN;
}

int spi_alloc_take(struct spi_alloc *a, uint32_t *ret_spi)
{
	for (uint32_t tried = 1; tried < a->size; tried++) {
		uint32_t i = a->cursor;

		a->cursor = i + 1 < a->size ? i + 1 : 1;
		if (a->gen[i] & SPI_USED)
			continue;
		a->gen[i] = new_gen(a->gen[i]) | SPI_USED;
		*ret_spi = STEER_SPI(a->gen[i] & SPI_GEN, i);
		return 0;
	}
	return -ENOSPC;
}

int spi_alloc_reserve(struct spi_alloc *a, uint32_t spi)
{
	uint32_t i = STEER_SPI_INDEX(spi);

	if (!i || i >= a->size || !(spi >> 20))
		return -EINVAL;
	if (a->gen[i] & SPI_USED)
		return a->gen[i] == (SPI_USED | spi >> 20) ? 0 : -EEXIST;
	a->gen[i] = SPI_USED | spi >> 20;
	return 0;
}

void spi_alloc_free(struct spi_alloc *a, uint32_t spi)
{
	uint32_t i = STEER_SPI_INDEX(spi);

	if (i && i < a->size && a->gen[i] == (SPI_USED | spi >> 20))
		a->gen[i] &= SPI_GEN;
}
