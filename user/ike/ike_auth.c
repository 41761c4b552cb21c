/* SPDX-License-Identifier: GPL-2.0-only */
/* IKE_AUTH, both roles (RFC 7296 1.2, 2.21.2). What is in AUTH and CERT: proof.c.
 *
 *   I: SK{ IDi, [CERTREQ,] [IDr,] [CERT+,] AUTH,
 *          [N(INITIAL_CONTACT),] [CP,] [V,] SA, TSi, TSr }  -->
 *   R:     <--  SK{ IDr, [CERT+,] AUTH, [CP,] [V,] SA, TSi, TSr }
 *     or   <--  SK{ IDr, [CERT+,] AUTH, [CP,] N(why there is no Child SA) }
 *     or   <--  SK{ N(AUTHENTICATION_FAILED) }
 *
 * A peer may leave out SA, TSi and TSr, and make its Child SAs afterwards (RFC 6023).
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "child_sa.h"
#include "exchange.h"
#include "ike_private.h"
#include "mmx.h"
#include "parts.h"

/* Connections whose proof is tried for one IKE_AUTH: each may cost a chain of certificates. */
enum { PROOFS_MAX = 16 };

/* Without a configured identity ours is the address we use. */
static int local_id_set(struct ike_sa *sa)
{
	const struct addr *a = &sa->path.local.ip;
	struct ike_id id = { .type = a->family == 6 ? ID_IPV6_ADDR : ID_IPV4_ADDR,
			     .len = (uint16_t)addr_len(a) };

	if (sa->conn->c.local_id.type)
		return id_keep(&sa->local_id, &sa->conn->c.local_id);
	memcpy(id.data, a->b, addr_len(a));
	return id_keep(&sa->local_id, &id);
}

static bool id_take(struct ike_id *out, const struct id_payload *p)
{
	if (p->data.len > IKE_ID_MAX || !p->type)
		return false;
	memset(out, 0, sizeof(*out));
	out->type = p->type;
	out->len = (uint16_t)p->data.len;
	if (out->len)
		memcpy(out->data, p->data.p, out->len);
	return true;
}

static bool remote_id_take(struct ike_sa *sa, const struct id_payload *p)
{
	struct ike_id id;

	return id_take(&id, p) && !id_keep(&sa->remote_id, &id);
}

static void established(struct ike *ike, struct ike_sa *sa, const char *how)
{
	char suite[IKE_SUITE_STR], id[128];

	ike_sa_state(ike, sa, IKE_ESTABLISHED, how);
	life_auth_start(ike, sa);
	sa->announced = true;
	COUNT(ike, sa, ike_up);
	suite_format(&sa->suite, PROTO_IKE, suite);
	out_event(ike, sa, IKE_EV_IKE_UP, 0, 0, "IKE SA up with %s, %s%s",
		  id_format(sa->remote_id, id), suite,
		  sa->nat_local	   ? ", we are behind a NAT"
		  : sa->nat_remote ? ", the peer is behind a NAT"
				   : "");
}

/* ---- initiator ---- */

int auth_build(struct ike *ike, struct ike_sa *sa, struct task *t, struct msg_wr *m)
{
	char why[WHY_MAX] = "out of memory";
	int ret;

	if (local_id_set(sa) || proof_put(sa, true, NULL, m, why)) {
		ike_sa_blame(sa, IKE_FAIL_AUTH, 0);
		ike_sa_close(ike, sa, false, "IKE_AUTH cannot be made: %s", why);
		return -ECANCELED; /* t ended with it */
	}
	parts_build(&(struct part_ctx){
		.ike = ike, .sa = sa, .place = AT_AUTH_REQUEST, .path = &sa->path, .m = m });
	ret = child_offer(ike, sa, t, NULL, false, m); /* no KE: PFS does not exist here (1.2) */
	if (!ret) {
		child_offer_ts(sa, t, NULL, m);
		mmx_outer_ask(sa, t, m);
	}
	return ret;
}

/* The peer must hear it when its AUTH does not verify (2.21.2). */
static void reject_responder(struct ike *ike, struct ike_sa *sa, struct task *t, const char *why)
{
	struct task *n = task_new(sa, TASK_AUTH_FAILED, t->op);

	t->op = 0;
	snprintf(sa->why, sizeof(sa->why), "%s", why);
	ike_sa_blame(sa, IKE_FAIL_AUTH, 0);
	COUNT(ike, sa, auth_failed);
	if (!n)
		ike_sa_close(ike, sa, false, "%s", why);
}

int auth_failed_build(struct ike *ike, struct ike_sa *sa, struct task *t, struct msg_wr *m)
{
	t->give_up = ike->now + 3 * sa->conn->c.retransmit_timeout;
	msg_put_notify(m, PROTO_NONE, NULL, 0, N_AUTHENTICATION_FAILED, NULL, 0);
	return 0;
}

enum task_end auth_failed_done(struct ike *ike, struct ike_sa *sa, struct task *t,
			       const struct ike_msg *in, const struct ike_path *path)
{
	char why[WHY_MAX];

	(void)in;
	(void)path;
	snprintf(why, sizeof(why), "%s", sa->why);
	out_event(ike, sa, IKE_EV_FAILED, 0, t->op, "%s", why);
	ike_sa_close(ike, sa, false, "%s", why);
	return TASK_FREE;
}

static void first_child(struct ike *ike, struct ike_sa *sa, struct task *t,
			const struct ike_msg *in)
{
	const struct notify *err = msg_error_notify(in);
	struct child_deal d = { .initiator = true };
	struct child_sa *child;
	char peer[ADDR_PORT_STR];
	int ret;

	d.cfg = conn_child(sa->conn, t->child_name);
	d.replaces = reauth_replaces(ike, sa, t->child_name);
	udp_addr_format(&sa->path.remote, peer);
	if (err && err->type == N_SINGLE_PAIR_REQUIRED && child_single_pair(sa, t)) {
		struct task *again = task_new(sa, TASK_CHILD_NEW, t->op);

		if (again) {
			t->op = 0;
			again->single_pair = true;
			memcpy(again->child_name, t->child_name, sizeof(again->child_name));
			again->wish = t->wish;
			t->wish = NULL;
			return;
		}
	}
	if (!in->has_sa || !in->has_tsi || !in->has_tsr) {
		ike_sa_blame(sa, IKE_FAIL_REFUSED, err ? err->type : 0);
		out_event(ike, sa, IKE_EV_FAILED, 0, t->op,
			  "peer %s refused Child SA %s: %s%s; the IKE SA stays up", peer,
			  t->child_name, err ? notify_name(err->type) : "no reason given",
			  err ? refusal_hint(err->type) : "");
		ike_sa_blame(sa, IKE_FAIL_OTHER, 0);
		return;
	}
	if (!child_answered(sa, t, NULL, false, in, &d)) {
		struct task *del;

		/* what it installed is not what we offered: away with it (TS-6) */
		out_event(ike, sa, IKE_EV_FAILED, 0, t->op,
			  "peer %s answered for Child SA %s with what was not offered; the IKE SA "
			  "is closed",
			  peer, t->child_name);
		del = task_new(sa, TASK_IKE_DELETE, 0);
		if (!del)
			ike_sa_close(ike, sa, false, "out of memory");
		return;
	}
	ret = mmx_outer_answered(sa, t, in, &d.binding) && mmx_transport_fits(sa, &d)
		      ? 0
		      : -ENETUNREACH;
	if (!ret)
		ret = child_install(ike, sa, &d, NULL, &sa->ni, &sa->nr, &child);
	if (ret) {
		mmx_outer_drop(sa, d.binding);
		out_event(ike, sa, IKE_EV_FAILED, 0, t->op, "Child SA %s cannot be made: %s",
			  t->child_name,
			  ret == -ENETUNREACH ? "the peer does not take those endpoints"
					      : strerror(-ret));
		child_undo(ike, sa, t, in);
		return;
	}
	t->spi_in = 0;
	out_event(ike, sa, IKE_EV_CHILD_UP, child->id, t->op, "Child SA %s up", child->name);
}

enum task_end auth_done(struct ike *ike, struct ike_sa *sa, struct task *t,
			const struct ike_msg *in, const struct ike_path *path)
{
	const struct ike_conn_cfg *conn = &sa->conn->c;
	const struct notify *err = msg_error_notify(in);
	char peer[ADDR_PORT_STR], id[128], why[WHY_MAX], clause[WHY_MAX];

	udp_addr_format(&sa->path.remote, peer);
	if (!in->has_idr || !in->has_auth) {
		snprintf(why, sizeof(why), "peer %s refused: %s%s", peer,
			 err ? notify_name(err->type) : "IKE_AUTH without AUTH",
			 err ? refusal_hint(err->type) : "");
		ike_sa_blame(sa,
			     err && err->type == N_AUTHENTICATION_FAILED ? IKE_FAIL_AUTH
									 : IKE_FAIL_REFUSED,
			     err ? err->type : 0);
		out_event(ike, sa, IKE_EV_FAILED, 0, t->op, "%s", why);
		ike_sa_close(ike, sa, false, "%s", why);
		return TASK_FREE;
	}
	if (!remote_id_take(sa, &in->idr) || !id_matches(&conn->remote_id, sa->remote_id)) {
		snprintf(why, sizeof(why), "peer %s calls itself %.60s, which is not its id here",
			 peer, id_format(sa->remote_id, id));
		reject_responder(ike, sa, t, why);
		return TASK_FREE;
	}
	if (!proof_check(ike, sa, conn, false, in, clause)) {
		snprintf(why, sizeof(why), "peer %s did not prove its id %.40s: %.160s", peer,
			 id_format(sa->remote_id, id), clause);
		reject_responder(ike, sa, t, why);
		return TASK_FREE;
	}
	if (mmx_missing(sa, in)) {
		snprintf(why, sizeof(why), "peer %s does not speak MMX, which is required", peer);
		reject_responder(ike, sa, t, why);
		return TASK_FREE;
	}
	parts_process(&(struct part_ctx){
		.ike = ike, .sa = sa, .place = AT_AUTH_RESPONSE, .in = in, .path = path });
	out_step(ike, sa, t, "IKE_AUTH answered: the peer is %.60s", id_format(sa->remote_id, id));
	established(ike, sa, "IKE_AUTH answered");
	first_child(ike, sa, t, in);
	return TASK_FREE;
}

/* ---- responder ---- */

/* Does the connection accept the algorithms that IKE_SA_INIT settled on? */
static bool suite_fits(const struct ike_conn_cfg *c, const struct suite *s)
{
	struct sa_payload offer;
	struct suite again;
	uint64_t spi;
	uint8_t number;

	suite_answer(&offer, PROTO_IKE, s, 1, 0, 0);
	return suite_select(&offer, PROTO_IKE, 0, c->proposals, c->n_proposals, true, s->ke, &again,
			    &number, &spi);
}

/* How closely a connection names who the peer says it is: 0 not at all, 1 as anybody, 2 by a
 * pattern, 3 by that very identity. */
static unsigned closeness(const struct ike_conn_cfg *c, const struct ike_id *id)
{
	if (!id_matches(&c->remote_id, id))
		return 0;
	return c->remote_id.type == 0 ? 1 : ike_id_is_pattern(&c->remote_id) ? 2 : 3;
}

/* Is it one of the connections of the identity of ours that the peer asked for, if it did? */
static bool ours(const struct ike_conn_cfg *c, const struct ike_id *idr)
{
	return !idr->type || !c->local_id.type || id_matches(&c->local_id, idr);
}

/* The connection the identities name (RFC 4301 4.4.3). Whom some connection names more closely than
 * others do is authenticated the way that one says and no other: whoever satisfies a connection for
 * anybody does not thereby become the gateway that has a connection, and a certificate, of its own.
 * Addresses and algorithms do not count there, since the peer chooses them. Among equals a proof
 * that fails is tried against the next. why: about the last that was tried. */
static struct conn *authenticate(struct ike *ike, struct ike_sa *sa, const struct ike_msg *in,
				 const struct ike_path *path, char why[WHY_MAX])
{
	struct ike_id idr = { 0 };
	unsigned tried = 0, closest = 1;

	snprintf(why, WHY_MAX, "an id is empty, or longer than %d octets", IKE_ID_MAX);
	if (!remote_id_take(sa, &in->idi) || (in->has_idr && !id_take(&idr, &in->idr)))
		return NULL;
	snprintf(why, WHY_MAX, "no connection for it");
	list_for_each (it, &ike->conns) {
		const struct conn *c = list_entry(it, struct conn, node);
		unsigned n = ours(&c->c, &idr) ? closeness(&c->c, sa->remote_id) : 0;

		closest = n > closest ? n : closest;
	}
	list_for_each (it, &ike->conns) {
		struct conn *c = list_entry(it, struct conn, node);

		if (!ours(&c->c, &idr) || closeness(&c->c, sa->remote_id) < closest ||
		    !conn_fits_path(&c->c, path) || !suite_fits(&c->c, &sa->suite))
			continue;
		if (tried++ == PROOFS_MAX)
			break;
		if (proof_check(ike, sa, &c->c, true, in, why))
			return c;
	}
	return NULL;
}

static void accept_child(struct ike *ike, struct ike_sa *sa, const struct ike_msg *in,
			 struct part_ctx *parts, struct child_deal *d, struct mmx_outer_deal *outer,
			 uint16_t *ret_refusal)
{
	struct child_sa *child = NULL;
	uint16_t refusal;
	int ret;

	/* the others can have their own, bound to what they are for (MMX 5) */
	d->first_vip = mmx_outer_asked(sa, in) && sa->n_peer_vips > 1;
	refusal = parts->cp_error;
	if (!refusal)
		refusal = mmx_outer_request(sa, in, outer, &d->binding);
	if (!refusal)
		refusal = child_negotiate(ike, sa, in, NULL, false, d);
	if (refusal)
		mmx_outer_undo(sa, outer, &d->binding);
	if (!refusal) {
		ret = child_install(ike, sa, d, NULL, &sa->ni, &sa->nr, &child);
		if (ret) {
			ike->env.spi_free(ike->env.ctx, d->spi_in);
			mmx_outer_drop(sa, d->binding);
			refusal = N_NO_ADDITIONAL_SAS;
		} else {
			out_event(ike, sa, IKE_EV_CHILD_UP, child->id, 0, "Child SA %s up",
				  child->name);
		}
	}
	if (refusal)
		log_ike(sa, LOG_WARN_, "no Child SA for the peer: answered %s%s",
			notify_name(refusal), refusal_hint(refusal));
	*ret_refusal = refusal;
}

static enum after auth_refuse(struct ike *ike, struct ike_sa *sa, const struct ike_path *path,
			      const char *why, struct msg_wr *m)
{
	char id[128];

	COUNT(ike, sa, auth_failed);
	log_stranger(ike, path, "peer with id %.60s: %.190s; answered AUTHENTICATION_FAILED",
		     id_format(sa->remote_id, id), why);
	snprintf(sa->why, sizeof(sa->why), "the peer was not authenticated");
	msg_put_notify(m, PROTO_NONE, NULL, 0, N_AUTHENTICATION_FAILED, NULL, 0);
	return AFTER_CLOSE;
}

enum after auth_request(struct ike *ike, struct ike_sa *sa, const struct ike_msg *in,
			const struct ike_path *path, struct msg_wr *m)
{
	struct part_ctx parts = {
		.ike = ike, .sa = sa, .place = AT_AUTH_REQUEST, .in = in, .path = path
	};
	struct child_deal d = { .initiator = false };
	struct mmx_outer_deal outer = { .status = MMX_OK };
	struct msg_wr before = *m;
	struct conn *conn = NULL;
	char why[WHY_MAX] = "it wants EAP";
	bool childless = !in->has_sa && !in->has_tsi && !in->has_tsr; /* RFC 6023 */
	uint16_t refusal = 0, nat;

	/* the IKE SA's addresses are those of the first IKE_AUTH request (4555 3.3) */
	sa->path = *path;
	if (!in->has_idi ||
	    (in->has_auth && !childless && (!in->has_sa || !in->has_tsi || !in->has_tsr))) {
		snprintf(sa->why, sizeof(sa->why), "the peer's IKE_AUTH lacks payloads");
		msg_put_notify(m, PROTO_NONE, NULL, 0, N_INVALID_SYNTAX, NULL, 0);
		return AFTER_CLOSE;
	}
	/* without AUTH the peer asks for EAP, which will begin here */
	if (in->has_auth)
		conn = authenticate(ike, sa, in, path, why);
	if (!conn)
		return auth_refuse(ike, sa, path, why, m);
	conn_ref(conn);
	conn_unref(sa->conn);
	sa->conn = conn;
	snprintf(why, sizeof(why), "out of memory");
	if (local_id_set(sa))
		return auth_refuse(ike, sa, path, why, m);
	if (conn_mobike(sa) && msg_notify(in, N_MOBIKE_SUPPORTED) &&
	    (nat = nonat_check(in, path))) {
		log_ike(sa, LOG_WARN_, "NO_NATS_ALLOWED of the peer does not fit: answered %s",
			notify_name(nat));
		snprintf(sa->why, sizeof(sa->why), "a NAT is on the way, or was made up");
		msg_put_notify(m, PROTO_NONE, NULL, 0, nat, NULL, 0);
		return AFTER_CLOSE;
	}
	if (mmx_missing(sa, in))
		return auth_refuse(ike, sa, path, "it does not speak MMX, which is required", m);
	if (!unique_admits(ike, sa, in))
		return auth_refuse(ike, sa, path,
				   "another IKE SA of it is up from elsewhere (unique = keep)", m);
	if (proof_put(sa, false, in, m, why)) {
		*m = before;
		return auth_refuse(ike, sa, path, why, m);
	}
	established(ike, sa, "the peer is authenticated");
	parts_process(&parts);
	if (!childless)
		accept_child(ike, sa, in, &parts, &d, &outer, &refusal);
	parts.place = AT_AUTH_RESPONSE;
	parts.m = m;
	parts_build(&parts);
	if (refusal) {
		msg_put_notify(m, PROTO_NONE, NULL, 0, refusal, NULL, 0);
	} else if (!childless) {
		child_answer_sa(&d, m);
		child_answer_ts(sa, &d, m);
	}
	mmx_outer_reply(sa, &outer, m);
	return AFTER_ANSWER;
}
