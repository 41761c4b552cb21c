/* SPDX-License-Identifier: GPL-2.0-only */
/* Transport mode: which packets it carries, the header they get at the other end, checksums behind
 * a NAT. [NAT-11] */
#include <errno.h>
#include <linux/virtio_net.h>
#include <string.h>

#include <criterion/criterion.h>

#include "esp/flow.h"
#include "esp/sad.h"
#include "esp/segment.h"
#include "esp/transport.h"
#include "inner_build.h"
#include "sa_request.h"

static struct addr addr(const char *text)
{
	struct addr a;

	cr_assert_eq(addr_parse(text, &a), 0);
	return a;
}

static struct engine_sa transport(const char *local, const char *remote)
{
	struct engine_sa r = request(1, local, remote);

	r.flags |= ENGINE_SA_TRANSPORT;
	return r;
}

static int init(const struct engine_sa *r, struct transport *ret)
{
	return transport_init(r->ts_local, r->n_ts_local, r->ts_remote, r->n_ts_remote,
			      &r->told_local, &r->told_remote, ret);
}

static struct inner parsed(const uint8_t *pkt, size_t len)
{
	struct inner in;

	cr_assert_eq(inner_parse(pkt, len, false, &in), 0);
	return in;
}

/* RFC 4301 4.4.1.1: in transport mode the selectors are the addresses of the two hosts. */
Test(transport, one_address_on_each_side)
{
	static const char *const pairs[][3] = {
		{ "192.0.2.1/32", "192.0.2.2/32", "yes" },
		{ "2001:db8::1/128", "2001:db8::2/128", "yes" },
		{ "192.0.2.0/24", "192.0.2.2/32", NULL },
		{ "192.0.2.1/32", "192.0.2.0/31", NULL },
		{ "192.0.2.1/32", "2001:db8::2/128", NULL },
	};

	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
		struct engine_sa r = transport(pairs[i][0], pairs[i][1]);
		struct sa *sa;
		int err = sa_new(&r, 0, 1, &sa);

		cr_assert_eq(err, pairs[i][2] ? 0 : -EINVAL, "%s %s", pairs[i][0], pairs[i][1]);
		if (err)
			continue;
		cr_assert(sa_is_transport(sa));
		sa_free(sa);
	}
}

/* Several selectors are about the same two addresses: ports of a service, for instance. */
Test(transport, several_selectors)
{
	struct engine_sa r = transport("192.0.2.1/32", "192.0.2.2/32");
	struct transport t;

	r.n_ts_local = 2;
	r.ts_local[1] = r.ts_local[0];
	r.ts_local[1].protocol = 17;
	cr_assert_eq(init(&r, &t), 0);
	cr_assert_not(t.many);
	r.ts_local[1] = ts("192.0.2.3/32");
	cr_assert_eq(init(&r, &t), 0);
	cr_assert(t.many);
	r.ts_local[1] = ts("192.0.2.4/30");
	cr_assert_eq(init(&r, &t), -EINVAL);
}

Test(transport, no_padding_and_no_room_for_a_second_header)
{
	struct engine_sa r = transport("192.0.2.1/32", "192.0.2.2/32");
	struct sad sad;
	struct sa *sa;
	uint32_t tunnel;

	r.tfc = 1000;
	r.room = 1480;
	cr_assert_eq(sad_init(&sad), 0);
	cr_assert_eq(sa_new(&r, 0, 1, &sa), 0);
	cr_assert_eq(sa->tfc, 0);
	cr_assert_eq(sad_add(&sad, sa), 0);
	tunnel = (uint32_t)esp_inner_max(&sa->out, 1480 - 8);
	cr_assert_eq(sa_inner_max(sa), tunnel + 20);
	sad_clear(&sad);
}

/* One packet through both ends: what the segment gives is what the header is put before. */
static size_t carried(uint8_t *pkt, size_t len, const struct virtio_net_hdr *vh, size_t n,
		      uint8_t out[][2048], size_t *lens)
{
	struct segment s;
	size_t off, count = 0;
	uint8_t nh;

	cr_assert_eq(segment_init(&s, vh, pkt, len), 0);
	cr_assert(transport_carries(pkt, &s.in, &off, &nh));
	segment_bare(&s, off);
	while (count < n && (lens[count] = segment_next(&s, out[count] + 64)))
		count++;
	return count;
}

static struct transport ends(const char *local, const char *remote)
{
	struct engine_sa r = transport(local, remote);
	struct transport t;

	cr_assert_eq(init(&r, &t), 0);
	return t;
}

Test(transport, a_packet_as_it_was)
{
	static const struct virtio_net_hdr plain;
	const struct build b[] = {
		{ .family = 4, .proto = 17, .sport = 7, .payload = 100, .df = true },
		{ .family = 6, .proto = 17, .sport = 7, .payload = 101 },
		{ .family = 4, .proto = 6, .sport = 9, .payload = 33, .flags = 0x18, .df = true },
		{ .family = 6, .proto = 6, .sport = 9, .payload = 0, .flags = 0x10 },
	};

	for (size_t i = 0; i < 4; i++) {
		const struct transport t = b[i].family == 4
						   ? ends("10.2.0.2/32", "10.1.0.1/32")
						   : ends("2001:db8::2/128", "2001:db8::1/128");
		size_t hdr = transport_header_len(&t), len, n;
		uint8_t pkt[2048], out[1][2048];

		len = build(pkt, &b[i]);
		cr_assert_eq(carried(pkt, len, &plain, 1, out, &n), 1);
		cr_assert_eq(n, len - hdr);
		cr_assert(transport_header(&t, b[i].proto, 0, out[0] + 64, n));
		cr_assert(sums_ok(out[0] + 64 - hdr, len), "%zu", i);
		cr_assert_eq(memcmp(out[0] + 64, pkt + hdr, n), 0);
	}
}

/* A super-packet: every segment is a packet of its own at the other end. */
Test(transport, super_packets)
{
	for (int family = 4; family <= 6; family += 2) {
		const struct build b = { .family = family,
					 .proto = 6,
					 .sport = 80,
					 .seq = 1000,
					 .flags = 0x18,
					 .payload = 2500,
					 .df = true,
					 .partial = true };
		const struct transport t = family == 4 ? ends("10.2.0.2/32", "10.1.0.1/32")
						       : ends("2001:db8::2/128", "2001:db8::1/128");
		struct virtio_net_hdr vh = { .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
					     .gso_type = family == 4 ? VIRTIO_NET_HDR_GSO_TCPV4
								     : VIRTIO_NET_HDR_GSO_TCPV6,
					     .gso_size = 1000 };
		size_t hdr = transport_header_len(&t), len, n[4];
		uint8_t pkt[4096], out[4][2048];

		vh.csum_start = (uint16_t)hdr;
		vh.csum_offset = 16;
		len = build(pkt, &b);
		cr_assert_eq(carried(pkt, len, &vh, 4, out, n), 3);
		for (size_t i = 0; i < 3; i++) {
			cr_assert_eq(n[i], 20u + (i == 2 ? 500 : 1000));
			cr_assert(transport_header(&t, 6, 0, out[i] + 64, n[i]));
			cr_assert(sums_ok(out[i] + 64 - hdr, hdr + n[i]), "%d %zu", family, i);
		}
	}
}

/* RFC 4303 3.3.4 "applied only to whole IP datagrams (not to an IP fragment)"; what stands between
 * the IP header and ESP would be lost. */
Test(transport, what_is_refused)
{
	const struct build b = { .family = 4, .proto = 17, .sport = 7, .payload = 64 };
	const struct build b6 = { .family = 6, .proto = 17, .sport = 7, .payload = 64 };
	uint8_t pkt[256], nh = 0;
	struct inner in;
	size_t off = 0, len = build(pkt, &b);

	pkt[6] = 0x20; /* more fragments */
	in = parsed(pkt, len);
	cr_assert_not(transport_carries(pkt, &in, &off, &nh));
	pkt[6] = 0;
	pkt[7] = 8; /* a later one */
	in = parsed(pkt, len);
	cr_assert_not(transport_carries(pkt, &in, &off, &nh));
	pkt[7] = 0;
	pkt[0] = 0x46; /* options */
	in = parsed(pkt, len);
	cr_assert_not(transport_carries(pkt, &in, &off, &nh));
	pkt[0] = 0x45;
	in = parsed(pkt, len);
	cr_assert(transport_carries(pkt, &in, &off, &nh));
	cr_assert_eq(off, 20);
	cr_assert_eq(nh, 17);

	/* the datagram's 8 octets of header stand for an extension header: next, length, rest */
	len = build(pkt, &b6);
	for (int kind = 0; kind < 3; kind++) {
		static const uint8_t kinds[] = { 0, 43, 44 };

		pkt[6] = kinds[kind];
		memset(pkt + 40, 0, 8);
		pkt[40] = 17;
		in = parsed(pkt, len);
		cr_assert_not(transport_carries(pkt, &in, &off, &nh), "%u", kinds[kind]);
	}
	pkt[6] = 60;
	in = parsed(pkt, len);
	cr_assert(transport_carries(pkt, &in, &off, &nh));
	cr_assert_eq(off, 40);
	cr_assert_eq(nh, 60);
	cr_assert_eq(in.proto, 17);
}

/* What would stand before ESP cannot come out of it. */
Test(transport, no_header_for_what_is_none)
{
	const struct transport t6 = ends("2001:db8::2/128", "2001:db8::1/128"),
			       t4 = ends("10.2.0.2/32", "10.1.0.1/32");
	static uint8_t text[64 + 65536];

	cr_assert_not(transport_header(&t6, 0, 0, text + 64, 64));
	cr_assert_not(transport_header(&t6, 43, 0, text + 64, 64));
	cr_assert_not(transport_header(&t6, 44, 0, text + 64, 64));
	cr_assert(transport_header(&t4, 17, 0, text + 64, 65515));
	cr_assert_not(transport_header(&t4, 17, 0, text + 64, 65516));
	cr_assert(transport_header(&t6, 17, 0, text + 64, 65535));
}

/* RFC 3948 3.1.2: the peer made its checksum with addresses that a NAT has changed. */
Test(transport, checksum_behind_a_nat)
{
	static const struct {
		const char *local, *remote, *told_local, *told_remote;
	} nats[] = {
		{ "10.2.0.2", "192.0.2.7", NULL, "10.1.0.1" },
		{ "172.16.0.1", "10.1.0.1", "10.2.0.2", NULL },
		{ "172.16.0.1", "192.0.2.7", "10.2.0.2", "10.1.0.1" },
	};

	for (size_t i = 0; i < 3; i++) {
		for (int proto = 6; proto <= 17; proto += 11) {
			const struct build b = { .family = 4,
						 .proto = (uint8_t)proto,
						 .sport = 5,
						 .payload = 77,
						 .fill = (uint8_t)i };
			struct engine_sa r = request(1, nats[i].local, nats[i].remote);
			uint8_t pkt[512];
			struct transport t;
			size_t len;

			if (nats[i].told_local)
				r.told_local = addr(nats[i].told_local);
			if (nats[i].told_remote)
				r.told_remote = addr(nats[i].told_remote);
			cr_assert_eq(init(&r, &t), 0);
			len = build(pkt + 64, &b);
			cr_assert(transport_fits(&t, (uint8_t)proto, pkt + 84, len - 20));
			cr_assert(transport_header(&t, (uint8_t)proto, 0, pkt + 64 + 20, len - 20));
			cr_assert(sums_ok(pkt + 64, len), "%zu, protocol %d", i, proto);
			cr_assert_eq(memcmp(pkt + 64 + 16, t.dst, 4), 0);
		}
	}
}

/* A datagram without a checksum stays one. */
Test(transport, no_checksum)
{
	const struct build b = { .family = 4, .proto = 17, .sport = 5, .payload = 7 };
	struct engine_sa r = request(1, "10.2.0.2/32", "192.0.2.7/32");
	uint8_t pkt[256];
	struct transport t;
	size_t len = build(pkt, &b);

	r.told_remote = addr("10.1.0.1");
	cr_assert_eq(init(&r, &t), 0);
	pkt[26] = pkt[27] = 0;
	cr_assert(transport_header(&t, 17, 0, pkt + 20, len - 20));
	cr_assert(pkt[26] == 0 && pkt[27] == 0);
}

/* The header carries the octet of the outer one: there was only one (RFC 4301 5.1.2). */
Test(transport, dscp_and_ecn_are_the_outer_ones)
{
	const struct transport t4 = ends("10.2.0.2/32", "10.1.0.1/32"),
			       t6 = ends("2001:db8::2/128", "2001:db8::1/128");
	uint8_t pkt[128] = { 0 };
	struct inner in;

	cr_assert(transport_header(&t4, 17, 0xb9, pkt + 64, 8));
	in = parsed(pkt + 44, 28);
	cr_assert_eq(in.tos, 0xb9);
	cr_assert(transport_header(&t6, 17, 0xb9, pkt + 64, 8));
	in = parsed(pkt + 24, 48);
	cr_assert_eq(in.tos, 0xb9);
}

/* After a change of addresses the receiver tells by the checksum which ones a packet was made with.
 */
Test(transport, made_with_which_addresses)
{
	for (int family = 4; family <= 6; family += 2) {
		for (int proto = 6; proto <= 17; proto += 11) {
			const struct build b = {
				.family = family, .proto = (uint8_t)proto, .sport = 5, .payload = 33
			};
			const struct transport t = family == 4 ? ends("10.2.0.2/32", "10.1.0.1/32")
							       : ends("2001:db8::2/128",
								      "2001:db8::1/128"),
					       o = family == 4 ? ends("10.2.0.3/32", "10.1.0.1/32")
							       : ends("2001:db8::3/128",
								      "2001:db8::1/128");
			size_t hdr = transport_header_len(&t), len;
			uint8_t pkt[256];

			len = build(pkt, &b);
			cr_assert(transport_fits(&t, (uint8_t)proto, pkt + hdr, len - hdr));
			cr_assert_not(transport_fits(&o, (uint8_t)proto, pkt + hdr, len - hdr));
			cr_assert_not(transport_fits(&t, 132, pkt + hdr, len - hdr),
				      "has none that tells");
			cr_assert_not(transport_fits(&t, (uint8_t)proto, pkt + hdr, 5));
		}
	}
}
