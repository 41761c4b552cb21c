/* SPDX-License-Identifier: GPL-2.0-only */
/* Connections as they are configured, and what was counted of each. Shapes: ctl/json.h. */
#include <string.h>

#include "crypto/auth.h"
#include "crypto/x509.h"
#include "ikemsg/ikemsg.h"
#include "agent.h"
#include "report_impl.h"

/* ---- configuration ---- */

static json_t *proposals_json(const struct ike_proposal *p, uint8_t n)
{
	json_t *l = json_array();
	char text[CONF_PROPOSAL_STR];

	for (uint8_t i = 0; i < n; i++)
		json_array_append_new(l, json_string(conf_proposal_text(&p[i], text)));
	return l;
}

static void append_subject(json_t *list, const struct cert *c)
{
	struct cert_info i;

	cert_describe(c, &i);
	json_array_append_new(list, json_string(i.subject));
}

/* How a side proves who it is. rule: of its signatures, see crypto/auth.h. */
static json_t *auth_json(const struct ike_id *id, enum auth_kind auth, uint32_t rule)
{
	json_t *o = json_object(), *hashes = json_array();
	const char *word;

	for (unsigned h = 0; rule & SIG_HASHES && h < 16; h++)
		if (rule & 1u << h && (word = conf_hash_word(h)))
			json_array_append_new(hashes, json_string(word));
	set(o, "id", id->type ? report_id(id) : NULL);
	set(o, "id_type", id->type ? json_string(id_type_name(id->type)) : NULL);
	set(o, "auth", json_string(auth == AUTH_BY_PUBKEY ? "pubkey" : "psk"));
	set(o, "hashes", hashes);
	set(o, "rsa_padding",
	    rule & SIG_RULE_PSS	    ? json_string("pss")
	    : rule & SIG_RULE_PKCS1 ? json_string("pkcs1")
				    : NULL);
	return o;
}

static json_t *local_json(const struct ike_conn_cfg *c)
{
	json_t *o = auth_json(&c->local_id, c->local_auth, c->sign_rule), *certs = json_array();

	for (size_t i = 0; i < c->n_creds; i++)
		append_subject(certs, cred_cert(c->creds[i], 0));
	set(o, "certs", certs);
	return o;
}

/* What the peer's certificate must have, and what is known of revoked ones. */
static void set_trust(json_t *o, const struct trust *t)
{
	json_t *cas = json_array(), *certs = json_array();

	for (size_t i = 0; t && i < trust_count(t); i++)
		append_subject(cas, trust_cert(t, i));
	for (size_t i = 0; t && i < trust_pins(t); i++)
		append_subject(certs, trust_pin(t, i));
	set(o, "cacerts", cas);
	set(o, "certs", certs);
	set(o, "revocation", t ? json_string(conf_revocation_word(trust_policy(t))) : NULL);
	set_int(o, "crls", t ? trust_crls(t) : 0);
	set_int(o, "ocsp_responses", t ? trust_responses(t) : 0);
}

static json_t *remote_json(const struct ike_conn_cfg *c)
{
	static const char *const types[] = { [KEY_RSA] = "rsa",
					     [KEY_ECDSA] = "ecdsa",
					     [KEY_ED25519] = "ed25519",
					     [KEY_ED448] = "ed448" };
	json_t *o = auth_json(&c->remote_id, c->remote_auth, c->verify_rule), *keys = json_array();

	for (size_t i = 0; i < sizeof(types) / sizeof(*types); i++)
		if (c->key_types & 1u << i)
			json_array_append_new(keys, json_string(types[i]));
	set(o, "key_types", keys);
	set_or_null(o, "key_bits_min", c->key_bits_min);
	set_trust(o, c->trust);
	return o;
}

/* The virtual addresses a peer may get. */
static void set_pools(json_t *o, const struct agent *a, const struct ike_conn_cfg *c)
{
	const struct ike_cfg *cfg = &a->conf->ike;
	json_t *names = json_array(), *ranges = json_array();
	char first[ADDR_STR], last[ADDR_STR];

	for (uint8_t i = 0; i < c->n_pools; i++) {
		json_array_append_new(names, json_string(c->pools[i]));
		for (uint16_t k = 0; k < cfg->n_pools; k++)
			if (!strcmp(cfg->pools[k].name, c->pools[i]))
				json_array_append_new(
					ranges,
					json_sprintf("%s-%s",
						     addr_format(&cfg->pools[k].first, first),
						     addr_format(&cfg->pools[k].last, last)));
	}
	set(o, "pools", names);
	set(o, "pool_addrs", ranges);
}

/* A measure of the lifetime, under the names of the configuration. */
static void set_life(json_t *o, const struct ike_life *l, const char *const keys[3])
{
	set_or_null(o, keys[0], l->soft);
	set_or_null(o, keys[1], l->hard);
	set_or_null(o, keys[2], l->rand);
}

/* The word for neither, the first, the second, both. */
static const char *words_of(bool first, bool second, const char *const words[4])
{
	return words[first + 2 * second];
}

static json_t *child_cfg_json(const struct ike_child_cfg *c)
{
	static const char *const time[] = { "rekey_time_usec", "life_time_usec", "rand_time_usec" };
	static const char *const octets[] = { "rekey_bytes", "life_bytes", "rand_bytes" };
	static const char *const packets[] = { "rekey_packets", "life_packets", "rand_packets" };
	static const char *const dscp[] = { "no", "out", "in", "yes" };
	static const char *const df[] = { "set", "copy", "clear" };
	json_t *o = json_object();

	set(o, "name", json_string(c->name));
	set(o, "mode", json_string(child_mode_name(c->mode)));
	set(o, "copy_dscp", json_string(words_of(c->dscp_out, c->dscp_in, dscp)));
	set(o, "df", json_string(df[c->df]));
	set(o, "tfc_padding",
	    c->tfc == IKE_TFC_MTU ? json_string("mtu") : json_integer((json_int_t)c->tfc));
	set(o, "per_cpu", json_integer(c->per_cpu));
	set(o, "per_cpu_max", json_integer(c->per_cpu_max));
	set(o, "start_action", json_string(c->start == START_START ? "start" : "none"));
	set(o, "local_ts", report_selectors(c->local_ts, c->n_local_ts));
	set(o, "remote_ts", report_selectors(c->remote_ts, c->n_remote_ts));
	set(o, "esp_proposals", proposals_json(c->proposals, c->n_proposals));
	set_life(o, &c->time, time);
	set_life(o, &c->octets, octets);
	set_life(o, &c->packets, packets);
	return o;
}

static json_t *paths_cfg_json(const struct agent *a, const char *conn)
{
	json_t *l = json_array();
	char text[ADDR_STR];

	for (size_t i = 0; i < a->conf->n_paths; i++) {
		const struct conf_path *p = &a->conf->paths[i];

		if (!strcmp(p->conn, conn))
			json_array_append_new(l, json_pack("{s:s, s:s, s:s, s:i}", "name", p->name,
							   "uplink", p->uplink, "remote",
							   addr_format(&p->remote, text), "weight",
							   (int)p->weight));
	}
	return l;
}

static void set_timing(json_t *o, const struct ike_conn_cfg *c)
{
	set_or_null(o, "rekey_time_usec", c->rekey_time);
	set_or_null(o, "reauth_time_usec", c->reauth_time);
	set_or_null(o, "over_time_usec", c->over_time);
	set_or_null(o, "rand_time_usec", c->rand_time);
	set_or_null(o, "dpd_delay_usec", c->dpd_delay);
	set_or_null(o, "silence_usec", c->silence);
	set_or_null(o, "keep_alive_usec", c->keep_alive);
	set_int(o, "retransmit_timeout_usec", c->retransmit_timeout);
	set(o, "retransmit_base", json_real(c->retransmit_base));
	set_int(o, "retransmit_tries", c->retransmit_tries);
}

/* How it has a clone for each path; null: it has not. */
static json_t *clones_json(const struct ike_conn_cfg *c)
{
	static const char *const orders[] = {
		[IKE_CLONE_CHILD_FIRST] = "child_first", [IKE_CLONE_MOVE_FIRST] = "move_first"
	};
	static const char *const pairs[] = { [IKE_CLONE_EACH] = "each", [IKE_CLONE_ALL] = "all" };

	if (c->multipath != IKE_MULTIPATH_CLONE)
		return json_null();
	return json_pack("{s:s, s:s, s:s, s:i}", "order", orders[c->clone_order], "pairs",
			 pairs[c->clone_pairs], "fallback",
			 c->clone_fallback == IKE_FALLBACK_SINGLE ? "single" : "ike_sas", "spare",
			 (int)c->clone_spare);
}

/* As in the configuration. */
static json_t *grant_json(const struct ike_conn_cfg *c)
{
	json_t *l = json_array();

	if (c->grant_all)
		json_array_append_new(l, json_string("all"));
	for (unsigned i = 0; i < c->n_grants; i++)
		json_array_append_new(l, json_string(c->grants[i]));
	return l;
}

json_t *report_conn(struct agent *a, const struct ike_conn_cfg *c)
{
	static const char *const fragmentation[] = {
		[IKE_FRAGMENT_YES] = "yes", [IKE_FRAGMENT_NO] = "no", [IKE_FRAGMENT_FORCE] = "force"
	};
	static const char *const ocsp[] = { "never", "request", "reply", "both" };
	static const char *const tunnels[] = { "shared", "each" };
	static const char *const mmx[] = { "no", "yes", "require" };
	static const char *const return_check[] = { "before", "after", "skip" };
	static const char *const unique[] = { [IKE_UNIQUE_NO] = "no",
					      [IKE_UNIQUE_NEVER] = "never",
					      [IKE_UNIQUE_KEEP] = "keep",
					      [IKE_UNIQUE_REPLACE] = "replace" };
	json_t *o = json_object(), *children = json_array();

	for (uint8_t i = 0; i < c->n_children; i++)
		json_array_append_new(children, child_cfg_json(&c->children[i]));
	set(o, "name", json_string(c->name));
	set(o, "local_addrs", report_addrs(c->local_addrs, c->n_local_addrs));
	set(o, "remote_addrs", report_addrs(c->remote_addrs, c->n_remote_addrs));
	set_int(o, "remote_port", c->remote_port ? c->remote_port : 500);
	set(o, "local", local_json(c));
	set(o, "remote", remote_json(c));
	set(o, "proposals", proposals_json(c->proposals, c->n_proposals));
	set(o, "vips", report_addrs(c->vips, c->n_vips));
	set_pools(o, a, c);
	set(o, "multipath", json_boolean(c->multipath != IKE_MULTIPATH_NO));
	set(o, "clones", clones_json(c));
	set(o, "inner_address", json_string(c->vips_per_line ? "per_line" : "shared"));
	set(o, "mobike", json_boolean(c->mobike));
	set(o, "mmx", json_string(mmx[c->mmx]));
	set_str(o, "tunnels", c->multipath == IKE_MULTIPATH_MMX ? tunnels[c->tunnels] : NULL);
	set_or_null(o, "mobike_patience_usec", c->mobike ? c->mobike_patience : 0);
	set(o, "return_check",
	    c->mobike ? json_string(return_check[c->return_check]) : json_null());
	set(o, "clone", json_boolean(c->clone));
	set_int(o, "ike_sas_max", c->ike_sas_max);
	set_int(o, "child_sas_max", c->child_sas_max);
	set_int(o, "derived_sas_max", c->derived_max);
	set_int(o, "public_key_bits", c->public_key_bits);
	set(o, "grant", grant_json(c));
	set(o, "nat", json_string(c->nat == IKE_NAT_ACCEPT ? "accept" : "refuse"));
	set(o, "encap", json_boolean(c->encap));
	set_int(o, "window", c->window ? c->window : 1);
	set(o, "ocsp", json_string(words_of(c->ocsp_request, c->ocsp_reply, ocsp)));
	set(o, "unique", json_string(unique[c->unique]));
	set(o, "fragmentation", json_string(fragmentation[c->fragmentation]));
	set_or_null(o, "fragment_size", c->fragment_size);
	set_timing(o, c);
	set(o, "paths", paths_cfg_json(a, c->name));
	set(o, "children", children);
	return o;
}

json_t *report_limits(const struct agent *a)
{
	const struct ike_cfg *c = &a->conf->ike;
	json_t *o = json_object();

	set_int(o, "cookie_threshold", c->cookie_threshold);
	set_int(o, "init_limit_half_open", c->half_open_max);
	set_int(o, "block_threshold", c->block_threshold);
	set_int(o, "half_open_timeout_usec", c->half_open_timeout);
	return o;
}

/* ---- counters ---- */

/* By their names; types without one together. */
static json_t *errors_json(const uint64_t errors[IKE_ERRORS])
{
	json_t *o = json_object();

	for (unsigned i = 0; i < IKE_ERRORS; i++) {
		const char *name = notify_name((uint16_t)i);
		json_int_t before = json_integer_value(json_object_get(o, name));

		if (errors[i])
			set_int(o, name, (uint64_t)before + errors[i]);
	}
	return o;
}

static void set_by_type(json_t *o, const struct ike_counters *c)
{
	json_t *exchanges = json_object();

	for (unsigned i = 0; i < IKE_EXCHANGES; i++) {
		const struct ike_exchange_counters *x = &c->exchanges[i];
		json_t *e = json_object();

		set_int(e, "requests_tx", x->requests_tx);
		set_int(e, "responses_rx", x->responses_rx);
		set_int(e, "requests_rx", x->requests_rx);
		set_int(e, "responses_tx", x->responses_tx);
		set(exchanges, exchange_name((uint8_t)(IKE_SA_INIT + i)), e);
	}
	set(o, "exchanges", exchanges);
	set(o, "errors_tx", errors_json(c->errors_tx));
	set(o, "errors_rx", errors_json(c->errors_rx));
}

json_t *report_counters(struct agent *a)
{
	json_t *o = json_object();
	struct ike_counters c;

	ike_counters_get(a->ike, &c);
#define N(f) set_int(o, #f, c.f);
	FOREACH_IKE_COUNTER(N, N)
#undef N
	set_by_type(o, &c);
	return o;
}

json_t *report_conn_counters(struct agent *a, const struct ike_conn_cfg *cfg)
{
	json_t *o = json_object();
	struct ike_counters c = { 0 };

	ike_conn_counters(a->ike, cfg->name, &c);
	set(o, "name", json_string(cfg->name));
#define N(f) set_int(o, #f, c.f);
#define NOT_HERE(f)
	FOREACH_IKE_COUNTER(N, NOT_HERE)
#undef NOT_HERE
#undef N
	set_by_type(o, &c);
	return o;
}
