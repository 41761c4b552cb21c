/* SPDX-License-Identifier: GPL-2.0-only */
/* An independent decoder reads what the codec builds: an IKE_SA_INIT request and an IKE_AUTH
 * exchange under known keys go into a capture file, tshark decrypts them, checks the integrity data
 * and names the fields. Skipped where there is no tshark. */
#include <criterion/criterion.h>
#include <string.h>

#include "crypto/alg.h"
#include "tshark.h"

static const struct tshark_suite suites[] = {
	{ { ENCR_AES_GCM_16, 256, INTEG_NONE },
	  "AES-GCM-256 with 16 octet ICV [RFC5282]",
	  "NONE [RFC4306]" },
	{ { ENCR_AES_CBC, 128, INTEG_HMAC_SHA2_256_128 },
	  "AES-CBC-128 [RFC3602]",
	  "HMAC_SHA2_256_128 [RFC4868]" },
	{ { ENCR_AES_CBC, 256, INTEG_HMAC_SHA2_512_256 },
	  "AES-CBC-256 [RFC3602]",
	  "HMAC_SHA2_512_256 [RFC4868]" },
};

static size_t sa_init(const struct aead_spec *spec, uint8_t *buf, size_t cap)
{
	struct ike_hdr h = { .spi_i = TSHARK_SPI_I,
			     .version = IKE_VERSION_2_0,
			     .exchange = IKE_SA_INIT,
			     .flags = IKE_FLAG_INITIATOR };
	struct sa_payload sa = { .n = 1, .p = { { .number = 1, .protocol = PROTO_IKE } } };
	struct proposal *p = &sa.p[0];
	uint8_t data[32] = { 0 };
	struct msg_wr w = msg_begin(buf, cap, &h);

	p->transforms[p->n_transforms++] = (struct transform){ .type = TRANSFORM_ENCR,
							       .id = spec->encr_id,
							       .key_bits = spec->key_bits };
	p->transforms[p->n_transforms++] =
		(struct transform){ .type = TRANSFORM_PRF, .id = PRF_HMAC_SHA2_256 };
	p->transforms[p->n_transforms++] =
		(struct transform){ .type = TRANSFORM_KE, .id = KE_X25519 };
	msg_put_sa(&w, &sa);
	msg_put_ke(&w, KE_X25519, data, sizeof(data));
	msg_put_nonce(&w, data, sizeof(data));
	msg_put_notify(&w, 0, NULL, 0, N_NAT_DETECTION_SOURCE_IP, data, 20);
	return msg_end(&w);
}

/* IDi, AUTH, CP, SA, TSi, TSr, N(MOBIKE_SUPPORTED); the responder's is a mere N(TS_UNACCEPTABLE).
 */
static void put_ike_auth(struct tshark_capture *c, bool from_i)
{
	struct sa_payload sa = {
		.n = 1,
		.p = { { .number = 1,
			 .protocol = PROTO_ESP,
			 .spi_len = 4,
			 .spi = 0xc0ffee01,
			 .n_transforms = 2,
			 .transforms = { { .type = TRANSFORM_ENCR,
					   .id = ENCR_AES_GCM_16,
					   .key_bits = 256 },
					 { .type = TRANSFORM_ESN, .id = ESN_YES } } } },
	};
	struct cfg_payload cp = { .type = CFG_REQUEST, .n = 1, .a = { { INTERNAL_IP4_ADDRESS } } };
	struct ts_list ts = { .n = 1,
			      .ts = { { .port_last = 65535,
					.first = addr_v4(0x0a010203),
					.last = addr_v4(0x0a0102ff) } } };
	uint8_t inner[1024], auth[32] = { 0xaa };
	struct msg_wr w = msg_begin_inner(inner, sizeof(inner));

	if (from_i) {
		msg_put_id(&w, PLD_IDI, ID_FQDN, "alice.example", 13);
		msg_put_auth(&w, AUTH_SHARED_KEY_MIC, auth, sizeof(auth));
		msg_put_cp(&w, &cp);
		msg_put_sa(&w, &sa);
		msg_put_ts(&w, PLD_TSI, &ts);
		msg_put_ts(&w, PLD_TSR, &ts);
		msg_put_notify(&w, 0, NULL, 0, N_MOBIKE_SUPPORTED, NULL, 0);
	} else {
		msg_put_notify(&w, 0, NULL, 0, N_TS_UNACCEPTABLE, NULL, 0);
	}
	tshark_put_sealed(c, from_i, IKE_AUTH, 1, &w);
}

static void decoded_by_tshark(const struct tshark_suite *s)
{
	static const char *const wanted[] = {
		"Exchange type: IKE_SA_INIT (34)",
		"Transform ID (D-H): Curve25519 (31)",
		"Notify Message Type: NAT_DETECTION_SOURCE_IP (16388)",
		"Exchange type: IKE_AUTH (35)",
		"Identification Data:alice.example",
		"Authentication Method: Shared Key Message Integrity Code (2)",
		"CFG_REQUEST (1)",
		"INTERNAL_IP4_ADDRESS",
		"SPI: c0ffee01",
		"Starting Addr: 10.1.2.3",
		"Ending Addr: 10.1.2.255",
		"Notify Message Type: MOBIKE_SUPPORTED (16396)",
		"Notify Message Type: TS_UNACCEPTABLE (38)",
	};
	struct tshark_capture c;
	uint8_t buf[2048];

	tshark_begin(&c, s);
	tshark_put(&c, true, buf, sa_init(&s->spec, buf, sizeof(buf)));
	put_ike_auth(&c, true);
	put_ike_auth(&c, false);
	const char *text = tshark_end(&c, "-V -O isakmp");
	for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++)
		cr_expect(strstr(text, wanted[i]), "%s: tshark does not say \"%s\"", s->encr,
			  wanted[i]);
	/* Both directions: the integrity data is checked, nothing is malformed. */
	cr_expect_eq(tshark_count(text, "[correct]"), 2, "%s: %s", s->encr, text);
	cr_expect_eq(tshark_count(text, "Malformed"), 0);
}

Test(tshark, reads_our_messages)
{
	if (!tshark_there())
		cr_skip("no tshark");
	for (size_t i = 0; i < sizeof(suites) / sizeof(suites[0]); i++)
		decoded_by_tshark(&suites[i]);
}
