/* SPDX-License-Identifier: GPL-2.0-only */
/* What an authenticated peer may not do with probes (user/ike/mmx_seen.c, mmx_probe.c): the test
 * speaks for one side, with its keys. Endpoint k of I is 192.0.2.k, of R 198.51.100.k. */
#include <criterion/criterion.h>
#include <string.h>

#include "../../user/ike/mmx.h"
#include "duo_assert.h"

enum { OF_I = 0xc0000200, OF_R = 0xc6336400, VICTIM = 0xcb007142 };

static struct duo *d;
static uint8_t inner[4096];
static struct msg_wr w;
static struct ike_msg msg; /* borrows from octets */
static struct duo_msg octets;
static struct ike_sa_info sa;
static uint32_t next_id[2];

static struct ike_path way(int to, uint32_t of_i, uint32_t of_r)
{
	struct udp_addr i = { addr_v4(of_i), 4500 }, r = { addr_v4(of_r), 4500 };

	return to == DUO_R ? (struct ike_path){ .local = r, .remote = i }
			   : (struct ike_path){ .local = i, .remote = r };
}

static struct ike_sa *owner(int who)
{
	return line_owner(d->e[who].ike, sa.line);
}

static void ifaces(int who, unsigned n)
{
	struct mmx_iface l[MMX_IFACES_MAX];

	for (unsigned k = 0; k < n; k++)
		l[k] = (struct mmx_iface){
			.ifid = (uint16_t)(k + 1),
			.flags = MMX_IFACE_UP,
			.n = 1,
			.ep = { { .epid = (uint16_t)(k + 1),
				  .addr = addr_v4((who == DUO_I ? OF_I : OF_R) + k + 1) } },
		};
	cr_assert_eq(ike_ifaces_set(d->e[who].ike, "duo", l, n, d->now), 0);
}

static void begin(bool with_mmx)
{
	d = new_duo();
	for (int who = 0; who < 2; who++) {
		struct ike_conn_cfg *c = &d->side[who].conn;

		c->mobike = true;
		c->mmx = with_mmx ? IKE_MMX_YES : IKE_MMX_NO;
		c->window = 4;
		c->n_local_addrs = 0;
	}
	cr_assert_eq(duo_start(d), 0);
	ifaces(DUO_I, 3);
	ifaces(DUO_R, 3);
	cr_assert(duo_establish(d), "%s", d->e[DUO_I].failure);
	duo_wait(d, 5 * USEC_PER_SEC);
	cr_assert(duo_settle(d));
	cr_assert(ike_sa_at(d->e[DUO_I].ike, 0, &sa));
	for (int who = 0; who < 2; who++)
		next_id[who] = owner(who)->next_request;
	w = msg_begin_inner(inner, sizeof(inner));
}

/* What is in w, of side `from`. Datagrams it causes. */
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
	size_t len = msg_end(&w),
	       n = duo_seal(d, from, 0, &h, w.first, inner, len, buf, sizeof(buf));

	cr_assert_gt(n, 0);
	w = msg_begin_inner(inner, sizeof(inner));
	return duo_give(d, !from, path, buf, n);
}

static void hear(void)
{
	cr_assert(duo_take(d, &octets));
	memset(&msg, 0, sizeof(msg));
	cr_assert(duo_open(d, !octets.to, 0, &octets, &msg));
}

static void put_probe(uint16_t epid_i, uint16_t epid_r)
{
	mmx_path_put(&w, &(struct mmx_path){ .kind = MMX_PATH_PROBE,
					     .flags = MMX_PATH_WANT_TOKEN,
					     .epid_i = epid_i,
					     .epid_r = epid_r,
					     .nonce = { 1, 2, 3, 4, 5, 6, 7, 8 } });
}

static uint16_t result(void)
{
	const struct notify *n = msg_notify(&msg, N_MMX_RESULT);
	struct mmx_result r;

	if (!n)
		return MMX_OK;
	cr_assert_eq(mmx_result_get(n, &r), MMX_OK);
	cr_assert_eq(r.id, 0);
	return r.status;
}

/* Of I's probe by that way; what is answered, and whether there is a token in it. */
static uint16_t probe(uint16_t epid_i, uint16_t epid_r, struct ike_path path, bool *ret_token)
{
	struct mmx_path a;

	put_probe(epid_i, epid_r);
	cr_assert_eq(say(DUO_I, next_id[DUO_I]++, false, &path), 1);
	cr_assert(udp_addr_equal(&d->wire[0].path.local, &path.remote), "where it came from");
	hear();
	cr_assert_not_null(msg_notify(&msg, N_MMX_PATH));
	cr_assert_eq(mmx_path_get(msg_notify(&msg, N_MMX_PATH), &a), MMX_OK);
	cr_assert_eq(a.kind, MMX_PATH_ANSWER);
	cr_assert_eq(a.nonce[7], 8);
	*ret_token = mmx_next(&a.tlvs, MMX_TLV_TOKEN, NULL);
	return result();
}

static const struct mmx_path_seen *seen(uint16_t epid_i, uint16_t epid_r)
{
	return mmx_paths_find(&owner(DUO_R)->mmx->paths, mmx_path_id(epid_i, epid_r));
}

/* [MMX-92]: what was not announced has no path, and gets no token. */
Test(mmx_path_bad, unknown_endpoints)
{
	static const uint16_t ends[][2] = { { 4, 1 }, { 2, 4 }, { 0, 2 }, { 2, 0 }, { 0xffff, 1 } };
	bool token;

	begin(true);
	cr_assert_eq(probe(2, 2, way(DUO_R, OF_I + 2, OF_R + 2), &token), MMX_OK);
	cr_assert(token);
	for (unsigned i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
		cr_assert_eq(probe(ends[i][0], ends[i][1], way(DUO_R, OF_I + 3, OF_R + 2), &token),
			     MMX_UNKNOWN_ADDRESS);
		cr_assert_not(token);
	}
	/* nor one that it did not come to */
	cr_assert_eq(probe(3, 3, way(DUO_R, OF_I + 3, OF_R + 2), &token), MMX_UNKNOWN_ADDRESS);
	cr_assert_not(token);
	cr_assert_eq(owner(DUO_R)->mmx->paths.n, 1);
	duo_free(d);
}

/* [MMX-83]: the copy that goes over a working path says nothing of the path it names. */
Test(mmx_path_bad, over_another_path)
{
	bool token;

	begin(true);
	cr_assert_eq(probe(2, 1, way(DUO_R, OF_I + 1, OF_R + 1), &token), MMX_OK);
	cr_assert(!token && !seen(2, 1));
	cr_assert_eq(probe(3, 1, way(DUO_R, OF_I + 3, OF_R + 1), &token), MMX_OK);
	cr_assert(token && seen(3, 1));
	cr_assert_eq(probe(2, 1, way(DUO_R, OF_I + 3, OF_R + 1), &token), MMX_OK);
	cr_assert(!token && !seen(2, 1), "that is where endpoint 3 is");
	duo_free(d);
}

/* [MMX-93]: a peer that names a victim's address as its own gets no packet sent there but what it
 * has asked for, and no more than that; and it does not take over what is verified. */
Test(mmx_path_bad, at_a_victims_address)
{
	struct mmx *x;
	bool token;

	begin(true);
	x = owner(DUO_R)->mmx;
	cr_assert_eq(probe(2, 1, way(DUO_R, VICTIM, OF_R + 1), &token), MMX_OK);
	cr_assert_not_null(seen(2, 1));
	cr_assert_not(mmx_verified(owner(DUO_R), x, mmx_path_id(2, 1), d->now));
	mmx_paths_verify(&x->paths, mmx_path_id(2, 1),
			 &(struct udp_addr){ addr_v4(OF_I + 2), 4500 }, d->now);
	cr_assert_not(mmx_verified(owner(DUO_R), x, mmx_path_id(2, 1), d->now));
	probe(2, 1, way(DUO_R, OF_I + 2, OF_R + 1), &token);
	mmx_paths_verify(&x->paths, mmx_path_id(2, 1),
			 &(struct udp_addr){ addr_v4(OF_I + 2), 4500 }, d->now);
	cr_assert(mmx_verified(owner(DUO_R), x, mmx_path_id(2, 1), d->now));
	probe(2, 1, way(DUO_R, VICTIM, OF_R + 1), &token);
	cr_assert(addr_equal(&seen(2, 1)->peer.ip, &(struct addr[]){ addr_v4(OF_I + 2) }[0]));
	duo_wait(d, 100 * USEC_PER_MSEC);
	cr_assert_eq(d->n, 0);
	duo_free(d);
}

/* [MMX-92]: what cannot be read is answered, and ends nothing. */
Test(mmx_path_bad, malformed)
{
	struct ike_path path;
	uint8_t octets_of[40] = { MMX_PATH_PROBE };

	begin(true);
	path = way(DUO_R, OF_I + 2, OF_R + 2);
	for (uint16_t len = 0; len < sizeof(octets_of); len++) {
		if (len == 16)
			continue;
		memset(octets_of + 16, 0xff, sizeof(octets_of) - 16);
		msg_put_notify(&w, PROTO_NONE, NULL, 0, N_MMX_PATH, octets_of, len);
		cr_assert_eq(say(DUO_I, next_id[DUO_I]++, false, &path), 1);
		hear();
		cr_assert_neq(result(), MMX_OK, "%u octets", len);
		cr_assert_null(msg_notify(&msg, N_MMX_PATH));
	}
	/* an answer that nobody asked for */
	mmx_path_put(&w, &(struct mmx_path){ .kind = MMX_PATH_ANSWER, .epid_i = 2, .epid_r = 2 });
	cr_assert_eq(say(DUO_I, next_id[DUO_I]++, false, &path), 1);
	hear();
	cr_assert_eq(result(), MMX_MALFORMED);
	cr_assert_eq(owner(DUO_R)->mmx->paths.n, 0);
	cr_assert_eq(duo_count(d, DUO_R, "ESTABLISHED"), 1);
	duo_free(d);
}

/* [MMX-56]: without MMX a probe is an empty request. */
Test(mmx_path_bad, not_agreed_on)
{
	struct ike_path path;

	begin(false);
	path = way(DUO_R, OF_I + 1, OF_R + 1);
	put_probe(1, 1);
	cr_assert_eq(say(DUO_I, next_id[DUO_I]++, false, &path), 1);
	hear();
	cr_assert_eq(msg.n_notifies, 0);
	cr_assert_eq(duo_count(d, DUO_R, "ESTABLISHED"), 1);
	duo_free(d);
}

/* [MMX-96]: each list is another one, of as many endpoints as there may be: what is kept of them
 * does not grow, and the IKE SA and its endpoints stay. */
Test(mmx_path_bad, a_flood_of_lists)
{
	struct ike_path path;
	struct mmx *x;
	uint32_t generation;

	begin(true);
	path = way(DUO_R, OF_I + 1, OF_R + 1);
	x = owner(DUO_R)->mmx;
	generation = x->list[MMX_I].generation;
	for (unsigned k = 0; k < 500; k++) {
		for (unsigned i = 0; i < MMX_IFACES_MAX; i++) {
			struct mmx_iface f = { .generation = generation + 1,
					       .ifid = (uint16_t)(100 + k * MMX_IFACES_MAX + i),
					       .flags = MMX_IFACE_UP,
					       .n = MMX_SIDE_MAX };

			for (unsigned e = 0; e < MMX_SIDE_MAX; e++)
				f.ep[e] = (struct mmx_iface_ep){
					.epid = (uint16_t)(4 +
							   (k * MMX_IFACES_MAX + i) * 8 % 60000 +
							   e),
					.addr = addr_v4(0xcb007100 + i * 8 + e),
				};
			if (!i)
				f.ep[0] = (struct mmx_iface_ep){ 1, MMX_IFACE_EP_CURRENT,
								 addr_v4(OF_I + 1) };
			f.flags |= i + 1 == MMX_IFACES_MAX ? MMX_IFACE_LAST : 0;
			mmx_iface_put(&w, &f);
		}
		generation++;
		cr_assert_eq(say(DUO_I, next_id[DUO_I]++, false, &path), 1);
		hear();
		cr_assert_eq(result(), MMX_OK, "%u", k);
	}
	cr_assert_eq(x->list[MMX_I].n, MMX_IFACES_MAX);
	cr_assert_leq(x->list[MMX_I].n_gone, MMX_GONE_MAX);
	cr_assert_eq(x->ike->b.ends[MMX_I].n, 1);
	cr_assert_eq(x->ike->b.ends[MMX_I].epid[0], 1);
	cr_assert_eq(duo_count(d, DUO_R, "ESTABLISHED"), 1);
	cr_assert_eq(d->n, 0);
	duo_free(d);
}

/* R's answer to a probe of I's. */
static void answer(bool cookie, bool right, bool path_too)
{
	struct ike_path path = way(DUO_I, OF_I + 2, OF_R + 2);
	struct mmx_path p;
	uint8_t c[COOKIE2_OCTETS];
	uint32_t id;

	cr_assert_eq(ike_mmx_probe(d->e[DUO_I].ike, sa.line, mmx_path_id(2, 2), false, 9, d->now),
		     0);
	duo_wait(d, 0);
	hear();
	id = msg.hdr.msg_id;
	cr_assert_eq(mmx_path_get(msg_notify(&msg, N_MMX_PATH), &p), MMX_OK);
	memcpy(c, msg_notify(&msg, N_COOKIE2)->data.p, sizeof(c));
	c[0] ^= !right;
	p.kind = MMX_PATH_ANSWER;
	p.flags = 0;
	p.nonce[0] ^= !path_too;
	mmx_path_put(&w, &p);
	if (cookie)
		msg_put_notify(&w, PROTO_NONE, NULL, 0, N_COOKIE2, c, sizeof(c));
	say(DUO_R, id, true, &path);
}

/* [MMX-94]: COOKIE2 is returned as it was sent, or that is the end. */
Test(mmx_path_bad, cookie2)
{
	for (unsigned k = 0; k < 4; k++) {
		begin(true);
		answer(k != 0, k != 1, k != 2);
		cr_assert_eq(duo_count(d, DUO_I, "ESTABLISHED"), k >= 2, "%u", k);
		if (k >= 2)
			cr_assert(mmx_verified(owner(DUO_I), owner(DUO_I)->mmx, mmx_path_id(2, 2),
					       d->now));
		cr_assert_eq(d->e[DUO_I].failures, k < 2);
		duo_free(d);
	}
}
