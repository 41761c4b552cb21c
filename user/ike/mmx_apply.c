/* SPDX-License-Identifier: GPL-2.0-only */
/* Actions on bindings: see mmx_apply.h. The order of the checks is that of MMX 7.1: SAs known, old
 * endpoint bound, new one well-formed, family, policies, limits. */
#include <stdlib.h>
#include <string.h>

#include "mmx_apply.h"
#include "mmx_rules.h"

enum { CHECK_VALID_SEC = 60, FAILS_MAX = 64, PAIRS_MAX = MMX_SIDE_MAX * MMX_SIDE_MAX };

/* The endpoints of an action, by number: pairs of old and new. */
struct change {
	enum mmx_owner owner;
	uint8_t n;
	struct {
		uint16_t old, new;
		bool none; /* nothing takes its place */
	} pair[PAIRS_MAX];
};

struct work {
	const struct mmx_apply *c;
	const struct mmx_action *a;
	struct change ch;
	const struct mmx_ep *old_of_add;
	struct mmx_shared *seen; /* bindings of SAs that were chosen */
	const struct mmx_sa *ike;
	uint16_t detail;
	enum mmx_status refused; /* of one of those that stayed as they are */
};

static enum mmx_owner owner_of(const struct mmx_apply *c, const struct mmx_ep *ep)
{
	return ep->side == 0 ? c->sender : c->sender == MMX_I ? MMX_R : MMX_I;
}

/* ---- which SAs ---- */

static const struct mmx_sa *ike_sa_of(const struct mmx_apply *c)
{
	for (size_t i = 0; i < c->n; i++)
		if (c->sas[i].ike)
			return &c->sas[i];
	return NULL;
}

/* The endpoint of that side that the IKE SA uses. */
static uint16_t current(const struct work *w, enum mmx_owner owner)
{
	const struct mmx_binding *ike = w->c->told ? w->c->told : &w->ike->binding->b;

	return ike->ends[owner].epid[0];
}

/* What an SA is bound to: what is inherited is what the IKE SA uses. */
static struct mmx_binding effective(const struct work *w, const struct mmx_binding *b)
{
	struct mmx_binding eff = *b;

	mmx_binding_own(&eff, current(w, MMX_I), current(w, MMX_R));
	return eff;
}

static bool is_bound(const struct work *w, const struct mmx_binding *b, uint16_t epid)
{
	return b->own ? mmx_binding_has(b, w->ch.owner, epid) : epid == current(w, w->ch.owner);
}

static bool bound_to_old(const struct work *w, const struct mmx_binding *b)
{
	if (w->old_of_add)
		return is_bound(w, b, w->old_of_add->epid);
	for (unsigned i = 0; i < w->ch.n; i++)
		if (w->ch.pair[i].old && is_bound(w, b, w->ch.pair[i].old))
			return true;
	return false;
}

/* Lists mostly have the order of the SAs. */
static enum mmx_status choose_spis(const struct mmx_apply *c, const struct mmx_sel *sel)
{
	size_t n = mmx_spi_count(sel->spis), at = 0;

	for (size_t i = 0; i < n; i++) {
		uint32_t spi = mmx_spi(sel->spis, i);
		bool found = false;

		for (size_t k = 0; k < c->n && !found; k++, at = (at + 1) % c->n) {
			struct mmx_sa *sa = &c->sas[at];

			found = !sa->ike && sa->protocol == sel->protocol && sa->spi_sender == spi;
			sa->chosen |= found && !sa->hidden;
			if (sa->chosen && sa->successor && !c->sas[sa->successor].hidden)
				c->sas[sa->successor].chosen = true;
		}
		if (!found && !c->was_done)
			return MMX_UNKNOWN_SA;
	}
	return MMX_OK;
}

/* Child SAs that inherit go along with the IKE SA where that is selected too. */
static void choose_children(const struct work *w, bool with_ike, bool of_old)
{
	for (size_t k = 0; k < w->c->n; k++) {
		struct mmx_sa *sa = &w->c->sas[k];

		if (!sa->ike && sa->active && !sa->hidden && !(with_ike && !sa->binding->b.own) &&
		    (!of_old || bound_to_old(w, &sa->binding->b)))
			sa->chosen = true;
	}
}

/* only: one selection of the action; NULL: all. */
static enum mmx_status choose(const struct work *w, const struct mmx_tlv *only)
{
	const struct mmx_tlv *t = NULL;
	bool with_ike = false, any = false;
	enum mmx_status status = MMX_OK;

	for (size_t k = 0; k < w->c->n; k++)
		w->c->sas[k].chosen = w->c->exactly && !w->c->sas[k].hidden;
	if (w->c->exactly)
		return MMX_OK;
	while ((t = mmx_next(&w->a->tlvs, MMX_TLV_SEL, t)))
		with_ike |= t->sel.kind == MMX_SEL_IKE && (!only || t == only);
	while (status == MMX_OK && (t = mmx_next(&w->a->tlvs, MMX_TLV_SEL, t))) {
		any = true;
		if (only && t != only)
			continue;
		if (t->sel.kind == MMX_SEL_SPIS)
			status = choose_spis(w->c, &t->sel);
		else if (t->sel.kind != MMX_SEL_IKE)
			choose_children(w, with_ike, t->sel.kind == MMX_SEL_OLD);
	}
	/* an interface that goes takes part in everything */
	if (!any)
		choose_children(w, w->a->code == MMX_DEL_IF, true);
	with_ike |= w->a->code == MMX_DEL_IF && bound_to_old(w, &w->ike->binding->b);
	for (size_t k = 0; with_ike && k < w->c->n; k++)
		w->c->sas[k].chosen |= w->c->sas[k].ike && !w->c->sas[k].hidden;
	return status;
}

/* ---- which endpoints ---- */

static const struct mmx_list *list_of(const struct work *w, const struct mmx_ep *ep)
{
	return w->c->lists.of[owner_of(w->c, ep)];
}

/* Number 0 is what the IKE SA uses. */
static unsigned expand(const struct work *w, const struct mmx_ep *ep, uint16_t ret[MMX_SIDE_MAX])
{
	if (ep->flags & MMX_EP_IFID)
		return mmx_list_eps_of(list_of(w, ep), ep->epid, ret);
	ret[0] = ep->epid || ep->addr.family || ep->role == MMX_ROLE_NEW
			 ? ep->epid
			 : current(w, owner_of(w->c, ep));
	return 1;
}

static bool same_family(const struct mmx_list *l, uint16_t a, uint16_t b)
{
	const struct mmx_iface_ep *x = mmx_list_had_ep(l, a), *y = mmx_list_had_ep(l, b);

	return x && y && x->addr.family == y->addr.family;
}

/* What takes the place of old; false: nothing of its family. */
static bool replacement(const struct work *w, const struct mmx_ep *of, uint16_t old,
			uint16_t *ret_new)
{
	uint16_t epid[MMX_SIDE_MAX];

	for (const struct mmx_ep *ep = NULL; (ep = mmx_next_ep(&w->a->tlvs, MMX_ROLE_NEW, ep));) {
		unsigned n = expand(w, ep, epid);

		for (unsigned i = 0; i < n; i++)
			if (!((of->flags | ep->flags) & MMX_EP_IFID) ||
			    same_family(list_of(w, ep), old, epid[i])) {
				*ret_new = epid[i];
				return true;
			}
	}
	return false;
}

static void add_pair(struct change *ch, uint16_t old, uint16_t new, bool none)
{
	if (ch->n == PAIRS_MAX)
		return;
	ch->pair[ch->n].old = old;
	ch->pair[ch->n].none = none;
	ch->pair[ch->n++].new = new;
}

static void build_change(struct work *w)
{
	bool adds = w->a->code == MMX_ADD;
	bool replaces = w->a->code == MMX_UPDATE || w->a->code == MMX_FAILOVER;
	uint8_t role = adds ? MMX_ROLE_NEW : MMX_ROLE_OLD;
	uint16_t epid[MMX_SIDE_MAX];

	for (const struct mmx_ep *ep = NULL; (ep = mmx_next_ep(&w->a->tlvs, role, ep));) {
		unsigned n = expand(w, ep, epid);

		w->ch.owner = owner_of(w->c, ep);
		for (unsigned i = 0; i < n; i++) {
			uint16_t new = adds ? epid[i] : 0;
			bool none = replaces && !replacement(w, ep, epid[i], &new);

			add_pair(&w->ch, adds ? 0 : epid[i], new, none);
		}
	}
	/* to which SAs an endpoint is added may be said by another one */
	w->old_of_add = adds ? mmx_next_ep(&w->a->tlvs, MMX_ROLE_OLD, NULL) : NULL;
}

/* An address that may be used one day has no number yet. */
static bool of_the_future(const struct work *w, const struct mmx_ep *ep)
{
	return !ep->epid && ep->addr.family &&
	       (ep->role == MMX_ROLE_ALT || w->a->flags & MMX_ACTION_CHECK);
}

static enum mmx_status new_check(struct work *w)
{
	const struct mmx_list *receivers = w->c->lists.of[w->c->sender == MMX_I ? MMX_R : MMX_I];
	enum mmx_status status = MMX_OK;

	if (w->c->was_done) /* with the lists of that time, from which it may be gone by now */
		return MMX_OK;
	for (const struct mmx_tlv *t = NULL;
	     status == MMX_OK && (t = mmx_next(&w->a->tlvs, MMX_TLV_EP, t));) {
		const struct mmx_ep *ep = &t->ep;

		if (ep->role != MMX_ROLE_NEW && ep->role != MMX_ROLE_ALT)
			continue;
		if (!of_the_future(w, ep))
			status = mmx_list_check(list_of(w, ep), ep);
		if (status == MMX_OK && ep->side == 0) {
			status = mmx_address_check(ep, receivers);
			w->detail = status == MMX_OK ? 0 : MMX_POLICY_ADDRESS;
		}
	}
	return status;
}

static enum mmx_status endpoint_check(struct work *w)
{
	enum mmx_status status = MMX_OK;

	for (const struct mmx_ep *ep = NULL;
	     status == MMX_OK && (ep = mmx_next_ep(&w->a->tlvs, MMX_ROLE_NEW, ep));)
		status = w->c->policy->endpoint(w->c->policy->ctx, owner_of(w->c, ep), ep,
						&w->detail);
	return status;
}

/* ---- what becomes of a binding ---- */

static enum mmx_status update_one(const struct work *w, struct mmx_binding *b, uint16_t old,
				  uint16_t new, bool none)
{
	const struct mmx_ep *ep = mmx_next_ep(&w->a->tlvs, MMX_ROLE_NEW, NULL);

	if (w->a->code == MMX_FAILOVER &&
	    mmx_failover_check(b, &w->c->lists, w->ch.owner, old, new) != MMX_OK)
		return MMX_NOT_OWNER;
	/* only asked about: it has no number to be bound by */
	if (ep && of_the_future(w, ep))
		return mmx_binding_partners(b, &w->c->lists, w->ch.owner) & 1u << ep->addr.family
			       ? MMX_OK
			       : MMX_FAMILY;
	if (none)
		return MMX_FAMILY;
	if (!new && b->ike) /* it is what others inherit */
		return MMX_UNKNOWN_ADDRESS;
	return mmx_binding_update(b, &w->c->lists, w->ch.owner, old, new);
}

static enum mmx_status set_alts(const struct work *w, struct mmx_binding *b, uint16_t old)
{
	struct mmx_alt alts[MMX_ALTS_MAX];
	uint16_t epid[MMX_SIDE_MAX];
	unsigned n = 0;

	for (const struct mmx_ep *ep = NULL; (ep = mmx_next_ep(&w->a->tlvs, MMX_ROLE_ALT, ep));) {
		unsigned k = expand(w, ep, epid);

		for (unsigned i = 0; i < k && n < MMX_ALTS_MAX; i++)
			alts[n++] = (struct mmx_alt){ .epid = epid[i],
						      .port = ep->port,
						      .addr = ep->addr };
	}
	return mmx_binding_set_alts(b, w->ch.owner, old, alts, n);
}

/* With an interface an SA goes, unless it has another endpoint and may live on with that. */
static enum mmx_status delete_one(const struct work *w, struct mmx_shared *s, uint16_t old)
{
	enum mmx_status status = mmx_binding_remove(&s->want, &w->c->lists, w->ch.owner, old);

	mmx_binding_forget(&s->want, w->ch.owner, old);
	if (s->b.ike)
		return status == MMX_OK ? MMX_OK : MMX_LAST_ADDRESS;
	s->doomed |= status != MMX_OK || !(w->a->flags & MMX_ACTION_PRUNE);
	return MMX_OK;
}

static enum mmx_status change_one(const struct work *w, struct mmx_shared *s, unsigned i)
{
	uint16_t old = w->ch.pair[i].old, new = w->ch.pair[i].new;
	struct mmx_binding *b = &s->want;

	switch ((enum mmx_code)w->a->code) {
	case MMX_UPDATE:
	case MMX_FAILOVER:
		return update_one(w, b, old, new, w->ch.pair[i].none);
	case MMX_ADD:
		return mmx_binding_add(b, &w->c->lists, w->ch.owner, new, w->c->side_max);
	case MMX_REMOVE:
		return mmx_binding_remove(b, &w->c->lists, w->ch.owner, old);
	case MMX_SET_ALT:
		return set_alts(w, b, old);
	case MMX_DEL_IF:
		return delete_one(w, s, old);
	case MMX_ADD_IF:
	case MMX_QUERY:
		break;
	}
	return MMX_UNSUPPORTED;
}

static void change(const struct work *w, struct mmx_shared *s)
{
	bool any = w->a->code == MMX_ADD;

	s->want = effective(w, &s->b);
	s->status = MMX_OK;
	s->doomed = s->quiet = false;
	for (unsigned i = 0; s->status == MMX_OK && i < w->ch.n; i++) {
		if (!any && !mmx_binding_has(&s->want, w->ch.owner, w->ch.pair[i].old))
			continue;
		s->status = change_one(w, s, i);
		if (!s->want.own) /* inherited again */
			return;
	}
}

/* ---- all of them ---- */

/* The bindings of those that were chosen, each once, and what becomes of it. */
static void look_at_bindings(struct work *w)
{
	const struct mmx_apply *c = w->c;

	w->seen = NULL;
	for (size_t k = 0; k < c->n; k++) {
		c->sas[k].binding->chosen = 0;
		c->sas[k].binding->to = NULL;
	}
	for (size_t k = 0; k < c->n; k++) {
		struct mmx_shared *s = c->sas[k].binding;

		if (!c->sas[k].chosen || s->chosen++)
			continue;
		s->next = w->seen;
		w->seen = s;
		change(w, s);
	}
}

/* An interface that goes is no alternate of the other SAs either. */
static void forget_alternates(struct work *w)
{
	for (size_t k = 0; w->a->code == MMX_DEL_IF && k < w->c->n; k++) {
		struct mmx_sa *sa = &w->c->sas[k];
		struct mmx_shared *s = sa->binding;

		if (sa->chosen || (s->chosen && !s->quiet))
			continue;
		if (!s->chosen) {
			s->want = s->b;
			for (unsigned i = 0; i < w->ch.n; i++)
				mmx_binding_forget(&s->want, w->ch.owner, w->ch.pair[i].old);
			if (mmx_binding_equal(&s->want, &s->b))
				continue;
			s->status = MMX_OK;
			s->doomed = false;
			s->quiet = true;
			s->next = w->seen;
			w->seen = s;
		}
		s->chosen++;
		sa->chosen = true;
	}
}

static enum mmx_status bound_check(struct work *w, const struct mmx_sa *sa)
{
	if (!sa->active && !w->c->was_done)
		return MMX_NOT_ACTIVE;
	if (w->a->code != MMX_ADD && !bound_to_old(w, &sa->binding->b))
		return MMX_UNKNOWN_ADDRESS;
	return sa->binding->status == MMX_NOT_OWNER ? MMX_NOT_OWNER : MMX_OK;
}

static enum mmx_status family_check(struct work *w, const struct mmx_sa *sa)
{
	(void)w;
	return sa->binding->status == MMX_FAMILY ? MMX_FAMILY : MMX_OK;
}

static enum mmx_status policy_check(struct work *w, const struct mmx_sa *sa)
{
	return w->c->policy->sa(w->c->policy->ctx, sa, &sa->binding->want, &w->detail);
}

static enum mmx_status limit_check(struct work *w, const struct mmx_sa *sa)
{
	(void)w;
	return sa->binding->status;
}

static void add_fail(struct work *w, const struct mmx_sa *sa, enum mmx_status status,
		     struct mmx_result *r)
{
	struct mmx_tlv *t = r->tlvs.n < FAILS_MAX ? mmx_add(&r->tlvs, MMX_TLV_FAIL) : NULL;

	if (t)
		t->fail = (struct mmx_fail){ (uint16_t)status, w->detail,
					     !sa       ? PROTO_NONE
					     : sa->ike ? PROTO_IKE
						       : sa->protocol,
					     sa ? sa->spi_receiver : 0 };
	w->detail = 0;
}

/* One check of every SA; where as many as possible are wanted the others stay as they are. */
static enum mmx_status each(struct work *w, struct mmx_result *r,
			    enum mmx_status (*check)(struct work *w, const struct mmx_sa *sa))
{
	for (size_t k = 0; k < w->c->n; k++) {
		struct mmx_sa *sa = &w->c->sas[k];
		enum mmx_status status = sa->chosen ? check(w, sa) : MMX_OK;

		if (status == MMX_OK)
			continue;
		add_fail(w, sa, status, r);
		if (!(w->a->flags & MMX_ACTION_BEST_EFFORT) && !w->c->was_done)
			return status;
		w->refused = status;
		sa->chosen = false;
		sa->binding->chosen--;
	}
	return MMX_OK;
}

static enum mmx_status whole(struct work *w, struct mmx_result *r, enum mmx_status status)
{
	if (status != MMX_OK)
		add_fail(w, NULL, status, r);
	return status;
}

static enum mmx_status look(struct work *w, struct mmx_result *r)
{
	enum mmx_status status = choose(w, NULL);
	bool any = false;

	if (status != MMX_OK)
		return status;
	for (size_t k = 0; k < w->c->n; k++)
		any |= w->c->sas[k].chosen;
	/* an interface that nothing was bound to may go */
	if (!any && w->a->code != MMX_ADD && w->a->code != MMX_DEL_IF)
		return MMX_UNKNOWN_ADDRESS;
	look_at_bindings(w);
	status = each(w, r, bound_check);
	if (status == MMX_OK)
		status = whole(w, r, new_check(w));
	if (status == MMX_OK)
		status = each(w, r, family_check);
	if (status == MMX_OK)
		status = whole(w, r, endpoint_check(w));
	if (status == MMX_OK)
		status = each(w, r, policy_check);
	if (status == MMX_OK)
		status = each(w, r, limit_check);
	return status;
}

/* Until the new paths are verified packets may go over the old one. */
static void remember_path(const struct work *w, struct mmx_shared *to,
			  const struct mmx_binding *was)
{
	const struct mmx_binding eff = effective(w, was);
	uint32_t paths[MMX_PATHS_MAX];

	if (w->a->code != MMX_UPDATE && w->a->code != MMX_FAILOVER)
		return;
	to->was = mmx_binding_paths(&eff, &w->c->lists, paths) ? paths[0] : 0;
	to->was_dead = w->a->code == MMX_FAILOVER || w->a->flags & MMX_ACTION_HARD;
}

/* All or nothing: what may need memory comes first. */
static enum mmx_status carry_out(struct work *w)
{
	struct mmx_shared *next;
	enum mmx_status status = MMX_OK;

	forget_alternates(w);
	for (struct mmx_shared *s = w->seen; s; s = s->next) {
		s->to = mmx_shared_spare();
		if (!s->to)
			status = MMX_BUSY;
	}
	for (struct mmx_shared *s = w->seen; s; s = s->next) {
		struct mmx_shared *spare = s->to;
		struct mmx_binding was = s->b;

		s->to = s;
		if (status == MMX_OK && s->chosen && !s->doomed) {
			s->to = mmx_shared_change(w->c->table, s, s->chosen, &s->want, spare);
			remember_path(w, s->to, &was);
		}
		if (s->to != spare)
			free(spare);
	}
	for (size_t k = 0; status == MMX_OK && k < w->c->n; k++) {
		struct mmx_sa *sa = &w->c->sas[k];

		if (!sa->chosen)
			continue;
		sa->doomed |= sa->binding->doomed;
		sa->chosen = !sa->binding->quiet;
		sa->binding = sa->binding->to;
	}
	for (struct mmx_shared *s = w->seen; s; s = next) {
		next = s->next;
		mmx_shared_put(w->c->table, s, 0);
	}
	return status;
}

/* ---- the answer ---- */

static void list_affected(const struct work *w, struct mmx_answer *ret)
{
	struct wr spis = wr_init(ret->spis, sizeof(ret->spis));
	struct mmx_result *r = &ret->result;
	unsigned n = 0;

	for (size_t k = 0; k < w->c->n; k++) {
		const struct mmx_sa *sa = &w->c->sas[k];

		if (!sa->chosen)
			continue;
		n++;
		if (!sa->ike)
			wr_u32(&spis, sa->spi_receiver);
	}
	r->affected = (uint16_t)n;
	if (spis.len && !spis.err)
		mmx_add(&r->tlvs, MMX_TLV_SEL)->sel =
			(struct mmx_sel){ MMX_SEL_SPIS, PROTO_ESP, { ret->spis, spis.len } };
}

static void add_limit(const struct work *w, struct mmx_result *r)
{
	struct mmx_limit l = { MMX_LIMIT_SIDE, w->c->side_max };

	if (w->a->code == MMX_SET_ALT)
		l = (struct mmx_limit){ MMX_LIMIT_ALTS, MMX_ALTS_MAX };
	mmx_add(&r->tlvs, MMX_TLV_LIMIT)->limit = l;
}

enum mmx_status mmx_apply(const struct mmx_apply *c, const struct mmx_action *a,
			  struct mmx_answer *ret_answer)
{
	struct work w = { .c = c, .a = a, .ike = ike_sa_of(c) };
	struct mmx_result *r = &ret_answer->result;
	bool check = a->flags & MMX_ACTION_CHECK;
	enum mmx_status status;

	*r = (struct mmx_result){ .id = a->id };
	build_change(&w);
	status = look(&w, r);
	if (status == MMX_OK && !check)
		status = carry_out(&w);
	if (status == MMX_OK)
		list_affected(&w, ret_answer);
	if (status == MMX_OK && w.refused != MMX_OK)
		status = r->affected ? MMX_PARTIAL : w.refused;
	if (status == MMX_TOO_MANY)
		add_limit(&w, r);
	if (check) {
		r->flags = MMX_RESULT_CHECK | MMX_RESULT_RR_NOT_TESTED;
		mmx_add(&r->tlvs, MMX_TLV_VALID)->valid_sec = CHECK_VALID_SEC;
	}
	r->status = (uint16_t)status;
	return status;
}

/* ---- selections on their own ---- */

enum mmx_status mmx_select(const struct mmx_apply *c, const struct mmx_action *a,
			   const struct mmx_tlv *sel)
{
	struct work w = { .c = c, .a = a, .ike = ike_sa_of(c) };

	build_change(&w);
	return choose(&w, sel);
}

struct mmx_binding mmx_effective(const struct mmx_apply *c, const struct mmx_sa *sa)
{
	const struct work w = { .c = c, .ike = ike_sa_of(c) };

	return effective(&w, &sa->binding->b);
}
