/* SPDX-License-Identifier: GPL-2.0-only */
/* Memory fails, once in a run, at every place where the core asks for some while endpoints of SAs
 * change by MMX: whoever asked is told that it was not done, or not by both, or both have done it;
 * nothing is lost, and the next action finds all in order. [ROB-6] */
#include <errno.h>

#include "mmx_act.h"
#include "nomem.h"

/* And not taken back. */
static bool told_ok(const struct sim *s, unsigned side)
{
	const struct ike_mmx_result *r = &s->side[side].mmx.r[0];

	return sim_count(&s->side[side], IKE_EV_MMX_ANSWERED, 5) && r->code == MMX_UPDATE &&
	       r->status == MMX_OK && !sim_count(&s->side[side], IKE_EV_MMX_CHANGED, 0);
}

static bool run(unsigned side, long nth)
{
	struct sim *s = mmx_sim_up(1, 3, 3);
	struct mmx_action a = act_update(0, OWN, 1, 2);
	int r;

	countdown = nth;
	hit = false;
	inside++;
	r = ike_mmx_ask(s->side[side].ike, mmx_sim_line(s, side), &a, 1, 5, s->now);
	inside--;
	cr_assert(!r || (r == -ENOMEM && hit));
	sim_run(s, 120 * USEC_PER_SEC);
	countdown = -1;
	cr_assert_leq(sim_op_ends(&s->side[side], 5), 1);
	if (told_ok(s, side)) { /* and it is so */
		a = act_update(0, OWN, 2, 3);
		cr_assert_eq(asked(s, side, &a, 6), MMX_OK);
		bound(s, 0, side == A ? 3 : 1, side == A ? 1 : 3);
	}
	sim_free(s);
	return hit;
}

Test(mmx_ask_nomem, at_every_place, .timeout = 120)
{
	for (unsigned side = A; side <= B; side++) {
		long nth = 0;

		while (run(side, nth))
			nth++;
		cr_assert_gt(nth, 20);
	}
}

static void lose_second(struct sim *s, struct sim_packet *p)
{
	struct addr second = mmx_sim_addr(A, 2);

	(void)s;
	if (addr_equal(&p->src.ip, &second) || addr_equal(&p->dst.ip, &second))
		p->used = false;
}

/* The peer cannot reach what it was told: both go back, as soon as there is memory for it. */
static bool go_back(long nth)
{
	struct sim *s = mmx_sim_up(2, 3, 3);
	struct mmx_action a = act_update(0, OWN, 1, 2);

	s->on_wire = lose_second;
	ask(s, A, &a, 1, 5);
	sim_run(s, USEC_PER_SEC / 2);
	cr_assert_eq(s->side[A].mmx.r[0].status, MMX_OK);
	cr_assert(s->side[A].mmx.r[0].flags & MMX_RESULT_RR_PENDING);
	bound(s, 0, 2, 1);
	countdown = nth;
	hit = false;
	sim_run(s, 120 * USEC_PER_SEC);
	countdown = -1;
	bound(s, 0, 1, 1);
	sim_free(s);
	return hit;
}

Test(mmx_ask_nomem, while_all_goes_back, .timeout = 120)
{
	long nth = 0;

	while (go_back(nth))
		nth++;
	cr_assert_gt(nth, 4);
}
