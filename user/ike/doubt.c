/* SPDX-License-Identifier: GPL-2.0-only */
/* Is the peer reached where its packets go? Somebody doubts it: of what was sent there nothing came
 * back (RFC 7296 2.4: "essential to confirm liveness"), or the peer, whose addresses are for us to
 * choose, asks elsewhere.
 *
 * It is asked at once, and as long as it does not answer some times more, as quickly as round trips
 * allow; what waits for an answer of it already asks by that. These tries come on top of those that
 * any request gets, so that a peer is not given up sooner for somebody's doubts.
 */
#include <errno.h>

#include "exchange.h"
#include "ike_private.h"
#include "mmx.h"

enum {
	QUICK_TRIES = 4, /* the second unanswered one goes over other pairs, too: pair_try.c */
	LATE_USEC = 100 * 1000,
	LATE_UNKNOWN_USEC = 500 * 1000,
};

/* Once: then it is as quick as it can be, or has been for long enough. A test of another pair says
 * something of that one; what may be too large is made shorter first, if something waits. Returns
 * true if it asks what we want to know. */
static bool hurry(struct ike *ike, const struct ike_sa *sa, struct task *t)
{
	bool large = t->kind == TASK_SIZE && !t->shorter;

	if (t->testing)
		return false;
	if (!t->quick && !large) {
		t->timeout = doubt_late(sa);
		if (t->next_send > ike->now + t->timeout)
			t->next_send = ike->now + t->timeout;
	}
	if (!t->quick)
		t->quick = t->tries + QUICK_TRIES;
	return !large;
}

usec_t doubt_late(const struct ike_sa *sa)
{
	return window_late(sa, LATE_USEC, LATE_UNKNOWN_USEC);
}

int doubt_peer(struct ike *ike, struct ike_sa *sa)
{
	bool asked = task_find(sa, TASK_LIVENESS, 0);
	struct task *t;

	ike_sa_touch(sa);
	list_for_each (it, &sa->inflight)
		asked |= hurry(ike, sa, list_entry(it, struct task, node));
	if (asked)
		return 0;
	t = task_new(sa, TASK_LIVENESS, 0);
	if (!t)
		return -ENOMEM;
	t->quick = QUICK_TRIES;
	t->timeout = doubt_late(sa);
	return 0;
}

int ike_check(struct ike *ike, uint64_t line, usec_t now)
{
	struct ike_sa *sa = line_owner(ike, line);
	int err;

	ike->now = now;
	if (!sa || sa->state != IKE_ESTABLISHED)
		return -ENOENT;
	err = doubt_peer(ike, sa);
	window_run(ike, sa);
	ike_reap(ike);
	return err;
}

int ike_mmx_check(struct ike *ike, uint64_t line, uint32_t path, usec_t now)
{
	struct ike_sa *sa = line_owner(ike, line);
	struct task *t;
	int err;

	ike->now = now;
	if (!sa)
		return -ENOENT;
	if (!sa->mmx)
		return -EOPNOTSUPP;
	err = mmx_probe_want(sa, sa->mmx, path, &t);
	if (err)
		return err;
	if (!task_in_flight(t))
		t->timeout = doubt_late(sa);
	window_run(ike, sa);
	ike_reap(ike);
	return 0;
}
