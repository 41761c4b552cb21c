/* SPDX-License-Identifier: GPL-2.0-only */
/* What nobody proved (RFC 7296 1.5, 2.4, 2.21.4): INVALID_SPI and INVALID_IKE_SPI without
 * protection, user/ike/hints.c. */
#include <string.h>

#include "sim_assert.h"

static uint64_t liveness(const struct sim *s, unsigned side)
{
	struct ike_counters c;

	ike_counters_get(s->side[side].ike, &c);
	return c.exchanges[INFORMATIONAL - IKE_SA_INIT].requests_tx;
}

/* ESP of side A that B knows nothing of. */
static void esp_for_nobody(struct sim *s, uint32_t spi)
{
	struct ike_path p = sim_path(s, B);

	p.remote.port = 4500;
	ike_esp_unknown(s->side[B].ike, &p, spi, s->now);
	sim_drain(s, B);
}

static uint32_t spi_out(const struct sim *s)
{
	return s->side[A].children[0].spi_out;
}

/* [ESP-14] <-- INFORMATIONAL { N(INVALID_SPI) }, in the clear: SPIi may be zero, the Initiator flag
 * is set and Response is not, the data is the SPI (1.5). */
Test(hints, invalid_spi_as_it_is_sent)
{
	struct sim *s = up(1);
	static struct ike_msg in;
	uint8_t critical;

	esp_for_nobody(s, 0xcafe0123);
	cr_assert_eq(msg_decode(s->last[B], s->last_len[B], &in, &critical), MSG_OK);
	cr_assert_eq(in.hdr.exchange, INFORMATIONAL);
	cr_assert_eq(in.hdr.flags, IKE_FLAG_INITIATOR);
	cr_assert_eq(in.hdr.msg_id, 0);
	cr_assert_eq(in.n_order, 1);
	cr_assert_eq(in.notifies[0].type, N_INVALID_SPI);
	cr_assert_eq(in.notifies[0].protocol, 0);
	cr_assert_eq(in.notifies[0].data.len, 4);
	cr_assert_arr_eq(in.notifies[0].data.p, "\xca\xfe\x01\x23", 4);
	cr_assert_eq(s->last_path[B].local.port, 4500);
	/* not endlessly [ROB-3] */
	for (unsigned i = 0; i < 1000; i++)
		esp_for_nobody(s, i);
	cr_assert_leq(s->exchanges[B][INFORMATIONAL & 63], 4);
	sim_free(s);
}

/* Plain ESP may be for an SA of somebody else on this host. */
Test(hints, plain_esp_is_not_answered)
{
	struct sim *s = up(2);
	struct ike_path p = sim_path(s, B);

	p.remote.port = 0;
	cr_assert_not(ike_esp_unknown(s->side[B].ike, &p, 0xcafe0123, s->now));
	sim_drain(s, B);
	cr_assert_eq(s->exchanges[B][INFORMATIONAL & 63], 0);
	sim_free(s);
}

/* [INF-11] the peer has begun anew: asked, it says so, again and again, and nothing else. That is
 * believed after three seconds. */
Test(hints, a_restarted_peer_is_noticed_in_seconds)
{
	struct sim *s = up(2);
	usec_t begin;

	sim_fresh(s, B);
	begin = s->now;
	esp_for_nobody(s, spi_out(s));
	sim_run(s, 2 * USEC_PER_SEC);
	cr_assert_eq(sim_count(&s->side[A], IKE_EV_IKE_DOWN, 0), 0, "not at once");
	sim_settle(s, 10 * USEC_PER_SEC);
	cr_assert_eq(sim_count(&s->side[A], IKE_EV_IKE_DOWN, 0), 1);
	cr_assert(strstr(sim_text(&s->side[A], IKE_EV_IKE_DOWN), "does not know this IKE SA"), "%s",
		  sim_text(&s->side[A], IKE_EV_IKE_DOWN));
	cr_assert_leq(s->now - begin, 5 * USEC_PER_SEC);
	cr_assert_eq(s->side[A].spis, 0);
	cr_assert_eq(ike_sa_count(s->side[A].ike), 0);
	sim_free(s);
}

/* The same when a liveness check was due anyway, or any other request. */
Test(hints, whatever_was_asked)
{
	struct sim *s = up(3);
	usec_t begin;

	sim_fresh(s, B);
	begin = s->now;
	cr_assert_eq(ike_rekey(s->side[A].ike, "c", "net", 2, s->now), 0);
	sim_settle(s, 10 * USEC_PER_SEC);
	cr_assert_eq(sim_count(&s->side[A], IKE_EV_IKE_DOWN, 0), 1);
	cr_assert_eq(sim_count(&s->side[A], IKE_EV_FAILED, 2), 1);
	cr_assert_leq(s->now - begin, 5 * USEC_PER_SEC);
	sim_free(s);
}

/* [INF-11] [AUT-15] forged hints bring liveness checks, at most one in ten seconds, and no end: the
 * peer's answer is what counts. */
Test(hints, a_living_peer_stays)
{
	struct sim *s = up(4);

	for (unsigned i = 0; i < 600; i++) {
		esp_for_nobody(s, spi_out(s));
		sim_run(s, USEC_PER_SEC / 10);
	}
	cr_assert_leq(liveness(s, A), 6);
	cr_assert_geq(liveness(s, A), 5);
	cr_assert_eq(sim_count(&s->side[A], IKE_EV_IKE_DOWN, 0), 0);
	cr_assert_eq(liveness(s, B), 0);
	sound(s, 1);
	alive(s, 1);
	sim_free(s);
}

/* An INVALID_IKE_SPI for every request of a peer whose own answers are lost for a while: with the
 * SPIs and the Message ID right, once for each try. Fewer than three tries are no proof, and the
 * peer's word ends the suspicion. */
Test(hints, forged_answers)
{
	struct sim *s = up(5);
	struct ike_hdr h = { .length = 0 };
	struct ike_path p = sim_path(s, A);
	uint8_t buf[64];
	struct msg_wr m;
	struct rd r;
	size_t len;

	s->cut[B] = true;
	cr_assert_eq(ike_rekey(s->side[A].ike, "c", "net", 2, s->now), 0);
	sim_drain(s, A);
	r = rd_init(s->last[A], s->last_len[A]);
	cr_assert_eq(ike_hdr_get(&r, &h), 0);
	h.flags = IKE_FLAG_RESPONSE;
	for (unsigned i = 0; i < 100; i++) {
		m = msg_begin(buf, sizeof(buf), &h);
		msg_put_notify(&m, PROTO_NONE, NULL, 0, N_INVALID_IKE_SPI, NULL, 0);
		len = msg_end(&m);
		ike_recv(s->side[A].ike, &p, buf, len, s->now);
		h.msg_id += i == 50; /* from now on of another request */
		sim_run(s, i < 50 ? 0 : 100 * USEC_PER_MSEC);
	}
	cr_assert_eq(sim_count(&s->side[A], IKE_EV_IKE_DOWN, 0), 0);
	s->cut[B] = false;
	sim_settle(s, 60 * USEC_PER_SEC);
	cr_assert_eq(sim_count(&s->side[A], IKE_EV_CHILD_REKEYED, 2), 1);
	sound(s, 1);
	sim_free(s);
}

/* A rekey of A's whose answer is lost: B has the new IKE SA and uses it, A does not know it yet. A
 * says nothing about it, and whoever says it does not know it is not believed by B. */
Test(hints, an_ike_sa_that_one_side_knows_first)
{
	struct sim *s = up(7);
	struct ike_hdr h;
	struct rd r;

	s->lose =
		UINT64_C(3) << (s->sent + 1); /* the answer, and the first request on the new one */
	cr_assert_eq(ike_rekey(s->side[A].ike, "c", NULL, 2, s->now), 0);
	sim_steps(s, 1);
	cr_assert_eq(ike_rekey(s->side[B].ike, "c", "net", 3, s->now), 0);
	sim_drain(s, B);
	s->cut[A] = true; /* not one more word of A's request */
	for (unsigned i = 0; i < 6; i++) {
		struct ike_path p = sim_path(s, B);
		uint64_t sent = s->exchanges[A][CREATE_CHILD_SA & 63];
		struct sim_packet *on_wire = NULL;
		uint8_t buf[64];
		struct msg_wr m;

		r = rd_init(s->last[B], s->last_len[B]);
		cr_assert_eq(ike_hdr_get(&r, &h), 0);
		cr_assert_neq(h.flags & IKE_FLAG_RESPONSE, IKE_FLAG_RESPONSE);
		for (unsigned k = 0; k < SIM_WIRE; k++)
			if (s->wire[k].used && s->wire[k].to == A)
				on_wire = &s->wire[k];
		if (on_wire)
			sim_deliver(s, on_wire);
		cr_assert_eq(s->exchanges[A][CREATE_CHILD_SA & 63], sent, "A speaks of it");
		h.flags ^= IKE_FLAG_RESPONSE | IKE_FLAG_INITIATOR;
		m = msg_begin(buf, sizeof(buf), &h);
		msg_put_notify(&m, PROTO_NONE, NULL, 0, N_INVALID_IKE_SPI, NULL, 0);
		ike_recv(s->side[B].ike, &p, buf, msg_end(&m), s->now);
		s->now = ike_deadline(s->side[B].ike);
		ike_tick(s->side[B].ike, s->now);
		sim_drain(s, B);
		cr_assert_eq(sim_count(&s->side[B], IKE_EV_IKE_DOWN, 0), 0);
	}
	sim_free(s);
}

/* "the receiving node MUST NOT respond to it": neither these messages nor others without
 * protection make us send anything (1.5), in either direction. */
Test(hints, are_not_answered)
{
	static const uint16_t types[] = { N_INVALID_SPI, N_INVALID_IKE_SPI, N_INVALID_SYNTAX };
	struct sim *s = up(6);
	struct ike_sa_info a = info(s, A);

	for (unsigned i = 0; i < 3; i++) {
		for (unsigned known = 0; known < 2; known++) {
			for (unsigned flags = 0; flags < 4; flags++) {
				struct ike_hdr h = {
					.spi_i = known ? a.spi_i : 0,
					.spi_r = known ? a.spi_r : 7,
					.version = IKE_VERSION_2_0,
					.exchange = INFORMATIONAL,
					.flags = (flags & 1 ? IKE_FLAG_INITIATOR : 0) |
						 (flags & 2 ? IKE_FLAG_RESPONSE : 0),
				};
				struct ike_path p = sim_path(s, B);
				uint64_t sent = s->sent;
				uint8_t buf[64];
				struct msg_wr m = msg_begin(buf, sizeof(buf), &h);

				msg_put_notify(&m, PROTO_NONE, NULL, 0, types[i], "\1\2\3\4", 4);
				ike_recv(s->side[B].ike, &p, buf, msg_end(&m), s->now);
				sim_settle(s, USEC_PER_SEC);
				cr_assert_eq(s->sent, sent);
			}
		}
	}
	sound(s, 1);
	alive(s, 1);
	sim_free(s);
}

/* [REK-19] it is for an SA that our request makes, whose answer got lost: asked again at once, one
 * time, and the peer is not told that we do not know it. */
Test(hints, esp_before_the_answer)
{
	for (unsigned i = 0; i < 4; i++) {
		bool lost = i & 1, plain = i & 2;
		struct sim *s = up(40 + i);
		usec_t begin = s->now;
		uint32_t spi;

		s->lose = lost ? UINT64_C(2) << s->sent : 0;
		s->delay = 40 * USEC_PER_MSEC;
		cr_assert_eq(ike_rekey(s->side[A].ike, "c", "net", 5, s->now), 0);
		sim_run(s, 50 * USEC_PER_MSEC);
		cr_assert_eq(s->side[B].n_children, 2);
		spi = s->side[B].children[1].spi_out;
		for (unsigned k = 0; k < 3; k++) {
			struct ike_path p = sim_path(s, A);

			p.remote.port = plain ? 0 : 4500;
			cr_assert(ike_esp_unknown(s->side[A].ike, &p, spi, s->now));
		}
		sim_run(s, 200 * USEC_PER_MSEC);
		cr_assert_eq(sim_count(&s->side[A], IKE_EV_CHILD_REKEYED, 5), 1);
		cr_assert_leq(s->now - begin, USEC_PER_SEC);
		cr_assert_eq(s->exchanges[A][CREATE_CHILD_SA], 2);
		sim_settle(s, 5 * USEC_PER_SEC);
		cr_assert_eq(s->exchanges[B][INFORMATIONAL & 63], 1, "the answer to our Delete");
		sound(s, 1);
		sim_free(s);
	}
}
