/* SPDX-License-Identifier: GPL-2.0-only */
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/table.h"

enum { COLUMNS_MAX = 32, CELL_MAX = 512 };

struct table {
	size_t n_columns, n_cells, cap;
	const char *heads[COLUMNS_MAX];
	bool right[COLUMNS_MAX];
	char **cells;
};

struct table *table_new(const char *const *heads)
{
	struct table *t = calloc(1, sizeof(*t));

	for (; t && heads[t->n_columns] && t->n_columns < COLUMNS_MAX; t->n_columns++) {
		const char *h = heads[t->n_columns];

		t->right[t->n_columns] = *h == '>';
		t->heads[t->n_columns] = h + (*h == '>');
	}
	return t;
}

void table_cell(struct table *t, const char *fmt, ...)
{
	char text[CELL_MAX];
	va_list ap;

	if (!t)
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	for (char *c = text; *c; c++)
		if ((unsigned char)*c < 0x20 || *c == 0x7f)
			*c = '?';
	if (t->n_cells == t->cap) {
		size_t cap = t->cap ? t->cap * 2 : 64;
		char **cells = realloc(t->cells, cap * sizeof(*cells));

		if (!cells)
			return;
		t->cells = cells;
		t->cap = cap;
	}
	t->cells[t->n_cells] = strdup(text);
	t->n_cells += t->cells[t->n_cells] != NULL;
}

/* Characters of UTF-8, not octets. */
static size_t width(const char *s)
{
	size_t n = 0;

	for (; *s; s++)
		n += ((unsigned char)*s & 0xc0) != 0x80;
	return n;
}

/* *spaces are due before the next cell that shows anything: no line ends with them. */
static void put(FILE *out, const char *s, size_t column, bool right, size_t *spaces)
{
	size_t pad = column - width(s);

	if (right)
		*spaces += pad;
	if (*s) {
		fprintf(out, "%*s%s", (int)*spaces, "", s);
		*spaces = 0;
	}
	*spaces += (right ? 0 : pad) + 2;
}

static void put_row(FILE *out, const struct table *t, const char *const *cells,
		    const size_t *columns)
{
	size_t spaces = 0;

	for (size_t i = 0; i < t->n_columns; i++)
		put(out, cells[i], columns[i], t->right[i], &spaces);
	fputc('\n', out);
}

void table_end(struct table *t, FILE *out)
{
	size_t columns[COLUMNS_MAX], n;

	if (!t)
		return;
	n = t->n_columns;
	for (size_t i = 0; i < n; i++)
		columns[i] = width(t->heads[i]);
	for (size_t i = 0; i < t->n_cells; i++)
		if (width(t->cells[i]) > columns[i % n])
			columns[i % n] = width(t->cells[i]);
	if (t->n_cells)
		put_row(out, t, t->heads, columns);
	for (size_t i = 0; i + n <= t->n_cells; i += n)
		put_row(out, t, (const char *const *)t->cells + i, columns);
	for (size_t i = 0; i < t->n_cells; i++)
		free(t->cells[i]);
	free(t->cells);
	free(t);
}

size_t table_width(const char *text)
{
	size_t most = 0, n = 0;

	for (; *text; text++) {
		n = *text == '\n' ? 0 : n + (((unsigned char)*text & 0xc0) != 0x80);
		if (n > most)
			most = n;
	}
	return most;
}

const char *unit_octets(uint64_t octets, char buf[UNIT_STR])
{
	static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };
	double v = (double)octets;
	size_t u = 0;

	while (v >= 1023.95 && u < 6) {
		v /= 1024;
		u++;
	}
	snprintf(buf, UNIT_STR, u ? "%.1f %s" : "%.0f %s", v, units[u]);
	return buf;
}

const char *unit_rate(uint64_t octets, uint64_t usec, char buf[UNIT_STR])
{
	double bit = usec ? (double)octets * 8e6 / (double)usec : 0;

	if (bit >= 999.95e6)
		snprintf(buf, UNIT_STR, "%.2f Gbit/s", bit / 1e9);
	else if (bit >= 999.95e3)
		snprintf(buf, UNIT_STR, "%.1f Mbit/s", bit / 1e6);
	else
		snprintf(buf, UNIT_STR, "%.1f kbit/s", bit / 1e3);
	return buf;
}

const char *unit_usec(uint64_t usec, char buf[UNIT_STR])
{
	if (usec >= 999950)
		snprintf(buf, UNIT_STR, "%.2f s", (double)usec / 1e6);
	else
		snprintf(buf, UNIT_STR, "%.1f ms", (double)usec / 1e3);
	return buf;
}

const char *unit_age(uint64_t usec, char buf[UNIT_STR])
{
	unsigned long long s = usec / 1000000;

	if (s < 60)
		snprintf(buf, UNIT_STR, "%llu s", s);
	else if (s < 3600)
		snprintf(buf, UNIT_STR, "%llu m %llu s", s / 60, s % 60);
	else if (s < 86400)
		snprintf(buf, UNIT_STR, "%llu h %llu m", s / 3600, s / 60 % 60);
	else
		snprintf(buf, UNIT_STR, "%llu d %llu h", s / 86400, s / 3600 % 24);
	return buf;
}
