/* SPDX-License-Identifier: GPL-2.0-only */
/* Connections as they are configured, and what IKE counted of them. */
#include <string.h>

#include "ctl/show.h"
#include "ctl/table.h"
#include "show_impl.h"

/* ---- conns ---- */

/* A list a line each, under one word. */
static void show_lines(FILE *out, const json_t *o, const char *key, const char *indent,
		       const char *word)
{
	const json_t *v;
	size_t i;

	json_array_foreach(json_object_get(o, key), i, v)
		fprintf(out, "%s%-10s %s\n", indent, i ? "" : word,
			json_is_string(v) ? json_string_value(v) : "-");
}

static void show_list(FILE *out, const json_t *o, const char *key, const char *indent,
		      const char *word)
{
	char text[1024];

	if (json_array_size(json_object_get(o, key)))
		fprintf(out, "%s%-10s %s\n", indent, word, list(o, key, text, sizeof(text)));
}

/* What signatures of that side may be; nothing if anything. */
static void show_rule(FILE *out, const json_t *s)
{
	const char *padding = json_string_value(json_object_get(s, "rsa_padding"));
	char text[128];

	if (json_array_size(json_object_get(s, "hashes")))
		fprintf(out, "    %-10s only with %s\n", "signature",
			list(s, "hashes", text, sizeof(text)));
	if (padding)
		fprintf(out, "    %-10s RSA only with %s\n", "signature",
			!strcmp(padding, "pss") ? "PSS" : "PKCS#1 v1.5");
}

/* What a peer's certificate must be. */
static void show_trust(FILE *out, const json_t *s)
{
	uint64_t bits = num(s, "key_bits_min");
	char text[1024];

	show_list(out, s, "key_types", "    ", "keys");
	if (bits)
		fprintf(out, "    %-10s at least %llu bits\n", "", (unsigned long long)bits);
	show_list(out, s, "cacerts", "    ", "cacerts");
	if (json_array_size(json_object_get(s, "certs")))
		fprintf(out, "    %-10s only %s\n", "certs", list(s, "certs", text, sizeof(text)));
	if (json_is_string(json_object_get(s, "revocation")))
		fprintf(out, "    %-10s %s, %llu CRLs, %llu OCSP responses\n", "revocation",
			str(s, "revocation"), (unsigned long long)num(s, "crls"),
			(unsigned long long)num(s, "ocsp_responses"));
}

/* Whom and from where, by what. */
static void show_side(FILE *out, const json_t *c, const char *side, const char *addrs)
{
	const json_t *s = json_object_get(c, side);
	uint64_t port = num(c, "remote_port");
	char text[1024];

	fprintf(out, "  %-10s %s", side,
		json_array_size(json_object_get(c, addrs)) ? list(c, addrs, text, sizeof(text))
							   : "any");
	if (!strcmp(side, "remote") && port && port != 500)
		fprintf(out, " port %llu", (unsigned long long)port);
	if (json_is_string(json_object_get(s, "id")))
		fprintf(out, " [%s, %s], %s\n", str(s, "id"), str(s, "id_type"), str(s, "auth"));
	else
		fprintf(out, " [any], %s\n", str(s, "auth"));
	show_rule(out, s);
	if (!strcmp(side, "remote"))
		show_trust(out, s);
	else
		show_list(out, s, "certs", "    ", "certs");
}

static void show_pools(FILE *out, const json_t *c)
{
	char names[256], ranges[512];

	if (json_array_size(json_object_get(c, "pools")))
		fprintf(out, "  %-10s %s (%s)\n", "pools", list(c, "pools", names, sizeof(names)),
			list(c, "pool_addrs", ranges, sizeof(ranges)));
}

static const char *span(const json_t *o, const char *key, char buf[UNIT_STR])
{
	uint64_t n = num(o, key);

	return n ? unit_age(n, buf) : strcpy(buf, "-");
}

static const char *amount(const json_t *o, const char *key, char buf[UNIT_STR])
{
	uint64_t n = num(o, key);

	if (!n)
		return strcpy(buf, "-");
	snprintf(buf, UNIT_STR, "%llu", (unsigned long long)n);
	return buf;
}

/* When an SA is rekeyed and when it ends, in one measure; nothing if it is not set. */
static void show_measure(FILE *out, const json_t *c, const char *word, const char *const keys[3],
			 const char *(*unit)(const json_t *o, const char *key, char buf[UNIT_STR]))
{
	char soft[UNIT_STR], rand[UNIT_STR], hard[UNIT_STR];

	if (!num(c, keys[0]) && !num(c, keys[1]))
		return;
	fprintf(out, "    %-10s rekey %s, earlier by up to %s, end %s\n", word,
		unit(c, keys[0], soft), unit(c, keys[2], rand), unit(c, keys[1], hard));
}

static void show_child_cfg(FILE *out, const json_t *c)
{
	static const char *const time[] = { "rekey_time_usec", "life_time_usec", "rand_time_usec" };
	static const char *const octets[] = { "rekey_bytes", "life_bytes", "rand_bytes" };
	static const char *const packets[] = { "rekey_packets", "life_packets", "rand_packets" };
	const json_t *tfc = json_object_get(c, "tfc_padding");
	char local[1024], remote[1024], octets_text[24];

	snprintf(octets_text, sizeof(octets_text), "%llu",
		 (unsigned long long)num(c, "tfc_padding"));
	fprintf(out, "  child %s: %s, start_action %s, copy_dscp %s, df %s, tfc_padding %s\n",
		str(c, "name"), str(c, "mode"), str(c, "start_action"), str(c, "copy_dscp"),
		str(c, "df"), json_is_string(tfc) ? json_string_value(tfc) : octets_text);
	fprintf(out, "    %s === %s\n", list(c, "local_ts", local, sizeof(local)),
		list(c, "remote_ts", remote, sizeof(remote)));
	if (num(c, "per_cpu"))
		fprintf(out, "    beside it one for each of %llu CPUs\n",
			(unsigned long long)num(c, "per_cpu"));
	show_lines(out, c, "esp_proposals", "    ", "ESP");
	show_measure(out, c, "time", time, span);
	show_measure(out, c, "octets", octets, amount);
	show_measure(out, c, "packets", packets, amount);
}

static void show_times(FILE *out, const json_t *c)
{
	char a[UNIT_STR], b[UNIT_STR];

	fprintf(out, "  %-10s rekey %s, authenticate anew %s", "IKE SA",
		span(c, "rekey_time_usec", a), span(c, "reauth_time_usec", b));
	fprintf(out, ", earlier by up to %s, end %s later\n", span(c, "rand_time_usec", a),
		span(c, "over_time_usec", b));
	fprintf(out, "  %-10s liveness check %s", "silence", span(c, "dpd_delay_usec", a));
	fprintf(out, ", %s of what goes out, NAT keepalive %s\n", span(c, "silence_usec", a),
		span(c, "keep_alive_usec", b));
	fprintf(out, "  %-10s first after %s, then x %.1f, %llu times", "repeat",
		unit_usec(num(c, "retransmit_timeout_usec"), a),
		json_real_value(json_object_get(c, "retransmit_base")),
		(unsigned long long)num(c, "retransmit_tries"));
	if (num(c, "mobike_patience_usec"))
		fprintf(out, ", with MOBIKE for %s at least", span(c, "mobike_patience_usec", a));
	if (!strcmp(str(c, "return_check"), "after") || !strcmp(str(c, "return_check"), "skip"))
		fprintf(out, "; packets go to a new address %s",
			strcmp(str(c, "return_check"), "skip") ? "before it has answered"
							       : "that is not asked");
	fputc('\n', out);
}

static const char *multipath(const json_t *c, char buf[64])
{
	const json_t *clones = json_object_get(c, "clones");

	if (json_is_object(clones))
		snprintf(buf, 64, "clone (%s, %s)", str(clones, "order"), str(clones, "pairs"));
	else
		snprintf(buf, 64, "%s", yes(c, "multipath") ? "yes" : "no");
	return buf;
}

static void show_conn(FILE *out, const json_t *c)
{
	uint64_t size = num(c, "fragment_size");
	const json_t *o;
	char several[64];
	size_t i;

	fprintf(out, "%s\n", str(c, "name"));
	show_side(out, c, "local", "local_addrs");
	show_side(out, c, "remote", "remote_addrs");
	show_lines(out, c, "proposals", "  ", "IKE");
	show_list(out, c, "vips", "  ", "vips");
	show_pools(out, c);
	show_list(out, c, "grant", "  ", "grant");
	fprintf(out,
		"  %-10s multipath %s, mobike %s, clone %s, nat %s, encap %s, ocsp %s, unique %s, "
		"window "
		"%llu, "
		"fragmentation %s",
		"switches", multipath(c, several), yes(c, "mobike") ? "yes" : "no",
		yes(c, "clone") ? "yes" : "no", str(c, "nat"), yes(c, "encap") ? "yes" : "no",
		str(c, "ocsp"), str(c, "unique"), (unsigned long long)num(c, "window"),
		str(c, "fragmentation"));
	if (size)
		fprintf(out, " of %llu octets", (unsigned long long)size);
	fputc('\n', out);
	show_times(out, c);
	json_array_foreach(json_object_get(c, "paths"), i, o)
		fprintf(out, "  path %s: uplink %s to %s\n", str(o, "name"), str(o, "uplink"),
			str(o, "remote"));
	json_array_foreach(json_object_get(c, "children"), i, o) show_child_cfg(out, o);
}

/* Of those who have not said who they are. */
static void show_limits(FILE *out, const json_t *l)
{
	uint64_t source = num(l, "block_threshold");
	char age[UNIT_STR], of_one[48] = "";

	if (source)
		snprintf(of_one, sizeof(of_one), ", %llu of one source",
			 (unsigned long long)source);
	fprintf(out, "strangers\n  %-10s at most %llu%s, %s each; cookies from %llu on\n",
		"half-open", (unsigned long long)num(l, "init_limit_half_open"), of_one,
		unit_age(num(l, "half_open_timeout_usec"), age),
		(unsigned long long)num(l, "cookie_threshold"));
}

void show_conns(FILE *out, const json_t *data)
{
	const json_t *conns = json_object_get(data, "conns"), *c;
	const json_t *limits = json_object_get(data, "limits");
	size_t i;

	if (!json_array_size(conns))
		fputs("no connections\n", out);
	json_array_foreach(conns, i, c) show_conn(out, c);
	if (json_is_object(limits))
		show_limits(out, limits);
}

/* ---- counters ---- */

static void count_cell(struct table *t, const json_t *o, const char *key)
{
	table_cell(t, "%llu", (unsigned long long)num(o, key));
}

static void show_exchanges(FILE *out, const json_t *o)
{
	static const char *const heads[] = { "  exchange",   ">requests out", ">answers in",
					     ">requests in", ">answers out",  NULL };
	const json_t *x = json_object_get(o, "exchanges"), *v;
	struct table *t = table_new(heads);
	const char *key;

	json_object_foreach((json_t *)x, key, v)
	{
		table_cell(t, "  %s", key);
		count_cell(t, v, "requests_tx");
		count_cell(t, v, "responses_rx");
		count_cell(t, v, "requests_rx");
		count_cell(t, v, "responses_tx");
	}
	table_end(t, out);
}

static void show_errors(FILE *out, const json_t *errors, const char *word)
{
	const char *key;
	const json_t *v;

	json_object_foreach((json_t *)errors, key, v)
		fprintf(out, "  %s %s: %lld\n", word, key, (long long)json_integer_value(v));
}

/* Exchanges, errors, and of the rest what is not 0. */
static void show_counted(FILE *out, const json_t *o)
{
	const char *key;
	const json_t *v;

	show_exchanges(out, o);
	show_errors(out, json_object_get(o, "errors_tx"), "error sent:");
	show_errors(out, json_object_get(o, "errors_rx"), "error received:");
	json_object_foreach((json_t *)o, key, v) if (json_integer_value(v))
		fprintf(out, "  %s %lld\n", key, (long long)json_integer_value(v));
}

void show_counters(FILE *out, const json_t *data)
{
	const json_t *total = json_object_get(data, "total"), *c;
	char age[UNIT_STR];
	size_t i;

	fprintf(out, "counted for %s\n",
		unit_age(num(data, "now_usec") - num(data, "since_usec"), age));
	if (json_is_object(total)) {
		fputs("all\n", out);
		show_counted(out, total);
	}
	json_array_foreach(json_object_get(data, "conns"), i, c)
	{
		fprintf(out, "%s\n", str(c, "name"));
		show_counted(out, c);
	}
}
