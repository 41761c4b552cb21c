/* SPDX-License-Identifier: GPL-2.0-only */
/* Does a packet of some size get to the peer? Whoever looks for the path MTU asks, and we ask by an
 * INFORMATIONAL request of that size (RFC 7383 2.5.2): between ESP packets in UDP and IKE messages
 * on port 4500 the network sees no difference. It holds one status notification of a private type,
 * which whoever does not know it ignores (RFC 7296 3.10.1), as long as it takes, and goes as one
 * datagram that nobody may fragment.
 *
 * What is not answered after SIZE_TRIES of them, or one if other requests wait for their turn, is
 * followed by an empty request with the same Message ID, which gets through if anything does: a
 * size that is too large makes others wait for half a second on most paths, and the IKE SA does not
 * end by it. The same request in fragments would be what 7383 foresees; but strongSwan
 * with its mediation extension, as distributions build it, takes every INFORMATIONAL without SK for
 * something else and never answers. Two requests with one Message ID are against the letter of 7296
 * 2.1; both ask for nothing, and when the short one is not answered either both are sent again, so
 * that a peer that repeats its answer for identical octets only does so for the one it had.
 *
 * What came of it is told once the answer is there: silence alone, of a peer or path that is away,
 * says nothing about sizes.
 */
#include <errno.h>

#include "exchange.h"
#include "ike_private.h"
#include "parts.h"

enum {
	SIZE_TRIES = 3,
	SHORT_TRIES = 1, /* answered later, the path was away in between */
	NOTIFY_HEADER = IKE_PAYLOAD_HEADER_OCTETS + 4,
	N_SIZE = 61443, /* of the private ones; its data is zeros */
	/* when it counts as unanswered, beyond two round trips; without knowledge of these */
	LATE_USEC = 400 * 1000,
	LATE_UNKNOWN_USEC = 1000 * 1000,
};

/* Octets of an IP packet around what is encrypted in its IKE message. */
static size_t around(const struct ike_sa *sa)
{
	return frag_around(sa) + IKE_HEADER_OCTETS + IKE_PAYLOAD_HEADER_OCTETS + sa->sizes.iv +
	       sa->sizes.icv;
}

/* The one that requests of that line go by now, if it can be asked. */
static struct ike_sa *sa_of(const struct ike *ike, uint64_t line, int *ret_error)
{
	*ret_error = -ENOENT;
	hash_for_each (it, tmp, &ike->lines, line) {
		struct ike_sa *sa = hash_entry(it, struct ike_sa, by_line);

		if (sa->state != IKE_ESTABLISHED)
			continue;
		*ret_error = -EOPNOTSUPP;
		/* from port 500 it is not known to go as it is */
		if (sa->fragments && path_marker(&sa->path))
			return sa;
	}
	return NULL;
}

int ike_size_grid(const struct ike *ike, uint64_t line, uint16_t *ret_offset, uint16_t *ret_unit)
{
	int err;
	const struct ike_sa *sa = sa_of(ike, line, &err);

	if (!sa)
		return err;
	*ret_offset = (uint16_t)around(sa);
	*ret_unit = (uint16_t)sa->sizes.block;
	return 0;
}

int ike_size_ask(struct ike *ike, uint64_t line, uint16_t octets, usec_t now)
{
	int err;
	struct ike_sa *sa = sa_of(ike, line, &err);
	struct task *t;

	if (!sa)
		return err;
	if (octets < around(sa) + NOTIFY_HEADER + 1 || octets > IKE_SIZE_MAX ||
	    (octets - around(sa)) % sa->sizes.block)
		return -EINVAL;
	if (!list_empty(&sa->pending) || !list_empty(&sa->inflight))
		return -EBUSY;
	t = task_new(sa, TASK_SIZE, 0);
	if (!t)
		return -ENOMEM;
	ike->now = now;
	t->octets = octets;
	t->timeout = window_late(sa, LATE_USEC, LATE_UNKNOWN_USEC);
	window_run(ike, sa);
	ike_reap(ike);
	return 0;
}

int size_build(struct ike *ike, struct ike_sa *sa, struct task *t, struct msg_wr *m)
{
	/* all that is encrypted but the octet Pad Length */
	static const uint8_t zeros[IKE_SIZE_MAX];
	size_t len = t->octets - around(sa) - 1 - NOTIFY_HEADER;

	(void)ike;
	if (t->shorter)
		return 0;
	if (len > sizeof(zeros))
		return -EMSGSIZE; /* the path is of the other family since */
	msg_put_notify(m, PROTO_NONE, NULL, 0, N_SIZE, zeros, len);
	return 0;
}

bool size_again(const struct ike_sa *sa, const struct task *t)
{
	return t->tries < SIZE_TRIES && list_empty(&sa->pending);
}

bool size_patient(const struct ike_sa *sa, const struct task *t)
{
	return t->kind == TASK_SIZE && !sa->conn->c.dpd_delay && list_empty(&sa->pending);
}

enum task_end size_done(struct ike *ike, struct ike_sa *sa, struct task *t,
			const struct ike_msg *in, const struct ike_path *path)
{
	enum ike_size r = IKE_SIZE_UNKNOWN;

	(void)in;
	(void)path;
	if (t->n_via > 1)
		r = IKE_SIZE_UNKNOWN; /* the IKE SA moved meanwhile: of which path? */
	else if (!t->shorter)
		r = IKE_SIZE_PASSES;
	else if (t->large_tries >= SIZE_TRIES && t->tries <= SHORT_TRIES)
		r = IKE_SIZE_TOO_LARGE;
	log_ike(sa, LOG_DEBUG_, "packets of %u octets %s", t->octets,
		r == IKE_SIZE_PASSES	  ? "get through"
		: r == IKE_SIZE_TOO_LARGE ? "do not get through"
					  : "were not tried for long enough");
	out_size(ike, sa, t->octets, r);
	return TASK_FREE;
}
