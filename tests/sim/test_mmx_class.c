/* SPDX-License-Identifier: GPL-2.0-only */
/* How the peer is asked to send what is of a traffic class (MMX_ATTR_CLASS in the list of
 * interfaces), and how it answers: asked, granted, refused, withdrawn; with datagrams that are
 * lost, twice or late; and kept by a restarted agent, a rekeyed IKE SA and a clone. */
#include <errno.h>

#include "mmx_sim.h"

/* A asks B for these. */
static void ask(struct sim *s, unsigned n, const char *const names[], uint8_t mode)
{
	struct mmx_classes l = { .n = 0 };

	for (unsigned i = 0; i < n; i++) {
		struct mmx_class c = { .mode = mode, .copies = 2, .n_prefer = 1, .prefer = { 2 } };

		strcpy(c.name, names[i]);
		cr_assert(mmx_classes_add(&l, &c));
	}
	cr_assert_eq(ike_classes_ask(s->side[A].ike, "c", &l, s->now), 0);
}

static const struct mmx_classes *of(struct sim *s, unsigned side, bool of_peer)
{
	const struct mmx_classes *l =
		ike_classes(s->side[side].ike, mmx_sim_line(s, side), of_peer);

	cr_assert(l);
	return l;
}

/* As the agent of B would: "voice" is granted, of nothing else there is a class. */
static int answer(struct sim *s)
{
	struct mmx_classes asked = *of(s, B, true), now = { .n = 0 };

	for (unsigned i = 0; i < asked.n; i++) {
		if (asked.s[i].state != MMX_CLASS_ASKED)
			continue;
		asked.s[i].state =
			strcmp(asked.s[i].name, "voice") ? MMX_CLASS_NO_CLASS : MMX_CLASS_GRANTED;
		cr_assert(mmx_classes_add(&now, &asked.s[i]));
	}
	return ike_classes_answer(s->side[B].ike, mmx_sim_line(s, B), &now, s->now);
}

/* As A sees it; -1: there is no answer. */
static int state(struct sim *s, const char *name)
{
	const struct mmx_class *c = mmx_classes_find(of(s, A, true), false, name);

	return c ? c->state : -1;
}

static void settle(struct sim *s)
{
	sim_settle(s, 20 * USEC_PER_SEC);
}

static const char *const both[] = { "voice", "video" };

Test(mmx_class, granted_refused_withdrawn)
{
	struct sim *s = mmx_sim_up(1, 2, 1);
	const struct mmx_class *c;
	unsigned before;

	cr_assert_eq(of(s, B, true)->n, 0);
	cr_assert_eq(answer(s), 0); /* nothing to be answered */
	before = sim_count(&s->side[B], IKE_EV_MMX_PEER_IFACES, 0);
	ask(s, 2, both, MMX_CLASS_REDUNDANT);
	settle(s);
	cr_assert_eq(sim_count(&s->side[B], IKE_EV_MMX_PEER_IFACES, 0), before + 1);
	c = mmx_classes_find(of(s, B, true), true, "voice");
	cr_assert(c);
	cr_assert_eq(c->mode, MMX_CLASS_REDUNDANT);
	cr_assert_eq(c->prefer[0], 2);
	cr_assert_eq(state(s, "voice"), -1);

	before = sim_count(&s->side[A], IKE_EV_MMX_PEER_IFACES, 0);
	cr_assert_eq(answer(s), 1);
	settle(s);
	cr_assert_eq(sim_count(&s->side[A], IKE_EV_MMX_PEER_IFACES, 0), before + 1);
	cr_assert_eq(state(s, "voice"), MMX_CLASS_GRANTED);
	cr_assert_eq(state(s, "video"), MMX_CLASS_NO_CLASS);

	/* the same again is not told again */
	before = s->exchanges[B][INFORMATIONAL];
	cr_assert_eq(answer(s), 0);
	ask(s, 2, both, MMX_CLASS_REDUNDANT);
	settle(s);
	cr_assert_eq(s->exchanges[B][INFORMATIONAL], before);

	/* another mode; then one class less, then none */
	ask(s, 2, both, MMX_CLASS_DELAY);
	settle(s);
	cr_assert_eq(mmx_classes_find(of(s, B, true), true, "voice")->mode, MMX_CLASS_DELAY);
	cr_assert_eq(answer(s), 1);
	settle(s);
	cr_assert_eq(mmx_classes_find(of(s, A, true), false, "voice")->mode, MMX_CLASS_DELAY);
	ask(s, 1, both + 1, MMX_CLASS_DELAY);
	settle(s);
	cr_assert_null(mmx_classes_find(of(s, B, true), true, "voice"));
	cr_assert_eq(answer(s), 1);
	settle(s);
	cr_assert_eq(state(s, "voice"), -1);
	cr_assert_eq(state(s, "video"), MMX_CLASS_NO_CLASS);
	ask(s, 0, NULL, 0);
	settle(s);
	cr_assert_eq(answer(s), 1);
	settle(s);
	cr_assert_eq(of(s, A, true)->n + of(s, B, true)->n, 0);
	sim_free(s);
}

/* Whatever datagram of it is lost, comes twice or late: both ends know the same in the end. */
Test(mmx_class, loss_and_duplicates)
{
	for (unsigned i = 0; i < 3 * 8; i++) {
		struct sim *s = mmx_sim_up(20 + i, 2, 2);
		uint64_t bit = UINT64_C(1) << (s->sent + i / 3);

		cr_assert_lt(s->sent + i / 3, 64);
		*(i % 3 == 0 ? &s->lose : i % 3 == 1 ? &s->duplicate : &s->late) = bit;
		ask(s, 2, both, MMX_CLASS_REDUNDANT);
		sim_settle(s, 60 * USEC_PER_SEC);
		cr_assert_eq(answer(s), 1);
		sim_settle(s, 60 * USEC_PER_SEC);
		cr_assert_eq(state(s, "voice"), MMX_CLASS_GRANTED, "%u", i);
		ask(s, 1, both + 1, MMX_CLASS_BOND);
		sim_settle(s, 60 * USEC_PER_SEC);
		cr_assert_eq(answer(s), 1);
		sim_settle(s, 60 * USEC_PER_SEC);
		cr_assert_eq(state(s, "voice"), -1, "%u", i);
		cr_assert_eq(mmx_classes_find(of(s, A, true), false, "video")->mode,
			     MMX_CLASS_BOND);
		sim_free(s);
	}
}

/* Before they know each other, it goes along with the first list. */
Test(mmx_class, asked_before)
{
	struct sim *s = mmx_sim_new(3);

	sim_start(s);
	mmx_sim_ifaces(s, A, 1, 2);
	mmx_sim_ifaces(s, B, 1, 1);
	ask(s, 1, both, MMX_CLASS_REDUNDANT);
	cr_assert_eq(sim_up(s, A, "net", 1), 0);
	settle(s);
	cr_assert(mmx_classes_find(of(s, B, true), true, "voice"));
	sim_free(s);
}

/* Interfaces come and go, IKE is rekeyed, and both ends start anew: all that stays. */
Test(mmx_class, stays)
{
	struct sim *s = mmx_sim_up(4, 2, 2);
	unsigned before;

	ask(s, 2, both, MMX_CLASS_REDUNDANT);
	settle(s);
	cr_assert_eq(answer(s), 1);
	settle(s);
	mmx_sim_ifaces(s, A, 1, 1);
	settle(s);
	cr_assert_eq(answer(s), 0);
	cr_assert_eq(ike_rekey_line(s->side[A].ike, mmx_sim_line(s, A), 7, s->now), 0);
	settle(s);
	cr_assert_eq(sim_op_ends(&s->side[A], 7), 1);
	cr_assert_eq(answer(s), 0);
	cr_assert_eq(state(s, "voice"), MMX_CLASS_GRANTED);

	before = s->exchanges[A][INFORMATIONAL] + s->exchanges[B][INFORMATIONAL];
	sim_restart(s, A);
	sim_restart(s, B);
	cr_assert_eq(state(s, "voice"), MMX_CLASS_GRANTED);
	cr_assert_eq(mmx_classes_find(of(s, B, true), true, "voice")->prefer[0], 2);
	cr_assert_eq(answer(s), 0);
	/* what the owner says again is not told again */
	mmx_sim_ifaces(s, A, 1, 1);
	ask(s, 2, both, MMX_CLASS_REDUNDANT);
	settle(s);
	cr_assert_eq(answer(s), 0);
	cr_assert_eq(s->exchanges[A][INFORMATIONAL] + s->exchanges[B][INFORMATIONAL], before);
	sim_free(s);
}

/* Both may ask: R, too; and with as much as a list has room for. */
Test(mmx_class, both_ask)
{
	struct mmx_classes l = { .n = 0 }, back = { .n = 0 };
	struct sim *s = mmx_sim_up(5, 1, 1);

	for (unsigned i = 0; i < MMX_CLASSES_MAX; i++) {
		struct mmx_class c = { .mode = MMX_CLASS_STANDBY };

		snprintf(c.name, sizeof(c.name), "class-%02u-%021u", i, i);
		cr_assert(mmx_classes_add(&l, &c));
		c.state = MMX_CLASS_GRANTED;
		cr_assert(mmx_classes_add(&back, &c));
	}
	cr_assert_eq(ike_classes_ask(s->side[A].ike, "c", &l, s->now), 0);
	l.n = 4;
	cr_assert_eq(ike_classes_ask(s->side[B].ike, "c", &l, s->now), 0);
	settle(s);
	cr_assert_eq(of(s, B, true)->n, MMX_CLASSES_MAX);
	cr_assert_eq(of(s, A, true)->n, 4);
	/* its own wishes come first */
	cr_assert_eq(ike_classes_answer(s->side[B].ike, mmx_sim_line(s, B), &back, s->now), 1);
	settle(s);
	cr_assert_eq(of(s, A, true)->n, MMX_CLASSES_MAX);
	cr_assert(mmx_classes_find(of(s, A, true), true, l.s[3].name));
	cr_assert(mmx_classes_find(of(s, A, true), false, back.s[11].name));
	cr_assert_null(mmx_classes_find(of(s, A, true), false, back.s[12].name));
	cr_assert_eq(ike_classes_answer(s->side[B].ike, 12345, &back, s->now), -ENOENT);
	sim_free(s);
}
