/* SPDX-License-Identifier: GPL-2.0-only */
/* IKE_AUTH by somebody who did the key exchange, saw a certificate once, and does not hold its key;
 * and CERT payloads of every wrong form. [AUT-14] [SIG-3] [ROB-1] */
#include <stdlib.h>
#include <string.h>

#include "crypto/auth.h"
#include "../lib/pki.h"
#include "duo_assert.h"

static struct duo *d;
static struct ike_msg msg;
static struct duo_msg m;
static struct pki_ent ca, sub, end;
static struct chunk der[2]; /* end, sub */

static void setup(void)
{
	struct duo_side *i, *r;

	_Static_assert(DUO_REAL == PKI_NOW, "");
	d = new_duo();
	i = &d->side[DUO_I];
	r = &d->side[DUO_R];
	ca = pki_ca("CA", "P-256", NULL);
	sub = pki_ca("sub", "P-256", &ca);
	end = pki_end("end", "P-256", &sub, "DNS:i.example");
	der[0] = pki_der(&end);
	der[1] = pki_der(&sub);
	i->conn.local_auth = r->conn.remote_auth = AUTH_BY_PUBKEY;
	i->conn.n_creds = 1;
	i->conn.creds[0] = pki_cred(&end, &sub);
	r->conn.trust = pki_trust(CRL_OFF, &ca, NULL);
	i->conn.fragmentation = IKE_FRAGMENT_NO; /* the test makes another request of this one */
	cr_assert_eq(duo_start(d), 0);
	cr_assert_eq(duo_up(d), 0);
	cr_assert(duo_take(d, &m));
	for (int n = 0; n < 2; n++) { /* on to the IKE_AUTH request */
		cr_assert_eq(duo_deliver(d, &m), 1);
		cr_assert(duo_take(d, &m));
	}
	static struct duo_msg plain;
	plain = m;
	cr_assert(duo_open(d, DUO_I, 0, &plain, &msg));
}

static void teardown(void)
{
	cred_unref(d->side[DUO_I].conn.creds[0]);
	trust_unref(d->side[DUO_R].conn.trust);
	duo_free(d);
	pki_free(&ca);
	pki_free(&sub);
	pki_free(&end);
	free((void *)der[0].p);
	free((void *)der[1].p);
}

TestSuite(bad_certs, .init = setup, .fini = teardown, .timeout = 60);

/* What is shown in place of the two certificates and AUTH of the request. */
struct shown {
	unsigned n;
	struct {
		uint8_t encoding;
		struct chunk der;
	} cert[10];
	uint8_t method;
	struct chunk auth;
};

static struct shown as_it_was(void)
{
	return (struct shown){ .n = 2,
			       .cert = { { CERT_X509_SIGNATURE, der[0] },
					 { CERT_X509_SIGNATURE, der[1] } },
			       .method = msg.auth_method,
			       .auth = { msg.auth.p, msg.auth.len } };
}

static bool believed(const struct shown *s)
{
	static uint8_t buf[DUO_MSG_MAX];
	struct msg_wr w = msg_begin_inner(buf, sizeof(buf));
	struct ike_msg answer;
	size_t len;

	msg_put_id(&w, PLD_IDI, msg.idi.type, msg.idi.data.p, msg.idi.data.len);
	for (unsigned i = 0; i < s->n; i++)
		msg_put_cert(&w, PLD_CERT, s->cert[i].encoding, s->cert[i].der.p,
			     s->cert[i].der.len);
	msg_put_auth(&w, s->method, s->auth.p, s->auth.len);
	msg_put_sa(&w, &msg.sa);
	msg_put_ts(&w, PLD_TSI, &msg.tsi);
	msg_put_ts(&w, PLD_TSR, &msg.tsr);
	len = msg_end(&w);
	cr_assert_gt(len, 0);
	m.len = duo_seal(d, DUO_I, 0, &msg.hdr, w.first, buf, len, m.buf, sizeof(m.buf));
	cr_assert_gt(m.len, 0);
	cr_assert_eq(duo_deliver(d, &m), 1);
	if (duo_count(d, DUO_R, "ESTABLISHED") == 1)
		return d->e[DUO_R].child_adds == 1;
	/* exactly one notification, and nothing is left */
	cr_assert(duo_take(d, &m));
	cr_assert(duo_open(d, DUO_I, 0, &m, &answer));
	cr_assert_eq(answer.n_order, 2);
	cr_assert_eq(answer.notifies[0].type, N_AUTHENTICATION_FAILED);
	cr_assert_eq(d->e[DUO_R].child_adds, 0);
	cr_assert_eq(d->e[DUO_R].spis, 0);
	cr_assert_eq(duo_counters(d, DUO_R).half_open, 0);
	cr_assert_eq(duo_counters(d, DUO_R).auth_failed, 1);
	return false;
}

/* The control. */
Test(bad_certs, said_again_is_fine)
{
	struct shown s = as_it_was();

	cr_assert_eq(s.method, SIG_DIGITAL);
	cr_assert_eq(msg.n_certs, 2);
	cr_assert(believed(&s));
}

Test(bad_certs, signature_with_a_difference)
{
	uint8_t auth[600];

	/* every octet in turn, and one more or less */
	for (size_t i = 0; i < msg.auth.len + 2; i++) {
		struct shown s;

		teardown();
		setup();
		s = as_it_was();
		memcpy(auth, s.auth.p, s.auth.len);
		auth[s.auth.len] = 0;
		s.auth.p = auth;
		if (i < msg.auth.len)
			auth[i] ^= 0x01;
		else
			s.auth.len += i == msg.auth.len ? 1 : (size_t)-1;
		cr_assert(!believed(&s), "octet %zu", i);
	}
}

static void trusts(int (*add)(struct trust *t, const uint8_t *file, size_t len),
		   const struct pki_ent *e)
{
	size_t len;
	char *pem = pki_pem(e, NULL, &len);

	cr_assert_eq(add(d->side[DUO_R].conn.trust, (uint8_t *)pem, len), 0);
	free(pem);
}

/* Nothing shown: the certificate it may have is known, and AUTH is still by its key. */
Test(bad_certs, none_where_one_is_pinned)
{
	struct shown s = as_it_was();

	trusts(trust_add_cas, &sub);
	trusts(trust_add_pins, &end);
	s.n = 0;
	cr_assert(believed(&s));
}

Test(bad_certs, none_where_another_is_pinned)
{
	struct pki_ent other = pki_end("end", "P-256", &sub, "DNS:i.example");
	struct shown s = as_it_was();

	trusts(trust_add_cas, &sub);
	trusts(trust_add_pins, &other);
	pki_free(&other);
	s.n = 0;
	cr_assert(!believed(&s));
}

Test(bad_certs, empty_signature)
{
	struct shown s = as_it_was();

	s.auth.len = 0;
	cr_assert(!believed(&s));
}

Test(bad_certs, other_methods)
{
	static const uint8_t methods[] = {
		0, 1, AUTH_SHARED_KEY_MIC, 3, SIG_ECDSA_256, SIG_ECDSA_384, 11, 12, 13, 15, 255
	};

	for (size_t i = 0; i < sizeof(methods); i++) {
		struct shown s;

		teardown();
		setup();
		s = as_it_was();
		s.method = methods[i];
		cr_assert(!believed(&s), "method %u", methods[i]);
	}
}

Test(bad_certs, no_certificate)
{
	struct shown s = as_it_was();

	s.n = 0;
	cr_assert(!believed(&s));
}

/* Only encoding 4 is read, of what a hash and URL, PKCS #7 or an attribute certificate holds
 * nothing. [VUL-8] [VUL-24] */
Test(bad_certs, other_encodings)
{
	/* SignedData without certificates and signatures, with an empty CRL set */
	static const uint8_t pkcs7[] = { 0x30, 0x25, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d,
					 0x01, 0x07, 0x02, 0xa0, 0x18, 0x30, 0x16, 0x02, 0x01, 0x01,
					 0x31, 0x00, 0x30, 0x0b, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86,
					 0xf7, 0x0d, 0x01, 0x07, 0x01, 0xa1, 0x00, 0x31, 0x00 };

	for (unsigned i = 0; i < 2 * 256; i++) {
		struct shown s;

		if (i % 256 == 4 && i < 256)
			continue;
		teardown();
		setup();
		s = as_it_was();
		s.cert[0].encoding = (uint8_t)i;
		if (i >= 256)
			s.cert[0].der = (struct chunk){ pkcs7, sizeof(pkcs7) };
		cr_assert(!believed(&s), "encoding %u", i % 256);
	}
}

Test(bad_certs, other_encodings_beside_are_ignored)
{
	struct shown s = as_it_was();

	s.cert[2] = s.cert[1];
	s.cert[1] = s.cert[0];
	s.cert[0].encoding = 12;
	s.cert[0].der = (struct chunk){ "http://192.0.2.1/", 17 };
	s.n = 3;
	cr_assert(believed(&s));
}

/* "The first certificate MUST contain the public key used" (3.6) */
Test(bad_certs, end_certificate_is_not_the_first)
{
	struct shown s = as_it_was();

	s.cert[0].der = der[1];
	s.cert[1].der = der[0];
	cr_assert(!believed(&s));
}

Test(bad_certs, further_certificates_that_are_none)
{
	struct shown s = as_it_was();

	s.cert[2] = s.cert[1];
	s.cert[1].der = (struct chunk){ "\x30\x82\xff\xff\x30", 5 };
	s.n = 3;
	cr_assert(believed(&s));
}

Test(bad_certs, damaged_end_certificate)
{
	uint8_t copy[2048];

	for (unsigned i = 0; i < 5; i++) {
		struct shown s;
		size_t len;

		teardown();
		setup();
		s = as_it_was();
		len = s.cert[0].der.len;
		memcpy(copy, s.cert[0].der.p, len);
		copy[len] = 0;
		s.cert[0].der.p = copy;
		switch (i) {
		case 0: /* something behind it */
			s.cert[0].der.len++;
			break;
		case 1:
			s.cert[0].der.len--;
			break;
		case 2:
			s.cert[0].der.len = 0;
			break;
		case 3: /* the CA's signature */
			copy[len - 1] ^= 1;
			break;
		case 4: /* BER: a length in more octets than needed */
			memmove(copy + 5, copy + 4, len - 4);
			copy[1] = 0x83;
			copy[4] = copy[3];
			copy[3] = copy[2];
			copy[2] = 0;
			s.cert[0].der.len++;
			break;
		}
		cr_assert(!believed(&s), "case %u", i);
	}
}

/* Eight may come, a ninth makes the message INVALID_SYNTAX: nothing is stored for more. */
Test(bad_certs, too_many)
{
	static uint8_t buf[DUO_MSG_MAX];
	struct msg_wr w = msg_begin_inner(buf, sizeof(buf));
	struct ike_msg again = { .n_certs = 0 };
	uint8_t critical;

	for (int i = 0; i < 9; i++)
		msg_put_cert(&w, PLD_CERT, CERT_X509_SIGNATURE, "x", 1);
	cr_assert_eq(msg_decode_inner(PLD_CERT, buf, msg_end(&w), &again, &critical),
		     MSG_INVALID_SYNTAX);
}

/* The certificate of somebody else, stolen from the wire, with the thief's own signature. [VUL-5]
 */
Test(bad_certs, certificate_of_another)
{
	struct pki_ent thief = pki_end("thief", "P-256", &sub, "DNS:thief.example");
	struct chunk own = pki_der(&thief);
	struct shown s = as_it_was();

	s.cert[0].der = own; /* a good certificate, but not for this id */
	cr_assert(!believed(&s));
	pki_free(&thief);
	free((void *)own.p);
}
