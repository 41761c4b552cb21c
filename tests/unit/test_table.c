/* SPDX-License-Identifier: GPL-2.0-only */
#include <stdlib.h>

#include <criterion/criterion.h>

#include "ctl/table.h"

Test(table, aligns)
{
	static const char *const heads[] = { "NAME", ">N", "LAST", NULL };
	struct table *t = table_new(heads);
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	table_cell(t, "long name");
	table_cell(t, "%d", 7);
	table_cell(t, "x");
	table_cell(t, "über");
	table_cell(t, "%d", 12345);
	table_cell(t, "yy");
	table_end(t, f);
	table_end(table_new(heads), f); /* no rows: nothing */
	table_end(NULL, f);
	fclose(f);
	cr_assert_str_eq(text, "NAME           N  LAST\n"
			       "long name      7  x\n"
			       "über       12345  yy\n");
	free(text);
}

Test(table, units)
{
	static const struct {
		uint64_t n;
		const char *octets, *usec, *age;
	} rows[] = {
		{ 0, "0 B", "0.0 ms", "0 s" },
		{ 1023, "1023 B", "1.0 ms", "0 s" },
		{ 1024, "1.0 KiB", "1.0 ms", "0 s" },
		{ 1048525, "1.0 MiB", "1.05 s", "1 s" },
		{ 61 * 1000000, "58.2 MiB", "61.00 s", "1 m 1 s" },
		{ 3661ull * 1000000, "3.4 GiB", "3661.00 s", "1 h 1 m" },
		{ 90000ull * 1000000, "83.8 GiB", "90000.00 s", "1 d 1 h" },
		{ UINT64_MAX, "16.0 EiB", "18446744073709.55 s", "213503982 d 8 h" },
	};
	char buf[UNIT_STR];

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		cr_expect_str_eq(unit_octets(rows[i].n, buf), rows[i].octets, "%s", buf);
		cr_expect_str_eq(unit_usec(rows[i].n, buf), rows[i].usec, "%s", buf);
		cr_expect_str_eq(unit_age(rows[i].n, buf), rows[i].age, "%s", buf);
	}
	cr_assert_str_eq(unit_rate(1000000, 1000000, buf), "8.0 Mbit/s");
	cr_assert_str_eq(unit_rate(1000, 1000000, buf), "8.0 kbit/s");
	cr_assert_str_eq(unit_rate(250000000, 1000000, buf), "2.00 Gbit/s");
	cr_assert_str_eq(unit_rate(5, 0, buf), "0.0 kbit/s");
}

Test(table, width_is_that_of_the_longest_line)
{
	cr_assert_eq(table_width(""), 0);
	cr_assert_eq(table_width("abc\nabcd\nab"), 4);
	cr_assert_eq(table_width("\303\244\303\266\n"), 2, "characters, not octets");
}
