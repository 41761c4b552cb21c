/* SPDX-License-Identifier: GPL-2.0-only */
/* Tokens of path probes: see mmx_token.h.
 *
 *   | Serial (4) | Valid until, s (4) |  MAC (16): the beginning of HMAC-SHA-256  |
 */
#include <errno.h>
#include <string.h>

#include "base/secret.h"
#include "base/wire.h"
#include "crypto/alg.h"
#include "crypto/prf.h"
#include "crypto/rng.h"
#include "mmx_token.h"

enum { HEAD_OCTETS = 8, MAC_OCTETS = MMX_TOKEN_OCTETS - HEAD_OCTETS, ADDR_OCTETS = 1 + 16 + 2 };

int mmx_tokens_init(struct mmx_tokens *ret_t)
{
	struct mmx_tokens t = { .next = 0 };
	int r = rng_bytes(t.secret, sizeof(t.secret)) ? -EIO : 0;

	if (!r)
		*ret_t = t;
	secret_wipe(&t, sizeof(t));
	return r;
}

void mmx_tokens_clear(struct mmx_tokens *t)
{
	secret_wipe(t, sizeof(*t));
}

static void put_addr(struct wr *w, const struct udp_addr *a)
{
	wr_u8(w, a->ip.family);
	wr_bytes(w, a->ip.b, sizeof(a->ip.b));
	wr_u16(w, a->port);
}

static int mac(const struct mmx_tokens *t, const struct mmx_token_facts *f,
	       const uint8_t head[HEAD_OCTETS], uint8_t ret_mac[PRF_MAX_OCTETS])
{
	uint8_t facts[8 + 4 + 2 * ADDR_OCTETS];
	struct chunk in[] = { { head, HEAD_OCTETS }, { facts, sizeof(facts) } };
	struct wr w = wr_init(facts, sizeof(facts));

	wr_u64(&w, f->family);
	wr_u32(&w, f->path);
	put_addr(&w, &f->observed);
	put_addr(&w, &f->own);
	return prf_compute(PRF_HMAC_SHA2_256, t->secret, sizeof(t->secret), in, 2, ret_mac) ? -EIO
											    : 0;
}

static uint32_t seconds(usec_t now)
{
	return (uint32_t)(now / USEC_PER_SEC);
}

int mmx_token_make(struct mmx_tokens *t, const struct mmx_token_facts *f, usec_t now,
		   uint8_t ret_token[MMX_TOKEN_OCTETS], uint32_t *ret_serial)
{
	uint8_t head[HEAD_OCTETS], m[PRF_MAX_OCTETS];
	struct wr w = wr_init(head, sizeof(head));

	wr_u32(&w, t->next);
	wr_u32(&w, seconds(now) + MMX_TOKEN_LIFE_SEC);
	if (mac(t, f, head, m))
		return -EIO;
	memcpy(ret_token, head, HEAD_OCTETS);
	memcpy(ret_token + HEAD_OCTETS, m, MAC_OCTETS);
	*ret_serial = t->next++;
	return 0;
}

static bool voided(const struct mmx_tokens *t, uint32_t serial)
{
	/* numbers come round: what is behind `first` is old */
	if (serial - t->first >= t->next - t->first)
		return true;
	for (unsigned i = 0; i < t->n_void; i++)
		if (t->is_void[i] == serial)
			return true;
	return false;
}

void mmx_token_void(struct mmx_tokens *t, uint32_t serial)
{
	if (voided(t, serial))
		return;
	if (t->n_void == MMX_TOKENS_VOID_MAX) {
		t->first = t->next;
		t->n_void = 0;
		return;
	}
	t->is_void[t->n_void++] = serial;
}

bool mmx_token_check(const struct mmx_tokens *t, const struct mmx_token_facts *f, usec_t now,
		     struct bytes token)
{
	uint8_t m[PRF_MAX_OCTETS];
	struct rd r = rd_init(token.p, token.len);
	uint32_t serial = rd_u32(&r), until = rd_u32(&r);
	bool ok;

	if (token.len != MMX_TOKEN_OCTETS || mac(t, f, token.p, m))
		return false;
	ok = secret_equal(token.p + HEAD_OCTETS, m, MAC_OCTETS);
	secret_wipe(m, sizeof(m));
	return ok && !voided(t, serial) && (int32_t)(until - seconds(now)) > 0;
}
