/* SPDX-License-Identifier: GPL-2.0-only */
/* The sending half of the window, retransmission, and the way in for protected messages (RFC 7296
 * 2.1-2.4).
 *
 * A request is a task (task.c), which is built when the window has room, and then keeps its octets
 * until the response comes, so that retransmissions are bit-identical.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "child_sa.h"
#include "exchange.h"
#include "ike_private.h"
#include "mmx.h"
#include "parts.h"

/* Responder's side. IKE_SA_INIT is unprotected and has its own way in (sa_init.c). */
static const struct {
	uint8_t type;
	unsigned states; /* bit per enum ike_state */
	enum after (*request)(struct ike *ike, struct ike_sa *sa, const struct ike_msg *in,
			      const struct ike_path *path, struct msg_wr *m);
} exchanges[] = {
	{ IKE_AUTH, 1 << IKE_HALF_OPEN, auth_request },
	{ CREATE_CHILD_SA, 1 << IKE_ESTABLISHED | 1 << IKE_REKEYED | 1 << IKE_DELETING,
	  create_child_request },
	{ INFORMATIONAL, 1 << IKE_ESTABLISHED | 1 << IKE_REKEYED | 1 << IKE_DELETING,
	  informational_request },
};

/* ---- sending requests ---- */

static bool task_allowed(const struct ike_sa *sa, const struct task *t)
{
	switch (sa->state) {
	case IKE_INIT_SENT:
		return t->kind == TASK_IKE_INIT;
	case IKE_AUTH_SENT:
		return t->kind == TASK_IKE_AUTH || t->kind == TASK_AUTH_FAILED;
	case IKE_ESTABLISHED:
		return t->kind != TASK_IKE_INIT && t->kind != TASK_IKE_AUTH;
	case IKE_REKEYED:
	case IKE_DELETING:
		return t->kind == TASK_IKE_DELETE;
	case IKE_HALF_OPEN:
	case IKE_CLOSED:
		return false;
	}
	return false;
}

/* Not beside anything else: what the others work on may not be there afterwards (2.25.2). */
static bool exclusive(const struct task *t)
{
	return t->kind != TASK_CHILD_NEW && t->kind != TASK_CHILD_REKEY &&
	       t->kind != TASK_CHILD_DELETE && t->kind != TASK_LIVENESS && t->kind != TASK_SIZE &&
	       t->kind != TASK_UPDATE && t->kind != TASK_ROUTABILITY && t->kind != TASK_ADDRS &&
	       t->kind != TASK_PATH_TEST && t->kind != TASK_IKE_CLONE && t->kind != TASK_MMX &&
	       t->kind != TASK_MMX_PROBE;
}

/* "it MUST wait until it has received responses to all requests up through request X-N" (2.3) */
static bool window_full(const struct ike_sa *sa)
{
	const struct task *oldest;

	if (list_empty(&sa->inflight))
		return false;
	oldest = list_entry(sa->inflight.next, struct task, node);
	return sa->next_request - oldest->msg_id >= sa->peer_window || exclusive(oldest);
}

/* When t may be sent; USEC_NEVER: something has to be answered before. */
static usec_t task_at(const struct ike_sa *sa, const struct task *t)
{
	usec_t at = t->not_before;

	if (!task_allowed(sa, t) || (mmx_carried(sa, t) && mmx_in_flight(sa)))
		return USEC_NEVER;
	if (t->kind == TASK_MMX_PROBE && mmx_probe_at(sa) > at)
		at = mmx_probe_at(sa);
	return at;
}

static struct task *next_task(const struct ike_sa *sa, usec_t now)
{
	struct task *last = NULL;

	list_for_each (it, &sa->pending) {
		struct task *t = list_entry(it, struct task, node);

		if (task_at(sa, t) > now)
			continue;
		if (t->announces) {
			last = t;
			continue;
		}
		/* nothing overtakes it, or its turn would never come */
		return exclusive(t) && !list_empty(&sa->inflight) ? NULL : t;
	}
	return last;
}

static size_t seal(struct ike *ike, struct ike_sa *sa, uint8_t exchange, bool response,
		   uint32_t msg_id, bool whole, struct msg_wr *m)
{
	struct ike_hdr hdr = {
		.spi_i = sa->spi_i,
		.spi_r = sa->spi_r,
		.version = IKE_VERSION_2_0,
		.exchange = exchange,
		.flags = (sa->initiator ? IKE_FLAG_INITIATOR : 0) |
			 (response ? IKE_FLAG_RESPONSE : 0),
		.msg_id = msg_id,
	};
	size_t len = msg_end(m);

	if (m->w.err)
		return 0;
	return frag_seal(ike, sa, &hdr, whole, m->first, ike->plain, len);
}

static int task_build(struct ike *ike, struct ike_sa *sa, struct task *t, uint32_t msg_id)
{
	const struct task_ops *ops = &task_ops[t->kind];
	struct msg_wr m;
	size_t len;
	int ret;

	if (t->kind == TASK_IKE_INIT) {
		struct ike_hdr hdr = { .spi_i = sa->spi_i,
				       .version = IKE_VERSION_2_0,
				       .exchange = IKE_SA_INIT,
				       .flags = IKE_FLAG_INITIATOR };

		m = msg_begin(ike->sealed, sizeof(ike->sealed), &hdr);
		ret = ops->build(ike, sa, t, &m);
		len = ret ? 0 : msg_end(&m);
	} else {
		m = msg_begin_inner(ike->plain, sizeof(ike->plain));
		ret = ops->build(ike, sa, t, &m);
		len = ret ? 0
			  : seal(ike, sa, ops->exchange, false, msg_id, t->kind == TASK_SIZE, &m);
	}
	if (ret)
		return ret;
	if (!len)
		return -EMSGSIZE;
	t->packet = malloc(len);
	if (!t->packet)
		return -ENOMEM;
	memcpy(t->packet, ike->sealed, len);
	t->packet_len = len;
	return 0;
}

void window_send_via(struct ike *ike, struct ike_sa *sa, struct task *t,
		     const struct ike_path *path)
{
	bool known = t->n_via == VIAS_MAX;

	for (unsigned i = 0; i < t->n_via && !known; i++)
		known = path_same(&t->via[i], path);
	if (!known)
		t->via[t->n_via++] = *path;
	if (t->large && t->tries)
		out_send_whole(ike, sa, path, t->large, t->large_len);
	if (t->kind == TASK_SIZE && !t->shorter)
		out_send_whole(ike, sa, path, t->packet, t->packet_len);
	else
		out_send(ike, sa, path, t->packet, t->packet_len);
}

static void task_send(struct ike *ike, struct ike_sa *sa, struct task *t)
{
	window_send_via(ike, sa, t, t->testing ? &t->tested : &sa->path);
	t->tries++;
	t->next_send = ike->now + t->timeout;
	if (t->tries == 1)
		t->first_send = ike->now;
}

static void tell_sent(struct ike *ike, const struct ike_sa *sa, const struct task *t)
{
	const char *name = task_ops[t->kind].name,
		   *exchange = exchange_name(task_ops[t->kind].exchange);
	char peer[ADDR_PORT_STR];

	udp_addr_format(&sa->path.remote, peer);
	if (strcmp(name, exchange))
		out_step(ike, sa, t, "%s: %s sent to %s", name, exchange, peer);
	else
		out_step(ike, sa, t, "%s sent to %s", exchange, peer);
}

/* The peer will notice by itself (2.4); what is given up is not asked for minutes. */
static void soon(const struct ike *ike, const struct ike_sa *sa, struct task *t)
{
	if (!t->give_up)
		t->give_up = ike->now + 3 * sa->conn->c.retransmit_timeout;
}

void window_end_soon(struct ike *ike, struct ike_sa *sa)
{
	list_for_each (it, &sa->inflight)
		soon(ike, sa, list_entry(it, struct task, node));
	ike_sa_touch(sa);
}

/* "the IKE SA MUST be rekeyed or closed before" the Message IDs wrap (2.2): the last one is never
 * used, and a rekey begins in good time. */
static bool ids_left(struct ike *ike, struct ike_sa *sa)
{
	if (sa->next_request == MSG_ID_LAST) {
		ike_sa_close(ike, sa, false, "its Message IDs are used up");
		return false;
	}
	if (sa->next_request >= MSG_ID_REKEY && sa->state == IKE_ESTABLISHED && !sa->rekeys_tried &&
	    sa->rekey_at > ike->now) {
		sa->rekey_at = ike->now; /* and life.c goes on from there */
		ike_sa_touch(sa);
	}
	return true;
}

static int task_start(struct ike *ike, struct ike_sa *sa, struct task *t)
{
	int ret = task_build(ike, sa, t, sa->next_request);

	if (ret)
		return ret;
	if (t->kind == TASK_IKE_INIT)
		sa->next_request = 0; /* also its repetitions (2.2) */
	t->msg_id = sa->next_request++;
	if (!t->timeout)
		t->timeout = sa->conn->c.retransmit_timeout;
	task_offers(ike, t);
	list_remove(&t->node);
	list_append(&sa->inflight, &t->node);
	sa->n_inflight++;
	if (t->kind == TASK_IKE_DELETE)
		soon(ike, sa, t);
	ike_sa_touch(sa);
	task_send(ike, sa, t);
	count_message(ike, sa, task_ops[t->kind].exchange, false, true);
	tell_sent(ike, sa, t);
	if (t->kind == TASK_IKE_INIT) {
		/* AUTH covers the last version sent (2.15) */
		free(sa->init_req);
		sa->init_req = malloc(t->packet_len);
		if (!sa->init_req)
			return -ENOMEM;
		memcpy(sa->init_req, t->packet, t->packet_len);
		sa->init_req_len = t->packet_len;
	}
	return 0;
}

void window_run(struct ike *ike, struct ike_sa *sa)
{
	struct task *t;
	char text[WHY_MAX];

	while (ike_sa_alive(sa) && !window_full(sa) && (t = next_task(sa, ike->now)) &&
	       ids_left(ike, sa)) {
		int ret = task_start(ike, sa, t);

		if (!ret)
			continue;
		if (ret == -ECANCELED || (ret == -EAGAIN && t->not_before > ike->now)) {
			/* build found that there is nothing left to do, and ended the task, or
			 * that it has to wait */
			continue;
		}
		snprintf(text, sizeof(text), "%s could not be sent: %s", task_ops[t->kind].name,
			 strerror(-ret));
		if (!t->op)
			log_ike(sa, LOG_WARN_, "%s", text);
		if (t->kind == TASK_IKE_INIT || t->kind == TASK_IKE_AUTH ||
		    t->kind == TASK_IKE_DELETE)
			ike_sa_close(ike, sa, false, "%s", text);
		else
			task_end(ike, sa, t, IKE_EV_FAILED, t->child_id, text);
	}
}

/* What asks about one path stays there (4555 3.5). */
void window_resend(struct ike *ike, struct ike_sa *sa, const struct ike_path *path)
{
	list_for_each (it, &sa->inflight) {
		struct task *t = list_entry(it, struct task, node);

		if (!t->testing)
			window_send_via(ike, sa, t, path);
	}
}

/* The peer sends on an SA whose answer we do not have: it probably got lost (2.8). Once, since
 * anybody can send such a packet. */
bool window_hurry(struct ike *ike, uint32_t spi_in)
{
	struct task *t = task_offering_child(ike, spi_in);

	if (!t)
		return false;
	if (!t->hurried)
		t->next_send = ike->now;
	t->hurried = true;
	ike_sa_touch(t->sa);
	return true;
}

static void give_up(struct ike *ike, struct ike_sa *sa, const struct task *t)
{
	char peer[ADDR_PORT_STR];

	COUNT(ike, sa, gave_up);
	udp_addr_format(&sa->path.remote, peer);
	if (t->kind == TASK_AUTH_FAILED) {
		char why[WHY_MAX];

		snprintf(why, sizeof(why), "%s", sa->why);
		ike_sa_close(ike, sa, false, "%s", why);
	} else if (t->unprotected_error) {
		ike_sa_blame(sa, IKE_FAIL_REFUSED, t->unprotected_error);
		ike_sa_close(ike, sa, false, "peer %s refused: %s%s", peer,
			     notify_name(t->unprotected_error), refusal_hint(t->unprotected_error));
	} else if (hint_disowned_long(ike, t)) {
		ike_sa_blame(sa, IKE_FAIL_NO_ANSWER, 0);
		ike_sa_close(
			ike, sa, false,
			"%s does not know this IKE SA any more: it said so %u times to %s, and "
			"nothing else",
			peer, t->n_disowned, task_ops[t->kind].name);
	} else {
		ike_sa_blame(sa, IKE_FAIL_NO_ANSWER, 0);
		ike_sa_close(
			ike, sa, false,
			"no answer from %s to %s (message %u) after %u tries in %.1f s; is it up, "
			"and UDP %u open on the way?",
			peer, task_ops[t->kind].name, t->msg_id, t->tries,
			(double)(ike->now - t->first_send) / USEC_PER_SEC, sa->path.remote.port);
	}
}

static const usec_t RETRANSMIT_MAX = 30 * USEC_PER_SEC;

/* A dozen tries in several minutes are wanted (2.4), and not in half an hour: so long it would take
 * to notice that a peer begins anew. */
static usec_t grown(const struct ike_conn_cfg *c, usec_t timeout)
{
	usec_t next = (usec_t)((double)timeout * c->retransmit_base);

	return next <= RETRANSMIT_MAX ? next : timeout > RETRANSMIT_MAX ? timeout : RETRANSMIT_MAX;
}

/* A request that may have been too large gets a short sister with its Message ID: size.c. */
static void shorten(struct ike *ike, struct ike_sa *sa, struct task *t)
{
	t->large = t->packet;
	t->large_len = t->packet_len;
	t->packet = NULL;
	t->shorter = true;
	if (task_build(ike, sa, t, t->msg_id)) {
		t->packet = t->large; /* once more as it is, then */
		t->large = NULL;
		t->shorter = false;
	} else {
		t->large_tries = (uint8_t)t->tries;
		t->tries = 0;
		t->timeout = t->quick ? doubt_late(sa) : sa->conn->c.retransmit_timeout;
	}
	task_send(ike, sa, t);
	ike_sa_touch(sa);
}

usec_t window_late(const struct ike_sa *sa, usec_t more, usec_t unknown)
{
	usec_t d = sa->rtt ? 2 * sa->rtt + more : unknown;

	return d < sa->conn->c.retransmit_timeout ? d : sa->conn->c.retransmit_timeout;
}

/* After the tries of somebody in doubt those that any request gets. */
static usec_t next_timeout(const struct ike_conn_cfg *c, const struct task *t)
{
	if (t->probing && t->testing)
		return 2 * t->timeout;
	return t->quick && t->tries == t->quick ? c->retransmit_timeout : grown(c, t->timeout);
}

void window_tick(struct ike *ike, struct ike_sa *sa)
{
	char peer[ADDR_PORT_STR];

	frag_tick(ike, sa);
	list_for_each_safe (it, tmp, &sa->inflight) {
		struct task *t = list_entry(it, struct task, node);

		if (hint_disowned_long(ike, t)) {
			give_up(ike, sa, t);
			return;
		}
		if (t->suspect_until <= ike->now)
			t->suspect_until = t->n_disowned = 0; /* not often enough */
		if (t->next_send > ike->now && (!t->give_up || t->give_up > ike->now))
			continue;
		if ((t->tries > sa->conn->c.retransmit_tries + t->quick && !t->testing &&
		     !size_patient(sa, t) && !pair_patient(ike, sa, t)) ||
		    (t->give_up && t->give_up <= ike->now)) {
			give_up(ike, sa, t);
			return;
		}
		if (t->kind == TASK_SIZE && !t->shorter) {
			if (size_again(sa, t))
				task_send(ike, sa, t);
			else
				shorten(ike, sa, t);
			continue;
		}
		pair_unanswered(ike, sa, t);
		udp_addr_format(&sa->path.remote, peer);
		t->timeout = next_timeout(&sa->conn->c, t);
		if (t->kind == TASK_IKE_INIT && sa_init_elsewhere(ike, sa, t))
			return;
		out_step(ike, sa, t, "no answer from %s to %s, sent again, %u of %u", peer,
			 task_ops[t->kind].name, t->tries, sa->conn->c.retransmit_tries + t->quick);
		task_send(ike, sa, t);
		COUNT(ike, sa, retransmits);
	}
}

usec_t window_deadline(const struct ike_sa *sa)
{
	usec_t d = frag_deadline(sa);

	list_for_each (it, &sa->inflight) {
		const struct task *t = list_entry(it, struct task, node);

		d = t->next_send < d ? t->next_send : d;
		if (t->give_up && t->give_up < d)
			d = t->give_up;
		if (t->suspect_until && t->suspect_until < d)
			d = t->suspect_until;
	}
	if (window_full(sa))
		return d;
	list_for_each (it, &sa->pending) {
		const struct task *t = list_entry(it, struct task, node);

		if (task_at(sa, t) == USEC_NEVER)
			continue;
		if (exclusive(t) && !list_empty(&sa->inflight))
			break; /* it waits for answers, and what comes after it for it */
		d = task_at(sa, t) < d ? task_at(sa, t) : d;
	}
	return d;
}

void window_renew(struct ike_sa *sa)
{
	sa->qcd_due = sa->ike->qcd_maker;
	if (sa->conn->c.window > 1 || sa->qcd_due)
		task_new(sa, TASK_LIVENESS, 0); /* without memory it goes without */
}

bool window_announced(const struct ike_sa *sa)
{
	return sa->window >= sa->conn->c.window && !sa->qcd_due;
}

void window_announce(struct ike_sa *sa, usec_t at)
{
	struct task *t = window_announced(sa) ? NULL : task_new(sa, TASK_LIVENESS, 0);

	if (!t)
		return;
	t->announces = true;
	t->not_before = at;
}

/* ---- receiving ---- */

/* Decrypt the one message or fragment in buf. 0, or -EBADMSG for what has to be dropped. */
static int open_datagram(struct ike *ike, struct ike_sa *sa, uint8_t *buf, size_t len,
			 struct ike_msg *in, uint8_t **ret_inner, size_t *ret_len)
{
	uint8_t critical;

	if (msg_decode(buf, len, in, &critical) != MSG_OK || (!in->has_sk && !in->has_skf)) {
		COUNT(ike, sa, dropped_syntax);
		return -EBADMSG;
	}
	if (in->has_skf && !frag_wanted(ike, sa, in))
		return -EBADMSG;
	if (!sa->aead_in || sk_open(sa->aead_in, &sa->sizes, buf, len, in, ret_inner, ret_len)) {
		COUNT(ike, sa, dropped_integrity);
		return -EBADMSG;
	}
	return 0;
}

/* Decrypt and decode. 0; -EBADMSG for what has to be dropped, -EAGAIN and -ENOBUFS for a fragment
 * that does not make a message whole. hash: of the datagram, then of the message's first one.
 * *ret_verdict tells about the inner payloads, which are authentic. */
static int open_message(struct ike *ike, struct ike_sa *sa, uint8_t *buf, size_t len, uint8_t *hash,
			struct ike_msg *in, enum msg_verdict *ret_verdict, uint8_t *ret_critical)
{
	uint8_t *inner;
	size_t inner_len;
	int ret = open_datagram(ike, sa, buf, len, in, &inner, &inner_len);

	if (!ret && in->has_skf)
		ret = frag_take(ike, sa, in, hash, inner, inner_len, &inner, &inner_len);
	if (ret)
		return ret;
	frag_done(ike, sa, &in->hdr);
	*ret_verdict = msg_decode_inner(in->sk_next, inner, inner_len, in, ret_critical);
	return 0;
}

/* R does so when nobody answers it on the pair that is ours to choose (RFC 4555 3.5, 3.11): is that
 * one good any more? Probes of MMX come on all paths. */
static void asked_elsewhere(struct ike *ike, struct ike_sa *sa, const struct ike_path *path)
{
	if (sa->mobike && sa->role_i && !sa->mmx && sa->state == IKE_ESTABLISHED &&
	    !mobike_on_pair(sa, path))
		doubt_peer(ike, sa); /* without memory as without doubt */
}

/* The window check, on the raw datagram. True: go on and decrypt. */
static bool in_window(struct ike *ike, struct ike_sa *sa, const struct ike_path *path, uint8_t *buf,
		      size_t len, const struct ike_hdr *hdr, uint8_t hash[SHA256_OCTETS])
{
	struct chunk in = { buf, len };
	struct response_cache *c;

	if (sha256_digest(&in, 1, hash))
		return false;
	c = rxwin_answered(sa, hdr->msg_id);
	if (c) {
		/* only an identical copy gets the stored answer, at the source of this copy; of a
		 * request in fragments, the first (RFC 7383 2.6) */
		if (!memcmp(c->hash, hash, SHA256_OCTETS) || frag_repeats(sa, buf, len)) {
			mmx_answer_repeated(ike, sa, hdr->msg_id, path);
			asked_elsewhere(ike, sa, path);
			out_send(ike, sa, path, c->buf, c->len);
			COUNT(ike, sa, retransmits_rx);
			return false;
		}
	} else if (rxwin_new(sa, hdr->msg_id) && sa->state != IKE_CLOSED) {
		return true;
	}
	COUNT(ike, sa, dropped_window);
	return false;
}

/* What was done has to be told, also when the same request comes again (2.1): there is room for an
 * answer before anything is done. */
static bool can_answer(struct ike *ike)
{
	if (!ike->spare)
		ike->spare = malloc(IKE_MSG_MAX);
	return ike->spare;
}

static void respond(struct ike *ike, struct ike_sa *sa, const struct ike_path *path,
		    const struct ike_hdr *hdr, struct msg_wr *m, const uint8_t *hash)
{
	size_t len = seal(ike, sa, hdr->exchange, true, hdr->msg_id, false, m);
	uint8_t *copy;

	if (!len)
		return; /* as if lost: the peer retransmits and gets no second run (2.1) */
	copy = malloc(len);
	if (!copy) {
		copy = ike->spare;
		ike->spare = NULL;
	}
	memcpy(copy, ike->sealed, len);
	rxwin_answer(sa, hdr->msg_id, hash, copy, len);
	out_send(ike, sa, path, copy, len);
	count_message(ike, sa, hdr->exchange, true, true);
	if (m->error)
		count_error(ike, sa, m->error, true);
}

/* What an authenticated peer asks in a way of its own is well-formed for all we know, and
 * INVALID_SYNTAX would end what works (2.21.3); without an answer the peer's window would stay shut
 * until it gives the IKE SA up. So there is one, with nothing in it: nothing was done. */
static enum after unknown_exchange(const struct ike_sa *sa, const struct ike_msg *in)
{
	log_ike(sa, LOG_INFO_, "the peer began an exchange of the unknown type %u: answered empty",
		in->hdr.exchange);
	return AFTER_ANSWER;
}

static enum after dispatch(struct ike *ike, struct ike_sa *sa, const struct ike_msg *in,
			   const struct ike_path *path, struct msg_wr *m)
{
	bool known = false;

	for (unsigned i = 0; i < sizeof(exchanges) / sizeof(exchanges[0]); i++) {
		if (exchanges[i].type != in->hdr.exchange)
			continue;
		if (exchanges[i].states & 1u << sa->state)
			return exchanges[i].request(ike, sa, in, path, m);
		known = true;
	}
	if (sa->state == IKE_HALF_OPEN || (known && sa->state != IKE_ESTABLISHED))
		return AFTER_DROP;
	if (!known)
		return unknown_exchange(sa, in);
	msg_put_notify(m, PROTO_NONE, NULL, 0, N_INVALID_SYNTAX, NULL, 0);
	snprintf(sa->why, sizeof(sa->why), "the peer sent %s, which has no place here any more",
		 exchange_name(in->hdr.exchange));
	return AFTER_CLOSE;
}

void window_request(struct ike *ike, struct ike_sa *sa, const struct ike_path *path, uint8_t *buf,
		    size_t len, const struct ike_hdr *hdr)
{
	uint8_t hash[SHA256_OCTETS], critical = 0;
	enum msg_verdict verdict;
	enum after after;
	struct ike_msg in;
	struct msg_wr m;

	if (!in_window(ike, sa, path, buf, len, hdr, hash) || !can_answer(ike) ||
	    open_message(ike, sa, buf, len, hash, &in, &verdict, &critical))
		return;
	sa->heard = true;
	natd_seen(ike, sa, path);
	asked_elsewhere(ike, sa, path);
	count_message(ike, sa, hdr->exchange, false, false);
	m = msg_begin_inner(ike->plain, sizeof(ike->plain));
	if (verdict == MSG_OK) {
		count_errors_in(ike, sa, &in);
		after = dispatch(ike, sa, &in, path, &m);
	} else {
		bool crit = verdict == MSG_UNSUPPORTED_CRITICAL;

		/* authentic, yet wrong: fatal for the IKE SA unless it is only a payload type we
		 * do not know (2.5, 2.21.3) */
		msg_put_notify(&m, PROTO_NONE, NULL, 0,
			       crit ? N_UNSUPPORTED_CRITICAL_PAYLOAD : N_INVALID_SYNTAX, &critical,
			       crit ? 1 : 0);
		after = crit && sa->state != IKE_HALF_OPEN ? AFTER_ANSWER : AFTER_CLOSE;
		snprintf(sa->why, sizeof(sa->why), "the peer sent a malformed %s request",
			 exchange_name(hdr->exchange));
	}
	if (mobike_on_pair(sa, path))
		sa->last_rx = ike->now;
	if (after == AFTER_DROP)
		return;
	rxwin_taken(sa, hdr->msg_id);
	respond(ike, sa, path, hdr, &m, hash);
	ike_sa_touch(sa);
	if (after == AFTER_CLOSE) {
		char why[WHY_MAX];

		snprintf(why, sizeof(why), "%s", sa->why);
		ike_sa_close(ike, sa, true, "%s", why);
	}
	if (ike_sa_alive(sa))
		window_run(ike, sa);
}

/* Where it was: the oldest is the first. */
static void back_in_flight(struct ike_sa *sa, struct task *t)
{
	struct list *next = &sa->inflight;

	list_for_each (it, &sa->inflight)
		if (next == &sa->inflight && list_entry(it, struct task, node)->msg_id > t->msg_id)
			next = it;
	list_append(next, &t->node);
}

void window_response(struct ike *ike, struct ike_sa *sa, const struct ike_path *path, uint8_t *buf,
		     size_t len, const struct ike_hdr *hdr)
{
	struct task *t = task_in_flight_as(sa, hdr->msg_id, hdr->exchange);
	enum msg_verdict verdict;
	uint8_t hash[SHA256_OCTETS] = { 0 }, critical = 0; /* nobody asks for a response's hash */
	struct ike_msg in;
	enum task_end end;

	if (!t || !ike_sa_alive(sa)) {
		COUNT(ike, sa, dropped_window);
		return;
	}
	if (t->kind == TASK_IKE_INIT) {
		sa_init_response(ike, sa, path, buf, len);
		return;
	}
	if (open_message(ike, sa, buf, len, hash, &in, &verdict, &critical))
		return;
	if (mobike_on_pair(sa, path))
		sa->last_rx = ike->now;
	sa->heard = true;
	count_message(ike, sa, hdr->exchange, true, false);
	if (verdict != MSG_OK) {
		/* no answer to a response: clean up here (2.21) */
		ike_sa_close(ike, sa, false, "the peer sent a malformed %s response",
			     exchange_name(hdr->exchange));
		return;
	}
	count_errors_in(ike, sa, &in);
	natd_seen(ike, sa, path);
	pair_answered(ike, sa, t, path);
	if (t->tries == 1 && mobike_on_pair(sa, path))
		sa->rtt = sa->rtt ? (7 * sa->rtt + ike->now - t->first_send) / 8
				  : ike->now - t->first_send;
	ike_sa_touch(sa);
	if (hdr->exchange != IKE_AUTH && msg_notify(&in, N_INVALID_SYNTAX)) {
		/* fatal on both sides and without a Delete: the peer has closed it already (2.21.3)
		 */
		ike_sa_close(ike, sa, false, "the peer answered %s to %s",
			     notify_name(N_INVALID_SYNTAX), task_ops[t->kind].name);
		return;
	}
	list_remove(&t->node); /* it is done()'s now: closing the IKE SA must not end it twice */
	end = task_ops[t->kind].done(ike, sa, t, &in, path);
	if (end == TASK_UNHEARD && ike_sa_alive(sa)) {
		back_in_flight(sa, t);
	} else if (end == TASK_AGAIN && ike_sa_alive(sa)) {
		task_reset_packet(sa, t);
	} else {
		sa->n_inflight--;
		task_free(ike, t);
	}
	if (ike_sa_alive(sa))
		window_run(ike, sa);
	reauth_run(ike, sa);
}
