/* SPDX-License-Identifier: GPL-2.0-only */
/* Traffic classes, rates and budgets in the configuration. */
#include <criterion/criterion.h>

#include "../lib/conf_dir.h"

#define UPLINKS                                                                                    \
	"uplink \"home\" { interface = wlan0 kind = wlan }\n"                                      \
	"uplink \"lte\" { interface = wwan0 kind = ran metered = true }\n"
#define MATCH "match { dscp = { ef } }"

TestSuite(conf_class, .init = dir_enter, .fini = dir_leave, .timeout = 60);

static struct conf *loaded(const char *text)
{
	char all[4096];
	struct conf *c;

	snprintf(all, sizeof(all), UPLINKS "%s", text);
	c = load(all);
	cr_assert(c, "%s: %s", text, error);
	return c;
}

Test(conf_class, none)
{
	struct conf *c = loaded("");

	cr_assert_eq(c->classes.n_classes, 1);
	cr_assert_eq(c->classes.n_rules, 0);
	cr_assert_not(c->classes.default_given);
	cr_assert_str_eq(c->classes.classes[0].name, "default");
	cr_assert_eq(c->uplinks[0].budget.period, BUDGET_NONE);
	cr_assert_eq(c->uplinks[0].rate_bps, 0);
	cr_assert_not(c->uplinks[0].trusted);
	conf_free(c);
}

Test(conf_class, rules_are_read)
{
	struct conf *c = loaded(
		"class \"voice\" {\n"
		" match { dscp = { ef, CS5, 0x2c, 7 } protocol = udp local_port = 5004-5010 }\n"
		" match { remote = 203.0.113.77/26 mark = 0x10/0xf0 cgroup = "
		"/system.slice/a.service "
		"}\n"
		"}\n"
		"class \"bulk\" { match { local = 2001:db8::/32 remote_port = 873 protocol = tcp } "
		"match { mark = 7 } match { } }\n");
	const struct class_rule *r = c->classes.rules;

	cr_assert_eq(c->classes.n_classes, 3);
	cr_assert_eq(c->classes.n_rules, 5);
	cr_assert_eq(r[0].klass, 1);
	cr_assert_eq(r[0].dscp,
		     UINT64_C(1) << 46 | UINT64_C(1) << 40 | UINT64_C(1) << 44 | UINT64_C(1) << 7);
	cr_assert_eq(r[0].protocol, 17);
	cr_assert_eq(r[0].local_port[0], 5004);
	cr_assert_eq(r[0].local_port[1], 5010);
	cr_assert_eq(r[0].remote_port[0], 0);
	cr_assert_eq(r[0].remote_port[1], 65535);
	cr_assert_eq(r[0].mark_mask, 0);
	cr_assert_eq(r[0].line, 4);
	cr_assert_eq(r[1].klass, 1);
	cr_assert_eq(r[1].dscp, 0);
	cr_assert_eq(r[1].remote.family, 4);
	cr_assert_eq(r[1].remote.b[3], 64, "the bits behind the prefix are 0");
	cr_assert_eq(r[1].remote_len, 26);
	cr_assert_eq(r[1].mark, 0x10);
	cr_assert_eq(r[1].mark_mask, 0xf0);
	cr_assert_str_eq(r[1].cgroup, "system.slice/a.service");
	cr_assert_eq(r[2].klass, 2);
	cr_assert_eq(r[2].local.family, 6);
	cr_assert_eq(r[2].local_len, 32);
	cr_assert_eq(r[2].remote_port[0], 873);
	cr_assert_eq(r[3].mark_mask, UINT32_MAX);
	cr_assert_eq(r[4].klass, 2, "a rule without anything is for everything");
	conf_free(c);
}

Test(conf_class, modes_are_read)
{
	struct conf *c = loaded(
		"class \"default\" { mode = priority prefer = { lte, wlan } overflow = 90 }\n"
		"class \"a\" { " MATCH
		" mode = redundant copies = 3 copies_when { loss = 2 jitter = "
		"20ms } }\n"
		"class \"b\" { " MATCH
		" mode = smallest-delay delay_percent = 25 delay_margin = 5ms "
		"hold = 7s }\n"
		"class \"c\" { " MATCH " mode = bond reorder { time = 50ms } }\n"
		"class \"d\" { " MATCH " mode = active-standby never = { satellite, lte } "
		"never_metered = yes only_trusted = yes sla { delay = 80ms loss = 3 clear = 5s } "
		"}\n"
		"class \"e\" { " MATCH " weights = measured }\n");
	const struct class_cfg *k = c->classes.classes;

	cr_assert(c->classes.default_given);
	cr_assert_eq(c->classes.n_classes, 6);
	cr_assert_eq(k[0].mode, CLASS_PRIORITY);
	cr_assert_eq(k[0].n_prefer, 2);
	cr_assert_str_eq(k[0].prefer[0].name, "lte");
	cr_assert_str_eq(k[0].prefer[1].name, "");
	cr_assert_eq(k[0].prefer[1].kind, UPLINK_WLAN);
	cr_assert_eq(k[0].overflow_permille, 900);
	cr_assert_eq(k[1].mode, CLASS_REDUNDANT);
	cr_assert_eq(k[1].copies, 3);
	cr_assert_eq(k[1].copies_loss_permille, 20);
	cr_assert_eq(k[1].copies_jitter_usec, 20000);
	cr_assert_eq(k[2].mode, CLASS_DELAY);
	cr_assert_eq(k[2].delay_percent, 25);
	cr_assert_eq(k[2].delay_usec, 5000);
	cr_assert_eq(k[2].hold_usec, 7000000);
	cr_assert_eq(k[3].mode, CLASS_BOND);
	cr_assert_eq(k[3].reorder_usec, 50000);
	cr_assert_eq(k[4].n_never, 2);
	cr_assert(k[4].never_metered && k[4].only_trusted);
	cr_assert_eq(k[4].sla.delay_usec, 80000);
	cr_assert_eq(k[4].sla.loss_permille, 30);
	cr_assert_eq(k[4].sla.clear_usec, 5000000);
	cr_assert_eq(k[5].mode, CLASS_BALANCE);
	cr_assert(k[5].weights_measured);
	conf_free(c);
}

Test(conf_class, uplinks)
{
	struct conf *c = load("uplink \"a\" { interface = a0 rate = 50mbit trusted = yes budget { "
			      "octets = 10g } }\n"
			      "uplink \"b\" { interface = b0 rate = 1500bit budget { octets = 500m "
			      "period = week start = "
			      "7 warn = 0 action = stop } }\n");

	cr_assert(c, "%s", error);
	cr_assert(c->uplinks[0].trusted);
	cr_assert_eq(c->uplinks[0].rate_bps, 50000000);
	cr_assert_eq(c->uplinks[0].budget.octets, UINT64_C(10) << 30);
	cr_assert_eq(c->uplinks[0].budget.period, BUDGET_MONTH);
	cr_assert_eq(c->uplinks[0].budget.action, BUDGET_STANDBY);
	cr_assert_eq(c->uplinks[0].budget.warn_percent, 80);
	cr_assert_eq(c->uplinks[0].budget.day, 1);
	cr_assert_eq(c->uplinks[1].rate_bps, 1500);
	cr_assert_eq(c->uplinks[1].budget.period, BUDGET_WEEK);
	cr_assert_eq(c->uplinks[1].budget.action, BUDGET_STOP);
	cr_assert_eq(c->uplinks[1].budget.day, 7);
	conf_free(c);
}

static const struct bad {
	const char *text, *error;
} mistakes[] = {
	{ "class \"v\" { }", "3: found class \"v\" without match, expected at least one" },
	{ "class \"default\" {\n " MATCH "\n}",
	  "3: found match in class \"default\", which is for what no other is for, expected none" },
	{ "class \"v\" {\n match { dscp = { ee } }\n}",
	  "4: found \"ee\", expected ef, af41, cs5 or 0 to 63" },
	{ "class \"v\" {\n match { protocol = 0 }\n}",
	  "4: found protocol 0, expected another one, or none for any" },
	{ "class \"v\" {\n match { dscp = { } }\n}",
	  "4: found dscp with nothing in it, expected ef, af41, cs5 or 0 to 63" },
	{ "class \"v\" {\n match { dscp = { 64 } }\n}",
	  "4: found \"64\", expected ef, af41, cs5 or 0 to 63" },
	{ "class \"v\" {\n match { local_port = 53 }\n}",
	  "4: found ports, expected protocol = tcp, udp or sctp as well" },
	{ "class \"v\" {\n match { protocol = udp\n remote_port = 9-7 }\n}",
	  "5: found \"9-7\", expected a port from 0 to 65535 or a range as 1024-2048" },
	{ "class \"v\" {\n match { protocol = upd }\n}",
	  "4: found protocol \"upd\", expected its name or 0 to 255" },
	{ "class \"v\" {\n match { local = 10.0.0.0/33 }\n}",
	  "4: found \"10.0.0.0/33\", expected an address or a prefix" },
	{ "class \"v\" {\n match { local = 10.0.0.0/8\n remote = 2001:db8::/32 }\n}",
	  "5: found local and remote of two IP versions, expected one" },
	{ "class \"v\" {\n match { mark = 0x11/0xf0 }\n}",
	  "4: found \"0x11/0xf0\", expected a mark as 0x10 or 0x10/0xff" },
	{ "class \"v\" {\n match { mark = 1/0 }\n}",
	  "4: found \"1/0\", expected a mark as 0x10 or 0x10/0xff" },
	{ "class \"v\" {\n match { cgroup = \"../x\" }\n}",
	  "4: found \"../x\", expected a control group as system.slice/sip.service, below the "
	  "mount of cgroup2" },
	{ "class \"v\" {\n " MATCH "\n prefer = { wifi }\n}",
	  "5: found \"wifi\", expected the name of an uplink, or wlan, ran, wired or satellite" },
	{ "class \"v\" {\n " MATCH "\n mode = smallest-delay\n prefer = { wlan }\n}",
	  "6: found prefer beside mode = smallest-delay, which goes by the delay alone; expected "
	  "another mode, or never" },
	{ "class \"v\" {\n " MATCH "\n mode = bonding\n}",
	  "5: found \"bonding\", expected balance, active-standby, priority, smallest-delay, "
	  "redundant or bond (did you mean \"bond\"?)" },
	{ "class \"v\" {\n " MATCH "\n copies = 2\n}",
	  "5: found copies beside mode = balance, expected mode = redundant" },
	{ "class \"v\" {\n " MATCH "\n mode = redundant\n copies_when { }\n}",
	  "6: found copies_when without a limit, expected loss or jitter" },
	{ "class \"v\" {\n " MATCH "\n reorder { time = 1s }\n}",
	  "5: found reorder beside mode = balance, expected mode = bond" },
	{ "class \"v\" {\n " MATCH "\n mode = bond reorder { time = 497ms }\n}",
	  "5: found \"497ms\", expected a time from 16ms to 496ms (as 10ms, 2s, 5m, 1h)" },
	{ "class \"v\" {\n " MATCH "\n mode = bond reorder { packets = 100 }\n}",
	  "5: found \"packets\", expected a key of reorder: time" },
	{ "class \"v\" {\n " MATCH "\n mode = bond\n weights = measured\n}",
	  "6: found weights beside mode = bond, expected mode = balance" },
	{ "class \"v\" {\n " MATCH "\n sla { hold = 3s }\n}",
	  "5: found sla without a limit, expected delay, jitter or loss" },
	{ "class \"v\" { " MATCH " }\nclass \"v\" { " MATCH " }",
	  "4: found a second section \"v\", expected another name" },
	{ "uplink \"x\" { interface = x0\n rate = 50 }",
	  "4: found \"50\", expected a rate up to 1000gbit (as 500kbit, 50mbit)" },
	{ "uplink \"x\" { interface = x0\n rate = 50mb }",
	  "4: found \"50mb\", expected a rate up to 1000gbit (as 500kbit, 50mbit)" },
	{ "uplink \"x\" { interface = x0\n rate = 0 }",
	  "4: found \"0\", expected a rate up to 1000gbit (as 500kbit, 50mbit)" },
	{ "uplink \"x\" { interface = x0\n budget { period = day } }",
	  "4: found budget without octets, expected them" },
	{ "uplink \"x\" { interface = x0\n budget { octets = 1g period = day start = 3 } }",
	  "4: found start beside period = day, expected week or month" },
	{ "uplink \"x\" { interface = x0\n budget { octets = 1g period = week start = 8 } }",
	  "4: found \"8\", expected a number from 1 to 7" },
	{ "uplink \"x\" { interface = x0\n budget { octets = 1g period = year } }",
	  "4: found \"year\", expected day, week or month" },
};

Test(conf_class, mistakes)
{
	for (size_t i = 0; i < sizeof(mistakes) / sizeof(*mistakes); i++) {
		char text[2048], want[512];
		struct conf *c;

		snprintf(text, sizeof(text), UPLINKS "%s\n", mistakes[i].text);
		c = load(text);
		snprintf(want, sizeof(want), "braid.conf:%s", mistakes[i].error);
		cr_expect_not(c, "%s", mistakes[i].text);
		cr_expect_str_eq(error, want);
		conf_free(c);
	}
}

/* It may be meant so, when an uplink comes later; mostly it is not. */
Test(conf_class, a_class_that_goes_nowhere_is_told_of)
{
	static const struct {
		const char *text, *warning; /* NULL: none */
	} cases[] = {
		{ "class \"v\" { " MATCH " never = { home } }", NULL },
		{ "class \"v\" {\n " MATCH " never = { home, lte } }",
		  "3: class \"v\" goes nowhere" },
		{ "class \"v\" { " MATCH " }\nclass \"w\" { " MATCH
		  " never = { wlan } never_metered = yes }",
		  "4: class \"w\" goes nowhere" },
		{ "class \"v\" { " MATCH " only_trusted = yes }", "3: class \"v\" goes nowhere" },
		{ "class \"default\" { only_trusted = yes }", "3: class \"default\" goes nowhere" },
		{ "uplink \"x\" { interface = x0 trusted = yes }\n"
		  "class \"v\" { " MATCH " only_trusted = yes }",
		  NULL },
		/* an uplink without a kind may turn out to be of none of these */
		{ "uplink \"x\" { interface = x0 }\n"
		  "class \"v\" { " MATCH " never = { wlan, ran, wired, satellite } }",
		  NULL },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct conf *c = loaded(cases[i].text);
		char want[128];

		cr_expect_eq(c->n_warnings, !!cases[i].warning, "%s: %u", cases[i].text,
			     c->n_warnings);
		if (c->n_warnings && cases[i].warning) {
			snprintf(want, sizeof(want), "braid.conf:%s", cases[i].warning);
			cr_expect_eq(strncmp(c->warnings[0], want, strlen(want)), 0, "%s",
				     c->warnings[0]);
		}
		conf_free(c);
	}
}

Test(conf_class, as_many_as_fit)
{
	char text[8192] = UPLINKS;
	struct conf *c;

	for (int i = 0; i < STEER_CLASSES - 1; i++)
		sprintf(text + strlen(text), "class \"c%d\" { " MATCH " }\n", i);
	strcat(text, "class \"default\" { mode = active-standby }\n");
	c = load(text);
	cr_assert(c, "%s", error);
	conf_free(c);
	strcat(text, "class \"more\" { " MATCH " }\n");
	cr_assert_not(load(text));
	cr_assert(strstr(error, "expected fewer"), "%s", error);

	strcpy(text, UPLINKS "class \"c\" {\n");
	for (int i = 0; i < CLASS_RULES_MAX; i++)
		strcat(text, MATCH "\n");
	sprintf(text + strlen(text), MATCH "\n}\n");
	cr_assert_not(load(text));
	cr_assert_str_eq(error, "braid.conf:68: found more than 64 sections match, expected fewer");
}

Test(conf_class, bonding_is_for_tunnels)
{
	static const char tail[] =
		UPLINKS "class \"v\" { " MATCH "\n mode = bond }\n"
			"secret \"s\" { secret = \"xyzzy\" }\n"
			"connection \"a\" { remote_addrs = 192.0.2.1 local { id = a } %s\n"
			" child \"net\" { mode = transport remote_ts = 192.0.2.1 } }\n";
	char text[2048];
	struct conf *c;

	snprintf(text, sizeof(text), tail, "");
	cr_assert_not(load(text));
	cr_assert_str_eq(error,
			 "braid.conf:4: found mode = bond, which needs tunnel mode, and "
			 "connection \"a\" has a child in another one; expected another mode, "
			 "or steering = false there");
	snprintf(text, sizeof(text), tail, "steering = no");
	c = load(text);
	cr_assert(c, "%s", error);
	cr_assert_not(c->ike.conns[0].steering);
	conf_free(c);
}

/* What the peer is asked for is what the class has itself, but for what is said. */
Test(conf_class, what_the_peer_is_asked_for)
{
	struct conf *c =
		loaded("class \"voice\" { " MATCH
		       " mode = redundant copies = 3 prefer = { lte, wlan } ask { } }\n"
		       "class \"video\" { " MATCH
		       " prefer = { lte } ask { mode = redundant prefer = { ran } } }\n"
		       "class \"rest\" { " MATCH " }\n"
		       "class \"bulk\" { " MATCH " mode = redundant ask { mode = priority } }\n");
	const struct class_ask *a = c->classes.asks;

	cr_assert_not(a[0].wanted);
	cr_assert(a[1].wanted);
	cr_assert_eq(a[1].mode, CLASS_REDUNDANT);
	cr_assert_eq(a[1].copies, 3);
	cr_assert_eq(a[1].n_prefer, 2);
	cr_assert_str_eq(a[1].prefer[0].name, "lte");
	cr_assert_eq(a[1].prefer[1].kind, UPLINK_WLAN);
	cr_assert_eq(a[2].mode, CLASS_REDUNDANT);
	cr_assert_eq(a[2].copies, 2);
	cr_assert_eq(a[2].n_prefer, 1);
	cr_assert_eq(a[2].prefer[0].kind, UPLINK_RAN);
	cr_assert_eq(c->classes.classes[2].mode, CLASS_BALANCE);
	cr_assert_not(a[3].wanted);
	cr_assert_eq(a[4].mode, CLASS_PRIORITY);
	cr_assert_eq(a[4].copies, 0);
	conf_free(c);
	cr_assert_not(load(UPLINKS "class \"a\" { " MATCH " ask { mode = bond copies = 2 } }"));
	cr_assert_str_eq(error, "braid.conf:3: found copies beside mode = bond, expected mode = "
				"redundant");
	cr_assert_not(load(UPLINKS "class \"a\" { " MATCH " ask { mode = twice } }"));
	cr_assert_not(load(UPLINKS "class \"a\" { " MATCH " ask { prefer = { no } } }"));
}

static struct conf *with_grant(const char *grant)
{
	char text[2048];

	snprintf(text, sizeof(text),
		 UPLINKS "class \"voice\" { " MATCH " }\n"
			 "class \"video\" { " MATCH " }\n"
			 "secret \"s\" { secret = \"xyzzy\" }\n"
			 "connection \"a\" { local { id = a } %s\n child \"net\" { } }\n"
			 "connection \"b\" { local { id = b } mmx = yes\n child \"net\" { } }\n",
		 grant);
	return load(text);
}

Test(conf_class, what_peers_are_granted)
{
	static const struct {
		const char *grant, *error;
	} bad[] = {
		{ "mmx = yes grant = { voice, vidio }",
		  "braid.conf:6: found \"vidio\", expected the name of a class, or all or none" },
		{ "mmx = yes grant = { voice, all }",
		  "braid.conf:6: found \"all\", expected the name of a class, or all or none" },
		{ "mmx = yes grant = default",
		  "braid.conf:6: found \"default\", expected the name of a class, or all or none" },
		{ "grant = all",
		  "braid.conf:6: found grant, which is for peers that ask by the multi-interface "
		  "extension, expected mmx = yes beside it" },
	};
	struct conf *c = with_grant("mmx = yes grant = { voice, video }");

	cr_assert(c, "%s", error);
	cr_assert_eq(c->ike.conns[0].n_grants, 2);
	cr_assert_str_eq(c->ike.conns[0].grants[1], "video");
	cr_assert_not(c->ike.conns[0].grant_all);
	cr_assert_eq(c->ike.conns[1].n_grants, 0);
	conf_free(c);
	c = with_grant("mmx = yes grant = all");
	cr_assert(c && c->ike.conns[0].grant_all && !c->ike.conns[1].grant_all, "%s", error);
	conf_free(c);
	c = with_grant("mmx = yes grant = none");
	cr_assert(c && !c->ike.conns[0].grant_all && !c->ike.conns[0].n_grants, "%s", error);
	conf_free(c);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		cr_expect_not(with_grant(bad[i].grant));
		cr_expect_str_eq(error, bad[i].error);
	}
}

static struct conf *with_classes(const char *const *names)
{
	char text[4096] = UPLINKS;

	for (; *names; names++)
		sprintf(text + strlen(text),
			"class \"%s\" { " MATCH " ask { copies = %c mode = redundant } }\n", *names,
			'2' + (**names & 3));
	return load(text);
}

/* While rules and paths are replaced, one after the other, a number means one class only. */
Test(conf_class, a_reload_keeps_the_numbers_of_classes)
{
	static const char *const before[] = { "a", "b", "c", "d", NULL };
	static const char *const after[] = { "new", "d", "b", "other", "more", NULL };
	struct conf *old = with_classes(before), *c = with_classes(after);

	cr_assert(old && c, "%s", error);
	conf_keep_classes(c, old);
	cr_assert_eq(c->classes.n_rules, 5);
	for (size_t i = 0; i < 5; i++)
		cr_expect_str_eq(c->classes.classes[c->classes.rules[i].klass].name, after[i]);
	for (size_t i = 1; i < 7; i++)
		cr_expect_eq(c->classes.asks[i].copies,
			     i == 3 ? 0 : 2 + (c->classes.classes[i].name[0] & 3), "%zu", i);
	cr_expect_str_eq(c->classes.classes[2].name, "b");
	cr_expect_str_eq(c->classes.classes[4].name, "d");
	cr_expect_str_eq(c->classes.classes[5].name, "new");
	cr_expect_str_eq(c->classes.classes[6].name, "other");
	cr_expect_str_eq(c->classes.classes[1].name, "more");
	cr_expect_str_eq(c->classes.classes[3].name, "", "none");
	cr_expect_eq(c->classes.n_classes, 7);
	conf_free(old);
	conf_free(c);
}
