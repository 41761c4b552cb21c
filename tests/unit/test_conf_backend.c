/* SPDX-License-Identifier: GPL-2.0-only */
/* dataplane { backend }: what is told from what only the engine can do. */
#include <criterion/criterion.h>

#include "crypto/alg.h"
#include "../lib/conf_dir.h"

#define UPLINK "uplink \"u\" { interface = eth0 }\nsecret \"s\" { secret = x }\n"
#define CONN(keys, child)                                                                          \
	"connection \"a\" {\n" keys "\nlocal { id = a.example }\nchild \"b\" {\n" child "\n}\n}\n"
#define KERNEL "dataplane { backend = kernel }\n"
#define AUTO   "dataplane { backend = auto }\n"

TestSuite(conf_backend, .init = dir_enter, .fini = dir_leave, .timeout = 60);

static struct conf *loaded(const char *text)
{
	struct conf *c = load(text);

	cr_assert(c, "%s: %s", text, error);
	return c;
}

Test(conf_backend, default_is_auto)
{
	struct conf *c = loaded(UPLINK);

	cr_assert_eq(c->backend, CONF_BACKEND_AUTO);
	cr_assert_str_empty(c->engine_for);
	conf_free(c);
}

/* What a reload adds may need the engine. */
Test(conf_backend, nothing_configured_yet)
{
	struct conf *c = loaded(UPLINK);

	cr_assert_str_eq(conf_engine_why(c),
			 "no connection is configured yet, and it can do whatever comes");
	conf_free(c);
	c = loaded(UPLINK KERNEL);
	cr_assert_str_empty(conf_engine_why(c));
	conf_free(c);
	c = loaded(UPLINK CONN("multipath = no", ""));
	cr_assert_str_empty(conf_engine_why(c));
	conf_free(c);
	c = loaded(UPLINK CONN("", ""));
	cr_assert_str_eq(conf_engine_why(c), c->engine_for);
	conf_free(c);
}

Test(conf_backend, words)
{
	struct conf *c = loaded(UPLINK KERNEL);

	cr_assert_eq(c->backend, CONF_BACKEND_KERNEL);
	conf_free(c);
	c = loaded(UPLINK AUTO);
	cr_assert_eq(c->backend, CONF_BACKEND_AUTO);
	cr_assert_str_empty(c->engine_for);
	conf_free(c);
	c = loaded(UPLINK "dataplane { backend = engine }\n");
	cr_assert_eq(c->backend, CONF_BACKEND_ENGINE);
	conf_free(c);
	cr_assert_not(load(UPLINK "dataplane { backend = xfrm }\n"));
	cr_assert_str_eq(error, "braid.conf:3: found \"xfrm\", expected auto, kernel or engine");
}

/* Path probes are what a connection has if it says nothing, but not where there can be none. */
Test(conf_backend, multipath_by_default)
{
	struct conf *c = loaded(UPLINK AUTO CONN("", ""));

	cr_assert_eq(c->ike.conns[0].multipath, IKE_MULTIPATH_PROBES);
	cr_assert_str_eq(c->engine_for, "braid.conf:4 has multipath = yes, the default: the "
					"kernel's ESP does not answer path probes");
	conf_free(c);
	c = loaded(UPLINK KERNEL CONN("", ""));
	cr_assert_eq(c->ike.conns[0].multipath, IKE_MULTIPATH_NO);
	cr_assert_str_empty(c->engine_for);
	conf_free(c);
}

/* Nothing but the engine is told of where it is asked for. */
Test(conf_backend, engine_takes_all)
{
	struct conf *c = loaded(UPLINK "dataplane { backend = engine }\n"
				       "class \"b\" { match { } mode = bond }\n" CONN(
					       "multipath = yes", "tfc_padding = mtu"));

	cr_assert_str_empty(c->engine_for);
	conf_free(c);
}

Test(conf_backend, kernel_can)
{
	static const char *const texts[] = {
		UPLINK KERNEL CONN("multipath = no", "mode = tunnel"),
		UPLINK KERNEL CONN("multipath = clone", "tfc_padding = 0"),
		UPLINK KERNEL CONN("", "mode = transport"),
		UPLINK KERNEL CONN("", "mode = stable-transport local_ts = 192.0.2.1 remote_ts = "
				       "192.0.2.2"),
		UPLINK KERNEL CONN("multipath = mmx", "copy_dscp = yes df = copy"),
		UPLINK KERNEL "class \"c\" { match { } mode = redundant }\n"
			      "class \"d\" { match { } mode = active-standby }\n"
			      "class \"e\" { match { } weights = configured }\n" CONN("", ""),
	};

	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
		conf_free(loaded(texts[i]));
}

/* Each of these is refused at its line with the kernel, and makes it the engine with auto. */
Test(conf_backend, engine_only)
{
	static const struct {
		const char *text;
		int line; /* behind UPLINK and dataplane */
		const char *what;
	} cases[] = {
		{ CONN("multipath = yes", ""), 5, "multipath = yes" },
		{ CONN("multipath = no", "mode = transport local_ts = { 192.0.2.1, 192.0.2.2 } "
					 "remote_ts = 192.0.2.3"),
		  8, "mode = transport" },
		{ CONN("multipath = no", "tfc_padding = mtu"), 8, "tfc_padding = mtu" },
		{ CONN("multipath = no", "tfc_padding = 1000"), 8, "tfc_padding = 1000" },
		{ "class \"c\" { match { }\nmode = bond }\n", 5, "mode = bond" },
		{ "class \"c\" { match { }\nmode = smallest-delay }\n", 5,
		  "mode = smallest-delay" },
		{ "class \"c\" { match { }\nweights = measured }\n", 5, "weights = measured" },
		{ "class \"c\" { match { }\nsla { delay = 10ms } }\n", 5, "sla" },
		{ "class \"c\" { match { } mode = redundant\ncopies_when { loss = 2 } }\n", 5,
		  "copies_when" },
		{ "uplink \"v\" { interface = eth1\nsla { loss = 2 } }\n", 5, "sla" },
	};
	char text[2048], want[128];
	struct conf *c;

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		snprintf(text, sizeof(text), UPLINK KERNEL "%s", cases[i].text);
		cr_assert_not(load(text), "%s", text);
		snprintf(want, sizeof(want),
			 "braid.conf:%d: found %s, expected none of it beside backend = kernel: ",
			 cases[i].line, cases[i].what);
		cr_assert_eq(strncmp(error, want, strlen(want)), 0, "%s", error);
		cr_assert_gt(strlen(error), strlen(want), "no reason: %s", error);

		snprintf(text, sizeof(text), UPLINK AUTO "%s", cases[i].text);
		c = loaded(text);
		snprintf(want, sizeof(want), "braid.conf:%d has %s: ", cases[i].line,
			 cases[i].what);
		cr_assert_eq(strncmp(c->engine_for, want, strlen(want)), 0, "%s", c->engine_for);
		conf_free(c);
	}
}

static const struct conf_esp_alg *alg_of(const struct conf_esp_alg *all, size_t n, uint16_t encr,
					 uint16_t bits, uint16_t integ)
{
	for (size_t i = 0; i < n; i++)
		if (all[i].encr_id == encr && all[i].key_bits == bits && all[i].integ_id == integ)
			return &all[i];
	return NULL;
}

/* What the kernel is asked for before it is taken: each once, and who wants it. */
Test(conf_backend, algorithms)
{
	struct conf *c = loaded(UPLINK CONN(
		"", "esp_proposals = aes128gcm16") "connection \"c\" { "
						   "local { id = c.example }\nchild \"d\" { "
						   "esp_proposals = { \"aes128gcm16\", "
						   "\"aes128-aes256-sha256-sha512\", "
						   "\"chacha20poly1305\" } } }\n");
	const struct conf_esp_alg *a;
	struct conf_esp_alg all[CONF_ESP_ALGS_MAX];
	size_t n = conf_esp_algs(c, all);

	cr_assert_eq(n, 6);
	a = alg_of(all, n, ENCR_AES_GCM_16, 128, INTEG_NONE);
	cr_assert(a);
	cr_assert_str_eq(a->conn, "a");
	cr_assert_str_eq(a->child, "b");
	cr_assert(alg_of(all, n, ENCR_AES_CBC, 256, INTEG_HMAC_SHA2_256_128));
	cr_assert(alg_of(all, n, ENCR_AES_CBC, 128, INTEG_HMAC_SHA2_512_256));
	a = alg_of(all, n, ENCR_CHACHA20_POLY1305, 0, INTEG_NONE);
	cr_assert(a);
	cr_assert_str_eq(a->conn, "c");
	cr_assert_str_eq(a->child, "d");
	conf_free(c);
	c = loaded(UPLINK);
	cr_assert_eq(conf_esp_algs(c, all), 0);
	conf_free(c);
}

/* The first one is told, wherever it stands. */
Test(conf_backend, other_file)
{
	put("more.conf", 0600, "\nclass \"b\" { match { } mode = bond }\n", 37);
	cr_assert_not(load(UPLINK KERNEL "include(\"more.conf\")\n"));
	cr_assert_eq(strncmp(error, "more.conf:2: found mode = bond", 30), 0, "%s", error);
}
