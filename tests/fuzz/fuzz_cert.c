/* SPDX-License-Identifier: GPL-2.0-only */
/* What a peer may show before it is believed: certificates and AUTH, and what files may hold.
 * First octet: 0 the end certificate, 1 the one between it and the CA, 2 method and AUTH data, 3 a
 * file of CAs and CRLs, 4 a distinguished name, 5 a file with our own certificate or key, 6 one
 * more certificate besides the right ones, 7 an OCSP response. Nothing but the chain and the
 * signature that are known to be right is believed.
 */
#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>

#include "base/secret.h"
#include "crypto/auth.h"
#include "crypto/x509.h"
#include "cert_fixture.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { NOW = 1800000000 };

static struct trust *trusted(void)
{
	static struct trust *t;

	if (!t && (!(t = trust_new(CRL_IFPRESENT)) || trust_add_cas(t, fix_ca, sizeof(fix_ca))))
		abort();
	return t;
}

/* The right ones are believed, or there is nothing to find out. */
static void control(void)
{
	const struct chunk sub = { fix_sub, sizeof(fix_sub) }, text = { "what is signed", 14 };
	char why[CERT_WHY_MAX];
	const char *how;
	struct cert *c;

	if (cert_parse(fix_end, sizeof(fix_end), &c) ||
	    trust_verify(trusted(), c, &sub, 1, NOW, why) ||
	    auth_verify(cert_key(c), fix_auth[0], fix_auth + 1, sizeof(fix_auth) - 1, &text, 1,
			&how))
		abort();
	cert_free(c);
}

static void end_cert(const uint8_t *end, size_t end_len)
{
	const struct chunk sub = { fix_sub, sizeof(fix_sub) };
	char why[CERT_WHY_MAX];
	struct cert_info info;
	uint8_t dn[256];
	struct cert *c;
	size_t len;

	if (cert_parse(end, end_len, &c))
		return;
	cert_describe(c, &info);
	cert_has_name(c, CERT_DNS, (const uint8_t *)"gw.example", 10);
	cert_has_name(c, CERT_IP, (const uint8_t *)"\xc0\0\2\1", 4);
	if (!cert_subject(c, dn, sizeof(dn), &len) && !cert_has_name(c, CERT_DN, dn, len) &&
	    len > 2)
		dn_format(dn, len, info.subject, sizeof(info.subject));
	if (!trust_verify(trusted(), c, &sub, 1, NOW, why) &&
	    (end_len != sizeof(fix_end) || memcmp(end, fix_end, end_len)))
		abort(); /* forged */
	cert_free(c);
}

static const struct cert *right_end(void)
{
	static struct cert *c;

	if (!c && cert_parse(fix_end, sizeof(fix_end), &c))
		abort();
	return c;
}

/* Instead of the right intermediate, or before it. */
static void further(const uint8_t *more, size_t more_len, bool both)
{
	struct chunk others[] = { { more, more_len }, { fix_sub, sizeof(fix_sub) } };
	char why[CERT_WHY_MAX];

	if (!trust_verify(trusted(), right_end(), others, both ? 2 : 1, NOW, why) && !both &&
	    (more_len != sizeof(fix_sub) || memcmp(more, fix_sub, more_len)))
		abort(); /* forged */
}

static void auth(const uint8_t *p, size_t n)
{
	static const struct chunk text = { "what is signed", 14 }, other = { "what is sealed", 14 };
	const struct pkey *key = cert_key(right_end());
	const char *how;

	if (n && !auth_verify(key, p[0], p + 1, n - 1, &text, 1, &how) &&
	    !auth_verify(key, p[0], p + 1, n - 1, &other, 1, &how))
		abort();
}

/* An OCSP response, from a file and from a peer. */
static void ocsp(const uint8_t *p, size_t n)
{
	struct trust *t = trust_new(CRL_IFPRESENT);

	if (!t || trust_add_cas(t, fix_ca, sizeof(fix_ca)))
		abort();
	trust_add_ocsp(t, p, n);
	trust_unref(t);
	further(p, n, true);
}

static void names(const uint8_t *p, size_t n)
{
	char text[256];
	uint8_t dn[256];
	size_t len;

	dn_format(p, n, text, sizeof(text));
	dn_has_wildcard(p, n);
	dn_matches(p, n, p, n);
	memset(text, 0, sizeof(text));
	memcpy(text, p, n < sizeof(text) ? n : sizeof(text) - 1);
	if (!dn_parse(text, dn, sizeof(dn), &len) && !dn_matches(dn, len, dn, len))
		abort();
}

static void file(const uint8_t *p, size_t n)
{
	struct trust *t = trust_new(CRL_STRICT);

	trust_add_cas(t, p, n);
	trust_add_crls(t, p, n);
	trust_unref(t);
}

static void ours(const uint8_t *p, size_t n)
{
	struct secret pass;
	struct cred *c;
	struct pkey *k;

	secret_set(&pass, "x", 1);
	/* PKCS#12 says itself how much work it is: that of a file the operator chose */
	if (!memmem(p, n, "\x2a\x86\x48\x86\xf7\x0d\x01\x05", 8) && !cred_load(p, n, &pass, &c))
		cred_unref(c);
	if (!memmem(p, n, "ENCRYPTED", 9) && !pkey_load(p, n, &pass, &k))
		pkey_drop(k);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static bool started;

	if (!size)
		return 0;
	if (!started)
		control();
	started = true;
	switch (data[0]) {
	case 0:
		end_cert(data + 1, size - 1);
		break;
	case 1:
	case 6:
		further(data + 1, size - 1, data[0] == 6);
		break;
	case 2:
		auth(data + 1, size - 1);
		break;
	case 7:
		ocsp(data + 1, size - 1);
		break;
	case 3:
		file(data + 1, size - 1);
		break;
	case 4:
		names(data + 1, size - 1);
		break;
	case 5:
		ours(data + 1, size - 1);
		break;
	}
	if (ERR_peek_error())
		abort(); /* what is left over would be taken for the next one's */
	return 0;
}
