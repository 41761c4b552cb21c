/* SPDX-License-Identifier: GPL-2.0-only */
/* Requests of ours with lists and actions (MMX 7): one at a time.
 *
 *   SK{ [N(MMX_IFACE)*,] N(MMX_ACTION)*, [N(NAT_DETECTION_*),] N(COOKIE2) }  -->
 *                                             <--  SK{ N(MMX_RESULT)*, N(COOKIE2) }
 *
 * What the peer agreed to is then done here too, to the SAs that it names. A dead endpoint (HARD)
 * is left at once, whatever is answered. What was refused leaves all as it was: whoever asked may
 * ask for something else.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mmx.h"
#include "mmx_rules.h"

/* Longer than probes take; their end is what wakes. */
static const usec_t PROBES_WAIT = 30 * USEC_PER_SEC;

/* ---- what is under way ---- */

bool mmx_carried(const struct ike_sa *sa, const struct task *t)
{
	return sa->mmx && (t->kind == TASK_MMX || t->kind == TASK_ADDRS ||
			   (t->kind == TASK_UPDATE && t->with_list));
}

bool mmx_in_flight(const struct ike_sa *sa)
{
	if (!sa->mmx)
		return false;
	list_for_each (it, &sa->inflight)
		if (mmx_carried(sa, list_entry(it, struct task, node)))
			return true;
	return false;
}

const struct mmx_ask *mmx_outstanding(const struct ike_sa *sa)
{
	list_for_each (it, &sa->inflight) {
		const struct task *t = list_entry(it, struct task, node);

		if (t->mmx)
			return t->mmx;
	}
	return NULL;
}

void mmx_ask_free(struct ike *ike, struct mmx_ask *ask)
{
	if (!ask)
		return;
	mmx_add_if_free(ike, ask->add_if);
	free(ask->octets);
	free(ask);
}

/* ---- asking ---- */

/* The octets that a TLV borrows, or NULL. */
static struct bytes *borrowed(struct mmx_tlv *t)
{
	switch ((enum mmx_tlv_type)t->type) {
	case MMX_TLV_SEL:
		return &t->sel.spis;
	case MMX_TLV_SPIS:
		return &t->spis;
	case MMX_TLV_TOKEN:
		return &t->token.b;
	case MMX_TLV_TEXT:
		return &t->text;
	case MMX_TLV_EP:
	case MMX_TLV_NONCE:
	case MMX_TLV_DIGEST:
	case MMX_TLV_FAIL:
	case MMX_TLV_VALID:
	case MMX_TLV_LIMIT:
	case MMX_TLV_ATTR:
		break;
	}
	return NULL;
}

/* They outlive the call that asked. */
static int keep_octets(struct mmx_ask *ask)
{
	size_t len = 0, at = 0;

	for (unsigned pass = 0; pass < 2; pass++) {
		for (unsigned i = 0; i < ask->n; i++)
			for (unsigned k = 0; k < ask->a[i].tlvs.n; k++) {
				struct bytes *b = borrowed(&ask->a[i].tlvs.t[k]);

				if (!b || !b->len)
					continue;
				len += b->len;
				if (!pass)
					continue;
				memcpy(ask->octets + at, b->p, b->len);
				b->p = ask->octets + at;
				at += b->len;
			}
		if (!pass && len) {
			ask->octets = malloc(len);
			if (!ask->octets)
				return -ENOMEM;
		}
	}
	return 0;
}

static bool selects_ike(const struct mmx_action *a)
{
	for (const struct mmx_tlv *t = NULL; (t = mmx_next(&a->tlvs, MMX_TLV_SEL, t));)
		if (t->sel.kind == MMX_SEL_IKE)
			return true;
	return a->code == MMX_DEL_IF;
}

bool mmx_moves_ike(const struct mmx_action *a)
{
	return a->code == MMX_UPDATE && !(a->flags & MMX_ACTION_CHECK) && selects_ike(a);
}

static enum mmx_owner owner_of(const struct ike_sa *sa, const struct mmx_ep *ep)
{
	return ep->side ? mmx_peer(sa) : mmx_we(sa);
}

/* What the IKE SA uses is another endpoint when it has moved: it is asked for by its number. */
static void name_current(const struct ike_sa *sa, const struct mmx *x, struct mmx_action *a)
{
	for (unsigned k = 0; k < a->tlvs.n; k++) {
		struct mmx_ep *ep = &a->tlvs.t[k].ep;

		if (a->tlvs.t[k].type == MMX_TLV_EP && ep->role == MMX_ROLE_OLD && !ep->epid &&
		    !ep->addr.family)
			ep->epid = mmx_current(sa, x, owner_of(sa, ep));
	}
}

struct mmx_ask *mmx_ask_new(const struct ike_sa *sa, const struct mmx_action *actions, unsigned n)
{
	struct mmx_ask *ask = calloc(1, sizeof(*ask) + n * sizeof(ask->a[0]));

	if (!ask)
		return NULL;
	ask->n = n;
	memcpy(ask->a, actions, n * sizeof(ask->a[0]));
	if (keep_octets(ask)) {
		free(ask);
		return NULL;
	}
	for (unsigned i = 0; i < n; i++) {
		name_current(sa, sa->mmx, &ask->a[i]);
		ask->moves_ike |= mmx_moves_ike(&ask->a[i]);
	}
	return ask;
}

static bool unmapped(struct ike_sa *sa, const struct mmx_ask *ask, bool find_out)
{
	bool any = false;

	for (unsigned i = 0; i < ask->n; i++)
		any |= mmx_unmapped(sa, sa->mmx, &ask->a[i], find_out);
	return any;
}

int ike_mmx_ask(struct ike *ike, uint64_t line, const struct mmx_action *actions, unsigned n,
		uint32_t op, usec_t now)
{
	struct ike_sa *sa = line_owner(ike, line);
	struct mmx_ask *ask;
	struct task *t;

	ike->now = now;
	if (!sa)
		return -ENOENT;
	if (!sa->mmx)
		return -EOPNOTSUPP;
	if (!n || n > sa->mmx->deal.actions_max || n > MMX_ACTIONS_MAX)
		return -E2BIG;
	for (unsigned i = 0; i < n; i++)
		if (~sa->mmx->deal.caps & mmx_needs(&actions[i]))
			return -EOPNOTSUPP;
	for (unsigned i = 0; i < n; i++)
		if (!mmx_transport_may_ask(ike, sa, &actions[i]))
			return -EACCES;
	/* what is derived depends on what there is, which the others of a request change */
	for (unsigned i = 1; i < n; i++)
		if (actions[i].code == MMX_ADD_IF)
			return -EINVAL;
	ask = mmx_ask_new(sa, actions, n);
	t = ask ? task_new(sa, TASK_MMX, op) : NULL;
	if (!t) {
		mmx_ask_free(ike, ask);
		return -ENOMEM;
	}
	t->mmx = ask;
	ask->waits = unmapped(sa, ask, true);
	if (ask->waits)
		t->not_before = now + PROBES_WAIT;
	mmx_leave_dead(sa, sa->mmx);
	if (sa->mmx->n_hard) {
		mmx_leave_dead_ike(ike, sa, ask);
		mmx_publish(ike, sa);
	}
	window_run(ike, sa);
	ike_reap(ike);
	return 0;
}

void mmx_overtaken(struct ike_sa *sa, const struct mmx *x, const struct mmx_action *theirs)
{
	const struct list *both[] = { &sa->inflight, &sa->pending };

	for (unsigned i = 0; i < 2; i++)
		list_for_each (it, both[i]) {
			struct mmx_ask *ask = list_entry(it, struct task, node)->mmx;

			for (unsigned k = ask ? ask->first : 0; ask && k < ask->n; k++)
				if (mmx_overtakes(&ask->a[k], theirs, &x->list[mmx_we(sa)],
						  &x->list[mmx_peer(sa)]))
					ask->overtaken |= (uint16_t)(1u << k);
		}
}

void mmx_tell_late(struct ike_sa *sa, struct mmx *x, uint16_t id, enum mmx_status status,
		   uint16_t detail)
{
	if (x->n_late == MMX_ACTIONS_MAX)
		return;
	if (!task_new(sa, TASK_MMX, 0))
		mmx_again_soon(sa, x);
	x->late[x->n_late++] = (struct mmx_late){ id, (uint16_t)status, detail };
}

bool mmx_telling(const struct ike_sa *sa)
{
	const struct list *both[] = { &sa->inflight, &sa->pending };

	for (unsigned i = 0; i < 2; i++)
		list_for_each (it, both[i])
			if (list_entry(it, struct task, node)->kind == TASK_MMX)
				return true;
	return false;
}

void mmx_again_soon(struct ike_sa *sa, struct mmx *x)
{
	if (!x->again_at)
		x->again_at = sa->ike->now + USEC_PER_SEC;
	ike_sa_touch(sa);
}

/* ---- the request ---- */

static bool has_here(const struct mmx_ask *ask)
{
	for (unsigned i = 0; i < ask->n; i++)
		for (unsigned k = 0; k < ask->a[i].tlvs.n; k++)
			if (ask->a[i].tlvs.t[k].type == MMX_TLV_EP &&
			    ask->a[i].tlvs.t[k].ep.flags & MMX_EP_HERE)
				return true;
	return false;
}

/* They stay until it is answered: it may not even be sent. */
static void put_late(struct ike_sa *sa, struct mmx *x, struct msg_wr *m)
{
	for (unsigned i = 0; i < x->n_late; i++) {
		struct mmx_result r = { .id = x->late[i].id, .status = x->late[i].status };

		mmx_add(&r.tlvs, MMX_TLV_FAIL)->fail =
			(struct mmx_fail){ x->late[i].status, x->late[i].detail, PROTO_NONE, 0 };
		mmx_result_put(m, &r);
	}
	x->late_told = x->n_late;
	if (x->n_late)
		mmx_again_soon(sa, x);
}

static void late_heard(struct mmx *x)
{
	x->n_late -= x->late_told;
	memmove(&x->late[0], &x->late[x->late_told], x->n_late * sizeof(x->late[0]));
	x->late_told = 0;
}

/* It is not sent from there any more, if IKE has moved since it was asked for. */
static void drop_here(const struct ike_sa *sa, const struct mmx *x, struct mmx_tlvs *tlvs)
{
	uint16_t current = mmx_current(sa, x, mmx_we(sa));

	for (unsigned k = 0; k < tlvs->n; k++)
		if (tlvs->t[k].type == MMX_TLV_EP && tlvs->t[k].ep.flags & MMX_EP_HERE && current &&
		    tlvs->t[k].ep.epid != current)
			tlvs->t[k].ep.flags &= (uint8_t)~MMX_EP_HERE;
}

static void put_actions(const struct ike_sa *sa, struct mmx *x, struct mmx_ask *ask,
			struct msg_wr *m)
{
	for (unsigned i = ask->first; i < ask->n; i++) {
		struct mmx_action *a = &ask->a[i], whole;

		do
			a->id = ++x->next_action;
		while (!a->id);
		a->generation = x->list[mmx_we(sa)].generation;
		whole = *a;
		drop_here(sa, x, &whole.tlvs);
		if (!(a->flags & MMX_ACTION_CHECK))
			mmx_tokens_add(sa, x, &whole.tlvs);
		mmx_action_put(m, &whole);
	}
}

/* 0, -EAGAIN: later, or -errno. */
static int derive(struct ike *ike, struct ike_sa *sa, struct task *t, struct msg_wr *m)
{
	struct mmx_ask *ask = t->mmx;
	int ret = 0;

	if (ask && !ask->first && ask->a[0].code == MMX_ADD_IF)
		ret = mmx_add_if_build(ike, sa, sa->mmx, ask, &ask->a[0], m);
	return ret == -EAGAIN && !task_back_off(ike, t) ? -EBUSY : ret;
}

static void tell_answer(struct ike *ike, struct ike_sa *sa, struct task *t)
{
	const struct ike_mmx_answer *a = &t->mmx->answer;
	char text[256];
	int len = snprintf(text, sizeof(text), "the peer answers");

	for (unsigned i = 0; i < a->n && len < (int)sizeof(text); i++)
		len += snprintf(text + len, sizeof(text) - (size_t)len, "%s %s: %s", i ? "," : "",
				mmx_code_name(a->r[i].code), mmx_status_name(a->r[i].status));
	out_mmx_answered(ike, sa, t->op, a, text);
	t->op = 0;
}

static bool probes_under_way(const struct ike_sa *sa)
{
	const struct list *both[] = { &sa->inflight, &sa->pending };

	for (unsigned i = 0; i < 2; i++)
		list_for_each (it, both[i]) {
			const struct mmx_probing *p = list_entry(it, struct task, node)->probing;

			if (p && !p->lost)
				return true;
		}
	return false;
}

void mmx_ask_wake(struct ike_sa *sa)
{
	list_for_each (it, &sa->pending) {
		struct task *t = list_entry(it, struct task, node);

		if (t->mmx && t->mmx->waits &&
		    (!probes_under_way(sa) || !unmapped(sa, t->mmx, false)))
			t->not_before = 0;
	}
	ike_sa_touch(sa);
}

/* Nobody answered there: the peer need not be asked, and all stays as it is. */
static bool in_vain(struct ike *ike, struct ike_sa *sa, struct task *t)
{
	struct mmx_ask *ask = t->mmx;

	if (!ask || !ask->waits)
		return false;
	ask->waits = false;
	if (!unmapped(sa, ask, false))
		return false;
	for (unsigned i = 0; i < ask->n; i++)
		ask->answer.r[i] = (struct ike_mmx_result){ .code = ask->a[i].code,
							    .status = MMX_UNREACHABLE,
							    .detail = MMX_UNREACHABLE_RR_FAILED };
	ask->answer.n = (uint8_t)ask->n;
	tell_answer(ike, sa, t);
	return true;
}

int mmx_ask_build(struct ike *ike, struct ike_sa *sa, struct task *t, struct msg_wr *m)
{
	struct mmx *x = sa->mmx;
	int ret;

	if (!x || (!t->mmx && !x->n_late)) {
		task_end(ike, sa, t, x ? IKE_EV_STEP : IKE_EV_FAILED, 0, "MMX is off");
		return -ECANCELED;
	}
	if (in_vain(ike, sa, t)) {
		task_end(ike, sa, t, IKE_EV_STEP, 0, "");
		return -ECANCELED;
	}
	t->with_list |= mmx_list_renew(sa, x);
	ret = derive(ike, sa, t, m);
	if (ret)
		return ret;
	t->changes = sa->mobike->changes;
	addrs_along(ike, sa, t, m);
	put_late(sa, x, m);
	if (t->mmx)
		put_actions(sa, x, t->mmx, m);
	if (t->mmx && has_here(t->mmx) && sa->natt_peer)
		natd_put(&(struct part_ctx){ .ike = ike, .sa = sa, .path = &sa->path, .m = m });
	nonat_put(sa, m);
	return cookie2_put(t, m);
}

/* ---- the answer ---- */

static bool result_of(const struct ike_msg *in, uint16_t id, struct mmx_result *ret)
{
	for (unsigned i = 0; i < in->n_notifies; i++)
		if (in->notifies[i].type == N_MMX_RESULT &&
		    mmx_result_get(&in->notifies[i], ret) == MMX_OK && ret->id == id)
			return true;
	return false;
}

static struct ike_mmx_result told(const struct mmx_action *a, const struct mmx_result *r)
{
	const struct mmx_tlv *fail = mmx_next(&r->tlvs, MMX_TLV_FAIL, NULL);
	const struct mmx_tlv *valid = mmx_next(&r->tlvs, MMX_TLV_VALID, NULL);
	const struct mmx_tlv *limit = mmx_next(&r->tlvs, MMX_TLV_LIMIT, NULL);

	return (struct ike_mmx_result){
		.action_id = a->id,
		.code = a->code,
		.status = r->status,
		.detail = fail ? fail->fail.detail : 0,
		.flags = r->flags,
		.affected = r->affected,
		.valid_sec = valid ? valid->valid_sec : 0,
		.limit_which = limit ? limit->limit.which : 0,
		.limit = limit ? limit->limit.value : 0,
	};
}

static bool listed(const struct mmx_tlvs *tlvs, const struct mmx_sa *sa)
{
	const struct mmx_tlv *t = NULL;

	while ((t = mmx_next(tlvs, MMX_TLV_SEL, t)))
		for (size_t i = 0; i < mmx_spi_count(t->sel.spis); i++) {
			uint32_t spi = mmx_spi(t->sel.spis, i);

			if (spi == sa->spi_receiver || spi == sa->spi_replaced)
				return true;
		}
	return false;
}

static bool failed(const struct mmx_tlvs *tlvs, const struct mmx_sa *sa)
{
	const struct mmx_tlv *t = NULL;

	while ((t = mmx_next(tlvs, MMX_TLV_FAIL, t)))
		if (sa->ike ? t->fail.protocol == PROTO_IKE
			    : t->fail.protocol == sa->protocol && t->fail.spi == sa->spi_receiver)
			return true;
	return false;
}

/* The peer did it to those that it had then, and to what replaces them: to no others. */
static void hide_others(struct mmx_apply *apply, const struct mmx_result *r, bool with_ike)
{
	apply->exactly = mmx_next(&r->tlvs, MMX_TLV_SEL, NULL);
	apply->sas[0].hidden = !with_ike || failed(&r->tlvs, &apply->sas[0]);
	for (size_t i = 1; i < apply->n; i++)
		apply->sas[i].hidden = apply->exactly ? !listed(&r->tlvs, &apply->sas[i])
						      : failed(&r->tlvs, &apply->sas[i]);
}

/* It may come to nothing yet: what was where is remembered. */
static void remember_move(struct mmx *x, const struct mmx_action *a, const struct mmx_result *r)
{
	const struct mmx_ep *old = mmx_next_ep(&a->tlvs, MMX_ROLE_OLD, NULL);
	const struct mmx_ep *new = mmx_next_ep(&a->tlvs, MMX_ROLE_NEW, NULL);

	if (a->code != MMX_UPDATE || !(r->flags & MMX_RESULT_RR_PENDING) ||
	    a->flags & MMX_ACTION_HARD || old->side || !new->epid ||
	    (old->flags | new->flags) & MMX_EP_IFID)
		return;
	if (x->n_moved == MMX_MOVED_KEPT)
		memmove(&x->moved[0], &x->moved[1], --x->n_moved * sizeof(x->moved[0]));
	x->moved[x->n_moved++] = (struct mmx_moved){ a->id, { old->epid, new->epid } };
}

/* False: no memory, and the peer has bound its SAs otherwise than we have. */
static bool do_here(struct ike *ike, struct ike_sa *sa, const struct mmx_ask *ask,
		    const struct mmx_action *a, const struct mmx_result *r, bool *ret_others)
{
	struct mmx *x = sa->mmx;
	static const struct mmx_rr nobody_waits;
	struct mmx_policy_ctx ctx = { .ike = ike, .sa = sa, .x = x };
	struct mmx_policy policy = mmx_policy_of(&ctx);
	struct mmx_binding before = x->ike->b, as_told = mmx_ike_told(sa, x, ask);
	struct mmx_apply apply = { .table = &x->table,
				   .lists = mmx_lists_of(x),
				   .sender = mmx_we(sa),
				   .side_max = MMX_SIDE_MAX,
				   .was_done = true,
				   .told = &as_told,
				   .policy = &policy };
	struct mmx_answer here;
	enum mmx_status status;

	apply.sas = mmx_sas_new(sa, x, mmx_we(sa), &apply.n);
	if (!apply.sas)
		return false;
	hide_others(&apply, r, selects_ike(a) && !(ask->ike_moved && mmx_moves_ike(a)));
	status = mmx_apply(&apply, a, &here);
	if (status == MMX_OK || status == MMX_PARTIAL) {
		*ret_others = a->code == MMX_DEL_IF && mmx_compare_others(sa, &apply, r);
		mmx_sas_commit(ike, sa, x, apply.sas, apply.n);
		if (apply.sas[0].chosen) {
			sa->mobike->by_peer = false;
			mmx_ike_follow(ike, sa, x, &before, NULL);
			mobike_arrived(ike, sa);
		}
		mmx_prove(ike, sa, x, &apply, &nobody_waits);
	} else if (r->affected > (ask->ike_moved && mmx_moves_ike(a))) {
		log_ike(sa, LOG_WARN_, "the peer did %s to %u SAs, which cannot be done here: %s",
			mmx_code_name(a->code), r->affected, mmx_status_name((uint16_t)status));
	}
	free(apply.sas);
	if (status == MMX_BUSY)
		return false;
	remember_move(x, a, r);
	return true;
}

/* False: no memory for it now, and it comes again. */
static bool one_result(struct ike *ike, struct ike_sa *sa, struct mmx_ask *ask,
		       const struct ike_msg *in, bool comes_again)
{
	const struct mmx_action *a = &ask->a[ask->first];
	struct ike_mmx_result *ret = &ask->answer.r[ask->answer.n];
	struct mmx_result r;
	bool ok, others = false;

	if (!result_of(in, a->id, &r))
		r = (struct mmx_result){ .id = a->id, .status = MMX_UNSUPPORTED };
	if (r.status == MMX_UNKNOWN_ADDRESS && ask->overtaken & 1u << ask->first)
		r.status = MMX_SUPERSEDED; /* as it had been answered a little before */
	*ret = told(a, &r);
	ok = r.status == MMX_OK || r.status == MMX_PARTIAL;
	if (a->code == MMX_QUERY) {
		ret->differs = ok && mmx_compare_differs(sa, sa->mmx, a, &r);
	} else if (a->code == MMX_ADD_IF) {
		mmx_add_if_answered(ike, sa, sa->mmx, ask, a, &r, in);
	} else if (ok && !(a->flags & MMX_ACTION_CHECK) && !(r.flags & MMX_RESULT_CHECK) &&
		   !do_here(ike, sa, ask, a, &r, &others)) {
		if (comes_again)
			return false;
		ret->status = MMX_STATE_MISMATCH;
	}
	ret->differs |= others && comes_again; /* else it was made with another IKE SA's keys */
	ask->answer.n++;
	ask->first++;
	return true;
}

static bool is_busy(const struct mmx_ask *ask, const struct ike_msg *in)
{
	struct mmx_result r;

	return result_of(in, ask->a[ask->first].id, &r) && r.status == MMX_BUSY;
}

static bool all_ok(const struct mmx_ask *ask)
{
	for (unsigned i = 0; i < ask->answer.n; i++)
		if (ask->answer.r[i].status != MMX_OK)
			return false;
	return true;
}

/* The two ends have other lists or SAs. */
static bool mismatched(const struct mmx_ask *ask)
{
	for (unsigned i = 0; i < ask->answer.n; i++)
		if (ask->answer.r[i].status == MMX_STATE_MISMATCH ||
		    (ask->answer.r[i].code == MMX_DEL_IF && ask->answer.r[i].differs))
			return true;
	return false;
}

/* The peer took an address that it saw for one that it did not: ask again, where it is now. */
static void here_again(struct mmx_ask *ask)
{
	for (unsigned i = 0; i < ask->n; i++) {
		struct mmx_tlvs *tlvs = &ask->a[i].tlvs;
		const struct mmx_ep *to = mmx_next_ep(tlvs, MMX_ROLE_NEW, NULL);

		for (unsigned k = 0; to && to->flags & MMX_EP_HERE && k < tlvs->n; k++)
			if (tlvs->t[k].type == MMX_TLV_EP && tlvs->t[k].ep.role == MMX_ROLE_OLD)
				tlvs->t[k].ep.epid = to->epid;
	}
	ask->first = ask->answer.n = 0;
}

/* On the IKE SA that is in use by now. */
static enum task_end again(struct ike_sa *owner, struct ike_sa *sa, struct task *t)
{
	struct task *next;

	if (owner == sa)
		return TASK_AGAIN;
	next = task_new(owner, TASK_MMX, t->op);
	if (!next)
		return TASK_FREE;
	next->mmx = t->mmx;
	next->not_before = t->not_before;
	next->temporary = t->temporary;
	t->mmx = NULL;
	t->op = 0;
	return TASK_FREE;
}

/* R moved the IKE SA by itself: an answer to what was sent over that pair alone is the check. */
static void check_move(struct ike_sa *sa, const struct task *t)
{
	if (!sa->mobike || !mobike_unchecked(sa))
		return;
	if (task_proves_pair(sa, t))
		sa->mobike->agreed = sa->path;
	else
		routability_check(sa);
}

enum task_end mmx_ask_done(struct ike *ike, struct ike_sa *sa, struct task *t,
			   const struct ike_msg *in, const struct ike_path *path)
{
	struct ike_sa *owner = line_owner(ike, sa->line);
	struct mmx_ask *ask = t->mmx;

	(void)path;
	if (!cookie2_returned(ike, sa, t, in) || !owner || !owner->mmx)
		return TASK_FREE;
	late_heard(owner->mmx);
	if (!ask)
		return TASK_FREE;
	if (msg_notify(in, N_UNEXPECTED_NAT_DETECTED) && sa == owner && nonat_again(ike, sa, t))
		return TASK_AGAIN;
	while (ask->first < ask->n) {
		if (is_busy(ask, in) && task_back_off(ike, t))
			return again(owner, sa, t);
		if (!one_result(ike, owner, ask, in, sa == owner))
			return TASK_UNHEARD;
	}
	if (has_here(ask) && t->n_via > 1 && sa == owner && all_ok(ask) && !t->rounds++) {
		here_again(ask);
		return TASK_AGAIN;
	}
	mmx_leave_dead(owner, owner->mmx);
	if (sa == owner)
		check_move(sa, t);
	mmx_publish(ike, owner);
	tell_answer(ike, owner, t);
	if (mismatched(ask))
		mmx_compare_soon(ike, owner, owner->mmx);
	return TASK_FREE;
}
