/* SPDX-License-Identifier: GPL-2.0-only */
/* Both sides rekey at once: which of the two new SAs stays, judged by the nonces on the wire (RFC
 * 7296 2.8.1, 2.8.2). Two cores that err alike agree with each other; a peer of another make would
 * not agree with them. */
#include <endian.h>
#include <string.h>

#include "duo_assert.h"

enum { TIES = 12 };

struct rekey {
	struct duo_msg request, response;
	uint64_t spi; /* of who asks */
	struct nonce_seen {
		uint8_t b[256];
		size_t len;
	} n[2];
};

static struct duo *d;
static struct ike_msg msg;

/* With the keys of whichever IKE SA of the initiator it belongs to. */
static bool reads(const struct duo_msg *m)
{
	static struct duo_msg plain;

	for (size_t i = 0; i < ike_sa_count(d->e[DUO_I].ike); i++) {
		plain = *m;
		if (duo_open(d, DUO_I, i, &plain, &msg))
			return true;
	}
	return false;
}

static void note_nonce(struct nonce_seen *n)
{
	cr_assert_eq(msg.hdr.exchange, CREATE_CHILD_SA);
	cr_assert(msg.has_nonce && msg.has_sa);
	n->len = msg.nonce.len;
	memcpy(n->b, msg.nonce.p, n->len);
}

/* "Octet by octet, starting from the first; if the end of one is reached, that one is lower." */
static bool lower(const struct nonce_seen *a, const struct nonce_seen *b)
{
	int r = memcmp(a->b, b->b, a->len < b->len ? a->len : b->len);

	return r ? r < 0 : a->len < b->len;
}

/* Returns the side whose new SA has the lowest of the four nonces: it is closed. */
static int both_rekey(const char *child, struct rekey r[2])
{
	const struct nonce_seen *lowest = NULL;
	int loser = 0;

	for (int who = 0; who < 2; who++)
		cr_assert_eq(ike_rekey(d->e[who].ike, "duo", child, 1, d->now), 0);
	duo_wait(d, 0);
	for (int i = 0; i < 2; i++) {
		struct duo_msg m;

		cr_assert(duo_take(d, &m));
		r[!m.to].request = m;
		cr_assert(reads(&m));
		r[!m.to].spi = msg.sa.p[0].spi;
		note_nonce(&r[!m.to].n[0]);
	}
	for (int who = 0; who < 2; who++) {
		cr_assert_eq(duo_deliver(d, &r[who].request), 1);
		cr_assert(duo_take(d, &r[who].response));
		cr_assert(reads(&r[who].response));
		note_nonce(&r[who].n[1]);
	}
	for (int who = 0; who < 2; who++)
		for (int k = 0; k < 2; k++)
			if (!lowest || lower(&r[who].n[k], lowest)) {
				lowest = &r[who].n[k];
				loser = who;
			}
	for (int who = 0; who < 2; who++)
		duo_deliver(d, &r[who].response);
	return loser;
}

static void setup(void)
{
	d = new_duo();
	cr_assert_eq(duo_start(d), 0);
	cr_assert(duo_establish(d));
}

static void teardown(void)
{
	duo_free(d);
}

TestSuite(tie, .init = setup, .fini = teardown, .timeout = 60);

/* [REK-5] [REK-6]: the new SA that loses is closed by who asked for it, the old one by the other.
 */
Test(tie, child_rekeys)
{
	static struct rekey r[2];

	for (int tie = 0; tie < TIES; tie++) {
		struct ike_child_info old, c;
		unsigned deletes = 0;
		struct duo_msg m;
		int loser, winner;

		cr_assert(ike_child_at(d->e[DUO_I].ike, 0, 0, &old));
		loser = both_rekey(d->side[DUO_I].child.name, r);
		winner = !loser;
		while (duo_take(d, &m)) {
			cr_assert(reads(&m));
			if (msg.n_deletes && !(msg.hdr.flags & IKE_FLAG_RESPONSE)) {
				uint32_t own = winner == DUO_I ? old.spi_in : old.spi_out, spi;

				cr_assert_eq(msg.n_deletes, 1);
				cr_assert_eq(msg.deletes[0].n, 1);
				cr_assert_eq(msg.deletes[0].spis.len, 4);
				memcpy(&spi, msg.deletes[0].spis.p, 4);
				cr_expect_eq(be32toh(spi),
					     m.to == winner ? (uint32_t)r[loser].spi : own,
					     "the wrong side deletes");
				deletes++;
			}
			duo_deliver(d, &m);
		}
		cr_expect_eq(deletes, 2);
		duo_wait(d, USEC_PER_SEC);
		cr_assert(duo_settle(d));
		cr_assert(ike_child_at(d->e[winner].ike, 0, 0, &c));
		cr_expect_eq(c.spi_in, r[winner].spi, "the SA with the lowest nonce stayed");
		cr_assert(!ike_child_at(d->e[winner].ike, 0, 1, &c));
	}
}

/* [REK-7] */
Test(tie, ike_rekeys)
{
	static struct rekey r[2];

	for (int tie = 0; tie < TIES; tie++) {
		struct ike_sa_info sa;
		int winner = !both_rekey(NULL, r);

		cr_assert(duo_settle(d));
		for (int i = 0; i < 8; i++) {
			duo_wait(d, 40 * USEC_PER_SEC);
			cr_assert(duo_settle(d));
		}
		for (int who = 0; who < 2; who++) {
			cr_assert_eq(ike_sa_count(d->e[who].ike), 1);
			cr_assert(ike_sa_at(d->e[who].ike, 0, &sa));
			cr_expect_eq(sa.spi_i, r[winner].spi,
				     "the IKE SA with the lowest nonce stayed");
		}
	}
}
