/* SPDX-License-Identifier: GPL-2.0-only */
/* Make before break. A new SA that replaces another takes in at once and sends when the peer does,
 * or after some time: until then the kernel has only its inbound state. With its outbound state in
 * the kernel new packets go by that, for it is the youngest with its reqid. The older one stays a
 * moment for packets that are half through it, and for both ends having rekeyed at once: one of the
 * two new SAs is deleted then, which may be the one that sends while the other still waits. */
#include <errno.h>
#include <string.h>

#include <event2/event.h>

#include "base/log.h"
#include "kesp_impl.h"

enum { TICK_MSEC = 20, TICK_LOOKS = 128, REPLACED_MSEC = 2000 };

static void tick_on(struct kesp *k)
{
	const struct timeval soon = { 0, TICK_MSEC * 1000 };

	if (!event_pending(k->tick, EV_TIMEOUT, NULL))
		event_add(k->tick, &soon);
}

void rekey_defer(struct kesp *k, struct kesp_sa *s, usec_t until)
{
	s->until = until;
	list_remove(&s->waiting);
	list_append(&k->deferred, &s->waiting);
	tick_on(k);
}

void rekey_linger(struct kesp *k, struct kesp_sa *s)
{
	if (!s->has_out)
		return;
	s->until = kesp_now() + REPLACED_MSEC * USEC_PER_MSEC;
	list_append(&k->replaced, &s->waiting);
	tick_on(k);
}

void rekey_done(struct kesp *k, struct kesp_sa *s)
{
	struct kesp_sa *old = s->r.sa.replaces ? sa_find(k, s->r.sa.replaces) : NULL;

	if (!old || old == s || old->r.stage == SA_RETIRED || old->r.stage == SA_REPLACED)
		return;
	old->r.stage = SA_REPLACED;
	record_wipe_keys(&old->r);
	sa_save(k, old);
	list_remove(&old->waiting);
	rekey_linger(k, old);
}

/* It could never send: the agent is to replace it. */
static void failed(struct kesp *k, struct kesp_sa *s, int err)
{
	struct engine_limit m = { .id = s->r.sa.id, .hard = 1 };

	log_error("%s: the kernel does not take the outbound half of the new SA: %s; it is closed",
		  s->r.sa.name, strerror(-err));
	kesp_tell(k, &m, ENGINE_EV_SA_LIMIT, sizeof(m));
}

static int out_on(struct kesp *k, struct kesp_sa *s)
{
	int err = sa_out_add(k, s);

	list_remove(&s->waiting);
	record_wipe_keys(&s->r);
	s->r.stage = SA_ACTIVE;
	sa_save(k, s);
	if (err)
		failed(k, s, err);
	else
		rekey_done(k, s);
	return err;
}

int rekey_out_on(struct kesp *k, uint32_t id)
{
	struct kesp_sa *s = sa_find(k, id);

	if (!s)
		return -ENOENT;
	return s->r.stage == SA_DEFERRED ? out_on(k, s) : 0;
}

void rekey_heir(struct kesp *k, const struct kesp_sa *s)
{
	const struct engine_sa *sa = &s->r.sa;
	struct kesp_sa *heir;

	if (sa_sibling(k, sa, SA_ACTIVE, false))
		return;
	heir = sa_sibling(k, sa, SA_REPLACED, false);
	if (heir) { /* it has sent again already: the kernel had no other */
		list_remove(&heir->waiting);
		heir->r.stage = SA_ACTIVE;
		sa_save(k, heir);
		return;
	}
	heir = sa_sibling(k, sa, SA_DEFERRED, false);
	if (!heir && !sa_sibling(k, sa, SA_ACTIVE, true)) /* no other line sends either */
		heir = sa_sibling(k, sa, SA_DEFERRED, true);
	if (heir)
		out_on(k, heir);
}

/* Each look is a question to the kernel: so many at a time, the others first next time. */
static void look_at_deferred(struct kesp *k, usec_t now)
{
	for (int i = 0; i < TICK_LOOKS && !list_empty(&k->deferred); i++) {
		struct kesp_sa *s = list_entry(k->deferred.next, struct kesp_sa, waiting);

		if (s->looked == now)
			return;
		s->looked = now;
		poll_sa(k, s);
		list_remove(&s->waiting);
		if (s->in.packets || now >= s->until)
			out_on(k, s);
		else
			list_append(&k->deferred, &s->waiting);
	}
}

void rekey_tick(struct kesp *k)
{
	usec_t now = kesp_now();

	look_at_deferred(k, now);
	while (!list_empty(&k->replaced)) {
		struct kesp_sa *s = list_entry(k->replaced.next, struct kesp_sa, waiting);

		if (s->until > now)
			break;
		list_remove(&s->waiting);
		if (sa_sibling(k, &s->r.sa, SA_DEFERRED, false)) {
			s->until = now + REPLACED_MSEC * USEC_PER_MSEC;
			list_append(&k->replaced, &s->waiting);
		} else {
			sa_out_del(k, s);
		}
	}
	if (!list_empty(&k->deferred) || !list_empty(&k->replaced))
		tick_on(k);
}
