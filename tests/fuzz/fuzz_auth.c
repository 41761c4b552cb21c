/* SPDX-License-Identifier: GPL-2.0-only */
/* Before authentication, but with keys: anybody may do the key exchange and then say anything.
 * First octet: bit 0 chooses whether the input is the IKE_SA_INIT answer's payloads (in clear), or
 * the payloads of IKE_AUTH; bit 1 chooses the side that hears it; bit 2 has both
 * want a certificate. Nobody gets an IKE SA that way.
 */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
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

static struct duo *duo_make(bool certificates)
{
	static struct trust *t;
	struct duo *d = duo_new();

	if (!d ||
	    (!t && (!(t = trust_new(CRL_IFPRESENT)) || trust_add_cas(t, fix_ca, sizeof(fix_ca)))))
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
	struct duo *d;
	struct duo_msg m;
	uint8_t buf[DUO_MSG_MAX];
	int deliver;
	size_t n;

	if (size < 2)
		return 0;
	log_set_level(LOG_ERR_);
	d = duo_make(data[0] & 4);
	if (duo_start(d) || duo_up(d) || !duo_take(d, &m))
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
	duo_free(d);
	return 0;
}
