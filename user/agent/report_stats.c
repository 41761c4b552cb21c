/* SPDX-License-Identifier: GPL-2.0-only */
/* Counters of IKE, engine, steering programs and control socket. The operator may let all of them
 * begin at 0 again: those of engine and maps, which others read too, are never written for that;
 * what they stood at is taken off. Shape: ctl/json.h. */
#include "base/log.h"
#include "agent.h"
#include "report_impl.h"

/* Since that base; one that is smaller began anew by itself. */
static uint64_t since(uint64_t v, uint64_t base)
{
	return v >= base ? v - base : v;
}

/* Another engine than then counts from its own start. */
static bool same_engine(const struct agent *a)
{
	return a->base_engine_started == a->engine_hello.started_usec;
}

void counters_reset(struct agent *a)
{
	a->base_engine_started = 0; /* nobody's, if it does not answer */
	if (!engine_paths(a)) {
		a->base_engine = a->engine_counters;
		a->base_engine_started = a->engine_hello.started_usec;
	}
	dp_drops(a->dp, a->base_drops);
	ctl_server_counters(a->ctl, &a->base_ctl);
	ike_counters_reset(a->ike);
	a->reset_at = agent_now();
	log_info("counters begin at 0 again");
}

usec_t counters_since(const struct agent *a)
{
	return a->reset_at ? a->reset_at : a->started;
}

static json_t *ike_stats(struct agent *a)
{
	struct ike_counters c;
	json_t *o = json_object();

	ike_counters_get(a->ike, &c);
#define N(f) set_int(o, #f, c.f);
	FOREACH_IKE_COUNTER(N, N)
#undef N
	return o;
}

static json_t *engine_stats_json(struct agent *a)
{
	const struct engine_counters *c = &a->engine_counters, none = { 0 }, *base;
	json_t *o;

	if (engine_paths(a))
		return NULL;
	base = same_engine(a) ? &a->base_engine : &none;
	o = json_object();
#define N(f) set_int(o, #f, since(c->f, base->f))
	N(tun_rx_packets);
	N(tun_rx_octets);
	N(tun_tx_packets);
	N(tun_tx_octets);
	N(udp_rx_datagrams);
	N(udp_tx_datagrams);
	N(drop_no_policy);
	N(drop_unknown_spi);
	N(drop_short);
	N(drop_replay);
	N(duplicates);
	N(drop_integrity);
	N(drop_malformed);
	N(drop_ts);
	N(drop_ecn);
	N(drop_send);
	N(drop_tun);
	N(drop_no_buffer);
	N(drop_limit);
	N(drop_too_big);
	N(fragmented);
	N(keepalives);
	N(crypto_errors);
	N(no_link);
	N(held);
	N(drop_hold_full);
	N(drop_hold_late);
	N(drop_transport);
	N(drop_blocked);
	N(bond_waited);
	N(bond_missed);
	N(bond_late);
	N(bond_full);
	N(bond_yielded);
	N(bond_ended);
#undef N
	return o;
}

/* Each kind's beginning; that of the maps before the first reset nobody knows. */
static json_t *since_json(const struct agent *a)
{
	json_t *o = json_object();

	set_int(o, "ike", counters_since(a));
	set_int(o, "engine",
		a->reset_at && same_engine(a) ? a->reset_at : a->engine_hello.started_usec);
	set_or_null(o, "drops", a->reset_at);
	set_int(o, "ctl", counters_since(a));
	return o;
}

json_t *report_stats(struct agent *a)
{
	static const char *const reasons[DROP_MAX] = {
#define X(n, text) [DROP_##n] = #n,
		FOREACH_DROP(X)
#undef X
	};
	uint64_t drops[DROP_MAX] = { 0 };
	json_t *o = json_object(), *d = json_object();
	const struct ctl_counters *b = &a->base_ctl;
	struct ctl_counters c;

	set_int(o, "now_usec", agent_now());
	set(o, "ike", ike_stats(a));
	set(o, "engine", engine_stats_json(a));
	set(o, "since_usec", since_json(a));
	dp_drops(a->dp, drops);
	for (size_t i = 0; i < DROP_MAX; i++)
		set_int(d, reasons[i], since(drops[i], a->base_drops[i]));
	set(o, "drops", d);
	ctl_server_counters(a->ctl, &c);
	set(o, "ctl",
	    json_pack("{s:i, s:I, s:I, s:I}", "clients", (int)c.clients, "requests",
		      (json_int_t)(c.requests - b->requests), "events_lost",
		      (json_int_t)(c.events_lost - b->events_lost), "clients_dropped",
		      (json_int_t)(c.clients_dropped - b->clients_dropped)));
	return o;
}
