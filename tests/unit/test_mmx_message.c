/* SPDX-License-Identifier: GPL-2.0-only */
/* ike/mmx_message: whole requests, octets in and octets out. */
#include <criterion/criterion.h>
#include <string.h>

#include "../../user/ike/mmx_message.h"

enum { UP = MMX_IFACE_UP, LAST = MMX_IFACE_UP | MMX_IFACE_LAST };

static struct mmx_table table;
static struct mmx_list of_i, of_r;
static struct mmx_sa sas[3]; /* the IKE SA on 1, tunnels on 2 and 3 */
static struct mmx_deal deal = { .major = 1, .caps = 0xfff & ~MMX_CAP_QUERY };
static struct mmx_supported announced = {
	.major = 1, .ifaces_max = 4, .side_max = 2, .alts_max = 8, .actions_max = 3
};
static struct mmx_action ours[1];

static enum mmx_status endpoint(void *ctx, enum mmx_owner owner, const struct mmx_ep *ep,
				uint16_t *ret_detail)
{
	(void)ctx;
	(void)owner;
	(void)ep;
	(void)ret_detail;
	return MMX_OK;
}

static enum mmx_status sa_policy(void *ctx, const struct mmx_sa *sa, const struct mmx_binding *b,
				 uint16_t *ret_detail)
{
	(void)ctx;
	(void)sa;
	(void)b;
	(void)ret_detail;
	return MMX_OK;
}

static const struct mmx_policy policy = { NULL, endpoint, sa_policy };
static struct mmx_request q = { .apply = { .table = &table,
					   .sas = sas,
					   .n = 3,
					   .lists = { { &of_i, &of_r } },
					   .sender = MMX_I,
					   .side_max = 2,
					   .policy = &policy },
				.theirs = &of_i,
				.ours = &of_r,
				.deal = &deal,
				.announced = &announced,
				.outstanding = ours };

static uint8_t req_buf[4096], res_buf[4096];
static struct msg_wr req, res;
static struct mmx_action a;
static struct mmx_result results[16];
static unsigned n_results;
static bool changed;

static void put_iface(uint32_t generation, uint16_t k, uint8_t flags)
{
	struct mmx_iface i = { .generation = generation, .ifid = k, .flags = flags, .n = 1 };

	i.ep[0] = (struct mmx_iface_ep){ k, k == 1 ? MMX_IFACE_EP_CURRENT : 0,
					 addr_v4(0xc6336400u + k) };
	mmx_iface_put(&req, &i);
}

static void begin(void)
{
	req = msg_begin_inner(req_buf, sizeof(req_buf));
}

/* Its results, decoded. */
static void send(void)
{
	static struct ike_msg in, out;
	uint8_t critical;

	memset(&in, 0, sizeof(in));
	memset(&out, 0, sizeof(out));
	cr_assert_eq(req.w.err, 0);
	cr_assert_eq(msg_decode_inner(req.first, req_buf, msg_end(&req), &in, &critical), MSG_OK);
	res = msg_begin_inner(res_buf, sizeof(res_buf));
	changed = mmx_answer_request(&q, &in, &res);
	cr_assert_eq(res.w.err, 0);
	cr_assert_eq(msg_decode_inner(res.first, res_buf, msg_end(&res), &out, &critical), MSG_OK);
	n_results = 0;
	for (unsigned i = 0; i < out.n_notifies; i++) {
		cr_assert_eq(out.notifies[i].type, N_MMX_RESULT);
		cr_assert_eq(mmx_result_get(&out.notifies[i], &results[n_results++]), MMX_OK);
	}
}

static void add_ep(uint8_t role, uint8_t side, uint16_t epid)
{
	mmx_add(&a.tlvs, MMX_TLV_EP)->ep =
		(struct mmx_ep){ .role = role, .side = side, .epid = epid };
}

static void put_update(uint16_t id, uint16_t old, uint16_t new)
{
	a = (struct mmx_action){ .id = id, .code = MMX_UPDATE };
	add_ep(MMX_ROLE_OLD, 0, old);
	add_ep(MMX_ROLE_NEW, 0, new);
	mmx_action_put(&req, &a);
}

static uint16_t end_of(unsigned k)
{
	return sas[k].binding->b.ends[MMX_I].epid[0];
}

static void assert_result(unsigned k, uint16_t id, enum mmx_status status)
{
	cr_assert_lt(k, n_results);
	cr_assert_eq(results[k].id, id);
	cr_assert_eq(results[k].status, status, "%s", mmx_status_name(results[k].status));
}

static void fixture(void)
{
	mmx_table_init(&table);
	begin();
	for (uint16_t k = 1; k <= 4; k++)
		put_iface(1, k, k == 4 ? LAST : UP);
	send();
	cr_assert(changed && !n_results && of_i.n == 4);
	of_r = of_i;
	for (unsigned k = 0; k < 4; k++)
		of_r.iface[k].ep[0].addr.b[2] = 101;
	for (uint16_t k = 0; k < 3; k++) {
		struct mmx_binding b = { .ike = !k };

		mmx_binding_own(&b, 1 + k, 1);
		sas[k] = (struct mmx_sa){ .ike = !k,
					  .active = true,
					  .protocol = PROTO_ESP,
					  .spi_sender = 0xc0000000u + k,
					  .spi_receiver = 0xd0000000u + k,
					  .binding = mmx_shared_get(&table, &b) };
	}
}

static void clear(void)
{
	mmx_table_clear(&table);
}

TestSuite(mmx_message, .init = fixture, .fini = clear);

/* [MMX-54]: the list first, actions in their order, a result each. */
Test(mmx_message, in_order)
{
	begin();
	put_update(7, 3, 9); /* announced in the same message, after it */
	put_iface(2, 1, UP);
	put_iface(2, 9, LAST);
	put_update(8, 9, 1);
	send();
	cr_assert(changed);
	cr_assert_eq(n_results, 2);
	assert_result(0, 7, MMX_OK);
	assert_result(1, 8, MMX_OK);
	cr_assert_eq(end_of(2), 1);
	cr_assert_eq(end_of(1), 2);
}

/* [MMX-55] */
Test(mmx_message, one_refused_and_the_rest_skipped)
{
	begin();
	put_update(7, 3, 4);
	put_update(8, 3, 2); /* nothing is bound to it any more */
	put_update(9, 2, 1);
	send();
	cr_assert(changed);
	assert_result(0, 7, MMX_OK);
	assert_result(1, 8, MMX_UNKNOWN_ADDRESS);
	assert_result(2, 9, MMX_SKIPPED);
	cr_assert_eq(end_of(2), 4);
	cr_assert_eq(end_of(1), 2);
}

/* [MMX-56]: what was not agreed on is nothing at all. */
Test(mmx_message, not_negotiated)
{
	static const struct mmx_deal off;

	q.deal = &off;
	begin();
	put_iface(2, 1, LAST);
	put_update(7, 3, 4);
	send();
	cr_assert(!changed && !n_results);
	cr_assert_eq(end_of(2), 3);
	cr_assert_eq(of_i.n, 4);
}

/* [MMX-57]: an id twice, none, and what cannot be read; never a syntax error. */
Test(mmx_message, malformed)
{
	begin();
	put_update(7, 3, 4);
	put_update(7, 4, 3);
	send();
	assert_result(0, 7, MMX_OK);
	assert_result(1, 7, MMX_MALFORMED);
	cr_assert_eq(end_of(2), 4);
	begin();
	msg_put_notify(&req, 0, NULL, 0, N_MMX_ACTION, "\0\7\1\0\0\0\0\0\0\1", 10);
	msg_put_notify(&req, 0, NULL, 0, N_MMX_ACTION, "\0\10", 2);
	msg_put_notify(&req, 0, NULL, 0, N_MMX_ACTION, "", 0);
	send();
	cr_assert_not(changed);
	assert_result(0, 7, MMX_MALFORMED);
	assert_result(1, 8, MMX_SKIPPED);
	assert_result(2, 0, MMX_SKIPPED);
	begin();
	msg_put_notify(&req, 0, NULL, 0, N_MMX_IFACE, "", 0);
	send();
	cr_assert_not(changed);
	assert_result(0, 0, MMX_MALFORMED);
	cr_assert_eq(of_i.n, 4);
}

/* [MMX-57]: more actions than were announced, and more interfaces; which limit is told. */
Test(mmx_message, too_many)
{
	begin();
	for (uint16_t k = 1; k <= 5; k++)
		put_iface(2, k, k == 5 ? LAST : UP);
	put_update(7, 3, 4);
	put_update(8, 4, 3);
	put_update(9, 3, 4);
	put_update(10, 4, 3);
	send();
	assert_result(0, 0, MMX_TOO_MANY);
	struct mmx_limit l = mmx_next(&results[0].tlvs, MMX_TLV_LIMIT, NULL)->limit;
	cr_assert(l.which == MMX_LIMIT_IFACES && l.value == 4);
	assert_result(3, 9, MMX_OK);
	assert_result(4, 10, MMX_TOO_MANY);
	l = mmx_next(&results[4].tlvs, MMX_TLV_LIMIT, NULL)->limit;
	cr_assert(l.which == MMX_LIMIT_ACTIONS && l.value == 3);
	cr_assert_eq(end_of(2), 4);
	cr_assert_eq(of_i.n, 4);
	/* endpoints of a side, more than this side takes */
	begin();
	a = (struct mmx_action){ .id = 7, .code = MMX_ADD };
	add_ep(MMX_ROLE_NEW, 0, 1);
	add_ep(MMX_ROLE_NEW, 0, 3);
	mmx_add(&a.tlvs, MMX_TLV_SEL)->sel.kind = MMX_SEL_ALL;
	mmx_action_put(&req, &a);
	send();
	assert_result(0, 7, MMX_TOO_MANY);
	l = mmx_next(&results[0].tlvs, MMX_TLV_LIMIT, NULL)->limit;
	cr_assert(l.which == MMX_LIMIT_SIDE && l.value == 2);
}

/* [MMX-54]: what is looked at before the SAs are: capability, authority, generation, what goes on.
 */
Test(mmx_message, before_the_sas)
{
	begin();
	a = (struct mmx_action){ .id = 7, .code = MMX_QUERY };
	mmx_add(&a.tlvs, MMX_TLV_SEL)->sel.kind = MMX_SEL_ALL;
	mmx_action_put(&req, &a);
	send();
	assert_result(0, 7, MMX_UNSUPPORTED);
	begin();
	a = (struct mmx_action){ .id = 7, .code = MMX_UPDATE, .generation = 9 };
	add_ep(MMX_ROLE_OLD, 0, 3);
	add_ep(MMX_ROLE_NEW, 0, 4);
	mmx_action_put(&req, &a);
	send();
	assert_result(0, 7, MMX_STATE_MISMATCH);
	q.busy = true;
	begin();
	put_update(7, 3, 4);
	send();
	assert_result(0, 7, MMX_BUSY);
	q.busy = false;
	/* R moves I's end */
	q.apply.sender = MMX_R;
	q.theirs = &of_r;
	q.ours = &of_i;
	begin();
	a = (struct mmx_action){ .id = 7, .code = MMX_UPDATE };
	add_ep(MMX_ROLE_OLD, 1, 3);
	add_ep(MMX_ROLE_NEW, 1, 4);
	mmx_action_put(&req, &a);
	send();
	assert_result(0, 7, MMX_NOT_OWNER);
	cr_assert_not(changed);
	cr_assert_eq(end_of(2), 3);
}

/* [MMX-58]: both saw the same failure: the owner's own move counts. */
Test(mmx_message, both_notice_a_failure)
{
	/* we are I and have asked R to update 3 to 1; R's fail-over of 3 to 2 crosses that */
	ours[0] = (struct mmx_action){ .id = 1, .code = MMX_UPDATE };
	mmx_add(&ours[0].tlvs, MMX_TLV_EP)->ep = (struct mmx_ep){ .role = MMX_ROLE_OLD, .epid = 3 };
	mmx_add(&ours[0].tlvs, MMX_TLV_EP)->ep = (struct mmx_ep){ .role = MMX_ROLE_NEW, .epid = 1 };
	q.n_outstanding = 1;
	q.apply.sender = MMX_R;
	q.theirs = &of_r;
	q.ours = &of_i;
	begin();
	a = (struct mmx_action){ .id = 7, .code = MMX_FAILOVER };
	add_ep(MMX_ROLE_OLD, 1, 3);
	add_ep(MMX_ROLE_NEW, 1, 2);
	mmx_action_put(&req, &a);
	send();
	assert_result(0, 7, MMX_SUPERSEDED);
	cr_assert_eq(end_of(2), 3);
	q.n_outstanding = 0;
	begin();
	mmx_action_put(&req, &a);
	send();
	assert_result(0, 7, MMX_OK);
	cr_assert_eq(end_of(2), 2);
}

/* [MMX-62]: the request comes from an address that no list has yet. */
Test(mmx_message, endpoint_told_by_the_action)
{
	struct mmx_ep *new;

	begin();
	a = (struct mmx_action){ .id = 7, .code = MMX_UPDATE };
	add_ep(MMX_ROLE_OLD, 0, 3);
	add_ep(MMX_ROLE_NEW, 0, 9);
	new = &a.tlvs.t[1].ep;
	new->addr = addr_v4(0xcb007109);
	mmx_action_put(&req, &a);
	send();
	assert_result(0, 7, MMX_UNKNOWN_ADDRESS);
	new->flags = MMX_EP_HERE;
	/* only asked, and refused: the list is as it was */
	a.flags = MMX_ACTION_CHECK;
	begin();
	mmx_action_put(&req, &a);
	send();
	assert_result(0, 7, MMX_OK);
	cr_assert_null(mmx_list_ep(&of_i, 9, NULL));
	a.flags = 0;
	new->addr = addr_v4(0xe0000001);
	begin();
	mmx_action_put(&req, &a);
	send();
	assert_result(0, 7, MMX_LOCAL_POLICY);
	cr_assert_null(mmx_list_ep(&of_i, 9, NULL));
	/* done */
	new->addr = addr_v4(0xcb007109);
	begin();
	mmx_action_put(&req, &a);
	send();
	assert_result(0, 7, MMX_OK);
	cr_assert_eq(end_of(2), 9);
	/* the same endpoint from another address: it was given a new one */
	a.tlvs.t[0].ep.epid = 9;
	new->addr = addr_v4(0xcb00710a);
	begin();
	mmx_action_put(&req, &a);
	send();
	assert_result(0, 7, MMX_OK);
	cr_assert(addr_equal(&mmx_list_ep(&of_i, 9, NULL)->addr, &new->addr));
	cr_assert_eq(of_i.n, 5);
}

/* [MMX-62]: before there is any list. */
Test(mmx_message, endpoint_told_before_the_list)
{
	struct mmx_list none = { .n = 0 };

	of_i = none;
	begin();
	a = (struct mmx_action){ .id = 7, .code = MMX_UPDATE };
	add_ep(MMX_ROLE_OLD, 0, 3);
	add_ep(MMX_ROLE_NEW, 0, 9);
	a.tlvs.t[1].ep.addr = addr_v4(0xcb007109);
	mmx_action_put(&req, &a);
	send();
	assert_result(0, 7, MMX_OK);
	cr_assert_eq(end_of(2), 9);
	/* a list that has it under its interface */
	begin();
	put_iface(1, 1, UP);
	put_iface(1, 9, LAST);
	send();
	cr_assert_eq(of_i.n, 2);
	cr_assert_eq(of_i.n_gone, 0);
}

/* A check changes nothing, and says so. */
Test(mmx_message, checks)
{
	begin();
	a = (struct mmx_action){ .id = 7, .code = MMX_UPDATE, .flags = MMX_ACTION_CHECK };
	add_ep(MMX_ROLE_OLD, 0, 3);
	add_ep(MMX_ROLE_NEW, 0, 4);
	mmx_action_put(&req, &a);
	send();
	assert_result(0, 7, MMX_OK);
	cr_assert_not(changed);
	cr_assert_eq(end_of(2), 3);
}
