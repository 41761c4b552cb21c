/* SPDX-License-Identifier: GPL-2.0-only */
/* Do both ends have the same SAs on the same endpoints? user/ike/mmx_compare.c. */
#include "../../user/ike/mmx.h"
#include "mmx_act.h"

static struct ike_sa *ike_of(const struct sim *s, unsigned side)
{
	return line_owner(s->side[side].ike, mmx_sim_line(s, side));
}

static struct mmx_action query(void)
{
	struct mmx_action a = act(MMX_QUERY, 0);

	mmx_add(&a.tlvs, MMX_TLV_SEL)->sel.kind = MMX_SEL_ALL;
	mmx_add(&a.tlvs, MMX_TLV_SEL)->sel.kind = MMX_SEL_IKE;
	return a;
}

static bool differs(struct sim *s, unsigned side, uint32_t op)
{
	struct mmx_action a = query();

	cr_assert_eq(asked(s, side, &a, op), MMX_OK);
	return s->side[side].mmx.r[0].differs;
}

Test(mmx_compare, after_moves_both_have_the_same) /* MMX-64 */
{
	struct sim *s = mmx_sim_up(1, 4, 3);
	struct mmx_action a = act_update(0, OWN, 1, 2);
	uint8_t spi[4];

	cr_assert_eq(sim_up(s, A, "more", 2), 0);
	sim_settle(s, 20 * USEC_PER_SEC);
	act_sel_spi(&a, s->side[A].children[0].spi_in, spi);
	cr_assert_not(differs(s, A, 5));
	cr_assert_eq(asked(s, A, &a, 6), MMX_OK);
	for (unsigned side = A; side <= B; side++)
		cr_assert_not(differs(s, side, 7 + side));
	cr_assert_eq(s->side[A].mmx.r[0].affected, 3, "two Child SAs and the IKE SA");
	sim_free(s);
}

Test(mmx_compare, what_one_has_elsewhere_is_seen_by_both) /* MMX-64 */
{
	struct sim *s = mmx_sim_up(2, 4, 3);
	struct ike_sa *sa = ike_of(s, B);
	struct child_sa *c = list_entry(sa->children.next, struct child_sa, node);
	struct mmx_binding b = { .own = false };

	mmx_binding_own(&b, 3, 2);
	mmx_child_unbind(c);
	mmx_child_bind(c, mmx_shared_get(&sa->mmx->table, &b));
	for (unsigned side = A; side <= B; side++)
		cr_assert(differs(s, side, 5 + side));
	sim_free(s);
}

static bool was_said(const struct sim *s, const char *what)
{
	for (unsigned i = 0; i < s->side[A].n_events; i++)
		if (s->side[A].events[i].op == 5 && strstr(s->side[A].events[i].text, what))
			return true;
	return false;
}

/* The list that an image was taken with is older than what the peer has. */
Test(mmx_compare, after_a_mismatch_the_list_is_told_anew)
{
	struct sim *s = mmx_sim_up(3, 4, 3);
	struct mmx_action a = act_update(0, OWN, 1, 2);

	ike_of(s, A)->mmx->list[MMX_I].generation--;
	if (!ike_of(s, A)->mmx->list[MMX_I].generation)
		ike_of(s, A)->mmx->list[MMX_I].generation = 99;
	cr_assert_eq(asked(s, A, &a, 5), MMX_OK, "what the core itself asked after that");
	cr_assert_not(s->side[A].mmx.r[0].differs);
	cr_assert(was_said(s, "STATE_MISMATCH"));
	cr_assert_eq(ike_of(s, A)->mmx->list[MMX_I].generation,
		     ike_of(s, B)->mmx->list[MMX_I].generation);
	cr_assert_eq(asked(s, A, &a, 6), MMX_OK);
	cr_assert_not(differs(s, B, 7));
	sim_free(s);
}

/* 33 of the second interface, 20 of the third, and the one. */
static struct sim *with_many(void)
{
	struct sim *s = mmx_sim_up(5, 4, 3);

	for (unsigned i = 0; i < 7; i++) {
		struct mmx_action a = act(MMX_ADD_IF, MMX_ACTION_PARALLEL);

		act_ep(&a, MMX_ROLE_NEW, OWN, 2 + i % 2);
		cr_assert_eq(asked(s, A, &a, 10 + i), MMX_OK);
	}
	agree(s, 54);
	return s;
}

static struct ike_mmx_result delete_second(struct sim *s)
{
	struct mmx_action del = act(MMX_DEL_IF, 0);

	act_ep(&del, MMX_ROLE_OLD, OWN, 2);
	cr_assert_eq(ike_mmx_ask(s->side[A].ike, mmx_sim_line(s, A), &del, 1, 5, s->now), 0);
	sim_steps(s, 2);
	cr_assert_eq(sim_count(&s->side[A], IKE_EV_MMX_ANSWERED, 5), 1);
	cr_assert_eq(s->side[A].mmx.r[0].status, MMX_OK);
	return s->side[A].mmx.r[0];
}

/* More than an answer lists: it has their digest. [MMX-52] */
Test(mmx_compare, what_goes_with_an_interface)
{
	struct sim *s = with_many();
	struct ike_mmx_result r = delete_second(s);

	cr_assert_eq(r.affected, 33);
	cr_assert_not(r.differs);
	agree(s, 21);
	cr_assert_not(differs(s, A, 6));
	sim_free(s);
}

/* [MMX-52] */
Test(mmx_compare, what_goes_elsewhere_with_an_interface_is_seen)
{
	struct sim *s = with_many();
	struct ike_sa *sa = ike_of(s, B);
	struct mmx_binding b = { .own = false };
	struct ike_mmx_result r;

	mmx_binding_own(&b, 2, 1);
	list_for_each (it, &sa->children) {
		struct child_sa *c = list_entry(it, struct child_sa, node);

		if (c->binding->b.own && c->binding->b.ends[MMX_I].epid[0] == 3) {
			mmx_child_unbind(c);
			mmx_child_bind(c, mmx_shared_get(&sa->mmx->table, &b));
			break;
		}
	}
	r = delete_second(s);
	cr_assert_eq(r.affected, 34);
	cr_assert(r.differs);
	sim_settle(s, 20 * USEC_PER_SEC);
	cr_assert_eq(s->side[A].mmx.r[0].code, MMX_QUERY, "which the core asked after that");
	cr_assert(s->side[A].mmx.r[0].differs);
	sim_free(s);
}

Test(mmx_compare, whatever_is_lost)
{
	for (unsigned bit = 0; bit < 8; bit++) {
		struct sim *s = mmx_sim_up(4, 4, 3);
		struct mmx_action a = query();

		s->lose = UINT64_C(1) << (s->sent + bit);
		cr_assert_eq(ike_mmx_ask(s->side[A].ike, mmx_sim_line(s, A), &a, 1, 5, s->now), 0);
		sim_settle(s, 20 * USEC_PER_SEC);
		cr_assert_eq(sim_count(&s->side[A], IKE_EV_MMX_ANSWERED, 5), 1);
		cr_assert_eq(s->side[A].mmx.r[0].status, MMX_OK);
		cr_assert_not(s->side[A].mmx.r[0].differs);
		sim_free(s);
	}
}
