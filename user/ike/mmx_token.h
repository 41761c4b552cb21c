/* SPDX-License-Identifier: GPL-2.0-only */
/* Tokens: whoever returns one has received the answer to a probe at the address it is about, so
 * that no check of its own is needed (MMX 6).
 *
 * A token is a MAC under a secret of the issuer's, over everything it is bound to; nothing is
 * stored for it. What is stored are those that are void, because their answer went to another
 * address after the first one: who pretends to be at a victim's address could else fetch it from
 * his own. If there are too many, all that were issued until then are void. Thread: the agent's.
 */
#ifndef BRAID_IKE_MMX_TOKEN_H
#define BRAID_IKE_MMX_TOKEN_H

#include "base/addr.h"
#include "base/usec.h"
#include "ikemsg/ikemsg.h"

enum {
	MMX_TOKEN_OCTETS = 4 + 4 + 16,
	MMX_TOKEN_SECRET = 32,
	MMX_TOKENS_VOID_MAX = 8,
	MMX_TOKEN_LIFE_SEC = 60,
};

/* Of one family of IKE SAs. */
struct mmx_tokens {
	uint8_t secret[MMX_TOKEN_SECRET];
	uint32_t next;	/* serial number */
	uint32_t first; /* of those that may be valid */
	unsigned n_void;
	uint32_t is_void[MMX_TOKENS_VOID_MAX];
};

/* What a token says that was received. */
struct mmx_token_facts {
	uint64_t family;	       /* of IKE SAs: who it was */
	uint32_t path;		       /* number of I's endpoint in the upper half */
	struct udp_addr observed, own; /* where the probe came from, and to */
};

/* 0 or -EIO. */
int mmx_tokens_init(struct mmx_tokens *ret_t);
void mmx_tokens_clear(struct mmx_tokens *t);
/* ret_serial: to void it by. 0 or -EIO. */
int mmx_token_make(struct mmx_tokens *t, const struct mmx_token_facts *f, usec_t now,
		   uint8_t ret_token[MMX_TOKEN_OCTETS], uint32_t *ret_serial);
/* The answer it was in goes to another address, too. */
void mmx_token_void(struct mmx_tokens *t, uint32_t serial);
/* Whether a token proves that, now. */
bool mmx_token_check(const struct mmx_tokens *t, const struct mmx_token_facts *f, usec_t now,
		     struct bytes token);

#endif
