/* SPDX-License-Identifier: GPL-2.0-only */
/* Lifetimes: when an SA is rekeyed and when it ends (RFC 7296 2.8).
 *
 * They are each end's own and not negotiated. Both deadlines are set once, when an SA comes into
 * use, the first with a random part, so that two ends with the same configuration seldom rekey at
 * once, and many SAs made together not in one instant. A rekey that comes to nothing is tried
 * again, later each time, until the hard limit: then the SA is closed, and whoever wants it sets it
 * up again. An expired SA is not used (4301 4.4.2.1). Where the peer takes no rekey of the IKE SA,
 * or answers it with nothing of use, its I authenticates anew beside it before that (1.3, 2.8); R
 * cannot.
 */
#include "child_sa.h"
#include "exchange.h"
#include "ike_private.h"

enum {
	RETRY_SEC = 1,	     /* after a rekey that came to nothing; doubled each time */
	RETRY_SHIFT_MAX = 6, /* up to 64 s */
	REKEYS_MAX = 3,	     /* of the IKE SA in a row; then it is authenticated anew */
	END_SEC = 5,	     /* for the answer to the Delete of an IKE SA whose time is over */
};

/* Up to max, both included. Without randomness nothing: the deadline stays the latest allowed. */
static uint64_t draw(uint64_t max)
{
	uint64_t r;

	if (!max || rng_bytes(&r, sizeof(r)))
		return 0;
	return max == UINT64_MAX ? r : r % (max + 1);
}

/* soft less its random part, but something. */
static uint64_t soften(uint64_t soft, uint64_t rand)
{
	uint64_t off = draw(rand);

	return off < soft ? soft - off : soft ? 1 : 0;
}

static usec_t after(usec_t now, usec_t time)
{
	return time ? now + time : USEC_NEVER;
}

void life_ike_start(struct ike *ike, struct ike_sa *sa)
{
	const struct ike_conn_cfg *c = &sa->conn->c;

	sa->rekey_at = after(ike->now, soften(c->rekey_time, c->rand_time));
	sa->ends_at = c->rekey_time && c->over_time ? ike->now + c->rekey_time + c->over_time
						    : USEC_NEVER;
	if (sa->auth_ends_at < sa->ends_at)
		sa->ends_at = sa->auth_ends_at;
	sa->rekeys_tried = 0;
}

void life_auth_start(struct ike *ike, struct ike_sa *sa)
{
	const struct ike_conn_cfg *c = &sa->conn->c;

	sa->session = ike->now;
	if (sa->role_i)
		sa->reauth_at = after(ike->now, soften(c->reauth_time, c->rand_time));
	if (c->reauth_time && c->over_time)
		sa->auth_ends_at = ike->now + c->reauth_time + c->over_time;
	life_ike_start(ike, sa);
}

void life_child_start(struct ike *ike, struct child_sa *c, const struct ike_child_cfg *cfg)
{
	c->rekey_at = after(ike->now, soften(cfg->time.soft, cfg->time.rand));
	c->ends_at = after(ike->now, cfg->time.hard);
	c->soft_octets = soften(cfg->octets.soft, cfg->octets.rand);
	c->hard_octets = cfg->octets.hard;
	c->soft_packets = soften(cfg->packets.soft, cfg->packets.rand);
	c->hard_packets = cfg->packets.hard;
}

/* When to look again at a rekey that begins now. */
static usec_t retry_at(const struct ike *ike, struct ike_sa *sa, uint8_t *tried)
{
	usec_t pause = RETRY_SEC * USEC_PER_SEC
		       << (*tried < RETRY_SHIFT_MAX ? *tried : RETRY_SHIFT_MAX);

	if (*tried < UINT8_MAX)
		++*tried;
	ike_sa_touch(sa);
	return ike->now + pause + draw(pause / 2);
}

/* ---- Child SAs ---- */

static void child_end(struct ike *ike, struct ike_sa *sa, struct child_sa *c)
{
	if (child_in_use(c))
		out_event(ike, sa, IKE_EV_CHILD_DOWN, c->id, 0,
			  "Child SA %s down: its lifetime is over", c->name);
	c->replaced = false; /* nothing more is taken in either */
	if (c->state == CHILD_REKEYED)
		child_state(sa, c, CHILD_INSTALLED, "its lifetime is over");
	child_disuse(ike, sa, c);
	c->ends_at = USEC_NEVER;
	if (c->state != CHILD_DELETING && child_close(sa, c, 0, "its lifetime is over"))
		child_remove(ike, sa, c);
}

static void child_tick(struct ike *ike, struct ike_sa *sa, struct child_sa *c)
{
	struct task *t;

	if (c->ends_at <= ike->now) {
		child_end(ike, sa, c);
		return;
	}
	if (!child_in_use(c) || c->rekey_at > ike->now)
		return;
	c->rekey_at = retry_at(ike, sa, &c->rekeys_tried);
	if (task_find(sa, TASK_CHILD_REKEY, c->id) || task_find(sa, TASK_CHILD_DELETE, c->id))
		return;
	t = task_new(sa, TASK_CHILD_REKEY, 0);
	if (t)
		t->child_id = c->id;
}

static usec_t child_due(const struct child_sa *c)
{
	return child_in_use(c) && c->rekey_at < c->ends_at ? c->rekey_at : c->ends_at;
}

void life_child_changed(struct ike_sa *sa, const struct child_sa *c)
{
	usec_t due = child_due(c);

	if (due < sa->children_due)
		sa->children_due = due;
}

/* They may be thousands: not before one of them is due. */
static void children_tick(struct ike *ike, struct ike_sa *sa)
{
	list_for_each_safe (it, tmp, &sa->children)
		child_tick(ike, sa, list_entry(it, struct child_sa, node));
	sa->children_due = USEC_NEVER;
	list_for_each (it, &sa->children)
		life_child_changed(sa, list_entry(it, struct child_sa, node));
}

/* ---- the IKE SA ---- */

/* First the peer is told; no answer within seconds, and it ends without one. */
static void ike_end(struct ike *ike, struct ike_sa *sa)
{
	struct task *t = NULL;

	if (sa->state == IKE_ESTABLISHED && !task_find(sa, TASK_IKE_DELETE, 0))
		t = task_new(sa, TASK_IKE_DELETE, 0);
	if (!t) {
		ike_sa_close(ike, sa, false, "its lifetime is over");
		return;
	}
	task_first(sa, t);
	window_end_soon(ike, sa);
	log_ike(sa, LOG_INFO_, "the lifetime of the IKE SA is over; it is deleted");
	sa->ends_at = ike->now + END_SEC * USEC_PER_SEC;
	ike_sa_touch(sa);
}

static bool busy(const struct ike_sa *sa)
{
	return task_find(sa, TASK_IKE_REKEY, 0) || task_find(sa, TASK_IKE_DELETE, 0);
}

void life_rekey_unusable(struct ike *ike, struct ike_sa *sa)
{
	if (!sa->rekeys_tried)
		sa->rekey_at = retry_at(ike, sa, &sa->rekeys_tried);
}

static void ike_reauth(struct ike *ike, struct ike_sa *sa)
{
	if (sa->role_i && sa->rekey_at <= ike->now && sa->rekeys_tried >= REKEYS_MAX &&
	    !sa->reauths_tried && family_first(ike, sa->family) == sa && !busy(sa)) {
		log_ike(sa, LOG_WARN_, "%u rekeys of the IKE SA came to nothing", sa->rekeys_tried);
		sa->reauth_at = ike->now;
	}
	if (sa->reauth_at > ike->now)
		return;
	if (busy(sa)) {
		sa->reauth_at = ike->now + RETRY_SEC * USEC_PER_SEC;
		return;
	}
	sa->reauth_at = retry_at(ike, sa, &sa->reauths_tried);
	/* one for all of the family; no memory: tried again like a refusal */
	if (family_first(ike, sa->family) == sa)
		reauth_start(ike, sa);
}

static void ike_rekey_due(struct ike *ike, struct ike_sa *sa)
{
	if (sa->rekey_at > ike->now)
		return;
	if (sa->reauths_tried) {
		/* one after the other: the new IKE SA is not to miss a third one */
		sa->rekey_at = USEC_NEVER;
	} else if (busy(sa)) {
		sa->rekey_at = ike->now + RETRY_SEC * USEC_PER_SEC;
	} else {
		sa->rekey_at = retry_at(ike, sa, &sa->rekeys_tried);
		task_new(sa, TASK_IKE_REKEY, 0); /* no memory: tried again like a refusal */
	}
}

static bool has_lifetime(const struct ike_sa *sa)
{
	return sa->state == IKE_ESTABLISHED || sa->state == IKE_DELETING;
}

void life_tick(struct ike *ike, struct ike_sa *sa)
{
	if (!has_lifetime(sa))
		return;
	if (sa->ends_at <= ike->now) {
		ike_end(ike, sa);
		return;
	}
	if (sa->children_due <= ike->now)
		children_tick(ike, sa);
	if (sa->state != IKE_ESTABLISHED)
		return;
	ike_reauth(ike, sa);
	ike_rekey_due(ike, sa);
}

usec_t life_deadline(const struct ike_sa *sa)
{
	usec_t d = sa->ends_at;

	if (!has_lifetime(sa))
		return USEC_NEVER;
	if (sa->state == IKE_ESTABLISHED && sa->rekey_at < d)
		d = sa->rekey_at;
	if (sa->state == IKE_ESTABLISHED && sa->reauth_at < d)
		d = sa->reauth_at;
	return sa->children_due < d ? sa->children_due : d;
}
