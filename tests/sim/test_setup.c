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

/* ---- suites ---- */

struct suite_row {
	const char *ike, *esp;
};

static void parse(const char *text, struct ike_proposal *p)
{
	char copy[128], *save, *word;

	memset(p, 0, sizeof(*p));
	snprintf(copy, sizeof(copy), "%s", text);
	for (word = strtok_r(copy, "-", &save); word; word = strtok_r(NULL, "-", &save)) {
		uint16_t id, bits;
		uint8_t type;

		cr_assert_eq(alg_from_name(word, &type, &id, &bits), 0, "%s", word);
		switch (type) {
		case TRANSFORM_ENCR:
			p->encr[p->n_encr++] = (struct ike_alg){ id, bits };
			break;
		case TRANSFORM_INTEG:
			p->integ[p->n_integ++] = (struct ike_alg){ id, bits };
			break;
		case TRANSFORM_PRF:
			p->prf[p->n_prf++] = id;
			break;
		case TRANSFORM_KE:
			p->ke[p->n_ke++] = id;
			break;
		case TRANSFORM_ESN:
			p->esn[p->n_esn++] = id;
			break;
		}
	}
}

static void set_ike(struct sim_side *d, const char *a, const char *b)
{
	parse(a, &d->conn[0].proposals[0]);
	d->conn[0].n_proposals = 1;
	if (b) {
		parse(b, &d->conn[0].proposals[1]);
		d->conn[0].n_proposals = 2;
	}
}

static void set_esp(struct sim_side *d, const char *text)
{
	for (unsigned i = 0; i < 2; i++) {
		parse(text, &d->child[0][i].proposals[0]);
		d->child[0][i].n_proposals = 1;
	}
}

/* [KEY-1] [KEY-2] [KEY-5] [KEY-6] [AEA-7]: every suite gives both sides the same keys, crosswise,
 * and each direction its own. */
Test(setup, every_suite)
{
	static const struct suite_row rows[] = {
		{ "aes128gcm16-prfsha256-x25519", "aes128gcm16" },
		{ "aes256gcm16-prfsha384-ecp256", "aes256gcm16-esn" },
		{ "aes256gcm16-prfsha512-ecp384", "aes256gcm16-esn-noesn" },
		{ "chacha20poly1305-prfsha256-x25519", "chacha20poly1305" },
		{ "aes128-sha256-modp2048", "aes128-sha256" },
		{ "aes256-sha384-ecp521", "aes256-sha384" },
		{ "aes256-sha512-modp3072", "aes256-sha512-esn" },
		{ "aes128-sha256-prfsha512-x448", "aes128-sha256-esn" },
		{ "aes128-sha1-modp4096", "aes128-sha1" },
	};

	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct sim *s = sim_new(100 + i, false);
		struct ike_sa_info info;

		for (unsigned d = 0; d < SIM_SIDES; d++) {
			set_ike(&s->side[d], rows[i].ike, NULL);
			set_esp(&s->side[d], rows[i].esp);
		}
		sim_start(s);
		cr_assert_eq(sim_up(s, A, NULL, 1), 0);
		sim_settle(s, 20 * USEC_PER_SEC);
		cr_assert(sim_mirrored(s, 1), "%s %s", rows[i].ike, rows[i].esp);
		cr_assert_neq(memcmp(s->side[A].children[0].key_in.b,
				     s->side[A].children[0].key_out.b,
				     s->side[A].children[0].key_in.len),
			      0);
		cr_assert(ike_sa_at(s->side[A].ike, 0, &info));
		cr_assert(strlen(info.suite) > 8);
		sim_free(s);
	}
}

/* [PRO-5] a configuration that mixes AEAD and other ciphers becomes two proposals. */
Test(setup, mixed_proposal_is_split)
{
	struct sim *s = sim_new(3, false);

	set_ike(&s->side[A], "aes128gcm16-aes256-sha256-prfsha256-x25519", NULL);
	set_ike(&s->side[B], "aes256-sha256-prfsha256-x25519", NULL);
	set_esp(&s->side[A], "aes128gcm16-aes256-sha256");
	set_esp(&s->side[B], "aes256-sha256");
	sim_start(s);
	sim_up(s, A, NULL, 1);
	sim_settle(s, 20 * USEC_PER_SEC);
	cr_assert(sim_mirrored(s, 1));
	cr_assert_eq(s->side[A].children[0].encr_id, ENCR_AES_CBC);
	sim_free(s);
}

/* --> IKE_SA_INIT { SA, KE(x25519) }  <-- N(INVALID_KE_PAYLOAD ecp256)  --> { SA, KE(ecp256) } */
Test(setup, invalid_ke)
{
	struct sim *s = sim_new(4, false);

	set_ike(&s->side[A], "aes128gcm16-prfsha256-x25519-ecp256", NULL);
	set_ike(&s->side[B], "aes128gcm16-prfsha256-ecp256", NULL);
	sim_start(s);
	sim_up(s, A, NULL, 1);
	sim_settle(s, 20 * USEC_PER_SEC);
	cr_assert(sim_mirrored(s, 1));
	cr_assert_eq(s->sent, 6);
	sim_free(s);
}

/* [INI-7] no proposal in common: not final at once, then one clear reason. */
Test(setup, no_proposal)
{
	struct sim *s = sim_new(5, false);

	set_ike(&s->side[A], "aes128gcm16-prfsha256-x25519", NULL);
	set_ike(&s->side[B], "aes256gcm16-prfsha256-x25519", NULL);
	sim_start(s);
	sim_up(s, A, NULL, 1);
	sim_run(s, USEC_PER_SEC);
	cr_assert_eq(sim_op_ends(&s->side[A], 1), 0);
	sim_settle(s, 60 * USEC_PER_SEC);
	cr_assert_eq(sim_op_ends(&s->side[A], 1), 1);
	cr_assert(strstr(sim_text(&s->side[A], IKE_EV_FAILED), "NO_PROPOSAL_CHOSEN"));
	cr_assert_eq(ike_sa_count(s->side[A].ike), 0);
	cr_assert_eq(s->side[A].spis, 0);
	sim_free(s);
}

/* The Child SA's proposals differ: the IKE SA stays up [AUT-8]. */
Test(setup, no_child_proposal)
{
	struct sim *s = sim_new(6, false);

	set_esp(&s->side[A], "aes128gcm16");
	set_esp(&s->side[B], "aes256gcm16");
	sim_start(s);
	sim_up(s, A, NULL, 1);
	sim_settle(s, 20 * USEC_PER_SEC);
	cr_assert(sim_mirrored(s, 0));
	cr_assert_eq(ike_sa_count(s->side[A].ike), 1);
	cr_assert_eq(ike_sa_count(s->side[B].ike), 1);
	cr_assert_eq(sim_op_ends(&s->side[A], 1), 1);
	cr_assert(strstr(sim_text(&s->side[A], IKE_EV_FAILED), "NO_PROPOSAL_CHOSEN"));
	cr_assert_eq(s->side[A].spis + s->side[B].spis, 0);
	sim_free(s);
}

/* ---- cookies ---- */

/* --> IKE_SA_INIT  <-- N(COOKIE)  --> N(COOKIE), ...  [INI-1] [INI-2] */
Test(setup, cookie)
{
	struct sim *s = sim_new(7, false);
	struct ike_counters c;
	struct ike_path p = sim_path(s, A);
	uint8_t first[4096];
	size_t len;

	/* another half-open IKE SA makes B busy: threshold 1 */
	s->side[B].cfg.cookie_threshold = 1;
	sim_start(s);
	s->cut[B] = true;
	sim_up(s, A, NULL, 1);
	sim_run(s, USEC_PER_SEC / 2);
	ike_down(s->side[A].ike, "c", NULL, 0, s->now);
	sim_drain(s, A);
	s->cut[B] = false;
	cr_assert_eq(sim_up(s, A, NULL, 2), 0);
	sim_drain(s, A);
	len = s->last_len[A];
	memcpy(first, s->last[A], len);
	sim_settle(s, 5 * USEC_PER_SEC);
	cr_assert(sim_mirrored(s, 1));
	ike_counters_get(s->side[B].ike, &c);
	cr_assert_eq(c.cookies_sent, 1);
	/* the repeated request had the cookie first and the rest unchanged; the first one, played
	 * again, gets a cookie once more and leaves no state */
	struct ike_path back = { .local = p.remote, .remote = p.local };
	ike_recv(s->side[B].ike, &back, first, len, s->now);
	ike_counters_get(s->side[B].ike, &c);
	cr_assert_eq(c.cookies_sent, 2);
	sim_free(s);
}

/* [INI-6] cookie first, then another group: the cookie stays in the request. */
Test(setup, cookie_then_invalid_ke)
{
	struct sim *s = sim_new(8, false);

	set_ike(&s->side[A], "aes128gcm16-prfsha256-x25519-ecp256", NULL);
	set_ike(&s->side[B], "aes128gcm16-prfsha256-ecp256", NULL);
	s->side[B].cfg.cookie_threshold = 1;
	sim_start(s);
	s->cut[B] = true;
	sim_up(s, A, NULL, 1);
	/* the group is settled before B has any state: it needs a second round to be half-open */
	sim_run(s, USEC_PER_SEC / 2);
	s->cut[B] = false;
	sim_settle(s, 20 * USEC_PER_SEC);
	cr_assert(sim_mirrored(s, 1));
	sim_free(s);
}

/* [INI-14] [ROB-3] a flood from addresses that cannot receive leaves at most the threshold. */
Test(setup, half_open_flood)
{
	struct sim *s = sim_new(9, false);
	struct ike_counters c;
	struct ike_path p = sim_path(s, B);
	uint8_t buf[4096];
	size_t len;

	s->side[B].cfg.cookie_threshold = 5;
	sim_start(s);
	sim_up(s, A, NULL, 1);
	sim_drain(s, A);
	len = s->last_len[A];
	for (unsigned i = 0; i < 2000; i++) {
		memcpy(buf, s->last[A], len);
		buf[0] = (uint8_t)(i >> 8);
		buf[1] = (uint8_t)i;
		buf[2] = 0x55;
		p.remote.ip = addr_v4(0xcb007100u + i % 250);
		ike_recv(s->side[B].ike, &p, buf, len, s->now);
		while (ike_next_output(s->side[B].ike))
			;
	}
	ike_counters_get(s->side[B].ike, &c);
	cr_assert_eq(c.half_open, 5);
	cr_assert_eq(c.cookies_sent, 1995);
	/* who shows a cookie gets through all the same */
	sim_settle(s, 5 * USEC_PER_SEC);
	cr_assert(sim_mirrored(s, 1));
	/* and the rest expires */
	sim_run(s, 40 * USEC_PER_SEC);
	ike_counters_get(s->side[B].ike, &c);
	cr_assert_eq(c.half_open, 0);
	sim_free(s);
}

/* Beyond the total limit IKE_SA_INIT is dropped, with a cookie or without. */
Test(setup, half_open_limit)
{
	struct sim *s = sim_new(10, false);
	struct ike_counters c;

	s->side[B].cfg.cookie_threshold = 1000;
	s->side[B].cfg.half_open_max = 3;
	sim_start(s);
	s->cut[B] = true;
	for (unsigned i = 0; i < 6; i++) {
		sim_up(s, A, NULL, 0);
		sim_run(s, USEC_PER_SEC / 10);
		ike_down(s->side[A].ike, "c", NULL, 0, s->now);
	}
	ike_counters_get(s->side[B].ike, &c);
	cr_assert_eq(c.half_open, 3);
	cr_assert_eq(c.half_open_refused, 3);
	sim_free(s);
}

/* ---- NAT ---- */

/* [NAT-1] [NAT-2] [NAT-3] [MID-7] MM-6-3: found by the hashes; 4500 from IKE_AUTH on; answers go to
 * the source of the request. */
Test(setup, nat)
{
	struct sim *s = sim_new(11, false);
	struct ike_sa_info a, b;

	s->nat = true;
	s->side[A].conn[0].encap = s->side[B].conn[0].encap = false;
	sim_start(s);
	sim_up(s, A, NULL, 1);
	sim_settle(s, 20 * USEC_PER_SEC);
	cr_assert(sim_mirrored(s, 1));
	cr_assert(ike_sa_at(s->side[A].ike, 0, &a) && ike_sa_at(s->side[B].ike, 0, &b));
	cr_assert(a.nat_local && !a.nat_remote && b.nat_remote && !b.nat_local);
	cr_assert_eq(b.path.remote.port, 14500);
	cr_assert(s->side[A].children[0].encap, "behind a NAT ESP is always encapsulated");

	/* the NAT forgets: the next authenticated request tells the new mapping [NAT-9] */
	s->nat_shift = 77;
	cr_assert_eq(ike_rekey(s->side[A].ike, "c", "net", 2, s->now), 0);
	sim_settle(s, 5 * USEC_PER_SEC);
	cr_assert_eq(sim_count(&s->side[B], IKE_EV_PEER_MOVED, 0), 1);
	cr_assert(ike_sa_at(s->side[B].ike, 0, &b));
	cr_assert_eq(b.path.remote.port, 14577);
	/* and B reaches A there */
	cr_assert_eq(ike_rekey(s->side[B].ike, "c", "net", 3, s->now), 0);
	sim_settle(s, 5 * USEC_PER_SEC);
	cr_assert_eq(sim_count(&s->side[B], IKE_EV_CHILD_REKEYED, 3), 1);
	cr_assert(sim_mirrored(s, 1));
	sim_free(s);
}

/* MM-6-4: without a NAT a request from elsewhere is answered there and moves nothing. */
Test(setup, no_dynamic_update_without_nat)
{
	struct sim *s = up(12, false);
	struct ike_path p;
	struct ike_sa_info b;

	cr_assert_eq(ike_rekey(s->side[A].ike, "c", "net", 2, s->now), 0);
	sim_drain(s, A);
	p = (struct ike_path){ .local = s->last_path[A].remote,
			       .remote = { .ip = sim_addr("203.0.113.77"), .port = 4500 } };
	/* --> CREATE_CHILD_SA from another address */
	ike_recv(s->side[B].ike, &p, s->last[A], s->last_len[A], s->now);
	sim_drain(s, B);
	cr_assert(addr_equal(&s->last_path[B].remote.ip, &p.remote.ip));
	cr_assert(ike_sa_at(s->side[B].ike, 0, &b));
	cr_assert(addr_equal(&b.path.remote.ip, &s->last_path[A].local.ip));
	cr_assert_eq(sim_count(&s->side[B], IKE_EV_PEER_MOVED, 0), 0);
	sim_free(s);
}

/* ---- a bad link ---- */

static void survives(uint64_t lose, uint64_t duplicate, uint64_t late)
{
	struct sim *s = sim_new(lose ^ duplicate << 20 ^ late << 40, false);

	s->lose = lose;
	s->duplicate = duplicate;
	s->late = late;
	sim_start(s);
	sim_up(s, A, NULL, 1);
	sim_settle(s, 25 * USEC_PER_SEC);
	cr_assert(sim_mirrored(s, 1), "lost %llx twice %llx late %llx", (unsigned long long)lose,
		  (unsigned long long)duplicate, (unsigned long long)late);
	cr_assert_eq(sim_op_ends(&s->side[A], 1), 1);
	cr_assert_eq(sim_count(&s->side[A], IKE_EV_CHILD_UP, 1), 1);
	cr_assert_eq(s->side[A].spis, 1);
	cr_assert_eq(s->side[B].spis, 1);
	cr_assert_eq(ike_sa_count(s->side[B].ike), 1);
	sim_free(s);
}

/* [MID-4] [MID-5] [MID-6]: every single loss and every pair among the first 12 datagrams. */
Test(setup, every_loss)
{
	for (unsigned i = 0; i < 12; i++)
		for (unsigned j = i; j < 12; j++)
			survives(UINT64_C(1) << i | UINT64_C(1) << j, 0, 0);
}

/* [MID-14] [MID-15] copies and late arrivals start nothing twice. */
Test(setup, duplicates_and_reorder)
{
	for (uint64_t m = 0; m < 16; m++) {
		survives(0, m, 0);
		survives(0, 0, m);
		survives(m & 5, m, m ^ 15);
	}
}

/* What the core asks its owner for when nobody answers: by another local address, then the first.
 */
static bool other_path(void *ctx, const char *conn, struct ike_path *ret_path)
{
	const struct sim *s = ((const struct sim_side *)ctx)->sim;

	cr_assert_str_eq(conn, "c");
	*ret_path = s->last_path[A];
	ret_path->local.ip.b[3] ^= 0x40;
	return true;
}

/* [MID-12] a dead peer: as many tries as configured, not for each pair of addresses, then one
 * failure. */
Test(setup, nobody_there)
{
	for (unsigned elsewhere = 0; elsewhere < 2; elsewhere++) {
		struct sim *s = sim_new(13, false);

		s->cut[B] = true;
		s->other_path = elsewhere ? other_path : NULL;
		sim_start(s);
		sim_up(s, A, NULL, 1);
		sim_settle(s, 200 * USEC_PER_SEC);
		cr_assert_eq(s->exchanges[A][IKE_SA_INIT], 7);
		cr_assert_eq(sim_op_ends(&s->side[A], 1), 1);
		cr_assert(strstr(sim_text(&s->side[A], IKE_EV_FAILED),
				 "no answer from 198.51.100.1:500"));
		cr_assert_eq(ike_sa_count(s->side[A].ike), 0);
		cr_assert_eq(ike_deadline(s->side[A].ike), USEC_NEVER);
		sim_free(s);
	}
}

/* [MID-12] As configured by default: a dozen tries in several minutes, not in half an hour. */
Test(setup, nobody_there_for_minutes)
{
	struct sim *s = sim_new(16, false);
	usec_t start = s->now;

	s->cut[B] = true;
	s->side[A].conn[0].retransmit_timeout = 0;
	s->side[A].conn[0].retransmit_base = 0;
	s->side[A].conn[0].retransmit_tries = 0;
	sim_start(s);
	sim_up(s, A, NULL, 1);
	sim_settle(s, 31 * USEC_PER_SEC);
	cr_assert_eq(ike_sa_count(s->side[A].ike), 0);
	cr_assert_eq(s->exchanges[A][IKE_SA_INIT], 11);
	cr_assert_eq(sim_op_ends(&s->side[A], 1), 1);
	cr_assert_geq(s->now - start, 120 * USEC_PER_SEC);
	cr_assert_leq(s->now - start, 300 * USEC_PER_SEC);
	sim_free(s);
}

/* The next try takes another pair of addresses, and is another question: a late answer to the first
 * one is none to the second. */
Test(setup, nobody_there_but_elsewhere)
{
	for (unsigned late = 0; late < 2; late++) {
		struct sim *s = sim_new(14, false);
		struct ike_sa_info info;
		uint8_t first[16];
		struct ike_path path;

		s->other_path = other_path;
		s->delay = late ? 600 * USEC_PER_MSEC : s->delay;
		s->lose = late ? 0 : 1;
		sim_start(s);
		sim_up(s, A, NULL, 1);
		sim_drain(s, A);
		path = s->last_path[A];
		memcpy(first, s->last[A], sizeof(first));
		sim_settle(s, 20 * USEC_PER_SEC);
		cr_assert(ike_sa_at(s->side[A].ike, 0, &info));
		cr_assert_str_eq(info.state, "ESTABLISHED");
		cr_assert_not(addr_equal(&info.path.local.ip, &path.local.ip));
		cr_assert_neq(memcmp(&info.spi_i, first, 8), 0);
		cr_assert_eq(sim_op_ends(&s->side[A], 1), 1);
		cr_assert_eq(s->side[A].n_children, 1);
		cr_assert_eq(s->side[B].n_children, 1);
		sim_free(s);
	}
}

/* ---- identities and secrets ---- */

Test(setup, wrong_secret)
{
	struct sim *s = sim_new(14, false);
	struct ike_counters c;

	secret_set(&s->side[A].conn[0].psk, "wrong!", 6);
	sim_start(s);
	sim_up(s, A, NULL, 1);
	sim_settle(s, 60 * USEC_PER_SEC);
	/* <-- IKE_AUTH { N(AUTHENTICATION_FAILED) } [AUT-9] */
	cr_assert_eq(sim_op_ends(&s->side[A], 1), 1);
	cr_assert(strstr(sim_text(&s->side[A], IKE_EV_FAILED), "AUTHENTICATION_FAILED"));
	cr_assert(strstr(sim_text(&s->side[A], IKE_EV_FAILED),
			 "check ids, and secret or certificates"));
	cr_assert_eq(ike_sa_count(s->side[A].ike) + ike_sa_count(s->side[B].ike), 0);
	cr_assert_eq(s->side[A].spis + s->side[B].spis, 0);
	cr_assert_eq(sim_count(&s->side[B], IKE_EV_IKE_UP, 0), 0);
	ike_counters_get(s->side[B].ike, &c);
	cr_assert_eq(c.auth_failed, 1);
	sim_free(s);
}

/* [AUT-4] [AUT-9] the responder is not who it should be: it is told so in an INFORMATIONAL. */
Test(setup, wrong_responder_id)
{
	struct sim *s = sim_new(15, false);

	/* B takes any IDr wish: its own id is different, and A does not ask for one by name */
	s->side[B].conn[0].local_id.data[0] = 'x';
	s->side[A].conn[0].remote_id.data[0] = 'y';
	s->side[B].conn[0].local_id.type = 0;
	sim_start(s);
	sim_up(s, A, NULL, 1);
	sim_settle(s, 60 * USEC_PER_SEC);
	cr_assert_eq(sim_op_ends(&s->side[A], 1), 1);
	cr_assert(strstr(sim_text(&s->side[A], IKE_EV_FAILED), "not its id"), "%s",
		  sim_text(&s->side[A], IKE_EV_FAILED));
	cr_assert_eq(ike_sa_count(s->side[A].ike) + ike_sa_count(s->side[B].ike), 0);
	cr_assert_eq(s->side[B].n_children, 0);
	cr_assert_eq(s->side[A].spis + s->side[B].spis, 0);
	sim_free(s);
}

/* [AUT-13] [ROB-7] A starts anew without a Delete: B forgets the old IKE SA and its Child SAs. */
Test(setup, initial_contact)
{
	struct sim *s = up(16, false);

	ike_free(s->side[A].ike);
	s->side[A].n_children = 0;
	s->side[A].spis = 0;
	struct ike *b = s->side[B].ike;
	sim_start(s);
	ike_free(s->side[B].ike);
	s->side[B].ike = b;
	sim_up(s, A, NULL, 2);
	sim_settle(s, 20 * USEC_PER_SEC);
	cr_assert_eq(ike_sa_count(b), 1);
	cr_assert(sim_mirrored(s, 1));
	cr_assert_eq(sim_count(&s->side[B], IKE_EV_IKE_DOWN, 0), 1);
	sim_free(s);
}

/* The responder has two connections for one address; the id decides, each with its own secret. */
Test(setup, connection_by_id)
{
	struct sim *s = sim_new(17, false);
	struct sim_side *b = &s->side[B];
	struct ike_sa_info info;

	b->conn[1] = b->conn[0];
	memcpy(b->child[1], b->child[0], sizeof(b->child[0]));
	b->conn[1].children = b->child[1];
	snprintf(b->conn[1].name, sizeof(b->conn[1].name), "second");
	b->conn[0].remote_id.data[0] = 'z';
	secret_set(&b->conn[0].psk, "other", 5);
	b->cfg.n_conns = 2;
	sim_start(s);
	sim_up(s, A, NULL, 1);
	sim_settle(s, 20 * USEC_PER_SEC);
	cr_assert(sim_mirrored(s, 1));
	cr_assert(ike_sa_at(b->ike, 0, &info));
	cr_assert_str_eq(info.conn, "second");
	sim_free(s);
}

/* ---- path probes ---- */

/* [ROB-4]: a private form of packets, with a vendor id that both sent. */
Test(setup, peer_probes_only_if_both_want)
{
	for (unsigned m = 0; m < 4; m++) {
		struct sim *s = sim_new(18 + m, false);

		s->side[A].conn[0].multipath = m & 1;
		s->side[B].conn[0].multipath = !!(m & 2);
		sim_start(s);
		sim_up(s, A, NULL, 1);
		sim_settle(s, 20 * USEC_PER_SEC);
		cr_assert(sim_mirrored(s, 1));
		cr_assert_eq(s->side[A].children[0].peer_probes, m == 3);
		cr_assert_eq(s->side[B].children[0].peer_probes, m == 3);
		sim_free(s);
	}
}

/* [ROB-3] strangers that get as far as a failed IKE_AUTH leave a bounded number of ended IKE SAs.
 */
Test(setup, failed_authentications_are_bounded)
{
	struct sim *s = sim_new(30, false);
	struct ike_counters c;

	secret_set(&s->side[A].conn[0].psk, "wrong!", 6);
	s->side[B].cfg.half_open_max = 4;
	s->side[B].cfg.cookie_threshold = 100;
	sim_start(s);
	for (uint32_t i = 1; i <= 12; i++) {
		cr_assert_eq(sim_up(s, A, NULL, i), 0);
		sim_run(s, USEC_PER_SEC / 2);
		cr_assert_eq(sim_op_ends(&s->side[A], i), 1);
	}
	ike_counters_get(s->side[B].ike, &c);
	cr_assert_eq(c.auth_failed, 12);
	cr_assert_eq(c.half_open, 0);
	/* after the lingering time there is nothing left to wait for */
	sim_run(s, 40 * USEC_PER_SEC);
	cr_assert_eq(ike_deadline(s->side[B].ike), USEC_NEVER);
	sim_free(s);
}
