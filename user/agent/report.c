/* SPDX-License-Identifier: GPL-2.0-only */
/* Answers in JSON: what there is, from core, engine and maps. Shapes: ctl/json.h. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/secret.h"
#include "base/version.h"
#include "crypto/alg.h"
#include "crypto/x509.h"
#include "ikemsg/ikemsg.h"
#include "bindings.h"
#include "report_impl.h"

enum { TEXT_MAX = 128 };

static void set_limit(json_t *o, const char *key, uint64_t limit)
{
	set(o, key, limit ? json_integer((json_int_t)limit) : NULL);
}

static void set_hex(json_t *o, const char *key, uint64_t v, int digits)
{
	char text[20];

	snprintf(text, sizeof(text), "%0*" PRIx64, digits, v);
	set_str(o, key, text);
}

json_t *report_addrs(const struct addr *a, size_t n)
{
	json_t *l = json_array();
	char text[ADDR_STR];

	for (size_t i = 0; i < n; i++)
		json_array_append_new(l, json_string(addr_format(&a[i], text)));
	return l;
}

static json_t *ts_text(const struct ike_ts *ts)
{
	char first[ADDR_STR], last[ADDR_STR], text[TEXT_MAX + 64];
	struct addr lo, hi;
	size_t n = 0;
	int len;

	addr_format(&ts->first, first);
	if (ts->dynamic) /* of the configuration */
		n = (size_t)snprintf(text, sizeof(text), "dynamic");
	for (len = (int)addr_len(&ts->first) * 8; len >= 0; len--) {
		addr_prefix_range(&ts->first, (uint8_t)len, &lo, &hi);
		if (addr_equal(&lo, &ts->first) && addr_equal(&hi, &ts->last))
			break;
	}
	if (len >= 0 && !n)
		n = (size_t)snprintf(text, sizeof(text), "%s/%d", first, len);
	else if (!n)
		n = (size_t)snprintf(text, sizeof(text), "%s-%s", first,
				     addr_format(&ts->last, last));
	if (ts->protocol || ts->port_first != 0 || ts->port_last != 65535)
		snprintf(text + n, sizeof(text) - n, "[%u/%u-%u]", ts->protocol, ts->port_first,
			 ts->port_last);
	return json_string(text);
}

json_t *report_selectors(const struct ike_ts *ts, uint8_t n)
{
	json_t *l = json_array();

	for (uint8_t i = 0; i < n; i++)
		json_array_append_new(l, ts_text(&ts[i]));
	return l;
}

json_t *report_id(const struct ike_id *id)
{
	char text[IKE_ID_MAX * 2 + 4];
	size_t n = id->len;

	if (id->type == 1 || id->type == 5) {
		struct addr a = addr_from_bytes(id->type == 1 ? 4 : 6, id->data);

		return json_string(addr_format(&a, text));
	}
	if (id->type == ID_DER_ASN1_DN)
		return json_string(dn_format(id->data, id->len, text, sizeof(text)));
	for (size_t i = 0; i < n; i++)
		if (id->data[i] < 0x20 || id->data[i] > 0x7e)
			goto hex;
	snprintf(text, sizeof(text), "%.*s", (int)n, (const char *)id->data);
	return json_string(text);
hex:
	for (size_t i = 0; i < n; i++)
		snprintf(text + 2 * i, 3, "%02x", id->data[i]);
	return json_string(text);
}

/* ---- status ---- */

static json_t *endpoints_json(const struct uplink *u)
{
	json_t *l = json_array();
	char text[ADDR_STR];

	for (size_t i = 0; i < u->n_eps; i++)
		json_array_append_new(l, json_pack("{s:i, s:s}", "id", (int)u->eps[i].epid,
						   "address", addr_format(&u->eps[i].addr, text)));
	return l;
}

static json_t *uplinks_json(struct agent *a)
{
	json_t *l = json_array();

	for (size_t i = 0; i < a->n_uplinks; i++) {
		const struct uplink *u = &a->uplinks[i];
		json_t *o = json_object();
		struct addr addrs[AGENT_EPS_MAX];

		for (size_t k = 0; k < u->n_eps; k++)
			addrs[k] = u->eps[k].addr;
		set_str(o, "name", u->name);
		set_str(o, "section", u->cfg.name);
		set_int(o, "id", u->ifid);
		set_str(o, "kind", conf_kind_words[u->cfg.kind]);
		set_str(o, "interface", u->cfg.interface);
		set_int(o, "ifindex", u->ifindex);
		set(o, "up", json_boolean(u->up));
		set(o, "addresses", report_addrs(addrs, u->n_eps));
		set(o, "endpoints", endpoints_json(u));
		set_int(o, "weight", u->cfg.weight);
		set_int(o, "preference", u->cfg.preference);
		set_int(o, "cost", u->cfg.cost);
		set(o, "metered", json_boolean(u->cfg.metered));
		set_str(o, "attach", u->ifindex ? dp_uplink_mode(a->dp, u->ifindex) : "none");
		set_str(o, "attach_why", u->attach_why);
		json_array_append_new(l, o);
	}
	return l;
}

static const char *conn_state(struct agent *a, const char *name)
{
	static const char *const words[] = {
		[IKE_PROGRESS_NONE] = "down",
		[IKE_PROGRESS_CONNECTING] = "connecting",
		[IKE_PROGRESS_ESTABLISHED] = "established",
	};

	return words[ike_conn_progress(a->ike, name)];
}

static json_t *conn_json(struct agent *a, const struct ike_conn_cfg *c)
{
	json_t *o = json_object(), *children = json_array();
	const char *state = conn_state(a, c->name);
	struct conn_state st;
	unsigned n = 0, up = 0, lines = 0, families = 0;

	for (size_t k = 0; k < c->n_children; k++) {
		const char *child = c->children[k].name;

		json_array_append_new(
			children,
			json_pack("{s:s, s:s, s:b}", "name", child, "state",
				  agent_child_up(a, c->name, child) ? "installed" : "down", "held",
				  conns_held(a, c->name, child)));
	}
	hash_for_each (it, tmp, &a->peers_of, hash_octets(c->name, strlen(c->name))) {
		struct peer *p = hash_entry(it, struct peer, by_conn);

		if (strcmp(p->conn, c->name) != 0)
			continue;
		lines++;
		families += family_is_first(p);
		list_for_each (pi, &p->paths) {
			n++;
			up += path_works(list_entry(pi, struct path, node));
		}
	}
	set_str(o, "name", c->name);
	set_str(o, "state", state);
	set(o, "remote_addrs", report_addrs(c->remote_addrs, c->n_remote_addrs));
	set(o, "multipath", json_boolean(c->multipath != IKE_MULTIPATH_NO));
	set(o, "clones", clones_report(a, c->name));
	set_int(o, "families", families);
	set_int(o, "lines", lines);
	set_int(o, "paths", n);
	set_int(o, "paths_up", up);
	set(o, "children", children);
	conns_state(a, c->name, &st);
	set(o, "wanted", json_boolean(st.wanted));
	set(o, "held", json_boolean(st.held));
	set(o, "retry_usec",
	    !strcmp(state, "down") && st.next ? json_integer((json_int_t)st.next) : NULL);
	set_str(o, "last_error", st.error);
	set(o, "last_error_usec", st.error_at ? json_integer((json_int_t)st.error_at) : NULL);
	return o;
}

json_t *report_status(struct agent *a)
{
	json_t *o = json_object(), *e = json_object(), *conns = json_array();
	struct rtnl_link steer = { 0 };

	set_str(o, "version", BRAID_VERSION);
	set_int(o, "pid", (uint64_t)getpid());
	set_int(o, "now_usec", agent_now());
	set_int(o, "started_usec", a->started);
	set_str(o, "config", a->opt.conf_file);
	set_str(o, "state_dir", a->opt.state_dir);
	set_str(o, "pin_dir", a->opt.pin_dir);
	set(o, "esp",
	    json_pack("{s:s, s:s}", "by", a->kernel_esp ? "kernel" : "engine", "why", a->esp_why));
	set(e, "connected", json_boolean(engine_ready(a)));
	set_int(e, "pid", a->engine_hello.pid);
	set_int(e, "workers", a->engine_hello.workers);
	set_str(e, "crypto", a->engine_hello.crypto);
	set_str(e, "tun", a->engine_hello.tun);
	set_int(e, "started_usec", a->engine_hello.started_usec);
	set(o, "engine", e);
	rtnl_link_by_index(a->rtnl, dp_steer_ifindex(a->dp), &steer);
	set(o, "steer",
	    json_pack("{s:s, s:i}", "device", steer.name, "ifindex", (int)steer.ifindex));
	set(o, "uplinks", uplinks_json(a));
	for (size_t i = 0; i < a->conf->ike.n_conns; i++)
		json_array_append_new(conns, conn_json(a, &a->conf->ike.conns[i]));
	set(o, "conns", conns);
	return o;
}

/* ---- sas ---- */

uint64_t report_authentic(const struct engine_sa_info *s)
{
	return s->in_packets + s->dummies + s->drop_ts + s->drop_ecn;
}

static void on_sa(void *ctx, const struct engine_sa_info *s)
{
	json_t *o = ctx;

	set_str(o, "driver", s->driver);
	set_int(o, "rx_packets", s->in_packets);
	set_int(o, "rx_octets", s->in_octets);
	set_int(o, "tx_packets", s->out_packets);
	set_int(o, "tx_octets", s->out_octets);
	set_int(o, "seq_out", s->seq_out);
	set_int(o, "seq_in_high", s->seq_in_high);
	set_int(o, "rx_missing",
		s->seq_in_high > report_authentic(s) ? s->seq_in_high - report_authentic(s) : 0);
	set_int(o, "drop_replay", s->drop_replay);
	set_int(o, "duplicates", s->duplicates);
	set_int(o, "drop_integrity", s->drop_integrity);
	set_int(o, "drop_malformed", s->drop_malformed);
	set_int(o, "drop_ts", s->drop_ts);
	set_int(o, "drop_ecn", s->drop_ecn);
	set_int(o, "last_rx_usec", s->last_in_usec);
	set_int(o, "last_tx_usec", s->last_out_usec);
}

static json_t *child_json(struct agent *a, const struct ike_child_info *c)
{
	json_t *o = json_object();

	set_int(o, "id", c->id);
	set_str(o, "name", c->name);
	set_str(o, "state", c->state);
	set_str(o, "mode", child_mode_name(c->mode));
	set_hex(o, "spi_in", c->spi_in, 8);
	set_hex(o, "spi_out", c->spi_out, 8);
	if (c->binding)
		set_int(o, "binding", c->binding);
	if (c->cpu)
		set_int(o, "cpu", c->cpu - 1u);
	set_str(o, "suite", c->suite);
	set(o, "esn", json_boolean(c->esn));
	set(o, "encap", json_boolean(c->encap));
	set_int(o, "since_usec", c->since);
	set_usec(o, "rekey_usec", c->rekey_at);
	set_usec(o, "ends_usec", c->ends_at);
	set_limit(o, "rekey_octets", c->soft_octets);
	set_limit(o, "life_octets", c->hard_octets);
	set_limit(o, "rekey_packets", c->soft_packets);
	set_limit(o, "life_packets", c->hard_packets);
	set(o, "local_ts", report_selectors(c->ts_local, c->n_ts_local));
	set(o, "remote_ts", report_selectors(c->ts_remote, c->n_ts_remote));
	engine_sa_get(a, c->id, on_sa, o);
	return o;
}

json_t *report_sa(struct agent *a, const struct ike_sa *ike_sa)
{
	json_t *sa = json_object(), *children = json_array(), *vendors = json_array();
	const struct peer *peer;
	struct ike_child_info ci;
	struct ike_sa_info s;

	ike_sa_look(ike_sa, &s);
	set_str(sa, "conn", s.conn);
	set_str(sa, "state", s.state);
	set(sa, "initiator", json_boolean(s.initiator));
	set_str(sa, "role", s.role_i ? "I" : "R");
	set_int(sa, "family", s.family);
	set_int(sa, "line", s.line);
	set(sa, "clone_of", s.clone_of ? json_integer((json_int_t)s.clone_of) : json_null());
	set(sa, "clone", json_boolean(s.clone_ok));
	set_int(sa, "session_usec", s.session);
	set_int(sa, "family_ike_sas", s.family_lines);
	set_int(sa, "family_children", s.family_children);
	peer = peer_find(a, s.line);
	if (peer && !strcmp(s.state, "ESTABLISHED"))
		report_line(a, peer, sa);
	set(sa, "mmx", report_mmx(a, s.line));
	set_hex(sa, "spi_i", s.spi_i, 16);
	set_hex(sa, "spi_r", s.spi_r, 16);
	set_udp(sa, "local", &s.path.local);
	set_udp(sa, "remote", &s.path.remote);
	set(sa, "nat_local", json_boolean(s.nat_local));
	set(sa, "nat_remote", json_boolean(s.nat_remote));
	set(sa, "local_id", report_id(&s.local_id));
	set(sa, "remote_id", report_id(&s.remote_id));
	set_str(sa, "suite", s.suite);
	set_int(sa, "since_usec", s.since);
	set_usec(sa, "rekey_usec", s.rekey_at);
	set_usec(sa, "reauth_usec", s.reauth_at);
	set_usec(sa, "ends_usec", s.ends_at);
	for (size_t i = 0; i < s.n_vendors; i++)
		json_array_append_new(vendors, json_string(s.vendors[i]));
	set(sa, "vendor_ids", vendors);
	set(sa, "vips", report_addrs(s.vips, s.n_vips));
	for (const struct child_sa *c = ike_child_next(ike_sa, NULL); c;
	     c = ike_child_next(ike_sa, c)) {
		ike_child_look(c, &ci);
		json_array_append_new(children, child_json(a, &ci));
	}
	set(sa, "children", children);
	return sa;
}

/* ---- keys ---- */

static void set_secret(json_t *o, const char *key, const struct secret *s)
{
	char text[2 * SECRET_MAX + 1] = "";

	for (size_t i = 0; i < s->len; i++)
		snprintf(text + 2 * i, 3, "%02x", s->b[i]);
	set(o, key, json_string(text));
	secret_wipe(text, sizeof(text));
}

json_t *report_keys(struct agent *a)
{
	json_t *o = json_object(), *ike = json_array();
	struct ike_sa_keys k;

	for (const struct ike_sa *sa = ike_sa_first(a->ike); sa; sa = ike_sa_next(a->ike, sa)) {
		json_t *e;

		if (!ike_keys_look(sa, &k))
			continue;
		e = json_object();
		set_hex(e, "spi_i", k.spi_i, 16);
		set_hex(e, "spi_r", k.spi_r, 16);
		set_secret(e, "sk_ei", &k.sk_ei);
		set_secret(e, "sk_er", &k.sk_er);
		set_secret(e, "sk_ai", &k.sk_ai);
		set_secret(e, "sk_ar", &k.sk_ar);
		set_str(e, "encr", alg_name(TRANSFORM_ENCR, k.encr_id, k.encr_key_bits));
		set(e, "integ",
		    json_string(k.integ_id ? alg_name(TRANSFORM_INTEG, k.integ_id, 0) : ""));
		json_array_append_new(ike, e);
	}
	secret_wipe(&k, sizeof(k));
	set(o, "ike", ike);
	/* ESP keys are the engine's or the kernel's, and never come back */
	set(o, "esp", json_array());
	return o;
}
