/* SPDX-License-Identifier: GPL-2.0-only */
#include <stdbool.h>
#include <string.h>
#include <time.h>

#include <linux/types.h>

#include "abi/steer.h"
#include "ctl/show.h"
#include "ctl/table.h"
#include "show_impl.h"

static const char *ago(const json_t *data, const json_t *o, const char *key, char buf[UNIT_STR])
{
	age(data, o, key, buf);
	if (!strcmp(buf, "-"))
		strcpy(buf, "never");
	else
		strcat(buf, " ago"); /* an age is far shorter than UNIT_STR */
	return buf;
}

/* ---- status ---- */

static void show_uplinks(FILE *out, const json_t *data)
{
	static const char *const heads[] = { "UPLINK",	  "KIND",    "INTERFACE", "STATE",
					     ">WEIGHT",	  ">PREF",   ">COST",	  "METERED",
					     "ADDRESSES", "INGRESS", "WHY",	  NULL };
	struct table *t = table_new(heads);
	char text[256];
	const json_t *u;
	size_t i;

	json_array_foreach(json_object_get(data, "uplinks"), i, u)
	{
		table_cell(t, "%s", str(u, "name"));
		table_cell(t, "%s", str(u, "kind"));
		table_cell(t, "%s", str(u, "interface"));
		table_cell(t, "%s", yes(u, "up") ? "up" : num(u, "ifindex") ? "down" : "absent");
		table_cell(t, "%llu", (unsigned long long)num(u, "weight"));
		table_cell(t, "%llu", (unsigned long long)num(u, "preference"));
		table_cell(t, "%llu", (unsigned long long)num(u, "cost"));
		table_cell(t, "%s", yes(u, "metered") ? "yes" : "no");
		table_cell(t, "%s", list(u, "addresses", text, sizeof(text)));
		table_cell(t, "%s", str(u, "attach"));
		table_cell(t, "%s", str(u, "attach_why"));
	}
	table_end(t, out);
}

/* The state, and what comes next. */
static void conn_state_cell(struct table *t, const json_t *data, const json_t *c)
{
	uint64_t now = num(data, "now_usec"), next = num(c, "retry_usec");
	char in[UNIT_STR];

	if (yes(c, "held"))
		table_cell(t, "%s, by the operator", str(c, "state"));
	else if (next)
		table_cell(t, "%s, next attempt in %s", str(c, "state"),
			   unit_age(next > now ? next - now : 0, in));
	else if (num(c, "lines") > num(c, "families"))
		table_cell(t, "%s, %llu IKE SAs", str(c, "state"),
			   (unsigned long long)num(c, "lines"));
	else
		table_cell(t, "%s", str(c, "state"));
}

static void show_conn_states(FILE *out, const json_t *data)
{
	static const char *const heads[] = { "CONNECTION", "STATE",	 "PATHS UP", "CHILDREN",
					     "REMOTE",	   "LAST ERROR", NULL };
	struct table *t = table_new(heads);
	char text[256], when[UNIT_STR];
	const json_t *c, *k;
	size_t i, j;

	json_array_foreach(json_object_get(data, "conns"), i, c)
	{
		size_t n = 0;

		table_cell(t, "%s", str(c, "name"));
		conn_state_cell(t, data, c);
		table_cell(t, "%llu of %llu", (unsigned long long)num(c, "paths_up"),
			   (unsigned long long)num(c, "paths"));
		strcpy(text, "-");
		json_array_foreach(json_object_get(c, "children"), j, k) if (n < sizeof(text) - 1)
			n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%s %s", n ? ", " : "",
					      str(k, "name"), str(k, "state"));
		table_cell(t, "%s", text);
		table_cell(t, "%s", list(c, "remote_addrs", text, sizeof(text)));
		if (num(c, "last_error_usec"))
			table_cell(t, "%s, %s", str(c, "last_error"),
				   ago(data, c, "last_error_usec", when));
		else
			table_cell(t, "%s", str(c, "last_error"));
	}
	table_end(t, out);
}

/* Connections with an IKE SA for each path that have not all of them. */
static void show_missing(FILE *out, const json_t *data)
{
	const json_t *c;
	size_t i;

	json_array_foreach(json_object_get(data, "conns"), i, c)
	{
		const json_t *clones = json_object_get(c, "clones");
		uint64_t wanted = num(clones, "wanted"), there = num(clones, "there");
		const char *why = json_string_value(json_object_get(clones, "why"));

		if (why && !wanted) /* clones are not what it has */
			fprintf(out, "%s: %s\n", str(c, "name"), why);
		else if (why || there < wanted)
			fprintf(out, "%s: %llu of %llu IKE SAs%s%s\n", str(c, "name"),
				(unsigned long long)there, (unsigned long long)wanted,
				why ? ": " : "", why ? why : "");
	}
}

/* Whose ESP it is, and why. */
static void show_esp(FILE *out, const json_t *data)
{
	const json_t *esp = json_object_get(data, "esp"), *e = json_object_get(data, "engine");
	char up[UNIT_STR];

	if (!strcmp(str(esp, "by"), "kernel")) {
		fprintf(out, "ESP of the kernel, device %s: %s\n", str(e, "tun"), str(esp, "why"));
		return;
	}
	if (yes(e, "connected"))
		fprintf(out,
			"braid-esp pid %llu, up %s, %llu workers, crypto %s, tunnel device %s\n",
			(unsigned long long)num(e, "pid"), age(data, e, "started_usec", up),
			(unsigned long long)num(e, "workers"), str(e, "crypto"), str(e, "tun"));
	else
		fputs("braid-esp: not connected\n", out);
	if (esp)
		fprintf(out, "ESP of the engine: %s\n", str(esp, "why"));
}

void show_status(FILE *out, const json_t *data)
{
	const json_t *s = json_object_get(data, "steer");
	char up[UNIT_STR];

	fprintf(out, "braidd %s, pid %llu, up %s, configuration %s\n", str(data, "version"),
		(unsigned long long)num(data, "pid"), age(data, data, "started_usec", up),
		str(data, "config"));
	show_esp(out, data);
	fprintf(out, "steering device %s, maps in %s\n\n", str(s, "device"), str(data, "pin_dir"));
	show_uplinks(out, data);
	fputc('\n', out);
	show_conn_states(out, data);
	show_missing(out, data);
}

/* ---- sas ---- */

/* "in 3m", "due" or "never" */
static const char *until(const json_t *data, const json_t *o, const char *key, char buf[UNIT_STR])
{
	uint64_t now = num(data, "now_usec"), then = num(o, key);
	char left[UNIT_STR];

	if (!then)
		return strcpy(buf, "never");
	if (then <= now)
		return strcpy(buf, "due");
	snprintf(buf, UNIT_STR, "in %.*s", UNIT_STR - 4, unit_age(then - now, left));
	return buf;
}

/* When it is rekeyed and when it ends; nothing if neither is planned. */
static void show_life(FILE *out, const json_t *data, const json_t *o, const char *indent)
{
	char rekey[UNIT_STR], ends[UNIT_STR];

	if (!num(o, "rekey_usec") && !num(o, "ends_usec"))
		return;
	fprintf(out, "%srekey %s, ends %s\n", indent, until(data, o, "rekey_usec", rekey),
		until(data, o, "ends_usec", ends));
}

static const char *count(uint64_t n, char buf[UNIT_STR])
{
	snprintf(buf, UNIT_STR, "%llu", (unsigned long long)n);
	return buf;
}

/* The same by what it carries. */
static void show_limit(FILE *out, uint64_t soft, uint64_t hard,
		       const char *(*unit)(uint64_t n, char buf[UNIT_STR]), const char *of)
{
	char buf[UNIT_STR];

	if (soft)
		fprintf(out, "    rekey after %s%s each way\n", unit(soft, buf), of);
	if (hard)
		fprintf(out, "    ends after %s%s each way\n", unit(hard, buf), of);
}

static void show_child(FILE *out, const json_t *data, const json_t *c)
{
	char since[UNIT_STR], rx[UNIT_STR], tx[UNIT_STR], in[UNIT_STR], sent[UNIT_STR];
	char local[512], remote[512], cpu[32] = "";
	uint64_t bad = num(c, "drop_replay") + num(c, "drop_integrity") + num(c, "drop_malformed") +
		       num(c, "drop_ts") + num(c, "drop_ecn");

	if (json_object_get(c, "cpu"))
		snprintf(cpu, sizeof(cpu), " for CPU %llu", (unsigned long long)num(c, "cpu"));
	fprintf(out, "  %s #%llu%s: %s, %s%s, %s, since %s\n", str(c, "name"),
		(unsigned long long)num(c, "id"), cpu, str(c, "state"), str(c, "mode"),
		yes(c, "encap") ? " in UDP" : "", str(c, "suite"),
		age(data, c, "since_usec", since));
	fprintf(out, "    %s === %s\n", list(c, "local_ts", local, sizeof(local)),
		list(c, "remote_ts", remote, sizeof(remote)));
	fprintf(out, "    in  %s  %10s  %llu packets, last %s\n", str(c, "spi_in"),
		unit_octets(num(c, "rx_octets"), rx), (unsigned long long)num(c, "rx_packets"),
		ago(data, c, "last_rx_usec", in));
	fprintf(out, "    out %s  %10s  %llu packets, last %s\n", str(c, "spi_out"),
		unit_octets(num(c, "tx_octets"), tx), (unsigned long long)num(c, "tx_packets"),
		ago(data, c, "last_tx_usec", sent));
	show_life(out, data, c, "    ");
	show_limit(out, num(c, "rekey_octets"), num(c, "life_octets"), unit_octets, "");
	show_limit(out, num(c, "rekey_packets"), num(c, "life_packets"), count, " packets");
	if (bad)
		fprintf(out,
			"    dropped: %llu replayed or too old (%llu seen just before), %llu not "
			"authentic, %llu malformed, %llu "
			"outside the selectors, %llu marked as congested that cannot be\n",
			(unsigned long long)num(c, "drop_replay"),
			(unsigned long long)num(c, "duplicates"),
			(unsigned long long)num(c, "drop_integrity"),
			(unsigned long long)num(c, "drop_malformed"),
			(unsigned long long)num(c, "drop_ts"),
			(unsigned long long)num(c, "drop_ecn"));
}

/* With whom it shares its traffic, or why it has none. */
static void show_line(FILE *out, const json_t *s)
{
	const json_t *with = json_object_get(s, "shares_with"), *line;
	static const struct {
		const char *word, *text;
	} whys[] = {
		{ "metered", "it is metered" },
		{ "peer", "the peer prefers another path" },
		{ "other_preferred", "another path is preferred" },
		{ "same_pair", "an earlier line has the same pair of addresses" },
		{ "ending", "it is being closed" },
		{ "group_full", "there is no room in the group" },
		{ "no_child", "it has no Child SA" },
	};
	size_t i;

	fputs("  ", out);
	for (i = 0; i < sizeof(whys) / sizeof(*whys); i++)
		if (!strcmp(str(s, "standby_why"), whys[i].word))
			fprintf(out, "stands by: %s", whys[i].text);
	if (json_is_null(json_object_get(s, "standby_why")) && !json_array_size(with))
		fputs("shares traffic with no other line", out);
	else if (json_array_size(with))
		fprintf(out, "%sshares traffic with line",
			json_is_null(json_object_get(s, "standby_why")) ? "" : "; ");
	json_array_foreach(with, i, line)
		fprintf(out, "%s %llu", i ? "," : "", (unsigned long long)json_integer_value(line));
	fputc('\n', out);
}

/* Of what is alone in its family it says nothing that is not said anyway. */
static void show_family(FILE *out, const json_t *data, const json_t *s)
{
	const json_t *all = json_object_get(s, "family_totals");
	char since[UNIT_STR], rx[UNIT_STR], tx[UNIT_STR];

	if (num(s, "family_ike_sas") < 2 && !num(s, "clone_of") &&
	    !json_is_array(json_object_get(s, "shares_with")))
		return;
	fprintf(out, "  line %llu", (unsigned long long)num(s, "line"));
	if (num(s, "clone_of"))
		fprintf(out, ", clone of %llu", (unsigned long long)num(s, "clone_of"));
	fprintf(out, "; family %llu: %llu IKE SAs, %llu Child SAs, since %s\n",
		(unsigned long long)num(s, "family"), (unsigned long long)num(s, "family_ike_sas"),
		(unsigned long long)num(s, "family_children"), age(data, s, "session_usec", since));
	if (json_is_array(json_object_get(s, "shares_with")))
		show_line(out, s);
	if (json_is_object(all))
		fprintf(out,
			"  its Child SAs together: in %s, %llu packets; out %s, %llu packets\n",
			unit_octets(num(all, "rx_octets"), rx),
			(unsigned long long)num(all, "rx_packets"),
			unit_octets(num(all, "tx_octets"), tx),
			(unsigned long long)num(all, "tx_packets"));
}

void show_sas(FILE *out, const json_t *data)
{
	const json_t *sas = json_object_get(data, "ike_sas"), *s, *c;
	char since[UNIT_STR], vips[256];
	size_t i, j;

	if (!json_array_size(sas))
		fputs("no IKE SA\n", out);
	json_array_foreach(sas, i, s)
	{
		fprintf(out, "%s: %s, role %s, %s, since %s\n", str(s, "conn"), str(s, "state"),
			str(s, "role"), str(s, "suite"), age(data, s, "since_usec", since));
		fprintf(out, "  local  %s [%s]%s\n", str(s, "local"), str(s, "local_id"),
			yes(s, "nat_local") ? " behind a NAT" : "");
		fprintf(out, "  remote %s [%s]%s\n", str(s, "remote"), str(s, "remote_id"),
			yes(s, "nat_remote") ? " behind a NAT" : "");
		fprintf(out, "  SPIs %s_i %s_r%s\n", str(s, "spi_i"), str(s, "spi_r"),
			yes(s, "initiator") ? ", we initiated" : "");
		show_family(out, data, s);
		show_life(out, data, s, "  ");
		if (num(s, "reauth_usec"))
			fprintf(out, "  authenticated anew %s\n",
				until(data, s, "reauth_usec", since));
		if (json_array_size(json_object_get(s, "vendor_ids")))
			fprintf(out, "  vendor ids %s\n",
				list(s, "vendor_ids", vips, sizeof(vips)));
		if (json_array_size(json_object_get(s, "vips")))
			fprintf(out, "  virtual address %s\n", list(s, "vips", vips, sizeof(vips)));
		show_mmx(out, s);
		json_array_foreach(json_object_get(s, "children"), j, c) show_child(out, data, c);
	}
}

/* ---- certs ---- */

static const char *day(const json_t *o, const char *key, char buf[32])
{
	time_t t = (time_t)json_integer_value(json_object_get(o, key));
	struct tm tm;

	gmtime_r(&t, &tm);
	strftime(buf, 32, "%F %R", &tm);
	return buf;
}

/* "good until 2027-01-16 08:00" */
static void ocsp_cell(struct table *t, const json_t *cert)
{
	const json_t *o = json_object_get(cert, "ocsp");
	bool early = !strcmp(str(o, "state"), "early"), stale = !strcmp(str(o, "state"), "stale");
	char at[32];

	if (num(o, "until"))
		table_cell(t, "%s %s %s", str(o, "state"), stale ? "since" : "until",
			   day(o, early ? "from" : "until", at));
	else
		table_cell(t, "%s", str(o, "state"));
}

void show_certs(FILE *out, const json_t *data)
{
	static const char *const heads[] = { "SUBJECT", "USE",	  "CONNECTIONS", "KEY",
					     "STATE",	"FROM",	  "UNTIL",	 "OCSP",
					     "SERIAL",	"ISSUER", NULL };
	const json_t *certs = json_object_get(data, "certs"), *c;
	struct table *t = table_new(heads);
	char text[256], from[32], until[32];
	size_t i;

	if (!json_array_size(certs))
		fputs("no certificates\n", out);
	json_array_foreach(certs, i, c)
	{
		table_cell(t, "%s", str(c, "subject"));
		table_cell(t, "%s", str(c, "use"));
		table_cell(t, "%s", list(c, "conns", text, sizeof(text)));
		table_cell(t, "%s", str(c, "key"));
		table_cell(t, "%s", str(c, "state"));
		table_cell(t, "%s", day(c, "not_before", from));
		table_cell(t, "%s", day(c, "not_after", until));
		ocsp_cell(t, c);
		table_cell(t, "%s", str(c, "serial"));
		table_cell(t, "%s", str(c, "issuer"));
	}
	table_end(t, out);
}

/* ---- stats, events ---- */

static const char *drop_text(const char *reason)
{
#define X(n, text)                                                                                 \
	if (!strcmp(reason, #n))                                                                   \
		return text;
	FOREACH_DROP(X)
#undef X
	return "";
}

/* One object of counters, with how long it has counted, if that is known. */
static void show_counter_table(FILE *out, const char *title, const json_t *data, const char *kind,
			       bool drops)
{
	const json_t *counters = json_object_get(data, kind);
	uint64_t begin = num(json_object_get(data, "since_usec"), kind);
	char head[96], age[UNIT_STR];
	const char *const heads[] = { head, ">", drops ? "" : NULL, NULL };
	struct table *t;
	const char *key;
	const json_t *v;

	if (!json_is_object(counters)) {
		fprintf(out, "%s: not known\n\n", title);
		return;
	}
	snprintf(head, sizeof(head), "%s%s%s", title, begin ? ", for " : "",
		 begin ? unit_age(num(data, "now_usec") - begin, age) : "");
	t = table_new(heads);
	json_object_foreach((json_t *)counters, key, v)
	{
		table_cell(t, "  %s", key);
		table_cell(t, "%lld", (long long)json_integer_value(v));
		if (drops)
			table_cell(t, "%s", drop_text(key));
	}
	table_end(t, out);
	fputc('\n', out);
}

void show_stats(FILE *out, const json_t *data)
{
	show_counter_table(out, "IKE", data, "ike", false);
	show_counter_table(out, "ESP engine", data, "engine", false);
	show_counter_table(out, "Dropped by the steering programs", data, "drops", true);
	show_counter_table(out, "Control socket", data, "ctl", false);
}

void show_event(FILE *out, const json_t *event)
{
	static const char *const keys[] = { "conn", "child", "path", "uplink", "state" };
	uint64_t usec = num(event, "realtime_usec");
	time_t sec = (time_t)(usec / 1000000);
	char day[32], line[1024];
	struct tm tm;
	size_t n;

	localtime_r(&sec, &tm);
	strftime(day, sizeof(day), "%F %T", &tm);
	n = (size_t)snprintf(line, sizeof(line), "%s.%03u %-14s", day,
			     (unsigned)(usec / 1000 % 1000), str(event, "kind"));
	for (size_t i = 0; i < sizeof(keys) / sizeof(*keys) && n < sizeof(line); i++)
		if (json_is_string(json_object_get(event, keys[i])))
			n += (size_t)snprintf(line + n, sizeof(line) - n, " %s=%s", keys[i],
					      str(event, keys[i]));
	if (n < sizeof(line))
		snprintf(line + n, sizeof(line) - n, "  %s", str(event, "text"));
	for (char *c = line; *c; c++)
		if ((unsigned char)*c < 0x20 || *c == 0x7f)
			*c = '?';
	fprintf(out, "%s\n", line);
}
