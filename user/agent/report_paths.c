/* SPDX-License-Identifier: GPL-2.0-only */
/* braid paths: what is known of each path, and of the pairs of addresses in standby. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent.h"
#include "report_impl.h"

/* Rates are those since an earlier look: one that is old enough, and not too old. */
#define RATE_LEAST (200 * USEC_PER_MSEC)
#define RATE_STEP  USEC_PER_SEC
#define RATE_MOST  (10 * USEC_PER_SEC)

/* Whom the SAs are asked for, so that a gateway's list does not take long. */
enum { SEQ_PEERS_MAX = 64, SEQ_CHILDREN_MAX = 16, SEQS_LEAST = 50 };

/* What a path carried since then. usec 0: there was no such look. seqs: packets that the peer's
 * sequence numbers tell of, and how many of them came; 0: not known. */
struct rate {
	usec_t usec;
	struct steer_path_stat total, grown;
	uint64_t seqs, authentic;
};

static void add_seqs(void *ctx, const struct engine_sa_info *s)
{
	struct path_look *l = ctx;

	if (s->flags & ENGINE_SA_NO_REPLAY)
		return;
	l->seqs += s->seq_in_high;
	l->authentic += report_authentic(s);
	l->sas = l->sas * 31 + s->id + 1;
}

/* Sequence numbers say what was lost on the way here, for free, where all packets of an SA come by
 * one path. Of several paths nobody knows on which a number was. */
static void look_at_seqs(struct agent *a, const struct path *p, struct path_look *l)
{
	const struct peer *peer = p->peer;
	size_t n = 0;

	if (p->probed || peer->paths.next->next != &peer->paths || a->lines.n > SEQ_PEERS_MAX)
		return;
	list_for_each (it, &peer->children)
		if (n++ < SEQ_CHILDREN_MAX)
			engine_sa_get(a, list_entry(it, struct child, node)->id, add_seqs, l);
}

static void rate_of(struct agent *a, struct path *p, usec_t now, struct rate *r)
{
	struct path_look *older = &p->looks[0], *newer = &p->looks[1], from, fresh = { .at = now };
	bool step = !newer->at || now - newer->at >= RATE_STEP;

	*r = (struct rate){ 0 };
	dp_path_stat(a->dp, p->id, &r->total);
	fresh.stat = r->total;
	look_at_seqs(a, p, &fresh);
	from = step || !older->at ? *newer : *older;
	if (step) {
		*older = *newer;
		*newer = fresh;
	}
	if (!from.at || now - from.at < RATE_LEAST || now - from.at > RATE_MOST + RATE_STEP ||
	    r->total.tx_packets < from.stat.tx_packets ||
	    r->total.rx_packets < from.stat.rx_packets)
		return;
	r->usec = now - from.at;
	r->grown.tx_packets = r->total.tx_packets - from.stat.tx_packets;
	r->grown.tx_octets = r->total.tx_octets - from.stat.tx_octets;
	r->grown.rx_packets = r->total.rx_packets - from.stat.rx_packets;
	r->grown.rx_octets = r->total.rx_octets - from.stat.rx_octets;
	if (!fresh.sas || fresh.sas != from.sas || fresh.seqs < from.seqs + SEQS_LEAST ||
	    fresh.authentic < from.authentic)
		return;
	r->seqs = fresh.seqs - from.seqs;
	r->authentic = fresh.authentic - from.authentic;
}

/* What came late, out of order, makes up for some that is missing. */
static json_t *loss_by_esp(const struct rate *r)
{
	uint64_t lost = r->seqs > r->authentic ? r->seqs - r->authentic : 0;

	return r->seqs ? json_integer((json_int_t)(1000 * lost / r->seqs)) : NULL;
}

static json_t *per_sec(const struct rate *r, uint64_t n)
{
	return r->usec ? json_integer((json_int_t)(n * USEC_PER_SEC / r->usec)) : NULL;
}

static void set_rate(json_t *o, const struct rate *r, uint64_t octets_of_all)
{
	uint64_t octets = r->grown.tx_octets + r->grown.rx_octets;

	set_int(o, "tx_packets", r->total.tx_packets);
	set_int(o, "tx_octets", r->total.tx_octets);
	set_int(o, "rx_packets", r->total.rx_packets);
	set_int(o, "rx_octets", r->total.rx_octets);
	set_or_null(o, "rate_usec", r->usec);
	set(o, "tx_packets_sec", per_sec(r, r->grown.tx_packets));
	set(o, "tx_octets_sec", per_sec(r, r->grown.tx_octets));
	set(o, "rx_packets_sec", per_sec(r, r->grown.rx_packets));
	set(o, "rx_octets_sec", per_sec(r, r->grown.rx_octets));
	set(o, "esp_loss_in_permille", loss_by_esp(r));
	set(o, "share_permille",
	    r->usec && octets_of_all ? json_integer((json_int_t)(1000 * octets / octets_of_all))
				     : NULL);
}

/* The peer tells us apart from what it sees; of the peer itself a port that nobody chose tells.
 * What IKE found out counts for its own pair. */
static void set_nat(struct agent *a, json_t *o, const struct path *p)
{
	const struct udp_addr *seen = &p->info.observed;
	bool ike_pair = addr_equal(&p->local.ip, &p->peer->ike_path.local.ip) &&
			addr_equal(&p->remote.ip, &p->peer->ike_path.remote.ip);
	bool us = false, peer = false,
	     known = ike_pair && ike_nats(a->ike, p->peer->line, &us, &peer);

	set_udp(o, "observed", seen);
	set(o, "nat_local",
	    p->probed && seen->ip.family ? json_boolean(!addr_equal(&seen->ip, &p->local.ip) ||
							(seen->port && seen->port != p->local.port))
	    : known			 ? json_boolean(us)
					 : NULL);
	set(o, "nat_remote",
	    known			  ? json_boolean(peer)
	    : p->remote.port != PORT_NATT ? json_true()
					  : NULL);
}

static void set_rtt(json_t *o, const struct standby *s)
{
	if (!s || !s->rtt)
		return;
	set_int(o, "rtt_usec", s->rtt);
	set_int(o, "rtt_min_usec", s->rtt_min);
	set_int(o, "jitter_usec", s->jitter);
}

static json_t *path_json(struct agent *a, const struct path *p, const struct rate *r,
			 uint64_t octets_of_all)
{
	const struct uplink *u = p->uplink >= 0 ? &a->uplinks[p->uplink] : NULL;
	const struct ike_path pair = { p->local, p->remote, p->ifindex };
	json_t *o = json_object();
	struct rtnl_link link = { 0 };

	rtnl_link_by_index(a->rtnl, p->ifindex, &link);
	set_int(o, "id", p->id);
	set_str(o, "conn", p->peer->conn);
	set_str(o, "name", p->name);
	set_int(o, "family", p->peer->family->key);
	set_int(o, "line", p->peer->line);
	set_int(o, "family_lines", p->peer->family->n_lines);
	set_str(o, "uplink", u ? u->name : NULL);
	set_str(o, "interface", link.name);
	set_int(o, "ifindex", p->ifindex);
	set_int(o, "epid_i", p->epid_i);
	set_int(o, "epid_r", p->epid_r);
	set_udp(o, "local", &p->local);
	set_udp(o, "remote", &p->remote);
	set_nat(a, o, p);
	set_str(o, "state", path_state_name(p->state));
	set_str(o, "why", p->why);
	set_int(o, "since_usec", p->since);
	set(o, "verified", json_boolean(p->verified || p->main));
	set_str(o, "checked_by", p->probed ? "probes" : "ike");
	set(o, "peer_use", json_boolean(p->peer_use));
	set(o, "peer_standby", json_boolean(p->peer_standby));
	set(o, "preferred", json_boolean(path_is_preferred(p)));
	set(o, "one_way", json_boolean(p->info.one_way));
	set(o, "in_group", json_boolean(p->in_group));
	if (!p->probed)
		set_rtt(o, standby_of(p->peer, &pair));
	if (p->probed && p->info.rtt_usec) {
		set_int(o, "rtt_usec", p->info.rtt_usec);
		set_int(o, "rtt_min_usec", p->info.rtt_min_usec);
		set_int(o, "jitter_usec", p->info.rtt_jitter_usec);
		set_int(o, "loss_permille", p->info.loss_permille);
		if (p->info.loss_there_permille != ENGINE_LOSS_UNKNOWN) {
			set_int(o, "loss_out_permille", p->info.loss_there_permille);
			set_int(o, "loss_in_permille", p->info.loss_back_permille);
		}
		set_int(o, "probes_tx", p->info.probes_tx);
		set_int(o, "probes_rx", p->info.probes_rx);
	}
	set_usec(o, "last_rx_usec", path_heard(a, p));
	set_int(o, "weight", p->weight);
	set_int(o, "share", p->share);
	set(o, "standby", json_boolean(report_standby_word(p)));
	set_str(o, "standby_why", report_standby_word(p));
	set_int(o, "mtu", path_mtu(p));
	set_str(o, "mtu_from", path_mtu_from(a, p));
	set_rate(o, r, octets_of_all);
	set_str(o, "attach", dp_uplink_mode(a->dp, p->ifindex));
	set_str(o, "attach_why", u ? u->attach_why : NULL);
	return o;
}

static json_t *standby_json(struct agent *a, const struct peer *p, const struct standby *s)
{
	const struct uplink *u = uplink_of(a, s->pair.ifindex);
	const struct ike_path pair = move_with_ports(a, p, &s->pair);
	char name[2 * IKE_NAME_MAX];
	json_t *o = json_object();

	snprintf(name, sizeof(name), "%s", s->name);
	if (p->family->n_lines > 1)
		path_line_name(p, s->name, name);
	set_str(o, "conn", p->conn);
	set_str(o, "name", name);
	set_int(o, "line", p->line);
	set_str(o, "uplink", u ? u->name : NULL);
	set_udp(o, "local", &pair.local);
	set_udp(o, "remote", &pair.remote);
	set_str(o, "state", "standby");
	set_str(o, "why",
		!s->tested  ? "not tested yet"
		: s->silent ? "did not answer the last test"
			    : "answered the last test");
	set(o, "preferred", json_boolean(standby_preferred(p, &s->pair)));
	set_rtt(o, s);
	set_usec(o, "tested_usec", s->tested);
	set_usec(o, "answered_usec", s->answered);
	return o;
}

json_t *report_standbys(struct agent *a, const char *conn)
{
	json_t *out = json_array();

	list_for_each (it, &a->peers) {
		const struct peer *p = list_entry(it, struct peer, node);

		if (!p->standbys || (conn && strcmp(conn, p->conn)))
			continue;
		for (size_t i = 0; i < p->standbys->n; i++)
			if (!standby_in_use(p, &p->standbys->list[i]) &&
			    !family_uses(p, &p->standbys->list[i].pair))
				json_array_append_new(out,
						      standby_json(a, p, &p->standbys->list[i]));
	}
	return out;
}

static size_t path_count(const struct family *f)
{
	size_t n = 0;

	list_for_each (li, &f->lines)
		list_for_each (it, &list_entry(li, struct peer, in_family)->paths)
			n++;
	return n;
}

void report_family_paths(struct agent *a, const struct family *f, json_t *out)
{
	struct rate *rates = calloc(path_count(f) + 1, sizeof(*rates)), *r = rates;
	uint64_t octets = 0;
	usec_t now = agent_now();

	if (!rates)
		return;
	list_for_each (li, &f->lines) {
		list_for_each (it, &list_entry(li, struct peer, in_family)->paths) {
			rate_of(a, list_entry(it, struct path, node), now, r);
			octets += r->grown.tx_octets + r->grown.rx_octets;
			r++;
		}
	}
	r = rates;
	list_for_each (li, &f->lines)
		list_for_each (it, &list_entry(li, struct peer, in_family)->paths)
			json_array_append_new(
				out, path_json(a, list_entry(it, struct path, node), r++, octets));
	free(rates);
}
