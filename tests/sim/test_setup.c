/* SPDX-License-Identifier: GPL-2.0-only */
/* Setting up: IKE_SA_INIT and IKE_AUTH between two cores. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim.h"

static struct sim *up(uint64_t seed, bool v6)
{
	struct sim *s = sim_new(seed, v6);

	sim_start(s);
	cr_assert_eq(sim_up(s, A, NULL, 7), 0);
	sim_settle(s, 20 * USEC_PER_SEC);
	return s;
}

/* --> IKE_SA_INIT { SA, KE, Ni, NATD }  <-- { SA, KE, Nr, NATD }
 * --> IKE_AUTH { IDi, IDr, AUTH, SA, TSi, TSr }  <-- { IDr, AUTH, SA, TSi, TSr } */
Test(setup, psk_v4)
{
	struct sim *s = up(1, false);
	struct ike_sa_info i, r;

	cr_assert(sim_mirrored(s, 1));
	cr_assert_eq(s->sent, 4);
	cr_assert_eq(sim_count(&s->side[A], IKE_EV_CHILD_UP, 7), 1);
	cr_assert_eq(sim_op_ends(&s->side[A], 7), 1);
	cr_assert(ike_sa_at(s->side[A].ike, 0, &i));
	cr_assert(ike_sa_at(s->side[B].ike, 0, &r));
	cr_assert_eq(i.spi_i, r.spi_i);
	cr_assert_eq(i.spi_r, r.spi_r);
	cr_assert(i.role_i && !r.role_i);
	/* no NAT, yet both go to port 4500, and the address pair is that of IKE_AUTH: MIF-3.1.2-3
	 */
	cr_assert_eq(i.path.local.port, 4500);
	cr_assert_eq(r.path.remote.port, 4500);
	cr_assert(!i.nat_local && !i.nat_remote && !r.nat_local && !r.nat_remote);
	cr_assert(s->side[A].children[0].role_i && !s->side[B].children[0].role_i);
	sim_free(s);
}

Test(setup, psk_v6)
{
	struct sim *s = up(2, true);

	cr_assert(sim_mirrored(s, 1));
	sim_free(s);
}
