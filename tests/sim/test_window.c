/* SPDX-License-Identifier: GPL-2.0-only */
/* Several requests at a time: user/ike/window.c sends them, user/ike/rxwindow.c takes them. (A
 * window of one is what all other tests here have.) */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "duo_assert.h"
#include "sim.h"

enum { CHILDREN = 4 };

static struct sim *sim_with(uint64_t seed, uint8_t window_a, uint8_t window_b)
{
	struct sim *s = sim_new(seed, false);

	for (unsigned side = A; side <= B; side++) {
		struct ike_conn_cfg *c = &s->side[side].conn[0];

		c->window = side == A ? window_a : window_b;
		c->retransmit_tries = 10;
		c->n_children = CHILDREN;
		for (unsigned i = 2; i < CHILDREN; i++) {
			s->side[side].child[0][i] = s->side[side].child[0][1];
			snprintf(s->side[side].child[0][i].name, IKE_NAME_MAX, "child%u", i);
		}
	}
	sim_start(s);
	return s;
}

static struct sim *up_with(uint64_t seed, uint8_t window_a, uint8_t window_b)
{
	struct sim *s = sim_with(seed, window_a, window_b);

	cr_assert_eq(sim_up(s, A, "net", 1), 0);
	sim_settle(s, 20 * USEC_PER_SEC);
	cr_assert(sim_mirrored(s, 1));
	return s;
}

/* Ask for the other Child SAs; requests that left at once. */
static unsigned three_more(struct sim *s)
{
	static const char *const names[] = { "more", "child2", "child3" };
	unsigned before = s->exchanges[A][CREATE_CHILD_SA];

	for (unsigned i = 0; i < 3; i++)
		cr_assert_eq(sim_up(s, A, names[i], 10 + i), 0);
	sim_drain(s, A);
	return s->exchanges[A][CREATE_CHILD_SA] - before;
}

static void all_are_up(struct sim *s)
{
	sim_settle(s, 60 * USEC_PER_SEC);
	cr_assert(sim_mirrored(s, CHILDREN));
	for (uint32_t op = 10; op < 13; op++)
		cr_assert_eq(sim_count(&s->side[A], IKE_EV_CHILD_UP, op), 1);
	cr_assert_eq(s->side[A].spis, CHILDREN);
	cr_assert_eq(s->side[B].spis, CHILDREN);
}

/* [MID-8] [MID-9]: what leaves at once is the smaller of what the peer takes and what we want. */
Test(window, as_large_as_both_want)
{
	static const struct {
		uint8_t a, b;
		unsigned at_once;
	} rows[] = { { 1, 1, 1 }, { 0, 0, 1 }, { 8, 1, 1 }, { 1, 8, 1 },
		     { 2, 8, 2 }, { 8, 2, 2 }, { 8, 8, 3 }, { 32, 32, 3 } };

	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct sim *s = up_with(i + 1, rows[i].a, rows[i].b);

		cr_assert_eq(three_more(s), rows[i].at_once, "row %u", i);
		all_are_up(s);
		sim_free(s);
	}
}

/* [MID-8]: a full window does not keep us from answering. */
Test(window, answers_while_it_waits)
{
	struct sim *s = up_with(1, 1, 1);

	s->cut[A] = true;
	three_more(s);
	s->cut[A] = false;
	cr_assert_eq(ike_rekey(s->side[B].ike, "c", "net", 5, s->now), 0);
	sim_run(s, USEC_PER_SEC / 2);
	cr_assert_eq(sim_count(&s->side[B], IKE_EV_CHILD_REKEYED, 5), 1);
	all_are_up(s);
	sim_free(s);
}

/* [MID-10]: the oldest unanswered request holds the window, however many later ones are answered.
 */
Test(window, held_by_the_oldest)
{
	struct sim *s = up_with(2, 2, 2);
	unsigned before = s->exchanges[A][CREATE_CHILD_SA];

	s->lose = UINT64_C(1) << s->sent; /* the first of the two */
	cr_assert_eq(three_more(s), 2);
	sim_run(s, USEC_PER_SEC / 2);
	cr_assert_eq(sim_count(&s->side[A], IKE_EV_CHILD_UP, 11), 1);
	cr_assert_eq(s->exchanges[A][CREATE_CHILD_SA] - before, 2, "the third did not wait");
	all_are_up(s);
	sim_free(s);
}

/* [MID-9]: a rekeyed IKE SA begins at one, and is told anew. */
Test(window, after_a_rekey)
{
	for (unsigned who = A; who <= B; who++) {
		struct sim *s = up_with(3, 4, 4);

		cr_assert_eq(ike_rekey(s->side[who].ike, "c", NULL, 5, s->now), 0);
		sim_settle(s, 20 * USEC_PER_SEC);
		cr_assert_eq(sim_count(&s->side[who], IKE_EV_IKE_REKEYED, 5), 1);
		cr_assert_eq(three_more(s), 3);
		all_are_up(s);
		sim_free(s);
	}
}

/* The rekey of the IKE SA shares its flight with nothing. */
Test(window, rekey_alone)
{
	struct sim *s = up_with(4, 8, 8);
	unsigned before = s->exchanges[A][CREATE_CHILD_SA];

	cr_assert_eq(ike_rekey(s->side[A].ike, "c", NULL, 5, s->now), 0);
	cr_assert_eq(three_more(s), 1);
	all_are_up(s);
	cr_assert_eq(sim_count(&s->side[A], IKE_EV_IKE_REKEYED, 5), 1);
	cr_assert_eq(s->exchanges[A][CREATE_CHILD_SA] - before, 4);
	sim_free(s);

	s = up_with(5, 8, 8);
	before = s->exchanges[A][CREATE_CHILD_SA];
	cr_assert_eq(three_more(s), 3);
	cr_assert_eq(ike_rekey(s->side[A].ike, "c", NULL, 5, s->now), 0);
	sim_drain(s, A);
	cr_assert_eq(s->exchanges[A][CREATE_CHILD_SA] - before, 3);
	all_are_up(s);
	cr_assert_eq(sim_count(&s->side[A], IKE_EV_IKE_REKEYED, 5), 1);
	cr_assert_eq(s->exchanges[A][CREATE_CHILD_SA] - before, 4);
	sim_free(s);
}

/* [MID-4] [MID-5] [MID-6]: losses, copies, and order turned over, while both sides ask at once. */
Test(window, bad_link)
{
	for (uint64_t seed = 1; seed <= 200; seed++) {
		struct sim *s = up_with(seed, 8, 8);
		uint64_t r = seed * 0x9e3779b97f4a7c15u;

		s->lose = r & (r >> 17);
		s->duplicate = r >> 5;
		s->late = r << 7;
		three_more(s);
		cr_assert_eq(ike_rekey(s->side[B].ike, "c", "net", 5, s->now), 0);
		all_are_up(s);
		cr_assert_eq(sim_op_ends(&s->side[B], 5), 1);
		sim_free(s);
	}
}

/* An agent that dies with several requests out, or with answers to several, goes on where it was.
 */
Test(window, restart)
{
	for (unsigned who = A; who <= B; who++) {
		struct sim *s = up_with(6, 4, 4);

		s->lose = UINT64_C(1) << s->sent; /* so that later ones are answered before it */
		cr_assert_eq(three_more(s), 3);
		sim_steps(s, who == A ? 0 : 2);
		sim_restart(s, who);
		sim_settle(s, 60 * USEC_PER_SEC);
		cr_assert(sim_mirrored(s, CHILDREN));
		sim_free(s);
	}
}

/* ---- requests out of order, by hand ---- */

static struct duo *duo_with(uint8_t window)
{
	struct duo *d = new_duo();

	for (int who = 0; who < 2; who++)
		d->side[who].conn.window = window;
	cr_assert_eq(duo_start(d), 0);
	cr_assert(duo_establish(d));
	return d;
}

/* An empty INFORMATIONAL request of the initiator. */
static struct duo_msg probe(struct duo *d, uint32_t msg_id)
{
	struct duo_msg m = { .to = DUO_R };
	struct ike_sa_info info;
	struct ike_hdr h;

	cr_assert(ike_sa_at(d->e[DUO_R].ike, 0, &info));
	h = request_hdr(&info, msg_id);
	m.path = info.path;
	m.len = duo_seal(d, DUO_I, 0, &h, PLD_NONE, (const uint8_t *)"", 0, m.buf, sizeof(m.buf));
	cr_assert_gt(m.len, 0);
	return m;
}

/* [MID-6] [MID-10] [MID-11]: every order of four; each is answered once and for its copies again;
 * nothing outside of the window is. */
Test(receiving, any_order)
{
	static const unsigned orders[][4] = { { 0, 1, 2, 3 }, { 3, 2, 1, 0 }, { 1, 3, 0, 2 },
					      { 2, 0, 3, 1 }, { 3, 0, 1, 2 }, { 0, 3, 2, 1 } };

	for (unsigned o = 0; o < sizeof(orders) / sizeof(orders[0]); o++) {
		struct duo *d = duo_with(4);
		struct duo_msg req[4], resp[4], again;

		for (unsigned i = 0; i < 4; i++)
			req[i] = probe(d, 2 + i);
		again = probe(d, 6);
		cr_assert_eq(duo_deliver(d, &again), 0, "beyond the window");
		for (unsigned i = 0; i < 4; i++) {
			unsigned k = orders[o][i];

			cr_assert_eq(duo_deliver(d, &req[k]), 1);
			cr_assert(duo_take(d, &resp[k]));
			cr_assert_eq(hdr_of(resp[k].buf, resp[k].len).msg_id, 2 + k);
			for (unsigned j = 0; j <= i; j++) {
				k = orders[o][j];
				cr_assert_eq(duo_deliver(d, &req[k]), 1);
				cr_assert(duo_take(d, &again));
				cr_assert_eq(again.len, resp[k].len);
				cr_assert_eq(memcmp(again.buf, resp[k].buf, again.len), 0);
			}
		}
		/* the next one takes the place of the oldest */
		again = probe(d, 6);
		cr_assert_eq(duo_deliver(d, &again), 1);
		cr_assert_eq(duo_deliver(d, &req[0]), 0);
		cr_assert_eq(duo_deliver(d, &req[1]), 1);
		/* other octets under a number that was used: nothing */
		again = probe(d, 5);
		cr_assert_eq(duo_deliver(d, &again), 0);
		duo_free(d);
	}
}

/* [MID-9]: what cannot be a size changes nothing; nor does a smaller one. */
Test(receiving, strange_sizes)
{
	static const struct {
		uint8_t data[6];
		size_t len;
	} rows[] = { { { 0 }, 0 }, { { 0, 0, 0, 0 }, 4 },    { { 0, 0, 0, 1 }, 4 },
		     { { 4 }, 1 }, { { 0, 0, 0, 0, 8 }, 5 }, { { 255, 255, 255, 255 }, 4 } };
	struct duo *d = duo_with(4);
	uint8_t inner[100], first;
	struct ike_sa_info info;
	struct duo_msg m;

	cr_assert(ike_sa_at(d->e[DUO_R].ike, 0, &info));
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct msg_wr w = msg_begin_inner(inner, sizeof(inner));
		struct ike_hdr h = request_hdr(&info, 2 + i);

		msg_put_notify(&w, PROTO_NONE, NULL, 0, N_SET_WINDOW_SIZE, rows[i].data,
			       rows[i].len);
		first = w.first;
		m.len = duo_seal(d, DUO_I, 0, &h, first, inner, msg_end(&w), m.buf, sizeof(m.buf));
		cr_assert_eq(duo_give(d, DUO_R, &info.path, m.buf, m.len), 1);
		d->n = 0;
	}
	/* R still sends more than one */
	cr_assert_eq(ike_rekey(d->e[DUO_R].ike, "duo", "net", 100, d->now), 0);
	cr_assert_eq(ike_down(d->e[DUO_R].ike, "duo", "net", 101, d->now), 0);
	duo_wait(d, 0);
	cr_assert_eq(d->n, 2);
	duo_free(d);
}
