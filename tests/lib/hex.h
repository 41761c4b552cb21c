/* SPDX-License-Identifier: GPL-2.0-only */
/* Test data written as hexadecimal text; blanks are ignored. */
#ifndef BRAID_TESTS_HEX_H
#define BRAID_TESTS_HEX_H

#include <ctype.h>
#include <stddef.h>
#include <stdint.h>

/* Writes at most cap octets to out and returns how many. Anything odd in text is the test author's
 * mistake and gives 0. */
static inline size_t unhex(const char *text, uint8_t *out, size_t cap)
{
	size_t digits = 0;

	for (; *text; text++) {
		int c = tolower((unsigned char)*text);
		uint8_t v = (uint8_t)(isdigit(c) ? c - '0' : c - 'a' + 10);

		if (isspace(c))
			continue;
		if (!isxdigit(c) || digits / 2 == cap)
			return 0;
		if (digits % 2)
			out[digits / 2] |= v;
		else
			out[digits / 2] = (uint8_t)(v << 4);
		digits++;
	}
	return digits % 2 ? 0 : digits / 2;
}

#endif
