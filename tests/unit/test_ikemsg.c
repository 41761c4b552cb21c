/* SPDX-License-Identifier: GPL-2.0-only */
/* Whole messages: user/ikemsg/header.c, message.c and names.c. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/alg.h"
#include "ikemsg/ikemsg.h"
#include "../lib/hex.h"

/* HDR, SA (two proposals), KE, Ni, N, N, V: built by Scapy 2.5.0 (scapy.contrib.ikev2), fields as
 * asserted below. */
static const char scapy_init[] =
	"0102030405060708 0000000000000000 21 20 22 08 00000000 00000114"
	"22000060"
	" 02000024 01010003 0300000c01000014800e0100 0300000802000005 000000080400001f"
	" 00000038 02010005 0300000c0100000c800e0100 0300000c0100000c800e0080"
	"  0300000802000005 030000080300000c 000000080400000e"
	"28000028 001f0000 202122232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f"
	"29000024 808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f"
	"2900001c 00004004 000102030405060708090a0b0c0d0e0f10111213"
	"2b00001c 00004005 1415161718191a1b1c1d1e1f2021222324252627"
	"00000014 30313233343536373839616263646566";
enum { SCAPY_INIT_OCTETS = 276 };

static struct ike_msg msg;
static uint8_t critical;

/* Decodes a copy that ends where the heap block ends, so that a sanitizer sees one octet too far.
 */
static enum msg_verdict decode(const uint8_t *buf, size_t len)
{
	uint8_t *copy = malloc(len ? len : 1);
	enum msg_verdict v;

	memcpy(copy, buf, len);
	v = msg_decode(copy, len, &msg, &critical);
	free(copy);
	return v;
}

/* A header in front of the hex payloads, with the right Length. */
static size_t message(uint8_t first, const char *payloads, uint8_t *out, size_t cap)
{
	size_t n = unhex(payloads, out + IKE_HEADER_OCTETS, cap - IKE_HEADER_OCTETS);
	struct ike_hdr h = { .spi_i = 1,
			     .next_payload = first,
			     .version = IKE_VERSION_2_0,
			     .exchange = IKE_SA_INIT,
			     .flags = IKE_FLAG_INITIATOR,
			     .length = (uint32_t)(IKE_HEADER_OCTETS + n) };
	struct wr w = wr_init(out, cap);

	ike_hdr_put(&w, &h);
	return h.length;
}

static enum msg_verdict decode_hex(uint8_t first, const char *payloads)
{
	uint8_t buf[4096];

	return decode(buf, message(first, payloads, buf, sizeof(buf)));
}

static enum msg_verdict inner_hex(uint8_t first, const char *payloads)
{
	static uint8_t buf[1024];

	memset(&msg, 0, sizeof(msg));
	return msg_decode_inner(first, buf, unhex(payloads, buf, sizeof(buf)), &msg, &critical);
}

/* [HDR-1]: big endian, 28 octets. */
Test(header, fields)
{
	uint8_t buf[SCAPY_INIT_OCTETS], again[IKE_HEADER_OCTETS];
	struct rd r = rd_init(buf, unhex(scapy_init, buf, sizeof(buf)));
	struct wr w = wr_init(again, sizeof(again));
	struct ike_hdr h;

	cr_assert_eq(ike_hdr_get(&r, &h), 0);
	cr_assert_eq(h.spi_i, 0x0102030405060708);
	cr_assert_eq(h.spi_r, 0);
	cr_assert_eq(h.next_payload, PLD_SA);
	cr_assert_eq(h.version, IKE_VERSION_2_0);
	cr_assert_eq(h.exchange, IKE_SA_INIT);
	cr_assert_eq(h.flags, IKE_FLAG_INITIATOR);
	cr_assert_eq(h.msg_id, 0);
	cr_assert_eq(h.length, SCAPY_INIT_OCTETS);
	ike_hdr_put(&w, &h);
	cr_assert_eq(w.err, 0);
	cr_assert_arr_eq(again, buf, sizeof(again));
}

Test(header, too_short_leaves_result_alone)
{
	uint8_t buf[IKE_HEADER_OCTETS] = { 0 };

	for (size_t n = 0; n < sizeof(buf); n++) {
		struct rd r = rd_init(buf, n);
		struct ike_hdr h = { .msg_id = 77 };

		cr_assert_eq(ike_hdr_get(&r, &h), -EBADMSG);
		cr_assert_eq(h.msg_id, 77);
	}
}

/* [HDR-7]: unknown flags and the minor version are no reason to reject. */
Test(header, reserved_bits_ignored)
{
	uint8_t buf[SCAPY_INIT_OCTETS];
	size_t n = unhex(scapy_init, buf, sizeof(buf));

	buf[17] = 0x2f;
	buf[19] |= 0xc7;
	cr_assert_eq(decode(buf, n), MSG_OK);
}

Test(message, sa_init_of_another_implementation)
{
	uint8_t buf[SCAPY_INIT_OCTETS];
	const uint8_t order[] = { PLD_SA, PLD_KE, PLD_NONCE, PLD_NOTIFY, PLD_NOTIFY, PLD_VENDOR };
	const struct proposal *p = msg.sa.p;
	const struct notify *n;
	size_t len = unhex(scapy_init, buf, sizeof(buf));

	cr_assert_eq(len, SCAPY_INIT_OCTETS);
	cr_assert_eq(msg_decode(buf, len, &msg, &critical), MSG_OK);
	cr_assert(msg.has_sa && msg.has_ke && msg.has_nonce && !msg.has_sk && !msg.has_idi);
	cr_assert_eq(msg.sa.n, 2);
	cr_assert_eq(p[0].number, 1);
	cr_assert_eq(p[0].protocol, PROTO_IKE);
	cr_assert_eq(p[0].spi_len, 0);
	cr_assert_eq(p[0].n_transforms, 3);
	cr_assert_eq(p[0].transforms[0].type, TRANSFORM_ENCR);
	cr_assert_eq(p[0].transforms[0].id, ENCR_AES_GCM_16);
	cr_assert_eq(p[0].transforms[0].key_bits, 256);
	cr_assert_eq(p[0].transforms[2].type, TRANSFORM_KE);
	cr_assert_eq(p[0].transforms[2].id, KE_X25519);
	cr_assert_eq(p[0].transforms[2].key_bits, 0);
	cr_assert_eq(p[1].number, 2);
	cr_assert_eq(p[1].n_transforms, 5);
	cr_assert_eq(p[1].transforms[1].key_bits, 128);
	cr_assert_eq(p[1].transforms[3].id, INTEG_HMAC_SHA2_256_128);
	cr_assert_eq(msg.ke_group, KE_X25519);
	cr_assert_eq(msg.ke.len, 32);
	cr_assert_eq(msg.ke.p[0], 0x20);
	cr_assert_eq(msg.nonce.len, 32);
	cr_assert_eq(msg.nonce.p[31], 0x9f);
	cr_assert_eq(msg.n_notifies, 2);
	n = msg_notify(&msg, N_NAT_DETECTION_DESTINATION_IP);
	cr_assert_eq(n, &msg.notifies[1]);
	cr_assert_eq(n->data.len, 20);
	cr_assert_eq(n->data.p[0], 20);
	cr_assert_null(msg_notify(&msg, N_COOKIE));
	cr_assert_null(msg_error_notify(&msg));
	cr_assert_eq(msg.n_vendors, 1);
	cr_assert_eq(msg.vendors[0].len, 16);
	cr_assert_eq(msg.n_order, sizeof(order));
	cr_assert_arr_eq(msg.order, order, sizeof(order));
}

/* scapy's IKE_SA_INIT as our writer has it. */
static size_t write_again(const struct ike_msg *m, uint8_t *out, size_t cap)
{
	struct msg_wr w = msg_begin(out, cap, &m->hdr);

	msg_put_sa(&w, &m->sa);
	msg_put_ke(&w, m->ke_group, m->ke.p, m->ke.len);
	msg_put_nonce(&w, m->nonce.p, m->nonce.len);
	for (int i = 0; i < 2; i++)
		msg_put_notify(&w, PROTO_NONE, NULL, 0, m->notifies[i].type, m->notifies[i].data.p,
			       m->notifies[i].data.len);
	msg_put_vendor(&w, m->vendors[0].p, m->vendors[0].len);
	return msg_end(&w);
}

Test(message, sa_init_builds_the_same_octets)
{
	uint8_t buf[SCAPY_INIT_OCTETS], out[SCAPY_INIT_OCTETS];
	size_t len = unhex(scapy_init, buf, sizeof(buf));

	cr_assert_eq(msg_decode(buf, len, &msg, &critical), MSG_OK);
	cr_assert_eq(write_again(&msg, out, sizeof(out)), len);
	cr_assert_arr_eq(out, buf, len);

	/* One octet less of room, wherever it runs out, is an overflow and no more. */
	for (size_t cap = 0; cap < len; cap++)
		cr_assert_eq(write_again(&msg, out, cap), 0);
}

/* [HDR-1]: "a datagram shorter or longer than Length" is never accepted. [PLD-2]: nor is a chain
 * that the Length cuts. */
Test(message, truncated_anywhere)
{
	uint8_t buf[SCAPY_INIT_OCTETS + 1];
	size_t len = unhex(scapy_init, buf, sizeof(buf));

	for (size_t n = 0; n < len; n++) {
		cr_assert_eq(decode(buf, n), MSG_INVALID_SYNTAX, "cut at %zu", n);
		if (n < IKE_HEADER_OCTETS)
			continue;
		buf[26] = (uint8_t)(n >> 8);
		buf[27] = (uint8_t)n;
		cr_assert_eq(decode(buf, n), MSG_INVALID_SYNTAX, "cut with Length at %zu", n);
		buf[26] = SCAPY_INIT_OCTETS >> 8;
		buf[27] = SCAPY_INIT_OCTETS & 0xff;
	}
	cr_assert_eq(decode(buf, len), MSG_OK);
	buf[len] = 0;
	cr_assert_eq(decode(buf, len + 1), MSG_INVALID_SYNTAX);
}

/* No bit of a message makes the decoder misbehave; the heap copy lets a sanitizer watch. */
Test(message, every_bit_flipped)
{
	uint8_t buf[SCAPY_INIT_OCTETS];
	size_t len = unhex(scapy_init, buf, sizeof(buf));

	for (size_t bit = 0; bit < len * 8; bit++) {
		buf[bit / 8] ^= (uint8_t)(1 << bit % 8);
		enum msg_verdict v = decode(buf, len);
		cr_assert(v == MSG_OK || v == MSG_INVALID_SYNTAX || v == MSG_UNSUPPORTED_CRITICAL);
		buf[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
}

Test(message, empty)
{
	cr_assert_eq(decode_hex(PLD_NONE, ""), MSG_OK);
	cr_assert_eq(msg.n_order, 0);
	cr_assert_eq(inner_hex(PLD_NONE, ""), MSG_OK);
}

/* [PLD-2] */
Test(message, bad_payload_lengths)
{
	cr_assert_eq(decode_hex(PLD_VENDOR, "00000003"), MSG_INVALID_SYNTAX);
	cr_assert_eq(decode_hex(PLD_VENDOR, "00000000"), MSG_INVALID_SYNTAX);
	cr_assert_eq(decode_hex(PLD_VENDOR, "00000005"), MSG_INVALID_SYNTAX);
	cr_assert_eq(decode_hex(PLD_VENDOR, "0000ffff"), MSG_INVALID_SYNTAX);
	cr_assert_eq(decode_hex(PLD_VENDOR, "00000004"), MSG_OK);
	cr_assert_eq(decode_hex(PLD_VENDOR, "00000004 00"), MSG_INVALID_SYNTAX);
	cr_assert_eq(decode_hex(PLD_VENDOR, "00000004 00000004"), MSG_INVALID_SYNTAX);
	cr_assert_eq(decode_hex(PLD_NONE, "00000004"), MSG_INVALID_SYNTAX);
	cr_assert_eq(inner_hex(PLD_NONE, "00"), MSG_INVALID_SYNTAX);
	/* the chain promises one more than there is */
	cr_assert_eq(decode_hex(PLD_VENDOR, "2b000004"), MSG_INVALID_SYNTAX);
}

/* [PLD-4] [PLD-7]: an unknown type is skipped, or rejected by name if it is critical. */
Test(message, unknown_payload_types)
{
	for (unsigned type = 1; type < 256; type++) {
		char hex[32];
		bool known = (type >= PLD_SA && type <= PLD_EAP) || type == PLD_SKF;

		if (known)
			continue;
		critical = 0;
		cr_assert_eq(decode_hex((uint8_t)type, "2b00000501 00000004"), MSG_OK);
		cr_assert_eq(msg.n_vendors, 1);
		cr_assert_eq(msg.order[0], type);
		cr_assert_eq(decode_hex((uint8_t)type, "2b80000501 00000004"),
			     MSG_UNSUPPORTED_CRITICAL);
		cr_assert_eq(critical, type);
		snprintf(hex, sizeof(hex), "%02x000004 00800004", type);
		cr_assert_eq(inner_hex(PLD_VENDOR, hex), MSG_UNSUPPORTED_CRITICAL);
		cr_assert_eq(critical, type);
	}
}

/* [PLD-5] [PLD-6]: for a type we know the bit says nothing, whatever the content. */
Test(message, critical_bit_of_known_types_ignored)
{
	cr_assert_eq(decode_hex(PLD_VENDOR, "29800004 00800008 0000a123"), MSG_OK);
	cr_assert_eq(msg.n_notifies, 1);
	cr_assert_eq(msg.notifies[0].type, 0xa123);
}

/* [PLD-3] */
Test(message, order_is_free)
{
	cr_assert_eq(decode_hex(PLD_NOTIFY, "28000008 00004004"
					    "2b000014 000102030405060708090a0b0c0d0e0f"
					    "22000004"
					    "00000009 001f0000 aa"),
		     MSG_OK);
	cr_assert(msg.has_nonce && msg.has_ke && msg.n_notifies == 1 && msg.n_vendors == 1);
	cr_assert_eq(msg.ke.len, 1);
}

/* [PLD-8] */
Test(message, repeated_single_payloads)
{
	static const struct {
		uint8_t type;
		const char *body;
	} single[] = {
		{ PLD_SA, "0000001401030401 00000001 0000000801000014" },
		{ PLD_KE, "001f0000aa" },
		{ PLD_NONCE, "000102030405060708090a0b0c0d0e0f" },
		{ PLD_IDI, "0200000061" },
		{ PLD_IDR, "0200000062" },
		{ PLD_AUTH, "02000000aa" },
		{ PLD_TSI, "01000000 07000010 0000ffff 0a000000 0a0000ff" },
		{ PLD_TSR, "01000000 07000010 0000ffff 0a000000 0a0000ff" },
		{ PLD_CP, "01000000" },
	};

	for (size_t i = 0; i < sizeof(single) / sizeof(single[0]); i++) {
		uint8_t body[64], buf[512];
		size_t n = unhex(single[i].body, body, sizeof(body));
		struct ike_hdr h = { .version = IKE_VERSION_2_0, .exchange = IKE_AUTH };
		struct msg_wr w = msg_begin(buf, sizeof(buf), &h);

		msg_put_raw(&w, single[i].type, body, n);
		cr_assert_eq(decode(buf, msg_end(&w)), MSG_OK, "payload %u", single[i].type);
		msg_put_raw(&w, single[i].type, body, n);
		cr_assert_eq(decode(buf, msg_end(&w)), MSG_INVALID_SYNTAX, "payload %u",
			     single[i].type);
	}
}

/* [PLD-1]: SK ends the chain, names the first inner payload, and never stands inside itself. */
Test(message, sk_last_and_outermost)
{
	cr_assert_eq(decode_hex(PLD_SK, "2300000a 010203040506"), MSG_OK);
	cr_assert(msg.has_sk);
	cr_assert_eq(msg.sk_next, PLD_IDI);
	cr_assert_eq(msg.sk_body_off, 32);
	cr_assert_eq(msg.sk.len, 6);
	cr_assert_eq(decode_hex(PLD_NOTIFY, "2e000008 00004004 00000005 01"), MSG_OK);
	cr_assert_eq(msg.sk_body_off, 40);
	cr_assert_eq(decode_hex(PLD_SK, "2b000005 01 00000004"), MSG_INVALID_SYNTAX);
	cr_assert_eq(inner_hex(PLD_SK, "00000005 01"), MSG_INVALID_SYNTAX);
	cr_assert_eq(inner_hex(PLD_SKF, "00000009 00010001 01"), MSG_INVALID_SYNTAX);
}

/* [FRG-2] */
Test(message, skf_numbers)
{
	cr_assert_eq(decode_hex(PLD_SKF, "23000009 00010003 aa"), MSG_OK);
	cr_assert(msg.has_skf && !msg.has_sk);
	cr_assert_eq(msg.skf_number, 1);
	cr_assert_eq(msg.skf_total, 3);
	cr_assert_eq(msg.sk_next, PLD_IDI);
	cr_assert_eq(msg.sk_body_off, 36);
	cr_assert_eq(decode_hex(PLD_SKF, "00000009 00030003 aa"), MSG_OK);
	cr_assert_eq(decode_hex(PLD_SKF, "23000009 00000003 aa"), MSG_INVALID_SYNTAX);
	cr_assert_eq(decode_hex(PLD_SKF, "00000009 00040003 aa"), MSG_INVALID_SYNTAX);
	cr_assert_eq(decode_hex(PLD_SKF, "23000009 00020003 aa"), MSG_INVALID_SYNTAX);
	cr_assert_eq(decode_hex(PLD_SKF, "23000006 0001"), MSG_INVALID_SYNTAX);
}

static enum msg_verdict decode_repeated(uint8_t type, const char *body_hex, unsigned times)
{
	uint8_t body[64], buf[8192];
	size_t n = unhex(body_hex, body, sizeof(body));
	struct ike_hdr h = { .version = IKE_VERSION_2_0 };
	struct msg_wr w = msg_begin(buf, sizeof(buf), &h);

	for (unsigned i = 0; i < times; i++)
		msg_put_raw(&w, type, body, n);
	n = msg_end(&w);
	cr_assert_gt(n, 0);
	return decode(buf, n);
}

/* [ROB-1]: counts are bounded; what only informs is dropped quietly, the rest refused. */
Test(message, bounds)
{
	cr_assert_eq(decode_repeated(PLD_VENDOR, "aa", MSG_VENDORS_MAX + 1), MSG_OK);
	cr_assert_eq(msg.n_vendors, MSG_VENDORS_MAX);
	cr_assert_eq(decode_repeated(PLD_NOTIFY, "00004004", MSG_NOTIFIES_MAX + 1), MSG_OK);
	cr_assert_eq(msg.n_notifies, MSG_NOTIFIES_MAX);
	cr_assert_eq(decode_repeated(PLD_CERTREQ, "04", 9), MSG_OK);
	cr_assert_eq(msg.n_certreqs, 8);
	cr_assert_eq(decode_repeated(PLD_CERT, "04", 8), MSG_OK);
	cr_assert_eq(decode_repeated(PLD_CERT, "04", 9), MSG_INVALID_SYNTAX);
	cr_assert_eq(decode_repeated(PLD_DELETE, "03040000", MSG_DELETES_MAX), MSG_OK);
	cr_assert_eq(decode_repeated(PLD_DELETE, "03040000", MSG_DELETES_MAX + 1),
		     MSG_INVALID_SYNTAX);
	cr_assert_eq(decode_repeated(200, "", MSG_PAYLOADS_MAX), MSG_OK);
	cr_assert_eq(decode_repeated(200, "", MSG_PAYLOADS_MAX + 1), MSG_INVALID_SYNTAX);
}

Test(message, eap_is_noticed)
{
	cr_assert_eq(inner_hex(PLD_EAP, "00000008 01000004"), MSG_OK);
	cr_assert(msg.has_eap);
}

/* Inner payloads join what the outer chain brought, and may not repeat it. */
Test(message, inner_joins_outer)
{
	static uint8_t inner[64];
	size_t n;

	cr_assert_eq(decode_hex(PLD_NONCE, "2e000014 000102030405060708090a0b0c0d0e0f 29000005 01"),
		     MSG_OK);
	n = unhex("00000008 00004004", inner, sizeof(inner));
	cr_assert_eq(msg_decode_inner(msg.sk_next, inner, n, &msg, &critical), MSG_OK);
	cr_assert(msg.has_nonce && msg.has_sk && msg.n_notifies == 1);
	cr_assert_eq(msg.hdr.spi_i, 1);
	n = unhex("00000014 000102030405060708090a0b0c0d0e0f", inner, sizeof(inner));
	cr_assert_eq(msg_decode_inner(PLD_NONCE, inner, n, &msg, &critical), MSG_INVALID_SYNTAX);
}

Test(message, inner_chain_built)
{
	uint8_t buf[64], want[64];
	struct msg_wr w = msg_begin_inner(buf, sizeof(buf));

	cr_assert_eq(msg_end(&w), 0);
	cr_assert_eq(w.w.err, 0); /* empty, not overflowed */
	cr_assert_eq(w.first, PLD_NONE);
	msg_put_delete_ike(&w);
	msg_put_vendor(&w, "x", 1);
	cr_assert_eq(w.first, PLD_DELETE);
	cr_assert_eq(msg_end(&w), unhex("2b000008 01000000 00000005 78", want, sizeof(want)));
	cr_assert_arr_eq(buf, want, w.w.len);
}

Test(message, payload_too_long_to_build)
{
	static uint8_t buf[70000], body[66000];
	struct ike_hdr h = { .version = IKE_VERSION_2_0 };
	struct msg_wr w = msg_begin(buf, sizeof(buf), &h);

	msg_put_vendor(&w, body, sizeof(body));
	cr_assert_eq(msg_end(&w), 0);
	w = msg_begin(buf, sizeof(buf), &h);
	msg_put_vendor(&w, body, 40000);
	msg_put_vendor(&w, body, 40000); /* each fits, the message does not */
	cr_assert_eq(msg_end(&w), 0);
}

Test(names, spelled_as_in_the_rfcs)
{
	cr_assert_str_eq(exchange_name(IKE_AUTH), "IKE_AUTH");
	cr_assert_str_eq(exchange_name(38), "unknown");
	cr_assert_str_eq(notify_name(N_TS_UNACCEPTABLE), "TS_UNACCEPTABLE");
	cr_assert_str_eq(notify_name(16404), "unknown");
	cr_assert_str_eq(id_type_name(ID_RFC822_ADDR), "RFC822_ADDR");
	cr_assert_str_eq(id_type_name(4), "unknown");
	cr_assert_str_eq(payload_name(PLD_IDI), "IDi");
	cr_assert_str_eq(payload_name(PLD_SKF), "SKF");
	cr_assert_str_eq(payload_name(1), "unknown");
}
