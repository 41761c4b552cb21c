/* SPDX-License-Identifier: GPL-2.0-only */
#include <string.h>

#include "esp/csum.h"

/* Compiled three times: the loop over 32-bit words vectorises, with 256-bit registers it costs a
 * third, with 512-bit ones a fifth. The right one is chosen when the program is loaded. */
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) &&                             \
	!defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define CLONES __attribute__((target_clones("arch=x86-64-v4", "avx2", "default"), optimize("O3")))
#else
#define CLONES
#endif

CLONES static uint64_t sum_words(const uint8_t *p, size_t words)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < words; i++) {
		uint32_t w;

		memcpy(&w, p + i * 4, 4);
		sum += w;
	}
	return sum;
}

uint64_t csum_add(uint64_t sum, const void *data, size_t n)
{
	const uint8_t *p = data;
	uint32_t last = 0;

	sum = (sum & 0xffffffff) + (sum >> 32);
	if (n >= 4)
		sum += sum_words(p, n / 4);
	if (n % 4) {
		memcpy(&last, p + n / 4 * 4, n % 4);
		sum += last;
	}
	return sum;
}
