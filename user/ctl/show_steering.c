/* SPDX-License-Identifier: GPL-2.0-only */
/* braid steering: rules, classes, and which way each goes; and where one flow goes. */
#include "ctl/show.h"
#include "ctl/table.h"
#include "show_impl.h"

/* What is shown: counts, or, live, rates since a look before. */
struct look {
	const json_t *data, *before; /* before may be NULL */
	bool live;
};

/* then: the same entry before, or NULL */
static void count_cells(struct table *t, const struct look *l, const json_t *o, const json_t *then)
{
	uint64_t now = num(o, "octets"), was = num(then, "octets");
	char buf[UNIT_STR];

	table_cell(t, "%llu", (unsigned long long)num(o, "packets"));
	if (!l->live)
		table_cell(t, "%s", unit_octets(now, buf));
	else if (!then || now < was)
		table_cell(t, "-");
	else
		table_cell(t, "%s",
			   unit_rate(now - was,
				     num(l->data, "now_usec") - num(l->before, "now_usec"), buf));
}

static void rules(FILE *out, const struct look *l)
{
	const char *heads[] = {
		">RULE", "CLASS", "MATCH", ">PACKETS", l->live ? ">OUT/S" : ">OCTETS", ">LINE", NULL
	};
	const json_t *all = json_object_get(l->data, "rules"), *r;
	struct table *t = table_new(heads);
	size_t i;

	if (!json_array_size(all)) {
		table_end(t, out);
		return;
	}
	json_array_foreach(all, i, r)
	{
		table_cell(t, "%llu", (unsigned long long)num(r, "number"));
		table_cell(t, "%s", str(r, "class"));
		table_cell(t, "%s", str(r, "match"));
		count_cells(t, l, r,
			    entry_like(json_object_get(l->before, "rules"), "number", "match", r));
		table_cell(t, "%llu", (unsigned long long)num(r, "line"));
	}
	table_end(t, out);
	fputc('\n', out);
}

static void path_cells(struct table *t, const struct look *l, const json_t *p, const json_t *then)
{
	char buf[UNIT_STR];

	table_cell(t, "%s", str(p, "name"));
	table_cell(t, "%s", str(p, "state"));
	if (json_is_integer(json_object_get(p, "share_permille")))
		table_cell(t, "%.0f %%", (double)num(p, "share_permille") / 10);
	else
		table_cell(t, "-");
	count_cells(t, l, p, entry_like(json_object_get(then, "paths"), "id", NULL, p));
	table_cell(t, "%s", age(l->data, p, "since_usec", buf));
	table_cell(t, "%s", str(p, "why"));
}

/* The class itself has a line: what it does now, and why; then one for each path. */
static void class_rows(struct table *t, const struct look *l, const json_t *rel, const json_t *c,
		       const json_t *then)
{
	const char *now = str(c, "in_force");
	bool single = !strcmp(str(c, "mode"), "redundant") && !strcmp(now, "active-standby");
	char buf[UNIT_STR];
	const json_t *p;
	size_t i;

	if (num(rel, "family_lines") > 1)
		table_cell(t, "%s#%llu", str(rel, "conn"), (unsigned long long)num(rel, "line"));
	else
		table_cell(t, "%s", str(rel, "conn"));
	table_cell(t, "%s", str(c, "name"));
	table_cell(t, single ? "%s (%s now)" : "%s", str(c, "mode"), now);
	for (int n = 0; n < 3; n++)
		table_cell(t, "%s", "");
	count_cells(t, l, c, then);
	table_cell(t, "%s", age(l->data, c, "since_usec", buf));
	table_cell(t, "%s", str(c, "why"));
	json_array_foreach(json_object_get(c, "paths"), i, p)
	{
		for (int n = 0; n < 3; n++)
			table_cell(t, "%s", "");
		path_cells(t, l, p, then);
	}
}

static void relations(FILE *out, const struct look *l)
{
	const char *heads[] = { "CONNECTION", "CLASS",	"MODE",	    "PATH",
				"STATE",      ">SHARE", ">PACKETS", l->live ? ">OUT/S" : ">OCTETS",
				">SINCE",     "WHY",	NULL };
	const json_t *all = json_object_get(l->data, "relations"), *rel, *c;
	const json_t *before = json_object_get(l->before, "relations");
	struct table *t = table_new(heads);
	size_t i, k;

	if (!json_array_size(all))
		fputs("no relation is up\n", out);
	json_array_foreach(all, i, rel)
	{
		const json_t *then = entry_like(before, "line", "binding", rel);

		json_array_foreach(json_object_get(rel, "classes"), k, c)
			class_rows(t, l, rel, c,
				   entry_like(json_object_get(then, "classes"), "name", NULL, c));
	}
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

static void show(FILE *out, const struct look *l)
{
	rules(out, l);
	relations(out, l);
	show_asks(out, json_object_get(l->data, "relations"));
	budgets(out, l->data);
}

void show_steering(FILE *out, const json_t *data)
{
	show(out, &(struct look){ .data = data });
}

void show_steering_live(FILE *out, const json_t *data, const json_t *before)
{
	show(out, &(struct look){ data, before, true });
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
