/* SPDX-License-Identifier: GPL-2.0-only */
/* MMX_OUTER that is wrong, or asks for what there is not, octet by octet: user/ike/mmx_outer.c. */
#include "../../user/ike/mmx.h"
#include "../lib/hex.h"
#include "mmx_sim.h"

#define EP(side, epid)	       "0001 0008 02 " side " 00 00 " epid " 0000"
#define EPF(side, flags, epid) "0001 0008 02 " side " " flags " 00 " epid " 0000"
/* with an address */
#define EP4(side, epid, addr) "0001 000c 02 " side " 00 04 " epid " 0000 " addr
#define EP6(side, epid)                                                                            \
	"0001 0018 02 " side " 00 06 " epid " 0000 20010db8 00000000 00000000 00000001"
#define CRITICAL "8099 0000"

static uint8_t octets[1024];
static struct ike_msg msg;

static const struct ike_msg *with(const char *hex)
{
	memset(&msg, 0, sizeof(msg));
	msg.notifies[0] = (struct notify){ .type = N_MMX_OUTER };
	msg.notifies[0].data = (struct bytes){ octets, unhex(hex, octets, sizeof(octets)) };
	msg.n_notifies = 1;
	return &msg;
}

static struct ike_sa *sa_of(struct sim *s, unsigned side)
{
	struct ike_sa *sa = line_owner(s->side[side].ike, mmx_sim_line(s, side));

	cr_assert_not_null(sa);
	return sa;
}

/* ---- answers ---- */

struct answer {
	const char *hex;
	bool good;
};

static void answers(const struct ike_outer_wish *w, const struct answer *a, size_t n)
{
	struct sim *s = mmx_sim_up(1, 3, 3);
	struct ike_sa *sa = sa_of(s, A);
	unsigned bindings = sa->mmx->table.h.n;
	struct task t = { .kind = TASK_CHILD_NEW, .wish = mmx_wish_new(w) };
	uint8_t buf[256];
	struct msg_wr m = msg_begin_inner(buf, sizeof(buf));

	mmx_outer_ask(sa, &t, &m);
	cr_assert_gt(msg_end(&m), 0);
	for (size_t i = 0; i < n; i++) {
		struct mmx_shared *got;

		cr_assert_eq(mmx_outer_answered(sa, &t, with(a[i].hex), &got), a[i].good, "%zu", i);
		cr_assert_eq(got != NULL, a[i].good);
		mmx_outer_drop(sa, got);
		cr_assert_eq(sa->mmx->table.h.n, bindings, "%zu", i);
	}
	free(t.wish);
	sim_free(s);
}

#define ANSWERS(w, a) answers(&w, a, sizeof(a) / sizeof(a[0]))

/* [MMX-134] */
Test(mmx_outer_bad, one_pair)
{
	static const struct ike_outer_wish w = {
		.mode = MMX_OUTER_SINGLE, .n_own = 1, .n_peer = 2, .own = { 2 }, .peer = { 2, 3 }
	};
	static const struct answer a[] = {
		{ "01 00 0000" EP("00", "0002") EP("01", "0003"), true },
		{ "01 00 0000" EP("00", "0001") EP("01", "0003"), false },
		{ "01 00 0000" EP("00", "0002") EP("01", "0001"), false },
		{ "01 00 0000" EP("00", "0002") EP("01", "0009"), false },
		{ "02 00 0000" EP("00", "0002") EP("01", "0002"), false },
		{ "03 00 0000" EP("00", "0002") EP("01", "0002"), false },
		{ "04 00 0000" EP("00", "0002") EP("01", "0002"), false },
		{ "01 00 0000" EP("00", "0002"), false },
		{ "01 00 0000" EPF("00", "01", "0002") EP("01", "0002"), false },
		{ "01 00 0000" EP("00", "0000") EP("01", "0002"), false },
		{ "01 00 0000" EP("00", "0002") EP("01", "0002") CRITICAL, false },
		{ "01 00", false },
	};

	ANSWERS(w, a);
}

/* [MMX-134] A mode may become less, 2 to 3 to 1, and so may the lists; never more. */
Test(mmx_outer_bad, several)
{
	static const struct ike_outer_wish w = { .mode = MMX_OUTER_SIMULTANEOUS,
						 .n_own = 2,
						 .own = { 2, 3 } };
	static const struct answer a[] = {
		{ "02 00 0000" EP("00", "0002") EP("00", "0003") EP("01", "0001"), true },
		{ "02 00 0000" EP("00", "0003") EP("01", "0002") EP("01", "0001"), true },
		{ "03 00 0000" EP("00", "0002") EP("00", "0003") EP("01", "0001"), true },
		{ "01 00 0000" EP("00", "0003") EP("01", "0003"), true },
		{ "01 00 0000" EP("00", "0002") EP("00", "0003") EP("01", "0001"), false },
		{ "02 00 0000" EP("00", "0002") EP("01", "0007"), false },
		{ "02 00 0000" EP("00", "0001") EP("01", "0001"), false },
	};
	static const struct ike_outer_wish alt = { .mode = MMX_OUTER_ALTERNATES,
						   .n_own = 1,
						   .own = { 2 } };
	static const struct answer b[] = {
		{ "03 00 0000" EP("00", "0002") EP("01", "0001") EP("01", "0002"), true },
		{ "01 00 0000" EP("00", "0002") EP("01", "0001"), true },
		{ "02 00 0000" EP("00", "0002") EP("01", "0001"), false },
	};

	ANSWERS(w, a);
	ANSWERS(alt, b);
}

/* ---- requests ---- */

/* [MMX-135] What is wrong is told, and leaves the SA with the IKE SA, unless it is strict. */
Test(mmx_outer_bad, requests)
{
	static const struct {
		const char *hex;
		enum mmx_status status;
		bool strict;
		uint8_t n_i, n_r;
	} t[] = {
		{ "01 00 0000" EP("00", "0002") EP("01", "0003"), MMX_OK, false, 1, 1 },
		{ "02 00 0000" EP("00", "0002") EP("00", "0002") EP("01", "0003"), MMX_MALFORMED,
		  false, 0, 0 },
		{ "02 00 0000" EPF("00", "01", "0003") EPF("01", "01", "0002"), MMX_OK, false, 1,
		  1 },
		{ "01 00 0000" EP("00", "0000") EP("01", "0000"), MMX_OK, false, 1, 1 },
		{ "01 00 0000" EP4("00", "0002", "c0000202"), MMX_OK, false, 1, 1 },
		{ "01 00 0000" EP4("00", "0002", "c0000203"), MMX_STATE_MISMATCH, false, 0, 0 },
		{ "01 01 0000" EP4("00", "0002", "c0000203"), MMX_STATE_MISMATCH, true, 0, 0 },
		{ "01 00 0000" EP4("00", "0009", "c0000209"), MMX_UNKNOWN_ADDRESS, false, 0, 0 },
		{ "01 00 0000" EP6("00", "0009"), MMX_UNKNOWN_ADDRESS, false, 0, 0 },
		{ "01 00 0000" EPF("00", "01", "0007"), MMX_UNKNOWN_ADDRESS, false, 0, 0 },
		{ "01 01 0000" EP("00", "0002") EP("01", "0009"), MMX_UNKNOWN_ADDRESS, true, 0, 0 },
		{ "01 00 0000" EP("01", "0001"), MMX_MALFORMED, false, 0, 0 },
		{ "01 01 0000", MMX_MALFORMED, true, 0, 0 },
		{ "01 01", MMX_MALFORMED, true, 0, 0 },
		{ "01", MMX_MALFORMED, false, 0, 0 },
		{ "", MMX_MALFORMED, false, 0, 0 },
		{ "07 01 0000" EP("00", "0002"), MMX_UNSUPPORTED, true, 0, 0 },
		{ "01 00 0000" EP("00", "0002") CRITICAL, MMX_UNSUPPORTED, false, 0, 0 },
		{ "02 00 0000" EP("00", "0011") EP("00", "0012") EP("00", "0013") EP("00", "0014")
			  EP("00", "0015") EP("00", "0016") EP("00", "0017") EP("00", "0018")
				  EP("00", "0019"),
		  MMX_TOO_MANY, false, 0, 0 },
	};
	struct sim *s = mmx_sim_up(2, 3, 3);
	struct ike_sa *sa = sa_of(s, B);
	unsigned bindings = sa->mmx->table.h.n;

	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		struct mmx_outer_deal d = { .status = MMX_OK };
		struct mmx_shared *got;
		uint8_t buf[512];
		struct msg_wr m = msg_begin_inner(buf, sizeof(buf));
		uint16_t refusal = mmx_outer_request(sa, with(t[i].hex), &d, &got);

		cr_assert_eq(d.status, t[i].status, "%zu: %s", i,
			     mmx_status_name((uint16_t)d.status));
		cr_assert_eq(refusal, t[i].strict ? N_NO_PROPOSAL_CHOSEN : 0, "%zu", i);
		cr_assert_eq(got != NULL, t[i].status == MMX_OK, "%zu", i);
		cr_assert_eq(d.ends[MMX_I].n, t[i].n_i, "%zu", i);
		cr_assert_eq(d.ends[MMX_R].n, t[i].n_r, "%zu", i);
		mmx_outer_reply(sa, &d, &m);
		cr_assert_gt(msg_end(&m), 0, "%zu is answered", i);
		cr_assert_eq(buf[7], (t[i].status == MMX_OK ? N_MMX_OUTER : N_MMX_RESULT) & 0xff);
		mmx_outer_undo(sa, &d, &got);
		cr_assert_eq(sa->mmx->table.h.n, bindings, "%zu", i);
	}
	sim_free(s);
}

/* What is of no address that a host may have is none. */
Test(mmx_outer_bad, addresses)
{
	static const char *const hex[] = {
		"01 01 0000" EP4("00", "0009", "e0000001"), /* multicast */
		"01 01 0000" EP4("00", "0009", "7f000001"), /* loopback */
		"01 01 0000" EP4("00", "0009", "a9fe0001"), /* link-local */
		"01 01 0000" EP4("00", "0009", "00000000"),
		"01 01 0000" EP4("00", "0009", "c6336401"),
	};
	struct sim *s = mmx_sim_up(3, 1, 1);
	struct ike_sa *sa = sa_of(s, B);

	/* as before any list, when the message tells itself */
	sa->mmx->list[MMX_I].known = false;
	for (size_t i = 0; i < sizeof(hex) / sizeof(hex[0]); i++) {
		struct mmx_outer_deal d = { .status = MMX_OK };
		struct mmx_shared *got;

		cr_assert_eq(mmx_outer_request(sa, with(hex[i]), &d, &got), N_NO_PROPOSAL_CHOSEN);
		cr_assert_eq(d.status, MMX_LOCAL_POLICY, "%zu: %s", i,
			     mmx_status_name((uint16_t)d.status));
		cr_assert_null(mmx_list_ep(&sa->mmx->list[MMX_I], 9, NULL));
	}
	sim_free(s);
}
