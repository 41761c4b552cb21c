/* SPDX-License-Identifier: GPL-2.0-only */
/* The timers of the core: one deadline for each IKE SA, the earliest of its own, in a heap.
 *
 *   task.next_send, .give_up, .not_before   retransmission, giving up, waiting (window.c)
 *   ike_sa.expires                          half-open, lingering, superseded IKE SAs
 *   ike_sa.last_rx + dpd_delay              liveness check
 *   ike_sa, child_sa: .rekey_at, .ends_at   lifetimes (life.c)
 *   ike_sa.last_tx + keep_alive             NAT keepalive (natd.c)
 *   reassembly.expires                      incomplete messages in fragments (fragment.c)
 *
 * A change that may bring a deadline forward is noted (timer_touch, by ike_sa_touch) and looked at
 * once, at the end of the call. One that puts it off need not be: the SA is found not to be due and
 * goes back into the heap. The cookie secret changes when it is used after its time, without a
 * timer.
 */
#include <errno.h>
#include <stdlib.h>

#include "ike_private.h"

enum { TIMERS_MIN = 64 };

/* ---- the heap: earliest first ---- */

static void place(struct ike *ike, size_t at, struct ike_sa *sa)
{
	ike->timers[at] = sa;
	sa->timer_at = at;
}

static void up(struct ike *ike, size_t at)
{
	struct ike_sa *sa = ike->timers[at];

	for (; at > 1 && ike->timers[at / 2]->due > sa->due; at /= 2)
		place(ike, at, ike->timers[at / 2]);
	place(ike, at, sa);
}

static void down(struct ike *ike, size_t at)
{
	struct ike_sa *sa = ike->timers[at];

	for (size_t k; (k = 2 * at) <= ike->n_timers; at = k) {
		if (k < ike->n_timers && ike->timers[k + 1]->due < ike->timers[k]->due)
			k++;
		if (ike->timers[k]->due >= sa->due)
			break;
		place(ike, at, ike->timers[k]);
	}
	place(ike, at, sa);
}

static void cancel(struct ike *ike, struct ike_sa *sa)
{
	size_t at = sa->timer_at;
	struct ike_sa *last;

	if (!at)
		return;
	last = ike->timers[ike->n_timers--];
	sa->timer_at = 0;
	if (last == sa)
		return;
	place(ike, at, last);
	up(ike, at);
	down(ike, last->timer_at);
}

static void arm(struct ike *ike, struct ike_sa *sa, usec_t due)
{
	if (due == USEC_NEVER) {
		cancel(ike, sa);
		return;
	}
	sa->due = due;
	if (!sa->timer_at)
		place(ike, ++ike->n_timers, sa); /* timer_reserve made room */
	up(ike, sa->timer_at);
	down(ike, sa->timer_at);
}

static int resize(struct ike *ike, size_t cap)
{
	struct ike_sa **t = reallocarray(ike->timers, cap, sizeof(*t));

	if (!t)
		return -ENOMEM;
	ike->timers = t;
	ike->cap_timers = cap;
	return 0;
}

int timer_reserve(struct ike *ike)
{
	size_t cap = ike->cap_timers;

	return ike->n_sas + 1 < cap ? 0 : resize(ike, cap ? 2 * cap : TIMERS_MIN);
}

void timer_touch(struct ike_sa *sa)
{
	if (list_empty(&sa->moved_node))
		list_append(&sa->ike->moved, &sa->moved_node);
}

void timer_forget(struct ike_sa *sa)
{
	struct ike *ike = sa->ike;

	list_remove(&sa->moved_node);
	cancel(ike, sa);
	if (ike->cap_timers > TIMERS_MIN && ike->n_sas < ike->cap_timers / 8)
		resize(ike, ike->cap_timers / 4); /* many have gone; no matter if it fails */
}

/* ---- deadlines ---- */

static usec_t earlier(usec_t a, usec_t b)
{
	return a < b ? a : b;
}

static usec_t liveness_at(const struct ike_sa *sa)
{
	if (sa->state != IKE_ESTABLISHED || !sa->conn->c.dpd_delay || sa->n_inflight ||
	    task_find(sa, TASK_LIVENESS, 0))
		return USEC_NEVER;
	return sa->last_rx + sa->conn->c.dpd_delay;
}

/* An end that is owed to somebody waits for ike_image_next, not for a time. */
static usec_t deadline(const struct ike_sa *sa)
{
	usec_t d = earlier(window_deadline(sa), earlier(liveness_at(sa), natd_keepalive_at(sa)));

	d = earlier(d, life_deadline(sa));
	return ike_sa_owed(sa) && sa->state == IKE_CLOSED ? d : earlier(d, sa->expires);
}

void ike_reap(struct ike *ike)
{
	while (!list_empty(&ike->moved)) {
		struct ike_sa *sa = list_entry(ike->moved.next, struct ike_sa, moved_node);

		list_remove(&sa->moved_node);
		if (sa->state == IKE_CLOSED && sa->expires <= ike->now && !ike_sa_owed(sa))
			ike_sa_free(ike, sa);
		else
			arm(ike, sa, deadline(sa));
	}
}

static void expire(struct ike *ike, struct ike_sa *sa)
{
	switch (sa->state) {
	case IKE_HALF_OPEN:
		ike_sa_free(ike, sa);
		break;
	case IKE_REKEYED:
		ike_sa_close(ike, sa, false, "the peer did not delete it after the rekey");
		break;
	default:
		break;
	}
}

static void serve(struct ike *ike, struct ike_sa *sa)
{
	if (sa->expires <= ike->now && sa->state != IKE_CLOSED) {
		expire(ike, sa);
		return;
	}
	if (!ike_sa_alive(sa))
		return;
	if (liveness_at(sa) <= ike->now)
		task_new(sa, TASK_LIVENESS, 0);
	life_tick(ike, sa);
	window_tick(ike, sa);
	if (ike_sa_alive(sa))
		window_run(ike, sa);
	natd_keepalive(ike, sa);
}

void ike_tick(struct ike *ike, usec_t now)
{
	struct list due;

	ike->now = now;
	ike_reap(ike);
	list_init(&due);
	while (ike->n_timers && ike->timers[1]->due <= now) {
		struct ike_sa *sa = ike->timers[1];

		cancel(ike, sa);
		list_append(&due, &sa->moved_node);
	}
	/* each once; one that is freed leaves the list */
	while (!list_empty(&due)) {
		struct ike_sa *sa = list_entry(due.next, struct ike_sa, moved_node);

		list_remove(&sa->moved_node);
		timer_touch(sa);
		serve(ike, sa);
	}
	ike_reap(ike);
}

usec_t ike_deadline(struct ike *ike)
{
	ike_reap(ike);
	return ike->n_timers ? ike->timers[1]->due : USEC_NEVER;
}
