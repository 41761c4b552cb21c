/* SPDX-License-Identifier: GPL-2.0-only */
/* What an authenticated peer asks for wrongly by MMX, and what it is answered (MMX 13): the test
 * speaks for one side, with its keys. Whatever it is, the IKE SA and what its SAs use stay. */
#include <criterion/criterion.h>
#include <string.h>

#include "duo_assert.h"
#include "ike/mmx.h"

enum { OWN = 0, PEERS = 1, WINDOW = 4 };

static struct duo *d;
static uint8_t inner[DUO_MSG_MAX];
static struct msg_wr w;
static struct ike_msg msg; /* borrows from octets */
static struct duo_msg octets;
static struct ike_sa_info sa;
static uint32_t next_id[2];
static struct mmx_action a;
static struct mmx_result res[MMX_ACTIONS_MAX + 2];
static unsigned n_res;

static struct addr addr_of(int who, unsigned k)
{
	return addr_v4((who == DUO_I ? 0xc0000200u : 0xc6336400u) + k);
}

static struct mmx_iface iface_of(int who, uint16_t k)
{
	return (struct mmx_iface){ .ifid = k,
				   .flags = MMX_IFACE_UP,
				   .n = 1,
				   .ep = { { .epid = k, .addr = addr_of(who, k) } } };
}

/* I has interfaces 1 to 3, R 1 and 2. */
static void begin(void)
{
	d = new_duo();
	for (int who = 0; who < 2; who++) {
		d->side[who].conn.mobike = true;
		d->side[who].conn.mmx = IKE_MMX_YES;
		d->side[who].conn.window = WINDOW;
	}
	cr_assert_eq(duo_start(d), 0);
	for (int who = 0; who < 2; who++) {
		struct mmx_iface ifaces[3] = { iface_of(who, 1), iface_of(who, 2),
					       iface_of(who, 3) };

		cr_assert_eq(
			ike_ifaces_set(d->e[who].ike, "duo", ifaces, who == DUO_I ? 3 : 2, d->now),
			0);
	}
	cr_assert(duo_establish(d), "%s", d->e[DUO_I].failure);
	cr_assert(ike_sa_at(d->e[DUO_I].ike, 0, &sa));
	cr_assert(ike_mmx_on(d->e[DUO_R].ike, 1, NULL));
	next_id[DUO_I] = 3;
	next_id[DUO_R] = 0;
	w = msg_begin_inner(inner, sizeof(inner));
}

/* What is in w, from that side; the answer's results. */
static void say(int from)
{
	struct ike_hdr h = { .spi_i = sa.spi_i,
			     .spi_r = sa.spi_r,
			     .version = IKE_VERSION_2_0,
			     .exchange = INFORMATIONAL,
			     .flags = from == DUO_I ? IKE_FLAG_INITIATOR : 0,
			     .msg_id = next_id[from]++ };
	uint8_t buf[DUO_MSG_MAX];
	size_t len = msg_end(&w), n;
	struct ike_path path = duo_path(!from, 4500);

	cr_assert_eq(w.w.err, 0);
	n = duo_seal(d, from, 0, &h, w.first, inner, len, buf, sizeof(buf));
	cr_assert_gt(n, 0);
	w = msg_begin_inner(inner, sizeof(inner));
	cr_assert_geq(duo_give(d, !from, &path, buf, n), 1);
	do { /* it may want to know something itself, too */
		cr_assert(duo_take(d, &octets));
		memset(&msg, 0, sizeof(msg));
		cr_assert(duo_open(d, !from, 0, &octets, &msg));
	} while (!(msg.hdr.flags & IKE_FLAG_RESPONSE));
	n_res = 0;
	for (unsigned i = 0; i < msg.n_notifies; i++)
		if (msg.notifies[i].type == N_MMX_RESULT)
			cr_assert_eq(mmx_result_get(&msg.notifies[i], &res[n_res++]), MMX_OK);
	for (int who = 0; who < 2; who++)
		cr_assert_eq(duo_count(d, who, "ESTABLISHED"), 1);
}

static void action(uint8_t code)
{
	a = (struct mmx_action){ .id = 7, .code = code };
}

static struct mmx_ep *ep(uint8_t role, uint8_t side, uint16_t epid)
{
	struct mmx_tlv *t = mmx_add(&a.tlvs, MMX_TLV_EP);

	t->ep = (struct mmx_ep){ .role = role, .side = side, .epid = epid };
	return &t->ep;
}

static void sel(uint8_t kind)
{
	mmx_add(&a.tlvs, MMX_TLV_SEL)->sel.kind = kind;
}

/* Endpoint `from` of the IKE SA's, which the Child SA follows, becomes `to`. */
static void update(uint8_t side, uint16_t from, uint16_t to)
{
	action(MMX_UPDATE);
	ep(MMX_ROLE_OLD, side, from);
	ep(MMX_ROLE_NEW, side, to);
	sel(MMX_SEL_ALL);
}

static void ask(int from)
{
	mmx_action_put(&w, &a);
	say(from);
}

static const struct mmx_fail *detail(unsigned k)
{
	const struct mmx_tlv *t = mmx_next(&res[k].tlvs, MMX_TLV_FAIL, NULL);

	return t ? &t->fail : NULL;
}

static void assert_status(unsigned k, uint16_t id, enum mmx_status status)
{
	cr_assert_lt(k, n_res, "%u results", n_res);
	cr_assert_eq(res[k].id, id);
	cr_assert_eq(res[k].status, status, "%s instead of %s", mmx_status_name(res[k].status),
		     mmx_status_name(status));
}

/* What that side knows of the other's list: where the Child SA is bound to stays unseen here, so it
 * is what the binding says. */
static unsigned bindings(int who)
{
	unsigned n = 0;

	for (const struct mmx_shared *s = NULL; (s = ike_mmx_next(d->e[who].ike, 1, s));) {
		struct ike_binding b;
		unsigned sas;

		ike_mmx_look(d->e[who].ike, 1, s, &b, &sas);
		n += b.id && sas;
	}
	return n;
}

/* Refused with that, and nothing has become of it. */
static void refused(int from, enum mmx_status status)
{
	ask(from);
	assert_status(0, 7, status);
	cr_assert_eq(bindings(!from), 0);
	duo_free(d);
}

Test(mmx_errors, an_action_that_was_not_negotiated) /* MMX-56 */
{
	d = new_duo();
	d->side[DUO_I].conn.mobike = d->side[DUO_R].conn.mobike = true;
	cr_assert_eq(duo_start(d), 0);
	cr_assert(duo_establish(d), "%s", d->e[DUO_I].failure);
	cr_assert(ike_sa_at(d->e[DUO_I].ike, 0, &sa));
	next_id[DUO_I] = 2;
	w = msg_begin_inner(inner, sizeof(inner));
	update(OWN, 1, 2);
	ask(DUO_I);
	cr_assert_eq(msg.n_notifies, 0);
	duo_free(d);
}

Test(mmx_errors, what_is_right_is_done)
{
	begin();
	update(OWN, 1, 2);
	ask(DUO_I);
	assert_status(0, 7, MMX_OK);
	cr_assert_eq(res[0].affected, 1);
	cr_assert_eq(bindings(DUO_R), 1);
	duo_free(d);
}

/* An action of the octets that follow its header. */
static void put_raw(uint16_t id, uint8_t code, const uint8_t *tlvs, size_t n)
{
	uint8_t data[256] = { (uint8_t)(id >> 8), (uint8_t)id, code };

	memcpy(data + 8, tlvs, n);
	msg_put_notify(&w, PROTO_NONE, NULL, 0, N_MMX_ACTION, data, 8 + n);
}

#define EP_OCTETS(role, epid) 0, 1, 0, 8, (role), 0, 0, 0, 0, (epid), 0, 0
#define SEL_ALL_OCTETS	      0, 2, 0, 4, 3, 0, 0, 0

Test(mmx_errors, an_unknown_tlv_that_is_critical)
{
	static const uint8_t tlvs[] = {
		EP_OCTETS(1, 1), EP_OCTETS(2, 2), SEL_ALL_OCTETS, 0x80, 99, 0, 0
	};

	begin();
	put_raw(7, MMX_UPDATE, tlvs, sizeof(tlvs));
	say(DUO_I);
	assert_status(0, 7, MMX_UNSUPPORTED);
	cr_assert_eq(bindings(DUO_R), 0);
	duo_free(d);
}

Test(mmx_errors, an_unknown_tlv_that_is_not)
{
	static const uint8_t tlvs[] = {
		EP_OCTETS(1, 1), EP_OCTETS(2, 2), SEL_ALL_OCTETS, 0, 99, 0, 0
	};

	begin();
	put_raw(7, MMX_UPDATE, tlvs, sizeof(tlvs));
	say(DUO_I);
	assert_status(0, 7, MMX_OK);
	duo_free(d);
}

Test(mmx_errors, an_id_twice_or_zero) /* MMX-57 */
{
	static const uint8_t tlvs[] = { EP_OCTETS(1, 1), EP_OCTETS(2, 2), SEL_ALL_OCTETS };

	begin();
	update(OWN, 1, 2);
	mmx_action_put(&w, &a);
	mmx_action_put(&w, &a);
	say(DUO_I);
	assert_status(0, 7, MMX_OK);
	assert_status(1, 7, MMX_MALFORMED);
	put_raw(0, MMX_UPDATE, tlvs, sizeof(tlvs));
	say(DUO_I);
	assert_status(0, 0, MMX_MALFORMED);
	duo_free(d);
}

Test(mmx_errors, an_action_cut_short_anywhere) /* MMX-57 */
{
	static const uint8_t tlvs[] = { EP_OCTETS(1, 1), EP_OCTETS(2, 2), SEL_ALL_OCTETS };

	begin();
	for (size_t n = 1; n < sizeof(tlvs); n++) {
		if (n == 12 || n == 24)
			continue; /* whole TLVs: other errors */
		put_raw(7, MMX_UPDATE, tlvs, n);
		say(DUO_I);
		assert_status(0, 7, MMX_MALFORMED);
	}
	cr_assert_eq(bindings(DUO_R), 0);
	duo_free(d);
}

Test(mmx_errors, an_older_list) /* MMX-32 */
{
	begin();
	for (uint16_t k = 1; k <= 2; k++) {
		struct mmx_iface f = iface_of(DUO_I, k);

		f.generation = 9;
		f.flags |= k == 2 ? MMX_IFACE_LAST : 0;
		f.ep[0].flags = k == 1 ? MMX_IFACE_EP_CURRENT : 0;
		mmx_iface_put(&w, &f);
	}
	update(OWN, 1, 2);
	a.generation = 8;
	refused(DUO_I, MMX_STATE_MISMATCH);
}

Test(mmx_errors, spis_that_are_not_of_this_ike_sa)
{
	uint8_t spi[4] = { 0xc0, 0, 0x12, 0x34 };

	begin();
	update(OWN, 1, 2);
	a.tlvs.t[a.tlvs.n - 1].sel =
		(struct mmx_sel){ MMX_SEL_SPIS, PROTO_ESP, { spi, sizeof(spi) } };
	refused(DUO_I, MMX_UNKNOWN_SA);
}

/* The endpoint is one that the list does not have, with an address that no endpoint may have. */
Test(mmx_errors, addresses_that_are_not_those_of_a_host_elsewhere) /* MMX-33 */
{
	static const char *const wrong[] = { "224.0.0.5", "255.255.255.255", "169.254.1.1",
					     "0.0.0.0",	  "127.0.0.1",	     "198.51.100.1",
					     "240.0.0.1" };

	begin();
	for (unsigned i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		struct addr to = { 0 };

		addr_parse(wrong[i], &to);
		action(MMX_UPDATE);
		a.flags = MMX_ACTION_CHECK;
		ep(MMX_ROLE_OLD, OWN, 1);
		ep(MMX_ROLE_NEW, OWN, 0)->addr = to;
		sel(MMX_SEL_ALL);
		ask(DUO_I);
		assert_status(0, 7, MMX_LOCAL_POLICY);
		cr_assert_not_null(detail(0), "%s", wrong[i]);
		cr_assert_eq(detail(0)->detail, MMX_POLICY_ADDRESS);
	}
	duo_free(d);
}

Test(mmx_errors, an_endpoint_without_one_of_its_family_at_the_other_side)
{
	struct mmx_iface f = iface_of(DUO_I, 1), six = iface_of(DUO_I, 4);

	begin();
	f.generation = six.generation = 9;
	f.ep[0].flags = MMX_IFACE_EP_CURRENT;
	six.flags |= MMX_IFACE_LAST;
	addr_parse("2001:db8::4", &six.ep[0].addr);
	mmx_iface_put(&w, &f);
	mmx_iface_put(&w, &six);
	update(OWN, 1, 4);
	refused(DUO_I, MMX_FAMILY);
}

static unsigned known_of_i(void)
{
	unsigned n;
	uint32_t generation;

	cr_assert_not_null(ike_mmx_ifaces(d->e[DUO_R].ike, 1, true, &n, &generation));
	return n;
}

static void assert_limit(unsigned k, uint16_t which, uint16_t value)
{
	const struct mmx_tlv *t = mmx_next(&res[k].tlvs, MMX_TLV_LIMIT, NULL);

	cr_assert_not_null(t);
	cr_assert_eq(t->limit.which, which);
	cr_assert_eq(t->limit.value, value);
}

Test(mmx_errors, a_seventeenth_interface) /* MMX-21 */
{
	begin();
	for (uint16_t k = 1; k <= MMX_IFACES_MAX + 1; k++) {
		struct mmx_iface f = iface_of(DUO_I, k);

		f.generation = 9;
		f.flags |= k > MMX_IFACES_MAX ? MMX_IFACE_LAST : 0;
		f.ep[0].flags = k == 1 ? MMX_IFACE_EP_CURRENT : 0;
		mmx_iface_put(&w, &f);
	}
	say(DUO_I);
	assert_status(0, 0, MMX_TOO_MANY);
	assert_limit(0, MMX_LIMIT_IFACES, MMX_IFACES_MAX);
	cr_assert_eq(known_of_i(), MMX_IFACES_MAX);
	duo_free(d);
}

Test(mmx_errors, a_ninth_endpoint_of_a_side) /* MMX-11 */
{
	begin();
	for (uint16_t k = 1; k <= MMX_SIDE_MAX + 1; k++) {
		struct mmx_iface f = iface_of(DUO_I, k);

		f.generation = 9;
		f.flags |= k > MMX_SIDE_MAX ? MMX_IFACE_LAST : 0;
		f.ep[0].flags = k == 1 ? MMX_IFACE_EP_CURRENT : 0;
		mmx_iface_put(&w, &f);
	}
	action(MMX_ADD);
	for (uint16_t k = 2; k <= MMX_SIDE_MAX; k++)
		ep(MMX_ROLE_NEW, OWN, k);
	sel(MMX_SEL_ALL);
	mmx_action_put(&w, &a);
	action(MMX_ADD);
	a.id = 8;
	ep(MMX_ROLE_NEW, OWN, MMX_SIDE_MAX + 1);
	sel(MMX_SEL_ALL);
	ask(DUO_I);
	assert_status(0, 7, MMX_OK);
	assert_status(1, 8, MMX_TOO_MANY);
	assert_limit(1, MMX_LIMIT_SIDE, MMX_SIDE_MAX);
	duo_free(d);
}

Test(mmx_errors, more_actions_than_are_taken) /* MMX-57 */
{
	begin();
	for (uint16_t id = 1; id <= MMX_ACTIONS_MAX + 1; id++) {
		update(OWN, id % 2 ? 1 : 2, id % 2 ? 2 : 1);
		a.id = id;
		mmx_action_put(&w, &a);
	}
	say(DUO_I);
	cr_assert_eq(n_res, MMX_ACTIONS_MAX + 1);
	assert_status(MMX_ACTIONS_MAX, MMX_ACTIONS_MAX + 1, MMX_TOO_MANY);
	assert_limit(MMX_ACTIONS_MAX, MMX_LIMIT_ACTIONS, MMX_ACTIONS_MAX);
	duo_free(d);
}

Test(mmx_errors, the_last_endpoint_of_the_ike_sa)
{
	begin();
	action(MMX_REMOVE);
	ep(MMX_ROLE_OLD, OWN, 1);
	sel(MMX_SEL_IKE);
	refused(DUO_I, MMX_LAST_ADDRESS);
}

Test(mmx_errors, a_fail_over_onto_what_is_no_alternate) /* MMX-34 */
{
	static const uint16_t wrong[] = { 9, 3, 1 };

	begin();
	action(MMX_SET_ALT);
	ep(MMX_ROLE_OLD, OWN, 1);
	ep(MMX_ROLE_ALT, OWN, 2);
	sel(MMX_SEL_ALL);
	cr_assert_eq(ike_mmx_ask(d->e[DUO_I].ike, 1, &a, 1, 0, d->now), 0);
	duo_wait(d, USEC_PER_MSEC);
	cr_assert(duo_settle(d));
	cr_assert_eq(bindings(DUO_I), 1);
	for (unsigned i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		action(MMX_FAILOVER);
		ep(MMX_ROLE_OLD, PEERS, 1);
		ep(MMX_ROLE_NEW, PEERS, wrong[i]);
		sel(MMX_SEL_ALL);
		ask(DUO_R);
		cr_assert_eq(res[0].status, MMX_NOT_OWNER, "%u", wrong[i]);
	}
	action(MMX_FAILOVER);
	ep(MMX_ROLE_OLD, PEERS, 1);
	ep(MMX_ROLE_NEW, PEERS, 2);
	sel(MMX_SEL_ALL);
	ask(DUO_R);
	assert_status(0, 7, MMX_OK);
	duo_free(d);
}

/* "initiator decides": the endpoints of I are not R's to change. */
Test(mmx_errors, r_changes_endpoints_of_i) /* MMX-31 */
{
	begin();
	update(PEERS, 1, 2);
	refused(DUO_R, MMX_NOT_OWNER);
}

Test(mmx_errors, a_list_whose_count_is_too_large) /* MMX-5 */
{
	uint8_t data[12] = { 0, 0, 0, 9, 0, 1, 0, MMX_IFACE_UP | MMX_IFACE_LAST, 0, 3 };

	begin();
	cr_assert_eq(known_of_i(), 3);
	msg_put_notify(&w, PROTO_NONE, NULL, 0, N_MMX_IFACE, data, sizeof(data));
	say(DUO_I);
	assert_status(0, 0, MMX_MALFORMED);
	cr_assert_eq(known_of_i(), 3);
	duo_free(d);
}
