/* SPDX-License-Identifier: GPL-2.0-only */
/* Cloning the IKE SA (RFC 7791), both roles: another IKE SA without another authentication.
 *
 *   IKE_AUTH: both sides announce N(CLONE_IKE_SA_SUPPORTED)
 *   I: SK{ N(CLONE_IKE_SA), SA, Ni, KEi }  -->
 *   R:                   <--  SK{ SA, Nr, KEr }
 *     or                 <--  SK{ N(error) }
 *
 * It is a rekey of the IKE SA (rekey.c) by which nothing is taken over and nothing deleted: the old
 * one keeps its Child SAs and its Message IDs. The clone begins a line of its own, with window 1,
 * Message ID 0, its own rekey and liveness, at the pair of addresses that the old one has; who is I
 * is the family's matter, and when it authenticates anew too. Two clones that cross are two clones.
 *
 * To a peer that did not announce it the notification means nothing, and the request is a rekey: so
 * it is never sent there, and one received without having been announced is what it is without it.
 */
#include <errno.h>
#include <stdio.h>

#include "child_sa.h"
#include "exchange.h"
#include "ike_private.h"
#include "mmx.h"
#include "parts.h"

/* ---- negotiation ---- */

void clone_build(struct part_ctx *c)
{
	bool say = c->place == AT_AUTH_REQUEST ? c->sa->conn->c.clone : c->sa->clone_ok;

	if (say)
		msg_put_notify(c->m, PROTO_NONE, NULL, 0, N_CLONE_IKE_SA_SUPPORTED, NULL, 0);
}

void clone_process(struct part_ctx *c)
{
	c->sa->clone_ok = c->sa->conn->c.clone && msg_notify(c->in, N_CLONE_IKE_SA_SUPPORTED);
}

bool ike_can_clone(const struct ike *ike, uint64_t line)
{
	const struct ike_sa *sa = line_owner(ike, line);

	return sa && sa->clone_ok;
}

/* ---- how many there may be ---- */

static unsigned under_way(const struct ike_sa *sa)
{
	const struct list *both[] = { &sa->inflight, &sa->pending };
	unsigned n = 0;

	for (unsigned i = 0; i < 2; i++)
		list_for_each (it, both[i])
			n += list_entry(it, struct task, node)->kind == TASK_IKE_CLONE;
	return n;
}

/* Clones that we asked for. */
static unsigned family_asked(const struct ike *ike, uint64_t family)
{
	unsigned n = 0;

	hash_for_each (it, tmp, &ike->families, family)
		n += under_way(hash_entry(it, struct ike_sa, by_family));
	return n;
}

/* "no retry until an IKE SA with that peer is deleted" (5.3). */
static void set_refused(struct ike *ike, const struct ike_sa *sa, bool refused)
{
	hash_for_each (it, tmp, &ike->peers, id_key(sa->remote_id)) {
		struct ike_sa *o = hash_entry(it, struct ike_sa, by_id);

		if (o->clones_refused == refused || !id_equal(o->remote_id, sa->remote_id))
			continue;
		o->clones_refused = refused;
		ike_sa_touch(o);
	}
}

void clone_room(struct ike *ike, const struct ike_sa *gone)
{
	/* many peers may have the same identity, and hardly one of them ever refuses */
	if (ike->clones_refused)
		set_refused(ike, gone, false);
}

/* ---- requester ---- */

int ike_clone(struct ike *ike, uint64_t line, uint32_t op, usec_t now)
{
	struct ike_sa *sa = line_owner(ike, line);

	ike->now = now;
	if (!sa)
		return -ENOENT;
	if (!sa->clone_ok)
		return -EOPNOTSUPP;
	if (sa->clones_refused || family_lines(ike, sa->family) + family_asked(ike, sa->family) >=
					  sa->conn->c.ike_sas_max)
		return -EDQUOT;
	if (!task_new(sa, TASK_IKE_CLONE, op))
		return -ENOMEM;
	window_run(ike, sa);
	ike_reap(ike);
	return 0;
}

static void failed(struct ike *ike, struct ike_sa *sa, struct task *t, uint16_t type,
		   const char *why)
{
	if (t->reauth_line) {
		log_ike(sa, LOG_WARN_, "%s: a line ends with its authentication", why);
		reauth_superseded(ike, sa, t->reauth_line);
		return;
	}
	ike_sa_blame(sa, IKE_FAIL_REFUSED, type);
	out_event(ike, sa, IKE_EV_FAILED, 0, t->op, "%s", why);
	ike_sa_blame(sa, IKE_FAIL_OTHER, 0);
}

int clone_request_build(struct ike *ike, struct ike_sa *sa, struct task *t, struct msg_wr *m)
{
	if (sa->clones_refused) {
		/* another one was refused while this one waited */
		if (t->reauth_line)
			reauth_superseded(ike, sa, t->reauth_line);
		task_end(ike, sa, t, IKE_EV_FAILED, 0,
			 "the peer takes no further IKE SA until one of them is deleted");
		return -ECANCELED;
	}
	/* one that is sent before an update may be processed after it, and the reverse */
	if (sa->mobike)
		t->changes = sa->mobike->changes - (task_find(sa, TASK_UPDATE, 0) ? 1 : 0);
	msg_put_notify(m, PROTO_NONE, NULL, 0, N_CLONE_IKE_SA, NULL, 0);
	return successor_offer(ike, sa, t, m);
}

/* It is there at both ends from now on. */
static void clone_begin(struct ike *ike, struct ike_sa *old, struct ike_sa *sa, uint32_t op,
			const char *why)
{
	char id[128];

	vendors_copy(old, sa);
	mmx_copy(old, sa);
	mobike_resume(old, sa);
	sa->announced = true;
	ike_sa_state(ike, sa, IKE_ESTABLISHED, why);
	COUNT(ike, sa, ike_cloned);
	life_ike_start(ike, sa);
	if (sa->reauth_of)
		return;
	out_event(ike, sa, IKE_EV_CLONED, 0, op, "IKE SA with %s %s", id_format(sa->remote_id, id),
		  why);
}

static enum task_end refused(struct ike *ike, struct ike_sa *sa, struct task *t,
			     const struct notify *err)
{
	char peer[ADDR_PORT_STR], why[WHY_MAX];

	if (successor_other_group(sa, t, err))
		return TASK_AGAIN;
	if (err && err->type == N_TEMPORARY_FAILURE && task_back_off(ike, t))
		return TASK_AGAIN;
	if (err && err->type == N_NO_ADDITIONAL_SAS) {
		ike->clones_refused = true;
		set_refused(ike, sa, true);
	}
	snprintf(why, sizeof(why), "peer %s refused to clone the IKE SA: %s%s",
		 udp_addr_format(&sa->path.remote, peer),
		 err ? notify_name(err->type) : "the answer is not within our offer",
		 err ? refusal_hint(err->type) : "");
	failed(ike, sa, t, err ? err->type : 0, why);
	return TASK_FREE;
}

/* What it was cloned from is to end, and waited for the answer: who ended that did not know of it.
 */
static void unwanted(struct ike *ike, struct ike_sa *clone)
{
	if (!task_new(clone, TASK_IKE_DELETE, 0)) {
		ike_sa_close(ike, clone, false, "no memory to delete it in order");
		return;
	}
	window_end_soon(ike, clone);
	window_run(ike, clone);
}

enum task_end clone_done(struct ike *ike, struct ike_sa *sa, struct task *t,
			 const struct ike_msg *in, const struct ike_path *path)
{
	const struct notify *err = msg_error_notify(in);
	struct ike_sa *clone;

	(void)path;
	if (!in->has_sa && err)
		return refused(ike, sa, t, err);
	if (t->had_ke && t->reauth_line)
		return TASK_FREE; /* once more: reauth_run */
	if (t->had_ke) {
		/* the peer has a clone that we cannot speak on, and will find that out by itself */
		failed(ike, sa, t, 0, "IKE SA clone lost in a restart");
		return TASK_FREE;
	}
	clone = successor_made(ike, sa, t, in);
	if (!clone)
		return refused(ike, sa, t, NULL);
	clone->heard = true;
	clone_begin(ike, sa, clone, t->op, "cloned by us");
	if (clone->mobike && clone->role_i && t->changes != sa->mobike->changes)
		update_queue(clone); /* R copied the pair of before */
	clone->qcd_due = ike->qcd_maker;
	/* in our answer to the peer's announcement, unless it makes none */
	window_announce(clone, ike->now + clone->conn->c.retransmit_timeout);
	if (task_find(sa, TASK_IKE_DELETE, 0))
		unwanted(ike, clone);
	else if (t->reauth_line)
		reauth_cloned(ike, clone);
	return TASK_FREE;
}

/* ---- responder ---- */

bool clone_asked(const struct ike_sa *sa, const struct ike_msg *in)
{
	return sa->clone_ok && msg_notify(in, N_CLONE_IKE_SA);
}

uint16_t clone_refusal(const struct ike *ike, const struct ike_sa *sa)
{
	unsigned n = family_lines(ike, sa->family), max = sa->conn->c.ike_sas_max;

	if (n >= max)
		return N_NO_ADDITIONAL_SAS;
	/* which of the two comes first is settled when one of them is tried again */
	return n + family_asked(ike, sa->family) >= max ? N_TEMPORARY_FAILURE : 0;
}

void clone_answered(struct ike *ike, struct ike_sa *old, struct ike_sa *clone)
{
	clone_begin(ike, old, clone, 0, "cloned by the peer");
	/* after the answer: so the asker knows at once how much it may ask together, and says how
	 * much it takes in the same round trip as it asks */
	window_announce(clone, ike->now);
}

void clones_moved(struct ike *ike, const struct ike_sa *sa)
{
	hash_for_each (it, tmp, &ike->families, sa->family) {
		struct ike_sa *o = hash_entry(it, struct ike_sa, by_family);

		if (o->clone_of != sa->line || o->heard || o->state != IKE_ESTABLISHED)
			continue;
		update_queue(o);
		window_run(ike, o);
	}
}
