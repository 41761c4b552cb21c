/* SPDX-License-Identifier: GPL-2.0-only */
/* QUERY in exchanges: do both ends have the same SAs on the same endpoints (MMX 7.6)?
 *
 *   SK{ N(MMX_ACTION QUERY, SEL 3, SEL 0) }  -->
 *                    <--  SK{ N(MMX_RESULT, DIGEST, DIGEST, [EP, SEL]*) }
 *
 * Asked by the core itself after a STATE_MISMATCH, behind a list that is newer than any the peer
 * may have: after that both have the same list, and the digests tell whether the SAs are the same,
 * too.
 */
#include <stdlib.h>
#include <string.h>

#include "mmx.h"
#include "mmx_query.h"

/* Beyond what the peer may have of an IKE SA whose image was older. */
enum { GENERATIONS_LOST = 16 };

static int keys_of(const struct ike_sa *sa, struct mmx_keys *ret_k)
{
	struct secret sk_d;
	int ret = secret_set(&sk_d, sa->keys.sk_d.b, sa->keys.sk_d.len);

	if (!ret)
		ret = mmx_keys_init(ret_k, sa->suite.prf, &sk_d);
	secret_clear(&sk_d);
	return ret;
}

enum mmx_status mmx_compare_answer(const struct ike_sa *sa, const struct mmx_apply *apply,
				   const struct mmx_action *a, struct mmx_answer *ret_answer)
{
	enum mmx_status status = MMX_BUSY;
	struct mmx_keys keys;

	*ret_answer = (struct mmx_answer){ .result = { .id = a->id } };
	if (!keys_of(sa, &keys)) {
		status = mmx_query_answer(&keys, apply, a, ret_answer);
		mmx_keys_clear(&keys);
	}
	ret_answer->result.status = (uint16_t)status;
	return status;
}

bool mmx_compare_differs(struct ike_sa *sa, struct mmx *x, const struct mmx_action *a,
			 const struct mmx_result *r)
{
	struct mmx_apply apply = { .table = &x->table,
				   .lists = mmx_lists_of(x),
				   .sender = mmx_we(sa),
				   .side_max = MMX_SIDE_MAX };
	struct mmx_keys keys;
	bool same = true; /* for all that can be said without memory */

	apply.sas = mmx_sas_new(sa, x, mmx_we(sa), &apply.n);
	if (apply.sas && !keys_of(sa, &keys)) {
		same = mmx_query_agrees(&keys, &apply, a, r);
		mmx_keys_clear(&keys);
	}
	free(apply.sas);
	if (!same)
		log_ike(sa, LOG_WARN_,
			"the peer has other SAs on other endpoints than there are here: it has %u",
			r->affected);
	return !same;
}

static bool digest_of(const struct ike_sa *sa, const struct mmx_apply *apply,
		      struct mmx_digest *ret)
{
	struct mmx_keys keys;
	int r = keys_of(sa, &keys);

	if (r)
		return false;
	r = mmx_query_digest(&keys, apply, ret);
	mmx_keys_clear(&keys);
	return !r;
}

void mmx_compare_put(const struct ike_sa *sa, const struct mmx_apply *apply, struct mmx_result *r)
{
	struct mmx_digest d;
	struct mmx_tlv *t;

	if (r->affected <= MMX_SPIS_SHOWN_MAX || mmx_next(&r->tlvs, MMX_TLV_SEL, NULL) ||
	    !digest_of(sa, apply, &d))
		return;
	t = mmx_add(&r->tlvs, MMX_TLV_DIGEST);
	if (t)
		t->digest = d;
}

bool mmx_compare_others(const struct ike_sa *sa, const struct mmx_apply *apply,
			const struct mmx_result *r)
{
	const struct mmx_tlv *t = mmx_next(&r->tlvs, MMX_TLV_DIGEST, NULL);
	struct mmx_digest d;

	if (!t || !digest_of(sa, apply, &d))
		return false;
	if (d.count == t->digest.count && !memcmp(d.b, t->digest.b, sizeof(d.b)))
		return false;
	log_ike(sa, LOG_WARN_, "the peer deleted %u SAs of an interface, which are not the %u here",
		t->digest.count, d.count);
	return true;
}

void mmx_compare_soon(struct ike *ike, struct ike_sa *sa, struct mmx *x)
{
	struct mmx_action a = { .code = MMX_QUERY };

	x->list[mmx_we(sa)].generation += GENERATIONS_LOST;
	addrs_queue(sa);
	mmx_add(&a.tlvs, MMX_TLV_SEL)->sel.kind = MMX_SEL_ALL;
	mmx_add(&a.tlvs, MMX_TLV_SEL)->sel.kind = MMX_SEL_IKE;
	ike_mmx_ask(ike, sa->line, &a, 1, 0, ike->now); /* an older peer may not know it */
}
