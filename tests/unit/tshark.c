/* SPDX-License-Identifier: GPL-2.0-only */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ikemsg/sk.h"
#include "tshark.h"

enum { TEXT_MAX = 256 * 1024, FRAME_OVERHEAD = 20 + 8, LINKTYPE_RAW = 101 };

struct keys {
	uint8_t e[2][64], a[2][64]; /* SK_ei, SK_er, SK_ai, SK_ar */
};

bool tshark_there(void)
{
	return system("command -v tshark >/dev/null 2>&1") == 0;
}

static void put_hex(FILE *f, const uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		fprintf(f, "%02x", p[i]);
}

static FILE *create(const struct tshark_capture *c, const char *name)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", c->dir, name);
	FILE *f = fopen(path, "w");
	cr_assert_not_null(f);
	return f;
}

static void write_table(const struct tshark_capture *c, const struct tshark_suite *suite,
			const struct keys *k)
{
	FILE *f = create(c, "ikev2_decryption_table");

	fprintf(f, "%016llx,%016llx,", TSHARK_SPI_I, TSHARK_SPI_R);
	put_hex(f, k->e[0], c->s.key + c->s.salt);
	fputc(',', f);
	put_hex(f, k->e[1], c->s.key + c->s.salt);
	fprintf(f, ",\"%s\",", suite->encr);
	put_hex(f, k->a[0], c->s.integ);
	fputc(',', f);
	put_hex(f, k->a[1], c->s.integ);
	fprintf(f, ",\"%s\"\n", suite->integ);
	fclose(f);
}

void tshark_begin(struct tshark_capture *c, const struct tshark_suite *suite)
{
	uint8_t head[24];
	struct wr w = wr_init(head, sizeof(head));
	struct keys k;

	memset(&k, 0, sizeof(k));
	for (unsigned i = 0; i < sizeof(k.e[0]); i++) {
		k.e[0][i] = (uint8_t)i;
		k.e[1][i] = (uint8_t)(0x40 + i);
		k.a[0][i] = (uint8_t)(0x80 + i);
		k.a[1][i] = (uint8_t)(0xc0 + i);
	}
	cr_assert(aead_sizes(&suite->spec, &c->s));
	for (int i = 0; i < 2; i++) {
		c->seal[i] = aead_new(AEAD_DRIVER_OPENSSL, &suite->spec, true, k.e[i],
				      c->s.key + c->s.salt, k.a[i], c->s.integ);
		cr_assert_not_null(c->seal[i]);
	}
	strcpy(c->dir, "/tmp/braid-tshark-XXXXXX");
	cr_assert_not_null(mkdtemp(c->dir));
	write_table(c, suite, &k);

	c->f = create(c, "ike.pcap");
	wr_u32(&w, 0xa1b2c3d4);	 /* microseconds; its order says that all is big endian */
	wr_u32(&w, 2 << 16 | 4); /* version 2.4 */
	wr_zero(&w, 8);
	wr_u32(&w, 65535);
	wr_u32(&w, LINKTYPE_RAW);
	cr_assert_eq(fwrite(head, 1, sizeof(head), c->f), sizeof(head));
}

void tshark_put(struct tshark_capture *c, bool from_i, const uint8_t *msg, size_t len)
{
	uint8_t b[16 + FRAME_OVERHEAD];
	struct wr w = wr_init(b, sizeof(b));
	size_t ip_len = FRAME_OVERHEAD + len;

	cr_assert_gt(len, 0);
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
	cr_assert_eq(fwrite(b, 1, sizeof(b), c->f), sizeof(b));
	cr_assert_eq(fwrite(msg, 1, len, c->f), len);
}

void tshark_put_sealed(struct tshark_capture *c, bool from_i, uint8_t exchange, uint32_t msg_id,
		       const struct msg_wr *inner)
{
	struct ike_hdr h = { .spi_i = TSHARK_SPI_I,
			     .spi_r = TSHARK_SPI_R,
			     .version = IKE_VERSION_2_0,
			     .exchange = exchange,
			     .flags = from_i ? IKE_FLAG_INITIATOR : IKE_FLAG_RESPONSE,
			     .msg_id = msg_id };
	static uint8_t buf[4096];

	cr_assert_eq(inner->w.err, 0);
	tshark_put(c, from_i, buf,
		   sk_seal(c->seal[!from_i], &c->s, &h, inner->first, inner->w.base, inner->w.len,
			   1 + msg_id, buf, sizeof(buf)));
}

const char *tshark_end(struct tshark_capture *c, const char *args)
{
	static const char *const files[] = { "ike.pcap", "ikev2_decryption_table" };
	static char text[TEXT_MAX];
	char cmd[512];

	fclose(c->f);
	snprintf(cmd, sizeof(cmd),
		 "WIRESHARK_CONFIG_DIR=%s tshark -n -r %s/ike.pcap %s 2>/dev/null", c->dir, c->dir,
		 args);
	FILE *p = popen(cmd, "r");
	cr_assert_not_null(p);
	text[fread(text, 1, sizeof(text) - 1, p)] = '\0';
	cr_assert_eq(pclose(p), 0);
	for (int i = 0; i < 2; i++) {
		snprintf(cmd, sizeof(cmd), "%s/%s", c->dir, files[i]);
		unlink(cmd);
	}
	rmdir(c->dir);
	aead_free(c->seal[0]);
	aead_free(c->seal[1]);
	return text;
}

unsigned tshark_count(const char *text, const char *what)
{
	unsigned n = 0;

	for (const char *at = text; (at = strstr(at, what)); at++)
		n++;
	return n;
}
