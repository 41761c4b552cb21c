/* SPDX-License-Identifier: GPL-2.0-only */
/* The machine slept: time passed for the peers, and for keys (RFC 7296 2.8), that `now` does not
 * know of. What was to happen meanwhile is due, and each peer is asked whether it is still there
 * (2.4), for it may have given us up. What waits for an answer asks again, no matter how long it
 * was to wait; nobody is given up for not having answered somebody who was asleep. */
#include "child_sa.h"
#include "exchange.h"
#include "ike_private.h"

static usec_t earlier_by(usec_t t, usec_t slept)
{
	return t == USEC_NEVER ? t : t > slept ? t - slept : 0;
}

static void age_child(struct child_sa *c, usec_t slept)
{
	c->since = earlier_by(c->since, slept);
	c->rekey_at = earlier_by(c->rekey_at, slept);
	c->ends_at = earlier_by(c->ends_at, slept);
}

static void age(struct ike_sa *sa, usec_t slept)
{
	usec_t *const times[] = { &sa->since,	  &sa->expires,	      &sa->rekey_at, &sa->ends_at,
				  &sa->reauth_at, &sa->auth_ends_at,  &sa->last_rx,  &sa->last_tx,
				  &sa->session,	  &sa->session_before };

	for (size_t i = 0; i < sizeof(times) / sizeof(*times); i++)
		*times[i] = earlier_by(*times[i], slept);
	list_for_each (it, &sa->children) {
		struct child_sa *c = list_entry(it, struct child_sa, node);

		age_child(c, slept);
		life_child_changed(sa, c);
	}
}

/* Once more at least, before the peer is given up. */
static void ask_again(const struct ike_sa *sa, struct task *t, usec_t now)
{
	if (t->tries > sa->conn->c.retransmit_tries)
		t->tries = sa->conn->c.retransmit_tries;
	t->next_send = now;
}

void ike_slept(struct ike *ike, usec_t slept, usec_t now)
{
	ike->now = now;
	ike->cookie_rotated = earlier_by(ike->cookie_rotated, slept);
	list_for_each (it, &ike->sas) {
		struct ike_sa *sa = list_entry(it, struct ike_sa, node);

		age(sa, slept);
		list_for_each (ti, &sa->inflight)
			ask_again(sa, list_entry(ti, struct task, node), now);
		if (sa->state == IKE_ESTABLISHED && !sa->n_inflight &&
		    !task_find(sa, TASK_LIVENESS, 0))
			task_new(sa, TASK_LIVENESS, 0); /* no memory: asked in its time */
		ike_sa_touch(sa);
	}
	ike_tick(ike, now);
}
