/* SPDX-License-Identifier: GPL-2.0-only */
/* Child SAs: offering, agreeing, keys, life (RFC 7296 2.9, 2.17). */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "child_sa.h"
#include "exchange.h"
#include "ike_private.h"
#include "mmx.h"
#include "parts.h"

static const char *const state_names[] = {
#define X(n) [CHILD_##n] = #n,
	FOREACH_CHILD_STATE(X)
#undef X
};

/* What a user can do about a refusal; begins with "; " or is empty. */
const char *refusal_hint(uint16_t type)
{
	switch (type) {
	case N_AUTHENTICATION_FAILED:
		return "; check ids, and secret or certificates";
	case N_NO_PROPOSAL_CHOSEN:
		return "; compare the proposals of both sides";
	case N_TS_UNACCEPTABLE:
		return "; compare the traffic selectors of both sides";
	case N_INTERNAL_ADDRESS_FAILURE:
		return "; no virtual address is left or served";
	case N_FAILED_CP_REQUIRED:
		return "; a virtual address must be requested";
	case N_SINGLE_PAIR_REQUIRED:
		return "; it wants a child of its own for each pair of addresses";
	case N_UNEXPECTED_NAT_DETECTED:
		return "; a NAT is on the way, and NAT traversal is off";
	case N_TS_MAX_QUEUE:
		return "; no further Child SA with these selectors is accepted";
	case N_NO_ADDITIONAL_SAS:
		return "; no further SA is accepted";
	case N_INVALID_MAJOR_VERSION:
		return "; it does not speak IKEv2";
	default:
		return "";
	}
}

struct child_sa *child_find(const struct ike_sa *sa, uint32_t id)
{
	hash_for_each (it, tmp, &sa->ike->children, id) {
		struct child_sa *c = hash_entry(it, struct child_sa, by_id);

		if (c->sa == sa)
			return c;
	}
	return NULL;
}

unsigned child_sas_max(const struct ike_sa *sa)
{
	return sa->conn->c.child_sas_max ? sa->conn->c.child_sas_max : IKE_CHILDREN_MAX;
}

/* Peers choose their SPIs, and many may have the same: they do not meet. */
static uint64_t peer_key(const struct ike_sa *sa, uint32_t spi_out)
{
	return sa->line << 32 ^ spi_out;
}

void child_link(struct ike *ike, struct ike_sa *sa, struct child_sa *c)
{
	list_append(&sa->children, &c->node);
	sa->n_children++;
	sa->n_no_more += c->no_more;
	c->sa = sa;
	life_child_changed(sa, c);
	hash_add(&ike->children, &c->by_id, c->id);
	hash_add(&ike->by_peer_spi, &c->by_peer_spi, peer_key(sa, c->spi_out));
}

int child_ts_set(struct child_sa *c, const struct ike_ts *local, uint8_t n_local,
		 const struct ike_ts *remote, uint8_t n_remote)
{
	struct ike_ts *ts = malloc((n_local + n_remote + 1u) * sizeof(*ts));

	if (!ts)
		return -ENOMEM;
	free(c->ts_local);
	c->ts_local = ts;
	c->ts_remote = ts + n_local;
	c->n_ts_local = n_local;
	c->n_ts_remote = n_remote;
	memcpy(c->ts_local, local, n_local * sizeof(*ts));
	memcpy(c->ts_remote, remote, n_remote * sizeof(*ts));
	return 0;
}

void child_free(struct child_sa *c)
{
	mmx_child_unbind(c);
	free(c->ts_local);
	free(c);
}

void child_unlink(struct ike *ike, struct child_sa *c)
{
	list_remove(&c->node);
	c->sa->n_children--;
	c->sa->n_no_more -= c->no_more;
	hash_remove(&ike->children, &c->by_id);
	hash_remove(&ike->by_peer_spi, &c->by_peer_spi);
}

/* The one in use under that name, the first of several. */
struct child_sa *child_by_name(const struct ike_sa *sa, const char *name)
{
	struct child_sa *additional = NULL;

	list_for_each (it, &sa->children) {
		struct child_sa *c = list_entry(it, struct child_sa, node);

		if (strcmp(c->name, name) || !child_in_use(c))
			continue;
		if (!c->additional)
			return c;
		additional = c;
	}
	return additional;
}

struct child_sa *child_by_peer_spi(const struct ike *ike, struct ike_sa *sa, uint32_t spi,
				   struct ike_sa **ret_owner)
{
	hash_for_each (it, tmp, &ike->by_peer_spi, peer_key(sa, spi)) {
		struct child_sa *c = hash_entry(it, struct child_sa, by_peer_spi);

		if (c->spi_out == spi && c->sa->line == sa->line) {
			*ret_owner = c->sa;
			return c;
		}
	}
	return NULL;
}

void child_state(struct ike_sa *sa, struct child_sa *c, enum child_state to, const char *why)
{
	if (c->state == to)
		return;
	log_ike(sa, LOG_DEBUG_, "Child SA %s %08x_i %08x_o: %s -> %s: %s", c->name, c->spi_in,
		c->spi_out, state_names[c->state], state_names[to], why);
	c->state = to;
	life_child_changed(sa, c);
	ike_sa_touch(sa);
}

void child_disuse(struct ike *ike, struct ike_sa *sa, struct child_sa *c)
{
	if (c->spent)
		return;
	if (c->installed && !c->replaced && c->state != CHILD_REKEYED)
		COUNT(ike, sa, child_down);
	if (c->installed) {
		out_child_del(ike, sa, c);
		if (!c->successor)
			resource_gone(sa);
	} else {
		ike->env.spi_free(ike->env.ctx, c->spi_in);
	}
	c->installed = false;
	c->spent = true;
	ike_sa_touch(sa);
}

void child_remove(struct ike *ike, struct ike_sa *sa, struct child_sa *c)
{
	child_disuse(ike, sa, c);
	child_unlink(ike, c);
	child_free(c);
	ike_sa_touch(sa);
}

int child_close(struct ike_sa *sa, struct child_sa *c, uint32_t op, const char *why)
{
	struct task *t;

	t = task_new(sa, TASK_CHILD_DELETE, op);
	if (!t)
		return -ENOMEM;
	t->child_id = c->id;
	child_state(sa, c, CHILD_DELETING, why);
	return 0;
}

const struct ike_child_cfg *child_policy(const struct ike_sa *sa, const struct child_sa *c)
{
	const struct ike_child_cfg *entry =
		c->mode == CHILD_TRANSPORT ? mmx_transport_policy(sa, c) : NULL;

	return entry ? entry : conn_child(sa->conn, c->name);
}

/* ---- offering ---- */

static const struct ike_child_cfg *task_cfg(const struct ike_sa *sa, const struct task *t,
					    const struct child_sa *rekeyed)
{
	return rekeyed ? child_policy(sa, rekeyed) : conn_child(sa->conn, t->child_name);
}

static void make_offer(const struct ike_child_cfg *cfg, const struct task *t,
		       const struct child_sa *rekeyed, bool with_ke, struct sa_payload *ret)
{
	suite_offer(ret, PROTO_ESP, cfg->proposals, cfg->n_proposals, 4, t->spi_in, with_ke);
	suite_above(ret, t->above);
	if (t->cpu && rekeyed)
		suite_only(ret, &rekeyed->suite);
}

int child_offer(struct ike *ike, struct ike_sa *sa, struct task *t, const struct child_sa *rekeyed,
		bool with_ke, struct msg_wr *m)
{
	const struct ike_child_cfg *cfg = task_cfg(sa, t, rekeyed);
	struct sa_payload offer;
	int ret;

	if (!cfg)
		return -ENOENT;
	if (!t->spi_in) {
		ret = ike->env.spi_alloc(ike->env.ctx, &t->spi_in);
		if (ret) {
			t->spi_in = 0;
			return ret;
		}
	}
	make_offer(cfg, t, rekeyed, with_ke, &offer);
	if (!offer.n)
		return -EINVAL;
	if (t->cpu && !t->ke_group)
		t->ke_group = suite_offered_ke(&offer);
	msg_put_sa(m, &offer);
	return 0;
}

/* One of our virtual addresses only, once we have them. */
static bool of_one_vip(const struct ike_sa *sa, const struct task *t)
{
	return t->wish && t->kind == TASK_CHILD_NEW && t->wish->w.inner &&
	       t->wish->w.inner <= sa->n_own_vips;
}

/* A rekey proposes what is in use (2.9.2), a new SA what is configured. t: of ours; may be NULL. */
static void own_ts(const struct ike_sa *sa, const struct ike_child_cfg *cfg, const struct task *t,
		   const struct child_sa *rekeyed, struct child_deal *d)
{
	if (rekeyed) {
		d->n_ts_local = rekeyed->n_ts_local;
		d->n_ts_remote = rekeyed->n_ts_remote;
		memcpy(d->ts_local, rekeyed->ts_local,
		       rekeyed->n_ts_local * sizeof(d->ts_local[0]));
		memcpy(d->ts_remote, rekeyed->ts_remote,
		       rekeyed->n_ts_remote * sizeof(d->ts_remote[0]));
		return;
	}
	if (t && t->wish && cfg->mode == CHILD_TRANSPORT &&
	    mmx_transport_offer(sa, t->wish, cfg, d))
		return;
	if (t && of_one_vip(sa, t))
		d->n_ts_local = ts_resolve(cfg->local_ts, cfg->n_local_ts,
					   &sa->own_vips[t->wish->w.inner - 1], 1, d->ts_local);
	else
		ts_local(sa, cfg, d->ts_local, &d->n_ts_local);
	ts_remote(sa, cfg, d->ts_remote, &d->n_ts_remote);
}

static bool one_address(const struct ike_ts *ts)
{
	return addr_equal(&ts->first, &ts->last);
}

/* What is asked for after SINGLE_PAIR_REQUIRED should be the packet that waits (2.9), which we do
 * not know; the first selectors, where they are a pair of addresses and were not all, are asked
 * for. */
bool child_single_pair(const struct ike_sa *sa, const struct task *t)
{
	const struct ike_child_cfg *cfg = conn_child(sa->conn, t->child_name);
	struct child_deal own;

	if (!cfg || t->single_pair)
		return false;
	memset(&own, 0, sizeof(own));
	own_ts(sa, cfg, t, NULL, &own);
	return (own.n_ts_local > 1 || own.n_ts_remote > 1) && own.n_ts_local && own.n_ts_remote &&
	       one_address(&own.ts_local[0]) && one_address(&own.ts_remote[0]);
}

static void first_pair(const struct task *t, struct child_deal *d)
{
	if (t->single_pair)
		d->n_ts_local = d->n_ts_remote = 1;
}

void child_offer_ts(struct ike_sa *sa, struct task *t, const struct child_sa *rekeyed,
		    struct msg_wr *m)
{
	const struct ike_child_cfg *cfg = task_cfg(sa, t, rekeyed);
	struct child_deal own;
	struct ts_list list;

	memset(&own, 0, sizeof(own));
	own_ts(sa, cfg, t, rekeyed, &own);
	if (t->asks_vips)
		own.n_ts_local = ts_local_wanted(&sa->conn->c, cfg, own.ts_local);
	first_pair(t, &own);
	ts_put(&list, own.ts_local, own.n_ts_local);
	msg_put_ts(m, PLD_TSI, &list);
	ts_put(&list, own.ts_remote, own.n_ts_remote);
	msg_put_ts(m, PLD_TSR, &list);
	mode_offer(sa, cfg, rekeyed, m);
	resource_offer(sa, cfg, t, rekeyed, m);
}

bool child_answered(struct ike_sa *sa, struct task *t, const struct child_sa *rekeyed, bool with_ke,
		    const struct ike_msg *in, struct child_deal *d)
{
	struct ike_ts ours[IKE_TS_MAX], theirs[IKE_TS_MAX];
	struct child_deal own;
	struct sa_payload offer;
	struct ts_list tsi, tsr;
	uint64_t spi;

	if (!d->cfg || !in->has_sa || !in->has_tsi || !in->has_tsr)
		return false;
	memset(&own, 0, sizeof(own));
	own_ts(sa, d->cfg, t, rekeyed, &own);
	first_pair(t, &own);
	make_offer(d->cfg, t, rekeyed, with_ke, &offer);
	if (!suite_accept(&offer, &in->sa, &d->suite, &spi) || spi < ESP_SPI_MIN)
		return false;
	memcpy(ours, own.ts_local, sizeof(ours));
	memcpy(theirs, own.ts_remote, sizeof(theirs));
	if (!mode_answered(sa, rekeyed, in, d))
		return false;
	tsi = in->tsi;
	tsr = in->tsr;
	if (!mmx_transport_ts(sa, t->wish, rekeyed, d, &tsi, &tsr))
		mode_ts(sa, d->mode, &tsi, &tsr, d);
	d->n_ts_local = ts_accept(&tsi, ours, own.n_ts_local, d->ts_local);
	d->n_ts_remote = ts_accept(&tsr, theirs, own.n_ts_remote, d->ts_remote);
	if (msg_notify(in, N_ADDITIONAL_TS_POSSIBLE))
		log_ike(sa, LOG_INFO_,
			"the peer takes more of what Child SA %s offered, in others of their own",
			d->cfg->name);
	d->no_tfc = msg_notify(in, N_ESP_TFC_PADDING_NOT_SUPPORTED);
	d->spi_in = t->spi_in;
	d->spi_out = (uint32_t)spi;
	return d->n_ts_local && d->n_ts_remote && resource_answered(sa, t, rekeyed, in, d);
}

/* ---- answering ---- */

/* A peer that is served from pools has the address it was given, in every exchange: without one
 * "dynamic" would be the outer address, which is not ours to give. */
static bool vip_missing(const struct ike_sa *sa, const struct ike_child_cfg *cfg)
{
	bool wanted = false;

	for (unsigned i = 0; i < cfg->n_remote_ts; i++)
		wanted = wanted || cfg->remote_ts[i].dynamic;
	return wanted && !sa->role_i && sa->conn->c.n_pools && !sa->n_peer_vips;
}

static uint16_t try_child(const struct ike_sa *sa, const struct ike_child_cfg *cfg,
			  const struct ike_msg *in, const struct child_sa *rekeyed, bool with_ke,
			  struct child_deal *d)
{
	struct ts_list tsi = in->tsi, tsr = in->tsr;
	struct child_deal own;
	bool more_i, more_r;
	uint64_t spi;

	if (!suite_select(&in->sa, PROTO_ESP, 4, cfg->proposals, cfg->n_proposals, with_ke,
			  in->ke_group, &d->suite, &d->proposal, &spi) ||
	    spi < ESP_SPI_MIN)
		return N_NO_PROPOSAL_CHOSEN;
	memset(&own, 0, sizeof(own));
	own_ts(sa, cfg, NULL, rekeyed, &own);
	if (cfg->mode == CHILD_TRANSPORT && !rekeyed)
		mmx_transport_own(sa, d->binding, cfg, &own);
	if (d->first_vip)
		own.n_ts_remote = ts_resolve(cfg->remote_ts, cfg->n_remote_ts, sa->peer_vips, 1,
					     own.ts_remote);
	if (!rekeyed && vip_missing(sa, cfg))
		return N_FAILED_CP_REQUIRED;
	if (!mode_choose(sa, cfg, rekeyed, in, d))
		return N_NO_PROPOSAL_CHOSEN;
	/* TSi is the requester's side, whoever was the original initiator (2.9) */
	if (!mmx_transport_ts(sa, NULL, rekeyed, d, &tsr, &tsi))
		mode_ts(sa, d->mode, &tsr, &tsi, d);
	d->n_ts_remote = ts_narrow(&tsi, own.ts_remote, own.n_ts_remote, d->ts_remote, &more_i);
	d->n_ts_local = ts_narrow(&tsr, own.ts_local, own.n_ts_local, d->ts_local, &more_r);
	if (!d->n_ts_remote || !d->n_ts_local ||
	    ((!rekeyed || mmx_outer_asked(sa, in)) && !mmx_transport_fits(sa, d)) ||
	    mode_taken(sa, d))
		return N_TS_UNACCEPTABLE;
	d->cfg = cfg;
	d->spi_out = (uint32_t)spi;
	d->more_ts = false;
	/* "will not accept packets that contain TFC padding" (1.3.1); we do, and never say so */
	d->no_tfc = msg_notify(in, N_ESP_TFC_PADDING_NOT_SUPPORTED);
	return 0;
}

/* The refusal that tells most: a proposal that fitted beats one that did not. */
static uint16_t worse(uint16_t a, uint16_t b)
{
	return !a || a == N_NO_PROPOSAL_CHOSEN ? b : a;
}

/* Would another child take something of the offer that is left out here? */
static bool more_elsewhere(const struct ike_sa *sa, const struct ike_msg *in, bool with_ke,
			   const struct child_deal *d)
{
	const struct ike_conn_cfg *conn = &sa->conn->c;
	struct child_deal other;

	for (unsigned i = 0; i < conn->n_children; i++) {
		memset(&other, 0, sizeof(other));
		if (&conn->children[i] != d->cfg &&
		    !try_child(sa, &conn->children[i], in, NULL, with_ke, &other) &&
		    (!ts_all_within(other.ts_remote, other.n_ts_remote, d->ts_remote,
				    d->n_ts_remote) ||
		     !ts_all_within(other.ts_local, other.n_ts_local, d->ts_local, d->n_ts_local)))
			return true;
	}
	return false;
}

/* Of our Child SAs the first that has something in common with the peer's offer, but before it one
 * that has the first selectors whole, which may be those of a packet that waits: "If the
 * responder's policy allows it to accept the first selector of TSi and TSr, then the responder MUST
 * narrow the Traffic Selectors to a subset that includes the initiator's first choices" (2.9). */
static uint16_t choose_child(const struct ike_sa *sa, const struct ike_msg *in,
			     const struct child_sa *rekeyed, bool with_ke, struct child_deal *d)
{
	const struct ike_child_cfg *policy = rekeyed ? child_policy(sa, rekeyed) : NULL;
	const struct ike_conn_cfg *conn = &sa->conn->c;
	struct child_deal deal = *d;
	uint16_t refusal = 0, r;

	for (unsigned i = 0; i < conn->n_children; i++) {
		const struct ike_child_cfg *cfg = &conn->children[i];
		bool first;

		if (rekeyed && cfg != policy)
			continue;
		r = try_child(sa, cfg, in, rekeyed, with_ke, &deal);
		if (r) {
			refusal = worse(refusal, r);
			continue;
		}
		first = ts_keeps_first(&in->tsi, deal.ts_remote, deal.n_ts_remote) &&
			ts_keeps_first(&in->tsr, deal.ts_local, deal.n_ts_local);
		if (first || !d->cfg)
			*d = deal;
		if (first)
			break;
	}
	d->more_ts = d->cfg && !rekeyed && (d->first_vip || more_elsewhere(sa, in, with_ke, d));
	if (d->cfg || refusal)
		return d->cfg ? 0 : refusal;
	/* where its configuration is gone, what there is stays */
	return rekeyed ? N_NO_ADDITIONAL_SAS : N_TS_UNACCEPTABLE;
}

uint16_t child_negotiate(struct ike *ike, struct ike_sa *sa, const struct ike_msg *in,
			 const struct child_sa *rekeyed, bool with_ke, struct child_deal *d)
{
	/* what a rekey makes has the other's place when that is deleted */
	bool full = family_children(ike, sa->family) >= (rekeyed ? 2 : 1) * child_sas_max(sa);
	uint16_t refusal;

	refusal = choose_child(sa, in, rekeyed, with_ke, d);
	if (!refusal)
		refusal = resource_choose(sa, rekeyed, in, d);
	if (full && refusal != N_TS_MAX_QUEUE)
		return resource_refusal(rekeyed, d);
	if (refusal)
		return refusal;
	/* with the wrong group the SPI is not taken yet: INVALID_KE_PAYLOAD follows */
	if (with_ke && d->suite.ke && (!in->has_ke || in->ke_group != d->suite.ke))
		return N_INVALID_KE_PAYLOAD;
	if (ike->env.spi_alloc(ike->env.ctx, &d->spi_in)) {
		d->spi_in = 0;
		return resource_refusal(rekeyed, d);
	}
	return 0;
}

void child_answer_sa(const struct child_deal *d, struct msg_wr *m)
{
	struct sa_payload answer;

	suite_answer(&answer, PROTO_ESP, &d->suite, d->proposal, 4, d->spi_in);
	msg_put_sa(m, &answer);
}

void child_answer_ts(const struct ike_sa *sa, const struct child_deal *d, struct msg_wr *m)
{
	struct ts_list list;

	ts_put(&list, d->ts_remote, d->n_ts_remote);
	msg_put_ts(m, PLD_TSI, &list);
	ts_put(&list, d->ts_local, d->n_ts_local);
	msg_put_ts(m, PLD_TSR, &list);
	if (d->more_ts)
		msg_put_notify(m, PROTO_NONE, NULL, 0, N_ADDITIONAL_TS_POSSIBLE, NULL, 0);
	mode_answer(sa, d, m);
	resource_answer(d, m);
}

/* ---- keys and the object ---- */

size_t child_keymat_octets(const struct suite *s)
{
	struct aead_spec spec = { s->encr, s->key_bits, s->integ };
	struct aead_sizes sizes;
	size_t len;

	if (!aead_sizes(&spec, &sizes))
		return 0;
	len = 2 * (sizes.key + sizes.salt + sizes.integ);
	return len > CHILD_KEYMAT_MAX ? 0 : len;
}

/* First what the exchange's initiator sends with, in each direction encryption (with salt) before
 * integrity (2.17). */
static int cut_keymat(const struct suite *suite, bool initiator, const uint8_t *km,
		      struct child_sa_out *out)
{
	struct aead_spec spec = { suite->encr, suite->key_bits, suite->integ };
	struct secret *encr[] = { initiator ? &out->key_out : &out->key_in,
				  initiator ? &out->key_in : &out->key_out };
	struct secret *integ[] = { initiator ? &out->integ_out : &out->integ_in,
				   initiator ? &out->integ_in : &out->integ_out };
	struct aead_sizes s;
	int ret = aead_sizes(&spec, &s) ? 0 : -EINVAL;

	for (unsigned i = 0; i < 2 && !ret; i++) {
		size_t enc = s.key + s.salt;

		ret = secret_set(encr[i], km, enc);
		if (!ret)
			ret = secret_set(integ[i], km + enc, s.integ);
		km += enc + s.integ;
	}
	return ret;
}

/* KEYMAT = prf+(SK_d, [g^ir |] Ni | Nr). */
static int derive(const struct ike_sa *sa, const struct child_deal *d, const struct secret *gir,
		  const struct nonce *ni, const struct nonce *nr, struct child_sa_out *out)
{
	struct chunk in[] = { { gir ? gir->b : NULL, gir ? gir->len : 0 },
			      { ni->b, ni->len },
			      { nr->b, nr->len } };
	size_t len = child_keymat_octets(&d->suite);
	uint8_t km[CHILD_KEYMAT_MAX];
	int ret = len ? 0 : -EINVAL;

	if (!ret)
		ret = prf_plus(sa->suite.prf, sa->keys.sk_d.b, sa->keys.sk_d.len, gir ? in : in + 1,
			       gir ? 3 : 2, km, len);
	if (!ret)
		ret = cut_keymat(&d->suite, d->initiator, km, out);
	secret_wipe(km, sizeof(km));
	return ret;
}

static void describe(const struct ike_sa *sa, const struct child_sa *c, const struct child_deal *d,
		     struct child_sa_out *out)
{
	out->id = c->id;
	out->replaces = d->replaces;
	snprintf(out->conn, sizeof(out->conn), "%s", sa->conn->c.name);
	snprintf(out->name, sizeof(out->name), "%s", c->name);
	out->mode = c->mode;
	out->spi_in = c->spi_in;
	out->spi_out = c->spi_out;
	out->encr_id = c->suite.encr;
	out->encr_key_bits = c->suite.key_bits;
	out->integ_id = c->suite.integ;
	out->esn = c->suite.esn;
	out->encap = c->encap;
	out->initiator = d->initiator;
	out->out_deferred = d->deferred;
	out->peer_probes =
		sa->peer_probes && (sa->conn->c.multipath || mmx_of(sa->ike, sa) != NULL);
	out->n_ts_local = c->n_ts_local;
	out->n_ts_remote = c->n_ts_remote;
	memcpy(out->ts_local, c->ts_local, c->n_ts_local * sizeof(out->ts_local[0]));
	memcpy(out->ts_remote, c->ts_remote, c->n_ts_remote * sizeof(out->ts_remote[0]));
	out->n_vips = sa->n_own_vips;
	memcpy(out->vips, sa->own_vips, sizeof(out->vips));
	out->role_i = sa->role_i;
	out->additional = c->additional;
	out->cpu = c->cpu;
	out->ask_cpus = resource_asks(sa, c);
	out->told_local = d->told_local;
	out->told_remote = d->told_remote;
	out->soft_octets = c->soft_octets;
	out->hard_octets = c->hard_octets;
	out->soft_packets = c->soft_packets;
	out->hard_packets = c->hard_packets;
	out->dscp_out = d->cfg->dscp_out;
	out->dscp_in = d->cfg->dscp_in;
	out->df = d->cfg->df;
	out->tfc = d->no_tfc ? 0 : d->cfg->tfc;
	if (d->no_tfc && d->cfg->tfc)
		log_ike(sa, LOG_INFO_, "the peer takes no TFC padding: Child SA %s goes without",
			c->name);
}

/* The address pair is the IKE SA's, and encapsulation follows it (2.23): never to port 500, where a
 * peer may stay that found no NAT. */
bool child_encap(const struct ike_sa *sa)
{
	return sa->natt_peer && path_marker(&sa->path) &&
	       (sa->nat_local || sa->nat_remote || (sa->mobike && sa->mobike->nat_guess) ||
		(sa->conn->c.encap && sa->peer_udp));
}

struct child_sa *child_new(struct ike *ike, const struct ike_sa *sa, const struct child_deal *d)
{
	struct child_sa *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->id = ++ike->next_child_id;
	c->spi_in = d->spi_in;
	c->spi_out = d->spi_out;
	snprintf(c->name, sizeof(c->name), "%s", d->name ? d->name : d->cfg->name);
	c->state = CHILD_INSTALLED;
	c->mode = d->mode;
	c->suite = d->suite;
	c->no_tfc = d->no_tfc;
	c->resources = d->resources;
	c->additional = d->additional;
	c->cpu = d->cpu;
	c->encap = child_encap(sa);
	c->since = ike->now;
	if (child_ts_set(c, d->ts_local, d->n_ts_local, d->ts_remote, d->n_ts_remote)) {
		free(c);
		return NULL;
	}
	life_child_start(ike, c, d->cfg);
	return c;
}

static void replaces(const struct ike_sa *sa, const struct child_deal *d, struct child_sa *c)
{
	struct child_sa *old = d->replaces && !d->redundant ? child_find(sa, d->replaces) : NULL;

	if (!old)
		return;
	old->successor = c->id;
	c->replaced_out = old->spi_out;
	resource_inherit(c, old);
}

/* What replaces an SA, or is beside it, is bound as that is, unless the two have agreed on
 * something else. */
static struct mmx_shared *inherited(const struct ike_sa *sa, const struct child_deal *d)
{
	struct child_sa *old = d->replaces ? child_find(sa, d->replaces) : resource_first(sa, d);

	return old ? old->binding : NULL;
}

int child_add(struct ike *ike, struct ike_sa *sa, const struct child_deal *d, struct child_sa *c,
	      const uint8_t *keymat, uint32_t told, struct child_sa_out *out)
{
	int ret = cut_keymat(&c->suite, d->initiator, keymat, out);

	if (ret)
		return ret;
	describe(sa, c, d, out);
	out->binding = c->told_binding = told;
	ret = out_child_add(ike, sa, out);
	if (ret)
		return ret;
	c->installed = true;
	COUNT(ike, sa, child_up);
	child_link(ike, sa, c);
	mmx_child_bind(c, d->binding);
	ike_sa_touch(sa);
	return 0;
}

int child_install(struct ike *ike, struct ike_sa *sa, const struct child_deal *d,
		  const struct secret *gir, const struct nonce *ni, const struct nonce *nr,
		  struct child_sa **ret_child)
{
	struct child_sa *c = child_new(ike, sa, d);
	struct mmx_shared *binding;
	struct child_sa_out out;
	int ret = 0;

	if (!c)
		return -ENOMEM;
	binding = d->binding ? d->binding : inherited(sa, d);
	if (!d->redundant) {
		memset(&out, 0, sizeof(out));
		ret = derive(sa, d, gir, ni, nr, &out);
		if (!ret) {
			describe(sa, c, d, &out);
			out.binding = c->told_binding = mmx_tell(ike, sa, binding);
			ret = out_child_add(ike, sa, &out);
		}
		secret_wipe(&out, sizeof(out));
	}
	if (ret) {
		child_free(c);
		return ret;
	}
	c->installed = !d->redundant;
	if (c->installed && d->replaces)
		COUNT(ike, sa, child_rekeyed);
	else if (c->installed)
		COUNT(ike, sa, child_up);
	child_link(ike, sa, c);
	if (binding && binding != d->binding)
		binding->refs++;
	mmx_child_bind(c, binding);
	replaces(sa, d, c);
	ike_sa_touch(sa);
	*ret_child = c;
	return 0;
}
