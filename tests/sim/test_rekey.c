/* SPDX-License-Identifier: GPL-2.0-only */
/* CREATE_CHILD_SA and INFORMATIONAL on a running IKE SA: further Child SAs, rekeys of both kinds
 * from both sides and at once, deletes, liveness, agent restart. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim_assert.h"

/* ---- further Child SAs ---- */

/* --> CREATE_CHILD_SA { SA, Ni, TSi, TSr }  <-- { SA, Nr, TSi, TSr }  [REK-1] */
Test(child, further_from_each_side)
{
	for (unsigned side = 0; side < SIM_SIDES; side++) {
		struct sim *s = up(1 + side);

		cr_assert_eq(sim_up(s, side, "more", 5), 0);
		sim_settle(s, 5 * USEC_PER_SEC);
		cr_assert_eq(sim_count(&s->side[side], IKE_EV_CHILD_UP, 5), 1);
		sound(s, 2);
		cr_assert_eq(sim_up(s, side, "more", 6), -EALREADY);
		/* [TS-3] roles follow the exchange, not the original initiator */
		for (unsigned i = 0; i < 2; i++)
			cr_assert_eq(s->side[B].children[i].role_i, false);
		alive(s, 2);
		sim_free(s);
	}
}

static void esp_groups(struct sim_side *d, uint16_t first, uint16_t second)
{
	for (unsigned i = 0; i < 2; i++) {
		struct ike_child_cfg *c = &d->child[0][i];

		c->n_proposals = 1;
		c->proposals[0] = (struct ike_proposal){
			.n_encr = 1,
			.encr = { { ENCR_AES_GCM_16, 128 } },
			.n_ke = second ? 2 : 1,
			.ke = { first, second },
		};
	}
}

/* [PRO-10] [PRO-12] PFS: no group in IKE_AUTH, a key exchange in CREATE_CHILD_SA, and the right
 * group on the second try. */
Test(child, pfs)
{
	struct sim *s = sim_new(3, false);

	esp_groups(&s->side[A], KE_X25519, KE_ECP_256);
	esp_groups(&s->side[B], KE_ECP_256, 0);
	up_with(s);
	cr_assert_eq(sim_up(s, A, "more", 5), 0);
	sim_settle(s, 5 * USEC_PER_SEC);
	sound(s, 2);
	cr_assert_eq(s->exchanges[A][CREATE_CHILD_SA], 2, "INVALID_KE_PAYLOAD, then accepted");
	alive(s, 2);
	sim_free(s);
}

static void modes(struct sim_side *d, enum child_mode mode)
{
	for (unsigned i = 0; i < 2; i++)
		d->child[0][i].mode = mode;
}

/* [REK-3] the successor of an SA in transport mode is one too, whoever asks. */
Test(child, mode_is_repeated)
{
	struct sim *s = sim_new(6, false);

	modes(&s->side[A], CHILD_TRANSPORT);
	modes(&s->side[B], CHILD_TRANSPORT);
	up_with(s);
	for (unsigned side = 0; side < SIM_SIDES; side++) {
		cr_assert_eq(ike_rekey(s->side[side].ike, "c", "net", 5, s->now), 0);
		sim_settle(s, 5 * USEC_PER_SEC);
		sound(s, 1);
		for (unsigned i = 0; i < SIM_SIDES; i++)
			cr_assert_eq(s->side[i].children[0].mode, CHILD_TRANSPORT);
	}
	sim_free(s);
}

/* [TS-11] <-- IKE_AUTH without USE_TRANSPORT_MODE: the peer has made a tunnel, which is deleted;
 * nor is a tunnel accepted from a side that wants none. */
Test(child, modes_do_not_fit)
{
	for (unsigned side = 0; side < SIM_SIDES; side++) {
		struct sim *s = sim_new(7 + side, false);

		modes(&s->side[side], CHILD_TRANSPORT);
		sim_start(s);
		cr_assert_eq(sim_up(s, A, NULL, 1), 0);
		sim_settle(s, 40 * USEC_PER_SEC);
		cr_assert_eq(sim_count(&s->side[A], IKE_EV_FAILED, 1), 1);
		cr_assert_eq(sim_count(&s->side[A], IKE_EV_CHILD_UP, 0), 0);
		cr_assert(sim_mirrored(s, 0));
		cr_assert_eq(s->side[A].spis + s->side[B].spis, 0);
		sim_free(s);
	}
}

/* [REK-18] a refused Child SA leaves everything else as it is. */
Test(child, refused)
{
	struct sim *s = sim_new(4, false);

	s->side[B].child[0][1].local_ts[0] = sim_ts("172.16.0.0/16");
	up_with(s);
	cr_assert_eq(sim_up(s, A, "more", 5), 0);
	sim_settle(s, 5 * USEC_PER_SEC);
	cr_assert_eq(sim_count(&s->side[A], IKE_EV_FAILED, 5), 1);
	cr_assert_eq(sim_op_ends(&s->side[A], 5), 1);
	cr_assert(strstr(sim_text(&s->side[A], IKE_EV_FAILED), "TS_UNACCEPTABLE"));
	sound(s, 1);
	sim_free(s);
}

/* [ROB-6] the data plane fails after a successful exchange: Delete towards the peer. */
Test(child, install_failed)
{
	struct sim *s = up(5);

	ike_child_install_failed(s->side[A].ike, s->side[A].children[0].id, s->now);
	sim_settle(s, 5 * USEC_PER_SEC);
	sound(s, 0);
	sim_free(s);
}

/* ---- rekey of a Child SA ---- */

/* --> CREATE_CHILD_SA { N(REKEY_SA), SA, Ni, TSi, TSr }  <-- { SA, Nr, TSi, TSr }
 * --> INFORMATIONAL { D }  <-- { D }   [REK-1] [REK-2] [REK-4] [REK-5] [KEY-7] */
Test(child, rekey_from_each_side)
{
	for (unsigned side = 0; side < SIM_SIDES; side++) {
		struct sim *s = up(6 + side);
		uint32_t old = s->side[side].children[0].id;
		uint32_t old_peer = s->side[!side].children[0].id;

		cr_assert_eq(ike_rekey(s->side[side].ike, "c", "net", 5, s->now), 0);
		cr_assert_eq(ike_rekey(s->side[side].ike, "c", "net", 6, s->now), -EALREADY);
		sim_settle(s, 5 * USEC_PER_SEC);
		cr_assert_eq(sim_count(&s->side[side], IKE_EV_CHILD_REKEYED, 5), 1);
		cr_assert_eq(sim_op_ends(&s->side[side], 5), 1);
		sound(s, 1);
		cr_assert_eq(s->side[side].children[0].replaces, old);
		cr_assert_eq(s->side[!side].children[0].replaces, old_peer);
		cr_assert(!s->side[side].children[0].out_deferred);
		cr_assert(s->side[!side].children[0].out_deferred);
		alive(s, 1);
		sim_free(s);
	}
}

/* A rekey under every single and double loss. */
static void under_loss(void (*start)(struct sim *s), unsigned n_children, usec_t settle)
{
	for (unsigned i = 0; i < 12; i++) {
		for (unsigned j = i; j < 12; j++) {
			struct sim *s = up(1000 + i * 16 + j);

			s->lose = (UINT64_C(1) << i | UINT64_C(1) << j) << s->sent;
			start(s);
			sim_settle(s, settle);
			/* superseded IKE SAs and lingering ones go by their timers */
			sim_run(s, 200 * USEC_PER_SEC);
			sound(s, n_children);
			alive(s, n_children);
			sim_free(s);
		}
	}
}

static void start_child_rekey(struct sim *s)
{
	ike_rekey(s->side[A].ike, "c", "net", 5, s->now);
}

Test(child, rekey_under_loss)
{
	under_loss(start_child_rekey, 1, 20 * USEC_PER_SEC);
}

static void start_both_child_rekeys(struct sim *s)
{
	ike_rekey(s->side[A].ike, "c", "net", 5, s->now);
	ike_rekey(s->side[B].ike, "c", "net", 5, s->now);
}

/* [REK-6] both rekey the same Child SA: the lowest of four nonces decides, one SA is left. */
Test(child, simultaneous_rekey)
{
	for (unsigned seed = 0; seed < 20; seed++) {
		struct sim *s = up(2000 + seed);

		start_both_child_rekeys(s);
		sim_settle(s, 10 * USEC_PER_SEC);
		cr_assert_eq(sim_op_ends(&s->side[A], 5), 1);
		cr_assert_eq(sim_op_ends(&s->side[B], 5), 1);
		cr_assert_eq(sim_count(&s->side[A], IKE_EV_CHILD_REKEYED, 5), 1);
		cr_assert_eq(sim_count(&s->side[B], IKE_EV_CHILD_REKEYED, 5), 1);
		cr_assert_eq(sim_count(&s->side[A], IKE_EV_CHILD_DOWN, 0), 0);
		cr_assert_eq(sim_count(&s->side[B], IKE_EV_CHILD_DOWN, 0), 0);
		sound(s, 1);
		alive(s, 1);
		sim_free(s);
	}
}

/* [REK-8] and with losses: one may have finished before it sees the other's request. */
Test(child, simultaneous_rekey_under_loss)
{
	under_loss(start_both_child_rekeys, 1, 30 * USEC_PER_SEC);
}

/* ---- rekey of the IKE SA ---- */

/* --> CREATE_CHILD_SA { SA, Ni, KEi }  <-- { SA, Nr, KEr }  --> INFORMATIONAL { D(IKE) }  <-- { }
 * [MID-3] [REK-1] [REK-15] [HDR-5] */
Test(ike, rekey_from_each_side)
{
	for (unsigned side = 0; side < SIM_SIDES; side++) {
		struct sim *s = up(10 + side);
		struct ike_sa_info before = info(s, A), after;

		cr_assert_eq(ike_rekey(s->side[side].ike, "c", NULL, 5, s->now), 0);
		sim_settle(s, 60 * USEC_PER_SEC);
		cr_assert_eq(sim_count(&s->side[side], IKE_EV_IKE_REKEYED, 5), 1);
		cr_assert_eq(sim_op_ends(&s->side[side], 5), 1);
		cr_assert_eq(sim_count(&s->side[A], IKE_EV_IKE_DOWN, 0), 0);
		cr_assert_eq(sim_count(&s->side[B], IKE_EV_CHILD_DOWN, 0), 0);
		sound(s, 1);
		after = info(s, A);
		cr_assert_neq(after.spi_i, before.spi_i);
		cr_assert_neq(after.spi_r, before.spi_r);
		/* the original initiator is now who rekeyed; I stays I */
		cr_assert_eq(after.initiator, side == A);
		alive(s, 1);
		/* the rekeyed one can be rekeyed, by the other side too */
		cr_assert_eq(ike_rekey(s->side[!side].ike, "c", NULL, 6, s->now), 0);
		sim_settle(s, 60 * USEC_PER_SEC);
		sound(s, 1);
		alive(s, 1);
		sim_free(s);
	}
}

static void start_ike_rekey(struct sim *s)
{
	ike_rekey(s->side[A].ike, "c", NULL, 5, s->now);
}

Test(ike, rekey_under_loss)
{
	under_loss(start_ike_rekey, 1, 20 * USEC_PER_SEC);
}

static void start_both_ike_rekeys(struct sim *s)
{
	ike_rekey(s->side[A].ike, "c", NULL, 5, s->now);
	ike_rekey(s->side[B].ike, "c", NULL, 5, s->now);
}

/* [REK-7] */
Test(ike, simultaneous_rekey)
{
	for (unsigned seed = 0; seed < 20; seed++) {
		struct sim *s = up(3000 + seed);

		start_both_ike_rekeys(s);
		sim_settle(s, 10 * USEC_PER_SEC);
		cr_assert_eq(sim_op_ends(&s->side[A], 5), 1);
		cr_assert_eq(sim_op_ends(&s->side[B], 5), 1);
		cr_assert_eq(sim_count(&s->side[A], IKE_EV_IKE_DOWN, 0), 0);
		cr_assert_eq(sim_count(&s->side[B], IKE_EV_IKE_DOWN, 0), 0);
		sim_run(s, 200 * USEC_PER_SEC);
		sound(s, 1);
		alive(s, 1);
		sim_free(s);
	}
}

Test(ike, simultaneous_rekey_under_loss)
{
	under_loss(start_both_ike_rekeys, 1, 30 * USEC_PER_SEC);
}

static void start_ike_and_child(struct sim *s)
{
	ike_rekey(s->side[A].ike, "c", NULL, 5, s->now);
	ike_rekey(s->side[B].ike, "c", "net", 5, s->now);
}

/* [REK-9] [REK-12] one rekeys the IKE SA, the other a Child SA: TEMPORARY_FAILURE, then both
 * succeed */
Test(ike, rekey_crosses_child_rekey)
{
	struct sim *s = up(12);

	start_ike_and_child(s);
	sim_settle(s, 60 * USEC_PER_SEC);
	cr_assert_eq(sim_count(&s->side[A], IKE_EV_IKE_REKEYED, 5), 1);
	cr_assert_eq(sim_count(&s->side[B], IKE_EV_CHILD_REKEYED, 5), 1);
	sound(s, 1);
	alive(s, 1);
	sim_free(s);
}

Test(ike, rekey_crosses_child_rekey_under_loss)
{
	under_loss(start_ike_and_child, 1, 60 * USEC_PER_SEC);
}

/* ---- deletes ---- */

static void start_rekey_and_delete(struct sim *s)
{
	ike_rekey(s->side[A].ike, "c", "net", 5, s->now);
	ike_down(s->side[B].ike, "c", "net", 5, s->now);
}

/* [REK-10] B deletes what A rekeys: answered with Delete; A's request gets TEMPORARY_FAILURE or
 * CHILD_SA_NOT_FOUND. */
Test(delete, crosses_child_rekey)
{
	for (unsigned i = 0; i < 12; i++) {
		struct sim *s = up(20 + i);

		s->lose = i ? UINT64_C(1) << (s->sent + i - 1) : 0;
		start_rekey_and_delete(s);
		sim_settle(s, 60 * USEC_PER_SEC);
		cr_assert_eq(sim_op_ends(&s->side[A], 5), 1);
		cr_assert_eq(sim_count(&s->side[B], IKE_EV_CHILD_DOWN, 5), 1);
		/* either the Delete was first, or the rekey was and its product stays */
		sound(s, s->side[A].n_children);
		sim_free(s);
	}
}

/* [INF-3] crossing Deletes of the same Child SA */
Test(delete, crossing)
{
	struct sim *s = up(40);

	ike_down(s->side[A].ike, "c", "net", 5, s->now);
	ike_down(s->side[B].ike, "c", "net", 6, s->now);
	sim_settle(s, 20 * USEC_PER_SEC);
	cr_assert_eq(sim_op_ends(&s->side[A], 5), 1);
	cr_assert_eq(sim_op_ends(&s->side[B], 6), 1);
	sound(s, 0);
	sim_free(s);
}

/* [INF-2] --> INFORMATIONAL { D(ESP, spi) }  <-- { D(ESP, paired spi) } */
Test(delete, child_from_each_side)
{
	for (unsigned side = 0; side < SIM_SIDES; side++) {
		struct sim *s = up(41 + side);

		cr_assert_eq(ike_down(s->side[side].ike, "c", "net", 5, s->now), 0);
		sim_settle(s, 5 * USEC_PER_SEC);
		cr_assert_eq(sim_count(&s->side[side], IKE_EV_CHILD_DOWN, 5), 1);
		cr_assert_eq(sim_count(&s->side[!side], IKE_EV_CHILD_DOWN, 0), 1);
		sound(s, 0);
		cr_assert_eq(ike_down(s->side[side].ike, "c", "net", 6, s->now), -EALREADY);
		/* and up again on the same IKE SA */
		cr_assert_eq(sim_up(s, side, "net", 7), 0);
		sim_settle(s, 5 * USEC_PER_SEC);
		sound(s, 1);
		sim_free(s);
	}
}

/* [INF-5] --> INFORMATIONAL { D(IKE) }  <-- { } */
Test(delete, ike_from_each_side_under_loss)
{
	for (unsigned side = 0; side < SIM_SIDES; side++) {
		for (unsigned i = 0; i < 6; i++) {
			struct sim *s = up(50 + i);

			s->lose = (UINT64_C(1) << i | 1) << s->sent;
			cr_assert_eq(ike_down(s->side[side].ike, "c", NULL, 5, s->now), 0);
			sim_settle(s, 60 * USEC_PER_SEC);
			cr_assert_eq(sim_count(&s->side[side], IKE_EV_IKE_DOWN, 5), 1);
			cr_assert_eq(sim_op_ends(&s->side[side], 5), 1);
			cr_assert_eq(sim_count(&s->side[!side], IKE_EV_IKE_DOWN, 0), 1);
			cr_assert(sim_mirrored(s, 0));
			cr_assert_eq(ike_sa_count(s->side[A].ike), 0);
			cr_assert_eq(ike_sa_count(s->side[B].ike), 0);
			cr_assert_eq(s->side[A].spis + s->side[B].spis, 0);
			cr_assert_eq(ike_down(s->side[side].ike, "c", NULL, 6, s->now), -EALREADY);
			sim_free(s);
		}
	}
}

/* [REK-11] both delete, and a Delete crosses a rekey of the IKE SA */
Test(delete, ike_crossings)
{
	for (unsigned m = 0; m < 2; m++) {
		for (unsigned i = 0; i < 8; i++) {
			struct sim *s = up(60 + i);

			s->lose = i ? UINT64_C(1) << (s->sent + i - 1) : 0;
			if (m)
				ike_rekey(s->side[A].ike, "c", NULL, 5, s->now);
			else
				ike_down(s->side[A].ike, "c", NULL, 5, s->now);
			ike_down(s->side[B].ike, "c", NULL, 6, s->now);
			sim_settle(s, 100 * USEC_PER_SEC);
			sim_run(s, 300 * USEC_PER_SEC);
			cr_assert_eq(sim_op_ends(&s->side[A], 5), 1);
			cr_assert_eq(sim_op_ends(&s->side[B], 6), 1);
			cr_assert_eq(ike_sa_count(s->side[A].ike), ike_sa_count(s->side[B].ike));
			if (!ike_sa_count(s->side[A].ike))
				cr_assert_eq(s->side[A].spis + s->side[B].spis, 0);
			sim_free(s);
		}
	}
}

/* [INF-14] */
Test(delete, shutdown)
{
	struct sim *s = up(70);

	ike_shutdown(s->side[A].ike, s->now);
	sim_settle(s, 60 * USEC_PER_SEC);
	cr_assert_eq(ike_sa_count(s->side[A].ike) + ike_sa_count(s->side[B].ike), 0);
	cr_assert_eq(s->side[A].spis + s->side[B].spis, 0);
	cr_assert_eq(ike_deadline(s->side[A].ike), USEC_NEVER);
	sim_free(s);
}

/* ---- liveness ---- */

/* [INF-1] [INF-12] an empty request when nothing fresh was heard; ESP counts as fresh. */
Test(liveness, quiet_peer)
{
	struct sim *s = sim_new(80, false);
	unsigned n;

	s->side[A].conn[0].dpd_delay = 10 * USEC_PER_SEC;
	up_with(s);
	n = s->exchanges[A][INFORMATIONAL];
	sim_run(s, 35 * USEC_PER_SEC);
	cr_assert_eq(s->exchanges[A][INFORMATIONAL] - n, 3);
	cr_assert_eq(s->exchanges[B][INFORMATIONAL], 3);
	n = s->exchanges[A][INFORMATIONAL];
	for (unsigned i = 0; i < 8; i++) {
		sim_run(s, 5 * USEC_PER_SEC);
		ike_esp_seen(s->side[A].ike, s->side[A].children[0].id, s->now);
	}
	cr_assert(s->exchanges[A][INFORMATIONAL] - n <= 1);
	sound(s, 1);
	sim_free(s);
}

/* [MID-12] a dead peer: the IKE SA and its Child SAs end, and the text says why. */
Test(liveness, dead_peer)
{
	struct sim *s = sim_new(81, false);

	s->side[A].conn[0].dpd_delay = 10 * USEC_PER_SEC;
	up_with(s);
	s->cut[B] = true;
	sim_run(s, 200 * USEC_PER_SEC);
	cr_assert_eq(sim_count(&s->side[A], IKE_EV_IKE_DOWN, 0), 1);
	cr_assert(strstr(sim_text(&s->side[A], IKE_EV_IKE_DOWN), "no answer from"));
	cr_assert_eq(s->side[A].n_children, 0);
	cr_assert_eq(s->side[A].spis, 0);
	sim_free(s);
}

/* [INF-12] [MID-16] what an attacker can repeat or make up is no sign of life. */
Test(liveness, replays_and_noise)
{
	struct sim *s = sim_new(85, false);
	static struct sim_packet old[8];
	unsigned n = 0;

	s->side[A].conn[0].dpd_delay = 10 * USEC_PER_SEC;
	up_with(s);
	/* of an exchange that is over: both directions, of which those to A count */
	cr_assert_eq(ike_rekey(s->side[B].ike, "c", "net", 5, s->now), 0);
	for (unsigned steps = 0; steps < 12; steps++) {
		sim_drain(s, B);
		for (unsigned i = 0; i < SIM_WIRE && n < 8; i++) {
			if (!s->wire[i].used || s->wire[i].to != A)
				continue;
			old[n] = s->wire[i];
			old[n].buf = malloc(old[n].len);
			memcpy(old[n].buf, s->wire[i].buf, old[n].len);
			n++;
		}
		sim_steps(s, 1);
	}
	cr_assert_geq(n, 2);
	s->cut[B] = true;
	for (unsigned sec = 0; sec < 200 && ike_sa_count(s->side[A].ike); sec++) {
		sim_run(s, USEC_PER_SEC);
		for (unsigned i = 0; i < 2 * n; i++) {
			struct ike_path p = { .local = old[i / 2].dst, .remote = old[i / 2].src };
			uint8_t *copy = malloc(old[i / 2].len);

			memcpy(copy, old[i / 2].buf, old[i / 2].len);
			copy[old[i / 2].len - 1] ^= i & 1;
			ike_recv(s->side[A].ike, &p, copy, old[i / 2].len, s->now);
			free(copy);
		}
		sim_drain(s, A);
	}
	cr_assert_eq(ike_sa_count(s->side[A].ike), 0);
	cr_assert(strstr(sim_text(&s->side[A], IKE_EV_IKE_DOWN), "no answer from"));
	while (n--)
		free(old[n].buf);
	sim_free(s);
}

/* [ROB-5] however far the clock jumps, each side asks once, and all is well. */
Test(liveness, after_a_long_sleep)
{
	struct sim *s = sim_new(84, false);
	unsigned n[SIM_SIDES];

	s->side[A].conn[0].dpd_delay = s->side[B].conn[0].dpd_delay = 10 * USEC_PER_SEC;
	up_with(s);
	for (unsigned i = 0; i < SIM_SIDES; i++)
		n[i] = s->exchanges[i][INFORMATIONAL];
	s->now += UINT64_C(72) * 3600 * USEC_PER_SEC;
	sim_run(s, 5 * USEC_PER_SEC);
	for (unsigned i = 0; i < SIM_SIDES; i++) /* a request, and at most an answer */
		cr_assert_leq(s->exchanges[i][INFORMATIONAL] - n[i], 2);
	cr_assert_geq(s->exchanges[A][INFORMATIONAL] - n[A], 1);
	sound(s, 1);
	sim_free(s);
}

/* An operation that waits for a dead peer fails once. */
Test(liveness, operation_fails)
{
	struct sim *s = up(82);

	s->cut[B] = true;
	cr_assert_eq(sim_up(s, A, "more", 5), 0);
	cr_assert_eq(ike_rekey(s->side[A].ike, "c", "net", 6, s->now), 0);
	sim_run(s, 200 * USEC_PER_SEC);
	cr_assert_eq(sim_count(&s->side[A], IKE_EV_FAILED, 5), 1);
	cr_assert_eq(sim_op_ends(&s->side[A], 5), 1);
	cr_assert_eq(sim_op_ends(&s->side[A], 6), 1);
	cr_assert_eq(s->side[A].spis, 0);
	sim_free(s);
}

/* The local address went away in the middle of an exchange: the same octets over the new path. */
Test(liveness, path_change)
{
	struct sim *s = up(83);
	uint8_t first[4096];
	struct ike_sa_info info;
	size_t len;
	struct ike_path p = sim_path(s, A);

	s->cut[A] = true;
	cr_assert_eq(ike_rekey(s->side[A].ike, "c", "net", 5, s->now), 0);
	sim_drain(s, A);
	len = s->last_len[A];
	memcpy(first, s->last[A], len);
	s->cut[A] = false;
	p.local = (struct udp_addr){ .ip = sim_addr("203.0.113.44"), .port = 4500 };
	p.remote.port = 4500;
	cr_assert(ike_sa_at(s->side[A].ike, 0, &info));
	cr_assert_eq(ike_path_change(s->side[A].ike, info.line, &p, s->now), 0);
	sim_drain(s, A);
	cr_assert_eq(s->last_len[A], len);
	cr_assert(!memcmp(first, s->last[A], len), "[MID-4] bit-identical");
	cr_assert(addr_equal(&s->last_path[A].local.ip, &p.local.ip));
	sim_settle(s, 5 * USEC_PER_SEC);
	cr_assert_eq(sim_count(&s->side[A], IKE_EV_CHILD_REKEYED, 5), 1);
	sim_free(s);
}

/* ---- restart of the agent ---- */

/* Export and import at every step of a rekey, of either side; then everything must still work. */
Test(restart, in_the_middle)
{
	for (unsigned side = 0; side < SIM_SIDES; side++) {
		for (unsigned steps = 0; steps < 5; steps++) {
			struct sim *s = up(90 + steps);

			cr_assert_eq(ike_rekey(s->side[A].ike, "c", "net", 5, s->now), 0);
			sim_steps(s, steps);
			sim_restart(s, side);
			sim_settle(s, 20 * USEC_PER_SEC);
			sound(s, 1);
			alive(s, 1);
			/* and the whole goes down in order */
			cr_assert_eq(ike_down(s->side[side].ike, "c", NULL, 7, s->now), 0);
			sim_settle(s, 60 * USEC_PER_SEC);
			cr_assert(sim_mirrored(s, 0));
			sim_free(s);
		}
	}
}

/* The same in a rekey of the IKE SA. A requester that lost its private value cannot go on: it
 * closes its end, says so, and the relation can be set up again. A responder goes on. */
Test(restart, in_an_ike_rekey)
{
	for (unsigned side = 0; side < SIM_SIDES; side++) {
		for (unsigned steps = 0; steps < 5; steps++) {
			struct sim *s = up(190 + steps);

			cr_assert_eq(ike_rekey(s->side[A].ike, "c", NULL, 5, s->now), 0);
			sim_steps(s, steps);
			sim_restart(s, side);
			sim_settle(s, 20 * USEC_PER_SEC);
			sim_run(s, 300 * USEC_PER_SEC);
			if (!ike_sa_count(s->side[A].ike)) {
				cr_assert_eq(side, A);
				cr_assert(steps < 2);
				cr_assert_eq(sim_count(&s->side[A], IKE_EV_IKE_DOWN, 0), 1);
				cr_assert_eq(sim_up(s, A, NULL, 8), 0);
				sim_settle(s, 20 * USEC_PER_SEC);
			}
			sound(s, 1);
			alive(s, 1);
			sim_free(s);
		}
	}
}

Test(restart, damaged_image)
{
	struct sim *s = up(95);
	static uint8_t image[100000];
	size_t n = ike_export(s->side[A].ike, 0, image, sizeof(image), s->now);
	struct ike_env env = { 0 };
	struct ike *fresh = ike_new(&s->side[A].cfg, &env, s->now);

	cr_assert(n > 200);
	cr_assert_eq(ike_export(s->side[A].ike, 0, image, n - 1, s->now), 0, "too small");
	cr_assert_eq(ike_export(s->side[A].ike, 0, image, n, s->now), n);
	cr_assert_eq(ike_export(s->side[A].ike, 1, image, n, s->now), 0, "no such IKE SA");
	for (size_t len = 0; len < n; len += 7)
		cr_assert_eq(ike_import(fresh, image, len, s->now), -EBADMSG);
	for (size_t i = 0; i < n; i += 3) {
		image[i] ^= 0x10;
		cr_assert_eq(ike_import(fresh, image, n, s->now), -EBADMSG);
		image[i] ^= 0x10;
	}
	cr_assert_eq(ike_import(fresh, image, n, s->now), 0);
	cr_assert_eq(ike_import(fresh, image, n, s->now), -EEXIST);
	cr_assert_null(ike_next_output(fresh), "no CHILD_ADD");
	ike_free(fresh);
	cr_assert_eq(ike_rekey(s->side[A].ike, "c", "net", 5, s->now), 0);
	s->side[A].cfg.n_conns = 0;
	fresh = ike_new(&s->side[A].cfg, &env, s->now);
	cr_assert_eq(ike_import(fresh, image, n, s->now), -ENOENT);
	ike_free(fresh);
	sim_free(s);
}

/* [TS-8] The successor's configuration has smaller selectors: what is in use is rekeyed as it is.
 */
Test(restart, narrower_configuration)
{
	for (unsigned side = 0; side < SIM_SIDES; side++) {
		struct sim *s = up(98 + side);
		struct child_sa_out before = s->side[A].children[0];

		s->side[B].child[0][0].local_ts[0] = sim_ts("10.2.0.0/30");
		s->side[B].child[0][0].remote_ts[0] = sim_ts("10.1.0.0/30");
		sim_restart(s, B);
		cr_assert_eq(ike_rekey(s->side[side].ike, "c", "net", 5, s->now), 0);
		sim_settle(s, 5 * USEC_PER_SEC);
		cr_assert_eq(sim_count(&s->side[side], IKE_EV_CHILD_REKEYED, 5), 1);
		cr_assert_eq(memcmp(&s->side[A].children[0].ts_remote[0], &before.ts_remote[0],
				    sizeof(before.ts_remote[0])),
			     0);
		cr_assert_eq(memcmp(&s->side[A].children[0].ts_local[0], &before.ts_local[0],
				    sizeof(before.ts_local[0])),
			     0);
		sound(s, 1);
		sim_free(s);
	}
}

/* [INF-9] [REK-17] The successor does not know the Child SA's name any more: it is not rekeyed, but
 * it is there, and CHILD_SA_NOT_FOUND would make the peer drop it. */
Test(restart, child_gone_from_the_configuration)
{
	struct sim *s = up(97);

	s->side[B].conn[0].n_children = 1;
	s->side[B].child[0][0] = s->side[B].child[0][1];
	sim_restart(s, B);
	cr_assert_eq(ike_rekey(s->side[A].ike, "c", "net", 5, s->now), 0);
	sim_settle(s, 5 * USEC_PER_SEC);
	cr_assert_eq(sim_count(&s->side[A], IKE_EV_FAILED, 5), 1);
	cr_assert(strstr(sim_text(&s->side[A], IKE_EV_FAILED), "NO_ADDITIONAL_SAS"), "%s",
		  sim_text(&s->side[A], IKE_EV_FAILED));
	sound(s, 1);
	sim_free(s);
}

/* ---- reload ---- */

/* A running IKE SA keeps its configuration until it ends. */
Test(restart, reload)
{
	struct sim *s = up(96);

	s->side[A].cfg.n_conns = 0;
	sim_reload(s, A);
	cr_assert_eq(ike_rekey(s->side[A].ike, "c", "net", 5, s->now), 0);
	sim_settle(s, 5 * USEC_PER_SEC);
	sound(s, 1);
	cr_assert_eq(ike_down(s->side[A].ike, "c", NULL, 6, s->now), 0);
	sim_settle(s, 60 * USEC_PER_SEC);
	cr_assert_eq(sim_up(s, A, NULL, 7), -ENOENT);
	sim_free(s);
}
