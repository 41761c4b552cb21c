/* SPDX-License-Identifier: GPL-2.0-only */
/* What people see: tables and texts from given JSON. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <criterion/criterion.h>

#include "ctl/show.h"

typedef void show_fn(FILE *out, const json_t *data);

static char *text_of(show_fn *fn, const char *json)
{
	json_t *data = json_loads(json, 0, NULL);
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	cr_assert(data, "bad JSON in the test: %s", json);
	fn(f, data);
	fclose(f);
	json_decref(data);
	return text;
}

static void shows(show_fn *fn, const char *json, const char *want)
{
	char *text = text_of(fn, json);

	cr_expect_str_eq(text, want, "got:\n%s\nwant:\n%s", text, want);
	free(text);
}

static const char two_paths[] =
	"{\"now_usec\":62000000,\"paths\":[{\"id\":1,\"conn\":\"home\",\"name\":\"wlan-1\","
	"\"uplink\":\"wlan\",\"state\":\"up\",\"why\":\"probes are "
	"answered\",\"since_usec\":2000000,"
	"\"verified\":true,\"rtt_usec\":812,\"rtt_min_usec\":700,\"jitter_usec\":90,"
	"\"loss_permille\":5,\"loss_out_permille\":4,\"loss_in_permille\":1,"
	"\"last_rx_usec\":59000000,\"weight\":1,\"mtu\":1280,"
	"\"mtu_from\":\"ike\",\"tx_octets\":3000000,\"tx_octets_sec\":1000000,"
	"\"rx_octets_sec\":0,\"share_permille\":667,"
	"\"nat_local\":true,\"nat_remote\":false,\"observed\":\"203.0.113.7:61000\","
	"\"rx_octets\":1000000,\"tx_packets\":10,\"rx_packets\":5,\"local\":\"192.0.2.2:4500\","
	"\"remote\":\"198.51.100.1:4500\",\"attach\":\"tc\"},"
	"{\"id\":2,\"conn\":\"home\",\"name\":\"r\",\"uplink\":null,\"state\":\"unknown\","
	"\"verified\":false,\"weight\":10,\"tx_octets\":1000000,\"rx_octets\":1000000,"
	"\"tx_packets\":1}]}";

Test(show, paths)
{
	shows(show_paths, two_paths,
	      "CONNECTION  PATH    UPLINK  STATE                   RTT   LEAST  JITTER   LOSS    "
	      "OUT     IN   MTU  MTU FROM       OUT/S        IN/S  SHARE       SENT   RECEIVED  "
	      "HEARD  WEIGHT  LOCAL           REMOTE             NAT                       "
	      "INGRESS    SINCE  WHY\n"
	      "home        wlan-1  wlan    up                   0.8 ms  0.7 ms  0.1 ms  0.5 %  "
	      "0.4 %  0.1 %  1280  ike       8.0 Mbit/s  0.0 kbit/s   67 %    2.9 MiB  976.6 KiB  "
	      "  3 s       1  192.0.2.2:4500  198.51.100.1:4500  us, as 203.0.113.7:61000  "
	      "tc       1 m 0 s  probes are answered\n"
	      "home        r       -       unknown, unverified       -       -       -      -      "
	      "-      -     -  -                  -           -      -  976.6 KiB  976.6 KiB  "
	      "    -      10  -               -                  -                        "
	      " -              -  -\n");
	shows(show_paths, "{\"paths\":[]}", "no paths\n");
}

static void narrow(FILE *out, const json_t *data)
{
	show_paths_within(out, data, 80);
}

static void wide(FILE *out, const json_t *data)
{
	show_paths_within(out, data, 1000);
}

Test(show, paths_on_a_narrow_terminal)
{
	char *text = text_of(wide, two_paths), *all = text_of(show_paths, two_paths);

	shows(narrow, two_paths,
	      "PATH    STATE       RTT   LOSS       OUT/S        IN/S  SHARE\n"
	      "wlan-1  up       0.8 ms  0.5 %  8.0 Mbit/s  0.0 kbit/s   67 %\n"
	      "r       unknown       -      -           -           -      -\n"
	      "\n"
	      "PATH      SINCE  WHY\n"
	      "wlan-1  1 m 0 s  probes are answered\n"
	      "r             -  -\n");
	cr_expect_str_eq(text, all, "a wide one has room for all");
	free(text);
	free(all);
}

Test(show, paths_of_several_lines)
{
	char *text = text_of(show_paths,
			     "{\"paths\":[{\"conn\":\"home\",\"name\":\"w\",\"line\":1,"
			     "\"family_lines\":3,\"weight\":4,\"standby\":false},"
			     "{\"conn\":\"home\",\"name\":\"r\",\"line\":2,\"family_lines\":3,"
			     "\"weight\":4,\"standby\":true,\"standby_why\":\"same_pair\"},"
			     "{\"conn\":\"home\",\"name\":\"s\",\"line\":3,\"family_lines\":3,"
			     "\"weight\":4,\"standby\":true,\"standby_why\":\"other_preferred\"},"
			     "{\"conn\":\"work\",\"name\":\"x\",\"line\":4,\"family_lines\":1,"
			     "\"weight\":5}]}");

	cr_assert(strstr(text, "home#1 "), "%s", text);
	cr_assert(strstr(text, "home#2 "), "%s", text);
	cr_assert(strstr(text, "work   "), "%s", text);
	cr_assert(strstr(text, "  standby, same pair  "), "%s", text);
	cr_assert(strstr(text, "             standby  "), "%s", text);
	cr_assert(strstr(text, "   4  "), "%s", text);
	free(text);
}

Test(show, pairs_in_standby)
{
	char *text = text_of(show_paths,
			     "{\"now_usec\":62000000,\"paths\":[{\"conn\":\"home\",\"name\":\"w\","
			     "\"state\":\"up\",\"preferred\":true}],\"pairs\":[{\"conn\":\"home\","
			     "\"name\":\"r\",\"state\":\"standby\",\"rtt_usec\":812,"
			     "\"answered_usec\":60000000,\"why\":\"answered the last test\"}]}");

	cr_assert(strstr(text, "  up, preferred  "), "%s", text);
	cr_assert(strstr(text, "  standby        "), "%s", text);
	cr_assert(strstr(text, "  0.8 ms  "), "%s", text);
	cr_assert(strstr(text, "    2 s  "), "%s", text);
	cr_assert(strstr(text, "  answered the last test\n"), "%s", text);
	free(text);
}

Test(show, path_test)
{
	shows(show_path_test,
	      "{\"path\":\"r\",\"sent\":10,\"answered\":9,\"loss_permille\":100,\"mtu\":1500,"
	      "\"rtt_min_usec\":1000,\"rtt_avg_usec\":2500,\"rtt_max_usec\":9000,"
	      "\"rtt_mdev_usec\":120}",
	      "r: 10 sent, 9 answered, 10.0 % lost; MTU 1500\n"
	      "round trip min/avg/max/mdev 1.00/2.50/9.00/0.12 ms\n");
	shows(show_path_test, "{\"path\":\"r\",\"sent\":3,\"answered\":0,\"loss_permille\":1000}",
	      "r: 3 sent, 0 answered, 100.0 % lost\n");
}

static void live(FILE *out, const json_t *data)
{
	json_t *before = json_deep_copy(data);

	/* a second earlier, with less on the first path */
	json_object_set_new(before, "now_usec", json_integer(61000000));
	json_object_set_new(json_array_get(json_object_get(before, "paths"), 0), "tx_octets",
			    json_integer(2000000));
	show_paths_live(out, data, before);
	json_decref(before);
}

static void first(FILE *out, const json_t *data)
{
	show_paths_live(out, data, NULL);
}

Test(show, live_table_has_rates_and_shares)
{
	shows(live, two_paths,
	      "PATH    UPLINK  STATE       RTT        SENT    RECEIVED  PACKETS  SHARE  WHY\n"
	      "wlan-1  wlan    up       0.8 ms  8.0 Mbit/s  0.0 kbit/s       15  100 %  probes are "
	      "answered\n"
	      "r       -       unknown       -  0.0 kbit/s  0.0 kbit/s        1    0 %  -\n");
	shows(first, two_paths,
	      "PATH    UPLINK  STATE       RTT  SENT  RECEIVED  PACKETS  SHARE  WHY\n"
	      "wlan-1  wlan    up       0.8 ms     -         -       15   67 %  probes are "
	      "answered\n"
	      "r       -       unknown       -     -         -        1   33 %  -\n");
}

Test(show, sas_of_a_family)
{
	shows(show_sas,
	      "{\"now_usec\":95000000,\"ike_sas\":[{\"conn\":\"home\",\"state\":\"ESTABLISHED\","
	      "\"initiator\":true,\"role\":\"I\",\"spi_i\":\"1\",\"spi_r\":\"2\",\"local\":\"a\","
	      "\"family\":1,\"line\":3,\"clone_of\":1,\"session_usec\":5000000,"
	      "\"family_ike_sas\":2,\"family_children\":4,"
	      "\"remote\":\"b\",\"local_id\":\"u\",\"remote_id\":\"g\",\"suite\":\"s\","
	      "\"since_usec\":65000000}]}",
	      "home: ESTABLISHED, role I, s, since 30 s\n"
	      "  local  a [u]\n"
	      "  remote b [g]\n"
	      "  SPIs 1_i 2_r, we initiated\n"
	      "  line 3, clone of 1; family 1: 2 IKE SAs, 4 Child SAs, since 1 m 30 s\n");
}

Test(show, sas_that_share_traffic)
{
	static const char sa[] =
		"{\"ike_sas\":[{\"clone_of\":1,\"line\":3,\"family_ike_sas\":4,%s}]}";
	static const struct {
		const char *members, *line;
	} cases[] = {
		{ "\"shares_with\":[1,4],\"standby_why\":null",
		  "\n  shares traffic with line 1, 4\n" },
		{ "\"shares_with\":[1],\"standby_why\":\"metered\"",
		  "\n  stands by: it is metered; shares traffic with line 1\n" },
		/* two authentications, of one peer that does not clone */
		{ "\"clone_of\":null,\"family_ike_sas\":1,\"shares_with\":[4],\"standby_why\":null",
		  "  shares traffic with line 4\n" },
		{ "\"shares_with\":[],\"standby_why\":null",
		  "\n  shares traffic with no other line\n" },
		{ "\"shares_with\":[],\"standby_why\":\"no_child\"",
		  "\n  stands by: it has no Child SA\n" },
		{ "\"shares_with\":[],\"standby_why\":null,\"family_totals\":{\"rx_packets\":7,"
		  "\"rx_octets\":7000,\"tx_packets\":8,\"tx_octets\":8000000}",
		  "\n  its Child SAs together: in 6.8 KiB, 7 packets; out 7.6 MiB, 8 packets\n" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char json[512], *text;

		snprintf(json, sizeof(json), sa, cases[i].members);
		text = text_of(show_sas, json);
		cr_expect(strstr(text, cases[i].line), "%s", text);
		free(text);
	}
}

Test(show, sas)
{
	shows(show_sas, "{\"now_usec\":5000000,\"ike_sas\":[]}", "no IKE SA\n");
	shows(show_sas,
	      "{\"now_usec\":95000000,\"ike_sas\":[{\"conn\":\"home\",\"state\":\"ESTABLISHED\","
	      "\"initiator\":true,\"role\":\"I\",\"spi_i\":\"1\",\"spi_r\":\"2\",\"local\":\"a\","
	      "\"remote\":\"b\",\"nat_local\":true,\"nat_remote\":false,\"local_id\":\"u\","
	      "\"remote_id\":\"g\",\"suite\":\"s\",\"since_usec\":5000000,\"rekey_usec\":155000000,"
	      "\"reauth_usec\":100000000,"
	      "\"ends_usec\":null,\"vendor_ids\":[\"strongSwan\",\"00ff\"],\"vips\":[\"10.3.0.1\"],"
	      "\"children\":[{\"id\":1,\"name\":\"net\",\"state\":\"INSTALLED\",\"mode\":"
	      "\"tunnel\","
	      "\"spi_in\":\"c0000001\",\"spi_out\":\"d0000001\",\"suite\":\"t\",\"esn\":true,"
	      "\"encap\":true,\"since_usec\":94000000,\"rekey_usec\":95000000,\"ends_usec\":"
	      "105000000,"
	      "\"rekey_octets\":1024,\"life_octets\":2048,\"life_packets\":7,\"local_ts\":[\"10.3."
	      "0.1/32\"],"
	      "\"remote_ts\":[\"10.1.0.0/24\",\"10.2.0.0/24\"],\"rx_octets\":2048,\"rx_packets\":3,"
	      "\"tx_octets\":10,\"tx_packets\":1,\"drop_replay\":4,\"duplicates\":3,\"last_rx_"
	      "usec\":92000000,"
	      "\"last_tx_usec\":0}]}]}",
	      "home: ESTABLISHED, role I, s, since 1 m 30 s\n"
	      "  local  a [u] behind a NAT\n"
	      "  remote b [g]\n"
	      "  SPIs 1_i 2_r, we initiated\n"
	      "  rekey in 1 m 0 s, ends never\n"
	      "  authenticated anew in 5 s\n"
	      "  vendor ids strongSwan, 00ff\n"
	      "  virtual address 10.3.0.1\n"
	      "  net #1: INSTALLED, tunnel in UDP, t, since 1 s\n"
	      "    10.3.0.1/32 === 10.1.0.0/24, 10.2.0.0/24\n"
	      "    in  c0000001     2.0 KiB  3 packets, last 3 s ago\n"
	      "    out d0000001        10 B  1 packets, last never\n"
	      "    rekey due, ends in 10 s\n"
	      "    rekey after 1.0 KiB each way\n"
	      "    ends after 2.0 KiB each way\n"
	      "    ends after 7 packets each way\n"
	      "    dropped: 4 replayed or too old (3 seen just before), 0 not authentic, 0 "
	      "malformed, 0 outside the selectors, "
	      "0 marked as congested that cannot be\n");
}

Test(show, status)
{
	shows(show_status,
	      "{\"version\":\"0.1\",\"pid\":7,\"now_usec\":10000000,\"started_usec\":1000000,"
	      "\"config\":\"/etc/braid/braid.conf\",\"pin_dir\":\"/"
	      "p\",\"engine\":{\"connected\":false},"
	      "\"steer\":{\"device\":\"braid0\"},\"uplinks\":[{\"name\":\"w\",\"kind\":\"wlan\","
	      "\"interface\":\"wlan0\",\"ifindex\":0,\"up\":false,\"addresses\":[],\"weight\":1,"
	      "\"preference\":0,\"cost\":5,\"metered\":true,\"attach\":\"none\"}],\"conns\":[{"
	      "\"name\":\"home\",\"state\":"
	      "\"down\","
	      "\"paths\":0,\"paths_up\":0,\"remote_addrs\":[\"198.51.100.1\",\"203.0.113.1\"],"
	      "\"children\":[{\"name\":\"a\",\"state\":\"down\"},{\"name\":\"b\",\"state\":"
	      "\"down\"}],"
	      "\"retry_usec\":14000000,\"last_error\":\"AUTHENTICATION_FAILED\","
	      "\"clones\":{\"wanted\":3,\"there\":2,\"why\":\"no more\"},"
	      "\"last_error_usec\":4000000},{\"name\":\"off\",\"state\":\"down\",\"held\":true}]}",
	      "braidd 0.1, pid 7, up 9 s, configuration /etc/braid/braid.conf\n"
	      "braid-esp: not connected\n"
	      "steering device braid0, maps in /p\n\n"
	      "UPLINK  KIND  INTERFACE  STATE   WEIGHT  PREF  COST  METERED  ADDRESSES  INGRESS  "
	      "WHY\n"
	      "w       wlan  wlan0      absent       1     0     5  yes      -          none     "
	      "-\n\n"
	      "CONNECTION  STATE                      PATHS UP  CHILDREN        REMOTE             "
	      "  "
	      "      LAST ERROR\n"
	      "home        down, next attempt in 4 s  0 of 0    a down, b down  198.51.100.1, "
	      "203.0.113.1  AUTHENTICATION_FAILED, 6 s ago\n"
	      "off         down, by the operator      0 of 0    -               -                  "
	      "  "
	      "      -\n"
	      "home: 2 of 3 IKE SAs: no more\n");
}

Test(show, stats_explain_drops)
{
	shows(show_stats,
	      "{\"now_usec\":190000000,\"since_usec\":{\"ike\":1000000,\"drops\":null},"
	      "\"ike\":{\"rx\":12},\"engine\":null,\"drops\":{\"NO_PATH\":3,\"NEW\":0},"
	      "\"ctl\":{\"clients\":1}}",
	      "IKE, for 3 m 9 s\n"
	      "  rx              12\n\n"
	      "ESP engine: not known\n\n"
	      "Dropped by the steering programs\n"
	      "  NO_PATH                         3  no usable path in the group\n"
	      "  NEW                             0\n\n"
	      "Control socket\n"
	      "  clients       1\n\n");
}

/* Text may come from a peer: it does not move the cursor. */
Test(show, control_characters_are_shown_as_such)
{
	char *text = text_of(show_paths,
			     "{\"paths\":[{\"name\":\"a\\u001b[2Jb\\nc\",\"why\":\"\\u007f\"}]}");

	cr_assert(strstr(text, "a?[2Jb?c"), "%s", text);
	cr_assert_null(strchr(text, '\033'));
	free(text);
	setenv("TZ", "UTC", 1);
	shows(show_event,
	      "{\"kind\":\"path-state\",\"conn\":\"home\",\"path\":\"wlan-1\",\"state\":\"down\","
	      "\"text\":\"3 probes\\n\\u001b\",\"realtime_usec\":1234567890123456}",
	      "2009-02-13 23:31:30.123 path-state     conn=home path=wlan-1 state=down  3 "
	      "probes??\n");
}

/* A future or a broken agent: other types, absent members, long texts. */
Test(show, strange_json)
{
	static const char *const strange[] = {
		"{}",
		"{\"paths\":5,\"ike_sas\":{},\"uplinks\":[1,null,[]],\"conns\":\"x\"}",
		"{\"paths\":[null,{\"id\":-1,\"rtt_usec\":\"x\",\"state\":7,\"tx_octets\":-5}]}",
		"{\"ike_sas\":[{\"children\":[3,{\"local_ts\":[1,{}]}],\"vips\":[null]}]}",
		"{\"ike\":[],\"drops\":{\"a\":\"b\"},\"ctl\":null}",
		"{\"conns\":[7,{\"children\":[1],\"paths\":\"x\",\"proposals\":[2]}],\"total\":[]}",
		"{\"total\":{\"exchanges\":[],\"errors_tx\":{\"a\":[]},\"rx\":\"1\"}}",
	};
	static show_fn *const fns[] = { show_path_test, narrow,	    show_status,  show_sas,
					show_paths,	live,	    first,	  show_stats,
					show_event,	show_conns, show_counters };
	char *big = malloc(20000);

	for (size_t i = 0; i < sizeof(strange) / sizeof(*strange); i++)
		for (size_t k = 0; k < sizeof(fns) / sizeof(*fns); k++)
			free(text_of(fns[k], strange[i]));
	strcpy(big, "{\"kind\":\"x\",\"conns\":[{\"name\":\"");
	memset(big + strlen(big), 'n', 9000);
	strcpy(big + 9000,
	       "\",\"remote_addrs\":["
	       "\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"]}]}");
	for (size_t k = 0; k < sizeof(fns) / sizeof(*fns); k++)
		free(text_of(fns[k], big));
	free(big);
}

/* Whose ESP it is. */
Test(show, status_of_the_kernel)
{
	char *text = text_of(
		show_status,
		"{\"esp\":{\"by\":\"kernel\",\"why\":\"backend = kernel\"},"
		"\"engine\":{\"connected\":true,\"crypto\":\"kernel\",\"tun\":\"braidtun0\"}}");

	cr_assert(strstr(text, "\nESP of the kernel, device braidtun0: backend = kernel\n"), "%s",
		  text);
	cr_assert_not(strstr(text, "braid-esp"), "%s", text);
	free(text);
	text = text_of(show_status, "{\"esp\":{\"by\":\"engine\",\"why\":\"x:3 has y: z\"},"
				    "\"engine\":{\"connected\":true,\"pid\":9,\"tun\":\"t\"}}");
	cr_assert(strstr(text, "\nbraid-esp pid 9,"), "%s", text);
	cr_assert(strstr(text, "\nESP of the engine: x:3 has y: z\n"), "%s", text);
	free(text);
}

Test(show, wireshark_tables)
{
	char dir[] = "/tmp/braid-test-ws-XXXXXX", path[64], line[512];
	json_t *keys = json_loads("{\"ike\":[{\"spi_i\":\"30d6b46ebdc4ed27\",\"spi_r\":"
				  "\"e724dca9146ff2d4\",\"sk_ei\":\"aa\","
				  "\"sk_er\":\"bb\",\"sk_ai\":\"\",\"sk_ar\":\"\",\"encr\":"
				  "\"aes256gcm16\",\"integ\":\"\"},"
				  "{\"spi_i\":\"1\",\"encr\":\"chacha20poly1305\",\"integ\":\"\"},"
				  "{\"spi_i\":\"01\",\"spi_r\":\"02\",\"sk_ei\":\"x\\\",\\n\",\"sk_"
				  "er\":\"bb\",\"sk_ai\":\"cc\","
				  "\"sk_ar\":\"dd\",\"encr\":\"aes128\",\"integ\":\"sha256\"}],"
				  "\"esp\":[{\"spi\":\"c0000001\",\"encr\":\"aes128gcm16\",\"key\":"
				  "\"ee\",\"integ\":\"\","
				  "\"integ_key\":\"\"}]}",
				  0, NULL);
	size_t ike, esp, skipped;
	struct stat st;

	cr_assert(keys && mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/ikev2_decryption_table", dir);
	/* whatever was there before is not written through */
	cr_assert_eq(symlink("/tmp/braid-test-no-such-target", path), 0);
	cr_assert_eq(wireshark_write(dir, keys, &ike, &esp, &skipped), 0);
	cr_assert_eq(ike, 2);
	cr_assert_eq(esp, 1);
	cr_assert_eq(skipped, 1);
	cr_assert_eq(lstat(path, &st), 0);
	cr_assert_eq(st.st_mode, S_IFREG | 0600);
	FILE *f = fopen(path, "r");
	cr_assert(fgets(line, sizeof(line), f));
	cr_assert_str_eq(line,
			 "30d6b46ebdc4ed27,e724dca9146ff2d4,aa,bb,\"AES-GCM-256 with 16 octet ICV "
			 "[RFC5282]\",,,\"NONE [RFC4306]\"\n");
	cr_assert(fgets(line, sizeof(line), f));
	cr_assert_str_eq(line, "01,02,,bb,\"AES-CBC-128 [RFC3602]\",cc,dd,\"HMAC_SHA2_256_128 "
			       "[RFC4868]\"\n");
	fclose(f);
	unlink(path);
	snprintf(path, sizeof(path), "%s/esp_sa", dir);
	f = fopen(path, "r");
	cr_assert(fgets(line, sizeof(line), f));
	cr_assert_str_eq(line, "\"IPv4\",\"*\",\"*\",\"0xc0000001\",\"AES-GCM with 16 octet ICV "
			       "[RFC4106]\",\"0xee\",\"NULL\",\"\"\n");
	fclose(f);
	unlink(path);
	rmdir(dir);
	json_decref(keys);
}

Test(show, certs)
{
	shows(show_certs,
	      "{\"now_sec\":1800000000,\"certs\":[{\"subject\":\"C=CH, CN=gw\",\"issuer\":"
	      "\"CN=CA\",\"serial\":\"07\",\"use\":\"own\",\"not_before\":1799913600,"
	      "\"not_after\":1800086400,\"key\":\"ECDSA P-256\",\"conns\":[\"home\",\"work\"],"
	      "\"state\":\"valid\",\"ocsp\":{\"state\":\"stale\",\"from\":1799910000,"
	      "\"until\":1799996400}}]}",
	      "SUBJECT      USE  CONNECTIONS  KEY          STATE  FROM              "
	      "UNTIL             OCSP                          SERIAL  ISSUER\n"
	      "C=CH, CN=gw  own  home, work   ECDSA P-256  valid  2027-01-14 08:00  "
	      "2027-01-16 08:00  stale since 2027-01-15 07:00  07      CN=CA\n");
	shows(show_certs,
	      "{\"certs\":[{\"ocsp\":{\"state\":\"early\",\"from\":1800000000,\"until\":"
	      "1800086400}},{\"ocsp\":{\"state\":\"none\",\"from\":null,\"until\":null}},{}]}",
	      "SUBJECT  USE  CONNECTIONS  KEY  STATE  FROM              UNTIL             OCSP     "
	      "  "
	      "                   SERIAL  ISSUER\n"
	      "-        -    -            -    -      1970-01-01 00:00  1970-01-01 00:00  early "
	      "until 2027-01-15 08:00  -       -\n"
	      "-        -    -            -    -      1970-01-01 00:00  1970-01-01 00:00  none     "
	      "  "
	      "                   -       -\n"
	      "-        -    -            -    -      1970-01-01 00:00  1970-01-01 00:00  -        "
	      "  "
	      "                   -       -\n");
	shows(show_certs, "{\"certs\":[]}", "no certificates\n");
}

Test(show, conns)
{
	shows(show_conns, "{\"conns\":[]}", "no connections\n");
	shows(show_conns,
	      "{\"conns\":[{\"name\":\"home\",\"local_addrs\":[],"
	      "\"remote_addrs\":[\"192.0.2.66\"],\"remote_port\":4500,\"local\":{\"id\":\"u\","
	      "\"id_type\":\"FQDN\",\"hashes\":[],\"rsa_padding\":\"pkcs1\","
	      "\"auth\":\"pubkey\",\"certs\":[\"CN=u\"]},\"remote\":{\"id\":null,\"auth\":"
	      "\"pubkey\","
	      "\"cacerts\":[\"CN=CA\"],\"crls\":1,\"key_types\":[\"ecdsa\"],"
	      "\"key_bits_min\":256,\"hashes\":[\"sha256\",\"sha384\"],\"certs\":[\"CN=p\"],"
	      "\"revocation\":\"strict\",\"ocsp_responses\":2},\"proposals\":[\"aes256gcm16-"
	      "prfsha256-ecp256\","
	      "\"aes128-sha256-prfsha256-ecp256\"],\"vips\":[\"0.0.0.0\"],"
	      "\"pools\":[\"p\"],\"pool_addrs\":[\"10.3.0.1-10.3.0.254\"],"
	      "\"multipath\":true,\"clones\":{\"order\":\"move_first\",\"pairs\":\"all\"},"
	      "\"mobike\":false,\"mobike_patience_usec\":300000000,\"clone\":"
	      "true,\"nat\":"
	      "\"refuse\",\"encap\":true,\"ocsp\":\"reply\",\"unique\":"
	      "\"no\",\"window\":1,"
	      "\"fragmentation\":"
	      "\"yes\","
	      "\"fragment_size\":1400,\"rekey_time_usec\":7200000000,"
	      "\"reauth_time_usec\":null,\"over_time_usec\":720000000,"
	      "\"rand_time_usec\":60000000,\"dpd_delay_usec\":30000000,\"silence_usec\":1000000,"
	      "\"keep_alive_usec\":null,\"retransmit_timeout_usec\":2000000,"
	      "\"retransmit_base\":1.8,\"retransmit_tries\":10,\"paths\":[{\"name\":\"w\","
	      "\"uplink\":\"wlan\",\"remote\":\"192.0.2.66\",\"weight\":0}],"
	      "\"children\":[{\"name\":\"net\",\"mode\":\"tunnel\",\"start_action\":\"start\","
	      "\"copy_dscp\":\"out\",\"df\":\"set\",\"tfc_padding\":\"mtu\","
	      "\"local_ts\":[\"dynamic\"],\"remote_ts\":[\"203.0.113.0/26\"],"
	      "\"esp_proposals\":[\"aes128gcm16-esn-noesn\"],"
	      "\"rekey_time_usec\":3600000000,\"life_time_usec\":3960000000,"
	      "\"rand_time_usec\":360000000,\"rekey_bytes\":1000,\"life_bytes\":1100,"
	      "\"rand_bytes\":null,\"rekey_packets\":null,\"life_packets\":null,"
	      "\"rand_packets\":null}]}],"
	      "\"limits\":{\"cookie_threshold\":10,\"init_limit_half_open\":1000,"
	      "\"block_threshold\":100,\"half_open_timeout_usec\":30000000}}",
	      "home\n"
	      "  local      any [u, FQDN], pubkey\n"
	      "    signature  RSA only with PKCS#1 v1.5\n"
	      "    certs      CN=u\n"
	      "  remote     192.0.2.66 port 4500 [any], pubkey\n"
	      "    signature  only with sha256, sha384\n"
	      "    keys       ecdsa\n"
	      "               at least 256 bits\n"
	      "    cacerts    CN=CA\n"
	      "    certs      only CN=p\n"
	      "    revocation strict, 1 CRLs, 2 OCSP responses\n"
	      "  IKE        aes256gcm16-prfsha256-ecp256\n"
	      "             aes128-sha256-prfsha256-ecp256\n"
	      "  vips       0.0.0.0\n"
	      "  pools      p (10.3.0.1-10.3.0.254)\n"
	      "  switches   multipath clone (move_first, all), mobike no, clone yes, nat refuse, "
	      "encap yes, ocsp "
	      "reply, unique "
	      "no, window 1, "
	      "fragmentation yes of "
	      "1400 octets\n"
	      "  IKE SA     rekey 2 h 0 m, authenticate anew -, earlier by up to 1 m 0 s, end 12 m "
	      "0 s later\n"
	      "  silence    liveness check 30 s, 1 s of what goes out, NAT keepalive -\n"
	      "  repeat     first after 2.00 s, then x 1.8, 10 times, with MOBIKE for 5 m 0 s at "
	      "least\n"
	      "  path w: uplink wlan to 192.0.2.66\n"
	      "  child net: tunnel, start_action start, copy_dscp out, df set, tfc_padding mtu\n"
	      "    dynamic === 203.0.113.0/26\n"
	      "    ESP        aes128gcm16-esn-noesn\n"
	      "    time       rekey 1 h 0 m, earlier by up to 6 m 0 s, end 1 h 6 m\n"
	      "    octets     rekey 1000, earlier by up to -, end 1100\n"
	      "strangers\n"
	      "  half-open  at most 1000, 100 of one source, 30 s each; cookies from 10 on\n");
	shows(show_conns, "{\"conns\":[],\"limits\":{\"init_limit_half_open\":9}}",
	      "no connections\n"
	      "strangers\n"
	      "  half-open  at most 9, 0 s each; cookies from 0 on\n");
}

Test(show, counters)
{
	shows(show_counters,
	      "{\"now_usec\":70000000,\"since_usec\":1000000,\"total\":{\"rx\":5,\"tx\":0,"
	      "\"exchanges\":{\"IKE_SA_INIT\":{\"requests_tx\":1,"
	      "\"responses_rx\":1,\"requests_rx\":2,\"responses_tx\":2}},"
	      "\"errors_tx\":{\"TS_UNACCEPTABLE\":2},\"errors_rx\":{\"INVALID_SYNTAX\":1}},"
	      "\"conns\":[{\"name\":\"home\",\"retransmits\":3,\"exchanges\":{}}]}",
	      "counted for 1 m 9 s\n"
	      "all\n"
	      "  exchange     requests out  answers in  requests in  answers out\n"
	      "  IKE_SA_INIT             1           1            2            2\n"
	      "  error sent: TS_UNACCEPTABLE: 2\n"
	      "  error received: INVALID_SYNTAX: 1\n"
	      "  rx 5\n"
	      "home\n"
	      "  retransmits 3\n");
}
