/* SPDX-License-Identifier: GPL-2.0-only */
/* Rekeying the IKE SA, both roles (RFC 7296 1.3.2, 2.18, 2.8.2, 2.25.2).
 *
 *   I: SK{ SA, Ni, KEi }  -->        SA: protocol IKE, the new 8-octet SPI in the proposal
 *   R:            <--  SK{ SA, Nr, KEr }
 *
 * The new IKE SA starts with Message ID 0 and takes over the Child SAs; the old one's last request
 * is its Delete, sent by whoever started the surviving rekey. Cloning (RFC 7791) will be the same
 * exchange with a notification, after which nothing is taken over and nothing deleted.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "child_sa.h"
#include "exchange.h"
#include "ike_private.h"
#include "mobike.h"
#include "parts.h"

/* A new IKE SA of the same line; initiator: of this exchange. */
static struct ike_sa *successor_new(struct ike *ike, const struct ike_sa *old, bool initiator)
{
	struct ike_sa *sa = ike_sa_new(ike, old->conn, true, old);

	if (!sa)
		return NULL;
	if (id_keep(&sa->local_id, old->local_id) || id_keep(&sa->remote_id, old->remote_id) ||
	    mobike_inherit(old, sa)) {
		ike_sa_free(ike, sa);
		return NULL;
	}
	sa->initiator = initiator;
	sa->role_i = old->role_i;
	sa->peer_probes = old->peer_probes;
	sa->peer_udp = old->peer_udp;
	sa->fragments = old->fragments;
	sa->reauth_at = old->reauth_at;
	sa->auth_ends_at = old->auth_ends_at;
	sa->reauths_tried = old->reauths_tried;
	sa->reauth = old->reauth;
	sa->n_own_vips = old->n_own_vips;
	sa->n_peer_vips = old->n_peer_vips;
	memcpy(sa->own_vips, old->own_vips, sizeof(sa->own_vips));
	memcpy(sa->peer_vips, old->peer_vips, sizeof(sa->peer_vips));
	/* alive, but nobody's yet: take_over makes it ESTABLISHED */
	sa->state = IKE_REKEYED;
	return sa;
}

/* Child SAs and waiting tasks go to the new IKE SA. */
static void take_over(struct ike *ike, struct ike_sa *old, struct ike_sa *sa, const char *why)
{
	list_for_each_safe (it, tmp, &old->children) {
		struct child_sa *c = list_entry(it, struct child_sa, node);

		child_unlink(ike, c);
		child_link(ike, sa, c);
	}
	list_for_each_safe (it, tmp, &old->pending) {
		list_remove(it);
		list_append(&sa->pending, it);
		list_entry(it, struct task, node)->sa = sa;
	}
	/* it may have moved since the new one was made */
	mobike_inherit(old, sa);
	mobike_resume(old, sa);
	vendors_move(old, sa);
	sa->announced = true;
	sa->redundant = false;
	sa->expires = USEC_NEVER;
	ike_sa_state(ike, sa, IKE_ESTABLISHED, why);
	COUNT(ike, sa, ike_rekeyed);
	life_ike_start(ike, sa);
	ike_sa_state(ike, old, IKE_REKEYED, why);
	/* should its Delete get lost for good, it does not stay for ever */
	old->expires = ike->now + 4 * LINGER_USEC;
}

/* ---- requester ---- */

int ike_rekey_build(struct ike *ike, struct ike_sa *sa, struct task *t, struct msg_wr *m)
{
	const struct ike_conn_cfg *conn = &sa->conn->c;
	struct sa_payload offer;
	const uint8_t *pub;
	size_t len;

	if (!t->spi_ike && ike_spi_new(ike, &t->spi_ike))
		return -EIO;
	/* the group in use is the one the peer is known to accept */
	if (!t->ke_group)
		t->ke_group = sa->suite.ke;
	if (!suite_has_ke(PROTO_IKE, conn->proposals, conn->n_proposals, t->ke_group))
		t->ke_group = suite_first_ke(PROTO_IKE, conn->proposals, conn->n_proposals);
	ke_free(t->ke);
	t->ke = ke_new(t->ke_group);
	if (!t->ke || nonce_new(&t->ni))
		return -EIO;
	suite_offer(&offer, PROTO_IKE, conn->proposals, conn->n_proposals, 8, t->spi_ike, true);
	msg_put_sa(m, &offer);
	msg_put_nonce(m, t->ni.b, t->ni.len);
	pub = ke_public(t->ke, &len);
	msg_put_ke(m, t->ke_group, pub, len);
	return 0;
}

bool ike_rekey_yield(struct ike *ike, struct ike_sa *sa, struct task *t)
{
	struct ike_sa *theirs = t->collided ? ike_sa_find(ike, t->coll_spi) : NULL;

	if (!theirs || !ike_sa_alive(theirs))
		return false;
	take_over(ike, sa, theirs, "the peer's simultaneous rekey of the IKE SA survives");
	out_event(ike, theirs, IKE_EV_IKE_REKEYED, 0, t->op,
		  "IKE SA was rekeyed by the peer at the same time");
	t->op = 0;
	return true;
}

static enum task_end rekey_refused(struct ike *ike, struct ike_sa *sa, struct task *t,
				   const struct notify *err)
{
	const struct ike_conn_cfg *conn = &sa->conn->c;
	char peer[ADDR_PORT_STR];

	if (ike_rekey_yield(ike, sa, t))
		return TASK_FREE;
	if (err && err->type == N_INVALID_KE_PAYLOAD && err->data.len == 2 &&
	    t->rounds++ < INIT_ROUNDS_MAX) {
		uint16_t group = (uint16_t)(err->data.p[0] << 8 | err->data.p[1]);

		if (group != t->ke_group &&
		    suite_has_ke(PROTO_IKE, conn->proposals, conn->n_proposals, group)) {
			t->ke_group = group;
			return TASK_AGAIN;
		}
	}
	if (err && err->type == N_TEMPORARY_FAILURE && task_back_off(ike, t))
		return TASK_AGAIN;
	ike_sa_blame(sa, IKE_FAIL_REFUSED, err ? err->type : 0);
	out_event(ike, sa, IKE_EV_FAILED, 0, t->op, "peer %s refused to rekey the IKE SA: %s%s",
		  udp_addr_format(&sa->path.remote, peer),
		  err ? notify_name(err->type) : "the answer is not within our offer",
		  err ? refusal_hint(err->type) : "; tried again, then authenticated anew");
	ike_sa_blame(sa, IKE_FAIL_OTHER, 0);
	if (!err)
		life_rekey_unusable(ike, sa);
	if (err && err->type == N_TEMPORARY_FAILURE && !task_new(sa, TASK_IKE_DELETE, 0))
		ike_sa_close(ike, sa, false, "out of memory");
	return TASK_FREE;
}

/* The new IKE SA our exchange made. NULL: the answer does not fit, or no memory. */
static struct ike_sa *made(struct ike *ike, struct ike_sa *old, struct task *t,
			   const struct ike_msg *in)
{
	const struct ike_conn_cfg *conn = &old->conn->c;
	struct secret gir = { .len = 0 };
	struct sa_payload offer;
	struct suite suite;
	struct ike_sa *sa;
	uint64_t spi_r;

	suite_offer(&offer, PROTO_IKE, conn->proposals, conn->n_proposals, 8, t->spi_ike, true);
	if (!t->ke || !in->has_sa || !in->has_ke || !in->has_nonce ||
	    !suite_accept(&offer, &in->sa, &suite, &spi_r) || !spi_r ||
	    suite.ke != ke_group(t->ke) || in->ke_group != suite.ke ||
	    ke_derive(t->ke, in->ke.p, in->ke.len, &gir))
		return NULL;
	sa = successor_new(ike, old, true);
	if (!sa)
		goto out;
	sa->spi_i = t->spi_ike;
	sa->spi_r = spi_r;
	sa->suite = suite;
	sa->ni = t->ni;
	if (!nonce_set(&sa->nr, in->nonce) ||
	    ike_sa_derive(sa, &gir, &old->keys.sk_d, old->suite.prf)) {
		ike_sa_free(ike, sa);
		sa = NULL;
		goto out;
	}
	ike_sa_insert(ike, sa);
out:
	secret_clear(&gir);
	return sa;
}

enum task_end ike_rekey_done(struct ike *ike, struct ike_sa *sa, struct task *t,
			     const struct ike_msg *in, const struct ike_path *path)
{
	const struct notify *err = msg_error_notify(in);
	struct ike_sa *next, *theirs;
	bool lost;

	(void)path;
	if (!in->has_sa && err)
		return rekey_refused(ike, sa, t, err);
	if (t->had_ke) {
		/* the private value was lost with the agent that sent the request: the peer has a
		 * new IKE SA that we cannot speak on */
		out_event(ike, sa, IKE_EV_FAILED, 0, t->op, "IKE SA rekey lost in a restart");
		ike_sa_close(ike, sa, false, "its rekey was interrupted by a restart");
		return TASK_FREE;
	}
	next = made(ike, sa, t, in);
	if (!next)
		return rekey_refused(ike, sa, t, NULL);
	parts_process(
		&(struct part_ctx){ .ike = ike, .sa = next, .place = AT_REKEY_RESPONSE, .in = in });
	theirs = t->collided ? ike_sa_find(ike, t->coll_spi) : NULL;
	lost = theirs && ike_sa_alive(theirs) &&
	       nonce_cmp(nonce_lowest(&next->ni, &next->nr), &t->coll_lowest) < 0;
	if (lost) {
		/* ours has the lowest nonce: we close it, the peer closes the old one (2.8.2) */
		next->redundant = true;
		next->expires = ike->now + 4 * LINGER_USEC;
		if (!task_new(next, TASK_IKE_DELETE, 0))
			ike_sa_close(ike, next, false, "out of memory");
		window_run(ike, next);
		ike_rekey_yield(ike, sa, t);
		return TASK_FREE;
	}
	take_over(ike, sa, next, "rekeyed by us");
	window_renew(next);
	out_event(ike, next, IKE_EV_IKE_REKEYED, 0, t->op, "IKE SA rekeyed");
	if (!task_new(sa, TASK_IKE_DELETE, 0))
		ike_sa_close(ike, sa, false, "replaced");
	window_run(ike, next);
	return TASK_FREE;
}

/* ---- responder ---- */

/* "IKE rekey request during own Child create/rekey/delete": TEMPORARY_FAILURE (2.25.2). */
static bool child_work_in_flight(const struct ike_sa *sa)
{
	list_for_each (it, &sa->inflight) {
		const struct task *t = list_entry(it, struct task, node);

		if (t->kind == TASK_CHILD_NEW || t->kind == TASK_CHILD_REKEY ||
		    t->kind == TASK_CHILD_DELETE || t->kind == TASK_IKE_DELETE)
			return true;
	}
	return false;
}

/* 0; -EBADMSG for a nonce or key exchange value that is none. */
static int answer_sa(struct ike *ike, struct ike_sa *old, const struct ike_msg *in,
		     const struct suite *suite, uint64_t spi_i, struct ke *ke,
		     struct ike_sa **ret_sa)
{
	struct secret gir = { .len = 0 };
	struct ike_sa *sa;
	int ret = ke ? ke_derive(ke, in->ke.p, in->ke.len, &gir) : -EIO;

	if (ret)
		return ret;
	ret = -ENOMEM;
	sa = successor_new(ike, old, false);
	if (!sa)
		goto out;
	sa->suite = *suite;
	sa->spi_i = spi_i;
	ret = -EBADMSG;
	if (nonce_set(&sa->ni, in->nonce))
		ret = ike_spi_new(ike, &sa->spi_r);
	if (!ret)
		ret = nonce_new(&sa->nr);
	if (!ret)
		ret = ike_sa_derive(sa, &gir, &old->keys.sk_d, old->suite.prf);
	if (ret) {
		ike_sa_free(ike, sa);
		goto out;
	}
	ike_sa_insert(ike, sa);
	*ret_sa = sa;
	ret = 0;
out:
	secret_clear(&gir);
	return ret;
}

static void put_answer(const struct ike_sa *sa, uint8_t number, const struct ke *ke,
		       struct msg_wr *m)
{
	struct sa_payload answer;
	const uint8_t *pub;
	size_t len;

	suite_answer(&answer, PROTO_IKE, &sa->suite, number, 8, sa->spi_r);
	msg_put_sa(m, &answer);
	msg_put_nonce(m, sa->nr.b, sa->nr.len);
	pub = ke_public(ke, &len);
	msg_put_ke(m, sa->suite.ke, pub, len);
}

static void answered(struct ike *ike, struct ike_sa *old, struct ike_sa *sa)
{
	struct task *t = task_find(old, TASK_IKE_REKEY, 0);

	if (t && task_in_flight(t)) {
		/* both rekey: which new SA survives shows when our answer comes */
		t->collided = true;
		t->coll_lowest = *nonce_lowest(&sa->ni, &sa->nr);
		t->coll_spi = sa->spi_r;
		sa->redundant = true;
		sa->expires = ike->now + 4 * LINGER_USEC;
		return;
	}
	if (t)
		task_end(ike, old, t, IKE_EV_IKE_REKEYED, 0, "IKE SA was rekeyed by the peer");
	take_over(ike, old, sa, "rekeyed by the peer");
	out_event(ike, sa, IKE_EV_IKE_REKEYED, 0, 0, "IKE SA rekeyed by the peer");
}

enum after ike_rekey_request(struct ike *ike, struct ike_sa *sa, const struct ike_msg *in,
			     struct msg_wr *m)
{
	const struct ike_conn_cfg *conn = &sa->conn->c;
	struct ike_sa *next;
	struct suite suite;
	uint64_t spi_i;
	uint8_t number;
	struct ke *ke;
	int ret;

	if (child_work_in_flight(sa)) {
		msg_put_notify(m, PROTO_NONE, NULL, 0, N_TEMPORARY_FAILURE, NULL, 0);
		return AFTER_ANSWER;
	}
	if (!suite_select(&in->sa, PROTO_IKE, 8, conn->proposals, conn->n_proposals, true,
			  in->ke_group, &suite, &number, &spi_i) ||
	    !spi_i) {
		log_ike(sa, LOG_WARN_,
			"the peer's rekey of the IKE SA offers nothing acceptable: "
			"answered NO_PROPOSAL_CHOSEN");
		msg_put_notify(m, PROTO_NONE, NULL, 0, N_NO_PROPOSAL_CHOSEN, NULL, 0);
		return AFTER_ANSWER;
	}
	if (!in->has_ke || in->ke_group != suite.ke) {
		uint8_t group[2] = { (uint8_t)(suite.ke >> 8), (uint8_t)suite.ke };

		msg_put_notify(m, PROTO_NONE, NULL, 0, N_INVALID_KE_PAYLOAD, group, 2);
		return AFTER_ANSWER;
	}
	ke = ke_new(suite.ke);
	ret = answer_sa(ike, sa, in, &suite, spi_i, ke, &next);
	if (!ret) {
		put_answer(next, number, ke, m);
		parts_build(&(struct part_ctx){
			.ike = ike, .sa = next, .place = AT_REKEY_RESPONSE, .in = in, .m = m });
		answered(ike, sa, next);
	}
	ke_free(ke);
	if (ret == -EBADMSG) {
		/* as for a Child SA: the message is malformed */
		snprintf(sa->why, sizeof(sa->why),
			 "the peer sent a malformed CREATE_CHILD_SA request");
		msg_put_notify(m, PROTO_NONE, NULL, 0, N_INVALID_SYNTAX, NULL, 0);
		return AFTER_CLOSE;
	}
	if (ret)
		msg_put_notify(m, PROTO_NONE, NULL, 0, N_NO_ADDITIONAL_SAS, NULL, 0);
	return AFTER_ANSWER;
}
