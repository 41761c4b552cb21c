/* SPDX-License-Identifier: GPL-2.0-only */
/* braid paths, and what a test of one found. */
#include <stdlib.h>
#include <string.h>

#include "ctl/show.h"
#include "ctl/table.h"
#include "show_impl.h"

static const char *or_dash(const json_t *o, const char *key, char buf[UNIT_STR])
{
	if (json_is_integer(json_object_get(o, key)))
		return unit_usec(num(o, key), buf);
	strcpy(buf, "-");
	return buf;
}

static void loss_cell(struct table *t, const json_t *o, const char *key)
{
	if (json_is_integer(json_object_get(o, key)))
		table_cell(t, "%.1f %%", (double)num(o, key) / 10);
	else
		table_cell(t, "-");
}

/* "up, preferred" */
static void state_cell(struct table *t, const json_t *p)
{
	table_cell(t, "%s%s%s%s", str(p, "state"),
		   json_is_false(json_object_get(p, "verified")) ? ", unverified" : "",
		   yes(p, "preferred") ? ", preferred" : "",
		   yes(p, "peer_standby") ? ", standby of the peer" : "");
}

static void mtu_cell(struct table *t, const json_t *p)
{
	if (num(p, "mtu"))
		table_cell(t, "%llu", (unsigned long long)num(p, "mtu"));
	else
		table_cell(t, "-");
}

/* "us, as 203.0.113.7:61000", "peer", "none"; nothing if it is not known */
static void nat_cell(struct table *t, const json_t *p)
{
	const json_t *known = json_object_get(p, "nat_local");
	bool us = yes(p, "nat_local"), peer = yes(p, "nat_remote");
	bool seen = us && json_is_string(json_object_get(p, "observed"));

	if (!us && !peer) {
		table_cell(t, "%s", json_is_boolean(known) ? "none" : "-");
		return;
	}
	table_cell(t, "%s%s%s%s", us ? "us" : "", seen ? ", as " : "",
		   seen ? str(p, "observed") : "",
		   !peer ? ""
		   : us	 ? "; peer"
			 : "peer");
}

static void rate_cell(struct table *t, const json_t *p, const char *key)
{
	char buf[UNIT_STR];

	if (json_is_integer(json_object_get(p, key)))
		table_cell(t, "%s", unit_rate(num(p, key), 1000000, buf));
	else
		table_cell(t, "-");
}

static void share_cell(struct table *t, const json_t *p)
{
	if (json_is_integer(json_object_get(p, "share_permille")))
		table_cell(t, "%.0f %%", (double)num(p, "share_permille") / 10);
	else
		table_cell(t, "-");
}

static void weight_cell(struct table *t, const json_t *p, bool pair)
{
	static const struct {
		const char *word, *text;
	} whys[] = {
		{ "metered", ", metered" },
		{ "same_pair", ", same pair" },
		{ "no_child", ", no Child SA" },
		{ "group_full", ", group full" },
		{ "ending", ", ending" },
		{ "alternate", ", alternate" },
		{ "", "" }, /* the state has it */
	};
	const char *word = str(p, "standby_why");
	size_t i = 0;

	if (pair) {
		table_cell(t, "-");
		return;
	}
	if (!yes(p, "standby")) {
		table_cell(t, "%llu", (unsigned long long)num(p, "weight"));
		return;
	}
	while (whys[i].word[0] && strcmp(whys[i].word, word) != 0)
		i++;
	table_cell(t, "standby%s", whys[i].text);
}

/* A pair in standby carries nothing yet. */
static void path_row(struct table *t, const json_t *data, const json_t *p, bool pair)
{
	char buf[UNIT_STR];

	if (num(p, "family_lines") > 1)
		table_cell(t, "%s#%llu", str(p, "conn"), (unsigned long long)num(p, "line"));
	else
		table_cell(t, "%s", str(p, "conn"));
	table_cell(t, "%s", str(p, "name"));
	table_cell(t, "%s", str(p, "uplink"));
	state_cell(t, p);
	table_cell(t, "%s", or_dash(p, "rtt_usec", buf));
	table_cell(t, "%s", or_dash(p, "rtt_min_usec", buf));
	table_cell(t, "%s", or_dash(p, "jitter_usec", buf));
	loss_cell(t, p, "loss_permille");
	loss_cell(t, p, "loss_out_permille");
	loss_cell(t, p,
		  json_is_integer(json_object_get(p, "loss_in_permille")) ? "loss_in_permille"
									  : "esp_loss_in_permille");
	mtu_cell(t, p);
	table_cell(t, "%s", str(p, "mtu_from"));
	rate_cell(t, p, "tx_octets_sec");
	rate_cell(t, p, "rx_octets_sec");
	share_cell(t, p);
	table_cell(t, "%s", pair ? "-" : unit_octets(num(p, "tx_octets"), buf));
	table_cell(t, "%s", pair ? "-" : unit_octets(num(p, "rx_octets"), buf));
	table_cell(t, "%s", age(data, p, pair ? "answered_usec" : "last_rx_usec", buf));
	weight_cell(t, p, pair);
	table_cell(t, "%s", str(p, "local"));
	table_cell(t, "%s", str(p, "remote"));
	nat_cell(t, p);
	table_cell(t, "%s", str(p, "attach"));
	table_cell(t, "%s", age(data, p, "since_usec", buf));
	table_cell(t, "%s", str(p, "why"));
}

static void wide(FILE *out, const json_t *data)
{
	static const char *const heads[] = {
		"CONNECTION", "PATH",	 "UPLINK",    "STATE",	">RTT",	    ">LEAST", ">JITTER",
		">LOSS",      ">OUT",	 ">IN",	      ">MTU",	"MTU FROM", ">OUT/S", ">IN/S",
		">SHARE",     ">SENT",	 ">RECEIVED", ">HEARD", ">WEIGHT",  "LOCAL",  "REMOTE",
		"NAT",	      "INGRESS", ">SINCE",    "WHY",	NULL
	};
	struct table *t = table_new(heads);
	const json_t *p;
	size_t i;

	json_array_foreach(json_object_get(data, "paths"), i, p) path_row(t, data, p, false);
	json_array_foreach(json_object_get(data, "pairs"), i, p) path_row(t, data, p, true);
	table_end(t, out);
}

static void brief_row(struct table *t, const json_t *p)
{
	char buf[UNIT_STR];

	table_cell(t, "%s", str(p, "name"));
	table_cell(t, "%s", str(p, "state"));
	table_cell(t, "%s", or_dash(p, "rtt_usec", buf));
	loss_cell(t, p, "loss_permille");
	rate_cell(t, p, "tx_octets_sec");
	rate_cell(t, p, "rx_octets_sec");
	share_cell(t, p);
}

/* Where a line has no room for it all; the reasons have lines of their own. */
static void brief(FILE *out, const json_t *data)
{
	static const char *const heads[] = { "PATH",   "STATE", ">RTT",	  ">LOSS",
					     ">OUT/S", ">IN/S", ">SHARE", NULL };
	static const char *const more[] = { "PATH", ">SINCE", "WHY", NULL };
	struct table *t = table_new(heads), *whys = table_new(more);
	char buf[UNIT_STR];
	const json_t *p;
	size_t i;

	json_array_foreach(json_object_get(data, "paths"), i, p) brief_row(t, p);
	json_array_foreach(json_object_get(data, "pairs"), i, p) brief_row(t, p);
	table_end(t, out);
	fputc('\n', out);
	json_array_foreach(json_object_get(data, "paths"), i, p)
	{
		table_cell(whys, "%s", str(p, "name"));
		table_cell(whys, "%s", age(data, p, "since_usec", buf));
		table_cell(whys, "%s%s", yes(p, "preferred") ? "preferred; " : "", str(p, "why"));
	}
	table_end(whys, out);
}

/* Where nothing measures the paths, dashes need a word. */
static void show_unprobed(FILE *out, const json_t *data)
{
	const json_t *p;
	size_t i;

	json_array_foreach(json_object_get(data, "paths"), i,
			   p) if (strcmp(str(p, "checked_by"), "ike") != 0) return;
	fputs("No path is probed: a path works while its link and address are there and requests "
	      "of IKE "
	      "are answered.\n",
	      out);
}

void show_paths(FILE *out, const json_t *data)
{
	show_paths_within(out, data, 0);
}

void show_paths_within(FILE *out, const json_t *data, size_t columns)
{
	size_t len = 0;
	char *text = NULL;
	FILE *mem;

	if (!json_array_size(json_object_get(data, "paths"))) {
		fputs("no paths\n", out);
		return;
	}
	mem = open_memstream(&text, &len);
	if (!mem)
		return;
	wide(mem, data);
	fclose(mem);
	if (columns && table_width(text) > columns)
		brief(out, data);
	else
		fputs(text, out);
	show_unprobed(out, data);
	free(text);
}

static const json_t *path_by_id(const json_t *data, uint64_t id)
{
	const json_t *p;
	size_t i;

	json_array_foreach(json_object_get(data, "paths"), i, p) if (num(p, "id") == id) return p;
	return NULL;
}

/* How much a counter grew; from the first look on it is all new. */
static uint64_t grown(const json_t *p, const json_t *before, const char *key)
{
	uint64_t now = num(p, key), then = num(path_by_id(before, num(p, "id")), key);

	return now > then ? now - then : 0;
}

void show_paths_live(FILE *out, const json_t *data, const json_t *before)
{
	static const char *const heads[] = { "PATH",	  "UPLINK",   "STATE",	">RTT", ">SENT",
					     ">RECEIVED", ">PACKETS", ">SHARE", "WHY",	NULL };
	const json_t *paths = json_object_get(data, "paths"), *p;
	uint64_t usec = num(data, "now_usec") - num(before, "now_usec"), all = 0;
	struct table *t = table_new(heads);
	char buf[UNIT_STR];
	size_t i;

	if (!json_array_size(paths))
		fputs("no paths\n", out);
	json_array_foreach(paths, i, p) all +=
		grown(p, before, "tx_octets") + grown(p, before, "rx_octets");
	json_array_foreach(paths, i, p)
	{
		uint64_t tx = grown(p, before, "tx_octets"), rx = grown(p, before, "rx_octets");

		table_cell(t, "%s", str(p, "name"));
		table_cell(t, "%s", str(p, "uplink"));
		table_cell(t, "%s", str(p, "state"));
		table_cell(t, "%s", or_dash(p, "rtt_usec", buf));
		table_cell(t, "%s", before ? unit_rate(tx, usec, buf) : "-");
		table_cell(t, "%s", before ? unit_rate(rx, usec, buf) : "-");
		table_cell(t, "%llu",
			   (unsigned long long)(num(p, "tx_packets") + num(p, "rx_packets")));
		if (all)
			table_cell(t, "%.0f %%", 100.0 * (double)(tx + rx) / (double)all);
		else
			table_cell(t, "-");
		table_cell(t, "%s", str(p, "why"));
	}
	table_end(t, out);
}

void show_path_test(FILE *out, const json_t *data)
{
	fprintf(out, "%s: %llu sent, %llu answered, %.1f %% lost", str(data, "path"),
		(unsigned long long)num(data, "sent"), (unsigned long long)num(data, "answered"),
		(double)num(data, "loss_permille") / 10);
	if (num(data, "mtu"))
		fprintf(out, "; MTU %llu", (unsigned long long)num(data, "mtu"));
	fputc('\n', out);
	if (num(data, "answered"))
		fprintf(out, "round trip min/avg/max/mdev %.2f/%.2f/%.2f/%.2f ms\n",
			(double)num(data, "rtt_min_usec") / 1000,
			(double)num(data, "rtt_avg_usec") / 1000,
			(double)num(data, "rtt_max_usec") / 1000,
			(double)num(data, "rtt_mdev_usec") / 1000);
}
