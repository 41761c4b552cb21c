/* SPDX-License-Identifier: GPL-2.0-only */
/* Requests of the multi-interface extension: see mmx_message.h. */
#include <string.h>

#include "mmx_message.h"

/* A result that says a status and nothing else but a limit. */
static void put_status(struct msg_wr *m, uint16_t id, enum mmx_status status, uint16_t which,
		       uint16_t value)
{
	struct mmx_result r = { .id = id, .status = (uint16_t)status };

	if (which)
		mmx_add(&r.tlvs, MMX_TLV_LIMIT)->limit = (struct mmx_limit){ which, value };
	mmx_result_put(m, &r);
}

static uint16_t limit_value(const struct mmx_supported *s, uint16_t which)
{
	switch ((enum mmx_limit_which)which) {
	case MMX_LIMIT_IFACES:
		return s->ifaces_max;
	case MMX_LIMIT_SIDE:
		return s->side_max;
	case MMX_LIMIT_ALTS:
		return s->alts_max;
	case MMX_LIMIT_ACTIONS:
		return s->actions_max;
	case MMX_LIMIT_DERIVED:
		return s->derived_max;
	}
	return 0;
}

static bool take_list(const struct mmx_request *q, const struct ike_msg *in, struct msg_wr *m)
{
	uint32_t before = q->theirs->generation;
	bool knew = q->theirs->known;
	enum mmx_limit_which limit = 0;
	enum mmx_status status = mmx_list_take(q->theirs, in, q->announced->ifaces_max, &limit);

	if (status != MMX_OK) {
		uint16_t which = status == MMX_TOO_MANY ? (uint16_t)limit : 0;

		put_status(m, 0, status, which, limit_value(q->announced, which));
	}
	return knew != q->theirs->known || before != q->theirs->generation;
}

/* Earlier in the same message. */
static bool id_used(const struct ike_msg *in, unsigned at, uint16_t id)
{
	for (unsigned k = 0; k < at; k++) {
		struct rd r = rd_init(in->notifies[k].data.p, in->notifies[k].data.len);

		if (in->notifies[k].type == N_MMX_ACTION && rd_u16(&r) == id)
			return true;
	}
	return false;
}

static enum mmx_status crossing(const struct mmx_request *q, const struct mmx_action *a)
{
	bool we_are_i = q->apply.sender == MMX_R;
	enum mmx_status status = MMX_OK;

	for (unsigned i = 0; status == MMX_OK && i < q->n_outstanding; i++)
		status = mmx_crossing(&q->outstanding[i], a, we_are_i, q->ours);
	return status;
}

/* What is looked at before the SAs are. */
static enum mmx_status may_be_done(const struct mmx_request *q, const struct mmx_action *a)
{
	enum mmx_status status = mmx_authority(a, q->deal->caps, q->apply.sender == MMX_I, q->ours);

	if (status == MMX_OK)
		status = mmx_generation_check(a, q->theirs);
	if (status == MMX_OK && q->busy)
		status = MMX_BUSY;
	return status == MMX_OK ? crossing(q, a) : status;
}

/* Endpoints of the sender that only the action tells about. */
static bool define(const struct mmx_request *q, const struct mmx_action *a)
{
	bool any = false;

	for (const struct mmx_ep *ep = NULL; (ep = mmx_next_ep(&a->tlvs, MMX_ROLE_NEW, ep));) {
		const struct mmx_iface_ep *have = mmx_list_ep(q->theirs, ep->epid, NULL);

		if (ep->side == 0 && ep->epid && ep->addr.family &&
		    mmx_list_check(q->theirs, ep) == MMX_OK &&
		    !(have && addr_equal(&have->addr, &ep->addr)))
			any |= mmx_list_define(q->theirs, ep);
	}
	return any;
}

static bool is_done(const struct mmx_action *a, enum mmx_status status)
{
	return (status == MMX_OK || status == MMX_PARTIAL) && !(a->flags & MMX_ACTION_CHECK) &&
	       a->code != MMX_QUERY;
}

/* Also what it tells about an endpoint holds only if it is done. */
static enum mmx_status apply(const struct mmx_request *q, const struct mmx_action *a,
			     struct mmx_answer *ret_answer)
{
	struct mmx_list before = *q->theirs;
	struct mmx_apply on = q->apply;
	bool defined, done;
	enum mmx_status status;

	if (q->doer && !q->doer->begin(q->doer->ctx, &on)) {
		*ret_answer = (struct mmx_answer){ .result = { .id = a->id, .status = MMX_BUSY } };
		return MMX_BUSY;
	}
	defined = define(q, a);
	status = a->code == MMX_QUERY && q->doer ? q->doer->query(q->doer->ctx, &on, a, ret_answer)
						 : mmx_apply(&on, a, ret_answer);
	done = is_done(a, status);
	if (defined && !done)
		*q->theirs = before;
	if (q->doer)
		q->doer->end(q->doer->ctx, &on, a, done, ret_answer);
	return status;
}

static enum mmx_status add_if(const struct mmx_request *q, const struct mmx_action *a,
			      struct msg_wr *m)
{
	struct mmx_list before = *q->theirs;
	bool defined = define(q, a);
	enum mmx_status status = q->doer->add_if(q->doer->ctx, a, m);

	if (defined && !is_done(a, status))
		*q->theirs = before;
	return status;
}

static enum mmx_status do_one(const struct mmx_request *q, const struct ike_msg *in, unsigned at,
			      struct msg_wr *m, bool *changed)
{
	struct mmx_action a;
	struct mmx_answer answer;
	enum mmx_status status = mmx_action_get(&in->notifies[at], &a);

	if (status == MMX_OK && id_used(in, at, a.id))
		status = MMX_MALFORMED;
	if (status == MMX_OK) {
		a.limit = 0;
		status = may_be_done(q, &a);
	}
	if (status != MMX_OK) {
		put_status(m, a.id, status, a.limit, limit_value(q->announced, a.limit));
		return status;
	}
	if (a.code == MMX_ADD_IF && q->doer) {
		status = add_if(q, &a, m);
	} else {
		status = apply(q, &a, &answer);
		mmx_result_put(m, &answer.result);
	}
	*changed |= is_done(&a, status);
	return status;
}

static uint16_t id_of(const struct notify *n)
{
	struct rd r = rd_init(n->data.p, n->data.len);

	return rd_u16(&r);
}

bool mmx_answer_request(const struct mmx_request *q, const struct ike_msg *in, struct msg_wr *m)
{
	bool changed, skip = false;
	unsigned n = 0;

	if (!q->deal->major)
		return false;
	changed = take_list(q, in, m);
	for (unsigned i = 0; i < in->n_notifies; i++) {
		if (in->notifies[i].type != N_MMX_ACTION)
			continue;
		if (n++ >= q->announced->actions_max) {
			put_status(m, id_of(&in->notifies[i]), MMX_TOO_MANY, MMX_LIMIT_ACTIONS,
				   q->announced->actions_max);
		} else if (skip) {
			put_status(m, id_of(&in->notifies[i]), MMX_SKIPPED, 0, 0);
		} else {
			enum mmx_status status = do_one(q, in, i, m, &changed);

			skip = status != MMX_OK && status != MMX_PARTIAL;
		}
	}
	return changed;
}
