/* SPDX-License-Identifier: GPL-2.0-only */
/* INFORMATIONAL: liveness, Delete (RFC 7296 1.4, 2.4, 2.25; RFC 4555 for COOKIE2). */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "child_sa.h"
#include "exchange.h"
#include "ike_private.h"
#include "mmx.h"
#include "parts.h"

/* ---- requester ---- */

int child_delete_build(struct ike *ike, struct ike_sa *sa, struct task *t, struct msg_wr *m)
{
	struct child_sa *c = child_find(sa, t->child_id);

	if (!c) {
		/* the peer's Delete was faster */
		task_end(ike, sa, t, IKE_EV_CHILD_DOWN, t->child_id, "Child SA down");
		return -ECANCELED;
	}
	msg_put_delete_spis(m, PROTO_ESP, &c->spi_in, 1); /* the SPI we receive on (1.4.1) */
	return 0;
}

enum task_end child_delete_done(struct ike *ike, struct ike_sa *sa, struct task *t,
				const struct ike_msg *in, const struct ike_path *path)
{
	struct child_sa *c = child_find(sa, t->child_id);

	(void)in;
	(void)path;
	if (c)
		child_remove(ike, sa, c);
	if (t->op)
		out_event(ike, sa, IKE_EV_CHILD_DOWN, t->child_id, t->op, "Child SA down");
	return TASK_FREE;
}

int ike_delete_build(struct ike *ike, struct ike_sa *sa, struct task *t, struct msg_wr *m)
{
	(void)t;
	if (sa->state == IKE_ESTABLISHED)
		ike_sa_state(ike, sa, IKE_DELETING, "we delete it");
	msg_put_delete_ike(m);
	return 0;
}

enum task_end ike_delete_done(struct ike *ike, struct ike_sa *sa, struct task *t,
			      const struct ike_msg *in, const struct ike_path *path)
{
	(void)in;
	(void)path;
	sa->down_op = t->op;
	t->op = 0;
	ike_sa_close(ike, sa, true, "deleted by us");
	return TASK_FREE;
}

int liveness_build(struct ike *ike, struct ike_sa *sa, struct task *t, struct msg_wr *m)
{
	struct part_ctx parts = {
		.ike = ike, .sa = sa, .place = AT_INFO_REQUEST, .path = &sa->path, .m = m
	};

	if (t->announces && window_announced(sa)) {
		/* in an answer of ours, meanwhile */
		task_end(ike, sa, t, IKE_EV_STEP, 0, "");
		return -ECANCELED;
	}
	t->changes = sa->mobike ? sa->mobike->changes : 0;
	/* an empty message, mostly */
	parts_build(&parts);
	return 0;
}

/* The first answer may be of another mapping than the one that the set-up went through: R may have
 * sent to where nobody is since then, so it is told all the same. */
static void mapping_look(struct ike_sa *sa, const struct ike_msg *in)
{
	switch (natd_mapping(sa, in)) {
	case MAPPING_SAME:
		return;
	case MAPPING_FIRST:
		log_ike(sa, LOG_DEBUG_,
			"whether our NAT has the mapping of the set-up is not known; the peer is "
			"told");
		break;
	case MAPPING_CHANGED:
		log_ike(sa, LOG_INFO_, "our NAT has another mapping for us; the peer is told");
		break;
	}
	update_queue(sa);
}

enum task_end liveness_done(struct ike *ike, struct ike_sa *sa, struct task *t,
			    const struct ike_msg *in, const struct ike_path *path)
{
	struct part_ctx parts = {
		.ike = ike, .sa = sa, .place = AT_INFO_RESPONSE, .in = in, .path = path
	};

	parts_process(&parts);
	log_ike(sa, LOG_DEBUG_, "the peer is alive");
	if (sa->state == IKE_ESTABLISHED && sa->mobike && sa->role_i && task_proves_pair(sa, t))
		mapping_look(sa, in);
	return TASK_FREE;
}

/* ---- responder ---- */

/* It may be of the Child SA that our request makes, when the answer to that is lost or overtaken.
 */
static void note_unknown(struct ike_sa *sa, uint32_t peer_spi)
{
	list_for_each (it, &sa->inflight) {
		struct task *t = list_entry(it, struct task, node);

		if (t->kind == TASK_CHILD_NEW || t->kind == TASK_CHILD_REKEY)
			t->deleted[t->n_deleted++ % DELETED_MAX] = peer_spi;
	}
}

/* Two rekeys of one SA cross and the peer, which knows the outcome, removes one of the two: the
 * other goes on carrying the traffic. */
static bool tie_settled(const struct ike_sa *sa, const struct child_sa *c)
{
	list_for_each (it, &sa->inflight) {
		const struct task *t = list_entry(it, struct task, node);

		if (t->kind != TASK_CHILD_REKEY || !t->collided)
			continue;
		if (c->id == t->child_id)
			return child_find(sa, t->coll_child);
		if (c->id == t->coll_child)
			return child_find(sa, t->child_id);
	}
	return false;
}

/* One SPI of a Delete: both directions go. Returns our SPI if it belongs into the response. */
static uint32_t delete_one(struct ike *ike, struct ike_sa *sa, uint32_t peer_spi)
{
	struct ike_sa *owner;
	struct child_sa *c = child_by_peer_spi(ike, sa, peer_spi, &owner);
	struct task *t;
	uint32_t ours;
	bool crossing;

	if (!c) {
		note_unknown(sa, peer_spi);
		return 0; /* unknown: the response is without it (2.25.1) */
	}
	ours = c->spi_in;
	t = task_find(owner, TASK_CHILD_DELETE, c->id);
	crossing = t && task_in_flight(t);
	if (tie_settled(owner, c)) {
		log_ike(owner, LOG_DEBUG_,
			"Child SA %s %08x_i: removed by the peer after two rekeys", c->name,
			c->spi_in);
	} else if (child_in_use(c) || (t && t->op)) {
		out_event(ike, owner, IKE_EV_CHILD_DOWN, c->id, t ? t->op : 0,
			  "Child SA %s deleted by the peer", c->name);
		if (t)
			t->op = 0;
	}
	child_remove(ike, owner, c);
	/* "if ... the exchanges cross: no Delete payload for that SA in the response" (1.4.1) */
	return crossing ? 0 : ours;
}

/* There are no more of them than the line has Child SAs. Without memory for the answer they go all
 * the same: the peer wants them gone. */
static void delete_children(struct ike *ike, struct ike_sa *sa, const struct delete_payload *d,
			    struct msg_wr *m)
{
	size_t room = family_children(ike, sa->family), n = 0;
	uint32_t *ours = calloc(room + 1, sizeof(*ours));
	struct rd r = rd_init(d->spis.p, d->spis.len);

	for (unsigned i = 0; i < d->n; i++) {
		uint32_t spi = delete_one(ike, sa, rd_u32(&r));

		if (spi && ours && n < room)
			ours[n++] = spi;
	}
	if (n)
		msg_put_delete_spis(m, PROTO_ESP, ours, (unsigned)n);
	free(ours);
}

/* The peer closes the IKE SA. A rekey of ours that crossed it is dropped (2.25.2). */
static enum after delete_ike(struct ike *ike, struct ike_sa *sa)
{
	struct task *t = task_find(sa, TASK_IKE_REKEY, 0);

	if (t && task_in_flight(t) && ike_rekey_yield(ike, sa, t))
		task_end(ike, sa, t, IKE_EV_IKE_REKEYED, 0, "");
	snprintf(sa->why, sizeof(sa->why), "deleted by the peer");
	return AFTER_CLOSE;
}

enum after informational_request(struct ike *ike, struct ike_sa *sa, const struct ike_msg *in,
				 const struct ike_path *path, struct msg_wr *m)
{
	struct part_ctx parts = {
		.ike = ike, .sa = sa, .place = AT_INFO_RESPONSE, .in = in, .path = path, .m = m
	};

	for (unsigned i = 0; i < in->n_deletes; i++)
		if (in->deletes[i].protocol == PROTO_IKE)
			return delete_ike(ike, sa); /* the response is empty (1.4.1) */
	if (msg_notify(in, N_AUTHENTICATION_FAILED)) {
		snprintf(sa->why, sizeof(sa->why),
			 "the peer did not accept our authentication: check ids, and secret or "
			 "certificates");
		ike_sa_blame(sa, IKE_FAIL_AUTH, N_AUTHENTICATION_FAILED);
		COUNT(ike, sa, auth_failed);
		return AFTER_CLOSE;
	}
	for (unsigned i = 0; i < in->n_deletes; i++)
		if (in->deletes[i].protocol == PROTO_ESP && in->deletes[i].spi_len == 4)
			delete_children(ike, sa, &in->deletes[i], m);
	parts.place = AT_INFO_REQUEST;
	parts_process(&parts);
	mmx_request(&parts);
	parts.place = AT_INFO_RESPONSE;
	parts_build(&parts);
	if (parts.refusal != N_INVALID_SYNTAX)
		return AFTER_ANSWER;
	snprintf(sa->why, sizeof(sa->why), "the peer sent a malformed INFORMATIONAL request");
	return AFTER_CLOSE;
}
