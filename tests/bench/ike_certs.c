/* SPDX-License-Identifier: GPL-2.0-only */
/* ike_certs DIR COUNT: ECDSA P-256 certificates of one CA, as PEM in DIR: ca.pem; gw.pem with
 * gw.key for gw.example.org; c0.pem and so on for cN.example.org, all with the key in client.key.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "../lib/pki.h"

enum { SERIAL_FIRST = 100 };

static int64_t today; /* relative to PKI_NOW */

static void save(const char *dir, const char *name, char *pem, size_t len)
{
	char path[512];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "wx");
	if (!f || fwrite(pem, len, 1, f) != 1 || fclose(f)) {
		fprintf(stderr, "ike_certs: %s: %s\n", path, strerror(errno));
		exit(1);
	}
	free(pem);
}

static struct pki_spec spec(const char *cn, const struct pki_ent *ca, long serial)
{
	return (struct pki_spec){ .cn = cn,
				  .key = "P-256",
				  .ca = ca,
				  .serial = serial,
				  .from = today - PKI_DAY,
				  .to = today + PKI_DAY };
}

/* For NAME.example.org, into NAME.pem; own: the key to certify, or NULL for a new one. */
static struct pki_ent end(const char *dir, const char *name, const struct pki_ent *ca, long serial,
			  EVP_PKEY *own)
{
	struct pki_spec s = spec(name, ca, serial);
	char san[80], file[64];
	struct pki_ent e;
	size_t len;
	char *pem;

	snprintf(san, sizeof(san), "DNS:%s.example.org", name);
	snprintf(file, sizeof(file), "%s.pem", name);
	s.own = own;
	s.exts[0][0] = "subjectAltName";
	s.exts[0][1] = san;
	e = pki_make(&s);
	pem = pki_pem(&e, NULL, &len);
	save(dir, file, pem, len);
	return e;
}

int main(int argc, char **argv)
{
	struct pki_ent ca, gw;
	struct pki_spec s;
	EVP_PKEY *client;
	size_t len;
	char *pem;

	if (argc != 3) {
		fprintf(stderr, "usage: ike_certs DIR COUNT\n");
		return 2;
	}
	umask(077);
	today = (int64_t)time(NULL) - PKI_NOW;
	s = spec("ca", NULL, 1);
	s.exts[0][0] = "basicConstraints";
	s.exts[0][1] = "critical,CA:TRUE";
	s.exts[1][0] = "keyUsage";
	s.exts[1][1] = "critical,keyCertSign,cRLSign";
	ca = pki_make(&s);
	pem = pki_pem(&ca, NULL, &len);
	save(argv[1], "ca.pem", pem, len);
	gw = end(argv[1], "gw", &ca, 2, NULL);
	pem = pki_key_pem(gw.key, &len);
	save(argv[1], "gw.key", pem, len);
	client = pki_key("P-256");
	pem = pki_key_pem(client, &len);
	save(argv[1], "client.key", pem, len);
	for (long i = 0; i < atol(argv[2]); i++) {
		char name[32];
		struct pki_ent e;

		snprintf(name, sizeof(name), "c%ld", i);
		e = end(argv[1], name, &ca, SERIAL_FIRST + i, client);
		pki_free(&e);
	}
	EVP_PKEY_free(client);
	pki_free(&gw);
	pki_free(&ca);
	return 0;
}
