/* SPDX-License-Identifier: GPL-2.0-only */
/* Before authentication, but with keys: anybody may do the key exchange and then say anything.
 * First octet: bit 0 chooses whether the input is the IKE_SA_INIT answer's payloads (in clear), or
 * the payloads of IKE_AUTH; bit 1 chooses the side that hears it; bit 2 has both
 * want a certificate. Nobody gets an IKE SA that way. Certificates are cheap too: the two of the
 * fixture are known and believed, all others are not read, and no signature is right (fuzz_cert has
 * the real ones).
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "crypto/auth.h"
#include "crypto/x509.h"
#include "../sim/duo.h"
#include "cert_fixture.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* m with its payloads replaced by the input. */
static size_t in_clear(const struct duo_msg *m, const uint8_t *data, size_t size, uint8_t *buf)
{
	struct rd r = rd_init(m->buf, m->len);
	struct wr w = wr_init(buf, DUO_MSG_MAX);
	struct ike_hdr h;

	if (ike_hdr_get(&r, &h))
		abort();
	h.next_payload = data[1];
	h.length = (uint32_t)(IKE_HEADER_OCTETS + size - 2);
	ike_hdr_put(&w, &h);
	wr_bytes(&w, data + 2, size - 2);
	return w.err ? 0 : w.len;
}

static size_t in_sk(struct duo *d, const struct duo_msg *m, const uint8_t *data, size_t size,
		    uint8_t *buf)
{
	struct rd r = rd_init(m->buf, m->len);
	struct ike_hdr h;

	if (ike_hdr_get(&r, &h))
		abort();
	return duo_seal(d, DUO_I, 0, &h, data[1], data + 2, size - 2, buf, DUO_MSG_MAX);
}

typeof(cert_parse) __wrap_cert_parse, __real_cert_parse;
typeof(cert_free) __wrap_cert_free, __real_cert_free;
typeof(trust_verify) __wrap_trust_verify;
typeof(auth_verify) __wrap_auth_verify;

static struct cert *known;

int __wrap_cert_parse(const uint8_t *der, size_t len, struct cert **ret_cert)
{
	if (len != sizeof(fix_end) || memcmp(der, fix_end, len))
		return -EBADMSG;
	*ret_cert = known;
	return 0;
}

void __wrap_cert_free(struct cert *c)
{
	if (c != known)
		__real_cert_free(c);
}

int __wrap_trust_verify(const struct trust *t, const struct cert *end, const struct chunk *more,
			size_t n, int64_t now, char why[CERT_WHY_MAX])
{
	if (end != known || !now || !trust_count(t))
		abort();
	for (size_t i = 0; i < n; i++)
		if (more[i].len == sizeof(fix_sub) && !memcmp(more[i].p, fix_sub, more[i].len))
			return 0;
	strcpy(why, "nobody knows whose it is");
	return -EKEYREJECTED;
}

int __wrap_auth_verify(const struct pkey *k, uint8_t method, const uint8_t *auth, size_t len,
		       const struct chunk *in, size_t n, const char **ret_how)
{
	(void)k, (void)method, (void)auth, (void)len, (void)in, (void)n;
	*ret_how = "?";
	return -EBADMSG;
}

static struct duo *prepare(bool certificates)
{
	struct trust *t = certificates ? trust_new(CRL_IFPRESENT) : NULL;
	struct duo *d = duo_new();

	log_set_level(LOG_ERR_);
	if (certificates && __real_cert_parse(fix_end, sizeof(fix_end), &known))
		abort();
	if (!d || (certificates && (!t || trust_add_cas(t, fix_ca, sizeof(fix_ca)))))
		abort();
	for (int who = 0; who < 2 && certificates; who++) {
		d->side[who].conn.remote_auth = AUTH_BY_PUBKEY;
		d->side[who].conn.trust = t;
		d->side[who].conn.remote_id = (struct ike_id){ .type = 0 }; /* any */
	}
	return d;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct duo *duos[2];
	static struct duo_msg m;
	uint8_t buf[DUO_MSG_MAX];
	struct duo *d;
	int deliver;
	size_t n;

	for (int i = 0; i < 2; i++)
		if (!duos[i])
			duos[i] = prepare(i);
	if (size < 2)
		return 0;
	d = duos[data[0] >> 2 & 1];
	if (duo_again(d, USEC_PER_SEC) || duo_up(d) || !duo_take(d, &m))
		abort();
	/* on to the message that is replaced: 0 and 1 IKE_SA_INIT, 2 and 3 IKE_AUTH */
	deliver = (data[0] & 1 ? 2 : 0) + (data[0] >> 1 & 1);
	while (deliver--)
		if (duo_deliver(d, &m) != 1 || !duo_take(d, &m))
			abort();
	n = data[0] & 1 ? in_sk(d, &m, data, size, buf) : in_clear(&m, data, size, buf);
	if (n)
		duo_give(d, m.to, &m.path, buf, n);
	d->n = 0;
	duo_wait(d, 3 * USEC_PER_SEC);
	if (duo_count(d, m.to, "ESTABLISHED") || d->e[m.to].child_adds)
		abort();
	return 0;
}
