/* SPDX-License-Identifier: GPL-2.0-only */
/* Probes that an operator asks for. Control thread. */
#include <errno.h>
#include <linux/types.h>
#include <string.h>

#include "abi/steer.h"
#include "crypto/rng.h"
#include "paths_impl.h"

int paths_ping(struct engine *e, const struct engine_ping *req)
{
	const struct path *p = path_find(e, req->id);
	struct sa *sa = p ? sad_sender(&e->sad, p->cfg.sa_id) : NULL;
	struct probe probe = { .kind = PROBE_REQUEST };
	struct pmtu_grid grid;
	size_t len = PROBE_LEN, inner;
	struct ping ping;
	int err;

	if (!sa || !e->configured)
		return p ? -EAGAIN : -ENOENT;
	grid = path_grid(e, p, sa);
	if (req->octets > PMTU_CEILING)
		return -EINVAL;
	/* Pad Length and Next Header are the last two octets of what is encrypted */
	if (req->octets > grid.offset + PROBE_LEN + 2u)
		len = req->octets - grid.offset - (req->octets - grid.offset) % grid.unit - 2u;
	if (len < PROBE_LEN)
		len = PROBE_LEN;
	inner = (len + 2 + grid.unit - 1) / grid.unit * grid.unit;
	err = rng_bytes(probe.nonce, sizeof(probe.nonce));
	if (err)
		return err;
	/* not one of those that the peer counts */
	probe.flags = p->wish | PROBE_SIZED;
	probe.epids = p->cfg.epids;
	probe.t_sent = engine_now();
	ping = (struct ping){
		.path = p->cfg.id,
		.seq = req->seq,
		.octets = (uint16_t)(grid.offset + inner),
		.sent = probe.t_sent,
	};
	memcpy(ping.nonce, probe.nonce, sizeof(ping.nonce));
	pings_sent(&e->paths->pings, &ping);
	/* A send that fails is a probe that is not answered. */
	path_send_probe(e, sa, &probe, len, p->cfg.id, NULL, 0);
	return 0;
}

bool path_answered_ping(struct engine *e, const struct note_probe *n, const struct probe *probe)
{
	struct engine_pong m = { .h.type = ENGINE_EV_PONG };
	struct ping ping;
	struct path *p;

	if (!pings_take(&e->paths->pings, probe->nonce, n->received, &ping))
		return false;
	p = path_find(e, ping.path);
	if (p)
		p->heard = n->received;
	m.id = ping.path;
	m.seq = ping.seq;
	m.octets = ping.octets;
	m.rtt_usec = n->received > ping.sent ? (uint32_t)(n->received - ping.sent) : 1;
	e->event(e, &m.h, sizeof(m));
	return true;
}
