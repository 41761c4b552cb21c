/* SPDX-License-Identifier: GPL-2.0-only */
/* What an authenticated peer may not do with MOBIKE (user/ike/mobike.c, routability.c): the test
 * speaks for one side, with its keys. */
#include <criterion/criterion.h>
#include <string.h>

#include "duo_assert.h"

static struct duo *d;
static uint8_t inner[4096];
static struct msg_wr w;
static struct ike_msg msg; /* borrows from octets */
static struct duo_msg octets;
static struct ike_sa_info sa;

static void begin(unsigned window)
{
	d = new_duo();
	for (int who = 0; who < 2; who++) {
		d->side[who].conn.mobike = true;
		d->side[who].conn.window = (uint8_t)window;
	}
	cr_assert_eq(duo_start(d), 0);
	cr_assert(duo_establish(d), "%s", d->e[DUO_I].failure);
	cr_assert(ike_sa_at(d->e[DUO_I].ike, 0, &sa));
	cr_assert(sa.mobike);
	w = msg_begin_inner(inner, sizeof(inner));
}

static struct ike_path at(int who, uint32_t peer)
{
	struct ike_path p = duo_path(who, 4500);

	p.remote.ip = addr_v4(peer);
	return p;
}

/* What is in w, from side `from` to the other, by that path of the receiver. Datagrams it causes.
 */
static size_t say(int from, uint32_t msg_id, bool response, const struct ike_path *path)
{
	struct ike_hdr h = { .spi_i = sa.spi_i,
			     .spi_r = sa.spi_r,
			     .version = IKE_VERSION_2_0,
			     .exchange = INFORMATIONAL,
			     .flags = (from == DUO_I ? IKE_FLAG_INITIATOR : 0) |
				      (response ? IKE_FLAG_RESPONSE : 0),
			     .msg_id = msg_id };
	uint8_t buf[DUO_MSG_MAX];
	size_t len = msg_end(&w), n;

	n = duo_seal(d, from, 0, &h, w.first, inner, len, buf, sizeof(buf));
	cr_assert_gt(n, 0);
	w = msg_begin_inner(inner, sizeof(inner));
	return duo_give(d, !from, path, buf, n);
}

/* The next datagram, by whomever. */
static void hear(void)
{
	cr_assert(duo_take(d, &octets));
	memset(&msg, 0, sizeof(msg));
	cr_assert(duo_open(d, !octets.to, 0, &octets, &msg));
}

static struct ike_path path_of(int who)
{
	struct ike_sa_info i;

	cr_assert(ike_sa_at(d->e[who].ike, 0, &i));
	return i.path;
}

static bool peer_at(int who, uint32_t addr)
{
	struct addr a = addr_v4(addr);
	struct ike_path p = path_of(who);

	return addr_equal(&p.remote.ip, &a);
}

static void put(uint16_t type)
{
	msg_put_notify(&w, PROTO_NONE, NULL, 0, type, NULL, 0);
}

enum { FAR = 0xcb00712c, AWAY = 0xcb00712d, HOME = 0xc0000201, GATE = 0xc6336401 };

/* [MOB-15]: from R it is answered, and moves nothing; we ask whether it is where we know it. */
Test(mobike_bad, an_update_from_r)
{
	struct ike_path p;

	begin(1);
	p = at(DUO_I, FAR);
	put(N_UPDATE_SA_ADDRESSES);
	cr_assert_eq(say(DUO_R, 0, false, &p), 2);
	for (unsigned i = 0; i < 2; i++) {
		hear();
		cr_assert_eq(msg.n_order, 1, "SK alone");
		cr_assert_eq(!(msg.hdr.flags & IKE_FLAG_RESPONSE), i == 1);
	}
	cr_assert(peer_at(DUO_I, GATE));
	cr_assert_eq(d->n, 0);
	duo_free(d);
}

/* [MOB-9]: update 3 is here before update 2. */
Test(mobike_bad, a_stale_update)
{
	struct ike_path far = at(DUO_R, FAR), away = at(DUO_R, AWAY);

	begin(4);
	put(N_UPDATE_SA_ADDRESSES);
	cr_assert_eq(say(DUO_I, 3, false, &away), 2, "the answer, and a check");
	hear();
	hear();
	cr_assert(msg_notify(&msg, N_COOKIE2));
	cr_assert(peer_at(DUO_R, AWAY));
	put(N_UPDATE_SA_ADDRESSES);
	cr_assert_eq(say(DUO_I, 2, false, &far), 1);
	hear();
	cr_assert(addr_equal(&octets.path.local.ip, &far.remote.ip), "answered at its source");
	cr_assert_eq(msg.n_order, 1, "SK alone");
	cr_assert(peer_at(DUO_R, AWAY));
	duo_free(d);
}

/* [MOB-16]: a copy of it from anywhere. */
Test(mobike_bad, a_copied_update)
{
	struct ike_path away = at(DUO_R, AWAY), p = duo_path(DUO_I, 4500);
	struct duo_msg update;

	begin(1);
	p.local.ip = addr_v4(FAR);
	cr_assert_eq(ike_path_change(d->e[DUO_I].ike, sa.line, &p, d->now), 0);
	duo_wait(d, 0);
	cr_assert(duo_take(d, &update));
	duo_deliver(d, &update);
	cr_assert(duo_settle(d));
	cr_assert(peer_at(DUO_R, FAR));
	cr_assert_eq(duo_give(d, DUO_R, &away, update.buf, update.len), 1);
	hear();
	cr_assert(addr_equal(&octets.path.local.ip, &away.remote.ip));
	cr_assert(peer_at(DUO_R, FAR));
	duo_free(d);
}

/* I has moved, and R asks whether it is there. */
static struct ike_path hear_check(void)
{
	struct ike_path far = at(DUO_R, FAR);

	begin(1);
	put(N_UPDATE_SA_ADDRESSES);
	cr_assert_eq(say(DUO_I, 2, false, &far), 2);
	hear();
	hear();
	return far;
}

/* [MOB-19]: Libreswan returns COOKIE2 only where the request asks for NAT detection as well. */
Test(mobike_bad, the_check_has_nat_detection)
{
	hear_check();
	cr_assert(msg_notify(&msg, N_COOKIE2));
	cr_assert(msg_notify(&msg, N_NAT_DETECTION_SOURCE_IP));
	cr_assert(msg_notify(&msg, N_NAT_DETECTION_DESTINATION_IP));
	duo_free(d);
}

/* What I answers to the check of R, and how many IKE SAs R has afterwards. */
static unsigned answered_with(const uint8_t *cookie, size_t len)
{
	struct ike_path far = hear_check();

	cr_assert_eq(msg_notify(&msg, N_COOKIE2)->data.len, 16);
	if (cookie)
		msg_put_notify(&w, PROTO_NONE, NULL, 0, N_COOKIE2, cookie, len);
	say(DUO_I, msg.hdr.msg_id, true, &far);
	return duo_count(d, DUO_R, "ESTABLISHED");
}

/* [MOB-21] [MOB-19] DES-5.5.2-1 */
Test(mobike_bad, a_wrong_answer_to_the_check)
{
	uint8_t cookie[16] = { 0 };
	static const size_t lengths[] = { 16, 15, 0 };

	cr_assert_eq(answered_with(NULL, 0), 0);
	cr_assert_eq(d->e[DUO_R].child_dels, 1);
	duo_free(d);
	for (unsigned i = 0; i < 3; i++) {
		cr_assert_eq(answered_with(cookie, lengths[i]), 0, "%zu", lengths[i]);
		duo_free(d);
	}
}

/* [MOB-19] DES-5.5-2: another one each time. */
Test(mobike_bad, checks_differ)
{
	struct ike_path far = at(DUO_R, FAR), away = at(DUO_R, AWAY);
	uint8_t first[16];

	begin(1);
	put(N_UPDATE_SA_ADDRESSES);
	cr_assert_eq(say(DUO_I, 2, false, &far), 2);
	hear();
	hear();
	memcpy(first, msg_notify(&msg, N_COOKIE2)->data.p, 16);
	msg_put_notify(&w, PROTO_NONE, NULL, 0, N_COOKIE2, first, 16);
	say(DUO_I, 0, true, &far);
	put(N_UPDATE_SA_ADDRESSES);
	cr_assert_eq(say(DUO_I, 3, false, &away), 2);
	hear();
	hear();
	cr_assert(memcmp(first, msg_notify(&msg, N_COOKIE2)->data.p, 16));
	duo_free(d);
}

/* [MOB-21] [MOB-8]: R answers the first of two updates without the COOKIE2 of it. */
Test(mobike_bad, a_stale_answer_without_cookie)
{
	struct ike_path p = duo_path(DUO_I, 4500), back = duo_path(DUO_I, 4500);

	begin(1);
	for (unsigned i = 0; i < 2; i++) {
		p.local.ip = addr_v4(i ? AWAY : FAR);
		cr_assert_eq(ike_path_change(d->e[DUO_I].ike, sa.line, &p, d->now), 0);
	}
	duo_wait(d, 0);
	hear();
	cr_assert(msg_notify(&msg, N_UPDATE_SA_ADDRESSES));
	say(DUO_R, msg.hdr.msg_id, true, &back);
	cr_assert_eq(duo_count(d, DUO_I, "ESTABLISHED"), 0);
	duo_free(d);
}

/* [MOB-1]: content is ignored, and what one side alone announces is nothing. */
Test(mobike_bad, not_agreed)
{
	struct ike_path far = at(DUO_R, FAR);

	d = new_duo();
	d->side[DUO_R].conn.mobike = true;
	cr_assert_eq(duo_start(d), 0);
	cr_assert(duo_establish(d));
	cr_assert(ike_sa_at(d->e[DUO_I].ike, 0, &sa));
	w = msg_begin_inner(inner, sizeof(inner));
	put(N_UPDATE_SA_ADDRESSES);
	cr_assert_eq(say(DUO_I, 2, false, &far), 1);
	cr_assert(peer_at(DUO_R, HOME));
	duo_free(d);
}

static void put_addr(uint16_t type, uint32_t host, size_t len)
{
	uint8_t a[16] = { 203, 0, 113, (uint8_t)host };

	msg_put_notify(&w, PROTO_NONE, NULL, 0, type, a, len);
}

/* [MOB-39] DES-6.3-1: many addresses, some twice, some that are none: the first ones are kept,
 * however often it is told. */
Test(mobike_bad, many_addresses)
{
	struct ike_path home = duo_path(DUO_R, 4500);
	struct ike_sa_info r;

	begin(1);
	for (unsigned round = 0; round < 50; round++) {
		put_addr(N_ADDITIONAL_IP4_ADDRESS, 1, 3);
		put_addr(N_ADDITIONAL_IP4_ADDRESS, 2, 16);
		put_addr(N_ADDITIONAL_IP6_ADDRESS, 3, 4);
		put_addr(N_ADDITIONAL_IP6_ADDRESS, 4, 0);
		for (unsigned i = 0; i < 30; i++)
			put_addr(i % 3 ? N_ADDITIONAL_IP4_ADDRESS : N_ADDITIONAL_IP6_ADDRESS,
				 round + 10 + i / 2, i % 3 ? 4 : 16);
		cr_assert_eq(say(DUO_I, 2 + round, false, &home), 1);
		hear();
		cr_assert_eq(msg.n_order, 1);
	}
	cr_assert(ike_sa_at(d->e[DUO_R].ike, 0, &r));
	cr_assert_eq(r.n_peer_addrs, IKE_PEER_ADDRS_MAX);
	cr_assert(addr_equal(&r.peer_addrs[0], &home.remote.ip));
	for (unsigned i = 1; i < r.n_peer_addrs; i++)
		cr_assert_eq(r.peer_addrs[i].b[0], 203);
	cr_assert(peer_at(DUO_R, HOME));
	duo_free(d);
}

/* [MOB-40]: list 3 is here before list 2. */
Test(mobike_bad, a_stale_list)
{
	struct ike_path home = duo_path(DUO_R, 4500);
	struct ike_sa_info r;

	begin(4);
	put_addr(N_ADDITIONAL_IP4_ADDRESS, 33, 4);
	cr_assert_eq(say(DUO_I, 3, false, &home), 1);
	hear();
	put(N_NO_ADDITIONAL_ADDRESSES);
	cr_assert_eq(say(DUO_I, 2, false, &home), 1);
	hear();
	cr_assert(ike_sa_at(d->e[DUO_R].ike, 0, &r));
	cr_assert_eq(r.n_peer_addrs, 2);
	duo_free(d);
}

static void put_no_nats(const struct ike_path *of_receiver, size_t len, unsigned change)
{
	uint8_t data[40] = { 0 };
	struct wr x = wr_init(data, sizeof(data));

	wr_bytes(&x, of_receiver->remote.ip.b, 4);
	wr_bytes(&x, of_receiver->local.ip.b, 4);
	wr_u16(&x, of_receiver->remote.port);
	wr_u16(&x, of_receiver->local.port);
	if (change < 12)
		data[change] ^= 1;
	msg_put_notify(&w, PROTO_NONE, NULL, 0, N_NO_NATS_ALLOWED, data, len);
}

/* [MOB-37]: each of the four fields, and the family; the answer goes where the header says. */
Test(mobike_bad, no_nats_allowed)
{
	static const unsigned fields[] = { 0, 3, 4, 7, 8, 9, 10, 11 };
	struct ike_path far = at(DUO_R, FAR);
	struct ike_sa_info r;

	begin(1);
	for (unsigned i = 0; i < 9; i++) {
		if (i & 1)
			put(N_UPDATE_SA_ADDRESSES);
		put_addr(N_ADDITIONAL_IP4_ADDRESS, 77, 4);
		put_no_nats(&far, i == 8 ? 36 : 12, i == 8 ? 99 : fields[i]);
		cr_assert_eq(say(DUO_I, 2 + i, false, &far), 1);
		hear();
		cr_assert(msg_notify(&msg, N_UNEXPECTED_NAT_DETECTED), "%u", i);
		cr_assert(addr_equal(&octets.path.local.ip, &far.remote.ip));
		cr_assert(peer_at(DUO_R, HOME));
		cr_assert(ike_sa_at(d->e[DUO_R].ike, 0, &r));
		cr_assert_eq(r.n_peer_addrs, 1);
	}
	put(N_UPDATE_SA_ADDRESSES);
	put_no_nats(&far, 12, 99);
	cr_assert_eq(say(DUO_I, 11, false, &far), 2);
	cr_assert(peer_at(DUO_R, FAR));
	duo_free(d);
}

/* [MOB-41] */
Test(mobike_bad, no_nats_of_another_length)
{
	static const size_t lengths[] = { 0, 11, 13, 35, 37 };
	struct ike_path far = at(DUO_R, FAR);

	for (unsigned i = 0; i < 5; i++) {
		begin(1);
		put(N_UPDATE_SA_ADDRESSES);
		put_no_nats(&far, lengths[i], 99);
		cr_assert_eq(say(DUO_I, 2, false, &far), 1);
		cr_assert_eq(duo_count(d, DUO_R, "ESTABLISHED"), 0);
		duo_free(d);
	}
}

/* [MOB-42]: COOKIE2 is in the refusal, too. */
Test(mobike_bad, refused_with_cookie)
{
	struct ike_path far = at(DUO_R, FAR);

	d = new_duo();
	for (int who = 0; who < 2; who++)
		d->side[who].conn.mobike = true;
	d->side[DUO_R].conn.n_remote_addrs = 1;
	cr_assert_eq(duo_start(d), 0);
	cr_assert(duo_establish(d));
	cr_assert(ike_sa_at(d->e[DUO_I].ike, 0, &sa));
	w = msg_begin_inner(inner, sizeof(inner));
	put(N_UPDATE_SA_ADDRESSES);
	put_addr(N_ADDITIONAL_IP4_ADDRESS, 77, 4);
	msg_put_notify(&w, PROTO_NONE, NULL, 0, N_COOKIE2, "12345678", 8);
	cr_assert_eq(say(DUO_I, 2, false, &far), 1);
	hear();
	cr_assert(msg_notify(&msg, N_UNACCEPTABLE_ADDRESSES));
	cr_assert(msg_notify(&msg, N_COOKIE2));
	cr_assert(peer_at(DUO_R, HOME));
	duo_free(d);
}

/* [MOB-43]: an answer that comes from where nothing was sent says nothing of a pair that works. */
Test(mobike_bad, an_answer_from_elsewhere)
{
	struct ike_path away = at(DUO_I, AWAY), p = duo_path(DUO_I, 4500);

	begin(1);
	cr_assert_eq(ike_path_change(d->e[DUO_I].ike, sa.line, &p, d->now), 0);
	duo_wait(d, 0);
	hear();
	msg_put_notify(&w, PROTO_NONE, NULL, 0, N_COOKIE2, msg_notify(&msg, N_COOKIE2)->data.p, 16);
	say(DUO_R, msg.hdr.msg_id, true, &away);
	cr_assert(peer_at(DUO_I, GATE));
	cr_assert_eq(d->e[DUO_I].path_events, 0);
	duo_free(d);
}

/* [MOB-3]: IKE_SA_INIT came from one address, IKE_AUTH from another. */
Test(mobike_bad, addresses_of_ike_auth)
{
	d = new_duo();
	for (int who = 0; who < 2; who++)
		d->side[who].conn.mobike = true;
	cr_assert_eq(duo_start(d), 0);
	cr_assert_eq(duo_up(d), 0);
	for (unsigned i = 0; i < 3; i++) {
		cr_assert(duo_take(d, &octets));
		if (i == 2)
			octets.path.remote.ip = addr_v4(FAR);
		duo_deliver(d, &octets);
	}
	cr_assert_eq(duo_count(d, DUO_R, "ESTABLISHED"), 1);
	cr_assert(peer_at(DUO_R, FAR));
	duo_free(d);
}
