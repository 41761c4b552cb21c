/* SPDX-License-Identifier: GPL-2.0-only */
/* Payload by payload: user/ikemsg/ sa_payload.c, ke_nonce.c, id_auth.c, notify.c, delete.c, ts.c
 * and cp.c. The octets are written by hand after the figures of RFC 7296 section 3; each is
 * decoded, looked at, and built again from what was decoded. */
#include <criterion/criterion.h>
#include <string.h>

#include "crypto/alg.h"
#include "ikemsg/ikemsg.h"
#include "../lib/hex.h"

static struct ike_msg msg;
static uint8_t in[2048], out[2048];
static size_t in_len;

/* One payload of that type, body in hex, as the inner chain of a message. */
static enum msg_verdict get(uint8_t type, const char *body_hex)
{
	uint8_t critical;

	memset(&msg, 0, sizeof(msg));
	in_len = 4 + unhex(body_hex, in + 4, sizeof(in) - 4);
	in[0] = in[1] = 0;
	in[2] = (uint8_t)(in_len >> 8);
	in[3] = (uint8_t)in_len;
	return msg_decode_inner(type, in, in_len, &msg, &critical);
}

/* What was built is what was decoded. */
static void assert_same(struct msg_wr *w, uint8_t type)
{
	cr_assert_eq(w->first, type);
	cr_assert_eq(msg_end(w), in_len);
	cr_assert_arr_eq(out, in, in_len);
}

static struct msg_wr begin(void)
{
	return msg_begin_inner(out, sizeof(out));
}

/* ---- SA (3.3) ---- */

/* [PRO-2] [PRO-4]: an ESP and an IKE proposal, SPIs of 4 and 8 octets. */
Test(sa, esp_and_ike_proposals)
{
	struct msg_wr w = begin();

	cr_assert_eq(get(PLD_SA, "02000024 01030402 c0000001"
				 " 0300000c 01000014 800e0080  0000000c 0500000000000000"),
		     MSG_INVALID_SYNTAX); /* lengths disagree */
	cr_assert_eq(get(PLD_SA, "02000020 01030402 c0000001"
				 " 0300000c 01000014 800e0080  00000008 05000001"
				 "00000028 02010803 0102030405060708"
				 " 03000008 0100001c  03000008 02000007  00000008 0400001f"),
		     MSG_OK);
	cr_assert_eq(msg.sa.n, 2);
	cr_assert_eq(msg.sa.p[0].protocol, PROTO_ESP);
	cr_assert_eq(msg.sa.p[0].spi, 0xc0000001);
	cr_assert_eq(msg.sa.p[0].transforms[0].key_bits, 128);
	cr_assert_eq(msg.sa.p[0].transforms[1].type, TRANSFORM_ESN);
	cr_assert_eq(msg.sa.p[0].transforms[1].id, ESN_YES);
	cr_assert_eq(msg.sa.p[1].spi_len, 8);
	cr_assert_eq(msg.sa.p[1].spi, 0x0102030405060708);
	cr_assert_eq(msg.sa.p[1].transforms[0].id, ENCR_CHACHA20_POLY1305);
	msg_put_sa(&w, &msg.sa);
	assert_same(&w, PLD_SA);
}

/* [PRO-7]: an unknown type, id or attribute spoils only its own transform. */
Test(sa, unknown_transforms_are_kept)
{
	cr_assert_eq(get(PLD_SA, "0000003c 01010004"
				 " 0300000c 01000014 80120001"		/* unknown TV attribute */
				 " 0300000e 01000014 00120002 abcd"	/* unknown TLV attribute */
				 " 03000010 0100000c 800e0100 80130001" /* known and unknown */
				 " 0000000a f0001234 00120000"),
		     MSG_INVALID_SYNTAX); /* the last one's length is short of its attribute */
	cr_assert_eq(get(PLD_SA, "0000003e 01010004"
				 " 0300000c 01000014 80120001"
				 " 0300000e 01000014 00120002 abcd"
				 " 03000010 0100000c 800e0100 80130001"
				 " 0000000c f0001234 00120000"),
		     MSG_OK);
	cr_assert_eq(msg.sa.p[0].n_transforms, 4);
	for (int i = 0; i < 4; i++)
		cr_assert(msg.sa.p[0].transforms[i].unknown_attr);
	cr_assert_eq(msg.sa.p[0].transforms[2].key_bits, 256);
	cr_assert_eq(msg.sa.p[0].transforms[3].type, 0xf0);
	cr_assert_eq(msg.sa.p[0].transforms[3].id, 0x1234);
}

/* [PRO-6]: Key Length is TV, once, and not zero; otherwise the transform is unusable. */
Test(sa, odd_key_length_attributes)
{
	cr_assert_eq(get(PLD_SA, "00000014 01010001  0000000c 01000014 800e0000"), MSG_OK);
	cr_assert(msg.sa.p[0].transforms[0].unknown_attr);
	cr_assert_eq(get(PLD_SA, "00000016 01010001  0000000e 01000014 000e0002 0100"), MSG_OK);
	cr_assert(msg.sa.p[0].transforms[0].unknown_attr);
	cr_assert_eq(get(PLD_SA, "00000018 01010001  00000010 01000014 800e0100 800e0080"), MSG_OK);
	cr_assert(msg.sa.p[0].transforms[0].unknown_attr);
}

/* [PRO-1] [PRO-2] [PRO-4] [PLD-2] */
Test(sa, malformed)
{
	static const char *const bad[] = {
		"",
		"00000008",
		"00000007 01010000",
		"00000009 01010000",
		"01000008 01010000",		       /* neither last nor more */
		"02000008 01010000",		       /* more, and nothing follows */
		"00000008 01010000 00000008 02010000", /* last, and one follows */
		"02000008 01010000 00000008 01010000", /* number does not step */
		"02000008 01010000 00000008 03010000",
		"00000008 01010001",		      /* a transform is missing */
		"00000010 01010000 0000000801000014", /* one more than counted */
		"00000010 01010001 0300000801000014", /* "more" on the last */
		"00000018 01010002 00000008 01000014 00000008 02000005", /* "last" on the first */
		"00000010 01010001 0000000701000014",
		"00000010 01010001 0000000901000014",
		"00000012 01010001 0000000a01000014 8012", /* half an attribute */
		"0000000b 01010300 010203",		   /* SPI Size 3 */
		"0000000a 01030400 0102",		   /* SPI cut */
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		cr_assert_eq(get(PLD_SA, bad[i]), MSG_INVALID_SYNTAX, "%zu: %s", i, bad[i]);
}

static enum msg_verdict many(unsigned proposals, unsigned transforms)
{
	static uint8_t buf[16384];
	struct wr w = wr_init(buf, sizeof(buf));
	uint8_t critical;

	wr_u16(&w, 0);
	wr_u16(&w, (uint16_t)(4 + proposals * (8 + 8 * transforms)));
	for (unsigned i = 0; i < proposals; i++) {
		wr_u16(&w, i + 1 < proposals ? 0x0200 : 0);
		wr_u16(&w, (uint16_t)(8 + 8 * transforms));
		wr_u8(&w, (uint8_t)(i + 1));
		wr_u16(&w, PROTO_IKE << 8);
		wr_u8(&w, (uint8_t)transforms);
		for (unsigned j = 0; j < transforms; j++) {
			wr_u16(&w, j + 1 < transforms ? 0x0300 : 0);
			wr_u16(&w, 8);
			wr_u32(&w, 0x02000005);
		}
	}
	cr_assert_eq(w.err, 0);
	memset(&msg, 0, sizeof(msg));
	return msg_decode_inner(PLD_SA, buf, w.len, &msg, &critical);
}

/* [ROB-1] */
Test(sa, bounds)
{
	cr_assert_eq(many(MSG_PROPOSALS_MAX, MSG_TRANSFORMS_MAX), MSG_OK);
	cr_assert_eq(msg.sa.n, MSG_PROPOSALS_MAX);
	cr_assert_eq(msg.sa.p[MSG_PROPOSALS_MAX - 1].n_transforms, MSG_TRANSFORMS_MAX);
	cr_assert_eq(many(MSG_PROPOSALS_MAX + 1, 1), MSG_INVALID_SYNTAX);
	cr_assert_eq(many(1, MSG_TRANSFORMS_MAX + 1), MSG_INVALID_SYNTAX);
	cr_assert_eq(many(1, 255), MSG_INVALID_SYNTAX);
}

/* ---- KE, Nonce (3.4, 3.9) ---- */

Test(ke, group_and_data)
{
	struct msg_wr w = begin();

	cr_assert_eq(get(PLD_KE, "00130000 0102030405"), MSG_OK);
	cr_assert_eq(msg.ke_group, KE_ECP_256);
	cr_assert_eq(msg.ke.len, 5);
	msg_put_ke(&w, msg.ke_group, msg.ke.p, msg.ke.len);
	assert_same(&w, PLD_KE);
	cr_assert_eq(get(PLD_KE, "001300"), MSG_INVALID_SYNTAX);
}

/* [INI-9]: 16 to 256 octets. */
Test(nonce, length_limits)
{
	uint8_t body[257] = { 0 };

	for (size_t n = 0; n <= sizeof(body); n++) {
		uint8_t critical;
		struct msg_wr w = begin();
		enum msg_verdict want = n >= 16 && n <= 256 ? MSG_OK : MSG_INVALID_SYNTAX;

		msg_put_nonce(&w, body, n);
		memset(&msg, 0, sizeof(msg));
		cr_assert_eq(msg_decode_inner(w.first, out, msg_end(&w), &msg, &critical), want);
	}
}

/* ---- ID, AUTH (3.5, 3.8) ---- */

/* [AUT-1]: what AUTH covers starts at the type and keeps the reserved octets. */
Test(id, body_covers_reserved)
{
	struct msg_wr w = begin();

	cr_assert_eq(get(PLD_IDI, "02 a1a2a3 616c696365"), MSG_OK);
	cr_assert_eq(msg.idi.type, ID_FQDN);
	cr_assert_eq(msg.idi.data.len, 5);
	cr_assert_eq(memcmp(msg.idi.data.p, "alice", 5), 0);
	cr_assert_eq(msg.idi.body.len, 9);
	cr_assert_eq(memcmp(msg.idi.body.p,
			    "\x02\xa1\xa2\xa3"
			    "alice",
			    9),
		     0);
	cr_assert_eq(get(PLD_IDR, "0b 000000 6b6579"), MSG_OK);
	cr_assert(msg.has_idr && !msg.has_idi);
	msg_put_id(&w, PLD_IDR, msg.idr.type, msg.idr.data.p, msg.idr.data.len);
	assert_same(&w, PLD_IDR);
	cr_assert_eq(get(PLD_IDI, "020000"), MSG_INVALID_SYNTAX);
}

Test(auth, method_and_data)
{
	struct msg_wr w = begin();

	cr_assert_eq(get(PLD_AUTH, "02 000000 a0a1a2a3a4a5"), MSG_OK);
	cr_assert_eq(msg.auth_method, AUTH_SHARED_KEY_MIC);
	cr_assert_eq(msg.auth.len, 6);
	msg_put_auth(&w, msg.auth_method, msg.auth.p, msg.auth.len);
	assert_same(&w, PLD_AUTH);
	cr_assert_eq(get(PLD_AUTH, "0200"), MSG_INVALID_SYNTAX);
}

/* ---- Notify (3.10) ---- */

/* [REK-2] [INF-9] */
Test(notify, with_spi)
{
	struct msg_wr w = begin();
	const struct notify *n;

	cr_assert_eq(get(PLD_NOTIFY, "03 04 4009 c0000001"), MSG_OK);
	n = msg_notify(&msg, N_REKEY_SA);
	cr_assert_not_null(n);
	cr_assert_eq(n->protocol, PROTO_ESP);
	cr_assert_eq(n->spi.len, 4);
	cr_assert_eq(n->data.len, 0);
	msg_put_notify(&w, n->protocol, n->spi.p, n->spi.len, n->type, n->data.p, n->data.len);
	assert_same(&w, PLD_NOTIFY);
}

/* [INF-8]: errors end below 16384, known or not. */
Test(notify, errors_and_status)
{
	struct msg_wr w = begin();

	cr_assert_eq(get(PLD_NOTIFY, "00 00 0011 0013"), MSG_OK);
	cr_assert_eq(msg_error_notify(&msg)->type, N_INVALID_KE_PAYLOAD);
	cr_assert_eq(msg.notifies[0].data.len, 2);
	msg_put_notify(&w, 0, NULL, 0, N_INVALID_KE_PAYLOAD, "\x00\x13", 2);
	assert_same(&w, PLD_NOTIFY);
	cr_assert_eq(get(PLD_NOTIFY, "00 00 3fff"), MSG_OK);
	cr_assert_eq(msg_error_notify(&msg)->type, 16383);
	cr_assert_eq(get(PLD_NOTIFY, "00 00 4000"), MSG_OK);
	cr_assert_null(msg_error_notify(&msg));
}

/* [VUL-18] */
Test(notify, malformed)
{
	cr_assert_eq(get(PLD_NOTIFY, "000040"), MSG_INVALID_SYNTAX);
	cr_assert_eq(get(PLD_NOTIFY, "03044009 c00000"), MSG_INVALID_SYNTAX);
	cr_assert_eq(get(PLD_NOTIFY, "03ff4009 c0000001"), MSG_INVALID_SYNTAX);
}

/* ---- Delete (3.11) ---- */

/* [INF-2] [INF-5] */
Test(delete, ike_and_esp)
{
	static const uint32_t spis[] = { 0xc0000001, 0xc0000002 };
	struct msg_wr w = begin();

	cr_assert_eq(get(PLD_DELETE, "01000000"), MSG_OK);
	cr_assert_eq(msg.n_deletes, 1);
	cr_assert_eq(msg.deletes[0].protocol, PROTO_IKE);
	msg_put_delete_ike(&w);
	assert_same(&w, PLD_DELETE);

	w = begin();
	cr_assert_eq(get(PLD_DELETE, "03040002 c0000001 c0000002"), MSG_OK);
	cr_assert_eq(msg.deletes[0].n, 2);
	cr_assert_eq(msg.deletes[0].spi_len, 4);
	cr_assert_eq(msg.deletes[0].spis.len, 8);
	msg_put_delete_spis(&w, PROTO_ESP, spis, 2);
	assert_same(&w, PLD_DELETE);
}

/* [VUL-18] */
Test(delete, malformed)
{
	static const char *const bad[] = {
		"010000",
		"01080001 0102030405060708",
		"01000001",
		"03040002 c0000001",
		"03040001 c0000001 00",
		"03080001 0102030405060708",
		"0304ffff c0000001",
		"03000001",
		"02020001 0102",
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		cr_assert_eq(get(PLD_DELETE, bad[i]), MSG_INVALID_SYNTAX, "%s", bad[i]);
}

/* ---- TS (3.13) ---- */

/* [TS-1] [TS-2] */
Test(ts, both_families)
{
	struct msg_wr w = begin();

	cr_assert_eq(get(PLD_TSI, "03000000"
				  "07110010 00350035 0a000000 0a0000ff"
				  "08000028 0000ffff 20010db8000000000000000000000000"
				  " 20010db800000000000000000000ffff"
				  "07060010 ffff0000 c0000201 c0000201"),
		     MSG_OK);
	cr_assert_eq(msg.tsi.n, 3);
	cr_assert_eq(msg.tsi.skipped, 0);
	cr_assert_eq(msg.tsi.ts[0].protocol, 17);
	cr_assert_eq(msg.tsi.ts[0].port_first, 53);
	cr_assert_eq(msg.tsi.ts[0].first.family, 4);
	cr_assert_eq(msg.tsi.ts[0].last.b[3], 255);
	cr_assert_eq(msg.tsi.ts[1].first.family, 6);
	cr_assert_eq(msg.tsi.ts[1].port_last, 65535);
	cr_assert_eq(msg.tsi.ts[1].last.b[15], 0xff);
	cr_assert_eq(msg.tsi.ts[2].port_first, 65535); /* OPAQUE */
	cr_assert_eq(msg.tsi.ts[2].port_last, 0);
	msg_put_ts(&w, PLD_TSI, &msg.tsi);
	assert_same(&w, PLD_TSI);
}

/* [TS-5]: TS_FC_ADDR_RANGE (RFC 4595) is none of ours. */
Test(ts, unknown_types_counted)
{
	cr_assert_eq(get(PLD_TSR, "03000000 0900001c 000000010000ff00000000ff01020304"
				  "00000000 00000000"
				  "07000010 0000ffff 0a000000 0a0000ff"
				  "0a000004"),
		     MSG_OK);
	cr_assert_eq(msg.tsr.n, 1);
	cr_assert_eq(msg.tsr.skipped, 2);
}

/* [VUL-17] [TS-1] */
Test(ts, malformed)
{
	static const char *const bad[] = {
		"",
		"010000",
		"01000000",
		"02000000 07000010 0000ffff 0a000000 0a0000ff",
		"00000000 07000010 0000ffff 0a000000 0a0000ff",
		"01000000 07000010 0000ffff 0a000000 0a0000ff 00",
		"01000000 0700000f 0000ffff 0a000000 0a0000",
		"01000000 07000011 0000ffff 0a000000 0a0000ff00",
		"01000000 08000010 0000ffff 0a000000 0a0000ff",
		"01000000 07000003 0000ffff 0a000000 0a0000ff",
		"01000000 09000003",
		"01000000 07110010 00360035 0a000000 0a0000ff", /* ports reversed */
		"01000000 07000010 0000ffff 0a000001 0a000000", /* addresses reversed */
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		cr_assert_eq(get(PLD_TSI, bad[i]), MSG_INVALID_SYNTAX, "%s", bad[i]);
}

/* [ROB-1] */
Test(ts, bounds)
{
	uint8_t critical;

	for (unsigned n = MSG_TS_MAX; n <= MSG_TS_MAX + 1; n++) {
		struct wr w = wr_init(out, sizeof(out));

		wr_u32(&w, 8 + 16 * n);
		wr_u32(&w, n << 24);
		for (unsigned i = 0; i < n; i++) {
			wr_u32(&w, 0x07000010);
			wr_u32(&w, 0x0000ffff);
			wr_zero(&w, 8);
		}
		memset(&msg, 0, sizeof(msg));
		cr_assert_eq(msg_decode_inner(PLD_TSI, out, w.len, &msg, &critical),
			     n > MSG_TS_MAX ? MSG_INVALID_SYNTAX : MSG_OK);
	}
}

/* ---- CP (3.15) ---- */

/* [AUT-10] [AUT-11]: zero lengths in requests, 17 octets of IPv6 address. */
Test(cp, request_and_reply)
{
	struct msg_wr w = begin();

	cr_assert_eq(get(PLD_CP, "01000000 00010000 00080000 00030000"), MSG_OK);
	cr_assert_eq(msg.cp.type, CFG_REQUEST);
	cr_assert_eq(msg.cp.n, 3);
	cr_assert_eq(msg.cp.a[1].type, INTERNAL_IP6_ADDRESS);
	cr_assert_eq(msg.cp.a[1].value.len, 0);
	msg_put_cp(&w, &msg.cp);
	assert_same(&w, PLD_CP);

	w = begin();
	cr_assert_eq(get(PLD_CP, "02000000 00010004 0a000001"
				 "00080011 20010db8000000000000000000000001 40"
				 "000d0008 0a000000 ff000000"),
		     MSG_OK);
	cr_assert_eq(msg.cp.type, CFG_REPLY);
	cr_assert_eq(msg.cp.a[0].value.len, 4);
	cr_assert_eq(msg.cp.a[1].value.len, 17);
	cr_assert_eq(msg.cp.a[1].value.p[16], 64);
	msg_put_cp(&w, &msg.cp);
	assert_same(&w, PLD_CP);
}

/* [AUT-12], and "This bit MUST be set to zero and MUST be ignored on receipt" (3.15.1). */
Test(cp, unknown_attributes_and_reserved_bit)
{
	cr_assert_eq(get(PLD_CP, "02000000 7abc0003 010203 80010004 0a000001"), MSG_OK);
	cr_assert_eq(msg.cp.n, 2);
	cr_assert_eq(msg.cp.a[0].type, 0x7abc);
	cr_assert_eq(msg.cp.a[1].type, INTERNAL_IP4_ADDRESS);
}

Test(cp, malformed)
{
	static const char *const bad[] = {
		"",
		"010000",
		"01000000 0001",
		"01000000 00010004 0a0000",
		"01000000 00010003 0a0000",
		"01000000 00010005 0a00000000",
		"01000000 00080010 20010db8000000000000000000000001",
		"01000000 000d0004 0a000000",
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		cr_assert_eq(get(PLD_CP, bad[i]), MSG_INVALID_SYNTAX, "%s", bad[i]);
}

/* [ROB-1] */
Test(cp, bounds)
{
	char hex[16 + (MSG_CFG_ATTRS_MAX + 1) * 8] = "01000000";

	for (unsigned n = 1; n <= MSG_CFG_ATTRS_MAX + 1; n++) {
		strcat(hex, "00010000");
		cr_assert_eq(get(PLD_CP, hex), n > MSG_CFG_ATTRS_MAX ? MSG_INVALID_SYNTAX : MSG_OK);
	}
}

/* RFC 7296 3.6, 3.7: an encoding and data; empty bodies have neither. */
Test(payloads, cert)
{
	uint8_t buf[64], critical;
	struct msg_wr w = msg_begin_inner(buf, sizeof(buf));
	struct ike_msg m = { .n_certs = 0 };
	struct bytes b = { NULL, 99 };

	msg_put_cert(&w, PLD_CERT, CERT_X509_SIGNATURE, "der", 3);
	msg_put_cert(&w, PLD_CERTREQ, 12, NULL, 0);
	cr_assert_eq(msg_decode_inner(PLD_CERT, buf, msg_end(&w), &m, &critical), MSG_OK);
	cr_assert_eq(m.n_certs, 1);
	cr_assert_eq(m.n_certreqs, 1);
	cr_assert(!msg_cert(m.certs[0], 12, &b));
	cr_assert_eq(b.len, 99);
	cr_assert(msg_cert(m.certs[0], CERT_X509_SIGNATURE, &b));
	cr_assert_eq(b.len, 3);
	cr_assert_eq(memcmp(b.p, "der", 3), 0);
	cr_assert(msg_cert(m.certreqs[0], 12, &b));
	cr_assert_eq(b.len, 0);
	cr_assert(!msg_cert((struct bytes){ NULL, 0 }, 0, &b));
}

/* [SIG-1]: a list of 16-bit numbers; half a number and numbers we will never know do no harm. */
Test(payloads, hashes)
{
	static const uint8_t list[] = { 0, 2, 0, 5, 0x10, 0x02, 0, 31, 0, 32, 0 };
	struct notify n = { .data = { list, sizeof(list) } };
	uint8_t buf[64], critical;
	struct msg_wr w = msg_begin_inner(buf, sizeof(buf));
	struct ike_msg m = { .n_notifies = 0 };

	cr_assert_eq(msg_hashes(&n), 1u << 2 | 1u << 5 | 1u << 31);
	cr_assert_eq(msg_hashes(&(struct notify){ .type = 0 }), 0);
	msg_put_hashes(&w, 1u << 2 | 1u << 4);
	cr_assert_eq(msg_decode_inner(PLD_NOTIFY, buf, msg_end(&w), &m, &critical), MSG_OK);
	cr_assert_eq(m.notifies[0].type, N_SIGNATURE_HASH_ALGORITHMS);
	cr_assert_eq(m.notifies[0].protocol, 0);
	cr_assert_eq(m.notifies[0].data.len, 4);
	cr_assert_eq(msg_hashes(&m.notifies[0]), 1u << 2 | 1u << 4);
}
