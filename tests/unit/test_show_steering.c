/* SPDX-License-Identifier: GPL-2.0-only */
/* braid steering, explain and top as text, and a flow as it is typed. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>

#include "ctl/flow_args.h"
#include "ctl/show.h"

typedef void show_fn(FILE *out, const json_t *data);

static json_t *parsed(const char *json)
{
	json_t *data = json_loads(json, 0, NULL);

	cr_assert(data, "bad JSON in the test: %s", json);
	return data;
}

static void shows(show_fn *fn, const char *json, const char *want)
{
	json_t *data = parsed(json);
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	fn(f, data);
	fclose(f);
	cr_expect_str_eq(text, want, "got:\n%s\nwant:\n%s", text, want);
	free(text);
	json_decref(data);
}

static const char steering[] =
	"{\"now_usec\":60000000,"
	"\"rules\":[{\"number\":1,\"class\":\"voice\",\"match\":\"dscp ef\",\"packets\":100,"
	"\"octets\":6400,\"line\":12}],"
	"\"relations\":[{\"conn\":\"home\",\"line\":1,\"family_lines\":1,\"classes\":["
	"{\"name\":\"default\",\"mode\":\"balance\",\"packets\":7,\"octets\":700,\"since_usec\":"
	"59000000,\"why\":\"by weight\",\"paths\":[{\"id\":1,\"name\":\"wlan-1\",\"state\":\"up\","
	"\"share_permille\":750,\"packets\":7,\"octets\":700,\"since_usec\":59000000,\"why\":"
	"\"carries it\"}]},"
	"{\"name\":\"voice\",\"mode\":\"redundant\",\"packets\":100,\"octets\":6400,\"paths\":[]}"
	"]}],"
	"\"budgets\":[{\"uplink\":\"lte\",\"octets\":1073741824,\"used_octets\":1048576,"
	"\"period\":\"month\",\"state\":\"left\",\"action\":\"stop\"}]}";

Test(show_steering, everything)
{
	shows(show_steering, steering,
	      "RULE  CLASS  MATCH    PACKETS   OCTETS  LINE\n"
	      "   1  voice  dscp ef      100  6.2 KiB    12\n"
	      "\n"
	      "CONNECTION  CLASS    MODE       PATH    STATE  SHARE  PACKETS   OCTETS  SINCE  WHY\n"
	      "home        default  balance                                7    700 B    1 s  by "
	      "weight\n"
	      "                                wlan-1  up      75 %        7    700 B    1 s  "
	      "carries it\n"
	      "home        voice    redundant                            100  6.2 KiB      -  -\n"
	      "\n"
	      "UPLINK   BUDGET     USED  PERIOD  STATE  THEN\n"
	      "lte     1.0 GiB  1.0 MiB  month   left   stop\n");
	shows(show_steering, "{}", "no relation is up\n");
	shows(show_steering, "{\"relations\":7,\"rules\":{},\"budgets\":[3]}",
	      "no relation is up\n\n"
	      "UPLINK  BUDGET  USED  PERIOD  STATE  THEN\n"
	      "-          0 B   0 B  -       -      -\n");
}

static void live(const char *now, const char *before_or_null, const char *want)
{
	json_t *data = json_loads(now, 0, NULL);
	json_t *before = before_or_null ? json_loads(before_or_null, 0, NULL) : NULL;
	char *text = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);

	show_steering_live(f, data, before);
	fclose(f);
	cr_expect_str_eq(text, want, "got:\n%s\nwant:\n%s", text, want);
	free(text);
	json_decref(data);
	json_decref(before);
}

/* Rates since the look before, of each binding its own; of what was not there then, or counts anew,
 * none. Copies that are not sent now. */
Test(show_steering, watched)
{
	static const char form[] =
		"{\"now_usec\":%d000000,\"rules\":[{\"number\":1,\"class\":\"a\",\"match\":\"m\","
		"\"packets\":1,\"octets\":%d,\"line\":9}],"
		"\"relations\":[{\"conn\":\"c\",\"line\":1,\"binding\":4,\"classes\":[]},"
		"{\"conn\":\"c\",\"line\":1,\"binding\":5,\"classes\":[{\"name\":\"a\",\"mode\":"
		"\"redundant\",\"in_force\":\"%s\",\"packets\":2,\"octets\":%d,\"why\":\"w\","
		"\"paths\":[{\"id\":%d,\"name\":\"p\",\"state\":\"up\",\"share_permille\":1000,"
		"\"packets\":2,\"octets\":%d}]}]}]}";
	char first[1024], then[1024], anew[1024];

	snprintf(first, sizeof(first), form, 10, 1000, "redundant", 2000, 7, 3000);
	snprintf(then, sizeof(then), form, 12, 2000, "active-standby", 4000, 7, 7000);
	snprintf(anew, sizeof(anew), form, 13, 2500, "redundant", 100, 8, 7000);
	live(first, NULL,
	     "RULE  CLASS  MATCH  PACKETS  OUT/S  LINE\n"
	     "   1  a      m            1      -     9\n"
	     "\n"
	     "CONNECTION  CLASS  MODE       PATH  STATE  SHARE  PACKETS  OUT/S  SINCE  WHY\n"
	     "c           a      redundant                            2      -      -  w\n"
	     "                              p     up     100 %        2      -      -  -\n");
	live(then, first,
	     "RULE  CLASS  MATCH  PACKETS       OUT/S  LINE\n"
	     "   1  a      m            1  4.0 kbit/s     9\n"
	     "\n"
	     "CONNECTION  CLASS  MODE                            PATH  STATE  SHARE  PACKETS       "
	     " "
	     "OUT/S  SINCE  WHY\n"
	     "c           a      redundant (active-standby now)                            2   8.0 "
	     "kbit/s      -  w\n"
	     "                                                   p     up     100 %        2  16.0 "
	     "kbit/s      -  -\n");
	live(anew, then,
	     "RULE  CLASS  MATCH  PACKETS       OUT/S  LINE\n"
	     "   1  a      m            1  4.0 kbit/s     9\n"
	     "\n"
	     "CONNECTION  CLASS  MODE       PATH  STATE  SHARE  PACKETS  OUT/S  SINCE  WHY\n"
	     "c           a      redundant                            2      -      -  w\n"
	     "                              p     up     100 %        2      -      -  -\n");
}

/* What both ends ask for, each line once, whatever bindings it has. */
Test(show_steering, asks)
{
#define ASKS                                                                                       \
	"{\"conn\":\"home\",\"line\":3,\"on\":false,\"classes\":[],\"asks\":["                     \
	"{\"class\":\"voice\",\"by\":\"us\",\"mode\":\"redundant\",\"copies\":2,\"prefer\":[1],"   \
	"\"state\":\"refused\",\"why\":\"by its policy\"},"                                        \
	"{\"class\":\"bulk\",\"by\":\"peer\",\"mode\":\"bond\",\"copies\":null,\"prefer\":[],"     \
	"\"state\":\"granted\",\"why\":null}]}"
	static const char both[] = "{\"relations\":[" ASKS "," ASKS "]}";

	shows(show_steering, both,
	      "\n"
	      "CONNECTION  CLASS  ASKED BY  MODE       COPIES  STATE    WHY\n"
	      "home#3      voice  us        redundant       2  refused  by its policy\n"
	      "home#3      bulk   peer      bond            -  granted  -\n");
	shows(show_mmx_list, "{\"relations\":[" ASKS "]}",
	      "home#3: one of the two ends has no multi-interface extension\n"
	      "\n"
	      "CONNECTION  CLASS  ASKED BY  MODE       COPIES  STATE    WHY\n"
	      "home#3      voice  us        redundant       2  refused  by its policy\n"
	      "home#3      bulk   peer      bond            -  granted  -\n");
#undef ASKS
}

Test(show_steering, explain)
{
	shows(show_explain,
	      "{\"flow\":\"udp 10.0.0.5:5004 203.0.113.10:5004\",\"rule\":{\"number\":2,\"match\":"
	      "\"dscp "
	      "ef\",\"line\":12},\"class\":\"voice\",\"mode\":\"redundant\",\"conn\":\"home\","
	      "\"child\":\"net\",\"spi_out\":\"c0ffee01\",\"why\":\"copies\",\"paths\":[{\"name\":"
	      "\"wlan-1\",\"uplink\":\"wlan\",\"state\":\"up\",\"why\":null},{\"name\":\"ran-1\","
	      "\"uplink\":\"ran\",\"state\":\"up\"}],\"others\":[{\"name\":\"sat-1\",\"uplink\":"
	      "\"sat\",\"state\":\"down\",\"why\":\"does not work\"}]}",
	      "flow      udp 10.0.0.5:5004 203.0.113.10:5004\n"
	      "rule      2: dscp ef (line 12)\n"
	      "class     voice, redundant\n"
	      "Child SA  net of home, SPI c0ffee01\n"
	      "path      wlan-1 (wlan, up)\n"
	      "copy      ran-1 (ran, up)\n"
	      "why       copies\n"
	      "not       sat-1 (sat, down): does not work\n");
	shows(show_explain,
	      "{\"flow\":\"icmp a b\",\"rule\":null,\"class\":\"default\",\"mode\":\"balance\","
	      "\"why\":\"no policy covers it\"}",
	      "flow      icmp a b\n"
	      "rule      none fits\n"
	      "class     default, balance\n"
	      "Child SA  none: no policy covers it\n");
}

static void top_shows(struct top *t, const char *paths, const char *steer, bool curves,
		      const char *want)
{
	json_t *p = parsed(paths), *s = steer ? parsed(steer) : NULL;
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	show_top(f, t, p, s, curves);
	fclose(f);
	cr_expect_str_eq(text, want, "got:\n%s\nwant:\n%s", text, want);
	free(text);
	json_decref(p);
	json_decref(s);
}

static const char *at(unsigned sec, unsigned octets, char *buf)
{
	sprintf(buf,
		"{\"now_usec\":%u000000,\"paths\":[{\"id\":1,\"conn\":\"home\",\"name\":\"wlan-1\","
		"\"state\":\"up\",\"rtt_usec\":800,\"jitter_usec\":100,\"loss_permille\":5,"
		"\"tx_octets\":%u,\"rx_octets\":0}]}",
		sec, octets);
	return buf;
}

Test(show_top, rates_and_curves)
{
	static const char head[] = "PATH    STATE     RTT  JITTER   LOSS       OUT/S   "
				   "     IN/S  SHARE  LAST "
				   "32\n";
	struct top *t = top_new();
	char buf[512], want[1024];

	top_shows(t, at(1, 1000, buf), NULL, false,
		  "PATH    STATE     RTT  JITTER   LOSS       OUT/S        IN/S  SHARE  "
		  "LAST 32\n"
		  "wlan-1  up     0.8 ms  0.1 ms  0.5 %  0.0 kbit/s  0.0 kbit/s      "
		  "-\n");
	sprintf(want, "%s%s%29s %s\n", head,
		"wlan-1  up     0.8 ms  0.1 ms  0.5 %  8.0 kbit/s  0.0 kbit/s  100 %  ", "", " █");
	top_shows(t, at(2, 2000, buf), NULL, true, want);
	/* half of it in each of two seconds */
	sprintf(want, "%s%s%28s %s\n", head,
		"wlan-1  up     0.8 ms  0.1 ms  0.5 %  4.0 kbit/s  0.0 kbit/s  100 %  ", "", " █▄");
	top_shows(t, at(4, 3000, buf), NULL, true, want);
	/* a new agent, whose counters are lower: nothing is known of that time */
	top_shows(t, at(5, 10, buf), NULL, false,
		  "PATH    STATE     RTT  JITTER   LOSS       OUT/S        IN/S  SHARE  "
		  "LAST 32\n"
		  "wlan-1  up     0.8 ms  0.1 ms  0.5 %  0.0 kbit/s  0.0 kbit/s      "
		  "-\n");
	top_shows(t, "{}", NULL, true, "no paths\n");
	for (unsigned i = 0; i < 100; i++) { /* the history is bounded */
		json_t *p = parsed(at(10 + i, 1000 * i, buf));
		FILE *f = fopen("/dev/null", "w");

		show_top(f, t, p, NULL, true);
		fclose(f);
		json_decref(p);
	}
	top_free(t);
}

Test(show_top, classes)
{
	struct top *t = top_new();
	char later[sizeof(steering) + 64], *where;

	strcpy(later, steering);
	where = strstr(later, "\"now_usec\":60");
	memcpy(where, "\"now_usec\":62", 13);
	where = strstr(later, "\"packets\":7,\"octets\":700,\"since");
	memcpy(where, "\"packets\":9,\"octets\":950", 24);
	top_shows(t, "{}", steering, false,
		  "no paths\n"
		  "\n"
		  "CLASS    MODE            OUT/S  PACKETS/S  PATHS        WHY\n"
		  "default  balance    0.0 kbit/s          0  wlan-1 75 %  by weight\n"
		  "voice    redundant  0.0 kbit/s          0  -            -\n");
	top_shows(t, "{}", later, false,
		  "no paths\n"
		  "\n"
		  "CLASS    MODE            OUT/S  PACKETS/S  PATHS        WHY\n"
		  "default  balance    1.0 kbit/s          1  wlan-1 75 %  by weight\n"
		  "voice    redundant  0.0 kbit/s          0  -            -\n");
	top_free(t);
}

static void flow_is(const char *text, const char *want)
{
	char copy[256], error[160] = "", *words[16] = { NULL }, *save = NULL;
	json_t *args = NULL;
	size_t n = 0;

	strcpy(copy, text);
	for (char *w = strtok_r(copy, " ", &save); w; w = strtok_r(NULL, " ", &save))
		words[n++] = w;
	if (flow_args(words, &args, error, sizeof(error)) == 0) {
		char *got = json_dumps(args, JSON_COMPACT | JSON_SORT_KEYS);

		cr_expect_str_eq(got, want, "%s: %s", text, got);
		free(got);
		json_decref(args);
		return;
	}
	cr_expect_str_eq(error, want, "%s: %s", text, error);
}

Test(flow_args, all)
{
	flow_is("udp 10.0.0.5:5004 203.0.113.10:53 dscp ef mark 0x10 cgroup a/b",
		"{\"cgroup\":\"a/b\",\"dscp\":46,\"local\":\"10.0.0.5\",\"local_port\":5004,"
		"\"mark\":16,\"protocol\":17,\"remote\":\"203.0.113.10\",\"remote_port\":53}");
	flow_is("tcp [2001:db8::1]:80 2001:db8::2",
		"{\"local\":\"2001:db8::1\",\"local_port\":80,\"protocol\":6,\"remote\":"
		"\"2001:db8::2\",\"remote_port\":0}");
	flow_is("47 192.0.2.1 192.0.2.2", "{\"local\":\"192.0.2.1\",\"local_port\":0,\"protocol\":"
					  "47,\"remote\":\"192.0.2.2\","
					  "\"remote_port\":0}");
	flow_is("udp 192.0.2.1", "a flow is PROTOCOL LOCAL[:PORT] REMOTE[:PORT]");
	flow_is("upd 192.0.2.1 192.0.2.2", "\"upd\" is no protocol: its name or 0 to 255");
	flow_is("udp 192.0.2.1:x 192.0.2.2", "\"192.0.2.1:x\": a port is 0 to 65535");
	flow_is("udp 192.0.2.1:1-2 192.0.2.2", "\"192.0.2.1:1-2\": a port is 0 to 65535");
	flow_is("udp [2001:db8::1:80 192.0.2.2",
		"\"[2001:db8::1:80\" is no address, nor one with a port");
	flow_is("icmp 192.0.2.1:8 192.0.2.2", "\"192.0.2.1:8\": only tcp, udp and sctp have ports");
	flow_is("udp 192.0.2.1 2001:db8::1",
		"\"2001:db8::1\" is of another IP version than the first address");
	flow_is("udp 192.0.2.1 192.0.2.2 dscp", "dscp without a value");
	flow_is("udp 192.0.2.1 192.0.2.2 dscp xx", "\"xx\" is no DSCP: ef, af41, cs5 or 0 to 63");
	flow_is("udp 192.0.2.1 192.0.2.2 mark -1", "\"-1\" is no mark");
	flow_is("udp 192.0.2.1 192.0.2.2 color red", "\"color\" is none of dscp, mark and cgroup");
}
