/* SPDX-License-Identifier: GPL-2.0-only */
/* An interface is added, and with it Child SAs derived from those of others (MMX 8):
 *
 *   A: SK{ [CP(CFG_REQUEST),] N(MMX_ACTION ADD_IF: NEW, [TO, SRC*, INNER_*], NONCE, SPIS, DIGEST) }
 *   B:   <--  SK{ N(MMX_RESULT OK: NONCE, SPIS, [INNER_NEW]), [CP(CFG_REPLY)] }
 *
 * A adds it; that may be either of the two, and whoever sent the message is. Which SAs there will
 * be both compute, by mmx_derive; where the digest says that they do not start from the same,
 * nothing is done. SPIs are not computed but told, for ours say where the data plane has the SA.
 * Either all of them are made or none. A has its own made, but for what the answer brings, before
 * it asks: parents may be gone when the answer comes.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "mmx_born.h"

enum { VALID_SEC = 60 };

static const struct mmx_list *list_of(const struct mmx *x, enum mmx_owner owner)
{
	return &x->list[owner];
}

/* ---- A: asks ---- */

static int errno_of(enum mmx_status status)
{
	switch (status) {
	case MMX_OK:
		return 0;
	case MMX_BUSY:
		return -EAGAIN;
	case MMX_TOO_MANY:
		return -E2BIG;
	case MMX_UNSUPPORTED:
	case MMX_LOCAL_POLICY:
		return -EOPNOTSUPP;
	default:
		return -EINVAL;
	}
}

/* What a former try of this request has put there. */
static void strip(struct mmx_action *a)
{
	unsigned n = 0;

	for (unsigned i = 0; i < a->tlvs.n; i++) {
		uint8_t type = a->tlvs.t[i].type;

		if (type != MMX_TLV_NONCE && type != MMX_TLV_SPIS && type != MMX_TLV_DIGEST)
			a->tlvs.t[n++] = a->tlvs.t[i];
	}
	a->tlvs.n = (uint8_t)n;
}

static bool put_request(const struct mmx_add_if *d, struct mmx_action *a)
{
	struct mmx_tlv *nonce = mmx_add(&a->tlvs, MMX_TLV_NONCE);
	struct mmx_tlv *spis = d->n ? mmx_add(&a->tlvs, MMX_TLV_SPIS) : NULL;
	struct mmx_tlv *dig = mmx_add(&a->tlvs, MMX_TLV_DIGEST);

	if (!nonce || !dig || (d->n && !spis))
		return false;
	memcpy(nonce->nonce, d->keys.na, sizeof(nonce->nonce));
	if (spis)
		spis->spis = (struct bytes){ d->spis, 4 * d->n };
	dig->digest.count = d->n_parents;
	memcpy(dig->digest.b, d->digest, sizeof(dig->digest.b));
	return true;
}

static bool same_digest(const struct mmx_add_if *d, const struct mmx_action *a)
{
	const struct mmx_tlv *t = mmx_next(&a->tlvs, MMX_TLV_DIGEST, NULL);

	return t && t->digest.count == d->n_parents &&
	       !memcmp(t->digest.b, d->digest, sizeof(d->digest));
}

static enum mmx_status prepare(struct ike *ike, struct ike_sa *sa, struct mmx *x,
			       const struct mmx_action *a, struct mmx_add_if *d)
{
	struct mmx_chosen ch = { .order = NULL };
	enum mmx_status status;
	struct mmx_born_view v = { .n = 0 };
	bool again = d->given.len;

	cp_more_prune(ike, sa);
	if ((!again && rng_bytes(d->keys.na, sizeof(d->keys.na))) ||
	    !mmx_born_view_make(sa, x, true, &v))
		return MMX_BUSY;
	status = v.unsettled && !again ? MMX_BUSY : mmx_add_if_understand(sa, x, a, d);
	if (status == MMX_OK)
		status = mmx_add_if_choose(d, x, &v, &ch);
	if (status == MMX_OK && again && !same_digest(d, a))
		status = MMX_STATE_MISMATCH;
	if (status == MMX_OK)
		status = mmx_derive_kept(v.all, v.n, &d->add, ch.order, &ch.n);
	if (status == MMX_OK)
		status = mmx_add_if_limits(ike, sa, d, ch.n, x->deal.derived_max);
	if (status == MMX_OK && again && 4 * ch.n != d->given.len)
		status = MMX_STATE_MISMATCH;
	if (status == MMX_OK)
		status = mmx_add_if_bear(ike, sa, x, d, &v, &ch, a->flags & MMX_ACTION_CHECK);
	free(ch.order);
	mmx_born_view_clear(&v);
	return status;
}

int mmx_add_if_build(struct ike *ike, struct ike_sa *sa, struct mmx *x, struct mmx_ask *ask,
		     struct mmx_action *a, struct msg_wr *m)
{
	struct mmx_add_if *d;
	enum mmx_status status;

	mmx_add_if_free(ike, ask->add_if);
	ask->add_if = NULL;
	strip(a);
	d = mmx_add_if_new(sa, mmx_we(sa));
	if (!d)
		return -ENOMEM;
	status = prepare(ike, sa, x, a, d);
	if (status != MMX_OK || !put_request(d, a)) {
		log_ike(sa, LOG_INFO_, "no Child SAs can be derived for another interface now: %s",
			mmx_status_name(status));
		mmx_add_if_free(ike, d);
		return status == MMX_OK ? -E2BIG : errno_of(status);
	}
	if (d->n_asked && d->n && !(a->flags & MMX_ACTION_CHECK))
		cp_more_ask(d->asked, d->n_asked, m);
	ask->add_if = d;
	return 0;
}

/* In place of the address that no selector has. */
static void set_inner(struct ike_ts *ts, unsigned n, const struct addr *inner, unsigned n_inner)
{
	for (unsigned i = 0; i < n; i++)
		for (unsigned k = 0; k < n_inner; k++) {
			struct addr none = { .family = inner[k].family };

			if (addr_equal(&ts[i].first, &none) && addr_equal(&ts[i].last, &none))
				ts[i].first = ts[i].last = inner[k];
		}
}

static int finish(struct ike *ike, struct ike_sa *sa, struct mmx *x, struct mmx_add_if *d,
		  const struct mmx_result *r, const struct ike_msg *in)
{
	const struct mmx_tlv *nonce = mmx_next(&r->tlvs, MMX_TLV_NONCE, NULL);
	struct addr inner_new[MMX_INNER_NEW_MAX];

	if (!nonce)
		return -EBADMSG;
	memcpy(d->keys.nb, nonce->nonce, sizeof(d->keys.nb));
	if (!mmx_add_if_peer_spis(d, &r->tlvs, false))
		return -EBADMSG;
	if (d->n_asked && !cp_more_answered(sa, in, d->asked, d->n_asked, inner_new))
		return -EADDRNOTAVAIL;
	for (size_t i = 0; i < d->n; i++)
		set_inner(d->born[i].c->ts_local, d->born[i].c->n_ts_local, inner_new, d->n_asked);
	return mmx_add_if_install(ike, sa, x, d);
}

/* The peer has them, and we do not: it is to delete them. */
static void give_up(struct ike *ike, struct ike_sa *sa, struct mmx_add_if *d)
{
	for (size_t i = 0; i < d->n; i++) {
		struct child_sa *c = d->born[i].c;

		if (c) {
			child_link(ike, sa, c);
			mmx_child_bind(c, NULL);
			d->born[i].c = NULL;
		} else {
			c = child_find(sa, d->born[i].id);
		}
		if (child_close(sa, c, 0, "not all of its interface could be made"))
			child_remove(ike, sa, c);
	}
}

/* After a restart of the agent: what was asked for, by the one before. NULL: it cannot be told what
 * it would have derived. */
static struct mmx_add_if *restored(struct ike *ike, struct ike_sa *sa, struct mmx *x,
				   const struct mmx_action *a)
{
	const struct mmx_tlv *nonce = mmx_next(&a->tlvs, MMX_TLV_NONCE, NULL);
	const struct mmx_tlv *spis = mmx_next(&a->tlvs, MMX_TLV_SPIS, NULL);
	struct mmx_add_if *d = nonce && spis ? mmx_add_if_new(sa, mmx_we(sa)) : NULL;

	if (!d)
		return NULL;
	memcpy(d->keys.na, nonce->nonce, sizeof(d->keys.na));
	d->given = spis->spis;
	if (prepare(ike, sa, x, a, d) == MMX_OK)
		return d;
	mmx_add_if_free(ike, d);
	return NULL;
}

/* By their SPIs alone; no keys are made. */
static void disown(struct ike *ike, struct ike_sa *sa, const struct mmx_action *a)
{
	const struct mmx_tlv *spis = mmx_next(&a->tlvs, MMX_TLV_SPIS, NULL);
	struct child_deal *deal = spis ? calloc(1, sizeof(*deal)) : NULL;

	for (size_t i = 0; deal && sa->conn->c.n_children && i < mmx_spi_count(spis->spis); i++) {
		struct child_sa *c;

		deal->cfg = &sa->conn->c.children[0];
		deal->redundant = true;
		deal->spi_in = mmx_spi(spis->spis, i);
		c = child_new(ike, sa, deal);
		if (!c)
			break;
		child_link(ike, sa, c);
		mmx_child_bind(c, NULL);
		if (child_close(sa, c, 0, "nobody here knows any more what it is for"))
			child_remove(ike, sa, c);
	}
	free(deal);
}

void mmx_add_if_answered(struct ike *ike, struct ike_sa *sa, struct mmx *x, struct mmx_ask *ask,
			 const struct mmx_action *a, const struct mmx_result *r,
			 const struct ike_msg *in)
{
	struct mmx_add_if *d = ask->add_if;
	bool done = r->status == MMX_OK && !(a->flags & MMX_ACTION_CHECK);
	int ret;

	ask->add_if = NULL;
	if (!d && done) {
		d = restored(ike, sa, x, a);
		if (!d)
			disown(ike, sa, a);
	}
	if (d && d->n && done) {
		ret = finish(ike, sa, x, d, r, in);
		if (ret) {
			log_ike(sa, LOG_WARN_,
				"%zu Child SAs that the peer derived are deleted: %s", d->n,
				ret == -EBADMSG ? "its answer does not fit" : strerror(-ret));
			give_up(ike, sa, d);
		} else {
			mmx_routability(ike, sa, x, &d->binding,
					&(struct mmx_rr){ .from = d->add.to });
			log_ike(sa, LOG_INFO_, "%zu Child SAs derived for our endpoint %u", d->n,
				d->add.new);
		}
	}
	mmx_add_if_free(ike, d);
}

/* ---- B: answers ---- */

struct request {
	struct ike *ike;
	struct ike_sa *sa;
	struct mmx *x;
	const struct ike_msg *in;
	const struct mmx_action *a;
	const struct mmx_policy *policy;
	bool check;
};

static enum mmx_status new_check(const struct request *q, struct mmx_add_if *d)
{
	const struct mmx_ep *new = mmx_next_ep(&q->a->tlvs, MMX_ROLE_NEW, NULL);
	const struct mmx_ep *to = mmx_next_ep(&q->a->tlvs, MMX_ROLE_TO, NULL);
	enum mmx_owner we = mmx_we(q->sa);
	enum mmx_status status = MMX_OK;

	if (!(new->flags &MMX_EP_IFID))
		status = mmx_list_check(list_of(q->x, d->a), new);
	if (status == MMX_OK && to && !(to->flags & MMX_EP_IFID))
		status = mmx_list_check(list_of(q->x, we), to);
	if (status != MMX_OK)
		return status;
	status = mmx_address_check(new, list_of(q->x, we));
	if (status != MMX_OK) {
		d->detail = MMX_POLICY_ADDRESS;
		return status;
	}
	return q->policy->endpoint(q->policy->ctx, d->a, new, &d->detail);
}

/* The addresses that A asked for, where what stood for them was. */
static bool assign(const struct request *q, struct mmx_add_if *d, struct cp_before *ret_before)
{
	struct addr given[MMX_INNER_NEW_MAX];

	if (!cp_more_request(q->ike, q->sa, q->in, d->asked, d->n_asked, given, ret_before))
		return false;
	for (unsigned i = 0; i < d->n_asked; i++) {
		struct addr none = { .family = d->asked[i] };

		for (unsigned k = 0; k < d->add.n_inner_new; k++)
			if (addr_equal(&d->add.inner_new[k], &none))
				d->add.inner_new[k] = given[i];
	}
	return true;
}

/* From here on something changes here. */
static enum mmx_status carry_out(const struct request *q, struct mmx_add_if *d,
				 const struct mmx_born_view *v, const struct mmx_chosen *ch)
{
	bool assigns = d->n_asked && ch->n;
	enum mmx_status status;
	struct cp_before before;

	if (assigns && !assign(q, d, &before))
		return MMX_ADDRESS_FAILURE;
	status = mmx_add_if_bear(q->ike, q->sa, q->x, d, v, ch, false);
	if (status == MMX_OK && rng_bytes(d->keys.nb, sizeof(d->keys.nb)))
		status = MMX_BUSY;
	if (status == MMX_OK && !mmx_add_if_peer_spis(d, &q->a->tlvs, true))
		status = MMX_MALFORMED;
	if (status == MMX_OK && mmx_add_if_install(q->ike, q->sa, q->x, d)) {
		for (size_t i = 0; i < d->n; i++)
			if (!d->born[i].c)
				child_remove(q->ike, q->sa, child_find(q->sa, d->born[i].id));
		status = MMX_BUSY;
	}
	if (status != MMX_OK && assigns)
		cp_child_undo(q->ike, q->sa, &before);
	return status;
}

static enum mmx_status spis_fit(const struct mmx_action *a, size_t n)
{
	const struct mmx_tlv *t = mmx_next(&a->tlvs, MMX_TLV_SPIS, NULL);

	return t && mmx_spi_count(t->spis) != n ? MMX_STATE_MISMATCH : MMX_OK;
}

static enum mmx_status derive(const struct request *q, struct mmx_add_if *d,
			      const struct mmx_born_view *v)
{
	const struct mmx_tlv *nonce = mmx_next(&q->a->tlvs, MMX_TLV_NONCE, NULL);
	struct mmx_chosen ch = { .order = NULL };
	enum mmx_status status;

	memcpy(d->keys.na, nonce->nonce, sizeof(d->keys.na));
	status = mmx_add_if_choose(d, q->x, v, &ch);
	if (status == MMX_OK && !same_digest(d, q->a))
		status = v->unsettled ? MMX_BUSY : MMX_STATE_MISMATCH;
	if (status == MMX_OK)
		status = new_check(q, d);
	if (status == MMX_OK)
		status = mmx_derive_kept(v->all, v->n, &d->add, ch.order, &ch.n);
	if (status == MMX_OK && !q->check)
		status = spis_fit(q->a, ch.n);
	if (status == MMX_OK)
		status = mmx_add_if_limits(q->ike, q->sa, d, ch.n, q->x->announced.derived_max);
	if (status == MMX_OK && q->check)
		status = mmx_add_if_bear(q->ike, q->sa, q->x, d, v, &ch, true);
	else if (status == MMX_OK)
		status = carry_out(q, d, v, &ch);
	free(ch.order);
	return status;
}

static void put_refusal(const struct mmx_add_if *d, enum mmx_status status, struct mmx_tlvs *tlvs)
{
	if (status == MMX_TOO_MANY && d)
		mmx_add(tlvs, MMX_TLV_LIMIT)->limit =
			(struct mmx_limit){ MMX_LIMIT_DERIVED, d->limit };
	if (d && d->detail)
		mmx_add(tlvs, MMX_TLV_FAIL)->fail =
			(struct mmx_fail){ .status = (uint16_t)status, .detail = d->detail };
}

static void put_derived(const struct mmx_add_if *d, struct mmx_result *r)
{
	r->affected = (uint16_t)d->n;
	memcpy(mmx_add(&r->tlvs, MMX_TLV_NONCE)->nonce, d->keys.nb, sizeof(d->keys.nb));
	if (!d->n)
		return;
	mmx_add(&r->tlvs, MMX_TLV_SPIS)->spis = (struct bytes){ d->spis, 4 * d->n };
	for (unsigned i = 0; d->n_asked && i < d->add.n_inner_new; i++)
		mmx_add(&r->tlvs, MMX_TLV_EP)->ep = (struct mmx_ep){ .role = MMX_ROLE_INNER_NEW,
								     .side = 1,
								     .addr = d->add.inner_new[i] };
}

/* Where the peer is not known to receive, it is asked; they wait for that. */
static bool rr_pending(const struct request *q, const struct mmx_add_if *d)
{
	const struct mmx_rr after = { .action_id = q->a->id, .from = d->add.new };

	return d->n && !mmx_routability(q->ike, q->sa, q->x, &d->binding, &after);
}

static enum mmx_status answer(const struct request *q, struct mmx_add_if *d)
{
	struct mmx_born_view v = { .n = 0 };
	enum mmx_status status;

	cp_more_prune(q->ike, q->sa);
	if (!mmx_born_view_make(q->sa, q->x, false, &v))
		return MMX_BUSY;
	status = mmx_add_if_understand(q->sa, q->x, q->a, d);
	if (status == MMX_OK && !q->check)
		mmx_tokens_take(q->ike, q->sa, q->x, &q->a->tlvs);
	if (status == MMX_OK)
		status = derive(q, d, &v);
	mmx_born_view_clear(&v);
	return status;
}

enum mmx_status mmx_add_if_request(struct ike *ike, struct ike_sa *sa, struct mmx *x,
				   const struct ike_msg *in, const struct mmx_action *a,
				   const struct mmx_policy *policy, struct msg_wr *m)
{
	struct request q = { ike, sa, x, in, a, policy, a->flags & MMX_ACTION_CHECK };
	struct mmx_add_if *d = mmx_add_if_new(sa, mmx_peer(sa));
	struct mmx_result r = { .id = a->id };
	enum mmx_status status = d ? answer(&q, d) : MMX_BUSY;

	r.status = (uint16_t)status;
	if (q.check) {
		r.flags = MMX_RESULT_CHECK | MMX_RESULT_RR_NOT_TESTED;
		mmx_add(&r.tlvs, MMX_TLV_VALID)->valid_sec = VALID_SEC;
	}
	if (status == MMX_OK && d->renegotiate)
		r.flags |= MMX_RESULT_RENEGOTIATE;
	if (status != MMX_OK) {
		put_refusal(d, status, &r.tlvs);
	} else if (!q.check) {
		put_derived(d, &r);
		r.flags |= rr_pending(&q, d) ? MMX_RESULT_RR_PENDING : 0;
		log_ike(sa, LOG_INFO_, "%zu Child SAs derived for the peer's endpoint %u", d->n,
			d->add.new);
	}
	mmx_result_put(m, &r);
	if (status == MMX_OK && d->n && d->n_asked && !q.check)
		cp_more_reply(d->add.inner_new, d->add.n_inner_new, m);
	mmx_add_if_free(ike, d);
	return status;
}
