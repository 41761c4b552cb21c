/* SPDX-License-Identifier: GPL-2.0-only */
/* The text of braid top: paths with rates and a history of them, classes, what happened last. */
#include <stdlib.h>
#include <string.h>

#include "ctl/show.h"
#include "ctl/table.h"
#include "show_impl.h"

enum { HISTORY = 32 };

struct history {
	uint64_t id;
	bool seen;
	unsigned n;
	uint64_t rate[HISTORY]; /* octets a second, oldest first */
};

struct top {
	json_t *paths, *steering; /* of the last look */
	size_t n;
	struct history *list;
};

struct top *top_new(void)
{
	return calloc(1, sizeof(struct top));
}

void top_free(struct top *t)
{
	if (!t)
		return;
	json_decref(t->paths);
	json_decref(t->steering);
	free(t->list);
	free(t);
}

/* ---- rates ---- */

/* In a second; counters begin anew with a new agent. */
static uint64_t rate(const json_t *now, const json_t *then, const char *key, uint64_t usec)
{
	uint64_t a = num(now, key), b = num(then, key);

	return then && usec && a > b ? (uint64_t)((double)(a - b) * 1e6 / (double)usec) : 0;
}

static struct history *history_of(struct top *t, uint64_t id)
{
	struct history *grown;

	for (size_t i = 0; i < t->n; i++)
		if (t->list[i].id == id)
			return &t->list[i];
	grown = realloc(t->list, (t->n + 1) * sizeof(*grown));
	if (!grown)
		return NULL;
	t->list = grown;
	grown[t->n] = (struct history){ .id = id };
	return &grown[t->n++];
}

static void remember(struct history *h, uint64_t octets)
{
	if (h->n == HISTORY)
		memmove(h->rate, h->rate + 1, --h->n * sizeof(*h->rate));
	h->rate[h->n++] = octets;
	h->seen = true;
}

static void forget_gone(struct top *t)
{
	size_t kept = 0;

	for (size_t i = 0; i < t->n; i++)
		if (t->list[i].seen)
			t->list[kept++] = t->list[i];
	t->n = kept;
	for (size_t i = 0; i < kept; i++)
		t->list[i].seen = false;
}

/* Eighths of the largest of all, so that paths can be compared. */
static const char *curve(const struct history *h, uint64_t most, char *buf)
{
	static const char *const bars[] = { " ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█" };
	char *p = buf;

	for (unsigned i = 0; i < HISTORY - h->n; i++)
		*p++ = ' ';
	for (unsigned i = 0; i < h->n; i++) {
		uint64_t eighths = most ? (h->rate[i] * 8 + most - 1) / most : 0;
		const char *bar = bars[eighths > 8 ? 8 : eighths];

		memcpy(p, bar, strlen(bar));
		p += strlen(bar);
	}
	*p = '\0';
	return buf;
}

/* Of one connection its name is no column: room for the rest. */
static bool of_several(const json_t *list)
{
	const json_t *o;
	size_t i;

	json_array_foreach(list, i, o) if (strcmp(str(o, "conn"), str(json_array_get(list, 0),
								      "conn"))) return true;
	return false;
}

/* ---- paths ---- */

static uint64_t path_rates(struct top *t, const json_t *data, uint64_t usec)
{
	const json_t *all = json_object_get(data, "paths"), *p;
	const json_t *before = json_object_get(t->paths, "paths");
	uint64_t sum = 0;
	size_t i;

	json_array_foreach(all, i, p)
	{
		const json_t *then = entry_like(before, "id", NULL, p);
		uint64_t octets =
			rate(p, then, "tx_octets", usec) + rate(p, then, "rx_octets", usec);
		struct history *h = history_of(t, num(p, "id"));

		if (h)
			remember(h, octets);
		sum += octets;
	}
	forget_gone(t);
	return sum;
}

static uint64_t largest(const struct top *t)
{
	uint64_t most = 0;

	for (size_t i = 0; i < t->n; i++)
		for (unsigned k = 0; k < t->list[i].n; k++)
			if (t->list[i].rate[k] > most)
				most = t->list[i].rate[k];
	return most;
}

static void path_row(struct table *tab, struct top *t, const json_t *p, const json_t *then,
		     uint64_t usec, uint64_t sum, bool curves, bool conn)
{
	uint64_t tx = rate(p, then, "tx_octets", usec), rx = rate(p, then, "rx_octets", usec);
	struct history *h = history_of(t, num(p, "id"));
	char buf[4 * HISTORY];

	if (conn)
		table_cell(tab, "%s", str(p, "conn"));
	table_cell(tab, "%s", str(p, "name"));
	table_cell(tab, "%s%s", str(p, "state"), yes(p, "preferred") ? ", preferred" : "");
	if (json_is_integer(json_object_get(p, "rtt_usec")))
		table_cell(tab, "%s", unit_usec(num(p, "rtt_usec"), buf));
	else
		table_cell(tab, "-");
	table_cell(tab, "%s", unit_usec(num(p, "jitter_usec"), buf));
	if (json_is_integer(json_object_get(p, "loss_permille")))
		table_cell(tab, "%.1f %%", (double)num(p, "loss_permille") / 10);
	else
		table_cell(tab, "-");
	table_cell(tab, "%s", unit_rate(tx, 1000000, buf));
	table_cell(tab, "%s", unit_rate(rx, 1000000, buf));
	if (sum)
		table_cell(tab, "%.0f %%", 100.0 * (double)(tx + rx) / (double)sum);
	else
		table_cell(tab, "-");
	table_cell(tab, "%s", h && curves ? curve(h, largest(t), buf) : "");
}

static void paths(FILE *out, struct top *t, const json_t *data, bool curves)
{
	static const char *const heads[] = { "CONNECTION", "PATH",    "STATE",	">RTT",
					     ">JITTER",	   ">LOSS",   ">OUT/S", ">IN/S",
					     ">SHARE",	   "LAST 32", NULL };
	const json_t *all = json_object_get(data, "paths"), *p;
	uint64_t usec = t->paths ? num(data, "now_usec") - num(t->paths, "now_usec") : 0;
	uint64_t sum = path_rates(t, data, usec);
	bool conn = of_several(all);
	struct table *tab = table_new(conn ? heads : heads + 1);
	size_t i;

	json_array_foreach(all, i, p)
		path_row(tab, t, p, entry_like(json_object_get(t->paths, "paths"), "id", NULL, p),
			 usec, sum, curves, conn);
	if (!json_array_size(all))
		fputs("no paths\n", out);
	table_end(tab, out);
}

/* ---- classes ---- */

static void class_path(char *buf, size_t len, const json_t *c)
{
	const json_t *p;
	size_t i, n = 0;

	snprintf(buf, len, "-");
	json_array_foreach(json_object_get(c, "paths"), i,
			   p) if (num(p, "share_permille") && n < len) n +=
		(size_t)snprintf(buf + n, len - n, "%s%s %.0f %%", n ? ", " : "", str(p, "name"),
				 (double)num(p, "share_permille") / 10);
}

static void classes(FILE *out, struct top *t, const json_t *data)
{
	static const char *const heads[] = { "CONNECTION", "CLASS", "MODE", ">OUT/S",
					     ">PACKETS/S", "PATHS", "WHY",  NULL };
	uint64_t usec = t->steering ? num(data, "now_usec") - num(t->steering, "now_usec") : 0;
	const json_t *before = json_object_get(t->steering, "relations"), *rel, *c;
	bool conn = of_several(json_object_get(data, "relations"));
	struct table *tab = table_new(conn ? heads : heads + 1);
	char buf[256];
	size_t i, k;

	json_array_foreach(json_object_get(data, "relations"), i, rel)
	{
		const json_t *then = entry_like(before, "line", "binding", rel);

		json_array_foreach(json_object_get(rel, "classes"), k, c)
		{
			const json_t *last =
				entry_like(json_object_get(then, "classes"), "name", NULL, c);

			if (conn)
				table_cell(tab, "%s", str(rel, "conn"));
			table_cell(tab, "%s", str(c, "name"));
			table_cell(tab, "%s", str(c, "mode"));
			table_cell(tab, "%s",
				   unit_rate(rate(c, last, "octets", usec), 1000000, buf));
			table_cell(tab, "%llu", (unsigned long long)rate(c, last, "packets", usec));
			class_path(buf, sizeof(buf), c);
			table_cell(tab, "%s", buf);
			table_cell(tab, "%s", str(c, "why"));
		}
	}
	fputc('\n', out);
	table_end(tab, out);
}

void show_top(FILE *out, struct top *t, const json_t *data, const json_t *steering, bool curves)
{
	paths(out, t, data, curves);
	if (steering)
		classes(out, t, steering);
	json_decref(t->paths);
	json_decref(t->steering);
	t->paths = json_incref((json_t *)data);
	t->steering = json_incref((json_t *)steering);
}
