/* SPDX-License-Identifier: GPL-2.0-only */
/* Numbers and flags in headers, from the first message of a relation to the last one that its
 * Message IDs allow; IVs beside them. */
#include <criterion/criterion.h>
#include <string.h>

#include "base/wire.h"
#include "crypto/alg.h"
#include "crypto/prf.h"
#include "duo_assert.h"

enum { IMAGE_MAX = 60000, IV_OFF = 32 };

static struct duo *d;
static struct duo_msg m;

static void setup(void)
{
	d = new_duo();
}

static void teardown(void)
{
	duo_free(d);
}

TestSuite(msgid, .init = setup, .fini = teardown);

static void established(void)
{
	cr_assert_eq(duo_start(d), 0);
	cr_assert(duo_establish(d), "%s", d->e[DUO_I].failure);
}

static struct ike_hdr take(void)
{
	cr_assert_eq(d->n, 1, "%zu on the wire", d->n);
	cr_assert(duo_take(d, &m));
	return hdr_of(m.buf, m.len);
}

/* What follows the header, without a cookie at its beginning. */
static size_t without_cookie(const uint8_t **ret)
{
	struct rd r = rd_init(m.buf, m.len);
	struct ike_hdr h;
	size_t skip = IKE_HEADER_OCTETS;

	cr_assert_eq(ike_hdr_get(&r, &h), 0);
	if (h.next_payload == PLD_NOTIFY) {
		cr_assert_eq(m.buf[IKE_HEADER_OCTETS], PLD_SA);
		skip += (size_t)(m.buf[IKE_HEADER_OCTETS + 2] << 8 | m.buf[IKE_HEADER_OCTETS + 3]);
	}
	*ret = m.buf + skip;
	return m.len - skip;
}

static struct ike_hdr deliver_and_take(void)
{
	duo_deliver(d, &m);
	return take();
}

static size_t sa_octets(const uint8_t *p)
{
	return (size_t)(p[2] << 8 | p[3]);
}

/* [MID-1] [INI-1] [INI-5] [INI-6] [INI-13] [HDR-3]: a cookie, another group, and then the answer.
 * Number and SPIi stay, and so does everything but what was asked for; AUTH is over the last. */
Test(msgid, cookie_then_group)
{
	struct ike_proposal *p = &d->side[DUO_I].conn.proposals[0];
	uint8_t first[DUO_MSG_MAX];
	struct duo *busy = new_duo();
	struct duo_msg other;
	const uint8_t *rest;
	struct ike_hdr h;
	uint64_t spi_i;
	size_t len;

	p->n_ke = 2;
	p->ke[1] = KE_ECP_256;
	d->side[DUO_R].conn.proposals[0].ke[0] = KE_ECP_256;
	d->side[DUO_R].cfg.cookie_threshold = 1;
	busy->side[DUO_I].conn.proposals[0].ke[0] = KE_ECP_256;
	cr_assert_eq(duo_start(d), 0);
	cr_assert_eq(duo_start(busy), 0);
	cr_assert_eq(duo_up(busy), 0);
	cr_assert(duo_take(busy, &other));
	cr_assert_eq(duo_deliver(d, &other), 1); /* half-open, so that side 1 wants cookies */
	d->n = 0;
	duo_free(busy);

	cr_assert_eq(duo_up(d), 0);
	h = take();
	cr_assert_eq(h.msg_id, 0);
	cr_assert_eq(h.spi_r, 0);
	cr_assert_eq(h.flags, IKE_FLAG_INITIATOR);
	cr_assert(h.spi_i);
	spi_i = h.spi_i;
	len = without_cookie(&rest);
	memcpy(first, rest, len);

	h = deliver_and_take(); /* <-- N(COOKIE) */
	cr_assert_eq(h.msg_id, 0);
	cr_assert_eq(h.spi_r, 0);
	cr_assert_eq(h.next_payload, PLD_NOTIFY);
	h = deliver_and_take(); /* --> N(COOKIE), and the same again */
	cr_assert_eq(h.msg_id, 0);
	cr_assert_eq(h.spi_i, spi_i);
	cr_assert_eq(h.next_payload, PLD_NOTIFY);
	cr_assert_eq(without_cookie(&rest), len);
	cr_assert_eq(memcmp(rest, first, len), 0);

	h = deliver_and_take(); /* <-- N(INVALID_KE_PAYLOAD) */
	cr_assert_eq(h.msg_id, 0);
	cr_assert_eq(h.next_payload, PLD_NOTIFY);
	h = deliver_and_take(); /* --> N(COOKIE), the whole offer, the other group */
	cr_assert_eq(h.msg_id, 0);
	cr_assert_eq(h.spi_i, spi_i);
	cr_assert_eq(h.next_payload, PLD_NOTIFY, "the cookie is not there any more");
	without_cookie(&rest);
	cr_assert_eq(memcmp(rest, first, sa_octets(rest)), 0);

	h = deliver_and_take();
	cr_assert_eq(h.msg_id, 0);
	cr_assert(h.spi_r);
	h = deliver_and_take(); /* --> IKE_AUTH */
	cr_assert_eq(h.exchange, IKE_AUTH);
	cr_assert_eq(h.msg_id, 1);
	h = deliver_and_take();
	cr_assert_eq(h.msg_id, 1);
	duo_deliver(d, &m);
	cr_assert_eq(d->e[DUO_I].child_adds, 1, "%s", d->e[DUO_I].failure);
}

/* [INI-13]: what somebody added on the way and nobody understands is covered by AUTH all the same.
 */
Test(msgid, payload_added_on_the_way)
{
	for (int answer = 0; answer < 2; answer++) {
		static const uint8_t more[] = { 0, 0, 0, 8, 'm', 'o', 'r', 'e' };
		struct wr w;
		size_t last = IKE_HEADER_OCTETS, n;

		cr_assert_eq(duo_start(d), 0);
		cr_assert_eq(duo_up(d), 0);
		take();
		if (answer)
			deliver_and_take();
		while ((n = sa_octets(m.buf + last)) + last < m.len)
			last += n;
		m.buf[last] = 199;
		memcpy(m.buf + m.len, more, sizeof(more));
		m.len += sizeof(more);
		w = wr_init(m.buf + 24, 4);
		wr_u32(&w, (uint32_t)m.len);
		duo_deliver(d, &m);
		cr_assert(duo_settle(d));
		cr_assert_eq(d->e[DUO_I].failures, 1);
		cr_assert_eq(d->e[DUO_I].child_adds, 0);
		cr_assert_eq(d->e[DUO_R].child_adds, d->e[DUO_R].child_dels);
		cr_assert_eq(duo_count(d, DUO_I, "ESTABLISHED"), 0);
		cr_assert_eq(duo_count(d, DUO_R, "ESTABLISHED"), 0);
		teardown();
		setup();
	}
}

/* A rekey of the first Child SA: side `who` begins, the request is in m. */
static struct ike_hdr request_of(int who, uint32_t op)
{
	cr_assert_eq(ike_rekey(d->e[who].ike, "duo", "net", op, d->now), 0);
	duo_wait(d, 0);
	return take();
}

/* [MID-2] [MID-3] [HDR-5] [HDR-6] [KEY-8]: each side counts for itself; who rekeyed the IKE SA is
 * its original initiator, and speaks with its keys. */
Test(msgid, both_sides_count)
{
	static struct ike_msg msg;
	struct ike_hdr h;

	established();
	for (uint32_t round = 0; round < 2; round++) {
		for (int who = 0; who < 2; who++) {
			uint32_t first = round || who ? 0 : 2;
			uint8_t initiator = who == (round ? DUO_R : DUO_I) ? IKE_FLAG_INITIATOR : 0;
			struct duo_msg copy;

			h = request_of(who, 10 + round);
			cr_assert_eq(h.msg_id, first, "side %d, round %u", who, round);
			cr_assert_eq(h.flags, initiator);
			copy = m; /* with SK_ei or SK_er as the flag says, by the keys of either */
			cr_assert(duo_open(d, !who, 0, &copy, &msg));
			h = deliver_and_take();
			cr_assert_eq(h.msg_id, first);
			cr_assert_eq(h.flags, (initiator ^ IKE_FLAG_INITIATOR) | IKE_FLAG_RESPONSE);
			copy = m;
			cr_assert(duo_open(d, who, 0, &copy, &msg));
			duo_deliver(d, &m);
			h = take(); /* --> INFORMATIONAL { D }: of the old one */
			cr_assert_eq(h.msg_id, first + 1);
			duo_deliver(d, &m);
			cr_assert(duo_settle(d));
		}
		if (round)
			break;
		/* side 1 rekeys the IKE SA: new numbers, and the old one counts on */
		cr_assert_eq(ike_rekey(d->e[DUO_R].ike, "duo", NULL, 20, d->now), 0);
		duo_wait(d, 0);
		h = take();
		cr_assert_eq(h.msg_id, 2);
		deliver_and_take();
		h = deliver_and_take(); /* <-- INFORMATIONAL { D(IKE) } */
		cr_assert_eq(h.exchange, INFORMATIONAL);
		cr_assert_eq(h.msg_id, 3);
		duo_deliver(d, &m);
		cr_assert(duo_settle(d));
		duo_wait(d, 200 * USEC_PER_SEC); /* nothing lingers */
		cr_assert_eq(ike_sa_count(d->e[DUO_I].ike), 1);
		cr_assert_eq(ike_sa_count(d->e[DUO_R].ike), 1);
	}
}

/* [HDR-4] [MID-7]: the same octets from anywhere find the IKE SA, and the answer goes back there;
 * with the other role they do not. */
Test(msgid, found_by_spi)
{
	struct duo_msg strange;
	struct ike_hdr h;

	established();
	h = request_of(DUO_I, 10);
	strange = m;
	strange.buf[19] ^= IKE_FLAG_INITIATOR;
	duo_deliver(d, &strange);
	cr_assert_eq(d->e[DUO_R].child_adds, 1);
	cr_assert_eq(duo_counters(d, DUO_R).dropped_spi, 1);
	d->n = 0;
	m.path.remote.ip = addr_v4(0xcb007109);
	m.path.remote.port = 999; /* [NAT-8] */
	m.path.local.ip = addr_v4(0xcb007110);
	cr_assert_eq(duo_deliver(d, &m), 1);
	cr_assert_eq(d->e[DUO_R].child_adds, 2);
	cr_assert(duo_take(d, &strange));
	cr_assert(udp_addr_equal(&strange.path.local, &m.path.remote));
	cr_assert(udp_addr_equal(&strange.path.remote, &m.path.local));
	cr_assert_eq(hdr_of(strange.buf, strange.len).msg_id, h.msg_id);
}

/* ---- the last numbers ---- */

/* The image of side `who` with other octets at `at`, properly sealed again. */
static void restore_with(int who, uint8_t *image, size_t len, size_t at, uint32_t value)
{
	struct chunk body = { image, len - SHA256_OCTETS };
	struct wr w = wr_init(image + at, 4);

	wr_u32(&w, value);
	cr_assert_eq(sha256_digest(&body, 1, image + body.len), 0);
	duo_restore(d, who, image, len);
}

/* Side 0 is to send `value` next, and side 1 to expect it: both are 2 after the set-up. Where that
 * stands in an image is found by trying. */
static void set_ids(uint32_t value)
{
	static uint8_t image[2][IMAGE_MAX], copy[IMAGE_MAX];
	size_t len[2];

	for (int who = 0; who < 2; who++)
		len[who] = duo_image(d, who, image[who], IMAGE_MAX);
	for (int who = 0; who < 2; who++) {
		bool found = false;

		for (size_t at = 40; at + 4 < len[who] - SHA256_OCTETS && !found; at++) {
			if (memcmp(image[who] + at, "\0\0\0\2", 4))
				continue;
			memcpy(copy, image[who], len[who]);
			restore_with(who, copy, len[who], at, value);
			if (ike_rekey(d->e[DUO_I].ike, "duo", "net", 5, d->now))
				continue;
			duo_wait(d, 0);
			if (duo_take(d, &m) && hdr_of(m.buf, m.len).msg_id == value)
				found = who == DUO_I || duo_deliver(d, &m);
			memcpy(copy, image[who], len[who]);
			if (found)
				restore_with(who, copy, len[who], at, value);
			else
				duo_restore(d, who, image[who], len[who]);
			if (who == DUO_R) { /* side 0 has just sent that request */
				memcpy(copy, image[DUO_I], len[DUO_I]);
				duo_restore(d, DUO_I, copy, len[DUO_I]);
			}
		}
		cr_assert(found, "side %d", who);
		if (who == DUO_I)
			len[who] = duo_image(d, who, image[who], IMAGE_MAX);
	}
}

/* [MID-13]: beyond that many requests the IKE SA is rekeyed, and all begins anew. */
Test(msgid, rekeyed_before_they_end)
{
	struct ike_sa_info before, after;

	established();
	set_ids(UINT32_MAX - 0x10000);
	cr_assert(ike_sa_at(d->e[DUO_I].ike, 0, &before));
	request_of(DUO_I, 10);
	duo_deliver(d, &m);
	cr_assert(duo_settle(d));
	duo_wait(d, 0);
	cr_assert(duo_settle(d));
	duo_wait(d, 200 * USEC_PER_SEC);
	cr_assert_eq(ike_sa_count(d->e[DUO_I].ike), 1);
	cr_assert(ike_sa_at(d->e[DUO_I].ike, 0, &after));
	cr_assert_neq(after.spi_i, before.spi_i);
	cr_assert_eq(after.n_children, 1);
	cr_assert_leq(request_of(DUO_I, 11).msg_id, 1); /* after the Delete that had to wait */
}

/* [MID-13]: and where it cannot be, it ends; 0 is not taken for the number after the last. */
Test(msgid, never_wrap)
{
	uint8_t buf[DUO_MSG_MAX];
	struct ike_sa_info info;
	struct ike_path path;

	established();
	set_ids(UINT32_MAX - 1);
	cr_assert_eq(request_of(DUO_I, 10).msg_id, UINT32_MAX - 1);
	duo_deliver(d, &m);
	cr_assert(ike_sa_at(d->e[DUO_R].ike, 0, &info));
	path = info.path;
	for (uint32_t id = UINT32_MAX; id != 3; id++) {
		struct ike_hdr h = request_hdr(&info, id);
		size_t n = duo_seal(d, DUO_R, 0, &h, PLD_NONE, buf, 0, buf, sizeof(buf));

		cr_assert_gt(n, 0);
		cr_assert_eq(duo_give(d, DUO_R, &path, buf, n), 0, "answer to %u", id);
	}
	take();
	duo_deliver(d, &m); /* the answer; the next request has no number */
	cr_assert_eq(d->n, 0);
	cr_assert_eq(duo_count(d, DUO_I, "ESTABLISHED"), 0);
	cr_assert_eq(d->e[DUO_I].child_dels, d->e[DUO_I].child_adds);
}

/* ---- IVs ---- */

static uint64_t iv_of(const struct duo_msg *msg)
{
	struct rd r = rd_init(msg->buf + IV_OFF, 8);

	return rd_u64(&r);
}

/* [AEA-4] [SK-4] [ROB-7]: a successor that starts from an old image sends other octets under the
 * same number, and never with an IV that was used. */
Test(msgid, ivs_after_a_restart)
{
	static uint8_t image[IMAGE_MAX];
	enum { RESTARTS = 20, EACH = 3 };
	uint64_t used[RESTARTS * EACH];
	size_t len, n = 0;

	established();
	len = duo_image(d, DUO_I, image, sizeof(image));
	for (unsigned i = 0; i < RESTARTS; i++) {
		duo_restore(d, DUO_I, image, len);
		for (unsigned k = 0; k < EACH; k++) {
			if (k) /* again, as it was */
				duo_wait(d, 10 * USEC_PER_SEC);
			else
				cr_assert_eq(request_of(DUO_I, 30 + i).msg_id, 2);
			while (d->n)
				cr_assert(duo_take(d, &m));
			if (k) {
				cr_assert_eq(iv_of(&m), used[n - 1]);
				continue;
			}
			for (size_t j = 0; j < n; j++)
				cr_assert_neq(used[j], iv_of(&m));
			used[n++] = iv_of(&m);
		}
	}
}
