/* SPDX-License-Identifier: GPL-2.0-only */
/* braid steering: rules, classes, and which way each goes; and where one flow goes. */
#include "ctl/show.h"
#include "ctl/table.h"
#include "show_impl.h"

static void count_cells(struct table *t, const json_t *o)
{
	char buf[UNIT_STR];

	table_cell(t, "%llu", (unsigned long long)num(o, "packets"));
	table_cell(t, "%s", unit_octets(num(o, "octets"), buf));
}

static void rules(FILE *out, const json_t *data)
{
	static const char *const heads[] = { ">RULE",	"CLASS", "MATCH", ">PACKETS",
					     ">OCTETS", ">LINE", NULL };
	struct table *t = table_new(heads);
	const json_t *r;
	size_t i;

	if (!json_array_size(json_object_get(data, "rules"))) {
		table_end(t, out);
		return;
	}
	json_array_foreach(json_object_get(data, "rules"), i, r)
	{
		table_cell(t, "%llu", (unsigned long long)num(r, "number"));
		table_cell(t, "%s", str(r, "class"));
		table_cell(t, "%s", str(r, "match"));
		count_cells(t, r);
		table_cell(t, "%llu", (unsigned long long)num(r, "line"));
	}
	table_end(t, out);
	fputc('\n', out);
}

static void path_cells(struct table *t, const json_t *data, const json_t *p)
{
	char buf[UNIT_STR];

	table_cell(t, "%s", str(p, "name"));
	table_cell(t, "%s", str(p, "state"));
	if (json_is_integer(json_object_get(p, "share_permille")))
		table_cell(t, "%.0f %%", (double)num(p, "share_permille") / 10);
	else
		table_cell(t, "-");
	count_cells(t, p);
	table_cell(t, "%s", age(data, p, "since_usec", buf));
	table_cell(t, "%s", str(p, "why"));
}

/* The class itself has a line: what it does now, and why; then one for each path. */
static void class_rows(struct table *t, const json_t *data, const json_t *rel, const json_t *c)
{
	char buf[UNIT_STR];
	const json_t *p;
	size_t i;

	if (num(rel, "family_lines") > 1)
		table_cell(t, "%s#%llu", str(rel, "conn"), (unsigned long long)num(rel, "line"));
	else
		table_cell(t, "%s", str(rel, "conn"));
	table_cell(t, "%s", str(c, "name"));
	table_cell(t, "%s", str(c, "mode"));
	for (int n = 0; n < 3; n++)
		table_cell(t, "%s", "");
	count_cells(t, c);
	table_cell(t, "%s", age(data, c, "since_usec", buf));
	table_cell(t, "%s", str(c, "why"));
	json_array_foreach(json_object_get(c, "paths"), i, p)
	{
		for (int n = 0; n < 3; n++)
			table_cell(t, "%s", "");
		path_cells(t, data, p);
	}
}

static void relations(FILE *out, const json_t *data)
{
	static const char *const heads[] = { "CONNECTION", "CLASS",  "MODE",	 "PATH",
					     "STATE",	   ">SHARE", ">PACKETS", ">OCTETS",
					     ">SINCE",	   "WHY",    NULL };
	struct table *t = table_new(heads);
	const json_t *rel, *c;
	size_t i, k;

	if (!json_array_size(json_object_get(data, "relations")))
		fputs("no relation is up\n", out);
	json_array_foreach(json_object_get(data, "relations"), i, rel)
		json_array_foreach(json_object_get(rel, "classes"), k, c)
			class_rows(t, data, rel, c);
	table_end(t, out);
}

static void budgets(FILE *out, const json_t *data)
{
	static const char *const heads[] = { "UPLINK", ">BUDGET", ">USED", "PERIOD",
					     "STATE",  "THEN",	  NULL };
	const json_t *all = json_object_get(data, "budgets"), *b;
	struct table *t = table_new(heads);
	char buf[UNIT_STR];
	size_t i;

	if (json_array_size(all))
		fputc('\n', out);
	json_array_foreach(all, i, b)
	{
		table_cell(t, "%s", str(b, "uplink"));
		table_cell(t, "%s", unit_octets(num(b, "octets"), buf));
		table_cell(t, "%s", unit_octets(num(b, "used_octets"), buf));
		table_cell(t, "%s", str(b, "period"));
		table_cell(t, "%s", str(b, "state"));
		table_cell(t, "%s", str(b, "action"));
	}
	table_end(t, out);
}

void show_steering(FILE *out, const json_t *data)
{
	rules(out, data);
	relations(out, data);
	show_asks(out, json_object_get(data, "relations"));
	budgets(out, data);
}

static void explain_path(FILE *out, const char *head, const json_t *p)
{
	fprintf(out, "%-9s %s (%s, %s)%s%s\n", head, str(p, "name"), str(p, "uplink"),
		str(p, "state"), json_is_string(json_object_get(p, "why")) ? ": " : "",
		json_is_string(json_object_get(p, "why")) ? str(p, "why") : "");
}

void show_explain(FILE *out, const json_t *data)
{
	const json_t *rule = json_object_get(data, "rule"), *p;
	bool bond = !strcmp(str(data, "mode"), "bond");
	size_t i;

	fprintf(out, "%-9s %s\n", "flow", str(data, "flow"));
	if (json_is_object(rule))
		fprintf(out, "%-9s %llu: %s (line %llu)\n", "rule",
			(unsigned long long)num(rule, "number"), str(rule, "match"),
			(unsigned long long)num(rule, "line"));
	else
		fprintf(out, "%-9s none fits\n", "rule");
	if (json_is_string(json_object_get(data, "note")))
		fprintf(out, "%-9s %s\n", "note", str(data, "note"));
	fprintf(out, "%-9s %s, %s\n", "class", str(data, "class"), str(data, "mode"));
	if (!json_is_string(json_object_get(data, "child"))) {
		fprintf(out, "%-9s none: %s\n", "Child SA", str(data, "why"));
		return;
	}
	fprintf(out, "%-9s %s of %s, SPI %s\n", "Child SA", str(data, "child"), str(data, "conn"),
		str(data, "spi_out"));
	if (!json_array_size(json_object_get(data, "paths")))
		fprintf(out, "%-9s none: %s\n", "path", str(data, "why"));
	json_array_foreach(json_object_get(data, "paths"), i, p) explain_path(out,
									      !i     ? "path"
									      : bond ? "or"
										     : "copy",
									      p);
	if (json_array_size(json_object_get(data, "paths")))
		fprintf(out, "%-9s %s\n", "why", str(data, "why"));
	json_array_foreach(json_object_get(data, "others"), i, p) explain_path(out, "not", p);
}
