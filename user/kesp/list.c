/* SPDX-License-Identifier: GPL-2.0-only */
/* What the agent asks of all SAs, or of one. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "kesp_impl.h"

static void sa_info(const struct kesp_sa *s, const struct kesp_reply *to)
{
	const struct engine_sa *sa = &s->r.sa;
	struct engine_sa_info i = {
		.id = sa->id,
		.replaces = sa->replaces,
		.spi_in = sa->spi_in,
		.spi_out = sa->spi_out,
		.mark = sa->mark,
		.flags = (sa->flags & ~(uint32_t)ENGINE_SA_ENCAP) |
			 (s->r.encap != ENGINE_ENCAP_NONE ? ENGINE_SA_ENCAP : 0),
		.encr_id = sa->encr_id,
		.key_bits = sa->key_bits,
		.integ_id = sa->integ_id,
		.family = sa->family,
		.out_active = s->r.stage == SA_ACTIVE && s->has_out,
		.seq_out = s->out.seq,
		.seq_in_high = s->in.seq,
		.in_packets = s->in.packets,
		.in_octets = s->in.octets,
		.out_packets = s->out.packets,
		.out_octets = s->out.octets,
		.drop_replay = s->in.replay,
		.duplicates = s->in.duplicates,
		.drop_integrity = s->in.integrity_failed,
		.last_in_usec = s->in.last,
		.last_out_usec = s->out.last,
		.n_ts_local = sa->n_ts_local,
		.n_ts_remote = sa->n_ts_remote,
		.line = sa->line,
		.driver = "kernel",
	};

	memcpy(i.ts_local, sa->ts_local, sizeof(i.ts_local));
	memcpy(i.ts_remote, sa->ts_remote, sizeof(i.ts_remote));
	memcpy(i.name, sa->name, sizeof(i.name));
	kesp_answer(to, &i, ENGINE_SA_INFO, sizeof(i));
}

int list_sas(struct kesp *k, const struct kesp_reply *to)
{
	int err = poll_all(k);

	if (err)
		return err;
	list_for_each (it, &k->sas)
		sa_info(list_entry(it, struct kesp_sa, node), to);
	return 0;
}

int list_sa(struct kesp *k, uint32_t id, const struct kesp_reply *to)
{
	struct kesp_sa *s = sa_find(k, id);

	if (!s)
		return -ENOENT;
	poll_sa(k, s);
	sa_info(s, to);
	return 0;
}

void list_counters(struct kesp *k, const struct kesp_reply *to)
{
	struct sa_count in = k->gone_in, out = k->gone_out;
	struct engine_counters c = {
		.udp_rx_datagrams = k->udp_rx,
		.udp_tx_datagrams = k->udp_tx,
		.keepalives = k->keepalives,
		.drop_short = k->strangers,
		.drop_send = k->unsent,
		.held = k->held,
		.drop_hold_full = k->hold_full,
		.drop_hold_late = k->hold_late,
	};

	list_for_each (it, &k->sas) {
		const struct kesp_sa *s = list_entry(it, struct kesp_sa, node);

		in.packets += s->in.packets;
		in.octets += s->in.octets;
		in.replay += s->in.replay;
		in.duplicates += s->in.duplicates;
		in.integrity_failed += s->in.integrity_failed;
		out.packets += s->out.packets;
		out.octets += s->out.octets;
	}
	c.tun_rx_packets = out.packets;
	c.tun_rx_octets = out.octets;
	c.tun_tx_packets = in.packets;
	c.tun_tx_octets = in.octets;
	c.drop_replay = in.replay;
	c.duplicates = in.duplicates;
	c.drop_integrity = in.integrity_failed;
	kesp_answer(to, &c, ENGINE_COUNTERS, sizeof(c));
}
