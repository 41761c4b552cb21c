/* SPDX-License-Identifier: GPL-2.0-only */
/* An independent decoder reads what the codec builds: an IKE_SA_INIT request and an IKE_AUTH
 * exchange under known keys go into a capture file, tshark decrypts them, checks the integrity data
 * and names the fields. Skipped where there is no tshark. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "crypto/aead.h"
#include "crypto/alg.h"
#include "ikemsg/ikemsg.h"
#include "ikemsg/sk.h"

enum { TEXT_MAX = 256 * 1024, FRAME_OVERHEAD = 20 + 8 };

static const struct suite {
	struct aead_spec spec;
	const char *encr, *integ; /* the words of Wireshark's decryption table */
} suites[] = {
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

static const uint64_t spi_i = 0x0102030405060708, spi_r = 0x1112131415161718;

struct keys {
	uint8_t e[2][64], a[2][64]; /* SK_ei, SK_er, SK_ai, SK_ar */
	struct aead_sizes s;
	struct aead *seal[2];
};

static void put_ip_udp(FILE *f, bool from_i, const uint8_t *msg, size_t len)
{
	uint8_t b[16 + FRAME_OVERHEAD];
	struct wr w = wr_init(b, sizeof(b));
	size_t ip_len = FRAME_OVERHEAD + len;

	wr_zero(&w, 8); /* record time */
	wr_u32(&w, (uint32_t)ip_len);
	wr_u32(&w, (uint32_t)ip_len);
	wr_u32(&w, 0x45000000 | (uint32_t)ip_len);
	wr_u32(&w, 0);
	wr_u32(&w, 0x40110000);
	wr_u32(&w, from_i ? 0xc0000201 : 0xc6336401);
	wr_u32(&w, from_i ? 0xc6336401 : 0xc0000201);
	wr_u32(&w, 500 << 16 | 500);
	wr_u16(&w, (uint16_t)(8 + len));
	wr_u16(&w, 0);
	cr_assert_eq(w.err, 0);
	cr_assert_eq(fwrite(b, 1, sizeof(b), f), sizeof(b));
	cr_assert_eq(fwrite(msg, 1, len, f), len);
}

static size_t sa_init(const struct aead_spec *spec, uint8_t *buf, size_t cap)
{
	struct ike_hdr h = { .spi_i = spi_i,
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
static size_t ike_auth(struct keys *k, bool from_i, uint8_t *buf, size_t cap)
{
	struct ike_hdr h = { .spi_i = spi_i,
			     .spi_r = spi_r,
			     .version = IKE_VERSION_2_0,
			     .exchange = IKE_AUTH,
			     .flags = from_i ? IKE_FLAG_INITIATOR : IKE_FLAG_RESPONSE,
			     .msg_id = 1 };
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
	cr_assert_gt(msg_end(&w), 0);
	return sk_seal(k->seal[!from_i], &k->s, &h, w.first, inner, w.w.len, 1, buf, cap);
}

static void put_hex(FILE *f, const uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		fprintf(f, "%02x", p[i]);
}

static void write_table(const char *dir, const struct suite *s, const struct keys *k)
{
	char path[128];
	FILE *f;

	snprintf(path, sizeof(path), "%s/ikev2_decryption_table", dir);
	f = fopen(path, "w");
	cr_assert_not_null(f);
	fprintf(f, "%016llx,%016llx,", (unsigned long long)spi_i, (unsigned long long)spi_r);
	put_hex(f, k->e[0], k->s.key + k->s.salt);
	fputc(',', f);
	put_hex(f, k->e[1], k->s.key + k->s.salt);
	fprintf(f, ",\"%s\",", s->encr);
	put_hex(f, k->a[0], k->s.integ);
	fputc(',', f);
	put_hex(f, k->a[1], k->s.integ);
	fprintf(f, ",\"%s\"\n", s->integ);
	fclose(f);
}

static void write_capture(const char *dir, const struct suite *s, struct keys *k)
{
	char path[128];
	uint8_t buf[2048], pcap_head[24];
	struct wr w = wr_init(pcap_head, sizeof(pcap_head));
	size_t len;
	FILE *f;

	snprintf(path, sizeof(path), "%s/ike.pcap", dir);
	f = fopen(path, "w");
	cr_assert_not_null(f);
	wr_u32(&w, 0xa1b2c3d4);	 /* microseconds; its order says that all is big endian */
	wr_u32(&w, 2 << 16 | 4); /* version 2.4 */
	wr_zero(&w, 8);
	wr_u32(&w, 65535);
	wr_u32(&w, 101); /* LINKTYPE_RAW */
	cr_assert_eq(fwrite(pcap_head, 1, sizeof(pcap_head), f), sizeof(pcap_head));
	len = sa_init(&s->spec, buf, sizeof(buf));
	cr_assert_gt(len, 0);
	put_ip_udp(f, true, buf, len);
	for (int from_i = 1; from_i >= 0; from_i--) {
		len = ike_auth(k, from_i, buf, sizeof(buf));
		cr_assert_gt(len, 0);
		put_ip_udp(f, from_i, buf, len);
	}
	fclose(f);
}

static char text[TEXT_MAX];

static void run_tshark(const char *dir)
{
	char cmd[512];
	FILE *p;

	snprintf(cmd, sizeof(cmd),
		 "WIRESHARK_CONFIG_DIR=%s tshark -n -V -O isakmp -r %s/ike.pcap 2>/dev/null", dir,
		 dir);
	p = popen(cmd, "r");
	cr_assert_not_null(p);
	text[fread(text, 1, sizeof(text) - 1, p)] = '\0';
	cr_assert_eq(pclose(p), 0);
}

static unsigned count(const char *what)
{
	unsigned n = 0;

	for (const char *at = text; (at = strstr(at, what)); at++)
		n++;
	return n;
}

static void remove_dir(const char *dir)
{
	static const char *const files[] = { "ike.pcap", "ikev2_decryption_table" };
	char path[128];

	for (int i = 0; i < 2; i++) {
		snprintf(path, sizeof(path), "%s/%s", dir, files[i]);
		unlink(path);
	}
	rmdir(dir);
}

static void decoded_by_tshark(const struct suite *s)
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
	char dir[] = "/tmp/braid-tshark-XXXXXX";
	struct keys k;

	memset(&k, 0, sizeof(k));
	for (unsigned i = 0; i < sizeof(k.e[0]); i++) {
		k.e[0][i] = (uint8_t)i;
		k.e[1][i] = (uint8_t)(0x40 + i);
		k.a[0][i] = (uint8_t)(0x80 + i);
		k.a[1][i] = (uint8_t)(0xc0 + i);
	}
	cr_assert(aead_sizes(&s->spec, &k.s));
	for (int i = 0; i < 2; i++) {
		k.seal[i] = aead_new(AEAD_DRIVER_OPENSSL, &s->spec, true, k.e[i],
				     k.s.key + k.s.salt, k.a[i], k.s.integ);
		cr_assert_not_null(k.seal[i]);
	}
	cr_assert_not_null(mkdtemp(dir));
	write_table(dir, s, &k);
	write_capture(dir, s, &k);
	run_tshark(dir);
	remove_dir(dir);
	aead_free(k.seal[0]);
	aead_free(k.seal[1]);

	for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++)
		cr_expect(strstr(text, wanted[i]), "%s: tshark does not say \"%s\"", s->encr,
			  wanted[i]);
	/* Both directions: the integrity data is checked, nothing is malformed. */
	cr_expect_eq(count("[correct]"), 2, "%s: %s", s->encr, text);
	cr_expect_eq(count("Malformed"), 0);
}

Test(tshark, reads_our_messages)
{
	if (system("command -v tshark >/dev/null 2>&1") != 0)
		cr_skip("no tshark");
	for (size_t i = 0; i < sizeof(suites) / sizeof(suites[0]); i++)
		decoded_by_tshark(&suites[i]);
}
