/* SPDX-License-Identifier: GPL-2.0-only */
/* CREATE_CHILD_SA for Child SAs, both roles: new ones and rekeys, with their collisions
 * (RFC 7296 1.3.1, 1.3.3, 2.8.1, 2.25.1).
 *
 *   I: SK{ [N(REKEY_SA),] [CP,] SA, Ni, [KEi,] TSi, TSr }  -->
 *   R:                          <--  SK{ [CP,] SA, Nr, [KEr,] TSi, TSr }
 *                         or    <--  SK{ N(error) }
 *
 * Three kinds of request: without TS it is a rekey of the IKE SA (rekey.c); with N(REKEY_SA) of a
 * Child SA; otherwise a new Child SA.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "child_sa.h"
#include "exchange.h"
#include "ike_private.h"
#include "mmx.h"
#include "parts.h"

/* ---- requester ---- */

static int put_ke(struct task *t, const struct ike_child_cfg *cfg, struct msg_wr *m)
{
	const uint8_t *pub;
	size_t len;

	if (!t->ke_group && !t->cpu)
		t->ke_group = suite_first_ke(PROTO_ESP, cfg->proposals, cfg->n_proposals);
	if (!cfg->n_proposals || t->ke_group == KE_NONE)
		return 0; /* no PFS configured */
	ke_free(t->ke);
	t->ke = ke_new(t->ke_group);
	if (!t->ke)
		return -EIO;
	pub = ke_public(t->ke, &len);
	msg_put_ke(m, t->ke_group, pub, len);
	return 0;
}

int child_new_build(struct ike *ike, struct ike_sa *sa, struct task *t, struct msg_wr *m)
{
	struct child_sa *old = NULL; /* which it replaces, or is to be like */
	const struct ike_child_cfg *cfg;
	uint8_t spi[4];
	struct wr w = wr_init(spi, sizeof(spi));
	int ret;

	if (t->kind == TASK_CHILD_REKEY) {
		old = child_find(sa, t->child_id);
		if (!old || !child_in_use(old)) {
			/* the peer replaced or deleted it while we waited: nothing left to do */
			task_end(ike, sa, t, IKE_EV_CHILD_REKEYED, t->child_id,
				 "Child SA was replaced by the peer meanwhile");
			return -ECANCELED;
		}
		child_state(sa, old, CHILD_REKEYING, "we rekey it");
		snprintf(t->child_name, sizeof(t->child_name), "%s", old->name);
		wr_u32(&w, old->spi_in); /* the SPI we receive on (1.3.3) */
		msg_put_notify(m, PROTO_ESP, spi, 4, N_REKEY_SA, NULL, 0);
	}
	if (t->cpu) {
		old = resource_like(sa, t);
		if (!old) {
			task_end(ike, sa, t, IKE_EV_FAILED, t->child_id,
				 "the Child SA that it belongs to is gone");
			return -ECANCELED;
		}
	}
	cfg = old ? child_policy(sa, old) : conn_child(sa->conn, t->child_name);
	if (!cfg)
		return -ENOENT;
	t->asks_vips = !t->cpu && cp_child_wanted(sa, t);
	if (t->asks_vips)
		cp_child_ask(ike, sa, m);
	ret = child_offer(ike, sa, t, old, true, m);
	if (ret == -EINVAL && t->cpu) {
		task_end(ike, sa, t, IKE_EV_FAILED, t->child_id,
			 "the first one's algorithms are not configured any more");
		return -ECANCELED;
	}
	if (!ret && nonce_new(&t->ni))
		ret = -EIO;
	if (!ret) {
		msg_put_nonce(m, t->ni.b, t->ni.len);
		ret = put_ke(t, cfg, m);
	}
	if (!ret) {
		child_offer_ts(sa, t, old, m);
		mmx_outer_ask(sa, t, m);
	}
	return ret;
}

/* The request came to nothing. If the peer's simultaneous rekey made a new SA, that is as good. */
static enum task_end failed(struct ike *ike, struct ike_sa *sa, struct task *t,
			    struct child_sa *old, const char *why)
{
	if (t->cpu) {
		log_ike(sa, LOG_INFO_, "no Child SA %s for CPU %u now: %s", t->child_name,
			t->cpu - 1u, why);
		return TASK_FREE;
	}
	if (old && old->state == CHILD_REKEYING)
		child_state(sa, old, t->collided ? CHILD_REKEYED : CHILD_INSTALLED, why);
	if (t->collided)
		out_event(ike, sa, IKE_EV_CHILD_REKEYED, t->child_id, t->op,
			  "Child SA was rekeyed by the peer at the same time");
	else
		out_event(ike, sa, IKE_EV_FAILED, t->child_id, t->op, "%s", why);
	return TASK_FREE;
}

/* No addresses for this line: it uses those of the one that it was cloned from. A peer that says
 * nothing of them does not know CP here ("it can simply ignore all Configuration
 * payloads", 3.15.4), and is not asked by other lines of the family. */
static void share_vips(struct ike *ike, struct ike_sa *sa, struct task *t, bool ignored)
{
	log_ike(sa, LOG_WARN_, "the peer %s: Child SA %s has those of the first IKE SA",
		ignored ? "ignores the request for further virtual addresses"
			: "has no further virtual address for us",
		t->child_name);
	t->shares_vips = true;
	hash_for_each (it, tmp, &ike->families, sa->family)
		hash_entry(it, struct ike_sa, by_family)->vips_no_more |= ignored;
}

static enum task_end refused(struct ike *ike, struct ike_sa *sa, struct task *t,
			     struct child_sa *old, const struct notify *err)
{
	char peer[ADDR_PORT_STR], why[WHY_MAX];
	const struct ike_child_cfg *cfg =
		old ? child_policy(sa, old) : conn_child(sa->conn, t->child_name);

	udp_addr_format(&sa->path.remote, peer);
	if (err->type == N_INVALID_KE_PAYLOAD && err->data.len == 2 && cfg &&
	    t->rounds++ < INIT_ROUNDS_MAX) {
		uint16_t group = (uint16_t)(err->data.p[0] << 8 | err->data.p[1]);

		if (group != t->ke_group &&
		    suite_has_ke(PROTO_ESP, cfg->proposals, cfg->n_proposals, group)) {
			t->ke_group = group;
			return TASK_AGAIN;
		}
	}
	if (err->type == N_INTERNAL_ADDRESS_FAILURE && t->asks_vips) {
		share_vips(ike, sa, t, false);
		return TASK_AGAIN;
	}
	if (err->type == N_SINGLE_PAIR_REQUIRED && !old && !t->cpu && child_single_pair(sa, t)) {
		t->single_pair = true;
		return TASK_AGAIN;
	}
	if (err->type == N_TEMPORARY_FAILURE && !t->collided) {
		if (task_back_off(ike, t))
			return TASK_AGAIN;
		/* persisting over minutes: the two ends disagree about the state (2.25) */
		snprintf(why, sizeof(why), "peer %s keeps answering TEMPORARY_FAILURE", peer);
		failed(ike, sa, t, old, why);
		if (t->cpu)
			return TASK_FREE; /* it goes on without */
		if (!task_new(sa, TASK_IKE_DELETE, 0))
			ike_sa_close(ike, sa, false, "%s", why);
		return TASK_FREE;
	}
	if (err->type == N_CHILD_SA_NOT_FOUND && old) {
		/* the peer has it no more: drop it silently (2.25) */
		if (!t->collided)
			out_event(ike, sa, IKE_EV_CHILD_DOWN, old->id, 0,
				  "Child SA %s is unknown to the peer: dropped", old->name);
		child_remove(ike, sa, old);
		old = NULL;
	}
	snprintf(why, sizeof(why), "peer %s refused %s: %s%s; the IKE SA stays up", peer,
		 task_ops[t->kind].name, notify_name(err->type), refusal_hint(err->type));
	if (t->cpu && (err->type == N_TS_MAX_QUEUE || err->type == N_NO_ADDITIONAL_SAS))
		resource_refused(sa, t, why);
	ike_sa_blame(sa, IKE_FAIL_REFUSED, err->type);
	failed(ike, sa, t, old, why);
	ike_sa_blame(sa, IKE_FAIL_OTHER, 0);
	return TASK_FREE;
}

static void child_up(struct ike *ike, struct ike_sa *sa, const struct child_sa *c, uint32_t op)
{
	if (c->cpu)
		out_event(ike, sa, IKE_EV_CHILD_UP, c->id, op, "Child SA %s up for CPU %u", c->name,
			  c->cpu - 1u);
	else
		out_event(ike, sa, IKE_EV_CHILD_UP, c->id, op, "Child SA %s up", c->name);
}

/* Whose of two simultaneous rekeys survives: the SA made with the lowest of the four nonces is
 * closed by the endpoint that made it (2.8.1). */
static bool lost_collision(const struct task *t, const struct nonce *nr)
{
	return t->collided && nonce_cmp(nonce_lowest(&t->ni, nr), &t->coll_lowest) < 0;
}

static void replaced(struct ike *ike, struct ike_sa *sa, struct task *t, struct child_sa *old,
		     struct child_sa *child)
{
	struct child_sa *theirs = t->collided ? child_find(sa, t->coll_child) : NULL;

	if (t->kind == TASK_CHILD_NEW) {
		child_up(ike, sa, child, t->op);
		return;
	}
	if (theirs) {
		child_state(sa, theirs, CHILD_REKEYED, "lost the tie; the peer will delete it");
		/* the peer knows when it has our answer and never uses it: nor must we, when the
		 * old one is gone */
		child_disuse(ike, sa, theirs);
	}
	out_event(ike, sa, IKE_EV_CHILD_REKEYED, child->id, t->op, "Child SA %s rekeyed",
		  child->name);
	if (old)
		old->replaced = true;
	/* whoever started the surviving rekey deletes the old SA (2.8) */
	if (old && old->state != CHILD_DELETING && child_close(sa, old, 0, "replaced by a new one"))
		child_remove(ike, sa, old);
}

/* The peer deleted it again, and its Delete was here before its answer. */
static bool deleted_already(const struct task *t, uint32_t spi)
{
	for (unsigned i = 0; i < t->n_deleted && i < DELETED_MAX; i++)
		if (t->deleted[i] == spi)
			return true;
	return false;
}

/* "the new SA MUST NOT have narrower selectors than the original": packets that went through would
 * not any more (2.9.2). */
static bool narrower(const struct child_sa *old, const struct child_deal *d)
{
	return !ts_all_within(old->ts_local, old->n_ts_local, d->ts_local, d->n_ts_local) ||
	       !ts_all_within(old->ts_remote, old->n_ts_remote, d->ts_remote, d->n_ts_remote);
}

static int agree(struct ike *ike, struct ike_sa *sa, struct task *t, struct child_sa *old,
		 const struct ike_msg *in, struct child_sa **ret_child)
{
	const struct child_sa *like = old ? old : resource_like(sa, t);
	struct child_deal d;
	struct secret gir = { .len = 0 };
	struct nonce nr;
	int ret;

	memset(&d, 0, sizeof(d));
	d.initiator = true;
	d.cfg = like ? child_policy(sa, like) : conn_child(sa->conn, t->child_name);
	d.name = old ? old->name : NULL;
	if (!t->cpu)
		d.replaces = t->kind == TASK_CHILD_REKEY ? t->child_id
							 : reauth_replaces(ike, sa, t->child_name);
	if (t->had_ke || !in->has_nonce || !nonce_set(&nr, in->nonce) ||
	    !child_answered(sa, t, like, true, in, &d))
		return -EBADMSG;
	if (old && narrower(old, &d))
		return -ERANGE;
	d.redundant = lost_collision(t, &nr) || deleted_already(t, d.spi_out);
	if (d.suite.ke) {
		if (!t->ke || !in->has_ke || in->ke_group != d.suite.ke ||
		    d.suite.ke != ke_group(t->ke) || ke_derive(t->ke, in->ke.p, in->ke.len, &gir))
			return -EBADMSG;
	}
	ret = mmx_outer_answered(sa, t, in, &d.binding) ? 0 : -ENETUNREACH;
	if (!ret && !old && !mmx_transport_fits(sa, &d))
		ret = -EBADMSG;
	if (!ret)
		ret = child_install(ike, sa, &d, d.suite.ke ? &gir : NULL, &t->ni, &nr, ret_child);
	if (ret)
		mmx_outer_drop(sa, d.binding);
	secret_clear(&gir);
	return ret;
}

/* What of addresses was asked for comes before what the selectors are narrowed to. */
static int agree_on_all(struct ike *ike, struct ike_sa *sa, struct task *t, struct child_sa *old,
			const struct ike_msg *in, struct child_sa **ret_child)
{
	struct cp_before before;
	bool given = t->asks_vips && cp_child_answered(sa, in, &before);
	int ret = agree(ike, sa, t, old, in, ret_child);

	if (ret && given)
		cp_child_forget(sa, &before);
	if (t->asks_vips && !given)
		share_vips(ike, sa, t, true);
	return ret;
}

void child_undo(struct ike *ike, struct ike_sa *sa, struct task *t, const struct ike_msg *in)
{
	const struct ike_child_cfg *cfg = conn_child(sa->conn, t->child_name);
	struct child_deal d;
	struct child_sa *c;

	if (!in->has_sa || !in->sa.n || !cfg)
		return;
	memset(&d, 0, sizeof(d));
	d.cfg = cfg;
	d.redundant = true;
	d.spi_in = t->spi_in;
	d.spi_out = (uint32_t)in->sa.p[0].spi;
	if (child_install(ike, sa, &d, NULL, &t->ni, &t->ni, &c)) /* no keys are made */
		return;
	t->spi_in = 0;
	if (child_close(sa, c, 0, "it cannot be used here"))
		child_remove(ike, sa, c);
}

/* What we asked for came and went. The old one, if we replaced one, is ours to delete (2.8). */
static void gone_already(struct ike *ike, struct ike_sa *sa, struct task *t, struct child_sa *old,
			 struct child_sa *child)
{
	out_event(ike, sa, t->op && !old ? IKE_EV_FAILED : IKE_EV_CHILD_DOWN, child->id, t->op,
		  "Child SA %s was deleted by the peer at once", child->name);
	child_remove(ike, sa, child);
	if (old && !t->collided && old->state != CHILD_DELETING &&
	    child_close(sa, old, 0, "its successor was deleted by the peer"))
		child_remove(ike, sa, old);
}

enum task_end child_new_done(struct ike *ike, struct ike_sa *sa, struct task *t,
			     const struct ike_msg *in, const struct ike_path *path)
{
	struct child_sa *old = t->kind == TASK_CHILD_REKEY ? child_find(sa, t->child_id) : NULL;
	const struct notify *err = msg_error_notify(in);
	struct child_sa *child;
	char why[WHY_MAX];
	int ret;

	(void)path;
	if (!in->has_sa && err)
		return refused(ike, sa, t, old, err);
	ret = agree_on_all(ike, sa, t, old, in, &child);
	if (ret == -EBADMSG && t->asks_vips && t->shares_vips) {
		/* selectors of no address that is ours: once more, without asking for one */
		child_undo(ike, sa, t, in);
		return TASK_AGAIN;
	}
	if (ret) {
		snprintf(why, sizeof(why), "%s failed: %s", task_ops[t->kind].name,
			 ret == -EBADMSG  ? "the peer's answer is not within our offer"
			 : ret == -ERANGE ? "the peer narrowed the traffic selectors in use, which "
					    "a rekey must not; the old one stays until its end"
			 : ret == -ENETUNREACH ? "the peer does not take those endpoints"
					       : strerror(-ret));
		child_undo(ike, sa, t, in);
		return failed(ike, sa, t, old, why);
	}
	t->spi_in = 0;
	if (deleted_already(t, child->spi_out)) {
		gone_already(ike, sa, t, old, child);
		return TASK_FREE;
	}
	if (child->installed) {
		replaced(ike, sa, t, old, child);
		return TASK_FREE;
	}
	/* we lost the tie: ours goes, and the peer deletes the old one */
	if (old)
		child_state(sa, old, CHILD_REKEYED, "the peer's simultaneous rekey survives");
	out_event(ike, sa, IKE_EV_CHILD_REKEYED, t->child_id, t->op,
		  "Child SA was rekeyed by the peer at the same time");
	if (child_close(sa, child, 0, "lost the tie of two simultaneous rekeys"))
		child_remove(ike, sa, child);
	return TASK_FREE;
}

/* ---- responder ---- */

static enum after refuse(struct ike_sa *sa, struct msg_wr *m, uint16_t type, const void *data,
			 size_t len)
{
	log_ike(sa, LOG_INFO_, "CREATE_CHILD_SA request refused: answered %s%s", notify_name(type),
		refusal_hint(type));
	msg_put_notify(m, PROTO_NONE, NULL, 0, type, data, len);
	return AFTER_ANSWER;
}

static uint32_t be32(const uint8_t *p)
{
	struct rd r = rd_init(p, 4);

	return rd_u32(&r);
}

/* An SA the peer has and we know nothing of: its answer, which makes it, may be late. */
static bool making_child(const struct ike_sa *sa)
{
	list_for_each (it, &sa->inflight) {
		const struct task *t = list_entry(it, struct task, node);

		if (t->kind == TASK_CHILD_NEW || t->kind == TASK_CHILD_REKEY)
			return true;
	}
	return false;
}

/* The Child SA a rekey request is about; 0 or the notify type that answers it. */
static uint16_t rekey_target(const struct ike *ike, struct ike_sa *sa, const struct notify *n,
			     struct child_sa **ret_old)
{
	struct ike_sa *owner;
	struct child_sa *old;

	if (n->spi.len != 4)
		return N_CHILD_SA_NOT_FOUND;
	old = child_by_peer_spi(ike, sa, be32(n->spi.p), &owner);
	if (!old && making_child(sa))
		return N_TEMPORARY_FAILURE;
	if (!old || owner != sa)
		return N_CHILD_SA_NOT_FOUND;
	if (old->state == CHILD_DELETING || old->state == CHILD_REKEYED)
		return N_TEMPORARY_FAILURE;
	*ret_old = old;
	return 0;
}

static bool rekeying_ike(const struct ike_sa *sa)
{
	const struct task *t = task_find(sa, TASK_IKE_REKEY, 0);

	return t && task_in_flight(t);
}

/* Note the peer's rekey of an SA that we are rekeying, or drop ours if it was not sent yet. */
static void note_collision(struct ike *ike, struct ike_sa *sa, struct child_sa *old,
			   const struct child_sa *made, const struct nonce *ni,
			   const struct nonce *nr)
{
	struct task *t = task_find(sa, TASK_CHILD_REKEY, old->id);

	if (t && task_in_flight(t)) {
		t->collided = true;
		t->coll_lowest = *nonce_lowest(ni, nr);
		t->coll_child = made->id;
		return;
	}
	if (t)
		task_end(ike, sa, t, IKE_EV_CHILD_REKEYED, old->id,
			 "Child SA was rekeyed by the peer");
	child_state(sa, old, CHILD_REKEYED, "the peer rekeyed it and will delete it");
}

static int answer_child(struct ike *ike, struct ike_sa *sa, const struct ike_msg *in,
			struct child_sa *old, struct child_deal *d,
			const struct mmx_outer_deal *outer, struct msg_wr *m)
{
	struct secret gir = { .len = 0 };
	struct child_sa *child;
	struct nonce ni, nr;
	struct ke *ke = NULL;
	const uint8_t *pub;
	size_t len;
	int ret = 0;

	if (!nonce_set(&ni, in->nonce))
		return -EBADMSG;
	if (nonce_new(&nr))
		return -EIO;
	if (d->suite.ke) {
		ke = ke_new(d->suite.ke);
		ret = ke ? ke_derive(ke, in->ke.p, in->ke.len, &gir) : -EIO;
	}
	if (!ret)
		ret = child_install(ike, sa, d, ke ? &gir : NULL, &ni, &nr, &child);
	secret_clear(&gir);
	if (ret)
		goto out;
	if (d->cp_reply)
		cp_child_reply(ike, sa, m);
	child_answer_sa(d, m);
	msg_put_nonce(m, nr.b, nr.len);
	if (ke) {
		pub = ke_public(ke, &len);
		msg_put_ke(m, d->suite.ke, pub, len);
	}
	child_answer_ts(sa, d, m);
	mmx_outer_reply(sa, outer, m);
	if (old) {
		note_collision(ike, sa, old, child, &ni, &nr);
		out_event(ike, sa, IKE_EV_CHILD_REKEYED, child->id, 0,
			  "Child SA %s rekeyed by the peer", child->name);
	} else {
		child_up(ike, sa, child, 0);
	}
out:
	ke_free(ke);
	return ret;
}

/* Addresses, endpoints, then selectors. */
static uint16_t negotiate(struct ike *ike, struct ike_sa *sa, const struct ike_msg *in,
			  struct child_sa *old, struct child_deal *d, struct mmx_outer_deal *outer,
			  struct cp_before *ret_before)
{
	uint16_t refusal = 0;

	if (!old)
		refusal = cp_child_request(ike, sa, in, ret_before, &d->cp_reply);
	if (refusal)
		return refusal;
	refusal = mmx_outer_request(sa, in, outer, &d->binding);
	if (!refusal)
		refusal = child_negotiate(ike, sa, in, old, true, d);
	if (refusal)
		mmx_outer_undo(sa, outer, &d->binding);
	if (refusal && !old)
		cp_child_undo(ike, sa, ret_before);
	return refusal;
}

static enum after child_request(struct ike *ike, struct ike_sa *sa, const struct ike_msg *in,
				struct msg_wr *m)
{
	const struct notify *rekey = msg_notify(in, N_REKEY_SA);
	struct mmx_outer_deal outer = { .status = MMX_OK };
	struct child_sa *old = NULL;
	struct cp_before before;
	struct child_deal d;
	uint16_t refusal = 0;
	int ret;

	memset(&d, 0, sizeof(d));
	if (rekey)
		refusal = rekey_target(ike, sa, rekey, &old);
	if (refusal == N_CHILD_SA_NOT_FOUND) {
		/* the SPI is copied (2.25.1) */
		log_ike(sa, LOG_INFO_, "peer rekeys a Child SA that is not there any more");
		msg_put_notify(m, rekey->protocol, rekey->spi.p, rekey->spi.len, refusal, NULL, 0);
		return AFTER_ANSWER;
	}
	if (!refusal && rekeying_ike(sa))
		refusal = N_TEMPORARY_FAILURE; /* 2.25.2 */
	if (!refusal)
		refusal = negotiate(ike, sa, in, old, &d, &outer, &before);
	if (refusal == N_INVALID_KE_PAYLOAD) {
		uint8_t group[2] = { (uint8_t)(d.suite.ke >> 8), (uint8_t)d.suite.ke };

		return refuse(sa, m, refusal, group, sizeof(group));
	}
	if (refusal) {
		mmx_outer_reply(sa, &outer, m);
		return refuse(sa, m, refusal, NULL, 0);
	}
	if (old && narrower(old, &d))
		log_ike(sa, LOG_WARN_,
			"the peer rekeys Child SA %s with narrower traffic selectors than are in "
			"use: packets beyond them are dropped from now on",
			old->name);
	d.replaces = old ? old->id : 0;
	d.name = old ? old->name : NULL;
	d.deferred = true; /* keep sending on the old one, or a sibling, for now (2.8) */
	ret = answer_child(ike, sa, in, old, &d, &outer, m);
	if (!ret)
		return AFTER_ANSWER;
	ike->env.spi_free(ike->env.ctx, d.spi_in);
	mmx_outer_drop(sa, d.binding);
	if (!old)
		cp_child_undo(ike, sa, &before);
	if (ret != -EBADMSG)
		return refuse(sa, m, resource_refusal(old, &d), NULL, 0);
	/* a key exchange value or nonce of wrong length: the message is malformed */
	snprintf(sa->why, sizeof(sa->why), "the peer sent a malformed CREATE_CHILD_SA request");
	refuse(sa, m, N_INVALID_SYNTAX, NULL, 0);
	return AFTER_CLOSE;
}

enum after create_child_request(struct ike *ike, struct ike_sa *sa, const struct ike_msg *in,
				const struct ike_path *path, struct msg_wr *m)
{
	(void)path;
	if (sa->state != IKE_ESTABLISHED)
		return refuse(sa, m, N_TEMPORARY_FAILURE, NULL, 0);
	if (!in->has_sa || !in->has_nonce || in->has_tsi != in->has_tsr) {
		snprintf(sa->why, sizeof(sa->why), "the peer's CREATE_CHILD_SA lacks payloads");
		refuse(sa, m, N_INVALID_SYNTAX, NULL, 0);
		return AFTER_CLOSE;
	}
	if (!in->has_tsi)
		return ike_rekey_request(ike, sa, in, m);
	return child_request(ike, sa, in, m);
}
