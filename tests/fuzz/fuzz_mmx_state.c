/* SPDX-License-Identifier: GPL-2.0-only */
/* What a peer of the multi-interface extension may do to the state of the other one: lists and
 * actions, one after the other. Each step of the input is a kind (0: a list's entry, 1: the last
 * entry, 2: an action, 3: one of the other side's), a length and the data of the notification.
 * After each, every SA has endpoints of both sides, equal bindings are one object, and a refusal
 * left everything as it was. */
#include <stdlib.h>
#include <string.h>

#include "../../user/ike/mmx_apply.h"
#include "../../user/ike/mmx_rules.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { SAS = 6, ENTRIES_MAX = 20, STEPS_MAX = 40 };

static struct mmx_table table;
static struct mmx_list lists[2];
static struct mmx_sa sas[SAS];
static struct ike_msg msg;

static enum mmx_status endpoint(void *ctx, enum mmx_owner owner, const struct mmx_ep *ep,
				uint16_t *ret_detail)
{
	(void)ctx;
	(void)owner;
	*ret_detail = ep->epid == 5 ? MMX_POLICY_LINK : 0;
	return ep->epid == 5 ? MMX_LOCAL_POLICY : MMX_OK;
}

static enum mmx_status sa_policy(void *ctx, const struct mmx_sa *sa, const struct mmx_binding *b,
				 uint16_t *ret_detail)
{
	(void)ctx;
	*ret_detail = 0;
	return sa->spi_sender == 0xc0000003 && mmx_binding_has(b, MMX_I, 4) ? MMX_SPD_MISMATCH
									    : MMX_OK;
}

static const struct mmx_policy policy = { NULL, endpoint, sa_policy };

/* Interfaces 1 to 4 of both, of which 4 has IPv6; the IKE SA and SAs on 1 to 3. */
static void set_up(void)
{
	mmx_table_init(&table);
	memset(lists, 0, sizeof(lists));
	for (unsigned side = 0; side < 2; side++)
		for (uint16_t k = 1; k <= 4; k++) {
			struct mmx_iface *i = &lists[side].iface[lists[side].n++];

			lists[side].known = true;
			lists[side].generation = 1;
			i->ifid = k;
			i->flags = MMX_IFACE_UP;
			i->n = 1;
			i->ep[0].epid = k;
			i->ep[0].addr =
				(struct addr){ k == 4 ? 6 : 4,
					       { 198, 51, (uint8_t)(100 + side), (uint8_t)k } };
		}
	for (uint16_t k = 0; k < SAS; k++) {
		struct mmx_binding b = { .ike = !k };

		if (k != 1)
			mmx_binding_own(&b, 1 + k % 3, 1);
		sas[k] = (struct mmx_sa){ .ike = !k,
					  .active = k != 5,
					  .protocol = PROTO_ESP,
					  .spi_sender = 0xc0000000u + k,
					  .spi_receiver = 0xd0000000u + k,
					  .binding = mmx_shared_get(&table, &b) };
		if (!sas[k].binding)
			abort();
	}
}

static void check(void)
{
	for (unsigned k = 0; k < SAS; k++) {
		const struct mmx_binding *b = &sas[k].binding->b;
		unsigned refs = 0;

		if (b->own ? !b->ends[MMX_I].n || !b->ends[MMX_R].n : sas[k].ike)
			abort();
		for (unsigned j = 0; j < SAS; j++) {
			refs += sas[j].binding == sas[k].binding;
			if ((sas[j].binding == sas[k].binding) !=
			    mmx_binding_equal(&sas[j].binding->b, b))
				abort();
		}
		if (refs != sas[k].binding->refs)
			abort();
	}
}

static void act(struct bytes data, bool of_r)
{
	struct notify n = { .type = N_MMX_ACTION, .data = data };
	static struct mmx_binding before[SAS];
	static struct mmx_action a;
	static struct mmx_answer answer;
	static uint8_t buf[8192];
	struct mmx_apply c = { .table = &table,
			       .sas = sas,
			       .n = SAS,
			       .lists = { { &lists[MMX_I], &lists[MMX_R] } },
			       .sender = of_r ? MMX_R : MMX_I,
			       .side_max = 3,
			       .policy = &policy };
	struct msg_wr w = msg_begin_inner(buf, sizeof(buf));

	if (mmx_action_get(&n, &a) != MMX_OK ||
	    mmx_authority(&a, UINT32_MAX, !of_r, &lists[of_r ? MMX_I : MMX_R]) != MMX_OK ||
	    mmx_generation_check(&a, &lists[c.sender]) != MMX_OK || a.code == MMX_ADD_IF ||
	    a.code == MMX_QUERY)
		return;
	for (unsigned k = 0; k < SAS; k++)
		before[k] = sas[k].binding->b;
	enum mmx_status status = mmx_apply(&c, &a, &answer);
	mmx_result_put(&w, &answer.result);
	if (w.w.err)
		abort();
	if ((status != MMX_OK && status != MMX_PARTIAL) || a.flags & MMX_ACTION_CHECK)
		for (unsigned k = 0; k < SAS; k++)
			if (!mmx_binding_equal(&before[k], &sas[k].binding->b))
				abort();
	for (unsigned k = 0; k < SAS; k++)
		if (sas[k].ike && sas[k].doomed)
			abort();
}

static void tell(struct bytes data, bool last)
{
	enum mmx_limit_which limit;

	msg.notifies[msg.n_notifies++] = (struct notify){ .type = N_MMX_IFACE, .data = data };
	if (!last && msg.n_notifies < ENTRIES_MAX)
		return;
	mmx_list_take(&lists[MMX_I], &msg, 4, &limit);
	msg.n_notifies = 0;
	if (lists[MMX_I].n > 4)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct rd r = rd_init(data, size);

	set_up();
	msg.n_notifies = 0;
	for (unsigned i = 0; i < STEPS_MAX && rd_left(&r); i++) {
		uint8_t kind = rd_u8(&r) % 4, len = rd_u8(&r);
		struct bytes d = { .len = len < rd_left(&r) ? len : rd_left(&r) };

		d.p = rd_bytes(&r, d.len);
		if (kind < 2)
			tell(d, kind == 1);
		else
			act(d, kind == 3);
		check();
	}
	for (unsigned k = 0; k < SAS; k++)
		mmx_shared_put(&table, sas[k].binding, 1);
	if (table.h.n)
		abort();
	mmx_table_clear(&table);
	return 0;
}
