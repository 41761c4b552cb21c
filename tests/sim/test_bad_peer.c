/* SPDX-License-Identifier: GPL-2.0-only */
/* A peer that has the keys and breaks the rules: requests that decrypt and verify, and say what
 * they should not. The test speaks for side 0 with its keys; side 1 must give the answer RFC 7296
 * wants. */
#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include "base/log.h"
#include "crypto/alg.h"
#include "crypto/rng.h"
#include "duo.h"

static struct duo *d;
static uint32_t msg_id;
static uint8_t inner[2048];
static struct msg_wr w;
static struct ike_msg answer; /* borrows from answer_octets */
static struct duo_msg answer_octets;

/* The request under construction. */
static void request(void)
{
	w = msg_begin_inner(inner, sizeof(inner));
}

static void setup(void)
{
	log_set_level(LOG_ERR_);
	d = duo_new();
	cr_assert_not_null(d);
	d->side[DUO_R].conn.n_proposals = 1;
	d->side[DUO_R].child.tfc = IKE_TFC_MTU;
	cr_assert_eq(duo_start(d), 0);
	cr_assert(duo_establish(d), "%s", d->e[DUO_I].failure);
	msg_id = 2; /* IKE_SA_INIT was 0, IKE_AUTH 1 */
	request();
}

static void teardown(void)
{
	duo_free(d);
}

TestSuite(bad_peer, .init = setup, .fini = teardown);

/* Seal `len` octets as a request of side 0, give them to side 1. True if an answer came, which is
 * then in `answer`. */
static bool ask_octets(uint8_t exchange, uint8_t first, size_t len)
{
	struct ike_sa_info info;
	uint8_t buf[DUO_MSG_MAX];
	struct ike_hdr h = { .version = IKE_VERSION_2_0,
			     .exchange = exchange,
			     .flags = IKE_FLAG_INITIATOR,
			     .msg_id = msg_id++ };
	size_t n;

	cr_assert(ike_sa_at(d->e[DUO_I].ike, 0, &info));
	h.spi_i = info.spi_i;
	h.spi_r = info.spi_r;
	n = duo_seal(d, DUO_I, 0, &h, first, inner, len, buf, sizeof(buf));
	cr_assert_gt(n, 0);
	struct ike_path path = duo_path(DUO_R, 4500);
	if (!duo_give(d, DUO_R, &path, buf, n))
		return false;
	cr_assert(duo_take(d, &answer_octets));
	memset(&answer, 0, sizeof(answer));
	cr_assert(duo_open(d, DUO_I, 0, &answer_octets, &answer));
	cr_assert_eq(answer.hdr.msg_id, h.msg_id);
	cr_assert_eq(answer.hdr.exchange, exchange);
	cr_assert_eq(answer.hdr.flags, IKE_FLAG_RESPONSE);
	return true;
}

static bool ask(uint8_t exchange)
{
	size_t len = msg_end(&w);

	cr_assert_eq(w.w.err, 0);
	return ask_octets(exchange, w.first, len);
}

static void assert_answer_only(uint16_t type)
{
	cr_assert_eq(answer.n_notifies, 1);
	cr_assert_eq(answer.notifies[0].type, type, "%s instead of %s",
		     notify_name(answer.notifies[0].type), notify_name(type));
	cr_assert_eq(answer.n_order, 2); /* SK and the notification */
}

static void assert_answer_empty(void)
{
	cr_assert_eq(answer.n_order, 1);
}

static void assert_up(void)
{
	cr_assert_eq(duo_count(d, DUO_R, "ESTABLISHED"), 1);
	cr_assert_eq(d->e[DUO_R].child_dels, 0);
	/* and it answers the next request: [INF-1] */
	request();
	cr_assert(ask(INFORMATIONAL));
	assert_answer_empty();
}

static void assert_down(void)
{
	cr_assert_eq(duo_count(d, DUO_R, "ESTABLISHED"), 0);
	cr_assert_eq(d->e[DUO_R].child_dels, 1);
	cr_assert_eq(d->e[DUO_R].spis, 1); /* reserved until its owner carries out CHILD_DEL */
	cr_assert_eq(d->n, 0);		   /* no Delete (SK-6) */
}

/* ---- syntax ---- */

/* [SK-6] [PLD-2] [PLD-8]: fatal for the IKE SA, after the answer. [VUL-28] */
Test(bad_peer, chain_cut)
{
	msg_put_vendor(&w, "abcd", 4);
	cr_assert(ask_octets(INFORMATIONAL, PLD_VENDOR, msg_end(&w) - 1));
	assert_answer_only(N_INVALID_SYNTAX);
	assert_down();
}

Test(bad_peer, repeated_nonce)
{
	msg_put_nonce(&w, "0123456789abcdef", 16);
	msg_put_nonce(&w, "0123456789abcdef", 16);
	cr_assert(ask(CREATE_CHILD_SA));
	assert_answer_only(N_INVALID_SYNTAX);
	assert_down();
}

/* [INI-9] */
Test(bad_peer, short_nonce)
{
	msg_put_nonce(&w, "0123456789abcde", 15);
	cr_assert(ask(CREATE_CHILD_SA));
	assert_answer_only(N_INVALID_SYNTAX);
	assert_down();
}

/* The answer is repeated to a repeated request also when the IKE SA is gone (2.1, 2.4). */
Test(bad_peer, last_answer_is_repeated)
{
	cr_assert(ask_octets(INFORMATIONAL, PLD_VENDOR, 0));
	msg_id--;
	assert_answer_only(N_INVALID_SYNTAX);
	assert_down();
}

/* [PLD-4]: not fatal. [VUL-28] */
Test(bad_peer, unknown_critical_payload)
{
	msg_put_raw(&w, 222, "x", 1);
	inner[1] = 0x80;
	cr_assert(ask(INFORMATIONAL));
	assert_answer_only(N_UNSUPPORTED_CRITICAL_PAYLOAD);
	cr_assert_eq(answer.notifies[0].data.len, 1);
	cr_assert_eq(answer.notifies[0].data.p[0], 222);
	assert_up();
}

/* [PLD-4] [INF-8] [ROB-4]: all of it ignored. */
Test(bad_peer, unknown_but_harmless)
{
	msg_put_raw(&w, 222, "x", 1);
	msg_put_notify(&w, 0, NULL, 0, 16000, "x", 1);
	msg_put_notify(&w, 0, NULL, 0, 60000, "x", 1);
	msg_put_notify(&w, PROTO_ESP, "abcdefgh", 8, N_INITIAL_CONTACT, NULL, 0);
	msg_put_vendor(&w, "nobody knows me", 15);
	cr_assert(ask(INFORMATIONAL));
	assert_answer_empty();
	assert_up();
}

/* Exchanges we do not know, private ones too: an answer, lest the peer's window stay shut, and
 * nothing else. */
Test(bad_peer, unknown_exchange)
{
	static const uint8_t types[] = { 0, 33, 38, 43, 44, 240, 255 };

	for (unsigned i = 0; i < sizeof(types); i++) {
		request();
		msg_put_notify(&w, 0, NULL, 0, 60000, "x", 1);
		cr_assert(ask(types[i]), "type %u", types[i]);
		assert_answer_empty();
		assert_up();
	}
}

/* One we know, at a time when it means nothing. */
Test(bad_peer, ike_auth_again)
{
	msg_put_notify(&w, 0, NULL, 0, 60000, "x", 1);
	cr_assert(ask(IKE_AUTH));
	assert_answer_only(N_INVALID_SYNTAX);
	assert_down();
}

/* More notifications than are kept. [VUL-28] */
Test(bad_peer, many_notifications)
{
	for (int i = 0; i < MSG_NOTIFIES_MAX + 10; i++)
		msg_put_notify(&w, 0, NULL, 0, 60000, NULL, 0);
	cr_assert(ask(INFORMATIONAL));
	assert_answer_empty();
	assert_up();
}

/* ---- Delete ---- */

/* [INF-4] [INF-6]: for what is not there an answer without Delete. */
Test(bad_peer, delete_of_unknown_spi)
{
	uint32_t spis[] = { 0xdeadbeef, 0, 1 };

	msg_put_delete_spis(&w, PROTO_ESP, spis, 3);
	msg_put_delete_spis(&w, PROTO_AH, spis, 3);
	cr_assert(ask(INFORMATIONAL));
	assert_answer_empty();
	assert_up();
}

/* [INF-2]: the same SPI twice is deleted once. */
Test(bad_peer, delete_twice)
{
	uint32_t spis[2] = { d->e[DUO_R].child.spi_out, d->e[DUO_R].child.spi_out };

	msg_put_delete_spis(&w, PROTO_ESP, spis, 2);
	cr_assert(ask(INFORMATIONAL));
	cr_assert_eq(answer.n_deletes, 1);
	cr_assert_eq(answer.deletes[0].n, 1);
	cr_assert_eq(d->e[DUO_R].child_dels, 1);
	cr_assert_eq(duo_count(d, DUO_R, "ESTABLISHED"), 1);
}

/* ---- CREATE_CHILD_SA ---- */

static const struct sa_payload *esp_offer(uint32_t spi)
{
	static struct sa_payload sa;

	sa = (struct sa_payload){ .n = 1 };
	sa.p[0] = (struct proposal){
		.number = 1, .protocol = PROTO_ESP, .spi_len = 4, .spi = spi, .n_transforms = 2
	};
	sa.p[0].transforms[0] = (struct transform){ .type = TRANSFORM_ENCR,
						    .id = ENCR_AES_GCM_16,
						    .key_bits = 256 };
	sa.p[0].transforms[1] = (struct transform){ .type = TRANSFORM_ESN, .id = ESN_NO };
	return &sa;
}

static const struct ts_list *net(uint32_t first, uint32_t last)
{
	static struct ts_list t;

	t = (struct ts_list){ .n = 1 };
	t.ts[0] = (struct ts){ .port_last = 65535, .first = addr_v4(first), .last = addr_v4(last) };
	return &t;
}

static void put_child_rest(void)
{
	msg_put_nonce(&w, "0123456789abcdef0123456789abcdef", 32);
	msg_put_ts(&w, PLD_TSI, net(0x0a010000, 0x0a01ffff));
	msg_put_ts(&w, PLD_TSR, net(0x0a020000, 0x0a02ffff));
}

/* [REK-18]: refused, and the IKE SA with its Child SA stays. */
static void assert_refused(uint16_t type)
{
	cr_assert(ask(CREATE_CHILD_SA));
	assert_answer_only(type);
	cr_assert_eq(d->e[DUO_R].child_adds, 1);
	cr_assert_eq(d->e[DUO_R].spis, 1);
	assert_up();
}

/* [TS-12]: a second one with the selectors of the first, which stays. */
Test(bad_peer, child_that_is_fine)
{
	msg_put_sa(&w, esp_offer(0xabcd0001));
	put_child_rest();
	cr_assert(ask(CREATE_CHILD_SA));
	cr_assert(answer.has_sa && answer.has_nonce && answer.has_tsi && answer.has_tsr);
	cr_assert_eq(d->e[DUO_R].child_adds, 2);
	assert_up();
}

/* TFC padding as configured, and none for a peer that takes none (RFC 7296 1.3.1). Our own answer
 * never says so. */
Test(bad_peer, child_without_tfc_padding)
{
	cr_assert_eq(d->e[DUO_R].child.tfc, IKE_TFC_MTU);
	msg_put_sa(&w, esp_offer(0xabcd0001));
	put_child_rest();
	msg_put_notify(&w, PROTO_NONE, NULL, 0, N_ESP_TFC_PADDING_NOT_SUPPORTED, NULL, 0);
	cr_assert(ask(CREATE_CHILD_SA));
	cr_assert(answer.has_sa);
	cr_assert_null(msg_notify(&answer, N_ESP_TFC_PADDING_NOT_SUPPORTED));
	cr_assert_eq(d->e[DUO_R].child_adds, 2);
	cr_assert_eq(d->e[DUO_R].child.tfc, 0);
	assert_up();
}

Test(bad_peer, child_without_proposal_in_common)
{
	struct sa_payload sa = *esp_offer(0xabcd0001);

	sa.p[0].transforms[0].key_bits = 128;
	msg_put_sa(&w, &sa);
	put_child_rest();
	assert_refused(N_NO_PROPOSAL_CHOSEN);
}

/* [PRO-9] [PRO-8]: ESN is mandatory in ESP. */
Test(bad_peer, child_without_esn_transform)
{
	struct sa_payload sa = *esp_offer(0xabcd0001);

	sa.p[0].n_transforms = 1;
	msg_put_sa(&w, &sa);
	put_child_rest();
	assert_refused(N_NO_PROPOSAL_CHOSEN);
}

/* [PRO-7]: a transform of an unknown type makes the proposal unusable. */
Test(bad_peer, child_with_unknown_transform_type)
{
	struct sa_payload sa = *esp_offer(0xabcd0001);

	sa.p[0].transforms[sa.p[0].n_transforms++] = (struct transform){ .type = 77, .id = 1 };
	msg_put_sa(&w, &sa);
	put_child_rest();
	assert_refused(N_NO_PROPOSAL_CHOSEN);
}

/* [PRO-4]: an SPI of eight octets is none of ESP. */
Test(bad_peer, child_with_long_spi)
{
	struct sa_payload sa = *esp_offer(0xabcd0001);

	sa.p[0].spi_len = 8;
	msg_put_sa(&w, &sa);
	put_child_rest();
	assert_refused(N_NO_PROPOSAL_CHOSEN);
}

/* [ESP-1]: 0 and the reserved SPIs are never sent to. */
Test(bad_peer, child_with_reserved_spi)
{
	static const uint32_t spis[] = { 0, 1, 255 };

	for (int i = 0; i < 3; i++) {
		request();
		msg_put_sa(&w, esp_offer(spis[i]));
		put_child_rest();
		cr_assert(ask(CREATE_CHILD_SA));
		cr_assert_not_null(msg_error_notify(&answer), "SPI %u was accepted", spis[i]);
		cr_assert_eq(d->e[DUO_R].child_adds, 1);
	}
	assert_up();
}

/* [TS-4] */
Test(bad_peer, child_with_foreign_selectors)
{
	msg_put_sa(&w, esp_offer(0xabcd0001));
	msg_put_nonce(&w, "0123456789abcdef0123456789abcdef", 32);
	msg_put_ts(&w, PLD_TSI, net(0x0a630000, 0x0a63ffff));
	msg_put_ts(&w, PLD_TSR, net(0x0a020000, 0x0a02ffff));
	assert_refused(N_TS_UNACCEPTABLE);
}

/* [TS-5]: nothing but selectors nobody knows. [VUL-17] */
Test(bad_peer, child_without_known_selectors)
{
	msg_put_sa(&w, esp_offer(0xabcd0001));
	msg_put_nonce(&w, "0123456789abcdef0123456789abcdef", 32);
	msg_put_raw(&w, PLD_TSI, "\x01\0\0\0\x63\0\0\4", 8);
	msg_put_ts(&w, PLD_TSR, net(0x0a020000, 0x0a02ffff));
	assert_refused(N_TS_UNACCEPTABLE);
}

/* [REK-8]: the SPI is copied into the answer. */
Test(bad_peer, rekey_of_unknown_child)
{
	msg_put_notify(&w, PROTO_ESP, "\xde\xad\xbe\xef", 4, N_REKEY_SA, NULL, 0);
	msg_put_sa(&w, esp_offer(0xabcd0001));
	put_child_rest();
	cr_assert(ask(CREATE_CHILD_SA));
	assert_answer_only(N_CHILD_SA_NOT_FOUND);
	cr_assert_eq(answer.notifies[0].protocol, PROTO_ESP);
	cr_assert_eq(answer.notifies[0].spi.len, 4);
	cr_assert_eq(memcmp(answer.notifies[0].spi.p, "\xde\xad\xbe\xef", 4), 0);
	assert_up();
}

/* [ROB-1] [REK-17]: a peer cannot have Child SAs without end. */
Test(bad_peer, too_many_children)
{
	unsigned made = 1;

	for (uint32_t i = 0; i < IKE_CHILDREN_MAX + 5; i++) {
		request();
		msg_put_sa(&w, esp_offer(0xabcd0000 + i));
		put_child_rest();
		cr_assert(ask(CREATE_CHILD_SA));
		if (answer.has_sa)
			made++;
		else
			assert_answer_only(N_NO_ADDITIONAL_SAS);
	}
	cr_assert_eq(made, IKE_CHILDREN_MAX);
	cr_assert_eq(d->e[DUO_R].child_adds, IKE_CHILDREN_MAX);
	cr_assert_eq(d->e[DUO_R].spis, IKE_CHILDREN_MAX);
	assert_up();
}

/* As many as the connection says; all of them go by one Delete, whose answer names each. */
Test(bad_peer, as_many_children_as_configured)
{
	enum { MANY = IKE_CHILDREN_MAX + 50 };
	uint32_t theirs[MANY + 5];
	size_t made = 0;

	duo_free(d);
	d = duo_new();
	cr_assert_not_null(d);
	d->side[DUO_R].conn.n_proposals = 1;
	d->side[DUO_R].conn.fragmentation = IKE_FRAGMENT_NO;
	d->side[DUO_R].conn.child_sas_max = MANY;
	cr_assert_eq(duo_start(d), 0);
	cr_assert(duo_establish(d));
	for (uint32_t i = 0; i < MANY + 5; i++) {
		request();
		theirs[made] = 0xabcd0000 + i;
		msg_put_sa(&w, esp_offer(theirs[made]));
		put_child_rest();
		cr_assert(ask(CREATE_CHILD_SA));
		made += answer.has_sa;
	}
	cr_assert_eq(made, MANY - 1);
	request();
	msg_put_delete_spis(&w, PROTO_ESP, theirs, (unsigned)made);
	cr_assert(ask(INFORMATIONAL));
	cr_assert_eq(answer.n_deletes, 1);
	cr_assert_eq(answer.deletes[0].n, made);
	cr_assert_eq(d->e[DUO_R].child_dels, made);
}

/* ---- IKE rekey ---- */

static void put_ike_sa(uint64_t spi, uint8_t spi_len, uint16_t group)
{
	struct sa_payload sa = { .n = 1 };
	struct proposal *p = &sa.p[0];

	*p = (struct proposal){
		.number = 1, .protocol = PROTO_IKE, .spi_len = spi_len, .spi = spi
	};
	p->transforms[p->n_transforms++] = (struct transform){ .type = TRANSFORM_ENCR,
							       .id = ENCR_AES_GCM_16,
							       .key_bits = 256 };
	p->transforms[p->n_transforms++] =
		(struct transform){ .type = TRANSFORM_PRF, .id = PRF_HMAC_SHA2_256 };
	p->transforms[p->n_transforms++] = (struct transform){ .type = TRANSFORM_KE, .id = group };
	msg_put_sa(&w, &sa);
}

static void put_ike_offer(uint64_t spi, uint8_t spi_len, uint16_t group)
{
	put_ike_sa(spi, spi_len, group);
	msg_put_nonce(&w, "0123456789abcdef0123456789abcdef", 32);
}

/* Any refusal is right that leaves the IKE SA as it was. */
static void assert_ike_rekey_refused(uint16_t type)
{
	cr_assert(ask(CREATE_CHILD_SA));
	assert_answer_only(type);
	cr_assert_eq(ike_sa_count(d->e[DUO_R].ike), 1);
	assert_up();
}

/* [REK-14]: never without a key exchange. */
Test(bad_peer, ike_rekey_with_ke_none)
{
	put_ike_offer(0x1234567812345678, 8, KE_NONE);
	assert_ike_rekey_refused(N_NO_PROPOSAL_CHOSEN);
}

/* [HDR-3] [PRO-4] */
Test(bad_peer, ike_rekey_without_spi)
{
	uint8_t ke[32] = { 9 };

	put_ike_offer(0, 0, KE_X25519);
	msg_put_ke(&w, KE_X25519, ke, sizeof(ke));
	assert_ike_rekey_refused(N_NO_PROPOSAL_CHOSEN);
}

Test(bad_peer, ike_rekey_with_spi_zero)
{
	uint8_t ke[32] = { 9 };

	put_ike_offer(0, 8, KE_X25519);
	msg_put_ke(&w, KE_X25519, ke, sizeof(ke));
	cr_assert(ask(CREATE_CHILD_SA));
	cr_assert_not_null(msg_error_notify(&answer));
	cr_assert_eq(ike_sa_count(d->e[DUO_R].ike), 1);
}

/* [PRO-12]: the group of KE is not the one chosen. */
Test(bad_peer, ike_rekey_with_another_group)
{
	uint8_t ke[64] = { 9 };

	put_ike_offer(0x1234567812345678, 8, KE_X25519);
	msg_put_ke(&w, KE_ECP_256, ke, sizeof(ke));
	cr_assert(ask(CREATE_CHILD_SA));
	assert_answer_only(N_INVALID_KE_PAYLOAD);
	cr_assert_eq(answer.notifies[0].data.len, 2);
	cr_assert_eq(memcmp(answer.notifies[0].data.p, "\0\x1f", 2), 0);
	cr_assert_eq(ike_sa_count(d->e[DUO_R].ike), 1);
	assert_up();
}

/* [INI-10] [INI-11]: data of the wrong length, and a point that gives an all-zero secret. */
Test(bad_peer, ike_rekey_with_bad_ke_data)
{
	uint8_t ke[64] = { 0 };
	static const size_t lens[] = { 0, 31, 33, 32 };

	for (int i = 0; i < 4; i++) {
		teardown();
		setup();
		put_ike_offer(0x1234567812345678, 8, KE_X25519);
		msg_put_ke(&w, KE_X25519, ke, lens[i]);
		cr_assert(ask(CREATE_CHILD_SA));
		assert_answer_only(N_INVALID_SYNTAX);
		cr_assert_eq(d->e[DUO_R].child_adds, 1);
		cr_assert_leq(ike_sa_count(d->e[DUO_R].ike), 1);
	}
}

/* [INI-9]: a nonce nobody may send is the peer's mistake ... */
Test(bad_peer, ike_rekey_with_short_nonce)
{
	uint8_t ke[32] = { 9 };

	put_ike_sa(0x1234567812345678, 8, KE_X25519);
	msg_put_nonce(&w, "0123456789abcde", 15);
	msg_put_ke(&w, KE_X25519, ke, sizeof(ke));
	cr_assert(ask(CREATE_CHILD_SA));
	assert_answer_only(N_INVALID_SYNTAX);
	assert_down();
}

static int no_randomness(void *ctx, void *buf, size_t n)
{
	(void)ctx;
	memset(buf, 0, n);
	return -EIO;
}

/* ... and one that cannot be made here is not: it is refused, and nothing ends. */
Test(bad_peer, no_nonce_for_it_here)
{
	uint8_t ke[32] = { 9 };

	rng_set_source(no_randomness, NULL);
	msg_put_sa(&w, esp_offer(0xabcd0001));
	put_child_rest();
	cr_assert(ask(CREATE_CHILD_SA));
	assert_answer_only(N_NO_ADDITIONAL_SAS);
	assert_up();
	request();
	put_ike_offer(0x1234567812345678, 8, KE_X25519);
	msg_put_ke(&w, KE_X25519, ke, sizeof(ke));
	assert_ike_rekey_refused(N_NO_ADDITIONAL_SAS);
	rng_set_source(NULL, NULL);
	cr_assert_eq(d->e[DUO_R].spis, 1, "nothing is left reserved");
}
