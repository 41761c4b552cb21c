/* SPDX-License-Identifier: GPL-2.0-only */
/* Memory fails, once in a run, at every place where the cores ask for some while an interface is
 * added or deleted: both ends have the same Child SAs in the end, and nothing is left reserved.
 * [MMX-63] [ROB-6] */
#include <errno.h>

#include "mmx_act.h"
#include "nomem.h"

static void ask_without(struct sim *s, const struct mmx_action *a, long nth)
{
	int r;

	hit = false;
	countdown = nth;
	inside++;
	r = ike_mmx_ask(s->side[A].ike, mmx_sim_line(s, A), a, 1, 5, s->now);
	inside--;
	cr_assert(!r || (r == -ENOMEM && hit), "%d", r);
	sim_settle(s, 100 * USEC_PER_SEC);
	countdown = -1;
	cr_assert_leq(sim_op_ends(&s->side[A], 5), 1);
}

/* That many, or that many more: of each SA of the first interface one that was derived. That one is
 * gone may be what could not be said to the data plane. */
static bool derived(struct sim *s, unsigned n_parents)
{
	unsigned n[SIM_SIDES], untold = 0;
	struct ike_sa_info info;

	for (unsigned side = 0; side < SIM_SIDES; side++) {
		cr_assert(ike_sa_at(s->side[side].ike, 0, &info));
		n[side] = info.n_children;
		cr_assert_geq(s->side[side].n_children, n[side]);
		untold += s->side[side].n_children - n[side];
		cr_assert_eq(s->side[side].spis, (int)s->side[side].n_children);
	}
	cr_assert_eq(n[A], n[B]);
	cr_assert(n[A] == n_parents || n[A] == 2 * n_parents, "%u", n[A]);
	cr_assert_leq(untold, hit);
	cr_assert(untold || sim_mirrored(s, n[A]));
	return n[A] == 2 * n_parents;
}

static struct mmx_action add_second(void)
{
	struct mmx_action a = act(MMX_ADD_IF, MMX_ACTION_PARALLEL);

	act_ep(&a, MMX_ROLE_NEW, OWN, 2);
	return a;
}

static struct sim *with(unsigned n_parents)
{
	struct sim *s = mmx_sim_up(1, 3, 2);

	if (n_parents > 1)
		cr_assert_eq(sim_up(s, A, "more", 2), 0);
	sim_settle(s, 20 * USEC_PER_SEC);
	return s;
}

Test(mmx_addif_nomem, added, .timeout = 120)
{
	for (unsigned parents = 1; parents <= 2; parents++) {
		unsigned n = 0, whole = 0;

		do {
			struct sim *s = with(parents);
			struct mmx_action a = add_second();

			ask_without(s, &a, n++);
			whole += derived(s, parents);
			sim_free(s);
		} while (hit);
		cr_assert_gt(n, 40);
		cr_assert_gt(whole, n / 4, "%u of %u runs had what was asked for", whole, n);
	}
}

Test(mmx_addif_nomem, deleted, .timeout = 120)
{
	unsigned n = 0, whole = 0;

	do {
		struct sim *s = with(1);
		struct mmx_action a = add_second(), del = act(MMX_DEL_IF, 0);

		cr_assert_eq(asked(s, A, &a, 4), MMX_OK);
		cr_assert(derived(s, 1));
		act_ep(&del, MMX_ROLE_OLD, OWN, 2)->flags = MMX_EP_IFID;
		ask_without(s, &del, n++);
		whole += !derived(s, 1);
		sim_free(s);
	} while (hit);
	cr_assert_gt(n, 20);
	cr_assert_gt(whole, n / 4, "%u of %u runs had what was asked for", whole, n);
}
