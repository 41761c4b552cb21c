/* SPDX-License-Identifier: GPL-2.0-only */
/* NAT detection, the move to port 4500, and the dynamic address update (RFC 7296 2.23); keepalives
 * (RFC 3948 4). */
#include <string.h>

#include "ike_private.h"
#include "mobike.h"
#include "parts.h"

/* SHA-1( SPIi | SPIr | address | port ), SPIs as in this header: SPIr is 0 in the first request. */
static void natd_hash(uint64_t spi_i, uint64_t spi_r, const struct udp_addr *a,
		      uint8_t out[SHA1_OCTETS])
{
	uint8_t buf[8 + 8 + 16 + 2];
	struct wr w = wr_init(buf, sizeof(buf));
	struct chunk in;

	wr_u64(&w, spi_i);
	wr_u64(&w, spi_r);
	wr_bytes(&w, a->ip.b, addr_len(&a->ip));
	wr_u16(&w, a->port);
	in = (struct chunk){ buf, w.len };
	if (sha1_digest(&in, 1, out))
		memset(out, 0, SHA1_OCTETS);
}

void natd_put(struct part_ctx *c)
{
	uint8_t src[SHA1_OCTETS], dst[SHA1_OCTETS];
	uint64_t spi_r = c->place == AT_INIT_REQUEST ? 0 : c->sa->spi_r;

	natd_hash(c->sa->spi_i, spi_r, &c->path->local, src);
	natd_hash(c->sa->spi_i, spi_r, &c->path->remote, dst);
	msg_put_notify(c->m, PROTO_NONE, NULL, 0, N_NAT_DETECTION_SOURCE_IP, src, sizeof(src));
	msg_put_notify(c->m, PROTO_NONE, NULL, 0, N_NAT_DETECTION_DESTINATION_IP, dst, sizeof(dst));
}

void natd_build(struct part_ctx *c)
{
	const struct ike_sa *sa = c->sa;
	bool put = sa->conn->c.nat != IKE_NAT_REFUSE;

	/* in INFORMATIONAL as an answer to detection payloads in the request, and from behind a NAT
	 * to find out whether it still has our mapping (4555 3.8) */
	if (c->place == AT_INFO_RESPONSE)
		put = msg_notify(c->in, N_NAT_DETECTION_SOURCE_IP);
	else if (c->place == AT_INFO_REQUEST)
		put = sa->mobike && sa->role_i && sa->nat_local;
	if (put)
		natd_put(c);
}

/* The peer says as which address and port it sees us. */
enum natd_mapping natd_mapping(struct ike_sa *sa, const struct ike_msg *in)
{
	const struct notify *n = msg_notify(in, N_NAT_DETECTION_DESTINATION_IP);
	struct mobike *m = sa->mobike;
	enum natd_mapping ret = MAPPING_SAME;

	if (!m || !n || n->data.len != SHA1_OCTETS)
		return MAPPING_SAME;
	if (!m->dest_known)
		ret = MAPPING_FIRST;
	else if (memcmp(m->dest, n->data.p, SHA1_OCTETS))
		ret = MAPPING_CHANGED;
	memcpy(m->dest, n->data.p, SHA1_OCTETS);
	m->dest_known = true;
	return ret;
}

static bool any_matches(const struct ike_msg *in, uint16_t type, const uint8_t *hash, bool *ret_any)
{
	*ret_any = false;
	for (unsigned i = 0; i < in->n_notifies; i++) {
		const struct notify *n = &in->notifies[i];

		if (n->type != type)
			continue;
		*ret_any = true;
		if (n->data.len == SHA1_OCTETS && !memcmp(n->data.p, hash, SHA1_OCTETS))
			return true;
	}
	return false;
}

bool natd_look(const struct ike_msg *in, const struct ike_path *path, bool *ret_local,
	       bool *ret_remote)
{
	uint8_t src[SHA1_OCTETS], dst[SHA1_OCTETS];
	bool has_src, has_dst, src_ok, dst_ok;

	natd_hash(in->hdr.spi_i, in->hdr.spi_r, &path->remote, src);
	natd_hash(in->hdr.spi_i, in->hdr.spi_r, &path->local, dst);
	src_ok = any_matches(in, N_NAT_DETECTION_SOURCE_IP, src, &has_src);
	dst_ok = any_matches(in, N_NAT_DETECTION_DESTINATION_IP, dst, &has_dst);
	if (!has_src || !has_dst)
		return false;
	*ret_remote = !src_ok; /* none of the source hashes matches */
	*ret_local = !dst_ok;
	return true;
}

void natd_process(struct part_ctx *c)
{
	struct ike_sa *sa = c->sa;

	if (sa->conn->c.nat != IKE_NAT_REFUSE &&
	    natd_look(c->in, c->path, &sa->nat_local, &sa->nat_remote))
		sa->natt_peer = true;
}

bool path_marker(const struct ike_path *path)
{
	return path->local.port != PORT_IKE;
}

void natd_float(struct ike_sa *sa)
{
	if (sa->path.local.port == PORT_IKE)
		sa->path.local.port = PORT_NATT;
	if (sa->path.remote.port == PORT_IKE)
		sa->path.remote.port = PORT_NATT;
}

/* "a host not behind a NAT ... SHOULD send all packets ... to the IP address and port from the last
 * valid authenticated packet from the other end": only then, and only on a new message. */
static bool mapping_changed(const struct ike_sa *sa, const struct ike_path *path)
{
	return sa->nat_remote && !sa->nat_local && sa->state == IKE_ESTABLISHED &&
	       !udp_addr_equal(&sa->path.remote, &path->remote) &&
	       sa->path.remote.ip.family == path->remote.ip.family;
}

void natd_seen(struct ike *ike, struct ike_sa *sa, const struct ike_path *path)
{
	char from[ADDR_PORT_STR], to[ADDR_PORT_STR];

	if (sa->mobike || !mapping_changed(sa, path))
		return;
	udp_addr_format(&sa->path.remote, from);
	sa->path.remote = path->remote;
	ike_sa_touch(sa);
	out_event(ike, sa, IKE_EV_PEER_MOVED, 0, 0, "the peer's NAT mapping changed from %s to %s",
		  from, udp_addr_format(&path->remote, to));
}

/* A packet that somebody kept and sends from elsewhere must not draw traffic there. */
void natd_seen_esp(struct ike *ike, struct ike_sa *sa, const struct ike_path *path)
{
	struct ike_path to = sa->path;

	if (!sa->mobike) {
		natd_seen(ike, sa, path);
		return;
	}
	if (!mapping_changed(sa, path))
		return;
	to.remote = path->remote;
	mobike_pair(ike, sa->line, &to);
	sa->mobike->by_esp = sa->mobike->by_peer = true;
	routability_check(sa);
	window_run(ike, sa);
}

/* "a peer SHOULD send a NAT-keepalive packet if ... no other packet to the peer has been sent"
 * (3948 4), from behind the NAT only. Where ESP is not in UDP there is nothing to keep open. */
usec_t natd_keepalive_at(const struct ike_sa *sa)
{
	if (sa->state != IKE_ESTABLISHED || !sa->nat_local || !sa->conn->c.keep_alive ||
	    !path_marker(&sa->path))
		return USEC_NEVER;
	return sa->last_tx + sa->conn->c.keep_alive;
}

void natd_keepalive(struct ike *ike, struct ike_sa *sa)
{
	if (natd_keepalive_at(sa) <= ike->now)
		out_keepalive(ike, sa, &sa->path);
}

bool ike_keepalive_due(const struct ike *ike, usec_t now)
{
	const struct heap_node *n = heap_first(&ike->timers); /* whose turn is next */

	return n && natd_keepalive_at(heap_entry(n, struct ike_sa, timer)) <= now;
}
