/* SPDX-License-Identifier: GPL-2.0-only */
/* Configuration: every mistake at its line with what was found and what was expected. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <criterion/criterion.h>

#include "ikemsg/ikemsg.h"
#include "../lib/conf_dir.h"

static char top[256];

static void setup(void)
{
	cr_assert(getcwd(top, sizeof(top)));
	dir_enter();
}

/* Copies a file of the source tree, which is where the tests are started. */
static void copy(const char *from, const char *name)
{
	static char text[16384];
	char path[512];
	FILE *f;
	size_t n;

	snprintf(path, sizeof(path), "%s/user/examples/%s", top, from);
	f = fopen(path, "r");
	cr_assert(f, "%s: %s", path, strerror(errno));
	n = fread(text, 1, sizeof(text), f);
	fclose(f);
	put(name, 0600, text, n);
}

TestSuite(conf, .init = setup, .fini = dir_leave, .timeout = 60);

static void puts_(const char *name, const char *text)
{
	put(name, 0600, text, strlen(text));
}

#define UPLINK "uplink \"wlan\" { interface = wlan0 }\n"
#define SECRET "secret \"s\" { secret = \"xyzzy\" }\n"
#define CHILD  "child \"net\" { }\n"
#define LOCAL  "local { id = a.example }\n"

struct bad {
	const char *text, *error; /* error without "braid.conf:" */
};

static const struct bad syntax[] = {
	{ "uplik \"a\" { }\n",
	  "1: found \"uplik\", expected a key of the file (did you mean \"uplink\"?)" },
	{ "\n\nuplink \"wlan\" {\n  interface = wlan0\n  wieght = 3\n}\n",
	  "5: found \"wieght\", expected a key of uplink \"wlan\" (did you mean \"weight\"?)" },
	{ "uplink \"wlan\" {\n  frobnicate = 3\n}\n",
	  "2: found \"frobnicate\", expected a key of uplink \"wlan\": interface, kind, exclude, "
	  "weight, preference, cost, metered, gateway, mtu, probe_interval, fail_back, trusted, "
	  "rate, sla, budget" },
	{ "paths {\n probe_intervall = 1s\n}\n",
	  "2: found \"probe_intervall\", expected a key of paths (did you mean "
	  "\"probe_interval\"?)" },
	{ "connection \"c\" {\n child \"a\" {\n  hw_offload = crypto\n }\n}\n",
	  "3: found \"hw_offload\", expected the line left out: a network card finds an SA by the "
	  "addresses on the wire, and those of an SA here are on none (braid.conf(5), KERNEL)" },
	{ "log_level info\n", "1: found no \"=\" after \"log_level\", expected log_level = ..." },
	{ "log_level = info\n}\n", "2: found \"}\" of no section, expected a key or section" },
	{ "uplink \"wlan\" {\n  interface = wlan0\n",
	  "3: found the end of the file in uplink \"wlan\", expected \"}\"" },
	{ "uplink \"wlan\"\ninterface = wlan0\n",
	  "2: found no \"{\" after uplink, expected uplink ... {" },
	{ "uplink {\n}\n", "1: found uplink without a name, expected uplink \"NAME\" {" },
	{ UPLINK UPLINK, "2: found a second section \"wlan\", expected another name" },
	{ "paths { up_after = 2 }\npaths { up_after = 3 }\n" UPLINK,
	  "2: found a second section \"paths\", expected it once" },
	{ "dataplane {} dataplane\n{",
	  "3: found the end of the file in dataplane, expected \"}\"" },
	{ "connection \"a\" {\n local { id = a }\n local { id = b }\n}\n",
	  "3: found a second section \"local\", expected it once" },
	{ "log_level += info\n", "1: found \"+=\", expected log_level = ... (it is no list)" },
	{ "include secrets\n", "1: found no \"(\", expected include(\"FILE\")" },
	{ "include(}\n", "1: found no file name, expected include(\"FILE\")" },
	{ "include()\n", "1: found include with 0 names, expected include(\"FILE\")" },
	{ "log_level = \"info\n\n", "1: found a string without its end, expected a closing quote" },
	{ "log_level = {\n", "1: found \"{\" in the file, expected a key, a value or \"}\"" },
	{ "log_level = info\n\nlog_level = debug\n",
	  "3: found \"log_level\" a second time, expected it once" },
	{ "connection \"a\" {\n pools = {a}\n pools = {b}\n}\n",
	  "3: found \"pools\" a second time, expected it once" },
	{ "connection \"a\" {\n pools = {}\n proposals = {a b}\n}\n",
	  "3: found \"b\" in connection \"a\", expected a key, a value or \"}\"" },
	{ "\"{start}\" = {x}\n",
	  "1: found \"{start}\", expected a key of the file: log_level, "
	  "allow_key_export, cookie_threshold, init_limit_half_open, block_threshold, "
	  "half_open_timeout, include, uplink, class, connection, pool, secret, private, token, "
	  "paths, "
	  "dataplane, control" },
	{ "uplink \"a\" {\n \"{start}\" = {x}\n}\n",
	  "2: found \"{start}\", expected a key of uplink \"a\": interface, kind, exclude, "
	  "weight, preference, cost, metered, gateway, mtu, probe_interval, fail_back, trusted, "
	  "rate, sla, budget" },
	{ "",
	  "1: found the end of the file, expected a section uplink \"NAME\" { interface = ... }" },
	{ "# only a comment\n\n",
	  "3: found the end of the file, expected a section uplink \"NAME\" { interface = ... }" },
};

static const struct bad values[] = {
	{ "log_level = loud\n", "1: found \"loud\", expected error, warning, info or debug" },
	{ "log_level = inof\n",
	  "1: found \"inof\", expected error, warning, info or debug (did you "
	  "mean \"info\"?)" },
	{ "allow_key_export = maybe\n", "1: found \"maybe\", expected true or false" },
	{ "uplink \"w\" {\n}\n",
	  "1: found uplink \"w\" without interface, expected it, or kind = wlan, ran or wired" },
	{ "\nuplink \"w\"\n{\n kind = satellite\n}\n",
	  "3: found uplink \"w\" without interface, expected it, or kind = wlan, ran or wired" },
	{ "uplink \"w\" {\n interface = wlan0\n exclude = { \"wlan1\" }\n}\n",
	  "3: found exclude beside interface \"wlan0\", expected a pattern or a kind alone" },
	{ "uplink \"w\" {\n kind = wlan\n exclude = { \"a b\" }\n}\n",
	  "3: found \"a b\", expected a device name of 1 to 15 octets" },
	{ "uplink \"w\" {\n interface = braid0\n}\n",
	  "2: found \"braid0\", a device of braid's own, expected another one" },
	{ "uplink \"w\" {\n interface = w0\n cost = 70000\n}\n",
	  "3: found \"70000\", expected a number from 0 to 65535" },
	{ "uplink \"w\" {\n interface = w0\n metered = often\n}\n",
	  "3: found \"often\", expected true or false" },
	{ "uplink \"w\" {\n kind = wlan\n}\nuplink \"x\" {\n kind = wlan\n}\n",
	  "5: found \"wlan\", all of which is uplink \"w\" already" },
	{ "uplink \"w\" {\n interface = \"w*\"\n}\nuplink \"x\" {\n interface = \"w*\"\n}\n",
	  "5: found \"w*\", which is uplink \"w\" already" },
	{ "uplink \"w\" {\n interface = wlan0\n weight = 0\n}\n",
	  "3: found \"0\", expected a number from 1 to 65535" },
	{ "uplink \"w\" {\n interface = wlan0\n weight = -1\n}\n",
	  "3: found \"-1\", expected a number from 1 to 65535" },
	{ "uplink \"w\" {\n interface = wlan0\n weight = two\n}\n",
	  "3: found \"two\", expected a number from 1 to 65535" },
	{ "uplink \"w\" {\n interface = wlan0\n weight = 99999999999999999999999\n}\n",
	  "3: found \"99999999999999999999999\", expected a number from 1 to 65535" },
	{ "uplink \"w\" {\n interface = wlan0\n kind = wifi\n}\n",
	  "3: found \"wifi\", expected any, wlan, ran, wired or satellite" },
	{ "uplink \"w\" {\n interface = averyverylongname\n}\n",
	  "2: found \"averyverylongname\", expected a device name of 1 to 15 octets" },
	{ "uplink \"w\" {\n interface = \"a/b\"\n}\n",
	  "2: found \"a/b\", expected a device name of 1 to 15 octets" },
	{ "uplink \"w\" {\n interface = w0\n gateway = 10.0.0.300\n}\n",
	  "3: found \"10.0.0.300\", expected an IP address" },
	{ UPLINK "uplink \"b\" {\n interface = wlan0\n}\n",
	  "3: found \"wlan0\", which is uplink \"wlan\" already" },
	{ "paths {\n probe_interval = 1ms\n}\n",
	  "2: found \"1ms\", expected a time from 10ms to 10s (as 10ms, 2s, 5m, 1h)" },
	{ "uplink \"a\" {\n interface = a0\n probe_interval = 9ms\n}\n",
	  "3: found \"9ms\", expected a time from 10ms to 10s (as 10ms, 2s, 5m, 1h)" },
	{ "uplink \"a\" {\n interface = a0\n fail_back = 2h\n}\n",
	  "3: found \"2h\", expected a time from 0s to 3600s (as 10ms, 2s, 5m, 1h)" },
	{ "uplink \"a\" {\n interface = a0\n sla {\n hold = 2s\n }\n}\n",
	  "3: found sla without a limit, expected delay, jitter or loss" },
	{ "uplink \"a\" {\n interface = a0\n sla { delay = 1s }\n sla { loss = 1 }\n}\n",
	  "4: found a second section \"sla\", expected it once" },
	{ "uplink \"a\" {\n interface = a0\n sla {\n loss = 100\n }\n}\n",
	  "4: found \"100\", expected a number from 1 to 99" },
	{ "uplink \"a\" {\n interface = a0\n sla {\n delay = 2s\n hysteresis = 91\n }\n}\n",
	  "5: found \"91\", expected a number from 0 to 90" },
	{ "paths {\n probe_interval = 5 \n down_after = 0\n}\n",
	  "3: found \"0\", expected a number from 1 to 100" },
	{ "paths {\n probe_interval = 1fortnight\n}\n",
	  "2: found \"1fortnight\", expected a time from 10ms to 10s (as 10ms, 2s, 5m, 1h)" },
	{ "dataplane {\n sa_max = 1000\n}\n", "2: found \"1000\", expected a power of two" },
	{ "dataplane {\n mtu = 100\n}\n", "2: found \"100\", expected a number from 576 to 9000" },
	{ "dataplane {\n attach = dpdk\n}\n",
	  "2: found \"dpdk\", expected auto, tc, xdp or xdp-generic" },
	{ "dataplane {\n backend = engine\n spread = sa\n attach = xdp\n}\n",
	  "3: found \"sa\" beside the engine, whose packet threads are its workers; expected "
	  "backend = kernel" },
	{ "dataplane {\n backend = kernel\n spread = packets\n}\n",
	  "3: found \"packets\", expected attach = xdp or xdp-generic beside it: at tc ingress the "
	  "CPU is decided already" },
	{ "dataplane {\n spread = flows\n}\n", "2: found \"flows\", expected off, sa or packets" },
	{ "dataplane {\n unknown_esp = no\n}\n", "2: found \"no\", expected pass or drop" },
	{ "dataplane {\n crypto = opnessl\n}\n",
	  "2: found \"opnessl\", expected auto, openssl or ipsec-mb (did you mean \"openssl\"?)" },
	{ "dataplane {\n stable_v4 = {\"198.18.0.1\"}\n}\n",
	  "2: found 1 addresses in \"stable_v4\", expected {\"LOCAL\", \"REMOTE\"}" },
	{ "dataplane {\n stable_v4 = {\"198.18.0.1\",\n \"fd00::1\"}\n}\n",
	  "3: found \"fd00::1\", expected an IPv4 address" },
	{ "dataplane {\n stable_v6 = {\"fd00::1\", \"fd00::1\"}\n}\n",
	  "2: found the same address twice in \"stable_v6\", expected two" },
	{ "dataplane {\n tun = x\n steer = x\n}\n",
	  "3: found \"x\" as tun and steer, expected two names" },
	{ "control {\n admins = { \"no such user\" }\n}\n",
	  "2: found \"no such user\", expected a user or @group of this host" },
	{ "control {\n readers = { root,\n \"@no such group\" }\n}\n",
	  "3: found \"@no such group\", expected a user or @group of this host" },
	{ "control {\n readers = { \"@\" }\n}\n",
	  "2: found \"@\", expected a user or @group of this host" },
	{ "control {\n readers = { 4294967295 }\n}\n",
	  "2: found \"4294967295\", expected a user or @group of this host" },
	{ "control {\n readers = { 12x }\n}\n",
	  "2: found \"12x\", expected a user or @group of this host" },
	{ "control {\n consent_wait = 61s\n}\n",
	  "2: found \"61s\", expected a time from 0s to 60s (as 10ms, 2s, 5m, 1h)" },
	{ "control {\n consent_wait_max = 1s\n consent_wait = 3s\n}\n",
	  "3: found \"3s\", more than consent_wait_max" },
	{ "control {\n admins = { root }\n}\ncontrol {\n}\n",
	  "4: found a second section \"control\", expected it once" },
	{ UPLINK "pool \"p\" {\n}\n", "2: found pool \"p\" without addrs, expected it" },
	{ UPLINK "pool \"p\" {\n addrs = \"10.0.0.9-10.0.0.2\"\n}\n",
	  "3: found \"10.0.0.9-10.0.0.2\", expected addresses as 10.1.0.0/24 or "
	  "10.1.0.10-10.1.0.20" },
	{ UPLINK "pool \"p\" {\n addrs = \"10.0.0.0/33\"\n}\n",
	  "3: found \"10.0.0.0/33\", expected addresses as 10.1.0.0/24 or 10.1.0.10-10.1.0.20" },
	{ UPLINK
	  "pool \"p\" { addrs = \"10.0.0.0/24\" }\npool \"q\" {\n addrs = \"10.0.0.128/25\"\n}\n",
	  "4: found \"10.0.0.128/25\", which overlaps pool \"p\"" },
	{ UPLINK
	  "pool \"p\" { addrs = \"10.0.0.0/24\"\n dns = {\"1.1.1.1\",\n\"dns.example\"}\n}\n",
	  "4: found \"dns.example\", expected an IP address" },
	{ UPLINK "secret \"s\" {\n}\n", "2: found secret \"s\" without secret, expected it" },
	{ UPLINK "secret \"s\" {\n secret = 0xabc\n}\n",
	  "3: found a secret that cannot be read, expected text, 0x and hex digits, or 0s and "
	  "base64, "
	  "of 1 to 640 octets" },
	{ UPLINK "secret \"s\" {\n secret = \"0s!!!!\"\n}\n",
	  "3: found a secret that cannot be read, expected text, 0x and hex digits, or 0s and "
	  "base64, "
	  "of 1 to 640 octets" },
	{ UPLINK "secret \"s\" {\n secret = \"\"\n}\n",
	  "3: found a secret that cannot be read, expected text, 0x and hex digits, or 0s and "
	  "base64, "
	  "of 1 to 640 octets" },
	{ UPLINK "secret \"s\" {\n id = {\"CN=x,\"}\n secret = y\n}\n",
	  "3: found \"CN=x,\", expected a distinguished name as \"C=CH, O=Example, CN=gw\"" },
};

/* Inside connection "home" { ... }, whose first line is 3. */
static const struct bad connections[] = {
	{ "", "3: found connection \"home\" without local { id = ... }, expected it" },
	{ "local {\n auth = psk\n}", "4: found local without id, expected it" },
	{ LOCAL, "3: found connection \"home\" without a child, expected it" },
	{ "local {\n id = \"%any\"\n}", "5: found \"%any\", expected our own identity" },
	{ "local { id = a.example\n auth = pubkey\n}",
	  "4: found local without certs, expected it" },
	{ "local {\n id = \"@#xyz\"\n}", "5: found \"@#xyz\", expected @# and hex digits" },
	{ "version = 1", "4: found \"1\", expected a number from 2 to 2" },
	{ "remote_port = 70000", "4: found \"70000\", expected a number from 1 to 65535" },
	{ "remote_addrs = {\"198.51.100.1\",\n\"gw.example\"}",
	  "5: found \"gw.example\", expected an IP address" },
	{ "remote_addrs = {\"198.51.100.1\", \"198.51.100.1\"}",
	  "4: found 198.51.100.1 a second time, expected it once" },
	{ "remote_addrs = {\"%any\", \"198.51.100.1\"}",
	  "4: found \"%any\" among addresses, expected it alone" },
	{ "local_addrs = {\"192.0.2.1\",\"192.0.2.2\",\"192.0.2.3\",\"192.0.2.4\",\"192.0.2.5\","
	  "\"192.0.2.6\",\"192.0.2.7\",\"192.0.2.8\",\n\"192.0.2.9\"}",
	  "5: found 9 values of \"local_addrs\", expected at most 8" },
	{ "multipath = clones", "4: found \"clones\", expected yes, no, clone or mmx" },
	{ "remote_addrs = { 192.0.2.1 }\nvips = { 10.0.0.1, 0.0.0.0, 0.0.0.0, 10.0.0.1 }",
	  "5: found 10.0.0.1 a second time, expected it once" },
	{ "multipath = mmx\nmmx = no",
	  "5: found \"no\", expected yes or require beside multipath = mmx" },
	{ "multipath = mmx\nmobike = false", "5: found \"no\", expected yes beside mmx = yes" },
	{ "multipath = mmx\ntunnels = all", "5: found \"all\", expected shared or each" },
	{ LOCAL "multipath = mmx\ntunnels = each\nchild \"a\" { }",
	  "6: found \"each\", expected vips and inner_address = per_line beside it, or children "
	  "of mode = transport only" },
	{ LOCAL
	  "multipath = mmx\ntunnels = each\nchild \"a\" { mode = transport }\nchild \"b\" { }",
	  "6: found \"each\", expected vips and inner_address = per_line beside it, or children "
	  "of mode = transport only" },
	{ "tunnels = each", "4: found \"each\", expected multipath = mmx" },
	{ "multipath = clone\nclone = no",
	  "5: found \"no\", expected true beside multipath = clone" },
	{ "multipath = clone\nmobike = false",
	  "5: found \"false\", expected true beside multipath = clone" },
	{ "clone_order = first", "4: found \"first\", expected child_first or move_first" },
	{ "clone_pairs = al", "4: found \"al\", expected each or all (did you mean \"all\"?)" },
	{ "clone_spare = 64", "4: found \"64\", expected a number from 0 to 63" },
	{ "clone_fallback = none", "4: found \"none\", expected single or ike_sas" },
	{ "inner_address = own", "4: found \"own\", expected shared or per_line" },
	{ "dpd_delay = soon",
	  "4: found \"soon\", expected a time from 0s to 86400s (as 10ms, 2s, 5m, 1h)" },
	{ "rekey_time = 367d",
	  "4: found \"367d\", expected a time from 0s to 31622400s (as 10ms, 2s, "
	  "5m, 1h)" },
	{ "rekey_time = 10m\nrand_time = 10m",
	  "5: found rand_time = 10m, expected less than rekey_time" },
	{ "reauth_time = 10m\nrand_time = 10m",
	  "5: found rand_time = 10m, expected less than reauth_time" },
	{ LOCAL "child \"a\" {\n rekey_time = 1h\n life_time = 30m\n}",
	  "7: found life_time = 30m, expected more than rekey_time = 1h" },
	{ LOCAL "child \"a\" {\n life_packets = 1000\n rekey_packets = 1000\n}",
	  "6: found life_packets = 1000, expected more than rekey_packets = 1000" },
	{ LOCAL "child \"a\" {\n rekey_bytes = 1g\n rand_bytes = 2g\n}",
	  "7: found rand_bytes = 2g, expected less than rekey_bytes" },
	{ LOCAL "child \"a\" {\n rekey_bytes = 1x\n}",
	  "6: found \"1x\", expected a number of octets (as 1000000, 500m, 20g)" },
	{ LOCAL "child \"a\" {\n rekey_bytes = 999999999t\n}",
	  "6: found \"999999999t\", expected a number of octets (as 1000000, 500m, 20g)" },
	{ "retransmit_base = 0.5", "4: found \"0.5\", expected a number from 1 to 4" },
	{ "retransmit_base = nan", "4: found \"nan\", expected a number from 1 to 4" },
	{ "encap = perhaps", "4: found \"perhaps\", expected true or false" },
	{ "pools = {rw}", "4: found pool \"rw\", expected the name of a section \"pool\"" },
	{ "proposals = {\"aes256gcm16-prfsha256-ecp257\"}",
	  "4: found algorithm \"ecp257\" in \"aes256gcm16-prfsha256-ecp257\", expected words as "
	  "aes256gcm16, sha256, prfsha256, ecp256" },
	{ "proposals = {\"prfsha256-ecp256\"}",
	  "4: found no cipher in \"prfsha256-ecp256\", expected one as aes256gcm16" },
	{ "proposals = {\"aes256gcm16-ecp256\"}",
	  "4: found no PRF in \"aes256gcm16-ecp256\", expected one as prfsha256" },
	{ "proposals = {\"aes256-prfsha256-ecp256\"}",
	  "4: found no integrity algorithm in \"aes256-prfsha256-ecp256\", expected one as sha256 "
	  "with this cipher" },
	{ "proposals = {\"aes256-sha256\"}",
	  "4: found no key exchange in \"aes256-sha256\", expected one as ecp256" },
	{ "proposals = {\"null-sha256-ecp256\"}",
	  "4: found \"null\" in \"null-sha256-ecp256\", expected a cipher in IKE" },
	{ "proposals = {\"aes256-sha256-ecp256-esn\"}",
	  "4: found esn or noesn in \"aes256-sha256-ecp256-esn\", expected it only in ESP" },
	{ LOCAL "child \"a\" {\n esp_proposals = {\"aes128gcm16-sha256\"}\n}",
	  "6: found an integrity algorithm in \"aes128gcm16-sha256\", expected none with a "
	  "combined-mode cipher" },
	{ LOCAL "child \"a\" {\n esp_proposals = {\"aes128gcm16-prfsha256\"}\n}",
	  "6: found a PRF in \"aes128gcm16-prfsha256\", expected none in ESP" },
	{ LOCAL "child \"a/b\" {\n}",
	  "5: found child \"a/b\", expected a name of 1 to 63 octets without \"/\" and spaces" },
	{ LOCAL "child \"a\" {\n per_cpu = all\n}",
	  "6: found \"all\", expected yes, no or a number of CPUs" },
	{ LOCAL "child \"a\" {\n per_cpu = 1025\n}",
	  "6: found \"1025\", expected a number from 0 to 1024" },
	{ LOCAL "child \"a\" {\n per_cpu_max = many\n}",
	  "6: found \"many\", expected a number from 0 to 1024" },
	{ LOCAL "child \"a\" {\n mode = beet\n}",
	  "6: found \"beet\", expected tunnel, transport or stable-transport" },
	{ LOCAL "child \"a\" {\n mode = transport\n local_ts = { \"10.0.0.0/24\" }\n}",
	  "6: found mode = transport beside a range of addresses, expected single ones in "
	  "local_ts and remote_ts" },
	{ LOCAL
	  "child \"a\" {\n mode = stable-transport\n local_ts = { \"10.0.0.1\", \"10.0.0.2\" }\n}",
	  "6: found mode = stable-transport beside a range of addresses, expected single ones in "
	  "local_ts and remote_ts" },
	{ LOCAL "child \"a\" {\n mode = stable-transport\n}",
	  "6: found mode = stable-transport without addresses that stay, expected local_ts and "
	  "remote_ts, or vips or pools" },
	{ LOCAL "vips = { \"0.0.0.0\" }\nchild \"a\" {\n mode = transport\n}",
	  "7: found mode = transport beside vips or pools, expected tunnel or stable-transport: "
	  "it uses the addresses of the hosts" },
	{ LOCAL "child \"a\" {\n start_action = trap\n}",
	  "6: found \"trap\", expected none or start" },
	{ LOCAL "child \"a\" {\n start_action = start\n}",
	  "6: found start_action = start, expected remote_addrs in the connection" },
	{ LOCAL "child \"a\" {\n local_ts = {\"10.0.0.0/24\",\n\"10.0.0.0/x\"}\n}",
	  "7: found \"10.0.0.0/x\", expected addresses as 10.1.0.0/24 or 10.1.0.10-10.1.0.20" },
	{ LOCAL "child \"a\" {\n local_ts = {\"10.0.0.0/24[tcp/80\"}\n}",
	  "6: found \"10.0.0.0/24[tcp/80\", expected a selector as 10.1.0.0/24[tcp/80] or "
	  "dynamic" },
	{ LOCAL "child \"a\" {\n local_ts = {\"10.0.0.0/24[tpc/80]\"}\n}",
	  "6: found protocol \"tpc\", expected its name or 0 to 255" },
	{ LOCAL "child \"a\" {\n local_ts = {\"10.0.0.0/24[tcp/66000]\"}\n}",
	  "6: found a port in \"10.0.0.0/24[tcp/66000]\" that is none, expected 0 to 65535 or a "
	  "range "
	  "as 1024-2048" },
	{ LOCAL "child \"a\" {\n local_ts = {\"10.0.0.0/24[icmp/80]\"}\n}",
	  "6: found ports with protocol \"icmp\", expected tcp, udp or sctp before them" },
	{ LOCAL CHILD "path \"p\" {\n remote = 198.51.100.1\n}",
	  "6: found path \"p\" without uplink, expected it" },
	{ LOCAL CHILD "path \"p\" {\n uplink = wlam\n remote = 198.51.100.1\n}",
	  "7: found uplink \"wlam\", expected the name of a section \"uplink\" (did you mean "
	  "\"wlan\"?)" },
	{ LOCAL "remote_addrs = {\"198.51.100.1\"}\n" CHILD
		"path \"p\" {\n uplink = wlan\n remote = 198.51.100.2\n}",
	  "9: found 198.51.100.2, expected one of remote_addrs of connection \"home\"" },
	{ LOCAL CHILD,
	  "3: found no secret for connection \"home\", expected a section secret with id "
	  "= {\"%any\"} or {\"a.example\"}" },
};

static void refused(const char *text, const char *want)
{
	char full[CONF_ERROR_MAX];
	struct conf *c = load(text);

	cr_expect_null(c, "accepted: %s", text);
	conf_free(c);
	snprintf(full, sizeof(full), "braid.conf:%s", want);
	cr_expect_str_eq(error, full, "\n%s\n  got:  %s\n  want: %s", text, error, full);
}

Test(conf, syntax_mistakes)
{
	for (size_t i = 0; i < sizeof(syntax) / sizeof(*syntax); i++)
		refused(syntax[i].text, syntax[i].error);
}

Test(conf, value_mistakes)
{
	for (size_t i = 0; i < sizeof(values) / sizeof(*values); i++)
		refused(values[i].text, values[i].error);
}

Test(conf, connection_mistakes)
{
	char text[4096];

	for (size_t i = 0; i < sizeof(connections) / sizeof(*connections); i++) {
		snprintf(text, sizeof(text), "%s\nconnection \"home\" {\n%s\n}\n", UPLINK,
			 connections[i].text);
		refused(text, connections[i].error);
	}
}

Test(conf, secrets_in_a_readable_file_are_refused)
{
	static const char text[] = UPLINK SECRET;
	struct conf *c;

	put("braid.conf", 0644, text, strlen(text));
	cr_assert_eq(conf_load("braid.conf", &c, error), -EINVAL);
	cr_assert_str_eq(error, "braid.conf:2: found a secret in a file of mode 0644, expected one "
				"that only its owner can read: chmod 0600 braid.conf");
	put("braid.conf", 0640, text, strlen(text));
	cr_assert_eq(conf_load("braid.conf", &c, error), -EINVAL);
	put("braid.conf", 0400, text, strlen(text));
	cr_assert_eq(conf_load("braid.conf", &c, error), 0);
	conf_free(c);
	/* The file that holds it counts, not the one that includes. */
	put("braid.conf", 0644, UPLINK "include(\"secrets.conf\")\n",
	    strlen(UPLINK "include(\"secrets.conf\")\n"));
	put("secrets.conf", 0600, SECRET, strlen(SECRET));
	cr_assert_eq(conf_load("braid.conf", &c, error), 0, "%s", error);
	conf_free(c);
	put("secrets.conf", 0604, "\n\n" SECRET, strlen(SECRET) + 2);
	cr_assert_eq(conf_load("braid.conf", &c, error), -EINVAL);
	cr_assert_str_eq(error,
			 "secrets.conf:3: found a secret in a file of mode 0604, expected one "
			 "that only its owner can read: chmod 0600 secrets.conf");
}

Test(conf, includes)
{
	struct conf *c;

	c = load("include(\"nowhere.conf\")\n");
	cr_assert_null(c);
	cr_assert_str_eq(error, "braid.conf:1: found include of \"nowhere.conf\", expected a file "
				"that can be read: No such file or directory");
	cr_assert_eq(conf_load("nowhere.conf", &c, error), -ENOENT);
	cr_assert_str_eq(error, "nowhere.conf: cannot be read: No such file or directory");
	cr_assert_eq(conf_load("/tmp", &c, error), -EISDIR);
	cr_assert_str_eq(error, "/tmp: cannot be read: not a regular file");

	/* a mistake in an included file, then none: nothing is left behind */
	puts_("a.conf", "uplink \"b\" {\n interface = \"w0\n}\n");
	for (int i = 0; i < 30; i++) {
		cr_assert_null(load("include(\"a.conf\")\n"));
		cr_assert_str_eq(error,
				 "a.conf:2: found a string without its end, expected a closing "
				 "quote");
		c = load(UPLINK);
		cr_assert(c, "%s", error);
		conf_free(c);
	}
	puts_("a.conf", "include(\"a.conf\")\n" UPLINK);
	cr_assert_null(load("include(\"a.conf\")\n"));
	cr_assert_str_eq(error,
			 "a.conf:1: found \"a.conf\" a second time, expected each file once");

	puts_("a.conf", UPLINK);
	puts_("b.conf", "\n" UPLINK);
	cr_assert_null(load("include(\"a.conf\")\ninclude(\"b.conf\")\n"));
	cr_assert_str_eq(error,
			 "b.conf:2: found a second section \"wlan\" (a.conf:1), expected another "
			 "name");
	puts_("b.conf", "log_level = debug\n");
	cr_assert_null(load("log_level = info\ninclude(\"b.conf\")\n" UPLINK));
	cr_assert_str_eq(error,
			 "b.conf:1: found \"log_level\" a second time (braid.conf:1), expected it "
			 "once");

	cr_assert_eq(mkdir("d", 0700), 0);
	c = load("include(\"d/*.conf\")\n" UPLINK);
	cr_assert(c, "%s", error);
	conf_free(c);
	puts_("d/1.conf", "uplink \"a\" { interface = a0 }");
	puts_("d/2.conf", "uplink \"b\" { interface = b0 }");
	c = load("include(\"d/*.conf\")\n");
	cr_assert(c, "%s", error);
	cr_assert_eq(c->n_uplinks, 2);
	cr_assert_str_eq(c->uplinks[1].name, "b");
	conf_free(c);
}

static const char full_text[] =
	"log_level = debug\n"
	"allow_key_export = true\n"
	"cookie_threshold = 5\n"
	"uplink \"wlan\" { interface = wlan0\n kind = wlan\n weight = 2\n gateway = 192.0.2.1\n "
	"mtu = 1280 }\n"
	"uplink \"ran\" { interface = ran0\n kind = ran\n preference = 1\n"
	"  probe_interval = 50ms\n fail_back = 0s\n"
	"  sla { delay = 80ms\n jitter = 20ms\n loss = 5\n hold = 2s\n clear = 1m\n "
	"hysteresis = 30 } }\n"
	"paths { fail_back = 7s\n probe_interval = 100ms\n down_after = 4\n up_after = 1\n "
	"mtu_raise = 1m\n standby_interval = 1500ms }\n"
	"dataplane { tun = t0\n steer = s0\n mtu = 1300\n sa_max = 1024\n"
	"  stable_v4 = {\"198.18.1.1\", \"198.18.1.2\"}\n attach = xdp\n crypto = openssl\n"
	"  workers = 2\n busy_poll = yes\n unknown_esp = drop\n backend = auto\n spread = packets "
	"}\n"
	"control { admins = {root, 1007}\n readers = {\"@4242\", \"@root\"}\n"
	"  consent_wait = 500ms\n consent_wait_max = 1m }\n"
	"pool \"rw\" { addrs = \"10.3.0.0/24\"\n dns = {\"10.1.0.53\"} }\n"
	"pool \"six\" { addrs = \"fd00:3::10-fd00:3::1f\" }\n"
	"connection \"home\" {\n"
	"  local_addrs = {\"%any\"}\n"
	"  remote_addrs = {\"198.51.100.1\", \"2001:db8::1\"}\n"
	"  version = 2\n"
	"  proposals = {\"aes256gcm16-aes128-sha256-prfsha384-ecp384-x25519\", \"default\"}\n"
	"  vips = {\"0.0.0.0\", \"::\"}\n pools = {rw, six}\n"
	"  dpd_delay = 5s\n silence = 50ms\n encap = no\n multipath = yes\n probe_interval = "
	"200ms\n mobike = no\n "
	"mobike_patience = 1m\n return_check = after\n clone = no\n ike_sas_max = 3\n "
	"child_sas_max = 5000\n derived_sas_max = 4000\n public_key_bits = 192\n "
	"clone_order = move_first\n clone_pairs = all\n inner_address = per_line\n "
	"clone_fallback = ike_sas\n clone_spare = 2\n "
	"nat = refuse\n keep_alive = 0s\n mmx_vid_in_init = yes\n"
	"  retransmit_timeout = 500ms\n retransmit_base = 1.5\n retransmit_tries = 4\n"
	"  window = 8\n unique = replace\n fragmentation = force\n fragment_size = 300\n"
	"  local { id = \"user@example.org\"\n auth = psk }\n"
	"  remote { id = gw.example.org }\n"
	"  child \"net\" { local_ts = {dynamic}\n"
	"    remote_ts = {\"10.1.0.77/24\", \"10.2.0.1-10.2.0.9[udp/1000-2000]\", \"::/0[58]\"}\n"
	"    esp_proposals = {\"aes128gcm16-ecp256-noesn\", \"aes256-sha512\"}\n"
	"    mode = tunnel\n start_action = start\n copy_dscp = in\n df = copy\n tfc_padding = mtu "
	"per_cpu = 40 }\n"
	"  child \"b\" { }\n"
	"  path \"p1\" { uplink = wlan\n remote = 198.51.100.1\n weight = 3 }\n"
	"}\n"
	"connection \"two\" { local { id = 192.0.2.9 }\n remote { id = \"@#0aFF\" }\n child \"c\" "
	"{ } }\n"
	"secret \"any\" { secret = fallback }\n"
	"secret \"gw\" { id = {gw.example.org}\n secret = 0x00ff10 }\n"
	"secret \"both\" { id = {\"user@example.org\", \"gw.example.org\"}\n secret = "
	"\"0sAAEC/w==\" }\n";

static const char *owner(const struct conf *c, const char *interface, enum uplink_kind kind)
{
	const struct conf_uplink *u = conf_uplink_of(c, interface, kind);

	return u ? u->name : "none";
}

/* Which uplink an interface is: named ones first, then the first that fits. */
Test(conf, interfaces_by_name_pattern_and_kind)
{
	struct conf *c =
		load("uplink \"w\" {\n interface = \"wl*\"\n exclude = { wlan7, \"wlx*\" }\n"
		     " cost = 9\n}\n"
		     "uplink \"any\" {\n kind = wlan\n metered = true\n}\n"
		     "uplink \"cable\" {\n kind = wired\n exclude = { \"veth*\" }\n}\n"
		     "uplink \"one\" {\n interface = wlan5\n}\n"
		     "uplink \"modem\" {\n interface = \"ww?n[0-3]\"\n kind = ran\n}\n");

	cr_assert(c, "%s", error);
	cr_assert(conf_uplink_many(&c->uplinks[0]) && conf_uplink_many(&c->uplinks[2]));
	cr_assert_not(conf_uplink_many(&c->uplinks[3]));
	cr_assert_eq(c->uplinks[0].cost, 9);
	cr_assert(c->uplinks[1].metered && !c->uplinks[0].metered);
	cr_assert_str_eq(owner(c, "wlan0", UPLINK_WLAN), "w");
	cr_assert_str_eq(owner(c, "wlan0", UPLINK_ANY), "w", "the name alone decides");
	cr_assert_str_eq(owner(c, "wlan5", UPLINK_WLAN), "one", "the one that names it");
	cr_assert_str_eq(owner(c, "wlan7", UPLINK_WLAN), "any", "excluded by the first");
	cr_assert_str_eq(owner(c, "wlx00", UPLINK_ANY), "none");
	cr_assert_str_eq(owner(c, "eth0", UPLINK_WIRED), "cable");
	cr_assert_str_eq(owner(c, "eth0", UPLINK_ANY), "none");
	cr_assert_str_eq(owner(c, "veth0", UPLINK_WIRED), "none");
	cr_assert_str_eq(owner(c, "wwan3", UPLINK_ANY), "modem");
	cr_assert_str_eq(owner(c, "wwan4", UPLINK_RAN), "none", "with a pattern kind is a word");
	conf_free(c);
}

Test(conf, everything_is_read)
{
	struct conf *c = load(full_text);

	cr_assert(c, "%s", error);
	cr_assert_str_eq(c->log_level, "debug");
	cr_assert(c->allow_key_export);
	cr_assert_eq(c->ike.cookie_threshold, 5);
	cr_assert_eq(c->ike.half_open_max, 1000);
	cr_assert_eq(c->n_uplinks, 2);
	cr_assert_eq(c->uplinks[0].weight, 2);
	cr_assert_eq(c->uplinks[0].kind, UPLINK_WLAN);
	cr_assert_eq(c->uplinks[0].gateway.family, 4);
	cr_assert_eq(c->uplinks[0].mtu, 1280);
	cr_assert_eq(c->uplinks[1].mtu, 0);
	cr_assert_eq(c->uplinks[0].probe_interval_usec, 0);
	cr_assert_eq(c->uplinks[0].fail_back_usec, CONF_UNSET);
	cr_assert_eq(c->uplinks[0].sla_delay_usec, 0);
	cr_assert_eq(c->uplinks[0].sla_loss_permille, 0);
	cr_assert_eq(c->uplinks[1].probe_interval_usec, 50000);
	cr_assert_eq(c->uplinks[1].fail_back_usec, 0);
	cr_assert_eq(c->uplinks[1].sla_delay_usec, 80000);
	cr_assert_eq(c->uplinks[1].sla_jitter_usec, 20000);
	cr_assert_eq(c->uplinks[1].sla_loss_permille, 50);
	cr_assert_eq(c->uplinks[1].sla_hold_usec, 2000000);
	cr_assert_eq(c->uplinks[1].sla_clear_usec, 60000000);
	cr_assert_eq(c->uplinks[1].sla_hysteresis, 30);
	cr_assert_eq(c->fail_back_usec, 7000000);
	cr_assert_eq(c->ike.conns[0].probe_interval, 200000);
	cr_assert_eq(c->ike.conns[1].probe_interval, 0);
	cr_assert_eq(c->mtu_raise_sec, 60);
	cr_assert_eq(c->standby_sec, 2);
	cr_assert_eq(c->uplinks[1].weight, 1);
	cr_assert_eq(c->uplinks[1].preference, 1);
	cr_assert_eq(c->probe_interval_usec, 100000);
	cr_assert_eq(c->probe_down_after, 4);
	cr_assert_eq(c->probe_up_after, 1);
	cr_assert_str_eq(c->tun, "t0");
	cr_assert_eq(c->tun_mtu, 1300);
	cr_assert_eq(c->sa_max, 1024);
	cr_assert_eq(c->stable4_remote.b[2], 1);
	cr_assert_eq(c->stable6_local.b[0], 0xfd);
	cr_assert_eq(c->attach, CONF_ATTACH_XDP);
	cr_assert_eq(c->crypto, CONF_CRYPTO_OPENSSL);
	cr_assert_eq(c->workers, 2);
	cr_assert(c->busy_poll);
	cr_assert(c->drop_unknown);
	cr_assert_eq(c->spread, CONF_SPREAD_PACKETS);
	static const struct permit_entry permit[] = { { 0, false, PERMIT_ADMIN },
						      { 1007, false, PERMIT_ADMIN },
						      { 4242, true, PERMIT_READ },
						      { 0, true, PERMIT_READ } };
	cr_assert_eq(c->consent_wait_usec, 500000);
	cr_assert_eq(c->consent_wait_max_usec, 60000000);
	cr_assert_eq(c->permit.n, 4);
	for (size_t i = 0; i < 4; i++) {
		cr_expect_eq(c->permit.list[i].id, permit[i].id, "entry %zu", i);
		cr_expect_eq(c->permit.list[i].group, permit[i].group, "entry %zu", i);
		cr_expect_eq(c->permit.list[i].level, permit[i].level, "entry %zu", i);
	}
	/* a network keeps its own and the broadcast address to itself */
	cr_assert_eq(c->ike.n_pools, 2);
	cr_assert_eq(c->ike.pools[0].first.b[3], 1);
	cr_assert_eq(c->ike.pools[0].last.b[3], 254);
	cr_assert_eq(c->ike.pools[0].n_dns, 1);
	cr_assert_eq(c->ike.pools[1].last.b[15], 0x1f);
	cr_assert_eq(c->n_paths, 1);
	cr_assert_str_eq(c->paths[0].conn, "home");
	cr_assert_str_eq(c->paths[0].uplink, "wlan");
	cr_assert_eq(c->paths[0].weight, 3);
	conf_free(c);
}

/* [AUT-3]: as long as one likes, in three notations, and not an octet more than was written. */
Test(conf, notations_of_secrets)
{
	static const char *const begins[] = { "", "0x", "0s" };
	static const uint8_t base64[] = { 0x0c, 0x30, 0xc3 }; /* DDDD */
	char text[1200], line[1000], digits[801];
	struct conf *c;

	for (unsigned i = 0; i < 3; i++) {
		size_t n = i == 1 ? 800 : 400, octets = i == 2 ? 300 : 400;

		memset(digits, i == 1 ? '4' : 'D', n);
		digits[n] = '\0';
		snprintf(line, sizeof(line), "%s%s", begins[i], digits);
		snprintf(text, sizeof(text),
			 UPLINK "connection \"home\" { " LOCAL CHILD
				" }\nsecret \"s\" { secret = \"%s\" }\n",
			 line);
		c = load(text);
		cr_assert(c, "%s", error);
		cr_assert_eq(c->ike.conns[0].psk.len, octets);
		for (size_t k = 0; k < octets; k++)
			cr_assert_eq(c->ike.conns[0].psk.b[k], i == 2 ? base64[k % 3] : 'D');
		conf_free(c);
	}
}

Test(conf, connection_is_read)
{
	struct conf *c = load(full_text);

	cr_assert(c, "%s", error);
	cr_assert_eq(c->ike.n_conns, 2);
	const struct ike_conn_cfg *h = &c->ike.conns[0];
	cr_assert_eq(h->n_local_addrs, 0);
	cr_assert_eq(h->n_remote_addrs, 2);
	cr_assert_eq(h->remote_addrs[1].family, 6);
	cr_assert_eq(h->n_vips, 2);
	cr_assert_eq(h->n_pools, 2);
	cr_assert_eq(h->dpd_delay, 5000000);
	cr_assert_eq(h->silence, 50000);
	cr_assert_eq(c->ike.conns[1].silence, 1000000);
	cr_assert_eq(h->keep_alive, 0);
	cr_assert_eq(c->ike.conns[1].keep_alive, 20000000);
	cr_assert_not(h->encap);
	cr_assert_eq(h->multipath, IKE_MULTIPATH_PROBES);
	cr_assert_eq(h->clone_order, IKE_CLONE_MOVE_FIRST);
	cr_assert_eq(h->clone_pairs, IKE_CLONE_ALL);
	cr_assert(h->vips_per_line);
	cr_assert_eq(h->clone_fallback, IKE_FALLBACK_IKE_SAS);
	cr_assert_eq(h->clone_spare, 2);
	cr_assert_eq(h->public_key_bits, 192);
	cr_assert_eq(c->ike.conns[1].public_key_bits, 0);
	cr_assert(h->mmx_vid_in_init && !c->ike.conns[1].mmx_vid_in_init);
	cr_assert_eq(c->ike.conns[1].clone_spare, 0);
	cr_assert_eq(c->ike.conns[1].clone_fallback, IKE_FALLBACK_SINGLE);
	cr_assert_not(c->ike.conns[1].vips_per_line);
	cr_assert_eq(c->ike.conns[1].multipath, IKE_MULTIPATH_PROBES);
	cr_assert_eq(c->ike.conns[1].clone_order, IKE_CLONE_CHILD_FIRST);
	cr_assert_eq(c->ike.conns[1].clone_pairs, IKE_CLONE_EACH);
	cr_assert_not(h->mobike);
	cr_assert(c->ike.conns[1].mobike);
	cr_assert_not(h->clone);
	cr_assert_eq(h->ike_sas_max, 3);
	cr_assert(c->ike.conns[1].clone);
	cr_assert_eq(c->ike.conns[1].ike_sas_max, 16);
	cr_assert_eq(h->child_sas_max, 5000);
	cr_assert_eq(h->derived_max, 4000);
	cr_assert_eq(c->ike.conns[1].derived_max, IKE_DERIVED_MAX);
	cr_assert_eq(c->ike.conns[1].child_sas_max, IKE_CHILDREN_MAX);
	cr_assert_eq(h->mobike_patience, 60000000);
	cr_assert_eq(c->ike.conns[1].mobike_patience, 300000000);
	cr_assert_eq(h->return_check, IKE_RETURN_AFTER);
	cr_assert_eq(c->ike.conns[1].return_check, IKE_RETURN_BEFORE);
	cr_assert_eq(h->nat, IKE_NAT_REFUSE);
	cr_assert_eq(c->ike.conns[1].nat, IKE_NAT_ACCEPT);
	cr_assert_eq(h->retransmit_timeout, 500000);
	cr_assert_float_eq(h->retransmit_base, 1.5, 1e-9);
	cr_assert_eq(h->retransmit_tries, 4);
	cr_assert_eq(h->window, 8);
	cr_assert_eq(c->ike.conns[1].window, 1);
	cr_assert_eq(h->unique, IKE_UNIQUE_REPLACE);
	cr_assert_eq(c->ike.conns[1].unique, IKE_UNIQUE_NO);
	cr_assert_eq(h->fragmentation, IKE_FRAGMENT_FORCE);
	cr_assert_eq(h->fragment_size, 300);
	cr_assert_eq(c->ike.conns[1].fragmentation, IKE_FRAGMENT_YES);
	cr_assert_eq(c->ike.conns[1].fragment_size, 0);
	cr_assert_eq(h->local_id.type, ID_RFC822_ADDR);
	cr_assert_eq(h->remote_id.type, ID_FQDN);
	cr_assert_eq(h->remote_id.len, 14);
	cr_assert_eq(h->n_children, 2);
	const struct ike_child_cfg *n = &h->children[0];
	cr_assert_eq(n->start, START_START);
	cr_assert(n->dscp_in && !n->dscp_out);
	cr_assert_eq(n->df, CHILD_DF_COPY);
	cr_assert_eq(n->tfc, IKE_TFC_MTU);
	cr_assert_eq(h->children[1].tfc, 0);
	cr_assert_eq(n->per_cpu, 40);
	cr_assert_eq(n->per_cpu_max, 40);
	cr_assert_eq(h->children[1].per_cpu, 0);
	cr_assert_eq(h->children[1].per_cpu_max, 0, "[RSC-3] it has pools");
	cr_assert_eq(c->ike.conns[1].children[0].per_cpu_max, 32);
	cr_assert(n->local_ts[0].dynamic);
	cr_assert_eq(n->n_remote_ts, 3);
	cr_assert_eq(n->remote_ts[0].first.b[3], 0);
	cr_assert_eq(n->remote_ts[0].last.b[3], 255);
	cr_assert_eq(n->remote_ts[1].protocol, 17);
	cr_assert_eq(n->remote_ts[1].port_first, 1000);
	cr_assert_eq(n->remote_ts[1].port_last, 2000);
	cr_assert_eq(n->remote_ts[2].protocol, 58);
	cr_assert_eq(n->remote_ts[2].port_last, 65535);
	cr_assert(h->children[1].remote_ts[0].dynamic);
	/* both ids beat one, one beats none */
	cr_assert_eq(h->psk.len, 4);
	cr_assert_eq(memcmp(h->psk.b, "\0\1\2\xff", 4), 0);
	cr_assert_eq(c->ike.conns[1].psk.len, 8);
	cr_assert_eq(memcmp(c->ike.conns[1].psk.b, "fallback", 8), 0);
	cr_assert_eq(c->ike.conns[1].local_id.type, ID_IPV4_ADDR);
	cr_assert_eq(c->ike.conns[1].remote_id.type, ID_KEY_ID);
	cr_assert_eq(c->ike.conns[1].remote_id.data[1], 0xff);
	conf_free(c);
}

Test(conf, equally_good_secrets_are_refused)
{
	cr_assert_null(load(UPLINK "connection \"x\" { " LOCAL CHILD " }\n"
				   "secret \"one\" { id = {a.example}\n secret = a }\n"
				   "secret \"two\" { id = {a.example}\n secret = b }\n"));
	cr_assert_str_eq(error,
			 "braid.conf:7: found secret \"two\" as good as \"one\" for connection "
			 "\"x\" (a.example, %any), expected one");
}

/* Whatever is cut off or overwritten: accepted or refused with a message, nothing else. */
Test(conf, damaged_files)
{
	size_t len = strlen(full_text);
	char *text = malloc(len + 1);
	struct conf *c;
	uint32_t seed = 1;

	for (size_t n = 0; n < len; n += 7) {
		put("braid.conf", 0600, full_text, n);
		if (conf_load("braid.conf", &c, error) == 0)
			conf_free(c);
		else
			cr_assert(!strncmp(error, "braid.conf:", 11), "%s", error);
	}
	for (int i = 0; i < 400; i++) {
		memcpy(text, full_text, len);
		for (int k = 0; k < 3; k++) {
			static const char evil[] = "{}()=+,\"'#\n\\$\0\xff";

			seed = seed * 1664525 + 1013904223;
			text[(seed >> 8) % len] = evil[seed % (sizeof(evil) - 1)];
		}
		put("braid.conf", 0600, text, len);
		error[0] = '\0';
		if (conf_load("braid.conf", &c, error) == 0)
			conf_free(c);
		else
			cr_assert_neq(error[0], '\0');
	}
	free(text);
}

Test(conf, nul_and_size)
{
	struct conf *c;
	char *big = malloc((1 << 20) + 1);

	put("braid.conf", 0600, "log_level = info\n\0x", 19);
	cr_assert_eq(conf_load("braid.conf", &c, error), -EINVAL);
	cr_assert_str_eq(error, "braid.conf:2: found a NUL octet, expected text");
	memset(big, '\n', (1 << 20) + 1);
	put("braid.conf", 0600, big, (1 << 20) + 1);
	cr_assert_eq(conf_load("braid.conf", &c, error), -EFBIG);
	cr_assert_str_eq(error, "braid.conf: cannot be read: larger than 1 MiB");
	free(big);
}

Test(conf, examples)
{
	static const char *const names[] = { "roadwarrior.conf", "gateway.conf",  "clones.conf",
					     "mmx.conf",	 "steering.conf", "kernel.conf" };
	struct conf *c;

	copy("secrets.conf", "secrets.conf");
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		copy(names[i], "braid.conf");
		cr_assert_eq(conf_load("braid.conf", &c, error), 0, "%s: %s", names[i], error);
		cr_assert_eq(c->n_uplinks, 2);
		cr_assert_eq(c->ike.n_conns, 1);
		cr_assert_gt(c->ike.conns[0].psk.len, 0);
		conf_free(c);
	}
}

/* The example of braid.conf(5): several keys on a line. */
Test(conf, keys_share_a_line)
{
	struct conf *c =
		load("uplink \"w\" { interface = wlan0  kind = wlan  weight = 2 }" SECRET
		     "connection \"h\" { remote_addrs = { \"198.51.100.1\" } " LOCAL
		     "child \"n\" { remote_ts = { \"10.1.0.0/24\" }  start_action = start } }");

	cr_assert(c, "%s", error);
	cr_assert_eq(c->uplinks[0].weight, 2);
	cr_assert_eq(c->ike.conns[0].children[0].start, START_START);
	conf_free(c);
}
