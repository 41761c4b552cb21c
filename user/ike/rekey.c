/* SPDX-License-Identifier: GPL-2.0-only */
/* Rekeying the IKE SA, both roles (RFC 7296 1.3.2, 2.18, 2.8.2, 2.25.2).
 *
 *   I: SK{ SA, Ni, KEi }  -->        SA: protocol IKE, the new 8-octet SPI in the proposal
 *   R:            <--  SK{ SA, Nr, KEr }
 *
 * The new IKE SA starts with Message ID 0 and takes over the Child SAs; the old one's last request
 * is its Delete, sent by whoever started the surviving rekey. Cloning (clone.c) is the same
 * exchange with a notification, after which nothing is taken over and nothing deleted.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "child_sa.h"
#include "exchange.h"
#include "ike_private.h"
#include "mmx.h"
#include "parts.h"

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
	mmx_move(old, sa);
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
	return successor_offer(ike, sa, t, m);
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
	char peer[ADDR_PORT_STR];

	if (ike_rekey_yield(ike, sa, t))
		return TASK_FREE;
	if (successor_other_group(sa, t, err))
		return TASK_AGAIN;
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
	next = successor_made(ike, sa, t, in);
	if (!next)
		return rekey_refused(ike, sa, t, NULL);
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

/* "IKE rekey request during own Child create/rekey/delete": TEMPORARY_FAILURE (2.25.2). The same of
 * actions, whose answer says what the SAs are bound to. */
static bool child_work_in_flight(const struct ike_sa *sa)
{
	list_for_each (it, &sa->inflight) {
		const struct task *t = list_entry(it, struct task, node);

		if (t->kind == TASK_CHILD_NEW || t->kind == TASK_CHILD_REKEY ||
		    t->kind == TASK_CHILD_DELETE || t->kind == TASK_IKE_DELETE || t->mmx)
			return true;
	}
	return false;
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

/* One of ours is under way: of a rekey and a clone that cross one has to wait, or the tie of 2.8.2
 * would delete a clone. */
static bool crosses(const struct ike_sa *sa, enum task_kind kind)
{
	const struct task *t = task_find(sa, kind, 0);

	return t && task_in_flight(t);
}

static uint16_t refusal(const struct ike *ike, const struct ike_sa *sa, bool clone)
{
	if (child_work_in_flight(sa) || crosses(sa, clone ? TASK_IKE_REKEY : TASK_IKE_CLONE) ||
	    family_crowded(ike, sa->family))
		return N_TEMPORARY_FAILURE;
	return clone ? clone_refusal(ike, sa) : 0;
}

enum after ike_rekey_request(struct ike *ike, struct ike_sa *sa, const struct ike_msg *in,
			     struct msg_wr *m)
{
	bool clone = clone_asked(sa, in);
	uint16_t error = refusal(ike, sa, clone);
	struct ike_sa *next;
	int ret;

	if (error) {
		log_ike(sa, LOG_DEBUG_, "the peer's %s of the IKE SA: answered %s",
			clone ? "clone" : "rekey", notify_name(error));
		msg_put_notify(m, PROTO_NONE, NULL, 0, error, NULL, 0);
		return AFTER_ANSWER;
	}
	ret = successor_answer(ike, sa, in, clone, m, &next);
	if (!ret && clone)
		clone_answered(ike, sa, next);
	else if (!ret)
		answered(ike, sa, next);
	if (ret == -EBADMSG) {
		/* as for a Child SA: the message is malformed */
		snprintf(sa->why, sizeof(sa->why),
			 "the peer sent a malformed CREATE_CHILD_SA request");
		msg_put_notify(m, PROTO_NONE, NULL, 0, N_INVALID_SYNTAX, NULL, 0);
		return AFTER_CLOSE;
	}
	if (ret && ret != -EPROTO)
		msg_put_notify(m, PROTO_NONE, NULL, 0,
			       clone ? N_TEMPORARY_FAILURE : N_NO_ADDITIONAL_SAS, NULL, 0);
	return AFTER_ANSWER;
}
