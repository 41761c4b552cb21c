/* SPDX-License-Identifier: GPL-2.0-only */
/* Every message of a long session, looked at octet by octet: what we send is what the figures of
 * RFC 7296 section 3 show, whoever sends it. */
#include <criterion/criterion.h>
#include <string.h>

#include "crypto/alg.h"
#include "duo_assert.h"

enum { NONCES_MAX = 32, AEAD_IV_OCTETS = 8 };

static struct duo *d;
static unsigned messages, sas, contacts;
static struct {
	uint8_t b[256];
	size_t n;
} nonces[NONCES_MAX];
static unsigned n_nonces;

static uint16_t get16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static bool aead(uint16_t encr)
{
	return encr == ENCR_AES_GCM_16 || encr == ENCR_CHACHA20_POLY1305;
}

/* [PRO-1] [PRO-3] [PRO-4] [PRO-5] [PRO-6] [PRO-8] [PRO-9] [PRO-10] */
static void check_sa(const struct ike_msg *m)
{
	bool rekeys_ike = m->hdr.exchange == CREATE_CHILD_SA && !m->has_tsi;
	bool response = m->hdr.flags & IKE_FLAG_RESPONSE;

	cr_assert_geq(m->sa.n, 1);
	cr_assert(!response || m->sa.n == 1);
	for (unsigned i = 0; i < m->sa.n; i++) {
		const struct proposal *p = &m->sa.p[i];
		unsigned seen[6] = { 0 };
		bool combined = false, other = false;

		cr_assert(response || p->number == i + 1);
		if (m->hdr.exchange == IKE_SA_INIT || rekeys_ike) {
			cr_assert_eq(p->protocol, PROTO_IKE);
			cr_assert_eq(p->spi_len, rekeys_ike ? 8 : 0);
		} else {
			cr_assert_eq(p->protocol, PROTO_ESP);
			cr_assert_eq(p->spi_len, 4);
			cr_assert_geq(p->spi, 256);
		}
		for (unsigned k = 0; k < p->n_transforms; k++) {
			const struct transform *t = &p->transforms[k];

			cr_assert(t->type >= TRANSFORM_ENCR && t->type <= TRANSFORM_ESN);
			cr_assert(!t->unknown_attr);
			seen[t->type]++;
			cr_assert_eq(t->key_bits != 0,
				     t->type == TRANSFORM_ENCR && t->id != ENCR_CHACHA20_POLY1305);
			if (t->type == TRANSFORM_ENCR)
				*(aead(t->id) ? &combined : &other) = true;
		}
		cr_assert(combined != other);
		cr_assert_eq(seen[TRANSFORM_INTEG] > 0, other);
		cr_assert(seen[TRANSFORM_ENCR]);
		cr_assert_eq(seen[TRANSFORM_PRF] > 0, p->protocol == PROTO_IKE);
		cr_assert_eq(seen[TRANSFORM_ESN] > 0, p->protocol == PROTO_ESP);
		cr_assert(p->protocol == PROTO_ESP || seen[TRANSFORM_KE]);
		if (m->hdr.exchange == IKE_AUTH)
			cr_assert_eq(seen[TRANSFORM_KE], 0);
		for (unsigned k = TRANSFORM_ENCR; response && k <= TRANSFORM_ESN; k++)
			cr_assert_leq(seen[k], 1);
	}
	sas++;
}

/* [INI-9]: of a length that will do for any PRF, and never one again. */
static void check_nonce(const struct ike_msg *m)
{
	cr_assert(m->nonce.len >= 32 && m->nonce.len <= 256);
	for (unsigned i = 0; i < n_nonces; i++)
		cr_assert_neq(memcmp(nonces[i].b, m->nonce.p, 32), 0, "a nonce comes again");
	cr_assert_lt(n_nonces, NONCES_MAX);
	nonces[n_nonces].n = m->nonce.len;
	memcpy(nonces[n_nonces++].b, m->nonce.p, m->nonce.len);
}

/* [AUT-13] [INF-9] [REK-2] */
static void check_notifies(const struct ike_msg *m)
{
	for (unsigned i = 0; i < m->n_notifies; i++) {
		const struct notify *n = &m->notifies[i];
		bool names_an_sa = n->type == N_REKEY_SA || n->type == N_CHILD_SA_NOT_FOUND;

		cr_assert_eq(n->spi.len, names_an_sa ? 4 : 0, "%s", notify_name(n->type));
		cr_assert_eq(n->protocol, names_an_sa ? PROTO_ESP : 0);
		if (n->type == N_INITIAL_CONTACT) {
			cr_assert(m->hdr.exchange == IKE_AUTH && m->hdr.msg_id == 1);
			cr_assert(!(m->hdr.flags & IKE_FLAG_RESPONSE));
			contacts++;
		}
	}
}

/* [PLD-5] [HDR-7]: neither a critical nor a reserved bit in any payload's header; what is reserved
 * in the bodies is 0 too. */
static void check_chain(uint8_t type, const uint8_t *p, size_t left)
{
	bool had_sa = false;

	while (type) {
		uint16_t len = get16(p + 2);

		cr_assert(left >= 4 && len >= 4 && len <= left);
		cr_assert_eq(p[1], 0, "payload %u: bits %02x", type, p[1]);
		switch (type) {
		case PLD_SK: /* ends the outer chain: what it names is inside */
			cr_assert_eq(len, left);
			return;
		case PLD_SA:
			had_sa = true;
			cr_assert_eq(p[5], 0);
			break;
		case PLD_KE:
			cr_assert_eq(get16(p + 6), 0);
			break;
		case PLD_CP: /* [AUT-10] */
			cr_assert(!had_sa, "CP after SA");
			/* fall through */
		case PLD_IDI:
		case PLD_IDR:
		case PLD_AUTH:
		case PLD_TSI:
		case PLD_TSR:
			cr_assert(!p[5] && !p[6] && !p[7]);
			break;
		}
		type = p[0];
		p += len;
		left -= len;
	}
}

/* With the keys of whichever side still has the IKE SA. */
static bool open_message(struct duo_msg *m, const struct ike_hdr *h, struct ike_msg *ret_msg)
{
	struct ike_sa_info info;

	for (int who = 0; who < 2; who++)
		for (size_t i = 0; i < ike_sa_count(d->e[who].ike); i++)
			if (ike_sa_at(d->e[who].ike, i, &info) && info.spi_i == h->spi_i &&
			    (info.spi_r == h->spi_r || !info.spi_r))
				return duo_open(d, who, i, m, ret_msg);
	return false;
}

/* [HDR-6] [HDR-7] and all of the above. */
static void check(struct duo_msg *m)
{
	static struct ike_msg msg;
	struct ike_hdr h = hdr_of(m->buf, m->len);
	uint8_t critical;

	messages++;
	cr_assert_eq(h.length, m->len);
	cr_assert_eq(h.version, IKE_VERSION_2_0);
	cr_assert_eq(h.flags & ~(IKE_FLAG_INITIATOR | IKE_FLAG_RESPONSE), 0);
	check_chain(h.next_payload, m->buf + IKE_HEADER_OCTETS, m->len - IKE_HEADER_OCTETS);
	memset(&msg, 0, sizeof(msg));
	if (h.exchange == IKE_SA_INIT) {
		cr_assert_eq(msg_decode(m->buf, m->len, &msg, &critical), MSG_OK);
	} else {
		size_t at = IKE_HEADER_OCTETS + IKE_PAYLOAD_HEADER_OCTETS + AEAD_IV_OCTETS;

		cr_assert(open_message(m, &h, &msg));
		check_chain(msg.sk_next, m->buf + at, m->len - at);
	}
	if (msg.has_sa)
		check_sa(&msg);
	if (msg.has_nonce)
		check_nonce(&msg);
	check_notifies(&msg);
}

static void settle(void)
{
	struct duo_msg m, copy;

	duo_wait(d, 0);
	while (duo_take(d, &m)) {
		copy = m;
		check(&copy);
		duo_deliver(d, &m);
	}
}

static void session(void)
{
	uint32_t op = 10;

	cr_assert_eq(duo_start(d), 0);
	cr_assert_eq(duo_up(d), 0);
	settle();
	cr_assert_eq(d->e[DUO_I].child_adds, 1, "%s", d->e[DUO_I].failure);
	for (int round = 0; round < 2; round++) {
		for (int who = 0; who < 2; who++) {
			cr_assert_eq(ike_rekey(d->e[who].ike, "duo", "net", op++, d->now), 0);
			settle();
		}
		cr_assert_eq(ike_rekey(d->e[!round].ike, "duo", NULL, op++, d->now), 0);
		settle();
	}
	duo_wait(d, 11 * USEC_PER_SEC);
	settle(); /* are you there? */
	cr_assert_eq(ike_down(d->e[DUO_R].ike, "duo", "net", op++, d->now), 0);
	settle();
	cr_assert_eq(ike_up(d->e[DUO_R].ike, "duo", "net", NULL, op++, d->now), 0);
	settle();
	cr_assert_eq(ike_down(d->e[DUO_I].ike, "duo", NULL, op++, d->now), 0);
	settle();
	cr_assert_eq(d->e[DUO_I].failures + d->e[DUO_R].failures, 0);
	cr_assert_eq(contacts, 1);
}

static void setup(void)
{
	d = new_duo();
	for (int who = 0; who < 2; who++)
		d->side[who].conn.dpd_delay = 10 * USEC_PER_SEC;
}

static void teardown(void)
{
	duo_free(d);
}

TestSuite(sent, .init = setup, .fini = teardown);

Test(sent, as_by_default)
{
	for (int who = 0; who < 2; who++)
		d->side[who].conn.n_proposals = d->side[who].child.n_proposals = 0;
	session();
	cr_assert_gt(messages, 30);
	cr_assert_gt(sas, 15);
}

/* With a virtual address, PFS, a window, every notification we have. */
Test(sent, with_everything)
{
	struct duo_side *i = &d->side[DUO_I], *r = &d->side[DUO_R];

	for (int who = 0; who < 2; who++) {
		struct ike_proposal *p = &d->side[who].child.proposals[0];

		p->n_ke = 2;
		p->ke[who] = KE_X25519; /* not the same first, so that one is refused */
		p->ke[!who] = KE_ECP_256;
		d->side[who].conn.window = 4;
		d->side[who].conn.multipath = true;
	}
	r->child.proposals[0].n_ke = 1;
	i->conn.n_vips = 1;
	i->conn.vips[0] = addr_v4(0);
	i->child.local_ts[0] = (struct ike_ts){ .port_last = 65535, .dynamic = true };
	r->child.remote_ts[0] = i->child.local_ts[0];
	r->conn.n_pools = r->cfg.n_pools = 1;
	strcpy(r->conn.pools[0], "p");
	strcpy(r->pool.name, "p");
	r->pool.first = r->pool.last = addr_v4(0x0a030001);
	session();
}
