/* SPDX-License-Identifier: GPL-2.0-only */
/* Memory fails, at every place in turn, while the multi-interface extension works on SAs: the peer
 * is told BUSY, and all is as it was. [MMX-63] */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/alg.h"
#include "../../user/ike/mmx_apply.h"
#include "../../user/ike/mmx_derive.h"
#include "../../user/ike/mmx_keys.h"
#include "../lib/failing.h"

void *__real_malloc(size_t n);
void *__real_calloc(size_t n, size_t size);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t n, size_t size);

void *__wrap_malloc(size_t n)
{
	return fails() ? NULL : __real_malloc(n);
}

void *__wrap_calloc(size_t n, size_t size)
{
	return fails() ? NULL : __real_calloc(n, size);
}

enum { SAS = 5 };

static struct mmx_list list;
static struct mmx_table table;
static struct mmx_sa sas[SAS];
static struct mmx_action a;
static struct mmx_answer answer;

static enum mmx_status any_endpoint(void *ctx, enum mmx_owner owner, const struct mmx_ep *ep,
				    uint16_t *ret_detail)
{
	(void)ctx, (void)owner, (void)ep, (void)ret_detail;
	return MMX_OK;
}

static enum mmx_status any_sa(void *ctx, const struct mmx_sa *sa, const struct mmx_binding *b,
			      uint16_t *ret_detail)
{
	(void)ctx, (void)sa, (void)b, (void)ret_detail;
	return MMX_OK;
}

static const struct mmx_policy policy = { NULL, any_endpoint, any_sa };
static const struct mmx_apply apply = { .table = &table,
					.sas = sas,
					.n = SAS,
					.lists = { { &list, &list } },
					.side_max = MMX_SIDE_MAX,
					.policy = &policy };

/* The IKE SA on 1, then SAs on 1 and 2 together, on 1, on 2 and on 3. */
static void set_up(void)
{
	static const uint16_t on[SAS] = { 1, 1, 1, 2, 3 };

	list = (struct mmx_list){ .known = true, .n = 4 };
	for (uint16_t k = 0; k < 4; k++)
		list.iface[k] = (struct mmx_iface){ .ifid = (uint16_t)(k + 1),
						    .flags = MMX_IFACE_UP,
						    .n = 1,
						    .ep = { { (uint16_t)(k + 1), 0,
							      addr_v4(0xc6336401u + k) } } };
	mmx_table_init(&table);
	for (unsigned k = 0; k < SAS; k++) {
		struct mmx_binding b = { .ike = !k };

		mmx_binding_own(&b, on[k], 1);
		if (k == 1)
			b.ends[MMX_I] = (struct mmx_ends){ 2, { 1, 2 } };
		sas[k] = (struct mmx_sa){ .ike = !k,
					  .active = true,
					  .protocol = PROTO_ESP,
					  .spi_sender = 0xc0000000u + k,
					  .spi_receiver = 0xd0000000u + k,
					  .binding = mmx_shared_get(&table, &b) };
		cr_assert_not_null(sas[k].binding);
	}
}

static void add_ep(uint8_t role, uint16_t epid)
{
	mmx_add(&a.tlvs, MMX_TLV_EP)->ep = (struct mmx_ep){ .role = role, .epid = epid };
}

/* Three bindings change, of which one becomes another that is there. */
Test(mmx_nomem, actions)
{
	unsigned failed = 0;

	a = (struct mmx_action){ .id = 7, .code = MMX_ADD };
	add_ep(MMX_ROLE_NEW, 2);
	mmx_add(&a.tlvs, MMX_TLV_SEL)->sel.kind = MMX_SEL_ALL;
	for (long i = 0;; i++) {
		struct mmx_binding before[SAS];

		set_up();
		for (unsigned k = 0; k < SAS; k++)
			before[k] = sas[k].binding->b;
		size_t bindings = table.h.n;
		hit = false;
		countdown = i;
		enum mmx_status status = mmx_apply(&apply, &a, &answer);
		countdown = -1;
		cr_assert_eq(status, hit ? MMX_BUSY : MMX_OK);
		cr_assert_eq(answer.result.status, status);
		for (unsigned k = 0; hit && k < SAS; k++)
			cr_assert(mmx_binding_equal(&sas[k].binding->b, &before[k]), "%ld: %u", i,
				  k);
		if (hit)
			cr_assert_eq(table.h.n, bindings);
		for (unsigned k = 0; k < SAS; k++)
			mmx_shared_put(&table, sas[k].binding, 1);
		cr_assert_eq(table.h.n, 0);
		mmx_table_clear(&table);
		if (!hit)
			break;
		failed++;
	}
	cr_assert_geq(failed, 3);
}

Test(mmx_nomem, derivation)
{
	static const uint8_t only[] = { 0, 0, 0, 10, 0, 0, 0, 11 };
	struct ike_ts ts = { .port_last = 65535, .first = { 4, { 10 } }, .last = { 4, { 10 } } };
	struct mmx_binding b = { .own = false };
	struct mmx_child all[2];
	struct mmx_add add = { .new = 3, .to = 1, .n_inner_old = 1, .n_inner_new = 1 };
	uint32_t order[2];
	unsigned failed = 0;

	set_up();
	mmx_binding_own(&b, 1, 1);
	for (uint32_t k = 0; k < 2; k++)
		all[k] = (struct mmx_child){ .spi_a = 10 + k,
					     .protocol = PROTO_ESP,
					     .binding = &b,
					     .n_ts_a = 1,
					     .n_ts_b = 1,
					     .ts_a = &ts,
					     .ts_b = &ts };
	add.inner_old[0] = ts.first;
	add.inner_new[0] = (struct addr){ 4, { 11 } };
	add.only = (struct bytes){ only, sizeof(only) };
	mmx_add_default_src(&add, &list);
	for (long i = 0;; i++) {
		size_t n = 77;

		hit = false;
		countdown = i;
		enum mmx_status status = mmx_derive_parents(all, 2, &add, &list, order, &n);
		if (status == MMX_OK)
			status = mmx_derive_kept(all, 2, &add, order, &n);
		countdown = -1;
		cr_assert_eq(status, hit ? MMX_BUSY : MMX_OK);
		if (!hit) {
			cr_assert_eq(n, 1);
			break;
		}
		failed++;
	}
	cr_assert_geq(failed, 3);
}

Test(mmx_nomem, digest)
{
	struct secret sk_d = { .len = 32 };
	struct mmx_keys k;
	uint8_t digest[MMX_DIGEST_OCTETS] = { 1 };

	cr_assert_eq(mmx_keys_init(&k, PRF_HMAC_SHA2_256, &sk_d), 0);
	countdown = 0;
	int r = mmx_parents_digest(&k, NULL, 0, NULL, 0, digest);
	countdown = -1;
	cr_assert_eq(r, -ENOMEM);
	cr_assert_eq(digest[0], 1);
}
