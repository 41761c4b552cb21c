/* SPDX-License-Identifier: GPL-2.0-only */
/* Decrypted packets into super-packets: what is joined, what is not, and that cutting the result
 * again gives the same octets. */
#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>

#include "esp/coalesce.h"
#include "esp/flow.h"
#include "esp/segment.h"
#include "inner_build.h"

enum { MAX_OUT = 64, ROOM = 2048 };

static struct {
	uint8_t b[70000];
	size_t len, packets;
	struct virtio_net_hdr vh;
} outs[MAX_OUT];
static int n_out;
static uint8_t in[256][ROOM], keep[256][ROOM];
static size_t in_len[256];
static int n_in;
static struct coalesce co;
static bool sound;

static void collect(void *ctx, const struct iovec *piece, int n, size_t packets)
{
	cr_assert_null(ctx);
	cr_assert_lt(n_out, MAX_OUT);
	cr_assert_eq(piece[0].iov_len, sizeof(struct virtio_net_hdr));
	memcpy(&outs[n_out].vh, piece[0].iov_base, sizeof(struct virtio_net_hdr));
	outs[n_out].len = 0;
	for (int i = 1; i < n; i++) {
		memcpy(outs[n_out].b + outs[n_out].len, piece[i].iov_base, piece[i].iov_len);
		outs[n_out].len += piece[i].iov_len;
	}
	outs[n_out++].packets = packets;
}

static void setup(void)
{
	n_out = n_in = 0;
	sound = false;
	coalesce_init(&co, true, collect, NULL);
}

TestSuite(coalesce, .init = setup);

static uint8_t *make(const struct build *b)
{
	in_len[n_in] = build(in[n_in], b);
	return in[n_in++];
}

/* All packets made so far, in order, as one batch. */
static void feed(void)
{
	memcpy(keep, in, sizeof(keep));
	for (int i = 0; i < n_in; i++) {
		struct inner p;

		cr_assert_eq(inner_parse(in[i], in_len[i], false, &p), 0);
		coalesce_add(&co, in[i], &p, sound);
	}
	coalesce_flush(&co);
}

/* Cut everything again: the same packets must come out, in the order of their flow. */
static void same_again(void)
{
	int next = 0;

	for (int i = 0; i < n_out; i++) {
		struct segment s;
		uint8_t buf[ROOM];
		size_t n;

		cr_assert_eq(segment_init(&s, &outs[i].vh, outs[i].b, outs[i].len), 0);
		cr_assert_eq(s.count, outs[i].packets);
		while ((n = segment_next(&s, buf)) > 0) {
			cr_assert_eq(n, in_len[next]);
			cr_assert_arr_eq(buf, keep[next], n, "packet %d", next);
			next++;
		}
	}
	cr_assert_eq(next, n_in);
}

static struct build tcp(int family, uint32_t seq, size_t payload)
{
	return (struct build){ .family = family,
			       .proto = 6,
			       .sport = 4000,
			       .seq = seq,
			       .flags = 0x10,
			       .options = 12,
			       .df = true,
			       .payload = payload,
			       .fill = (uint8_t)seq };
}

Test(coalesce, tcp_of_one_flow_is_one_write)
{
	for (int family = 4; family <= 6; family += 2) {
		setup();
		for (int i = 0; i < 45; i++) {
			struct build b =
				tcp(family, 1000u + (uint32_t)i * 1348u, i == 44 ? 500 : 1348);

			b.id = (uint16_t)i; /* consecutive, as cutting makes them */
			b.flags = i == 44 ? 0x18 : 0x10;
			make(&b);
		}
		feed();
		cr_assert_eq(n_out, 1);
		cr_assert_eq(outs[0].vh.gso_size, 1348);
		cr_assert_eq(outs[0].vh.flags, VIRTIO_NET_HDR_F_NEEDS_CSUM);
		same_again();
	}
}

Test(coalesce, udp_too_if_the_device_takes_it)
{
	for (int uso = 0; uso < 2; uso++) {
		setup();
		coalesce_init(&co, uso, collect, NULL);
		for (int i = 0; i < 10; i++) {
			struct build b = { .family = 4,
					   .proto = 17,
					   .sport = 9,
					   .id = (uint16_t)i,
					   .payload = i == 9 ? 3 : 1300,
					   .fill = (uint8_t)i };

			make(&b);
		}
		feed();
		cr_assert_eq(n_out, uso ? 1 : 10);
		same_again();
	}
}

/* Each change to the second of three packets splits the run. */
static int runs(void (*change)(struct build *b))
{
	setup();
	for (uint32_t i = 0; i < 3; i++) {
		struct build b = tcp(4, 5000 + i * 1000, 1000);

		b.df = false;
		b.id = (uint16_t)(i + 7);
		if (i == 1)
			change(&b);
		make(&b);
	}
	feed();
	return n_out;
}

static void nothing(struct build *b)
{
	(void)b;
}
static void hole(struct build *b)
{
	b->seq += 1;
}
static void flags_fin(struct build *b)
{
	b->flags |= 1;
}
static void flags_cwr(struct build *b)
{
	b->flags |= 0x80;
}
static void push(struct build *b)
{
	b->flags |= 8;
}
static void options(struct build *b)
{
	b->options = 20;
}
static void window(struct build *b)
{
	b->window = 1;
}
static void identification(struct build *b)
{
	b->id += 3;
}
static void longer(struct build *b)
{
	b->payload = 1200;
}
static void empty(struct build *b)
{
	b->payload = 0;
}

Test(coalesce, what_is_not_joined)
{
	cr_assert_eq(runs(nothing), 1);
	same_again();
	cr_assert_eq(runs(hole), 3);
	same_again();
	cr_assert_eq(runs(flags_fin), 3);
	same_again();
	cr_assert_eq(runs(flags_cwr), 3);
	same_again();
	cr_assert_eq(runs(options), 3);
	same_again();
	cr_assert_eq(runs(window), 3);
	same_again();
	cr_assert_eq(runs(identification), 3);
	same_again();
	cr_assert_eq(runs(longer), 3);
	same_again();
	cr_assert_eq(runs(empty), 3);
	same_again();
	/* PSH ends a super-packet, and stays. */
	cr_assert_eq(runs(push), 2);
	same_again();
}

Test(coalesce, a_wrong_checksum_passes_alone_and_unrepaired)
{
	for (uint32_t i = 0; i < 4; i++) {
		struct build b = tcp(4, 5000 + i * 1000, 1000);

		b.id = (uint16_t)i;
		make(&b);
	}
	in[1][700] ^= 4;
	feed();
	cr_assert_eq(n_out, 3);
	cr_assert_eq(outs[1].packets, 1);
	cr_assert_eq(outs[1].vh.flags, 0);
	same_again();
}

Test(coalesce, flows_keep_their_order)
{
	uint32_t seq[6] = { 0 };
	uint32_t want[6] = { 0 };

	for (int i = 0; i < 120; i++) {
		int f = (i * 7 + i / 11) % 6;
		struct build b = tcp(6, seq[f], 100);

		b.sport = (uint16_t)(4000 + f);
		seq[f] += 100;
		make(&b);
	}
	memcpy(keep, in, sizeof(keep));
	for (int i = 0; i < n_in; i++) {
		struct inner p;

		inner_parse(in[i], in_len[i], false, &p);
		coalesce_add(&co, in[i], &p, sound);
		if (i % 20 == 19) /* batches */
			coalesce_flush(&co);
		if (i % 20 == 19 || n_out > MAX_OUT - 10) {
			for (int o = 0; o < n_out; o++) {
				const uint8_t *l4 = outs[o].b + 40;
				int f = (l4[0] << 8 | l4[1]) - 4000;
				uint32_t s = (uint32_t)l4[4] << 24 | (uint32_t)l4[5] << 16 |
					     (uint32_t)l4[6] << 8 | l4[7];

				cr_assert_eq(s, want[f]);
				want[f] += (uint32_t)outs[o].packets * 100;
			}
			n_out = 0;
		}
	}
	for (int f = 0; f < 6; f++)
		cr_assert_eq(seq[f], want[f]);
}

Test(coalesce, short_and_odd_packets_pass)
{
	struct build b = { .family = 4, .proto = 17, .sport = 9, .payload = 0 };

	make(&b);
	b.proto = 17;
	b.payload = 40;
	make(&b);
	in[1][9] = 6; /* says TCP, header nonsense */
	make(&b);
	in[2][6] = 0x20; /* a fragment */
	make(&b);
	in[3][9] = 6;
	in[3][3] = 24; /* TCP of four octets */
	in_len[3] = 24;
	feed();
	cr_assert_eq(n_out, 4);
	for (int i = 0; i < 4; i++) {
		cr_assert_eq(outs[i].vh.gso_type, 0);
		cr_assert_eq(outs[i].len, in_len[i]);
		cr_assert_arr_eq(outs[i].b, keep[i], in_len[i]);
	}
}

/* Whatever the checksum field says: it was right where the ICV was made. */
Test(coalesce, what_came_whole_is_not_summed_up_again)
{
	for (int family = 4; family <= 6; family += 2)
		for (int n = 1; n <= 5; n += 4) {
			setup();
			sound = true;
			for (int i = 0; i < n; i++) {
				struct build b = tcp(family, 1000u + (uint32_t)i * 1348u, 1348);

				b.id = (uint16_t)i;
				make(&b);
			}
			memcpy(keep, in, sizeof(keep));
			for (int i = 0; i < n; i++) {
				struct inner p;

				inner_parse(in[i], in_len[i], false, &p);
				in[i][p.l4_off + 16] ^= 0xff;
				coalesce_add(&co, in[i], &p, true);
			}
			coalesce_flush(&co);
			cr_assert_eq(n_out, 1);
			cr_assert_eq(outs[0].vh.flags, VIRTIO_NET_HDR_F_NEEDS_CSUM);
			cr_assert_eq(outs[0].vh.gso_size, n > 1 ? 1348 : 0);
			cr_assert_eq(outs[0].vh.gso_type == 0, n == 1);
			same_again();
		}
}

Test(coalesce, a_datagram_without_a_checksum_keeps_none)
{
	struct build b = { .family = 4, .proto = 17, .sport = 9, .payload = 40 };

	sound = true;
	make(&b);
	in[0][26] = in[0][27] = 0;
	feed();
	cr_assert_eq(n_out, 1);
	cr_assert_eq(outs[0].vh.flags, 0);
	cr_assert_arr_eq(outs[0].b, keep[0], in_len[0]);
}

Test(coalesce, never_beyond_an_ip_packet)
{
	for (int i = 0; i < 60; i++) {
		struct build b = tcp(4, (uint32_t)i * 1400u, 1400);

		make(&b);
	}
	feed();
	cr_assert_eq(n_out, 2);
	cr_assert_leq(outs[0].len, 65535);
	cr_assert_eq(outs[0].packets + outs[1].packets, 60);
}
