/* SPDX-License-Identifier: GPL-2.0-only */
/* Quick crash detection (RFC 6290): a token that proves that its maker lost an IKE SA.
 *
 *   IKE_AUTH        each side that makes tokens gives one to the other, protected
 *   IKE SA rekey    the responder in its answer, the initiator in an INFORMATIONAL on the new one
 *   afterwards      a request for an IKE SA that is not here is answered N(INVALID_IKE_SPI),
 *                   N(QCD_TOKEN): who holds the same token drops the IKE SA at once
 *
 * token = prf(secret, our role | SPIi | SPIr): nothing is stored, and the secret outlives us. The
 * role is in it so that a header with the Initiator flag turned does not make us tell the token of
 * an IKE SA that is here (6290 9.2).
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "exchange.h"
#include "ike_private.h"
#include "parts.h"

enum {
	TOKEN_OCTETS = 32,
	TOKEN_MIN = 16, /* of a peer's (4.1) */
	TOKEN_MAX = 128,
};

void ike_qcd_secret(struct ike *ike, const uint8_t secret[IKE_QCD_SECRET_OCTETS])
{
	memcpy(ike->qcd_secret, secret, sizeof(ike->qcd_secret));
	ike->qcd_maker = true;
}

static int token(const struct ike *ike, bool initiator, uint64_t spi_i, uint64_t spi_r,
		 uint8_t out[TOKEN_OCTETS])
{
	uint8_t mac[PRF_MAX_OCTETS], text[17];
	struct wr w = wr_init(text, sizeof(text));
	struct chunk in = { text, sizeof(text) };
	int ret;

	wr_u8(&w, initiator);
	wr_u64(&w, spi_i);
	wr_u64(&w, spi_r);
	ret = prf_compute(PRF_HMAC_SHA2_256, ike->qcd_secret, sizeof(ike->qcd_secret), &in, 1, mac);
	if (!ret)
		memcpy(out, mac, TOKEN_OCTETS);
	secret_wipe(mac, sizeof(mac));
	return ret;
}

/* Protocol 1, since it is about the IKE SA (4.1). */
static void put(const struct ike *ike, bool initiator, uint64_t spi_i, uint64_t spi_r,
		struct msg_wr *m)
{
	uint8_t t[TOKEN_OCTETS];

	if (!token(ike, initiator, spi_i, spi_r, t))
		msg_put_notify(m, PROTO_IKE, NULL, 0, N_QUICK_CRASH_DETECTION, t, sizeof(t));
	secret_wipe(t, sizeof(t));
}

void qcd_build(struct part_ctx *c)
{
	if (!c->ike->qcd_maker || (c->place == AT_INFO_REQUEST && !c->sa->qcd_due))
		return;
	c->sa->qcd_due = false;
	put(c->ike, c->sa->initiator, c->sa->spi_i, c->sa->spi_r, c->m);
}

int qcd_keep(struct ike_sa *sa, const uint8_t *p, size_t len)
{
	uint8_t *copy;

	if (len < TOKEN_MIN || len > TOKEN_MAX)
		return -EINVAL;
	copy = malloc(len);
	if (!copy)
		return -ENOMEM;
	memcpy(copy, p, len);
	qcd_forget(sa);
	sa->qcd_token = copy;
	sa->qcd_token_len = (uint8_t)len;
	return 0;
}

void qcd_forget(struct ike_sa *sa)
{
	if (sa->qcd_token)
		secret_wipe(sa->qcd_token, sa->qcd_token_len);
	free(sa->qcd_token);
	sa->qcd_token = NULL;
	sa->qcd_token_len = 0;
}

/* A new one replaces the old at any time (4.4). */
void qcd_process(struct part_ctx *c)
{
	const struct notify *n = msg_notify(c->in, N_QUICK_CRASH_DETECTION);

	if (n && qcd_keep(c->sa, n->data.p, n->data.len))
		log_ike(c->sa, LOG_DEBUG_, "a QCD token of %zu octets is not kept", n->data.len);
}

void qcd_answer(const struct ike *ike, const struct ike_hdr *h, struct msg_wr *m)
{
	/* whichever of the two is ours: nothing about an IKE SA that is here, or about to be */
	if (!ike->qcd_maker || ike_sa_find(ike, h->spi_i) || ike_sa_find(ike, h->spi_r) ||
	    task_offering_ike(ike, h->spi_i) || task_offering_ike(ike, h->spi_r))
		return;
	put(ike, !(h->flags & IKE_FLAG_INITIATOR), h->spi_i, h->spi_r, m);
}

/* Several, where the maker changed its secret: any will do (4.5). */
bool qcd_proves(const struct ike_sa *sa, const struct ike_msg *in)
{
	for (unsigned i = 0; i < in->n_notifies && sa->qcd_token; i++) {
		const struct notify *n = &in->notifies[i];

		if (n->type == N_QUICK_CRASH_DETECTION && n->data.len == sa->qcd_token_len &&
		    secret_equal(n->data.p, sa->qcd_token, n->data.len))
			return true;
	}
	return false;
}
