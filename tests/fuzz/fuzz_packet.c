/* SPDX-License-Identifier: GPL-2.0-only */
/* Inner packets of the ESP engine: what a peer put into ESP, and what the TUN device hands out. The
 * first octets are a virtio header. What comes out of segmentation must be whole packets that the
 * reverse way joins without losing an octet. */
#include <linux/virtio_net.h>
#include <stdlib.h>
#include <string.h>

#include "esp/coalesce.h"
#include "esp/flow.h"
#include "esp/ipfrag.h"
#include "esp/probe.h"
#include "esp/segment.h"
#include "esp/toobig.h"
#include "esp/tos.h"
#include "esp/transport.h"

enum { ROOM = 1 << 20, PACKETS_MAX = 512 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct sum {
	size_t octets, packets;
};

static volatile unsigned touched;

static void emit(void *ctx, const struct iovec *pieces, int n, size_t packets)
{
	struct sum *s = ctx;
	if (n < 2 || packets != (size_t)n - 1)
		abort();
	for (int i = 0; i < n; i++)
		for (size_t j = 0; j < pieces[i].iov_len; j++)
			touched += ((const uint8_t *)pieces[i].iov_base)[j];
	for (int i = 1; i < n; i++)
		s->octets += pieces[i].iov_len;
	s->packets += packets;
}

/* Fragments are packets no longer than asked for, and together have all the data. */
static void cut(const uint8_t *pkt, const struct inner *in, size_t max)
{
	uint8_t out[2048];
	struct inner part;
	struct ipfrag f;
	size_t n, sum = 0;

	if (ipfrag_init(&f, pkt, in->family, in->len, max, 7))
		return;
	while ((n = ipfrag_next(&f, out))) {
		if (n > max)
			abort();
		/* of IPv6 the headers behind the fragment header may be cut */
		if (in->family == 4 ? inner_parse(out, n, false, &part) || part.len != n
				    : 40u + (out[4] << 8 | out[5]) != n)
			abort();
		sum += n - f.hdr - (in->family == 6 ? IPFRAG_IPV6_HEADER : 0);
	}
	if (sum != in->len - f.data)
		abort();
}

static void too_big(const uint8_t *data, const struct inner *in)
{
	uint8_t error[TOOBIG_MAX], *own = malloc(in->len);
	struct inner mine;

	if (!own)
		abort();
	memcpy(own, data, in->len);
	if (inner_parse(own, in->len, false, &mine))
		abort();
	if (toobig_build(own, &mine, 600, error) > TOOBIG_MAX)
		abort();
	if (mss_carried(own, &mine))
		mss_clamp(own, &mine, 600);
	tos_set(own, mine.family, 0xb9);
	if (inner_parse(own, in->len, false, &mine) || mine.tos != 0xb9)
		abort();
	for (size_t max = 60; max < 2048; max += 327)
		cut(own, &mine, max);
	free(own);
}

/* The packet as it is, from a peer. */
static void from_peer(const uint8_t *data, size_t size)
{
	struct inner in;
	struct probe probe;
	uint8_t again[PROBE_LEN];

	if (!inner_parse(data, size, false, &in)) {
		if (in.len > size || in.l4_off > in.len)
			abort();
		flow_slot(&in, 1);
		too_big(data, &in);
	}
	if (!probe_decode(data, size, &probe))
		probe_encode(&probe, again);
}

static void from_tun(const struct virtio_net_hdr *vh, uint8_t *pkt, size_t size)
{
	static uint8_t room[ROOM];
	struct sum sum = { 0, 0 };
	struct coalesce c;
	struct segment s;
	struct inner in;
	size_t used = 0, packets = 0, n;

	if (segment_init(&s, vh, pkt, size))
		return;
	coalesce_init(&c, true, emit, &sum);
	while (used + segment_max(&s) <= ROOM && (n = segment_next(&s, room + used))) {
		if (n > segment_max(&s) || inner_parse(room + used, n, false, &in) || in.len != n)
			abort();
		coalesce_add(&c, room + used, &in, packets & 1);
		used += n;
		if (++packets == PACKETS_MAX)
			break;
	}
	coalesce_flush(&c);
	if (sum.packets != packets || sum.octets > used)
		abort();
}

/* Without the IP header and with one again: what transport mode carries is a packet at both ends.
 */
static void by_transport(const struct virtio_net_hdr *vh, const uint8_t *data, size_t size)
{
	uint8_t *pkt = malloc(size), *out, nh;
	struct segment s;
	struct inner in;
	size_t off, n;

	if (!pkt)
		abort();
	memcpy(pkt, data, size);
	if (segment_init(&s, vh, pkt, size) || !transport_carries(pkt, &s.in, &off, &nh))
		goto out;
	if (off > s.in.l4_off)
		abort();
	segment_bare(&s, off);
	for (unsigned i = 0; i < PACKETS_MAX; i++) {
		struct transport t = { .family = s.in.family, .repair = (uint16_t)size };
		size_t hdr = transport_header_len(&t);

		out = malloc(hdr + segment_max(&s));
		if (!out)
			abort();
		n = segment_next(&s, out + hdr);
		touched += transport_fits(&t, nh, out + hdr, n);
		if (n > segment_max(&s) ||
		    (n && transport_header(&t, nh, 0, out + hdr, n) &&
		     (inner_parse(out, hdr + n, false, &in) || in.len != hdr + n)))
			abort();
		free(out);
		if (!n)
			break;
	}
out:
	free(pkt);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct virtio_net_hdr vh;
	uint8_t *pkt;

	if (size <= sizeof(vh))
		return 0;
	memcpy(&vh, data, sizeof(vh));
	size -= sizeof(vh);
	pkt = malloc(size);
	if (!pkt)
		abort();
	memcpy(pkt, data + sizeof(vh), size);
	from_peer(pkt, size);
	by_transport(&vh, data + sizeof(vh), size);
	from_tun(&vh, pkt, size);
	free(pkt);
	return 0;
}
