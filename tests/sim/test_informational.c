/* SPDX-License-Identifier: GPL-2.0-only */
/* INFORMATIONAL as MOBIKE peers use it, although we do not announce MOBIKE; what ended IKE SAs may
 * cost. */
#include <criterion/criterion.h>
#include <string.h>

#include "base/log.h"
#include "crypto/prf.h"
#include "duo.h"

static struct duo *d;
static uint32_t msg_id;
static uint8_t inner[2048];
static struct msg_wr w;
static struct ike_msg answer; /* borrows from octets */
static struct duo_msg octets;
static struct ike_sa_info sa;

static void setup(void)
{
	log_set_level(LOG_ERR_);
	d = duo_new();
	cr_assert_not_null(d);
	cr_assert_eq(duo_start(d), 0);
	cr_assert(duo_establish(d), "%s", d->e[DUO_I].failure);
	cr_assert(ike_sa_at(d->e[DUO_I].ike, 0, &sa));
	msg_id = 2;
	w = msg_begin_inner(inner, sizeof(inner));
}

static void teardown(void)
{
	duo_free(d);
}

TestSuite(informational, .init = setup, .fini = teardown);

static void ask(const struct ike_path *path)
{
	struct ike_hdr h = { .spi_i = sa.spi_i,
			     .spi_r = sa.spi_r,
			     .version = IKE_VERSION_2_0,
			     .exchange = INFORMATIONAL,
			     .flags = IKE_FLAG_INITIATOR,
			     .msg_id = msg_id++ };
	uint8_t buf[DUO_MSG_MAX];
	size_t len = msg_end(&w), n;

	n = duo_seal(d, DUO_I, 0, &h, w.first, inner, len, buf, sizeof(buf));
	cr_assert_gt(n, 0);
	cr_assert_eq(duo_give(d, DUO_R, path, buf, n), 1);
	cr_assert(duo_take(d, &octets));
	memset(&answer, 0, sizeof(answer));
	cr_assert(duo_open(d, DUO_I, 0, &octets, &answer));
	w = msg_begin_inner(inner, sizeof(inner));
}

static void nat_hash(const struct udp_addr *a, uint8_t out[SHA1_OCTETS])
{
	uint8_t buf[64];
	struct wr x = wr_init(buf, sizeof(buf));
	struct chunk in = { buf, 0 };

	wr_u64(&x, sa.spi_i);
	wr_u64(&x, sa.spi_r);
	wr_bytes(&x, a->ip.b, addr_len(&a->ip));
	wr_u16(&x, a->port);
	in.len = x.len;
	cr_assert_eq(sha1_digest(&in, 1, out), 0);
}

static struct ike_path elsewhere(void)
{
	struct ike_path p = duo_path(DUO_R, 4500);
	p.remote.ip = addr_v4(0xcb007142);
	p.remote.port = 4711;
	return p;
}

/* --> { N(COOKIE2) }  <-- { N(COOKIE2) }, whatever its length. [MOB-20] */
Test(informational, cookie2_is_copied)
{
	static const size_t lengths[] = { 8, 16, 64, 4, 100 };
	struct ike_path p = duo_path(DUO_R, 4500);

	for (unsigned i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		uint8_t cookie[100];
		const struct notify *n;

		memset(cookie, (int)(0x30 + i), sizeof(cookie));
		msg_put_notify(&w, PROTO_NONE, NULL, 0, N_COOKIE2, cookie, lengths[i]);
		ask(&p);
		n = msg_notify(&answer, N_COOKIE2);
		cr_assert_not_null(n);
		cr_assert_eq(n->data.len, lengths[i]);
		cr_assert(!memcmp(n->data.p, cookie, lengths[i]));
	}
}

/* --> { NAT_DETECTION x2, UPDATE_SA_ADDRESSES }  <-- { NAT_DETECTION x2 } to the source of the
 * request, with the hashes of that pair; nothing moves without MOBIKE. [MOB-24] MM-5.2-1, MM-6-3,
 * MM-6-4. */
Test(informational, path_test_from_elsewhere)
{
	struct ike_path p = elsewhere();
	uint8_t hash[SHA1_OCTETS] = { 1 };
	const struct notify *n;
	struct ike_sa_info now;

	msg_put_notify(&w, PROTO_NONE, NULL, 0, N_NAT_DETECTION_SOURCE_IP, hash, sizeof(hash));
	msg_put_notify(&w, PROTO_NONE, NULL, 0, N_NAT_DETECTION_DESTINATION_IP, hash, sizeof(hash));
	msg_put_notify(&w, PROTO_NONE, NULL, 0, N_UPDATE_SA_ADDRESSES, NULL, 0);
	ask(&p);
	n = msg_notify(&answer, N_NAT_DETECTION_SOURCE_IP);
	cr_assert_not_null(n);
	nat_hash(&p.local, hash);
	cr_assert(!memcmp(n->data.p, hash, sizeof(hash)));
	n = msg_notify(&answer, N_NAT_DETECTION_DESTINATION_IP);
	cr_assert_not_null(n);
	nat_hash(&p.remote, hash);
	cr_assert(!memcmp(n->data.p, hash, sizeof(hash)));
	cr_assert(ike_sa_at(d->e[DUO_R].ike, 0, &now));
	cr_assert(!udp_addr_equal(&now.path.remote, &p.remote));
	cr_assert_eq(duo_count(d, DUO_R, "ESTABLISHED"), 1);
}

/* [INF-8] an error notification in a request, and a status nobody knows, are ignored. */
Test(informational, unknown_notifications)
{
	struct ike_path p = duo_path(DUO_R, 4500);

	msg_put_notify(&w, PROTO_NONE, NULL, 0, 8191, "x", 1);
	msg_put_notify(&w, PROTO_NONE, NULL, 0, 40999, NULL, 0);
	ask(&p);
	cr_assert_eq(answer.n_order, 1);
	cr_assert_eq(duo_count(d, DUO_R, "ESTABLISHED"), 1);
}

/* [AUT-9] the initiator did not accept our AUTH: all of it goes, without a Delete. */
Test(informational, authentication_failed)
{
	struct ike_path p = duo_path(DUO_R, 4500);

	msg_put_notify(&w, PROTO_NONE, NULL, 0, N_AUTHENTICATION_FAILED, NULL, 0);
	ask(&p);
	cr_assert_eq(duo_count(d, DUO_R, "ESTABLISHED"), 0);
	cr_assert_eq(d->e[DUO_R].child_dels, 1);
}

/* A dead peer is not asked for minutes to delete what is given up, also if another request waits
 * for its answer; the Delete is still sent again. */
Test(informational, delete_to_a_dead_peer_ends_soon)
{
	for (unsigned busy = 0; busy < 2; busy++) {
		struct ike *ike = d->e[DUO_I].ike;
		const usec_t timeout = d->side[DUO_I].conn.retransmit_timeout;
		struct duo_msg lost;
		unsigned sent = 0;

		if (busy) {
			cr_assert_eq(ike_rekey(ike, "duo", NULL, 1, d->now), 0);
			duo_wait(d, timeout);
		}
		cr_assert_eq(ike_down(ike, "duo", NULL, 2, d->now), 0);
		for (usec_t t = 0; t < 3 * timeout + timeout / 10; t += timeout / 10) {
			duo_wait(d, timeout / 10);
			while (duo_take(d, &lost))
				sent++;
		}
		cr_assert_eq(ike_sa_count(ike), 0);
		cr_assert_geq(sent, 2);
		teardown();
		setup();
	}
}
