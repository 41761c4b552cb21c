/* SPDX-License-Identifier: GPL-2.0-only */
/* ikemsg/mmx: actions and their results, written by hand, decoded, looked at, and built again; what
 * is wrong is refused; what is built at random comes back the same. */
#include "mmx_hex.h"

static struct mmx_action a;
static struct mmx_result res;

static enum mmx_status action(const char *hex)
{
	return mmx_action_get(data(hex), &a);
}

static enum mmx_status result(const char *hex)
{
	return mmx_result_get(data(hex), &res);
}

/* ---- MMX_ACTION ---- */

/* [MMX-7]: the vector of the specification, a whole payload. */
Test(mmx, action_of_the_specification)
{
	static uint8_t vector[256];
	static struct ike_msg msg;
	struct msg_wr w = begin();
	uint8_t critical;
	size_t len = unhex("00000034 0000ce03 00070102 00000002 00010008 01000000 00030000"
			   "0001000c 02000004 00040000 c6336404 00020004 02000000",
			   vector, sizeof(vector));

	cr_assert_eq(msg_decode_inner(PLD_NOTIFY, vector, len, &msg, &critical), MSG_OK);
	const struct notify *got = msg_notify(&msg, N_MMX_ACTION);
	cr_assert_not_null(got);
	cr_assert_eq(mmx_action_get(got, &a), MMX_OK);
	cr_assert_eq(a.id, 7);
	cr_assert_eq(a.code, MMX_UPDATE);
	cr_assert_eq(a.flags, MMX_ACTION_HARD);
	cr_assert_eq(a.generation, 2);
	const struct mmx_ep *old = mmx_next_ep(&a.tlvs, MMX_ROLE_OLD, NULL);
	const struct mmx_ep *new = mmx_next_ep(&a.tlvs, MMX_ROLE_NEW, NULL);
	cr_assert(old->epid == 3 && !old->side && !old->addr.family);
	cr_assert(new->epid == 4 && !new->side && !new->flags);
	cr_assert(addr_equal(&new->addr, &(struct addr){ 4, { 198, 51, 100, 4 } }));
	cr_assert_null(mmx_next_ep(&a.tlvs, MMX_ROLE_NEW, new));
	const struct mmx_tlv *sel = mmx_next(&a.tlvs, MMX_TLV_SEL, NULL);
	cr_assert_eq(sel->sel.kind, MMX_SEL_OLD);
	cr_assert_null(mmx_next(&a.tlvs, MMX_TLV_SEL, sel));

	mmx_action_put(&w, &a);
	cr_assert_eq(msg_end(&w), len);
	cr_assert_arr_eq(out, vector, len);
}

/* The same, made here from its parts. */
Test(mmx, action_built_from_parts)
{
	struct mmx_action *b = calloc(1, sizeof(*b));
	struct msg_wr w = begin();

	in_len = unhex("00070102 00000002 00010008 01000000 00030000"
		       "0001000c 02000004 00040000 c6336404 00020004 02000000",
		       in, sizeof(in));
	b->id = 7;
	b->code = MMX_UPDATE;
	b->flags = MMX_ACTION_HARD;
	b->generation = 2;
	mmx_add(&b->tlvs, MMX_TLV_EP)->ep = (struct mmx_ep){ .role = MMX_ROLE_OLD, .epid = 3 };
	mmx_add(&b->tlvs, MMX_TLV_EP)->ep =
		(struct mmx_ep){ .role = MMX_ROLE_NEW, .epid = 4, .addr = addr_v4(0xc6336404) };
	mmx_add(&b->tlvs, MMX_TLV_SEL)->sel.kind = MMX_SEL_OLD;
	mmx_action_put(&w, b);
	assert_same(&w, N_MMX_ACTION);
	free(b);
}

#define UPDATE	 "0007 01 00 00000002"
#define ADD	 "0007 02 00 00000002"
#define REMOVE	 "0007 03 00 00000002"
#define SET_ALT	 "0007 04 00 00000002"
#define ADD_IF	 "0007 05 00 00000002"
#define DEL_IF	 "0007 06 00 00000002"
#define FAILOVER "0007 07 00 00000002"
#define QUERY	 "0007 08 00 00000002"

/* [MMX-8] [MIF-3.4.1-11]: every code, as it may be. */
Test(mmx, actions)
{
	static const char *const good[] = {
		UPDATE OLD_3 NEW_4,
		UPDATE OLD_3 NEW_4 SEL_IKE SEL_SPIS SEL_OLD SEL_ALL SEL_SPIS TOKEN_3_1 TEXT_NO,
		UPDATE OLD_3_PEER NEW_4_PEER SEL_SPIS,
		UPDATE "0001 0008 01 00 01 00 0003 0000" NEW_4 NEW_5, /* an interface */
		UPDATE OLD_3 "0001 0008 02 00 00 00 0000 0000",	      /* what IKE uses */
		UPDATE OLD_3 "0001 000c 02 00 08 04 0004 0000 c6336404" SEL_IKE SEL_OLD, /* HERE */
		UPDATE OLD_3 "0001 0008 02 00 02 00 0003 0000", /* AS_OBSERVED */
		"0007 01 01 00000000" OLD_3 "0001 000c 02 00 00 04 0000 1194 c6336404", /* CHECK */
		ADD NEW_4 SEL_ALL,
		ADD OLD_3 NEW_4 NEW_5 SEL_OLD,
		ADD NEW_4_PEER SEL_SPIS,
		REMOVE OLD_3,
		REMOVE OLD_3 "0001 0008 01 00 00 00 0004 0000" SEL_ALL,
		SET_ALT OLD_3,
		SET_ALT OLD_3 ALT_2 "0001 000c 04 00 00 04 0000 0000 c6336409" SEL_OLD,
		ADD_IF NEW_4 NONCE DIGEST,
		ADD_IF NEW_4 INNER_NEW_ASSIGN SRC_1
		"0001 0008 05 00 01 00 0002 0000" NONCE DIGEST TOKEN_3_1,
		ADD_IF NEW_4 TO_1 INNER_OLD_V4 INNER_NEW_V4 SEL_SPIS NONCE
		"0004 0008 0001 0000 c0000009" DIGEST,
		"0007 06 08 00000002" OLD_3,
		DEL_IF "0001 0008 01 00 01 00 0003 0000",
		FAILOVER OLD_3_PEER NEW_4_PEER SEL_OLD,
		QUERY SEL_ALL,
		QUERY SEL_IKE SEL_SPIS,
		QUERY OLD_3 SEL_OLD,
	};

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		struct msg_wr w = begin();

		cr_assert_eq(action(good[i]), MMX_OK, "%zu: %s", i, good[i]);
		cr_assert_eq(a.id, 7);
		mmx_action_put(&w, &a);
		assert_same(&w, N_MMX_ACTION);
	}
}

/* [MMX-9]: what is missing, contradicts itself or has no place there. */
Test(mmx, actions_malformed)
{
	static const char *const bad[] = {
		"",
		"0007 01 00 000000",
		"0000 01 00 00000002" OLD_3 NEW_4, /* no id */
		UPDATE,
		UPDATE OLD_3,
		UPDATE NEW_4,
		UPDATE OLD_3 NEW_4 NEW_5, /* one endpoint becomes two */
		UPDATE OLD_3 "0001 0008 01 00 00 00 0004 0000" NEW_4,
		UPDATE OLD_3 NEW_4_PEER, /* one's of the other side */
		UPDATE OLD_3 NEW_4 ALT_2,
		UPDATE OLD_3 NEW_4 SRC_1,
		UPDATE OLD_3 NEW_4 TO_1,
		UPDATE OLD_3 NEW_4 NONCE,
		UPDATE OLD_3 NEW_4 DIGEST,
		UPDATE OLD_3 NEW_4 FAIL_1,
		UPDATE OLD_3 NEW_4 VALID_60,
		UPDATE OLD_3 NEW_4 LIMIT_8,
		UPDATE OLD_3 NEW_4 SEL_OLD SEL_OLD,
		UPDATE OLD_3 NEW_4 TOKEN_3_1 TOKEN_3_1,
		UPDATE OLD_3 NEW_4 TEXT_NO TEXT_NO,
		UPDATE OLD_3 OLD_3 NEW_4,
		ADD NEW_4,	   /* to which SAs? */
		ADD NEW_4 SEL_OLD, /* bound to which? */
		ADD SEL_ALL,
		ADD NEW_4 NEW_4 SEL_ALL,
		REMOVE,
		REMOVE SEL_ALL,
		REMOVE OLD_3 NEW_4,
		SET_ALT ALT_2,
		SET_ALT OLD_3 ALT_2_PEER,
		SET_ALT OLD_3 NEW_4,
		ADD_IF NEW_4 NONCE,
		ADD_IF NEW_4 DIGEST,
		ADD_IF NONCE DIGEST,
		ADD_IF NEW_4 NEW_5 NONCE DIGEST,
		ADD_IF NEW_4_PEER NONCE DIGEST,
		ADD_IF NEW_4 "0001 0008 03 00 00 00 0001 0000" NONCE DIGEST, /* TO of its own */
		ADD_IF NEW_4 "0001 0008 05 01 01 00 0001 0000" NONCE DIGEST, /* SRC of the other */
		ADD_IF NEW_4 SEL_ALL NONCE DIGEST,
		ADD_IF NEW_4 NONCE NONCE DIGEST,
		ADD_IF NEW_4 NONCE DIGEST DIGEST,
		DEL_IF,
		DEL_IF NEW_4,
		DEL_IF OLD_3 SEL_SPIS, /* it goes for the interface */
		FAILOVER OLD_3_PEER,
		FAILOVER OLD_3_PEER NEW_4,
		QUERY,
		QUERY SEL_OLD,
		QUERY NEW_4 SEL_ALL,
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		cr_expect_eq(action(bad[i]), MMX_MALFORMED, "%zu: %s: %s", i, bad[i],
			     mmx_status_name((uint16_t)action(bad[i])));
}

/* [MMX-9]: lengths, and endpoints that contradict themselves. */
Test(mmx, tlvs_malformed)
{
	static const char *const bad[] = {
		"00",
		"0001 00",
		"0001 0008 02 00 00 00 0004 00",	       /* cut */
		"0001 0007 02 00 00 00 0004 00",	       /* too short */
		"0001 0009 02 00 00 00 0004 0000 00",	       /* too long */
		"0001 0008 02 00 00 04 0004 0000",	       /* no address */
		"0001 000c 02 00 00 06 0004 0000 c6336404",    /* half of one */
		"0001 000c 02 00 00 00 0004 0000 c6336404",    /* no family */
		"0001 000c 02 00 00 05 0004 0000 c6336404",    /* no such family */
		"0001 0008 02 02 00 00 0004 0000",	       /* a third side */
		"0001 0008 02 00 01 00 0000 0000",	       /* interface 0 */
		"0001 000c 02 00 01 04 0004 0000 c6336404",    /* an interface's address */
		"0001 0008 02 00 01 00 0004 1194",	       /* an interface's port */
		"0001 0008 02 00 09 00 0004 0000",	       /* HERE, of an interface */
		"0001 0008 02 01 08 00 0004 0000",	       /* HERE, of the other side */
		"0001 0008 02 00 04 00 0004 0000",	       /* ASSIGN, an outer one */
		"0001 000c 02 00 00 04 0004 0000 c6336404 00", /* an octet after the last */
		"0002 0004 01 03 0000",			       /* no SPI */
		"0002 0008 01 03 0002 c0000001",	       /* one too few */
		"0002 000c 01 03 0001 c0000001 c0000002",      /* one too many */
		"0002 0007 01 03 0001 c00000",
		"0002 0008 01 01 0001 c0000001", /* of IKE */
		"0002 0008 02 00 0001 c0000001", /* those of OLD, and one */
		"0002 0003 02 00 00",
	};
	char hex[512];

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		snprintf(hex, sizeof(hex), "%s%s", ADD OLD_3 NEW_5 SEL_ALL, bad[i]);
		cr_assert_neq(unhex(hex, in, sizeof(in)), 0, "%zu: no hex", i);
		cr_expect_eq(action(hex), MMX_MALFORMED, "%zu: %s", i, bad[i]);
	}
	cr_assert_eq(action(ADD OLD_3 NEW_5 SEL_ALL), MMX_OK);
	/* sent from what is left, or from the other side's */
	cr_expect_eq(action(UPDATE "0001 0008 01 00 08 00 0003 0000" NEW_4), MMX_MALFORMED);
	cr_expect_eq(action(UPDATE OLD_3_PEER "0001 0008 02 01 08 00 0004 0000"), MMX_MALFORMED);
	/* the inner address of an interface that is added */
	cr_expect_eq(action(ADD_IF NEW_4 "0001 0008 07 00 00 00 0000 0000" NONCE DIGEST),
		     MMX_MALFORMED);
	cr_expect_eq(action(ADD_IF NEW_4 "0001 000c 07 00 00 04 0003 0000 0a000003" NONCE DIGEST),
		     MMX_MALFORMED);
	cr_expect_eq(action(ADD_IF NEW_4 "0001 000c 07 00 04 04 0000 0000 0a000003" NONCE DIGEST),
		     MMX_MALFORMED);
	cr_expect_eq(action(ADD_IF NEW_4 "0001 0008 06 00 04 00 0000 0000" NONCE DIGEST),
		     MMX_MALFORMED);
	cr_expect_eq(action(ADD_IF NEW_4 "0003 001f a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1"
					 "a1a1a1a1a1a1a1a1a1" DIGEST),
		     MMX_MALFORMED);
	cr_expect_eq(
		action(ADD_IF NEW_4 NONCE "0005 0013 0002 0000 000102030405060708090a0b0c0d0e"),
		MMX_MALFORMED);
	cr_expect_eq(action(ADD_IF NEW_4 NONCE DIGEST "0004 0008 0002 0000 c0000009"),
		     MMX_MALFORMED);
}

/* [MMX-9]: tokens and texts of any length. */
Test(mmx, lengths_of_octets)
{
	static const struct {
		unsigned type, head, min, max;
	} rows[] = { { MMX_TLV_TOKEN, 4, MMX_TOKEN_MIN, MMX_TOKEN_MAX },
		     { MMX_TLV_TEXT, 0, 0, MMX_TEXT_MAX } };
	char hex[512];

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		for (unsigned len = 0; len < 100; len++) {
			bool ok = len >= rows[i].min && len <= rows[i].max;
			int at = sprintf(hex, "%s %04x %04x", UPDATE OLD_3 NEW_4, rows[i].type,
					 rows[i].head + len);

			for (unsigned k = 0; k < rows[i].head + len; k++)
				at += sprintf(hex + at, "61");
			cr_assert_eq(action(hex), ok ? MMX_OK : MMX_MALFORMED, "%zu: %u", i, len);
		}
}

/* [MMX-10]: unknown types with the critical bit and without, and what else has no meaning yet. */
Test(mmx, unknown_tlvs)
{
	cr_assert_eq(action(UPDATE OLD_3 NEW_4 "0063 0003 010203"), MMX_OK);
	cr_assert_eq(a.tlvs.n, 2);
	cr_assert_eq(action(UPDATE OLD_3 NEW_4 "0000 0000"), MMX_OK);
	cr_assert_eq(action(UPDATE OLD_3 NEW_4 "8063 0003 010203"), MMX_UNSUPPORTED);
	cr_assert_eq(a.id, 7);
	cr_assert_eq(a.code, MMX_UPDATE);
	/* syntax comes first */
	cr_assert_eq(action(UPDATE OLD_3 NEW_4 "8063 0003 010203"
					       "0001 00"),
		     MMX_MALFORMED);
	/* the bit on what is known */
	cr_assert_eq(action(UPDATE "8001 0008 01 00 00 00 0003 0000" NEW_4), MMX_OK);
	cr_assert_eq(a.tlvs.n, 2);
	/* roles, kinds and codes */
	cr_assert_eq(action(UPDATE OLD_3 NEW_4 "0001 0008 09 00 00 00 0003 0000"), MMX_UNSUPPORTED);
	cr_assert_eq(action(UPDATE OLD_3 NEW_4 "0002 0004 04 00 0000"), MMX_UNSUPPORTED);
	cr_assert_eq(action("0007 09 00 00000002" OLD_3), MMX_UNSUPPORTED);
	cr_assert_eq(a.id, 7);
	cr_assert_eq(action("0007 00 00 00000002" OLD_3), MMX_UNSUPPORTED);
}

/* [MMX-10]: reserved bits and fields are nothing, and are not sent on. */
Test(mmx, reserved)
{
	struct msg_wr w = begin();

	cr_assert_eq(action("0007 01 d2 00000002"
			    "0001 0008 01 00 f0 00 0003 0000" NEW_4 "0002 0004 02 03 0000"),
		     MMX_OK);
	cr_assert_eq(a.flags, MMX_ACTION_HARD);
	cr_assert_eq(a.tlvs.t[0].ep.flags, 0);
	cr_assert_eq(a.tlvs.t[2].sel.protocol, PROTO_NONE);
	mmx_action_put(&w, &a);
	data("0007 01 02 00000002" OLD_3 NEW_4 SEL_OLD);
	assert_same(&w, N_MMX_ACTION);
}

/* [MMX-11]: limits of each role, and the one that was exceeded. */
Test(mmx, too_many)
{
	static const struct {
		const char *head, *tail;
		unsigned role, max, limit;
	} rows[] = {
		{ ADD, SEL_ALL, MMX_ROLE_NEW, 8, MMX_LIMIT_SIDE },
		{ REMOVE, "", MMX_ROLE_OLD, 8, MMX_LIMIT_SIDE },
		{ SET_ALT OLD_3, "", MMX_ROLE_ALT, 8, MMX_LIMIT_ALTS },
		{ ADD_IF NEW_4, NONCE DIGEST, MMX_ROLE_SRC, 16, MMX_LIMIT_IFACES },
	};
	static char hex[8192];

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		many(hex, rows[i].head, rows[i].role, rows[i].max, rows[i].tail);
		cr_assert_eq(action(hex), MMX_OK, "%zu", i);
		many(hex, rows[i].head, rows[i].role, rows[i].max + 1, rows[i].tail);
		cr_assert_eq(action(hex), MMX_TOO_MANY, "%zu", i);
		cr_assert_eq(a.limit, rows[i].limit, "%zu", i);
		cr_assert_eq(a.id, 7);
	}
	/* more of anything than a message holds */
	many(hex, REMOVE, MMX_ROLE_OLD, MMX_TLVS_MAX + 1, "");
	cr_assert_eq(action(hex), MMX_TOO_MANY);
	cr_assert_eq(a.limit, 0);
	/* and what was wrong behind the last one that is kept */
	many(hex, REMOVE, MMX_ROLE_OLD, MMX_TLVS_MAX + 1, "0001 00");
	cr_assert_eq(action(hex), MMX_MALFORMED);
}

/* A list of SPIs as long as a TLV can be goes through; one more does not. */
Test(mmx, long_lists_of_spis)
{
	enum { MOST = (65535 - 4) / 4 };
	static uint8_t spis[4 * (MOST + 1)];
	static struct mmx_action again;
	struct msg_wr w = begin();

	for (size_t i = 0; i < sizeof(spis); i++)
		spis[i] = (uint8_t)(i % 4 == 3 ? i / 4 : 0x11);
	a = (struct mmx_action){ .id = 1, .code = MMX_QUERY };
	struct mmx_tlv *sel = mmx_add(&a.tlvs, MMX_TLV_SEL);
	sel->sel = (struct mmx_sel){ MMX_SEL_SPIS, PROTO_ESP, { spis, 4 * 5000 } };
	mmx_action_put(&w, &a);
	n.data = (struct bytes){ out + NOTIFY_HEAD, msg_end(&w) - NOTIFY_HEAD };
	cr_assert_eq(mmx_action_get(&n, &again), MMX_OK);
	struct bytes got = mmx_next(&again.tlvs, MMX_TLV_SEL, NULL)->sel.spis;
	cr_assert_eq(mmx_spi_count(got), 5000);
	cr_assert_eq(mmx_spi(got, 77), 0x1111114d);

	/* the payload's own length is short of it */
	w = begin();
	sel->sel.spis.len = 4 * MOST;
	mmx_action_put(&w, &a);
	cr_assert_eq(w.w.err, -EMSGSIZE);
	w = begin();
	sel->sel.spis.len = sizeof(spis);
	mmx_action_put(&w, &a);
	cr_assert_eq(w.w.err, -EMSGSIZE);
	/* and where the buffer ends nothing more is written */
	sel->sel.spis.len = 4 * 5000;
	for (size_t cap = 0; cap < 64; cap++) {
		memset(out, 0xee, sizeof(out));
		w = msg_begin_inner(out, cap);
		mmx_action_put(&w, &a);
		cr_assert_eq(msg_end(&w), 0);
		cr_assert_eq(out[cap], 0xee);
	}
}

/* What a decoder refuses is not sent either. */
Test(mmx, mistakes_are_not_sent)
{
	static struct mmx_action b;
	struct msg_wr w = begin();

	b = (struct mmx_action){ .id = 1, .code = MMX_UPDATE };
	mmx_action_put(&w, &b);
	cr_expect_eq(w.w.err, -EINVAL);

	cr_assert_eq(action(UPDATE OLD_3 NEW_4), MMX_OK);
	b = a;
	b.id = 0;
	w = begin();
	mmx_action_put(&w, &b);
	cr_expect_eq(w.w.err, -EINVAL);

	b = a;
	b.code = 9;
	w = begin();
	mmx_action_put(&w, &b);
	cr_expect_eq(w.w.err, -EINVAL);

	b = a;
	b.flags = 0x40;
	w = begin();
	mmx_action_put(&w, &b);
	cr_expect_eq(w.w.err, -EINVAL);

	b = a;
	b.tlvs.t[0].ep.addr.family = 5;
	w = begin();
	mmx_action_put(&w, &b);
	cr_expect_eq(w.w.err, -EINVAL);

	b = a;
	mmx_add(&b.tlvs, MMX_TLV_NONCE);
	w = begin();
	mmx_action_put(&w, &b);
	cr_expect_eq(w.w.err, -EINVAL);

	while (b.tlvs.n < MMX_TLVS_MAX)
		mmx_add(&b.tlvs, MMX_TLV_EP);
	cr_expect_null(mmx_add(&b.tlvs, MMX_TLV_EP));
}

/* ---- MMX_RESULT ---- */

/* [MMX-12] */
Test(mmx, results)
{
	static const char *const good[] = {
		"0007 0000 02 00 0001 0002 0008 01 03 0001 c0000001",
		"0007 0000 09 00 0005" VALID_60,
		"0007 0010 00 00 0000" TEXT_NO,
		"0000 0018 00 00 0000" LIMIT_8 "0009 0004 0009 0008",
		"0007 0001 00 00 0001" FAIL_1 "0007 000c 0015 0000 03 000000 c0000002",
		"0007 0010 00 00 0000" NEW_4_PEER,
		"0007 0000 00 00 0002"
		"0001 000c 07 01 00 04 0000 0000 0a000003" NONCE,
		"0007 0000 00 00 1388" NONCE "0004 0008 0001 0000 c0000009" DIGEST,
		/* the answer to QUERY: groups */
		"0007 0000 00 00 0002" DIGEST NEW_4 NEW_4_PEER SEL_SPIS NEW_4 NEW_4_PEER
		"0002 0008 01 03 0001 c0000003" DIGEST SEL_IKE SEL_IKE,
	};

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		struct msg_wr w = begin();

		cr_assert_eq(result(good[i]), MMX_OK, "%zu: %s", i, good[i]);
		mmx_result_put(&w, &res);
		assert_same(&w, N_MMX_RESULT);
	}
	cr_assert_eq(result(good[1]), MMX_OK);
	cr_assert_eq(res.id, 7);
	cr_assert_eq(res.flags, MMX_RESULT_CHECK | MMX_RESULT_RR_NOT_TESTED);
	cr_assert_eq(res.affected, 5);
	cr_assert_eq(mmx_next(&res.tlvs, MMX_TLV_VALID, NULL)->valid_sec, 60);
	cr_assert_eq(result(good[4]), MMX_OK);
	const struct mmx_fail *f = &mmx_next(&res.tlvs, MMX_TLV_FAIL, NULL)->fail;
	cr_assert(f->status == MMX_LOCAL_POLICY && f->detail == MMX_POLICY_STRONGER);
	cr_assert(f->protocol == PROTO_ESP && f->spi == 0xc0000001);
}

/* [MMX-12] */
Test(mmx, results_malformed)
{
	static const char *const bad[] = {
		"0007 0000 00 00 00",
		"0007 0000 00 00 0001" SEL_ALL,
		"0007 0000 00 00 0001" SEL_OLD,
		"0007 0000 00 00 0001" TOKEN_3_1,
		"0007 0000 00 00 0001" VALID_60 VALID_60,
		"0007 0000 00 00 0001" NONCE NONCE,
		"0007 0000 00 00 0001" LIMIT_8 LIMIT_8,
		"0007 0000 00 00 0001" FAIL_1 FAIL_1,
		"0007 0000 00 00 0001"
		"0007 000b 0010 0004 03 000000 c00000",
		"0007 0000 00 00 0001"
		"0008 0003 000001",
		"0007 0000 00 00 0001"
		"0009 0005 0008 0010 00",
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		cr_expect_eq(result(bad[i]), MMX_MALFORMED, "%zu: %s", i, bad[i]);
	cr_assert_eq(result("0007"), MMX_MALFORMED);
	cr_assert_eq(res.id, 0);
	/* a status of a later version is a refusal that can be read */
	cr_assert_eq(result("0007 0063 00 00 0000"), MMX_OK);
	cr_assert_eq(res.status, 0x63);
	cr_assert_eq(result("0007 0010 00 00 0000 8063 0000"), MMX_UNSUPPORTED);
	cr_assert_eq(res.status, MMX_LOCAL_POLICY);
}

/* ---- properties ---- */

static uint32_t seed = 1;

static uint32_t rnd(uint32_t below)
{
	seed = seed * 1664525 + 1013904223;
	return (uint32_t)((uint64_t)seed * below >> 32);
}

static struct addr rnd_addr(void)
{
	struct addr addr = { .family = rnd(2) ? 4 : 6 };

	for (size_t i = 0; i < addr_len(&addr); i++)
		addr.b[i] = (uint8_t)rnd(256);
	return addr;
}

static struct mmx_ep rnd_ep(uint8_t role, uint8_t side)
{
	struct mmx_ep ep = { .role = role, .side = side, .epid = (uint16_t)(1 + rnd(65535)) };

	switch (rnd(3)) {
	case 0:
		ep.flags = MMX_EP_IFID;
		break;
	case 1:
		ep.addr = rnd_addr();
		ep.port = (uint16_t)rnd(65536);
		break;
	}
	return ep;
}

static uint8_t spi_octets[400];

static struct mmx_tlv rnd_result_tlv(void)
{
	struct mmx_tlv t = { .type = (uint8_t)(1 + rnd(11)) };

	switch ((enum mmx_tlv_type)t.type) {
	case MMX_TLV_EP:
		t.ep = rnd_ep((uint8_t)(1 + rnd(5)), (uint8_t)rnd(2));
		break;
	case MMX_TLV_SEL:
		t.sel = (struct mmx_sel){ MMX_SEL_SPIS,
					  PROTO_ESP,
					  { spi_octets, 4 + 4 * rnd(99) } };
		break;
	case MMX_TLV_NONCE:
		t.nonce[rnd(32)] = 1;
		break;
	case MMX_TLV_SPIS:
		t.spis = (struct bytes){ spi_octets, 4 * rnd(100) };
		break;
	case MMX_TLV_DIGEST:
		t.digest.count = (uint16_t)rnd(65536);
		t.digest.b[rnd(16)] = 2;
		break;
	case MMX_TLV_FAIL:
		t.fail = (struct mmx_fail){ (uint16_t)rnd(32), (uint16_t)rnd(6), PROTO_ESP,
					    rnd(UINT32_MAX) };
		break;
	case MMX_TLV_VALID:
		t.valid_sec = rnd(UINT32_MAX);
		break;
	case MMX_TLV_LIMIT:
		t.limit = (struct mmx_limit){ (uint16_t)rnd(65536), (uint16_t)rnd(65536) };
		break;
	case MMX_TLV_TEXT:
		t.text = (struct bytes){ spi_octets, rnd(65) };
		break;
	case MMX_TLV_TOKEN:
	case MMX_TLV_ATTR:
		t.type = 0; /* have no place there */
		break;
	}
	return t;
}

/* Any result that can be made comes back as the same octets, and as the same list. */
Test(mmx, random_results_come_back)
{
	static struct mmx_result made, got;
	unsigned sent = 0;

	for (unsigned round = 0; round < 20000; round++) {
		uint32_t once = 0;

		memset(&made, 0, sizeof(made));
		made = (struct mmx_result){ .id = (uint16_t)rnd(65536),
					    .status = (uint16_t)rnd(32),
					    .flags = (uint8_t)rnd(16),
					    .affected = (uint16_t)rnd(65536) };
		for (unsigned k = rnd(12); k; k--) {
			struct mmx_tlv t = rnd_result_tlv();
			bool single = t.type && 1 << t.type & (1 << 3 | 1 << 4 | 1 << 8 | 1 << 11);

			if (t.type && !(single && once & 1u << t.type))
				*mmx_add(&made.tlvs, t.type) = t;
			once |= 1u << t.type;
		}
		struct msg_wr w = begin();
		mmx_result_put(&w, &made);
		size_t len = msg_end(&w);
		if (!len) { /* two of the same, by chance */
			cr_assert_eq(w.w.err, -EINVAL);
			continue;
		}
		sent++;
		in_len = len - NOTIFY_HEAD;
		memcpy(in, out + NOTIFY_HEAD, in_len);
		n = (struct notify){ .data = { in, in_len } };
		cr_assert_eq(mmx_result_get(&n, &got), MMX_OK);
		cr_assert_eq(got.tlvs.n, made.tlvs.n);
		for (unsigned k = 0; k < got.tlvs.n; k++)
			cr_assert_eq(got.tlvs.t[k].type, made.tlvs.t[k].type);
		w = begin();
		mmx_result_put(&w, &got);
		assert_same(&w, N_MMX_RESULT);
	}
	cr_assert_gt(sent, 19000);
}

/* Whatever octets change in what is well-formed, what is taken can be sent, and is then the same.
 */
Test(mmx, spoiled_octets)
{
	static const char *const seeds[] = {
		UPDATE OLD_3 NEW_4 SEL_SPIS TOKEN_3_1,
		ADD_IF NEW_4 TO_1 INNER_OLD_V4 INNER_NEW_V4 SRC_1 SEL_SPIS NONCE DIGEST,
		SET_ALT OLD_3 ALT_2 SEL_OLD,
	};
	static uint8_t whole[512], first[512];
	static struct mmx_action again;
	unsigned taken = 0, refused = 0;

	for (unsigned round = 0; round < 60000; round++) {
		size_t len = unhex(seeds[round % 3], whole, sizeof(whole));

		for (unsigned k = 1 + rnd(3); k; k--)
			whole[rnd((uint32_t)len)] = (uint8_t)rnd(256);
		n = (struct notify){ .data = { whole, len } };
		if (mmx_action_get(&n, &a) != MMX_OK) {
			refused++;
			continue;
		}
		taken++;
		struct msg_wr w = begin();
		mmx_action_put(&w, &a);
		len = msg_end(&w);
		cr_assert_gt(len, 0);
		memcpy(first, out, len);
		n.data = (struct bytes){ first + NOTIFY_HEAD, len - NOTIFY_HEAD };
		cr_assert_eq(mmx_action_get(&n, &again), MMX_OK);
		w = begin();
		mmx_action_put(&w, &again);
		cr_assert_eq(msg_end(&w), len);
		cr_assert_arr_eq(out, first, len);
	}
	cr_assert(taken > 1000 && refused > 1000, "%u taken, %u refused", taken, refused);
}
