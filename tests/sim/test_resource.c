/* SPDX-License-Identifier: GPL-2.0-only */
/* Child SAs for each CPU (RFC 9611), user/ike/resource.c. */
#include <errno.h>

#include "duo_assert.h"
#include "mmx_sim.h"
#include "sim_assert.h"

enum { CPUS = 4 };

static struct sim *sim_cpus(uint64_t seed, uint16_t per_cpu_a, uint16_t per_cpu_b, uint16_t max)
{
	struct sim *s = sim_new(seed, false);

	for (unsigned side = 0; side < SIM_SIDES; side++) {
		s->side[side].cpus = CPUS;
		s->side[side].child[0][0].per_cpu = side == A ? per_cpu_a : per_cpu_b;
		s->side[side].child[0][0].per_cpu_max = max;
	}
	return s;
}

static struct sim *up_cpus(uint64_t seed, uint16_t per_cpu_a, uint16_t per_cpu_b, uint16_t max)
{
	return up_with(sim_cpus(seed, per_cpu_a, per_cpu_b, max));
}

static int ask(struct sim *s, unsigned side, uint16_t cpu)
{
	int ret = ike_up_cpu(s->side[side].ike, s->side[side].children[0].id, cpu, s->now);

	sim_settle(s, 5 * USEC_PER_SEC);
	return ret;
}

/* How many SAs are for that CPU (+ 1), by what the owner was told and by what is shown. */
static unsigned of_cpu(const struct sim *s, unsigned side, uint16_t cpu)
{
	const struct sim_side *d = &s->side[side];
	struct ike_child_info c;
	unsigned told = 0, shown = 0;

	for (unsigned i = 0; i < d->n_children; i++)
		told += d->children[i].cpu == cpu;
	for (unsigned i = 0; ike_child_at(d->ike, 0, i, &c); i++)
		shown += c.cpu == cpu;
	cr_assert_eq(told, shown);
	return told;
}

static void has(const struct sim *s, unsigned side, uint16_t a, uint16_t b)
{
	cr_assert_eq(of_cpu(s, side, 0), 1);
	cr_assert_eq(of_cpu(s, side, a), 1, "%c: %u", "AB"[side], a);
	cr_assert_eq(of_cpu(s, side, b), 1, "%c: %u", "AB"[side], b);
}

/* Either end asks; each gives its own CPUs to what the other one asked for. */
Test(resource, for_cpus_of_either_side)
{
	struct sim *s = up_cpus(1, 2, 3, 32);

	cr_assert(s->side[A].children[0].ask_cpus && s->side[B].children[0].ask_cpus);
	cr_assert_eq(ask(s, A, 1), 0);
	sound(s, 2);
	cr_assert_eq(of_cpu(s, A, 2), 1);
	cr_assert_eq(of_cpu(s, B, 1), 1, "the first that has none");
	cr_assert_eq(ask(s, A, 1), -EALREADY);
	cr_assert_eq(ask(s, B, 0), -EALREADY);
	cr_assert_eq(ask(s, B, 1), 0);
	sound(s, 3);
	has(s, A, 1, 2);
	has(s, B, 1, 2);
	cr_assert_eq(ask(s, A, 2), -EOPNOTSUPP, "it is configured for two");
	cr_assert_eq(ask(s, B, CPUS), -EOPNOTSUPP, "it has no such CPU");
	cr_assert_eq(ask(s, B, 3), 0);
	sound(s, 4);
	cr_assert_eq(ike_up_cpu(s->side[A].ike, 999, 0, s->now), -ENOENT);
	sim_free(s);
}

/* Whatever is lost on the way. */
Test(resource, made_over_a_bad_path)
{
	for (uint64_t lose = 0; lose < 64; lose++) {
		struct sim *s = up_cpus(lose + 1, 2, 2, 32);

		s->lose = lose << s->sent;
		s->duplicate = ~lose << s->sent;
		cr_assert_eq(ask(s, A, 0), 0);
		sim_settle(s, 120 * USEC_PER_SEC);
		alive(s, 2);
		sim_free(s);
	}
}

/* [RSC-1] the rekeyed one is for what the other was, by whomever, also of a successor's core; so it
 * is when the IKE SA is rekeyed. */
Test(resource, rekeys_keep_the_cpu)
{
	for (unsigned side = 0; side < SIM_SIDES; side++) {
		struct sim *s = up_cpus(5 + side, 2, 2, 32);
		uint32_t ids[3];

		cr_assert_eq(ask(s, A, 1), 0);
		cr_assert_eq(ask(s, B, 1), 0);
		for (unsigned round = 0; round < 3; round++) {
			for (unsigned i = 0; i < 3; i++)
				ids[i] = s->side[A].children[i].id;
			if (round == 1)
				sim_restart(s, side);
			if (round == 2)
				cr_assert_eq(ike_rekey(s->side[side].ike, "c", NULL, 4, s->now), 0);
			sim_settle(s, 5 * USEC_PER_SEC);
			cr_assert_eq(ike_rekey(s->side[side].ike, "c", "net", 5, s->now), 0);
			sim_settle(s, 10 * USEC_PER_SEC);
			sound(s, 3);
			has(s, A, 1, 2);
			has(s, B, 1, 2);
			for (unsigned i = 0; i < 3; i++)
				for (unsigned k = 0; k < 3; k++)
					cr_assert_neq(s->side[A].children[k].id, ids[i]);
		}
		cr_assert_eq(ask(s, A, 0), -EALREADY);
		sim_free(s);
	}
}

/* [RSC-2] TS_MAX_QUEUE; the one that asked goes on with what there is, and does not ask again. */
Test(resource, too_many)
{
	struct sim *s = up_cpus(9, CPUS, 0, 1);

	cr_assert_eq(ask(s, A, 0), 0);
	sound(s, 2);
	cr_assert_eq(ask(s, A, 1), 0);
	sound(s, 2);
	cr_assert_eq(sim_count(&s->side[A], IKE_EV_FAILED, 0), 0);
	cr_assert_eq(ask(s, A, 2), -EOPNOTSUPP);
	cr_assert_eq(ike_rekey(s->side[A].ike, "c", "net", 5, s->now), 0);
	sim_settle(s, 5 * USEC_PER_SEC);
	sim_restart(s, A);
	cr_assert_eq(ask(s, A, 2), -EOPNOTSUPP);
	sound(s, 2);
	cr_assert_eq(ask(s, B, 1), -EOPNOTSUPP, "it is not configured to ask");
	sim_free(s);
}

/* A responder that has none of it is not asked. */
Test(resource, peer_does_not_say_so)
{
	struct sim *s = up_cpus(10, CPUS, CPUS, 0);

	cr_assert(!s->side[A].children[0].ask_cpus && !s->side[B].children[0].ask_cpus);
	cr_assert_eq(ask(s, A, 0), -EOPNOTSUPP);
	sound(s, 1);
	sim_free(s);
}

/* One whose ESP has no use for them takes them all the same, and does not ask. */
Test(resource, of_use_for_one_side)
{
	struct sim *s = sim_cpus(11, 2, 2, 32);

	s->side[B].cpus = 0;
	up_with(s);
	cr_assert_eq(ask(s, A, 1), 0);
	sound(s, 2);
	cr_assert_eq(of_cpu(s, A, 2), 1);
	cr_assert_eq(of_cpu(s, B, 0), 2);
	cr_assert_eq(ask(s, B, 0), -EOPNOTSUPP);
	/* authenticated anew by A: others come when they are asked for */
	cr_assert_eq(ike_down(s->side[A].ike, "c", "net", 6, s->now), 0);
	sim_settle(s, 5 * USEC_PER_SEC);
	sound(s, 0);
	cr_assert_eq(sim_count(&s->side[A], IKE_EV_CHILD_DOWN, 6), 1);
	sim_free(s);

	s = sim_cpus(12, 2, 2, 32);
	s->side[A].cpus = 0;
	up_with(s);
	cr_assert(!s->side[B].children[0].ask_cpus, "A did not say so");
	sim_free(s);
}

/* [RSC-3] a peer that deletes each again is asked as often as there are CPUs, then a minute not. */
Test(resource, no_loop_with_a_peer_that_deletes)
{
	struct sim *s = up_cpus(13, 2, 2, 32);

	for (unsigned i = 0; i < 2; i++) {
		cr_assert_eq(ask(s, A, 0), 0);
		sound(s, 2);
		ike_child_install_failed(s->side[B].ike, s->side[B].children[1].id, s->now);
		sim_settle(s, 5 * USEC_PER_SEC);
		sound(s, 1);
	}
	cr_assert_eq(ask(s, A, 0), -EAGAIN);
	sim_run(s, 61 * USEC_PER_SEC);
	cr_assert_eq(ask(s, A, 0), 0);
	sound(s, 2);
	sim_free(s);
}

/* With the limit of all Child SAs it is the same answer. */
Test(resource, too_many_of_all)
{
	struct sim *s = sim_cpus(14, CPUS, CPUS, 32);

	s->side[B].conn[0].child_sas_max = 2;
	up_with(s);
	cr_assert_eq(ask(s, A, 0), 0);
	cr_assert_eq(ask(s, A, 1), 0);
	sound(s, 2);
	cr_assert_eq(ask(s, A, 1), -EOPNOTSUPP);
	sim_free(s);
}

/* The one for all is gone, authenticated anew: one for a CPU does not stand for it. */
Test(resource, authenticated_anew)
{
	struct sim *s = sim_cpus(15, 2, 2, 32);

	s->side[A].conn[0].reauth_time = 600 * USEC_PER_SEC;
	up_with(s);
	cr_assert_eq(ask(s, A, 0), 0);
	cr_assert_eq(ask(s, A, 1), 0);
	sound(s, 3);
	sim_run(s, 700 * USEC_PER_SEC);
	sound(s, 1);
	cr_assert_eq(of_cpu(s, A, 0), 1);
	cr_assert_eq(ask(s, A, 1), 0);
	sound(s, 2);
	sim_free(s);
}

/* The peer ends one of them: the first, or one of the others. */
static void end_one(struct sim *s, unsigned side, bool additional)
{
	const struct sim_side *d = &s->side[side];

	for (unsigned i = 0; i < d->n_children; i++) {
		if (d->children[i].additional != additional)
			continue;
		ike_child_install_failed(d->ike, d->children[i].id, s->now);
		sim_settle(s, 5 * USEC_PER_SEC);
		return;
	}
	cr_assert(false, "there is none");
}

static unsigned firsts(const struct sim *s, unsigned side)
{
	unsigned n = 0;

	for (unsigned i = 0; i < s->side[side].n_children; i++)
		n += !s->side[side].children[i].additional;
	return n;
}

/* Where the first one alone is gone the others do not stand for it: it is made again, by whomever,
 * and is the first again. */
Test(resource, first_is_made_again)
{
	for (unsigned side = 0; side < SIM_SIDES; side++) {
		struct sim *s = up_cpus(16 + side, 3, 3, 32);

		cr_assert_eq(ask(s, A, 0), 0);
		cr_assert_eq(ask(s, A, 1), 0);
		end_one(s, side, false);
		sound(s, 2);
		cr_assert_eq(firsts(s, A) + firsts(s, B), 0);
		cr_assert_eq(ask(s, A, 2), -ENOENT);
		cr_assert_eq(ike_up(s->side[side].ike, "c", "net", NULL, 7, s->now), 0);
		sim_settle(s, 5 * USEC_PER_SEC);
		sound(s, 3);
		cr_assert_eq(ike_up(s->side[side].ike, "c", "net", NULL, 8, s->now), -EALREADY);
		for (unsigned i = 0; i < SIM_SIDES; i++) {
			cr_assert_eq(firsts(s, i), 1);
			has(s, i, 1, 2);
		}
		cr_assert_eq(ask(s, A, 2), 0);
		sound(s, 4);
		sim_free(s);
	}
}

/* Authenticated anew with only others there: the first one comes again. */
Test(resource, authenticated_anew_without_the_first)
{
	struct sim *s = sim_cpus(18, 2, 2, 32);

	s->side[A].conn[0].reauth_time = 600 * USEC_PER_SEC;
	up_with(s);
	cr_assert_eq(ask(s, A, 0), 0);
	cr_assert_eq(ask(s, A, 1), 0);
	end_one(s, B, false);
	sound(s, 2);
	sim_run(s, 700 * USEC_PER_SEC);
	sound(s, 1);
	cr_assert_eq(firsts(s, A), 1);
	cr_assert_eq(firsts(s, B), 1);
	sim_free(s);
}

/* Where there was no room there is some when one goes. */
Test(resource, room_again)
{
	struct sim *s = up_cpus(19, CPUS, 0, 1);

	cr_assert_eq(ask(s, A, 0), 0);
	cr_assert_eq(ask(s, A, 1), 0);
	cr_assert_eq(ask(s, A, 1), -EOPNOTSUPP);
	end_one(s, B, true);
	sound(s, 1);
	cr_assert_eq(ask(s, A, 1), 0);
	sound(s, 2);
	sim_free(s);
}

/* A request that a restart made void is no refusal of the peer's. */
Test(resource, restart_while_asking)
{
	struct sim *s = sim_cpus(20, 2, 0, 32);

	for (unsigned side = 0; side < SIM_SIDES; side++) {
		struct ike_child_cfg *c = &s->side[side].child[0][0];

		c->n_proposals = 1;
		c->proposals[0] = (struct ike_proposal){ .n_encr = 1,
							 .encr = { { ENCR_AES_GCM_16, 128 } },
							 .n_ke = 1,
							 .ke = { KE_X25519 } };
	}
	up_with(s);
	cr_assert_eq(ike_up_cpu(s->side[A].ike, s->side[A].children[0].id, 0, s->now), 0);
	sim_drain(s, A);
	sim_restart(s, A);
	sim_settle(s, 30 * USEC_PER_SEC);
	sound(s, 1);
	cr_assert_eq(ask(s, A, 0), 0);
	sound(s, 2);
	sim_free(s);
}

static struct ike_proposal gcm(uint16_t bits)
{
	return (struct ike_proposal){ .n_encr = 1,
				      .encr = { { ENCR_AES_GCM_16, bits } },
				      .n_ke = 1,
				      .ke = { bits == 128 ? KE_X25519 : KE_ECP_256 } };
}

/* [RSC-1] the algorithms of the first one, whatever is preferred since; where they are not
 * configured any more none is asked for until it is rekeyed. */
Test(resource, algorithms_of_the_first)
{
	struct sim *s = sim_cpus(21, CPUS, 0, 32);

	for (unsigned side = 0; side < SIM_SIDES; side++) {
		s->side[side].child[0][0].n_proposals = 2;
		s->side[side].child[0][0].proposals[0] = gcm(128);
		s->side[side].child[0][0].proposals[1] = gcm(256);
	}
	up_with(s);
	for (unsigned side = 0; side < SIM_SIDES; side++) {
		s->side[side].child[0][0].proposals[0] = gcm(256);
		s->side[side].child[0][0].proposals[1] = gcm(128);
		sim_restart(s, side);
	}
	cr_assert_eq(ask(s, A, 0), 0);
	sound(s, 2);
	for (unsigned i = 0; i < 2; i++)
		cr_assert_eq(s->side[A].children[i].encr_key_bits, 128);
	s->side[A].child[0][0].n_proposals = 1;
	sim_restart(s, A);
	cr_assert_eq(ask(s, A, 1), 0);
	sound(s, 2);
	cr_assert_eq(ike_rekey(s->side[A].ike, "c", "net", 5, s->now), 0);
	sim_settle(s, 10 * USEC_PER_SEC);
	cr_assert_eq(ask(s, A, 1), 0);
	sound(s, 3);
	for (unsigned i = 0; i < 3; i++)
		cr_assert_eq(s->side[A].children[i].encr_key_bits, 256);
	sim_free(s);
}

/* [RSC-2] no SPI for one of the others is a queue too many, too. */
Test(resource, no_spi_for_another)
{
	struct sim *s = up_cpus(22, CPUS, 0, 32);

	s->side[B].no_spis = true;
	cr_assert_eq(ask(s, A, 0), 0);
	cr_assert_eq(ask(s, A, 1), -EOPNOTSUPP);
	s->side[B].no_spis = false;
	sound(s, 1);
	sim_free(s);
}

/* The first one with other selectors is none of the others: too many of all is what it is. */
Test(resource, no_room_for_another_first)
{
	struct sim *s = sim_cpus(23, CPUS, 0, 32);

	s->side[A].child[0][1].per_cpu = CPUS;
	s->side[B].child[0][1].per_cpu_max = 32;
	s->side[B].conn[0].child_sas_max = 2;
	up_with(s);
	cr_assert_eq(ask(s, A, 0), 0);
	sound(s, 2);
	cr_assert_eq(ike_up(s->side[A].ike, "c", "more", NULL, 9, s->now), 0);
	sim_settle(s, 5 * USEC_PER_SEC);
	cr_assert(strstr(sim_text(&s->side[A], IKE_EV_FAILED), "NO_ADDITIONAL_SAS"), "%s",
		  sim_text(&s->side[A], IKE_EV_FAILED));
	sim_free(s);
}

/* ---- with MMX ---- */

static const struct child_sa_out *newest(const struct sim *s, unsigned side)
{
	const struct sim_side *d = &s->side[side];
	const struct child_sa_out *c = &d->children[0];

	for (unsigned i = 1; i < d->n_children; i++)
		c = d->children[i].id > c->id ? &d->children[i] : c;
	return c;
}

/* Another one with the same selectors on a pair of its own is not for a CPU, and has none beside
 * it. */
Test(resource, pairs_of_their_own)
{
	const uint16_t max[] = { 0, 32 };

	for (unsigned k = 0; k < 2; k++) {
		struct sim *s = mmx_sim_new(24 + k);
		const struct child_sa_out *c;

		for (unsigned side = 0; side < SIM_SIDES; side++) {
			s->side[side].cpus = CPUS;
			s->side[side].child[0][1].per_cpu = CPUS;
			s->side[side].child[0][1].per_cpu_max = max[k];
		}
		mmx_sim_begin(s, 3, 3);
		cr_assert_eq(sim_up(s, A, "more", 2), 0);
		sim_settle(s, 20 * USEC_PER_SEC);
		for (uint16_t n = 2; n < 4; n++) {
			struct ike_outer_wish w = { .mode = MMX_OUTER_SINGLE,
						    .n_own = 1,
						    .n_peer = 1,
						    .own = { n },
						    .peer = { n } };

			cr_assert_eq(ike_up_line_outer(s->side[A].ike, mmx_sim_line(s, A), "more",
						       &w, n + 10u, s->now),
				     0);
			sim_settle(s, 20 * USEC_PER_SEC);
			cr_assert(sim_mirrored(s, n + 1u), "%s",
				  sim_text(&s->side[A], IKE_EV_FAILED));
			for (unsigned side = 0; side < SIM_SIDES; side++) {
				c = newest(s, side);
				cr_assert(!c->additional && !c->ask_cpus && !c->cpu);
			}
		}
		cr_assert_eq(firsts(s, B), 4);
		c = newest(s, A);
		cr_assert_eq(ike_up_cpu(s->side[A].ike, c->id, 0, s->now), -EOPNOTSUPP);
		for (unsigned i = 0; k && i < s->side[A].n_children; i++) {
			c = &s->side[A].children[i];
			if (!c->ask_cpus)
				continue;
			cr_assert_eq(ike_up_cpu(s->side[A].ike, c->id, 0, s->now), 0);
			sim_settle(s, 20 * USEC_PER_SEC);
			cr_assert(sim_mirrored(s, 5));
			cr_assert(newest(s, A)->additional && newest(s, B)->additional);
			break;
		}
		sim_free(s);
	}
}

/* ---- on the wire ---- */

static struct ike_msg in;

static const struct notify *next(struct duo *d, int from, struct duo_msg *m, uint16_t type)
{
	static struct duo_msg plain;

	cr_assert(duo_take(d, m));
	plain = *m;
	cr_assert(duo_open(d, from, 0, &plain, &in));
	return msg_notify(&in, type);
}

/* [RSC-1] in requests and answers of the first and of others, with which it is; [RSC-2] and the
 * answer to one too many. */
Test(resource, notifications)
{
	struct duo *d = new_duo();
	const struct notify *n;
	struct duo_msg m;

	for (int who = 0; who < 2; who++) {
		d->e[who].env.cpus = CPUS;
		d->side[who].child.per_cpu = CPUS;
		d->side[who].child.per_cpu_max = 1;
	}
	cr_assert_eq(duo_start(d), 0);
	cr_assert_eq(duo_up(d), 0);
	for (unsigned i = 0; i < 2; i++) {
		cr_assert(duo_take(d, &m));
		duo_deliver(d, &m);
	}
	n = next(d, DUO_I, &m, N_SA_RESOURCE_INFO);
	cr_assert_eq(in.hdr.exchange, IKE_AUTH);
	cr_assert(n && !n->protocol && !n->spi.len && !n->data.len);
	duo_deliver(d, &m);
	cr_assert(next(d, DUO_R, &m, N_SA_RESOURCE_INFO));
	duo_deliver(d, &m);
	for (uint16_t cpu = 2; cpu < 4; cpu++) {
		cr_assert_eq(ike_up_cpu(d->e[DUO_I].ike, d->e[DUO_I].child.id, cpu, d->now), 0);
		duo_wait(d, 0);
		n = next(d, DUO_I, &m, N_SA_RESOURCE_INFO);
		cr_assert_eq(in.hdr.exchange, CREATE_CHILD_SA);
		cr_assert(n && n->data.len == 4 && n->data.p[3] == cpu);
		duo_deliver(d, &m);
		n = next(d, DUO_R, &m, cpu == 2 ? N_SA_RESOURCE_INFO : N_TS_MAX_QUEUE);
		cr_assert(n && !n->protocol && !n->spi.len);
		cr_assert_eq(in.has_sa, cpu == 2);
		duo_deliver(d, &m);
	}
	cr_assert_eq(d->e[DUO_I].child_adds, 2);
	cr_assert_eq(d->e[DUO_R].child_adds, 2);
	duo_free(d);
}

/* That answer instead of the one that waits on the wire. */
static void refuse(struct duo *d, struct duo_msg *m, uint16_t type)
{
	uint8_t inner[64];
	struct msg_wr w = msg_begin_inner(inner, sizeof(inner));
	size_t len;

	next(d, DUO_R, m, type);
	msg_put_notify(&w, PROTO_NONE, NULL, 0, type, NULL, 0);
	len = msg_end(&w);
	m->len = duo_seal(d, DUO_R, 0, &in.hdr, w.first, inner, len, m->buf, sizeof(m->buf));
	cr_assert_gt(m->len, 0);
}

/* A peer that has no time for one is not left, and may have it later. */
Test(resource, temporary_failures)
{
	struct duo *d = new_duo();
	struct duo_msg m;
	unsigned tries = 0;

	for (int who = 0; who < 2; who++) {
		d->e[who].env.cpus = CPUS;
		d->side[who].child.per_cpu = d->side[who].child.per_cpu_max = CPUS;
	}
	cr_assert_eq(duo_start(d), 0);
	cr_assert(duo_establish(d));
	cr_assert_eq(ike_up_cpu(d->e[DUO_I].ike, d->e[DUO_I].child.id, 1, d->now), 0);
	duo_wait(d, 0);
	while (duo_take(d, &m)) {
		tries++;
		duo_deliver(d, &m);
		refuse(d, &m, N_TEMPORARY_FAILURE);
		duo_deliver(d, &m);
		for (unsigned i = 0; i < 10 && !d->n; i++)
			duo_wait(d, 60 * USEC_PER_SEC);
	}
	cr_assert_gt(tries, 5);
	cr_assert_eq(ike_sa_count(d->e[DUO_I].ike), 1);
	cr_assert_eq(d->e[DUO_I].child_adds, 1);
	cr_assert_eq(d->e[DUO_I].child_dels, 0);
	cr_assert_eq(ike_up_cpu(d->e[DUO_I].ike, d->e[DUO_I].child.id, 2, d->now), 0);
	duo_free(d);
}

/* The answer that waits on the wire, with fewer ports. */
static void narrow(struct duo *d, struct duo_msg *m)
{
	uint8_t inner[2048];
	struct msg_wr w = msg_begin_inner(inner, sizeof(inner));
	struct ts_list tsr;
	size_t len;

	cr_assert(next(d, DUO_R, m, N_SA_RESOURCE_INFO));
	tsr = in.tsr;
	tsr.ts[0].port_last = 80;
	msg_put_sa(&w, &in.sa);
	msg_put_nonce(&w, in.nonce.p, in.nonce.len);
	msg_put_ts(&w, PLD_TSI, &in.tsi);
	msg_put_ts(&w, PLD_TSR, &tsr);
	msg_put_notify(&w, PROTO_NONE, NULL, 0, N_SA_RESOURCE_INFO, NULL, 0);
	len = msg_end(&w);
	m->len = duo_seal(d, DUO_R, 0, &in.hdr, w.first, inner, len, m->buf, sizeof(m->buf));
	cr_assert_gt(m->len, 0);
}

/* What is not as the first one is deleted again; that is no word about others. */
Test(resource, additional_one_is_another)
{
	struct duo *d = new_duo();
	struct duo_msg m;

	for (int who = 0; who < 2; who++) {
		d->e[who].env.cpus = CPUS;
		d->side[who].child.per_cpu = d->side[who].child.per_cpu_max = CPUS;
	}
	cr_assert_eq(duo_start(d), 0);
	cr_assert(duo_establish(d));
	cr_assert_eq(ike_up_cpu(d->e[DUO_I].ike, d->e[DUO_I].child.id, 1, d->now), 0);
	duo_wait(d, 0);
	cr_assert(duo_take(d, &m));
	duo_deliver(d, &m);
	narrow(d, &m);
	duo_deliver(d, &m);
	cr_assert(duo_settle(d));
	cr_assert_eq(d->e[DUO_I].child_adds, 1);
	cr_assert_eq(d->e[DUO_R].child_adds, 2);
	cr_assert_eq(d->e[DUO_R].child_dels, 1);
	cr_assert_eq(d->e[DUO_I].failures, 0);
	cr_assert_eq(ike_up_cpu(d->e[DUO_I].ike, d->e[DUO_I].child.id, 2, d->now), 0);
	duo_free(d);
}
