/* SPDX-License-Identifier: GPL-2.0-only */
/* Does the peer receive where it says it is? (RFC 4555 3.7)
 *
 *   SK{ [N(NAT_DETECTION_*),] N(COOKIE2) }  -->  <--  SK{ [N(NAT_DETECTION_*),] N(COOKIE2) }
 *
 * An exchange over one pair of addresses shows it, and a COOKIE2 that the peer saw the request. One
 * that was sent over several pairs shows nothing about any of them, and is made anew.
 */
#include <errno.h>
#include <string.h>

#include "base/secret.h"
#include "mmx.h"
#include "mobike.h"

/* "the other party copies it verbatim", whatever else the request is about, and of any length: an
 * error would end the IKE SA. */
void cookie2_build(struct part_ctx *c)
{
	const struct notify *n = msg_notify(c->in, N_COOKIE2);

	if (n)
		msg_put_notify(c->m, PROTO_NONE, NULL, 0, N_COOKIE2, n->data.p, n->data.len);
}

int cookie2_put(struct task *t, struct msg_wr *m)
{
	if (rng_bytes(t->cookie2, sizeof(t->cookie2)))
		return -EIO;
	t->has_cookie2 = true;
	msg_put_notify(m, PROTO_NONE, NULL, 0, N_COOKIE2, t->cookie2, sizeof(t->cookie2));
	return 0;
}

bool cookie2_returned(struct ike *ike, struct ike_sa *sa, const struct task *t,
		      const struct ike_msg *in)
{
	const struct notify *n = msg_notify(in, N_COOKIE2);

	if (!t->has_cookie2 || (n && n->data.len == sizeof(t->cookie2) &&
				secret_equal(n->data.p, t->cookie2, sizeof(t->cookie2))))
		return true;
	/* "If they do not match, the IKE_SA MUST be closed" */
	ike_sa_close(ike, sa, false, "the peer answered %s with %s COOKIE2", task_ops[t->kind].name,
		     n ? "a wrong" : "no");
	return false;
}

bool task_proves_pair(const struct ike_sa *sa, const struct task *t)
{
	return t->n_via == 1 && path_same(&t->via[0], &sa->path) &&
	       t->changes == sa->mobike->changes;
}

void routability_check(struct ike_sa *sa)
{
	struct task *t = task_find(sa, TASK_ROUTABILITY, 0);

	if (t)
		return; /* what is under way ends without a result, and begins anew */
	t = task_new(sa, TASK_ROUTABILITY, 0); /* no memory: the Child SAs stay where they are */
	if (t)
		task_first(sa, t);
}

int routability_build(struct ike *ike, struct ike_sa *sa, struct task *t, struct msg_wr *m)
{
	if (!sa->mobike || (path_same(&sa->path, &sa->mobike->esp) && !mobike_unchecked(sa))) {
		/* the peer is back where it was */
		task_end(ike, sa, t, IKE_EV_STEP, 0, "");
		return -ECANCELED;
	}
	t->changes = sa->mobike->changes;
	/* Libreswan (4.10) returns no COOKIE2 to a request without them */
	if (sa->natt_peer)
		natd_put(&(struct part_ctx){ .ike = ike, .sa = sa, .path = &sa->path, .m = m });
	return cookie2_put(t, m);
}

enum task_end routability_done(struct ike *ike, struct ike_sa *sa, struct task *t,
			       const struct ike_msg *in, const struct ike_path *path)
{
	(void)path;
	if (!cookie2_returned(ike, sa, t, in) || sa->state != IKE_ESTABLISHED || !sa->mobike ||
	    (path_same(&sa->path, &sa->mobike->esp) && !mobike_unchecked(sa)))
		return TASK_FREE;
	if (!task_proves_pair(sa, t))
		return TASK_AGAIN;
	sa->mobike->agreed = sa->path;
	mobike_arrived(ike, sa);
	return TASK_FREE;
}

enum ike_return_check return_check_of(const struct ike_sa *sa, const struct addr *peer)
{
	const struct ike_conn_cfg *c = &sa->conn->c;

	for (unsigned i = 0; i < c->n_remote_addrs; i++)
		if (addr_equal(peer, &c->remote_addrs[i]))
			return c->return_check;
	return IKE_RETURN_BEFORE;
}

void routability_moved(struct ike *ike, struct ike_sa *sa, enum ike_return_check when)
{
	struct mobike *mob = sa->mobike;

	if (when == IKE_RETURN_SKIP || path_same(&sa->path, &mob->agreed))
		mob->agreed = sa->path;
	if (when != IKE_RETURN_BEFORE || path_same(&sa->path, &mob->esp))
		mobike_arrived(ike, sa); /* in place at most a NAT came or went */
	if (!path_same(&sa->path, &mob->esp) || mobike_unchecked(sa))
		routability_check(sa);
}

void routability_failed(struct ike *ike, struct ike_sa *sa)
{
	char to[ADDR_PORT_STR];

	sa->mobike->esp = sa->mobike->agreed;
	ike_sa_touch(sa);
	mmx_publish(ike, sa);
	out_event(ike, sa, IKE_EV_PEER_MOVED, 0, 0,
		  "no answer from the peer's new address: packets go to %s again",
		  udp_addr_format(&sa->mobike->esp.remote, to));
}
