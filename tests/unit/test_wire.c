/* SPDX-License-Identifier: GPL-2.0-only */
/* base/wire: octets in network order, and an error that stays. */
#include <errno.h>
#include <string.h>

#include <criterion/criterion.h>

#include "base/wire.h"

static const uint8_t octets[] = { 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08,
				  0x09, 0x0a, 0x0b, 0x0c, 0x0d, 0x0e, 0x0f };

Test(rd, network_order)
{
	struct rd r = rd_init(octets, sizeof(octets));

	cr_assert_eq(rd_left(&r), 15);
	cr_assert_eq(rd_u8(&r), 0x01);
	cr_assert_eq(rd_u16(&r), 0x0203);
	cr_assert_eq(rd_u32(&r), 0x04050607);
	cr_assert_eq(rd_u64(&r), UINT64_C(0x08090a0b0c0d0e0f));
	cr_assert_eq(rd_left(&r), 0);
	cr_assert_eq(r.err, 0, "reading the last octet is no error");
}

/* The first read past the end takes nothing; what would still fit is refused as well. */
Test(rd, error_stays)
{
	struct rd r = rd_init(octets, 3);
	uint8_t copy[2] = { 0xee, 0xee };

	cr_assert_eq(rd_u32(&r), 0);
	cr_assert_eq(r.err, -EBADMSG);
	cr_assert_eq(rd_left(&r), 0);
	cr_assert_eq(rd_u8(&r), 0);
	cr_assert_eq(rd_u16(&r), 0);
	cr_assert_eq(rd_u64(&r), 0);
	cr_assert_null(rd_bytes(&r, 1));
	cr_assert_null(rd_bytes(&r, 0));
	rd_copy(&r, copy, sizeof(copy));
	cr_assert(copy[0] == 0 && copy[1] == 0, "a copy after an error is zeros");
	rd_skip(&r, 1);
	cr_assert_eq(r.p, octets, "nothing was taken");
	cr_assert_eq(r.err, -EBADMSG);
}

Test(rd, every_length_ends_at_its_end)
{
	for (size_t len = 0; len <= 8; len++) {
		for (size_t n = 0; n <= 9; n++) {
			struct rd r = rd_init(octets, len);
			const uint8_t *p = rd_bytes(&r, n);

			cr_assert_eq(p, n <= len ? octets : NULL);
			cr_assert_eq(r.err, n <= len ? 0 : -EBADMSG);
			cr_assert_eq(rd_left(&r), n <= len ? len - n : 0);
		}
	}
}

/* A length of the wire that does not fit a pointer must not wrap. */
Test(rd, enormous_lengths)
{
	struct rd r = rd_init(octets, sizeof(octets));

	cr_assert_null(rd_bytes(&r, SIZE_MAX));
	r = rd_init(octets, sizeof(octets));
	rd_skip(&r, SIZE_MAX - 1);
	cr_assert_eq(r.err, -EBADMSG);
	r = rd_init(octets, sizeof(octets));
	struct rd sub = rd_sub(&r, SIZE_MAX);
	cr_assert_eq(sub.err, -EBADMSG);
	cr_assert_eq(rd_left(&sub), 0);
}

Test(rd, an_error_of_the_caller_counts_as_well)
{
	struct rd r = rd_init(octets, sizeof(octets));

	rd_u8(&r);
	r.err = -EPROTO;
	cr_assert_eq(rd_u8(&r), 0);
	struct rd sub = rd_sub(&r, 2);
	cr_assert_eq(sub.err, -EPROTO, "handed down");
	cr_assert_eq(r.err, -EPROTO, "and not replaced");
}

Test(rd, sub_reader_keeps_to_its_bounds)
{
	struct rd r = rd_init(octets, sizeof(octets)), sub, inner;

	rd_u8(&r);
	sub = rd_sub(&r, 4);
	cr_assert_eq(rd_left(&sub), 4);
	cr_assert_eq(rd_u8(&r), 0x06, "the outer one stands behind it");
	cr_assert_eq(rd_u16(&sub), 0x0203);
	inner = rd_sub(&sub, 3);
	cr_assert_eq(inner.err, -EBADMSG, "three of the two that are left");
	cr_assert_eq(sub.err, -EBADMSG);
	cr_assert_eq(r.err, 0, "the outer reader is not harmed");
	cr_assert_eq(rd_u8(&r), 0x07);
	/* one error inside leaves the siblings readable */
	sub = rd_sub(&r, 2);
	cr_assert_eq(rd_u16(&sub), 0x0809);
	cr_assert_eq(sub.err, 0);
	cr_assert_eq(rd_u8(&sub), 0);
	cr_assert_eq(sub.err, -EBADMSG);
	cr_assert_eq(rd_u8(&r), 0x0a);
}

Test(rd, empty)
{
	struct rd r = rd_init(NULL, 0);

	cr_assert_eq(rd_left(&r), 0);
	rd_copy(&r, NULL, 0);
	rd_skip(&r, 0);
	cr_assert_eq(r.err, 0);
	struct rd sub = rd_sub(&r, 0);
	cr_assert_eq(rd_left(&sub), 0);
	cr_assert_eq(rd_u8(&r), 0);
	cr_assert_eq(r.err, -EBADMSG);
}

Test(wr, network_order)
{
	uint8_t buf[15];
	struct wr w = wr_init(buf, sizeof(buf));

	wr_u8(&w, 0x01);
	wr_u16(&w, 0x0203);
	wr_u32(&w, 0x04050607);
	wr_u64(&w, UINT64_C(0x08090a0b0c0d0e0f));
	cr_assert_eq(w.err, 0);
	cr_assert_eq(w.len, sizeof(buf));
	cr_assert_arr_eq(buf, octets, sizeof(buf));
}

/* What does not fit is not begun, and what comes after an error is not written although it would
 * fit: no message with a hole. */
Test(wr, error_stays)
{
	uint8_t buf[8];
	struct wr w = wr_init(buf, 3);

	memset(buf, 0xee, sizeof(buf));
	wr_u16(&w, 0x0102);
	wr_u32(&w, 0x03040506);
	cr_assert_eq(w.err, -ENOBUFS);
	wr_u8(&w, 0x03);
	wr_bytes(&w, octets, 1);
	wr_zero(&w, 1);
	cr_assert_null(wr_reserve(&w, 0));
	wr_put_u8_at(&w, 0, 0x77);
	cr_assert_eq(w.len, 2);
	cr_assert_arr_eq(buf, "\x01\x02\xee\xee\xee\xee\xee\xee", 8);
}

Test(wr, every_length_ends_at_its_end)
{
	uint8_t buf[16];

	for (size_t cap = 0; cap <= 8; cap++) {
		for (size_t n = 0; n <= 9; n++) {
			struct wr w = wr_init(buf, cap);

			memset(buf, 0xee, sizeof(buf));
			wr_bytes(&w, octets, n);
			cr_assert_eq(w.err, n <= cap ? 0 : -ENOBUFS);
			cr_assert_eq(w.len, n <= cap ? n : 0);
			for (size_t i = 0; i < sizeof(buf); i++)
				cr_assert_eq(buf[i], i < w.len ? octets[i] : 0xee);
		}
	}
}

Test(wr, enormous_lengths)
{
	uint8_t buf[8];
	struct wr w = wr_init(buf, sizeof(buf));

	wr_u8(&w, 1);
	cr_assert_null(wr_reserve(&w, SIZE_MAX));
	cr_assert_eq(w.err, -ENOBUFS);
	w = wr_init(buf, sizeof(buf));
	wr_u32(&w, 0);
	wr_put_u32_at(&w, SIZE_MAX - 1, 0x55555555);
	cr_assert_eq(w.err, -ENOBUFS);
}

Test(wr, zero_and_reserve)
{
	uint8_t buf[8], *p;
	struct wr w = wr_init(buf, sizeof(buf));

	memset(buf, 0xee, sizeof(buf));
	wr_zero(&w, 3);
	p = wr_reserve(&w, 2);
	cr_assert_eq(p, buf + 3);
	cr_assert_eq(w.len, 5);
	cr_assert_arr_eq(buf, "\0\0\0\xee\xee", 5);
	wr_bytes(&w, NULL, 0);
	cr_assert_eq(w.err, 0);
}

/* A length field is filled in when the length is known; only what is written can be changed. */
Test(wr, put_at)
{
	uint8_t buf[8];
	struct wr w = wr_init(buf, sizeof(buf));

	wr_zero(&w, 7);
	wr_put_u8_at(&w, 0, 0xa1);
	wr_put_u16_at(&w, 1, 0xb1b2);
	wr_put_u32_at(&w, 3, 0xc1c2c3c4);
	cr_assert_eq(w.err, 0);
	cr_assert_eq(w.len, 7);
	cr_assert_arr_eq(buf, "\xa1\xb1\xb2\xc1\xc2\xc3\xc4", 7);
	wr_put_u32_at(&w, 4, 0);
	cr_assert_eq(w.err, -ENOBUFS, "one octet beyond what is written");
	cr_assert_arr_eq(buf, "\xa1\xb1\xb2\xc1\xc2\xc3\xc4", 7);
	w = wr_init(buf, sizeof(buf));
	wr_put_u8_at(&w, 0, 1);
	cr_assert_eq(w.err, -ENOBUFS);
}
