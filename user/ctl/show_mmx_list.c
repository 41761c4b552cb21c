/* SPDX-License-Identifier: GPL-2.0-only */
/* braid mmx: what both ends have announced, what is bound to it, and what the peer said. */
#include "ctl/show.h"
#include "ctl/table.h"
#include "show_impl.h"

static void bindings(FILE *out, const json_t *r)
{
	static const char *const heads[] = { "BINDING", "SAS",	 "PATH", "LOCAL",
					     "REMOTE",	"STATE", NULL };
	const json_t *b, *p;
	struct table *t = table_new(heads);
	size_t i, k;

	json_array_foreach(json_object_get(r, "bindings"), i, b)
	{
		json_array_foreach(json_object_get(b, "paths"), k, p)
		{
			if (num(b, "id"))
				table_cell(t, "%llu", (unsigned long long)num(b, "id"));
			else
				table_cell(t, "as IKE");
			table_cell(t, "%llu", (unsigned long long)num(b, "sas"));
			table_cell(t, "%s", str(p, "id"));
			table_cell(t, "%s", str(p, "local"));
			table_cell(t, "%s", str(p, "remote"));
			table_cell(t, "%s%s%s%s", yes(p, "verified") ? "verified" : "unverified",
				   yes(p, "nat") ? ", NAT" : "", yes(p, "boot") ? ", boot" : "",
				   yes(p, "alternate") ? ", alternate" : "");
		}
	}
	table_end(t, out);
}

void show_mmx_list(FILE *out, const json_t *data)
{
	json_t *r;
	char caps[160];
	size_t i;

	json_array_foreach(json_object_get(data, "relations"), i, r)
	{
		fprintf(out, "%s%s#%llu: %s\n", i ? "\n" : "", str(r, "conn"),
			(unsigned long long)num(r, "line"),
			yes(r, "on") ? list(r, "caps", caps, sizeof(caps))
				     : "one of the two ends has no multi-interface extension");
		if (!yes(r, "on"))
			continue;
		show_mmx_ifaces(out, r);
		bindings(out, r);
	}
	show_asks(out, json_object_get(data, "relations"));
}

/* Several relations may be of one line: its bindings. */
static bool line_before(const json_t *relations, size_t i, const json_t *r)
{
	const json_t *o = i ? json_array_get(relations, i - 1) : NULL;

	return o && !strcmp(str(o, "conn"), str(r, "conn")) && num(o, "line") == num(r, "line");
}

void show_asks(FILE *out, const json_t *relations)
{
	static const char *const heads[] = { "CONNECTION", "CLASS", "ASKED BY", "MODE",
					     ">COPIES",	   "STATE", "WHY",	NULL };
	struct table *t = table_new(heads);
	const json_t *r, *o;
	bool any = false;
	size_t i, k;

	json_array_foreach(relations, i,
			   r) for (k = 0; !line_before(relations, i, r) &&
					  (o = json_array_get(json_object_get(r, "asks"), k));
				   k++)
	{
		if (!any)
			fputc('\n', out);
		any = true;
		table_cell(t, "%s#%llu", str(r, "conn"), (unsigned long long)num(r, "line"));
		table_cell(t, "%s", str(o, "class"));
		table_cell(t, "%s", str(o, "by"));
		table_cell(t, "%s", str(o, "mode"));
		if (num(o, "copies"))
			table_cell(t, "%llu", (unsigned long long)num(o, "copies"));
		else
			table_cell(t, "%s", "-");
		table_cell(t, "%s", str(o, "state"));
		table_cell(t, "%s", str(o, "why"));
	}
	table_end(t, out);
}

void show_mmx_result(FILE *out, const json_t *data)
{
	fprintf(out, "%s: %s", str(data, "action"), str(data, "status"));
	if (json_is_string(json_object_get(data, "why")))
		fprintf(out, " (%s)", str(data, "why"));
	fprintf(out, ", %llu SA%s", (unsigned long long)num(data, "affected"),
		num(data, "affected") == 1 ? "" : "s");
	if (num(data, "valid_sec"))
		fprintf(out, ", so for %llu s", (unsigned long long)num(data, "valid_sec"));
	if (json_is_integer(json_object_get(data, "limit")))
		fprintf(out, ", at most %llu", (unsigned long long)num(data, "limit"));
	fprintf(out, "%s%s\n",
		yes(data, "pending") ? ", packets follow when the address has answered" : "",
		yes(data, "renegotiate") ? ", weaker protection would do" : "");
}

void show_mmx_probe(FILE *out, const json_t *data)
{
	char buf[UNIT_STR];

	fprintf(out, "path %s: %s", str(data, "path"), unit_usec(num(data, "rtt_usec"), buf));
	if (json_is_string(json_object_get(data, "seen")))
		fprintf(out, ", seen as %s", str(data, "seen"));
	fprintf(out, "%s\n", yes(data, "nat") ? ", NAT" : "");
}
