/* SPDX-License-Identifier: GPL-2.0-only */
/* Super-packets into segments: headers per segment, checksums judged by other code. */
#include <errno.h>
#include <linux/virtio_net.h>
#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>

#include "esp/csum.h"
#include "esp/segment.h"
#include "inner_build.h"

static uint8_t super[70000], seg[70000];

static struct virtio_net_hdr gso(uint8_t type, const struct build *b, size_t size)
{
	return (struct virtio_net_hdr){
		.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
		.gso_type = type,
		.gso_size = (uint16_t)size,
		.csum_start = b->family == 4 ? 20 : 40,
		.csum_offset = b->proto == 6 ? 16 : 6,
	};
}

/* Cut and compare every segment with one built independently. */
static void cut(struct build b, uint8_t type, size_t size)
{
	struct virtio_net_hdr vh = gso(type, &b, size);
	size_t len = build(super, &b), hdr, total = b.payload, n, count = 0;
	static uint8_t want[70000];
	struct segment s;

	hdr = len - b.payload;
	cr_assert_eq(segment_init(&s, &vh, super, len), 0);
	cr_assert_eq(s.count, (total + size - 1) / size);
	for (size_t off = 0; off < total; off += size, count++) {
		struct build one = b;
		bool last = off + size >= total;

		one.payload = last ? total - off : size;
		one.seq = b.seq + (uint32_t)off;
		one.id = (uint16_t)(b.id + count);
		one.partial = false;
		if (!last)
			one.flags &= (uint8_t)~0x09;
		if (count > 0)
			one.flags &= (uint8_t)~0x80;
		n = build(want, &one);
		/* Payload of the whole, not of a packet that starts anew. */
		memcpy(want + hdr, super + hdr + off, one.payload);
		put16be(want + hdr - (b.proto == 6 ? b.options + 4 : 2), 0);
		put16be(want + hdr - (b.proto == 6 ? b.options + 4 : 2),
			(uint16_t)~slow_sum(want + vh.csum_start, n - vh.csum_start,
					    slow_pseudo(want, n - vh.csum_start)));
		memset(seg, 0xaa, n + 4);
		cr_assert_eq(segment_next(&s, seg), n);
		cr_assert_leq(n, segment_max(&s));
		cr_assert_eq(seg[n], 0xaa);
		cr_assert(sums_ok(seg, n), "segment %zu", count);
		cr_assert_arr_eq(seg, want, n, "segment %zu", count);
	}
	cr_assert_eq(count, s.count);
	cr_assert_eq(segment_next(&s, seg), 0);
}

Test(segment, tcp)
{
	struct build b = { .proto = 6,
			   .sport = 40000,
			   .seq = 0xfffff000,
			   .flags = 0x99,
			   .options = 12,
			   .id = 0xfffe,
			   .df = true,
			   .partial = true,
			   .fill = 3 };

	for (b.family = 4; b.family <= 6; b.family += 2) {
		uint8_t type = b.family == 4 ? VIRTIO_NET_HDR_GSO_TCPV4 : VIRTIO_NET_HDR_GSO_TCPV6;

		for (b.payload = 1; b.payload < 5000; b.payload = b.payload * 2 + 1)
			cut(b, type, 1348);
		b.payload = 60660;
		cut(b, type, 1348);
		b.payload = 1348 * 3;
		cut(b, type | VIRTIO_NET_HDR_GSO_ECN, 1348);
		b.payload = 100;
		cut(b, type, 7);
	}
}

/* For a path that carries less than the sender thought. */
Test(segment, tcp_is_cut_smaller)
{
	struct build b = { .family = 4, .proto = 6, .flags = 0x18, .options = 12, .df = true };
	struct virtio_net_hdr vh;
	size_t len, n, sum = 0, count = 0;
	struct segment s;

	b.payload = 10000;
	len = build(super, &b);
	vh = gso(VIRTIO_NET_HDR_GSO_TCPV4, &b, 1348);
	cr_assert_eq(segment_init(&s, &vh, super, len), 0);
	cr_assert_not(segment_resize(&s, 52));
	cr_assert(segment_resize(&s, 1218));
	cr_assert_eq(segment_max(&s), 1218);
	for (; (n = segment_next(&s, seg)); count++) {
		cr_assert_leq(n, 1218);
		cr_assert(sums_ok(seg, n));
		cr_assert_eq(memcmp(seg + 52, super + 52 + sum, n - 52), 0);
		cr_assert_eq((uint32_t)(seg[26] << 8 | seg[27]), sum);
		sum += n - 52;
	}
	cr_assert_eq(sum, 10000);
	cr_assert_eq(count, s.count);
}

Test(segment, udp)
{
	struct build b = { .proto = 17, .sport = 40000, .id = 9, .partial = true, .fill = 1 };

	for (b.family = 4; b.family <= 6; b.family += 2)
		for (b.payload = 1; b.payload < 60000; b.payload = b.payload * 3 + 1)
			cut(b, VNET_GSO_UDP_L4, 1000);
}

Test(segment, whole_packet_with_and_without_checksum)
{
	struct build b = { .family = 4, .proto = 17, .sport = 7, .payload = 33, .partial = true };
	struct virtio_net_hdr vh = gso(0, &b, 0);
	size_t len = build(super, &b);
	struct segment s;

	cr_assert_eq(segment_init(&s, &vh, super, len + 10), 0);
	cr_assert_eq(s.count, 1);
	cr_assert_eq(segment_next(&s, seg), len);
	cr_assert(sums_ok(seg, len));
	cr_assert_eq(s.in.dport, 5001);
	cr_assert_eq(segment_next(&s, seg), 0);
	b.partial = false;
	vh.flags = 0;
	build(super, &b);
	super[30] ^= 1; /* a wrong checksum is not ours to repair */
	cr_assert_eq(segment_init(&s, &vh, super, len), 0);
	cr_assert_eq(segment_next(&s, seg), len);
	cr_assert_arr_eq(seg, super, len);
}

/* RFC 768: a UDP checksum that comes out as zero is sent as ones. */
Test(segment, udp_checksum_is_never_zero)
{
	struct build b = { .family = 4, .proto = 17, .sport = 7, .payload = 2, .partial = true };
	struct virtio_net_hdr vh = gso(0, &b, 0);

	for (unsigned v = 0; v < 65536; v++) {
		size_t len = build(super, &b);
		struct segment s;

		put16be(super + 28, v);
		cr_assert_eq(segment_init(&s, &vh, super, len), 0);
		cr_assert(super[26] || super[27]);
		if (v % 1000 == 0)
			cr_assert(sums_ok(super, len));
	}
}

Test(segment, headers_that_do_not_fit)
{
	struct build b = { .family = 4, .proto = 6, .payload = 3000, .partial = true };
	size_t len = build(super, &b);
	struct virtio_net_hdr good = gso(VIRTIO_NET_HDR_GSO_TCPV4, &b, 1000), vh;
	struct segment s;

	cr_assert_eq(segment_init(&s, &good, super, len), 0);
#define REFUSED(change)                                                                            \
	do {                                                                                       \
		vh = good;                                                                         \
		change;                                                                            \
		cr_assert_eq(segment_init(&s, &vh, super, len), -EBADMSG, #change);                \
		len = build(super, &b);                                                            \
	} while (0)
	REFUSED(vh.gso_size = 0);
	REFUSED(vh.gso_type = VIRTIO_NET_HDR_GSO_TCPV6);
	REFUSED(vh.gso_type = VNET_GSO_UDP_L4);
	REFUSED(vh.gso_type = VIRTIO_NET_HDR_GSO_UDP);
	REFUSED(vh.gso_type = 99);
	REFUSED(super[32] = 0x40); /* TCP header of 16 octets */
	REFUSED(len = 40);
	REFUSED(len = 39);
	REFUSED(len = 19);
	REFUSED(super[0] = 0x75);
	REFUSED(vh.gso_type = 0; vh.csum_start = 60000);
	REFUSED(vh.gso_type = 0; vh.csum_offset = 60000);
	REFUSED(vh.gso_type = 0; vh.csum_start = 0); /* the IP header */
}

Test(segment, csum_against_octet_by_octet)
{
	for (size_t i = 0; i < sizeof(super); i++)
		super[i] = (uint8_t)rand();
	for (size_t n = 0; n < 300; n++)
		for (size_t at = 0; at < 5; at++) {
			uint16_t c = csum_fold(csum_add(0, super + at, n)),
				 w = slow_sum(super + at, n, 0);
			uint8_t b[2];

			memcpy(b, &c, 2);
			cr_assert_eq(b[0] << 8 | b[1], w, "%zu octets", n);
		}
	memset(super, 0xff, 65535);
	cr_assert_eq(csum_fold(csum_add(UINT64_MAX, super, 65535)) != 0, true);
}
