/* SPDX-License-Identifier: GPL-2.0-only */
/* Sections "connection" with "local", "remote", "child" and "path". */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "conf_impl.h"

static int fail_missing(struct parse *p, const struct sec *s, const char *what)
{
	return conf_fail(p, s->file, s->line, "found %s%s%s%s without %s, expected it", s->kind,
			 s->name ? " \"" : "", s->name ? s->name : "", s->name ? "\"" : "", what);
}

static int too_many(struct parse *p, const struct sec *s, const char *key, size_t max)
{
	const struct val *v = sec_nth(s, key, max);

	return val_fail(p, v, "found %zu values of \"%s\", expected at most %zu", sec_count(s, key),
			key, max);
}

/* 0.0.0.0, ::, which among virtual addresses is any of the family, as often as so many are wanted
 */
static bool is_any(const struct addr *a)
{
	static const uint8_t none[sizeof(a->b)];

	return !memcmp(a->b, none, addr_len(a));
}

static int build_addrs(struct parse *p, const struct sec *s, const char *key, struct addr *out,
		       size_t max, uint8_t *ret_n)
{
	size_t n = sec_count(s, key);
	int r = 0;

	if (n > max)
		return too_many(p, s, key, max);
	for (size_t i = 0; i < n && r == 0; i++) {
		const struct val *v = sec_nth(s, key, i);

		if (!strcmp(v->text, "%any")) {
			if (n == 1)
				return 0; /* as if it were not there */
			return val_fail(p, v, "found \"%%any\" among addresses, expected it alone");
		}
		r = val_addr(p, v, 0, &out[i]);
		for (size_t j = 0; j < i && r == 0; j++)
			if (addr_equal(&out[i], &out[j]) &&
			    !(!strcmp(key, "vips") && is_any(&out[i])))
				r = val_fail(p, v, "found %s a second time, expected it once",
					     v->text);
	}
	if (r == 0)
		*ret_n = (uint8_t)n;
	return r;
}

static int build_proposals(struct parse *p, const struct sec *s, const char *key, bool esp,
			   struct ike_proposal *out, uint8_t *ret_n)
{
	size_t n = sec_count(s, key);
	int r = 0;

	*ret_n = 0;
	if (n == 0)
		conf_default_proposals(esp, out, ret_n);
	for (size_t i = 0; i < n && r == 0; i++)
		r = val_proposal(p, sec_nth(s, key, i), esp, out, IKE_PROPOSALS_MAX, ret_n);
	return r;
}

static int build_ts(struct parse *p, const struct sec *s, const char *key, struct ike_ts *out,
		    uint8_t *ret_n)
{
	size_t n = sec_count(s, key);
	int r = 0;

	if (n > IKE_TS_MAX)
		return too_many(p, s, key, IKE_TS_MAX);
	for (size_t i = 0; i < n && r == 0; i++)
		r = val_ts(p, sec_nth(s, key, i), &out[i]);
	if (n == 0) {
		out[0] = (struct ike_ts){ .dynamic = true, .port_last = 65535 };
		n = 1;
	}
	*ret_n = (uint8_t)n;
	return r;
}

static int build_title(struct parse *p, const struct sec *s, char ret[IKE_NAME_MAX])
{
	size_t len = strlen(s->name);

	/* "/" stands between connection and child on the command line */
	if (len == 0 || len >= IKE_NAME_MAX || strpbrk(s->name, "/ \t\n"))
		return conf_fail(
			p, s->file, s->line,
			"found %s \"%.80s\", expected a name of 1 to %d octets without \"/\" "
			"and spaces",
			s->kind, s->name, IKE_NAME_MAX - 1);
	strcpy(ret, s->name);
	return 0;
}

/* 0, a number of octets, or "mtu". */
static int build_tfc(struct parse *p, const struct val *v, uint32_t *ret)
{
	uint64_t octets = 0;
	int r;

	if (v && !strcmp(v->text, "mtu")) {
		*ret = IKE_TFC_MTU;
		return 0;
	}
	r = val_uint(p, v, 0, 9000, &octets);
	*ret = (uint32_t)octets;
	return r;
}

/* Addresses, not ranges; all the same where there is to be but one. */
static bool of_hosts(const struct ike_ts *ts, uint8_t n, bool one)
{
	for (uint8_t i = 0; i < n; i++)
		if (!addr_equal(&ts[i].first, &ts[i].last) ||
		    (one &&
		     (ts[i].dynamic != ts[0].dynamic || !addr_equal(&ts[i].first, &ts[0].first))))
			return false;
	return true;
}

/* Transport mode is between two hosts: by the addresses they have, which nobody assigns, or in
 * stable transport by a pair that does not change. */
static int check_hosts(struct parse *p, const struct sec *s, const struct ike_conn_cfg *conn,
		       const struct ike_child_cfg *c)
{
	const struct val *v = sec_get(s, "mode");
	bool stable = c->mode == CHILD_STABLE;
	bool local_fixed = !c->local_ts[0].dynamic || conn->n_vips,
	     remote_fixed = !c->remote_ts[0].dynamic || conn->n_pools;

	if (c->mode == CHILD_TUNNEL)
		return 0;
	if (!of_hosts(c->local_ts, c->n_local_ts, stable) ||
	    !of_hosts(c->remote_ts, c->n_remote_ts, stable))
		return val_fail(p, v,
				"found mode = %s beside a range of addresses, expected single ones "
				"in local_ts and remote_ts",
				v->text);
	if (c->mode == CHILD_TRANSPORT && (conn->n_vips || conn->n_pools))
		return val_fail(p, v,
				"found mode = transport beside vips or pools, expected tunnel or "
				"stable-transport: it uses the addresses of the hosts");
	if (stable && (!local_fixed || !remote_fixed))
		return val_fail(p, v,
				"found mode = stable-transport without addresses that stay, "
				"expected local_ts and remote_ts, or vips or pools");
	return 0;
}

/* A boolean, or for how many. Remote-access clients, which are many, get none unasked (9611 6). */
static int build_per_cpu(struct parse *p, const struct sec *s, const struct ike_conn_cfg *conn,
			 struct ike_child_cfg *c)
{
	const struct val *v = sec_get(s, "per_cpu");
	int b = v ? cfg_parse_boolean(v->text) : 0;
	uint64_t n = 0, max = conn->n_pools ? 0 : 32;
	int r = 0;

	if (b > 0)
		n = (uint64_t)sysconf(_SC_NPROCESSORS_CONF);
	else if (b < 0 && !isdigit((unsigned char)v->text[0]))
		r = val_fail(p, v, "found \"%.60s\", expected yes, no or a number of CPUs",
			     v->text);
	else if (b < 0)
		r = val_uint(p, v, 0, IKE_PER_CPU_MAX, &n);
	c->per_cpu = (uint16_t)(n < IKE_PER_CPU_MAX ? n : IKE_PER_CPU_MAX);
	max = max < c->per_cpu ? c->per_cpu : max;
	if (r == 0)
		r = val_uint(p, sec_get(s, "per_cpu_max"), 0, IKE_PER_CPU_MAX, &max);
	c->per_cpu_max = (uint16_t)max;
	return r;
}

static int build_child(struct parse *p, const struct sec *s, const struct ike_conn_cfg *conn,
		       struct ike_child_cfg *c)
{
	static const char *const modes[] = {
		[CHILD_TUNNEL] = "tunnel",
		[CHILD_TRANSPORT] = "transport",
		[CHILD_STABLE] = "stable-transport",
		NULL,
	};
	static const char *const actions[] = { "none", "start", NULL };
	/* bit 0: out, bit 1: in */
	static const char *const dscps[] = { "no", "out", "in", "yes", NULL };
	static const char *const dfs[] = { "set", "copy", "clear", NULL };
	unsigned mode = 0, start = 0, dscp = 1, df = CHILD_DF_SET;
	int r = build_title(p, s, c->name);

	if (r == 0)
		r = build_ts(p, s, "local_ts", c->local_ts, &c->n_local_ts);
	if (r == 0)
		r = build_ts(p, s, "remote_ts", c->remote_ts, &c->n_remote_ts);
	if (r == 0)
		r = build_proposals(p, s, "esp_proposals", true, c->proposals, &c->n_proposals);
	if (r == 0)
		r = val_word(p, sec_get(s, "mode"), modes, &mode);
	c->mode = (enum child_mode)mode;
	c->stable_fallback = true;
	if (r == 0)
		r = val_bool(p, sec_get(s, "stable_fallback"), &c->stable_fallback);
	if (r == 0)
		r = check_hosts(p, s, conn, c);
	if (r == 0)
		r = val_word(p, sec_get(s, "start_action"), actions, &start);
	if (r == 0)
		r = val_word(p, sec_get(s, "copy_dscp"), dscps, &dscp);
	if (r == 0)
		r = val_word(p, sec_get(s, "df"), dfs, &df);
	if (r == 0)
		r = build_tfc(p, sec_get(s, "tfc_padding"), &c->tfc);
	if (r == 0)
		r = build_per_cpu(p, s, conn, c);
	if (r == 0)
		r = conf_build_child_life(p, s, c);
	if (r < 0)
		return r;
	if (start && conn->n_remote_addrs == 0)
		return val_fail(
			p, sec_get(s, "start_action"),
			"found start_action = start, expected remote_addrs in the connection");
	c->start = start ? START_START : START_NONE;
	c->dscp_out = dscp & 1;
	c->dscp_in = dscp & 2;
	c->df = (enum child_df)df;
	return 0;
}

static int build_children(struct parse *p, const struct sec *s, struct ike_conn_cfg *c)
{
	size_t n = sec_count(s, "child");
	int r = 0;

	if (n == 0)
		return fail_missing(p, s, "a child");
	if (n > IKE_CHILDREN_MAX)
		return conf_fail(p, s->file, s->line, "found %zu children, expected at most %d", n,
				 IKE_CHILDREN_MAX);
	c->children = calloc(n, sizeof(*c->children));
	if (!c->children)
		return -ENOMEM;
	c->n_children = (uint8_t)n;
	for (size_t i = 0; i < n && r == 0; i++) {
		struct sec child = sec_sub(s, "child", i);

		r = build_child(p, &child, c, &c->children[i]);
	}
	return r;
}

/* "psk", which is the default, or how a signature has to be. */
static int build_auth(struct parse *p, const struct val *v, enum auth_kind *ret_kind,
		      struct auth_word *ret_word)
{
	static const char *const words[] = { "psk",	  "pubkey",	"rsa",	   "rsa-3072",
					     "rsa/pss",	  "rsa-sha256", "ecdsa",   "ecdsa-256",
					     "ecdsa-384", "ecdsa-521",	"ed25519", "ed448",
					     NULL };
	unsigned unused;

	*ret_word = (struct auth_word){ .types = 0 };
	if (!v || !strcmp(v->text, "psk")) {
		*ret_kind = AUTH_BY_PSK;
		return 0;
	}
	*ret_kind = AUTH_BY_PUBKEY;
	return conf_auth_word(v->text, ret_word) ? 0 : val_word(p, v, words, &unused);
}

static int build_local(struct parse *p, const struct sec *conn, const struct sec *s,
		       struct ike_conn_cfg *c)
{
	static const char *const files[] = { "certs", "ocsp" };
	struct auth_word w;
	enum auth_kind method;
	int r = build_auth(p, sec_get(s, "auth"), &c->local_auth, &w);

	if (r < 0)
		return r;
	method = c->local_auth;
	c->sign_rule = w.rule;
	/* with a certificate, its subject is our identity unless another is given */
	if (method == AUTH_BY_PSK && (!s->cfg || !sec_get(s, "id")))
		return fail_missing(p, s->cfg ? s : conn, s->cfg ? "id" : "local { id = ... }");
	if (method == AUTH_BY_PUBKEY && !sec_count(s, "certs"))
		return fail_missing(p, s, "certs");
	for (size_t i = 0; method == AUTH_BY_PSK && i < sizeof(files) / sizeof(*files); i++)
		if (sec_count(s, files[i]))
			return val_fail(p, sec_get(s, files[i]),
					"found %s of a side that uses a secret, expected auth = "
					"pubkey",
					files[i]);
	r = val_id(p, sec_get(s, "id"), &c->local_id);
	if (r == 0 && sec_get(s, "id") && ike_id_is_pattern(&c->local_id))
		r = val_fail(p, sec_get(s, "id"), "found \"%.60s\", expected our own identity",
			     sec_get(s, "id")->text);
	return r;
}

static int build_remote(struct parse *p, const struct sec *s, struct ike_conn_cfg *c)
{
	static const char *const files[] = { "cacerts", "certs", "crls", "ocsp", "revocation" };
	struct auth_word w;
	int r = build_auth(p, sec_get(s, "auth"), &c->remote_auth, &w);

	if (r < 0)
		return r;
	c->key_types = w.types;
	c->key_bits_min = w.bits;
	c->verify_rule = w.rule;
	if (c->remote_auth == AUTH_BY_PUBKEY && !sec_count(s, "cacerts") && !sec_count(s, "certs"))
		return fail_missing(p, s, "cacerts or certs");
	for (size_t i = 0; c->remote_auth == AUTH_BY_PSK && i < sizeof(files) / sizeof(*files); i++)
		if (sec_count(s, files[i]))
			return val_fail(p, sec_get(s, files[i]),
					"found %s for a peer that uses a secret, expected auth = "
					"pubkey",
					files[i]);
	return val_id(p, sec_get(s, "id"), &c->remote_id);
}

static const struct conf_uplink *find_uplink(const struct conf *c, const char *name)
{
	for (uint8_t i = 0; i < c->n_uplinks; i++)
		if (!strcmp(c->uplinks[i].name, name))
			return &c->uplinks[i];
	return NULL;
}

/* "found uplink "wlam", expected one of ..." with the nearest, for references */
static int fail_reference(struct parse *p, const struct val *v, const char *kind,
			  const char *const *names, size_t n)
{
	const char *near = conf_nearest(v->text, names, n);

	return val_fail(p, v, "found %s \"%.60s\", expected the name of a section \"%s\"%s%s%s",
			kind, v->text, kind, near ? " (did you mean \"" : "", near ? near : "",
			near ? "\"?)" : "");
}

static int build_path(struct parse *p, const struct sec *s, const struct ike_conn_cfg *conn)
{
	const char *names[CONF_UPLINKS_MAX];
	struct conf *conf = p->conf;
	struct conf_path *path = &conf->paths[conf->n_paths];
	const struct val *uplink = sec_get(s, "uplink"), *remote = sec_get(s, "remote");
	uint64_t weight = 0;
	int r = build_title(p, s, path->name);

	if (r < 0)
		return r;
	if (conf->n_paths == CONF_PATHS_MAX)
		return conf_fail(p, s->file, s->line, "found more than %d paths, expected fewer",
				 CONF_PATHS_MAX);
	if (!uplink || !remote)
		return fail_missing(p, s, uplink ? "remote" : "uplink");
	if (!find_uplink(conf, uplink->text)) {
		for (uint8_t i = 0; i < conf->n_uplinks; i++)
			names[i] = conf->uplinks[i].name;
		return fail_reference(p, uplink, "uplink", names, conf->n_uplinks);
	}
	strcpy(path->conn, conn->name);
	r = val_name(p, uplink, path->uplink);
	if (r == 0)
		r = val_addr(p, remote, 0, &path->remote);
	if (r == 0)
		r = val_uint(p, sec_get(s, "weight"), 1, 65535, &weight);
	if (r < 0)
		return r;
	path->weight = (uint16_t)weight;
	for (uint8_t i = 0; i < conn->n_remote_addrs; i++) {
		if (addr_equal(&conn->remote_addrs[i], &path->remote)) {
			conf->n_paths++;
			return 0;
		}
	}
	return val_fail(p, remote, "found %s, expected one of remote_addrs of connection \"%s\"",
			remote->text, conn->name);
}

static int build_pools_served(struct parse *p, const struct sec *s, struct ike_conn_cfg *c)
{
	const size_t max = sizeof(c->pools) / sizeof(*c->pools);
	const char *names[64];
	size_t n = sec_count(s, "pools"), n_names = 0;

	if (n > max)
		return too_many(p, s, "pools", max);
	for (; n_names < p->conf->ike.n_pools && n_names < 64; n_names++)
		names[n_names] = p->conf->ike.pools[n_names].name;
	for (size_t i = 0; i < n; i++) {
		const struct val *v = sec_nth(s, "pools", i);
		size_t k = 0;

		while (k < n_names && strcmp(names[k], v->text))
			k++;
		if (k == n_names)
			return fail_reference(p, v, "pool", names, n_names);
		strcpy(c->pools[i], v->text);
	}
	c->n_pools = (uint8_t)n;
	return 0;
}

static int build_timing(struct parse *p, const struct sec *s, struct ike_conn_cfg *c)
{
	uint64_t tries = 10;
	int r;

	c->dpd_delay = 30 * USEC_PER_SEC;
	c->silence = USEC_PER_SEC;
	c->retransmit_timeout = 2 * USEC_PER_SEC;
	c->retransmit_base = 1.8;
	c->keep_alive = 20 * USEC_PER_SEC;
	r = val_duration(p, sec_get(s, "dpd_delay"), 0, 86400 * USEC_PER_SEC, &c->dpd_delay);
	if (r == 0)
		r = val_duration(p, sec_get(s, "silence"), 0, 3600 * USEC_PER_SEC, &c->silence);
	if (r == 0)
		r = val_duration(p, sec_get(s, "keep_alive"), 0, 3600 * USEC_PER_SEC,
				 &c->keep_alive);
	if (r == 0)
		r = val_duration(p, sec_get(s, "retransmit_timeout"), 10 * USEC_PER_MSEC,
				 60 * USEC_PER_SEC, &c->retransmit_timeout);
	if (r == 0)
		r = val_double(p, sec_get(s, "retransmit_base"), 1, 4, &c->retransmit_base);
	if (r == 0)
		r = val_uint(p, sec_get(s, "retransmit_tries"), 1, 20, &tries);
	c->retransmit_tries = (uint8_t)tries;
	return r;
}

/* What a clone for each path cannot do without. */
static int clone_needs(struct parse *p, const struct sec *s, const struct ike_conn_cfg *c)
{
	const char *key = !c->clone ? "clone" : !c->mobike ? "mobike" : NULL;

	if (c->multipath != IKE_MULTIPATH_CLONE || !key)
		return 0;
	return val_fail(p, sec_get(s, key), "found \"%s\", expected true beside multipath = clone",
			sec_get(s, key)->text);
}

static int build_clone(struct parse *p, const struct sec *s, struct ike_conn_cfg *c)
{
	/* in the order of enum ike_clone_order and enum ike_clone_pairs */
	static const char *const orders[] = { "child_first", "move_first", NULL };
	static const char *const pairs[] = { "each", "all", NULL };
	unsigned order = IKE_CLONE_CHILD_FIRST, which = IKE_CLONE_EACH;
	static const char *const fallbacks[] = { "single", "ike_sas", NULL };
	static const char *const inner[] = { "shared", "per_line", NULL };
	unsigned per_line = 0, fallback = IKE_FALLBACK_SINGLE;
	uint64_t sas = 16, spare = 0, children = IKE_CHILDREN_MAX;
	int r;

	c->clone = true;
	r = val_bool(p, sec_get(s, "clone"), &c->clone);
	if (r == 0)
		r = val_word(p, sec_get(s, "clone_order"), orders, &order);
	if (r == 0)
		r = val_word(p, sec_get(s, "clone_pairs"), pairs, &which);
	if (r == 0)
		r = val_word(p, sec_get(s, "inner_address"), inner, &per_line);
	if (r == 0)
		r = val_word(p, sec_get(s, "clone_fallback"), fallbacks, &fallback);
	if (r == 0)
		r = val_uint(p, sec_get(s, "clone_spare"), 0, IKE_SAS_MAX - 1, &spare);
	if (r == 0)
		r = val_uint(p, sec_get(s, "ike_sas_max"), 1, IKE_SAS_MAX, &sas);
	if (r == 0)
		r = val_uint(p, sec_get(s, "child_sas_max"), 1, IKE_CHILDREN_TOP, &children);
	c->clone_order = order;
	c->clone_pairs = which;
	c->vips_per_line = per_line;
	c->clone_fallback = fallback;
	c->clone_spare = (uint16_t)spare;
	c->ike_sas_max = (uint16_t)sas;
	c->child_sas_max = (uint16_t)children;
	return r ? r : clone_needs(p, s, c);
}

/* A boolean, as it was before there were clones, or another word. */
static int build_multipath(struct parse *p, const struct sec *s, struct ike_conn_cfg *c)
{
	const struct val *v = sec_get(s, "multipath");
	int b = v ? cfg_parse_boolean(v->text) : p->conf->backend != CONF_BACKEND_KERNEL;

	c->multipath = b > 0 ? IKE_MULTIPATH_PROBES : IKE_MULTIPATH_NO;
	if (b >= 0)
		return 0;
	if (strcmp(v->text, "clone") != 0 && strcmp(v->text, "mmx") != 0)
		return val_fail(p, v, "found \"%.60s\", expected yes, no, clone or mmx", v->text);
	c->multipath = v->text[0] == 'c' ? IKE_MULTIPATH_CLONE : IKE_MULTIPATH_MMX;
	return 0;
}

/* It speaks of endpoints while other requests are under way: more than one at a time. */
static int build_mmx(struct parse *p, const struct sec *s, struct ike_conn_cfg *c, uint64_t *window)
{
	static const char *const words[] = { "no", "yes", "require", NULL };
	static const char *const tunnels[] = { "shared", "each", NULL };
	bool several = c->multipath == IKE_MULTIPATH_MMX;
	unsigned word = several ? IKE_MMX_YES : IKE_MMX_NO; /* in the order of enum ike_mmx */
	unsigned kind = IKE_TUNNELS_SHARED;		    /* and of enum ike_tunnels */
	uint64_t derived = IKE_DERIVED_MAX, bits = 0;
	int r = val_word(p, sec_get(s, "mmx"), words, &word);

	if (!r)
		r = val_uint(p, sec_get(s, "derived_sas_max"), 1, IKE_CHILDREN_TOP, &derived);
	if (!r)
		r = val_uint(p, sec_get(s, "public_key_bits"), 0, 256, &bits);
	if (!r)
		r = val_bool(p, sec_get(s, "mmx_vid_in_init"), &c->mmx_vid_in_init);
	if (!r)
		r = val_word(p, sec_get(s, "tunnels"), tunnels, &kind);
	if (!r && sec_get(s, "tunnels") && !several)
		r = val_fail(p, sec_get(s, "tunnels"), "found \"%s\", expected multipath = mmx",
			     tunnels[kind]);
	if (!r && several && word == IKE_MMX_NO)
		r = val_fail(p, sec_get(s, "mmx"),
			     "found \"no\", expected yes or require beside multipath = mmx");
	c->tunnels = kind;

	if (!r && word != IKE_MMX_NO && !c->mobike)
		r = val_fail(p, sec_get(s, "mobike"), "found \"no\", expected yes beside mmx = %s",
			     words[word]);
	c->mmx = word;
	c->derived_max = (uint16_t)derived;
	c->public_key_bits = (uint16_t)bits;
	if (word != IKE_MMX_NO)
		*window = 4;
	return r;
}

/* Child SAs of one IKE SA with the same selectors would be the same to the traffic. In transport
 * mode those of each uplink have its addresses. */
static int tunnels_need(struct parse *p, const struct sec *s, const struct ike_conn_cfg *c)
{
	if (c->tunnels != IKE_TUNNELS_EACH || (c->vips_per_line && c->n_vips) ||
	    ike_conn_transport(c))
		return 0;
	return val_fail(p, sec_get(s, "tunnels"),
			"found \"each\", expected vips and inner_address = per_line beside it, or "
			"children of mode = transport only");
}

static int build_switches(struct parse *p, const struct sec *s, struct ike_conn_cfg *c)
{
	static const char *const nat_words[] = { "accept", "refuse", NULL };
	uint64_t version = 2, port = 0, window = 1;
	static const char *const return_words[] = { "before", "after", "skip", NULL };
	unsigned nat = IKE_NAT_ACCEPT; /* in the order of enum ike_nat */
	unsigned ret = IKE_RETURN_BEFORE;
	int r;

	c->encap = true;
	c->steering = true;
	c->mobike = true;
	c->mobike_patience = 300 * USEC_PER_SEC;
	r = val_uint(p, sec_get(s, "version"), 2, 2, &version);
	if (r == 0)
		r = val_uint(p, sec_get(s, "remote_port"), 1, 65535, &port);
	if (r == 0)
		r = val_bool(p, sec_get(s, "encap"), &c->encap);
	if (r == 0)
		r = build_multipath(p, s, c);
	if (r == 0)
		r = val_bool(p, sec_get(s, "steering"), &c->steering);
	if (r == 0)
		r = val_duration(p, sec_get(s, "probe_interval"), CONF_PROBE_MIN, CONF_PROBE_MAX,
				 &c->probe_interval);
	if (r == 0)
		r = val_bool(p, sec_get(s, "mobike"), &c->mobike);
	if (!r)
		r = build_mmx(p, s, c, &window);
	if (r == 0)
		r = val_duration(p, sec_get(s, "mobike_patience"), 0, 3600 * USEC_PER_SEC,
				 &c->mobike_patience);
	if (r == 0)
		r = val_word(p, sec_get(s, "return_check"), return_words, &ret);
	if (r == 0)
		r = build_clone(p, s, c);
	if (r == 0)
		r = val_word(p, sec_get(s, "nat"), nat_words, &nat);
	c->return_check = ret;
	c->nat = nat;
	if (r == 0)
		r = val_uint(p, sec_get(s, "window"), 1, IKE_WINDOW_MAX, &window);
	c->remote_port = (uint16_t)port;
	c->window = (uint8_t)window;
	return r;
}

static int build_unique(struct parse *p, const struct sec *s, struct ike_conn_cfg *c)
{
	static const char *const words[] = { "no", "never", "keep", "replace", NULL };
	unsigned word = IKE_UNIQUE_NO; /* in the order of enum ike_unique */
	int r = val_word(p, sec_get(s, "unique"), words, &word);

	c->unique = word;
	return r;
}

static int build_fragmentation(struct parse *p, const struct sec *s, struct ike_conn_cfg *c)
{
	static const char *const words[] = { "yes", "no", "force", NULL };
	unsigned word = IKE_FRAGMENT_YES; /* in the order of enum ike_fragment */
	uint64_t size = 0;
	int r = val_word(p, sec_get(s, "fragmentation"), words, &word);

	if (r == 0)
		r = val_uint(p, sec_get(s, "fragment_size"), 256, 9000, &size);
	c->fragmentation = word;
	c->fragment_size = (uint16_t)size;
	return r;
}

static int build_ocsp(struct parse *p, const struct sec *s, struct ike_conn_cfg *c)
{
	enum { REPLY, REQUEST, BOTH, NEVER };
	static const char *const words[] = {
		[REPLY] = "reply", [REQUEST] = "request", [BOTH] = "both", [NEVER] = "never", NULL
	};
	unsigned word = REPLY;
	int r = val_word(p, sec_get(s, "ocsp"), words, &word);

	c->ocsp_reply = word == REPLY || word == BOTH;
	c->ocsp_request = word == REQUEST || word == BOTH;
	return r;
}

int conf_build_connection(struct parse *p, const struct sec *s, struct ike_conn_cfg *c)
{
	struct sec local = sec_sub(s, "local", 0), remote = sec_sub(s, "remote", 0);
	int r = build_title(p, s, c->name);

	if (r == 0)
		r = build_addrs(p, s, "local_addrs", c->local_addrs, IKE_ADDRS_MAX,
				&c->n_local_addrs);
	if (r == 0)
		r = build_addrs(p, s, "remote_addrs", c->remote_addrs, IKE_ADDRS_MAX,
				&c->n_remote_addrs);
	if (r == 0)
		r = build_proposals(p, s, "proposals", false, c->proposals, &c->n_proposals);
	if (r == 0)
		r = build_addrs(p, s, "vips", c->vips, IKE_VIPS_MAX, &c->n_vips);
	if (r == 0)
		r = build_pools_served(p, s, c);
	if (r == 0)
		r = build_timing(p, s, c);
	if (r == 0)
		r = conf_build_ike_life(p, s, c);
	if (r == 0)
		r = build_switches(p, s, c);
	if (r == 0)
		r = build_unique(p, s, c);
	if (r == 0)
		r = build_fragmentation(p, s, c);
	if (r == 0)
		r = build_ocsp(p, s, c);
	if (r < 0)
		return r;
	r = build_local(p, s, &local, c);
	if (r == 0 && remote.cfg)
		r = build_remote(p, &remote, c);
	if (r == 0)
		r = build_children(p, s, c);
	if (r == 0)
		r = tunnels_need(p, s, c);
	for (size_t i = 0; i < sec_count(s, "path") && r == 0; i++) {
		struct sec path = sec_sub(s, "path", i);

		r = build_path(p, &path, c);
	}
	return r;
}
