/* SPDX-License-Identifier: GPL-2.0-only */
/* ike/mmx_query: both find out whether they have the same. */
#include <criterion/criterion.h>
#include <string.h>

#include "../../user/ike/mmx_query.h"
#include "crypto/alg.h"

enum { SAS = 100 };

/* What one of the two has: the IKE SA on endpoints 1 and 1, tunnels on 1 to 3 in turn. */
struct end {
	struct mmx_table table;
	struct mmx_list lists[2];
	struct mmx_sa sas[SAS];
	struct mmx_apply c;
};

static struct end i, r;
static struct mmx_keys keys;
static struct mmx_action a;
static struct mmx_answer answer;

static void bind(struct end *e, struct mmx_sa *sa, bool ike, uint16_t epid_i)
{
	struct mmx_binding b = { .ike = ike };

	if (epid_i)
		mmx_binding_own(&b, epid_i, 1);
	mmx_shared_put(&e->table, sa->binding, 1);
	sa->binding = mmx_shared_get(&e->table, &b);
	cr_assert_not_null(sa->binding);
}

/* Seen by I, and by R, which has its SAs in another order. */
static void fill(struct end *e, size_t n)
{
	mmx_table_init(&e->table);
	e->c = (struct mmx_apply){ .table = &e->table,
				   .sas = e->sas,
				   .n = n,
				   .lists = { { &e->lists[0], &e->lists[1] } },
				   .sender = MMX_I };
	for (size_t k = 0; k < n; k++) {
		size_t at = e == &i || !k ? k : n - k;
		struct mmx_sa *sa = &e->sas[at];

		*sa = (struct mmx_sa){ .ike = !k, .active = true, .protocol = PROTO_ESP };
		sa->spi_sender = 0xa0000000 + (uint32_t)k;
		sa->spi_receiver = 0xb0000000 + (uint32_t)(k * 7 % n);
		bind(e, sa, !k, !k ? 1 : (uint16_t)(k % 4));
	}
}

static void init(void)
{
	struct secret sk_d;

	secret_set(&sk_d, "0123456789abcdef0123456789abcdef", 32);
	cr_assert_eq(mmx_keys_init(&keys, PRF_HMAC_SHA2_256, &sk_d), 0);
	a = (struct mmx_action){ .id = 1, .code = MMX_QUERY };
}

static void fini(void)
{
	struct end *both[] = { &i, &r };

	for (unsigned k = 0; k < 2; k++) {
		for (size_t n = 0; n < both[k]->c.n; n++)
			mmx_shared_put(&both[k]->table, both[k]->sas[n].binding, 1);
		cr_assert_eq(both[k]->table.h.n, 0);
		mmx_table_clear(&both[k]->table);
	}
	mmx_keys_clear(&keys);
}

TestSuite(mmx_query, .init = init, .fini = fini);

static void ask_for(uint8_t kind, uint16_t old)
{
	if (old)
		mmx_add(&a.tlvs, MMX_TLV_EP)->ep =
			(struct mmx_ep){ .role = MMX_ROLE_OLD, .epid = old };
	mmx_add(&a.tlvs, MMX_TLV_SEL)->sel.kind = kind;
}

/* I asks, R answers, in octets. */
static bool agree(void)
{
	static uint8_t buf[8192];
	static struct ike_msg in;
	static struct mmx_result got;
	struct msg_wr m = msg_begin_inner(buf, sizeof(buf));
	uint8_t critical;

	cr_assert_eq(mmx_query_answer(&keys, &r.c, &a, &answer), MMX_OK);
	mmx_result_put(&m, &answer.result);
	cr_assert_eq(m.w.err, 0);
	memset(&in, 0, sizeof(in));
	cr_assert_eq(msg_decode_inner(m.first, buf, msg_end(&m), &in, &critical), MSG_OK);
	cr_assert_eq(mmx_result_get(&in.notifies[0], &got), MMX_OK);
	return mmx_query_agrees(&keys, &i.c, &a, &got);
}

Test(mmx_query, both_have_the_same_in_whatever_order) /* MMX-64 */
{
	fill(&i, SAS);
	fill(&r, SAS);
	ask_for(MMX_SEL_OLD, 3);
	ask_for(MMX_SEL_ALL, 0);
	ask_for(MMX_SEL_IKE, 0);
	cr_assert(agree());
	cr_assert_eq(answer.result.affected, SAS);
	cr_assert_eq(mmx_next(&answer.result.tlvs, MMX_TLV_DIGEST, NULL)->digest.count, SAS / 4);
	cr_assert_null(mmx_next(&answer.result.tlvs, MMX_TLV_SEL, NULL));
}

Test(mmx_query, one_sa_on_another_endpoint_is_seen) /* MMX-64 */
{
	fill(&i, SAS);
	fill(&r, SAS);
	ask_for(MMX_SEL_ALL, 0);
	bind(&r, &r.sas[17], false, 9);
	cr_assert_not(agree());
	cr_assert_eq(mmx_next(&answer.result.tlvs, MMX_TLV_DIGEST, NULL)->digest.count, SAS - 1);
}

Test(mmx_query, one_sa_more_or_with_another_spi_is_seen) /* MMX-64 */
{
	fill(&i, SAS - 1);
	fill(&r, SAS);
	ask_for(MMX_SEL_ALL, 0);
	cr_assert_not(agree());
	fini();
	init();
	fill(&i, SAS);
	fill(&r, SAS);
	ask_for(MMX_SEL_ALL, 0);
	r.sas[40].spi_receiver ^= 1;
	cr_assert_not(agree());
}

Test(mmx_query, with_another_key_nothing_agrees)
{
	struct secret other;

	fill(&i, 5);
	fill(&r, 5);
	ask_for(MMX_SEL_ALL, 0);
	cr_assert(agree());
	secret_set(&other, "0123456789abcdef0123456789abcdeF", 32);
	mmx_keys_clear(&keys);
	cr_assert_eq(mmx_keys_init(&keys, PRF_HMAC_SHA2_256, &other), 0);
	cr_assert_not(mmx_query_agrees(&keys, &i.c, &a, &answer.result));
}

/* What inherits is bound to what the IKE SA uses: the same as if it were bound to that itself. */
Test(mmx_query, inherited_counts_as_what_ike_uses)
{
	fill(&i, 5);
	fill(&r, 5);
	for (size_t k = 1; k < 5; k++) {
		bind(&i, &i.sas[k], false, 0);
		bind(&r, &r.sas[k], false, 1);
	}
	ask_for(MMX_SEL_ALL, 0);
	cr_assert(agree());
}

/* Endpoints, then the SPIs bound to them; sides as R, which answers, sees them. */
Test(mmx_query, of_few_endpoints_and_spis_are_told) /* MMX-64 */
{
	const struct mmx_tlv *t = NULL;
	unsigned ends = 0, sels = 0, spis = 0;

	fill(&i, 9);
	fill(&r, 9);
	ask_for(MMX_SEL_ALL, 0);
	ask_for(MMX_SEL_IKE, 0);
	cr_assert(agree());
	while ((t = mmx_next(&answer.result.tlvs, MMX_TLV_SEL, t))) {
		sels++;
		spis += (unsigned)mmx_spi_count(t->sel.spis);
	}
	for (const struct mmx_ep *ep = NULL;
	     (ep = mmx_next_ep(&answer.result.tlvs, MMX_ROLE_NEW, ep)); ends++)
		cr_assert(ep->side == 1 || ep->epid == 1);
	cr_assert_eq(sels, 5, "%u", sels); /* the IKE SA; inherited; 1, 2, 3 */
	cr_assert_eq(ends, 10, "%u", ends);
	cr_assert_eq(spis, 8);
}

Test(mmx_query, an_unknown_spi_is_refused)
{
	static uint8_t spi[4] = { 1, 2, 3, 4 };

	fill(&i, 5);
	fill(&r, 5);
	mmx_add(&a.tlvs, MMX_TLV_SEL)->sel =
		(struct mmx_sel){ MMX_SEL_SPIS, PROTO_ESP, { spi, sizeof(spi) } };
	cr_assert_eq(mmx_query_answer(&keys, &r.c, &a, &answer), MMX_UNKNOWN_SA);
	cr_assert_null(mmx_next(&answer.result.tlvs, MMX_TLV_DIGEST, NULL));
}
