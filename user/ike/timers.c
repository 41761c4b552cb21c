/* SPDX-License-Identifier: GPL-2.0-only */
/* The timers of the core: one deadline for each IKE SA, the earliest of its own, in a heap.
 *
 *   task.next_send, .give_up, .not_before   retransmission, giving up, waiting (window.c)
 *   ike_sa.expires                          half-open, lingering, superseded IKE SAs
 *   ike_sa.last_rx + dpd_delay              liveness check; .since of a clone
 *   ike_sa, child_sa: .rekey_at, .ends_at   lifetimes (life.c)
 *   ike_sa.last_tx + keep_alive             NAT keepalive (natd.c)
 *   mmx_path_seen.verified, .sent           paths that have to be probed again, or kept open
 *                                           (mmx_reach.c)
 *   reassembly.expires                      incomplete messages in fragments (fragment.c)
 *
 * A change that may bring a deadline forward is noted (timer_touch, by ike_sa_touch) and looked at
 * once, at the end of the call. One that puts it off need not be: the SA is found not to be due and
 * goes back into the heap. The cookie secret changes when it is used after its time, without a
 * timer.
 */
#include "exchange.h"
#include "ike_private.h"
#include "mmx.h"
#include "parts.h"

int timer_reserve(struct ike *ike)
{
	return heap_reserve(&ike->timers, ike->n_sas + 1);
}

void timer_touch(struct ike_sa *sa)
{
	if (list_empty(&sa->moved_node))
		list_append(&sa->ike->moved, &sa->moved_node);
}

void timer_forget(struct ike_sa *sa)
{
	list_remove(&sa->moved_node);
	heap_remove(&sa->ike->timers, &sa->timer);
	heap_trim(&sa->ike->timers, sa->ike->n_sas);
}

/* ---- deadlines ---- */

static usec_t earlier(usec_t a, usec_t b)
{
	return a < b ? a : b;
}

/* A clone that the peer asked for and never used is one that it may not have: it may have been
 * closed, or begun anew, before our answer came. */
static usec_t liveness_at(const struct ike_sa *sa)
{
	usec_t d = USEC_NEVER;

	if (sa->state != IKE_ESTABLISHED || sa->n_inflight || task_find(sa, TASK_LIVENESS, 0))
		return USEC_NEVER;
	if (sa->clone_of && !sa->heard)
		d = sa->since + LINGER_USEC;
	return sa->conn->c.dpd_delay ? earlier(d, sa->last_rx + sa->conn->c.dpd_delay) : d;
}

/* An end that is owed to somebody waits for ike_image_next, not for a time. */
static usec_t deadline(const struct ike_sa *sa)
{
	usec_t d = earlier(window_deadline(sa), earlier(liveness_at(sa), natd_keepalive_at(sa)));

	d = earlier(d, earlier(life_deadline(sa), mmx_reach_deadline(sa)));
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
			heap_set(&ike->timers, &sa->timer, deadline(sa));
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
	mmx_reach_tick(ike, sa);
	window_tick(ike, sa);
	if (ike_sa_alive(sa))
		window_run(ike, sa);
	natd_keepalive(ike, sa);
}

static usec_t first_due(const struct ike *ike)
{
	const struct heap_node *n = heap_first(&ike->timers);

	return n ? n->due : USEC_NEVER;
}

void ike_tick(struct ike *ike, usec_t now)
{
	struct list due;

	ike->now = now;
	ike_reap(ike);
	list_init(&due);
	while (first_due(ike) <= now) {
		struct ike_sa *sa = heap_entry(heap_first(&ike->timers), struct ike_sa, timer);

		heap_remove(&ike->timers, &sa->timer);
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
	return first_due(ike);
}
