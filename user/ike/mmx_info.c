/* SPDX-License-Identifier: GPL-2.0-only */
/* What the peer asks for (MMX 4, 7): its lists and actions, in INFORMATIONAL requests.
 *
 *   SK{ [N(MMX_IFACE)*,] N(MMX_ACTION)*, ... }  -->
 *                                              <--  SK{ N(MMX_RESULT)*, ... }
 *
 * and results that come later than that:
 *
 *   SK{ N(MMX_RESULT)* }  -->  <--  SK{ }
 */
#include <stdlib.h>
#include <string.h>

#include "mmx.h"

#define MINUTE (60 * USEC_PER_SEC)

struct context {
	struct part_ctx *c;
	struct mmx_policy_ctx policy_ctx;
	struct mmx_policy policy;
	struct ike_sa *sa; /* the one of the line in use */
	struct mmx *x;
	uint32_t generation_before;
	bool list_taken;
	/* while an action is looked at: */
	struct mmx_sa *sas;
	struct mmx_binding ike_before; /* may change in place */
	struct mmx_binding told;
};

/* ---- SAs, as actions see them ---- */

static bool takes_part(const struct child_sa *c)
{
	return c->installed && c->binding;
}

static size_t count(const struct ike_sa *sa)
{
	size_t n = 1;

	hash_for_each (it, tmp, &sa->ike->lines, sa->line)
		n += hash_entry(it, struct ike_sa, by_line)->n_children;
	return n;
}

static struct mmx_sa of_child(const struct child_sa *c, bool we_send)
{
	return (struct mmx_sa){
		.active = c->state != CHILD_DELETING || c->successor,
		.child_id = c->id,
		.transport = c->mode == CHILD_TRANSPORT,
		.key_bits = c->suite.encr == ENCR_CHACHA20_POLY1305 ? 256 : c->suite.key_bits,
		.protocol = PROTO_ESP,
		.spi_sender = we_send ? c->spi_in : c->spi_out,
		.spi_receiver = we_send ? c->spi_out : c->spi_in,
		.spi_replaced = we_send ? c->replaced_out : 0,
		.binding = c->binding,
	};
}

/* A rekey makes one of an SA, which both ends may hear of in another order. */
static void find_successor(const struct ike_sa *sa, struct mmx_sa *sas, size_t at, uint32_t id)
{
	size_t k = 1;

	hash_for_each (it, tmp, &sa->ike->lines, sa->line)
		list_for_each (jt, &hash_entry(it, struct ike_sa, by_line)->children) {
			const struct child_sa *c = list_entry(jt, struct child_sa, node);

			if (takes_part(c) && c->id == id)
				sas[at].successor = k;
			k += takes_part(c);
		}
}

struct mmx_sa *mmx_sas_new(struct ike_sa *sa, struct mmx *x, enum mmx_owner sender, size_t *ret_n)
{
	struct mmx_sa *sas = calloc(count(sa), sizeof(*sas));
	size_t n = 1;

	if (!sas)
		return NULL;
	sas[0] = (struct mmx_sa){ .ike = true, .active = true, .binding = x->ike };
	hash_for_each (it, tmp, &sa->ike->lines, sa->line)
		list_for_each (jt, &hash_entry(it, struct ike_sa, by_line)->children) {
			const struct child_sa *c = list_entry(jt, struct child_sa, node);

			if (!takes_part(c))
				continue;
			sas[n] = of_child(c, sender == mmx_we(sa));
			if (c->successor)
				find_successor(sa, sas, n, c->successor);
			n++;
		}
	*ret_n = n;
	return sas;
}

void mmx_sas_commit(struct ike *ike, struct ike_sa *sa, struct mmx *x, const struct mmx_sa *sas,
		    size_t n)
{
	size_t k = 1;

	x->ike = sas[0].binding;
	hash_for_each (it, tmp, &ike->lines, sa->line) {
		struct ike_sa *any = hash_entry(it, struct ike_sa, by_line);

		list_for_each_safe (jt, jtmp, &any->children) {
			struct child_sa *c = list_entry(jt, struct child_sa, node);

			if (!takes_part(c) || k == n)
				continue;
			x->rebound |= c->binding != sas[k].binding;
			c->binding = sas[k].binding;
			if (!sas[k++].doomed)
				continue;
			out_event(ike, any, IKE_EV_CHILD_DOWN, c->id, 0,
				  "Child SA %s down: its interface is gone", c->name);
			child_remove(ike, any, c);
		}
	}
	ike_sa_touch(sa);
}

/* ---- the IKE SA's own pair ---- */

/* The peer says where it is; where we are we know better, who may have moved since it sent that. */
static struct ike_path peer_here(const struct ike_sa *sa, const struct mmx *x,
				 const struct ike_path *here)
{
	const struct mmx_iface_ep *own =
		mmx_list_ep(&x->list[mmx_we(sa)], x->ike->b.ends[mmx_we(sa)].epid[0], NULL);
	struct ike_path to = *here;

	if (own && own->addr.family == to.remote.ip.family)
		to.local.ip = own->addr;
	return to;
}

void mmx_ike_follow(struct ike *ike, struct ike_sa *sa, struct mmx *x,
		    const struct mmx_binding *before, const struct ike_path *here_or_null)
{
	const struct mmx_binding *b = &x->ike->b;
	uint32_t path = mmx_path_id(b->ends[MMX_I].epid[0], b->ends[MMX_R].epid[0]);
	struct ike_path to;

	if (here_or_null)
		to = peer_here(sa, x, here_or_null);
	else if (path == mmx_path_id(before->ends[MMX_I].epid[0], before->ends[MMX_R].epid[0]) ||
		 !mmx_path_addrs(sa, x, path, &to))
		return;
	x->moving = true; /* it is bound already */
	mobike_pair(ike, sa->line, &to);
	x->moving = false;
}

static void back_later(struct ike_sa *sa, struct mmx *x, enum mmx_owner owner, uint16_t from,
		       uint16_t back_to)
{
	if (x->n_back == MMX_MOVED_KEPT)
		memmove(&x->back[0], &x->back[1], --x->n_back * sizeof(x->back[0]));
	x->back[x->n_back++] = (struct mmx_back){ owner, { from, back_to } };
	mmx_again_soon(sa, x);
}

void mmx_go_back(struct ike *ike, struct ike_sa *sa, struct mmx *x, enum mmx_owner owner,
		 uint16_t from, uint16_t back_to)
{
	struct mmx_action a = { .code = MMX_UPDATE };
	struct mmx_policy_ctx ctx = { .ike = ike, .sa = sa, .x = x };
	struct mmx_policy policy = mmx_policy_of(&ctx);
	struct mmx_apply apply = { .table = &x->table,
				   .lists = mmx_lists_of(x),
				   .sender = owner,
				   .side_max = MMX_SIDE_MAX,
				   .policy = &policy };
	struct mmx_answer answer;
	enum mmx_status status;

	mmx_add(&a.tlvs, MMX_TLV_EP)->ep = (struct mmx_ep){ .role = MMX_ROLE_OLD, .epid = from };
	mmx_add(&a.tlvs, MMX_TLV_EP)->ep = (struct mmx_ep){ .role = MMX_ROLE_NEW, .epid = back_to };
	apply.sas = mmx_sas_new(sa, x, owner, &apply.n);
	if (!apply.sas) {
		back_later(sa, x, owner, from, back_to);
		return;
	}
	apply.sas[0].hidden = true;
	status = mmx_apply(&apply, &a, &answer);
	if (status == MMX_OK)
		mmx_sas_commit(ike, sa, x, apply.sas, apply.n);
	else if (status == MMX_BUSY)
		back_later(sa, x, owner, from, back_to);
	free(apply.sas);
	mmx_publish(ike, sa);
}

void mmx_do_again(struct ike *ike, struct ike_sa *sa, struct mmx *x)
{
	struct mmx_back back[MMX_MOVED_KEPT];
	unsigned n = x->n_back;

	if (!x->again_at || x->again_at > ike->now)
		return;
	memcpy(back, x->back, sizeof(back));
	x->n_back = 0;
	x->again_at = 0;
	for (unsigned i = 0; i < n; i++)
		mmx_go_back(ike, sa, x, back[i].owner, back[i].ends.old, back[i].ends.new);
	if (x->n_late && (mmx_telling(sa) || !task_new(sa, TASK_MMX, 0)))
		mmx_again_soon(sa, x);
}

void mmx_unreachable(struct ike *ike, struct ike_sa *sa, struct mmx *x, const struct mmx_rr *after)
{
	if (after->back_to)
		mmx_go_back(ike, sa, x, mmx_peer(sa), after->from, after->back_to);
	if (after->action_id)
		mmx_tell_late(sa, x, after->action_id, MMX_UNREACHABLE, MMX_UNREACHABLE_RR_FAILED);
	out_event(ike, sa, IKE_EV_MMX_CHANGED, 0, 0,
		  "the peer does not answer at its endpoint %u%s", after->from,
		  after->back_to ? ": its SAs are where they were" : "");
}

/* ---- policies ---- */

static const struct mmx_iface_ep *announced(const struct mmx_policy_ctx *c, const struct mmx_ep *ep,
					    const struct mmx_iface **ret_iface)
{
	const struct mmx_list *l = &c->x->list[mmx_peer(c->sa)];

	if (!(ep->flags & MMX_EP_IFID))
		return mmx_list_ep(l, ep->epid, ret_iface);
	*ret_iface = mmx_list_iface(l, ep->epid);
	return *ret_iface && (*ret_iface)->n ? &(*ret_iface)->ep[0] : NULL;
}

static bool was_seen(const struct mmx_policy_ctx *c, uint16_t epid)
{
	for (unsigned i = 0; i < c->x->paths.n; i++) {
		uint32_t path = c->x->paths.p[i].path;

		if ((mmx_peer(c->sa) == MMX_I ? path >> 16 : path & 0xffff) == epid)
			return true;
	}
	return false;
}

/* Of the peer's only: what is ours to offer is looked at as its authority. */
static enum mmx_status endpoint_ok(void *ctx, enum mmx_owner owner, const struct mmx_ep *ep,
				   uint16_t *ret_detail)
{
	struct mmx_policy_ctx *c = ctx;
	const struct mmx_iface *iface = NULL;
	const struct mmx_iface_ep *at;
	struct ike_path to = c->sa->path;
	bool here = ep->flags & MMX_EP_HERE, observed = ep->flags & MMX_EP_AS_OBSERVED;

	if (!c->in || owner == mmx_we(c->sa) || (!ep->epid && !ep->addr.family))
		return MMX_OK;
	at = announced(c, ep, &iface);
	if (here)
		to.remote = c->here->remote;
	else
		to.remote.ip = at ? at->addr : ep->addr;
	if (observed && c->sa->conn->c.nat == IKE_NAT_REFUSE) {
		*ret_detail = MMX_POLICY_NAT;
		return MMX_LOCAL_POLICY;
	}
	/* R may be wherever it says that it is: I has chosen to speak to it */
	if (!c->sa->role_i && !mobike_acceptable(c->sa, &to)) {
		*ret_detail = MMX_POLICY_ADDRESS;
		return MMX_LOCAL_POLICY;
	}
	c->to_public |= !addr_private(&to.remote.ip);
	observed |= at && (at->flags & MMX_IFACE_EP_LOCAL || iface->flags & MMX_IFACE_NAT);
	if (observed && !here && !was_seen(c, ep->epid) &&
	    ep->epid != mmx_current(c->sa, c->x, owner)) {
		*ret_detail = MMX_UNREACHABLE_NOT_PROBED;
		return MMX_UNREACHABLE;
	}
	return MMX_OK;
}

/* Is the peer at a public address by what an SA is bound to? */
static bool at_public(const struct mmx_policy_ctx *c, const struct mmx_binding *b)
{
	enum mmx_owner they = mmx_peer(c->sa);
	uint16_t current = mmx_current(c->sa, c->x, they);

	for (unsigned i = 0; i < (b->own ? b->ends[they].n : 1); i++) {
		const struct mmx_iface_ep *ep = mmx_list_had_ep(
			&c->x->list[they], b->own ? b->ends[they].epid[i] : current);

		if (ep && !addr_private(&ep->addr))
			return true;
	}
	return false;
}

/* Longer keys where strangers are; shorter ones are enough where they are not. */
static enum mmx_status strength(struct mmx_policy_ctx *c, const struct mmx_sa *s,
				const struct mmx_binding *b, uint16_t *ret_detail)
{
	uint16_t bits = c->sa->conn->c.public_key_bits;

	if (!bits || !c->in)
		return MMX_OK;
	if (c->to_public && s->key_bits < bits) {
		*ret_detail = MMX_POLICY_STRONGER;
		return MMX_LOCAL_POLICY;
	}
	c->renegotiate |= s->key_bits >= bits && at_public(c, &s->binding->b) && !at_public(c, b);
	return MMX_OK;
}

/* Selectors of transport mode are addresses, and follow. */
static enum mmx_status sa_ok(void *ctx, const struct mmx_sa *s, const struct mmx_binding *b,
			     uint16_t *ret_detail)
{
	struct mmx_policy_ctx *c = ctx;
	struct hash_node *n;
	enum mmx_status status = s->ike ? MMX_OK : strength(c, s, b, ret_detail);

	if (status != MMX_OK)
		return status;
	if (s->ike)
		return mmx_transport_inheriting(c->sa, b, ret_detail, &c->renegotiate);
	n = s->transport ? hash_find(&c->ike->children, s->child_id) : NULL;
	return n ? mmx_transport_check(c->sa, hash_entry(n, struct child_sa, by_id), b, ret_detail,
				       &c->renegotiate)
		 : MMX_OK;
}

struct mmx_policy mmx_policy_of(struct mmx_policy_ctx *c)
{
	return (struct mmx_policy){ .ctx = c, .endpoint = endpoint_ok, .sa = sa_ok };
}

/* ---- requests ---- */

static void take_list(struct context *k)
{
	if (k->list_taken)
		return;
	k->list_taken = true;
	mmx_list_taken(k->c->ike, k->sa, k->generation_before);
}

static bool begin(void *ctx, struct mmx_apply *apply)
{
	struct context *k = ctx;

	take_list(k);
	k->policy_ctx.renegotiate = k->policy_ctx.to_public = false;
	k->ike_before = k->x->ike->b;
	k->told = mmx_ike_told(k->sa, k->x, NULL);
	apply->told = &k->told;
	k->sas = apply->sas = mmx_sas_new(k->sa, k->x, mmx_peer(k->sa), &apply->n);
	return apply->sas;
}

/* NEW of an action that moves the IKE SA, if the request came from there. */
static bool comes_from_new(const struct context *k, const struct mmx_action *a)
{
	for (const struct mmx_ep *ep = NULL; (ep = mmx_next_ep(&a->tlvs, MMX_ROLE_NEW, ep));)
		if (ep->flags & MMX_EP_HERE)
			return !mmx_here_strayed(k->sa, k->x, ep->epid, &k->c->path->remote.ip);
	return false;
}

/* The peer moved the IKE SA: its Child SAs follow as after UPDATE_SA_ADDRESSES. */
static bool ike_moved(struct context *k, const struct mmx_action *a)
{
	struct part_ctx natd = {
		.ike = k->c->ike, .sa = k->sa, .in = k->c->in, .path = k->c->path
	};
	bool here = comes_from_new(k, a);
	struct ike_path was = k->sa->path;
	enum ike_return_check when;

	mmx_ike_follow(k->c->ike, k->sa, k->x, &k->ike_before, here ? k->c->path : NULL);
	if (path_same(&was, &k->sa->path))
		return false;
	k->sa->mobike->by_peer = true;
	if (here)
		natd_process(&natd);
	/* a token, or a check of before, has shown it */
	when = mmx_paths_receives(&k->x->paths, &k->sa->path.remote, k->c->ike->now)
		       ? IKE_RETURN_SKIP
		       : return_check_of(k->sa, &k->sa->path.remote.ip);
	routability_moved(k->c->ike, k->sa, when);
	return !path_same(&k->sa->path, &k->sa->mobike->esp);
}

bool mmx_prove(struct ike *ike, struct ike_sa *sa, struct mmx *x, const struct mmx_apply *apply,
	       const struct mmx_rr *after)
{
	const struct mmx_shared *last = NULL;
	bool all = true;

	for (size_t i = 0; i < apply->n; i++) {
		const struct mmx_shared *s = apply->sas[i].binding;

		if (!apply->sas[i].chosen || apply->sas[i].doomed || s == last || !s->b.own ||
		    s->b.ike)
			continue;
		last = s;
		all &= mmx_routability(ike, sa, x, &s->b, after);
	}
	return all;
}

/* Where SAs go back to if the peer is not at the new endpoint; never to a dead one. */
static struct mmx_rr rr_of(const struct mmx_action *a)
{
	const struct mmx_ep *old = mmx_next_ep(&a->tlvs, MMX_ROLE_OLD, NULL);
	const struct mmx_ep *new = mmx_next_ep(&a->tlvs, MMX_ROLE_NEW, NULL);
	struct mmx_rr rr = { .action_id = a->id };

	if (!new || new->side)
		return (struct mmx_rr){ .action_id = 0 };
	rr.from = new->epid;
	if (a->code == MMX_UPDATE && old->epid != new->epid && !(a->flags & MMX_ACTION_HARD) &&
	    !((old->flags | new->flags) & MMX_EP_IFID))
		rr.back_to = old->epid;
	return rr;
}

/* What it says about where the peer is, and how it shows that. */
static void heed(struct context *k, const struct mmx_action *a)
{
	for (const struct mmx_ep *ep = NULL; (ep = mmx_next_ep(&a->tlvs, MMX_ROLE_NEW, ep));) {
		if (ep->side || !ep->epid || ep->flags & MMX_EP_IFID)
			continue;
		if (ep->flags & MMX_EP_HERE &&
		    mmx_here_strayed(k->sa, k->x, ep->epid, &k->c->path->remote.ip))
			continue;
		if (ep->flags & MMX_EP_HERE)
			mmx_seen_here(k->c, k->sa, k->x, ep->epid);
		if (ep->flags & (MMX_EP_HERE | MMX_EP_AS_OBSERVED))
			mmx_paths_moved(&k->x->paths, mmx_peer(k->sa), ep->epid);
	}
	mmx_tokens_take(k->c->ike, k->sa, k->x, &a->tlvs);
}

static void end(void *ctx, const struct mmx_apply *apply, const struct mmx_action *a, bool changed,
		struct mmx_answer *answer)
{
	const struct mmx_rr after = rr_of(a);
	struct context *k = ctx;

	if (changed) {
		mmx_overtaken(k->sa, k->x, a);
		if (a->code == MMX_DEL_IF)
			mmx_compare_put(k->sa, apply, &answer->result);
		mmx_sas_commit(k->c->ike, k->sa, k->x, apply->sas, apply->n);
		heed(k, a);
		if (apply->sas[0].chosen && ike_moved(k, a))
			answer->result.flags |= MMX_RESULT_RR_PENDING;
		if (!mmx_prove(k->c->ike, k->sa, k->x, apply, &after))
			answer->result.flags |= MMX_RESULT_RR_PENDING;
	}
	if (answer->result.status == MMX_OK && k->policy_ctx.renegotiate)
		answer->result.flags |= MMX_RESULT_RENEGOTIATE;
	log_ike(k->sa, LOG_INFO_, "the peer asks for %s of an endpoint: %s, %u SA%s",
		mmx_code_name(a->code), mmx_status_name(answer->result.status),
		answer->result.affected, answer->result.affected == 1 ? "" : "s");
	free(k->sas);
	k->sas = NULL;
}

static enum mmx_status query(void *ctx, const struct mmx_apply *apply, const struct mmx_action *a,
			     struct mmx_answer *ret_answer)
{
	return mmx_compare_answer(((struct context *)ctx)->sa, apply, a, ret_answer);
}

static enum mmx_status add_if(void *ctx, const struct mmx_action *a, struct msg_wr *m)
{
	struct context *k = ctx;

	take_list(k);
	return mmx_add_if_request(k->c->ike, k->sa, k->x, k->c->in, a, &k->policy, m);
}

bool mmx_in_request(const struct ike_msg *in)
{
	return msg_notify(in, N_MMX_IFACE) || msg_notify(in, N_MMX_ACTION) ||
	       msg_notify(in, N_MMX_RESULT);
}

/* Of all IKE SAs of the family together. */
static bool too_often(struct ike *ike, const struct ike_sa *sa, struct mmx *x,
		      const struct ike_msg *in)
{
	unsigned n = 0;

	if (ike->now - x->actions_since >= MINUTE) {
		x->actions_since = ike->now;
		x->actions = 0;
	}
	for (unsigned i = 0; i < in->n_notifies; i++)
		x->actions += in->notifies[i].type == N_MMX_ACTION;
	hash_for_each (it, tmp, &ike->families, sa->family) {
		const struct mmx *any = hash_entry(it, struct ike_sa, by_family)->mmx;

		if (any && ike->now - any->actions_since < MINUTE)
			n += any->actions;
	}
	return n > MMX_ACTIONS_PER_MIN;
}

static bool rekeying(const struct ike_sa *sa)
{
	const struct task *t = task_find(sa, TASK_IKE_REKEY, 0);

	return t && task_in_flight(t);
}

static void late_result(struct ike *ike, struct ike_sa *sa, struct mmx *x,
			const struct mmx_result *r)
{
	for (unsigned i = 0; i < x->n_moved; i++) {
		struct mmx_swap ends = x->moved[i].ends;

		if (x->moved[i].id != r->id)
			continue;
		x->moved[i] = x->moved[--x->n_moved];
		mmx_go_back(ike, sa, x, mmx_we(sa), ends.new, ends.old);
		out_event(ike, sa, IKE_EV_MMX_CHANGED, 0, 0,
			  "the peer cannot reach our endpoint %u (%s): back to %u", ends.new,
			  mmx_status_name(r->status), ends.old);
		return;
	}
}

static void late_results(struct ike *ike, struct ike_sa *sa, struct mmx *x,
			 const struct ike_msg *in)
{
	struct mmx_result r;

	for (unsigned i = 0; i < in->n_notifies; i++)
		if (in->notifies[i].type == N_MMX_RESULT &&
		    mmx_result_get(&in->notifies[i], &r) == MMX_OK && r.status != MMX_OK)
			late_result(ike, sa, x, &r);
}

static void answer(struct context *k)
{
	const struct mmx_ask *ours = mmx_outstanding(k->sa);
	const struct mmx_doer doer = { k, begin, end, query, add_if };
	struct ike_sa *sa = k->sa;
	struct mmx *x = k->x;
	struct part_ctx *c = k->c;
	struct mmx_request q = {
		.doer = &doer,
		.apply = { .table = &x->table,
			   .lists = mmx_lists_of(x),
			   .sender = mmx_peer(sa),
			   .side_max = x->announced.side_max,
			   .policy = &k->policy },
		.theirs = &x->list[mmx_peer(sa)],
		.ours = &x->list[mmx_we(sa)],
		.deal = &x->deal,
		.announced = &x->announced,
		.outstanding = ours ? &ours->a[ours->first] : NULL,
		.n_outstanding = ours ? ours->n - ours->first : 0,
		.busy = sa != c->sa || rekeying(sa) || too_often(c->ike, sa, x, c->in),
	};

	if (mmx_answer_request(&q, c->in, c->m) && msg_notify(c->in, N_MMX_ACTION))
		out_event(c->ike, sa, IKE_EV_MMX_CHANGED, 0, 0,
			  "the peer has changed which endpoints are used");
	take_list(k);
}

void mmx_request(struct part_ctx *c)
{
	struct ike_sa *sa = line_owner(c->ike, c->sa->line);
	struct mmx *x = sa ? sa->mmx : NULL;
	struct context k = { .c = c, .sa = sa, .x = x };

	mmx_probe_answer(c);
	if (!x || c->refusal || !mmx_in_request(c->in))
		return;
	c->refusal = nonat_check(c->in, c->path);
	if (c->refusal)
		return;
	k.generation_before = x->list[mmx_peer(sa)].generation;
	k.policy_ctx = (struct mmx_policy_ctx){
		.ike = c->ike, .sa = sa, .x = x, .in = c->in, .here = c->path
	};
	k.policy = mmx_policy_of(&k.policy_ctx);
	late_results(c->ike, sa, x, c->in);
	answer(&k);
	if (msg_notify(c->in, N_MMX_ACTION) || msg_notify(c->in, N_MMX_RESULT))
		mmx_publish(c->ike, sa);
	else
		mmx_publish_list(c->ike, sa);
	if (sa != c->sa)
		window_run(c->ike, sa);
}
