/* SPDX-License-Identifier: GPL-2.0-only */
/* SPIs: index in turn, generation random and never the index's last, above 255 always.
 * [ESP-1] [ROB-7] */
#include <criterion/criterion.h>
#include <errno.h>

#include "abi/steer.h"
#include "dp/spi.h"

Test(spi, in_turn_and_never_reserved_values)
{
	struct spi_alloc a;
	uint32_t spi;

	cr_assert_eq(spi_alloc_init(&a, 8), 0);
	for (uint32_t i = 1; i < 8; i++) {
		cr_assert_eq(spi_alloc_take(&a, &spi), 0);
		cr_assert_eq(STEER_SPI_INDEX(spi), i);
		cr_assert_gt(spi, 255); /* RFC 4303 2.1: 1..255 are reserved, 0 is local */
	}
	cr_assert_eq(spi_alloc_take(&a, &spi), -ENOSPC);
	spi_alloc_clear(&a);
}

/* Two hosts give a common peer different SPIs: the chance of a pair is one in 2^27. */
Test(spi, hosts_begin_at_different_places)
{
	uint32_t spi[64], places = 0;

	for (int h = 0; h < 64; h++) {
		struct spi_alloc a;

		cr_assert_eq(spi_alloc_init(&a, 1 << 16), 0);
		spi_alloc_scatter(&a, 1 << 15);
		cr_assert_eq(spi_alloc_take(&a, &spi[h]), 0);
		cr_assert_lt(STEER_SPI_INDEX(spi[h]), 1 << 15);
		cr_assert_gt(STEER_SPI_INDEX(spi[h]), 0);
		places += STEER_SPI_INDEX(spi[h]) != STEER_SPI_INDEX(spi[0]);
		spi_alloc_clear(&a);
	}
	cr_assert_gt(places, 32);
}

Test(spi, scattered_or_not_each_index_is_used)
{
	struct spi_alloc a;
	uint32_t spi, seen = 0;

	cr_assert_eq(spi_alloc_init(&a, 8), 0);
	spi_alloc_scatter(&a, 8);
	for (int i = 1; i < 8; i++) {
		cr_assert_eq(spi_alloc_take(&a, &spi), 0);
		seen |= 1u << STEER_SPI_INDEX(spi);
	}
	cr_assert_eq(seen, 0xfe);
	cr_assert_eq(spi_alloc_take(&a, &spi), -ENOSPC);
	spi_alloc_clear(&a);
	cr_assert_eq(spi_alloc_init(&a, 2), 0);
	spi_alloc_scatter(&a, 2); /* there is one place */
	cr_assert_eq(spi_alloc_take(&a, &spi), 0);
	cr_assert_eq(STEER_SPI_INDEX(spi), 1);
	spi_alloc_clear(&a);
}

Test(spi, a_freed_index_comes_back_last_with_another_generation)
{
	struct spi_alloc a;
	uint32_t first, spi, last = 0;

	cr_assert_eq(spi_alloc_init(&a, 4), 0);
	cr_assert_eq(spi_alloc_take(&a, &first), 0);
	spi_alloc_free(&a, first);
	cr_assert_eq(spi_alloc_take(&a, &spi), 0);
	cr_assert_eq(STEER_SPI_INDEX(spi), 2);
	cr_assert_eq(spi_alloc_take(&a, &spi), 0);
	for (int i = 0; i < 2000; i++) {
		cr_assert_eq(spi_alloc_take(&a, &spi), 0);
		cr_assert_eq(STEER_SPI_INDEX(spi), 1);
		cr_assert_neq(spi, i ? last : first);
		last = spi;
		spi_alloc_free(&a, spi);
	}
	spi_alloc_clear(&a);
}

Test(spi, a_stale_one_frees_nothing)
{
	struct spi_alloc a;
	uint32_t spi, other;

	cr_assert_eq(spi_alloc_init(&a, 2), 0);
	cr_assert_eq(spi_alloc_take(&a, &spi), 0);
	spi_alloc_free(&a, spi ^ 0x00300000);
	spi_alloc_free(&a, 0);
	spi_alloc_free(&a, 0xffffffff);
	cr_assert_eq(spi_alloc_take(&a, &other), -ENOSPC);
	spi_alloc_clear(&a);
}

Test(spi, reserve)
{
	struct spi_alloc a;
	uint32_t spi;

	cr_assert_eq(spi_alloc_init(&a, 4), 0);
	cr_assert_eq(spi_alloc_reserve(&a, STEER_SPI(5, 2)), 0);
	cr_assert_eq(spi_alloc_reserve(&a, STEER_SPI(5, 2)), 0);
	cr_assert_eq(spi_alloc_reserve(&a, STEER_SPI(6, 2)), -EEXIST);
	cr_assert_eq(spi_alloc_reserve(&a, STEER_SPI(5, 4)), -EINVAL);
	cr_assert_eq(spi_alloc_reserve(&a, STEER_SPI(5, 0)), -EINVAL);
	cr_assert_eq(spi_alloc_reserve(&a, STEER_SPI(0, 3)), -EINVAL);
	cr_assert_eq(spi_alloc_take(&a, &spi), 0);
	cr_assert_eq(STEER_SPI_INDEX(spi), 1);
	cr_assert_eq(spi_alloc_take(&a, &spi), 0);
	cr_assert_eq(STEER_SPI_INDEX(spi), 3);
	spi_alloc_clear(&a);
}
