/* SPDX-License-Identifier: GPL-2.0-only */
/* MMX in `braid sas`: the interfaces that both ends have told of, and what is bound to which. */
#include <stdio.h>

#include "ctl/show.h"
#include "show_impl.h"

static void show_iface(FILE *out, const json_t *f)
{
	const json_t *e;
	size_t i;

	fprintf(out, "    %llu", (unsigned long long)num(f, "id"));
	if (json_is_string(json_object_get(f, "name")))
		fprintf(out, " %s", str(f, "name"));
	fprintf(out, ": %s, preference %llu%s%s%s;", str(f, "link"),
		(unsigned long long)num(f, "preference"), yes(f, "up") ? "" : ", down",
		yes(f, "metered") ? ", metered" : "", yes(f, "backup") ? ", backup" : "");
	json_array_foreach(json_object_get(f, "endpoints"), i, e)
		fprintf(out, "%s %llu %s%s", i ? "," : "", (unsigned long long)num(e, "id"),
			str(e, "address"), yes(e, "current") ? " (IKE)" : "");
	fputc('\n', out);
}

static void show_list(FILE *out, const char *whose, const json_t *l)
{
	const json_t *f;
	size_t i;

	if (!json_is_object(l))
		return;
	fprintf(out, "  %s interfaces, list %llu\n", whose,
		(unsigned long long)num(l, "generation"));
	json_array_foreach(json_object_get(l, "interfaces"), i, f) show_iface(out, f);
}

static void show_path(FILE *out, const json_t *p)
{
	fprintf(out, "    %s: %s to %s, %s%s%s%s%s\n", str(p, "name"), str(p, "local"),
		str(p, "remote"), str(p, "state"), yes(p, "alternate") ? ", alternate" : "",
		yes(p, "boot") ? ", in place of the others" : "", yes(p, "nat") ? ", NAT" : "",
		yes(p, "verified") ? "" : ", not verified");
}

static void show_binding(FILE *out, const json_t *b)
{
	const json_t *e;
	size_t i;

	fprintf(out, "  binding %llu, %llu Child SA%s:", (unsigned long long)num(b, "id"),
		(unsigned long long)num(b, "sas"), num(b, "sas") == 1 ? "" : "s");
	json_array_foreach(json_object_get(b, "children"), i, e)
		fprintf(out, " %s", str(e, "spi_in"));
	fputc('\n', out);
	json_array_foreach(json_object_get(b, "paths"), i, e) show_path(out, e);
}

void show_mmx_ifaces(FILE *out, const json_t *mmx)
{
	show_list(out, "our", json_object_get(mmx, "ours"));
	show_list(out, "the peer's", json_object_get(mmx, "peer"));
}

void show_mmx(FILE *out, const json_t *sa)
{
	const json_t *m = json_object_get(sa, "mmx"), *b;
	size_t i;

	if (!json_is_object(m))
		return;
	show_mmx_ifaces(out, m);
	json_array_foreach(json_object_get(m, "bindings"), i, b) show_binding(out, b);
}
