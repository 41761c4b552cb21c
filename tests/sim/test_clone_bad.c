/* SPDX-License-Identifier: GPL-2.0-only */
/* Cloned IKE SAs (RFC 7791), octet by octet: what is in the messages, and what a peer may say that
 * is not in the book. The test speaks for one side, with its keys. */
#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include "crypto/alg.h"
#include "crypto/ke.h"
#include "duo_assert.h"

static struct duo *d;
static uint8_t inner[4096];
static struct msg_wr w;
static struct ike_msg msg; /* borrows from octets */
static struct duo_msg octets;
static struct ike_sa_info sa;

static void begin(bool clone_i, bool clone_r)
{
	d = new_duo();
	d->side[DUO_I].conn.clone = clone_i;
	d->side[DUO_R].conn.clone = clone_r;
	for (int who = 0; who < 2; who++)
		d->side[who].conn.ike_sas_max = 4;
	cr_assert_eq(duo_start(d), 0);
	cr_assert(duo_establish(d), "%s", d->e[DUO_I].failure);
	cr_assert(ike_sa_at(d->e[DUO_I].ike, 0, &sa));
	w = msg_begin_inner(inner, sizeof(inner));
}

static void end(void)
{
	duo_free(d);
}

static size_t sas(int who)
{
	return ike_sa_count(d->e[who].ike);
}

/* What is in w, from side `from` to the other, on the first IKE SA. Datagrams it causes. */
static size_t say(int from, uint8_t exchange, uint32_t msg_id, bool response)
{
	struct ike_hdr h = { .spi_i = sa.spi_i,
			     .spi_r = sa.spi_r,
			     .version = IKE_VERSION_2_0,
			     .exchange = exchange,
			     .flags = (from == DUO_I ? IKE_FLAG_INITIATOR : 0) |
				      (response ? IKE_FLAG_RESPONSE : 0),
			     .msg_id = msg_id };
	struct ike_path p = duo_path(!from, 4500);
	uint8_t buf[DUO_MSG_MAX];
	size_t len = msg_end(&w), n;

	n = duo_seal(d, from, 0, &h, w.first, inner, len, buf, sizeof(buf));
	cr_assert_gt(n, 0);
	w = msg_begin_inner(inner, sizeof(inner));
	return duo_give(d, !from, &p, buf, n);
}

/* The next datagram, by whomever, on IKE SA number i. */
static void hear(size_t i)
{
	cr_assert(duo_take(d, &octets));
	memset(&msg, 0, sizeof(msg));
	cr_assert(duo_open(d, !octets.to, i, &octets, &msg));
}

static void put(uint16_t type)
{
	msg_put_notify(&w, PROTO_NONE, NULL, 0, type, NULL, 0);
}

enum { SPI = 0x1234, SHORT = 1, NO_KE = 2 };

/* SA, Ni and KEi that ask for a new IKE SA. */
static void put_new_sa(uint64_t spi, unsigned wrong)
{
	static const struct transform transforms[] = {
		{ TRANSFORM_ENCR, ENCR_AES_GCM_16, 256, false },
		{ TRANSFORM_PRF, PRF_HMAC_SHA2_256, 0, false },
		{ TRANSFORM_KE, KE_X25519, 0, false }
	};
	struct sa_payload offer = { .n = 1 };
	struct proposal *p = &offer.p[0];
	struct ke *ke = ke_new(KE_X25519);
	uint8_t nonce[32] = { 5 };
	const uint8_t *pub;
	size_t len;

	*p = (struct proposal){
		.number = 1, .protocol = PROTO_IKE, .spi_len = 8, .spi = spi, .n_transforms = 3
	};
	memcpy(p->transforms, transforms, sizeof(transforms));
	msg_put_sa(&w, &offer);
	msg_put_nonce(&w, nonce, wrong == SHORT ? 8 : sizeof(nonce));
	pub = ke_public(ke, &len);
	if (wrong != NO_KE)
		msg_put_ke(&w, KE_X25519, pub, len);
	ke_free(ke);
}

/* What I asked for on the first IKE SA is on the wire. */
static void ask(void)
{
	cr_assert_eq(ike_clone(d->e[DUO_I].ike, sa.line, 7, d->now), 0);
	duo_wait(d, 0);
	hear(0);
}

/* The answer that the test gives instead of R, to the request heard last. */
static void answer(uint16_t type, const void *data, size_t len)
{
	uint32_t id = msg.hdr.msg_id;

	msg_put_notify(&w, PROTO_NONE, NULL, 0, type, data, len);
	say(DUO_R, CREATE_CHILD_SA, id, true);
}

/* [CLONE-1] [CLONE-2] in the request, and in the answer if it was there; no octet more than the
 * type. */
Test(clone_bad, announced)
{
	for (unsigned i = 0; i < 4; i++) {
		bool by_i = i & 1, by_r = i & 2;
		struct duo_msg seen[2];
		unsigned n = 0;

		d = new_duo();
		d->side[DUO_I].conn.clone = by_i;
		d->side[DUO_R].conn.clone = by_r;
		cr_assert_eq(duo_start(d), 0);
		cr_assert_eq(duo_up(d), 0);
		while (duo_take(d, &octets)) {
			if (octets.buf[18] == IKE_AUTH)
				seen[n++] = octets;
			duo_deliver(d, &octets);
		}
		cr_assert_eq(n, 2);
		for (unsigned k = 0; k < 2; k++) {
			const struct notify *it;

			memset(&msg, 0, sizeof(msg));
			cr_assert(duo_open(d, !seen[k].to, 0, &seen[k], &msg));
			it = msg_notify(&msg, N_CLONE_IKE_SA_SUPPORTED);
			cr_assert_eq(it != NULL, k ? by_i && by_r : by_i);
			if (it)
				cr_assert(!it->protocol && !it->spi.len && !it->data.len);
		}
		for (int who = 0; who < 2; who++) {
			cr_assert(ike_sa_at(d->e[who].ike, 0, &sa));
			cr_assert_eq(sa.clone_ok, by_i && by_r);
		}
		end();
	}
}

/* [CLONE-9] [CLONE-2] --> CREATE_CHILD_SA { N(CLONE_IKE_SA), SA, Ni, KEi }
 * [CLONE-11]          <-- CREATE_CHILD_SA { SA, Nr, KEr }
 * [CLONE-16]: then Message ID 0 both ways, with the flag of who asked. */
Test(clone_bad, as_it_is_sent)
{
	struct ike_sa_info of_i, of_r;
	const struct notify *it;
	struct duo_msg request;

	begin(true, true);
	cr_assert_eq(ike_clone(d->e[DUO_I].ike, sa.line, 7, d->now), 0);
	duo_wait(d, 0);
	cr_assert(duo_take(d, &request));
	octets = request;
	memset(&msg, 0, sizeof(msg));
	cr_assert(duo_open(d, DUO_I, 0, &octets, &msg));
	cr_assert_eq(msg.hdr.exchange, CREATE_CHILD_SA);
	cr_assert_eq(msg.hdr.msg_id, 2);
	cr_assert_eq(msg.n_notifies, 1);
	it = &msg.notifies[0];
	cr_assert_eq(it->type, N_CLONE_IKE_SA);
	cr_assert(!it->protocol && !it->spi.len && !it->data.len);
	cr_assert(msg.has_sa && msg.has_nonce && msg.has_ke && !msg.has_tsi);
	cr_assert_eq(msg.sa.p[0].protocol, PROTO_IKE);
	cr_assert_eq(msg.sa.p[0].spi_len, 8);
	cr_assert_eq(msg.n_order, 5, "SK and four in it");
	duo_deliver(d, &request);
	cr_assert_eq(d->n, 1);
	request = d->wire[0];
	hear(0);
	cr_assert_eq(msg.n_notifies, 0);
	cr_assert_eq(msg.n_order, 4, "SK and three in it");
	cr_assert_eq(msg.sa.p[0].spi_len, 8);
	duo_deliver(d, &request);
	cr_assert(ike_sa_at(d->e[DUO_I].ike, 1, &of_i));
	cr_assert(ike_sa_at(d->e[DUO_R].ike, 1, &of_r));
	cr_assert_eq(of_i.spi_i, of_r.spi_i);
	cr_assert_eq(of_i.spi_r, of_r.spi_r);
	cr_assert_eq(d->n, 0, "nothing is deleted, nothing more is said");
	for (int who = 0; who < 2; who++) {
		cr_assert_eq(ike_rekey_line(d->e[who].ike, who ? of_r.line : of_i.line, 8, d->now),
			     0);
		duo_wait(d, 0);
		cr_assert(duo_take(d, &octets));
		cr_assert_eq(hdr_of(octets.buf, octets.len).msg_id, 0);
		cr_assert_eq(hdr_of(octets.buf, octets.len).spi_i, of_i.spi_i);
		cr_assert_eq(hdr_of(octets.buf, octets.len).flags,
			     who == DUO_I ? IKE_FLAG_INITIATOR : 0);
	}
	/* the old one goes on where it was */
	cr_assert_eq(ike_down_line(d->e[DUO_I].ike, sa.line, 9, d->now), 0);
	duo_wait(d, 0);
	cr_assert(duo_take(d, &octets));
	cr_assert_eq(hdr_of(octets.buf, octets.len).msg_id, 3);
	end();
}

/* [CLONE-8]: it means nothing to a peer that did not announce it, and the rekey it is in replaces
 * the IKE SA. */
Test(clone_bad, not_announced)
{
	for (unsigned i = 0; i < 4; i++) {
		struct ike_sa_info after;

		begin(i & 1, i & 2);
		put(N_CLONE_IKE_SA);
		put_new_sa(SPI, 0);
		cr_assert_eq(say(DUO_I, CREATE_CHILD_SA, 2, false), 1);
		cr_assert_eq(sas(DUO_R), 2);
		for (size_t k = 0; k < 2; k++) {
			bool clone = i == 3, new = k == 1;

			cr_assert(ike_sa_at(d->e[DUO_R].ike, k, &after));
			cr_assert_eq(after.n_children, new != clone);
			cr_assert_str_eq(after.state, new || clone ? "ESTABLISHED" : "DELETING");
			cr_assert_eq(after.clone_of != 0, new &&clone);
			cr_assert_eq(after.line == sa.line, !(new &&clone));
		}
		end();
	}
}

/* [CLONE-13]: before or after the others, with octets that should not be there, twice. */
Test(clone_bad, in_any_place)
{
	static const uint8_t data[5] = { 1, 2, 3, 4, 5 };

	for (unsigned i = 0; i < 4; i++) {
		begin(true, true);
		if (i == 0 || i == 3)
			put(N_CLONE_IKE_SA);
		put_new_sa(SPI, 0);
		if (i == 1 || i == 3)
			put(N_CLONE_IKE_SA);
		if (i == 2)
			msg_put_notify(&w, PROTO_IKE, NULL, 0, N_CLONE_IKE_SA, data, sizeof(data));
		cr_assert_eq(say(DUO_I, CREATE_CHILD_SA, 2, false), 1);
		cr_assert_eq(duo_count(d, DUO_R, "ESTABLISHED"), 2);
		end();
	}
}

/* [CLONE-10]: in other requests it is nothing. */
Test(clone_bad, elsewhere_in_requests)
{
	struct ts_list list = { .n = 1 };
	struct sa_payload offer = { .n = 1 };
	uint8_t nonce[32] = { 5 };

	begin(true, true);
	put(N_CLONE_IKE_SA);
	put(N_CLONE_IKE_SA_SUPPORTED);
	cr_assert_eq(say(DUO_I, INFORMATIONAL, 2, false), 1);
	hear(0);
	cr_assert_eq(msg.n_order, 1, "SK alone");
	offer.p[0] = (struct proposal){ .number = 1,
					.protocol = PROTO_ESP,
					.spi_len = 4,
					.spi = 0xabcd0001,
					.n_transforms = 2 };
	offer.p[0].transforms[0] =
		(struct transform){ TRANSFORM_ENCR, ENCR_AES_GCM_16, 256, false };
	offer.p[0].transforms[1] = (struct transform){ TRANSFORM_ESN, ESN_NO, 0, false };
	put(N_CLONE_IKE_SA);
	msg_put_sa(&w, &offer);
	msg_put_nonce(&w, nonce, sizeof(nonce));
	list.ts[0] = (struct ts){ .port_last = 65535,
				  .first = d->side[DUO_I].child.local_ts[0].first,
				  .last = d->side[DUO_I].child.local_ts[0].last };
	msg_put_ts(&w, PLD_TSI, &list);
	list.ts[0].first = d->side[DUO_I].child.remote_ts[0].first;
	list.ts[0].last = d->side[DUO_I].child.remote_ts[0].last;
	msg_put_ts(&w, PLD_TSR, &list);
	cr_assert_eq(say(DUO_I, CREATE_CHILD_SA, 3, false), 1);
	hear(0);
	cr_assert(msg.has_sa && msg.has_tsi);
	cr_assert_eq(d->e[DUO_R].child_adds, 2);
	cr_assert_eq(sas(DUO_R), 1);
	end();
}

/* [CLONE-10]: in the answer to a rekey, and in that to a clone, as an early draft has it. */
Test(clone_bad, elsewhere_in_answers)
{
	for (unsigned i = 0; i < 2; i++) {
		struct duo_msg request;

		begin(true, true);
		if (i)
			cr_assert_eq(ike_clone(d->e[DUO_I].ike, sa.line, 7, d->now), 0);
		else
			cr_assert_eq(ike_rekey_line(d->e[DUO_I].ike, sa.line, 7, d->now), 0);
		duo_wait(d, 0);
		cr_assert(duo_take(d, &request));
		duo_deliver(d, &request);
		hear(0);
		put(N_CLONE_IKE_SA);
		msg_put_sa(&w, &msg.sa);
		msg_put_nonce(&w, msg.nonce.p, msg.nonce.len);
		msg_put_ke(&w, msg.ke_group, msg.ke.p, msg.ke.len);
		say(DUO_R, CREATE_CHILD_SA, 2, true);
		cr_assert(duo_settle(d));
		cr_assert_eq(sas(DUO_I), 1 + i);
		cr_assert_eq(sas(DUO_R), 1 + i);
		end();
	}
}

/* [CLONE-23]: it is asked again, later each time, over minutes; then that came to nothing, and the
 * IKE SA is as it was. */
Test(clone_bad, temporary_failure_for_ever)
{
	usec_t began, last;
	unsigned n = 0;

	begin(true, true);
	began = last = d->now;
	ask();
	while (!d->e[DUO_I].failures) {
		cr_assert_lt(n, 100);
		cr_assert_eq(msg.hdr.msg_id, 2 + n++);
		cr_assert_not_null(msg_notify(&msg, N_CLONE_IKE_SA));
		answer(N_TEMPORARY_FAILURE, NULL, 0);
		cr_assert_eq(d->n, 0, "not at once");
		last = d->now;
		while (!d->n && !d->e[DUO_I].failures) {
			cr_assert_lt(d->now - began, 1000 * USEC_PER_SEC);
			duo_wait(d, USEC_PER_SEC / 4);
		}
		if (d->n) {
			cr_assert_geq(d->now - last, USEC_PER_SEC);
			hear(0);
		}
	}
	cr_assert_geq(n, 5);
	cr_assert_geq(d->now - began, 100 * USEC_PER_SEC);
	cr_assert_not_null(strstr(d->e[DUO_I].failure, "TEMPORARY_FAILURE"));
	duo_wait(d, 300 * USEC_PER_SEC);
	cr_assert_eq(duo_count(d, DUO_I, "ESTABLISHED"), 1);
	cr_assert_eq(d->n, 0);
	end();
}

/* [CLONE-25]: refused once, it is not asked again, nor is what waited behind it. */
Test(clone_bad, no_additional_sas)
{
	begin(true, true);
	cr_assert_eq(ike_clone(d->e[DUO_I].ike, sa.line, 7, d->now), 0);
	cr_assert_eq(ike_clone(d->e[DUO_I].ike, sa.line, 8, d->now), 0);
	duo_wait(d, 0);
	hear(0);
	answer(N_NO_ADDITIONAL_SAS, NULL, 0);
	cr_assert_eq(d->e[DUO_I].failures, 2);
	duo_wait(d, 1000 * USEC_PER_SEC);
	cr_assert_eq(d->n, 0);
	cr_assert_eq(ike_clone(d->e[DUO_I].ike, sa.line, 9, d->now), -EDQUOT);
	cr_assert_eq(duo_count(d, DUO_I, "ESTABLISHED"), 1);
	end();
}

/* [CLONE-26]: with the group that the peer names, if it is one of ours. */
Test(clone_bad, another_group)
{
	static const uint8_t ecp256[2] = { 0, KE_ECP_256 }, modp[2] = { 0, 14 };

	d = new_duo();
	for (int who = 0; who < 2; who++) {
		struct ike_proposal *p = &d->side[who].conn.proposals[0];

		d->side[who].conn.clone = true;
		d->side[who].conn.ike_sas_max = 4;
		p->n_ke = 2;
		p->ke[1] = KE_ECP_256;
	}
	cr_assert_eq(duo_start(d), 0);
	cr_assert(duo_establish(d));
	cr_assert(ike_sa_at(d->e[DUO_I].ike, 0, &sa));
	w = msg_begin_inner(inner, sizeof(inner));
	ask();
	cr_assert_eq(msg.ke_group, KE_X25519);
	answer(N_INVALID_KE_PAYLOAD, ecp256, 2);
	hear(0);
	cr_assert_eq(msg.hdr.msg_id, 3);
	cr_assert_eq(msg.ke_group, KE_ECP_256);
	cr_assert_not_null(msg_notify(&msg, N_CLONE_IKE_SA));
	answer(N_INVALID_KE_PAYLOAD, modp, 2);
	cr_assert_eq(d->n, 0);
	cr_assert_eq(d->e[DUO_I].failures, 1);
	cr_assert_eq(duo_count(d, DUO_I, "ESTABLISHED"), 1);
	end();
}

/* Other refusals, and answers that are none: the IKE SA stays as it is. */
Test(clone_bad, unusable_answers)
{
	for (unsigned i = 0; i < 3; i++) {
		begin(true, true);
		ask();
		if (i == 0)
			put(N_NO_PROPOSAL_CHOSEN);
		if (i == 1)
			put_new_sa(0, 0);
		if (i == 2)
			put_new_sa(SPI, NO_KE);
		say(DUO_R, CREATE_CHILD_SA, 2, true);
		cr_assert_eq(d->e[DUO_I].failures, 1);
		cr_assert_eq(sas(DUO_I), 1);
		cr_assert_eq(duo_count(d, DUO_I, "ESTABLISHED"), 1);
		end();
	}
}

/* Requests that are none are answered as a rekey's would be. [CLONE-26] */
Test(clone_bad, unusable_requests)
{
	for (unsigned i = 0; i < 3; i++) {
		begin(true, true);
		put(N_CLONE_IKE_SA);
		put_new_sa(i ? SPI : 0, i == 1 ? NO_KE : i == 2 ? SHORT : 0);
		cr_assert_eq(say(DUO_I, CREATE_CHILD_SA, 2, false), 1);
		cr_assert(duo_take(d, &octets));
		memset(&msg, 0, sizeof(msg));
		cr_assert(duo_open(d, DUO_I, 0, &octets, &msg));
		cr_assert_eq(msg.n_notifies, 1);
		cr_assert_eq(msg.notifies[0].type, i == 0   ? N_NO_PROPOSAL_CHOSEN
						   : i == 1 ? N_INVALID_KE_PAYLOAD
							    : N_INVALID_SYNTAX);
		cr_assert_eq(duo_count(d, DUO_R, "ESTABLISHED"), i < 2, "malformed: as ever");
		cr_assert_eq(sas(DUO_R), i < 2);
		end();
	}
}

/* [CLONE-24]: whoever has the keys makes as many as it may and no more; copies of its requests make
 * none. */
Test(clone_bad, many)
{
	begin(true, true);
	for (unsigned i = 0; i < 50; i++) {
		put(N_CLONE_IKE_SA);
		put_new_sa(SPI + i, 0);
		cr_assert_eq(say(DUO_I, CREATE_CHILD_SA, 2 + i, false), 1);
		hear(0);
		cr_assert_eq(msg.has_sa, i < 3);
		if (i >= 3)
			cr_assert_eq(msg.notifies[0].type, N_NO_ADDITIONAL_SAS);
	}
	cr_assert_eq(sas(DUO_R), 4);
	/* they are asked after, and nobody has them [CLONE-37] */
	for (unsigned i = 0; i < 200; i++) {
		duo_wait(d, USEC_PER_SEC);
		while (duo_take(d, &octets))
			;
	}
	cr_assert_eq(sas(DUO_R), 1);
	end();
}
